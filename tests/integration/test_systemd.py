"""The unit files, as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.installation import DROP_INS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "systemd"
UNITS = ("posewatch.service", "posewatch-models.service")
WORST = {"posewatch.service": 1.2, "posewatch-models.service": 1.3}  # the issue asks for 1.5
WORST_WITH = {"nvidia": 1.4, "openvino": 1.4, "vaapi": 1.4, "webcam": 1.4, "public-network": 1.3}
NEWER = {"notify-reload", "backoff"}  # drop-ins for a systemd that may be newer than this one
pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with the program where it is in this environment: systemd looks whether it exists."""
    program = Path(sys.executable).with_name("posewatch")
    for name in UNITS:
        text = (FOLDER / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/posewatch/bin/posewatch", str(program)))
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def exposure(unit: Path) -> float:
    """What `systemd-analyze security` says: 0 is shut in completely, 10 not at all."""
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(rf"exposure level for {unit.name}: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    return float(found[1])


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(units: Path, name: str) -> None:
    done = analyze("verify", "--man=no", str(units / name))
    assert done.returncode == 0
    assert "posewatch" not in done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_it_is_well_shut_in(units: Path, name: str) -> None:
    assert exposure(units / name) <= WORST[name]


@pytest.mark.parametrize("name", DROP_INS)
def test_drop_ins_are_understood_and_open_little(units: Path, name: str) -> None:
    folder = units / "posewatch.service.d"
    folder.mkdir()
    shutil.copy(FOLDER / "posewatch.service.d" / f"{name}.conf", folder)
    done = analyze("verify", "--man=no", str(units / "posewatch.service"))
    complaints = [line for line in done.stderr.splitlines() if f"{name}.conf" in line]
    if name in NEWER:
        complaints = [one for one in complaints if not re.search(r"Unknown key|service type", one)]
    assert complaints == []
    assert exposure(units / "posewatch.service") <= WORST_WITH.get(name, WORST["posewatch.service"])


def test_every_drop_in_can_be_installed() -> None:
    assert {path.stem for path in (FOLDER / "posewatch.service.d").iterdir()} == set(DROP_INS)


def test_they_run_the_commands_of_this_version(units: Path) -> None:
    lines = [line for name in UNITS for line in (units / name).read_text().splitlines()]
    commands = [re.split(r"\s+", line.split("=", 1)[1])[:2] for line in lines if line.startswith("ExecStart")]
    assert [command for _, command in commands] == ["run", "models"]
    for program, command in commands:
        assert subprocess.run([program, command, "--help"], capture_output=True, timeout=60).returncode == 0
