"""TO_CHAR, TO_DATE and TO_TIMESTAMP with the common masks of Oracle; other masks are refused by name."""

import re
from datetime import date
from typing import Final

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.errors import H2Error, refused
from ignitemap.embedded.sql.numbers import decimal, set_scale
from ignitemap.embedded.sql.types import SqlType

__all__ = ["moment_text", "number_text", "parse_oracle_date"]

NUMBER_MASK: Final = re.compile(r"(?P<fill>FM)?(?P<lead>S)?(?P<body>[90,.GD]*)(?P<tail>S|MI)?", re.IGNORECASE)
DATE_MASK: Final = re.compile(
    r"YYYY|YY|MONTH|MON|MM|DDD|DD|DAY|DY|HH24|HH12|HH|MI|SS|FF[1-9]?|AM|PM|Q|D|[^A-Za-z\"]+|\"[^\"]*\"", re.IGNORECASE
)


def number_text(stored: str, mask: str | None = None) -> str:
    """A DECIMAL by a mask of 9 0 , . G D S MI FM."""
    number = decimal(stored)
    if mask is None or mask.upper() in {"TM", "TM9"}:
        plain = f"{number:f}"
        return plain[1:] if plain.startswith("0.") else plain
    found = NUMBER_MASK.fullmatch(mask)
    if found is None:
        raise refused(f'the number mask "{mask}"; use 9 0 , . S MI FM')
    body = found["body"].upper().replace("G", ",").replace("D", ".")
    fill = found["fill"] is None
    whole, dot, places = body.partition(".")
    if "." in places:
        raise H2Error(90010, f'Invalid TO_CHAR format "{mask}"')
    number = set_scale(number, len(places)) if -int(number.as_tuple().exponent) > len(places) else number
    first_zero = whole.find("0")
    if first_zero >= 0:
        whole = whole[:first_zero] + whole[first_zero:].replace("9", "0")
    plain = f"{abs(number):f}"
    integer, _, fraction = plain.partition(".")
    digits = [] if abs(number) < 1 and fraction else list(integer)
    out = ""
    for place in range(len(whole) - 1, -1, -1):
        char = whole[place]
        if char in "90":
            if digits:
                out = digits.pop() + out
            elif char == "0":
                out = "0" + out
        elif digits or (place > 0 and whole[place - 1] == "0"):
            out = char + out
    if digits:
        return "#" * (len(whole) + len(dot) + len(places) + 1)
    width = 1 + len(whole)
    if dot:
        out += "."
        width += 1
        for place in range(len(places)):
            width += 1
            if place < len(fraction):
                out += fraction[place]
            elif fill or places[place] == "0":
                out += "0"
    negative = number < 0
    lead, tail = (found["lead"] or "").upper(), (found["tail"] or "").upper()
    if tail == "MI":
        out += "-" if negative else " " if fill else ""
    elif tail == "S":
        out += "-" if negative else "+" if number else ""
    elif negative:
        out = "-" + out
    elif lead:
        out = ("+" if number else "") + out
    elif fill and number:
        out = " " + out
    return out.rjust(width) if fill else out


def mask_parts(mask: str) -> list[str]:
    """A date mask in its parts."""
    parts: list[str] = []
    at = 0
    while at < len(mask):
        found = DATE_MASK.match(mask, at)
        if found is None:
            raise refused(f'the date mask "{mask}"; use YYYY MM DD HH24 HH MI SS FF MON MONTH DY DAY')
        parts.append(found[0])
        at = found.end()
    return parts


def cased(word: str, mask: str) -> str:
    """A name in the case of its mask."""
    if mask.isupper():
        return word.upper()
    return word.lower() if mask.islower() else word


