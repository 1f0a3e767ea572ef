"""What a preview shows of a frame, and what it says to whoever is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from daemon.capture import Frame
from daemon.recording.quality import seen_joints
from daemon.recording.session import Phase, TakeSession
from daemon.scene import Person, Scene
from tracker.association import TrackState

__all__ = ["Preview", "View", "people_in"]


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
        recorded = session.recorded
        shown = next((one for one in people_in(scene) if one.track.number == track), None)
        joints = 0
        if shown is not None and shown.pose is not None:
            joints = int(seen_joints(shown.pose.landmarks / (scene.width, scene.height, 1.0, 1.0)).sum())
        return cls(
            label, take, takes, session.phase, session.remaining, recorded, track, joints, rate, frame, scene
        )

    def status(self) -> str:
        """One line: what happens now, and how long it still does."""
        take = f"take {self.take} of {self.takes}, " if self.takes > 1 else ""
        if self.phase is Phase.COUNTDOWN:
            return f"{take}{self.label} starts in {self.remaining or 0.0:.0f} s"
        if self.phase is Phase.WAITING:
            people = ", ".join(str(one.track.number) for one in people_in(self.scene))
            return f"{take}waiting for the person" + (f"; in the picture: {people}" if people else "")
        left = f"{self.recorded:.1f} s" if self.remaining is None else f"{self.remaining:.1f} s left"
        who = "everyone" if self.track is None else f"track {self.track}, {self.joints} of 33 joints"
        return f"{take}recording {self.label}: {who}, {left}, {self.rate:.0f} frames/s"


class Preview(Protocol):
    """Shows frames while they are recorded."""

    def show(self, view: View) -> None:
        """Shows a frame; may leave it out where the last one is very recent."""
        ...

    def wants_to_end(self) -> bool:
        """Whether somebody has asked to stop."""
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
