"""Every accuracy report, one after the other: `make accuracy`. Needs the evaluation data; some hours.

    python tests/accuracy/run_all.py [detection tracking pose_parity ... alerts]

Figures as JSON go into out/accuracy/, contact sheets of lying people into out/accuracy/lying/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("POSEWATCH_DATA", ROOT.parent / "shared" / "data"))
REPORTS = (
    "detection",
    "tracking",
    "pose_parity",
    "pose_backends",
    "pose_following",
    "pose_refinement",
    "recipes",
    "similar_actions",
    "action_model",
    "features_ablation",
    "fall_simulation",
    "fights",
    "alerts",
    "rules",
    "doing",
    "tamper",
    "night",
)

TWICE = (
    "alerts",
)  # with the defaults, and with every economy switched off; `tracking` has both in one table

CORPUS, HELD_OUT = "out/accuracy/corpus", "out/accuracy/held_out.onnx"
TRAIN = ("-m", "daemon.cli", "train", "--folds", "1", "--epochs", "18", "--patience", "0")
CORPUS_REPORTS = {  # what they need of the corpus, and of a network that has not seen its test groups
    "action_model": ("--model", HELD_OUT, "--corpus", CORPUS),
    "features_ablation": (CORPUS,),
    "fall_simulation": ("--model", HELD_OUT),
}


def prepared(out: Path) -> bool:
    """Makes the corpus of motion capture and trains a network on it, once; false where that fails."""
    steps = (
        (ROOT / CORPUS, ["-m", "classifier.training.corpus", "--data", str(DATA), "--out", CORPUS]),
        (
            ROOT / HELD_OUT,
            [*TRAIN, CORPUS, "--out", HELD_OUT],
        ),
    )
    out.mkdir(parents=True, exist_ok=True)
    for made, command in steps:
        if not made.exists() and subprocess.run([sys.executable, *command], check=False, cwd=ROOT).returncode:
            print(f"accuracy: {made.name} could not be made", file=sys.stderr)
            return False
    return True


def main() -> int:
    chosen = sys.argv[1:] or REPORTS
    unknown = set(chosen) - set(REPORTS)
    if unknown:
        print(
            f"accuracy: no report {', '.join(sorted(unknown))}: choose of {', '.join(REPORTS)}",
            file=sys.stderr,
        )
        return 2
    if not DATA.is_dir():
        print(f"accuracy: no evaluation data at {DATA}: set POSEWATCH_DATA", file=sys.stderr)
        return 2
    out = ROOT / "out" / "accuracy"
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in chosen:
        print(f"\n## {name}\n", flush=True)
        if name in CORPUS_REPORTS and not prepared(out):
            failed.append(name)
            continue
        command = [
            sys.executable,
            str(Path(__file__).with_name(f"{name}.py")),
            *CORPUS_REPORTS.get(name, ()),
            "--out",
            str(out / f"{name}.json"),
        ]
        if subprocess.run(command, check=False, cwd=ROOT).returncode:
            failed.append(name)
        elif name in TWICE:
            print(f"\n## {name}, unhurried\n", flush=True)
            again = [*command[:-1], str(out / f"{name}_unhurried.json"), "--unhurried"]
            if subprocess.run(again, check=False, cwd=ROOT).returncode:
                failed.append(f"{name} --unhurried")
        elif name == "detection":
            sheets = [sys.executable, str(Path(__file__).with_name("contact_sheet.py"))]
            if subprocess.run([*sheets, "--out", str(out / "lying")], check=False).returncode:
                failed.append("contact_sheet")
    if failed:
        print(f"accuracy: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
