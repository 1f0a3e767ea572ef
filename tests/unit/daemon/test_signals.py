"""A main loop that hangs: SIGTERM, and nobody who would send one."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

STUCK = """
import os, threading
from daemon import signals
from daemon.watchdog import Watchdog
os.environ.pop("WATCHDOG_USEC", None)
signals.LAST_SECONDS = 0.3
asked, watchdog = signals.Signals(), Watchdog()
asked.take_over()
watchdog.check([])
if {guarded}:
    watchdog.guard(0.3)
lock = threading.Lock()
lock.acquire()
print("stuck", flush=True)
lock.acquire()
"""


@pytest.mark.parametrize("guarded", [False, True])
def test_a_main_loop_that_hangs_in_a_lock_is_ended_with_its_stack(guarded: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK.format(guarded=guarded)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        if not guarded:
            process.send_signal(signal.SIGTERM)
        try:
            _, errors = process.communicate(timeout=20.0)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "most recent call first" in errors
