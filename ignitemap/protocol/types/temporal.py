"""Instants, dates, times of day and durations.

| Python | wire |
| --- | --- |
| aware datetime | Timestamp (33): ms since the epoch and ns within the ms, so microseconds are exact |
| date | Date (11): ms of the day's midnight in UTC |
| time | Time (36): ms since midnight |
| timedelta | nothing untyped; `TIMEDELTA` declares a long of ms |

An instant comes back in UTC. A Java ``Date`` that is no UTC midnight comes back as a datetime. A Timestamp with
nanoseconds that a datetime cannot hold comes back as a `Timestamp`, which writes them again.

A ``java.sql.Date`` (SQL DATE) is an instant too: the midnight of the day in the time zone of the JVM that made it, and
the zone is not on the wire. We read the UTC midnight nearest to it, which is the right day for JVMs in zones from
UTC-11:59 to UTC+12; in UTC+13 and UTC+14 it is the day before. We write the day's midnight in UTC: a JVM in a zone west
of Greenwich shows that as the day before. Nodes that run with ``-Duser.timezone=UTC`` have neither trouble.
"""

from datetime import UTC, date, datetime, time, timedelta
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Self, SupportsIndex

from ignitemap.exceptions import DecodeError, EncodeTypeError
from ignitemap.protocol.codecs import Codecs, Spec, cannot_hold, wrong_type
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.numeric import decode_integer

__all__ = [
    "DATE",
    "SQL_DATE",
    "SQL_DATE_BODY",
    "TIME",
    "TIMEDELTA",
    "TIMESTAMP",
    "UTIL_DATE",
    "Timestamp",
    "decode_date",
    "decode_sql_date",
    "decode_time",
    "decode_timestamp",
    "encode_date",
    "encode_datetime",
    "encode_time",
    "register",
]

pack_long: Final = Struct("<Bq").pack
pack_timestamp: Final = Struct("<Bqi").pack
pack_sql_date: Final = Struct("<BI7sq").pack
unpack_long: Final = Struct("<q").unpack_from
unpack_timestamp: Final = Struct("<qI").unpack_from

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - to subtract from what is naive as well
EPOCH_ORDINAL: Final = 719163  # date(1970, 1, 1).toordinal()
DAY: Final = 86_400_000
HALF_DAY: Final = DAY // 2
FIRST: Final = datetime.min.replace(tzinfo=UTC) - EPOCH
LAST: Final = datetime.max.replace(tzinfo=UTC) - EPOCH
FIRST_MS: Final = FIRST // timedelta(milliseconds=1)
LAST_MS: Final = LAST // timedelta(milliseconds=1)
# Up to here (years 1698 to 2242) a double holds ms / 1000 so well that fromtimestamp() rounds to the right microsecond,
# and it is twice as fast as adding a timedelta.
EXACT_MS: Final = 2**33 * 1000

# The head of a java.sql.Date as the optimized marshaller writes it: kind, class id, checksum; 8 bytes of ms follow.
# Seen from a 2.17.0 node for SQL DATE columns.
SQL_DATE_BODY: Final = bytes.fromhex("663aded5409766")
SQL_DATE_LENGTH: Final = 15
SQL_DATE_PREFIX: Final = bytes((codes.OPTIMIZED,)) + SQL_DATE_LENGTH.to_bytes(4, "little") + SQL_DATE_BODY

from_timestamp: Final = datetime.fromtimestamp
from_ordinal: Final = date.fromordinal


