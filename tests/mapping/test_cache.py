"""A cache, method by method, on a real cluster."""

import asyncio
import inspect
import math
import os
import pickle
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from types import FrameType
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.mapping.expiry import _milliseconds
from ignitemap.mapping.guarantees import Guarantees
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheMode,
    PartitionLossPolicy,
    WriteSynchronizationMode,
)

MakeCache = Callable[..., Awaitable[Any]]
IntStr = ig.Cache[int, str]


# --- reading and writing one key --------------------------------------------------------------------------------------


async def test_one_get_is_few_calls(cache: IntStr) -> None:
    """Awaiting cache[k] takes at most 40 Python calls of the package, routing and answer included."""
    await cache.set(1, "one")
    await cache[1]  # compiles the operation
    calls: list[str] = []

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and "ignitemap" in frame.f_code.co_filename:
            calls.append(frame.f_code.co_name)

    sys.setprofile(count)
    try:
        value = await cache[1]
    finally:
        sys.setprofile(None)
    assert value == "one"
    assert len(calls) <= 40, calls


async def test_operations_are_coroutines(cache: IntStr) -> None:
    """Operations are coroutine functions, so that a forgotten await is noticed."""
    for name in ("__getitem__", "get", "set", "get_many", "update", "add", "pop", "delete", "clear", "size", "modify"):
        assert inspect.iscoroutinefunction(getattr(cache, name)), name


async def test_unhashable_and_wrong_types(cache: IntStr) -> None:
    """A key or value of the wrong type is an EncodeError and a TypeError, and changes nothing."""
    wrong: Any = "1"
    for call in (lambda: cache[wrong], lambda: cache.set(1, 1), lambda: cache.set(wrong, "x"), lambda: cache.get(None)):
        with pytest.raises(ig.EncodeError) as caught:
            await call()  # type: ignore[no-untyped-call]
        assert isinstance(caught.value, TypeError)
    assert await cache.size() == 0


async def test_reading_another_type_is_a_decode_error(cache: IntStr, make_cache: MakeCache) -> None:
    """A value that is not of the declared type is a DecodeError, and the client goes on."""
    await cache.raw.put(1, 5, key_hint=None)
    with pytest.raises(ig.DecodeError):
        await cache[1]
    assert await cache.get(2) is None


async def test_untyped_cache(make_cache: MakeCache) -> None:
    """A cache of Any gives back what was stored, type by type, and tells keys apart by type as the server does."""
    untyped = await make_cache(Any, Any)
    entries = {1: "int", "1": "str", 1.5: "float", Decimal("1.50"): b"bytes", (1, "a"): [1, None, "x"]}
    for key, value in entries.items():
        await untyped.set(key, value)
    assert await untyped.items().to_dict() == entries
    await untyped.set(True, "bool")
    assert await untyped[1] == "int"
    assert await untyped[True] == "bool"


async def test_optional_value_type(make_cache: MakeCache) -> None:
    """Where the value type allows None, None is still refused and absent keys are still absent."""
    cache = await make_cache(int, str | None)
    with pytest.raises(ValueError, match="None"):
        await cache.set(1, None)
    with pytest.raises(KeyError):
        await cache[1]
    await cache.set(1, "x")
    assert await cache[1] == "x"


async def test_none_is_never_expected(cache: IntStr) -> None:
    """Comparing with None is a ValueError: it would stand for an absent key."""
    none: Any = None
    with pytest.raises(ValueError, match="None"):
        await cache.replace(1, "x", expected=none)
    with pytest.raises(ValueError, match="None"):
        await cache.delete(1, expected=none)


async def test_conditional_writes_are_one_step(cache: IntStr) -> None:
    """Of many tasks that add the same key, one succeeds, and all find its value by setdefault."""
    added = await asyncio.gather(*(cache.add(1, str(number)) for number in range(50)))
    assert added.count(True) == 1
    winner = str(added.index(True))
    assert set(await asyncio.gather(*(cache.setdefault(1, str(number)) for number in range(50)))) == {winner}
    popped = await asyncio.gather(*(cache.pop(1, "gone") for _ in range(50)))
    assert sorted(popped) == sorted([winner] + ["gone"] * 49)


