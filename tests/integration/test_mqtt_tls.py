"""TLS to a real mosquitto: the right certificates are taken, wrong ones refused with a line that says why."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from servers import MOSQUITTO, Broker, free_port, wait_for

from daemon.config.mqtt import MqttConfig
from daemon.messages import Message
from daemon.mqtt import Publisher
from daemon.storage import Store

pytestmark = [
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
    pytest.mark.made_up_payloads,
]


NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
OURS = {"ca": "ours.pem"}
UNUSABLE = "mqtt.tls files cannot be used"


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    command = f"req -x509 {NEW_KEY} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
    openssl(*command.split(), folder=folder)


def certificate(folder: Path, name: str, signer: str, names: str, days: str = "2") -> None:
    (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
    for command in (
        f"req {NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr",
        f"x509 -req -in {name}.csr -CA {signer}.pem -CAkey {signer}.key -CAcreateserial -days {days} "
        f"-extfile {name}.ext -out {name}.pem",
    ):
        openssl(*command.split(), folder=folder)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities; a broker's certificate of the first, and clients' certificates of both."""
    folder = tmp_path_factory.mktemp("keys")
    authority(folder, "ours")
    authority(folder, "theirs")
    certificate(folder, "broker", "ours", "DNS:localhost")
    certificate(folder, "client", "ours", "DNS:posewatch")
    certificate(folder, "stranger", "theirs", "DNS:posewatch")
    certificate(folder, "expired", "ours", "DNS:localhost", days="-1")
    openssl(
        "ec", "-aes128", "-passout", "pass:secret", "-in", "client.key", "-out", "locked.key", folder=folder
    )
    return folder


def settings(keys: Path, *, certificate: str = "broker", clients: bool = False) -> str:
    lines = f"cafile {keys}/ours.pem\ncertfile {keys}/{certificate}.pem\nkeyfile {keys}/{certificate}.key\n"
    return lines + ("require_certificate true\n" if clients else "")


def publisher_for(
    folder: Path, port: int, host: str = "localhost", protocol: str = "3.1.1", **tls: object
) -> Publisher:
    mqtt = MqttConfig(host=host, port=port, protocol=protocol, tls={"enabled": True, **tls})
    publisher = Publisher(mqtt, Store(folder / "state"), backoff=(0.05, 0.2))
    publisher.start()
    return publisher


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_the_right_certificates_on_both_sides(keys, tmp_path, protocol):
    with Broker(tmp_path, settings=settings(keys, clients=True)) as broker:
        publisher = publisher_for(
            tmp_path, broker.port, protocol=protocol,
            ca=keys / "ours.pem", certificate=keys / "client.pem", key=keys / "client.key",
        )  # fmt: skip
        publisher.publish([Message("posewatch/door/events", {"type": "new"}, 1)])
        wait_for(lambda: publisher.connected and not publisher.queued)
        publisher.close()
        assert not publisher.queued


@pytest.mark.parametrize(
    ("broker", "host", "tls", "line"),
    [
        ({}, "localhost", {"ca": "theirs.pem"}, "is not signed by {keys}/theirs.pem: check mqtt.tls.ca"),
        ({}, "localhost", {}, "is not signed by the system's authorities: check mqtt.tls.ca"),
        ({}, "127.0.0.1", OURS, "certificate is not for 127.0.0.1: use a name of the certificate"),
        ({"certificate": "expired"}, "localhost", OURS, "certificate has expired"),
        ({"clients": True}, "localhost", OURS, "want a client certificate (mqtt.tls.certificate)?"),
        ({"clients": True}, "localhost", OURS | {"certificate": "stranger.pem", "key": "stranger.key"},
         "the broker ended the connection"),
        ({}, "localhost", OURS | {"certificate": "client.pem", "key": "locked.key"}, UNUSABLE),
        ({}, "localhost", OURS | {"certificate": "client.pem", "key": "broker.key"}, UNUSABLE),
        ({}, "localhost", {"ca": "broker.key"}, UNUSABLE),
        ({}, "localhost", {"ca": "gone.pem"}, "FileNotFoundError"),
        (None, "localhost", OURS, "speak TLS: check mqtt.port"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_said(keys, tmp_path, caplog, broker, host, tls, line):
    lines = "" if broker is None else settings(keys, **broker)
    with Broker(tmp_path, settings=lines) as running:
        publisher = publisher_for(
            tmp_path, running.port, host, **{name: keys / value for name, value in tls.items()}
        )
        publisher.publish([Message("posewatch/door/events", {"type": "new"}, 1)])
        wait_for(lambda: "mqtt_unavailable" in caplog.text, what="the refusal")
        assert line.format(keys=keys) in caplog.text
        assert not publisher.connected
        assert publisher.queued == 1
        publisher.close(timeout=0.1)


def test_unverified_only_where_it_is_asked_for(keys, tmp_path):
    with Broker(tmp_path, settings=settings(keys)) as broker:
        publisher = publisher_for(tmp_path, broker.port, "127.0.0.1", verify=False)
        wait_for(lambda: publisher.connected)
        publisher.close()


def test_plain_mqtt_to_a_port_with_tls(keys, tmp_path, caplog):
    with Broker(tmp_path, settings=settings(keys)) as broker:
        publisher = Publisher(
            MqttConfig(host="localhost", port=broker.port), Store(tmp_path / "state"), backoff=(0.05, 0.2)
        )
        publisher.start()
        wait_for(lambda: "does it want TLS (mqtt.tls.enabled)?" in caplog.text)
        publisher.close(timeout=0.1)


def test_nobody_there(tmp_path, caplog):
    publisher = publisher_for(tmp_path, free_port())
    wait_for(lambda: "Connection refused" in caplog.text)
    publisher.close(timeout=0.1)
