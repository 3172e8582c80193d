"""What can be a model, and what is wrong with a class, shows where the class is defined."""

import array
import copy
import dataclasses
import datetime as dt
import enum
import pickle
import struct
import typing
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional, Union

import attrs
import pytest
from typing_extensions import TypeAliasType

import ignitemap as ig
from ignitemap.exceptions import DecodeError, EncodeError, EncodeOverflowError, EncodeTypeError, EncodeValueError
from ignitemap.models.unknown import UnknownFields
from ignitemap.protocol.binary_type import Field
from ignitemap.protocol.codecs import Codecs, SchemaMissing
from ignitemap.protocol.hashing import type_id
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.binary_object import BinaryObject

UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


@pytest.fixture
def registry() -> ig.Registry:
    return ig.Registry()


@pytest.fixture
def codecs(registry: ig.Registry) -> Codecs:
    return mapping_codecs(resolver=registry)


def write(registry: ig.Registry, codecs: Codecs, value: Any, hint: Any = None) -> bytes:
    out = bytearray()
    registry.spec(type(value) if hint is None else hint).encode(codecs, out, value)
    return bytes(out)


def learn(codecs: Codecs) -> None:
    """As if the cluster had been told of what was written."""
    for each in codecs.unannounced:
        found = codecs.known.types.get(each.id)
        if found is not None:
            each = attrs.evolve(each, fields={**found.fields, **each.fields}, schemas={**found.schemas, **each.schemas})
        codecs.known.learn(each)
    codecs.unannounced.clear()


def read(registry: ig.Registry, codecs: Codecs, data: bytes, hint: Any) -> Any:
    learn(codecs)
    codecs.depth = 0
    value, end = registry.spec(hint).decode(codecs, data, 0)
    assert end == len(data)
    assert codecs.depth == 0
    return value


def round_trip(registry: ig.Registry, codecs: Codecs, value: Any) -> Any:
    return read(registry, codecs, write(registry, codecs, value), type(value))


# --- hints ------------------------------------------------------------------------------------------------------------

