"""RTSP without a network: challenges, descriptions, packets and NAL units, whole and broken."""

from __future__ import annotations

import base64
import hashlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.rtsp.addresses import bare, join
from daemon.rtsp.auth import Login
from daemon.rtsp.depacketizing import Depacketizer
from daemon.rtsp.nal import FrameNumbers, classify, is_random_access, split_units
from daemon.rtsp.sdp import video_of
from daemon.rtsp.session import _channel, _says_goodbye, _session

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
    assert join(base, control) == expected


def test_the_request_line_holds_no_credentials() -> None:
    assert bare("rtsp://me:p%40ss@[::1]:8554/a/b?c=d") == "rtsp://[::1]:8554/a/b?c=d"


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


FU_A = bytes((0x7C,))
START, MIDDLE, END = b"\x85\x88aa", b"\x05bb", b"\x45cc"
WHOLE = b"\x65\x88aabbcc"
EMPTY = b""
AUD, SEI = b"\x09\x10", b"\x06\x05\x01\xff\x80"


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        # (payload, time stamp, marker) each; then the units of every access unit that is complete
        ([(FU_A + START, 0, True), (FU_A + MIDDLE, 0, True), (FU_A + END, 0, True)], [(WHOLE,)]),
        (  # the last fragment does not say so: the next picture does
            [(FU_A + START, 0, 0), (FU_A + MIDDLE, 0, 0), (FU_A + b"\x05cc", 0, 1), (P, 3000, 1)],
            [(WHOLE,), (P,)],
        ),
        ([(FU_A + b"\xc5\x88aabbcc", 0, True)], [(WHOLE,)]),  # start and end in one
        ([(FU_A + START + b"bb", 0, 0), (EMPTY, 0, 0), (FU_A + b"\x45cc", 0, 1)], [(WHOLE,)]),  # padding
        ([(FU_A + START + b"bbcc", 0, 0), (FU_A + b"\x45", 0, 1)], [(WHOLE,)]),
        (  # no marker, and the same time: what comes next begins with a fragment
            [
                (P, 0, 0),
                (FU_A + START, 0, 0),
                (FU_A + MIDDLE + b"cc", 0, 0),
                (FU_A + b"\x45", 0, 0),
                (P, 0, 0),
            ],
            [(P,), (WHOLE,)],
        ),
        # several units in one, with start codes
        ([(b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS + b"\0\0\1" + IDR, 0, True)], [(SPS, PPS, IDR)]),
        ([(SPS, 0, 1), (PPS, 0, 0), (IDR, 3000, 1)], [(SPS, PPS, IDR)]),  # of the time before
        ([(P, 0, True), (b"\x0a", 0, True), (P, 3000, True)], [(P,), (b"\x0a", P)]),  # end of sequence
        ([(AUD, 0, True), (SEI, 0, True), (P, 0, True)], [(AUD, SEI, P)]),
    ],
)
def test_packets_as_careless_cameras_send_them(
    packets: list[tuple[bytes, int, bool]], expected: list[tuple[bytes, ...]]
) -> None:
    depacketizer = Depacketizer(hevc=False, payload_type=96)
    found = [
        unit
        for number, (payload, stamp, marker) in enumerate(packets)
        for unit in depacketizer.push(packet(number, payload, stamp=stamp, marker=bool(marker)))
    ]
    assert [unit.units for unit in found] == expected
    assert all(unit.whole and unit.follows for unit in found)
    assert found[-1].timestamp == packets[-2 if len(found) < len(packets) and not packets[-1][2] else -1][1]


