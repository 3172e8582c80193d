"""Answers that are valid in form and meant to do harm: the client's time and memory stay bounded."""

import struct
import sys
import time
from typing import Any
from uuid import UUID

import attrs
import pytest

import ignitemap as ig
from ignitemap import raw
from ignitemap.client.cursors import AioScanCursor
from ignitemap.protocol.binary_type import binary_type
from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.connection import Connection, ConnectionState, Role
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import CacheGet, CacheGetAll, CacheGetConfiguration, EntryCursor, QueryScan
from ignitemap.protocol.types.binary_object import HEADER
from ignitemap.protocol.types.extent import Unreadable
from tests.client.fake_server import FakeNode, connected, fake_nodes

HASH_MODULUS = (1 << 61) - 1  # of CPython's numbers and UUIDs on 64-bit machines
COLLIDING = [(UUID(int=number * HASH_MODULUS), number) for number in range(20_000)]


@pytest.fixture
async def node() -> Any:
    """A node whose caches have 20,000 keys with one hash code."""
    async with fake_nodes(1) as nodes:
        nodes[0].on(CacheGetAll, lambda call: call.answer(COLLIDING))
        nodes[0].on(QueryScan, lambda call: call.answer(EntryCursor(1, COLLIDING, False)))
        yield nodes[0]


async def test_colliding_keys_in_a_raw_get_all(node: FakeNode) -> None:
    """Keys that share one hash are a DecodeError of get_all, and no dict is built of them."""
    async with connected(node) as client:
        cache = raw.AioCache(client, "c")
        started = time.process_time()
        with pytest.raises(ig.DecodeError, match="share one hash"):
            await cache.get_all([1])
        # A dict of them takes 200 million comparisons of Python code, which is a minute.
        assert time.process_time() - started < 10
        node.on(CacheGetAll, lambda call: call.answer(COLLIDING[:60]))
        assert await cache.get_all([1]) == dict(COLLIDING[:60])


async def test_colliding_keys_in_the_mapping(node: FakeNode) -> None:
    """Keys that share one hash are a DecodeError of get_many and of items().to_dict(); they can be iterated over."""
    node.on(CacheGetConfiguration, lambda call: call.fail(1000))
    async with ig.connect([f"127.0.0.1:{node.port}"], partition_awareness=False) as client:
        cache = ig.Cache[Any, Any](raw.AioCache(client.raw, "c"), raw.AioCache(client.raw, "c"))
        with pytest.raises(ig.DecodeError, match="share one hash"):
            await cache.get_many([1])
        with pytest.raises(ig.DecodeError, match="share one hash"):
            await cache.items().to_dict()
        assert await cache.items().count() == len(COLLIDING)
        node.on(QueryScan, lambda call: call.answer(EntryCursor(1, COLLIDING[:60], False)))
        assert await cache.items().to_dict() == dict(COLLIDING[:60])


@pytest.mark.stress
@pytest.mark.parametrize("slice_size", [15, 1 << 16, 1 << 30])
def test_a_burst_of_answers_takes_5_us_each(slice_size: int) -> None:
    """A million answers of 15 bytes, in whatever slices, take at most 5 us each: as many at once cost no more."""
    count = 1_000_000
    connection: Connection[int] = Connection(Role.CLIENT)
    connection.state = ConnectionState.OPEN
    for token in range(count):
        connection.send_request(1, b"", token)
    connection.data_to_send()
    stream = b"".join(struct.pack("<iqhB", 11, number + 1, 0, 0x65) for number in range(count))
    seen = 0
    started = time.process_time()
    for start in range(0, len(stream), slice_size):
        seen += len(connection.receive_data(stream[start : start + slice_size]))
    assert time.process_time() - started <= 5e-6 * count * 2  # twice, since a busy machine takes more CPU time
    assert seen == count


# --- models within models ---------------------------------------------------------------------------------------------

REGISTRY = ig.Registry()


