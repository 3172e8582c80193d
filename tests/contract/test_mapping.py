"""A cache as a mapping: reading, writing, conditions, deleting, options."""

import asyncio
import collections.abc
import datetime
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

import ignitemap as ig
from tests.contract.conftest import MakeCache

IntStr = ig.Cache[int, str]


# --- reading ----------------------------------------------------------------------------------------------------------


async def test_getitem(cache: IntStr) -> None:
    """`await cache[k]` gives the value that was set."""
    await cache.set(1, "one")
    assert await cache[1] == "one"


async def test_a_miss_is_a_key_error(cache: IntStr) -> None:
    """`await cache[k]` of an absent key is a KeyError with the key."""
    with pytest.raises(KeyError) as caught:
        await cache[404]
    assert caught.value.args == (404,)


async def test_get_and_its_default(cache: IntStr) -> None:
    """`get` of an absent key gives None, or the default."""
    assert await cache.get(1) is None
    assert await cache.get(1, "x") == "x"
    await cache.set(1, "one")
    assert await cache.get(1, "x") == "one"


async def test_get_many(cache: IntStr) -> None:
    """`get_many` gives a dict of the keys that are there."""
    await cache.update({1: "a", 2: "b"})
    assert await cache.get_many([1, 2, 3]) == {1: "a", 2: "b"}
    assert await cache.get_many([]) == {}


async def test_get_many_of_an_iterator(cache: IntStr) -> None:
    """`get_many` takes any iterable, repeated keys too."""
    await cache.set(1, "a")
    assert await cache.get_many(iter([1, 1, 1])) == {1: "a"}


async def test_contains(cache: IntStr) -> None:
    """`contains` and `contains_all` tell whether keys are there."""
    await cache.update({1: "a", 2: "b"})
    assert await cache.contains(1) is True
    assert await cache.contains(3) is False
    assert await cache.contains_all([1, 2]) is True
    assert await cache.contains_all([1, 3]) is False


async def test_size(cache: IntStr) -> None:
    """`size` counts the entries."""
    assert await cache.size() == 0
    await cache.update(dict.fromkeys(range(10), "x"))
    assert await cache.size() == 10


async def test_coroutines(cache: IntStr) -> None:
    """Every operation is a coroutine, so that a task group takes it."""
    await cache.set(1, "one")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(cache[1])
    assert task.result() == "one"


# --- writing ----------------------------------------------------------------------------------------------------------


async def test_set_replaces(cache: IntStr) -> None:
    """`set` of a key that is there replaces its value."""
    await cache.set(1, "a")
    await cache.set(1, "b")
    assert await cache[1] == "b"


async def test_none_is_refused(cache: IntStr) -> None:
    """`set(k, None)` is a ValueError and changes nothing."""
    nothing: Any = None
    with pytest.raises(ValueError):
        await cache.set(1, nothing)
    assert await cache.size() == 0


async def test_update_with_a_mapping(cache: IntStr) -> None:
    """`update` takes a mapping."""
    await cache.update({1: "a", 2: "b"})
    assert await cache.items().to_dict() == {1: "a", 2: "b"}


async def test_update_with_pairs(cache: IntStr) -> None:
    """`update` takes pairs, also from a generator; the last of a key counts."""
    await cache.update((key, str(key)) for key in (1, 2, 3))
    await cache.update([(1, "first"), (1, "last")])
    assert await cache[1] == "last"
    assert await cache.size() == 3


async def test_update_with_async_pairs(cache: IntStr) -> None:
    """`update` takes pairs from an async iterable."""

    async def pairs() -> AsyncIterator[tuple[int, str]]:
        for key in range(5):
            yield key, str(key)

    await cache.update(pairs())
    assert await cache.size() == 5


async def test_update_with_names(make_cache: MakeCache) -> None:
    """`update` takes keyword arguments as str keys."""
    words = await make_cache(str, int)
    await words.update({"a": 1}, b=2)
    assert await words.items().to_dict() == {"a": 1, "b": 2}


