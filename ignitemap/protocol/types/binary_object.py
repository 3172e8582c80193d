"""Complex objects: the header, the footer, and `BinaryObject` for types that the program has not registered.

Layout (org.apache.ignite.internal.binary.GridBinaryMarshaller and BinaryUtils): 24 bytes of header, the fields one
after another, raw data, the footer with the fields' offsets, and where there are both raw data and a footer, the offset
of the raw data. All offsets count from the object's own 0x67.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from struct import Struct
from typing import Any, Final, NamedTuple

from ignitemap.exceptions import DecodeError, EncodeValueError
from ignitemap.protocol.binary_type import BinaryType, KnownTypes
from ignitemap.protocol.codecs import (
    MALFORMED,
    MAX_DECODE_DEPTH,
    Codecs,
    SchemaMissing,
    decode_object,
    malformed,
    too_deep,
)
from ignitemap.protocol.hashing import bytes_hash, type_id as id_of
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.extent import FIXED_SIZES, ITEM_SIZES, NAMED_IF_ZERO
from ignitemap.protocol.types.text import read_str

__all__ = [
    "BinaryObject",
    "Header",
    "decode_complex",
    "decode_inert",
    "decode_wrapped",
    "field_offsets",
    "object_bytes",
    "parse_header",
    "register",
]

VERSION: Final = 1
HEADER_LENGTH: Final = 24
USER_TYPE: Final = 0x0001
HAS_SCHEMA: Final = 0x0002
HAS_RAW: Final = 0x0004
OFFSET_ONE_BYTE: Final = 0x0008
OFFSET_TWO_BYTES: Final = 0x0010
COMPACT_FOOTER: Final = 0x0020
NO_FIELDS_SCHEMA: Final = -2128831035  # 0x811C9DC5, the seed of the schema hash (seen from a 2.17.0 node)

HEADER: Final = Struct("<BBHiiIiI")
"""Code, version, flags, type id, hash, length, schema id, offset of the footer (or of raw data where it has no schema).
"""
unpack_header: Final = HEADER.unpack_from
pack_header: Final = HEADER.pack
unpack_int: Final = Struct("<i").unpack_from
unpack_uint: Final = Struct("<I").unpack_from

LONGEST_SHOWN: Final = 100
MOST_SHOWN: Final = 30
WIDTHS: Final = {OFFSET_ONE_BYTE: 1, OFFSET_TWO_BYTES: 2, 0: 4}
FORMATS: Final = {1: "B", 2: "H", 4: "I"}
COMPACT_ENTRY: Final = {width: Struct(f"<{fmt}") for width, fmt in FORMATS.items()}
FULL_ENTRY: Final = {width: Struct(f"<i{fmt}") for width, fmt in FORMATS.items()}


class Header(NamedTuple):
    """The header of one object, checked. Positions are absolute, in the buffer that the object stands in."""

    flags: int
    type_id: int
    hash: int
    schema_id: int
    fields: int
    """Where the fields start."""
    fields_end: int
    footer: int
    footer_end: int
    end: int

    @property
    def has_schema(self) -> bool:
        """Whether there are named fields."""
        return bool(self.flags & HAS_SCHEMA)

    @property
    def compact(self) -> bool:
        """Whether the ids of the fields are in the cluster's metadata and not in the footer."""
        return bool(self.flags & COMPACT_FOOTER)


def parse_header(buf: bytes, pos: int) -> Header:
    """Read and check the header of the object whose 0x67 is at ``pos``."""
    code, version, flags, type_id, hash_code, length, schema_id, footer = unpack_header(buf, pos)
    if code != codes.OBJECT:
        raise codes.mismatch("complex object", buf, pos)
    if version != VERSION:
        raise DecodeError(f"version {version} of complex objects is not known", offset=pos)
    end = pos + length
    if end > len(buf) or length < HEADER_LENGTH:
        raise codes.out_of_bytes(codes.OBJECT, pos)
    fields = pos + HEADER_LENGTH
    if not type_id:  # the name of an unregistered class comes before the fields
        name, fields = read_str(buf, fields)
        type_id = id_of(name)
    footer_end = end
    fields_end = pos + footer
    if flags & HAS_SCHEMA:
        if flags & HAS_RAW:
            footer_end -= 4
            if footer_end < fields:
                raise codes.out_of_bytes(codes.OBJECT, pos)
            fields_end = pos + unpack_uint(buf, footer_end)[0]
        footer += pos
    else:
        footer = footer_end
        fields_end = fields
    if not fields <= fields_end <= footer <= footer_end:
        raise DecodeError("the parts of a complex object overlap", offset=pos)
    return Header(flags, type_id, hash_code, schema_id, fields, fields_end, footer, footer_end, end)


