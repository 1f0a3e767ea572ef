"""What every source of pictures has in common: its pictures, its errors and why it gives none."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["CaptureError", "EndOfStream", "Picture", "Reason", "Source"]


class Reason(str, Enum):
    """Why a camera gives no frames.

    Attributes:
        AUTH: it refuses user or password.
        NOT_FOUND: it is there, and knows no such path; or there is no such file.
        TIMEOUT: nothing comes in time.
        CODEC: data comes, and no picture can be made of it.
        NETWORK: it cannot be reached, its name is not known, or the connection broke.
        ENDED: it said that the stream is over.
        ERROR: none of these.
    """

    AUTH = "auth"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    CODEC = "codec"
    NETWORK = "network"
    ENDED = "ended"
    ERROR = "error"


class CaptureError(Exception):
    """A source cannot be opened or read; the message is one line without credentials.

    Args:
        reason: the kind of failure.
        message: what to tell.
        unusable: see below.

    Attributes:
        reason: the kind of failure.
        unusable: whether the camera is there and says or sends something that our own RTSP client can make
            nothing of; another one may.
    """

    def __init__(self, reason: Reason, message: str, *, unusable: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.unusable = unusable


class EndOfStream(Exception):  # noqa: N818 - not an error: every file ends
    """There are no more frames."""


class Picture(Protocol):
    """A decoded frame, of which arrays are made when they are asked for; none of them may be written to."""

    @property
    def pts(self) -> float | None:
        """Presentation time in seconds on the clock of the source; None where it has none."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px, upright."""
        ...

    @property
    def luma_range(self) -> tuple[int, int]:
        """Levels of black and white in `luma`."""
        ...

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR, upright."""
        ...

    def luma(self) -> NDArray[np.uint8]:
        """(H, W) uint8, upright."""
        ...

    def scaled(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 BGR, upright."""
        ...


class Source(Protocol):
    """An open source."""

    @property
    def rate(self) -> float:
        """Frames a second as the source declares them; 25 where it does not."""
        ...

    @property
    def damaged(self) -> int:
        """Pictures that were not given because they, or what they build on, came damaged."""
        ...

    @property
    def skipped(self) -> int:
        """Pictures that were not decoded because decoding had fallen behind the stream."""
        ...

    def grab(self) -> Picture:
        """The next decoded frame.

        Raises:
            EndOfStream: there are no more.
            CaptureError: it cannot be read.
        """
        ...

    def close(self) -> None:
        """Lets go of the source."""
        ...