async def test_update_of_many(cache: IntStr) -> None:
    """`update` of more than one chunk stores every entry."""
    await cache.update((key, str(key)) for key in range(12_345))
    assert await cache.size() == 12_345
    assert await cache[12_344] == "12344"


async def test_update_with_a_wrong_value(cache: IntStr) -> None:
    """A value of the wrong type in `update` is an EncodeError; what was sent before is told."""
    wrong: Any = {1: "a", 2: 2}
    with pytest.raises((ig.EncodeError, ig.PartialWriteError)):
        await cache.update(wrong)


async def test_add(cache: IntStr) -> None:
    """`add` stores only where nothing is, and tells whether it did."""
    assert await cache.add(1, "a") is True
    assert await cache.add(1, "b") is False
    assert await cache[1] == "a"


async def test_setdefault(cache: IntStr) -> None:
    """`setdefault` gives the value that is there afterwards."""
    assert await cache.setdefault(1, "a") == "a"
    assert await cache.setdefault(1, "b") == "a"


async def test_replace(cache: IntStr) -> None:
    """`replace` stores only where something is."""
    assert await cache.replace(1, "a") is False
    await cache.set(1, "a")
    assert await cache.replace(1, "b") is True
    assert await cache[1] == "b"


async def test_replace_expected(cache: IntStr) -> None:
    """`replace` with `expected` compares and sets in one step."""
    await cache.set(1, "a")
    assert await cache.replace(1, "c", expected="b") is False
    assert await cache.replace(1, "c", expected="a") is True
    assert await cache[1] == "c"


async def test_modify(cache: IntStr) -> None:
    """`modify` stores what the function makes of the value, and gives it."""
    await cache.set(1, "a")
    assert await cache.modify(1, str.upper) == "A"
    assert await cache[1] == "A"


async def test_modify_of_an_absent_key(cache: IntStr) -> None:
    """`modify` of an absent key is a KeyError."""
    with pytest.raises(KeyError):
        await cache.modify(1, str.upper)


async def test_modify_loses_nothing(make_cache: MakeCache) -> None:
    """Increments by `modify` from many tasks are all counted."""
    counts = await make_cache(str, int)
    await counts.set("n", 0)
    await asyncio.gather(*(counts.modify("n", lambda n: n + 1, attempts=200) for _ in range(30)))
    assert await counts["n"] == 30


async def test_modify_gives_up(make_cache: MakeCache) -> None:
    """`modify` whose attempts are used up is a ModifyConflict, and changed nothing."""
    counts = await make_cache(str, int)
    await counts.set("n", 0)
    answers = await asyncio.gather(
        *(counts.modify("n", lambda n: n + 1, attempts=1) for _ in range(30)), return_exceptions=True
    )
    lost = [answer for answer in answers if isinstance(answer, ig.ModifyConflict)]
    assert lost
    assert await counts["n"] == 30 - len(lost)


async def test_swap(cache: IntStr) -> None:
    """`swap` stores a value and gives the one before, or None."""
    assert await cache.swap(1, "a") is None
    assert await cache.swap(1, "b") == "a"
    assert await cache[1] == "b"


async def test_pop(cache: IntStr) -> None:
    """`pop` takes a value out; of an absent key it is a KeyError, or gives the default."""
    await cache.set(1, "a")
    assert await cache.pop(1) == "a"
    with pytest.raises(KeyError):
        await cache.pop(1)
    assert await cache.pop(1, "x") == "x"


# --- deleting ---------------------------------------------------------------------------------------------------------


async def test_delete(cache: IntStr) -> None:
    """`delete` tells whether the key was there."""
    await cache.set(1, "a")
    assert await cache.delete(1) is True
    assert await cache.delete(1) is False


async def test_delete_expected(cache: IntStr) -> None:
    """`delete` with `expected` deletes only that value."""
    await cache.set(1, "a")
    assert await cache.delete(1, expected="b") is False
    assert await cache.delete(1, expected="a") is True
    assert not await cache.contains(1)


