"""Every fault of a camera, from one that does what it is told, over a real TCP connection."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import psutil
import pytest
from footage import Footage, difference, footage, number_of
from rtsp_camera import Behaviour, RtspCamera
from servers import free_port, silent_server, wait_for

from daemon.capture import Camera, CameraState, CameraStatus, Frame, Reason
from daemon.config import CameraConfig
from daemon.rtsp import RtspSource
from daemon.rtsp.decoding import DecodedFrame, Decoder
from daemon.rtsp.depacketizing import AccessUnit
from daemon.sources import CaptureError, open_source

OPEN, READ = 1.5, 1.0  # seconds: open_timeout and read_timeout of most cameras here
LATE = 8.0  # seconds that a loaded machine may add


def settings(url: str, **changes: Any) -> CameraConfig:
    quick = {
        "open_timeout": OPEN,
        "read_timeout": READ,
        "reconnect": {"min": "50ms", "max": "100ms", "refused": "200ms"},
        "fps": 60,
    }
    return CameraConfig.model_validate({"url": url, **quick, **changes})


class Watched:
    """A camera that runs for the length of the block; its states and frames are noted."""

    def __init__(self, config: CameraConfig) -> None:
        self.camera = Camera("door", config)
        self.states: list[tuple[float, CameraStatus]] = []
        self.frames: list[tuple[float, Frame]] = []
        self.camera.on_status = lambda _, status: self.states.append((time.monotonic(), status))
        self.camera.on_frame = self._take

    def _take(self) -> None:
        frame = self.camera.take()
        assert frame is not None
        self.frames.append((time.monotonic(), frame))

    def __enter__(self) -> Watched:
        self.camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.camera.stop()

    @property
    def state(self) -> tuple[CameraState, Reason | None]:
        status = self.camera.status
        return status.state, status.reason

    def wait(self, state: CameraState, reason: Reason | None = None, since: float = 0.0) -> float:
        """Waits until the camera said so after `since`; monotonic seconds when it did."""

        def said() -> list[float]:
            wanted = (state, reason)
            return [at for at, one in list(self.states) if (one.state, one.reason) == wanted and at >= since]

        wait_for(said, what=f"{state.value}, {reason.value if reason else None}")
        return said()[0]

    def more(self, count: int = 8) -> list[Frame]:
        """The next frames."""
        already = len(self.frames)
        wait_for(lambda: len(self.frames) >= already + count, what=f"{count} frames")
        return [frame for _, frame in self.frames[already:]]


@pytest.fixture(scope="module")
def clip() -> Footage:
    return footage("h264")


@pytest.fixture
def camera(clip: Footage) -> Iterator[RtspCamera]:
    with RtspCamera(clip) as running:
        yield running


def is_true(frames: list[Frame], clip: Footage) -> bool:
    """Whether every frame is the one that its picture says, but for what the conversion to BGR rounds."""
    import cv2

    return all(
        difference(
            cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY),
            np.clip((clip.truth[number_of(frame.image)].astype(np.float32) - 16) * 255 / 219, 0, 255).astype(
                np.uint8
            ),
        )
        < 20.0
        for frame in frames
    )


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Behaviour(login=("admin", "right")), Reason.AUTH),
        (Behaviour(login=("admin", "right"), scheme="sha256"), Reason.AUTH),
        (Behaviour(login=("admin", "right"), scheme="basic"), Reason.AUTH),
        (Behaviour(answers={"DESCRIBE": 403}), Reason.AUTH),
        (Behaviour(answers={"DESCRIBE": 404}), Reason.NOT_FOUND),
        (Behaviour(answers={"DESCRIBE": 503}), Reason.NETWORK),
        (Behaviour(answers={"SETUP": 461}), Reason.NETWORK),
        (Behaviour(answers={"DESCRIBE": 415}), Reason.CODEC),
        (Behaviour(mute_from="CONNECT"), Reason.TIMEOUT),
        (Behaviour(mute_from="DESCRIBE"), Reason.TIMEOUT),
        (Behaviour(mute_from="PLAY"), Reason.TIMEOUT),
        (Behaviour(data=False), Reason.TIMEOUT),  # plays, and sends nothing
        (Behaviour(data=False, rtcp=True), Reason.TIMEOUT),  # ... but reports
        (Behaviour(slow=0.1), Reason.TIMEOUT),  # a byte at a time: something always comes
    ],
)
def test_the_reason_is_told_in_time(clip: Footage, behaviour: Behaviour, reason: Reason) -> None:
    with RtspCamera(clip, behaviour) as camera:
        started = time.monotonic()
        with Watched(settings(camera.url("admin:wr0ng"))) as watched:
            told = watched.wait(CameraState.CONNECTING, reason) - started
            assert told < OPEN + LATE
            if reason is Reason.TIMEOUT:
                assert told > 0.9 * OPEN
            assert not watched.frames
            camera.behaviour = Behaviour()  # it recovers by itself
            watched.more(1)


@pytest.mark.parametrize("scheme", ["digest", "sha256", "basic"])
def test_the_right_password_opens(clip: Footage, scheme: str) -> None:
    with (
        RtspCamera(clip, Behaviour(login=("admin", "p@ss:/wörd"), scheme=scheme)) as camera,
        Watched(settings(camera.url(), username="admin", password="p@ss:/wörd")) as watched,
    ):
        watched.more(3)
        assert camera.count("DESCRIBE", 401) == 1


def test_a_refused_password_is_not_tried_again_and_again(clip: Footage) -> None:
    """Cameras lock the account of who does; one that only starts is tried again, more and more slowly."""
    quick = {"min": "50ms", "max": "50ms", "refused": "1h"}
    with (
        RtspCamera(clip, Behaviour(login=("admin", "right"))) as camera,
        Watched(settings(camera.url("admin:wrong"), reconnect=quick)) as watched,
    ):
        watched.wait(CameraState.CONNECTING, Reason.AUTH)
        wait_for(lambda: camera.connections == 2)
        with pytest.raises(AssertionError):  # 50 ms would be enough for many more
            wait_for(lambda: camera.connections > 2, timeout=0.5)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "no-such-host.invalid", "localhost"],
)
def test_nobody_there_is_the_network(host: str) -> None:
    with Watched(settings(f"rtsp://{host}:{free_port()}/x", open_timeout="5s")) as watched:
        watched.wait(CameraState.CONNECTING, Reason.NETWORK)


def test_a_name_server_that_does_not_answer_costs_the_open_timeout_and_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`getaddrinfo` cannot be interrupted; what hangs must neither hold up nor pile up."""
    answer, asked = threading.Event(), []

    def hangs(*arguments: Any, **_: Any) -> list[Any]:
        asked.append(arguments)
        answer.wait(60)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    try:
        started = time.monotonic()
        with Watched(settings("rtsp://camera.example/x", open_timeout="300ms")) as watched:
            told = watched.wait(CameraState.CONNECTING, Reason.NETWORK)
            assert told - started < 0.3 + LATE
            wait_for(lambda: len([s for _, s in watched.states if s.reason is Reason.NETWORK]) >= 1)
            time_of_attempts = time.monotonic() + 1.5
            wait_for(lambda: time.monotonic() > time_of_attempts)
            assert len(asked) == 1  # three attempts at least wait for the same call
            started = time.monotonic()
        assert time.monotonic() - started < LATE
    finally:
        answer.set()


