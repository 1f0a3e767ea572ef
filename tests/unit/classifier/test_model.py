"""The action model: bundled and one's own, answers for all tracks in one call, refuses what does not fit."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import onnx
import pytest
from bodies import body, fall, walk
from hypothesis import given
from hypothesis import strategies as st

from classifier.labels import DEFAULT_LABELS
from classifier.model import ActionModel
from classifier.recording import read_recording
from classifier.rejection import Rejection
from classifier.window import PoseWindow, PoseWindows
from tracker.landmarks import MIRROR
from tracker.runtime import ModelError

TIMES = np.arange(30) / 15


@pytest.fixture(scope="module")
def model() -> ActionModel:
    return ActionModel()


@pytest.fixture(scope="module")
def bundled() -> onnx.ModelProto:
    return onnx.load_from_string((files("classifier") / "models" / "actions.onnx").read_bytes())


def window(landmarks: np.ndarray, track: str = "a", monotonic: float = 2.0) -> PoseWindow:
    return PoseWindow(track, landmarks, np.ones(len(landmarks), bool), monotonic)


def changed(bundled: onnx.ModelProto, path, **metadata) -> ActionModel:
    """Loads the bundled network with other metadata; None leaves one out."""
    copy = onnx.ModelProto()
    copy.CopyFrom(bundled)
    kept = {entry.key: entry.value for entry in copy.metadata_props} | metadata
    del copy.metadata_props[:]
    onnx.helper.set_model_props(copy, {key: value for key, value in kept.items() if value is not None})
    path.write_bytes(copy.SerializeToString())
    return ActionModel(path)


def test_the_bundled_model_says_what_it_is(model):
    assert set(model.labels) == set(DEFAULT_LABELS)
    assert (model.rate, model.seconds, model.samples) == (15.0, 2.0, 30)


def test_scores_are_probabilities_of_each_window_in_order(model):
    windows = [
        window(walk(TIMES), "a", 5.0),
        window(fall(TIMES, 0.5), "b", 6.0),
        window(walk(TIMES, 60), "c"),
    ]
    scores = model.predict(windows)
    assert [(one.track, one.monotonic) for one in scores] == [("a", 5.0), ("b", 6.0), ("c", 2.0)]
    for one in scores:
        assert one.labels == model.labels
        assert one.probabilities.shape == (len(model.labels),)
        assert one.probabilities.sum() == pytest.approx(1.0, abs=1e-5)
        assert (one.probabilities >= 0).all()


def test_a_window_scores_alike_alone_and_among_others(model):
    windows = [window(walk(TIMES)), window(fall(TIMES, 0.5)), window(np.stack([body()] * 30))]
    together = model.predict(windows)
    for one, expected in zip(windows, together, strict=True):
        np.testing.assert_allclose(model.predict([one])[0].probabilities, expected.probabilities, atol=1e-5)


def test_nobody_costs_nothing(model):
    assert model.predict([]) == []


def test_a_window_without_a_valid_sample_still_scores_finite(model):
    empty = PoseWindow("a", np.zeros((30, 33, 4), np.float32), np.zeros(30, bool), 0.0)
    assert np.isfinite(model.predict([empty])[0].probabilities).all()


def test_windows_of_another_length_are_refused(model):
    with pytest.raises(ValueError, match="20 samples for a model of 30"):
        model.predict([window(walk(TIMES)[:20])])


@pytest.mark.parametrize("name", ["WALKING", "RUNNING", "SITTING", "STANDING"])
def test_the_label_of_a_recording_does_not_hang_on_the_frame_rate(model, shared_data, name):
    """Real landmarks at 30 fps against every second and third frame: most windows get the same answer."""
    take = read_recording(shared_data / "landmarks" / "HQC408" / f"{name}.txt")
    answers = {step: _answers(model, take.times[::step], take.pixels[::step]) for step in (1, 2, 3)}
    for step in (2, 3):
        assert np.mean(answers[step] == answers[1]) >= 0.75, f"{30 / step:g} fps"


def _answers(model: ActionModel, times: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """(N,) best label of the windows that end every 0.4 s, at times which all the rates share."""
    windows, found = PoseWindows(model.rate, model.seconds), []
    for time, pose in zip(times, poses, strict=True):
        windows.push("a", pose, None, time)
        if round(time * 30) % 12 == 0 and time > 2.5:
            found.append(windows.window("a"))
    return np.array([int(one.probabilities.argmax()) for one in model.predict(found)])


@pytest.mark.parametrize("poses", [walk(TIMES), fall(TIMES, 0.6), np.stack([body(turn=90)] * 30)])
def test_the_mirror_image_does_the_same(model, poses):
    mirrored = poses[:, MIRROR].copy()
    mirrored[..., 0] *= -1
    first, second = model.predict([window(poses), window(mirrored)])
    assert np.abs(first.probabilities - second.probabilities).max() < 0.35
    assert first.probabilities.argmax() == second.probabilities.argmax()


# --- models that do not fit -----------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx"):
        ActionModel(tmp_path / "none.onnx")


def test_another_network_is_refused(tmp_path):
    path = tmp_path / "other.onnx"
    made = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
    )
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not an action model of this version"):
        ActionModel(path)


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ({"features": "0"}, "not an action model of this version"),
        ({"features": None}, "not an action model of this version"),
        ({"labels": None}, "damaged metadata"),
        ({"labels": "standing"}, "damaged metadata"),  # no JSON
        ({"labels": '["standing", 5]'}, "damaged metadata"),
        ({"labels": '["standing"]'}, "labels do not fit"),
        ({"labels": json.dumps(["standing"] * 10)}, "labels do not fit"),
        ({"labels": "5"}, "damaged metadata"),
        ({"rate": "fast"}, "damaged metadata"),
        ({"rate": "30"}, "do not fit the input"),
        ({"rate": "nan"}, "do not fit the input"),
        ({"seconds": "-2", "rate": "-15"}, "do not fit the input"),
        ({"thresholds": "{"}, "damaged metadata"),
        ({"thresholds": "[]"}, "damaged metadata"),
        ({"thresholds": '{"standing": "high"}'}, "damaged metadata"),
        ({"thresholds": '{"standing": 7}'}, "damaged metadata"),
    ],
)
def test_damaged_metadata_is_refused(bundled, tmp_path, metadata, what):
    with pytest.raises(ModelError, match=what) as caught:
        changed(bundled, tmp_path / "own.onnx", **metadata)
    assert "own.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_of_ones_own_loads(bundled, tmp_path):
    names = [f"action {number}" for number in range(len(DEFAULT_LABELS))]
    own = changed(bundled, tmp_path / "own.onnx", labels=json.dumps(names), thresholds=None)
    assert own.labels == tuple(names)
    assert own.predict([window(walk(TIMES))])[0].labels == tuple(names)


# --- when the answer is unknown -------------------------------------------------------------------------


def test_probabilities_fade_beyond_the_limit():
    rule = Rejection(limit=2.0, width=0.1)
    known = rule.known(np.array([0.5, 1.4, 2.0, 2.6, 1e6]))
    np.testing.assert_allclose(known, [1, 1, 0.5, 0, 0], atol=0.01)
    assert (np.diff(known) <= 0).all()


@given(st.lists(st.floats(0, 1e4), min_size=50, max_size=200), st.floats(0.5, 0.99))
def test_the_limit_lets_known_windows_pass(distances, kept):
    rule = Rejection.fit(np.array(distances), kept=kept)
    assert rule is not None
    assert np.mean(rule.known(np.array(distances)) >= 0.499) >= kept - 0.03
    again = Rejection.parse(rule.text())
    np.testing.assert_allclose([again.limit, again.width], [rule.limit, rule.width], atol=1e-4)


def test_too_few_windows_give_no_limit():
    assert Rejection.fit(np.ones(49)) is None


@pytest.mark.parametrize(
    "text", ["5", "{", '{"limit": 1}', '{"limit": 1, "width": 0}', '{"limit": "NaN", "width": 1}', "[1, 2]"]
)
def test_a_damaged_rule_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        Rejection.parse(text)


def test_a_rule_without_a_distance_is_refused(bundled, tmp_path):
    if len(bundled.graph.output) > 1:
        pytest.skip("the bundled model gives a distance")
    with pytest.raises(ModelError, match="no distance"):
        changed(bundled, tmp_path / "own.onnx", rejection='{"limit": 2, "width": 0.1}')
