"""Puts this folder on the path, so that the tests can say `from bodies import ...`."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

# The same examples every run, and as long as a busy machine takes.
settings.register_profile("posewatch", deadline=None, derandomize=True)
settings.load_profile("posewatch")
sys.path.insert(0, str(Path(__file__).parent))
