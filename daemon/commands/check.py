"""`posewatch check`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command, config_argument

if TYPE_CHECKING:
    from daemon.config import CameraConfig, Config, DetectConfig, Rule
    from daemon.engines import Engines

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
    """Prints a line a camera where the file is good, and what its rules lack; mistakes are exit status 2."""
    from daemon.config import load_config
    from daemon.config.rules import rules_of
    from daemon.engines import Engines
    from daemon.masking import mask_source
    from daemon.model_trial import try_models
    from daemon.providers import session_pool

    config = load_config(options.config)
    try_models(config.cameras.values())
    broker = f"{config.mqtt.host}:{config.mqtt.port}" if config.mqtt.enabled else "off"
    count = len(config.cameras)
    complaints: list[str] = []
    engines = Engines(session_pool(config.performance, on_fallback=complaints.append))
    models = _run_by(config, engines)
    cameras = f"{count} camera{'' if count == 1 else 's'}"
    print(f"{options.config}: ok, {cameras}, MQTT {broker}, models run by {models}")
    for why in complaints:
        print(f"  warning: the CPU runs the models: {why}")
    for missing in _missing_poses(config):
        print(f"  warning: {missing}")
    for name, camera in config.cameras.items():
        watching = rules_of(name, camera.rules, camera.zones)
        rules = ", ".join(rule + _when(one) for rule, one in watching.items()) or "none"
        left_out = [rule for rule, one in camera.rules.items() if one.enabled and rule not in watching]
        state = "" if camera.enabled else " (disabled)"
        look = _look(camera.detect)
        print(f"  {name}{state}: {mask_source(camera.url)}  {look}zones: {len(camera.zones)}  rules: {rules}")
        if left_out:
            print(f"    not here, being for zones or cameras that this is none of: {', '.join(left_out)}")
        for warning in _unknown_labels(camera, watching, engines):
            print(f"    warning: {warning}")
    return 0


def _run_by(config: Config, engines: Engines) -> str:
    """What runs the models; with another provider than the CPU it is tried."""
    from daemon.fight_reader import watches_fights
    from daemon.providers import told

    if config.performance.provider == "cpu":
        return "cpu"
    cameras = [(one, watches_fights(one)) for one in config.cameras.values()]
    for camera, fights in cameras:
        engines.load(camera, fights=fights)
    ways = dict.fromkeys(told(engines.run_by(camera, fights=fights)) for camera, fights in cameras)
    return "; ".join(ways)


def _missing_poses(config: Config) -> list[str]:
    """Pose networks that were not fetched; `pose.model: auto` goes on without the light one."""
    from tracker.runtime import MissingModelError
    from tracker.store import POSE_MODELS, ModelStore

    found: list[str] = []
    used = {one.pose.model for one in config.cameras.values() if one.pose.backend == "onnx"}
    used |= {"full", "lite"} if "auto" in used else set()
    for name in [f"pose_{model}" for model in sorted(used) if f"pose_{model}" in POSE_MODELS]:
        try:
            ModelStore().path(name)
        except MissingModelError as error:
            found.append(str(error))
    return found


def _when(rule: Rule) -> str:
    """When a rule watches, where that is not always."""
    parts = [*rule.profiles, *(["by schedule"] if rule.schedule else [])]
    return f" ({', '.join(parts)})" if parts else ""


def _unknown_labels(camera: CameraConfig, rules: Mapping[str, Rule], engines: Engines) -> list[str]:
    """Rules that say nothing, or less, because the action model does not know their labels."""
    from daemon.watchers import labels_of

    known = engines.actions(camera.actions).labels
    return [
        f"rule {name}: the action model knows no {label!r}; it knows {', '.join(known)}"
        for name, rule in rules.items()
        for label in labels_of(rule)
        if label not in known
    ]


def _look(detect: DetectConfig) -> str:
    """How the camera's frames are looked at, where that is not once in the model's own size."""
    size = "" if detect.size is None else f"size: {detect.size}  "
    return size + ("" if detect.grid == (1, 1) else f"tiles: {detect.tiles}  ")
