"""What the configuration says of execution providers, as the networks need it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.config import PerformanceConfig
    from tracker.runtime import Provider, SessionPool

__all__ = ["provider_of", "session_pool", "told"]

_log = logging.getLogger(__name__)


def provider_of(settings: PerformanceConfig) -> Provider:
    """What is to run the networks; what it compiles is kept in the cache folder."""
    from tracker.runtime import Provider  # ONNX Runtime, which `posewatch status` does without
    from tracker.store import cache_folder

    return Provider(
        name=settings.provider,
        device=settings.device,
        precision=settings.precision,
        fallback=settings.fallback,
        cache=None if settings.provider == "cpu" else cache_folder() / "providers",
    )


def session_pool(
    settings: PerformanceConfig,
    former: SessionPool | None = None,
    *,
    on_fallback: Callable[[str], None] | None = None,
) -> SessionPool:
    """The sessions of all workers.

    Args:
        settings: section `performance`.
        former: gone on with where it is as these settings want it.
        on_fallback: told in one line that the CPU takes over; None writes it to the log.
    """
    from tracker.runtime import SessionPool

    wanted = provider_of(settings), settings.batching
    if former is not None and former.wanted == wanted:
        return former
    return SessionPool(wanted[0], batching=wanted[1], on_fallback=on_fallback or _warn)


def told(providers: Mapping[str, str]) -> str:
    """Such as `cpu`, or `detector: openvino CPU bf16, pose: mediapipe`, for people."""
    if len(set(providers.values())) == 1:
        return next(iter(providers.values()))
    return ", ".join(f"{kind}: {provider}" for kind, provider in providers.items())


def _warn(reason: str) -> None:
    _log.warning("provider_fallback provider=cpu reason=%r", reason)
