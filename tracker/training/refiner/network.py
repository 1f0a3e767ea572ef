"""The pose refiner in PyTorch: a recurrent network that keeps a belief of where a person's landmarks are.

After Luo et al., "LSTM Pose Machines", CVPR 2018: b_t = g(L(F(X_t) (+) b_{t-1})), with an initial stage of
its own at t = 1 and the gates i, f, o, g of an LSTM (their section 3.2). There F reads an image and a belief
is a heatmap; here X_t is what BlazePose says and a belief is the landmarks themselves. g mixes for each
landmark what is observed, what is observed on the other side of the body, where it was on the body, which may
have moved, and a place that the network works out: so that it can let pass, undo a swap, hold, and fill in.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tracker.landmarks import MIRROR

__all__ = [
    "BODY",
    "CANDIDATES",
    "CONTEXT",
    "FAR",
    "INPUTS",
    "LOCAL",
    "NEAR",
    "PRIOR",
    "SOFTENING",
    "TRUNK",
    "PoseRefinerNetwork",
    "Step",
]

TRUNK = (11, 12, 23, 24)
"""Shoulders and hips: their mean is the origin of the body frame."""
BODY = (0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""Landmarks whose root mean square distance from their mean is the unit of length of the body frame."""
CANDIDATES = 4
"""Observed, observed on the other side, where it was on the body, worked out."""
SOFTENING = (1.0, 0.5, 0.25)
"""Distances, in units of the body frame, beyond which a landmark has little say in how the body moved."""
INPUTS = 33 * 8 + 6
CONTEXT = 8
"""What g tells each landmark of the body as a whole."""
LOCAL = 14
"""What each landmark is told of itself."""

PRIOR = ((-6.0, 0.0, 0.0, 0.0), (0.0, -6.0, 0.0, 0.0), (3.0, 1.5, -3.0, -1.0))
"""Where learning begins: weights of how far off the observed and the mirrored landmark are (0..1), and
constants. Of the two the one near to what was expected wins; where neither is near, what is worked out."""
NEAR, FAR = 0.1, 0.4
"""Lengths, units of the body frame, that count as half as far off as can be: as an input, in the prior."""


class Step(NamedTuple):
    """What one step gives.

    Attributes:
        belief: (N, 33, 2).
        speed: (N, 33, 2) of the belief beside the body as a whole, units of the body frame a second.
        confidence: (N, 33) logit.
        shares: (N, 33, 4) of the candidates, 0..1.
        hidden: (N, H).
        cell: (N, H).
    """

    belief: Tensor
    speed: Tensor
    confidence: Tensor
    shares: Tensor
    hidden: Tensor
    cell: Tensor


