"""Fine-tunes a YOLOX-nano person detector: `posewatch train-detector`.

The network starts from the weights of an exported YOLOX-nano, of whose classes the first (COCO: person) is
kept, and which also is the teacher: on everyday scenes the network is held to what the start says there, so
that it does not forget the street while it learns the floor. After each pass the moving average of the
weights is measured on the held-out samples and written beside the model (`.last.onnx`); the best is kept,
mixed with the start, or with the model that it went on from, where that is better still, and its score
calibrated.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from tracker.heads import anchor_cells
from tracker.training.batches import SHAPES, Batch, Pass
from tracker.training.curves import write_curves
from tracker.training.loss import detection_loss, distillation_loss
from tracker.training.metrics import DetectionMetrics
from tracker.training.mixture import calibrate, mix
from tracker.training.network import STRIDES, YoloxNano, load_weights, write_onnx
from tracker.training.relative_steps import RelativeSteps
from tracker.training.samples import Sample, read_samples, split
from tracker.training.schedule import average_into, set_rate
from tracker.training.validation import measure, merit, report

__all__ = ["Settings", "fine_tune", "train"]

_LOG = logging.getLogger(__name__)

_CHECKPOINT = 50  # steps between two writings of the average, for runs that are cut short
_PRECISION = 0.87  # of detections of score 0.5, which start a track


@dataclasses.dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        epochs: Passes over the training samples.
        minutes: Wall time after which the schedule has run out, whatever the epoch; 0 means no limit.
        batch: Images a step.
        rate: Peak learning rate of AdamW, relative to the size of what it moves (see `RelativeSteps`).
        decay: Weight decay.
        average: Decay a step of the moving average of the weights.
        share: Share of every set that is held out.
        seed: Seed of every random choice but the split, which is the same for every run: what one run held
            out, a later one that goes on from it must not learn.
        threads: Threads of PyTorch.
        workers: Threads that read and augment.
        shares: Weight of a set when images are drawn; a set not named has 1.
        taught: Sets on which the network is held to the start: everyday scenes, which it knows well.
        distillation: Weight of that.
        licence: Of the weights, for the model's metadata.
    """

    epochs: int = 20
    minutes: float = 0.0
    batch: int = 8
    rate: float = 1.5e-3
    decay: float = 0.01
    average: float = 0.998
    share: float = 0.2
    seed: int = 9
    threads: int = 2
    workers: int = 1
    shares: dict[str, float] = dataclasses.field(
        default_factory=lambda: {
            "coco": 1.5,
            "cafe": 1.5,
            "fall_action": 1.3,
            "urfall": 0.7,
            "gmdcsa24": 0.5,
            "surv_fight": 0.7,
        }
    )
    taught: tuple[str, ...] = ("coco", "pennfudan", "surv_fight")
    distillation: float = 1.0
    licence: str = ""


def fine_tune(
    data: Path,
    start: Path,
    out: Path,
    settings: Settings,
    *,
    extra: Path | None = None,
    init: Path | None = None,
) -> dict[str, DetectionMetrics]:
    """From folders of labelled images to a calibrated model with its figures (.json) and curves (.png).

    Args:
        data: Folder of data sets, each with `images` and YOLO `labels`; a part of each is held out.
        start: YOLOX-nano to start from, and the teacher.
        out: ONNX file to write.
        settings: The run.
        extra: A second such folder, of sets that only train, as `tracker.training.pseudo` makes them.
        init: Weights to go on from, of an earlier run from the same start.

    Returns:
        Metrics of the written model by held-out set; empty where there was too little to hold out.

    Raises:
        ValueError: There are no images, or a label file is wrong.
        ModelError: `start` or `init` is no YOLOX-nano.
    """
    training, held_out = split(read_samples(data), share=settings.share)
    if extra is not None:
        training += read_samples(extra)
    _LOG.info("training=%d held_out=%d", len(training), len(held_out))
    train(training, held_out, start, out, settings, init=init)
    if not held_out:
        return {}
    mixture = mix(_load(start), _load(out), held_out, init=_load(init) if init else None)
    network = calibrate(mixture, held_out, _PRECISION)
    _write(network, out, settings)
    return measure(network, held_out)


