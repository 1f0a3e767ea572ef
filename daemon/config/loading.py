"""Loads and validates a configuration file; every mistake becomes one line that names file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from daemon.config.document import Document, KeyPath, Problem, dotted, parse_document
from daemon.config.errors import ConfigError
from daemon.config.known_keys import KnownKeys, nearest
from daemon.config.overrides import merge_cameras, origin
from daemon.config.references import UnknownNamesError
from daemon.config.root import Config
from daemon.config.rules import DEFAULT_RULES
from daemon.masking import mask_url

__all__ = ["load_config"]

_SECRET_KEYS = frozenset({"url", "username", "password"})
_MAX_SHOWN = 60


def load_config(path: Path | str, *, environment: Mapping[str, str] | None = None) -> Config:
    """Reads, completes and validates a configuration.

    Args:
        path: the YAML file; relative paths in it are taken from its folder.
        environment: variables for `${NAME}` and $CREDENTIALS_DIRECTORY; the process's own by default.

    Raises:
        ConfigError: the file cannot be read or is not valid; all mistakes at once.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file: copy config/posewatch.yaml and edit it"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8 text: save it as UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
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
        except ValidationError as error:
            problems += _problems(error, data, document)
    elif not problems:
        problems.append(Problem(1, (), "must hold settings: `cameras:` with at least one camera"))
    if problems or config is None:
        raise ConfigError(_format(path, problems))
    return config


def _format(path: Path, problems: list[Problem]) -> list[str]:
    lines = []
    # What is wrong with a secret or a variable also fails validation; say the cause only.
    for problem in sorted(problems, key=lambda problem: problem.line):
        key = f"{dotted(problem.path)}: " if problem.path else ""
        lines.append(mask_url(f"{path}:{problem.line}: {key}{problem.text}"))
    return list(dict.fromkeys(lines))


def _problems(error: ValidationError, data: Any, document: Document) -> list[Problem]:
    known = KnownKeys(Config.model_json_schema())
    broken = {problem.path for problem in document.problems}
    problems = []
    for details in error.errors(include_url=False):
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, UnknownNamesError):
            problems += [_located(path, text, document) for path, text in cause.problems]
            continue
        full = _data_path(details["loc"], data, missing=details["type"] == "missing")
        where = origin(full, document.lines)
        if where in broken:
            continue
        text = _describe(details, full, where, data, document, known)
        problems.append(Problem(document.line(where), where, text))
    return problems


def _located(path: KeyPath, text: str, document: Document) -> Problem:
    where = origin(path, document.lines)
    return Problem(document.line(where), where, text)


def _data_path(location: tuple[str | int, ...], data: Any, *, missing: bool) -> KeyPath:
    """Pydantic's location without what is not in the file: tags of unions and the marks of keys."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        if _holds(data, part):
            path.append(part)
            data = data[part]
        elif missing and index == len(location) - 1:
            path.append(part)
    return tuple(path)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(data, list) and 0 <= part < len(data)
    return isinstance(data, dict) and part in data


def _describe(
    details: ErrorDetails, path: KeyPath, where: KeyPath, data: Any, document: Document, known: KnownKeys
) -> str:
    kind, message = details["type"], details["msg"]
    if kind == "extra_forbidden":
        keys = known.at(path[:-1], data)
        near = nearest(str(path[-1]), keys)
        if near is not None:
            return f'unknown key, did you mean "{near}"?'
        return f"unknown key, known are {', '.join(keys)}"
    if kind == "missing":
        if path == ("cameras",):
            return "missing: add at least one camera, such as `door: {url: rtsp://192.168.1.20/stream}`"
        return "missing: add it"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        message = "must be a mapping of keys and values"
    elif kind == "value_error":
        message = message.removeprefix("Value error, ")
    elif message.startswith("Input should be"):
        message = "must be" + message[len("Input should be") :]
    return message + _shown(details.get("input"), where, document)


def _shown(value: Any, where: KeyPath, document: Document) -> str:
    """`, not 'x'` for values that may be shown."""
    secret = any(where[:end] in document.hidden for end in range(len(where) + 1))
    if secret or any(part in _SECRET_KEYS for part in where) or isinstance(value, (dict, list)):
        return ""
    if value is None:
        return ", but is empty"
    text = repr(value)
    return f", not {text}" if len(text) <= _MAX_SHOWN else ""
