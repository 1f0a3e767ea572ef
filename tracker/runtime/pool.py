"""Sessions by model file, each loaded once for everybody who asks for it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracker.batching import BatchingSession
from tracker.runtime.errors import ProviderError
from tracker.runtime.guard import GuardedSession
from tracker.runtime.providers import CPU, Provider
from tracker.runtime.sessions import Session, create_session

__all__ = ["SessionPool"]

_Key = tuple[str, tuple[int, int, int], int]


class SessionPool:
    """Opens sessions for all workers: an `OpenSession`.

    Several threads may use a session of ONNX Runtime at once, and with one intra-op thread each calculates in
    the thread that calls: one session for all workers takes the time of one each (docs/results.md) and the
    memory of one. A session lives as long as somebody holds it. A file that another one took the place of is
    another model.

    Args:
        provider: what is to run the networks.
        batching: whether calls of several threads at the same time become one; None where that pays.
        on_fallback: told in one line that a model is run by the CPU instead.

    Example:
        >>> pool = SessionPool(Provider("openvino", precision="bf16"))
        >>> Detector(open_session=pool)
    """

    def __init__(
        self,
        provider: Provider = CPU,
        *,
        batching: bool | None = None,
        on_fallback: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.wanted = provider, batching
        self.provider = provider.resolved()
        self._batching = self.provider.batches if batching is None else batching
        self._on_fallback = on_fallback
        self._sessions: weakref.WeakValueDictionary[_Key, Any] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()
        self._broken: str | None = None  # why the CPU runs everything
        self._run_by: dict[str, str] = {}  # by path
        self._cpu: SessionPool | None = None

    def __call__(self, path: Path | bytes, *, threads: int = 1) -> Session:
        """The session of this model; see `create_session`."""
        key = None if isinstance(path, bytes) or not self.provider.is_shared else _key(path, threads)
        with self._lock:
            if key is None:
                return self._open(path, threads)
            session: Session | None = self._sessions.get(key)
            if session is None:
                session = self._open(path, threads)
                self._sessions[key] = session
            return session

    @property
    def on_cpu(self) -> SessionPool:
        """A pool for networks that are too small to be worth a transfer: itself, or one beside it."""
        if self.provider.name == "cpu":
            return self
        with self._lock:
            self._cpu = self._cpu or SessionPool()
            return self._cpu

    @property
    def run_by(self) -> str:
        """What runs the models now, such as `openvino CPU bf16` or `cpu`; both where some of them failed."""
        return " and ".join(sorted({*self._run_by.values()})) or str(self.provider)

    def _open(self, path: Path | bytes, threads: int) -> Session:
        session, provider = self._load(path, threads)
        if not isinstance(path, bytes):
            self._run_by[str(path)] = str(provider)
        return BatchingSession(session) if self._batching else session

    def _load(self, path: Path | bytes, threads: int) -> tuple[Session, Provider]:
        if self._broken is None and self.provider.name != "cpu":
            try:
                return self._guarded(path, threads), self.provider
            except ProviderError as error:
                if not self.provider.fallback:
                    raise
                self._broken = str(error)  # not tried again with every model: one that fails may take long
                self._on_fallback(self._broken)
        return create_session(path, threads=threads), CPU

    def _guarded(self, path: Path | bytes, threads: int) -> Session:
        session: Session = create_session(path, threads=threads, provider=self.provider)
        if not self.provider.fallback:
            return session

        def take_over(reason: str) -> None:
            if not isinstance(path, bytes):
                self._run_by[str(path)] = str(CPU)
            self._on_fallback(f"{self.provider} failed ({reason})")

        return GuardedSession(session, lambda: create_session(path, threads=threads), take_over)


def _key(path: Path, threads: int) -> _Key | None:
    try:
        found = path.stat()
    except OSError:  # said by `create_session`
        return None
    return str(path), (found.st_ino, found.st_size, found.st_mtime_ns), threads
