"""The functions of the dialect: a whitelist, with how many arguments each takes, of what types, and what it gives.

SQLite's own functions are never reached by name. What compiles into something else than a call (COALESCE, CASEWHEN,
DATEADD, ...) is in ``compile_functions``; here are the plain ones.
"""

import hashlib
import math
import random
import re
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import attrs

from ignitemap.embedded.sql.errors import H2Error, conversion_failed, division_by_zero, refused
from ignitemap.embedded.sql.hyperbolic import cosh, sinh
from ignitemap.embedded.sql.numbers import double_text
from ignitemap.embedded.sql.types import SqlType
from ignitemap.embedded.sql.values import java_encoded, java_length, stored_uuid

__all__ = ["FUNCTIONS", "NAMES", "Function", "pattern_of"]

STRING, INT, LONG, DOUBLE = SqlType.STRING, SqlType.INT, SqlType.LONG, SqlType.DOUBLE
BOOLEAN, BYTES, UUID = SqlType.BOOLEAN, SqlType.BYTES, SqlType.UUID


@attrs.frozen
class Function:
    """A plain function: its arguments are converted to ``takes`` and the value comes from ``run``."""

    name: str
    """Under which H2 prints it: an alias has its own."""
    type: SqlType
    low: int
    high: int
    takes: tuple[SqlType, ...]
    """The types of the arguments; the last one is that of all that follow."""
    run: Callable[..., Any] = attrs.field(repr=False)
    value_type: SqlType | None = None
    """The type of the values, where it is not the type that H2 expects."""
    strict: bool = True
    """Whether a NULL argument makes the result NULL."""
    deterministic: bool = True


# --- text -------------------------------------------------------------------------------------------------------------


def substring(text: str, start: int, length: int | None = None) -> str:
    if start < 0:
        start = len(text) + start + 1
    count = len(text) if length is None else max(length, 0)
    begin = min(max(start - 1, 0), len(text))
    return text[begin : begin + count]


def locate(search: str, text: str, start: int = 0) -> int:
    if start < 0:
        at = len(text) + start
        return text.rfind(search, 0, at + len(search)) + 1 if at >= 0 else 0
    return text.find(search, max(start - 1, 0)) + 1


def in_string(text: str, search: str, start: int = 0) -> int:
    return locate(search, text, start)


def trimmed(left: bool, right: bool) -> Callable[..., str]:
    def trim(text: str, space: str = " ") -> str:
        char = space[:1] or " "
        if left:
            text = text.lstrip(char)
        return text.rstrip(char) if right else text

    return trim


def padded(right: bool) -> Callable[..., str]:
    def pad(text: str, length: int, padding: str = " ") -> str:
        length = max(length, 0)
        fill = (padding[:1] or " ") * (length - len(text))
        return text[:length] if length <= len(text) else text + fill if right else fill + text

    return pad


def replaced(text: str | None, search: str | None, replacement: str | None = "") -> str | None:
    if text is None or search is None or replacement is None:
        return None
    return text.replace(search, replacement) if search else text


def inserted(text: str | None, start: int | None, length: int | None, other: str | None) -> str | None:
    if start is None:
        return None
    if length is None:
        raise refused("INSERT without a length, which is the number of the place on a cluster; COALESCE it")
    if text is None:
        return other
    if other is None:
        return text
    begin = start - 1
    if begin < 0 or length <= 0 or not other or begin > len(text):
        return text
    return text[:begin] + other + text[begin + length :]


def translated(text: str, search: str, replacement: str) -> str:
    if not text or not search:
        return text
    return "".join(
        char if (at := search.find(char)) < 0 else replacement[at] if at < len(replacement) else char for char in text
    )


