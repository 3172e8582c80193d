"""The cattrs side of a registry: plain values for JSON, and hooks for classes that Ignite has no type for.

A registry's converter turns every hint that a model may have into what ``json.dumps`` takes and back:

| Python | plain |
| --- | --- |
| str, bool, int, float, None | as they are |
| Decimal, UUID, paths, IP addresses | str |
| datetime, date, time | ISO 8601, nanoseconds included |
| timedelta | ISO 8601: "PT1.5S" |
| bytes, buffers of bytes | base64 |
| enum | the member's value where all of them are str, int, float or bool; else its name |
| list, tuple, set, frozenset | list |
| dict | dict where all keys become str, or are declared int; else a list of pairs |
| model, attrs class, dataclass | dict of its fields by their Python names |
| union | what is str, int, float or bool as it is; else with its type's name under "_type" |
| anything else | as its hooks say |

What a user registers comes before all of these. Classes that Ignite has no type for are written as what their
unstructure hook gives. Its return annotation decides the Ignite type; without one a value is written untyped.
"""

import base64
import binascii
import dataclasses
import datetime
import decimal
import enum
import inspect
import ipaddress
import pathlib
import re
import types
import typing
import uuid
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, Union, cast

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from ignitemap.exceptions import DecodeError, EncodeError, EncodeTypeError, EncodeValueError, ModelError, StructureError
from ignitemap.models.codecs import make_constructor
from ignitemap.models.generics import parameters_of
from ignitemap.models.schema import Schema
from ignitemap.models.unknown import ATTRIBUTE
from ignitemap.protocol.codecs import Codecs, Spec, wrong_type
from ignitemap.protocol.types.binary_object import BinaryObject
from ignitemap.protocol.types.temporal import Timestamp

__all__ = ["foreign_spec", "make_converter", "structure", "unstructure"]

T = TypeVar("T")

TAG: Final = "_type"
VALUE: Final = "_value"
SCALARS: Final = (bool, int, float, str)  # what JSON has itself; bool before int, of which it is a kind
CONTAINERS: Final = (list, tuple, set, frozenset)
NETWORK: Final = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,6}))?S)?)?"
)
_NANOSECONDS: Final = re.compile(r"(.*\.\d{6})(\d{3})((?:Z|[+-].*)?)")

FindSchema = Callable[[Any], Schema | None]
"""The schema of a model, by its class or by a generic model with its arguments; None for anything else."""


@attrs.frozen
class BuiltIn:
    """A hook that is ours: whatever else a converter has for a type, the user registered."""

    convert: Callable[[Any], Any]

    def __call__(self, value: Any, hint: Any = None) -> Any:
        return self.convert(value)


class BuiltInByHint(BuiltIn):
    """One for a class and all that are derived from it, which it makes for each."""

    def __call__(self, value: Any, hint: Any = None) -> Any:
        return self.convert(hint)(value)


def make_converter(find_schema: FindSchema) -> Converter:
    """A converter for the models that ``find_schema`` finds, and for everything that they may hold."""
    converter = Converter(detailed_validation=False)

    def make_unstructure(hint: Any) -> BuiltIn:
        return BuiltIn(_unstructure(hint, converter, find_schema))

    def make_structure(hint: Any) -> BuiltIn:
        return BuiltIn(_structure(hint, converter, find_schema))

    # The last that is registered is asked first: nothing of cattrs' own is left but what it has for these classes.
    converter.register_unstructure_hook_factory(_anything, make_unstructure)
    converter.register_structure_hook_factory(_anything, make_structure)
    for scalar in (str, bytes):
        converter.register_unstructure_hook(scalar, BuiltIn(_by_class(make_unstructure, scalar)))
    for parsed in (str, bytes, int, float):
        converter.register_structure_hook(parsed, BuiltInByHint(make_structure))
    converter.register_unstructure_hook(pathlib.PurePath, _path_text)
    converter.register_unstructure_hook(pathlib.Path, _path_text)
    converter.register_structure_hook(pathlib.PurePath, _path)
    converter.register_structure_hook(pathlib.Path, _path)
    for cls in NETWORK:
        converter.register_unstructure_hook(cls, _network_text)
        converter.register_structure_hook(cls, _network)
    return converter


