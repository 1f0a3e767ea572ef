"""Reads small text files that somebody else wrote: bounded, and nothing that is no file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["FileRefusedError", "read_small_text"]


class FileRefusedError(ValueError):
    """It is no such file; the message says what it is instead."""


def read_small_text(path: Path, limit: int) -> str:
    """The text of a regular file.

    A pipe may wait for ever for its writer, and a device or another program's file may never end.

    Args:
        path: of the file.
        limit: most bytes that it may have.

    Raises:
        FileRefusedError: it is no regular file, or larger.
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_ISDIR(mode := os.fstat(descriptor).st_mode):
            raise FileRefusedError("is a folder")
        if not stat.S_ISREG(mode):
            raise FileRefusedError("is a pipe or a device, not a file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise FileRefusedError(f"is larger than {limit // 1000} kB")
    return content.decode("utf-8")
