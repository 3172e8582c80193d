"""The SQL engine: reads a statement, compiles it for the types of its parameters, runs it, and marshals the answer.

Compiled statements are kept by text, schema and parameter types for as long as the catalog does not change.
"""

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import attrs

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.catalog import PUBLIC, Catalog, Table, cache_table
from ignitemap.embedded.sql.compile_expressions import compile_expression
from ignitemap.embedded.sql.compile_queries import OutputColumn, compile_query
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.ddl import Definitions
from ignitemap.embedded.sql.dml import (
    DeletePlan,
    InsertPlan,
    UpdatePlan,
    Work,
    compile_delete,
    compile_insert,
    compile_update,
)
from ignitemap.embedded.sql.entries import shape_of
from ignitemap.embedded.sql.environment import Environment
from ignitemap.embedded.sql.errors import H2Error, parse_failure, refused, run_failure, too_large
from ignitemap.embedded.sql.explain import readable
from ignitemap.embedded.sql.index_queries import index_entries
from ignitemap.embedded.sql.marshal import Marshal, marshaller, unmarshal
from ignitemap.embedded.sql.scope import Scope
from ignitemap.embedded.sql.seam import (
    Caches,
    ColumnInfo,
    Result,
    Shape,
    SqlFailure,
    StatementType,
    SystemRows,
    Types,
    Writer,
)
from ignitemap.embedded.sql.statements import ParsedStatement, parse
from ignitemap.embedded.sql.syntax import (
    QUERIES,
    AddColumns,
    Analyze,
    CreateIndex,
    CreateTable,
    CreateView,
    Delete,
    DropColumns,
    DropIndex,
    DropTable,
    DropView,
    Explain,
    Expression,
    Insert,
    Kill,
    Update,
)
from ignitemap.embedded.sql.system_views import SystemView, fill
from ignitemap.embedded.sql.two_steps import reads_partitioned
from ignitemap.embedded.sql.typed import Slot, quote_name
from ignitemap.embedded.sql.types import JAVA, WIRE, SqlType
from ignitemap.protocol.cache_config import CacheConfig, IndexType, QueryEntity, QueryField, QueryIndex
from ignitemap.protocol.operations import IndexIn, IndexRange

__all__ = ["Engine"]

MAX_PLANS: Final = 500
PROGRESS_STEPS: Final = 1000
"""After how many steps of SQLite's machine the deadline of a statement is looked at."""
OLDEST_SQLITE: Final = (3, 30, 0)
"""The first version with NULLS FIRST and FILTER."""

CONNECTIONS: Final = ("CLIENT_CONNECTIONS", "CONNECTION_ID")
UPDATED: Final = (ColumnInfo("UPDATED", WIRE[SqlType.LONG], JAVA[SqlType.LONG], nullable=False),)
marshal_long: Final = marshaller(SqlType.LONG)


@attrs.frozen
class QueryPlan:
    """A compiled query: its SQLite text, the slots of its parameters, and how its columns are marshalled."""

    sql: str
    slots: tuple[Slot, ...]
    columns: tuple[ColumnInfo, ...]
    marshals: tuple[Marshal, ...]
    views: tuple[SystemView, ...]
    split: bool
    """Whether a cluster would split it: then it does not count the arguments."""


@attrs.frozen
class WritePlan:
    """A compiled statement that writes."""

    plan: InsertPlan | UpdatePlan | DeletePlan
    slots: tuple[Slot, ...]
    views: tuple[SystemView, ...]


