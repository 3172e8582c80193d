"""Reads whole statements: those that write, those that define, and those that are refused by name.

Ignite looks at a statement first (transactions, GRANT, COPY, ...), then H2 does.
"""

import re
from collections.abc import Callable
from typing import Final, NoReturn

import attrs

from ignitemap.embedded.sql.cursor import Cursor
from ignitemap.embedded.sql.errors import H2Error, parse_failure, refused, unsupported
from ignitemap.embedded.sql.lexer import Kind, syntax_error, tokenize
from ignitemap.embedded.sql.parser import (
    is_query_next,
    read_expression,
    read_if_more,
    read_query,
    read_term,
    read_type,
    read_value_or_default,
    read_values,
    read_with,
)
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.syntax import (
    AddColumns,
    Analyze,
    ColumnDefinition,
    CreateIndex,
    CreateTable,
    CreateView,
    Default,
    Delete,
    DropColumns,
    DropIndex,
    DropTable,
    DropView,
    Explain,
    Expression,
    Insert,
    Kill,
    Query,
    Statement,
    Target,
    Update,
    With,
)
from ignitemap.embedded.sql.types import SqlType, TypeSpec

__all__ = ["ParsedStatement", "parse"]

ENGINE_HINT: Final = re.compile(r"/\*\s*\+.*?\bQUERY_ENGINE\s*\(\s*'(\w+)'", re.IGNORECASE)
NATIVE: Final = re.compile(r"\s*(BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK|SHOW|HELP|GRANT|REVOKE)\b", re.IGNORECASE)
"""Commands that Ignite's own parser knows and refuses."""


@attrs.frozen
class ParsedStatement:
    """A statement with the number of its parameters."""

    statement: Statement
    parameters: int


def parse(text: str) -> ParsedStatement:
    """Read one statement.

    Raises:
        SqlFailure: It can't be read, or it is of a kind that is refused.
    """
    native = NATIVE.match(text)
    if native is not None:
        word = " ".join(native[1].upper().split()[:1])
        shown = text.strip().rstrip(";")
        raise unsupported(f'Failed to parse SQL statement "[*]{shown}": {word} command is not supported')
    engine = ENGINE_HINT.search(text)
    if engine is not None:
        raise SqlFailure("50000", f"Query engines not configured, but specified engine: {engine[1]}")
    try:
        source = tokenize(text)
        first = source.tokens[0]
        if first.kind == Kind.END or (first.text == ";" and not first.quoted and source.tokens[1].kind == Kind.END):
            raise SqlFailure("50000", f'Failed to parse SQL statement "[*]{text}": Invalid SQL query.')
        try:
            cursor = Cursor(source)
            statement = read_statement(cursor)
        except H2Error as error:
            if error.code not in {42000, 42001}:
                raise
            cursor = Cursor(source, explain=True)
            statement = read_statement(cursor)
        if cursor.token.kind != Kind.END:
            if cursor.token.text != ";" or cursor.token.quoted:
                raise syntax_error(source.shown, cursor.token.end)
            if text[cursor.token.end :].strip():
                raise unsupported("Multiple statements queries are not supported.")
    except H2Error as error:
        raise parse_failure(error, text) from None
    return ParsedStatement(statement, cursor.parameters)


def read_statement(cursor: Cursor) -> Statement:
    """The statement, up to what ends it."""
    token = cursor.token
    if token.text == ";" and not token.quoted:
        raise unsupported("Multiple statements queries are not supported.")
    if token.kind == Kind.SYMBOL and token.text == "(":
        return read_query(cursor)
    if token.kind == Kind.PARAMETER:
        read_term(cursor)
        cursor.read("=")
        cursor.read("CALL")
        raise not_supported(cursor)
    for word, read in STATEMENTS.get(token.text[:1], ()):
        if word in {"SELECT", "FROM"}:
            if cursor.is_next(word):
                return read_query(cursor)
        elif cursor.read_if(word):
            if read is None:
                raise not_supported(cursor)
            return read(cursor)
    cursor.read_if("{")
    raise cursor.failure()


