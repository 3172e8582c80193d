"""Objects that are one struct call: the same bytes and the same results as field by field, whatever the cluster has."""

import copy
import struct
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings, strategies as st

import ignitemap as ig
from ignitemap.exceptions import DecodeError, EncodeOverflowError
from ignitemap.models import layouts
from ignitemap.protocol.binary_type import KnownTypes
from ignitemap.protocol.codecs import EntryTypes, SchemaMissing
from ignitemap.protocol.codegen import compile_operation
from ignitemap.protocol.operations import QueryScanCursorGetPage
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.binary_object import object_bytes

HARMED = (DecodeError, SchemaMissing, UnicodeDecodeError, IndexError, struct.error, RecursionError)
PAGE_OF = QueryScanCursorGetPage(1)


class Program:
    """A registry with classes of its own, which write and read by layouts, or never do."""

    def __init__(self) -> None:
        registry = ig.Registry()
        self.codecs = mapping_codecs(resolver=registry, known=KnownTypes())

        @registry.model
        class Town:
            name: str
            population: int
            rainy: bool
            height: ig.Int
            motto: str
            twin: "Town | None" = None
            tags: list[str] = ig.field(factory=list)
            area: float = 0.0
            nickname: str | None = None

        self.Town: Any = Town
        self.spec = registry.spec(Town)
        self.write(Town("warm", 1, True, 1, "up"))

    def write(self, town: Any) -> bytes:
        out = bytearray()
        self.spec.encode(self.codecs, out, town)
        for each in self.codecs.unannounced:
            self.codecs.known.learn(each)
            self.codecs.known.announced.update((each.id, schema) for schema in each.schemas)
        self.codecs.unannounced.clear()
        return bytes(out)

    def read(self, data: bytes) -> Any:
        self.codecs.depth = self.codecs.repeated = 0
        town, end = self.spec.decode(self.codecs, data, 0)
        assert end == len(data)
        return town

    def outcome(self, data: bytes, *, by_footer: bool = False) -> str:
        """What comes of reading it, as it stands or by the footer alone; an error is one, wherever it was found."""
        self.codecs.depth = self.codecs.repeated = 0
        decode = self.spec.decode.__globals__["decode_other"] if by_footer else self.spec.decode
        try:
            return repr(decode(self.codecs, data, 0))
        except HARMED:
            return "refused"


@pytest.fixture
def quick() -> Program:
    return Program()


texts = st.text(max_size=20)
towns = st.recursive(
    st.tuples(texts, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.integers(-(2**31), 2**31 - 1), texts),
    lambda inner: st.tuples(
        texts, st.integers(0, 9), st.booleans(), st.integers(0, 9), st.text(max_size=400), inner, st.lists(texts),
        st.floats(allow_nan=False), st.none() | texts,
    ),
    max_leaves=4,
)  # fmt: skip


def town_of(program: Program, fields: tuple[Any, ...]) -> Any:
    return program.Town(*[town_of(program, each) if isinstance(each, tuple) else each for each in fields])


