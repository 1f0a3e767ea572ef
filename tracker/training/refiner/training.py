"""Trains the pose refiner: `python -m tracker.training.refiner`."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tracker.training.curves import save_figure, two_plots
from tracker.training.refiner.corruption import corrupt
from tracker.training.refiner.export import export_onnx
from tracker.training.refiner.network import PoseRefinerNetwork
from tracker.training.refiner.sequences import draw
from tracker.training.refiner.takes import Takes
from tracker.training.schedule import average_into, set_rate

__all__ = ["Settings", "refiner_loss", "train"]

_LOG = logging.getLogger(__name__)

_NEAR = 0.004  # body heights within which an error counts less than linearly
_FAR = 0.2  # body heights above which an error counts ever less
_RIGHT = 0.05  # body heights within which a landmark counts as right, for the confidence
_REPORT = 100  # steps


@dataclasses.dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        steps: Batches to learn from.
        minutes: Wall time after which the schedule has run out, whatever the step; 0 means no limit.
        batch: Sequences a step.
        length: Frames of a sequence.
        rate: Peak learning rate of Adam.
        average: Decay a step of the moving average of the weights, which is what is written.
        hidden_weight: Weight of a hidden landmark beside one that is seen.
        acceleration: Weight of the difference of accelerations.
        confidence: Weight of the confidence's cross entropy.
        seed: Seed of every random choice.
        threads: Threads of PyTorch.
        licence: Of the weights, for the model's metadata.
    """

    steps: int = 6000
    minutes: float = 0.0
    batch: int = 64
    length: int = 24
    rate: float = 1.5e-3
    average: float = 0.998
    hidden_weight: float = 1.5
    acceleration: float = 0.25
    confidence: float = 0.01
    seed: int = 5
    threads: int = 1
    licence: str = ""


