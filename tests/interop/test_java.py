"""Java judges: what Python writes, Java reads as its own, and the reverse; and both find each other's keys."""

import base64
import random
import struct
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import pytest

import ignitemap as ig
from ignitemap.client.affinity import hash_of, partition_of
from ignitemap.protocol.codecs import Hinted, encode_object
from ignitemap.protocol.types import mapping_codecs

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Of this module alone: other tests have types of the same names.
REGISTRY = ig.Registry()


@ig.enum(type_name="com.acme.interop.Color", registry=REGISTRY)
class Color(Enum):
    RED = 0
    GREEN = 1
    BLUE = 2


@ig.model(type_name="com.acme.interop.Address", rename="camel", registry=REGISTRY)
class Address:
    street: str | None
    zip_code: str


@ig.model(type_name="com.acme.interop.Person", registry=REGISTRY)
class Person:
    id: int = ig.key(in_value=True)
    name: str = ig.field(index=True)
    age: ig.Int
    height: float
    salary: Annotated[Decimal, ig.sql(precision=40, scale=2)]
    born: datetime
    badge: uuid.UUID
    active: bool
    photo: bytes
    tags: list[str]
    lucky: set[int]
    scores: dict[str, int]
    home: Address | None
    offices: list[Address]
    color: Color


@ig.model(type_name="com.acme.interop.Customer", registry=REGISTRY)
class Customer:
    """As Java's, which has one field more."""

    id: int = ig.key(in_value=True)
    name: str
    age: ig.Int
    height: float
    salary: Decimal
    born: datetime
    badge: uuid.UUID
    active: bool
    photo: bytes
    tags: list[str]
    lucky: set[int]
    scores: dict[str, int]
    home: Address | None
    offices: list[Address]
    color: Color


@ig.model(type_name="com.acme.interop.Order", registry=REGISTRY)
class Order:
    customer: int = ig.key()
    number: ig.Int = ig.key()
    region: str = ig.key()
    total: Decimal
    color: Color


@ig.model(type_name="com.acme.interop.Shelf", registry=REGISTRY)
class Shelf:
    """Java declares the fields of its key the other way round."""

    level: ig.Int = ig.key()
    room: str = ig.key()
    books: ig.Int


def sample(n: int) -> dict[str, Any]:
    """The field values of the person, or customer, that both sides make of a number."""
    return {
        "id": n,
        "name": f"Zoë 😀 {n}",
        "age": n,
        "height": n / 64,
        "salary": Decimal(f"-{1234567890123456789012345678 - n}.90"),
        "born": EPOCH + timedelta(days=n, seconds=-1, microseconds=999_123),
        "badge": uuid.UUID(int=(-n & 0xFFFF_FFFF_FFFF_FFFF) << 64 | n),
        "active": n % 2 == 0,
        "photo": bytes([0, 255, n]),
        "tags": ["a", "", f"tag {n}"],
        "lucky": {n, n + 1},
        "scores": {"go": n, "chess": -1},
        "home": Address(f"Main Street {n}", f"0{n}") if n % 2 == 0 else None,
        "offices": [Address("Office Street", "1"), Address(None, "2")],
        "color": list(Color)[n % 3],
    }


@pytest.fixture
async def client(url: str) -> AsyncIterator[ig.Client]:
    async with ig.connect(url, registry=REGISTRY) as connected:
        yield connected


@pytest.fixture
async def name(client: ig.Client) -> AsyncIterator[str]:
    """The name of a cache that the test makes, and that is gone afterwards."""
    name = f"interop-{uuid.uuid4()}"
    yield name
    if name in await client.cache_names():
        await client.drop(name)


# --- Python writes, Java reads ----------------------------------------------------------------------------------------


async def test_java_reads_python_models_as_its_own_classes(client, name, java):
    """Every field of a model that Python wrote reaches a Java class with the value that Python gave it."""
    people = await client.cache(name, Person)
    await people.save_many(Person(**sample(n)) for n in range(1, 21))
    for n in range(1, 21):
        assert await java("get", name, f"long:{n}") == await java("sample", "Person", f"{n}")


async def test_java_reads_python_models_by_sql(client, name, java):
    """A Java client selects, filters and orders models that Python wrote, by the table that came with the cache."""
    people = await client.cache(name, Person)
    await people.save_many(Person(**sample(n)) for n in range(1, 31))
    table = f'"{name}".PERSON'
    rows = await java(
        "sql", f"SELECT ID, NAME, HEIGHT, SALARY, BORN FROM {table} WHERE AGE >= ? ORDER BY AGE", "int:29"
    )
    assert rows == [
        "29 | Zoë 😀 29 | 0.453125 | -1234567890123456789012345649.90 | 1970-01-29T23:59:59.999123Z",
        "30 | Zoë 😀 30 | 0.46875 | -1234567890123456789012345648.90 | 1970-01-30T23:59:59.999123Z",
    ]
    rows = await java("sql", f"SELECT BADGE, ACTIVE, PHOTO FROM {table} WHERE NAME = ?", _word_of_text("Zoë 😀 30"))
    assert rows == ["ffffffff-ffff-ffe2-0000-00000000001e | true | 00ff1e"]


