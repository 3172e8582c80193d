"""Opening a cache: what its caller asks for, whether the cluster's cache is that, and what its SQL table is called."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ignitemap import mapping, models
from ignitemap.client.settings import check_sql_names, normal_name
from ignitemap.exceptions import ConfigurationError, SchemaConflictError
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    KeyConfiguration,
    PartitionLossPolicy,
    QueryEntity,
    WriteSynchronizationMode,
)
from ignitemap.protocol.codecs import Spec
from ignitemap.protocol.message import ExpiryPolicy

__all__ = [
    "WantedCache",
    "check_options",
    "matching_entity",
    "schema_of",
    "table_name",
    "unmade_table",
    "wanted_cache",
]

DURABILITY: Final[Mapping[str, CacheConfig]] = {
    "safe": CacheConfig(
        backups=1,
        write_sync=WriteSynchronizationMode.FULL_SYNC,
        read_from_backup=False,
        partition_loss_policy=PartitionLossPolicy.READ_WRITE_SAFE,
    ),
    "fast": CacheConfig(),
}
# What "fast" is in the end, for comparison: CacheConfiguration of Ignite 2.17.
SERVER_DEFAULTS: Final = CacheConfig(
    backups=0,
    write_sync=WriteSynchronizationMode.PRIMARY_SYNC,
    read_from_backup=True,
    partition_loss_policy=PartitionLossPolicy.IGNORE,
)
MODES: Final[Mapping[str, CacheMode]] = {mode.name.lower(): mode for mode in CacheMode}
ATOMICITIES: Final[Mapping[str, CacheAtomicityMode]] = {mode.name.lower(): mode for mode in CacheAtomicityMode}
DEFAULT_REGION: Final = "default"
ANY_JAVA: Final = "java.lang.Object"
# What is written in Python for a Java class.
PYTHON_TYPES: Final[Mapping[str, str]] = {
    "java.lang.Byte": "ig.Byte", "java.lang.Short": "ig.Short", "java.lang.Integer": "ig.Int", "java.lang.Long": "int",
    "java.lang.Float": "ig.Float", "java.lang.Double": "float", "java.lang.Boolean": "bool",
    "java.lang.Character": "ig.Char", "java.lang.String": "str", "java.math.BigDecimal": "Decimal",
    "java.util.UUID": "UUID", "java.util.Date": "date", "java.sql.Time": "time", "java.sql.Timestamp": "datetime",
    "[B": "bytes",
}  # fmt: skip


@attrs.frozen
class WantedCache:
    """What a caller of `client.cache` asks for."""

    config: CacheConfig
    """What the cache gets if it must be created."""
    named: Mapping[str, Mapping[str, Any]]
    """The options that the caller named, each with the fields of the configuration that it is about."""


def wanted_cache(
    name: str,
    config: CacheConfig | None,
    options: Mapping[str, Any],
    model: "models.registry.Model | None",
    key: Spec[Any],
) -> WantedCache:
    """The configuration that a caller asks for. Raises ConfigurationError."""
    options = dict(options)
    base: dict[str, Any] = {}
    named: dict[str, Mapping[str, Any]] = {}
    table = options.pop("table", None)
    if config is not None:
        if config.name not in {None, name}:
            raise ConfigurationError(f"the configuration of {config.name!r} can't be that of {name!r}", option="config")
        given = {field: value for field, value in attrs.asdict(config, recurse=False).items() if value is not None}
        given.pop("name", None)
        base.update(given)
        named.update({field: {field: value} for field, value in given.items()})
    durability = options.pop("durability", None)
    if durability not in {None, *DURABILITY}:
        raise ConfigurationError(f"durability is safe or fast, not {durability!r}", option="durability")
    if "ttl" in options:
        milliseconds = mapping.expiry.ttl_milliseconds(options.pop("ttl"))
        base["expiry"] = ExpiryPolicy(milliseconds, milliseconds)
        named["ttl"] = {"expiry": base["expiry"]}
    known = {each.name for each in attrs.fields(CacheConfig)} - {"name"}
    for option, value in options.items():
        if option not in known:
            raise ConfigurationError(f"a cache has no option {option!r}", option=option)
        base[option] = _word(option, value)
        if value is not None:
            named[option] = {option: base[option]}
    defaults = _set_fields(DURABILITY[durability or "safe"])
    if durability is not None:
        meant = defaults or _set_fields(SERVER_DEFAULTS)
        named["durability"] = {field: value for field, value in meant.items() if field not in base}
    if model is not None:
        if base.get("sql_schema") is None:
            base["sql_schema"] = model.options.sql_schema
        if base.get("query_entities") is None:
            base.update(_of_model(model, key, table or model.options.table, base.get("key_configuration")))
            table = None
    if table is not None:
        raise ConfigurationError("table goes with a model, and without query_entities", option="table")
    wanted = CacheConfig(name=name, **{**defaults, **base})
    check_sql_names(wanted)
    return WantedCache(wanted, named)


def _of_model(
    model: "models.registry.Model", key: Spec[Any], table: str | None, keys: tuple[KeyConfiguration, ...] | None
) -> dict[str, Any]:
    """What a model says about its cache: a table, and which field of its keys decides where an entry lives."""
    key_model = model.key_model
    entity = models.schema.query_entity(model.schema, key, None if key_model is None else key_model.type_name, table)
    if key_model is not None and keys is None:
        affinity = next((each.name for each in key_model.schema.fields if each.options.affinity), None)
        if affinity is not None:
            keys = (KeyConfiguration(key_model.type_name, affinity),)
    return {"query_entities": (entity,), "key_configuration": keys}


def _set_fields(config: CacheConfig) -> dict[str, Any]:
    return {field: value for field, value in attrs.asdict(config, recurse=False).items() if value is not None}


def _word(option: str, value: Any) -> Any:
    words: Mapping[str, Any] | None = {"mode": MODES, "atomicity": ATOMICITIES}.get(option)
    if words is None or not isinstance(value, str):
        return value
    if value.lower() not in words:
        raise ConfigurationError(f"{option} is {' or '.join(words)}, not {value!r}", option=option)
    return words[value.lower()]


# --- an existing cache ------------------------------------------------------------------------------------------------


def check_options(wanted: WantedCache, found: CacheConfig) -> None:
    """Compare the options that the caller named with the cluster's cache. Raises ConfigurationError."""
    for option, fields in wanted.named.items():
        for field, value in fields.items():
            if not _agree(field, value, found, wanted):
                about = "" if option == field else f" ({field})"
                raise ConfigurationError(
                    f"{option}{about}: {_shown(value)} is asked for, and the cache {wanted.config.name!r} exists with"
                    f" {_shown(getattr(found, field))}",
                    option=option,
                )


