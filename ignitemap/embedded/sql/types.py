"""The SQL types: how they rank, what they are called, and what they are on the wire.

How SQLite stores a value of each (see also ``values``): numbers and booleans as INTEGER or REAL, DECIMAL as the text
of Java's BigDecimal, DATE as ``YYYY-MM-DD``, TIME as the nanoseconds of a day, TIMESTAMP as text with nine digits of a
second, UUID as 32 hex digits that sort as Java sorts UUIDs, BYTES and OBJECT as BLOB.
"""

from enum import IntEnum
from typing import Final

import attrs

from ignitemap.protocol.types import codes

__all__ = [
    "ADD_PROOF",
    "BY_CODE",
    "BY_JAVA",
    "BY_NAME",
    "DATES",
    "EXACT",
    "FRACTIONS",
    "INTEGERS",
    "JAVA",
    "NUMBERS",
    "RANGES",
    "SQL_NAMES",
    "STRINGS",
    "WIRE",
    "SqlType",
    "TypeSpec",
    "higher",
]


class SqlType(IntEnum):
    """H2's types. The numbers are its ranks: of two operands the lower one is converted to the higher one's type."""

    UNKNOWN = 1  # a parameter whose value says the type
    NULL = 2
    STRING = 10
    CHAR = 12  # STRING_FIXED: trailing spaces are removed
    ILIKE = 13  # STRING_IGNORECASE: compares without case
    BOOLEAN = 20
    BYTE = 21
    SHORT = 22
    INT = 23
    LONG = 24
    DECIMAL = 25
    FLOAT = 26
    DOUBLE = 27
    TIME = 30
    DATE = 31
    TIMESTAMP = 32
    BYTES = 40
    OBJECT = 42
    UUID = 43
    ARRAY = 50


INTEGERS: Final = frozenset((SqlType.BYTE, SqlType.SHORT, SqlType.INT, SqlType.LONG))
EXACT: Final = INTEGERS | {SqlType.DECIMAL}
NUMBERS: Final = EXACT | {SqlType.FLOAT, SqlType.DOUBLE}
FRACTIONS: Final = NUMBERS - INTEGERS
DATES: Final = frozenset((SqlType.TIME, SqlType.DATE, SqlType.TIMESTAMP))
STRINGS: Final = frozenset((SqlType.STRING, SqlType.CHAR, SqlType.ILIKE))

RANGES: Final = {
    SqlType.BYTE: (-(2**7), 2**7 - 1),
    SqlType.SHORT: (-(2**15), 2**15 - 1),
    SqlType.INT: (-(2**31), 2**31 - 1),
    SqlType.LONG: (-(2**63), 2**63 - 1),
}

ADD_PROOF: Final = {
    SqlType.BYTE: SqlType.LONG,
    SqlType.SHORT: SqlType.LONG,
    SqlType.INT: SqlType.LONG,
    SqlType.LONG: SqlType.DECIMAL,
    SqlType.DECIMAL: SqlType.DECIMAL,
    SqlType.FLOAT: SqlType.DOUBLE,
    SqlType.DOUBLE: SqlType.DOUBLE,
}
"""The type of a SUM."""

WIRE: Final = {
    SqlType.UNKNOWN: codes.NULL,
    SqlType.NULL: codes.NULL,
    SqlType.STRING: codes.STRING,
    SqlType.CHAR: codes.STRING,
    SqlType.ILIKE: codes.STRING,
    SqlType.BOOLEAN: codes.BOOL,
    SqlType.BYTE: codes.BYTE,
    SqlType.SHORT: codes.SHORT,
    SqlType.INT: codes.INT,
    SqlType.LONG: codes.LONG,
    SqlType.DECIMAL: codes.DECIMAL,
    SqlType.FLOAT: codes.FLOAT,
    SqlType.DOUBLE: codes.DOUBLE,
    SqlType.TIME: codes.TIME,
    SqlType.DATE: codes.OPTIMIZED,
    SqlType.TIMESTAMP: codes.TIMESTAMP,
    SqlType.BYTES: codes.BYTE_ARRAY,
    SqlType.OBJECT: codes.OBJECT,
    SqlType.UUID: codes.UUID,
    SqlType.ARRAY: codes.OBJECT_ARRAY,
}

JAVA: Final = {
    SqlType.UNKNOWN: "java.lang.Object",
    SqlType.NULL: "java.lang.Void",
    SqlType.STRING: "java.lang.String",
    SqlType.CHAR: "java.lang.String",
    SqlType.ILIKE: "java.lang.String",
    SqlType.BOOLEAN: "java.lang.Boolean",
    SqlType.BYTE: "java.lang.Byte",
    SqlType.SHORT: "java.lang.Short",
    SqlType.INT: "java.lang.Integer",
    SqlType.LONG: "java.lang.Long",
    SqlType.DECIMAL: "java.math.BigDecimal",
    SqlType.FLOAT: "java.lang.Float",
    SqlType.DOUBLE: "java.lang.Double",
    SqlType.TIME: "java.sql.Time",
    SqlType.DATE: "java.sql.Date",
    SqlType.TIMESTAMP: "java.sql.Timestamp",
    SqlType.BYTES: "[B",
    SqlType.OBJECT: "java.lang.Object",
    SqlType.UUID: "java.util.UUID",
    SqlType.ARRAY: "[Ljava.lang.Object;",
}

