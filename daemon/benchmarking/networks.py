"""The networks that are measured, made as the service makes them."""

from __future__ import annotations

from daemon.engines import Engines

__all__ = ["make_networks"]


def make_networks(workers: int) -> list[Engines]:
    """One set a worker.

    Args:
        workers: how many sets.
    """
    return [Engines() for _ in range(workers)]
