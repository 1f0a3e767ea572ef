"""Model files from strangers: damaged ones, and whole ones made to crash, hang or fill the memory."""

# ruff: noqa: E501 - a case a line

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tracker.detector import bundled_model

__all__ = ["ARCHIVES", "BUNDLED", "MADE", "damaged", "write_archive"]

_MODELS = bundled_model().parents[2]
BUNDLED: dict[str, Path] = {
    "detect": bundled_model(),
    "actions": _MODELS / "classifier" / "models" / "actions.onnx",
    "fights": _MODELS / "classifier" / "models" / "fights.onnx",
}
"""By section of the configuration: a good model, to be damaged."""

_FLOAT = TensorProto.FLOAT
_IMAGE = (1, 3, 64, 64)


def damaged(content: bytes, random: Random) -> bytes:
    """A model with bits flipped, bytes left out, put in or cut off."""
    data = bytearray(content)
    for _ in range(random.choice([1, 1, 3, 30])):
        kind, at = random.random(), random.randrange(len(data))
        if random.random() < 0.5:  # the structure is at the ends, the weights between them
            at = random.choice([random.randrange(2000), -1 - random.randrange(4000)]) % len(data)
        if kind < 0.5:
            data[at] ^= 1 << random.randrange(8)
        elif kind < 0.65:
            data[at] = random.randrange(256)
        elif kind < 0.75:
            del data[at : at + random.choice([1, 2, 50, 5000])]
        elif kind < 0.85:
            data[at:at] = random.randbytes(random.choice([1, 2, 50]))
        elif kind < 0.95:
            data[at : at + 10] = b"\xff" * 9 + b"\x7f"  # a number without an end, or a huge one
        else:
            del data[at:]
        if not data:
            return b""
    return bytes(data)


def _model(
    nodes: list[Any],
    *,
    shape: tuple[Any, ...] = _IMAGE,
    kind: int = _FLOAT,
    outputs: tuple[tuple[Any, ...] | None, ...] = ((1, 84, 6),),
    weights: tuple[Any, ...] = (),
    metadata: dict[str, str] | None = None,
    opset: int = 17,
    domains: tuple[str, ...] = (),
) -> bytes:
    graph = helper.make_graph(
        nodes, "hostile", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(f"y{n}", _FLOAT, one) for n, one in enumerate(outputs)], list(weights),
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(one, 1) for one in domains)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


def _fill(sides: list[int]) -> bytes:
    """A constant of these sides, which an optimiser may want to have ready."""
    shape = helper.make_tensor("s", TensorProto.INT64, [len(sides)], sides)
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["top"], keepdims=0),
        helper.make_node("Add", ["x", "top"], ["y0"]),
    ]
    return _model(nodes, outputs=(_IMAGE,), weights=(shape,))


def _expand(sides: list[int]) -> bytes:
    """Makes the input as large as this when it runs."""
    shape = helper.make_tensor("s", TensorProto.INT64, [len(sides)], sides)
    return _model([helper.make_node("Expand", ["x", "s"], ["y0"])], outputs=(None,), weights=(shape,))