def not_supported(cursor: Cursor) -> SqlFailure:
    """H2 has the statement, Ignite refuses it."""
    return unsupported(f"Unsupported statement: {cursor.source.text.strip().rstrip(';')}")


def security_disabled() -> SqlFailure:
    """What Ignite says to statements about users."""
    return SqlFailure("50000", "Operation cannot be performed: Ignite security disabled.")


def read_names(cursor: Cursor, *, trailing: bool = True) -> tuple[str, ...]:
    """Names up to the closing parenthesis."""
    names = [cursor.read_name()]
    while read_if_more(cursor, trailing=trailing):
        names.append(cursor.read_name())
    return tuple(names)


def read_schema_and_name(cursor: Cursor) -> tuple[str | None, str]:
    """``[schema.]name``."""
    name = cursor.read_name()
    if cursor.read_if("."):
        return name, cursor.read_name()
    return None, name


def read_if_exists(cursor: Cursor, found: bool = False) -> bool:
    """IF EXISTS."""
    if cursor.read_if("IF"):
        cursor.read("EXISTS")
        return True
    return found


def read_if_not_exists(cursor: Cursor) -> bool:
    """IF NOT EXISTS."""
    if cursor.read_if("IF"):
        cursor.read("NOT")
        cursor.read("EXISTS")
        return True
    return False


# --- writing ----------------------------------------------------------------------------------------------------------


def read_target(cursor: Cursor, *excluded: str) -> Target:
    """The table of a statement that writes, with its alias."""
    schema, name = read_schema_and_name(cursor)
    alias = None
    if cursor.read_if("AS") or (cursor.token.kind == Kind.NAME and cursor.token.text.upper() not in {"SET", *excluded}):
        alias = cursor.read_name()
    return Target(name, schema, alias)


def read_rows(cursor: Cursor, *, loose: bool) -> tuple[tuple[Expression, ...], ...]:
    """The rows of VALUES."""
    rows: list[tuple[Expression, ...]] = []
    while True:
        cursor.read("(")
        row: list[Expression] = []
        if not cursor.read_if(")"):
            row.append(read_value_or_default(cursor))
            while read_if_more(cursor, trailing=True):
                row.append(read_value_or_default(cursor))
        rows.append(tuple(row))
        if not cursor.read_if(",") or (loose and not cursor.is_next("(")):
            return tuple(rows)


def read_insert(cursor: Cursor) -> Statement:
    cursor.read("INTO")
    schema, name = read_schema_and_name(cursor)
    target = Target(name, schema)
    columns: tuple[str, ...] | None = None
    if cursor.read_if("("):
        if is_query_next(cursor):
            query = read_query(cursor)
            cursor.read(")")
            return Insert(target, None, None, query)
        columns = () if cursor.read_if(")") else read_names(cursor)
    cursor.read_if("DIRECT")
    cursor.read_if("SORTED")
    if cursor.read_if("DEFAULT"):
        cursor.read("VALUES")
        return Insert(target, columns, ((),), None)
    if cursor.read_if("VALUES"):
        return Insert(target, columns, read_rows(cursor, loose=True), None)
    if cursor.read_if("SET"):
        if columns is not None:
            raise cursor.failure()
        names: list[str] = []
        values: list[Expression] = []
        while True:
            names.append(cursor.read_name())
            cursor.read("=")
            values.append(read_value_or_default(cursor))
            if not cursor.read_if(","):
                return Insert(target, tuple(names), (tuple(values),), None)
    return Insert(target, columns, None, read_query(cursor))


