"""Generated codecs: what the source looks like, what it checks, and what a traceback through it shows."""

import linecache
import struct
import traceback
import tracemalloc
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import DecodeError, EncodeError, EncodeValueError
from ignitemap.protocol.codecs import MALFORMED, UNTYPED, Codecs, EntryTypes, Spec
from ignitemap.protocol.codegen import (
    LEAVES,
    MANY,
    FieldLayout,
    ListOf,
    Nothing,
    OperationCodec,
    Record,
    Source,
    TupleOf,
    compile_layout,
    packer,
    unpacker,
)
from ignitemap.protocol.message import layout_of, record
from ignitemap.protocol.operations import FoundType, TypeBlock
from ignitemap.protocol.types import numeric
from ignitemap.protocol.wire import (
    Asked,
    EntryKey,
    Feature,
    Leaf,
    OffWire,
    ProtocolContext,
    Since,
    Times,
    When,
    array,
    blob,
    boolean,
    i8,
    i16,
    i32,
    i64,
    nullable_text,
    text,
    uuid16,
    uuid_obj,
)

CODECS = Codecs()
NEW, OLD = ProtocolContext(), ProtocolContext((1, 0, 0), frozenset())


@record
class Part:
    """A record inside another."""

    size: i16
    names: array[text] = ()


@record
class Sample:
    """A record with every mark."""

    count: i32
    wanted: boolean
    first: i8
    late: Annotated[i64, Since((1, 5, 0))] = -1
    featured: Annotated[i32, When(Feature.HEARTBEAT)] = -2
    both: Annotated[i32, When(Feature.HEARTBEAT), Asked("wanted")] = -3
    yes: Annotated[Part | None, Asked("wanted")] = None
    no: Annotated[array[i32], Asked("wanted", equal=False)] = ()
    counted: Annotated[array[tuple[i8, text]], Times("count")] = ()
    help: Annotated[int, OffWire()] = 77
    last: i16 = 0


def codec_of(hint: Any, name: str = "it") -> OperationCodec:
    """The codec of a hint."""
    return compile_layout(layout_of(hint), name, UNTYPED)


def encoded(codec: OperationCodec, value: Any, context: ProtocolContext = NEW) -> bytes:
    """What the codec writes."""
    out = bytearray()
    codec.encode(CODECS, context, out, value)
    return bytes(out)


def source_of(function: Any) -> str:
    """The generated source as linecache has it."""
    return "".join(linecache.getlines(function.__code__.co_filename))


# --- source -------------------------------------------------------------------------------------------------------------


def test_runs_of_scalars_are_one_struct_call() -> None:
    """Neighbours of fixed size are packed together and unpacked together."""
    codec = codec_of(tuple[i8, i16, boolean, i64, text, i32, i32])
    assert "out += pack_bhzq(part0, part1, part2, part3)" in source_of(codec.encode)
    assert "out += pack_ii(part5, part6)" in source_of(codec.encode)
    assert "part0, part1, part2, part3, = unpack_bhzq(buf, pos)" in source_of(codec.decode)
    assert source_of(codec.decode).count("unpack_") == 2
    value = (1, 2, True, 3, "x", 4, 5)
    data = encoded(codec, value)
    assert data == struct.pack("<bh?q", 1, 2, True, 3) + b"\x09\x01\0\0\0x" + struct.pack("<ii", 4, 5)
    assert codec.decode(CODECS, NEW, data, 0) == (value, len(data))


def test_generated_source_stands_in_linecache() -> None:
    """A function's source is where tracebacks look for it, under a name of its own, and survives a check of files."""
    codec = codec_of(Sample, "sample")
    name = codec.encode.__code__.co_filename
    assert name.startswith("<ignitemap encode_sample ")
    linecache.checkcache()
    assert source_of(codec.encode).startswith("def encode_sample(codecs, context, out, value):\n")
    other = codec_of(Sample, "sample")
    assert other.encode.__code__.co_filename != name
    assert source_of(other.encode) == source_of(codec.encode)


def test_a_traceback_shows_the_generated_line() -> None:
    """When bytes end too early, the traceback shows the statement that wanted more."""
    codec = codec_of(tuple[i64, i64], "two_longs")
    with pytest.raises(struct.error) as caught:
        codec.decode(CODECS, NEW, bytes(9), 0)
    shown = "".join(traceback.format_exception(caught.value))
    assert "decode_two_longs" in shown
    assert "= unpack_qq(buf, pos)" in shown


@pytest.mark.parametrize("name", LEAVES)
def test_a_layout_may_be_named_like_its_leaf(name: str) -> None:
    """A codec that has the name of a leaf calls the leaf, and not itself."""
    if name == "obj":
        return
    value: Any = {"text": "x", "nullable_text": None, "blob": b"x"}.get(name, UUID(int=5))
    codec = compile_layout(Leaf(name), name, UNTYPED)
    data = encoded(codec, value)
    assert codec.decode(CODECS, NEW, data, 0) == (value, len(data))


