"""Makes the picture of the service at a moment, for statistics, metrics and health."""

from __future__ import annotations

import time

from daemon.channel import Channel
from daemon.figures import CameraFigures, StageFigures
from daemon.timing import StageClock

__all__ = ["camera_figures"]


def camera_figures(channel: Channel, further_errors: int) -> CameraFigures:
    """One camera now; takes no lock that a frame holds.

    Args:
        channel: of the camera.
        further_errors: of frames that it does not count itself.
    """
    frames_in, dropped, damaged, reconnects = channel.counts
    status, pipeline, processed_at = channel.status, channel.pipeline, channel.processed_at
    return CameraFigures(
        name=channel.name,
        enabled=channel.enabled,
        state=status.state.value,
        reason=status.reason.value if status.reason else None,
        since=status.since,
        tamper=pipeline.tamper,
        overloaded=status.overloaded,
        fps_in=channel.load.received.rate if channel.enabled else 0.0,
        fps_processed=channel.load.processed.rate if channel.enabled else 0.0,
        frames_in=frames_in,
        frames_processed=channel.frames_processed,
        frames_dropped=dropped,
        frames_damaged=damaged,
        reconnects=reconnects,
        errors=channel.all_errors + further_errors,
        restarts=channel.restarts,
        latency=channel.latency.histogram(),
        latency_ms=channel.latency.percentiles(),
        stages=_stages(channel.clock),
        people=pipeline.people,
        alerts=pipeline.active_alerts,
        models=channel.models,
        frame_age=None if processed_at is None else max(0.0, time.monotonic() - processed_at),
    )


def _stages(clock: StageClock) -> dict[str, StageFigures]:
    seconds, calls = dict(clock.seconds), dict(clock.calls)  # workers add to them meanwhile
    return {name: StageFigures(seconds[name], calls.get(name, 0)) for name in seconds}
