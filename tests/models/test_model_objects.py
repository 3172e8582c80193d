"""The bytes of models: byte-compatible objects, keys, evolution, unknown fields."""

import copy
import pickle
import struct
from typing import Annotated, Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.exceptions import DecodeError, EncodeError, EncodeTypeError, EncodeValueError
from ignitemap.models.unknown import UnknownFields
from ignitemap.protocol.binary_type import BinaryType, Field, KnownTypes, binary_type
from ignitemap.protocol.codecs import Codecs, SchemaMissing
from ignitemap.protocol.hashing import field_id, schema_id, type_id
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.binary_object import BinaryObject, object_bytes, parse_header


class Side:
    """One program: a registry and codecs that share what the cluster knows with other programs."""

    def __init__(self, known: KnownTypes) -> None:
        self.registry = ig.Registry()
        self.codecs: Codecs = mapping_codecs(resolver=self.registry, known=known)

    def model(self, cls: Any = None, **options: Any) -> Any:
        return self.registry.model(**options) if cls is None else self.registry.model(cls)

    def write(self, value: Any, hint: Any = None, *key: Any) -> bytes:
        out = bytearray()
        self.codecs.depth = 0
        self.spec(hint or type(value), *key).encode(self.codecs, out, value, *key)
        for each in self.codecs.unannounced:
            self.learn(each)
        self.codecs.unannounced.clear()
        assert self.codecs.depth == 0
        return bytes(out)

    def read(self, data: bytes, hint: Any, *key: Any) -> Any:
        self.codecs.depth = self.codecs.repeated = 0
        value, end = self.spec(hint, *key).decode(self.codecs, data, 0, *key)
        assert end == len(data)
        assert self.codecs.depth == 0
        return value

    def spec(self, hint: Any, *key: Any) -> Any:
        if not key:
            return self.registry.spec(hint)
        entry = self.registry.find(hint)
        assert entry is not None
        return entry.codec.value

    def learn(self, each: BinaryType) -> None:
        found = self.codecs.known.types.get(each.id)
        if found is not None:
            each = attrs.evolve(each, fields={**found.fields, **each.fields}, schemas={**found.schemas, **each.schemas})
        self.codecs.known.learn(each)
        self.codecs.known.announced.update((each.id, schema) for schema in each.schemas)


@pytest.fixture
def known() -> KnownTypes:
    return KnownTypes()


@pytest.fixture
def here(known: KnownTypes) -> Side:
    return Side(known)


@pytest.fixture
def there(known: KnownTypes) -> Side:
    return Side(known)


# --- bytes ------------------------------------------------------------------------------------------------------------

PERSON = "6701 2b00 5b317265 eaade028 27000000 f3f1dc39 25000000  0307000000 0903000000426f62 181d"


def test_the_bytes_of_a_java_object(here: Side) -> None:
    """An object has exactly the bytes that Java's binary marshaller gives it."""

    @here.model(type_name="zzproto.Person")
    class Person:
        id: ig.Int
        name: str

    data = here.write(Person(7, "Bob"))
    assert data == bytes.fromhex(PERSON)
    assert here.read(data, Person) == Person(7, "Bob")
    wrapped = b"\x1b" + struct.pack("<I", len(data)) + data + bytes(4)
    assert here.read(wrapped, Person) == Person(7, "Bob")
    moved = b"\x1b" + struct.pack("<I", len(data) + 3) + b"abc" + data + struct.pack("<I", 3)
    assert here.read(moved, Person) == Person(7, "Bob")

    @here.model(type_name="zzproto.Empty")
    class Empty:
        pass

    assert here.write(Empty())[8:] == bytes.fromhex("01000000 18000000 c59d1c81 18000000")

    @here.model(type_name="zzproto.Outer")
    class Outer:
        p: Person
        x: int | None = None

    outer = here.write(Outer(Person(7, "Bob")))
    head = bytes.fromhex("6701 2b00 e8cc1211 42000000 4d0f895a 40000000")
    assert outer[:4] + outer[8:] == head + bytes.fromhex(PERSON) + bytes.fromhex("65 183f")


def test_a_full_footer_is_read(here: Side) -> None:
    """An object whose footer has field ids is read without any metadata, as what the class has of it."""

    @here.model(type_name="zzproto.Person")
    class Person:
        id: ig.Int
        name: str

    data = bytes.fromhex(
        "6701 0b00 5b317265 eaade028 2f000000 f3f1dc39 25000000  0307000000 0903000000426f62  1b0d000018 8b7a33001d"
    )
    assert here.read(data, Person) == Person(7, "Bob")


