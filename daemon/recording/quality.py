"""How good a take is, for the person who made it: what was seen, what was missed, and what to do about it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.recording.series import Series
from tracker.landmarks import Landmark

__all__ = ["PARTS", "VISIBLE", "TakeQuality", "assess", "seen_joints"]

VISIBLE = 0.5
"""Visibility from which a joint counts as seen."""

PARTS: dict[str, tuple[int, ...]] = {
    "head": tuple(range(11)),
    "trunk": (11, 12, 23, 24),
    "left arm": (13, 15, 17, 19, 21),
    "right arm": (14, 16, 18, 20, 22),
    "left leg": (25, 27),
    "right leg": (26, 28),
    "feet": (29, 30, 31, 32),
}
"""Landmarks of each part of the body."""

_LINE = 96  # characters of a line of the report
_NEVER = 0.05  # share of the frames below which a joint counts as never seen
_EDGE = 0.01  # of the picture, within which a box touches its border
_SMALL = 80.0  # px of body height below which landmarks are guesses
_SHORT = 2.0  # seconds: the length of a window of the default model
_SLOW = 8.0  # poses a second
_SHAKY = 0.02  # body heights
_OFTEN = 0.1  # share of the frames from which something is worth a word


@dataclass(frozen=True, slots=True)
class TakeQuality:
    """What a take is like.

    Attributes:
        frames: poses in it.
        seconds: from the first to the last.
        rate: poses a second.
        no_pose: frames that were looked at in which the person had no pose.
        skipped: frames that came while the machine was busy with another.
        lost: frames that never came, by the gaps in the stream's time.
        longest_gap: seconds between two poses.
        visible: share of joints seen, by part of the body.
        never: names of the joints that are hardly ever seen.
        jitter: of the joints, in body heights; what differs from even motion from frame to frame.
        height: median height of the body's box in px.
        smallest: least of it.
        cut_off: share of the frames in which the box touches each side of the picture.
        crowded: share of the frames in which somebody else stands before or behind the person.
        advice: what to do better, most important first; empty for a good take.
    """

    frames: int
    seconds: float
    rate: float
    no_pose: int
    skipped: int
    lost: int
    longest_gap: float
    visible: dict[str, float]
    never: tuple[str, ...]
    jitter: float
    height: float
    smallest: float
    cut_off: dict[str, float]
    crowded: float
    advice: tuple[str, ...]

    def as_side(self) -> dict[str, object]:
        """For the side file of the recording."""
        return {
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 2),
            "no_pose": self.no_pose,
            "skipped": self.skipped,
            "lost": self.lost,
            "longest_gap": round(self.longest_gap, 3),
            "visible": {part: round(share, 3) for part, share in self.visible.items()},
            "never_visible": list(self.never),
            "jitter": round(self.jitter, 4),
            "body_height": round(self.height, 1),
            "smallest_body_height": round(self.smallest, 1),
            "cut_off": {side: round(share, 3) for side, share in self.cut_off.items()},
            "crowded": round(self.crowded, 3),
            "advice": list(self.advice),
        }

    def lines(self) -> list[str]:
        """For the terminal."""
        visible = ", ".join(f"{part} {share:.0%}" for part, share in self.visible.items())
        sides = ", ".join(f"{side} in {share:.0%}" for side, share in self.cut_off.items() if share >= _NEVER)
        lines = [
            f"frames   {self.frames} in {self.seconds:.1f} s, {self.rate:.1f} a second; "
            f"longest gap {self.longest_gap:.2f} s",
            f"missed   {self.no_pose} without a pose, {self.skipped} while busy, {self.lost} lost on the way",
            f"body     {self.height:.0f} px tall, {self.smallest:.0f} px at least; "
            + (f"at the border of the picture: {sides}" if sides else "inside the picture all the time"),
            f"joints   {visible}",
        ]
        if self.never:
            lines.append(f"never    {', '.join(self.never)}")
        lines.append(f"jitter   {self.jitter:.1%} of the body's height")
        if self.advice:
            lines += [
                ("advice   " if not place else "         ") + text for place, text in enumerate(self.advice)
            ]
        else:
            lines.append("verdict  good")
        return [part for line in lines for part in textwrap.wrap(line, _LINE, subsequent_indent=" " * 9)]


def seen_joints(landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which joints are visible and in the picture, (..., 33), of landmarks (..., 33, 4) in its shares."""
    inside = ((landmarks[..., :2] >= 0) & (landmarks[..., :2] <= 1)).all(axis=-1)
    result: npt.NDArray[np.bool_] = inside & (landmarks[..., 3] >= VISIBLE)
    return result


