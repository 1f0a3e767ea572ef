"""A network that goes on with the CPU when what runs it fails: a driver that crashed, a device that went."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from tracker.runtime.sessions import Session

__all__ = ["GuardedSession"]

Array = npt.NDArray[Any]


class GuardedSession:
    """A `Session` that takes another one for good, once that one can do what this one could not.

    Args:
        session: what is to run the network.
        other: opens what takes over.
        on_fallback: told in one line why it does.
    """

    def __init__(
        self, session: Session, other: Callable[[], Session], on_fallback: Callable[[str], None]
    ) -> None:
        self._session, self._open_other, self._on_fallback = session, other, on_fallback
        self._other: Session | None = None
        self._lock = threading.Lock()

    def get_inputs(self) -> Sequence[Any]:
        """See `Session`."""
        return self._session.get_inputs()

    def get_outputs(self) -> Sequence[Any]:
        """See `Session`."""
        return self._session.get_outputs()

    def get_modelmeta(self) -> Any:
        """See `Session`."""
        return self._session.get_modelmeta()

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Array]) -> list[Array]:
        """See `Session`; what neither of the two can do raises what the CPU raises."""
        session = self._session
        try:
            return session.run(output_names, input_feed)
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            with self._lock:
                if self._other is None:
                    self._other = self._open_other()
            if session is self._other:
                raise
            outputs = self._other.run(output_names, input_feed)  # raises where the input was at fault
            with self._lock:
                is_first, self._session = self._session is not self._other, self._other
            if is_first:  # of several threads
                self._on_fallback(" ".join(str(error).split())[:300])
            return outputs
