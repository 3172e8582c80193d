"""Mappings and sets whose every operation is awaited: what `collections.abc` would have for asyncio.

Nothing here knows Ignite. A class implements a few primitives and inherits the rest:

    ============================  =========================================================
    class                         primitives
    ============================  =========================================================
    `AsyncMapping[K, V]`          `get`, `items`, `size`
    `AsyncMutableMapping[K, V]`   those, `set` and `delete`
    `AsyncSet[T]`                 `add`, `discard`, `contains`, `size` and `__aiter__`
    `AsyncView[T]`                `pages` and `aclose`; `items()` returns its `ItemsView`
    ============================  =========================================================

The inherited methods are made of several primitives, so another task may act in between: `add` looks, then sets. A class
that can do one of them in a single step should override it.

None is no value: it stands for a missing key, and storing it is a ValueError. Operators that cannot wait for an answer
(`k in m`, `len(m)`, `iter(m)`, `m[k] = v`, `del m[k]`) raise a TypeError that names what to write instead, and type
checkers reject them. A mapping is always true, and equal only to itself.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from enum import Enum
from operator import itemgetter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeAlias, TypeVar, cast, overload

__all__ = [
    "MISSING",
    "AsyncMapping",
    "AsyncMutableMapping",
    "AsyncSet",
    "AsyncView",
    "Entries",
    "ItemsView",
    "Missing",
]

D = TypeVar("D")
K = TypeVar("K")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands for an argument that was not given, where None would mean something."""


def _refuse(operator: str, instead: str) -> Callable[..., Any]:
    def refuse(self: object, *_: object) -> Any:
        raise TypeError(f"{operator} on {type(self).__name__!r} cannot wait for an answer; write: {instead}")

    return refuse


def _refuse_none(value: object) -> None:
    if value is None:
        raise ValueError("None cannot be stored, it stands for a missing key; delete() removes a key")


# --- views ------------------------------------------------------------------------------------------------------------


class AsyncView(AsyncIterable[T_co], ABC, Generic[T_co]):
    """Many items that are fetched page by page, and not before they are asked for.

    Iterate over it with `async for`, over its `pages()`, or call a terminal such as `to_list()`; each begins anew.
    In `async with` whatever an iteration holds is let go at the end, also when the loop was left early:

    >>> await mapping.update({1: "Ann", 2: "Ben"})
    >>> async with mapping.items() as items:
    ...     async for key, value in items:
    ...         if value > "A":
    ...             break
    """

    __slots__ = ()

    @abstractmethod
    def pages(self) -> AsyncGenerator[list[T_co], None]:
        """The items as they arrive, a list at a time. A list may be empty.

        Written as an async generator, which lets go of what it holds when it is closed.

        >>> await mapping.update({1: "Ann", 2: "Ben"})
        >>> [len(page) async for page in mapping.values().pages()]
        [2]
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of whatever the iterations still hold. May be called again.

        >>> await mapping.set(1, "Ann")
        >>> values = mapping.values()
        >>> await values.first()
        'Ann'
        >>> await values.aclose()
        """

    async def __aiter__(self) -> AsyncIterator[T_co]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for item in page:
                    yield item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def to_list(self) -> list[T_co]:
        """All items, in memory.

        >>> await mapping.update({1: "Ann", 2: "Ben"})
        >>> sorted(await mapping.values().to_list())
        ['Ann', 'Ben']
        """
        items: list[T_co] = []
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                items += page
        return items

    @overload
    async def first(self, default: None = None) -> T_co | None: ...
    @overload
    async def first(self, default: D) -> T_co | D: ...
    async def first(self, default: D | None = None) -> T_co | D | None:
        """Any one item, the one that comes first; `default` when there is none.

        >>> await mapping.values().first("nobody")
        'nobody'
        """
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                if page:
                    return page[0]
        return default

    async def count(self) -> int:
        """How many items there are, by fetching them.

        >>> await mapping.update({1: "Ann", 2: "Ben"})
        >>> await mapping.keys().count()
        2
        """
        total = 0
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                total += len(page)
        return total

    def __bool__(self) -> Literal[True]:
        return True

    __reversed__ = None

    if TYPE_CHECKING:
        __contains__: None
        __iter__: None
        __len__: None
    else:
        __contains__ = _refuse("in", "item in await view.to_list()")
        __iter__ = _refuse("iter()", "async for item in view")
        __len__ = _refuse("len()", "await view.count()")


