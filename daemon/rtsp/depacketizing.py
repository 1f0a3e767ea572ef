"""RTP packets to access units, with an eye on what is missing: RFC 3550, 6184 (H.264) and 7798 (H.265)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from daemon.rtsp.nal import classify, split_units

__all__ = ["AccessUnit", "Depacketizer"]

_OLD = 64  # packets that may come late or twice without a new start of the numbers
_LONGEST = 16 << 20  # bytes of one access unit
_UNIT = 64  # bytes that a unit takes beside its own
_ABANDONED = 50  # packets of a source that was left, in a row, after which it is taken up again
_PRIVATE = 3  # units of a type that the standard does not know, after which they are no damage


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture with what belongs to it.

    Attributes:
        units: its NAL units, without start codes.
        timestamp: ticks of 1/90000 s, unwrapped.
        whole: whether none of its packets is missing.
        follows: whether nothing is missing between the one before and this one.
    """

    units: tuple[bytes, ...]
    timestamp: int
    whole: bool
    follows: bool


class Depacketizer:
    """Puts access units together.

    Args:
        hevc: H.265 instead of H.264.
        payload_type: of the video; others are not looked at.
    """

    def __init__(self, *, hevc: bool, payload_type: int) -> None:
        self._hevc, self._payload_type = hevc, payload_type
        self._sequence: int | None = None
        self._source: int | None = None
        self._former: int | None = None  # source before
        self._ignored = 0  # packets of the former one since the last of this one
        self._candidate: tuple[int, int, bytes] | None = None  # source, number and packet of another one
        self._stamp: int | None = None  # of the last packet, 32 bits
        self._ticks = 0
        self._units: list[bytes] = []
        self._size = 0
        self._begun_at = 0  # ticks of the first unit
        self._has_picture = False
        self._whole = self._follows = True
        self._fragment: bytearray | None = None
        self._given_at: int | None = None  # ticks of the last access unit that its marker ended
        self._marker_ends = True
        self._after_gap = False
        self._ends_are_marked = False  # of fragments
        self._unknown: Counter[int] = Counter()  # units by type that the standard does not know

    def push(self, data: bytes) -> list[AccessUnit]:
        """Takes a packet; gives the access units that are complete with it."""
        header = _payload_of(data)
        if header is None:
            return []
        first, last = header
        payload_type, sequence = data[1] & 0x7F, int.from_bytes(data[2:4], "big")
        source = int.from_bytes(data[8:12], "big")
        found: list[AccessUnit] = []
        if source == self._source:
            self._ignored = 0
        elif payload_type != self._payload_type:
            return []
        elif self._source is not None:
            before = self._changes_to(source, sequence, data)
            if before is None:
                return []
            found += self.push(before)
        self._source = source
        if not self._in_sequence(sequence):
            return found
        if payload_type != self._payload_type or first == last:
            return found  # of another kind, or nothing but padding: it only has a number
        stamp = int.from_bytes(data[4:8], "big")
        if self._stamp is not None and stamp != self._stamp:
            self._end_fragment(found)
            self._finish(found)
            self._ticks += (stamp - self._stamp + (1 << 31)) % (1 << 32) - (1 << 31)
        self._stamp = stamp
        for unit in self._units_of(data[first:last], found):
            self._add(unit, found)
        self._after_gap = False
        # In the middle of a fragmented unit the marker says nothing: some cameras set it on every packet.
        ends = data[1] & 0x80 and self._fragment is None and self._marker_ends
        if ends and (self._has_picture or not self._whole):
            self._given_at = self._ticks
            self._finish(found)
        return found

    def _changes_to(self, source: int, sequence: int, data: bytes) -> bytes | None:
        """The packet before, where the stream goes on with another source; None where it does not, yet.

        Two in a row are needed: one may be rubbish. And some cameras go on with the stream of a viewer who is
        gone, on the connection of the next one: then two sources alternate, and the later one is ours.
        """
        if source == self._former and self._ignored < _ABANDONED:
            self._ignored += 1
            return None
        before, self._candidate = self._candidate, (source, sequence, data)
        if before is None or before[:2] != (source, (sequence - 1) % (1 << 16)):
            return None
        self._former, self._source = self._source, source
        self._candidate, self._sequence, self._ignored = None, None, 0
        self._lose()
        return before[2]

    def _in_sequence(self, sequence: int) -> bool:
        """Whether to take a packet; notes a gap before it."""
        if self._sequence is not None:
            step = (sequence - self._sequence) % (1 << 16)
            if step == 0 or step > (1 << 16) - _OLD:
                return False
            if step > 1:
                self._lose()
        self._sequence = sequence
        return True

    def _lose(self) -> None:
        self._fragment = None
        self._after_gap = True
        if self._units:
            self._whole = False
        else:
            self._follows = False

    def _units_of(self, payload: bytes, found: list[AccessUnit]) -> Iterator[bytes]:
        """NAL units of a packet; parts of one are kept until it is complete."""
        size = 2 if self._hevc else 1
        kind = -1
        if len(payload) >= size:
            kind = (payload[0] >> 1) & 63 if self._hevc else payload[0] & 31
        if kind == (48 if self._hevc else 24):
            self._end_fragment(found)
            yield from self._aggregated(payload, size)
        elif kind == (49 if self._hevc else 28):
            yield from self._fragmented(payload, size, found)
        elif kind > (47 if self._hevc else 23):
            self._doubt(kind)
        elif kind < 0:
            self._whole = False
        else:
            self._end_fragment(found)
            yield payload

    def _aggregated(self, payload: bytes, place: int) -> Iterator[bytes]:
        while place + 2 <= len(payload):
            end = place + 2 + int.from_bytes(payload[place : place + 2], "big")
            if end > len(payload) or end == place + 2:
                break
            yield payload[place + 2 : end]
            place = end
        if place != len(payload):
            self._whole = False

    def _fragmented(self, payload: bytes, size: int, found: list[AccessUnit]) -> Iterator[bytes]:
        if len(payload) <= size:
            self._whole = False
            return
        flags = payload[size]
        if flags & 0x80:
            self._end_fragment(found)
            if self._hevc:
                header = bytes(((payload[0] & 0x81) | (flags & 0x3F) << 1, payload[1]))
            else:
                header = bytes(((payload[0] & 0xE0) | flags & 0x1F,))
            self._begin(header + payload[size + 1 : size + 3], found)
            self._fragment = bytearray(header)
        if self._fragment is None:  # its start is missing
            self._begin(b"", found)
            self._whole = False
            return
        self._fragment += payload[size + 1 :]
        if len(self._fragment) > _LONGEST:
            self._fragment, self._whole = None, False
        elif flags & 0x40:
            unit, self._fragment = bytes(self._fragment), None
            self._ends_are_marked = True
            yield unit

    def _end_fragment(self, found: list[AccessUnit]) -> None:
        """Ends a unit whose last fragment did not say that it is the last one."""
        if self._fragment is None:
            return
        unit, self._fragment = bytes(self._fragment), None
        if self._ends_are_marked:
            self._whole = False
        else:  # some cameras never say so; no packet is missing
            self._add(unit, found)

    def _doubt(self, kind: int) -> None:
        """Notes a unit of a type that the standard does not know: damage, or the camera's own."""
        self._unknown[kind] += 1
        if self._unknown[kind] <= _PRIVATE:
            self._whole = False

    def _begin(self, head: bytes, found: list[AccessUnit]) -> None:
        """Ends the former access unit where a unit that begins with `head` belongs to the next one."""
        kind = classify(head, hevc=self._hevc)
        if self._has_picture and kind.opens:
            self._finish(found)
        if self._units:
            return
        self._begun_at = self._ticks
        if self._after_gap and not kind.opens:
            self._whole = False
        elif kind.picture and not kind.first and not self._has_picture:
            self._whole = False  # its first slice is missing
            if self._marker_ends and self._given_at == self._ticks and not self._after_gap:
                self._marker_ends = False  # the marker says nothing: it came before the last slice

    def _add(self, data: bytes, found: list[AccessUnit]) -> None:
        for unit in split_units(data):
            self._add_unit(unit, found)

    def _add_unit(self, unit: bytes, found: list[AccessUnit]) -> None:
        kind = classify(unit, hevc=self._hevc)
        if not kind.valid:
            self._doubt((unit[0] >> 1 if self._hevc else unit[0] & 31) if not unit[0] & 0x80 else -1)
            return
        self._begin(unit[:4], found)
        if kind.picture and not self._has_picture:
            self._begun_at = self._ticks  # what came before it may have the time of the picture before
        self._units.append(unit)
        self._size += len(unit) + _UNIT
        self._has_picture = self._has_picture or kind.picture
        if self._size > _LONGEST:
            self._whole = False
            self._finish(found)

    def _finish(self, found: list[AccessUnit]) -> None:
        """Gives the access unit; parameters without a picture wait for theirs."""
        if not self._has_picture and self._whole:
            return
        found.append(AccessUnit(tuple(self._units), self._begun_at, self._whole, self._follows))
        self._units, self._size, self._has_picture = [], 0, False
        self._whole = self._follows = True


def _payload_of(data: bytes) -> tuple[int, int] | None:
    """Where the payload of an RTP packet begins and ends; None where it is none."""
    if len(data) < 12 or data[0] & 0xC0 != 0x80:
        return None
    first = 12 + 4 * (data[0] & 15)
    if data[0] & 0x10:
        if len(data) < first + 4:
            return None
        first += 4 + 4 * int.from_bytes(data[first + 2 : first + 4], "big")
    last = len(data)
    if data[0] & 0x20 and data[-1] <= last - first:  # some cameras say so and pad nothing
        last -= data[-1]
    return (first, last) if first <= last else None
