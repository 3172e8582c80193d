"""Pages of rows and of entries: what generated code reads in runs is what is read value by value."""

import linecache
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ignitemap.exceptions import DecodeError
from ignitemap.protocol import codegen
from ignitemap.protocol.codecs import (
    ANY,
    MALFORMED,
    UNTYPED,
    Codecs,
    EntryTypes,
    Hinted,
    Spec,
    decode_object,
    encode_object,
    optional,
)
from ignitemap.protocol.codegen import ROWS_IN_STEP, WIDEST, compile_operation, decode_rows
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import (
    CacheGet,
    CacheGetAll,
    QueryScanCursorGetPage,
    QuerySqlFieldsCursorGetPage,
    QueryTypedRowsCursorGetPage,
    RowPage,
)
from ignitemap.protocol.types import mapping_codecs, raw_codecs
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.text import STRING
from ignitemap.protocol.wire import ProtocolContext
from tests.strategies import RELAXED, bytes_, dates, decimals, floats, longs, texts, times

CONTEXT = ProtocolContext()
NULL = b"\x65"

# By type, what is drawn for it; numbers of every width have the same class in Python.
WRITERS: dict[str, tuple[Spec[Any], st.SearchStrategy[Any]]] = {
    "byte": (BYTE, st.integers(-128, 127)),
    "short": (SHORT, st.integers(-(2**15), 2**15 - 1)),
    "int": (INT, st.integers(-(2**31), 2**31 - 1)),
    "long": (LONG, longs),
    "float": (FLOAT, st.floats(allow_nan=False, width=32)),
    "double": (DOUBLE, floats),
    "bool": (BOOL, st.booleans()),
    "text": (STRING, texts),
    "null": (ANY, st.none()),
    "other": (ANY, bytes_ | decimals | dates | times | st.uuids() | st.lists(longs, max_size=2)),
}
KINDS = st.sampled_from(list(WRITERS))


@st.composite
def written(draw: st.DrawFn, kind: str, odd: int) -> bytes:
    """The bytes of a value: of its column's kind, or now and then of any other."""
    if draw(st.integers(0, 9)) < odd:
        kind = draw(KINDS)
    spec, strategy = WRITERS[kind]
    out = bytearray()
    spec.encode(mapping_codecs(), out, draw(strategy))
    return bytes(out)


@st.composite
def grids(draw: st.DrawFn, widths: st.SearchStrategy[int] | None = None) -> tuple[int, int, bytes]:
    """Columns, rows, and the bytes of all values, row by row."""
    kinds = [draw(KINDS) for _ in range(draw(st.integers(1, 5) if widths is None else widths))]
    odd = draw(st.sampled_from([0, 0, 1, 5]))
    count = draw(st.integers(0, 6))
    return len(kinds), count, b"".join(draw(written(kind, odd)) for _ in range(count) for kind in kinds)


def one_by_one(codecs: Codecs, data: bytes, count: int, *decoders: Callable[..., tuple[Any, int]]) -> list[Any]:
    """The tuples that are read value by value."""
    pos, rows = 0, []
    for _ in range(count):
        row: list[Any] = []
        for decode in decoders:
            value, pos = decode(codecs, data, pos)
            row.append(value)
        rows.append(tuple(row))
    assert pos == len(data)
    return rows


def outcome(read: Callable[[], Any]) -> Any:
    """A result, or that the bytes are malformed."""
    try:
        return read()
    except (DecodeError, *MALFORMED):
        return DecodeError


