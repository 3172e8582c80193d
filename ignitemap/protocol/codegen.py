"""Layouts become functions: the only place in the package that executes generated source.

The generator composes leaf functions of types/, fuses runs of fixed-size scalars into one struct call, and puts
the source into linecache, so that a traceback shows the generated line. Names that come from the wire never reach
this module: layouts and model fields are the program's own.
"""

import functools
import itertools
import linecache
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import EntryTypes, decode_object, encode_object
from ignitemap.protocol.wire import (
    Asked,
    Custom,
    EntryKey,
    EntryValue,
    Fixed,
    Leaf,
    OffWire,
    Since,
    When,
)
from ignitemap.protocol.words import (
    decode_blob,
    decode_nullable_text,
    decode_text,
    decode_uuid16,
    decode_uuid_obj,
    encode_blob,
    encode_nullable_text,
    encode_text,
    encode_uuid16,
    encode_uuid_obj,
)

__all__ = [
    "FieldLayout",
    "Layout",
    "ListOf",
    "Nothing",
    "OperationCodec",
    "Record",
    "Source",
    "TupleOf",
    "compile_layout",
    "compile_operation",
    "compile_server_side",
    "packer",
    "unpacker",
]


@attrs.frozen
class Nothing:
    """An empty answer."""


@attrs.frozen
class ListOf:
    """Items behind a count (i32), or as many as the field ``times`` says."""

    item: "Layout"
    times: str | None = None


@attrs.frozen
class TupleOf:
    """Items one behind the other, a tuple in Python."""

    items: tuple["Layout", ...]


@attrs.frozen
class FieldLayout:
    """One field of a record: its layout, the marks that say when it is on the wire, its value when it is not."""

    name: str
    layout: "Layout"
    marks: tuple[Since | When | Asked | OffWire, ...] = ()
    default: Any = None


@attrs.frozen(eq=False)
class Record:
    """The layout of an attrs class made by @operation or @record."""

    cls: type
    fields: tuple[FieldLayout, ...]


Layout = Fixed | Leaf | EntryKey | EntryValue | Custom | ListOf | TupleOf | Record | Nothing


# --- leaves -----------------------------------------------------------------------------------------------------------

LEAVES: Final[dict[str, tuple[Callable[..., None], Callable[..., tuple[Any, int]]]]] = {
    "text": (encode_text, decode_text),
    "nullable_text": (encode_nullable_text, decode_nullable_text),
    "blob": (encode_blob, decode_blob),
    "uuid_obj": (encode_uuid_obj, decode_uuid_obj),
    "uuid16": (encode_uuid16, decode_uuid16),
    "obj": (encode_object, decode_object),
}


# --- source ---------------------------------------------------------------------------------------------------------


@functools.cache
def packer(formats: str) -> Callable[..., bytes]:
    """The bound pack method of a little-endian struct: looked up once, since a lookup costs as much as a pack."""
    return struct.Struct("<" + formats).pack


@functools.cache
def unpacker(formats: str) -> Callable[..., tuple[Any, ...]]:
    """The bound unpack_from method of a little-endian struct."""
    return struct.Struct("<" + formats).unpack_from


_serial = itertools.count(1)


