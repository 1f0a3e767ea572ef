"""The service's files on this machine: which they are, writing them, taking them away."""

from __future__ import annotations

from daemon.installation.files import DROP_INS, Layout, PlannedFile, State, plan
from daemon.installation.program import check_program
from daemon.installation.systemd import check_systemd
from daemon.installation.writing import remove, write

__all__ = [
    "DROP_INS",
    "Layout",
    "PlannedFile",
    "State",
    "check_program",
    "check_systemd",
    "plan",
    "remove",
    "write",
]
