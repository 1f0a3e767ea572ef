"""The demo: real footage as an RTSP camera, an embedded broker, the daemon, events on the terminal."""

from __future__ import annotations

from daemon.demo.demo import run_demo
from daemon.demo.errors import DemoError

__all__ = ["DemoError", "run_demo"]