class Timestamp(datetime):
    """A datetime with the nanoseconds that datetime lacks: what a Java ``Timestamp`` finer than a microsecond reads as.

    It equals a plain datetime only if it has no nanoseconds. Adding a timedelta, ``replace`` and ``astimezone`` keep
    them; the difference of two instants is a timedelta and has none.
    """

    __slots__ = ("_nanosecond",)
    _nanosecond: int

    @classmethod
    def of(cls, moment: datetime, nanosecond: int) -> Self:
        """The same moment, ``nanosecond`` (0 to 999) later.

        Raises:
            ValueError: The nanoseconds are not within a microsecond.
        """
        if not 0 <= nanosecond <= 999:
            raise ValueError("nanosecond must be in 0..999")
        made = cls.combine(moment.date(), moment.timetz())
        made._nanosecond = nanosecond  # noqa: SLF001 - its own class
        return made

    @property
    def nanosecond(self) -> int:
        """Nanoseconds beyond the microsecond, 0 to 999."""
        # Methods of datetime make instances of their caller's class without asking it: the slot may be empty.
        return getattr(self, "_nanosecond", 0)

    def __eq__(self, other: object) -> bool:
        # NotImplemented has no truth value.
        return datetime.__eq__(self, other) is True and self.nanosecond == getattr(other, "nanosecond", 0)

    def __ne__(self, other: object) -> bool:  # datetime has one of its own, so that ours is not derived from __eq__
        return not self == other

    __hash__ = datetime.__hash__

    def __lt__(self, other: Any) -> bool:
        if datetime.__eq__(self, other) is True:
            return self.nanosecond < getattr(other, "nanosecond", 0)
        return datetime.__lt__(self, other)

    def __le__(self, other: Any) -> bool:
        if datetime.__eq__(self, other) is True:
            return self.nanosecond <= getattr(other, "nanosecond", 0)
        return datetime.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        if datetime.__eq__(self, other) is True:
            return self.nanosecond > getattr(other, "nanosecond", 0)
        return datetime.__gt__(self, other)

    def __ge__(self, other: Any) -> bool:
        if datetime.__eq__(self, other) is True:
            return self.nanosecond >= getattr(other, "nanosecond", 0)
        return datetime.__ge__(self, other)

    if not TYPE_CHECKING:  # pragma: no branch - to a type checker the signatures of datetime stand

        def __add__(self, other):
            return self._kept(datetime.__add__(self, other))

        __radd__ = __add__

        def __sub__(self, other):
            return self._kept(datetime.__sub__(self, other))

        def replace(self, *args, **kwargs):
            """The same with some fields changed."""
            return self._kept(datetime.replace(self, *args, **kwargs))

        def astimezone(self, tz=None):
            """The same instant in another time zone."""
            return self._kept(datetime.astimezone(self, tz))

        def _kept(self, made):
            if isinstance(made, Timestamp):
                made._nanosecond = self.nanosecond  # noqa: SLF001 - its own class
            return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return type(self).of, (datetime.combine(self.date(), self.timetz()), self.nanosecond)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.of({datetime.combine(self.date(), self.timetz())!r}, {self.nanosecond})"


def since_epoch(codecs: Codecs, expected: str, value: datetime) -> timedelta:
    """How long after the epoch an instant is; ``codecs.naive_datetime`` decides what a naive one means."""
    try:
        elapsed = value - EPOCH
    except TypeError:  # naive
        if codecs.naive_datetime == "utc":
            elapsed = value.replace(tzinfo=None) - NAIVE_EPOCH
        elif codecs.naive_datetime == "local":
            try:
                elapsed = value.astimezone() - EPOCH
            except (OverflowError, ValueError, OSError):  # years that the platform's clock does not reach
                raise cannot_hold(expected, "needs a datetime within the years 1 to 9999 in UTC") from None
        else:
            raise cannot_hold(expected, "needs a datetime with a time zone") from None
    if not FIRST <= elapsed <= LAST:  # it could not be read back
        raise cannot_hold(expected, "needs a datetime within the years 1 to 9999 in UTC")
    return elapsed