@pytest.mark.parametrize(
    ("size", "flags", "width"),
    [
        (0, 0x2B, 1),
        (255 - 24 - 5, 0x2B, 1),
        (256 - 24 - 5, 0x33, 2),
        (65535 - 24 - 5, 0x33, 2),
        (65536 - 24 - 5, 0x23, 4),
        (70_000, 0x23, 4),
    ],
)
def test_the_width_of_the_footer(here: Side, size: int, flags: int, width: int) -> None:
    """The last offset decides whether offsets take one, two or four bytes."""

    @here.model(type_name="zzproto.Blob")
    class Blob:
        id: bytes
        name: str

    value = Blob(bytes(size), "Bob")
    data = here.write(value)
    header = parse_header(data, 0)
    assert header.flags == flags
    assert header.footer_end - header.footer == 2 * width
    assert int.from_bytes(data[header.footer + width :], "little") == 24 + 5 + size
    assert here.read(data, Blob) == value

    @here.model(type_name="zzproto.Blob1")
    class Blob1:
        id: bytes

    assert parse_header(here.write(Blob1(bytes(70_000))), 0).flags == 0x2B


def test_what_is_announced(here: Side, there: Side) -> None:
    """A type is announced with its fields and its schema until the cluster knows it, and then no more."""

    @here.model(type_name="a.Person", rename="camel")
    class Person:
        first_name: str
        age: ig.Int | None = None
        tags: list[str] = ig.field(factory=list)
        row: Annotated[list[float], ig.Array] = ig.field(factory=list)

    out = bytearray()
    here.registry.spec(Person).encode(here.codecs, out, Person("a"))
    here.registry.spec(Person).encode(here.codecs, out, Person("b"))
    (announced,) = here.codecs.unannounced
    assert announced.name == "a.Person"
    # Java declares what it has as List or Map as an Object.
    assert [(each.name, each.code) for each in announced.fields.values()] == [
        ("firstName", 9),
        ("age", 3),
        ("tags", 103),
        ("row", 17),
    ]
    order = tuple(map(field_id, ("firstName", "age", "tags", "row")))
    assert announced.schemas == {schema_id(order): order}
    here.codecs.unannounced.clear()
    here.learn(announced)
    here.registry.spec(Person).encode(here.codecs, out, Person("c"))
    assert not here.codecs.unannounced


# --- keys -------------------------------------------------------------------------------------------------------------


def test_one_key_field(here: Side) -> None:
    """A key field lives in the key: it is not in the value's bytes, and is joined back from the key."""

    @here.model
    class City:
        id: int = ig.key()
        name: str

    entry = here.registry.find(City)
    assert entry is not None
    assert entry.key_of(City(5, "Rome")) == 5
    assert entry.key_spec() is here.registry.spec(int)
    assert entry.key_class is None
    assert entry.schema.split
    data = here.write(City(5, "Rome"), City, 5)
    assert parse_header(data, 0).schema_id == schema_id((field_id("name"),))
    assert here.read(data, City, 5) == City(5, "Rome")
    assert here.read(data, City, 6) == City(6, "Rome")
    whole = here.write(City(5, "Rome"))
    assert here.read(whole, City) == City(5, "Rome")
    with pytest.raises(EncodeValueError, match="key differs from the key fields of the City"):
        here.write(City(5, "Rome"), City, 6)
    with pytest.raises(EncodeTypeError, match="expected City, got a Python str"):
        here.write("Rome", City, 6)


def test_a_model_of_nothing_but_its_key(here: Side) -> None:
    """A value all of whose fields are in the key is an empty object."""

    @here.model
    class Tag:
        name: str = ig.key()

    data = here.write(Tag("a"), Tag, "a")
    assert len(data) == 24
    assert here.read(data, Tag, "a") == Tag("a")


