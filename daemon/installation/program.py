"""Whether the service, shut in as its unit says, could start the program."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

from daemon.errors import UsageError

__all__ = ["check_program"]

# ProtectHome=yes and PrivateTmp=yes hide these.
_HIDDEN = tuple(Path(name) for name in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))
_PLAIN = re.compile(r"/[A-Za-z0-9_./+-]+")  # nothing that systemd would expand, split or unquote
_ADVICE = "python3 -m venv /opt/posewatch && /opt/posewatch/bin/pip install ."


def check_program(program: Path) -> None:
    """Checks the program, and with the one of this environment also Python and the package.

    Args:
        program: an absolute path, as it goes into the unit.

    Raises:
        UsageError: the unit cannot name it, the service could not see it, or its user could not run it.
    """
    if not _PLAIN.fullmatch(str(program)):
        raise UsageError(f"{program}: a unit cannot name this path: letters, digits, dots, _, + and - only")
    needed = [program]
    if program == Path(sys.executable).with_name(program.name):
        needed += [Path(sys.executable).resolve(), Path(__file__).resolve()]
    for path in needed:
        hidden = next((folder for folder in _HIDDEN if path.is_relative_to(folder)), None)
        if hidden is not None:
            raise UsageError(f"{path}: the service cannot see {hidden}: install it elsewhere: {_ADVICE}")
        _check_rights(path, executable=path == program)


def _check_rights(path: Path, *, executable: bool) -> None:
    wanted = stat.S_IROTH | (stat.S_IXOTH if executable else 0)
    try:
        lacking = None if path.stat().st_mode & wanted == wanted else path
        for folder in path.resolve().parents:
            if not folder.stat().st_mode & stat.S_IXOTH:
                lacking = folder
    except FileNotFoundError:
        raise UsageError(f"{path}: is not there: install posewatch first: {_ADVICE}") from None
    if lacking is not None:
        raise UsageError(f"{lacking}: the service's user may not read it: chmod -R a+rX {lacking}")
