"""What holds for every asynchronous set, whatever keeps the items.

Derive a test class from `SetContract` and give it a fixture `set_factory`, whose value is an async function that returns
a new, empty set at each call and that cleans up when the test is over.
"""

import collections.abc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from ignitemap.abc import AsyncSet

SetFactory: TypeAlias = Callable[[], Awaitable[AsyncSet[str]]]


class SetContract:
    """The tests. They use strings for items."""

    async def test_add_and_contains(self, set_factory: SetFactory) -> None:
        """Add tells whether the item is new, and contains whether it is there."""
        items = await set_factory()
        assert await items.contains("a") is False
        assert await items.add("a") is True
        assert await items.add("a") is False
        assert await items.contains("a") is True
        assert await items.size() == 1

    async def test_discard(self, set_factory: SetFactory) -> None:
        """Discard tells whether the item was there."""
        items = await set_factory()
        await items.add("a")
        assert await items.discard("a") is True
        assert await items.discard("a") is False
        assert await items.size() == 0

    async def test_update(self, set_factory: SetFactory) -> None:
        """Update takes items from iterables and async iterables."""

        async def more() -> AsyncIterator[str]:
            yield "b"
            yield "c"

        items = await set_factory()
        await items.update(["a", "b"])
        await items.update(more())
        other = await set_factory()
        await other.update(items)
        assert sorted([item async for item in other]) == ["a", "b", "c"]

    async def test_clear(self, set_factory: SetFactory) -> None:
        """Clear removes everything."""
        items = await set_factory()
        await items.update("abc")
        await items.clear()
        assert await items.size() == 0
        assert [item async for item in items] == []

    async def test_impossible_operators(self, set_factory: SetFactory) -> None:
        """An operator that cannot wait raises a TypeError that names the coroutine to use."""
        items: Any = await set_factory()
        with pytest.raises(TypeError, match=r"await .*\bcontains\("):
            assert "a" in items
        with pytest.raises(TypeError, match=r"await .*\bsize\("):
            len(items)
        with pytest.raises(TypeError, match="async for"):
            iter(items)

    async def test_truth_and_equality(self, set_factory: SetFactory) -> None:
        """A set is true even when it is empty, equals only itself, and is no collections.abc.Set."""
        one, two = await set_factory(), await set_factory()
        assert bool(one) is True
        assert one != two
        other: object = one
        assert not isinstance(other, collections.abc.Set)
