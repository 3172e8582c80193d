"""The classes of com.acme.interop as Python has them; those of java/ are Java's."""

import uuid
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import ignitemap as ig

__all__ = ["REGISTRY", "Address", "Box", "Color", "Customer", "Order", "Person", "Shelf"]

# Of these tests alone: other tests have types of the same names.
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


@ig.model(type_name="com.acme.interop.Box", registry=REGISTRY)
class Box:
    """Holds anything."""

    label: str
    content: Any


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
