"""What every training here does beside its loss: the learning rate over time, the average of the weights."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["average_into", "set_rate"]


def set_rate(optimizer: torch.optim.Optimizer, peak: float, step: int, progress: float) -> None:
    """Linear warm-up over 100 steps, counted from 0, then a cosine down to 2 % of the peak."""
    cosine = 0.02 + 0.98 * (1.0 + math.cos(math.pi * min(progress, 1.0))) / 2.0
    for group in optimizer.param_groups:
        group["lr"] = peak * cosine * min(1.0, (step + 1) / 100)


@torch.no_grad()
def average_into(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Moves the average of a network's weights towards what they are now."""
    for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1.0 - decay)
