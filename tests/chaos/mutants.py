"""Broken clients, each with one fault that a real client has had. The tests must find them all.

A mutant is a function that breaks the client by a MonkeyPatch; ``MUTANTS`` has them by name.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from ignitemap.client import connection as connection_module, session as session_module
from ignitemap.client.connection import NodeConnection
from ignitemap.client.retry import RetryPolicy
from ignitemap.client.session import Session
from ignitemap.exceptions import ClusterUnavailable, OutcomeUnknownError
from ignitemap.protocol.connection import Connection, Event
from ignitemap.protocol.operations import CacheGet

Mutant = Callable[[pytest.MonkeyPatch], None]

FOR_EVER = sys.float_info.max / 2


def sends_writes_again(patch: pytest.MonkeyPatch) -> None:
    """Every operation is sent again when its connection is lost, as Java's thin client does by default."""
    patch.setattr(RetryPolicy, "repeats", lambda self, effect: True)


def says_not_sent(patch: pytest.MonkeyPatch) -> None:
    """A request whose bytes have left is reported as not sent."""
    right = Session._may_retry

    def may_retry(self: Session, request: Any, *rest: Any) -> None:
        try:
            right(self, request, *rest)
        except OutcomeUnknownError as error:
            raise ClusterUnavailable("not sent") from error

    patch.setattr(Session, "_may_retry", may_retry)


def takes_sent_for_unsent(patch: pytest.MonkeyPatch) -> None:
    """A lost connection tells that nothing of its requests has left: they are all sent again."""
    right = connection_module.NoAnswer.__init__

    def init(self: Any, sent: bool, cause: BaseException | None = None) -> None:
        right(self, False, cause)

    patch.setattr(connection_module.NoAnswer, "__init__", init)


def ignores_ids(patch: pytest.MonkeyPatch) -> None:
    """Answers are taken to come in the order of the requests."""
    send, receive = Connection.send_request, Connection.receive_data

    def send_request(self: Any, operation: int, body: bytes, token: Any) -> int:
        self.__dict__.setdefault("order", deque()).append(token)
        return send(self, operation, body, token)

    def receive_data(self: Any, data: bytes) -> list[Event[Any]]:
        return [
            (self.order.popleft() if token is not None and self.order else token, payload)
            for token, payload in receive(self, data)
        ]

    patch.setattr(Connection, "send_request", send_request)
    patch.setattr(Connection, "receive_data", receive_data)


def gives_ids_twice(patch: pytest.MonkeyPatch) -> None:
    """The id of a cancelled request is given to the next one, whoever's answer comes first."""
    right = Connection.send_request

    def send_request(self: Any, operation: int, body: bytes, token: Any) -> int:
        for number, future in self.in_flight.items():
            if isinstance(future, asyncio.Future) and future.cancelled():
                last, self.last_id = self.last_id, number - 1
                right(self, operation, body, token)
                self.last_id = last
                return number
        return right(self, operation, body, token)

    patch.setattr(Connection, "send_request", send_request)


def drops_cancelled_requests(patch: pytest.MonkeyPatch) -> None:
    """A cancelled request is forgotten altogether, and its answer looks like one that was never asked for."""
    right = NodeConnection.buffer_updated

    def buffer_updated(self: NodeConnection, nbytes: int) -> None:
        for number, future in list(self.protocol.in_flight.items()):
            if future.cancelled():
                del self.protocol.in_flight[number]
        right(self, nbytes)

    patch.setattr(NodeConnection, "buffer_updated", buffer_updated)


def takes_silence_for_yes(patch: pytest.MonkeyPatch) -> None:
    """A write whose connection was lost is reported as done."""
    right = Session.call

    async def call(self: Session, request: Any, *rest: Any, **options: Any) -> Any:
        try:
            return await right(self, request, *rest, **options)
        except OutcomeUnknownError:
            if request.effect == "write":
                return None
            raise

    patch.setattr(Session, "call", call)


def sends_what_it_took_back(patch: pytest.MonkeyPatch) -> None:
    """A request that expired before it left is reported as not sent, and leaves later all the same."""

    def take_back(self: NodeConnection, unsent: set[int]) -> None:
        for number in unsent:
            self.protocol.forget(number)

    patch.setattr(NodeConnection, "_take_back", take_back)


def keeps_slots(patch: pytest.MonkeyPatch) -> None:
    """A caller that had to wait for its slot never gives it back."""
    patch.setattr(NodeConnection, "_give_back", lambda self, size: None)


def has_no_deadline(patch: pytest.MonkeyPatch) -> None:
    """Nothing ends by itself: an answer is waited for until the connection is lost."""
    patch.setattr(session_module, "_deadline", lambda started, allowed: None)
    right = NodeConnection.__init__

    def init(self: NodeConnection, address: Any, handshake: Any, limits: Any, *rest: Any) -> None:
        right(self, address, handshake, limits, *rest)
        self.limits = connection_module.Limits(in_flight=limits.in_flight, timeout=None)

    patch.setattr(NodeConnection, "__init__", init)


def remembers_reads(patch: pytest.MonkeyPatch) -> None:
    """A read that fails is answered with what was read last."""
    right = Session.call
    read: dict[Any, Any] = {}

    async def call(self: Session, request: Any, *rest: Any, **options: Any) -> Any:
        if not isinstance(request, CacheGet):
            return await right(self, request, *rest, **options)
        try:
            read[self, request.key] = await right(self, request, *rest, **options)
        except OutcomeUnknownError:
            if (self, request.key) not in read:
                raise
        return read[self, request.key]

    patch.setattr(Session, "call", call)


MUTANTS: dict[str, Mutant] = {
    each.__name__: each
    for each in (
        sends_writes_again,
        says_not_sent,
        takes_sent_for_unsent,
        ignores_ids,
        gives_ids_twice,
        drops_cancelled_requests,
        takes_silence_for_yes,
        sends_what_it_took_back,
        keeps_slots,
        has_no_deadline,
        remembers_reads,
    )
}
