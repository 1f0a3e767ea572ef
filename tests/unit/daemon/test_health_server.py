"""The health server over real sockets: what it says, and that nobody can hold it up."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import TypeAlias

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_figures import camera_figures, service_figures

from daemon.config import HealthConfig
from daemon.figures import ConfigFigures, MqttFigures, ServiceFigures
from daemon.health.requests import MAX_REQUEST, Answer, Request, is_whole, read_request
from daemon.health.server import HealthServer

Headers: TypeAlias = dict[str, str]
SLOW = 30.0  # seconds that a loaded machine may take


def wait_for(condition: Callable[[], object], what: str = "the condition") -> None:
    deadline = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < deadline, f"{what} was not met"
        time.sleep(0.01)


class Service:
    """Figures that a test can change."""

    def __init__(self) -> None:
        self.figures = service_figures()
        self.reads = 0

    def read(self) -> ServiceFigures:
        self.reads += 1
        return self.figures


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def server(service: Service) -> Iterator[HealthServer]:
    running = HealthServer(HealthConfig(port=free_port()), service.read, retry=0.1)
    running.start()
    wait_for(lambda: running.addresses, "listening")
    yield running
    running.stop()


def ask(
    server: HealthServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    connection = HTTPConnection(*server.addresses[0], timeout=SLOW)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return (
            answer.status,
            answer.read().decode(),
            {key.lower(): value for key, value in answer.getheaders()},
        )


def say(server: HealthServer, data: bytes) -> bytes:
    """The whole answer to some bytes."""
    with socket.create_connection(server.addresses[0], timeout=SLOW) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(65536):
                answer += part
        return answer


# ---- What it says ----


def test_healthy_while_there_is_progress(server, service):
    assert ask(server, "/healthz")[:2] == (200, "ok\n")
    service.figures = service_figures(hung=("worker-1", "mqtt"))
    wait_for(lambda: ask(server, "/healthz")[0] == 503)
    assert ask(server, "/healthz")[1] == "no progress: worker-1, mqtt\n"


def test_ready_when_the_service_is_up_whatever_cameras_and_broker_do(server, service):
    assert ask(server, "/readyz")[:2] == (200, "ready\n")
    service.figures = service_figures(
        camera_figures("door"),
        camera_figures("garden", state="connecting", reason="auth"),
        camera_figures("off", state="disabled", enabled=False),
        mqtt=MqttFigures(True, False, 7, 0, 0),
        storage_state="degraded",
        config=ConfigFigures("invalid", "x", 0.0, 0),
    )
    wait_for(lambda: "garden" in ask(server, "/readyz")[1])
    status, body, _ = ask(server, "/readyz")
    assert status == 200
    assert body.splitlines() == [
        "ready",
        "cameras without pictures: garden (auth)",
        "mqtt: not connected, 7 messages wait",
        "storage: degraded",
        "config: the file was refused at the last reload, the former one holds",
    ]
    service.figures = service_figures(ready=False)
    wait_for(lambda: ask(server, "/readyz")[0] == 503)
    assert ask(server, "/readyz")[1].startswith("not ready: ")


def test_status_is_json_without_folders_and_credentials(server, service):
    error = "/etc/posewatch/posewatch.yaml:3: cameras.door.url: rtsp://admin:s3cret@h/x is not valid"
    service.figures = service_figures(
        config=ConfigFigures("invalid", error, 0.0, 1), storage_reason="/var/lib/posewatch/x.db: disk full"
    )
    status, body, headers = ask(server, "/status")
    assert (status, headers["content-type"]) == (200, "application/json")
    picture = json.loads(body)
    assert picture["config"]["error"] == "posewatch.yaml:3: cameras.door.url: rtsp://***@h/x is not valid"
    assert picture["storage_reason"] == "x.db: disk full"
    assert picture["cameras"][0]["stages_ms"]["detect"] == 12.0
    assert picture["healthy"] is True
    assert "s3cret" not in body
    assert "/etc" not in body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/metrics?name=x", 200),
        ("GET", "/nothing", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/healthz/", 404),
        ("POST", "/healthz", 405),
        ("PUT", "/metrics", 405),
        ("DELETE", "/status", 405),
        ("TRACE", "/status", 405),
        ("CONNECT", "/status", 405),
    ],
)
def test_only_four_paths_and_two_methods(server, method, path, status):
    assert ask(server, path, method)[0] == status


def test_head_has_the_headers_only(server):
    status, body, headers = ask(server, "/status", "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) > 1000


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9960", 200),
        ("localhost:9960", 200),
        ("[::1]:9960", 200),
        ("192.168.1.20", 200),
        ("posewatch:9960", 200),  # of a container network
        ("evil.example.com", 403),
        ("evil.example.com:9960", 403),
        ("127.0.0.1.nip.io", 403),
        ("localhost.evil.example", 403),
        ("a b", 403),
        ("[evil.com]", 403),
        ("user@127.0.0.1", 403),
    ],
)
def test_a_page_in_a_browser_cannot_ask_under_its_own_name(server, host, status):
    assert ask(server, "/status", Host=host)[0] == status


def test_two_hosts_are_refused(server):
    answer = say(server, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example.com\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")


def test_figures_that_cannot_be_read_are_an_error_of_that_answer(server, service, caplog):
    good = service.read
    server._answers._read = lambda: 1 / 0  # type: ignore[assignment,return-value]
    status, body, _ = ask(server, "/metrics")
    assert status == 500
    assert "ZeroDivision" not in body
    assert "health_failed" in caplog.text
    server._answers._read = good
    wait_for(lambda: ask(server, "/metrics")[0] == 200)


# ---- Who asks badly ----


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"400"),  # TLS
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (bytes(range(256)) * 100, b"400"),
        (b"GET /healthz HTTP/2.0\r\n\r\n", b"400"),
        (b"GET healthz HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /healthz\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000, b"431"),
        (b"GET /" + b"a" * (10 << 20) + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET /healthz HTTP/1.0\n\n", b"200"),  # as people type it
    ],
)
def test_bad_requests_have_their_answer(server, data, status):
    answer = say(server, data)
    assert answer.startswith(b"HTTP/1.1 " + status) or (len(data) > 1 << 20 and not answer)
    assert ask(server, "/healthz")[0] == 200


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_request_or_refused(data):
    head = data + b"\r\n\r\n"
    assert is_whole(head)
    assert isinstance(read_request(head), (Request, Answer))


def test_a_request_is_waited_for_but_not_for_ever_long():
    assert not is_whole(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert is_whole(b"G" * (MAX_REQUEST + 1))
    assert is_whole(b"\x00")


def test_a_thousand_slow_clients_hold_up_nobody(server):
    """They begin to ask and stop; a probe among them gets its answer, and no client gets a thread."""
    process = psutil.Process()
    threads, memory = process.num_threads(), process.memory_info().rss
    stop = threading.Event()
    clients: list[socket.socket] = []
    made = 0
    lock = threading.Lock()

    def flood() -> None:
        nonlocal made
        while not stop.is_set():
            with contextlib.suppress(OSError):
                client = socket.create_connection(server.addresses[0], timeout=SLOW)
                client.sendall(b"GET /met")
                with lock:
                    clients.append(client)
                    made += 1
                    if len(clients) > 300:
                        clients.pop(0).close()

    flooding = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
    for thread in flooding:
        thread.start()
    try:
        wait_for(lambda: made >= 1000, "the flood")
        answers = [patiently(server) for _ in range(20)]
        assert answers == ["ok\n"] * 20
        assert process.num_threads() <= threads + len(flooding)
        assert process.memory_info().rss - memory < 64 << 20
    finally:
        stop.set()
        for thread in flooding:
            thread.join(SLOW)
        for client in clients:
            client.close()
    wait_for(lambda: ask(server, "/healthz")[0] == 200)


def test_of_too_many_clients_the_oldest_have_to_go(server, monkeypatch):
    monkeypatch.setattr("daemon.health.connection._TO_ASK", 1000.0)
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(server.addresses[0], timeout=SLOW))
            for _ in range(100)
        ]
        assert ask(server, "/healthz")[0] == 200  # after those
        assert all(client.recv(1) == b"" for client in clients[:30])
        clients[-1].sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert clients[-1].recv(100).startswith(b"HTTP/1.1 200 ")


def patiently(server: HealthServer) -> str:
    """As a probe does: again when the connection was lost, a few times."""
    for _ in range(5):
        with contextlib.suppress(OSError):
            return ask(server, "/healthz")[1]
    return "nothing"


def test_a_dripping_client_is_cut_off(server, monkeypatch):
    monkeypatch.setattr("daemon.health.connection._TO_ASK", 0.3)
    with socket.create_connection(server.addresses[0]) as client, contextlib.suppress(ConnectionError):
        client.settimeout(0.02)
        ended, started = False, time.monotonic()
        while not ended:  # bytes do not make the deadline later
            client.sendall(b"G")
            with contextlib.suppress(TimeoutError):
                ended = not client.recv(1)
            assert time.monotonic() - started < SLOW
    assert ask(server, "/healthz")[0] == 200


def test_a_client_that_takes_no_answer_is_cut_off(server, service, monkeypatch):
    monkeypatch.setattr("daemon.health.connection._TO_TAKE", 0.3)
    service.figures = service_figures(*(camera_figures(f"camera-{index}") for index in range(1500)))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(SLOW)
        client.connect(server.addresses[0])
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_for(lambda: service.reads > 0)
        wait_for(lambda: ask(server, "/healthz")[0] == 200)  # others meanwhile
        taken = 0
        wait_for(lambda: is_closed(client), "the end of the connection")
        with contextlib.suppress(OSError):
            while part := client.recv(1 << 20):
                taken += len(part)
    assert taken < 1 << 23


def is_closed(client: socket.socket) -> bool:
    """Whether the server has no connection to this client any more."""
    mine = client.getsockname()
    open_ones = psutil.Process().net_connections("tcp")
    return not any(one.raddr == mine and one.status == "ESTABLISHED" for one in open_ones)


def test_figures_are_read_a_few_times_a_second_however_many_ask(server, service):
    started = time.monotonic()
    for _ in range(100):
        ask(server, "/healthz")
    assert service.reads <= 2 + 4 * (time.monotonic() - started + 0.25)


# ---- Where it listens ----


def test_a_taken_port_is_said_once_and_tried_again(service, caplog):
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = HealthServer(HealthConfig(port=other.getsockname()[1]), service.read, retry=0.05)
        server.start()
        wait_for(lambda: "health_unavailable" in caplog.text)
        assert "Address already in use" in caplog.text
    try:
        wait_for(lambda: server.addresses)
        assert ask(server, "/healthz")[0] == 200
        assert caplog.text.count("health_unavailable") == 1
    finally:
        server.stop()


def test_it_listens_on_ipv6_when_asked(service):
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
    server = HealthServer(HealthConfig(host="::1", port=port), service.read)
    server.start()
    wait_for(lambda: server.addresses)
    try:
        assert server.addresses == (("::1", port),)
        assert ask(server, "/healthz")[0] == 200
    finally:
        server.stop()


def test_stop_lets_go_of_port_threads_and_sockets(service):
    process = psutil.Process()
    files, threads = process.num_fds(), process.num_threads()
    port = free_port()
    for _ in range(5):
        server = HealthServer(HealthConfig(port=port), service.read)
        server.start()
        wait_for(lambda server=server: server.addresses)
        with socket.create_connection(("127.0.0.1", port)):  # in the middle of a request
            assert ask(server, "/healthz")[0] == 200
            server.stop()
    wait_for(lambda: process.num_threads() <= threads)  # the system counts one for a moment after its end
    assert process.num_fds() <= files


def test_stop_does_not_wait_for_figures_that_hang(service):
    never = threading.Event()

    def hang() -> ServiceFigures:
        never.wait(SLOW)
        return service.figures

    server = HealthServer(HealthConfig(port=free_port()), hang)
    server.start()
    wait_for(lambda: server.addresses)
    with socket.create_connection(server.addresses[0]) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        started = time.monotonic()
        server.stop(timeout=0.2)
        assert time.monotonic() - started < SLOW / 2
        never.set()


def test_switched_off_it_opens_nothing(service):
    threads = threading.active_count()
    server = HealthServer(HealthConfig(enabled=False), service.read)
    server.start()
    assert threading.active_count() == threads
    server.stop()
