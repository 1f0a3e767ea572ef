"""Whether a camera still shows what it should: covered, turned, blurred, blinded, or without a signal."""

from daemon.tamper.judging import TamperState
from daemon.tamper.view import KnownView
from daemon.tamper.watch import TamperWatch

__all__ = ["KnownView", "TamperState", "TamperWatch"]
