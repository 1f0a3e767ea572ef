"""What reaches standard error of a running daemon, on every kind of failure: events, and no credential."""

from __future__ import annotations

import contextlib
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import Daemon
from servers import MOSQUITTO, Broker, free_port, silent_server, wait_for

from daemon.logs.logfmt import fields_of

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

PASSWORDS = {
    "refused": "S3cret-One@:/?#[]",  # %-encoded on the way
    "missing": "S3cret Two 'quoted\"",
    "broken": "S3cret-Three%41&=",
    "in_url": "S3cretFour",
    "dead": "S3cret-Fünf\\n",
    "mqtt": "S3cret-Six$'\"",
}


class _Camera(socketserver.StreamRequestHandler):
    """An RTSP camera that answers everything with the same status, and says back what it was told."""

    status = ""
    asked: threading.Semaphore  # released for each request

    def handle(self) -> None:
        while True:
            lines = []
            with contextlib.suppress(OSError):
                while (line := self.rfile.readline()).strip():
                    lines.append(line.decode("utf-8", "replace").strip())
            if not lines:
                return
            number = next((one for one in lines if one.lower().startswith("cseq")), "CSeq: 1")
            self.asked.release()
            said = lines[0].replace("\r", "")
            answer = f'RTSP/1.0 {self.status}\r\n{number}\r\nWWW-Authenticate: Basic realm="{said}"\r\n\r\n'
            with contextlib.suppress(OSError):
                self.wfile.write(answer.encode())


@contextmanager
def camera(status: str, asked: threading.Semaphore | None = None) -> Iterator[int]:
    handler = type("Camera", (_Camera,), {"status": status, "asked": asked or threading.Semaphore()})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def config(folder: Path, form: str, ports: dict[str, int], broker: int) -> Path:
    users = {name: f"user_{name}_7" for name in PASSWORDS}
    urls = {
        name: f"rtsp://127.0.0.1:{ports[name]}/stream" for name in ("refused", "missing", "broken", "dead")
    }
    document = {
        "mqtt": {"port": broker, "username": users["mqtt"], "password": PASSWORDS["mqtt"]},
        "log": {"format": form, "level": "debug", "repeats": 4},
        "health": {"port": free_port()},
        "cameras": {
            **{
                name: {"url": url, "username": users[name], "password": PASSWORDS[name], "open_timeout": "1s"}
                for name, url in urls.items()
            },
            "in_url": {
                "url": f"rtsp://user_in_url_7:{PASSWORDS['in_url']}@127.0.0.1:{ports['missing']}/s?token=S3cretTok",
                "reconnect": {"min": "100ms", "max": "200ms"},
            },
            "webcam": {"url": "/dev/video97"},
            "file": {"url": str(folder / "broken.mp4")},
        },
    }
    (folder / "broken.mp4").write_bytes(b"\0\0\0 ftypisom" + bytes(range(256)) * 40)
    path = folder / f"{form}.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")  # YAML as well
    return path


@pytest.mark.parametrize("form", ["text", "json"])
def test_failures_are_events_without_credentials(tmp_path, form):
    (tmp_path / "passwords").write_text("")
    settings = "allow_anonymous false\npassword_file " + str(tmp_path / "passwords") + "\n"
    asked = threading.Semaphore(0)
    with (
        camera("401 Unauthorized") as refused,
        camera("404 Not Found", asked) as missing,
        camera("200 OK\r\nContent-Length: -5") as broken,
        silent_server() as dead,
        Broker(tmp_path, settings=settings) as broker,
    ):
        ports = {"refused": refused, "missing": missing, "broken": broken, "dead": dead}
        path = config(tmp_path, form, ports, broker.port)
        with Daemon(path) as daemon:
            for name in (*ports, "in_url", "webcam", "file"):
                mark = f"camera={name} " if form == "text" else f'"camera": "{name}"'
                wait_for(
                    lambda mark=mark: re.search(f"camera_lost.*{mark}", daemon.log.read_text()), 60, name
                )
            wait_for(lambda: "Not authorized" in daemon.log.read_text(), 60, "the broker's no")
            assert all(asked.acquire(timeout=60) for _ in range(24))  # more often than is worth a line
            assert daemon.ask_to_stop()[0] == 0
    written = daemon.log.read_text()
    assert "S3cret" not in written
    assert "user_" not in written
    for line in written.splitlines():  # every one of them, whoever wrote it
        names = list(json.loads(line)) if form == "json" else [key for key, _ in fields_of(line)]
        assert "event" in names or re.match(r"\d{4}-\d\d-\d\dT", line), line
    if form == "json":
        assert any(json.loads(line)["event"] == "repeated" for line in written.splitlines())
    else:
        assert " repeated of=" in written
