"""Layouts become functions: the only place in the package that executes generated source.

The generator composes leaf functions of types/, fuses runs of fixed-size scalars into one struct call, and puts
the source into linecache, so that a traceback shows the generated line. Names that come from the wire never reach
this module: layouts and model fields are the program's own. Of a page of SQL rows it is the type codes of the first row
that say what the others are expected to be, and of these only those in a table here get into the source.
"""

import functools
import itertools
import linecache
import struct
import sys
import weakref
from array import array
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, NoReturn

import attrs

from ignitemap.exceptions import DecodeError, NotSupportedByServer
from ignitemap.protocol.codecs import Codecs, Decoder, EntryTypes, Spec, decode_object, encode_object
from ignitemap.protocol.types import codes, numeric
from ignitemap.protocol.types.text import STRING, decode_str
from ignitemap.protocol.wire import (
    Asked,
    Custom,
    EntryKey,
    EntryValue,
    Fixed,
    Leaf,
    OffWire,
    ProtocolContext,
    Since,
    When,
    word,
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
    "INLINE",
    "TEXT",
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
    "refuse_version",
    "unpacker",
]


@word
class Nothing:
    """An empty answer."""


@word
class ListOf:
    """Items behind a count (i32), or as many as the field ``times`` says."""

    item: "Layout"
    times: str | None = None


@word
class TupleOf:
    """Items one behind the other, a tuple in Python."""

    items: tuple["Layout", ...]


@word
class FieldLayout:
    """One field of a record: its layout, the marks that say when it is on the wire, its value when it is not."""

    name: str
    layout: "Layout"
    marks: tuple[Since | When | Asked | OffWire, ...] = ()
    default: Any = None


@word
class Record:
    """The layout of a class made by @operation or @record."""

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

