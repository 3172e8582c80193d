"""What type checkers infer for models. Lines that end in the word error after a hash must be rejected."""

import enum
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Generic, TypeVar, assert_type

import attrs

import ignitemap as ig

T = TypeVar("T")
registry = ig.Registry()


@ig.enum
class Color(enum.Enum):
    RED = 1


@ig.enum(type_name="com.acme.Size", registry=registry)
class Size(enum.Enum):
    SMALL = 1


@ig.model(type_name="com.acme.Address", rename="camel")
class Address:
    street: str
    zip_code: ig.Int = 0


@ig.model
class Person:
    id: int = ig.key()
    name: str = ig.field(index=True)
    born: date | None = None
    home: Address | None = None
    color: Color = Color.RED
    tags: set[str] = ig.field(factory=set[str])
    note: str = ig.field(default="", name="comment", aliases=("remark",))
    salary: Annotated[float, ig.sql(precision=12)] = 0.0


# Not @registry.model: mypy takes no method for a dataclass_transform.
@ig.model(registry=registry, unknown_fields="forbid")
class Strict:
    size: Size
    rows: Annotated[list[int], ig.Array] = ig.field(factory=list[int])


@ig.model
@dataclass(frozen=True)
class Spot:
    x: Annotated[int, ig.key()]
    y: int = 0


@ig.model
@attrs.define
class OnAttrs:
    x: int


@ig.model
class Box(Generic[T]):
    value: T
    more: list[T] = ig.field(factory=list[T])


@ig.model
class Dog(Person):
    good: bool = True


def constructors() -> None:
    person = Person(1, "Ann", date(2000, 1, 2), home=Address("x", zip_code=1), tags={"a"}, note="n")
    assert_type(person, Person)
    assert_type(person.home, Address | None)
    assert_type(person.tags, set[str])
    assert_type(person.salary, float)
    assert_type(Strict(Size.SMALL, rows=[1]).rows, list[int])
    assert_type(Spot(1).y, int)
    assert_type(OnAttrs(1).x, int)
    assert_type(Dog(1, "Rex", good=False).name, str)
    assert_type(Box(5), Box[int])
    assert_type(Box("a", ["b"]).more, list[str])
    Person()  # error
    Person("1", "Ann")  # error
    Person(1, "Ann", colour=Color.RED)  # error
    Person(1, "Ann", home="x")  # error
    Address("x", zipCode=1)  # error
    Strict()  # error
    Spot("1")  # error
    person.nick  # error
    person.name = 5  # error


def changes(person: Person, spot: Spot, box: Box[int]) -> None:
    assert_type(ig.evolve(person, name="b"), Person)
    assert_type(ig.evolve(spot, y=2), Spot)
    assert_type(ig.evolve(box, value=1), Box[int])


def plain_values(body: dict[str, Any]) -> None:
    assert_type(ig.structure(body, Person), Person)
    assert_type(ig.structure(body, Spot, registry=registry), Spot)
    assert_type(ig.structure([body], list[Person]), list[Person])
    assert_type(ig.structure(body, Person | None), Person | None)
    assert_type(ig.structure(body, Box[int]), Box[int])
    assert_type(registry.structure(body, Strict), Strict)
    assert_type(ig.unstructure(Person(1, "a")), Any)
    ig.structure(body)  # error
    ig.structure(body, Person).nick  # error
    registry.converter.register_unstructure_hook(complex, str)


async def caches(client: ig.Client) -> None:
    assert_type(await client.cache("boxes", int, Box[int]), ig.Cache[int, Box[int]])
    boxes = await client.cache("boxes", int, Box[str])
    assert_type((await boxes[1]).value, str)
    await boxes.set(1, Box(5))  # error
    assert_type(await client.cache(Dog, key=int), ig.Cache[int, Dog])
