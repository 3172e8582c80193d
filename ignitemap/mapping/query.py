"""Queries of a cache by lambdas: built step by step, run as one SQL statement, or in Python over a scan."""

import re
import sys
from abc import ABC
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from functools import lru_cache, partial
from typing import Any, Final, Generic, Self, TypeVar, cast, overload

import attrs

from ignitemap.abc import MISSING, AsyncView, ItemsView
from ignitemap.client.cache import AioCache
from ignitemap.client.cursors import AioIndexCursor, AioTypedRowsCursor, Cursor
from ignitemap.exceptions import (
    InvalidOperationCode,
    NotSupportedByServer,
    QueryError,
    SchemaConflictError,
    ServerError,
    SqlError,
)
from ignitemap.mapping.dialect import Statement
from ignitemap.mapping.evaluation import Entry, evaluate, sort_key
from ignitemap.mapping.expressions import (
    Aggregate,
    Between,
    Call,
    Column,
    Columns,
    Comparison,
    Constant,
    In,
    IsNull,
    JoinedColumns,
    Logic,
    Node,
    Recorded,
    Scope,
    Whole,
    aggregates_in,
    condition,
    expression,
    recorded,
    whole_or_expression,
)
from ignitemap.mapping.migration import add_column, create_index
from ignitemap.mapping.views import PAGE_SIZE, CacheView, Scan
from ignitemap.models.schema import query_indexes
from ignitemap.protocol.codecs import (
    ANY,
    NULL,
    Codecs,
    EntryTypes,
    Hinted,
    Spec,
    decode_object,
    encode_object,
    optional,
)
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations.queries import IndexIn, IndexRange, QueryIndex, QuerySqlFields, QueryTypedRows
from ignitemap.protocol.types.numeric import LONG
from ignitemap.protocol.wire import Feature

__all__ = ["CacheQuery", "IndexEntries", "Joined", "Plan", "RowQuery", "Source", "index_entries"]

D = TypeVar("D")
K = TypeVar("K")
R = TypeVar("R")
T = TypeVar("T")
V = TypeVar("V")

Reader = Callable[[Codecs, bytes, int], tuple[Any, int]]

SELECT: Final = 1
UPDATE: Final = 2  # statement types: what lets nothing else pass
# How H2 names what a statement needs and the cluster lacks (seen from a 2.17.0 node).
_NO_TABLE: Final = re.compile(r'(?:Table|Schema) "[^"]*" not found|Failed to set schema')
_NO_COLUMN: Final = re.compile(r'Column "(T[0-9]+\.)?([^"]*)" not found')
_UNFIT_INDEX: Final = re.compile("No index found for (?:name|criteria)|Index doesn't match criteria")
_NO_INDEX: Final = re.compile("join condition does not use index")
_NO_NAMED_INDEX: Final = "No index found for name"
# Type codes of what SQL carries as it is: collections, maps and objects. Of an array or an enum it makes its own value,
# and the update fails (seen from a 2.17.0 node).
HELD_WHOLE: Final = frozenset({24, 25, 103})


@attrs.frozen(eq=False)
class Source:
    """Where a query's entries come from. Without a ``table`` they are scanned, if that is allowed."""

    cache: AioCache
    columns: Columns
    table: str | None
    timeout: float | None = None
    may_scan: bool = False
    page_size: int = PAGE_SIZE


@attrs.frozen(eq=False)
class Joined:
    """One more cache of a query. With ``optional`` a row without an entry of it has None in its place."""

    source: Source
    on: Node
    optional: bool = False


@attrs.frozen(eq=False)
class Plan:
    """What a query asks for. ``selected`` is None for whole values; ``single`` is one value a row, and no tuple."""

    joins: tuple[Joined, ...] = ()
    distributed: bool = False
    """Whether entries that lie on different nodes are joined."""
    where: Node | None = None
    groups: tuple[Node, ...] = ()
    having: Node | None = None
    order: tuple[tuple[Node, bool], ...] = ()
    limit: int | None = None
    offset: int = 0
    selected: tuple[Node, ...] | None = None
    single: bool = False

    @property
    def in_order(self) -> bool:
        """Whether caches must be joined in the order in which they were.

        Where it may look on other nodes, a node moves a replicated cache before a left join, and then refuses its own
        plan (seen from a 2.17.0 node).
        """
        return self.distributed and any(each.optional for each in self.joins)

    @property
    def grouped(self) -> bool:
        """Whether its rows are groups of entries."""
        return bool(self.groups) or any(map(aggregates_in, self.selected or ()))


