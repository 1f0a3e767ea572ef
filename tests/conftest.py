"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the evaluation data ($POSEWATCH_DATA, else ../shared/data); skips where it is absent."""
    folder = Path(os.environ.get("POSEWATCH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"evaluation data not found at {folder}: set POSEWATCH_DATA")
    return folder
