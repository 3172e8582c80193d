"""Models: attrs classes as values."""

import dataclasses
import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import attrs
import pytest

import ignitemap as ig
from tests.contract.conftest import MakeCache
from tests.contract.models import Address, City, Everything, Person, Purchase, Status, shop

Names = Callable[[], str]
People = ig.Cache[int, Person]
T = TypeVar("T")

ANN = Person(1, "Ann", 41, nick="a", home=Address("Main", 5), tags={"x", "y"}, salary=Decimal("12.50"))


async def test_save_and_read(people: People) -> None:
    """A saved model is read by its key, equal in every field."""
    await people.save(ANN)
    assert await people[1] == ANN


async def test_set_by_key(people: People) -> None:
    """A model may be set by its key; another key is an EncodeError."""
    await people.set(1, ANN)
    with pytest.raises(ig.EncodeError):
        await people.set(2, ANN)
    assert await people.size() == 1


async def test_save_many(people: People) -> None:
    """`save_many` stores models from any iterable."""
    await people.save_many(Person(number, f"n{number}", 20) for number in range(3000))
    assert await people.size() == 3000
    assert (await people[2999]).name == "n2999"


async def test_remove(people: People) -> None:
    """`remove` deletes what has the model's key, and tells whether something had."""
    await people.save(ANN)
    assert await people.remove(ANN) is True
    assert await people.remove(ANN) is False


async def test_every_kind_of_field(models: ig.Client, names: Names) -> None:
    """A model with a field of each kind comes back equal, with the same types."""
    cache = await models.cache(names(), Everything)
    thing = Everything(
        1,
        text="ä\x00\U0001f40d",
        blob=bytes(range(256)),
        amount=Decimal("-1234567890123456789.0123456789"),
        token=UUID("12345678-1234-5678-9abc-def012345678"),
        status=Status.PAID,
        names=["a", None],
        pair=(7, "x"),
        marks=frozenset({1, 2}),
        table={"a": [1, 2], "b": []},
        doubles=[1.5, -0.0],
        strings=["x", "y"],
        home=Address("Main"),
        either=City(3, "Paris"),
        anything=[{"a": (1, None)}],
    )
    await cache.save(thing)
    found = await cache[1]
    assert found == thing
    assert str(found.amount) == str(thing.amount)
    assert type(found.pair) is tuple
    assert type(found.marks) is frozenset
    assert type(found.either) is City


async def test_models_under_other_names(models: ig.Client, names: Names) -> None:
    """`client.cache(name, Model)` keeps models under another name."""
    name = names()
    cities = await models.cache(name, City)
    await cities.save(City(1, "Paris"))
    assert (await cities[1]).name == "Paris"
    assert name in await models.cache_names()


async def test_the_model_names_its_cache(url: str, names: Names) -> None:
    """`client.cache(Model)` opens the cache that the model names."""
    registry, name = ig.Registry(), names()

    @ig.model(type_name="contract.Named", cache=name, registry=registry)
    class Named:
        id: int = ig.key()
        text: str = ""

    async with ig.connect(url, registry=registry) as client:
        cache = await client.cache(Named, key=int)
        assert cache.name == name
        await cache.save(Named(1, "x"))
        assert await cache[1] == Named(1, "x")


async def test_composite_keys(models: ig.Client, names: Names) -> None:
    """Several key fields make a key object; a tuple in their order is accepted too."""
    purchases = await models.cache(names(), Purchase)
    bought = Purchase(7, 1, Status.PAID, Decimal("9.90"))
    await purchases.save(bought)
    Key = ig.key_class(Purchase)
    assert await purchases[Key(7, 1)] == bought
    assert await purchases[(7, 1)] == bought
    assert await purchases.keys().to_list() == [Key(7, 1)]
    with pytest.raises(KeyError):
        await purchases[(1, 7)]


async def test_attrs_models_as_keys(client: ig.Client, names: Names) -> None:
    """A frozen model may be the key of a cache."""
    registry_type = f"contract.Spot{names().rsplit('_', 1)[1]}"

    @ig.model(type_name=registry_type)
    @attrs.frozen
    class Spot:
        x: int
        y: int

    board = await client.cache(names(), Spot, str)
    await board.set(Spot(1, 2), "rook")
    assert await board[Spot(1, 2)] == "rook"
    assert await board.get(Spot(2, 1)) is None


