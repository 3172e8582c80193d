"""Cancelled reads in great number: the connection goes on, and no answer reaches another caller."""

import asyncio
import os
import random
from collections.abc import AsyncIterator

import pytest

import ignitemap as ig
from ignitemap.client.cache import AioCache

KEYS = 200
CONCURRENT = 100


@pytest.fixture
async def client(url: str) -> AsyncIterator[ig.Client]:
    """A client with one connection, and a cache whose values tell their keys."""
    async with ig.connect(url, partition_awareness=False) as connected:
        cache = await connected.raw.create_cache(f"cancellation_{os.getpid()}")
        await cache.put_all({number: value_of(number) for number in range(KEYS)})
        yield connected
        await cache.destroy()


def value_of(key: int) -> str:
    """Values of many lengths, so that a frame taken for another would show."""
    return f"{key}:" + "x" * (key * 7 % 500)


async def storm(cache: AioCache, gets: int, cancelled: int, at_least: int) -> tuple[int, int, int, int]:
    """Many gets at a time, of which about the given share is cancelled; counts of all, right, wrong, cancelled ones.

    How many are cancelled before their answers come is up to the machine: it goes on until ``at_least`` were.
    """
    chance = random.Random(20)
    right = wrong = dropped = 0

    async def get(key: int) -> None:
        nonlocal right, wrong
        if await cache.get(key) == value_of(key):
            right += 1
        else:
            wrong += 1

    started = 0
    while started < gets or (dropped < at_least and started < 3 * gets):
        batch = [asyncio.create_task(get(chance.randrange(KEYS))) for _ in range(CONCURRENT)]
        started += len(batch)
        # Some before they begin, some when they have been sent, some while answers come in.
        victims = chance.sample(batch, min(len(batch), round(len(batch) * cancelled / gets)))
        for position, victim in enumerate(victims):
            if position % 8 == 0:
                await asyncio.sleep(0)
            victim.cancel()
        for result in await asyncio.gather(*batch, return_exceptions=True):
            if isinstance(result, asyncio.CancelledError):
                dropped += 1
            elif result is not None:
                raise result
    return started, right, wrong, dropped


async def survives(client: ig.Client, gets: int, to_cancel: int, at_least: int) -> None:
    """Assert that a storm harms nothing."""
    cache = await client.raw.get_cache(f"cancellation_{os.getpid()}")
    nodes = client.raw.session.nodes
    connection = nodes.any()
    assert connection is not None
    started, right, wrong, dropped = await storm(cache, gets, to_cancel, at_least)
    assert wrong == 0
    assert dropped >= at_least
    assert right + dropped == started
    async with asyncio.timeout(10):
        while connection.protocol.in_flight:  # answers to the last cancelled ones are still on their way
            await cache.get_size()
    assert nodes.any() is connection
    assert not connection.lost
    assert await cache.get_all(range(KEYS)) == {number: value_of(number) for number in range(KEYS)}


async def test_cancelled_gets(client: ig.Client) -> None:
    """A thousand cancelled gets among three thousand: no wrong answer, same connection, nothing left in flight."""
    await survives(client, 3_000, 2_000, 1_000)


@pytest.mark.stress
async def test_storm_of_cancelled_gets(client: ig.Client) -> None:
    """Twenty thousand cancelled gets among sixty thousand: no wrong answer, same connection, nothing left in flight."""
    await survives(client, 60_000, 40_000, 20_000)


async def test_cancelled_puts(client: ig.Client) -> None:
    """A cancelled put has either happened or not: a key never holds anything but its old or its new value."""
    cache = await client.raw.get_cache(f"cancellation_{os.getpid()}")
    tasks = [asyncio.create_task(cache.put(number, f"new {number}")) for number in range(KEYS)]
    for position, task in enumerate(tasks):
        if position == KEYS // 2:
            await asyncio.sleep(0)
        if position % 2:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = await cache.get_all(range(KEYS))
    for number in range(KEYS):
        if number % 2:
            assert found[number] in {value_of(number), f"new {number}"}
        else:
            assert found[number] == f"new {number}"
