"""Complex objects on the raw layer: classes of GenericObjectMeta, and what a program asks its cluster about types."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

import ignitemap as ig
from ignitemap import raw
from ignitemap.client.generic_object import ObjectClasses
from ignitemap.exceptions import DecodeError, EncodeError, EncodeTypeError, ModelError, SchemaConflictError
from ignitemap.protocol.binary_type import KnownTypes
from ignitemap.protocol.codecs import decode_object, encode_object
from ignitemap.protocol.types import raw_codecs
from tests.addresses import host_ports

UNIQUE = uuid.uuid4().hex  # types can't be deleted from a cluster


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[raw.AioClient]:
    async with raw.AioClient().connect(host_ports(url)) as connected:
        yield connected


@pytest.fixture
async def cache(client: raw.AioClient) -> AsyncIterator[raw.AioCache]:
    made = await client.create_cache(f"objects-{uuid.uuid4()}")
    yield made
    await made.destroy()


class Address(
    metaclass=raw.GenericObjectMeta,
    type_name=f"Address{UNIQUE}",
    schema=OrderedDict([("street", raw.String), ("number", raw.IntObject)]),
):
    """A class whose objects are inside of others."""


class Person(
    metaclass=raw.GenericObjectMeta,
    type_name=f"org.example.Person{UNIQUE}",
    schema=OrderedDict(
        [
            ("name", raw.String),
            ("age", raw.ShortObject),
            ("salary", raw.DecimalObject),
            ("home", raw.BinaryObject),
            ("tags", raw.CollectionObject),
            ("scores", raw.LongArrayObject),
        ]
    ),
):
    """A class with fields of many kinds."""

    def greeting(self) -> str:
        return f"Hello {getattr(self, 'name')}"  # noqa: B009 - fields are known at run time only


def test_attributes_and_defaults() -> None:
    """Fields are arguments by position or name, attributes with defaults, and can be set."""
    empty = Person()
    assert (empty.name, empty.age, empty.salary, empty.home, empty.tags) == (None, 0, Decimal("0.00"), None, None)
    assert (empty.scores, empty.version) == ([], 1)
    assert Person().scores is not empty.scores
    ann = Person("Ann", 41, tags=(1, []))
    assert (ann.name, ann.age, ann.tags) == ("Ann", 41, (1, []))
    assert ann == Person(name="Ann", age=41, tags=(1, []))
    ann.age = 42
    assert ann != Person("Ann", 41, tags=(1, []))
    assert ann != "Ann"
    assert ann.greeting() == "Hello Ann"
    assert repr(Address("High Street", 1)) == "Address(street='High Street', number=1, version=1)"
    assert {Address("a", 1): "x"}[Address("a", 1)] == "x"


def test_names_on_class_and_instance() -> None:
    """The type's name and id, its schema and the schema's id are there on the class and on its instances."""
    for each in (Address, Address()):
        assert each.type_name == f"Address{UNIQUE}"
        assert isinstance(each.type_id, int)
        assert each.schema == OrderedDict([("street", raw.String), ("number", raw.IntObject)])
        assert each.schema_id == Address.schema_id
    changed = Address.schema
    changed["more"] = raw.String
    assert "more" not in Address.schema
    assert (Address._type_name, Address._type_id) == (Address.type_name, Address.type_id)  # noqa: SLF001 - pyignite's
    made = raw.GenericObjectMeta("Made", (), {}, schema=changed)
    assert (made.type_name, list(made.schema)) == ("Made", ["street", "number", "more"])


@pytest.mark.parametrize("values", [(("a", 1, 1, 2), {}), ((), {"city": "x"}), (("a",), {"street": "b"})])
def test_wrong_arguments(values: tuple[Any, dict[str, Any]]) -> None:
    """A constructor refuses what is no field, or given twice."""
    with pytest.raises(TypeError):
        Address(*values[0], **values[1])


@pytest.mark.parametrize(
    "schema",
    [
        {"a": int},
        {"a": "String"},
        {"version": raw.IntObject},
        {"type_id": raw.IntObject},
        {"aB": raw.String, "Ab": raw.String},
    ],
    ids=str,
)
def test_schemas_that_are_refused(schema: dict[str, Any]) -> None:
    """A schema without hints, or with names that can't be told apart, is a ModelError where the class is written."""
    with pytest.raises(ModelError):
        raw.GenericObjectMeta("Refused", (), {}, schema=schema)


