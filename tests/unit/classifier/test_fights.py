"""Fights: what moves where people are, when is looked, and what comes of it."""

from __future__ import annotations

from importlib.resources import files

import cv2
import numpy as np
import pytest

from classifier.fights.model import FightModel, shares_of
from classifier.fights.motion import WIDTH, MotionMap, energy_of, moving_at_once, place_of
from classifier.fights.watch import FightWatch, is_due
from tracker.detector import Detector
from tracker.runtime import ModelError
from tracker.tiles import TiledDetector

HEIGHT = 240
NOBODY = np.empty((0, 4), np.float32), np.empty(0, np.float32)
PAIR = np.array([[60, 60, 110, 180], [110, 60, 160, 180]], np.float32), np.array([0.9, 0.8], np.float32)


def picture(x: int = 0, *, light: int = 0, seed: int = 1) -> np.ndarray:
    """Noise with a bright square of 40 px at (60 + x, 100)."""
    image = np.random.default_rng(seed).integers(60, 120, (HEIGHT, 320, 3), dtype=np.uint8)
    image[100:140, 60 + x : 100 + x] = 250
    return np.clip(image.astype(int) + light, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> FightModel:
    return FightModel()


def test_what_moves_is_seen_where_it_is():
    motion = MotionMap()
    assert not motion.update(picture(), *NOBODY).change.any()  # nothing to compare the first one with
    change = motion.update(picture(12), *NOBODY).change
    rows, columns = np.nonzero(change > 20)
    assert change.shape == (HEIGHT * WIDTH // 320, WIDTH)
    assert (rows.min(), rows.max()) >= (48, 60)
    assert columns.min() >= 28
    assert columns.max() <= 58


def test_light_that_changes_is_no_motion():
    motion = MotionMap()
    motion.update(picture(), *NOBODY)
    assert not motion.update(picture(light=30), *NOBODY).change.any()


def test_another_resolution_is_no_motion():
    motion = MotionMap()
    motion.update(picture(), *NOBODY)
    assert not motion.update(picture()[:200], *NOBODY).change.any()


def test_the_place_is_where_people_move_and_as_large_as_they_are():
    motion = MotionMap()
    glances = [motion.update(picture(10 * (n % 2)), *PAIR) for n in range(6)]
    place = place_of(energy_of(glances), glances) * 320 / WIDTH
    assert place[2] - place[0] == pytest.approx(360, rel=0.05)  # three times 120 px
    assert (np.abs((place[:2] + place[2:]) / 2 - [85, 120]) < 40).all()


@pytest.mark.parametrize(
    ("boxes", "scores", "count"),
    [
        ([[40, 80, 90, 160], [90, 80, 140, 160]], [0.9, 0.8], 2),
        ([[40, 80, 90, 160], [200, 80, 250, 160]], [0.9, 0.8], 1),  # the second one hangs on a chair
        ([[40, 80, 90, 160], [42, 82, 92, 160]], [0.9, 0.8], 1),  # the same body twice
        ([[40, 80, 90, 160], [90, 80, 140, 160]], [0.9, 0.1], 1),  # hardly seen
        ([], [], 0),
    ],
)
def test_only_people_who_move_count(boxes, scores, count):
    motion = MotionMap()
    people = np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32)
    glances = [motion.update(picture(25 * (n % 2)), *people) for n in range(4)]
    assert moving_at_once(np.array([0, 0, WIDTH, WIDTH], np.float32), glances) == count


def test_motion_counts_more_where_somebody_is():
    def energy(people):
        motion = MotionMap()
        return energy_of([motion.update(picture(10 * (n % 2)), *people) for n in range(4)])

    assert energy(PAIR).sum() > 10 * energy(NOBODY).sum() > 0


def test_shares_of_the_motion_add_up():
    shares = shares_of(np.zeros((90, 160), np.float32), (10, 17))
    assert shares.shape == (10, 17)
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("fps", [5, 8, 10, 12, 15, 20, 23.976, 25, 30, 60])
def test_is_looked_about_eight_times_a_second(fps):
    last, before, looks = float("-inf"), float("-inf"), []
    for n in range(round(4 * fps)):
        now = n / fps
        if is_due(last, before, now, 0.125):
            looks.append(now)
            last = now
        before = now
    gaps = np.diff(looks)
    assert gaps.min() >= 0.08
    assert gaps.max() <= max(0.17, 1.001 / fps)


def watched(model: FightModel, pictures, people=PAIR, fps: float = 8.0, watch: FightWatch | None = None):
    watch = watch or FightWatch()
    return [watch.update(one, *people, n / fps, model) for n, one in enumerate(pictures)]


def test_who_stands_still_does_not_fight(model):
    scores = watched(model, [picture()] * 20)
    assert scores[:5] == [None] * 5  # 0.6 seconds, and four looks
    assert all(one is not None and one.score < 0.2 for one in scores[5:])
    assert scores[-1].people == 0


@pytest.mark.parametrize("people", [NOBODY, (PAIR[0][:1], PAIR[1][:1])], ids=["nobody", "alone"])
def test_is_not_looked_without_two_people(model, people):
    assert watched(model, [picture(n) for n in range(20)], people) == [None] * 20


def test_who_hides_somebody_for_a_moment_is_still_watched(model):
    watch = FightWatch()
    watched(model, [picture()] * 10, watch=watch)
    alone = PAIR[0][:1], PAIR[1][:1]
    assert watch.update(picture(), *alone, 1.6, model) is not None
    assert watch.update(picture(), *alone, 3.6, model) is None  # gone for over two seconds


def test_a_pause_starts_anew(model):
    watch = FightWatch()
    watched(model, [picture()] * 10, watch=watch)
    assert watch.update(picture(), *PAIR, 2.0, model) is None


@pytest.mark.parametrize("size", [(240, 120), (240, 326), (244, 320), (230, 320), (480, 640), (120, 320)])
def test_another_resolution_starts_anew(model, size):
    """Also one that is so little different that the features have as many cells."""
    watch = FightWatch()
    watched(model, [picture()] * 10, watch=watch)
    other = cv2.resize(picture(), size[::-1])
    scores = [watch.update(other, *PAIR, 1.25 + n / 8, model) for n in range(20)]
    assert scores[-1] is not None
    assert scores[:4] == [None] * 4 or size == (480, 640)  # the same shape, larger


@pytest.mark.parametrize("fps", [4, 5, 8])
def test_the_last_two_seconds_are_judged_at_any_frame_rate(model, fps):
    watch = FightWatch()
    scores = watched(model, [picture()] * 30, fps=fps, watch=watch)
    assert scores[-1] is not None
    assert 1.4 <= 29 / fps - watch.oldest <= 2.01
    first = next(n for n, one in enumerate(scores) if one is not None)
    assert first / fps <= 1.6


@pytest.mark.parametrize("fps", [1.5, 3])
def test_below_four_frames_a_second_nothing_is_judged(model, fps):
    assert watched(model, [picture()] * 12, fps=fps) == [None] * 12


def test_the_same_pictures_give_the_same_scores(model):
    pictures = [picture(15 * (n % 3), seed=n % 2) for n in range(16)]
    first, second = watched(model, pictures), watched(model, pictures)
    assert [one and one.score for one in first] == [one and one.score for one in second]


def test_another_model_is_refused(tmp_path):
    path = tmp_path / "fights.onnx"
    path.write_bytes((files("classifier") / "models" / "actions.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"fights\.onnx: no fight model of this version"):
        FightModel(path)
    with pytest.raises(ModelError, match="no such model file"):
        FightModel(tmp_path / "missing.onnx")


class Counted(FightModel):
    """Counts how often it looks."""

    looks = 0

    def look(self, image):
        self.looks += 1
        return super().look(image)


def moving(n: int) -> np.ndarray:
    """Limbs that are somewhere else in every picture: to the model a fight."""
    image, random = picture(), np.random.default_rng(n)
    for _ in range(12):
        middle = int(random.integers(0, 280)), int(random.integers(0, 200))
        angle, colour = float(random.integers(0, 180)), [int(one) for one in random.integers(0, 255, 3)]
        cv2.ellipse(image, middle, (15, 50), angle, 0, 360, colour, -1)
    return image


def test_what_is_far_from_a_fight_is_looked_at_rarely():
    model, always = Counted(), Counted()
    scores = watched(model, [picture()] * 40, watch=FightWatch(calm=0.35))
    watched(always, [picture()] * 40)
    assert always.looks == 40
    assert model.looks <= 26
    assert scores[-1] is None
    assert all(one is None or one.score < 0.2 for one in scores)


def test_what_becomes_a_fight_is_looked_at_as_often_as_ever():
    model = Counted()
    watch, always = FightWatch(calm=0.35), FightWatch()
    calm, fight = [picture()] * 32, [moving(n) for n in range(40)]
    scores = watched(model, [*calm, *fight], watch=watch)
    expected = watched(model, [*calm, *fight], watch=always)
    assert scores[31] is None
    assert not watch.calm
    assert max(one.score for one in scores if one is not None) >= 0.55
    assert scores[-1].score == pytest.approx(expected[-1].score, abs=1e-6)


def test_it_is_calm_again_after_a_fight():
    watch, model = FightWatch(calm=0.35), Counted()
    watched(model, [moving(n) for n in range(24)], watch=watch)
    assert not watch.calm
    for n in range(24, 60):
        watch.update(picture(), *PAIR, n / 8, model)
    assert watch.calm


def test_a_run_of_the_detector_is_a_look():
    model, looking, detector = Counted(), FightModel(), Detector()
    assert model.sees_as(detector)
    assert model.sees_as(TiledDetector(detector, columns=2, rows=1))
    assert not model.sees_as(Detector(pixels=320 * 320))
    with_features, without = FightWatch(), FightWatch()
    for n in range(10):
        image = picture(20 * (n % 2))
        features = detector.detect(image).features
        first = with_features.update(image, *PAIR, n / 8, model, features)
        second = without.update(image, *PAIR, n / 8, looking)
        assert (first is None) == (second is None)
    assert model.looks == 0
    assert first.score == pytest.approx(second.score, abs=1e-4)
