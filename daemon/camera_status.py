"""How a camera is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.source_types import Reason

__all__ = ["CameraState", "CameraStatus"]


class CameraState(str, Enum):
    """What a camera is doing."""

    STREAMING = "streaming"
    CONNECTING = "connecting"
    STALLED = "stalled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is.

    Attributes:
        state: what it is doing.
        reason: why it gives no frames, as far as that is known.
        since: UTC epoch seconds of the last change of state.
        fps: frames a second received of late; 0 while not streaming.
    """

    state: CameraState
    reason: Reason | None
    since: float
    fps: float
