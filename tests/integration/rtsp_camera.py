"""An RTSP camera that does what it is told, right or wrong: real RTSP 1.0 over TCP with interleaved RTP."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from footage import Footage
from servers import free_port

__all__ = ["Behaviour", "RtspCamera", "packets_of"]

_MTU = 1200
_CLOCK = 90000


@dataclass
class Behaviour:
    """What the camera does; may be changed while it runs.

    Attributes:
        login: user and password that it wants.
        scheme: digest, sha256 or basic.
        answers: status by method, where it is not 200.
        mute_from: the method (or CONNECT) from which on it says nothing any more.
        redirect: where DESCRIBE sends the client.
        data: whether RTP is sent; RTCP and replies go on.
        rtcp: whether RTCP is sent, ten times a second.
        slow: seconds a byte of every reply takes.
        speed: how fast the footage is played.
        stamps: RTP time stamp of a picture, from its number and its time in seconds.
        damage: changes the packets of one picture: (number, packets) -> packets.
        junk: bytes that are sent before each picture.
        session_timeout: seconds without a request after which it forgets the client; None for never.
        first: number of the picture (in the order of decoding) with which a client's stream begins.
        payload: encoding name in the SDP, where it is not the truth.
        sets: whether the SDP holds the parameter sets.
        markers: whether the last packet of a picture has its marker.
        agent: with what the name of a client must begin, for it to be served.
        rewrite: changes the text of every reply.
    """

    login: tuple[str, str] | None = None
    scheme: str = "digest"
    answers: dict[str, int] = field(default_factory=dict)
    mute_from: str = ""
    redirect: str = ""
    data: bool = True
    rtcp: bool = False
    slow: float = 0.0
    speed: float = 1.0
    stamps: Callable[[int, float], int] = lambda _, seconds: round(seconds * _CLOCK)
    damage: Callable[[int, list[bytes]], list[bytes]] = lambda _, packets: packets
    junk: bytes = b""
    session_timeout: float | None = None
    first: int = 0
    payload: str = ""
    sets: bool = True
    markers: bool = True
    agent: str = ""
    rewrite: Callable[[str], str] = lambda text: text


def packets_of(units: Iterable[bytes], *, hevc: bool, mtu: int = _MTU) -> list[bytes]:
    """RTP payloads of one picture: single NAL units, and fragments (FU-A, FU) of long ones."""
    found: list[bytes] = []
    for unit in units:
        if len(unit) <= mtu:
            found.append(unit)
            continue
        if hevc:
            kind, body = unit[0] >> 1 & 63, unit[2:]
            head = bytes((unit[0] & 0x81 | 49 << 1, unit[1]))
        else:
            kind, body = unit[0] & 31, unit[1:]
            head = bytes((unit[0] & 0xE0 | 28,))
        for place in range(0, len(body), mtu):
            start, end = place == 0, place + mtu >= len(body)
            found.append(head + bytes((start << 7 | end << 6 | kind,)) + body[place : place + mtu])
    return found


class RtspCamera:
    """Serves footage, over and over, to everybody who asks, each from the start.

    Attributes:
        behaviour: what it does; may be replaced at any time.
        requests: (monotonic time, method, status) of every request.
        sent: (number counted on over all rounds, monotonic time) of every picture of the last client.
        clients: connections that are open.
    """

    def __init__(self, footage: Footage, behaviour: Behaviour | None = None, port: int | None = None) -> None:
        self.footage = footage
        self.behaviour = behaviour or Behaviour()
        self.port = port or free_port()
        self.requests: list[tuple[float, str, int]] = []
        self.sent: list[tuple[int, float]] = []
        self.clients: set[socket.socket] = set()
        self.connections = 0
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()

    def url(self, login: str = "", path: str = "stream") -> str:
        return f"rtsp://{login + '@' if login else ''}127.0.0.1:{self.port}/{path}"

    def count(self, method: str, status: int = 200) -> int:
        """How often a request was answered so."""
        return sum(1 for _, asked, answered in list(self.requests) if (asked, answered) == (method, status))

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def kill(self) -> None:
        """Ends everything at once."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.drop()

    def drop(self) -> None:
        """Ends every connection, and goes on."""
        with self._lock:
            clients, self.clients = self.clients, set()
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> RtspCamera:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.clients.add(client)
            self.connections += 1
            threading.Thread(target=_Client(self, client).run, daemon=True).start()

    def forget(self, client: socket.socket) -> None:
        with self._lock:
            self.clients.discard(client)
        client.close()


