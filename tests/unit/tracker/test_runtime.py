"""What runs the networks: options of each provider, what is missing, the CPU instead, shared sessions."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from tracker.batching import BatchingSession
from tracker.detector import bundled_model
from tracker.runtime import CPU, ModelError, Provider, ProviderError, Session, SessionPool, create_session
from tracker.runtime.guard import GuardedSession

CROPS = {"crops": ["batch", 256, 256, 3]}
PICTURES = {"images": [1, 3, "height", "width"]}
INSTALLED = ort.get_available_providers()
needs_no_cuda = pytest.mark.skipif("CUDAExecutionProvider" in INSTALLED, reason="this build has CUDA")


@pytest.fixture
def cuda_in_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with onnxruntime-gpu and no driver: the build has the provider, and a session does without it."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", *INSTALLED])


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        (Provider("cuda"), {"device_id": "0", "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}),
        (Provider("cuda", "1", "tf32"), {"device_id": "1", "use_tf32": "1"}),
        (Provider("tensorrt"), {"trt_fp16_enable": "0", "trt_bf16_enable": "0"}),
        (
            Provider("tensorrt", precision="fp16", cache=Path("/c")),
            {
                "trt_fp16_enable": "1",
                "trt_engine_cache_enable": "1",
                "trt_engine_cache_path": "/c",
                "trt_profile_min_shapes": "crops:1x256x256x3",
                "trt_profile_opt_shapes": "crops:4x256x256x3",
                "trt_profile_max_shapes": "crops:16x256x256x3",
            },
        ),
        (Provider("openvino"), {"device_type": "CPU"}),
        (
            Provider("openvino", "GPU.1", "fp16", cache=Path("/c")),
            {"device_type": "GPU.1", "cache_dir": "/c"},
        ),
        (Provider("coreml", precision="fp16"), {"MLComputeUnits": "ALL", "ModelFormat": "MLProgram"}),
        (Provider("coreml", "CPUOnly", cache=Path("/c")), {"ModelCacheDirectory": "/c"}),
    ],
)
def test_options_as_onnx_runtime_names_them(provider: Provider, options: dict[str, str]) -> None:
    chain = provider.chain(1, lambda: CROPS)
    name, given = chain[0]
    assert name == provider.ort_name
    assert given | options == given
    assert chain[-1] == ("CPUExecutionProvider", {})
    assert all(isinstance(value, str) for value in given.values())


def test_tensorrt_knows_every_size_of_picture_and_hands_the_rest_to_cuda() -> None:
    (_, given), (next_one, _), _ = Provider("tensorrt").chain(1, lambda: PICTURES)
    assert given["trt_profile_max_shapes"] == "images:1x3x1280x1280"
    assert next_one == "CUDAExecutionProvider"


@pytest.mark.parametrize(("precision", "hint"), [("fp32", "f32"), ("bf16", "bf16"), ("fp16", "f16")])
def test_openvino_is_always_told_the_precision(precision: str, hint: str) -> None:
    (_, given), _ = Provider("openvino", precision=precision).chain(1, lambda: CROPS)
    settings = json.loads(given["load_config"])["CPU"]
    assert settings["INFERENCE_PRECISION_HINT"] == hint
    assert settings["INFERENCE_NUM_THREADS"] == "1"


@pytest.mark.parametrize(("name", "precision"), [("cpu", "bf16"), ("cuda", "fp16"), ("coreml", "tf32")])
def test_a_precision_that_the_provider_does_not_know_is_refused(name: str, precision: str) -> None:
    with pytest.raises(ProviderError, match=rf"^{name} has no precision {precision}: use fp32"):
        Provider(name, precision=precision).check(installed=False)


@needs_no_cuda
def test_what_is_not_installed_is_named_with_what_to_install() -> None:
    with pytest.raises(ProviderError, match=r"^cuda is not installed: .*onnxruntime-gpu") as caught:
        create_session(bundled_model(), provider=Provider("cuda"))
    assert "\n" not in str(caught.value)


@needs_no_cuda
@pytest.mark.usefixtures("cuda_in_name_only")
def test_a_session_that_does_without_the_provider_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ProviderError, match=r"^cuda: does not work here: .*driver cannot be loaded"):
        create_session(bundled_model(), provider=Provider("cuda"))
    assert capfd.readouterr() == ("", "")


@needs_no_cuda
def test_the_cpu_takes_over_where_that_is_wanted_and_says_so_once(pose_model: Path) -> None:
    told: list[str] = []
    pool = SessionPool(Provider("cuda", fallback=True), on_fallback=told.append)
    for path in (bundled_model(), pose_model):
        assert pool(path).get_inputs()
        assert pool.run_by == "cpu"
    (line,) = told
    assert line.startswith("cuda is not installed")
    with pytest.raises(ProviderError):
        SessionPool(Provider("cuda"))(bundled_model())


@needs_no_cuda
@pytest.mark.usefixtures("cuda_in_name_only")
def test_a_damaged_model_is_the_models_fault_whatever_runs_it(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(bundled_model().read_bytes()[:5000])
    with pytest.raises(ModelError, match="not a usable ONNX model") as caught:
        SessionPool(Provider("cuda"))(damaged)
    assert not isinstance(caught.value, ProviderError)


class Failing:
    """A network on a device that is gone after so many calls."""

    def __init__(self, session: Session, calls: int) -> None:
        self._session, self._left = session, calls
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs
        self.get_modelmeta = session.get_modelmeta

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[Any]:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("CUDA failure 999:\n unknown error")
        return self._session.run(output_names, input_feed)


def test_the_cpu_takes_over_from_a_device_that_fails_at_work(pose_model: Path) -> None:
    told: list[str] = []
    plain = create_session(pose_model)
    guarded = GuardedSession(Failing(plain, 1), lambda: plain, told.append)
    crops = {"crops": np.zeros((1, 256, 256, 3), np.uint8)}
    expected = plain.run(["presence"], crops)[0]
    for _ in range(4):
        np.testing.assert_array_equal(guarded.run(["presence"], crops)[0], expected)
    assert told == ["CUDA failure 999: unknown error"]


def test_an_input_that_no_device_takes_changes_nothing(pose_model: Path) -> None:
    told: list[str] = []
    guarded = GuardedSession(create_session(pose_model), lambda: create_session(pose_model), told.append)
    with pytest.raises(Exception, match="invalid dimensions"):
        guarded.run(None, {"crops": np.zeros((1, 100, 100, 3), np.uint8)})
    assert guarded.run(["presence"], {"crops": np.zeros((1, 256, 256, 3), np.uint8)})[0].shape == (1, 1)
    assert told == []


def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    if INSTALLED == ["AzureExecutionProvider", "CPUExecutionProvider"]:
        assert Provider("auto").resolved() in (CPU, Provider("openvino", fallback=True))


def test_workers_share_a_session_as_long_as_one_of_them_has_it() -> None:
    pool = SessionPool()
    one, other = pool(bundled_model()), pool(bundled_model())
    assert one is other
    assert pool(bundled_model(), threads=2) is not one
    alive = weakref.ref(one)
    del one, other
    assert alive() is None


def test_a_file_that_took_the_place_of_another_is_another_model(tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    shutil.copy(bundled_model(), mine)
    pool = SessionPool()
    before = pool(mine)
    new = tmp_path / "new"
    new.write_bytes(bundled_model().read_bytes() + b"\x72\x00")  # an empty field that ONNX ignores
    new.replace(mine)
    assert pool(mine) is not before


def test_openvino_on_the_cpu_has_a_session_for_each_worker() -> None:
    assert not Provider("openvino").is_shared  # one of it calculates for one thread after the other
    assert Provider("openvino", "GPU").is_shared


def test_batching_gives_what_single_calls_give(pose_model: Path) -> None:
    batching, plain = SessionPool(batching=True)(pose_model), create_session(pose_model)
    assert isinstance(batching, BatchingSession)
    crops = np.random.default_rng(0).integers(0, 255, (2, 256, 256, 3), np.uint8)
    for name in ("landmarks", "presence"):
        (found,), (expected,) = (one.run([name], {"crops": crops}) for one in (batching, plain))
        np.testing.assert_array_equal(found, expected)
