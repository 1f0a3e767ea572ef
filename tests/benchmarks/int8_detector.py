"""Whether int8 earns its place: the bundled detector, or another, quantised by ONNX Runtime with calibration.

    python tests/benchmarks/int8_detector.py out/int8.onnx [--model person.onnx] [--data DIR] [--ops Conv]
    python tests/accuracy/detection.py --model tracker/models/person_yolox_nano.onnx --model out/int8.onnx

Static quantisation, QDQ, weights by channel, activations calibrated on images that the detector was
trained on. The last convolutions, whose outputs are log sizes and logits, stay in float: eight bits of one
scale for a box's centre and size cost accuracy at once. The second command compares accuracy and time.
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

from tracker.detector import bundled_model
from tracker.letterbox import letterbox
from tracker.training.samples import Sample, read_samples, split

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "accuracy"))
from detection import DATA

SIDE = 416  # percentiles want inputs of one size
FLOAT_LAYERS = ("class_output", "box_output", "object_output")


class Images(CalibrationDataReader):  # type: ignore[misc]
    """Training images, letterboxed as the detector does."""

    def __init__(self, samples: list[Sample], name: str) -> None:
        self._blobs = self._read(samples, name)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._blobs, None)

    @staticmethod
    def _read(samples: list[Sample], name: str) -> Iterator[dict[str, Any]]:
        for sample in samples:
            image = sample.read()
            canvas, _ = letterbox(image, SIDE, SIDE, centred=False)
            yield {name: np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32)}


def main() -> int:
    """Writes the quantised model; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", type=Path, default=bundled_model())
    parser.add_argument("--data", type=Path, default=DATA / "person_boxes")
    parser.add_argument("--images", type=int, default=128, help="to calibrate with")
    parser.add_argument("--method", choices=("MinMax", "Percentile", "Entropy"), default="MinMax")
    parser.add_argument("--vnni", action="store_true", help="weights of 8 bits, not 7: needs VNNI")
    parser.add_argument("--ops", nargs="*", help="kinds of nodes to quantise, Conv say (default: all)")
    given = parser.parse_args()
    training, _ = split(read_samples(given.data))
    random = np.random.default_rng(0)
    chosen = [training[place] for place in random.permutation(len(training))[: given.images]]
    original = onnx.load(given.model)
    nodes = original.graph.node
    last = [node.name for node in nodes if any(layer in node.name for layer in FLOAT_LAYERS)]
    # What follows the last convolutions moves numbers about; quantising it would round the very outputs.
    outputs = {output for node in nodes if node.name in last for output in node.output}
    for node in nodes:
        if outputs.intersection(node.input):
            outputs.update(node.output)
            last.append(node.name)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(given.model), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(given.out),
            Images(chosen, original.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=not given.vnni,  # without VNNI, sums of u8 * s8 overflow 16 bits otherwise
            nodes_to_exclude=last,
            op_types_to_quantize=given.ops,
            calibrate_method=CalibrationMethod[given.method],
            extra_options={"CalibMovingAverage": True},
        )
    quantised = onnx.load(given.out)
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(original.metadata_props)
    onnx.save(quantised, given.out)
    print(f"{given.out}: {given.out.stat().st_size} bytes, calibrated on {len(chosen)} images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