def test_several_key_fields(here: Side) -> None:
    """Several key fields make a frozen key class; a tuple in field order stands for it."""

    @here.model(type_name="acme.Order")
    class Order:
        customer: str = ig.key()
        number: ig.Int = ig.key()
        _total: float = 0.0

    entry = here.registry.find(Order)
    assert entry is not None
    key_class: Any = ig.key_class(Order, registry=here.registry)
    assert key_class is entry.key_class
    key = entry.key_of(Order("a", 5, 1.5))
    assert key == key_class("a", 5)
    assert hash(key) == hash(key_class("a", 5))
    assert repr(key) == "OrderKey(customer='a', number=5)"
    assert entry.key_model is not None
    assert entry.key_model.type_name == "acme.OrderKey"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        key.customer = "b"
    spec = entry.key_spec()
    assert spec is entry.key_spec()
    assert spec is not None
    out, other = bytearray(), bytearray()
    spec.encode(here.codecs, out, key)
    spec.encode(here.codecs, other, ("a", 5))
    assert out == other
    for each in here.codecs.unannounced:
        here.learn(each)
    assert spec.decode(here.codecs, bytes(out), 0) == (key, len(out))
    with pytest.raises(EncodeTypeError, match="a key of Order has 2 fields, not 3"):
        spec.encode(here.codecs, out, ("a", 5, 6))
    with pytest.raises(EncodeError, match=r"OrderKey\.number: the number is out of range"):
        spec.encode(here.codecs, out, ("a", 2**31))
    with pytest.raises(EncodeTypeError, match="expected OrderKey, got a Python int"):
        spec.encode(here.codecs, out, 5)
    order = Order("a", 5, 1.5)
    data = here.write(order, Order, key)
    assert data == here.write(order, Order, ("a", 5))
    assert here.read(data, Order, key) == here.read(data, Order, ("a", 5)) == order
    with pytest.raises(EncodeValueError, match="key differs"):
        here.write(order, Order, key_class("a", 6))

    @here.model(key_type_name="acme.LineId")
    class Line:
        a: int = ig.key()
        b: int = ig.key()

    line = here.registry.find(Line)
    assert line is not None
    assert line.key_model is not None
    assert line.key_model.type_name == "acme.LineId"


def test_a_key_class_takes_no_models_place(here: Side) -> None:
    """A key class whose name a model has is a ModelError, not its replacement."""

    @here.model(type_name="ShelfKey")
    @attrs.frozen
    class Mine:
        x: int

    with pytest.raises(ig.ModelError, match="both named ShelfKey"):

        @here.model
        class Shelf:
            a: int = ig.key()
            b: int = ig.key()

    assert here.registry.find(Mine) is not None


def test_a_key_in_the_value_too(here: Side) -> None:
    """in_value writes a key field into both; the key wins."""

    @here.model
    class Both:
        id: int = ig.key(in_value=True)
        name: str = ""

    entry = here.registry.find(Both)
    assert entry is not None
    assert not entry.schema.split
    data = here.write(Both(5, "a"), Both, 5)
    assert data == here.write(Both(5, "a"))
    assert here.read(data, Both, 6) == Both(6, "a")


@pytest.mark.parametrize("hint", [list[int], set[int], dict[str, int], int | None, Any, "Loose"])
def test_what_can_not_be_a_key(here: Side, hint: Any) -> None:
    """A key field that Python can't hash, or that may be None, is a ModelError."""
    if hint == "Loose":
        hint = here.model(attrs.make_class("Loose", {"x": attrs.field(type=int)}))
    with pytest.raises(ig.ModelError, match=r"Wrong\.id can't be a key"):
        here.model(attrs.make_class("Wrong", {"id": ig.key(type=hint)}))


def test_models_as_keys(here: Side) -> None:
    """A frozen model can be a key, unless it holds what can't be one."""

    @here.model
    @attrs.frozen
    class Good:
        x: int
        tags: frozenset[str] = frozenset()

    @here.model
    @attrs.frozen
    class Bad:
        tags: list[str]

    @here.model
    class Mutable:
        x: int

    assert here.registry.spec(Good).hashable
    assert not here.registry.spec(Bad).hashable
    assert not here.registry.spec(Mutable).hashable

    @here.model
    class Holder:
        id: Good = ig.key()

    value = Holder(Good(1, frozenset({"a", "b"})))
    assert here.read(here.write(value, Holder, value.id), Holder, value.id) == value