def _loop(count: int, *, grows: bool = False) -> bytes:
    """Runs `count` rounds; each may hold on to an image."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["v"], ["w"])]
        + ([helper.make_node("Identity", ["w"], ["scan"])] if grows else []),
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", _FLOAT, _IMAGE)],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("w", _FLOAT, _IMAGE)]
        + ([helper.make_tensor_value_info("scan", _FLOAT, _IMAGE)] if grows else []),
    )  # fmt: skip
    rounds = helper.make_tensor("n", TensorProto.INT64, [], [count])
    going = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    results = ["y0", "all"] if grows else ["y0"]
    return _model(
        [helper.make_node("Loop", ["n", "c", "x"], results, body=body)],
        outputs=(_IMAGE,), weights=(rounds, going),
    )  # fmt: skip


def _weight(sides: list[int], **more: Any) -> bytes:
    """A weight that claims these sides, and has not their data."""
    tensor = TensorProto(name="w", data_type=_FLOAT, dims=sides, **more)
    nodes = [helper.make_node("Identity", [one], [two]) for one, two in (("x", "y0"), ("w", "y1"))]
    return _model(nodes, outputs=(None, None), weights=(tensor,))


def _external(place: str, length: str = "16384") -> bytes:
    tensor = TensorProto(name="w", data_type=_FLOAT, dims=[64, 64], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", place), ("offset", "0"), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    return _model([helper.make_node("Add", ["x", "w"], ["y0"])], outputs=(_IMAGE,), weights=(tensor,))


def _nested(depth: int) -> bytes:
    """Choices in choices."""
    value = helper.make_tensor_value_info("v", _FLOAT, None)
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["v"])], "g", [], [value])
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["v"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], [value])
        if graph.ByteSize() > 40_000_000:
            break
    going = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["c"], ["y0"], then_branch=graph, else_branch=graph)
    return _model([node], outputs=(None,), weights=(going,))


def _chain(count: int) -> bytes:
    names = ["x", *(f"a{n}" for n in range(count - 1)), "y0"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
    return _model(nodes, outputs=(_IMAGE,))


def _labelled(**metadata: str) -> bytes:
    """An open detector with metadata as ultralytics writes it."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
             helper.make_node("Unsqueeze", ["m", "two"], ["y0"])]  # fmt: skip
    two = helper.make_tensor("two", TensorProto.INT64, [1], [2])
    shape = (1, 3, "h", "w")
    return _model(nodes, shape=shape, outputs=(None,), weights=(two,), metadata=metadata)


def _actions(**changes: str) -> bytes:
    """The bundled action model with other metadata."""
    model = onnx.load(BUNDLED["actions"])
    known = {one.key: one.value for one in model.metadata_props} | changes
    del model.metadata_props[:]
    for key, value in known.items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


def _identity(**more: Any) -> bytes:
    return _model([helper.make_node("Identity", ["x"], ["y0"])], outputs=(None,), **more)