class Source:
    """Lines of one generated function and the objects that they name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self.depth = 0
        self._temporaries = itertools.count()

    def line(self, text: str) -> None:
        """Add a line at the present indentation."""
        self.lines.append("    " * self.depth + text)

    def bind(self, name: str, thing: Any) -> str:
        """Make an object reachable from the source; the name it has there."""
        bound = name
        while bound == self.name or self.names.get(bound, thing) is not thing:
            bound = f"{name}_{next(self._temporaries)}"
        self.names[bound] = thing
        return bound

    def temporary(self, stem: str = "v") -> str:
        """A local name that nothing else in the function uses."""
        return f"{stem}{next(self._temporaries)}"

    def compile(self) -> Callable[..., Any]:
        """The function. Its source stands in linecache for tracebacks."""
        source = "\n".join(self.lines) + "\n"
        filename = f"<ignitemap {self.name} {next(_serial)}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        namespace = dict(self.names)
        exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - made from the program's own layouts
        function: Callable[..., Any] = namespace[self.name]
        return function


class _Writer:
    """Emits the statements that append values to ``out``; runs of scalars become one struct call."""

    def __init__(self, source: Source, types: EntryTypes) -> None:
        self.source = source
        self.types = types
        self.run: list[tuple[str, str]] = []

    def flush(self) -> None:
        if self.run:
            formats = "".join(code for code, _ in self.run)
            bound = self.source.bind("pack_" + formats.replace("?", "z"), packer(formats))
            self.source.line(f"out += {bound}({', '.join(expression for _, expression in self.run)})")
            self.run = []

    def write(self, layout: Layout, expression: str, key: str | None) -> None:
        source = self.source
        match layout:
            case Fixed(format):
                self.run.append((format, expression))
            case Nothing():
                pass
            case Leaf(name):
                self.flush()
                source.line(f"{source.bind(f'encode_{name}', LEAVES[name][0])}(codecs, out, {expression})")
            case EntryKey():
                self.flush()
                source.line(f"{source.bind('encode_key', self.types.key.encode)}(codecs, out, {expression})")
            case EntryValue():
                self.flush()
                more = f", {key}" if self.types.value.joins_key else ""
                encode = source.bind("encode_value", self.types.value.encode)
                source.line(f"{encode}(codecs, out, {expression}{more})")
            case Custom(inline=str(attribute)):
                self.flush()
                source.line(f"out += {expression}.{attribute}")
            case Custom(encode, _):
                self.flush()
                source.line(f"{source.bind(encode.__name__, encode)}(codecs, context, out, {expression})")
            case ListOf(item, times):
                if times is None:
                    self.run.append(("i", f"len({expression})"))
                self.flush()
                name = source.temporary("item")
                source.line(f"for {name} in {expression}:")
                source.depth += 1
                before = len(source.lines)
                self.write(item, name, key)
                self.flush()
                if len(source.lines) == before:
                    source.line("pass")
                source.depth -= 1
            case TupleOf(items):
                names = [source.temporary("part") for _ in items]
                self.flush()
                source.line(f"{', '.join(names)}, = {expression}")
                own_key = next((name for name, item in zip(names, items, strict=True) if item == EntryKey()), key)
                for name, item in zip(names, items, strict=True):
                    self.write(item, name, own_key)
            case Record():
                self.write_fields(layout, expression, key)

    def write_fields(self, record: Record, expression: str, key: str | None, request: str | None = None) -> None:
        source = self.source
        own_key = next((f"{expression}.{field.name}" for field in record.fields if field.layout == EntryKey()), key)
        for field in record.fields:
            if any(isinstance(mark, OffWire) for mark in field.marks):
                continue
            condition = _condition(source, record, field, expression, request)
            if condition is None:
                self.write(field.layout, f"{expression}.{field.name}", own_key)
                continue
            self.flush()
            source.line(f"if {condition}:")
            source.depth += 1
            self.write(field.layout, f"{expression}.{field.name}", own_key)
            self.flush()
            source.depth -= 1


class _Reader:
    """Emits the statements that read values from ``buf`` at ``pos``; runs of scalars become one struct call."""

    def __init__(self, source: Source, types: EntryTypes, request: str | None) -> None:
        self.source = source
        self.types = types
        self.request = request
        self.run: list[tuple[str, str]] = []

    def flush(self) -> None:
        if self.run:
            formats = "".join(code for code, _ in self.run)
            unpack = self.source.bind("unpack_" + formats.replace("?", "z"), unpacker(formats))
            self.source.line(f"{', '.join(name for _, name in self.run)}, = {unpack}(buf, pos)")
            self.source.line(f"pos += {struct.calcsize('<' + formats)}")
            self.run = []

    def read(self, layout: Layout, target: str, key: str | None, siblings: dict[str, str]) -> None:
        source = self.source
        match layout:
            case Fixed(format):
                self.run.append((format, target))
            case Nothing():
                source.line(f"{target} = None")
            case Leaf(name):
                self.flush()
                source.line(f"{target}, pos = {source.bind(f'decode_{name}', LEAVES[name][1])}(codecs, buf, pos)")
            case EntryKey():
                self.flush()
                source.line(f"{target}, pos = {source.bind('decode_key', self.types.key.decode)}(codecs, buf, pos)")
            case EntryValue():
                self.flush()
                more = f", {key}" if self.types.value.joins_key else ""
                decode = source.bind("decode_value", self.types.value.decode)
                source.line(f"{target}, pos = {decode}(codecs, buf, pos{more})")
            case Custom(_, decode):
                self.flush()
                source.line(f"{target}, pos = {source.bind(decode.__name__, decode)}(codecs, context, buf, pos)")
            case ListOf(item, times):
                self._read_list(item, times, target, key, siblings)
            case TupleOf(items):
                names = [source.temporary("part") for _ in items]
                own_key = next((name for name, item in zip(names, items, strict=True) if item == EntryKey()), key)
                for name, item in zip(names, items, strict=True):
                    self.read(item, name, own_key, siblings)
                self.flush()
                source.line(f"{target} = ({', '.join(names)},)")
            case Record():
                self.read_fields(layout, target, key)

    def _read_list(
        self, item: Layout, times: str | None, target: str, key: str | None, siblings: dict[str, str]
    ) -> None:
        source = self.source
        if times is None:
            count = source.temporary("count")
            self.run.append(("i", count))
            self.flush()
        else:
            self.flush()
            count = siblings.get(times) or f"{self.request}.{times}"
        # An item takes at least one byte, so a count beyond the bytes left is a lie; nothing is allocated for it.
        check = source.bind("check_count", check_count)
        source.line(f"{check}({count}, buf, pos)")
        name = source.temporary("item")
        add = source.temporary("add")
        source.line(f"{target} = []")
        source.line(f"{add} = {target}.append")
        source.line(f"for _ in range({count}):")
        source.depth += 1
        self.read(item, name, key, siblings)
        self.flush()
        source.line(f"{add}({name})")
        source.depth -= 1

    def read_fields(self, record: Record, target: str, key: str | None, *, without: Sequence[str] = ()) -> None:
        source = self.source
        names: dict[str, str] = {}
        own_key = key
        for field in record.fields:
            name = names[field.name] = source.temporary(field.name + "_")
            if field.layout == EntryKey():
                own_key = name
            if any(isinstance(mark, OffWire) for mark in field.marks):
                source.line(f"{name} = {source.bind(f'default_{field.name}', field.default)}")
                continue
            condition = _condition(source, record, field, None, self.request, names)
            if condition is None:
                self.read(field.layout, name, own_key, names)
                continue
            self.flush()
            source.line(f"if {condition}:")
            source.depth += 1
            self.read(field.layout, name, own_key, names)
            self.flush()
            source.depth -= 1
            source.line("else:")
            source.line(f"    {name} = {source.bind(f'default_{field.name}', field.default)}")
        self.flush()
        source.line(f"{target} = {source.bind(record.cls.__name__, record.cls)}({', '.join(names.values())})")


def _condition(
    source: Source,
    record: Record,
    field: FieldLayout,
    owner: str | None,
    request: str | None,
    names: dict[str, str] | None = None,
) -> str | None:
    """The expression that says whether a marked field is on the wire; None for a field that always is."""
    conditions: list[str] = []
    for mark in field.marks:
        match mark:
            case When(feature):
                conditions.append(f"{int(feature)} in context.features")
            case Since(version):
                conditions.append(f"context.version >= {version!r}")
            case Asked(asked, equal):
                if names is not None and asked in names:
                    holder = names[asked]
                elif owner is not None and any(other.name == asked for other in record.fields):
                    holder = f"{owner}.{asked}"
                else:
                    holder = f"{request}.{asked}"
                conditions.append(holder if equal else f"not {holder}")
            case OffWire():
                pass
    return " and ".join(conditions) or None


def check_count(count: int, buf: bytes, pos: int) -> None:
    """Refuse a count that the bytes left can't hold."""
    if not 0 <= count <= len(buf) - pos:
        raise DecodeError(f"{count} items in {len(buf) - pos} bytes")