def test_affinity_fields(here: Side) -> None:
    """One field of a key model can stand for the whole key; two are a ModelError."""

    @here.model
    @attrs.frozen
    class Id:
        region: Annotated[int, ig.field(affinity=True)]
        number: int

    entry = here.registry.find(Id)
    assert entry is not None
    assert entry.schema.whole.affinity_field == "region"

    @here.model
    class Order:
        region: int = ig.key(affinity=True)
        number: int = ig.key()

    order = here.registry.find(Order)
    assert order is not None
    assert order.key_model is not None
    assert order.key_model.schema.whole.affinity_field == "region"
    assert order.schema.value.affinity_field is None
    with pytest.raises(ig.ModelError, match="more than one affinity field"):

        @here.model(type_name="Two")
        class Two:
            a: int = ig.field(affinity=True)
            b: int = ig.field(affinity=True)


def test_no_key_fields(here: Side) -> None:
    """A model without key fields has no key of its own."""

    @here.model
    class Free:
        x: int

    entry = here.registry.find(Free)
    assert entry is not None
    assert entry.key_spec() is None
    with pytest.raises(ig.ModelError, match="no key"):
        entry.key_of  # noqa: B018


# --- objects of other schemas -----------------------------------------------------------------------------------------


def test_missing_reordered_and_wider_fields(here: Side, there: Side) -> None:
    """A missing field gets its default, order and integer widths do not matter, None may come for an Optional."""

    @there.model(type_name="Person")
    class Other:
        note: str | None
        age: ig.Int
        name: str

    @here.model(type_name="Person")
    class Person:
        name: str
        age: int
        note: str | None
        tags: list[str] = ig.field(factory=list)
        seen: int = ig.field(default=3, init=False)

    data = there.write(Other(None, 5, "a"))
    assert here.read(data, Person) == Person("a", 5, None)
    assert here.read(data, Person).seen == 3
    assert here.read(data, Any) == Person("a", 5, None)

    # The same schema, another width on the wire: the fast path gives way.
    own = here.write(Person("a", 5, None))
    header = parse_header(own, 0)
    assert own[header.fields + 6] == 4
    fields = own[header.fields : header.fields + 6] + b"\x01\x05" + own[header.fields + 15 : header.fields_end]
    offsets = [offset - 7 if offset > 30 else offset for offset in own[header.footer :]]
    narrow = object_bytes(header.type_id, header.schema_id, fields, offsets)
    assert here.read(narrow, Person) == Person("a", 5, None)


def test_a_required_field_that_is_missing(here: Side, there: Side) -> None:
    """An object without a field that has no default is a DecodeError that names it."""

    @there.model(type_name="Person")
    class Other:
        name: str

    @here.model(type_name="Person")
    class Person:
        name: str
        age: int = ig.field(name="years")

    with pytest.raises(DecodeError, match=r"^Person\.age: the object has no field years, and there is no default"):
        here.read(there.write(Other("a")), Person)


@pytest.mark.parametrize("same_schema", [True, False])
def test_null_where_a_value_is_declared(here: Side, there: Side, same_schema: bool) -> None:
    """A null in a field that is not Optional is a DecodeError that names the field, by either path."""
    more = {} if same_schema else {"z": attrs.field(type=int, default=0)}
    nullable = {name: attrs.field(type=hint | None) for name, hint in (("a", int), ("b", str), ("c", list[int]))}
    exact = {name: attrs.field(type=hint) for name, hint in (("a", int), ("b", str), ("c", list[int]))}
    other = there.model(type_name="T")(attrs.make_class("Other", {**nullable, **more}))
    cls = here.model(type_name="T")(attrs.make_class("Mine", exact))
    for values, name in (((None, "x", []), "a"), ((1, None, []), "b"), ((1, "x", None), "c")):
        with pytest.raises(DecodeError, match=rf"^Mine\.{name}: "):
            here.read(there.write(other(*values)), cls)

    holder = here.model(attrs.make_class("Holder", {"inner": attrs.field(type=cls)}))
    holder_there = there.model(attrs.make_class("Holder", {"inner": attrs.field(type=other)}))
    with pytest.raises(DecodeError, match=r"^Holder\.inner: Mine\.b: "):
        here.read(there.write(holder_there(other(1, None, []))), holder)


