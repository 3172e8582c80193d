"""The map from types to their codecs: which function writes a Python value, which one reads a type code.

A leaf encoder is ``encode_x(codecs, out, value)``: it appends the type code and the payload to a bytearray.
A leaf decoder is ``decode_x(codecs, buf, pos) -> (value, pos)``: it starts behind the type code. Both are plain
functions; the families live one file each in ``types/`` and end in ``register(codecs)``.

Nothing here awaits. Where a value can't be read without the cluster's metadata, ``SchemaMissing`` is raised;
where an object is written whose type the cluster may not know yet, the type is noted in ``Codecs.unannounced``.
The session (client/session.py) fetches the one and announces the other.
"""

import struct
from collections.abc import Callable, Generator
from enum import Enum
from functools import wraps
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

import attrs

from ignitemap.exceptions import DecodeError, EncodeOverflowError, EncodeTypeError, EncodeValueError
from ignitemap.protocol.binary_type import BinaryType, KnownTypes

__all__ = [
    "ANY",
    "MALFORMED",
    "MAX_DECODE_DEPTH",
    "MAX_ENCODE_DEPTH",
    "NATIVE_DEPTH",
    "UNTYPED",
    "Codecs",
    "Decoder",
    "Encoder",
    "EntryTypes",
    "Followed",
    "Hinted",
    "NaiveDatetime",
    "SchemaMissing",
    "Spec",
    "Steps",
    "TypeResolver",
    "Walker",
    "cannot_hold",
    "decode_object",
    "encode_hinted",
    "encode_object",
    "malformed",
    "optional",
    "out_of_range",
    "too_deep",
    "wrong_type",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Encoder = Callable[["Codecs", bytearray, Any], None]
Decoder = Callable[["Codecs", bytes, int], tuple[Any, int]]
Steps = Generator[tuple["Walker", int], tuple[Any, int], tuple[Any, int]]
"""The reading of one container that asks for each container inside it, and is sent its value and end."""
Walker = Callable[["Codecs", bytes, int], Steps]
"""A decoder that reads without recursion: types/deep.py drives it."""
NaiveDatetime = Literal["error", "utc", "local"]

MAX_ENCODE_DEPTH: Final = 100
"""How deep a value may nest that is written."""
MAX_DECODE_DEPTH: Final = 1000
"""How deep a value may nest that is read. Values that a JVM wrote nested 600 deep were stored by a 2.17.0 node."""
NATIVE_DEPTH: Final = 16
"""Down to here decoders call each other. What is deeper is read without recursion, so that neither the interpreter's
limit nor the depth of the caller's own stack matters."""
NULL: Final = 0x65

# What reading hostile or cut bytes can raise inside struct, slicing, text, date and number conversion.
# The caller of a decoder turns these, and only these, into DecodeError: anything else is a bug of ours and must be seen.
MALFORMED: Final = (struct.error, IndexError, ValueError, OverflowError, RecursionError)


class SchemaMissing(Exception):  # noqa: N818 - a signal to the session, never an error that a caller sees
    """An object's schema must be learned from the cluster before the object can be read."""

    def __init__(self, type_id: int, schema_id: int) -> None:
        super().__init__(type_id, schema_id)
        self.type_id = type_id
        self.schema_id = schema_id


@attrs.frozen(eq=False)
class Spec(Generic[T_co]):
    """How values of one declared type travel: ``ig.INT``, ``ig.list_of(ig.INT)``, a model, ``ig.ANY``.

    ``encode`` writes type code and payload and raises EncodeError for a value that isn't of the type; ``decode``
    starts *at* the type code (so that it can check it) and raises DecodeError for an object of another type.
    With ``joins_key`` both take the entry's key as one more argument: a model whose key fields live in the
    cache key is written without them and read back with them.

    >>> prices = await client.cache("prices", ig.STRING, ig.DECIMAL)
    >>> await prices.set("tea", Decimal("2.90"))
    >>> await prices["tea"]
    Decimal('2.90')
    >>> numbers = [ig.BYTE, ig.SHORT, ig.INT, ig.LONG, ig.FLOAT, ig.DOUBLE, ig.DECIMAL]
    >>> others = [ig.BOOL, ig.CHAR, ig.STRING, ig.UUID, ig.BYTES, ig.DATE, ig.TIME, ig.TIMESTAMP, ig.TIMEDELTA, ig.ANY]
    >>> ig.dict_of(ig.INT, ig.optional(ig.STRING))
    Spec(name='dict of int to String or None')
    """

    name: str
    encode: Callable[..., None] = attrs.field(repr=False)
    decode: Callable[..., tuple[T_co, int]] = attrs.field(repr=False)
    code: int = attrs.field(default=103, repr=False)
    """The type code that the cluster's metadata declares for a field of this type (103: any object)."""
    java: str | None = attrs.field(default=None, repr=False)
    """The Java class in a query entity; None where SQL can't have it as a column."""
    nullable: bool = attrs.field(default=False, repr=False)
    joins_key: bool = attrs.field(default=False, repr=False)
    hashable: bool = attrs.field(default=True, repr=False)
    """Whether values can be dict keys and set elements, and so keys of a cache."""
    fixed: str | None = attrs.field(default=None, repr=False)
    """struct format of the payload (no byte order) where it is one fixed-size scalar: codegen fuses such runs."""
    emit_item: Callable[..., None] | None = attrs.field(default=None, repr=False, eq=False)
    """``emit_item(source, key_code, key_form, own_key)`` writes, for a loop over many entries, what ``encode`` does in line:
    statements that make of ``key``, of this type code and struct format, and ``value`` the bytes ``item``, or None where
    that is left to ``encode``. With ``own_key`` the key was read off the value. None with another ``encode``."""
    emit_read: Callable[..., None] | None = attrs.field(default=None, repr=False, eq=False)
    """``emit_read(source, key, key_code, key_form, value)`` writes, for a loop over many entries, what ``decode`` does in
    line: statements that read at ``pos`` into the variables of these names and set ``layout``, to None where they are to
    be read by the decoders, as if nothing had been read. The key is a number of this type code and struct format; where
    the code is None it has been read, and they read the value alone. None with another ``decode``."""
    parts: tuple[Callable[..., tuple[Any, int]], ...] = attrs.field(default=(), repr=False)
    """What reads the values of a tuple, where ``decode`` reads one, value by value: codegen fuses what it can."""


class TypeResolver(Protocol):
    """Where a Codecs asks for classes and type ids that it hasn't met: the model registry, or nothing."""

    def encoder_for(self, cls: type) -> Encoder | None:
        """The encoder of a class, or None where the program has not registered it."""
        ...

    def decoder_for(self, type_id: int) -> Decoder | None:
        """The decoder of a complex object (starting at its 0x67) or None for a type the program didn't register."""
        ...

    def enum_for(self, type_id: int) -> Callable[[int], Any] | None:
        """The function from ordinal to enum member, or None for an enum that the program didn't register."""
        ...


class NoResolver:
    """A program without models."""

    def encoder_for(self, cls: type) -> Encoder | None:
        """No class is known."""
        return None

    def decoder_for(self, type_id: int) -> Decoder | None:
        """No complex type is known."""
        return None

    def enum_for(self, type_id: int) -> Callable[[int], Any] | None:
        """No enum is known."""
        return None


class Hinted:
    """A value with the spec that it is to be written with: what pyignite's ``(item, hint)`` tuples become."""

    __slots__ = ("spec", "value")

    def __init__(self, value: object, spec: Spec[Any]) -> None:
        self.value = value
        self.spec = spec


class Followed(NamedTuple):
    """What a handle stands for."""

    value: Any
    size: int
    """In bytes, with all that the handles in it stand for."""
    depth: int
    """How deep it was read; there and above it does not nest too deep."""


class Codecs:
    """One client's codecs in one result profile: tables by class and by type code, and what the cluster knows.

    The mapping face and the raw layer differ in what some type codes become in Python; each has a Codecs of its
    own, made by its profile's function, and both share the cluster's ``known`` types.
    """

    __slots__ = (
        "compact_footer",
        "decoders",
        "depth",
        "encoders",
        "enum_decoders",
        "expanded",
        "followed",
        "further",
        "known",
        "naive_datetime",
        "object_decoders",
        "repeated",
        "resolver",
        "shared",
        "unannounced",
        "walkers",
    )

    def __init__(
        self,
        *,
        known: KnownTypes | None = None,
        resolver: TypeResolver | None = None,
        naive_datetime: NaiveDatetime = "error",
        further: Callable[["Codecs"], None] | None = None,
    ) -> None:
        self.encoders: dict[type, Encoder] = {Hinted: encode_hinted}
        self.further = further
        """Registers the types that are put off until a value of a class or type code beyond those in the tables comes."""
        self.decoders: list[Decoder] = [decode_unknown_code if further is None else decode_further] * 256
        self.walkers: dict[int, Walker] = {}
        """The type codes that have objects inside, and how each is read beyond NATIVE_DEPTH."""
        self.object_decoders: dict[int, Decoder] = {}
        self.enum_decoders: dict[int, Callable[[int], Any]] = {}
        self.known = KnownTypes() if known is None else known
        self.resolver: TypeResolver = NoResolver() if resolver is None else resolver
        self.naive_datetime: NaiveDatetime = naive_datetime
        self.compact_footer = True  # what every server of today answers to operation 3004; the session asks
        self.unannounced: list[BinaryType] = []
        self.depth = 0
        self.repeated = 0  # bytes read again through handles; the caller resets it together with depth
        # These two belong to types/handles.py, which resets them where it finds `repeated` reset.
        self.followed: dict[int | tuple[Decoder, int], Followed | None] = {}
        """What handles refer to, by where it was read and how, if not untyped; None while it is being read."""
        self.expanded = 0
        """The bytes that all handles stand for."""
        self.shared: bytes | None = None
        """The buffer that a BinaryObject is being read from: objects inside it keep all of it, for their handles."""

    def add_further(self) -> None:
        """Register the types that were put off."""
        further, self.further = self.further, None
        if further is not None:
            further(self)
            self.decoders[:] = (decode_unknown_code if each is decode_further else each for each in self.decoders)

    def find_encoder(self, cls: type) -> Encoder:
        """The encoder of a class that is not in the table yet: a registered class, else its nearest known base.

        Raises EncodeTypeError when there is none. The answer is remembered.
        """
        if self.further is not None:
            self.add_further()
            return self.encoders.get(cls) or self.find_encoder(cls)
        encoder = self.resolver.encoder_for(cls)
        if encoder is None:
            if issubclass(cls, Enum):  # an IntEnum is an int too, but would not come back as one of its members
                raise EncodeTypeError(f"the enum {cls.__module__}.{cls.__qualname__} is not registered")
            for base in cls.__mro__[1:-1]:
                encoder = self.encoders.get(base)
                if encoder is not None:
                    break
            else:
                raise EncodeTypeError(f"no Ignite type for a Python {cls.__module__}.{cls.__qualname__}")
        self.encoders[cls] = encoder
        return encoder

    def announce(self, binary_type: BinaryType, schema: int) -> None:
        """Note a type that is written now and that the cluster may not know; the session announces it first."""
        if (binary_type.id, schema) not in self.known.announced and binary_type not in self.unannounced:
            self.unannounced.append(binary_type)


def encode_object(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write any value by its class. Raises EncodeError (nothing has been sent)."""
    encoder = codecs.encoders.get(value.__class__)
    if encoder is None:
        encoder = codecs.find_encoder(value.__class__)
    encoder(codecs, out, value)


def decode_object(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read any object: the type code at ``pos`` decides."""
    return codecs.decoders[buf[pos]](codecs, buf, pos + 1)


def encode_hinted(codecs: Codecs, out: bytearray, value: Hinted) -> None:
    """Write a value with the spec that came with it."""
    value.spec.encode(codecs, out, value.value)


def decode_further(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Stands for the decoders of all types that were put off: registers them, and reads on."""
    codecs.add_further()
    return codecs.decoders[buf[pos - 1]](codecs, buf, pos)


def decode_unknown_code(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Refuse a type code that the protocol doesn't have."""
    raise DecodeError(f"type code {buf[pos - 1]} is not one of the protocol's")


ANY: Final[Spec[Any]] = Spec("any", encode_object, decode_object, code=103, nullable=True)


@attrs.frozen(eq=False)
class EntryTypes:
    """The declared key and value types of one cache; operations are compiled per pair (codegen.py)."""

    key: Spec[Any] = ANY
    value: Spec[Any] = ANY
    compiled: dict[Any, Any] = attrs.field(factory=dict[Any, Any], repr=False, init=False)


UNTYPED: Final = EntryTypes()


def optional(spec: Spec[T]) -> Spec[T | None]:
    """The same type with None: null on the wire.

    >>> lists = await client.cache("lists", ig.INT, ig.list_of(ig.optional(ig.STRING)))
    >>> await lists.set(1, ["Ann", None])
    >>> await lists[1]
    ['Ann', None]
    """
    if spec.nullable:
        return spec
    encode_some, decode_some = spec.encode, spec.decode

    @wraps(encode_some)  # codegen and bulk writes do in line what is wrapped, and call these for None and null
    def encode(codecs: Codecs, out: bytearray, value: T | None, *key: Any) -> None:
        if value is None:
            out.append(NULL)
        else:
            encode_some(codecs, out, value, *key)

    @wraps(decode_some)
    def decode(codecs: Codecs, buf: bytes, pos: int, *key: Any) -> tuple[T | None, int]:
        if buf[pos] == NULL:
            return None, pos + 1
        return decode_some(codecs, buf, pos, *key)

    return Spec(
        f"{spec.name} or None",
        encode,
        decode,
        spec.code,
        spec.java,
        nullable=True,
        joins_key=spec.joins_key,
        hashable=spec.hashable,
    )


def malformed(what: str, error: Exception) -> DecodeError:
    """The DecodeError for one of MALFORMED, naming ``what`` was read. Raise it ``from`` the error."""
    return DecodeError(f"{what}: {type(error).__name__}: {error}")


def wrong_type(spec_name: str, value: object) -> EncodeTypeError:
    """The error for a value that is not of the declared type; it names the classes and never the value."""
    return EncodeTypeError(f"expected {spec_name}, got a Python {type(value).__qualname__}")


def out_of_range(spec_name: str) -> EncodeOverflowError:
    """The error for a number that the declared type can't hold."""
    return EncodeOverflowError(f"the number is out of range for {spec_name}")


def cannot_hold(spec_name: str, why: str) -> EncodeValueError:
    """The error for a value of the right class that the wire can't hold exactly."""
    return EncodeValueError(f"{spec_name} {why}")


def too_deep(limit: int) -> str:
    """The message for a value that nests deeper than ``limit``."""
    return f"the value nests deeper than {limit} levels"
