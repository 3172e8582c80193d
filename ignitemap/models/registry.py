"""The registry: which classes are models, what a type hint is to Ignite, and which codec a class or type id has."""

import dataclasses
import datetime
import decimal
import inspect
import re
import types
import typing
import uuid
import weakref
from array import array
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar, Union, overload
from weakref import WeakKeyDictionary

import attrs
from typing_extensions import TypeForm, dataclass_transform

from ignitemap.exceptions import DecodeError, EncodeTypeError, ModelError
from ignitemap.models import lookup
from ignitemap.models.codecs import ModelCodec, make_codec, make_key_codec, make_key_reader
from ignitemap.models.fields import Array, FieldOptions, SqlColumn, check_marker, field, key, options_of
from ignitemap.models.generics import binding_of_field, bindings_of, parameters_of, substitute
from ignitemap.models.lookup import is_spec
from ignitemap.models.schema import (
    ModelField,
    ModelOptions,
    Rename,
    Schema,
    UnknownPolicy,
    ignite_name,
    make_schema,
    simple_name,
)
from ignitemap.models.unknown import ATTRIBUTE, add_attribute, holds_unknown
from ignitemap.protocol.binary_type import BinaryType
from ignitemap.protocol.codecs import ANY, Codecs, Decoder, Encoder, Spec, decode_object, encode_object, optional
from ignitemap.protocol.hashing import field_id, type_id
from ignitemap.protocol.types.arrays import BYTES, array_of, enum_array_of, object_array_of
from ignitemap.protocol.types.collections import frozenset_of, list_of, set_of, tuple_of, tuple_shape
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.enums import EnumCodec, enum_of, make_enum_codec
from ignitemap.protocol.types.maps import dict_of
from ignitemap.protocol.types.temporal import DATE, TIME, TIMEDELTA, TIMESTAMP, Timestamp
from ignitemap.protocol.types.uuid import UUID

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["Model", "Registry", "default_registry", "enum_", "key_class", "model", "structure", "unstructure"]

T = TypeVar("T")
C = TypeVar("C", bound=type)
E = TypeVar("E", bound=type[Enum])

ENUM: Final = 28
OBJECT: Final = 103


def _encode_array(codecs: Codecs, out: bytearray, value: Any) -> None:
    if not isinstance(value, array):
        raise EncodeTypeError(f"expected array.array, got a Python {type(value).__qualname__}")
    encode_object(codecs, out, value)


