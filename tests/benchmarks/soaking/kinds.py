"""Every kind of fault: how it begins and ends, and how the daemon shows that it noticed and recovered."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from soaking.world import World

__all__ = ["KINDS", "RESTARTS", "Kind"]

Act: TypeAlias = Callable[[World, str], object]
Seen: TypeAlias = Callable[[World, str, float], object]
"""World, camera, and the monotonic time from which on it counts."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: what is done.
        begin: does it.
        end: undoes it.
        noticed: whether the daemon has said so; None where it need not.
        recovered: whether all is well again.
        hold: seconds from begin to end.
        of_camera: whether it is one camera's; else the whole service's.
        limit: seconds in which it must have recovered.
        reload: whether it needs SIGHUP to be understood.
    """

    name: str
    begin: Act
    end: Act
    noticed: Seen | None
    recovered: Seen
    hold: float = 15.0
    of_camera: bool = False
    limit: float = 120.0
    reload: bool = False


def _nothing(_world: World, _camera: str) -> None:
    pass


# ---- of one camera


def _camera_lost(world: World, camera: str, since: float) -> object:
    return world.witness.left_streaming(camera, since)


def _camera_back(world: World, camera: str, _since: float) -> bool:
    return world.witness.camera_state(camera) == "streaming"


def _of_camera(
    name: str, begin: Act, end: Act, hold: float = 15.0, limit: float = 120.0, recovered: Seen = _camera_back
) -> Kind:
    return Kind(name, begin, end, _camera_lost, recovered, hold, of_camera=True, limit=limit)


def _cut_and_back(world: World, camera: str, since: float) -> bool:
    """It is streaming again, and was away meanwhile: the fault is over before the daemon looks."""
    return bool(_camera_lost(world, camera, since - 30.0)) and _camera_back(world, camera, since)


_CAMERA = [
    _of_camera("camera: server killed", lambda w, c: w.servers[c].kill(), lambda w, c: w.servers[c].start()),
    _of_camera(
        "camera: server stopped (SIGSTOP)",
        lambda w, c: w.servers[c].signal(signal.SIGSTOP),
        lambda w, c: w.servers[c].signal(signal.SIGCONT),
    ),
    _of_camera(
        "camera: connection cut", lambda w, c: w.relays[c].cut(), _nothing, hold=0.0, recovered=_cut_and_back
    ),
    _of_camera(
        "camera: network refuses", lambda w, c: w.relays[c].shut(), lambda w, c: w.relays[c].open()
    ),
    _of_camera(
        "camera: network drops everything",
        lambda w, c: w.relays[c].freeze(),
        lambda w, c: w.relays[c].thaw(),
        hold=20.0,
    ),
    _of_camera(
        "camera: wrong password", lambda w, c: w.relays[c].refuse_login(), lambda w, c: w.relays[c].heal(),
        limit=400.0,
    ),
    _of_camera(
        "camera: path not found", lambda w, c: w.relays[c].lose_path(), lambda w, c: w.relays[c].heal()
    ),
]  # fmt: skip


# ---- of the broker


def _broker_lost(world: World, _camera: str, _since: float) -> object:
    """The daemon has let go of its connection."""
    return world.lost_link()


def _speaks(world: World, _camera: str, since: float) -> bool:
    """A message of the daemon came after the end of the fault."""
    witness = world.witness
    if not (witness.subscribed.is_set() and witness.stats and witness.service):
        return False
    return max(witness.last_keyed, witness.stats[-1][0]) > since and witness.service[-1][1] == "online"


def _kill_broker(world: World, _camera: str) -> None:
    """The daemon's connection is frozen first: what a broker has and did not deliver dies with it."""
    world.broker_relay.freeze()
    world.caught_up(10.0)
    world.broker.kill()
    world.broker_relay.shut()
    world.broker_relay.thaw()


def _stop_broker(world: World, _camera: str) -> None:
    world.broker_relay.freeze()
    world.caught_up(10.0)
    world.stop_broker()
    world.broker_relay.shut()
    world.broker_relay.thaw()


def _start_broker(world: World, _camera: str) -> None:
    """The witness is there before the daemon."""
    world.broker.start()
    world.witness.subscribed.wait(30)
    world.broker_relay.open()


_BROKER = [
    Kind("broker: killed", _kill_broker, _start_broker, _broker_lost, _speaks),
    Kind("broker: stopped and started", _stop_broker, _start_broker, _broker_lost, _speaks),
    Kind(
        "broker: frozen (SIGSTOP)",
        lambda w, _: w.broker.signal(signal.SIGSTOP),
        lambda w, _: w.broker.signal(signal.SIGCONT),
        _broker_lost,
        _speaks,
        hold=20.0,
    ),
    Kind(
        "broker: connection cut",
        lambda w, _: w.broker_relay.shut(),
        lambda w, _: w.broker_relay.open(),
        _broker_lost,
        _speaks,
        hold=10.0,
    ),
    Kind(
        "broker: network drops everything",
        lambda w, _: w.broker_relay.freeze(),
        lambda w, _: w.broker_relay.thaw(),
        _broker_lost,
        _speaks,
        hold=20.0,
    ),
]


