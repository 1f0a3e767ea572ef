"""Parts of the image, as polygons."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from daemon.config.base import ConfigModel, Duration

__all__ = ["Mask", "Point", "Zone"]

_Share: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
_MIN_AREA = 1e-6  # of the image: below a pixel of an 1000x1000 image

Point: TypeAlias = tuple[_Share, _Share]
"""x and y in 0..1 of the image, from its top left."""


class Mask(ConfigModel):
    """A polygon; its last point is joined to its first."""

    points: tuple[Point, ...] = Field(
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


class Zone(Mask):
    """A polygon that rules can name, with how it is decided who is in it."""

    test: Literal["feet", "box"] = Field(
        default="feet",
        title="Test",
        description="feet: the middle of the box's lower edge must be in the zone; box: any part of the box.",
    )
    inertia: Duration = Field(
        default=0.0,
        title="Inertia",
        description="Somebody must be in it, or out of it, for this long before that counts.",
        ge=0.0,
        le=60.0,
    )
