"""Health and metrics over HTTP."""

from __future__ import annotations

from pydantic import Field

from daemon.config.base import ConfigModel

__all__ = ["HealthConfig"]


class HealthConfig(ConfigModel):
    """`/healthz`, `/readyz`, `/metrics` and `/status` over HTTP, for `posewatch status` and Prometheus."""

    enabled: bool = Field(
        default=True, title="Health server", description="false opens no port; `posewatch status` needs it."
    )
    host: str = Field(
        default="127.0.0.1",
        title="Address",
        description="Where to listen; nobody is asked for a password, so mind who can reach it. "
        "0.0.0.0 or :: is every network.",
        pattern=r"^[^\s/@]+$",
        max_length=253,
    )
    port: int = Field(default=9960, title="Port", description="TCP port.", ge=1, le=65535)
