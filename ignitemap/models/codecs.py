"""A model's codec, generated from its schema: one pass over the object, no dict in between.

The encoder writes fused runs of fixed-size fields, strings in line, everything else through its spec, then the
compact footer, the hash and the header. The decoder reads an object of the program's own schema straight into the
constructor; an object of any other schema, or with a null or another width where the fast path expects a value, is
read field by field through its footer. What is read twice is only what is not ordinary.

Which field an error is about costs nothing while there is none: the line of the generated source says it.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import attrs

from ignitemap.exceptions import DecodeError, EncodeError, EncodeTypeError, EncodeValueError
from ignitemap.models.dates import following_encoder
from ignitemap.models.layouts import FLAGS, HEADER_LENGTH, OPTIONAL, OTHER, TEXT_HEAD, ReadLayouts, WriteLayouts
from ignitemap.models.schema import ModelField, Schema
from ignitemap.models.unknown import ATTRIBUTE, holds_unknown, make_splice, names_of, read_unknown
from ignitemap.protocol.binary_type import BinaryType
from ignitemap.protocol.codecs import (
    MAX_ENCODE_DEPTH,
    Codecs,
    Spec,
    decode_object,
    too_deep,
)
from ignitemap.protocol.codegen import TEXT, Source, packer, unpacker
from ignitemap.protocol.hashing import SIGNED_HIGH, SIGNED_LOW, bytes_hash, field_id, schema_id
from ignitemap.protocol.types.binary_object import (
    HAS_RAW,
    HEADER,
    decode_inert,
    field_offsets,
    object_bytes,
    parse_header,
)
from ignitemap.protocol.types.text import STRING

__all__ = ["ModelCodec", "make_codec", "make_constructor", "make_key_codec", "make_key_reader"]

OBJECT: Final = 0x67
WRAPPED: Final = 0x1B
NULL: Final = 0x65
STRING_CODE: Final = 9
LENGTH_AT: Final = 12
LEAF_CODES: Final = frozenset({*range(1, 13), 28, 30, 33, 36})
MAX_DEPTH: Final = 200
"""How deep objects of models may nest that are read: twice what may be written, for where each is counted twice, as a
model and as a value under Any. They are read by recursion, so that the interpreter's own limit may come first."""
# What the generated encoder can meet: a leaf's own error, or that of a fused struct or of str.encode, or a field
# that was never set.
ENCODE_ERRORS: Final = (EncodeError, struct.error, UnicodeEncodeError, OverflowError, AttributeError)

UNSIGNED_HEADER: Final = "BBHiIIiI"
"""The header of a complex object, with its hash as it comes: without a sign."""
unpack_header: Final = HEADER.unpack_from
unpack_start: Final = struct.Struct("<q4xIiI").unpack_from
"""The header without the hash; all that comes before it is one number."""
unpack_bare: Final = struct.Struct("<12xI4xI").unpack_from
"""Of an object its length, and where its footer is."""
unpack_wrapped: Final = struct.Struct("<xI20xI").unpack_from
"""The same of an object behind the code and the length of what it is wrapped in."""
unpack_uint: Final = struct.Struct("<I").unpack_from

HEAD_FIELDS: Final = struct.Struct("<BBHi")
HEAD: Final = struct.Struct("<q")
READ_FLAGS: Final = tuple(FLAGS["I"] | width for width in (0x00, 0x08, 0x10, 0x18))

Lines = dict[int, tuple[ModelField, ...]]
"""The fields that a line of generated source is about."""
Done = Mapping[str, tuple[int, int, Any]]
"""What was read of an object before it turned out to need its footer, by attribute: where from, to where, the value.

It is not read again: objects inside of objects would be read twice as often at each level.
"""
NONE_DONE: Final[Done] = {}


@attrs.frozen(eq=False)
class ModelCodec:
    """The functions of one model.

    ``whole``: every field is in the object. ``value``: a value in the model's own cache, whose key fields live in the
    key; the same as ``whole`` where there are none.
    """

    whole: Spec[Any]
    value: Spec[Any]
    decode_whole: Callable[[Codecs, bytes, int], tuple[Any, int]]
    """Reads an object at its 0x67, for the table of type ids: a value without its key fields as a BinaryObject."""


def make_codec(schema: Schema, key_class: type | None = None) -> ModelCodec:
    """Generate a model's codec. ``key_class`` is the class of its cache keys where they are made of several fields."""
    layouts = _read_layouts(schema.fields)
    decode_whole = _make_decoder(schema, schema.fields, schema.whole, None, layouts, joined=False)
    encode_whole = _make_encoder(schema, schema.fields, schema.whole, None, joined=False)
    whole = _spec(schema, encode_whole, decode_whole, joined=False)
    if not schema.key_fields:
        if schema.fields:
            emit_item = _make_emitter(schema, schema.fields, schema.whole)
            whole = attrs.evolve(
                whole, emit_item=emit_item, emit_read=_make_reader(schema, schema.fields, layouts, joined=False)
            )
        return ModelCodec(whole, whole, decode_whole)
    encode_value = _make_encoder(schema, schema.value_fields, schema.value, key_class, joined=True)
    layouts = _read_layouts(schema.value_fields)
    decode_value = _make_decoder(schema, schema.value_fields, schema.value, key_class, layouts, joined=True)
    value = _spec(schema, encode_value, decode_value, joined=True)
    if len(schema.key_fields) == 1 and schema.value_fields:
        emit_item = _make_emitter(schema, schema.value_fields, schema.value)
        value = attrs.evolve(
            value, emit_item=emit_item, emit_read=_make_reader(schema, schema.value_fields, layouts, joined=True)
        )
    return ModelCodec(whole, value, _make_untyped_decoder(schema, decode_whole))


