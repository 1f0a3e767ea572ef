"""What is done to a camera, and what merely happens before it, drawn into real footage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["HARMLESS", "TAMPERINGS", "Scene", "Setting"]

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Setting:
    """What a scene may use besides the frame: random numbers of its own, and another camera's frames."""

    seed: int
    other: list[Image]

    def random(self, more: int = 0) -> np.random.Generator:
        return np.random.default_rng(self.seed * 1000 + more)

    def elsewhere(self, t: float, like: Image) -> Image:
        return resize(self.other[int(t * 10) % len(self.other)], like.shape[1], like.shape[0])


Change = Callable[[Image, float, Setting], Image]
"""A frame, `t` seconds after the beginning, as it looks then."""


@dataclass(frozen=True)
class Scene:
    """A change of a camera's picture.

    Attributes:
        states: that are right while it lasts; empty: none but ok may be said.
        change: draws it.
        seconds: for which it lasts.
        allowed: states that are no mistake, though not asked for.
    """

    change: Change
    states: tuple[str, ...] = ()
    seconds: float = 12.0
    allowed: tuple[str, ...] = ()


def resize(image: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def pixels(values: Floats | NDArray[np.float64]) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)


def noisy(image: Image | Floats, sigma: float, setting: Setting, t: float) -> Image:
    height, width = image.shape[:2]
    return pixels(image + sigma * _noise(height, width)[(setting.seed + round(t * 10)) % 9])


@cache
def _noise(height: int, width: int) -> Floats:
    return np.random.default_rng(0).standard_normal((9, height, width, 3), np.float32)


def smooth(image: Image, share: float) -> Image:
    """Blurred by a share of the width."""
    height, width = image.shape[:2]
    step = max(1, int(share * width / 3))
    small = resize(image, max(8, width // step), max(8, height // step))
    blurred = cv2.GaussianBlur(small, (0, 0), share * width / step)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def broad(image: Image, values: Callable[[Floats, Floats], Floats]) -> Floats:
    """What changes slowly over the picture: a function of columns and rows, in 0..1 of the width."""
    height, width = image.shape[:2]
    rows, columns = np.mgrid[: 96 * height // width, :96].astype(np.float32)
    small = values((columns + 0.5) / 96, (rows + 0.5) / 96)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]


# ---- done to a camera ----


def cloth(image: Image, t: float, setting: Setting) -> Image:
    """Cloth, out of focus, drawn over the lens within a second and a half."""
    random = setting.random()
    folds = cv2.resize(
        random.uniform(-25, 25, (3, 5)).astype(np.float32),
        (image.shape[1], image.shape[0]),
        interpolation=cv2.INTER_CUBIC,
    )
    colour = random.uniform(45, 150, 3).astype(np.float32)
    over = noisy(colour + folds[..., None], 3.0, setting, t)
    return under(image, over, min(1.0, t / 1.5), random.uniform(0, 2 * np.pi))


def under(image: Image, over: Image, share: float, angle: float) -> Image:
    """The part of the picture over which something was drawn, with a soft edge."""
    along, across = np.cos(angle), np.sin(angle)

    def weight(x: Floats, y: Floats) -> Floats:
        way = (x - 0.5) * along + (y - y.max() / 2) * across
        edge = way.min() - 0.1 + share * (np.ptp(way) + 0.2)
        return np.clip((edge - way) / 0.06, 0.0, 1.0)

    covered = broad(image, weight)
    return pixels(image * (1 - covered) + over * covered)


def hand(image: Image, t: float, setting: Setting) -> Image:
    """A hand on the lens, in a third of a second; light comes through at its edges."""
    dark = broad(image, lambda x, y: 70 - 45 * np.exp(-((x - 0.5) ** 2 + (y - y.max() / 2) ** 2) / 0.12))
    over = noisy(np.concatenate([dark * 0.6, dark * 0.7, dark * 1.1], axis=2), 4.0, setting, t)
    return under(image, over, min(1.0, t / 0.3), setting.random().uniform(0, 6))


def spray(image: Image, t: float, setting: Setting) -> Image:
    """Paint in blots for two seconds, until about all is covered."""
    random = setting.random()
    blots = random.uniform((0, 0, 0.06), (1, image.shape[0] / image.shape[1], 0.16), (60, 3))
    colour = random.uniform(40, 140, 3)

    def wet(x: Floats, y: Floats) -> Floats:
        total = np.zeros_like(x)
        for cx, cy, r in blots[: int(30 * t) + 1]:
            total += 2.25 * np.exp(-1.5 * ((x - cx) ** 2 + (y - cy) ** 2) / r**2)
        return np.clip(total, 0.0, 1.0)

    weight = broad(image, wet)
    paint = noisy(np.full(image.shape, colour, np.float32), 3.0, setting, t)
    return pixels(image * (1 - weight) + paint * weight)


def black(image: Image, t: float, setting: Setting) -> Image:
    """Black tape drawn over the lens within eight tenths of a second."""
    over = noisy(np.full(image.shape, 6.0), 2.0, setting, t)
    return under(image, over, min(1.0, t / 0.8), setting.random().uniform(0, 6))


def defocused(share: float) -> Change:
    def change(image: Image, t: float, _setting: Setting) -> Image:
        return smooth(image, max(0.002, share * min(1.0, t)))

    return change


def blinded(image: Image, t: float, setting: Setting) -> Image:
    """A torch at the lens: its spot, its glare over everything, and the exposure that answers."""
    left, top = setting.random().uniform((0.3, 0.2), (0.7, 0.4))

    def glare(x: Floats, y: Floats) -> Floats:
        away = (x - left) ** 2 + (y - top) ** 2
        return 420 * np.exp(-away / 0.03) + 190 * np.exp(-away / 0.3)

    share = min(1.0, 2 * t)
    return noisy(image * (1 - 0.85 * share) + share * broad(image, glare), 2.0, setting, t)


def warped(matrix: Callable[[int, int], NDArray[np.float64]]) -> Change:
    def change(image: Image, t: float, _setting: Setting) -> Image:
        if t < 0.4:
            return smooth(image, 0.02)
        height, width = image.shape[:2]
        return np.asarray(
            cv2.warpAffine(image, matrix(width, height), (width, height), borderMode=cv2.BORDER_REFLECT),
            np.uint8,
        )

    return change


def shifted(x: float, y: float) -> Change:
    return warped(lambda width, _: np.array([[1.0, 0, x * width], [0, 1.0, y * width]]))


def turned(degrees: float, zoom: float = 1.0) -> Change:
    return warped(lambda width, height: cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom))


def elsewhere(image: Image, t: float, setting: Setting) -> Image:
    return setting.elsewhere(t, image)


def loss(image: Image, t: float, setting: Setting) -> Image:
    """What a recorder shows for a camera that it has lost."""
    colour = [(180, 30, 10), (128, 128, 128), (60, 130, 40)][setting.seed % 3]
    picture = np.full(image.shape, colour, np.uint8)
    scale = image.shape[1] / 640
    cv2.putText(picture, "NO VIDEO", (int(220 * scale), int(180 * scale)), 0, scale, (255, 255, 255), 2)
    return recoded(30)(picture, t, setting)


# ---- nothing done to it ----


def grey(image: Image) -> Image:
    return np.asarray(cv2.merge([cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)] * 3), np.uint8)


