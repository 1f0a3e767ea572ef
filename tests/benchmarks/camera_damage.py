"""How many damaged pictures come through, over many seeds, as Markdown.

    python tests/benchmarks/camera_damage.py --seeds 50

`wrong` are pictures that differ from the truth by more than a grey level in the mean of any 16x16 block.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from damage import DAMAGES, send  # noqa: E402
from footage import STREAMS, footage  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=50, help="streams of 60 pictures a row")
    seeds = parser.parse_args().seeds
    print("| damage | stream | pictures sent | given | wrong |\n|---|---|---:|---:|---:|", flush=True)
    wrong = 0
    for damage, harm in DAMAGES.items():
        for name in STREAMS:
            clip = footage(name)
            results = [send(clip, harm, seed) for seed in range(seeds)]
            given, bad = (sum(map(len, part)) for part in zip(*((r.given, r.wrong) for r in results)))  # noqa: B905
            print(f"| {damage} | {name} | {seeds * len(clip.truth)} | {given} | {bad} |", flush=True)
            wrong += bad if "bits" not in damage else 0
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
