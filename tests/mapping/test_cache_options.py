"""Views of a cache with other options: each of them, all together, and the parent as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import ignitemap as ig

MakeCache = Callable[..., Awaitable[Any]]


@ig.model(type_name="tests.options.Pet")
class Pet:
    """A model with its key in the cache key."""

    id: int = ig.key()
    name: str
    nick: str | None = None


@pytest.fixture
async def pets(make_cache: MakeCache) -> ig.Cache[int, Pet]:
    """A cache with two pets."""
    cache: ig.Cache[int, Pet] = await make_cache(Pet, atomicity="transactional")
    await cache.save_many([Pet(1, "Rex"), Pet(2, "Tom", "T")])
    return cache


async def test_binary_reads_objects(pets: ig.Cache[int, Pet]) -> None:
    """With binary=True every way of reading gives a BinaryObject for an object."""
    view = pets.with_options(binary=True)
    rex = await view[1]
    assert isinstance(rex, ig.BinaryObject)
    assert (rex.name, rex.nick, rex.type_name) == ("Rex", None, "tests.options.Pet")
    found = [
        await view.get(1),
        (await view.get_many([1]))[1],
        (await view.get_many(range(100)))[1],  # in several operations
        (await view.items().to_dict())[1],
        await view.setdefault(1, Pet(1, "x")),
        await view.swap(1, rex),
        await view.modify(1, lambda pet: pet),
        await view.where(lambda pet: pet.name == "Rex").one(),
        await view.pop(1),
    ]
    assert all(isinstance(each, ig.BinaryObject) and each.to_dict() == rex.to_dict() for each in found)
    assert await pets.keys().to_list() == [2]


async def test_binary_writes_both(pets: ig.Cache[int, Pet]) -> None:
    """A view with binary=True stores what it has read as it was, and models too."""
    view = pets.with_options(binary=True)
    tom = await view[2]
    await view.set(3, tom)
    await view.update({4: tom, 5: Pet(5, "Ida")})
    await view.save(Pet(6, "Bo"))
    assert await view.replace(2, Pet(2, "Tim"), expected=tom)
    assert await pets.items().to_dict() == {
        1: Pet(1, "Rex"),
        2: Pet(2, "Tim"),
        3: Pet(3, "Tom", "T"),  # the key fields are in the key
        4: Pet(4, "Tom", "T"),
        5: Pet(5, "Ida"),
        6: Pet(6, "Bo"),
    }


@pytest.mark.parametrize(
    ("types", "value", "read"),
    [
        ((int, int), 5, 5),
        ((int, ig.Int), 5, 5),
        ((int, str | None), "x", "x"),
        ((int, list[int]), [1, 2], [1, 2]),
        ((int, Any), {"a": (1, None)}, {"a": (1, None)}),
    ],
    ids=str,
)
async def test_binary_leaves_what_is_no_object(make_cache: MakeCache, types: Any, value: Any, read: Any) -> None:
    """What is no object is read and written with binary=True as without."""
    cache = await make_cache(*types)
    view = cache.with_options(binary=True)
    await view.set(1, value)
    assert await view[1] == read
    assert await cache[1] == read
    with pytest.raises(ig.EncodeError):
        await view.set(2, object())


@pytest.mark.parametrize("kind", [list[Pet], dict[str, Pet], Any, Pet | None])
async def test_binary_reaches_into_containers(make_cache: MakeCache, kind: Any) -> None:
    """Objects inside of collections come as BinaryObject, too, whatever the cache's declared type is."""
    cache = await make_cache(int, kind)
    value: Any = {list[Pet]: [Pet(1, "Rex")], dict[str, Pet]: {"rex": Pet(1, "Rex")}}.get(kind, Pet(1, "Rex"))
    await cache.set(1, value)
    found = await cache.with_options(binary=True)[1]
    (pet,) = found if isinstance(found, list) else found.values() if isinstance(found, dict) else (found,)
    assert isinstance(pet, ig.BinaryObject)
    assert pet.to_dict() == {"id": 1, "name": "Rex", "nick": None}
    await cache.with_options(binary=True).set(2, found)
    assert await cache[2] == value == await cache[1]


async def test_options_combine(pets: ig.Cache[int, Pet]) -> None:
    """Options that are given together or one after the other all hold, and the parent has none of them."""
    at_once = pets.with_options(ttl=0.2, ttl_on="create", timeout=20, binary=True, retry="all")
    in_steps = (
        pets.with_options(binary=True)
        .with_options(timeout=20)
        .with_options(retry="all")
        .with_options(ttl=60)
        .with_options(ttl=0.2, ttl_on="create")
    )
    for number, view in ((10, at_once), (11, in_steps)):
        assert isinstance(await view[1], ig.BinaryObject)
        await view.save(Pet(number, "short"))
        assert view._timeout == 20
        assert view._ref.expiry is not None
        assert view._ref.expiry.create == 200
        async with asyncio.timeout(10):
            while await pets.contains(number):
                pass
    assert await pets[1] == Pet(1, "Rex")
    assert pets._timeout is None
    assert pets._ref.expiry is None


async def test_binary_is_turned_off(pets: ig.Cache[int, Pet]) -> None:
    """binary=False gives models again, with all other options as they were."""
    view = pets.with_options(binary=True, timeout=20, ttl=60)
    again = view.with_options(binary=False)
    assert await again[1] == Pet(1, "Rex")
    assert (again._timeout, again._ref.expiry) == (20, view._ref.expiry)
    assert isinstance(await view.with_options(ttl=5)[1], ig.BinaryObject)


async def test_binary_in_a_transaction(client: ig.Client, pets: ig.Cache[int, Pet]) -> None:
    """A view that is bound to a transaction keeps its options, and may get others."""
    async with client.transaction() as tx:
        bound = tx.bind(pets.with_options(binary=True, timeout=20))
        assert isinstance(await bound[1], ig.BinaryObject)
        both = tx.bind(pets).with_options(binary=True, retry="all")
        for view in (bound, both):
            assert isinstance(await asyncio.create_task(view.swap(1, Pet(1, "Max"))), ig.BinaryObject)
        await tx.rollback()
    assert await pets[1] == Pet(1, "Rex")
