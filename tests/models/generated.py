"""Any model: classes of random hints, nested to any depth, and random objects of them.

A `Form` is one hint with its values, and how Java tells them (see tests/interop/literals.py). All comes from one
`random.Random`, so that a seed names a class and its objects.
"""

import dataclasses
import enum
import ipaddress
import string
from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from random import Random
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import attrs
from typing_extensions import TypeAliasType

import ignitemap as ig
from ignitemap.models.registry import Registry
from tests.interop.literals import (
    array_literal,
    char_literal,
    collection_literal,
    date_literal,
    decimal_literal,
    double_literal,
    float_bits,
    map_literal,
    numbers_literal,
    text_literal,
    time_literal,
    timestamp_literal,
)

__all__ = ["Form", "Made", "Maker", "object_literal"]

T = TypeVar("T")
UserId = NewType("UserId", int)
Names = TypeAliasType("Names", list[str])
MICROSECOND = timedelta(microseconds=1)


class Money:
    """A class that only hooks know."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.cents == other.cents

    def __hash__(self) -> int:
        return hash(self.cents)

    def __repr__(self) -> str:
        return f"Money({self.cents})"


def cents_of(money: Money) -> int:
    return money.cents


@attrs.frozen(eq=False)
class Form:
    """A hint, random values of it, and the literal that Java has for each."""

    hint: Any
    make: Callable[[Random], Any]
    literal: Callable[[Any], str]
    hashable: bool = True
    mark: Any = None
    """What it is told by in a union: the class of its values. None where it can't be in one."""
    component: str = "object"
    """What Java's array of it is one of."""


@attrs.frozen(eq=False)
class Made:
    """A class that was made, and the forms of its fields by name."""

    hint: Any
    cls: type[Any]
    type_name: str
    forms: dict[str, Form]

    def object(self, random: Random) -> Any:
        """A random object of the class."""
        return self.cls(**{name: form.make(random) for name, form in self.forms.items()})

    def literal(self, value: Any, names: Sequence[str] | None = None) -> str:
        """What Java tells of an object; ``names`` are the fields that are in its bytes."""
        fields = {name: self.forms[name].literal(getattr(value, name)) for name in names or self.forms}
        return object_literal(self.type_name, fields)


def object_literal(type_name: str, fields: dict[str, str]) -> str:
    parts = [f"{name} {fields[name]}" for name in sorted(fields)]
    return " ".join(["object", type_name, str(len(parts)), *parts])


# --- leaves -----------------------------------------------------------------------------------------------------------


def _integer(bits: int) -> Callable[[Random], int]:
    edges = [0, 1, -1, (1 << bits - 1) - 1, -(1 << bits - 1)]
    return lambda random: random.choice(edges) if random.random() < 0.2 else random.getrandbits(bits) - (1 << bits - 1)


def _float(random: Random) -> float:
    return random.choice([0.0, -0.0, 1.5, 1e300, -1e-300, float("inf"), random.uniform(-1e6, 1e6)])


def _single(random: Random) -> float:
    return array("f", [random.choice([0.0, 0.5, -1e30, random.uniform(-1e6, 1e6)])])[0]


def _text(random: Random) -> str:
    letters = random.choice([string.ascii_letters, "äß€\0", "😀𝄞z", string.printable])
    return "".join(random.choices(letters, k=random.choice([0, 1, 3, 12])))


def _decimal(random: Random) -> Decimal:
    digits = random.getrandbits(random.choice([1, 8, 64, 200]))
    return Decimal(digits).scaleb(random.randint(-60, 20)).copy_abs() * random.choice([1, 1 if not digits else -1])


def _moment(random: Random) -> datetime:
    start = datetime(1, 1, 2, tzinfo=UTC) if random.random() < 0.1 else datetime(1960, 1, 1, tzinfo=UTC)
    return start + timedelta(days=random.randrange(60_000), microseconds=random.randrange(86_400_000_000))


def _date(random: Random) -> date:
    return date.fromordinal(random.randint(1, date.max.toordinal()))


def _time(random: Random) -> time:
    millis = random.randrange(86_400_000)
    return (datetime(2000, 1, 1) + timedelta(milliseconds=millis)).time()  # noqa: DTZ001 - a time has no zone