def moment_text(sql_type: SqlType, stored: str | int, mask: str) -> str:
    """A date by a mask."""
    ordinal, nanos = moments.split(sql_type, stored)
    day = date.fromordinal(ordinal)
    hour = nanos // (3600 * moments.NANOS)
    out: list[str] = []
    for part in mask_parts(mask):
        word = part.upper()
        if word == "MONTH":
            out.append(cased(moments.MONTHS[day.month - 1], part).ljust(9))
        elif word == "MON":
            out.append(cased(moments.MONTHS[day.month - 1][:3], part))
        elif word == "DAY":
            out.append(cased(moments.DAYS[day.weekday()], part).ljust(9))
        elif word == "DY":
            out.append(cased(moments.DAYS[day.weekday()][:3], part))
        elif word in {"AM", "PM"}:
            out.append("AM" if hour < 12 else "PM")
        elif word.startswith("FF"):
            digits = int(word[2:] or "9")
            out.append(f"{nanos % moments.NANOS:09}"[:digits])
        elif word in {"YYYY", "YY", "MM", "DDD", "DD", "HH24", "HH12", "HH", "MI", "SS", "Q", "D"}:
            out.append(
                {
                    "YYYY": f"{day.year:04}",
                    "YY": f"{day.year % 100:02}",
                    "MM": f"{day.month:02}",
                    "DDD": str(day.timetuple().tm_yday),
                    "DD": f"{day.day:02}",
                    "HH24": f"{hour:02}",
                    "HH12": f"{hour % 12 or 12:02}",
                    "HH": f"{hour % 12 or 12:02}",
                    "MI": f"{nanos // (60 * moments.NANOS) % 60:02}",
                    "SS": f"{nanos // moments.NANOS % 60:02}",
                    "Q": str((day.month - 1) // 3 + 1),
                    "D": str(ordinal % 7 + 1),
                }[word]
            )
        else:
            out.append(part.strip('"'))
    return "".join(out)


def parse_oracle_date(text: str, mask: str = "DD MON YYYY") -> str:
    """TO_DATE and TO_TIMESTAMP: the TIMESTAMP of a text by a mask."""
    failure = H2Error(
        90056,
        f'Function TO_DATE: Tried to parse one of "[...]" but failed (may be an internal error?). '
        f'Details: text "{text}", mask "{mask}"',
    )
    year, month, day, hour, minute, second, nanos = moments.now()[:4], 1, 1, 0, 0, 0, 0
    month = int(moments.now()[5:7])
    afternoon: bool | None = None
    at = 0
    for part in mask_parts(mask):
        word = part.upper()
        if word in {"MON", "MONTH"}:
            names = [name if word == "MONTH" else name[:3] for name in moments.MONTHS]
            index = next((i for i, name in enumerate(names) if text[at:].upper().startswith(name.upper())), None)
            if index is None:
                raise failure
            month = index + 1
            at += len(names[index])
            continue
        if word in {"AM", "PM"}:
            if text[at : at + 2].upper() not in {"AM", "PM"}:
                raise failure
            afternoon = text[at : at + 2].upper() == "PM"
            at += 2
            continue
        if not part[0].isalpha():  # any other separator will do
            at += len(part.strip('"'))
            continue
        if word in {"DAY", "DY", "Q", "D", "DDD"}:
            raise refused(f'the date mask "{mask}"; use YYYY MM DD HH24 HH MI SS FF MON MONTH')
        size = 4 if word == "YYYY" else 9 if word.startswith("FF") else 2
        found = re.compile(rf"\d{{1,{size}}}").match(text, at)
        if found is None:
            raise failure
        number = int(found[0])
        at = found.end()
        if word == "YYYY":
            year = found[0]
        elif word == "YY":
            year = str(2000 + number)
        elif word == "MM":
            month = number
        elif word == "DD":
            day = number
        elif word.startswith("HH"):
            hour = number
        elif word == "MI":
            minute = number
        elif word == "SS":
            second = number
        else:
            nanos = int((found[0] + "000000000")[:9])
    if afternoon is not None:
        hour = hour % 12 + (12 if afternoon else 0)
    try:
        ordinal = date(int(year), month, day).toordinal()
    except ValueError:
        raise refused(f'days that no calendar has, like "{text}"; check them in Python') from None
    return moments.timestamp_value(ordinal, ((hour * 60 + minute) * 60 + second) * moments.NANOS + nanos)
