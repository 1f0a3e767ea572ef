"""Writes the networks as ONNX, and checks what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from classifier.fights.model import FIGHTS_VERSION, FightModel
from classifier.training.errors import TrainingError
from classifier.training.fights.clips import INTERVAL
from classifier.training.fights.fit import LEAST, SECONDS, SHORTEST
from classifier.training.fights.network import CHANNELS, FightJudge, FightLook

__all__ = ["write_judge", "write_look"]

_OPSET = 17


def write_look(path: Path, look: FightLook) -> None:
    """Writes what looks at pictures: `images` (1, 3, H, W) to `features` (1, 256, H / 32, W / 32).

    Raises:
        OSError: the file cannot be written.
    """
    axes = {"images": {2: "height", 3: "width"}, "features": {2: "rows", 3: "columns"}}
    metadata = {"license": "Apache-2.0", "look": look.fingerprint}
    _export(look, path, (torch.zeros(1, 3, 320, 544),), axes, metadata)


def write_judge(path: Path, judge: FightJudge) -> None:
    """Writes what judges: `features` (T, 256, rows, columns), `shares` (rows, columns), `interval` (1,) in.

    Out comes `score` (1,). NAME_look.onnx must stand beside it.

    Raises:
        TrainingError: ONNX Runtime answers otherwise than PyTorch.
        OSError: the file cannot be written.
    """
    metadata = {
        "fights": FIGHTS_VERSION,
        "seconds": str(SECONDS),
        "least": str(LEAST),
        "shortest": str(SHORTEST),
        "interval": str(INTERVAL),
        "license": "Apache-2.0",
    }
    axes: dict[str, dict[int, str]] = {
        "features": {0: "looks", 2: "rows", 3: "columns"},
        "shares": {0: "rows", 1: "columns"},
        "interval": {},
        "score": {},
    }
    example = (torch.rand(16, CHANNELS, 10, 17), torch.rand(10, 17), torch.full((1,), INTERVAL))
    _export(judge, path, example, axes, metadata)
    random = np.random.default_rng(0)
    features = random.random((13, CHANNELS, 9, 12), np.float32)
    energy = random.random((9, 12), np.float32)
    found = FightModel(path).judge(features, energy, 0.2)
    shares = torch.from_numpy((energy + 1e-3) / (energy + 1e-3).sum())
    with torch.inference_mode():
        expected = judge(torch.from_numpy(features), shares, torch.full((1,), 0.2))
    if abs(found - float(expected)) > 1e-3:
        raise TrainingError(f"{path}: ONNX Runtime differs from PyTorch: update onnxruntime")


def _export(
    module: nn.Module,
    path: Path,
    example: tuple[torch.Tensor, ...],
    axes: dict[str, dict[int, str]],
    metadata: dict[str, str],
) -> None:
    from torch.onnx import export

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part")
    names = list(axes)
    export(
        module.eval(),
        example,
        str(temporary),
        input_names=names[:-1],
        output_names=names[-1:],
        dynamic_axes={name: axis for name, axis in axes.items() if axis},
        opset_version=_OPSET,
        dynamo=False,
    )
    model = onnx.load(str(temporary))
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(temporary))
    temporary.replace(path)
