"""Walks over the tree of a statement: what is inside an expression or a query."""

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ignitemap.embedded.sql.syntax import QUERIES, Aggregate, Exists, InQuery, Name, Scalar, TableName

__all__ = [
    "aggregates_in",
    "has_aggregate",
    "holds_query",
    "is_fixed",
    "names_in",
    "parts_of",
    "subqueries_in",
    "tables_in",
    "with_names",
]


def class_of(node: Any) -> Any:
    """The class of a node, of which nothing is known before."""
    return node.__class__


def items_of(value: Any) -> Any:
    """The items of a tuple, of which nothing is known before."""
    return value


def fields_of(node: Any) -> Iterator[Any]:
    """What a node holds, in the order in which its class takes it."""
    for attribute in attrs.fields(class_of(node)):
        yield getattr(node, attribute.name)


def is_node(value: Any) -> bool:
    """Whether it is a part of the tree, not a text, a number or a type in one."""
    return attrs.has(class_of(value))


def nodes_in(value: Any) -> Iterator[Any]:
    """The nodes of a field: its own, or those in its tuples."""
    if isinstance(value, tuple):
        for item in items_of(value):
            yield from nodes_in(item)
    elif is_node(value):
        yield value


def parts_of(node: Any) -> Iterator[Any]:
    """The expressions inside an expression, those of its subqueries not among them."""
    for value in fields_of(node):
        yield from (part for part in nodes_in(value) if not isinstance(part, QUERIES))


def has_aggregate(node: Any) -> bool:
    """Whether there is an aggregate in an expression."""
    return next(aggregates_in(node), None) is not None


def aggregates_in(node: Any) -> Iterator[Aggregate]:
    """The aggregates in an expression."""
    if isinstance(node, Aggregate):
        yield node
    for part in parts_of(node):
        yield from aggregates_in(part)


def names_in(node: Any) -> Iterator[Name]:
    """The names of columns in an expression, those of its subqueries not among them."""
    if isinstance(node, Name):
        yield node
    for part in parts_of(node):
        yield from names_in(part)


def subqueries_in(node: Any) -> Iterator[Scalar | Exists | InQuery]:
    """The subqueries in an expression, those of its subqueries not among them."""
    if isinstance(node, (Scalar, Exists, InQuery)):
        yield node
    for part in parts_of(node):
        yield from subqueries_in(part)


def holds_query(node: Any) -> bool:
    """Whether there is a subquery in an expression."""
    return next(subqueries_in(node), None) is not None


def is_fixed(node: Any) -> bool:
    """Whether an expression has the same value for all rows: no column and no subquery is in it."""
    return next(names_in(node), None) is None and not holds_query(node)


def tables_in(value: Any) -> Iterator[TableName]:
    """The names of tables in a statement or a part of one, those of its subqueries among them."""
    for node in nodes_in(value):
        if isinstance(node, TableName):
            yield node
        for held in fields_of(node):
            yield from tables_in(held)


def with_names(node: Any, change: Callable[[Name], Any]) -> Any:
    """An expression with its names changed; those in its subqueries stay."""
    if isinstance(node, tuple):
        return tuple(with_names(item, change) for item in items_of(node))
    if isinstance(node, Name):
        return change(node)
    if not is_node(node) or isinstance(node, QUERIES):
        return node
    return class_of(node)(*(with_names(value, change) for value in fields_of(node)))
