"""SIGTERM, whatever the process is doing."""

from __future__ import annotations

import signal
import subprocess
import sys

STUCK = """
import threading
from daemon import signals
signals.LAST_SECONDS = 0.3
asked = signals.Signals()
asked.take_over()
lock = threading.Lock()
lock.acquire()
print("stuck", flush=True)
lock.acquire()
"""


def test_a_main_loop_that_hangs_in_a_lock_is_ended_with_its_stack() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGTERM)
        try:
            _, errors = process.communicate(timeout=20.0)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "most recent call first" in errors
