"""Operations on the entries of a cache, by key."""

from ignitemap.protocol.message import CacheRef, Request, operation
from ignitemap.protocol.wire import array, boolean, i8, i64, key, value

__all__ = [
    "CacheClear",
    "CacheClearKey",
    "CacheClearKeys",
    "CacheContainsKey",
    "CacheContainsKeys",
    "CacheGet",
    "CacheGetAll",
    "CacheGetAndPut",
    "CacheGetAndPutIfAbsent",
    "CacheGetAndRemove",
    "CacheGetAndReplace",
    "CacheGetSize",
    "CacheLocalPeek",
    "CachePut",
    "CachePutAll",
    "CachePutIfAbsent",
    "CacheRemoveAll",
    "CacheRemoveIfEquals",
    "CacheRemoveKey",
    "CacheRemoveKeys",
    "CacheReplace",
    "CacheReplaceIfEquals",
]


@operation(1000, effect="read")
class CacheGet(Request[value]):
    """The value of a key, null when absent."""

    cache: CacheRef
    key: key


@operation(1001, effect="write")
class CachePut(Request[None]):
    """Set the value of a key."""

    cache: CacheRef
    key: key
    value: value


@operation(1002, effect="update")
class CachePutIfAbsent(Request[boolean]):
    """Set the value of an absent key; whether it was absent."""

    cache: CacheRef
    key: key
    value: value


@operation(1003, effect="read")
class CacheGetAll(Request[array[tuple[key, value]]]):
    """The entries of those keys that are present, in any order."""

    cache: CacheRef
    keys: array[key]


@operation(1004, effect="write")
class CachePutAll(Request[None]):
    """Set many entries."""

    cache: CacheRef
    entries: array[tuple[key, value]]


@operation(1005, effect="update")
class CacheGetAndPut(Request[value]):
    """Set the value of a key; the old value or null."""

    cache: CacheRef
    key: key
    value: value


@operation(1006, effect="update")
class CacheGetAndReplace(Request[value]):
    """Set the value of a present key; the old value, or null and nothing written when absent."""

    cache: CacheRef
    key: key
    value: value


@operation(1007, effect="update")
class CacheGetAndRemove(Request[value]):
    """Remove a key; the old value or null."""

    cache: CacheRef
    key: key


@operation(1008, effect="update")
class CacheGetAndPutIfAbsent(Request[value]):
    """Set the value of an absent key; the value that is there, or null."""

    cache: CacheRef
    key: key
    value: value


@operation(1009, effect="update")
class CacheReplace(Request[boolean]):
    """Set the value of a present key; whether it was present."""

    cache: CacheRef
    key: key
    value: value


@operation(1010, effect="update")
class CacheReplaceIfEquals(Request[boolean]):
    """Set the value of a key whose value has the expected bytes; whether it had."""

    cache: CacheRef
    key: key
    expected: value
    value: value


@operation(1011, effect="read")
class CacheContainsKey(Request[boolean]):
    """Whether a key is present."""

    cache: CacheRef
    key: key


@operation(1012, effect="read")
class CacheContainsKeys(Request[boolean]):
    """Whether all keys are present (true for none)."""

    cache: CacheRef
    keys: array[key]


@operation(1013, effect="write")
class CacheClear(Request[None]):
    """Drop all entries without telling listeners."""

    cache: CacheRef


@operation(1014, effect="write")
class CacheClearKey(Request[None]):
    """Drop one entry without telling listeners."""

    cache: CacheRef
    key: key


@operation(1015, effect="write")
class CacheClearKeys(Request[None]):
    """Drop entries without telling listeners."""

    cache: CacheRef
    keys: array[key]


@operation(1016, effect="update")
class CacheRemoveKey(Request[boolean]):
    """Remove a key; whether it was present."""

    cache: CacheRef
    key: key


@operation(1017, effect="update")
class CacheRemoveIfEquals(Request[boolean]):
    """Remove a key whose value has the expected bytes; whether it had."""

    cache: CacheRef
    key: key
    expected: value


@operation(1018, effect="write")
class CacheRemoveKeys(Request[None]):
    """Remove keys."""

    cache: CacheRef
    keys: array[key]


@operation(1019, effect="write")
class CacheRemoveAll(Request[None]):
    """Remove all entries, telling listeners."""

    cache: CacheRef


@operation(1020, effect="read")
class CacheGetSize(Request[i64]):
    """The number of entries: copies that the peek modes name, primary copies for none."""

    cache: CacheRef
    peek_modes: array[i8] = ()


@operation(1021, effect="read")
class CacheLocalPeek(Request[value]):
    """The value of a key as the asked node has it, null when it has none."""

    cache: CacheRef
    key: key
