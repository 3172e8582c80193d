"""Expiry policies: what they take, that they round-trip through a cache's settings, and that entries expire."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

import ignitemap as ig
from ignitemap import raw
from ignitemap.exceptions import EncodeError
from ignitemap.protocol.handshake import Refused
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import CacheGet, GetBinaryConfiguration, TxStart
from tests.addresses import host_ports
from tests.client.fake_server import FakeNode, connected, fake_nodes


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[raw.AioClient]:
    async with raw.AioClient().connect(host_ports(url)) as connected:
        yield connected


def test_durations() -> None:
    """Durations are ms or timedelta, rounded up to a ms; UNCHANGED and ETERNAL are the two others."""
    policy = raw.ExpiryPolicy(create=timedelta(seconds=2), update=raw.ExpiryPolicy.ETERNAL, access=5)
    assert (policy.create, policy.update, policy.access) == (2000, -1, 5)
    assert raw.ExpiryPolicy() == raw.ExpiryPolicy(create=raw.ExpiryPolicy.UNCHANGED, update=-2, access=-2)
    assert raw.ExpiryPolicy(create=timedelta(microseconds=1)).create == 1
    assert raw.ExpiryPolicy(create=timedelta(0)).create == 0


@pytest.mark.parametrize(
    ("duration", "kind"),
    [(timedelta(seconds=-1), ValueError), (-3, ValueError), (0.6, TypeError), ("1", TypeError), (2**63, OverflowError)],
    ids=str,
)
def test_durations_that_are_refused(duration: Any, kind: type[Exception]) -> None:
    """Other durations are refused where the policy is made, as pyignite's ValueError and TypeError."""
    for name in ("create", "update", "access"):
        with pytest.raises(kind) as caught:
            raw.ExpiryPolicy(**{name: duration})
        assert isinstance(caught.value, EncodeError)


@pytest.mark.parametrize(
    "policy",
    [
        None,
        raw.ExpiryPolicy(),
        raw.ExpiryPolicy(create=raw.ExpiryPolicy.ETERNAL),
        raw.ExpiryPolicy(create=2000, update=timedelta(seconds=4), access=6000),
    ],
    ids=str,
)
async def test_settings_of_a_cache(client: raw.AioClient, policy: raw.ExpiryPolicy | None) -> None:
    """The policy that a cache was created with is among its settings."""
    cache = await client.create_cache({raw.PROP_NAME: f"expiry-{uuid.uuid4()}", raw.PROP_EXPIRY_POLICY: policy})
    try:
        settings = await cache.settings()
        assert settings is not None
        assert settings[raw.PROP_EXPIRY_POLICY] == policy
    finally:
        await cache.destroy()


async def test_policies_of_views(client: raw.AioClient) -> None:
    """A policy of a view is for what goes through it: 0 leaves nothing, ETERNAL stays, the cache's own is another."""
    cache = await client.create_cache({raw.PROP_NAME: f"expiry-{uuid.uuid4()}"})
    try:
        await cache.with_expire_policy(create=0).put(1, "gone")
        await cache.with_expire_policy(create=raw.ExpiryPolicy.ETERNAL).put(2, "stays")
        await cache.with_expire_policy(raw.ExpiryPolicy(update=0)).put(3, "created, not updated")
        await raw.AioCache(client, cache.name, raw.ExpiryPolicy(create=0)).put(4, "gone")
        assert await cache.get_all([1, 2, 3, 4]) == {2: "stays", 3: "created, not updated"}
        await cache.with_expire_policy(access=0).get(2)
        assert await cache.contains_key(2) is False
    finally:
        await cache.destroy()


# --- servers that don't know of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(1, 5, 0), (1, 4, 0), (1, 0, 0)])
async def test_a_server_without_expiry(version: tuple[int, int, int]) -> None:
    """On a server before 1.6 of the protocol an expiry policy is NotSupportedByServer, and nothing is sent."""
    async with old_node(version) as (node, client):
        cache = raw.AioCache(client, "c").with_expire_policy(create=1000)
        for operation in (cache.get(1), cache.put(1, 1), cache.put_all({1: 1}), cache.remove_all()):
            with pytest.raises(ig.NotSupportedByServer, match="expiry policies since 1.6.0") as caught:
                await operation
            assert caught.value.feature == "expiry policies"
        with pytest.raises(ig.NotSupportedByServer, match="expiry policies"):
            await client.create_cache({raw.PROP_NAME: "c", raw.PROP_EXPIRY_POLICY: raw.ExpiryPolicy(create=1000)})
        assert not [call for call in node.calls if call.operation is not GetBinaryConfiguration]
        assert await raw.AioCache(client, "c").get(1) is None


@pytest.mark.parametrize("version", [(1, 4, 0), (1, 1, 0)])
async def test_a_server_without_transactions(version: tuple[int, int, int]) -> None:
    """On a server before 1.5 a transaction, and an operation of one, is NotSupportedByServer, and nothing is sent."""
    async with old_node(version) as (node, client):
        with pytest.raises(ig.NotSupportedByServer):
            await client.session.call(CacheGet(CacheRef(7, transaction=5), 1))
        assert not node.count(CacheGet)
        node.on(TxStart, lambda call: call.fail(2, "Invalid request op code: 4000"))
        with pytest.raises(ig.NotSupportedByServer):
            await client.tx_start()


@asynccontextmanager
async def old_node(version: tuple[int, int, int]) -> AsyncIterator[tuple[FakeNode, raw.AioClient]]:
    """A node that speaks an old version of the protocol, and a client of it."""
    async with fake_nodes(1) as (node,):
        node.features = frozenset()

        def shake(connection: Any, handshake: Any) -> None:
            if handshake.version == version:
                connection.accept(handshake)
            else:
                connection.refuse(Refused(version, "Unsupported version", 1))

        node.on_handshake = shake
        async with connected(node) as client:
            yield node, client
