"""Where the evaluation data is, the frames of a clip, and settings with every economy switched off."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.benchmarking.settings import VARIANTS
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


def unhurried(camera: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a camera, changed so that everybody is found and read in every frame."""
    economies = VARIANTS["unhurried"]
    return {**camera, **{name: {**camera.get(name, {}), **values} for name, values in economies.items()}}
