"""The process of `hostile.Forker`: forks one process for each line it reads, and says how that ended."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_ADDRESSES = 12_000_000_000  # bytes: a last resort for one allocation that is larger than the machine


def main(folder: Path) -> None:
    import av  # noqa: F401
    import cv2  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401

    import daemon.config
    import daemon.engines
    import daemon.replay  # noqa: F401
    import tracker.pose  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line), folder)), flush=True)


def fork(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        become(request, folder)
    hung = grew = False
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            break
        hung = hung or time.monotonic() - started > request["timeout"]
        grew = grew or resident(child) > request["memory"]
        if hung or grew:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - started,
        "peak": usage.ru_maxrss * 1024,
        "hung": hung,
        "grew": grew,
    }


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def become(request: dict[str, Any], folder: Path) -> None:
    """The command; never returns."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.update(request["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    status = 1
    try:
        first, *rest = request["arguments"]
        if first == "trial":  # of a model, as `daemon.model_trial` does in a process that it starts
            from daemon.model_trial import main as trial

            status = trial(*rest)
        else:
            from daemon.cli import main as command

            status = command([first, *rest])
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
