"""Faults on purpose: each does what its name says, to the operations that it names, as often as it was told."""

from __future__ import annotations

import asyncio

import pytest

import ignitemap as ig
from ignitemap.embedded import Node
from ignitemap.exceptions import ConfigurationError, OperationTimeout, OutcomeUnknownError, ServerError
from ignitemap.protocol.operations import CacheDestroy, TxEnd
from tests.client.fake_server import until


@pytest.fixture
async def cache(client: ig.Client) -> ig.Cache[int, int]:
    made = await client.cache("a", int, int, atomicity="transactional")
    await made.set(1, 1)
    return made


async def test_fail(node: Node, cache: ig.Cache[int, int]) -> None:
    """A failing operation is answered with the status and text given, so many times, and is not carried out."""
    fault = node.faults.fail("CachePut", times=2, status=1, message="no room")
    for _ in range(2):
        with pytest.raises(ServerError, match="no room"):
            await cache.set(1, 2)
    assert await cache[1] == 1
    await cache.set(1, 2)
    assert await cache[1] == 2
    assert fault.met == 2
    assert not node.faults.any


async def test_an_end_that_fails(node: Node, client: ig.Client, cache: ig.Cache[int, int]) -> None:
    """A transaction whose end fails is rolled back, and lets go of its locks."""
    for operation in ("TxEnd", "*"):
        transaction = client.transaction()
        await transaction.__aenter__()
        await cache.set(1, 2)
        node.faults.fail(operation, times=1, message="no end")
        with pytest.raises(ServerError, match="no end"):
            await transaction.__aexit__(None, None, None)
        await cache.set(1, await cache[1])  # nobody has its lock
        assert await cache[1] == 1
    node.faults.fail("TxEnd", times=1)
    with pytest.raises(ServerError):
        await client.raw.session.call(TxEnd(77, True))


async def test_fail_by_status(node: Node, cache: ig.Cache[int, int]) -> None:
    """A status is what the client's errors come from; a block ends the fault; a code names an operation too."""
    with node.faults.fail(1000, status=1000, message="Cache does not exist"), pytest.raises(ig.CacheNotFound):
        await cache.get(1)
    assert await cache.get(1) == 1


async def test_drop(node: Node, cache: ig.Cache[int, int]) -> None:
    """A dropped request is never answered: not carried out, or carried out in silence."""
    for when, value in (("before", 1), ("after", 5)):
        node.faults.drop("CachePut", when=when, times=1)
        with pytest.raises(OperationTimeout):
            await cache.with_options(timeout=0.05).set(1, 5)
        assert await cache[1] == value
    node.faults.drop("CacheGetAndPut", when="after", times=1)
    with pytest.raises(OperationTimeout):
        await cache.with_options(timeout=0.05).swap(1, 6)
    assert await cache[1] == 6


async def test_drop_after_a_failure(node: Node, client: ig.Client) -> None:
    """An answer that would have been an error is dropped as well."""
    node.faults.drop("CacheDestroy", when="after", times=1)
    with pytest.raises(OperationTimeout):
        await client.raw.session.call(CacheDestroy(5), timeout=0.05)


async def test_cut(node: Node, client: ig.Client, cache: ig.Cache[int, int]) -> None:
    """The connection is cut before or after the operation; the client comes again by itself."""
    for when, value in (("before", 1), ("after", 5)):
        node.faults.cut("CachePut", when=when)
        with pytest.raises(OutcomeUnknownError):
            await cache.set(1, 5)
        assert await cache[1] == value
    node.faults.cut("CacheGet")
    assert await cache[1] == 5  # a read is tried again


async def test_delay(node: Node, cache: ig.Cache[int, int]) -> None:
    """A delayed request is carried out later; others overtake it."""
    fault = node.faults.delay("CachePut", seconds=0.05)
    late = asyncio.create_task(cache.set(1, 2))
    await until(lambda: fault.met)
    assert await cache[1] == 1
    await late
    assert await cache[1] == 2
    fault.remove()
    fault.remove()


async def test_reorder(node: Node, cache: ig.Cache[int, int]) -> None:
    """Requests are held until there are enough, and the last is carried out first."""
    node.faults.reorder("CachePut", count=3)
    writes = [asyncio.create_task(cache.set(1, number)) for number in (5, 6, 7)]
    await asyncio.gather(*writes)
    assert await cache[1] == 5
    held = asyncio.create_task(cache.set(1, 8))
    await asyncio.sleep(0)
    node.faults.clear()
    await held
    assert await cache[1] == 8


async def test_all_operations(node: Node, cache: ig.Cache[int, int]) -> None:
    """Without a name a fault is for every operation; the first that fits is met."""
    first = node.faults.fail("CacheGet", message="first")
    second = node.faults.fail(message="second")
    with pytest.raises(ServerError, match="first"):
        await cache.get(1)
    with pytest.raises(ServerError, match="second"):
        await cache.size()
    assert (first.met, second.met) == (1, 1)


def test_faults_that_can_not_be() -> None:
    """An operation that there isn't, and counts that make no sense, are refused at once."""
    faults = Node().faults
    for make in (
        lambda: faults.fail("Nothing"),
        lambda: faults.fail(77),
        lambda: faults.cut(times=0),
        lambda: faults.reorder(count=1),
    ):
        with pytest.raises(ConfigurationError):
            make()
    assert not faults.any


async def test_requests_of_lost_connections(node: Node, client: ig.Client, cache: ig.Cache[int, int]) -> None:
    """What a fault holds of a connection that is gone is forgotten."""
    node.faults.reorder("CachePut", count=2)
    held = asyncio.create_task(cache.set(1, 9))
    await until(lambda: any(fault.met for fault in node.faults._faults))
    client.raw.session.nodes.open[0].abort()
    with pytest.raises(OutcomeUnknownError):
        await held
    node.faults.clear()
    assert await cache[1] == 1
