"""The vocabulary of layouts: the words in which ``operations`` says what an operation looks like on the wire.

A word is a type alias that a type checker reads as the Python type and codegen.py reads as a layout::

    @operation(1011, effect="read")
    class CacheContainsKey(Request[boolean]):
        cache: CacheRef
        key: key

``Since`` and ``When`` mark fields that only some servers know; ``Times`` is a list whose length stands elsewhere;
``OffWire`` is a field that helps to read the answer and is not sent.
"""

import enum
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, NoReturn, TypeVar, cast, dataclass_transform
from uuid import UUID

import attrs

__all__ = [
    "REQUIRED",
    "Array",
    "Asked",
    "Custom",
    "EntryKey",
    "EntryValue",
    "Feature",
    "Fixed",
    "Leaf",
    "OffWire",
    "ProtocolContext",
    "Since",
    "Times",
    "When",
    "array",
    "blob",
    "boolean",
    "i8",
    "i16",
    "i32",
    "i64",
    "key",
    "nullable_text",
    "obj",
    "slotted",
    "text",
    "uuid16",
    "uuid_obj",
    "value",
    "word",
]

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Feature(enum.IntEnum):
    """Feature bits of the handshake, protocol 1.7.0 (ClientBitmaskFeature of Ignite 2.17.0)."""

    USER_ATTRIBUTES = 0
    EXECUTE_TASK_BY_NAME = 1
    CLUSTER_STATES = 2
    CLUSTER_GROUP_GET_NODES_ENDPOINTS = 3
    CLUSTER_GROUPS = 4
    SERVICE_INVOKE = 5
    DEFAULT_QRY_TIMEOUT = 6
    QRY_PARTITIONS_BATCH_SIZE = 7
    BINARY_CONFIGURATION = 8
    GET_SERVICE_DESCRIPTORS = 9
    SERVICE_INVOKE_CALLCTX = 10
    HEARTBEAT = 11
    DATA_REPLICATION_OPERATIONS = 12
    ALL_AFFINITY_MAPPINGS = 13
    INDEX_QUERY = 14
    INDEX_QUERY_LIMIT = 15
    SERVICE_TOPOLOGY = 16
    CACHE_INVOKE = 17
    TX_AWARE_QUERIES = 18
    FORCE_DEACTIVATION_FLAG = 19


@attrs.frozen
class ProtocolContext:
    """What the two ends of one connection agreed on: the protocol version and the features both have."""

    version: tuple[int, int, int] = (1, 7, 0)
    features: frozenset[int] = frozenset(Feature)


# --- classes of a description -------------------------------------------------------------------------------------

REQUIRED: Final = attrs.NOTHING
"""The default of a field that has none."""


def slotted(cls: Any, alike: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A class with slots for its annotated fields and what all of its kind do ``alike``, and the fields' defaults.

    attrs writes, compiles and keeps the text of all that a class does. There are some 150 such classes here, and it was
    half of the memory of a client, and of the time that its import takes.
    """
    namespace: dict[str, Any] = {**cls.__dict__}
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    defaults = {name: namespace.pop(name, REQUIRED) for name in inspect.get_annotations(cls)}
    made = cls.__class__(cls.__name__, cls.__bases__, {**namespace, **alike, "__slots__": tuple(defaults)})
    return made, defaults


@dataclass_transform(frozen_default=True)
def word(cls: C) -> C:
    """Make a class of which descriptions consist: frozen, compared by its fields, matched by their positions."""
    made, defaults = slotted(cls, _WORD)
    setattr(made, "__match_args__", tuple(defaults))  # noqa: B010 - checkers know it of classes that they see through
    made.defaults = {name: default for name, default in defaults.items() if default is not REQUIRED}
    return cast("C", made)


def _make_word(one: Any, /, *values: Any, **named: Any) -> None:
    names = one.__match_args__
    given = {**one.defaults, **dict(zip(names, values, strict=False)), **named}
    if len(values) > len(names) or given.keys() != {*names}:
        raise TypeError(f"{type(one).__name__} takes {', '.join(names) or 'nothing'}")
    for name in names:
        object.__setattr__(one, name, given[name])


def _values(one: Any) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in one.__match_args__)


def _same_word(one: Any, other: object) -> Any:
    return _values(one) == _values(other) if other.__class__ is one.__class__ else NotImplemented


def _hash_of_word(one: Any) -> int:
    return hash((one.__class__, _values(one)))


def _word_shown(one: Any) -> str:
    return f"{type(one).__name__}({', '.join(map(repr, _values(one)))})"


def _frozen(one: Any, name: str, value: object) -> NoReturn:
    raise AttributeError(f"{type(one).__name__}.{name} can't be changed")


_WORD: Final = {
    "__init__": _make_word,
    "__eq__": _same_word,
    "__hash__": _hash_of_word,
    "__repr__": _word_shown,
    "__setattr__": _frozen,
}


# --- layouts -----------------------------------------------------------------------------------------------------


@word
class Fixed:
    """One scalar of fixed size: a struct format character without byte order. Runs of them are fused."""

    format: str


@word
class Leaf:
    """A typed object read and written by a function of types/: the name of the pair in codegen.LEAVES."""

    name: str


@word
class EntryKey:
    """A key of the cache: written and read by the cache's declared key type."""


@word
class EntryValue:
    """A value of the cache; it belongs to the nearest key: its neighbour in a record, else the request's."""


@word
class Array:
    """A count (i32) and that many items."""


@word
class Custom:
    """A wire form of its own: ``encode(codecs, context, out, value)`` and ``decode(codecs, context, buf, pos)``."""

    encode: Callable[..., None]
    decode: Callable[..., tuple[Any, int]]
    inline: str | None = None
    """The attribute that holds the encoded bytes, where the record keeps them."""
    since: str | None = None
    """The attribute that holds the first version of the protocol that knows these bytes, where not every one does."""


# --- marks -------------------------------------------------------------------------------------------------------


@word
class Since:
    """The field exists from this protocol version on; older servers get the field's default."""

    version: tuple[int, int, int]


@word
class When:
    """The field exists where this feature was negotiated; otherwise it has its default."""

    feature: Feature


@word
class Asked:
    """A field that exists where the named field of its record (or of the request) is true, or false if ``equal`` is."""

    field: str
    equal: bool = True


@word
class Times:
    """A list without a count of its own: the named field of the record, or of the request, holds it."""

    field: str


@word
class OffWire:
    """A field of a request that is never sent: it helps to read the answer."""


# --- words -------------------------------------------------------------------------------------------------------

i8 = Annotated[int, Fixed("b")]
i16 = Annotated[int, Fixed("h")]
i32 = Annotated[int, Fixed("i")]
i64 = Annotated[int, Fixed("q")]
boolean = Annotated[bool, Fixed("?")]
text = Annotated[str, Leaf("text")]
nullable_text = Annotated[str | None, Leaf("nullable_text")]
blob = Annotated[bytes, Leaf("blob")]
uuid_obj = Annotated[UUID | None, Leaf("uuid_obj")]
uuid16 = Annotated[UUID, Leaf("uuid16")]
obj = Annotated[Any, Leaf("obj")]
key = Annotated[Any, EntryKey()]
value = Annotated[Any, EntryValue()]
array = Annotated[Sequence[T], Array()]

NULL: Final = 0x65
