"""Loads and validates a configuration file; every mistake becomes one line that names file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from daemon.config.base import ConfigModel
from daemon.config.document import Problem, parse_document
from daemon.config.errors import ConfigError
from daemon.config.overrides import merge_cameras
from daemon.config.problems import format_problems, problems_of, read_text
from daemon.config.root import Config
from daemon.config.rules import DEFAULT_RULES

__all__ = ["load_config", "load_section"]

_Section = TypeVar("_Section", bound=ConfigModel)


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


def load_section(path: Path, name: str, model: type[_Section]) -> _Section:
    """One section of the file that a daemon runs with, for who asks about that daemon.

    What the rest of the file needs, such as secrets, need not be there.

    Args:
        path: the YAML file.
        name: of the section.
        model: its model.

    Raises:
        ConfigError: the file cannot be read, or this section is not valid.
    """
    document = parse_document(read_text(path, "give the file that the daemon runs with"))
    if not isinstance(document.data, dict):
        problems = document.problems or [Problem(1, (), "must hold settings")]
        raise ConfigError(format_problems(path, problems))
    try:
        if any(problem.path[:1] == (name,) for problem in document.problems):
            raise ValueError
        return model.model_validate(document.data.get(name) or {}, context={"base": path.resolve().parent})
    except ValueError:
        raise ConfigError([f"{path}: {name}: is not valid, see `posewatch check -c {path}`"]) from None
