"""A cache of the cluster as a mapping: what a miss is, what a value may be, and which operation does it in one step.

Every method is one coroutine that makes a request and hands it to ``Session.call``, which routes, encodes, waits and
decodes. Bulk writes are in bulk.py, views in views.py.
"""

import builtins
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache, wraps
from typing import Any, Final, Generic, Literal, TypeVar, cast, overload

import attrs

from ignitemap import mapping, models
from ignitemap.abc import MISSING, AsyncMapping, AsyncMutableMapping, AsyncView, Entries, Missing
from ignitemap.client.ambient import in_transaction
from ignitemap.client.cache import AioCache
from ignitemap.client.retry import Retry, policy_of
from ignitemap.client.session import Session, retrying
from ignitemap.exceptions import ModifyConflict, QueryError
from ignitemap.mapping import PAGE_SIZE
from ignitemap.protocol.codecs import NULL, Codecs, EntryTypes
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations.caches import CacheGetConfiguration
from ignitemap.protocol.operations.entries import (
    CacheClear,
    CacheContainsKey,
    CacheContainsKeys,
    CacheGet,
    CacheGetAll,
    CacheGetAndPut,
    CacheGetAndPutIfAbsent,
    CacheGetAndRemove,
    CacheGetSize,
    CachePut,
    CachePutAll,
    CachePutIfAbsent,
    CacheRemoveAll,
    CacheRemoveIfEquals,
    CacheRemoveKey,
    CacheRemoveKeys,
    CacheReplace,
    CacheReplaceIfEquals,
)
from ignitemap.protocol.types.sharing import check_hashes

__all__ = ["Cache", "Peek", "TtlOn"]

D = TypeVar("D")
K = TypeVar("K")
V = TypeVar("V")
W = TypeVar("W")

TtlOn = Literal["create", "update", "access"]
"""What a time to live is counted from: the entry's creation, its last write, its last write or read."""

Peek = Literal["all", "near", "primary", "backup", "onheap", "offheap"]
"""Which copies of entries are counted."""

# CachePeekMode of Ignite, by ordinal.
_PEEK_MODES: Final[Mapping[str, int]] = {
    "all": 0, "near": 1, "primary": 2, "backup": 3, "onheap": 4, "offheap": 5,
}  # fmt: skip

MODIFY_ATTEMPTS: Final = 50
FIRST_GET: Final = 64