def read_merge(cursor: Cursor) -> Statement:
    cursor.read("INTO")
    target = read_target(cursor, "USING", "KEY", "VALUES")
    if cursor.read_if("USING"):
        raise refused("MERGE ... USING; use MERGE ... SELECT")
    columns: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None
    if cursor.read_if("("):
        if is_query_next(cursor):
            query = read_query(cursor)
            cursor.read(")")
            return Insert(target, None, None, query, merge=True)
        columns = () if cursor.read_if(")") else read_names(cursor)
    if cursor.read_if("KEY"):
        cursor.read("(")
        keys = read_names(cursor)
    if cursor.read_if("VALUES"):
        return Insert(target, columns, read_rows(cursor, loose=False), None, merge=True, keys=keys)
    return Insert(target, columns, None, read_query(cursor), merge=True, keys=keys)


def read_update(cursor: Cursor) -> Statement:
    target = read_target(cursor)
    cursor.read("SET")
    assignments: list[tuple[str, Expression]] = []
    if cursor.read_if("("):
        raise refused("UPDATE ... SET (a, b) = ...; assign column by column")
    while True:
        name = cursor.read_name()
        if cursor.read_if("."):
            if name not in {target.alias or target.name, target.name}:
                raise H2Error(42102, f'Table "{name}" not found')
            name = cursor.read_name()
        cursor.read("=")
        value: Expression = Default() if cursor.read_if("DEFAULT") else read_expression(cursor)
        assignments.append((name, value))
        if not cursor.read_if(","):
            break
    where = read_expression(cursor) if cursor.read_if("WHERE") else None
    if cursor.read_if("ORDER"):  # read and ignored
        cursor.read("BY")
        while True:
            read_expression(cursor)
            cursor.read_any("DESC", "ASC")
            if not cursor.read_if(","):
                break
    limit = read_term(cursor) if cursor.read_if("LIMIT") else None
    return Update(target, tuple(assignments), where, limit)


def read_delete(cursor: Cursor) -> Statement:
    limit = read_term(cursor) if cursor.read_if("TOP") else None
    cursor.read_if("FROM")
    target = read_target(cursor)
    where = read_expression(cursor) if cursor.read_if("WHERE") else None
    if cursor.read_if("LIMIT"):
        if limit is not None:
            cursor.advance()
            raise cursor.failure()
        limit = read_term(cursor)
    return Delete(target, where, limit)


def read_explain(cursor: Cursor) -> Statement:
    if cursor.read_if("ANALYZE"):
        raise refused("EXPLAIN ANALYZE; use EXPLAIN")
    if cursor.read_if("PLAN"):
        cursor.read_if("FOR")
    if any(cursor.is_next(word) for word in ("SELECT", "FROM", "(", "WITH")):
        return Explain(read_query(cursor))
    if cursor.read_any("DELETE", "UPDATE", "INSERT", "MERGE"):
        raise unsupported("Explains of update queries are not supported.")
    raise cursor.failure()


def read_values_statement(cursor: Cursor) -> Statement:
    return read_values(cursor)


def read_with_statement(cursor: Cursor) -> Statement:
    found: Query = read_with(cursor)
    assert isinstance(found, With)
    return found


# --- definitions ------------------------------------------------------------------------------------------------------


def read_create(cursor: Cursor) -> Statement:
    replace = cursor.read_if("OR")
    if replace:
        cursor.read("REPLACE")
    force = cursor.read_if("FORCE")
    if cursor.read_if("VIEW"):
        if force:
            raise not_supported(cursor)
        return read_create_view(cursor, replace=replace)
    other = cursor.read_any(*OTHER_OBJECTS)
    if other is not None:
        raise security_disabled() if other == "USER" else not_supported(cursor)
    if not cursor.read_if("MEMORY"):
        cursor.read_if("CACHED")
    temporary = cursor.read_any("LOCAL", "GLOBAL")
    if temporary is not None:
        cursor.read("TEMPORARY")
    if temporary is not None or cursor.read_any("TEMP", "TEMPORARY"):
        cursor.read("TABLE")
        raise unsupported("GLOBAL TEMPORARY keyword is not supported")
    if cursor.read_if("TABLE"):
        return read_create_table(cursor)
    if cursor.read_if("SYNONYM"):
        raise not_supported(cursor)
    return read_create_index(cursor)