def _make_untyped_decoder(schema: Schema, decode_whole: Callable[..., Any]) -> Callable[..., tuple[Any, int]]:
    """The decoder of objects that stand where nothing is declared: without its key an object of the model is none."""
    (whole,) = schema.whole.schemas
    ids = [
        {field_id(name) for name in (field.name, *field.options.aliases)}
        for field in schema.key_fields
        if not field.options.in_value
    ]

    def decode(codecs: Codecs, buf: bytes, start: int) -> tuple[Any, int]:
        if unpack_header(buf, start)[6] != whole:
            found = field_offsets(codecs, buf, start)
            if any(names.isdisjoint(found) for names in ids):
                return decode_inert(codecs, buf, start)
        read: tuple[Any, int] = decode_whole(codecs, buf, start)
        return read

    return decode


def make_key_codec(schema: Schema, order: Sequence[int]) -> Spec[Any]:
    """The codec of whole objects that writes the fields in another order, given by their ids.

    Ignite compares keys by their bytes, so that a key class has the order in which the cluster knows it.
    """
    fields = sorted(schema.fields, key=lambda field: order.index(field_id(field.name)))
    known = attrs.evolve(schema.whole, schemas={schema_id(order): tuple(order)})
    encode = _make_encoder(schema, fields, known, None, joined=False)
    decode = _make_decoder(schema, fields, known, None, _read_layouts(fields), joined=False)
    return _spec(schema, encode, decode, joined=False)


def make_key_reader(schema: Schema, key_class: type | None) -> Callable[[Any], Any]:
    """The function that gets a model's cache key out of an object: one field, or ``key_class`` of several."""
    name = f"key_of_{schema.cls.__name__}"
    source = Source(name)
    source.line(f"def {name}(value):")
    parts = ", ".join(f"value.{field.attribute}" for field in schema.key_fields)
    source.line(f"    return {parts if key_class is None else source.bind('Key', key_class) + '(' + parts + ')'}")
    return source.compile()


def _spec(schema: Schema, encode: Callable[..., None], decode: Callable[..., Any], *, joined: bool) -> Spec[Any]:
    return Spec(
        schema.cls.__name__,
        encode,
        decode,
        java=schema.type_name,
        joins_key=joined,
        hashable=schema.hashable,
    )


# --- errors that say which field it was -------------------------------------------------------------------------------


def _explainer(cls: type, lines: Lines) -> Callable[[Exception, Codecs, Any], Exception]:
    """The function that makes the encoder's error one that names the field; ``lines`` is complete when it is called."""

    def explain(error: Exception, codecs: Codecs, value: Any) -> Exception:
        traceback = error.__traceback__
        assert traceback is not None
        fields = lines.get(traceback.tb_lineno, ())
        if isinstance(error, AttributeError):
            if not fields or traceback.tb_next is not None:
                return error  # from within a field's own code
            return _at(EncodeValueError("it was never set"), cls, fields[0])
        if isinstance(error, EncodeError):
            return _at(error, cls, fields[0]) if fields else error
        for field in fields:  # a run of numbers, or a string: whose own encoder fails alone?
            try:
                field.spec.encode(codecs, bytearray(), getattr(value, field.attribute))
            except EncodeError as found:
                return _at(found, cls, field)
        return EncodeValueError(f"{cls.__name__}: {error}")  # pragma: no cover - an object of more than 4 GiB

    return explain


def _at(error: EncodeError, cls: type, field: ModelField) -> EncodeError:
    """The error of a field's encoder as the error of an object's: its path begins at the object."""
    inner = error.path
    what = error.message.partition(f".{inner}: ")[2] if inner else error.message
    error.path = f"{field.attribute}.{inner}" if inner else field.attribute
    error.message = f"{cls.__name__}.{error.path}: {what}"
    error.args = (error.message,)
    error.__context__ = None  # a struct.error or UnicodeEncodeError, of which the latter holds the value
    return error


def _namer(cls: type, lines: Lines) -> Callable[[DecodeError], None]:
    """The function that puts the field before the text of a decoder's error."""

    def name_field(error: DecodeError) -> None:
        assert error.__traceback__ is not None
        fields = lines.get(error.__traceback__.tb_lineno)
        if fields:
            _name(error, cls, fields[0])

    return name_field


def _name(error: DecodeError, cls: type, field: ModelField) -> None:
    error.message = f"{cls.__name__}.{field.attribute}: {error.message}"
    error.args = (error.message,)


def _refused(cls: type, error: Exception) -> DecodeError:
    return DecodeError(f"{cls.__name__} refused what the cluster has: {type(error).__name__}")


def _wrong_class(expected: type, value: object) -> EncodeTypeError:
    return EncodeTypeError(f"expected {expected.__name__}, got a Python {type(value).__qualname__}")


def _wrong_key(cls: type) -> EncodeValueError:
    return EncodeValueError(f"the key differs from the key fields of the {cls.__name__}")


def _too_deep_to_encode() -> EncodeValueError:
    return EncodeValueError(too_deep(MAX_ENCODE_DEPTH))