def offsets_of(header: Header, order: Sequence[int] | None, buf: bytes, pos: int) -> dict[int, int]:
    """Field ids to absolute positions. ``order`` has the ids of a compact footer."""
    if not header.has_schema:
        return {}
    width = WIDTHS.get(header.flags & (OFFSET_ONE_BYTE | OFFSET_TWO_BYTES), 1)
    footer = buf[header.footer : header.footer_end]
    if order is None:
        entry = FULL_ENTRY[width]
        found = {} if len(footer) % entry.size else dict(entry.iter_unpack(footer))
        count = len(footer) // entry.size
    else:
        entry = COMPACT_ENTRY[width]
        count = len(order)
        found = (
            dict(zip(order, (offset for (offset,) in entry.iter_unpack(footer)), strict=True))
            if len(footer) == count * width
            else {}
        )
    if len(found) != count:
        raise DecodeError("the footer of a complex object does not fit its schema", offset=pos)
    # Every field takes a byte or more and they are written one after another, so offsets only grow. What overlaps would
    # let one object stand for many, and nested ones for very many.
    last = header.fields - 1
    for field, offset in found.items():
        at = found[field] = pos + offset
        if not last < at < header.fields_end:
            raise DecodeError("a field of a complex object is outside of it", offset=pos)
        last = at
    return found


def schema_of(known: KnownTypes, header: Header) -> Sequence[int] | None:
    """The field ids of a compact footer; None for a full one. Raises SchemaMissing where the cluster must be asked."""
    if not header.has_schema or not header.compact:
        return None
    binary_type = known.types.get(header.type_id)
    order = None if binary_type is None else binary_type.schemas.get(header.schema_id)
    if order is None:
        if (header.type_id, header.schema_id) in known.absent:
            raise DecodeError(f"the cluster has no schema {header.schema_id} of the type with the id {header.type_id}")
        raise SchemaMissing(header.type_id, header.schema_id)
    return order


def field_offsets(codecs: Codecs, buf: bytes, pos: int) -> dict[int, int]:
    """Where the fields of the object at ``pos`` start: field ids to absolute positions, in the order of writing.

    Each field ends where the next one starts; the last one ends at ``parse_header(buf, pos).fields_end``. Raises
    SchemaMissing where the cluster must be asked for the schema, and DecodeError where it does not have it.
    """
    header = parse_header(buf, pos)
    return offsets_of(header, schema_of(codecs.known, header), buf, pos)


def object_bytes(
    type_id: int,
    schema_id: int,
    fields: bytes | bytearray,
    offsets: Sequence[int],
    field_ids: Sequence[int] | None = None,
) -> bytes:
    """One object in the canonical form, on whose bytes the identity of keys rests.

    Args:
        type_id: The type's id.
        schema_id: The schema's id.
        fields: The fields as written, one after another.
        offsets: Where each of them starts, counted from the 0x67; the first is 24.
        field_ids: The ids of the fields: writes a full footer, for clusters without compact footers.
    """
    if not offsets:
        return pack_header(
            codes.OBJECT,
            VERSION,
            USER_TYPE | COMPACT_FOOTER if field_ids is None else USER_TYPE,
            type_id,
            1,
            HEADER_LENGTH,
            NO_FIELDS_SCHEMA,
            HEADER_LENGTH,
        )
    # The last offset decides, not the length (org.apache.ignite.internal.binary.BinaryWriterSchemaHolder).
    last = offsets[-1]
    flags = USER_TYPE | HAS_SCHEMA
    if last < 1 << 8:
        flags |= OFFSET_ONE_BYTE
        fmt = "B"
    elif last < 1 << 16:
        flags |= OFFSET_TWO_BYTES
        fmt = "H"
    else:
        fmt = "I"
    if field_ids is None:
        flags |= COMPACT_FOOTER
        footer = Struct(f"<{len(offsets)}{fmt}").pack(*offsets)
    else:
        pairs = [part for pair in zip(field_ids, offsets, strict=True) for part in pair]
        footer = Struct("<" + f"i{fmt}" * len(offsets)).pack(*pairs)
    start = HEADER_LENGTH + len(fields)
    header = pack_header(
        codes.OBJECT, VERSION, flags, type_id, bytes_hash(fields), start + len(footer), schema_id, start
    )
    return b"".join((header, fields, footer))


