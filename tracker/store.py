"""The models on this machine: those that come with the package, and Google's pose networks in a cache."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tracker.model_files import ModelFiles, sha256_of
from tracker.model_sources import (
    PACKAGE_VERSION,
    POSE_MODELS,
    WHEEL_VERSION,
    PoseModel,
    Report,
    Sources,
    StoreError,
    describe_packages,
    take_models,
)

__all__ = ["POSE_MODELS", "Checked", "Entry", "ModelStore", "StoreError", "cache_folder"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, for a listing.

    Attributes:
        name: what posewatch calls it.
        kind: detector, actions or pose.
        version: of the package that it comes with, posewatch's or Google's.
        state: bundled, cached or missing.
        file: where it is, or would be.
        size: bytes, 0 where it is missing.
        sha256: of the file, empty where it is missing.
        licence: of the weights.
        source: where it is from.
    """

    name: str
    kind: str
    version: str
    state: str
    file: Path
    size: int
    sha256: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A verified file; `problem` is None where it is as it was made, else one line that says what to do."""

    name: str
    file: Path
    problem: str | None = None


def cache_folder() -> Path:
    """$CACHE_DIRECTORY (systemd; the first of a list), else posewatch in $XDG_CACHE_HOME or ~/.cache."""
    if os.environ.get("CACHE_DIRECTORY"):
        return Path(os.environ["CACHE_DIRECTORY"].split(":")[0])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posewatch"


class ModelStore:
    """Finds, fetches, imports, lists and verifies models.

    Args:
        folder: of the pose networks; None for `models` in the cache folder.
        bundled: ONNX files that come with the package, by name, for `entries` and `verify`. Each has a
            model card beside it that names its sha256 and licence.

    Example:
        >>> ModelStore().fetch("pose_full", print)
        PosixPath('/home/user/.cache/posewatch/models/pose_full.onnx')
    """

    def __init__(self, folder: Path | None = None, *, bundled: Mapping[str, Path] | None = None) -> None:
        self.folder = cache_folder() / "models" if folder is None else folder
        self._files = ModelFiles(self.folder)
        self._bundled = dict(bundled or {})

    def path(self, name: str) -> Path:
        """The converted network; converts it again where it is damaged or from another converter.

        Raises:
            ModelError: it is not there; one line that says how to get it.
        """
        from tracker.runtime import MissingModelError, ModelError

        if name not in POSE_MODELS:
            raise ModelError(f"{name}: unknown model: choose {', '.join(POSE_MODELS)}")
        model = POSE_MODELS[name]
        try:
            if not self._files.is_current(model) and not self._restore(model):
                raise MissingModelError(
                    f"{name} is not in {self.folder}: run `{_command()} fetch {name}`, "
                    f"or without a network {_by_hand([model])}"
                )
        except (StoreError, OSError) as error:
            raise ModelError(f"{name} has to be converted again: {error}") from error
        return self._files.onnx(model)

    def fetch(self, name: str, progress: Report) -> Path:
        """Gets one network from its official sources; see `fetch_all`."""
        return self.fetch_all([name], progress)[0]

    def fetch_all(self, names: Sequence[str], progress: Report) -> list[Path]:
        """Gets networks that are not there yet or are damaged, and converts them.

        Args:
            names: of `POSE_MODELS`.
            progress: called with lines of progress; not called where everything is there.

        Returns:
            The ONNX files, in the order of the names.

        Raises:
            StoreError: some could not be had; the others are there.
        """
        models = [_known(name) for name in names]
        missing = [model for model in models if not self._files.is_intact(model)]
        if missing:
            with self._files.writing(progress):
                self._fetch(missing, progress)
        return [self._files.onnx(model) for model in models]

    def import_file(self, path: Path, name: str | None = None) -> list[str]:
        """Takes networks out of a file that was downloaded by hand or came from another machine.

        Args:
            path: a .tflite, mediapipe's wheel, the .tgz of @mediapipe/pose, or what `export_bundle` made.
            name: the only network to take; None for all.

        Returns:
            The names of what was taken.

        Raises:
            StoreError: the file cannot be read, or holds no known network.
        """
        wanted = list(POSE_MODELS.values()) if name is None else [_known(name)]
        found = take_models(path)
        taken = [model for model in wanted if model.name in found]
        if not taken:
            raise StoreError(f"{path}: holds no network of a known sha256: give {describe_packages(wanted)}")
        with self._files.writing():
            for model in taken:
                self._files.keep(model, found[model.name], f"imported from {path.name}")
        return [model.name for model in taken]

    def export_bundle(self, path: Path) -> list[str]:
        """Packs the pose networks that are here, as Google made them, for a machine without a network.

        Args:
            path: the .zip to write; `import_file` on the other machine takes it, and checks each sha256.

        Returns:
            The names of what was packed.

        Raises:
            StoreError: there is nothing to pack, a network is damaged, or the file cannot be written.
        """
        there = [model for model in POSE_MODELS.values() if self._files.tflite(model).is_file()]
        if not there:
            raise StoreError(f"no pose network is in {self.folder}: run `{_command()} fetch pose_full` first")
        for model in there:
            if sha256_of(self._files.tflite(model)) != model.sha256:
                raise StoreError(
                    f"{self._files.tflite(model)}: damaged: run `{_command()} fetch {model.name}` first"
                )
        self._files.pack(there, path)
        return [model.name for model in there]

    def entries(self) -> list[Entry]:
        """Every model, those of the package first."""
        listed = []
        for name, path in self._bundled.items():
            licence = _card(path).get("licence", f"see {path.with_suffix('.md').name}")
            size = path.stat().st_size if path.is_file() else 0
            state = "bundled" if size else "missing"
            listed.append(
                Entry(
                    name=name,
                    kind=name,
                    version=version("posewatch"),
                    state=state,
                    file=path,
                    size=size,
                    sha256=sha256_of(path),
                    licence=licence,
                    source="posewatch",
                )
            )
        for model in POSE_MODELS.values():
            path, record = self._files.onnx(model), self._files.record(model)
            there = record is not None and path.is_file()
            listed.append(
                Entry(
                    name=model.name,
                    kind="pose",
                    version=f"mediapipe {WHEEL_VERSION}" if model.in_wheel else PACKAGE_VERSION,
                    state="cached" if there else "missing",
                    file=path,
                    size=path.stat().st_size if there else 0,
                    sha256=sha256_of(path) if there else "",
                    licence="Apache-2.0 (Google)",
                    source=f"`{_command()} fetch {model.name}`" if record is None else record.source,
                )
            )
        return listed

    def verify(self) -> list[Checked]:
        """Compares files with their sha256, bundled ones by their card, cached ones by their record."""
        checked = [Checked(name, path, _bundled_problem(path)) for name, path in self._bundled.items()]
        for model in POSE_MODELS.values():
            tflite, onnx = self._files.tflite(model), self._files.onnx(model)
            record = self._files.record(model)
            again = f"run `{_command()} fetch {model.name}`"
            if tflite.is_file():
                good = sha256_of(tflite) == model.sha256
                checked.append(Checked(model.name, tflite, None if good else f"damaged: {again}"))
            if onnx.is_file() or record is not None:
                good = record is not None and sha256_of(onnx) == record.onnx_sha256
                problem = "damaged" if onnx.is_file() else "is gone"
                checked.append(Checked(model.name, onnx, None if good else f"{problem}: {again}"))
        return checked

    def _fetch(self, models: Sequence[PoseModel], progress: Report) -> None:
        failed = []
        with self._files.unfinished() as folder:
            sources = Sources(folder, progress)
            # The npm package has all of them: where several are wanted, it spares the wheel.
            for model in sorted(models, key=lambda model: model.in_wheel):
                if self._files.is_intact(model):  # another process fetched it meanwhile
                    continue
                if self._files.restore(model):
                    progress(f"{model.name}: converted again from {self._files.tflite(model)}")
                    continue
                found = sources.get(model)
                if found is None:
                    failed.append(model)
                    continue
                self._files.keep(model, *found)
                progress(f"{model.name}: sha256 as expected, converted to ONNX")
        if failed:
            raise StoreError(
                f"{', '.join(model.name for model in failed)} could not be fetched ("
                f"{'; '.join(sources.failures)}): check network and proxy, or {_by_hand(failed)}"
            )

    def _restore(self, model: PoseModel) -> bool:
        if not self._files.tflite(model).is_file():
            return False
        with self._files.writing():
            return self._files.is_current(model) or self._files.restore(model)


def _known(name: str) -> PoseModel:
    if name not in POSE_MODELS:
        raise StoreError(f"{name}: unknown model: choose {', '.join(POSE_MODELS)}")
    return POSE_MODELS[name]


def _command() -> str:
    """How the command is called so that it writes where this process reads."""
    folder = os.environ.get("CACHE_DIRECTORY")
    return f"CACHE_DIRECTORY={folder.split(':')[0]} posewatch models" if folder else "posewatch models"


def _by_hand(models: Sequence[PoseModel]) -> str:
    return f"`{_command()} import FILE` with {describe_packages(models)}"


def _bundled_problem(path: Path) -> str | None:
    if not path.is_file():
        return "is gone: install posewatch again"
    expected = _card(path).get("sha256", "")
    if not expected:
        return f"its model card {path.with_suffix('.md').name} names no sha256: install posewatch again"
    return None if sha256_of(path) == expected else "damaged: install posewatch again"


def _card(path: Path) -> dict[str, str]:
    """The rows `| key | value |` of a model card, values up to a semicolon; empty without a card."""
    try:
        text = path.with_suffix(".md").read_text(encoding="utf-8")
    except OSError:
        return {}
    rows = re.findall(r"^\| (\w+) \| ([^|;]+)[^|]*\|$", text, re.MULTILINE)
    return {key: value.strip().strip("`") for key, value in rows}
