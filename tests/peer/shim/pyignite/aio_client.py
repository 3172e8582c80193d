"""pyignite.aio_client: the client of ignitemap.raw, and what the tests ask of pyignite's insides."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Self

import attrs

from ignitemap import raw
from ignitemap.client.connection import Address
from ignitemap.client.session import Session
from ignitemap.protocol.codegen import compile_operation
from ignitemap.protocol.operations import CacheGet
from pyignite.connection import AioConnection, adapted

logger = logging.getLogger("pyignite")


@attrs.frozen
class ProtocolContext:
    """What nodes can do: all of it."""

    def is_partition_awareness_supported(self) -> bool:
        return True

    is_cluster_api_supported = is_expiry_policy_supported = is_transactions_supported = is_partition_awareness_supported


class LogLines(getattr(raw, "ConnectionEventListener", object)):
    """The log lines of pyignite's connections, which its security tests read."""

    def on_handshake_start(self, event: Any) -> None:
        logger.debug("Connecting to node(address=%s, port=%d)", event.host, event.port)

    def on_handshake_success(self, event: Any) -> None:
        logger.debug("Connected to node(address=%s, port=%d)", event.host, event.port)

    def on_handshake_fail(self, event: Any) -> None:
        where = f"node(address={event.host}, port={event.port})"
        logger.error("Failed to perform handshake, connection to %s failed: %s", where, event.error_msg)

    def on_authentication_fail(self, event: Any) -> None:
        where = f"node(address={event.host}, port={event.port})"
        logger.error("Authentication failed while connecting to %s: %s", where, event.error_msg)

    def on_connection_closed(self, event: Any) -> None:
        logger.debug("Connection closed to node(address=%s, port=%d)", event.host, event.port)


class AioClient(raw.AioClient):
    """raw.AioClient with pyignite's private names."""

    def __init__(self, *args: Any, event_listeners: Sequence[Any] = (), **options: Any) -> None:
        super().__init__(
            *args,
            **({"event_listeners": [*event_listeners, LogLines()]} if "ConnectionEventListener" in raw.__all__ else {}),
            **options,
        )

    async def open(self, addresses: Sequence[Address]) -> Self:
        """Connect; like pyignite to all nodes at once, where ours returns with the first."""
        await super().open(addresses)
        if (filling := self.session.nodes._filling) is not None:
            await asyncio.wait([filling])
        return self

    @property
    def protocol_context(self) -> ProtocolContext:
        return ProtocolContext()

    @property
    def _nodes(self) -> list[AioConnection]:
        return [adapted(self.session, connection) for connection in self.session.nodes.open]

    async def random_node(self) -> AioConnection:
        return adapted(self.session, await self.session.nodes.connect(None))

    async def get_best_node(self, cache: raw.AioCache, key: Any, key_hint: Any = None) -> AioConnection:
        """The node to which an operation on that key goes."""
        session: Session = self.session
        await session.know_affinity(cache.cache_id)
        types = cache._hinted(key_hint, None)
        body = bytearray()
        key_at = session._encode(
            compile_operation(CacheGet, types), cache.codecs, body, CacheGet(cache.cache_info, key)
        )
        connection = session._route(cache.cache_info, body, key_at)
        assert connection is not None
        return adapted(session, connection)
