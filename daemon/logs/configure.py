"""Sets the log up."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from daemon.logs.handler import EventHandler
from daemon.logs.hooks import install_hooks
from daemon.logs.repeats import Repeats
from daemon.masking import Masker

if TYPE_CHECKING:
    from daemon.config import LogConfig

__all__ = ["configure_logging"]


def configure_logging(settings: LogConfig, secrets: Iterable[str] = ()) -> None:
    """Sends what is logged, warned of or not caught to stderr, with the configured level and format.

    May be called again, after a reload: what the former handler kept back is told.

    Args:
        settings: level, format, repeats.
        secrets: of the configuration (`Config.secrets`); hidden wherever they appear.
    """
    root = logging.getLogger()
    former = [handler for handler in root.handlers if isinstance(handler, EventHandler)]
    handler = EventHandler(
        sys.stderr,
        as_json=settings.format == "json",
        mask=Masker(secrets),
        repeats=Repeats(settings.repeats),
    )
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for one in former:
        one.close()
    install_hooks()
