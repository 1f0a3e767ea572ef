"""Training of the refiner: what it is shown, what it must learn, and what is written."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="install posewatch[train] to run this")

from classifier.recording import Recording, write_recording  # noqa: E402
from classifier.training.corpus.clean import CleanTake, footage_takes, write_clean  # noqa: E402
from tracker.landmarks import MIRROR, Landmark  # noqa: E402
from tracker.refinement import PoseRefiner  # noqa: E402
from tracker.runtime import create_session  # noqa: E402
from tracker.training.refiner.__main__ import main  # noqa: E402
from tracker.training.refiner.corruption import Corruption, corrupt  # noqa: E402
from tracker.training.refiner.export import export_onnx  # noqa: E402
from tracker.training.refiner.network import PoseRefinerNetwork  # noqa: E402
from tracker.training.refiner.sequences import draw, whole  # noqa: E402
from tracker.training.refiner.takes import Takes, read_takes, split  # noqa: E402
from tracker.training.refiner.training import Settings, _bend, refiner_loss, train  # noqa: E402

NOTHING = Corruption(jitter=(1e-9, 1e-8), hidden=0.0, swapped=0.0, neighbour=0.0, spike=0.0)


def body(random: np.random.Generator) -> np.ndarray:
    """(33, 2) a body two units high whose left is right in the picture."""
    points = random.uniform(0.1, 1.0, (33, 2)) * (0.3, 2.0)
    points[MIRROR] = np.where((np.arange(33) < MIRROR)[:, None], points * (-1, 1), points[MIRROR])
    return points


def takes(tmp_path, groups=("hdm05/bd", "hdm05/mm", "hdm05/tr"), frames: int = 40):
    """Bodies that move along, read back from a file as the corpus writes it."""
    random = np.random.default_rng(0)
    made = []
    for group in groups:
        for _ in range(3):
            path = np.arange(frames)[:, None, None] * random.uniform(-3, 3, 2)
            swing = 8 * np.sin(np.arange(frames)[:, None, None] / 5 + random.uniform(0, 6, (33, 1)))
            points = 100 * body(random) + path + swing * (1, 0.3)
            known = np.ones((frames, 33), bool)
            made.append(CleanTake("walking", group, points.astype(np.float32), known, known))
    write_clean(tmp_path / "clean.npz", made)
    return read_takes(tmp_path / "clean.npz")


def truth(batch: int = 6, length: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    points = np.stack([body(random) / 2 for _ in range(batch)])[:, None] + np.zeros((1, length, 1, 1))
    return (
        points.astype(np.float32),
        np.ones((batch, length, 33), bool),
        np.full((batch, length), 1 / 15, np.float32),
    )


def test_mirror_swaps_left_and_right():
    for landmark in Landmark:
        other = landmark.name.replace("LEFT", "*").replace("RIGHT", "LEFT").replace("*", "RIGHT")
        assert MIRROR[landmark] == Landmark[other]


def test_without_corruption_the_truth_is_observed():
    points, visible, seconds = truth()
    seen = corrupt(points, visible, seconds, np.random.default_rng(0), NOTHING)
    np.testing.assert_allclose(seen.landmarks[..., :2], points, atol=1e-6)
    assert not seen.hidden.any()
    assert not seen.swapped.any()
    assert not seen.elsewhere.any()
    assert (seen.landmarks[..., 2] > 0.5).mean() > 0.99


def test_swaps_are_exact_and_bursts():
    points, visible, seconds = truth(64)
    how = dataclasses.replace(NOTHING, swapped=1.0)
    seen = corrupt(points, visible, seconds, np.random.default_rng(0), how)
    swapped = np.where(seen.swapped[..., None], points[:, :, MIRROR], points)
    np.testing.assert_allclose(seen.landmarks[..., :2], swapped, atol=1e-6)
    np.testing.assert_array_equal(seen.swapped, seen.swapped[..., MIRROR])
    assert 0.05 < seen.swapped[..., 27].mean() < 0.5


def test_hidden_landmarks_drift_and_the_others_stay():
    points, visible, seconds = truth(64)
    how = dataclasses.replace(NOTHING, hidden=1.0, sure=0.0)
    seen = corrupt(points, visible, seconds, np.random.default_rng(0), how)
    apart = np.linalg.norm(seen.landmarks[..., :2] - points, axis=-1)
    assert np.median(apart[seen.hidden]) > 0.05
    assert apart[~seen.hidden].max() < 1e-6
    assert seen.landmarks[..., 2][seen.hidden].max() < 0.8
    assert seen.landmarks[..., 2][~seen.hidden].min() > 0.5


def test_on_a_neighbour_the_whole_body_is_away():
    points, visible, seconds = truth(64)
    how = dataclasses.replace(NOTHING, neighbour=1.0)
    seen = corrupt(points, visible, seconds, np.random.default_rng(0), how)
    moved = np.linalg.norm((seen.landmarks[..., :2] - points).mean(axis=2), axis=-1)
    assert (moved[seen.elsewhere] > 0.2).all()
    assert moved[~seen.elsewhere].max() < 1e-6
    assert not seen.elsewhere[:, 0].any()
    assert (seen.elsewhere.sum(axis=1) <= 8).all()


@given(level=st.floats(0.002, 0.03))
@settings(max_examples=10, deadline=None)
def test_jitter_is_as_strong_as_asked(level):
    points, visible, seconds = truth(16)
    how = dataclasses.replace(NOTHING, jitter=(level, level * 1.0001))
    seen = corrupt(points, visible, seconds, np.random.default_rng(0), how)
    deviation = (seen.landmarks[..., :2] - points).std()
    assert 0.5 * level < deviation < 2.0 * level


def test_same_seed_same_sequences(tmp_path):
    found = takes(tmp_path)

    def made(seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        drawn = draw(found, 8, 12, random)
        return corrupt(drawn.points, drawn.visible, drawn.seconds, random).landmarks

    np.testing.assert_array_equal(made(3), made(3))
    assert not np.array_equal(made(3), made(4))


@given(seed=st.integers(0, 10_000), length=st.integers(3, 60))
@settings(max_examples=25, deadline=None)
def test_sequences_stay_within_a_take(seed, length):
    """Takes are told apart by the number of their landmarks that are in view."""
    edges = np.array([0, 20, 21, 55])
    visible = np.zeros((55, 33), bool)
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        visible[first:last, : 5 * (number + 1)] = True
    found = Takes(
        np.random.default_rng(0).normal(0, 50, (55, 33, 2)).astype(np.float32),
        visible,
        np.ones((55, 33), bool),
        edges[:-1],
        np.diff(edges),
        np.array(["falling", "other", "other"]),
        np.array(["hdm05/bd"] * 3),
        30.0,
    )
    drawn = draw(found, 16, length, np.random.default_rng(seed))
    seen = drawn.visible.sum(axis=-1)
    assert (seen == seen[:, :1]).all()
    assert drawn.points.shape == (16, length, 33, 2)
    assert np.isfinite(drawn.points).all()
    assert (drawn.seconds >= 0.005).all()
    assert (drawn.seconds < 1.1).all()


def test_actors_are_not_divided(tmp_path):
    training, validation, test = split(takes(tmp_path))
    assert {*training.groups} == {"hdm05/bd"}
    assert {*validation.groups} == {"hdm05/mm"}
    assert {*test.groups} == {"hdm05/tr"}


def test_a_whole_take_is_as_it_was(tmp_path):
    found = takes(tmp_path)
    one = whole(found, 4, step=2)
    assert one.points.shape == (1, 20, 33, 2)
    assert (one.seconds == np.float32(2 / 30)).all()
    first = found.points[found.starts[4]]
    scale = np.ptp(one.points[0, 0, :, 1]) / np.ptp(first[:, 1])
    np.testing.assert_allclose(one.points[0, 0], (first - first.mean(axis=0)) * scale, atol=1e-5)


@given(
    seconds=st.lists(st.floats(0.02, 1.0), min_size=5, max_size=5),
    speed=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_even_motion_has_no_bend_however_uneven_the_frames(seconds, speed):
    passed = torch.tensor([seconds], dtype=torch.float64)
    places = torch.cumsum(passed, dim=1)[..., None, None] * torch.tensor(speed, dtype=torch.float64)
    assert _bend(places, passed).abs().max() < 1e-9


def test_bend_of_even_frames_is_the_second_difference():
    points = torch.randn(2, 7, 33, 2)
    expected = points[:, 2:] - 2 * points[:, 1:-1] + points[:, :-2]
    torch.testing.assert_close(_bend(points, torch.full((2, 7), 0.1)).abs(), expected.abs())


def test_landmarks_of_which_the_truth_is_unknown_teach_nothing():
    torch.manual_seed(0)
    network = PoseRefinerNetwork(hidden=16)
    observed, goal = torch.rand(2, 6, 33, 3), torch.rand(2, 6, 33, 2)
    weight = torch.ones(2, 6, 33)
    weight[:, :, 27] = 0.0
    changed = goal.clone()
    changed[:, :, 27] += 5.0
    seconds = torch.full((2, 6), 0.1)
    losses = [
        refiner_loss(network, observed, seconds, one, weight, Settings())[0].item() for one in (goal, changed)
    ]
    assert losses[0] == losses[1]


def test_onnx_answers_as_torch(tmp_path):
    """Over several frames, with somebody new among the others in each."""
    torch.manual_seed(3)
    network = PoseRefinerNetwork(hidden=24).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)
    path = tmp_path / "refiner.onnx"
    export_onnx(network, path, {"made": "here"})
    session = create_session(path)
    random = np.random.default_rng(0)
    people, frames = 5, 6
    landmarks = random.uniform(0, 1, (people, frames, 33, 3)).astype(np.float32)
    landmarks[..., :2] = landmarks[..., :2] * (100, 250) + random.uniform(0, 900, (people, 1, 1, 2))
    seconds = random.uniform(0.03, 1.0, (people, frames)).astype(np.float32)
    begins = np.arange(people) % 3  # frame in which each appears
    state = {
        "belief": np.full((people, 33, 2), 7.0, np.float32),
        "speed": np.full((people, 33, 2), 7.0, np.float32),
        "confidence": np.full((people, 33), 7.0, np.float32),
        "hidden": np.full((people, 24), 7.0, np.float32),
        "cell": np.full((people, 24), 7.0, np.float32),
    }
    made = np.empty((people, frames, 33, 2), np.float32)
    for frame in range(frames):
        inputs = {
            "landmarks": landmarks[:, frame],
            "seconds": seconds[:, frame, None],
            "new": (frame <= begins)[:, None].astype(np.float32),
        }
        *values, mirrored = session.run([*(f"{name}_out" for name in state), "mirrored"], inputs | state)
        state = dict(zip(state, values, strict=True))
        made[:, frame] = state["belief"]
        assert ((mirrored >= 0) & (mirrored <= 1)).all()
    for person in range(people):
        part = slice(person, person + 1), slice(int(begins[person]), None)
        with torch.inference_mode():
            beliefs, logits, _ = network.follow(
                torch.from_numpy(landmarks[part]), torch.from_numpy(seconds[part])
            )
        np.testing.assert_allclose(made[part], beliefs.numpy(), atol=0.02)
        np.testing.assert_allclose(state["confidence"][person], logits[0, -1].sigmoid().numpy(), atol=1e-3)
    assert session.get_modelmeta().custom_metadata_map["made"] == "here"


def test_training_learns_and_writes_a_model_that_loads(tmp_path):
    training, validation, _ = split(takes(tmp_path))
    out = tmp_path / "new" / "refiner.onnx"
    short = Settings(steps=1, batch=16, length=8, rate=5e-3, licence="CC0")
    before = train(training, validation, tmp_path / "before" / "refiner.onnx", short)
    after = train(training, validation, out, dataclasses.replace(short, steps=120, average=0.9))
    assert after["loss"] < 0.9 * before["loss"]
    run = json.loads(out.with_suffix(".json").read_text())
    assert run["settings"]["licence"] == "CC0"
    assert run["history"][-1]["step"] == 120
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert PoseRefiner(out).update({}, 0.0) == {}
    again = train(training, validation, tmp_path / "again.onnx", short, init=out.with_suffix(".pt"))
    assert again["loss"] < 0.95 * before["loss"]


def test_command(tmp_path, monkeypatch, capsys):
    takes(tmp_path)
    out = tmp_path / "refiner.onnx"
    arguments = ["refiner", "--data", str(tmp_path / "clean.npz"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--steps", "2", "--batch", "4", "--length", "5"])
    assert main() == 0
    assert out.is_file()
    assert "loss" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*arguments[:2], str(tmp_path / "none.npz"), *arguments[3:]])
    assert main() == 1
    assert "none.npz" in capsys.readouterr().err


def test_an_npz_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    with pytest.raises(ValueError, match="lacks groups, known"):
        read_takes(tmp_path / "other.npz")


def test_footage_is_cut_at_gaps_and_jumps_are_not_believed(tmp_path):
    random = np.random.default_rng(0)
    points = np.repeat((body(random) * 0.1 + 0.5)[None], 80, axis=0)
    points[60] += 0.3  # onto somebody else for one frame
    landmarks = np.zeros((80, 33, 4), np.float32)
    landmarks[..., :2], landmarks[..., 3] = points, 0.99
    landmarks[:, 27, 3] = 0.3
    frames = np.arange(80)
    frames[30:] += 20
    recording = Recording("any", frames, landmarks, rate=30.0)
    write_recording(tmp_path / "set" / "one" / "a" / "ANY.txt", recording)
    first, second = footage_takes(tmp_path)
    assert (len(first.points), len(second.points)) == (30, 50)
    assert first.group == second.group == "set/one"
    assert first.known[:, 26].all()
    assert not first.known[:, 27].any()
    assert not second.known[28:32].any()
    assert second.known[:20, 26].all()
