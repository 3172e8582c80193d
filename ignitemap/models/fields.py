"""What a user writes inside a model: ``key()``, ``field()``, ``sql()``, ``Index``, ``Array`` and the narrow types."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar, overload

import attrs

from ignitemap.exceptions import ModelError
from ignitemap.protocol.types.numeric import BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.text import CHAR

__all__ = [
    "Array",
    "Byte",
    "Char",
    "Double",
    "FieldOptions",
    "Float",
    "Index",
    "Int",
    "Long",
    "Short",
    "SqlColumn",
    "check_marker",
    "field",
    "key",
    "options_of",
    "sql",
]

T = TypeVar("T")

METADATA: Final = "ignitemap"

Byte = Annotated[int, BYTE]
"""An int that Ignite holds as a byte, -128 to 127."""
Short = Annotated[int, SHORT]
"""An int that Ignite holds as a short, 16 bits."""
Int = Annotated[int, INT]
"""An int that Ignite holds as an Integer, 32 bits."""
Long = Annotated[int, LONG]
"""An int that Ignite holds as a Long, 64 bits: what a plain ``int`` is."""
Float = Annotated[float, FLOAT]
"""A float that Ignite holds in 32 bits: it is rounded."""
Double = Annotated[float, DOUBLE]
"""A float that Ignite holds in 64 bits: what a plain ``float`` is."""
Char = Annotated[str, CHAR]
"""A str of one UTF-16 unit."""


class Array:
    """Marks a list as an array: ``Annotated[list[float], ig.Array]`` is a double[] in Ignite.

    >>> @ig.model
    ... class Track:
    ...     heights: Annotated[list[float], ig.Array]
    >>> tracks = await client.cache("tracks", int, Track)
    >>> await tracks.set(1, Track([612.0, 655.5]))
    >>> await tracks[1]
    Track(heights=[612.0, 655.5])
    """


@attrs.frozen
class Index:
    """A field's place in an SQL index. Fields with the same ``name`` make one composite index, in their ``order``.

    ``descending`` is the order in which this field is sorted. ``inline_size`` is how many bytes of the indexed values
    lie in the index itself, -1 leaves it to the server. ``fulltext`` makes an index of the words of a text; neither SQL
    nor a thin client can ask it, only a program in the cluster, by Java's TextQuery.

    >>> @ig.model
    ... class Shop:
    ...     id: int = ig.key()
    ...     city: str = ig.field(index=ig.Index("by_city_street", order=0))
    ...     street: str = ig.field(index=ig.Index("by_city_street", order=1))
    >>> shops = await client.cache(Shop)
    >>> await shops.save(Shop(1, "Graz", "Sporgasse"))
    >>> await shops.index_query("by_city_street", ig.eq(ig.col("city"), "Graz")).first()
    (1, Shop(id=1, city='Graz', street='Sporgasse'))
    """

    name: str | None = None
    order: int = 0
    descending: bool = False
    inline_size: int = -1
    fulltext: bool = False


@attrs.frozen
class SqlColumn:
    """Restrictions of a field's SQL column, -1 for none, and what an INSERT without the column stores."""

    precision: int = -1
    scale: int = -1
    not_null: bool = False
    default: Any = None


@attrs.frozen
class FieldOptions:
    """What ``key()`` and ``field()`` say about a field beyond its type and default."""

    key: bool = False
    in_value: bool = False
    name: str | None = None
    aliases: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    affinity: bool = False


def sql(*, precision: int = -1, scale: int = -1, not_null: bool = False, default: Any = None) -> SqlColumn:
    """The SQL column of a field, inside its hint: ``Annotated[Decimal, ig.sql(precision=12, scale=2)]``.

    Args:
        precision: Digits of a Decimal, characters of a str. What is longer is refused by the cluster, whoever writes it.
        scale: Digits behind the point.
        not_null: Refuse null, whoever writes it.
        default: What an SQL INSERT stores that leaves the column out. Objects that Python writes have the class's own
            default.

    >>> @ig.model
    ... class Ticket:
    ...     id: int = ig.key()
    ...     price: Annotated[Decimal, ig.sql(precision=5, scale=2)]
    >>> tickets = await client.cache(Ticket)
    >>> await tickets.save(Ticket(1, Decimal("12.50")))
    >>> await tickets[1]
    Ticket(id=1, price=Decimal('12.50'))
    """
    return SqlColumn(precision, scale, not_null, default)


