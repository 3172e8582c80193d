"""The failures of the SQL engine, in the words of a real node (Ignite 2.17 over H2 1.4.197).

H2 numbers its errors; Ignite wraps them. What H2 finds while it reads or prepares a statement is answered as
``42000: Failed to parse query. ...``; what it finds while it runs one, as ``50000: class ...IgniteSQLException: ...``.
"""

from collections.abc import Callable
from typing import Final

from ignitemap.embedded.sql.seam import SqlFailure

__all__ = [
    "H2Error",
    "ambiguous_column",
    "cannot_parse",
    "column_not_found",
    "conversion_failed",
    "division_by_zero",
    "out_of_range",
    "parse_failure",
    "parsing",
    "refused",
    "run_failure",
    "too_large",
    "unsupported",
    "unsupported_feature",
]


class H2Error(Exception):
    """An error that H2 would raise: its number and its message, without the statement.

    ``late`` says that H2 finds it only when it runs the statement, where we find it earlier.
    """

    def __init__(self, code: int, message: str, *, late: bool = False) -> None:
        super().__init__(message)
        self.code: Final = code
        self.message: Final = message
        self.late: Final = late


def parse_failure(error: H2Error, statement: str) -> SqlFailure:
    """What the node answers when H2 can't read or prepare a statement."""
    if error.late:
        return run_failure(error, statement)
    return SqlFailure(
        "42000", f"Failed to parse query. {error.message}; SQL statement:\n{statement} [{error.code}-197]"
    )


def run_failure(error: H2Error, statement: str) -> SqlFailure:
    """What the node answers when a statement fails while it runs."""
    return SqlFailure(
        "50000",
        "class org.apache.ignite.internal.processors.query.IgniteSQLException: "
        f"{error.message}; SQL statement:\n{statement} [{error.code}-197]",
    )


def parsing(message: str) -> SqlFailure:
    """Ignite's own refusal of a statement that H2 could read."""
    return SqlFailure("42000", message)


def unsupported(message: str) -> SqlFailure:
    """Ignite does not support what the statement asks for."""
    return SqlFailure("0A000", message)


def refused(what: str) -> SqlFailure:
    """A real node would do it and the embedded node does not: ``what`` names it and says what to do instead."""
    return SqlFailure("0A000", f"The embedded node does not support {what}")


def in_quotes(value: object) -> str:
    """A value in a message of H2's, which doubles the quotes inside."""
    return '"' + str(value).replace('"', '""') + '"'


def too_large() -> SqlFailure:
    """A statement is nested too deeply or has too many parts."""
    return refused("a statement this large; use IN (...), a VALUES list or several statements")


def unsupported_feature(message: str, *, late: bool = False) -> H2Error:
    """H2 does not support it."""
    return H2Error(50100, f'Feature not supported: "{message}"', late=late)


def column_not_found(name: str) -> H2Error:
    """There is no such column."""
    return H2Error(42122, f'Column "{name}" not found')


def ambiguous_column(name: str) -> H2Error:
    """Two tables have the column."""
    return H2Error(90059, f'Ambiguous column name "{name}"')


def division_by_zero(dividend: str) -> H2Error:
    """Division by zero, which H2 reports with the dividend."""
    return H2Error(22012, f'Division by zero: "{dividend}"')


def out_of_range(value: object) -> H2Error:
    """A number does not fit its type."""
    return H2Error(22003, f'Numeric value out of range: "{value}"')


def conversion_failed(value: object) -> H2Error:
    """A value can't be converted to the type that is wanted."""
    return H2Error(22018, f"Data conversion error converting {in_quotes(value)}")


def cannot_parse(kind: str, value: str) -> H2Error:
    """A text is no date, time or timestamp."""
    return H2Error(22007, f'Cannot parse "{kind}" constant {in_quotes(value)}')


FailureFor = Callable[[H2Error, str], SqlFailure]
