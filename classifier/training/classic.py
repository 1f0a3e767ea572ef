"""The classic recipe, exactly as action tutorials with MediaPipe and Keras have it, in PyTorch.

Windows of ten consecutive frames of 132 raw values, one more frame each; four LSTM layers of 50 with dropout
0.2, a dense softmax; Adam, categorical cross-entropy, batches of 32, 20 epochs; a random fifth of the windows
for validation. Neighbouring windows share nine frames, so this validation has seen nearly all it is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from classifier.raw import RAW_COUNT, RAW_SAMPLES

__all__ = [
    "EPOCHS",
    "ClassicFit",
    "ClassicNetwork",
    "classic_logits",
    "classic_windows",
    "fit_classic",
    "random_split",
]

_UNITS, _LAYERS, _DROPOUT = 50, 4, 0.2
_BATCH, _HELD_OUT = 32, 0.2
EPOCHS = 20

_Float = npt.NDArray[np.float32]
_Int = npt.NDArray[np.int64]


class ClassicNetwork(nn.Module):
    """The recipe's network with the initial weights of Keras.

    Keras draws the input weights after Glorot and Bengio (uniform), the recurrent ones orthogonal, and sets
    the biases to 0, the forget gate's to 1. It has one bias per gate where torch has two that are added: the
    second stays 0 and is not trained.

    Args:
        classes: classes C.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(RAW_COUNT, _UNITS, num_layers=_LAYERS, batch_first=True, dropout=_DROPOUT)
        self.dropout = nn.Dropout(_DROPOUT)
        self.head = nn.Linear(_UNITS, classes)
        for name, weight in self.lstm.named_parameters():
            if name.startswith("weight_ih"):
                limit = math.sqrt(6.0 / (weight.shape[1] + weight.shape[0]))
                nn.init.uniform_(weight, -limit, limit)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(weight)
            else:
                nn.init.zeros_(weight)
                if name.startswith("bias_ih"):
                    weight.data[_UNITS : 2 * _UNITS] = 1.0  # torch's order of the gates: i f g o
                else:
                    weight.requires_grad_(False)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of raw values (N, 10, 132)."""
        states, _ = self.lstm(values)
        logits: torch.Tensor = self.head(self.dropout(states[:, -1]))
        return logits


@dataclass
class ClassicFit:
    """A trained network and its curves, one value per epoch."""

    network: ClassicNetwork
    losses: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)


def classic_windows(takes: Sequence[_Float], labels: Sequence[int]) -> tuple[_Float, _Int]:
    """Every window of ten consecutive frames but the last, as the tutorials' loop ``range(10, n)`` has them.

    Args:
        takes: (F, 132) raw values each.
        labels: class number of each take.

    Returns:
        (N, 10, 132) and (N,).
    """
    parts, truth = [np.empty((0, RAW_SAMPLES, RAW_COUNT), np.float32)], [np.empty(0, np.int64)]
    for values, label in zip(takes, labels, strict=True):
        if len(values) > RAW_SAMPLES:
            windows = np.lib.stride_tricks.sliding_window_view(values, RAW_SAMPLES, axis=0)[:-1]
            parts.append(np.ascontiguousarray(windows.transpose(0, 2, 1), np.float32))
            truth.append(np.full(len(windows), label, np.int64))
    return np.concatenate(parts), np.concatenate(truth)


def random_split(count: int, random: np.random.Generator) -> tuple[_Int, _Int]:
    """Training and validation rows, 0.8 and 0.2, as scikit-learn's `train_test_split` sizes them."""
    order = random.permutation(count)
    held = math.ceil(count * _HELD_OUT)
    return order[held:], order[:held]


def fit_classic(
    windows: _Float,
    labels: _Int,
    classes: int,
    *,
    seed: int,
    validation: tuple[_Float, _Int] | None = None,
    after_epoch: Callable[[int, float], None] = lambda *_: None,
) -> ClassicFit:
    """Trains for 20 epochs; the weights of the last one stay, whatever the validation says.

    Args:
        windows: (N, 10, 132).
        labels: (N,).
        classes: classes C.
        seed: of weights, order and dropout.
        validation: windows and labels whose accuracy is taken after each epoch.
        after_epoch: called with the number of the epoch, from 1, and its loss.
    """
    torch.manual_seed(seed)
    fit = ClassicFit(ClassicNetwork(classes))
    trained = [weight for weight in fit.network.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-3, eps=1e-7)  # Keras' defaults
    inputs, truth = torch.from_numpy(windows), torch.from_numpy(labels)
    for epoch in range(EPOCHS):
        fit.network.train()
        total = 0.0
        for rows in torch.split(torch.randperm(len(truth)), _BATCH):
            loss = functional.cross_entropy(fit.network(inputs[rows]), truth[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        fit.losses.append(total / len(truth))
        if validation is not None:
            answers = classic_logits(fit.network, validation[0]).argmax(axis=1)
            fit.validation_accuracy.append(float((answers == validation[1]).mean()))
        after_epoch(epoch + 1, fit.losses[-1])
    fit.network.eval()
    return fit


def classic_logits(network: ClassicNetwork, windows: _Float) -> npt.NDArray[np.float64]:
    """(N, C) without dropout."""
    network.eval()
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(windows), 2048)
        parts = [network(part).numpy().astype(np.float64) for part in batches]
    return np.concatenate(parts) if parts else np.empty((0, network.head.out_features))
