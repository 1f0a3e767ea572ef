"""Fine-tunes the bundled person detector.

    python -m tracker.training.detector --data DIR --start yolox_nano.onnx --out person_yolox_nano.onnx

DIR holds one folder a data set, each with `images` and YOLO `labels`. The network starts from the weights
of an exported YOLOX-nano, of whose classes the first (COCO: person) is kept. After each epoch the moving
average of the weights is measured on the held-out samples; the best is kept, mixed with the start where
that is better still, and written to --out.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import logging
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from tracker.heads import anchor_cells
from tracker.runtime import ModelError
from tracker.training.augment import Augmentation, augment
from tracker.training.loss import detection_loss
from tracker.training.metrics import DetectionMetrics
from tracker.training.network import INPUT_SIDE, STRIDES, YoloxNano, load_weights, write_onnx
from tracker.training.samples import Sample, read_samples, split
from tracker.training.validation import measure, merit

__all__ = ["Settings", "mix", "train"]

_LOG = logging.getLogger(__name__)

_MIXTURES = (0.3, 0.5, 0.7, 0.85, 1.0)


@dataclasses.dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        epochs: Passes over the training samples.
        minutes: Wall time after which the schedule has run out, whatever the epoch; 0 means no limit.
        batch: Images a step.
        rate: Peak learning rate of AdamW.
        decay: Weight decay.
        average: Decay a step of the moving average of the weights.
        share: Share of every set that is held out.
        seed: Seed of the split and of every random choice.
        threads: Threads of PyTorch.
        workers: Threads that read and augment.
        shares: Weight of a set when images are drawn; a set not named has 1.
    """

    epochs: int = 20
    minutes: float = 0.0
    batch: int = 16
    rate: float = 1e-4
    decay: float = 0.01
    average: float = 0.998
    share: float = 0.2
    seed: int = 9
    threads: int = 2
    workers: int = 1
    shares: dict[str, float] = dataclasses.field(
        default_factory=lambda: {"coco": 1.5, "cafe": 1.5, "urfall": 0.8}
    )


class _Epoch:
    """The augmented images of one epoch; every item has its own random stream, whoever computes it."""

    def __init__(self, samples: Sequence[Sample], settings: Settings, number: int) -> None:
        self._samples, self._seed, self._number = samples, settings.seed, number
        weights = np.array([settings.shares.get(sample.group, 1.0) for sample in samples])
        random = np.random.default_rng((settings.seed, number))
        # Systematic resampling: each sample appears its weight's number of times, within one.
        edges = (np.arange(len(samples)) + random.random()) / len(samples)
        drawn = np.searchsorted(np.cumsum(weights / weights.sum()), edges)
        self._order = random.permutation(np.minimum(drawn, len(samples) - 1))

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng((self._seed, self._number, index))
        sample = self._samples[self._order[index]]
        image, boxes = augment(sample, self._samples, INPUT_SIDE, Augmentation(), random)
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(boxes)


