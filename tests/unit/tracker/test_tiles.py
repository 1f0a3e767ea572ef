"""Tiles: where they lie, which of their boxes count, one box a person, and real people far away."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from daemon.config.detect import DetectConfig
from daemon.engines import Engines
from tracker.detector import Detections, Detector
from tracker.nms import iou_matrix
from tracker.runtime import ModelError
from tracker.tiles import OVERLAP, Tile, TiledDetector, merge_views, tile_grid, trusted

grids = st.tuples(st.integers(1, 5), st.integers(1, 5))
sizes = st.tuples(st.integers(16, 4000), st.integers(16, 4000))


def found(*rows: tuple[float, ...]) -> Detections:
    """Of rows left, top, right, bottom, score."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4])


def see(people: np.ndarray, tile: Tile) -> Detections:
    """What a perfect detector finds in a tile: everyone's part in it, in pixels of the tile."""
    corner = np.array([tile.left, tile.top] * 2)
    size = np.array([tile.right - tile.left, tile.bottom - tile.top] * 2)
    parts = np.clip(people - corner, 0, size)
    parts = parts[(parts[:, 2:] - parts[:, :2] >= 1).all(1)]
    return Detections(parts.astype(np.float32), np.full(len(parts), 0.9, np.float32))


@given(size=sizes, grid=grids)
def test_tiles_are_equal_cover_the_image_and_overlap(size, grid):
    (width, height), (columns, rows) = size, grid
    tiles = tile_grid(width, height, columns, rows)

    assert len(tiles) == columns * rows
    assert len({(tile.right - tile.left, tile.bottom - tile.top) for tile in tiles}) == 1
    for length, spans in (
        (width, [(tile.left, tile.right) for tile in tiles[:columns]]),
        (height, [(tile.top, tile.bottom) for tile in tiles[::columns]]),
    ):
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        for (_, end), (start, next_end) in pairwise(spans):
            assert end - start >= int(OVERLAP * (next_end - start))


@given(size=st.tuples(st.integers(200, 4000), st.integers(200, 4000)), grid=grids, data=st.data())
def test_whoever_is_smaller_than_the_overlap_is_whole_in_a_tile_and_comes_back_in_place(size, grid, data):
    width, height = size
    tiles = tile_grid(width, height, *grid)
    # The overlap less both margins; two pixels for rounding.
    most = [(OVERLAP - 0.04) * side - 2 for side in (tiles[0].right, tiles[0].bottom)]
    wide, tall = (data.draw(st.floats(2.0, max(2.0, side))) for side in most)
    left, top = data.draw(st.floats(0, width - wide)), data.draw(st.floats(0, height - tall))
    person = np.array([[left, top, left + wide, top + tall]], np.float32)

    views = [trusted(see(person, tile), tile, width, height) for tile in tiles]

    assert sum(map(len, views)) >= 1
    for view in views:
        np.testing.assert_allclose(view.boxes, np.repeat(person, len(view), axis=0), atol=0.01)
    assert len(merge_views(views)) == 1


@given(size=st.tuples(st.integers(200, 2000), st.integers(200, 2000)), grid=grids, data=st.data())
def test_one_person_of_any_size_anywhere_is_one_box(size, grid, data):
    width, height = size
    wide, tall = data.draw(st.floats(8, width)), data.draw(st.floats(8, height))
    left, top = data.draw(st.floats(0, width - wide)), data.draw(st.floats(0, height - tall))
    person = np.array([[left, top, left + wide, top + tall]], np.float32)
    whole = see(person, Tile(0, 0, width, height))

    views = [whole]
    views += [trusted(see(person, tile), tile, width, height) for tile in tile_grid(width, height, *grid)]
    merged = merge_views(views)

    np.testing.assert_allclose(merged.boxes, person, atol=0.01)


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ((20, 20, 40, 60, 0.9), True),
        ((160, 20, 199, 60, 0.9), False),  # ends at the right edge, beyond which there is more
        ((160, 20, 197, 60, 0.9), False),  # or nearly
        ((160, 20, 194, 60, 0.9), True),
        ((20, 160, 40, 200, 0.9), False),  # the lower one likewise
        ((0, 0, 40, 50, 0.9), True),  # the image's own edge cuts nobody off
        ((20, 20, 90, 60, 0.9), False),  # more than 0.3 of the tile wide
        ((20, 20, 40, 90, 0.9), False),  # or tall
    ],
)
def test_a_tile_is_trusted_with_small_people_who_are_whole(row, kept):
    corner = Tile(0, 0, 200, 200)
    assert len(trusted(found(row), corner, 360, 360)) == kept


