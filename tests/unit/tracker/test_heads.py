"""Heads are recognised by shape and read back what was encoded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.heads import Head, HeadDecoder, anchor_cells, recognise
from tracker.nms import iou_matrix, suppress

SIDE = 64
STRIDES = (8, 16, 32)
CELLS = 64 + 16 + 4


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, CELLS, 85), (SIDE, SIDE), (Head.YOLOX, STRIDES)),
        ((1, CELLS, 6), (SIDE, SIDE), (Head.YOLOX, STRIDES)),  # one class: six columns, but one row a cell
        ((1, 3549, 85), (416, 416), (Head.YOLOX, STRIDES)),
        ((1, 10, CELLS), (SIDE, SIDE), (Head.ULTRALYTICS, STRIDES)),
        ((1, 5, CELLS), (SIDE, SIDE), (Head.ULTRALYTICS, STRIDES)),  # one class
        ((1, 84, 5040), (384, 640), (Head.ULTRALYTICS, STRIDES)),  # not square
        ((1, 84, 34000), (1280, 1280), (Head.ULTRALYTICS, (8, 16, 32, 64))),  # P6 models: four levels
        ((1, 300, 6), (640, 640), (Head.END_TO_END, ())),
        ((1, 300, 7), (640, 640), None),
        ((1, 1000), (224, 224), None),  # a classifier
        ((2, 300, 6), (640, 640), None),  # fixed to two images a call
        ((1, 4, CELLS), (SIDE, SIDE), None),  # boxes without any class
    ],
)
def test_a_head_is_recognised_by_its_shape(shape, size, expected):
    assert recognise(np.zeros(shape, np.float32), *size) == expected


def test_yolox_that_decodes_in_the_graph_is_recognised_by_its_values():
    output = np.zeros((1, CELLS, 6), np.float32)
    cells = anchor_cells(SIDE * 8, SIDE * 8, STRIDES)
    output = np.zeros((1, len(cells), 6), np.float32)
    output[0, :, :2] = (cells[:, :2] + 0.5) * cells[:, 2:]
    output[0, :, 2:4] = 30.0

    assert recognise(output, SIDE * 8, SIDE * 8) == (Head.YOLOX_DECODED, STRIDES)

    output[0, 7, 4:] = 1.0
    found = HeadDecoder(Head.YOLOX_DECODED, STRIDES, SIDE * 8, SIDE * 8)(output, 0.5)
    x, y = output[0, 7, :2]
    np.testing.assert_allclose(found.boxes, [[x - 15, y - 15, x + 15, y + 15]])


def test_cells_run_row_by_row_from_the_finest_level():
    cells = anchor_cells(32, 64, STRIDES)

    assert len(cells) == 32 + 8 + 2
    np.testing.assert_array_equal(cells[:9, 0], [0, 1, 2, 3, 4, 5, 6, 7, 0])
    np.testing.assert_array_equal(cells[8], [0, 1, 8])
    np.testing.assert_array_equal(cells[32], [0, 0, 16])
    np.testing.assert_array_equal(cells[-1], [1, 0, 32])


box = st.tuples(
    st.floats(0, 400, width=32),
    st.floats(0, 400, width=32),
    st.floats(1, 400, width=32),
    st.floats(1, 400, width=32),
)


@given(box=box, cell=st.integers(0, CELLS - 1), label=st.integers(0, 2))
def test_yolox_reads_back_what_was_encoded(box, cell, label):
    left, top, width, height = box
    column, row, stride = anchor_cells(SIDE, SIDE, STRIDES)[cell]
    output = np.zeros((1, CELLS, 8), np.float32)
    output[0, cell, 0] = (left + width / 2) / stride - column
    output[0, cell, 1] = (top + height / 2) / stride - row
    output[0, cell, 2:4] = np.log([width / stride, height / stride])
    output[0, cell, 4] = 0.8
    output[0, cell, 5 + label] = 0.5

    found = HeadDecoder(Head.YOLOX, STRIDES, SIDE, SIDE, label)(output, 0.3)

    np.testing.assert_allclose(found.boxes, [[left, top, left + width, top + height]], atol=0.01)
    np.testing.assert_allclose(found.scores, [0.4], rtol=1e-6)


def test_a_wild_size_stays_finite():
    output = np.full((1, CELLS, 6), 1000.0, np.float32)

    found = HeadDecoder(Head.YOLOX, STRIDES, SIDE, SIDE)(output, 0.5)

    assert len(found.boxes) == CELLS
    assert np.isfinite(found.boxes).all()


def test_ultralytics_reads_centre_size_and_the_wanted_class_only():
    output = np.zeros((1, 7, CELLS), np.float32)
    output[0, :, 3] = [30, 20, 10, 8, 0.1, 0.9, 0.0]
    output[0, :, 5] = [30, 20, 10, 8, 0.9, 0.1, 0.0]  # another class

    found = HeadDecoder(Head.ULTRALYTICS, STRIDES, SIDE, SIDE, label=1)(output, 0.5)

    np.testing.assert_allclose(found.boxes, [[25, 16, 35, 24]])
    np.testing.assert_allclose(found.scores, [0.9])


def test_end_to_end_reads_corners_and_the_wanted_class_only():
    output = np.zeros((1, 300, 6), np.float32)
    output[0, 0] = [1, 2, 30, 40, 0.9, 2]
    output[0, 1] = [5, 6, 7, 8, 0.8, 0]
    decoder = HeadDecoder(Head.END_TO_END, (), SIDE, SIDE, label=2)

    found = decoder(output, 0.25)

    np.testing.assert_allclose(found.boxes, [[1, 2, 30, 40]])
    assert not decoder.needs_nms


boxes = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(0, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000)
    ),
    max_size=25,
)


@given(boxes=boxes, iou=st.sampled_from([0.0, 0.3, 0.65, 1.0]), limit=st.integers(1, 30))
def test_suppression_equals_the_textbook_loop(boxes, iou, limit):
    rows = np.array(boxes, dtype=np.float32).reshape(-1, 5)
    corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    scores = rows[:, 4]

    expected: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: -scores[i]):
        overlaps = [iou_matrix(corners[[index]], corners[[kept]])[0, 0] for kept in expected]
        if all(overlap <= iou for overlap in overlaps) and len(expected) < limit:
            expected.append(index)

    assert suppress(corners, scores, iou=iou, limit=limit).tolist() == expected


def test_iou_of_known_boxes():
    first = np.array([[0, 0, 2, 2], [0, 0, 0, 0]], np.float32)
    second = np.array([[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6]], np.float32)

    np.testing.assert_allclose(iou_matrix(first, second), [[1 / 3, 1, 0], [0, 0, 0]], rtol=1e-6)
