"""The configuration as an operator meets it: what is accepted, and what every mistake says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from daemon.config import Config, ConfigError, load_config
from daemon.config.base import parse_duration
from daemon.config.schema import json_schema, render_schema

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = [ROOT / "config" / "posewatch.yaml", *sorted((ROOT / "config" / "examples").glob("*.yaml"))]
SECRETS = {"mqtt_password": "mq-s3cret", "door_password": "do/or@s3cret"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name, text in SECRETS.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return {"CREDENTIALS_DIRECTORY": str(folder), "HOST": "broker.lan", "PORT": "8883", "EMPTY": ""}


@pytest.fixture
def load(tmp_path: Path, environment: dict[str, str]):
    def load(text: str) -> Config:
        path = tmp_path / "posewatch.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, environment=environment)

    return load


def messages(load: Any, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [re.sub(r"^.*posewatch\.yaml", "posewatch.yaml", line) for line in caught.value.messages]


CAMERA = "cameras:\n  door: {url: rtsp://10.0.0.5/x}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the nearest known key, at every depth
        ("cameras:\n  door:\n    rl: rtsp://h/x\n    url: rtsp://h/x\n",
         ['posewatch.yaml:3: cameras.door.rl: unknown key, did you mean "url"?']),
        ("mqt: {}\n" + CAMERA, ['posewatch.yaml:1: mqt: unknown key, did you mean "mqtt"?']),
        ("mqtt:\n  tls: {cert: x}\n" + CAMERA, None),
        ("track: {confirm-hits: 2}\n" + CAMERA,
         ['posewatch.yaml:1: track.confirm-hits: unknown key, did you mean "confirm_hits"?']),
        # values
        ("detect:\n  score: 2\n" + CAMERA,
         ["posewatch.yaml:2: detect.score: must be less than or equal to 0.95, not 2"]),
        ("detect:\n  tiles: 2by1\n" + CAMERA,
         ["posewatch.yaml:2: detect.tiles: must be COLUMNSxROWS, such as 2x1 or 3x2, or 1x1 for the whole "
          "image alone, not '2by1'"]),
        ("detect: {tiles: 5x4}\n" + CAMERA,
         ["posewatch.yaml:1: detect.tiles: must be 16 tiles at most, not '5x4'"]),
        ("detect: {tiles: 0x2}\n" + CAMERA, None),
        ("detect: {size: 333}\n" + CAMERA,
         ["posewatch.yaml:1: detect.size: must be a multiple of 32, not 333"]),
        ("track:\n  lost: soon\n" + CAMERA,
         ["posewatch.yaml:2: track.lost: must be a duration such as 200ms, 2s, 5m or 1h, or a "
          "number of seconds, not 'soon'"]),
        ("log: {level: loud}\n" + CAMERA,
         ["posewatch.yaml:1: log.level: must be 'debug', 'info', 'warning' or 'error', not 'loud'"]),
        ("track: {low_score: 0.9}\n" + CAMERA,
         ["posewatch.yaml:1: track: low_score 0.9 must not be above high_score 0.5"]),
        ("snapshots: {max_size: plenty}\n" + CAMERA,
         ["posewatch.yaml:1: snapshots.max_size: must be a size such as 500MB or 2GB, or a number of bytes, "
          "not 'plenty'"]),
        ("clips: {style: blurred}\n" + CAMERA,
         ["posewatch.yaml:1: clips.style: must be 'skeleton', 'blur', 'full' or 'none', not 'blurred'"]),
        ("cameras:\n  a:\n    url: 0\n    privacy_masks:\n      house: {points: [[0, 0], [1, 1]]}\n", None),
        ("mqtt: 5\n" + CAMERA, ["posewatch.yaml:1: mqtt: must be a mapping of keys and values, not 5"]),
        ("mqtt: {prefix: a/#}\n" + CAMERA, None),
        ("mqtt: {prefix: a//b}\n" + CAMERA, None),
        ('mqtt: {prefix: "a\\0b"}\n' + CAMERA, None),
        ("mqtt:\n  queue: 500\n" + CAMERA,
         ["posewatch.yaml:2: mqtt.queue: is gone: use storage.max_messages"]),
        ("storage: {max_size: many}\n" + CAMERA,
         ["posewatch.yaml:1: storage.max_size: must be a size such as 500MB or 2GB, or a number of bytes, "
          "not 'many'"]),
        ("storage: {max_messages: 0}\n" + CAMERA,
         ["posewatch.yaml:1: storage.max_messages: must be greater than or equal to 100, not 0"]),
        # cameras
        ("cameras: {}\n", ["posewatch.yaml:1: cameras: add at least one camera, such as "
                           "`door: {url: rtsp://192.168.1.20/stream}`"]),
        ("log: {}\n", ["posewatch.yaml:1: cameras: missing: add at least one camera, such as "
                       "`door: {url: rtsp://192.168.1.20/stream}`"]),
        ("cameras:\n  Front Door: {url: rtsp://h/x}\n", None),
        ("cameras:\n  a:\n    enabled: true\n", ["posewatch.yaml:2: cameras.a.url: missing: add it"]),
        ("cameras:\n  a: {url: 'ftp://h/x'}\n",
         ["posewatch.yaml:2: cameras.a.url: ftp:// is not supported: use rtsp://, a file or a webcam"]),
        # rules that name something that is not there
        ("rules:\n  a: {type: fall, zones: [bed]}\n" + CAMERA,
         ["posewatch.yaml:2: rules.a.zones[0]: 'bed' is no zone of door: add it to the camera's `zones`"]),
        ("rules:\n  a:\n    type: fall\n    cameras:\n      - dor\n" + CAMERA,
         ["posewatch.yaml:5: rules.a.cameras[0]: 'dor' is no camera: it is not in `cameras`; there are "
          "door"]),
        ("profiles: [home]\nrules:\n  a: {type: fall, profiles: [away]}\n" + CAMERA,
         ["posewatch.yaml:3: rules.a.profiles[0]: 'away' is no profile: add it to `profiles`; there are "
          "home"]),
        ("profiles: [home, home]\n" + CAMERA,
         ["posewatch.yaml:1: profiles: names a profile twice: keep one"]),
        ("cameras:\n  a: {url: 0, rules: {x: {type: fall, zones: [bed]}}}\n"
         "  b: {url: 1, zones: {bed: {points: [[0, 0], [1, 0], [1, 1]]}}}\n",
         ["posewatch.yaml:2: cameras.a.rules.x.zones[0]: 'bed' is no zone of a: add it to the camera's "
          "`zones`"]),
        # types of rules, and lists: what is missing or misspelt, not what the library calls it
        ("rules: {a: {for: 2s}}\n" + CAMERA,
         ["posewatch.yaml:1: rules.a: type is missing: add it, such as `type: fall`"]),
        ("rules: {a: {type: falls}}\n" + CAMERA,
         ['posewatch.yaml:1: rules.a: there is no type \'falls\': did you mean "fall"? There are fall, '
          "lying, fight, waving, running, zone_entry, zone_exit, loitering, crowd, line_crossing, absence, "
          "action"]),
        ("rules: {a: {type: action, actions: sitting}}\n" + CAMERA,
         ["posewatch.yaml:1: rules.a.actions: must be a list, such as [a, b], not 'sitting'"]),
        ("rules: {a: {type: action, actions: []}}\n" + CAMERA,
         ["posewatch.yaml:1: rules.a.actions: must have at least 1 entry"]),
        ("rules:\n  a:\n    type: fall\n    schedule:\n      days: [mon]\n" + CAMERA,
         ["posewatch.yaml:4: rules.a.schedule: must be a list: put `- ` before its first key"]),
        ("rules: {a: {type: fall, clip: maybe}}\n" + CAMERA,
         ["posewatch.yaml:1: rules.a.clip: must be true or false, not 'maybe'"]),
        ("cameras: {a: {url: 0, masks: {m: {points: [[0, 0], [1, 1]]}}}}\n",
         ["posewatch.yaml:1: cameras.a.masks.m.points: must have at least 3 entries"]),
        ("cameras: {a: {url: 0, masks: {m: {points: [[0, 0], [1, 0], [1, 10]]}}}}\n",
         ["posewatch.yaml:1: cameras.a.masks.m.points[2][1]: must be less than or equal to 1, not 10"]),
        # hours
        ("rules: {a: {type: fall, schedule: [{form: 8:00}]}}\n" + CAMERA,
         ['posewatch.yaml:1: rules.a.schedule[0].form: unknown key, did you mean "from"?']),
        ("rules: {a: {type: fall, schedule: [{from: noon}]}}\n" + CAMERA,
         ["posewatch.yaml:1: rules.a.schedule[0].from: must be a time of day from 00:00 to 24:00, such as "
          "22:30, not 'noon'"]),
        ("rules: {a: {type: fall, schedule: [{timezone: Mars}]}}\n" + CAMERA,
         ["posewatch.yaml:1: rules.a.schedule[0].timezone: unknown time zone: give a name such as "
          "Europe/Berlin, America/New_York or UTC, not 'Mars'"]),
        # lines
        ("rules: {a: {type: line_crossing, line: [[0, 0], [0, 0]]}}\n" + CAMERA,
         ["posewatch.yaml:1: rules.a.line: two points that follow each other are the same: leave one out"]),
        ("rules: {a: {type: line_crossing, line: [[0, 0]]}}\n" + CAMERA, None),
        ("rules: {a: {type: line_crossing}}\n" + CAMERA, ["posewatch.yaml:1: rules.a.line: missing: add it"]),
        # YAML
        ("cameras:\n  a: {url: x}\n  a: {url: y}\n",
         ["posewatch.yaml:3: cameras.a: given twice, first in line 2: keep one"]),
        ("cameras:\n  a: [1, 2\nb: 3\n", None),
        ("", ["posewatch.yaml:1: must hold settings: `cameras:` with at least one camera"]),
        ("mqtt: {host: !file x}\n" + CAMERA,
         ["posewatch.yaml:1: mqtt.host: unknown tag !file: only !secret is known"]),
        # variables and secrets
        ("mqtt:\n  host: ${NOWHERE}\n" + CAMERA,
         ["posewatch.yaml:2: mqtt.host: the environment variable NOWHERE is not set: set it or write "
          "${NOWHERE:-default}"]),
        ("mqtt:\n  password: !secret ../passwd\n" + CAMERA,
         ["posewatch.yaml:2: mqtt.password: !secret wants a file name: letters, digits, dots, _ and -"]),
    ],
)  # fmt: skip
def test_mistakes_name_line_key_and_remedy(load: Any, text: str, expected: list[str] | None) -> None:
    found = messages(load, text)
    if expected is not None:
        assert found == expected
    assert len(found) == 1
    assert re.match(r"posewatch\.yaml:\d+: ", found[0])


def test_every_mistake_is_named_at_once_in_the_order_of_the_file(load: Any) -> None:
    found = messages(
        load,
        "mqtt: {port: 0}\ndetect: {iou: high}\n"
        "cameras:\n  a: {url: rtsp://h/x, fps: 0}\n  b: {}\nnonsense_zzz: 1\n",
    )
    keys = [line.split(": ")[1] for line in found]
    assert keys == ["mqtt.port", "detect.iou", "cameras.a.fps", "cameras.b.url", "nonsense_zzz"]


def test_a_global_mistake_is_said_once_however_many_cameras(load: Any) -> None:
    cameras = "".join(f"  c{n}: {{url: rtsp://h/{n}}}\n" for n in range(5))
    assert len(messages(load, "track: {lost: -1s}\ncameras:\n" + cameras)) == 1


def test_a_cameras_override_wins_and_its_mistake_has_its_own_line(load: Any) -> None:
    text = (
        "track:\n  lost: 5s\n  confirm_hits: 4\n"
        "cameras:\n  a:\n    url: 0\n    track:\n      lost: LOST\n  b: {url: 1}\n"
    )
    config = load(text.replace("LOST", "700ms"))
    assert (config.cameras["a"].track.lost, config.cameras["a"].track.confirm_hits) == (0.7, 4)
    assert (config.cameras["b"].track.lost, config.cameras["b"].track.confirm_hits) == (5.0, 4)
    assert messages(load, text.replace("LOST", "2h"))[0].startswith(
        "posewatch.yaml:8: cameras.a.track.lost: "
    )


def test_override_that_only_clashes_with_the_global_value(load: Any) -> None:
    found = messages(
        load, "track: {high_score: 0.3}\ncameras:\n  a:\n    url: 0\n    track: {low_score: 0.4}\n"
    )
    assert found == ["posewatch.yaml:5: cameras.a.track: low_score 0.4 must not be above high_score 0.3"]


def test_default_rules_apply_where_none_are_given_and_a_camera_may_change_one(load: Any) -> None:
    config = load("cameras:\n  a: {url: 0}\n  b: {url: 1, rules: {fall: {enabled: false}}}\n")
    assert {"fall"} <= set(config.rules)
    assert config.cameras["a"].rules == config.rules
    assert set(config.cameras["b"].rules) == set(config.rules)
    assert not config.cameras["b"].rules["fall"].enabled
    assert config.cameras["a"].rules["fall"].enabled
    assert load("rules: {}\n" + CAMERA).cameras["door"].rules == {}


def test_a_zone_need_not_be_at_every_camera(load: Any) -> None:
    """A global rule is for the cameras that have its zone; what a camera changes of it is no new mistake."""
    config = load(
        "rules:\n  a: {type: zone_entry, zones: [bed]}\ncameras:\n"
        "  a: {url: 0, zones: {bed: {points: [[0, 0], [1, 0], [1, 1]]}}}\n"
        "  b: {url: 1, rules: {a: {severity: info}}}\n"
    )
    assert config.cameras["b"].rules["a"].severity == "info"


def test_hours_with_and_without_quotes_are_the_same(load: Any) -> None:
    """YAML reads 22:30 as the number 1350."""
    rules = "rules: {a: {type: fall, schedule: [{from: FROM, to: TO}]}}\n" + CAMERA
    plain = load(rules.replace("FROM", "22:30").replace("TO", "6:05"))
    quoted = load(rules.replace("FROM", "'22:30'").replace("TO", "'06:05'"))
    assert plain == quoted
    assert (plain.rules["a"].schedule[0].from_, plain.rules["a"].schedule[0].to) == (1350, 365)


def test_variables_and_secrets_are_filled_in(load: Any) -> None:
    config = load(
        "mqtt: {host: '${HOST}', port: '${PORT}', password: !secret mqtt_password, prefix: '${NONE:-cctv}'}\n"
        "cameras:\n  door:\n    url: rtsp://10.0.0.5:554/a?b\n"
        "    username: admin\n    password: !secret door_password\n"
    )
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.prefix) == ("broker.lan", 8883, "cctv")
    assert config.mqtt.password.get_secret_value() == "mq-s3cret"
    assert config.cameras["door"].source == "rtsp://admin:do%2For%40s3cret@10.0.0.5:554/a?b"


def test_secrets_are_in_no_representation_and_no_error(load: Any) -> None:
    text = (
        "mqtt: {password: !secret mqtt_password}\ncameras:\n  door: {url: 'rtsp://admin:ur-s3cret@h/x', "
        "username: admin, password: !secret door_password}\n"
    )
    config = load(text)
    for shown in (repr(config), str(config), repr(config.cameras["door"])):
        assert "s3cret" not in shown
    broken = text.replace("!secret mqtt_password", "[!secret mqtt_password]").replace("rtsp:", "ftp:")
    broken += "log: {level: !secret mqtt_password}\nstats_interval: !secret mqtt_password\n"
    found = messages(load, broken)
    assert len(found) == 4
    assert "s3cret" not in "\n".join(found)


def test_missing_secret_says_where_it_was_looked_for(load: Any, environment: dict[str, str]) -> None:
    (found,) = messages(load, "mqtt: {password: !secret nope}\n" + CAMERA)
    assert "'nope' not found in" in found
    assert environment["CREDENTIALS_DIRECTORY"] in found
    assert "/run/secrets" in found
    environment["INVOCATION_ID"] = "0"  # under systemd it says what to do there
    (found,) = messages(load, "mqtt: {password: !secret nope}\n" + CAMERA)
    assert "/etc/posewatch/credentials/nope, then `posewatch install-service --write`" in found


def test_anchors_and_merge_keys_keep_their_values_and_lines(load: Any) -> None:
    text = "cameras:\n  a: &base\n    url: rtsp://h/a\n    fps: 5\n  b:\n    <<: *base\n    url: rtsp://h/b\n"
    config = load(text)
    assert (config.cameras["b"].fps, config.cameras["b"].url) == (5.0, "rtsp://h/b")
    assert [m.split(" ")[0] for m in messages(load, text.replace("fps: 5", "fps: 0"))] == [
        "posewatch.yaml:4:"
    ] * 2


def test_an_alias_bomb_ends_as_a_message(load: Any) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    for previous, name in zip("abcdefg", "bcdefgh", strict=True):
        bomb += f"{name}: &{name} [{','.join([f'*{previous}'] * 9)}]\n"
    (found,) = messages(load, bomb + CAMERA)
    assert "too many values" in found


def test_relative_paths_are_taken_from_the_file(load: Any, tmp_path: Path) -> None:
    (tmp_path / "person.onnx").touch()
    config = load("detect: {model: person.onnx}\ncameras:\n  a: {url: clips/a.mp4}\n  b: {url: 0}\n")
    assert config.detect.model == tmp_path / "person.onnx"
    assert config.cameras["a"].url == str(tmp_path / "clips" / "a.mp4")
    assert config.cameras["b"].url == "0"
    (found,) = messages(load, "pose: {model: huge.onnx}\n" + CAMERA)
    assert "full, lite, heavy or an ONNX file; no such file" in found


def test_tiles_and_size_by_camera(load: Any) -> None:
    config = load(
        "detect: {tiles: 3x2}\ncameras:\n  a: {url: 0}\n  b: {url: 0, detect: {tiles: 1x1, size: 320}}\n"
    )
    looks = {name: (camera.detect.grid, camera.detect.size) for name, camera in config.cameras.items()}
    assert looks == {"a": ((3, 2), None), "b": ((1, 1), 320)}


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file: copy"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("200ms", 0.2),
        ("2s", 2),
        ("1.5m", 90),
        ("1h", 3600),
        ("1d", 86400),
        (3, 3),
        (0.5, 0.5),
        ("7", 7),
        (" 2 s ", 2),
    ],
)
def test_durations(value: object, seconds: float) -> None:
    assert parse_duration(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "s", "2 weeks", "-1s", "1s2", True, None, [], "1e3s", "٣s٣"])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@given(st.text(max_size=200))
def test_any_text_is_a_config_or_a_list_of_messages(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "posewatch.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={})
    assert all(line.startswith(str(path)) and "\n" not in line for line in caught.value.messages)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_are_valid_for_the_daemon_and_for_editors(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    credentials = dict.fromkeys(re.findall(r"^[^#\n]*!secret (\S+?)[},\s]", text, re.MULTILINE), "x")
    for name, value in credentials.items():
        (tmp_path / name).write_text(value, encoding="utf-8")
    config = load_config(path, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert config.cameras
    plain = yaml.safe_load(re.sub(r"!secret (\S+?)(?=[},\s])", r"\1", text))
    jsonschema.Draft202012Validator(json_schema()).validate(plain)


def test_the_annotated_file_mentions_every_setting_and_holds_the_defaults() -> None:
    text = SHIPPED[0].read_text(encoding="utf-8")
    keys = set(re.findall(r"^[\s#-]*([a-z_]+):", text, re.MULTILINE)) | set(
        re.findall(r"[{,] *([a-z_]+):", text)
    )
    missing = sorted(field_names(Config) - keys)
    assert not missing
    config = load_config(SHIPPED[0], environment={})
    # A value that someone changes in a model and not in the file shows here.
    defaults = Config.model_validate({"cameras": {"door": {"url": config.cameras["door"].url}}})
    assert config == defaults


def field_names(model: type[BaseModel]) -> set[str]:
    """Every field of a model and of all that it refers to, from the schema."""
    schema = model.model_json_schema(by_alias=True)
    nodes = [schema, *schema["$defs"].values()]
    return {name for node in nodes for name in node.get("properties", {})}


def test_every_setting_has_a_title_and_a_description() -> None:
    schema = Config.model_json_schema()
    for name, node in {"Config": schema, **schema["$defs"]}.items():
        for key, setting in node.get("properties", {}).items():
            if "const" in setting:
                continue
            assert setting.get("title"), f"{name}.{key}"
            assert setting.get("description"), f"{name}.{key}"


def test_the_committed_schema_is_up_to_date() -> None:
    committed = (ROOT / "config" / "posewatch.schema.json").read_text(encoding="utf-8")
    assert committed == render_schema(), "run: python -m daemon.config.schema > config/posewatch.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(committed))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (CAMERA, True),
        ("mqtt: {port: '${PORT}'}\n" + CAMERA, True),
        ("cameras: {a: {url: 0, rules: {fall: {enabled: false}}}}\n", True),
        ("detect: {tiles: 3x2, size: 640}\n" + CAMERA, True),
        ("detect: {tiles: 2-1}\n" + CAMERA, False),
        ("rules: {a: {type: fall, schedule: [{from: 22:00, to: '06:00'}]}}\n" + CAMERA, True),
        ("rules: {a: {type: fall, schedule: [{from: 2200}]}}\n" + CAMERA, False),
        (
            "rules: {a: {type: line_crossing, line: [[0, 0], [1, 1]], direction: left_to_right}}\n" + CAMERA,
            True,
        ),
        ("rules: {a: {type: line_crossing, line: [[0, 0], [1, 1]], direction: in}}\n" + CAMERA, False),
        ("profiles: [home]\nrules: {a: {type: absence, profiles: [home]}}\n" + CAMERA, True),
        ("detect: {size: 333}\n" + CAMERA, False),
        ("cameras: {a: {ul: 0}}\n", False),
        ("mqtt: {port: '8883'}\n" + CAMERA, False),
    ],
)
def test_editors_and_daemon_agree(text: str, valid: bool) -> None:
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(yaml.safe_load(text)) is valid
