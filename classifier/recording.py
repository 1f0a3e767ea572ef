"""Recordings of one action of one person: CSV text `LABEL.txt` and its side file `LABEL.json`.

The text has a header ``,0,1,...,131`` and then per frame the frame's number and 132 values: x, y, z and
visibility of the landmarks 0..32, x and y in 0..1 of the image. A gap in the numbers is a gap in time.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.labels import normalise_label

__all__ = ["Recording", "RecordingError", "read_folder", "read_recording", "write_recording"]

COLUMNS = 132
DEFAULT_RATE = 30.0
DEFAULT_SIZE = (640, 480)  # of recordings without a side file: the usual webcam
_HEADER = "," + ",".join(str(column) for column in range(COLUMNS))
_LARGEST = 1e15  # of a value: above it a float has no room for the frame numbers
_ENCODING = "utf-8-sig"  # spreadsheets put a byte order mark in front


class RecordingError(Exception):
    """A recording cannot be read; one line that names file and line and says what to do."""


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


def read_recording(path: Path, *, rate: float | None = None) -> Recording:
    """Reads a recording and, where it has one, its side file.

    Args:
        path: the ``.txt`` file.
        rate: frames per second for a recording whose side file does not say; 30 by default.

    Raises:
        RecordingError: the file cannot be read, is no recording or has a damaged row.
    """
    side = _read_side(path.with_suffix(".json"))
    try:
        lines = path.read_text(encoding=_ENCODING).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read as text ({error}): give a recording") from error
    frames, values = _parse(path, lines)
    size = (_number(side, path, "width", DEFAULT_SIZE[0]), _number(side, path, "height", DEFAULT_SIZE[1]))
    label = normalise_label(str(side.get("label") or path.stem))
    if not label:
        raise RecordingError(f"{path}: the name holds no label: name the file LABEL.txt")
    return Recording(
        label=label,
        frames=frames,
        landmarks=values.reshape(-1, 33, 4),
        rate=_number(side, path, "rate", rate or DEFAULT_RATE),
        width=int(size[0]),
        height=int(size[1]),
        source=str(side.get("source", "")),
        track=str(side.get("track", "")),
        group=str(side.get("group", "")),
        labelled_from=int(_number(side, path, "labelled_from", int(frames[0]), low=-math.inf)),
        path=path,
    )


def read_folder(folder: Path, *, rate: float | None = None) -> list[Recording]:
    """Reads every recording below a folder, in the order of their paths.

    A recording without a group belongs to the group of its folder.

    Raises:
        RecordingError: no such folder, no recording in it, or one that is damaged.
    """
    if not folder.is_dir():
        raise RecordingError(f"{folder}: no such folder: give one with recordings (LABEL.txt)")
    recordings = []
    for path in sorted(folder.rglob("*.txt")):
        with path.open(encoding=_ENCODING, errors="replace") as stream:
            if not stream.readline().startswith(",0,1,"):
                continue  # some other text, such as a licence
        recording = read_recording(path, rate=rate)
        group = recording.group or path.parent.relative_to(folder).as_posix()
        recordings.append(replace(recording, group=group))
    if not recordings:
        raise RecordingError(f"{folder}: holds no recordings: make some with `posewatch record`")
    return recordings


def write_recording(path: Path, recording: Recording) -> None:
    """Writes a recording and its side file; folders are made as needed.

    Raises:
        OSError: the files cannot be written.
        ValueError: the arrays do not fit together, or could not be read again.
    """
    count = len(recording.frames)
    if recording.landmarks.shape != (count, 33, 4) or not count:
        raise ValueError(f"landmarks {recording.landmarks.shape} for {count} frames")
    rows = recording.landmarks.reshape(count, COLUMNS)
    if not np.isfinite(rows).all() or (np.diff(recording.frames) <= 0).any():
        raise ValueError("landmarks must be finite and frame numbers rising")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(_HEADER + "\n")
        for number, row in zip(recording.frames.tolist(), rows.tolist(), strict=True):
            stream.write(f"{number}," + ",".join(f"{value:.5g}" for value in row) + "\n")
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
    path.with_suffix(".json").write_text(json.dumps(side, indent=1) + "\n", encoding="utf-8")


def _parse(path: Path, lines: list[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    if not lines or not lines[0].startswith(",0,1,"):
        raise RecordingError(f"{path}:1: no recording: the first line must be the header ,0,1,...,131")
    rows: list[npt.NDArray[np.float64]] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        cells = line.split(",")
        if len(cells) != COLUMNS + 1:
            raise RecordingError(
                f"{path}:{number}: {len(cells) - 1} values instead of {COLUMNS}: delete or repair the row"
            )
        try:
            row = np.array(cells, dtype=np.float64)
        except ValueError:
            raise RecordingError(
                f"{path}:{number}: a value is not a number: delete or repair the row"
            ) from None
        if not (np.abs(row) <= _LARGEST).all():
            raise RecordingError(f"{path}:{number}: a value is not finite: delete or repair the row")
        if row[0] != np.floor(row[0]):
            raise RecordingError(f"{path}:{number}: frame {row[0]:g} is no whole number: repair the row")
        if rows and row[0] <= rows[-1][0]:
            raise RecordingError(f"{path}:{number}: frame {row[0]:g} comes after frame {rows[-1][0]:g}: sort")
        rows.append(row)
    if not rows:
        raise RecordingError(f"{path}: holds no frames: record it again")
    table = np.stack(rows)
    return table[:, 0].astype(np.int64), table[:, 1:].astype(np.float32)


def _read_side(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        side = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read as JSON ({error}): repair or delete it") from error
    if not isinstance(side, dict):
        raise RecordingError(f'{path}: must be an object such as {{"rate": 30}}: repair or delete it')
    return side


def _number(side: dict[str, object], path: Path, key: str, default: float, *, low: float = 0.0) -> float:
    value = side.get(key, default)
    bound = "" if math.isinf(low) else f" above {low:g}"
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(float(str(value))) or float(str(value)) <= low:
        raise RecordingError(f"{path.with_suffix('.json')}: {key} must be a number{bound}, not {value!r}")
    return float(str(value))
