"""Recordings of one action of one person: CSV text `LABEL.txt` and its side file `LABEL.json`.

The text has a header ``,0,1,...,131`` and then per frame the frame's number and 132 values: x, y, z and
visibility of the landmarks 0..32, x and y in 0..1 of the image. A gap in the numbers is a gap in time.
Texts and ``.npz`` files that others wrote are read as well; their damaged rows are left out and told.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.labels import normalise_label
from classifier.recording_arrays import parse_arrays
from classifier.recording_groups import merged_groups
from classifier.recording_rows import COLUMNS, RowProblems, row_fault
from classifier.recording_side import RecordingError, SideFile
from classifier.recording_text import HEADER, looks_like_landmarks, parse

__all__ = [
    "Recording",
    "RecordingError",
    "read_folder",
    "read_recording",
    "read_recordings",
    "usable",
    "write_recording",
]

_log = logging.getLogger(__name__)

DEFAULT_RATE = 30.0
DEFAULT_SIZE = (640, 480)  # of recordings without a side file: the usual webcam
_FASTEST = 1000.0  # frames a second
_LARGEST_SIDE = 1e5  # px
_SUFFIXES = (".txt", ".csv", ".npz")


@dataclass(frozen=True, slots=True)
class Recording:
    """One take.

    Attributes:
        label: normalised label.
        frames: (N,) int64, frame numbers, rising.
        landmarks: (N, 33, 4) float32: x, y in 0..1 of the image, z in the scale of x, visibility 0..1.
        rate: frames per second of the numbers in `frames`.
        width: image width in px.
        height: image height in px.
        source: where it was taken from, free text.
        track: the person within the source, free text.
        group: recordings of one group (a person, a place) are never split between training and test.
        labelled_from: number of the first frame at which the label holds; the frames before it lead in.
        path: the file it was read from.
    """

    label: str
    frames: npt.NDArray[np.int64]
    landmarks: npt.NDArray[np.float32]
    rate: float = DEFAULT_RATE
    width: int = DEFAULT_SIZE[0]
    height: int = DEFAULT_SIZE[1]
    source: str = ""
    track: str = ""
    group: str = ""
    labelled_from: int = 0
    path: Path | None = None

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """(N,) seconds."""
        return self.frames / self.rate

    @property
    def pixels(self) -> npt.NDArray[np.float32]:
        """(N, 33, 4): x, y and z in px, visibility."""
        return self.landmarks * np.array([self.width, self.height, self.width, 1.0], np.float32)


def read_recording(
    path: Path, *, rate: float | None = None, problems: Callable[[str], None] | None = None
) -> Recording:
    """Reads a file that holds one take and, where it has one, its side file.

    Args:
        path: the file.
        rate: frames per second for a recording whose side file does not say; 30 by default.
        problems: told about every row that is left out, as `read_recordings` does.

    Raises:
        RecordingError: as `read_recordings`, or the file holds several takes.
    """
    takes = read_recordings(path, rate=rate, problems=problems)
    if len(takes) > 1:
        raise RecordingError(f"{path}: holds {len(takes)} takes: split the file, one take each")
    return takes[0]


def read_recordings(
    path: Path, *, rate: float | None = None, problems: Callable[[str], None] | None = None
) -> list[Recording]:
    """Reads the takes of a file and, where it has one, its side file.

    A text holds one take, or several where its frame numbers start again. An ``.npz`` holds one a sequence.
    Damaged rows are left out: they are gaps in time.

    Args:
        path: the ``.txt``, ``.csv`` or ``.npz`` file.
        rate: frames per second for a recording whose side file does not say; 30 by default.
        problems: called with one line for each of the first rows that are left out (file, line, reason) and
            one that counts the others; by default they are logged as warnings.

    Raises:
        RecordingError: the file cannot be read, is no recording, or most of its rows are damaged.
    """
    side = SideFile(path)
    rows = RowProblems(str(path), problems or _log.warning)
    speed = side.number("rate", rate or DEFAULT_RATE, high=_FASTEST)
    common = Recording(
        label=side.text("label"),
        frames=np.empty(0, np.int64),
        landmarks=np.empty((0, 33, 4), np.float32),
        rate=speed,
        width=int(side.number("width", DEFAULT_SIZE[0], high=_LARGEST_SIDE)),
        height=int(side.number("height", DEFAULT_SIZE[1], high=_LARGEST_SIDE)),
        source=side.text("source"),
        track=side.text("track"),
        group=side.text("group"),
        path=path,
    )
    try:
        if path.suffix.lower() == ".npz":
            total, takes = _sequences(path, common, rows)
        else:
            total, takes = _texts(path, common, side, rows)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}): give a recording") from error
    except ValueError as error:
        raise RecordingError(f"{path}{error}") from None
    rows.close(total)
    if not takes or 2 * rows.bad > total:
        what = f"{rows.bad} of its {total} rows are damaged" if rows.bad else "holds no frames"
        raise RecordingError(f"{path}: {what}: record it again, or take it away")
    for take in takes:
        if not take.label:
            raise RecordingError(f"{path}: the name holds no label: name the file LABEL.txt")
    return takes


def read_folder(
    folder: Path, *, rate: float | None = None, problems: Callable[[str], None] | None = None
) -> list[Recording]:
    """Reads every recording below a folder, in the order of their paths.

    A recording without a group belongs to the group of its folder. Where a take is there twice, its two
    groups are made one: what training has seen is no test.

    Args:
        folder: with ``.txt``, ``.csv`` and ``.npz`` files; texts that are no recordings are passed over.
        rate: frames per second of recordings whose side file does not say; 30 by default.
        problems: told about every row that is left out, as `read_recordings` does, and takes that are copies.

    Raises:
        RecordingError: no such folder, no recording in it, or one whose rows are mostly damaged.
    """
    if not folder.is_dir():
        raise RecordingError(f"{folder}: no such folder: give one with recordings (LABEL.txt)")
    tell = problems or _log.warning
    recordings: list[Recording] = []
    names: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _SUFFIXES or not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix.lower() != ".npz" and not _is_recording(path):
            if not path.stat().st_size:
                tell(f"{path}: is empty: left out")
            continue
        place = path.parent.relative_to(folder).as_posix()
        found = read_recordings(path, rate=rate, problems=tell)
        recordings += [replace(one, group=one.group or place) for one in found]
        numbers = range(1, len(found) + 1)
        names += [f"{path}: take {number}" for number in numbers] if len(found) > 1 else [str(path)]
    if not recordings:
        raise RecordingError(f"{folder}: holds no recordings: make some with `posewatch record`")
    takes = [(name, one.group, one.landmarks) for name, one in zip(names, recordings, strict=True)]
    groups = merged_groups(takes, tell)
    return [replace(one, group=group) for one, group in zip(recordings, groups, strict=True)]


def usable(landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which rows of (N, 33, 4) landmarks can be written and read again, (N,)."""
    rows = landmarks.reshape(len(landmarks), COLUMNS).astype(np.float64)
    return np.array([row_fault(row) is None for row in rows], np.bool_)


