"""The service in one line, for `systemctl status`."""

from __future__ import annotations

from collections import defaultdict

from daemon.figures import ServiceFigures

__all__ = ["status_line"]

_MAX_NAMES = 5
_MAX_ERROR = 200


def status_line(figures: ServiceFigures) -> str:
    """Such as `8 cameras: 7 streaming, 1 timeout (door); 12.3 frames/s; mqtt connected; 0 queued`."""
    groups: dict[str, list[str]] = defaultdict(list)
    for camera in figures.cameras:
        state = camera.state if camera.state in ("streaming", "disabled") else camera.reason or camera.state
        groups[state].append(camera.name)
    shown = [f"{len(groups.pop('streaming', []))} streaming"]
    for state, names in sorted(groups.items()):
        more = ", ..." if len(names) > _MAX_NAMES else ""
        shown.append(f"{len(names)} {state} ({', '.join(names[:_MAX_NAMES])}{more})")
    count = len(figures.cameras)
    rate = sum(camera.fps_processed for camera in figures.cameras)
    mqtt = "off" if not figures.mqtt.enabled else "connected" if figures.mqtt.connected else "not connected"
    parts = [
        f"{count} camera{'' if count == 1 else 's'}: {', '.join(shown)}",
        f"{rate:.1f} frames/s",
        f"mqtt {mqtt}",
        f"{figures.mqtt.queued} queued",
    ]
    overloaded = figures.overloaded
    if overloaded:
        more = ", ..." if len(overloaded) > _MAX_NAMES else ""
        parts.insert(0, f"overloaded: {', '.join(overloaded[:_MAX_NAMES])}{more}")
    tampered = [f"{camera.tamper} ({camera.name})" for camera in figures.cameras if camera.tamper]
    if tampered:
        more = ", ..." if len(tampered) > _MAX_NAMES else ""
        parts.insert(0, f"tamper: {', '.join(tampered[:_MAX_NAMES])}{more}")
    if figures.storage_state != "ok":
        parts.insert(0, f"disk {figures.storage_reason}")
    if figures.config.state != "ok":
        parts.insert(
            0, f"configuration refused, the former one holds: {_first_of(figures.config.error or '')}"
        )
    if figures.hung:
        parts.insert(0, f"HANGS: {', '.join(figures.hung)}")
    return "; ".join(parts)


def _first_of(mistakes: str) -> str:
    """As many as there is room for, each whole."""
    if len(mistakes) <= _MAX_ERROR:
        return mistakes
    room = mistakes[:_MAX_ERROR]
    whole, _, _ = room.rpartition("; ")
    return f"{whole}; ..." if whole else f"{room}..."
