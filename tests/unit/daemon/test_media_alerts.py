"""What an alert's messages say about its picture and clip, and that it comes whatever fails."""

from __future__ import annotations

import io
import logging
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media_scenes import TOPICS, a_frame, a_scene, an_alert, config, noise, settings, somebody

from daemon.media import AlertMedia, MediaLibrary
from daemon.messages import Message

STATUS = {"state": "streaming", "reason": None, "since": 1.0, "fps": 15.0, "overloaded": False}

SNAPSHOT = "posewatch/door/snapshot/fall"
ID = "1700000000000-door-1"


def attach(media: AlertMedia, *messages: Message, image: np.ndarray | None = None) -> list[Message]:
    return media.attach(a_frame(8.0, image), a_scene(8.0, somebody(1), somebody(2)), messages)


def library(folder: Path | None, **sections: Any) -> MediaLibrary:
    return MediaLibrary(config(**sections), TOPICS, folder)


def segments(jpeg: bytes) -> list[int]:
    """Markers of the segments of a JPEG up to the picture itself."""
    stream, found = io.BytesIO(jpeg), []
    assert stream.read(2) == b"\xff\xd8"
    while True:
        marker = stream.read(2)
        assert marker[0] == 0xFF
        found.append(marker[1])
        if marker[1] == 0xDA:
            return found
        stream.seek(int.from_bytes(stream.read(2), "big") - 2, io.SEEK_CUR)


