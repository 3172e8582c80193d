"""Bulk writes are split by the nodes that own the keys: against scripted nodes that share the partitions of a cache."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.client.affinity import owner
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient
from ignitemap.mapping.bulk import CHUNK_BYTES, CHUNK_ENTRIES, OPEN_BYTES
from ignitemap.mapping.cache import Cache
from ignitemap.protocol.operations import CachePutAll, CacheRemoveKeys
from tests.client.fake_server import Call, FakeNode, connected, fake_nodes, until

COUNT = 10 * CHUNK_ENTRIES


class Written:
    """What nodes were told to write or remove, in the order in which it came: the node, and the keys or entries."""

    def __init__(self, nodes: list[FakeNode]) -> None:
        self.requests: list[tuple[FakeNode, list[Any]]] = []
        for node in nodes:
            node.on(CachePutAll, self.put)
            node.on(CacheRemoveKeys, self.remove)

    def put(self, call: Call) -> None:
        """Note entries."""
        self.requests.append((call.connection.node, call.request.entries))
        call.answer()

    def remove(self, call: Call) -> None:
        """Note keys."""
        self.requests.append((call.connection.node, [(key, None) for key in call.request.keys]))
        call.answer()


@asynccontextmanager
async def cache_of(nodes: list[FakeNode], **options: Any) -> AsyncIterator[Cache[int, str]]:
    """A cache whose mapping is known, by a client that is connected to all nodes."""
    async with connected(*nodes, **options) as client:
        cache = opened(client)
        if options.get("partition_awareness", True):
            await until(lambda: len(client.session.nodes.open) == len(nodes))
            await client.session.know_affinity(cache.raw.cache_id)
        yield cache


def opened(client: AioClient) -> Cache[int, str]:
    """The cache that the tests write to."""
    typed = AioCache(client, "split", codecs=client.mapping_codecs, types=client.entry_types(ig.LONG, ig.STRING))
    return Cache(AioCache(client, "split"), typed)


def owner_of(cache: Cache[int, str], key: int) -> Any:
    """The id of the node that owns a key."""
    mapping = cache.raw.session.mapping_of(cache.raw.cache_id)
    assert mapping is not None
    encoded = bytearray()
    ig.LONG.encode(cache.raw.client.mapping_codecs, encoded, key)
    return owner(mapping, encoded)


@pytest.mark.parametrize("operation", ["update", "delete_many"])
async def test_chunks_go_to_the_owners(operation: str) -> None:
    """The first chunk is of any keys, each of the others of keys that belong to the node that it is sent to."""
    async with fake_nodes(3) as nodes, cache_of(nodes) as cache:
        written = Written(nodes)
        if operation == "update":
            await cache.update((number, str(number)) for number in range(COUNT))
        else:
            await cache.delete_many(range(COUNT))
        assert sorted(key for _, entries in written.requests for key, _ in entries) == list(range(COUNT))
        assert {node.id for node, _ in written.requests} == {node.id for node in nodes}
        first = {key for key, _ in written.requests[0][1]}
        assert first == set(range(CHUNK_ENTRIES))
        for node, entries in written.requests[1:]:
            assert {owner_of(cache, key) for key, _ in entries} == {node.id}


async def test_small_update_is_one_request() -> None:
    """Entries of one chunk are one operation, whoever owns them."""
    async with fake_nodes(3) as nodes, cache_of(nodes) as cache:
        written = Written(nodes)
        await cache.update((number, "x") for number in range(CHUNK_ENTRIES - 1))
        assert [len(entries) for _, entries in written.requests] == [CHUNK_ENTRIES - 1]


async def test_no_split_without_a_mapping() -> None:
    """Where nobody knows the owners, chunks are full and mixed."""
    async with fake_nodes(2) as nodes, cache_of(nodes, partition_awareness=False) as cache:
        written = Written(nodes)
        await cache.update((number, "x") for number in range(COUNT))
        assert [len(entries) for _, entries in written.requests] == [CHUNK_ENTRIES] * 10


async def test_open_chunks_of_many_nodes_are_bounded() -> None:
    """However many nodes own keys, no more than OPEN_BYTES wait for their chunks to become full."""
    value = "x" * 2000
    async with fake_nodes(16) as nodes, cache_of(nodes) as cache:
        written = Written(nodes)
        read = 0

        def source() -> Iterator[tuple[int, str]]:
            nonlocal read
            for number in range(2000):
                read += 1
                waiting = read - sum(len(entries) for _, entries in written.requests)
                # And what is on its way to the nodes.
                assert waiting * len(value) <= OPEN_BYTES + 9 * CHUNK_BYTES
                yield number, value

        await cache.update(source())
        sizes = [len(entries) for _, entries in written.requests]
        assert sum(sizes) == read == 2000
        assert min(sizes[1:-16]) < CHUNK_BYTES // len(value)  # not all of them could become full


async def test_repeated_keys_while_partitions_move() -> None:
    """Of a key that comes again, the later value is sent later, also when another node has become its owner meanwhile."""
    async with fake_nodes(2) as nodes, cache_of(nodes) as cache:
        written = Written(nodes)
        session = cache.raw.session

        def source() -> Iterator[tuple[int, str]]:
            for number in range(12 * CHUNK_ENTRIES):
                if number == 5 * CHUNK_ENTRIES:
                    known = session.mapping_of(cache.raw.cache_id)
                    assert known is not None
                    moved = attrs.evolve(known, owners=known.owners[1:] + known.owners[:1])
                    session._affinity[cache.raw.cache_id] = moved
                yield number % 1500, str(number)

        await cache.update(source())
        last: dict[int, int] = {}
        for _, entries in written.requests:
            for key, value in entries:
                assert last.get(key, -1) < int(value)
                last[key] = int(value)
        assert last == {number % 1500: number for number in range(12 * CHUNK_ENTRIES - 1500, 12 * CHUNK_ENTRIES)}


async def test_counts_when_one_node_refuses() -> None:
    """When one node fails its chunks, done, unknown and not sent add up to all that was given, repeated keys included."""
    async with fake_nodes(2) as nodes, cache_of(nodes) as cache:
        written = Written(nodes)
        nodes[1].on(CachePutAll, lambda call: call.fail(1, "no space"))
        many = [(number % 4000, str(number)) for number in range(COUNT)]
        with pytest.raises(ig.PartialWriteError) as caught:
            await cache.update(many)
        error = caught.value
        assert error.done + error.unknown + error.not_sent == COUNT
        assert isinstance(error.__cause__, ig.ServerError)
        assert error.unknown > 0
        assert error.done >= sum(len(entries) for node, entries in written.requests if node is nodes[0]) > 0