HINTS: list[tuple[Any, Any]] = [
    (int, 2**63 - 1),
    (UserId, 7),
    (ig.Byte, -128),
    (ig.Short, 32767),
    (ig.Int, -(2**31)),
    (ig.Long, 5),
    (float, 1.5),
    (ig.Float, 0.25),
    (ig.Double, 1e300),
    (bool, True),
    (str, "a\0b😀"),
    (ig.Char, "ß"),
    (bytes, b"\0\xff"),
    (Decimal, Decimal("1.10")),
    (dt.datetime, dt.datetime(2024, 1, 2, 3, 4, 5, 678901, dt.UTC)),
    (dt.date, dt.date(1969, 7, 20)),
    (dt.time, dt.time(23, 59, 59, 999000)),
    (dt.timedelta, dt.timedelta(days=-1, milliseconds=7)),
    (uuid.UUID, uuid.UUID(int=2**127 + 5)),
    (Color, Color.GREEN),
    (Level, Level.HIGH),
    (Any, [1, "a", None]),
    (object, {"a": (1, 2)}),
    (list, [1, [2]]),
    (typing.List, [1, "a"]),  # noqa: UP006 - people write it
    (list[int], [1, 2]),
    (typing.List[str], ["a"]),  # noqa: UP006
    (list[str | None], ["a", None]),
    (set[str], {"a", "b"}),
    (set, {1, "b"}),
    (frozenset[int], frozenset({1, 2})),
    (tuple, (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (tuple[int, str, float | None], (1, "a", None)),
    (dict[str, list[int]], {"a": [1], "b": []}),
    (dict, {1: "a"}),
    (Optional[int], None),  # noqa: UP045
    (int | None, 3),
    (ig.Int | None, 3),
    (Annotated[ig.Int | None, "a note"], None),
    (Annotated[int | None, ig.INT], None),
    (Annotated[int | None, ig.INT], 5),
    (int | str, "x"),
    (Union[int, str, None], None),  # noqa: UP007 - people write it
    (TypeAliasType("Names", list[str]), ["a"]),
    (Annotated[int, "a note"], 1),
    (Color | int, Color.RED),
    (Color | Level, Level.LOW),
    (int | Any, 1.5),
    (Literal["a", "b"], "a"),
    (Literal[Color.RED], Color.RED),
    (Annotated[list[float], ig.Array], [1.0, 2.5]),
    (Annotated[list[ig.Int], ig.Array()], [1, 2]),
    (Annotated[list[int] | None, ig.Array], None),
    (Annotated[list[int], ig.Array] | None, [3]),
    (Annotated[list[str], ig.Array], ["a", "b"]),
    (Annotated[list[uuid.UUID], ig.Array], [uuid.UUID(int=1)]),
    (Annotated[list[Color], ig.Array], [Color.RED]),
    (Annotated[int, ig.SHORT], 5),
    (array.array, array.array("i", [1, 2])),
    (array.array | None, None),
    (ig.list_of(ig.INT), [1]),
]


@pytest.mark.parametrize(("hint", "value"), HINTS, ids=[str(hint) for hint, _ in HINTS])
def test_supported_hints(registry: ig.Registry, codecs: Codecs, hint: Any, value: Any) -> None:
    """A field of every supported hint round-trips to the same value and type, alone and between other fields."""
    cls = registry.model(type_name="Alone")(attrs.make_class("Alone", {"value": attrs.field(type=hint)}))
    back = round_trip(registry, codecs, cls(value))
    assert back.value == value
    assert type(back.value) is type(value)
    fields = {"a": attrs.field(type=int), "value": attrs.field(type=hint), "b": attrs.field(type=str)}
    among = registry.model(type_name="Among")(attrs.make_class("Among", fields))
    assert round_trip(registry, codecs, among(1, value, "z")) == among(1, value, "z")


@pytest.mark.parametrize(
    "hint",
    [
        complex,
        type,
        None,
        list[complex],
        dict[str, complex],
        tuple[int, complex],
        int | complex,
        Annotated[set[int], ig.Array],
        Annotated[int, ig.Array],
        set[list[int]],
        dict[list[int], int],
        int | dt.timedelta,
        list[int] | str,
        dt.date | Annotated[str, "x"],
        ig.Int | str,
        Literal["a", 1],
        typing.Callable[[], int],
        typing.Iterable[int],
        typing.TypeVar("T"),
        3,
        [int],
    ],
    ids=str,
)
def test_unsupported_hints(registry: ig.Registry, hint: Any) -> None:
    """A hint that is nothing to Ignite is a ModelError that names the field, where the class is defined."""
    with pytest.raises(ig.ModelError) as caught:
        registry.model(attrs.make_class("Bad", {"fine": attrs.field(type=int), "wrong": attrs.field(type=hint)}))
    if hint is not None:
        assert "wrong" in str(caught.value) or "cannot hold" in str(caught.value) or "cannot hash" in str(caught.value)
    assert repr(registry) == "<Registry of 0 models and 0 enums>"


@pytest.mark.parametrize("hint", [None, "Person", typing.ForwardRef("Person"), 3, [int]])
def test_what_is_no_type_of_a_cache(registry: ig.Registry, hint: Any) -> None:
    """What names no type is a ModelError where a type is wanted alone, too."""
    with pytest.raises(ig.ModelError, match="the type: "):
        registry.spec(hint)


def test_evolve() -> None:
    """ig.evolve changes a copy of an attrs object or of a dataclass, and refuses anything else."""
    assert ig.evolve(Point(1), x=2) == Point(2)
    assert ig.evolve(Spot(1), x=2) == Spot(2)
    with pytest.raises(ig.ModelError, match="neither"):
        ig.evolve("x")


def test_a_plain_class_in_a_hint_asks_for_the_decorator(registry: ig.Registry) -> None:
    """A field of a class that is no model is a ModelError that says so."""

    class Plain:
        pass

    with pytest.raises(ig.ModelError, match=r"Holder\.plain: .*Plain is nothing that Ignite holds; is @ig.model"):

        @registry.model
        class Holder:
            plain: Plain


def test_a_field_without_a_hint(registry: ig.Registry) -> None:
    """A field without a type hint is a ModelError."""
    with pytest.raises(ig.ModelError, match=r"Untyped\.x has no type hint"):

        @registry.model
        class Untyped:
            x = ig.field()


def test_what_is_no_class(registry: ig.Registry) -> None:
    """Only a class can be a model."""
    with pytest.raises(ig.ModelError, match="a model is a class"):
        registry.model(print)  # type: ignore[type-var]


def test_a_hint_that_is_no_python(registry: ig.Registry) -> None:
    """A hint with a syntax error is a ModelError."""
    with pytest.raises(ig.ModelError, match="Odd"):

        @registry.model
        class Odd:
            x: "int +"  # type: ignore[valid-type]  # noqa: F722


# --- forward references -----------------------------------------------------------------------------------------------


def test_a_model_that_names_itself(registry: ig.Registry, codecs: Codecs) -> None:
    """A class may refer to itself, directly, in a list and in a dict."""

    @registry.model
    class Tree:
        name: str
        left: "Tree | None" = None
        children: "list[Tree]" = ig.field(factory=list)
        named: "dict[str, Tree]" = ig.field(factory=dict)

    tree = Tree("a", Tree("b"), [Tree("c", children=[Tree("d")])], {"e": Tree("e")})
    assert round_trip(registry, codecs, tree) == tree


def test_a_later_class(registry: ig.Registry, codecs: Codecs) -> None:
    """A class may refer to one that is defined later: it is resolved at first use."""

    @registry.model
    class Order:
        item: "Item"
        others: "list[Item]" = ig.field(factory=list)

    @registry.model
    class Item:
        name: str
        order: Order | None = None

    order = Order(Item("a"), [Item("b", Order(Item("c")))])
    assert round_trip(registry, codecs, order) == order


def test_an_unresolvable_name(registry: ig.Registry, codecs: Codecs) -> None:
    """A name that nobody defines is a ModelError at first use."""

    @registry.model
    class Lonely:
        friend: "Nobody | None" = None  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ig.ModelError, match="Nobody"):
        write(registry, codecs, Lonely())


# --- names ------------------------------------------------------------------------------------------------------------


def test_two_classes_of_one_type_name(registry: ig.Registry) -> None:
    """The second class of a type name, which ignores case, is a ModelError; the first one stays."""

    @registry.model(type_name="com.acme.Thing")
    class First:
        x: int

    with pytest.raises(ig.ModelError, match=r"Second and .*First are both named COM.acme.thing"):

        @registry.model(type_name="COM.acme.thing")
        class Second:
            x: int

    assert registry.find(First) is not None
    with pytest.raises(ig.ModelError, match="both named"):
        registry.enum(type_name="com.acme.Thing")(enum.Enum("Other", "A"))


def test_an_enum_and_a_model_of_one_name(registry: ig.Registry) -> None:
    """A model can't take the type name of an enum; nor can two enums share one."""
    registry.enum(type_name="Shade")(Color)
    with pytest.raises(ig.ModelError, match="both named Shade"):

        @registry.model
        class Shade:
            x: int

    with pytest.raises(ig.ModelError, match="both named Shade"):
        registry.enum(type_name="Shade")(Level)


def test_a_class_defined_again(registry: ig.Registry, codecs: Codecs) -> None:
    """A class that is defined again at the same place replaces the first one, also where that was read before."""

    def define(default: int) -> Any:
        @registry.model
        class Cell:
            id: int
            more: int = default

        return Cell

    first = define(1)
    data = write(registry, codecs, first(5))
    learn(codecs)
    assert type(codecs.decoders[data[0]](codecs, data, 1)[0]) is first
    second = define(2)
    assert second is not first
    assert registry.find(first) is None
    assert round_trip(registry, codecs, second(5)) == second(5)
    assert type(codecs.decoders[data[0]](codecs, data, 1)[0]) is second


def test_an_enum_defined_again(registry: ig.Registry, codecs: Codecs) -> None:
    """An enum that is defined again at the same place replaces the first one."""

    def define() -> Any:
        class Mood(enum.Enum):
            GOOD = 1

        return registry.enum(type_name="Mood")(Mood)

    first = define()
    out = bytearray()
    codecs.find_encoder(first)(codecs, out, first.GOOD)
    assert codecs.decoders[28](codecs, bytes(out), 1)[0] is first.GOOD
    second = define()
    assert codecs.decoders[28](codecs, bytes(out), 1)[0] is second.GOOD


def test_a_failed_definition_leaves_the_registry_as_it_was(registry: ig.Registry) -> None:
    """A class that is refused does not take the place of the one before it."""

    def define(hint: Any) -> Any:
        return registry.model(type_name="Once")(attrs.make_class("Once", {"x": attrs.field(type=hint)}))

    first = define(int)
    with pytest.raises(ig.ModelError):
        define(complex)
    assert registry.find(first) is not None


@pytest.mark.parametrize("other", ["NAME", "Name", "naMe"])
def test_fields_that_differ_in_case_only(registry: ig.Registry, other: str) -> None:
    """Two fields whose names are equal to Ignite are a ModelError that names both."""
    with pytest.raises(ig.ModelError, match=rf"Twice\.{other} and Twice\.name are one field"):
        registry.model(attrs.make_class("Twice", {"name": attrs.field(type=str), other: attrs.field(type=str)}))


def test_an_alias_that_is_taken(registry: ig.Registry) -> None:
    """A name= or an alias that another field has is a ModelError."""
    with pytest.raises(ig.ModelError, match="one field"):

        @registry.model
        class Clash:
            a: str = ig.field(name="B")
            b: str = ""

    with pytest.raises(ig.ModelError, match="one field"):

        @registry.model(type_name="Clash2")
        class Aliased:
            a: str = ig.field(aliases=("b",))
            b: str = ""

    with pytest.raises(ig.ModelError, match="not one str"):
        ig.field(aliases="b")


def names(registry: ig.Registry, cls: type) -> list[str]:
    entry = registry.find(cls)
    assert entry is not None
    return [field.name for field in entry.schema.fields]


def test_names_in_ignite(registry: ig.Registry) -> None:
    """rename="camel" or a function make the names, name= beats them, a private name keeps its underscore without."""

    @registry.model(rename="camel")
    class Camel:
        first_name: str
        _hidden_id: int
        x: int
        other_one: int = ig.field(name="OTHER")

    assert names(registry, Camel) == ["firstName", "hiddenId", "x", "OTHER"]

    @registry.model(rename=str.upper)
    class Upper:
        first_name: str

    assert names(registry, Upper) == ["FIRST_NAME"]

    @registry.model
    class Same:
        first_name: str
        _x: int

    assert names(registry, Same) == ["first_name", "_x"]
    with pytest.raises(ig.ModelError, match="no name"):
        registry.model(rename=lambda name: "")(attrs.make_class("Nameless", {"x": attrs.field(type=int)}))


def test_aliases_are_read(registry: ig.Registry, codecs: Codecs) -> None:
    """A field is read under its aliases too, and written under its name."""
    old, new = ig.Registry(), registry

    @old.model(type_name="Note")
    class OldNote:
        id: int
        remark: str

    @new.model(type_name="Note")
    class Note:
        id: int
        note: str = ig.field(default="", name="comment", aliases=("remark", "text"))

    data = write(old, codecs, OldNote(1, "hello"))
    assert read(new, codecs, data, Note) == Note(1, "hello")
    assert names(new, Note) == ["id", "comment"]


# --- classes of all sorts ---------------------------------------------------------------------------------------------


@attrs.frozen
class Point:
    x: int
    y: float = 1.5


@dataclasses.dataclass(frozen=True, order=True)
class Spot:
    x: Annotated[int, ig.key()]
    y: Annotated[Decimal, ig.sql(precision=12, scale=2), ig.field(index=True, name="why")] = Decimal("0.00")
    tags: list[str] = dataclasses.field(default_factory=list, kw_only=True)
    seen: int = dataclasses.field(default=7, init=False)


@attrs.define
class OnAttrs:
    id: Annotated[int, ig.key()]
    name: Annotated[str | None, ig.field(aliases=("nick",))] = None
    price: Annotated[Decimal, ig.sql(precision=5, scale=1)] | None = None


def test_classes_that_are_attrs_or_dataclasses_already(registry: ig.Registry, codecs: Codecs) -> None:
    """A class that is an attrs class or a dataclass already stays what it is; markers in the hints count."""
    assert registry.model(Point) is Point
    assert registry.model(Spot) is Spot
    assert registry.model(OnAttrs) is OnAttrs
    for value in (Point(1), Spot(1, Decimal("2.50"), tags=["a"]), OnAttrs(1, "a"), OnAttrs(1)):
        assert round_trip(registry, codecs, value) == value
    spot, on_attrs = registry.find(Spot), registry.find(OnAttrs)
    assert spot is not None
    assert on_attrs is not None
    assert [field.name for field in spot.schema.key_fields] == ["x"]
    assert spot.schema.fields[1].name == "why"
    assert spot.schema.fields[1].options.indexes == (ig.Index(),)
    assert (spot.schema.fields[1].column.precision, spot.schema.fields[1].column.scale) == (12, 2)
    assert on_attrs.schema.fields[1].options.aliases == ("nick",)
    assert on_attrs.schema.fields[2].column.precision == 5


@pytest.mark.parametrize(
    "marker",
    [ig.field(default=1), ig.field(factory=int), ig.key(default=1), ig.field(validator=print), ig.field(converter=int)],
)
def test_a_marker_that_says_too_much(registry: ig.Registry, marker: Any) -> None:
    """A marker inside a hint can't give a default, a validator or a converter: a ModelError instead of silence."""
    with pytest.raises(ig.ModelError, match=r"Loud\.x: .* inside a hint has no effect"):
        registry.model(attrs.make_class("Loud", {"x": attrs.field(type=Annotated[int, marker])}))


def test_a_derived_class_is_a_model_of_its_own(registry: ig.Registry, codecs: Codecs) -> None:
    """Already decorated means in the class itself: a subclass of a model has its own fields and its own type."""

    @registry.model
    class Animal:
        name: str

    @registry.model
    class Dog(Animal):
        tricks: list[str] = ig.field(factory=list)

    assert names(registry, Dog) == ["name", "tricks"]
    assert round_trip(registry, codecs, Dog("Rex", ["sit"])) == Dog("Rex", ["sit"])
    with pytest.raises(EncodeTypeError, match="expected Animal, got a Python .*Dog"):
        write(registry, codecs, Dog("Rex"), Animal)


def test_constructors(registry: ig.Registry, codecs: Codecs) -> None:
    """frozen, kw_only, init=False, private names, aliases, converters and validators do what attrs says."""

    def positive(instance: object, attribute: Any, value: int) -> None:
        if value <= 0:
            raise ValueError("not positive")

    @registry.model
    @attrs.frozen
    class Rich:
        _secret: int
        upper: str = attrs.field(converter=str.upper)
        count: int = attrs.field(validator=positive, kw_only=True)
        called: str = attrs.field(default="", alias="name")
        computed: int = attrs.field(init=False)

        @computed.default
        def _compute(self) -> int:
            return self.count * 2

    value = Rich(5, "abc", count=3, name="n")
    back = round_trip(registry, codecs, value)
    assert back == value
    assert (back._secret, back.upper, back.count, back.called, back.computed) == (5, "ABC", 3, "n", 6)
    object.__setattr__(value, "computed", 99)
    assert round_trip(registry, codecs, value).computed == 99
    object.__setattr__(value, "count", -1)
    data = write(registry, codecs, value)
    with pytest.raises(DecodeError, match="Rich refused what the cluster has: ValueError") as caught:
        read(registry, codecs, data, Rich)
    assert isinstance(caught.value.__cause__, ValueError)
    other = ig.Registry()
    shorter = other.model(type_name="Rich")(
        attrs.make_class(
            "R", {"upper": attrs.field(type=str), "count": attrs.field(type=int), "_secret": attrs.field(type=int)}
        )
    )
    data = write(other, codecs, shorter("a", -1, 1))
    with pytest.raises(DecodeError, match="Rich refused what the cluster has: ValueError"):
        read(registry, codecs, data, Rich)


def test_a_class_with_its_own_init(registry: ig.Registry, codecs: Codecs) -> None:
    """An attrs class with an __init__ of its own is filled through attrs', and takes any arguments."""

    @registry.model
    class Own:
        x: int
        y: str = "y"

        def __init__(self, text: str) -> None:
            x, y = text.split()
            self.__attrs_init__(int(x), y)  # type: ignore[attr-defined]

    assert round_trip(registry, codecs, Own("5 a")) == Own("5 a")
    other = ig.Registry()

    @other.model(type_name="Own")
    class Wider:
        x: int
        z: int
        y: str

    data = write(other, codecs, Wider(5, 6, "b"))
    assert read(registry, codecs, data, Own) == Own("5 b")


def test_a_constructor_that_does_not_take_the_fields(registry: ig.Registry) -> None:
    """A dataclass that could be written but never be read is a ModelError."""

    @dataclasses.dataclass
    class Needs:
        x: int
        y: dataclasses.InitVar[int]

    with pytest.raises(ig.ModelError, match="constructor"):
        registry.model(Needs)


def test_a_field_that_was_never_set(registry: ig.Registry, codecs: Codecs) -> None:
    """A field that an object lacks is an EncodeError that names it."""

    @registry.model
    class Late:
        x: int
        y: int = ig.field(init=False)

    with pytest.raises(EncodeValueError, match=r"^Late\.y: it was never set$"):
        write(registry, codecs, Late(1))
    value = Late(1)
    value.y = 3
    assert round_trip(registry, codecs, value) == value


def test_an_empty_model(registry: ig.Registry, codecs: Codecs) -> None:
    """A class without fields round-trips."""

    @registry.model
    class Empty:
        pass

    data = write(registry, codecs, Empty())
    assert len(data) == 24
    assert read(registry, codecs, data, Empty) == Empty()


# --- unions of models -------------------------------------------------------------------------------------------------


def test_unions_of_models(registry: ig.Registry, codecs: Codecs) -> None:
    """A union of models, and of others, is written by class and read by type; what is not in it is refused."""

    @registry.model
    class Cat:
        name: str

    @registry.model
    class Dog:
        name: str

    @registry.model
    class Fish:
        name: str

    @registry.model
    class Owner:
        pet: Cat | Dog | int | None
        pets: list[Cat | Dog] = ig.field(factory=list)

    for pet in (Cat("a"), Dog("b"), 5, None):
        owner = Owner(pet, [Dog("c"), Cat("d")])
        assert round_trip(registry, codecs, owner) == owner
    with pytest.raises(EncodeTypeError, match=r"^Owner\.pet: expected Cat or Dog or long, got a Python .*Fish"):
        write(registry, codecs, Owner(Fish("f")))  # type: ignore[arg-type]
    wider = ig.Registry()

    @wider.model(type_name="Owner")
    class AnyOwner:
        pet: Any
        pets: list[Any] = ig.field(factory=list)

    wide = mapping_codecs(resolver=registry, known=codecs.known)
    data = write(wider, wide, AnyOwner(Fish("f")))
    learn(wide)
    with pytest.raises(DecodeError, match=r"Owner\.pet: expected Cat or Dog or long, the cluster has a Fish"):
        read(registry, codecs, data, Owner)
    with pytest.raises(DecodeError, match="a bool"):
        read(registry, codecs, write(wider, wide, AnyOwner(True)), Owner)


# --- errors -----------------------------------------------------------------------------------------------------------


def family(registry: ig.Registry) -> tuple[Any, Any]:
    @registry.model
    class Address:
        street: str
        zip: ig.Int = 0

    @registry.model
    class Person:
        age: ig.Short = 0
        height: ig.Float = 0.0
        name: str = ""
        home: Address | None = None
        homes: list[Address] = ig.field(factory=list)
        scores: list[ig.Byte] = ig.field(factory=list)
        price: Decimal = Decimal(0)
        tall: bool = False

    return Person, Address


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"age": 40000}, EncodeOverflowError, "Person.age: the number is out of range for short"),
        ({"age": "4"}, EncodeTypeError, "Person.age: expected short, got a Python str"),
        ({"age": True}, EncodeTypeError, "Person.age: expected short, got a Python bool"),
        ({"age": None}, EncodeTypeError, "Person.age: expected short, got a Python NoneType"),
        ({"height": 1e300}, EncodeOverflowError, "Person.height: the number is out of range for float"),
        ({"name": "\ud800"}, EncodeValueError, "Person.name: String cannot hold a lone surrogate"),
        ({"name": b"x"}, EncodeTypeError, "Person.name: expected String, got a Python bytes"),
        ({"scores": [1, 200]}, EncodeOverflowError, "Person.scores: the number is out of range for byte"),
        ({"price": Decimal("NaN")}, EncodeValueError, "Person.price: BigDecimal has no NaN and no infinity"),
        ({"tall": 1}, EncodeTypeError, "Person.tall: expected boolean, got a Python int"),
        ({"home": 3}, EncodeTypeError, "Person.home: expected Address, got a Python int"),
    ],
)
def test_errors_name_the_field(
    registry: ig.Registry, codecs: Codecs, fields: dict[str, Any], error: type[EncodeError], message: str
) -> None:
    """A value that a field can't hold is an EncodeError whose text and path name the field, and hold no value."""
    person, _ = family(registry)
    with pytest.raises(error) as caught:
        write(registry, codecs, person(**fields))
    assert str(caught.value) == caught.value.message == message
    assert caught.value.path == next(iter(fields))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_errors_name_the_path(registry: ig.Registry, codecs: Codecs) -> None:
    """The path of an error leads through nested models."""
    person, address = family(registry)
    with pytest.raises(EncodeOverflowError, match=r"^Person\.home\.zip: the number is out of range for int$") as caught:
        write(registry, codecs, person(home=address("x", 2**31)))
    assert caught.value.path == "home.zip"
    with pytest.raises(EncodeTypeError, match=r"^Person\.homes\.street: expected String"):
        write(registry, codecs, person(homes=[address("x"), address(5)]))


