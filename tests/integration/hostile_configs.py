"""Configurations that nobody should write: bombs, giants, wrong types, and files that are none."""

# ruff: noqa: E501, RUF001 - a case a line

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["CAMERA", "CONFIGS", "PLACES", "SECRET", "SECRETS"]

SECRET = "hunter2-q7x"  # must never be said
CAMERA = f"cameras: {{door: {{url: 'rtsp://user:{SECRET}@127.0.0.1/a'}}}}\n"


def _laughs(depth: int = 12) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, depth)]
    return "\n".join(lines) + "\n"


def _merges(depth: int = 30) -> str:
    lines = ["m0: &m0 {a: 1, b: 2}"]
    lines += [f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}], k{n}: 1}}" for n in range(1, depth)]
    return "\n".join(lines) + "\n"


def _many_merges() -> str:
    return f"m: &m {{{', '.join(f'k{n}: 1' for n in range(300))}}}\nall:\n" + "".join(
        f"  x{n}: {{<<: [{', '.join(['*m'] * 300)}]}}\n" for n in range(300)
    )


def _rules(count: int) -> str:
    return "rules:\n" + "".join(f"  r{n}: {{type: loitering, fro: 1s}}\n" for n in range(count)) + CAMERA


CONFIGS: dict[str, str | bytes | Callable[[], str | bytes]] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "null": "null\n",
    "a number": "7\n",
    "a list": "[1, 2]\n",
    "two documents": CAMERA + "---\n" + CAMERA,
    "aliases of aliases": _laughs,
    "aliases as cameras": lambda: _laughs() + "cameras: {door: *a11}\n",
    "an alias in itself": "cameras: &c {door: *c}\n",
    "a list in itself": "cameras: {door: {url: &u [*u]}}\n",
    "merges of merges": lambda: _merges() + "cameras: {door: {<<: *m29}}\n",
    "a mapping merged with itself": "cameras: &c {<<: *c, door: {url: x.mp4}}\n",
    "many merges": _many_merges,
    "50,000 brackets": lambda: "cameras: " + "[" * 50_000,
    "50,000 closed brackets": lambda: "cameras: " + "[" * 50_000 + "]" * 50_000,
    "5,000 mappings deep": lambda: "cameras: " + "{a: " * 5_000 + "1" + "}" * 5_000,
    "300 levels of indent": lambda: "cameras:\n" + "".join(" " * n + "a:\n" for n in range(1, 300)),
    "3,000 levels of dashes": lambda: "cameras:\n" + "- " * 3_000 + "x\n",
    "10 MB of keys": lambda: "".join(f"key_{n}: 1\n" for n in range(900_000)),
    "10 MB of cameras": lambda: "cameras:\n" + "".join(f"  c{n}: {{url: a.mp4}}\n" for n in range(500_000)),
    "2,000 cameras": lambda: "cameras:\n" + "".join(f"  c{n}: {{url: a.mp4}}\n" for n in range(2_000)),
    "300 wrong cameras": lambda: "cameras:\n" + "".join(f"  c{n}: {{ulr: a.mp4}}\n" for n in range(300)),
    "300 wrong rules": lambda: _rules(300),
    "10 MB in one string": lambda: CAMERA + "mqtt: {host: " + "x" * 10_000_000 + "}\n",
    "10 MB in one key": lambda: "x" * 10_000_000 + ": 1\n" + CAMERA,
    "10 MB of comment": lambda: "#" * 10_000_000 + "\n" + CAMERA,
    "10 MB of blanks": lambda: " " * 10_000_000 + CAMERA,
    "10 MB of lines": lambda: "\n" * 10_000_000 + CAMERA,
    "10 MB of quotes": lambda: '"' * 10_000_000,
    "10 MB of backslashes": lambda: 'a: "' + "\\" * 10_000_000 + '"\n',
    "1 MB of anchors": lambda: "".join(f"- &a{n} x\n" for n in range(80_000)),
    "1 MB of tags": lambda: "a: !" + "t" * 1_000_000 + " x\n" + CAMERA,
    "a long key": lambda: "k" * 5_000 + ": 1\n" + CAMERA,
    "a long camera name": lambda: f"cameras: {{{'n' * 5_000}: {{url: a.mp4}}}}\n",
    "a long name for a type": lambda: f"rules: {{a: {{type: {'n' * 50_000}}}}}\n" + CAMERA,
    "a long name of a zone": lambda: (
        f"rules: {{a: {{type: loitering, zones: [{'n' * 50_000}]}}}}\ncameras: {{door: {{url: a.mp4}}}}\n"
    ),
    "a huge integer": "stats_interval: 1" + "0" * 5_000 + "\n" + CAMERA,
    "a huge hexadecimal integer": "stats_interval: 0x" + "f" * 100_000 + "\n" + CAMERA,
    "a huge sexagesimal integer": "stats_interval: 1" + ":59" * 20_000 + "\n" + CAMERA,
    "a huge sexagesimal float": "stats_interval: 1" + ":59" * 20_000 + ".5\n" + CAMERA,
    "a huge float": "stats_interval: 1e999999\n" + CAMERA,
    "infinity": "stats_interval: .inf\n" + CAMERA,
    "not a number": "detect: {score: .nan}\n" + CAMERA,
    "minus zero": "detect: {score: -0.0}\n" + CAMERA,
    "an impossible date": "stats_interval: 2026-99-99\n" + CAMERA,
    "a date": "stats_interval: 2026-11-26T10:00:00Z\n" + CAMERA,
    "a duration of digits": "stats_interval: '" + "9" * 50_000 + "h'\n" + CAMERA,
    "a duration of blanks": "stats_interval: '1" + " " * 50_000 + "x'\n" + CAMERA,
    "a size of digits": "storage: {max_size: '" + "9" * 50_000 + "GB'}\n" + CAMERA,
    "a size of points": "storage: {max_size: '" + "1." * 50_000 + "GB'}\n" + CAMERA,
    "tiles of digits": "detect: {tiles: '" + "9" * 5_000 + "x" + "9" * 5_000 + "'}\n" + CAMERA,
    "binary": "mqtt: {host: !!binary aGVsbG8=}\n" + CAMERA,
    "binary that is none": "mqtt: {host: !!binary '***'}\n" + CAMERA,
    "a set": "cameras: !!set {door}\n",
    "an ordered map": "cameras: !!omap [door: {url: a}]\n",
    "pairs": "cameras: !!pairs [door: {url: a}]\n",
    "a Python object": "cameras: !!python/object/apply:os.system ['echo pwned']\n",
    "a Python name": "mqtt: {host: !!python/name:os.system }\n" + CAMERA,
    "a Python module": "mqtt: {host: !!python/module:antigravity }\n" + CAMERA,
    "an unknown tag": "mqtt: {host: !include /etc/passwd}\n" + CAMERA,
    "an integer that is none": "mqtt: {port: !!int 'x'}\n" + CAMERA,
    "a float that is none": "mqtt: {port: !!float 'x'}\n" + CAMERA,
    "a bool that is none": "mqtt: {enabled: !!bool 'x'}\n" + CAMERA,
    "a null that is none": "mqtt: {enabled: !!null 'x'}\n" + CAMERA,
    "a timestamp that is none": "mqtt: {host: !!timestamp 'x'}\n" + CAMERA,
    "a mapping that is none": "mqtt: !!map [1]\n" + CAMERA,
    "a list that is none": "mqtt: !!seq {a: 1}\n" + CAMERA,
    "a merge of a word": "mqtt: {<<: x}\n" + CAMERA,
    "the value key": "mqtt: {=: 1}\n" + CAMERA,
    "keys that are lists": "? [a, b]\n: 1\n" + CAMERA,
    "duplicate keys": CAMERA + CAMERA,
    "NUL": "mqtt: {host: 'a\0b'}\n" + CAMERA,
    "an escaped NUL": 'mqtt: {host: "a\\0b", client_id: "\\0"}\n' + CAMERA,
    "an escaped NUL in paths": (
        'storage: {path: "a\\0b"}\ndetect: {model: "\\0"}\ncameras: {door: {url: "\\0"}}\n'
    ),
    "control characters": "mqtt: {host: 'a\x1b[31mb'}\n" + CAMERA,
    "escaped control characters": 'mqtt: {"\\e[2J\\r\\n": 1, host: "\\e[2J"}\n' + CAMERA,
    "escaped line breaks": 'mqtt: {"a\\nposewatch: all is well": 1}\n' + CAMERA,
    "half a surrogate": 'mqtt: {host: "\\ud800"}\n' + CAMERA,
    "half a surrogate in a key": 'mqtt: {"\\ud800": 1}\n' + CAMERA,
    "right to left": 'mqtt: {"\u202e": 1}\n' + CAMERA,
    "names in Unicode": "cameras: {Tür: {url: a.mp4}, 'ﬁ': {url: a.mp4}, '🚪': {url: a.mp4}}\n",
    "not UTF-8": b"mqtt: {host: \xff\xfe}\n",
    "UTF-16": CAMERA.encode("utf-16"),
    "UTF-16 of the wrong end": CAMERA.encode("utf-16-be"),
    "a byte order mark": b"\xef\xbb\xbf" + CAMERA.encode(),
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
    "random bytes": lambda: os.urandom(100_000),
    "10 MB of zeros": bytes(10_000_000),
    "tabs": "\tcameras:\n",
    "an endless line of variables": lambda: "mqtt: {host: '" + "${X:-" * 20_000 + "'}\n" + CAMERA,
    "variables in variables": lambda: (
        "mqtt: {host: '" + "${A:-${B:-" * 5_000 + "}}" * 5_000 + "'}\n" + CAMERA
    ),
    "100,000 variables": lambda: "mqtt: {host: '" + "${NOBODY}" * 100_000 + "'}\n" + CAMERA,
    "1 MB of dollars": lambda: "mqtt: {host: '" + "$" * 1_000_000 + "'}\n" + CAMERA,
    "a variable with the secret": "mqtt: {port: '${HOSTILE_SECRET}'}\n" + CAMERA,
    "variables as types": "rules: {a: {type: '${HOSTILE_SECRET}'}}\nlog: {level: '${HOSTILE_SECRET}'}\n"
    + CAMERA,
    "the secret as a port": "mqtt: {port: !secret good}\n" + CAMERA,
    "the secret everywhere": (
        "mqtt: {host: !secret good, port: !secret good, tls: !secret good}\nlog: !secret good\n"
        "rules: {a: !secret good}\nprofiles: !secret good\n"
        "cameras: {door: {url: !secret good, fps: !secret good, zones: {z: {points: !secret good}}}}\n"
    ),
    "the secret in a URL of a wrong kind": f"cameras: {{door: {{url: ['rtsp://u:{SECRET}@h/'], usernam: {SECRET}}}}}\n",
    "a password of a wrong type": f"cameras: {{door: {{url: a.mp4, password: [{SECRET}], username: {{a: {SECRET}}}}}}}\n",
    "a secret up the tree": "mqtt: {password: !secret ../../../etc/passwd}\n" + CAMERA,
    "a secret with a NUL": 'mqtt: {password: !secret "a\\0b"}\n' + CAMERA,
    "a secret as a mapping": "mqtt: {password: !secret {a: b}}\n" + CAMERA,
    "zones of a million points": lambda: (
        "cameras: {door: {url: a.mp4, zones: {z: {points: [" + "[0.1,0.2]," * 30_000 + "]}}}}\n"
    ),
    "numbers as strings": "cameras: {door: {url: a.mp4, fps: '１５', zones: {z: {points: [['0','0'],[1,0],[1,1]]}}}}\n",
}
"""By name: the file's text, or what makes it."""

SECRETS = ("fifo", "zero", "folder", "big", "socket", "loop", "dangling", "unreadable", "binary")
"""Names of secrets that are no secrets; `make_secrets` of the test makes them."""

PLACES = (
    "fifo",
    "/dev/zero",
    "/dev/random",
    "/dev/tty",
    "/proc/self/mem",
    "folder",
    "loop",
    "socket",
    "huge",
)
"""Paths of configurations that are no files."""
