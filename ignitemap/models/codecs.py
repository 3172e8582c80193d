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
from ignitemap.models.schema import ModelField, Schema
from ignitemap.models.unknown import ATTRIBUTE, make_splice, names_of, read_unknown
from ignitemap.protocol.binary_type import BinaryType
from ignitemap.protocol.codecs import (
    MAX_ENCODE_DEPTH,
    Codecs,
    Spec,
    decode_object,
    too_deep,
)
from ignitemap.protocol.codegen import Source, packer, unpacker
from ignitemap.protocol.hashing import bytes_hash, field_id, schema_id
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
HEADER_LENGTH: Final = 24
LENGTH_AT: Final = 12
# USER_TYPE | HAS_SCHEMA | COMPACT_FOOTER, and the width of the footer's offsets.
FLAGS: Final = {"B": 0x2B, "H": 0x33, "I": 0x23}
WIDTH_FLAGS: Final = 0x18
LEAF_CODES: Final = frozenset({*range(1, 13), 28, 30, 33, 36})
MAX_DEPTH: Final = 200
"""How deep objects of models may nest that are read: twice what may be written, for where each is counted twice, as a
model and as a value under Any. They are read by recursion, so that the interpreter's own limit may come first."""
# What the generated encoder can meet: a leaf's own error, or that of a fused struct or of str.encode, or a field
# that was never set.
ENCODE_ERRORS: Final = (EncodeError, struct.error, UnicodeEncodeError, OverflowError, AttributeError)

unpack_header: Final = HEADER.unpack_from
unpack_start: Final = struct.Struct("<HHi4xIiI").unpack_from
"""The header without the hash; type code and version are one number."""
unpack_uint: Final = struct.Struct("<I").unpack_from

Lines = dict[int, tuple[ModelField, ...]]
"""The fields that a line of generated source is about."""


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
    decode_whole = _make_decoder(schema, schema.fields, schema.whole, None, joined=False)
    encode_whole = _make_encoder(schema, schema.fields, schema.whole, None, joined=False)
    whole = _spec(schema, encode_whole, decode_whole, joined=False)
    if not schema.key_fields:
        return ModelCodec(whole, whole, decode_whole)
    encode_value = _make_encoder(schema, schema.value_fields, schema.value, key_class, joined=True)
    decode_value = _make_decoder(schema, schema.value_fields, schema.value, key_class, joined=True)
    value = _spec(schema, encode_value, decode_value, joined=True)
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
    decode = _make_decoder(schema, fields, known, None, joined=False)
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


def _nests(fields: Sequence[ModelField]) -> bool:
    return any(field.spec.code not in LEAF_CODES for field in fields)


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
    """Generate an encoder. ``plain`` leaves unknown fields to the caller."""
    name = f"encode_{schema.cls.__name__}"
    (schema_id,) = known.schemas
    source = Source(name)
    lines: Lines = {}
    cls = source.bind(schema.cls.__name__, schema.cls)
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
        source.line(f"    return {source.bind('splice', splice)}(codecs, out, value{', key' if joined else ''})")
    source.line(f"if {source.bind('OWN', (known.id, schema_id))} not in codecs.known.announced:")
    source.line(f"    codecs.announce({source.bind('TYPE', known)}, {schema_id})")
    if not fields:
        source.line(f"out += {source.bind('EMPTY', object_bytes(known.id, schema_id, b'', ()))}")
        return source.compile()
    source.line("try:")
    source.depth = 2
    nests = _nests(fields)
    if nests:
        source.line("codecs.depth += 1")
        source.line(f"if codecs.depth > {MAX_ENCODE_DEPTH}:")
        source.line(f"    raise {source.bind('too_deep', _too_deep_to_encode)}()")
    offsets = _encode_fields(source, lines, fields, known.id)
    for index, (width, limit) in enumerate((("B", 1 << 8), ("H", 1 << 16), ("I", None))):
        pack = source.bind(f"pack_footer_{width}", packer(width * len(fields)))
        if limit is None:
            source.line("else:")
        else:
            source.line(f"{'if' if index == 0 else 'elif'} {offsets[-1]} < {limit}:")
        source.line(f"    footer = {pack}({', '.join(offsets)})")
        source.line(f"    flags = {FLAGS[width]}")
    source.line(f"end = {HEADER_LENGTH} + len(body)")
    source.line(f"code = {source.bind('bytes_hash', bytes_hash)}(body)")
    pack_header = source.bind("pack_header", HEADER.pack)
    source.line(
        f"out += {pack_header}({OBJECT}, 1, flags, {known.id}, code, end + len(footer), {schema_id}, end) + body + footer"
    )
    if nests:
        source.line("codecs.depth -= 1")
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