@overload
def field(
    *,
    default: T,
    name: str | None = None,
    aliases: Sequence[str] = (),
    index: bool | Index | Sequence[Index] = False,
    affinity: bool = False,
    **more: Any,
) -> T: ...
@overload
def field(
    *,
    factory: Callable[[], T],
    name: str | None = None,
    aliases: Sequence[str] = (),
    index: bool | Index | Sequence[Index] = False,
    affinity: bool = False,
    **more: Any,
) -> T: ...
@overload
def field(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    index: bool | Index | Sequence[Index] = False,
    affinity: bool = False,
    **more: Any,
) -> Any: ...
def field(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    index: bool | Index | Sequence[Index] = False,
    affinity: bool = False,
    **more: Any,
) -> Any:
    """A field with more than a type: an attrs field.

    ``name`` is its name in Ignite, ``aliases`` are names it is read under too, ``index`` makes an SQL index,
    ``affinity`` marks the affinity key field of a key model. ``more`` is what ``attrs.field`` takes: ``default``,
    ``factory``, ``validator``, ``converter``, ``kw_only`` ….

    >>> @ig.model
    ... class Book:
    ...     isbn: str = ig.key()
    ...     title: str = ig.field(index=True)
    ...     words: set[str] = ig.field(factory=set, name="keywords")
    >>> Book("3-16-148410-0", "Ferry")
    Book(isbn='3-16-148410-0', title='Ferry', words=set())
    """
    if isinstance(aliases, str):
        raise ModelError("aliases is a sequence of names, not one str")
    indexes = (Index(),) if index is True else () if index is False else index
    options = FieldOptions(
        name=name,
        aliases=tuple(aliases),
        indexes=(indexes,) if isinstance(indexes, Index) else tuple(indexes),
        affinity=affinity,
    )
    return attrs.field(metadata={METADATA: options, **more.pop("metadata", {})}, **more)


def key(*, in_value: bool = False, name: str | None = None, affinity: bool = False, **more: Any) -> Any:
    """A field that lives in the cache key. Several make a composite key.

    With ``in_value`` the value holds it too; the key wins when they differ. ``more`` is what ``attrs.field`` takes.

    >>> @ig.model
    ... class Seat:
    ...     row: int = ig.key()
    ...     number: int = ig.key()
    ...     taken: bool = False
    >>> seats = await client.cache(Seat)
    >>> await seats.save(Seat(3, 14, taken=True))
    >>> await seats[3, 14]
    Seat(row=3, number=14, taken=True)
    """
    options = FieldOptions(key=True, in_value=in_value, name=name, affinity=affinity)
    return attrs.field(metadata={METADATA: options, **more.pop("metadata", {})}, **more)


def options_of(metadata: Mapping[Any, Any], marks: Sequence[Any]) -> FieldOptions:
    """The options of a field: from a ``key()`` or ``field()`` inside its hint, or from its attrs metadata."""
    for mark in marks:
        found = _marked(mark)
        if found is not None:
            return found
    options: FieldOptions = metadata.get(METADATA, FieldOptions())
    return options


def check_marker(mark: Any, path: str) -> None:
    """Refuse a ``key()`` or ``field()`` inside a hint that says what only the class can do, such as a default.

    Raises ModelError.
    """
    if _marked(mark) is None:
        return
    plain = attrs.field()
    for name, what in (("_default", "a default"), ("_validator", "a validator"), ("converter", "a converter")):
        if getattr(mark, name) is not getattr(plain, name):
            raise ModelError(f"{path}: {what} inside a hint has no effect, give it to the class's own field", path=path)


def _marked(mark: Any) -> FieldOptions | None:
    try:
        found = mark.metadata.get(METADATA)
    except AttributeError:  # a mark of another library
        return None
    return found if isinstance(found, FieldOptions) else None
