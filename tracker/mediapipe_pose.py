"""BlazePose run by mediapipe: the same squares in and the same poses out as `tracker.pose.PoseEstimator`.

mediapipe's own `Pose` looks for one person and follows them by itself. Here its calculators stand in a graph
that begins with the square of a person whom posewatch found: crop, network, refinement by heat map, as in its
subgraph `PoseLandmarkByRoiCpu`, but without the mask, and without the gate that keeps weak poses back.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tracker.model_files import ModelFiles, sha256_of
from tracker.model_sources import POSE_MODELS
from tracker.pose import POINTS, Company, Pose, Roi, poses_from_crops
from tracker.runtime import ModelError
from tracker.store import cache_folder

__all__ = ["MediapipePoseEstimator", "check_mediapipe"]

_VERSION = "0.10.21"  # the last one that reports nothing about its use
_INSTALL = "pip install 'posewatch[mediapipe]'"
_SIZE = 256  # side of a crop in px, of all variants

# Everything runs in the calling thread: a worker has one core. The options are those of MediaPipe's
# pose_landmark_by_roi_cpu. The network gives landmarks, presence, mask, heat maps and metres.
_GRAPH = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "model_file"
executor { type: "ApplicationThreadExecutor" }
node {
  calculator: "ResourceProviderCalculator"
  input_side_packet: "RESOURCE_ID:model_file"
  output_side_packet: "RESOURCE:model_content"
}
node {
  calculator: "TfLiteModelCalculator"
  input_side_packet: "MODEL_RESOURCE:model_content"
  output_side_packet: "MODEL:model"
}
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image"
  input_stream: "NORM_RECT:roi"
  output_stream: "TENSORS:crop"
  options {
    [mediapipe.ImageToTensorCalculatorOptions.ext] {
      output_tensor_width: 256
      output_tensor_height: 256
      output_tensor_float_range { min: 0 max: 1 }
    }
  }
}
node {
  calculator: "InferenceCalculator"
  input_side_packet: "MODEL:model"
  input_stream: "TENSORS:crop"
  output_stream: "TENSORS:outputs"
  options { [mediapipe.InferenceCalculatorOptions.ext] { delegate { xnnpack { num_threads: 1 } } } }
}
node {
  calculator: "SplitTensorVectorCalculator"
  input_stream: "outputs"
  output_stream: "landmark_tensor"
  output_stream: "presence_tensor"
  output_stream: "heatmap_tensor"
  output_stream: "world_tensor"
  options {
    [mediapipe.SplitVectorCalculatorOptions.ext] {
      ranges { begin: 0 end: 1 }
      ranges { begin: 1 end: 2 }
      ranges { begin: 3 end: 4 }
      ranges { begin: 4 end: 5 }
    }
  }
}
node {
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:presence_tensor"
  output_stream: "FLOAT:presence"
}
node {
  calculator: "TensorsToLandmarksCalculator"
  input_stream: "TENSORS:landmark_tensor"
  output_stream: "NORM_LANDMARKS:unrefined"
  options {
    [mediapipe.TensorsToLandmarksCalculatorOptions.ext] {
      num_landmarks: 39
      input_image_width: 256
      input_image_height: 256
      visibility_activation: SIGMOID
      presence_activation: SIGMOID
    }
  }
}
node {
  calculator: "RefineLandmarksFromHeatmapCalculator"
  input_stream: "NORM_LANDMARKS:unrefined"
  input_stream: "TENSORS:heatmap_tensor"
  output_stream: "NORM_LANDMARKS:refined"
  options { [mediapipe.RefineLandmarksFromHeatmapCalculatorOptions.ext] { kernel_size: 7 } }
}
node {
  calculator: "TensorsToLandmarksCalculator"
  input_stream: "TENSORS:world_tensor"
  output_stream: "LANDMARKS:world"
  options { [mediapipe.TensorsToLandmarksCalculatorOptions.ext] { num_landmarks: 39 } }
}
"""


def check_mediapipe() -> None:
    """Looks whether mediapipe is installed, in the version that reports nothing, without loading it.

    Raises:
        ModelError: it is not, or it is another version.
    """
    try:
        found = version("mediapipe")
    except PackageNotFoundError:
        raise ModelError(f"the backend mediapipe is not installed: {_INSTALL}") from None
    if found != _VERSION:
        raise ModelError(
            f"mediapipe {found} is installed, but {_VERSION} is the last that reports nothing: {_INSTALL}"
        )