def test_at_the_inner_edges_of_the_last_tile_the_same_holds():
    tile = Tile(160, 160, 360, 360)
    kept = trusted(
        found((1, 50, 20, 90, 0.9), (50, 2, 70, 40, 0.9), (160, 150, 200, 200, 0.8)), tile, 360, 360
    )
    np.testing.assert_array_equal(kept.boxes, [[320, 310, 360, 360]])


@pytest.mark.parametrize(
    ("one", "other", "people"),
    [
        ((100, 100, 140, 200, 0.6), (102, 98, 141, 203, 0.8), 1),  # the same box, nearly
        ((100, 100, 140, 200, 0.8), (100, 100, 140, 160, 0.6), 1),  # down to the hips in the other view
        ((100, 100, 140, 200, 0.6), (100, 100, 140, 160, 0.8), 1),
        ((100, 100, 180, 300, 0.8), (120, 110, 140, 160, 0.6), 2),  # far smaller: somebody behind
        ((100, 100, 140, 200, 0.8), (125, 100, 165, 200, 0.6), 2),  # side by side, IoU 0.23
        ((100, 100, 140, 200, 0.8), (300, 100, 340, 200, 0.6), 2),
    ],
)
def test_boxes_of_two_views_are_one_person_or_two(one, other, people):
    merged = merge_views([found(one), found(other)])
    assert len(merged) == people
    assert merged.scores[0] == np.float32(0.8)


def test_two_boxes_of_one_view_stay_two():
    """Its NMS let both through: two people close to each other."""
    pair = found((100, 100, 140, 200, 0.9), (110, 100, 150, 200, 0.8))
    assert iou_matrix(pair.boxes, pair.boxes)[0, 1] > 0.5
    assert len(merge_views([pair, found()])) == 2
    assert len(merge_views([pair, pair])) == 2


def test_the_strongest_are_kept_best_first():
    views = [found((0, 0, 10, 20, 0.3), (50, 0, 60, 20, 0.9)), found((100, 0, 110, 20, 0.6)), found()]
    np.testing.assert_allclose(merge_views(views, limit=2).scores, [0.9, 0.6])
    assert len(merge_views([found(), found()])) == 0


def write_bright_spot_model(path: Path) -> Path:
    """A fixed 64x64 model that finds one person: the box around everything brighter than the padding."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["grey"], axes=[1], keepdims=0),  # (1, 64, 64)
        helper.make_node("Greater", ["grey", "level"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["mask"], ["columns"], axes=[1], keepdims=0),  # (1, 64)
        helper.make_node("ReduceMax", ["mask"], ["rows"], axes=[2], keepdims=0),
        helper.make_node("ArgMax", ["columns"], ["left"], axis=1, keepdims=1),
        helper.make_node("ArgMax", ["rows"], ["top"], axis=1, keepdims=1),
        helper.make_node("ArgMax", ["columns"], ["right"], axis=1, keepdims=1, select_last_index=1),
        helper.make_node("ArgMax", ["rows"], ["bottom"], axis=1, keepdims=1, select_last_index=1),
        helper.make_node("Add", ["right", "one"], ["right_end"]),
        helper.make_node("Add", ["bottom", "one"], ["bottom_end"]),
        helper.make_node("Concat", ["left", "top", "right_end", "bottom_end"], ["whole"], axis=1),
        helper.make_node("Cast", ["whole"], ["box"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["mask"], ["seen"], axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["seen", "axis"], ["score"]),
        helper.make_node("Concat", ["box", "score", "label"], ["row"], axis=1),
        helper.make_node("Unsqueeze", ["row", "axis"], ["output"]),
    ]
    initializers = [
        numpy_helper.from_array(np.array(0.6, np.float32), "level"),
        numpy_helper.from_array(np.array([[1]], np.int64), "one"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        numpy_helper.from_array(np.array([[0.0]], np.float32), "label"),
    ]
    graph = helper.make_graph(
        nodes,
        "spot",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 6])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


class TestModelOfAFixedInput:
    """The user's own model, which cannot be made to look at more pixels."""

    @pytest.fixture
    def model(self, tmp_path) -> Path:
        return write_bright_spot_model(tmp_path / "spot.onnx")

    @pytest.mark.parametrize(
        ("left", "top", "width", "height"),
        [(30, 40, 24, 40), (310, 230, 30, 40), (608, 440, 24, 40), (150, 100, 400, 300), (0, 0, 640, 480)],
    )
    def test_somebody_in_one_tile_in_several_or_in_all_is_one_box_in_place(
        self, model, left, top, width, height
    ):
        scene = np.zeros((480, 640, 3), np.uint8)
        scene[top : top + height, left : left + width] = 255

        people = TiledDetector(Detector(model), columns=2, rows=2).detect(scene)

        truth = np.array([[left, top, left + width, top + height]], np.float32)
        assert len(people) == 1
        assert iou_matrix(people.boxes, truth)[0, 0] > 0.55  # the input's pixels are 6 of the image's

    def test_a_tile_tells_apart_who_is_one_in_the_whole_image(self, model):
        scene = np.zeros((480, 640, 3), np.uint8)
        scene[60:100, 40:60] = scene[400:440, 560:580] = 255

        assert len(Detector(model).detect(scene)) == 1
        people = TiledDetector(Detector(model), columns=2, rows=2).detect(scene)
        truth = np.array([[40, 60, 60, 100], [560, 400, 580, 440]], np.float32)
        assert (iou_matrix(truth, people.boxes).max(1) > 0.55).all()

    def test_a_size_is_refused_in_one_line(self, model):
        with pytest.raises(ModelError, match=r"takes images of 64x64 only: leave the size out") as caught:
            Engines().detector(DetectConfig(model=model, size=320))
        assert str(model) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_settings_choose_the_detector_and_share_the_network():
    engines = Engines()
    plain, tiled = engines.detector(DetectConfig()), engines.detector(DetectConfig(tiles="2x2"))
    assert isinstance(plain, Detector)
    assert isinstance(tiled, TiledDetector)
    assert tiled._detector is plain
    assert engines.detector(DetectConfig(size=320)) is not plain


