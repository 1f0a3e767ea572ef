"""Finds takes that are there twice, so that no take is on both sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["merged_groups"]


def merged_groups(
    takes: Sequence[tuple[str, str, npt.NDArray[np.float32]]], tell: Callable[[str], None]
) -> list[str]:
    """The group of each take, with groups that hold the same take made one.

    Public recordings are often copies of each other under another name; a person who is known from training
    would then be the test.

    Args:
        takes: name, group and landmarks (N, 33, 4) of each.
        tell: called with a line for each take that is there twice.
    """
    group_of: dict[str, str] = {}

    def root(group: str) -> str:
        while (above := group_of.get(group, group)) != group:
            group = above
        return group

    seen: dict[bytes, tuple[str, str]] = {}
    for name, group, landmarks in takes:
        key = hashlib.sha256(np.ascontiguousarray(landmarks).tobytes()).digest()
        first, first_group = seen.setdefault(key, (name, group))
        if first == name:
            continue
        old, new = root(group), root(first_group)
        also = "" if old == new else f": {group} and {first_group} count as one group"
        tell(f"{name}: the same take as {first}{also}")
        group_of[old] = new
    return [root(group) for _, group, _ in takes]