def infrared(image: Image, t: float, setting: Setting) -> Image:
    """Infrared light of the camera: other materials are bright, one spot is lit, noise."""
    blue, green, red = (image[..., channel].astype(np.float32) for channel in range(3))
    seen = 0.9 * red - 0.5 * blue + 0.4 * (255 - np.minimum(3 * np.abs(green - red), 255))
    lit = broad(image, lambda x, y: np.exp(-(((x - 0.45) / 0.4) ** 2 + ((y - 0.33) / 0.3) ** 2)))
    return noisy(np.repeat(seen[..., None] * (0.15 + 0.7 * lit) + 8, 3, axis=2), 7.0, setting, t)


def night(strong: bool) -> Change:
    """Dusk is over: dark, the filter clicks, the exposure overshoots and settles; back at the end."""

    def change(image: Image, t: float, setting: Setting) -> Image:
        if t < 1.5:
            return noisy(image * (1 - 0.55 * t), 4.0 * t, setting, t)
        if t < 1.7:
            return np.full_like(image, 6)
        after = infrared(image, t, setting) if strong else noisy(grey(image) * 0.8 + 10, 8.0, setting, t)
        gain = 1.0 + 1.5 * max(0.0, 1.0 - (t - 1.7) / 1.2)
        return pixels(after * np.float32(gain))

    return change


def lights(image: Image, t: float, setting: Setting) -> Image:
    """The light goes off: two levels of noise. On again before the end."""
    return noisy(image * 0.015 + 3.0, 2.0, setting, t) if t < 9 else image


def dim(image: Image, t: float, setting: Setting) -> Image:
    return noisy(image * 0.22 + 6.0, 6.0, setting, t)


def headlights(image: Image, t: float, _setting: Setting) -> Image:
    def light(x: Floats, y: Floats) -> Floats:
        away = (x - t / 4) ** 2
        return 600 * np.exp(-(away + (y - 0.35) ** 2) / 0.02) + 120 * np.exp(-away / 0.2)

    return pixels(image * 0.5 + broad(image, light)) if t < 4 else image


