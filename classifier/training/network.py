"""The network: features, normalised, three samples at a time into an LSTM; its states into the classes.

Three samples are 200 ms, the time from one answer to the next: an LSTM that takes ten steps instead of thirty
costs a third and loses nothing, as the speeds within a step are features.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ActionNetwork"]


class ActionNetwork(nn.Module):
    """LSTM classifier of windows.

    Args:
        inputs: features F per sample.
        classes: classes C.
        hidden: width of the LSTM.
        layers: LSTM layers.
        dropout: share of activations dropped in training.
        patch: samples of one step; the oldest of a window that do not fill one are left out.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        inputs: int,
        classes: int,
        *,
        hidden: int = 80,
        layers: int = 2,
        dropout: float = 0.3,
        patch: int = 3,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.patch = patch
        self.project = nn.Linear(patch * inputs, hidden)
        self.lstm = nn.LSTM(
            hidden, hidden, num_layers=layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of features (N, T, F)."""
        logits: torch.Tensor = self.head(self.dropout(self.summary(values)))
        return logits

    def summary(self, values: torch.Tensor) -> torch.Tensor:
        """(N, 2 * hidden) last state and mean of the states, which the classes are told from."""
        steps = values.shape[1] // self.patch
        scaled = (values[:, values.shape[1] - steps * self.patch :] - self.mean) * self.scale
        projected = torch.relu(self.project(scaled.reshape(len(values), steps, -1)))
        states, _ = self.lstm(self.dropout(projected))
        return torch.cat([states[:, -1], states.mean(dim=1)], dim=1)