def shown(name: str | None) -> str:
    """A name that came from a cluster, fit for one line of a log."""
    if name is None:
        return "an unknown type"
    short = name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "..."
    return short if short.isprintable() else ascii(short)


# --- inert objects ----------------------------------------------------------------------------------------------------


class BinaryObject:
    """An object of a type that the program has not registered.

    It is inert: no class is made from what a cluster says. Fields are read each time they are asked for, by item or by
    attribute, and it writes back byte-identical. Two of them are equal if their bytes are.

    An object that was read from a field of another one may refer to something that stands in the other and not in
    itself, its parent for one. It can be read on and on, but only the outer one can be written.

    >>> objects = people.with_options(binary=True)
    >>> ann = await objects[1]
    >>> ann.name, ann["age"], ann.type_name
    ('Ann', 41, 'examples.Person')
    >>> await objects.set(7, ann)  # the same bytes
    """

    __slots__ = ("_codecs", "_data", "_start", "_type")

    def __init__(self, codecs: Codecs, data: bytes, start: int, binary_type: BinaryType | None) -> None:
        self._codecs = codecs
        self._data = data  # of the outermost object that this one was read from: handles may point to all of it
        self._start = start
        self._type = binary_type

    @property
    def type_id(self) -> int:
        """The id of the type.

        >>> ann = await people.with_options(binary=True)[1]
        >>> (await client.raw.get_binary_type(ann.type_id))["type_name"]
        'examples.Person'
        """
        return self._header().type_id

    @property
    def schema_id(self) -> int:
        """The id of the schema: which of the type's fields this object has.

        >>> ann, ben = [await people.with_options(binary=True)[number] for number in (1, 2)]
        >>> ann.schema_id == ben.schema_id
        True
        """
        return self._header().schema_id

    @property
    def binary_type(self) -> BinaryType | None:
        """What the cluster said of the type, None where it did not know it.

        >>> ann = await people.with_options(binary=True)[1]
        >>> ann.binary_type.name
        'examples.Person'
        """
        return self._type

    @property
    def type_name(self) -> str | None:
        """The name of the type, None where the cluster did not know it.

        >>> (await people.with_options(binary=True)[1]).type_name
        'examples.Person'
        """
        return None if self._type is None else self._type.name

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the fields that this object has.

        Raises:
            DecodeError: The cluster did not know the type.

        >>> (await people.with_options(binary=True)[1]).field_names
        ('name', 'age', 'city_id', 'nick')
        """
        return tuple(self._spans())

    def to_dict(self) -> dict[str, Any]:
        """The fields by name. What is nested is a BinaryObject again, or a model.

        Raises:
            DecodeError: The cluster did not know the type, or a field cannot be read.

        >>> (await people.with_options(binary=True)[1]).to_dict()
        {'name': 'Ann', 'age': 41, 'city_id': 1, 'nick': 'a'}
        """
        return {name: self._read(name, start, end) for name, (start, end) in self._spans().items()}

    def __getitem__(self, name: str) -> Any:
        start, end = self._spans()[name]
        return self._read(name, start, end)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols of copy and pickle, asked for before there are any attributes
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{shown(self.type_name)} has no field {shown(name)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._spans()

    def __bytes__(self) -> bytes:
        return self._data[self._start : self._header().end]  # no copy where it is all of them

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BinaryObject):
            return NotImplemented
        return bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __repr__(self) -> str:
        try:
            names = [*self._spans()]
        except DecodeError:
            return f"<BinaryObject of the type with the id {self.type_id}>"
        fields = ", ".join(map(shown, names[:MOST_SHOWN])) + (", ..." if len(names) > MOST_SHOWN else "")
        return f"<BinaryObject {shown(self.type_name)} ({fields})>"

    def _header(self) -> Header:
        # Not kept: a page of small objects would take several times the memory.
        return parse_header(self._data, self._start)

    def _spans(self) -> dict[str, tuple[int, int]]:
        header, binary_type = self._header(), self._type
        if binary_type is None:
            raise DecodeError(f"the cluster has no metadata for the type with the id {header.type_id}")
        order = None
        if header.has_schema and header.compact:
            order = binary_type.schemas.get(header.schema_id)
            if order is None:
                raise DecodeError(f"the cluster has no schema {header.schema_id} of {shown(binary_type.name)}")
        offsets = offsets_of(header, order, self._data, self._start)
        ends = [*offsets.values(), header.fields_end][1:]
        spans: dict[str, tuple[int, int]] = {}
        for (field, start), end in zip(offsets.items(), ends, strict=True):
            known = binary_type.fields.get(field)
            if known is None:
                raise DecodeError(f"the cluster has no name for a field of {shown(binary_type.name)}")
            if known.name in spans:
                raise DecodeError(f"two fields of {shown(binary_type.name)} have one name")
            spans[known.name] = start, end
        return spans

    def _read(self, name: str, start: int, end: int) -> Any:
        codecs = self._codecs
        # Somebody may ask in the middle of another decode, say from the hash of a key.
        outer = codecs.depth, codecs.repeated, codecs.expanded, codecs.followed, codecs.shared
        codecs.depth, codecs.repeated, codecs.expanded, codecs.followed, codecs.shared = 0, 0, 0, {}, self._data
        try:
            value, after = decode_object(codecs, self._data, start)
        except MALFORMED as error:
            raise malformed(f"field {shown(name)} of {shown(self.type_name)}", error) from error
        except SchemaMissing as missing:  # forgotten since: see KnownTypes.learn
            raise DecodeError(f"the schema of a type with the id {missing.type_id} must be read again") from missing
        finally:
            codecs.depth, codecs.repeated, codecs.expanded, codecs.followed, codecs.shared = outer
        if after != end:
            raise DecodeError(f"field {shown(name)} of {shown(self.type_name)} does not end where the next one starts")
        return value

    def _refers_outside(self) -> bool:
        """Whether this object refers to something that stands before it, in the one that it was read from."""
        if self._start:
            with suppress(DecodeError, *MALFORMED):
                for at, header in nested(self._data, self._header()):
                    if header is None and at - unpack_uint(self._data, at + 1)[0] < self._start:
                        return True
        return False


def encode_binary_object(codecs: Codecs, out: bytearray, value: BinaryObject) -> None:
    """Write an object as it was read."""
    if value._refers_outside():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same module
        raise EncodeValueError(
            f"this {shown(value.type_name)} refers to an object outside of it: write the one that it was read from"
        )
    out += bytes(value)
    binary_type = value.binary_type
    if binary_type is not None:
        known = codecs.known.types.get(binary_type.id)
        if known is None or value.schema_id not in known.schemas:  # it comes from another cluster
            codecs.announce(binary_type, value.schema_id)


def need_schema(known: KnownTypes, header: Header) -> None:
    """Raise SchemaMissing where the cluster must be asked before the names of an object's fields are known."""
    binary_type = known.types.get(header.type_id)
    if binary_type is not None and (
        not header.has_schema or not header.compact or header.schema_id in binary_type.schemas
    ):
        return
    if (header.type_id, header.schema_id) not in known.absent:
        raise SchemaMissing(header.type_id, header.schema_id)