async def test_comparing_is_by_bytes(make_cache: MakeCache) -> None:
    """Expected values are compared as their bytes: a Decimal of another scale is another value."""
    cache = await make_cache(int, Decimal)
    await cache.set(1, Decimal("1.10"))
    assert await cache.replace(1, Decimal(2), expected=Decimal("1.1")) is False
    assert await cache.replace(1, Decimal(2), expected=Decimal("1.10")) is True


async def test_delete_all(cache: IntStr) -> None:
    """Delete_all and clear both leave an empty cache."""
    for empty in (cache.delete_all, cache.clear):
        await cache.update({1: "a", 2: "b"})
        await empty()
        assert await cache.size() == 0


@pytest.mark.usefixtures("cluster")  # two nodes
async def test_size_counts_copies(cache: IntStr) -> None:
    """Size counts primary copies, or those that peek names."""
    await cache.update((number, "x") for number in range(100))
    assert await cache.size() == 100
    assert await cache.size(peek="backup") == 100  # one backup on the second node
    assert await cache.size(peek=["primary", "backup"]) == 200
    assert await cache.size("all") == 200
    wrong: Any = "secondary"
    with pytest.raises(ValueError, match="primary"):
        await cache.size(peek=wrong)


# --- modify -----------------------------------------------------------------------------------------------------------


async def test_modify(make_cache: MakeCache) -> None:
    """Modify stores what the function makes of the value, and gives it back."""
    cache = await make_cache(str, int)
    await cache.set("n", 1)
    assert await cache.modify("n", lambda value: value + 1) == 2
    assert await cache["n"] == 2
    with pytest.raises(KeyError):
        await cache.modify("x", lambda value: value + 1)
    with pytest.raises(ValueError, match="None"):
        await cache.modify("n", lambda value: None)
    with pytest.raises(ValueError, match="attempts"):
        await cache.modify("n", lambda value: value, attempts=0)


async def test_modify_loses_no_update(make_cache: MakeCache) -> None:
    """Tasks that modify one entry at the same time all have their effect."""
    cache = await make_cache(str, int)
    await cache.set("n", 0)
    await asyncio.gather(*(cache.modify("n", lambda value: value + 1) for _ in range(20)))
    assert await cache["n"] == 20


async def test_modify_compares_what_was_read(make_cache: MakeCache) -> None:
    """Values that Python would write with other bytes than were read can be modified all the same."""
    cache = await make_cache(Any, int)
    await cache.raw.put("n", 5, value_hint=ig.INT)  # an int of 4 bytes, where the cache itself writes 8
    assert await cache.replace("n", 6, expected=5) is False
    assert await cache.modify("n", lambda value: value + 1) == 6


@pytest.mark.parametrize(
    "value", [[1, [2, None]], {"a": {1, 2}, "b": [1]}, ((1,), b"x"), {1, 2, 3}, (1, "x"), b"\0\1", 1.5, "é😀"]
)
async def test_modify_of_any_value(make_cache: MakeCache, value: object) -> None:
    """The bytes of every kind of value come back as they were, so that modify succeeds at once."""
    cache = await make_cache(str, Any)
    await cache.set("k", value)
    assert await cache.modify("k", lambda found: [found], attempts=1) == [value]
    assert await cache["k"] == [value]


@pytest.mark.parametrize("value", [[()], {"a": b"x"}])
async def test_collections_with_arrays_equal_nothing(make_cache: MakeCache, value: object) -> None:
    """The server compares collections as Java does, where arrays inside are equal only to themselves; modify says so."""
    cache = await make_cache(str, Any)
    await cache.set("k", value)
    assert await cache.replace("k", 1, expected=value) is False
    with pytest.raises(ig.ModifyConflict, match="unequal to itself"):
        await cache.modify("k", lambda found: 1, attempts=2)


