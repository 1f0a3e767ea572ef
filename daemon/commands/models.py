"""`posewatch models list|fetch|verify|export|import`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command

if TYPE_CHECKING:
    from tracker.store import ModelStore

__all__ = ["add_models"]

_ALL = "all"


def add_models(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "models",
        "list, fetch, verify, export and import models",
        "posewatch models fetch",
    )
    kinds = parser.add_subparsers(dest="models_command", metavar="COMMAND", required=True)
    listing = add_command(
        kinds, "list", "show every model, its licence and whether it is there", "posewatch models list"
    )
    listing.set_defaults(run=run_list)
    fetch = add_command(
        kinds,
        "fetch",
        "get pose networks from their official sources and convert them to ONNX",
        "posewatch models fetch pose_lite",
    )
    fetch.add_argument(
        "names", nargs="*", metavar="NAME", help="pose_full (the default), pose_lite, pose_heavy or all"
    )
    fetch.set_defaults(run=run_fetch)
    verify = add_command(
        kinds, "verify", "compare every model file with its sha256", "posewatch models verify"
    )
    verify.set_defaults(run=run_verify)
    importing = add_command(
        kinds,
        "import",
        "take pose networks out of files that were downloaded by hand",
        "posewatch models import mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl",
    )
    importing.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the wheel of mediapipe 0.10.21, the .tgz of @mediapipe/pose 0.5.1675469404 or a .tflite",
    )
    importing.set_defaults(run=run_import)
    export = add_command(
        kinds,
        "export",
        "make an ONNX detector of ultralytics' .pt weights (extra `ultralytics`)",
        "posewatch models export yolo11n.pt --imgsz 384 640",
    )
    export.add_argument("file", type=Path, metavar="FILE", help="weights of a detection model (.pt)")
    export.add_argument(
        "--imgsz",
        nargs="+",
        type=int,
        default=[640],
        metavar="PIXELS",
        help="side of the input, or height and width (default 640); less is faster and loses small people",
    )
    export.add_argument(
        "--out", type=Path, metavar="FILE", help="the ONNX file to write (default: beside the weights)"
    )
    export.set_defaults(run=run_export)


def run_list(_options: argparse.Namespace) -> int:
    """Prints a table."""
    rows = [("NAME", "STATE", "SIZE", "SHA256", "LICENCE", "SOURCE", "FILE")]
    for entry in _with_bundled().entries():
        size = f"{entry.size / 1e6:.1f} MB" if entry.size else "-"
        file = str(entry.file) if entry.size else "-"
        rows.append(
            (entry.name, entry.state, size, entry.sha256[:12] or "-", entry.licence, entry.source, file)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def run_fetch(options: argparse.Namespace) -> int:
    """Fetches what is not there; progress goes to stderr, the files to stdout."""
    from daemon.errors import UsageError
    from tracker.store import POSE_MODELS, ModelStore

    names = list(dict.fromkeys(options.names or ["pose_full"]))
    unknown = [name for name in names if name not in POSE_MODELS and name != _ALL]
    if unknown:
        raise UsageError(f"{unknown[0]}: unknown model: choose {', '.join(POSE_MODELS)} or {_ALL}")
    names = list(POSE_MODELS) if _ALL in names else names
    fetched: list[str] = []  # lines of progress: none where everything is there

    def report(line: str) -> None:
        fetched.append(line)
        _say(line)

    paths = ModelStore().fetch_all(names, report)
    for name, path in zip(names, paths, strict=True):
        print(f"{name}: {'' if fetched else 'already there, '}{path}")
    return 0


def run_verify(_options: argparse.Namespace) -> int:
    """Prints a line a file, the bad ones on stderr; 1 where there is a bad one."""
    checked = _with_bundled().verify()
    for file in checked:
        if file.problem is None:
            print(f"{file.name}: ok, {file.file}")
        else:
            print(f"posewatch: {file.name}: {file.file}: {file.problem}", file=sys.stderr)
    return int(any(file.problem for file in checked))


def run_import(options: argparse.Namespace) -> int:
    """Imports each file; prints what was taken."""
    from tracker.store import ModelStore

    store = ModelStore()
    for path in options.files:
        for name in store.import_file(path):
            print(f"{name}: taken from {path}, {store.path(name)}")
    return 0


def run_export(options: argparse.Namespace) -> int:
    """Exports; prints the file and how it is used."""
    from daemon.errors import UsageError
    from tracker.exporting import export_detector

    sizes = options.imgsz
    if len(sizes) > 2 or not all(32 <= size <= 4096 and size % 32 == 0 for size in sizes):
        raise UsageError("--imgsz: give one or two multiples of 32, such as 640, or 384 640 (height, width)")
    made = export_detector(options.file, _say, options.out, (sizes[0], sizes[-1]))
    print(f"{made.file}: licence {made.licence}; use it with `detect: {{model: {made.file.resolve()}}}`")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _with_bundled() -> ModelStore:
    """The store with what the package brings, which takes longer to import."""
    from importlib.resources import files

    from tracker.detector import bundled_model
    from tracker.store import ModelStore

    actions = Path(str(files("classifier"))) / "models" / "actions.onnx"
    return ModelStore(bundled={"detector": bundled_model(), "actions": actions})
