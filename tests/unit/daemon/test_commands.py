"""What may come in over MQTT: two words and known names; anything else is refused, whatever bytes it has."""

from __future__ import annotations

import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.mqtt.commands import CommandError, Commands, read_choice, read_switch

NEAR_MISSES = st.sampled_from(
    [b"on", b"ON ", b" ON", b"ON\0", b"ON\n", b"O", b"OFFF", b"1", b"true", "\u041eN".encode()]
)


@given(st.binary(max_size=300) | NEAR_MISSES)
def test_a_switch_is_on_or_off(payload):
    if payload in (b"ON", b"OFF"):
        assert read_switch(payload) == (payload == b"ON")
    else:
        with pytest.raises(CommandError):
            read_switch(payload)


@given(st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_choice_is_a_known_name(payload):
    known = ["home", "night", "küche"]
    if payload in [name.encode() for name in known]:
        assert read_choice(payload, known).encode() == payload
    else:
        with pytest.raises(CommandError):
            read_choice(payload, known)


@example("x", bytes(256), False)
@example("x", bytes(257), False)  # bytes of any length are seldom that long
@given(st.text(max_size=50), st.binary(max_size=600), st.booleans())
def test_taking_never_raises_and_counts(topic, payload, retained):
    commands = Commands()
    commands.on("a/set", lambda _: None)
    commands.take(topic, payload, retained)
    assert commands.ignored == 1
    commands.take("a/set", payload, retained)
    assert commands.ignored == 1 + (retained or len(payload) > 256)


def test_a_line_cannot_be_forged_by_a_topic(caplog):
    with caplog.at_level(logging.WARNING):
        Commands().take("x\n2026-01-01 ERROR all is lost", b"", False)
    assert len(caplog.text.splitlines()) == 1