class Engine:
    """The SQL of one node. See ``seam`` for what it and the node owe each other."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        types: Types,
        writer: Writer,
        caches: Caches,
        system: SystemRows | None = None,
    ) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise RuntimeError(f"SQLite {sqlite3.sqlite_version} is too old: the embedded node needs 3.30 or newer")
        self.connection: Final = connection
        self.types: Final = types
        self.writer: Final = writer
        self.caches: Final = caches
        self.system: Final = system
        self.environment: Final = Environment(connection)
        self.catalog: Final = Catalog(connection, caches.partitioned)
        self.definitions: Final = Definitions(self.catalog, caches, types.known, self._backfill)
        self._parsed: OrderedDict[str, ParsedStatement] = OrderedDict()
        self._plans: OrderedDict[tuple[Any, ...], QueryPlan | WritePlan] = OrderedDict()
        self._plans_version = self.catalog.version
        self._shapes: dict[int, Shape | None] = {}
        self._shapes_version = self.catalog.version

    # --- what the store and the node ask ------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every change of the catalog."""
        return self.catalog.version

    def shape(self, cache: int) -> Shape | None:
        """The typed columns of a cache's table that a write fills; None for a cache without tables."""
        if self._shapes_version != self.catalog.version:
            self._shapes.clear()
            self._shapes_version = self.catalog.version
        if cache not in self._shapes:
            self._shapes[cache] = shape_of(self.catalog.by_cache.get(cache, ()), self.types.known)
        return self._shapes[cache]

    def add_cache(self, cache: int, name: str, config: CacheConfig) -> None:
        """Make tables of the query entities of a cache that was made over the protocol.

        Raises:
            SqlFailure: A table of that name exists, or an entity is not supported. Nothing has changed then.
        """
        if config.query_entities:
            self._atomically(lambda: self.definitions.add_cache(cache, name, config))

    def drop_cache(self, cache: int) -> None:
        """Forget the tables of a cache, before its table in SQLite is dropped."""
        if cache in self.catalog.by_cache:
            self._atomically(lambda: self.catalog.forget_cache(cache))

    def entities(self, cache: int) -> tuple[QueryEntity, ...]:
        """The query entities of a cache as DDL has left them."""
        return tuple(
            QueryEntity(
                key_type=table.key_type,
                value_type=table.value_type,
                table=table.name,
                key_field=table.key_field,
                value_field=table.value_field,
                fields=tuple(
                    QueryField(
                        name=column.field,
                        type_name=column.java,
                        is_key=column.is_key,
                        not_null=column.not_null,
                        precision=column.precision,
                        scale=column.scale,
                    )
                    for column in table.columns
                ),
                aliases=tuple((column.field, column.name) for column in table.columns),
                indexes=tuple(
                    QueryIndex(
                        name=index.name,
                        type=IndexType.SORTED,
                        inline_size=index.inline_size,
                        fields=tuple((table.by_name[name].field, descending) for name, descending in index.columns),
                    )
                    for index in table.indexes
                )
                + tuple(
                    QueryIndex(
                        name=name,
                        type=IndexType.FULLTEXT,
                        inline_size=-1,
                        fields=tuple((field, False) for field in fields),
                    )
                    for name, fields in table.words
                ),
            )
            for table in self.catalog.by_cache.get(cache, ())
        )

    def query_index(
        self,
        cache: int,
        value_type: str,
        index: str | None,
        criteria: Sequence[IndexRange | IndexIn],
        *,
        limit: int = 0,
    ) -> list[tuple[bytes, bytes]]:
        """The entries of an index query (operation 2008) in the order of its index; bounds are marshalled values.

        Raises:
            SqlFailure: There is no such table or index.
        """
        return index_entries(self.environment, self.catalog, cache, value_type, index, criteria, limit=limit)

    def close(self) -> None:
        """Forget all plans. The connection is the node's."""
        self._plans.clear()
        self._parsed.clear()

    # --- statements ---------------------------------------------------------------------------------------------------

    def execute(
        self,
        statement: str,
        arguments: Sequence[bytes] = (),
        *,
        schema: str | None = None,
        cache: int | None = None,
        statement_type: StatementType | int = StatementType.ANY,
        timeout: float | None = None,
    ) -> Result:
        """Run one statement.

        Args:
            statement: The SQL text.
            arguments: The parameters' values, marshalled.
            schema: The schema of names without one; None is that of the cache, or PUBLIC.
            cache: The cache that the request was sent with.
            statement_type: What the request allows.
            timeout: Seconds after which the statement is cancelled; None is no limit.

        Raises:
            SqlFailure: The statement was refused or failed; what it had written stays.
        """
        if not statement:
            raise SqlFailure("50000", 'Failed to parse SQL statement "[*]": Invalid SQL query.')
        parsed = self._parse(statement)
        node = parsed.statement
        is_query = isinstance(node, (*QUERIES, Explain))
        if statement_type == StatementType.SELECT and not is_query:
            raise SqlFailure("42000", "Given statement type does not match that declared by JDBC driver")
        if statement_type == StatementType.UPDATE and is_query:
            raise SqlFailure("42000", "Given statement type does not match that declared by JDBC driver")
        schema = self._schema(schema, cache)
        if isinstance(node, Analyze):
            self._analyze(node, schema)
        if isinstance(node, Kill):
            self._kill(node)
            return updated(0)
        if not isinstance(node, (*QUERIES, Explain, Insert, Update, Delete)):
            self._define(node, schema, statement)
            return updated(0)
        if len(arguments) < parsed.parameters:
            # H2 prepares the statement before Ignite counts its parameters.
            self._plan(parsed, statement, schema, [SqlType.NULL] * parsed.parameters)
            raise SqlFailure(
                "50000",
                f"Invalid number of query parameters [expected={parsed.parameters}, actual={len(arguments)}]",
            )
        try:
            values = [unmarshal(argument) for argument in arguments[: parsed.parameters]]
        except H2Error as error:
            raise run_failure(error, statement) from None
        if isinstance(node, Explain):
            return self._explain(ParsedStatement(node.statement, parsed.parameters), statement, schema, values)
        plan = self._plan(parsed, statement, schema, [sql_type for sql_type, _ in values])
        if isinstance(plan, QueryPlan) and not plan.split and 0 < parsed.parameters < len(arguments):
            raise SqlFailure(
                "50000",
                "class org.apache.ignite.IgniteCheckedException: Failed to bind parameter"
                f" [idx={parsed.parameters + 1}, expected={parsed.parameters}]",
            )
        for view in plan.views:
            fill(self.environment, self.catalog, self.system, view)
        if timeout is not None:
            self._set_deadline(time.monotonic() + timeout)
        try:
            if isinstance(plan, WritePlan):
                return updated(plan.plan.run(self._work(plan, values)))
            return self._select(plan, values)
        except H2Error as error:
            raise run_failure(error, statement) from None
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise SqlFailure("57014", "The query was cancelled while executing due to timeout") from None
            raise
        finally:
            if timeout is not None:
                self._set_deadline(None)

    def _analyze(self, node: Analyze, schema: str) -> NoReturn:
        for given, name in node.tables:
            if not isinstance(self.catalog.find(given or schema, name), Table):
                raise SqlFailure("42000", f"Table doesn't exist [schema={given or schema}, table={name}]")
        raise refused("ANALYZE; run it on a cluster")

    def _kill(self, node: Kill) -> None:
        """KILL of what is not there, in the words of a real node; nothing that is there can be killed in this way."""
        nodes = () if self.system is None else self.system.rows("NODES") or ()
        known = any(str(each.get("NODE_ID")) == node.words[0].lower() for each in nodes)
        match node.kind, node.words:
            case "QUERY", (owner, number):
                if known:  # statements run one after another: there is none beside this one
                    raise SqlFailure(
                        "50000", f"Query with provided ID doesn't exist [nodeId={owner.lower()}, qryId={number}]"
                    )
                raise SqlFailure(
                    "50000", f"Failed to cancel query, node is not alive [nodeId={owner.lower()}, qryId={number}]"
                )
            case "CONTINUOUS", _ if not known:
                raise SqlFailure("50000", "Cluster group is empty.")
            case ("CONTINUOUS" | "SCAN", _) if known:
                raise refused(f"KILL {node.kind}; close the query in its client")
            case "TRANSACTION" | "CLIENT", (name,):
                view, column = ("TRANSACTIONS", "XID") if node.kind == "TRANSACTION" else CONNECTIONS
                rows = () if self.system is None else self.system.rows(view) or ()
                if any(str(row.get(column)) == name for row in rows):
                    raise refused(f"KILL {node.kind}; end it in its client")
            case _:
                pass  # services, tasks, queries of other nodes: there are none

    def _schema(self, schema: str | None, cache: int | None) -> str:
        if schema is not None:
            return schema
        if cache is not None:
            tables = self.catalog.by_cache.get(cache)
            if tables:
                return tables[0].schema
        return PUBLIC

    def _parse(self, statement: str) -> ParsedStatement:
        found = self._parsed.get(statement)
        if found is None:
            try:
                found = parse(statement)
            except RecursionError:
                raise too_large() from None
            self._parsed[statement] = found
            if len(self._parsed) > MAX_PLANS:
                self._parsed.popitem(last=False)
        else:
            self._parsed.move_to_end(statement)
        return found

    def _plan(
        self, parsed: ParsedStatement, statement: str, schema: str, types: Sequence[SqlType]
    ) -> QueryPlan | WritePlan:
        if self._plans_version != self.catalog.version:
            self._plans.clear()
            self._plans_version = self.catalog.version
        key = (statement, schema, *types)
        plan = self._plans.get(key)
        if plan is None:
            try:
                plan = self._compile(parsed, schema, types)
            except H2Error as error:
                raise parse_failure(error, statement) from None
            except RecursionError:
                raise too_large() from None
            self._plans[key] = plan
            if len(self._plans) > MAX_PLANS:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(key)
        return plan

    def _compile(self, parsed: ParsedStatement, schema: str, types: Sequence[SqlType]) -> QueryPlan | WritePlan:
        compiler = Compiler(self.environment, self.catalog, schema, types)
        node = parsed.statement
        compiler.split = reads_partitioned(self.catalog, schema, node)
        if isinstance(node, (Insert, Update, Delete)):
            plan: InsertPlan | UpdatePlan | DeletePlan
            if isinstance(node, Insert):
                plan = compile_insert(compiler, node)
            elif isinstance(node, Update):
                plan = compile_update(compiler, node)
            else:
                plan = compile_delete(compiler, node)
            return WritePlan(plan, tuple(compiler.slots), tuple(compiler.system_views.values()))
        assert isinstance(node, QUERIES)
        compiled = compile_query(compiler, None, node)
        return QueryPlan(
            compiled.sql,
            tuple(compiler.slots),
            tuple(column_info(column) for column in compiled.columns),
            tuple(marshaller(column.value_type) for column in compiled.columns),
            tuple(compiler.system_views.values()),
            compiler.split,
        )

    def _select(self, plan: QueryPlan, values: Sequence[tuple[SqlType, Any]]) -> Result:
        rows = self.environment.rows(plan.sql, bound(plan.slots, values))
        marshals = plan.marshals
        if len(marshals) == 1:
            (only,) = marshals
            return Result(plan.columns, [(only(row[0]),) for row in rows])
        return Result(
            plan.columns,
            [tuple([apply(value) for apply, value in zip(marshals, row, strict=True)]) for row in rows],
        )

    def _work(self, plan: WritePlan, values: Sequence[tuple[SqlType, Any]]) -> Work:
        return Work(self.environment, self.types, self.writer, lambda: bound(plan.slots, values), values)

    def _explain(
        self, parsed: ParsedStatement, statement: str, schema: str, values: Sequence[tuple[SqlType, Any]]
    ) -> Result:
        plan = self._plan(parsed, f"EXPLAIN {statement}", schema, [sql_type for sql_type, _ in values])
        assert isinstance(plan, QueryPlan)
        for view in plan.views:
            fill(self.environment, self.catalog, self.system, view)
        try:
            steps = self.environment.rows(f"EXPLAIN QUERY PLAN {plan.sql}", bound(plan.slots, values))
        except H2Error as error:
            raise run_failure(error, statement) from None
        text = readable((str(step[3]) for step in steps), plan.sql, self.catalog)
        info = ColumnInfo("PLAN", WIRE[SqlType.STRING], JAVA[SqlType.STRING])
        return Result((info,), [(marshaller(SqlType.STRING)(text),)])

    def _define(self, node: Any, schema: str, statement: str) -> None:
        definitions = self.definitions
        try:
            if isinstance(node, CreateTable):
                self._atomically(lambda: definitions.create_table(node, schema, statement, self._constant))
            elif isinstance(node, DropTable):
                self._atomically(lambda: definitions.drop_table(node, schema, statement))
            elif isinstance(node, CreateIndex):
                self._atomically(lambda: definitions.create_index(node, schema, statement))
            elif isinstance(node, DropIndex):
                self._atomically(lambda: definitions.drop_index(node, schema, statement))
            elif isinstance(node, AddColumns):
                self._atomically(lambda: definitions.add_columns(node, schema, statement))
            elif isinstance(node, DropColumns):
                self._atomically(lambda: definitions.drop_columns(node, schema, statement))
            elif isinstance(node, CreateView):
                self._atomically(lambda: definitions.create_view(node, schema, statement))
            elif isinstance(node, DropView):
                self._atomically(lambda: definitions.drop_view(node, schema, statement))
            else:
                raise AssertionError(f"no definition for {type(node).__name__}")  # noqa: TRY004 - a bug of ours
        except H2Error as error:
            raise parse_failure(error, statement) from None

    def _constant(self, column: str, node: Expression) -> tuple[SqlType, Any]:
        """The type and value of a column's default, a constant."""
        compiler = Compiler(self.environment, self.catalog, PUBLIC, ())
        typed = compile_expression(compiler, Scope(), node)
        if not typed.constant:
            raise SqlFailure("0A000", f"Non-constant DEFAULT expressions are not supported [colName={column}]")
        return typed.value_type, typed.value

    # --- the file -----------------------------------------------------------------------------------------------------

    def _atomically(self, change: Callable[[], None]) -> None:
        """Change the catalog: all of it or nothing, within the node's transaction if there is one."""
        self.connection.execute("SAVEPOINT ddl")
        try:
            change()
        except BaseException:
            self.connection.execute("ROLLBACK TO ddl")
            self.connection.execute("RELEASE ddl")
            self.catalog.reload()
            raise
        self.connection.execute("RELEASE ddl")

    def _backfill(self, cache: int) -> None:
        """Fill the typed columns of a cache's table from its entries; those of other types go aside."""
        shape = shape_of(self.catalog.by_cache.get(cache, ()), self.types.known, checks=False)
        if shape is None:
            return
        table = cache_table(cache)
        assignments = ", ".join(f"{quote_name(name)} = ?" for name in shape.columns)
        odd: list[bytes] = []
        rows = self.connection.execute(f'SELECT "$k", "$v" FROM {table}').fetchall()
        for key, value in rows:
            derived = shape.derive(key, value)
            if derived is None:
                odd.append(key)
            else:
                self.connection.execute(f'UPDATE {table} SET {assignments} WHERE "$k" = ?', (*derived, key))
        if odd:
            aside = quote_name(f"c{cache}_odd")
            # What the store itself keeps of an entry: its columns begin with a dollar sign, ours do not.
            info = self.connection.execute(f"PRAGMA table_info({table})")
            kept = ", ".join(quote_name(name) for _, name, *_ in info if name.startswith("$"))
            self.connection.execute(f"CREATE TABLE IF NOT EXISTS {aside} AS SELECT {kept} FROM {table} WHERE 0")
            for key in odd:
                self.connection.execute(
                    f'INSERT INTO {aside} ({kept}) SELECT {kept} FROM {table} WHERE "$k" = ?', (key,)
                )
                self.connection.execute(f'DELETE FROM {table} WHERE "$k" = ?', (key,))

    def _set_deadline(self, deadline: float | None) -> None:
        if deadline is None:
            self.connection.set_progress_handler(None, 0)
            return

        def passed() -> int:
            return int(time.monotonic() > deadline)

        self.connection.set_progress_handler(passed, PROGRESS_STEPS)


def bound(slots: Sequence[Slot], values: Sequence[tuple[SqlType, Any]]) -> list[Any]:
    """The values of the slots."""
    return [moments.now() if slot.parameter < 0 else slot.prepare(values[slot.parameter][1]) for slot in slots]


def updated(count: int) -> Result:
    """The answer of a statement that writes or defines."""
    return Result(UPDATED, [(marshal_long(count),)], count)


def column_info(column: OutputColumn) -> ColumnInfo:
    """A column as a client is told of it."""
    return ColumnInfo(
        column.name,
        WIRE[column.value_type],
        JAVA[column.value_type],
        column.schema,
        column.table,
        column.precision,
        column.scale,
        column.nullable,
    )