class ItemsView(AsyncView[tuple[K, V_co]], ABC, Generic[K, V_co]):
    """The (key, value) pairs of a mapping.

    >>> await mapping.set(1, "Ann")
    >>> await mapping.items().to_list()
    [(1, 'Ann')]
    """

    __slots__ = ()

    async def to_dict(self) -> dict[K, V_co]:
        """All pairs as a dict, in memory.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.items().to_dict()
        {1: 'Ann'}
        """
        items: dict[K, V_co] = {}
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                items.update(page)
        return items


class _PartView(AsyncView[T_co], Generic[T_co]):
    """The keys or the values, out of the pairs."""

    __slots__ = ("_items", "_part")

    def __init__(self, items: AsyncView[tuple[Any, Any]], part: Callable[[tuple[Any, Any]], T_co]) -> None:
        self._items = items
        self._part = part

    async def pages(self) -> AsyncGenerator[list[T_co], None]:
        async with aclosing(self._items.pages()) as pages:
            async for page in pages:
                yield list(map(self._part, page))

    async def aclose(self) -> None:
        await self._items.aclose()


# --- mappings ---------------------------------------------------------------------------------------------------------


class AsyncMapping(AsyncIterable[K], ABC, Generic[K, V_co]):
    """A mapping that is read asynchronously. Primitives: `get`, `items` and `size`.

    >>> async def shout(names: ig.AsyncMapping[int, str]) -> list[str]:
    ...     return [name.upper() async for name in names.values()]
    >>> await mapping.set(1, "Ann")
    >>> await shout(mapping)
    ['ANN']
    """

    __slots__ = ()

    @overload
    @abstractmethod
    async def get(self, key: K, default: None = None) -> V_co | None: ...
    @overload
    @abstractmethod
    async def get(self, key: K, default: D) -> V_co | D: ...
    @abstractmethod
    async def get(self, key: K, default: D | None = None) -> V_co | D | None:
        """The value of a key, or `default` when the key is absent.

        >>> await mapping.get(1, "nobody")
        'nobody'
        """

    @abstractmethod
    def items(self) -> ItemsView[K, V_co]:
        """The (key, value) pairs. Nothing is fetched before the view is used.

        >>> await mapping.set(1, "Ann")
        >>> async for key, name in mapping.items():
        ...     print(key, name)
        1 Ann
        """

    @abstractmethod
    async def size(self) -> int:
        """How many keys there are.

        >>> await mapping.size()
        0
        """

    async def __getitem__(self, key: K) -> V_co:
        """The value of a key: `await mapping[key]`.

        Raises:
            KeyError: The key is absent.

        >>> await mapping.set(1, "Ann")
        >>> await mapping[1]
        'Ann'
        """
        value = await self.get(key, MISSING)
        if value is MISSING:
            raise KeyError(key)
        return value

    async def get_many(self, keys: Iterable[K]) -> dict[K, V_co]:
        """The values of several keys. Absent keys are left out.

        >>> await mapping.update({1: "Ann", 2: "Ben"})
        >>> await mapping.get_many([1, 3])
        {1: 'Ann'}
        """
        found: dict[K, V_co] = {}
        for key in keys:
            value = await self.get(key, MISSING)
            if value is not MISSING:
                found[key] = value
        return found

    async def contains(self, key: K) -> bool:
        """Whether a key is present.

        >>> await mapping.contains(1)
        False
        """
        return await self.get(key, MISSING) is not MISSING

    async def contains_all(self, keys: Iterable[K]) -> bool:
        """Whether all of the keys are present; True when there are none to look for.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.contains_all([1, 2])
        False
        """
        for key in keys:
            if not await self.contains(key):
                return False
        return True

    def keys(self) -> AsyncView[K]:
        """The keys. Nothing is fetched before the view is used.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.keys().to_list()
        [1]
        """
        return _PartView(self.items(), itemgetter(0))

    def values(self) -> AsyncView[V_co]:
        """The values. Nothing is fetched before the view is used.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.values().to_list()
        ['Ann']
        """
        return _PartView(self.items(), itemgetter(1))

    def __aiter__(self) -> AsyncIterator[K]:
        return aiter(self.keys())

    def __bool__(self) -> Literal[True]:
        return True

    __reversed__ = None

    if TYPE_CHECKING:
        __contains__: None
        __iter__: None
        __len__: None
    else:
        __contains__ = _refuse("in", "await mapping.contains(key)")
        # Without this, iter() would take __getitem__ for that of a sequence, and never end.
        __iter__ = _refuse("iter()", "async for key in mapping")
        __len__ = _refuse("len()", "await mapping.size()")