class _Client:
    def __init__(self, camera: RtspCamera, connection: socket.socket) -> None:
        self._camera, self._socket = camera, connection
        self._nonce = os.urandom(8).hex()
        self._over = threading.Event()
        self._sending = threading.Lock()
        self._last_request = time.monotonic()
        self._session = ""

    def run(self) -> None:
        try:
            if self._camera.behaviour.mute_from == "CONNECT":
                while self._socket.recv(4096):
                    pass
                return
            with self._socket.makefile("rb") as lines:
                while self._request(lines):
                    pass
        except OSError:
            pass
        finally:
            self._over.set()
            self._camera.forget(self._socket)

    def _request(self, lines) -> bool:  # type: ignore[no-untyped-def]
        first = lines.read(1)
        while first in (b"\r", b"\n", b"$"):
            if first == b"$":  # RTCP of the client
                lines.read(int.from_bytes(lines.read(3)[1:], "big"))
            first = lines.read(1)
        line = first + lines.readline()
        if not line:
            return False
        method, url, _ = line.decode().split(" ", 2)
        headers: dict[str, str] = {}
        while (line := lines.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        self._last_request = time.monotonic()
        behaviour = self._camera.behaviour
        if behaviour.mute_from == method:
            self._camera.requests.append((time.monotonic(), method, 0))
            self._over.wait()
            return False
        status, extra, body = self._answer(method, url, headers, behaviour)
        self._camera.requests.append((time.monotonic(), method, status))
        head = [f"RTSP/1.0 {status} whatever", f"CSeq: {headers.get('cseq', '')}", *extra]
        if body:
            head += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        text = behaviour.rewrite("\r\n".join(head) + "\r\n\r\n" + body).encode()
        if behaviour.slow:
            for place in range(len(text)):
                self._send(text[place : place + 1])
                if self._over.wait(behaviour.slow):
                    return False
        else:
            self._send(text)
        if method == "PLAY" and status == 200:
            threading.Thread(target=self._play, daemon=True).start()
        return method != "TEARDOWN"

    def _answer(
        self, method: str, url: str, headers: dict[str, str], behaviour: Behaviour
    ) -> tuple[int, list[str], str]:
        guarded = behaviour.login is not None and method != "OPTIONS"
        if guarded and not self._is_allowed(method, headers.get("authorization", ""), behaviour):
            return 401, [self._challenge(behaviour)], ""
        if not headers.get("user-agent", "").startswith(behaviour.agent):
            return 400, [], ""
        if method in behaviour.answers:
            return behaviour.answers[method], [], ""
        if method == "OPTIONS":
            return 200, ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"], ""
        if method == "DESCRIBE":
            if behaviour.redirect:
                return 302, [f"Location: {behaviour.redirect}"], ""
            return 200, [f"Content-Base: {url.rstrip('/')}/"], self._sdp(behaviour)
        if method == "SETUP":
            self._session = os.urandom(4).hex()
            lasts = f";timeout={round(behaviour.session_timeout)}" if behaviour.session_timeout else ""
            return 200, [f"Transport: {headers['transport']};ssrc=1", f"Session: {self._session}{lasts}"], ""
        if headers.get("session") != self._session:
            return 454, [], ""
        return 200, [f"Session: {self._session}"], ""

    def _challenge(self, behaviour: Behaviour) -> str:
        if behaviour.scheme == "basic":
            return 'WWW-Authenticate: Basic realm="camera"'
        algorithm = ', algorithm=SHA-256, qop="auth"' if behaviour.scheme == "sha256" else ""
        return f'WWW-Authenticate: Digest realm="camera", nonce="{self._nonce}"{algorithm}'

    def _is_allowed(self, method: str, given: str, behaviour: Behaviour) -> bool:
        assert behaviour.login is not None
        user, password = behaviour.login
        if behaviour.scheme == "basic":
            return given == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        fields = {
            name: quoted or plain
            for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', given)
        }
        name = "sha256" if behaviour.scheme == "sha256" else "md5"
        digest = lambda *parts: hashlib.new(name, ":".join(parts).encode()).hexdigest()  # noqa: E731
        first, second = digest(user, "camera", password), digest(method, fields.get("uri", ""))
        middle = [self._nonce]
        if behaviour.scheme == "sha256":
            middle += [fields.get("nc", ""), fields.get("cnonce", ""), "auth"]
        return fields.get("username") == user and fields.get("response") == digest(first, *middle, second)

    def _sdp(self, behaviour: Behaviour) -> str:
        footage = self._camera.footage
        sets = [base64.b64encode(one).decode() for one in footage.parameters]
        if footage.hevc:
            vps, sps, pps = sets
            name, parameters = "H265", f"sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}"
        else:
            name, parameters = "H264", f"packetization-mode=1;sprop-parameter-sets={','.join(sets)}"
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "t=0 0", "a=control:*",
                 "m=video 0 RTP/AVP 96", f"a=rtpmap:96 {behaviour.payload or name}/90000"]  # fmt: skip
        if behaviour.sets:
            lines.append(f"a=fmtp:96 {parameters}")
        return "\r\n".join([*lines, "a=control:track1", ""])

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._socket.sendall(data)

    def _play(self) -> None:
        camera = self._camera
        camera.sent = []
        place, sequence, seconds = camera.behaviour.first, 65000, 0.0
        due = time.monotonic()
        try:
            while not self._over.is_set():
                behaviour, footage = camera.behaviour, camera.footage
                self._check_session(behaviour)
                if behaviour.rtcp:
                    report = bytes((0x80, 200, 0, 6)) + bytes(24)
                    self._send(b"$\1" + len(report).to_bytes(2, "big") + report)
                period = 1.0 / footage.rate / behaviour.speed
                due = max(due + period, time.monotonic() - 0.5)
                if not behaviour.data:
                    self._over.wait(0.1)
                    seconds += 0.1
                    due = time.monotonic()
                    continue
                rounds, index = divmod(place, len(footage.units))
                shown, units = footage.units[index]
                number = rounds * len(footage.units) + shown
                # The time at which it is shown: number and place differ by the order of decoding.
                stamp = behaviour.stamps(number, seconds + (shown - index) * period) % (1 << 32)
                payloads = packets_of(units, hevc=footage.hevc)
                packets = []
                for count, payload in enumerate(payloads):
                    marker = behaviour.markers and count == len(payloads) - 1
                    header = bytes((0x80, 96 | marker << 7)) + (sequence % 65536).to_bytes(2, "big")
                    packets.append(header + stamp.to_bytes(4, "big") + b"\0\0\0\1" + payload)
                    sequence += 1
                data = [
                    b"$\0" + len(one).to_bytes(2, "big") + one for one in behaviour.damage(number, packets)
                ]
                self._send(behaviour.junk + b"".join(data))
                camera.sent.append((number, time.monotonic()))
                place += 1
                seconds += period
                self._over.wait(max(0.0, due - time.monotonic()))
        except OSError:
            self._over.set()
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _check_session(self, behaviour: Behaviour) -> None:
        lasts = behaviour.session_timeout
        if lasts is not None and time.monotonic() - self._last_request > lasts:
            raise OSError("nobody asked for the stream any more")
