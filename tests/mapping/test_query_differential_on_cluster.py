"""The same conditions answered by a real node's SQL, by the evaluation over a scan, and by an oracle of this file."""

import math
import random
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

import ignitemap as ig
from ignitemap.mapping.cache import Cache
from tests.mapping.conftest import MakeCache


class Color(Enum):
    """Of a sample."""

    RED = "r"
    GREEN = "g"
    BLUE = "b"


@ig.model(type_name="tests.query.Sample")
class Sample:
    """A field of each kind that SQL compares, and its Optional twin."""

    id: ig.Int = ig.key()
    tiny: ig.Byte = 0
    small: ig.Int = ig.field(default=0, index=True)
    big: int = 0
    maybe_int: int | None = ig.field(default=None, index=True)
    real: float = 0.0
    narrow: ig.Float = 0.0
    maybe_real: float | None = None
    name: str = ig.field(default="", index=True)
    nick: str | None = None
    price: Decimal = Decimal(0)
    maybe_price: Decimal | None = None
    born: date = date(2000, 1, 1)
    maybe_born: date | None = None
    at: datetime = ig.field(default=datetime(2000, 1, 1, tzinfo=UTC), index=True)
    maybe_at: datetime | None = None
    clock: time = time(0)
    took: timedelta = timedelta(0)
    token: UUID = UUID(int=0)
    maybe_token: UUID | None = None
    ok: bool = False
    maybe_ok: bool | None = None
    color: Color = Color.RED
    maybe_color: Color | None = None


