"""What came of the soak: text, JSON, and a picture where matplotlib is installed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from daemon.storage.errors import HistoryError
from daemon.storage.history import HistoryFilter, read_history
from soaking.faults import Fault
from soaking.samples import Sampler, Slope, slope_of
from soaking.world import World

__all__ = ["Limits", "Report", "make_report"]

_GROWTH = ("rss", "pss", "threads", "fds", "sockets")


@dataclass(frozen=True)
class Limits:
    """From when on growth counts as a leak, if its whole confidence interval lies above.

    Attributes:
        warm_up: seconds of each process that are not looked at.
        shortest: minutes that a segment must have to be judged.
        rss: MB an hour.
        handles: threads, descriptors and sockets an hour.
        duplicates: share of all messages.
    """

    warm_up: float = 300.0
    shortest: float = 10.0
    rss: float = 20.0
    handles: float = 12.0
    duplicates: float = 0.05


@dataclass
class Report:
    """Everything, as it is written to JSON.

    Attributes:
        failures: why the exit status is 1.
    """

    failures: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    kinds: list[dict[str, Any]] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)
    cameras: dict[str, dict[str, float | None]] = field(default_factory=dict)
    errors: list[tuple[str, int]] = field(default_factory=list)
    warnings: list[tuple[str, int]] = field(default_factory=list)
    not_done: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> str:
        """Writes report.json and report.txt; returns the text."""
        (folder / "report.json").write_text(json.dumps(asdict(self), indent=1))
        text = "\n".join(self._lines()) + "\n"
        (folder / "report.txt").write_text(text)
        return text

    def _lines(self) -> list[str]:
        lines = ["", "| | |", "|---|---|"]
        lines += [f"| {name.replace('_', ' ')} | {value} |" for name, value in self.facts.items()]
        lines += [
            "",
            "| fault | times | noticed after (s) | recovered after (s) | said |",
            "|---|---:|---:|---:|---|",
        ]
        for row in self.kinds:
            lines.append(
                f"| {row['kind']} | {row['times']} | {row['noticed']} | {row['recovered']} "
                f"| {row['reasons']} |"
            )
        lines += [
            "",
            "| process | minutes | what | first | last | an hour | 95 % |",
            "|---|---:|---|---:|---:|---:|---|",
        ]
        for row in self.segments:
            slope = row["slope"]
            if slope is None:
                lines.append(f"| {row['process']} | {row['minutes']:.1f} | {row['what']} | too short | | | |")
                continue
            lines.append(
                f"| {row['process']} | {slope['minutes']:.1f} | {row['what']} "
                f"| {slope['first']:.1f} | {slope['last']:.1f} "
                f"| {slope['per_hour']:+.2f} | {slope['low']:+.2f} to {slope['high']:+.2f} |"
            )
        lines += ["", "| camera | fps, no fault | fps, fault of others | alerts |", "|---|---:|---:|---:|"]
        for name, row in self.cameras.items():
            shown = ["-" if row[one] is None else f"{row[one]:.2f}" for one in ("quiet", "others")]
            lines.append(f"| {name} | {shown[0]} | {shown[1]} | {row['alerts']} |")
        for title, rows in (("errors in the log", self.errors), ("warnings in the log", self.warnings)):
            lines += ["", f"{title}: {sum(count for _, count in rows)}"]
            lines += [f"  {count:6d}  {text[:200]}" for text, count in rows[:25]]
        lines += ["", *(f"not done: {line}" for line in self.not_done)]
        lines += [f"FAILED: {line}" for line in self.failures] or ["nothing was lost, left or leaked"]
        return lines


def make_report(world: World, sampler: Sampler, faults: list[Fault], origin: float, limits: Limits) -> Report:
    """Reads everything that was collected; what is wrong is in `failures`."""
    report = Report(not_done=list(world.unavailable))
    _messages(report, world, limits)
    _faults(report, faults, origin)
    _growth(report, sampler, limits)
    _cameras(report, world, faults)
    _log(report, world)
    if sampler.samples:
        report.facts["rss_MB_most"] = round(max(one.rss for one in sampler.samples), 1)
        report.facts["cpu_cores_mean"] = round(mean(one.cpu for one in sampler.samples), 2)
        report.facts["queue_most"] = max(one.queue for one in sampler.samples)
        report.facts["database_MB_most"] = round(max(one.database for one in sampler.samples), 1)
        report.facts["pictures_MB_most"] = round(max(one.pictures for one in sampler.samples), 1)
    return report


def _messages(report: Report, world: World, limits: Limits) -> None:
    witness, fail = world.witness, report.failures
    counts = Counter(kind for _, kind, _ in witness.items)
    report.facts |= {"messages": witness.messages, "MB": round(witness.bytes / 1e6, 1)}
    report.facts |= {kind: counts[kind] for kind in ("alerts", "actions", "events")}
    lost = _lost(report, world)
    gaps, still = witness.gaps(), witness.is_open()
    duplicates = witness.repeated / max(1, len(witness.digests))
    report.facts |= {
        "messages_lost": len(lost), "gaps": len(gaps), "out_of_order": witness.problems.total(),
        "duplicates": f"{witness.repeated} ({100 * duplicates:.2f} %)", "never_ended": len(still),
        "left_ON": len(witness.left_on()),
    }  # fmt: skip
    fail += [f"lost: {one}" for one in lost[:20]]
    fail += [f"gap: {one}" for one in gaps[:20]]
    fail += [f"never ended: {one}" for one in still[:20]]
    fail += [f"left ON: {one}" for one in witness.left_on()]
    fail += [f"{problem} ({count} times)" for problem, count in witness.problems.items()]
    fail += [f"secret: {what} ({count} times)" for what, count in witness.leaked.items()]
    if not counts["alerts"]:
        fail.append("no alert was raised: the soak says nothing")
    if duplicates > limits.duplicates:
        fail.append(f"{100 * duplicates:.1f} % of the messages came twice")
    reloaded = Counter(camera for _, camera in witness.config_ends if camera not in world.allowed_config_ends)
    fail += [
        f"a reload ended {count} things of {camera}, which did not change"
        for camera, count in reloaded.items()
    ]


def _lost(report: Report, world: World) -> list[str]:
    """Messages that the daemon's own history has and the witness has not."""
    known, missing, count = set(world.witness.digests), [], 0
    try:
        for line in read_history(world.state, HistoryFilter()):
            body = line.payload
            named = body.get("after") or body
            number = body["seq"] if "seq" in body else int(body["type"] == "end")
            count += 1
            if (line.topic, named["id"], number) not in known:
                waits = " (waits for the broker)" if line.waiting else ""
                missing.append(f"{line.topic} {named['id']} {number} {body['type']}{waits}")
    except HistoryError as error:
        report.failures.append(f"the history cannot be read: {error}")
    report.facts["history"] = count
    if not count:
        report.failures.append("the history is empty")
    return missing


