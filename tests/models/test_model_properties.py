"""Any model, any values, any damage to the bytes."""

import datetime as dt
import enum
import itertools
import uuid
from decimal import Decimal
from typing import Annotated, Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

import ignitemap as ig
from ignitemap.exceptions import DecodeError
from ignitemap.protocol.binary_type import KnownTypes
from ignitemap.protocol.codecs import MALFORMED, Codecs, SchemaMissing
from ignitemap.protocol.hashing import field_id
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.binary_object import object_bytes

instants = st.datetimes(timezones=st.just(dt.UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]))
longs = st.integers(-(2**63), 2**63 - 1)
decimals = st.decimals(allow_nan=False, allow_infinity=False).map(lambda value: value or value.copy_abs())


class Color(enum.Enum):
    RED = 1
    GREEN = 2


KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, longs),
    (ig.Int, st.integers(-(2**31), 2**31 - 1)),
    (ig.Byte, st.integers(-128, 127)),
    (float, st.floats(allow_nan=False)),
    (ig.Float, st.floats(allow_nan=False, width=32)),
    (bool, st.booleans()),
    (str, texts),
    (bytes, st.binary()),
    (Decimal, decimals),
    (dt.datetime, instants),
    (dt.date, st.dates()),
    (uuid.UUID, st.uuids()),
    (Color, st.sampled_from(Color)),
    (int | None, st.none() | longs),
    (str | None, st.none() | texts),
    (list[str], st.lists(texts, max_size=4)),
    (set[int], st.sets(longs, max_size=4)),
    (dict[str, int | None], st.dictionaries(texts, st.none() | longs, max_size=3)),
    (tuple[int, str], st.tuples(longs, texts)),
    (Annotated[list[float], ig.Array], st.lists(st.floats(allow_nan=False), max_size=4)),
    (Any, st.none() | longs | texts | st.lists(longs, max_size=3)),
    (int | str, longs | texts),
]

_serial = itertools.count()


def make_class(registry: ig.Registry, hints: list[Any]) -> type:
    name = f"Made{next(_serial)}"
    made = {f"f{index}": attrs.field(type=hint) for index, hint in enumerate(hints)}
    return registry.model(attrs.make_class(name, made))


@st.composite
def models(draw: st.DrawFn, registry: ig.Registry, depth: int = 3) -> Any:
    """An object of a new class of up to six fields, some of which hold objects of other new classes."""
    hints: list[Any] = []
    values: list[Any] = []
    for kind in draw(st.lists(st.integers(0, len(KINDS) + (1 if depth > 1 else -1)), max_size=6)):
        if kind < len(KINDS):
            hint, strategy = KINDS[kind]
            hints.append(hint)
            values.append(draw(strategy))
        else:
            inner = draw(models(registry, depth - 1))
            many = kind > len(KINDS)
            hints.append(list[type(inner)] if many else type(inner) | None)  # type: ignore[misc]
            values.append([inner] * draw(st.integers(0, 2)) if many else draw(st.sampled_from([inner, None])))
    return make_class(registry, hints)(*values)


def encode(registry: ig.Registry, codecs: Codecs, value: Any) -> bytes:
    out = bytearray()
    codecs.depth = 0
    registry.spec(type(value)).encode(codecs, out, value)
    for each in codecs.unannounced:
        codecs.known.learn(each)
    codecs.unannounced.clear()
    return bytes(out)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_model_round_trips(data: st.DataObject) -> None:
    """An object of any model comes back equal: declared, untyped, and by the footer as an object of a wider class."""
    registry = ig.Registry()
    codecs = mapping_codecs(resolver=registry)
    value = data.draw(models(registry))
    cls = type(value)
    written = encode(registry, codecs, value)
    assert registry.spec(cls).decode(codecs, written, 0) == (value, len(written))
    assert codecs.decoders[written[0]](codecs, written, 1) == (value, len(written))
    assert codecs.depth == 0
    assert encode(registry, codecs, value) == written

    wider = ig.Registry()
    for each in registry._models:
        if each is not cls:
            wider.model(type_name=each.__name__)(each)
    fields = {each.name: attrs.field(type=each.type) for each in reversed(attrs.fields(cls))}
    other = wider.model(type_name=cls.__name__)(
        attrs.make_class("Wider", {**fields, "extra": attrs.field(default=5, type=int)})
    )
    back, end = wider.spec(other).decode(mapping_codecs(resolver=wider, known=codecs.known), written, 0)
    assert end == len(written)
    assert attrs.asdict(back, recurse=False) == {**attrs.asdict(value, recurse=False), "extra": 5}


