"""Video files from strangers: damaged ones, other things with a video's name, and lists of other files."""

# ruff: noqa: E501 - a case a line

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np

__all__ = ["MADE", "PLAYLISTS", "damaged_video", "write_video"]

SECRET = "root:x:0:0"


def write_video(
    path: Path, *, frames: int = 20, size: tuple[int, int] = (128, 96), rate: Fraction | int = 10
) -> Path:
    """A small clip; what it is follows from the name."""
    codec = {".avi": "mpeg4", ".mkv": "libx264", ".mp4": "libx264", ".webm": "libvpx", ".ts": "libx264"}[
        path.suffix
    ]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            image = np.full((size[1], size[0], 3), number * 7 % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def damaged_video(content: bytes, random: Random) -> bytes:
    """A video with bits flipped, bytes left out or put in, or cut off."""
    data = bytearray(content)
    for _ in range(random.choice([1, 5, 50, 300])):
        if len(data) < 2:
            break
        kind, at = random.random(), random.randrange(len(data))
        if random.random() < 0.4:
            at = random.choice([random.randrange(400), -1 - random.randrange(1200)]) % len(data)
        if kind < 0.6:
            data[at] ^= 1 << random.randrange(8)
        elif kind < 0.75:
            data[at : at + 4] = random.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
        elif kind < 0.85:
            del data[at : at + random.choice([1, 10, 1000])]
        elif kind < 0.95:
            data[at:at] = random.randbytes(random.choice([1, 10, 1000]))
        elif random.random() < 0.1:
            del data[at:]
    return bytes(data)


def _playlist(*lines: str) -> bytes:
    return ("#EXTM3U\n#EXT-X-TARGETDURATION:10\n" + "".join(f"#EXTINF:10,\n{line}\n" for line in lines)
            + "#EXT-X-ENDLIST\n").encode()  # fmt: skip


PLAYLISTS: dict[str, tuple[str, str]] = {
    "playlist": (".m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n"),
    "playlist with a video's name": (
        ".mp4",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    ),
    "playlist with an AVI's name": (
        ".avi",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    ),
    "list of playlists": (".mp4", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n"),
    "playlist with a key": (
        ".mp4",
        '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:10,\nclip.ts\n#EXT-X-ENDLIST\n',
    ),
    "concat": (".mp4", "ffconcat version 1.0\nfile '{url}'\n"),
    "concat of an absolute file": (".ffconcat", "ffconcat version 1.0\nfile '{url}'\n"),
    "session": (
        ".sdp",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 {host}\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ),
    "session with a video's name": (
        ".mp4",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 {host}\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ),
    "manifest": (
        ".mpd",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT10S">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" width="64" height="64">'
        "<BaseURL>{url}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>",
    ),
    "smooth": (".mp4", "rtsp://{host}:{port}/x\n"),
    "redirect of QuickTime": (".mov", "RTSPtext\nrtsp://{host}:{port}/x\n"),
    "subtitles": (".srt", "1\n00:00:00,000 --> 00:00:05,000\n{url}\n"),
    "images by pattern": (".txt", "{url}\n"),
}
"""By name: ending and text; `{url}` is what it makes FFmpeg open."""


def _noise_renamed() -> bytes:
    return os.urandom(50_000)


def _lavfi() -> bytes:
    return b"testsrc=size=16000x16000:rate=1000\n"


MADE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": (".mp4", lambda: b""),
    "text": (".mp4", lambda: b"this is no video\n" * 1000),
    "noise": (".avi", _noise_renamed),
    "zeros": (".mkv", lambda: bytes(1_000_000)),
    "an image": (".mp4", lambda: _picture(64, 64, "png")),
    "a huge PNG": (".png", lambda: _huge_png(30_000, 30_000)),
    "a huge PNG as video": (".mp4", lambda: _huge_png(60_000, 60_000)),
    "a huge GIF": (".gif", lambda: b"GIF89a\xff\xff\xff\xff\xf7\0\0" + b"\0" * 768 + b"," + b"\0" * 4 + b"\xff\xff\xff\xff\0\x08\x01\0\0;"),
    "a huge BMP": (".bmp", lambda: _bmp(60_000, 60_000)),
    "a filter": (".lavfi", _lavfi),
    "a raw picture": (".yuv", lambda: bytes(100_000)),
    "Y4M of 60,000 a side": (".y4m", lambda: b"YUV4MPEG2 W60000 H60000 F1000000:1 C420\nFRAME\n" + bytes(1000)),
    "Y4M of an absurd rate": (".y4m", lambda: b"YUV4MPEG2 W64 H64 F999999999:1 C420\n" + (b"FRAME\n" + bytes(6144)) * 5),
    "Y4M of no rate": (".y4m", lambda: b"YUV4MPEG2 W64 H64 F0:0 C420\n" + (b"FRAME\n" + bytes(6144)) * 5),
    "a sound": (".mp4", lambda: _sound()),
    "subtitles only": (".mkv", lambda: b"1\n00:00:00,000 --> 00:00:05,000\nhello\n"),
    "an MPEG stream of many programs": (".ts", lambda: _many_programs()),
    "a long line": (".mp4", lambda: b"ffconcat version 1.0\nfile " + b"a" * 5_000_000 + b"\n"),
    "a concat of itself": (".ffconcat", lambda: b"ffconcat version 1.0\nfile hostile.ffconcat\n" * 2),
    "a zip": (".mp4", lambda: b"PK\x03\x04" + bytes(1000)),
}  # fmt: skip
"""By name: ending and content."""


def _picture(width: int, height: int, kind: str) -> bytes:
    import cv2

    return bytes(cv2.imencode(f".{kind}", np.zeros((height, width, 3), np.uint8))[1])


def _huge_png(width: int, height: int) -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(10_000_000), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _bmp(width: int, height: int) -> bytes:
    import struct

    return (
        b"BM"
        + struct.pack("<IHHI", 1 << 30, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(1000)
    )


def _sound() -> bytes:
    import io

    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return stream.getvalue()


def _many_programs() -> bytes:
    """A transport stream whose tables promise thousands of programs with thousands of streams."""
    packets = []
    for number in range(3000):
        program = (number % 8000) + 16
        section = bytes([0, 0, (number >> 8) & 255, number & 255, 0xE0 | program >> 8, program & 255])
        body = b"\x00\xb0\x0d\x00\x01" + bytes([0xC1 | (number % 32) << 1, 0, 0]) + section[2:6] + bytes(4)
        packets.append((b"G\x40\x00\x10\x00" + body).ljust(188, b"\xff"))
    return b"".join(packets)
