"""Ways in which a stream gets damaged, and what comes of it behind our decoder, without a network."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from footage import Footage, difference
from rtsp_camera import packets_of

from daemon.rtsp.decoding import Decoder
from daemon.rtsp.depacketizing import Depacketizer

__all__ = ["DAMAGES", "Harm", "Result", "rtp_of", "send"]

_TICKS = 90000
_NOISE = 1.0  # grey levels: a decoder that has everything gives the very same picture

Packets = list[list[bytes]]
"""RTP packets by picture."""

Harm = Callable[[Packets, random.Random], Packets]


@dataclass(frozen=True)
class Result:
    """What came out.

    Attributes:
        given: numbers of the pictures, in order.
        wrong: those that differ from the truth, with the difference in grey levels.
        damaged: how many the decoder counted.
    """

    given: list[int]
    wrong: dict[int, float]
    damaged: int


def rtp_of(footage: Footage, *, mtu: int = 400, first: int = 0) -> Packets:
    """The footage as a camera sends it, from a picture on."""
    sequence, found = 65500, []
    for number, units in footage.units[first:]:
        payloads = packets_of(units, hevc=footage.hevc, mtu=mtu)
        stamp = (4_294_900_000 + number * _TICKS // footage.rate) % (1 << 32)  # wraps in the clip
        packets = []
        for place, payload in enumerate(payloads):
            marker = place == len(payloads) - 1
            header = bytes((0x80, 96 | marker << 7)) + (sequence % 65536).to_bytes(2, "big")
            packets.append(header + stamp.to_bytes(4, "big") + b"\0\0\0\1" + payload)
            sequence += 1
        found.append(packets)
    return found


def send(footage: Footage, harm: Harm, seed: int = 0, *, first: int = 0) -> Result:
    """Sends footage through depacketizer and decoder, and compares every picture with the truth."""
    depacketizer = Depacketizer(hevc=footage.hevc, payload_type=96)
    decoder = Decoder(footage.codec, footage.parameters)
    packets = harm(rtp_of(footage, first=first), random.Random(seed))
    start = footage.units[first][0] * _TICKS // footage.rate
    given, wrong = [], {}
    for packet in (one for picture in packets for one in picture):
        for unit in depacketizer.push(packet):
            for frame, seconds in decoder.decode(unit):
                number = round((seconds + start / _TICKS) * footage.rate)
                given.append(number)
                apart = difference(frame.to_ndarray(format="gray"), footage.truth[number])
                if apart > _NOISE:
                    wrong[number] = apart
    return Result(given, wrong, decoder.damaged)


def _nothing(packets: Packets, _: random.Random) -> Packets:
    return packets


def _some(packets: Packets, generator: random.Random, count: int = 2) -> list[int]:
    return sorted(generator.sample(range(3, len(packets) - 3), count))


def _single(packets: Packets, generator: random.Random) -> Packets:
    for place in _some(packets, generator):
        del packets[place][generator.randrange(len(packets[place]))]
    return packets


def _burst(packets: Packets, generator: random.Random) -> Packets:
    flat = [(place, one) for place, picture in enumerate(packets) for one in picture]
    first = generator.randrange(20, len(flat) - 40)
    lost = range(first, first + generator.randrange(2, 40))
    kept: Packets = [[] for _ in packets]
    for number, (place, one) in enumerate(flat):
        if number not in lost:
            kept[place].append(one)
    return kept


def _one_percent(packets: Packets, generator: random.Random) -> Packets:
    return [[one for one in picture if generator.random() > 0.01] for picture in packets]


def _pictures(packets: Packets, generator: random.Random) -> Packets:
    for place in _some(packets, generator):
        packets[place] = []
    return packets


def _dropped_by_the_camera(packets: Packets, generator: random.Random) -> Packets:
    """Whole pictures are missing, and the sequence numbers go on as if nothing were."""
    gone = _some(packets, generator)
    return _renumber([picture for place, picture in enumerate(packets) if place not in gone])


def _twice_and_late(packets: Packets, generator: random.Random) -> Packets:
    """Duplicates are harmless."""
    for place in _some(packets, generator, 6):
        packets[place].append(generator.choice(packets[place]))
    return packets


def _flips(packets: Packets, generator: random.Random) -> Packets:
    """Bits of the payload are turned: TCP does not let that happen on the way, so the camera did it."""
    for place in _some(packets, generator):
        number = generator.randrange(len(packets[place]))
        data = bytearray(packets[place][number])
        for _ in range(generator.choice((1, 3, 20))):
            data[generator.randrange(12, len(data))] ^= 1 << generator.randrange(8)
        packets[place][number] = bytes(data)
    return packets


def _renumber(packets: Packets) -> Packets:
    sequence = 65500
    found: Packets = []
    for picture in packets:
        found.append([])
        for one in picture:
            found[-1].append(one[:2] + (sequence % 65536).to_bytes(2, "big") + one[4:])
            sequence += 1
    return found


DAMAGES: dict[str, Harm] = {
    "nothing": _nothing,
    "a packet twice": _twice_and_late,
    "one packet lost": _single,
    "2 to 40 packets lost in a row": _burst,
    "1 % of the packets lost": _one_percent,
    "all packets of a picture lost": _pictures,
    "pictures dropped by the camera": _dropped_by_the_camera,
    "bits flipped in the payload": _flips,
}