OTHER_OBJECTS: Final = [
    "ALIAS",
    "SEQUENCE",
    "USER",
    "TRIGGER",
    "ROLE",
    "SCHEMA",
    "CONSTANT",
    "DOMAIN",
    "TYPE",
    "DATATYPE",
    "AGGREGATE",
    "LINKED",
]


def read_create_view(cursor: Cursor, *, replace: bool) -> Statement:
    if read_if_not_exists(cursor):
        raise not_supported(cursor)
    schema, name = read_schema_and_name(cursor)
    if cursor.is_next("("):
        raise not_supported(cursor)
    cursor.read("AS")
    start = cursor.token.start
    query = read_query(cursor)
    end = cursor.tokens[cursor.at - 1].end if cursor.token.kind != Kind.END else len(cursor.source.text)
    return CreateView(name, schema, replace, query, cursor.source.text[start:end].strip())


def read_create_table(cursor: Cursor) -> Statement:
    if_not_exists = read_if_not_exists(cursor)
    schema, name = read_schema_and_name(cursor)
    columns: list[ColumnDefinition] = []
    primary: tuple[str, ...] | None = None
    constraints = 0
    if cursor.read_if("("):
        while not cursor.read_if(")"):
            found = read_constraint(cursor)
            if found is None:
                column, extra = read_column(cursor)
                constraints += extra
                if column.primary_key:
                    constraints += primary is not None
                    primary = primary or (column.name,)
                columns.append(column)
            elif isinstance(found, str):
                constraints += 1
            else:
                constraints += primary is not None
                primary = primary or found
            if not read_if_more(cursor, trailing=True):
                break
    parameters: list[str] = []
    if cursor.read_if("ENGINE"):  # read and ignored, as Ignite does
        cursor.read_name()
    if cursor.read_if("WITH"):
        while True:
            parameters.append(cursor.read_name())
            if not cursor.read_if(","):
                break
    query = cursor.read_if("AS")
    if query:
        read_query(cursor)
    return CreateTable(
        name, schema, if_not_exists, tuple(columns), primary, constraints, tuple(parameters), query=query
    )


def read_constraint(cursor: Cursor) -> tuple[str, ...] | str | None:
    """A constraint of a table: the columns of a primary key, or "other"; None where a column comes."""
    named = False
    if cursor.read_if("CONSTRAINT"):
        read_if_not_exists(cursor)
        cursor.read_name()
        named = True
    if cursor.read_if("PRIMARY"):
        cursor.read("KEY")
        cursor.read_if("HASH")
        cursor.read("(")
        names: list[str] = []
        while True:
            names.append(cursor.read_name())
            if not cursor.read_if("ASC"):
                cursor.read_if("DESC")
            if not read_if_more(cursor):
                return tuple(names)
    if cursor.read_if("CHECK"):
        read_expression(cursor)
        return "other"
    if cursor.read_if("UNIQUE"):
        if not cursor.read_if("KEY"):
            cursor.read_if("INDEX")
        if not cursor.is_next("("):
            cursor.read_name()
        cursor.read("(")
        read_names(cursor)
        return "other"
    if cursor.read_if("FOREIGN"):
        cursor.read("KEY")
        cursor.read("(")
        read_names(cursor)
        read_references(cursor)
        return "other"
    if named:
        raise cursor.failure()
    return None


def read_references(cursor: Cursor) -> None:
    """REFERENCES with its actions."""
    cursor.read("REFERENCES")
    if cursor.read_if("("):
        read_names(cursor)
    else:
        read_schema_and_name(cursor)
        if cursor.read_if("("):
            read_names(cursor)
    while cursor.read_if("ON"):
        if not cursor.read_if("DELETE"):
            cursor.read("UPDATE")
        action = cursor.read_any("RESTRICT", "CASCADE", "NO", "SET")
        if action == "NO":
            cursor.read("ACTION")
        elif action == "SET" and not cursor.read_if("NULL"):
            cursor.read("DEFAULT")


