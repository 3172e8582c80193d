"""What a model is to Ignite: its fields, which of them live in the key, its binary types and its SQL table. Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import attrs

from ignitemap.exceptions import ModelError
from ignitemap.models.fields import FieldOptions, Index, SqlColumn
from ignitemap.models.unknown import ATTRIBUTE, holds_unknown
from ignitemap.protocol.binary_type import BinaryType, binary_type
from ignitemap.protocol.cache_config import IndexType, QueryEntity, QueryField, QueryIndex
from ignitemap.protocol.codecs import Hinted, Spec
from ignitemap.protocol.hashing import lowercase_hash

__all__ = [
    "ModelField",
    "ModelOptions",
    "Rename",
    "Schema",
    "UnknownPolicy",
    "column_class",
    "default_index_name",
    "ignite_name",
    "make_schema",
    "query_entity",
    "query_indexes",
    "simple_name",
]

COLLECTION: Final = 24
MAP: Final = 25
ANY_OBJECT: Final = 103

Rename = Literal["camel"] | Callable[[str], str] | None
UnknownPolicy = Literal["preserve", "ignore", "forbid"]


@attrs.frozen
class ModelOptions:
    """What ``@ig.model`` was told."""

    type_name: str | None = None
    cache: str | None = None
    rename: Rename = None
    unknown_fields: UnknownPolicy | None = None
    """None: "preserve" where the class can hold them, else "ignore"."""
    key_type_name: str | None = None
    sql_schema: str | None = None
    table: str | None = None


@attrs.frozen(eq=False)
class ModelField:
    """One field: its Python attribute and constructor parameter, its name in Ignite, its type."""

    attribute: str
    parameter: str
    name: str
    spec: Spec[Any]
    options: FieldOptions
    column: SqlColumn
    required: bool
    keyword_only: bool
    in_constructor: bool
    hint: Any = Any
    """What the class says, type parameters and forward references resolved."""
    is_date: bool = False
    """Whether it is a date whose form follows the cluster's metadata."""


@attrs.frozen(eq=False)
class Schema:
    """A resolved model."""

    cls: type
    type_name: str
    cache: str | None
    fields: tuple[ModelField, ...]
    key_fields: tuple[ModelField, ...]
    value_fields: tuple[ModelField, ...]
    """What a value in the model's own cache holds: all but the fields that live in the key."""
    whole: BinaryType
    """The type of an object that holds every field."""
    value: BinaryType
    """The type of a value in the model's own cache; the same name, another schema."""
    key_type_name: str
    unknown_fields: UnknownPolicy
    hashable: bool
    """Whether objects can be keys: Python can hash them, and equal ones have equal bytes."""
    bare_init: bool
    """Whether the class has an __init__ of its own, behind which attrs' is __attrs_init__."""
    only_assigns: bool
    """Whether the constructor does nothing but set each field to what it is given."""

    @property
    def split(self) -> bool:
        """Whether the value is written without some fields of the model."""
        return len(self.value_fields) < len(self.fields)


def make_schema(cls: type, options: ModelOptions, fields: tuple[ModelField, ...]) -> Schema:
    """The schema of a class with resolved fields. Raises ModelError with the path of what can't be."""
    path = cls.__name__
    type_name = options.type_name or cls.__name__
    names: dict[int, str] = {}
    for field in fields:
        if not field.name:
            raise ModelError(f"{path}.{field.attribute} has no name in Ignite", path=f"{path}.{field.attribute}")
        for name in (field.name, *field.options.aliases):
            known = names.setdefault(lowercase_hash(name), field.attribute)
            if known != field.attribute:
                raise ModelError(
                    f"{path}.{field.attribute} and {path}.{known} are one field to Ignite: it ignores case",
                    path=f"{path}.{field.attribute}",
                )
    key_fields = tuple(field for field in fields if field.options.key)
    value_fields = tuple(field for field in fields if not field.options.key or field.options.in_value)
    for field in key_fields:
        if not field.spec.hashable or field.spec.nullable:
            raise ModelError(
                f"{path}.{field.attribute} can't be a key: {field.spec.name} is not hashable or may be None",
                path=f"{path}.{field.attribute}",
            )
    affinity = [field for field in fields if field.options.affinity]
    if len(affinity) > 1:
        raise ModelError(f"{path} has more than one affinity field", path=f"{path}.{affinity[1].attribute}")
    affinity_name = affinity[0].name if affinity and not key_fields else None
    return Schema(
        cls,
        type_name,
        options.cache,
        fields,
        key_fields,
        value_fields,
        binary_type(type_name, [(field.name, _declared(field)) for field in fields], affinity_field=affinity_name),
        binary_type(
            type_name, [(field.name, _declared(field)) for field in value_fields], affinity_field=affinity_name
        ),
        options.key_type_name or f"{type_name}Key",
        options.unknown_fields or ("preserve" if holds_unknown(cls) else "ignore"),
        _has_hash(cls) and all(field.spec.hashable for field in fields),
        "__attrs_init__" in cls.__dict__,
        _only_assigns(cls, {field.attribute for field in fields}),
    )


