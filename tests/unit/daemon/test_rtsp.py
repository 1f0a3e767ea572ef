"""RTSP without a network: challenges, descriptions, packets and NAL units, whole and broken."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.rtsp.auth import Login
from daemon.rtsp.depacketizing import Depacketizer
from daemon.rtsp.nal import FrameNumbers, classify, is_random_access
from daemon.rtsp.sdp import video_of
from daemon.rtsp.session import _bare, _join, _says_goodbye

SDP = """v=0\r
o=- 1 1 IN IP4 0.0.0.0\r
s=Media\r
a=control:rtsp://192.168.1.20/live/\r
m=audio 0 RTP/AVP 0\r
a=control:audio\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1; profile-level-id=42001f; sprop-parameter-sets=Z0IAKeKQ,aM48gA==\r
a=framerate:12.5\r
a=control:trackID=1\r
m=application 0 RTP/AVP 107\r
a=control:meta\r
"""


def test_the_first_video_of_a_description() -> None:
    video = video_of(SDP)
    assert video is not None
    assert (video.codec, video.payload_type, video.rate) == ("h264", 96, 12.5)
    assert (video.control, video.session_control) == ("trackID=1", "rtsp://192.168.1.20/live/")
    assert [one[0] & 31 for one in video.parameter_sets] == [7, 8]
    assert video_of(SDP.replace("H264", "JPEG")).codec == "JPEG"  # type: ignore[union-attr]
    assert video_of("v=0\nm=audio 0 RTP/AVP 0\n") is None


@given(st.text(max_size=300))
def test_no_description_is_a_crash(text: str) -> None:
    video_of(text)
    video_of(SDP[: len(text)] + text)


@pytest.mark.parametrize(
    ("base", "control", "expected"),
    [
        ("rtsp://c/live/", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live?channel=1", "track1", "rtsp://c/live?channel=1/track1"),  # as cameras want it
        ("rtsp://c/live", "rtsp://c/other", "rtsp://c/other"),
        ("rtsp://c/live", "*", "rtsp://c/live"),
        ("rtsp://c/live", "", "rtsp://c/live"),
    ],
)
def test_control_urls(base: str, control: str, expected: str) -> None:
    assert _join(base, control) == expected


def test_the_request_line_holds_no_credentials() -> None:
    assert _bare("rtsp://me:p%40ss@[::1]:8554/a/b?c=d") == "rtsp://[::1]:8554/a/b?c=d"


def test_digest_as_in_the_standard() -> None:
    """RFC 2617, 3.5, without the quality of protection."""
    login = Login("Mufasa", "Circle Of Life")
    assert login.take(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])
    header = login.header("GET", "/dir/index.html")
    assert header is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header


def test_of_several_challenges_the_safest_is_answered() -> None:
    login = Login("me", "secret")
    digest = 'Digest realm="r, with comma", nonce="n", qop="auth", algorithm={}'
    assert login.take(['Basic realm="r"', digest.format("MD5"), digest.format("SHA-256"), "Negotiate"])
    header = login.header("SETUP", "rtsp://c/x") or ""
    fields = dict(re.findall(r'(\w+)="?([^",]+)', header))
    first = hashlib.sha256(b"me:r, with comma:secret").hexdigest()
    second = hashlib.sha256(b"SETUP:rtsp://c/x").hexdigest()
    middle = f"n:{fields['nc']}:{fields['cnonce']}:auth"
    assert fields["response"] == hashlib.sha256(f"{first}:{middle}:{second}".encode()).hexdigest()
    assert not login.take(["Negotiate"])


def packet(sequence: int, payload: bytes, *, stamp: int = 0, marker: bool = False) -> bytes:
    header = bytes((0x80, 96 | marker << 7)) + (sequence % 65536).to_bytes(2, "big")
    return header + stamp.to_bytes(4, "big") + b"\0\0\0\1" + payload


IDR, P, SLICE_2 = b"\x65\x88abc", b"\x41\x9aabc", b"\x41\x3aabc"
SPS, PPS = b"\x67\x42\x00\x29", b"\x68\xce\x3c\x80"


def test_parameters_of_their_own_packet_belong_to_the_next_picture() -> None:
    packets = Depacketizer(hevc=False, payload_type=96)
    assert packets.push(packet(1, SPS, marker=True)) == []
    assert packets.push(packet(2, PPS, marker=True)) == []
    (unit,) = packets.push(packet(3, IDR, marker=True))
    assert unit.units == (SPS, PPS, IDR)
    assert unit.whole
    assert is_random_access(unit.units, hevc=False)


def test_aggregated_units_are_taken_apart() -> None:
    packets = Depacketizer(hevc=False, payload_type=96)
    together = b"\x78" + b"".join(len(one).to_bytes(2, "big") + one for one in (SPS, PPS, IDR))
    (unit,) = packets.push(packet(1, together, marker=True))
    assert unit.units == (SPS, PPS, IDR)
    (broken,) = packets.push(packet(2, together[:-2], marker=True))
    assert not broken.whole


def test_a_marker_after_every_slice_is_seen_through() -> None:
    """Some cameras set it on every packet: from the second picture on only the slices count."""
    packets = Depacketizer(hevc=False, payload_type=96)
    found = []
    for number in range(4):
        stamp = 3000 * number
        for place, one in enumerate((P, SLICE_2, SLICE_2)):
            found += packets.push(packet(3 * number + place, one, stamp=stamp, marker=True))
    assert [unit.units for unit in found if unit.whole][1:] == [(P, SLICE_2, SLICE_2)] * 2


def test_a_time_stamp_that_wraps_goes_on() -> None:
    packets = Depacketizer(hevc=False, payload_type=96)
    found = []
    for number in range(4):
        stamp = ((1 << 32) - 4500 + 3000 * number) % (1 << 32)
        found += packets.push(packet(number, P, stamp=stamp, marker=True))
    assert [unit.timestamp for unit in found] == [0, 3000, 6000, 9000]


@given(st.lists(st.binary(max_size=60), max_size=30), st.booleans())
def test_no_packet_is_a_crash(data: list[bytes], hevc: bool) -> None:
    packets = Depacketizer(hevc=hevc, payload_type=96)
    for number, one in enumerate(data):
        packets.push(one)
        for unit in packets.push(packet(number, one, stamp=number, marker=number % 2 == 0)):
            is_random_access(unit.units, hevc=hevc)
            FrameNumbers().follows(unit.units)


@given(st.binary(max_size=40))
def test_no_rtcp_is_a_crash(data: bytes) -> None:
    _says_goodbye(data)


def test_kinds_of_units() -> None:
    assert classify(IDR, hevc=False).first
    assert not classify(SLICE_2, hevc=False).first
    assert classify(SPS, hevc=False).parameters
    assert not classify(b"\xff\xff", hevc=False).valid
    assert classify(b"\x40\x01\x0c", hevc=True).parameters  # VPS
    assert classify(b"\x26\x01\x80", hevc=True).first  # IDR_W_RADL
