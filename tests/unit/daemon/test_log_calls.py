"""Every call of a logger in the daemon names an event in snake_case, and then keys with values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.logs.events import template_of

ROOT = Path(__file__).resolve().parents[3]
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
LOGGERS = frozenset({"_log", "log", "logger", "_LOG"})


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """File and line of each call."""
    for folder in ("daemon", "tracker", "classifier"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "training" in path.parts:
                continue  # progress on a terminal, of tools that are no service
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    owner = node.func.value
                    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                    made = isinstance(owner, ast.Call) and "getLogger" in ast.dump(owner.func)
                    if node.func.attr in LEVELS and (name in LOGGERS or made):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node


CALLS = dict(log_calls())


def test_they_are_found():
    assert len(CALLS) > 30


@pytest.mark.parametrize("where", CALLS)
def test_the_call_is_an_event_with_fields(where):
    message = CALLS[where].args[0]
    assert isinstance(message, ast.Constant), f"{where}: give the template, and the values as arguments"
    template = template_of(message.value)
    assert template is not None, f"{where}: not `event key=%s key=%s`: {message.value!r}"
    starred = any(isinstance(one, ast.Starred) for one in CALLS[where].args)
    wanted = sum(field.count for field in template[1]) + (template[0] == "%s")
    assert starred or len(CALLS[where].args) - 1 == wanted


@pytest.mark.parametrize("where", [one for one in CALLS if one.startswith("daemon/capture")])
def test_a_line_about_a_camera_names_it(where):
    event, fields = template_of(CALLS[where].args[0].value) or ("", ())
    assert "camera" in [field.key for field in fields], f"{where}: {event}"
