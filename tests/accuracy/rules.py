"""Rules about where people are, against the ground truth of real footage.

PETS09-S2L1 (80 s, 19 people) for every rule, TUD-Campus (3 s, 8 people who walk past each other, close to the
camera) for the lines up the picture.

    python tests/accuracy/rules.py [--out rules.json]

Line crossings, zone exits, loitering, crowds and absences of `posewatch replay`'s pipeline are compared with
those that the ground truth's boxes have, which are found here by plain geometry on whole tracks, with none of
the daemon's code. An alert is right where the truth has the same thing, in the same direction or zone, within
two seconds; each counts once. Prints a table, writes JSON with --out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import linear_sum_assignment

from daemon.config import Config
from daemon.replay import ReplayOutputs, replay

sys.path.insert(0, str(Path(__file__).parent))
from footage import DATA

CLIPS = {"PETS09-S2L1": (10.0, (768.0, 576.0)), "TUD-Campus": (25.0, (640.0, 480.0))}  # frames a second, px
WITHIN = 2.0  # seconds between an alert and the truth
CLEAR = 0.05  # body heights from a line from which somebody is on one side of it
LINES = {
    "left": [[0.35, 1.0], [0.35, 0.0]],
    "middle": [[0.5, 1.0], [0.5, 0.0]],
    "right": [[0.75, 1.0], [0.75, 0.0]],
    "across": [[0.0, 0.45], [1.0, 0.45]],
    "slanted": [[0.3, 1.0], [0.8, 0.0]],
}
UP = ("line_left", "line_middle", "line_right")
ZONES = {
    "centre": [[0.35, 0.3], [0.65, 0.3], [0.65, 0.55], [0.35, 0.55]],
    "east": [[0.65, 0.25], [1.0, 0.25], [1.0, 0.6], [0.65, 0.6]],
    "front": [[0.2, 0.55], [0.7, 0.55], [0.7, 1.0], [0.2, 1.0]],
}
STAY, LEAVE, CROWD, CROWD_FOR, ABSENT = 8.0, 0.5, 3, 2.0, 3.0
GAP = 1.0  # seconds out of a zone that are part of a stay: what the rules say

Event = tuple[float, str]
"""When (seconds from the first frame), and which way or where."""


@dataclass
class Row:
    """One rule: what the truth has, what was raised, how many of these are the same, and how late."""

    rule: str
    truth: int
    raised: int
    right: int
    delay: float | None


def rules() -> dict[str, Any]:
    at_once = {"clear": "1s", "cooldown": 0}
    lines = {
        f"line_{name}": {"type": "line_crossing", "line": line, "clear": "500ms"}
        for name, line in LINES.items()
    }
    zones = {
        "exit": {"type": "zone_exit", "zones": [*ZONES], "for": LEAVE, **at_once},
        "loitering": {"type": "loitering", "zones": [*ZONES], "for": STAY, **at_once},
        "crowd": {"type": "crowd", "zones": [*ZONES], "min_people": CROWD, "for": CROWD_FOR, **at_once},
    }
    absent = {
        f"absence_{name}": {"type": "absence", "zones": [name], "for": ABSENT, **at_once} for name in ZONES
    }
    return {**lines, **zones, **absent}


def raised(clip: Path, wanted: dict[str, Any]) -> dict[str, list[Event]]:
    """What the pipeline raises, by rule."""
    camera = {"url": str(clip), "zones": {name: {"points": points} for name, points in ZONES.items()}}
    config = Config.model_validate({"cameras": {"pets": {**camera, "rules": wanted}}})
    found: dict[str, list[Event]] = {name: [] for name in wanted}
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        replay([clip], config, ReplayOutputs(events=str(events)))
        for text in events.read_text(encoding="utf-8").splitlines():
            row = json.loads(text)
            payload = row["payload"]
            if not row["topic"].endswith("/alerts"):
                continue
            which = payload["evidence"].get("direction") or "".join(payload["zones"])
            if payload["type"] == "raised":
                found[payload["rule"]].append((row["t"], which))
            elif payload["rule"].startswith("line_") and payload["type"] == "updated":
                # The same person back over the line before the alert had cleared: one alert, two crossings.
                found[payload["rule"]].append((row["t"], which))
    return found


class Truth:
    """The ground truth: feet and heights in px, by person."""

    def __init__(self, path: Path, rate: float, size: tuple[float, float]) -> None:
        self.rate, self.size = rate, np.array(size)
        rows = np.loadtxt(path, delimiter=",")
        self.seconds = (rows[:, 0].max() - 1) / self.rate
        self.people = {
            person: [
                ((frame - 1) / self.rate, np.array([left + width / 2, min(top + height, size[1])]), height)
                for _, frame, left, top, width, height in sorted(
                    (person, *row[[0, 2, 3, 4, 5]].tolist()) for row in rows[rows[:, 1] == person]
                )
            ]
            for person in np.unique(rows[:, 1])
        }

    def crossings(self, line: list[list[float]]) -> Iterator[Event]:
        first, last = np.array(line) * self.size
        along = (last - first) / np.linalg.norm(last - first)
        for way in self.people.values():
            side = 0
            for at, feet, height in way:
                right = along[0] * (feet - first)[1] - along[1] * (feet - first)[0]  # px to the right of it
                now = 0 if abs(right) < CLEAR * height else int(np.sign(right))
                if side and now and now != side:
                    yield at, "left_to_right" if now > 0 else "right_to_left"
                side = now or side

    def stays(self, zone: str, gap: float) -> Iterator[tuple[float, float, bool]]:
        """From when to when each person is in a zone, and whether the person is to be seen afterwards.

        Who is out of it for less than `gap` seconds stays in it.
        """
        low, high = np.array(ZONES[zone])[[0, 2]] * self.size
        for way in self.people.values():
            since = last = None
            for at, feet, _ in way:
                if ((feet >= low) & (feet <= high)).all():
                    since, last = at if since is None else since, at
                elif since is not None and last is not None and at - last >= gap:
                    yield since, last, True
                    since = None
            if since is not None and last is not None:
                yield since, last, way[-1][0] - last >= gap

    def of_rule(self, name: str) -> list[Event]:
        if name.startswith("line_"):
            return sorted(self.crossings(LINES[name[5:]]))
        if name == "exit":
            return sorted(
                (end + 1 / self.rate + LEAVE, zone)
                for zone in ZONES
                for start, end, seen in self.stays(zone, LEAVE)
                if seen and end - start >= 0.5
            )
        if name == "loitering":
            return sorted(
                (start + STAY, zone)
                for zone in ZONES
                for start, end, _ in self.stays(zone, GAP)
                if end - start >= STAY
            )
        if name == "crowd":
            return sorted((at, zone) for zone in ZONES for at in self.runs(zone, CROWD, 99, CROWD_FOR, GAP))
        zone = name.removeprefix("absence_")
        return [(at, zone) for at in self.runs(zone, 0, 0, ABSENT, GAP)]

    def runs(self, zone: str, least: int, most: int, seconds: float, gap: float) -> list[float]:
        """When the people in a zone, now or less than `gap` ago, have been `least` to `most` for so long."""
        low, high = np.array(ZONES[zone])[[0, 2]] * self.size
        count = np.zeros(round(self.seconds * self.rate) + 1, int)
        for way in self.people.values():
            there = np.zeros(len(count), bool)
            for at, feet, _ in way:
                if ((feet >= low) & (feet <= high)).all():
                    there[round(at * self.rate) : round((at + gap) * self.rate)] = True
            count += there
        fits, found, since = (count >= least) & (count <= most), [], None
        for frame, fit in enumerate(fits):
            since = None if not fit else (frame if since is None else since)
            if since is not None and frame - since == round(seconds * self.rate):
                found.append(frame / self.rate)
        return found


def compare(name: str, truth: list[Event], found: list[Event]) -> Row:
    """The best one-to-one assignment of alerts to the truth."""
    apart = np.array([[abs(a - b) if x == y else 1e6 for b, y in found] for a, x in truth]).reshape(
        len(truth), len(found)
    )
    rows, columns = linear_sum_assignment(np.minimum(apart, WITHIN * 10))
    pairs = [(r, c) for r, c in zip(rows, columns, strict=True) if apart[r, c] <= WITHIN]
    delays = [found[c][0] - truth[r][0] for r, c in pairs]
    return Row(
        name, len(truth), len(found), len(pairs), round(float(np.median(delays)), 2) if delays else None
    )


def table(rows: list[Row]) -> str:
    lines = ["| rule | in the truth | raised | right | recall | precision | median delay (s) |"]
    lines.append("| --- " * 7 + "|")
    groups = {
        "line_crossing": "line_",
        "zone_exit": "exit",
        "loitering": "loit",
        "crowd": "cro",
        "absence": "abs",
    }
    totals = []
    for kind, prefix in groups.items():
        own = [row for row in rows if row.rule.startswith(prefix)]
        if not own:
            continue
        delays = [row.delay for row in own for _ in range(row.right) if row.delay is not None]
        sums = [sum(getattr(row, what) for row in own) for what in ("truth", "raised", "right")]
        totals.append(Row(f"**{kind}**", *sums, round(float(np.median(delays)), 2) if delays else None))
    for row in [*rows, *totals]:
        recall = f"{row.right / row.truth:.2f}" if row.truth else "-"
        precision = f"{row.right / row.raised:.2f}" if row.raised else "-"
        delay = "-" if row.delay is None else f"{row.delay:.2f}"
        lines.append(
            f"| {row.rule} | {row.truth} | {row.raised} | {row.right} | {recall} | {precision} | {delay} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--list", action="store_true", help="every alert and every event of the truth")
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"no evaluation data at {DATA}: set POSEWATCH_DATA", file=sys.stderr)
        return 2
    results = {}
    for name, (rate, size) in CLIPS.items():
        folder = DATA / "mot" / name
        (clip,) = folder.glob("video.*")
        wanted = rules() if name.startswith("PETS") else {key: rules()[key] for key in UP}
        results[name] = measure(
            Truth(folder / "gt.txt", rate, size), raised(clip, wanted), list_all=options.list
        )
        print(f"\n{name}\n\n{table(results[name])}")
    if options.out:
        rows = {name: [asdict(row) for row in rows] for name, rows in results.items()}
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(truth: Truth, found: dict[str, list[Event]], *, list_all: bool) -> list[Row]:
    if list_all:
        print(yaml.safe_dump({name: [truth.of_rule(name), events] for name, events in found.items()}))
    return [compare(name, truth.of_rule(name), events) for name, events in found.items()]


if __name__ == "__main__":
    sys.exit(main())
