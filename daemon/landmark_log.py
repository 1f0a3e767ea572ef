"""Writes the landmarks of every person in a clip as recordings: `posewatch replay --landmarks DIR`.

A track becomes `DIR/CLIP-NUMBER/UNLABELLED.txt` with its side file `UNLABELLED.json`; the number is the
track's own, as in the other outputs. To label it, rename both files to the action (`WALKING.txt` and
`WALKING.json`), or write the action as `label` into the side file. Takes of one clip are one group, because
they share a scene and often a person.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.recording import Recording, usable, write_recording
from daemon.errors import UsageError
from daemon.recording.numbering import number_frames
from daemon.scene import Person, Scene
from tracker.association import TrackState

__all__ = ["LandmarkLog", "unlabelled"]

_UNLABELLED = "UNLABELLED"
_EXACT = 0.01  # seconds by which a frame's number may be wrong about its time
_SUFFIXES = (".txt", ".json")


def unlabelled(folder: Path) -> list[Path]:
    """The recordings of this log below a folder that nobody has labelled yet."""
    return [path for path in sorted(folder.rglob(f"{_UNLABELLED}.txt")) if not _side_label(path)]


def _side_label(path: Path) -> object:
    try:
        side = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return side.get("label") if isinstance(side, dict) else None


@dataclass(slots=True)
class _Take:
    """What a track has given so far."""

    confirmed: bool = False
    frames: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    landmarks: list[npt.NDArray[np.float32]] = field(default_factory=list)


class LandmarkLog:
    """Collects poses by track; a track is written when it ends, so that a long clip needs little memory.

    Everything appears under its name when the stack closes without an error; with an error nothing does.
    Recordings of an earlier run over the same clip are replaced while they have no label yet.

    Args:
        folder: where to; None writes nothing.
        clip: the file the frames are from.
        rate: frames a second of the clip.
        stack: finishes the log when it closes.

    Raises:
        UsageError: the folder holds recordings of this clip that somebody has labelled.
        OSError: the folder cannot be made (from here on, or later from `write` and the stack).
    """

    def __init__(self, folder: Path | None, clip: Path, rate: float, stack: ExitStack) -> None:
        self._folder, self._clip, self._rate = folder, clip, rate
        self._takes: dict[int, _Take] = {}
        self._parts: dict[int, int] = {}
        self._size = (0, 0)
        if folder is None:
            return
        for old in self._recordings():
            if len(unlabelled(old)) < len(list(old.glob("*.txt"))):
                raise UsageError(f"{old}: holds a labelled recording of this clip: give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._part = folder / f".{clip.stem}.part"
        shutil.rmtree(self._part, ignore_errors=True)
        self._part.mkdir()
        stack.push(self._finish)

    def write(self, number: int, scene: Scene) -> None:
        """Takes a frame.

        Args:
            number: the frame's number in the clip; a number left out is a gap in time.
            scene: the people of the frame.
        """
        if self._folder is None:
            return
        self._size = (scene.width, scene.height)
        for person in scene.people:
            if person.track.state is TrackState.REMOVED:
                self._save(person.track.number)
            elif person.track.was is not None:  # from here on it is another body
                self._save(person.track.number)
                self._add(number, person, scene)
            else:
                self._add(number, person, scene)

    def _add(self, number: int, person: Person, scene: Scene) -> None:
        take = self._takes.setdefault(person.track.number, _Take())
        take.confirmed |= person.track.state is TrackState.CONFIRMED
        if person.pose is None or person.pose.moved or person.track.last_monotonic != scene.monotonic:
            return
        width, height = scene.width, scene.height
        # z is in the scale of x, so it is divided by the width as well.
        size = np.array([width, height, width, 1.0])
        shares = np.asarray(person.pose.landmarks / size, np.float32)
        if usable(shares[None]).all():
            take.frames.append(number)
            take.times.append(scene.monotonic)
            take.landmarks.append(shares)

    def _save(self, track: int) -> None:
        take = self._takes.pop(track, None)
        if take is None or not take.confirmed or not take.frames:
            return
        rate, frames = self._numbered(take)
        recording = Recording(
            label="",  # the file name tells it, once it is renamed
            frames=frames,
            landmarks=np.stack(take.landmarks),
            rate=rate,
            width=self._size[0],
            height=self._size[1],
            source=self._clip.name,
            track=str(track),
            group=self._clip.stem,
            labelled_from=int(frames[0]),
        )
        self._parts[track] = part = self._parts.get(track, 0) + 1
        name = f"{self._clip.stem}-{track}" + (f"-{part}" if part > 1 else "")
        write_recording(self._part / name / f"{_UNLABELLED}.txt", recording)

    def _numbered(self, take: _Take) -> tuple[float, npt.NDArray[np.int64]]:
        """Rate and numbers of a take: the clip's own, unless they do not tell the times of its frames."""
        frames = np.array(take.frames, np.int64)
        told = (frames - frames[0]) / self._rate
        if np.abs(told - (np.array(take.times) - take.times[0])).max() <= _EXACT:
            return self._rate, frames
        rate, numbers = number_frames(take.times, take.frames)
        return rate, numbers + round(take.times[0] * rate)

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                for track in list(self._takes):
                    self._save(track)
                self._replace()
        finally:
            shutil.rmtree(self._part, ignore_errors=True)

    def _replace(self) -> None:
        assert self._folder is not None
        for old in self._recordings():
            for suffix in _SUFFIXES:
                (old / (_UNLABELLED + suffix)).unlink(missing_ok=True)
            if not any(old.iterdir()):
                old.rmdir()
        for new in sorted(self._part.iterdir()):
            target = self._folder / new.name
            target.mkdir(exist_ok=True)
            for path in new.iterdir():
                path.replace(target / path.name)

    def _recordings(self) -> list[Path]:
        """Folders of this clip's tracks that are there already."""
        if self._folder is None or not self._folder.is_dir():
            return []
        name = re.compile(re.escape(self._clip.stem) + r"-\d+")
        return sorted(path for path in self._folder.iterdir() if path.is_dir() and name.fullmatch(path.name))