def _encoder_of(field: ModelField, type_id: int) -> Callable[..., None]:
    return following_encoder(field.spec, type_id, field_id(field.name)) if field.is_date else field.spec.encode


def _encode_fields(source: Source, lines: Lines, fields: Sequence[ModelField], type_id: int) -> list[str]:
    """Emit the fields, all of whose bytes are joined in ``body``; the expressions of their offsets."""
    offsets: list[str] = []
    pieces: list[str] = []
    base, fixed = "", HEADER_LENGTH  # where the next field starts: a variable, and bytes of fixed size since
    run: list[tuple[int, ModelField]] = []

    def emit(text: str, *about: ModelField) -> None:
        source.line(text)
        lines[len(source.lines)] = about

    def flush(text: int | None = None) -> None:
        """Emit one struct call for the numbers that have come, and for the head of the text that follows them."""
        if not run and text is None:
            return
        formats = "".join(f"B{field.spec.fixed}" for _, field in run) + ("" if text is None else "BI")
        values = [f"{field.spec.code}, f{index}" for index, field in run]
        if text is not None:
            values.append(f"{STRING_CODE}, n{text}")
        piece = f"r{len(pieces)}"
        pieces.append(piece)
        pack = source.bind("pack_" + formats.replace("?", "z"), packer(formats))
        packed = f"{piece} = {pack}({', '.join(values)})"
        if run:
            source.line(f"if {' and '.join(_exact(index, field) for index, field in run)}:")
            emit(f"    {packed}", *(field for _, field in run))
            source.line("else:")
            source.line(f"    {piece} = {source.bind('bytearray', bytearray)}()")
            for index, field in run:
                emit(f"    {source.bind(f'encode_{index}', field.spec.encode)}(codecs, {piece}, f{index})", field)
            if text is not None:
                source.line(f"    {piece} += {source.bind('pack_BI', packer('BI'))}({STRING_CODE}, n{text})")
        else:
            source.line(packed)
        run.clear()

    for index, field in enumerate(fields):
        emit(f"f{index} = value.{field.attribute}", field)
        offsets.append(f"{base} + {fixed}" if base and fixed else base or str(fixed))
        if field.spec.fixed is not None and not field.spec.nullable:
            run.append((index, field))
            fixed += 1 + struct.calcsize("<" + field.spec.fixed)
            continue
        encode = source.bind(f"encode_{index}", _encoder_of(field, type_id))
        piece = f"d{index}"
        if field.spec is STRING:
            source.line(f"if f{index}.__class__ is str:")
            emit(f"    {piece} = f{index}.encode()", field)
            source.line("else:")
            source.line(f"    {piece} = {source.bind('bytearray', bytearray)}()")
            emit(f"    {encode}(codecs, {piece}, f{index})", field)
            source.line(f"    del {piece}[:5]")
            source.line(f"n{index} = len({piece})")
            flush(index)
            head = 5
        else:
            flush()
            if field.spec.nullable:
                source.line(f"if f{index} is None:")
                source.line(f"    {piece} = {source.bind('NULL', bytes((NULL,)))}")
                source.line("else:")
                source.depth += 1
            source.line(f"{piece} = {source.bind('bytearray', bytearray)}()")
            emit(f"{encode}(codecs, {piece}, f{index})", field)
            if field.spec.nullable:
                source.depth -= 1
            if index + 1 < len(fields):
                source.line(f"n{index} = len({piece})")
            head = 0
        pieces.append(piece)
        if index + 1 < len(fields):
            source.line(f"p{index + 1} = {offsets[-1]} + n{index}{f' + {head}' if head else ''}")
            base, fixed = f"p{index + 1}", 0
    flush()
    source.line(f"body = {source.bind('join', b''.join)}(({', '.join(pieces)},))")
    return offsets