def read_column(cursor: Cursor) -> tuple[ColumnDefinition, int]:
    """A column of CREATE TABLE or ALTER TABLE, and how many constraints beside a primary key it has."""
    name = cursor.read_name()
    not_null = primary = False
    clause: str | None = None
    default: Expression | None = None
    extra = 0
    if cursor.read_any("IDENTITY", "BIGSERIAL", "SERIAL"):
        clause = "AUTO_INCREMENT"
        sql_type = TypeSpec(SqlType.LONG, "BIGINT")
        primary = True
    else:
        sql_type = read_type(cursor)
    if not cursor.read_if("INVISIBLE"):
        cursor.read_if("VISIBLE")
    not_null = read_null_constraint(cursor)
    if cursor.read_if("AS"):
        read_expression(cursor)
        clause = "COMPUTED"
    elif cursor.read_if("DEFAULT"):
        default = read_expression(cursor)
    not_null = read_null_constraint(cursor) or not_null
    if cursor.read_any("AUTO_INCREMENT", "IDENTITY"):
        clause = "AUTO_INCREMENT"
        not_null = read_null_constraint(cursor) or not_null
    if cursor.read_if("COMMENT"):
        cursor.advance()
    while True:
        if cursor.read_if("CONSTRAINT"):
            cursor.read_name()
        if cursor.read_if("PRIMARY"):
            cursor.read("KEY")
            cursor.read_if("HASH")
            primary = True
            if cursor.read_any("AUTO_INCREMENT", "IDENTITY"):
                clause = "AUTO_INCREMENT"
        elif cursor.read_if("UNIQUE"):
            extra += 1
        elif cursor.is_next("NOT") or cursor.is_next("NULL"):
            not_null = read_null_constraint(cursor) or not_null
        elif cursor.read_if("CHECK"):
            read_expression(cursor)
            clause = clause or "CHECK"
        elif cursor.is_next("REFERENCES"):
            read_references(cursor)
            extra += 1
        else:
            return ColumnDefinition(name, sql_type, not_null, default, primary, clause), extra


def read_null_constraint(cursor: Cursor) -> bool:
    """NOT NULL: True; NULL or nothing: False."""
    if cursor.read_if("NOT"):
        cursor.read("NULL")
        return True
    cursor.read_if("NULL")
    return False


def read_create_index(cursor: Cursor) -> Statement:
    modified = False
    if cursor.read_if("PRIMARY"):
        cursor.read("KEY")
        cursor.read_if("HASH")
        modified = True
    else:
        unique = cursor.read_if("UNIQUE")
        hashed = cursor.read_if("HASH")
        if cursor.read_if("SPATIAL"):
            raise refused("SPATIAL indexes; use plain ones")
        modified = unique or hashed
        if not (modified and not cursor.is_next("INDEX")):
            cursor.read("INDEX")
    start = cursor.at
    if_not_exists = read_if_not_exists(cursor)
    schema = name = None
    if not cursor.is_next("ON"):
        schema, name = read_schema_and_name(cursor)
    cursor.read("ON")
    table_schema, table = read_schema_and_name(cursor)
    cursor.read("(")
    columns: list[tuple[str, bool]] = []
    while True:
        column = cursor.read_name()
        descending = cursor.read_if("DESC")
        if not descending:
            cursor.read_if("ASC")
        if cursor.read_if("NULLS"):
            if not cursor.read_if("FIRST"):
                cursor.read("LAST")
            raise unsupported("NULLS FIRST and NULLS LAST modifiers are not supported for index columns")
        columns.append((column, descending))
        if not read_if_more(cursor):
            break
    if modified:
        raise unsupported("Only SPATIAL modifier is supported for CREATE INDEX")
    words = cursor.tokens[start : cursor.at]
    named = [word for word in words if word.kind == Kind.NAME and not word.quoted and word.text not in INDEX_WORDS]
    only_h2 = any(word.text in NATIVE_WORDS for word in named)  # which knows no options
    inline_size = None if only_h2 else read_index_options(cursor)
    return CreateIndex(name, schema, table, table_schema, if_not_exists, tuple(columns), inline_size)