async def test_modify_gives_up(make_cache: MakeCache) -> None:
    """When somebody else is faster every time, modify raises ModifyConflict and has written nothing."""
    cache = await make_cache(str, int)
    await cache.set("n", 0)
    others: list[int] = []

    view = cache.with_options(timeout=20)
    call = view._call

    # Somebody writes between every read and its compare-and-set.
    async def interfere(request: Any, *arguments: Any, **options: Any) -> Any:
        if type(request).__name__ == "CacheReplaceIfEquals":
            others.append(len(others) + 100)
            await cache.set("n", others[-1])
        return await call(request, *arguments, **options)

    view._call = interfere
    with pytest.raises(ig.ModifyConflict) as caught:
        await view.modify("n", lambda value: -1, attempts=3)
    assert caught.value.attempts == 3
    assert await cache["n"] == others[-1] == 102


# --- time to live -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "milliseconds"),
    [
        (1, 1000),
        (0.0001, 1),
        (0.0011, 2),
        (0.07, 70),  # 70.00000000000001 in floats
        (1.1, 1100),
        (timedelta(microseconds=1), 1),
        (timedelta(milliseconds=5), 5),
        (timedelta(days=1), 86_400_000),
        (math.inf, -1),
    ],
)
def test_ttl_in_milliseconds(ttl: Any, milliseconds: int) -> None:
    """A ttl is seconds or a timedelta, rounded up to 1 ms; infinity is eternal."""
    assert _milliseconds(ttl) == milliseconds


@pytest.mark.parametrize(
    "ttl", [0, -1, 0.0, -0.5, -math.inf, math.nan, timedelta(0), timedelta(seconds=-1), 1e30, 1 << 70]
)
async def test_ttl_out_of_range(cache: IntStr, ttl: Any) -> None:
    """A ttl that is not above 0, or beyond 64 bits, is a ValueError wherever it is given."""
    with pytest.raises(ValueError, match="ttl"):
        await cache.set(1, "x", ttl=ttl)
    with pytest.raises(ValueError, match="ttl"):
        cache.with_options(ttl=ttl)


@pytest.mark.parametrize("ttl", ["1", True, [1]])
async def test_ttl_of_wrong_type(cache: IntStr, ttl: Any) -> None:
    """A ttl that is no number and no timedelta is a TypeError."""
    with pytest.raises(TypeError, match="ttl"):
        await cache.set(1, "x", ttl=ttl)


async def gone(cache: IntStr, key: int) -> None:
    """Wait until an entry has expired."""
    async with asyncio.timeout(10):
        while await cache.contains(key):
            pass


async def test_ttl_of_one_entry(cache: IntStr) -> None:
    """An entry with a ttl goes away by itself, others stay."""
    await cache.set(1, "short", ttl=0.02)
    await cache.set(2, "long", ttl=60)
    await cache.set(3, "eternal", ttl=math.inf)
    await cache.set(4, "plain")
    await gone(cache, 1)
    assert sorted(await cache.keys().to_list()) == [2, 3, 4]


async def test_ttl_counts_from_every_write(cache: IntStr) -> None:
    """By default a ttl is counted from create and from update: writing over an entry gives it the ttl."""
    await cache.set(1, "x")
    await cache.with_options(ttl=0.02).set(1, "y")
    await gone(cache, 1)


async def test_ttl_on_create(cache: IntStr) -> None:
    """Counted from create, a ttl is for new entries and leaves those that are written over as they are."""
    view = cache.with_options(ttl=0.02, ttl_on="create")
    await cache.set(1, "x")
    await view.set(1, "y")
    await view.set(2, "new")
    await gone(cache, 2)
    assert await cache[1] == "y"


async def test_ttl_on_access(cache: IntStr) -> None:
    """Counted from access, a ttl begins anew with every read through the view, and not with other reads."""
    view = cache.with_options(ttl=0.02, ttl_on="access")
    await cache.update({1: "x", 2: "y"})
    assert await view[1] == "x"
    await gone(cache, 1)
    assert await cache[2] == "y"