def _too_deep_to_decode() -> DecodeError:
    return DecodeError(too_deep(MAX_DEPTH))


def _nests(field: ModelField) -> bool:
    return field.spec.code not in LEAF_CODES


# --- encoder --------------------------------------------------------------------------------------------------------


def _make_encoder(
    schema: Schema,
    fields: Sequence[ModelField],
    known: BinaryType,
    key_class: type | None,
    *,
    joined: bool,
    plain: bool = False,
) -> Callable[..., None]:
    """Generate an encoder; ``plain`` leaves unknown fields to the caller."""
    name = f"encode_{schema.cls.__name__}"
    (schema_id,) = known.schemas
    source = Source(name)
    lines: Lines = {}
    cls = source.bind(f"{schema.cls.__name__}_class", schema.cls)
    source.line(f"def {name}(codecs, out, value{', key' if joined else ''}):")
    source.depth = 1
    source.line(f"if value.__class__ is not {cls}:")
    source.line(f"    raise {source.bind('wrong_class', _wrong_class)}({cls}, value)")
    if joined:
        _accept_tuple(source, key_class)
        own = [f"value.{field.attribute}" for field in schema.key_fields]
        differ = " or ".join(f"{mine} != {theirs}" for mine, theirs in zip(own, _key_parts(schema), strict=True))
        source.line(f"if {differ}:")
        source.line(f"    raise {source.bind('wrong_key', _wrong_key)}({cls})")
    if schema.unknown_fields == "preserve" and not plain:
        outside = {
            field_id(each.name): (each.attribute, attrs.evolve(each.spec, encode=_encoder_of(each, known.id)))
            for each in schema.fields
            if each not in fields
        }
        splice = make_splice(
            known, lambda: _make_encoder(schema, fields, known, key_class, joined=joined, plain=True), outside
        )
        source.line(f"if value.{ATTRIBUTE} is not None:")
        source.line(f"    {source.bind('splice', splice)}(codecs, out, value{', key' if joined else ''})")
        source.line("    return")
    source.line(f"if {source.bind('OWN', (known.id, schema_id))} not in codecs.known.announced:")
    source.line(f"    codecs.announce({source.bind('TYPE', known)}, {schema_id})")
    if not fields:
        source.line(f"out += {source.bind('EMPTY', object_bytes(known.id, schema_id, b'', ()))}")
        return source.compile()
    source.line("try:")
    source.depth = 2
    _encode_fields(source, lines, fields, known.id)
    pack_header = source.bind("pack_header", packer(UNSIGNED_HEADER))
    source.line(f"out += {pack_header}({_header(known)}) + body + footer")
    source.line("return")
    source.depth = 1
    source.line(f"except {source.bind('ENCODE_ERRORS', ENCODE_ERRORS)} as error:")
    source.line(f"    failed = {source.bind('explain', _explainer(schema.cls, lines))}(error, codecs, value)")
    # Outside of the except: what UnicodeEncodeError holds, the value, must not hang on the error as its context.
    source.line("try:")
    source.line("    raise failed")
    source.line("finally:")
    source.line("    del failed")
    return source.compile()


def _header(known: BinaryType) -> str:
    """What the struct of a header takes for an object of which the fields have been encoded."""
    (schema_id,) = known.schemas
    return f"{OBJECT}, 1, flags, {known.id}, code, length, {schema_id}, end"


def _make_emitter(schema: Schema, fields: Sequence[ModelField], known: BinaryType) -> Callable[..., None]:
    """What writes the encoder in line, for objects of the class that have no unknown fields, once the type is announced."""
    (schema_id,) = known.schemas

    def emit_item(source: Source, key_code: int, key_form: str, *, own_key: bool) -> None:
        kind = "str" if key_form == TEXT else "int"
        conditions = [
            f"key.__class__ is {kind}",
            f"value.__class__ is {source.bind(f'{schema.cls.__name__}_class', schema.cls)}",
            f"{source.bind('OWN', (known.id, schema_id))} in codecs.known.announced",
        ]
        if not own_key:
            conditions += [f"value.{field.attribute} == key" for field in schema.key_fields]
        if schema.unknown_fields == "preserve":
            conditions.append(f"value.{ATTRIBUTE} is None")
        source.line("item = None")
        source.line(f"if {' and '.join(conditions)}:")
        source.depth += 1
        if any(_nests(field) for field in fields):
            source.line("codecs.depth = 0")
        source.line("try:")
        source.depth += 1
        _encode_fields(source, {}, fields, known.id)
        if key_form == TEXT:
            source.line("key_data = key.encode()")
            head = f"{source.bind('pack_BI', packer('BI'))}({key_code}, len(key_data)) + key_data"
            pack_header = source.bind("pack_header", packer(UNSIGNED_HEADER))
            source.line(f"item = {head} + {pack_header}({_header(known)}) + body + footer")
        else:
            pack_entry = source.bind("pack_entry", packer(f"B{key_form}{UNSIGNED_HEADER}"))
            source.line(f"item = {pack_entry}({key_code}, key, {_header(known)}) + body + footer")
        source.depth -= 1
        source.line(f"except {source.bind('ENCODE_ERRORS', ENCODE_ERRORS)}:")
        source.line("    pass  # the encoder says what is wrong")
        source.depth -= 1

    return emit_item


