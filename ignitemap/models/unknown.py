"""Fields of an object that its class doesn't have: kept as the bytes that they came in, and written back.

The field's bytes can be copied as they are, since all that is relative inside of them counts from within: except a
handle that refers to another field of the same object, which Java writes where an object occurs twice. Where such a
handle is a field of its own it is replaced by the object that it refers to; deeper inside, lengths and offsets would
change, and the field counts as lost: the object can be read, and writing it back is an error.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from struct import Struct, pack
from typing import Any, Final

import attrs

from ignitemap.exceptions import DecodeError, EncodeValueError
from ignitemap.protocol.binary_type import BinaryType, Field
from ignitemap.protocol.codecs import MALFORMED, Codecs, SchemaMissing, Spec
from ignitemap.protocol.hashing import bytes_hash, schema_id
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.binary_object import (
    COMPACT_ENTRY,
    HAS_RAW,
    HEADER,
    HEADER_LENGTH,
    OBJECTS,
    OFFSET_ONE_BYTE,
    OFFSET_TWO_BYTES,
    WIDTHS,
    Header,
    object_bytes,
    parse_header,
)
from ignitemap.protocol.types.extent import FIXED_SIZES, ITEM_SIZES, NAMED_IF_ZERO

__all__ = ["ATTRIBUTE", "UnknownFields", "add_attribute", "holds_unknown", "make_splice", "names_of", "read_unknown"]

ATTRIBUTE: Final = "_ignite_unknown"
"""The attribute that `ig.model` adds to the classes that it defines; None, or UnknownFields."""

MAX_SCHEMAS: Final = 256  # sets of unknown fields whose schema is remembered for one class

unpack_uint: Final = Struct("<I").unpack_from
unpack_int: Final = Struct("<i").unpack_from


@attrs.frozen(repr=False)
class UnknownFields:
    """What one object had beyond its class: each field with its bytes, type code first, and raw data."""

    fields: tuple[tuple[Field, bytes], ...] = ()
    raw: bytes = b""
    lost: tuple[str, ...] = ()
    """The names of what can't be written back."""

    def __repr__(self) -> str:
        return f"<UnknownFields {', '.join([field.name for field, _ in self.fields] + list(self.lost))}>"


# --- the place in the class -------------------------------------------------------------------------------------------


@attrs.define
class _Holder:
    _ignite_unknown: UnknownFields | None = attrs.field(
        default=None, kw_only=True, eq=False, order=False, repr=False, alias=ATTRIBUTE
    )


_attribute: "attrs.Attribute[Any]" = attrs.fields_dict(_Holder)[ATTRIBUTE]


