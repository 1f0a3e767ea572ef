"""`posewatch install-service`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.parsing import Subparsers, add_command

if TYPE_CHECKING:
    from daemon.installation import Layout, PlannedFile

__all__ = ["add_install_service"]


def add_install_service(subparsers: Subparsers) -> None:
    """Adds the command."""
    from daemon.installation import DROP_INS

    parser = add_command(
        subparsers,
        "install-service",
        "show, write, bring up to date or remove the systemd service",
        "posewatch install-service                     shows what would be written\n"
        "  sudo posewatch install-service --write --with vaapi",
    )
    parser.add_argument("--write", action="store_true", help="do it (root); without it, it is only shown")
    parser.add_argument(
        "--with",
        dest="add",
        action="append",
        default=[],
        choices=DROP_INS,
        help="add a drop-in; it stays until --without",
    )
    parser.add_argument(
        "--without", action="append", default=[], choices=DROP_INS, help="remove a drop-in that was added"
    )
    parser.add_argument(
        "--uninstall", action="store_true", help="remove the service; configuration and data stay"
    )
    parser.add_argument(
        "--purge", action="store_true", help="with --uninstall: configuration, history and pictures go too"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="for packagers: write below this folder"
    )
    parser.add_argument(
        "--program", type=Path, metavar="FILE", help="program that the unit starts (default: this one)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Shows or writes the files of the service, or removes them."""
    from daemon.errors import UsageError
    from daemon.installation import Layout, check_program, check_systemd, plan, write

    if options.purge and not options.uninstall:
        raise UsageError("--purge: only with --uninstall")
    layout = Layout(options.root.resolve())
    if options.uninstall:
        return _uninstall(layout, options)
    program = options.program or Path(sys.executable).with_name("posewatch")
    if layout.is_live:
        check_program(program)
        check_systemd(options.add)
    planned = plan(layout, program, options.add, options.without)
    if not options.write:
        _show(planned)
        print("# Nothing was written: `posewatch install-service --write`, as root, does.")
        return 0
    for file in planned:
        print(f"{file.state.value + ':':11} {file.path}")
        print(file.diff() if file.state.value == "changed" else "", end="")
    changed = write(planned, layout)
    if layout.is_live:
        _say_what_is_next(changed, layout)
    return 0


def _show(planned: list[PlannedFile]) -> None:
    """Files as they would be; of those that are there, the difference."""
    for file in planned:
        print(f"# {file.path} ({file.state.value}, mode {file.mode:o})")
        if file.state.value == "changed":
            print(file.diff())
        elif file.state.value == "new" and not file.is_users:
            print(file.text)


def _say_what_is_next(changed: list[Path], layout: Layout) -> None:
    config = layout.settings / "posewatch.yaml"
    if config in changed:
        print(f"Now: edit {config}, then `systemctl enable --now posewatch`.")
    elif changed:
        print("Now: `systemctl restart posewatch`.")
    else:
        print("These files are as they should be. Now, after an upgrade: `systemctl restart posewatch`.")


def _uninstall(layout: Layout, options: argparse.Namespace) -> int:
    from daemon.installation import remove

    for path in remove(layout, purge=options.purge, really=options.write):
        print(f"{'removed:' if options.write else '# would remove'} {path}")
    if not options.write:
        print("# Nothing was removed: add --write, as root.")
    elif layout.is_live:
        stay = "" if options.purge else "Configuration and data stay, --purge removes them. "
        print(f"{stay}The user of the system stays: `userdel posewatch` removes it.")
    return 0
