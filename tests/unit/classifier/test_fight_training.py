"""Training of what tells fights: the same windows as in the daemon, and a judge that learns."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

from classifier.fights.model import shares_of  # noqa: E402
from classifier.fights.motion import Glance, energy_of  # noqa: E402
from classifier.training.fights.fit import LEAST, SECONDS, Windows, fit_judge, folds_of, windows_of  # noqa: E402
from classifier.training.fights.network import CHANNELS, described  # noqa: E402


def looks(count: int, interval: float = 0.125, seed: int = 0):
    random = np.random.default_rng(seed)
    nobody = np.empty((0, 4), np.float32), np.empty(0, np.float32)
    return [
        (
            number * interval,
            Glance(*(random.random((90, 160), np.float32) for _ in range(2)), *nobody),
            random.random((CHANNELS, 5, 8), np.float32),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("interval", [0.125, 0.2, 0.375])
def test_windows_are_what_the_network_describes(interval):
    seen = looks(24, interval)
    rows, spans, ends = windows_of(seen)
    assert rows.shape == (len(spans), 3 * CHANNELS + 1)
    assert spans.max() <= SECONDS + 1e-6
    for row in (0, len(rows) // 2, len(rows) - 1):
        part = [one for one in seen if ends[row] - spans[row] - 1e-6 <= one[0] <= ends[row] + 1e-6]
        shares = shares_of(energy_of([glance for _, glance, _ in part]), (5, 8))
        features = torch.from_numpy(np.stack([one for _, _, one in part]))
        expected = described(features, torch.from_numpy(shares), torch.full((1,), interval)).numpy()
        np.testing.assert_allclose(rows[row], expected, atol=2e-4)


def test_a_clip_that_is_too_short_has_no_window():
    assert windows_of(looks(LEAST - 1))[0].shape == (0, 3 * CHANNELS + 1)
    assert windows_of(looks(5))[0].shape == (0, 3 * CHANNELS + 1)  # half a second


def clips(count: int, random: np.random.Generator) -> list[Windows]:
    made = []
    for number in range(count):
        fight = number % 2 == 0
        rows = random.normal(0, 1, (12, 3 * CHANNELS + 1)).astype(np.float32)
        rows[:, :40] += 1.0 if fight else -1.0
        spans = np.minimum(0.6 + np.arange(12) / 8, SECONDS)
        made.append(Windows(f"clip{number}", fight, f"source{number // 4}", [rows], [spans], [spans]))
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


def test_what_changes_more_because_looks_are_further_apart_is_no_fight():
    """Every feature grows with the interval; the labels are in forty others."""
    random = np.random.default_rng(5)
    made = []
    for clip in clips(40, random):
        slower = clip.views[0].copy()
        slower[:, 100:700] += 3.0
        fast, slow = clip.views[0].copy(), slower
        fast[:, -1], slow[:, -1] = np.log(0.125), np.log(0.25)
        both = [fast, slow, slow[:0]]
        made.append(
            Windows(clip.name, clip.fight, clip.source, both, [*clip.spans * 2, clip.spans[0][:0]], [])
        )
    judge = fit_judge(made)
    for clip in made:
        fast, slow = (judge.logits(torch.from_numpy(view)).mean().item() for view in clip.views[:2])
        assert fast == pytest.approx(slow, abs=0.3)
        assert (slow > 0) == clip.fight
