"""Stage times and latency percentiles."""

from __future__ import annotations

import pytest

from daemon.timing import LatencyMeter, StageClock


def test_stages_are_summed_in_order_of_first_use():
    clock = StageClock()
    for name in ("detect", "track", "detect"):
        with clock.stage(name):
            pass
    assert list(clock.milliseconds()) == ["detect", "track"]
    assert clock.calls == {"detect": 2, "track": 1}


def test_a_failing_stage_is_counted_too():
    clock = StageClock()
    with pytest.raises(ValueError, match="boom"), clock.stage("detect"):
        raise ValueError("boom")
    assert clock.calls == {"detect": 1}


def test_percentiles_are_of_the_last_values_in_milliseconds():
    meter = LatencyMeter(size=100)
    for _ in range(50):
        meter.add(9.0)  # pushed out by the next hundred
    for value in range(1, 101):
        meter.add(value / 1000)
    assert meter.percentiles() == {"p50": 50.5, "p95": pytest.approx(95.0, abs=0.1)}


def test_no_values_yet_is_none_not_zero():
    assert LatencyMeter().percentiles() == {"p50": None, "p95": None}
