"""Generic models: one Ignite type for each set of arguments."""

import dataclasses
from datetime import date
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, TypeVarTuple

import attrs
import pytest
from typing_extensions import TypeAliasType

import ignitemap as ig
from ignitemap.exceptions import EncodeError, EncodeOverflowError, EncodeTypeError
from ignitemap.models.registry import Model
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.types import mapping_codecs

K = TypeVar("K")
T = TypeVar("T")
UserId = NewType("UserId", int)
Numbers = TypeAliasType("Numbers", list[UserId])


@pytest.fixture
def registry() -> ig.Registry:
    return ig.Registry()


@pytest.fixture
def codecs(registry: ig.Registry) -> Codecs:
    return mapping_codecs(resolver=registry)


@pytest.fixture
def box(registry: ig.Registry) -> Any:
    @registry.model(type_name="com.acme.Box", cache="boxes")
    class Box(Generic[T]):
        value: T
        more: list[T] = ig.field(factory=list)
        row: Annotated[list[T], ig.Array] = ig.field(factory=list)
        other: T | None = None

    return Box


def round_trip(registry: ig.Registry, codecs: Codecs, value: Any, hint: Any) -> Any:
    out = bytearray()
    codecs.depth = 0
    registry.spec(hint).encode(codecs, out, value)
    for each in codecs.unannounced:
        codecs.known.learn(each)
    codecs.unannounced.clear()
    found, end = registry.spec(hint).decode(codecs, bytes(out), 0)
    assert end == len(out)
    return found


def model_of(registry: ig.Registry, hint: Any) -> Model:
    model = registry.find(hint)
    assert model is not None
    return model


def test_one_type_for_each_argument(registry: ig.Registry, codecs: Codecs, box: Any) -> None:
    """Every argument makes a type of its own, named after it, whose fields are of that type."""

    @registry.model
    class Address:
        street: str

    values: list[tuple[Any, Any, str]] = [
        (box(5, [6], [7], 8), box[int], "com.acme.Box_long"),
        (box("a", ["b"], ["c"]), box[str], "com.acme.Box_String"),
        (box(b"a"), box[bytes], "com.acme.Box_byte_array"),
        (box(3, [4], [5]), box[ig.Byte], "com.acme.Box_byte"),
        (box(Address("x"), [Address("y")], [Address("z")]), box[Address], "com.acme.Box_Address"),
        (box([1, None]), box[list[int | None]], "com.acme.Box_list_of_long_or_None"),
        (box((1, "a")), box[tuple[int, str]], "com.acme.Box_tuple_of_long_String"),
        (box(box(1)), box[box[int]], "com.acme.Box_Box_long"),
        (box({"a": [box("x")]}), box[dict[str, list[box[str]]]], "com.acme.Box_dict_of_String_to_list_of_Box"),
    ]
    for value, hint, name in values:
        assert model_of(registry, hint).type_name == name
        assert round_trip(registry, codecs, value, hint) == value
        assert round_trip(registry, codecs, [value], list[hint]) == [value]
    assert model_of(registry, box[int]).options.cache == "boxes_long"
    assert [field.spec.java for field in model_of(registry, box[int]).schema.fields[:1]] == ["java.lang.Long"]
    with pytest.raises(EncodeTypeError, match=r"^Box\.value: expected long, got a Python str$"):
        round_trip(registry, codecs, box("x"), box[int])
    with pytest.raises(EncodeOverflowError, match=r"^Box\.row: "):
        round_trip(registry, codecs, box(1, [], [200]), box[ig.Byte])


def test_hints_that_are_one_type(registry: ig.Registry, box: Any) -> None:
    """Arguments that are the same to Ignite make the same type, whatever they are called."""
    same: list[list[Any]] = [
        [box[int], box[UserId], box[ig.Long], box[Annotated[int, "a note"]]],
        [box[str], box[Literal["a", "b"]]],
        [box[list[int]], box[list[UserId]], box[Numbers]],
        [box[int | None], box[Optional[UserId]]],  # noqa: UP045 - people write it
        [box[Annotated[list[UserId], ig.Array]], box[Annotated[list[int], ig.Array, "a note"]]],
    ]
    found = [{id(model_of(registry, hint)) for hint in hints} for hints in same]
    assert [len(ids) for ids in found] == [1] * len(same)
    assert len(set.union(*found)) == len(same)


