"""What type checkers infer for the abstract classes, and what they reject.

This file is checked, never run, by test_abc_types.py. A line that ends in `# error` must be rejected, no other may be.
"""
# ruff: noqa: B015, B018, F841, SIM118

from collections.abc import AsyncIterator, Coroutine
from typing import Any, assert_type

from ignitemap.abc import AsyncMapping, AsyncMutableMapping, AsyncSet, AsyncView, ItemsView


class Animal:
    pass


class Dog(Animal):
    pass


async def pairs() -> AsyncIterator[tuple[str, int]]:
    yield "a", 1


async def reading(mapping: AsyncMapping[str, int]) -> None:
    assert_type(await mapping["a"], int)
    assert_type(await mapping.get("a"), int | None)
    assert_type(await mapping.get("a", None), int | None)
    assert_type(await mapping.get("a", 0), int)
    assert_type(await mapping.get("a", "none"), int | str)
    assert_type(await mapping.get("a", default=b""), int | bytes)
    assert_type(await mapping.get_many(["a"]), dict[str, int])
    assert_type(await mapping.contains("a"), bool)
    assert_type(await mapping.contains_all({"a"}), bool)
    assert_type(await mapping.size(), int)
    coroutine: Coroutine[Any, Any, int] = mapping["a"]
    await coroutine


async def iterating(mapping: AsyncMapping[str, int]) -> None:
    async for key in mapping:
        assert_type(key, str)
    async for value in mapping.values():
        assert_type(value, int)
    async for name, number in mapping.items():
        assert_type(name, str)
        assert_type(number, int)
    async with mapping.items() as items:
        assert_type(items, ItemsView[str, int])
    assert_type(mapping.keys(), AsyncView[str])
    assert_type(mapping.values(), AsyncView[int])
    assert_type(await mapping.items().to_dict(), dict[str, int])
    assert_type(await mapping.keys().to_list(), list[str])
    assert_type(await mapping.items().to_list(), list[tuple[str, int]])
    assert_type(await mapping.keys().first(), str | None)
    assert_type(await mapping.keys().first(0), str | int)
    assert_type(await mapping.values().first(0), int)
    assert_type(await mapping.values().count(), int)
    async for page in mapping.keys().pages():
        assert_type(page, list[str])


async def writing(mapping: AsyncMutableMapping[str, int]) -> None:
    assert_type(await mapping["a"], int)
    assert_type(await mapping.set("a", 1), None)
    assert_type(await mapping.add("a", 1), bool)
    assert_type(await mapping.setdefault("a", 1), int)
    assert_type(await mapping.replace("a", 1), bool)
    assert_type(await mapping.replace("a", 1, expected=2), bool)
    assert_type(await mapping.swap("a", 1), int | None)
    assert_type(await mapping.pop("a"), int)
    assert_type(await mapping.pop("a", 1), int)
    assert_type(await mapping.pop("a", None), int | None)
    assert_type(await mapping.pop("a", "none"), int | str)
    assert_type(await mapping.delete("a"), bool)
    assert_type(await mapping.delete("a", expected=2), bool)
    await mapping.delete_many(["a"])
    await mapping.update({"a": 1}, b=2)
    await mapping.update([("a", 1)])
    await mapping.update(pairs())
    await mapping.update(mapping)
    await mapping.update(mapping.items())
    await mapping.update(a=1)
    await mapping.clear()


async def other_keys(mapping: AsyncMutableMapping[int, str]) -> None:
    await mapping.update({1: "a"})
    await mapping.update({1: "a"}, b="b")  # error
    await mapping.update(b="b")  # error


def variance(dogs: AsyncMapping[str, Dog], mutable_dogs: AsyncMutableMapping[str, Dog]) -> None:
    animals: AsyncMapping[str, Animal] = dogs
    views: AsyncView[Animal] = dogs.values()
    more: AsyncMapping[str, Animal] = mutable_dogs
    mutable_animals: AsyncMutableMapping[str, Animal] = mutable_dogs  # error


async def sets(items: AsyncSet[str]) -> None:
    assert_type(await items.add("a"), bool)
    assert_type(await items.discard("a"), bool)
    assert_type(await items.contains("a"), bool)
    assert_type(await items.size(), int)
    await items.update(["a"])
    await items.update(items)
    await items.clear()
    async for item in items:
        assert_type(item, str)
    "a" in items  # error
    len(items)  # error
    iter(items)  # error
    await items.add(1)  # error


async def wrong_arguments(mapping: AsyncMutableMapping[str, int]) -> None:
    await mapping[1]  # error
    await mapping.get(1)  # error
    await mapping.set("a", "b")  # error
    await mapping.set("a", None)  # error
    await mapping.replace("a", 1, expected="b")  # error
    await mapping.update({"a": "b"})  # error
    await mapping.update([1])  # error
    await mapping.update(a="b")  # error


async def forgotten_await(mapping: AsyncMutableMapping[str, int]) -> None:
    mapping["a"] + 1  # error
    mapping.set("a", 1)  # error
    mapping.clear()  # error


async def impossible_operators(mapping: AsyncMutableMapping[str, int]) -> None:
    "a" in mapping  # error
    len(mapping)  # error
    iter(mapping)  # error
    list(mapping)  # error
    mapping["a"] = 1  # error
    del mapping["a"]  # error
    "a" in mapping.keys()  # error
    len(mapping.keys())  # error
    iter(mapping.values())  # error
    dict(mapping.items())  # error
