"""Views of a cache: pages, options, and cursors that never stay behind on the server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

import ignitemap as ig

MakeCache = Callable[..., Awaitable[Any]]
IntStr = ig.Cache[int, str]

COUNT = 300
MORE_THAN_ALLOWED = 150
"""A server keeps 128 cursors open for one connection and refuses the next: so many loops can't leave theirs open."""


@pytest.fixture
async def one_connection(url: str, filled: IntStr) -> Any:
    """The filled cache again, over a client of one connection, with a page size that needs many pages."""
    async with ig.connect(url, partition_awareness=False) as client:
        yield await client.cache(filled.name, int, str)


@pytest.fixture
async def filled(cache: IntStr) -> IntStr:
    """A cache of 300 entries."""
    await cache.update({number: str(number) for number in range(COUNT)})
    return cache


async def test_page_size(filled: IntStr) -> None:
    """Pages are as long as asked, but for the last, and together have every entry once."""
    pages = [page async for page in filled.items(page_size=70).pages()]
    assert [len(page) for page in pages] == [70, 70, 70, 70, 20]
    assert dict(pair for page in pages for pair in page) == {number: str(number) for number in range(COUNT)}
    assert [len(page) async for page in filled.keys(page_size=300).pages()] == [300]
    assert await filled.values(page_size=1).count() == COUNT


async def test_partition(filled: IntStr) -> None:
    """The partitions of a cache have each entry once between them; a key keeps to one."""
    found: list[int] = []
    for partition in range(1024):
        found += await filled.keys(partition=partition).to_list()
    assert sorted(found) == list(range(COUNT))


@pytest.mark.usefixtures("cluster")  # two nodes
async def test_local(filled: IntStr) -> None:
    """A local view has the primary entries of one node: some and not all."""
    assert 0 < await filled.items(local=True).count() < COUNT


async def test_options_out_of_range(filled: IntStr) -> None:
    """Page sizes below 1 and negative partitions are refused before anything is sent."""
    for view in (filled.keys, filled.values, filled.items):
        with pytest.raises(ValueError, match="page_size"):
            view(page_size=0)
        with pytest.raises(ValueError, match="partition"):
            view(partition=-1)
    with pytest.raises(ig.ServerError):
        await filled.keys(partition=5000).to_list()


async def test_views_can_be_used_again(filled: IntStr) -> None:
    """Each use of a view is a scan of its own, also two at the same time and after the view was closed."""
    view = filled.keys(page_size=50)
    first, second = await asyncio.gather(view.to_list(), view.to_list())
    assert sorted(first) == sorted(second) == list(range(COUNT))
    await view.aclose()
    await view.aclose()
    assert await view.count() == COUNT
    assert filled.name in repr(view)


async def test_iteration_over_a_closed_view(filled: IntStr) -> None:
    """An iteration that goes on after its view was closed raises, and does not pretend to be at the end."""
    view = filled.keys(page_size=50)
    async with aclosing(view.pages()) as pages:
        await anext(pages)
        await view.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await anext(pages)


async def test_break_closes_the_cursor(one_connection: IntStr) -> None:
    """Loops that are left early inside `async with` leave no cursor on the server."""
    for _ in range(MORE_THAN_ALLOWED):
        async with one_connection.items(page_size=10) as items:
            async for _ in items:
                break
    assert await one_connection.keys(page_size=10).count() == COUNT


async def test_break_without_a_block(one_connection: IntStr) -> None:
    """A plain loop that is left early closes its cursor when its generator is finalised."""
    for _ in range(MORE_THAN_ALLOWED):
        async for _ in one_connection.items(page_size=10):
            break
        await one_connection.size()  # gives the finaliser its turn
    assert await one_connection.keys(page_size=10).count() == COUNT


async def test_terminals_and_errors_close_the_cursor(one_connection: IntStr) -> None:
    """First() and exceptions in a loop leave no cursor on the server."""
    for _ in range(MORE_THAN_ALLOWED):
        assert await one_connection.keys(page_size=10).first() is not None
        with pytest.raises(LookupError):
            async with one_connection.values(page_size=10) as values:
                async for _ in values:
                    raise LookupError
    assert await one_connection.keys(page_size=10).count() == COUNT


async def test_cancellation_closes_the_cursor(one_connection: IntStr) -> None:
    """However far a scan has come when it is cancelled, it leaves no cursor and no task behind."""
    for number in range(2 * MORE_THAN_ALLOWED):
        task = asyncio.create_task(one_connection.items(page_size=10).to_list())
        for _ in range(number % 12):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await one_connection.size()
    assert await one_connection.keys(page_size=10).count() == COUNT
    async with asyncio.timeout(10):
        # Cursors that were just being opened are closed in the background.
        while any(task.get_name().startswith("ignitemap cursor") for task in asyncio.all_tasks()):
            await one_connection.size()


async def test_views_of_a_closed_client(url: str, filled: IntStr) -> None:
    """A scan on a closed client is ClientClosed; one that was under way ends with an error, not with an end."""
    client = await ig.connect(url)
    cache = await client.cache(filled.name, int, str)
    async with aclosing(cache.items(page_size=10).pages()) as pages:
        await anext(pages)
        await client.aclose()
        with pytest.raises(ig.IgniteMapError):
            async for _ in pages:
                pass
    with pytest.raises(ig.ClientClosed):
        await cache.keys().to_list()