def test_unhashable_keys_are_refused() -> None:
    """A key model that holds a set or a dict, or that isn't hashable, is a ModelError."""

    @ig.model(type_name="contract.SetKey", registry=ig.Registry())
    @attrs.frozen
    class SetKey:
        tags: frozenset[int]
        table: dict[str, int]

    async def open_it() -> None:
        raise AssertionError

    del open_it
    with pytest.raises(ig.ModelError):

        @ig.model(type_name="contract.BadKey", registry=ig.Registry())
        class BadKey:
            a: dict[str, int] = ig.key()
            b: int = ig.key()

        ig.key_class(BadKey)


async def test_dataclasses(url: str, names: Names) -> None:
    """A dataclass is a model as well; its marks stand in the hints."""
    registry = ig.Registry()

    @ig.model(type_name="contract.Dated", registry=registry)
    @dataclasses.dataclass
    class Dated:
        id: Annotated[int, ig.key()]
        day: datetime.date = datetime.date(2024, 1, 1)

    async with ig.connect(url, registry=registry) as client:
        cache = await client.cache(names(), Dated)
        await cache.save(Dated(1))
        assert await cache[1] == Dated(1)


async def test_inheritance(url: str, names: Names) -> None:
    """A model inherits the fields of its base."""
    registry = ig.Registry()

    @ig.model(type_name="contract.Animal", registry=registry)
    class Animal:
        id: int = ig.key()
        name: str = ""

    @ig.model(type_name="contract.Dog", registry=registry)
    class Dog(Animal):
        good: bool = True

    async with ig.connect(url, registry=registry) as client:
        dogs = await client.cache(names(), Dog)
        await dogs.save(Dog(1, "Rex"))
        assert await dogs[1] == Dog(1, "Rex", True)


async def test_generic_models(url: str, names: Names) -> None:
    """A generic model is one type for each argument."""
    registry = ig.Registry()

    @ig.model(type_name="contract.Box", registry=registry)
    @attrs.define
    class Box(Generic[T]):
        content: T

    async with ig.connect(url, registry=registry) as client:
        numbers = await client.cache(names(), int, Box[int])
        words = await client.cache(names(), int, Box[str])
        await numbers.set(1, Box(5))
        await words.set(1, Box("five"))
        assert (await numbers[1]).content == 5
        assert (await words[1]).content == "five"
        with pytest.raises(ig.EncodeError):
            await numbers.set(2, Box("five"))  # type: ignore[arg-type]


async def test_converters_and_validators(url: str, names: Names) -> None:
    """Converters and validators of attrs are honoured when an object is read."""
    registry = ig.Registry()

    @ig.model(type_name="contract.Upper", registry=registry)
    class Upper:
        id: int = ig.key()
        name: str = attrs.field(default="", converter=str.upper, validator=attrs.validators.max_len(5))

    async with ig.connect(url, registry=registry) as client:
        cache = await client.cache(names(), Upper)
        await cache.save(Upper(1, "ann"))
        assert (await cache[1]).name == "ANN"


async def test_foreign_types(url: str, names: Names) -> None:
    """A type that Ignite doesn't know goes through a hook of the registry's converter."""
    registry = ig.Registry()
    registry.converter.register_unstructure_hook(PurePosixPath, str)
    registry.converter.register_structure_hook(PurePosixPath, lambda text, _: PurePosixPath(text))

    @ig.model(type_name="contract.Stored", registry=registry)
    class Stored:
        id: int = ig.key()
        path: PurePosixPath = PurePosixPath("/")

    async with ig.connect(url, registry=registry) as client:
        cache = await client.cache(names(), Stored)
        await cache.save(Stored(1, PurePosixPath("/etc")))
        assert await cache[1] == Stored(1, PurePosixPath("/etc"))


def test_unsupported_hints() -> None:
    """A hint that Ignite can't hold is a ModelError with the field's name, when the class is made."""

    class Foreign:
        pass

    with pytest.raises(ig.ModelError, match="thing"):

        @ig.model(type_name="contract.Bad", registry=ig.Registry())
        class Bad:
            thing: Foreign = attrs.field(factory=Foreign)


def test_names_that_differ_by_case_only() -> None:
    """Two fields equal under lower() are a ModelError."""
    with pytest.raises(ig.ModelError):

        @ig.model(type_name="contract.Case", registry=ig.Registry())
        class Case:
            name: str = ""
            NAME: str = ""