SOUNDEX: Final = {
    char: digit
    for digit, chars in zip(
        "7812345 6".replace(" ", ""), ("AEIOUY", "HW", "BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), strict=True
    )
    for each in chars
    for char in (each, each.lower())
}


def soundex(text: str) -> str:
    code, last = "", "0"
    for char in text:
        if len(code) == 4:
            break
        digit = SOUNDEX.get(char)
        if digit is None:
            continue
        if not code:
            code, last = char, digit
        elif digit <= "6":
            if digit != last:
                code += digit
                last = digit
        elif digit == "7":
            last = digit
    return (code + "0000")[:4]


def difference(one: str, two: str) -> int:
    return sum(left == right for left, right in zip(soundex(one), soundex(two), strict=True))


def hex_to_raw(text: str) -> str:
    if len(text) % 4:
        raise conversion_failed(text)
    try:
        return "".join(chr(int(text[at : at + 4], 16)) for at in range(0, len(text), 4))
    except ValueError:
        raise conversion_failed(text) from None


def raw_to_hex(text: str) -> str:
    return text.encode("utf-16-be", "surrogatepass").hex()


def java_decoded(text: str) -> str:
    simple = {"t": "\t", "n": "\n", "f": "\f", "r": "\r", "b": "\b", '"': '"', "'": "'", "\\": "\\"}
    failure = H2Error(90095, f'Error formatting or parsing string "{text}"')

    def decoded(match: re.Match[str]) -> str:
        body = match[1]
        if len(body) == 5:
            return chr(int(body[1:], 16))
        if body not in simple:
            raise failure
        return simple[body]

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.?)", decoded, text)


def concatenated(*parts: str | None) -> str | None:
    there = [part for part in parts if part is not None]
    return "".join(there) if there else None


def joined(separator: str | None, *parts: str | None) -> str:
    there = [part for part in parts if part is not None]
    if not there:
        return ""
    glue = separator or ""
    return there[0] + "".join(glue + part if part else part for part in there[1:])


@lru_cache(256)
def pattern_of(regexp: str, flags: str = "") -> re.Pattern[str]:
    """A Java regular expression compiled."""
    options = re.RegexFlag(0)
    for flag in flags:
        if flag == "i":
            options |= re.IGNORECASE
        elif flag == "c":
            options &= ~re.IGNORECASE
        elif flag == "n":
            options |= re.DOTALL
        elif flag == "m":
            options |= re.MULTILINE
        else:
            raise H2Error(90008, f'Invalid value "{flags}" for parameter "{{1}}"')
    try:
        return re.compile(regexp, options)
    except re.error:
        raise H2Error(22025, f'Error in LIKE ESCAPE: "{regexp}"') from None


def regexp_replaced(text: str, regexp: str, replacement: str, flags: str = "") -> str:
    pattern = pattern_of(regexp, flags)
    template: list[str | int] = []
    at = 0
    while at < len(replacement):
        char = replacement[at]
        if char == "\\" and at + 1 < len(replacement):
            template.append(replacement[at + 1])
            at += 2
        elif char == "$" and replacement[at + 1 : at + 2].isdigit():
            template.append(int(replacement[at + 1]))
            at += 2
        else:
            template.append(char)
            at += 1
    if any(isinstance(part, int) and part > pattern.groups for part in template):
        raise H2Error(22025, f'Error in LIKE ESCAPE: "{replacement}"')
    return pattern.sub(
        lambda match: "".join((match[part] or "") if isinstance(part, int) else part for part in template), text
    )


def regexp_like(text: str, regexp: str, flags: str = "") -> int:
    return int(pattern_of(regexp, flags).search(text) is not None)


