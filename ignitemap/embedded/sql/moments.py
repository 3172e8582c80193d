"""Dates, times of day and timestamps as SQLite stores them, and what H2's functions do with them.

A DATE is the text ``YYYY-MM-DD``, a TIME the nanoseconds since midnight, a TIMESTAMP the text
``YYYY-MM-DD HH:MM:SS.nnnnnnnnn``: each sorts as what it stands for. The years are 0001 to 9999. There are no time zones:
a node's statements see the instants of the wire in UTC.
"""

from calendar import monthrange
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from ignitemap.embedded.sql.errors import H2Error, cannot_parse, refused, unsupported_feature
from ignitemap.embedded.sql.types import SqlType

__all__ = [
    "DAY_NANOS",
    "NANOS",
    "PARTS",
    "date_add",
    "date_diff",
    "date_text",
    "extract",
    "format_moment",
    "hex_bytes",
    "now",
    "parse_date",
    "parse_moment",
    "parse_time",
    "parse_timestamp",
    "rescale_time",
    "rescale_timestamp",
    "split",
    "time_text",
    "timestamp_text",
    "timestamp_value",
    "truncate",
]

NANOS: Final = 1_000_000_000
DAY_NANOS: Final = 86_400 * NANOS
EPOCH: Final = date(1970, 1, 1).toordinal()
LAST_DAY: Final = date.max.toordinal()

PARTS: Final = {
    **dict.fromkeys(("SQL_TSI_YEAR", "YEAR", "YYYY", "YY"), "YEAR"),
    **dict.fromkeys(("SQL_TSI_MONTH", "MONTH", "MM", "M"), "MONTH"),
    "QUARTER": "QUARTER",
    **dict.fromkeys(("SQL_TSI_WEEK", "WW", "WK", "WEEK"), "WEEK"),
    "ISO_WEEK": "ISO_WEEK",
    **dict.fromkeys(("DAY", "DD", "D", "SQL_TSI_DAY"), "DAY"),
    **dict.fromkeys(("DAY_OF_WEEK", "DAYOFWEEK", "DOW"), "DAY_OF_WEEK"),
    "ISO_DAY_OF_WEEK": "ISO_DAY_OF_WEEK",
    **dict.fromkeys(("DAYOFYEAR", "DAY_OF_YEAR", "DY", "DOY"), "DAY_OF_YEAR"),
    **dict.fromkeys(("SQL_TSI_HOUR", "HOUR", "HH"), "HOUR"),
    **dict.fromkeys(("SQL_TSI_MINUTE", "MINUTE", "MI", "N"), "MINUTE"),
    **dict.fromkeys(("SQL_TSI_SECOND", "SECOND", "SS", "S"), "SECOND"),
    **dict.fromkeys(("MILLISECOND", "MILLISECONDS", "MS"), "MILLISECOND"),
    "EPOCH": "EPOCH",
    **dict.fromkeys(("MICROSECOND", "MICROSECONDS", "MCS"), "MICROSECOND"),
    **dict.fromkeys(("NANOSECOND", "NS"), "NANOSECOND"),
    "TIMEZONE_HOUR": "TIMEZONE_HOUR",
    "TIMEZONE_MINUTE": "TIMEZONE_MINUTE",
    "DECADE": "DECADE",
    "CENTURY": "CENTURY",
    "MILLENNIUM": "MILLENNIUM",
}
"""The names of the parts of a date, and what each is."""
STEPS: Final = {
    "HOUR": 3600 * NANOS,
    "MINUTE": 60 * NANOS,
    "SECOND": NANOS,
    "EPOCH": NANOS,
    "MILLISECOND": 1_000_000,
    "MICROSECOND": 1000,
    "NANOSECOND": 1,
}
MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


# --- text -------------------------------------------------------------------------------------------------------------


def hex_bytes(text: str) -> bytes:
    """The bytes of hexadecimal digits."""
    if len(text) % 2:
        raise H2Error(90003, f'Hexadecimal string with odd number of characters: "{text}"')
    try:
        return bytes.fromhex(text) if " " not in text else bytes.fromhex("x")
    except ValueError:
        raise H2Error(90004, f'Hexadecimal string contains non-hex character: "{text}"') from None


def whole(text: str) -> int:
    """Java's Integer.parseInt."""
    if not text.isascii() or not text.lstrip("+-").isdigit() or len(text) - len(text.lstrip("+-")) > 1:
        raise ValueError(text)
    return int(text)


