"""A flame graph as a picture without scripts: a bar for each function, as wide as its share of the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from profiling.stacks import KINDS, Sample

_WIDTH, _ROW, _FONT = 1200, 17, 11  # px
_CHARACTER = 6.3  # px a letter
_LEAST = 0.001  # share of the time below which a bar is left out
_COLOURS = {
    "network": "#d9725f",
    "opencv": "#e5a64b",
    "ffmpeg": "#b58bd0",
    "numpy": "#7fb77e",
    "python": "#7da7d9",
    "other": "#c0c0c0",
}


@dataclass(slots=True)
class _Node:
    """A function in its place: samples in it and in what it calls."""

    name: str
    kind: str
    count: int = 0
    inner: dict[str, _Node] = field(default_factory=dict)


def flame_graph(samples: Sequence[Sample], order: Sequence[str], milliseconds: float, title: str) -> str:
    """The picture; its lowest row are the stages.

    Args:
        samples: of the frame loop.
        order: of the stages, from left to right.
        milliseconds: of a frame, all samples together.
        title: is written above.
    """
    root = _tree(samples, order)
    rows = _depth(root, root.count)
    height = (rows + 3) * _ROW + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="DejaVu Sans, Arial, sans-serif" font-size="{_FONT}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="15" font-weight="bold">{escape(title)}</text>',
    ]
    x = 8.0
    for kind, name in KINDS.items():
        if any(sample.kind == kind for sample in samples):
            parts.append(f'<rect x="{x:.0f}" y="22" width="11" height="11" fill="{_COLOURS[kind]}"/>')
            parts.append(f'<text x="{x + 15:.0f}" y="32">{escape(name)}</text>')
            x += 30 + _CHARACTER * len(name)
    parts += _bars(root, 0.0, 0, root.count, height, milliseconds)
    return "\n".join([*parts, "</svg>", ""])


def _tree(samples: Sequence[Sample], order: Sequence[str]) -> _Node:
    root = _Node("frame", "python")
    for stage in order:
        root.inner[stage] = _Node(stage, "python")
    for sample in samples:
        node = root
        node.count += sample.count
        for name, kind in ((sample.stage, "python"), *_names(sample)):
            node = node.inner.setdefault(name, _Node(name, kind))
            node.count += sample.count
    return root


def _names(sample: Sample) -> Iterator[tuple[str, str]]:
    """Functions from the outermost to the innermost; what has no name goes by its library, once."""
    last, kind = None, "python"
    for frame in sample.frames[1:]:
        kind = frame.kind or kind
        if frame.name.startswith("0x") or not frame.name:
            name = KINDS[kind]
        else:
            name = f"{frame.name} ({frame.file.rsplit('/', 1)[-1]})"
        if name != last:
            yield name, kind
        last = name


def _depth(node: _Node, total: int) -> int:
    wide = [inner for inner in node.inner.values() if inner.count >= _LEAST * total]
    return 1 + max((_depth(inner, total) for inner in wide), default=0)


def _bars(node: _Node, x: float, row: int, total: int, height: int, milliseconds: float) -> Iterator[str]:
    width, y = _WIDTH * node.count / total, height - (row + 1) * _ROW - 4
    text = (
        f"{node.name}: {milliseconds * node.count / total:.2f} ms a frame, {100 * node.count / total:.1f} %"
    )
    place = f'x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.2):.1f}" height="{_ROW - 1}"'
    bar = f'<rect {place} fill="{_COLOURS[node.kind]}"/>'
    letters = int((width - 6) / _CHARACTER)
    label = ""
    if letters >= 3:
        short = node.name if len(node.name) <= letters else node.name[: letters - 1] + "…"
        label = f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(short)}</text>'
    yield f"<g><title>{escape(text)}</title>{bar}{label}</g>"
    for inner in node.inner.values():
        if inner.count >= _LEAST * total:
            yield from _bars(inner, x, row + 1, total, height, milliseconds)
        x += _WIDTH * inner.count / total
