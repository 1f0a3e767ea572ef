"""The networks that are measured, made as the service makes them."""

from __future__ import annotations

from daemon.engines import Engines
from tracker.runtime import SessionPool

__all__ = ["make_networks"]


def make_networks(workers: int) -> list[Engines]:
    """One set a worker; they share the sessions, as the workers of the service do.

    Args:
        workers: how many sets.
    """
    sessions = SessionPool()
    return [Engines(sessions) for _ in range(workers)]