OBJECTS: Final = frozenset((codes.OBJECT, codes.WRAPPED))


def nested(buf: bytes, header: Header) -> Iterator[tuple[int, Header | None]]:
    """Where in the fields of an object there are objects, with their headers, and handles, with None.

    Objects are one after another in the bytes, the nested ones between the others, so that one pass without recursion
    sees them all. What is malformed ends the pass: reading that field will say so.
    """
    pos = header.fields
    ends = [(header.fields_end, header.end)]  # where fields end, and where to go on from there
    while ends:
        limit, after = ends[-1]
        if pos >= limit:
            ends.pop()
            pos = after
            continue
        code = buf[pos]
        size = FIXED_SIZES.get(code)
        if size is not None:
            if code == codes.HANDLE:
                yield pos, None
            elif code in NAMED_IF_ZERO and not unpack_int(buf, pos + 1)[0]:
                size += 5 + unpack_uint(buf, pos + 6)[0]
            pos += 1 + size
        elif code in ITEM_SIZES:
            pos += 5 + unpack_uint(buf, pos + 1)[0] * ITEM_SIZES[code]
        elif code == codes.DECIMAL:
            pos += 9 + unpack_uint(buf, pos + 5)[0]
        elif code in OBJECTS:
            if code == codes.WRAPPED:
                end = pos + 5 + unpack_uint(buf, pos + 1)[0]
                limit = min(limit, end)
                pos += 5 + unpack_uint(buf, end)[0]
                ends.append((pos + 1, end + 4))
            header = parse_header(buf, pos)
            if header.end > limit:
                return
            yield pos, header
            ends.append((header.fields_end, header.end))
            pos = header.fields
        else:
            return


