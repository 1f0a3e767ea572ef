"""Any value in the place of any other, and any bytes at all: a configuration, or mistakes in lines."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.config import Config, ConfigError, load_config

SECRET = "hunter2-q7x"
DEFAULT = Path(__file__).parents[3] / "config" / "posewatch.yaml"

_ODD = st.sampled_from([
    "", " ", "~", "null", "yes", "0", "-1", "1e400", "nan", ".inf", "0x7f", "1:30", "2026-11-26",
    "${NOBODY}", "${HOSTILE}", "${HOSTILE:-x}", "$${HOSTILE}", "1" * 400, "x" * 5000, "\u202e", "é",
    "../..", "/dev/zero", "~nobody",
    "a\nb", "%", "{", "rtsp://[", "rtsp://a:b@c:99999/", "//", "#", "+", "posewatch/#", "99:99",
    "Europe/Nowhere",
])  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), _ODD,
    st.integers(min_value=10**300, max_value=10**310),
)  # fmt: skip
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.text(max_size=8), _ODD), inner, max_size=4)
    ),
    max_leaves=8,
)
FULL = """
rules:
  a:
    type: zone_entry
    zones: [z]
    schedule: [{days: [mon], from: '22:00', to: '6:30', timezone: Europe/Berlin}]
  b: {type: line_crossing, line: [[0.5, 1.0], [0.5, 0.4]], direction: both, profiles: [home]}
  c: {type: action, actions: [sitting], for: 1h}
profiles: [home, away]
cameras:
  door:
    url: rtsp://192.168.1.20/stream
    zones: {z: {points: [[0, 0], [1, 0], [1, 1]], test: box, inertia: 1s}}
    masks: {m: {points: [[0, 0], [1, 0], [1, 1]]}}
    rules: {a: {for: 2s}}
"""


def whole() -> Any:
    """The annotated default with something in what it leaves empty."""
    return yaml.safe_load(DEFAULT.read_text()) | yaml.safe_load(FULL)


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value is."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    inner = [one for key, value in items for one in paths(value, (*path, key))]
    return [path, *inner] if path else inner


PATHS = paths(whole())


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(data)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def load(path: Path, text: str | bytes) -> list[str]:
    """The mistakes; none for a good configuration."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        config = load_config(path, environment={"HOSTILE": SECRET})
    except ConfigError as error:
        lines = str(error).splitlines()
        assert 0 < len(lines) <= 51
        assert all(len(line) < 600 and line.isprintable() and SECRET not in line for line in lines)
        return lines
    assert isinstance(config, Config)
    return []


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "posewatch.yaml"


FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@FUZZ
@given(where=st.sampled_from(PATHS), value=VALUES)
def test_any_value_in_the_place_of_any_other(path: Path, where: tuple[Any, ...], value: Any) -> None:
    text = yaml.dump(put(whole(), where, value), allow_unicode=True)
    load(path, text)


@pytest.mark.parametrize("start", range(5))
def test_what_a_variable_holds_is_never_said(path: Path, start: int) -> None:
    """Five places at a time: a mistake in one of them seldom hides the others."""
    leaves = [one for one in PATHS if not any(other[: len(one)] == one != other for other in PATHS)]
    for first in range(start, len(leaves) // 5, 5):
        changed = whole()
        for where in leaves[first :: len(leaves) // 5]:
            changed = put(changed, where, "${HOSTILE}" if first % 2 else "a${HOSTILE}b")
        load(path, yaml.dump(changed))


@FUZZ
@given(text=st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100),
    st.text(alphabet="a:{}[]-?,&*!|>'\"%#@`~<= \n\t\\0159.", max_size=60),
))  # fmt: skip
def test_any_bytes(path: Path, text: bytes | str) -> None:
    load(path, text)


def test_the_whole_configuration_is_good(path: Path) -> None:
    assert load(path, yaml.dump(whole())) == []
    assert len(PATHS) > 150
