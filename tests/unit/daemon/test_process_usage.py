"""CPU and memory of this very process."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest

from daemon.process_usage import ProcessUsage, resident_bytes


def test_resident_memory_is_what_the_system_says():
    pages = np.ones(64 * 2**20, np.uint8)  # touched, so that it is resident
    assert resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert pages[-1] == 1


def test_cpu_is_counted_from_reading_to_reading():
    usage = ProcessUsage()
    start, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        sum(range(1000))
    busy = usage.read()["cpu"]
    expected = (time.process_time() - used) / (time.monotonic() - start)
    assert busy == pytest.approx(expected, abs=0.15)
    assert usage.read()["cpu"] >= 0.0
