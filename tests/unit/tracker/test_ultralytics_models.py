"""ONNX models of ultralytics are read as its own decoder and NMS read the same network in PyTorch.

The networks are untrained. Statistics of real pictures and wider last layers make them answer with boxes and
scores of all sizes, which differ from cell to cell as those of a trained network do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from scipy.optimize import linear_sum_assignment

from tracker.detector import Detector
from tracker.exporting import export_detector
from tracker.heads import Head, HeadDecoder, recognise
from tracker.letterbox import fitting_size, letterbox
from tracker.runtime import ModelError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("ultralytics") is None,
        reason="ultralytics is not installed: pip install 'posewatch[ultralytics]'",
    ),
]

PERSON = 3  # the label, not the first one, so that its name decides
SCORE, IOU, MOST = 0.25, 0.7, 1000
SIDES = (256, 320)  # height, width
PIXELS, CLOSE = 0.15, 1e-3  # what rounding makes of boxes and scores in as many layers

# Loads nothing into the process of the tests, whose own settings of ultralytics stay as they are.
WORKER = """
import json, os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import cv2, numpy as np, onnxruntime, torch
from ultralytics import YOLO
from ultralytics.data.augment import LetterBox
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils import ops
from ultralytics.utils.nms import non_max_suppression

PERSON, CLASSES, SCORE, IOU, MOST = 3, 6, 0.25, 0.7, 1000

# Scores of half precision may be equal: torch leaves their order open, so that NMS keeps one or the other.
torch.Tensor.argsort = lambda values, dim, descending: torch.argsort(
    values, dim=dim, descending=descending, stable=True
)

def seen(picture, height, width):
    image = LetterBox(new_shape=(height, width), auto=False)(image=picture)
    rgb = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb)[None].float() / 255

def enliven(network, images):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean of all batches
    network.train()
    for _ in range(3):
        network(images)
    network.eval()
    head = network.model[-1]
    branches = [head.one2many] + ([head.one2one] if hasattr(head, "one2one_cv2") else [])
    for branch in branches:
        for kind, spread, bias in (("box_head", 0.4, 2.0), ("cls_head", 1.0, -2.0)):
            for level in branch[kind]:
                last, values = level[-1], []
                hook = last.register_forward_hook(lambda module, _, out: values.append(out))
                network(images)
                hook.remove()
                free = values[0] - last.bias[:, None, None]
                last.weight.mul_(spread / free.std())
                last.bias.fill_(bias)

def read(raw, picture, height, width, end2end, file):
    kept = non_max_suppression(
        raw.clone(), SCORE, IOU, classes=[PERSON], multi_label=True, agnostic=True, max_det=MOST,
        end2end=end2end,
    )[0]
    boxes = ops.scale_boxes((height, width), kept[:, :4].clone(), picture.shape)
    inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)  # what lies in the padding is no detection to us
    np.savez(file, raw=raw.numpy(), found=torch.cat([boxes, kept[:, 4:5]], 1)[inside].numpy())

torch.set_num_threads(1)
torch.set_grad_enabled(False)
job = json.loads(sys.argv[1])
pictures = {name: cv2.imread(name) for name in job["pictures"]}
if job["do"] == "make":
    torch.manual_seed(5)
    model = YOLO(f"{job['name']}.yaml")
    model.model = DetectionModel(f"{job['name']}.yaml", nc=CLASSES, verbose=False)
    enliven(model.model, torch.cat([seen(picture, 320, 320) for picture in pictures.values()]))
    model.model.names = {i: "person" if i == PERSON else f"thing {i}" for i in range(CLASSES)}
    model.save(job["weights"])  # in half precision
    network = YOLO(job["weights"]).model.float()
    for height, width in job["sizes"]:
        for number, picture in enumerate(pictures.values()):
            for end2end in (False, True)[: 1 + ("26" in job["name"])]:
                network.eval().end2end = end2end
                raw = network(seen(picture, height, width))[0]
                file = f"{job['name']}-{height}-{width}-{number}-{end2end}"
                read(raw, picture, height, width, end2end, file)
elif job["do"] == "read":
    session = onnxruntime.InferenceSession(job["model"])
    (entry,) = session.get_inputs()
    height, width = job["size"]
    for number, picture in enumerate(pictures.values()):
        blob = seen(picture, height, width).numpy()
        blob = blob.astype(np.float16 if "float16" in entry.type else np.float32)
        raw = torch.from_numpy(session.run(None, {entry.name: blob})[0]).float()
        read(raw, picture, height, width, job["end2end"], f"half-{height}-{width}-{number}-{job['end2end']}")
