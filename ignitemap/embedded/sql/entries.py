"""Entries as rows and rows as entries: columns read out of keys and values, keys and values made of columns."""

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from ignitemap.embedded.sql.catalog import Column, Table
from ignitemap.embedded.sql.errors import H2Error
from ignitemap.embedded.sql.marshal import marshal, unmarshal
from ignitemap.embedded.sql.numbers import decimal
from ignitemap.embedded.sql.seam import Derive, Shape, SqlFailure, Types
from ignitemap.embedded.sql.types import BY_JAVA, JAVA, STRINGS, WIRE, SqlType
from ignitemap.embedded.sql.values import convert, java_length
from ignitemap.protocol.binary_type import BinaryType, Field, KnownTypes
from ignitemap.protocol.hashing import field_id, schema_id, type_id
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.binary_object import object_bytes, offsets_of, parse_header
from ignitemap.protocol.types.extent import object_end

__all__ = ["check", "fits_field", "make_object", "object_fields", "shape_of", "simple_code"]

unpack_type: Final = Struct("<i").unpack_from
HEADER: Final = 24
SIMPLE_CODES: Final = {
    "java.util.Date": codes.DATE,
    "java.sql.Date": codes.OPTIMIZED,
    "java.lang.Character": codes.CHAR,
    "char": codes.CHAR,
}


def simple_code(java: str) -> int | None:
    """The type code of a simple Java class; None for an object of any type of its own."""
    if java in SIMPLE_CODES:
        return SIMPLE_CODES[java]
    sql_type = BY_JAVA.get(java)
    return None if sql_type is None or sql_type is SqlType.OBJECT else WIRE[sql_type]


def object_fields(known: KnownTypes, data: bytes) -> dict[int, int]:
    """Where the fields of a complex object start, by field id.

    Raises:
        SqlFailure: Its schema was never registered.
    """
    header = parse_header(data, 0)
    order: Sequence[int] | None = None
    if header.has_schema and header.compact:
        binary_type = known.types.get(header.type_id)
        order = None if binary_type is None else binary_type.schemas.get(header.schema_id)
        if order is None:
            raise SqlFailure(
                "50000",
                "Cannot find schema for object with compact footer "
                f"[typeId={header.type_id}, missingSchemaId={header.schema_id}]",
            )
    return offsets_of(header, order, data, 0)


def matcher(java: str) -> Callable[[bytes], bool]:
    """Whether an object is of a table's key or value type."""
    if java in {"java.lang.Object", ""}:
        return lambda data: True
    code = simple_code(java)
    if code is not None:
        return lambda data: data[0] == code
    wanted = type_id(java)
    return lambda data: data[0] == codes.OBJECT and unpack_type(data, 4)[0] == wanted


def read_column(column: Column, data: bytes, pos: int) -> Any:
    """A field as its column stores it."""
    source, value = unmarshal(data, pos)
    if source is column.type or value is None:
        return value
    if column.type is SqlType.OBJECT:
        return data[pos : object_end(data, pos)]
    try:
        return convert(source, column.type, value)
    except H2Error:
        raise SqlFailure(
            "50000",
            f"Type for a column '{column.name}' is not compatible with index definition. "
            f"Expected '{short_name(column.java)}', actual type '{short_name(JAVA[source])}'",
        ) from None


def short_name(java: str) -> str:
    """The name of a Java class without its package."""
    return java.rpartition(".")[2]


def check(column: Column, value: Any) -> None:
    """Refuse a NULL, a text that is too long, a number that has too many digits.

    Raises:
        SqlFailure: The column does not hold the value.
    """
    if value is None:
        if column.not_null:
            raise SqlFailure("22004", f"Null value is not allowed for column '{column.name}'")
        return
    if column.precision < 0:
        return
    if column.type is SqlType.DECIMAL:
        _, digits, exponent = decimal(value).as_tuple()
        precision, scale = len(digits), -int(exponent)
        if precision > column.precision:
            raise SqlFailure(
                "23000",
                f"Value for a column '{column.name}' is out of range. "
                f"Maximum precision: {column.precision}, actual precision: {precision}",
            )
        if column.scale >= 0 and scale > column.scale:
            raise SqlFailure(
                "23000",
                f"Value for a column '{column.name}' is out of range. "
                f"Maximum scale : {column.scale}, actual scale: {scale}",
            )
    elif column.type in STRINGS or column.type is SqlType.BYTES:
        size = java_length(value)
        if size > column.precision:
            raise SqlFailure(
                "23000",
                f"Value for a column '{column.name}' is too long. "
                f"Maximum length: {column.precision}, actual length: {size}",
            )


def read_path(known: KnownTypes, data: bytes, path: Sequence[int]) -> tuple[bytes, int] | None:
    """Where the field of a nested object is."""
    for place, each in enumerate(path):
        if data[0] != codes.OBJECT:
            return None
        at = object_fields(known, data).get(each)
        if at is None:
            return None
        if place == len(path) - 1:
            return data, at
        data = data[at:]
    return None


