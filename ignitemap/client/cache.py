"""The raw cache: one method an operation, with the names and signatures of pyignite's AioCache.

``key_hint``, ``value_hint`` and ``sample_hint`` are specs (``ignitemap.raw``'s hints) that say how a value is
written; a tuple ``(value, hint)`` says the same inside lists and dicts. ``timeout`` is in seconds, 0 keeps the
client's. What values become in Python is the result profile of the Codecs that the cache was given.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import attrs

from ignitemap import client as parts
from ignitemap.client.settings import settings_of
from ignitemap.exceptions import EncodeValueError
from ignitemap.protocol.codecs import UNTYPED, Codecs, EntryTypes, Hinted, Spec
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef, ExpiryPolicy
from ignitemap.protocol.operations.caches import CacheDestroy, CacheGetConfiguration
from ignitemap.protocol.operations.entries import (
    CacheClear,
    CacheClearKey,
    CacheClearKeys,
    CacheContainsKey,
    CacheContainsKeys,
    CacheGet,
    CacheGetAll,
    CacheGetAndPut,
    CacheGetAndPutIfAbsent,
    CacheGetAndRemove,
    CacheGetAndReplace,
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

if TYPE_CHECKING:
    from ignitemap.client.client import AioClient
    from ignitemap.client.session import Session

__all__ = ["AioCache", "with_hints"]

Hint = Spec[Any] | None
Seconds = int | float

SCAN_PAGE: Final = 1024


class AioCache:
    """One cache of a cluster, operation by operation.

    Every method raises EncodeError for a value that can't be written (before anything is sent), CacheNotFound when
    the cache is absent, and as any operation NotSentError, OutcomeUnknownError (a write may have happened), ServerError,
    DecodeError. ``timeout`` is in seconds, 0 is the client's; a hint says how a key or value is written.

    >>> cache = await client.get_or_create_cache("numbers")
    >>> await cache.put("answer", 42)
    >>> await cache.get("answer")
    42
    """

    def __init__(
        self,
        client: "AioClient",
        name: str,
        expiry_policy: ExpiryPolicy | None = None,
        *,
        codecs: Codecs | None = None,
        types: EntryTypes = UNTYPED,
        session: "Session | None" = None,
    ) -> None:
        self._client = client
        self._name = name
        self._ref = CacheRef(string_hash(name), expiry=expiry_policy)
        if codecs is not None:
            self._codecs = codecs
        self._types = types
        self._session = client.session if session is None else session
        self._call = self._session.call
        self._settings: dict[int, Any] | None = None

    @cached_property
    def _codecs(self) -> Codecs:  # made when they are used: a cache of the mapping face has a raw twin that seldom is
        return self._client.codecs

    def __repr__(self) -> str:
        return f"<AioCache {self._name!r}>"

    @property
    def name(self) -> str:
        """The cache's name.

        >>> cache.name
        'cache'
        """
        return self._name

    @property
    def client(self) -> "AioClient":
        """The client that the cache belongs to.

        >>> cache.client is client
        True
        """
        return self._client

    @property
    def session(self) -> "Session":
        """Not for users: what carries out the cache's operations."""
        return self._session

    @property
    def codecs(self) -> Codecs:
        """Not for users: what reads and writes the cache's values: the result profile."""
        return self._codecs

    @property
    def types(self) -> EntryTypes:
        """Not for users: the declared types of keys and values."""
        return self._types

    @property
    def cache_id(self) -> int:
        """The cache's id: Java's hash of its name.

        >>> cache.cache_id
        94416770
        """
        return self._ref.cache_id

    @property
    def cache_info(self) -> CacheRef:
        """Not for users: the prefix of the cache's operations: id, flags, expiry policy."""
        return self._ref

    def with_expire_policy(
        self,
        expiry_policy: ExpiryPolicy | None = None,
        create: "parts.durations.Duration" = ExpiryPolicy.UNCHANGED,
        update: "parts.durations.Duration" = ExpiryPolicy.UNCHANGED,
        access: "parts.durations.Duration" = ExpiryPolicy.UNCHANGED,
    ) -> "AioCache":
        """The same cache, whose entries expire: by an ExpiryPolicy, or times as it takes them.

        Raises EncodeValueError for times below ExpiryPolicy.UNCHANGED, EncodeTypeError for other types.

        >>> brief = cache.with_expire_policy(create=60_000, access=datetime.timedelta(minutes=5))
        >>> await brief.put(1, "Ann")
        """
        if expiry_policy is None:
            expiry_policy = ExpiryPolicy(create, update, access)
        return self._with(attrs.evolve(self._ref, expiry=expiry_policy))

    def over(self, session: "Session") -> "AioCache":
        """Not for users: the same cache, whose operations another session carries out, one bound to a transaction."""
        return AioCache(
            self._client, self._name, self._ref.expiry, codecs=self._codecs, types=self._types, session=session
        )

    def _with(self, ref: CacheRef) -> "AioCache":
        view = AioCache(self._client, self._name, codecs=self._codecs, types=self._types, session=self._session)
        view._ref = ref
        return view

    def _hinted(self, key_hint: Hint, value_hint: Hint) -> EntryTypes:
        """The entry types of one call with hints."""
        if key_hint is None and value_hint is None:
            return self._types
        return self._client.entry_types(
            self._types.key if key_hint is None else key_hint, self._types.value if value_hint is None else value_hint
        )

    # --- reads ------------------------------------------------------------------------------------------------------

    async def get(self, key: Any, key_hint: Hint = None, timeout: Seconds = 0) -> Any:
        """The value of a key, None when it is absent.

        >>> print(await cache.get(1))
        None
        """
        types = self._types if key_hint is None else self._hinted(key_hint, None)
        return await self._call(CacheGet(self._ref, key), self._codecs, types, timeout=timeout)

    async def get_all(self, keys: Iterable[Any], timeout: Seconds = 0) -> dict[Any, Any]:
        """The entries of those keys that are present; a key may be ``(key, hint)``.

        >>> await cache.put_all({1: "Ann", 2: "Ben"})
        >>> await cache.get_all([1, 3])
        {1: 'Ann'}
        """
        answer = await self._call(CacheGetAll(self._ref, with_hints(keys)), self._codecs, self._types, timeout=timeout)
        check_hashes([key for key, _ in answer])  # which the node has chosen
        return dict(answer)

    async def contains_key(self, key: Any, key_hint: Hint = None, timeout: Seconds = 0) -> bool:
        """Whether a key is present.

        >>> await cache.contains_key(1)
        False
        """
        return await self._call(
            CacheContainsKey(self._ref, key), self._codecs, self._hinted(key_hint, None), timeout=timeout
        )

    async def contains_keys(self, keys: Iterable[Any], timeout: Seconds = 0) -> bool:
        """Whether all keys are present; true for none.

        >>> await cache.put(1, "Ann")
        >>> await cache.contains_keys([1, 2])
        False
        """
        return await self._call(
            CacheContainsKeys(self._ref, with_hints(keys)), self._codecs, self._types, timeout=timeout
        )

    async def get_size(self, peek_modes: int | Sequence[int] | None = None, timeout: Seconds = 0) -> int:
        """The number of entries: the copies that ``peek_modes`` name (PeekModes), primary copies by default.

        >>> await cache.put(1, "Ann")
        >>> await cache.get_size()
        1
        """
        modes = () if peek_modes is None else (peek_modes,) if isinstance(peek_modes, int) else tuple(peek_modes)
        return await self._call(CacheGetSize(self._ref, modes), timeout=timeout)

    def scan(
        self, page_size: int = SCAN_PAGE, partitions: int = -1, local: bool = False, timeout: Seconds = 0
    ) -> "parts.cursors.AioScanCursor":
        """All entries as (key, value): an async iterator and context manager.

        ``page_size`` entries a round trip, ``partitions`` the number of one partition or -1 for all, ``local`` only
        those whose primary is the node that is asked. Raises EncodeValueError for a page size below 1.

        >>> await cache.put_all({1: "Ann", 2: "Ben"})
        >>> async with cache.scan(page_size=100) as cursor:
        ...     print(sorted([entry async for entry in cursor]))
        [(1, 'Ann'), (2, 'Ben')]
        """
        if page_size < 1:
            raise EncodeValueError(f"page_size must be at least 1, not {page_size}")
        return parts.cursors.AioScanCursor(
            self._session, self._codecs, self._types, self._ref, page_size, partitions, local, timeout or None
        )

    async def settings(self, timeout: Seconds = 0) -> dict[int, Any] | None:
        """The cache's configuration as a dict by property code (``PROP_*``); read once.

        Query entities and key configurations are lists of dicts, as they are given; `create_cache` takes the dict back.

        >>> (await cache.settings())[PROP_NAME]
        'cache'
        """
        if self._settings is None:
            config = await self._call(CacheGetConfiguration(self._ref), self._client.codecs, timeout=timeout)
            self._settings = settings_of(config)
        return self._settings

    # --- writes -----------------------------------------------------------------------------------------------------

    async def put(
        self, key: Any, value: Any, key_hint: Hint = None, value_hint: Hint = None, timeout: Seconds = 0
    ) -> None:
        """Set the value of a key.

        >>> await cache.put(1, 7, key_hint=IntObject, value_hint=ShortObject)
        >>> await cache.get(1, key_hint=IntObject)
        7
        """
        types = self._types if key_hint is None and value_hint is None else self._hinted(key_hint, value_hint)
        await self._call(CachePut(self._ref, key, value), self._codecs, types, timeout=timeout)

    async def put_all(self, pairs: Mapping[Any, Any], timeout: Seconds = 0) -> None:
        """Set many entries in one operation; keys and values may be ``(value, hint)``.

        >>> await cache.put_all({1: "Ann", 2: (7, ShortObject)})
        """
        entries = [(_with_hint(key), _with_hint(value)) for key, value in pairs.items()]
        await self._call(CachePutAll(self._ref, entries), self._codecs, self._types, timeout=timeout)

    async def put_if_absent(
        self, key: Any, value: Any, key_hint: Hint = None, value_hint: Hint = None, timeout: Seconds = 0
    ) -> bool:
        """Set the value of an absent key; whether it was absent.

        >>> await cache.put_if_absent(1, "Ann"), await cache.put_if_absent(1, "Ben")
        (True, False)
        """
        return await self._call(
            CachePutIfAbsent(self._ref, key, value), self._codecs, self._hinted(key_hint, value_hint), timeout=timeout
        )

    async def get_and_put(
        self, key: Any, value: Any, key_hint: Hint = None, value_hint: Hint = None, timeout: Seconds = 0
    ) -> Any:
        """Set the value of a key; the old value or None.

        >>> await cache.put(1, "Ann")
        >>> await cache.get_and_put(1, "Ben")
        'Ann'
        """
        return await self._call(
            CacheGetAndPut(self._ref, key, value), self._codecs, self._hinted(key_hint, value_hint), timeout=timeout
        )

    async def get_and_put_if_absent(
        self, key: Any, value: Any, key_hint: Hint = None, value_hint: Hint = None, timeout: Seconds = 0
    ) -> Any:
        """Set the value of an absent key; the value that is there already, or None.

        >>> await cache.get_and_put_if_absent(1, "Ann"), await cache.get_and_put_if_absent(1, "Ben")
        (None, 'Ann')
        """
        return await self._call(
            CacheGetAndPutIfAbsent(self._ref, key, value),
            self._codecs,
            self._hinted(key_hint, value_hint),
            timeout=timeout,
        )

    async def get_and_replace(
        self, key: Any, value: Any, key_hint: Hint = None, value_hint: Hint = None, timeout: Seconds = 0
    ) -> Any:
        """Set the value of a present key; the old value, or None and nothing written when it is absent.

        >>> await cache.put(1, "Ann")
        >>> await cache.get_and_replace(1, "Ben"), await cache.get_and_replace(2, "Cleo")
        ('Ann', None)
        """
        return await self._call(
            CacheGetAndReplace(self._ref, key, value), self._codecs, self._hinted(key_hint, value_hint), timeout=timeout
        )

    async def get_and_remove(self, key: Any, key_hint: Hint = None, timeout: Seconds = 0) -> Any:
        """Remove a key; its value or None.

        >>> await cache.put(1, "Ann")
        >>> await cache.get_and_remove(1)
        'Ann'
        """
        return await self._call(
            CacheGetAndRemove(self._ref, key), self._codecs, self._hinted(key_hint, None), timeout=timeout
        )

    async def replace(
        self, key: Any, value: Any, key_hint: Hint = None, value_hint: Hint = None, timeout: Seconds = 0
    ) -> bool:
        """Set the value of a present key; whether it was present.

        >>> await cache.replace(1, "Ann")
        False
        """
        return await self._call(
            CacheReplace(self._ref, key, value), self._codecs, self._hinted(key_hint, value_hint), timeout=timeout
        )

    async def replace_if_equals(
        self,
        key: Any,
        sample: Any,
        value: Any,
        key_hint: Hint = None,
        sample_hint: Hint = None,
        value_hint: Hint = None,
        timeout: Seconds = 0,
    ) -> bool:
        """Set the value of a key whose value has the bytes of ``sample``; whether it had.

        >>> await cache.put(1, "Ann")
        >>> await cache.replace_if_equals(1, "Ann", "Ben")
        True
        """
        types = self._hinted(key_hint, None)
        expected = sample
        if sample_hint is not None or value_hint is not None:  # each is written by its own hint
            declared: Spec[Any] = self._types.value
            expected = Hinted(sample, declared if sample_hint is None else sample_hint)
            value = Hinted(value, declared if value_hint is None else value_hint)
            types = self._hinted(key_hint, UNTYPED.value)
        return await self._call(
            CacheReplaceIfEquals(self._ref, key, expected, value), self._codecs, types, timeout=timeout
        )

    async def remove_key(self, key: Any, key_hint: Hint = None, timeout: Seconds = 0) -> bool:
        """Remove a key; whether it was present.

        >>> await cache.put(1, "Ann")
        >>> await cache.remove_key(1), await cache.remove_key(1)
        (True, False)
        """
        return await self._call(
            CacheRemoveKey(self._ref, key), self._codecs, self._hinted(key_hint, None), timeout=timeout
        )

    async def remove_keys(self, keys: Iterable[Any], timeout: Seconds = 0) -> None:
        """Remove keys; a key may be ``(key, hint)``.

        >>> await cache.put_all({1: "Ann", 2: "Ben"})
        >>> await cache.remove_keys([1, 3])
        >>> await cache.get_size()
        1
        """
        await self._call(CacheRemoveKeys(self._ref, with_hints(keys)), self._codecs, self._types, timeout=timeout)

    async def remove_if_equals(
        self, key: Any, sample: Any, key_hint: Hint = None, sample_hint: Hint = None, timeout: Seconds = 0
    ) -> bool:
        """Remove a key whose value has the bytes of ``sample``; whether it had.

        >>> await cache.put(1, "Ann")
        >>> await cache.remove_if_equals(1, "Ben")
        False
        """
        return await self._call(
            CacheRemoveIfEquals(self._ref, key, sample),
            self._codecs,
            self._hinted(key_hint, sample_hint),
            timeout=timeout,
        )

    async def remove_all(self, timeout: Seconds = 0) -> None:
        """Remove all entries, telling listeners.

        >>> await cache.put(1, "Ann")
        >>> await cache.remove_all()
        >>> await cache.get_size()
        0
        """
        await self._call(CacheRemoveAll(self._ref), timeout=timeout)

    async def clear(self, keys: Iterable[Any] | None = None, timeout: Seconds = 0) -> None:
        """Drop entries without telling listeners: those of ``keys``, all for None, none for no keys.

        >>> await cache.put_all({1: "Ann", 2: "Ben"})
        >>> await cache.clear([1])
        >>> await cache.get_all([1, 2])
        {2: 'Ben'}
        """
        if keys is None:
            await self._call(CacheClear(self._ref), timeout=timeout)
        else:
            await self.clear_keys(keys, timeout)

    async def clear_key(self, key: Any, key_hint: Hint = None, timeout: Seconds = 0) -> None:
        """Drop one entry without telling listeners.

        >>> await cache.put(1, "Ann")
        >>> await cache.clear_key(1)
        >>> await cache.contains_key(1)
        False
        """
        await self._call(CacheClearKey(self._ref, key), self._codecs, self._hinted(key_hint, None), timeout=timeout)

    async def clear_keys(self, keys: Iterable[Any], timeout: Seconds = 0) -> None:
        """Drop entries without telling listeners; none for no keys.

        >>> await cache.put_all({1: "Ann", 2: "Ben"})
        >>> await cache.clear_keys([1, 2])
        >>> await cache.get_size()
        0
        """
        wanted = with_hints(keys)
        if wanted:  # the server takes an empty list for the whole cache
            await self._call(CacheClearKeys(self._ref, wanted), self._codecs, self._types, timeout=timeout)

    async def destroy(self, timeout: Seconds = 0) -> None:
        """Destroy the cache with its data.

        >>> await cache.destroy()
        >>> await client.get_cache_names()
        []
        """
        await self._call(CacheDestroy(self._ref.cache_id), timeout=timeout)


def _with_hint(value: Any) -> Any:
    """``(value, hint)`` as the value to be written by that hint."""
    if value.__class__ is tuple and len(value) == 2 and isinstance(value[1], Spec):
        return Hinted(*value)
    return value


def with_hints(values: Iterable[Any]) -> list[Any]:
    """The values, each ``(value, hint)`` among them as the value to be written by that hint."""
    return [_with_hint(value) for value in values]
