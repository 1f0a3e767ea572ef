"""Writes the pose refiner as ONNX, node by node: no exporter of a particular torch version is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from tracker.training.refiner.network import CANDIDATES, CONTEXT, FAR, NEAR, SOFTENING, PoseRefinerNetwork

__all__ = ["export_onnx"]

_OPSET = 14
_IR_VERSION = 8  # read by every ONNX Runtime since 1.10


def export_onnx(network: PoseRefinerNetwork, path: Path, metadata: Mapping[str, str]) -> None:
    """Writes one step of the network, the initial stage included.

    Inputs: `landmarks` (N, 33, 3) x, y and visibility; `belief` and its `speed` (N, 33, 2),
    `confidence` (N, 33), `hidden` and `cell` (N, H) of the step before, anything finite for a person
    who is new; `seconds` (N, 1) since then; `new` (N, 1) 1 for a person who is new, else 0. Outputs:
    `belief_out`, `confidence_out` (0..1), `mirrored` (N, 33) share 0..1 that the landmark on the other
    side has in each, `hidden_out` and `cell_out`.

    Args:
        network: what to write.
        path: the file.
        metadata: stored in the file.

    Raises:
        OSError: the file cannot be written.
    """
    graph = _Graph({name: value.detach().cpu().numpy() for name, value in network.state_dict().items()})
    old = graph.add("Sub", graph.constant(1.0), "new")
    old3 = graph.add("Unsqueeze", old, graph.ints([2]))
    new3 = graph.add("Unsqueeze", "new", graph.ints([2]))
    points = graph.cut("landmarks", 2, 0, 2)
    visibility = graph.cut("landmarks", 2, 2, 3)
    flat_visibility = graph.add("Flatten", visibility, axis=1)

    first = _first_belief(graph, points, visibility, flat_visibility)
    belief = graph.add("Add", graph.add("Mul", old3, "belief"), graph.add("Mul", new3, first))
    confidence = graph.add(
        "Add", graph.add("Mul", old, "confidence"), graph.add("Mul", "new", flat_visibility)
    )
    hidden, cell = graph.add("Mul", old, "hidden"), graph.add("Mul", old, "cell")
    seconds = graph.add("Mul", old, "seconds")

    # 1. The body frame.
    body = graph.tensor(graph.state["body"])
    away = graph.add("Sub", belief, graph.sum(graph.add("Mul", body, belief), [1]))
    unit = _root(graph, graph.sum(graph.add("Mul", body, graph.square(away)), [1, 2]))
    centre = graph.sum(graph.add("Mul", graph.tensor(graph.state["trunk"]), belief), [1])
    place = graph.add("Div", graph.add("Sub", belief, centre), unit)
    # 2. How the body has moved.
    moves = graph.add("Div", graph.add("Sub", points, belief), unit)
    sure = graph.add("Add", graph.square(visibility), graph.constant(0.02))
    moved = _mean(graph, sure, moves)
    for limit in SOFTENING:
        far = graph.sum(graph.square(graph.add("Sub", moves, moved)), [2])
        far = graph.add("Add", graph.add("Mul", far, graph.constant(1 / limit**2)), graph.constant(1.0))
        moved = _mean(graph, graph.add("Div", sure, graph.square(far)), moves)
    # 3. F.
    mirror = graph.tensor(graph.state["mirror"].astype(np.int64))
    apart = graph.add("Sub", moves, moved)
    other = graph.add("Div", graph.add("Sub", graph.add("Gather", points, mirror, axis=1), belief), unit)
    aside = graph.add("Sub", other, moved)
    off, off_aside = (_root(graph, graph.sum(graph.square(one), [2])) for one in (apart, aside))
    near, near_aside = (graph.saturated(one, NEAR) for one in (off, off_aside))
    move = graph.add("Flatten", moved, axis=1)
    passed = graph.add("Add", seconds, graph.constant(0.02))
    pace = graph.add("Mul", graph.add("Div", move, passed), graph.constant(0.1))
    read = graph.add(
        "Concat",
        graph.flat(graph.add("Add", place, apart)),
        graph.flat(apart),
        flat_visibility,
        confidence,
        graph.add("Flatten", near, axis=1),
        graph.add("Flatten", near_aside, axis=1),
        graph.clip(move),
        graph.clip(pace),
        seconds,
        graph.add("Div", graph.constant(0.05), passed),
        axis=1,
    )
    read = graph.add("Relu", graph.linear("reads.0", read))
    read = graph.add("Relu", graph.linear("reads.2", read))
    # 4. L.
    gates = graph.linear("gates", graph.add("Concat", read, graph.flat(place), hidden, axis=1))
    i, f, o, g = (
        graph.cut(gates, 1, number * network.hidden, (number + 1) * network.hidden) for number in range(4)
    )
    kept = graph.add("Mul", graph.add("Sigmoid", f), cell)
    taken = graph.add("Mul", graph.add("Sigmoid", i), graph.add("Tanh", g))
    graph.add("Add", kept, taken, name="cell_out")
    graph.add("Mul", graph.add("Sigmoid", o), graph.add("Tanh", "cell_out"), name="hidden_out")
    # 5. g.
    context = graph.add("Relu", graph.linear("gives.0", graph.add("Concat", "hidden_out", read, axis=1)))
    context = graph.add("Reshape", graph.linear("gives.2", context), graph.ints([-1, 33, CONTEXT]))
    seconds3 = graph.add("Unsqueeze", seconds, graph.ints([2]))
    onward = graph.add("Mul", graph.add("Mul", old3, "speed"), seconds3)
    onward = graph.add("Clip", onward, graph.constant(-1.0), graph.constant(1.0))
    local = graph.add(
        "Concat",
        graph.clip(apart),
        graph.clip(aside),
        onward,
        graph.clip(off),
        graph.clip(off_aside),
        near,
        near_aside,
        visibility,
        graph.add("Gather", visibility, mirror, axis=1),
        graph.add("Unsqueeze", confidence, graph.ints([2])),
        graph.add("Add", graph.add("Mul", visibility, graph.constant(0.0)), seconds3),
        context,
        axis=2,
    )
    given = graph.add("Relu", graph.dense("chooses.0", local))
    given = graph.dense("chooses.2", given)
    off_weight, aside_weight, constant = (graph.tensor(row) for row in graph.state["prior"])
    prior = graph.add(
        "Add",
        graph.add("Mul", graph.saturated(off, FAR), off_weight),
        graph.add("Mul", graph.saturated(off_aside, FAR), aside_weight),
    )
    logits = graph.add("Add", graph.cut(given, 2, 0, CANDIDATES), graph.add("Add", prior, constant))
    shares = graph.add("Softmax", logits, axis=2)
    observed, mirrored, held, worked_out = (graph.cut(shares, 2, number, number + 1) for number in range(4))
    goal = graph.add("Add", moved, graph.cut(given, 2, CANDIDATES, CANDIDATES + 2))
    step = graph.add("Add", graph.add("Mul", observed, moves), graph.add("Mul", mirrored, other))
    step = graph.add("Add", step, graph.add("Mul", held, moved))
    step = graph.add("Add", step, graph.add("Mul", worked_out, goal))
    graph.add("Add", belief, graph.add("Mul", unit, step), name="belief_out")
    passed3 = graph.add("Unsqueeze", passed, graph.ints([2]))
    graph.add("Div", graph.add("Sub", step, moved), passed3, name="speed_out")
    certain = graph.add("Sigmoid", graph.cut(given, 2, CANDIDATES + 2, CANDIDATES + 3))
    graph.add("Squeeze", certain, graph.ints([2]), name="confidence_out")
    graph.add("Squeeze", mirrored, graph.ints([2]), name="mirrored")
    _write(graph, path, network.hidden, metadata)


def _first_belief(graph: _Graph, points: str, visibility: str, flat_visibility: str) -> str:
    weight = graph.add("Add", graph.square(visibility), graph.constant(0.05))
    weight = graph.add("Div", weight, graph.sum(weight, [1]))
    away = graph.add("Sub", points, graph.sum(graph.add("Mul", weight, points), [1]))
    unit = _root(graph, graph.sum(graph.add("Mul", weight, graph.square(away)), [1, 2]))
    inputs = graph.add("Concat", graph.flat(graph.add("Div", away, unit)), flat_visibility, axis=1)
    moved = graph.linear("start.2", graph.add("Relu", graph.linear("start.0", inputs)))
    moved = graph.add("Reshape", moved, graph.ints([-1, 33, 2]))
    return graph.add("Add", points, graph.add("Mul", unit, moved))


def _mean(graph: _Graph, weight: str, values: str) -> str:
    return graph.add("Div", graph.sum(graph.add("Mul", weight, values), [1]), graph.sum(weight, [1]))


def _root(graph: _Graph, value: str) -> str:
    return graph.add("Sqrt", graph.add("Add", value, graph.constant(1e-6)))


def _write(graph: _Graph, path: Path, hidden: int, metadata: Mapping[str, str]) -> None:
    shapes: dict[str, Sequence[str | int]] = {
        "landmarks": ("people", 33, 3),
        "belief": ("people", 33, 2),
        "speed": ("people", 33, 2),
        "confidence": ("people", 33),
        "hidden": ("people", hidden),
        "cell": ("people", hidden),
        "seconds": ("people", 1),
        "new": ("people", 1),
    }
    outputs = {f"{name}_out": shapes[name] for name in ("belief", "speed", "confidence", "hidden", "cell")}
    outputs["mirrored"] = ("people", 33)

    def infos(named: Mapping[str, Sequence[str | int]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [*shape]) for name, shape in named.items()
        ]

    made = helper.make_graph(graph.nodes, "pose_refiner", infos(shapes), infos(outputs), graph.tensors)
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="posewatch"
    )
    model.ir_version = _IR_VERSION
    helper.set_model_props(model, {"task": "refine_pose", **metadata})
    onnx.checker.check_model(model)
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_bytes(model.SerializeToString())
    temporary.replace(path)


class _Graph:
    """Collects nodes and constants, and names them."""

    def __init__(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self.state = state
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}

    def tensor(self, value: npt.NDArray[Any]) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def constant(self, value: float) -> str:
        key = ("float", value)
        if key not in self._constants:
            self._constants[key] = self.tensor(np.array(value, np.float32))
        return self._constants[key]

    def ints(self, values: Sequence[int]) -> str:
        key = ("ints", *values)
        if key not in self._constants:
            self._constants[key] = self.tensor(np.array(values, np.int64))
        return self._constants[key]

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def linear(self, layer: str, value: str) -> str:
        weight, bias = self.state[f"{layer}.weight"], self.state[f"{layer}.bias"]
        return self.add("Gemm", value, self.tensor(weight), self.tensor(bias), transB=1)

    def saturated(self, length: str, half: float) -> str:
        return self.add("Div", length, self.add("Add", length, self.constant(half)))

    def dense(self, layer: str, value: str) -> str:
        """The same layer for every landmark, of (N, 33, inputs)."""
        weight, bias = self.state[f"{layer}.weight"], self.state[f"{layer}.bias"]
        return self.add("Add", self.add("MatMul", value, self.tensor(weight.T)), self.tensor(bias))

    def cut(self, value: str, axis: int, first: int, last: int) -> str:
        return self.add("Slice", value, self.ints([first]), self.ints([last]), self.ints([axis]))

    def sum(self, value: str, axes: Sequence[int]) -> str:
        return self.add("ReduceSum", value, self.ints(axes), keepdims=1)

    def square(self, value: str) -> str:
        return self.add("Mul", value, value)

    def clip(self, value: str) -> str:
        return self.add("Clip", value, self.constant(-4.0), self.constant(4.0))

    def flat(self, value: str) -> str:
        return self.clip(self.add("Flatten", value, axis=1))
