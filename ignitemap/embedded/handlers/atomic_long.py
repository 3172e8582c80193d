"""Operations 9000 to 9007: atomic longs, each an entry of a hidden cache of its group."""

import struct
from typing import TYPE_CHECKING, Final

from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import RESOURCE_DOES_NOT_EXIST, Refused
from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.embedded.objects import marshalled_long, marshalled_text
from ignitemap.protocol.cache_config import CacheAtomicityMode, CacheConfig
from ignitemap.protocol.operations import (
    AtomicLongCreate,
    AtomicLongExists,
    AtomicLongRemove,
    AtomicLongValueAddAndGet,
    AtomicLongValueCompareAndSet,
    AtomicLongValueCompareAndSetAndGet,
    AtomicLongValueGet,
    AtomicLongValueGetAndSet,
)

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

DEFAULT_GROUP: Final = "default-ds-group"
CACHE: Final = "ignite-sys-atomic-cache@"
_SIGN: Final = 1 << 63
_long: Final = struct.Struct("<q").unpack_from


def _cache(session: "Session", group: str | None) -> Cache | None:
    return session.cluster.find(CACHE + (group or DEFAULT_GROUP))


def _load(session: "Session", name: str, group: str | None) -> tuple[Cache, bytes, int]:
    """The cache, key and value of an atomic long. Raises Refused where there is none."""
    cache = _cache(session, group)
    key = marshalled_text(name)
    value = None if cache is None else cache.get(key)
    if cache is None or value is None:
        raise Refused(RESOURCE_DOES_NOT_EXIST, f"AtomicLong with name '{name}' does not exist.")
    return cache, key, _long(value, 1)[0]


@answers(AtomicLongCreate, needs=Needs.WRITABLE)
def create(session: "Session", request: AtomicLongCreate) -> None:
    """9000."""
    group = None if request.settings is None else request.settings.group
    cache = _cache(session, group)
    if cache is None:
        config = CacheConfig(
            name=CACHE + (group or DEFAULT_GROUP), atomicity=CacheAtomicityMode.TRANSACTIONAL, backups=1
        )
        cache = session.cluster.create_cache(config, "hidden")
    key = marshalled_text(request.name)
    if cache.get(key) is None:
        cache.put(key, marshalled_long(request.initial))


@answers(AtomicLongRemove, needs=Needs.WRITABLE)
def remove(session: "Session", request: AtomicLongRemove) -> None:
    """9001."""
    cache = _cache(session, request.group)
    if cache is not None:
        cache.remove(marshalled_text(request.name))


@answers(AtomicLongExists)
def exists(session: "Session", request: AtomicLongExists) -> bool:
    """9002."""
    cache = _cache(session, request.group)
    return cache is not None and cache.get(marshalled_text(request.name)) is not None


@answers(AtomicLongValueGet)
def get(session: "Session", request: AtomicLongValueGet) -> int:
    """9003."""
    return _load(session, request.name, request.group)[2]


@answers(AtomicLongValueAddAndGet, needs=Needs.WRITABLE)
def add_and_get(session: "Session", request: AtomicLongValueAddAndGet) -> int:
    """9004: it wraps at 64 bits, as Java's long does."""
    cache, key, value = _load(session, request.name, request.group)
    value = (value + request.delta + _SIGN) % (2 * _SIGN) - _SIGN
    cache.put(key, marshalled_long(value))
    return value


@answers(AtomicLongValueGetAndSet, needs=Needs.WRITABLE)
def get_and_set(session: "Session", request: AtomicLongValueGetAndSet) -> int:
    """9005."""
    cache, key, value = _load(session, request.name, request.group)
    cache.put(key, marshalled_long(request.value))
    return value


@answers(AtomicLongValueCompareAndSet, needs=Needs.WRITABLE)
def compare_and_set(session: "Session", request: AtomicLongValueCompareAndSet) -> bool:
    """9006."""
    cache, key, value = _load(session, request.name, request.group)
    if value == request.expected:
        cache.put(key, marshalled_long(request.value))
    return value == request.expected


@answers(AtomicLongValueCompareAndSetAndGet, needs=Needs.WRITABLE)
def compare_and_set_and_get(session: "Session", request: AtomicLongValueCompareAndSetAndGet) -> int:
    """9007: what it was before."""
    cache, key, value = _load(session, request.name, request.group)
    if value == request.expected:
        cache.put(key, marshalled_long(request.value))
    return value
