"""What an operation is: a class whose fields are its request and whose type parameter is its answer.

``@operation`` makes the class, reads its layout once and enters it into OPERATIONS; ``@record`` does the same for a
structure inside requests and answers. Codecs are compiled from these layouts when an operation is first used.
"""

import functools
import inspect
import struct
import types
import typing
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
)

import attrs

from ignitemap.exceptions import DecodeError, EncodeOverflowError, EncodeTypeError, EncodeValueError
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.codegen import FieldLayout, Layout, ListOf, Nothing, Record, Source, TupleOf
from ignitemap.protocol.wire import (
    REQUIRED,
    Array,
    Asked,
    Custom,
    EntryKey,
    EntryValue,
    Fixed,
    Leaf,
    OffWire,
    ProtocolContext,
    Since,
    Times,
    When,
    slotted,
)

if TYPE_CHECKING:
    from datetime import timedelta

    Duration = int | timedelta
else:
    Duration = Any  # only a program that has durations loads datetime

__all__ = ["OPERATIONS", "CacheRef", "Effect", "ExpiryPolicy", "Request", "changed", "operation", "record"]

R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C", bound=type)

Effect = Literal["read", "write", "update", "bound"]
"""What a lost answer may be answered with.

read: may be sent again. write: a blind write, again only where the caller asked for it. update: its answer or its
effect depends on what was there, never again. bound: belongs to one connection (pages, transactions), never again.
"""

OPERATIONS: Final[dict[int, type["Request[Any]"]]] = {}


class Request(Generic[R]):
    """Base of all operations. ``R`` is the answer: a word of wire.py, a record, or None for an empty answer."""

    __slots__ = ()

    code: ClassVar[int]
    effect: ClassVar[Effect]
    sqlstate: ClassVar[bool]
    """Whether an error message starts with an SQLSTATE."""
    routed: ClassVar[bool]
    """Whether the request has one key, so that the node that owns it answers fastest."""
    request_layout: ClassVar[Record]
    answer_layout: ClassVar[Layout]


# Type checkers see frozen classes. At run time they are not: a frozen class sets each field through object.__setattr__,
# which costs more than all the rest of making a request.
@dataclass_transform(frozen_default=True, field_specifiers=(attrs.field,))
def record(cls: C) -> C:
    """Make a structure of the wire: a class with slots whose annotated fields are its layout, in their order.

    One that users make and change is an attrs class already, and stays one.
    """
    return cast("C", _laid_out(cls))


@dataclass_transform(frozen_default=True)
def operation(code: int, *, effect: Effect, sql: bool = False) -> Callable[[C], C]:
    """Make a class an operation of the protocol and enter it into OPERATIONS."""

    def make(cls: C) -> C:
        made = _laid_out(cls)
        (base,) = made.__orig_bases__
        made.answer_layout = layout_of(typing.get_args(base)[0])
        made.code, made.effect, made.sqlstate = code, effect, sql
        made.routed = any(isinstance(field.layout, EntryKey) for field in made.request_layout.fields)
        if code in OPERATIONS:
            raise TypeError(f"operation {code} stands in the table twice")
        OPERATIONS[code] = made
        return cast("C", made)

    return make


def _laid_out(cls: Any) -> Any:
    made: Any = cls
    if attrs.has(cls):
        defaults = {each.name: each.default for each in attrs.fields(cls)}
        made.__eq__, made.__hash__, made.__repr__ = _equal, None, _shown
    else:
        made, defaults = slotted(cls, _ALIKE)
    fields: list[FieldLayout] = []
    for name, hint in inspect.get_annotations(made).items():
        layout, marks = _layout_and_marks(hint)
        fields.append(FieldLayout(name, layout, tuple(marks), defaults[name]))
    made.request_layout = Record(made, tuple(fields))
    return made