def ora_hash(text: str, bucket: int | None = None, seed: int | None = None) -> int:
    code = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        code = (31 * code + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    code -= (code & 0x80000000) << 1
    if seed:
        code = (code * seed * 17 + 2**31) % 2**32 - 2**31
    return int(math.fmod(code, bucket)) if bucket and bucket > 0 else code


# --- numbers ----------------------------------------------------------------------------------------------------------


def doubled(run: Callable[..., float]) -> Callable[..., Any]:
    """A function of doubles as Java has it: no exceptions, but infinities and NaN, which is stored as a text."""

    def apply(*arguments: Any) -> Any:
        try:
            result = run(*(float(each) for each in arguments))
        except (ValueError, ZeroDivisionError):
            return "NaN"
        except OverflowError:
            return math.inf
        return "NaN" if math.isnan(result) else result + 0.0  # H2 has no negative zero

    return apply


def logarithm(run: Callable[[float], float]) -> Callable[[float], float]:
    return lambda value: -math.inf if value == 0 else run(value)


def power(base: float, exponent: float) -> float:
    if base == 0 and exponent < 0:
        return math.inf
    return math.pow(base, exponent)


def java_round(value: float) -> int:
    whole = math.floor(value + 0.5) if abs(value) < 2**52 else int(value)
    return max(min(whole, 2**63 - 1), -(2**63))


def rounded(value: float, digits: float = 0) -> Any:
    number = float(value)
    factor = math.pow(10.0, float(digits))
    middle = number * factor
    if not math.isfinite(middle):
        return "NaN" if math.isnan(middle) else middle
    return java_round(abs(middle)) / factor * (1 if middle > 0 else -1) + 0.0


def modulo(left: int, right: int) -> int:
    if not right:
        raise division_by_zero(f"MOD({left}, 0)")
    result = abs(left) % abs(right)
    return -result if left < 0 else result


def cotangent(value: float) -> float:
    tangent = math.tan(value)
    if not tangent:
        raise division_by_zero(f"COT({double_text(value)})")
    return 1 / tangent


def round_magic(value: float) -> float:
    if -1e-13 < value < 1e-13:
        return 0.0
    text = double_text(value)
    if not -1e12 <= value <= 1e12 or "E" in text or len(text) < 16 or text.index(".") > len(text) - 3:
        return value
    text = text[:-2]
    if text[-4:-1] == "000":
        text = text[:-1] + "0"
    elif text[-4:-1] == "999":
        text = text[:-1] + "9999"
    return float(text)


def to_long(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def bits_and(one: int, two: int) -> int:
    return one & two


def bits_or(one: int, two: int) -> int:
    return one | two


def bits_xor(one: int, two: int) -> int:
    return one ^ two


def bit_of(value: int, bit: int) -> int:
    return int(to_long(value) >> (bit % 64) & 1)


def ceiling(value: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value


def pi() -> float:
    return math.pi


def zero() -> int:
    return 0


def random_number(seed: int | None = None) -> float:
    return random.random()  # noqa: S311 - H2's RAND


def random_uuid() -> str:
    return stored_uuid(uuid.uuid4())


def code_of(text: str) -> int | None:
    return ord(text[0]) if text else None


def char_of(code: int) -> str:
    return chr(code & 0xFFFF)


def leftmost(text: str, count: int) -> str:
    return text[: max(count, 0)]


def rightmost(text: str, count: int) -> str:
    return text[len(text) - min(max(count, 0), len(text)) :]


def repeated(text: str, count: int) -> str:
    return text * max(count, 0)


def spaces(count: int) -> str:
    return " " * max(count, 0)


def text_of_utf8(data: bytes) -> str:
    return bytes(data).decode(errors="replace")


# --- the table --------------------------------------------------------------------------------------------------------


def sha256(algorithm: str, data: bytes, iterations: int) -> bytes:
    if algorithm.upper() != "SHA256":
        raise H2Error(90008, f'Invalid value "{algorithm}" for parameter "algorithm"')
    for _ in range(iterations):
        data = hashlib.sha256(data).digest()
    return data


def table() -> dict[str, Function]:
    """The plain functions by name."""
    made: dict[str, Function] = {}

    def add(names: str, sql_type: SqlType, takes: tuple[SqlType, ...], run: Callable[..., Any], **more: Any) -> None:
        low = more.pop("low", len(takes))
        high = more.pop("high", len(takes))
        for name in names.split():
            made[name] = Function(name, sql_type, low, high, takes, run, **more)

    for name, run in {
        "ACOS": math.acos,
        "ASIN": math.asin,
        "ATAN": math.atan,
        "COS": math.cos,
        "COSH": cosh,
        "COT": cotangent,
        "DEGREES": math.degrees,
        "EXP": math.exp,
        "LOG": logarithm(math.log),
        "LN": logarithm(math.log),
        "LOG10": logarithm(math.log10),
        "RADIANS": math.radians,
        "SIN": math.sin,
        "SINH": sinh,
        "SQRT": math.sqrt,
        "TAN": math.tan,
        "TANH": math.tanh,
        "ROUNDMAGIC": round_magic,
        "CEILING": ceiling,
        "CEIL": ceiling,
    }.items():
        add(name, DOUBLE, (DOUBLE,), doubled(run))
    add("ATAN2", DOUBLE, (DOUBLE, DOUBLE), doubled(math.atan2))
    add("POWER", DOUBLE, (DOUBLE, DOUBLE), doubled(power))
    add("PI", DOUBLE, (), pi)
    add("ZERO", INT, (), zero)
    add("BITAND", LONG, (LONG, LONG), bits_and)
    add("BITOR", LONG, (LONG, LONG), bits_or)
    add("BITXOR", LONG, (LONG, LONG), bits_xor)
    add("BITGET", BOOLEAN, (LONG, INT), bit_of)
    add("MOD", LONG, (LONG, LONG), modulo)
    add("RAND RANDOM", DOUBLE, (INT,), random_number, low=0, deterministic=False)
    add("RANDOM_UUID SYS_GUID UUID", UUID, (), random_uuid, deterministic=False)
    add("SECURE_RAND", BYTES, (INT,), random.randbytes, deterministic=False)
    add("HASH", BYTES, (STRING, BYTES, INT), sha256)
    add("ORA_HASH", INT, (STRING, INT, INT), ora_hash, low=1, value_type=LONG)

    add("ASCII", INT, (STRING,), code_of)
    add("CHAR CHR", STRING, (INT,), char_of)
    add("CHAR_LENGTH CHARACTER_LENGTH", INT, (STRING,), java_length, value_type=LONG)
    add("CONCAT", STRING, (STRING,), concatenated, low=2, high=1000, strict=False)
    add("CONCAT_WS", STRING, (STRING,), joined, low=2, high=1000, strict=False)
    add("DIFFERENCE", INT, (STRING, STRING), difference)
    add("HEXTORAW", STRING, (STRING,), hex_to_raw)
    add("RAWTOHEX", STRING, (STRING,), raw_to_hex)
    add("INSERT", STRING, (STRING, INT, INT, STRING), inserted, strict=False)
    add("LCASE LOWER", STRING, (STRING,), str.lower)
    add("UCASE UPPER", STRING, (STRING,), str.upper)
    add("LEFT", STRING, (STRING, INT), leftmost)
    add("RIGHT", STRING, (STRING, INT), rightmost)
    add("LOCATE CHARINDEX", INT, (STRING, STRING, INT), locate, low=2)
    add("POSITION", INT, (STRING, STRING), locate)
    add("INSTR", INT, (STRING, STRING, INT), in_string, low=2)
    add("LTRIM", STRING, (STRING, STRING), trimmed(True, False), low=1)
    add("RTRIM", STRING, (STRING, STRING), trimmed(False, True), low=1)
    add("TRIM", STRING, (STRING, STRING), trimmed(True, True), low=1)
    add("LPAD", STRING, (STRING, INT, STRING), padded(False), low=2)
    add("RPAD", STRING, (STRING, INT, STRING), padded(True), low=2)
    add("REPEAT", STRING, (STRING, INT), repeated)
    add("REPLACE", STRING, (STRING, STRING, STRING), replaced, low=2, strict=False)
    add("SOUNDEX", STRING, (STRING,), soundex)
    add("SPACE", STRING, (INT,), spaces)
    add("SUBSTR SUBSTRING", STRING, (STRING, INT, INT), substring, low=2)
    add("TRANSLATE", STRING, (STRING, STRING, STRING), translated)
    add("STRINGENCODE", STRING, (STRING,), java_encoded)
    add("STRINGDECODE", STRING, (STRING,), java_decoded)
    add("STRINGTOUTF8", BYTES, (STRING,), str.encode)
    add("UTF8TOSTRING", STRING, (BYTES,), text_of_utf8)
    add("REGEXP_REPLACE", STRING, (STRING, STRING, STRING, STRING), regexp_replaced, low=3)
    add("REGEXP_LIKE", BOOLEAN, (STRING, STRING, STRING), regexp_like, low=2)
    return made


FUNCTIONS: Final = table()

COMPILED: Final = frozenset(
    [
        "ABS",
        "FLOOR",
        "ROUND",
        "SIGN",
        "TRUNCATE",
        "TRUNC",
        "LENGTH",
        "BIT_LENGTH",
        "OCTET_LENGTH",
        "COALESCE",
        "NVL",
        "IFNULL",
        "ISNULL",
        "NVL2",
        "NULLIF",
        "DECODE",
        "CASEWHEN",
        "GREATEST",
        "LEAST",
        "CAST",
        "CONVERT",
        "EXTRACT",
        "DATEADD",
        "TIMESTAMPADD",
        "DATEDIFF",
        "TIMESTAMPDIFF",
        "DATE_TRUNC",
        "ADD_MONTHS",
        "DAYNAME",
        "MONTHNAME",
        "DAY",
        "DAY_OF_MONTH",
        "DAYOFMONTH",
        "DAY_OF_WEEK",
        "DAYOFWEEK",
        "DAY_OF_YEAR",
        "DAYOFYEAR",
        "HOUR",
        "MINUTE",
        "MONTH",
        "QUARTER",
        "SECOND",
        "WEEK",
        "YEAR",
        "ISO_YEAR",
        "ISO_WEEK",
        "ISO_DAY_OF_WEEK",
        "FORMATDATETIME",
        "PARSEDATETIME",
        "TO_CHAR",
        "TO_DATE",
        "TO_TIMESTAMP",
        "CURRENT_DATE",
        "CURDATE",
        "TODAY",
        "GETDATE",
        "CURRENT_TIME",
        "SYSTIME",
        "CURTIME",
        "CURRENT_TIMESTAMP",
        "SYSDATE",
        "SYSTIMESTAMP",
        "NOW",
        "USER",
        "CURRENT_USER",
        "SCHEMA",
        "DATABASE",
        "H2VERSION",
        "ARRAY_LENGTH",
        "ARRAY_GET",
        "ARRAY_CONTAINS",
    ]
)
"""Functions that ``compile_functions`` knows."""

REFUSED: Final = frozenset(
    [
        "ENCRYPT",
        "DECRYPT",
        "COMPRESS",
        "EXPAND",
        "CSVREAD",
        "CSVWRITE",
        "FILE_READ",
        "FILE_WRITE",
        "LINK_SCHEMA",
        "SIGNAL",
        "NEXTVAL",
        "CURRVAL",
        "IDENTITY",
        "SCOPE_IDENTITY",
        "LAST_INSERT_ID",
        "LASTVAL",
        "IDENTITY_VAL_LOCAL",
        "AUTOCOMMIT",
        "READONLY",
        "DATABASE_PATH",
        "LOCK_TIMEOUT",
        "LOCK_MODE",
        "MEMORY_FREE",
        "MEMORY_USED",
        "SESSION_ID",
        "TRANSACTION_ID",
        "CANCEL_SESSION",
        "DISK_SPACE_USED",
        "XMLATTR",
        "XMLNODE",
        "XMLCOMMENT",
        "XMLCDATA",
        "XMLSTARTDOC",
        "XMLTEXT",
        "TO_TIMESTAMP_TZ",
        "TRUNCATE_VALUE",
        "SET",
        "VALUES",
    ]
)
"""Functions of H2 that the embedded node does not have: refused by name."""

NAMES: Final = frozenset(FUNCTIONS) | COMPILED | REFUSED