MADE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("detect", lambda: b""),
    "text": ("detect", lambda: b"cameras: {}\n" * 100),
    "random bytes": ("detect", lambda: os.urandom(100_000)),
    "zeros": ("detect", lambda: bytes(1_000_000)),
    "a web page": ("detect", lambda: b"<!DOCTYPE html><title>404</title>" * 100),
    "no input": ("detect", lambda: _model([helper.make_node("Constant", [], ["y0"], value_float=1.0)], outputs=(None,))),
    "text as input": ("detect", lambda: _identity(kind=TensorProto.STRING)),
    "numbers of 64 bits": ("detect", lambda: _identity(kind=TensorProto.DOUBLE)),
    "one dimension": ("detect", lambda: _identity(shape=(7,))),
    "no dimension": ("detect", lambda: _identity(shape=())),
    "twenty dimensions": ("detect", lambda: _identity(shape=(1,) * 20)),
    "sides of zero": ("detect", lambda: _identity(shape=(1, 3, 0, 0))),
    "sides below zero": ("detect", lambda: _identity(shape=(1, 3, -5, -5))),
    "sides of a million": ("detect", lambda: _identity(shape=(1, 3, 1_000_000, 1_000_000))),
    "sides of 20,000": ("detect", lambda: _identity(shape=(1, 3, 20_000, 20_000))),
    "sides of 2^62": ("detect", lambda: _identity(shape=(1, 3, 1 << 62, 1 << 62))),
    "as many channels": ("detect", lambda: _identity(shape=(1, 1_000_000_000, 64, 64))),
    "an output of a word": ("detect", lambda: _model([helper.make_node("ReduceMean", ["x"], ["y0"], keepdims=0)], outputs=((),))),
    "an output of no shape": ("detect", lambda: _identity()),
    "a weight of 100 GB": ("detect", lambda: _weight([100_000, 250_000])),
    "a weight of 2^62": ("detect", lambda: _weight([1 << 31, 1 << 31])),
    "a weight of -1": ("detect", lambda: _weight([-1, 4])),
    "a weight of many dimensions": ("detect", lambda: _weight([2] * 5000)),
    "a weight of another length": ("detect", lambda: _weight([10, 10], raw_data=b"\0" * 7)),
    "a constant of 100 GB": ("detect", lambda: _fill([100_000, 250_000])),
    "a constant of 8 GB": ("detect", lambda: _fill([2, 1_000_000_000])),
    "a constant of 3 GB": ("detect", lambda: _fill([800_000_000])),
    "a constant of 2^80": ("detect", lambda: _fill([1 << 40, 1 << 40])),
    "a constant below zero": ("detect", lambda: _fill([-7])),
    "grows to 100 GB": ("detect", lambda: _expand([100_000_000 // 4, 1, 64, 64])),
    "grows to 8 GB": ("detect", lambda: _expand([170_000, 3, 64, 64])),
    "a loop without an end": ("detect", lambda: _loop((1 << 63) - 1)),
    "a loop that keeps all": ("detect", lambda: _loop(10_000_000, grows=True)),
    "choices in choices": ("detect", lambda: _nested(10)),
    "a chain of 20,000": ("detect", lambda: _chain(20_000)),
    "an unknown operator": ("detect", lambda: _model([helper.make_node("Evil", ["x"], ["y0"])])),
    "an operator of somebody": ("detect", lambda: _model([helper.make_node("Evil", ["x"], ["y0"], domain="ai.evil")], domains=("ai.evil",))),
    "an operator set of the future": ("detect", lambda: _identity(opset=9000)),
    "weights in /etc/passwd": ("detect", lambda: _external("/etc/passwd")),
    "weights up the tree": ("detect", lambda: _external("../../../../../../etc/passwd")),
    "weights in a device": ("detect", lambda: _external("/dev/zero", "99999999999")),
    "weights in a pipe": ("detect", lambda: _external("pipe")),
    "weights nowhere": ("detect", lambda: _external("nowhere.bin")),
    "names in brackets": ("detect", lambda: _labelled(names="[" * 100_000)),
    "names in braces": ("detect", lambda: _labelled(names="{0:" * 300 + "1" + "}" * 300)),
    "names that compute": ("detect", lambda: _labelled(names="9**9**9", imgsz="9**9**9")),
    "names of a million": ("detect", lambda: _labelled(names=repr(dict.fromkeys(range(300_000), "x")))),
    "an image size of a million": ("detect", lambda: _labelled(names="{0: 'person'}", imgsz="[1000000, 1000000]")),
    "an image size of 50,000": ("detect", lambda: _labelled(names="{0: 'person'}", imgsz="[50000, 50000]")),
    "an image size below zero": ("detect", lambda: _labelled(names="{0: 'person'}", imgsz="[-32, -32]")),
    "an image size of words": ("detect", lambda: _labelled(names="{0: 'person'}", imgsz="['a', None]")),
    "a stride of zero": ("detect", lambda: _labelled(names="{0: 'person'}", imgsz="[64, 64]", stride="0")),
    "a rate without an end": ("actions", lambda: _actions(rate="inf", seconds="inf")),
    "a rate of 1e308": ("actions", lambda: _actions(rate="1e308", seconds="1e308")),
    "a rate that is no number": ("actions", lambda: _actions(rate="nan")),
    "no rate": ("actions", lambda: _actions(rate="fast")),
    "labels in brackets": ("actions", lambda: _actions(labels="[" * 100_000)),
    "labels that are numbers": ("actions", lambda: _actions(labels="[1, 2]")),
    "a label of a megabyte": ("actions", lambda: _actions(labels=json.dumps(["x" * 1_000_000]))),
    "labels with line breaks": ("actions", lambda: _actions(labels=json.dumps(["a\nb\u202e"] * 2))),
    "thresholds of lists": ("actions", lambda: _actions(thresholds="[[1]]")),
    "thresholds that are no numbers": ("actions", lambda: _actions(thresholds='{"a": NaN}')),
    "groups of lists": ("actions", lambda: _actions(held_out="[[1]]")),
    "groups of a number": ("actions", lambda: _actions(held_out="7")),
    "a rejection of brackets": ("actions", lambda: _actions(rejection="[" * 100_000)),
    "a rejection of words": ("actions", lambda: _actions(rejection='{"a": "b"}')),
    "a rejection of a list": ("actions", lambda: _actions(rejection="[[],[]]")),
    "a detector as action model": ("actions", lambda: BUNDLED["detect"].read_bytes()),
    "an action model as detector": ("detect", lambda: BUNDLED["actions"].read_bytes()),
    "a detector for poses": ("pose", lambda: BUNDLED["detect"].read_bytes()),
    "identity for poses": ("pose", lambda: _identity(shape=("n", 256, 256, 3))),
    "a million a side for poses": ("pose", lambda: _identity(shape=(1, 1_000_000, 1_000_000, 3))),
    "a loop for poses": ("pose", lambda: _loop((1 << 63) - 1)),
    "a detector for fights": ("fights", lambda: BUNDLED["detect"].read_bytes()),
    "a fight model alone": ("fights", lambda: BUNDLED["fights"].read_bytes()),
}  # fmt: skip
"""By name: the section of the configuration that it is for, and what makes its bytes."""


def _deflated(name: str, size: int) -> bytes:
    """A .zip with a file of `size` zeros."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return stream.getvalue()


def _tarred(entries: list[tuple[str, bytes | str | int]]) -> bytes:
    """A .tgz of files (bytes), links (text) and sizes of zeros that are claimed."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
            else:
                entry.size = content if isinstance(content, int) else len(content)
                archive.addfile(entry, _Zeros(content) if isinstance(content, int) else io.BytesIO(content))
    return stream.getvalue()


def _claiming(size: int) -> bytes:
    """A .tgz with a file of this size of which nothing is there."""
    entry = tarfile.TarInfo("package/a")
    entry.size = size
    return gzip.compress(entry.tobuf() + bytes(10_240))


class _Zeros(io.RawIOBase):
    """So many zeros."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return bytes(size)


def _zipped(entries: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zip that climbs": lambda: _zipped([("../../../../tmp/hostile-climbed", b"x" * 100)]),
    "zip with an absolute name": lambda: _zipped([("/tmp/hostile-climbed", b"x" * 100)]),
    "zip bomb": lambda: _deflated("pose_landmark_full.tflite", 50 << 20),
    "zip of 20,000 files": lambda: _zipped([(f"f{n}", b"") for n in range(20_000)]),
    "zip cut off": lambda: _zipped([("a", b"x" * 1000)])[:500],
    "zip without an end": lambda: b"PK\x03\x04" + os.urandom(1000),
    "tar that climbs": lambda: _tarred([("../../../../tmp/hostile-climbed", b"x" * 100)]),
    "tar with links": lambda: _tarred([("package/a", "/etc/passwd"), ("package/a/b", b"x")]),
    "tar bomb": lambda: _tarred([("package/pose_landmark_full.tflite", 50 << 20)]),
    "tar of a terabyte": lambda: _claiming(1 << 40),
    "tar cut off": lambda: _tarred([("a", os.urandom(1000))])[:200],
    "gzip of noise": lambda: b"\x1f\x8b" + os.urandom(1000),
    "gzip of zeros": lambda: gzip.compress(bytes(30 << 20)),
    "noise": lambda: os.urandom(1000),
}  # fmt: skip
"""By name: what makes a file for `posewatch models import`."""


def write_archive(folder: Path, name: str) -> Path:
    path = folder / "hostile.archive"
    path.write_bytes(ARCHIVES[name]())
    return path


def blank_clip(path: Path) -> Path:
    """Three frames, which is what a model has to look at."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for value in (0, 100, 200):
            image = np.full((64, 64, 3), value, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path