def test_a_name_for_one_set_of_arguments(registry: ig.Registry, codecs: Codecs, box: Any) -> None:
    """ig.model names the type of certain arguments, say as the Java class that they are."""
    hint = ig.model(registry=registry, type_name="com.acme.IntBox", cache="ints")(box[ig.Int])
    assert hint == box[ig.Int]
    assert model_of(registry, hint).type_name == "com.acme.IntBox"
    assert round_trip(registry, codecs, box(5), hint) == box(5)
    assert model_of(registry, box[str]).type_name == "com.acme.Box_String"
    registry.model(type_name="com.acme.TextBox")(box[str])
    assert model_of(registry, box[str]).type_name == "com.acme.TextBox"


def test_names_that_clash(registry: ig.Registry, box: Any) -> None:
    """Arguments of one name are a ModelError that says how to name them apart."""
    registry.find(box[registry.model(type_name="a.Point")(attrs.make_class("Point", {}))])
    other = registry.model(type_name="b.Point")(attrs.make_class("Point", {}))
    with pytest.raises(ig.ModelError, match=r"would both be named com\.acme\.Box_Point: name one of them"):
        registry.spec(box[other])
    assert registry.find(ig.model(registry=registry, type_name="b.PointBox")(box[other])) is not None


def test_unbound_parameters(registry: ig.Registry, codecs: Codecs, box: Any) -> None:
    """A generic model without its arguments, or with another's parameter, is a ModelError where it is written."""
    with pytest.raises(ig.ModelError, match=r"Holder\.box: Box is generic: say of what, such as Box\[int\]"):
        registry.model(attrs.make_class("Holder", {"box": attrs.field(type=box)}))
    with pytest.raises(ig.ModelError, match=r"Holder\.box: the type parameter ~K is unbound"):
        registry.model(attrs.make_class("Holder", {"box": attrs.field(type=box[K])}))
    with pytest.raises(ig.ModelError, match=r"Bare\.value: the type parameter ~T is unbound"):

        @registry.model
        class Bare(box):
            pass

    with pytest.raises(ig.ModelError, match="value type: Box is generic"):
        registry.spec(box, path="the value type")
    assert registry.find(box) is None
    for hint in (Any, list):
        with pytest.raises(EncodeTypeError, match=r"Box is generic: declare of what, such as Box\[int\]"):
            round_trip(registry, codecs, [box(1)], hint)


@pytest.mark.parametrize("argument", [complex, list[complex], dict[str, type]])
def test_arguments_that_ignite_has_not(registry: ig.Registry, box: Any, argument: Any) -> None:
    """An argument that is nothing to Ignite is a ModelError with the path of the field."""
    with pytest.raises(ig.ModelError, match=r"Holder\.box.* is nothing that Ignite holds"):
        registry.model(attrs.make_class("Holder", {"box": attrs.field(type=list[box[argument]])}))


def test_what_does_not_fit_the_class(registry: ig.Registry) -> None:
    """An argument that the class itself can't take is a ModelError, and leaves nothing behind."""

    @registry.model
    class Bag(Generic[T]):
        items: set[T]

    for _ in range(2):
        with pytest.raises(ig.ModelError, match="cannot hash"):
            registry.spec(Bag[list[int]])
    assert registry.spec(Bag[int]).name == "Bag"


def test_a_generic_class_is_checked_at_once(registry: ig.Registry) -> None:
    """What is wrong with a generic class whatever its arguments are, shows where it is defined."""
    with pytest.raises(ig.ModelError, match=r"Wrong\.other: builtins\.complex"):

        @registry.model
        class Wrong(Generic[T]):
            value: T
            other: complex

    with pytest.raises(ig.ModelError, match="both named Twice"):
        for name in ("One", "Two"):
            registry.model(type_name="Twice")(dataclasses.make_dataclass(name, [("x", T)], bases=(Generic[T],)))


def test_parameters_that_are_no_types(registry: ig.Registry) -> None:
    """A parameter that stands for no type, or for any number of them, is a ModelError."""
    many = TypeVarTuple("many")

    class Row(Generic[*many]):  # type: ignore[misc]
        cells: tuple[*many]  # type: ignore[valid-type]

    with pytest.raises(ig.ModelError, match=r"Row: .*many is no TypeVar"):
        registry.model(Row)
    with pytest.raises(ig.ModelError, match=r"Pair\.cells: .*many is no TypeVar"):
        registry.model(type("Pair", (attrs.define(Row),), {}))