def check_end(buf: bytes, pos: int) -> None:
    """Refuse bytes behind a complete message."""
    if pos != len(buf):
        raise DecodeError(f"{len(buf) - pos} bytes behind the end of the message")


# --- operations -----------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class OperationCodec:
    """The two directions of one operation for one pair of entry types.

    On the client ``encode(codecs, context, out, request) -> position of the routing key or -1`` and
    ``decode(codecs, context, buf, request) -> answer``; on the server
    ``encode(codecs, context, out, request, answer)`` and ``decode(codecs, context, buf) -> request``.
    """

    encode: Callable[..., Any]
    decode: Callable[..., Any]


def compile_operation(operation: Any, types: EntryTypes) -> OperationCodec:
    """The client's codec of an operation: compiled once per pair of entry types."""
    codec = types.compiled.get(operation)
    if codec is None:
        codec = OperationCodec(
            _compile_encode_request(operation, types), _compile_decode(operation.answer_layout, operation, types)
        )
        types.compiled[operation] = codec
    return codec


def compile_server_side(operation: Any, types: EntryTypes) -> OperationCodec:
    """The server's codec of an operation: it reads requests and writes answers."""
    codec = types.compiled.get((operation, "server"))
    if codec is None:
        codec = OperationCodec(
            _compile_encode_answer(operation, types),
            _compile_decode(operation.request_layout, operation, types, request=None),
        )
        types.compiled[operation, "server"] = codec
    return codec