async def test_round_trip(cache: raw.AioCache, client: raw.AioClient) -> None:
    """Objects come back as instances of their classes, nested ones and keys too."""
    ann = Person("Ann", 41, Decimal("10.50"), Address("High Street", 7), (1, ["a", Address("b", 2)]), [1, 2])
    await cache.put(1, ann)
    found = await cache.get(1)
    assert type(found) is Person
    assert found == ann
    assert found.home.street == "High Street"
    await cache.put(2, Person(None, None, None, None, None, None), value_hint=raw.BinaryObject)
    assert (await cache.get(2)).age is None
    await cache.put_all({Address("a", 1): 1, Address("a", 2): 2})
    assert await cache.get_all([Address("a", 1), Address("x", 1)]) == {Address("a", 1): 1}
    assert await cache.replace_if_equals(1, ann, Address("only", 1))
    async with cache.scan() as cursor:
        entries = [pair async for pair in cursor]
    assert (1, Address("only", 1)) in entries
    assert await client.query_binary_type(Person.type_name, Person.schema) is Person
    assert await client.query_binary_type(Person.type_id, Person.schema_id) is Person
    assert await client.query_binary_type(Person.type_id) == {Person.schema_id: Person}
    assert await client.query_binary_type(Person.type_id, {"other": raw.String}) is None


async def test_unknown_to_the_program(cache: raw.AioCache, url: str) -> None:
    """An object of a class that this client does not know is inert, until its class is registered."""
    await cache.put(1, Address("High Street", 7))
    async with raw.AioClient().connect(host_ports(url)) as other:
        same = await other.get_cache(cache.name)
        found = await same.get(1)
        assert type(found) is ig.BinaryObject
        assert (found.type_name, found.street, found["number"]) == (Address.type_name, "High Street", 7)
        assert await other.query_binary_type(Address.type_name) == {}
        await same.put(2, found)  # byte by byte as it came
        await other.register_binary_type(Address)
        assert await same.get(2) == Address("High Street", 7)
    assert await cache.get(2) == Address("High Street", 7)


async def test_two_schemas_of_a_type(cache: raw.AioCache) -> None:
    """Each schema of a type has its class; an object of a schema without one is inert."""
    first = raw.GenericObjectMeta(f"Grown{UNIQUE}", (), {}, schema={"a": raw.String, "b": raw.LongObject})
    second = raw.GenericObjectMeta(f"Grown{UNIQUE}", (), {}, schema={"a": raw.String, "c": raw.BoolObject})
    assert first.type_id == second.type_id
    assert first.schema_id != second.schema_id
    await cache.put(1, first(a="one", b=1))
    await cache.put(2, second(a="two", c=True))
    assert [type(await cache.get(key)) for key in (1, 2)] == [first, second]
    assert not hasattr(await cache.get(2), "b")


async def test_what_the_cluster_was_told(client: raw.AioClient, cache: raw.AioCache) -> None:
    """A put announces the type: its names, and the hints of its fields."""
    await cache.put(1, Person("Ann", home=Address("a", 1)))
    told = await client.get_binary_type(Person.type_name)
    assert told == {
        "type_exists": True,
        "type_id": Person.type_id,
        "type_name": Person.type_name,
        "affinity_key_field": None,
        "is_enum": False,
        "schemas": [Person.schema],
    }
    assert await client.get_binary_type(12345) == {"type_exists": False}


async def test_put_binary_type(client: raw.AioClient) -> None:
    """Types and enums are registered by name and schema, schemas are added, and contradictions are refused."""
    name = f"Put{uuid.uuid4().hex}"
    ids = await client.put_binary_type(name, "city", schema={"city": raw.String, "size": raw.LongObject})
    assert ids["type_id"] == (await client.get_binary_type(name))["type_id"]
    await client.put_binary_type(name, "city", schema={"city": raw.String})
    told = await client.get_binary_type(name)
    assert told["affinity_key_field"] == "city"
    assert sorted(map(list, told["schemas"])) == [["city"], ["city", "size"]]
    with pytest.raises(raw.BinaryTypeError):
        await client.put_binary_type(name, "city", schema={"city": raw.LongObject})
    with pytest.raises(EncodeTypeError):
        await client.put_binary_type(name, schema={"city": "String"})
    colour = f"Colour{uuid.uuid4().hex}"
    assert (await client.put_binary_type(colour, is_enum=True, schema={"RED": 0, "BLUE": 1}))["schema_id"] is None
    told = await client.get_binary_type(colour)
    assert told["is_enum"]
    assert {each["literal"]: each["type_id"] for each in told["enums"]} == {"RED": 0, "BLUE": 1}
    empty = f"Empty{uuid.uuid4().hex}"
    await client.put_binary_type(empty)
    assert (await client.get_binary_type(empty))["schemas"] == [OrderedDict()]


