"""The raw profile beside pyignite itself on a real node: either reads what the other wrote, and the results are the same.

Left out is what pyignite gets wrong; test_raw_profile.py has what is right there.
"""

import copy
import datetime as dt
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest

import ignitemap
from ignitemap.client.cache import AioCache
from ignitemap.protocol.codecs import ANY, Hinted
from ignitemap.protocol.types import raw_codecs, raw_hints

pyignite = pytest.importorskip("pyignite")
datatypes = pytest.importorskip("pyignite.datatypes")

UTC_DAY = dt.datetime.fromisoformat("2020-01-02")
MOMENT = dt.datetime.fromisoformat("2020-01-02T03:04:05.678")


@attrs.frozen
class H:
    """A hint by its name, which both have."""

    name: str


CASES: list[tuple[Any, str | None]] = [
    (5, None), (5, "ByteObject"), (5, "ShortObject"), (5, "IntObject"), (True, "IntObject"), (-(2**63), None),
    (1.5, None), (1.5, "FloatObject"), (1, "FloatObject"), (1e308, None), (True, None), (1, "BoolObject"),
    ("x", "CharObject"), (65, "CharObject"), ("abc", None), ("Ünï😀", None), (b"abc", "String"), ("", "String"),
    (b"ab", None), (bytearray(b"ab"), None), (uuid.UUID(int=5), None), (Decimal("1.1"), None),
    (MOMENT, None), (UTC_DAY.date(), None), ((MOMENT, 1000), "TimestampObject"),
    (dt.timedelta(hours=5), None), (dt.timedelta(days=4, milliseconds=5), None), (dt.timedelta(seconds=-5), None),
    ((5, 6), "EnumObject"), ((5, 6), "BinaryEnumObject"),
    ([1, 2], None), ((1, 2), None), (range(3), None), ([1, 2], "ByteArrayObject"), ((-128, 255), "ByteArrayObject"),
    ([1, 2], "ShortArrayObject"), ([1, 2], "IntArrayObject"), ([1.5], "FloatArrayObject"), ([1.5], None), ([True], None),
    (["a", "b"], "CharArrayObject"), ("ab", "CharArrayObject"), (["a", None], None), ([uuid.UUID(int=1), None], None),
    ([UTC_DAY], None), ([UTC_DAY.date(), UTC_DAY], None), ([dt.timedelta(1)], None), ([Decimal("1.5"), None], None),
    ([(UTC_DAY, 5)], "TimestampArrayObject"), ((-1, [(1, 2), (3, 4)]), "EnumArrayObject"),
    ((-1, [(1, 2), (3, 4)]), "BinaryEnumArrayObject"), ((-1, [1, "a", None]), "ObjectArrayObject"),
    ((77, [1, "a"]), "ObjectArrayObject"), ((-1, 5), "ObjectArrayObject"),
    ((1, [1, "a", None, [1, 2]]), None), ((2, [1, 2, 3]), None), ((3, [1]), None), ((4, [1]), None), ((1, (1, 2)), None),
    ((1, {1, 2}), None), ((0, [1]), "CollectionObject"), ((-1, [1]), "CollectionObject"), ((1, 5), "CollectionObject"),
    ((1, []), "CollectionObject"), ((1, {"a": 1}), None), ((2, {"a": 1}), None), ((1, {}), "MapObject"),
    ((0, {"a": 1}), "MapObject"), ((2, {"a": (1, [1, 2]), "b": ((1, [1, "x"]), H("CollectionObject"))}), None),
    ((1, [(1, H("IntObject")), ((2, {"a": 1}), H("MapObject"))]), None),
]  # fmt: skip


def with_hints(value: Any, module: Any) -> Any:
    """The value with the hints of one of the two."""
    match value:
        case H(name):
            return getattr(module, name)
        case tuple():
            return tuple(with_hints(each, module) for each in value)
        case list():
            return [with_hints(each, module) for each in value]
        case dict():
            return {with_hints(key, module): with_hints(each, module) for key, each in value.items()}
        case _:
            return copy.copy(value)


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[ignitemap.Client]:
    """Our client."""
    async with ignitemap.connect(url) as connected:
        yield connected


@pytest.fixture
def local_time_is_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make local time UTC: pyignite takes a naive datetime for local time."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
async def caches(client: ignitemap.Client, url: str, local_time_is_utc: None) -> AsyncIterator[tuple[Any, AioCache]]:
    """One cache, in their hands and in ours."""
    address = urlsplit("//" + urlsplit(url).netloc.partition(",")[0])
    theirs = pyignite.AioClient(partition_aware=False)
    name = f"against_{os.getpid()}"
    async with theirs.connect(address.hostname, address.port):
        cache = await theirs.get_or_create_cache(name)
        yield cache, AioCache(client.raw, name, codecs=raw_codecs(known=client.raw.codecs.known))
        await cache.destroy()


async def test_results_are_pyignites(caches: tuple[Any, AioCache]) -> None:
    """Every type and every form of values: what is put by either is read the same by both, and is what pyignite returns."""
    theirs, ours = caches
    for value, hint in CASES:
        their_hint = hint and getattr(datatypes, hint)
        our_hint = ANY if hint is None else getattr(raw_hints, hint)
        await theirs.put(1, with_hints(value, datatypes), value_hint=their_hint)
        await ours.put(2, Hinted(with_hints(value, raw_hints), our_hint))
        found = [await theirs.get(1), await theirs.get(2), await ours.get(1), await ours.get(2)]
        assert len({repr(each) for each in found}) == 1, (value, hint, found)
