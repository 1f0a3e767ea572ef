"""What a picture of an alert shows, and what nobody can get out of it."""

from __future__ import annotations

import os
import time
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_scenes import EPOCH, a_scene, an_alert, noise, somebody
from media_scenes import settings as camera

from daemon.config.zones import Zone
from daemon.media.alerts import render
from daemon.media.backdrop import PATCHES, paint_patches, patches, target_size
from daemon.media.picture import Caption
from daemon.media.privacy import PrivacyMasks
from daemon.media.subject import Subject
from tracker.tracks import TrackState

STYLES = ("skeleton", "blur", "full")
SIZES = [(640, 480), (1280, 720), (1920, 1080), (320, 240), (353, 289), (1080, 1920)]
ZONE = {"bed": {"points": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}}


@st.composite
def polygons(draw: st.DrawFn) -> Zone:
    """Any polygon that the configuration takes."""
    share = st.floats(0.0, 1.0)
    points = draw(st.lists(st.tuples(share, share), min_size=3, max_size=8, unique=True))
    try:
        return Zone(points=points)
    except ValueError:
        return Zone(points=((0.0, 0.0), points[0], (1.0, 0.3), (0.2, 1.0)))


def picture(style: Any, image: np.ndarray, *people: Any, masks: Any = None, **more: Any) -> np.ndarray:
    """A picture of somebody who falls, in the size of the image."""
    height, width = image.shape[:2]
    people = people or (somebody(1), somebody(2, (350, 120, 430, 380)))
    scene = a_scene(0.0, *people, size=(width, height))
    chosen = camera(zones=ZONE)
    subject = Subject.of(an_alert(**more).payload)
    caption = Caption("door", scene.captured_at, (subject,))
    size = target_size(width, height, 1280)
    return render(style, image, scene, chosen, PrivacyMasks(masks or {}), [subject], caption, size)


