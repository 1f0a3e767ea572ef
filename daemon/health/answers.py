"""What the health server says on each path."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from http import HTTPStatus

from daemon.figures import ServiceFigures
from daemon.health.metrics import CONTENT_TYPE, MetricsPage
from daemon.health.picture import picture_of
from daemon.health.requests import Answer, refusal
from daemon.masking import mask_url

__all__ = ["Answers"]

_log = logging.getLogger(__name__)
_KEEP = 0.25  # seconds for which an answer is given again: however many ask, it is made four times a second
_INDEX = b"posewatch\n/healthz  /readyz  /metrics  /status\n"


class Answers:
    """Makes answers of figures.

    Args:
        read: the figures now.
        mask: hides credentials; no text of others gets out without it.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        read: Callable[[], ServiceFigures],
        mask: Callable[[str], str] = mask_url,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._mask, self._clock = read, mask, clock
        self._metrics = MetricsPage()
        self._made: dict[str, tuple[float, Answer]] = {}
        self._makers = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": lambda figures: Answer(HTTPStatus.OK, self._metrics.render(figures), CONTENT_TYPE),
            "/status": self._status,
        }

    def to(self, path: str) -> Answer:
        """The answer for a path."""
        if path == "/":
            return Answer(HTTPStatus.OK, _INDEX)
        make = self._makers.get(path)
        if make is None:
            return refusal(HTTPStatus.NOT_FOUND, "there are /healthz, /readyz, /metrics and /status")
        now = self._clock()
        made = self._made.get(path)
        if made is not None and now - made[0] < _KEEP:
            return made[1]
        try:
            answer = make(self._read())
        except Exception:
            _log.exception("health_failed path=%s", path)
            answer = refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the figures cannot be read, see the log")
        self._made[path] = (now, answer)
        return answer

    def _healthz(self, figures: ServiceFigures) -> Answer:
        if figures.hung:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"no progress: {', '.join(figures.hung)}")
        return Answer(HTTPStatus.OK, b"ok\n")

    def _readyz(self, figures: ServiceFigures) -> Answer:
        """Ready or not; then what is wrong all the same, because cameras and broker may be down."""
        lines = ["ready" if figures.ready else "not ready: configuration, models and workers are not up yet"]
        away = [
            f"{camera.name} ({camera.reason or camera.state})"
            for camera in figures.cameras
            if camera.enabled and camera.state != "streaming"
        ]
        if away:
            lines.append(f"cameras without pictures: {', '.join(away)}")
        if figures.overloaded:
            lines.append(f"cameras with too little time for their frames: {', '.join(figures.overloaded)}")
        if figures.mqtt.enabled and not figures.mqtt.connected:
            lines.append(f"mqtt: not connected, {figures.mqtt.queued} messages wait")
        if figures.storage_state != "ok":
            lines.append(f"storage: {figures.storage_state}")
        if figures.config.state != "ok":
            lines.append("config: the file was refused at the last reload, the former one holds")
        status = HTTPStatus.OK if figures.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return refusal(status, "\n".join(lines))

    def _status(self, figures: ServiceFigures) -> Answer:
        text = json.dumps(picture_of(figures, time.time(), self._mask), ensure_ascii=False)
        return Answer(HTTPStatus.OK, text.encode("utf-8", "replace"), "application/json")
