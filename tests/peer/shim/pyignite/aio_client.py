"""pyignite.aio_client: the client of ignitemap.raw, and what the tests ask of pyignite's insides."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Self

from ignitemap import raw
from ignitemap.client.connection import Address
from ignitemap.client.session import Session
from ignitemap.protocol.codegen import compile_operation
from ignitemap.protocol.handshake import CURRENT_VERSION
from ignitemap.protocol.operations import CacheGet
from pyignite.connection import AioConnection, adapted

logger = logging.getLogger("pyignite")


class ProtocolContext:
    """What nodes can do: all of it. Equal to the context of an event on a connection of this version."""

    version = CURRENT_VERSION

    def __eq__(self, other: object) -> bool:
        return getattr(other, "version", None) == self.version

    __hash__ = None

    def is_transactions_supported(self) -> bool:
        return True

    is_cluster_api_supported = is_expiry_policy_supported = is_transactions_supported


class LogLines(raw.ConnectionEventListener):
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
        super().__init__(*args, event_listeners=[*event_listeners, LogLines()], **options)

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
        return [adapted(self.session, connection, self.codecs) for connection in self.session.nodes.open]

    async def create_cache(self, settings: Any) -> raw.AioCache:
        return await self._mapped(await super().create_cache(settings))

    async def get_or_create_cache(self, settings: Any) -> raw.AioCache:
        return await self._mapped(await super().get_or_create_cache(settings))

    async def _mapped(self, cache: raw.AioCache) -> raw.AioCache:
        """The cache, when it is known where its partitions are: ours learns it beside the first operations."""
        await self.session.know_affinity(cache.cache_id)
        return cache

    async def random_node(self) -> AioConnection:
        """Always the same: a test waits until that one knows its caches."""
        return adapted(self.session, self.session.nodes.open[0], self.codecs)

    async def get_best_node(self, cache: raw.AioCache, key: Any, key_hint: Any = None) -> AioConnection:
        """The node to which an operation on that key goes."""
        session: Session = self.session
        await session.know_affinity(cache.cache_id)
        types = cache._hinted(key_hint, None)
        body = bytearray()
        codec = compile_operation(CacheGet, types)
        cache.codecs.depth = 0
        key_at = codec.encode(cache.codecs, session._context, body, CacheGet(cache.cache_info, key))
        connection = session._route(cache.cache_info, body, key_at)
        assert connection is not None
        return adapted(session, connection, self.codecs)
