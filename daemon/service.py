"""`posewatch run`: cameras, workers and the publisher, from start to a clean stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from daemon import notify, reports
from daemon.assembly import Assembly
from daemon.config import Config
from daemon.deadline import Deadline
from daemon.endpoint import Endpoint
from daemon.figures import MqttFigures, ServiceFigures
from daemon.gathering import camera_figures
from daemon.health import HealthServer
from daemon.masking import Masker
from daemon.media.complaints import Complaints
from daemon.messages import Message
from daemon.process_usage import ProcessUsage, give_back_memory
from daemon.providers import told
from daemon.reloading import NotWholeError, Reloading
from daemon.scheduler import Stuck
from daemon.signals import LAST_SECONDS, Signals, end_within
from daemon.status_line import status_line
from daemon.storage import StateLock, state_folder
from daemon.watchdog import GIVE_UP_AFTER, STUCK_AFTER, Watchdog

__all__ = ["Service"]

_log = logging.getLogger(__name__)
_TURN = 0.5  # seconds between two turns of the main loop
_STATUS_INTERVAL = 5.0  # seconds between two status lines
_MEMORY_INTERVAL = 30.0  # seconds after which memory that was freed goes back to the system
_STOP_SECONDS = 8.5  # from the signal on, for everything that is done at the end
_STOP_LEAST = 4.5  # of them, if the main loop had something in hand for the first ones


class Service:
    """The daemon. `run` blocks until `stop` is called or SIGTERM or SIGINT arrives.

    Args:
        config: the validated configuration.
        path: of its file, which SIGHUP loads again; None where it cannot be.
        signals: what the process is asked for.
        stuck_after: seconds for one frame after which its worker hangs.
        give_up_after: seconds of hanging after which the process ends, where no systemd does that.

    Raises:
        ModelError: a model that the configuration names cannot be loaded.
        StateInUseError: another daemon uses the state directory.
    """

    def __init__(
        self,
        config: Config,
        path: Path | None = None,
        *,
        signals: Signals | None = None,
        stuck_after: float = STUCK_AFTER,
        give_up_after: float = GIVE_UP_AFTER,
    ) -> None:
        self._signals = signals or Signals()
        self._endpoint = Endpoint(self._make_health, lambda one: (one.health, one.secrets))
        self._ready = self._failed = False
        self._started_at = time.time()
        self._usage = ProcessUsage()
        self._complaints = Complaints(_log)
        self._stuck_after, self._watchdog = stuck_after, Watchdog(give_up_after)
        self._state_lock = StateLock(state_folder(config.storage))
        self._parts = Assembly(config)
        self._reloading = Reloading(path, self._parts, self._endpoint, self._signals.wake)
        self._stats_due = self._status_due = self._memory_due = 0.0
        self._status: str | None = None

    def run(self) -> int:
        """Runs until stopped; returns the exit status."""
        parts = self._parts
        self._signals.take_over()
        self._endpoint.start(parts.config)
        parts.start()
        self._ready = True
        notify.ready()
        self._watchdog.guard()
        count = len(parts.config.cameras)
        workers, providers = parts.cameras.scheduler.workers, told(parts.providers)
        _log.info("started cameras=%d workers=%d provider=%r", count, workers, providers)
        self._stats_due = time.monotonic() + min(parts.config.stats_interval, 5.0)
        asked, began = 0.0, time.monotonic()
        while not self._signals.wait(asked) and not self._failed:
            self._watchdog.overslept(time.monotonic() - began - asked)
            self._turn()
            began = time.monotonic()
            asked = max(0.0, min(_TURN, self._stats_due - began))
        self._shut_down()
        self._watchdog.release()
        return 1 if self._failed else 0

    def stop(self) -> None:
        """Asks `run` to end; from any thread."""
        self._signals.stop()

    def figures(self) -> ServiceFigures:
        """How the service is now; from any thread, and without waiting for anything."""
        parts = self._parts
        publisher, store, scheduler = parts.publisher, parts.store, parts.cameras.scheduler
        return ServiceFigures(
            version=version("posewatch"),
            started_at=self._started_at,
            ready=self._ready,
            hung=self._watchdog.hung_now(self._stuck_after),
            workers=scheduler.workers,
            workers_busy=scheduler.busy,
            load=parts.cameras.load,
            storage_state=store.status.state,
            storage_reason=store.status.reason,
            profile=parts.controls.profile,
            config=parts.config_figures,
            mqtt=MqttFigures(
                publisher.enabled,
                publisher.connected,
                publisher.queued,
                publisher.dropped,
                publisher.commands_ignored,
            ),
            process=self._usage.figures(),
            providers=parts.providers,
            cameras=tuple(camera_figures(one, scheduler.errors.get(one.name, 0)) for one in parts.cameras),
        )

    def _make_health(self, config: Config) -> HealthServer | None:
        if not config.health.enabled:
            return None
        return HealthServer(config.health, self.figures, mask=Masker(config.secrets))

    # ---- The main loop ----

    def _turn(self) -> None:
        """Everything that is due; what fails is tried again with the next turn."""
        now = time.monotonic()
        duties: list[tuple[str, Callable[[], object]]] = [
            ("cameras", self._parts.cameras.look_after),
            ("store", self._parts.look_after_the_store),
            ("publisher", self._parts.publisher.start),
            ("reload", self._reload),
            ("watchdog", self._watch),
        ]
        if now >= self._stats_due:
            self._stats_due = max(now, self._stats_due + self._parts.config.stats_interval)
            duties.append(("stats", lambda: self._parts.publish([self._stats()])))
        if now >= self._status_due:
            self._status_due = now + _STATUS_INTERVAL
            duties.append(("status", self._show_status))
        if now >= self._memory_due:
            self._memory_due = now + _MEMORY_INTERVAL
            duties.append(("memory", give_back_memory))
        for name, duty in duties:
            try:
                duty()
            except NotWholeError as error:
                _log.exception("reload_failed")
                self._fail(str(error))
            except Exception as error:
                self._complaints.say(f"{name}_failed", "-", error)

    def _reload(self) -> None:
        """Loads the configuration again where that was asked for."""
        began = not self._reloading.is_busy and self._signals.reload_asked()
        if began:
            self._reloading.begin()
        if self._reloading.turn() or (began and not self._reloading.is_busy):
            self._stats_due = min(self._stats_due, time.monotonic() + self._parts.config.stats_interval)
            notify.ready()
            self._show_status()

    def _watch(self) -> None:
        """Tells the watchdog what makes progress."""
        since, publisher = self._watchdog.stood_still_until, self._parts.publisher
        stuck = self._parts.cameras.scheduler.stuck(self._stuck_after, since)
        silence = min(publisher.silence(), time.monotonic() - since)
        if silence > self._stuck_after:
            stuck.append(Stuck("mqtt", "-", silence, publisher.thread))
        hung = self._watchdog.hung
        self._watchdog.check(stuck)
        if self._watchdog.hung != hung:
            self._show_status()
        if self._watchdog.gives_up:
            self._fail(f"{', '.join(self._watchdog.hung)}: no progress")

    def _fail(self, reason: str) -> None:
        """Ends in order, but with exit status 1, so that whoever watches the process starts it anew."""
        if not self._failed:
            _log.error("giving_up reason=%r", reason)
            self._failed = True

    def _show_status(self) -> None:
        """Tells systemd how things are, where that has changed."""
        status = status_line(self.figures())
        if status != self._status:
            self._status = status
            notify.status(status)

    def _stats(self) -> Message:
        return reports.stats(self._parts.topics, self.figures())

    # ---- The end ----

    def _shut_down(self) -> None:
        """Ends everything in order, by one deadline that all steps share."""
        seconds = max(_STOP_LEAST, _STOP_SECONDS - self._signals.stopping_for)
        last = seconds + LAST_SECONDS - _STOP_SECONDS
        end_within(last)
        deadline, parts = Deadline(seconds), self._parts
        self._ready = False
        notify.stopping()
        notify.extend_timeout(last)
        _log.info("stopping")
        parts.publisher.listen({})
        parts.cameras.leave(deadline)
        parts.cameras.close()
        parts.publish([self._stats()])
        clips = _aside("clips-end", lambda: parts.media.close(deadline.left(4.0, keep=1.5)))
        parts.publisher.close(timeout=deadline.left(5.0, keep=2.0))
        clips.join(deadline.left(keep=0.5))
        self._endpoint.stop()
        store = _aside("store-end", parts.store.close)
        store.join(deadline.left())
        if store.is_alive():
            _log.error("store_not_closed; the disk does not answer")
        self._state_lock.release()
        _log.info("stopped")


def _aside(name: str, work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