ITEMS_IN_STEP: Final = 16
"""How many items of a list are read between two steps of a long answer: a yield costs less than half an item."""
ROWS_IN_STEP: Final = 256
BYTES_IN_STEP: Final = 32 * 1024
"""About so much is read between two steps where rows are long."""


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
        function: Callable[..., Any] = namespace.pop(self.name)  # which would refer to itself
        # Of what is kept in a bounded cache, the source goes when the function does.
        weakref.finalize(function, linecache.cache.pop, filename, None).atexit = False
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
                self._write_key(expression)
            case EntryValue():
                self.flush()
                more = f", {key}" if self.types.value.joins_key else ""
                encode = source.bind("encode_value", self.types.value.encode)
                source.line(f"{encode}(codecs, out, {expression}{more})")
            case Custom(inline=str(attribute), since=since):
                self.flush()
                if since is not None:
                    source.line(f"if context.version < {expression}.{since}:")
                    source.line(f"    {source.bind('refuse_version', refuse_version)}(context, {expression}.{since})")
                source.line(f"out += {expression}.{attribute}")
            case Custom(encode, _):
                self.flush()
                source.line(f"{source.bind(encode.__name__, encode)}(codecs, context, out, {expression})")
            case ListOf(item, times):
                if times is None:
                    self.run.append(("i", f"len({expression})"))
                self.flush()
                at_once = item == EntryKey() and self.types.key.encode in INTEGERS
                if at_once:
                    spec = self.types.key
                    pack = source.bind("pack_keys", pack_keys)
                    source.line(f"packed = {pack}({spec.code}, {spec.fixed!r}, {expression})")
                    source.line("if packed is not None:")
                    source.line("    out += packed")
                    source.line("else:")
                    source.depth += 1
                name = source.temporary("item")
                source.line(f"for {name} in {expression}:")
                source.depth += 1
                before = len(source.lines)
                self.write(item, name, key)
                self.flush()
                if len(source.lines) == before:
                    source.line("pass")
                source.depth -= 2 if at_once else 1
            case TupleOf(items):
                names = [source.temporary("part") for _ in items]
                self.flush()
                source.line(f"{', '.join(names)}, = {expression}")
                own_key = next((name for name, item in zip(names, items, strict=True) if item == EntryKey()), key)
                for name, item in zip(names, items, strict=True):
                    self.write(item, name, own_key)
            case Record():
                self.write_fields(layout, expression, key)

    def _write_key(self, expression: str) -> None:
        """Emit the writing of a key: in line where it is a number of the expected class that fits."""
        source, spec = self.source, self.types.key
        encode = f"{source.bind('encode_key', spec.encode)}(codecs, out, {expression})"
        if spec.encode not in INTEGERS:
            self.flush()
            source.line(encode)
            return
        if not expression.isidentifier():
            source.line(f"key = {expression}")
            encode, expression = encode.replace(expression, "key"), "key"
        self.flush()
        pack = source.bind(f"pack_B{spec.fixed}", packer(f"B{spec.fixed}"))
        source.line(
            f"if {expression}.__class__ is int and {INTEGERS[spec.encode]} <= {expression} <= {~INTEGERS[spec.encode]}:"
        )
        source.line(f"    out += {pack}({spec.code}, {expression})")
        source.line("else:")
        source.line(f"    {encode}")

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

    def __init__(self, source: Source, types: EntryTypes, request: str | None, *, steps: bool = False) -> None:
        self.source = source
        self.types = types
        self.request = request
        self.steps = steps
        """Whether to yield after every few items of the lists that are not inside of others."""
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
                column = _column(source, target, "decode_value", self.types.value.decode, more)
                if column.code is not None:
                    source.line("limit = len(buf)")
                _read_columns(source, [column])
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

    def _read_count(self, times: str | None, siblings: dict[str, str]) -> str:
        source = self.source
        if times is None:
            count = source.temporary("count")
            self.run.append(("i", count))
            self.flush()
        else:
            self.flush()
            count = siblings.get(times) or f"{self.request}.{times}"
        # An item takes at least one byte, so a count beyond the bytes left is a lie; nothing is allocated for it.
        source.line(f"{source.bind('check_count', check_count)}({count}, buf, pos)")
        return count

    def _read_list(
        self, item: Layout, times: str | None, target: str, key: str | None, siblings: dict[str, str]
    ) -> None:
        source = self.source
        count = self._read_count(times, siblings)
        match item:
            case ListOf(Leaf("obj"), str(width)):
                self._read_rows(count, siblings.get(width) or f"{self.request}.{width}", target)
                return
            case TupleOf((EntryKey(), EntryValue())):
                if self.types.key.decode is decode_object and self.types.value.decode is decode_object:
                    self._read_rows(count, "2", target)
                    return
                columns = self._entry_columns()
                if columns is not None:
                    self._read_entries(count, columns, target, self.types.value.emit_read)
                    return
            case EntryValue() if self.types.value.parts:
                self._read_entries(count, self._part_columns(), target)
                return
            case _:
                pass
        name = source.temporary("item")
        add = source.temporary("add")
        source.line(f"{target} = []")
        source.line(f"{add} = {target}.append")
        steps, self.steps = self.steps, False
        number = source.temporary("number") if steps else "_"
        source.line(f"for {number} in range({count}):")
        source.depth += 1
        if steps:
            source.line(f"if not {number} % {ITEMS_IN_STEP}:")
            source.line("    yield")
        self.read(item, name, key, siblings)
        self.flush()
        source.line(f"{add}({name})")
        source.depth -= 1
        self.steps = steps

    def _read_rows(self, count: str, width: str, target: str) -> None:
        source = self.source
        decode = source.bind("decode_rows", decode_rows)
        if not self.steps:
            source.line(f"{target}, pos = {decode}(codecs, buf, pos, {count}, {width})")
            return
        source.line(f"{target} = []")
        source.line(f"while len({target}) < {count}:")
        source.line("    yield")
        source.line(f"    left = {count} - len({target})")
        source.line(f"    rows = min({ROWS_IN_STEP}, left, 1 + {BYTES_IN_STEP} * left // (1 + len(buf) - pos))")
        source.line(f"    part, pos = {decode}(codecs, buf, pos, rows, {width})")
        source.line(f"    {target} += part")

    def _entry_columns(self) -> "list[_Column] | None":
        """How the two sides of an entry are read; None where neither is of a type that can be read in line."""
        source, types = self.source, self.types
        key, value = source.temporary("key"), source.temporary("value")
        more = f", {key}" if types.value.joins_key else ""
        columns = [
            _column(source, key, "decode_key", types.key.decode),
            _column(source, value, "decode_value", types.value.decode, more),
        ]
        in_line = types.value.emit_read is not None or any(column.code is not None for column in columns)
        return columns if in_line else None

    def _part_columns(self) -> "list[_Column]":
        source = self.source
        return [_column(source, source.temporary("part"), "decode_part", decode) for decode in self.types.value.parts]

    def _read_entries(
        self, count: str, columns: "Sequence[_Column]", target: str, emit_read: Callable[..., None] | None = None
    ) -> None:
        source = self.source
        if not self.steps:
            source.line(f"{target} = []")
            _read_tuples(source, columns, count, target, emit_read)
            return
        add = source.temporary("add")
        source.line(f"{target} = []")
        source.line(f"{add} = {target}.append")
        source.line("limit = len(buf)")
        number = source.temporary("number")
        source.line(f"for {number} in range({count}):")
        source.depth += 1
        source.line(f"if not {number} % {ITEMS_IN_STEP}:")
        source.line("    yield")
        _read_columns(source, columns, emit_read)
        source.line(f"{add}(({', '.join(column.target for column in columns)},))")
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


