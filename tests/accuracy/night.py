"""The switch to night on real footage: do tracks survive it, and does anybody get an alert for it?

    python tests/accuracy/night.py [--out night.json]

Dusk, the click of the infrared filter (0.2 s of black), a grey and noisy picture with an exposure that
settles, in two variants: grey, and with another look of materials and light from the camera's side. Whole
pipeline; the same clips without the switch for comparison. Cuts are looked for with the switch at every tenth
frame of every source.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from daemon.capture import Frame
from daemon.config import Config
from daemon.engines import Engines
from daemon.pipeline import CameraPipeline
from daemon.topics import Topics
from tracker.association import TrackState
from tracker.cuts import CutDetector

sys.path.insert(0, str(Path(__file__).parent))
from footage import DATA, frames_of
from tamper import load, sources
from tamper_scenes import Setting, night

CLIPS = {  # seconds of the clip, and seconds at which dusk begins: the click is 1.5 s later
    "mot/PETS09-S2L1/video.avi": (14.0, (2.0, 6.0)),
    "mot/TUD-Campus/video.mp4": (2.8, (0.0,)),
    "video/people/one-by-one-person-detection.mp4": (40.0, (12.0, 30.0)),
    "video/gmdcsa24/subject1/ADL/10.mp4": (3.9, (0.5,)),
    "video/gmdcsa24/subject2/ADL/23.mp4": (7.0, (1.0, 3.0)),
    "video/urfd_fall/fall-01-cam0.mp4": (5.0, (0.0,)),
    "video/urfd_fall/fall-16-cam0.mp4": (2.0, (0.0,)),
}
SCENES = {"grey": night(strong=False), "infrared": night(strong=True)}
CLICK, AFTER = 1.5, 1.2  # seconds from the beginning of dusk; from then until it is looked who is still there


@dataclass
class Row:
    """One run: tracks before the click, those of them after it, and what was raised."""

    clip: str
    look: str
    at: float
    before: int
    after: int
    without: int
    alerts: list[str]
    expected: list[str]
    tamper: list[str]


@dataclass
class Run:
    """Confirmed tracks that are seen, by frame time; alerts raised; states of tampering said."""

    seen: list[tuple[float, frozenset[str]]]
    alerts: list[str]
    tamper: list[str]

    def between(self, start: float, end: float) -> set[str]:
        return set().union(*(ids for t, ids in self.seen if start <= t < end))


def run(frames: list[Frame], engines: Engines, look: str | None, at: float) -> Run:
    config = Config.model_validate({"cameras": {"clip": {"url": "clip.mp4", "tamper": {"learn": 1}}}})
    pipeline = CameraPipeline("clip", config.cameras["clip"], Topics("p"))
    found, setting = Run([], [], []), Setting(1, [])
    for frame in frames:
        t = frame.captured_at
        if look is not None and t >= at:
            image = np.ascontiguousarray(SCENES[look](frame.image, t - at, setting))
            frame = replace(frame, picture=image)
        result = pipeline.process(frame, engines)
        ids = frozenset(
            track.id
            for track in (person.track for person in result.scene.people)
            if track.state is TrackState.CONFIRMED and track.last_monotonic == frame.monotonic
        )
        found.seen.append((t, ids))
        for message in result.messages:
            payload = message.payload
            if (
                isinstance(payload, dict)
                and message.topic.endswith("/alerts")
                and payload["type"] == "raised"
            ):
                found.alerts.append(str(payload["rule"]))
            elif isinstance(payload, dict) and message.topic.endswith("/tamper"):
                found.tamper.append(str(payload["state"]))
    return found


def cuts() -> dict[str, dict[str, int]]:
    """Cuts with the switch at every tenth frame of every source, and without it."""
    result = {look: Counter[str]() for look in SCENES}
    for index, (_, clips) in enumerate(sources().items()):
        frames, setting = load(clips[0], 30), Setting(index, [])
        plain = _cuts(frames * 2, None, 0, setting)
        for look, counts in result.items():
            for start in range(0, len(frames), 10):
                counts["switches"] += 1
                counts["more cuts than without"] += _cuts(frames * 2, look, start, setting) > plain
    return {look: dict(counts) for look, counts in result.items()}


def _cuts(frames: list[np.ndarray], look: str | None, start: int, setting: Setting) -> int:
    detector, count = CutDetector(), 0
    for index, image in enumerate(frames[: start + 40]):
        if look is not None and index >= start:
            image = SCENES[look](image, (index - start) / 10, setting)
        count += detector.update(np.ascontiguousarray(image))
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"no evaluation data at {DATA}: set POSEWATCH_DATA", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    engines, rows = Engines(), []
    print("| clip | look | at | tracks before | after | without the switch | alerts | without | tamper |")
    print("| --- " * 9 + "|")
    for name, (seconds, starts) in CLIPS.items():
        frames = []
        for frame in frames_of(DATA / name):
            if frame.captured_at >= seconds:
                break
            frames.append(frame)
        plain = run(frames, engines, None, 0.0)
        for at in starts:
            click = at + CLICK
            for look in SCENES:
                found = run(frames, engines, look, at)
                before = found.between(click - 0.5, click)
                usual = plain.between(click - 0.5, click)
                row = Row(
                    name,
                    look,
                    at,
                    len(before),
                    len(before & found.between(click + AFTER, click + AFTER + 1.5)),
                    len(usual & plain.between(click + AFTER, click + AFTER + 1.5)),
                    found.alerts,
                    plain.alerts,
                    [state for state in found.tamper if state != "ok"],
                )
                rows.append(row)
                cells = [
                    Path(name).parent.name, look, f"{at:g}", str(row.before), str(row.after),
                    f"{row.without} of {len(usual)}", " ".join(row.alerts) or "-",
                    " ".join(row.expected) or "-",
                    " ".join(row.tamper) or "-",
                ]  # fmt: skip
                print("| " + " | ".join(cells) + " |", flush=True)
    found_cuts = cuts()
    print(found_cuts)
    if options.out:
        result = {"runs": [asdict(row) for row in rows], "cuts": found_cuts}
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
