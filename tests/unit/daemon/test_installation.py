"""`posewatch install-service`: what it writes, keeps, shows and removes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from daemon.cli import main
from daemon.config import load_config
from daemon.errors import UsageError
from daemon.installation import Layout, check_systemd, plan, remove, write

PROGRAM = Path("/usr/bin/posewatch")
ROOT = Path(__file__).resolve().parents[3]


def install(root: Path, *arguments: str) -> int:
    return main(["install-service", "--root", str(root), "--program", str(PROGRAM), *arguments])


def text_of(root: Path, name: str) -> str:
    return (Layout(root).units / name).read_text()


def everything(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_without_write_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(tmp_path) == 0
    assert everything(tmp_path) == {}
    shown = capsys.readouterr().out
    assert f"ExecStart={PROGRAM} run -c /etc/posewatch/posewatch.yaml" in shown
    assert "Nothing was written" in shown


def test_what_is_written_is_what_is_shipped_with_the_program_in_it(tmp_path: Path) -> None:
    assert install(tmp_path, "--write") == 0
    for name in ("posewatch.service", "posewatch-models.service"):
        shipped = (ROOT / "systemd" / name).read_text()
        assert text_of(tmp_path, name) == shipped.replace("/opt/posewatch/bin/posewatch", str(PROGRAM))
    config = tmp_path / "etc/posewatch/posewatch.yaml"
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert load_config(config).cameras
    assert stat.S_IMODE((tmp_path / "etc/posewatch/credentials").stat().st_mode) == 0o700
    assert (tmp_path / "usr/lib/sysusers.d/posewatch.conf").is_file()


def test_a_second_time_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(tmp_path, "--write", "--with", "vaapi")
    before = everything(tmp_path)
    capsys.readouterr()
    assert install(tmp_path, "--write") == 0
    assert everything(tmp_path) == before
    assert "new" not in capsys.readouterr().out


def test_an_upgrade_shows_the_difference_and_keeps_what_is_the_administrators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, "--write")
    unit = Layout(tmp_path).units / "posewatch.service"
    older = unit.read_text().replace("RestartSec=5", "RestartSec=9")
    unit.write_text(older)
    config = tmp_path / "etc/posewatch/posewatch.yaml"
    config.write_text("mine")
    own = Layout(tmp_path).drop_ins / "override.conf"
    own.parent.mkdir()
    own.write_text("[Service]\nNice=0\n")
    capsys.readouterr()
    assert install(tmp_path, "--write") == 0
    shown = capsys.readouterr().out
    assert "-RestartSec=9\n+RestartSec=5\n" in shown
    assert "RestartSec=5" in unit.read_text()
    assert unit.with_name("posewatch.service.old").read_text() == older
    assert (config.read_text(), own.read_text()) == ("mine", "[Service]\nNice=0\n")


def test_drop_ins_stay_until_they_are_left_out(tmp_path: Path) -> None:
    install(tmp_path, "--write", "--with", "vaapi", "--with", "backoff")
    install(tmp_path, "--write", "--without", "vaapi")
    assert [path.name for path in Layout(tmp_path).drop_ins.iterdir()] == ["50-backoff.conf"]


def test_every_secret_gets_its_line(tmp_path: Path) -> None:
    install(tmp_path, "--write")
    secrets = tmp_path / "etc/posewatch/credentials"
    (secrets / "mqtt_password").write_text("a")
    (secrets / "door.cred").write_text("b")
    install(tmp_path, "--write")
    made = (Layout(tmp_path).drop_ins / "50-credentials.conf").read_text().splitlines()
    assert made[1:] == [
        "[Service]",
        "LoadCredentialEncrypted=door:/etc/posewatch/credentials/door.cred",
        "LoadCredential=mqtt_password:/etc/posewatch/credentials/mqtt_password",
    ]
    for secret in secrets.iterdir():
        secret.unlink()
    install(tmp_path, "--write")
    assert not (Layout(tmp_path).drop_ins / "50-credentials.conf").exists()


@pytest.mark.parametrize(
    ("purge", "left"),
    [(False, {"posewatch.yaml", "override.conf", "posewatch.db"}), (True, set())],
)
def test_what_uninstalling_leaves(tmp_path: Path, purge: bool, left: set[str]) -> None:
    layout = Layout(tmp_path)
    write(plan(layout, PROGRAM, ["backoff"]), layout)
    (layout.drop_ins / "override.conf").write_text("[Service]\nNice=0\n")
    state = tmp_path / "var/lib/private/posewatch"
    state.mkdir(parents=True)
    (state / "posewatch.db").touch()
    (tmp_path / "var/lib/posewatch").symlink_to("private/posewatch")
    before = everything(tmp_path)
    remove(layout, purge=purge, really=False)
    assert everything(tmp_path) == before
    remove(layout, purge=purge, really=True)
    assert {path.name for path in everything(tmp_path)} == left


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("/home/me/.venv/bin/posewatch", "the service cannot see /home"),
        ("/root/venv/bin/posewatch", "the service cannot see /root"),
        ("/tmp/venv/bin/posewatch", "the service cannot see /tmp"),
        ("/opt/my venv/bin/posewatch", "a unit cannot name this path"),
        ("/opt/nothing/bin/posewatch", "is not there"),
    ],
)
def test_a_program_that_the_service_could_not_start_is_refused(
    program: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install-service", "--program", program]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("version", "drop_ins", "refused"),
    [
        (
            "systemd 252 (252.38-1~deb12u1)",
            ["notify-reload"],
            "--with notify-reload: needs systemd 253 or newer",
        ),
        ("systemd 253 (253.1)", ["notify-reload", "vaapi"], None),
        ("systemd 253 (253.1)", ["notify-reload", "backoff"], "--with backoff: needs systemd 254"),
        ("systemd 219", ["vaapi"], None),
        ("something else", ["backoff"], None),
    ],
)
def test_a_drop_in_that_this_systemd_would_understand_by_half_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, drop_ins: list[str], refused: str | None
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if refused is None:
        check_systemd(drop_ins)
    else:
        with pytest.raises(UsageError, match=refused):
            check_systemd(drop_ins)