def train(
    training: Takes, validation: Takes, out: Path, settings: Settings, *, init: Path | None = None
) -> dict[str, float]:
    """Trains, writes the best model with its weights (.pt), figures (.json) and curves (.png) beside it.

    Args:
        training: Takes to learn from.
        validation: Takes of other actors, by which the best weights are chosen.
        out: ONNX file to write.
        settings: The run.
        init: Weights (.pt) to go on from.

    Returns:
        Validation figures of the written model.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: There is nothing to learn from.
    """
    if not len(training) or not len(validation):
        raise ValueError("no takes to learn from, or none to validate with")
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    network = PoseRefinerNetwork()
    if init is not None:
        network.load_state_dict(torch.load(init, weights_only=True))
    averaged = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.rate)
    fixed = np.random.default_rng(settings.seed + 1000)
    judged = [_batch(validation, settings, fixed) for _ in range(4)]
    random = np.random.default_rng(settings.seed)
    best, began, losses = math.inf, time.monotonic(), list[float]()
    kept: dict[str, float] = {}
    run: dict[str, Any] = {"settings": dataclasses.asdict(settings), "losses": [], "history": []}
    for step in range(1, settings.steps + 1):
        progress = step / settings.steps
        if settings.minutes:
            progress = max(progress, (time.monotonic() - began) / (60.0 * settings.minutes))
        set_rate(optimizer, settings.rate, step - 1, progress)
        loss, _ = refiner_loss(network, *_batch(training, settings, random), settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        average_into(averaged, network, min(settings.average, (1 + step) / (10 + step)))
        last = step == settings.steps or progress >= 1.0
        if step % _REPORT == 0 or last:
            figures = _validate(averaged, judged, settings)
            run["losses"].append((step, float(np.mean(losses[-_REPORT:]))))
            run["history"].append({"step": step, "seconds": round(time.monotonic() - began), **figures})
            _LOG.info("step=%d loss=%.4f %s", *run["losses"][-1], json.dumps(figures))
            if figures["loss"] < best:
                best, kept = figures["loss"], figures
                out.parent.mkdir(parents=True, exist_ok=True)
                export_onnx(averaged, out, {"license": settings.licence} if settings.licence else {})
                torch.save(averaged.state_dict(), out.with_suffix(".pt"))
            out.with_suffix(".json").write_text(json.dumps(run, indent=1))
            _write_curves(out.with_suffix(".png"), run)
        if last:
            break
    return kept


def refiner_loss(
    network: PoseRefinerNetwork,
    landmarks: Tensor,
    seconds: Tensor,
    truth: Tensor,
    weight: Tensor,
    settings: Settings,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Distance to the truth, of the initial stage too, difference of accelerations, and the confidence's.

    Args:
        network: What is trained.
        landmarks: (B, T, 33, 3) observed, body heights.
        seconds: (B, T) since the frame before.
        truth: (B, T, 33, 2).
        weight: (B, T, 33); 0 where the truth is not known.
        settings: Weights of the parts.

    Returns:
        The loss and its parts.
    """
    beliefs, logits, first = network.follow(landmarks, seconds)
    error, total = _distance(beliefs - truth), weight.sum()
    place = (weight * error).sum() / total
    start = (weight[:, 0] * _distance(first - truth[:, 0])).sum() / weight[:, 0].sum()
    seen = (weight > 0).float()
    known = seen[:, 2:] * seen[:, 1:-1] * seen[:, :-2]
    between = _bend(beliefs - truth, seconds)
    jerky = (known * _distance(between)).sum() / known.sum().clamp(min=1.0)
    right = ((beliefs - truth).detach().norm(dim=-1) < _RIGHT).float()
    sure = torch.nn.functional.binary_cross_entropy_with_logits(logits, right, reduction="none")
    sure = (seen * sure).sum() / seen.sum()
    loss = place + 0.2 * start + settings.acceleration * jerky + settings.confidence * sure
    return loss, {"loss": loss, "place": place, "start": start, "jerky": jerky, "sure": sure}


def _distance(difference: Tensor) -> Tensor:
    """Length along the last axis, rounded off near 0 and growing ever more slowly above `_FAR`.

    What cannot be known, such as legs behind a desk, must not drown what can.
    """
    length = ((difference * difference).sum(dim=-1) + _NEAR * _NEAR).sqrt() - _NEAR
    return _FAR * (1.0 + length / _FAR).log()


def _bend(points: Tensor, seconds: Tensor) -> Tensor:
    """Second difference for uneven steps: how far the middle of three is off the line through the others."""
    before, after = seconds[:, 1:-1, None, None], seconds[:, 2:, None, None]
    share = after / (before + after)
    return 2.0 * (points[:, 1:-1] - share * points[:, :-2] - (1 - share) * points[:, 2:])


def _batch(
    takes: Takes, settings: Settings, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Landmarks, seconds, truth and weights of B sequences of T frames, as `refiner_loss` takes them."""
    clean = draw(takes, settings.batch, settings.length, random)
    seen = corrupt(clean.points, clean.visible, clean.seconds, random)
    weight = clean.known * np.where(seen.hidden | ~clean.visible, settings.hidden_weight, 1.0)
    return (
        torch.from_numpy(seen.landmarks),
        torch.from_numpy(clean.seconds),
        torch.from_numpy(clean.points),
        torch.from_numpy(weight.astype(np.float32)),
    )


def _validate(
    network: PoseRefinerNetwork,
    batches: list[tuple[Tensor, Tensor, Tensor, Tensor]],
    settings: Settings,
) -> dict[str, float]:
    with torch.inference_mode():
        parts = [refiner_loss(network, *batch, settings)[1] for batch in batches]
    return {name: round(float(np.mean([part[name].item() for part in parts])), 5) for name in parts[0]}


def _write_curves(path: Path, run: dict[str, Any]) -> None:
    figure, left, right = two_plots()
    left.plot(*np.array(run["losses"], dtype=np.float64).reshape(-1, 2).T, label="training")
    steps = [entry["step"] for entry in run["history"]]
    left.plot(steps, [entry["loss"] for entry in run["history"]], label="other actors, averaged weights")
    left.set(xlabel="step", ylabel="loss", yscale="log")
    for name in ("place", "jerky", "start"):
        right.plot(steps, [entry[name] for entry in run["history"]], label=name)
    right.set(xlabel="step", ylabel="body heights", yscale="log", title="other actors")
    for axes in (left, right):
        axes.legend(fontsize="small")
    save_figure(figure, path)
