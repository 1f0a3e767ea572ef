"""SimOTA assignment, the losses of an anchor-free YOLOX head, and distillation from a teacher.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2.1 (SimOTA, losses and their weights);
Ge et al., "OTA: Optimal Transport Assignment for Object Detection", 2021 (dynamic k).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Assignment", "assign", "decode", "detection_loss", "distillation_loss"]

_BOX_WEIGHT = 5.0
_IOU_COST = 3.0
_CENTRE_RADIUS = 2.5  # cells around the centre of a box that may answer for it
_DYNAMIC_CANDIDATES = 10
_TEACHER_SURE = 0.05  # boxes of cells below this score are noise
_FORBIDDEN = 1e5


@dataclass(frozen=True)
class Assignment:
    """Which cells answer for which boxes in one image.

    Attributes:
        cells: (P,) int64 indices of the positive cells.
        boxes: (P,) int64 index of the box each answers for.
        overlaps: (P,) IoU of the prediction with that box.
    """

    cells: Tensor
    boxes: Tensor
    overlaps: Tensor


def decode(raw: Tensor, cells: Tensor) -> Tensor:
    """Boxes (B, A, 4) left, top, right, bottom in input pixels.

    Args:
        raw: (B, A, 5 + classes) output of the network.
        cells: (A, 3) column, row and stride of every cell.
    """
    stride = cells[:, 2:]
    centre = (raw[..., :2] + cells[:, :2]) * stride
    half = torch.exp(raw[..., 2:4].clamp(max=8.0)) * stride / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def pair_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of boxes that broadcast against each other, last dimension 4."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    area_first = (first[..., 2:] - first[..., :2]).clamp(min=0).prod(-1)
    area_second = (second[..., 2:] - second[..., :2]).clamp(min=0).prod(-1)
    return overlap / (area_first + area_second - overlap).clamp(min=1e-9)


@torch.no_grad()
def assign(predicted: Tensor, scores: Tensor, targets: Tensor, cells: Tensor) -> Assignment:
    """SimOTA for one image: every box takes its k cheapest cells, k the sum of its best IoUs.

    Args:
        predicted: (A, 4) boxes in pixels.
        scores: (A,) probability of a person (objectness times class).
        targets: (G, 4) true boxes in pixels, G > 0.
        cells: (A, 3) column, row, stride.
    """
    centres = (cells[:, :2] + 0.5) * cells[:, 2:]
    middle = (targets[:, :2] + targets[:, 2:]) / 2
    inside = _inside(cells, targets)
    near = ((centres - middle[:, None]).abs() < _CENTRE_RADIUS * cells[:, 2:]).all(-1)
    index = (inside | near).any(0).nonzero().squeeze(1)
    overlaps = pair_iou(targets[:, None], predicted[index])
    likelihood = -torch.log(scores[index].clamp(1e-7, 1.0).sqrt())
    cost = likelihood - _IOU_COST * torch.log(overlaps + 1e-8)
    cost += _FORBIDDEN * ~(inside & near)[:, index]
    best = overlaps.topk(min(_DYNAMIC_CANDIDATES, len(index)), dim=1).values
    wanted = best.sum(1).int().clamp(min=1, max=len(index))
    order = cost.argsort(1)[:, : int(wanted.max())]
    chosen = torch.zeros_like(cost, dtype=torch.bool)
    chosen.scatter_(1, order, torch.arange(order.shape[1])[None] < wanted[:, None])
    # A cell wanted by several boxes answers for the cheapest.
    disputed = chosen.sum(0) > 1
    chosen[:, disputed] = functional.one_hot(cost[:, disputed].argmin(0), len(targets)).T.bool()
    positive = chosen.any(0).nonzero().squeeze(1)
    owner = chosen[:, positive].float().argmax(0)
    return Assignment(index[positive], owner, overlaps[owner, positive])


def detection_loss(
    raw: Tensor, targets: Sequence[Tensor], cells: Tensor, unsure: Sequence[Tensor] | None = None
) -> Tensor:
    """Loss of a batch: 5 (1 - IoU^2) for boxes, cross entropy for objectness and class, per positive cell.

    Args:
        raw: (B, A, 6) output of the network with one class.
        targets: For every image the (G, 4) true boxes in pixels; G may be 0.
        cells: (A, 3) column, row, stride.
        unsure: For every image (M, 4) regions whose cells, unless one answers for a person, count neither
            as background nor as a person.
    """
    boxes = decode(raw, cells)
    scores = (raw[..., 4].sigmoid() * raw[..., 5].sigmoid()).detach()
    objectness = torch.zeros_like(raw[..., 4])
    counts = torch.ones_like(objectness)
    for number, regions in enumerate(unsure or ()):
        counts[number] = (~_inside(cells, regions).any(0)).float()
    predicted, true, logits, overlaps = [], [], [], []
    for number, truth in enumerate(targets):
        if len(truth) == 0:
            continue
        found = assign(boxes[number].detach(), scores[number], truth, cells)
        objectness[number, found.cells] = counts[number, found.cells] = 1.0
        predicted.append(boxes[number, found.cells])
        true.append(truth[found.boxes])
        logits.append(raw[number, found.cells, 5])
        overlaps.append(found.overlaps)
    loss = functional.binary_cross_entropy_with_logits(raw[..., 4], objectness, counts, reduction="sum")
    if predicted:
        iou = pair_iou(torch.cat(predicted), torch.cat(true))
        loss = loss + _BOX_WEIGHT * (1 - iou.square()).sum()
        loss = loss + functional.binary_cross_entropy_with_logits(
            torch.cat(logits), torch.cat(overlaps), reduction="sum"
        )
    return loss / objectness.sum().clamp(min=1.0)


def distillation_loss(raw: Tensor, teacher: Tensor, cells: Tensor) -> Tensor:
    """How far a network is from its teacher: cross entropy of scores, 5 (1 - IoU) for boxes.

    Cells count for box and class by the teacher's score, and the sum is taken per unit of that score, so
    that images with many and with few people weigh as they do in `detection_loss`. What the teacher itself
    would lose at its own answer (its entropy) is subtracted: 0 means equal.

    Args:
        raw: (B, A, 6) output of the network.
        teacher: (B, A, 6) output of the teacher for the same images, without gradient.
        cells: (A, 3) column, row, stride.
    """
    goal = teacher[..., 4:].sigmoid()
    score = goal.prod(-1)
    entropy = functional.binary_cross_entropy_with_logits(teacher[..., 4:], goal, reduction="none")
    cross = functional.binary_cross_entropy_with_logits(raw[..., 4:], goal, reduction="none") - entropy
    loss = cross[..., 0].sum() + (cross[..., 1] * score).sum()
    strong = score > _TEACHER_SURE
    iou = pair_iou(decode(raw, cells)[strong], decode(teacher, cells)[strong])
    loss = loss + _BOX_WEIGHT * ((1 - iou) * score[strong]).sum()
    return loss / score.sum().clamp(min=1.0)


def _inside(cells: Tensor, boxes: Tensor) -> Tensor:
    """(G, A) whether the centre of a cell lies in a box."""
    centres = (cells[:, :2] + 0.5) * cells[:, 2:]
    return ((centres > boxes[:, None, :2]) & (centres < boxes[:, None, 2:])).all(-1)
