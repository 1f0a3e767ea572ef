"""No user and no password reaches anything that the service shows, whatever characters they are made of."""

from __future__ import annotations

import io
import json
import logging
from base64 import b64encode
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from service_figures import camera_figures, service_figures

from daemon.cli import main
from daemon.config import Config, ConfigError, load_config
from daemon.figures import ConfigFigures
from daemon.health.answers import Answers
from daemon.logs.handler import EventHandler
from daemon.logs.logfmt import fields_of
from daemon.logs.repeats import Repeats
from daemon.masking import MIN_SECRET, Masker, mask_source

ODD = (
    "p@ss:w/rd?#%&=",
    'it\'s "quoted" \\ back',
    "two\nlines\tand\r\nmore",
    "Fünf-Grüße-😀-漢字",
    "%41%zz%",
    "***" + "x" * 8,
    "a" * 3000,
    "$(rm -rf) ${HOME}",
    "1234",
    "pass",
    "\x00\x1b[31m\x7f\x85\u2028",
)
SECRETS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=MIN_SECRET, max_size=40),
    st.text(st.sampled_from("aZ9 @:/?#%&=\\'\"\n$"), min_size=MIN_SECRET, max_size=20),
    st.sampled_from(ODD),
)
ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "repr": lambda text: repr(text)[1:-1],
    "bytes": lambda text: repr(text.encode())[2:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "json": lambda text: json.dumps(text)[1:-1],
    "json unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "url": lambda text: quote(text, safe=""),
    "url path": quote,
    "url lower": lambda text: "".join(f"%{one:02x}" if one > 127 or chr(one) in "@:/?#%& \n" else chr(one)
                                      for one in text.encode()),
    "form": quote_plus,
    "json of repr": lambda text: json.dumps(repr(text)[1:-1], ensure_ascii=False)[1:-1],
}  # fmt: skip


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "json of repr"])
@settings(max_examples=60, deadline=None)
@given(secret=SECRETS)
def test_a_known_secret_is_found_in_every_encoding(encoding, secret):
    encoded = ENCODINGS[encoding](secret)
    text = f"cannot open rtsp//camera, user:{encoded}@10.0.0.5 [{encoded}]: refused"
    masked = Masker([secret])(text)
    assert encoded not in masked.replace("***", "")
    assert masked.count("***") >= 2
    assert masked.startswith("cannot open ")
    assert masked.endswith(": refused")


@given(secret=st.text(min_size=1, max_size=3))
def test_what_is_too_short_does_not_shred_the_log(secret):
    assert Masker([secret])("camera_lost door reason timeout") == "camera_lost door reason timeout"


def test_short_secrets_are_hidden_as_words_only():
    masker = Masker(["pass", "1234"])
    assert masker("the password of 1795701234567 passes") == "the password of 1795701234567 passes"
    assert masker("sent pass:1234@door") == "sent ***:***@door"
    assert masker("sent%3Apass%40 and \\n1234\\n") == "sent%3A***%40 and \\n***\\n"


@given(st.text())
def test_masking_twice_changes_nothing_more(text):
    masker = Masker(["password-1", "abcd"])
    assert masker(masker(text)) == masker(text)


# ---- Everything that is made of a configuration ----


def written(config: Config) -> list[str]:
    """What is shown of a configuration: its own text, what is logged about it in both formats, pages."""
    camera = config.cameras["door"]
    shown = [
        repr(config),
        str(config),
        repr(camera),
        str(camera),
        repr(config.mqtt),
        str(config.model_fields_set),
    ]
    mask = Masker(config.secrets)
    password = camera.password.get_secret_value() if camera.password else camera.url
    texts = [camera.source, password, *(encode(password) for encode in ENCODINGS.values())]
    for as_json in (False, True):
        stream = io.StringIO()
        handler = EventHandler(stream, as_json=as_json, mask=mask, repeats=Repeats(10_000))
        for text in texts:
            handler.handle(record("camera_lost camera=%s error=%s", "door", text))
            handler.handle(record("camera_lost camera=%s error=%.200r", "door", text))
            handler.handle(record(text.replace("%", "%%") or "x"))
            handler.handle(record("camera_failed camera=%s", "door", error=OSError(text)))
        shown += stream.getvalue().splitlines()
    figures = service_figures(
        camera_figures("door"),
        config=ConfigFigures("invalid", f"door.url: {texts[0]} and {texts[1]}", 0.0, 0),
    )
    answers = Answers(lambda: figures, mask)
    return [*shown, *(answers.to(path).body.decode() for path in ("/status", "/metrics", "/readyz"))]


