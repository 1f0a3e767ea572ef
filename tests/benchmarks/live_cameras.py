"""Real cameras, real broker, the daemon, somebody outside: what is sustained, how late, and at what cost.

python tests/benchmarks/live_cameras.py                       # 1 to 16 cameras of 640x480 and 1080p, overload
python tests/benchmarks/live_cameras.py --cameras 1 8 --scenes vga-3 --seconds 20 --rounds 2
python tests/benchmarks/live_cameras.py --overload            # 16 cameras x 15 frames/s x 6 people only

The cameras' server, mosquitto, `posewatch run` and the client are processes of their own on this machine;
the pictures are coded beforehand. Runs of other numbers of cameras come in turns, `--rounds` times; the table
shows the median round. On a machine that does something else as well, only CPU times and ratios count:
how much else was done is in the table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "integration"), str(Path(__file__).resolve().parent)]

import yaml  # noqa: E402
from live.footage import SCENES  # noqa: E402
from live.prediction import Prediction, predict, prediction_lines  # noqa: E402
from live.report import table_of  # noqa: E402
from live.world import Load, Run, measure  # noqa: E402

CAMERAS = (1, 2, 4, 8, 12, 16)


def main() -> int:
    """Measures and prints."""
    options = _options()
    settings = {} if options.settings is None else yaml.safe_load(options.settings.read_text("utf-8"))
    loads = [
        Load(count, options.rate, scene, options.seconds, options.warm_up, options.same, settings)
        for scene in options.scenes
        for count in options.cameras
        if not options.overload
    ]
    if options.overload or not options.no_overload:
        loads.append(
            Load(16, 15, options.overload_scene, options.seconds, options.warm_up, options.same, settings)
        )
    predictions = [predict(scene, options.rate) for scene in options.scenes] if options.plan else []
    found: dict[int, list[Run]] = {number: [] for number in range(len(loads))}
    for turn in range(options.rounds):
        for number, load in enumerate(loads):
            print(f"round {turn + 1}: {load.cameras} x {load.scene} x {load.rate} frames/s", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                run = measure(load, Path(folder), options.footage)
            found[number].append(run)
            print(
                *table_of([run])[2:],
                f"  start-up {run.start_up}  load {run.load}  overloaded {run.overloaded}",
                sep="\n",
                flush=True,
            )
            _write(options.json, found, predictions)
    print()
    middle = [_median(runs) for runs in found.values()]
    print(*table_of(middle), *prediction_lines(predictions, middle), sep="\n")
    return 0


def _median(runs: Sequence[Run]) -> Run:
    """The round in the middle by CPU time a frame."""
    return sorted(runs, key=lambda run: run.cpu_ms)[(len(runs) - 1) // 2]


def _write(path: Path, found: dict[int, list[Run]], predictions: Sequence[Prediction]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = [
        asdict(run) | {"sustained": run.is_sustained, "evenness": round(run.evenness, 3)}
        for rounds in found.values()
        for run in rounds
    ]
    text = json.dumps({"runs": runs, "predictions": list(predictions)}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", type=int, nargs="+", default=CAMERAS, help="how many, one run each")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=["vga-3", "1080p-3"])
    parser.add_argument("--rate", type=int, default=10, help="frames a second of each camera")
    parser.add_argument("--seconds", type=float, default=30.0, help="measured seconds of each run")
    parser.add_argument("--warm-up", type=float, default=8.0, help="seconds before them")
    parser.add_argument("--rounds", type=int, default=1, help="how often each run is made, in turns")
    parser.add_argument("--overload", action="store_true", help="only 16 cameras x 15 frames/s x 6 people")
    parser.add_argument("--no-overload", action="store_true", help="without them")
    parser.add_argument("--overload-scene", choices=SCENES, default="vga-6")
    parser.add_argument("--same", action="store_true", help="all cameras show the same: for their cost")
    parser.add_argument("--plan", action="store_true", help="compare with what `benchmark --plan` says")
    parser.add_argument("--settings", type=Path, help="YAML laid over the configuration, such as performance")
    parser.add_argument("--json", type=Path, default=ROOT / "out" / "live" / "live_cameras.json")
    parser.add_argument("--footage", type=Path, default=ROOT / "out" / "live" / "footage")
    options = parser.parse_args()
    if not statistics.fmean(options.cameras) >= 1:
        parser.error("--cameras: at least one")
    return options


if __name__ == "__main__":
    sys.exit(main())