INDEX_WORDS: Final = frozenset(("ASC", "DESC", "IF"))
WORDS: Final = """
ALLOW_OVERWRITE ALTER ANALYZE AS ASC BATCH_SIZE BEGIN BIGINT BIT BOOL BOOLEAN CASCADE CHAR CHARACTER CHARSET CLIENT
COMMIT COMPUTE CONTINUOUS COPY CREATE DATE DATETIME DEC DECIMAL DELIMITER DESC DOUBLE DROP FLOAT FLOAT4 FLOAT8
FLUSH_FREQUENCY FORMAT FULLTEXT GRANT HASH HELP IF INDEX INLINE_SIZE INT INT2 INT4 INT8 INTEGER INTO KEY KILL LOGGING
LONGVARCHAR MEDIUMINT NCHAR NOLOGGING NULLSTRING NUMBER NUMERIC NVARCHAR NVARCHAR2 OFF ORDERED PARALLEL PASSWORD
PER_NODE_BUFFER_SIZE PER_NODE_PARALLEL_OPERATIONS PRECISION QUERY REAL REFRESH RESTRICT REVOKE ROLLBACK SCAN SERVICE
SET SHOW SIGNED SMALLDATETIME SMALLINT SPATIAL START STREAMING TABLE TIME TIMESTAMP TINYINT TRANSACTION TRIM USER
UUID VARCHAR VARCHAR2 VARCHAR_CASESENSITIVE VIEW WORK YEAR
"""
NATIVE_WORDS: Final = frozenset(WORDS.split())
"""Names that Ignite's own parser does not take without quotes. H2 does, so that this shows with INLINE_SIZE only."""


def read_index_options(cursor: Cursor) -> int | None:
    """INLINE_SIZE and PARALLEL, which Ignite adds to CREATE INDEX; with a wrong number they are no part of it."""
    inline_size: int | None = None
    while True:
        before = cursor.at
        if cursor.read_if("INLINE_SIZE"):
            size = read_size(cursor)
            if size is None:
                cursor.go_back(before)
                return inline_size
            inline_size = size
        elif cursor.read_if("PARALLEL"):
            if read_size(cursor) is None:
                cursor.go_back(before)
                return inline_size
        else:
            return inline_size


def read_size(cursor: Cursor) -> int | None:
    """A number that is not negative; None where there is none."""
    token = cursor.token
    if token.kind != Kind.VALUE or not isinstance(token.value, int):
        return None
    cursor.advance()
    return token.value


def read_drop(cursor: Cursor) -> Statement:
    if cursor.read_if("TABLE"):
        if_exists = read_if_exists(cursor)
        schema, name = read_schema_and_name(cursor)
        while cursor.read_if(","):  # read and ignored, as Ignite does
            read_schema_and_name(cursor)
        if_exists = read_if_exists(cursor, if_exists)
        if cursor.read_if("CASCADE"):
            cursor.read_if("CONSTRAINTS")
        elif not cursor.read_if("RESTRICT"):
            cursor.read_if("IGNORE")
        return DropTable(name, schema, if_exists)
    if cursor.read_if("INDEX"):
        if_exists = read_if_exists(cursor)
        schema, name = read_schema_and_name(cursor)
        return DropIndex(name, schema, read_if_exists(cursor, if_exists))
    if cursor.read_if("USER"):
        raise security_disabled()
    if cursor.read_if("STATISTICS"):
        raise no_statistics(cursor)
    if cursor.read_any("SEQUENCE", "CONSTANT", "TRIGGER"):
        raise not_supported(cursor)
    if cursor.read_if("VIEW"):
        if_exists = read_if_exists(cursor)
        schema, name = read_schema_and_name(cursor)
        return DropView(name, schema, read_if_exists(cursor, if_exists))
    if cursor.read_any("ROLE", "ALIAS", "SCHEMA", "ALL", "DOMAIN", "TYPE", "DATATYPE", "AGGREGATE", "SYNONYM"):
        raise not_supported(cursor)
    raise cursor.failure()


