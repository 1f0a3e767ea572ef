"""Whether the systemd of this machine understands what is asked for."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Collection

from daemon.errors import UsageError
from daemon.installation.files import LEAST_SYSTEMD

__all__ = ["check_systemd"]


def check_systemd(drop_ins: Collection[str]) -> None:
    """Checks that systemd is new enough for drop-ins; says nothing where its version cannot be told.

    Raises:
        UsageError: one of them needs a newer systemd.
    """
    needed = {name: LEAST_SYSTEMD[name] for name in drop_ins if name in LEAST_SYSTEMD}
    version = _version() if needed else None
    for name, least in needed.items():
        if version is not None and version < least:
            raise UsageError(
                f"--with {name}: needs systemd {least} or newer, here is {version}: leave it out"
            )


def _version() -> int | None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["systemctl", "--version"], capture_output=True, text=True, timeout=10, check=False
        )
        if found := re.match(r"systemd (\d+)", done.stdout):
            return int(found[1])
    return None