def test_names_that_clash_are_told_apart() -> None:
    """Two objects bound under one name get two names; the same object keeps its one."""
    source = Source("function")
    first, second = object(), object()
    assert source.bind("name", first) == "name"
    assert source.bind("name", first) == "name"
    other = source.bind("name", second)
    assert other != "name"
    assert source.names == {"name": first, other: second}
    assert source.bind("function", first) != "function"


def test_struct_methods_are_shared() -> None:
    """One struct per format, however many layouts use it."""
    assert packer("ih") is packer("ih")
    assert unpacker("ih") is unpacker("ih")
    assert packer("ih")(1, 2) == struct.pack("<ih", 1, 2)


def test_wire_names_never_reach_the_source() -> None:
    """Values are arguments of the generated functions: a hostile name is only ever a string."""
    hostile = "__import__('os').system('x')\n\"'\0"
    codec = codec_of(TypeBlock, "type_block")
    block = TypeBlock(1, hostile, hostile, [(hostile, 1, 2)], True, [(hostile, 3)], [])
    data = encoded(codec, block)
    assert codec.decode(CODECS, NEW, data, 0) == (block, len(data))
    assert "__import__" not in source_of(codec.encode) + source_of(codec.decode)


# --- layouts ------------------------------------------------------------------------------------------------------------


def test_hints_become_layouts() -> None:
    """Words, records, tuples, arrays and None: what a hint says is what the layout has."""
    assert layout_of(None) == layout_of(type(None)) == Nothing()
    assert layout_of(array[array[text]]) == ListOf(ListOf(Leaf("text")))
    assert layout_of(Annotated[array[text], Times("n")]) == ListOf(Leaf("text"), "n")
    assert layout_of(tuple[text, blob]) == TupleOf((Leaf("text"), Leaf("blob")))
    found = layout_of(FoundType)
    assert isinstance(found, Record)
    assert found.cls is FoundType
    assert found.fields[1] == FieldLayout("type", layout_of(TypeBlock), (Asked("exists"),), None)


@pytest.mark.parametrize("hint", [int, str, Sequence[int], dict[str, int], Annotated[int, "words"], Any])
def test_a_hint_without_a_layout_is_refused(hint: Any) -> None:
    """What says nothing of the wire is a TypeError when it is read, not when it is used."""
    with pytest.raises(TypeError):
        layout_of(hint)


def test_nothing_is_nothing() -> None:
    """The empty layout takes no byte and reads as None."""
    codec = codec_of(None)
    assert encoded(codec, None) == b""
    assert codec.decode(CODECS, NEW, b"rest", 2) == (None, 2)
    codec = codec_of(array[None])
    assert encoded(codec, [None, None]) == b"\x02\0\0\0"


INT = {n: st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(
    st.tuples(
        INT[8],
        INT[16],
        INT[32],
        INT[64],
        st.booleans(),
        TEXT,
        st.none() | TEXT,
        st.binary(max_size=6),
        st.none() | st.uuids(),
        st.uuids(),
        st.lists(INT[32], max_size=4),
        st.lists(st.tuples(TEXT, INT[8]), max_size=3),
    )  # fmt: skip
)
@settings(max_examples=100, derandomize=True, database=None)
def test_every_word_reads_back(value: tuple[Any, ...]) -> None:
    """Every word of the vocabulary writes what it reads, behind any position."""
    codec = EVERY_WORD
    data = encoded(codec, value)
    assert codec.decode(CODECS, NEW, b"???" + data + b"rest", 3) == (value, 3 + len(data))


EVERY_WORD = codec_of(
    tuple[
        i8, i16, i32, i64, boolean, text, nullable_text, blob,
        uuid_obj, uuid16, array[i32], array[tuple[text, i8]],
    ],
    "every_word",
)  # fmt: skip


# --- marks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [NEW, OLD, ProtocolContext((1, 5, 0), frozenset())])
@pytest.mark.parametrize("wanted", [True, False])
def test_marks_say_what_is_on_the_wire(context: ProtocolContext, wanted: bool) -> None:
    """Version, feature, a field of the record, or two of them: a field that is not there is its default."""
    codec = codec_of(Sample, "sample")
    value = Sample(2, wanted, 3, 4, 5, 6, Part(7, ["a"]), [8, 9], [(1, "x"), (2, "y")], 0, 10)
    new, since = context is NEW, context.version >= (1, 5, 0)
    expected = Sample(
        2,
        wanted,
        3,
        4 if since else -1,
        5 if new else -2,
        6 if new and wanted else -3,
        Part(7, ["a"]) if wanted else None,
        () if wanted else [8, 9],
        [(1, "x"), (2, "y")],
        77,
        10,
    )
    data = encoded(codec, value, context)
    assert codec.decode(CODECS, context, data, 0) == (expected, len(data))
    size = 6 + 8 * since + 4 * new + 4 * (new and wanted) + (2 + 4 + 6 if wanted else 12) + 14 + 2
    assert len(data) == size


# --- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [-(2**31), -1, 9, 2**16, 2**28, 2**31 - 1])
@pytest.mark.parametrize("item", [i8, i64, text, tuple[i32, text], Part, array[i32]])
def test_counts_are_checked_before_anything_is_allocated(count: int, item: Any) -> None:
    """A count beyond the bytes left is a DecodeError with both numbers, and costs no memory."""
    codec = codec_of(array[item], "items")
    data = struct.pack("<i", count) + bytes(8)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=f"{count} items in 8 bytes"):
            codec.decode(CODECS, NEW, data, 0)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


