"""Payloads on the wire, numbers and ids."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.messages import Message, new_id, plain

pytestmark = pytest.mark.made_up_payloads


@pytest.mark.parametrize(
    ("payload", "wire"),
    [
        ("ON", b"ON"),
        (0, b"0"),
        (b"\xff\xd8\xff", b"\xff\xd8\xff"),  # a picture goes as it is
        ({"b": 1, "a": [None, True, 0.5]}, b'{"b":1,"a":[null,true,0.5]}'),  # compact, in its own order
        ({"zone": "Küche"}, '{"zone":"Küche"}'.encode()),
    ],
)
def test_payloads_on_the_wire(payload, wire):
    assert Message("t", payload).encode() == wire


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_know_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        Message("t", {"score": value}).encode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), VALUES, max_size=5))
def test_json_reads_back_what_was_sent(payload):
    try:
        wire = Message("t", payload).encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair: no text at all
    assert json.loads(wire) == payload
    assert b"\n" not in wire
    assert Message("t", dict(payload)).encode() == wire


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.12349, 3, "0.123"),
        (-0.0001, 3, "0.0"),  # no -0.0
        (1_700_000_000.1239, 3, "1700000000.124"),  # a time keeps its milliseconds
        (1, 3, "1.0"),
        (0.00006, 4, "0.0001"),
    ],
)
def test_numbers_for_people(value, digits, text):
    assert json.dumps(plain(value, digits)) == text


@given(st.floats(0, 4e9), st.integers(1, 10**6))
def test_an_id_is_its_time_its_camera_and_a_number(captured_at, number):
    """The milliseconds are those of the time as it is published; a camera's name may hold digits and -."""
    milliseconds, rest = new_id(captured_at, "back-door-2", number).split("-", 1)
    assert int(milliseconds) / 1000 == pytest.approx(plain(captured_at), abs=0.0011)
    assert rest.rsplit("-", 1) == ["back-door-2", str(number)]


NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,6}", fullmatch=True)
PARTS = st.tuples(st.integers(0, 10**13), NAMES, st.integers(1, 99))


@given(st.lists(PARTS, unique=True, max_size=30))
def test_ids_of_different_cameras_times_or_numbers_differ(parts):
    ids = [new_id(milliseconds / 1000, camera, number) for milliseconds, camera, number in parts]
    assert len(set(ids)) == len(ids)