def train(
    training: Sequence[Sample],
    held_out: Sequence[Sample],
    start: Path,
    out: Path,
    settings: Settings,
    *,
    init: Path | None = None,
) -> None:
    """Runs the training, writes the best model to `out` and its figures beside it as JSON.

    Args:
        training: What is learnt from.
        held_out: What is measured on after each pass; nothing: the last average is what is written.
        start: Weights to start from, and the teacher.
        out: Model to write.
        settings: The run.
        init: Weights to go on from instead, of an earlier run from the same start.
    """
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(1)
    teacher, network = _load(start), _load(init or start)
    averaged = copy.deepcopy(network)
    cells = {size: torch.from_numpy(anchor_cells(size[1], size[0], STRIDES)) for size in SHAPES}
    optimizer = torch.optim.AdamW(_groups(network, settings.decay), lr=settings.rate)
    scale = RelativeSteps(network)
    before = measure(teacher, held_out) if held_out else {}
    metrics = measure(network, held_out) if held_out and init else before
    best, step, began = _value(metrics, before), 0, time.monotonic()
    curve: list[tuple[int, float]] = []
    _write(averaged, out, settings)
    history: list[dict[str, object]] = [{"epoch": 0, "metrics": _plain(metrics)}]
    _report("start", before, _value(before, before))
    _report("epoch=0", metrics, best)
    for epoch in range(1, settings.epochs + 1):
        losses = []
        drawn = Pass(
            training,
            shares=settings.shares,
            taught=settings.taught,
            batch=settings.batch,
            seed=settings.seed,
            number=epoch,
        )
        for batch in drawn.batches(settings.workers):
            progress = step / (len(drawn) * settings.epochs)
            if settings.minutes:
                progress = max(progress, (time.monotonic() - began) / (60.0 * settings.minutes))
            set_rate(optimizer, settings.rate, step, progress)
            size = (batch.images.shape[3], batch.images.shape[2])
            loss = _loss(network, teacher, batch, cells[size], settings.distillation)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            scale.step(optimizer)
            step += 1
            losses.append(loss.item())
            average_into(averaged, network, min(settings.average, (1 + step) / (10 + step)))
            if step % _CHECKPOINT == 0:
                curve.append((step, float(np.mean(losses[-_CHECKPOINT:]))))
                _LOG.info("step=%d loss=%.3f", *curve[-1])
                _write(averaged, out.with_suffix(".last.onnx"), settings)
            if progress >= 1.0:
                break
        _write(averaged, out.with_suffix(".last.onnx"), settings)
        metrics = measure(averaged, held_out) if held_out else {}
        history.append({"epoch": epoch, "loss": float(np.mean(losses)), "metrics": _plain(metrics)})
        value = _value(metrics, before)
        _report(f"epoch={epoch} step={step} loss={np.mean(losses):.3f}", metrics, value)
        if value > best or not held_out:
            best = value
            _write(averaged, out, settings)
        run = {
            "settings": dataclasses.asdict(settings),
            "start": _plain(before),
            "history": history,
            "losses": curve,
        }
        out.with_suffix(".json").write_text(json.dumps(run, indent=1))
        write_curves(out.with_suffix(".png"), run)
        if settings.minutes and time.monotonic() - began >= 60.0 * settings.minutes:
            break


def _value(metrics: dict[str, DetectionMetrics], before: dict[str, DetectionMetrics]) -> float:
    return merit(metrics, before) if metrics else -math.inf


def _load(path: Path) -> YoloxNano:
    network = YoloxNano()
    load_weights(network, path)
    for parameter in network.parameters():
        if parameter.ndim == 4:  # faster for depthwise convolutions on a CPU
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _loss(network: YoloxNano, teacher: YoloxNano, batch: Batch, cells: Tensor, distillation: float) -> Tensor:
    raw = network(batch.images)
    loss = detection_loss(raw, batch.boxes, cells, batch.unsure)
    if distillation and len(batch.taught):
        with torch.no_grad():
            goal = teacher(batch.clean)
        share = distillation * len(batch.taught) / len(raw)
        loss = loss + share * distillation_loss(raw[batch.taught], goal, cells)
    return loss


def _groups(network: YoloxNano, decay: float) -> list[dict[str, object]]:
    """Weights with decay, biases without."""
    named = list(network.named_parameters())
    return [
        {"params": [value for name, value in named if name.endswith("weight")], "weight_decay": decay},
        {"params": [value for name, value in named if name.endswith("bias")], "weight_decay": 0.0},
    ]


def _plain(metrics: dict[str, DetectionMetrics]) -> dict[str, dict[str, float]]:
    return {name: dataclasses.asdict(item) for name, item in metrics.items()}


def _report(title: str, metrics: dict[str, DetectionMetrics], value: float) -> None:
    if metrics:
        report(title, metrics, value)
    else:
        _LOG.info("%s", title)


def _write(network: YoloxNano, out: Path, settings: Settings) -> None:
    licence = {"license": settings.licence} if settings.licence else {}
    write_onnx(network, out, ["person"], description="YOLOX-nano, people", **licence)
