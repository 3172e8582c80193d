"""What a cache is created from on the raw layer: a name, a CacheConfig, or pyignite's dict by property code."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

from ignitemap.exceptions import ConfigurationError
from ignitemap.protocol.cache_config import (
    PROPERTIES,
    CacheConfig,
    CacheProperty,
    IndexType,
    KeyConfiguration,
    QueryEntity,
    QueryField,
    QueryIndex,
)
from ignitemap.protocol.message import ExpiryPolicy

__all__ = ["Settings", "check_sql_names", "config_of", "name_of", "normal_name", "settings_of"]

T = TypeVar("T")

Settings = str | CacheConfig | Mapping[int, Any]
"""A cache's name, its configuration, or a dict of ``PROP_*`` codes, as pyignite takes it and `settings()` answers."""

_BY_CODE: Final = {each.code: each for each in PROPERTIES}
_ENTITIES: Final = 200
_KEYS: Final = 401
_TIMES: Final = frozenset({"default_lock_timeout", "rebalance_timeout"})
_RESERVED: Final = frozenset({"SYS", "INFORMATION_SCHEMA"})


def config_of(settings: Settings) -> CacheConfig:
    """The configuration that settings ask for. Raises ConfigurationError for what is none, or has no name."""
    match settings:
        case str():
            config = CacheConfig(name=settings)
        case CacheConfig():
            config = settings
        case Mapping():
            config = CacheConfig(**dict(_property(code, value) for code, value in settings.items()))
        case _:
            raise ConfigurationError(
                f"a cache is created from a name, a CacheConfig or a dict, not a Python {type(settings).__qualname__}"
            )
    name_of(config)
    check_sql_names(config)
    return config


def name_of(config: CacheConfig) -> str:
    """The cache's name. Raises ConfigurationError when it is missing."""
    if not config.name:
        raise ConfigurationError("a cache needs a name", option="name")
    return config.name


def check_sql_names(config: CacheConfig) -> None:
    """Refuse names that a node can make no SQL schema or table of. Raises ConfigurationError.

    A node puts quotes around the name of a schema and doubles none inside, and drops a schema with the last of its caches,
    which H2 refuses for its own INFORMATION_SCHEMA. When such a statement fails, the node closes the one connection that
    makes schemas: no cache that is created from then on has one, until the node is started again (seen from a 2.17.0
    node; ConnectionManager.executeSystemStatement). To an empty name it closes the connection without an answer.
    """
    entities = config.query_entities or ()
    if config.sql_schema is not None:
        _check_schema(config.sql_schema, normal_name(config.sql_schema), "sql_schema")
    elif entities:
        _check_schema(config.name or "", config.name or "", "name")
    for entity in entities:
        names = [entity.table, *(each.name for each in entity.fields), *(each.name for each in entity.indexes)]
        for name in names:
            if name is not None and '"' in name:
                raise ConfigurationError(f"the SQL name {name!r} has a quote inside", option="query_entities")


def _check_schema(name: str, schema: str, option: str) -> None:
    if not schema or '"' in schema or schema in _RESERVED:
        raise ConfigurationError(
            f"{option} {name!r} can't be the name of an SQL schema: a node takes no quote in it, nor"
            f" {' or '.join(sorted(_RESERVED))}, and none that is empty",
            option=option,
        )


def normal_name(name: str) -> str:
    """A name as Ignite takes it in SQL: in upper case, unless it stands in quotes."""
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1]
    return name.upper()


def settings_of(config: CacheConfig) -> dict[int, Any]:
    """A configuration as pyignite's dict: everything by property code, records as dicts."""
    settings = {each.code: getattr(config, each.field) for each in PROPERTIES}
    for code, write in ((_ENTITIES, _entity_dict), (_KEYS, _key_dict)):
        if settings[code] is not None:
            settings[code] = [write(each) for each in settings[code]]
    return settings


def _property(code: int, value: Any) -> tuple[str, Any]:
    each = _BY_CODE.get(code)
    if each is None:
        raise ConfigurationError(f"cache property {code} is not one of the protocol's", option=str(code))
    if value is None:
        return each.field, None
    try:
        return each.field, _value(each, value)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the cache property {each.field} can't be read: {type(error).__name__}: {error}", option=each.field
        ) from error


def _value(each: CacheProperty, value: Any) -> Any:
    if each.kind is not None:
        return each.kind(value)
    if each.field in _TIMES and value < 0:
        raise ValueError(f"{value} ms")
    match each.field:
        case "expiry":
            if not isinstance(value, ExpiryPolicy):
                raise TypeError(f"expected an ExpiryPolicy, got a Python {type(value).__qualname__}")
            return value
        case "query_entities":
            return _each(value, QueryEntity, _query_entity)
        case "key_configuration":
            return _each(value, KeyConfiguration, _key_configuration)
        case _:
            return value


# --- pyignite's dicts, by the names in its CacheConfiguration ---------------------------------------------------------


def _each(given: Iterable[Any], kind: type[T], read: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    """Records as they are, dicts as records."""
    return tuple(item if isinstance(item, kind) else read(cast("Mapping[str, Any]", item)) for item in given)


def _query_entity(given: Mapping[str, Any]) -> QueryEntity:
    return QueryEntity(
        key_type=given["key_type_name"],
        value_type=given["value_type_name"],
        table=given.get("table_name"),
        key_field=given.get("key_field_name"),
        value_field=given.get("value_field_name"),
        fields=_each(given.get("query_fields", ()), QueryField, _query_field),
        aliases=tuple((alias["field_name"], alias["alias"]) for alias in given.get("field_name_aliases", ())),
        indexes=_each(given.get("query_indexes", ()), QueryIndex, _query_index),
    )


def _query_field(given: Mapping[str, Any]) -> QueryField:
    return QueryField(
        given["name"],
        given["type_name"],
        is_key=given.get("is_key_field", False),
        not_null=given.get("is_notnull_constraint_field", False),
        default=given.get("default_value"),
        precision=given.get("precision", -1),
        scale=given.get("scale", -1),
    )


def _query_index(given: Mapping[str, Any]) -> QueryIndex:
    return QueryIndex(
        given["index_name"],
        int(given.get("index_type", IndexType.SORTED)),
        given.get("inline_size", -1),
        tuple((field["name"], field.get("is_descending", False)) for field in given["fields"]),
    )


def _key_configuration(given: Mapping[str, Any]) -> KeyConfiguration:
    return KeyConfiguration(given["type_name"], given["affinity_key_field_name"])


def _entity_dict(entity: QueryEntity) -> dict[str, Any]:
    return {
        "key_type_name": entity.key_type,
        "value_type_name": entity.value_type,
        "table_name": entity.table,
        "key_field_name": entity.key_field,
        "value_field_name": entity.value_field,
        "query_fields": [
            {
                "name": field.name,
                "type_name": field.type_name,
                "is_key_field": field.is_key,
                "is_notnull_constraint_field": field.not_null,
                "default_value": field.default,
                "precision": field.precision,
                "scale": field.scale,
            }
            for field in entity.fields
        ],
        "field_name_aliases": [{"field_name": field, "alias": alias} for field, alias in entity.aliases],
        "query_indexes": [
            {
                "index_name": index.name,
                "index_type": index.type,
                "inline_size": index.inline_size,
                "fields": [{"name": name, "is_descending": descending} for name, descending in index.fields],
            }
            for index in entity.indexes
        ],
    }


def _key_dict(key: KeyConfiguration) -> dict[str, Any]:
    return {"type_name": key.type_name, "affinity_key_field_name": key.affinity_field}
