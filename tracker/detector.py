"""Person detection in one image: letterbox, one ONNX call, decoding, NMS."""

from __future__ import annotations

import ast
import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from tracker.heads import Head, HeadDecoder, recognise
from tracker.letterbox import GRID, PADDING, InputBuffer, Letterbox, fitting_size, letterbox
from tracker.nms import suppress
from tracker.runtime import ModelError, OpenSession, create_session

__all__ = ["Detections", "Detector", "bundled_model"]

FloatArray = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_DYNAMIC_SIDE = 640  # input side of a model that leaves it open and names none
_MOST_PIXELS = 4096 * 4096  # of an input: what a file claims must not fill the memory
_LONGEST_METADATA = 1_000_000  # characters


@dataclass(frozen=True, slots=True)
class Detections:
    """People found in one image, best first.

    Attributes:
        boxes: (N, 4) float32 left, top, right, bottom in pixels of the source image, inside it.
        scores: (N,) float32 in 0..1.
        features: (C, rows, columns) float32 of a last stage of the network, whose cells cover the whole
            input, for whoever looks at the same picture; None where the model does not give any.
    """

    boxes: FloatArray
    scores: FloatArray
    features: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.scores)


def bundled_model() -> Path:
    """The detector that comes with the package."""
    return Path(str(resources.files("tracker"))) / "models" / "person_yolox_nano.onnx"


class Detector:
    """Finds people with any YOLOX or ultralytics (v8, 11, 26) ONNX model.

    The head is recognised from the model's own shapes, see `tracker.heads`. A model with an open input gets
    each image in the aspect that suits it, `fitting_size`; a fixed one gets it letterboxed. One instance
    may be used by several threads at once.

    Example:
        >>> detections = Detector().detect(cv2.imread("street.jpg"))
        >>> detections.boxes.shape
        (3, 4)
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        score: float = 0.1,
        iou: float = 0.65,
        max_detections: int = 100,
        pixels: int | None = None,
        threads: int = 1,
        open_session: OpenSession = create_session,
    ) -> None:
        """Loads the model and runs it on a blank image.

        `look` then is the fingerprint of the stage that gives the features of detections, or None.

        Args:
            model: ONNX file; None takes the bundled one.
            score: Least score of a detection. Low on purpose: the tracker's second stage uses weak
                detections of people it already follows.
            iou: NMS threshold. Higher keeps more of people who hide each other, and more doubles.
            max_detections: At most this many people an image.
            pixels: Pixels of the input, for a model that leaves it open; time grows with them, and so does
                the distance at which people are seen. None means what the model was made for.
            threads: Threads of one call.
            open_session: Loads the model: on the CPU, or as a `tracker.runtime.SessionPool` is told.

        Raises:
            ModelError: The file is missing, damaged or no person detector, or its input is fixed and
                `pixels` is given.
        """
        path = bundled_model() if model is None else Path(model)
        self._session = open_session(path, threads=threads)
        self._score, self._iou, self._limit = score, iou, max_detections
        inputs = self._session.get_inputs()
        metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _INPUT_TYPES:
            raise ModelError(
                f"{path}: not an image detector: one float input (1, 3, height, width) is needed"
            )
        images = inputs[0].shape[0]
        if _is_fixed(images) and images != 1:
            raise ModelError(f"{path}: takes {images} images at once: export it for one (batch=1)")
        self.name = path.stem
        self._input, self._buffers = inputs[0].name, threading.local()
        self._outputs = [self._session.get_outputs()[0].name]
        self.look: str | None = metadata.get("look")
        if self.look and [one.name for one in self._session.get_outputs()[1:]] == ["features"]:
            self._outputs.append("features")
        self._dtype = _INPUT_TYPES[inputs[0].type]
        self.input_size = _input_size(path, inputs[0].shape, metadata)
        decoder = self._recognise(path, metadata)
        self._decoders = {self.input_size: decoder}  # by input size, of which there are few
        self._head = decoder.head
        self._pixels: int | None = None
        if all(not _is_fixed(side) for side in inputs[0].shape[2:]) and self._follows(decoder):
            self._pixels = pixels or self.input_size[0] * self.input_size[1]
        elif pixels is not None:
            width, height = self.input_size
            raise ModelError(
                f"{path}: takes images of {width}x{height} only: leave the size out (detect.size), "
                "or export the model with an open input"
            )

    def detect(self, image: Image) -> Detections:
        """Finds the people in an image.

        Args:
            image: (H, W, 3) uint8, BGR.

        Returns:
            Detections in pixels of that image, best first.
        """
        decoder = self._decoder(image.shape[1], image.shape[0])
        blob, placed = self._placed(image, decoder)
        output, *features = self._session.run(self._outputs, {self._input: blob})
        candidates = decoder(output, self._score)
        if decoder.needs_nms:
            kept = suppress(candidates.boxes, candidates.scores, iou=self._iou, limit=self._limit)
        else:
            kept = np.argsort(-candidates.scores, kind="stable")[: self._limit]
        boxes = placed.to_source(candidates.boxes[kept], image.shape[1], image.shape[0])
        # What lies wholly in the padding has no area left after the cut at the border.
        inside = np.all(boxes[:, 2:] - boxes[:, :2] >= 1.0, axis=1)
        found = np.asarray(features[0][0], np.float32) if features else None
        return Detections(boxes[inside], candidates.scores[kept][inside], found)

    @property
    def pixels(self) -> int:
        """Pixels of the input."""
        return self._pixels or self.input_size[0] * self.input_size[1]

    def _placed(self, image: Image, decoder: HeadDecoder) -> tuple[npt.NDArray[Any], Letterbox]:
        """The input of the network, and where the image lies in it."""
        width, height = decoder.width, decoder.height
        if not self._head.is_yolox or self._dtype is not np.float32:
            canvas, placed = letterbox(image, width, height, centred=not self._head.is_yolox)
            return _blob(canvas, self._head, self._dtype), placed
        buffers: dict[tuple[int, int], InputBuffer] = self._buffers.__dict__.setdefault("by_size", {})
        buffer = buffers.get((width, height))
        if buffer is None:
            buffer = buffers[width, height] = InputBuffer(width, height)
        return buffer.fill(image)

    def _decoder(self, width: int, height: int) -> HeadDecoder:
        """The decoder for the input size that an image of width x height gets."""
        if self._pixels is None:
            return self._decoders[self.input_size]
        size = fitting_size(width, height, self._pixels)
        decoder = self._decoders.get(size)
        if decoder is None:
            decoder = dataclasses.replace(self._decoders[self.input_size], width=size[0], height=size[1])
            self._decoders[size] = decoder
        return decoder

    def _follows(self, decoder: HeadDecoder) -> bool:
        """Whether the output follows the input's size; some exports leave it open but bake the grid in."""
        width, height = self.input_size[0] + 2 * GRID, self.input_size[1]
        try:
            output = np.asarray(self._run(np.full((1, 3, height, width), PADDING, dtype=self._dtype)))
        except Exception:  # ONNX Runtime's exceptions share no base class of their own
            return False
        found = recognise(output, height, width, ultralytics=not decoder.head.is_yolox)
        return found == (decoder.head, decoder.strides)

    def _run(self, blob: npt.NDArray[Any]) -> FloatArray:
        output: FloatArray = self._session.run(self._outputs[:1], {self._input: blob})[0]
        return output

    def _recognise(self, path: Path, metadata: dict[str, str]) -> HeadDecoder:
        """The decoder for this model, from what it gives for a blank image."""
        width, height = self.input_size
        task = metadata.get("task", "detect")
        if task != "detect":
            raise ModelError(f"{path}: is a {task} model: choose one for detection")
        blank = np.full((1, 3, height, width), PADDING, dtype=self._dtype)
        try:
            output = np.asarray(self._run(blank))
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            reason = " ".join(str(error).split())
            raise ModelError(f"{path}: fails on an image of {width}x{height} ({reason})") from error
        found = recognise(output, height, width, ultralytics=metadata.get("author") == "Ultralytics")
        if found is None:
            raise ModelError(
                f"{path}: output {list(output.shape)} is of no known detector: YOLOX gives "
                "(1, cells, 5+classes), ultralytics (1, 4+classes, cells) or (1, boxes, 6)"
            )
        decoder = HeadDecoder(*found, height=height, width=width, label=_person_label(path, metadata))
        try:
            decoder(output, self._score)
        except (IndexError, ValueError) as error:
            raise ModelError(f"{path}: its output has no class {decoder.label}: export it again") from error
        return decoder