MANY: Final = 64
"""From how many keys on they are packed all at once."""


def pack_keys(code: int, form: str, keys: Sequence[Any]) -> bytearray | None:
    """Many whole numbers, each behind its type code: first all of their lowest bytes, then all of the next.

    None where they are few, which takes longer so, or where not all of them are plain ints that fit.
    """
    if len(keys) < MANY or set(map(type, keys)) != {int}:
        return None
    try:
        column = array(form, list(keys))
    except OverflowError:
        return None
    if sys.byteorder == "big":
        column.byteswap()
    data, width = column.tobytes(), column.itemsize
    packed = bytearray((code,)) * ((1 + width) * len(keys))
    for at in range(width):
        packed[1 + at :: 1 + width] = data[at::width]
    return packed


def check_count(count: int, buf: bytes, pos: int) -> None:
    """Refuse a count that the bytes left can't hold."""
    if not 0 <= count <= len(buf) - pos:
        raise DecodeError(f"{count} items in {len(buf) - pos} bytes")


VERSIONED: Final = {(1, 5, 0): "transactions", (1, 6, 0): "expiry policies"}
"""What a prefix of cache operations can hold, by the first version of the protocol that knows it."""


def refuse_version(context: ProtocolContext, needed: tuple[int, int, int]) -> NoReturn:
    """What the peer's version of the protocol doesn't know is not sent to it."""
    version, least = (".".join(map(str, each)) for each in (context.version, needed))
    what = VERSIONED.get(needed, "this operation")
    raise NotSupportedByServer(
        f"the server speaks version {version} of the protocol; {what} since {least}", feature=what
    )


# --- tuples of many values --------------------------------------------------------------------------------------------

TEXT: Final = "text"
FUSED: Final[dict[int, tuple[Decoder, str]]] = {
    codes.BYTE: (numeric.decode_byte, "b"),
    codes.SHORT: (numeric.decode_short, "h"),
    codes.INT: (numeric.decode_int, "i"),
    codes.LONG: (numeric.decode_long, "q"),
    codes.FLOAT: (numeric.decode_float, "f"),
    codes.DOUBLE: (numeric.decode_double, "d"),
    codes.BOOL: (numeric.decode_bool, "?"),
    codes.STRING: (decode_str, TEXT),
}
"""What can be read in line where a table of decoders has this decoder: how."""
INLINE: Final[tuple[Spec[Any], ...]] = (
    numeric.BYTE,
    numeric.SHORT,
    numeric.INT,
    numeric.LONG,
    numeric.FLOAT,
    numeric.DOUBLE,
    numeric.BOOL,
    STRING,
)
"""The declared types that generated code reads and writes by itself."""
DECLARED: Final = {spec.decode: (spec.code, spec.fixed or TEXT) for spec in INLINE}
"""The type code and the form that a declared type's decoder expects."""
INTEGERS: Final = {
    spec.encode: -(1 << 8 * struct.calcsize(f"<{spec.fixed}") - 1)
    for spec in (numeric.BYTE, numeric.SHORT, numeric.INT, numeric.LONG)
}
"""The least number of each width of integer, by its encoder."""
WIDEST: Final = 64
"""Rows of more columns are read value by value."""


@attrs.frozen
class _Column:
    """One of the values of each of many tuples: its variable, the statement that reads whatever stands there.

    Where the type code ``code`` is expected, ``form`` is the struct format of what follows it, or TEXT.
    """

    target: str
    otherwise: str
    code: int | None = None
    form: str = ""