def _anything(hint: Any) -> bool:
    return True


def _by_class(make: Callable[[Any], BuiltIn], usual: type) -> Callable[[Any], Any]:
    """The form of values of a class, and of those of classes that are derived from it, an enum for one."""
    own = make(usual).convert
    return lambda value: own(value) if value.__class__ is usual else make(value.__class__).convert(value)


def _path_text(path: pathlib.PurePath) -> str:
    return str(path)


def _path(value: Any, cls: Any) -> Any:
    return value if isinstance(value, cls) else cls(_text(value))


def _network_text(address: object) -> str:
    return str(address)


def _network(value: Any, cls: Any) -> Any:
    return value if isinstance(value, cls) else cls(_text(value))


# --- hooks and the wire -----------------------------------------------------------------------------------------------


def foreign_spec(converter: Converter, hint: Any, spec_of: Callable[[Any], Spec[Any]]) -> Spec[Any] | None:
    """The type of values that Ignite has no type for and the user registered hooks for; None where there are none.

    Raises ModelError where one of the two hooks is missing, or what they make of a value is nothing to Ignite either.
    """
    unstructure, structure = converter.get_unstructure_hook(hint), converter.get_structure_hook(hint)
    to_ignite, from_ignite = not isinstance(unstructure, BuiltIn), not isinstance(structure, BuiltIn)
    if not to_ignite and not from_ignite:
        return None
    cls = typing.get_origin(hint) or hint
    name = getattr(cls, "__qualname__", str(cls))
    if not (to_ignite and from_ignite):
        missing = "structure" if to_ignite else "unstructure"
        raise ModelError(f"{name} has no {missing} hook in the registry's converter, which takes both", path=name)
    inner = spec_of(_result(unstructure, hint))

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if not isinstance(value, cls):
            raise wrong_type(name, value)
        try:
            plain = unstructure(value)
        except Exception as error:  # the user's own code may raise anything
            raise EncodeValueError(f"the unstructure hook of {name} raised {type(error).__name__}") from error
        if plain.__class__ is cls:  # it would be asked for for ever
            raise EncodeTypeError(f"the unstructure hook of {name} gives nothing that Ignite holds")
        inner.encode(codecs, out, plain)

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
        plain, end = inner.decode(codecs, buf, pos)
        try:
            return structure(plain, hint), end
        except Exception as error:
            raise DecodeError(f"the structure hook of {name} raised {type(error).__name__}", offset=pos) from error

    return Spec(
        name,
        encode,
        decode,
        code=inner.code,
        java=inner.java,
        hashable=inner.hashable and getattr(cls, "__hash__", None) is not None,
    )


def _result(hook: Any, hint: Any) -> Any:
    """The hint of what an unstructure hook gives: of a class itself, else its return annotation, else anything."""
    if isinstance(hook, type):
        return hook
    try:
        found = typing.get_type_hints(hook, include_extras=True).get("return", Any)
    except (TypeError, NameError, AttributeError):  # no function, or an annotation that can't be read
        return Any
    return Any if found is hint or found is type(None) else found


# --- to plain values --------------------------------------------------------------------------------------------------