def _encoder_of(field: ModelField, type_id: int) -> Callable[..., None]:
    return following_encoder(field.spec, type_id, field_id(field.name)) if field.is_date else field.spec.encode


def _encode_fields(source: Source, lines: Lines, fields: Sequence[ModelField], type_id: int) -> None:
    """Emit the fields: their bytes in ``body``, the ``footer``, its ``flags``, where it starts (``end``), the ``length``.

    First each field becomes a variable, ``f0``, or bytes, ``d0`` of the length ``n0``. Then an object of numbers as they
    should be is packed by its layout, and any other one piece by piece.
    """
    varying: list[int] = []

    def emit(text: str, *about: ModelField) -> None:
        source.line(text)
        lines[len(source.lines)] = about

    for index, field in enumerate(fields):
        emit(f"f{index} = value.{field.attribute}", field)
        if _is_fixed(field):
            continue
        varying.append(index)
        encode = source.bind(f"encode_{index}", _encoder_of(field, type_id))
        if field.spec is STRING:
            source.line(f"if f{index}.__class__ is str:")
            emit(f"    d{index} = f{index}.encode()", field)
            source.line("else:")
            source.line(f"    d{index} = {source.bind('bytearray', bytearray)}()")
            emit(f"    {encode}(codecs, d{index}, f{index})", field)
            source.line(f"    del d{index}[:{TEXT_HEAD}]")
        else:
            if field.spec.nullable:
                source.line(f"if f{index} is None:")
                source.line(f"    d{index} = {source.bind('NULL', bytes((NULL,)))}")
                source.line("else:")
                source.depth += 1
            source.line(f"d{index} = {source.bind('bytearray', bytearray)}()")
            if _nests(field):
                source.line("codecs.depth += 1")
                source.line(f"if codecs.depth >= {MAX_ENCODE_DEPTH}:")
                source.line(f"    raise {source.bind('too_deep', _too_deep_to_encode)}()")
            emit(f"{encode}(codecs, d{index}, f{index})", field)
            if _nests(field):
                source.line("codecs.depth -= 1")
            if field.spec.nullable:
                source.depth -= 1
        source.line(f"n{index} = len(d{index})")
    layouts = source.bind("layouts", WriteLayouts([_form(field) for field in fields]))
    lengths = f"{layouts}[({''.join(f'n{index},' for index in varying)})]"
    exact = [_exact(index, field) for index, field in enumerate(fields) if _is_fixed(field)]
    source.line(f"layout = {lengths}" + (f" if {' and '.join(exact)} else None" if exact else ""))
    source.line("if layout is not None:")
    source.line("    pack, footer, flags, end, length, seed = layout")
    emit(f"    body = pack({', '.join(_packed(index, field) for index, field in enumerate(fields))})", *fields)
    low, high = (source.bind(name, table) for name, table in (("LOW", SIGNED_LOW), ("HIGH", SIGNED_HIGH)))
    number = source.bind("number", int)
    total = f"{number}(body.translate({low}), 31) + 31 * {number}(body.translate({high}), 31) + seed"
    source.line(f"    code = {total} & {0xFFFF_FFFF:#x}  # the same as bytes_hash")
    source.line("else:")
    source.depth += 1
    _encode_pieces(source, fields, emit)
    source.depth -= 1


def _packed(index: int, field: ModelField) -> str:
    """What a layout's struct takes for a field."""
    if field.spec is STRING:
        return f"{STRING_CODE}, n{index}, d{index}"
    return f"{field.spec.code}, f{index}" if _is_fixed(field) else f"d{index}"


def _encode_pieces(source: Source, fields: Sequence[ModelField], emit: Callable[..., None]) -> None:
    """Emit the joining of the fields' bytes, where there is no layout, and the footer."""
    offsets: list[str] = []
    pieces: list[str] = []
    base, fixed = "", HEADER_LENGTH  # where the next field starts: a variable, and bytes of fixed size since
    run: list[tuple[int, ModelField]] = []

    def flush() -> None:
        """Emit one struct call for the numbers that have come."""
        if not run:
            return
        formats = "".join(_form(field) for _, field in run)
        piece = f"r{len(pieces)}"
        pieces.append(piece)
        pack = source.bind("pack_" + formats.replace("?", "z"), packer(formats))
        source.line(f"if {' and '.join(_exact(index, field) for index, field in run)}:")
        emit(f"    {piece} = {pack}({', '.join(_packed(*each) for each in run)})", *(field for _, field in run))
        source.line("else:")
        source.line(f"    {piece} = {source.bind('bytearray', bytearray)}()")
        for index, field in run:
            emit(f"    {source.bind(f'encode_{index}', field.spec.encode)}(codecs, {piece}, f{index})", field)
        run.clear()

    for index, field in enumerate(fields):
        offsets.append(f"{base} + {fixed}" if base and fixed else base or str(fixed))
        if _is_fixed(field):
            run.append((index, field))
            fixed += struct.calcsize("<" + _form(field))
            continue
        flush()
        if field.spec is STRING:
            pieces.append(f"{source.bind('pack_BI', packer('BI'))}({STRING_CODE}, n{index})")
        pieces.append(f"d{index}")
        if index + 1 < len(fields):
            head = f" + {TEXT_HEAD}" if field.spec is STRING else ""
            source.line(f"p{index + 1} = {offsets[-1]} + n{index}{head}")
            base, fixed = f"p{index + 1}", 0
    flush()
    source.line(f"body = {source.bind('join', b''.join)}(({', '.join(pieces)},))")
    for number, (width, limit) in enumerate((("B", 1 << 8), ("H", 1 << 16), ("I", None))):
        pack = source.bind(f"pack_footer_{width}", packer(width * len(fields)))
        if limit is None:
            source.line("else:")
        else:
            source.line(f"{'if' if number == 0 else 'elif'} {offsets[-1]} < {limit}:")
        source.line(f"    footer = {pack}({', '.join(offsets)})")
        source.line(f"    flags = {FLAGS[width]}")
    source.line(f"end = {HEADER_LENGTH} + len(body)")
    source.line("length = end + len(footer)")
    source.line(f"code = {source.bind('bytes_hash', bytes_hash)}(body) & {0xFFFF_FFFF:#x}")


