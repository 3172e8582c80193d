"""Named regression tests through a real node: what pyignite 0.6.1 stores or reads wrongly is exact here, or refused."""

import datetime as dt
import enum
import os
import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.protocol.hashing import string_hash

MakeCache = Callable[..., Awaitable["ig.Cache[Any, Any]"]]


@ig.enum(type_name=f"DefectColor_{os.getpid()}")
class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


@ig.enum(type_name=f"DefectLevel_{os.getpid()}")
class Level(enum.IntEnum):
    LOW = 10
    HIGH = 20


async def check(cache: "ig.Cache[Any, Any]", value: Any) -> None:
    """The value comes back equal and of the same type, as value, in a page of a scan and from a bulk read."""
    await cache.set("k", value)
    for back in (
        await cache["k"],
        (await cache.get_many(["k"]))["k"],
        (await cache.items().to_dict())["k"],
        await cache.pop("k"),
    ):
        assert back == value
        assert type(back) is type(value)
        assert repr(back) == repr(value) or isinstance(value, set | frozenset)


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": 2},
        {},
        {1: "a", None: 2.5},
        {"nested": {"a": [1, {"b": (2,)}]}},
        [1, "ab"],
        [1, [2, 3]],
        (1, ["a", "b"]),
        (1, "ab"),
        [23, ("a",)],
    ],
    ids=repr,
)
async def test_d1_dicts_and_mixed_lists(make_cache: MakeCache, value: Any) -> None:
    """D1: a dict is a map, and what looks like (kind, items) is what it is."""
    await check(await make_cache(str, Any), value)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Any, 2**70),
        (Any, 2**63),
        (Any, -(2**63) - 1),
        (Any, [1, {"a": 2**64}]),
        (int, 2**63),
        (ig.Int, 2**31),
        (ig.Short, -(2**15) - 1),
        (ig.Byte, 300),
        (ig.Byte, 128),
        (ig.Float, 1e39),
        (list[ig.Byte], [1, 300]),
    ],
)
async def test_d2_numbers_never_wrap(make_cache: MakeCache, hint: Any, value: Any) -> None:
    """D2: a number that does not fit is an OverflowError before anything is sent, as value and as key."""
    cache = await make_cache(str, hint)
    with pytest.raises(OverflowError) as caught:
        await cache.set("k", value)
    assert isinstance(caught.value, ig.EncodeError)
    assert await cache.size() == 0
    if isinstance(value, int):
        keyed = await make_cache(hint, str)
        with pytest.raises(OverflowError):
            await keyed.set(value, "v")
        assert await keyed.size() == 0


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 0, -1], ids=str)
async def test_d2_the_edges_fit(make_cache: MakeCache, value: int) -> None:
    """D2: the largest and smallest long are exact."""
    await check(await make_cache(str, int), value)


@pytest.mark.parametrize(
    "value",
    [
        [],
        (),
        set(),
        frozenset(),
        [1, None],
        [None],
        [1, 2.5],
        [[], [[]], [1, [2, [3]]]],
        {1, 2, 3},
        {"a", None, 2.5},
        frozenset({(1, 2), (3,)}),
        (1, None, "a"),
        dt.time(12, 34, 56, 789000),
        Color.GREEN,
        Level.HIGH,
        [Color.RED, Level.LOW],
        {Color.RED: {Color.GREEN}},
        uuid.UUID(int=1 << 127),
        b"",
        "",
        True,
    ],
    ids=repr,
)
async def test_d3_types_survive(make_cache: MakeCache, value: Any) -> None:
    """D3: empty, nested and mixed containers, enums and times come back as the Python type that they were."""
    await check(await make_cache(str, Any), value)


