"""The fault table, as Markdown: every row is a scenario that the tests run, too, with a real mosquitto.

    python tests/benchmarks/faults.py                  as root all rows but the last
    POSEWATCH_NETWORK_TESTS=1 python tests/benchmarks/faults.py

`seconds` is the time from the end of the fault until the last message had come.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from fault_scenarios import SCENARIOS, Outcome, Unavailable, killed_daemon  # noqa: E402

from daemon.demo.sample import fetch_sample  # noqa: E402
from daemon.demo.servers import transcode  # noqa: E402


def row(name: str, outcome: Outcome) -> str:
    order = "" if outcome.in_order else " (out of order)"
    cells = (
        name, len(outcome.sent), len(set(outcome.received) & set(outcome.sent)), outcome.duplicates,
        f"{outcome.lost}{order}", f"{outcome.seconds:.1f}",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="rows whose name contains this")
    only = parser.parse_args().only
    print("| fault | messages sent | received | duplicates | lost | seconds to recover |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    lost = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenarios = dict(SCENARIOS)
        killed = "daemon killed (SIGKILL) between detection and publishing"
        if only in killed:
            clip = transcode(fetch_sample(lambda _: None), folder / "street.mp4", seconds=8.0)
            scenarios[killed] = partial(killed_daemon, clip=clip)
        for number, (fault, scenario) in enumerate(scenarios.items()):
            if only not in fault:
                continue
            (folder / str(number)).mkdir()
            try:
                outcome = scenario(folder / str(number))
            except Unavailable as reason:
                print(f"| {fault} | not run: {reason} |||||", flush=True)
                continue
            print(row(fault, outcome), flush=True)
            lost += outcome.lost
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