def test_any_object(quick: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object has the same bytes with and without layouts, and comes back equal, the first time and the next."""
    with monkeypatch.context() as patch:
        patch.setattr(layouts, "MOST", 0)
        slow = Program()

        @settings(max_examples=150, deadline=None)
        @given(towns)
        def check(fields: tuple[Any, ...]) -> None:
            with pytest.MonkeyPatch.context() as allow:
                allow.setattr(layouts, "MOST", 512)
                town = town_of(quick, fields)
                data = quick.write(town)
                assert quick.write(copy.copy(town)) == data
                assert quick.read(data) == quick.read(data) == town
            assert slow.write(town_of(slow, fields)) == data
            assert repr(slow.read(data)) == repr(town)

        check()


def test_harmed_objects(quick: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte of an object whose layout is known, changed: what comes is what field by field gives, or the footer."""
    town = quick.Town("Ulm", 126_949, True, 478, "spatz", quick.Town("Jena", 1, False, 2, ""), ["a", "bc"], 1.5, "x")
    good = quick.write(town)
    assert quick.read(good) == quick.read(good) == town
    assert quick.spec.decode.__globals__["learn"].__self__
    monkeypatch.setattr(layouts, "MOST", 0)  # what was learned stays
    slow = Program()
    for at in range(len(good)):
        for bit in (0x01, 0x80, 0xFF, 0x04):
            bad = good[:at] + bytes((good[at] ^ bit,)) + good[at + 1 :]
            assert quick.outcome(bad) in {slow.outcome(bad), slow.outcome(bad, by_footer=True)}, at
    for end in range(len(good)):
        cut = good[:end] + bytes(40)
        assert quick.outcome(cut) in {slow.outcome(cut), slow.outcome(cut, by_footer=True)}, end


def test_layouts_are_bounded(quick: Program) -> None:
    """Of texts of all lengths the first 512 lengths have layouts, and long ones none; all of them round-trip."""
    encode, decode = quick.spec.encode.__globals__["layouts"], quick.spec.decode.__globals__["learn"].__self__
    for length in range(700):
        town = quick.Town("n" * length, 1, False, 2, "m" * (length // 3))
        assert quick.read(quick.write(town)) == town
    assert 250 < len(encode) < layouts.MOST
    assert len(decode) == len(encode) - 1  # but for the one that the program has only written
    for length in range(300):
        town = quick.Town("n" * (length // 3), 1, False, 2, "m" * length)
        assert quick.read(quick.write(town)) == town
    assert len(encode) == len(decode) == layouts.MOST
    long = quick.Town("n" * 100_000, 1, False, 2, "m")
    assert quick.read(quick.write(long)) == long


def test_only_the_end_differs() -> None:
    """Objects whose last field is a text have the same footer at any length of it: each length has a layout that stays."""
    registry = ig.Registry()

    @registry.model
    class Note:
        number: int
        text: str

    codecs, spec = mapping_codecs(resolver=registry, known=KnownTypes()), registry.spec(Note)
    notes, found = [Note(length, "n" * length) for length in range(20)], spec.decode.__globals__["learn"].__self__
    wholes: list[bytes] = []
    for note in notes:
        out = bytearray()
        spec.encode(codecs, out, note)
        wholes += bytes(out), struct.pack("<BI", 27, len(out)) + out + bytes(4)
    for _ in range(2):
        assert [spec.decode(codecs, whole, 0) for whole in wholes[::2]] == [
            (note, len(whole)) for note, whole in zip(notes, wholes[::2], strict=True)
        ]
        assert [spec.decode(codecs, whole, 0)[0] for whole in wholes[1::2]] == notes
        kept, found_by = list(map(id, found.values())), set(found)
        assert len(found_by) == 40
    for whole in wholes:
        spec.decode(codecs, whole, 0)
    assert list(map(id, found.values())) == kept
    assert set(found) == found_by


def test_a_footer_that_lies_is_not_learned(quick: Program) -> None:
    """Where the footer says that one text is longer and the next shorter than they are, nothing is read by it later."""
    good = quick.write(quick.Town("Ulmer", 1, True, 478, "spatz"))
    shift = quick.Town("Ulmers", 1, True, 478, "patz")
    lying = good[: -len(shift_footer := quick.write(shift)[-9:])] + shift_footer
    learned = quick.spec.decode.__globals__["learn"].__self__
    before = dict(learned)
    assert quick.outcome(lying) == quick.outcome(lying)
    assert learned == before


def test_numbers_that_do_not_fit(quick: Program) -> None:
    """An object whose layout is known, but for a number: the error names the field, and other types are taken as ever."""
    quick.write(quick.Town("Ulm", 1, True, 478, ""))
    with pytest.raises(EncodeOverflowError, match=r"Town\.height"):
        quick.write(quick.Town("Ulm", 1, True, 2**31, ""))
    quick.spec.decode.__globals__["learn"].__self__.clear()
    assert quick.read(quick.write(quick.Town("Ulm", 1, True, 3, "", area=2))).area == 2.0


def test_nothing_is_read_twice(quick: Program) -> None:
    """Objects within objects, none of which ends where its footer begins: each is read once, however deep they nest."""
    inner = b"\x65"
    known = quick.codecs.known.types[next(iter(quick.codecs.known.types))]
    (schema,) = known.schemas
    for _ in range(90):
        parts = [
            b"\x09\x01\0\0\0x",
            b"\x04" + bytes(8),
            b"\x08\x01",
            b"\x03" + bytes(4),
            b"\x09\0\0\0\0",
            inner,
            b"\x18\0\0\0\0\x01",
            b"\x06" + bytes(8),
            b"\x65\x65",  # one byte more than the field has
        ]
        starts = [24 + sum(map(len, parts[:index])) for index in range(len(parts))]
        inner = object_bytes(known.id, schema, b"".join(parts), starts)
    town, levels = quick.read(inner), 0
    while town is not None:
        town, levels = town.twin, levels + 1
    assert levels == 90


def test_a_class_named_as_what_the_code_names() -> None:
    """A class may be called as a variable of the generated code is."""
    for name in ("value", "code", "layouts", "layout", "buf", "footer", "struct_error"):
        registry = ig.Registry()
        made: Any = registry.model(type(name, (), {"__annotations__": {"n": int, "s": str}, "__module__": __name__}))
        codecs = mapping_codecs(resolver=registry, known=KnownTypes())
        for _ in range(2):
            out = bytearray()
            registry.spec(made).encode(codecs, out, made(7, "x"))
            assert registry.spec(made).decode(codecs, bytes(out), 0) == (made(7, "x"), len(out))


def read_page(codecs: Any, types: EntryTypes, page: bytes, *, in_steps: bool = False) -> str:
    """What comes of a page, all at once or in steps; an error is its class and text."""
    codecs.depth = codecs.repeated = 0
    operation: Any = compile_operation(QueryScanCursorGetPage, types)
    try:
        if not in_steps:
            return repr(operation.decode(codecs, None, page, PAGE_OF).entries)
        steps = operation.in_steps()(codecs, None, page, PAGE_OF)
        while True:
            next(steps)
    except StopIteration as stop:
        return repr(stop.value.entries)
    except HARMED as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("key", [7, "seven"])
def test_pages_in_line(key: int | str) -> None:
    """Entries that are read in line are what their decoders give, and so is the error of a page with a byte changed."""
    registry = ig.Registry()

    @registry.model
    class Tree:
        name: str
        age: int
        tall: bool
        kind: ig.UUID
        nickname: str | None = None
        parent: "Tree | None" = None

    codecs, spec, key_spec = (
        mapping_codecs(resolver=registry, known=KnownTypes()),
        registry.spec(Tree),
        ig.INT if isinstance(key, int) else ig.STRING,
    )
    assert spec.emit_read is not None
    in_line, called = EntryTypes(key_spec, spec), EntryTypes(key_spec, attrs.evolve(spec, emit_read=None))
    root = Tree("oak", 300, True, UUID(int=5))
    trees = [root, root, attrs.evolve(root, nickname="Q"), attrs.evolve(root, name="ash", parent=root), root]
    page = bytearray(struct.pack("<i", len(trees)))
    for tree in trees:
        out = bytearray()
        spec.encode(codecs, out, tree)
        key_spec.encode(codecs, page, key)
        page += struct.pack("<BI", 27, len(out)) + out + bytes(4)
    page += b"\0"
    expected = repr([(key, tree) for tree in trees])
    for types in (called, in_line, in_line):
        assert read_page(codecs, types, bytes(page)) == read_page(codecs, types, bytes(page), in_steps=True) == expected

    # Objects in which nothing nests are not left to the decoder.
    def refuse(codecs: Any, buf: bytes, pos: int) -> Any:
        raise AssertionError

    first = bytearray()
    key_spec.encode(codecs, first, key)
    size = len(first) + 5 + struct.unpack_from("<I", page, 4 + len(first) + 1)[0] + 4
    two = struct.pack("<i", 2) + page[4 : 4 + 2 * size] + b"\0"
    refusing = EntryTypes(key_spec, attrs.evolve(spec, decode=refuse))
    assert read_page(codecs, refusing, two) == repr([(key, root), (key, root)])
    for at in range(4, len(page) - 1):
        for bit in (0x01, 0x80, 0xFF, 0x04):
            bad = bytes(page[:at]) + bytes((page[at] ^ bit,)) + bytes(page[at + 1 :])
            read_page(codecs, called, bad)  # which learns a footer that lies about what is neither number nor text
            outcome = read_page(codecs, called, bad)
            assert read_page(codecs, in_line, bad) == outcome, at
            assert read_page(codecs, in_line, bad, in_steps=True) == outcome, at
    for end in range(4, len(page)):
        assert read_page(codecs, in_line, bytes(page[:end])) == read_page(codecs, called, bytes(page[:end])), end