def test_another_type(here: Side, there: Side) -> None:
    """An object of another type, or no object, is a DecodeError that names both."""

    @here.model
    class Cat:
        name: str

    @there.model
    class Dog:
        name: str

    @here.model
    class Holder:
        cat: Cat

    data = there.write(Dog("a"))
    with pytest.raises(DecodeError, match="expected Cat, the cluster has Dog"):
        here.read(data, Cat)
    here.codecs.known.types.clear()
    with pytest.raises(DecodeError, match="expected Cat, the cluster has a type with the id"):
        here.read(data, Cat)
    with pytest.raises(DecodeError, match="null where Cat is declared"):
        here.read(b"\x65", Cat)
    with pytest.raises(DecodeError, match="expected Cat, the cluster has a str"):
        here.read(bytes.fromhex("090100000061"), Cat)
    with pytest.raises(DecodeError, match="wrapped"):
        here.read(b"\x1b" + struct.pack("<I", 5) + b"\x67" + bytes(8), Cat)
    cat = here.write(Cat("a"))
    with pytest.raises(DecodeError, match="longer than what it is wrapped in"):
        here.read(b"\x1b" + struct.pack("<I", len(cat) - 2) + cat[:-2] + bytes(4) + cat[-2:], Cat)


def test_a_handle_to_a_model(here: Side) -> None:
    """An object that occurs twice, which Java writes as a handle, is read twice, and checked as any other."""

    @here.model
    class Cat:
        name: str

    @here.model
    class Dog:
        name: str

    for cls, message in ((Cat, None), (Dog, "expected Cat, the cluster has a Dog")):
        twice = here.write(cls("a"))
        data = b"\x18\x02\0\0\0\x01" + twice + b"\x66" + struct.pack("<I", len(twice))
        if message is None:
            assert here.read(data, list[Cat]) == [Cat("a"), Cat("a")]
        with pytest.raises(DecodeError, match=message or "expected Dog"):
            here.read(b"\x17\xff\xff\xff\xff\x02\0\0\0" + data[6:], tuple[Any, Dog if message is None else Cat])


@pytest.mark.parametrize("known_schema", [True, False])
def test_bytes_that_nest_too_deep(here: Side, known_schema: bool) -> None:
    """Objects that nest deeper than 200 levels are a DecodeError, or malformed, by either path."""

    @here.model
    class Node:
        next: "Node | None" = None
        more: "list[Node]" = ig.field(factory=list)

    here.write(Node())
    order = [field_id("next"), field_id("more")] if known_schema else [field_id("more"), field_id("next")]
    if not known_schema:
        here.learn(binary_type("Node", [("more", 103), ("next", 103)]))
    empty = b"\x18\0\0\0\0\x01"

    def wrap(inner: bytes) -> bytes:
        parts = [inner, empty] if known_schema else [empty, inner]
        return object_bytes(type_id("Node"), schema_id(order), b"".join(parts), [24, 24 + len(parts[0])])

    data = b"\x65"
    for _ in range(100):
        data = wrap(data)
    here.read(data, Node)
    for _ in range(110):
        data = wrap(data)
    with pytest.raises((DecodeError, RecursionError)):
        here.read(data, Node)
    here.codecs.depth = 200
    with pytest.raises(DecodeError, match="deeper than 200 levels"):
        here.registry.spec(Node).decode(here.codecs, data, 0)


def test_fields_that_overlap(here: Side) -> None:
    """A footer whose fields lie inside each other is a DecodeError at once: the work does not double at every level."""

    @here.model
    class Pair:
        left: "Pair | None" = None
        right: "Pair | None" = None

    here.write(Pair())
    here.learn(binary_type("Pair", [("right", 103), ("left", 103)]))
    order = [field_id("right"), field_id("left")]
    data = object_bytes(type_id("Pair"), schema_id(order), b"\x65\x65", [24, 25])
    for _ in range(60):
        # The second field is said to start at the first field of the first one.
        data = object_bytes(type_id("Pair"), schema_id(order), data, [24, 48])
    with pytest.raises(DecodeError, match="right: it reaches into the next field"):
        here.read(data, Pair)


# --- unknown fields ---------------------------------------------------------------------------------------------------


def newer(side: Side) -> Any:
    @side.model(type_name="Person")
    class NewPerson:
        name: str
        age: int = 0
        email: str = ""
        tags: list[str] = ig.field(factory=list)
        friend: "NewPerson | None" = None

    return NewPerson


def older(side: Side, **options: Any) -> Any:
    @side.model(type_name="Person", **options)
    class Person:
        name: str
        age: int = 0

    return Person