def test_who_floods_us_before_the_answer_is_late_too() -> None:
    """Data without an end and no answer: neither for ever nor with all of the memory."""
    flood = b"$\1\0\4abcd" * 8192
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as client:
                while True:
                    client.sendall(flood)

        threading.Thread(target=serve, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(CaptureError) as caught:
            open_source(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x", open_timeout=0.5)
    assert caught.value.reason is Reason.TIMEOUT
    assert time.monotonic() - started < LATE


@pytest.mark.parametrize("rtcp", [False, True])
def test_a_freeze_in_the_middle_is_a_stall(camera: RtspCamera, rtcp: bool) -> None:
    """Whether the line is dead or reports go on: pictures count, not bytes."""
    with Watched(settings(camera.url())) as watched:
        watched.more(5)
        camera.behaviour = Behaviour(data=False, rtcp=rtcp)
        frozen = time.monotonic()
        told = watched.wait(CameraState.STALLED, Reason.TIMEOUT, frozen)
        assert READ * 0.5 < told - frozen < READ + LATE
        camera.behaviour = Behaviour()
        watched.wait(CameraState.STREAMING, None, told)
        assert watched.camera.reconnects == 1


def test_rubbish_between_the_packets_is_passed_over(camera: RtspCamera, clip: Footage) -> None:
    camera.behaviour = Behaviour(junk=b"\0\xff$\x07rubbish\r\nmore$", speed=3)
    with Watched(settings(camera.url())) as watched:
        frames = watched.more(40)
        assert watched.camera.reconnects == 0
        assert is_true(frames, clip)
        assert watched.camera.frames_damaged == 0
        for one in frames:  # none is missing, whichever were not looked at for want of time
            assert number_of(one.image) == one.index % 60


def test_lost_packets_cost_pictures_and_show_no_wrong_one(camera: RtspCamera, clip: Footage) -> None:
    lossy = Behaviour(speed=4)
    lossy.damage = lambda number, packets: packets[1:] if number % 60 in (7, 32, 57) else packets
    camera.behaviour = lossy
    with Watched(settings(camera.url())) as watched:
        frames = watched.more(80)
        assert is_true(frames, clip)
        numbers = {number_of(frame.image) for frame in frames}
        assert not numbers & {7, 8, 14, 32, 33, 44, 57, 58, 59}  # the picture itself, and until the next key
        assert len(numbers) > 15
        assert watched.camera.frames_damaged >= 8
        assert watched.state == (CameraState.STREAMING, None)


def test_another_codec_in_the_middle_is_named_and_taken_up(camera: RtspCamera) -> None:
    with Watched(settings(camera.url())) as watched:
        watched.more(5)
        camera.footage = footage("hevc")  # sent as if it were still H.264
        changed = time.monotonic()
        told = watched.wait(CameraState.CONNECTING, Reason.CODEC, changed)
        assert told - changed < READ + LATE
        watched.wait(CameraState.STREAMING, None, told)  # asked again, the camera says what it sends
        watched.more(3)


def test_another_resolution_in_the_middle_goes_on(camera: RtspCamera) -> None:
    camera.behaviour = Behaviour(speed=3)
    with Watched(settings(camera.url())) as watched:
        assert watched.more(5)[-1].image.shape == (240, 320, 3)
        camera.footage = footage("h264", width=480, height=272)
        wait_for(lambda: watched.frames[-1][1].image.shape == (272, 480, 3), what="the new size")
        camera.footage = footage("h264")
        wait_for(lambda: watched.frames[-1][1].image.shape == (240, 320, 3), what="the old size")
        assert {state for _, state in watched.states if state.state is CameraState.STALLED} == set()


def test_a_redirect_is_followed(camera: RtspCamera, clip: Footage) -> None:
    login = ("admin", "secret")
    camera.behaviour = Behaviour(login=login)
    with (
        RtspCamera(clip, Behaviour(redirect=camera.url())) as first,
        Watched(settings(first.url("admin:secret"))) as watched,
    ):
        watched.more(3)
    with (
        RtspCamera(clip) as loop,
        Watched(settings(loop.url())) as watched,
    ):
        loop.behaviour = Behaviour(redirect=loop.url())
        loop.drop()
        watched.wait(CameraState.CONNECTING, Reason.NETWORK)


@pytest.mark.parametrize("target", ["rtsp://host:nonsense/x", "rtsp://[::1/x"])
def test_a_redirect_to_nowhere_is_the_network(clip: Footage, target: str) -> None:
    with (
        RtspCamera(clip, Behaviour(redirect=target)) as camera,
        Watched(settings(camera.url())) as watched,
    ):
        watched.wait(CameraState.CONNECTING, Reason.NETWORK)
    with pytest.raises(CaptureError, match="not a valid URL") as caught:
        open_source(target.replace("//", "//me:s3cret@"))
    assert "s3cret" not in str(caught.value)


def test_the_session_is_kept_alive(clip: Footage) -> None:
    with (
        RtspCamera(clip, Behaviour(session_timeout=1.0)) as camera,
        Watched(settings(camera.url())) as watched,
    ):
        watched.more(40)  # over two seconds
        assert camera.count("GET_PARAMETER") >= 3
        assert watched.camera.reconnects == 0


@pytest.mark.parametrize("read_timeout", [4.0, 0.7])
def test_a_frame_now_and_then(read_timeout: float) -> None:
    """One picture a second: below the timeout all is well, above it the camera is stalled, and comes back."""
    with (
        RtspCamera(footage("h264", rate=1, frames=10, gop=2)) as camera,
        Watched(settings(camera.url(), read_timeout=read_timeout, open_timeout="5s")) as watched,
    ):
        if read_timeout < 1:
            watched.wait(CameraState.STALLED, Reason.TIMEOUT)
            return
        watched.more(3)
        assert [status.state for _, status in watched.states] == [
            CameraState.CONNECTING,
            CameraState.STREAMING,
        ]
        # A picture is there with its last packet, not when the next one begins.
        sent = dict(camera.sent)
        assert min(at - sent[number_of(frame.image)] for at, frame in watched.frames) < 0.8


@pytest.mark.parametrize(
    "stamps",
    [
        lambda _, seconds: round((seconds + (5000 if seconds > 0.5 else 0)) * 90000),  # forwards
        lambda _, seconds: round((seconds - (0.7 if seconds > 0.5 else 0)) * 90000),  # a little back
        lambda _, seconds: round((seconds - (3600 if seconds > 0.5 else 0)) * 90000),  # far back
        lambda _, seconds: round(seconds * 90000) + (1 << 32) - 90000,  # over the end of its 32 bits
        lambda *_: 12345,  # stand still
        lambda number, _: number * 7919 * 90000,  # mean nothing
        lambda _, seconds: round(seconds * 90000 * 0.7),  # a clock that is far too slow
    ],
    ids=["forwards", "back", "far back", "wrap", "still", "nonsense", "slow"],
)
def test_whatever_the_time_stamps_say_time_goes_on(
    clip: Footage, stamps: Callable[[int, float], int]
) -> None:
    with (
        RtspCamera(clip, Behaviour(stamps=stamps, speed=3)) as camera,
        Watched(settings(camera.url())) as watched,
    ):
        watched.more(45)
        wall = time.time() - time.monotonic()
        assert watched.camera.reconnects == 0
    steps = [b.monotonic - a.monotonic for (_, a), (_, b) in pairwise(watched.frames)]
    assert min(steps) > 0
    for arrived, frame in watched.frames:
        _, sent = camera.sent[frame.index]
        assert sent - 2.0 < frame.monotonic <= arrived + 0.2
        assert abs(frame.captured_at - wall - frame.monotonic) < 0.2


@pytest.mark.parametrize("name", ["h264", "hevc B-frames, open GOP"])
def test_who_decodes_too_slowly_stays_close_to_the_stream(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Sixty pictures a second come and few can be decoded; what piles up in the connection is left out."""
    wait, decode = [0.0], Decoder.decode

    def slow(decoder: Decoder, unit: AccessUnit) -> list[DecodedFrame]:
        time.sleep(wait[0])  # as on a machine that is full
        return decode(decoder, unit)

    monkeypatch.setattr(Decoder, "decode", slow)
    clip = footage(name)
    with (
        RtspCamera(clip, Behaviour(speed=4)) as camera,
        Watched(settings(camera.url(), read_timeout="20s")) as watched,
    ):
        watched.more(40)  # the rhythm of the key frames is known
        wait[0] = 0.1
        wait_for(lambda: watched.camera.frames_dropped > 20, what="pictures left out")
        wait[0] = 0.0
        watched.more(20)
        frames = [frame for _, frame in watched.frames]
        assert watched.camera.frames_in > len(frames) + 20
        assert watched.camera.frames_damaged == 0
        assert watched.camera.reconnects == 0
    assert is_true(frames, clip)
    assert [frame.index % 60 for frame in frames] == [number_of(frame.image) for frame in frames]
    # Pictures seen just before and after: the later one is younger at its arrival by what was left out.
    ages = [(at - (frame.picture.pts or 0.0), frame.index) for at, frame in watched.frames]
    gained = [(before - after, (second - first) / 60) for (before, first), (after, second) in pairwise(ages)]
    saved, skipped = max(gained, key=lambda one: one[1])
    assert saved > 0.5 * skipped > 0.15
    assert len([text for text in caplog.messages if text.startswith("camera_behind")]) == 1


def test_b_frames_come_in_order_and_on_time() -> None:
    with (
        RtspCamera(footage("h264 B-frames"), Behaviour(speed=2)) as camera,
        Watched(settings(camera.url())) as watched,
    ):
        frames = watched.more(30)
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == sorted(numbers)
    steps = np.diff([frame.monotonic for frame in frames[5:]]) / np.diff([f.index for f in frames[5:]])
    assert float(np.median(steps)) == pytest.approx(1 / 30, abs=0.004)


def test_fifty_reconnects_leave_nothing_behind(camera: RtspCamera) -> None:
    camera.behaviour = Behaviour(speed=4)
    process = psutil.Process()
    with Watched(settings(camera.url(), reconnect={"min": "50ms", "max": "50ms"})) as watched:
        watched.camera.on_frame = None
        seen: list[tuple[int, int]] = []
        for count in range(50):
            wait_for(lambda: watched.camera.status.state is CameraState.STREAMING)
            assert watched.camera.reconnects == count
            seen.append((process.num_fds(), threading.active_count()))
            lost = time.monotonic()
            camera.drop()
            watched.wait(CameraState.CONNECTING, Reason.NETWORK, lost)
        wait_for(lambda: process.num_fds() <= seen[5][0] + 2, what="sockets closed")
        wait_for(lambda: threading.active_count() <= seen[5][1] + 2, what="threads ended")


def test_stop_does_not_wait_for_a_dead_camera() -> None:
    with silent_server() as port:
        url = f"rtsp://127.0.0.1:{port}/x"
        before = threading.active_count()
        camera = Camera("door", settings(url, open_timeout="60s"))
        for _ in range(10):  # switched off and on again and again
            camera.start()
            started = time.monotonic()
            camera.stop(timeout=20)
            assert time.monotonic() - started < LATE
            assert camera.status.state is CameraState.DISABLED
        wait_for(lambda: threading.active_count() <= before, what="every thread gone")


def test_inside_ffmpeg_is_one_thread_at_most(clip: Footage) -> None:
    """UDP goes through FFmpeg, which cannot be woken; a camera started again waits for it."""
    with RtspCamera(clip, Behaviour(mute_from="CONNECT")) as server:
        camera = Camera("door", settings(server.url(), open_timeout="15s", transport="udp"))
        camera.start()
        wait_for(lambda: server.connections == 1, what="being inside")
        camera.stop(timeout=0.05)
        for _ in range(5):
            camera.start()
            camera.stop(timeout=0.05)
        left = lambda: [one for one in threading.enumerate() if one.name == "capture-door"]  # noqa: E731
        wait_for(lambda: len(left()) <= 1, timeout=10, what="only the first one still being inside")
        assert server.connections == 1
        server.kill()  # lets it go
        wait_for(lambda: not left(), what="every thread gone")


def test_other_codecs_go_through_ffmpeg(clip: Footage) -> None:
    """Which says what it thinks of this one: there is no such codec."""
    with RtspCamera(clip, Behaviour(payload="X-UNKNOWN")) as camera:
        with pytest.raises(CaptureError) as caught:
            open_source(camera.url(), open_timeout=2, read_timeout=1)
        assert caught.value.reason in (Reason.CODEC, Reason.TIMEOUT)
        assert camera.connections == 2  # ours, and FFmpeg's


def test_parameters_may_come_with_the_pictures_only(clip: Footage) -> None:
    assert all(replace(clip).parameters)
    with (
        RtspCamera(clip, Behaviour(sets=False, markers=False)) as camera,
        Watched(settings(camera.url())) as watched,
    ):
        assert is_true(watched.more(5), clip)


def _with_bare_newlines(text: str) -> str:
    head, _, body = text.partition("\r\n\r\n")
    return head.replace("\r\n", "\n") + "\n\n" + body


@pytest.mark.parametrize(
    "rewrite",
    [
        _with_bare_newlines,
        lambda text: text.replace("Transport: ", "transport:\r\n\t").replace("Session: ", "SESSION :  "),
        lambda text: re.sub("CSeq: .*\r\n", "", text),
        lambda text: re.sub("CSeq: .*\r\n", "CSeq: 1\r\n", text),
        lambda text: re.sub("Content-Base: .*\r\n", "", text),
        lambda text: re.sub("Content-Base: .*\r\n", "Content-Base: /live/\r\n", text),
        lambda text: text.replace("RTSP/1.0 200", "RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\nRTSP/1.0  200"),
        lambda text: text.replace("200 whatever", "250 Low on Storage Space"),
    ],
    ids=["LF", "folded", "no CSeq", "wrong CSeq", "no base", "odd base", "100 Continue", "250"],
)
def test_answers_as_careless_cameras_give_them(clip: Footage, rewrite: Callable[[str], str]) -> None:
    with RtspCamera(clip, Behaviour(rewrite=rewrite)) as camera:
        source = open_source(camera.url(), open_timeout=5, read_timeout=5)
        assert isinstance(source, RtspSource)
        source.grab()
        source.close()


def test_a_camera_that_sends_elsewhere_is_told_at_once(clip: Footage) -> None:
    """It is asked for TCP, and answers that it sends over UDP."""

    def rewrite(text: str) -> str:
        return re.sub("RTP/AVP/TCP;.*\r", "RTP/AVP;unicast;client_port=0-1;server_port=6970-6971\r", text)

    with (
        RtspCamera(clip, Behaviour(rewrite=rewrite)) as camera,
        pytest.raises(CaptureError, match="set transport: udp"),
    ):
        open_source(camera.url(), open_timeout=5, read_timeout=5)


@pytest.mark.parametrize("status", [454, 501])
def test_a_sign_of_life_that_is_not_liked_ends_nothing(clip: Footage, status: int) -> None:
    behaviour = Behaviour(session_timeout=1.0, answers={"GET_PARAMETER": status})
    with RtspCamera(clip, behaviour) as camera, Watched(settings(camera.url())) as watched:
        watched.more(20)  # over a second
        assert camera.count("GET_PARAMETER", status) == 1
        assert camera.count("OPTIONS") >= 2  # the next ones
        assert watched.camera.reconnects == 0


def _without_numbers(_: int, packets: list[bytes]) -> list[bytes]:
    """Packets all of one sequence number: twice the same one, for who counts them."""
    return [one[:2] + b"\0\7" + one[4:] for one in packets]


@pytest.mark.parametrize(
    ("behaviour", "reason", "attempts"),
    [
        (Behaviour(agent="Lavf"), "network", 2),
        (Behaviour(damage=_without_numbers), "codec", 1),
        (Behaviour(rewrite=lambda text: text.replace("m=video", "M=VIDEO")), "codec", 1),
    ],
    ids=["an answer that nobody expects", "packets that nobody can count", "a description of its own"],
)
def test_where_ours_can_make_nothing_of_it_ffmpeg_is_tried(
    clip: Footage, behaviour: Behaviour, reason: str, attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    # FFmpeg knows no such description either: then ours comes back.
    given = reason == "network" or behaviour.damage is _without_numbers
    with (
        RtspCamera(clip, behaviour) as camera,
        Watched(settings(camera.url(), open_timeout="2s")) as watched,
    ):
        told = lambda: [text for text in caplog.messages if text.startswith("camera_reader")]  # noqa: E731
        wait_for(lambda: told(), what="the turn to FFmpeg")
        assert told() == [f"camera_reader camera=door reader=ffmpeg reason={reason}"]
        if given:
            watched.more(3)
            connections, dropped = camera.connections, time.monotonic()
            camera.drop()
            watched.wait(CameraState.STREAMING, since=dropped)  # and it stays with what works
            assert camera.connections == connections + 1
        else:
            wait_for(lambda: camera.connections >= attempts + 2, what="a third attempt")
            assert len(told()) == 1


def test_ffmpeg_alone_where_the_configuration_says_so(clip: Footage) -> None:
    with (
        RtspCamera(clip, Behaviour(agent="Lavf")) as camera,
        Watched(settings(camera.url(), reader="ffmpeg", open_timeout="5s")) as watched,
    ):
        watched.more(3)
        assert camera.connections == 1