def table_derive(table: Table, known: KnownTypes, *, checks: bool) -> Derive:
    """`Shape.derive` for one table: the values of its key store, value store and columns, in this order."""
    key_matches, value_matches = matcher(table.key_type), matcher(table.value_type)
    key_simple = simple_code(table.key_type) is not None
    value_simple = simple_code(table.value_type) is not None
    plans = [
        (
            column,
            column.is_key,
            column.name == (table.key_field if column.is_key else table.value_field),
            tuple(field_id(part) for part in column.field.split(".")),
        )
        for column in table.columns
    ]
    checked = [column for column in table.columns if checks and (column.not_null or column.precision >= 0)]
    places = [len(table_stores(table)) - len(table.columns) + table.columns.index(column) for column in checked]

    def derive(key: bytes, value: bytes) -> tuple[Any, ...] | None:
        if not key_matches(key) or not value_matches(value):
            return None
        row: list[Any] = []
        if table.key_store is not None:
            row.append(unmarshal(key)[1])
        if table.value_store is not None:
            row.append(unmarshal(value)[1])
        key_fields = object_fields(known, key) if not key_simple and key[0] == codes.OBJECT else {}
        value_fields = object_fields(known, value) if not value_simple and value[0] == codes.OBJECT else {}
        for column, is_key, whole, path in plans:
            data, fields = (key, key_fields) if is_key else (value, value_fields)
            if whole:
                row.append(read_column(column, data, 0))
            elif len(path) == 1:
                at = fields.get(path[0])
                row.append(None if at is None else read_column(column, data, at))
            else:
                found = read_path(known, data, path)
                row.append(None if found is None else read_column(column, *found))
        for column, place in zip(checked, places, strict=True):
            check(column, row[place])
        return tuple(row)

    return derive


def table_stores(table: Table) -> tuple[str, ...]:
    """The SQLite columns that `table_derive` fills."""
    extra = tuple(store for store in (table.key_store, table.value_store) if store is not None)
    return extra + tuple(column.store for column in table.columns)


def shape_of(tables: Sequence[Table], known: KnownTypes, *, checks: bool = True) -> Shape | None:
    """The typed columns of a cache; None for a cache without tables.

    With ``checks`` an entry has to keep to NOT NULL and the sizes of the columns, as a new one does.
    """
    if not tables:
        return None
    if len(tables) == 1 and not tables[0].several:
        return Shape(table_stores(tables[0]), table_derive(tables[0], known, checks=checks))
    derives = [table_derive(table, known, checks=checks) for table in tables]
    widths = [len(table_stores(table)) for table in tables]
    total = sum(widths)

    def derive(key: bytes, value: bytes) -> tuple[Any, ...] | None:
        before = 0
        for table, each, width in zip(tables, derives, widths, strict=True):
            row = each(key, value)
            if row is not None:
                return (table.ordinal, *(None,) * before, *row, *(None,) * (total - before - width))
            before += width
        return None

    return Shape(("t", *(store for table in tables for store in table_stores(table))), derive)


def metadata_code(sql_type: SqlType) -> int:
    """What the metadata of a type say of a field that SQL has written."""
    code = WIRE[sql_type]
    return codes.OBJECT if code in {codes.OPTIMIZED, codes.NULL} else code


def fits_field(known: KnownTypes, name: str, field: str, sql_type: SqlType) -> bool:
    """Whether the objects of a type may have a field of an SQL type; not if it had another type before."""
    binary_type = known.types.get(type_id(name))
    found = None if binary_type is None else binary_type.fields.get(field_id(field))
    wanted = metadata_code(sql_type)
    if found is None or found.code == wanted:
        return True
    if found.code == codes.CHAR:
        return wanted == codes.STRING
    if found.code == codes.DATE:
        return wanted in {codes.OBJECT, codes.TIMESTAMP}
    return wanted == codes.OBJECT and found.code not in WIRE.values()


def make_object(
    types: Types,
    name: str,
    fields: Mapping[str, tuple[SqlType, Any]],
    *,
    affinity: str | None = None,
    old: bytes | None = None,
) -> bytes:
    """A complex object of fields: (type, stored value) by name. The type and its schema are registered.

    With ``old``, the fields of an object that are not given are taken over from it.
    """
    kinds: dict[str, int] = {}
    parts: dict[str, bytes] = {}
    if old is not None:
        binary_type = types.known.types.get(type_id(name))
        spans = object_fields(types.known, old)
        ends = [*spans.values(), parse_header(old, 0).fields_end][1:]
        for (each, start), end in zip(spans.items(), ends, strict=True):
            field = None if binary_type is None else binary_type.fields.get(each)
            if field is None:
                raise SqlFailure("50000", f"A field of {name} has no name in the metadata of its type")
            parts[field.name] = old[start:end]
            kinds[field.name] = field.code
    by_id = {field_id(each): each for each in parts}
    for field_name, (sql_type, value) in fields.items():
        known_as = by_id.get(field_id(field_name), field_name)
        parts[known_as] = marshal(sql_type, value)
        kinds[known_as] = metadata_code(sql_type)
    ids = tuple(field_id(each) for each in parts)
    schema = schema_id(ids)
    data = bytearray()
    offsets: list[int] = []
    for part in parts.values():
        offsets.append(HEADER + len(data))
        data += part
    identity = type_id(name)
    known = types.known.types.get(identity)
    if known is None or schema not in known.schemas:
        described = {field_id(each): Field(each, kinds[each], field_id(each)) for each in parts}
        types.register(BinaryType(identity, name, described, {schema: ids}, affinity))
    return object_bytes(identity, schema, data, offsets)
