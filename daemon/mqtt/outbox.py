"""What is to be sent, in which order, and what is on its way."""

from __future__ import annotations

import logging
import threading
import time
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
_MAX_UNSENT = 64_000  # bytes of QoS 0 that wait for a slow connection, before anything that follows
_RESEND_INTERVAL = 2.0  # seconds; anybody may ask for it, as often as they like
_MAX_ATTEMPTS = 3  # connections that end at the same large message before it is given up
_LARGE = 10_000  # bytes of state that is as suspect as an image; alerts are smaller
_LIMIT_SECONDS = 600.0  # for which nothing is tried that is as large as what was given up
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
        self._resent = float("-inf")  # monotonic seconds
        self._unsent: dict[int, int] = {}  # packet ids and bytes of QoS 0 that is not in the socket yet
        self._ending = False
        # Large messages travel alone, so that it is known which one a connection ends at.
        self._held: _Sent | None = None  # such a one that waits until nothing else is on its way
        self._alone = False  # whether such a one is on its way
        self._attempts: tuple[object, int] = (None, 0)  # the one that connections ended at, and how many
        # Bytes of a message that was given up; no larger one is tried until this time, in monotonic seconds.
        self._limit, self._limit_until = 0, float("-inf")
        self.refused = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way, and nothing to be sent but what the store holds."""
        return not self._inflight and not self._live and not isinstance(self._held, Message)

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

    def retire(self, is_current: Callable[[str], bool], *, own: bool = False) -> None:
        """Clears retained topics that are not current; those of this process as well where `own`."""
        with self._lock:
            kept = {topic for topic, one in self._retained.items() if not own or one.payload == b""}
            known = set(self._retained)
        known |= self._store.retained_topics
        stale = [topic for topic in sorted(known - kept) if not is_current(topic)]
        if stale:
            _log.info("retained_topics_cleared count=%d", len(stale))
            self.put([Message(topic, b"", 1, True) for topic in stale])

    def resend(self, is_wanted: Callable[[str], bool]) -> None:
        """Sends retained state once more, unless that was done a moment ago: the broker has it then."""
        with self._lock:
            now = time.monotonic()
            if self._live is not None and now - self._resent >= _RESEND_INTERVAL:
                self._resent = now
                self._live.extend((0, one) for topic, one in self._retained.items() if is_wanted(topic))

    def connected(self, first: Message) -> None:
        """Begins anew: `first`, the retained state, what is large of it last, then whatever waits."""
        self._ending = False
        with self._lock:
            self._retained.pop(first.topic, None)  # `offline`, said at the end of the connection before
            self._live = deque((0, one) for one in (first, *sorted(self._retained.values(), key=_is_large)))
        self._store.remember_retained([first.topic])
        self._store.release()

    def end_with(self, last: Message) -> None:
        """Sends this, and nothing of the store any more."""
        self._ending = True
        if isinstance(self._held, Entry):
            self._held = None  # the store has it
        self.put([last])

    def disconnected(self, connection: Connection) -> None:
        """Takes back what was not acknowledged."""
        self.settle(connection)
        with self._lock:
            self._live = None
        self._suspect()
        self._held, self._alone = None, False
        self._inflight.clear()
        self._unsent.clear()
        self._ready.clear()

    def send(self, connection: Connection) -> None:
        """Sends as much as may be on its way."""
        self._alone = self._alone and bool(self._inflight)
        while len(self._inflight) < connection.max_inflight and not connection.is_lost and not self._alone:
            message, self._held = self._held or self._next(), None
            if message is None:
                return
            if not _is_large(message):
                self._send(connection, message)
            elif _size(message) >= self._limit and time.monotonic() < self._limit_until:
                self._give_up(message, f"connections ended at one as large as its {_size(message)} bytes")
            elif self._inflight:
                self._held = message
                return
            else:
                self._send(connection, message)
                self._alone = bool(self._inflight)

    def settle(self, connection: Connection) -> None:
        """Notes what the broker has taken."""
        entries = []
        while connection.acknowledged:
            mid, reason = connection.acknowledged.popleft()
            self._unsent.pop(mid, None)
            message = self._inflight.pop(mid, None)
            if message is None or not self._is_taken(message, reason, connection):
                continue
            if _key(message) == self._attempts[0]:
                self._attempts = (None, 0)
            if isinstance(message, Entry):
                entries.append(message)
            elif message.retain and message.payload == b"":  # a count of nobody, 0, is state as well
                self._cleared(message)
        if entries:
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
            if not qos and sum(self._unsent.values()) >= _MAX_UNSENT:
                return  # now or never
            mid = connection.send(message.topic, payload, qos, retain)
        except ValueError as error:
            self._refuse(message, str(error))
            return
        if qos:
            self._inflight[mid] = message
        else:
            self._unsent[mid] = len(payload)

    def _is_taken(self, message: _Sent, reason: Any, connection: Connection) -> bool:
        """Whether the broker has it, or never will."""
        if not reason.is_failure:
            return True
        if reason.value in _FINAL_REASONS:
            self._refuse(message, str(reason), settle=False)
            return True
        _log.warning("mqtt_not_taken topic=%s reason=%r", message.topic, str(reason))
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
        """Gives up what every connection ends at: brokers end it at what is too large for them."""
        if not self._alone or len(self._inflight) != 1:
            return
        (message,) = self._inflight.values()
        count = self._attempts[1] + 1 if self._attempts[0] == _key(message) else 1
        self._attempts = (_key(message), count)
        if count >= _MAX_ATTEMPTS:
            # Three quarters: the pictures of a camera are about as large as each other.
            self._limit, self._limit_until = _size(message) * 3 // 4, time.monotonic() + _LIMIT_SECONDS
            self._give_up(message, f"every connection ends at its {_size(message)} bytes")

    def _give_up(self, message: _Sent, reason: str) -> None:
        self._refuse(message, reason)
        with self._lock:
            if self._retained.get(message.topic) is message:
                del self._retained[message.topic]


def _is_large(message: _Sent) -> bool:
    """Whether it is an image, or other state that a broker may find too large."""
    if isinstance(message, Entry):
        return message.report is None and message.rank is Rank.EXPENDABLE
    return message.qos > 0 and (message.expendable or _size(message) > _LARGE)


def _size(message: _Sent) -> int:
    try:
        return len(message.payload if isinstance(message, Entry) else message.encode())
    except ValueError:  # it is refused when it is sent
        return 0


def _key(message: _Sent) -> object:
    """Tells messages apart over connections; of state, the topic."""
    if isinstance(message, Message):
        return message.topic
    return message if message.number is None else message.number