def test_the_picture_comes_right_before_its_alert(tmp_path: Path) -> None:
    other = Message("posewatch/door/status", dict(STATUS), qos=1)
    state = Message("posewatch/door/alert/fall", "ON", qos=1, retain=True)
    sent = attach(library(tmp_path).camera("door"), other, an_alert(), state)
    assert [one.topic for one in sent] == [other.topic, SNAPSHOT, "posewatch/door/alerts", state.topic]
    picture, alert = sent[1], sent[2]
    file = f"snapshots/door/{ID}.jpg"
    assert alert.payload["snapshot"] == {"topic": SNAPSHOT, "file": file, "style": "skeleton"}
    assert alert.payload["clip"] is None
    assert (picture.qos, picture.retain) == (1, False)
    assert (tmp_path / file).read_bytes() == picture.payload
    image = cv2.imdecode(np.frombuffer(picture.payload, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (480, 640, 3)
    # The rest of the alert is as it was, and the original is not changed.
    assert {**alert.payload, "snapshot": None} == {**an_alert().payload, "clip": None}
    assert an_alert().payload["snapshot"] is None


@pytest.mark.parametrize("style", ["skeleton", "blur", "full"])
def test_a_picture_carries_no_metadata(style: str) -> None:
    sent = attach(
        AlertMedia("door", settings(snapshots={"style": style}), TOPICS), an_alert(), image=noise(1)
    )
    markers = segments(sent[0].payload)
    assert not set(markers) & {*range(0xE1, 0xF0), 0xFE}  # APP1 (EXIF, XMP) to APP15, comments
    assert sent[1].payload["snapshot"]["style"] == style


def test_quality_width_and_retain_are_as_configured() -> None:
    sizes = []
    for quality in (40, 90):
        chosen = settings(snapshots={"style": "full", "width": 320, "quality": quality, "retain": True})
        sent = attach(AlertMedia("door", chosen, TOPICS), an_alert(), image=noise(1))
        assert sent[0].retain
        image = cv2.imdecode(np.frombuffer(sent[0].payload, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (240, 320, 3)
        sizes.append(len(sent[0].payload))
    assert sizes[0] < sizes[1]


def test_with_style_none_there_is_no_picture(tmp_path: Path) -> None:
    media = library(tmp_path / "state", snapshots={"style": "none"}).camera("door")
    sent = attach(media, an_alert())
    assert [one.topic for one in sent] == ["posewatch/door/alerts"]
    assert sent[0].payload["snapshot"] is None
    assert list(tmp_path.iterdir()) == []


def test_a_rule_has_its_own_style(tmp_path: Path) -> None:
    rules: Any = {"fall": ("none", None), "fight": ("full", None), "lying": (None, None)}
    media = library(tmp_path, snapshots={"style": "blur"}).camera("door", rules)
    sent = attach(media, *(an_alert(number=n, rule=rule) for n, rule in enumerate((*rules, "intruder"))))
    styles = [one.payload["snapshot"] for one in sent if isinstance(one.payload, dict)]
    assert [style and style["style"] for style in styles] == [None, "full", "blur", "blur"]


def test_what_is_not_published_is_kept_and_the_other_way_round(tmp_path: Path) -> None:
    kept = attach(library(tmp_path, snapshots={"publish": False}).camera("door"), an_alert())
    assert [one.topic for one in kept] == ["posewatch/door/alerts"]
    assert kept[0].payload["snapshot"] == {
        "topic": None, "file": f"snapshots/door/{ID}.jpg", "style": "skeleton",
    }  # fmt: skip
    sent = attach(library(None).camera("door"), an_alert())
    assert sent[1].payload["snapshot"] == {"topic": SNAPSHOT, "file": None, "style": "skeleton"}
    neither = attach(library(None, snapshots={"publish": False}).camera("door"), an_alert())
    assert [one.payload["snapshot"] for one in neither] == [None]


def test_later_messages_of_an_alert_name_the_same_picture(tmp_path: Path) -> None:
    media = library(tmp_path).camera("door")
    raised = attach(media, an_alert())[1].payload["snapshot"]
    assert raised is not None
    assert attach(media, an_alert("updated"))[0].payload["snapshot"] == raised
    assert media.conclude([an_alert("cleared")])[0].payload["snapshot"] == raised
    assert media.conclude([an_alert("cleared")])[0].payload["snapshot"] is None  # forgotten
    other = Message("posewatch/door/status", dict(STATUS))
    assert media.conclude([other]) == [other]


def test_a_disk_that_is_full_costs_the_file_and_not_the_picture(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (small_disk / "ballast").write_bytes(bytes(60_000))
    media = library(small_disk, snapshots={"style": "full"}).camera("door")
    with caplog.at_level(logging.WARNING):
        for number in range(1, 4):
            sent = attach(media, an_alert(number=number), image=noise(1))
            assert sent[0].topic == SNAPSHOT
            assert sent[1].payload["snapshot"] == {"topic": SNAPSHOT, "file": None, "style": "full"}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1  # a minute
    assert "snapshot_not_kept camera=door" in lines[0]
    assert "No space left" in lines[0]
    assert [path for path in (small_disk / "snapshots").rglob("*") if path.is_file()] == []
    (small_disk / "ballast").unlink()  # and as soon as there is room, it goes on
    assert attach(library(small_disk).camera("door"), an_alert(number=9))[1].payload["snapshot"]["file"]


def test_a_disk_that_cannot_be_written_costs_the_file_only(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file where a folder should be")
    sent = attach(library(tmp_path).camera("door"), an_alert())
    assert sent[1].payload["snapshot"]["file"] is None


@pytest.mark.parametrize("broken", ["image", "payload", "evidence"])
def test_an_alert_comes_whatever_fails(broken: str, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    media = library(tmp_path, snapshots={"style": "full"}, clips={"enabled": True, "style": "full"}).camera(
        "door"
    )
    alert, image = an_alert(), None
    if broken == "image":
        image = np.zeros((0, 0, 3), np.uint8)
    elif broken == "payload":
        del alert.payload["id"]
    else:
        alert.payload["evidence"] = {"boxes": {"0-record-1": "nonsense"}}
    sent = attach(media, alert, image=image)
    assert [one.topic for one in sent] == ["posewatch/door/alerts"]
    assert sent[0].payload.get("snapshot") is None
    told = [key for key in alert.payload if key not in ("snapshot", "clip")]
    assert {key: sent[0].payload[key] for key in told} == {key: alert.payload[key] for key in told}
    assert "failed camera=door" in caplog.text
    media.close()


def test_without_clips_nothing_is_remembered_and_no_thread_runs(tmp_path: Path) -> None:
    before = threading.active_count()
    media = library(tmp_path).camera("door")
    for number in range(100):
        assert media.attach(a_frame(number / 15), a_scene(number / 15, somebody(1)), []) == []
    assert media.buffered == 0
    assert threading.active_count() == before