@pytest.mark.parametrize("explicit", [False, True])
def test_unknown_fields_survive(here: Side, there: Side, explicit: bool) -> None:
    """What the class does not have survives reading, evolving, copying, pickling and writing back, nested and all."""
    new = newer(there)
    old = older(here, **({"unknown_fields": "preserve"} if explicit else {}))
    written = new("a", 5, "a@b.c", ["x", "y"], new("b", 6, "b@b.c"))
    data = there.write(written)
    read = here.read(data, old)
    assert read == old("a", 5)
    assert repr(read) == repr(old("a", 5))
    assert repr(read._ignite_unknown) == "<UnknownFields email, tags, friend>"
    assert here.write(read) == data
    changed = ig.evolve(read, age=7)
    assert there.read(here.write(changed), new) == attrs.evolve(written, age=7)
    read.age = 8
    for each in (read, copy.copy(read), copy.deepcopy(read)):
        assert there.read(here.write(each), new) == attrs.evolve(written, age=8)
    assert pickle.loads(pickle.dumps(read._ignite_unknown)) == read._ignite_unknown
    # What was read anew from the changed object has the same unknown fields.
    assert here.read(here.write(changed), old)._ignite_unknown == read._ignite_unknown
    assert here.read(here.write(old("z")), old)._ignite_unknown is None


def test_the_schema_of_preserved_fields_is_announced(here: Side, there: Side) -> None:
    """An object whose fields are in another order is written under a schema of its own, which is announced."""

    @there.model(type_name="Person")
    class Other:
        email: str
        age: int
        name: str

    old = older(here)
    read = here.read(there.write(Other("e", 5, "a")), old)
    out = bytearray()
    here.registry.spec(old).encode(here.codecs, out, read)
    order = tuple(map(field_id, ("name", "age", "email")))
    assert {schema for each in here.codecs.unannounced for schema in each.schemas} >= {schema_id(order)}
    for each in here.codecs.unannounced:
        here.learn(each)
    assert parse_header(bytes(out), 0).schema_id == schema_id(order)
    assert there.read(bytes(out), Other) == Other("e", 5, "a")


def test_unknown_fields_are_forbidden(here: Side, there: Side) -> None:
    """Forbidding makes reading a DecodeError that names the fields; an alias is not unknown."""
    new = newer(there)
    strict = older(here, unknown_fields="forbid")
    with pytest.raises(DecodeError, match="does not have: email, tags, friend"):
        here.read(there.write(new("a")), strict)
    assert "_ignite_unknown" not in {each.name for each in attrs.fields(strict)}
    assert here.read(here.write(strict("a", 1)), strict) == strict("a", 1)


def test_unknown_fields_are_ignored(here: Side, there: Side) -> None:
    """Ignoring drops them, by the program's own choice."""
    new = newer(there)
    loose = older(here, unknown_fields="ignore")
    read = here.read(there.write(new("a", 5, "e")), loose)
    assert read == loose("a", 5)
    assert there.read(here.write(read), new) == new("a", 5)


def test_classes_without_a_place(here: Side, there: Side) -> None:
    """A class that can't hold unknown fields ignores them by default; asking for preserve is a ModelError."""
    new = newer(there)

    @here.model(type_name="Person")
    @attrs.frozen
    class Frozen:
        name: str

    assert here.read(there.write(new("a", 5, "e")), Frozen) == Frozen("a")
    with pytest.raises(ig.ModelError, match="Other is an attrs class or a dataclass already and has no place"):

        @here.model(unknown_fields="preserve")
        @attrs.frozen
        class Other:
            name: str

    with pytest.raises(ig.ModelError, match="unknown_fields is preserve, ignore or forbid"):
        here.model(unknown_fields="drop")(attrs.make_class("Drop", {"x": attrs.field(type=int)}))


def test_a_derived_class_has_one_place(here: Side, there: Side) -> None:
    """The place is inherited, also by a class that attrs itself makes of a model."""

    @here.model
    class Base:
        name: str

    @here.model
    class Derived(Base):
        age: int = 0

    @here.model(unknown_fields="preserve")
    @attrs.define
    class Plain(Base):
        pass

    wide = attrs.make_class("Wide", {name: attrs.field(type=str) for name in ("name", "more")})
    for cls in (Derived, Plain):
        assert sum(each.name == "_ignite_unknown" for each in attrs.fields(cls)) == 1
        other = there.model(type_name=cls.__name__)(attrs.make_class(cls.__name__, {}, bases=(wide,)))
        data = there.write(other("a", "m"))
        assert there.read(here.write(here.read(data, cls)), other) == other("a", "m")