class RowQuery(AsyncView[T], ABC, Generic[T]):
    """What queries of one cache and of several share: their steps without types, how they run, and their rows."""

    __slots__ = ("_cursors", "_plan", "_source")

    def __init__(self, source: Source, plan: Plan) -> None:
        self._source = source
        self._plan = plan
        self._cursors: set[Cursor[Any] | CacheView[Any]] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._source.cache.name!r}: {self._shown()}>"

    def _shown(self) -> str:
        return "a scan" if self._source.table is None else self.sql

    # --- building ---------------------------------------------------------------------------------------------------

    def limit(self, count: int) -> Self:
        """The same query with at most so many rows.

        >>> [p.name for p in await people.where().order_by(lambda p: p.name).limit(2).all()]
        ['Ann', 'Ben']
        """
        return self._with(limit=_not_negative(count, "limit"))

    def offset(self, count: int) -> Self:
        """The same query without its first rows.

        >>> [p.name for p in await people.where().order_by(lambda p: p.name).offset(2).all()]
        ['Cleo', 'Dan']
        """
        return self._with(offset=_not_negative(count, "offset"))

    def _filtered(self, conditions: Iterable[Any]) -> Self:
        found = self._plan.where
        for each in conditions:
            node = condition(each, self._scope)
            if aggregates_in(node):
                raise QueryError("a condition about groups goes into having()")
            found = node if found is None else Logic("AND", found, node)
        return self._with(where=found)

    def _ordered(self, fields: Any, *, desc: bool) -> Self:
        nodes, _ = self._expressions(fields, expression)
        for node in nodes:
            if node.kind in {"other", "enum"}:
                raise QueryError(f"a query can't be ordered by {'an enum' if node.kind == 'enum' else 'this field'}")
        return self._with(order=(*self._plan.order, *((node, desc) for node in nodes)))

    def _selected(self, fields: Any) -> Any:
        nodes, single = self._expressions(fields, whole_or_expression)
        return self._with(selected=nodes, single=single)

    def _grouped(self, fields: Any) -> Any:
        nodes, single = self._expressions(fields, expression)
        return self._with(groups=nodes, selected=nodes, single=single)

    def _with_groups(self, condition_of_group: Any) -> Self:
        if not self._plan.groups:
            raise QueryError("having() is about groups: call group_by() first")
        node = condition(condition_of_group, self._scope)
        return self._with(having=node if self._plan.having is None else Logic("AND", self._plan.having, node))

    def _with(self, **changes: Any) -> Self:
        plan = attrs.evolve(self._plan, **changes)
        if plan.grouped and self._source.table is None:
            raise QueryError("groups and aggregates need SQL, and this cache has no query metadata")
        return type(self)(self._source, plan)

    @property
    def _sources(self) -> tuple[Source, ...]:
        return (self._source, *(each.source for each in self._plan.joins))

    @property
    def _scope(self) -> Scope:
        """What lambdas are about."""
        sources = self._sources
        return sources[0].columns if len(sources) == 1 else JoinedColumns(tuple(each.columns for each in sources))

    def _expressions(self, fields: Any, made_of: Callable[[object, Scope], Node]) -> tuple[tuple[Node, ...], bool]:
        """The expressions that a lambda gives, and whether it gives one that is in no tuple."""
        found = recorded(fields, self._scope)
        single = not isinstance(found, tuple)
        things: tuple[object, ...] = (found,) if single else cast("tuple[object, ...]", found)
        nodes = tuple(made_of(each, self._scope) for each in things)
        if not nodes or any(isinstance(node, Constant) for node in nodes):
            raise QueryError("a lambda gives a field of the entry, or a tuple of fields, and no value of the program")
        return nodes, single

    # --- what will run ----------------------------------------------------------------------------------------------

    @property
    def sql(self) -> str:
        """The statement that reads the rows. Raises QueryError where the cache is scanned.

        >>> people.where(lambda p: p.age > 30).select(lambda p: p.name).sql
        'SELECT ... WHERE ... > ?'
        """
        return str(self._statement())

    @property
    def params(self) -> tuple[Any, ...]:
        """The values of the ``?`` in the statement. Raises QueryError where the cache is scanned.

        >>> people.where(lambda p: p.age > 30).params
        (30,)
        """
        return tuple(constant.value for constant in self._statement().constants)

    def _statement(self) -> Statement:
        plan = self._plan
        made = Statement()
        made.add("SELECT ")
        made.add_list(self._columns())
        self._add_rest(made, plan)
        return made

    def _columns(self) -> tuple[Node, ...]:
        """What a row is made of."""
        if self._plan.selected is not None:
            return self._plan.selected
        return tuple(each.columns.entry for each in self._sources)

    def _add_rest(self, made: Statement, plan: Plan) -> None:
        made.add(" FROM ", self._table())
        if plan.joins:
            made.add(f" {self._source.columns.entry.alias}")
        for each in plan.joins:
            join = " LEFT JOIN" if each.optional else " JOIN"
            made.add(f"{join} {each.source.table} {each.source.columns.entry.alias} ON ", each.on)
        if plan.where is not None:
            made.add(" WHERE ", plan.where)
        if plan.groups:
            made.add(" GROUP BY ")
            made.add_list(plan.groups)
        if plan.having is not None:
            made.add(" HAVING ", plan.having)
        for position, (node, desc) in enumerate(plan.order):
            made.add(", " if position else " ORDER BY ", node, " DESC" if desc else "")
        if plan.limit is not None:
            made.add(" LIMIT ", Constant(plan.limit, "int", LONG))
        if plan.offset:
            made.add(" OFFSET ", Constant(plan.offset, "int", LONG))

    def _table(self) -> str:
        if self._source.table is None:
            raise QueryError("this cache has no query metadata: the query is computed here, over a scan")
        return self._source.table

    # --- reading ----------------------------------------------------------------------------------------------------

    async def pages(self) -> AsyncGenerator[list[T], None]:
        """The rows as they arrive, a list at a time.

        >>> [len(page) async for page in people.where().pages()]
        [4]
        """
        if self._source.table is not None:
            try:
                async with aclosing(self._run(self._statement(), self._types())) as pages:
                    async for page in pages:
                        yield page
                return
            except NoTableError:  # which comes before the first page
                if not self._source.may_scan:
                    raise
        async with aclosing(self._scan()) as pages:
            async for page in pages:
                yield page

    async def all(self) -> list[T]:
        """All rows, in memory.

        >>> await people.where(lambda p: p.age > 40).all()
        [Person(id=1, name='Ann', age=41, city_id=1, nick='a')]
        """
        return await self.to_list()

    @overload
    async def first(self, default: None = None) -> T | None: ...
    @overload
    async def first(self, default: D) -> T | D: ...
    async def first(self, default: D | None = None) -> T | D | None:
        """The first row; `default` when there is none.

        >>> await people.where(lambda p: p.age > 100).first("nobody")
        'nobody'
        """
        rows = await self._at_most(1)
        return rows[0] if rows else default

    async def one(self) -> T:
        """The only row.

        Raises:
            KeyError: There is none.
            QueryError: There are several.

        >>> (await people.where(lambda p: p.name == "Ann").one()).age
        41
        >>> await people.where(lambda p: p.age == 30).one()
        Traceback (most recent call last):
        QueryError: ...
        """
        found = await self._only(MISSING)
        if found is MISSING:
            raise KeyError("no entry meets the query")
        return cast("T", found)

    async def one_or_none(self) -> T | None:
        """The only row, None when there is none.

        Raises:
            QueryError: There are several.

        >>> print(await people.where(lambda p: p.name == "Zoe").one_or_none())
        None
        """
        found: T | None = await self._only(None)
        return found

    async def count(self) -> int:
        """How many rows there are, counted on the server; of groups, by fetching them.

        >>> await people.where(lambda p: p.age == 30).count()
        2
        """
        plan = self._plan
        if self._source.table is None or plan.grouped:
            return await super().count()
        made = Statement()
        made.add("SELECT COUNT(*)")
        self._add_rest(made, Plan(plan.joins, where=plan.where))
        found = await self._answer(made)
        if found is None:
            return await super().count()
        total: int = max(0, found[0] - plan.offset)
        return total if plan.limit is None else min(total, plan.limit)

    async def exists(self) -> bool:
        """Whether there is any row.

        >>> await people.where(lambda p: p.age > 100).exists()
        False
        """
        plan = self._plan
        if self._source.table is not None and not plan.grouped and plan.limit != 0:
            made = Statement()
            made.add("SELECT 1")
            self._add_rest(made, attrs.evolve(plan, order=(), limit=1))
            found = await self._answer(made)
            if found is not None:
                return bool(found)
        return bool(await self._at_most(1))

    async def aclose(self) -> None:
        """Close the cursors that iterations still hold. May be called again.

        >>> everybody = people.where()
        >>> async for person in everybody:
        ...     break
        >>> await everybody.aclose()
        """
        while self._cursors:
            await self._cursors.pop().aclose()

    async def _only(self, default: Any) -> Any:
        rows = await self._at_most(2)
        if len(rows) > 1:
            raise QueryError("more than one row meets the query: take first(), or all()")
        return rows[0] if rows else default

    async def _at_most(self, count: int) -> list[T]:
        limit = self._plan.limit
        return await self._with(limit=count if limit is None else min(limit, count)).to_list()

    async def _answer(self, statement: Statement) -> list[Any] | None:
        """The values of a statement's one column; None where the cluster has no table, and may be scanned instead."""
        try:
            return [
                row async for page in self._run(statement, _row_types((decode_object,), single=True)) for row in page
            ]
        except NoTableError:
            if not self._source.may_scan:
                raise
            return None

    def _types(self) -> EntryTypes:
        """How the rows are read."""
        columns = self._columns()
        single = self._plan.single or (self._plan.selected is None and not self._plan.joins)
        return _row_types(tuple(map(self._reader_of, columns)), single=single)

    def _reader_of(self, node: Node) -> Reader:
        return _entry_reader(self._sources[node.position].cache.types) if isinstance(node, Whole) else _reader_of(node)

    async def _run(self, statement: Statement, types: EntryTypes) -> AsyncGenerator[list[Any], None]:
        """The pages of a statement's rows."""
        source = self._source
        request = QueryTypedRows(
            CacheRef(source.cache.cache_id),
            None,
            source.page_size,
            -1,
            str(statement),
            _arguments(statement),
            statement_type=SELECT,
            distributed_joins=self._plan.distributed,
            enforce_join_order=self._plan.in_order,
            include_field_names=False,
        )
        cursor = AioTypedRowsCursor(source.cache.session, source.cache.codecs, types, request, source.timeout)
        self._cursors.add(cursor)
        try:
            async with aclosing(cursor.pages()) as pages:
                async for page in pages:
                    yield cast("list[Any]", page)
                    if cursor not in self._cursors:
                        raise RuntimeError("the query was closed while its rows were read")
        except SqlError as error:
            raise self._explained(error) from error
        finally:
            self._cursors.discard(cursor)

    async def _scan(self) -> AsyncGenerator[list[Any], None]:
        """The rows, computed here."""
        plan = self._plan
        if plan.grouped:
            raise QueryError("groups and aggregates need SQL, and this cache has no query metadata")
        left = plan.limit
        passed = plan.offset
        async with aclosing(self._matching()) as pages:
            async for page in pages:
                found = page[passed:]
                passed -= len(page) - len(found)
                if left is not None:
                    found = found[:left]
                    left -= len(found)
                if found:
                    yield [self._row_of(entry) for entry in found]
                if left == 0:
                    return

    async def _matching(self) -> AsyncGenerator[list[Entry], None]:
        """The entries that meet the conditions, in their order."""
        plan, source = self._plan, self._source
        view: CacheView[Entry] = CacheView(source.cache, Scan(source.page_size, timeout=source.timeout))
        self._cursors.add(view)
        try:
            found: list[Entry] = []
            async with aclosing(view.pages()) as pages:
                async for page in pages:
                    met = [entry for entry in page if plan.where is None or evaluate(plan.where, entry) is True]
                    if plan.order:
                        found += met
                    elif met:
                        yield met
            for node, desc in reversed(plan.order):
                found.sort(key=partial(_sort_key, node), reverse=desc)
            if found:
                yield found
        finally:
            self._cursors.discard(view)

    def _row_of(self, entry: Entry) -> Any:
        plan = self._plan
        if plan.selected is None:
            return entry[1]
        values = tuple(evaluate(node, entry) for node in plan.selected)
        return values[0] if plan.single else values

    def _explained(self, error: SqlError) -> Exception:
        """What to do about a statement that the server refused."""
        if _NO_TABLE.search(error.message):
            return self._without_table(error.message)
        if _NO_INDEX.search(error.message):
            return QueryError(
                "entries that lie on different nodes are found by an index only: declare one for the field that the later"
                " cache is joined by, ig.field(index=True); or, where entries that belong together have the same affinity"
                " key, say distributed_joins=False"
            )
        if missing := _NO_COLUMN.search(error.message):
            for source in self._sources:
                for column in source.columns.by_name.values():
                    if column.text == f'"{missing[2]}"' and missing[1] in {None, f"{column.alias}."}:
                        return _without_column(source, column)
        return error

    def _without_table(self, message: str) -> "NoTableError":
        source = next(
            (each for each in self._sources if f'Schema "{each.cache.name}" not found' in message), self._source
        )
        instead = "" if self._plan.joins else "; allow_scan=True computes the query here"
        return NoTableError(
            f"the cluster has no table {source.table}: the cache {source.cache.name!r} was created without query metadata"
            + instead
        )


