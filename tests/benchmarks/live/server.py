"""An RTSP server of many cameras that costs next to nothing: everything is coded and packed beforehand.

`python server.py SPEC.json` serves rtsp://127.0.0.1:PORT/NAME over TCP, and notes when each picture was sent.
A process of its own, so that its CPU time can be told from the daemon's.

SPEC: {"port": 8554, "sent": FILE, "cameras": [CAMERA, ...]}, where CAMERA is
{"name": "cam0", "clip": FILE, "rate": 10, "first": 0.5};
`first` is where in the clip the camera begins, as a share. FILE gets a record of `SENT` for each picture.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["SENT"]

SENT = struct.Struct("<Hdd")
"""Camera's number, UTC epoch seconds when its picture was due, and when it was handed to the network."""

_MTU = 1400  # bytes of an RTP payload
_CLOCK = 90000
_SPS, _PPS, _IDR = 7, 8, 5


@dataclass(frozen=True, slots=True)
class Picture:
    """One coded picture as interleaved RTP packets.

    Attributes:
        data: (n,) uint8, numbers and times of the packets still to be filled in.
        places: where in it each packet's RTP header begins.
        is_key: whether a viewer can begin with it.
    """

    data: NDArray[np.uint8]
    places: NDArray[np.intp]
    is_key: bool


@dataclass(frozen=True, slots=True)
class Clip:
    """A coded clip: its pictures in order, and the parameter sets."""

    pictures: list[Picture]
    sets: list[bytes]


def load(path: Path) -> Clip:
    """Packs an H.264 file."""
    pictures, sets = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        convert = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in container.demux(stream):
            for one in convert.filter(packet):
                units = [unit for unit in re.split(b"\0\0\0\1|\0\0\1", bytes(one)) if unit]
                if units:
                    sets = sets or [unit for unit in units if unit[0] & 31 in (_SPS, _PPS)]
                    pictures.append(_picture(units))
    return Clip(pictures, sets)


def _picture(units: list[bytes]) -> Picture:
    payloads: list[bytes] = []
    for unit in units:
        if len(unit) <= _MTU:
            payloads.append(unit)
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 31  # FU-A, RFC 6184 section 5.8
        for place in range(1, len(unit), _MTU):
            start, end = place == 1, place + _MTU >= len(unit)
            payloads.append(bytes((indicator, start << 7 | end << 6 | kind)) + unit[place : place + _MTU])
    data, places = bytearray(), []
    for number, payload in enumerate(payloads):
        marker = 0x80 if number == len(payloads) - 1 else 0
        data += b"$\0" + (12 + len(payload)).to_bytes(2, "big")
        places.append(len(data))
        data += bytes((0x80, 96 | marker)) + bytes(6) + b"\0\0\0\1" + payload
    is_key = any(unit[0] & 31 == _IDR for unit in units)
    return Picture(np.frombuffer(bytes(data), np.uint8), np.asarray(places, np.intp), is_key)


def numbered(picture: Picture, sequence: int, stamp: int) -> bytes:
    """The picture's packets with their numbers, counted from `sequence`, and its time."""
    data, places = picture.data.copy(), picture.places
    numbers = (sequence + np.arange(len(places))) & 0xFFFF
    data[places + 2], data[places + 3] = numbers >> 8, numbers & 0xFF
    for byte, shift in enumerate((24, 16, 8, 0)):
        data[places + 4 + byte] = stamp >> shift & 0xFF
    return data.tobytes()


@dataclass(frozen=True, slots=True)
class Camera:
    """One of the cameras: its number, its clip, frames a second, where it begins, and its phase in 0..1."""

    number: int
    clip: Clip
    rate: float
    first: float
    phase: float


