"""Where the evaluation data is, and the frames of a clip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from daemon.capture import EndOfStream, Frame, FrameReader

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("POSEWATCH_DATA", ROOT.parent / "shared" / "data"))


def frames_of(clip: Path) -> Iterator[Frame]:
    with FrameReader(clip.stem, str(clip)) as reader:
        while True:
            try:
                yield reader.read()
            except EndOfStream:
                return
