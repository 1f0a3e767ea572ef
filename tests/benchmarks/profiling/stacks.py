"""Stacks as py-spy records them: which stage and which kind of code each sample was in."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MARK = "profiled_frames"
KINDS = {
    "network": "ONNX Runtime",
    "opencv": "OpenCV",
    "ffmpeg": "FFmpeg",
    "numpy": "NumPy and SciPy, compiled",
    "python": "Python",
    "other": "other",
}

# The library that a frame belongs to; what is in none of them (libc, libm) belongs to whoever called it.
_LIBRARIES = (
    ("network", re.compile(r"onnxruntime.*\.so|openvino.*\.so")),
    ("opencv", re.compile(r"cv2.*\.so")),
    ("ffmpeg", re.compile(r"(^|/)lib(av|sw)\w*-.*\.so|lib(x26|dav1d|vpx).*\.so|(^|/)av/.*(\.so|\.pyx?)$")),
    # PyAV's own code, whose frames carry the names of its generated sources.
    ("ffmpeg", re.compile(r"^(frame|packet|codec|context|plane|core|hwaccel|stream|input|buffer)\.c$")),
    ("numpy", re.compile(r"(numpy|scipy).*\.so|openblas")),
    ("python", re.compile(r"libpython|bin/python|\.py$|^<")),
)  # fmt: skip
_FRAME = re.compile(r"(?P<name>.*) \((?P<file>[^()]*?)(:(?P<line>\d+))?\)$")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stack: `file` is a path or a library; line 0 is unknown."""

    name: str
    file: str
    line: int

    @property
    def kind(self) -> str | None:
        return next((kind for kind, pattern in _LIBRARIES if pattern.search(self.file)), None)


@dataclass(frozen=True, slots=True)
class Sample:
    """A stack from the frame loop on, and how often it was seen."""

    frames: tuple[Frame, ...]
    count: int
    stage: str
    kind: str

    @property
    def own(self) -> Frame | None:
        """The innermost frame of this project's code."""
        ours = ("daemon/", "tracker/", "classifier/")
        return next((frame for frame in reversed(self.frames) if frame.file.startswith(ours)), None)


def read_samples(raw: Path, root: Path) -> list[Sample]:
    """Samples within the frame loop of a file that `py-spy record --format raw` wrote.

    Args:
        raw: the file.
        root: of the source, whose `with clock.stage(...)` blocks say what belongs to which stage.
    """
    samples = []
    for line in raw.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_frame(text) for text in stack.split(";")]
        start = next((place for place, frame in enumerate(frames) if frame.name == MARK), None)
        if start is None:
            continue
        inner = tuple(frames[start:])
        samples.append(Sample(inner, int(count), _stage(inner, root), _kind(inner)))
    return samples


def shares(samples: Sequence[Sample]) -> dict[str, Counter[str]]:
    """Samples by stage and kind."""
    table: dict[str, Counter[str]] = {}
    for sample in samples:
        table.setdefault(sample.stage, Counter())[sample.kind] += sample.count
    return table


def largest(samples: Sequence[Sample]) -> Counter[tuple[str, str, str]]:
    """Samples by stage, kind and innermost function of the project."""
    found: Counter[tuple[str, str, str]] = Counter()
    for sample in samples:
        own = sample.own
        name = f"{own.name} ({own.file})" if own else sample.frames[-1].name
        found[sample.stage, sample.kind, name] += sample.count
    return found


def _frame(text: str) -> Frame:
    match = _FRAME.match(text)
    if match is None:
        return Frame(text, "", 0)
    return Frame(match["name"], match["file"], int(match["line"] or 0))


def _kind(frames: Sequence[Frame]) -> str:
    return next((kind for frame in reversed(frames) if (kind := frame.kind)), "other")


def _stage(frames: Sequence[Frame], root: Path) -> str:
    for frame in reversed(frames):
        path = root / ("tests/benchmarks/profiling/drive.py" if frame.name == MARK else frame.file)
        if frame.line and path.is_file():
            for first, last, stage in _stages_of(path):
                if first <= frame.line <= last:
                    return stage
    return "between"


@cache
def _stages_of(path: Path) -> tuple[tuple[int, int, str], ...]:
    """First line, last line and name of every `with clock.stage(NAME):` of a module, the inner ones first."""
    return tuple(sorted(_stage_blocks(path), key=lambda block: block[1] - block[0]))


def _stage_blocks(path: Path) -> Iterator[tuple[int, int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.With):
            continue
        for item in node.items:
            call = item.context_expr
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "stage"
            ):
                (name,) = call.args
                if isinstance(name, ast.Constant):
                    yield node.lineno, node.end_lineno or node.lineno, str(name.value)