def _unstructure(hint: Any, converter: Converter, find_schema: FindSchema) -> Callable[[Any], Any]:
    """The function from a value of a hint to its plain form. Never raises itself: a hook may only be asked for."""

    def item(position: int) -> Callable[[Any], Any]:
        return converter.get_unstructure_hook(arguments[position]) if arguments else converter.unstructure

    hint = _bare(hint)
    if _is_untyped(hint):
        return converter.unstructure
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {Union, types.UnionType}:
        return _union_form(arguments, converter, find_schema)
    if origin is Literal:
        return converter.unstructure
    schema = find_schema(hint)
    if schema is not None:
        return _model_form(schema, converter)
    cls = _class(hint)
    if cls is None:
        return _no_form
    leaf = _leaf_form(cls)
    if leaf is not None:
        return leaf
    if _is_a(cls, tuple) and len(arguments) > 1 and arguments[1] is not Ellipsis:
        items = [item(position) for position in range(len(arguments))]
        return lambda value: [form(each) for form, each in zip(items, value, strict=True)]
    if _is_a(cls, CONTAINERS):
        form = item(0)
        return lambda value: [form(each) for each in value]
    if _is_a(cls, dict):
        return _dict_form(arguments[0] if arguments else Any, item(0), item(1))
    if cls is BinaryObject:
        return lambda value: {name: converter.unstructure(each) for name, each in value.to_dict().items()}
    if _has_fields(cls) and parameters_of(cls):
        return _untyped_form(cls, converter)
    if _has_fields(cls):
        omitted: dict[str, Any] = {ATTRIBUTE: override(omit=True)} if attrs.has(cls) else {}
        return make_dict_unstructure_fn(hint, converter, **omitted)
    return _no_form


def _leaf_form(cls: type) -> Callable[[Any], Any] | None:
    if _is_a(cls, enum.Enum):
        return _enum_value if _has_plain_values(cls) else _enum_name
    if _is_a(cls, SCALARS) or cls is type(None):
        return _itself
    if _is_a(cls, bytes | bytearray | memoryview):
        return lambda value: base64.b64encode(value).decode()
    if _is_a(cls, array):
        return lambda value: value.tolist()
    if _is_a(cls, decimal.Decimal | uuid.UUID):
        return str
    if _is_a(cls, datetime.datetime):
        return _datetime_text
    if _is_a(cls, datetime.date | datetime.time):
        return lambda value: value.isoformat()
    if _is_a(cls, datetime.timedelta):
        return _duration_text
    return None


def _itself(value: Any) -> Any:
    return value


def _no_form(value: Any) -> Any:
    cls: type[object] = value.__class__
    raise EncodeTypeError(
        f"no plain form for a Python {cls.__module__}.{cls.__qualname__}: register an unstructure hook"
        " with the registry's converter"
    )


def _has_plain_values(cls: type[enum.Enum]) -> bool:
    return all(isinstance(member.value, SCALARS) for member in cls)


def _enum_value(member: enum.Enum) -> Any:
    return member.value


def _enum_name(member: enum.Enum) -> str:
    return member.name


def _datetime_text(moment: datetime.datetime) -> str:
    beyond = getattr(moment, "nanosecond", 0)
    if not beyond:
        return moment.isoformat()
    text = moment.isoformat(timespec="microseconds")
    return f"{text[:26]}{beyond:03}{text[26:]}"


def _duration_text(took: datetime.timedelta) -> str:
    sign, took = ("-", -took) if took < datetime.timedelta(0) else ("", took)
    micros = f".{took.microseconds:06}".rstrip("0") if took.microseconds else ""
    return f"{sign}P{took.days}DT{took.seconds}{micros}S" if took.days else f"{sign}PT{took.seconds}{micros}S"


def _dict_form(key: Any, key_form: Callable[[Any], Any], value_form: Callable[[Any], Any]) -> Callable[[Any], Any]:
    numbered = _is_integer(key)

    def form(value: dict[Any, Any]) -> Any:
        pairs = [(key_form(each), value_form(item)) for each, item in value.items()]
        if numbered or all(isinstance(each, str) for each, _ in pairs):
            return {str(each): item for each, item in pairs}
        return [list(pair) for pair in pairs]

    return form


