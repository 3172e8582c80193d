"""Aggregates that SQLite does not have as H2 has them: sums of DECIMAL, DOUBLE and BIGINT, averages, GROUP_CONCAT."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cmp_to_key
from typing import Any, Final

from ignitemap.embedded.sql.errors import H2Error
from ignitemap.embedded.sql.numbers import EXACT, compare_decimals, decimal, divide_decimals
from ignitemap.embedded.sql.types import SqlType

__all__ = ["AverageOfDecimals", "AverageOfDoubles", "Concat", "Single", "SumOfDecimals", "SumOfDoubles"]


class SumOfDecimals:
    """SUM of DECIMAL, and of BIGINT, whose sum is a DECIMAL."""

    def __init__(self) -> None:
        self.total: Decimal | None = None
        self.count = 0

    def step(self, value: Any) -> None:
        """Add a value."""
        if value is not None:
            number = decimal(value) if isinstance(value, str) else Decimal(value)
            self.total = number if self.total is None else EXACT.add(self.total, number)
            self.count += 1

    def finish(self) -> str | None:
        """The sum, NULL of nothing."""
        return None if self.total is None else str(self.total)


class AverageOfDecimals(SumOfDecimals):
    """AVG of DECIMAL and of BIGINT."""

    def finish(self) -> str | None:
        """The sum divided as H2 divides DECIMALs."""
        return None if self.total is None else str(divide_decimals(self.total, Decimal(self.count)))


class SumOfDoubles:
    """SUM of DOUBLE and REAL, added in the order of the rows."""

    def __init__(self) -> None:
        self.total: float | None = None
        self.count = 0

    def step(self, value: Any) -> None:
        """Add a value."""
        if value is not None:
            self.total = float(value) if self.total is None else self.total + float(value)
            self.count += 1

    def finish(self) -> float | str | None:
        """The sum, NULL of nothing."""
        return None if self.total is None else "NaN" if math.isnan(self.total) else self.total


class AverageOfDoubles(SumOfDoubles):
    """AVG of DOUBLE and REAL."""

    def finish(self) -> float | str | None:
        """The sum divided by the count."""
        if self.total is None:
            return None
        result = self.total / self.count
        return "NaN" if math.isnan(result) else result


class Single:
    """A scalar subquery: its one value; more than one row is an error."""

    def __init__(self) -> None:
        self.value: Any = None
        self.seen = False

    def step(self, value: Any) -> None:
        """Take a row."""
        if self.seen:
            raise H2Error(90053, "Scalar subquery contains more than one row")
        self.value, self.seen = value, True

    def finish(self) -> Any:
        """The value, NULL of no rows."""
        return self.value


def ordering(types: Sequence[SqlType], descending: Sequence[bool]) -> Callable[[Any], Any]:
    """A sort key over tuples of stored values: NULLs are the smallest."""

    def compare(left: Sequence[Any], right: Sequence[Any]) -> int:
        for one, two, sql_type, reverse in zip(left, right, types, descending, strict=True):
            if one == two:
                continue
            if one is None or two is None:
                result = -1 if one is None else 1
            elif sql_type is SqlType.DECIMAL:
                result = compare_decimals(one, two)
            elif isinstance(one, str) != isinstance(two, str):  # NaN
                result = 1 if isinstance(one, str) else -1
            else:
                result = -1 if one < two else 1
            if result:
                return -result if reverse else result
        return 0

    return cmp_to_key(compare)


class Concat:
    """GROUP_CONCAT: step(value, separator, sort keys...)."""

    def __init__(self, distinct: bool, types: Sequence[SqlType], descending: Sequence[bool]) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.seen: set[tuple[Any, ...]] = set()
        self.separator: str | None = ","
        self.distinct: Final = distinct
        self.key: Final = ordering(types, descending)

    def step(self, value: Any, separator: Any, *keys: Any) -> None:
        """Add a value."""
        self.separator = separator
        if value is None:
            return
        row = (value, *keys)
        if self.distinct:
            if row in self.seen:
                return
            self.seen.add(row)
        self.rows.append(row)

    def finish(self) -> str | None:
        """The values joined, NULL of none."""
        if not self.rows:
            return None
        self.rows.sort(key=lambda row: self.key(row[1:]))
        return (self.separator or "").join(row[0] for row in self.rows)
