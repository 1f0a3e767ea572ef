"""`posewatch check`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command, config_argument

if TYPE_CHECKING:
    from daemon.config import DetectConfig, Rule

__all__ = ["add_check"]


def add_check(subparsers: Subparsers) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "check",
        "validate a configuration: names file, line and key of every mistake",
        "posewatch check -c posewatch.yaml",
    )
    config_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints one line a camera where the file is good; mistakes end with exit status 2."""
    from daemon.config import load_config
    from daemon.config.rules import rules_of
    from daemon.masking import mask_url

    config = load_config(options.config)
    broker = f"{config.mqtt.host}:{config.mqtt.port}" if config.mqtt.enabled else "off"
    print(f"{options.config}: ok, {len(config.cameras)} cameras, MQTT {broker}")
    for name, camera in config.cameras.items():
        own = rules_of(name, camera.rules, camera.zones)
        rules = ", ".join(rule + _when(settings) for rule, settings in own.items()) or "none"
        state = "" if camera.enabled else " (disabled)"
        look = _look(camera.detect)
        print(
            f"  {name}{state}: {mask_url(str(camera.url))}  {look}zones: {len(camera.zones)}  rules: {rules}"
        )
    return 0


def _when(rule: Rule) -> str:
    """When a rule watches, where that is not always."""
    parts = [*rule.profiles, *(["by schedule"] if rule.schedule else [])]
    return f" ({', '.join(parts)})" if parts else ""


def _look(detect: DetectConfig) -> str:
    """How the camera's frames are looked at, where that is not once in the model's own size."""
    size = "" if detect.size is None else f"size: {detect.size}  "
    return size + ("" if detect.grid == (1, 1) else f"tiles: {detect.tiles}  ")