BY_JAVA: Final = {
    **{java: sql_type for sql_type, java in JAVA.items() if sql_type not in {SqlType.CHAR, SqlType.ILIKE}},
    "java.lang.String": SqlType.STRING,
    "java.util.Date": SqlType.TIMESTAMP,
    "java.lang.Character": SqlType.STRING,
    "boolean": SqlType.BOOLEAN,
    "byte": SqlType.BYTE,
    "short": SqlType.SHORT,
    "int": SqlType.INT,
    "long": SqlType.LONG,
    "float": SqlType.FLOAT,
    "double": SqlType.DOUBLE,
}
"""The column type of a query entity's Java class; any other class is an OBJECT."""

SQL_NAMES: Final = {
    SqlType.NULL: "NULL",
    SqlType.STRING: "VARCHAR",
    SqlType.CHAR: "CHAR",
    SqlType.ILIKE: "VARCHAR_IGNORECASE",
    SqlType.BOOLEAN: "BOOLEAN",
    SqlType.BYTE: "TINYINT",
    SqlType.SHORT: "SMALLINT",
    SqlType.INT: "INTEGER",
    SqlType.LONG: "BIGINT",
    SqlType.DECIMAL: "DECIMAL",
    SqlType.FLOAT: "REAL",
    SqlType.DOUBLE: "DOUBLE",
    SqlType.TIME: "TIME",
    SqlType.DATE: "DATE",
    SqlType.TIMESTAMP: "TIMESTAMP",
    SqlType.BYTES: "VARBINARY",
    SqlType.OBJECT: "OTHER",
    SqlType.UUID: "UUID",
    SqlType.ARRAY: "ARRAY",
}

BY_CODE: Final = {
    codes.NULL: SqlType.NULL,
    codes.BYTE: SqlType.BYTE,
    codes.SHORT: SqlType.SHORT,
    codes.INT: SqlType.INT,
    codes.LONG: SqlType.LONG,
    codes.FLOAT: SqlType.FLOAT,
    codes.DOUBLE: SqlType.DOUBLE,
    codes.CHAR: SqlType.STRING,
    codes.BOOL: SqlType.BOOLEAN,
    codes.STRING: SqlType.STRING,
    codes.UUID: SqlType.UUID,
    codes.DATE: SqlType.TIMESTAMP,  # a java.util.Date; a java.sql.Date comes as code 0xFE
    codes.BYTE_ARRAY: SqlType.BYTES,
    codes.DECIMAL: SqlType.DECIMAL,
    codes.TIMESTAMP: SqlType.TIMESTAMP,
    codes.TIME: SqlType.TIME,
}
"""The SQL type of a marshalled value; DATE and OBJECT are told apart by ``marshal``."""


@attrs.frozen
class TypeSpec:
    """A type as a statement writes it: with the name that H2 prints it under, and precision and scale."""

    type: SqlType
    name: str
    precision: int | None = None
    scale: int | None = None

    def sql(self) -> str:
        """The type as H2 prints it."""
        if self.precision is None or self.type in DATES:
            return "DECIMAL(65535, 32767)" if self.type is SqlType.DECIMAL else self.name
        if self.scale is None or self.type is not SqlType.DECIMAL:
            return f"{self.name}({self.precision})"
        return f"{self.name}({self.precision}, {self.scale})"


BY_NAME: Final[dict[str, tuple[SqlType, str]]] = {
    name: (sql_type, canonical)
    for sql_type, canonical, names in (
        (SqlType.NULL, "NULL", "NULL"),
        (SqlType.STRING, "VARCHAR", "VARCHAR VARCHAR2 NVARCHAR NVARCHAR2 VARCHAR_CASESENSITIVE TID"),
        (SqlType.STRING, "LONGVARCHAR", "LONGVARCHAR LONGNVARCHAR"),
        (SqlType.CHAR, "CHAR", "CHAR CHARACTER NCHAR"),
        (SqlType.ILIKE, "VARCHAR_IGNORECASE", "VARCHAR_IGNORECASE"),
        (SqlType.BOOLEAN, "BOOLEAN", "BOOLEAN BIT BOOL"),
        (SqlType.BYTE, "TINYINT", "TINYINT"),
        (SqlType.SHORT, "SMALLINT", "SMALLINT YEAR INT2"),
        (SqlType.INT, "INTEGER", "INTEGER INT MEDIUMINT INT4 SIGNED"),
        (SqlType.LONG, "BIGINT", "BIGINT INT8 LONG"),
        (SqlType.FLOAT, "REAL", "REAL FLOAT4"),
        (SqlType.DOUBLE, "DOUBLE", "DOUBLE FLOAT FLOAT8"),
        (SqlType.TIME, "TIME", "TIME"),
        (SqlType.DATE, "DATE", "DATE"),
        (SqlType.TIMESTAMP, "TIMESTAMP", "TIMESTAMP DATETIME DATETIME2 SMALLDATETIME"),
        (SqlType.BYTES, "VARBINARY", "VARBINARY BINARY RAW BYTEA LONGVARBINARY"),
        (SqlType.UUID, "UUID", "UUID UNIQUEIDENTIFIER"),
        (SqlType.OBJECT, "OTHER", "OTHER OBJECT JAVA_OBJECT"),
        (SqlType.DECIMAL, "DECIMAL", "DECIMAL DEC NUMERIC NUMBER"),
        (SqlType.STRING, "CLOB", "CLOB TINYTEXT TEXT MEDIUMTEXT LONGTEXT NTEXT NCLOB"),
        (SqlType.BYTES, "BLOB", "BLOB TINYBLOB MEDIUMBLOB LONGBLOB IMAGE OID"),
        (SqlType.ARRAY, "ARRAY", "ARRAY"),
    )
    for name in names.split()
}
"""Type names of the dialect: the type, and the name that H2 prints."""


def higher(left: SqlType, right: SqlType) -> SqlType:
    """The type of the two that ranks higher."""
    return max(left, right)
