"""What is kept on the disk: names, permissions, what goes, and what happens where nothing can be written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config.sizes import parse_size
from daemon.media.store import CLIPS, SNAPSHOTS, Limits, MediaStore

DAY = 86400.0
PICTURE = b"\xff\xd8" + bytes(998)


def make(folder: Path, *, keep: float = 30 * DAY, max_size: int = 1_000_000) -> MediaStore:
    limits = Limits(keep, max_size)
    return MediaStore(folder, {}, {SNAPSHOTS: limits, CLIPS: limits})


def files(folder: Path) -> dict[str, int]:
    """Every file below a folder, with its mode."""
    return {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def grown(folder: Path, name: str, at: float, size: int = 1000) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (at, at))
    return path


def test_a_picture_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        name = make(tmp_path / "state").write_snapshot("door", "1-door-1", PICTURE)
    finally:
        os.umask(before)
    assert name == "snapshots/door/1-door-1.jpg"
    assert (tmp_path / "state" / name).read_bytes() == PICTURE
    assert files(tmp_path) == {"state/snapshots/door/1-door-1.jpg": 0o600}
    for folder in ("state", "state/snapshots", "state/snapshots/door"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_making_the_store_writes_nothing(tmp_path: Path) -> None:
    make(tmp_path / "state").prune(0.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "../../etc/passwd", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    store = make(tmp_path / "state")
    for camera, alert in ((name, "1-door-1"), ("door", name)):
        with pytest.raises(ValueError, match="no name"):
            store.write_snapshot(camera, alert, PICTURE)
    assert files(tmp_path) == {}


def test_what_is_older_than_keep_goes(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    for days in (0, 5, 29, 31, 400):
        grown(tmp_path, f"snapshots/door/{days}-door-1.jpg", now - days * DAY)
        grown(tmp_path, f"clips/gate/{days}-gate-1.mp4", now - days * DAY)
    assert make(tmp_path).prune(now) == 4
    assert set(files(tmp_path)) == {
        f"{kind}/{camera}/{days}-{camera}-1{suffix}"
        for kind, camera, suffix in (("snapshots", "door", ".jpg"), ("clips", "gate", ".mp4"))
        for days in (0, 5, 29)
    }


def test_a_file_from_before_the_clock_was_set_is_not_old(tmp_path: Path) -> None:
    """A machine without a clock of its own starts in 1970, until the network tells the time."""
    now = 1_700_000_000.0
    path = grown(tmp_path, "snapshots/door/300000-door-1.jpg", 300.0)
    store = make(tmp_path, keep=60.0)
    assert store.prune(310.0) == 0  # not set yet
    assert store.prune(now) == 0
    assert path.exists()
    assert store.prune(now + 59.0) == 0
    assert make(tmp_path, keep=60.0).prune(now + 59.0) == 0
    assert store.prune(now + 61.0) == 1
    assert not path.exists()


def test_the_oldest_go_where_there_is_too_much_at_once_and_the_newest_never(tmp_path: Path) -> None:
    store = make(tmp_path, max_size=3500)
    for number in range(6):
        store.write_snapshot("door", f"{number}-door-1", PICTURE)
    assert [name.rsplit("/", 1)[1] for name in files(tmp_path)] == [
        "3-door-1.jpg",
        "4-door-1.jpg",
        "5-door-1.jpg",
    ]
    store.write_snapshot("door", "9-door-1", bytes(100_000))
    store.prune(0.0)
    assert list(files(tmp_path)) == ["snapshots/door/9-door-1.jpg"]


def test_each_camera_has_its_own_limits(tmp_path: Path) -> None:
    for camera in ("door", "gate", "gone"):
        for number in range(5):
            grown(tmp_path, f"snapshots/{camera}/{number}.jpg", number)
    small, default = Limits(DAY, 2000), Limits(DAY, 4000)
    limits = {(SNAPSHOTS, "door"): small, (SNAPSHOTS, "gate"): Limits(DAY, 10_000)}
    MediaStore(tmp_path, limits, {SNAPSHOTS: default, CLIPS: default}).prune(0.0)
    kept = [name.split("/")[1] for name in files(tmp_path)]
    assert {camera: kept.count(camera) for camera in set(kept)} == {"door": 2, "gate": 5, "gone": 4}


def test_a_crash_leaves_nothing_behind_and_nothing_else_is_touched(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    left = [".1-door-1.jpg.part", ".2.mp4.part"]
    for name in left:
        grown(tmp_path, f"snapshots/door/{name}", now)
        grown(tmp_path, f"clips/door/{name}", now)
    (tmp_path / "clips" / "gone").mkdir()
    others = [
        "posewatch.db", "snapshots/door/notes.txt", "snapshots/door/.hidden", "snapshots/door/more/1.jpg",
        "snapshots/loose.jpg", "clips/door/picture.jpg", "other/door/1.jpg",
    ]  # fmt: skip
    for name in others:
        grown(tmp_path, name, 0.0)
    outside = grown(tmp_path.with_name(tmp_path.name + "-outside"), "1.jpg", 0.0)
    (tmp_path / "snapshots" / "door" / "link.jpg").symlink_to(outside)
    (tmp_path / "snapshots" / "linked").symlink_to(outside.parent)
    assert make(tmp_path, keep=60.0, max_size=1).prune(now) == 0
    assert outside.is_file()
    assert set(files(tmp_path)) == {*others, "snapshots/door/link.jpg"}
    assert not (tmp_path / "clips" / "gone").exists()


def test_a_clip_that_is_being_written_is_never_removed(tmp_path: Path) -> None:
    store = make(tmp_path, keep=60.0, max_size=1)
    path = store.clip_path("door", "1-door-1")
    assert path is not None
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(PICTURE)
    assert store.prune(1e12) == 0
    assert part.is_file()
    part.rename(path)
    store.clip_written("door", path)
    assert store.prune(1e12) == 1
    assert files(tmp_path) == {}


def test_pruning_does_not_ask_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(200):
        grown(tmp_path, f"snapshots/door/{number}.jpg", 1_700_000_000.0)
    store = make(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked the disk")

    for name in ("scandir", "listdir", "stat", "lstat", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    assert store.prune(1_700_000_000.0) == 0


def test_files_that_somebody_took_away_are_no_error(tmp_path: Path) -> None:
    store = make(tmp_path, keep=60.0)
    store.write_snapshot("door", "1-door-1", PICTURE)
    (tmp_path / "snapshots/door/1-door-1.jpg").unlink()
    (tmp_path / "snapshots/door").rmdir()
    assert store.prune(1e12) == 1
    assert store.write_snapshot("door", "2-door-1", PICTURE) == "snapshots/door/2-door-1.jpg"


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(1, 3000), max_size=30),
    max_size=st.integers(1, 20_000),
    ages=st.lists(st.integers(0, 100), min_size=30, max_size=30),
)
def test_after_pruning_both_limits_hold(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], max_size: int, ages: list[int]
) -> None:
    folder, now = tmp_path_factory.mktemp("store"), 1_700_000_000.0
    for number, (size, age) in enumerate(zip(sizes, ages, strict=False)):
        grown(folder, f"snapshots/door/{number}.jpg", now - age, size)
    make(folder, keep=60.0, max_size=max_size).prune(now)
    kept = sorted(int(Path(name).stem) for name in files(folder))
    assert all(ages[number] <= 60 for number in kept)
    total = sum(sizes[number] for number in kept)
    assert total <= max_size or len(kept) == 1
    young = [number for number in range(len(sizes)) if ages[number] <= 60]
    newest = sorted(young, key=lambda number: (ages[number], 0))
    if kept:  # what went was no younger than what stayed
        gone = [number for number in young if number not in kept]
        assert all(ages[number] >= max(ages[one] for one in kept) for number in gone)
        assert newest[0] in kept or ages[newest[0]] == min(ages[one] for one in kept)


def test_sizes_are_read_as_people_write_them() -> None:
    table = {"500MB": 500_000_000, "2GB": 2_000_000_000, "1.5 GB": 1_500_000_000, "64MiB": 64 * 1024**2,
             "12kB": 12_000, "7": 7, "7B": 7, "1T": 10**12, 4096: 4096}  # fmt: skip
    assert {text: parse_size(text) for text in table} == table
    for wrong in ("", "MB", "5 apples", "-1MB", "1XB", True, None, 1.5, "5iB"):
        with pytest.raises(ValueError, match="500MB"):
            parse_size(wrong)
