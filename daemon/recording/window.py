"""The preview in a window, where there is a screen: Tk, because OpenCV comes without windows here."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from daemon.annotate import annotate
from daemon.errors import UsageError
from daemon.recording.session import Phase
from daemon.recording.view import TypedNumber, View

__all__ = ["WindowPreview", "has_screen"]

_LARGEST = 960  # px of the longer side of the picture
_INTERVAL = 1 / 15  # seconds between two drawings


def has_screen(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether windows can be shown: a display, and Python's tkinter."""
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return False
    try:
        import tkinter  # noqa: F401
    except ImportError:
        return False
    return True


class WindowPreview:
    """The picture with boxes, numbers and skeletons, and the line of text below; q or closing it ends.

    Args:
        title: of the window.

    Raises:
        UsageError: there is no screen, or no tkinter.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError:
            raise UsageError("--window needs tkinter: apt-get install python3-tk, or --no-window") from None
        self._error = tkinter.TclError
        try:
            self._root = tkinter.Tk(className="posewatch")
        except tkinter.TclError as error:
            raise UsageError(f"--window: no screen ({error}): leave it out") from None
        self._tkinter = tkinter
        self._end, self._next = False, 0.0
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self._ask_to_end)
        for key in ("q", "Q", "<Escape>"):
            self._root.bind(key, self._ask_to_end)
        self._typed = TypedNumber()
        self._root.bind("<Key>", lambda event: self._typed.type(event.char))
        self._picture = tkinter.Label(self._root, borderwidth=0, background="black")
        self._picture.pack()
        self._text = tkinter.Label(
            self._root, anchor="w", justify="left", padx=8, pady=6, font=("TkDefaultFont", 13)
        )
        self._text.pack(fill="x")
        self._image: Any = None  # Tk shows it only as long as somebody holds it

    def show(self, view: View) -> None:
        """Draws the frame."""
        now = time.monotonic()
        if now >= self._next or view.phase is Phase.DONE:
            self._next = now + _INTERVAL
            self._call(lambda: self._draw(view))
        self._call(self._root.update)

    def wants_to_end(self) -> bool:
        """Whether q was pressed or the window was closed."""
        self._call(self._root.update)
        self._call(self._root.winfo_exists)  # fails where the window is gone, which `update` does not
        return self._end

    def wanted_track(self) -> int | None:
        """The number that was typed last."""
        return self._typed.number

    def release(self) -> None:
        """A window is in nobody's way."""

    def close(self) -> None:
        """Closes the window."""
        self._call(self._root.destroy)

    def _draw(self, view: View) -> None:
        # What the actions are called now is of no interest to somebody who records a new one.
        people = tuple(replace(person, action="unknown") for person in view.scene.people)
        image = annotate(view.frame.image, replace(view.scene, people=people), {})
        scale = _LARGEST / max(image.shape[:2])
        if scale < 1:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        height, width = image.shape[:2]
        data = b"P6 %d %d 255\n" % (width, height) + image[:, :, ::-1].tobytes()
        self._image = self._tkinter.PhotoImage(master=self._root, data=data, format="ppm")
        self._picture.configure(image=self._image)
        recording = view.phase is Phase.RECORDING
        mark = "\u25cf " if recording else ""
        keys = f"   ({view.keys()})" if view.keys() else ""
        color = "#c00000" if recording else "black"
        # Wrapped, so that a long line does not make the window wider than the picture.
        self._text.configure(text=f"{mark}{view.status()}{keys}", foreground=color, wraplength=width - 16)

    def _ask_to_end(self, *_: object) -> None:
        self._end = True

    def _call(self, action: Any) -> None:
        try:
            action()
        except self._error:  # the window is gone, or the screen
            self._end = True