def need_schemas(known: KnownTypes, buf: bytes, header: Header) -> None:
    """Raise SchemaMissing if the fields of an object or of one nested in it cannot be named yet.

    Fields are read later, where nobody can ask the cluster any more.
    """
    need_schema(known, header)
    with suppress(DecodeError, *MALFORMED):
        for _, inner in nested(buf, header):
            if inner is not None:
                need_schema(known, inner)


def decode_inert(codecs: Codecs, buf: bytes, start: int) -> tuple[BinaryObject, int]:
    """Read the object whose 0x67 is at ``start`` as a BinaryObject, whatever the program has registered."""
    header = parse_header(buf, start)
    need_schemas(codecs.known, buf, header)
    known = codecs.known.types.get(header.type_id)
    if buf is codecs.shared:
        return BinaryObject(codecs, buf, start, known), header.end
    return BinaryObject(codecs, buf[start : header.end], 0, known), header.end


def decode_complex(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read an object: by the program's model where it registered the type, else as a BinaryObject."""
    start = pos - 1
    type_id: int = unpack_int(buf, pos + 3)[0] or parse_header(buf, start).type_id
    decoder = codecs.object_decoders.get(type_id)
    if decoder is None:
        # Only what the program registered is remembered: a cluster can name any number of types.
        decoder = codecs.resolver.decoder_for(type_id)
        if decoder is None:
            return decode_inert(codecs, buf, start)
        codecs.object_decoders[type_id] = decoder
    codecs.depth += 1
    if codecs.depth > MAX_DECODE_DEPTH:
        raise DecodeError(too_deep(MAX_DECODE_DEPTH), offset=start)
    value, end = decoder(codecs, buf, start)
    codecs.depth -= 1
    return value, end


def decode_wrapped(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read an object that is wrapped in its length and in its own place there: what a server makes of every object."""
    start = pos + 4
    length = unpack_uint(buf, pos)[0]
    end = start + length
    if end + 4 > len(buf):
        raise codes.out_of_bytes(codes.WRAPPED, pos - 1)
    offset = unpack_uint(buf, end)[0]
    at = start + offset
    if offset >= length or buf[at] != codes.OBJECT:
        raise DecodeError("no complex object where a wrapped one should be", offset=pos - 1)
    value, after = decode_complex(codecs, buf, at + 1)
    if after > end:
        raise DecodeError("a wrapped object is longer than what it is wrapped in", offset=pos - 1)
    return value, end + 4


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[BinaryObject] = encode_binary_object
    codecs.decoders[codes.OBJECT] = decode_complex
    codecs.decoders[codes.WRAPPED] = decode_wrapped