def _column(source: Source, target: str, name: str, decode: Callable[..., tuple[Any, int]], more: str = "") -> _Column:
    """How a value of a declared type is read, nullable or not."""
    some = getattr(decode, "__wrapped__", None)
    read = f"{source.bind(name, decode if some is None else some)}(codecs, buf, pos{more})"
    if some is not None:
        read = f"(None, pos + 1) if buf[pos] == {codes.NULL} else {read}"
    return _Column(target, f"{target}, pos = {read}", *DECLARED.get(some or decode, (None, "")))


def _read_columns(source: Source, columns: Sequence[_Column], emit_read: Callable[..., None] | None = None) -> None:
    """Emit the reading of one tuple's values: runs that a text ends are one struct call, if they are what is expected.

    ``emit_read`` is that of an entry's value: see `Spec`.
    """
    if emit_read is not None:
        key, value = columns
        if key.code is None or key.form in {TEXT, "?"}:
            _read_columns(source, [key])
            emit_read(source, key.target, None, "", value.target)
            columns = [value]
        else:
            emit_read(source, key.target, key.code, key.form, value.target)
        source.line("if layout is None:")
        source.depth += 1
        _read_columns(source, columns)
        source.depth -= 1
        return
    run: list[_Column] = []
    for column in columns:
        if column.code is None:
            _read_run(source, run)
            run = []
            source.line(column.otherwise)
            continue
        run.append(column)
        if column.form == TEXT:
            _read_run(source, run)
            run = []
    _read_run(source, run)


def _read_run(source: Source, run: Sequence[_Column]) -> None:
    if not run:
        return
    formats = "".join("B" + {TEXT: "I", "?": "B"}.get(column.form, column.form) for column in run)
    size = struct.calcsize("<" + formats)
    found = [source.temporary("code") for _ in run]
    targets = ", ".join(f"{code}, {column.target}" for code, column in zip(found, run, strict=True))
    source.line("try:")
    source.line(f"    {targets} = {source.bind('unpack_' + formats, unpacker(formats))}(buf, pos)")
    source.line(f"except {source.bind('struct_error', struct.error)}:  # shorter values at the end of the buffer")
    source.line(f"    {found[0]} = None")
    fits = " and ".join(f"{code} == {column.code}" for code, column in zip(found, run, strict=True))
    source.line(f"if {fits}:")
    last = run[-1]
    if last.form == TEXT:
        source.line(f"    start = pos + {size}")
        source.line(f"    pos = start + {last.target}")
        source.line("    if pos > limit:")
        source.line(f"        raise {source.bind('out_of_bytes', codes.out_of_bytes)}({codes.STRING}, start - 5)")
        source.line(f"    {last.target} = buf[start:pos].decode()")
    else:
        source.line(f"    pos += {size}")
    for column in run:
        if column.form == "?":
            source.line(f"    {column.target} = {column.target} == 1")
    source.line("else:")
    for column in run:
        source.line(f"    {column.otherwise}")


def _read_tuples(
    source: Source,
    columns: Sequence[_Column],
    count: str,
    target: str,
    emit_read: Callable[..., None] | None = None,
) -> None:
    """Emit the reading of ``count`` tuples, which are added to the list ``target``.

    Numbers only, and all of the expected types, are one call for all of them: the type codes stand at equal distances.
    """
    source.line("limit = len(buf)")
    uniform = all(column.code is not None and column.form not in {TEXT, "?"} for column in columns)
    if uniform:
        sizes = [struct.calcsize("<B" + column.form) for column in columns]
        starts = [0, *itertools.accumulate(sizes)]
        whole = starts.pop()
        source.line(f"stop = pos + {whole} * {count}")
        fits = [
            f"buf[pos{f' + {start}' if start else ''}:stop:{whole}].count({column.code}) == {count}"
            for start, column in zip(starts, columns, strict=True)
        ]
        source.line(f"if stop <= limit and {' and '.join(fits)}:")
        formats = "".join("x" + column.form for column in columns)
        source.line(
            f"    {target} += {source.bind('iter_' + formats, struct.Struct('<' + formats).iter_unpack)}(buf[pos:stop])"
        )
        source.line("    pos = stop")
        source.line("else:")
        source.depth += 1
    add = source.temporary("add")
    source.line(f"{add} = {target}.append")
    source.line(f"for _ in range({count}):")
    source.depth += 1
    _read_columns(source, columns, emit_read)
    source.line(f"{add}(({', '.join(column.target for column in columns)},))")
    source.depth -= 2 if uniform else 1