def encode_datetime(codecs: Codecs, out: bytearray, value: datetime) -> None:
    """Write an aware datetime as a Timestamp."""
    elapsed = since_epoch(codecs, "Timestamp", value)
    micros = elapsed.microseconds
    nanos = micros % 1000 * 1000
    if value.__class__ is not datetime:
        nanos += getattr(value, "nanosecond", 0)  # ours, and pandas' Timestamp, which names it the same
    out += pack_timestamp(codes.TIMESTAMP, elapsed.days * DAY + elapsed.seconds * 1000 + micros // 1000, nanos)


def decode_timestamp(codecs: Codecs, buf: bytes, pos: int) -> tuple[datetime, int]:
    """Read a Timestamp as an aware datetime in UTC."""
    ms, nanos = unpack_timestamp(buf, pos)
    if not nanos and -EXACT_MS < ms < EXACT_MS:
        return from_timestamp(ms / 1000, UTC), pos + 12
    if not FIRST_MS <= ms <= LAST_MS or nanos > 999_999:
        raise DecodeError("a Timestamp outside of the years 1 to 9999", offset=pos - 1)
    moment = EPOCH + timedelta(0, ms // 1000, ms % 1000 * 1000 + nanos // 1000)
    beyond = nanos % 1000
    return (Timestamp.of(moment, beyond) if beyond else moment), pos + 12


def instant_of(ms: int, pos: int) -> datetime:
    """The datetime in UTC for ms since the epoch."""
    if -EXACT_MS < ms < EXACT_MS:
        return from_timestamp(ms / 1000, UTC)
    if not FIRST_MS <= ms <= LAST_MS:
        raise DecodeError("a Date outside of the years 1 to 9999", offset=pos)
    return EPOCH + timedelta(0, ms // 1000, ms % 1000 * 1000)


def encode_date(codecs: Codecs, out: bytearray, value: date) -> None:
    """Write a date as the Date of its midnight in UTC."""
    out += pack_long(codes.DATE, (value.toordinal() - EPOCH_ORDINAL) * DAY)


def decode_date(codecs: Codecs, buf: bytes, pos: int) -> tuple[date, int]:
    """Read a Date: a date if it is a midnight in UTC, else an aware datetime."""
    ms = unpack_long(buf, pos)[0]
    days, rest = divmod(ms, DAY)
    if rest:
        return instant_of(ms, pos - 1), pos + 8
    if not FIRST_MS <= ms <= LAST_MS:
        raise DecodeError("a Date outside of the years 1 to 9999", offset=pos - 1)
    return from_ordinal(EPOCH_ORDINAL + days), pos + 8


def decode_sql_date(ms: int, pos: int) -> date:
    """The date of a java.sql.Date, which holds the midnight of its JVM's time zone: the UTC midnight nearest to it."""
    if not FIRST_MS <= ms <= LAST_MS:
        raise DecodeError("a java.sql.Date outside of the years 1 to 9999", offset=pos)
    return from_ordinal(EPOCH_ORDINAL + (ms + HALF_DAY) // DAY)


def encode_time(codecs: Codecs, out: bytearray, value: time) -> None:
    """Write a time of day."""
    if value.tzinfo is not None:
        raise cannot_hold("Time", "has no time zone")
    millis, beyond = divmod(value.microsecond, 1000)
    if beyond:
        raise cannot_hold("Time", "holds whole milliseconds")
    out += pack_long(codes.TIME, (value.hour * 3600 + value.minute * 60 + value.second) * 1000 + millis)


def decode_time(codecs: Codecs, buf: bytes, pos: int) -> tuple[time, int]:
    """Read a time of day. Java may count from another day than the epoch's; a Time has no day, so that is dropped."""
    seconds, millis = divmod(unpack_long(buf, pos)[0] % DAY, 1000)
    minutes, second = divmod(seconds, 60)
    return time(minutes // 60, minutes % 60, second, millis * 1000), pos + 8


def encode_untyped_timedelta(codecs: Codecs, out: bytearray, value: timedelta) -> None:
    """Refuse a duration that nothing declares: it would come back as a number."""
    raise EncodeTypeError("Ignite has no type for a timedelta; declare one, and it is a long of milliseconds")


def encode_as_timestamp(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a datetime and nothing else."""
    if not isinstance(value, datetime):
        raise wrong_type("Timestamp", value)
    encode_datetime(codecs, out, value)


def decode_as_timestamp(codecs: Codecs, buf: bytes, pos: int) -> tuple[datetime, int]:
    """Read a Timestamp, or a Date, which is an instant too."""
    code = buf[pos]
    if code == codes.TIMESTAMP:
        return decode_timestamp(codecs, buf, pos + 1)
    if code == codes.DATE:
        return instant_of(unpack_long(buf, pos + 1)[0], pos), pos + 9
    raise codes.mismatch("Timestamp", buf, pos)


def encode_as_util_date(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a datetime as a Date; microseconds have no place there."""
    if not isinstance(value, datetime):
        raise wrong_type("Date", value)
    elapsed = since_epoch(codecs, "Date", value)
    millis, beyond = divmod(elapsed.microseconds, 1000)
    if beyond or getattr(value, "nanosecond", 0):
        raise cannot_hold("Date", "holds whole milliseconds")
    out += pack_long(codes.DATE, elapsed.days * DAY + elapsed.seconds * 1000 + millis)


def encode_as_date(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a date, and no datetime, though it is a subclass."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise wrong_type("Date", value)
    encode_date(codecs, out, value)


def encode_as_sql_date(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a date as Java's optimized marshaller writes a java.sql.Date, which is what SQL DATE columns hold."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise wrong_type("java.sql.Date", value)
    ms = (value.toordinal() - EPOCH_ORDINAL) * DAY
    out += pack_sql_date(codes.OPTIMIZED, SQL_DATE_LENGTH, SQL_DATE_BODY, ms)


def decode_as_date(codecs: Codecs, buf: bytes, pos: int) -> tuple[date, int]:
    """Read a Date, a java.sql.Date, or a Timestamp that is a UTC midnight."""
    code = buf[pos]
    if code == codes.OPTIMIZED and buf.startswith(SQL_DATE_PREFIX, pos):
        return decode_sql_date(unpack_long(buf, pos + 12)[0], pos), pos + 20
    if code == codes.DATE:
        value, end = decode_date(codecs, buf, pos + 1)
    elif code == codes.TIMESTAMP:
        value, end = decode_timestamp(codecs, buf, pos + 1)
    else:
        raise codes.mismatch("Date", buf, pos)
    if isinstance(value, datetime):
        if value != datetime.combine(value, time(tzinfo=UTC)):
            raise DecodeError("expected a Date, the cluster has an instant that is no midnight in UTC", offset=pos)
        return value.date(), end
    return value, end


def encode_as_time(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a time and nothing else."""
    if not isinstance(value, time):
        raise wrong_type("Time", value)
    encode_time(codecs, out, value)


def decode_as_time(codecs: Codecs, buf: bytes, pos: int) -> tuple[time, int]:
    """Read a time of day."""
    if buf[pos] != codes.TIME:
        raise codes.mismatch("Time", buf, pos)
    return decode_time(codecs, buf, pos + 1)


def encode_as_timedelta(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a duration as a long of ms."""
    if not isinstance(value, timedelta):
        raise wrong_type("timedelta", value)
    millis, beyond = divmod(value.microseconds, 1000)
    if beyond:
        raise cannot_hold("timedelta", "is a long of whole milliseconds")
    out += pack_long(codes.LONG, value.days * DAY + value.seconds * 1000 + millis)


def decode_as_timedelta(codecs: Codecs, buf: bytes, pos: int) -> tuple[timedelta, int]:
    """Read a number of ms as a duration."""
    ms, end = decode_integer("timedelta", codecs, buf, pos)
    return timedelta(0, 0, 0, ms), end


TIMESTAMP: Final[Spec[datetime]] = Spec(
    "Timestamp", encode_as_timestamp, decode_as_timestamp, code=codes.TIMESTAMP, java="java.sql.Timestamp"
)
UTIL_DATE: Final[Spec[datetime]] = Spec(
    "Date", encode_as_util_date, decode_as_timestamp, code=codes.DATE, java="java.util.Date"
)
DATE: Final[Spec[date]] = Spec("Date", encode_as_date, decode_as_date, code=codes.DATE, java="java.util.Date")
# The cluster's metadata has such a field as Object (103): the binary format has no code for java.sql.Date.
SQL_DATE: Final[Spec[date]] = Spec(
    "java.sql.Date", encode_as_sql_date, decode_as_date, code=codes.OBJECT, java="java.sql.Date"
)
TIME: Final[Spec[time]] = Spec("Time", encode_as_time, decode_as_time, code=codes.TIME, java="java.sql.Time")
TIMEDELTA: Final[Spec[timedelta]] = Spec(
    "timedelta", encode_as_timedelta, decode_as_timedelta, code=codes.LONG, java="java.lang.Long"
)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[datetime] = encode_datetime
    codecs.encoders[Timestamp] = encode_datetime
    codecs.encoders[date] = encode_date
    codecs.encoders[time] = encode_time
    codecs.encoders[timedelta] = encode_untyped_timedelta
    codecs.decoders[codes.DATE] = decode_date
    codecs.decoders[codes.TIMESTAMP] = decode_timestamp
    codecs.decoders[codes.TIME] = decode_time