class MediapipePoseEstimator:
    """Reads poses in squares of an image with mediapipe: a `PoseBackend`, one graph for its whole life.

    Args:
        variant: full, lite or heavy. mediapipe brings full; the others are taken from the model store.
        min_score: `Pose.score` from which a pose is to be used. `estimate` returns weaker ones too.
        refine: moves each landmark to the peak of its heat map, as MediaPipe does; False leaves it where the
            network puts it, as `PoseEstimator` does.

    Raises:
        ModelError: mediapipe or the variant's network is not there.
    """

    def __init__(self, *, variant: str = "full", min_score: float = 0.5, refine: bool = True) -> None:
        check_mediapipe()
        try:
            import mediapipe
            from mediapipe.framework.formats import rect_pb2
            from mediapipe.python import packet_creator, packet_getter
        except ImportError as error:
            raise ModelError(
                f"mediapipe cannot be imported ({error}): install it again: {_INSTALL}"
            ) from error
        self.min_score = min_score
        self._create, self._get, self._rect = packet_creator, packet_getter, rect_pb2.NormalizedRect
        self._format = mediapipe.ImageFormat.SRGB
        self._points = "refined" if refine else "unrefined"
        self._outputs: dict[str, Any] = {}
        self._timestamp = 0
        self._graph = mediapipe.CalculatorGraph(graph_config=_GRAPH)
        for stream in (self._points, "presence", "world"):
            self._graph.observe_output_stream(stream, self._outputs.__setitem__)
        model = _model_file(variant, Path(mediapipe.__file__).parent)
        self._graph.start_run({"model_file": packet_creator.create_string(str(model))})

    def estimate(
        self,
        image: npt.NDArray[np.uint8],
        rois: Sequence[Roi],
        company: Sequence[Company | None] | None = None,
        steady: Sequence[bool] | None = None,  # noqa: ARG002 (one network for all)
    ) -> list[Pose]:
        """Reads the person in each square; see `tracker.pose.PoseBackend`."""
        if not rois:
            return []
        beside = [None] * len(rois) if company is None else company
        points = np.empty((len(rois), POINTS, 4), np.float32)
        world = np.empty((len(rois), POINTS, 3), np.float32)
        scores = np.empty(len(rois), np.float32)
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        whole = self._create.create_image_frame(rgb, image_format=self._format)
        for row, (roi, near) in enumerate(zip(rois, beside, strict=True)):
            picture = whole
            if near is not None:
                blanked = _blanked(rgb, roi, near)
                picture = self._create.create_image_frame(blanked, image_format=self._format)
            self._run(picture, self._rectangle(roi, image.shape[1], image.shape[0]))
            found = self._get.get_proto(self._outputs[self._points]).landmark
            points[row] = [(point.x, point.y, point.z, point.visibility) for point in found]
            metres = self._get.get_proto(self._outputs["world"]).landmark
            world[row] = [(point.x, point.y, point.z) for point in metres]
            scores[row] = self._get.get_float(self._outputs["presence"])
        points[:, :, :3] *= _SIZE
        return poses_from_crops(points, world, scores, rois, _SIZE)

    def _rectangle(self, roi: Roi, width: int, height: int) -> Any:
        """The square in shares of the image."""
        return self._create.create_proto(
            self._rect(
                x_center=roi.x / width,
                y_center=roi.y / height,
                width=roi.side / width,
                height=roi.side / height,
                rotation=roi.angle,
            )
        )

    def _run(self, picture: Any, rectangle: Any) -> None:
        """Sends one square through the graph; its outputs are there afterwards."""
        self._timestamp += 1
        self._outputs.clear()
        self._graph.add_packet_to_input_stream("image", picture.at(self._timestamp))
        self._graph.add_packet_to_input_stream("roi", rectangle.at(self._timestamp))
        self._graph.wait_until_idle()


def _blanked(rgb: npt.NDArray[Any], roi: Roi, company: Company) -> npt.NDArray[Any]:
    """A copy of the image, with the neighbours painted over in the mean colour around the person."""
    result = rgb.copy()
    reach = roi.side / 2
    left, top = max(int(roi.x - reach), 0), max(int(roi.y - reach), 0)
    around = rgb[top : max(int(roi.y + reach), top + 1), left : max(int(roi.x + reach), left + 1)]
    colour = around.mean(axis=(0, 1)) if around.size else np.zeros(3)
    result[company.hidden(rgb.shape[:2]) > 0] = colour
    return result


def _model_file(variant: str, package: Path) -> Path:
    """The network as Google made it, from mediapipe's package or the model store; nothing is fetched."""
    name = f"pose_{variant}"
    if name not in POSE_MODELS:
        raise ModelError(f"{variant}: unknown variant: choose full, lite or heavy")
    model, store = POSE_MODELS[name], ModelFiles(cache_folder() / "models")
    for file in (package / "modules" / "pose_landmark" / model.file, store.tflite(model)):
        if sha256_of(file) == model.sha256:
            return file
    raise ModelError(
        f"{name} is neither in mediapipe nor in {store.folder}: run `posewatch models fetch {name}`"
    )
