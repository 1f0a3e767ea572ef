"""Model files from strangers: the command ends soon and small, with one line that names the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hostile import Forker
from hostile_models import ARCHIVES, BUNDLED, MADE, damaged, write_archive

from daemon.config import load_config
from daemon.model_trial import try_models
from tracker.runtime import ModelError

SLOW = 60.0
ENDLESS = ("a loop without an end", "a loop that keeps all", "a loop for poses")  # the trial's time ends them
LARGE = ("a constant of 3 GB", "grows to 8 GB", "a constant of 8 GB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(scope="module")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """A trial may take the four gigabytes that it allows itself, and no more."""
    with Forker(tmp_path_factory.mktemp("said"), timeout=SLOW, memory=5_000_000_000) as forker:
        yield forker


@pytest.mark.parametrize("name", [name for name in MADE if name not in ENDLESS])
def test_models(forker: Forker, folder: Path, name: str) -> None:
    section, make = MADE[name]
    path = folder / "model.onnx"
    path.write_bytes(make())
    ran = forker.run("trial", section, path, "")
    assert not ran.complaint(statuses=(0, 1, 2), length=3000)
    assert ran.status == 2 or name in (*LARGE, "groups of lists", "sides of zero")
    if name not in LARGE:
        assert ran.peak < 1_200_000_000


@pytest.mark.parametrize("section", ["detect", "actions"])
def test_damaged_models(forker: Forker, folder: Path, section: str) -> None:
    content = BUNDLED[section].read_bytes()
    path = folder / "damaged.onnx"
    refused = 0
    for seed in range(12):
        path.write_bytes(damaged(content, Random(seed)))
        ran = forker.run("trial", section, path, "")
        assert not ran.complaint(statuses=(0, 2), length=3000), seed
        refused += ran.status == 2
    assert refused


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(forker: Forker, folder: Path, name: str) -> None:
    path = write_archive(folder, name)
    ran = forker.run("models", "import", path, XDG_CACHE_HOME=str(folder / "cache"))
    assert not ran.complaint(statuses=(1,))
    assert ran.peak < 400_000_000
    assert len(ran.err.splitlines()) == 1
    assert not Path("/tmp/hostile-climbed").exists()
    assert not list((folder / "cache").rglob("*.tflite"))


def test_a_model_that_hangs_is_named_before_the_service_takes_it(folder: Path) -> None:
    model, config = folder / "hangs.onnx", folder / "posewatch.yaml"
    model.write_bytes(MADE["a loop without an end"][1]())
    config.write_text(f"detect: {{model: {model}}}\ncameras: {{door: {{url: a.mp4}}}}\n")
    with pytest.raises(ModelError, match=r"hangs\.onnx: is not ready after 6 s"):
        try_models(load_config(config).cameras.values(), seconds=6.0)


def test_a_crash_of_the_runtime_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is known that makes this version crash: what Python loads first does it instead."""
    (folder / "sitecustomize.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    model, config = folder / "crashes.onnx", folder / "posewatch.yaml"
    model.write_bytes(b"")
    config.write_text(f"actions: {{model: {model}}}\ncameras: {{door: {{url: a.mp4}}}}\n")
    with pytest.raises(ModelError, match=r"crashes\.onnx: ends ONNX Runtime with SIGSEGV: replace it"):
        try_models(load_config(config).cameras.values())
