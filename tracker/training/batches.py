"""The augmented batches of one pass over the samples."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from tracker.training.augment import Augmentation, Augmented, augment
from tracker.training.samples import Sample

__all__ = ["SHAPES", "Batch", "Pass"]

SHAPES = {(416, 416): 0.4, (480, 352): 0.25, (544, 320): 0.25, (352, 480): 0.1}
"""Width and height of the input of a batch and how often it is drawn: the aspects that cameras have."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Images of one size.

    Attributes:
        images: (B, 3, H, W) float32 0..255 BGR.
        boxes: For every image the (N, 4) people, pixels.
        unsure: For every image the (M, 4) regions for which the loss asks nothing.
        taught: (T,) int64 indices of the images that the teacher looks at.
        clean: (T, 3, H, W) what it looks at: the same views without hiding, odd light and poor optics.
    """

    images: Tensor
    boxes: list[Tensor]
    unsure: list[Tensor]
    taught: Tensor
    clean: Tensor


class Pass:
    """One pass; every item has its own random stream, whoever computes it.

    Args:
        samples: What is drawn from.
        shares: Weight of a set when images are drawn; a set not named has 1.
        taught: Sets whose images the teacher looks at, unless they are turned: it knows upright people.
        batch: Images a batch.
        seed: Seed of all passes.
        number: Number of this pass.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        shares: dict[str, float],
        taught: Sequence[str],
        batch: int,
        seed: int,
        number: int,
    ) -> None:
        self._samples, self._batch, self._seed = samples, batch, (seed, number)
        # A mosaic is of one kind, so that it is taught as a whole or not at all.
        self._kinds = {
            kind: [sample for sample in samples if (sample.group in taught) == kind] for kind in (False, True)
        }
        self._taught = set(taught)
        weights = np.array([shares.get(sample.group, 1.0) for sample in samples])
        random = np.random.default_rng(self._seed)
        # Systematic resampling: each sample appears its weight's number of times, within one.
        edges = (np.arange(len(samples)) + random.random()) / len(samples)
        drawn = np.searchsorted(np.cumsum(weights / weights.sum()), edges)
        self._order = random.permutation(np.minimum(drawn, len(samples) - 1))
        sizes, odds = list(SHAPES), list(SHAPES.values())
        self._sizes = [sizes[index] for index in random.choice(len(sizes), len(self), p=odds)]

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch)

    def batches(self, workers: int) -> Iterator[Batch]:
        """The batches, prepared ahead by threads.

        Threads rather than processes: OpenCV and NumPy work outside the interpreter lock, and forking a
        process that already runs OpenCV's and PyTorch's thread pools can hang.
        """
        with ThreadPoolExecutor(workers) as pool:

            def submit(number: int) -> list[Future[tuple[Augmented, bool]]]:
                first = number * self._batch
                last = min(first + self._batch, len(self._order))
                return [pool.submit(self._item, index) for index in range(first, last)]

            numbers = iter(range(len(self)))
            waiting = deque(submit(number) for number in islice(numbers, 3))
            while waiting:
                items = [future.result() for future in waiting.popleft()]
                waiting.extend(submit(number) for number in islice(numbers, 1))
                yield _collate(items)

    def _item(self, index: int) -> tuple[Augmented, bool]:
        random = np.random.default_rng((*self._seed, index))
        sample = self._samples[self._order[index]]
        taught = sample.group in self._taught
        size = self._sizes[index // self._batch]
        made = augment(sample, self._kinds[taught], size, Augmentation(), random)
        return made, taught and made.upright


def _collate(items: Sequence[tuple[Augmented, bool]]) -> Batch:
    taught = [index for index, (_, chosen) in enumerate(items) if chosen]
    images = _tensor([made.image for made, _ in items])
    return Batch(
        images=images,
        boxes=[torch.from_numpy(made.boxes) for made, _ in items],
        unsure=[torch.from_numpy(made.unsure) for made, _ in items],
        taught=torch.tensor(taught, dtype=torch.int64),
        clean=_tensor([items[index][0].clean for index in taught]) if taught else images[:0],
    )


def _tensor(images: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> Tensor:
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    return stacked.contiguous(memory_format=torch.channels_last)
