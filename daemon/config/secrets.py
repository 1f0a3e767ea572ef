"""What of a configuration is secret: for the log, which hides it wherever it appears."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from daemon.config.camera import CameraConfig
from daemon.config.document import KeyPath
from daemon.config.mqtt import MqttConfig
from daemon.masking import parameters_of

__all__ = ["HiddenValue", "secrets_of"]

HiddenValue: TypeAlias = tuple[KeyPath, str, str]
"""Where a value is, the variable that it came from ("" of a secret), and the value."""

_SECRET_KEYS = frozenset({"url", "password"})
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|login|auth", re.IGNORECASE)
_TELLING = 8  # characters of a user name that is no common word


def secrets_of(
    mqtt: MqttConfig,
    cameras: Mapping[str, CameraConfig],
    names: Collection[str],
    hidden: Iterable[HiddenValue],
) -> frozenset[str]:
    """Passwords, tokens, logins as they travel, and what came from `!secret` and from variables like it.

    Names and addresses that are told anyway are none: a password that is the name of the camera cannot be
    hidden without hiding the camera.

    Args:
        mqtt: the broker.
        cameras: by name.
        names: cameras, rules, zones and whatever else is part of topics.
        hidden: what came from secrets and variables.
    """
    found: set[str] = set()
    shown = {*names, mqtt.host}
    logins = [(mqtt.username, mqtt.password.get_secret_value() if mqtt.password else None)]
    for camera in cameras.values():
        logins.append((camera.username, camera.password.get_secret_value() if camera.password else None))
        if "://" in camera.url:
            logins += _logins_of(camera.url)
            found |= {form for one in parameters_of(camera.url) for form in (one, unquote(one))}
            shown |= _places_of(camera.url)
    for user, password in logins:
        if password:
            found |= {password, b64encode(f"{user or ''}:{password}".encode("utf-8", "replace")).decode()}
        if user and len(user) >= _TELLING and not user.isalpha():
            found.add(user)
    found |= {value for path, name, value in hidden if _is_secret(path, name, value)}
    return frozenset(found - shown)


def _logins_of(url: str) -> list[tuple[str | None, str | None]]:
    """User and password of a URL, as written and decoded; / or @ in them can be read in two ways."""
    rest = url.split("://", 1)[1]
    readings = {rest.rpartition("@")[0], re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[0]}
    logins: list[tuple[str | None, str | None]] = []
    for login in filter(None, readings):
        user, _, password = login.partition(":")
        logins += [(user, password or None), (unquote(user), unquote(password) or None)]
    return logins


def _places_of(url: str) -> set[str]:
    """Host and port."""
    try:
        parts = urlsplit(url)
        return {parts.hostname or "", str(parts.port)}
    except ValueError:  # a port that is none
        return set()


def _is_secret(path: KeyPath, name: str, value: str) -> bool:
    if not name:
        return True  # of !secret
    if "://" in value:
        return False  # a whole URL: what is secret in it was found there
    return _SECRET_NAME.search(name) is not None or any(part in _SECRET_KEYS for part in path)
