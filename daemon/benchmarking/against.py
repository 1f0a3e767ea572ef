"""Other pipelines on the same frames: processes of another environment that run in turns with ours."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from daemon.benchmarking.scenario import Round
from daemon.benchmarking.sightings import Sightings
from daemon.errors import UsageError
from daemon.timing import in_order
from tracker.store import cache_folder

__all__ = ["KINDS", "Opponents", "Side", "check_python"]

KINDS: Mapping[str, str] = {"track_pose": "YOLO11n.track + mediapipe Pose", "yolo_pose": "YOLO11n-pose.track"}
"""What each pipeline is, in words."""

_WORKER = Path(__file__).parent / "naive" / "worker.py"
_PACKAGES = ("torch", "ultralytics", "mediapipe", "cv2")
_MOST_PROCESSES = 8  # each holds about 700 MB
_HELP = "needs ultralytics and mediapipe 0.10.21: make benchmark makes such an environment"


def check_python(python: Path) -> None:
    """Looks whether an environment has what it needs, without loading it.

    Raises:
        UsageError: it has not; says what is missing.
    """
    look = f"import importlib.util as u; print(*(n for n in {_PACKAGES} if not u.find_spec(n)))"
    try:
        done = subprocess.run(
            [str(python), "-c", look], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"--against {python}: does not run ({error}); it {_HELP}") from None
    if missing := done.stdout.split():
        raise UsageError(f"--against {python}: has no {', '.join(missing)}; it {_HELP}")


@dataclass(frozen=True, slots=True)
class Side:
    """One pipeline in so many processes at once, each of which takes the same frames."""

    kind: str
    processes: Sequence[_Process]

    def run(self, frames: int) -> Round:
        """Takes the next frames in every process.

        Raises:
            UsageError: a process ended.
        """
        began = perf_counter()
        for process in self.processes:
            process.ask({"kind": self.kind, "frames": frames})
        parts = [process.answer() for process in self.processes]
        seconds = perf_counter() - began
        names = in_order({name: None for part in parts for name in part["stages"]})
        return Round(
            frames=sum(part["frames"] for part in parts),
            seconds=seconds,
            processor=sum(part["processor"] for part in parts),
            stages={name: sum(part["stages"].get(name, 0.0) for part in parts) for name in names},
            own={name: sum(part["own"].get(name, 0.0) for part in parts) for name in names},
            people=sum(part["people"] for part in parts),
        )


class Opponents:
    """The processes: one with a thread a core, as the pipelines are written, and one a core with one thread.

    Args:
        python: the interpreter of the other environment.
        clip: a video file.
        seen: who is in it, for the poses where no real weights find anybody.
        cores: of this machine.
        fetch: whether weights that are not there may be downloaded.
    """

    def __init__(self, python: Path, clip: Path, seen: Sightings, *, cores: int, fetch: bool) -> None:
        self._stack = ExitStack()
        python = python.absolute()  # of the same environment: not what a link leads to
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="posewatch-against-")))
        boxes = folder / "boxes.json"
        people = [[box.tolist() for box in frame.values()] for frame in seen.people]
        boxes.write_text(json.dumps(people), encoding="utf-8")
        setup = {
            "clip": str(clip.resolve()),
            "weights": str(cache_folder() / "naive"),
            "boxes": str(boxes),
            "fetch": fetch,
        }
        many = min(cores, _MOST_PROCESSES)
        threads = [cores] + ([1] * many if many > 1 else [])
        try:
            self._processes = [
                self._stack.enter_context(_Process(python, setup | {"threads": each}, folder, number))
                for number, each in enumerate(threads)
            ]
            # One after the other: the first may fetch weights for all.
            self._facts = [process.answer() for process in self._processes]
        except BaseException:
            self._stack.close()
            raise

    @property
    def facts(self) -> dict[str, Any]:
        """Versions, and by kind whether the weights are real."""
        first = self._facts[0]
        return {
            "versions": first["versions"],
            "weights": {kind: "real" if path else "random" for kind, path in first["weights"].items()},
        }

    def sides(self) -> dict[str, Side]:
        """What runs, by kind and number of processes: `track_pose 1`, `track_pose 2`, ..."""
        first, rest = self._processes[:1], self._processes[1:]
        return {
            f"{kind} {len(group)}": Side(kind, group) for kind in KINDS for group in (first, rest) if group
        }

    def __enter__(self) -> Opponents:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the processes."""
        self._stack.close()


class _Process:
    """One worker of the other environment."""

    def __init__(self, python: Path, setup: dict[str, Any], folder: Path, number: int) -> None:
        self._python = python
        self._log = folder / f"worker{number}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), str(_WORKER), json.dumps(setup)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env=_environment(folder, setup["threads"]),
            )

    def ask(self, question: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._failed() from None

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failed()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self) -> UsageError:
        self._process.wait()
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"status {self._process.returncode}"
        return UsageError(f"--against {self._python}: {reason}; it {_HELP}")

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _environment(folder: Path, threads: int) -> dict[str, str]:
    """Nobody is called, nothing is installed, nothing of ours is imported."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OMP_", "YOLO_"))
    }
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIRTUAL_ENV"):
        kept.pop(name, None)
    return kept | {
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(folder),
        "MPLCONFIGDIR": str(folder),
        "OMP_NUM_THREADS": str(threads),
        "GLOG_minloglevel": "2",
    }
