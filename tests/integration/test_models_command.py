"""`posewatch models` as a user calls it, with real pip and npm against package indexes on this machine."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tracker.detector import bundled_model
from tracker.store import ModelStore

CLOSED = "http://127.0.0.1:9"
NETWORKS = "mediapipe/modules/pose_landmark"


@pytest.fixture(scope="session")
def network() -> bytes:
    """Google's pose_landmark_full.tflite, as `make setup` leaves it in the user's cache."""
    path = ModelStore().folder / "pose_full.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not there: run `posewatch models fetch pose_full`")
    return path.read_bytes()


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """An empty cache and no way out; a test opens the way that it needs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().startswith(("pip_", "npm_config_")) and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "CACHE_DIRECTORY": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_INDEX_URL": f"{CLOSED}/simple",
        "npm_config_cache": str(tmp_path / "npm"),
        "npm_config_userconfig": os.devnull,
        "npm_config_registry": CLOSED,
        "npm_config_fetch_retries": "0",
        "https_proxy": CLOSED,
        "no_proxy": "127.0.0.1",
    }


@pytest.fixture
def posewatch(environment) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line with that environment."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "daemon.cli", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return call


@pytest.fixture
def serve() -> Iterator[Callable[[Mapping[str, bytes]], str]]:
    """Starts an HTTP server of the given pages and returns its address."""
    servers = []

    def start(pages: Mapping[str, bytes]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
                self.send_response(200 if page is not None else 404)
                kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, *_arguments: object) -> None:
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def wheel_index(network: bytes) -> dict[str, bytes]:
    """A package index with a wheel for another machine than this, that must not be run."""
    name = "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NETWORKS}/pose_landmark_full.tflite", network)
        metadata = (
            "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\nRequires-Dist: no-such-package\n"
        )
        archive.writestr("mediapipe-0.10.21.dist-info/METADATA", metadata)
        wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp312-cp312-manylinux_2_28_x86_64\n"
        archive.writestr("mediapipe-0.10.21.dist-info/WHEEL", wheel)
        archive.writestr("mediapipe-0.10.21.dist-info/RECORD", "")
    page = f'<!DOCTYPE html><html><body><a href="/{name}">{name}</a></body></html>'
    return {"/simple/mediapipe/": page.encode(), f"/{name}": file.getvalue()}


def npm_package(network: bytes) -> bytes:
    version = {"name": "@mediapipe/pose", "version": "0.5.1675469404"}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        contents = {"package.json": json.dumps(version).encode(), "pose_landmark_full.tflite": network}
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def npm_registry(package: bytes, address: str) -> dict[str, bytes]:
    """What npm asks a registry at this address for."""
    digest = base64.b64encode(hashlib.sha512(package).digest()).decode()
    version = {
        "name": "@mediapipe/pose",
        "version": "0.5.1675469404",
        "dist": {"tarball": f"{address}/pose.tgz", "integrity": f"sha512-{digest}"},
    }
    document = {
        "name": "@mediapipe/pose",
        "dist-tags": {"latest": version["version"]},
        "versions": {version["version"]: version},
    }
    return {"/@mediapipe%2fpose": json.dumps(document).encode(), "/pose.tgz": package}


def test_fetch_asks_the_index_of_the_user_and_then_nobody(posewatch, environment, serve, network, tmp_path):
    environment["PIP_INDEX_URL"] = serve(wheel_index(network)) + "/simple"

    first = posewatch("models", "fetch")
    environment["PIP_INDEX_URL"] = f"{CLOSED}/simple"
    again = posewatch("models", "fetch", "pose_full")

    onnx = tmp_path / "cache" / "posewatch" / "models" / "pose_full.onnx"
    assert (first.returncode, first.stdout) == (0, f"pose_full: {onnx}\n")
    assert "pip" in first.stderr
    assert "sha256 as expected" in first.stderr
    assert (again.returncode, again.stdout) == (0, f"pose_full: already there, {onnx}\n")
    assert again.stderr == ""
    assert sorted(path.name for path in onnx.parent.iterdir()) == [
        ".lock",
        "pose_full.json",
        "pose_full.onnx",
        "pose_full.tflite",
    ]


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_wheel_with_another_network_is_refused_and_npm_is_asked(posewatch, environment, serve, network):
    altered = network[:-1] + b"?"
    environment["PIP_INDEX_URL"] = serve(wheel_index(altered)) + "/simple"
    pages: dict[str, bytes] = {}
    environment["npm_config_registry"] = address = serve(pages)
    pages.update(npm_registry(npm_package(network), address))

    fetched = posewatch("models", "fetch")
    listed = posewatch("models", "list")

    assert fetched.returncode == 0, fetched.stderr
    assert "not from there: holds another pose_landmark_full.tflite" in fetched.stderr
    (row,) = [line for line in listed.stdout.splitlines() if line.startswith("pose_full")]
    assert "cached" in row
    assert "(npm)" in row


def test_offline_is_one_line_with_a_reason_for_each_source_and_the_way_by_hand(posewatch, tmp_path):
    failed = posewatch("models", "fetch", "pose_full", "pose_lite")

    assert failed.returncode == 1
    assert failed.stdout == ""
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("posewatch:")]
    assert "pose_lite, pose_full could not be fetched" in line
    assert "pip: Connection refused" in line
    assert "storage.googleapis.com: " in line
    assert "npm: " in line
    assert "`posewatch models import FILE`" in line
    assert "the wheel of mediapipe 0.10.21" in line
    assert [path.name for path in (tmp_path / "cache" / "posewatch" / "models").iterdir()] == [".lock"]


