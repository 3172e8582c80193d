"""What SQLite calls back: functions and aggregates that are registered when a statement first uses them, and collations.

SQLite says of an exception in a callback only that there was one: it is kept here, and raised when SQLite returns.
"""

import re
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from ignitemap.embedded.sql.errors import out_of_range, too_large
from ignitemap.embedded.sql.numbers import compare_decimals

__all__ = ["Environment", "StoreError"]

PARAMETER: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\?(\d+)""")

TOO_LARGE: Final = ("parser stack overflow", "too large", "too many", "at most 64 tables")
"""How SQLite calls what goes beyond its limits."""


class StoreError(Exception):
    """SQLite itself failed: the file is damaged, the disk is full, or the compiler wrote what SQLite does not take."""


@lru_cache(1000)
def last_parameter(sql: str) -> int:
    """How many parameters SQLite wants: what was folded into a constant leaves some unused, the last ones too."""
    return max((int(number) for number in PARAMETER.findall(sql) if number), default=0)


class Environment:
    """One connection with what the engine has registered there."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection: Final = connection
        self.registered: Final[set[str]] = set()
        self.failure: BaseException | None = None
        connection.create_collation("DEC", compare_decimals)

    def function(self, name: str, count: int, run: Callable[..., Any], *, deterministic: bool = True) -> str:
        """Make a function callable in SQL and return its name."""
        key = f"{name}/{count}"
        if key not in self.registered:

            def guarded(*arguments: Any) -> Any:
                try:
                    return run(*arguments)
                except Exception as error:
                    self.failure = error
                    raise

            self.connection.create_function(name, count, guarded, deterministic=deterministic)
            self.registered.add(key)
        return name

    def aggregate(self, name: str, count: int, make: Callable[[], Any]) -> str:
        """Make an aggregate callable in SQL and return its name. ``make()`` has the methods step and finish."""
        key = f"{name}/{count}"
        if key not in self.registered:
            environment = self

            class Guarded:
                def __init__(self) -> None:
                    self.inner = make()

                def step(self, *arguments: Any) -> None:
                    try:
                        self.inner.step(*arguments)
                    except Exception as error:
                        environment.failure = error
                        raise

                def finalize(self) -> Any:
                    try:
                        return self.inner.finish()
                    except Exception as error:
                        environment.failure = environment.failure or error
                        raise

            self.connection.create_aggregate(name, count, Guarded)
            self.registered.add(key)
        return name

    def rows(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Run a compiled query and return all of its rows.

        Raises:
            H2Error: A callback found what H2 would refuse.
            SqlFailure: The query goes beyond SQLite's limits.
            StoreError: SQLite failed.
        """
        self.failure = None
        if values:
            values = values[: last_parameter(sql)]
        try:
            return self.connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure from None
            if "integer overflow" in str(error):
                raise out_of_range(2**63) from None
            if "interrupted" in str(error):
                raise
            if any(words in str(error) for words in TOO_LARGE):
                raise too_large() from None
            raise StoreError(f"{error} in: {sql}") from error
        except sqlite3.Error as error:
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure from None
            raise StoreError(f"{error} in: {sql}") from error

    def value(self, sql: str) -> Any:
        """The value of a constant expression."""
        return self.rows(f"SELECT {sql}")[0][0]
