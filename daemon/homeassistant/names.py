"""Names and ids in Home Assistant, derived from those of the configuration."""

from __future__ import annotations

import hashlib
import re

__all__ = ["entity_name", "node_id", "words"]


def words(name: str) -> str:
    """A name of the configuration as people read it: `living_room` is `Living room`."""
    text = re.sub(r"[_-]+", " ", name).strip()
    return text[:1].upper() + text[1:]


def node_id(prefix: str) -> str:
    """A topic prefix as one level of discovery topics; different prefixes stay different."""
    plain = re.sub(r"[^a-zA-Z0-9_-]", "_", prefix)
    return plain if plain == prefix else f"{plain}_{hashlib.sha256(prefix.encode()).hexdigest()[:6]}"


def entity_name(unique_id: str) -> str:
    """The part of an entity id after the dot: small letters and digits with single _ between."""
    return re.sub(r"[^a-z0-9]+", "_", unique_id.lower()).strip("_")
