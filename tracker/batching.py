"""One call of a network for several threads: on a GPU eight crops take little longer than one.

Whoever comes first leads: it calls the network for all who wait, and hands each the part that is its own.
There is no thread of its own and no queue that outlives its callers, so nothing has to be stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tracker.runtime.sessions import Session

__all__ = ["BatchingSession"]

Array = npt.NDArray[Any]
_MOST = 16  # rows of one call


@dataclass(slots=True, eq=False)
class _Request:
    """A call that waits, and what becomes of it."""

    thread: int
    names: tuple[str, ...] | None
    inputs: dict[str, Array]
    outputs: list[Array] | None = None
    error: BaseException | None = None
    leads: bool = False
    turn: threading.Event = field(default_factory=threading.Event)

    @property
    def rows(self) -> int:
        """Of each input."""
        return len(next(iter(self.inputs.values())))

    @property
    def kind(self) -> object:
        """What requests must have in common to become one call."""
        return self.names, tuple(
            (name, value.dtype.str, value.shape[1:]) for name, value in sorted(self.inputs.items())
        )


class BatchingSession:
    """A `Session` that makes one call of those that several threads make at the same time.

    While the network runs, others wait anyway; what came meanwhile is the next call. Beyond that the next
    call waits at most `window` for the threads that had a part in the call before; a thread that is alone
    never waits. Models whose first dimension is not open in every input and output are called one by one.

    An error is that of the request that causes it: where a joint call fails, each is made alone.

    Args:
        session: the network.
        window: seconds.
        most: rows of one call, unless a single request has more.
    """

    def __init__(self, session: Session, *, window: float = 0.002, most: int = _MOST) -> None:
        self._session, self._window, self._most = session, window, most
        self._open = _is_open(session)
        self._condition = threading.Condition()
        self._waiting: list[_Request] = []
        self._led = False  # whether a thread is about to call, or calls
        self._partners: set[int] = set()  # threads that were in the call before
        self.calls = self.requests = 0

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
        """See `Session`; what the network raises for this request is raised here."""
        inputs = {name: np.asarray(value) for name, value in input_feed.items()}
        if not self._open or not _is_batch(inputs):
            return self._session.run(output_names, input_feed)
        names = None if output_names is None else tuple(output_names)
        request = _Request(threading.get_ident(), names, inputs)
        with self._condition:
            self._waiting.append(request)
            self.requests += 1
            request.leads, self._led = not self._led, True
            if request.leads:
                request.turn.set()
            self._condition.notify_all()
        request.turn.wait()
        if request.leads:
            self._lead(request)
        if request.error is not None:
            raise request.error
        if request.outputs is None:
            raise RuntimeError("a joint call gave this request nothing")  # never seen; better than no error
        return request.outputs

    def _lead(self, own: _Request) -> None:
        """Calls for everybody who fits to `own`, then lets the next one lead."""
        batch = [own]
        try:
            with self._condition:
                self._await_partners()
                batch = self._take(own)
            self._call(batch)
        except BaseException as error:  # nobody may wait for ever, whatever this thread dies of
            for request in batch:
                if request.outputs is None and request.error is None:
                    request.error = error
        finally:
            with self._condition:
                self._waiting = [one for one in self._waiting if one not in batch]
                self._partners = {one.thread for one in batch}
                self._led = bool(self._waiting)
                if self._led:
                    self._waiting[0].leads = True
                    self._waiting[0].turn.set()
            for request in batch:
                if request is not own:
                    request.turn.set()

    def _await_partners(self) -> None:
        """Waits for the threads of the call before, but not long; needs the lock."""
        until = time.monotonic() + self._window
        while not self._partners <= {one.thread for one in self._waiting}:
            left = until - time.monotonic()
            if left <= 0 or sum(one.rows for one in self._waiting) >= self._most:
                return
            self._condition.wait(left)

    def _take(self, own: _Request) -> list[_Request]:
        kind, chosen, rows = own.kind, [own], own.rows
        for one in self._waiting:
            if one is not own and rows + one.rows <= self._most and one.kind == kind:
                chosen.append(one)
                rows += one.rows
        return chosen

    def _call(self, batch: list[_Request]) -> None:
        self.calls += 1
        if len(batch) > 1 and self._call_jointly(batch):
            return
        for request in batch:
            try:
                request.outputs = self._session.run(request.names, request.inputs)
            except Exception as error:
                request.error = error

    def _call_jointly(self, batch: list[_Request]) -> bool:
        """Whether all have their outputs by one call."""
        joint = {name: np.concatenate([one.inputs[name] for one in batch]) for name in batch[0].inputs}
        ends = np.cumsum([one.rows for one in batch])
        try:
            outputs = self._session.run(batch[0].names, joint)
        except Exception:  # of whose request, shows when each is called alone
            return False
        if any(len(output) != ends[-1] for output in outputs):
            self._open = False  # the model says otherwise than it does
            return False
        for request, end in zip(batch, ends, strict=True):
            # Copies: who keeps a row must not keep the pictures' outputs of everybody.
            request.outputs = [output[end - request.rows : end].copy() for output in outputs]
        return True


def _is_open(session: Session) -> bool:
    """Whether the first dimension of everything is one and the same open one."""
    firsts = {
        one.shape[0] if len(one.shape) else 0 for one in (*session.get_inputs(), *session.get_outputs())
    }
    (first,) = firsts if len(firsts) == 1 else (0,)
    return first is None or isinstance(first, str)


def _is_batch(inputs: dict[str, Array]) -> bool:
    rows = {value.shape[0] if value.ndim else 0 for value in inputs.values()}
    return len(rows) == 1 and rows != {0}
