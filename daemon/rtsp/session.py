"""One RTSP session (RFC 2326): asks for the video, and keeps asking for it."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable

from daemon.resolving import Resolver
from daemon.rtsp.addresses import bare, host_of, join, login_of
from daemon.rtsp.sdp import Video, video_of
from daemon.rtsp.wire import Message, Packet, Wire
from daemon.source_types import CaptureError, EndOfStream, Reason

__all__ = ["Session"]

_AGENT = "posewatch"
_EARLY = 8 << 20  # bytes
_FORGOTTEN = 3.0  # seconds without data after which a camera means it that it knows no such session
_MAX_REDIRECTS = 3
_DEFAULT_TIMEOUT = 60.0  # RFC 2326, 12.37
_PASSING = frozenset({403, 404, 408, 410, 415, 453, 503, 504})  # answers that another client gets as well
_REASONS = {401: Reason.AUTH, 403: Reason.AUTH, 404: Reason.NOT_FOUND, 410: Reason.NOT_FOUND,
            408: Reason.TIMEOUT, 415: Reason.CODEC, 504: Reason.TIMEOUT}  # fmt: skip
_NOT_OVER_TCP = "the camera does not send over TCP: set transport: udp"
_ADVICE = {
    Reason.AUTH: "user or password refused",
    Reason.NOT_FOUND: "the camera knows no such path: check the path of the URL",
}


class Session:
    """A session that plays, from a URL with the credentials in it.

    Args:
        url: rtsp://user:password@host:port/path.
        deadline: to be playing, in monotonic seconds.
        resolver: looks up the host.
        cancelled: whether the camera was stopped.

    Raises:
        CaptureError: it cannot be opened.

    Attributes:
        video: what the camera sends.
    """

    def __init__(self, url: str, deadline: float, resolver: Resolver, cancelled: Callable[[], bool]) -> None:
        self._login = login_of(url)
        self._resolver, self._cancelled = resolver, cancelled
        self._sequence = 0
        self._early: deque[Packet] = deque()  # came before the answer to PLAY
        self._early_size = 0
        self._answers = 0
        self._forgotten: float | None = None  # when the camera said that it knows no such session
        self._session = ""
        self._refused = False  # the last sign of life
        self._methods = ""
        self._aggregate = ""
        self._wire: Wire | None = None
        try:
            described = self._describe(bare(url), deadline)
            found = video_of(described.body)
            if found is None:
                raise CaptureError(Reason.CODEC, "holds no video", unusable=True)
            self.video: Video = found
            # As FFmpeg and live555 do it: a whole address of the presentation goes before that of the answer.
            given = (found.session_control, described.get("content-base"), described.get("content-location"))
            self._base = next((one for one in given if one.lower().startswith("rtsp://")), self._url)
        except BaseException:
            self.close()
            raise

    def play(self, deadline: float) -> None:
        """Sets the video up, and starts it.

        Raises:
            CaptureError: the camera does not want to.
        """
        wire = self._open_wire
        wire.expect(0, 1)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        answer = self._ask("SETUP", join(self._base, self.video.control), deadline, transport)
        chosen = answer.get("transport").lower()
        if "_port=" in chosen and "interleaved=" not in chosen and "tcp" not in chosen:
            raise CaptureError(Reason.NETWORK, _NOT_OVER_TCP)
        self._channel = _channel(chosen)
        wire.expect(self._channel, self._channel + 1)
        self._session, timeout = _session(answer.get("session"))
        self._aggregate = self._base
        self._ask("PLAY", self._aggregate, deadline, {"Range": "npt=0.000-"})
        # Half of the time as FFmpeg does; answers may be slow.
        self._alive_every = max(0.5, timeout / 2.0)
        self._alive_due = time.monotonic() + self._alive_every

    def packet(self, deadline: float) -> bytes:
        """The next RTP packet.

        Raises:
            EndOfStream: the camera says goodbye.
            CaptureError: nothing comes until the deadline, or the connection broke.
        """
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise CaptureError(Reason.TIMEOUT, "no data in time")
            if self._forgotten is not None and now - self._forgotten > _FORGOTTEN:
                raise CaptureError(Reason.NETWORK, "the camera forgot the session")
            if now >= self._alive_due:
                self._stay_alive(now)
            if self._early:
                item: Message | Packet = self._early.popleft()
            else:
                try:
                    until = min(deadline, self._alive_due)
                    if self._forgotten is not None:
                        until = min(until, self._forgotten + _FORGOTTEN)
                    item = self._open_wire.read(until)
                except CaptureError as error:
                    if error.reason is Reason.TIMEOUT and time.monotonic() < deadline:
                        continue  # only time for a sign of life
                    raise
                if self._forgotten is not None and isinstance(item, Packet):
                    self._forgotten = None  # it goes on all the same
            if isinstance(item, Message):
                self._take(item)
            elif item.channel == self._channel:
                return item.data
            elif _says_goodbye(item.data):
                raise EndOfStream("the camera ended the stream")

    def has_waited(self) -> bool:
        """Whether the camera had sent no more than was read, at any moment since this was asked last."""
        waited, self._open_wire.waited = self._open_wire.waited, False
        return waited

    def close(self) -> None:
        """Says goodbye, so that the camera has room for the next one, and does not wait for an answer."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if self._session:
            with contextlib.suppress(CaptureError):
                wire.send(self._request("TEARDOWN", self._aggregate))
        wire.close()

    @property
    def _open_wire(self) -> Wire:
        if self._wire is None:
            raise CaptureError(Reason.ENDED, "closed")
        return self._wire

    def _describe(self, url: str, deadline: float) -> Message:
        for _ in range(_MAX_REDIRECTS + 1):
            self._url = url
            host, port = host_of(url)
            self._wire = Wire(host, port, deadline, self._resolver, self._cancelled)
            options = self._ask("OPTIONS", url, deadline, lenient=True)
            self._methods = options.get("public").upper()
            answer = self._ask("DESCRIBE", url, deadline, {"Accept": "application/sdp"}, lenient=True)
            target = answer.get("location")
            if 300 <= answer.status < 400 and target.lower().startswith("rtsp://"):
                self._wire.close()
                host_of(target)
                self._login = login_of(target) or self._login
                url = bare(target)
                continue
            return _check(answer, "DESCRIBE")
        raise CaptureError(Reason.NETWORK, "the camera sends us from one address to the next")

    def _ask(
        self,
        method: str,
        url: str,
        deadline: float,
        headers: dict[str, str] | None = None,
        *,
        lenient: bool = False,
    ) -> Message:
        answer = self._exchange(method, url, deadline, headers)
        login = self._login
        for again in (False, True):
            if answer.status != 401 or login is None or not login.take(answer.all("www-authenticate")):
                break
            if again and not login.is_stale:
                break
            answer = self._exchange(method, url, deadline, headers)
        return answer if lenient and answer.status != 401 else _check(answer, method)

    def _exchange(self, method: str, url: str, deadline: float, headers: dict[str, str] | None) -> Message:
        wire = self._open_wire
        wire.send(self._request(method, url, headers))
        while True:
            try:
                item = wire.read(deadline)
            except CaptureError as error:
                if error.reason is not Reason.NETWORK or not self._answers:
                    raise
                # It was there, and ended the connection instead of an answer.
                raise CaptureError(error.reason, str(error), unusable=True) from None
            if isinstance(item, Packet):
                self._keep(item)
            elif item.status == 0:
                self._take(item)
            elif item.status >= 200:  # whatever its number: only one question is open
                self._answers += 1
                return item

    def _keep(self, packet: Packet) -> None:
        """Keeps what comes before the answer, and not without an end."""
        self._early.append(packet)
        self._early_size += len(packet.data)
        while self._early_size > _EARLY:
            self._early_size -= len(self._early.popleft().data)

    def _request(self, method: str, url: str, headers: dict[str, str] | None = None) -> bytes:
        self._sequence += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._sequence}", f"User-Agent: {_AGENT}"]
        if self._session:
            lines.append(f"Session: {self._session}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        authorization = self._login.header(method, url) if self._login is not None else None
        if authorization is not None:
            lines.append(f"Authorization: {authorization}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _stay_alive(self, now: float) -> None:
        self._alive_due = now + self._alive_every
        method = "GET_PARAMETER" if "GET_PARAMETER" in self._methods else "OPTIONS"
        self._open_wire.send(self._request(method, self._aggregate))

    def _take(self, message: Message) -> None:
        """What comes while the stream plays."""
        if message.status == 0:
            if message.method in ("TEARDOWN", "REDIRECT"):
                raise EndOfStream("the camera ended the session")
            number = message.get("cseq")
            self._open_wire.send(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n\r\n".encode())
        elif message.status == 401:
            if self._login is not None and self._login.take(message.all("www-authenticate")):
                # Its nonce is too old; a password that is refused again counts towards a lock.
                if not self._refused:
                    self._alive_due = min(self._alive_due, time.monotonic() + 1.0)
                self._refused = True
        elif message.status >= 300:
            self._methods = ""  # it does not like this one: the other one next time
            if message.status == 454 and self._forgotten is None:
                self._forgotten = time.monotonic()
        elif message.status >= 200:
            self._refused = False


def _check(answer: Message, method: str) -> Message:
    if 200 <= answer.status < 300:
        return answer
    reason = _REASONS.get(answer.status, Reason.NETWORK)
    if answer.status == 461:
        text = _NOT_OVER_TCP
    else:
        text = _ADVICE.get(reason, f"the camera answers {answer.status} to {method}")
    raise CaptureError(reason, text, unusable=reason is not Reason.AUTH and answer.status not in _PASSING)


def _session(text: str) -> tuple[str, float]:
    """Id, and seconds after which the camera forgets a silent client."""
    name, *parameters = [part.strip() for part in text.split(";")]
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "timeout" and value.strip().isdecimal():
            return name, float(value) or _DEFAULT_TIMEOUT
    return name, _DEFAULT_TIMEOUT


def _channel(transport: str) -> int:
    for part in transport.split(";"):
        key, _, value = part.strip().partition("=")
        first = value.partition("-")[0]
        if key.lower() == "interleaved" and first.isdecimal() and len(first) < 4 and int(first) < 255:
            return int(first)
    return 0


def _says_goodbye(data: bytes) -> bool:
    """Whether an RTCP packet holds a BYE (RFC 3550, 6.6)."""
    place = 0
    while place + 4 <= len(data) and data[place] & 0xC0 == 0x80:
        if data[place + 1] == 203:
            return True
        place += 4 + 4 * int.from_bytes(data[place + 2 : place + 4], "big")
    return False