async def test_java_writes_what_python_wrote_first(client, name, java):
    """A Java class is written into a cache whose type Python registered, and Python reads it as its model."""
    people = await client.cache(name, Person)
    await people.save(Person(**sample(1)))
    await java("put", name, "long:2", "Person", "2")
    assert await people[2] == Person(**sample(2))
    assert await java("sql", f'SELECT ID FROM "{name}".PERSON ORDER BY ID') == ["1", "2"]


async def test_python_writes_the_bytes_that_java_writes(client, name, java):
    """A model that Python wrote equals, byte for byte, what Java makes of the same class."""
    addresses = await client.cache(name, int, Address)
    for n in range(50):
        await addresses.set(n, Address(f"Main Street {n}", f"0{n}"))
        assert await java("equal", name, f"long:{n}", "Address", f"{n}") == ["true"]


# --- Keys of several fields -------------------------------------------------------------------------------------------


async def test_java_finds_python_model_keys(client, name, java):
    """A Java key of the same class and values finds the entry that Python wrote under a model's key."""
    orders = await client.cache(name, Order)
    keys = [(n * 7_777_777_777, n - 25, f"région {n}") for n in range(50)]
    await orders.save_many(Order(*key, Decimal(n).scaleb(-2), list(Color)[n % 3]) for n, key in enumerate(keys))
    for n, (customer, number, region) in enumerate(keys):
        word = f"order:{customer},{number},{region}"
        assert await java("get", name, word) == await java("sample", "Order", f"{n}")
        assert await java("equal", name, word, "Order", f"{n}") == ["true"]
    assert await java("get", name, "order:1,2,nowhere") == ["null"]


async def test_python_writes_keys_in_the_field_order_that_java_registered(client, name, java):
    """Where Java registered a key class first, Python finds Java's entries and Java finds Python's."""
    await java("put", name, "shelf:attic,3", "Shelf", "12")
    shelves = await client.cache(name, Shelf)
    key = ig.key_class(Shelf, registry=REGISTRY)
    assert await shelves[key(level=3, room="attic")] == Shelf(3, "attic", 12)
    await shelves.save(Shelf(1, "cellar", 40))
    assert await java("get", name, "shelf:cellar,1") == await java("sample", "Shelf", "40")


# --- Java writes, Python reads ----------------------------------------------------------------------------------------


async def test_python_reads_java_classes_as_models(client, name, java):
    """Objects that Java wrote come back as models, each field with Java's value and in its Python type."""
    for n in range(1, 11):
        await java("put", name, f"long:{n}", "Customer", f"{n}")
    customers = await client.cache(name, Customer)
    expected = {n: Customer(**sample(n)) for n in range(1, 11)}
    assert await customers[7] == expected[7]
    assert await customers.get_many(range(1, 11)) == expected
    assert await customers.items().to_dict() == expected
    assert type((await customers[7]).lucky) is set


async def test_python_writes_into_a_type_that_java_registered(client, name, java):
    """A model is written where Java registered the class first, though Java declares its collections as Object."""
    await java("put", name, "long:1", "Customer", "1")
    customers = await client.cache(name, Customer)
    await customers.save(Customer(**sample(2)))
    expected = [line for line in await java("sample", "Customer", "2") if not line.startswith("remark=")]
    assert await java("get", name, "long:2") == [*expected[:1], "remark=null", *expected[1:]]


async def test_a_field_that_only_java_has_survives_a_change_in_python(client, name, java):
    """A field that the model does not have is written back as it was when Python changes another one."""
    await java("put", name, "long:7", "Customer", "7")
    customers = await client.cache(name, Customer)
    await customers.save(ig.evolve(await customers[7], age=99))
    expected = ["age=99" if line.startswith("age=") else line for line in await java("sample", "Customer", "7")]
    assert await java("get", name, "long:7") == expected


async def test_python_reads_an_unknown_java_class_as_a_binary_object(client, name, java):
    """An object of a class that Python has no model for has attributes and items, and is written back byte for byte."""
    await java("put", name, "long:1", "Parcel", "2")
    parcels = await client.cache(name, int, Any)
    parcel = await parcels[1]
    assert isinstance(parcel, ig.BinaryObject)
    assert parcel.type_name == "com.acme.interop.Parcel"
    assert (parcel.label, parcel["weight"], parcel.inner.number, parcel.stamps) == ("parcel 2", 0.5, 0, [2, 2])
    assert list(parcel.to_dict()) == ["number", "label", "weight", "inner", "stamps"]
    await parcels.set(2, parcel)
    assert await java("same", name, "long:1", "long:2") == ["true"]
    assert await java("get", name, "long:2") == await java("sample", "Parcel", "2")


# --- Partitions -------------------------------------------------------------------------------------------------------


def _text(random_: random.Random) -> str:
    alphabet = "aZ09 _-\0ß÷€ł中\u200d😀𝔘\uffff"
    return "".join(random_.choices(alphabet, k=random_.randrange(40)))


