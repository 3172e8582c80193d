"""Operations 1000 to 1021: keys and values.

Keys and values are marshalled objects in their normal form (objects.py), so they are compared as bytes. What a null
does to which argument, and what an access policy touches, was seen from a 2.17.0 node.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ignitemap.embedded.caches import ALL_COPIES, Cache
from ignitemap.embedded.errors import failed, null_argument
from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.embedded.objects import NULL, same
from ignitemap.embedded.transactions import Condition
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import (
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
    CacheLocalPeek,
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

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

ABSENT: Final = Condition(present=False)
PRESENT: Final = Condition(present=True)

# Peek modes.
ALL, NEAR, PRIMARY, BACKUP, ONHEAP, OFFHEAP = range(6)


def _not_null(**arguments: bytes) -> None:
    for name, value in arguments.items():
        if value == NULL:
            raise null_argument(name)


def _no_null_keys(keys: Sequence[bytes]) -> None:
    if NULL in keys:
        raise failed("Null key.")


def _spoil(session: "Session", ref: CacheRef, *, at_once: bool) -> None:
    """A null among several keys or values ends a transaction, as on a 2.17.0 node."""
    transaction = session.transaction(ref)
    if transaction is not None and session.cache(ref.cache_id).transactional:
        transaction.check()
        transaction.spoil(at_once=at_once)


@answers(CacheGet)
def get(session: "Session", request: CacheGet) -> bytes:
    """1000."""
    key = request.key
    if key == NULL:
        raise null_argument("key")
    ref = request.cache
    value = session.to_read(ref, (key,)).read(key, ref.expiry)
    return NULL if value is None else value


@answers(CachePut, needs=Needs.WRITABLE)
def put(session: "Session", request: CachePut) -> None:
    """1001."""
    key, value = request.key, request.value
    if key == NULL:
        raise null_argument("key")
    if value == NULL:
        raise null_argument("val")
    ref = request.cache
    session.to_write(ref, (key,)).put(key, value, ref.expiry)


@answers(CachePutIfAbsent, needs=Needs.WRITABLE)
def put_if_absent(session: "Session", request: CachePutIfAbsent) -> bool:
    """1002. An atomic cache does not touch an entry that is there, and says that one which expires at once is not."""
    key, ref = request.key, request.cache
    _not_null(key=key, val=request.value)
    entries = session.to_write(ref, (key,))
    old = entries.load(key)
    transactional = session.cache(ref.cache_id).transactional
    if old is not None:
        if transactional:
            entries.touch(key, old, ref.expiry)
        return entries.unmet(key, old, ABSENT, ref.expiry)
    return entries.write(key, request.value, None, ref.expiry, ABSENT) or transactional


@answers(CacheGetAll)
def get_all(session: "Session", request: CacheGetAll) -> list[tuple[bytes, bytes]]:
    """1003."""
    _no_null_keys(request.keys)
    ref = request.cache
    entries = session.to_read(ref, request.keys)
    found = ((key, entries.read(key, ref.expiry)) for key in dict.fromkeys(request.keys))
    return [(key, value) for key, value in found if value is not None]


@answers(CachePutAll, needs=Needs.WRITABLE)
def put_all(session: "Session", request: CachePutAll) -> None:
    """1004."""
    ref = request.cache
    for key, value in request.entries:
        if NULL in (key, value):
            _spoil(session, ref, at_once=key != NULL)
            raise failed("Null key." if key == NULL else "Null value.")
    entries = session.to_write(ref, [key for key, _ in request.entries])
    with session.cluster.whole():
        for key, value in request.entries:
            entries.put(key, value, ref.expiry)


@answers(CacheGetAndPut, needs=Needs.WRITABLE)
def get_and_put(session: "Session", request: CacheGetAndPut) -> bytes:
    """1005."""
    key, ref = request.key, request.cache
    _not_null(key=key, val=request.value)
    entries = session.to_write(ref, (key,))
    old = entries.load(key)
    entries.write(key, request.value, old, ref.expiry)
    return NULL if old is None else old[0]


@answers(CacheGetAndReplace, needs=Needs.WRITABLE)
def get_and_replace(session: "Session", request: CacheGetAndReplace) -> bytes:
    """1006."""
    key, ref = request.key, request.cache
    _not_null(key=key, val=request.value)
    entries = session.to_write(ref, (key,))
    old = entries.load(key)
    if old is None:
        entries.unmet(key, old, PRESENT, ref.expiry)
        return NULL
    entries.write(key, request.value, old, ref.expiry, PRESENT)
    return old[0]


@answers(CacheGetAndRemove, needs=Needs.WRITABLE)
def get_and_remove(session: "Session", request: CacheGetAndRemove) -> bytes:
    """1007."""
    key = request.key
    _not_null(key=key)
    entries = session.to_write(request.cache, (key,))
    old = entries.load(key)
    entries.delete(key, old)
    return NULL if old is None else old[0]


@answers(CacheGetAndPutIfAbsent, needs=Needs.WRITABLE)
def get_and_put_if_absent(session: "Session", request: CacheGetAndPutIfAbsent) -> bytes:
    """1008."""
    key, ref = request.key, request.cache
    _not_null(key=key, val=request.value)
    entries = session.to_write(ref, (key,))
    old = entries.load(key)
    if old is not None:
        if session.cache(ref.cache_id).transactional:
            entries.touch(key, old, ref.expiry)
        entries.unmet(key, old, ABSENT, ref.expiry)
        return old[0]
    entries.write(key, request.value, None, ref.expiry, ABSENT)
    return NULL


@answers(CacheReplace, needs=Needs.WRITABLE)
def replace(session: "Session", request: CacheReplace) -> bool:
    """1009."""
    key, ref = request.key, request.cache
    _not_null(key=key, val=request.value)
    entries = session.to_write(ref, (key,))
    old = entries.load(key)
    if old is None:
        return entries.unmet(key, old, PRESENT, ref.expiry)
    entries.write(key, request.value, old, ref.expiry, PRESENT)
    return True


@answers(CacheReplaceIfEquals, needs=Needs.WRITABLE)
def replace_if_equals(session: "Session", request: CacheReplaceIfEquals) -> bool:
    """1010. An entry of another value is touched."""
    key, ref = request.key, request.cache
    _not_null(key=key, oldVal=request.expected, val=request.value)
    entries = session.to_write(ref, (key,))
    old = entries.load(key)
    condition = Condition(present=True, value=request.expected)
    if old is None:
        return entries.unmet(key, old, condition, ref.expiry)
    if not same(old[0], request.expected):
        entries.touch(key, old, ref.expiry)
        return entries.unmet(key, old, condition, ref.expiry)
    entries.write(key, request.value, old, ref.expiry, condition)
    return True


@answers(CacheContainsKey)
def contains_key(session: "Session", request: CacheContainsKey) -> bool:
    """1011. It neither locks nor touches."""
    _not_null(key=request.key)
    return session.to_read(request.cache, ()).get(request.key) is not None


@answers(CacheContainsKeys)
def contains_keys(session: "Session", request: CacheContainsKeys) -> bool:
    """1012."""
    _no_null_keys(request.keys)
    entries = session.to_read(request.cache, ())
    return all(entries.get(key) is not None for key in request.keys)


@answers(CacheClear, needs=Needs.WRITABLE)
def clear(session: "Session", request: CacheClear) -> None:
    """1013. A transaction's id is read and ignored."""
    session.cache(request.cache.cache_id).clear()