def test_errors_deep_inside(registry: ig.Registry, codecs: Codecs) -> None:
    """An error 90 levels down is found in no time, and its path leads there."""

    @registry.model
    class Node:
        value: int
        next: "Node | None" = None

    node = Node("wrong")  # type: ignore[arg-type]
    for value in range(89):
        node = Node(value, node)
    with pytest.raises(EncodeTypeError) as caught:
        write(registry, codecs, node)
    assert caught.value.path == "next." * 89 + "value"


def test_errors_of_a_fields_own_code_pass(registry: ig.Registry, codecs: Codecs) -> None:
    """An AttributeError from inside of a field's own code is not taken for a field that was never set."""

    class Broken(list[Any]):
        def __iter__(self) -> Any:
            raise AttributeError("mine")

    @registry.model
    class Holder:
        items: list[int]

    with pytest.raises(AttributeError, match="mine") as caught:
        write(registry, codecs, Holder(Broken()))
    assert not isinstance(caught.value, EncodeError)


def test_the_depth_is_limited(registry: ig.Registry, codecs: Codecs) -> None:
    """100 levels round-trip, fast and by the footer; one more, or a circle, is an EncodeError."""

    @registry.model
    class Node:
        value: int
        next: "Node | None" = None

    def chain(length: int) -> Node:
        node = None
        for value in range(length):
            node = Node(value, node)
        assert node is not None
        return node

    assert round_trip(registry, codecs, chain(100)) == chain(100)
    codecs.depth = 0
    with pytest.raises(EncodeValueError, match="deeper than 100 levels"):
        write(registry, codecs, chain(101))
    circle = Node(1)
    circle.next = circle
    codecs.depth = 0
    with pytest.raises(EncodeValueError, match="deeper than 100 levels"):
        write(registry, codecs, circle)