else:
    model = YOLO(job["weights"])
    print(model.export(format="onnx", opset=17, device="cpu", simplify=False, **job["options"]))
"""


def work(folder: Path, **job: Any) -> str:
    """Runs ultralytics in a process of its own, without a network; the last line that it prints."""
    quiet = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(folder / "settings")}
    done = subprocess.run(
        [sys.executable, "-c", WORKER, json.dumps({"pictures": [], **job})],
        cwd=folder,
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().rpartition("\n")[2]


@dataclass(frozen=True)
class Room:
    """Pictures with people, and the networks with what PyTorch makes of these."""

    folder: Path
    paths: list[str]
    pictures: list[np.ndarray]

    def weights(self, name: str) -> Path:
        return self.folder / f"{name}.pt"

    def read_by_ultralytics(self, model: Path, end2end: bool) -> None:
        """Lets ultralytics read a model, for `expected` under the name "half"."""
        work(self.folder, do="read", model=str(model), pictures=self.paths, size=SIDES, end2end=end2end)

    def expected(self, name: str, size: tuple[int, int], picture: int, end2end: bool) -> Any:
        """`raw` output of the network, and `found` (N, 5) people in pixels of the picture with scores."""
        return np.load(self.folder / f"{name}-{size[0]}-{size[1]}-{picture}-{end2end}.npz")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    folder = tmp_path_factory.mktemp("ultralytics")
    spec = find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    paths = sorted((Path(spec.origin).parent / "assets").glob("*.jpg"))  # a street and two men at a match
    if len(paths) < 2:
        pytest.skip("this version of ultralytics comes without pictures")
    pictures = [cv2.imread(str(path)) for path in paths]
    sizes = {SIDES} | {
        fitting_size(picture.shape[1], picture.shape[0], SIDES[0] * SIDES[1])[::-1] for picture in pictures
    }
    for name in ("yolov8n", "yolov8n-p2", "yolo11n", "yolo26n"):
        work(
            folder,
            do="make",
            name=name,
            weights=f"{name}.pt",
            pictures=[str(path) for path in paths],
            sizes=sorted(sizes),
        )
    return Room(folder, [str(path) for path in paths], pictures)


def candidates(model: Path, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N, 5) every candidate of a model: box in pixels of the input, score."""
    session = ort.InferenceSession(model)
    canvas, _ = letterbox(image, size[1], size[0], centred=True)
    blob = canvas[None, :, :, ::-1].transpose(0, 3, 1, 2) / np.float32(255.0)
    kind = np.float16 if "float16" in session.get_inputs()[0].type else np.float32
    (output,) = session.run(None, {session.get_inputs()[0].name: blob.astype(kind)})
    found = recognise(output, *size)
    assert found is not None
    read = HeadDecoder(*found, height=size[0], width=size[1], label=PERSON)(output, 0.0)
    return np.c_[read.boxes, read.scores]


def by_their_decoder(raw: np.ndarray, end2end: bool) -> np.ndarray:
    """The same from the output of their network: corners, or centres and sizes."""
    if end2end:
        return raw[0][raw[0, :, 5] == PERSON][:, :5]
    centre, size = raw[0, :2].T, raw[0, 2:4].T
    return np.c_[centre - size / 2, centre + size / 2, raw[0, 4 + PERSON]]