async def test_delete_many(cache: IntStr) -> None:
    """`delete_many` deletes the keys given, absent ones too, and no others."""
    await cache.update(dict.fromkeys(range(5), "x"))
    await cache.delete_many([0, 1, 77])
    assert sorted(await cache.keys().to_list()) == [2, 3, 4]
    await cache.delete_many([])
    assert await cache.size() == 3


@pytest.mark.parametrize("how", ["clear", "delete_all"])
async def test_emptying(cache: IntStr, how: str) -> None:
    """`clear` and `delete_all` leave nothing."""
    await cache.update(dict.fromkeys(range(50), "x"))
    await getattr(cache, how)()
    assert await cache.size() == 0


# --- what a mapping of coroutines can't be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "instead"),
    [
        (lambda cache: 1 in cache, "contains"),
        (len, "size"),
        (lambda cache: cache.__setitem__(1, "x"), "set"),
        (lambda cache: cache.__delitem__(1), "delete"),
        (iter, "async for"),
    ],
)
async def test_impossible_operators(cache: IntStr, operator: Any, instead: str) -> None:
    """An operator that can't be awaited is a TypeError that names what to write."""
    with pytest.raises(TypeError, match=instead):
        operator(cache)


async def test_truth_equality_and_kind(cache: IntStr, client: ig.Client) -> None:
    """A cache is true, equal to itself alone, an AsyncMutableMapping and not a Mapping."""
    assert bool(cache) is True
    assert cache == cache  # noqa: PLR0124
    assert cache != await client.cache(cache.name, int, str)
    assert isinstance(cache, ig.AsyncMutableMapping)
    assert isinstance(cache, ig.AsyncMapping)
    assert not isinstance(cache, collections.abc.Mapping)


# --- types ------------------------------------------------------------------------------------------------------------


async def test_wrong_types_are_refused(cache: IntStr) -> None:
    """A key or value of the wrong type is an EncodeError that is a TypeError, before anything is sent."""
    wrong: Any = "1"
    for call in (cache.set(wrong, "x"), cache.set(1, 2), cache.get(wrong)):  # type: ignore[arg-type]
        with pytest.raises(ig.EncodeError) as caught:
            await call
        assert isinstance(caught.value, TypeError)
    assert await cache.size() == 0


async def test_numbers_are_never_wrapped(make_cache: MakeCache) -> None:
    """A number that doesn't fit is an EncodeError that is an OverflowError."""
    narrow = await make_cache(int, ig.Byte)
    await narrow.set(1, -128)
    for number in (128, -129):
        with pytest.raises(ig.EncodeError) as caught:
            await narrow.set(1, number)
        assert isinstance(caught.value, OverflowError)
    assert await narrow[1] == -128


async def test_naive_times_are_refused(make_cache: MakeCache) -> None:
    """A datetime without a time zone is refused; one with a zone comes back as the same moment in UTC."""
    times = await make_cache(int, datetime.datetime)
    with pytest.raises(ig.EncodeError):
        await times.set(1, datetime.datetime(2024, 1, 1))  # noqa: DTZ001 - that is the point
    moment = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    await times.set(1, moment)
    assert await times[1] == moment
    assert (await times[1]).tzinfo is datetime.UTC


@pytest.mark.parametrize(
    "value",
    [
        [], [1, None, "x"], (), (1, "a"), {1, 2}, set(), frozenset({"x"}), {"k": [1, {"n": (None,)}]}, {}, b"", b"\x00\xff",
        "", "nul\x00", "\U0001f40d", 0, -(2**63), 2**63 - 1, math.inf, -0.0, True,
        datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.time(0), [[], [[]], ()],
    ],
    ids=repr,
)  # fmt: skip
async def test_untyped_values(make_cache: MakeCache, value: object) -> None:
    """An untyped cache gives back each value with its type, empty and nested ones too."""
    untyped = await make_cache(Any, Any)
    await untyped.set("k", value)
    found = await untyped["k"]
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value) or isinstance(value, set | frozenset)


