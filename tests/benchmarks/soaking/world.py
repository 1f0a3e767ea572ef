"""Everything of the soak that runs: cameras, broker, relays, the daemon, the disk, the witness."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter, deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import yaml
from servers import Broker, RtspServer, wait_for

from soaking.footage import RATE, write_clips
from soaking.relays import Relay, RelayLoop
from soaking.witness import Witness

__all__ = ["DaemonProcess", "LogReader", "Secret", "World"]

_USER, _PASSWORD = "watch", "br0ker/p@ss:w?rd&#%"
_BROKER = """\
allow_anonymous false
password_file {folder}/passwords
persistence true
persistence_location {folder}/
autosave_interval 5
max_queued_messages 0
max_inflight_messages 0
"""
_DISK = "192m"


class Secret(str):
    """`!secret NAME` in YAML."""


class _Dumper(yaml.SafeDumper):
    """Writes secrets by their names."""


_Dumper.add_representer(Secret, lambda dumper, name: dumper.represent_scalar("!secret", str(name)))


class LogReader:
    """Reads what the daemon logs, as it comes."""

    def __init__(self, path: Path, secrets: dict[str, bytes]) -> None:
        self.path = path
        self.recent: deque[tuple[float, str]] = deque(maxlen=20_000)
        self.lines = 0
        self.errors: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.tracebacks = 0
        self.leaked: Counter[str] = Counter()
        self._secrets = secrets
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def said(self, word: str, since: float) -> float | None:
        """When a line with the word came after `since`; None where none did."""
        return next((at for at, line in list(self.recent) if at >= since and word in line), None)

    def _run(self) -> None:
        self.path.touch()
        with self.path.open("rb") as file:
            left = b""
            while True:
                last = self._stop.is_set()
                left += file.read()
                *lines, left = left.split(b"\n")
                for line in lines:
                    self._take(line)
                if last:
                    return
                self._stop.wait(0.1)

    def _take(self, line: bytes) -> None:
        self.lines += 1
        for name, secret in self._secrets.items():
            if secret in line:
                self.leaked[f"{name} in the log"] += 1
        text = line.decode(errors="replace")
        self.recent.append((time.monotonic(), text))
        self.tracebacks += "Traceback (most recent" in text
        words = "".join("#" if letter.isdigit() else letter for letter in text[:300])
        plain = words.split(" ", 2)[-1]  # without the time
        if any(level in text for level in (" ERROR ", " CRITICAL ", '"level": "error"', "level=error")):
            self.errors[plain] += 1
        elif any(level in text for level in (" WARNING ", '"level": "warning"', "level=warning")):
            self.warnings[plain] += 1

    def __enter__(self) -> LogReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


class DaemonProcess:
    """`posewatch run`, which is started, ended and killed again and again."""

    def __init__(self, config: Path, log: Path, credentials: Path) -> None:
        self._config, self._log, self._credentials = config, log, credentials
        self._process: subprocess.Popen[bytes] | None = None
        self.is_wanted = False
        self.starts = 0
        self.stops: list[tuple[int, float]] = []  # status and seconds of each SIGTERM

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", "run", "-c", str(self._config)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, "CREDENTIALS_DIRECTORY": str(self._credentials)},
            )  # fmt: skip
        self.starts += 1
        self.is_wanted = True

    def send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Ends it without a goodbye."""
        self.is_wanted = False
        self.send(number)
        assert self._process is not None
        self._process.wait(60)

    def stop(self) -> int:
        """Ends it as systemd does; its exit status."""
        self.is_wanted = False
        started = time.monotonic()
        self.send(signal.SIGTERM)
        assert self._process is not None
        try:
            status = self._process.wait(90)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait(10)
        self.stops.append((status, time.monotonic() - started))
        return status