def decoded(image: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def inside(zone: Zone, width: int, height: int) -> np.ndarray:
    """(H, W) whether the middle of each pixel is in a polygon, by the even-odd rule."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    found = np.zeros((height, width), bool)
    points = list(zone.points)
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        if abs(y1 - y2) > 1e-9:
            found ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return found


# Privacy masks ------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(zone=polygons(), style=st.sampled_from(STYLES), size=st.sampled_from(SIZES))
def test_no_pixel_of_a_privacy_mask_is_anything_but_black(
    zone: Zone, style: str, size: tuple[int, int]
) -> None:
    bright = np.full((size[1], size[0], 3), 255, np.uint8)
    drawn = picture(style, bright, masks={"window": zone})
    hidden = inside(zone, drawn.shape[1], drawn.shape[0])
    assert drawn[hidden].max(initial=0) == 0
    # A JPEG block that is half bright and half black rings; what is seen there is the bright half's.
    whole = cv2.erode(hidden.astype(np.uint8), np.ones((33, 33), np.uint8), borderValue=1).astype(bool)
    shown = decoded(drawn, 85)
    assert shown[whole].max(initial=0) <= 3
    assert np.mean(shown[hidden].max(axis=1) > 60) < 0.05 if hidden.any() else True


@settings(max_examples=60)
@given(zone=polygons(), style=st.sampled_from(STYLES), size=st.sampled_from(SIZES))
def test_what_is_behind_a_privacy_mask_changes_nothing_anywhere(
    zone: Zone, style: str, size: tuple[int, int]
) -> None:
    first, second = noise(1, *size), noise(1, *size)
    hidden = inside(zone, *size)
    second[hidden] = 255 - second[hidden]
    one, other = (picture(style, image, masks={"window": zone}) for image in (first, second))
    assert np.array_equal(one, other)


def test_a_mask_covers_skeletons_labels_and_zones_too() -> None:
    everything = {"all": Zone(points=((0, 0), (1, 0), (1, 1), (0, 1)))}
    for style in STYLES:
        assert picture(style, noise(1), masks=everything).max() == 0


def test_the_words_are_where_no_mask_is() -> None:
    top = {"top": Zone(points=((0, 0), (1, 0), (1, 0.5), (0, 0.5)))}
    masked, plain = picture("skeleton", noise(1), masks=top), picture("skeleton", noise(1))
    assert (plain[:20, :60] == plain[2, 2]).all(axis=2).mean() > 0.5  # the rule on its colour
    lower = masked[400:, :100]
    assert (lower == plain[2, 2]).all(axis=2).mean() > 0.1


def test_a_label_is_put_where_no_mask_is() -> None:
    above = {"above": Zone(points=((0.3, 0), (0.5, 0), (0.5, 0.2), (0.3, 0.2)))}  # where it would be
    free, masked = (
        picture("skeleton", noise(1), somebody(1)),
        picture("skeleton", noise(1), somebody(1), masks=above),
    )
    red = free[2, 2]
    assert (free[70:98, 202:212] == red).all(axis=2).mean() > 0.2
    assert (masked[402:425, 202:212] == red).all(axis=2).mean() > 0.2
    assert not (free[402:425, 202:212] == red).all(axis=2).any()


# What a style shows of the camera's picture ---------------------------------------------------------------


@settings(max_examples=20)
@given(first=st.integers(0, 2**32 - 1), second=st.integers(0, 2**32 - 1), size=st.sampled_from(SIZES[:2]))
def test_skeleton_shows_nothing_of_the_image(first: int, second: int, size: tuple[int, int]) -> None:
    one, other = (picture("skeleton", noise(seed, *size)) for seed in (first, second))
    assert one.tobytes() == other.tobytes()


def test_full_shows_the_image() -> None:
    image = noise(1)
    drawn = picture("full", image, somebody(1, (600, 440, 630, 470)))
    assert (drawn == image).all(axis=2).mean() > 0.7


@pytest.mark.parametrize("size", SIZES)
def test_blur_is_drawn_from_a_few_bytes(size: tuple[int, int]) -> None:
    cells = patches(noise(1, *size), a_scene(0.0, size=size), PrivacyMasks({}))
    assert max(cells.shape[:2]) == PATCHES
    assert cells.size <= PATCHES * PATCHES * 3
    assert len(np.unique(cells)) <= 32
    blurred = paint_patches(cells, PrivacyMasks({}), size)
    # Nothing has an edge: the steepest slope is that of one patch to the next.
    slope = np.abs(np.diff(blurred.astype(int), axis=1)).max() * size[0] / cells.shape[1]
    assert slope <= 2 * 255


def blurred(image: np.ndarray) -> np.ndarray:
    """The blurred scene of an image in which nobody is followed."""
    size = (image.shape[1], image.shape[0])
    none = PrivacyMasks({})
    return paint_patches(patches(image, a_scene(0.0, size=size), none), none, size)


def stripes(period: float, width: int, height: int) -> np.ndarray:
    """Black and white stripes, as fine as letters."""
    wave = np.sin(2 * np.pi * np.arange(width) / period) > 0
    return np.repeat(np.where(wave, 255, 0).astype(np.uint8)[None, :, None], height, 0).repeat(3, 2)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("share", [1 / 16, 1 / 24, 1 / 40, 1 / 100])
def test_blur_hides_detail_as_fine_as_a_patch(width: int, height: int, share: float) -> None:
    plain = np.full((height, width, 3), 128, np.uint8)
    drawn = [blurred(image) for image in (plain, stripes(width * share, width, height))]
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 24  # of 255, from 255 before


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), x=st.floats(-50, 600), y=st.floats(-50, 400), tall=st.floats(20, 500))
def test_blur_shows_nothing_of_people_who_are_followed(seed: int, x: float, y: float, tall: float) -> None:
    box = (x, y, x + tall / 3, y + tall)
    left, top, right, bottom = (max(0, int(value)) for value in box)
    scenes = [noise(7), noise(7)]
    scenes[1][top : bottom + 1, left : right + 1] = noise(seed)[top : bottom + 1, left : right + 1]
    for state in (TrackState.CONFIRMED, TrackState.TENTATIVE, TrackState.LOST):
        person = somebody(1, box, state=state)
        one, other = (picture("blur", image, person) for image in scenes)
        assert np.array_equal(one, other)


def test_who_is_not_detected_cannot_be_told_apart_in_blur(footage: Any) -> None:
    """Real people, none of them followed: the pictures of two frames are alike within a few shades."""
    video = cv2.VideoCapture(str(footage))
    frames = []
    for number in (0, 300):
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        frames.append(np.asarray(video.read()[1], np.uint8))
    drawn = [blurred(frame) for frame in frames]
    assert np.abs(frames[0].astype(int) - frames[1]).max() > 200  # people came and went
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 24


# What it says ----------------------------------------------------------------------------------------------


def colors(image: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(color) for color in np.unique(image.reshape(-1, 3), axis=0).tolist()}


def test_whom_the_alert_names_stands_out() -> None:
    named, other = somebody(1, (100, 100, 200, 400)), somebody(2, (400, 100, 500, 400))
    drawn = picture("skeleton", noise(1), named, other)
    red = ((drawn[:, :, 2] > 220) & (drawn[:, :, 1] < 90)).astype(bool)
    assert red[90:410, 90:210].mean() > 10 * red[90:410, 390:510].mean()
    assert red[90:410, 90:210].mean() > 0.01


def test_the_colour_tells_the_severity() -> None:
    drawn = [picture("skeleton", noise(1), severity=one) for one in ("info", "warning", "critical")]
    assert len({tuple(one[2, 2].tolist()) for one in drawn}) == 3


def test_somebody_who_is_no_longer_seen_is_marked_where_he_was() -> None:
    gone = {"0-record-9": [0.6, 0.2, 0.8, 0.9]}
    without = picture("skeleton", noise(1), somebody(2), tracks=["0-record-9"])
    drawn = picture("skeleton", noise(1), somebody(2), tracks=["0-record-9"], boxes=gone)
    changed = (drawn != without).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert columns.min() == pytest.approx(0.6 * 640, abs=3)
    assert columns.max() == pytest.approx(0.8 * 640, abs=3)
    assert rows.max() == pytest.approx(0.9 * 480, abs=3)


def test_the_place_of_a_fight_is_marked_also_where_it_is_the_whole_image() -> None:
    place = {"evidence": {"type": "fight", "boxes": {}, "place": [0.0, 0.0, 1.0, 1.0]}}
    drawn = picture("skeleton", noise(1), somebody(2), tracks=[], **place)
    edges = [drawn[1, 300], drawn[478, 300], drawn[200, 1], drawn[200, 638]]
    assert all(edge[2] > 200 for edge in edges)


def test_the_line_that_was_crossed_is_drawn() -> None:
    line = {
        "evidence": {"type": "line_crossing", "boxes": {}, "thresholds": {"line": [[0.9, 0.1], [0.9, 0.9]]}}
    }
    drawn = picture("skeleton", noise(1), somebody(2), **line)
    assert (drawn[60:420, 575, 2] > 200).all()
    assert not (picture("skeleton", noise(1), somebody(2))[60:420, 575, 2] > 200).any()


def test_the_time_is_that_of_the_frame_in_the_systems_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    put = cv2.putText
    monkeypatch.setattr(
        cv2, "putText", lambda image, text, *rest: texts.append(text) or put(image, text, *rest)
    )
    for zone in ("UTC", "Asia/Kolkata"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        picture("skeleton", noise(1))
    monkeypatch.undo()
    time.tzset()
    assert os.environ.get("TZ") != "Asia/Kolkata"
    assert EPOCH == 1_700_000_000
    assert "door  2023-11-14 22:13:20 UTC" in texts
    assert "door  2023-11-15 03:43:20 IST" in texts
    assert texts.count("fall") == 2


@pytest.mark.parametrize(
    ("width", "height", "widest", "expected"),
    [
        (640, 480, 1280, (640, 480)),  # never larger
        (1920, 1080, 1280, (1280, 720)),
        (353, 289, 1280, (352, 288)),  # even, for video
        (4000, 100, 1280, (1280, 32)),
        (3, 3, 1280, (2, 2)),
    ],
)
def test_pictures_are_made_smaller_never_larger(
    width: int, height: int, widest: int, expected: tuple[int, int]
) -> None:
    assert target_size(width, height, widest) == expected


def test_poses_from_anywhere_are_drawn() -> None:
    """Landmarks far outside, of a body of no size, or that are no numbers."""
    wild = somebody(1)
    assert wild.pose is not None
    wild.pose.landmarks[3:9, :2] = np.inf
    wild.pose.landmarks[11:14, :2] = np.nan
    wild.pose.landmarks[14:20, :2] = 1e12
    flat = somebody(2, (5000, 5000, 5000, 5000))
    assert picture("blur", noise(1), wild, flat).shape == (480, 640, 3)
