"""Coded pictures to frames, of which none is damaged.

A decoder hides damage: it fills holes with grey or with what was there before, and everything that builds on
it is smeared until the next picture that stands alone. So nothing is taken from it between a damaged or
missing picture and the next place where decoding can begin.
"""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from daemon.opening import MAX_PIXELS
from daemon.rtsp.depacketizing import AccessUnit
from daemon.rtsp.nal import FrameNumbers, classify, is_needed, is_random_access

__all__ = ["DecodedFrame", "Decoder"]

_START_CODE = b"\0\0\0\1"
_TICKS = Fraction(1, 90000)
_LEADING = 16  # pictures at most that are decoded after another one and shown before it
_HEALING = 150  # pictures: ten seconds at 15 a second
_REMEMBERED = 64  # pictures in the decoder at most, with some to spare

DecodedFrame = tuple[av.VideoFrame, float]
"""A frame, and its presentation time in seconds on the camera's clock."""


class Decoder:
    """Decodes one stream of H.264 or H.265.

    Args:
        codec: `h264` or `hevc`.
        parameter_sets: that are known before the stream begins, as NAL units.
        threads: of the decoder.

    Attributes:
        damaged: pictures that were not given because they, or what they build on, came damaged.
        skipped: pictures that were not given because somebody wanted to `skip` them.
        has_begun: whether a picture with which decoding can begin came at all.
    """

    def __init__(self, codec: str, parameter_sets: tuple[bytes, ...] = (), threads: int = 1) -> None:
        self._hevc = codec == "hevc"
        self._codec, self._threads = codec, threads
        self._parameters: dict[int, tuple[bytes, ...]] = {}  # by their type
        self._keep(parameter_sets)
        self._take_all, self._strict, self._any = False, True, False
        self._numbers = FrameNumbers()
        self._numbers.follows(() if self._hevc else parameter_sets)
        self._context = self._make()
        self._stamps: OrderedDict[int, int] = OrderedDict()  # ticks by number of the access unit
        self._number = 0
        self._waiting = True
        self._floor: tuple[int, int] | None = None  # number and ticks of the picture that began it
        self._is_back = False  # whether that was after a loss
        self._harmed = False
        self.damaged = self.skipped = 0
        self._is_skipping = False
        self.has_begun = False

    def decode(self, unit: AccessUnit) -> list[DecodedFrame]:
        """Frames that are ready with this access unit, in the order of presentation."""
        kinds = [classify(one, hevc=self._hevc) for one in unit.units]
        if unit.whole and any(kind.parameters for kind in kinds):
            self._keep(unit.units)
        if not (unit.whole and unit.follows):
            self._numbers.lost()
        follows = self._hevc or self._numbers.follows(unit.units)
        begins = self.can_begin(unit)
        if begins and self._take_all:
            self._take_all = False
            self._context = self._make()
            self._restart(unit)
        elif self._waiting or not (unit.whole and unit.follows and follows):
            if begins:
                self._restart(unit)
            elif not self._take_all:
                return self._lose(unit)
        elif self._leads(unit):
            self.damaged += self._is_back and not self._is_skipping
            self.skipped += self._is_skipping
            self._number += 1
            return []
        return self._frames(unit)

    def can_begin(self, unit: AccessUnit) -> bool:
        """Whether decoding can begin with this access unit."""
        return unit.whole and is_random_access(unit.units, hevc=self._hevc)

    @property
    def can_skip(self) -> bool:
        """Whether pictures can be left out: not where it waits after damage, or takes them as they come."""
        return self._is_skipping or not (self._waiting or self._take_all)

    def skip(self, unit: AccessUnit) -> None:
        """Leaves it out, and what follows until `decode` gets one with which decoding can begin."""
        if unit.whole and any(classify(one, hevc=self._hevc).parameters for one in unit.units):
            self._keep(unit.units)
            self._numbers.restart()
            self._numbers.follows(() if self._hevc else unit.units)
        self._waiting = self._is_skipping = True
        self.skipped += 1

    def take_all(self) -> None:
        """Takes the pictures as they come, until one comes with which decoding can begin.

        For cameras that refresh the picture bit by bit and do not say so: ten seconds later it is whole.
        """
        self._take_all, self._waiting, self.has_begun = True, False, True
        self._floor = (self._number, 0)
        self._context = self._make()

    def _keep(self, units: tuple[bytes, ...]) -> None:
        """Keeps parameter sets; those of the types that are not among them stay."""
        found: dict[int, tuple[bytes, ...]] = {}
        for one in units:
            kind = classify(one, hevc=self._hevc)
            if kind.parameters:
                found[kind.type] = (*found.get(kind.type, ()), one)
        self._parameters |= found

    def _make(self) -> VideoCodecContext:
        context = VideoCodecContext.create(self._codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = self._threads
        if self._threads == 1:
            context.thread_type = "NONE"
        # Without it H.265 goes on with a grey picture where one that is needed is missing.
        damage = {"err_detect": "explode"} if self._strict else {}
        if self._take_all:
            damage = {"flags": "output_corrupt"}
        context.options = {**damage, "max_pixels": str(MAX_PIXELS)}
        return context

    def _restart(self, unit: AccessUnit) -> None:
        self._is_skipping = self._is_skipping and self._waiting
        if self._is_skipping:
            self.skipped += len(self._stamps)  # that it has not given yet
        self._context.flush_buffers()
        self._stamps.clear()
        self._is_back = self.has_begun
        self._waiting, self.has_begun = False, True
        self._floor = (self._number, unit.timestamp)
        self._numbers.restart()
        self._numbers.follows(unit.units)

    def _leads(self, unit: AccessUnit) -> bool:
        """Whether it comes after the picture that began and is shown before it.

        It may build on what was lost (open GOP), and nothing that is shown later builds on it.
        """
        if self._floor is None or self._take_all:
            return False
        number, ticks = self._floor
        return 0 < self._number - number <= _LEADING and unit.timestamp < ticks

    def _lose(self, unit: AccessUnit) -> list[DecodedFrame]:
        # Who joins in the middle of a group has lost nothing.
        self._is_skipping = False
        self._harmed = self._harmed or self.has_begun or not (unit.whole and unit.follows)
        self.damaged += self._harmed
        self._waiting = True
        return []

    def _frames(self, unit: AccessUnit) -> list[DecodedFrame]:
        number, self._number = self._number, self._number + 1
        self._stamps[number] = unit.timestamp
        if len(self._stamps) > _REMEMBERED:
            self._stamps.popitem(last=False)
        units = tuple(one for one in unit.units if is_needed(one, hevc=self._hevc))
        begins = self._floor is not None and self._floor[0] == number
        if begins:
            units = self._with_parameters(units)
        packet = av.Packet(b"".join(_START_CODE + one for one in units))
        packet.pts = packet.dts = number
        packet.time_base = _TICKS
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError:
            if self._take_all:
                return []
            if begins and self._strict and not self._any:
                # Nothing is missing, and it is the first one: the camera always does what is not allowed.
                self._strict = False
                self._context = self._make()
                self._number = number
                return self._frames(unit)
            return self._lose(unit)
        self._any = self._any or bool(frames)
        return [(frame, ticks / 90000.0) for frame in frames if (ticks := self._ticks(frame)) is not None]

    def _with_parameters(self, units: tuple[bytes, ...]) -> tuple[bytes, ...]:
        own: list[bytes] = []
        others: list[bytes] = []
        known = dict(self._parameters)
        for one in units:
            kind = classify(one, hevc=self._hevc)
            (own if kind.parameters else others).append(one)
            if kind.parameters:
                known.pop(kind.type, None)
        kept = [one for sets in known.values() for one in sets]
        # In the order in which they build on each other: theirs of types.
        return (*sorted([*kept, *own], key=lambda one: classify(one, hevc=self._hevc).type), *others)

    def _ticks(self, frame: av.VideoFrame) -> int | None:
        """Its time; None of a frame that must not be given."""
        number = frame.pts
        if number is None or number not in self._stamps:
            return None
        ticks = self._stamps.pop(number)
        if self._take_all:
            healed = self._floor is not None and number - self._floor[0] >= _HEALING
            return ticks if healed else None
        return None if frame.is_corrupt else ticks