class World:
    """Starts everything; faults reach into it.

    Args:
        folder: for all files.
        count: number of cameras.
        fps: frames a second that the daemon processes of each camera, at most.
    """

    def __init__(self, folder: Path, count: int, fps: float) -> None:
        self.folder = folder
        self.cameras = [f"cam{number}" for number in range(count)]
        self._fps = fps
        self.secrets: dict[str, bytes] = {}
        self.servers: dict[str, RtspServer] = {}
        self.relays: dict[str, Relay] = {}
        self.settings: dict[str, Any] = {}
        self.unavailable: list[str] = []
        self.allowed_config_ends: set[str] = set()
        self._stack = ExitStack()
        self._burners: list[subprocess.Popen[bytes]] = []
        self._link: set[int] = set()
        self._looked = 0.0
        self.config = folder / "posewatch.yaml"

    def __enter__(self) -> World:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        folder = self.folder
        print("preparing footage", flush=True)
        write_clips(folder / "videos", self.cameras)
        self.state = self._disk()
        loop = self._stack.enter_context(RelayLoop())
        credentials = folder / "credentials"
        credentials.mkdir(exist_ok=True)
        for number, camera in enumerate(self.cameras):
            server = RtspServer(folder / "videos" / camera)
            self.servers[camera] = self._stack.enter_context(server)
            login = f"user{number}", f"s3cr3t-{number}/{camera}:@?&"
            self._hide(camera, *login)
            (credentials / f"{camera}_password").write_text(login[1])
            self.relays[camera] = Relay(loop, server.port, ":".join(login))
            self._stack.callback(self.relays[camera].close)
        self._hide("broker", _USER, _PASSWORD)
        (credentials / "mqtt_password").write_text(_PASSWORD)
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), _USER, _PASSWORD], check=True)
        self.broker = Broker(folder, settings=_BROKER.format(folder=folder))
        self._stack.enter_context(self.broker)
        self.broker_relay = Relay(loop, self.broker.port)
        self._stack.callback(self.broker_relay.close)
        self.settings = self._settings()
        self.write(self.settings)
        self.log = self._stack.enter_context(LogReader(folder / "daemon.log", self.secrets))
        self.witness = Witness(self.broker.port, (_USER, _PASSWORD), self.secrets)
        self._stack.enter_context(self.witness)
        self.daemon = DaemonProcess(self.config, folder / "daemon.log", credentials)
        self._stack.callback(self._end)
        self.daemon.start()

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _end(self) -> None:
        self.burn(False)
        if self.daemon.status is None:
            self.daemon.kill()

    def _disk(self) -> Path:
        """A small file system for the state directory, where this may be mounted."""
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        options = ["-t", "tmpfs", "-o", f"size={_DISK},mode=700", "posewatch-soak", str(state)]
        done = subprocess.run(["mount", *options], capture_output=True, text=True)
        if done.returncode:
            self.unavailable.append(f"disk full: may not mount a file system here ({done.stderr.strip()})")
            return state
        self._stack.callback(subprocess.run, ["umount", "--lazy", str(state)])
        return state

    def keep_state(self) -> None:
        """Copies the database beside the mount, to be looked at later."""
        for name in ("posewatch.db", "posewatch.db-wal"):
            with contextlib.suppress(OSError):
                (self.folder / name).write_bytes((self.state / name).read_bytes())

    def _hide(self, name: str, user: str, password: str) -> None:
        """A password in every way in which it might get out."""
        self.secrets[f"{name}'s password"] = password.encode()
        self.secrets[f"{name}'s password (URL)"] = quote(password, safe="").encode()
        self.secrets[f"{name}'s login (Basic)"] = b64encode(f"{user}:{password}".encode())

    def _settings(self) -> dict[str, Any]:
        zones = {
            "lawn": {
                "points": [[0.0, 0.43], [0.28, 0.47], [0.55, 0.62], [1.0, 0.87], [1.0, 1.0], [0.0, 1.0]]
            },
            "everywhere": {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        }  # fmt: skip
        short = {"cooldown": "1s", "clear": "1s"}
        rules = {
            "fall": {"type": "fall"},
            "lying": {"type": "lying", "for": "2s", **short},
            "entry": {"type": "zone_entry", "zones": ["lawn"], **short},
            "about": {"type": "loitering", "zones": ["everywhere"], "for": "3s", **short},
            "crowd": {"type": "crowd", "zones": ["everywhere"], "min_people": 2, "for": "1s", **short},
            "line": {"type": "line_crossing", "line": [[0.5, 1.0], [0.5, 0.3]], "direction": "both", **short},
        }
        return {
            "mqtt": {
                "host": "127.0.0.1", "port": self.broker_relay.port, "client_id": "posewatch-soak",
                "username": _USER, "password": Secret("mqtt_password"), "keepalive": "5s",
            },
            "storage": {"path": "state", "max_size": "48MB"},
            "stats_interval": "5s",
            "detect": {"every": 2},
            "filters": {"min_height": 0.12},
            "snapshots": {"width": 480, "max_size": "4MB"},
            "clips": {"width": 320, "max_size": "8MB", "before": "2s", "after": "3s", "longest": "20s"},
            "rules": rules,
            "cameras": {
                name: self.camera(name, zones=zones, clips={"enabled": number % 4 == 0})
                for number, name in enumerate(self.cameras)
            },
        }  # fmt: skip

    def camera(self, name: str, **more: Any) -> dict[str, Any]:
        """Settings of a camera. Every third has its login in the URL."""
        number = self.cameras.index(name)
        port, user = self.relays[name].port, f"user{number}"
        login: dict[str, Any] = {
            "url": f"rtsp://127.0.0.1:{port}/live.mp4/play_count_0",
            "username": user,
            "password": Secret(f"{name}_password"),
        }
        if number % 3 == 2:
            password = quote(self.secrets[f"{name}'s password"].decode(), safe="")
            login = {"url": f"rtsp://{user}:{password}@127.0.0.1:{port}/live.mp4/play_count_0"}
        return {
            **login, "fps": min(self._fps, RATE), "open_timeout": "5s", "read_timeout": "5s",
            "reconnect": {"min": "500ms", "max": "4s"}, **more,
        }  # fmt: skip

    def write(self, settings: dict[str, Any]) -> None:
        """Puts a configuration in the place of the present one, at once."""
        text = yaml.dump(settings, Dumper=_Dumper, sort_keys=False)
        self.write_text(text)

    def write_text(self, text: str) -> None:
        fresh = self.config.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.replace(self.config)

    def changed(self) -> dict[str, Any]:
        """A copy of the configuration, to be changed."""
        return copy.deepcopy(self.settings)

    def stop_broker(self) -> None:
        """Ends the broker properly: it writes down what it has to deliver."""
        process = self.broker._process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        self.broker.kill()

    def burn(self, on: bool) -> None:
        """Keeps every core busy, or no more."""
        if on:
            command = [sys.executable, "-c", "while True: pass"]
            self._burners = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
            return
        for process in self._burners:
            process.kill()
            process.wait()
        self._burners = []

    def fill_disk(self) -> None:
        """Leaves no byte free; before that the database gives back what it has in reserve."""
        with contextlib.suppress(sqlite3.Error):
            database = sqlite3.connect(self.state / "posewatch.db", timeout=5.0)
            with contextlib.closing(database):
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (self.state / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(65536))

    def free_disk(self) -> None:
        (self.state / "ballast").unlink(missing_ok=True)

    def remember_link(self) -> None:
        """Notes the daemon's connection to the broker, for `lost_link`."""
        self._link = self._links()
        self._looked = 0.0

    def lost_link(self) -> bool:
        """Whether that connection has ended; looks no more than four times a second."""
        if time.monotonic() - self._looked < 0.25:
            return False
        self._looked = time.monotonic()
        return bool(self._link) and not self._link & self._links()

    def _links(self) -> set[int]:
        """The daemon's own ports of its connections to the broker."""
        process = self.process()
        try:
            connections = [] if process is None else process.net_connections("tcp4")
        except psutil.Error:
            return set()
        port = self.broker_relay.port
        return {
            one.laddr.port
            for one in connections
            if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
        }

    def caught_up(self, timeout: float) -> bool:
        """Waits until the daemon's queue is empty and the witness has everything."""
        mark = self.witness.mark()
        try:
            wait_for(lambda: mark in self.witness.marks, timeout)
        except AssertionError:
            return False
        return True

    def process(self) -> psutil.Process | None:
        """The daemon's process; None where it is down."""
        try:
            return psutil.Process(self.daemon.pid) if self.daemon.status is None else None
        except psutil.NoSuchProcess:
            return None