INTS = [
    -129,
    -128,
    -7,
    -1,
    0,
    1,
    2,
    3,
    7,
    126,
    127,
    128,
    2**31 - 1,
    2**31,
    -(2**31),
    2**63 - 1,
    -(2**63),
    2**70,
    -(2**70),
]
FLOATS = [-math.inf, -1e300, -2.5, -1.0, -0.0, 0.0, 0.1, 0.5, 1.0, 2.5, 1e300, math.inf, math.nan]
TEXTS = [
    "",
    "a",
    "A",
    "b",
    "ab",
    "a%b",
    "a_b",
    "a\\b",
    "axb",
    "%",
    "_",
    "\\",
    "😀",
    "a😀b",
    "\uffff",
    "ä",
    "Ä",
    "ß",
    " a ",
    "a\n",
]
DECIMALS = [
    Decimal(each) for each in ("-10.5", "-1", "0", "0.00", "0.1", "1", "1.0", "1.10", "2.5", "99999999999999999999.99")
]
DATES = [date(1900, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(2000, 2, 29), date(2024, 1, 1)]
MOMENTS = [datetime(*each, tzinfo=UTC) for each in ((1900, 1, 1), (1969, 12, 31, 23, 59, 59, 999999), (1970, 1, 1), (2024, 2, 29, 12, 0, 0, 1))]  # fmt: skip
CLOCKS = [time(0), time(0, 0, 1), time(12), time(23, 59, 59)]
SPANS = [timedelta(0), timedelta(milliseconds=1), timedelta(days=-1), timedelta(days=400)]
TOKENS = [UUID(int=0), UUID(int=1), UUID(int=2**63), UUID(int=2**64), UUID(int=2**127), UUID(int=2**128 - 1)]
COLORS = list(Color)
NUMBERS = [*INTS, *FLOATS, *DECIMALS]

# Each field with what its values are taken from, and what it is compared with.
FIELDS: dict[str, tuple[list[Any], list[Any]]] = {
    "id": (INTS, NUMBERS),
    "tiny": ([each for each in INTS if -128 <= each <= 127], NUMBERS),
    "small": ([each for each in INTS if -(2**31) <= each < 2**31], NUMBERS),
    "big": ([each for each in INTS if -(2**63) <= each < 2**63], NUMBERS),
    "maybe_int": ([each for each in INTS if -(2**63) <= each < 2**63], NUMBERS),
    "real": (FLOATS, FLOATS + [1, 0, -7]),
    "narrow": ([-math.inf, -2.5, 0.0, 0.1, 0.5, 3.0, math.inf, math.nan], [*FLOATS, 3]),
    "maybe_real": (FLOATS, FLOATS),
    "name": (TEXTS, TEXTS),
    "nick": (TEXTS, TEXTS),
    "price": (DECIMALS, [*DECIMALS, 1, 0, 0.5, 0.1]),
    "maybe_price": (DECIMALS, DECIMALS),
    "born": (DATES, DATES),
    "maybe_born": (DATES, DATES),
    "at": (MOMENTS, MOMENTS),
    "maybe_at": (MOMENTS, MOMENTS),
    "clock": (CLOCKS, CLOCKS),
    "took": (SPANS, SPANS),
    "token": (TOKENS, TOKENS),
    "maybe_token": (TOKENS, TOKENS),
    "ok": ([True, False], [True, False]),
    "maybe_ok": ([True, False], [True, False]),
    "color": (COLORS, COLORS),
    "maybe_color": (COLORS, COLORS),
}
TEXT_FIELDS = ["name", "nick"]
PAIRS = [("small", "big"), ("big", "maybe_int"), ("name", "nick"), ("price", "maybe_price"), ("born", "maybe_born"),
         ("at", "maybe_at"), ("token", "maybe_token"), ("real", "maybe_real"), ("color", "maybe_color"), ("ok", "maybe_ok")]  # fmt: skip
PARTS = {
    "born": ["year", "month", "day"], "maybe_at": ["year", "month", "day", "hour", "minute", "second"], "clock": ["hour", "minute", "second"],
}  # fmt: skip
UNORDERED = {"ok", "maybe_ok", "color", "maybe_color"}

Oracle = Callable[[Any], bool | None]
Recorder = Callable[[Any], Any]

# --- the oracle: SQL's meaning, written down once more --------------------------------------------------------------------


def rank(value: Any) -> Any:
    """A number that orders values as Java does, or the value itself."""
    if isinstance(value, str):
        return [ord(unit) for unit in utf16(value)]
    if isinstance(value, UUID):
        return struct.unpack(">qq", value.bytes)
    if isinstance(value, Enum):
        return value.name
    return value


def utf16(text: str) -> list[str]:
    """The UTF-16 units of a text."""
    data = text.encode("utf-16-be", "surrogatepass")
    return [chr(int.from_bytes(data[at : at + 2], "big")) for at in range(0, len(data), 2)]


def less(a: Any, b: Any) -> bool:
    """Whether one value comes before another; NaN comes last."""
    if a != a or b != b:
        return a == a
    return rank(a) < rank(b)


def compare(sign: str, a: Any, b: Any) -> bool | None:
    """A comparison in SQL."""
    if a is None or b is None:
        return None
    before, after = (False, False)
    if isinstance(a, bool | Enum):
        equal = a == b
    else:
        before, after = less(a, b), less(b, a)
        equal = not before and not after
    return {"==": equal, "!=": not equal, "<": before, "<=": before or equal, ">": after, ">=": after or equal}[sign]


def like(text: str | None, pattern: str) -> bool | None:
    """LIKE without regular expressions."""
    if text is None:
        return None
    units, wanted = utf16(text), utf16(pattern)

    def match(at: int, p: int) -> bool:
        if p == len(wanted):
            return at == len(units)
        if wanted[p] == "%":
            return any(match(start, p + 1) for start in range(at, len(units) + 1))
        literal = wanted[p] == "\\"
        if at == len(units):
            return False
        if literal:
            return units[at] == wanted[p + 1] and match(at + 1, p + 2)
        return wanted[p] in {"_", units[at]} and match(at + 1, p + 1)

    return match(0, 0)


def half_away_from_zero(value: Any, digits: int) -> Any:
    """A number rounded as SQL rounds it, by its exact decimal expansion."""
    if value is None or (isinstance(value, float) and not abs(value) < 2**53):
        return value
    found = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return type(value)(found)


def conjunction(a: bool | None, b: bool | None) -> bool | None:
    """AND."""
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def negation(a: bool | None) -> bool | None:
    """NOT."""
    return None if a is None else not a


def recorded_compare(sign: str, a: Any, b: Any) -> Any:
    """The comparison as a user writes it."""
    match sign:
        case "==":
            return a == b
        case "!=":
            return a != b
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case _:
            return a >= b


# --- generated conditions -------------------------------------------------------------------------------------------------


def as_stored(field: str, value: Any) -> Any:
    """A constant as the field's type has it: 32-bit floats are rounded, unless they can't hold it at all."""
    if field == "narrow" and isinstance(value, int | float):
        try:
            (value,) = struct.unpack("<f", struct.pack("<f", value))
        except OverflowError:
            return value
    return value


def leaf(dice: random.Random) -> tuple[Recorder, Oracle]:
    """One comparison, as a lambda and as its meaning."""
    kind = dice.choice(
        ["compare"] * 5
        + [
            "pair",
            "in",
            "between",
            "null",
            "like",
            "contains",
            "startswith",
            "flag",
            "sum",
            "part",
            "round",
            "function",
        ]
    )
    signs = ["==", "!=", "<", "<=", ">", ">="]
    field = dice.choice(list(FIELDS))
    values = FIELDS[field][1]
    match kind:
        case "compare":
            sign = dice.choice(signs[:2] if field in UNORDERED else signs)
            value = dice.choice(values)
            if isinstance(value, float) and not math.isfinite(value) and "price" in field:
                value = Decimal(3)
            stored = as_stored(field, value)
            if dice.random() < 0.2:
                return (
                    lambda p: recorded_compare(sign, ig.col(field), value),
                    lambda m: compare(sign, getattr(m, field), stored),
                )
            return (
                lambda p: recorded_compare(sign, getattr(p, field), value),
                lambda m: compare(sign, getattr(m, field), stored),
            )
        case "pair":
            one, other = dice.sample(dice.choice(PAIRS), 2)
            sign = dice.choice(signs[:2] if one in UNORDERED else signs)
            return (
                lambda p: recorded_compare(sign, getattr(p, one), getattr(p, other)),
                lambda m: compare(sign, getattr(m, one), getattr(m, other)),
            )
        case "in":
            some = dice.sample(values, dice.randint(0, min(4, len(values))))
            stored_some = [as_stored(field, each) for each in some]

            def is_in(m: Any) -> bool | None:
                value = getattr(m, field)
                if not some:
                    return False
                return None if value is None else any(compare("==", value, each) for each in stored_some)

            return lambda p: ig.is_in(getattr(p, field), some), is_in
        case "between":
            while field in UNORDERED:
                field = dice.choice(list(FIELDS))
            low, high = (dice.choice(FIELDS[field][1]) for _ in range(2))
            least, most = as_stored(field, low), as_stored(field, high)
            return (
                lambda p: ig.between(getattr(p, field), low, high),
                lambda m: conjunction(compare(">=", getattr(m, field), least), compare("<=", getattr(m, field), most)),
            )
        case "null":
            return lambda p: ig.is_null(getattr(p, field)), lambda m: getattr(m, field) is None
        case "part":
            moment, part = dice.choice(
                [(moment, part) for moment, parts in PARTS.items() for part in parts],
            )
            number, sign = dice.choice([0, 1, 12, 23, 29, 59, 1900, 1970, 2000]), dice.choice(signs)
            return (
                lambda p: recorded_compare(sign, getattr(getattr(p, moment), part), number),
                lambda m: compare(sign, getattr(getattr(m, moment), part, None), number),
            )
        case "round":
            rounded, digits, sign = dice.choice(["real", "maybe_real", "price", "maybe_price"]), dice.choice([0, 1, 3]), dice.choice(signs)  # fmt: skip
            value = dice.choice(DECIMALS) if "price" in rounded else dice.choice(FLOATS)
            return (
                lambda p: recorded_compare(sign, round(getattr(p, rounded), digits), value),
                lambda m: compare(sign, half_away_from_zero(getattr(m, rounded), digits), value),
            )
        case "function":
            text, sign = dice.choice(TEXT_FIELDS), dice.choice(signs)
            how = dice.choice(["length", "lower", "upper", "coalesce", "join"])
            other = dice.randint(0, 4) if how == "length" else dice.choice(TEXTS)
            functions: dict[str, tuple[Callable[[Any], Any], Callable[[str | None], Any]]] = {
                "length": (ig.length, lambda text: None if text is None else len(utf16(text))),
                "lower": (ig.lower, lambda text: None if text is None else text.lower()),
                "upper": (ig.upper, lambda text: None if text is None else text.upper()),
                "coalesce": (lambda text: ig.coalesce(text, "b"), lambda text: "b" if text is None else text),
                "join": (lambda text: "a" + text, lambda text: None if text is None else "a" + text),
            }
            ours, theirs = functions[how]
            return (
                lambda p: recorded_compare(sign, ours(getattr(p, text)), other),
                lambda m: compare(sign, theirs(getattr(m, text)), other),
            )
        case "flag":
            flag = dice.choice(["ok", "maybe_ok"])
            return lambda p: getattr(p, flag), lambda m: getattr(m, flag)
        case "sum":
            number, value, sign = dice.choice([3, 7, -2]), dice.choice([-10, 0, 5, 300]), dice.choice(signs)
            field = dice.choice(["tiny", "small"])
            how = dice.choice(["+", "-", "*", "/", "//", "%", "abs"])
            positive = abs(number)
            forms: dict[str, Callable[[Any], Any]] = {
                "+": lambda x: x + number,
                "-": lambda x: number - x,
                "*": lambda x: x * number,
                "/": lambda x: x / number,
                "//": lambda x: x // positive,
                "%": lambda x: x % positive,
                "abs": lambda x: abs(-x),
            }
            form = forms[how]
            return (
                lambda p: recorded_compare(sign, form(getattr(p, field)), value),
                lambda m: compare(sign, form(getattr(m, field)), value),
            )
        case _:
            text = dice.choice(TEXT_FIELDS)
            part = dice.choice(TEXTS)
            if kind == "like":
                pattern = dice.choice(["%", "_", "a%", "%b", "a_b", "a\\%b", "a\\_b", "%\\\\%", "__", "", "a%b", "_😀_", "a__b", part.replace("\\", "")])  # fmt: skip
                return lambda p: ig.like(getattr(p, text), pattern), lambda m: like(getattr(m, text), pattern)
            if kind == "contains":
                return lambda p: ig.contains(
                    getattr(p, text), part
                ), lambda m: None if getattr(m, text) is None else part in getattr(m, text)
            return lambda p: getattr(p, text).startswith(
                part
            ), lambda m: None if getattr(m, text) is None else getattr(m, text).startswith(part)


def tree(dice: random.Random, depth: int) -> tuple[Recorder, Oracle]:
    """Comparisons put together."""
    if depth == 0 or dice.random() < 0.3:
        return leaf(dice)
    record, mean = tree(dice, depth - 1)
    match dice.choice(["and", "or", "not"]):
        case "not":
            return lambda p: ig.not_(record(p)), lambda m: negation(mean(m))
        case "and":
            other, means = tree(dice, depth - 1)
            return lambda p: record(p) & other(p), lambda m: conjunction(mean(m), means(m))
        case _:
            other, means = tree(dice, depth - 1)
            return (
                lambda p: record(p) | other(p),
                lambda m: negation(conjunction(negation(mean(m)), negation(means(m)))),
            )


def samples(dice: random.Random, count: int) -> list[Sample]:
    """Entries in which every value turns up, and many nulls."""
    made: list[Sample] = []
    for number in range(count):
        values: dict[str, Any] = {}
        for field, (stored, _) in FIELDS.items():
            value = dice.choice(stored)
            if field.startswith("maybe") or field == "nick":
                value = dice.choice([None, value, value])
            values[field] = value
        values["id"] = number
        made.append(Sample(**values))
    return made


async def check(cache: Cache[int, Sample], dice: random.Random, count: int) -> None:
    """Ask so many generated questions all three."""
    everything = await cache.values().to_list()
    scanned = Cache[Any, Any](cache.raw, cache._typed, schema=cache._schema)
    for number in range(count):
        record, mean = tree(dice, 2)
        query = cache.where(record)
        expected = sorted(each.id for each in everything if mean(each) is True)
        what = f"{number}: {query.sql} {query.params}"
        assert sorted(await query.select(lambda p: p.id).all()) == expected, what
        local = scanned.where(record, allow_scan=True)
        assert sorted(each.id for each in await _in_memory(local, everything)) == expected, what


async def _in_memory(query: Any, everything: list[Sample]) -> list[Sample]:
    """What the evaluation says of entries that have been scanned already."""
    from ignitemap.mapping.evaluation import evaluate

    where = query._plan.where
    return [each for each in everything if evaluate(where, (each.id, each)) is True]


@pytest.fixture
async def filled(make_cache: MakeCache) -> "ig.Cache[int, Sample]":
    """A cache of samples."""
    cache = await make_cache(Sample)
    await cache.save_many(samples(random.Random(7), 150))
    return cache


async def test_generated_conditions(filled: "ig.Cache[int, Sample]") -> None:
    """200 generated conditions match the same entries on a node, in Python and by the oracle."""
    await check(filled, random.Random(20), 200)


@pytest.mark.stress
@pytest.mark.timeout(600)
async def test_many_generated_conditions(filled: "ig.Cache[int, Sample]") -> None:
    """2,000 more generated conditions do."""
    await check(filled, random.Random(2000), 2000)
