"""The ONNX file answers as the network that was trained; the card and the plots say how well."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from bodies import fall, walk

torch = pytest.importorskip("torch", reason="install posewatch[train] to run this")

from classifier.features import FEATURE_COUNT, FEATURES_VERSION, features  # noqa: E402
from classifier.model import ActionModel  # noqa: E402
from classifier.raw import RAW_VERSION, raw_features  # noqa: E402
from classifier.rejection import Rejection  # noqa: E402
from classifier.training.classic import ClassicNetwork  # noqa: E402
from classifier.training.export import export_classic, export_onnx  # noqa: E402
from classifier.training.familiarity import Familiarity  # noqa: E402
from classifier.training.fitting import Epoch  # noqa: E402
from classifier.training.metrics import Scores, reliability, softmax  # noqa: E402
from classifier.training.network import ActionNetwork  # noqa: E402
from classifier.training.outcome import Calibration, TrainingReport  # noqa: E402
from classifier.training.plots import write_plots  # noqa: E402
from classifier.training.report import write_card  # noqa: E402
from classifier.training.settings import TrainingSettings  # noqa: E402
from tracker.runtime import create_session  # noqa: E402

LABELS = ("standing", "walking", "falling")


def network(inputs: int = FEATURE_COUNT, **options) -> ActionNetwork:
    torch.manual_seed(3)
    made = ActionNetwork(inputs, 3, **options).eval()
    made.mean.copy_(torch.randn(inputs) * 0.1)
    made.scale.copy_(torch.rand(inputs) + 0.5)
    return made


def logits(made: ActionNetwork, values: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return made(torch.from_numpy(values)).numpy()


@pytest.mark.parametrize(
    ("options", "samples", "temperature"),
    [
        ({"hidden": 8, "layers": 1}, 30, 1.0),
        ({"hidden": 16, "layers": 2}, 30, 1.7),
        ({"hidden": 5, "layers": 3}, 12, 0.6),
    ],
)
def test_onnx_answers_as_torch(tmp_path, options, samples, temperature):
    made = network(7, **options)
    path = tmp_path / "new" / "actions.onnx"
    export_onnx(made, path, samples=samples, temperature=temperature, metadata={"made": "here"})
    session = create_session(path)
    values = np.random.default_rng(0).normal(0, 2, (5, samples, 7)).astype(np.float32)
    expected = softmax(logits(made, values) / temperature)
    for batch in (5, 1):
        [answer] = session.run(None, {"features": values[:batch]})
        np.testing.assert_allclose(answer, expected[:batch], atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map == {"made": "here"}


def test_an_exported_model_is_one_the_daemon_loads(tmp_path):
    made = network(hidden=8)
    path = tmp_path / "actions.onnx"
    metadata = {"features": FEATURES_VERSION, "labels": json.dumps(LABELS), "rate": "15", "seconds": "2"}
    export_onnx(made, path, samples=30, temperature=1.3, metadata=metadata)
    times = np.arange(30) / 15
    poses, valid = np.stack([walk(times), fall(times, 0.4)]), np.ones((2, 30), bool)
    expected = softmax(logits(made, features(poses, valid)) / 1.3)
    np.testing.assert_allclose(ActionModel(path).probabilities(poses, valid), expected, atol=1e-5)


def test_the_file_tells_distances_and_the_model_fades_by_them(tmp_path):
    made, random = network(hidden=8), np.random.default_rng(1)
    familiarity = Familiarity.fit(random.normal(0, 0.1, (300, 16)), random.integers(0, 3, 300))
    poses, valid = np.stack([walk(np.arange(30) / 15), fall(np.arange(30) / 15, 0.4)]), np.ones((2, 30), bool)
    with torch.inference_mode():
        distances = familiarity.distances(made.summary(torch.from_numpy(features(poses, valid))).numpy())
    rule = Rejection(float(distances.mean()), 0.5 * float(np.ptp(distances)))
    metadata = {"features": FEATURES_VERSION, "labels": json.dumps(LABELS), "rate": "15", "seconds": "2"}
    for name, more in (("plain", {}), ("fading", {"rejection": rule.text()})):
        export_onnx(
            made,
            tmp_path / f"{name}.onnx",
            samples=30,
            temperature=1.0,
            metadata=metadata | more,
            familiarity=familiarity,
        )
    plain, fading = (
        ActionModel(tmp_path / f"{name}.onnx").probabilities(poses, valid) for name in ("plain", "fading")
    )
    np.testing.assert_allclose(plain.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(fading, plain * rule.known(distances)[:, None], rtol=2e-3)
    assert fading.sum(axis=1).min() < 0.4  # the farther one is mostly unknown


def test_distances_are_usual_among_what_was_trained_on_and_large_elsewhere():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 900)
    centres = np.array([[0, 0, 0, 9], [9, 0, 0, 0], [0, 9, 0, 0]], float)
    values = centres[labels] + random.normal(0, [0.5, 0.5, 0.1, 0.5], (900, 4))
    familiarity = Familiarity.fit(values, labels)
    assert np.median(familiarity.distances(values)) == pytest.approx(1.0)
    between, aside = centres.mean(axis=0, keepdims=True), centres[:1] + np.array([0, 0, 1.5, 0])
    assert familiarity.distances(between)[0] > 10
    assert familiarity.distances(aside)[0] > 5  # little in px, much for a direction that hardly varies


def test_training_mode_drops_and_evaluation_does_not():
    made, values = network(7, hidden=8), np.ones((2, 10, 7), np.float32)
    np.testing.assert_array_equal(logits(made, values), logits(made, values))
    made.train()
    assert not np.array_equal(logits(made, values), logits(made, values))


def test_the_classic_network_in_onnx_answers_as_in_torch(tmp_path):
    torch.manual_seed(2)
    made = ClassicNetwork(3).eval()
    metadata = {"features": RAW_VERSION, "labels": json.dumps(LABELS), "rate": "30", "seconds": str(1 / 3)}
    path = tmp_path / "classic.onnx"
    export_classic(made, path, metadata=metadata)
    poses, valid = walk(np.arange(10) / 30)[None], np.ones((1, 10), bool)
    size = np.array([640, 480], np.float32)
    expected = softmax(logits(made, raw_features(poses, valid, size)))
    model = ActionModel(path)
    np.testing.assert_allclose(model.probabilities(poses, valid, size), expected, atol=1e-5)
    with pytest.raises(ValueError, match="size"):
        model.probabilities(poses, valid)


def test_the_classic_network_begins_as_in_keras():
    """Orthogonal recurrent weights, Glorot's limits, one bias a gate with the forget gate's at 1."""
    made = ClassicNetwork(4)
    state = {name: value.detach().numpy() for name, value in made.named_parameters()}
    assert sum(value.size for name, value in state.items() if "bias_hh" not in name) == 97_404  # Keras' count
    for layer, inputs in enumerate((132, 50, 50, 50)):
        recurrent = state[f"lstm.weight_hh_l{layer}"]
        np.testing.assert_allclose(recurrent.T @ recurrent, np.eye(50), atol=1e-4)
        limit = np.sqrt(6 / (inputs + 200))
        assert 0.95 * limit < np.abs(state[f"lstm.weight_ih_l{layer}"]).max() <= limit
        np.testing.assert_array_equal(state[f"lstm.bias_ih_l{layer}"], np.repeat([0, 1, 0, 0], 50))
        assert not made.lstm.get_parameter(f"bias_hh_l{layer}").requires_grad


def report(scores: Scores, **more) -> TrainingReport:
    known = {
        "labels": LABELS,
        "takes": {"standing": 5, "walking": 6, "falling": 3},
        "windows": {"standing": 50, "walking": 66, "falling": 20},
        "test": scores,
        "rounds": [scores],
        "test_groups": tuple(f"person{n}" for n in range(20)),
        "calibration": Calibration(1.25, dict.fromkeys(LABELS, 0.55), Rejection(3.1, 0.2)),
        "reliability": reliability(np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 1])),
    }
    return TrainingReport(**(known | more))


def test_card_and_plots(tmp_path):
    pytest.importorskip("matplotlib", reason="install posewatch[train] to run this")
    scores = Scores(LABELS, np.array([[8, 1, 0], [2, 9, 0], [0, 1, 4]]), 0.4, 0.031)
    more = {"notes": ["ONE PERSON ONLY: you."], "confused": ["walking is taken for standing"]}
    card, model = tmp_path / "actions.md", tmp_path / "actions.onnx"
    model.write_bytes(b"some bytes")
    about = {"rate": 15.0, "note": "From our own recordings.", "licence": "CC0"}
    write_card(card, model, report(scores, **more), TrainingSettings(), **about)
    text = card.read_text()
    assert "| file | `actions.onnx`, 10 bytes |" in text
    assert f"| sha256 | `{hashlib.sha256(b'some bytes').hexdigest()}` |" in text
    assert "| licence | CC0 |" in text
    assert "From our own recordings." in text
    assert "| walking | 6 | 66 | 11 | 0.818 | 0.818 | 0.818 | 0.55 |" in text
    assert "temperature 1.25" in " ".join(text.split())
    assert "calibration error 0.031" in text
    assert "person11, ..." in text  # a few of the groups
    assert scores.table() in text
    assert "- **ONE PERSON ONLY: you.**" in text
    assert "far from all that it was taught: from 3.10 times" in text
    assert "- walking is taken for standing" in text
    assert [path.name for path in tmp_path.glob(".*")] == []  # nothing half-written is left

    plots = tmp_path / "plots" / "actions.png"
    curves = [Epoch(1.5, 1.2, 0.3), Epoch(0.9, 1.0, 0.5), Epoch(0.7, 1.1, 0.6)]
    write_plots(plots, scores, report(scores).reliability, curves)
    assert plots.read_bytes().startswith(b"\x89PNG")
    assert plots.stat().st_size > 10_000


def test_the_card_of_a_cross_validation_tells_the_spread(tmp_path):
    good, bad = (Scores(LABELS, np.diag([9, 9, 9]) + extra, 0.1, 0.01) for extra in (0, 3))
    (tmp_path / "a.onnx").write_bytes(b"some bytes")
    about = {"rate": 15.0, "note": "", "licence": "CC0"}
    write_card(
        tmp_path / "a.md",
        tmp_path / "a.onnx",
        report(good, rounds=[good, bad], again=True),
        TrainingSettings(),
        **about,
    )
    text = (tmp_path / "a.md").read_text()
    assert "2 folds by group: accuracy 0.833 ± 0.167, macro F1 0.833 ± 0.167" in text
    assert "once more, on all groups" in text
