"""A server that comes and goes with the configuration."""

from __future__ import annotations

import pytest

from daemon.config import Config
from daemon.endpoint import Endpoint


class Server:
    """Notes what is done to it; cannot start where its interval is 13 s."""

    def __init__(self, log: list[str], interval: float) -> None:
        self._log, self._name = log, f"{interval:g}"

    def start(self) -> None:
        if self._name == "13":
            raise OSError("the port is taken")
        self._log.append(f"start {self._name}")

    def stop(self) -> None:
        self._log.append(f"stop {self._name}")


def config(interval: float, **more: object) -> Config:
    return Config.model_validate({"cameras": {"a": {"url": "x.mp4"}}, "stats_interval": interval, **more})


def test_another_one_takes_the_place_and_the_former_one_comes_back_where_it_cannot() -> None:
    log: list[str] = []
    endpoint = Endpoint(lambda one: Server(log, one.stats_interval), lambda one: one.stats_interval)
    endpoint.start(config(1))
    endpoint.replace(config(1, profiles=["home"]))
    assert log == ["start 1"]
    endpoint.replace(config(2))
    assert log == ["start 1", "stop 1", "start 2"]
    with pytest.raises(OSError, match="taken"):
        endpoint.replace(config(13))
    assert log[3:] == ["stop 2", "start 2"]
    endpoint.stop()
    assert log[5:] == ["stop 2"]