def pair(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(N, 5) differences of the rows that fit best: scores that are nearly equal may change places."""
    apart = np.abs(ours[:, None] - theirs[None])
    return apart[linear_sum_assignment(apart[..., :4].max(2) + 100.0 * apart[..., 4])]


# Name, what ultralytics is asked for, whether the head is that without NMS, head.
EXPORTS = {
    "yolov8n": ("yolov8n", {}, False),
    "yolov8n open": ("yolov8n", {"dynamic": True}, False),
    "yolov8n half": ("yolov8n", {"half": True}, False),
    "yolov8n-p2": ("yolov8n-p2", {}, False),  # with a fourth level for small people
    "yolo11n": ("yolo11n", {}, False),
    "yolo11n open": ("yolo11n", {"dynamic": True}, False),
    "yolo11n half": ("yolo11n", {"half": True}, False),
    "yolo26n": ("yolo26n", {"nms": False}, True),
    "yolo26n open": ("yolo26n", {"nms": False, "dynamic": True}, True),
    "yolo26n half": ("yolo26n", {"nms": False, "half": True}, True),
    "yolo26n one to many": ("yolo26n", {}, False),
    "yolo26n one to many open": ("yolo26n", {"dynamic": True}, False),
}


def check(model: Path, room: Room, name: str, *, end2end: bool, is_open: bool = False) -> None:
    """Compares all candidates, and the people found, with what ultralytics reads; prints the differences.

    Args:
        model: ONNX file.
        room: pictures and the output of PyTorch.
        name: of the network in the room, or "half" for what ultralytics reads from the same ONNX model.
        end2end: whether the head is that without NMS.
        is_open: whether the input's size is.
    """
    detector = Detector(model, score=SCORE, iou=IOU, max_detections=MOST)
    assert detector._head is (Head.END_TO_END if end2end else Head.ULTRALYTICS)
    for number, picture in enumerate(room.pictures):
        size = SIDES
        if is_open:
            size = fitting_size(picture.shape[1], picture.shape[0], SIDES[0] * SIDES[1])[::-1]
        expected = room.expected(name, size, number, end2end)
        cells, theirs = candidates(model, picture, size), by_their_decoder(expected["raw"], end2end)
        assert len(theirs) >= 10
        assert cells.shape == theirs.shape
        apart = pair(cells, theirs) if end2end else np.abs(cells - theirs)
        box, score = apart[:, :4].max(), apart[:, 4].max()
        assert box < PIXELS
        assert score < CLOSE

        people, theirs = detector.detect(picture), expected["found"]
        assert len(theirs) >= 10
        apart = pair(np.c_[people.boxes, people.scores], theirs)
        apart[:, :4] *= min(size[0] / picture.shape[0], size[1] / picture.shape[1])
        same = (apart[:, :4].max(1) < PIXELS) & (apart[:, 4] < CLOSE)
        share = same.sum() / max(len(people), len(theirs))
        print(
            f"{model.name} {size[1]}x{size[0]}: {len(cells)} cells within {box:.5f} px, {score:.1e}; "
            f"{len(theirs)} people, {share:.3f} the same"
        )
        assert share == 1.0


@pytest.mark.parametrize("what", EXPORTS)
def test_an_export_by_ultralytics_is_read_as_their_own_code_reads_the_network(
    what: str, room: Room, tmp_path: Path
) -> None:
    name, options, end2end = EXPORTS[what]
    weights = tmp_path / f"{what}.pt".replace(" ", "_")
    weights.symlink_to(room.weights(name))
    model = tmp_path / work(tmp_path, do="export", weights=str(weights), options={"imgsz": SIDES, **options})
    half = any(one.data_type == onnx.TensorProto.FLOAT16 for one in onnx.load(model).graph.initializer)
    assert half == ("half" in options)

    if half:  # rounding changes the network itself: what they read from this model counts
        room.read_by_ultralytics(model, end2end)
    check(model, room, "half" if half else name, end2end=end2end, is_open="dynamic" in options)


@pytest.mark.parametrize("name", ["yolov8n", "yolo11n", "yolo26n"])
def test_an_export_by_posewatch_is_read_so_too(name: str, room: Room, tmp_path: Path) -> None:
    made = export_detector(room.weights(name), lambda _line: None, tmp_path / f"{name}.onnx", SIDES)

    check(made.file, room, name, end2end=name == "yolo26n")


@pytest.mark.parametrize("name", ["yolov8n", "yolo26n"])
def test_an_export_with_input_and_output_of_half_precision_is_read(
    name: str, room: Room, tmp_path: Path
) -> None:
    """As ultralytics exports it on a GPU."""
    from onnxruntime.transformers import float16

    made = export_detector(room.weights(name), lambda _line: None, tmp_path / f"{name}.onnx", SIDES)
    half = tmp_path / "half.onnx"
    onnx.save(float16.convert_float_to_float16(onnx.load(made.file), keep_io_types=False), half)

    room.read_by_ultralytics(half, name == "yolo26n")
    check(half, room, "half", end2end=name == "yolo26n")


def test_a_list_as_long_as_the_grid_of_a_tiny_input_is_a_list(room: Room, tmp_path: Path) -> None:
    """96x96 px have 189 cells: (1, 189, 6) could also be a YOLOX of one class."""
    made = export_detector(room.weights("yolo26n"), lambda _line: None, tmp_path / "tiny.onnx", (96, 96))

    assert Detector(made.file)._head is Head.END_TO_END


def test_an_export_for_several_images_at_once_is_refused_in_one_line(room: Room, tmp_path: Path) -> None:
    weights = tmp_path / "many.pt"
    weights.symlink_to(room.weights("yolo11n"))
    model = tmp_path / work(tmp_path, do="export", weights="many.pt", options={"imgsz": 160, "batch": 4})

    with pytest.raises(ModelError, match="takes 4 images at once: export it for one") as caught:
        Detector(model)

    assert "\n" not in str(caught.value)