def test_a_package_is_imported_by_hand_listed_and_verified(posewatch, network, tmp_path):
    package = tmp_path / "mediapipe-pose-0.5.1675469404.tgz"
    package.write_bytes(npm_package(network))

    imported = posewatch("models", "import", package)
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.startswith("pose_full: ")
    listed = posewatch("models", "list").stdout
    assert f"imported from {package.name}" in listed
    for name, state in (("detector", "bundled"), ("actions", "bundled"), ("pose_lite", "missing")):
        (row,) = [line for line in listed.splitlines() if line.startswith(name)]
        assert state in row.split()

    onnx = tmp_path / "cache" / "posewatch" / "models" / "pose_full.onnx"
    assert f"pose_full: ok, {onnx}" in posewatch("models", "verify").stdout
    onnx.write_bytes(onnx.read_bytes()[:-1] + b"?")
    verified = posewatch("models", "verify")
    assert verified.returncode == 1
    assert f"posewatch: pose_full: {onnx}: damaged: run `posewatch models fetch pose_full`" in verified.stderr


def test_a_bundle_takes_the_networks_to_a_machine_without_a_network(posewatch, network, tmp_path):
    package = tmp_path / "mediapipe-pose-0.5.1675469404.tgz"
    package.write_bytes(npm_package(network))
    nothing = posewatch("models", "export", tmp_path / "models.zip")
    assert nothing.returncode == 1
    assert "run `posewatch models fetch pose_full` first" in nothing.stderr
    posewatch("models", "import", package)

    packed = posewatch("models", "export", tmp_path / "models.zip")

    assert packed.returncode == 0, packed.stderr
    assert "pose_full: packed into" in packed.stdout
    shutil.rmtree(tmp_path / "cache")  # the other machine
    imported = posewatch("models", "import", tmp_path / "models.zip")
    assert imported.returncode == 0, imported.stderr
    assert posewatch("models", "verify").returncode == 0
    assert not list(tmp_path.glob("*.part"))


def test_a_tampered_bundle_leaves_nothing_behind(posewatch, network, tmp_path):
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.writestr("pose_landmark_full.tflite", network[:-1] + b"?")

    refused = posewatch("models", "import", tmp_path / "models.zip")

    assert refused.returncode == 1
    assert "holds no network of a known sha256" in refused.stderr
    assert not (tmp_path / "cache" / "posewatch" / "models" / "pose_full.onnx").exists()


def test_the_list_tells_which_camera_uses_what(posewatch, tmp_path):
    own = tmp_path / "mine.onnx"
    own.write_bytes(bundled_model().read_bytes())
    config = tmp_path / "posewatch.yaml"
    config.write_text(
        "cameras:\n  hall: {url: 'rtsp://h/1', detect: {model: mine.onnx}}\n"
        "  yard: {url: 'rtsp://h/2', pose: {model: lite, smoothing: refine}}\n"
    )

    rows = {
        row["name"]: row for row in json.loads(posewatch("models", "list", "-c", config, "--json").stdout)
    }

    assert {name: row["in_use"] for name, row in rows.items()} == {
        "detector": ["yard"],
        "actions": ["hall", "yard"],
        "fights": ["hall", "yard"],
        "fights_look": ["hall", "yard"],
        "refiner": ["yard"],
        "pose_full": ["hall"],
        "pose_lite": ["hall", "yard"],
        "pose_heavy": [],
        "mine": ["hall"],
    }
    assert (rows["mine"]["kind"], rows["mine"]["state"]) == ("detector", "yours")
    assert rows["mine"]["sha256"] == rows["detector"]["sha256"]
    assert all(row["version"] and row["licence"] for row in rows.values() if row["name"] != "mine")
    assert "by default" in posewatch("models", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["fetch", "pose_giant"],
            2,
            "pose_giant: unknown model: choose pose_full, pose_lite, pose_heavy or all",
        ),
        (["import", __file__], 1, "holds no network of a known sha256"),
        (["import", "nowhere.whl"], 1, "nowhere.whl: cannot be read"),
        ([], 2, "required: COMMAND"),
        (["import"], 2, "required: FILE"),
        (["export", "nowhere.pt"], 2, "nowhere.pt: no such file"),
        (["export", "model.h5"], 2, "model.h5: give a .zip to pack the models into, or .pt weights"),
        (["list", "-c", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["export", "model.pt", "--imgsz", "333"], 2, "--imgsz: give one or two multiples of 32"),
    ],
)
def test_mistakes_are_named(posewatch, arguments, status, message):
    failed = posewatch("models", *arguments)

    assert failed.returncode == status
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("command", ["list", "fetch", "verify", "import", "export"])
def test_every_command_explains_itself_with_an_example(posewatch, command):
    told = posewatch("models", command, "--help")

    assert told.returncode == 0
    assert f"example:\n  posewatch models {command}" in told.stdout


@pytest.mark.parametrize("command", ["check", "benchmark"])
def test_a_missing_pose_network_is_told_before_the_work(tmp_path: Path, command: str) -> None:
    config = tmp_path / "posewatch.yaml"
    config.write_text("mqtt: {enabled: false}\ncameras: {door: {url: /dev/null, pose: {model: lite}}}\n")
    arguments = ["-c", str(config)] if command == "check" else [str(config), "--parts", "settings"]
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", command, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "CACHE_DIRECTORY": ""},
    )
    name, status = ("pose_lite", 0) if command == "check" else ("pose_full", 1)
    assert done.returncode == status, done.stderr
    told = f"{name} is not in {tmp_path / 'posewatch' / 'models'}: run `posewatch models fetch {name}`"
    assert told in (done.stdout if command == "check" else done.stderr)