class PoseRefinerNetwork(nn.Module):
    """See the module.

    Args:
        features: width of F.
        hidden: width of the LSTM.
    """

    def __init__(self, features: int = 96, hidden: int = 96) -> None:
        super().__init__()
        self.hidden = hidden
        self.start = nn.Sequential(nn.Linear(99, 96), nn.ReLU(), nn.Linear(96, 66))
        self.reads = nn.Sequential(nn.Linear(INPUTS, 128), nn.ReLU(), nn.Linear(128, features), nn.ReLU())
        self.gates = nn.Linear(features + 66 + hidden, 4 * hidden)
        self.gives = nn.Sequential(nn.Linear(features + hidden, 128), nn.ReLU(), nn.Linear(128, 33 * CONTEXT))
        self.chooses = nn.Sequential(  # the same for every landmark
            nn.Linear(LOCAL + CONTEXT, 32), nn.ReLU(), nn.Linear(32, CANDIDATES + 3)
        )
        trunk, body = torch.zeros(33), torch.zeros(33)
        trunk[list(TRUNK)], body[list(BODY)] = 1 / len(TRUNK), 1 / len(BODY)
        self.register_buffer("trunk", trunk[:, None])
        self.register_buffer("body", body[:, None])
        self.register_buffer("prior", torch.tensor(PRIOR))
        self.register_buffer("mirror", torch.from_numpy(MIRROR))
        self.trunk: Tensor
        self.body: Tensor
        self.mirror: Tensor
        self.prior: Tensor
        self._initialise()

    def _initialise(self) -> None:
        """An untrained network goes by the prior and remembers."""
        with torch.no_grad():
            for part in (self.start, self.chooses):
                weight, bias = [*part.parameters()][-2:]
                nn.init.normal_(weight, std=0.01)
                nn.init.zeros_(bias)
            nn.init.zeros_(self.gates.bias)
            self.gates.bias[self.hidden : 2 * self.hidden] = 1.0

    def first_belief(self, landmarks: Tensor) -> Tensor:
        """The initial stage: (N, 33, 2) from landmarks (N, 33, 3) alone."""
        points, visibility = landmarks[..., :2], landmarks[..., 2:]
        weight = visibility * visibility + 0.05
        weight = weight / weight.sum(dim=1, keepdim=True)
        centre = (weight * points).sum(dim=1, keepdim=True)
        away = points - centre
        unit = ((weight * away * away).sum(dim=(1, 2), keepdim=True) + 1e-6).sqrt()
        place = (away / unit).clamp(-4.0, 4.0)
        moved = self.start(torch.cat([place.flatten(1), visibility.flatten(1)], dim=1))
        first: Tensor = points + unit * moved.view(-1, 33, 2)
        return first

    def forward(
        self,
        landmarks: Tensor,
        belief: Tensor,
        speed: Tensor,
        confidence: Tensor,
        hidden: Tensor,
        cell: Tensor,
        seconds: Tensor,
    ) -> Step:
        """One frame of N people who have a belief, `first_belief` or that of the frame before.

        Args:
            landmarks: (N, 33, 3) x, y and visibility, in any unit of length.
            belief: (N, 33, 2).
            speed: (N, 33, 2) of the belief beside the body as a whole, units of the body frame a second; at
                the start 0.
            confidence: (N, 33) 0..1; at the start the visibilities.
            hidden: (N, H), at the start 0.
            cell: (N, H), at the start 0.
            seconds: (N, 1) since the frame before; at the start 0.
        """
        points, visibility = landmarks[..., :2], landmarks[..., 2:]
        # 1. The body frame, of the belief.
        away = belief - (self.body * belief).sum(dim=1, keepdim=True)
        unit = ((self.body * away * away).sum(dim=(1, 2), keepdim=True) + 1e-6).sqrt()
        place = (belief - (self.trunk * belief).sum(dim=1, keepdim=True)) / unit
        # 2. How the body as a whole has moved: a mean in which landmarks that went astray lose their say
        #    (Geman and McClure's weights, from soft to hard).
        moves = (points - belief) / unit
        sure = visibility * visibility + 0.02
        with torch.no_grad():  # who has a say is not learnt: half the time of a step backwards
            weight = sure
            moved = (weight * moves).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True)
            for limit in SOFTENING:
                apart = moves - moved
                far = 1.0 + (apart * apart).sum(dim=2, keepdim=True) / (limit * limit)
                weight = sure / (far * far)
                moved = (weight * moves).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True)
        moved = (weight * moves).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True)
        # 3. F: what is observed, beside what was believed.
        apart = moves - moved
        aside = (points[:, self.mirror] - belief) / unit - moved
        off, off_aside = _length(apart), _length(aside)
        move = moved.flatten(1)
        passed = seconds + 0.02
        inputs = [
            (place + apart).clamp(-4.0, 4.0).flatten(1),
            apart.clamp(-4.0, 4.0).flatten(1),
            visibility.flatten(1),
            confidence,
            _saturated(off).flatten(1),
            _saturated(off_aside).flatten(1),
            move.clamp(-4.0, 4.0),
            (0.1 * move / passed).clamp(-4.0, 4.0),
            seconds,
            0.05 / passed,
        ]
        read = self.reads(torch.cat(inputs, dim=1))
        # 4. L.
        gates = self.gates(torch.cat([read, place.clamp(-4.0, 4.0).flatten(1), hidden], dim=1))
        i, f, o, g = gates.chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        # 5. g.
        context = self.gives(torch.cat([hidden, read], dim=1)).view(-1, 33, CONTEXT)
        onward = (speed * seconds[..., None]).clamp(-1.0, 1.0)
        local = [
            apart.clamp(-4.0, 4.0),
            aside.clamp(-4.0, 4.0),
            onward,
            off.clamp(max=4.0),
            off_aside.clamp(max=4.0),
            _saturated(off),
            _saturated(off_aside),
            visibility,
            visibility[:, self.mirror],
            confidence[..., None],
            seconds[:, None].expand(-1, 33, 1),
            context,
        ]
        given = self.chooses(torch.cat(local, dim=2))
        off_weight, aside_weight, constant = self.prior
        prior = _saturated(off, FAR) * off_weight + _saturated(off_aside, FAR) * aside_weight + constant
        shares = (given[..., :CANDIDATES] + prior).softmax(dim=-1)
        worked_out = moved + given[..., CANDIDATES : CANDIDATES + 2]
        step = (
            shares[..., 0:1] * moves
            + shares[..., 1:2] * (aside + moved)
            + shares[..., 2:3] * moved
            + shares[..., 3:4] * worked_out
        )
        speed = (step - moved) / passed[..., None]
        return Step(belief + unit * step, speed, given[..., CANDIDATES + 2], shares, hidden, cell)

    def follow(self, landmarks: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sequences from their first frame on.

        Args:
            landmarks: (B, T, 33, 3).
            seconds: (B, T) since the frame before.

        Returns:
            (B, T, 33, 2) beliefs, (B, T, 33) logits of their confidence, (B, 33, 2) of the initial stage.
        """
        first = belief = self.first_belief(landmarks[:, 0])
        confidence = landmarks[:, 0, :, 2]
        speed = torch.zeros_like(first)
        hidden = cell = landmarks.new_zeros(len(landmarks), self.hidden)
        beliefs, logits = [], []
        for time in range(landmarks.shape[1]):
            passed = seconds[:, time : time + 1] if time else torch.zeros_like(seconds[:, :1])
            step = self(landmarks[:, time], belief, speed, confidence, hidden, cell, passed)
            belief, speed, confidence = step.belief, step.speed, step.confidence.sigmoid()
            hidden, cell = step.hidden, step.cell
            beliefs.append(belief)
            logits.append(step.confidence)
        return torch.stack(beliefs, dim=1), torch.stack(logits, dim=1), first


def _length(vectors: Tensor) -> Tensor:
    """(..., 1) length along the last axis, with a slope at 0."""
    return ((vectors * vectors).sum(dim=-1, keepdim=True) + 1e-6).sqrt()


def _saturated(length: Tensor, half: float = NEAR) -> Tensor:
    """0..1, which tells small lengths, as of jitter, from each other as well as large ones."""
    return length / (length + half)
