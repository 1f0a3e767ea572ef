"""Runs the daemon for an hour with real servers, breaks something every minute, and looks what is lost.

    python tests/benchmarks/soak.py --minutes 60 --cameras 8           everything, as root
    python tests/benchmarks/soak.py --minutes 5 --every 20 --restarts 1

RTSP cameras (each a server process of its own, with a login), a mosquitto with logins and persistence,
`posewatch run` with its state on a small file system, one consumer. Writes report.txt, report.json,
samples.csv, daemon.log and, where matplotlib is installed, soak.png to --out. Status 1 where anything was
lost, left ON, leaked or did not recover; a fault that cannot be made here is named and left out. Without root
the disk does not fill up.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "benchmarks"), str(ROOT / "tests" / "integration"), str(ROOT / "tests")]

from servers import MOSQUITTO, wait_for  # noqa: E402
from soaking.faults import Injector  # noqa: E402
from soaking.report import Limits, make_report, plot  # noqa: E402
from soaking.samples import Sampler  # noqa: E402
from soaking.world import World  # noqa: E402

_SAMPLE_EVERY = 5.0
_QUIET = 60.0  # seconds at the end without a new fault
_WRONG_FOR = 20.0  # seconds for which alerts and their retained states may differ


class Soak:
    """The timetable: samples, faults, and a look whether the daemon is still there."""

    def __init__(self, world: World, options: argparse.Namespace, stop: threading.Event) -> None:
        self.world, self.stop = world, stop
        self.failures: list[str] = []
        self.sampler = Sampler(world, options.out / "samples.csv")
        self.injector = Injector(
            world, options.seed, reload=not options.no_reload, restarts=options.restarts, only=options.only
        )
        self.origin = time.monotonic()
        self._options = options
        self._wrong: dict[str, float] = {}

    def run(self) -> None:
        """Until the time is over, or somebody interrupts."""
        self._wait_for_cameras()
        self.origin = time.monotonic()
        end = self.origin + 60.0 * self._options.minutes
        every = self._options.every
        slots = max(1, int((end - _QUIET - self.origin) // every))
        restarts = {
            (number + 1) * slots // (3 * (self._options.restarts + 1))
            for number in range(self._options.restarts)
        }
        slot, sample_at = 0, self.origin
        while time.monotonic() < end and not self.stop.is_set():
            now = time.monotonic()
            if now >= sample_at:
                sample_at = max(sample_at + _SAMPLE_EVERY, now)
                self.sampler.look()
                self._compare(now)
            if slot < slots and now >= self.origin + every * slot + min(10.0, every / 2):
                restart = slot in restarts or (
                    bool(restarts) and slot > max(restarts) and self.injector.restarts_left > 0
                )
                self._say(self.injector.next(restart=restart))
                slot += 1
            self._revive()
            self.stop.wait(0.5)
        self._say("no more faults")
        self.injector.finish(180.0)
        self._end()

    def _wait_for_cameras(self) -> None:
        witness = self.world.witness
        wait_for(
            lambda: (
                self.world.daemon.status is not None
                or all(witness.camera_state(one) == "streaming" for one in self.world.cameras)
            ),
            180.0,
            "the start",
        )
        if self.world.daemon.status is not None:
            raise RuntimeError(f"the daemon ended: {self.world.log.path.read_text()[-500:]}")

    def _compare(self, now: float) -> None:
        """Retained states and alerts must agree, but for the moment in which one of them comes first."""
        if any(one.camera is None and one.covers(now - 5.0, now) for one in self.injector.faults):
            self._wrong.clear()
            return
        found = self.world.witness.inconsistent()
        self._wrong = {one: self._wrong.get(one, now) for one in found}
        for one, since in self._wrong.items():
            if now - since > _WRONG_FOR and one not in self.failures:
                self.failures.append(one)
                self._say(f"WRONG: {one}")

    def _revive(self) -> None:
        daemon = self.world.daemon
        if daemon.is_wanted and daemon.status is not None:
            line = f"the daemon ended by itself with status {daemon.status}"
            self.failures.append(f"{line}, {time.monotonic() - self.origin:.0f} s after the start")
            self._say(line)
            daemon.start()

    def _end(self) -> None:
        """Stops the daemon as systemd does, and waits for the last message."""
        if self.world.daemon.status is None:
            self.world.caught_up(30.0)
            wrong = self.world.witness.inconsistent()
            if wrong and not self.stop.wait(3.0):
                self.failures += sorted(wrong & self.world.witness.inconsistent())
            self.world.daemon.stop()
        else:
            self.failures.append("the daemon is down at the end")
        if not self.world.caught_up(60.0):
            self.failures.append("the witness did not get everything within 60 s of the end")
        self.world.keep_state()

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self.origin:7.1f} s  {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument(
        "--fps", type=float, default=2.0, help="most frames a second that are processed of each camera"
    )
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=1, help="of the plan")
    parser.add_argument(
        "--restarts", type=int, default=3, help="times the daemon is killed or stopped, in the first third"
    )
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--no-reload", action="store_true", help="no SIGHUP")
    parser.add_argument(
        "--warm-up", type=float, default=5.0, help="minutes of each process before it may not grow"
    )
    parser.add_argument("--max-rss-slope", type=float, default=20.0, help="MB an hour")
    parser.add_argument(
        "--out", type=Path, default=Path("out/soak"), help="folder for everything; is emptied"
    )
    options = parser.parse_args()
    if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None:
        print("soak: mosquitto is not installed: apt-get install mosquitto", file=sys.stderr)
        return 2
    options.out = options.out.resolve()
    if options.out.exists() and any(options.out.iterdir()) and not (options.out / "daemon.log").exists():
        print(f"soak: {options.out} holds other files: give an empty --out", file=sys.stderr)
        return 2
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(
        f"{options.minutes:g} minutes, {options.cameras} cameras, "
        f"load {os.getloadavg()[0]:.1f}; to {options.out}"
    )
    limits = Limits(warm_up=60.0 * options.warm_up, rss=options.max_rss_slope)
    with World(options.out, options.cameras, options.fps) as world:
        soak = Soak(world, options, stop)
        soak.run()
        report = make_report(world, soak.sampler, soak.injector.faults, soak.origin, limits)
    report.failures[:0] = soak.failures
    report.facts = {"minutes": round((time.monotonic() - soak.origin) / 60.0, 1), "cameras": options.cameras,
                    "faults": len(soak.injector.faults), **report.facts}  # fmt: skip
    soak.sampler.close()
    if not plot(soak.sampler, soak.injector.faults, soak.origin, options.out / "soak.png"):
        print("no picture: matplotlib is not installed")
    print(report.write(options.out))
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
