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


# --- entries that can't be read ---------------------------------------------------------------------------------------

MANY = 10_000
BAD = 7_777


@pytest.fixture
async def with_bad_value(cache: IntStr) -> IntStr:
    """10,000 entries, all str but one, which another program has stored as a double."""
    await cache.update({number: str(number) for number in range(MANY)})
    await cache.raw.put(BAD, 1.5, key_hint=ig.LONG)
    return cache


async def test_one_bad_entry_of_ten_thousand_is_yielded(with_bad_value: IntStr) -> None:
    """With on_error="yield" one undecodable value is an Undecodable at its place, and the other 9,999 entries come."""
    found: dict[int, str] = {}
    bad: list[ig.Undecodable] = []
    async for item in with_bad_value.items(on_error="yield"):
        if isinstance(item, ig.Undecodable):
            bad.append(item)
        else:
            found[item[0]] = item[1]
    assert found == {number: str(number) for number in range(MANY) if number != BAD}
    (only,) = bad
    assert only.key == BAD
    assert only.raw.hex() == "06000000000000f83f"
    assert isinstance(only.error, ig.DecodeError)
    assert only.error.node is not None
    assert "f83f" not in repr(only)
    values = await with_bad_value.values(on_error="yield").to_list()
    assert len(values) == MANY
    assert [value.key for value in values if isinstance(value, ig.Undecodable)] == [BAD]
    assert not hasattr(with_bad_value.items(on_error="yield"), "to_dict")
    assert await with_bad_value.items(on_error="raise").first() is not None


async def test_one_bad_entry_raises_at_its_place(with_bad_value: IntStr) -> None:
    """With on_error="raise" the entries before the bad one arrive, then its DecodeError; the others' pages are whole."""
    where: Any = {"partition": BAD % 1024, "page_size": 4}  # in one partition the order is the same in each scan
    order = await with_bad_value.items(on_error="yield", **where).to_list()
    assert len(order) > 4
    place = next(at for at, item in enumerate(order) if isinstance(item, ig.Undecodable))
    seen: list[Any] = []
    with pytest.raises(ig.DecodeError, match="expected String") as caught:
        async for item in with_bad_value.items(**where):
            seen.append(item)
    assert seen == order[:place]
    assert caught.value.node is not None
    with pytest.raises(ig.DecodeError):
        await with_bad_value.items().to_dict()
    with pytest.raises(ig.DecodeError):
        await with_bad_value.values().count()
    for partition in (BAD % 1024 - 1, BAD % 1024 + 1):
        assert await with_bad_value.items(partition=partition).count() > 0


async def test_keys_of_bad_values_are_keys(with_bad_value: IntStr) -> None:
    """The keys of a cache come whatever its values are, and so a bad entry can be found and removed."""
    assert sorted(await with_bad_value.keys().to_list()) == list(range(MANY))
    assert sorted([key async for key in with_bad_value]) == list(range(MANY))
    async for item in with_bad_value.values(on_error="yield"):
        if isinstance(item, ig.Undecodable):
            assert await with_bad_value.delete(item.key)
    assert await with_bad_value.items().count() == MANY - 1


async def test_a_bad_key(cache: IntStr) -> None:
    """A key that can't be read is an Undecodable without a key, with the key's bytes; its value can be read all the same."""
    await cache.update({number: str(number) for number in range(50)})
    await cache.raw.put("a", "of a")
    (bad,) = [item for item in await cache.items(on_error="yield").to_list() if isinstance(item, ig.Undecodable)]
    assert bad.key is None
    assert bad.raw.hex() == "090100000061"
    (bad,) = [item for item in await cache.keys(on_error="yield").to_list() if isinstance(item, ig.Undecodable)]
    assert bad.key is None
    assert sorted(await cache.values().to_list()) == sorted([*(str(number) for number in range(50)), "of a"])
    with pytest.raises(ig.DecodeError, match="expected long"):
        await cache.keys().to_list()


async def test_bad_entries_leave_no_cursor_and_no_connection(one_connection: IntStr) -> None:
    """A DecodeError in a scan closes its cursor and nothing else: the connection is the same after 150 of them."""
    (connection,) = one_connection.raw.client.session.nodes.open
    await one_connection.raw.put(COUNT // 2, 1.5, key_hint=ig.LONG)
    for _ in range(MORE_THAN_ALLOWED):
        with pytest.raises(ig.DecodeError):
            await one_connection.items(page_size=10).to_list()
    assert await one_connection.items(page_size=10, on_error="yield").count() == COUNT
    assert [*one_connection.raw.client.session.nodes.open] == [connection]


def test_on_error_out_of_range(cache: IntStr) -> None:
    """Another on_error is refused before anything is sent."""
    for view in (cache.keys, cache.values, cache.items):
        with pytest.raises(ValueError, match="on_error"):
            view(on_error="ignore")