def finished(steps: Any) -> tuple[int, Any]:
    """How many steps a reading takes, and what it gives."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return count, end.value
        count += 1


# --- rows -----------------------------------------------------------------------------------------------------------


@RELAXED
@given(grid=grids(), profile=st.sampled_from([mapping_codecs, raw_codecs]))
def test_rows_of_any_types(grid: tuple[int, int, bytes], profile: Callable[[], Codecs]) -> None:
    """Rows are what their values are, one by one, whatever types follow each other, in one go and in steps."""
    width, count, data = grid
    expected = one_by_one(profile(), data, count, *[decode_object] * width)
    rows, end = decode_rows(profile(), data, 0, count, width)
    assert (rows, end) == (expected, len(data))
    assert [list(map(type, row)) for row in rows] == [list(map(type, row)) for row in expected]

    codec = compile_operation(QuerySqlFieldsCursorGetPage, UNTYPED)
    page = count.to_bytes(4, "little") + data + b"\x01"
    request = QuerySqlFieldsCursorGetPage(1, width)
    assert codec.decode(profile(), CONTEXT, page, request) == RowPage(expected, True)
    assert codec.in_steps is not None
    assert finished(codec.in_steps()(profile(), CONTEXT, page, request))[1] == RowPage(expected, True)


@RELAXED
@given(grid=grids(), data=st.data())
def test_rows_that_are_damaged(grid: tuple[int, int, bytes], data: st.DataObject) -> None:
    """A cut or a wrong byte gives what it gives value by value: other values, or an error."""
    width, count, good = grid
    bad = bytearray(good[: data.draw(st.integers(0, len(good)))])
    if bad and data.draw(st.booleans()):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(bad)

    def in_runs() -> list[Any]:
        rows, end = decode_rows(mapping_codecs(), damaged, 0, count, width)
        assert end == len(damaged) or count == 0
        return rows

    def value_by_value() -> list[Any]:
        return [] if count == 0 else one_by_one(mapping_codecs(), damaged, count, *[decode_object] * width)

    assert repr(caught(in_runs)) == repr(caught(value_by_value))  # NaN differs from itself


def caught(read: Callable[[], Any]) -> Any:
    """A result, or that the bytes are malformed or end too early."""
    try:
        return outcome(read)
    except AssertionError:
        return DecodeError
    except Exception as error:  # noqa: BLE001 - SchemaMissing: an object of a type that nobody has told of
        return type(error)


def test_numbers_alone_are_read_at_once() -> None:
    """Rows of longs and doubles are equal also where a null, or an int, stands in the middle."""
    codecs = mapping_codecs()
    plain = [(number, number / 4, -number) for number in range(100)]
    for odd in (None, Hinted(5, INT)):
        out = bytearray()
        for number, row in enumerate(plain):
            for value in (row[0], odd if number == 50 else row[1], row[2]):
                encode_object(codecs, out, value)
        rows, end = decode_rows(codecs, bytes(out), 0, 100, 3)
        assert end == len(out)
        assert rows[:50] == plain[:50]
        assert rows[50] == (50, None if odd is None else 5, -50)
        assert rows[51:] == plain[51:]


def test_a_boolean_of_two() -> None:
    """Only 1 is true, also in a run."""
    rows, _ = decode_rows(mapping_codecs(), b"\x08\x01\x08\x02\x08\x00", 0, 3, 1)
    assert rows == [(True,), (False,), (False,)]


@pytest.mark.parametrize("width", [WIDEST, WIDEST + 1])
def test_wide_rows(width: int) -> None:
    """Rows of any width are read, and no code is made for very wide ones."""
    out = bytearray()
    for value in range(3 * width):
        encode_object(mapping_codecs(), out, value)
    before = codegen.row_reader.cache_info().misses
    rows, end = decode_rows(mapping_codecs(), bytes(out), 0, 3, width)
    assert end == len(out)
    assert [value for row in rows for value in row] == list(range(3 * width))
    assert codegen.row_reader.cache_info().misses - before <= (width == WIDEST)


def test_widths_that_are_lies() -> None:
    """A width that the bytes can't hold is refused before anything is read; rows without columns are empty."""
    for width in (-1, 10, 2**31 - 1):
        with pytest.raises(DecodeError, match="items in"):
            decode_rows(mapping_codecs(), NULL * 9, 0, 3, width)
    assert decode_rows(mapping_codecs(), NULL * 9, 0, 3, 0) == ([(), (), ()], 0)
    assert decode_rows(mapping_codecs(), NULL * 9, 4, 0, 2**31 - 1) == ([], 4)


