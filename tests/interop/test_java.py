"""Java judges: what Python writes, Java reads as its own, and the reverse; and both find each other's keys."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import ignitemap as ig
from tests.interop.acme import REGISTRY, Address, Color, Customer, Order, Person, Shelf
from tests.interop.literals import object_literal, text_literal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


# --- Python writes, Java reads ----------------------------------------------------------------------------------------


async def test_java_reads_python_models_as_its_own_classes(client, name, java):
    """Every field of a model that Python wrote reaches a Java class with the value that Python gave it."""
    people = await client.cache(name, Person)
    await people.save_many(Person(**sample(n)) for n in range(1, 21))
    for n in range(1, 21):
        assert await java("get", name, f"long {n}") == await java("sample", "Person", f"{n}")


async def test_java_reads_python_models_by_sql(client, name, java):
    """A Java client selects, filters and orders models that Python wrote, by the table that came with the cache."""
    people = await client.cache(name, Person)
    await people.save_many(Person(**sample(n)) for n in range(1, 31))
    table = f'"{name}".PERSON'
    rows = await java(
        "sql", f"SELECT ID, NAME, HEIGHT, SALARY, BORN FROM {table} WHERE AGE >= ? ORDER BY AGE", "int 29"
    )
    assert rows == [
        "29 | Zoë 😀 29 | 0.453125 | -1234567890123456789012345649.90 | 1970-01-29T23:59:59.999123Z",
        "30 | Zoë 😀 30 | 0.46875 | -1234567890123456789012345648.90 | 1970-01-30T23:59:59.999123Z",
    ]
    rows = await java("sql", f"SELECT BADGE, ACTIVE, PHOTO FROM {table} WHERE NAME = ?", text_literal("Zoë 😀 30"))
    assert rows == ["ffffffff-ffff-ffe2-0000-00000000001e | true | 00ff1e"]


async def test_java_writes_what_python_wrote_first(client, name, java):
    """A Java class is written into a cache whose type Python registered, and Python reads it as its model."""
    people = await client.cache(name, Person)
    await people.save(Person(**sample(1)))
    await java("put", name, "long 2", "Person", "2")
    assert await people[2] == Person(**sample(2))
    assert await java("sql", f'SELECT ID FROM "{name}".PERSON ORDER BY ID') == ["1", "2"]


async def test_python_writes_the_bytes_that_java_writes(client, name, java):
    """A model that Python wrote equals, byte for byte, what Java makes of the same class."""
    addresses = await client.cache(name, int, Address)
    for n in range(50):
        await addresses.set(n, Address(f"Main Street {n}", f"0{n}"))
        assert await java("equal", name, f"long {n}", "Address", f"{n}") == ["true"]


# --- Keys of several fields -------------------------------------------------------------------------------------------


async def test_java_finds_python_model_keys(client, name, java):
    """A Java key of the same class and values finds the entry that Python wrote under a model's key."""
    orders = await client.cache(name, Order)
    keys = [(n * 7_777_777_777, n - 25, f"région {n}") for n in range(50)]
    await orders.save_many(Order(*key, Decimal(n).scaleb(-2), list(Color)[n % 3]) for n, key in enumerate(keys))
    for n, (customer, number, region) in enumerate(keys):
        word = object_literal(
            "OrderKey", customer=f"long {customer}", number=f"int {number}", region=text_literal(region)
        )
        assert await java("get", name, word) == await java("sample", "Order", f"{n}")
        assert await java("equal", name, word, "Order", f"{n}") == ["true"]
    assert await java(
        "get", name, object_literal("OrderKey", customer="long 1", number="int 2", region=text_literal("nowhere"))
    ) == ["null"]


async def test_python_writes_keys_in_the_field_order_that_java_registered(client, name, java):
    """Where Java registered a key class first, Python finds Java's entries and Java finds Python's."""
    await java("put", name, object_literal("ShelfKey", room=text_literal("attic"), level="int 3"), "Shelf", "12")
    shelves = await client.cache(name, Shelf)
    key = ig.key_class(Shelf, registry=REGISTRY)
    assert await shelves[key(level=3, room="attic")] == Shelf(3, "attic", 12)
    await shelves.save(Shelf(1, "cellar", 40))
    assert await java(
        "get", name, object_literal("ShelfKey", room=text_literal("cellar"), level="int 1")
    ) == await java("sample", "Shelf", "40")


# --- Java writes, Python reads ----------------------------------------------------------------------------------------


async def test_python_reads_java_classes_as_models(client, name, java):
    """Objects that Java wrote come back as models, each field with Java's value and in its Python type."""
    for n in range(1, 11):
        await java("put", name, f"long {n}", "Customer", f"{n}")
    customers = await client.cache(name, Customer)
    expected = {n: Customer(**sample(n)) for n in range(1, 11)}
    assert await customers[7] == expected[7]
    assert await customers.get_many(range(1, 11)) == expected
    assert await customers.items().to_dict() == expected
    assert type((await customers[7]).lucky) is set


async def test_python_writes_into_a_type_that_java_registered(client, name, java):
    """A model is written where Java registered the class first, though Java declares its collections as Object."""
    await java("put", name, "long 1", "Customer", "1")
    customers = await client.cache(name, Customer)
    await customers.save(Customer(**sample(2)))
    expected = [line for line in await java("sample", "Customer", "2") if not line.startswith("remark=")]
    assert await java("get", name, "long 2") == [*expected[:1], "remark=null", *expected[1:]]


async def test_a_field_that_only_java_has_survives_a_change_in_python(client, name, java):
    """A field that the model does not have is written back as it was when Python changes another one."""
    await java("put", name, "long 7", "Customer", "7")
    customers = await client.cache(name, Customer)
    await customers.save(ig.evolve(await customers[7], age=99))
    expected = ["age=99" if line.startswith("age=") else line for line in await java("sample", "Customer", "7")]
    assert await java("get", name, "long 7") == expected


async def test_python_reads_an_unknown_java_class_as_a_binary_object(client, name, java):
    """An object of a class that Python has no model for has attributes and items, and is written back byte for byte."""
    await java("put", name, "long 1", "Parcel", "2")
    parcels = await client.cache(name, int, Any)
    parcel = await parcels[1]
    assert isinstance(parcel, ig.BinaryObject)
    assert parcel.type_name == "com.acme.interop.Parcel"
    assert (parcel.label, parcel["weight"], parcel.inner.number, parcel.stamps) == ("parcel 2", 0.5, 0, [2, 2])
    assert list(parcel.to_dict()) == ["number", "label", "weight", "inner", "stamps"]
    await parcels.set(2, parcel)
    assert await java("same", name, "long 1", "long 2") == ["true"]
    assert await java("get", name, "long 2") == await java("sample", "Parcel", "2")
