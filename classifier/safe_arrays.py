"""Reads ``.npz`` files from strangers: arrays of objects are pickles, and a pickle may run anything.

A pickle is first looked through without being run: only operations that build plain values are allowed. Then
it is read with stand-ins for the few names that NumPy writes, which are made into arrays here; nothing else
can be named, so nothing is imported or called, and no memory is taken that the file does not hold.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["read_arrays"]

_LARGEST = 1 << 29  # bytes of an array: 900 hours of poses at 30 a second
_KINDS = "biufSU"
_OPERATIONS = """
PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1 FLOAT BINFLOAT BINUNICODE
SHORT_BINUNICODE BINUNICODE8 UNICODE BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT GLOBAL STACK_GLOBAL REDUCE BUILD
PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET MEMOIZE
"""
_MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an ``.npz`` file by their names; an array of objects holds arrays, lists and text.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, too large, or holds something else than arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if sum(member.file_size for member in members) > _LARGEST:
                raise ValueError(f"holds more than {_LARGEST >> 20} MB")
            # `read` ends with an error where a member is larger than it says.
            return {member.filename[:-4]: _array(archive.read(member)) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise ValueError(f"is no whole .npz file ({error})") from None


def _array(data: bytes) -> npt.NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, kind = read_header(stream)
    except Exception as error:  # whatever NumPy says of a header that it cannot read
        raise ValueError(f"an array has no readable header ({type(error).__name__})") from None
    rest = data[stream.tell() :]
    if kind.hasobject:
        if kind != np.dtype(object):
            raise ValueError("holds an array of records: save plain arrays")
        return _objects(rest)
    return _shaped(rest, kind, shape, fortran)


def _shaped(data: bytes, kind: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> npt.NDArray[Any]:
    if kind.kind not in _KINDS or not kind.itemsize:
        raise ValueError(f"holds an array of {kind}: only numbers and text")
    if any(side < 0 for side in shape) or len(data) != math.prod(shape) * kind.itemsize:
        raise ValueError("an array is cut off")
    flat = np.frombuffer(data, kind)
    return flat.reshape(shape, order="F" if fortran else "C")


def _objects(data: bytes) -> npt.NDArray[Any]:
    """An array of objects; its elements become arrays, lists and text."""
    try:
        allowed = frozenset(_OPERATIONS.split())
        for operation, argument, _ in pickletools.genops(data):
            if operation.name not in allowed:
                raise ValueError(f"pickle operation {operation.name}")
            if operation.name in _MEMO and int(argument or 0) > len(data):
                raise ValueError("pickle with a place out of range")
        found = _Reader(io.BytesIO(data)).load()
        array = _made(found)
    except Exception as error:  # a hostile file may fail in any way; none of them runs what it holds
        text = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"holds something else than arrays ({text[0][:80]}): refused") from None
    if not isinstance(array, np.ndarray):
        raise ValueError("holds something else than arrays: refused")
    return array


class _Kind:
    """Stands for numpy.dtype."""

    def __init__(self, name: object, *_: object) -> None:
        if not isinstance(name, str) or name[:1] not in f"{_KINDS}O" or not name[1:].isdecimal():
            raise ValueError(f"an array of {str(name)[:20]}")
        self.name, self.order = name, "="

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|"):
            self.order = state[1]

    def made(self) -> np.dtype[Any]:
        return np.dtype(object) if self.name[0] == "O" else np.dtype(self.order + self.name)


class _Array:
    """Stands for numpy.ndarray."""

    def __init__(self, *_: object) -> None:
        self.array: npt.NDArray[Any] | None = None

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("an array without a state")
        self.array = _filled(*state[1:])


def _filled(shape: Any, kind: Any, fortran: Any, data: Any) -> npt.NDArray[Any]:
    if not isinstance(kind, _Kind) or not all(type(side) is int for side in shape):
        raise ValueError("an array without a kind")
    if kind.name[0] != "O":
        if not isinstance(data, bytes):
            raise ValueError("an array without data")
        return _shaped(data, kind.made(), tuple(shape), bool(fortran))
    if not isinstance(data, list) or any(side < 0 for side in shape) or math.prod(shape) != len(data):
        raise ValueError("an array is cut off")
    flat = np.empty(len(data), object)
    for place, element in enumerate(data):
        flat[place] = _made(element)
    return flat.reshape(shape, order="F" if fortran else "C")


def _buffered(data: object, kind: object, shape: object, order: object) -> _Array:
    """Stands for numpy._core.numeric._frombuffer."""
    array = _Array()
    array.array = _filled(shape, kind, order == "F", data)
    return array


def _scalar(kind: object, data: object) -> object:
    """Stands for numpy's scalars."""
    return _filled((), kind, False, data)[()]


def _reconstruct(*_: object) -> _Array:
    """Stands for NumPy's own maker of arrays, which would take any memory that is asked for."""
    return _Array()


def _made(found: object) -> object:
    return found.array if isinstance(found, _Array) else found


_NAMES = {
    ("multiarray", "_reconstruct"): _reconstruct,
    ("multiarray", "scalar"): _scalar,
    ("numeric", "_frombuffer"): _buffered,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
}
_MODULES = (
    "numpy",
    *(f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")),
)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_in = _NAMES.get((module.rpartition(".")[2], name)) if module in _MODULES else None
        if stand_in is None:
            raise ValueError(f"names {module}.{name}")
        return stand_in
