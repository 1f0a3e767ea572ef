"""The detector on small real ONNX graphs of every head, on the bundled model, and on broken files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tracker.detector import Detector, bundled_model
from tracker.heads import Head, anchor_cells
from tracker.letterbox import InputBuffer, fitting_size, letterbox
from tracker.nms import iou_matrix
from tracker.runtime import ModelError, create_session

SIDE = 64
STRIDES = (8, 16, 32)
BOX = np.array([16.0, 8.0, 48.0, 56.0], np.float32)  # in the input, pixels
NAMES = "{0: 'cat', 1: 'person', 2: 'dog'}"


def write_model(path: Path, output: np.ndarray, *, dynamic=False, metadata=None, score_at=None) -> Path:
    """A model that gives `output` whatever it sees.

    With `score_at` that element is multiplied by the mean of the input's first channel over the box, so
    that the score tells which channel comes first and how it is scaled.
    """
    shape = [1, 3, "height", "width"] if dynamic else [1, 3, SIDE, SIDE]
    mask = np.zeros_like(output)
    if score_at is not None:
        mask[score_at] = 1.0
    initializers = [
        numpy_helper.from_array(np.float32(output * (1 - mask)), "fixed"),
        numpy_helper.from_array(np.float32(output * mask), "varying"),
        numpy_helper.from_array(np.array([0, 24, 24], np.int64), "starts"),
        numpy_helper.from_array(np.array([1, 40, 40], np.int64), "ends"),
        numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes"),
    ]
    nodes = [
        helper.make_node("Slice", ["images", "starts", "ends", "axes"], ["middle"]),
        helper.make_node("ReduceMean", ["middle"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["varying", "mean"], ["scaled"]),
        helper.make_node("Add", ["fixed", "scaled"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, output.shape)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def portrait() -> np.ndarray:
    """(600, 512, 3) BGR: head and shoulders of one person."""
    cbook = pytest.importorskip("matplotlib.cbook", reason="the portrait comes with matplotlib")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)


def yolox_output(classes: int, label: int) -> np.ndarray:
    cells = anchor_cells(SIDE, SIDE, STRIDES)
    output = np.zeros((1, len(cells), 5 + classes), np.float32)
    output[0, :, 2:4] = -5.0
    for index in (27, 28):  # neighbours both answer for the person: NMS keeps one
        column, row, stride = cells[index]
        centre, size = (BOX[:2] + BOX[2:]) / 2, BOX[2:] - BOX[:2]
        output[0, index, :2] = centre / stride - (column, row)
        output[0, index, 2:4] = np.log(size / stride)
        output[0, index, 4] = 1.0
        output[0, index, 5 + label] = 0.9 if index == 27 else 0.8
    return output


def ultralytics_output(classes: int, label: int) -> np.ndarray:
    output = np.zeros((1, 4 + classes, 84), np.float32)
    for index, score in ((27, 0.9), (28, 0.8)):
        output[0, :4, index] = [*((BOX[:2] + BOX[2:]) / 2), *(BOX[2:] - BOX[:2])]
        output[0, 4 + label, index] = score
    return output


def end_to_end_output(label: int) -> np.ndarray:
    output = np.zeros((1, 300, 6), np.float32)
    output[0, 0] = [0, 0, 5, 5, 0.95, label + 1]
    output[0, 1] = [*BOX, 0.9, label]
    return output


HEADS = [
    (Head.YOLOX, yolox_output(3, 1)),
    (Head.ULTRALYTICS, ultralytics_output(3, 1)),
    (Head.END_TO_END, end_to_end_output(1)),
]


@pytest.mark.parametrize(("head", "output"), HEADS)
@pytest.mark.parametrize("shape", [(64, 64), (128, 64), (60, 240), (240, 320)])
def test_every_head_gives_the_person_in_pixels_of_the_source(tmp_path, head, output, shape):
    detector = Detector(write_model(tmp_path / "model.onnx", output, metadata={"names": NAMES}))
    height, width = shape

    found = detector.detect(np.zeros((height, width, 3), np.uint8))

    scale = min(SIDE / width, SIDE / height)
    inner = np.array([round(width * scale), round(height * scale)])
    offset = np.zeros(2) if head.is_yolox else (SIDE - inner) // 2
    expected = np.clip((BOX - np.tile(offset, 2)) / scale, 0, [width, height, width, height])
    assert found.boxes.dtype == found.scores.dtype == np.float32
    np.testing.assert_allclose(found.boxes, [expected], atol=0.01)
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-5)


@pytest.mark.parametrize(
    ("output", "score_at", "colour", "level"),
    [
        (yolox_output(1, 0), (0, 27, 4), (255, 0, 0), 255.0),  # blue first, 0..255
        (ultralytics_output(1, 0), (0, 4, 27), (0, 0, 255), 1.0),  # red first, 0..1
        (end_to_end_output(0), (0, 1, 4), (0, 0, 255), 1.0),
    ],
)
def test_channels_come_in_the_order_and_scale_of_the_head(tmp_path, output, score_at, colour, level):
    detector = Detector(write_model(tmp_path / "model.onnx", output, score_at=score_at), score=0.85)

    matching = detector.detect(np.full((SIDE, SIDE, 3), colour, np.uint8))
    opposite = detector.detect(np.full((SIDE, SIDE, 3), colour[::-1], np.uint8))

    # A YOLOX score is objectness (here scaled by the channel's mean) times class.
    np.testing.assert_allclose(matching.scores, [0.9 * level], rtol=1e-5)
    assert len(opposite) == 0


def test_a_model_with_open_dimensions_takes_the_size_its_export_names(tmp_path):
    output = ultralytics_output(1, 0)
    model = write_model(
        tmp_path / "model.onnx", output, dynamic=True, metadata={"imgsz": f"[{SIDE}, {SIDE}]"}
    )

    detector = Detector(model)

    assert detector.input_size == (SIDE, SIDE)
    assert len(detector.detect(np.zeros((50, 80, 3), np.uint8))) == 1


def test_a_model_that_leaves_its_input_open_but_not_its_grid_keeps_one_size(tmp_path):
    """Its output has the cells of 64x64 whatever it gets: a wide input would be decoded wrongly."""
    model = write_model(
        tmp_path / "model.onnx", yolox_output(1, 0), dynamic=True, metadata={"imgsz": f"[{SIDE}, {SIDE}]"}
    )

    found = Detector(model).detect(np.zeros((SIDE, 2 * SIDE, 3), np.uint8))

    np.testing.assert_allclose(found.boxes, [np.clip(BOX * 2, 0, [128, 64] * 2)], atol=0.01)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((640, 640), (416, 416)),
        ((640, 480), (480, 352)),  # 4:3
        ((1920, 1080), (544, 320)),  # 16:9
        ((320, 240), (480, 352)),  # the aspect counts, not the size
        ((1080, 1920), (320, 544)),  # a camera turned upright
        ((4000, 400), (832, 96)),  # a strip is not followed all the way, and not padded for nothing
        ((8, 8), (416, 416)),
    ],
)
def test_the_input_has_the_aspect_of_the_image(image, expected):
    assert fitting_size(*image, 416 * 416) == expected


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), pixels=st.integers(64 * 64, 1280 * 1280))
def test_the_input_keeps_the_budget_and_shows_the_image_no_smaller_than_a_square_does(width, height, pixels):
    columns, rows = fitting_size(width, height, pixels)

    assert columns % 32 == rows % 32 == 0
    assert 0 < columns * rows <= 1.01 * pixels
    square = int(pixels**0.5) // 32 * 32
    assert min(columns / width, rows / height) >= 0.999 * square / max(width, height)


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (None, 0),  # YOLOX exports name nothing: COCO's first class
        ("{0: 'person', 1: 'bicycle', 2: 'car'}", 0),
        ("['car', 'bicycle', 'Person']", 2),
        ("{0: '0', 1: '1', 2: '2'}", 0),  # stand-ins for names
    ],
)
def test_the_class_person_is_found_by_name(tmp_path, names, label):
    metadata = {} if names is None else {"names": names}
    model = write_model(tmp_path / "model.onnx", ultralytics_output(3, label), metadata=metadata)

    assert len(Detector(model).detect(np.zeros((SIDE, SIDE, 3), np.uint8))) == 1


@pytest.mark.parametrize(
    ("metadata", "output", "message"),
    [
        (
            {"names": "{0: 'cat', 1: 'dog', 2: 'cow'}"},
            ultralytics_output(3, 0),
            "no class person among its 3 classes",
        ),
        ({"task": "classify"}, ultralytics_output(3, 0), "is a classify model: choose one for detection"),
        ({}, np.zeros((1, 17, 5), np.float32), r"output \[1, 17, 5\] is of no known detector"),
    ],
)
def test_a_model_that_finds_no_people_is_refused(tmp_path, metadata, output, message):
    model = write_model(tmp_path / "model.onnx", output, metadata=metadata)

    with pytest.raises(ModelError, match=message) as caught:
        Detector(model)

    assert str(model) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_a_damaged_and_a_foreign_file_are_refused_in_one_line(tmp_path):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(bundled_model().read_bytes()[:5000])
    empty = tmp_path / "empty.onnx"
    empty.touch()
    foreign = tmp_path / "yolo11n.pt"
    foreign.write_bytes(b"PK")
    for path, message in (
        (tmp_path / "none.onnx", "no such model file"),
        (damaged, "not a usable ONNX model"),
        (empty, "not a usable ONNX model"),
        (foreign, "export them first"),
    ):
        with pytest.raises(ModelError, match=message) as caught:
            Detector(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@given(
    width=st.integers(2, 900),
    height=st.integers(2, 900),
    centred=st.booleans(),
    box=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_letterbox_fills_one_side_and_maps_boxes_back(width, height, centred, box):
    canvas, placed = letterbox(np.full((height, width, 3), 255, np.uint8), 96, 64, centred=centred)

    assert canvas.shape == (64, 96, 3)
    inside = np.argwhere((canvas == 255).all(-1))
    (top, left), (bottom, right) = inside.min(0), inside.max(0) + 1
    assert (left, top) == (placed.left, placed.top)
    assert (right - left, bottom - top) == (
        min(96, max(1, round(width * placed.scale))),
        min(64, max(1, round(height * placed.scale))),
    )
    assert right - left == 96 or bottom - top == 64
    corners = np.sort(np.array(box, np.float32).reshape(2, 2), axis=0).ravel() * [
        width,
        height,
        width,
        height,
    ]
    there = corners * placed.scale + [placed.left, placed.top] * 2
    back = placed.to_source(there[None].astype(np.float32), width, height)
    np.testing.assert_allclose(back, [corners], atol=0.05 * max(width, height) / 64)


class TestBundledModel:
    def test_it_is_a_yolox_made_for_416_pixels_and_named_after_its_file(self):
        detector = Detector()

        assert detector.name == "person_yolox_nano"
        assert detector.input_size == (416, 416)

    def test_an_empty_scene_holds_nobody(self):
        noise = np.random.default_rng(1).integers(90, 130, (480, 640, 3)).astype(np.uint8)

        assert len(Detector(score=0.3).detect(noise)) == 0

    def test_a_portrait_holds_one_person(self, portrait):
        image = portrait
        found = Detector(score=0.5).detect(image)

        assert len(found) == 1
        left, top, right, bottom = found.boxes[0] / np.array([*image.shape[1::-1]] * 2)
        assert left < 0.2
        assert top < 0.2
        assert right > 0.8
        assert bottom > 0.9

    @pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 480), (360, 640), (416, 416)])
    def test_a_person_is_placed_right_in_a_picture_of_any_aspect(self, portrait, width, height):
        scale = min(width, height) / portrait.shape[0]
        small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        rows, columns = small.shape[:2]
        scene = np.full((height, width, 3), 90, np.uint8)
        left, top = width - columns, height - rows
        scene[top:, left:] = small

        found = Detector(score=0.5).detect(scene)

        assert len(found) == 1
        truth = np.array([[left + 0.05 * columns, top + 0.05 * rows, width, height]], np.float32)
        assert iou_matrix(found.boxes, truth)[0, 0] > 0.75

    def test_the_same_image_gives_the_same_boxes_whatever_came_between(self, portrait):
        detector = Detector()
        first = detector.detect(portrait)
        for shape in ((720, 1280), (480, 640), (640, 360)):
            detector.detect(cv2.resize(portrait, shape[::-1]))

        again, fresh = detector.detect(portrait), Detector().detect(portrait)

        for other in (again, fresh):
            np.testing.assert_array_equal(first.boxes, other.boxes)
            np.testing.assert_array_equal(first.scores, other.scores)

    def test_the_input_that_is_filled_again_holds_what_a_new_one_would(self):
        buffer = InputBuffer(160, 96)
        random = np.random.default_rng(2)
        for shape in ((300, 500, 3), (500, 300, 3), (96, 160, 3), (90, 160, 3), (500, 300, 3)):
            image = random.integers(0, 255, shape, np.uint8)
            canvas, expected = letterbox(image, 160, 96, centred=False)
            values, placed = buffer.fill(image)
            np.testing.assert_array_equal(values[0], canvas.transpose(2, 0, 1))
            assert placed == expected

    def test_its_input_takes_several_images_at_once(self):
        session = create_session(bundled_model())
        images = np.random.default_rng(1).integers(0, 255, (2, 3, 96, 160)).astype(np.float32)
        both = session.run(["output", "features"], {"images": images})
        for number in range(2):
            alone = session.run(["output", "features"], {"images": images[number : number + 1]})
            for together, single in zip(both, alone, strict=True):
                np.testing.assert_allclose(together[number], single[0], atol=1e-4)

    def test_more_pixels_show_people_further_away(self, portrait):
        small = cv2.resize(portrait, (18, 22), interpolation=cv2.INTER_AREA)
        scene = np.full((720, 1280, 3), 90, np.uint8)
        scene[300:322, 600:618] = small

        def best(pixels):
            detections = Detector(score=0.01, pixels=pixels).detect(scene)
            near = iou_matrix(detections.boxes, np.array([[600, 300, 618, 322]], np.float32))[:, 0] > 0.5
            return detections.scores[near].max(initial=0.0)

        assert best(832 * 832) > best(None) + 0.05

    def test_people_in_a_street_are_found(self, shared_data):
        folder = shared_data / "person_boxes" / "pennfudan"
        hits = total = 0
        detector = Detector(score=0.3)
        for path in sorted((folder / "images").iterdir())[:8]:
            image = cv2.imread(str(path))
            rows = np.loadtxt(folder / "labels" / f"{path.stem}.txt", ndmin=2, dtype=np.float32)
            centre, half = rows[:, 1:3], rows[:, 3:5] / 2
            size = np.array([*image.shape[1::-1]] * 2, np.float32)
            truth = np.concatenate([centre - half, centre + half], axis=1) * size
            hits += int((iou_matrix(truth, detector.detect(image).boxes).max(1, initial=0) > 0.5).sum())
            total += len(truth)

        assert hits / total > 0.7

    def test_threads_may_share_a_detector(self, portrait):
        images = [np.ascontiguousarray(portrait[row:]) for row in range(0, 160, 20)]
        detector = Detector()
        alone = [detector.detect(each) for each in images]

        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(detector.detect, images * 3))

        for expected, found in zip(alone * 3, together, strict=True):
            np.testing.assert_array_equal(expected.boxes, found.boxes)
            np.testing.assert_array_equal(expected.scores, found.scores)