def test_the_code_for_rows_is_bounded() -> None:
    """Whatever types a server sends, a few hundred functions are kept, and of those that are not, no source."""
    sources = len(linecache.cache)
    kinds = (b"\x01\x01", b"\x02\x01\x00", b"\x03" + bytes(4), b"\x04" + bytes(8), b"\x05" + bytes(4))
    for number in range(600):
        row = b"".join(kinds[number // 5**digit % 5] for digit in range(5))
        assert len(decode_rows(mapping_codecs(), row * 2, 0, 2, 5)[0]) == 2
    size = codegen.row_reader.cache_info().maxsize
    assert size is not None
    assert len(linecache.cache) - sources <= size


def test_a_long_page_is_read_in_steps() -> None:
    """A page of many rows yields every few hundred of them."""
    count = 10 * ROWS_IN_STEP
    page = count.to_bytes(4, "little") + b"\x03\x07\x00\x00\x00" * count + b"\x00"
    codec = compile_operation(QuerySqlFieldsCursorGetPage, UNTYPED)
    assert codec.in_steps is not None
    steps, answer = finished(codec.in_steps()(mapping_codecs(), CONTEXT, page, QuerySqlFieldsCursorGetPage(1, 1)))
    assert steps == 10
    assert answer == RowPage([(7,)] * count, False)


# --- entries ----------------------------------------------------------------------------------------------------------

DECLARED = [BYTE, SHORT, INT, LONG, FLOAT, DOUBLE, BOOL, STRING, ANY, optional(STRING), optional(DOUBLE)]


@RELAXED
@given(grid=grids(st.just(2)), key=st.sampled_from(DECLARED), value=st.sampled_from(DECLARED), cut=st.integers(-1, 300))
def test_entries_of_declared_types(grid: tuple[int, int, bytes], key: Spec[Any], value: Spec[Any], cut: int) -> None:
    """Entries are what both sides' types read one by one, or an error where these raise one, in one go and in steps."""
    _, count, data = grid
    data = data if cut < 0 else data[:cut]
    codecs = mapping_codecs()
    page = count.to_bytes(4, "little") + data + b"\x01"
    codec = compile_operation(QueryScanCursorGetPage, EntryTypes(key, value))
    request = QueryScanCursorGetPage(1)
    expected = caught(lambda: one_by_one(codecs, data, count, key.decode, value.decode))
    assert codec.in_steps is not None
    steps = codec.in_steps()
    for read in (codec.decode, lambda *answer: finished(steps(*answer))[1]):
        answer = caught(lambda read=read: read(mapping_codecs(), CONTEXT, page, request))  # type: ignore[misc]
        assert repr(answer if answer is DecodeError else answer.entries) == repr(expected)


@RELAXED
@given(grid=grids(st.just(3)), parts=st.lists(st.sampled_from(DECLARED), min_size=3, max_size=3))
def test_rows_of_declared_types(grid: tuple[int, int, bytes], parts: list[Spec[Any]]) -> None:
    """Rows that a query declares the columns of are what these read one by one, or an error."""
    _, count, data = grid
    codecs = mapping_codecs()
    decoders = tuple(part.decode for part in parts)
    types = EntryTypes(ANY, Spec("row", encode_object, decode_object, parts=decoders))
    page = count.to_bytes(4, "little") + data + b"\x01"
    expected = caught(lambda: one_by_one(codecs, data, count, *decoders))
    decode = compile_operation(QueryTypedRowsCursorGetPage, types).decode
    answer = caught(lambda: decode(codecs, CONTEXT, page, QueryTypedRowsCursorGetPage(1, 3)))
    assert repr(answer if answer is DecodeError else answer.rows) == repr(expected)


@RELAXED
@given(spec=st.sampled_from(DECLARED), kind=KINDS, data=st.data())
def test_one_value(spec: Spec[Any], kind: str, data: st.DataObject) -> None:
    """The value of a get is what its type reads, or an error."""
    body = data.draw(written(kind, 0))
    codecs = mapping_codecs()
    expected = caught(lambda: spec.decode(codecs, body, 0)[0])
    decode = compile_operation(CacheGet, EntryTypes(LONG, spec)).decode
    assert repr(caught(lambda: decode(codecs, CONTEXT, body, CacheGet(CacheRef(1), 1)))) == repr(expected)


@RELAXED
@given(spec=st.sampled_from([BYTE, SHORT, INT, LONG]), keys=st.lists(longs | st.booleans() | texts, max_size=4))
def test_keys_that_are_written(spec: Spec[Any], keys: list[Any]) -> None:
    """Keys are written as their type writes them, and what it refuses is refused with its error."""
    codecs = mapping_codecs()
    expected, out = bytearray(), bytearray()
    encode = compile_operation(CacheGetAll, EntryTypes(spec)).encode

    def one_by_one() -> bytes:
        for key in keys:
            spec.encode(codecs, expected, key)
        return bytes(expected)

    def at_once() -> bytes:
        encode(codecs, CONTEXT, out, CacheGetAll(CacheRef(1), keys))
        return bytes(out[9:])

    assert message(at_once) == message(one_by_one)


def message(write: Callable[[], bytes]) -> Any:
    """What is written, or the error."""
    try:
        return write()
    except Exception as error:  # noqa: BLE001 - which one it is, is compared
        return type(error), str(error)
