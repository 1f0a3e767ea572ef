"""Calls that may hang, for callers that must not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PATIENCE", "Patience"]

PATIENCE = 3.0
"""Seconds to wait for a disk. A card may take one; a network disk whose server is gone answers never."""

_IDLE = 10.0  # seconds after which the thread ends
_T = TypeVar("_T")


class Patience:
    """Does one thing at a time in a thread of its own, and waits for it so long and no longer.

    What takes longer goes on; until it has ended, every other call fails at once.

    Args:
        name: of the thread.
        seconds: longest wait.
    """

    def __init__(self, name: str, seconds: float = PATIENCE) -> None:
        self._name, self._seconds = name, seconds
        self._changed = threading.Condition()
        self._job: Callable[[], None] | None = None
        self._busy = False
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something takes too long."""
        return self._busy

    def call(self, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises. By one caller at a time.

        Raises:
            TimeoutError: it takes too long, or what was called before does.
        """
        results: list[_T] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def job() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        with self._changed:
            if self._busy:
                raise TimeoutError("the disk does not answer")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._busy, self._job = True, job
            self._changed.notify()
        if not done.wait(self._seconds):
            raise TimeoutError("the disk does not answer")
        with self._changed:
            while self._busy:  # a moment: the job has ended
                self._changed.wait()
        if errors:
            raise errors.pop()  # kept here, it would hold its files until a collection of cycles
        return results[0]

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._job is None and not self._changed.wait_for(lambda: self._job is not None, _IDLE):
                    self._thread = None
                    return
                job, self._job = self._job, None
            assert job is not None
            job()
            with self._changed:
                self._busy = False
                self._changed.notify_all()
