"""Which files make the service, with the text that each should have here."""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from daemon.errors import UsageError

__all__ = ["DROP_INS", "LEAST_SYSTEMD", "MARK", "Layout", "PlannedFile", "State", "plan"]

DROP_INS = ("backoff", "notify-reload", "nvidia", "openvino", "public-network", "vaapi", "webcam")
"""What `--with` knows: the names of systemd/posewatch.service.d/NAME.conf."""

LEAST_SYSTEMD = {"notify-reload": 253, "backoff": 254}
"""Versions of systemd below which a drop-in does harm: its new settings are ignored, the others hold."""

MARK = "# Of `posewatch install-service`: what you change here is lost; use `systemctl edit posewatch`.\n"
"""First line of every drop-in that is ours, and so may be changed and removed."""

_SHIPPED_PROGRAM = "/opt/posewatch/bin/posewatch"
_SECRET = re.compile(r"[A-Za-z0-9._-]+")
_ENCRYPTED = ".cred"


class State(enum.Enum):
    """How a planned file compares with what is there."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "unchanged"
    KEPT = "kept"
    OBSOLETE = "obsolete"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files go.

    Attributes:
        root: `/`, or the folder in which a package is put together.
    """

    root: Path = Path("/")

    @property
    def is_live(self) -> bool:
        """Whether this is the running system."""
        return self.root == Path("/")

    @property
    def units(self) -> Path:
        """The administrator's folder of units; of a package the vendor's."""
        return self.root / ("etc/systemd/system" if self.is_live else "usr/lib/systemd/system")

    @property
    def drop_ins(self) -> Path:
        """Of posewatch.service."""
        return self.units / "posewatch.service.d"

    @property
    def sysusers(self) -> Path:
        """Users of the system."""
        return self.root / ("etc/sysusers.d" if self.is_live else "usr/lib/sysusers.d")

    @property
    def settings(self) -> Path:
        """The configuration and, in `credentials`, secrets."""
        return self.root / "etc/posewatch"

    @property
    def data(self) -> list[Path]:
        """State and cache; with DynamicUser= systemd keeps them below `private`."""
        kinds, folders = ("lib", "cache"), ("private/", "")
        return [self.root / f"var/{kind}/{folder}posewatch" for kind in kinds for folder in folders]


@dataclass(frozen=True)
class PlannedFile:
    """A file as it should be.

    Attributes:
        path: where.
        text: what is in it; None where it is to go.
        mode: permissions.
        group: owner's group where that is not root's.
        is_users: the administrator's: never changed once it is there.
    """

    path: Path
    text: str | None
    mode: int = 0o644
    group: str | None = None
    is_users: bool = False

    @cached_property
    def present(self) -> str | None:
        """What is there now, None where nothing is."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    @property
    def state(self) -> State:
        """What has to be done."""
        if self.text is None:
            return State.OBSOLETE
        if self.present is None:
            return State.NEW
        if self.is_users:
            return State.KEPT
        return State.SAME if self.present == self.text else State.CHANGED

    def diff(self) -> str:
        """From what is there to what should be, as `diff -u` shows it."""
        old, new = (self.present or "").splitlines(True), (self.text or "").splitlines(True)
        return "".join(difflib.unified_diff(old, new, str(self.path), f"{self.path} (new)"))


def plan(
    layout: Layout, program: Path, add: Collection[str] = (), leave_out: Collection[str] = ()
) -> list[PlannedFile]:
    """Every file of the service, in the order in which they are written.

    Drop-ins that were asked for before stay, and are brought up to date.

    Args:
        layout: where they go.
        program: for ExecStart=.
        add: drop-ins to add, of `DROP_INS`.
        leave_out: drop-ins to remove.

    Raises:
        UsageError: a secret's file has a name that no credential can have.
    """
    shipped = files("daemon") / "service_files"

    def text_of(name: str) -> str:
        return (shipped / name).read_text(encoding="utf-8").replace(_SHIPPED_PROGRAM, str(program))

    planned = [
        PlannedFile(layout.sysusers / "posewatch.conf", text_of("sysusers.d/posewatch.conf")),
        PlannedFile(
            layout.settings / "posewatch.yaml",
            (files("daemon") / "posewatch.yaml").read_text(encoding="utf-8"),
            mode=0o640,
            group="posewatch",
            is_users=True,
        ),
        PlannedFile(layout.units / "posewatch-models.service", text_of("posewatch-models.service")),
        PlannedFile(layout.units / "posewatch.service", text_of("posewatch.service")),
    ]
    for name in DROP_INS:
        path = layout.drop_ins / f"50-{name}.conf"
        if name in leave_out:
            planned += [PlannedFile(path, None)] if path.exists() else []
        elif name in add or path.exists():
            planned.append(PlannedFile(path, MARK + text_of(f"posewatch.service.d/{name}.conf")))
    path = layout.drop_ins / "50-credentials.conf"
    credentials = _credentials(layout.settings / "credentials", Path("/etc/posewatch/credentials"))
    if credentials:
        planned.append(PlannedFile(path, f"{MARK}[Service]\n{credentials}"))
    elif path.exists():
        planned.append(PlannedFile(path, None))
    return planned


def _credentials(folder: Path, named: Path) -> str:
    """A line for each secret: NAME as it is, NAME.cred as `systemd-creds encrypt --name=NAME` made it."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except FileNotFoundError:
        return ""
    lines = []
    for name in names:
        if not _SECRET.fullmatch(name):
            raise UsageError(f"{folder / name}: a secret's name has letters, digits, dots, _ and - only")
        is_encrypted = name.endswith(_ENCRYPTED)
        option = "LoadCredentialEncrypted" if is_encrypted else "LoadCredential"
        lines.append(f"{option}={name.removesuffix(_ENCRYPTED) if is_encrypted else name}:{named / name}\n")
    return "".join(lines)
