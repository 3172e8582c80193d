"""Names that come from a cluster are only ever data: no code is made of them, and no log line is broken by them."""

import ast
import gc
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ignitemap
from ignitemap.exceptions import DecodeError
from ignitemap.protocol.binary_type import BinaryType, Field
from ignitemap.protocol.codecs import decode_object, encode_object
from ignitemap.protocol.hashing import field_id, schema_id, type_id
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.binary_object import BinaryObject, object_bytes

PACKAGE = Path(ignitemap.__file__).parent
GENERATOR = "protocol/codegen.py"
MAKERS = {"make_class", "make_dataclass", "new_class", "namedtuple", "FunctionType", "CodeType"}
PROGRAMS_OWN = {("models/registry.py", "new_class")}  # the class of a key of several fields, named after the model's
SLOTTED = {"protocol/wire.py"}  # the program's own operations, made again with slots
STORES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "_pickle", "code", "codeop"}


def offences(source: str, name: str) -> Iterator[str]:
    """What in a module could make code or classes of data."""
    for node in ast.walk(ast.parse(source)):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Name(id="exec" | "compile", ctx=ast.Load()) if name != GENERATOR:
                yield f"{where}: {node.id}"
            case ast.Name(id="eval" | "__import__" | "execfile"):
                yield f"{where}: {node.id}"
            case ast.Attribute(attr="exec" | "eval" | "__import__"):
                yield f"{where}: .{node.attr}"
            case ast.Name(id=found) | ast.Attribute(attr=found) | ast.alias(name=found) if found in MAKERS:
                if (name, found) not in PROGRAMS_OWN:
                    yield f"{where}: {found}"
            case (
                ast.Call(func=ast.Name(id="type"), args=[_, _, *_])
                | ast.Call(func=ast.Name(id="type"), args=[ast.Starred()])
            ):
                yield f"{where}: type(name, bases, namespace)"
            case ast.Call(func=ast.Attribute(attr="__class__"), args=[_, _, _]) if name not in SLOTTED:
                yield f"{where}: metaclass(name, bases, namespace)"
            case ast.keyword(arg="these"):
                yield f"{where}: these="
            case ast.Import(names=names) if STORES & {each.name.partition(".")[0] for each in names}:
                yield f"{where}: import of {names[0].name}"
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in STORES:
                yield f"{where}: import of {module}"
            case _:
                pass


def test_only_the_generator_makes_code() -> None:
    """Calls of exec and compile are in protocol/codegen.py only; nothing makes classes of names, evaluates or unpickles."""
    modules = sorted(PACKAGE.rglob("*.py"))
    assert PACKAGE / GENERATOR in modules
    found = [
        offence
        for module in modules
        for offence in offences(module.read_text(encoding="utf-8"), module.relative_to(PACKAGE).as_posix())
    ]
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "exec('')",
        "compile('', '', 'exec')",
        "run = exec",
        "builtins.exec('')",
        "eval(text)",
        "__import__(name)",
        "attrs.make_class(name, [])",
        "from attrs import make_class",
        "attr.s(these=fields)",
        "type(name, (), {})",
        "type(*parts)",
        "dataclasses.make_dataclass(name, [])",
        "types.new_class(name)",
        "collections.namedtuple(name, columns)",
        "import pickle",
        "import marshal as m",
        "from pickle import loads",
    ],
)
def test_the_check_sees(source: str) -> None:
    """The check finds each of the ways to make code or classes."""
    assert list(offences(source, "client/x.py"))


# --- hostile names ----------------------------------------------------------------------------------------------------

NASTY = [
    "", " ", "1", "a b", "class", "def", "None", "lambda", "__class__", "__init__", "__del__", "__dict__", "__reduce__",
    "__getattr__", "_codecs", "_data", "_read", "to_dict", "type_name", "self", "'", '"', '"""', "\\", "a'b", "\n", "a\nb",
    "\r\n", "\0", "a\0b", "\x1b[31m", "{0.__class__}", "%s%n", "${x}", "); import os; (", "x=1\nimport os", "os.system('x')",
    "\u202e", "\ufeff", "\ud800", "😀", "İ", "ß", "Σς", "..", "/etc/passwd", "a" * 1_000_000, "\n" * 1000,
]  # fmt: skip


