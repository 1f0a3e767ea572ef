"""A real systemd as process 1 of a throw-away copy of this machine, with posewatch in /opt/posewatch.

The copy is an overlay: what happens in it stays in memory and goes with it. It has own processes, mounts,
host name, control groups and, under /etc/systemd/system, own units. The network is the machine's, so that
cameras and brokers of a test answer on 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from pathlib import Path

import psutil
from servers import wait_for

__all__ = ["PROGRAM", "SystemdBox", "why_not"]

ROOT = Path(__file__).resolve().parents[2]
PREFIX = Path("/opt/posewatch")
PROGRAM = PREFIX / "bin" / "posewatch"
_SYSTEMD = "/lib/systemd/systemd"
_TOOLS = ("bash", "unshare", "nsenter", "pivot_root", "mount", "systemctl")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def why_not() -> str | None:
    """Why no box can be made here; None where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    if not Path(_SYSTEMD).exists():
        return "systemd is not installed"
    if missing := [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]:
        return f"{missing[0]} is not installed"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlayfs"
    return None


class BoxError(Exception):
    """The box did not start, which a container without the rights to make one does."""


class SystemdBox:
    """Starts with `with`; everything in it ends with the block.

    Args:
        folder: empty, for the log and as a mount point.
        root: of the system that is copied, to try another systemd.
    """

    def __init__(self, folder: Path, root: Path = Path("/")) -> None:
        self._folder, self._root = folder, root
        self._name = f"posewatch-box-{uuid.uuid4().hex[:8]}"
        self._log = folder / "box.log"
        self._outer: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def __enter__(self) -> SystemdBox:
        work = self._folder / "work"
        work.mkdir()
        mounts = [str(part) for pair in self._mounts() for part in pair]
        script = Path(__file__).with_suffix(".sh")
        command = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "--", "bash"]
        command += [str(script), str(work), str(self._root), self._name, _SYSTEMD, *mounts]
        with self._log.open("ab") as output:
            self._outer = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            wait_for(self._is_up, 60, "systemd in the box")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _is_up(self) -> bool:
        assert self._outer is not None
        if self._outer.poll() is not None:
            raise BoxError(f"no box: {self._log.read_text(errors='replace')[-500:]}")
        if not self.pid:
            children = psutil.Process(self._outer.pid).children()
            if not children or children[0].name() != "systemd":
                return False
            self.pid = children[0].pid
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in (
            "running",
            "degraded",
        )

    def __exit__(self, *_: object) -> None:
        assert self._outer is not None
        self._outer.kill()
        self._outer.wait(30)
        if self.pid:
            with contextlib.suppress(psutil.Error):
                psutil.Process(self.pid).wait(30)
        self._remove_control_groups()

    def _remove_control_groups(self) -> None:
        for line in Path("/proc/mounts").read_text().splitlines():
            _, where, kind, *_ = line.split()
            if kind == "cgroup2" and (top := Path(where) / self._name).is_dir():
                for folder in sorted(top.rglob("*/"), reverse=True):
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                with contextlib.suppress(OSError):
                    top.rmdir()

    def _mounts(self) -> list[tuple[Path, Path]]:
        """Python, the packages of this environment and posewatch's, as `pip install` would lay them."""
        environment = self._folder / "environment"
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        packages = environment / "lib" / version / "site-packages"
        (environment / "bin").mkdir(parents=True)
        base = Path(sys.base_prefix)
        shipped = base == Path("/usr") and self._root == Path("/")
        home = Path("/usr") if shipped else PREFIX / "python"
        python = home / "bin" / version
        (environment / "pyvenv.cfg").write_text(f"home = {home}/bin\ninclude-system-site-packages = false\n")
        (environment / "bin" / "python").symlink_to(python)
        program = environment / "bin" / "posewatch"
        program.write_text(
            f"#!{PREFIX}/bin/python\nimport sys\nfrom daemon.cli import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
        ours = ("daemon", "tracker", "classifier", "systemd", "config")
        for name in (*ours, "others"):
            (packages / name).mkdir(parents=True)
        (packages / "others.pth").write_text("others\n")
        (environment / "python").mkdir()
        inside = PREFIX / packages.relative_to(environment)
        mounts = [(environment, PREFIX)]
        mounts += [(ROOT / name, inside / name) for name in ours]
        mounts += [(Path(sysconfig.get_path("purelib")), inside / "others")]
        return mounts if shipped else [*mounts, (base, PREFIX / "python")]

    def path(self, inside: str | Path) -> Path:
        """A file of the box, for this process; symbolic links in it must be relative."""
        return Path(f"/proc/{self.pid}/root") / str(inside).lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> Path:
        """Writes a file in the box."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command in the box as root."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-p", "-C", "--wdns=/", "--", *command]
        surroundings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SYSTEMD_PAGER": "cat"}
        done = subprocess.run(enter, capture_output=True, text=True, timeout=120, env=surroundings)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def systemctl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", *arguments, check=check)

    def show(self, name: str, unit: str = "posewatch") -> str:
        """One property of a unit."""
        return self.systemctl("show", unit, f"--property={name}", "--value").stdout.strip()

    def main_pid(self, unit: str = "posewatch") -> int:
        """The service's main process, by its number outside of the box; 0 where none runs."""
        inside = int(self.show("MainPID", unit))
        for process in psutil.process_iter(["pid"]):
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
                spaces = [Path(f"/proc/{pid}/ns/pid").readlink() for pid in (process.pid, self.pid)]
                if inside and spaces[0] == spaces[1] and int(numbers[-1]) == inside:
                    return process.pid
        return 0

    def journal(self, unit: str = "posewatch", *arguments: str) -> str:
        """What the unit logged, and what systemd said of it."""
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit, *arguments).stdout
