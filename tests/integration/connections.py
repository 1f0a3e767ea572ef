"""Whom a process and everything it starts tries to reach, recorded by strace: failed attempts count, too."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["UNAVAILABLE", "contacts", "traced"]

# Connected sockets are written to in many ways; these are the calls that name a peer, and those that let
# others in. What goes through io_uring is hidden from strace, so that a ring of it is reported as such.
_CALLS = "socket,connect,sendto,sendmsg,sendmmsg,bind,listen,io_uring_setup"
# One file a thread, so that no call is split in two; only calls that are recorded stop the process; addresses
# of sockets are shown beside their numbers; 1024 also bounds the messages shown of one sendmmsg.
_OPTIONS = (
    "-ff",
    "--seccomp-bpf",
    "-qq",
    "-yy",
    "-v",
    "-s",
    "1024",
    "-e",
    "signal=none",
    "-e",
    f"trace={_CALLS}",
)
_LOOPBACK = re.compile(r"(127\.|\[::1\]:)")
_SOCKET_FAMILIES = frozenset({"AF_INET", "AF_INET6", "AF_UNIX"})  # of others the socket itself is reported
# Quotes inside of a payload are escaped by strace, so that what is sent cannot pass for an address.
_ADDRESS = re.compile(
    r'\{sa_family=AF_INET, sin_port=htons\((?P<port4>\d+)\), sin_addr=inet_addr\("(?P<host4>[^"]+)"\)\}'
    r"|\{sa_family=AF_INET6, sin6_port=htons\((?P<port6>\d+)\), [^\"{}]*"
    r'inet_pton\(AF_INET6, "(?P<host6>[^"]+)", &sin6_addr\)[^{}]*\}'
    r'|\{sa_family=AF_UNIX, sun_path=(?P<path>@?"(?:[^"\\]|\\.)*")\}'
    r"|\{sa_family=(?P<other>\w+)"
)


def traced(record: Path, command: list[str]) -> list[str]:
    """The command that runs `command` and records into the new folder `record`, see `contacts`."""
    record.mkdir()
    return ["strace", *_OPTIONS, "-o", str(record / "trace"), *command]


def contacts(record: Path) -> set[str]:
    """What the processes of a record tried to reach outside of themselves.

    Returns:
        `address:port` of every peer, `unix PATH` of every local socket, `listen ...` of what others could
        reach it by, and the name of whatever else strace showed. Left out is what stays among these
        processes: what listens on the loopback interface, and connections to it.
    """
    files = sorted(record.glob("trace.*"))
    assert files, f"strace recorded nothing in {record}"
    lines = [line for file in files for line in file.read_text().splitlines()]
    listeners = {address for line in lines if (address := _listener(line)) is not None}
    own = {address for address in listeners if _LOOPBACK.match(address)}
    return {f"listen {address}" for address in listeners - own} | {
        peer for line in lines for peer in _peers(line) if peer not in own
    }


def _listener(line: str) -> str | None:
    """The address that a call makes reachable: TCP that listens, UDP that takes an address."""
    if match := re.match(r"listen\(\d+<TCP(?:v6)?:\[(?P<address>.+?)\]>,", line):
        return match["address"]
    if re.match(r"bind\(\d+<UDP", line):
        return next(iter(_addresses(line)), line)
    return line if line.startswith("listen(") and "<UNIX" not in line else None


def _peers(line: str) -> list[str]:
    call, _, arguments = line.partition("(")
    if call == "socket":
        family = arguments.partition(",")[0]
        return [] if family in _SOCKET_FAMILIES else [f"socket {family}"]
    if call == "io_uring_setup":
        return [call]
    return [] if call in ("bind", "listen") else _addresses(arguments)


def _addresses(arguments: str) -> list[str]:
    return [_named(match) for match in _ADDRESS.finditer(arguments)]


def _named(match: re.Match[str]) -> str:
    if match["host4"]:
        return f"{match['host4']}:{match['port4']}"
    if match["host6"]:
        return f"[{match['host6']}]:{match['port6']}"
    if match["path"]:
        return f"unix {match['path'].replace(chr(34), '')}"
    return match["other"]


def _unavailable() -> str | None:
    if shutil.which("strace") is None:
        return "strace is not installed: apt-get install strace"
    probe = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True)
    if probe.returncode:
        return f"strace may not trace here ({' '.join(probe.stderr.split())}): allow ptrace"
    return None


UNAVAILABLE = _unavailable()
"""Why strace cannot be used here; None where it can."""
