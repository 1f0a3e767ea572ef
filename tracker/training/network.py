"""YOLOX-nano in PyTorch, with weights read from and written to ONNX.

Architecture: Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (CSPDarknet and PAFPN with depthwise
convolutions, decoupled head without anchors), width 0.25, depth 0.33. Batch normalisation is folded into
the convolutions, as in exported models: with batches as small as a CPU takes, frozen statistics train
more steadily than batch statistics.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from tracker.runtime import ModelError
from tracker.training.focus import fingerprint, folded, unfolded

__all__ = ["INPUT_SIDE", "STRIDES", "YoloxNano", "blocks_of", "load_weights", "write_onnx"]

INPUT_SIDE = 416
STRIDES = (8, 16, 32)


class _Unit(nn.Sequential):
    """Convolution with bias, then SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups), nn.SiLU(inplace=True)
        )


class _Separable(nn.Sequential):
    """Depthwise 3x3, then pointwise convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(_Unit(inputs, inputs, 3, stride, inputs), _Unit(inputs, outputs))


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.narrow = _Unit(channels, channels)
        self.spatial = _Separable(channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.spatial(self.narrow(x))
        return y + x if self.shortcut else y


class _CrossStage(nn.Module):
    """Cross stage partial block: half the channels go through the bottlenecks, half around them."""

    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.through = _Unit(inputs, half)
        self.around = _Unit(inputs, half)
        self.blocks = nn.Sequential(*(_Bottleneck(half, shortcut) for _ in range(depth)))
        self.merge = _Unit(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        through, around = self.through(x), self.around(x)
        y: Tensor = self.merge(torch.cat([self.blocks(through), around], dim=1))
        return y


class _PyramidPool(nn.Module):
    """Spatial pyramid pooling with windows 5, 9 and 13."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = _Unit(channels, channels // 2)
        self.pools = nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in (5, 9, 13))
        self.merge = _Unit(channels * 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.narrow(x)
        y: Tensor = self.merge(torch.cat([x, *(pool(x) for pool in self.pools)], dim=1))
        return y


class _Level(nn.Module):
    """Decoupled head of one pyramid level: classes in one branch, box and objectness in the other."""

    def __init__(self, inputs: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.stem = _Unit(inputs, width)
        self.class_branch = nn.Sequential(_Separable(width, width), _Separable(width, width))
        self.class_output = nn.Conv2d(width, classes, 1)
        self.box_branch = nn.Sequential(_Separable(width, width), _Separable(width, width))
        self.box_output = nn.Conv2d(width, 4, 1)
        self.object_output = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        classes = self.class_output(self.class_branch(x))
        box = self.box_branch(x)
        return torch.cat([self.box_output(box), self.object_output(box), classes], dim=1)

    def convolutions(self) -> Iterator[nn.Conv2d]:
        """In the order of computation."""
        for part in (self.stem, self.class_branch, self.class_output):
            yield from _convolutions(part)
        for part in (self.box_branch, self.box_output, self.object_output):
            yield from _convolutions(part)


class YoloxNano(nn.Module):
    """YOLOX-nano.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.classes = classes
        self.stem = _Unit(12, 16, 3)
        self.stage2 = nn.Sequential(_Separable(16, 32, 2), _CrossStage(32, 32, 1))
        self.stage3 = nn.Sequential(_Separable(32, 64, 2), _CrossStage(64, 64, 3))
        self.stage4 = nn.Sequential(_Separable(64, 128, 2), _CrossStage(128, 128, 3))
        self.stage5 = nn.Sequential(
            _Separable(128, 256, 2), _PyramidPool(256), _CrossStage(256, 256, 1, shortcut=False)
        )
        self.lateral5 = _Unit(256, 128)
        self.top4 = _CrossStage(256, 128, 1, shortcut=False)
        self.lateral4 = _Unit(128, 64)
        self.top3 = _CrossStage(128, 64, 1, shortcut=False)
        self.down3 = _Separable(64, 64, 2)
        self.bottom4 = _CrossStage(128, 128, 1, shortcut=False)
        self.down4 = _Separable(128, 128, 2)
        self.bottom5 = _CrossStage(256, 256, 1, shortcut=False)
        self.levels = nn.ModuleList(_Level(width, classes) for width in (64, 128, 256))

    def forward(self, images: Tensor) -> Tensor:
        """Raw predictions.

        Args:
            images: (B, 3, H, W) float, 0..255 BGR, H and W multiples of 32.

        Returns:
            (B, A, 5 + classes): centre offset and log size in cells, then logits of objectness and classes.
        """
        return self.with_features(blocks_of(images))[0]

    def with_features(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Raw predictions, and features (B, 256, H / 32, W / 32), of what the first layer takes."""
        x3 = self.stage3(self.stage2(self.stem(blocks)))
        x4 = self.stage4(x3)
        features = self.stage5(x4)
        x5 = self.lateral5(features)
        y4 = self.lateral4(self.top4(torch.cat([_double(x5), x4], dim=1)))
        z3 = self.top3(torch.cat([_double(y4), x3], dim=1))
        z4 = self.bottom4(torch.cat([self.down3(z3), y4], dim=1))
        z5 = self.bottom5(torch.cat([self.down4(z4), x5], dim=1))
        outputs = [level(z) for level, z in zip(self.levels, (z3, z4, z5), strict=True)]
        return torch.cat([output.flatten(2) for output in outputs], dim=2).transpose(1, 2), features

    def objectness_biases(self) -> list[Tensor]:
        """The bias of the objectness of every level, (1,)."""
        outputs = (level.object_output for level in self.levels if isinstance(level, _Level))
        return [output.bias for output in outputs if output.bias is not None]

    def convolutions(self) -> list[nn.Conv2d]:
        """Every convolution in the order of computation, which is the order of an exported graph."""
        trunk: list[nn.Module] = [
            self.stem,
            self.stage2,
            self.stage3,
            self.stage4,
            self.stage5,
            self.lateral5,
        ]
        trunk += [self.top4, self.lateral4, self.top3, self.down3, self.bottom4, self.down4, self.bottom5]
        found = [convolution for part in trunk for convolution in _convolutions(part)]
        for level in self.levels:
            assert isinstance(level, _Level)
            found.extend(level.convolutions())
        return found


class _Exported(nn.Module):
    """The network as it is deployed: one layer for the first, objectness and classes through the sigmoid."""

    def __init__(self, network: YoloxNano) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        first = self.network.stem[0]
        assert isinstance(first, nn.Conv2d)
        self.network.stem[0] = folded(first)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        raw, features = self.network.with_features(images)
        return torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], dim=2), features