def _integer(bits: int) -> Callable[[random.Random], int]:
    """Integers of all magnitudes, with the limits among them."""

    def one(random_: random.Random) -> int:
        value = random_.getrandbits(random_.randrange(1, bits))
        return random_.choice([value, ~value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1])

    return one


def _float(random_: random.Random) -> float:
    return struct.unpack("<f", struct.pack("<f", random_.choice([0.0, -0.0, 1.5, random_.uniform(-1e30, 1e30)])))[0]


def _decimal(random_: random.Random) -> Decimal:
    digits = random_.getrandbits(random_.randrange(1, 200))
    return Decimal((random_.randrange(2), tuple(map(int, str(digits))), -random_.randrange(30)))


def _moment(random_: random.Random) -> datetime:
    return EPOCH + timedelta(days=random_.randrange(-100_000, 100_000), microseconds=random_.randrange(86_400_000_000))


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _time(random_: random.Random) -> time:
    return (EPOCH + timedelta(milliseconds=random_.randrange(86_400_000))).time()


def _order_key(random_: random.Random) -> object:
    key = ig.key_class(Order, registry=REGISTRY)
    return key(customer=_integer(64)(random_), number=_integer(32)(random_), region=_text(random_).replace("\0", ""))


def _word_of_text(value: str) -> str:
    return f"text:{base64.b64encode(value.encode()).decode()}"


# Of each type: how it is written, one value of it, and that value as Java's judge is told.
KEYS: dict[str, tuple[ig.Spec[Any], Callable[[random.Random], Any], Callable[[Any], str]]] = {
    "byte": (ig.BYTE, _integer(8), "byte:{}".format),
    "short": (ig.SHORT, _integer(16), "short:{}".format),
    "int": (ig.INT, _integer(32), "int:{}".format),
    "long": (ig.LONG, _integer(64), "long:{}".format),
    "float": (ig.FLOAT, _float, lambda value: f"float:{struct.unpack('<i', struct.pack('<f', value))[0]}"),
    "double": (
        ig.DOUBLE,
        lambda random_: random_.choice([0.0, -0.0, random_.uniform(-1e300, 1e300), random_.random()]),
        lambda value: f"double:{struct.unpack('<q', struct.pack('<d', value))[0]}",
    ),
    "char": (ig.CHAR, lambda random_: chr(random_.randrange(0xD800)), lambda value: f"char:{ord(value)}"),
    "bool": (ig.BOOL, lambda random_: random_.random() < 0.5, lambda value: f"bool:{str(value).lower()}"),
    "text": (ig.STRING, _text, _word_of_text),
    "uuid": (ig.UUID, lambda random_: uuid.UUID(int=random_.getrandbits(128)), "uuid:{}".format),
    "decimal": (ig.DECIMAL, _decimal, lambda value: f"decimal:{value:f}"),
    "datetime": (
        ig.TIMESTAMP,
        _moment,
        lambda value: f"timestamp:{_milliseconds(value)}+{value.microsecond * 1000}",
    ),
    "date": (
        ig.DATE,
        lambda random_: date.fromordinal(random_.randrange(600_000, 800_000)),
        lambda value: f"date:{_milliseconds(datetime.combine(value, time(), UTC))}",
    ),
    "time": (
        ig.TIME,
        _time,
        lambda value: f"time:{_milliseconds(datetime.combine(EPOCH, value, UTC))}",
    ),
    "bytes": (
        ig.BYTES,
        lambda random_: random_.randbytes(random_.randrange(600)),
        lambda value: f"bytes:{value.hex()}",
    ),
    "enum": (ig.ANY, lambda random_: random_.choice(list(Color)), lambda value: f"color:{value.name}"),
    "list": (
        ig.ANY,
        lambda random_: [_integer(64)(random_) for _ in range(random_.randrange(1, 9))],
        lambda value: "list:" + ";".join(f"long:{one}" for one in value),
    ),
    "model": (ig.ANY, _order_key, lambda value: f"order:{value.customer},{value.number},{value.region}"),
}


def _encoded(spec: ig.Spec[Any], keys: list[Any]) -> Iterator[bytes]:
    codecs = mapping_codecs(resolver=REGISTRY)
    for key in keys:
        out = bytearray()
        encode_object(codecs, out, Hinted(key, spec))
        yield bytes(out)


@pytest.mark.parametrize("kind", KEYS)
async def test_partitions_are_those_of_javas_affinity_function(java, kind):
    """The hash of an encoded key, and its partition for any number of partitions, are what Java computes."""
    spec, make, word = KEYS[kind]
    random_ = random.Random(f"keys of type {kind}")
    keys = [make(random_) for _ in range(2_000)]
    hashes = [hash_of(encoded) for encoded in _encoded(spec, keys)]
    words = [word(key) for key in keys]
    assert hashes == [int(line) for line in await java("hashes", *words)]
    for partitions in (1, 2, 7, 100, 1000, 1024, 65000):
        expected = [int(line) for line in await java("partitions", str(partitions), *words)]
        assert [partition_of(one, partitions) for one in hashes if one is not None] == expected