def train(
    training: Sequence[Sample], held_out: Sequence[Sample], start: Path, out: Path, settings: Settings
) -> None:
    """Runs the training, writes the best model to `out` and its figures beside it as JSON."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(1)
    network = YoloxNano()
    load_weights(network, start)
    for parameter in network.parameters():
        if parameter.ndim == 4:  # about twice as fast for depthwise convolutions on a CPU
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    averaged = copy.deepcopy(network)
    cells = torch.from_numpy(anchor_cells(INPUT_SIDE, INPUT_SIDE, STRIDES))
    optimizer = torch.optim.AdamW(_groups(network, settings.decay), lr=settings.rate)
    steps = math.ceil(len(training) / settings.batch)
    before = measure(network, held_out)
    best, step, began = merit(before, before), 0, time.monotonic()
    _write(averaged, out)
    history: list[dict[str, object]] = [{"epoch": 0, "metrics": _plain(before)}]
    _report("epoch=0", before, best)
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for images, targets in _batches(_Epoch(training, settings, epoch), settings):
            progress = step / (steps * settings.epochs)
            if settings.minutes:
                progress = max(progress, (time.monotonic() - began) / (60.0 * settings.minutes))
            _set_rate(optimizer, settings.rate, step, progress)
            loss = detection_loss(network(images), targets, cells)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()
            step += 1
            losses.append(loss.item())
            _average(averaged, network, min(settings.average, (1 + step) / (10 + step)))
            if progress >= 1.0:
                break
        metrics = measure(averaged, held_out)
        history.append({"epoch": epoch, "loss": float(np.mean(losses)), "metrics": _plain(metrics)})
        value = merit(metrics, before)
        _report(f"epoch={epoch} loss={np.mean(losses):.3f}", metrics, value)
        if value > best:
            best = value
            _write(averaged, out)
        out.with_suffix(".json").write_text(
            json.dumps({"settings": dataclasses.asdict(settings), "history": history}, indent=1)
        )
        if settings.minutes and time.monotonic() - began >= 60.0 * settings.minutes:
            break


def mix(start: Path, tuned: Path, held_out: Sequence[Sample], out: Path) -> float:
    """Averages the weights of the start and of a tuned model, and keeps the best mixture.

    Between two models of which one was tuned from the other the loss is nearly convex, and a mixture
    keeps more of what the start knew (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).

    Returns:
        The share of the tuned model in what was written to `out`.
    """
    first, second, mixture = YoloxNano(), YoloxNano(), YoloxNano()
    load_weights(first, start)
    load_weights(second, tuned)
    before = measure(first, held_out)
    best, chosen = -math.inf, 1.0
    for share in _MIXTURES:
        _blend(mixture, first, second, share)
        metrics = measure(mixture, held_out)
        value = merit(metrics, before)
        _report(f"share={share:.2f}", metrics, value)
        if value > best:
            best, chosen = value, share
    _blend(mixture, first, second, chosen)
    _write(mixture, out)
    return chosen


def _batches(epoch: _Epoch, settings: Settings) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """The batches of an epoch, prepared ahead by threads.

    Threads rather than processes: OpenCV and NumPy work outside the interpreter lock, and forking a
    process that already runs OpenCV's and PyTorch's thread pools can hang.
    """
    starts = range(0, len(epoch), settings.batch)
    with ThreadPoolExecutor(settings.workers) as pool:

        def submit(start: int) -> list[Future[tuple[Tensor, Tensor]]]:
            stop = min(start + settings.batch, len(epoch))
            return [pool.submit(epoch.__getitem__, index) for index in range(start, stop)]

        waiting = deque(submit(start) for start in starts[:2])
        for start in [*starts[2:], None, None]:
            if not waiting:
                return
            items = [future.result() for future in waiting.popleft()]
            if start is not None:
                waiting.append(submit(start))
            images = torch.stack([image for image, _ in items]).float()
            yield images.contiguous(memory_format=torch.channels_last), [boxes for _, boxes in items]


def _groups(network: YoloxNano, decay: float) -> list[dict[str, object]]:
    """Weights with decay, biases without."""
    named = list(network.named_parameters())
    return [
        {"params": [value for name, value in named if name.endswith("weight")], "weight_decay": decay},
        {"params": [value for name, value in named if name.endswith("bias")], "weight_decay": 0.0},
    ]


def _set_rate(optimizer: torch.optim.Optimizer, peak: float, step: int, progress: float) -> None:
    """Linear warm-up over 100 steps, then a cosine down to 2 % of the peak."""
    cosine = 0.02 + 0.98 * (1.0 + math.cos(math.pi * min(progress, 1.0))) / 2.0
    for group in optimizer.param_groups:
        group["lr"] = peak * cosine * min(1.0, (step + 1) / 100)


@torch.no_grad()
def _average(averaged: YoloxNano, network: YoloxNano, decay: float) -> None:
    for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1.0 - decay)


def _plain(metrics: dict[str, DetectionMetrics]) -> dict[str, dict[str, float]]:
    return {name: dataclasses.asdict(item) for name, item in metrics.items()}


def _report(title: str, metrics: dict[str, DetectionMetrics], value: float) -> None:
    figures = " ".join(f"{name}={item.ap50:.3f}/{item.ap:.3f}" for name, item in metrics.items())
    _LOG.info("%s merit=%.4f lying=%.3f ap50/ap: %s", title, value, metrics["all"].recall_lying, figures)


def _write(network: YoloxNano, out: Path) -> None:
    write_onnx(network, out, ["person"], license="Apache-2.0", description="YOLOX-nano 416, people")


@torch.no_grad()
def _blend(target: YoloxNano, first: YoloxNano, second: YoloxNano, share: float) -> None:
    triples = zip(target.parameters(), first.parameters(), second.parameters(), strict=True)
    for result, one, other in triples:
        result.copy_(one.lerp(other, share))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m tracker.training.detector", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of data sets with images/ and labels/"
    )
    parser.add_argument("--start", type=Path, required=True, help="YOLOX-nano ONNX to start from")
    parser.add_argument(
        "--out", type=Path, required=True, help="ONNX to write; figures go beside it as .json"
    )
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--minutes", type=float, default=defaults.minutes, help="wall time; 0: no limit")
    parser.add_argument("--rate", type=float, default=defaults.rate, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=defaults.threads)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = Settings(
        epochs=given.epochs, minutes=given.minutes, rate=given.rate, threads=given.threads, seed=given.seed
    )
    try:
        training, held_out = split(read_samples(given.data), share=settings.share, seed=settings.seed)
        _LOG.info("training=%d held_out=%d", len(training), len(held_out))
        train(training, held_out, given.start, given.out, settings)
        _LOG.info("mixture=%.2f", mix(given.start, given.out, held_out, given.out))
    except (ValueError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
