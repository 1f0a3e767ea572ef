"""Whether int8 earns its place in the pose networks: static quantisation, calibrated on crops of real people.

    python tests/benchmarks/int8_pose.py out/pose_full_int8.onnx [--variant full] [--ops Conv]
    python tests/benchmarks/provider_accuracy.py --pose full --candidate out/pose_full_int8.onnx --no-detector

QDQ, weights by channel, the last layers of every output in float, for processors with VNNI. The second
command compares landmarks and time with the network as it is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from tracker.detector import Detector
from tracker.pose import PoseEstimator, Roi
from tracker.store import ModelStore
from tracker.training.samples import read_samples

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "accuracy"))
from detection import DATA


class Crops(CalibrationDataReader):  # type: ignore[misc]
    """People of labelled images, cut out as the product does."""

    def __init__(self, variant: str, count: int, name: str) -> None:
        self._crops = self._cut(variant, count, name)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._crops, None)

    @staticmethod
    def _cut(variant: str, count: int, name: str) -> Iterator[dict[str, Any]]:
        estimator, detector = PoseEstimator(variant=variant), Detector(score=0.5)
        samples = read_samples(DATA / "person_boxes")
        for place in np.random.default_rng(0).permutation(len(samples)):
            image = samples[place].read()
            rois = [Roi.around(box) for box in detector.detect(image).boxes]
            large = [roi for roi in rois if roi.side > 100.0][:2]
            for roi in large:
                maps = np.stack([roi.to_image(256)])
                yield {name: estimator._crops(image, maps)}
                count -= 1
                if count == 0:
                    return


def last_layers(graph: onnx.GraphProto, depth: int) -> list[str]:
    """Names of the nodes within so many convolutions or products of an output."""
    makers = {output: node for node in graph.node for output in node.output}
    found, ahead = dict[str, int](), [(output.name, depth) for output in graph.output]
    while ahead:
        name, left = ahead.pop()
        node = makers.get(name)
        if node is None or found.get(node.name, -1) >= left:
            continue
        found[node.name] = left
        left -= node.op_type in ("Conv", "Gemm", "MatMul")
        if left > 0:
            ahead += [(given, left) for given in node.input]
    return list(found)


def main() -> int:
    """Writes the quantised model; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--variant", choices=("full", "lite"), default="full")
    parser.add_argument("--crops", type=int, default=128, help="to calibrate with")
    parser.add_argument("--depth", type=int, default=1, help="layers before each output that stay in float")
    parser.add_argument("--method", choices=("MinMax", "Percentile", "Entropy"), default="MinMax")
    parser.add_argument("--ops", nargs="*", help="kinds of nodes to quantise, Conv say (default: all)")
    given = parser.parse_args()
    model = ModelStore().path(f"pose_{given.variant}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        whole = onnx.load(prepared)
        graph = whole.graph
        for place, node in enumerate(graph.node):
            node.name = f"node_{place}"  # the conversion gives none, and by their names they are left out
        onnx.save(whole, prepared)
        quantize_static(
            str(prepared),
            str(given.out),
            Crops(given.variant, given.crops, graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=last_layers(graph, given.depth),
            op_types_to_quantize=given.ops,
            calibrate_method=CalibrationMethod[given.method],
            extra_options={"CalibMovingAverage": True},
        )
    print(f"{given.out}: {given.out.stat().st_size} bytes, calibrated on {given.crops} crops")
    return 0


if __name__ == "__main__":
    sys.exit(main())
