"""Steps of an optimizer in proportion to what they change."""

from __future__ import annotations

import torch

from tracker.training.network import YoloxNano

__all__ = ["RelativeSteps"]


class RelativeSteps:
    """Steps in proportion to what they change.

    Adam moves every weight by about the learning rate. With batch normalisation folded in, the channels'
    weights differ in size by a factor of 1000 (the first layer's, for pixels of 0..255, are about 0.001), and
    the rate that suits one layer ruins another. Here each step is multiplied by the root mean square of the
    weights of its output channel at the start, of a bias by that of the layer's biases, so that the rate is
    a relative one (Shazeer & Stern, "Adafactor", 2018, section 8).
    """

    def __init__(self, network: YoloxNano) -> None:
        self._parameters = list(network.parameters())
        self._scales = [
            value.detach().square().mean(dim=(1, 2, 3) if value.ndim == 4 else None, keepdim=True).sqrt()
            for value in self._parameters
        ]

    @torch.no_grad()
    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """One step of the optimizer, scaled."""
        before = [value.clone() for value in self._parameters]
        optimizer.step()
        for value, old, scale in zip(self._parameters, before, self._scales, strict=True):
            value.copy_(old + scale * (value - old))