async def test_ttl_of_a_view_holds_for_bulk(cache: IntStr) -> None:
    """A ttl of a view is for all its ways of writing, and the parent's stay eternal."""
    view = cache.with_options(ttl=timedelta(milliseconds=20))
    await cache.set(0, "eternal")
    await view.update({1: "a", 2: "b"})
    await view.add(3, "c")
    for key in (1, 2, 3):
        await gone(cache, key)
    assert await cache.keys().to_list() == [0]


async def test_ttl_on_needs_a_ttl(cache: IntStr) -> None:
    """Saying what a ttl is counted from without a ttl is a ValueError; so is an unknown word."""
    with pytest.raises(ValueError, match="ttl"):
        cache.with_options(ttl_on="create")
    wrong: Any = "read"
    with pytest.raises(ValueError, match="ttl_on"):
        cache.with_options(ttl=1, ttl_on=wrong)
    again = cache.with_options(ttl=5).with_options(ttl_on="access")
    assert again._ref.expiry is not None
    assert again._ref.expiry.access == 5000


# --- views of the same cache with other options -----------------------------------------------------------------------


async def test_with_options_leaves_the_parent(cache: IntStr) -> None:
    """Options make another view of the same cache."""
    view = cache.with_options(timeout=5)
    assert view is not cache
    assert view.name == cache.name
    await view.set(1, "x")
    assert await cache[1] == "x"
    assert await view.items(page_size=10).to_dict() == {1: "x"}
    with pytest.raises(ValueError, match="timeout"):
        cache.with_options(timeout=0)


async def test_timeout_of_a_view(cache: IntStr) -> None:
    """An operation of a view with a timeout ends within it, as not sent or as unknown."""
    view = cache.with_options(timeout=1e-9)
    with pytest.raises(TimeoutError) as caught:
        await view.set(1, "x")
    assert isinstance(caught.value, ig.NotSentTimeout | ig.OperationTimeout)


# --- what a cache says of itself --------------------------------------------------------------------------------------


async def test_guarantees_of_a_safe_cache(cache: IntStr) -> None:
    """A cache made with the defaults keeps every acknowledged write when one node is lost, and says so."""
    promise = await cache.guarantees()
    assert promise.mode is CacheMode.PARTITIONED
    assert promise.backups == 1
    assert promise.write_sync is WriteSynchronizationMode.FULL_SYNC
    assert promise.read_from_backup is False
    assert promise.partition_loss_policy is PartitionLossPolicy.READ_WRITE_SAFE
    assert promise.expiry is None
    assert promise.survives_one_node
    assert promise.acknowledged_write.startswith("yes")
    assert "yes" in str(promise)


async def test_guarantees_of_a_fast_cache(make_cache: MakeCache) -> None:
    """The server's own defaults keep one copy, and the guarantees say what that means."""
    promise = await (await make_cache(int, str, durability="fast")).guarantees()
    assert promise.backups == 0
    assert not promise.survives_one_node
    assert promise.acknowledged_write.startswith("no")


@pytest.mark.parametrize(
    ("mode", "backups", "write_sync", "survives", "words"),
    [
        ("REPLICATED", 0, "FULL_SYNC", True, "yes"),
        ("REPLICATED", 0, "PRIMARY_SYNC", False, "not always"),
        ("PARTITIONED", 2, "FULL_ASYNC", False, "not always"),
        ("PARTITIONED", 2, "FULL_SYNC", True, "yes"),
        ("PARTITIONED", 0, "FULL_SYNC", False, "no:"),
    ],
)
def test_words_of_guarantees(mode: str, backups: int, write_sync: str, survives: bool, words: str) -> None:
    """What survives a node follows from copies and synchronisation."""
    promise = Guarantees(
        mode=CacheMode[mode],
        backups=backups,
        atomicity=CacheAtomicityMode.ATOMIC,
        write_sync=WriteSynchronizationMode[write_sync],
        read_from_backup=False,
        partition_loss_policy=PartitionLossPolicy.IGNORE,
        expiry=None,
    )
    assert promise.survives_one_node is survives
    assert promise.acknowledged_write.startswith(words)
    assert promise.copies in str(promise)