def test_a_generic_class_that_names_itself(registry: ig.Registry, codecs: Codecs) -> None:
    """A generic model may refer to itself, and to one that is defined later."""

    @registry.model
    class Node(Generic[T]):
        value: T
        next: "Node[T] | None" = None
        leaves: "list[Leaf[T]]" = ig.field(factory=list)

    @registry.model
    class Leaf(Generic[T]):
        value: T

    node: Any = Node(1, Node(2, None, [Leaf(3)]), [Leaf(4)])
    assert round_trip(registry, codecs, node, Node[int]) == node


def test_bases_that_are_generic(registry: ig.Registry, codecs: Codecs) -> None:
    """Fields of a generic base have the types that the derived class gives it, through any number of classes."""

    @registry.model
    class Base(Generic[K, T]):
        id: K = ig.key()
        items: list[T] = ig.field(factory=list)

    @registry.model
    class Middle(Base[int, T], Generic[T]):
        first: T | None = None

    @registry.model
    class Leaf(Middle[date]):
        note: str = ""

    leaf = Leaf(1, [date(2024, 1, 2)], date(2024, 1, 3), "x")
    assert round_trip(registry, codecs, leaf, Leaf) == leaf
    entry = model_of(registry, Leaf)
    assert entry.type_name == "Leaf"
    assert entry.key_spec() is registry.spec(int)
    middle: Any = Middle(1, ["a"], "b")
    assert round_trip(registry, codecs, middle, Middle[str]) == middle
    with pytest.raises(EncodeError, match=r"Leaf\.items"):
        round_trip(registry, codecs, Leaf(1, ["x"]), Leaf)  # type: ignore[list-item]


def test_keys_of_generic_models(registry: ig.Registry, codecs: Codecs) -> None:
    """Key fields of a generic model make a key class for each set of arguments."""

    @registry.model
    class Cell(Generic[K, T]):
        row: K = ig.key()
        column: ig.Int = ig.key()
        value: T

    model, other = model_of(registry, Cell[str, int]), model_of(registry, Cell[int, int])
    assert model.key_model is not None
    assert other.key_model is not None
    assert model.key_model.type_name == "Cell_String_longKey"
    assert model.key_of(Cell("a", 1, 5)) == ig.key_class(Cell[str, int], registry=registry)("a", 1)
    key_spec = other.key_spec()
    assert key_spec is not None
    with pytest.raises(EncodeError):
        key_spec.encode(codecs, bytearray(), ("a", 1))


def test_classes_that_are_decorated_already(registry: ig.Registry, codecs: Codecs) -> None:
    """A generic dataclass or attrs class is a generic model as well."""

    @registry.model
    @dataclasses.dataclass(frozen=True)
    class Pair(Generic[K, T]):
        left: K
        right: T

    @registry.model
    @attrs.frozen
    class Cover(Generic[T]):
        pair: Pair[int, T]

    cover: Any = Cover(Pair(1, "a"))
    assert round_trip(registry, codecs, cover, Cover[str]) == cover
    assert hash(cover) == hash(round_trip(registry, codecs, cover, Cover[str]))


def test_unions_with_generic_models(registry: ig.Registry, codecs: Codecs, box: Any) -> None:
    """One generic model may be in a union; two of the same class can't be told apart when they are written."""

    @registry.model
    class Cat:
        name: str

    for value in (box(1), Cat("a"), 5, None):
        assert (
            round_trip(
                registry, codecs, value, box[str] | Cat | int | None if value == 5 else box[int] | Cat | int | None
            )
            == value
        )
    with pytest.raises(ig.ModelError, match="told apart"):
        registry.spec(box[int] | box[str])


def test_a_generic_class_defined_again(registry: ig.Registry, codecs: Codecs) -> None:
    """A generic class that is defined again at the same place replaces the first one, with all of its arguments."""

    def define(default: int) -> Any:
        @registry.model
        class Cell(Generic[T]):
            value: T
            more: int = default

        return Cell

    first = define(1)
    assert round_trip(registry, codecs, first(5), first[int]).more == 1
    second = define(2)
    assert round_trip(registry, codecs, second("x"), second[str]).more == 2
    assert type(round_trip(registry, codecs, second(5), second[int])) is second
    with pytest.raises(EncodeTypeError):
        round_trip(registry, codecs, first(5), second[int])
    assert registry.find(first[int]) is None