def _is_fixed(field: ModelField) -> bool:
    return field.spec.fixed is not None and not field.spec.nullable


def _form(field: ModelField) -> str:
    """What a field is in a layout."""
    return TEXT if field.spec is STRING else f"B{field.spec.fixed}" if _is_fixed(field) else OTHER


def _exact(index: int, field: ModelField) -> str:
    kind = {"?": "bool", "f": "float", "d": "float"}.get(field.spec.fixed or "", "int")
    return f"f{index}.__class__ is {kind}"


# --- decoder --------------------------------------------------------------------------------------------------------


def _make_decoder(
    schema: Schema,
    fields: Sequence[ModelField],
    known: BinaryType,
    key_class: type | None,
    layouts: ReadLayouts,
    *,
    joined: bool,
) -> Callable[..., tuple[Any, int]]:
    """Generate a decoder of what stands where the model is declared; it starts at the type code."""
    name = f"decode_{schema.cls.__name__}"
    (schema_id,) = known.schemas
    other = _make_checked_decoder(schema, _make_footer_decoder(schema, fields, known, key_class, joined=joined))
    if not fields:
        return other
    more = ", key" if joined else ""
    source = Source(name)
    lines: Lines = {}
    source.line(f"def {name}(codecs, buf, pos{more}):")
    source.depth = 1
    if joined:
        _accept_tuple(source, key_class)
    fallback = f"return {source.bind('decode_other', other)}(codecs, buf, at{more})"
    struct_error = source.bind("struct_error", struct.error)
    heads = frozenset(HEAD.unpack(HEAD_FIELDS.pack(OBJECT, 1, flags, known.id))[0] for flags in READ_FLAGS)
    source.line("at = start = pos")
    source.line("try:")
    source.line(f"    if buf[pos] == {WRAPPED}:  # what a server sends at the top level and inside collections")
    source.line("        start = pos + 5")
    source.line(f"        length, footer = {source.bind('unpack_wrapped', unpack_wrapped)}(buf, pos)")
    source.line("        after = start + length + 4")
    source.line("    else:")
    source.line(f"        length, footer = {source.bind('unpack_bare', unpack_bare)}(buf, pos)")
    source.line("        after = start + length")
    source.line(f"    layout = {_known_layout(source, layouts)}")
    source.line("    known = layout is not None and layout[0](buf, start) == layout[1]")
    source.line(f"except {struct_error}:")
    source.line(f"    {fallback}")
    source.line("try:")
    source.depth = 2
    source.line("if known:")
    source.depth = 3
    _decode_by_layout(source, lines, fields, fallback)
    source.depth = 2
    source.line("else:")
    source.depth = 3
    source.line("try:")
    source.line(f"    head, length, schema_id, footer = {source.bind('unpack_start', unpack_start)}(buf, start)")
    source.line(f"    shift = {source.bind('unpack_size', unpack_uint)}(buf, after - 4)[0] if start != at else 0")
    source.line(f"except {struct_error}:")
    source.line(f"    {fallback}")
    source.line("stop = start + length")
    source.line(
        f"if head not in {source.bind('HEADS', heads)} or schema_id != {schema_id} or shift"
        " or stop > (after - 4 if start != at else after) or after > len(buf):"
    )
    source.line(f"    {fallback}")
    source.line(f"pos = start + {HEADER_LENGTH}")
    fallback = _decode_fields(source, lines, fields, fallback)
    source.line("if pos != start + footer:")
    source.line(f"    {fallback}")
    source.line(f"{source.bind('learn', layouts.learn)}(buf[start:after], footer, length)")
    source.depth = 1
    source.line(f"except {source.bind('DecodeError', DecodeError)} as error:")
    source.line(f"    {source.bind('name_field', _namer(schema.cls, lines))}(error)")
    source.line("    raise")
    _construct(source, schema, fields, joined=joined)
    source.line("return result, after")
    return source.compile()


