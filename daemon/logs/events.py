"""Log records as events: what happened, and the fields that tell more about it.

Our own calls are written `log.warning("camera_lost camera=%s error=%s", name, error)`: the template tells the
event and the keys, so a value may hold whatever it likes. What other libraries log becomes the event `log`
with its text.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["Event", "Field", "event_of", "template_of"]

Mask: TypeAlias = Callable[[str], str]
_SPEC = re.compile(r"%(?P<flags>[#0\- +]*\d*)(?:\.(?P<cut>\d+))?(?P<kind>[diouxXeEfFgGcrsa%])")
_EVENT = re.compile(r"[a-z][a-z0-9_]*|%s")
_FIELD = re.compile(r"(?P<key>[a-z][a-z0-9_]*)=(?P<value>\S*)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SECRET_KEY = re.compile(r"pass(?:word|wd)?|pwd|secret|token|api_?key|credentials?")
_REST = "log"  # the event of what is no event of ours


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a template, and how its value is written.

    Attributes:
        key: its name.
        form: such as `%s` or `%.1fs`.
        count: arguments that it takes.
        kind: the conversion where the value is one argument and nothing else; "" otherwise.
        cut: characters kept of it; None is all.
    """

    key: str
    form: str
    count: int
    kind: str
    cut: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """One log record.

    Attributes:
        name: what happened, in snake_case.
        fields: by key, in their order; text, numbers, true, false or null, without credentials.
        exception: the traceback, if there is one.
    """

    name: str
    fields: dict[str, Any]
    exception: str | None


@lru_cache(maxsize=1024)
def template_of(message: str) -> tuple[str, tuple[Field, ...]] | None:
    """The event (or `%s`) and the fields of a template; None for what is not written in our way.

    Example:
        >>> template_of("camera_lost camera=%s retry_in=%.1fs")[0]
        'camera_lost'
        >>> template_of("Sending PINGREQ") is None
        True
    """
    told, _, note = message.partition("; ")
    event, *words = told.split() or [""]
    if not _EVENT.fullmatch(event) or "%" in note:
        return None
    fields = []
    for word in words:
        match = _FIELD.fullmatch(word)
        if match is None:
            return None
        form = match["value"]
        specs = [spec for spec in _SPEC.finditer(form) if spec["kind"] != "%"]
        whole = len(specs) == 1 and specs[0][0] == form
        cut = specs[0]["cut"] if whole and specs[0]["kind"] in "rs" else None
        fields.append(
            Field(
                match["key"], form, len(specs), specs[0]["kind"] if whole else "", int(cut) if cut else None
            )
        )
    if note:
        fields.append(Field("note", note, 0, "", None))
    return event, tuple(fields)


def event_of(record: logging.LogRecord, mask: Mask) -> Event:
    """A record as an event; every text in it has gone through `mask`."""
    exception = None
    if record.exc_info:
        exception = mask("".join(traceback.format_exception(*record.exc_info)).rstrip())
    elif record.stack_info:
        exception = mask(record.stack_info)
    name, fields = _read(record, mask) or (_REST, {"text": mask(record.getMessage())})
    if not fields and mask(name) != name:  # one word, and that a secret
        name, fields = _REST, {"text": mask(name)}
    return Event(name, fields, exception)


def _read(record: logging.LogRecord, mask: Mask) -> tuple[str, dict[str, Any]] | None:
    template = template_of(record.msg) if isinstance(record.msg, str) else None
    arguments = record.args if isinstance(record.args, tuple) else ()
    if template is None:
        return None
    name, fields = template
    if name == "%s":
        name, arguments = str(arguments[0]) if arguments else "", arguments[1:]
        if not _NAME.fullmatch(name):
            return None
    if sum(field.count for field in fields) != len(arguments):
        return None
    values: dict[str, Any] = {}
    for field in fields:
        mine, arguments = arguments[: field.count], arguments[field.count :]
        if _SECRET_KEY.fullmatch(field.key):
            values[field.key] = "***"
        elif not record.args:  # then `logging` leaves every % alone
            values[field.key] = mask(field.form)
        else:
            values[field.key] = _value(field, mine, mask)
    return name, values


def _value(field: Field, arguments: tuple[object, ...], mask: Mask) -> object:
    if not field.kind:  # text around it, several in it, or none
        return mask(field.form % arguments)
    value = arguments[0]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if field.kind in "rs" else _number(field.form % value)
    # Text is quoted where it must be, whether %r or %s; masked before it is cut, or half a password stays.
    text = mask(value if isinstance(value, str) else field.form.replace(f".{field.cut}", "") % (value,))
    return text if field.cut is None else text[: field.cut]


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)
