"""Walks over the tree of a statement: what is inside an expression or a query."""

from collections.abc import Iterator
from typing import Any

import attrs

from ignitemap.embedded.sql.syntax import QUERIES, Aggregate, Exists, InQuery, Scalar, TableName

__all__ = [
    "aggregates_in",
    "class_of",
    "has_aggregate",
    "holds_query",
    "is_node",
    "items_of",
    "parts_of",
    "tables_in",
]


def parts_of(node: Any) -> Iterator[Any]:
    """The expressions inside an expression, those of its subqueries not among them."""
    for attribute in attrs.fields(class_of(node)):
        yield from expressions_in(getattr(node, attribute.name))


def expressions_in(value: Any) -> Iterator[Any]:
    """The expressions that a field of an expression holds."""
    if isinstance(value, tuple):
        for item in items_of(value):
            yield from expressions_in(item)
    elif is_node(value) and not isinstance(value, QUERIES):
        yield value


def is_node(value: Any) -> bool:
    """Whether it is a class of the tree."""
    return attrs.has(class_of(value))


def class_of(value: Any) -> Any:
    """The class of a part of the tree."""
    return value.__class__


def items_of(value: Any) -> Any:
    """The items of a tuple in the tree."""
    return value


def has_aggregate(node: Any) -> bool:
    """Whether there is an aggregate in an expression."""
    return next(aggregates_in(node), None) is not None


def aggregates_in(node: Any) -> Iterator[Aggregate]:
    """The aggregates in an expression."""
    if isinstance(node, Aggregate):
        yield node
    for part in parts_of(node):
        yield from aggregates_in(part)


def holds_query(node: Any) -> bool:
    """Whether there is a subquery in an expression."""
    return isinstance(node, (Scalar, Exists, InQuery)) or any(holds_query(part) for part in parts_of(node))


def tables_in(node: Any) -> Iterator[TableName]:
    """The names of tables in a statement, those of its subqueries among them."""
    if isinstance(node, tuple):
        for item in items_of(node):
            yield from tables_in(item)
    elif isinstance(node, TableName):
        yield node
    elif is_node(node):
        for attribute in attrs.fields(class_of(node)):
            yield from tables_in(getattr(node, attribute.name))