def test_nested_counts_cannot_multiply() -> None:
    """Headers that each claim all that is left cost no more than the bytes that came."""
    codec = codec_of(array[array[array[i64]]], "nested")
    size = 30_000
    data = b"".join(struct.pack("<i", size - 4 * (i + 1)) for i in range(size // 4))
    tracemalloc.start()
    try:
        with pytest.raises((DecodeError, *MALFORMED)):
            codec.decode(CODECS, NEW, data, 0)
        assert tracemalloc.get_traced_memory()[1] < 20 * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("hint", "data"),
    [
        (text, "65"),
        (text, "0c 01000000 41"),
        (text, "09 ffffffff 41"),
        (text, "09 02000000 41"),
        (text, "09 ffffff7f 41"),
        (nullable_text, "03 01000000"),
        (blob, "09 01000000 41"),
        (blob, "0c 00000080 41"),
        (uuid_obj, "0c" + "00" * 16),
    ],
)
def test_a_leaf_of_another_type_or_length_is_refused(hint: Any, data: str) -> None:
    """A leaf checks its type code and that its bytes are there."""
    with pytest.raises(DecodeError):
        codec_of(hint).decode(CODECS, NEW, bytes.fromhex(data.replace(" ", "")), 0)


@pytest.mark.parametrize("data", ["", "09", "09 0100", "09 01000000 ff", "09 03000000 eda080"])
def test_cut_bytes_and_bad_text_are_malformed(data: str) -> None:
    """Bytes that end inside a leaf, and texts that are no UTF-8, raise one of MALFORMED and nothing else."""
    with pytest.raises(MALFORMED):
        codec_of(text).decode(CODECS, NEW, bytes.fromhex(data.replace(" ", "")), 0)


def test_a_name_with_a_lone_surrogate_is_refused_before_it_is_sent() -> None:
    """Half a character has no UTF-8, so such a name is an EncodeValueError that doesn't show it."""
    codec = codec_of(text)
    with pytest.raises(EncodeValueError, match="surrogate") as caught:
        encoded(codec, "secret" + chr(0xD800))
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


# --- many keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [numeric.BYTE, numeric.SHORT, numeric.INT, numeric.LONG], ids=lambda spec: spec.name)
@pytest.mark.parametrize("count", [0, 1, MANY - 1, MANY, MANY + 1, 1_000])
def test_many_keys_are_the_bytes_of_each(spec: Spec[int], count: int) -> None:
    """Keys that are packed at once are what their encoder writes one by one, up to both ends of their width."""
    width = packer(spec.fixed or "")
    least = -(1 << 8 * len(width(0)) - 1)
    keys = [(least, ~least, 0, -1, 1, 100)[number % 6] for number in range(count)]
    expected, packed = bytearray(struct.pack("<i", count)), bytearray()
    for key in keys:
        spec.encode(CODECS, expected, key)
    codec = compile_layout(ListOf(EntryKey()), "Keys", EntryTypes(spec))
    codec.encode(CODECS, NEW, packed, keys)
    assert packed == expected


@pytest.mark.parametrize("other", [True, 1 << 63, "1", 1.0, None])
def test_among_many_keys_one_of_another_kind(other: object) -> None:
    """What a number's encoder makes of a key does not depend on how many come with it."""
    codec = compile_layout(ListOf(EntryKey()), "Keys", EntryTypes(numeric.LONG))
    results: list[object] = []
    for keys in ([other], [*range(2 * MANY), other]):
        out = bytearray()
        try:
            codec.encode(CODECS, NEW, out, keys)
        except EncodeError as error:
            results.append(type(error))
        else:
            results.append(out[-9:])
    assert results[0] == results[1]
