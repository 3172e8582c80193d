"""Joins: queries of several caches by lambdas with an argument for each, run as one SQL statement."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, TypeVarTuple, cast
from uuid import UUID

import attrs

from ignitemap.exceptions import QueryError
from ignitemap.mapping.expressions import (
    Call,
    Column,
    Comparison,
    Constant,
    IsNull,
    JoinedColumns,
    Kind,
    Logic,
    Node,
    Not,
    aggregates_in,
    condition,
)
from ignitemap.mapping.query import Joined, Plan, RowQuery, Source
from ignitemap.mapping.views import PAGE_SIZE

if TYPE_CHECKING:
    from ignitemap.mapping.cache import Cache

__all__ = ["JoinQuery", "joined"]

R = TypeVar("R")
T = TypeVar("T")
W = TypeVar("W")
Rs = TypeVarTuple("Rs")
Ts = TypeVarTuple("Ts")

STAND_INS: Final[Mapping[Kind, Any]] = {
    "bool": False, "int": 0, "float": 0.0, "decimal": Decimal(0), "str": "", "bytes": b"", "date": date(1970, 1, 1),
    "datetime": datetime(1970, 1, 1, tzinfo=UTC), "time": time(0), "timedelta": timedelta(0), "uuid": UUID(int=0),
}  # fmt: skip
"""Any value of each kind."""


class JoinQuery(RowQuery[T], Generic[T, *Ts]):
    """Entries of several caches that belong together, made by `Cache.join` and `Cache.left_join`.

    >>> found = people.join(cities, on=lambda p, c: p.city_id == c.id).where(lambda p, c: c.name == "Linz")
    >>> await found.all()
    [(Person(id=2, name='Ben', age=30, city_id=2, nick=None), City(id=2, name='Linz'))]
    >>> await found.select(lambda p, c: (p.name, c.name)).all()
    [('Ben', 'Linz')]

    A row is a tuple of the caches' values, unless `select` says more. Each step gives a new query and leaves the old one
    as it is; lambdas have an argument for each cache, in the order in which they were joined. Rows are read, and
    conditions meant, as of a `CacheQuery`.

    Fields of a left-joined cache are NULL where it has no entry: `ig.is_null` of a key field finds these rows, and what
    such fields are selected as may be None.
    """

    __slots__ = ()

    def join(
        self: "JoinQuery[tuple[*Rs], *Ts]", other: "Cache[Any, W]", *, on: Callable[[*Ts, W], bool]
    ) -> "JoinQuery[tuple[*Rs, W], *Ts, W]":
        """The same query joined to one more cache; `on` has an argument for it, too. Raises as of `Cache.join`.

        >>> pairs = people.join(people, on=lambda p, q: p.age == q.age).where(lambda p, q: p.id < q.id)
        >>> three = pairs.join(cities, on=lambda p, q, c: p.city_id == c.id)
        >>> await three.select(lambda p, q, c: (p.name, q.name, c.name)).all()
        [('Ben', 'Dan', 'Linz')]
        """
        return cast("JoinQuery[tuple[*Rs, W], *Ts, W]", self._joined(other, on, optional=False))

    def left_join(
        self: "JoinQuery[tuple[*Rs], *Ts]", other: "Cache[Any, W]", *, on: Callable[[*Ts, W], bool]
    ) -> "JoinQuery[tuple[*Rs, W | None], *Ts, W]":
        """As `join`; a row that has no entry in the other cache has None in its place.

        >>> pairs = people.join(people, on=lambda p, q: p.age == q.age).where(lambda p, q: p.id < q.id)
        >>> three = pairs.left_join(cities, on=lambda p, q, c: q.city_id == c.id)
        >>> await three.select(lambda p, q, c: (p.name, q.name, ig.maybe(c.name))).all()
        [('Ben', 'Dan', None)]
        """
        return cast("JoinQuery[tuple[*Rs, W | None], *Ts, W]", self._joined(other, on, optional=True))

    def where(self, *conditions: Callable[[*Ts], bool]) -> "JoinQuery[T, *Ts]":
        """The same query with further conditions, all of which have to be met. Raises QueryError.

        >>> found = people.join(cities, on=lambda p, c: p.city_id == c.id)
        >>> await found.where(lambda p, c: (c.name == "Graz") & (p.age > 18)).count()
        1
        """
        return self._filtered(conditions)

    def order_by(self, field: Callable[[*Ts], object], *, desc: bool = False) -> "JoinQuery[T, *Ts]":
        """The same query in the order of a field, or of several in a tuple. As of `CacheQuery.order_by`.

        >>> found = people.join(cities, on=lambda p, c: p.city_id == c.id)
        >>> await found.order_by(lambda p, c: (c.name, p.age)).select(lambda p, c: p.name).all()
        ['Cleo', 'Ann', 'Ben']
        """
        return self._ordered(field, desc=desc)

    def select(self, fields: Callable[[*Ts], R]) -> "JoinQuery[R, *Ts]":
        """The same query with other rows: fields, expressions or whole values, one or a tuple. Raises QueryError.

        >>> found = people.join(cities, on=lambda p, c: p.city_id == c.id)
        >>> sorted(await found.select(lambda p, c: (c.name, p.name)).all())
        [('Graz', 'Ann'), ('Graz', 'Cleo'), ('Linz', 'Ben')]
        """
        return cast("JoinQuery[R, *Ts]", self._selected(fields))

    def group_by(self, fields: Callable[[*Ts], R]) -> "JoinQuery[R, *Ts]":
        """Groups of rows that have the same fields. As of `CacheQuery.group_by`.

        >>> found = people.join(cities, on=lambda p, c: p.city_id == c.id).group_by(lambda p, c: c.name)
        >>> sorted(await found.select(lambda p, c: (c.name, ig.count())).all())
        [('Graz', 2), ('Linz', 1)]
        """
        return cast("JoinQuery[R, *Ts]", self._grouped(fields))

    def having(self, condition_of_group: Callable[[*Ts], bool]) -> "JoinQuery[T, *Ts]":
        """The same groups, those that meet a condition. Raises QueryError.

        >>> found = people.join(cities, on=lambda p, c: p.city_id == c.id).group_by(lambda p, c: c.name)
        >>> await found.having(lambda p, c: ig.count() > 1).all()
        ['Graz']
        """
        return self._with_groups(condition_of_group)

    def _joined(self, other: "Cache[Any, Any]", on: Any, *, optional: bool) -> Any:
        if self._plan.selected is not None:
            raise QueryError("join all caches first, then select or group")
        plan = _with_one_more(self._sources, self._plan, other.as_source(PAGE_SIZE), on, optional=optional)
        return JoinQuery[Any](self._source, plan)


def joined(first: Source, other: Source, on: Any, *, optional: bool, distributed: bool) -> JoinQuery[Any, Any, Any]:
    """The query of two caches. Raises QueryError."""
    _check_has_table(first)
    first = attrs.evolve(first, columns=first.columns.joined(0))
    return JoinQuery[Any, Any, Any](
        first, _with_one_more((first,), Plan(distributed=distributed), other, on, optional=optional)
    )


def _with_one_more(sources: tuple[Source, ...], plan: Plan, other: Source, on: Any, *, optional: bool) -> Plan:
    _check_has_table(other)
    if other.cache.client is not sources[0].cache.client:
        raise QueryError(f"the cache {other.cache.name!r} is of another client: one statement runs on one cluster")
    other = attrs.evolve(other, columns=other.columns.joined(len(sources)))
    node = condition(on, JoinedColumns((*(each.columns for each in sources), other.columns)))
    alias = other.columns.entry.alias
    if aggregates_in(node) or not any(_links(part, alias) for part in _parts(node)):
        raise QueryError(
            f"on= says which entries belong together: a field of {other.columns.owner} equals a field of a cache before"
            " it, as in on=lambda p, c: p.city_id == c.id; other conditions go into where(), or beside it with &"
        )
    if optional and plan.distributed:
        node = _without_nulls(node, alias)
    return attrs.evolve(plan, joins=(*plan.joins, Joined(other, node, optional)))


def _parts(node: Node) -> Iterator[Node]:
    """The conditions that are put together by AND."""
    match node:
        case Logic("AND", left, right):
            yield from _parts(left)
            yield from _parts(right)
        case _:
            yield node


def _links(node: Node, alias: str) -> bool:
    """Whether a condition is an equality of a field of one table and a field of another."""
    match node:
        case Comparison("=", Column(alias=one), Column(alias=other)):
            return one != other and alias in {one, other}
        case _:
            return False


def _without_nulls(node: Node, alias: str) -> Node:
    """The same condition of a left join, in which no NULL is looked up in the other table.

    Where a node looks up entries on other nodes, a NULL among what a left join looks for loses rows, with and without a
    match (seen from a 2.17.0 node). So a value stands in for it, whatever it finds is refused by a second condition.
    """
    match node:
        case Logic("AND", left, right):
            return Logic("AND", _without_nulls(left, alias), _without_nulls(right, alias))
        case Comparison("=", Column() as one, Column() as other) if _links(node, alias):
            here, there = (other, one) if one.alias == alias else (one, other)
            if here.kind not in STAND_INS:
                raise QueryError(f"a left join by {here.name}, {here.kind}, goes with distributed_joins=False only")
            some = Call("COALESCE", (here, Constant(STAND_INS[here.kind], here.kind, here.spec)), here.kind, here.spec)
            return Logic("AND", Comparison("=", some, there), Not(IsNull(here)))
        case _:
            return node


def _check_has_table(source: Source) -> None:
    if source.table is None:
        raise QueryError(
            f"joins need SQL, and the cache {source.cache.name!r} has no query metadata: its values are no model"
        )