async def test_keys_are_told_apart_by_type(make_cache: MakeCache) -> None:
    """In an untyped cache 1, "1", 1.0 and True are four keys."""
    untyped = await make_cache(Any, Any)
    for key in (1, "1", 1.0, True):
        await untyped.set(key, repr(key))
    assert await untyped.size() == 4
    assert await untyped[True] == "True"
    assert await untyped[1] == "1"


# --- options ----------------------------------------------------------------------------------------------------------


async def test_ttl(cache: IntStr) -> None:
    """An entry with a ttl is gone when it is over; others stay."""
    await cache.set(1, "short", ttl=0.05)
    await cache.set(2, "long", ttl=datetime.timedelta(hours=1))
    async with asyncio.timeout(10):
        while await cache.contains(1):
            await asyncio.sleep(0.02)
    assert await cache[2] == "long"


@pytest.mark.parametrize("ttl", [0, -1, datetime.timedelta(0)])
async def test_ttl_of_nothing(cache: IntStr, ttl: Any) -> None:
    """A ttl of zero or less is a ValueError."""
    with pytest.raises(ValueError):
        await cache.set(1, "x", ttl=ttl)


async def test_options_make_a_view(cache: IntStr) -> None:
    """`with_options` gives a view of the same entries, and leaves the parent as it is."""
    brief = cache.with_options(ttl=0.05)
    await brief.set(1, "x")
    await cache.set(2, "y")
    async with asyncio.timeout(10):
        while await cache.contains(1):
            await asyncio.sleep(0.02)
    assert await brief[2] == "y"


async def test_ttl_on_access(cache: IntStr) -> None:
    """A ttl that counts from each access doesn't start again by the writes of others; bad names are refused."""
    with pytest.raises((ValueError, ig.ConfigurationError)):
        cache.with_options(ttl=1, ttl_on="sunday")  # type: ignore[arg-type]
    kept = cache.with_options(ttl=60, ttl_on="access")
    await cache.set(1, "x")
    assert await kept[1] == "x"


async def test_timeouts_of_a_view(cache: IntStr) -> None:
    """A view has a timeout of its own; unknown options are a TypeError."""
    assert await cache.with_options(timeout=5).get(1) is None
    with pytest.raises(TypeError):
        cache.with_options(colour="red")  # type: ignore[call-arg]


async def test_retry_of_a_view(cache: IntStr) -> None:
    """A view has a retry policy of its own."""
    view = cache.with_options(retry="all")
    await view.set(1, "x")
    assert await cache[1] == "x"


async def test_binary_view(people: "ig.Cache[int, Any]") -> None:
    """A binary view gives objects as they are stored, and stores them unchanged."""
    from tests.contract.models import Person

    await people.save(Person(1, "Ann", 41))
    binary: Any = people.with_options(binary=True)
    found = await binary[1]
    assert isinstance(found, ig.BinaryObject)
    assert found.name == "Ann"
    assert found["age"] == 41
    await binary.set(1, found)
    assert await people[1] == Person(1, "Ann", 41)


async def test_the_raw_cache(cache: IntStr) -> None:
    """`cache.raw` is the raw cache of the same entries."""
    await cache.raw.put(5, "five")
    assert await cache[5] == "five"


async def test_a_dropped_cache(client: ig.Client) -> None:
    """An operation on a cache that is gone is CacheNotFound."""
    gone = await client.cache("contract_gone", int, str)
    await client.drop("contract_gone")
    with pytest.raises(ig.CacheNotFound):
        await gone.get(1)


async def test_cancelling(cache: IntStr) -> None:
    """A cancelled operation raises CancelledError, and the next ones get their own answers."""
    await cache.update({key: str(key) for key in range(100)})
    tasks = [asyncio.ensure_future(cache[key]) for key in range(100)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    for key, answer in enumerate(answers):
        assert isinstance(answer, asyncio.CancelledError) or answer == str(key)
    assert await cache[7] == "7"
