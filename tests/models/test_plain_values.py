"""Models as plain values for JSON and back, and hooks for classes that Ignite has no type for."""

import dataclasses
import enum
import gc
import ipaddress
import json
import pickle
import subprocess
import sys
from array import array
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar
from uuid import UUID

import attrs
import pytest

import ignitemap as ig
from ignitemap.exceptions import DecodeError, EncodeTypeError, EncodeValueError, StructureError
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.binary_object import BinaryObject
from ignitemap.protocol.types.temporal import Timestamp
from tests.models.generated import Maker

T = TypeVar("T")
UserId = NewType("UserId", int)
NOW = datetime(2024, 1, 2, 3, 4, 5, 6, UTC)


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Place(enum.Enum):
    HERE = (0, 0)
    THERE = (1, 2)


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Word(str, enum.Enum):  # noqa: UP042 - people write it
    YES = "y"


class Name(str):
    """A kind of text."""

    __slots__ = ()


@pytest.fixture
def registry() -> ig.Registry:
    return ig.Registry()


@pytest.fixture
def codecs(registry: ig.Registry) -> Codecs:
    return mapping_codecs(resolver=registry)


def by_json(registry: ig.Registry, value: Any, hint: Any) -> Any:
    """What a value becomes on its way through JSON."""
    return registry.structure(json.loads(json.dumps(registry.unstructure(value))), hint)


def stored(registry: ig.Registry, codecs: Codecs, value: Any, hint: Any) -> Any:
    """What a value becomes on its way through Ignite."""
    out = bytearray()
    codecs.depth = 0
    registry.spec(hint).encode(codecs, out, value)
    for each in codecs.unannounced:
        codecs.known.learn(each)
    codecs.unannounced.clear()
    found, end = registry.spec(hint).decode(codecs, bytes(out), 0)
    assert end == len(out)
    return found


# --- JSON -------------------------------------------------------------------------------------------------------------

