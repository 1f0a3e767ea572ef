"""Training of what tells fights: the same windows as in the daemon, and a judge that learns."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

from classifier.fights.model import shares_of  # noqa: E402
from classifier.fights.motion import Glance, energy_of  # noqa: E402
from classifier.training.fights.fit import LEAST, SAMPLES, Windows, fit_judge, folds_of, windows_of  # noqa: E402
from classifier.training.fights.network import CHANNELS, described  # noqa: E402


def looks(count: int, seed: int = 0):
    random = np.random.default_rng(seed)
    nobody = np.empty((0, 4), np.float32), np.empty(0, np.float32)
    return [
        (
            Glance(*(random.random((90, 160), np.float32) for _ in range(2)), *nobody),
            random.random((CHANNELS, 5, 8), np.float32),
        )
        for _ in range(count)
    ]


def test_windows_are_what_the_network_describes():
    seen = looks(SAMPLES + 5)
    rows = windows_of(seen)
    assert rows.shape == (SAMPLES + 5 - LEAST + 1, 3 * CHANNELS)
    for row, end in ((0, LEAST), (7, LEAST + 7), (len(rows) - 1, len(seen))):
        part = seen[max(0, end - SAMPLES) : end]
        shares = shares_of(energy_of([glance for glance, _ in part]), (5, 8))
        features = torch.from_numpy(np.stack([one for _, one in part]))
        expected = described(features, torch.from_numpy(shares)).numpy()
        np.testing.assert_allclose(rows[row], expected, atol=2e-4)


def test_a_clip_that_is_too_short_has_no_window():
    assert windows_of(looks(LEAST - 1)).shape == (0, 3 * CHANNELS)


def clips(count: int, random: np.random.Generator) -> list[Windows]:
    made = []
    for number in range(count):
        fight = number % 2 == 0
        rows = random.normal(0, 1, (12, 3 * CHANNELS)).astype(np.float32)
        rows[:, :40] += 1.0 if fight else -1.0
        made.append(Windows(f"clip{number}", fight, f"source{number // 4}", [rows]))
    return made


def test_a_judge_learns_what_differs():
    random = np.random.default_rng(1)
    judge, unseen = fit_judge(clips(40, random)), clips(40, random)
    found = [float(judge.logits(torch.from_numpy(clip.views[0])).mean()) > 0 for clip in unseen]
    assert np.mean([one == clip.fight for one, clip in zip(found, unseen, strict=True)]) >= 0.95


def test_a_judge_needs_both_labels():
    with pytest.raises(ValueError, match="both labels"):
        fit_judge(clips(40, np.random.default_rng(1))[::2])


def test_a_source_is_in_one_fold_only():
    made = clips(60, np.random.default_rng(2))
    fold = folds_of(made, 5, seed=3)
    assert set(fold) == set(range(5))
    for source in {clip.source for clip in made}:
        assert len({number for number, clip in zip(fold, made, strict=True) if clip.source == source}) == 1
