"""NAL units of H.264 (ITU-T H.264, 7.3 and 7.4) and H.265: what they are, and the few fields that we need."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FrameNumbers", "Kind", "classify", "is_needed", "is_random_access", "split_units"]

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_GAPS_BEFORE_DOUBT = 3
_START_CODE = b"\0\0\1"  # is in no unit: emulation prevention keeps it out


@dataclass(frozen=True, slots=True)
class Kind:
    """What a NAL unit is.

    Attributes:
        type: its number in the standard.
        valid: whether its header can be right.
        picture: whether it holds a slice.
        first: whether that slice is the first one of its picture.
        parameters: whether it is a parameter set.
        opens: whether an access unit may begin with it, so that it ends the one before.
    """

    type: int
    valid: bool
    picture: bool
    first: bool
    parameters: bool
    opens: bool


def split_units(data: bytes) -> list[bytes]:
    """NAL units of what should be one: some cameras send several in one piece, with start codes."""
    if _START_CODE not in data:
        return [data] if data else []
    pieces = (piece.rstrip(b"\0") for piece in data.split(_START_CODE))
    return [piece for piece in pieces if piece]


def classify(unit: bytes | bytearray, *, hevc: bool) -> Kind:
    """What a NAL unit is; its first three bytes are enough."""
    if not hevc and len(unit) == 1 and unit[0] & 0x9F in (10, 11):  # end of sequence and of stream: no more
        return Kind(unit[0] & 31, True, False, False, False, False)
    if len(unit) < 2 or unit[0] & 0x80:  # forbidden_zero_bit
        return Kind(-1, False, False, False, False, False)
    if hevc:
        kind = unit[0] >> 1
        valid = unit[1] & 7 > 0 and kind <= 40 and not 10 <= kind <= 15 and not 22 <= kind <= 31
        picture = kind < 32
        first = picture and len(unit) > 2 and bool(unit[2] & 0x80)
        parameters = 32 <= kind <= 34
        return Kind(kind, valid, picture, first, parameters, first or parameters or kind in (35, 39))
    kind = unit[0] & 31
    picture = kind in (1, 2, 5)
    first = picture and bool(unit[1] & 0x80)  # first_mb_in_slice is 0
    parameters = kind in (7, 8, 13, 15)
    return Kind(kind, 1 <= kind <= 21, picture, first, parameters, first or parameters or kind in (6, 9))


def is_random_access(units: tuple[bytes, ...], *, hevc: bool) -> bool:
    """Whether decoding can begin with this access unit.

    Of H.264 also a recovery point (SEI) and an intra picture with its parameter sets: some cameras send an
    IDR picture at the very start only.
    """
    kinds = [classify(unit, hevc=hevc) for unit in units]
    if hevc:
        return any(16 <= kind.type <= 21 for kind in kinds)
    if any(kind.type == 5 for kind in kinds):
        return True
    if any(kind.type == 6 and _has_recovery_point(unit) for kind, unit in zip(kinds, units, strict=True)):
        return True
    slices = [unit for kind, unit in zip(kinds, units, strict=True) if kind.type == 1]
    if not slices or not any(kind.type == 7 for kind in kinds):
        return False
    return all(_slice_type(unit) % 5 in (2, 4) for unit in slices)


def is_needed(unit: bytes, *, hevc: bool) -> bool:
    """Whether a decoder needs a unit: not what a camera says beside the picture (SEI).

    Many put words of their own there that a strict decoder takes for damage. A recovery point tells the
    decoder of H.264 where it may begin.
    """
    if hevc:
        return unit[0] >> 1 not in (39, 40)
    return unit[0] & 31 != 6 or _has_recovery_point(unit)


class FrameNumbers:
    """Finds pictures of H.264 that are missing although no packet is: the camera dropped them itself.

    The decoder fills such a hole with a copy and says nothing. Whoever numbers its frames in a way of its
    own would seem to lose one after the other: after some gaps without any lost packet nothing is said any
    more.
    """

    def __init__(self) -> None:
        self._bits: int | None = None  # of frame_num; None where it cannot be used
        self._planes = False
        self._previous: int | None = None
        self._gaps = 0

    def restart(self) -> None:
        """What comes next follows nothing."""
        self._previous = None

    def follows(self, units: tuple[bytes, ...]) -> bool:
        """Whether an access unit follows the one before, as far as its number tells."""
        number = reference = idr = None
        for unit in units:
            kind = unit[0] & 31
            if kind == 7:
                self._bits, self._planes = _frame_number_bits(unit)
            elif kind in (1, 5) and number is None and self._bits is not None:
                number = _frame_number(unit, self._bits, self._planes)
                reference, idr = bool(unit[0] & 0x60), kind == 5
        if number is None or self._bits is None:
            return True
        previous, size = self._previous, 1 << self._bits
        if reference or previous is None:
            self._previous = number
        if idr or previous is None or number in (previous, (previous + 1) % size):
            return True
        self._previous = number
        self._gaps += 1
        return self._gaps > _GAPS_BEFORE_DOUBT

    def lost(self) -> None:
        """Packets were lost: gaps are no wonder."""
        self._gaps = 0


class _Bits:
    """Reads bits; what is behind the end is 0."""

    def __init__(self, unit: bytes, limit: int) -> None:
        data = bytes(unit[1:limit]).replace(b"\0\0\3", b"\0\0")  # emulation prevention
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            return 0
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """ue(v), H.264 9.1."""
        zeros = 0
        while zeros < 32 and self._left > 0 and not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """se(v)."""
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def _has_recovery_point(unit: bytes) -> bool:
    place = 1
    while place + 2 < len(unit):
        kind = size = 0
        while place < len(unit) and unit[place] == 255:
            kind, place = kind + 255, place + 1
        if place + 1 >= len(unit):
            return False
        kind, place = kind + unit[place], place + 1
        while place < len(unit) and unit[place] == 255:
            size, place = size + 255, place + 1
        if place >= len(unit):
            return False
        size, place = size + unit[place], place + 1
        if kind == 6:
            return True
        place += size
    return False


def _slice_type(unit: bytes) -> int:
    bits = _Bits(unit, 16)
    bits.golomb()
    return bits.golomb()


def _frame_number(unit: bytes, count: int, planes: bool) -> int:
    bits = _Bits(unit, 32)
    for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
        bits.golomb()
    if planes:
        bits.read(2)
    return bits.read(count)


def _frame_number_bits(unit: bytes) -> tuple[int | None, bool]:
    """From a sequence parameter set: length of frame_num where it grows without gaps, and colour planes."""
    bits = _Bits(unit, len(unit))
    profile = bits.read(8)
    bits.read(16)
    bits.golomb()
    planes = False
    if profile in _HIGH_PROFILES:
        if bits.golomb() == 3:
            planes = bool(bits.read(1))
            lists = 12
        else:
            lists = 8
        bits.golomb()
        bits.golomb()
        bits.read(1)
        if bits.read(1):
            for index in range(lists):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    count = bits.golomb() + 4
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.golomb(), 255)):
            bits.signed()
    bits.golomb()
    gaps_allowed = bool(bits.read(1))
    return (None if gaps_allowed or count > 16 else count), planes


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed() + 256) % 256
        last = following or last