# Of each the hint, a value, and its plain form.
FORMS: list[tuple[Any, Any, Any]] = [
    (int, 5, 5),
    (UserId, 5, 5),
    (ig.Int, 5, 5),
    (float, 1.5, 1.5),
    (bool, True, True),
    (str, "ä", "ä"),
    (int | None, None, None),
    (Optional[int], 5, 5),  # noqa: UP045 - people write it
    (bytes, b"\0\xff", "AP8="),
    (Decimal, Decimal("1.10"), "1.10"),
    (UUID, UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (datetime, NOW, "2024-01-02T03:04:05.000006+00:00"),
    (datetime, Timestamp.of(NOW, 7), "2024-01-02T03:04:05.000006007+00:00"),
    (datetime, datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2024-01-02T00:00:00+02:00"),
    (date, date(2024, 1, 2), "2024-01-02"),
    (time, time(1, 2, 3, 4000), "01:02:03.004000"),
    (timedelta, timedelta(hours=1, milliseconds=5), "PT3600.005S"),
    (timedelta, -timedelta(days=2, seconds=1), "-P2DT1S"),
    (Color, Color.GREEN, 2),
    (Place, Place.THERE, "THERE"),
    (Mode, Mode.READ | Mode.WRITE, 3),
    (Word, Word.YES, "y"),
    (Literal["a", "b"], "b", "b"),
    (Literal[Color.RED], Color.RED, 1),
    (list[date], [date(2024, 1, 2)], ["2024-01-02"]),
    (tuple[int, str], (1, "a"), [1, "a"]),
    (tuple[Decimal, ...], (Decimal(1),), ["1"]),
    (set[UUID], {UUID(int=5)}, ["00000000-0000-0000-0000-000000000005"]),
    (frozenset[Color], frozenset({Color.RED}), [1]),
    (Annotated[list[Decimal], ig.Array], [Decimal("1.5")], ["1.5"]),
    (dict[str, date], {"a": date(2024, 1, 2)}, {"a": "2024-01-02"}),
    (dict[int, str], {-1: "a"}, {"-1": "a"}),
    (dict[UserId, str], {1: "a"}, {"1": "a"}),
    (dict[Color, int], {Color.RED: 5}, {"1": 5}),
    (dict[Word, int], {Word.YES: 5}, {"y": 5}),
    (dict[date, int], {date(2024, 1, 2): 5}, {"2024-01-02": 5}),
    (dict[tuple[int, int], str], {(1, 2): "a"}, [[[1, 2], "a"]]),
    (dict[bool, str], {True: "a"}, [[True, "a"]]),
    (dict[int | str, str], {1: "a", "1": "b"}, [[1, "a"], ["1", "b"]]),
    (int | str, "x", "x"),
    (float | str | None, 1.5, 1.5),
    (datetime | str, NOW, {"_type": "datetime", "_value": "2024-01-02T03:04:05.000006+00:00"}),
    (datetime | str, "2024", "2024"),
    (PurePosixPath, PurePosixPath("/etc"), "/etc"),
    (Path | None, Path("/etc"), "/etc"),
    (ipaddress.IPv4Address, ipaddress.IPv4Address("127.0.0.1"), "127.0.0.1"),
    (list[ipaddress.IPv6Network], [ipaddress.IPv6Network("::/8")], ["::/8"]),
    (float, 5.0, 5),
    (float | str, 5.0, 5),
    (Any, {"a": [1, None, {"b": 1.5}]}, {"a": [1, None, {"b": 1.5}]}),
    (list, [1, "a"], [1, "a"]),
    (dict, {"a": 1}, {"a": 1}),
    (None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "value", "plain"), FORMS, ids=[str(hint) for hint, _, _ in FORMS])
def test_plain_forms(registry: ig.Registry, hint: Any, value: Any, plain: Any) -> None:
    """Every kind of value has a plain form that JSON holds, and comes back as it was, of the same type."""
    cls = (
        registry.model(type_name="Holder")(attrs.make_class("Holder", {"x": attrs.field(type=hint)})) if hint else None
    )
    if cls is not None:
        assert registry.unstructure(cls(value)) == {"x": plain}
        assert by_json(registry, cls(value), cls) == cls(value)
        assert type(by_json(registry, cls(value), cls).x) is type(value)
        assert registry.structure({"x": value}, cls) == cls(value)
    back = registry.structure(json.loads(json.dumps(plain)), hint)
    assert back == value
    assert type(back) is type(value)


def test_classes_derived_from_plain_ones(registry: ig.Registry) -> None:
    """A class that is derived from text, or from a number, is plain, and is made of what is plain."""
    assert registry.unstructure(Name("a")) == "a"
    back = registry.structure(["a"], list[Name])
    assert back == [Name("a")]
    assert type(back[0]) is Name
    with pytest.raises(ig.ModelError, match="Name is nothing that Ignite holds"):
        registry.spec(Name)


def test_other_plain_forms(registry: ig.Registry) -> None:
    """What is under Any has a plain form by its class; it comes back as JSON has it."""
    values = [NOW, b"a", bytearray(b"a"), array("i", [1]), {1}, (1,), OrderedDict(a=1), UserId(5), {1: 2}, Color.RED]
    assert registry.unstructure(values) == [
        "2024-01-02T03:04:05.000006+00:00", "YQ==", "YQ==", [1], [1], [1], {"a": 1}, 5, [[1, 2]], 1,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_any_model_goes_through_json(seed: int) -> None:
    """Objects of random classes, nested four deep, come back from JSON equal."""
    registry = ig.Registry()
    maker = Maker(seed, "Json", registry, untyped=False)
    for _ in range(4):
        made = maker.model(4)
        for _ in range(5):
            value = made.object(maker.random)
            assert by_json(registry, value, made.hint) == value


@attrs.define
class Plain:
    x: int


@dataclasses.dataclass
class Old:
    at: datetime
    plain: Plain | None = None


def test_models_as_plain_values(registry: ig.Registry) -> None:
    """A model is a dict of its fields by their Python names, key fields too, and what is not in the constructor."""

    @registry.model(rename="camel")
    class Person:
        person_id: int = ig.key()
        _secret: str = "s"
        born: date = date(2000, 1, 2)
        boss: "Person | None" = None
        friends: "list[Person]" = ig.field(factory=list)
        seen: int = ig.field(default=3, init=False)

    person = Person(1, "x", boss=Person(2), friends=[Person(3)])
    person.seen = 9
    plain = registry.unstructure(person)
    assert {**plain, "boss": 0, "friends": 0} == {
        "person_id": 1, "_secret": "x", "born": "2000-01-02", "boss": 0, "friends": 0, "seen": 9,
    }  # fmt: skip
    assert by_json(registry, person, Person) == person
    assert by_json(registry, [person], list[Person]) == [person]
    assert by_json(registry, {"a": person}, dict[str, Person | None]) == {"a": person}
    assert registry.structure({"person_id": 5, "unknown": 1}, Person) == Person(5)


def test_unions_of_models_as_plain_values(registry: ig.Registry) -> None:
    """A member of a union is named beside its fields; a dict without the name is what it can only be."""

    @registry.model(type_name="zoo.Cat")
    class Cat:
        name: str
        _type: int = 0

    @registry.model(type_name="zoo.Dog")
    class Dog:
        name: str

    class Puppy(Dog):
        pass

    hint = list[Cat | Dog | int | None]
    animals = [Dog("b"), Cat("a", 5), 5, None]
    holder = registry.model(attrs.make_class("Holder", {"all": attrs.field(type=hint)}))
    assert registry.unstructure(holder(animals)) == {
        "all": [
            {"_type": "zoo.Dog", "name": "b"},
            {"_type": "zoo.Cat", "_value": {"name": "a", "_type": 5}},
            5,
            None,
        ]
    }
    assert by_json(registry, holder(animals), holder) == holder(animals)
    assert registry.structure([{"name": "b"}], list[Dog | int]) == [Dog("b")]
    assert registry.structure([Dog("b")], hint) == [Dog("b")]
    with pytest.raises(StructureError, match=r"^\[0\]: expected Cat or Dog or int, named by '_type'$"):
        registry.structure([{"name": "b"}], hint)
    assert registry.unstructure(holder([Puppy("x")])) == {"all": [{"_type": "zoo.Dog", "name": "x"}]}


def test_generic_models_as_plain_values(registry: ig.Registry) -> None:
    """A generic model is told of what it is when it is made of plain values."""

    @registry.model
    class Box(Generic[T]):
        value: T
        more: "list[Box[T]]" = ig.field(factory=list)

    box: Any = Box(NOW, [Box(NOW)])
    assert by_json(registry, box, Box[datetime]) == box
    assert by_json(registry, Box(5), Box[int] | None) == Box(5)


def test_unknown_fields_are_left_out(registry: ig.Registry) -> None:
    """What an object has beyond its class is no part of its plain form."""

    @registry.model
    class Person:
        name: str

    person: Any = Person("a")
    person._ignite_unknown = object()
    assert registry.unstructure(person) == {"name": "a"}
    assert registry.unstructure({"a": [person]}) == {"a": [{"name": "a"}]}
    assert ig.Registry().unstructure(person) == {"name": "a"}


def test_classes_that_are_no_models(registry: ig.Registry) -> None:
    """Other attrs classes and dataclasses have plain forms, too, as cattrs makes them."""
    old = Old(NOW, Plain(5))
    assert registry.unstructure(old) == {"at": NOW.isoformat(), "plain": {"x": 5}}
    assert by_json(registry, old, Old) == old
    assert registry.structure(old, Old) is old


def test_an_object_of_an_unknown_type(registry: ig.Registry, codecs: Codecs) -> None:
    """An object of a type that the program has no class for is a dict of its fields."""

    @registry.model
    class Person:
        name: str
        at: date = date(2024, 1, 2)

    out = bytearray()
    registry.spec(Person).encode(codecs, out, Person("a"))
    stranger = mapping_codecs()
    for each in codecs.unannounced:
        stranger.known.learn(each)
    found, _ = stranger.decoders[out[0]](stranger, bytes(out), 1)
    assert isinstance(found, BinaryObject)
    assert registry.unstructure([found]) == [{"name": "a", "at": "2024-01-02"}]


def test_the_default_registry() -> None:
    """ig.unstructure and ig.structure take the default registry, or the one that they are given."""
    mine = ig.Registry()

    @mine.model
    class Mine:
        x: date

    assert ig.structure(ig.unstructure(Mine(date(2024, 1, 2)), registry=mine), Mine, registry=mine) == Mine(
        date(2024, 1, 2)
    )
    assert ig.structure(json.loads(json.dumps(ig.unstructure(Old(NOW)))), Old) == Old(NOW)


def test_the_registry_of_a_model() -> None:
    """A model of another registry need not be told of which; that one may be gone, and the class works on."""
    mine = ig.Registry()
    mine.converter.register_unstructure_hook(Money, cents_of)
    mine.converter.register_structure_hook(Money, lambda cents, _: Money(cents))

    @mine.model
    class Bill:
        id: int = ig.key()
        part: int = ig.key()
        total: Money

    bill = Bill(1, 2, Money(5))
    assert ig.unstructure(bill) == {"id": 1, "part": 2, "total": 5}
    assert ig.structure({"id": 1, "part": 2, "total": 5}, Bill) == bill
    assert ig.key_class(Bill)(1, 2) == ig.key_class(Bill, registry=mine)(1, 2)
    del mine
    gc.collect()
    with pytest.raises(EncodeTypeError, match="Money"):
        ig.unstructure(bill)
    other = ig.Registry()
    other.converter.register_unstructure_hook(Money, cents_of)
    other.converter.register_structure_hook(Money, lambda cents, _: Money(cents))
    other.model(Bill)
    assert ig.unstructure(bill) == {"id": 1, "part": 2, "total": 5}


def test_cattrs_is_loaded_when_it_is_needed() -> None:
    """A program whose models need no hooks and no plain values does not load cattrs."""
    code = (
        "import sys, ignitemap as ig\n"
        "@ig.model\n"
        "class A: x: int\n"
        "assert 'cattrs' not in sys.modules\n"
        "ig.unstructure(A(1))\n"
        "assert 'cattrs' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("plain", "hint", "message"),
    [
        ("5", int, "expected int, got a Python str"),
        (True, int, "expected int, got a Python bool"),
        (1.0, int, "expected int, got a Python float"),
        (1, bool, "expected bool, got a Python int"),
        ("1", float, "expected float, got a Python str"),
        (True, float, "expected float, got a Python bool"),
        (5, str, "expected str, got a Python int"),
        (None, int, "expected int, got a Python NoneType"),
        (5, type(None), "expected null, got a Python int"),
        ("!", bytes, "expected bytes in base64"),
        ("x", Decimal, "expected a Decimal, got other text"),
        (True, Decimal, "expected Decimal, got a Python bool"),
        ("x", UUID, "expected a UUID, got other text"),
        (5, UUID, "expected str, got a Python int"),
        ("x", datetime, "expected a datetime, got other text"),
        ("2024-13-01", date, "expected a date, got other text"),
        ("25:00", time, "expected a time, got other text"),
        ("P", timedelta, "expected a timedelta, got other text"),
        ("P1DT", timedelta, "expected a timedelta, got other text"),
        ("P9999999999D", timedelta, "expected a timedelta, got other text"),
        (3, Color, "Color has no member of that value"),
        (None, Color, "Color has no member of that value"),
        (5, Callable[[], int], "Callable has no structure hook in the registry's converter"),
        (5, "Nobody", "Nobody has no structure hook in the registry's converter"),
        (True, Color, "Color has no member of that value"),
        ("NOWHERE", Place, "Place has no member of that name"),
        ("c", Literal["a", "b"], "expected one of the choices of a Literal"),
        ({"a": 1}, list[int], "expected list, got a Python dict"),
        ("ab", list[str], "expected list, got a Python str"),
        ([1, 1], set[int], "an element occurs twice"),
        ([1, "a"], list[int], r"[1]: expected int, got a Python str"),
        ([1], tuple[int, int], "expected 2 items, got 1"),
        ([1, "a"], tuple[int, int], "[1]: expected int, got a Python str"),
        ([], dict[str, int], None),
        ([[1]], dict[int, int], "expected pairs of key and value"),
        (5, dict[str, int], "expected dict, got a Python int"),
        ({"x": 1}, dict[int, int], "key: expected int, got a Python str"),
        ({"a": "b"}, dict[str, int], "value: expected int, got a Python str"),
        ([["a", 1], ["a", 2]], dict[str, int], "a key occurs twice"),
        (5, Plain, "expected dict, got a Python int"),
        ({"x": 1}, complex, "complex has no structure hook in the registry's converter"),
        (b"", str | int, "expected str or int, named by '_type'"),
        (None, str | int, "expected str or int, got a Python NoneType"),
    ],
)  # fmt: skip
def test_what_does_not_fit(registry: ig.Registry, plain: Any, hint: Any, message: str | None) -> None:
    """What a hint does not take is a StructureError, and a ValueError, that holds no value."""
    if message is None:
        assert registry.structure(plain, hint) == {}
        return
    with pytest.raises(StructureError) as caught:
        registry.structure(plain, hint)
    assert str(caught.value) == caught.value.message == message
    assert isinstance(caught.value, ValueError)
    assert pickle.loads(pickle.dumps(caught.value)).path == caught.value.path


def test_errors_name_the_path(registry: ig.Registry) -> None:
    """The path of an error leads through models and containers."""

    @registry.model
    class Address:
        street: str
        zip: int = 0

    @registry.model(unknown_fields="forbid")
    class Person:
        name: str
        homes: list[Address] = ig.field(factory=list)
        named: dict[str, Address] = ig.field(factory=dict)
        age: int = ig.field(default=0, validator=attrs.validators.ge(0))

    cases: list[tuple[Any, str, str]] = [
        ({}, "name", "name: it is missing"),
        ({"name": 5}, "name", "name: expected str, got a Python int"),
        ({"name": "a", "homes": [{"street": "x"}, {}]}, "homes[1].street", "homes[1].street: it is missing"),
        (
            {"name": "a", "named": {"b": {"street": "x", "zip": "5"}}},
            "named.value.zip",
            "named.value.zip: expected int, got a Python str",
        ),
        ({"name": "a", "age": -1}, "", "Person refused it: ValueError"),
        ({"name": "a", "nick": "b"}, "", "Person has no such field as one of those given"),
    ]
    for plain, path, message in cases:
        with pytest.raises(StructureError) as caught:
            registry.structure(plain, Person)
        assert (caught.value.path, str(caught.value)) == (path, message)


def test_what_has_no_plain_form(registry: ig.Registry) -> None:
    """A value of a class that nothing is known of is an EncodeError with its path; so is one that holds itself."""

    @registry.model
    class Holder:
        thing: Any
        inner: "Holder | None" = None

    with pytest.raises(EncodeTypeError, match=r"^no plain form for a Python builtins\.complex: register an unstr"):
        registry.unstructure([1j])
    union = registry.model(attrs.make_class("Union", {"x": attrs.field(type=int | str)}))
    assert registry.unstructure(union(b"a")) == {"x": "YQ=="}  # what a validator should have refused
    with pytest.raises(EncodeTypeError, match="no plain form"):
        registry.unstructure(attrs.make_class("Odd", {"x": attrs.field(type=Callable[[], int])})(print))
    with pytest.raises(EncodeTypeError, match=r"^Holder\.inner: Holder\.thing: no plain form") as caught:
        registry.unstructure(Holder(1, Holder(1j)))
    assert caught.value.path == "inner.thing"
    circle = Holder(1)
    circle.inner = circle
    with pytest.raises(EncodeValueError, match="holds itself"):
        registry.unstructure(circle)


def test_a_forward_reference_that_nobody_resolves(registry: ig.Registry) -> None:
    """A name that nobody defines is a ModelError here, too."""

    @registry.model
    class Lonely:
        friend: "Nobody | None" = None  # type: ignore[name-defined]  # noqa: F821

    for work in (lambda: registry.unstructure(Lonely()), lambda: registry.structure([{}], list[Lonely])):
        with pytest.raises(ig.ModelError, match="Nobody"):
            work()


# --- hooks ------------------------------------------------------------------------------------------------------------


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.cents == other.cents

    def __hash__(self) -> int:
        return hash(self.cents)


def cents_of(money: Money) -> int:
    return money.cents


def test_paths_and_addresses(registry: ig.Registry, codecs: Codecs) -> None:
    """Paths and IP addresses are stored as text, in fields, lists, unions, and as keys."""

    @registry.model
    class Host:
        path: Path = ig.key()
        address: ipaddress.IPv4Address | None
        addresses: list[ipaddress.IPv6Address] = ig.field(factory=list)
        networks: dict[ipaddress.IPv4Network, PurePosixPath] = ig.field(factory=dict)
        either: int | Path = 5
        both: set[ipaddress.IPv4Interface] = ig.field(factory=set)

    host = Host(
        Path("/etc"),
        ipaddress.IPv4Address("10.0.0.1"),
        [ipaddress.IPv6Address("::1")],
        {ipaddress.IPv4Network("10.0.0.0/8"): PurePosixPath("/x")},
        Path("a"),
        {ipaddress.IPv4Interface("10.0.0.1/8")},
    )
    assert stored(registry, codecs, host, Host) == host
    assert stored(registry, codecs, ig.evolve(host, either=7, address=None), Host).either == 7
    model = registry.find(Host)
    assert model is not None
    assert [(field.spec.java, field.spec.code) for field in model.schema.fields[:2]] == [("java.lang.String", 9)] * 2
    with pytest.raises(EncodeTypeError, match=r"^Host\.path: expected Path, got a Python str$"):
        stored(registry, codecs, ig.evolve(host, path="/etc"), Host)
    with pytest.raises(EncodeTypeError, match=r"^Host\.either: expected long or Path, got a Python str$"):
        stored(registry, codecs, ig.evolve(host, either="/etc"), Host)


def test_what_a_hook_gives_is_what_is_stored(registry: ig.Registry, codecs: Codecs) -> None:
    """The return annotation of an unstructure hook, or the class that it is, says as which type its values are stored."""
    hooks: list[tuple[Any, str | None, int]] = [
        (cents_of, "java.lang.Long", 4),
        (lambda money: money.cents, None, 103),
    ]
    for hook, java, code in hooks:
        mine = ig.Registry()
        mine.converter.register_unstructure_hook(Money, hook)
        mine.converter.register_structure_hook(Money, lambda cents, _: Money(cents))

        @mine.model(type_name="Bill")
        class Bill:
            total: Money
            parts: list[Money] = ig.field(factory=list)
            tip: Money | None = None

        bill = Bill(Money(5), [Money(6)], Money(7))
        assert stored(mine, mapping_codecs(resolver=mine), bill, Bill) == bill
        assert by_json(mine, bill, Bill) == bill
        assert (mine.spec(Money).java, mine.spec(Money).code) == (java, code)
        assert mine.spec(Money).hashable

    def unreadable(money: "Nobody") -> "Nobody":  # type: ignore[name-defined]  # noqa: F821
        return money.cents

    odd = ig.Registry()
    odd.converter.register_unstructure_hook(Money, unreadable)
    odd.converter.register_structure_hook(Money, lambda cents, _: Money(cents))
    assert odd.spec(Money).code == 103
    registry.converter.register_unstructure_hook(complex, str)
    registry.converter.register_structure_hook(complex, lambda text, _: complex(text))
    assert registry.spec(complex).java == "java.lang.String"
    assert stored(registry, codecs, [1j], list[complex]) == [1j]


def test_hooks_for_structures(registry: ig.Registry, codecs: Codecs) -> None:
    """A hook may give what is nested, models too; and hooks may be made by factories, for generic classes."""

    @registry.model
    class Amount:
        cents: int

    class Wrapped(Generic[T]):
        def __init__(self, items: list[T]) -> None:
            self.items = items

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Wrapped) and self.items == other.items

    def as_amount(money: Money) -> Amount:
        return Amount(money.cents)

    registry.converter.register_unstructure_hook(Money, as_amount)
    registry.converter.register_structure_hook(Money, lambda amount, _: Money(amount.cents))
    registry.converter.register_unstructure_hook_func(lambda hint: hint == Wrapped[int], lambda value: value.items)
    registry.converter.register_structure_hook_func(
        lambda hint: hint == Wrapped[int], lambda items, _: Wrapped[int](items)
    )
    assert stored(registry, codecs, [Money(5)], list[Money]) == [Money(5)]
    assert stored(registry, codecs, [Wrapped([1, 2])], list[Wrapped[int]]) == [Wrapped([1, 2])]
    with pytest.raises(EncodeTypeError):
        stored(registry, codecs, [[1]], list[Wrapped[int]])


def test_hooks_that_fail(registry: ig.Registry, codecs: Codecs) -> None:
    """Whatever a hook raises becomes an EncodeError, a DecodeError or a StructureError that has it as its cause."""

    def fail(*args: Any) -> Any:
        raise LookupError("mine")

    registry.converter.register_unstructure_hook(Money, fail)
    registry.converter.register_structure_hook(Money, fail)
    bill = registry.model(attrs.make_class("Bill", {"total": attrs.field(type=Money)}))
    with pytest.raises(EncodeValueError, match=r"^Bill\.total: the unstructure hook of Money raised Look") as encode:
        stored(registry, codecs, bill(Money(5)), bill)
    assert isinstance(encode.value.__cause__, LookupError)
    with pytest.raises(DecodeError, match="the structure hook of Money raised LookupError") as decode:
        registry.spec(Money).decode(codecs, b"\x65", 0)
    assert isinstance(decode.value.__cause__, LookupError)
    with pytest.raises(StructureError, match=r"^total: a hook raised LookupError$") as structure:
        registry.structure({"total": 5}, bill)
    assert isinstance(structure.value.__cause__, LookupError)
    with pytest.raises(StructureError, match=r"^a hook raised LookupError$"):
        registry.structure(5, Money)
    registry.converter.register_unstructure_hook(complex, lambda value: value)
    registry.converter.register_structure_hook(complex, lambda value, _: value)
    with pytest.raises(EncodeTypeError, match="gives nothing that Ignite holds"):
        stored(registry, codecs, 1j, complex)


def test_hooks_that_are_missing(registry: ig.Registry) -> None:
    """A class without hooks, or with one of the two, is a ModelError that says what to register."""
    with pytest.raises(ig.ModelError, match=r"Bill\.total: .*Money is nothing .* register_unstructure_hook and"):
        registry.model(attrs.make_class("Bill", {"total": attrs.field(type=Money)}))
    registry.converter.register_unstructure_hook(Money, cents_of)
    with pytest.raises(ig.ModelError, match=r"Bill\.total: Money has no structure hook"):
        registry.model(attrs.make_class("Bill", {"total": attrs.field(type=Money)}))
    other = ig.Registry()
    other.converter.register_structure_hook(Money, lambda cents, _: Money(cents))
    with pytest.raises(ig.ModelError, match=r"the type\[0\]: Money has no unstructure hook"):
        other.spec(list[Money])
    third = ig.Registry()

    def odd(money: Money) -> complex:
        return complex(money.cents)

    third.converter.register_unstructure_hook(Money, odd)
    third.converter.register_structure_hook(Money, lambda cents, _: Money(cents))
    with pytest.raises(ig.ModelError, match=r"Bill\.total: .*complex is nothing that Ignite holds"):
        third.model(attrs.make_class("Bill", {"total": attrs.field(type=Money)}))


def test_a_users_hook_comes_first(registry: ig.Registry, codecs: Codecs) -> None:
    """A hook for a class that has a plain form already replaces it; Ignite has a type for it and does not ask."""
    registry.converter.register_unstructure_hook(datetime, lambda moment: int(moment.timestamp()))
    registry.converter.register_structure_hook(datetime, lambda seconds, _: datetime.fromtimestamp(seconds, UTC))

    @registry.model
    class Event:
        at: datetime

    event = Event(datetime(2024, 1, 2, tzinfo=UTC))
    assert registry.unstructure(event) == {"at": 1704153600}
    assert by_json(registry, event, Event) == event
    assert stored(registry, codecs, Event(NOW), Event) == Event(NOW)


def test_hooks_of_two_registries(registry: ig.Registry) -> None:
    """A hook belongs to the registry whose converter it was registered with."""
    registry.converter.register_unstructure_hook(Money, cents_of)
    registry.converter.register_structure_hook(Money, lambda cents, _: Money(cents))
    assert registry.spec(Money).name == "Money"
    with pytest.raises(ig.ModelError):
        ig.Registry().spec(Money)
    assert registry.converter is registry.converter