# --- look-up ----------------------------------------------------------------------------------------------------------


def test_keys_of_a_class_that_is_no_model(registry: ig.Registry) -> None:
    """key_class wants a model with several key fields."""
    with pytest.raises(ig.ModelError, match="no key of several fields"):
        ig.key_class(int, registry=registry)

    @registry.model
    class Single:
        id: int = ig.key()

    with pytest.raises(ig.ModelError, match="no key of several fields"):
        ig.key_class(Single, registry=registry)


def test_the_default_registry() -> None:
    """ig.model and ig.enum use the default registry unless they are given one."""
    mine = ig.Registry()

    @ig.model(registry=mine, type_name="test_model_registry.Mine")
    class Mine:
        x: int

    @ig.enum(registry=mine, type_name="test_model_registry.Shade")
    class Shade(enum.Enum):
        DARK = 1

    assert mine.find(Mine) is not None
    assert mine.find(3) is None
    assert repr(mine) == "<Registry of 1 models and 1 enums>"
    assert mine.encoder_for(Shade) is not None
    assert mine.encoder_for(int) is None
    assert mine.decoder_for(1) is None
    assert mine.enum_for(1) is None

    @ig.model(type_name="test_model_registry.Default")
    class Default:
        x: int

    assert mine.find(Default) is None

    @ig.model
    class TestModelRegistryPlain:
        x: int

    assert TestModelRegistryPlain(1) == TestModelRegistryPlain(1)