async def test_types_put_later_are_learned(client: raw.AioClient, cache: raw.AioCache) -> None:
    """A schema that put_binary_type adds to a type that the client has read before is found by the next read."""
    name = f"Later{uuid.uuid4().hex}"
    first = raw.GenericObjectMeta(name, (), {}, schema={"a": raw.String})
    await cache.put(1, first("x"))
    await client.put_binary_type(name, schema={"a": raw.String, "b": raw.LongObject})
    assert await cache.get(1) == first("x")
    assert sorted(map(list, (await client.get_binary_type(name))["schemas"])) == [["a"], ["a", "b"]]


async def test_register_binary_type(client: raw.AioClient) -> None:
    """A class is registered with the field by which keys are spread; one that the cluster contradicts is refused."""
    name = f"Key{uuid.uuid4().hex}"
    key = raw.GenericObjectMeta(name, (), {}, schema={"country": raw.String, "id": raw.LongObject})
    await client.register_binary_type(key, "country")
    assert (await client.get_binary_type(name))["affinity_key_field"] == "country"
    other = raw.GenericObjectMeta(name, (), {}, schema={"country": raw.LongObject})
    with pytest.raises(SchemaConflictError):
        await client.register_binary_type(other)
    assert await client.query_binary_type(name) == {key.schema_id: key}


async def test_unwrap_binary(client: raw.AioClient, cache: raw.AioCache) -> None:
    """unwrap_binary reads an object from its bytes, inside of collections and maps too, and leaves the rest."""
    await cache.put(1, Address("a", 1))
    out = bytearray(b"--")
    encode_object(client.codecs, out, Address("a", 1))
    wrapped = (bytes(out), 2)
    assert await client.unwrap_binary(wrapped) == Address("a", 1)
    assert await client.unwrap_binary((1, [wrapped, 2])) == (1, [Address("a", 1), 2])
    assert await client.unwrap_binary((1, {1: wrapped})) == (1, {1: Address("a", 1)})
    for other in (1, "a", None, (1, 2), (1, 2, 3), (b"", "a"), [wrapped]):
        assert await client.unwrap_binary(other) == other
    for broken in ((bytes(out), 99), (b"\x67\x01", 0), (b"\x00", 0)):
        with pytest.raises(DecodeError):
            await client.unwrap_binary(broken)


async def test_unwrap_binary_learns_schemas(client: raw.AioClient, cache: raw.AioCache, url: str) -> None:
    """unwrap_binary asks the cluster for a schema that the client has not met."""
    await cache.put(1, Address("a", 1))
    out = bytearray()
    encode_object(client.codecs, out, Address("a", 1))
    async with raw.AioClient().connect(host_ports(url)) as other:
        assert (await other.unwrap_binary((bytes(out), 0))).street == "a"


async def test_values_that_do_not_fit(cache: raw.AioCache) -> None:
    """A value that its hint can't hold is refused before anything is sent, with the field's name."""
    with pytest.raises(EncodeError) as caught:
        await cache.put(1, Person(home=Address("a", 2**31)))
    assert caught.value.path == "Person.home: Address.number"
    wrong = Address("a", 1)
    wrong.version = 2
    with pytest.raises(EncodeError, match="version"):
        await cache.put(1, wrong)
    deep = node = raw.GenericObjectMeta(f"Deep{UNIQUE}", (), {}, schema={"inner": raw.BinaryObject})()
    for _ in range(200):
        node.inner = type(deep)()
        node = node.inner
    with pytest.raises(EncodeError, match="deeper"):
        await cache.put(1, deep)
    assert await cache.get_size() == 0


def test_class_of_the_program_that_refuses() -> None:
    """An attribute of the program's own that can't take what was read is a DecodeError; existing bases are kept."""

    class Picky:
        @property
        def size(self) -> int:
            return 1

        @size.setter
        def size(self, value: int) -> None:
            if value > 1:
                raise ZeroDivisionError

    # The name of a property is a field: what a class has already can be saved and restored.
    picky = raw.GenericObjectMeta("Picky", (Picky,), {}, schema={"size": raw.LongObject})
    classes = ObjectClasses()
    codecs = raw_codecs(known=KnownTypes(), resolver=classes)
    out = bytearray()
    encode_object(codecs, out, picky(1))
    assert isinstance(decode_object(codecs, bytes(out), 0)[0], Picky)
    plain = raw.GenericObjectMeta("Picky", (), {}, schema={"size": raw.LongObject})
    out.clear()
    encode_object(codecs, out, plain(2))
    classes.add(picky)
    with pytest.raises(DecodeError, match="ZeroDivisionError"):
        decode_object(codecs, bytes(out), 0)
