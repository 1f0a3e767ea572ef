"""Which zones a person is in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.config.zones import Mask, Zone
from daemon.polygons import contains, feet_of, touches
from tracker.tracks import rename

__all__ = ["ZoneMap", "ZonePresence"]

_TOLERANCE = 1e-6


class ZoneMap:
    """The zones of a camera.

    Args:
        zones: name to polygon in 0..1 of the image; masks go by the feet.
    """

    def __init__(self, zones: Mapping[str, Mask]) -> None:
        self._zones = {
            name: (np.asarray(zone.points, np.float64), isinstance(zone, Zone) and zone.test == "box")
            for name, zone in zones.items()
        }

    def containing(self, box: NDArray[np.float32], width: int, height: int) -> tuple[str, ...]:
        """Names of the zones around the feet or, where a zone asks for it, of those that the box touches.

        The feet are the middle of the box's lower edge; box and feet are kept inside the image.

        Args:
            box: (4,) left, top, right, bottom in pixels.
            width: of the image, in pixels.
            height: of the image, in pixels.
        """
        if not self._zones:
            return ()
        x, y = feet_of(box, width, height)
        size = np.array([width, height, width, height], np.float64)
        whole = np.clip(np.asarray(box, np.float64) / size, 0.0, 1.0)
        return tuple(
            name
            for name, (polygon, by_box) in self._zones.items()
            if (touches(polygon, whole) if by_box else contains(polygon, x, y))
        )


@dataclass(slots=True)
class _Stay:
    """Whether somebody counts as inside a zone, and since when (monotonic seconds) it looks otherwise."""

    inside: bool = False
    since: float | None = None


class ZonePresence:
    """Keeps who is in a zone steady: being in or out counts after the zone's inertia.

    Args:
        zones: of the camera.
    """

    def __init__(self, zones: Mapping[str, Zone]) -> None:
        self._order = tuple(zones)
        self._inertia = {name: zone.inertia for name, zone in zones.items() if zone.inertia > 0.0}
        self._stays: dict[str, dict[str, _Stay]] = {}

    def update(self, track: str, touched: Collection[str], monotonic: float) -> tuple[str, ...]:
        """The zones in which a track counts as being.

        Args:
            track: its id.
            touched: zones in which the box is now.
            monotonic: seconds of the frame; a track's frames come in the order of their time.
        """
        if not self._inertia:
            return tuple(touched)
        stays = self._stays.setdefault(track, {name: _Stay() for name in self._inertia})
        for name, stay in stays.items():
            if (name in touched) == stay.inside:
                stay.since = None
                continue
            stay.since = monotonic if stay.since is None else stay.since
            if monotonic - stay.since >= self._inertia[name] - _TOLERANCE:
                stay.inside, stay.since = not stay.inside, None
        return tuple(
            name for name in self._order if (stays[name].inside if name in stays else name in touched)
        )

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        rename(self._stays, names)

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks by id."""
        for track in tracks:
            self._stays.pop(track, None)