def _faults(report: Report, faults: list[Fault], origin: float) -> None:
    report.faults = [one.as_row(origin) for one in faults]
    kinds: dict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        kinds[fault.kind].append(fault)
        if fault.problem is not None:
            where = f" at {fault.camera}" if fault.camera else ""
            text = f"{fault.kind}{where}, {fault.at - origin:.0f} s after the start: {fault.problem}"
            (report.not_done if fault.problem.startswith("could not") else report.failures).append(text)
    for name, ones in sorted(kinds.items()):
        alone = [one for one in ones if not any(one.is_beside(other) for other in faults)]
        reasons = Counter(one.reason for one in alone if one.reason)
        report.kinds.append({
            "kind": name, "times": len(ones),
            "noticed": _spread([one.noticed for one in alone]),
            "recovered": _spread([one.recovered for one in alone]),
            "reasons": ", ".join(f"{reason} {count}" for reason, count in reasons.items()),
        })  # fmt: skip


def _spread(values: list[float | None]) -> str:
    """`median (least to most)`."""
    known = [one for one in values if one is not None]
    if not known:
        return "-"
    return f"{median(known):.1f} ({min(known):.1f} to {max(known):.1f})"


def _growth(report: Report, sampler: Sampler, limits: Limits) -> None:
    for number, samples in sampler.segments(limits.warm_up):
        minutes = (samples[-1].at - samples[0].at) / 60.0 if samples else 0.0
        for what in _GROWTH:
            slope = slope_of([one.at for one in samples], [getattr(one, what) for one in samples])
            shown = None if slope is None else asdict(slope)
            report.segments.append({"process": number, "minutes": minutes, "what": what, "slope": shown})
            if slope is not None and slope.minutes >= limits.shortest:
                _judge(report, number, what, slope, limits)


def _judge(report: Report, number: int, what: str, slope: Slope, limits: Limits) -> None:
    limit = limits.rss if what in ("rss", "pss") else limits.handles
    if slope.low > limit:
        report.failures.append(
            f"leak: {what} of process {number} grows by {slope.per_hour:.1f} an hour "
            f"(at least {slope.low:.1f})"
        )


def _cameras(report: Report, world: World, faults: list[Fault]) -> None:
    alerts = Counter(camera for camera, kind, _ in world.witness.items if kind == "alerts")
    for name in world.cameras:
        quiet, others = [], []
        for at, body in world.witness.stats:
            figures = body["cameras"].get(name)
            now = [one for one in faults if one.covers(at - 6.0, at)]
            if figures is None or any(one.camera in (None, name) for one in now):
                continue
            (others if now else quiet).append(figures["fps_processed"])
        report.cameras[name] = {
            "quiet": mean(quiet) if quiet else None,
            "others": mean(others) if others else None,
            "alerts": alerts[name],
        }


def _log(report: Report, world: World) -> None:
    log = world.log
    report.errors, report.warnings = log.errors.most_common(), log.warnings.most_common()
    report.facts |= {
        "log_lines": log.lines, "log_errors": log.errors.total(), "tracebacks": log.tracebacks,
        "starts": world.daemon.starts,
        "seconds_to_stop": ", ".join(f"{seconds:.1f}" for _, seconds in world.daemon.stops),
    }  # fmt: skip
    report.failures += [f"secret: {what} ({count} times)" for what, count in log.leaked.items()]
    if log.tracebacks:
        report.failures.append(f"{log.tracebacks} tracebacks in {log.path.name}")
    for status, seconds in world.daemon.stops:
        if status:
            report.failures.append(f"exit status {status} after SIGTERM ({seconds:.1f} s)")


def plot(sampler: Sampler, faults: list[Fault], origin: float, path: Path) -> bool:
    """Memory, threads and descriptors over time; False without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(11, 7))
    axes = figure.subplots(3, 1, sharex=True)
    minutes = [(one.at - origin) / 60.0 for one in sampler.samples]
    for axis, names in zip(
        axes, (("rss", "pss"), ("threads", "fds", "sockets"), ("cpu", "queue")), strict=True
    ):
        for name in names:
            axis.plot(minutes, [getattr(one, name) for one in sampler.samples], label=name, linewidth=1)
        for fault in faults:
            axis.axvline((fault.at - origin) / 60.0, color="0.85", linewidth=0.6, zorder=0)
        axis.legend(loc="upper left")
    axes[-1].set_xlabel("minutes")
    figure.savefig(path, dpi=120)
    return True