def date_of(text: str, end: int | None = None) -> str:
    """The DATE of ``[+]y-m-d``. Raises ValueError."""
    if end is not None:
        text = text[:end]
    text = text.removeprefix("+")
    year, first, rest = text[1:].partition("-")
    month, second, day = rest.partition("-")
    if not first or not second:
        raise ValueError(text)
    year = text[0] + year
    number = whole(year)
    if not 1 <= number <= 9999:
        raise YearError(text)
    return date(number, whole(month), whole(day)).isoformat()


class YearError(Exception):
    """A year that the embedded node can't store."""


def nanos_of(text: str) -> int:
    """The nanoseconds of ``h:m:s[.n]``. Raises ValueError."""
    parts = text.split(":")
    if len(parts) != 3:
        parts = text.split(".", 2)
        if len(parts) != 3:
            raise ValueError(text)
    seconds, _, fraction = parts[2].partition(".")
    hour, minute, second = whole(parts[0]), whole(parts[1]), whole(seconds)
    if not 0 <= minute < 60 or not 0 <= second < 60 or not 0 <= hour < 24 or parts[0].startswith("-"):
        raise ValueError(text)
    nanos = whole((fraction + "000000000")[:9]) if fraction else 0
    return ((hour * 60 + minute) * 60 + second) * NANOS + nanos


def parse_date(text: str) -> str:
    """The DATE of a text.

    Raises:
        H2Error: It is none.
    """
    try:
        return date_of(text)
    except YearError:
        raise H2Error(22003, f'Numeric value out of range: "{text}"') from None
    except (ValueError, IndexError):
        raise cannot_parse("DATE", text) from None


def parse_time(text: str) -> int:
    """The TIME of a text.

    Raises:
        H2Error: It is none.
    """
    try:
        return nanos_of(text)
    except ValueError:
        raise cannot_parse("TIME", text) from None


def parse_timestamp(text: str) -> str:
    """The TIMESTAMP of a text; a zone in it (``Z``, ``+02:00``) is converted to UTC.

    Raises:
        H2Error: It is none.
    """
    at = text.find(" ")
    if at < 0:
        at = text.find("T")
    try:
        if at < 0:
            return f"{date_of(text)} 00:00:00.000000000"
        day = date_of(text, at)
        clock = text[at + 1 :]
        offset = 0
        if clock.endswith("Z"):
            clock = clock[:-1]
        else:
            for sign in "+-":
                before, found, zone = clock.partition(sign)
                if found:
                    hours, _, minutes = zone.partition("[")[0].partition(":")
                    offset = (whole(hours) * 60 + whole(minutes or "0")) * (1 if sign == "+" else -1)
                    clock = before.rstrip(" ")
                    break
            else:
                before, found, zone = clock.partition(" ")
                if found and zone not in {"UTC", "GMT"}:
                    raise cannot_parse("TIMESTAMP", text)
                clock = before
        nanos = nanos_of(clock)
        if offset:
            return timestamp_value(date.fromisoformat(day).toordinal(), nanos - offset * 60 * NANOS)
        return f"{day} {clock_text(nanos)}"
    except YearError:
        raise H2Error(22003, f'Numeric value out of range: "{text}"') from None
    except (ValueError, IndexError):
        raise cannot_parse("TIMESTAMP", text) from None


def clock_text(nanos: int) -> str:
    """A time of day with nine digits of a second."""
    seconds, beyond = divmod(nanos, NANOS)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{beyond:09}"


def time_text(nanos: int) -> str:
    """A TIME as H2 prints it."""
    text = clock_text(nanos)
    return text.rstrip("0").removesuffix(".") if nanos % NANOS else text[:8]


def timestamp_text(stored: str) -> str:
    """A TIMESTAMP as H2 prints it."""
    return stored[:19] if stored.endswith(".000000000") else stored.rstrip("0")


def date_text(ordinal: int) -> str:
    """The DATE of a day's number."""
    if not 1 <= ordinal <= LAST_DAY:
        raise H2Error(22003, f'Numeric value out of range: "day {ordinal - EPOCH}"')
    return date.fromordinal(ordinal).isoformat()


def timestamp_value(ordinal: int, nanos: int) -> str:
    """The TIMESTAMP of a day's number and nanoseconds, of which there may be more than a day has."""
    days, nanos = divmod(nanos, DAY_NANOS)
    return f"{date_text(ordinal + days)} {clock_text(nanos)}"


