"""Finding people in a frame."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema

from daemon.config.base import ConfigModel, Duration, ExistingPath

__all__ = ["DetectConfig"]

_MOST_TILES = 16
_TILES = re.compile(r"([1-9][0-9]?)x([1-9][0-9]?)")


def _check_tiles(value: str) -> str:
    match = _TILES.fullmatch(value)
    if match is None:
        raise ValueError("must be COLUMNSxROWS, such as 2x1 or 3x2, or 1x1 for the whole image alone")
    if int(match[1]) * int(match[2]) > _MOST_TILES:
        raise ValueError(f"must be {_MOST_TILES} tiles at most")
    return value


TileGrid: TypeAlias = Annotated[
    str, AfterValidator(_check_tiles), WithJsonSchema({"type": "string", "pattern": f"^{_TILES.pattern}$"})
]
"""`COLUMNSxROWS`."""


class DetectConfig(ConfigModel):
    """The person detector."""

    model: ExistingPath | None = Field(
        default=None,
        title="Model",
        description="ONNX file (YOLOX, or ultralytics v8, 11, 26); the bundled one when left out.",
    )
    size: int | None = Field(
        default=None,
        title="Input size",
        description="Side in pixels of the square with as many pixels as the model's input; what the model "
        "was made for (bundled: 416) when left out. 320 takes half the time, 640 twice and sees small and "
        "far people better. Not for models with a fixed input.",
        ge=160,
        le=1280,
        multiple_of=32,
    )
    tiles: TileGrid = Field(
        default="1x1",
        title="Tiles",
        description="COLUMNSxROWS of overlapping tiles to look at besides the whole image, for small and far "
        "people; each takes as long as the whole image. 1x1 is none.",
    )
    score: float = Field(
        default=0.1,
        title="Lowest score",
        description="Detections below this are not looked at; the tracker uses weak ones to hold a track.",
        ge=0.01,
        le=0.95,
    )
    iou: float = Field(
        default=0.65,
        title="Overlap",
        description="Of two boxes that overlap more (IoU), the weaker is dropped.",
        ge=0.1,
        le=0.95,
    )
    every: int | None = Field(
        default=None,
        title="Every k-th frame",
        description="Frames from one detection to the next, at most; 1 detects in every frame. Left out, it "
        "goes by time alone: `pause`.",
        ge=1,
        le=30,
    )
    pause: Duration = Field(
        default=0.2,
        title="Pause",
        description="Time from one detection to the next, at most, while everybody is followed: somebody new "
        "is found that late. New and lost people are looked for about twenty times a second. 0s detects in "
        "every frame.",
        ge=0.0,
        le=1.0,
    )
    idle: Duration = Field(
        default=1.0,
        title="Idle",
        description="Time likewise where nobody has been for half a minute and nothing changes in the "
        "picture; 0s goes by `pause` there too.",
        ge=0.0,
        le=10.0,
    )
    max_people: int = Field(
        default=50,
        title="Most people",
        description="Strongest detections kept in a frame; a bound on the work.",
        ge=1,
        le=300,
    )

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of tiles; (1, 1) is the whole image alone."""
        columns, rows = self.tiles.split("x")
        return int(columns), int(rows)