def hostile_names(count: int) -> list[str]:
    """Names by chance, with the nasty ones in and around them."""
    chance = random.Random(9)
    names = [*NASTY]
    while len(names) < count:
        parts = [chance.choice(NASTY[:-2]) for _ in range(chance.randint(1, 3))]
        names.append("".join(parts) + chr(chance.randrange(32, 0xD800)) * chance.randint(0, 3))
    return names


def object_of(name: str, fields: list[tuple[str, int]]) -> tuple[BinaryType, bytes]:
    """A type as a cluster may describe it, and one object of it with the numbers of its fields."""
    parts = []
    for index in range(len(fields)):
        out = bytearray()
        encode_object(mapping_codecs(), out, index)
        parts.append(bytes(out))
    ids = [number for _, number in fields]
    described = {number: Field(field, 4, number) for field, number in fields}
    schema = schema_id(ids)
    known = BinaryType(type_id(name) or 1, name, described, {schema: tuple(ids)})
    return known, object_bytes(known.id, schema, b"".join(parts), [24 + 9 * index for index in range(len(fields))])


def read(known: BinaryType, data: bytes) -> BinaryObject:
    codecs = mapping_codecs()
    codecs.known.learn(known)
    value, end = decode_object(codecs, data, 0)
    assert end == len(data)
    assert type(value) is BinaryObject
    return value


def is_one_line(text: str) -> bool:
    return text.isprintable() and len(text) < 10_000


def test_hostile_names_are_data() -> None:
    """2,500 names of types and fields, of every nasty kind: values are read by them, and no module or class is made."""
    names = hostile_names(2_500)
    type_id("\u0434")  # loads Python's own module for UTF-16
    mapping_codecs().add_further()  # loads the types that a program may never meet
    gc.collect()  # classes are made twice, once without and once with slots
    modules, classes = set(sys.modules), len(object.__subclasses__())
    for start in range(0, len(names), 50):
        some = names[start : start + 50]
        fields = {name: index + 1 for index, name in enumerate(some)}
        known, data = object_of(some[0], list(fields.items()))
        value = read(known, data)
        assert value.type_name == some[0]
        assert value.to_dict() == {name: index for index, name in enumerate(fields)}
        for index, name in enumerate(fields):
            assert value[name] == index
            assert name in value
        assert is_one_line(repr(value))
        assert bytes(value) == data
        assert value.__class__ is BinaryObject
        assert callable(value.to_dict)
    assert set(sys.modules) == modules
    assert len(object.__subclasses__()) == classes


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_hostile_names_in_errors(name: str) -> None:
    """An error that names a type or field of the cluster is one printable line of bounded length."""
    known, data = object_of(name, [(name, 1), ("other", 2)])
    value = read(known, data)
    with pytest.raises(AttributeError) as missing:
        value.surely_not_there  # noqa: B018 - raises
    assert is_one_line(str(missing.value))
    broken = bytearray(data)
    broken[24] = 200  # no type code
    with pytest.raises(DecodeError):
        read(known, bytes(broken))[name]
    broken[24] = 9
    with pytest.raises(DecodeError) as caught:
        read(known, bytes(broken))[name]
    assert is_one_line(str(caught.value))


def test_two_fields_of_one_name() -> None:
    """A type that the cluster describes with two fields of one name is refused when its fields are asked for."""
    value = read(*object_of("T", [("same", 1), ("same", 2)]))
    for ask in (value.to_dict, lambda: value["same"], lambda: "same" in value, lambda: value.field_names):
        with pytest.raises(DecodeError, match="have one name"):
            ask()
    assert is_one_line(repr(value))


def test_ids_of_hostile_names() -> None:
    """Ids of types and fields are computed for every name."""
    for name in hostile_names(2000):
        assert -(2**31) <= type_id(name) < 2**31
        assert type_id(name) == field_id(name)
