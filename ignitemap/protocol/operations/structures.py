"""Operations on what isn't a cache to its user: data streamers, atomic longs, sets."""

from typing import Annotated

from ignitemap.protocol.message import Request, operation, record
from ignitemap.protocol.operations.queries import scan_filter
from ignitemap.protocol.wire import Asked, array, boolean, i8, i32, i64, key, nullable_text, obj, text, value

__all__ = [
    "STREAMER_ALLOW_OVERWRITE",
    "STREAMER_CLOSE",
    "STREAMER_FLUSH",
    "STREAMER_KEEP_BINARY",
    "STREAMER_SKIP_STORE",
    "AtomicLongCreate",
    "AtomicLongExists",
    "AtomicLongRemove",
    "AtomicLongValueAddAndGet",
    "AtomicLongValueCompareAndSet",
    "AtomicLongValueCompareAndSetAndGet",
    "AtomicLongValueGet",
    "AtomicLongValueGetAndSet",
    "AtomicSettings",
    "DataStreamerAddData",
    "DataStreamerStart",
    "FoundSet",
    "SetClear",
    "SetClose",
    "SetExists",
    "SetGetOrCreate",
    "SetIterator",
    "SetIteratorGetPage",
    "SetIteratorStart",
    "SetPage",
    "SetSettings",
    "SetSize",
    "SetValueAdd",
    "SetValueAddAll",
    "SetValueContains",
    "SetValueContainsAll",
    "SetValueRemove",
    "SetValueRemoveAll",
    "SetValueRetainAll",
]

# --- data streamer ---------------------------------------------------------------------------------------------------

STREAMER_ALLOW_OVERWRITE = 1
STREAMER_SKIP_STORE = 2
STREAMER_KEEP_BINARY = 4
STREAMER_FLUSH = 8
STREAMER_CLOSE = 16


@operation(8000, effect="update")
class DataStreamerStart(Request[i64]):
    """Begin to load entries; the id of the streamer, 0 where STREAMER_CLOSE ended it at once.

    A null value removes. Without STREAMER_ALLOW_OVERWRITE entries that exist stay as they are. A negative buffer size
    is the default.
    """

    cache_id: i32
    flags: i8
    per_node_buffer: i32 = -1
    per_thread_buffer: i32 = -1
    receiver: scan_filter = None
    entries: array[tuple[key, value]] = ()


@operation(8001, effect="bound")
class DataStreamerAddData(Request[None]):
    """More entries for a streamer; they are visible after STREAMER_FLUSH or STREAMER_CLOSE."""

    streamer: i64
    flags: i8
    entries: array[tuple[key, value]] = ()


# --- atomic longs ----------------------------------------------------------------------------------------------------


@record
class AtomicSettings:
    """How an atomic long is kept: the ids that a node reserves, the mode and backups of its cache, its group."""

    reserve: i32 = 1000
    mode: i8 = 2
    backups: i32 = 1
    group: nullable_text = None


@operation(9000, effect="write")
class AtomicLongCreate(Request[None]):
    """Create an atomic long, unless it exists."""

    name: text
    initial: i64
    configured: boolean = False
    settings: Annotated[AtomicSettings | None, Asked("configured")] = None


@operation(9001, effect="write")
class AtomicLongRemove(Request[None]):
    """Remove an atomic long, if it exists."""

    name: text
    group: nullable_text = None


@operation(9002, effect="read")
class AtomicLongExists(Request[boolean]):
    """Whether an atomic long exists."""

    name: text
    group: nullable_text = None


@operation(9003, effect="read")
class AtomicLongValueGet(Request[i64]):
    """The value; status 1011 when it does not exist, as for all that follow."""

    name: text
    group: nullable_text = None


@operation(9004, effect="update")
class AtomicLongValueAddAndGet(Request[i64]):
    """Add to the value; the new one. It wraps at 64 bits."""

    name: text
    group: nullable_text
    delta: i64


@operation(9005, effect="update")
class AtomicLongValueGetAndSet(Request[i64]):
    """Set the value; the old one."""

    name: text
    group: nullable_text
    value: i64


@operation(9006, effect="update")
class AtomicLongValueCompareAndSet(Request[boolean]):
    """Set the value if it is the expected one; whether it was."""

    name: text
    group: nullable_text
    expected: i64
    value: i64


@operation(9007, effect="update")
class AtomicLongValueCompareAndSetAndGet(Request[i64]):
    """Set the value if it is the expected one; the value that it had before."""

    name: text
    group: nullable_text
    expected: i64
    value: i64


# --- sets ------------------------------------------------------------------------------------------------------------


@record
class SetSettings:
    """How a set is kept: the atomicity, mode and backups of its cache, its group, whether one node has all of it."""

    atomicity: i8 = 1
    mode: i8 = 2
    backups: i32 = 0
    group: nullable_text = None
    collocated: boolean = False


@record
class FoundSet:
    """A set, where it exists: what all other operations on it must be given."""

    exists: boolean
    collocated: Annotated[boolean, Asked("exists")] = False
    cache_id: Annotated[i32, Asked("exists")] = 0


@operation(9010, effect="write")
class SetGetOrCreate(Request[FoundSet]):
    """Find a set, or create it where that is asked for."""

    name: text
    create: boolean = False
    settings: Annotated[SetSettings | None, Asked("create")] = None


@operation(9011, effect="write")
class SetClose(Request[None]):
    """Destroy a set, if it exists."""

    name: text
    cache_id: i32
    collocated: boolean


@operation(9012, effect="read")
class SetExists(Request[boolean]):
    """Whether a set exists."""

    name: text
    cache_id: i32
    collocated: boolean


@operation(9013, effect="update")
class SetValueAdd(Request[boolean]):
    """Add an element; whether it was new. Status 1011 for a missing set, as for all that follow."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    value: obj


@operation(9014, effect="update")
class SetValueAddAll(Request[boolean]):
    """Add elements; whether any was new."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9015, effect="update")
class SetValueRemove(Request[boolean]):
    """Remove an element; whether it was there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    value: obj


@operation(9016, effect="update")
class SetValueRemoveAll(Request[boolean]):
    """Remove elements; whether any was there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9017, effect="read")
class SetValueContains(Request[boolean]):
    """Whether an element is there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    value: obj


@operation(9018, effect="read")
class SetValueContainsAll(Request[boolean]):
    """Whether all elements are there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9019, effect="update")
class SetValueRetainAll(Request[boolean]):
    """Remove all other elements; whether there were any."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9020, effect="read")
class SetSize(Request[i32]):
    """How many elements there are."""

    name: text
    cache_id: i32
    collocated: boolean


@operation(9021, effect="write")
class SetClear(Request[None]):
    """Remove all elements."""

    name: text
    cache_id: i32
    collocated: boolean


@record
class SetIterator:
    """The first page of a set's elements; with ``more`` the iterator stays open."""

    values: array[obj]
    more: boolean
    resource: Annotated[i64, Asked("more")] = 0


@record
class SetPage:
    """A page of a set's elements; the last one closes the iterator."""

    values: array[obj]
    more: boolean


@operation(9022, effect="read")
class SetIteratorStart(Request[SetIterator]):
    """The elements, in any order."""

    name: text
    cache_id: i32
    collocated: boolean
    page_size: i32 = 1024


@operation(9023, effect="bound")
class SetIteratorGetPage(Request[SetPage]):
    """The next page of elements."""

    resource: i64
    page_size: i32 = 1024
