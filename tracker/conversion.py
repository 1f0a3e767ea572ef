"""Converts BlazePose landmark networks from TensorFlow Lite to ONNX, without TensorFlow.

Only what these networks use is known: convolutions, additions, pooling, resizing, padding, and weights kept
as half floats. The graph is cut to the outputs that we read, which halves its time: the segmentation mask and
the heat map go. The result takes 8-bit pictures in any number, so that all people of a frame are one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

from tracker.runtime import ModelError

__all__ = ["convert_pose_model"]

_OPSET = 13
_IR_VERSION = 8
_OUTPUTS = {"Identity": "landmarks", "Identity_1": "presence", "Identity_4": "world"}
_OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
_ACTIVATIONS = {tflite.ActivationFunctionType.RELU: "Relu", tflite.ActivationFunctionType.RELU6: "Clip"}
_DTYPES: dict[int, npt.DTypeLike] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}

Array = npt.NDArray[Any]
Pads = tuple[int, int, int, int]  # top, left, bottom, right, as ONNX orders them


def convert_pose_model(tflite_model: bytes) -> bytes:
    """Converts a BlazePose landmark network.

    Args:
        tflite_model: content of pose_landmark_{lite,full,heavy}.tflite.

    Returns:
        An ONNX model. Input `crops` (N, H, W, 3) uint8 RGB. Outputs: `landmarks` (N, 195) float32, 39 points
        of x, y, z in px of the crop, visibility and presence as logits; `presence` (N, 1) float32 probability
        of a person; `world` (N, 117) float32, 39 points in metres around the hips.

    Raises:
        ModelError: the file is no such network or uses an operator that is not known.
    """
    try:
        model = tflite.Model.GetRootAsModel(tflite_model, 0)
        graph = model.Subgraphs(0)
        names = {graph.Tensors(i).Name().decode(): int(i) for i in graph.OutputsAsNumpy()}
    except Exception as error:  # flatbuffers reads whatever bytes it is given
        raise ModelError(f"not a TensorFlow Lite model ({type(error).__name__}): fetch it again") from error
    if not set(_OUTPUTS) <= set(names) or len(graph.InputsAsNumpy()) != 1:
        raise ModelError("not a BlazePose landmark network: its outputs have other names")
    made = _Converter(model, graph).convert({names[old]: new for old, new in _OUTPUTS.items()})
    return made.SerializeToString()  # type: ignore[no-any-return]


class _Converter:
    """Walks back from the outputs and writes every operator that they need, channels first."""

    def __init__(self, model: Any, graph: Any) -> None:
        self._model, self._graph = model, graph
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._value: dict[int, str] = {}
        self._operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
        self._maker = {int(out): op for op in self._operators for out in op.OutputsAsNumpy()}

    def convert(self, outputs: dict[int, str]) -> Any:
        (source,) = (int(i) for i in self._graph.InputsAsNumpy())
        _, height, width, channels = self._shape(source)
        picture = self._add("Cast", ["crops"], to=TensorProto.FLOAT)
        picture = self._add("Mul", [picture, self._constant(np.float32(1 / 255))])
        self._value[source] = self._add("Transpose", [picture], perm=[0, 3, 1, 2])
        needed = self._needed(list(outputs))
        for operator in self._operators:
            if int(operator.Outputs(0)) in needed:
                self._write(operator)
        for tensor, name in outputs.items():
            self._nodes.append(helper.make_node("Identity", [self._value[tensor]], [name]))
        made = helper.make_graph(
            self._nodes,
            "blazepose",
            [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["batch", height, width, channels])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", self._shape(tensor)[-1]])
                for tensor, name in outputs.items()
            ],
            self._constants,
        )
        result = helper.make_model(
            made, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="posewatch"
        )
        result.ir_version = _IR_VERSION
        onnx.checker.check_model(result)
        return result

    def _needed(self, tensors: list[int]) -> set[int]:
        seen: set[int] = set()
        while tensors:
            tensor = tensors.pop()
            if tensor not in seen:
                seen.add(tensor)
                if tensor in self._maker:
                    tensors += [int(i) for i in self._maker[tensor].InputsAsNumpy() if i >= 0]
        return seen

    def _write(self, operator: Any) -> None:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _OPERATORS.get(number, str(number))
        writers: dict[str, Callable[[Any], str]] = {
            "CONV_2D": self._convolution,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "MAX_POOL_2D": self._pool,
            "ADD": self._addition,
            "RESIZE_BILINEAR": self._resize,
            "RESHAPE": self._flatten,
            "LOGISTIC": lambda op: self._add("Sigmoid", [self._input(op)]),
        }
        if name in ("DEQUANTIZE", "PAD"):
            return  # weights are read through the one, convolutions take in the other
        if name not in writers:
            raise ModelError(
                f"uses the operator {name}, which is not known: use a BlazePose landmark network"
            )
        self._value[int(operator.Outputs(0))] = writers[name](operator)

    def _convolution(self, operator: Any) -> str:
        options = self._options(operator, tflite.Conv2DOptions)
        weights = self._data(operator.Inputs(1)).transpose(0, 3, 1, 2)  # out, height, width, in
        return self._convolve(operator, options, weights, 1)

    def _depthwise(self, operator: Any) -> str:
        options = self._options(operator, tflite.DepthwiseConv2DOptions)
        if options.DepthMultiplier() != 1:
            raise ModelError("uses a depth multiplier, which is not known: use a BlazePose landmark network")
        weights = self._data(operator.Inputs(1)).transpose(3, 0, 1, 2)  # 1, height, width, channels
        return self._convolve(operator, options, weights, weights.shape[0])

    def _convolve(self, operator: Any, options: Any, weights: Array, groups: int) -> str:
        kernel = (int(weights.shape[2]), int(weights.shape[3]))
        value, pads = self._padded(operator, options, kernel)
        result = self._add(
            "Conv",
            [value, self._constant(weights), self._constant(self._data(operator.Inputs(2)))],
            kernel_shape=kernel,
            strides=(options.StrideH(), options.StrideW()),
            dilations=(options.DilationHFactor(), options.DilationWFactor()),
            pads=pads,
            group=groups,
        )
        return self._activate(result, options.FusedActivationFunction())

    def _pool(self, operator: Any) -> str:
        options = self._options(operator, tflite.Pool2DOptions)
        kernel = (options.FilterHeight(), options.FilterWidth())
        value, pads = self._padded(operator, options, kernel)
        result = self._add(
            "MaxPool", [value], kernel_shape=kernel, strides=(options.StrideH(), options.StrideW()), pads=pads
        )
        return self._activate(result, options.FusedActivationFunction())

    def _addition(self, operator: Any) -> str:
        options = self._options(operator, tflite.AddOptions)
        result = self._add("Add", [self._input(operator, 0), self._input(operator, 1)])
        return self._activate(result, options.FusedActivationFunction())

    def _resize(self, operator: Any) -> str:
        options = self._options(operator, tflite.ResizeBilinearOptions)
        mode = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        old, new = self._shape(operator.Inputs(0)), self._shape(operator.Outputs(0))
        scales = np.array([1.0, 1.0, new[1] / old[1], new[2] / old[2]], np.float32)
        return self._add(
            "Resize",
            [self._input(operator), "", self._constant(scales)],
            mode="linear",
            coordinate_transformation_mode="align_corners" if options.AlignCorners() else mode,
        )

    def _flatten(self, operator: Any) -> str:
        shape = self._shape(operator.Inputs(0))
        if shape[1:3] != [1, 1]:  # more than one cell would come out in another order
            raise ModelError(f"reshapes {shape}, which is not known: use a BlazePose landmark network")
        return self._add("Flatten", [self._input(operator)], axis=1)

    def _padded(self, operator: Any, options: Any, kernel: tuple[int, int]) -> tuple[str, Pads]:
        """The input of a convolution or pooling, and its padding with an explicit PAD before it taken in."""
        tensor, pads = int(operator.Inputs(0)), (0, 0, 0, 0)
        pad = self._maker.get(tensor)
        if tensor not in self._value and pad is not None:  # made by a PAD
            amounts = self._data(pad.Inputs(1))
            if not amounts[[0, 3]].any():
                pads = (amounts[1, 0], amounts[2, 0], amounts[1, 1], amounts[2, 1])
                tensor = int(pad.Inputs(0))
        if options.Padding() == tflite.Padding.SAME:
            size = self._shape(operator.Inputs(0))[1:3]
            steps = (options.StrideH(), options.StrideW())
            # TensorFlow puts the odd pixel at the bottom and the right.
            total = [
                max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, steps, kernel, strict=True)
            ]
            same = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
            pads = (pads[0] + same[0], pads[1] + same[1], pads[2] + same[2], pads[3] + same[3])
        return self._read(tensor), (int(pads[0]), int(pads[1]), int(pads[2]), int(pads[3]))

    def _activate(self, value: str, function: int) -> str:
        if function == tflite.ActivationFunctionType.NONE:
            return value
        if function not in _ACTIVATIONS:
            raise ModelError(f"uses the activation {function}, which is not known: use a BlazePose network")
        limits = [self._constant(np.float32(0)), self._constant(np.float32(6))]
        operator = _ACTIVATIONS[function]
        return self._add(operator, [value, *limits] if operator == "Clip" else [value])

    def _input(self, operator: Any, place: int = 0) -> str:
        return self._read(int(operator.Inputs(place)))

    def _read(self, tensor: int) -> str:
        """The value of a tensor; a PAD that no convolution took in is written here."""
        if tensor not in self._value:
            pad = self._maker[tensor]
            before, after = self._data(pad.Inputs(1))[[0, 3, 1, 2]].T
            pads = self._constant(np.concatenate([before, after]).astype(np.int64))
            self._value[tensor] = self._add("Pad", [self._input(pad), pads])
        return self._value[tensor]

    def _options(self, operator: Any, kind: Any) -> Any:
        options, table = kind(), operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def _shape(self, tensor: int) -> list[int]:
        return [int(n) for n in self._graph.Tensors(tensor).ShapeAsNumpy()]

    def _data(self, tensor: int) -> Array:
        """A constant, half floats as floats."""
        maker = self._maker.get(int(tensor))
        if maker is not None:  # DEQUANTIZE
            return self._data(maker.Inputs(0)).astype(np.float32)
        described = self._graph.Tensors(tensor)
        raw = self._model.Buffers(described.Buffer()).DataAsNumpy()
        dtype = _DTYPES.get(described.Type())
        if dtype is None or isinstance(raw, int):
            raise ModelError("holds weights of a type that is not known: use a BlazePose landmark network")
        array: Array = np.frombuffer(raw.tobytes(), dtype).reshape(self._shape(tensor))
        return array

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(
            numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)
        )
        return name

    def _add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name