def test_one_name_for_two_classes() -> None:
    """Two classes of one type name in a registry are a ModelError."""
    registry = ig.Registry()

    @ig.model(type_name="contract.Twice", registry=registry)
    class First:
        a: int = 1

    with pytest.raises(ig.ModelError):

        @ig.model(type_name="contract.Twice", registry=registry)
        class Second:
            b: int = 1


# --- evolution --------------------------------------------------------------------------------------------------------


def release(number: int) -> type[Any]:
    """A class as it was in three releases of a program, each with a registry of its own."""
    registry = ig.Registry()
    if number == 1:

        @ig.model(type_name="contract.Account", registry=registry)
        class Account:
            id: int = ig.key()
            owner: str = ""

    elif number == 2:

        @ig.model(type_name="contract.Account", registry=registry)
        class Account:  # type: ignore[no-redef]
            id: int = ig.key()
            owner: str = ""
            limit: int = 100

    else:

        @ig.model(type_name="contract.Account", registry=registry)
        class Account:  # type: ignore[no-redef]
            id: int = ig.key()
            holder: str = ig.field(default="", aliases=("owner",))
            limit: int = 100

    Account.registry_ = registry  # type: ignore[attr-defined]
    return Account


async def opened(url: str, name: str, cls: Any) -> tuple[ig.Client, Any]:
    client = await ig.connect(url, registry=cls.registry_)
    return client, await client.cache(name, cls)


async def test_new_fields_have_defaults(url: str, names: Names) -> None:
    """An object that was stored before a field existed has the field's default."""
    name, old, new = names(), release(1), release(2)
    first, accounts = await opened(url, name, old)
    second, newer = await opened(url, name, new)
    await accounts.save(old(1, "ann"))
    assert await newer[1] == new(1, "ann", 100)
    await first.aclose()
    await second.aclose()


async def test_unknown_fields_survive(url: str, names: Names) -> None:
    """What an older class doesn't know survives its reading, changing and writing."""
    name, old, new = names(), release(1), release(2)
    first, accounts = await opened(url, name, old)
    second, newer = await opened(url, name, new)
    await newer.save(new(1, "ann", 555))
    await accounts.modify(1, lambda account: ig.evolve(account, owner="bob"))
    await accounts.save(attrs.evolve(await accounts[1], owner="cid"))
    assert await newer[1] == new(1, "cid", 555)
    await first.aclose()
    await second.aclose()


async def test_aliases(url: str, names: Names) -> None:
    """A renamed field is read under its former name."""
    name, old, new = names(), release(2), release(3)
    first, accounts = await opened(url, name, old)
    second, newer = await opened(url, name, new)
    await accounts.save(old(1, "ann", 7))
    assert await newer[1] == new(1, "ann", 7)
    await first.aclose()
    await second.aclose()


async def test_changed_types(url: str, names: Names) -> None:
    """A field whose type changed is a SchemaConflictError that names the types, when it is written."""
    name, registries = names(), (ig.Registry(), ig.Registry())
    type_name = f"contract.Changed{name.rsplit('_', 1)[1]}x{name.split('_')[1]}"

    @ig.model(type_name=type_name, registry=registries[0])
    class Before:
        id: int = ig.key()
        amount: int = 0

    @ig.model(type_name=type_name, registry=registries[1])
    class After:
        id: int = ig.key()
        amount: str = ""

    async with ig.connect(url, registry=registries[0]) as client:
        await (await client.cache(name, Before)).save(Before(1, 5))
    async with ig.connect(url, registry=registries[1]) as client:
        with pytest.raises(ig.SchemaConflictError, match="amount"):
            await (await client.cache(name, After)).save(After(2, "x"))


@pytest.mark.parametrize(("mode", "kept"), [("ignore", False), ("forbid", None)])
async def test_other_ways_with_unknown_fields(url: str, names: Names, mode: Any, kept: bool | None) -> None:
    """unknown_fields="ignore" drops what the class doesn't know, "forbid" refuses to read it."""
    name, new, registry = names(), release(2), ig.Registry()

    @ig.model(type_name="contract.Account", registry=registry, unknown_fields=mode)
    class Account:
        id: int = ig.key()
        owner: str = ""

    second, newer = await opened(url, name, new)
    await newer.save(new(1, "ann", 555))
    async with ig.connect(url, registry=registry) as client:
        accounts = await client.cache(name, Account)
        if kept is None:
            with pytest.raises(ig.IgniteMapError, match="limit"):
                await accounts[1]
        else:
            await accounts.save(await accounts[1])
            assert (await newer[1]).limit == 100
    await second.aclose()