class Cache(AsyncMutableMapping[K, V], Generic[K, V]):
    """A cache of an Ignite cluster: an asynchronous mapping, made by `client.cache(name, K, V)`.

    >>> names = await client.cache("names", int, str)
    >>> await names.set(1, "Ann")
    >>> await names[1]
    'Ann'

    Reads and writes of one key are one round trip, and atomic on the server. Every method can raise, besides what it
    names, `EncodeError` (before anything is sent), `NotSentError`, `OutcomeUnknownError` (a write may have happened),
    `ServerError` with `CacheNotFound` among its subclasses, and `DecodeError`. A cancelled read is harmless; of a
    cancelled write the outcome is unknown.

    Two caches are equal only when they are the same object. Where a method compares values or keys, the server compares
    their encoded bytes: to it 1 and 1.0 differ, and so do Decimals of different scale. What it reads as a Java collection,
    it compares as Java does: a list, set or dict that holds a tuple, bytes or another array equals nothing, not even
    itself, as `expected` and in `modify` (seen from a 2.17.0 node). In a model's fields it does compare.
    """

    __slots__ = (
        "__weakref__",
        "_binary",
        "_call",
        "_codecs",
        "_declared",
        "_found",
        "_model",
        "_raw",
        "_ref",
        "_schema",
        "_table",
        "_timeout",
        "_ttl_on",
        "_typed",
        "_types",
    )

    def __init__(
        self,
        raw: AioCache,
        typed: AioCache,
        model: "mapping.filling.ModelKeys[K, V] | None" = None,
        *,
        table: str | None = None,
        schema: "models.schema.Schema | None" = None,
        timeout: float | None = None,
        ttl_on: TtlOn = "update",
        declared: EntryTypes | None = None,
    ) -> None:
        """Not for users.

        Args:
            raw: The untyped cache, what `cache.raw` gives.
            typed: The same cache with the declared types and the mapping profile's codecs.
            model: How to find the key of a model, where V is one whose key is K.
            table: The quoted SQL name, where the cache has one.
            schema: The model's fields, where V is a model.
            timeout: Seconds an operation may take; None is the client's.
            ttl_on: What a ttl given to `set` is counted from.
            declared: The declared types, where those of `typed` leave objects as they are.
        """
        self._raw = raw
        self._typed = typed
        self._model = model
        self._table = table
        self._schema = schema
        self._timeout = timeout
        self._ttl_on: TtlOn = ttl_on
        self._binary = declared is not None
        self._declared = typed.types if declared is None else declared
        # All that an operation needs, looked up once.
        self._ref = typed.cache_info
        self._codecs = typed.codecs
        self._types = typed.types
        self._found = _maybe_absent(typed.types)
        self._call = typed.session.call

    def __repr__(self) -> str:
        return f"<Cache {self.name!r}: {self._types.key.name} -> {self._types.value.name}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a cache can't be pickled: open it anew where it is needed")

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The cache's name in the cluster.

        >>> cache.name
        'cache'
        """
        return self._raw.name

    @property
    def raw(self) -> AioCache:
        """The same cache on the raw layer: untyped, with pyignite's method names and results.

        >>> await cache.raw.get_and_put(1, "Ann")
        >>> await cache[1]
        'Ann'
        """
        return self._raw

    @property
    def table(self) -> str:
        """The cache's table in SQL, quoted.

        Raises:
            QueryError: The cache has none.

        >>> people.table
        '"person"."PERSON"'
        """
        if self._table is None:
            raise QueryError(f"the cache {self.name!r} has no SQL table: its values are no model")
        return self._table

    async def guarantees(self) -> "mapping.guarantees.Guarantees":
        """What the cache promises: copies, synchronisation, loss policy. `str()` of the answer says it in words.

        >>> promised = await cache.guarantees()
        >>> promised.survives_one_node
        True
        """
        return mapping.guarantees.guarantees_of(
            await self._call(CacheGetConfiguration(CacheRef(self._ref.cache_id)), timeout=self._timeout)
        )

    @overload
    def with_options(
        self,
        *,
        ttl: "mapping.expiry.Ttl | None" = None,
        ttl_on: TtlOn | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        binary: Literal[False] | None = None,
    ) -> "Cache[K, V]": ...
    @overload
    def with_options(
        self,
        *,
        ttl: "mapping.expiry.Ttl | None" = None,
        ttl_on: TtlOn | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        binary: bool,
    ) -> "Cache[K, Any]": ...
    def with_options(
        self,
        *,
        ttl: "mapping.expiry.Ttl | None" = None,
        ttl_on: TtlOn | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        binary: bool | None = None,
    ) -> "Cache[K, Any]":
        """The same cache with other options; this one is unchanged. What is not given stays as it is.

        Args:
            ttl: How long entries live that are written through the view: seconds or a timedelta, rounded up to 1 ms;
                `math.inf` is for ever.
            ttl_on: What the time is counted from: "update", the default, is the entry's last write, "create" its first
                one, "access" the last write or read through such a view.
            timeout: Seconds that one operation may take.
            retry: What is sent again when a connection is lost: "reads", "all", "none" or a `RetryPolicy`, as of
                `connect`. In a transaction nothing is.
            binary: Whether objects come as `BinaryObject` instead of the program's models, in values and wherever a key
                may be of any type. Either can be stored.

        Raises:
            ValueError: An option is out of range, or `ttl_on` has no `ttl`.
            ConfigurationError: `retry` is none of these.

        >>> short = cache.with_options(ttl=60, timeout=2, retry="all")
        >>> await short.set(1, "Ann")  # gone after a minute
        """
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout must be above 0 s, not {timeout!r}")
        counted_on = self._ttl_on if ttl_on is None else ttl_on
        expiry = self._ref.expiry
        if ttl is not None:
            expiry = mapping.expiry.policy_of(ttl, counted_on)
        elif ttl_on is not None:
            if expiry is None:
                raise ValueError("ttl_on says what a ttl is counted from: give a ttl, too")
            expiry = mapping.expiry.counted_on(expiry.create, ttl_on)
        as_objects = self._binary if binary is None else binary
        raw, client, types = self._raw, self._raw.client, self._declared
        codecs = client.mapping_codecs
        if as_objects:
            codecs, types = client.binary_codecs, mapping.binary.as_binary(types)
        session = self._typed.session
        if retry is not None:
            session = retrying(session, policy_of(retry))
            raw = raw.over(session)
        typed = AioCache(client, raw.name, expiry, codecs=codecs, types=types, session=session)
        return Cache(
            raw if expiry is None else raw.with_expire_policy(expiry),
            typed,
            self._model,
            table=self._table,
            schema=self._schema,
            timeout=self._timeout if timeout is None else timeout,
            ttl_on=counted_on,
            declared=self._declared if as_objects else None,
        )

    def over(self, session: Session) -> "Cache[K, V]":
        """Not for users: the same cache, whose operations another session carries out. See `Transaction.bind`."""
        return Cache(
            self._raw.over(session),
            self._typed.over(session),
            self._model,
            table=self._table,
            schema=self._schema,
            timeout=self._timeout,
            ttl_on=self._ttl_on,
            declared=self._declared if self._binary else None,
        )

    # --- reading ----------------------------------------------------------------------------------------------------

    async def __getitem__(self, key: K) -> V:
        """The value of a key: `await cache[key]`.

        Raises:
            KeyError: The key is absent.

        >>> await cache.set(1, "Ann")
        >>> await cache[1]
        'Ann'
        >>> await cache[2]
        Traceback (most recent call last):
        KeyError: 2
        """
        value: V | None = await self._call(CacheGet(self._ref, key), self._codecs, self._found, timeout=self._timeout)
        if value is None:
            raise KeyError(key)
        return value

    @overload
    async def get(self, key: K, default: None = None) -> V | None: ...
    @overload
    async def get(self, key: K, default: D) -> V | D: ...
    async def get(self, key: K, default: D | None = None) -> V | D | None:
        """The value of a key, or `default` when the key is absent.

        >>> await cache.get(1), await cache.get(1, "nobody")
        (None, 'nobody')
        """
        value: V | None = await self._call(CacheGet(self._ref, key), self._codecs, self._found, timeout=self._timeout)
        return default if value is None else value

    async def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of several keys. Absent keys are left out. Not one moment's picture of all of them.

        >>> await cache.update({1: "Ann", 2: "Ben"})
        >>> await cache.get_many([2, 3])
        {2: 'Ben'}
        """
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        if len(wanted) <= FIRST_GET:
            return dict(await self._get_chunk(wanted))
        # The first answer tells how large values are, so that the others come nowhere near the limit of a frame.
        request = CacheGetAll(self._ref, wanted[:FIRST_GET])
        first = await self._call(request, self._codecs, _sized(self._types), timeout=self._timeout)
        found: dict[K, V] = {key: value for key, (value, _) in first}
        size = sum(size for _, (_, size) in first) // max(1, len(first))
        in_chunk = max(1, min(mapping.bulk.CHUNK_ENTRIES, mapping.bulk.CHUNK_BYTES // max(1, size)))
        rest = mapping.bulk.chunks(wanted[FIRST_GET:], in_chunk)
        if in_transaction(self._typed.session):  # of this task: no other could take part
            for chunk in rest:
                found.update(await self._get_chunk(chunk))
            return found
        for part in await mapping.bulk.run_all(rest, self._get_chunk):
            found.update(part)
        return found

    async def contains(self, key: K) -> bool:
        """Whether a key is present.

        >>> await cache.contains(1)
        False
        """
        return await self._call(CacheContainsKey(self._ref, key), self._codecs, self._types, timeout=self._timeout)

    async def contains_all(self, keys: Iterable[K]) -> bool:
        """Whether all of the keys are present; True when there are none to look for.

        >>> await cache.update({1: "Ann", 2: "Ben"})
        >>> await cache.contains_all([1, 2]), await cache.contains_all([1, 3])
        (True, False)
        """
        for chunk in mapping.bulk.chunks(keys):
            request = CacheContainsKeys(self._ref, chunk)
            if not await self._call(request, self._codecs, self._types, timeout=self._timeout):
                return False
        return True

    async def size(self, peek: Peek | Iterable[Peek] = "primary") -> int:
        """How many entries there are, in the whole cluster.

        Args:
            peek: Which copies are counted, one kind or several; each entry has one primary copy.

        >>> await cache.update({1: "Ann", 2: "Ben"})
        >>> await cache.size()
        2
        """
        kinds = (peek,) if isinstance(peek, str) else tuple(peek)
        modes: list[int] = []
        for kind in kinds:
            mode = _PEEK_MODES.get(kind)
            if mode is None:
                raise ValueError(f"peek is one of {', '.join(_PEEK_MODES)}, not {kind!r}")
            modes.append(mode)
        return await self._call(CacheGetSize(self._ref, modes), timeout=self._timeout)

    # --- writing ----------------------------------------------------------------------------------------------------

    async def set(self, key: K, value: V, *, ttl: "mapping.expiry.Ttl | None" = None) -> None:
        """Store a value under a key, whether the key is present or not.

        Args:
            key: The key.
            value: Anything but None.
            ttl: How long the entry lives: seconds or a timedelta, rounded up to 1 ms; `math.inf` is for ever.

        Raises:
            ValueError: The value is None, or the ttl is not above 0.

        >>> await cache.set(1, "Ann")
        >>> await cache.set(2, "Ben", ttl=datetime.timedelta(minutes=5))
        """
        if value is None:
            raise _no_value()
        ref = self._ref if ttl is None else attrs.evolve(self._ref, expiry=mapping.expiry.policy_of(ttl, self._ttl_on))
        await self._call(CachePut(ref, key, value), self._codecs, self._types, timeout=self._timeout)

    @overload
    async def update(self, other: Entries[K, V], /) -> None: ...
    @overload
    async def update(self: "Cache[str, V]", other: Entries[str, V] = (), /, **named: V) -> None: ...
    async def update(self, other: Entries[Any, V] = (), /, **named: V) -> None:
        """Store many entries, in chunks of which several are under way; of a key that comes twice, the later value stays.

        Each chunk is one operation; the whole is not atomic. An async iterable of any length takes bounded memory.

        Args:
            other: A mapping, an `AsyncMapping`, or pairs from an iterable or an async iterable.
            named: More entries, stored last, for a mapping whose keys are strings.

        Raises:
            ValueError: A value is None. Nothing has been stored.
            PartialWriteError: It failed, by that or anything else, after entries had been stored or sent; has their
                counts, and the failure as its cause. What `other` was not asked for yet counts as not sent only where
                `other` has a length.

        >>> await cache.update({1: "Ann", 2: "Ben"})
        >>> await cache.update((number, "Cleo") for number in range(3, 5))
        >>> await cache.size()
        4
        """
        async with self._writer(CachePutAll) as writer:
            for source in (other, named) if named else (other,):
                await _feed(writer, source)
            await writer.finish()

    async def add(self, key: K, value: V) -> bool:
        """Store a value if the key is absent, and tell whether it was stored.

        Raises:
            ValueError: The value is None.

        >>> await cache.add(1, "Ann"), await cache.add(1, "Ben")
        (True, False)
        """
        if value is None:
            raise _no_value()
        return await self._call(
            CachePutIfAbsent(self._ref, key, value), self._codecs, self._types, timeout=self._timeout
        )

    async def setdefault(self, key: K, value: V) -> V:
        """The value of a key, after storing `value` if the key was absent.

        Raises:
            ValueError: The value is None.

        >>> await cache.setdefault(1, "Ann"), await cache.setdefault(1, "Ben")
        ('Ann', 'Ann')
        """
        if value is None:
            raise _no_value()
        present: V | None = await self._call(
            CacheGetAndPutIfAbsent(self._ref, key, value), self._codecs, self._found, timeout=self._timeout
        )
        return value if present is None else present

    async def replace(self, key: K, value: V, *, expected: V | Missing = MISSING) -> bool:
        """Store a value if the key is present, and tell whether it was stored. With `expected`, only if that is its value.

        Raises:
            ValueError: The value, or the expected one, is None.

        >>> await cache.set(1, "Ann")
        >>> await cache.replace(1, "Anna", expected="Ben"), await cache.replace(1, "Anna", expected="Ann")
        (False, True)
        """
        if value is None or expected is None:
            raise _no_value()
        if expected is MISSING:
            return await self._call(
                CacheReplace(self._ref, key, value), self._codecs, self._types, timeout=self._timeout
            )
        return await self._call(
            CacheReplaceIfEquals(self._ref, key, expected, value), self._codecs, self._types, timeout=self._timeout
        )

    async def swap(self, key: K, value: V) -> V | None:
        """Store a value and return the one before it; None when the key was absent.

        Raises:
            ValueError: The value is None.

        >>> await cache.set(1, "Ann")
        >>> await cache.swap(1, "Ben")
        'Ann'
        """
        if value is None:
            raise _no_value()
        before: V | None = await self._call(
            CacheGetAndPut(self._ref, key, value), self._codecs, self._found, timeout=self._timeout
        )
        return before

    async def modify(self, key: K, change: Callable[[V], V], *, attempts: int = MODIFY_ATTEMPTS) -> V:
        """Read a value, change it, and store the result if nobody else has written meanwhile; else try again.

        Args:
            key: A key that is present.
            change: Makes the new value of the present one; called once an attempt, so it should have no other effect.
            attempts: How often to try.

        Returns:
            The new value.

        Raises:
            KeyError: The key is absent.
            ValueError: The new value is None, or `attempts` is below 1.
            ModifyConflict: Somebody else was faster, every time, or the server can't compare the value (see `Cache`).

        >>> await accounts.modify("ann", lambda balance: balance - 10)
        90
        """
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {attempts}")
        exact = _exact(self._types)
        seen: builtins.set[bytes] = builtins.set()
        for _ in range(attempts):
            present = await self._call(CacheGet(self._ref, key), self._codecs, exact, timeout=self._timeout)
            if present is None:
                raise KeyError(key)
            value = change(present.value)
            if value is None:
                raise _no_value()
            request = CacheReplaceIfEquals(self._ref, key, present, value)
            if await self._call(request, self._codecs, exact, timeout=self._timeout):
                return value
            seen.add(present.data)
        reason = (
            "the server finds the value unequal to itself: a collection with arrays in it?"
            if len(seen) == 1 and attempts > 1
            else "another writer was faster each time"
        )
        raise ModifyConflict(
            f"a value of the cache {self.name!r} was not modified in {attempts} attempts: {reason}", attempts=attempts
        )

    # --- removing ---------------------------------------------------------------------------------------------------

    @overload
    async def pop(self, key: K) -> V: ...
    @overload
    async def pop(self, key: K, default: V) -> V: ...
    @overload
    async def pop(self, key: K, default: D) -> V | D: ...
    async def pop(self, key: K, default: V | D | Missing = MISSING) -> V | D:
        """Remove a key and return its value, or `default` when the key is absent.

        Raises:
            KeyError: The key is absent, and there is no default.

        >>> await cache.set(1, "Ann")
        >>> await cache.pop(1), await cache.pop(1, "nobody")
        ('Ann', 'nobody')
        """
        value: V | None = await self._call(
            CacheGetAndRemove(self._ref, key), self._codecs, self._found, timeout=self._timeout
        )
        if value is not None:
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    async def delete(self, key: K, *, expected: V | Missing = MISSING) -> bool:
        """Remove a key, and tell whether it was present. With `expected`, only if that is its value.

        Raises:
            ValueError: The expected value is None.

        >>> await cache.set(1, "Ann")
        >>> await cache.delete(1, expected="Ben"), await cache.delete(1)
        (False, True)
        """
        if expected is MISSING:
            return await self._call(CacheRemoveKey(self._ref, key), self._codecs, self._types, timeout=self._timeout)
        if expected is None:
            raise _no_value()
        return await self._call(
            CacheRemoveIfEquals(self._ref, key, expected), self._codecs, self._types, timeout=self._timeout
        )

    async def delete_many(self, keys: Iterable[K]) -> None:
        """Remove several keys, in chunks as `update` stores them. Absent keys are passed over. Not atomic.

        Raises:
            PartialWriteError: As of `update`.

        >>> await cache.update({1: "Ann", 2: "Ben"})
        >>> await cache.delete_many([1, 3])
        >>> await cache.size()
        1
        """
        async with self._writer(CacheRemoveKeys) as writer:
            writer.expected = _length(keys)
            await writer.write((key, None) for key in keys)
            await writer.finish()

    async def clear(self) -> None:
        """Remove all entries, quickly: listeners are not told. `delete_all` tells them.

        >>> await cache.set(1, "Ann")
        >>> await cache.clear()
        >>> await cache.size()
        0
        """
        await self._call(CacheClear(self._ref), timeout=self._timeout)

    async def delete_all(self) -> None:
        """Remove all entries one by one, so that listeners are told of each.

        >>> await cache.set(1, "Ann")
        >>> await cache.delete_all()
        >>> await cache.size()
        0
        """
        await self._call(CacheRemoveAll(self._ref), timeout=self._timeout)

    # --- iterating --------------------------------------------------------------------------------------------------

    @overload
    def keys(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: Literal["raise"] = "raise",
    ) -> AsyncView[K]: ...
    @overload
    def keys(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: "mapping.views.OnError",
    ) -> "AsyncView[K | mapping.views.Undecodable]": ...
    def keys(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: "mapping.views.OnError" = "raise",
    ) -> AsyncView[Any]:
        """The keys. Whole entries are fetched all the same: the protocol has no way to ask for less.

        Args:
            page_size: How many are fetched in one round trip.
            partition: The number of the one partition to read; None reads all.
            local: Read only what the node that is asked has as primary copies.
            on_error: What becomes of one that can't be read: "raise" raises its DecodeError at its place, when all before
                it have arrived; "yield" gives an `Undecodable` for it, and goes on. A key whose value can't be read
                is a key all the same.

        Raises:
            ValueError: `page_size`, `partition` or `on_error` is out of range.

        >>> await cache.update({1: "Ann", 2: "Ben"})
        >>> sorted([key async for key in cache.keys()])
        [1, 2]
        """
        return mapping.views.CacheView(
            self._typed, mapping.views.Scan(page_size, partition, local, self._timeout, on_error), _keys_of
        )

    @overload
    def values(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: Literal["raise"] = "raise",
    ) -> AsyncView[V]: ...
    @overload
    def values(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: "mapping.views.OnError",
    ) -> "AsyncView[V | mapping.views.Undecodable]": ...
    def values(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: "mapping.views.OnError" = "raise",
    ) -> AsyncView[Any]:
        """The values. Arguments and errors as of `keys`.

        >>> await cache.set(1, "Ann")
        >>> await cache.values(page_size=100).to_list()
        ['Ann']
        """
        return mapping.views.CacheView(
            self._typed, mapping.views.Scan(page_size, partition, local, self._timeout, on_error), _values_of
        )

    @overload
    def items(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: Literal["raise"] = "raise",
    ) -> "mapping.views.CacheItems[K, V]": ...
    @overload
    def items(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: "mapping.views.OnError",
    ) -> "AsyncView[tuple[K, V] | mapping.views.Undecodable]": ...
    def items(
        self,
        *,
        page_size: int = PAGE_SIZE,
        partition: int | None = None,
        local: bool = False,
        on_error: "mapping.views.OnError" = "raise",
    ) -> AsyncView[Any]:
        """The (key, value) pairs. Arguments and errors as of `keys`; an entry is bad if either side is.

        With `on_error="yield"` not everything is a pair, and the view has no `to_dict`.

        >>> await cache.set(1, "Ann")
        >>> async with cache.items() as items:  # closes the cursor also when the loop is left early
        ...     async for key, name in items:
        ...         print(key, name)
        1 Ann
        """
        scan = mapping.views.Scan(page_size, partition, local, self._timeout, on_error)
        if on_error == "yield":
            return mapping.views.CacheView[Any](self._typed, scan)
        return mapping.views.CacheItems[K, V](self._typed, scan)

    def __aiter__(self) -> AsyncIterator[K]:
        return aiter(self.keys())

    # --- querying ---------------------------------------------------------------------------------------------------

    def where(
        self, *conditions: Callable[[V], bool], allow_scan: bool = False, page_size: int = PAGE_SIZE
    ) -> "mapping.query.CacheQuery[V, V]":
        """The values that meet all of some conditions: `await people.where(lambda p: p.age > 30).all()`.

        A condition is called once, with a stand-in that records what is done with it. It is written with comparisons,
        `&`, `|`, and `ig.not_`, `ig.is_null`, `ig.is_in`, `ig.between`, `ig.like`, `ig.contains`, `ig.startswith`;
        all values in it are sent as parameters. Without conditions the query is of all values.

        Args:
            conditions: Lambdas of a value, or expressions of `ig.col`.
            allow_scan: Where the cache has no query metadata, fetch all entries and compute the query here.
            page_size: How many rows are fetched in one round trip.

        Raises:
            QueryError: A condition can't be recorded, and the message says what to write; or the cache has no query
                metadata.
            ValueError: `page_size` is out of range.

        >>> adults = people.where(lambda p: (p.age >= 18) & ig.startswith(p.name, "A"))
        >>> [p.name for p in await adults.all()]
        ['Ann']
        """
        if self._table is None and not allow_scan:
            raise QueryError(
                f"the cache {self.name!r} has no query metadata: its values are no model with a table."
                " allow_scan=True fetches all entries and computes the query here"
            )
        _ = mapping.views.Scan(page_size)  # checks it
        source = self.as_source(page_size, may_scan=allow_scan)
        return mapping.query.CacheQuery[V, V](source, mapping.query.Plan()).where(*conditions)

    def join(
        self,
        other: "Cache[Any, W]",
        *,
        on: Callable[[V, W], bool],
        distributed_joins: bool = True,
        page_size: int = PAGE_SIZE,
    ) -> "mapping.joins.JoinQuery[tuple[V, W], V, W]":
        """Entries of this cache and of another that belong together, as tuples of both values.

        >>> found = people.join(cities, on=lambda p, c: p.city_id == c.id).where(lambda p, c: c.name == "Graz")
        >>> sorted(await found.select(lambda p, c: (p.name, c.name)).all())
        [('Ann', 'Graz'), ('Cleo', 'Graz')]

        A cache may be joined to itself; `JoinQuery.join` adds a third.

        Args:
            other: A cache of models, of the same client.
            on: Which entries belong together: a field of one cache equals a field of the other; more conditions may stand
                beside it with `&`.
            distributed_joins: Also find entries that lie on different nodes, for which the node needs an index of the
                field that the later cache is joined by. False is quicker for what lies together, by the same
                affinity key or in a replicated cache, and misses what does not.
            page_size: How many rows are fetched in one round trip.

        Raises:
            QueryError: `on` can't be recorded or is no equality of fields; a cache has no query metadata, or is of
                another client.
            ValueError: `page_size` is out of range.
        """
        _ = mapping.views.Scan(page_size)  # checks it
        mine, its = self.as_source(page_size), other.as_source(page_size)
        return mapping.joins.joined(mine, its, on, optional=False, distributed=distributed_joins)

    def left_join(
        self,
        other: "Cache[Any, W]",
        *,
        on: Callable[[V, W], bool],
        distributed_joins: bool = True,
        page_size: int = PAGE_SIZE,
    ) -> "mapping.joins.JoinQuery[tuple[V, W | None], V, W]":
        """As `join`; an entry of this cache that has none in the other comes with None in its place.

        >>> found = people.left_join(cities, on=lambda p, c: p.city_id == c.id)
        >>> [(person.name, city) for person, city in await found.all() if city is None]
        [('Dan', None)]
        """
        _ = mapping.views.Scan(page_size)  # checks it
        mine, its = self.as_source(page_size), other.as_source(page_size)
        return mapping.joins.joined(mine, its, on, optional=True, distributed=distributed_joins)

    def index_query(
        self,
        index: str | None,
        *criteria: bool | Callable[[V], bool],
        limit: int | None = None,
        partition: int | None = None,
        local: bool = False,
        page_size: int = PAGE_SIZE,
    ) -> "mapping.query.IndexEntries[K, V]":
        """The entries that an SQL index finds, in its order, without SQL being run.

        >>> found = people.index_query(None, ig.between(ig.col("age"), 18, 40))
        >>> sorted([person.name async for key, person in found])
        ['Ben', 'Dan']

        Args:
            index: The index's name; None for any that has the fields.
            criteria: What all have to meet: `ig.eq`, `gt`, `ge`, `lt`, `le`, `between`, `is_in` or `is_null` of
                `ig.col`, or a lambda that gives such a comparison.
            limit: At most so many entries.
            partition: The number of the one partition to read; None reads all.
            local: Read only what the node that is asked has as primary copies.
            page_size: How many entries are fetched in one round trip.

        Raises:
            QueryError: An index can't answer a criterion; the values of the cache have no Ignite type.
            ValueError: `limit`, `partition` or `page_size` is out of range.
        """
        value_type = self._types.value.java if self._schema is None else self._schema.type_name
        if value_type is None:
            raise QueryError(f"the values of the cache {self.name!r} have no type that could be indexed")
        return mapping.query.index_entries(
            self.as_source(page_size), value_type, index, criteria, limit=limit, partition=partition, local=local
        )

    def as_source(self, page_size: int, *, may_scan: bool = False) -> "mapping.query.Source":
        """Not for users: the cache as part of a query."""
        columns = mapping.expressions.value_columns(self._schema, self._types.key, self._types.value)
        return mapping.query.Source(self._typed, columns, self._table, self._timeout, may_scan, page_size)

    # --- models -----------------------------------------------------------------------------------------------------

    async def save(self, model: V) -> None:
        """Store a model under its own key.

        Raises:
            TypeError: The values of this cache are no models, or this is not one of them.

        >>> await people.save(Person(7, "Gil", 52))
        >>> (await people[7]).name
        'Gil'
        """
        request = CachePut(self._ref, self._key_of(model, "set(key, value)"), model)
        await self._call(request, self._codecs, self._types, timeout=self._timeout)

    async def save_many(self, models: Iterable[V] | AsyncIterable[V]) -> None:
        """Store models under their own keys, as `update` stores entries.

        Raises:
            TypeError: As of `save`, where nothing has been stored.
            PartialWriteError: As of `update`.

        >>> await people.save_many([Person(7, "Gil", 52), Person(8, "Hal")])
        >>> await people.contains_all([7, 8])
        True
        """
        keys = self._keys("update(entries)")
        async with self._writer(CachePutAll, keys) as writer:
            if isinstance(models, AsyncIterable):
                async for model in models:
                    await writer.write_one(model)
            else:
                writer.expected = _length(models)
                await writer.write(models)
            await writer.finish()

    async def remove(self, model: V) -> bool:
        """Remove the entry that has a model's key, whatever its other fields are; whether it was there.

        Raises:
            TypeError: As of `save`.

        >>> await people.remove(Person(1, "Ann"))
        True
        """
        return await self.delete(self._key_of(model, "delete(key)"))

    def _keys(self, instead: str) -> "mapping.filling.ModelKeys[K, V]":
        if self._model is None:
            raise TypeError(f"the values of the cache {self.name!r} are no models with a key; write: {instead}")
        return self._model

    def _key_of(self, model: V, instead: str = "") -> K:
        keys = self._keys(instead) if self._model is None else self._model
        if model.__class__ is not keys.cls:
            mapping.filling.check_model(keys.cls, model)
        return keys.key_of(model)

    # --- bulk -------------------------------------------------------------------------------------------------------

    def _writer(
        self,
        operation: type[CachePutAll] | type[CacheRemoveKeys],
        models: "mapping.filling.ModelKeys[K, V] | None" = None,
    ) -> "mapping.bulk.BulkWriter":
        return mapping.bulk.BulkWriter(
            self._typed.session, operation, self._ref, self._codecs, self._types, self._timeout, models
        )

    async def _get_chunk(
        self, keys: list[K], on_answer: Callable[[bytes], None] | None = None
    ) -> Sequence[tuple[K, V]]:
        request = CacheGetAll(self._ref, keys)
        found = await self._call(request, self._codecs, self._types, timeout=self._timeout, on_answer=on_answer)
        check_hashes([key for key, _ in found])  # which the node has chosen
        return found


async def _feed(writer: "mapping.bulk.BulkWriter", source: Entries[Any, Any]) -> None:
    """Add the entries of anything that `update` takes."""
    pairs: Any = source
    if isinstance(source, AsyncMapping | Mapping):
        pairs = cast("Mapping[Any, Any]", source).items()  # or those of an AsyncMapping
    if isinstance(pairs, AsyncView):
        async with aclosing(cast("AsyncView[tuple[Any, Any]]", pairs).pages()) as pages:
            async for page in pages:
                await writer.write(page)
    elif isinstance(pairs, AsyncIterable):
        async for key, value in cast("AsyncIterable[tuple[Any, Any]]", pairs):
            await writer.write_one((key, value))
    else:
        writer.expected += _length(pairs)
        await writer.write(pairs)


def _length(items: object) -> int:
    try:
        return len(items)  # type: ignore[arg-type]
    except TypeError:
        return 0


def _no_value() -> ValueError:
    return ValueError("None cannot be stored, it stands for a missing key; delete() removes a key")


def _keys_of(page: Iterable[tuple[Any, Any]]) -> list[Any]:
    return [key for key, _ in page]


def _values_of(page: Iterable[tuple[Any, Any]]) -> list[Any]:
    return [value for _, value in page]


# --- entry types of some operations -----------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _maybe_absent(types: EntryTypes) -> EntryTypes:
    """The types of an operation that answers null where the key is absent, whatever the declared type says of null."""
    if types.value.nullable:
        return types
    decode_value = types.value.decode

    @wraps(decode_value)  # codegen reads in line what is wrapped
    def decode(codecs: Codecs, buf: bytes, pos: int, *key: Any) -> tuple[Any, int]:
        if buf[pos] == NULL:
            return None, pos + 1
        return decode_value(codecs, buf, pos, *key)

    return EntryTypes(types.key, attrs.evolve(types.value, decode=decode, fixed=None))


class ReadValue:
    """A value with the bytes that it was read from."""

    __slots__ = ("data", "value")

    def __init__(self, value: Any, data: bytes) -> None:
        self.value = value
        self.data = data


@lru_cache(maxsize=1024)
def _exact(types: EntryTypes) -> EntryTypes:
    """The types of a compare-and-set on bytes: reads a `ReadValue` or None, writes the one back as it was read."""
    encode_value, decode_value = types.value.encode, types.value.decode

    def encode(codecs: Codecs, out: bytearray, value: Any, *key: Any) -> None:
        if value.__class__ is ReadValue:
            out += value.data
        else:
            encode_value(codecs, out, value, *key)

    def decode(codecs: Codecs, buf: bytes, pos: int, *key: Any) -> tuple[ReadValue | None, int]:
        if buf[pos] == NULL:
            return None, pos + 1
        value, end = decode_value(codecs, buf, pos, *key)
        return ReadValue(value, buf[pos:end]), end

    return EntryTypes(
        types.key, attrs.evolve(types.value, encode=encode, decode=decode, fixed=None, emit_item=None, emit_read=None)
    )


@lru_cache(maxsize=1024)
def _sized(types: EntryTypes) -> EntryTypes:
    """The types of a read that wants each value's size, too: values are (value, encoded bytes)."""
    decode_value = types.value.decode

    def decode(codecs: Codecs, buf: bytes, pos: int, *key: Any) -> tuple[tuple[Any, int], int]:
        value, end = decode_value(codecs, buf, pos, *key)
        return (value, end - pos), end

    return EntryTypes(types.key, attrs.evolve(types.value, decode=decode, fixed=None, emit_read=None))