def _make_reader(
    schema: Schema, fields: Sequence[ModelField], layouts: ReadLayouts, *, joined: bool
) -> Callable[..., None] | None:
    """What writes the decoder in line, for wrapped objects of known layouts in which nothing nests.

    None where something nests in every object of the class.
    """
    if any(_nests(field) and not field.spec.nullable for field in fields):
        return None

    def emit_read(source: Source, key: str, key_code: int | None, key_form: str, value: str) -> None:
        formats, found, expected, size = "BI20xI", "wrapped, length, footer", f"wrapped == {WRAPPED}", 0
        if key_code is not None:
            formats, size = f"B{key_form}{formats}", struct.calcsize(f"<B{key_form}")
            found, expected = f"code, {key}, {found}", f"code == {key_code} and {expected}"
        source.line("layout = None")
        source.line("try:")
        source.depth += 1
        source.line(f"{found} = {source.bind('unpack_' + formats, unpacker(formats))}(buf, pos)")
        source.line(f"if {expected}:")
        source.line(f"    start = pos + {size + TEXT_HEAD}")
        source.line("    after = start + length + 4")
        source.line(f"    layout = {_known_layout(source, layouts)}")
        source.line("if layout is not None and layout[0](buf, start) == layout[1]:")
        source.depth += 1
        _unpack_by_layout(source, fields)
        for index, field in enumerate(fields):
            if _form(field) == OTHER:
                _read_leaf(source, index, field)
        source.depth -= 1
        source.line("else:")
        source.line("    layout = None")
        source.depth -= 1
        errors = f"{source.bind('struct_error', struct.error)}, {source.bind('DecodeError', DecodeError)}"
        source.line(f"except ({errors}):")
        source.line("    layout = None  # the decoder says what is wrong")
        source.line("if layout is not None:")
        source.depth += 1
        _construct(source, schema, fields, joined=joined, key=key, result=value)
        source.line("pos = after")
        source.depth -= 1

    return emit_read


def _read_leaf(source: Source, index: int, field: ModelField) -> None:
    """Emit the reading of a field that is neither a number nor a text: ``layout`` is None if it nests after all."""
    if field.spec.nullable:
        source.line(f"f{index} = None")
        source.line(f"if e{index}:")
        source.depth += 1
    if _nests(field):
        source.line("layout = None")
    else:
        decode = source.bind(f"decode_{index}", field.spec.decode)
        source.line(f"f{index}, end = {decode}(codecs, buf, start + b{index})")
        source.line(f"if end != start + e{index}:")
        source.line("    layout = None")
    if field.spec.nullable:
        source.depth -= 1


def _read_layouts(fields: Sequence[ModelField]) -> ReadLayouts:
    """The layouts by which objects of these fields are read; empty as yet."""
    # Of the bytes of a boolean only 1 is true, so that it is read as a number.
    return ReadLayouts([OPTIONAL if field.spec.nullable else _form(field).replace("?", "B") for field in fields])


def _known_layout(source: Source, layouts: ReadLayouts) -> str:
    """The expression that finds the layout of an object from ``start`` to ``after``, of this ``footer`` and ``length``."""
    footer = "buf[start + footer:after]"
    found_by = f"({footer}, length)" if layouts.ends_open else footer
    return f"{source.bind('known_layout', layouts.get)}({found_by})"


def _make_checked_decoder(schema: Schema, decode: Callable[..., tuple[Any, int]]) -> Callable[..., tuple[Any, int]]:
    """The decoder of whatever stands where the model is declared, by the one of an object at its 0x67."""
    name = schema.cls.__name__

    def decode_at_code(codecs: Codecs, buf: bytes, pos: int, *key: Any, done: Done = NONE_DONE) -> tuple[Any, int]:
        code = buf[pos]
        if code == WRAPPED:
            (length,) = unpack_uint(buf, pos + 1)
            end = pos + 5 + length
            (offset,) = unpack_uint(buf, end)
            if offset + HEADER_LENGTH > length:
                raise DecodeError(f"a wrapped object of {length} bytes that starts at byte {offset}", offset=pos)
            start = pos + 5 + offset
            if start + unpack_uint(buf, start + LENGTH_AT)[0] > end:
                raise DecodeError("a wrapped object is longer than what it is wrapped in", offset=pos)
            return decode(codecs, buf, start, *key, done=done)[0], end + 4
        if code == OBJECT:
            return decode(codecs, buf, pos, *key, done=done)
        if code == NULL:
            raise DecodeError(f"null where {name} is declared", offset=pos)
        value, end = decode_object(codecs, buf, pos)
        if value.__class__ is not schema.cls:
            raise DecodeError(f"expected {name}, the cluster has a {type(value).__name__}", offset=pos)
        return value, end

    return decode_at_code


def _decode_fields(source: Source, lines: Lines, fields: Sequence[ModelField], fallback: str) -> str:
    """Emit the fields one after the other: numbers and the text behind them are one struct call.

    Returns what to do when the object turns out to be another one: at last that keeps what has been read by calls.
    """
    index = 0
    done: list[str] = []
    while index < len(fields):
        run: list[tuple[int, ModelField]] = []
        while index < len(fields) and _is_fixed(fields[index]):
            run.append((index, fields[index]))
            index += 1
        text = index if index < len(fields) and fields[index].spec is STRING else None
        if text is not None:
            run.append((text, fields[text]))
            index += 1
        if run:
            formats = "".join(f"B{_format(field)}" for _, field in run)
            size = struct.calcsize("<" + formats)
            targets = ", ".join(f"t{at}, f{at}" for at, _ in run)
            source.line("try:")
            source.line(f"    {targets} = {source.bind('unpack_' + formats, unpacker(formats))}(buf, pos)")
            # A null near the end of the buffer makes the run reach behind it.
            source.line(f"except {source.bind('struct_error', struct.error)}:")
            source.line(f"    {fallback}")
            source.line(f"if {' or '.join(f't{at} != {field.spec.code}' for at, field in run)}:")
            source.line(f"    {fallback}")
            if text is None:
                source.line(f"pos += {size}")
            else:
                source.line(f"begin = pos + {size}")
                source.line(f"pos = begin + f{text}")
                source.line(f"f{text} = buf[begin:pos].decode()")
            for at, field in run:
                if field.spec.fixed == "?":
                    source.line(f"f{at} = f{at} == 1")
            continue
        field = fields[index]
        if _nests(field):
            source.line(f"b{index} = pos")
        _decode_other_field(source, lines, index, field, "pos")
        if _nests(field):
            source.line(f"e{index} = pos")
            done.append(f"{field.attribute!r}: (b{index}, e{index}, f{index})")
            fallback = _with_done(fallback, done)
        index += 1
    return fallback