def test_key_fields_in_the_value_follow_the_key(here: Side, there: Side) -> None:
    """A key field that another program keeps in the value stays there, and follows when the key changes."""

    @there.model(type_name="City")
    class JavaCity:
        id: ig.Int
        name: str

    @here.model(type_name="City")
    class City:
        id: int = ig.key()
        name: str = ""

    data = there.write(JavaCity(5, "Rome"))
    read = here.read(data, City, 5)
    assert read == City(5, "Rome")
    again = here.write(read, City, 5)
    assert there.read(again, JavaCity) == JavaCity(5, "Rome")
    moved = ig.evolve(read, id=6)
    assert there.read(here.write(moved, City, 6), JavaCity) == JavaCity(6, "Rome")
    # As a whole object, say in a list, it has the field anyway.
    assert here.write(read, City) == here.write(City(5, "Rome"), City)
    with pytest.raises(EncodeValueError, match="key differs"):
        here.write(read, City, 7)

    # What can't be read as the key field at all is written anew.
    nobody = object_bytes(type_id("City"), schema_id([field_id("id"), field_id("name")]), b"\x65" + NAME, [24, 25])
    again = here.write(here.read(nobody, City, 5), City, 5)
    assert there.read(again, JavaCity) == JavaCity(5, "a")

    strict = Side(here.codecs.known)

    @strict.model(type_name="City", unknown_fields="forbid")
    class StrictCity:
        id: int = ig.key()
        name: str = ""

    assert strict.read(data, StrictCity, 5) == StrictCity(5, "Rome")


def test_the_keys_of_several_fields_forbid(here: Side, there: Side) -> None:
    """A key object with more fields than the key class is refused: two keys would be one in Python."""

    @here.model
    class Order:
        a: int = ig.key()
        b: int = ig.key()

    @there.model
    class OrderKey:
        a: int
        b: int
        c: int

    key_class = ig.key_class(Order, registry=here.registry)
    with pytest.raises(DecodeError, match="does not have: c"):
        here.read(there.write(OrderKey(1, 2, 3)), key_class)


# Objects that Java writes and we do not: handles and raw data.

OTHER = binary_type("Person", [("name", 9), ("a", 103), ("b", 103)])


def java_object(codecs: Codecs, *fields: bytes, raw: bytes = b"") -> bytes:
    """An object of OTHER with these field bytes."""
    codecs.known.learn(OTHER)
    (schema,) = OTHER.schemas
    offsets = [24 + sum(map(len, fields[:index])) for index in range(len(fields))]
    plain = object_bytes(OTHER.id, schema, b"".join(fields), offsets)
    if not raw:
        return plain
    header = parse_header(plain, 0)
    body = plain[24 : header.footer] + raw
    footer = plain[header.footer :] + struct.pack("<I", header.footer)
    head = struct.pack(
        "<BBHiiIiI", 0x67, 1, header.flags | 4, OTHER.id, 0, 24 + len(body) + len(footer), schema, 24 + len(body)
    )
    return head + body + footer


NAME = bytes.fromhex("090100000061")  # "a"
LIST = bytes.fromhex("18010000000103 05000000")  # [5]
INNER = object_bytes(type_id("Inner"), schema_id([field_id("x")]), bytes.fromhex("0305000000"), [24])


def test_handles_to_another_unknown_field(here: Side) -> None:
    """A field that is a handle to an object is kept as that object; other handles out of the field count as lost."""
    old = older(here)
    data = java_object(here.codecs, NAME, INNER, b"\x66" + struct.pack("<I", len(INNER)))
    read = here.read(data, old)
    assert [field for _, field in read._ignite_unknown.fields] == [INNER, INNER]
    written = here.write(read)
    here.learn(binary_type("Inner", [("x", 3)]))
    back = mapping_codecs().decoders[0x67](mapping_codecs(known=here.codecs.known), written, 1)[0]
    assert isinstance(back, BinaryObject)
    assert back["a"] == back["b"]

    for field in (
        b"\x66" + struct.pack("<I", len(LIST)),  # the list before it
        b"\x66" + struct.pack("<I", 24 + len(NAME) + len(LIST)),  # the whole object
        b"\x18\x01\0\0\0\x01\x66" + struct.pack("<I", len(LIST) + 6),  # inside of a list
        b"\x66\xff\xff\xff\xff",
        b"\xfd\0",  # a type code that nobody knows
    ):
        read = here.read(java_object(here.codecs, NAME, LIST, field), old)
        assert read._ignite_unknown.lost == ("b",)
        assert repr(read._ignite_unknown) == "<UnknownFields a, b>"
        with pytest.raises(EncodeValueError, match="can't be written back: b"):
            here.write(ig.evolve(read, age=3))


