"""Why something ended: part of every message that ends an alert, an action or a track."""

from __future__ import annotations

from enum import Enum

__all__ = ["EndReason"]


class EndReason(str, Enum):
    """Why an alert was cleared, or an action or a track ended.

    Attributes:
        OVER: there is no evidence any more; of a track: the person left.
        SCHEDULE: the rule's hours are over.
        PROFILE: the rule is not part of the profile that is in use now.
        SWITCHED_OFF: the camera, or its alerts, were switched off.
        CAMERA_LOST: the camera gives no frames.
        SHUTDOWN: the service stopped.
        RESTART: the service ended without a goodbye, and closes at its next start what was open.
        CONFIG: the configuration changed.
        FAILED: the code that watches this camera failed, and starts anew.
    """

    OVER = "over"
    SCHEDULE = "schedule"
    PROFILE = "profile"
    SWITCHED_OFF = "switched_off"
    CAMERA_LOST = "camera_lost"
    SHUTDOWN = "shutdown"
    RESTART = "restart"
    CONFIG = "config"
    FAILED = "failed"