_INPUT_TYPES: dict[str, npt.DTypeLike] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def _blob(canvas: Image, head: Head, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """(1, 3, H, W) input: 0..255 BGR for YOLOX, 0..1 RGB for ultralytics."""
    if head.is_yolox:
        return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=dtype)
    rgb = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)
    rgb /= np.float32(255.0)  # as ultralytics does, to the last bit: half precision magnifies it
    return rgb.astype(dtype, copy=False)


def _input_size(path: Path, shape: Sequence[int | str | None], metadata: dict[str, str]) -> tuple[int, int]:
    """Width and height of the input; for open dimensions what the export names, else 640."""
    named = _literal(metadata.get("imgsz"))
    sides = isinstance(named, (list, tuple)) and all(type(side) is int and side > 0 for side in named)
    if not (sides and len(named) == 2):
        named = (_DYNAMIC_SIDE, _DYNAMIC_SIDE)
    height, width = (
        dimension if _is_fixed(dimension) else default
        for dimension, default in zip(shape[2:], named, strict=True)
    )
    if width * height > _MOST_PIXELS:
        raise ModelError(f"{path}: takes images of {width}x{height}: choose a model of at most 4096x4096")
    return width, height


def _is_fixed(dimension: int | str | None) -> TypeGuard[int]:
    return isinstance(dimension, int) and dimension > 0


def _person_label(path: Path, metadata: dict[str, str]) -> int:
    """Index of the class `person` in the metadata's `names`; 0 where a model carries no names."""
    names = _literal(metadata.get("names"))
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or all(str(index) == str(name) for index, name in names.items()):
        return 0  # no names, or ultralytics' stand-ins for them: the number of each class
    people = [
        int(index)
        for index, name in names.items()
        if str(index).isdecimal() and str(name).lower() in ("person", "people", "human")
    ]
    if people:
        return people[0]
    if len(names) == 1:
        return 0
    raise ModelError(
        f"{path}: has no class person among its {len(names)} classes: choose a model that has it"
    )


def _literal(text: str | None) -> Any:
    if text is None or len(text) > _LONGEST_METADATA:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