@pytest.mark.parametrize(
    "field",
    [
        b"\x65",
        INNER,
        b"\x1b" + struct.pack("<I", len(INNER)) + INNER + bytes(4),
        b"\x18\x02\0\0\0\x01" + INNER + b"\x66" + struct.pack("<I", len(INNER)),  # [inner, the same]
        bytes.fromhex("1e02000000020000003039"),  # a Decimal
        bytes.fromhex("0e02000000 01000000 feffffff"),  # int[]
        bytes.fromhex("1402000000 090100000061 65"),  # String[]
        bytes.fromhex("17 00000000 090100000041 01000000 65"),  # Object[] of a class by name
        bytes.fromhex("1c 00000000 090100000041 01000000"),  # an enum of a class by name
        bytes.fromhex("19 01000000 02 0301000000 090100000061"),  # a map
        bytes.fromhex("fe 03000000 666666"),  # an opaque object
    ],
)
def test_the_bytes_of_unknown_fields(here: Side, field: bytes) -> None:
    """Every kind of unknown field is written back as it was read."""
    old = older(here)
    data = java_object(here.codecs, NAME, field, b"\x65")
    read = here.read(data, old)
    assert read._ignite_unknown.fields[0][1] == field
    # The class's own fields come first; the unknown ones follow in their order.
    again = here.read(here.write(read), old)
    assert again == read
    assert again._ignite_unknown == read._ignite_unknown


def test_raw_data(here: Side) -> None:
    """Raw data behind the fields is kept, unless it could refer to what is outside of it."""
    old = older(here)
    data = java_object(here.codecs, NAME, b"\x65", b"\x65", raw=b"raw\x66\xff\xff\xff\xff!")
    read = here.read(data, old)
    assert read._ignite_unknown.raw == b"raw\x66\xff\xff\xff\xff!"
    written = here.write(read)
    header = parse_header(written, 0)
    assert written[header.fields_end : header.footer] == b"raw\x66\xff\xff\xff\xff!"
    assert here.read(written, old)._ignite_unknown == read._ignite_unknown
    lost = here.read(java_object(here.codecs, NAME, b"\x65", b"\x65", raw=b"r\x66\x09\0\0\0"), old)
    assert lost._ignite_unknown.lost == ("raw data",)

    # Raw data and no fields at all.
    @here.model(type_name="Raw")
    class Raw:
        pass

    body = b"\x05\0\0\0"
    raw_only = struct.pack("<BBHiiIiI", 0x67, 1, 0x25, type_id("Raw"), 0, 28, -2128831035, 24) + body
    value = here.read(raw_only, Raw)
    again = here.write(value)
    assert again[:8] == raw_only[:8]
    assert again[12:] == raw_only[12:]

    # An unknown field whose own raw data could hold a handle to somewhere else.
    nested = raw_only[:24] + b"\x66\x1a\0\0\0"
    nested = nested[:12] + struct.pack("<I", len(nested)) + nested[16:]
    assert here.read(java_object(here.codecs, NAME, nested, b"\x65"), old)._ignite_unknown.lost == ("a",)


def test_fields_that_the_cluster_has_no_name_for(here: Side) -> None:
    """A full footer can hold fields whose names must be asked for; where nobody knows them they are lost."""
    old = older(here)
    ids = [field_id("name"), field_id("strange")]
    data = object_bytes(OTHER.id, schema_id(ids), NAME + b"\x65", [24, 30], ids)
    with pytest.raises(SchemaMissing):
        here.read(data, old)
    here.codecs.known.absent.add((OTHER.id, schema_id(ids)))
    read = here.read(data, old)
    assert read == old("a")
    assert read._ignite_unknown.lost == (f"field id {field_id('strange')}",)


def test_many_schemas_of_unknown_fields_take_bounded_memory(here: Side) -> None:
    """A cluster with any number of schemas does not fill the memory of a class's encoder."""
    old = older(here)
    for number in range(600):
        field = Field(f"f{number}", 101, field_id(f"f{number}"))
        value = old("a", _ignite_unknown=UnknownFields(((field, b"\x65"),)))
        assert b"\x65" in here.write(value)
