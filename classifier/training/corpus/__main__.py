"""`python -m classifier.training.corpus --data DATA --out DIR`: writes the training corpus."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from classifier.training.corpus.build import build


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m classifier.training.corpus",
        description="Writes training recordings made from public motion capture and Kinect skeletons.",
        epilog="example: python -m classifier.training.corpus --data ../shared/data --out corpus",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds skeleton/*.npz")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the recordings into")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    try:
        written = build(options.data / "skeleton", options.out, seed=options.seed, progress=print)
    except OSError as error:
        print(f"corpus: {error}: give --data with the skeleton archives", file=sys.stderr)
        return 1
    print(", ".join(f"{label} {count}" for label, count in sorted(written.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
