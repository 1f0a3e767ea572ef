"""The figures as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daemon.benchmarking.ratios import TOLERANCE, Slower

__all__ = ["report", "verdict"]


def report(figures: Mapping[str, Any]) -> str:
    """Everything that was measured, part after part."""
    lines = [*_runs(figures), *_detectors(figures), *_settings(figures), *_counts(figures)]
    return "\n".join([*lines, *_people(figures), *_against(figures)])


def verdict(slower: Sequence[Slower], compared: int, name: str) -> str:
    """What a comparison with committed figures came to."""
    if not slower:
        return f"{compared} ratios as in {name}, or better; {TOLERANCE:.0%} worse would count"
    lines = [f"{len(slower)} of {compared} ratios are more than {TOLERANCE:.0%} worse than in {name}:"]
    width = max(len(one.name) for one in slower)
    lines += [f"  {one.name:<{width}}  {one.was:8.3f} -> {one.now:8.3f}" for one in slower]
    return "\n".join(lines)


def _runs(figures: Mapping[str, Any]) -> Iterator[str]:
    if not figures["runs"]:
        return
    one, every = figures["runs"][0], figures["runs"][-1]
    stages = "  ".join(f"{name} {value:.1f}" for name, value in one["stages"].items())
    yield (
        f"{figures['clip']}: {one['width']}x{one['height']}, {one['frames']} frames, "
        f"{one['people']:.1f} people a frame, {figures['cores']} cores"
    )
    yield f"  one worker  {_speed(one)} frames/s, {1000 / one['frames_per_second']:.1f} ms a frame: {stages}"
    if every["workers"] > 1:
        yield f"  {every['workers']} workers   {_speed(every)} frames/s, a camera each"
    cameras = every["frames_per_second"] / every["camera_fps"]
    yield f"  cameras     {cameras:.1f} at {every['camera_fps']:g} frames/s with so many people in sight"
    yield f"  start-up    {one['start_up']:.2f} s to the end of the first frame"
    yield f"  memory      {_megabytes(one)} with one worker, {_megabytes(every)} with {every['workers']}"


def _detectors(figures: Mapping[str, Any]) -> Iterator[str]:
    heading = "detector"
    for cost in figures["detectors"]:
        yield (
            f"  {heading:<11} {cost['setting']:<10} {cost['milliseconds']:6.1f} ms of a core, "
            f"{cost['ratio']:.2f}x, {cost['people']:.1f} people a frame"
        )
        heading = ""


def _settings(figures: Mapping[str, Any]) -> Iterator[str]:
    table = figures.get("settings", {})
    if not table:
        return
    names = list(next(iter(table.values()))["stages"])
    yield ""
    yield "ms of a core a frame, one worker, median (quartiles) of the rounds, then by stage"
    yield _row("", "all", "quartiles", *names)
    for name, one in table.items():
        low, median, high = one["processor"]
        cells = [f"{one['stages'].get(stage, 0.0):.2f}" for stage in names]
        yield _row(name, f"{median:.1f}", f"{low:.1f}-{high:.1f}", *cells)


def _counts(figures: Mapping[str, Any]) -> Iterator[str]:
    for part, unit in (("workers", "two cameras each"), ("cameras", "all workers")):
        table = figures.get(part, {})
        if not table:
            continue
        yield ""
        yield _row(f"{part}, {unit}", "frames/s", "quartiles", "ms/frame", "quartiles", width=28)
        for count, one in table.items():
            yield _row(count, *_spreads(one), width=28)


def _people(figures: Mapping[str, Any]) -> Iterator[str]:
    table = figures.get("people", {})
    if not table:
        return
    yield ""
    yield "people put into view (real ones, from other moments of the clip), one worker, ms of a core a frame"
    yield _row("", "found", "defaults", "quartiles", "unhurried", "quartiles")
    for count, both in table.items():
        cells = [text for name in ("defaults", "unhurried") for text in _spreads(both[name])[2:]]
        yield _row(count, f"{both['defaults']['people']:.1f}", *cells)
    if figures["scenes_missing"]:
        numbers = ", ".join(map(str, figures["scenes_missing"]))
        yield f"  no scene with {numbers} people: too few who walk apart from each other in this clip"


def _against(figures: Mapping[str, Any]) -> Iterator[str]:
    found = figures.get("against", {})
    if not found:
        return
    pipelines, ratios = found["pipelines"], figures["ratios"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    yield ""
    yield f"against other pipelines, the same frames in turns ({versions})"
    yield _row("", "frames/s", "quartiles", "ms/frame", "quartiles", "people", "ours is", "in time", width=46)
    for name, one in pipelines.items():
        text, more = one["what"], []
        if one["weights"] is not None:
            text += f", {one['processes']} process" + ("es" if one["processes"] > 1 else "")
            time = 1.0 / ratios[f"defaults to {name}, time"]
            more = [f"{ratios[f'defaults to {name}, frames/s']:.1f}x", f"{time:.1f}x"]
        yield _row(text, *_spreads(one), f"{one['people']:.1f}", *more, width=46)
    if "random" in [one["weights"] for one in pipelines.values()]:
        yield (
            "  random weights, as real ones are not there: they take the same time but find nobody, so\n"
            "  their tracking costs too little; poses are read in our boxes, of as many people as we confirm"
        )


def _spreads(one: Mapping[str, Any]) -> list[str]:
    """Frames a second and ms a frame, each with its quartiles."""
    (slow, speed, fast), (low, spent, high) = one["frames_per_second"], one["processor"]
    return [f"{speed:.1f}", f"{slow:.1f}-{fast:.1f}", f"{spent:.1f}", f"{low:.1f}-{high:.1f}"]


def _row(name: str, *cells: str, width: int = 12) -> str:
    return f"  {name:<{width}}" + "".join(f"{cell:>12}" for cell in cells)


def _speed(run: Mapping[str, Any]) -> str:
    return f"{run['frames_per_second']:.1f}"


def _megabytes(run: Mapping[str, Any]) -> str:
    return "unknown" if run["rss"] is None else f"{run['rss'] / 1e6:.0f} MB"
