"""Webcams: Video4Linux through OpenCV, because PyAV's wheels are built without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daemon.frames import ArrayPicture
from daemon.source_types import CaptureError, Reason

__all__ = ["Webcam"]


class Webcam:
    """One webcam.

    Args:
        name: for errors.
        index: N of /dev/videoN.

    Raises:
        CaptureError: it cannot be opened.
    """

    damaged = skipped = 0

    def __init__(self, name: str, index: int) -> None:
        import cv2

        self._name = name
        device = Path(f"/dev/video{index}")
        if not device.exists():
            raise CaptureError(
                Reason.NOT_FOUND, f"{name}: no such device {device}: is the webcam plugged in?"
            )
        self._capture = cv2.VideoCapture(index, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise CaptureError(
                Reason.ERROR, f"{name}: cannot be opened: in use, or not a member of the group video?"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if 1.0 <= rate <= 240.0 else 25.0

    def grab(self) -> ArrayPicture:
        """The next frame."""
        good, image = self._capture.read()
        if not good or image is None:
            raise CaptureError(Reason.TIMEOUT, f"{self._name}: gave no frame: unplugged?")
        return ArrayPicture(np.asarray(image, np.uint8))

    def close(self) -> None:
        """Lets go of the device."""
        self._capture.release()
