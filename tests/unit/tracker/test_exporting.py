"""Weights of ultralytics become ONNX files that the detector runs; everything else is refused in one line."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from tracker.detector import Detector
from tracker.exporting import export_detector
from tracker.runtime import ModelError

needs_ultralytics = pytest.mark.skipif(
    find_spec("ultralytics") is None,
    reason="ultralytics is not installed: pip install 'posewatch[ultralytics]'",
)

# Random weights, saved as training saves them, and what PyTorch makes of a picture with them.
MAKE_WEIGHTS = """
import numpy as np, torch
from ultralytics import YOLO
torch.manual_seed(1)
picture = torch.from_numpy(np.load("picture.npy"))
for name in ("yolov8n", "yolo11n", "yolo26n", "yolo11n-seg"):
    model = YOLO(f"{name}.yaml")
    model.save(f"{name}.pt")
    if model.task == "detect":
        network = model.model.eval()
        if name == "yolo26n":
            network.end2end = True
        with torch.no_grad():
            output = network(picture)
        np.save(f"{name}.npy", (output[0] if isinstance(output, (tuple, list)) else output).numpy())
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A folder with weights of every head, and of another task."""
    folder = tmp_path_factory.mktemp("weights")
    np.save(folder / "picture.npy", np.random.default_rng(3).random((1, 3, 320, 320), dtype=np.float32))
    quiet = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", MAKE_WEIGHTS], cwd=folder, env={**os.environ, **quiet}, check=True)
    return folder


def ignore(_line: str) -> None:
    """Progress that nobody reads."""


@needs_ultralytics
@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov8n", "yolo11n", "yolo26n"])
def test_an_exported_detector_gives_what_pytorch_gives(weights, tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    target = tmp_path / "out" / f"{name}.onnx"

    made = export_detector(weights / f"{name}.pt", ignore, target, (320, 320))

    assert made.file == target
    assert "AGPL" in made.licence
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert not (tmp_path / "config").exists()  # the user's settings of ultralytics are left alone
    assert onnx.load(target).opset_import[0].version <= 17
    assert Detector(target).input_size == (320, 320)
    expected = np.load(weights / f"{name}.npy")
    (output,) = ort.InferenceSession(target).run(None, {"images": np.load(weights / "picture.npy")})
    assert output.shape == expected.shape
    if name == "yolo26n":  # (1, 300, 6): equal scores may change places
        output, expected = np.sort(output[..., 4]), np.sort(expected[..., 4])
    np.testing.assert_allclose(output, expected, atol=1e-3, rtol=1e-3)


@needs_ultralytics
@pytest.mark.slow
def test_height_and_width_are_taken_in_this_order(weights, tmp_path):
    lines: list[str] = []

    made = export_detector(weights / "yolo11n.pt", lines.append, tmp_path / "wide.onnx", (192, 320))

    assert Detector(made.file).input_size == (320, 192)
    assert len(lines) == 1


@needs_ultralytics
def test_a_model_of_another_task_is_refused(weights, tmp_path):
    with pytest.raises(ModelError, match="is a segment model: choose one for detection"):
        export_detector(weights / "yolo11n-seg.pt", ignore, tmp_path / "out.onnx")


@needs_ultralytics
@pytest.mark.parametrize("damage", ["cut off", "empty", "text"])
def test_a_damaged_file_is_refused(weights, tmp_path, damage):
    content = {"cut off": (weights / "yolo11n.pt").read_bytes()[:1_000_000], "empty": b"", "text": b"hello\n"}
    file = tmp_path / "model.pt"
    file.write_bytes(content[damage])

    with pytest.raises(ModelError, match="damaged, or no model of ultralytics") as caught:
        export_detector(file, ignore)

    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


class Intruder:
    """A pickle that runs a command where it is loaded without care."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._trace),)


@needs_ultralytics
def test_code_in_the_weights_is_not_run(tmp_path):
    torch = pytest.importorskip("torch")
    trace, file = tmp_path / "trace", tmp_path / "model.pt"
    torch.save({"model": Intruder(trace)}, file)
    pickle.loads(pickle.dumps(Intruder(tmp_path / "elsewhere")))
    assert (tmp_path / "elsewhere").is_dir()  # without care it would run

    with pytest.raises(ModelError):
        export_detector(file, ignore)

    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere.pt", "no such file"), ("model.onnx", r"is no \.pt file"), ("model", r"is no \.pt file")],
)
def test_a_wrong_path_is_named(tmp_path, name, message):
    with pytest.raises(ModelError, match=message):
        export_detector(tmp_path / name, ignore)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    (tmp_path / "model.pt").write_bytes(b"weights")

    with pytest.raises(ModelError, match=r"pip install 'posewatch\[ultralytics\]'"):
        export_detector(tmp_path / "model.pt", ignore)


COMMAND = "import sys; from daemon.cli import main; sys.exit(main(['models', 'export', *sys.argv[1:]]))"


def export_by_command(folder, program, *arguments):
    """`posewatch models export` with an empty home and an empty folder of temporary files."""
    places = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    for place in places.values():
        Path(place).mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "YOLO_"))}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder,
        env={**kept, **places},
        capture_output=True,
        text=True,
    )


@needs_ultralytics
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cut off", "damaged, or no model of ultralytics: get it again"),
        ("segments", "is a segment model: choose one for detection"),
        ("code", "holds classes that ultralytics does not know"),
    ],
)
def test_the_command_refuses_a_file_in_one_line_and_leaves_nothing(weights, tmp_path, content, message):
    file = tmp_path / "user.pt"
    if content == "code":
        pytest.importorskip("torch").save({"model": Intruder(tmp_path / "trace")}, file)
    else:
        whole = (weights / "yolo11n-seg.pt").read_bytes()
        file.write_bytes(whole[:1_000_000] if content == "cut off" else whole)

    done = export_by_command(tmp_path, COMMAND, file)

    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("exporting ")]
    assert line.startswith(f"posewatch: {file}: ")
    assert message in line
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_the_command_without_the_extra_is_one_line(tmp_path):
    file = tmp_path / "user.pt"
    file.write_bytes(b"weights")

    done = export_by_command(tmp_path, f"import sys; sys.modules['ultralytics'] = None; {COMMAND}", file)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"posewatch: {file}: ultralytics, which reads it, is not installed")


def test_the_export_cannot_open_a_connection():
    program = (
        "import socket, sys, urllib.request; from tracker.exporting import _refuse_network\n"
        "sys.addaudithook(_refuse_network)\n"
        "for call in (\n"
        "    lambda: socket.create_connection(('127.0.0.1', int(sys.argv[1]))),\n"
        "    lambda: socket.getaddrinfo('localhost', 80),\n"
        "    lambda: urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/', timeout=5),\n"
        "):\n"
        "    try:\n"
        "        call()\n"
        "    except OSError as error:\n"
        "        print(error)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        done = subprocess.run(
            [sys.executable, "-c", program, str(server.getsockname()[1])], capture_output=True, text=True
        )
        with pytest.raises(BlockingIOError):
            server.accept()

    assert done.stdout.count("posewatch exports without a network") == 3, done.stderr
