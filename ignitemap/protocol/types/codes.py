"""The type codes of the protocol, and what messages call them.

From org.apache.ignite.internal.binary.GridBinaryMarshaller; every code but 35, 99 and 253 was seen from a 2.17.0 node.
"""

from typing import Final

from ignitemap.exceptions import DecodeError

__all__ = ["NAMES", "code_name", "mismatch", "out_of_bytes"]

BYTE: Final = 1
SHORT: Final = 2
INT: Final = 3
LONG: Final = 4
FLOAT: Final = 5
DOUBLE: Final = 6
CHAR: Final = 7
BOOL: Final = 8
STRING: Final = 9
UUID: Final = 10
DATE: Final = 11
BYTE_ARRAY: Final = 12
SHORT_ARRAY: Final = 13
INT_ARRAY: Final = 14
LONG_ARRAY: Final = 15
FLOAT_ARRAY: Final = 16
DOUBLE_ARRAY: Final = 17
CHAR_ARRAY: Final = 18
BOOL_ARRAY: Final = 19
STRING_ARRAY: Final = 20
UUID_ARRAY: Final = 21
DATE_ARRAY: Final = 22
OBJECT_ARRAY: Final = 23
COLLECTION: Final = 24
MAP: Final = 25
WRAPPED: Final = 27
ENUM: Final = 28
ENUM_ARRAY: Final = 29
DECIMAL: Final = 30
DECIMAL_ARRAY: Final = 31
CLASS: Final = 32
TIMESTAMP: Final = 33
TIMESTAMP_ARRAY: Final = 34
PROXY: Final = 35
TIME: Final = 36
TIME_ARRAY: Final = 37
BINARY_ENUM: Final = 38
FACTORY_PROXY: Final = 99
NULL: Final = 101
HANDLE: Final = 102
OBJECT: Final = 103
TRANSFORMED: Final = 253
OPTIMIZED: Final = 254

NAMES: Final[dict[int, str]] = {
    BYTE: "byte",
    SHORT: "short",
    INT: "int",
    LONG: "long",
    FLOAT: "float",
    DOUBLE: "double",
    CHAR: "char",
    BOOL: "boolean",
    STRING: "String",
    UUID: "UUID",
    DATE: "Date",
    BYTE_ARRAY: "byte[]",
    SHORT_ARRAY: "short[]",
    INT_ARRAY: "int[]",
    LONG_ARRAY: "long[]",
    FLOAT_ARRAY: "float[]",
    DOUBLE_ARRAY: "double[]",
    CHAR_ARRAY: "char[]",
    BOOL_ARRAY: "boolean[]",
    STRING_ARRAY: "String[]",
    UUID_ARRAY: "UUID[]",
    DATE_ARRAY: "Date[]",
    OBJECT_ARRAY: "Object[]",
    COLLECTION: "Collection",
    MAP: "Map",
    WRAPPED: "wrapped complex object",
    ENUM: "enum",
    ENUM_ARRAY: "enum[]",
    DECIMAL: "BigDecimal",
    DECIMAL_ARRAY: "BigDecimal[]",
    CLASS: "Class",
    TIMESTAMP: "Timestamp",
    TIMESTAMP_ARRAY: "Timestamp[]",
    PROXY: "proxy",
    TIME: "Time",
    TIME_ARRAY: "Time[]",
    BINARY_ENUM: "enum",
    FACTORY_PROXY: "object factory proxy",
    NULL: "null",
    HANDLE: "handle",
    OBJECT: "complex object",
    TRANSFORMED: "transformed object",
    OPTIMIZED: "optimized-marshaller object",
}


def code_name(code: int) -> str:
    """What messages call a type code."""
    return NAMES.get(code) or f"type code {code}"


def mismatch(expected: str, buf: bytes, pos: int) -> DecodeError:
    """The error for the object at ``pos`` that is not of the declared type: both types, never the value."""
    code = buf[pos]
    if code == NULL:
        return DecodeError(f"null where {expected} is declared", offset=pos)
    return DecodeError(f"expected {expected}, the cluster has a {code_name(code)}", offset=pos)


def out_of_bytes(code: int, pos: int) -> DecodeError:
    """The error for a length or count that is negative or larger than the bytes that are left."""
    return DecodeError(f"a {code_name(code)} claims more than the bytes that are left", offset=pos)