def _decode_by_layout(source: Source, lines: Lines, fields: Sequence[ModelField], fallback: str) -> None:
    """Emit the fields by a layout: numbers and texts are one struct call, and then comes what stands between them.

    All that a layout fixes, from the header to the footer, has been compared before: the struct skips it.
    """
    _unpack_by_layout(source, fields)
    done: list[str] = []
    for index, field in enumerate(fields):
        if _form(field) == OTHER:
            source.line(f"b{index} += start")
            if field.spec.nullable:
                source.line(f"if not e{index}:")
                source.line(f"    f{index} = None")
                source.line("else:")
                source.depth += 1
            _decode_other_value(source, lines, index, field, f"b{index}")
            if _nests(field):
                done.append(f"{field.attribute!r}: (b{index}, pos, f{index})")
                fallback = _with_done(fallback, done)
            source.line(f"if pos != start + e{index}:")
            source.line(f"    {fallback}")
            if _nests(field):
                done[-1] = f"{field.attribute!r}: (b{index}, start + e{index}, f{index})"
                fallback = _with_done(fallback, done)
            if field.spec.nullable:
                source.depth -= 1


def _unpack_by_layout(source: Source, fields: Sequence[ModelField]) -> None:
    """Emit the reading of numbers and texts; of what else there is, where it starts, ``b0``, and ends, ``e0``."""
    targets = "".join(f"f{at}, " for at, field in enumerate(fields) if _form(field) != OTHER)
    others = "".join(f", b{at}, e{at}" for at, field in enumerate(fields) if _form(field) == OTHER)
    source.line(f"_, _, unpack{others} = layout")
    if targets:
        source.line(f"{targets}= unpack(buf, start)")
    for index, field in enumerate(fields):
        if _form(field) == TEXT:
            source.line(f"f{index} = f{index}.decode()")
        elif field.spec.fixed == "?" and _is_fixed(field):
            source.line(f"f{index} = f{index} == 1")


def _decode_other_field(source: Source, lines: Lines, index: int, field: ModelField, at: str) -> None:
    """Emit the reading of a field that has a decoder of its own, or is null; what follows it is at ``pos``."""
    if field.spec.nullable:
        source.line(f"if buf[{at}] == {NULL}:")
        source.line(f"    f{index} = None")
        source.line(f"    pos = {at} + 1")
        source.line("else:")
        source.depth += 1
    _decode_other_value(source, lines, index, field, at)
    if field.spec.nullable:
        source.depth -= 1


def _decode_other_value(source: Source, lines: Lines, index: int, field: ModelField, at: str) -> None:
    if _nests(field):
        source.line("codecs.depth += 1")
        source.line(f"if codecs.depth >= {MAX_DEPTH}:")
        source.line(f"    raise {source.bind('too_deep', _too_deep_to_decode)}()")
    source.line(f"f{index}, pos = {source.bind(f'decode_{index}', field.spec.decode)}(codecs, buf, {at})")
    lines[len(source.lines)] = (field,)
    if _nests(field):
        source.line("codecs.depth -= 1")


def _with_done(fallback: str, done: Sequence[str]) -> str:
    """The same call for an object that is another one after all, with what must not be read again."""
    call, _, _ = fallback.partition(", done=")
    return f"{call.removesuffix(')')}, done={{{', '.join(done)}}})"


def _format(field: ModelField) -> str:
    """How a field's payload begins, in a run: a text with its length; a boolean as a byte, since only 1 is true."""
    return "I" if field.spec is STRING else "B" if field.spec.fixed == "?" else field.spec.fixed or ""


def _construct(
    source: Source,
    schema: Schema,
    fields: Sequence[ModelField],
    *,
    joined: bool,
    key: str = "key",
    result: str = "result",
) -> None:
    """Emit the call of the constructor, positional where it takes positions; or what it does, where that is no more
    than to set attributes.
    """
    held = {id(field): f"f{index}" for index, field in enumerate(fields)}
    if joined:
        key_parts = _key_parts(schema, key)
        for position, field in enumerate(schema.key_fields):
            held[id(field)] = key_parts[position]
    positional: list[str] = []
    keywords: list[str] = []
    later: list[str] = []
    for field in schema.fields:
        expression = held[id(field)]
        if not field.in_constructor:
            later.append(
                f"{source.bind('set_attribute', object.__setattr__)}({result}, {field.attribute!r}, {expression})"
            )
        elif field.keyword_only:
            keywords.append(f"{field.parameter}={expression}")
        else:
            positional.append(expression)
    cls = source.bind(f"{schema.cls.__name__}_class", schema.cls)
    source.line("try:")
    if schema.only_assigns:
        source.line(f"    {result} = {source.bind('new', object.__new__)}({cls})")
        for field in schema.fields:
            source.line(f"    {result}.{field.attribute} = {held[id(field)]}")
        if holds_unknown(schema.cls):
            source.line(f"    {result}.{ATTRIBUTE} = None")
    elif schema.bare_init:
        source.line(f"    {result} = {cls}.__new__({cls})")
        source.line(f"    {result}.__attrs_init__({', '.join(positional + keywords)})")
    else:
        source.line(f"    {result} = {cls}({', '.join(positional + keywords)})")
    for line in later:
        source.line(f"    {line}")
    # Validators, converters and __attrs_post_init__ are the program's own and may raise anything.
    source.line(f"except {source.bind('Exception', Exception)} as error:")
    source.line(f"    raise {source.bind('refused', _refused)}({cls}, error) from error")