def sunrise(image: Image, t: float, _setting: Setting) -> Image:
    return pixels(image * broad(image, lambda x, _: 0.3 + 0.09 * t + 0.6 * np.clip(x - 1 + t / 8, 0, 1)))


def clouds(image: Image, t: float, _setting: Setting) -> Image:
    return pixels(image * broad(image, lambda x, _: 0.9 + 0.4 * np.sin(2 * t + 3 * x)))


def person(share: float) -> Change:
    """Somebody stands before the lens: another camera's people, large, moving, over a part of it."""

    def change(image: Image, t: float, setting: Setting) -> Image:
        height, width = image.shape[:2]
        near = setting.elsewhere(t, image)
        near = np.asarray(
            cv2.resize(near[height // 4 : -height // 4, width // 4 : -width // 4], (width, height)), np.uint8
        )
        near = np.roll(near, int(width * 0.03 * np.sin(3 * t)), axis=1)
        left = int(width * (1 - share) * (0.5 + 0.3 * np.sin(0.7 * t)))
        result = image.copy()
        result[int(0.04 * height) :, left : left + int(share * width)] = smooth(near, 0.004)[
            int(0.04 * height) :, left : left + int(share * width)
        ]
        return result

    return change


def drops(image: Image, _t: float, setting: Setting) -> Image:
    """Rain on the lens: blurred blots over 40 % of the picture."""
    centres = setting.random().uniform((0, 0), (1, 0.56), (14, 2))

    def wet(x: Floats, y: Floats) -> Floats:
        total = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.006) for cx, cy in centres)
        return np.clip(2 * np.asarray(total, np.float32), 0, 1)

    weight = broad(image, wet)
    return pixels(image * (1 - weight) + (smooth(image, 0.04) * 0.8 + 20) * weight)


def wind(image: Image, t: float, _setting: Setting) -> Image:
    width = image.shape[1]
    return np.roll(image, (int(0.008 * width * np.sin(9 * t)), int(0.018 * width * np.sin(6 * t))), (0, 1))


def recoded(quality: int) -> Change:
    def change(image: Image, _t: float, _setting: Setting) -> Image:
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)

    return change


def snow(image: Image, t: float, setting: Setting) -> Image:
    random = setting.random(int(t * 10))
    result = image.copy()
    for _ in range(250):
        centre = (int(random.uniform(0, image.shape[1])), int(random.uniform(0, image.shape[0])))
        cv2.circle(result, centre, int(random.uniform(1, 5)), (235, 235, 235), -1)
    return result


TAMPERINGS: dict[str, Scene] = {
    "cloth": Scene(cloth, ("covered",)),
    "hand": Scene(hand, ("covered",)),
    "paint": Scene(spray, ("covered",)),
    "black tape": Scene(black, ("covered",)),
    "another view": Scene(elsewhere, ("moved",)),
    "turned by a third": Scene(shifted(0.33, 0.05), ("moved",)),
    "turned by a tenth": Scene(shifted(0.1, 0.0), ("moved",)),
    "knocked, 5 %": Scene(shifted(0.0, 0.05), ("moved",)),
    "rolled by 15 degrees": Scene(turned(15), ("moved",)),
    "zoomed, 1.6": Scene(turned(0, 1.6), ("moved",)),
    "blurred, 1 % of the width": Scene(defocused(0.01), ("defocused",)),
    "blurred, 4 % of the width": Scene(defocused(0.04), ("defocused",)),
    "torch": Scene(blinded, ("blinded",)),
    "video loss": Scene(loss, ("no_signal",)),
}
HARMLESS: dict[str, Scene] = {
    "nothing": Scene(lambda image, *_: image),
    "night, grey": Scene(night(strong=False), seconds=15),
    "night, infrared": Scene(night(strong=True), seconds=15),
    "light off": Scene(lights, seconds=12, allowed=("dark",)),
    "light dimmed": Scene(dim, allowed=("dark",)),
    "headlights": Scene(headlights, seconds=6),
    "sunrise": Scene(sunrise, seconds=15),
    "clouds": Scene(clouds),
    "person, 60 %": Scene(person(0.6), seconds=10),
    "person, 75 %": Scene(person(0.75), seconds=10),
    "person, all, 4 s": Scene(person(1.0), seconds=4),
    "drops": Scene(drops),
    "snow": Scene(snow),
    "wind": Scene(wind),
    "low bit rate": Scene(recoded(6)),
    "noise": Scene(lambda image, t, setting: noisy(image, 18.0, setting, t)),
}
