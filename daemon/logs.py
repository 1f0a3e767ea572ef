"""Log lines: one event a line, key=value for people and the journal, or JSON. Credentials are masked."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

from daemon.masking import mask_url

if TYPE_CHECKING:
    from daemon.config import LogConfig

__all__ = ["configure_logging"]


class _MaskingFormatter(logging.Formatter):
    """Masks credentials in whatever was logged, exceptions included. A message stays on its line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")

    def format(self, record: logging.LogRecord) -> str:
        return mask_url(super().format(record))


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask_url(record.getMessage()),  # before JSON puts a \ before quotes
        }
        if record.exc_info:
            row["exception"] = mask_url(self.formatException(record.exc_info))
        return json.dumps(row, ensure_ascii=False)


def configure_logging(settings: LogConfig) -> None:
    """Sends the root logger to stderr with the configured level and format."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.format == "json":
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(_MaskingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
