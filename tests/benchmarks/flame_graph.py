"""Where the time of a frame goes: flame graph, share of Python by stage, the largest costs.

    python tests/benchmarks/flame_graph.py [CLIP] [--frames 300] [--svg docs/flame.svg] [--json FILE]

Drives the pipeline on a clip (OpenCV's vtest.avi, fetched, when left out) in one thread under py-spy with
native frames (`pip install py-spy`, or the extra `bench`), 300 samples a second; may need root where ptrace
is restricted. Each sample belongs to the library of its innermost frame (libc belongs to its caller).
"Python" is what is in none: the interpreter and its objects. The share of all that is neither in ONNX
Runtime nor in OpenCV is found a second time without py-spy, by a clock around each of their calls: both are
printed and should agree.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]

from profiling.stacks import KINDS, Sample, largest, read_samples, shares  # noqa: E402
from profiling.svg import flame_graph  # noqa: E402

from daemon.benchmarking.settings import VARIANTS  # noqa: E402
from daemon.timing import in_order  # noqa: E402

_RATE = 300  # samples a second
_LARGEST = 12  # costs named


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--settings", choices=VARIANTS, default="defaults")
    parser.add_argument("--svg", type=Path, default=ROOT / "out" / "flame.svg")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        print("py-spy is missing: pip install py-spy", file=sys.stderr)
        return 2
    if options.clip is None:
        from daemon.demo.sample import fetch_sample

        options.clip = fetch_sample(lambda text: print(text, file=sys.stderr))
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "stacks.txt"
        record = [spy, "record", "--native", "--rate", str(_RATE), "--format", "raw", "--output", str(raw)]
        driven = _drive([*record, "--"], options)
        samples = read_samples(raw, ROOT)
    clocked = _drive([], options, "--time-native")
    figures = _figures(samples, driven, clocked)
    print(_report(figures))
    options.svg.parent.mkdir(parents=True, exist_ok=True)
    title = (
        f"{options.clip.name}, {options.settings}, one thread: {driven['milliseconds']:.1f} ms a frame, "
        f"Python {figures['python_percent']:.0f} %"
    )
    picture = flame_graph(samples, list(figures["stages"]), driven["milliseconds"], title)
    options.svg.write_text(picture, encoding="utf-8")
    print(f"\n{options.svg}: {options.svg.stat().st_size / 1000:.0f} kB")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _drive(before: list[str], options: argparse.Namespace, *more: str) -> dict[str, Any]:
    driver = Path(__file__).parent / "profiling" / "drive.py"
    command = [*before, sys.executable, str(driver), str(options.clip), "--frames", str(options.frames)]
    command += ["--settings", options.settings, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    start, end = done.stdout.find('{"frames"'), done.stdout.rfind("}")  # py-spy speaks on stdout, too
    if done.returncode or start < 0:
        sys.exit(f"{command[0]} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    found: dict[str, Any] = json.loads(done.stdout[start : end + 1])
    return found


def _figures(samples: list[Sample], driven: dict[str, Any], clocked: dict[str, Any]) -> dict[str, Any]:
    """ms a frame by stage and kind, the share of Python, and the largest costs."""
    table, total = shares(samples), sum(sample.count for sample in samples)
    scale = driven["milliseconds"] / total
    stages = {
        stage: {kind: table[stage][kind] * scale for kind in KINDS if table[stage][kind]}
        for stage in in_order(table)
    }
    kinds = {kind: sum(stage.get(kind, 0.0) for stage in stages.values()) for kind in KINDS}
    outside = 100.0 * (1.0 - (kinds["network"] + kinds["opencv"]) / driven["milliseconds"])
    costs = [
        {"stage": stage, "kind": kind, "function": name, "ms": count * scale}
        for (stage, kind, name), count in largest(samples).most_common()
    ]
    return {
        "frames": driven["frames"],
        "samples": total,
        "milliseconds": driven["milliseconds"],
        "stages": stages,
        "kinds": {kind: value for kind, value in kinds.items() if value},
        "python_percent": 100.0 * kinds["python"] / driven["milliseconds"],
        "outside_networks_and_opencv_percent": {
            "py-spy": outside,
            "clock": 100.0 * (1.0 - sum(clocked["native"].values()) / clocked["milliseconds"]),
        },
        "costs": costs[:60],
    }


def _report(figures: dict[str, Any]) -> str:
    all_ms, kinds = figures["milliseconds"], figures["kinds"]
    heads = [KINDS[kind].split()[0] for kind in kinds]
    lines = [
        f"{figures['frames']} frames, {all_ms:.1f} ms of a core a frame, {figures['samples']} samples",
        "",
        f"{'ms a frame':<12}{'all':>8}" + "".join(f"{head:>9}" for head in heads) + f"{'Python %':>10}",
    ]
    for stage, row in [*figures["stages"].items(), ("all", kinds)]:
        whole = sum(row.values())
        cells = "".join(f"{row.get(kind, 0.0):>9.2f}" for kind in kinds)
        lines.append(f"{stage:<12}{whole:>8.2f}{cells}{100 * row.get('python', 0.0) / whole:>10.0f}")
    lines += ["", f"largest costs, and what each is of all {all_ms:.1f} ms:"]
    for cost in figures["costs"][:_LARGEST]:
        share = 100 * cost["ms"] / all_ms
        what = f"{cost['stage']}: {cost['function']}, {KINDS[cost['kind']]}"
        lines.append(f"{cost['ms']:>8.2f} ms {share:>5.1f} %  {what}")
    lines += ["", "most of Python:"]
    python = [cost for cost in figures["costs"] if cost["kind"] == "python"][:_LARGEST]
    lines += [f"{cost['ms']:>8.2f} ms          {cost['stage']}: {cost['function']}" for cost in python]
    outside = figures["outside_networks_and_opencv_percent"]
    lines += [
        "",
        f"Python is {figures['python_percent']:.1f} % of the time; outside ONNX Runtime and OpenCV are "
        f"{outside['py-spy']:.1f} % by py-spy, {outside['clock']:.1f} % by a clock around their calls",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
