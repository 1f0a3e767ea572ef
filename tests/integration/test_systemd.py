"""The unit file, as systemd itself reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "posewatch.service"
pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the program where it is in this environment: systemd looks whether it exists."""
    program = Path(sys.executable).with_name("posewatch")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/posewatch/bin/posewatch", str(program)))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert done.returncode == 0
    assert unit.name not in done.stderr


def test_it_is_well_shut_in(unit: Path) -> None:
    done = analyze("security", "--offline=true", str(unit))
    exposure = re.search(r"exposure level for posewatch.service: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stderr
    assert float(exposure[1]) <= 2.0


def test_it_runs_the_commands_of_this_version(unit: Path) -> None:
    lines = [line for line in unit.read_text().splitlines() if line.startswith("Exec")]
    commands = [re.split(r"\s+", line.split("=", 1)[1])[:2] for line in lines]
    assert [command for _, command in commands] == ["models", "check", "run"]
    for program, command in commands:
        assert subprocess.run([program, command, "--help"], capture_output=True, timeout=60).returncode == 0