def _took(random: Random) -> timedelta:
    return timedelta(milliseconds=random.randint(-(10**12), 10**12))


def _uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128))


def _long_literal(value: int) -> str:
    return f"long {int(value)}"


def _bool_literal(value: bool) -> str:
    return f"bool {value}".lower()


def _bytes_literal(value: bytes) -> str:
    return f"byte[] x{value.hex()}"


LEAVES: list[Form] = [
    Form(int, _integer(64), _long_literal, mark=int, component="long"),
    Form(ig.Long, _integer(64), _long_literal, component="long"),
    Form(ig.Int, _integer(32), lambda value: f"int {value}", component="int"),
    Form(ig.Short, _integer(16), lambda value: f"short {value}", component="short"),
    Form(ig.Byte, _integer(8), lambda value: f"byte {value}", component="byte"),
    Form(UserId, _integer(64), _long_literal, component="long"),
    Form(Annotated[int, "a note"], _integer(64), _long_literal, component="long"),
    Form(float, _float, double_literal, mark=float, component="double"),
    Form(ig.Float, _single, lambda value: f"float {float_bits(value)}", component="float"),
    Form(bool, lambda random: random.random() < 0.5, _bool_literal, mark=bool, component="bool"),
    Form(str, _text, text_literal, mark=str, component="text"),
    Form(ig.Char, lambda random: random.choice("aß€\0"), char_literal, component="char"),
    Form(Literal["a", "b"], lambda random: random.choice("ab"), text_literal, component="text"),
    Form(bytes, lambda random: random.randbytes(random.choice([0, 1, 20])), _bytes_literal, mark=bytes),
    Form(Decimal, _decimal, decimal_literal, mark=Decimal, component="decimal"),
    Form(datetime, _moment, timestamp_literal, mark=datetime, component="timestamp"),
    Form(date, _date, date_literal, mark=date, component="date"),
    Form(time, _time, time_literal, mark=time, component="time"),
    Form(timedelta, _took, lambda value: f"long {value // timedelta(milliseconds=1)}"),
    Form(UUID, _uuid, lambda value: f"uuid {value}", mark=UUID, component="uuid"),
    Form(
        PurePosixPath,
        lambda random: PurePosixPath("/", "".join(random.choices("ab/", k=5))),
        lambda value: text_literal(str(value)),
        component="text",
    ),
    Form(
        ipaddress.IPv4Address,
        lambda random: ipaddress.IPv4Address(random.getrandbits(32)),
        lambda value: text_literal(str(value)),
        component="text",
    ),
    Form(
        ipaddress.IPv6Network,
        lambda random: ipaddress.IPv6Network((random.getrandbits(64) << 64, 64)),
        lambda value: text_literal(str(value)),
        component="text",
    ),
    Form(Money, lambda random: Money(_integer(64)(random)), lambda value: f"long {value.cents}"),
]

PRIMITIVES = {"long", "int", "short", "float", "double", "char", "bool"}
TYPED = {"text", "uuid", "decimal", "date", "timestamp", "time"}


# --- everything else --------------------------------------------------------------------------------------------------


