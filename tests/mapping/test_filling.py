"""The inside of a bulk write: many entries become the bytes that their types write one by one."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given, strategies as st

import ignitemap as ig
from ignitemap.exceptions import EncodeError
from ignitemap.mapping.filling import compile_filler
from ignitemap.protocol.codecs import ANY, EntryTypes, Spec, optional
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.text import STRING
from tests.strategies import RELAXED, floats, longs, texts

UNLIMITED = 2**30


class Color(IntEnum):
    """Members that are ints, but of a class of their own."""

    RED = 1
    BLUE = 2


class Name(str):
    """A text that is a str, but of a class of its own."""

    __slots__ = ()

    def encode(self, *_: Any, **__: Any) -> bytes:
        """Nothing that may be written."""
        return b"not this"


SPECS = st.sampled_from([BYTE, SHORT, INT, LONG, FLOAT, DOUBLE, BOOL, STRING, ANY, optional(LONG), optional(STRING)])
VALUES = st.one_of(
    longs,
    st.integers(-130, 130),
    st.integers(-(2**70), 2**70),
    floats,
    st.booleans(),
    texts,
    st.text(max_size=2),  # with lone surrogates
    st.sampled_from([Color.RED, Name("a"), Name("ü"), 1e300, 2**53 + 1, 0.0, -0.0, 1]),
)


def one_by_one(key: Spec[Any], value: Spec[Any] | None, entry: tuple[Any, Any]) -> tuple[bytes, bytes]:
    """The bytes of an entry's key, and of both sides, by the encoders of their types."""
    out, codecs = bytearray(), mapping_codecs()
    key.encode(codecs, out, entry[0])
    data = bytes(out)
    if value is not None:
        value.encode(codecs, out, entry[1])
    return data, bytes(out)


@RELAXED
@given(key=SPECS, value=st.none() | SPECS, entries=st.lists(st.tuples(VALUES, VALUES), max_size=6))
def test_entries_of_any_values(key: Spec[Any], value: Spec[Any] | None, entries: list[tuple[Any, Any]]) -> None:
    """An entry's bytes are those of its two sides; what these refuse is refused, with the same error, at its place."""
    expected: list[tuple[bytes, bytes]] = []
    failure: Exception | None = None
    for entry in entries:
        try:
            expected.append(one_by_one(key, value, entry))
        except (EncodeError, UnicodeEncodeError) as error:
            failure = error
            break
    fill = compile_filler(EntryTypes(key, ANY if value is None else value), values=value is not None)
    keys: list[Any] = []
    items: list[bytes] = []
    if failure is None:
        size = fill(mapping_codecs(), iter(entries), UNLIMITED, keys, items)
        assert size == sum(map(len, items))
        assert len(keys) == len(items)
    else:
        with pytest.raises(type(failure)) as caught:
            fill(mapping_codecs(), iter(entries), UNLIMITED, keys, items)
        assert str(caught.value) == str(failure)
        assert len(keys) == len(items) + 1
    assert items == [both for _, both in expected]
    # What stands for a key is equal to what stands for another exactly if they have the same bytes.
    stands: dict[Any, bytes] = {}
    for stand, (data, _) in zip(keys, expected, strict=False):
        assert stands.setdefault(stand, data) == data
    assert len(stands) == len({data for data, _ in expected})


def test_the_limit() -> None:
    """No more is taken from the source than fits, but for the entry that goes beyond."""
    fill = compile_filler(EntryTypes(LONG, STRING), values=True)
    source = iter([(number, "ten chars.") for number in range(10)])
    items: list[bytes] = []
    assert fill(mapping_codecs(), source, 50, [], items) == 72
    assert len(items) == 3
    assert next(source) == (3, "ten chars.")


@pytest.mark.parametrize("types", [EntryTypes(LONG, STRING), EntryTypes()])
def test_what_is_no_value(types: EntryTypes) -> None:
    """None is refused as a value, and counts as taken; entries before it are encoded."""
    keys: list[Any] = []
    items: list[bytes] = []
    with pytest.raises(ValueError, match="None cannot be stored"):
        compile_filler(types, values=True)(mapping_codecs(), [(1, "a"), (2, None), (3, "c")], UNLIMITED, keys, items)
    assert (len(keys), len(items)) == (2, 1)


def test_a_source_that_fails() -> None:
    """What the source raises passes, and no entry counts as taken that it did not give."""

    def source() -> Iterator[tuple[int, str]]:
        yield 1, "a"
        raise RuntimeError("no more")

    keys: list[Any] = []
    items: list[bytes] = []
    with pytest.raises(RuntimeError, match="no more"):
        compile_filler(EntryTypes(LONG, STRING), values=True)(mapping_codecs(), source(), UNLIMITED, keys, items)
    assert (len(keys), len(items)) == (1, 1)


def test_types_that_the_cluster_may_not_know() -> None:
    """The first object of a type ends a filling, so that the type is noted for what is sent with it."""
    registry = ig.Registry()

    @registry.model
    class Cat:
        id: int = ig.key()
        name: str

    found = registry.find(Cat)
    assert found is not None
    fill = compile_filler(EntryTypes(LONG, found.codec.value), values=True)
    codecs = mapping_codecs()
    cats = iter([(1, Cat(1, "a")), (2, Cat(2, "b"))])
    items: list[bytes] = []
    fill(codecs, cats, UNLIMITED, [], items)
    assert len(items) == 1
    (noted,) = codecs.unannounced
    assert noted.name == registry.find(Cat).schema.type_name  # type: ignore[union-attr]
    codecs.unannounced.clear()
    codecs.known.announced.add((noted.id, *noted.schemas))
    fill(codecs, cats, UNLIMITED, [], items)
    assert len(items) == 2