def _without_column(source: Source, column: Column) -> SchemaConflictError:
    name, path = source.cache.name, f"{source.columns.owner}.{column.name}"
    statement = None if column.field is None else add_column(source.table or "", column.field)
    how = "" if statement is None else f": run {statement}, or open the cache with migrate=True"
    return SchemaConflictError(
        f"the table of the cache {name!r} lacks the column of {path}{how}", cache=name, path=path, statement=statement
    )


class CacheQuery(RowQuery[T], Generic[V, T]):
    """Entries of a cache that meet conditions, made by `Cache.where`; nothing is asked for before a row is.

    >>> adults = people.where(lambda p: p.age >= 18).order_by(lambda p: p.name)
    >>> await adults.select(lambda p: p.name).all()
    ['Ann', 'Ben', 'Dan']

    Each step gives a new query and leaves the old one as it is. Conditions follow SQL: what is compared with a null
    field is neither true nor false, and `ig.not_` of it isn't either, so the entry is left out both ways.

    Rows are read by `all`, `first`, `one`, `one_or_none` or `async for`, in the last page by page; in
    ``async with query as rows`` a cursor is closed where the block ends. Reading raises, besides what any operation can
    raise, SqlError for what only the server finds wrong, SchemaConflictError where the table lacks a column.
    """

    __slots__ = ()

    def where(self, *conditions: Callable[[V], bool]) -> "CacheQuery[V, T]":
        """The same query with further conditions, all of which have to be met. Raises QueryError.

        >>> adults = people.where(lambda p: p.age >= 18)
        >>> await adults.where(lambda p: p.city_id == 1).count()
        1
        """
        return self._filtered(conditions)

    def order_by(self, field: Callable[[V], object], *, desc: bool = False) -> "CacheQuery[V, T]":
        """The same query in the order of a field, or of several in a tuple; a later call orders what is still equal.

        Null is the smallest. Texts are ordered by their UTF-16 units. Raises QueryError for what has no order.

        >>> oldest = people.where().order_by(lambda p: p.age, desc=True).order_by(lambda p: p.name)
        >>> await oldest.select(lambda p: p.name).all()
        ['Ann', 'Ben', 'Dan', 'Cleo']
        """
        return self._ordered(field, desc=desc)

    def select(self, fields: Callable[[V], R]) -> "CacheQuery[V, R]":
        """The same query with other rows: ``lambda p: (p.a, p.b)`` gives tuples, ``lambda p: p.a`` plain values.

        A field that an object in the cluster lacks is None. Raises QueryError.

        >>> await people.where(lambda p: p.id < 3).order_by(lambda p: p.id).select(lambda p: (p.name, p.age + 1)).all()
        [('Ann', 42), ('Ben', 31)]
        """
        return cast("CacheQuery[V, R]", self._selected(fields))

    def group_by(self, fields: Callable[[V], R]) -> "CacheQuery[V, R]":
        """Groups of entries that have the same fields. A row is those fields, unless `select` says more.

        >>> cities = people.where().group_by(lambda p: p.city_id)
        >>> sorted(await cities.select(lambda p: (p.city_id, ig.count(), ig.avg(p.age))).all())
        [(1, 2, 29.0), (2, 1, 30.0), (3, 1, 30.0)]

        Raises QueryError for a cache that has to be scanned.
        """
        return cast("CacheQuery[V, R]", self._grouped(fields))

    def having(self, condition_of_group: Callable[[V], bool]) -> "CacheQuery[V, T]":
        """The same groups, those that meet a condition: ``lambda p: ig.count() > 3``. Raises QueryError.

        >>> await people.where().group_by(lambda p: p.city_id).having(lambda p: ig.count() > 1).all()
        [1]
        """
        return self._with_groups(condition_of_group)

    # --- changing ---------------------------------------------------------------------------------------------------

    async def delete(self) -> int:
        """Remove the entries that meet the conditions; how many. Not atomic, never repeated by itself.

        Raises:
            QueryError: The query has more than conditions, or the cache has no query metadata.

        >>> await people.where(lambda p: p.age < 18).delete()
        1
        """
        self._check_only_conditions("delete")
        made = Statement()
        made.add("DELETE")
        self._add_rest(made, Plan(where=self._plan.where))
        return await self._change(made)

    async def update(self, **changes: Any) -> int:
        """Change fields of the entries that meet the conditions; how many. Not atomic, never repeated by itself.

        >>> await people.where(lambda p: p.city_id == 1).update(nick="x", age=lambda p: p.age + 1)
        2

        Args:
            changes: The new value of each field, or a lambda that computes it.

        Raises:
            QueryError: As of `delete`; a field is unknown, part of the key, an enum or an array (which Ignite's UPDATE can't
                write), or gets what it can't hold.
        """
        self._check_only_conditions("update")
        if not changes:
            raise QueryError("update() takes the fields to change: update(age=41)")
        made = Statement()
        made.add("UPDATE ", self._table(), " SET ")
        for position, (name, value) in enumerate(changes.items()):
            column = self._source.columns.find(name)
            made.add(", " if position else "", column.text, " = ", self._new_value(column, value))
        if self._plan.where is not None:
            made.add(" WHERE ", self._plan.where)
        return await self._change(made)

    def _new_value(self, column: Column, value: Any) -> Node:
        if column.field is None or column.field.options.key:
            raise QueryError(f"{column.name} is part of the key, which can't be changed: save under a new key")
        if column.kind == "enum" or (column.kind == "other" and column.spec.code not in HELD_WHOLE):
            raise QueryError(f"{column.name} is an enum or an array, which Ignite's UPDATE can't write: use modify()")
        if not callable(value) and not isinstance(value, Recorded):
            if value is None and not column.spec.nullable:
                raise QueryError(f"{column.name} can't be None")
            return Constant(value, column.kind, column.spec)
        node = expression(recorded(value, self._source.columns), self._source.columns)
        if isinstance(node, Constant):
            raise QueryError(f"the lambda for {column.name} gives a value of the program: pass the value")
        if node.kind not in {column.kind, "any"} or aggregates_in(node):
            raise QueryError(f"{column.name} is of the kind {column.kind}, and the lambda gives {node.kind}")
        return node

    def _check_only_conditions(self, what: str) -> None:
        plan = self._plan
        if plan.order or plan.limit is not None or plan.offset or plan.selected is not None or plan.groups:
            raise QueryError(
                f"{what}() goes with conditions only: without order_by, limit, offset, select and group_by"
            )
        if self._source.table is None:
            raise QueryError(f"{what}() needs SQL, and this cache has no query metadata")

    async def _change(self, statement: Statement) -> int:
        source = self._source
        request = QuerySqlFields(
            CacheRef(source.cache.cache_id), None, 1, -1, str(statement), _arguments(statement), statement_type=UPDATE
        )
        try:
            answer = await source.cache.session.call(request, source.cache.codecs, timeout=source.timeout)
        except SqlError as error:
            raise self._explained(error) from error
        ((changed,),) = answer.rows
        return int(changed)


