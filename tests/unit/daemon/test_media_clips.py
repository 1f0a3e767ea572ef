"""Clips of alerts: what they show, when they begin and end, and what they never do."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_scenes import SQUARE, TOPICS, a_frame, a_scene, an_alert, config, noise, somebody

from daemon.media import AlertMedia, MediaLibrary
from daemon.media.clips import _Clip
from daemon.media.moments import Moment, PreRoll
from daemon.messages import Message

FPS = 15.0


def wait_for(condition: Callable[[], object], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "not within 20 s"
        time.sleep(0.02)


class Clips:
    """A camera with clips, its frames and its alerts, by the second."""

    def __init__(
        self, folder: Path, rules: Any = None, image: np.ndarray | None = None, **clips: Any
    ) -> None:
        masks = {"window": {"points": SQUARE}} if clips.pop("masked", False) else {}
        sections = {"clips": {"enabled": True, "style": "skeleton", **clips}, "privacy_masks": masks}
        self.folder, self.image = folder, image
        self.size = (640, 480) if image is None else (image.shape[1], image.shape[0])
        self.library = MediaLibrary(config(**sections), TOPICS, folder)
        self.media: AlertMedia = self.library.camera("door", rules)
        self.alerts: list[dict[str, Any]] = []

    def play(self, start: float, end: float, *alerts: float, rule: str = "fall") -> Clips:
        """Frames from start up to end, with an alert raised at each of these times."""
        waiting = list(alerts)
        for number in range(round(start * FPS), round(end * FPS)):
            at = number / FPS
            messages: list[Message] = []
            if waiting and at >= waiting[0]:
                waiting.pop(0)
                messages = [an_alert(number=len(self.alerts) + 1, rule=rule)]
            walker = somebody(1, (100 + 10 * at, 100, 200 + 10 * at, 400))
            scene = a_scene(at, walker, size=self.size)
            sent = self.media.attach(a_frame(at, self.image), scene, messages)
            self.alerts += [one.payload for one in sent if one.topic == TOPICS.alerts("door")]
        return self

    @property
    def named(self) -> list[str | None]:
        """Files that the alerts name."""
        return [one["clip"] and one["clip"]["file"] for one in self.alerts]

    @property
    def files(self) -> list[str]:
        """Files below clips/, whole or not."""
        found = (self.folder / "clips").rglob("*")
        return sorted(path.relative_to(self.folder).as_posix() for path in found if path.is_file())

    def frames(self, name: str) -> list[tuple[float, np.ndarray]]:
        """Times from the first frame, and images, of a clip."""
        with av.open(str(self.folder / name)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            return [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]

    def close(self) -> Clips:
        self.media.close()
        self.library.close(30.0)
        return self


def lengths(frames: Sequence[tuple[float, np.ndarray]]) -> float:
    return frames[-1][0] - frames[0][0]


def test_a_clip_shows_what_was_before_and_after(tmp_path: Path) -> None:
    clips = Clips(tmp_path, before="3s", after="4s", fps=5).play(0, 20, 8.0)
    wait_for(lambda: clips.files == clips.named)  # whole as soon as it is over, not when the daemon ends
    frames = clips.close().frames(clips.named[0])
    assert clips.named == ["clips/door/1700000000000-door-1.mp4"]
    assert stat.S_IMODE((tmp_path / clips.named[0]).stat().st_mode) == 0o600
    assert frames[0][1].shape == (480, 640, 3)
    assert lengths(frames) == pytest.approx(7.0, abs=0.25)
    assert np.diff([at for at, _ in frames]) == pytest.approx(0.2, abs=0.002)
    # The rule is named from the alert on: its colour is in the corner.
    red = [frame[3, 3, 2] > 200 and frame[3, 3, 1] < 110 for _, frame in frames]
    assert red == [at >= 3.0 - 0.01 for at, _ in frames]


def test_an_alert_at_the_start_has_what_there_is(tmp_path: Path) -> None:
    clips = Clips(tmp_path, before="5s", after="2s").play(0, 5, 0.0).close()
    assert lengths(clips.frames(clips.named[0])) == pytest.approx(2.0, abs=0.25)


def test_alerts_in_one_clip_share_it_and_make_it_longer(tmp_path: Path) -> None:
    clips = Clips(tmp_path, before="2s", after="3s").play(0, 15, 4.0, 6.0, 8.5).close()
    assert len(set(clips.named)) == 1
    assert clips.files == [clips.named[0]]
    assert lengths(clips.frames(clips.named[0])) == pytest.approx(2.0 + 4.5 + 3.0, abs=0.25)


def test_a_clip_never_gets_longer_than_allowed(tmp_path: Path) -> None:
    alerts = [2.0 + 2.0 * number for number in range(12)]
    clips = Clips(tmp_path, before="1s", after="3s", longest="8s").play(0, 40, *alerts).close()
    assert sorted(set(clips.named)) == clips.files
    assert 3 <= len(clips.files) <= 6
    for name in clips.files:
        assert lengths(clips.frames(name)) <= 8.0 + 0.25


def test_what_is_in_a_later_clip_comes_after_the_alert_that_began_it(tmp_path: Path) -> None:
    clips = Clips(tmp_path, before="2s", after="2s").play(0, 20, 4.0, 12.0).close()
    assert len(set(clips.named)) == 2
    assert [lengths(clips.frames(name)) for name in clips.files] == pytest.approx([4.0, 4.0], abs=0.25)


def test_rules_decide_for_themselves(tmp_path: Path) -> None:
    rules: Any = {"fall": (None, False), "fight": (None, None)}
    clips = Clips(tmp_path, rules, after="1s").play(0, 3, 1.0).play(3, 6, 4.0, rule="fight").close()
    assert [name is not None for name in clips.named] == [False, True]
    on: Any = {"fall": (None, True)}
    clips = (
        Clips(tmp_path / "on", on, enabled=False, after="1s").play(0, 3, 1.0).play(3, 6, 4.0, rule="fight")
    )
    assert [name is not None for name in clips.close().named] == [True, False]


def test_a_camera_that_goes_ends_its_clip_at_once(tmp_path: Path) -> None:
    clips = Clips(tmp_path, before="2s", after="10s").play(0, 6, 4.0)
    clips.media.close()
    wait_for(lambda: clips.files == clips.named)
    assert lengths(clips.frames(clips.named[0])) == pytest.approx(4.0, abs=0.25)
    # When it is back nothing of before is shown, and the next alert has a clip of its own.
    clips.play(100, 105, 101.0).close()
    assert len(set(clips.named)) == 2
    assert lengths(clips.frames(clips.named[1])) == pytest.approx(5.0, abs=0.25)


def test_the_end_of_the_daemon_is_quick_and_leaves_a_clip_that_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, slow = _Clip.write, threading.Event()

    def write_slowly(self: _Clip, *arguments: Any) -> None:
        slow.wait(0.2)  # a machine that has other things to do
        write(self, *arguments)

    monkeypatch.setattr(_Clip, "write", write_slowly)
    clips = Clips(tmp_path, before="20s", fps=15).play(0, 5, 4.9)  # 75 frames, 15 s of work
    started = time.monotonic()
    clips.media.close()
    clips.library.close(2.0)
    assert time.monotonic() - started < 3.0
    wait_for(lambda: clips.files == clips.named)
    assert 1 <= len(clips.frames(clips.named[0])) < 70
    clips.library.close(1.0)  # twice is no error
    assert clips.play(17, 18, 17.5).named[-1] is None  # and nothing begins any more


def test_no_more_than_a_few_at_a_time(tmp_path: Path) -> None:
    cameras = {f"c{n}": {"url": "rtsp://h/x", "clips": {"enabled": True}} for n in range(6)}
    made = config()
    library = MediaLibrary(type(made).model_validate({"cameras": cameras}), TOPICS, tmp_path)
    files = []
    for name in cameras:
        message = an_alert()
        alert = Message(TOPICS.alerts(name), message.payload, qos=1)
        sent = library.camera(name).attach(a_frame(0.0), a_scene(0.0, somebody(1)), [alert])
        files.append(sent[-1].payload["clip"])
    assert [file is not None for file in files] == [True] * 4 + [False] * 2
    library.close(10.0)


def test_a_clip_that_cannot_be_written_costs_nothing_else(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = Clips(small_disk, image=noise(1), style="full", after="2s").play(0, 6, 2.0).close()
    assert len(clips.alerts) == 1
    assert clips.named[0] is not None
    assert clips.files == []  # no whole one, and nothing half written
    assert caplog.text.count("clip_failed camera=door") == 1


def test_a_folder_that_cannot_be_made_means_no_clip(tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("a file where a folder should be")
    assert Clips(tmp_path).play(0, 3, 1.0).close().named == [None]


@pytest.mark.parametrize("style", ["skeleton", "blur", "full"])
def test_privacy_masks_are_black_in_every_frame(tmp_path: Path, style: str) -> None:
    bright = np.full((480, 640, 3), 255, np.uint8)
    clips = Clips(tmp_path, image=bright, style=style, after="2s", masked=True).play(0, 6, 3.0).close()
    frames = clips.frames(clips.named[0])
    assert len(frames) > 20
    for _, frame in frames:
        assert frame[136:344, 176:464].max() <= 8  # 16 px inside: beyond what an edge rings
        outer = frame[124:356, 164:476]
        assert np.mean(outer.max(axis=2) > 60) < 0.02


def test_blur_shows_the_same_scene_in_every_frame(tmp_path: Path) -> None:
    """Many frames of it tell no more than one: what moves cannot be put together from them."""
    clips = Clips(tmp_path, style="blur", before="1s", after="2s")
    for number in range(60):
        at = number / FPS
        messages = [an_alert()] if number == 20 else []
        image = np.full((480, 640, 3), (30, 130, 30), np.uint8)  # a lawn
        image[200:400, 5 * number : 5 * number + 60] = 255  # somebody whom nobody detects
        sent = clips.media.attach(a_frame(at, image), a_scene(at), messages)
        clips.alerts += [one.payload for one in sent if one.topic == TOPICS.alerts("door")]
    frames = clips.close().frames(clips.named[0])
    first = frames[0][1][100:].astype(int)
    assert first[:, 400:, 1].mean() > first[:, 400:, 2].mean() + 20  # it is green
    assert max(np.abs(frame[100:] - first).max() for _, frame in frames) <= 12


def test_only_full_keeps_pictures_in_memory(tmp_path: Path) -> None:
    sizes = {
        style: Clips(tmp_path, image=noise(1), style=style).play(0, 8).media.buffered
        for style in ("skeleton", "blur", "full", "none")
    }
    assert sizes["none"] == 0
    assert sizes["skeleton"] == sizes["blur"] < 26 * 10_000
    assert sizes["full"] > 26 * 100_000


@given(
    seconds=st.floats(0, 20),
    max_size=st.integers(100, 500_000),
    frames=st.lists(st.tuples(st.floats(0.001, 3), st.integers(0, 60_000)), max_size=60),
)
def test_the_memory_of_what_was_before_is_bounded(
    seconds: float, max_size: int, frames: list[tuple[float, int]]
) -> None:
    ring, at = PreRoll(seconds, max_size), 0.0
    for step, size in frames:
        at += step
        ring.push(Moment(a_scene(at), bytes(size)))
        kept = list(ring)
        assert ring.size == sum(moment.size for moment in kept) <= max_size
        assert all(at - moment.scene.monotonic <= seconds + 1e-5 for moment in kept)
        assert [one.scene.monotonic for one in kept] == sorted(one.scene.monotonic for one in kept)
        if kept:
            assert kept[-1].scene.monotonic == at
    ring.clear()
    assert (ring.size, len(ring)) == (0, 0)