def compile_layout(layout: Layout, name: str, types: EntryTypes) -> OperationCodec:
    """The codec of one layout alone: ``encode(codecs, context, out, value)``, ``decode(codecs, context, buf, pos)``."""
    source = Source(f"encode_{name}")
    source.line(f"def encode_{name}(codecs, context, out, value):")
    source.depth += 1
    writer = _Writer(source, types)
    writer.write(layout, "value", None)
    writer.flush()
    source.line("return")
    encode = source.compile()
    source = Source(f"decode_{name}")
    source.line(f"def decode_{name}(codecs, context, buf, pos):")
    source.depth += 1
    reader = _Reader(source, types, None)
    reader.read(layout, "result", None, {})
    reader.flush()
    source.line("return result, pos")
    return OperationCodec(encode, source.compile())


def _compile_encode_request(operation: Any, types: EntryTypes) -> Callable[..., int]:
    record: Record = operation.request_layout
    source = Source(f"encode_{operation.__name__}")
    source.line(f"def encode_{operation.__name__}(codecs, context, out, request):")
    source.depth += 1
    writer = _Writer(source, types)
    routing = "-1"
    if operation.routed:
        # Every routed operation is a CacheRef, then the key: the key starts where the prefix ends.
        routing = "key_at"
        head, rest = Record(record.cls, record.fields[:1]), Record(record.cls, record.fields[1:])
        writer.write_fields(head, "request", None)
        writer.flush()
        source.line("key_at = len(out)")
        writer.write_fields(rest, "request", None)
    else:
        writer.write_fields(record, "request", None)
    writer.flush()
    source.line(f"return {routing}")
    return source.compile()


def _compile_encode_answer(operation: Any, types: EntryTypes) -> Callable[..., None]:
    source = Source(f"encode_{operation.__name__}_answer")
    source.line(f"def encode_{operation.__name__}_answer(codecs, context, out, request, answer):")
    source.depth += 1
    writer = _Writer(source, types)
    key = _request_key(operation)
    if isinstance(operation.answer_layout, Record):
        writer.write_fields(operation.answer_layout, "answer", key, "request")
    else:
        writer.write(operation.answer_layout, "answer", key)
    writer.flush()
    source.line("return")
    return source.compile()


def _compile_decode(
    layout: Layout, operation: Any, types: EntryTypes, request: str | None = "request"
) -> Callable[..., Any]:
    name = f"decode_{operation.__name__}" + ("_answer" if request else "")
    source = Source(name)
    source.line(f"def {name}(codecs, context, buf{', request' if request else ''}):")
    source.depth += 1
    source.line("pos = 0")
    reader = _Reader(source, types, request)
    reader.read(layout, "result", _request_key(operation) if request else None, {})
    reader.flush()
    source.line("if pos != len(buf):")
    source.line(f"    {source.bind('check_end', check_end)}(buf, pos)")
    source.line("return result")
    return source.compile()


def _request_key(operation: Any) -> str | None:
    if operation.routed:
        return next(f"request.{field.name}" for field in operation.request_layout.fields if field.layout == EntryKey())
    return None
