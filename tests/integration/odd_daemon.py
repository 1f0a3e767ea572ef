"""`posewatch` with a part that really fails: for as long as there is a file with the name of the fault.

python odd_daemon.py run -c CONFIG          with $ODD_FAULTS, the folder of these files

fails      the processing of every frame of the camera that the file names raises an error
hangs      it never ends
crashes    the process gets a SIGSEGV in the midst of it
loads      a reload loads models over and over
hung_disk  every transaction of the database waits until the file is gone
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FAULTS = Path(os.environ.get("ODD_FAULTS", "/nonexistent"))


def concerns(fault: str, camera: str) -> bool:
    try:
        return (FAULTS / fault).read_text().strip() == camera
    except OSError:
        return False


def main() -> int:
    from daemon import reload, service
    from daemon.cli import main as posewatch
    from daemon.pipeline import CameraPipeline
    from daemon.storage.database import Database
    from tracker.detector import bundled_model
    from tracker.runtime import create_session

    process, transaction, engines_for = CameraPipeline.process, Database.transaction, reload.engines_for

    def odd_process(self: CameraPipeline, *args: Any) -> Any:
        if concerns("fails", self.name):
            raise RuntimeError("rtsp://admin:s3cret@door/ is out of order")
        if concerns("crashes", self.name):
            ctypes.string_at(0)
        while concerns("hangs", self.name):
            time.sleep(0.05)
        return process(self, *args)

    @contextmanager
    def odd_transaction(self: Database, *, durable: bool = False) -> Iterator[None]:
        while concerns("hung_disk", ""):
            time.sleep(0.05)
        with transaction(self, durable=durable):
            yield

    def odd_engines(*args: Any) -> Any:
        while concerns("loads", ""):
            create_session(bundled_model())
        return engines_for(*args)

    reload.engines_for = odd_engines
    CameraPipeline.process = odd_process  # type: ignore[method-assign]
    Database.transaction = odd_transaction  # type: ignore[method-assign]
    stuck, give_up = os.environ.get("ODD_STUCK"), os.environ.get("ODD_GIVE_UP")
    defaults = service.Service.__init__.__kwdefaults__
    assert defaults is not None
    if stuck:
        defaults["stuck_after"] = float(stuck)
    if give_up:
        defaults["give_up_after"] = float(give_up)
    return posewatch()


if __name__ == "__main__":
    sys.exit(main())