async def test_unregistered_types(people: People, client: ig.Client) -> None:
    """A type that the program doesn't know is a BinaryObject: named fields, a dict, and written back as it was."""
    await people.save(ANN)
    plain = await client.cache(people.name, int, Any)
    found = await plain[1]
    assert isinstance(found, ig.BinaryObject)
    assert found.type_name == "contract.Person"
    assert found.name == found["name"] == "Ann"
    assert found.to_dict()["age"] == 41
    await plain.set(1, found)
    assert await people[1] == ANN


# --- plain dicts ------------------------------------------------------------------------------------------------------


def test_unstructure_and_structure() -> None:
    """`unstructure` gives what JSON can hold, `structure` makes the model of it again."""
    plain = shop.unstructure(ANN)
    assert plain["name"] == "Ann"
    assert shop.structure(json.loads(json.dumps(plain)), Person) == ANN


def test_unstructure_of_the_default_registry() -> None:
    """`ig.unstructure` and `ig.structure` use the default registry."""

    @ig.model(type_name="contract.Plain")
    class Plain:
        id: int = ig.key()
        at: datetime.datetime = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
        mark: UUID = UUID(int=5)

    assert ig.structure(json.loads(json.dumps(ig.unstructure(Plain(1)))), Plain) == Plain(1)


def test_evolve() -> None:
    """`ig.evolve` copies a model with changes."""
    assert ig.evolve(ANN, age=42) == Person(
        1, "Ann", 42, nick="a", home=Address("Main", 5), tags={"x", "y"}, salary=Decimal("12.50")
    )
    with pytest.raises(TypeError):
        ig.evolve(ANN, colour="red")


# --- the cluster's side -----------------------------------------------------------------------------------------------


async def test_models_are_tables(people: People, models: ig.Client) -> None:
    """A model is a table: the schema is the cache's name, the columns are the fields."""
    await people.save(ANN)
    rows = await models.sql("SELECT id, name, age, salary FROM Person WHERE age = ?", 41, schema=people.name)
    assert [tuple(row) for row in rows] == [(1, "Ann", 41, Decimal("12.50"))]


async def test_the_quoted_table(people: People, models: ig.Client) -> None:
    """`cache.table` is the table's quoted name."""
    await people.save(ANN)
    assert (await models.sql(f"SELECT COUNT(*) FROM {people.table}"))[0][0] == 1


async def test_rows_into_models(people: People, models: ig.Client) -> None:
    """`Rows.into` makes models of rows."""
    await people.save(ANN)
    rows = await models.sql("SELECT id, name, age FROM Person", schema=people.name)
    assert rows.into(Person) == [Person(1, "Ann", 41)]


async def test_opening_with_other_types(models: ig.Client, people: People) -> None:
    """Opening a cache with types other than its query entities have is an error that explains both."""
    with pytest.raises((ig.ConfigurationError, ig.SchemaConflictError)):
        await models.cache(people.name, str, Person)


async def test_migrating(url: str, names: Names) -> None:
    """A new field is missing in an existing table until the cache is opened with migrate=True."""
    name, old, new = names(), release(1), release(2)
    first, accounts = await opened(url, name, old)
    await accounts.save(old(1, "ann"))
    async with ig.connect(url, registry=new.registry_) as client:
        newer = await client.cache(name, new)
        with pytest.raises(ig.SchemaConflictError, match="(?i)alter table"):
            await newer.where(lambda account: account.limit > 1).all()
        migrated = await client.cache(name, new, migrate=True)
        await migrated.save(new(2, "bob", 5))
        assert await migrated.where(lambda account: account.limit == 5).all() == [new(2, "bob", 5)]
        assert len(await migrated.where(lambda account: account.owner != "").all()) == 2
    await first.aclose()


async def test_arrays_and_buffers(make_cache: MakeCache) -> None:
    """Buffers go as primitive arrays and come back equal."""
    import array

    cache = await make_cache(int, Any)
    numbers = array.array("d", [1.5, 2.5])
    await cache.set(1, numbers)
    assert list(await cache[1]) == [1.5, 2.5]