def _exact(index: int, field: ModelField) -> str:
    kind = {"?": "bool", "f": "float", "d": "float"}.get(field.spec.fixed or "", "int")
    return f"f{index}.__class__ is {kind}"


# --- decoder --------------------------------------------------------------------------------------------------------


def _make_decoder(
    schema: Schema,
    fields: Sequence[ModelField],
    known: BinaryType,
    key_class: type | None,
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
    unpack_size = source.bind("unpack_size", unpack_uint)
    struct_error = source.bind("struct_error", struct.error)
    source.line("at = start = pos")
    source.line("after = shift = 0")
    source.line("try:")
    source.line(f"    if buf[pos] == {WRAPPED}:  # what a server sends at the top level and inside collections")
    source.line("        start = pos + 5")
    source.line(f"        after = start + 4 + {unpack_size}(buf, pos + 1)[0]")
    source.line(f"        shift = {unpack_size}(buf, after - 4)[0]")
    source.line(
        f"    kind, flags, type_id, length, schema_id, footer = {source.bind('unpack_start', unpack_start)}(buf, start)"
    )
    source.line(f"except {struct_error}:")
    source.line(f"    {fallback}")
    source.line("stop = start + length")
    source.line(
        f"if type_id != {known.id} or schema_id != {schema_id} or kind != {OBJECT | 1 << 8}"
        f" or flags | {WIDTH_FLAGS} != {FLAGS['I'] | WIDTH_FLAGS} or shift or stop > (after - 4 if after else len(buf)):"
    )
    source.line(f"    {fallback}")
    nests = _nests(fields)
    if nests:
        source.line("codecs.depth += 1")
        source.line(f"if codecs.depth > {MAX_DEPTH}:")
        source.line(f"    raise {source.bind('too_deep', _too_deep_to_decode)}()")
        fallback = f"codecs.depth -= 1; {fallback}"
    source.line(f"pos = start + {HEADER_LENGTH}")
    source.line("try:")
    source.depth = 2
    _decode_fields(source, lines, fields, fallback)
    source.depth = 1
    source.line(f"except {source.bind('DecodeError', DecodeError)} as error:")
    source.line(f"    {source.bind('name_field', _namer(schema.cls, lines))}(error)")
    source.line("    raise")
    source.line("if pos != start + footer:")
    source.line(f"    {fallback}")
    if nests:
        source.line("codecs.depth -= 1")
    _construct(source, schema, fields, joined=joined)
    source.line("return result, after or stop")
    return source.compile()


def _make_checked_decoder(schema: Schema, decode: Callable[..., tuple[Any, int]]) -> Callable[..., tuple[Any, int]]:
    """The decoder of whatever stands where the model is declared, by the one of an object at its 0x67."""
    name = schema.cls.__name__

    def decode_at_code(codecs: Codecs, buf: bytes, pos: int, *key: Any) -> tuple[Any, int]:
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
            return decode(codecs, buf, start, *key)[0], end + 4
        if code == OBJECT:
            return decode(codecs, buf, pos, *key)
        if code == NULL:
            raise DecodeError(f"null where {name} is declared", offset=pos)
        value, end = decode_object(codecs, buf, pos)
        if value.__class__ is not schema.cls:
            raise DecodeError(f"expected {name}, the cluster has a {type(value).__name__}", offset=pos)
        return value, end

    return decode_at_code


def _decode_fields(source: Source, lines: Lines, fields: Sequence[ModelField], fallback: str) -> None:
    """Emit the fields: numbers and the text behind them are one struct call."""
    index = 0
    while index < len(fields):
        run: list[tuple[int, ModelField]] = []
        while index < len(fields) and fields[index].spec.fixed is not None and not fields[index].spec.nullable:
            run.append((index, fields[index]))
            index += 1
        text = index if index < len(fields) and fields[index].spec is STRING else None
        if text is not None:
            run.append((text, fields[text]))
            index += 1
        if run:
            formats = "".join(f"B{_format(field)}" for _, field in run)
            size = struct.calcsize("<" + formats)
            # A null near the end of the buffer makes the run reach behind it.
            source.line(f"if pos + {size} > len(buf):")
            source.line(f"    {fallback}")
            targets = ", ".join(f"t{at}, f{at}" for at, _ in run)
            source.line(f"{targets} = {source.bind('unpack_' + formats, unpacker(formats))}(buf, pos)")
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
        decode = source.bind(f"decode_{index}", field.spec.decode)
        if field.spec.nullable:
            source.line(f"if buf[pos] == {NULL}:")
            source.line(f"    f{index} = None")
            source.line("    pos += 1")
            source.line("else:")
            source.line(f"    f{index}, pos = {decode}(codecs, buf, pos)")
        else:
            source.line(f"f{index}, pos = {decode}(codecs, buf, pos)")
        lines[len(source.lines)] = (field,)
        index += 1


def _format(field: ModelField) -> str:
    """How a field's payload begins, in a run: a text with its length; a boolean as a byte, since only 1 is true."""
    return "I" if field.spec is STRING else "B" if field.spec.fixed == "?" else field.spec.fixed or ""


def _construct(source: Source, schema: Schema, fields: Sequence[ModelField], *, joined: bool) -> None:
    """Emit the call of the constructor: positional where it takes positions."""
    held = {id(field): f"f{index}" for index, field in enumerate(fields)}
    if joined:
        key_parts = _key_parts(schema)
        for position, field in enumerate(schema.key_fields):
            held[id(field)] = key_parts[position]
    positional: list[str] = []
    keywords: list[str] = []
    later: list[str] = []
    for field in schema.fields:
        expression = held[id(field)]
        if not field.in_constructor:
            later.append(
                f"{source.bind('set_attribute', object.__setattr__)}(result, {field.attribute!r}, {expression})"
            )
        elif field.keyword_only:
            keywords.append(f"{field.parameter}={expression}")
        else:
            positional.append(expression)
    cls = source.bind(schema.cls.__name__, schema.cls)
    source.line("try:")
    if schema.bare_init:
        source.line(f"    result = {cls}.__new__({cls})")
        source.line(f"    result.__attrs_init__({', '.join(positional + keywords)})")
    else:
        source.line(f"    result = {cls}({', '.join(positional + keywords)})")
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


def _key_parts(schema: Schema) -> list[str]:
    """The expressions of the key fields inside a cache key."""
    if len(schema.key_fields) == 1:
        return ["key"]
    return [f"key.{field.attribute}" for field in schema.key_fields]


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
        codecs: Codecs, buf: bytes, start: int, spans: Mapping[int, tuple[int, int]], field: ModelField
    ) -> Any:
        span = next((spans[each] for each in ids[id(field)] if each in spans), None)
        if span is None:
            if field.required:
                raise DecodeError(
                    f"{cls.__name__}.{field.attribute}: the object has no field {field.name}, and there is no default",
                    offset=start,
                )
            return attrs.NOTHING
        try:
            value, end = field.spec.decode(codecs, buf, span[0])
        except DecodeError as error:
            _name(error, cls, field)
            raise
        if end > span[1]:  # what is read twice here would be read four times one level deeper
            raise DecodeError(f"{cls.__name__}.{field.attribute}: it reaches into the next field", offset=span[0])
        return value

    def decode_other(codecs: Codecs, buf: bytes, start: int, *key: Any) -> tuple[Any, int]:
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
                value = read_field(codecs, buf, start, spans, field)
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
