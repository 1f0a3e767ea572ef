"""Which pictures of a former process may stay at the broker, where pictures are retained."""

from __future__ import annotations

import json
from collections.abc import Mapping

from daemon.config import CameraConfig, Rule
from daemon.storage import Store
from daemon.topics import Topics

__all__ = ["pictures_that_stay"]


def pictures_that_stay(
    camera: str, settings: CameraConfig, rules: Mapping[str, Rule], topics: Topics, store: Store
) -> set[str]:
    """Topics of a camera's retained pictures that were made as new ones would be.

    A picture that shows more than the configuration allows now must not wait for the rule's next alert, and
    one that no other will replace must not stay for good.

    Args:
        camera: its name.
        settings: the camera's.
        rules: that it goes by.
        topics: where pictures go.
        store: how pictures were made is remembered here.
    """
    pictures = settings.snapshots
    masks = sorted(list(mask.points) for mask in settings.privacy_masks.values())
    styles = {name: rule.snapshot or pictures.style for name, rule in rules.items()}
    made = {name: json.dumps([style, masks]) for name, style in styles.items()}
    note = f"{camera}/pictures"
    try:
        before = json.loads(store.get(note) or "{}")
    except ValueError:  # of a damaged database
        before = {}
    if before != made:
        store.set(note, json.dumps(made))
    if not (pictures.retain and pictures.publish):
        return set()
    return {
        topics.snapshot(camera, name)
        for name, style in styles.items()
        if style != "none" and before.get(name) == made[name]
    }