def _model_form(schema: Schema, converter: Converter) -> Callable[[Any], Any]:
    # A model may hold itself, so that its fields' hooks are looked up when the first object is there.
    forms: list[tuple[str, Callable[[Any], Any]]] = []

    def form(value: Any) -> dict[str, Any]:
        if value.__class__ is not schema.cls:
            converted: dict[str, Any] = converter.unstructure(value)
            return converted
        if len(forms) < len(schema.fields):
            forms[:] = [(field.attribute, converter.get_unstructure_hook(field.hint)) for field in schema.fields]
        plain: dict[str, Any] = {}
        for name, of_field in forms:
            try:
                plain[name] = of_field(getattr(value, name))
            except EncodeError as error:
                error.path = f"{name}.{error.path}".rstrip(".")
                error.message = f"{schema.cls.__name__}.{name}: {error.message}"
                error.args = (error.message,)
                raise
        return plain

    return form


def _untyped_form(cls: Any, converter: Converter) -> Callable[[Any], Any]:
    """The form of an object that does not know what its type parameters stand for."""
    names = [each.name for each in (attrs.fields(cls) if attrs.has(cls) else dataclasses.fields(cls))]
    names = [name for name in names if name != ATTRIBUTE]
    return lambda value: {name: converter.unstructure(getattr(value, name)) for name in names}


def _union_form(members: tuple[Any, ...], converter: Converter, find_schema: FindSchema) -> Callable[[Any], Any]:
    some = [each for each in members if each is not type(None)]
    if len(some) == 1:
        only = converter.get_unstructure_hook(some[0])
        return lambda value: None if value is None else only(value)
    forms = [(_class_of(each), _tag(each, find_schema), converter.get_unstructure_hook(each)) for each in some]

    def form(value: Any) -> Any:
        if value is None:
            return None
        exact = [each for each in forms if each[0] is value.__class__]
        for cls, tag, of_member in exact or forms:
            if isinstance(value, cls):
                plain = of_member(value)
                if tag is None:
                    return plain
                named: dict[str, Any] = {TAG: tag}
                if _has_fields(cls) and plain.__class__ is dict and TAG not in plain:
                    return named | plain
                return named | {VALUE: plain}
        return converter.unstructure(value)

    return form


def _has_fields(cls: type) -> bool:
    return attrs.has(cls) or dataclasses.is_dataclass(cls)


# --- from plain values ------------------------------------------------------------------------------------------------


def unstructure(converter: Converter, value: Any) -> Any:
    """Make a plain value. Raises EncodeError for what has no plain form."""
    try:
        return converter.unstructure(value)
    except RecursionError:
        raise EncodeValueError("the value nests too deep, or holds itself") from None


def structure(converter: Converter, value: Any, hint: Any) -> Any:
    """Make a value of a hint. Raises StructureError for whatever goes wrong."""
    try:
        return converter.structure(value, hint)
    except (StructureError, ModelError):
        raise
    except Exception as error:  # hooks are the user's own code and may raise anything
        raise _failed(error) from error


def _structure(hint: Any, converter: Converter, find_schema: FindSchema) -> Callable[[Any], Any]:
    """The function from a plain value to one of a hint."""

    def item(position: int) -> Callable[[Any], Any]:
        return _structure_as(converter, arguments[position] if arguments else Any)

    hint = _bare(hint)
    if _is_untyped(hint):
        return _itself
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {Union, types.UnionType}:
        return _union_of(arguments, converter, find_schema)
    if origin is Literal:
        return _literal_of(arguments, converter)
    schema = find_schema(hint)
    if schema is not None:
        return _model_of(schema, converter)
    cls = _class(hint)
    if cls is None:
        return _none_of(str(hint))
    leaf = _leaf_of(cls)
    if leaf is not None:
        return leaf
    if _is_a(cls, tuple) and len(arguments) > 1 and arguments[1] is not Ellipsis:
        return _shape_of([item(position) for position in range(len(arguments))])
    if _is_a(cls, CONTAINERS):
        return _container_of(cls, item(0))
    if _is_a(cls, dict):
        return _dict_of(_is_integer(arguments[0]) if arguments else False, item(0), item(1))
    if _has_fields(cls):
        made = make_dict_structure_fn(hint, converter)
        return lambda value: value if isinstance(value, cls) else made(_mapping(value), hint)
    return _none_of(cls.__qualname__)


