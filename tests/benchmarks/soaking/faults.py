"""The plan of faults, and what became of each."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from soaking.kinds import KINDS, RESTARTS, Kind
from soaking.world import World

__all__ = ["Fault", "Injector"]

_SETTLE = 10.0  # seconds after a fault that still count as its time


@dataclass
class Fault:
    """One fault.

    Attributes:
        kind: what was done.
        camera: to whom; None: to the whole service.
        at: monotonic seconds when it began.
        until: when all was well again, or it was given up; None while it goes on.
        noticed: seconds from its beginning until the daemon said so; None where it did not, or need not.
        reason: what the camera's status said.
        recovered: seconds from its end until all was well; None where it did not recover.
        problem: what could not be done, or why it counts as failed.
    """

    kind: str
    camera: str | None
    at: float
    until: float | None = None
    noticed: float | None = None
    reason: str | None = None
    recovered: float | None = None
    problem: str | None = None

    def covers(self, start: float, end: float) -> bool:
        """Whether it, or its aftermath, lies in this time."""
        return start < (self.until or float("inf")) + _SETTLE and end > self.at

    def is_beside(self, other: Fault) -> bool:
        """Whether another one of the whole service falls into its time, so that its own times say nothing."""
        if other is self or other.camera is not None or self.camera is None:
            return False
        return other.covers(self.at, self.until or float("inf"))

    def as_row(self, origin: float) -> dict[str, Any]:
        """For the report, with times from `origin`."""
        row = asdict(self)
        row["at"] = round(self.at - origin, 1)
        row["until"] = None if self.until is None else round(self.until - origin, 1)
        return row


class Injector:
    """Makes faults by a seeded plan: every kind in turn, in a new order each round.

    Faults of the service come one at a time; a camera's may overlap with everything but another of its own.

    Args:
        world: to whom.
        seed: of the plan.
        reload: whether the daemon understands SIGHUP.
        restarts: how often it is killed or stopped.
        only: part of the names of the kinds that are wanted; empty for all.
    """

    def __init__(self, world: World, seed: int, *, reload: bool, restarts: int, only: str = "") -> None:
        self.faults: list[Fault] = []
        self._world, self._random = world, Random(seed)
        self._kinds = [kind for kind in KINDS if (reload or not kind.reload) and only in kind.name]
        if any(line.startswith("disk full") for line in world.unavailable):
            self._kinds = [kind for kind in self._kinds if kind.name != "disk full"]
        self._plan = self._shuffled()
        self._waiting: list[Kind] = []
        self._restarts = [RESTARTS[number % len(RESTARTS)] for number in range(restarts)]
        self._threads: list[threading.Thread] = []
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def next(self, *, restart: bool = False) -> str:
        """Begins the next fault, and now and then a second one at another camera; says what."""
        if restart and self._restarts:
            begun = self._begin(self._restarts[0])
            if begun is not None:
                del self._restarts[0]
                return begun
        while len(self._waiting) < len(self._kinds):
            self._waiting.append(next(self._plan))
        for number, kind in enumerate(self._waiting):  # those of the service come one at a time
            begun = self._begin(kind)
            if begun is not None:
                del self._waiting[number]
                second = self._second() if kind.of_camera and not kind.reload else None
                return begun if second is None else f"{begun}; {second}"
        return "nothing: whatever could be done goes on already"

    def _second(self) -> str | None:
        """Now and then another camera has a fault as well."""
        kinds = [kind for kind in KINDS if kind.of_camera and not kind.reload]
        return self._begin(self._random.choice(kinds)) if self._random.random() < 0.3 else None

    @property
    def restarts_left(self) -> int:
        """How often the daemon is still to be killed or stopped."""
        return len(self._restarts)

    def finish(self, timeout: float) -> None:
        """Ends all faults and waits until all recovered."""
        self._stop.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _shuffled(self) -> Iterator[Kind]:
        while True:
            kinds = list(self._kinds)
            self._random.shuffle(kinds)
            yield from kinds

    def _begin(self, kind: Kind) -> str | None:
        """Starts a fault; None where one before it goes on."""
        camera = self._random.choice(self._world.cameras)
        with self._lock:
            free = [one for one in self._world.cameras if one not in self._busy]
            service = not kind.of_camera or kind.reload  # a reload belongs to everybody
            wanted = {"service"} if service else set()
            if kind.of_camera:
                if not free:
                    return None
                camera = camera if camera in free else self._random.choice(free)
                wanted.add(camera)
            if wanted & self._busy:
                return None
            self._busy |= wanted
        fault = Fault(kind.name, camera if kind.of_camera else None, time.monotonic())
        self.faults.append(fault)
        thread = threading.Thread(target=self._run, args=(kind, fault, camera, wanted), daemon=True)
        self._threads.append(thread)
        thread.start()
        return f"{kind.name} {fault.camera or ''}".strip()

    def _run(self, kind: Kind, fault: Fault, camera: str, busy: set[str]) -> None:
        try:
            self._inject(kind, fault, camera)
        except Exception as error:
            fault.problem = f"could not be done: {error!r}"
            traceback.print_exc()
        finally:
            fault.until = time.monotonic()
            with self._lock:
                self._busy -= busy

    def _inject(self, kind: Kind, fault: Fault, camera: str) -> None:
        world = self._world
        if not kind.of_camera:
            world.remember_link()
        fault.at = time.monotonic()
        try:
            kind.begin(world, camera)
            hold_until = fault.at + kind.hold
            while not (self._stop.is_set() and fault.noticed is not None) and time.monotonic() < hold_until:
                self._look(kind, fault, camera)
                time.sleep(0.05)
        finally:
            ended = time.monotonic()
            kind.end(world, camera)
        started = (
            time.monotonic() if kind.name.startswith(("daemon", "broker: k", "broker: stopped")) else ended
        )
        deadline = started + kind.limit
        while time.monotonic() < deadline:
            self._look(kind, fault, camera)  # it may be noticed only now
            if kind.recovered(world, camera, ended):
                fault.recovered = max(0.0, time.monotonic() - ended)
                return
            time.sleep(0.05)
        fault.problem = f"did not recover within {kind.limit:g} s"

    def _look(self, kind: Kind, fault: Fault, camera: str) -> None:
        if kind.noticed is None or fault.noticed is not None:
            return
        seen = kind.noticed(self._world, camera, fault.at)
        if seen:
            fault.noticed = time.monotonic() - fault.at
            if isinstance(seen, tuple):
                fault.noticed, fault.reason = seen[0] - fault.at, seen[2]