def split(sql_type: SqlType, value: str | int) -> tuple[int, int]:
    """The number of the day and the nanoseconds of a DATE, TIME or TIMESTAMP."""
    if sql_type is SqlType.TIME:
        return EPOCH, int(value)
    text = str(value)
    ordinal = date.fromisoformat(text[:10]).toordinal()
    if sql_type is SqlType.DATE:
        return ordinal, 0
    return ordinal, ((int(text[11:13]) * 60 + int(text[14:16])) * 60 + int(text[17:19])) * NANOS + int(text[20:29])


def rescale_timestamp(stored: str, digits: int) -> str:
    """A TIMESTAMP rounded to ``digits`` digits of a second."""
    if digits >= 9 or stored[20 + digits :].strip("0") == "":
        return stored
    ordinal, nanos = split(SqlType.TIMESTAMP, stored)
    unit = 10 ** (9 - digits)
    return timestamp_value(ordinal, (nanos + unit // 2) // unit * unit)


def rescale_time(nanos: int, digits: int) -> int:
    """A TIME rounded to ``digits`` digits of a second."""
    if digits >= 9:
        return nanos
    unit = int(10 ** (9 - digits))
    return min((nanos + unit // 2) // unit * unit, DAY_NANOS - 1)


def now() -> str:
    """The TIMESTAMP of this moment, to the millisecond, as H2's clock gives it."""
    moment = datetime.now(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}000000"


# --- functions --------------------------------------------------------------------------------------------------------


def part_of(name: str) -> str:
    """What a part's name means."""
    found = PARTS.get(name.upper())
    if found is None:
        raise H2Error(90008, f'Invalid value "{name}" for parameter "date part"')
    return found


def added_months(ordinal: int, months: int) -> int:
    """A day some months later, or the last of that month where it is shorter."""
    day = date.fromordinal(ordinal)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise H2Error(22003, f'Numeric value out of range: "{year}"')
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])).toordinal()


def date_add(name: str, count: int, sql_type: SqlType, value: str | int) -> tuple[SqlType, str | int]:
    """DATEADD: a DATE stays one for parts of a day or longer."""
    part = part_of(name)
    if part not in {"MILLISECOND", "MICROSECOND", "NANOSECOND"} and not -(2**31) <= count < 2**31:
        raise H2Error(90008, f'Invalid value "{count}" for parameter "DATEADD count"')
    ordinal, nanos = split(sql_type, value)
    if part in STEPS:
        nanos += count * STEPS[part]
        if sql_type is SqlType.TIME:
            return SqlType.TIME, nanos % DAY_NANOS
        return SqlType.TIMESTAMP, timestamp_value(ordinal, nanos)
    if part in {"YEAR", "MONTH", "QUARTER"}:
        months = count * {"YEAR": 12, "MONTH": 1, "QUARTER": 3}[part]
    elif part in {"WEEK", "ISO_WEEK", "DAY", "DAY_OF_WEEK", "ISO_DAY_OF_WEEK", "DAY_OF_YEAR"}:
        months = None
    else:
        raise unsupported_feature(f"DATEADD {name}")
    if sql_type is SqlType.TIME:
        raise H2Error(90008, f'Invalid value "{name}" for parameter "DATEADD time part"')
    if months is None:
        ordinal += count * 7 if part in {"WEEK", "ISO_WEEK"} else count
    else:
        ordinal = added_months(ordinal, months)
    if sql_type is SqlType.DATE:
        return SqlType.DATE, date_text(ordinal)
    return SqlType.TIMESTAMP, timestamp_value(ordinal, nanos)


def date_diff(name: str, first: tuple[int, int], second: tuple[int, int]) -> int:
    """DATEDIFF: how many boundaries of the part lie between the two."""
    part = part_of(name)
    (day1, nanos1), (day2, nanos2) = first, second
    if part in STEPS:
        step = STEPS[part]
        return (day2 - day1) * (DAY_NANOS // step) + nanos2 // step - nanos1 // step
    if part in {"DAY", "DAY_OF_WEEK", "ISO_DAY_OF_WEEK", "DAY_OF_YEAR"}:
        return day2 - day1
    if part == "WEEK":  # weeks begin on Sunday; day 0 of the proleptic calendar is one
        return day2 // 7 - day1 // 7
    if part == "ISO_WEEK":
        return (day2 - 1) // 7 - (day1 - 1) // 7
    one, two = date.fromordinal(day1), date.fromordinal(day2)
    if part == "YEAR":
        return two.year - one.year
    if part == "MONTH":
        return (two.year - one.year) * 12 + two.month - one.month
    if part == "QUARTER":
        return (two.year - one.year) * 4 + (two.month - 1) // 3 - (one.month - 1) // 3
    if part in {"TIMEZONE_HOUR", "TIMEZONE_MINUTE"}:
        return 0
    raise unsupported_feature(f"DATEDIFF {name}")


def week_of_year(ordinal: int) -> int:
    """The week as Java counts it in the United States: weeks begin on Sunday, the first one has January 1st."""
    day = date.fromordinal(ordinal)
    first = date(day.year, 1, 1).toordinal()
    base = first - first % 7
    if day.month == 12 and day.day > 25:
        following = date(day.year, 12, 31).toordinal() + 1
        if ordinal >= following - following % 7:
            return 1
    return (ordinal - base) // 7 + 1


def extract(name: str, sql_type: SqlType, value: str | int) -> int | Decimal:
    """EXTRACT: an int, or for EPOCH a decimal number of seconds."""
    part = part_of(name)
    ordinal, nanos = split(sql_type, value)
    if part == "EPOCH":
        if sql_type is SqlType.DATE:
            return Decimal((ordinal - EPOCH) * 86_400)
        seconds = (ordinal - EPOCH) * 86_400 * NANOS + nanos
        exact = Decimal(seconds).scaleb(-9)
        # BigDecimal.divide gives the shortest exact quotient.
        short = exact.normalize()
        return short if int(short.as_tuple().exponent) < 0 else Decimal(int(short))
    if part in {"HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"}:
        if part in {"MILLISECOND", "MICROSECOND", "NANOSECOND"}:
            return nanos % NANOS // STEPS[part]
        return nanos // STEPS[part] % (24 if part == "HOUR" else 60)
    day = date.fromordinal(ordinal)
    if part in {"YEAR", "MONTH", "DAY"}:
        return int(getattr(day, part.lower()))
    if part == "DAY_OF_YEAR":
        return day.timetuple().tm_yday
    if part == "DAY_OF_WEEK":
        return ordinal % 7 + 1
    if part == "ISO_DAY_OF_WEEK":
        return day.isoweekday()
    if part == "WEEK":
        return week_of_year(ordinal)
    if part == "ISO_WEEK":
        return day.isocalendar().week
    if part == "ISO_YEAR":
        return day.isocalendar().year
    if part == "QUARTER":
        return (day.month - 1) // 3 + 1
    if part in {"TIMEZONE_HOUR", "TIMEZONE_MINUTE"}:
        return 0
    raise unsupported_feature(f"getDatePart({value}, {name})")


def iso_year(ordinal: int) -> int:
    """The year that a day's ISO week belongs to."""
    return date.fromordinal(ordinal).isocalendar().year


def truncate(name: str, sql_type: SqlType, value: str | int) -> str:
    """DATE_TRUNC: the TIMESTAMP at which the part began."""
    part = part_of(name)
    ordinal, nanos = split(sql_type, value)
    if part in {"MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR"}:
        return timestamp_value(ordinal, nanos // STEPS[part] * STEPS[part])
    day = date.fromordinal(ordinal)
    if part == "DAY":
        start = day
    elif part == "WEEK":
        start = date.fromordinal(ordinal - day.weekday())
    elif part == "MONTH":
        start = day.replace(day=1)
    elif part == "QUARTER":
        start = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    elif part == "YEAR":
        start = day.replace(month=1, day=1)
    elif part in {"DECADE", "CENTURY", "MILLENNIUM"}:
        if part == "DECADE":
            year = day.year // 10 * 10
        else:
            size = 100 if part == "CENTURY" else 1000
            year = (day.year - 1) // size * size + 1
        if year < 1:
            raise H2Error(22003, f'Numeric value out of range: "{year}"')
        start = date(year, 1, 1)
    else:
        raise unsupported_feature(name)
    return timestamp_value(start.toordinal(), 0)


# --- Java's date patterns ---------------------------------------------------------------------------------------------


@lru_cache(64)
def pattern_runs(pattern: str) -> tuple[tuple[str, int], ...]:
    """A SimpleDateFormat pattern as runs: (letter, how often), or a text with 0."""
    runs: list[tuple[str, int]] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "'":
            end = at + 1
            text = ""
            while True:
                if end >= len(pattern):
                    raise H2Error(90014, f'Error parsing "{pattern}/null/null"')
                if pattern[end] == "'":
                    if pattern[end + 1 : end + 2] == "'" and end > at + 1:
                        text += "'"
                        end += 2
                        continue
                    break
                text += pattern[end]
                end += 1
            runs.append((text or "'", 0))
            at = end + 1
        elif char.isascii() and char.isalpha():
            end = at
            while end < len(pattern) and pattern[end] == char:
                end += 1
            if char not in "yMdHhmsSEaDkKuw":
                if char in "GYLWFzZX":
                    raise refused(f'the date pattern "{pattern}"; use y M d H h m s S E a D')
                raise H2Error(90014, f'Error parsing "{pattern}/null/null"')
            runs.append((char, end - at))
            at = end
        else:
            runs.append((char, 0))
            at += 1
    return tuple(runs)


def format_moment(ordinal: int, nanos: int, pattern: str) -> str:
    """FORMATDATETIME: a moment by a pattern of java.text.SimpleDateFormat, in English."""
    day = date.fromordinal(ordinal)
    hour = nanos // (3600 * NANOS)
    out: list[str] = []
    for letter, count in pattern_runs(pattern):
        if not count:
            out.append(letter)
        elif letter == "y":
            out.append(f"{day.year % 100:02}" if count == 2 else f"{day.year:0{count}}")
        elif letter == "M" and count > 2:
            out.append(MONTHS[day.month - 1] if count > 3 else MONTHS[day.month - 1][:3])
        elif letter == "E":
            out.append(DAYS[day.weekday()] if count > 3 else DAYS[day.weekday()][:3])
        elif letter == "a":
            out.append("AM" if hour < 12 else "PM")
        else:
            number = {
                "M": day.month,
                "d": day.day,
                "H": hour,
                "k": hour or 24,
                "K": hour % 12,
                "h": hour % 12 or 12,
                "m": nanos // (60 * NANOS) % 60,
                "s": nanos // NANOS % 60,
                "S": nanos // 1_000_000 % 1000,
                "D": day.timetuple().tm_yday,
                "u": day.isoweekday(),
                "w": week_of_year(ordinal),
            }[letter]
            out.append(f"{number:0{count}}")
    return "".join(out)


def parse_moment(text: str, pattern: str) -> str:
    """PARSEDATETIME: the TIMESTAMP of a text by a pattern, leniently as SimpleDateFormat reads.

    Raises:
        H2Error: The text does not have the pattern.
    """
    runs = pattern_runs(pattern)
    fields = {"y": 1970, "M": 1, "d": 1, "H": 0, "m": 0, "s": 0, "S": 0}
    afternoon: bool | None = None
    failure = H2Error(90014, f'Error parsing "{text}"')
    at = 0
    for place, (letter, count) in enumerate(runs):
        if not count:
            if not text.startswith(letter, at):
                raise failure
            at += len(letter)
            continue
        if letter in {"a", "E"} or (letter == "M" and count > 2):
            names = ("AM", "PM") if letter == "a" else DAYS if letter == "E" else MONTHS
            found = next(
                (
                    (index, each)
                    for index, name in enumerate(names)
                    for each in (name, name[:3])
                    if text[at:].lower().startswith(each.lower())
                ),
                None,
            )
            if found is None:
                raise failure
            index, taken = found
            at += len(taken)
            if letter == "a":
                afternoon = index == 1
            elif letter == "M":
                fields["M"] = index + 1
            continue
        while text[at : at + 1] == " ":
            at += 1
        # Digits that run into the next field are told apart by the pattern's lengths.
        following = runs[place + 1] if place + 1 < len(runs) else ("", 0)
        limit = count if following[1] and following[0] not in "aE" else None
        end = at
        while end < len(text) and text[end].isdigit() and (limit is None or end - at < limit):
            end += 1
        if end == at:
            raise failure
        number = int(text[at:end])
        if letter == "y" and count <= 2 and end - at == 2:
            number += 2000 if number < 50 else 1900
        fields["H" if letter in "hkK" else letter] = number
        at = end
    hour = fields["H"]
    if afternoon is not None:
        hour = hour % 12 + (12 if afternoon else 0)
    if not 1 <= fields["y"] <= 9999:
        raise H2Error(22003, f'Numeric value out of range: "{text}"')
    first = date(fields["y"], 1, 1).toordinal()
    if "D" in fields:
        ordinal = first + fields["D"] - 1
    else:
        ordinal = added_months(first, fields["M"] - 1) + fields["d"] - 1
    nanos = ((hour * 60 + fields["m"]) * 60 + fields["s"]) * NANOS + fields["S"] * 1_000_000
    return timestamp_value(ordinal, nanos)