def _structure_as(converter: Converter, hint: Any) -> Callable[[Any], Any]:
    # Looked up when it is first needed, since a model may hold itself.
    found: list[Callable[[Any, Any], Any]] = []

    def convert(value: Any) -> Any:
        if not found:
            found.append(converter.get_structure_hook(hint))
        return found[0](value, hint)

    return convert


def _none_of(name: str) -> Callable[[Any], Any]:
    def refuse(value: Any) -> Any:
        raise StructureError(f"{name} has no structure hook in the registry's converter")

    return refuse


def _leaf_of(cls: type) -> Callable[[Any], Any] | None:
    if _is_a(cls, enum.Enum):
        return _enum_of(cls)
    if cls is type(None):
        return _null
    for kind, convert in _LEAVES:
        if _is_a(cls, kind):
            if cls is kind or cls is Timestamp:
                return lambda value: value if isinstance(value, cls) and not _is_bool(value, cls) else convert(value)
            return lambda value: value if isinstance(value, cls) else cast(Any, cls)(convert(value))
    return None


def _is_bool(value: Any, cls: type) -> bool:
    """Whether a value is a bool where something else is wanted, though to Python it is an int."""
    return value.__class__ is bool and cls is not bool


def _null(value: Any) -> None:
    if value is not None:
        raise _misfit("null", value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _misfit("str", value)
    return value


def _bool(value: Any) -> bool:
    raise _misfit("bool", value)


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _misfit("int", value)


def _float(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _misfit("float", value)


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error:
        raise StructureError("expected bytes in base64") from None


def _decimal(value: Any) -> decimal.Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _misfit("Decimal", value)
    try:
        # A float is taken for the shortest number that it stands for, which is what the JSON had.
        return decimal.Decimal(repr(value) if isinstance(value, float) else value)
    except decimal.InvalidOperation:
        raise StructureError("expected a Decimal, got other text") from None


def _parsed(name: str, parse: Callable[[str], T]) -> Callable[[Any], T]:
    def convert(value: Any) -> T:
        try:
            return parse(_text(value))
        except ValueError as error:
            if isinstance(error, StructureError):
                raise
            raise StructureError(f"expected a {name}, got other text") from None

    return convert


def _moment(text: str) -> datetime.datetime:
    nanos = _NANOSECONDS.fullmatch(text)
    if nanos is None:
        return datetime.datetime.fromisoformat(text)
    moment = datetime.datetime.fromisoformat(nanos[1] + nanos[3])
    return Timestamp.of(moment, int(nanos[2])) if int(nanos[2]) else moment


def _duration(text: str) -> datetime.timedelta:
    found = _DURATION.fullmatch(text)
    if found is None or text[-1] in "PT":
        raise ValueError(text)
    sign, weeks, days, hours, minutes, seconds, fraction = found.groups()
    try:
        took = datetime.timedelta(
            weeks=int(weeks or 0),
            days=int(days or 0),
            hours=int(hours or 0),
            minutes=int(minutes or 0),
            seconds=int(seconds or 0),
            microseconds=int((fraction or "0").ljust(6, "0")),
        )
    except OverflowError:
        raise ValueError(text) from None
    return -took if sign == "-" else took


_LEAVES: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (bool, _bool),
    (int, _int),
    (float, _float),
    (str, _text),
    (bytes, _bytes),
    (bytearray, _bytes),
    (decimal.Decimal, _decimal),
    (uuid.UUID, _parsed("UUID", uuid.UUID)),
    (datetime.datetime, _parsed("datetime", _moment)),
    (datetime.date, _parsed("date", datetime.date.fromisoformat)),
    (datetime.time, _parsed("time", datetime.time.fromisoformat)),
    (datetime.timedelta, _parsed("timedelta", _duration)),
)


def _enum_of(cls: type[enum.Enum]) -> Callable[[Any], Any]:
    by_value = _has_plain_values(cls)

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not by_value:
            member = cls.__members__.get(_text(value))
            if member is None:
                raise StructureError(f"{cls.__name__} has no member of that name")
            return member
        if isinstance(value, SCALARS):
            try:
                found = cls(value)
            except ValueError:
                found = None
            # To Python True is 1 and 1.0 is 1; to a reader of JSON they are not.
            if found is not None and type(found.value) is type(value):
                return found
        raise StructureError(f"{cls.__name__} has no member of that value")

    return convert


def _literal_of(choices: tuple[Any, ...], converter: Converter) -> Callable[[Any], Any]:
    plain = [(choice, converter.unstructure(choice)) for choice in choices]

    def convert(value: Any) -> Any:
        for choice, form in plain:
            for wanted in (choice, form):
                if wanted.__class__ is value.__class__ and wanted == value:
                    return choice
        raise StructureError("expected one of the choices of a Literal")

    return convert


def _items(value: Any) -> Iterable[Any]:
    if not isinstance(value, CONTAINERS):
        raise _misfit("list", value)
    return cast(Iterable[Any], value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _misfit("dict", value)
    return cast(Mapping[str, Any], value)


def _container_of(cls: type, item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        made = [_at(f"[{index}]", item, each) for index, each in enumerate(_items(value))]
        built = cast(Any, cls)(made)
        if len(built) != len(made):
            raise StructureError("an element occurs twice")
        return built

    return convert


def _shape_of(items: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        found = [*_items(value)]
        if len(found) != len(items):
            raise StructureError(f"expected {len(items)} items, got {len(found)}")
        return tuple(_at(f"[{index}]", items[index], each) for index, each in enumerate(found))

    return convert


def _dict_of(numbered: bool, key: Callable[[Any], Any], item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if isinstance(value, list):
            pairs = [tuple(_items(each)) for each in _items(value)]
            if any(len(pair) != 2 for pair in pairs):
                raise StructureError("expected pairs of key and value")
        else:
            pairs = [*_mapping(value).items()]
        made: dict[Any, Any] = {}
        for each, found in pairs:
            made[_at("key", key, _number(each) if numbered else each)] = _at("value", item, found)
        if len(made) != len(pairs):
            raise StructureError("a key occurs twice")
        return made

    return convert


def _number(text: Any) -> Any:
    """The number that a JSON object has as its key."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,20}", text) else text


def _model_of(schema: Schema, converter: Converter) -> Callable[[Any], Any]:
    construct = make_constructor(schema)
    hooks = [_structure_as(converter, field.hint) for field in schema.fields]
    names = {field.attribute for field in schema.fields}
    cls = schema.cls

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        plain = _mapping(value)
        if schema.unknown_fields == "forbid" and not names.issuperset(plain.keys() - {TAG}):
            raise StructureError(f"{cls.__name__} has no such field as one of those given")
        arguments: dict[str, Any] = {}
        later: dict[str, Any] = {}
        for field, hook in zip(schema.fields, hooks, strict=True):
            if field.attribute in plain:
                made = _at(field.attribute, hook, plain[field.attribute])
                if field.in_constructor:
                    arguments[field.parameter] = made
                else:
                    later[field.attribute] = made
            elif field.required:
                raise _within(StructureError("it is missing"), field.attribute)
        try:
            result = construct(arguments)
            for attribute, made in later.items():
                object.__setattr__(result, attribute, made)
        except Exception as error:  # the class's own converters and validators
            raise StructureError(f"{cls.__name__} refused it: {type(error).__name__}") from error
        return result

    return convert


def _union_of(members: tuple[Any, ...], converter: Converter, find_schema: FindSchema) -> Callable[[Any], Any]:
    some = [each for each in members if each is not type(None)]
    nullable = len(some) < len(members)
    if len(some) == 1:
        only = _structure_as(converter, some[0])
        return lambda value: None if value is None else only(value)
    plain = {_class_of(each): _structure_as(converter, each) for each in some if _tag(each, find_schema) is None}
    tagged = {tag: _structure_as(converter, each) for each in some if (tag := _tag(each, find_schema)) is not None}
    classes = tuple(_class_of(each) for each in some)
    names = " or ".join(cls.__name__ for cls in classes)

    def convert(value: Any) -> Any:
        if value is None:
            if nullable:
                return None
            raise _misfit(names, value)
        cls: Any = value.__class__
        if cls in plain:
            return plain[cls](value)
        if cls is dict and value.get(TAG) in tagged:
            return tagged[value[TAG]](value[VALUE] if value.keys() == {TAG, VALUE} else value)
        if isinstance(value, classes) and cls not in SCALARS:
            return value
        if len(tagged) == 1:  # there is one that it can be
            return next(iter(tagged.values()))(value)
        if float in plain and cls is int:
            return float(value)
        raise StructureError(f"expected {names}, named by {TAG!r}")

    return convert


# --- hints ------------------------------------------------------------------------------------------------------------


def _bare(hint: Any) -> Any:
    """A hint without what Annotated, NewType, Final and aliases say around it."""
    while True:
        origin = typing.get_origin(hint)
        alias = getattr(hint, "__value__", None)
        if origin is Annotated or origin is typing.Final:
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif alias is not None and not isinstance(hint, type):
            hint = alias
        else:
            return type(None) if hint is None else hint


def _is_untyped(hint: Any) -> bool:
    return hint is Any or hint is object or isinstance(hint, Spec | TypeVar)


def _is_integer(hint: Any) -> bool:
    """Whether the plain forms of a hint are all int."""
    cls = _class_of(hint)
    if issubclass(cls, enum.Enum):
        return all(type(member.value) is int for member in cls)
    return issubclass(cls, int) and cls is not bool


def _class(hint: Any) -> Any:
    """The class of a bare hint's values, None where it names none."""
    cls: Any = typing.get_origin(hint) or hint
    return cls if inspect.isclass(cls) else None


def _class_of(hint: Any) -> Any:
    return _class(_bare(hint)) or object


def _is_a(cls: Any, kinds: Any) -> bool:
    return issubclass(cls, kinds)  # a function, since checkers conclude too much from the builtin


def _tag(hint: Any, find_schema: FindSchema) -> str | None:
    """The name of a union's member beside its plain form; None for what JSON tells apart itself."""
    cls = _class_of(hint)
    if cls in SCALARS:
        return None
    schema = find_schema(_bare(hint))
    return cls.__name__ if schema is None else schema.type_name


# --- errors -----------------------------------------------------------------------------------------------------------


def _misfit(name: str, value: object) -> StructureError:
    return StructureError(f"expected {name}, got a Python {type(value).__qualname__}")


def _failed(error: Exception) -> StructureError:
    return StructureError(f"a hook raised {type(error).__name__}")


def _at(part: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """Convert a part of a value; an error says which part it was."""
    try:
        return convert(value)
    except StructureError as error:
        _within(error, part)
        raise
    except ModelError:
        raise
    except Exception as error:
        raise _within(_failed(error), part) from error


def _within(error: StructureError, part: str) -> StructureError:
    what = error.message.removeprefix(f"{error.path}: ")
    dot = "" if not error.path or error.path.startswith("[") else "."
    error.path = f"{part}{dot}{error.path}"
    error.message = f"{error.path}: {what}"
    error.args = (error.message,)
    return error
