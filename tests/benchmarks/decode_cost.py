"""CPU of a frame from the coded picture to what is asked of it: luma, a small picture, all in colour.

    python tests/benchmarks/decode_cost.py [--rounds 5] [--json FILE]

H.264 and H.265 at 768x576 and 1080p, OpenCV's vtest.avi coded as cameras do it (no B frames). CPU time of
one thread, the ways in turns, medians. Then what the decoder itself could leave out, and whether the pictures
stay what they are: loop filter, and frames on which none builds (with B frames, which few cameras send).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks"), str(ROOT / "tests" / "integration")]
sys.path.append(str(ROOT / "tests"))

from memory import write_clip  # noqa: E402

from daemon.frames import DecodedPicture  # noqa: E402

_FRAMES = 40
_SIDE = 416  # px of the detector's input
_SIZES = ((768, 576), (1920, 1080))

Way = Callable[[DecodedPicture], object]


def frames_of(path: Path, **options: str) -> Iterator[av.VideoFrame]:
    """Frames by one decoder thread."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.options = options
        yield from container.decode(stream)


def whole_then_small(picture: DecodedPicture) -> object:
    """As it was done before: everything in colour first."""
    width, height = picture.size
    return cv2.resize(picture.image(), (_SIDE, _SIDE * height // width))


WAYS: dict[str, Way] = {
    "nothing": lambda picture: picture.size,
    "luma": lambda picture: picture.luma(),
    "small": lambda picture: picture.scaled(_SIDE, _SIDE * picture.size[1] // picture.size[0]),
    "image": lambda picture: picture.image(),
    "image, made small": whole_then_small,
}


def cost_of_ways(path: Path, rounds: int) -> dict[str, float]:
    """Milliseconds a frame: of decoding, and what each way adds to it."""
    taken: dict[str, list[float]] = {name: [] for name in ("decoding", *WAYS)}
    for _ in range(rounds):
        began = time.thread_time()
        frames = list(frames_of(path))
        taken["decoding"].append((time.thread_time() - began) / len(frames))
        for name, way in WAYS.items():
            began = time.thread_time()
            for frame in frames:
                way(DecodedPicture(frame, 0.0))
            taken[name].append((time.thread_time() - began) / len(frames))
    return {name: 1000.0 * statistics.median(values) for name, values in taken.items()}


def cost_of_leaving_out(path: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of decoding a coded frame, share of frames given, and how far the worst one is off."""
    tried: dict[str, dict[str, str]] = {
        "everything": {},
        "no loop filter": {"skip_loop_filter": "all"},
        "no loop filter where none builds on it": {"skip_loop_filter": "noref"},
        "only what others build on": {"skip_frame": "noref"},
    }
    truth = {frame.pts: frame.to_ndarray(format="gray") for frame in frames_of(path)}
    result: dict[str, dict[str, float]] = {}
    taken: dict[str, list[float]] = {name: [] for name in tried}
    for _ in range(rounds):
        for name, options in tried.items():
            began = time.thread_time()
            given = list(frames_of(path, **options))
            taken[name].append((time.thread_time() - began) / len(truth))
            off = [
                float(np.abs(frame.to_ndarray(format="gray").astype(int) - truth[frame.pts]).mean())
                for frame in given
                if frame.pts in truth
            ]
            result[name] = {"given": len(given) / len(truth), "off": max(off)}
    for name, values in taken.items():
        result[name]["ms"] = 1000.0 * statistics.median(values)
    return result


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        for codec in ("h264", "h265"):
            for size in _SIZES:
                path = Path(name) / f"{codec}-{size[1]}.mp4"
                write_clip(path, codec, size, 10, _FRAMES)
                costs = cost_of_ways(path, options.rounds)
                label = f"{codec} {size[0]}x{size[1]}"
                found[label] = costs
                print(f"{label:16s}", *(f"{way} {value:.2f}" for way, value in costs.items()), sep="  ")
        for codec in ("h264", "h265"):
            path = Path(name) / f"{codec}-b.mp4"
            write_clip(path, codec, (768, 576), 10, _FRAMES, b_frames=2)
            for what, values in cost_of_leaving_out(path, options.rounds).items():
                found[f"{codec} with B frames: {what}"] = values
                print(
                    f"{codec} with B frames, {what}: {values['ms']:.2f} ms, {values['given']:.0%} of the "
                    f"frames, the worst {values['off']:.1f} levels off"
                )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
