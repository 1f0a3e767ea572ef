"""`python -m tracker.training.refiner --data clean.npz --out pose_refiner.onnx`: trains the pose refiner."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from tracker.training.refiner.takes import read_takes, split
from tracker.training.refiner.training import Settings, train


def main() -> int:
    """Runs the command."""
    usual = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m tracker.training.refiner",
        description="Trains the pose refiner; writes ONNX, weights (.pt), figures (.json) and curves (.png).",
        epilog="example: python -m tracker.training.refiner --data clean.npz --out pose_refiner.onnx",
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="npz of `python -m classifier.training.corpus.clean`"
    )
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    parser.add_argument("--init", type=Path, help="weights (.pt) of an earlier run to go on from")
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--minutes", type=float, default=usual.minutes, help="wall time; 0 is no limit")
    parser.add_argument("--batch", type=int, default=usual.batch)
    parser.add_argument("--length", type=int, default=usual.length, help="frames of a sequence")
    parser.add_argument("--rate", type=float, default=usual.rate, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--threads", type=int, default=usual.threads)
    parser.add_argument("--licence", default=usual.licence, help="of the weights, for the model's metadata")
    given = vars(parser.parse_args())
    data, out, init = given.pop("data"), given.pop("out"), given.pop("init")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        training, validation, _ = split(read_takes(data))
        figures = train(training, validation, out, Settings(**given), init=init)
    except (OSError, ValueError) as error:
        print(f"refiner: {error}", file=sys.stderr)
        return 1
    print(f"{out}: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