class NoTableError(QueryError):
    """The cluster has no table for a cache."""


def _sort_key(node: Node, entry: Entry) -> Any:
    return sort_key(evaluate(node, entry))


def _not_negative(count: int, what: str) -> int:
    if count < 0:
        raise ValueError(f"{what} must be at least 0, not {count}")
    return count


def _arguments(statement: Statement) -> list[Any]:
    """What is sent for the parameters: each as its own Ignite type."""
    return [each.value if each.spec is None else Hinted(each.value, each.spec) for each in statement.constants]


# --- rows -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _entry_reader(types: EntryTypes) -> Reader:
    """What reads ``_KEY, _VAL``: the value, joined with what of it lives in the key; None where a join has no entry."""
    decode_key, decode_value = types.key.decode, types.value.decode
    joins_key = types.value.joins_key

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
        if buf[pos] == NULL:
            return None, pos + 2
        key, pos = decode_key(codecs, buf, pos)
        return decode_value(codecs, buf, pos, key) if joins_key else decode_value(codecs, buf, pos)

    return decode


@lru_cache(maxsize=1024)
def _row_types(readers: tuple[Reader, ...], *, single: bool) -> EntryTypes:
    """The types of rows with a reader for each column."""
    if single:
        return EntryTypes(ANY, Spec("column", encode_object, readers[0]))

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
        values: list[Any] = []
        for read in readers:
            value, pos = read(codecs, buf, pos)
            values.append(value)
        return tuple(values), pos

    return EntryTypes(ANY, Spec("row", encode_object, decode, parts=readers))