def _make_first(one: Any, /, *values: Any, **named: Any) -> None:
    """The ``__init__`` of a class of which none was made yet: it is compiled now."""
    cls = one.__class__
    source = Source("__init__")
    fields = _fields(one)
    given = [
        each.name if each.default is REQUIRED else f"{each.name}={source.bind(f'default_{each.name}', each.default)}"
        for each in fields
    ]
    source.line(f"def __init__({', '.join(['self', *given])}):")
    source.depth += 1
    for each in fields:
        source.line(f"self.{each.name} = {each.name}")
    source.line("return")
    cls.__init__ = source.compile()
    cls.__init__(one, *values, **named)


def _equal(one: Any, other: object) -> Any:
    if other.__class__ is not one.__class__:
        return NotImplemented
    return all(getattr(one, name) == getattr(other, name) for name in _names(one))


def _shown(one: Any) -> str:
    fields = ", ".join(f"{name}={getattr(one, name)!r}" for name in _names(one))
    return f"{type(one).__name__}({fields})"


def _names(one: Any) -> list[str]:
    return [each.name for each in _fields(one)]


def _fields(one: Any) -> tuple[FieldLayout, ...]:
    layout: Record = one.request_layout
    return layout.fields


_ALIKE: Final = {
    "__init__": _make_first,
    "__eq__": _equal,
    "__hash__": None,
    "__repr__": _shown,
}


def changed(one: T, /, **changes: Any) -> T:
    """An operation or structure with other values in some fields."""
    return type(one)(**{name: getattr(one, name) for name in _names(one)} | changes)


def layout_of(hint: Any) -> Layout:
    """The layout that a word of wire.py, a record class, a tuple of those, or None stands for."""
    return _layout_and_marks(hint)[0]


def _layout_and_marks(hint: Any) -> tuple[Layout, list[Any]]:
    if hint is None or hint is type(None):
        return Nothing(), []
    if typing.get_origin(hint) is Annotated:
        inner, *metadata = typing.get_args(hint)
        marks = [mark for mark in metadata if isinstance(mark, Since | When | Asked | OffWire)]
        for mark in metadata:
            if isinstance(mark, Fixed | Leaf | EntryKey | EntryValue | Custom):
                return mark, marks
            if isinstance(mark, Array):
                times = next((other.field for other in metadata if isinstance(other, Times)), None)
                return ListOf(layout_of(_item(inner)), times), marks
        if any(isinstance(mark, OffWire) for mark in marks):
            return Nothing(), marks
        layout, inner_marks = _layout_and_marks(inner)
        return layout, inner_marks + marks
    if typing.get_origin(hint) is tuple:
        return TupleOf(tuple(layout_of(item) for item in typing.get_args(hint))), []
    if typing.get_origin(hint) in {Union, types.UnionType}:  # `X | None` with a mark that says when it is there
        (some,) = (item for item in typing.get_args(hint) if item is not type(None))
        return _layout_and_marks(some)
    own = getattr(hint, "wire_layout", None) or getattr(hint, "request_layout", None)
    if own is None:
        raise TypeError(f"{hint!r} is not a layout of the wire")
    return own, []


def _item(sequence: Any) -> Any:
    (item,) = typing.get_args(sequence)
    return item


# --- the prefix of all cache operations --------------------------------------------------------------------------

FLAG_KEEP_BINARY: Final = 1
FLAG_TRANSACTIONAL: Final = 2
FLAG_EXPIRY: Final = 4


MAX_MILLISECONDS: Final = 2**63 - 1