def _agree(field: str, value: Any, found: CacheConfig, wanted: WantedCache) -> bool:
    has = getattr(found, field)
    match field:
        case "backups" if found.mode is CacheMode.REPLICATED and wanted.config.mode is CacheMode.REPLICATED:
            return True  # a copy on every node, however many were asked for
        case "data_region":
            return (value or DEFAULT_REGION) == (has or DEFAULT_REGION)
        case "sql_schema":
            return has is not None and normal_name(value) == normal_name(has)
        case "query_entities":
            return all(any(_is_entity(each, one) for one in has) for each in value)
        case "key_configuration":
            present = {(each.type_name.lower(), each.affinity_field.lower()) for each in has}
            return all((each.type_name.lower(), each.affinity_field.lower()) in present for each in value)
        case _:
            return bool(has == value)


def _is_entity(wanted: QueryEntity, found: QueryEntity) -> bool:
    """Whether they are one table. Columns and indexes are not compared: ALTER TABLE changes them."""
    same_table = wanted.table in {None, found.table} or normal_name(wanted.table or "") == found.table
    return (
        _same_type(wanted.key_type, found.key_type) and _same_type(wanted.value_type, found.value_type) and same_table
    )


def _shown(value: Any) -> str:
    match value:
        case ExpiryPolicy(create=-1):
            return "no ttl"
        case ExpiryPolicy(create=create, update=update, access=-2) if create == update:
            return f"{create / 1000:g} s"
        case CacheMode() | CacheAtomicityMode():
            return repr(value.name.lower())
        case WriteSynchronizationMode() | PartitionLossPolicy():
            return value.name
        case tuple():
            return ", ".join(map(_shown, value)) or "none"  # pyright: ignore[reportUnknownArgumentType] - of records
        case QueryEntity(key_type=key, value_type=value_type, table=table):
            return f"{table or 'a table'} of {key} and {value_type}"
        case None:
            return "none"
        case _:
            return repr(value)


def matching_entity(name: str, found: CacheConfig, key_type: str | None, value_type: str | None) -> QueryEntity | None:
    """What SQL sees of a cache with keys and values of these Java classes; None where it is nothing, or not one thing.

    None as a type is any type. Raises SchemaConflictError where the cluster has other types.
    """
    entities = found.query_entities or ()
    if not entities:
        return None
    of_value = [each for each in entities if _same_type(value_type, each.value_type)]
    if not of_value:
        raise _other_types(name, "values", [each.value_type for each in entities], value_type)
    of_both = [each for each in of_value if _same_type(key_type, each.key_type)]
    if not of_both:
        raise _other_types(name, "keys", [each.key_type for each in of_value], key_type)
    return of_both[0] if len(of_both) == 1 else None


def _same_type(wanted: str | None, found: str | None) -> bool:
    return wanted in {None, ANY_JAVA} or found in {None, ANY_JAVA} or str(wanted).lower() == str(found).lower()


def _other_types(name: str, what: str, found: list[str | None], wanted: str | None) -> SchemaConflictError:
    classes = list(dict.fromkeys(each or ANY_JAVA for each in found))
    instead = [PYTHON_TYPES[each] for each in classes if each in PYTHON_TYPES]
    here = PYTHON_TYPES.get(wanted or "")
    if instead:
        advice = f"write {' or '.join(instead)}"
    elif classes[0].startswith("java."):
        advice = "write Any"
    elif here is not None:
        advice = f"take a model with the type name {classes[0]}"
    else:
        advice = f"a model's name in the cluster is its {'type_name' if what == 'values' else 'key_type_name'}"
    own = f"{wanted} ({here})" if here else wanted
    return SchemaConflictError(
        f"the {what} of the cache {name!r} are {' or '.join(classes)} in the cluster and {own} in this program: {advice}",
        cache=name,
    )


def schema_of(found: CacheConfig) -> str:
    """The name of the SQL schema of a cache's tables."""
    return found.name or "" if found.sql_schema is None else normal_name(found.sql_schema)


def table_name(found: CacheConfig, entity: QueryEntity) -> str:
    """The quoted name of a table, as SQL statements have it."""
    return f"{mapping.expressions.quoted(schema_of(found))}.{mapping.expressions.quoted(entity.table or '')}"


def unmade_table(wanted: WantedCache) -> str | None:
    """The name of the table that a cache would have if it had been created as it is wanted."""
    entities = wanted.config.query_entities
    if not entities:
        return None
    (entity, *_) = entities
    table = normal_name(entity.table or models.schema.simple_name(entity.value_type or ""))
    return f"{mapping.expressions.quoted(schema_of(wanted.config))}.{mapping.expressions.quoted(table)}"
