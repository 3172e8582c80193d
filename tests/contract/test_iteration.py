"""Iterating over a cache."""

from typing import Any

import pytest

import ignitemap as ig

IntStr = ig.Cache[int, str]
ENTRIES = {key: str(key) for key in range(300)}


@pytest.fixture
async def full(cache: IntStr) -> IntStr:
    """A cache of 300 entries."""
    await cache.update(ENTRIES)
    return cache


async def test_async_for_gives_keys(full: IntStr) -> None:
    """`async for` over a cache gives each key once."""
    assert sorted([key async for key in full]) == sorted(ENTRIES)


async def test_items(full: IntStr) -> None:
    """`items()` gives pairs."""
    assert {key: value async for key, value in full.items()} == ENTRIES


async def test_keys_and_values(full: IntStr) -> None:
    """`keys()` and `values()` give each alone."""
    assert sorted(await full.keys().to_list()) == sorted(ENTRIES)
    assert sorted(await full.values().to_list()) == sorted(ENTRIES.values())


@pytest.mark.parametrize("page_size", [1, 7, 300, 1000])
async def test_page_sizes(full: IntStr, page_size: int) -> None:
    """The page size changes nothing but the pages."""
    assert await full.items(page_size=page_size).to_dict() == ENTRIES


@pytest.mark.parametrize("page_size", [0, -1])
async def test_wrong_page_sizes(full: IntStr, page_size: int) -> None:
    """A page size below one is a ValueError."""
    with pytest.raises(ValueError):
        await full.items(page_size=page_size).to_list()


async def test_pages(full: IntStr) -> None:
    """`pages()` gives lists of at most a page per node."""
    pages = [page async for page in full.keys(page_size=50).pages()]
    assert sorted(key for page in pages for key in page) == sorted(ENTRIES)
    assert len(pages) >= 3


async def test_partitions(full: IntStr) -> None:
    """The scans of all partitions together give every entry once."""
    found: list[int] = []
    for partition in range(1024):
        found += await full.keys(partition=partition).to_list()
        if len(found) == len(ENTRIES):
            break
    assert sorted(found) == sorted(ENTRIES)


async def test_terminals(full: IntStr) -> None:
    """`first` gives one entry, `count` the number of entries."""
    assert await full.items().count() == 300
    first: Any = await full.items().first()
    assert ENTRIES[first[0]] == first[1]


async def test_terminals_of_nothing(cache: IntStr) -> None:
    """Of an empty cache views are empty, and `first` gives None or the default."""
    assert await cache.items().to_dict() == {}
    assert await cache.keys().to_list() == []
    assert await cache.keys().first() is None
    assert await cache.keys().first(default=7) == 7
    assert await cache.items().count() == 0


async def test_views_are_lazy_and_run_again(cache: IntStr) -> None:
    """A view asks when it is iterated over, each time anew."""
    view = cache.keys()
    assert await view.to_list() == []
    await cache.set(1, "x")
    assert await view.to_list() == [1]
    assert await view.to_list() == [1]


async def test_break_closes_the_cursor(full: IntStr) -> None:
    """`async with cache.items()` closes the server's cursor on break; hundreds of them leave none open."""
    for _ in range(200):
        async with full.items(page_size=10) as view:
            async for _entry in view:
                break
    assert await full.keys().count() == 300


async def test_writing_while_iterating(full: IntStr) -> None:
    """Entries may be written and deleted while an iteration runs."""
    async for key in full.keys(page_size=16):
        if key % 2:
            await full.delete(key)
        else:
            await full.set(key, "even")
    assert await full.size() == 150


async def test_iterating_side_by_side(full: IntStr) -> None:
    """Two iterations at once do not disturb each other."""
    seen = 0
    async for _ in full.keys(page_size=50):
        seen += 1
        if seen % 100 == 0:
            assert await full.values(page_size=64).count() == 300
    assert seen == 300


async def test_local_scan(full: IntStr) -> None:
    """A local scan gives entries of one node, each of them right."""
    found = await full.items(local=True).to_dict()
    assert found
    assert found.items() <= ENTRIES.items()


async def test_undecodable_entries_raise(full: IntStr) -> None:
    """An entry of another type is a DecodeError by default, and the client goes on."""
    await full.raw.put(999, 1.5)
    with pytest.raises(ig.DecodeError):
        await full.items().to_list()
    assert await full.size() == 301


async def test_undecodable_entries_yield(full: IntStr) -> None:
    """With on_error="yield" such an entry arrives as an Undecodable, and no other is lost."""
    await full.raw.put(999, 1.5)
    good, bad = {}, []
    async for item in full.items(on_error="yield"):
        if isinstance(item, ig.Undecodable):
            bad.append(item)
        else:
            good[item[0]] = item[1]
    assert good == ENTRIES
    (entry,) = bad
    assert entry.key == 999
    assert isinstance(entry.error, ig.DecodeError)
    assert entry.raw


async def test_wrong_on_error(full: IntStr) -> None:
    """Another word for on_error is refused."""
    with pytest.raises((ValueError, TypeError)):
        await full.items(on_error="ignore").to_list()  # type: ignore[call-overload]