def milliseconds(duration: Duration) -> int:
    """A duration in ms, rounded up. Raises EncodeTypeError, EncodeValueError, EncodeOverflowError."""
    if type(duration) is not int:
        from datetime import timedelta  # noqa: PLC0415 - most policies come from the wire

        if not isinstance(duration, timedelta):
            raise EncodeTypeError(f"expected ms or timedelta, got a Python {type(duration).__qualname__}")
        if duration < timedelta(0):
            raise EncodeValueError("an expiry time must not be negative")
        return -(-duration // timedelta(milliseconds=1))
    if duration < ExpiryPolicy.UNCHANGED:
        raise EncodeValueError("an expiry time in ms must not be below -2")
    if duration > MAX_MILLISECONDS:
        raise EncodeOverflowError("an expiry time in ms must fit into 64 bits")
    return duration


@attrs.frozen
class ExpiryPolicy:
    """When entries expire: int ms or timedelta after create, update and access; 0 is at once.

    UNCHANGED (the default) leaves what the entry has, ETERNAL is never. The attributes are in ms. Raises
    EncodeTypeError, EncodeValueError and EncodeOverflowError for other durations.

    >>> cache = await client.raw.get_or_create_cache("cache")
    >>> brief = cache.with_expire_policy(ig.raw.ExpiryPolicy(create=60_000, access=datetime.timedelta(minutes=5)))
    >>> await brief.put(1, "Ann")
    """

    UNCHANGED: ClassVar[int] = -2
    ETERNAL: ClassVar[int] = -1

    create: int = attrs.field(default=-2, converter=milliseconds)
    update: int = attrs.field(default=-2, converter=milliseconds)
    access: int = attrs.field(default=-2, converter=milliseconds)


def _encode_cache_ref(ref: "CacheRef") -> bytes:
    flags = ref.flags & ~(FLAG_TRANSACTIONAL | FLAG_EXPIRY)
    rest = b""
    if ref.expiry is not None:
        flags |= FLAG_EXPIRY
        rest = struct.pack("<qqq", ref.expiry.create, ref.expiry.update, ref.expiry.access)
    if ref.transaction is not None:
        flags |= FLAG_TRANSACTIONAL
        rest += struct.pack("<i", ref.transaction)
    return struct.pack("<ib", ref.cache_id, flags) + rest


def _cache_ref_since(ref: "CacheRef") -> tuple[int, int, int]:
    if ref.expiry is not None:
        return 1, 6, 0
    return (1, 0, 0) if ref.transaction is None else (1, 5, 0)


def write_cache_ref(codecs: Codecs, context: ProtocolContext, out: bytearray, ref: "CacheRef") -> None:
    """Append the prefix, which was encoded when the CacheRef was made."""
    out += ref.wire


def read_cache_ref(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple["CacheRef", int]:
    """Read the prefix of a cache operation (the server's side)."""
    cache_id, flags = struct.unpack_from("<ib", buf, pos)
    pos += 5
    if not flags & (FLAG_EXPIRY | FLAG_TRANSACTIONAL):
        return _plain_ref(cache_id, flags & FLAG_KEEP_BINARY), pos
    expiry = transaction = None
    if flags & FLAG_EXPIRY:
        durations = struct.unpack_from("<qqq", buf, pos)
        if min(durations) < ExpiryPolicy.UNCHANGED:
            raise DecodeError("an expiry below -2 ms")
        expiry = ExpiryPolicy(*durations)
        pos += 24
    if flags & FLAG_TRANSACTIONAL:
        (transaction,) = struct.unpack_from("<i", buf, pos)
        pos += 4
    return CacheRef(cache_id, flags & FLAG_KEEP_BINARY, expiry, transaction), pos


@attrs.frozen
class CacheRef:
    """Which cache an operation is about, with what flags, expiry policy and transaction.

    Made once per view of a cache, so its bytes are encoded once.
    """

    wire_layout: ClassVar[Custom] = Custom(write_cache_ref, read_cache_ref, inline="wire", since="since")

    cache_id: int
    flags: int = 0
    expiry: ExpiryPolicy | None = None
    transaction: int | None = None
    wire: bytes = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_encode_cache_ref, takes_self=True)
    )
    since: tuple[int, int, int] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_cache_ref_since, takes_self=True)
    )
    """The first version of the protocol that has such a prefix."""


_plain_ref: Final = functools.lru_cache(maxsize=4096)(CacheRef)  # nearly all requests of a server have such a one