@pytest.mark.parametrize("hint", [Any, dt.datetime])
@pytest.mark.parametrize("microsecond", [0, 1, 999, 123456, 999999])
async def test_d4_instants(make_cache: MakeCache, hint: Any, microsecond: int) -> None:
    """D4: an aware datetime is the same instant to the microsecond, whatever its zone; a naive one is refused."""
    cache = await make_cache(str, hint)
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    value = dt.datetime(2024, 3, 31, 2, 30, 0, microsecond, zone)
    await cache.set("k", value)
    back = await cache["k"]
    assert back == value
    assert back.tzinfo is dt.UTC
    assert back.microsecond == microsecond
    with pytest.raises(ValueError, match="time zone") as caught:
        await cache.set("k", value.replace(tzinfo=None))
    assert isinstance(caught.value, ig.EncodeError)
    assert await cache["k"] == value


@pytest.mark.parametrize("hint", [Any, dt.date])
@pytest.mark.parametrize(
    "day", [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]
)
async def test_d4_dates(make_cache: MakeCache, hint: Any, day: dt.date) -> None:
    """D4: a date comes back as a date."""
    await check(await make_cache(str, hint), day)


async def test_d5_nul_characters(make_cache: MakeCache) -> None:
    """D5: text with NUL characters is exact, as value and as key; keys that differ behind a NUL stay two."""
    cache = await make_cache(str, str)
    entries = {"a": "0", "a\0b": "1\0", "a\0c": "\0", "\0": "\0\0"}
    await cache.update(entries)
    assert await cache.size() == 4
    assert await cache.get_many(entries) == entries
    assert await cache.items().to_dict() == entries
    for key, value in entries.items():
        assert await cache[key] == value


DECIMALS = [
    "0",
    "0.00",
    "1.1",
    "1.10",
    "-1.100",
    "1E+5",
    "1E-40",
    "18446744073709551616",
    "-18446744073709551617.5",
    "123456789012345678901234567890.123456789012345678901234567890",
    "9" * 100,
    "0." + "0" * 50 + "7",
]


@pytest.mark.parametrize("text", DECIMALS)
@pytest.mark.parametrize("hint", [Any, Decimal])
async def test_d6_decimals(make_cache: MakeCache, hint: Any, text: str) -> None:
    """D6: a Decimal of any length is exact and keeps its scale, whatever the context's precision."""
    with localcontext() as context:
        context.prec = 5
        await check(await make_cache(str, hint), Decimal(text))


async def test_d6_decimal_keys(make_cache: MakeCache) -> None:
    """D6: a Decimal key is found where the server keeps it; NaN and infinity are refused."""
    cache = await make_cache(Decimal, int)
    keys = [Decimal(text) for text in DECIMALS if text not in {"0.00", "1.1"}]  # equal to others in Python
    await cache.update({key: number for number, key in enumerate(keys)})
    for number, key in enumerate(keys):
        assert await cache[key] == number
    for text in ("NaN", "Infinity", "-Infinity", "sNaN"):
        with pytest.raises(ValueError, match="no NaN and no infinity"):
            await cache.set(Decimal(text), 1)
    assert await cache.size() == len(keys)


async def test_d7_text_beyond_the_bmp(client: ig.Client, make_cache: MakeCache) -> None:
    """D7: emoji count as two UTF-16 units: in the hash of keys, and in the id of a cache."""
    cache = await make_cache(str, str)
    keys = [f"😀key{number}𝄞" for number in range(200)]
    statistics = client.raw.session.statistics
    await cache.update({key: key for key in keys})
    before = statistics.to_owner
    for key in keys:
        assert await cache[key] == key
    assert statistics.to_owner - before == len(keys)
    name = f"😀 cache {os.getpid()}"
    named = await client.cache(name, str, str, durability="fast")
    try:
        await named.set("a", "b")
        assert await named["a"] == "b"
        assert name in await client.cache_names()
        # The server itself resolves the name in SQL and by id.
        assert named.raw.cache_id == string_hash(name)
    finally:
        await client.drop(name)
    with pytest.raises(ig.EncodeError, match="surrogate"):
        await cache.set("\ud83d", "x")
