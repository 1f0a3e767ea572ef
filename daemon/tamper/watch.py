"""Watches whether a camera still shows what it should, and says so on its topic."""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass

from daemon.capture import Frame
from daemon.config.tamper import TamperConfig
from daemon.messages import Message, plain
from daemon.reasons import EndReason
from daemon.tamper.eye import Eye
from daemon.tamper.judging import Evidence, TamperState, is_no_signal
from daemon.tamper.sampling import is_plain, one_colour
from daemon.tamper.view import KnownView
from daemon.topics import Topics

__all__ = ["TamperWatch"]

_log = logging.getLogger(__name__)

_INTERVAL = 0.09  # seconds between two pictures that are compared: ten a second tell as much as thirty
_BLANK = 0.999  # share of one colour from which nobody can be in a picture
_FLICKER = 0.5  # seconds of the view, and
_DOUBT = 1.0  # seconds of pictures that do not tell, which do not interrupt what the others say
_LEAST = 3  # pictures, however slow they come


@dataclass(frozen=True, slots=True)
class _Vote:
    """What a picture said, and when: monotonic and UTC epoch seconds."""

    monotonic: float
    captured_at: float
    state: TamperState
    score: float


class TamperWatch:
    """Watches the frames of one camera.

    Args:
        camera: its name.
        settings: its settings.
        topics: where its messages go.
        view: that it should have, from before an outage; None learns one.

    Attributes:
        state: how the view is.
        blank: whether the last frame was of one colour, so that there is nobody to look for.
    """

    def __init__(
        self, camera: str, settings: TamperConfig, topics: Topics, view: KnownView | None = None
    ) -> None:
        self.state = TamperState.UNKNOWN
        self.blank = False
        self._camera, self._topic, self._settings = camera, topics.tamper(camera), settings
        self._eye = Eye(settings, view)
        self._last: float | None = None
        self._against: deque[_Vote] = deque()  # since the view is gone
        self._for: deque[_Vote] = deque()  # since it is there
        self._other_since: float | None = None
        self._reason = "learning" if view is None else "looking"
        self._since: float | None = None
        self._score = 0.0

    @property
    def view(self) -> KnownView | None:
        """The view that the camera should have; None while it is not known."""
        return self._eye.known

    def update(self, frame: Frame) -> list[Message]:
        """Takes the next frame; returns a message where the state changes."""
        if not self._settings.enabled:
            return []
        luma, span = frame.luma, frame.luma_range
        self._eye.colour = one_colour(frame.image) if is_plain(luma) else (0.0, 0, 0)
        self.blank = self._eye.colour[0] >= _BLANK or is_no_signal(self._eye.colour)
        elapsed = 0.0 if self._last is None else frame.monotonic - self._last
        if self._last is not None and 0.0 <= elapsed < _INTERVAL:
            return []
        self._last = frame.monotonic
        self._count(self._eye.look(luma, frame.monotonic, elapsed, span), frame)
        return self._decide(frame)

    def states(self) -> list[Message]:
        """The retained state as it is now; none where nothing is watched."""
        return [self._message()] if self._settings.enabled else []

    def close(self, captured_at: float, reason: EndReason) -> list[Message]:
        """Nothing is known of the view any more."""
        if not self._settings.enabled:
            return []
        return self._change(TamperState.UNKNOWN, captured_at, 0.0, reason.value)

    def _count(self, evidence: Evidence, frame: Frame) -> None:
        """Adds what a picture says to what those before it said."""
        now, state = frame.monotonic, evidence.state
        if state is None:
            self._for.clear()
            if self._against and now - self._against[-1].monotonic > _DOUBT:
                self._against.clear()
            return
        vote = _Vote(now, frame.captured_at, state, evidence.score)
        if state is TamperState.OK:
            self._for.append(vote)
            if now - self._for[0].monotonic >= _FLICKER:
                self._against.clear()
                self._for = deque([self._for[0], vote])
        else:
            self._for.clear()
            self._against.append(vote)
            while len(self._against) > _LEAST and now - self._against[1].monotonic >= self._settings.for_:
                self._against.popleft()

    def _decide(self, frame: Frame) -> list[Message]:
        """Goes over to what has been said for long enough."""
        now, wait = frame.monotonic, self._settings
        first = self._for[0] if self._for else None
        if first is not None and len(self._for) > 1 and now - first.monotonic >= wait.clear:
            self._other_since = None
            return self._change(TamperState.OK, first.captured_at, self._for[-1].score, None)
        if len(self._against) < _LEAST or now - self._against[0].monotonic < wait.for_:
            return []
        (state, count), *_ = Counter(vote.state for vote in self._against).most_common()
        if 2 * count <= len(self._against):
            return []
        if state not in (TamperState.MOVED, TamperState.DEFOCUSED):
            self._other_since = None
        elif self._other_since is None:
            self._other_since = self._against[0].monotonic
        elif wait.accept is not None and now - self._other_since >= wait.accept:
            self._eye.accept()
            self._against.clear()
            self._other_since = None
            return self._change(TamperState.OK, frame.captured_at, 0.0, "accepted")
        first = next(vote for vote in self._against if vote.state is state)
        score = sum(vote.score for vote in self._against if vote.state is state) / count
        return self._change(state, first.captured_at, score, None)

    def _change(self, state: TamperState, since: float, score: float, reason: str | None) -> list[Message]:
        if state is self.state and (reason is None or reason == self._reason):
            return []
        _log.log(
            logging.DEBUG if state is self.state else logging.INFO,
            "camera_tamper camera=%s state=%s score=%.2f reason=%s", self._camera, state.value, score, reason,
        )  # fmt: skip
        self.state, self._since, self._score, self._reason = state, since, score, reason or ""
        return [self._message()]

    def _message(self) -> Message:
        payload = {
            "state": self.state.value,
            "since": None if self._since is None else plain(self._since),
            "score": plain(self._score),
            "reason": self._reason or None,
        }
        return Message(self._topic, payload, qos=1, retain=True)
