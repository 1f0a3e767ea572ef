"""What is to be sent, in which order, and what is on its way."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from daemon.messages import Message
from daemon.mqtt.connection import Connection
from daemon.storage import Entry, Rank, Store

__all__ = ["Outbox"]

_log = logging.getLogger(__name__)
_PREFETCH = 100  # messages read from the store at a time
_MAX_LIVE = 2000  # retained and QoS 0 messages that wait for a slow broker
_MAX_ATTEMPTS = 3  # connections that end at the same image before it is given up
# MQTT 5, 2.4: not authorized, topic name invalid, packet too large, payload format invalid. Sending such a
# message again cannot help; with other reasons it may.
_FINAL_REASONS = frozenset({0x87, 0x90, 0x95, 0x99})

_Sent: TypeAlias = Entry | Message


class Outbox:
    """Retained state and QoS 0 in memory, everything else in the store. Any thread may `put`.

    The rest is for the thread that has the connection.

    Args:
        store: of the messages that must not be lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._retained: dict[str, Message] = {}
        # What the store does not hold, with the number of the stored message after which it comes. None
        # without a connection.
        self._live: deque[tuple[int, Message]] | None = None
        self._ready: deque[Entry] = deque()
        self._inflight: dict[int, _Sent] = {}
        self._last: Message | None = None
        self._ending = False
        self._progress = False  # whether this connection has taken anything of the store
        self._attempts: tuple[object, int] = (None, 0)  # the message that every connection ended at
        self.refused = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way, and nothing to be sent but what the store holds."""
        return not self._inflight and not self._live

    @property
    def is_empty(self) -> bool:
        """Whether everything was delivered."""
        return self.is_idle and not self._ready and not self._store.queued

    def put(self, messages: Sequence[Message]) -> None:
        """Takes retained state and QoS 0."""
        retained = {message.topic: message for message in messages if message.retain}
        with self._lock:
            self._retained |= retained
            if self._live is not None:
                # In the order of publishing; but state does not wait for a long queue.
                after = self._store.last_number if self._store.queued <= _PREFETCH else 0
                self._live.extend((after, message) for message in messages)
                if len(self._live) > _MAX_LIVE:
                    newest = {one.topic: (0, one) for _, one in self._live if one.retain}
                    self._live = deque(newest.values())
        self._store.remember_retained(retained)

    def retire(self, is_current: Callable[[str], bool]) -> None:
        """Clears retained topics that nothing was published to and that are not current."""
        stale = [
            topic
            for topic in sorted(self._store.retained_topics)
            if topic not in self._retained and not is_current(topic)
        ]
        if stale:
            _log.info("retained_topics_cleared count=%d", len(stale))
            self.put([Message(topic, b"", 1, True) for topic in stale])

    def resend(self, is_wanted: Callable[[str], bool]) -> None:
        """Sends retained state once more."""
        with self._lock:
            if self._live is not None:
                self._live.extend((0, one) for topic, one in self._retained.items() if is_wanted(topic))

    def connected(self, first: Message) -> None:
        """Begins anew: `first`, the retained state, then whatever waits."""
        with self._lock:
            self._live = deque((0, one) for one in (first, *self._retained.values()))
        self._progress = False
        self._store.remember_retained([first.topic])
        self._store.release()

    def end_with(self, last: Message) -> None:
        """Sends this, and nothing of the store any more."""
        self._ending = True
        self.put([last])

    def disconnected(self, connection: Connection) -> None:
        """Takes back what was not acknowledged."""
        self.settle(connection)
        with self._lock:
            self._live = None
        self._suspect()
        self._inflight.clear()
        self._ready.clear()

    def send(self, connection: Connection) -> None:
        """Sends as much as may be on its way."""
        while len(self._inflight) < connection.max_inflight and not connection.is_lost:
            message = self._next()
            if message is None:
                return
            self._send(connection, message)

    def settle(self, connection: Connection) -> None:
        """Notes what the broker has taken."""
        entries = []
        while connection.acknowledged:
            mid, reason = connection.acknowledged.popleft()
            message = self._inflight.pop(mid, None)
            if message is None or not self._is_taken(message, reason, connection):
                continue
            if isinstance(message, Entry):
                entries.append(message)
            elif message.retain and message.payload == b"":  # a count of nobody, 0, is state as well
                self._cleared(message)
        if entries:
            self._progress = True
            self._store.settle(entries)

    def _next(self) -> _Sent | None:
        # Before the store is asked: whatever this comes after is in the store by now.
        after = self._comes_after()
        if not self._ready and not self._ending:
            self._ready.extend(self._store.take(_PREFETCH))
        first = self._ready[0] if self._ready else None
        if after is None and first is not None:
            after = self._comes_after()  # a picture that was put in before this was stored
        if after is not None and (
            self._ending or first is None or first.number is None or first.number > after
        ):
            with self._lock:
                if self._live:
                    return self._live.popleft()[1]
        return None if first is None or self._ending else self._ready.popleft()

    def _comes_after(self) -> int | None:
        """Number of the stored message after which the first one comes that the store does not hold."""
        with self._lock:
            return self._live[0][0] if self._live else None

    def _send(self, connection: Connection, message: _Sent) -> None:
        try:
            if isinstance(message, Entry):
                payload, qos, retain = message.payload, 1, False
            else:
                payload, qos, retain = message.encode(), message.qos, message.retain
            mid = connection.send(message.topic, payload, qos, retain)
        except ValueError as error:
            self._refuse(message, str(error))
            return
        if qos:
            self._inflight[mid] = message

    def _is_taken(self, message: _Sent, reason: Any, connection: Connection) -> bool:
        """Whether the broker has it, or never will."""
        if not reason.is_failure:
            return True
        if reason.value in _FINAL_REASONS:
            self._refuse(message, str(reason), settle=False)
            return True
        _log.warning("mqtt_not_taken topic=%s reason=%r; trying again", message.topic, str(reason))
        connection.abandon()
        return False

    def _refuse(self, message: _Sent, reason: str, *, settle: bool = True) -> None:
        self.refused += 1
        _log.error("message_refused topic=%s reason=%r", message.topic, reason)
        if settle and isinstance(message, Entry):
            self._store.settle([message])

    def _cleared(self, message: Message) -> None:
        with self._lock:
            if self._retained.get(message.topic) is not message:
                return  # published to again meanwhile
            del self._retained[message.topic]
        self._store.forget_retained(message.topic)

    def _suspect(self) -> None:
        """Gives up an image that every connection ends at: brokers end it at what is too large for them."""
        first = next((one for one in self._inflight.values() if isinstance(one, Entry)), None)
        if self._progress or first is None or first.rank is not Rank.EXPENDABLE:
            self._attempts = (None, 0)
            return
        key = first if first.number is None else first.number
        self._attempts = (key, self._attempts[1] + 1 if self._attempts[0] == key else 1)
        if self._attempts[1] >= _MAX_ATTEMPTS:
            self._refuse(first, "every connection ends at it")