def _accept_tuple(source: Source, key_class: type | None) -> None:
    """Emit the conversion of a tuple that stands for a key of several fields."""
    if key_class is not None:
        source.line("if key.__class__ is tuple:")
        source.line(f"    key = {source.bind('Key', key_class)}(*key)")


def _key_parts(schema: Schema, key: str = "key") -> list[str]:
    """The expressions of the key fields inside a cache key."""
    if len(schema.key_fields) == 1:
        return [key]
    return [f"{key}.{field.attribute}" for field in schema.key_fields]


def _make_footer_decoder(
    schema: Schema, fields: Sequence[ModelField], known: BinaryType, key_class: type | None, *, joined: bool
) -> Callable[..., tuple[Any, int]]:
    """The decoder for objects of other schemas: by the footer's offsets, defaults for what is missing."""
    ids = {id(field): [field_id(name) for name in (field.name, *field.options.aliases)] for field in schema.fields}
    own = {each for field in fields for each in ids[id(field)]}
    everywhere = {each for found in ids.values() for each in found}
    cls = schema.cls
    construct = make_constructor(schema)

    def read_field(
        codecs: Codecs, buf: bytes, start: int, spans: Mapping[int, tuple[int, int]], field: ModelField, done: Done
    ) -> Any:
        span = next((spans[each] for each in ids[id(field)] if each in spans), None)
        if span is None:
            if field.required:
                raise DecodeError(
                    f"{cls.__name__}.{field.attribute}: the object has no field {field.name}, and there is no default",
                    offset=start,
                )
            return attrs.NOTHING
        if field.attribute in done:
            begin, end, value = done[field.attribute]
            if begin != span[0]:
                raise DecodeError(f"{cls.__name__}.{field.attribute}: it is not where the footer says", offset=begin)
        else:
            try:
                value, end = field.spec.decode(codecs, buf, span[0])
            except DecodeError as error:
                _name(error, cls, field)
                raise
        if end > span[1]:  # what is read twice here would be read four times one level deeper
            raise DecodeError(f"{cls.__name__}.{field.attribute}: it reaches into the next field", offset=span[0])
        return value

    def decode_other(codecs: Codecs, buf: bytes, start: int, *key: Any, done: Done = NONE_DONE) -> tuple[Any, int]:
        if key and key_class is not None and key[0].__class__ is tuple:
            key = (key_class(*key[0]),)
        header = parse_header(buf, start)
        if header.type_id != known.id:
            raise DecodeError(f"expected {schema.type_name}, the cluster has {_type_name(codecs, header.type_id)}")
        offsets = field_offsets(codecs, buf, start)
        spans = dict(zip(offsets, pairwise([*offsets.values(), header.fields_end]), strict=True))
        unknown = [each for each in offsets if each not in own]
        if schema.unknown_fields == "forbid" and not everywhere.issuperset(unknown):
            names = ", ".join(names_of(codecs, header, [each for each in unknown if each not in everywhere]))
            raise DecodeError(
                f"{cls.__name__}: the object has fields that the class does not have: {names}", offset=start
            )
        codecs.depth += 1
        if codecs.depth > MAX_DEPTH:
            raise _too_deep_to_decode()
        arguments: dict[str, Any] = {}
        later: dict[str, Any] = {}
        for field in schema.fields:
            if joined and field.options.key:
                value = key[0] if key_class is None else getattr(key[0], field.attribute)
            else:
                value = read_field(codecs, buf, start, spans, field, done)
                if value is attrs.NOTHING:
                    continue
            if field.in_constructor:
                arguments[field.parameter] = value
            else:
                later[field.attribute] = value
        if schema.unknown_fields == "preserve" and (unknown or header.flags & HAS_RAW):
            arguments[ATTRIBUTE] = read_unknown(codecs, buf, start, header, offsets, unknown)
        codecs.depth -= 1
        try:
            result = construct(arguments)
            for attribute, value in later.items():
                object.__setattr__(result, attribute, value)
        except Exception as error:
            raise _refused(cls, error) from error
        return result, header.end

    return decode_other


def make_constructor(schema: Schema) -> Callable[[dict[str, Any]], Any]:
    """The function that makes an object of what its constructor takes, by parameter."""
    cls: Any = schema.cls
    if not schema.bare_init:
        return lambda arguments: cls(**arguments)

    def construct(arguments: dict[str, Any]) -> Any:
        result = cls.__new__(cls)
        result.__attrs_init__(**arguments)
        return result

    return construct


def _type_name(codecs: Codecs, type_id: int) -> str:
    found = codecs.known.types.get(type_id)
    return f"a type with the id {type_id}" if found is None else found.name