class Maker:
    """Makes classes, which it registers everywhere, and their objects.

    Without ``untyped`` every hint says all of what its values are.
    """

    def __init__(self, seed: object, prefix: str, *registries: Registry, untyped: bool = True) -> None:
        self.random = Random(str(seed))
        self.prefix = prefix
        self.registries = registries
        self._untyped = [self._any, self._packed] if untyped else []
        self._serial = 0
        for registry in registries:
            registry.converter.register_unstructure_hook(Money, cents_of)
            registry.converter.register_structure_hook(Money, lambda cents, _: Money(cents))
        self.enums = [self._enum(enum.Enum), self._enum(enum.IntEnum)]
        self._generic = self._make_generic()

    def name(self) -> str:
        """A type name that is new to the cluster."""
        self._serial += 1
        return f"{self.prefix}_{self._serial}"

    def model(self, depth: int = 4, *, fields: int | None = None) -> Made:
        """A new class whose hints nest down to ``depth``."""
        count = self.random.randint(0, 7) if fields is None else fields
        forms = {f"f{index}": self.form(depth - 1) for index in range(count)}
        return self.define(self.name(), forms)

    def define(self, type_name: str, forms: dict[str, Form]) -> Made:
        """A model of these fields: an attrs class, frozen or not, or a dataclass."""
        cls: Any
        kind = self.random.choice(["define", "frozen", "kw_only", "dataclass"])
        if kind == "dataclass":
            cls = dataclasses.make_dataclass("Data", [(name, form.hint) for name, form in forms.items()])
        else:
            attributes = {name: attrs.field(type=form.hint) for name, form in forms.items()}
            cls = attrs.make_class("Attrs", attributes, frozen=kind == "frozen", kw_only=kind == "kw_only", slots=True)
        for registry in self.registries:
            registry.model(type_name=type_name)(cls)
        return Made(cls, cls, type_name, forms)

    def form(self, depth: int) -> Form:
        """A random hint that nests down to ``depth``."""
        random = self.random
        if depth <= 0 or random.random() < 0.3:
            return random.choice([*LEAVES, *self.enums])
        return random.choice(
            [
                self._optional,
                self._list,
                self._list,
                self._tuple,
                self._shape,
                self._set,
                self._dict,
                self._union,
                self._array,
                self._model,
                self._model,
                self._box,
                *self._untyped,
            ]
        )(depth - 1)

    def _hashable(self, depth: int) -> Form:
        random = self.random
        if depth <= 0 or random.random() < 0.6:
            return random.choice([*LEAVES, *self.enums])
        inner = self._hashable(depth - 1)
        if random.random() < 0.5:
            return self._tuple_of(inner)
        return self._set_of(inner, frozenset)

    def _enum(self, base: type[enum.Enum]) -> Form:
        names = self.random.sample(string.ascii_uppercase, 4)
        cls: Any = base(f"Choice{self._serial}", {name: index * 3 for index, name in enumerate(names)})
        type_name = self.name()
        for registry in self.registries:
            registry.enum(type_name=type_name)(cls)
        members = list(cls)
        return Form(
            cls,
            lambda random: random.choice(members),
            lambda value: f"enum {type_name} {value.name}",
            mark=cls,
        )

    def _optional(self, depth: int) -> Form:
        inner = self.form(depth)
        return Form(
            inner.hint | None,
            lambda random: None if random.random() < 0.3 else inner.make(random),
            lambda value: "null" if value is None else inner.literal(value),
            hashable=inner.hashable,
            component=inner.component if inner.component in TYPED else "object",
        )

    def _list(self, depth: int) -> Form:
        if self.random.random() < 0.05:
            texts = LEAVES[10]
            return Form(
                Names,
                lambda random: [texts.make(random) for _ in range(2)],
                lambda value: collection_literal("ArrayList", texts.literal, value),
                hashable=False,
            )
        inner = self.form(depth)
        return Form(
            list[inner.hint],  # type: ignore[name-defined]
            lambda random: [inner.make(random) for _ in range(random.choice([0, 1, 3]))],
            lambda value: collection_literal("ArrayList", inner.literal, value),
            hashable=False,
        )

    def _tuple(self, depth: int) -> Form:
        return self._tuple_of(self.form(depth))

    def _tuple_of(self, inner: Form) -> Form:
        return Form(
            tuple[inner.hint, ...],  # type: ignore[name-defined]
            lambda random: tuple(inner.make(random) for _ in range(random.choice([0, 1, 3]))),
            lambda value: collection_literal("object[]", inner.literal, value),
            hashable=inner.hashable,
        )

    def _shape(self, depth: int) -> Form:
        inner = [self.form(depth) for _ in range(self.random.randint(1, 3))]

        def literal(value: tuple[Any, ...]) -> str:
            items = [form.literal(item) for form, item in zip(inner, value, strict=True)]
            return " ".join(["object[]", str(len(items)), *items])

        return Form(
            tuple[tuple(form.hint for form in inner)],  # type: ignore[misc]
            lambda random: tuple(form.make(random) for form in inner),
            literal,
            hashable=all(form.hashable for form in inner),
        )

    def _set(self, depth: int) -> Form:
        return self._set_of(self._hashable(depth), self.random.choice([set, frozenset]))

    def _set_of(self, inner: Form, kind: Any) -> Form:
        java = "HashSet" if kind is set else "LinkedHashSet"

        def literal(value: Any) -> str:
            return " ".join([java, str(len(value)), *sorted(inner.literal(item) for item in value)])

        return Form(
            kind[inner.hint],
            lambda random: kind(inner.make(random) for _ in range(random.choice([0, 1, 3]))),
            literal,
            hashable=kind is frozenset,
        )

    def _dict(self, depth: int) -> Form:
        key, inner = self._hashable(depth), self.form(depth)

        def make(random: Random) -> dict[Any, Any]:
            return {key.make(random): inner.make(random) for _ in range(random.choice([0, 1, 3]))}

        def literal(value: dict[Any, Any]) -> str:
            pairs = [f"{key.literal(each)} {inner.literal(item)}" for each, item in value.items()]
            return " ".join(["LinkedHashMap", str(len(pairs)), *pairs])

        return Form(dict[key.hint, inner.hint], make, literal, hashable=False)  # type: ignore[name-defined]

    def _union(self, depth: int) -> Form:
        some = [form for form in [*LEAVES, *self.enums] if form.mark is not None]
        members = [*self.random.sample(some, 2), self._model(depth)]
        hint = members[0].hint | members[1].hint | members[2].hint
        if self.random.random() < 0.5:
            hint |= None

        def literal(value: Any) -> str:
            return next(form.literal(value) for form in members if form.mark is type(value))

        return Form(
            hint,
            lambda random: random.choice(members).make(random),
            literal,
            hashable=all(form.hashable for form in members),
        )

    def _array(self, depth: int) -> Form:
        inner = self.form(depth)
        component = inner.component

        def literal(value: list[Any]) -> str:
            if component in PRIMITIVES:
                return numbers_literal(component, map(ord, value) if component == "char" else value)
            if component == "byte":
                return f"byte[] x{bytes(each & 255 for each in value).hex()}"
            kind = component if component in TYPED else "object"
            return array_literal(kind, inner.literal, value)

        return Form(
            Annotated[list[inner.hint], ig.Array],  # type: ignore[name-defined]
            lambda random: [inner.make(random) for _ in range(random.choice([0, 1, 3]))],
            literal,
            hashable=False,
        )

    def _any(self, depth: int) -> Form:
        """What is as its class says without a hint."""
        inner = self.random.choice([form for form in LEAVES if form.mark is not None] + self.enums)
        return Form(
            Any,
            lambda random: [inner.make(random), None, {"k": (inner.make(random),)}],
            lambda value: collection_literal("ArrayList", self._literal(inner), value),
            hashable=False,
        )

    def _literal(self, inner: Form) -> Callable[[Any], str]:
        def literal(value: Any) -> str:
            if value is None:
                return "null"
            if isinstance(value, dict):
                return map_literal("LinkedHashMap", literal, value)
            if isinstance(value, tuple):
                return collection_literal("object[]", literal, value)
            return text_literal(value) if value == "k" else inner.literal(value)

        return literal

    def _packed(self, depth: int) -> Form:
        code, component = self.random.choice([("h", "short"), ("i", "int"), ("q", "long"), ("d", "double")])
        return Form(
            array,
            lambda random: array(code, [random.randint(-9, 9) for _ in range(3)]),
            lambda value: numbers_literal(component, value),
            hashable=False,
        )

    def _model(self, depth: int) -> Form:
        made = self.model(depth, fields=self.random.randint(0, 3))
        return Form(made.hint, made.object, made.literal, hashable=False, mark=made.cls)

    def _box(self, depth: int) -> Form:
        """A generic model of anything that has a simple name."""
        inner = self.random.choice([*LEAVES, self._model(depth)])
        cls = self._generic
        hint: Any = cls[inner.hint]
        entries = [registry.find(hint) for registry in self.registries]
        assert entries[0] is not None
        several = Form(
            list[inner.hint],  # type: ignore[name-defined]
            lambda random: [inner.make(random) for _ in range(2)],
            lambda value: collection_literal("ArrayList", inner.literal, value),
        )
        made = Made(hint, cls, entries[0].type_name, {"value": inner, "more": several})
        return Form(hint, made.object, made.literal, hashable=False)

    def _make_generic(self) -> Any:
        @attrs.define
        class Box(Generic[T]):
            value: T
            more: list[T]

        type_name = self.name()
        for registry in self.registries:
            registry.model(type_name=type_name)(Box)
        return Box
