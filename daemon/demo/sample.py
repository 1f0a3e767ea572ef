"""The footage of the demo: OpenCV's vtest.avi, from its repository or from Debian's opencv-doc package."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from daemon.demo.errors import DemoError
from tracker.store import cache_folder

__all__ = ["SAMPLE_SHA256", "SAMPLE_URL", "fetch_sample"]

SAMPLE_URL = "https://raw.githubusercontent.com/opencv/opencv/4.x/samples/data/vtest.avi"
SAMPLE_SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
_PACKAGE = "opencv-doc"
_HELP = "give a video of your own with --source FILE"
_CONNECT_TIMEOUT = 5.0  # seconds without data
_APT_TIMEOUT = 600.0

Report = Callable[[str], None]


def fetch_sample(report: Report, folder: Path | None = None) -> Path:
    """The path of vtest.avi, fetched on first use.

    Args:
        report: called with lines of progress.
        folder: where it is kept; the cache folder when left out.

    Raises:
        DemoError: no source could be reached, or what came is another file.
    """
    target = (folder or cache_folder()) / "vtest.avi"
    if target.is_file() and _sha256(target) == SAMPLE_SHA256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetch-") as name:
        for what, fetch in (("OpenCV's repository", _from_repository), (f"apt's {_PACKAGE}", _from_apt)):
            report(f"fetching vtest.avi from {what}")
            try:
                found = fetch(Path(name), report)
            except (OSError, subprocess.SubprocessError, DemoError) as error:
                reasons.append(f"{what}: {_one_line(error)}")
                report(f"  not from there: {_one_line(error)}")
                continue
            if _sha256(found) != SAMPLE_SHA256:
                reasons.append(f"{what}: a file with another sha256")
                continue
            found.replace(target)
            return target
    raise DemoError(f"vtest.avi could not be fetched ({'; '.join(reasons)}): {_HELP}")


def _from_repository(folder: Path, _report: Report) -> Path:
    path = folder / "vtest.avi"
    with urllib.request.urlopen(SAMPLE_URL, timeout=_CONNECT_TIMEOUT) as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file)
    return path


def _from_apt(folder: Path, report: Report) -> Path:
    """Uses private lists, so it needs neither root nor an earlier `apt-get update`."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DemoError("apt-get is not installed")
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    options = ["-q", "-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache",
               "-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none"]  # fmt: skip
    _run(["apt-get", *options, "update"], folder)
    report(f"downloading {_PACKAGE} (about 100 MB, once)")
    _run(["apt-get", *options, "download", _PACKAGE], folder)
    package = next(folder.glob(f"{_PACKAGE}_*.deb"), None)
    if package is None:
        raise DemoError(f"apt-get brought no {_PACKAGE}")
    _run(["dpkg-deb", "-x", str(package), str(folder / "tree")], folder)
    found = next((folder / "tree").rglob("vtest.avi*"), None)
    if found is None:
        raise DemoError(f"{package.name} holds no vtest.avi")
    if found.suffix == ".gz":
        plain = folder / "vtest.avi"
        with gzip.open(found) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        return plain
    return found


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_APT_TIMEOUT)
    if done.returncode:
        lines = (done.stderr.strip() or f"status {done.returncode}").splitlines()
        raise DemoError(f"{command[0]}: {lines[-1]}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _one_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