def read_alter(cursor: Cursor) -> Statement:
    if not cursor.read_if("TABLE"):
        if cursor.read_if("USER"):
            raise security_disabled()
        if cursor.read_any("INDEX", "SCHEMA", "SEQUENCE", "VIEW"):
            raise not_supported(cursor)
        raise cursor.failure()
    if_exists = read_if_exists(cursor)
    schema, name = read_schema_and_name(cursor)
    if cursor.read_if("ADD"):
        return read_add_column(cursor, name, schema, if_exists=if_exists)
    if cursor.read_if("DROP"):
        return read_drop_column(cursor, name, schema, if_exists=if_exists)
    if word := cursor.read_any("LOGGING", "NOLOGGING"):
        raise refused(f"ALTER TABLE ... {word}; the file always logs")
    word = cursor.read_any("SET", "RENAME", "ALTER")
    if word is None:
        raise cursor.failure()
    if word == "SET":
        cursor.read("REFERENTIAL_INTEGRITY")
    raise not_supported(cursor)


def read_add_column(cursor: Cursor, table: str, schema: str | None, *, if_exists: bool) -> Statement:
    for word in ("CONSTRAINT", "PRIMARY", "CHECK", "UNIQUE", "FOREIGN"):
        if cursor.is_next(word):
            raise not_supported(cursor)
    cursor.read_if("COLUMN")
    if cursor.read_if("("):
        columns: list[ColumnDefinition] = []
        while True:
            column, _ = read_column(cursor)
            columns.append(column)
            if not read_if_more(cursor):
                return AddColumns(table, schema, if_exists, False, tuple(columns))
    if_not_exists = read_if_not_exists(cursor)
    column, _ = read_column(cursor)
    if cursor.read_if("BEFORE") or cursor.read_if("AFTER"):
        cursor.read_name()
        raise unsupported("ALTER TABLE ADD COLUMN BEFORE/AFTER is not supported")
    cursor.read_if("FIRST")
    return AddColumns(table, schema, if_exists, if_not_exists, (column,))


def read_drop_column(cursor: Cursor, table: str, schema: str | None, *, if_exists: bool) -> Statement:
    for word in ("CONSTRAINT", "PRIMARY", "INDEX", "FOREIGN"):
        if cursor.is_next(word):
            raise not_supported(cursor)
    cursor.read_if("COLUMN")
    column_if_exists = read_if_exists(cursor)
    if cursor.read_if("("):
        names = read_names(cursor, trailing=False)
    else:
        listed = [cursor.read_name()]
        while cursor.read_if(","):
            listed.append(cursor.read_name())
        names = tuple(listed)
    return DropColumns(table, schema, if_exists, column_if_exists, names)


def read_copy(cursor: Cursor) -> NoReturn:
    raise refused("COPY; use put_all or a data streamer")


def read_set(cursor: Cursor) -> NoReturn:
    if cursor.read_if("STREAMING"):
        raise SqlFailure("50000", "SET STREAMING command can only be executed from JDBC or ODBC driver.")
    raise not_supported(cursor)


def read_tables(cursor: Cursor) -> list[tuple[str | None, str]]:
    """The tables of a statement about statistics, each perhaps with some of its columns."""
    tables: list[tuple[str | None, str]] = []
    while True:
        tables.append(read_schema_and_name(cursor))
        if cursor.read_if("("):
            read_names(cursor, trailing=False)
        if not cursor.read_if(","):
            return tables


