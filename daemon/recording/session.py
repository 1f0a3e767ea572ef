"""One take from its countdown to its end, driven by the time of the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from classifier.window import MIN_SPAN
from daemon.recording.series import Series, SeriesLog
from daemon.scene import Scene
from tracker.association import TrackState

__all__ = ["SOURCE_ENDED", "Phase", "Prominence", "TakeSession", "TakeSettings"]

SOURCE_ENDED = "the source ended"
"""Why a take ends that goes on as long as there are frames."""

_SLACK = 1e-3  # seconds by which a take may be shorter than asked for
_LOOK = 1.0  # seconds for which people are compared before one is chosen


class Phase(str, Enum):
    """Where a take is."""

    COUNTDOWN = "countdown"
    WAITING = "waiting"
    RECORDING = "recording"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class TakeSettings:
    """What a take is to be.

    Attributes:
        countdown: seconds before it starts.
        seconds: its length; None goes on to the end of the source.
        frames: poses after which it ends; None sets no limit.
        track: number of the person; None chooses the most prominent one.
        everyone: a series of each person instead of one.
        lost: seconds out of sight that end it.
        patience: seconds to wait for the person; None waits to the end of the source.
    """

    countdown: float = 0.0
    seconds: float | None = None
    frames: int | None = None
    track: int | None = None
    everyone: bool = False
    lost: float = 2.0
    patience: float | None = None


class Prominence:
    """Who is in front: size of the box times visible landmarks, on average over the last second.

    That counts by the share of the frames in which somebody is seen, squared, so that somebody steady wins
    over somebody who passes or flickers.
    """

    def __init__(self) -> None:
        self._frames: deque[tuple[float, dict[str, float]]] = deque()

    def add(self, scene: Scene) -> None:
        """Takes a frame."""
        shares = {}
        for person in scene.people:
            track = person.track
            if person.pose is None or track.state is not TrackState.CONFIRMED:
                continue
            if track.last_monotonic != scene.monotonic:
                continue
            left, top, right, bottom = (float(side) for side in track.box)
            area = max(right - left, 0.0) * max(bottom - top, 0.0) / (scene.width * scene.height)
            shares[track.id] = area * float((person.pose.landmarks[:, 3] >= 0.5).mean())
        self._frames.append((scene.monotonic, shares))
        while scene.monotonic - self._frames[0][0] > _LOOK:
            self._frames.popleft()

    @property
    def seconds(self) -> float:
        """For how long somebody has been seen, at most one second."""
        seen = [when for when, shares in self._frames if shares]
        return self._frames[-1][0] - seen[0] if seen else 0.0

    def best(self, among: Iterable[str]) -> str | None:
        """Id of the most prominent of these; None where none of them was seen."""
        totals = {}
        for key in among:
            values = [shares[key] for _, shares in self._frames if key in shares]
            totals[key] = sum(values) * len(values)
        return max(totals, key=lambda key: totals[key], default=None)


class TakeSession:
    """Takes frames until the take is done.

    Args:
        settings: what it is to be.
        prominence: of the people until now; a take that follows another goes on with the same.
    """

    def __init__(self, settings: TakeSettings, prominence: Prominence | None = None) -> None:
        self.prominence = prominence or Prominence()
        self.phase = Phase.COUNTDOWN
        self.chosen: Series | None = None
        self.ended = ""
        self._settings = settings
        self._wanted = settings.track
        self._log = SeriesLog(settings.lost, only=settings.track)
        self._first: float | None = None
        self._now = 0.0
        self._started = 0.0

    @property
    def frames(self) -> list[tuple[int, float]]:
        """Number and time of every frame that was looked at since the take began."""
        return self._log.frames

    @property
    def early(self) -> str:
        """Why the take is shorter than it was to be; empty where it is not."""
        whole = self._settings.seconds is None and self._settings.frames is None
        return "" if whole and self.ended == SOURCE_ENDED else self.ended

    @property
    def wanted(self) -> int | None:
        """Number of the person who was asked for; None where the most prominent one is taken."""
        return self._wanted

    @property
    def remaining(self) -> float | None:
        """Seconds to the end of the phase; None where that is not known."""
        if self.phase is Phase.COUNTDOWN:
            return max(self._started - self._now, 0.0)
        if self.phase is Phase.RECORDING and self._settings.seconds is not None:
            return max(self._settings.seconds - self.recorded, 0.0)
        return None

    @property
    def recorded(self) -> float:
        """Seconds of the take until now."""
        if self.chosen is not None:
            return self._now - self.chosen.times[0] if self.phase is Phase.RECORDING else self.chosen.seconds
        everyone = self._settings.everyone and self.phase is not Phase.COUNTDOWN
        return self._now - self._started if everyone else 0.0

    def want(self, number: int) -> None:
        """Asks for a person by the number of the track; without effect once a person is recorded."""
        if self.phase in (Phase.COUNTDOWN, Phase.WAITING) and not self._settings.everyone:
            self._wanted = number
            self._log.only = number

    def add(self, index: int, scene: Scene) -> None:
        """Takes a frame; `index` is its number in the stream."""
        if self.phase is Phase.DONE:
            return
        self._now = scene.monotonic
        if self._first is None:
            self._first, self._started = self._now, self._now + self._settings.countdown
        self.prominence.add(scene)
        if self.phase is Phase.COUNTDOWN:
            if self._now < self._started - 1e-6:
                return
            self._started = self._now
            self.phase = Phase.RECORDING if self._settings.everyone else Phase.WAITING
        self._log.add(index, scene)
        if self.phase is Phase.WAITING:
            self._choose(at_once=False)
        if self.phase is Phase.WAITING:
            patience = self._settings.patience
            if patience is not None and self._now - self._started > patience:
                self.finish(f"waited for {patience:g} s")
        elif self._is_long_enough():
            self.finish("")
        elif self.chosen is not None and self.chosen.ended:
            self._after_loss()

    def finish(self, reason: str) -> None:
        """Ends the take; `reason` is empty where it has its full length."""
        if self.phase is Phase.DONE:
            return
        if self.phase is Phase.WAITING:
            self._choose(at_once=True)
        self._log.finish(reason)
        self.ended, self.phase = reason, Phase.DONE
        if self.chosen is not None:
            self._trim(self.chosen)

    def results(self) -> list[Series]:
        """What is long enough to learn from."""
        found = self._log.series if self._settings.everyone else [self.chosen] if self.chosen else []
        return [one for one in found if one.seconds >= MIN_SPAN - 1e-6]

    def problem(self) -> str:
        """Why there is nothing, for a person to read."""
        wanted = self._wanted
        seen = sorted(self._log.seen)
        others = ", ".join(map(str, seen))
        after = f" ({self.ended})" if self.ended else ""
        if not self._log.frames:
            return f"the take did not begin{after}"
        if wanted is not None and wanted not in seen:
            there = f"seen were {others}" if seen else "nobody was seen"
            return f"track {wanted} was not seen{after}: {there}"
        if seen:
            return f"nobody was seen for {MIN_SPAN:g} s without a break{after}"
        return f"nobody was seen{after}: is a whole person in the picture, and light enough?"

    def _choose(self, *, at_once: bool) -> None:
        found = {one.track: one for one in self._log.series if one.times}
        wanted = self._wanted
        if wanted is not None:
            chosen = next((one for one in found.values() if one.number == wanted), None)
        else:
            ready = at_once or self.prominence.seconds >= _LOOK - 0.1
            key = self.prominence.best(found) if ready else None
            chosen = found[key] if key is not None else None
        if chosen is not None:
            self.chosen, self.phase = chosen, Phase.RECORDING
            self._log.keep(chosen)

    def _is_long_enough(self) -> bool:
        seconds, frames = self._settings.seconds, self._settings.frames
        count = len(self._log.frames) if self.chosen is None else len(self.chosen.times)
        if frames is not None and count >= frames:
            return True
        if seconds is None:
            return False
        have = self._now - self._started if self.chosen is None else self.chosen.seconds
        return have >= seconds - _SLACK

    def _trim(self, series: Series) -> None:
        """The choice takes a second: by then a short take may be longer than asked for."""
        seconds, frames = self._settings.seconds, self._settings.frames
        count = len(series.times) if frames is None else min(frames, len(series.times))
        if seconds is not None and count:
            # Up to the first pose that makes it long enough, as where it ends on time.
            enough = series.times[0] + seconds - _SLACK
            count = min(count, sum(time < enough for time in series.times) + 1)
        series.cut(count)

    def _after_loss(self) -> None:
        assert self.chosen is not None
        if self.chosen.seconds >= MIN_SPAN:
            self.finish(self.chosen.ended)
            return
        # Too short for anything: somebody else may come, or the same person again.
        self.chosen, self.phase = None, Phase.WAITING
        self._log.restart()
