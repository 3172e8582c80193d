"""The models of the contract."""

import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import attrs

import ignitemap as ig

shop = ig.Registry()


class Status(Enum):
    """Of a purchase."""

    NEW = 1
    PAID = 2


@ig.model(type_name="contract.Address", registry=shop)
class Address:
    """Nested in a person."""

    street: str
    number: ig.Int = 0


@ig.model(type_name="contract.Person", registry=shop)
class Person:
    """A person, found by its id."""

    id: int = ig.key()
    name: str = ig.field(index=True)
    age: ig.Int = ig.field(index=True)
    city_id: ig.Int = 0
    nick: str | None = None
    home: Address | None = None
    tags: set[str] = ig.field(factory=set)
    salary: Annotated[Decimal, ig.sql(precision=12, scale=2)] = Decimal("0.00")


@ig.model(type_name="contract.City", registry=shop)
class City:
    """Where people live."""

    id: ig.Int = ig.key()
    name: str = ""


@ig.model(type_name="contract.Purchase", registry=shop)
class Purchase:
    """A purchase: its key has two fields, and lives with its customer."""

    customer: int = ig.key(affinity=True)
    number: int = ig.key()
    status: Status = Status.NEW
    total: Decimal = Decimal(0)


@ig.model(type_name="contract.Everything", registry=shop)
class Everything:
    """A field of each kind."""

    id: int = ig.key()
    flag: bool = True
    byte: ig.Byte = 1
    short: ig.Short = 2
    number: ig.Int = 3
    long: int = 4
    single: ig.Float = 0.5
    double: float = 0.25
    text: str = ""
    blob: bytes = b""
    amount: Decimal = Decimal(0)
    at: datetime.datetime = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.UTC)
    day: datetime.date = datetime.date(2024, 2, 29)
    clock: datetime.time = datetime.time(23, 59, 59, 999000)
    took: datetime.timedelta = datetime.timedelta(milliseconds=1500)
    token: UUID = UUID(int=1)
    status: Status = Status.NEW
    names: list[str | None] = ig.field(factory=list)
    pair: tuple[int, str] = (0, "")
    marks: frozenset[int] = frozenset()
    table: dict[str, list[int]] = ig.field(factory=dict)
    doubles: Annotated[list[float], ig.Array] = ig.field(factory=list)
    strings: Annotated[list[str], ig.Array] = ig.field(factory=list)
    home: Address | None = None
    either: Address | City | None = None
    anything: Any = None


@attrs.frozen
class Spot:
    """A key of several fields, in no registry until it is used."""

    x: int
    y: int