# ---- of the machine


def _storage(state: str) -> Seen:
    return lambda w, _, since: any(at >= since and one == state for at, one in list(w.witness.storage))


def _come_back(world: World, _camera: str) -> None:
    world.witness.back()


def _complete(world: World, _camera: str, since: float) -> bool:
    """Everything that the broker kept has come."""
    marks = world.witness.marks
    return any(int(mark) / 1e9 >= since for mark in list(marks)) or (
        world.witness.subscribed.is_set() and world.caught_up(5.0)
    )


_MACHINE = [
    Kind(
        "disk full",
        lambda w, _: w.fill_disk(),
        lambda w, _: w.free_disk(),
        _storage("degraded"),
        lambda w, _, __: bool(w.witness.storage) and w.witness.storage[-1][1] == "ok",
        hold=25.0,
    ),
    Kind("every core busy", lambda w, _: w.burn(True), lambda w, _: w.burn(False), None, _speaks, hold=20.0),
    Kind("consumer away", lambda w, _: w.witness.away(), _come_back, None, _complete),
]


# ---- of the daemon


def _offline(world: World, _camera: str, since: float) -> bool:
    return any(at >= since and one == "offline" for at, one in list(world.witness.service))


def _restarted(world: World, _camera: str, since: float) -> bool:
    """It is online, and every camera streams."""
    witness = world.witness
    online = any(at >= since and one == "online" for at, one in list(witness.service))
    return online and all(
        witness.statuses[one] and witness.statuses[one][-1][0] >= since and _camera_back(world, one, since)
        for one in world.cameras
    )


def _die(number: int) -> Act:
    return lambda world, _: world.daemon.kill(number)


RESTARTS = [
    Kind("daemon: SIGKILL", _die(signal.SIGKILL), lambda w, _: w.daemon.start(), _offline, _restarted, 2.0),
    Kind(
        "daemon: SIGTERM",
        lambda w, _: w.daemon.stop(),
        lambda w, _: w.daemon.start(),
        _offline,
        _restarted,
        2.0,
    ),
    Kind("daemon: SIGSEGV", _die(signal.SIGSEGV), lambda w, _: w.daemon.start(), _offline, _restarted, 2.0),
]


# ---- reload


def _reload(world: World, change: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    settings = world.changed()
    change(settings)
    world.write(settings)
    world.daemon.send(signal.SIGHUP)


def _change(change: Callable[[dict, str], object]) -> Act:  # type: ignore[type-arg]
    def act(world: World, camera: str) -> None:
        world.allowed_config_ends.add(camera)
        _reload(world, lambda settings: change(settings["cameras"], camera))

    return act


def _restore(world: World, _camera: str) -> None:
    _reload(world, lambda _: None)


def _add(world: World, _camera: str) -> None:
    source = world.cameras[0]
    world.allowed_config_ends.add("extra")
    _reload(world, lambda settings: settings["cameras"].update(extra=world.camera(source)))


def _spoil(world: World, _camera: str) -> None:
    world.write_text(world.config.read_text() + "\nrulez: {}\ncameras: [\n")
    world.daemon.send(signal.SIGHUP)


def _config(state: str) -> Seen:
    return lambda w, _, since: any(at >= since and one == state for at, one, _e in list(w.witness.config))


def _applied_and_back(world: World, camera: str, since: float) -> bool:
    return bool(_config("ok")(world, camera, since)) and _camera_back(world, camera, since)


def _state_of(camera: str, state: str) -> Seen:
    return lambda w, _, __: w.witness.camera_state(camera) == state


_RELOAD = [
    Kind("reload: camera added", _add, _restore, _state_of("extra", "streaming"),
         _state_of("extra", "removed"), reload=True),
    Kind("reload: camera removed", _change(lambda cameras, name: cameras.pop(name)), _restore,
         lambda w, c, _: w.witness.camera_state(c) == "removed", _camera_back, reload=True, of_camera=True),
    Kind("reload: stream changed",
         _change(lambda cameras, name: cameras[name].update(read_timeout="6s")), _restore,
         _config("ok"), _applied_and_back, reload=True, of_camera=True),
    Kind("reload: rule changed",
         _change(lambda cameras, name: cameras[name].update(rules={"about": {"for": "4s"}})), _restore,
         _config("ok"), _applied_and_back, reload=True, of_camera=True),
    Kind("reload: invalid file", _spoil, _restore, _config("invalid"), _config("ok"), reload=True),
]  # fmt: skip

KINDS = [*_CAMERA, *_BROKER, *_MACHINE, *_RELOAD]
