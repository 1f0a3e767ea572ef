"""The runs as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from live.world import Run

__all__ = ["table_of"]

_HEAD = (
    "| cameras | picture, people | in, frames/s each | processed | dropped | sustained | CPU, cores (others) "
    "| CPU ms a frame | over one camera | outside p50, p95 ms | from the camera p95 | inside p95 | RSS MB |"
)


def table_of(runs: Sequence[Run]) -> list[str]:
    """Lines of Markdown; `over one camera` is the CPU of a frame, over that of the run with one camera.

    Only where every frame is processed: frames that are further apart take more each, as people are read and
    looked for a few times a second.
    """
    alone = {(run.scene, run.rate): run.cpu_ms for run in runs if run.cameras == 1}
    lines = [_HEAD, "| --- " * (_HEAD.count("|") - 1) + "|"]
    for run in runs:
        one = alone.get((run.scene, run.rate))
        outside = run.latency_outside
        cells = [
            str(run.cameras),
            f"{run.scene}, {run.people:.1f}",
            f"{min(run.fps_in):.1f} to {max(run.fps_in):.1f} of {run.rate}",
            f"{min(run.fps_processed):.1f} to {max(run.fps_processed):.1f}",
            f"{100.0 * (1.0 - run.processed_share):.1f} %",
            "yes" if run.is_sustained else f"no, evenness {run.evenness:.2f}",
            f"{run.cpu:.2f} ({run.other_cpu:.2f}; cameras {run.server_cpu:.2f})",
            f"{run.cpu_ms:.1f}",
            "-" if one is None or not run.is_sustained else f"{run.cpu_ms / one:.2f}x",
            f"{_shown(outside['p50'])}, {_shown(outside['p95'])}",
            _shown(run.latency_sent["p95"]),
            _shown(run.latency_inside["p95"]),
            f"{run.rss['end']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
