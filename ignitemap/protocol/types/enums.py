"""Enums: a type id and an ordinal.

A registered enum's members are written as code 28 and come back as code 38 (seen from a 2.17.0 node). The constant's
position in Java's declaration is the ordinal; a Python member's value never travels.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from struct import Struct
from typing import Any, Final, Generic, TypeVar

import attrs

from ignitemap.exceptions import DecodeError, ModelError
from ignitemap.protocol.binary_type import ENUM_SCHEMA, BinaryType, enum_type
from ignitemap.protocol.codecs import Codecs, Encoder, Spec, cannot_hold, wrong_type
from ignitemap.protocol.hashing import type_id as id_of
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.text import read_str

__all__ = [
    "EnumCodec",
    "EnumValue",
    "decode_enum",
    "enum_of",
    "make_enum_codec",
    "read_type_id",
    "register",
]

E = TypeVar("E", bound=Enum)

pack_enum: Final = Struct("<Bii").pack
unpack_int: Final = Struct("<i").unpack_from
unpack_ints: Final = Struct("<ii").unpack_from
unpack_count: Final = Struct("<I").unpack_from


@attrs.frozen
class EnumValue:
    """A constant of an enum that the program has not registered. It writes back as the same constant."""

    type_id: int
    ordinal: int


@attrs.frozen(eq=False)
class EnumCodec(Generic[E]):
    """How the members of one enum class travel."""

    cls: type[E]
    known: BinaryType
    encode: Encoder
    member: Callable[[int], E]
    """From ordinal to member. Raises DecodeError for an ordinal that the class does not have."""


def make_enum_codec(cls: type[E], type_name: str, ordinals: Mapping[str, int] | None = None) -> EnumCodec[E]:
    """The codec of an enum class under the name of its Ignite type.

    ``ordinals`` maps the names of members to Java's ordinals; without it they count in the order of definition, as
    Java's do. Raises ModelError where it does not name every member once.
    """
    if ordinals is None:
        ordinals = {name: ordinal for ordinal, name in enumerate(cls.__members__) if cls.__members__[name].name == name}
    known = enum_type(type_name, ordinals)
    by_name = {name: cls.__members__.get(name) for name in ordinals}
    members = {ordinal: by_name[name] for name, ordinal in ordinals.items()}
    if len(members) != len(ordinals) or set(by_name) != {member.name for member in cls.__members__.values()}:
        raise ModelError(f"the ordinals of {type_name} must name every member of {cls.__qualname__} once")
    written = {name: pack_enum(codes.ENUM, known.id, ordinal) for name, ordinal in ordinals.items()}
    pair = (known.id, ENUM_SCHEMA)

    def encode(codecs: Codecs, out: bytearray, value: E) -> None:
        payload = written.get(value._name_)
        if payload is None:  # flags can be combined to what no constant is
            raise cannot_hold(type_name, "has no constant for this combination")
        out += payload
        if pair not in codecs.known.announced:
            codecs.announce(known, ENUM_SCHEMA)

    def member(ordinal: int) -> Any:
        try:
            return members[ordinal]
        except KeyError:
            raise DecodeError(f"{type_name} has no constant with the ordinal {ordinal} in this program") from None

    return EnumCodec(cls, known, encode, member)


def read_type_id(buf: bytes, pos: int) -> tuple[int, int]:
    """Read the type id of an enum or array; 0 means that the name of an unregistered Java class follows."""
    found: int = unpack_int(buf, pos)[0]
    pos += 4
    if found:
        return found, pos
    name, pos = read_str(buf, pos)
    return id_of(name), pos


def encode_enum_value(codecs: Codecs, out: bytearray, value: EnumValue) -> None:
    """Write a constant of an enum that the program has not registered."""
    out += pack_enum(codes.ENUM, value.type_id, value.ordinal)


def decode_enum(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read a constant: a member where the program registered the enum, else an EnumValue."""
    found, ordinal = unpack_ints(buf, pos)
    pos += 8
    if not found:
        found, pos = read_type_id(buf, pos - 8)
        ordinal = unpack_int(buf, pos)[0]
        pos += 4
    member = codecs.enum_decoders.get(found)
    if member is None:
        # Only what the program registered is remembered: a cluster can name any number of types.
        member = codecs.resolver.enum_for(found)
        if member is None:
            return EnumValue(found, ordinal), pos
        codecs.enum_decoders[found] = member
    return member(ordinal), pos


def decode_enum_array(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[Any], int]:
    """Read an array of constants."""
    start = pos - 1
    _, pos = read_type_id(buf, pos)
    count = unpack_count(buf, pos)[0]
    pos += 4
    if count > len(buf) - pos:
        raise codes.out_of_bytes(codes.ENUM_ARRAY, start)
    items: list[Any] = []
    for _ in range(count):
        code = buf[pos]
        if code == codes.NULL:
            items.append(None)
            pos += 1
        elif code in (codes.ENUM, codes.BINARY_ENUM):
            item, pos = decode_enum(codecs, buf, pos + 1)
            items.append(item)
        else:
            raise codes.mismatch("enum", buf, pos)
    return items, pos


def spec_of(codec: EnumCodec[E]) -> Spec[E]:
    """The spec of one enum: its members in both directions, another enum is refused."""
    cls, name, own, encode_member, member = codec.cls, codec.known.name, codec.known.id, codec.encode, codec.member

    def encode(codecs: Codecs, out: bytearray, value: E) -> None:
        if not isinstance(value, cls):
            raise wrong_type(name, value)
        encode_member(codecs, out, value)

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[E, int]:
        if buf[pos] not in (codes.ENUM, codes.BINARY_ENUM):
            raise codes.mismatch(name, buf, pos)
        found, after = read_type_id(buf, pos + 1)
        if found != own:
            raise DecodeError(f"expected {name}, the cluster has an enum with the type id {found}", offset=pos)
        return member(unpack_int(buf, after)[0]), after + 4

    return Spec(name, encode, decode, code=codes.ENUM, java=name)


def enum_of(cls: type[E], type_name: str, ordinals: Mapping[str, int] | None = None) -> Spec[E]:
    """The spec of an enum class under the name of its Ignite type; arguments and errors as of `make_enum_codec`."""
    return spec_of(make_enum_codec(cls, type_name, ordinals))


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[EnumValue] = encode_enum_value
    codecs.decoders[codes.ENUM] = decode_enum
    codecs.decoders[codes.BINARY_ENUM] = decode_enum
    codecs.decoders[codes.ENUM_ARRAY] = decode_enum_array
