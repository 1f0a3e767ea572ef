"""The pose networks in a folder: how they lie there, and how they are written.

A network is three files: `NAME.tflite` as Google made it, `NAME.onnx` converted from it, and the record
`NAME.json` of both. The .tflite stays, so that a newer converter needs no network. Each file is
written beside its place and renamed, so no reader meets half a file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tracker.model_sources import PoseModel, Report, StoreError

__all__ = ["CONVERTER_VERSION", "ModelFiles", "Record", "sha256_of"]

CONVERTER_VERSION = 1
"""Of `tracker.conversion`: raised whenever its result changes, so that cached models are made again."""

_UNFINISHED = "fetch-"  # how the names of unfinished files begin
_BUNDLE_LICENCE = (
    "BlazePose pose landmark networks by Google, Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0).\n"
    "Take them in with: posewatch models import FILE\n"
)


@dataclass(frozen=True, slots=True)
class Record:
    """What was converted from what.

    Attributes:
        tflite_sha256: of the network as Google made it.
        onnx_sha256: of the converted one.
        onnx_size: bytes of it.
        converter: version of the converter.
        source: where the network came from.
    """

    tflite_sha256: str
    onnx_sha256: str
    onnx_size: int
    converter: int
    source: str


class ModelFiles:
    """The folder. What changes it (`keep`, `restore`) is called inside `writing`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tflite(self, model: PoseModel) -> Path:
        """Where the network as Google made it is kept."""
        return self.folder / f"{model.name}.tflite"

    def onnx(self, model: PoseModel) -> Path:
        """Where the converted network is kept."""
        return self.folder / f"{model.name}.onnx"

    def record(self, model: PoseModel) -> Record | None:
        """The network's record; None where there is none that can be read."""
        try:
            return Record(**json.loads(self._json(model).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def is_current(self, model: PoseModel) -> bool:
        """Whole and from this converter, as far as can be told without reading the network."""
        record, onnx = self.record(model), self.onnx(model)
        return (
            record is not None
            and record.converter == CONVERTER_VERSION
            and record.tflite_sha256 == model.sha256
            and onnx.is_file()
            and onnx.stat().st_size == record.onnx_size
        )

    def is_intact(self, model: PoseModel) -> bool:
        """As `is_current`, with the content of the files compared; the .tflite may be gone."""
        record = self.record(model)
        return (
            record is not None
            and self.is_current(model)
            and sha256_of(self.onnx(model)) == record.onnx_sha256
            and sha256_of(self.tflite(model)) in (model.sha256, "")
        )

    @contextmanager
    def writing(self, report: Report | None = None) -> Iterator[None]:
        """Keeps other processes from writing, and removes what an ended one left behind.

        Raises:
            StoreError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("a") as file:
                if _lock(file, report):
                    for left in self.folder.glob(f"{_UNFINISHED}*"):
                        shutil.rmtree(left) if left.is_dir() else left.unlink()
                yield
        except OSError as error:
            raise StoreError(
                f"{self.folder}: cannot be written ({error.strerror or error}): give this user the right to, "
                "make space there, or set XDG_CACHE_HOME to another folder"
            ) from error

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """A folder for downloads that is removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=_UNFINISHED) as name:
            yield Path(name)

    def keep(self, model: PoseModel, content: bytes, source: str) -> None:
        """Converts a network and writes its three files, the record last.

        Raises:
            StoreError: it cannot be converted.
            OSError: the folder cannot be written.
        """
        from tracker.conversion import convert_pose_model
        from tracker.runtime import ModelError

        try:
            converted = convert_pose_model(content)
        except ModelError as error:
            raise StoreError(f"{model.file}: cannot be converted: {error}") from error
        record = Record(
            model.sha256, hashlib.sha256(converted).hexdigest(), len(converted), CONVERTER_VERSION, source
        )
        self._write(self.tflite(model), content)
        self._write(self.onnx(model), converted)
        self._write(self._json(model), json.dumps(asdict(record), indent=1).encode())

    def restore(self, model: PoseModel) -> bool:
        """Converts again from the .tflite that is kept; False where that is gone or damaged."""
        if sha256_of(self.tflite(model)) != model.sha256:
            return False
        record = self.record(model)
        self.keep(model, self.tflite(model).read_bytes(), "unknown" if record is None else record.source)
        return True

    def pack(self, models: Iterable[PoseModel], path: Path) -> None:
        """Writes a .zip with the networks as Google made them.

        Raises:
            StoreError: the file cannot be written.
        """
        unfinished = path.with_name(f"{path.name}.part")
        try:
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
                for model in models:
                    archive.write(self.tflite(model), model.file)
                archive.writestr("LICENCE.txt", _BUNDLE_LICENCE)
            unfinished.replace(path)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written ({error.strerror or error}): choose another"
            ) from error
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _json(self, model: PoseModel) -> Path:
        return self.folder / f"{model.name}.json"

    def _write(self, path: Path, content: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=_UNFINISHED, delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)  # whoever fetches, the service can read it
                Path(file.name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise


def sha256_of(path: Path) -> str:
    """Hexadecimal; empty where there is no such file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def _lock(file: IO[str], report: Report | None) -> bool:
    """Waits for the lock; False where the file system has none, which unique temporary names make up for."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if report is not None:
            report("waiting for another posewatch that writes models")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True