def write_recording(path: Path, recording: Recording, *, more: Mapping[str, object] | None = None) -> None:
    """Writes a recording and its side file whole or not at all; folders are made as needed.

    Args:
        path: the ``.txt`` file; the side file has the same name with ``.json``.
        recording: the take.
        more: further entries for the side file, such as how good the take is.

    Raises:
        OSError: the files cannot be written.
        ValueError: the arrays do not fit together, or could not be read again.
    """
    count = len(recording.frames)
    if recording.landmarks.shape != (count, 33, 4) or not count:
        raise ValueError(f"landmarks {recording.landmarks.shape} for {count} frames")
    if not usable(recording.landmarks).all() or (np.diff(recording.frames) <= 0).any():
        raise ValueError("landmarks must be finite shares of the image and frame numbers rising")
    rows = recording.landmarks.reshape(count, COLUMNS).tolist()
    lines = [HEADER]
    for number, row in zip(recording.frames.tolist(), rows, strict=True):
        lines.append(f"{number}," + ",".join(f"{value:.5g}" for value in row))
    side = {
        "label": recording.label,
        "rate": recording.rate,
        "width": recording.width,
        "height": recording.height,
        "source": recording.source,
        "track": recording.track,
        "group": recording.group,
        "labelled_from": recording.labelled_from,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # The side file first: without it the text would be read with the wrong rate.
    texts = {
        path.with_suffix(".json"): json.dumps({**side, **(more or {})}, indent=1),
        path: "\n".join(lines),
    }
    parts = {final: final.with_name(f".{final.name}.part") for final in texts}
    try:
        for final, text in texts.items():
            parts[final].write_text(text + "\n", encoding="utf-8")
        for final, part in parts.items():
            part.replace(final)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _texts(path: Path, common: Recording, side: SideFile, rows: RowProblems) -> tuple[int, list[Recording]]:
    total, found = parse(path, common.rate, rows)
    label = normalise_label(common.label or path.stem)
    takes = []
    for restarts, frames, values in found:
        first = int(frames[0])
        # Numbers that start again have nothing to do with what the side file says of the first ones.
        begin = first if restarts else int(side.number("labelled_from", first, low=-math.inf))
        landmarks = values.reshape(-1, 33, 4)
        takes.append(replace(common, label=label, frames=frames, landmarks=landmarks, labelled_from=begin))
    return total, takes


def _sequences(path: Path, common: Recording, rows: RowProblems) -> tuple[int, list[Recording]]:
    total, found = parse_arrays(path, rows)
    takes = []
    for number, label, group, frames, values in found:
        take = replace(
            common,
            label=normalise_label(label),
            frames=frames,
            landmarks=values.reshape(-1, 33, 4),
            track=str(number),
            group=group or common.group or path.stem,
            labelled_from=int(frames[0]),
        )
        takes.append(take)
    return total, takes


def _is_recording(path: Path) -> bool:
    try:
        return looks_like_landmarks(path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}): give a recording") from error
