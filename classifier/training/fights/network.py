"""The networks: stages 1 to 5 of the person detector look; how their features change is weighed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from tracker.training.focus import fingerprint, folded
from tracker.training.network import YoloxNano, load_weights

__all__ = ["CHANNELS", "FLOOR", "FightJudge", "FightLook", "described"]

CHANNELS = 256
FLOOR = 1e-3


class FightLook(nn.Module):
    """Stages 1 to 5 of the person detector, as they are.

    Args:
        detector: ONNX file of the detector.

    Attributes:
        fingerprint: of the weights of stage 5; a detector with the same one has these features already.
    """

    def __init__(self, detector: Path) -> None:
        super().__init__()
        network = YoloxNano()
        load_weights(network, detector)
        self.fingerprint = fingerprint(network.stage5)
        first = network.stem[0]
        assert isinstance(first, nn.Conv2d)
        network.stem[0] = folded(first)
        self.stages = nn.Sequential(
            network.stem, network.stage2, network.stage3, network.stage4, network.stage5
        )
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, 256, H / 32, W / 32) of images (N, 3, H, W), 0..255 BGR."""
        features: Tensor = self.stages(images)
        return features


def described(features: Tensor, shares: Tensor, interval: Tensor) -> Tensor:
    """How features change: (769,) logarithms of mean change where people move, the largest, spread; interval.

    Args:
        features: (T, 256, rows, columns), T looks one after the other.
        shares: (rows, columns) of the motion, sum 1.
        interval: (1,) mean seconds between two looks.
    """
    cells = features.flatten(2)
    weights = shares.flatten()
    change = (cells[1:] - cells[:-1]).abs()
    centred = cells - cells.mean(dim=0, keepdim=True)
    spread = (centred * centred).mean(dim=0).sqrt()
    parts = (change.mean(dim=0) @ weights, change.amax(dim=2).mean(dim=0), spread @ weights)
    return torch.cat([torch.log(torch.cat(parts) + FLOOR), torch.log(interval)])


class FightJudge(nn.Module):
    """Logistic regression on `described`, calibrated.

    Args:
        weight: (769,).
        bias: of the logit.
    """

    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.bias = bias
        self.shift, self.temperature = 0.0, 1.0

    weight: Tensor

    def logits(self, described_: Tensor) -> Tensor:
        """(N,) of rows (N, 769)."""
        return described_ @ self.weight + self.bias

    def forward(self, features: Tensor, shares: Tensor, interval: Tensor) -> Tensor:
        """(1,) probability that people fight; see `described`."""
        logit = self.logits(described(features, shares, interval)[None])
        return torch.sigmoid((logit + self.shift) / self.temperature)