def _reader_of(node: Node) -> Reader:
    """What reads a column: a field as its own type."""
    match node:
        case Aggregate("SUM", _, _, "int"):
            return _read_sum
        case Column(spec=Spec() as spec) | Call(function="COALESCE", spec=Spec() as spec):
            return _reader_of_spec(spec)
        case Aggregate(spec=Spec() as spec):
            return _reader_of_spec(spec)
        case _:
            return decode_object


@lru_cache(maxsize=1024)
def _reader_of_spec(spec: Spec[Any]) -> Reader:
    return optional(spec).decode


def _read_sum(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    value, pos = decode_object(codecs, buf, pos)
    return None if value is None else int(value), pos  # of BIGINT it is a DECIMAL


# --- index queries ----------------------------------------------------------------------------------------------------


class IndexEntries(ItemsView[K, V], Generic[K, V]):
    """The (key, value) pairs that an index query finds, in the order of the index; made by `Cache.index_query`.

    >>> entries = people.index_query(None, ig.ge(ig.col("age"), 40))
    >>> [(key, person.name) async for key, person in entries]
    [(1, 'Ann')]
    """

    __slots__ = ("_cursors", "_request", "_source")

    def __init__(self, source: Source, request: QueryIndex) -> None:
        self._source = source
        self._request = request
        self._cursors: set[AioIndexCursor] = set()

    def __repr__(self) -> str:
        return f"<IndexEntries of {self._source.cache.name!r}>"

    async def pages(self) -> AsyncGenerator[list[tuple[K, V]], None]:
        """The entries as they arrive, a list at a time.

        >>> [len(page) async for page in people.index_query(None, ig.gt(ig.col("age"), 0)).pages()]
        [4]
        """
        source, request = self._source, self._request
        cache = source.cache
        left = request.limit or sys.maxsize  # which a server before INDEX_QUERY_LIMIT does not know of
        cursor = AioIndexCursor(cache.session, cache.codecs, cache.types, request, source.timeout)
        self._cursors.add(cursor)
        try:
            async with aclosing(cursor.pages()) as pages:
                async for page in pages:
                    yield cast("list[tuple[K, V]]", page[:left])
                    if cursor not in self._cursors:
                        raise RuntimeError("the query was closed while its entries were read")
                    left -= len(page)
                    if left <= 0:
                        return
        except InvalidOperationCode as error:
            raise NotSupportedByServer("the server has no index queries", feature=Feature.INDEX_QUERY.name) from error
        except ServerError as error:
            if (unfit := _UNFIT_INDEX.search(error.message)) is None:
                raise
            missing = _without_index(source, request) if _NO_NAMED_INDEX in error.message else None
            if missing is not None:
                raise missing from error
            index = "any index" if request.index_name is None else f"the index {request.index_name!r}"
            fields = ", ".join(each.field for each in request.criteria) or "no field"
            raise QueryError(f"{unfit[0]}: {cache.name!r} was asked by {index} for {fields}") from error
        finally:
            self._cursors.discard(cursor)

    async def aclose(self) -> None:
        """Close the cursors that iterations still hold. May be called again.

        >>> entries = people.index_query(None, ig.gt(ig.col("age"), 0))
        >>> await entries.first() is not None
        True
        >>> await entries.aclose()
        """
        while self._cursors:
            await self._cursors.pop().aclose()


def _without_index(source: Source, request: QueryIndex) -> SchemaConflictError | None:
    """What to do about an index that the model declares and the cluster lacks; None where the model has none either."""
    fields = [column.field for column in source.columns.by_name.values() if column.field is not None]
    for index in query_indexes(request.value_type, fields):
        if index.name is not None and index.name.upper() == (request.index_name or "").upper():
            statement, name = create_index(source.table or "", index), source.cache.name
            return SchemaConflictError(
                f"the table of the cache {name!r} lacks the index {index.name}: run {statement}, or open the cache with"
                " migrate=True",
                cache=name,
                path=source.columns.owner,
                statement=statement,
            )
    return None


def index_entries(
    source: Source,
    value_type: str,
    index: str | None,
    criteria: Iterable[Any],
    *,
    limit: int | None,
    partition: int | None,
    local: bool,
) -> IndexEntries[Any, Any]:
    """An index query. Raises QueryError for a criterion that an index can't answer."""
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    scan = Scan(source.page_size, partition, local)  # checks them
    found: list[IndexRange | IndexIn] = []
    for each in criteria:
        found += _criteria_of(condition(each, source.columns))
    request = QueryIndex(
        CacheRef(source.cache.cache_id),
        scan.page_size,
        local,
        -1 if partition is None else partition,
        0 if limit is None else limit,
        value_type,
        index,
        found,
    )
    return IndexEntries(source, request)


def _criteria_of(node: Node) -> list[IndexRange | IndexIn]:
    match node:
        case Comparison(operator, Column() as column, Constant() as constant) if operator != "<>":
            value = Hinted(constant.value, column.spec)
            name = column.index_name
            if operator == "=":
                return [IndexRange(name, value, value)]
            included = operator in {"<=", ">="}
            if operator in {"<", "<="}:
                return [IndexRange(name, None, value, upper_included=included)]
            return [IndexRange(name, value, None, lower_included=included)]
        case Between(Column() as column, Constant() as low, Constant() as high):
            return [IndexRange(column.index_name, Hinted(low.value, column.spec), Hinted(high.value, column.spec))]
        case In(Column() as column, values) if values:
            return [IndexIn(column.index_name, tuple(Hinted(each.value, column.spec) for each in values))]
        case IsNull(Column() as column):
            return [IndexRange(column.index_name, lower_null=True, upper_null=True)]
        case Logic("AND", left, right):
            return _criteria_of(left) + _criteria_of(right)
        case _:
            raise QueryError(
                "a criterion of an index query is ig.eq, gt, ge, lt, le, between, is_in or is_null of a field and values"
            )
