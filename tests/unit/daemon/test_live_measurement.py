"""What the measurement of live cameras goes by: the packets it sends, and when each picture was sent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tests" / "benchmarks"))

from live.outside import percentiles, since_sent  # noqa: E402
from live.server import _picture, numbered  # noqa: E402

from daemon.rtsp.depacketizing import Depacketizer  # noqa: E402


def test_a_picture_comes_out_of_the_packets_as_it_went_in() -> None:
    """Through the daemon's own reader, over the end of the numbers."""
    units = [b"\x67abc", b"\x68de", b"\x65" + bytes(range(256)) * 20]
    packed = _picture(units)
    assert packed.is_key
    reader = Depacketizer(hevc=False, payload_type=96)
    found = []
    for turn in range(2):
        data, place = numbered(packed, 65533 + turn * len(packed.places), 2**32 - 1 + turn), 0
        while place < len(data):
            assert data[place : place + 2] == b"$\0"
            size = int.from_bytes(data[place + 2 : place + 4], "big")
            found += reader.push(data[place + 4 : place + 4 + size])
            place += 4 + size
    assert [list(one.units) for one in found] == [units, units]
    assert all(one.whole for one in found)


@pytest.mark.parametrize(
    ("taken", "came", "expected"),
    [
        (10.004, 10.090, [0.090]),  # of the picture that was sent at 10.0
        (10.104, 10.150, [0.050]),
        (9.995, 10.050, [0.050]),  # told a little too early
        (9.9, 10.0, []),  # before the first one
        (11.0, 11.1, []),  # of a picture that was never sent
    ],
)
def test_which_picture_a_message_is_of(taken: float, came: float, expected: list[float]) -> None:
    assert since_sent([(taken, came, 1)], [10.0, 10.1], 0.1) == pytest.approx(expected)


def test_percentiles() -> None:
    assert percentiles([]) == {"p50": None, "p95": None, "max": None}
    assert percentiles([0.1, 0.2, 0.3]) == {"p50": 200.0, "p95": 290.0, "max": 300.0}
