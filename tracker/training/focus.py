"""YOLOX's first layer, written as one convolution of the picture.

The network cuts a picture into 2x2 blocks, whose pixels become four times the channels, and convolves those
3x3. A convolution of the picture itself, 6x6 with steps of 2, is the same sum, and takes half the time.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

__all__ = ["fingerprint", "folded", "unfolded"]

_PARTS = ((0, 0), (1, 0), (0, 1), (1, 1))  # row and column in a block, in the order of the channels


def folded(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer (N, 12, 3, 3) of blocks as one (N, 3, 6, 6) of pixels."""
    assert layer.bias is not None
    single = nn.Conv2d(3, layer.out_channels, 6, 2, 2)
    with torch.no_grad():
        for number, (row, column) in enumerate(_PARTS):
            single.weight[:, :, row::2, column::2] = layer.weight[:, 3 * number : 3 * number + 3]
        assert single.bias is not None
        single.bias.copy_(layer.bias)
    return single


def unfolded(weight: Tensor) -> Tensor:
    """Weights (N, 3, 6, 6) as those of blocks, (N, 12, 3, 3)."""
    return torch.cat([weight[:, :, row::2, column::2] for row, column in _PARTS], dim=1)


def fingerprint(stage: nn.Module) -> str:
    """Of the weights of a stage: networks that share it give the same features."""
    digest = hashlib.sha256()
    for parameter in stage.parameters():
        digest.update(parameter.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
