"""A camera that is covered, turned, blurred or blinded is noticed; night, people and weather are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.capture import Frame
from daemon.config.tamper import TamperConfig
from daemon.messages import Message
from daemon.reasons import EndReason
from daemon.tamper import KnownView, TamperWatch
from daemon.topics import Topics

Image = NDArray[np.uint8]
Change = Callable[[Image, float], Image]

WIDTH, HEIGHT = 384, 216
FOR, CLEAR, LEARN = 5.0, 2.0, 5.0  # seconds, the defaults


def room(seed: int = 1, zoom: int = 2) -> Image:
    """A made-up grey room with walls and furniture, larger than the picture: a camera can turn in it."""
    random = np.random.default_rng(seed)
    rough = random.integers(60, 200, (4, 6, 3), np.uint8)
    size = (WIDTH * zoom, HEIGHT * zoom)
    image = cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(60 * zoom):
        x, y = int(random.integers(0, size[0])), int(random.integers(0, size[1]))
        w, h = (int(random.integers(8, 60)) for _ in range(2))
        colour = [int(level) for level in random.integers(30, 230, 3)]
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1 if random.random() < 0.6 else 2)
    grey = np.asarray(cv2.GaussianBlur(image[..., 1], (3, 3), 0), np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


ROOM, ELSEWHERE = room(1), room(2)


def scene(t: float, left: int = 100, top: int = 60, of: Image = ROOM) -> Image:
    """What the camera sees, with its noise and somebody who walks through."""
    image = of[top : top + HEIGHT, left : left + WIDTH].copy()
    x = int(t * 20) % WIDTH
    cv2.rectangle(image, (x, 70), (x + 28, 160), (60, 40, 90), -1)
    return pixels(image + noise(t, 2.5))


def pixels(values: Any) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)


NOISE = np.random.default_rng(3).normal(0, 1, (7, HEIGHT, WIDTH, 3)).astype(np.float32)


def part(image: Image, over: Any, share: float) -> Image:
    """Something drawn over the left part of the picture, with a soft edge."""
    weight = np.clip((share * 1.2 - np.arange(WIDTH) / WIDTH) / 0.1, 0, 1)[None, :, None]
    return pixels(image * (1 - weight) + np.asarray(over) * weight)


def noise(t: float, sigma: float) -> Any:
    return NOISE[round(t * 100) % 7] * np.float32(sigma)


def cloth(image: Image, t: float) -> Image:
    return part(image, np.array([90, 70, 60], np.float32) + noise(t, 3), t)


def tape(image: Image, t: float) -> Image:
    return part(image, 5 + noise(t, 2), t)


def light_off(image: Image, t: float) -> Image:
    return pixels(image * 0.01 + 4 + noise(t, 2))


def two_lights_off(image: Image, t: float) -> Image:
    """First the one that lights the left half, then the other."""
    if t > 2:
        return light_off(image, t)
    dark = image.copy()
    dark[:, : WIDTH // 2] = light_off(image, t)[:, : WIDTH // 2]
    return dark


def blurred(image: Image, _t: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 6), np.uint8)


def torch(image: Image, _t: float) -> Image:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    away = ((x - 190) ** 2 + (y - 80) ** 2) / WIDTH**2
    return pixels(image * 0.15 + (420 * np.exp(-away / 0.03) + 190 * np.exp(-away / 0.3))[..., None])


def video_loss(image: Image, _t: float) -> Image:
    picture = np.full_like(image, (200, 40, 20))
    cv2.putText(picture, "NO VIDEO", (120, 110), 0, 0.8, (255, 255, 255), 1)
    return picture


def turned(pixels_: int) -> Change:
    return lambda _, t: scene(t, left=100 + pixels_)


def infrared(image: Image, t: float) -> Image:
    """Dusk, the click of the filter, and a grey picture with other materials bright than before."""
    if t < 1:
        return pixels(image * (1 - 0.7 * t))
    if t < 1.3:
        return np.full_like(image, 5)
    blue, _, red = (image[..., channel].astype(float) for channel in range(3))
    grey = np.repeat((0.9 * red - 0.4 * blue + 60)[..., None], 3, axis=2)
    return pixels(grey * (1 + max(0.0, 2.3 - t)) + noise(t, 7))


def headlights(image: Image, t: float) -> Image:
    x = np.arange(WIDTH)[None, :, None]
    return pixels(image + 400 * np.exp(-(((x - 130 * t) / 60) ** 2))) if t < 4 else image


def person(image: Image, t: float) -> Image:
    """Somebody close, in a jumper with a pattern, over three quarters of the picture."""
    near = image.copy()
    x = int(20 + 20 * np.sin(2 * t))
    wool = cv2.resize(ELSEWHERE[: HEIGHT // 2, : WIDTH // 2], (WIDTH, HEIGHT))
    width = WIDTH * 3 // 4
    near[10:, x : x + width] = np.roll(wool, int(9 * np.sin(4 * t)), axis=1)[10:, :width]
    return near


def clock_and_name(image: Image, t: float) -> Image:
    """What the camera writes into its picture, large, at the top and at the bottom."""
    written = image.copy()
    cv2.putText(written, f"2026-11-26 18:{int(t):02} CAM 1", (4, 17), 0, 0.6, (255, 255, 255), 2)
    cv2.putText(written, "FRONT DOOR NORTH", (180, 210), 0, 0.6, (255, 255, 255), 2)
    return written


def low_bit_rate(image: Image, _t: float) -> Image:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 5])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def drops(image: Image, _t: float) -> Image:
    wet = image.copy()
    soft = cv2.GaussianBlur(image, (0, 0), 12)
    for x, y in ((60, 50), (150, 120), (260, 60), (330, 160), (80, 170)):
        cv2.circle(mask := np.zeros((HEIGHT, WIDTH), np.uint8), (x, y), 38, 255, -1)
        wet[mask > 0] = soft[mask > 0]
    return wet


def wind(_: Image, t: float) -> Image:
    return scene(t, left=100 + round(6 * np.sin(7 * t)), top=60 + round(3 * np.sin(9 * t)))


def unchanged(image: Image, _t: float) -> Image:
    return image


class Story:
    """A camera that is watched, second after second."""

    def __init__(self, rate: float = 6.0, view: KnownView | None = None, **settings: Any) -> None:
        self.watch = TamperWatch("door", TamperConfig.model_validate(settings), Topics(), view)
        self.rate, self.t, self.index = rate, 0.0, 0
        self.said: list[tuple[float, dict[str, Any]]] = []

    def go(self, seconds: float, change: Change = unchanged, always: Change = unchanged) -> Story:
        """So many seconds of a change; `always` is what the camera adds to every picture."""
        start = self.t
        while self.t < start + seconds - 1e-9:
            image = always(change(scene(self.t), self.t - start), self.t)
            frame = Frame("door", self.index, image, 1_000_000.0 + self.t, 500.0 + self.t)
            self.take(self.watch.update(frame))
            self.index, self.t = self.index + 1, self.t + 1 / self.rate
        return self

    def take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            assert message.topic == "posewatch/door/tamper"
            assert message.retain
            assert message.qos == 1
            assert isinstance(message.payload, dict)
            self.said.append((self.t, message.payload))

    @property
    def states(self) -> list[str]:
        return [payload["state"] for _, payload in self.said]

    def when(self, state: str) -> float:
        return next(t for t, payload in reversed(self.said) if payload["state"] == state)


TAMPERINGS = [
    ("covered", cloth),
    ("covered", tape),
    ("moved", turned(40)),
    ("moved", turned(200)),
    ("moved", lambda _, t: scene(t, of=ELSEWHERE)),
    ("defocused", blurred),
    ("blinded", torch),
    ("no_signal", video_loss),
    ("dark", light_off),
    ("dark", two_lights_off),
]
NAMES = ["cloth", "tape", "knocked", "turned", "elsewhere", "blurred", "torch", "loss", "light", "two lights"]


@pytest.mark.parametrize(("state", "change"), TAMPERINGS, ids=NAMES)
def test_what_is_done_to_a_camera_is_said_and_ends_by_itself(state: str, change: Change) -> None:
    story = Story().go(8)
    assert story.states == ["ok"]
    story.go(10, change)
    assert story.states == ["ok", state]
    assert FOR - 0.01 <= story.when(state) - 8 <= FOR + 3.5  # whatever it takes to draw it over the lens
    since = story.said[-1][1]["since"] - 1_000_000
    assert 8 <= since <= 11.5
    story.go(5)
    assert story.states == ["ok", state, "ok"]
    assert CLEAR <= story.when("ok") - 18 <= CLEAR + 2


@pytest.mark.parametrize(
    "change",
    [infrared, headlights, person, low_bit_rate, drops, wind, clock_and_name,
     lambda image, t: pixels(image * (0.4 + 0.06 * t)),
     lambda image, t: pixels(image * (1 + 0.5 * np.sin(3 * t))),
     lambda image, t: pixels(image + noise(t, 16))],
    ids=["infrared", "headlights", "person", "bit rate", "drops", "wind", "clock", "dawn", "clouds", "noise"],
)  # fmt: skip
def test_what_happens_before_a_camera_is_none_of_it(change: Change) -> None:
    assert Story().go(8).go(10, change).go(6).states == ["ok"]


@pytest.mark.parametrize(("state", "change"), TAMPERINGS, ids=NAMES)
def test_what_lasts_a_few_seconds_is_not_said(state: str, change: Change) -> None:
    assert Story().go(8).go(FOR - 1.5, change).go(3).states == ["ok"], state


@pytest.mark.parametrize(("state", "change"), [TAMPERINGS[0], TAMPERINGS[3]], ids=["cloth", "turned"])
def test_a_clock_in_the_picture_does_not_hide_it(state: str, change: Change) -> None:
    assert Story().go(10, always=clock_and_name).go(12, change, always=clock_and_name).states == ["ok", state]


@pytest.mark.parametrize("rate", [1.0, 4.0, 30.0])
def test_the_frame_rate_does_not_matter(rate: float) -> None:
    story = Story(rate).go(12).go(14, cloth).go(8)
    assert story.states == ["ok", "covered", "ok"]
    assert FOR <= story.when("covered") - 12 <= FOR + 4


def test_black_is_covered_where_it_is_never_dark() -> None:
    assert Story(dark=True).go(10).go(12, light_off).go(6).states == ["ok", "covered", "ok"]


def test_a_night_without_light_and_the_morning_after_it() -> None:
    dusk: Change = lambda image, t: pixels(image * max(0.01, 1 - t / 20) + 3 + noise(t, 2))  # noqa: E731
    dawn: Change = lambda image, t: pixels(image * min(1, 0.01 + t / 20) + 3 + noise(t, 2))  # noqa: E731
    assert Story().go(20).go(20, dusk).go(30, light_off).go(20, dawn).go(10).states == ["ok", "dark", "ok"]


def test_what_a_lamp_lights_at_night_is_enough_and_the_rest_is_not_forgotten() -> None:
    """The lamp lights an eighth of the picture at night, and that part alone lies in the dark by day."""
    rows, columns = slice(64, 144), slice(168, 296)

    def by_lamp(image: Image, t: float) -> Image:
        night = light_off(image, t)
        night[rows, columns] = image[rows, columns]
        return night

    def by_day(image: Image, t: float) -> Image:
        day = image.copy()
        day[rows, columns] = light_off(image, t)[rows, columns]
        return day

    assert Story(rate=2.0).go(8).go(240, by_lamp).go(12, by_day).states == ["ok"]


def test_somebody_who_moves_right_before_the_lens_is_no_other_view() -> None:
    pushing: Change = lambda _, t: scene(t, left=int(97 * t) % 350, top=int(53 * t) % 180, of=ELSEWHERE)  # noqa: E731
    assert Story().go(8).go(12, pushing).go(4).states == ["ok"]


def test_another_view_is_accepted_after_the_time_that_is_set() -> None:
    story = Story(accept="20s").go(10).go(35, turned(200))
    assert story.states == ["ok", "moved", "ok"]
    assert story.said[-1][1]["reason"] == "accepted"
    assert 30 <= story.when("ok") <= 33
    assert story.go(10, turned(200)).states == ["ok", "moved", "ok"], "it is the right one now"
    assert story.go(12).states == ["ok", "moved", "ok", "moved"], "and the former one is another"


def test_another_view_is_never_accepted_where_that_is_set() -> None:
    assert Story(accept=None).go(10).go(60, turned(200)).states == ["ok", "moved"]


def test_the_view_outlives_an_outage() -> None:
    before = Story().go(10)
    assert Story(view=before.watch.view).go(10, turned(200)).states == ["moved"]
    same = Story(view=Story().go(10).watch.view).go(4)
    assert same.states == ["ok"], "known at once, not learned again"


def test_a_view_is_learned_when_nothing_moves_before_the_lens_any_more() -> None:
    story = Story().go(8, lambda image, t: person(image, t) if t < 2.5 else scene(t, of=ELSEWHERE))
    assert story.go(12).states == ["ok", "moved"], "what stayed for five seconds was learned"


def test_nothing_is_known_of_a_camera_without_pictures() -> None:
    story = Story().go(10).go(12, cloth)
    story.take(story.watch.close(1_000_030.0, EndReason.CAMERA_LOST))
    assert story.said[-1][1] == {
        "state": "unknown",
        "since": 1_000_030.0,
        "score": 0.0,
        "reason": "camera_lost",
    }
    story.take(story.watch.close(1_000_030.0, EndReason.CAMERA_LOST))
    assert len(story.said) == 3, "said once"


def test_the_state_before_the_first_picture() -> None:
    [message] = Story().watch.states()
    assert message.payload == {"state": "unknown", "since": None, "score": 0.0, "reason": "learning"}


def test_switched_off_it_says_nothing() -> None:
    story = Story(enabled=False).go(10).go(10, cloth)
    assert story.said == []
    assert story.watch.states() == []
    assert story.watch.close(1.0, EndReason.SHUTDOWN) == []


def test_a_picture_of_one_colour_is_blank_and_others_are_not() -> None:
    story = Story()
    for level, blank in ((0, True), (128, True), (255, True)):
        frame = Frame("door", 0, np.full((HEIGHT, WIDTH, 3), level, np.uint8), 1.0, 1.0)
        story.watch.update(frame)
        assert story.watch.blank is blank
    story.watch.update(Frame("door", 0, video_loss(scene(1.0), 1.0), 1.0, 1.0))
    assert story.watch.blank
    for change in (unchanged, light_off, blurred, torch):
        story.watch.update(Frame("door", 0, change(scene(1.0), 1.0), 1.0, 1.0))
        assert not story.watch.blank
    white = np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
    cv2.rectangle(white, (100, 50), (110, 90), (40, 40, 60), -1)  # somebody far away in the snow
    story.watch.update(Frame("door", 0, white, 1.0, 1.0))
    assert not story.watch.blank


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 3), (17, 31), (90, 160), (144, 256), (2160, 3840), (1920, 1080)]
)
def test_any_size_of_a_picture_is_taken(size: tuple[int, int]) -> None:
    watch = TamperWatch("door", TamperConfig(), Topics())
    random = np.random.default_rng(0)
    for index, at in enumerate((1.0, 1.2, 0.5, 60.0, 60.1)):  # times that jump as well
        watch.update(Frame("door", index, random.integers(0, 255, (*size, 3), np.uint8), at, at))


def test_another_resolution_of_the_same_view_is_the_same_view() -> None:
    larger: Change = lambda image, _: np.asarray(cv2.resize(image, (1920, 1080)), np.uint8)  # noqa: E731
    assert Story().go(10).go(10, larger).go(5).states == ["ok"]
