"""The difference of two configurations leads from one to the other, and touches nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.changes import compare
from daemon.config import Config

STREAM: dict[str, list[Any]] = {
    "url": ["rtsp://10.0.0.1/a", "rtsp://10.0.0.1/b"],
    "password": [None, "one", "two"],
    "fps": [5, 15],
    "transport": ["tcp", "udp"],
    "reader": ["auto", "ffmpeg"],
    "enabled": [True, False],
    "read_timeout": ["10s", "2s"],
}
PROCESSING: dict[str, list[Any]] = {
    "zones": [{}, {"bed": {"points": [[0, 0], [1, 0], [1, 1]]}}],
    "rules": [{}, {"falls": {"type": "fall"}}, {"falls": {"type": "fall", "severity": "info"}}],
    "detect": [{}, {"score": 0.3}],
    "publish_tracks": [False, True],
}


def camera() -> st.SearchStrategy[dict[str, Any]]:
    values = {key: st.sampled_from(found) for key, found in {**STREAM, **PROCESSING}.items()}
    return st.fixed_dictionaries(values).map(lambda one: {**one, "username": "admin"})


def configs() -> st.SearchStrategy[Config]:
    cameras = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), camera(), min_size=1)
    whole = {
        "cameras": cameras,
        "mqtt": st.sampled_from([{}, {"host": "broker"}, {"prefix": "home/watch"}]),
        "stats_interval": st.sampled_from([30, 60]),
        "profiles": st.sampled_from([[], ["home", "away"]]),
    }
    return st.fixed_dictionaries(whole).map(Config.model_validate)


def settings_of(config: Config, name: str, keys: dict[str, list[Any]]) -> list[Any]:
    return [getattr(config.cameras[name], key) for key in keys]


@given(configs(), configs())
def test_it_leads_from_one_to_the_other_and_touches_nothing_else(old: Config, new: Config) -> None:
    changes = compare(old, new)
    cameras = dict(old.cameras)
    for name in changes.removed:
        del cameras[name]
    for name in (*changes.added, *changes.reconnected, *changes.adjusted):
        cameras[name] = new.cameras[name]
    assert cameras == dict(new.cameras)
    assert len({*changes.added, *changes.reconnected, *changes.adjusted, *changes.removed}) == sum(
        map(len, (changes.added, changes.reconnected, changes.adjusted, changes.removed))
    )
    for name in set(old.cameras) & set(new.cameras):
        other_stream = settings_of(old, name, STREAM) != settings_of(new, name, STREAM)
        assert (name in changes.reconnected) is other_stream
        if old.mqtt.prefix == new.mqtt.prefix and old.cameras[name] == new.cameras[name]:
            assert name not in changes.adjusted
    assert bool(changes) is (old != new)


@given(configs())
def test_the_same_settings_in_another_order_are_no_change(config: Config) -> None:
    turned = config.model_copy(update={"cameras": dict(reversed(config.cameras.items()))})
    assert not compare(config, turned)


@pytest.mark.parametrize(("before", "after", "same"), [("one", "one", True), ("one", "two", False)])
def test_a_secret_that_changed_is_a_change(before: str, after: str, same: bool) -> None:
    old, new = (
        Config.model_validate(
            {"cameras": {"door": {"url": "rtsp://10.0.0.1/", "username": "admin", "password": word}}}
        )
        for word in (before, after)
    )
    assert compare(old, new).reconnected == (() if same else ("door",))


def test_a_camera_whose_model_file_is_another_one_has_changed() -> None:
    mine = {"url": "rtsp://10.0.0.1/a", "detect": {"model": "mine.onnx"}}
    config = Config.model_validate({"cameras": {"a": mine, "b": {"url": "rtsp://10.0.0.1/b"}}})
    file = str(config.cameras["a"].detect.model)
    assert compare(config, config, {file}).adjusted == ("a",)
    assert not compare(config, config, {"other.onnx"})
