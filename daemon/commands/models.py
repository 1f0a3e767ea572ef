"""`posewatch models list|fetch|verify|export|import`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.commands.parsing import Subparsers, add_command, config_argument

if TYPE_CHECKING:
    from daemon.config import CameraConfig
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
    config_argument(listing, required=False)
    listing.add_argument("--json", action="store_true", help="as JSON, with whole sha256")
    listing.set_defaults(run=run_list)
    fetch = add_command(
        kinds,
        "fetch",
        "get pose networks from their official sources and convert them to ONNX",
        "posewatch models fetch pose_lite",
    )
    fetch.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="pose_full, pose_lite, pose_heavy or all (default: pose_full, and pose_lite if it is to be had)",
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
        help="a bundle of `models export`, the wheel of mediapipe 0.10.21, the .tgz of @mediapipe/pose "
        "0.5.1675469404 or a .tflite",
    )
    importing.set_defaults(run=run_import)
    export = add_command(
        kinds,
        "export",
        "pack the fetched models for a machine without a network (.zip), or make an ONNX detector of "
        "ultralytics' weights (.pt, extra `ultralytics`)",
        "posewatch models export models.zip\n  posewatch models export yolo11n.pt --imgsz 384 640",
    )
    export.add_argument(
        "file", type=Path, metavar="FILE", help="the bundle to write (.zip), or weights to read (.pt)"
    )
    export.add_argument(
        "--imgsz",
        nargs="+",
        type=int,
        default=[640],
        metavar="PIXELS",
        help="of .pt: side of the input, or height and width (default 640); less is faster, sees less far",
    )
    export.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="of .pt: the ONNX file to write (default: beside the weights)",
    )
    export.set_defaults(run=run_export)


def run_list(options: argparse.Namespace) -> int:
    """Prints a table, or JSON."""
    entries = _with_bundled().entries()
    used = _used(options.config)
    known = {str(entry.file.resolve()) for entry in entries}
    own = [_own_model(kind, file, cameras) for (kind, file), cameras in used.items() if file not in known]
    rows = [
        {
            "name": entry.name,
            "kind": entry.kind,
            "version": entry.version,
            "state": entry.state,
            "size": entry.size,
            "sha256": entry.sha256,
            "licence": entry.licence,
            "source": entry.source,
            "file": str(entry.file) if entry.size else "",
            "in_use": used.get((entry.kind, str(entry.file.resolve())), []),
        }
        for entry in entries
    ] + own
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    table = [[column.upper().replace("_", " ") for column in rows[0]]]
    for row in rows:
        shown = row | {
            "size": f"{row['size'] / 1e6:.1f} MB" if row["size"] else "",
            "sha256": str(row["sha256"])[:12],
            "in_use": ", ".join(row["in_use"]),
        }
        table.append([str(cell) or "-" for cell in shown.values()])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    return 0


def _used(config: Path | None) -> dict[tuple[str, str], list[str]]:
    """Cameras by kind and file of the model that they use; without a configuration those of the defaults."""
    from daemon.config import CameraConfig, load_config
    from tracker.store import POSE_MODELS, cache_folder

    if config is None:
        cameras = {"by default": CameraConfig(url="rtsp://localhost")}
    else:
        cameras = dict(load_config(config).cameras)
    bundled = _bundled()
    used: dict[tuple[str, str], list[str]] = {}
    for name, camera in cameras.items():
        files = [
            ("detector", camera.detect.model or bundled["detector"]),
            ("actions", camera.actions.model or bundled["actions"]),
            *_fight_files(camera, bundled),
        ]
        if camera.pose.backend == "onnx":  # mediapipe brings its own networks in its package
            for variant in ("full", "lite") if camera.pose.model == "auto" else (camera.pose.model,):
                fetched = cache_folder() / "models" / f"pose_{variant}.onnx"
                known = f"pose_{variant}" in POSE_MODELS
                files.append(("pose", fetched if known else Path(variant)))
        if camera.pose.smoothing == "refine":
            files.append(("refiner", bundled["refiner"]))
        for kind, file in files:
            used.setdefault((kind, str(Path(file).resolve())), []).append(name)
    return used


def _fight_files(camera: CameraConfig, bundled: Mapping[str, Path]) -> list[tuple[str, Path]]:
    """Both files of what looks for fights, where a rule asks for it."""
    from classifier.fights.model import look_beside
    from daemon.fight_reader import watches_fights

    if not watches_fights(camera):
        return []
    judge = Path(camera.fights.model or bundled["fights"])
    return [("fights", judge), ("fights_look", look_beside(judge))]


def _own_model(kind: str, file: str, cameras: list[str]) -> dict[str, Any]:
    """A model of the user's that a configuration names; what it says of itself."""
    import onnx

    from tracker.model_files import sha256_of

    path = Path(file)
    try:
        about = {item.key: item.value for item in onnx.load(file, load_external_data=False).metadata_props}
    except Exception:  # protobuf's and onnx's own errors: the listing goes on, `check` and `run` name them
        about = {}
    return {
        "name": path.stem,
        "kind": kind,
        "version": about.get("version", ""),
        "state": "yours" if path.is_file() else "missing",
        "size": path.stat().st_size if path.is_file() else 0,
        "sha256": sha256_of(path),
        "licence": about.get("license", "unknown"),
        "source": "configuration",
        "file": file,
        "in_use": cameras,
    }


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
    if not options.names:
        _fetch_light()
    return 0


def _fetch_light() -> None:
    """Fetches the light network, without which everything works, and steady people cost more."""
    from tracker.store import ModelStore, StoreError

    try:
        path = ModelStore().fetch("pose_lite", _say)
    except StoreError as error:
        _say(f"goes on without pose_lite, the full network reads everybody: {error}")
    else:
        print(f"pose_lite: {path}")


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

    if options.file.suffix.lower() == ".zip":
        from tracker.store import ModelStore

        for name in ModelStore().export_bundle(options.file):
            print(f"{name}: packed into {options.file}")
        print(f"take it in on the other machine with `posewatch models import {options.file.name}`")
        return 0
    if options.file.suffix.lower() != ".pt":
        raise UsageError(f"{options.file}: give a .zip to pack the models into, or .pt weights to convert")
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
    from tracker.store import ModelStore

    return ModelStore(bundled=_bundled())


def _bundled() -> dict[str, Path]:
    from importlib.resources import files

    from tracker.detector import bundled_model
    from tracker.refinement import bundled_refiner

    actions = Path(str(files("classifier"))) / "models" / "actions.onnx"
    fights = actions.with_name("fights.onnx")
    return {
        "detector": bundled_model(),
        "actions": actions,
        "fights": fights,
        "fights_look": fights.with_name("fights_look.onnx"),
        "refiner": bundled_refiner(),
    }