@REGISTRY.model(type_name="hostile.Node")
@attrs.define
class Node:
    next: "Node | None" = None
    more: Any = None


NODE = binary_type("hostile.Node", [("next", 103), ("more", 103)])


def nested(levels: int) -> bytes:
    """Nodes in nodes, by their field next and by a list in their field more in turn."""
    (schema,) = NODE.schemas
    # Built from the inside in one buffer that is turned round at the end: else a chain of 10,000 takes quadratic time.
    heads: list[bytes] = []
    tails: list[bytes] = []
    size = 1
    for level in range(levels):
        before, after = (b"", b"\x65") if level % 2 else (b"\x65" + bytes.fromhex("180100000001"), b"")
        length = HEADER.size + len(before) + size + len(after) + 8
        second = HEADER.size + (size if level % 2 else 1)
        heads.append(HEADER.pack(0x67, 1, 0x23, NODE.id, 0, length, schema, length - 8) + before)
        tails.append(after + struct.pack("<II", HEADER.size, second))
        size = length
    return b"".join([*reversed(heads), b"\x65", *tails])


async def test_models_within_models(node: FakeNode) -> None:
    """Models that nest as deep as may be written are read; what nests deeper is a DecodeError, 200 levels or 100,000."""
    async with connected(node, resolver=REGISTRY) as client:
        await client.session.metadata.announce(NODE)
        cache = raw.AioCache(client, "c", codecs=client.mapping_codecs)
        outcomes: dict[int, type] = {}
        for levels in (1, 50, 100, 150, 200, 201, 210, 300, 999, 1001, 5000, 100_000):
            data = nested(levels)
            node.on(CacheGet, lambda call, data=data: call.raw(data))
            try:
                outcomes[levels] = type(await cache.get(1))
            except ig.DecodeError as error:
                outcomes[levels] = type(error)
                assert "deeper" in str(error) or "recursion" in str(error)  # noqa: PT017 - either outcome may be
        assert {levels for levels, found in outcomes.items() if found is Node} >= {1, 50, 100}
        assert {outcomes[levels] for levels in outcomes if levels > 200} == {ig.DecodeError}


async def test_models_within_models_deep_in_the_stack(node: FakeNode) -> None:
    """Where the caller has nearly used up Python's stack a nested model is a DecodeError, and the client goes on."""
    async with connected(node, resolver=REGISTRY) as client:
        await client.session.metadata.announce(NODE)
        cache = raw.AioCache(client, "c", codecs=client.mapping_codecs)
        node.on(CacheGet, lambda call: call.raw(nested(100)))

        async def descend(left: int) -> Any:
            return await (cache.get(1) if left == 0 else descend(left - 1))

        depth, limit = 100, sys.getrecursionlimit()
        sys.setrecursionlimit(1000)  # other tests may have raised it
        try:
            with pytest.raises(ig.DecodeError, match="recursion"):  # 5 levels deeper each time: reading needs far more
                while depth < 1000:
                    await descend(depth)
                    depth += 5
        finally:
            sys.setrecursionlimit(limit)
        assert type(await cache.get(1)) is Node


async def test_one_value_that_nests_too_deep_in_a_scan(node: FakeNode) -> None:
    """A model that nests too deep does not cost a scan its other entries."""
    page = struct.pack("<qi", 1, 3)
    for key, levels in ((1, 3), (2, 5000), (3, 3)):
        page += struct.pack("<Bi", 3, key) + nested(levels)
    node.on(QueryScan, lambda call: call.raw(page + b"\0"))
    async with connected(node, resolver=REGISTRY) as client:
        await client.session.metadata.announce(NODE)
        cursor = AioScanCursor(
            client.session, client.mapping_codecs, UNTYPED, CacheRef(7), 10, -1, False, None, salvage=True
        )
        found = dict([entry async for entry in cursor])
        assert [type(found[key]) for key in (1, 2, 3)] == [Node, Unreadable, Node]
