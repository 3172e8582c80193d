"""Operations 9010 to 9023: sets, each a hidden cache whose keys are its elements."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import RESOURCE_DOES_NOT_EXIST, Refused, failed
from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.embedded.objects import NULL
from ignitemap.protocol.cache_config import CacheAtomicityMode, CacheConfig, CacheMode
from ignitemap.protocol.operations import (
    FoundSet,
    SetClear,
    SetClose,
    SetExists,
    SetGetOrCreate,
    SetIterator,
    SetIteratorGetPage,
    SetIteratorStart,
    SetPage,
    SetSettings,
    SetSize,
    SetValueAdd,
    SetValueAddAll,
    SetValueContains,
    SetValueContainsAll,
    SetValueRemove,
    SetValueRemoveAll,
    SetValueRetainAll,
)
from ignitemap.protocol.types import codes

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

PREFIX: Final = "datastructures_SET_"
COLLOCATED: Final = "_COLLOCATED"
THERE: Final = struct.pack("<B?", codes.BOOL, True)


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def cache_id(self) -> int: ...


def _find(session: "Session", name: str) -> tuple[Cache, bool] | None:
    """The cache of a set, and whether it is collocated."""
    for collocated in (False, True):
        cache = session.cluster.find(_cache_name(name, collocated=collocated))
        if cache is not None:
            return cache, collocated
    return None


def _cache_name(name: str, *, collocated: bool) -> str:
    return f"{PREFIX}{COLLOCATED if collocated else ''}@{name}"


def _elements(session: "Session", request: _Named) -> Cache:
    """The cache of the set that a request names. Raises Refused where there is none."""
    found = _find(session, request.name)
    if found is None or found[0].id != request.cache_id:
        raise Refused(RESOURCE_DOES_NOT_EXIST, f"IgniteSet with name '{request.name}' does not exist.")
    return found[0]


def _checked(*values: bytes) -> None:
    if NULL in values:
        raise failed('Cannot invoke "Object.hashCode()" because "this.item" is null')


@answers(SetGetOrCreate, needs=Needs.WRITABLE)
def get_or_create(session: "Session", request: SetGetOrCreate) -> FoundSet:
    """9010."""
    found = _find(session, request.name)
    settings = request.settings
    if found is not None:
        cache, collocated = found
        if settings is not None and settings.collocated != collocated:
            new, old = (str(each).lower() for each in (settings.collocated, collocated))
            raise failed(
                "Another collection with the same name but different configuration already created"
                f" [name={request.name}, newCollocated={new}, existingCollocated={old}]"
            )
        return FoundSet(True, collocated, cache.id)
    if settings is None:
        return FoundSet(False)
    cache = session.cluster.create_cache(_config(request.name, settings), "hidden")
    return FoundSet(True, settings.collocated, cache.id)


def _config(name: str, settings: SetSettings) -> CacheConfig:
    transactional = settings.atomicity == CacheAtomicityMode.TRANSACTIONAL
    return CacheConfig(
        name=_cache_name(name, collocated=settings.collocated),
        atomicity=CacheAtomicityMode.TRANSACTIONAL if transactional else CacheAtomicityMode.ATOMIC,
        mode=CacheMode.REPLICATED if settings.mode == CacheMode.REPLICATED else CacheMode.PARTITIONED,
        backups=settings.backups,
    )


@answers(SetClose, needs=Needs.WRITABLE)
def close(session: "Session", request: SetClose) -> None:
    """9011: the set is destroyed."""
    found = _find(session, request.name)
    if found is not None and found[0].id == request.cache_id:
        session.cluster.destroy_cache(found[0])


@answers(SetExists)
def exists(session: "Session", request: SetExists) -> bool:
    """9012."""
    found = _find(session, request.name)
    return found is not None and found[0].id == request.cache_id


@answers(SetValueAdd, needs=Needs.WRITABLE)
def add(session: "Session", request: SetValueAdd) -> bool:
    """9013."""
    _checked(request.value)
    return _add(_elements(session, request), request.value)


@answers(SetValueAddAll, needs=Needs.WRITABLE)
def add_all(session: "Session", request: SetValueAddAll) -> bool:
    """9014."""
    _checked(*request.values)
    cache = _elements(session, request)
    with session.cluster.whole():
        return sum(_add(cache, value) for value in request.values) > 0


def _add(cache: Cache, value: bytes) -> bool:
    if cache.get(value) is not None:
        return False
    cache.put(value, THERE)
    return True


@answers(SetValueRemove, needs=Needs.WRITABLE)
def remove(session: "Session", request: SetValueRemove) -> bool:
    """9015."""
    _checked(request.value)
    return _elements(session, request).remove(request.value)


@answers(SetValueRemoveAll, needs=Needs.WRITABLE)
def remove_all(session: "Session", request: SetValueRemoveAll) -> bool:
    """9016."""
    _checked(*request.values)
    cache = _elements(session, request)
    with session.cluster.whole():
        return sum(cache.remove(value) for value in request.values) > 0


@answers(SetValueContains)
def contains(session: "Session", request: SetValueContains) -> bool:
    """9017."""
    _checked(request.value)
    return _elements(session, request).get(request.value) is not None


@answers(SetValueContainsAll)
def contains_all(session: "Session", request: SetValueContainsAll) -> bool:
    """9018."""
    _checked(*request.values)
    cache = _elements(session, request)
    return all(cache.get(value) is not None for value in request.values)


@answers(SetValueRetainAll, needs=Needs.WRITABLE)
def retain_all(session: "Session", request: SetValueRetainAll) -> bool:
    """9019."""
    _checked(*request.values)
    cache = _elements(session, request)
    others = [value for value in _values(cache) if value not in set(request.values)]
    with session.cluster.whole():
        for value in others:
            cache.remove(value)
    return bool(others)


@answers(SetSize)
def size(session: "Session", request: SetSize) -> int:
    """9020."""
    return _elements(session, request).count()


@answers(SetClear, needs=Needs.WRITABLE)
def clear(session: "Session", request: SetClear) -> None:
    """9021."""
    _elements(session, request).clear()


def _values(cache: Cache) -> list[bytes]:
    return [key for key, _ in cache.entries()]


class Iterator:
    """The elements that were there when it began."""

    counts: bool = True

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values
        self._at = 0

    def page(self, size: int) -> tuple[list[bytes], bool]:
        """The next elements, and whether there are more."""
        start, self._at = self._at, self._at + max(size, 0)
        return list(self._values[start : self._at]), self._at < len(self._values) and size >= 0

    def close(self) -> None:
        """Nothing is held."""


@answers(SetIteratorStart)
def iterate(session: "Session", request: SetIteratorStart) -> SetIterator:
    """9022."""
    iterator = Iterator(_values(_elements(session, request)))
    session.check_cursors()
    values, more = iterator.page(request.page_size)
    return SetIterator(values, more, session.add(iterator) if more else 0)


@answers(SetIteratorGetPage)
def iterator_page(session: "Session", request: SetIteratorGetPage) -> SetPage:
    """9023."""
    values, more = session.resource(request.resource, Iterator).page(request.page_size)
    if not more:
        session.forget(request.resource)
    return SetPage(values, more)