def test_a_missing_schema_is_asked_for(registry: ig.Registry, codecs: Codecs) -> None:
    """An object of a schema that nobody told of yet raises SchemaMissing, from which the session learns it."""
    person, _ = family(registry)
    other = ig.Registry()

    @other.model(type_name="Person")
    class Stranger:
        name: str

    data = write(other, mapping_codecs(resolver=other), Stranger("x"))
    with pytest.raises(SchemaMissing):
        registry.spec(person).decode(codecs, data, 0)


def test_an_array_hint(registry: ig.Registry, codecs: Codecs) -> None:
    """A field of array.array takes arrays of numbers only, in both directions."""
    holder = registry.model(attrs.make_class("Holder", {"x": attrs.field(type=array.array)}))
    with pytest.raises(EncodeTypeError, match=r"Holder\.x: expected array\.array, got a Python list"):
        write(registry, codecs, holder([1]))
    other = ig.Registry()
    wider = other.model(type_name="Holder")(attrs.make_class("Wider", {"x": attrs.field(type=Any)}))
    with pytest.raises(DecodeError, match=r"Holder\.x: expected an array of numbers, the cluster has a list"):
        read(registry, codecs, write(other, codecs, wider([1])), holder)


def test_arrays_of_classes(registry: ig.Registry, codecs: Codecs) -> None:
    """An array of a model or an enum has the id of its class, as in Java, so that Java can read it into such a field."""
    registry.enum(type_name="acme.Color")(Color)

    @registry.model(type_name="acme.Point")
    class Where:
        x: int

    for hint, value, head in (
        (
            Annotated[list[Color | None], ig.Array],
            [Color.RED, None],
            b"\x1d" + struct.pack("<iI", type_id("acme.Color"), 2),
        ),
        (Annotated[list[Where], ig.Array], [Where(1)], b"\x17" + struct.pack("<iI", type_id("acme.Point"), 1)),
        (Annotated[list[Where | int], ig.Array], [Where(1), 5], b"\x17" + struct.pack("<iI", -1, 2)),
    ):
        data = write(registry, codecs, value, hint)
        assert data.startswith(head)
        assert read(registry, codecs, data, hint) == value