Entries: TypeAlias = AsyncMapping[K, V] | Mapping[K, V] | Iterable[tuple[K, V]] | AsyncIterable[tuple[K, V]]
"""What `update` takes: a mapping of either kind, or pairs, which may arrive asynchronously."""


class AsyncMutableMapping(AsyncMapping[K, V], ABC, Generic[K, V]):
    """A mapping that is read and written asynchronously. Primitives: `get`, `items`, `size`, `set` and `delete`.

    >>> async def rename(names: ig.AsyncMutableMapping[int, str], key: int, name: str) -> None:
    ...     if not await names.replace(key, name):
    ...         raise KeyError(key)
    >>> await rename(mapping, 1, "Ann")
    Traceback (most recent call last):
    KeyError: 1
    """

    __slots__ = ()

    @abstractmethod
    async def set(self, key: K, value: V) -> None:
        """Store a value under a key, whether the key is present or not.

        Raises:
            ValueError: The value is None.

        >>> await mapping.set(1, "Ann")
        """

    @abstractmethod
    async def delete(self, key: K, *, expected: V | Missing = MISSING) -> bool:
        """Remove a key, and tell whether it was present. With `expected`, only if that is its value.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.delete(1, expected="Ben"), await mapping.delete(1)
        (False, True)
        """

    @overload
    async def update(self, other: Entries[K, V], /) -> None: ...
    @overload
    async def update(self: "AsyncMutableMapping[str, V]", other: Entries[str, V] = (), /, **named: V) -> None: ...
    async def update(self, other: Entries[Any, V] = (), /, **named: V) -> None:
        """Store many entries; of a key that comes twice, the later value stays. Not atomic.

        Args:
            other: A mapping, an `AsyncMapping`, or pairs from an iterable or an async iterable.
            named: More entries, stored last, for a mapping whose keys are strings.

        Raises:
            ValueError: A value is None. What came before it has been stored.

        >>> await mapping.update({1: "Ann", 2: "Ben"})
        >>> await mapping.update((number, "Cleo") for number in range(3, 5))
        >>> await mapping.size()
        4
        """
        async for key, value in _pairs(other):
            await self.set(key, value)
        async for key, value in _pairs(named):
            await self.set(key, value)

    async def add(self, key: K, value: V) -> bool:
        """Store a value if the key is absent, and tell whether it was stored.

        Raises:
            ValueError: The value is None.

        >>> await mapping.add(1, "Ann"), await mapping.add(1, "Ben")
        (True, False)
        """
        _refuse_none(value)
        if await self.contains(key):
            return False
        await self.set(key, value)
        return True

    async def setdefault(self, key: K, value: V) -> V:
        """The value of a key, after storing `value` if the key was absent.

        Raises:
            ValueError: The value is None.

        >>> await mapping.setdefault(1, "Ann"), await mapping.setdefault(1, "Ben")
        ('Ann', 'Ann')
        """
        _refuse_none(value)
        present = await self.get(key, MISSING)
        if present is not MISSING:
            return present
        await self.set(key, value)
        return value

    async def replace(self, key: K, value: V, *, expected: V | Missing = MISSING) -> bool:
        """Store a value if the key is present, and tell whether it was stored. With `expected`, only if that is its value.

        Raises:
            ValueError: The value is None.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.replace(1, "Anna", expected="Ben"), await mapping.replace(1, "Anna", expected="Ann")
        (False, True)
        """
        _refuse_none(value)
        present = await self.get(key, MISSING)
        if present is MISSING or (expected is not MISSING and present != expected):
            return False
        await self.set(key, value)
        return True

    async def swap(self, key: K, value: V) -> V | None:
        """Store a value and return the one before it; None when the key was absent.

        Raises:
            ValueError: The value is None.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.swap(1, "Ben")
        'Ann'
        """
        _refuse_none(value)
        before = await self.get(key)
        await self.set(key, value)
        return before

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

        >>> await mapping.set(1, "Ann")
        >>> await mapping.pop(1), await mapping.pop(1, "nobody")
        ('Ann', 'nobody')
        """
        value = await self.get(key, MISSING)
        if value is not MISSING:
            await self.delete(key)
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    async def delete_many(self, keys: Iterable[K]) -> None:
        """Remove several keys. Absent keys are passed over. Not atomic.

        >>> await mapping.update({1: "Ann", 2: "Ben"})
        >>> await mapping.delete_many([1, 3])
        >>> await mapping.size()
        1
        """
        for key in keys:
            await self.delete(key)

    async def clear(self) -> None:
        """Remove all keys.

        >>> await mapping.set(1, "Ann")
        >>> await mapping.clear()
        >>> await mapping.size()
        0
        """
        await self.delete_many(await self.keys().to_list())

    if not TYPE_CHECKING:  # pragma: no branch - only type checkers take the other one
        __setitem__ = _refuse("[key] = value", "await mapping.set(key, value)")
        __delitem__ = _refuse("del [key]", "await mapping.delete(key)")


async def _pairs(entries: Entries[Any, V]) -> AsyncIterator[tuple[Any, V]]:
    # To a type checker a mapping whose keys are tuples is an iterable of pairs as well, hence the casts.
    pairs: Iterable[tuple[Any, V]] | AsyncIterable[tuple[Any, V]]
    if isinstance(entries, AsyncMapping):
        pairs = cast("AsyncMapping[Any, V]", entries).items()
    elif isinstance(entries, Mapping):
        pairs = cast("Mapping[Any, V]", entries).items()
    else:
        pairs = entries
    if isinstance(pairs, AsyncIterable):
        async for pair in pairs:
            yield pair
    else:
        for pair in pairs:
            yield pair


# --- sets -------------------------------------------------------------------------------------------------------------


class AsyncSet(AsyncIterable[T], ABC, Generic[T]):
    """A set that is used asynchronously. Primitives: `add`, `discard`, `contains`, `size` and `__aiter__`.

    >>> await items.update(["a", "b", "a"])
    >>> sorted([item async for item in items])
    ['a', 'b']
    """

    __slots__ = ()

    @abstractmethod
    async def add(self, item: T) -> bool:
        """Add an item, and tell whether it is new.

        >>> await items.add("a"), await items.add("a")
        (True, False)
        """

    @abstractmethod
    async def discard(self, item: T) -> bool:
        """Remove an item, and tell whether it was present.

        >>> await items.discard("a")
        False
        """

    @abstractmethod
    async def contains(self, item: T) -> bool:
        """Whether an item is present.

        >>> await items.add("a")
        True
        >>> await items.contains("a")
        True
        """

    @abstractmethod
    async def size(self) -> int:
        """How many items there are.

        >>> await items.size()
        0
        """

    async def update(self, items: Iterable[T] | AsyncIterable[T], /) -> None:
        """Add many items. Not atomic.

        >>> await items.update(["a", "b"])
        >>> await items.size()
        2
        """
        if isinstance(items, AsyncIterable):
            async for item in items:
                await self.add(item)
        else:
            for item in items:
                await self.add(item)

    async def clear(self) -> None:
        """Remove all items.

        >>> await items.update(["a", "b"])
        >>> await items.clear()
        >>> await items.size()
        0
        """
        for item in [item async for item in self]:
            await self.discard(item)

    def __bool__(self) -> Literal[True]:
        return True

    if TYPE_CHECKING:
        __contains__: None
        __iter__: None
        __len__: None
    else:
        __contains__ = _refuse("in", "await items.contains(item)")
        __iter__ = _refuse("iter()", "async for item in items")
        __len__ = _refuse("len()", "await items.size()")
