"""The picture of the service as a table for people; at most 110 columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Any, TypeAlias

from daemon.providers import told

__all__ = ["WIDTH", "table_of"]

WIDTH = 110
Row: TypeAlias = Mapping[str, Any]
_NAME, _STATE = 30, 24  # columns of a camera's name, at most, and of its state
_GLUE = "\u00a0"  # a space at which no line ends
_BOLD, _DIM, _RED, _YELLOW, _GREEN = "1", "2", "31", "33", "32"
_STATE_COLOURS = {"streaming": _GREEN, "connecting": _YELLOW, "disabled": _DIM}
_HEAD = (
    *("CAMERA", "STATE", "SINCE", "FPS", "DONE", "DROPPED", "P50", "P95"),
    *("PEOPLE", "RECONN", "ALERTS"),
)
_LEFT = frozenset({"CAMERA", "STATE"})


def table_of(picture: Row, *, colour: bool = False) -> list[str]:
    """Lines that tell how the service and each camera is, cameras in the order of the configuration.

    Args:
        picture: of `daemon.health.picture`.
        colour: whether the terminal takes ANSI colours.
    """
    paint: Callable[[str, str], str] = _painted if colour else _plain
    return [
        *_header(picture, paint),
        "",
        *_cameras(picture["cameras"], picture["time"], paint),
        *_stages(picture["cameras"], paint),
        *_troubles(picture, paint),
    ]


def _header(picture: Row, paint: Callable[[str, str], str]) -> list[str]:
    process, mqtt, config = picture["process"], picture["mqtt"], picture["config"]
    if not picture["healthy"]:
        state = paint("no progress", _RED)
    elif not picture["ready"]:
        state = paint("starting", _YELLOW)
    else:
        state = paint("ready", _GREEN)
    up = _age(picture["time"] - picture["started_at"])
    title = paint(f"posewatch {_clean(picture['version'])}", _BOLD)
    parts = [
        f"{title}  {state}",
        f"up {up}",
        f"workers {picture['workers_busy']}/{picture['workers']} busy, load {100.0 * picture['load']:.0f} %",
    ]
    providers = picture.get("providers", {})
    if set(providers.values()) - {"cpu"}:
        parts.append(f"models by {_clean(told(providers))}")
    if picture["profile"]:
        parts.append(f"profile {_clean(picture['profile'])}")
    if not mqtt["enabled"]:
        broker = "off"
    elif mqtt["connected"]:
        broker = f"connected, {mqtt['queued']} queued"
    else:
        broker = paint("not connected", _RED) + f", {mqtt['queued']} queued"
    if mqtt["dropped"]:
        broker += paint(f", {mqtt['dropped']} dropped", _RED)
    storage = _state(picture["storage_state"], paint)
    loaded = f"{_state(config['state'], paint)}, loaded {_age(picture['time'] - config['loaded_at'])} ago"
    return [
        "   ".join(parts),
        f"cpu {process['cpu']:.2f} cores   memory {_megabytes(process['rss'])}   "
        f"threads {_or_dash(process['threads'])}   files {_or_dash(process['files'])}",
        f"mqtt {broker}   storage {storage}   config {loaded}",
    ]


def _cameras(cameras: Sequence[Row], now: float, paint: Callable[[str, str], str]) -> list[str]:
    rows = [_HEAD, *(_row(camera, now) for camera in cameras)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    widths[0] = min(widths[0], _NAME, WIDTH - sum(width + 2 for width in widths[1:]))
    lines = []
    for camera, row in zip((None, *cameras), rows, strict=True):
        cells = [
            _cut(text, width).ljust(width) if title in _LEFT else text.rjust(width)
            for text, width, title in zip(row, widths, _HEAD, strict=True)
        ]
        if camera is None:
            lines.append(paint("  ".join(cells), _BOLD))
            continue
        cells[1] = paint(cells[1], _STATE_COLOURS.get(camera["state"], _RED))
        if camera["alerts"]:
            cells[-1] = paint(cells[-1], _RED)
        lines.append("  ".join(cells))
    return lines


def _row(camera: Row, now: float) -> tuple[str, ...]:
    latency = camera["latency_ms"]
    state = _clean(camera["state"])
    return (
        _clean(camera["name"]),
        _cut(f"{state} ({_clean(camera['reason'])})" if camera["reason"] else state, _STATE),
        _age(now - camera["since"]) if camera["since"] else "-",
        f"{camera['fps_in']:.1f}",
        f"{camera['fps_processed']:.1f}",
        _count(camera["frames_dropped"]),
        _or_dash(latency["p50"], ".0f"),
        _or_dash(latency["p95"], ".0f"),
        str(camera["people"]),
        _count(camera["reconnects"]),
        str(len(camera["alerts"])),
    )


def _stages(cameras: Sequence[Row], paint: Callable[[str, str], str]) -> list[str]:
    """Mean time of each stage over all cameras; by frames, so that a busy camera counts for more."""
    frames = sum(camera["frames_processed"] for camera in cameras)
    seconds: dict[str, float] = {}
    for camera in cameras:
        for stage, mean in camera["stages_ms"].items():
            seconds[stage] = seconds.get(stage, 0.0) + mean * camera["frames_processed"]
    if not frames:
        return []
    texts = [f"{_clean(stage)}{_GLUE}{total / frames:.1f}" for stage, total in seconds.items()]
    lines = wrap(f"stages, ms a frame: {', '.join(texts)}", WIDTH, subsequent_indent="  ")
    lines = [line.replace(_GLUE, " ") for line in lines]
    lines.append("FPS: frames a second received; DONE: processed; P50, P95: latency in ms")
    return ["", *(paint(line, _DIM) for line in lines)]


def _troubles(picture: Row, paint: Callable[[str, str], str]) -> list[str]:
    """What is not well, a line each; empty where all is."""
    lines = []
    if picture["hung"]:
        lines.append(f"no progress: {', '.join(map(_clean, picture['hung']))}")
    cameras = picture["cameras"]
    away = [camera for camera in cameras if camera["enabled"] and camera["state"] != "streaming"]
    if away:
        names = ", ".join(
            f"{_clean(one['name'])}{_GLUE}({_clean(one['reason'] or one['state'])})" for one in away
        )
        lines.append(f"{len(away)} of {len(cameras)} cameras without pictures: {names}")
    slow = [f"{_clean(one['name'])}{_GLUE}({one['fps_processed']:.1f} of {one['fps_in']:.1f})"
            for one in cameras if one["overloaded"]]  # fmt: skip
    if slow:
        lines.append(f"overloaded, too little time for the frames of {len(slow)} of {len(cameras)} cameras: "
                     f"{', '.join(slow)}")  # fmt: skip
    lines += [f"{_clean(one['name'])}: tamper: {_clean(one['tamper'])}" for one in cameras if one["tamper"]]
    lines += [
        f"{_clean(one['name'])}: {one['errors']} frames failed, started anew {one['restarts']} times"
        for one in cameras
        if one["errors"] or one["restarts"]
    ]
    if picture["storage_state"] != "ok":
        lines.append(f"storage: {_clean(picture['storage_reason'] or picture['storage_state'])}")
    if picture["config"]["error"]:
        error = _clean(picture["config"]["error"])
        lines.append(f"config: the file was refused, the former one holds: {error}")
    raised = [one for one in cameras if one["alerts"]]
    alerts = [f"{_clean(one['name'])}: alert: {_clean(', '.join(one['alerts']))}" for one in raised]
    painted = [
        paint(part.replace(_GLUE, " "), colour)
        for texts, colour in ((alerts, _RED), (lines, _YELLOW))
        for line in texts
        for part in wrap(line, WIDTH, subsequent_indent="  ")
    ]
    return ["", *painted] if painted else []


def _age(seconds: float) -> str:
    """`12s`, `4m 05s`, `3h 12m`, `9d 04h`."""
    whole = max(round(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days}d {hours % 24:02d}h"
    if hours:
        return f"{hours}h {minutes % 60:02d}m"
    return f"{minutes}m {whole % 60:02d}s" if minutes else f"{whole}s"


def _count(number: int) -> str:
    """At most six characters."""
    if number < 1_000_000:
        return str(number)
    return f"{number / 1e6:.1f}M" if number < 1e9 else f"{number / 1e9:.1f}G"


def _megabytes(number: int | None) -> str:
    return "-" if number is None else f"{number / 1e6:.0f} MB"


def _or_dash(value: float | None, form: str = "d") -> str:
    return "-" if value is None else format(value, form)


def _state(value: str, paint: Callable[[str, str], str]) -> str:
    return paint(_clean(value), _GREEN if value == "ok" else _RED)


def _clean(text: object) -> str:
    """Text of the other side without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def _painted(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m"


def _plain(text: str, _code: str) -> str:
    return text
