"""Mistakes in a YAML file: reading it, and what a model refuses, as lines that name file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from daemon.config.document import Document, KeyPath, Problem, dotted
from daemon.config.errors import ConfigError
from daemon.config.files import FileRefusedError, read_small_text
from daemon.config.known_keys import MOVED, KnownKeys, nearest
from daemon.config.overrides import origin
from daemon.config.references import UnknownNamesError
from daemon.masking import mask_url

__all__ = ["format_problems", "problems_of", "read_text"]

_SECRET_KEYS = frozenset({"url", "username", "password"})
_MAX_SHOWN = 60
_MAX_LINES = 50  # of problems that are told
_MAX_LENGTH = 500  # characters of one of them
_SHORTEST_SECRET = 3
_MAX_SIZE = 500_000  # bytes of a configuration: some thousand cameras


def read_text(path: Path, hint: str) -> str:
    """The text of a file; `hint` says what to do where there is none.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return read_small_text(path, _MAX_SIZE)
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file: {hint}"]) from None
    except FileRefusedError as error:
        raise ConfigError([f"{path}: {error}: {hint}"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8 text: save it as UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None


def format_problems(
    path: Path, problems: Sequence[Problem], secrets: Collection[str] = frozenset()
) -> list[str]:
    """A line for each mistake, in the order of the file: `FILE:LINE: KEY: what is wrong`; the first fifty.

    Args:
        path: of the file.
        problems: the mistakes.
        secrets: texts that are not shown, in whatever way they got into a mistake.
    """
    lines = []
    hide = _hider(secrets)
    # What is wrong with a secret or a variable also fails validation; say the cause only.
    for problem in sorted(problems, key=lambda problem: problem.line):
        key = f"{dotted(problem.path)}: " if problem.path else ""
        lines.append(_printable(f"{path}:{problem.line}: " + mask_url(hide(f"{key}{problem.text}"))))
    lines = list(dict.fromkeys(lines))
    if len(lines) > _MAX_LINES:
        lines[_MAX_LINES:] = [f"{path}: and {len(lines) - _MAX_LINES} more"]
    return lines


def _hider(secrets: Collection[str]) -> Callable[[str], str]:
    """Puts `***` in the place of secrets; shorter than three characters they are in every other word."""
    words = sorted((one for one in secrets if len(one) >= _SHORTEST_SECRET), key=len, reverse=True)
    if not words:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)  # names are proposed in lower case
    return lambda text: pattern.sub("***", text)


def _printable(line: str) -> str:
    """One line that shows what it holds; what the file says could pass for another line of ours."""
    text = line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]} ..."
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def problems_of(
    error: ValidationError, data: Any, document: Document, schema: Mapping[str, Any]
) -> list[Problem]:
    """What a model refused, by the lines of the file.

    Args:
        error: of the validation.
        data: what was validated.
        document: where it was written.
        schema: JSON Schema of the model, for the keys that are known.
    """
    known = KnownKeys(schema)
    broken = {problem.path for problem in document.problems}
    problems = []
    for details in error.errors(include_url=False):
        if _follows(details):
            continue
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


def _follows(details: ErrorDetails) -> bool:
    """Whether a list is too short only because of its items, each of which is named by itself."""
    value, context = details.get("input"), details.get("ctx", {})
    return details["type"] == "too_short" and isinstance(value, list) and len(value) >= context["min_length"]


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
        if path in MOVED:
            return f"is gone: use {MOVED[path]}"
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
    elif kind in ("tuple_type", "list_type"):
        one = isinstance(details.get("input"), dict)
        message = "must be a list: put `- ` before its first key" if one else "must be a list, such as [a, b]"
    elif kind in ("too_short", "too_long"):
        message = _of_wrong_length(details)
    elif kind == "bool_parsing":
        message = "must be true or false"
    elif kind == "union_tag_not_found":
        return "type is missing: add it, such as `type: fall`"
    elif kind == "union_tag_invalid":
        return _of_unknown_type(details, hidden=_is_hidden(where, document))
    elif kind == "value_error":
        message = message.removeprefix("Value error, ")
    elif message.startswith("Input should be"):
        message = "must be" + message[len("Input should be") :]
    return message + _shown(details.get("input"), where, document)


def _of_wrong_length(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    short = details["type"] == "too_short"
    limit = context["min_length" if short else "max_length"]
    entries = "entry" if limit == 1 else "entries"
    return f"must have at {'least' if short else 'most'} {limit} {entries}"


def _of_unknown_type(details: ErrorDetails, *, hidden: bool) -> str:
    context = details.get("ctx", {})
    known = str(context["expected_tags"]).replace("'", "").split(", ")
    if hidden:
        return f"type must be one of {', '.join(known)}"
    near = nearest(str(context["tag"]), known)
    remedy = f'did you mean "{near}"? There' if near is not None else "there"
    return f"there is no type {str(context['tag'])[:_MAX_SHOWN]!r}: {remedy} are {', '.join(known)}"


def _is_hidden(where: KeyPath, document: Document) -> bool:
    """Whether the value, or what it is part of or its type, came from a secret or a variable."""
    return any(where[:end] in document.hidden for end in range(len(where) + 1)) or (
        (*where, "type") in document.hidden
    )


def _shown(value: Any, where: KeyPath, document: Document) -> str:
    """`, not 'x'` for values that may be shown."""
    if (
        _is_hidden(where, document)
        or any(part in _SECRET_KEYS for part in where)
        or isinstance(value, (dict, list))
    ):
        return ""
    if value is None:
        return ", but is empty"
    text = repr(value)
    return f", not {text}" if len(text) <= _MAX_SHOWN else ""
