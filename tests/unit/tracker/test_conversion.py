"""BlazePose from TensorFlow Lite to ONNX, on Google's own weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracker.conversion import convert_pose_model
from tracker.runtime import ModelError, create_session


@pytest.fixture(scope="module")
def weights(pose_model: Path) -> bytes:
    return pose_model.with_suffix(".tflite").read_bytes()


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Three coarse random pictures."""
    cells = np.random.default_rng(3).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    return cells.repeat(32, axis=1).repeat(32, axis=2)


def test_the_outputs_are_landmarks_presence_and_metres(weights: bytes, crops: np.ndarray) -> None:
    session = create_session(convert_pose_model(weights))
    outputs = {
        o.name: v for o, v in zip(session.get_outputs(), session.run(None, {"crops": crops}), strict=True)
    }
    assert {name: value.shape for name, value in outputs.items()} == {
        "landmarks": (3, 195),
        "presence": (3, 1),
        "world": (3, 117),
    }
    assert (outputs["presence"] >= 0).all()
    assert (outputs["presence"] <= 1).all()


def test_a_batch_gives_what_single_crops_give(weights: bytes, crops: np.ndarray) -> None:
    session = create_session(convert_pose_model(weights))
    together = session.run(["landmarks"], {"crops": crops})[0]
    alone = np.concatenate([session.run(["landmarks"], {"crops": crop[None]})[0] for crop in crops])
    np.testing.assert_allclose(together, alone, atol=0.05)


def test_it_equals_the_tensorflow_lite_interpreter(weights: bytes, crops: np.ndarray) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="pip install ai-edge-litert compares")
    session = create_session(convert_pose_model(weights))
    ours = session.run(["landmarks", "presence", "world"], {"crops": crops})
    interpreter = litert.Interpreter(model_content=weights)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    places = {detail["name"].split(":")[0]: detail["index"] for detail in interpreter.get_output_details()}
    for row, crop in enumerate(crops):
        interpreter.set_tensor(source, crop[None].astype(np.float32) / 255)
        interpreter.invoke()
        # px of 256, probability, metres
        for name, values, limit in zip(
            ("Identity", "Identity_1", "Identity_4"), ours, (0.05, 1e-3, 1e-3), strict=True
        ):
            theirs = interpreter.get_tensor(places[name])
            assert np.abs(theirs[0] - values[row]).max() < limit, name


def test_the_same_weights_give_the_same_bytes(weights: bytes) -> None:
    assert convert_pose_model(weights) == convert_pose_model(weights)


@pytest.mark.parametrize(
    "damage",
    [
        b"",  # nothing
        b"not a model at all" * 10,  # text
        b"\x00" * 4096,  # zeros
    ],
)
def test_what_is_no_network_is_refused_with_one_line(damage: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        convert_pose_model(damage)
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_refused(weights: bytes) -> None:
    with pytest.raises(ModelError):
        convert_pose_model(weights[: len(weights) // 2])
