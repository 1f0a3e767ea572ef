"""Writes the networks as ONNX, and checks what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from classifier.fights.crops import SIDE
from classifier.fights.model import FIGHTS_VERSION, FightModel
from classifier.training.errors import TrainingError
from classifier.training.fights.clips import INTERVAL
from classifier.training.fights.fit import SAMPLES
from classifier.training.fights.network import CHANNELS, FightLook, FightVote

__all__ = ["LEAST", "write_fights"]

LEAST = 8
"""Looks from which is judged."""

_CELLS = SIDE // 32


def write_fights(path: Path, look: FightLook, vote: FightVote) -> tuple[Path, Path]:
    """Writes NAME.onnx and NAME_look.onnx; returns both.

    Raises:
        TrainingError: ONNX Runtime answers otherwise than PyTorch.
        OSError: a file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.stem}_look.onnx")
    crops = torch.zeros(1, 3, SIDE, SIDE)
    features = torch.zeros(1, SAMPLES, CHANNELS, _CELLS, _CELLS)
    _export(look, beside, crops, "crops", "features", {0: "places"}, {})
    metadata = {
        "fights": FIGHTS_VERSION,
        "samples": str(SAMPLES),
        "least": str(LEAST),
        "interval": str(INTERVAL),
        "threshold": "0.5",
        "license": "Apache-2.0",
    }
    _export(vote, path, features, "features", "score", {0: "places", 1: "looks"}, metadata)
    _verify(path, look, vote)
    return path, beside


def _export(
    module: nn.Module,
    path: Path,
    example: torch.Tensor,
    given: str,
    made: str,
    open_: dict[int, str],
    metadata: dict[str, str],
) -> None:
    from torch.onnx import export

    temporary = path.with_name(f"{path.name}.part")
    export(
        module.eval(),
        (example,),
        str(temporary),
        input_names=[given],
        output_names=[made],
        dynamic_axes={given: open_, made: {0: open_[0]}},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(str(temporary))
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(temporary))
    temporary.replace(path)


def _verify(path: Path, look: FightLook, vote: FightVote) -> None:
    """The written files must answer as the networks do."""
    random = np.random.default_rng(0)
    crops = [random.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(LEAST)]
    model = FightModel(path)
    found = model.judge(model.look(crops)[None])
    with torch.inference_mode():
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
        expected = vote(look(batch)[None]).numpy()
    if float(np.abs(found - expected).max()) > 1e-3:
        raise TrainingError(f"{path}: ONNX Runtime differs from PyTorch: update onnxruntime")