class Server:
    """Accepts viewers; each camera sends its own stream to each of them.

    Args:
        spec: see above.
    """

    def __init__(self, spec: dict[str, object]) -> None:
        clips: dict[str, Clip] = {}
        self._cameras: dict[str, Camera] = {}
        cameras: list[dict[str, object]] = spec["cameras"]  # type: ignore[assignment]
        for number, one in enumerate(cameras):
            path = str(one["clip"])
            clip = clips.setdefault(path, clips.get(path) or load(Path(path)))
            rate, first = float(str(one["rate"])), float(str(one["first"]))
            # Cameras are not in step with each other.
            self._cameras[str(one["name"])] = Camera(number, clip, rate, first, number / len(cameras))
        self._sent = Path(str(spec["sent"])).open("wb", buffering=1 << 20)  # noqa: SIM115 - `close` does
        self._noting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", int(str(spec["port"]))), backlog=64)

    def run(self) -> None:
        """Serves until the process is ended."""
        print("ready", flush=True)
        while True:
            viewer, _ = self._listener.accept()
            viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(viewer,), daemon=True).start()

    def close(self) -> None:
        """Writes what was noted."""
        with self._noting:
            self._sent.close()

    def _serve(self, viewer: socket.socket) -> None:
        over = threading.Event()
        with contextlib.suppress(OSError), viewer, viewer.makefile("rb") as lines:
            while request := self._request(lines):
                method, camera, number = request
                text = self._answer(method, camera, number)
                viewer.sendall(text.encode())
                if method == "PLAY" and camera is not None:
                    threading.Thread(target=self._play, args=(viewer, camera, over), daemon=True).start()
                if method == "TEARDOWN":
                    break
        over.set()

    def _request(self, lines) -> tuple[str, Camera | None, str] | None:  # type: ignore[no-untyped-def]
        first = lines.read(1)
        while first == b"$":  # the viewer's RTCP
            lines.read(int.from_bytes(lines.read(3)[1:], "big"))
            first = lines.read(1)
        head = (first + lines.readline()).decode().split(" ")
        if len(head) < 3:
            return None
        number = ""
        while (line := lines.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            number = value.strip() if name.lower() == "cseq" else number
        path = re.sub(r"^rtsp://[^/]+/", "", head[1]).split("/")[0]
        return head[0], self._cameras.get(path), number

    def _answer(self, method: str, camera: Camera | None, number: str) -> str:
        if method == "OPTIONS":
            return _reply(number, ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"])
        if camera is None:
            return f"RTSP/1.0 404 Not Found\r\nCSeq: {number}\r\n\r\n"
        if method == "DESCRIBE":
            sets = ",".join(base64.b64encode(one).decode() for one in camera.clip.sets)
            body = "\r\n".join(
                ("v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "t=0 0", "a=control:*",
                 "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", f"a=framerate:{camera.rate:g}",
                 f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}", "a=control:track1", "")
            )  # fmt: skip
            return _reply(number, ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]) + body
        if method == "SETUP":
            return _reply(number, ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1;timeout=60"])
        return _reply(number, ["Session: 1"])

    def _play(self, viewer: socket.socket, camera: Camera, over: threading.Event) -> None:
        pictures, period = camera.clip.pictures, 1.0 / camera.rate
        keys = [place for place, one in enumerate(pictures) if one.is_key]
        place, sequence, count = keys[int(camera.first * len(keys)) % len(keys)], 0, 0
        now = time.monotonic()
        start = now - now % period + period * (1.0 + camera.phase)
        with contextlib.suppress(OSError):
            while not over.is_set():
                due = start + count * period
                over.wait(max(0.0, due - time.monotonic()))
                picture = pictures[place]
                data = numbered(picture, sequence, round(count * period * _CLOCK) & 0xFFFFFFFF)
                at, late = time.time(), time.monotonic() - due
                viewer.sendall(data)
                with self._noting:
                    self._sent.write(SENT.pack(camera.number, at - late, at))
                place, count = (place + 1) % len(pictures), count + 1
                sequence += len(picture.places)


def _reply(number: str, headers: list[str]) -> str:
    return "\r\n".join(("RTSP/1.0 200 OK", f"CSeq: {number}", *headers)) + "\r\n\r\n"


def main() -> None:
    """Serves until SIGTERM."""
    server = Server(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

    def leave(*_: object) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, leave)
    try:
        server.run()
    finally:
        server.close()


if __name__ == "__main__":
    main()
