"""Which options of ONNX Runtime are worth it: CPU time and memory of every network, option against option.

    python tests/benchmarks/runtime_options.py vtest.avi [--only detector] [--json out/options.json]

Times are CPU time of one call, the median of calls that the options make in turns, and the ratio to the
options of the product, median of the ratios round by round. With two threads inside a call it is that of the
process, both threads, and is taken alone: a pool that spins would burn the time of whoever comes next. Memory
is what a fresh process has more after loading the network and calling it with these inputs, once and again.
Then two threads call at once, each a session of its own against one session for both: that is wall time, of
which on a machine with other work only the ratio means anything.

    python tests/benchmarks/runtime_options.py vtest.avi --batches --provider openvino --precision bf16

CPU time of a crop by the number of crops in a call, which is what batching across cameras could save, in an
environment that has the provider.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from classifier.fights.model import look_beside
from tracker.detector import bundled_model
from tracker.letterbox import fitting_size, letterbox
from tracker.runtime import PRECISIONS, PROVIDERS, Provider, create_session
from tracker.store import ModelStore

CLASSIFIER = Path(__file__).resolve().parents[2] / "classifier" / "models"
LEVELS = ort.GraphOptimizationLevel
MEMORY_ROUNDS = 30


def _set(**values: Any) -> Callable[[ort.SessionOptions], None]:
    def change(options: ort.SessionOptions) -> None:
        for name, value in values.items():
            setattr(options, name, value)

    return change


def _entry(*pairs: tuple[str, str]) -> Callable[[ort.SessionOptions], None]:
    def change(options: ort.SessionOptions) -> None:
        for name, value in pairs:
            options.add_session_config_entry(name, value)

    return change


def _spinning(options: ort.SessionOptions) -> None:
    options.intra_op_num_threads = 2


OPTIONS: dict[str, Callable[[ort.SessionOptions], None]] = {
    "product": lambda _: None,
    "arena off": _set(enable_cpu_mem_arena=False),
    "arena of all sessions": _entry(("session.use_env_allocators", "1")),
    "arena shrunk after each call": lambda _: None,  # an option of the call, see `_caller`
    "memory pattern off": _set(enable_mem_pattern=False),
    "graph: basic": _set(graph_optimization_level=LEVELS.ORT_ENABLE_BASIC),
    "graph: extended": _set(graph_optimization_level=LEVELS.ORT_ENABLE_EXTENDED),
    "graph: layout": _set(graph_optimization_level=LEVELS.ORT_ENABLE_LAYOUT),
    "denormals are zero": _entry(("session.set_denormal_as_zero", "1")),
    "dynamic block base 4": _entry(("session.dynamic_block_base", "4")),
    "prepacking off": _entry(("session.disable_prepacking", "1")),
    "initialisers outside the arena": _entry(("session.use_device_allocator_for_initializers", "1")),
    "bound inputs and outputs": lambda _: None,  # see `_caller`
}
TWO_THREADS: dict[str, Callable[[ort.SessionOptions], None]] = {
    "two threads inside": _set(intra_op_num_threads=2),
    "two threads that spin": _spinning,
}


def networks(clip: Path, batch: int) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Model and inputs of every network, from a frame of a clip."""
    capture = cv2.VideoCapture(str(clip))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 100)
    read, image = capture.read()
    if not read:
        raise SystemExit(f"{clip}: no picture in it")
    height, width = image.shape[:2]
    columns, rows = fitting_size(width, height, 416 * 416)
    canvas, _ = letterbox(image, columns, rows, centred=False)
    blob = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32)
    side = min(height, width) // 2
    crops = np.stack(
        [
            cv2.resize(image[y : y + side, x : x + side], (256, 256))
            for x, y in [(at * (width - side) // max(1, batch - 1), height - side) for at in range(batch)]
        ]
    )
    random = np.random.default_rng(0)
    windows = random.normal(size=(6, 30, 122)).astype(np.float32)
    store = ModelStore()
    found: dict[str, tuple[Path, dict[str, Any]]] = {
        "detector": (bundled_model(), {"images": blob}),
        "pose full": (store.path("pose_full"), {"crops": crops}),
        "actions": (CLASSIFIER / "actions.onnx", {"features": windows}),
        "fights look": (look_beside(CLASSIFIER / "fights.onnx"), {"images": blob}),
    }
    lite = store.folder / "pose_lite.onnx"
    if lite.is_file():
        found["pose lite"] = (lite, {"crops": crops})
    return found


def session(model: Path, option: str) -> ort.InferenceSession:
    """A session as the product makes it, but for one option."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if option != "two threads that spin":
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    {**OPTIONS, **TWO_THREADS}[option](options)
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _caller(model: Path, inputs: dict[str, Any], option: str) -> Callable[[], object]:
    made = session(model, option)
    if option == "bound inputs and outputs":
        bound = made.io_binding()
        for name, value in inputs.items():
            bound.bind_cpu_input(name, value)
        for output in made.get_outputs():
            bound.bind_output(output.name)

        def call() -> object:
            made.run_with_iobinding(bound)
            return bound.copy_outputs_to_cpu()

        return call
    if option == "arena shrunk after each call":
        chosen = ort.RunOptions()
        chosen.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return lambda: made.run(None, inputs, chosen)
    return lambda: made.run(None, inputs)


def times(model: Path, inputs: dict[str, Any], rounds: int) -> dict[str, tuple[float, float]]:
    """CPU ms of a call and ratio to the product's, by option."""
    calls = {option: _caller(model, inputs, option) for option in OPTIONS}
    spent: dict[str, list[float]] = {option: [] for option in calls}
    for number in range(rounds + 3):
        for option, call in calls.items():
            began = time.thread_time()
            call()
            if number >= 3:
                spent[option].append(1000.0 * (time.thread_time() - began))
    product = np.array(spent["product"])
    found = {
        option: (float(np.median(values)), float(np.median(np.array(values) / product)))
        for option, values in spent.items()
    }
    for option in TWO_THREADS:
        both = _of_process(_caller(model, inputs, option), rounds)
        found[option] = (both, both / _of_process(calls["product"], rounds))
    return found


def _of_process(call: Callable[[], object], rounds: int) -> float:
    for _ in range(3):
        call()
    began = time.process_time()
    for _ in range(rounds):
        call()
    return 1000.0 * (time.process_time() - began) / rounds


def _resident() -> float:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def memory_of(clip: Path, batch: int, name: str, option: str, sessions: int) -> float:
    """MB that the sessions of a network take in this process."""
    if option == "arena of all sessions":
        info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
        ort.create_and_register_allocator(info, None)
    model, inputs = networks(clip, batch)[name]
    before = _resident()
    calls = [_caller(model, inputs, option) for _ in range(sessions)]
    for _ in range(MEMORY_ROUNDS):
        for call in calls:
            call()
    return _resident() - before


def memory(clip: Path, batch: int, name: str, option: str, sessions: int = 1) -> float:
    """The same in a process of its own."""
    arguments = [str(clip), "--batch", str(batch), "--memory", name, option, str(sessions)]
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


def two_threads(model: Path, inputs: dict[str, Any], rounds: int) -> tuple[float, float]:
    """Wall ms a call of two threads at once: with a session each, and with one; and the latter's ratio."""
    one, other = session(model, "product"), session(model, "product")
    ways = {"own": (one, other), "shared": (one, one)}
    calls, walls = 6, dict[str, list[float]](own=[], shared=[])
    for _ in range(rounds):
        for way, pair in ways.items():
            walls[way].append(_together(pair, inputs, calls) / calls)
    ratios = np.array(walls["shared"]) / np.array(walls["own"])
    return 1000.0 * float(np.median(walls["own"])), float(np.median(ratios))


def _together(pair: tuple[ort.InferenceSession, ...], inputs: dict[str, Any], calls: int) -> float:
    start = threading.Barrier(len(pair) + 1)

    def work(session: ort.InferenceSession) -> None:
        start.wait()
        for _ in range(calls):
            session.run(None, inputs)

    threads = [threading.Thread(target=work, args=(one,)) for one in pair]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def batches(clip: Path, provider: Provider, rounds: int) -> None:
    """Prints CPU ms of one crop by crops in a call."""
    for name, (model, inputs) in networks(clip, 16).items():
        if not name.startswith("pose"):
            continue
        made, crops = create_session(model, provider=provider), inputs["crops"]
        spent: dict[int, list[float]] = {rows: [] for rows in (1, 2, 4, 8, 16)}
        for number in range(rounds + 3):
            for rows, values in spent.items():
                began = time.process_time()
                made.run(None, {"crops": crops[:rows]})
                if number >= 3:
                    values.append(1000.0 * (time.process_time() - began) / rows)
        line = "  ".join(f"{rows}: {np.median(values):.2f}" for rows, values in spent.items())
        print(f"{name}, {provider}: CPU ms a crop by crops in a call  {line}", flush=True)


def loading(model: Path, rounds: int = 5) -> float:
    """CPU ms to make a session."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        session(model, "product")
        spent.append(1000.0 * (time.process_time() - began))
    return float(np.median(spent))


def main() -> int:
    """Prints a table a network; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--batch", type=int, default=2, help="crops in one call of the pose networks")
    parser.add_argument("--only", help="one network")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--batches", action="store_true", help="only this")
    parser.add_argument("--provider", choices=PROVIDERS, default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument(
        "--memory", nargs=3, metavar=("NETWORK", "OPTION", "SESSIONS"), help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.memory:
        name, option, sessions = given.memory
        print(memory_of(given.clip, given.batch, name, option, int(sessions)))
        return 0
    if given.batches:
        batches(given.clip, Provider(given.provider, precision=given.precision), given.rounds)
        return 0
    results: dict[str, Any] = {}
    for name, (model, inputs) in networks(given.clip, given.batch).items():
        if given.only not in (None, name):
            continue
        rows = {}
        print(f"{name}: {loading(model):.0f} ms to load")
        for option, (spent, ratio) in times(model, inputs, given.rounds).items():
            megabytes = memory(given.clip, given.batch, name, option)
            rows[option] = {"cpu_ms": spent, "ratio": ratio, "mb": megabytes}
            print(f"  {option:32} {spent:7.2f} ms  {ratio:5.2f}x  {megabytes:6.1f} MB", flush=True)
        own, ratio = two_threads(model, inputs, given.rounds)
        pair = memory(given.clip, given.batch, name, "product", 2)
        print(f"  two threads: {own:.2f} ms a call with a session each, {ratio:.2f}x with one for both")
        print(f"  two sessions: {pair:.1f} MB")
        results[name] = {
            "options": rows,
            "own_ms": own,
            "shared_ratio": ratio,
            "two_mb": pair,
        }
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
