"""What a preview shows of a frame, and what it says to whoever is recorded."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Protocol

from daemon.capture import Frame
from daemon.recording.quality import seen_joints
from daemon.recording.session import Phase, TakeSession
from daemon.scene import Person, Scene
from tracker.association import TrackState

__all__ = ["Preview", "TypedNumber", "View", "people_in"]


@dataclass(frozen=True, slots=True)
class View:
    """A frame of a take.

    Attributes:
        label: the action.
        take: number of the take, from 1.
        takes: how many there are to be.
        phase: where the take is.
        remaining: seconds to the end of the phase, or None.
        recorded: seconds recorded.
        track: number of the person who is recorded, or None.
        wanted: number of the person who was asked for, or None.
        joints: how many of that person's 33 joints are seen in this frame.
        rate: frames a second that are looked at.
        frame: the picture.
        scene: who is in it.
    """

    label: str
    take: int
    takes: int
    phase: Phase
    remaining: float | None
    recorded: float
    track: int | None
    wanted: int | None
    joints: int
    rate: float
    frame: Frame
    scene: Scene

    @classmethod
    def of(
        cls,
        session: TakeSession,
        frame: Frame,
        scene: Scene,
        *,
        label: str,
        take: int,
        takes: int,
        rate: float,
    ) -> View:
        """What a session looks like after a frame."""
        track = session.chosen.number if session.chosen is not None else None
        shown = next((one for one in people_in(scene) if one.track.number == track), None)
        joints = 0
        if shown is not None and shown.pose is not None:
            joints = int(seen_joints(shown.pose.landmarks / (scene.width, scene.height, 1.0, 1.0)).sum())
        return cls(
            label=label,
            take=take,
            takes=takes,
            phase=session.phase,
            remaining=session.remaining,
            recorded=session.recorded,
            track=track,
            wanted=session.wanted,
            joints=joints,
            rate=rate,
            frame=frame,
            scene=scene,
        )

    def status(self) -> str:
        """One line: what happens now, and how long it still does."""
        take = f"take {self.take} of {self.takes}, " if self.takes > 1 else ""
        who = "the person" if self.wanted is None else f"track {self.wanted}"
        there = ", ".join(str(one.track.number) for one in people_in(self.scene))
        people = f"; in the picture: {there}" if there else ""
        if self.phase is Phase.COUNTDOWN:
            of = "" if self.wanted is None else f" of track {self.wanted}"
            return f"{take}{self.label}{of} starts in {math.ceil(self.remaining or 0.0)} s{people}"
        if self.phase is Phase.WAITING:
            return f"{take}waiting for {who}{people}"
        left = f"{self.recorded:.1f} s" if self.remaining is None else f"{self.remaining:.1f} s left"
        who = "everyone" if self.track is None else f"track {self.track}, {self.joints} of 33 joints"
        if self.phase is Phase.DONE:
            return f"{take}recorded {self.label}: {self.recorded:.1f} s"
        rate = f", {self.rate:.0f} frames/s" if self.rate else ""
        return f"{take}recording {self.label}: {who}, {left}{rate}"

    def keys(self) -> str:
        """What may be typed now, empty where nothing may."""
        if self.phase is Phase.DONE:
            return ""
        return "q ends" if self.phase is Phase.RECORDING else "type a number to choose, q ends"


class TypedNumber:
    """A number that is typed digit by digit: what is typed within a second belongs together."""

    _SECONDS = 1.0

    def __init__(self) -> None:
        self.number: int | None = None
        self._last = float("-inf")

    def type(self, keys: str) -> None:
        """Takes what was typed; everything but digits is passed over."""
        now = time.monotonic()
        for digit in filter(str.isdecimal, keys):
            before = self.number if self.number is not None and now - self._last < self._SECONDS else 0
            number = (10 * before + int(digit)) % 10_000
            self.number, self._last = number or None, now


class Preview(Protocol):
    """Shows frames while they are recorded."""

    def show(self, view: View) -> None:
        """Shows a frame; may leave it out where the last one is very recent."""
        ...

    def wants_to_end(self) -> bool:
        """Whether somebody has asked to stop."""
        ...

    def wanted_track(self) -> int | None:
        """The number of the track that was typed last, or None."""
        ...

    def release(self) -> None:
        """Leaves what is drawn where it is: other output follows on the terminal."""
        ...

    def close(self) -> None:
        """Takes the preview away."""
        ...


def people_in(scene: Scene) -> list[Person]:
    """Confirmed people who are seen in this frame."""
    return [
        one
        for one in scene.people
        if one.track.state is TrackState.CONFIRMED and one.track.last_monotonic == scene.monotonic
    ]