def _decode_array(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    value, end = decode_object(codecs, buf, pos)
    if value.__class__ is not array:
        raise DecodeError(f"expected an array of numbers, the cluster has a {type(value).__name__}", offset=pos)
    return value, end


# Only an array itself says which type of array it is.
ARRAY: Final[Spec[Any]] = Spec("array", _encode_array, _decode_array, hashable=False)

PLAIN: dict[Any, Spec[Any]] = {
    **lookup.PLAIN,
    bytes: BYTES,
    decimal.Decimal: DECIMAL,
    datetime.datetime: TIMESTAMP,
    datetime.date: DATE,
    datetime.time: TIME,
    datetime.timedelta: TIMEDELTA,
    uuid.UUID: UUID,
    list: list_of(ANY),
    set: set_of(ANY),
    frozenset: frozenset_of(ANY),
    tuple: tuple_of(ANY),
    dict: dict_of(ANY, ANY),
    array: ARRAY,
}


@attrs.define(eq=False)
class Model:
    """A registered class. Its schema and codec are made once all of its hints can be resolved."""

    registry: "Registry"
    cls: type
    options: ModelOptions
    arguments: tuple[Any, ...] = attrs.field(default=(), kw_only=True)
    """What a generic class has in brackets."""
    _schema: Schema | None = None
    _codec: ModelCodec | None = None
    _key_model: "Model | None" = None
    key_of_model: bool = False
    """Whether the class was made for the cache keys of another model."""
    _key_specs: dict[Spec[Any], Spec[Any]] = attrs.field(factory=dict[Spec[Any], Spec[Any]])
    _ordered: dict[tuple[int, ...], Spec[Any]] = attrs.field(factory=dict[tuple[int, ...], Spec[Any]])
    _key_of: Callable[[Any], Any] | None = None
    _resolving: bool = False

    @property
    def hint(self) -> Any:
        """What names the model in a type hint: the class, or the generic class with its arguments."""
        cls: Any = self.cls
        return cls[self.arguments] if self.arguments else cls

    @property
    def type_name(self) -> str:
        """The name of the class's Ignite type."""
        return self.options.type_name or self.cls.__name__

    @property
    def schema(self) -> Schema:
        """The resolved model. Raises ModelError for a hint that can't be resolved or isn't supported."""
        if self._schema is None:
            try:
                self._resolving = True
                self._schema = make_schema(self.cls, self.options, self._fields())
            finally:
                self._resolving = False
        return self._schema

    @property
    def codec(self) -> ModelCodec:
        """The generated codec."""
        if self._codec is None:
            self._codec = make_codec(self.schema, self.key_class)
        return self._codec

    @property
    def key_class(self) -> type | None:
        """The class of cache keys that are made of several fields; None for none or one."""
        found = self.key_model
        return None if found is None else found.cls

    @property
    def key_model(self) -> "Model | None":
        """The model of cache keys that are made of several fields."""
        if self._key_model is None and len(self.schema.key_fields) > 1:
            self._key_model = self._make_key_model()
        return self._key_model

    def key_spec(self, known: BinaryType | None = None) -> Spec[Any] | None:
        """The type of the model's cache keys, None where no field is a key.

        ``known`` is what the cluster knows of the type of keys that are made of several fields.
        """
        fields = self.schema.key_fields
        if not fields:
            return None
        if len(fields) == 1:
            return fields[0].spec
        key_model = self.key_model
        assert key_model is not None
        whole = key_model.as_key(known)
        if whole not in self._key_specs:  # one object for ever: operations are compiled for each
            self._key_specs[whole] = self._make_key_spec(fields, whole, key_model.cls)
        return self._key_specs[whole]

    def as_key(self, known: BinaryType | None) -> Spec[Any]:
        """The type of keys that are whole objects of this class, in the field order that the cluster knows.

        Ignite compares keys by their bytes: the same fields in another order are another key.
        """
        ids = {field_id(field.name) for field in self.schema.fields}
        if known is None or self.schema.whole.schemas.keys() & known.schemas.keys():
            return self.codec.whole
        order = next((order for order in known.schemas.values() if len(order) == len(ids) and ids == {*order}), None)
        if order is None:
            return self.codec.whole
        if order not in self._ordered:
            self._ordered[order] = make_key_codec(self.schema, order)
        return self._ordered[order]

    def _make_key_spec(self, fields: Sequence[ModelField], whole: Spec[Any], key_cls: type) -> Spec[Any]:

        def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
            if value.__class__ is tuple:
                if len(value) != len(fields):
                    raise EncodeTypeError(f"a key of {self.cls.__name__} has {len(fields)} fields, not {len(value)}")
                value = key_cls(*value)
            whole.encode(codecs, out, value)

        return attrs.evolve(whole, encode=encode, emit_item=None)

    @property
    def key_of(self) -> Callable[[Any], Any]:
        """The function from an object to its cache key. Raises ModelError where no field is a key."""
        if self._key_of is None:
            if not self.schema.key_fields:
                raise ModelError(f"{self.cls.__name__} has no key() field: use set(key, value)", path=self.cls.__name__)
            self._key_of = make_key_reader(self.schema, self.key_class)
        return self._key_of

    def spec(self) -> Spec[Any]:
        """The type of fields that hold the model whole. Usable while the model is still being resolved."""
        if not self._resolving and self._schema is not None:
            return self.codec.whole

        # A model that refers to itself, or to one that isn't complete yet: look the codec up when it is first used.
        def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
            self.codec.whole.encode(codecs, out, value)

        def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
            return self.codec.whole.decode(codecs, buf, pos)

        return Spec(self.cls.__name__, encode, decode, java=self.type_name, hashable=self.cls.__hash__ is not None)

    def _fields(self) -> tuple[ModelField, ...]:
        hints = _hints(self.cls, self.registry.namesakes(self.cls.__module__))
        bindings = bindings_of(self.cls, self.arguments, self.cls.__name__)
        made: list[ModelField] = []
        for each in _attributes(self.cls):
            path = f"{self.cls.__name__}.{each.attribute}"
            hint = hints.get(each.attribute, each.type)
            if hint is None:
                raise ModelError(f"{path} has no type hint", path=path)
            hint = substitute(hint, binding_of_field(self.cls, each.attribute, bindings), path)
            marks = _marks(hint)
            for mark in marks:
                check_marker(mark, path)
            options = options_of(each.metadata, marks)
            made.append(
                ModelField(
                    each.attribute,
                    each.parameter,
                    ignite_name(each.attribute, options, self.options.rename),
                    self.registry.spec(hint, path=path),
                    options,
                    next((mark for mark in marks if isinstance(mark, SqlColumn)), SqlColumn()),
                    each.required,
                    each.keyword_only,
                    each.in_constructor,
                    hint,
                    is_date=_is_date(hint),
                )
            )
        _check_constructor(self.cls, made)
        return tuple(made)

    def _make_key_model(self) -> "Model":
        fields = self.schema.key_fields
        name = f"{simple_name(self.type_name) if self.arguments else self.cls.__name__}Key"
        hints = {each.attribute: each.spec for each in fields}

        def body(namespace: dict[str, Any]) -> None:
            namespace["__annotations__"] = dict.fromkeys(hints, Any)
            namespace["__module__"] = self.cls.__module__
            namespace["__doc__"] = f"The cache key of a {self.cls.__name__}."

        key_cls = attrs.frozen(types.new_class(name, (), {}, body))
        plain = tuple(
            attrs.evolve(
                each,
                parameter=each.attribute.lstrip("_"),
                options=FieldOptions(affinity=each.options.affinity),
                required=True,
                keyword_only=False,
                in_constructor=True,
            )
            for each in fields
        )
        # Keys that differ in a field that the class lacks would be equal in Python.
        options = ModelOptions(type_name=self.schema.key_type_name, unknown_fields="forbid")
        return self.registry.add_key_class(key_cls, options, plain)


@attrs.frozen
class _Attribute:
    """A field as attrs or dataclasses describes it."""

    attribute: str
    parameter: str
    type: Any
    metadata: Any
    required: bool
    keyword_only: bool
    in_constructor: bool


class Registry:
    """Models and enums of one program, or of one part of it. ``ig.model`` uses a default one.

    >>> registry = ig.Registry()
    >>> @ig.model(registry=registry)
    ... class Pet:
    ...     name: str
    >>> async with ig.connect(node.url, registry=registry) as client:
    ...     pets = await client.cache("pets", int, Pet)
    ...     await pets.set(1, Pet("Rex"))
    ...     await pets[1]
    Pet(name='Rex')
    >>> registry is ig.default_registry
    False
    """

    def __init__(self) -> None:
        self._models: dict[Any, Model] = {}
        self._generics: dict[type, ModelOptions] = {}
        """Generic models, of which each set of arguments makes one in ``_models``."""
        self._converter: Converter | None = None
        self._by_type_id: dict[int, Model] = {}
        self._enums: dict[type, EnumCodec[Any]] = {}
        self._enum_by_id: dict[int, EnumCodec[Any]] = {}

    def __repr__(self) -> str:
        return f"<Registry of {len(self._models)} models and {len(self._enums)} enums>"

    # --- registration -----------------------------------------------------------------------------------------------

    @overload
    def model(self, cls: C, /) -> C: ...
    @overload
    def model(
        self,
        /,
        *,
        type_name: str | None = None,
        cache: str | None = None,
        rename: Rename = None,
        unknown_fields: UnknownPolicy | None = None,
        key_type_name: str | None = None,
        sql_schema: str | None = None,
        table: str | None = None,
    ) -> Callable[[C], C]: ...
    @dataclass_transform(field_specifiers=(attrs.field, field, key))
    def model(self, cls: Any = None, /, **options: Any) -> Any:
        """Register a class; as ``ig.model(registry=...)``, which mypy knows the constructor of, and of this it does not.

        >>> registry = ig.Registry()
        >>> @registry.model(type_name="com.acme.Pet")
        ... class Pet:
        ...     name: str
        >>> Pet("Rex")
        Pet(name='Rex')
        """
        return _decorate(self, cls, options)

    @overload
    def enum(self, cls: E, /) -> E: ...
    @overload
    def enum(self, /, *, type_name: str | None = None) -> Callable[[E], E]: ...
    def enum(self, cls: Any = None, /, *, type_name: str | None = None) -> Any:
        """Register an enum class; as ``ig.enum``.

        >>> registry = ig.Registry()
        >>> @registry.enum(type_name="com.acme.Size")
        ... class Size(enum.Enum):
        ...     SMALL = "s"
        ...     LARGE = "l"
        """

        def register(cls: Any) -> Any:
            if not (isinstance(cls, type) and issubclass(cls, Enum)):
                raise ModelError(f"{cls!r} is no enum class")
            self._add_enum(cls, type_name or cls.__name__)
            return cls

        return register if cls is None else register(cls)

    def add(self, cls: Any, options: ModelOptions) -> Any:
        """Not for users: register a class, and return it as it has become. Raises ModelError."""
        if options.unknown_fields not in {None, "preserve", "ignore", "forbid"}:
            raise ModelError(f"unknown_fields is preserve, ignore or forbid, not {options.unknown_fields!r}")
        if "__attrs_attrs__" not in cls.__dict__ and "__dataclass_fields__" not in cls.__dict__:
            keeps = options.unknown_fields in {None, "preserve"}
            cls = attrs.define(cls, field_transformer=add_attribute) if keeps else attrs.define(cls)
        elif options.unknown_fields == "preserve" and not holds_unknown(cls):
            raise ModelError(
                f"{cls.__name__} is an attrs class or a dataclass already and has no place for unknown fields:"
                " let ig.model define it, or say unknown_fields='ignore' or 'forbid'",
                path=cls.__name__,
            )
        if cls not in _homes or _homes[cls]() is None:
            _homes[cls] = weakref.ref(self)  # which has the class, and would keep it alive for ever
        if parameters_of(cls):
            return self._add_generic(cls, options)
        self._define(Model(self, cls, options))
        return cls

    def _define(self, entry: Model) -> Model:
        """Enter a model, unless something is wrong with its class."""
        models, by_type_id = self._models.copy(), self._by_type_id.copy()
        self._enter(entry)
        try:
            entry.codec  # noqa: B018 - what is wrong with a class shows where it is defined
        except _UnresolvedError:
            pass  # a forward reference: resolved at first use
        except ModelError:
            for now, before in ((self._models, models), (self._by_type_id, by_type_id)):
                now.clear()
                now.update(before)
            raise
        return entry

    def _add_generic(self, cls: Any, options: ModelOptions) -> Any:
        """Remember a generic class; what its hints say without its parameters is checked now."""
        for each in parameters_of(cls):
            if not isinstance(each, TypeVar):
                raise ModelError(
                    f"{cls.__name__}: {each!r} is no TypeVar, and Ignite has nothing like it", path=cls.__name__
                )
        for known, its in self._generics.items():
            if _same_place(known, cls):  # defined again, as notebooks do
                del self._generics[known]
                break
            if (its.type_name or known.__name__) == (options.type_name or cls.__name__):
                raise _taken(cls, known, options.type_name or cls.__name__)
        self._generics[cls] = options
        try:
            hints = _hints(cls, self.namesakes(cls.__module__))
            for each in _attributes(cls):
                hint = hints.get(each.attribute, each.type)
                if not parameters_of(hint):
                    self.spec(hint, path=f"{cls.__name__}.{each.attribute}")
        except _UnresolvedError:
            pass
        except ModelError:
            del self._generics[cls]
            raise
        return cls

    def add_arguments(self, hint: Any, options: ModelOptions | None = None, *, path: str = "the type") -> Model:
        """Not for users: the model of a generic class with arguments, registered when first met. Raises ModelError."""
        cls: Any = typing.get_origin(hint)
        arguments = tuple(map(_canonical, typing.get_args(hint)))
        hint = cls[arguments]
        known = self._models.get(hint)
        if known is not None and options is None:
            return known
        if options is None:
            options = self._generics[cls]
            names = "_".join(self._argument_name(each, path) for each in arguments)
            cache = options.cache or cls.__name__.lower()
            options = attrs.evolve(
                options,
                type_name=f"{options.type_name or cls.__name__}_{names}",
                cache=f"{cache}_{names.lower()}",
                key_type_name=options.key_type_name and f"{options.key_type_name}_{names}",
                table=options.table and f"{options.table}_{names}",
            )
        elif known is not None:  # named anew
            self._models.pop(hint)
            self._by_type_id.pop(type_id(known.type_name), None)
        return self._define(Model(self, cls, options, arguments=arguments))

    def _argument_name(self, hint: Any, path: str) -> str:
        """What an argument adds to the name of a generic model."""
        if parameters_of(hint):
            raise ModelError(f"{path}: the type parameter {hint} is unbound", path=path)
        spec = self.spec(hint, path=path)
        model = self.find(hint)
        name = spec.name.replace("[]", " array") if model is None else simple_name(model.type_name)
        return re.sub(r"\W+", "_", name).strip("_")

    def add_key_class(self, cls: type, options: ModelOptions, fields: tuple[ModelField, ...]) -> Model:
        """Not for users: register the class of a model's keys, whose fields are known."""
        return self._enter(Model(self, cls, options, make_schema(cls, options, fields), key_of_model=True))

    def _enter(self, entry: Model) -> Model:
        number = type_id(entry.type_name)
        known = self._by_type_id.get(number)
        if known is not None:
            if known.cls is entry.cls and known.arguments != entry.arguments:
                raise ModelError(
                    f"{known.hint} and {entry.hint} would both be named {entry.type_name}: name one of them,"
                    f" ig.model(type_name=...)({entry.cls.__name__}[...])",
                    path=entry.cls.__name__,
                )
            if not _same_place(known.cls, entry.cls) or known.key_of_model != entry.key_of_model:
                raise _taken(entry.cls, known.cls, entry.type_name)
        enum = self._enum_by_id.get(number)
        if enum is not None:
            raise _taken(entry.cls, enum.cls, entry.type_name)
        if known is not None:  # defined again, as notebooks do
            self._models.pop(known.hint, None)
        self._models[entry.hint] = entry
        self._by_type_id[number] = entry
        return entry

    def _add_enum(self, cls: type[Enum], name: str) -> EnumCodec[Any]:
        codec = make_enum_codec(cls, name)
        known = self._enum_by_id.get(codec.known.id)
        if known is not None and not _same_place(known.cls, cls):
            raise _taken(cls, known.cls, name)
        model = self._by_type_id.get(codec.known.id)
        if model is not None:
            raise _taken(cls, model.cls, name)
        if known is not None:
            self._enums.pop(known.cls, None)
        self._enums[cls] = codec
        self._enum_by_id[codec.known.id] = codec
        return codec

    # --- look-up ----------------------------------------------------------------------------------------------------

    def is_generic(self, cls: Any) -> bool:
        """Not for users: whether a class is a model once it is told of what."""
        return isinstance(cls, type) and cls in self._generics

    def find(self, cls: Any) -> Model | None:
        """Not for users: the model of a class, or of a generic class with its arguments; None for what is none.

        Raises ModelError for arguments that Ignite doesn't hold.
        """
        if isinstance(cls, type):
            return self._models.get(cls)
        return self.add_arguments(cls) if self.is_generic(typing.get_origin(cls)) else None

    def encoder_for(self, cls: type) -> Encoder | None:
        """Not for users: the encoder of a registered class, or of an enum class."""
        entry = self._models.get(cls)
        if entry is not None:
            return entry.codec.whole.encode
        if issubclass(cls, Enum):
            return (self._enums.get(cls) or self._add_enum(cls, cls.__name__)).encode
        return _refuse_generic if cls in self._generics else None

    # A client remembers the two below, so that they look the class up each time: it may be defined again.

    def decoder_for(self, type_id: int) -> Decoder | None:
        """Not for users: the decoder of a registered complex type."""
        by_type_id = self._by_type_id
        if type_id not in by_type_id:
            return None

        def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
            return by_type_id[type_id].codec.decode_whole(codecs, buf, pos)

        return decode

    def enum_for(self, type_id: int) -> Callable[[int], Any] | None:
        """Not for users: the function from ordinal to member of a registered enum."""
        by_type_id = self._enum_by_id
        if type_id not in by_type_id:
            return None

        def member(ordinal: int) -> Any:
            return by_type_id[type_id].member(ordinal)

        return member

    def namesakes(self, module: str) -> dict[str, type]:
        """Not for users: the models of a module by name: a hint may name one that is local to a function."""
        classes = [*self._generics, *(entry.cls for entry in self._models.values())]
        return {cls.__name__: cls for cls in classes if cls.__module__ == module}

    def spec(self, hint: Any, *, path: str = "the type") -> Spec[Any]:
        """Not for users: what a type hint, or a spec, is to Ignite. Raises ModelError for one that is nothing to it."""
        if is_spec(hint):
            return hint
        try:
            plain = PLAIN.get(hint)
        except TypeError:  # an unhashable object is no hint
            raise ModelError(f"{path}: {hint!r} is not a type", path=path) from None
        if plain is not None:
            return plain
        if hint is None or hint is type(None):
            raise ModelError(f"{path}: None alone is no type for Ignite", path=path)
        if isinstance(hint, str | typing.ForwardRef):
            raise _UnresolvedError(f"{path}: the name {hint!r} can't be resolved", path=path)
        origin = typing.get_origin(hint)
        if origin is Annotated:
            return self._annotated(hint, path)
        if origin in {Union, types.UnionType}:
            return self._union(typing.get_args(hint), path)
        if origin is not None:
            return self._generic(hint, path)
        if isinstance(hint, TypeVar):
            raise ModelError(f"{path}: the type parameter {hint} is unbound", path=path)
        if isinstance(hint, typing.NewType):
            return self.spec(hint.__supertype__, path=path)
        alias = getattr(hint, "__value__", None)
        if alias is not None:
            return self.spec(alias, path=path)
        if isinstance(hint, type):
            return self._class(hint, path)
        raise ModelError(f"{path}: {hint!r} is nothing that Ignite holds", path=path)

    def _annotated(self, hint: Any, path: str) -> Spec[Any]:
        inner, *marks = typing.get_args(hint)
        some, nullable = _without_none(inner)
        for mark in marks:
            if is_spec(mark):
                return optional(mark) if nullable else mark
            if mark is Array or isinstance(mark, Array):
                spec = self._array(some, path)
                return optional(spec) if nullable else spec
        return self.spec(inner, path=path)

    def _array(self, hint: Any, path: str) -> Spec[Any]:
        if typing.get_origin(hint) is not list:
            raise ModelError(f"{path}: Array goes with a list[...]", path=path)
        (item,) = typing.get_args(hint)
        spec = self.spec(item, path=f"{path}[]")
        # Java gives an array of a class the class, and reads none other into a field of such an array.
        cls, _ = _without_none(item)
        if spec.java is not None and spec.code == ENUM:
            return enum_array_of(spec, type_id(spec.java))
        if spec.java is not None and self.find(cls) is not None:
            return object_array_of(spec, type_id(spec.java))
        return array_of(spec)

    def _union(self, members: Sequence[Any], path: str) -> Spec[Any]:
        some = [member for member in members if member is not type(None)]
        nullable = len(some) < len(members)
        if len(some) == 1:
            return optional(self.spec(some[0], path=path))
        specs = [self.spec(member, path=path) for member in some]
        if any(spec is ANY for spec in specs):
            return ANY
        # Models and enums have type ids, everything else its type code. A timedelta would be read as the long it is.
        told_apart = {
            spec.java if spec.code in {ENUM, OBJECT} else spec.code for spec in specs if spec is not TIMEDELTA
        }
        classes = [member if isinstance(member, type) else self._generic_class(member) for member in some]
        if None in classes or len({*classes}) < len(classes) or None in told_apart or len(told_apart) < len(specs):
            raise ModelError(f"{path}: the members of a union must be told apart by their Ignite types", path=path)
        union = _union_spec([cls for cls in classes if cls is not None], specs)
        return optional(union) if nullable else union

    def _generic_class(self, hint: Any) -> type | None:
        model = self.find(hint)
        return None if model is None else model.cls

    def _generic(self, hint: Any, path: str) -> Spec[Any]:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)

        def item(position: int) -> Spec[Any]:
            return self.spec(arguments[position], path=f"{path}[{position}]") if arguments else ANY

        match origin:
            case _ if self.is_generic(origin):
                return self.add_arguments(hint, path=path).spec()
            case _ if origin is list:
                return list_of(item(0))
            case _ if origin is set:
                return set_of(item(0))
            case _ if origin is frozenset:
                return frozenset_of(item(0))
            case _ if origin is dict:
                return dict_of(item(0), item(1))
            case _ if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
                return tuple_of(item(0))
            case _ if origin is tuple:
                return tuple_shape([item(position) for position in range(len(arguments))])
            case _ if origin is Literal:
                kinds: set[type] = {type(argument) for argument in arguments}
                if len(kinds) == 1:
                    return self.spec(kinds.pop(), path=path)
            case _:
                return self._foreign(hint, path)
        raise ModelError(f"{path}: the choices of a Literal must be of one type", path=path)

    def _class(self, cls: type, path: str) -> Spec[Any]:
        entry = self._models.get(cls)
        if entry is not None:
            return entry.spec()
        if issubclass(cls, Enum):
            codec = self._enums.get(cls) or self._add_enum(cls, cls.__name__)
            return enum_of(cls, codec.known.name)
        if cls in self._generics:
            raise ModelError(f"{path}: {cls.__name__} is generic: say of what, such as {cls.__name__}[int]", path=path)
        return self._foreign(cls, path)

    def _foreign(self, hint: Any, path: str) -> Spec[Any]:
        """The type of what only the user's hooks know."""
        from ignitemap.models.converter import foreign_spec  # noqa: PLC0415 - as in `converter`

        try:
            spec = foreign_spec(self.converter, hint, lambda inner: self.spec(inner, path=path))
        except ModelError as error:
            raise ModelError(f"{path}: {error.message}", path=path) from None
        if spec is None:
            cls = typing.get_origin(hint) or hint
            name = f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else repr(cls)
            raise ModelError(
                f"{path}: {name} is nothing that Ignite holds; is @ig.model missing? Or give the registry's converter"
                " hooks for it, register_unstructure_hook and register_structure_hook",
                path=path,
            )
        return spec

    # --- plain values -----------------------------------------------------------------------------------------------

    @property
    def converter(self) -> "Converter":
        """The cattrs converter of the registry: register hooks here for classes that Ignite has no type for.

        >>> class Money(str): ...
        >>> def text_of(money: Money) -> str:
        ...     return str(money)
        >>> registry = ig.Registry()
        >>> registry.converter.register_unstructure_hook(Money, text_of)
        >>> registry.converter.register_structure_hook(Money, lambda text, _: Money(text))

        It needs both, before the class is used in a hint. What the first one gives is what is stored; its return
        annotation, or the class that it is, says as which Ignite type. `structure` and `unstructure` use them too.
        """
        if self._converter is None:
            # cattrs makes an import a tenth slower, and few programs need it.
            from ignitemap.models.converter import make_converter  # noqa: PLC0415

            self._converter = make_converter(self._schema_of)
        return self._converter

    def _schema_of(self, hint: Any) -> Schema | None:
        model = self.find(hint)
        return None if model is None else model.schema

    def unstructure(self, value: Any, /) -> Any:
        """As ``ig.unstructure``.

        >>> ig.Registry().unstructure({"day": datetime.date(2026, 5, 1)})
        {'day': '2026-05-01'}
        """
        from ignitemap.models.converter import unstructure  # noqa: PLC0415 - as in `converter`

        return unstructure(self.converter, value)

    @overload
    def structure(self, value: Any, cls: type[T], /) -> T: ...
    @overload
    def structure(self, value: Any, cls: TypeForm[T], /) -> T: ...
    def structure(self, value: Any, cls: Any, /) -> Any:
        """As ``ig.structure``.

        >>> ig.Registry().structure("2026-05-01", datetime.date)
        datetime.date(2026, 5, 1)
        """
        from ignitemap.models.converter import structure  # noqa: PLC0415 - as in `converter`

        return structure(self.converter, value, cls)