@answers(CacheClearKey, needs=Needs.WRITABLE)
def clear_key(session: "Session", request: CacheClearKey) -> None:
    """1014."""
    cache = session.cache(request.cache.cache_id)
    _clear(session, cache, request, [request.key])


@answers(CacheClearKeys, needs=Needs.WRITABLE)
def clear_keys(session: "Session", request: CacheClearKeys) -> None:
    """1015."""
    cache = session.cache(request.cache.cache_id)
    _clear(session, cache, request, request.keys)


def _clear(session: "Session", cache: Cache, request: CacheClearKey | CacheClearKeys, keys: Sequence[bytes]) -> None:
    if NULL in keys:
        raise failed("class org.apache.ignite.IgniteCheckedException: Remote job threw exception.")
    if session.transaction(request.cache) is not None:
        raise failed("Failed to invoke a non-transactional IgniteCache clear operation within a transaction.")
    for key in keys:
        if key not in cache.locks:  # a locked entry is left alone
            cache.delete(key, None, silent=True)


@answers(CacheRemoveKey, needs=Needs.WRITABLE)
def remove_key(session: "Session", request: CacheRemoveKey) -> bool:
    """1016."""
    _not_null(key=request.key)
    return session.to_write(request.cache, (request.key,)).remove(request.key)


