"""Which RTSP client reads a camera next, after all that went wrong."""

from __future__ import annotations

import pytest

from daemon.reader_choice import ReaderChoice
from daemon.source_types import CaptureError, Reason

UNUSABLE = CaptureError(Reason.CODEC, "no sense", unusable=True)
ODD = CaptureError(Reason.NETWORK, "400", unusable=True)  # a camera that starts may say that as well
AWAY = CaptureError(Reason.NETWORK, "nobody there")
Failure = tuple[CaptureError, bool]
"""How a connection ended, and whether it gave pictures."""


def after(*failures: Failure, seconds: float = 0.0) -> bool:
    now = [0.0]
    choice = ReaderChoice("door", monotonic=lambda: now[0])
    for error, streamed in failures:
        choice.failed(error, streamed=streamed)
        now[0] += seconds
    return choice.ffmpeg


@pytest.mark.parametrize(
    ("failures", "ffmpeg"),
    [
        ([], False),
        ([(AWAY, False)] * 9, False),
        ([(CaptureError(Reason.AUTH, "no"), False), (CaptureError(Reason.NOT_FOUND, "no"), False)], False),
        ([(CaptureError(Reason.TIMEOUT, "silence"), False)] * 9, False),
        ([(UNUSABLE, False)], True),
        ([(CaptureError(Reason.ERROR, "our mistake", unusable=True), False)], True),
        ([(ODD, False)], False),
        ([(ODD, False), (ODD, False)], True),
        ([(ODD, False), (AWAY, True), (ODD, False)], False),  # it worked in between
        ([(UNUSABLE, True)], False),  # a bad link: FFmpeg would only hide it
        ([(UNUSABLE, False), (AWAY, True)], True),  # FFmpeg gave pictures
        ([(UNUSABLE, False), (AWAY, False)], False),  # and here none
        ([(UNUSABLE, False), (AWAY, False), (UNUSABLE, False)], False),  # it has had its chance
        ([(UNUSABLE, False), (AWAY, False), (UNUSABLE, False), (UNUSABLE, False)], True),
    ],
)
def test_ffmpeg_is_for_what_ours_can_make_nothing_of(failures: list[Failure], ffmpeg: bool) -> None:
    assert after(*failures) is ffmpeg


def test_ours_comes_back_at_times() -> None:
    """Whoever only had a bad morning must not be read for ever by a client that hides losses."""
    assert after((UNUSABLE, False), (AWAY, True), seconds=1800.0)
    assert not after((UNUSABLE, False), (AWAY, True), (AWAY, True), seconds=1800.0)


def test_the_setting_stands() -> None:
    choice = ReaderChoice("door", "ffmpeg")
    choice.failed(UNUSABLE, streamed=False)
    assert choice.ffmpeg


def test_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    choice = ReaderChoice("door")
    for _ in range(50):
        choice.failed(UNUSABLE, streamed=False)
    assert caplog.messages == ["camera_reader camera=door reader=ffmpeg reason=codec"]
