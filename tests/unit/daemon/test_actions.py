"""Labels are steady: they come and go on sustained evidence, at any rate of classifications."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import scores_of

from classifier.model import ActionScores
from daemon.actions import UNKNOWN, ActionHysteresis
from daemon.config.actions import ActionsConfig, LabelConfig

CONFIRM, ENTER, EXIT = 0.4, 0.5, 0.35  # the defaults


def run(steps, settings: ActionsConfig | None = None, every: float = 0.2) -> list[str]:
    """The action after each classification, `every` seconds apart; a step is {label: score}."""
    hysteresis = ActionHysteresis(settings or ActionsConfig())
    return [hysteresis.update(scores_of(step, n * every))[0] for n, step in enumerate(steps)]


WALK, SIT, WAVE, FALL = {"walking": 0.9}, {"sitting": 0.8}, {"waving": 0.8}, {"falling": 0.6}
WEAK, GONE = {"walking": 0.4, "sitting": 0.3}, {"walking": 0.3, "sitting": 0.3}
NO, W, S, F = UNKNOWN, "walking", "sitting", "falling"


@pytest.mark.parametrize(
    ("steps", "actions"),
    [
        # a label appears after 0.4 s
        ([WALK] * 4, [NO, NO, W, W]),
        # and gives way to another one that holds as long
        ([WALK] * 3 + [SIT] * 4, [NO, NO, W, W, W, S, S]),
        # a single other answer changes nothing
        ([WALK] * 3 + [SIT, WALK, SIT, WALK], [NO, NO] + [W] * 5),
        # a label whose score sinks stays down to 0.35 ...
        ([WALK] * 3 + [WEAK] * 5, [NO, NO] + [W] * 6),
        # ... below it goes after 0.4 s, not sooner
        ([WALK] * 3 + [GONE] * 4, [NO, NO, W, W, W, NO, NO]),
        ([WALK] * 3 + [GONE, GONE, WALK, GONE, GONE, GONE], [NO, NO, W, W, W, W, W, W, NO]),
        # two others in turn: neither appears, but the first has gone for long enough
        ([WALK] * 3 + [SIT, WAVE] * 3, [NO, NO, W, W, W, W, W, NO, NO]),
        # from then on the next one has its whole time to wait
        ([WALK] * 3 + [SIT, WAVE, SIT] + [WAVE] * 5, [NO, NO] + [W] * 5 + [NO, NO, NO, "waving"]),
        # never enough evidence for anything
        ([GONE] * 5, [NO] * 5),
        # a fall is short: it appears at once, and goes like the others
        ([WALK] * 3 + [FALL] + [{"lying": 0.9}] * 3, [NO, NO, W, F, F, F, "lying"]),
        ([FALL], [F]),
    ],
)
def test_labels_come_and_go(steps, actions):
    assert run(steps) == actions


@pytest.mark.parametrize("fps", [5, 10, 15, 30])
def test_a_short_fall_is_named_at_any_frame_rate(fps):
    """0.4 s of falling are seen by at least one classification, every 0.2 s or every frame at 5 fps."""
    every = max(0.2, 1 / fps)
    steps = [WALK] * 10 + [FALL] * round(0.4 / every) + [{"lying": 0.9}] * 10
    actions = run(steps, every=every)
    assert actions.count(F) >= 2
    assert actions[-1] == "lying"
    assert NO not in actions[3:]


def test_settings_of_single_labels():
    own = {
        "walking": LabelConfig(min_score=0.95),
        "sitting": LabelConfig(confirm=0.0, exit_ratio=1.0),
        "falling": LabelConfig(confirm=0.4),
    }
    config = ActionsConfig(labels=own)
    assert run([WALK] * 4, config) == [NO] * 4
    # 0.45 is below sitting's exit, and it takes sitting no time to go
    assert run([SIT, {"sitting": 0.45, "walking": 0.3}], config) == [S, NO]
    assert run([FALL] * 3, config) == [NO, NO, F]


def test_the_score_is_that_of_the_action_not_of_the_best_label():
    hysteresis = ActionHysteresis(ActionsConfig())
    for at in (0.0, 0.2, 0.4):
        hysteresis.update(scores_of(WALK, at))
    assert hysteresis.update(scores_of({"sitting": 0.6, "walking": 0.4}, 0.6)) == (W, pytest.approx(0.4))
    assert hysteresis.current("a") == (W, pytest.approx(0.4))


def test_tracks_are_apart_and_can_be_dropped():
    hysteresis = ActionHysteresis(ActionsConfig(confirm=0.0))
    hysteresis.update(scores_of(WALK, 0.0, "a"))
    hysteresis.update(scores_of(SIT, 0.0, "b"))
    assert (hysteresis.current("a")[0], hysteresis.current("b")[0]) == (W, S)
    hysteresis.drop("a")
    hysteresis.drop("nobody")
    assert hysteresis.current("a") == (UNKNOWN, 0.0)
    assert hysteresis.current("b")[0] == S


def test_without_classifications_nothing_is_known_after_two_seconds():
    hysteresis = ActionHysteresis(ActionsConfig())
    for at in (0.0, 0.2, 0.4):
        hysteresis.update(scores_of(WALK, at))
    assert hysteresis.current("a", 2.3)[0] == W
    assert hysteresis.current("a", 2.5) == (UNKNOWN, 0.0)
    # Then it begins anew: no label out of a past that nobody has seen the end of.
    assert hysteresis.update(scores_of(WALK, 10.0))[0] == NO
    assert hysteresis.update(scores_of(WALK, 10.4))[0] == W


def test_a_long_gap_is_no_time_for_which_a_label_held():
    assert run([WALK, WALK, WALK], every=2.5) == [NO, NO, NO]


@pytest.mark.parametrize("every", [1.0, 3.0, 5.0])
def test_rare_classifications_on_purpose_still_name_actions(every):
    assert run([WALK] * 3, ActionsConfig(every=every), every) == [NO, W, W]


LABELS = ("walking", "sitting", "falling", "lying")
sequences = st.lists(
    st.tuples(
        st.floats(0.03, 0.6),  # seconds since the one before
        st.dictionaries(st.sampled_from(LABELS), st.floats(0.05, 0.95), min_size=1, max_size=2),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150)
@given(sequences, st.floats(0.0, 1.5), st.floats(0.1, 0.9), st.floats(0.3, 1.0))
def test_no_label_flips_inside_its_confirm_time(steps, confirm, enter, ratio):
    """Whatever the scores: a label that appears has been the best, and strong, since `confirm` before."""
    config = ActionsConfig(
        confirm=confirm, min_score=enter, exit_ratio=ratio, labels={"falling": LabelConfig(confirm=confirm)}
    )
    hysteresis = ActionHysteresis(config)
    now, before, changed, history = 100.0, UNKNOWN, None, []
    for elapsed, step in steps:
        now += elapsed
        scores = scores_of(step, now)
        values = dict(zip(scores.labels, scores.probabilities.tolist(), strict=True))
        history.append((now, values))
        action, score = hysteresis.update(scores)
        assert score == values.get(action, 0.0)
        if action == before:
            continue
        if changed is not None:
            assert now - changed >= confirm - 1e-6
        since = [values for at, values in history if at >= now - confirm - 1e-9]
        if action != UNKNOWN:
            assert all(values[action] == max(values.values()) >= enter for values in since)
        else:
            assert all(values[before] < enter * ratio for values in since)
        before, changed = action, now


@settings(max_examples=60)
@given(sequences, st.sampled_from(LABELS))
def test_whatever_was_before_a_clear_action_is_named_in_time(steps, label):
    """Within twice its confirm time: the first may end with an old label that gives way to unknown."""
    hysteresis, now = ActionHysteresis(ActionsConfig()), 0.0
    for elapsed, step in steps:
        now += elapsed
        hysteresis.update(scores_of(step, now))
    for n in range(1, 6):
        action, _ = hysteresis.update(scores_of({label: 0.95}, now + 0.2 * n))
    assert action == label


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        ({}, 0.7),  # nobody says: what the model asks
        ({"min_score": 0.5}, 0.5),  # even the usual value, once it is written down, is the user's
        ({"labels": {"walking": {"min_score": 0.4}}}, 0.4),
        ({"min_score": 0.6, "labels": {"walking": {"confirm": 0.4}}}, 0.6),
    ],
)
def test_a_label_needs_what_the_user_says_else_what_its_model_says(config, needed):
    for score, action in ((needed - 0.01, NO), (needed + 0.01, W)):
        hysteresis = ActionHysteresis(ActionsConfig.model_validate(config))
        hysteresis.adopt({"walking": 0.7})
        answers = [hysteresis.update(faded(score, n * 0.2))[0] for n in range(4)]
        assert answers[-1] == action


def test_a_label_without_a_threshold_of_the_model_needs_the_usual_score():
    hysteresis = ActionHysteresis(ActionsConfig())
    hysteresis.adopt({"walking": 0.9})
    assert [hysteresis.update(scores_of(SIT, n * 0.2))[0] for n in range(3)] == [NO, NO, S]


def test_scores_that_fade_into_unknown_end_a_label():
    """A rejected window has little of any label: the probabilities no longer add up to 1."""
    hysteresis = ActionHysteresis(ActionsConfig())
    scores = [faded(score, n * 0.2) for n, score in enumerate((0.9, 0.9, 0.9, 0.05, 0.05, 0.05))]
    assert [hysteresis.update(one)[0] for one in scores] == [NO, NO, W, W, W, NO]


def faded(walking: float, at: float) -> ActionScores:
    """Scores of a window of which the rest is unknown."""
    return ActionScores("a", ("walking", "sitting"), np.array([walking, 0.01], np.float32), at)