def read_analyze(cursor: Cursor) -> Statement:
    if cursor.token.kind == Kind.END:
        raise not_supported(cursor)
    return Analyze(tuple(read_tables(cursor)))


def no_statistics(cursor: Cursor) -> SqlFailure:
    """What refreshing and dropping statistics says: as ANALYZE is refused there are none."""
    schema, name = read_tables(cursor)[0]
    return SqlFailure("42000", f"Statistic doesn't exist for [schema={schema or 'PUBLIC'}, obj={name}]")


def read_refresh(cursor: Cursor) -> NoReturn:
    if cursor.read_if("STATISTICS"):
        raise no_statistics(cursor)
    raise syntax_error(cursor.source.shown, cursor.tokens[0].end)


def read_kill(cursor: Cursor) -> Statement:
    """KILL, which Ignite's own parser knows; what that can't read goes to H2, which does not know the word."""
    at = cursor.tokens[0].end
    for kind, pattern in KILLS.items():
        if cursor.read_if(kind):
            cursor.read_if("ASYNC")
            words: list[str] = []
            while cursor.token.kind == Kind.VALUE:
                token = cursor.advance()
                words.append(f"'{token.value}'" if token.type is SqlType.STRING else str(token.value))
            found = pattern.fullmatch(" ".join(words))
            if found is None and cursor.read_if("ALL") and kind == "CLIENT":
                raise refused("KILL CLIENT ALL; close the connections on the clients' side")
            if found is None or not (cursor.token.kind == Kind.END or cursor.token.text == ";"):
                break
            return Kill(kind, found.groups())
    raise syntax_error(cursor.source.shown, at)


ID: Final = "([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
KILLS: Final = {
    "QUERY": re.compile(rf"'{ID}_(\d+)'"),
    "TRANSACTION": re.compile("'(.*)'"),
    "COMPUTE": re.compile(rf"'{ID}-\d+'"),
    "SERVICE": re.compile("'(.*)'"),
    "SCAN": re.compile(rf"'{ID}' '(.*)' (\d+)"),
    "CONTINUOUS": re.compile(rf"'{ID}' '{ID}'"),
    "CLIENT": re.compile(r"(\d+)"),
}
"""What may be killed, and how it is named."""


Read = Callable[[Cursor], Statement] | None
STATEMENTS: Final[dict[str, tuple[tuple[str, Read], ...]]] = {
    "A": (("ALTER", read_alter), ("ANALYZE", read_analyze)),
    "B": (("BACKUP", None),),
    "C": (
        ("COMMIT", None),
        ("CREATE", read_create),
        ("CALL", None),
        ("CHECKPOINT", None),
        ("COMMENT", None),
        ("COPY", read_copy),
    ),
    "D": (("DELETE", read_delete), ("DROP", read_drop), ("DECLARE", None), ("DEALLOCATE", None)),
    "E": (("EXPLAIN", read_explain), ("EXECUTE", None)),
    "F": (("FROM", None),),
    "I": (("INSERT", read_insert),),
    "K": (("KILL", read_kill),),
    "M": (("MERGE", read_merge),),
    "P": (("PREPARE", None),),
    "R": (("REFRESH", read_refresh), ("RUNSCRIPT", None), ("RELEASE", None), ("REPLACE", None)),
    "S": (
        ("SELECT", None),
        ("SET", read_set),
        ("SAVEPOINT", None),
        ("SCRIPT", None),
        ("SHUTDOWN", None),
        ("SHOW", None),
    ),
    "T": (("TRUNCATE", None),),
    "U": (("UPDATE", read_update), ("USE", None)),
    "V": (("VALUES", read_values_statement),),
    "W": (("WITH", read_with_statement),),
}
"""By first letter, in H2's order: a misspelt statement's error lists those of its letter."""