async def test_name_raw_repr(cache: IntStr) -> None:
    """A cache knows its name, its raw twin and its types, and can't be pickled."""
    assert cache.raw.name == cache.name
    await cache.set(1, "x")
    assert await cache.raw.get(1) == "x"
    assert cache.name in repr(cache)
    assert "String" in repr(cache)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(cache)
    with pytest.raises(ig.QueryError, match="no SQL table"):
        cache.table  # noqa: B018 - it raises


async def test_cache_that_is_gone(client: ig.Client) -> None:
    """Every operation on a dropped cache is CacheNotFound, also those in bulk."""
    name = f"mapping_dropped_{os.getpid()}"
    cache = await client.cache(name, int, str)
    await client.drop(name)
    for call in (
        lambda: cache[1],
        lambda: cache.set(1, "x"),
        lambda: cache.update({1: "x"}),
        lambda: cache.update((number, "x") for number in range(20_000)),
        lambda: cache.get_many(range(20_000)),
        lambda: cache.items().to_list(),
        cache.size,
        cache.guarantees,
    ):
        with pytest.raises(ig.CacheNotFound):
            await call()  # type: ignore[no-untyped-call]


# --- models -----------------------------------------------------------------------------------------------------------


async def test_models(make_cache: MakeCache) -> None:
    """A model is saved, read and removed by its own key, which comes back joined."""
    registry_cache = await make_cache(Pet)
    await registry_cache.save(Pet(1, "Rex"))
    assert await registry_cache[1] == Pet(1, "Rex")
    await registry_cache.save_many([Pet(2, "Tom"), Pet(3, "Ida")])

    async def more() -> Any:
        yield Pet(4, "Bo")

    await registry_cache.save_many(more())
    assert await registry_cache.get_many([2, 4, 9]) == {2: Pet(2, "Tom"), 4: Pet(4, "Bo")}
    assert await registry_cache.items().to_dict() == {
        1: Pet(1, "Rex"), 2: Pet(2, "Tom"), 3: Pet(3, "Ida"), 4: Pet(4, "Bo"),
    }  # fmt: skip
    assert await registry_cache.modify(1, lambda pet: ig.evolve(pet, name="Max")) == Pet(1, "Max")
    assert await registry_cache.replace(1, Pet(1, "Rex"), expected=Pet(1, "Max")) is True
    assert await registry_cache.swap(1, Pet(1, "Old")) == Pet(1, "Rex")
    assert await registry_cache.setdefault(1, Pet(1, "New")) == Pet(1, "Old")
    assert await registry_cache.remove(Pet(1, "any")) is True
    assert await registry_cache.remove(Pet(1, "any")) is False
    assert await registry_cache.pop(2) == Pet(2, "Tom")
    with pytest.raises(ig.EncodeError):
        await registry_cache.set(7, Pet(8, "x"))
    with pytest.raises(TypeError, match="Pet"):
        await registry_cache.save("Rex")
    with pytest.raises(TypeError, match="Pet"):
        await registry_cache.save_many(["Rex"])


async def test_many_models(make_cache: MakeCache) -> None:
    """Models of several chunks arrive, and their type is announced before the first of them."""
    pets = await make_cache(Pet)
    await pets.save_many(Pet(number, f"pet {number}") for number in range(3000))
    assert await pets.size() == 3000
    assert (await pets.get_many(range(3000)))[2999] == Pet(2999, "pet 2999")


async def test_saving_what_is_no_model(cache: IntStr) -> None:
    """Save, save_many and remove on a cache without models name the method to use."""
    with pytest.raises(TypeError, match="set"):
        await cache.save("x")
    with pytest.raises(TypeError, match="update"):
        await cache.save_many(["x"])
    with pytest.raises(TypeError, match="delete"):
        await cache.remove("x")


@ig.model(type_name="tests.mapping.Pet")
class Pet:
    """A model with its key in the cache key."""

    id: int = ig.key()
    name: str