def _has_hash(cls: Any) -> bool:
    """Whether equal objects of a class have equal hashes. Those that are compared by identity are never found again."""
    return cls.__hash__ is not None and cls.__hash__ is not object.__hash__


def _only_assigns(cls: Any, attributes: set[str]) -> bool:
    """Whether making an object is to set these attributes, one after the other, and nothing else.

    It is where attrs wrote an __init__ in which no other name occurs: validators, converters, hooks, a hash that is kept
    and frozen attributes all bring names of their own. A factory's stands there for an argument that is not given.
    """
    init: Any = cls.__dict__.get("__init__")
    code: Any = getattr(init, "__code__", None)
    if code is None or not code.co_filename.startswith("<attrs generated"):
        return False
    names = {name for name in code.co_names if name != "NOTHING" and not name.startswith("__attr_factory_")}
    return (
        names - {ATTRIBUTE} == attributes
        and cls.__new__ is object.__new__
        and cls.__setattr__ is object.__setattr__
        and type(cls).__call__ is type.__call__
    )


def _declared(field: ModelField) -> int:
    """The type code that the cluster's metadata gets for a field.

    A Java class that has the field as ``List``, ``Set`` or ``Map`` declares it as Object, and refuses to write where
    it finds it declared as a collection (seen from Java's client 2.17.0).
    """
    return ANY_OBJECT if field.spec.code in {COLLECTION, MAP} else field.spec.code


def ignite_name(attribute: str, options: FieldOptions, rename: Rename) -> str:
    """A field's name in Ignite."""
    if options.name is not None:
        return options.name
    if rename == "camel":
        head, *rest = attribute.strip("_").split("_")
        return head + "".join(part[:1].upper() + part[1:] for part in rest)
    if callable(rename):
        return rename(attribute)
    return attribute


def query_entity(schema: Schema, key: Spec[Any], key_type: str | None, table: str | None = None) -> QueryEntity:
    """The SQL table over a model's cache.

    ``key_type`` is the type name of a complex key, None for a plain one. ``table`` is the table's name; by default Ignite
    takes the last part of the type name.
    """
    key_names = {field.name for field in schema.key_fields}
    single = schema.key_fields[0].name if len(schema.key_fields) == 1 else None
    fields = [
        QueryField(
            field.name,
            column_class(field),
            is_key=field.name in key_names,
            not_null=field.column.not_null,
            default=None if field.column.default is None else Hinted(field.column.default, field.spec),
            precision=field.column.precision,
            scale=field.column.scale,
        )
        for field in schema.fields
    ]
    return QueryEntity(
        key_type=key_type or key.java or "java.lang.Object",
        value_type=schema.type_name,
        table=table,
        key_field=single,
        value_field=None,
        fields=tuple(fields),
        aliases=(),
        indexes=query_indexes(schema.type_name, schema.fields),
    )


def column_class(field: ModelField) -> str:
    """The Java class of a column.

    SQL has no type for a char: a node that is told of one makes no table at all. As a String it can be compared, but
    not be indexed (seen from a 2.17.0 node).
    """
    java = field.spec.java
    if java == "java.lang.Character":
        return "java.lang.Object" if field.options.indexes else "java.lang.String"
    return java or "java.lang.Object"


def query_indexes(type_name: str, fields: Iterable[ModelField]) -> tuple[QueryIndex, ...]:
    """The SQL indexes that the fields of a class ask for, in the order in which they are first named."""
    named: dict[str, list[tuple[Index, str]]] = {}
    for field in fields:
        for index in field.options.indexes:
            name = index.name or default_index_name(type_name, field.name)
            named.setdefault(name, []).append((index, field.name))
    made: list[QueryIndex] = []
    for name, members in named.items():
        members.sort(key=lambda member: member[0].order)
        fulltext = any(index.fulltext for index, _ in members)
        made.append(
            QueryIndex(
                name,
                int(IndexType.FULLTEXT if fulltext else IndexType.SORTED),
                max(index.inline_size for index, _ in members),
                tuple((field, index.descending) for index, field in members),
            )
        )
    return tuple(made)


def default_index_name(type_name: str, field: str) -> str:
    """The name of an index over one field that was given none."""
    return f"{simple_name(type_name)}_{field}_idx".upper()


def simple_name(type_name: str) -> str:
    """The last part of a type name, as Ignite names the table: behind the package and the outer class."""
    return re.split(r"[.$]", type_name)[-1]