def test_enum_decorators() -> None:
    """ig.enum is written with brackets or without, and refuses what is no enum."""
    mine = ig.Registry()

    @mine.enum
    class Tone(enum.Enum):
        HIGH = 1

    assert mine.spec(Tone).java == "Tone"
    assert ig.enum(Shade) is Shade
    assert ig.enum(registry=mine, type_name="Dark")(Shade) is Shade
    assert mine.spec(Shade).java == "Dark"
    with pytest.raises(ig.ModelError, match="is no enum class"):
        mine.enum(int)  # type: ignore[type-var]


class Shade(enum.Enum):
    DARK = 1


def test_keys_that_are_compared_by_identity(registry: ig.Registry) -> None:
    """A class whose equal objects are different keys to Python can't be a key."""
    loose = registry.model(attrs.make_class("Loose", {"x": attrs.field(type=int)}, eq=False))
    assert not registry.spec(loose).hashable
    with pytest.raises(ig.ModelError, match=r"Holder\.id can't be a key"):
        registry.model(attrs.make_class("Holder", {"id": ig.key(type=loose)}))


@ig.model(type_name="test_model_registry.Kept")
class Kept:
    id: int = ig.key()
    name: str = ""


@ig.model(type_name="test_model_registry.KeptFrozen")
@attrs.frozen
class KeptFrozen(Kept):
    more: int = 0