@given(data=st.data())
@settings(deadline=None)
def test_any_model_field_by_field(data: st.DataObject) -> None:
    """Objects are written as their fields' types write these one by one, and a full footer gives the same object."""
    registry = ig.Registry()
    codecs = mapping_codecs(resolver=registry)
    value = data.draw(models(registry, 2))
    model = registry.find(type(value))
    assert model is not None
    schema = model.schema
    written = bytearray()
    model.codec.whole.encode(codecs, written, value)

    fields = bytearray()
    offsets: list[int] = []
    for field in schema.fields:
        offsets.append(24 + len(fields))
        field.spec.encode(codecs, fields, getattr(value, field.attribute))
    ids = [field_id(field.name) for field in schema.fields]
    (own,) = schema.whole.schemas
    assert written == object_bytes(schema.whole.id, own, fields, offsets)

    if ids:
        other = object_bytes(schema.whole.id, own, fields, offsets, ids)
        assert model.codec.whole.decode(codecs, other, 0) == (value, len(other))
    wrapped = b"\x1b" + len(written).to_bytes(4, "little") + written + bytes(4)
    for each in (bytes(written), wrapped):
        assert model.codec.whole.decode(codecs, each, 0) == (value, len(each))


@attrs.frozen
class Inner:
    name: str
    numbers: list[int] = attrs.field(factory=list)


@attrs.frozen
class Sample:
    id: Annotated[int, ig.key()]
    age: ig.Int
    ok: bool
    name: str
    price: Decimal
    seen: dt.datetime
    color: Color
    inner: Inner | None
    tags: frozenset[str]
    row: Annotated[list[float], ig.Array]
    rest: Any


SAMPLE = Sample(
    1, 2, True, "ann", Decimal("1.10"), dt.datetime(2024, 1, 2, tzinfo=dt.UTC), Color.RED, Inner("x", [1, 2]),
    frozenset({"a", "b"}), [1.5, 2.5], {"k": Inner("y")},
)  # fmt: skip


@pytest.fixture(scope="module")
def sample() -> tuple[ig.Registry, Codecs, bytes]:
    registry = ig.Registry()
    registry.model(Inner)
    registry.model(Sample)
    codecs = mapping_codecs(resolver=registry, known=KnownTypes())
    return registry, codecs, encode(registry, codecs, SAMPLE)


def read_damaged(registry: ig.Registry, codecs: Codecs, data: bytes) -> None:
    codecs.depth = codecs.repeated = 0
    try:
        value, _ = registry.spec(Sample).decode(codecs, data, 0)
    except (DecodeError, SchemaMissing, *MALFORMED):
        return
    assert isinstance(value, Sample)


def test_every_truncation(sample: tuple[ig.Registry, Codecs, bytes]) -> None:
    """Bytes that end too early end in a DecodeError, SchemaMissing or what counts as malformed."""
    registry, codecs, data = sample
    assert registry.spec(Sample).decode(codecs, data, 0) == (SAMPLE, len(data))
    for end in range(len(data)):
        read_damaged(registry, codecs, data[:end])


def test_every_flipped_bit(sample: tuple[ig.Registry, Codecs, bytes]) -> None:
    """A flipped bit ends in a value, a DecodeError, SchemaMissing or what counts as malformed."""
    registry, codecs, data = sample
    for position in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            read_damaged(registry, codecs, bytes(damaged))


def make_old() -> tuple[ig.Registry, Any]:
    registry = ig.Registry()

    @registry.model(type_name="Sample")
    class Old:
        name: str
        age: int = 0

    return registry, Old


OLD, Old = make_old()


@settings(max_examples=120, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3))
def test_any_damage_to_objects_with_unknown_fields(
    sample: tuple[ig.Registry, Codecs, bytes], damage: list[tuple[int, int]]
) -> None:
    """Damaged bytes of an object with unknown fields end in a value that can be written, or in one of those errors."""
    _, codecs, data = sample
    damaged = bytearray(data)
    for position, byte in damage:
        damaged[position % len(data)] = byte
    reader = mapping_codecs(resolver=OLD, known=KnownTypes())
    for each in codecs.known.types.values():
        reader.known.learn(each)
    try:
        value, _ = OLD.spec(Old).decode(reader, bytes(damaged), 0)
    except (DecodeError, SchemaMissing, *MALFORMED):
        return
    if value._ignite_unknown is not None and value._ignite_unknown.lost:
        with pytest.raises(ig.EncodeError, match="can't be written back"):
            encode(OLD, reader, value)
    else:
        again = encode(OLD, reader, value)
        assert OLD.spec(Old).decode(reader, again, 0)[0] == value
