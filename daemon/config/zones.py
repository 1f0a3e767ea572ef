"""A part of the image, as a polygon."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, field_validator

from daemon.config.base import ConfigModel

__all__ = ["Zone"]

_Share: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
_MIN_AREA = 1e-6  # of the image: below a pixel of an 1000x1000 image


class Zone(ConfigModel):
    """A polygon; its last point is joined to its first."""

    points: tuple[tuple[_Share, _Share], ...] = Field(
        title="Points",
        description="Corners [x, y] in 0..1 of the image, in their order.",
        min_length=3,
        max_length=256,
    )

    @field_validator("points")
    @classmethod
    def _has_area(cls, points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if len(set(points)) < 3:
            raise ValueError("a zone needs at least three different corners")
        following = (*points[1:], points[0])
        double = sum(x * v - u * y for (x, y), (u, v) in zip(points, following, strict=True))
        if abs(double) / 2 < _MIN_AREA:
            raise ValueError("the corners enclose no area: give them in order around the zone")
        return points