def record(message: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    trace = (type(error), error, None) if error else None
    return logging.LogRecord("daemon.capture", logging.ERROR, "", 0, message, arguments, trace)


def loaded(folder: Path, camera: dict[str, object], environment: dict[str, str] | None = None) -> Config:
    path = folder / "posewatch.yaml"
    path.write_text(json.dumps({"mqtt": {"enabled": False}, "cameras": {"door": camera}}), encoding="utf-8")
    return load_config(path, environment=environment or {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def plain(folder: Path) -> str:
    """What is shown where nothing is secret."""
    return "\n".join(written(loaded(folder, door("x9Qz7-neutral"))))


def unlike(secret: str, plain: str) -> None:
    """What is part of the lines anyway, as numbers are, cannot be told from the secret."""
    assume(secret.strip() and "${" not in secret and secret.strip("0123456789.:-+eE"))
    assume(not any(encode(secret) in plain for encode in ENCODINGS.values()))


@settings(max_examples=30, deadline=None)
@given(secret=SECRETS)
def test_a_password_of_its_own(folder, plain, secret):
    unlike(secret, plain)
    try:
        config = loaded(folder, door(secret))
    except ConfigError as refusal:  # of control characters, in whatever way they are written
        said = str(refusal)
        assert "control character" in said
        assert not any(encode(secret) in said for encode in ENCODINGS.values())
        return
    shown = "\n".join(written(config))
    for name, encode in ENCODINGS.items():
        assert encode(secret) not in shown, name
    assert b64encode(f"viewer:{secret}".encode()).decode() not in shown


def door(password: str) -> dict[str, object]:
    return {"url": "rtsp://10.0.0.5/live", "username": "viewer", "password": password}


@settings(max_examples=30, deadline=None)
@given(secret=SECRETS, form=st.sampled_from(["{}", "viewer:{}"]), encoded=st.booleans())
@example(secret="my pass'word", form="viewer:{}", encoded=False)
@example(secret="a/b@c:d?e#f", form="viewer:{}", encoded=False)
def test_a_login_in_the_url(folder, plain, secret, form, encoded):
    unlike(secret, plain)
    login = form.format(quote(secret, safe="") if encoded else secret)
    try:
        config = loaded(folder, {"url": f"rtsp://{login}@10.0.0.5/live"})
    except ConfigError as refusal:
        said = str(refusal)
        assert (encoded, secret in said) == (False, False), said
        return
    assume(len(secret) >= 8 or ":" in form)  # a short user name is hidden by what stands around it
    url = config.cameras["door"].url
    assert secret not in mask_source(url).replace("***", "")
    assert quote(secret, safe="") not in mask_source(url)
    shown = [line for line in written(config) if form != "{}"]
    assert not any(secret in line.replace("10.0.0.5", "") for line in shown)


@settings(max_examples=25, deadline=None)
@given(secret=SECRETS, source=st.sampled_from(["secret", "variable"]))
def test_a_secret_or_a_variable(folder, plain, secret, source):
    unlike(secret, plain)
    assume("\x00" not in secret and secret == secret.strip("\r\n") and "\r" not in secret)
    (folder / "door_password").write_text(secret, encoding="utf-8", newline="")
    how = "!secret door_password" if source == "secret" else "${DOOR_PASSWORD}"
    path = folder / "named.yaml"
    text = f"mqtt:\n  username: me\n  password: {how}\ncameras:\n  door:\n    url: rtsp://10.0.0.5/live\n"
    path.write_text(f"{text}    username: viewer\n    password: {how}\n", encoding="utf-8")
    config = load_config(path, environment={"CREDENTIALS_DIRECTORY": str(folder), "DOOR_PASSWORD": secret})
    assert secret in config.secrets
    assert not any(secret in line for line in written(config))
    path.write_text(
        f"{text}    fps: {how}\n    password:\n      - {how}\n    transport: {how}\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={"CREDENTIALS_DIRECTORY": str(folder), "DOOR_PASSWORD": secret})
    assert secret not in str(caught.value).replace(str(folder), "")


@pytest.mark.parametrize("secret", ["S3cret@:/?#[]", "S3cret Two 'quoted\"", "S3cret%41&=", "S3cret\\Drei"])
@pytest.mark.parametrize("place", ["userinfo", "query", "path", "fields"])
def test_check_shows_none(folder, secret, place):
    encoded = quote(secret, safe="")
    camera = {
        "userinfo": {"url": f"rtsp://viewer:{secret}@10.0.0.5/live"},
        "query": {"url": f"http://10.0.0.5/live?user=viewer&password={encoded}"},
        "path": {"url": f"rtsp://10.0.0.5/user=viewer_password={encoded}_channel=1"},
        "fields": door(secret),
    }[place]
    path = folder / "check.yaml"
    path.write_text(json.dumps({"cameras": {"door": camera}}), encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        main(["check", "-c", str(path)])
    shown = out.getvalue() + err.getvalue()
    assert "door" in shown
    assert not any(encode(secret) in shown for encode in ENCODINGS.values())


def test_names_are_not_taken_for_secrets(folder):
    config = loaded(folder, door("door"))
    assert "door" not in config.secrets
    shown = written(config)
    assert any(dict(fields_of(line)).get("camera") == "door" for line in shown if line.startswith("20"))


def test_variables_that_hold_no_secret_stay_readable(folder):
    path = folder / "plain.yaml"
    path.write_text(
        "mqtt: {host: '${BROKER_HOST}', prefix: '${SITE}'}\n"
        "cameras: {door: {url: 'rtsp://${CAMERA_HOST}:8554/${CAMERA_TOKEN}'}}\n"
    )
    config = load_config(
        path,
        environment={
            "BROKER_HOST": "broker.lan",
            "SITE": "building-7",
            "CAMERA_HOST": "camera-host.lan",
            "CAMERA_TOKEN": "T0kenT0ken",
        },
    )
    assert config.secrets == {"T0kenT0ken"}


def test_nobody_prints_a_login_with_the_configuration(folder):
    path = folder / "login.yaml"
    broker = {"username": "broker-user-7", "password": "broker-password"}
    path.write_text(json.dumps({"mqtt": broker, "cameras": {"door": door("S3cret-word")}}), encoding="utf-8")
    config = load_config(path)
    for shown in (repr(config), str(config), repr(config.mqtt), str(config.cameras["door"])):
        assert not any(one in shown for one in (*broker.values(), "viewer", "S3cret-word", "10.0.0.5"))
    assert {"broker-user-7", "broker-password", "S3cret-word"} <= config.secrets
