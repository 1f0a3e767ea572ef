"""Tells systemd how the service is, over $NOTIFY_SOCKET (sd_notify(3)); does nothing without systemd."""

from __future__ import annotations

import logging
import os
import socket

__all__ = [
    "extend_timeout",
    "notify",
    "ready",
    "reloading",
    "status",
    "stopping",
    "watchdog",
    "watchdog_interval",
]

_log = logging.getLogger(__name__)


def notify(state: str) -> bool:
    """Sends one state, such as "READY=1"; False without systemd or where the socket does not take it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(1.0)
            connection.connect(address)
            connection.sendall(state.encode("utf-8"))
    except OSError as error:
        _log.warning("notify_failed error=%s", error)
        return False
    return True


def ready() -> bool:
    """The service is up."""
    return notify("READY=1")


def status(text: str) -> bool:
    """One line for `systemctl status`."""
    return notify("STATUS=" + " ".join(text.split()))


def watchdog() -> bool:
    """The service is alive; to be sent more often than `watchdog_interval`."""
    return notify("WATCHDOG=1")


def stopping() -> bool:
    """The service is shutting down."""
    return notify("STOPPING=1")


def reloading(monotonic_usec: int) -> bool:
    """The configuration is being read again until `ready`; the time is CLOCK_MONOTONIC in microseconds."""
    return notify(f"RELOADING=1\nMONOTONIC_USEC={monotonic_usec}")


def extend_timeout(seconds: float) -> bool:
    """The start, the reload or the stop that is going on takes so long from now on."""
    return notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")


def watchdog_interval() -> float | None:
    """Seconds after which systemd kills a silent service; None where it does not watch this process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
