"""The networks: the detector's first stages look at a crop; what changes between two looks is judged."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker.training.network import YoloxNano, load_weights

__all__ = ["CHANNELS", "FightJudge", "FightLook", "FightVote"]

CHANNELS = 384
"""Of a look: stage 4 of the detector, halved in size, and stage 5."""


class FightLook(nn.Module):
    """Stages 1 to 5 of the person detector, as they are.

    Args:
        detector: ONNX file of the detector.
    """

    def __init__(self, detector: Path) -> None:
        super().__init__()
        network = YoloxNano()
        load_weights(network, detector)
        self.stem, self.stage2, self.stage3 = network.stem, network.stage2, network.stage3
        self.stage4, self.stage5 = network.stage4, network.stage5
        self.requires_grad_(False)

    def forward(self, crops: Tensor) -> Tensor:
        """Features (N, 384, 9, 9) of crops (N, 3, 288, 288), 0..255 BGR."""
        blocks = [crops[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        fourth = self.stage4(self.stage3(self.stage2(self.stem(torch.cat(blocks, dim=1)))))
        return torch.cat([functional.avg_pool2d(fourth, 2), self.stage5(fourth)], dim=1)


class FightJudge(nn.Module):
    """How features change from look to look, over space and time, to a logit.

    Args:
        width: channels inside.
        dropout: share of the summary dropped in training.
    """

    def __init__(self, width: int = 32, dropout: float = 0.4) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(CHANNELS, width, 1)
        self.entry = nn.BatchNorm3d(width)
        self.first = nn.Conv3d(width, width, 3, padding=(0, 1, 1))
        self.after_first = nn.BatchNorm3d(width)
        self.second = nn.Conv3d(width, width, 3, padding=(0, 1, 1))
        self.after_second = nn.BatchNorm3d(width)
        self.head = nn.Linear(2 * width, 1)
        self.dropout = nn.Dropout(dropout)
        self.channels = nn.Dropout3d(0.1)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N,) of features (N, T, 384, 9, 9)."""
        looks = features.shape[1]
        small = torch.relu(self.narrow(features.flatten(0, 1)))
        small = small.unflatten(0, (-1, looks)).transpose(1, 2)
        change = self.channels(self.entry((small[:, :, 1:] - small[:, :, :-1]).abs()))
        change = torch.relu(self.after_first(self.first(change)))
        change = torch.relu(self.after_second(self.second(change)))
        summary = torch.cat([change.mean(dim=(3, 4)), change.amax(dim=(3, 4))], dim=1).mean(dim=2)
        logits: Tensor = self.head(self.dropout(summary))[:, 0]
        return logits


class FightVote(nn.Module):
    """Several judges, whose logits are averaged and calibrated.

    Args:
        judges: trained from different beginnings.
        temperature: divides the mean logit.
        shift: is added to it before that.
    """

    def __init__(self, judges: list[FightJudge], temperature: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.judges = nn.ModuleList(judges)
        self.temperature, self.shift = temperature, shift

    def forward(self, features: Tensor) -> Tensor:
        """Probability (N,) of features (N, T, 384, 9, 9)."""
        logits = torch.stack([judge(features) for judge in self.judges]).mean(dim=0)
        return torch.sigmoid((logits + self.shift) / self.temperature)
