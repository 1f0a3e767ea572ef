"""One client of the health server, from its first byte to the last of the answer."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable

from daemon.health.requests import MAX_REQUEST, Answer, is_whole, read_request

__all__ = ["Connection"]

_TO_ASK = 5.0  # seconds for the whole request, however it drips in
_TO_TAKE = 10.0  # seconds to take the answer
_TO_LEAVE = 1.0  # seconds to go after it
_TO_IGNORE = 1 << 20  # bytes that are read and thrown away, so that the answer is not lost by a reset


class Connection:
    """A client socket that never blocks.

    Args:
        client: the socket.
        now: monotonic seconds.

    Attributes:
        client: the socket.
        deadline: monotonic seconds at which it is closed.
        interest: what to wait for: selectors.EVENT_READ or EVENT_WRITE.
    """

    def __init__(self, client: socket.socket, now: float) -> None:
        self.client = client
        self.deadline = now + _TO_ASK
        self.interest = selectors.EVENT_READ
        self._received = bytearray()
        self._answer: memoryview | None = None
        self._ignored = 0

    def move(self, answer_to: Callable[[str], Answer], now: float) -> bool:
        """Takes or gives what is possible at once; False when the connection is over.

        Args:
            answer_to: the answer for a path.
            now: monotonic seconds.
        """
        try:
            if self._answer is None:
                return self._receive(answer_to, now)
            if self._answer:
                return self._send(now)
            return self._ignore()
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False

    def _receive(self, answer_to: Callable[[str], Answer], now: float) -> bool:
        data = self.client.recv(MAX_REQUEST)
        if not data:
            return False
        self._received += data
        if not is_whole(self._received):
            return True
        asked = read_request(bytes(self._received))
        if isinstance(asked, Answer):
            self._answer = memoryview(asked.encode())
        else:
            self._answer = memoryview(answer_to(asked.path).encode(head_only=asked.is_head))
        self._received.clear()
        self.deadline, self.interest = now + _TO_TAKE, selectors.EVENT_WRITE
        return self._send(now)

    def _send(self, now: float) -> bool:
        assert self._answer is not None
        self._answer = self._answer[self.client.send(self._answer) :]
        if not self._answer:
            with contextlib.suppress(OSError):
                self.client.shutdown(socket.SHUT_WR)
            self.deadline, self.interest = now + _TO_LEAVE, selectors.EVENT_READ
        return True

    def _ignore(self) -> bool:
        """Reads what still comes: closing with unread bytes would take the answer from the client."""
        data = self.client.recv(65536)
        self._ignored += len(data)
        return bool(data) and self._ignored < _TO_IGNORE