def test_models_are_copied_and_pickled() -> None:
    """Models are copied, pickled and evolved with all that they hold, also what their class doesn't have."""
    unknown = UnknownFields(((Field("x", 3, 5), b"\x03\1\0\0\0"),))
    for value in (Kept(1, "a"), KeptFrozen(1, "a", 5)):
        object.__setattr__(value, "_ignite_unknown", unknown)
        for each in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value), ig.evolve(value)):
            assert each == value
            assert each._ignite_unknown == unknown


def test_a_value_without_its_key(registry: ig.Registry, codecs: Codecs) -> None:
    """Where nothing is declared, a value whose key fields are elsewhere is an object with fields; a whole one is a model."""

    @registry.model
    class City:
        id: int = ig.key(default=0)
        name: str = ""

    entry = registry.find(City)
    assert entry is not None
    out = bytearray()
    entry.codec.value.encode(codecs, out, City(5, "Rome"), 5)
    found = read(registry, codecs, bytes(out), Any)
    assert isinstance(found, BinaryObject)
    assert found.to_dict() == {"name": "Rome"}
    assert write(registry, codecs, found, Any) == bytes(out)
    assert read(registry, codecs, write(registry, codecs, City(5, "Rome"), Any), Any) == City(5, "Rome")
    other = ig.Registry()

    @other.model(type_name="City")
    class Turned:
        name: str
        id: int

    assert read(registry, codecs, write(other, codecs, Turned("Rome", 5)), Any) == City(5, "Rome")
