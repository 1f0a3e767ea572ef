"""Loads and validates a configuration file; every mistake becomes one line that names file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from daemon.config.document import Problem, parse_document
from daemon.config.errors import ConfigError
from daemon.config.overrides import merge_cameras
from daemon.config.problems import format_problems, problems_of, read_text
from daemon.config.root import Config
from daemon.config.rules import DEFAULT_RULES

__all__ = ["load_config"]


def load_config(path: Path | str, *, environment: Mapping[str, str] | None = None) -> Config:
    """Reads, completes and validates a configuration.

    Args:
        path: the YAML file; relative paths in it are taken from its folder.
        environment: variables for `${NAME}` and $CREDENTIALS_DIRECTORY; the process's own by default.

    Raises:
        ConfigError: the file cannot be read or is not valid; all mistakes at once.
    """
    path = Path(path)
    text = read_text(path, "copy config/posewatch.yaml and edit it")
    document = parse_document(text, environment)
    problems = list(document.problems)
    config: Config | None = None
    if isinstance(document.data, dict):
        rules = {
            name: rule.model_dump(mode="json", exclude_unset=True, by_alias=True)
            for name, rule in DEFAULT_RULES.items()
        }
        data = merge_cameras(document.data, rules)
        try:
            config = Config.model_validate(data, context={"base": path.resolve().parent})
            config.hide(document.hidden_values)
        except ValidationError as error:
            problems += problems_of(error, data, document, Config.model_json_schema())
    elif not problems:
        problems.append(Problem(1, (), "must hold settings: `cameras:` with at least one camera"))
    if problems or config is None:
        raise ConfigError(format_problems(path, problems, document.secrets))
    return config
