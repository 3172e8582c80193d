"""What holds for every mutable mapping, whatever keeps the data.

Derive a test class from `MappingContract` and give it a fixture `mapping_factory`, whose value is an async function that
returns a new, empty mapping at each call and that cleans up when the test is over.
"""

import asyncio
import collections.abc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from ignitemap.abc import AsyncMutableMapping

MappingFactory: TypeAlias = Callable[[], Awaitable[AsyncMutableMapping[str, int]]]

ABC = {"a": 1, "b": 2, "c": 3}


async def filled(mapping_factory: MappingFactory) -> AsyncMutableMapping[str, int]:
    """A new mapping that holds ABC."""
    mapping = await mapping_factory()
    await mapping.update(ABC)
    return mapping


class MappingContract:
    """The tests. They use string keys and integer values."""

    # --- reading

    async def test_getitem(self, mapping_factory: MappingFactory) -> None:
        """Awaiting m[k] gives the value."""
        mapping = await filled(mapping_factory)
        assert await mapping["b"] == 2

    async def test_getitem_of_absent_key(self, mapping_factory: MappingFactory) -> None:
        """Awaiting m[k] of an absent key raises KeyError with the key."""
        mapping = await filled(mapping_factory)
        with pytest.raises(KeyError) as caught:
            await mapping["x"]
        assert caught.value.args == ("x",)

    async def test_getitem_makes_a_task(self, mapping_factory: MappingFactory) -> None:
        """Reading is a coroutine, so tasks can be made of m[k] and of m.get(k)."""
        mapping = await filled(mapping_factory)
        async with asyncio.TaskGroup() as group:
            one = group.create_task(mapping["a"])
            two = group.create_task(mapping.get("b"))
        assert (one.result(), two.result()) == (1, 2)

    async def test_get(self, mapping_factory: MappingFactory) -> None:
        """Get gives the value, or None, or the default."""
        mapping = await filled(mapping_factory)
        assert await mapping.get("a") == 1
        assert await mapping.get("a", 9) == 1
        assert await mapping.get("x") is None
        assert await mapping.get("x", 9) == 9
        assert await mapping.get("x", default="none") == "none"

    async def test_get_many(self, mapping_factory: MappingFactory) -> None:
        """Get_many gives a dict of the keys that are present, from any iterable."""
        mapping = await filled(mapping_factory)
        assert await mapping.get_many(["a", "x", "c"]) == {"a": 1, "c": 3}
        assert await mapping.get_many(key for key in "bb") == {"b": 2}
        assert await mapping.get_many([]) == {}

    async def test_contains(self, mapping_factory: MappingFactory) -> None:
        """Contains tells whether a key is present."""
        mapping = await filled(mapping_factory)
        assert await mapping.contains("a") is True
        assert await mapping.contains("x") is False

    async def test_contains_all(self, mapping_factory: MappingFactory) -> None:
        """Contains_all tells whether all keys are present, which holds for no keys."""
        mapping = await filled(mapping_factory)
        assert await mapping.contains_all(["a", "b"]) is True
        assert await mapping.contains_all(key for key in "ax") is False
        assert await mapping.contains_all([]) is True

    async def test_size(self, mapping_factory: MappingFactory) -> None:
        """Size is the number of keys."""
        mapping = await mapping_factory()
        assert await mapping.size() == 0
        await mapping.update(ABC)
        assert await mapping.size() == 3

    async def test_falsy_values_are_values(self, mapping_factory: MappingFactory) -> None:
        """Zero is a value like any other."""
        mapping = await mapping_factory()
        await mapping.set("zero", 0)
        assert await mapping["zero"] == 0
        assert await mapping.get("zero", 9) == 0
        assert await mapping.contains("zero") is True
        assert await mapping.add("zero", 1) is False
        assert await mapping.setdefault("zero", 1) == 0
        assert await mapping.replace("zero", 0, expected=0) is True
        assert await mapping.swap("zero", 0) == 0
        assert await mapping.pop("zero", 9) == 0

    # --- writing

    async def test_set(self, mapping_factory: MappingFactory) -> None:
        """Set stores a value, also over another."""
        mapping = await mapping_factory()
        await mapping.set("k", 1)
        await mapping.set("k", 2)
        assert await mapping.items().to_dict() == {"k": 2}

    async def test_none_is_no_value(self, mapping_factory: MappingFactory) -> None:
        """No way of writing stores None, and a refused write changes nothing."""
        mapping = await filled(mapping_factory)
        none: Any = None
        for write in (mapping.set, mapping.add, mapping.setdefault, mapping.replace, mapping.swap):
            for key in ("a", "x"):
                with pytest.raises(ValueError, match="None"):
                    await write(key, none)
        with pytest.raises(ValueError, match="None"):
            await mapping.update({"x": none})
        assert await mapping.items().to_dict() == ABC

    async def test_update_from_mappings(self, mapping_factory: MappingFactory) -> None:
        """Update takes a mapping of either kind."""
        mapping = await mapping_factory()
        await mapping.update({"a": 1, "b": 2})
        other = await mapping_factory()
        await other.set("b", 20)
        await other.update(mapping)
        assert await other.items().to_dict() == {"a": 1, "b": 2}

    async def test_update_from_pairs(self, mapping_factory: MappingFactory) -> None:
        """Update takes pairs from an iterable, an iterator, an async iterator and a view."""

        async def more() -> AsyncIterator[tuple[str, int]]:
            yield "c", 3
            yield "d", 4

        mapping = await mapping_factory()
        await mapping.update([("a", 1)])
        await mapping.update((key, 2) for key in "b")
        await mapping.update(more())
        other = await mapping_factory()
        await other.update(mapping.items())
        assert await other.items().to_dict() == {"a": 1, "b": 2, "c": 3, "d": 4}

    async def test_update_from_keywords(self, mapping_factory: MappingFactory) -> None:
        """Update takes keywords, which come after the rest, and any name is allowed."""
        mapping = await mapping_factory()
        await mapping.update({"a": 1}, a=2, self=3, other=4)
        await mapping.update(b=5)
        await mapping.update()
        assert await mapping.items().to_dict() == {"a": 2, "self": 3, "other": 4, "b": 5}

    async def test_update_keeps_the_last(self, mapping_factory: MappingFactory) -> None:
        """Of pairs with the same key the last one stays."""
        mapping = await mapping_factory()
        await mapping.update([("a", 1), ("b", 1), ("a", 2)])
        assert await mapping.items().to_dict() == {"a": 2, "b": 1}

    # --- writing on a condition

    async def test_add(self, mapping_factory: MappingFactory) -> None:
        """Add stores a value only where there is none."""
        mapping = await filled(mapping_factory)
        assert await mapping.add("x", 9) is True
        assert await mapping.add("a", 9) is False
        assert await mapping.items().to_dict() == {**ABC, "x": 9}

    async def test_setdefault(self, mapping_factory: MappingFactory) -> None:
        """Setdefault gives the value that is there, or the one that it stored."""
        mapping = await filled(mapping_factory)
        assert await mapping.setdefault("a", 9) == 1
        assert await mapping.setdefault("x", 9) == 9
        assert await mapping.items().to_dict() == {**ABC, "x": 9}

    async def test_replace(self, mapping_factory: MappingFactory) -> None:
        """Replace stores a value only where there is one."""
        mapping = await filled(mapping_factory)
        assert await mapping.replace("a", 9) is True
        assert await mapping.replace("x", 9) is False
        assert await mapping.items().to_dict() == {**ABC, "a": 9}

    async def test_replace_expected(self, mapping_factory: MappingFactory) -> None:
        """Replace with an expected value stores only where that one is."""
        mapping = await filled(mapping_factory)
        assert await mapping.replace("a", 9, expected=1) is True
        assert await mapping.replace("b", 9, expected=1) is False
        assert await mapping.replace("x", 9, expected=1) is False
        assert await mapping.items().to_dict() == {**ABC, "a": 9}

    async def test_swap(self, mapping_factory: MappingFactory) -> None:
        """Swap stores a value and gives the one before it, or None."""
        mapping = await filled(mapping_factory)
        assert await mapping.swap("a", 9) == 1
        assert await mapping.swap("x", 8) is None
        assert await mapping.items().to_dict() == {**ABC, "a": 9, "x": 8}

    # --- removing

    async def test_pop(self, mapping_factory: MappingFactory) -> None:
        """Pop removes a key and gives its value."""
        mapping = await filled(mapping_factory)
        assert await mapping.pop("a") == 1
        assert await mapping.pop("b", 9) == 2
        assert await mapping.items().to_dict() == {"c": 3}

    async def test_pop_of_absent_key(self, mapping_factory: MappingFactory) -> None:
        """Pop of an absent key gives the default, even None; without one it raises KeyError."""
        mapping = await filled(mapping_factory)
        assert await mapping.pop("x", 9) == 9
        assert await mapping.pop("x", None) is None
        assert await mapping.pop("x", default="none") == "none"
        with pytest.raises(KeyError) as caught:
            await mapping.pop("x")
        assert caught.value.args == ("x",)
        assert await mapping.size() == 3

    async def test_delete(self, mapping_factory: MappingFactory) -> None:
        """Delete removes a key and tells whether it was there."""
        mapping = await filled(mapping_factory)
        assert await mapping.delete("a") is True
        assert await mapping.delete("a") is False
        assert await mapping.items().to_dict() == {"b": 2, "c": 3}

    async def test_delete_expected(self, mapping_factory: MappingFactory) -> None:
        """Delete with an expected value removes only where that one is."""
        mapping = await filled(mapping_factory)
        assert await mapping.delete("a", expected=2) is False
        assert await mapping.delete("b", expected=2) is True
        assert await mapping.delete("x", expected=2) is False
        assert await mapping.items().to_dict() == {"a": 1, "c": 3}

    async def test_delete_many(self, mapping_factory: MappingFactory) -> None:
        """Delete_many removes keys from any iterable and passes over absent ones."""
        mapping = await filled(mapping_factory)
        await mapping.delete_many(["a", "x"])
        await mapping.delete_many(key for key in "b")
        await mapping.delete_many([])
        assert await mapping.items().to_dict() == {"c": 3}

    async def test_clear(self, mapping_factory: MappingFactory) -> None:
        """Clear removes everything, and does so again without complaint."""
        mapping = await filled(mapping_factory)
        await mapping.clear()
        await mapping.clear()
        assert await mapping.size() == 0
        assert await mapping.items().to_dict() == {}

    # --- iterating

    async def test_iteration(self, mapping_factory: MappingFactory) -> None:
        """Iterating over the mapping gives each key once."""
        mapping = await filled(mapping_factory)
        assert sorted([key async for key in mapping]) == ["a", "b", "c"]

    async def test_views(self, mapping_factory: MappingFactory) -> None:
        """Keys, values and items are async iterables."""
        mapping = await filled(mapping_factory)
        assert sorted([key async for key in mapping.keys()]) == ["a", "b", "c"]  # noqa: SIM118 - no dict
        assert sorted([value async for value in mapping.values()]) == [1, 2, 3]
        assert sorted([pair async for pair in mapping.items()]) == [("a", 1), ("b", 2), ("c", 3)]

    async def test_terminals(self, mapping_factory: MappingFactory) -> None:
        """The terminals of a view fetch all, one, or the number of its items."""
        mapping = await filled(mapping_factory)
        assert sorted(await mapping.keys().to_list()) == ["a", "b", "c"]
        assert sorted(await mapping.values().to_list()) == [1, 2, 3]
        assert await mapping.items().to_dict() == ABC
        assert await mapping.keys().count() == await mapping.items().count() == 3
        assert await mapping.keys().first() in ABC
        assert await mapping.items().first() in list(ABC.items())

    async def test_views_of_nothing(self, mapping_factory: MappingFactory) -> None:
        """The views of an empty mapping are empty, and first() then gives its default."""
        mapping = await mapping_factory()
        assert [key async for key in mapping] == []
        assert await mapping.items().to_dict() == {}
        assert await mapping.values().to_list() == []
        assert await mapping.values().count() == 0
        assert await mapping.keys().first() is None
        assert await mapping.values().first(9) == 9

    async def test_pages(self, mapping_factory: MappingFactory) -> None:
        """Pages are lists that together hold each item once."""
        mapping = await filled(mapping_factory)
        pages = [page async for page in mapping.keys().pages()]
        assert all(type(page) is list for page in pages)
        assert sorted(key for page in pages for key in page) == ["a", "b", "c"]

    async def test_views_are_lazy(self, mapping_factory: MappingFactory) -> None:
        """A view sees what was written after it was made and before it was used."""
        mapping = await mapping_factory()
        items = mapping.items()
        await mapping.set("late", 1)
        assert await items.to_dict() == {"late": 1}

    async def test_view_begins_anew(self, mapping_factory: MappingFactory) -> None:
        """A view can be used twice."""
        mapping = await filled(mapping_factory)
        items = mapping.items()
        assert await items.to_dict() == ABC
        assert sorted([pair async for pair in items]) == sorted(ABC.items())

    async def test_view_as_context_manager(self, mapping_factory: MappingFactory) -> None:
        """A loop over a view in `async with` can be left early, and the mapping goes on working."""
        mapping = await filled(mapping_factory)
        async with mapping.items() as items:
            async for key, value in items:
                assert ABC[key] == value
                break
        async with mapping.keys() as keys:
            assert sorted([key async for key in keys]) == ["a", "b", "c"]
        assert await mapping.size() == 3

    # --- what is not possible

    async def test_impossible_operators(self, mapping_factory: MappingFactory) -> None:
        """An operator that cannot wait raises a TypeError that names the coroutine to use."""
        mapping: Any = await filled(mapping_factory)
        with pytest.raises(TypeError, match=r"await .*\bcontains\("):
            assert "a" in mapping
        with pytest.raises(TypeError, match=r"await .*\bsize\("):
            len(mapping)
        with pytest.raises(TypeError, match="async for"):
            iter(mapping)
        with pytest.raises(TypeError, match=r"await .*\bset\("):
            mapping["a"] = 9
        with pytest.raises(TypeError, match=r"await .*\bdelete\("):
            del mapping["a"]
        with pytest.raises(TypeError):
            reversed(mapping)
        assert await mapping.items().to_dict() == ABC

    async def test_impossible_operators_of_views(self, mapping_factory: MappingFactory) -> None:
        """An operator that cannot wait raises a TypeError on a view as well."""
        mapping = await filled(mapping_factory)
        views: list[Any] = [mapping.keys(), mapping.values(), mapping.items()]
        for view in views:
            with pytest.raises(TypeError, match="to_list"):
                assert 1 in view
            with pytest.raises(TypeError, match="count"):
                len(view)
            with pytest.raises(TypeError, match="async for"):
                iter(view)
            with pytest.raises(TypeError):
                reversed(view)
            assert view

    async def test_truth_and_equality(self, mapping_factory: MappingFactory) -> None:
        """A mapping is true even when it is empty, equals only itself, and can be a key."""
        one, two = await mapping_factory(), await mapping_factory()
        assert bool(one) is True
        assert one == one  # noqa: PLR0124 - identity is the point
        assert one != two
        assert len({one, two}) == 2

    async def test_is_no_mapping_of_collections(self, mapping_factory: MappingFactory) -> None:
        """Code that asks for a collections.abc.Mapping is not told that this is one."""
        mapping: object = await mapping_factory()
        assert not isinstance(mapping, collections.abc.Mapping)
        assert not isinstance(mapping, dict)
        assert isinstance(mapping, collections.abc.AsyncIterable)
