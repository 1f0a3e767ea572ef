"""The network: features, normalised, into an LSTM; its last state and its mean over time into the classes."""

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
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, inputs: int, classes: int, *, hidden: int = 80, layers: int = 2, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.project = nn.Linear(inputs, hidden)
        self.lstm = nn.LSTM(
            hidden, hidden, num_layers=layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of features (N, T, F)."""
        projected = torch.relu(self.project((values - self.mean) * self.scale))
        states, _ = self.lstm(self.dropout(projected))
        summary = torch.cat([states[:, -1], states.mean(dim=1)], dim=1)
        logits: torch.Tensor = self.head(self.dropout(summary))
        return logits
