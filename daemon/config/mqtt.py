"""Where messages go."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from daemon.config.base import ConfigModel, Duration, ExistingPath

__all__ = ["MqttConfig", "TlsConfig"]


class TlsConfig(ConfigModel):
    """Encryption of the connection to the broker."""

    enabled: bool = Field(
        default=False, title="TLS", description="Encrypt the connection; brokers usually want port 8883."
    )
    ca: ExistingPath | None = Field(
        default=None,
        title="CA file",
        description="PEM file of the authority that signed the broker's certificate; "
        "the system's authorities when left out.",
    )
    certificate: ExistingPath | None = Field(
        default=None,
        title="Client certificate",
        description="PEM file, where the broker wants one; needs `key`.",
    )
    key: ExistingPath | None = Field(
        default=None, title="Client key", description="PEM file of the client certificate's key."
    )
    verify: bool = Field(
        default=True,
        title="Verify the broker",
        description="Check the broker's certificate and host name; false accepts anyone who answers.",
    )

    @model_validator(mode="after")
    def _pair(self) -> TlsConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: give both or none")
        return self


class MqttConfig(ConfigModel):
    """The MQTT broker."""

    enabled: bool = Field(
        default=True, title="Publish", description="false publishes nothing (events are only logged)."
    )
    host: str = Field(
        default="localhost", title="Host", description="Name or address of the broker.", min_length=1
    )
    port: int = Field(default=1883, title="Port", description="1883 plain, 8883 with TLS.", ge=1, le=65535)
    username: str | None = Field(
        default=None, title="User", description="Where the broker asks for one.", repr=False
    )
    password: SecretStr | None = Field(
        default=None,
        title="Password",
        description="Better `!secret mqtt_password` or `${MQTT_PASSWORD}` than the words.",
    )
    client_id: str = Field(
        default="posewatch",
        title="Client id",
        description="Must be unique on the broker.",
        min_length=1,
        max_length=128,
    )
    prefix: str = Field(
        default="posewatch",
        title="Topic prefix",
        description="First levels of every topic.",
        min_length=1,
        max_length=128,
    )
    keepalive: Duration = Field(
        default=30.0,
        title="Keep-alive",
        description="The broker reports us offline after 1.5 times this.",
        ge=1,
        le=65535,
    )
    protocol: Literal["3.1.1", "5"] = Field(
        default="3.1.1", title="Protocol", description="MQTT version, in quotes; every broker knows 3.1.1."
    )
    tls: TlsConfig = Field(
        default_factory=TlsConfig, title="TLS", description="Encryption of the connection."
    )

    @field_validator("protocol", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return "5" if value in (5, 5.0) and not isinstance(value, bool) else value

    @field_validator("prefix")
    @classmethod
    def _topic(cls, value: str) -> str:
        if (
            any(character in "+#" or not character.isprintable() for character in value)
            or "//" in value
            or value.startswith(("/", "$"))
            or value.endswith("/")
        ):
            raise ValueError(
                "is the start of topics: no + or #, no / at its ends or two in a row, no $ in front"
            )
        return value
