"""A real Home Assistant in a process of its own, set up and asked over its HTTP API."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from servers import free_port, wait_for

__all__ = ["HomeAssistant"]

_CONFIGURATION = """\
homeassistant: {{name: Test, time_zone: UTC}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
auth:
config:
onboarding:
recorder:
automation: !include automations.yaml
command_line:
  - notify: {{name: mobile_app_phone, command: cat >> {folder}/phone.txt}}
logger:
  default: warning
"""
_START = 120.0  # seconds; it loads a lot
_OF_THE_INSTALLATION = ("Skipping pip installation", "falling back to zlib", "last shutdown", "turbojpeg")
_CLIENT = "http://127.0.0.1/"


class HomeAssistant:
    """Onboarded, with the MQTT integration connected to a broker.

    Args:
        program: path of `hass`.
        folder: where its configuration goes.
        broker: port of the broker on the loopback interface.
        automations: its automations, as YAML.
    """

    def __init__(self, program: str, folder: Path, broker: int, automations: str = "[]") -> None:
        self.port = free_port()
        self.log = folder / "output.log"  # home-assistant.log is its own
        self._program, self._folder, self._broker = program, folder, broker
        self._automations = automations
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "automations.yaml").write_text("[]")
        text = _CONFIGURATION.format(port=self.port, folder=folder)
        (folder / "configuration.yaml").write_text(text)

    def start(self) -> None:
        """Starts it and waits until it answers and knows all about MQTT."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._folder)], stdout=output, stderr=subprocess.STDOUT
            )
        wait_for(self._answers, _START, "Home Assistant's answer")
        if not self._token:
            self._onboard()
            self._connect_broker()
            (self._folder / "automations.yaml").write_text(self._automations)
            self._ask("/api/services/automation/reload", {})
        wait_for(lambda: self._config()["state"] == "RUNNING", _START, "Home Assistant's start")

    def stop(self) -> None:
        """Ends it as its service manager would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def __enter__(self) -> HomeAssistant:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        print(self.log.read_text(errors="replace")[-4000:])  # pytest shows it where the test fails

    @property
    def notified(self) -> str:
        """What `notify.mobile_app_phone` was told."""
        phone = self._folder / "phone.txt"
        return phone.read_text(encoding="utf-8") if phone.exists() else ""

    def state(self, entity: str) -> str | None:
        """State of an entity; None where there is no such entity."""
        return (self.entity(entity) or {}).get("state")

    def entity(self, entity: str) -> dict[str, Any] | None:
        """State and attributes of an entity; None where there is no such entity."""
        try:
            found: dict[str, Any] = self._ask(f"/api/states/{entity}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        return found

    def entities(self) -> dict[str, str]:
        """States of all entities of MQTT devices, by entity id."""
        wanted = set(self.render("{{ integration_entities('mqtt') | join(' ') }}").split())
        return {
            one["entity_id"]: one["state"] for one in self._ask("/api/states") if one["entity_id"] in wanted
        }

    def call(self, service: str, entity: str, **data: Any) -> None:
        """Calls a service such as `switch.turn_off`."""
        self._ask(f"/api/services/{service.replace('.', '/')}", {"entity_id": entity, **data})

    def set_state(self, entity: str, state: str) -> None:
        """Gives an entity of other integrations a state."""
        self._ask(f"/api/states/{entity}", {"state": state})

    def image(self, entity: str) -> bytes:
        """The bytes of an image entity."""
        return self._fetch(f"/api/image_proxy/{entity}")

    def render(self, template: str) -> str:
        """What a template gives: the way to its device registry without a websocket."""
        return self._fetch("/api/template", {"template": template}).decode()

    def complaints(self) -> list[str]:
        """Warnings and errors in its log, but for those about how it was installed."""
        lines = self.log.read_text(errors="replace").splitlines()
        found = [line for line in lines if " WARNING " in line or " ERROR " in line]
        return [line for line in found if not any(words in line for words in _OF_THE_INSTALLATION)]

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"Home Assistant ended: {self.log.read_text(errors='replace')[-2000:]}")
        try:
            self._fetch("/api/onboarding", authorised=False)
        except urllib.error.HTTPError:
            return True  # onboarded before
        except OSError:
            return False
        return True

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = self._ask("/api/config")
        return config

    def _onboard(self) -> None:
        """Makes a user; the other steps look for the place on the internet and are left out."""
        user = {"name": "Test", "username": "test", "password": "test-test", "language": "en"}
        path = "/api/onboarding/users"
        code = json.loads(self._fetch(path, {"client_id": _CLIENT, **user}, authorised=False))["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": _CLIENT}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/auth/token", urllib.parse.urlencode(form).encode()
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            self._token = json.load(answer)["access_token"]

    def _connect_broker(self) -> None:
        flow = self._ask("/api/config/config_entries/flow", {"handler": "mqtt"})
        address = {"broker": "127.0.0.1", "port": self._broker}
        done = self._ask(f"/api/config/config_entries/flow/{flow['flow_id']}", address)
        assert done["type"] == "create_entry", done

    def _ask(self, path: str, data: dict[str, Any] | None = None) -> Any:
        return json.loads(self._fetch(path, data))

    def _fetch(self, path: str, data: dict[str, Any] | None = None, *, authorised: bool = True) -> bytes:
        headers = {"Content-Type": "application/json"}
        if authorised:
            headers["Authorization"] = f"Bearer {self._token}"
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content