@answers(CacheRemoveIfEquals, needs=Needs.WRITABLE)
def remove_if_equals(session: "Session", request: CacheRemoveIfEquals) -> bool:
    """1017. An entry of another value is touched.

    A transactional cache looks for a null value, and finds none; an optimistic transaction finds it where there is no
    entry.
    """
    key, ref = request.key, request.cache
    if session.cache(ref.cache_id).transactional:
        _not_null(val=key)
        if request.expected == NULL:
            transaction = session.transaction(ref)
            if transaction is None or transaction.pessimistic:
                return False
            return session.to_write(ref, (key,)).load(key) is None
    _not_null(key=key, val=request.expected)
    entries = session.to_write(ref, (key,))
    old = entries.load(key)
    condition = Condition(present=True, value=request.expected)
    if old is None:
        return entries.unmet(key, old, condition, ref.expiry, removes=True)
    if not same(old[0], request.expected):
        entries.touch(key, old, ref.expiry)
        return entries.unmet(key, old, condition, ref.expiry, removes=True)
    entries.delete(key, old, condition)
    return True


@answers(CacheRemoveKeys, needs=Needs.WRITABLE)
def remove_keys(session: "Session", request: CacheRemoveKeys) -> None:
    """1018."""
    if NULL in request.keys:
        _spoil(session, request.cache, at_once=False)
        raise failed("Null key.")
    entries = session.to_write(request.cache, request.keys)
    with session.cluster.whole():
        for key in request.keys:
            entries.discard(key)


@answers(CacheRemoveAll, needs=Needs.WRITABLE)
def remove_all(session: "Session", request: CacheRemoveAll) -> None:
    """1019. A transaction's id is read and ignored."""
    cache = session.cache(request.cache.cache_id)
    session.wait_for(cache)
    cache.remove_all()


@answers(CacheGetSize)
def get_size(session: "Session", request: CacheGetSize) -> int:
    """1020: the copies that a real cluster of as many nodes would have."""
    cache = session.cache(request.cache.cache_id)
    modes = set(request.peek_modes)
    if not modes <= set(range(6)):
        raise null_argument("peekMode")
    if not modes:
        modes = {PRIMARY}
    if ALL in modes:
        modes = {PRIMARY, BACKUP}
    if modes & {ONHEAP, OFFHEAP} and not modes & {OFFHEAP} and not cache.config.onheap_cache:
        return 0
    if modes == {NEAR}:
        return 0
    if not modes & {NEAR, PRIMARY, BACKUP}:
        modes.add(PRIMARY)
    others = len(session.cluster.nodes) - 1
    backups = others if cache.config.backups == ALL_COPIES else min(max(cache.config.backups or 0, 0), others)
    return cache.count() * ((PRIMARY in modes) + backups * (BACKUP in modes))


@answers(CacheLocalPeek)
def local_peek(session: "Session", request: CacheLocalPeek) -> bytes:
    """1021: the value, where this node has a copy. It neither locks nor touches."""
    key = request.key
    _not_null(key=key)
    cache = session.cache(request.cache.cache_id)
    if not session.cluster.affinity.has_copy(session.node, cache, key):
        return NULL
    value = cache.get(key)
    return NULL if value is None else value