def assess(series: Series, frames: Sequence[tuple[int, float]]) -> TakeQuality:
    """Judges a take.

    Args:
        series: its poses.
        frames: number in the stream and time of every frame that was looked at.
    """
    landmarks = np.stack(series.landmarks)
    seen = seen_joints(landmarks)
    boxes = np.stack(series.boxes).astype(np.float64)
    heights = boxes[:, 3] - boxes[:, 1]
    looked = [index for index, _ in frames if series.indices[0] <= index <= series.indices[-1]]
    came = series.indices[-1] - series.indices[0] + 1
    steps = np.diff(series.times)
    by_joint = seen.mean(axis=0)
    visible = {part: float(by_joint[list(joints)].mean()) for part, joints in PARTS.items()}
    never = tuple(joint.name.lower().replace("_", " ") for joint in Landmark if by_joint[joint] < _NEVER)
    height = max(float(np.median(heights)), 1.0)
    found = {
        "frames": len(series.times),
        "seconds": series.seconds,
        "rate": len(steps) / series.seconds if series.seconds > 0 else 0.0,
        "no_pose": len(looked) - len(series.times),
        "skipped": came - len(looked),
        "lost": _lost(series),
        "longest_gap": float(steps.max()) if len(steps) else 0.0,
        "jitter": _jitter(landmarks, seen, series, height),
        "height": height,
        "smallest": float(heights.min()),
        "crowded": float(np.mean(series.met)),
    }
    cut_off = _cut_off(boxes, series)
    return TakeQuality(
        **found,  # type: ignore[arg-type]
        visible=visible,
        never=never,
        cut_off=cut_off,
        advice=tuple(_advice(found, visible, cut_off)),
    )


def _lost(series: Series) -> int:
    """Frames that the stream should have had, by the usual time from one to the next."""
    counts, steps = np.diff(series.indices), np.diff(series.times)
    if len(steps) < 3:
        return 0
    period = float(np.median(steps / counts))
    return int(np.maximum(np.round(steps / period) - counts, 0).sum())


def _jitter(
    landmarks: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_], series: Series, height: float
) -> float:
    """Median size of the noise on a joint, in body heights.

    Of three poses in even steps the second difference is free of even motion. Noise of deviation s on each
    coordinate gives it the deviation s sqrt(6), and its length the median s sqrt(6) sqrt(2 ln 2) (Rayleigh).
    """
    steps = np.diff(series.times)
    if len(steps) < 2:
        return 0.0
    even = np.abs(steps[1:] - steps[:-1]) < 0.25 * np.median(steps)
    good = seen[2:] & seen[1:-1] & seen[:-2] & even[:, None]
    if not good.any():
        return 0.0
    points = landmarks[..., :2].astype(np.float64) * (series.width, series.height)
    bend = np.hypot(*np.moveaxis(points[2:] - 2 * points[1:-1] + points[:-2], -1, 0))
    return float(np.median(bend[good])) / math.sqrt(12.0 * math.log(2.0)) / height


def _cut_off(boxes: npt.NDArray[np.float64], series: Series) -> dict[str, float]:
    edge = _EDGE * np.array([series.width, series.height])
    touches = {
        "left": boxes[:, 0] <= edge[0],
        "top": boxes[:, 1] <= edge[1],
        "right": boxes[:, 2] >= series.width - edge[0],
        "bottom": boxes[:, 3] >= series.height - edge[1],
    }
    return {side: float(hits.mean()) for side, hits in touches.items()}


def _advice(found: dict[str, float], visible: dict[str, float], cut_off: dict[str, float]) -> list[str]:
    advice = []
    if found["seconds"] < _SHORT:
        advice.append(f"only {found['seconds']:.1f} s: record 10 s or more unless the action is shorter")
    legs = (visible["left leg"] + visible["right leg"]) / 2
    if legs < 0.5:
        where = ", or tilt the camera down" if cut_off["bottom"] > 0.5 else ""
        advice.append(
            f"the legs are hardly ever seen: step back until the whole body is in the picture{where}"
        )
    elif visible["feet"] < 0.5:
        advice.append("the feet are hardly ever seen: step back, or tilt the camera down")
    advice += [
        f"the {arm} is hidden in {1 - visible[arm]:.0%} of the frames: turn towards the camera"
        for arm in ("left arm", "right arm")
        if visible[arm] < 0.5
    ]
    sides = [side for side in ("left", "right") if cut_off[side] >= _OFTEN]
    if sides:
        advice.append(f"the body is cut off at the {' and the '.join(sides)}: stay nearer to the middle")
    if found["height"] < _SMALL:
        advice.append(f"the body is only {found['height']:.0f} px tall: come closer, or use a larger picture")
    frames = found["frames"]
    if found["no_pose"] > _OFTEN * (frames + found["no_pose"]):
        advice.append("the pose was often not found: more light, nobody in between, a plainer background")
    if found["crowded"] > _OFTEN:
        advice.append(
            f"somebody else is before or behind the person in {found['crowded']:.0%} of the frames: "
            "record people apart"
        )
    if found["rate"] < _SLOW:
        busy = found["skipped"] > _OFTEN * frames
        why = "end other programs, or take a smaller picture" if busy else "let the camera send more"
        advice.append(f"only {found['rate']:.1f} poses a second: {why}")
    if found["lost"] > _OFTEN * frames:
        advice.append("the stream loses frames: look at the network, or use TCP")
    if found["jitter"] > _SHAKY:
        advice.append("the joints shake: more light, a steady camera, or come closer")
    return advice