class _UnresolvedError(ModelError):
    """A name in a hint is not defined yet."""


def _refuse_generic(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Refuse an object of a generic class that nothing declares: the object does not know its arguments."""
    name = type(value).__name__
    raise EncodeTypeError(f"{name} is generic: declare of what, such as {name}[int]")


def _union_spec(classes: Sequence[type], specs: Sequence[Spec[Any]]) -> Spec[Any]:
    """A value of one of several classes: written by its class, read by the type that the cluster has."""
    name = " or ".join(spec.name for spec in specs)
    by_class = dict(zip(classes, specs, strict=True))
    accepted = {*classes, Timestamp} if datetime.datetime in by_class else {*classes}
    # What is a class of Python's own, or a model, is read untyped by its type. Hooks are asked by the type code.
    foreign = {
        spec.code: spec for cls, spec in by_class.items() if cls not in PLAIN and spec.code not in {ENUM, OBJECT}
    }
    derived = tuple(cls for cls, spec in by_class.items() if spec in foreign.values())

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        spec = by_class.get(value.__class__)
        if spec is None and isinstance(value, derived):  # as a PosixPath is a Path
            spec = next(by_class[cls] for cls in derived if isinstance(value, cls))
        if spec is None:
            raise EncodeTypeError(f"expected {name}, got a Python {type(value).__qualname__}")
        spec.encode(codecs, out, value)

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
        hooked = foreign.get(buf[pos])
        if hooked is not None:
            made: tuple[Any, int] = hooked.decode(codecs, buf, pos)
            return made
        value, end = decode_object(codecs, buf, pos)
        if value.__class__ not in accepted:
            found = "null" if value is None else f"a {type(value).__name__}"
            raise DecodeError(f"expected {name}, the cluster has {found}", offset=pos)
        return value, end

    return Spec(name, encode, decode, hashable=all(spec.hashable for spec in specs))


def _without_none(hint: Any) -> tuple[Any, bool]:
    """What an Optional is optional of, and whether the hint is one."""
    if typing.get_origin(hint) in {Union, types.UnionType}:
        some = [each for each in typing.get_args(hint) if each is not type(None)]
        if len(some) == 1:
            return some[0], True
    return hint, False


def _canonical(hint: Any) -> Any:
    """A hint as the simplest one that is the same to Ignite: an argument of a generic model has one name."""
    if isinstance(hint, typing.NewType):
        return _canonical(hint.__supertype__)
    alias = getattr(hint, "__value__", None)
    if alias is not None and not isinstance(hint, type):
        return _canonical(alias)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner = _canonical(arguments[0])
        mark = next((each for each in arguments[1:] if _says_type(each)), None)
        return inner if mark is None or PLAIN.get(inner) is mark else Annotated[inner, mark]
    if origin is Literal:
        kinds: set[Any] = {type(argument) for argument in arguments}
        return kinds.pop() if len(kinds) == 1 else hint
    if origin is None or any(isinstance(each, list) for each in arguments):
        return hint
    if origin in {Union, types.UnionType}:
        return Union[tuple(map(_canonical, arguments))]  # noqa: UP007 - of how many is known when it runs
    return origin[tuple(map(_canonical, arguments))]


def _says_type(mark: Any) -> bool:
    """Whether a mark inside a hint decides about the Ignite type."""
    return is_spec(mark) or mark is Array or isinstance(mark, Array)


def _is_date(hint: Any) -> bool:
    """Whether a hint says no more than that a field is a date, or a date or None."""
    hint, _ = _without_none(getattr(hint, "__value__", hint))
    if typing.get_origin(hint) is Annotated:
        inner, *marks = typing.get_args(hint)
        return not any(map(is_spec, marks)) and _is_date(inner)
    if isinstance(hint, typing.NewType):
        return _is_date(hint.__supertype__)
    return hint is datetime.date


def _marks(hint: Any) -> list[Any]:
    """What Annotated says of a hint, also behind an alias or inside of an Optional."""
    hint = getattr(hint, "__value__", hint)
    if typing.get_origin(hint) is Annotated:
        inner, *marks = typing.get_args(hint)
        return [*marks, *_marks(inner)]
    some, nullable = _without_none(hint)
    return _marks(some) if nullable else []


def _hints(cls: type, namesakes: dict[str, type]) -> dict[str, Any]:
    """The hints of a class with names resolved in its module; a class may name itself, and models of its module."""
    try:
        return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except (NameError, AttributeError):  # an AttributeError is a module that is still being imported
        pass
    except (TypeError, SyntaxError) as error:
        raise ModelError(f"{cls.__name__}: a hint can't be read: {error}", path=cls.__name__) from error
    try:
        return typing.get_type_hints(cls, localns={**namesakes, cls.__name__: cls}, include_extras=True)
    except (NameError, AttributeError) as error:
        raise _UnresolvedError(f"{cls.__name__}: {error}", path=cls.__name__) from error


def _check_constructor(cls: type, fields: Sequence[ModelField]) -> None:
    """Refuse a class whose __init__ does not take its fields: objects could be written and never be read."""
    made = [field for field in fields if field.in_constructor]
    positional = [None for field in made if not field.keyword_only]
    named = {field.parameter: None for field in made if field.keyword_only}
    constructor: Any = cls.__dict__.get("__attrs_init__") or inspect.getattr_static(cls, "__init__")
    try:
        inspect.signature(constructor).bind(None, *positional, **named)
    except TypeError as error:
        raise ModelError(
            f"{cls.__name__}: its constructor does not take its fields: {error}", path=cls.__name__
        ) from None


def _taken(cls: type, other: type, name: str) -> ModelError:
    return ModelError(
        f"{cls.__module__}.{cls.__qualname__} and {other.__module__}.{other.__qualname__} are both named {name}:"
        " give one of them another type_name",
        path=cls.__name__,
    )


def _attributes(cls: type) -> list[_Attribute]:
    if attrs.has(cls):
        return [
            _Attribute(
                each.name,
                each.alias or each.name,
                each.type,
                each.metadata,
                each.default is attrs.NOTHING and each.init,
                each.kw_only,
                each.init,
            )
            for each in attrs.fields(cls)
            if each.name != ATTRIBUTE
        ]
    return [
        _Attribute(
            each.name,
            each.name,
            each.type,
            each.metadata,
            each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING and each.init,
            each.kw_only is True,
            each.init,
        )
        for each in dataclasses.fields(cls)
    ]


def _decorate(registry: Registry, cls: Any, options: dict[str, Any]) -> Any:
    def decorate(cls: Any) -> Any:
        if registry.is_generic(typing.get_origin(cls)):
            registry.add_arguments(cls, ModelOptions(**options))
            return cls
        if not isinstance(cls, type):
            raise ModelError(f"a model is a class, not {type(cls).__name__}")
        return registry.add(cls, ModelOptions(**options))

    return decorate if cls is None else decorate(cls)


def _same_place(one: type, other: type) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


default_registry = Registry()
"""Where models are registered, and looked for, that name no registry; clients that name none have it."""

_homes: WeakKeyDictionary[type, "weakref.ref[Registry]"] = WeakKeyDictionary()
"""The registry that each model was registered in first: ``ig.key_class(Model)`` need not name it."""


def _home(cls: Any, registry: Registry | None) -> Registry:
    """The registry to look in: the one that is named, else the default one where it knows the class, else the class's."""
    if registry is not None:
        return registry
    origin = typing.get_origin(cls) or cls
    if not isinstance(origin, type) or default_registry.find(cls) is not None:
        return default_registry
    home = _homes.get(origin)
    return (None if home is None else home()) or default_registry


@overload
def model(cls: C, /) -> C: ...
@overload
def model(
    *,
    type_name: str | None = None,
    cache: str | None = None,
    rename: Rename = None,
    unknown_fields: UnknownPolicy | None = None,
    key_type_name: str | None = None,
    sql_schema: str | None = None,
    table: str | None = None,
    registry: Registry | None = None,
) -> Callable[[C], C]: ...
@dataclass_transform(field_specifiers=(attrs.field, field, key))
def model(cls: Any = None, /, *, registry: Registry | None = None, **options: Any) -> Any:  # noqa: D417 - the overloads
    """Make a class a model: an Ignite complex object, field by field of its type hints.

    Applies ``attrs.define`` unless the class is an attrs class or a dataclass already.

    Args:
        type_name: The Ignite type, a Java class name where Java reads it too; the class's name by default.
        cache: The cache that ``client.cache(Model)`` opens; the class's name in lower case by default.
        rename: ``"camel"`` or a function from Python names to Ignite names.
        unknown_fields: What becomes of fields that an object in the cluster has and the class doesn't. ``"preserve"``:
            they survive reading, changing (also by ``attrs.evolve``) and writing back. ``"ignore"``: they are dropped,
            and lost when the object is written back. ``"forbid"``: reading is a DecodeError that names them. By
            default they are preserved in classes that ``ig.model`` defines, which get one more field for it,
            ``_ignite_unknown``: keyword-only, not compared, not shown, None in most objects. A class that is an attrs
            class or a dataclass already has no such place; the default is ``"ignore"`` there, and ``"preserve"`` a
            ModelError.
        key_type_name: The Ignite type of keys that are made of several fields; ``<type_name>Key`` by default.
        sql_schema: The SQL schema of caches that are created for the class; by default the cache's name, exactly as it is
            written. Ignite takes a name in upper case, unless it stands in quotes: ``'"Sales"'``.
        table: The name of the SQL table in such caches, which Ignite takes in upper case; the last part of the type name by
            default.
        registry: Where the class is registered; a default registry by default.

    Raises ModelError for a class that can't be a model: an unsupported hint, a name that is taken, two fields whose
    names differ in case only.

    >>> @ig.model(type_name="com.acme.Sample", cache="samples", rename="camel")
    ... class Sample:
    ...     sample_id: int = ig.key()
    ...     taken_at: datetime.datetime
    ...     hops: ig.Int = 0
    ...     notes: str | None = None
    >>> samples = await client.cache(Sample)
    >>> await samples.save(Sample(1, datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC), hops=3))
    >>> (await samples[1]).hops
    3

    A plain int is a long in Java and in SQL, a float a double; other widths have names of their own:

    >>> @ig.model
    ... class Widths:
    ...     numbers: tuple[ig.Byte, ig.Short, ig.Int, ig.Long]
    ...     reals: tuple[ig.Float, ig.Double]
    ...     letter: ig.Char
    >>> Widths(numbers=(1, 2, 3, 4), reals=(0.5, 0.1), letter="x").letter
    'x'
    """
    return _decorate(default_registry if registry is None else registry, cls, options)


@overload
def enum_(cls: E, /) -> E: ...
@overload
def enum_(*, type_name: str | None = None, registry: Registry | None = None) -> Callable[[E], E]: ...
def enum_(cls: Any = None, /, *, type_name: str | None = None, registry: Registry | None = None) -> Any:
    """Name an enum's Ignite type. Enums without it are registered under their class name when they are used.

    A member travels as its place among the members, as in Java; its name is what the cluster knows it by.

    Args:
        cls: The class, where the decorator is written without brackets.
        type_name: The Ignite type, a Java class name where Java reads it too; the class's name by default.
        registry: Where the class is registered; a default registry by default.

    Raises ModelError for a name that is taken, and for what is no enum class.

    >>> @ig.enum(type_name="com.acme.Colour")
    ... class Colour(enum.Enum):
    ...     RED = 1
    ...     BLUE = 2
    >>> colours = await client.cache("colours", int, Colour)
    >>> await colours.set(1, Colour.BLUE)
    >>> await colours[1]
    <Colour.BLUE: 2>
    """
    registered = (default_registry if registry is None else registry).enum(type_name=type_name)
    return registered if cls is None else registered(cls)


def key_class(cls: type, *, registry: Registry | None = None) -> type:
    """The frozen class of a model's cache keys that are made of several ``key()`` fields.

    Raises ModelError for a class that is no model, or has fewer than two key fields.

    >>> @ig.model
    ... class Room:
    ...     house: str = ig.key()
    ...     number: int = ig.key()
    >>> ig.key_class(Room)("A", 12)
    RoomKey(house='A', number=12)
    """
    entry = _home(cls, registry).find(cls)
    made = None if entry is None else entry.key_class
    if made is None:
        raise ModelError(f"{cls.__name__} has no key of several fields", path=cls.__name__)
    return made


def unstructure(value: Any, /, *, registry: Registry | None = None) -> Any:
    """A value as what ``json.dumps`` takes: models as dicts of their fields, a date as text, and so on.

    >>> json.dumps(ig.unstructure(Person(1, "Ann", 41)))
    '{"id": 1, "name": "Ann", "age": 41, "city_id": 1, "nick": null}'

    Fields that an object has beyond its class (``_ignite_unknown``) are left out. ``structure`` is the way back.

    Args:
        value: A model, or anything that a model can hold.
        registry: Whose models and hooks count; by default the one that the model is registered in.

    Raises EncodeError for a value of a class that the registry's converter has no hook for.
    """
    return _home(type(value), registry).unstructure(value)


@overload
def structure(value: Any, cls: type[T], /, *, registry: Registry | None = None) -> T: ...
@overload
def structure(value: Any, cls: TypeForm[T], /, *, registry: Registry | None = None) -> T: ...
def structure(value: Any, cls: Any, /, *, registry: Registry | None = None) -> Any:
    """A model, or another type, made of plain data: ``ig.structure(await request.json(), Person)``.

    Takes what ``unstructure`` gives, fresh or by way of JSON. Nothing is guessed: a number in text is no int. Fields
    that are missing get the class's default, fields that the class doesn't have are passed over, unless the model says
    ``unknown_fields="forbid"``.

    Args:
        value: The data.
        cls: A model, or any other hint of a field: ``list[Person]``, ``Box[int]``, ``datetime | None``.
        registry: Whose models and hooks count; by default the one that the model is registered in.

    Raises StructureError, which is a ValueError, with the path to what does not fit.

    >>> ig.structure(json.loads('{"id": 1, "name": "Ann"}'), Person)
    Person(id=1, name='Ann', age=0, city_id=1, nick=None)
    >>> ig.structure([1, "2"], list[int])
    Traceback (most recent call last):
    StructureError: ...
    """
    return _home(cls, registry).structure(value, cls)
