"""EXPLAIN: the steps of SQLite's plan, in the names of the catalog."""

import re
from collections.abc import Iterable
from typing import Final

from ignitemap.embedded.sql.catalog import Catalog, Table

__all__ = ["readable"]

SOURCE: Final = re.compile(r'"c(-?\d+)" AS (t\d+)')
ALIAS: Final = re.compile(r"\bt\d+\b")
INDEX: Final = re.compile(r"INDEX ([^\s(]\S*)")
STORE: Final = re.compile(r"(?<![\w$])(?:f\d+|\$k|\$v)(?=[=<>])")


def readable(steps: Iterable[str], sql: str, catalog: Catalog) -> str:
    """Steps of EXPLAIN QUERY PLAN for a reader who knows tables, indexes and columns, one a line."""
    tables = {
        alias: catalog.by_cache[int(cache)][0] for cache, alias in SOURCE.findall(sql) if int(cache) in catalog.by_cache
    }
    return "\n".join(renamed(step, tables) for step in steps)


def renamed(step: str, tables: dict[str, Table]) -> str:
    """A step with the names of the table that it is about."""
    found = ALIAS.search(step)
    table = None if found is None else tables.get(found.group())
    if table is None:
        return step
    known = table
    columns = {column.store: column.name for column in table.columns} | {"$k": "_KEY", "$v": "_VAL"}
    indexes = {index.store: index.name for index in table.indexes}
    step = ALIAS.sub(f'"{known.schema}"."{known.name}"', step, count=1)
    step = INDEX.sub(lambda match: f'INDEX "{known.schema}"."{indexes.get(match[1], "_key_PK")}"', step)
    return STORE.sub(lambda match: columns.get(match.group(), match.group()), step)
