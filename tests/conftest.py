"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for tests that load ONNX Runtime before `tracker`

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent))  # for `from payloads import ...`

from payloads import PayloadChecker, watch_messages  # noqa: E402


@pytest.fixture(scope="session")
def payload_checker() -> Iterator[PayloadChecker]:
    """Sees every message that is made in this process."""
    checker = PayloadChecker()
    with pytest.MonkeyPatch.context() as patch:
        watch_messages(checker, patch)
        yield checker


@pytest.fixture(autouse=True)
def _payloads_follow_their_schemas(
    request: pytest.FixtureRequest, payload_checker: PayloadChecker
) -> Iterator[None]:
    """No test may make a message that its schema in daemon/schemas does not know."""
    payload_checker.is_active = request.node.get_closest_marker("made_up_payloads") is None
    yield
    payload_checker.is_active = True  # fixtures of whole modules come before the test
    payload_checker.fail()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the evaluation data ($POSEWATCH_DATA, else ../shared/data); skips where it is absent."""
    folder = Path(os.environ.get("POSEWATCH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"evaluation data not found at {folder}: set POSEWATCH_DATA")
    return folder


@pytest.fixture(scope="session")
def pose_model() -> Path:
    """The full pose network in the model store, fetched on first use; skips where it cannot be had."""
    from tracker.store import ModelStore, StoreError

    try:
        return ModelStore().fetch("pose_full", print)
    except StoreError as error:
        pytest.skip(f"pose network not available: {error}")


@pytest.fixture(scope="session")
def footage() -> Path:
    """OpenCV's vtest.avi (768x576, 10 fps, 79 s, about five people at a time), fetched on first use."""
    from daemon.demo import DemoError
    from daemon.demo.sample import fetch_sample

    try:
        return fetch_sample(print)
    except DemoError as error:
        pytest.skip(f"real footage not available: {error}")


@pytest.fixture(scope="session")
def street(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of the footage as H.264."""
    from daemon.demo.servers import transcode

    return transcode(footage, tmp_path_factory.mktemp("footage") / "street.mp4", seconds=8.0)
