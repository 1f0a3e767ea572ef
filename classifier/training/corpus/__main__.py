"""`python -m classifier.training.corpus --data DATA --out DIR`: writes the training corpus."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from classifier.model import ActionModel
from classifier.recording import Recording, RecordingError, write_recording
from classifier.training.corpus.build import build
from classifier.training.corpus.footage import fight_clips, gmdcsa24


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m classifier.training.corpus",
        description="Writes training recordings made from public motion capture and Kinect skeletons.",
        epilog="example: python -m classifier.training.corpus --data ../shared/data --out corpus",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with skeleton/*.npz and video/")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the recordings into")
    parser.add_argument(
        "--landmarks",
        type=Path,
        help="landmarks of the footage: `posewatch replay --landmarks` of each folder of gmdcsa24 into "
        "gmdcsa24/SUBJECT/KIND, and of surv_fight into surv_fight; left out: motion capture only",
    )
    parser.add_argument("--model", type=Path, help="names harmless footage (default: the bundled one)")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    try:
        written = build(options.data / "skeleton", options.out, seed=options.seed, progress=print)
        if options.landmarks is not None:
            written += _footage(options)
    except (OSError, RecordingError) as error:
        print(f"corpus: {error}: give --data with skeleton/ and video/", file=sys.stderr)
        return 1
    print(", ".join(f"{label} {count}" for label, count in sorted(written.items())))
    return 0


def _footage(options: argparse.Namespace) -> Counter[str]:
    video, landmarks = options.data / "video", options.landmarks
    written: Counter[str] = Counter()
    takes: list[Recording] = [
        *gmdcsa24(landmarks / "gmdcsa24", video / "gmdcsa24"),
        *fight_clips(landmarks / "surv_fight", video / "surv_fight", ActionModel(options.model)),
    ]
    for take in takes:
        write_recording(options.out / take.group / take.track / f"{take.label.upper()}.txt", take)
        written[take.label] += 1
    print(f"{len(takes)} takes of real footage: {dict(written)}")
    return written


if __name__ == "__main__":
    sys.exit(main())