def decode_rows(codecs: Codecs, buf: bytes, pos: int, count: int, width: int) -> tuple[list[tuple[Any, ...]], int]:
    """Read rows of ``width`` values of any type, as tuples.

    The first row tells what to expect of the others; a value of another type, a null for one, is read as any object is.
    """
    if not count:
        return [], pos
    check_count(width, buf, pos)
    decoders = codecs.decoders
    first: list[Any] = []
    expected: list[int] = []
    for _ in range(width):
        code = buf[pos]
        decode = decoders[code]
        expected.append(code if code in FUSED and decode is FUSED[code][0] else codes.NULL)
        value, pos = decode(codecs, buf, pos + 1)
        first.append(value)
    rows = [tuple(first)]
    if count == 1:
        return rows, pos
    if 0 < width <= WIDEST:
        return rows, row_reader(tuple(expected))(codecs, buf, pos, count - 1, rows)
    for _ in range(count - 1):
        row: list[Any] = []
        for _ in range(width):
            value, pos = decoders[buf[pos]](codecs, buf, pos + 1)
            row.append(value)
        rows.append(tuple(row))
    return rows, pos


@functools.lru_cache(maxsize=256)
def row_reader(expected: tuple[int, ...]) -> Callable[..., int]:
    """The function that adds rows to a list, and returns where they end, for one row of type codes."""
    name = "read_rows"
    source = Source(name)
    source.line(f"def {name}(codecs, buf, pos, count, rows):")
    source.depth += 1
    source.line("decoders = codecs.decoders")
    columns: list[_Column] = []
    for number, code in enumerate(expected):
        target = f"c{number}"
        otherwise = f"{target}, pos = decoders[buf[pos]](codecs, buf, pos + 1)"
        columns.append(
            _Column(target, otherwise, code, FUSED[code][1]) if code in FUSED else _Column(target, otherwise)
        )
    _read_tuples(source, columns, "count", "rows")
    source.line("return pos")
    return source.compile()


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
    in_steps: Callable[[], Callable[..., Generator[None, None, Any]]] | None = None
    """Gives ``decode`` as a generator, for answers that take long: it yields after every few items of a list. None where
    an answer has no list; compiled when it is first asked for."""


def compile_operation(operation: Any, types: EntryTypes) -> OperationCodec:
    """The client's codec of an operation: compiled once per pair of entry types."""
    codec = types.compiled.get(operation)
    if codec is None:
        codec = OperationCodec(
            _compile_encode_request(operation, types),
            _compile_decode(operation.answer_layout, operation, types),
            functools.cache(functools.partial(_compile_decode, operation.answer_layout, operation, types, steps=True))
            if _has_list(operation.answer_layout)
            else None,
        )
        types.compiled[operation] = codec
    return codec


def compile_server_side(operation: Any, types: EntryTypes, *, whole: bool = True) -> OperationCodec:
    """The server's codec of an operation: it reads requests and writes answers.

    Without ``whole`` it lets pass what stands behind a request, as real nodes do (seen from 2.17.0).
    """
    codec = types.compiled.get((operation, "server", whole))
    if codec is None:
        codec = OperationCodec(
            _compile_encode_answer(operation, types),
            _compile_decode(operation.request_layout, operation, types, request=None, whole=whole),
        )
        types.compiled[operation, "server", whole] = codec
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


def _has_list(layout: Layout) -> bool:
    match layout:
        case ListOf():
            return True
        case Record():
            return any(isinstance(field.layout, ListOf) for field in layout.fields)
        case _:
            return False


def _compile_decode(
    layout: Layout,
    operation: Any,
    types: EntryTypes,
    request: str | None = "request",
    *,
    whole: bool = True,
    steps: bool = False,
) -> Callable[..., Any]:
    name = f"decode_{operation.__name__}" + ("_answer" if request else "") + ("_in_steps" if steps else "")
    source = Source(name)
    source.line(f"def {name}(codecs, context, buf{', request' if request else ''}):")
    source.depth += 1
    source.line("pos = 0")
    reader = _Reader(source, types, request, steps=steps)
    reader.read(layout, "result", _request_key(operation) if request else None, {})
    reader.flush()
    if whole:
        source.line("if pos != len(buf):")
        source.line(f"    {source.bind('check_end', check_end)}(buf, pos)")
    source.line("return result")
    return source.compile()


def _request_key(operation: Any) -> str | None:
    if operation.routed:
        return next(f"request.{field.name}" for field in operation.request_layout.fields if field.layout == EntryKey())
    return None
