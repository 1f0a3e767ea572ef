"""What is on the disk when `append` returns: counted by the system calls that make it so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from connections import UNAVAILABLE

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))

PROGRAM = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from reports import alert, event, image
from daemon.storage import Store
store = Store(Path(sys.argv[1]))
make = {"nothing": lambda n: [], "updates": lambda n: [event("update", n)],
        "alerts": lambda n: [image(), alert("raised", n)]}[sys.argv[2]]
for number in range(20):
    store.append(make(number))
store.close()
"""


def syncs(folder: Path, what: str) -> int:
    """How often a process that appends twenty times waits for the disk."""
    record = folder / f"{what}.strace"
    reports = Path(__file__).parents[1] / "unit" / "daemon"
    command = [sys.executable, "-c", PROGRAM, str(folder / what), what, str(reports)]
    trace = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", str(record)]
    subprocess.run([*trace, *command], check=True, timeout=60)
    return sum("sync(" in line for line in record.read_text().splitlines())


def test_alerts_wait_for_the_disk_and_updates_do_not(tmp_path: Path) -> None:
    start = syncs(tmp_path, "nothing")
    assert syncs(tmp_path, "updates") - start < 5
    assert syncs(tmp_path, "alerts") - start >= 20