def load_weights(network: YoloxNano, path: Path) -> None:
    """Copies the weights of an exported YOLOX-nano into the network.

    A model that `write_onnx` made is matched by the names of its initialisers. Elsewhere those names are
    the exporter's own, so convolutions are matched by their place in the graph. Every shape is checked.
    From a model with more classes the rows of the first are taken (COCO: person).

    Raises:
        ModelError: The file is damaged or holds another architecture.
    """
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's and onnx's own errors, and OSError
        raise ModelError(f"{path}: cannot be read as ONNX: give a YOLOX-nano export ({error})") from error
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    with torch.no_grad():
        for name, parameter in _matched(network, graph, path):
            value = np.array(values[name])
            if value.shape[1:] == (3, 6, 6):
                value = unfolded(torch.from_numpy(value)).numpy()
            if value.ndim and value.shape[1:] == parameter.shape[1:] and len(value) > len(parameter) == 1:
                value = value[:1]
            if value.shape != tuple(parameter.shape):
                raise ModelError(f"{path}: {name} is {value.shape}, YOLOX-nano has {tuple(parameter.shape)}")
            parameter.copy_(torch.from_numpy(value))


def _matched(network: YoloxNano, graph: onnx.GraphProto, path: Path) -> list[tuple[str, Tensor]]:
    """Every parameter with the name of the initialiser that belongs to it."""
    named = {f"network.{name}": parameter for name, parameter in network.named_parameters()}
    if named.keys() <= {item.name for item in graph.initializer}:
        return [*named.items()]
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    targets = network.convolutions()
    if len(nodes) != len(targets):
        raise ModelError(f"{path}: {len(nodes)} convolutions where YOLOX-nano has {len(targets)}")
    matched = []
    for node, target in zip(nodes, targets, strict=True):
        for name, parameter in zip(node.input[1:3], (target.weight, target.bias), strict=True):
            assert parameter is not None
            matched.append((name, parameter))
    return matched


def write_onnx(network: YoloxNano, path: Path, names: Sequence[str], **metadata: str) -> None:
    """Exports to ONNX, for any height and width that are multiples of 32.

    Input `images` (batch, 3, height, width) 0..255 BGR, output `output` (batch, cells, 5 + classes) and, for
    whoever looks at the picture as well, `features` (batch, 256, height / 32, width / 32) of stage 5, whose
    fingerprint is `look` in the metadata; `imgsz` names the 416x416 that weights and time are meant for.
    """
    from torch.onnx import export

    temporary = path.with_name(f"{path.name}.part")
    module = _Exported(network).eval()
    blank = torch.full((1, 3, INPUT_SIDE, INPUT_SIDE), 114.0)
    export(
        module,
        (blank,),
        str(temporary),
        input_names=["images"],
        output_names=["output", "features"],
        dynamic_axes={
            "images": {0: "batch", 2: "height", 3: "width"},
            "output": {0: "batch", 1: "cells"},
            "features": {0: "batch", 2: "rows", 3: "columns"},
        },
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(str(temporary))
    dimensions = model.graph.output[0].type.tensor_type.shape.dim
    dimensions[2].dim_value = 5 + network.classes
    described = {
        "names": repr(dict(enumerate(names))),
        "task": "detect",
        "imgsz": repr([INPUT_SIDE, INPUT_SIDE]),
        "look": fingerprint(network.stage5),
        **metadata,
    }
    assert ast.literal_eval(described["names"])
    onnx.helper.set_model_props(model, described)
    onnx.checker.check_model(model)
    onnx.save(model, str(temporary))
    temporary.replace(path)


def blocks_of(images: Tensor) -> Tensor:
    """Focus: each 2x2 block of pixels becomes 4 times the channels, column by column."""
    return torch.cat([images[..., row::2, column::2] for column in (0, 1) for row in (0, 1)], dim=1)


def _convolutions(module: nn.Module) -> Iterator[nn.Conv2d]:
    """In the order of definition, which each block here keeps equal to the order of computation."""
    return (part for part in module.modules() if isinstance(part, nn.Conv2d))


def _double(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
