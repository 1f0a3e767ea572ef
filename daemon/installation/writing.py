"""Writes planned files, and removes what was written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from daemon.installation.files import MARK, Layout, PlannedFile, State

__all__ = ["remove", "write"]

_UNITS = ("posewatch.service", "posewatch-models.service")


def write(planned: Sequence[PlannedFile], layout: Layout) -> list[Path]:
    """Brings every file to its planned state; each is whole at any moment.

    Units that are changed leave their former text in NAME.old. On the running system the service's user is
    made and systemd reads the units again; nothing is started or stopped.

    Returns:
        The files that were written or removed.

    Raises:
        OSError: a file cannot be written.
    """
    changed = []
    layout.settings.mkdir(mode=0o755, parents=True, exist_ok=True)
    credentials = layout.settings / "credentials"
    if not credentials.is_dir():
        credentials.mkdir(mode=0o700)
    for file in planned:
        state = file.state
        if state is State.OBSOLETE:
            file.path.unlink()
        elif state in (State.NEW, State.CHANGED):
            if state is State.CHANGED and file.present is not None:
                _write(file.path.with_name(file.path.name + ".old"), file.present, 0o644)
            _write(file.path, file.text or "", file.mode, file.group if layout.is_live else None)
        else:
            continue
        changed.append(file.path)
        if layout.is_live and file.path.parent == layout.sysusers:
            _call("systemd-sysusers", str(file.path))
    if changed and layout.is_live:
        _reload()
    return changed


def remove(layout: Layout, *, purge: bool, really: bool) -> list[Path]:
    """Stops the service and takes its files away.

    Args:
        layout: where they are.
        purge: also configuration, secrets, history, pictures, models and the administrator's drop-ins.
        really: False only says what would go.

    Returns:
        What goes, or went.

    Raises:
        OSError: something cannot be removed.
    """
    found = [layout.units / unit for unit in _UNITS]
    found += [path.with_name(path.name + ".old") for path in found]
    found += [path for path in sorted(layout.drop_ins.glob("50-*.conf*")) if _is_ours(path)]
    found.append(layout.sysusers / "posewatch.conf")
    if purge:
        found += [layout.drop_ins, layout.settings, *layout.data]
    found = [path for path in found if path.exists() or path.is_symlink()]
    if not really:
        return found
    if layout.is_live:
        _call("systemctl", "disable", "--now", *(unit for unit in _UNITS if (layout.units / unit).exists()))
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        layout.drop_ins.rmdir()  # where nothing of the administrator's is in it
    if layout.is_live:
        _reload()
    return found


def _is_ours(path: Path) -> bool:
    return path.read_text(encoding="utf-8", errors="replace").startswith(MARK)


def _write(path: Path, text: str, mode: int, group: str | None = None) -> None:
    """Replaces a file whole: through a temporary one beside it, on the disk before it takes the name."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if group is not None:
                shutil.chown(name, group=group)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _reload() -> None:
    if Path("/run/systemd/system").is_dir():  # systemd runs: sd_booted(3)
        _call("systemctl", "daemon-reload")


def _call(*command: str) -> None:
    """Runs a command of systemd's; where that fails its own words say why."""
    try:
        subprocess.run(command, check=False, timeout=60)
    except FileNotFoundError:
        raise OSError(f"{command[0]}: not found: is systemd installed?") from None
