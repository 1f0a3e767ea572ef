"""Where takes go: a recording and its side file each, never over one that is there."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.labels import normalise_label
from classifier.recording import Recording, write_recording
from daemon.errors import UsageError
from daemon.masking import mask_source
from daemon.recording.numbering import number_frames
from daemon.recording.quality import TakeQuality, assess
from daemon.recording.series import Series
from daemon.sources import is_live

__all__ = ["TakeWriter", "WrittenTake"]

_PERSON = re.compile(r"[^\W_][\w .-]{0,62}")
_SOMEBODY = "somebody"


@dataclass(frozen=True, slots=True)
class WrittenTake:
    """A take that was written.

    Attributes:
        path: of the recording.
        number: of the track.
        rate: numbers a second in the recording.
        quality: what it is like.
    """

    path: Path
    number: int
    rate: float
    quality: TakeQuality


class TakeWriter:
    """Writes takes of one action below a folder.

    The first take of a person is ``OUT/PERSON/LABEL.txt``, the next ones ``OUT/PERSON/take-2/LABEL.txt`` and
    so on. All of them say in their side file that they belong to the group PERSON, so that training never
    has one person on both sides of a split. Without a name the group is the clip, or "somebody" for a
    camera: whoever is not named may be the same person.

    Args:
        out: the folder.
        label: the action.
        source: where the frames are from.
        person: who is recorded.

    Raises:
        UsageError: a name or label that cannot be one of a file, or a folder that cannot be written to.
    """

    def __init__(self, out: Path, label: str, source: str, person: str | None) -> None:
        self.label = normalise_label(label)
        if not self.label:
            raise UsageError(f"--label {label!r}: needs letters or digits, such as WALKING")
        if person is not None and not _PERSON.fullmatch(person):
            raise UsageError(f"--person {person!r}: must be letters, digits, blanks, '.', '-' and '_'")
        # Now, not when the take is over.
        there = next(path for path in (out, *out.absolute().parents) if path.exists())
        if not there.is_dir():
            raise UsageError(f"--out {out}: {there} is a file: give a folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UsageError(f"--out {out}: {there} cannot be written to: give another folder")
        self._source = mask_source(source) if is_live(source) else Path(source).name
        default = _SOMEBODY if is_live(source) else Path(source).stem
        self._folder = out / person if person else out
        self._group = person or default

    def write(
        self, series: Series, frames: Sequence[tuple[int, float]], *, of_many: bool = False
    ) -> WrittenTake:
        """Writes a take.

        Args:
            series: its poses.
            frames: number and time of every frame that was looked at.
            of_many: one of several people who were recorded at once: the folder is named after the track.

        Raises:
            OSError: it cannot be written; then nothing of it is there.
        """
        quality = assess(series, frames)
        rate, numbers = number_frames(series.times, series.indices)
        recording = Recording(
            label=self.label,
            frames=numbers,
            landmarks=np.stack(series.landmarks),
            rate=rate,
            width=series.width,
            height=series.height,
            source=self._source,
            track=str(series.number),
            group=self._group,
        )
        path = self._free(self._folder / f"track-{series.number}" if of_many else self._folder)
        write_recording(path, recording, more={"quality": quality.as_side()})
        return WrittenTake(path, series.number, rate, quality)

    def _free(self, folder: Path) -> Path:
        name, number = self.label.upper(), 1
        while True:
            place = folder if number == 1 else folder / f"take-{number}"
            path = place / f"{name}.txt"
            if not path.exists() and not path.with_suffix(".json").exists():
                return path
            number += 1