def test_an_end_that_is_missing_is_damage_where_ends_are_marked() -> None:
    depacketizer = Depacketizer(hevc=False, payload_type=96)
    payloads = [FU_A + START, FU_A + END, FU_A + START, FU_A + MIDDLE]
    found = []
    for number, payload in enumerate([*payloads, P]):
        found += depacketizer.push(packet(number, payload, stamp=number // 2, marker=number % 2 == 1))
    assert [unit.whole for unit in found] == [True, False]


def test_units_of_the_cameras_own_are_damage_only_at_first() -> None:
    depacketizer = Depacketizer(hevc=False, payload_type=96)
    found = []
    for number in range(8):
        found += depacketizer.push(packet(2 * number, b"\x76own", stamp=number))
        found += depacketizer.push(packet(2 * number + 1, P, stamp=number, marker=True))
    assert [unit.whole for unit in found] == [False] * 3 + [True] * 5


def test_packets_of_another_kind_in_between_only_have_a_number() -> None:
    depacketizer = Depacketizer(hevc=False, payload_type=96)
    other = packet(2, b"whatever")
    stream = [packet(1, P, marker=True), other[:1] + b"\x61" + other[2:], packet(3, P, stamp=1, marker=True)]
    assert all(unit.follows and unit.whole for one in stream for unit in depacketizer.push(one))


@pytest.mark.parametrize("size", [0, 5, 200])
def test_padding_is_taken_off_where_there_is_some(size: int) -> None:
    data = bytearray(packet(1, P, marker=True))
    data[0] |= 0x20
    data += bytes(size - 1) + bytes((size,)) if size else b""
    if not size:
        data[-1] = 255  # says so, and is none
    (unit,) = Depacketizer(hevc=False, payload_type=96).push(bytes(data))
    assert unit.units == ((P[:-1] + b"\xff") if not size else P,)


@given(st.binary(max_size=80))
def test_units_are_split_at_start_codes(data: bytes) -> None:
    units = split_units(data)
    assert all(units)
    assert all(b"\0\0\1" not in unit for unit in units)


@pytest.mark.parametrize(
    ("header", "response"),
    [
        ('Digest realm="r", nonce="n", Basic realm="other"', ("r", "n", "me:r:pw", None)),
        ('Basic realm="other", Digest nonce="n",realm="r",algorithm=""', ("r", "n", "me:r:pw", None)),
        ('Digest realm="Basic x=1, y", nonce="n", algorithm=md5', ("Basic x=1, y", "n", None, None)),
        ('digest  realm = "r" , nonce = "n" , stale = FALSE , opaque=""', ("r", "n", "me:r:pw", "")),
    ],
)
def test_challenges_as_careless_cameras_make_them(
    header: str, response: tuple[str, str, str | None, str | None]
) -> None:
    realm, nonce, _, opaque = response
    login = Login("me", "pw")
    assert login.take([header])
    assert not login.is_stale
    fields = dict(re.findall(r'(\w+)="([^"]*)"', login.header("DESCRIBE", "rtsp://c/x") or ""))
    digest = lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()  # noqa: E731
    expected = digest(f"{digest(f'me:{realm}:pw')}:{nonce}:{digest('DESCRIBE:rtsp://c/x')}")
    assert (fields["realm"], fields["response"], fields.get("opaque")) == (realm, expected, opaque)


def test_a_challenge_for_the_session() -> None:
    """RFC 7616, 3.4.2: algorithms that end with -sess."""
    login = Login("me", "pw")
    assert login.take(['Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth", stale=true'])
    assert login.is_stale
    fields = dict(re.findall(r'(\w+)="?([^",]+)', login.header("PLAY", "rtsp://c/x") or ""))
    digest = lambda *parts: hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()  # noqa: E731
    first = digest(digest("me", "r", "pw"), "n", fields["cnonce"])
    second = digest("PLAY", "rtsp://c/x")
    assert fields["response"] == digest(first, "n", fields["nc"], fields["cnonce"], "auth", second)


@pytest.mark.parametrize(
    "text", ["a" * 60000, 'Digest a="' + "\\" * 60000, "Digest " + "a=" * 30000, "=" * 60000]
)
def test_a_challenge_without_an_end_takes_no_time(text: str) -> None:
    begun = time.process_time()
    Login("me", "pw").take([text])
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SDP.replace("\r\n", "\n"), ("h264", 96, True)),
        (SDP.replace("rtpmap:96 H264", "rtpmap:96\th264"), ("h264", 96, True)),
        ("m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n" + SDP, ("h264", 96, True)),
        ("m=video 0 RTP/AVP 98 96\na=rtpmap:96 JPEG/1\na=rtpmap:98 H265/90000", ("hevc", 98, True)),
        ("m=video 0 RTP/AVP 35\na=rtpmap:35 H264/90000", ("h264", 35, True)),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 sprop-max-don-diff=2", ("hevc", 96, False)),
    ],
)
def test_descriptions_as_cameras_give_them(text: str, expected: tuple[str, int, bool]) -> None:
    video = video_of(text)
    assert video is not None
    assert (video.codec, video.payload_type, video.in_order) == expected


def test_parameter_sets_with_start_codes() -> None:
    text = base64.b64encode(b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS).decode()
    video = video_of(f"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets={text}")
    assert video is not None
    assert video.parameter_sets == (SPS, PPS)


@given(st.text(max_size=50), st.integers(0, 5000))
def test_no_header_is_a_crash(text: str, digits: int) -> None:
    number = "9" * digits
    assert _channel(f"RTP/AVP/TCP;{text};interleaved={number}-1") >= 0
    assert _session(f"1;{text};timeout={number}")[1] > 0
    assert _channel("RTP/AVP/TCP;unicast;INTERLEAVED=4-5") == 4


def _from(source: int, data: bytes) -> bytes:
    return data[:8] + source.to_bytes(4, "big") + data[12:]


def test_of_two_sources_that_alternate_the_later_one_is_followed() -> None:
    """Cameras that go on with the stream of the viewer before, on the same connection."""
    depacketizer = Depacketizer(hevc=False, payload_type=96)
    found = []
    for number in range(100):
        if number < 20:
            ours = [_from(7, packet(number, P, stamp=3000 * number, marker=True))]
        else:
            ours = [_from(8, packet(500 + number, IDR, stamp=3000 * number, marker=True))]
            ours.append(_from(7, packet(number, P, stamp=3000 * number, marker=True)))
        found += [unit for one in ours for unit in depacketizer.push(one)]
    assert [unit.units for unit in found[-50:]] == [(IDR,)] * 50
    assert sum(not unit.follows for unit in found) <= 1
    for number in range(100, 200):  # the one of ours ends
        found += depacketizer.push(_from(7, packet(number, P, marker=True)))
    assert found[-1].units == (P,)


def test_a_packet_of_rubbish_changes_no_source() -> None:
    depacketizer = Depacketizer(hevc=False, payload_type=96)
    stream = [packet(number, P, stamp=number, marker=True) for number in range(4)]
    stream.insert(2, _from(99, packet(2000, P, marker=True)))
    found = [unit for one in stream for unit in depacketizer.push(one)]
    assert len(found) == 4
    assert all(unit.follows and unit.whole for unit in found)