def video_wall(footage: Path) -> tuple[np.ndarray, np.ndarray]:
    """(1080, 1920, 3) BGR: twelve pictures of a street as a recorder shows them; people are 50 pixels tall.

    Returns:
        The wall, and (N, 4) people in it as the detector sees them in the pictures in full size.
    """
    video = cv2.VideoCapture(str(footage))
    wall = np.zeros((1080, 1920, 3), np.uint8)
    detector, people = Detector(score=0.6), []
    for index in range(12):
        video.set(cv2.CAP_PROP_POS_FRAMES, 60 * index)
        read, picture = video.read()
        assert read
        row, column = divmod(index, 4)
        corner = np.array([480 * column, 360 * row], np.float32)
        wall[360 * row : 360 * row + 360, 480 * column : 480 * column + 480] = cv2.resize(
            picture, (480, 360), interpolation=cv2.INTER_AREA
        )
        people.append(detector.detect(picture).boxes * np.float32(480 / 768) + np.tile(corner, 2))
    video.release()
    return wall, np.concatenate(people)


def test_tiles_or_a_larger_input_find_real_people_whom_the_whole_image_does_not_show(footage):
    wall, people = video_wall(footage)
    assert len(people) > 50
    recall, precision = {}, {}
    for name, settings in {
        "off": DetectConfig(),
        "2x2": DetectConfig(tiles="2x2"),
        "3x2": DetectConfig(tiles="3x2"),
        "640": DetectConfig(size=640),
        "320": DetectConfig(size=320),
    }.items():
        sure = Engines().detector(settings).detect(wall)
        boxes = sure.boxes[sure.scores >= 0.5]  # of a score that starts a track
        overlaps = iou_matrix(people, boxes)
        recall[name] = float((overlaps.max(1, initial=0) > 0.5).mean())
        precision[name] = float((overlaps.max(0, initial=0) > 0.5).mean()) if len(boxes) else 0.0
    assert recall["320"] <= recall["off"] < 0.5
    assert recall["640"] > recall["off"] + 0.25
    assert recall["2x2"] > recall["off"] + 0.3
    assert recall["3x2"] > recall["off"] + 0.4
    # Nobody is found twice, and nobody in halves.
    assert min(precision["2x2"], precision["3x2"]) > 0.75


def test_near_people_are_the_same_with_tiles_and_without(footage):
    """Three quarters of a street's picture enlarged to 1080 lines: people of 200 pixels and more."""
    video = cv2.VideoCapture(str(footage))
    plain, tiled = Detector(score=0.5), TiledDetector(Detector(score=0.5), columns=2, rows=2)
    for number in (20, 200, 400, 600):
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        picture = cv2.resize(video.read()[1][96:384, 192:576], (1920, 1440), interpolation=cv2.INTER_CUBIC)
        alone, together = plain.detect(picture), tiled.detect(picture)
        assert len(alone) >= 1
        assert (iou_matrix(alone.boxes, together.boxes).max(1, initial=0) > 0.65).all()
        # Tiles may add somebody, but no second box of anyone.
        overlaps = iou_matrix(together.boxes, together.boxes) - np.eye(len(together), dtype=np.float32)
        assert overlaps.max(initial=0) < 0.65
    video.release()


def test_tiny_images_and_many_tiles_are_no_error():
    scene = np.full((3, 5, 3), 90, np.uint8)
    assert len(TiledDetector(Detector(score=0.5), columns=4, rows=4).detect(scene)) == 0
