"""Writes a trained network as ONNX, node by node: no exporter of a particular torch version is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from classifier.raw import RAW_COUNT, RAW_SAMPLES
from classifier.training.classic import ClassicNetwork
from classifier.training.familiarity import Familiarity
from classifier.training.network import ActionNetwork

__all__ = ["export_classic", "export_onnx"]

_OPSET = 14
_IR_VERSION = 8  # read by every ONNX Runtime since 1.10


def export_onnx(
    network: ActionNetwork,
    path: Path,
    *,
    samples: int,
    temperature: float,
    metadata: Mapping[str, str],
    familiarity: Familiarity | None = None,
) -> None:
    """Writes the network with softmax and temperature; input (batch, T, F), output (batch, C).

    Args:
        network: the trained network.
        path: the file to write.
        samples: samples T of a window.
        temperature: divides the logits, so that probabilities are calibrated.
        metadata: stored in the file: features, labels, rate, seconds and what else tells of its making.
        familiarity: adds a second output (batch,), how far a window is from what was trained on.

    Raises:
        OSError: the file cannot be written.
    """
    state = {
        key: value.detach().cpu().numpy().astype(np.float32) for key, value in network.state_dict().items()
    }
    graph = _Graph()
    inputs, classes = len(state["mean"]), state["head.weight"].shape[0]
    patch, steps = network.patch, samples // network.patch
    value = "features"
    if samples % patch:  # the oldest that do not fill a step
        bounds = ([samples % patch], [samples], [1])
        value = graph.add("Slice", value, *(graph.tensor(np.array(bound, np.int64)) for bound in bounds))
    value = graph.add("Reshape", value, graph.tensor(np.array([-1, steps, patch * inputs], np.int64)))
    # The normalisation goes into the first layer's weights.
    centre, scale = (np.tile(state[name], patch) for name in ("mean", "scale"))
    weight = state["project.weight"] * scale
    linear = graph.add("MatMul", value, graph.tensor(weight.T))
    bias = state["project.bias"] - weight.astype(np.float64) @ centre
    value = graph.add("Relu", graph.add("Add", linear, graph.tensor(bias.astype(np.float32))))
    value = graph.add("Transpose", value, perm=[1, 0, 2])  # ONNX's LSTM takes time first
    for layer in range(network.lstm.num_layers):
        value = _lstm(graph, state, layer, value)
    last = graph.add("Gather", value, graph.tensor(np.array(steps - 1)), axis=0)
    mean = graph.add("ReduceMean", value, axes=[0], keepdims=0)
    summary = graph.add("Concat", last, mean, axis=1)
    # The temperature goes into the last layer's weights.
    weight = graph.tensor(state["head.weight"].T / np.float32(temperature))
    logits = graph.add("MatMul", summary, weight)
    logits = graph.add("Add", logits, graph.tensor(state["head.bias"] / np.float32(temperature)))
    graph.nodes.append(helper.make_node("Softmax", [logits], ["probabilities"], axis=1))
    if familiarity is not None:
        _distance(graph, summary, familiarity)
    _write(graph, path, (samples, inputs), classes, metadata)


def export_classic(network: ClassicNetwork, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Writes the network of the classic recipe with its softmax; input (batch, 10, 132), output (batch, C).

    Args:
        network: the trained network.
        path: the file to write.
        metadata: stored in the file.

    Raises:
        OSError: the file cannot be written.
    """
    state = {
        key: value.detach().cpu().numpy().astype(np.float32) for key, value in network.state_dict().items()
    }
    graph = _Graph()
    value = graph.add("Transpose", "features", perm=[1, 0, 2])
    for layer in range(network.lstm.num_layers):
        value = _lstm(graph, state, layer, value)
    last = graph.add("Gather", value, graph.tensor(np.array(RAW_SAMPLES - 1)), axis=0)
    logits = graph.add("MatMul", last, graph.tensor(state["head.weight"].T))
    logits = graph.add("Add", logits, graph.tensor(state["head.bias"]))
    graph.nodes.append(helper.make_node("Softmax", [logits], ["probabilities"], axis=1))
    _write(graph, path, (RAW_SAMPLES, RAW_COUNT), len(state["head.bias"]), metadata)


def _write(
    graph: _Graph, path: Path, window: tuple[int, int], classes: int, metadata: Mapping[str, str]
) -> None:
    """Checks the model and writes it, whole or not at all."""
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes])]
    if graph.nodes[-1].output[0] == "distance":
        outputs.append(helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch"]))
    made = helper.make_graph(
        graph.nodes,
        "actions",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", *window])],
        outputs,
        graph.tensors,
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="posewatch"
    )
    model.ir_version = _IR_VERSION
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(model.SerializeToString())
    temporary.replace(path)


class _Graph:
    """Collects nodes and constants, and names them."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def tensor(self, value: npt.NDArray[Any]) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def _distance(graph: _Graph, summary: str, familiarity: Familiarity) -> None:
    """Squared distance to the nearest class mean, by |a - b|^2 = |a|^2 - 2 ab + |b|^2."""
    whitener, centres = (values.astype(np.float32) for values in (familiarity.whitener, familiarity.centres))
    white = graph.add("MatMul", summary, graph.tensor(whitener))
    own = graph.add("ReduceSum", graph.add("Mul", white, white), graph.tensor(np.array([1])), keepdims=1)
    product = graph.add("MatMul", white, graph.tensor(-2 * centres.T))
    total = graph.add("Add", graph.add("Add", product, own), graph.tensor((centres**2).sum(axis=1)))
    nearest = graph.add("ReduceMin", total, axes=[1], keepdims=0)
    graph.nodes.append(helper.make_node("Relu", [nearest], ["distance"]))


def _lstm(graph: _Graph, state: Mapping[str, npt.NDArray[np.float32]], layer: int, value: str) -> str:
    def reordered(key: str) -> npt.NDArray[np.float32]:
        i, f, g, o = np.split(state[f"lstm.{key}_l{layer}"], 4)  # torch's order of the gates
        return np.concatenate([i, o, f, g])[None]  # ONNX's order

    weights, recurrent = reordered("weight_ih"), reordered("weight_hh")
    bias = np.concatenate([reordered("bias_ih"), reordered("bias_hh")], axis=1)
    output = graph.add(
        "LSTM",
        value,
        graph.tensor(weights),
        graph.tensor(recurrent),
        graph.tensor(bias),
        hidden_size=recurrent.shape[2],
    )
    return graph.add("Squeeze", output, graph.tensor(np.array([1], np.int64)))