def add_attribute(cls: type, attributes: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    """The field_transformer that gives a class its place: a field, so that ``attrs.evolve`` carries it along."""
    if any(each.name == ATTRIBUTE for each in attributes):
        return attributes
    return [*attributes, _attribute]


def holds_unknown(cls: type) -> bool:
    """Whether a class, or a class that it is derived from, was given a place."""
    return attrs.has(cls) and any(each.name == ATTRIBUTE for each in attrs.fields(cls))


# --- reading ----------------------------------------------------------------------------------------------------------


def names_of(codecs: Codecs, header: Header, unknown: Iterable[int]) -> list[str]:
    """The names of fields by their ids, as far as the cluster has told them."""
    known = codecs.known.types.get(header.type_id)
    fields: Mapping[int, Field] = {} if known is None else known.fields
    return [fields[each].name if each in fields else f"field id {each}" for each in unknown]


def read_unknown(
    codecs: Codecs, buf: bytes, start: int, header: Header, offsets: Mapping[int, int], unknown: Sequence[int]
) -> UnknownFields:
    """What the object at ``start`` has beyond its class: the fields with the ids ``unknown``, and raw data.

    Raises SchemaMissing where the cluster must be asked for the names, without which nothing can be announced.
    """
    known = codecs.known.types.get(header.type_id)
    if known is None and unknown and (header.type_id, header.schema_id) not in codecs.known.absent:
        raise SchemaMissing(header.type_id, header.schema_id)
    described: Mapping[int, Field] = {} if known is None else known.fields
    # Offsets only grow, so that each field ends where the next one starts.
    ends = dict(zip(offsets, [*offsets.values(), header.fields_end][1:], strict=True))
    fields: list[tuple[Field, bytes]] = []
    lost: list[str] = []
    for each in unknown:
        field = described.get(each)
        data = _whole_bytes(buf, start, offsets[each], ends[each])
        if field is None or data is None:
            lost.extend(names_of(codecs, header, [each]))
        else:
            fields.append((field, data))
    raw = b""
    if header.flags & HAS_RAW:
        raw_start = header.fields_end if header.has_schema else header.fields
        raw = buf[raw_start : header.footer]
        if not _refers_inside(buf, raw_start, header.footer, raw_start):
            raw = b""
            lost.append("raw data")
    return UnknownFields(tuple(fields), raw, tuple(lost))


def _whole_bytes(buf: bytes, start: int, pos: int, end: int) -> bytes | None:
    """The bytes of one field, a handle replaced by its object; None where they mean something in their place only."""
    try:
        if buf[pos] == codes.HANDLE:
            pos -= unpack_uint(buf, pos + 1)[0]
            if pos <= start or buf[pos] != codes.OBJECT:
                return None
            end = parse_header(buf, pos).end
        return buf[pos:end] if _self_contained(buf, pos, end) else None
    except (DecodeError, *MALFORMED):
        return None


def _self_contained(buf: bytes, pos: int, end: int) -> bool:
    """Whether all handles in the values from ``pos`` to ``end`` refer to objects there. One pass, without recursion."""
    first = pos
    ends = [(end, end)]  # where values end, and where to go on from there
    while ends:
        limit, after = ends[-1]
        if pos >= limit:
            ends.pop()
            pos = after
            continue
        code = buf[pos]
        if code == codes.HANDLE and pos - unpack_uint(buf, pos + 1)[0] < first:
            return False
        size = FIXED_SIZES.get(code)
        if size is not None:
            if code in NAMED_IF_ZERO and not unpack_int(buf, pos + 1)[0]:
                size += 5 + unpack_uint(buf, pos + 6)[0]
            pos += 1 + size
        elif code in ITEM_SIZES:
            pos += 5 + unpack_uint(buf, pos + 1)[0] * ITEM_SIZES[code]
        elif code == codes.DECIMAL:
            pos += 9 + unpack_uint(buf, pos + 5)[0]
        elif code in OBJECTS:
            if code == codes.WRAPPED:
                wrapped_end = pos + 5 + unpack_uint(buf, pos + 1)[0]
                pos += 5 + unpack_uint(buf, wrapped_end)[0]
                ends.append((pos + 1, wrapped_end + 4))
            header = parse_header(buf, pos)
            if header.flags & HAS_RAW and not _refers_inside(buf, header.fields_end, header.footer, first):
                return False
            ends.append((header.fields_end, header.end))
            pos = header.fields
        else:
            return False
    return True


def _refers_inside(buf: bytes, start: int, end: int, first: int) -> bool:
    """Whether raw data has nothing that could be a handle to what is before ``first``: nobody knows its layout."""
    at = buf.find(codes.HANDLE, start, end)
    while at >= 0:
        if at + 5 <= end and 0 <= at - unpack_uint(buf, at + 1)[0] < first:
            return False
        at = buf.find(codes.HANDLE, at + 1, end)
    return True


# --- writing ----------------------------------------------------------------------------------------------------------


def make_splice(
    own: BinaryType, make_encoder: Callable[[], Callable[..., None]], outside: Mapping[int, tuple[str, Spec[Any]]]
) -> Callable[..., None]:
    """The encoder for objects with unknown fields: encodes the class's own fields, then adds the others.

    Args:
        own: The type with the class's own fields.
        make_encoder: Makes the encoder of those; called when it is first needed.
        outside: Attribute and type of the class's fields that this form of the object does not hold, by field id: key
            fields. Where another program has them in the value, they follow the key.
    """
    (order,) = own.schemas.values()
    types: dict[tuple[Field, ...], BinaryType] = {}
    encoder: list[Callable[..., None]] = []

    def splice(codecs: Codecs, out: bytearray, value: Any, *key: Any) -> None:
        unknown: UnknownFields = getattr(value, ATTRIBUTE)
        if unknown.lost:
            raise EncodeValueError(
                f"{type(value).__name__}: the object was read with what can't be written back: {', '.join(unknown.lost)}"
            )
        if not encoder:
            encoder.append(make_encoder())
        plain = bytearray()
        encoder[0](codecs, plain, value, *key)
        added = [(field, data) for field, data in unknown.fields if field.id not in own.fields]
        described = tuple(field for field, _ in added)
        binary_type = types.get(described)
        if binary_type is None:
            binary_type = _with_fields(own, order, described)
            if len(types) >= MAX_SCHEMAS:
                types.clear()
            types[described] = binary_type
        (schema,) = binary_type.schemas
        codecs.announce(binary_type, schema)
        _, _, flags, type_id, _, _, _, footer = HEADER.unpack_from(plain)
        offsets: list[int] = []
        if order:
            entry = COMPACT_ENTRY[WIDTHS[flags & (OFFSET_ONE_BYTE | OFFSET_TWO_BYTES)]]
            offsets = [offset for (offset,) in entry.iter_unpack(plain[footer:])]
        fields = plain[HEADER_LENGTH:footer]
        for field, data in added:
            offsets.append(HEADER_LENGTH + len(fields))
            if field.id in outside:
                data = _current(codecs, value, *outside[field.id], data)
            fields += data
        out += _with_raw(object_bytes(type_id, schema, fields, offsets), unknown.raw)

    return splice


def _current(codecs: Codecs, value: Any, attribute: str, spec: Spec[Any], data: bytes) -> bytes:
    """The bytes of a field that the class has elsewhere: as they were, or written anew where its value is another."""
    now = getattr(value, attribute)
    try:
        if spec.decode(codecs, data, 0)[0] == now:
            return data
    except (DecodeError, *MALFORMED):
        pass
    written = bytearray()
    spec.encode(codecs, written, now)
    return bytes(written)


def _with_fields(own: BinaryType, order: Collection[int], added: Sequence[Field]) -> BinaryType:
    whole = (*order, *(field.id for field in added))
    fields = {**own.fields, **{field.id: field for field in added}}
    return attrs.evolve(own, fields=fields, schemas={schema_id(whole): whole})


def _with_raw(plain: bytes, raw: bytes) -> bytes:
    """An object with raw data behind its fields: the footer moves, and its offset of raw data comes last."""
    if not raw:
        return plain
    code, version, flags, type_id, _, _, schema, footer = HEADER.unpack_from(plain)
    body = plain[HEADER_LENGTH:footer] + raw
    tail = plain[footer:] + (pack("<I", footer) if plain[footer:] else b"")
    start = HEADER_LENGTH + len(body) if plain[footer:] else HEADER_LENGTH
    length = HEADER_LENGTH + len(body) + len(tail)
    head = HEADER.pack(code, version, flags | HAS_RAW, type_id, bytes_hash(body), length, schema, start)
    return head + body + tail
