"""Reads a YAML file into plain data that remembers its lines; fills in `${ENV}` and `!secret name`.

Every mistake is collected, so that one run names them all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from daemon.config.files import FileRefusedError, read_small_text

__all__ = ["Document", "KeyPath", "Problem", "dotted", "parse_document", "read_secret"]

KeyPath: TypeAlias = tuple[str | int, ...]

_VARIABLE = re.compile(
    r"\$(?P<escaped>\$(?=\{))|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
)
_SECRET_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MAX_DEPTH = 64
_MAX_NODES = 50_000  # aliases of aliases ("billion laughs") end here; reading so many takes a second
_TOO_LARGE = "too deep or too many values for a configuration (an alias inside itself?)"
_SECRET_LIMIT = 65_536  # bytes
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where (1-based line, 0 if unknown) and what."""

    line: int
    path: KeyPath
    text: str


@dataclass(slots=True)
class Document:
    """A YAML file as plain data.

    Attributes:
        data: dicts with string keys, lists and scalars.
        lines: the line of each key or item, 1-based.
        hidden: paths whose value came from a secret or a variable and must never be shown.
        hidden_values: path, name of the variable ("" of a secret) and value of all that came from such.
        problems: what was wrong already.
    """

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    hidden: set[KeyPath] = field(default_factory=set)
    hidden_values: list[tuple[KeyPath, str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be shown, wherever it is from."""
        return frozenset(value for _, _, value in self.hidden_values)

    def line(self, path: KeyPath) -> int:
        """The line of the path, else of its nearest parent that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: KeyPath) -> str:
    """`cameras.door.zones.bed.points[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_secret(name: str, environment: Mapping[str, str]) -> str:
    """A secret by name: from $CREDENTIALS_DIRECTORY (systemd), then /run/secrets (containers).

    Raises:
        ValueError: no such secret, or one that cannot be read; says where it was looked for.
    """
    if not _SECRET_NAME.fullmatch(name) or name in (".", ".."):
        raise ValueError("!secret wants a file name: letters, digits, dots, _ and -")
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    folders = [*([Path(credentials)] if credentials else []), Path("/run/secrets")]
    for folder in folders:
        try:
            return read_small_text(folder / name, _SECRET_LIMIT).rstrip("\r\n")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except FileRefusedError as error:
            raise ValueError(f"secret {name!r} cannot be read: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ValueError(f"secret {name!r} cannot be read: {reason}") from None
    looked = " and ".join(str(folder) for folder in folders)
    if credentials is None:
        looked += " ($CREDENTIALS_DIRECTORY is not set)"
    if "INVOCATION_ID" in environment:  # systemd started this (systemd.exec(5))
        looked += f": write /etc/posewatch/credentials/{name}, then `posewatch install-service --write`"
    raise ValueError(f"secret {name!r} not found in {looked}")


def parse_document(text: str, environment: Mapping[str, str] | None = None) -> Document:
    """Parses one YAML document; mistakes are in `problems` of what is returned."""
    document = Document()
    try:
        loader = _Loader(text)  # refuses control characters
    except yaml.YAMLError as error:
        document.problems.append(Problem(1, (), f"not valid YAML: {' '.join(str(error).split())}"))
        return document
    try:
        root = loader.get_single_node()
        if root is not None:
            builder = _Builder(document, loader, os.environ if environment is None else environment)
            document.data = builder.build(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark else 1
        column = f", column {mark.column + 1}" if mark else ""
        document.problems.append(Problem(line, (), f"not valid YAML: {what or error}{column}"))
    except yaml.YAMLError as error:
        document.problems.append(Problem(1, (), f"not valid YAML: {' '.join(str(error).split())}"))
    except (_TooLargeError, RecursionError):
        document.problems.append(Problem(1, (), _TOO_LARGE))
    finally:
        loader.dispose()
    return document


class _TooLargeError(Exception):
    """The document has more nodes or levels than a configuration can need."""


class _Loader(yaml.SafeLoader):
    """Counts while it reads: a document is given up before all of it is in memory."""

    _count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._count += 1
        if self._count > _MAX_NODES:
            raise _TooLargeError
        return super().compose_node(parent, index)


class _Builder:
    """Turns YAML nodes into data, noting lines."""

    def __init__(self, document: Document, loader: yaml.SafeLoader, environment: Mapping[str, str]) -> None:
        self._document, self._loader, self._environment = document, loader, environment
        self._nodes = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if len(path) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _TooLargeError
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged.append(value_node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(line, path, "keys must be plain words")
                continue
            key = str(key_node.value)  # as written: `off:` and `1:` are names here
            if _CONTROL.search(key):
                self._problem(line, path, "a key holds a control character")
                continue
            if key in first:
                self._problem(line, (*path, key), f"given twice, first in line {first[key]}: keep one")
                continue
            first[key] = line
            self._document.lines[(*path, key)] = line
            result[key] = self.build(value_node, (*path, key))
        for key_node, value_node in self._merged_pairs(merged, path):
            key = str(key_node.value)
            if key not in result:
                self._document.lines[(*path, key)] = key_node.start_mark.line + 1
                result[key] = self.build(value_node, (*path, key))
        return result

    def _merged_pairs(self, nodes: list[yaml.Node], path: KeyPath) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """The pairs that `<<` brings in, the nearest first."""
        for node in nodes:
            if isinstance(node, yaml.SequenceNode):
                yield from self._merged_pairs(node.value, path)
            elif isinstance(node, yaml.MappingNode):
                self._nodes += 1 + len(node.value)
                if self._nodes > _MAX_NODES:
                    raise _TooLargeError
                deeper = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
                yield from (pair for pair in node.value if pair[0].tag != "tag:yaml.org,2002:merge")
                yield from self._merged_pairs(deeper, path)
            else:
                self._problem(node.start_mark.line + 1, path, "<< wants a mapping")

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        if node.tag == "!secret":
            self._document.hidden.add(path)
            try:
                secret = read_secret(str(node.value), self._environment)
            except ValueError as error:
                self._problem(line, path, str(error))
                return None
            self._document.hidden_values.append((path, "", secret))
            return secret
        if node.tag.startswith("!"):
            self._problem(line, path, f"unknown tag {node.tag}: only !secret is known")
            return None
        value = node.value
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            try:  # JSON writes one character as two escapes
                value = node.value = value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                self._problem(line, path, "holds half of a character (\\ud800 to \\udfff)")
                return None
        if isinstance(value, str) and _CONTROL.search(value):
            self._problem(line, path, "holds a control character")
            return None
        if isinstance(value, str) and "${" in value:
            self._document.hidden.add(path)
            return self._substitute(value, line, path)
        if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary"):
            return value
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError, LookupError):  # `!!bool maybe`
            return value

    def _substitute(self, text: str, line: int, path: KeyPath) -> str:
        def replace(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "$"
            value = self._environment.get(match["name"])
            if value:
                self._document.hidden_values.append((path, match["name"], value))
                return value
            if match["default"] is not None:
                return match["default"]
            if value is None:
                self._problem(
                    line,
                    path,
                    f"the environment variable {match['name']} is not set: "
                    f"set it or write ${{{match['name']}:-default}}",
                )
            return ""

        end = (
            text.rfind("}") + 1
        )  # what is open after it is none; looking for its end again and again is slow
        return _VARIABLE.sub(replace, text[:end]) + text[end:].replace("$${", "${")

    def _problem(self, line: int, path: KeyPath, text: str) -> None:
        self._document.problems.append(Problem(line, path, text))
