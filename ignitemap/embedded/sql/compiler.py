"""What one compilation carries: the types of the parameters, the slots that they are bound to, the conversions.

The rules are H2's: both sides of a comparison are converted to the higher of their types; constants and parameters are
converted before the statement runs, so that a column stays bare and its index is used.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from ignitemap.embedded.sql.environment import Environment
from ignitemap.embedded.sql.errors import H2Error, out_of_range
from ignitemap.embedded.sql.syntax import CommonTable
from ignitemap.embedded.sql.typed import NULL, Slot, Typed, literal, literal_sql
from ignitemap.embedded.sql.types import INTEGERS, RANGES, STRINGS, SqlType
from ignitemap.embedded.sql.values import convert, converter, sql_text, to_boolean

if TYPE_CHECKING:
    from ignitemap.embedded.sql.catalog import Catalog, View

__all__ = ["Compiler"]

WIDENING: Final = (*sorted(INTEGERS), SqlType.DECIMAL)


class Compiler:
    """The state of compiling one statement."""

    __slots__ = (
        "aliases",
        "catalog",
        "common",
        "derived",
        "environment",
        "parameters",
        "schema",
        "slots",
        "split",
        "system_views",
        "views",
    )

    def __init__(
        self,
        environment: Environment,
        catalog: "Catalog",
        schema: str,
        parameters: Sequence[SqlType],
    ) -> None:
        self.environment: Final = environment
        self.catalog: Final = catalog
        self.schema: Final = schema
        self.parameters: Final = parameters
        self.slots: list[Slot] = []
        self.aliases = 0
        self.common: list[CommonTable] = []
        """The named queries of the WITHs around this place."""
        self.views: list[View] = []
        """The views around this place."""
        self.system_views: dict[str, Any] = {}
        """The SYS and INFORMATION_SCHEMA views that must be filled before the statement runs."""
        self.derived = 0
        """How many queries in FROM are around this place."""
        self.split = False
        """Whether a cluster would split the statement: it reads partitioned tables."""

    # --- names and slots ----------------------------------------------------------------------------------------------

    def alias(self) -> str:
        """A new name for a table in SQLite."""
        self.aliases += 1
        return f"t{self.aliases}"

    def parameter(self, index: int) -> Typed:
        """A parameter: its value's type is known, but H2 does not use it where it prepares."""
        if index >= len(self.parameters):
            value_type = SqlType.NULL
        else:
            value_type = self.parameters[index]
        slot = self.slot(index, "as it is", lambda value: value)
        return Typed(slot, SqlType.UNKNOWN, value_type, f"?{index + 1}", parameter=index)

    def slot(self, parameter: int, form: str, prepare: Callable[[Any], Any]) -> str:
        """The SQLite text for a parameter's value in some form."""
        for place, slot in enumerate(self.slots):
            if slot.parameter == parameter and slot.form == form:
                return f"?{place + 1}"
        self.slots.append(Slot(parameter, form, prepare))
        return f"?{len(self.slots)}"

    def clock(self) -> Typed:
        """The moment at which the statement runs, the same everywhere in it."""
        return Typed(self.slot(-1, "now", lambda value: value), SqlType.TIMESTAMP, SqlType.TIMESTAMP, "")

    # --- constants ----------------------------------------------------------------------------------------------------

    def fold(self, typed: Typed) -> Typed:
        """The constant that an expression over constants is."""
        typed = self.checked(typed)
        value = self.environment.value(typed.sql)
        if value is None:
            return NULL
        return literal(typed.value_type, value, sql_text(typed.value_type, value))

    # --- conversions --------------------------------------------------------------------------------------------------

    def checked(self, typed: Typed) -> Typed:
        """An integer that is within the range of its type, or an error when it runs."""
        if not typed.unchecked:
            return typed
        sql_type = typed.value_type
        low, high = RANGES[sql_type]

        def check(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, int) or not low <= value <= high:
                raise out_of_range(value if sql_type is not SqlType.LONG else 2**63 - 1)
            return value

        name = self.environment.function(f"in_range_{sql_type.name}", 1, check)
        operation = typed.sql[1:-1]  # without its parentheses: SQLite reads few in each other
        return attrs.evolve(typed, sql=f"{name}({operation})", unchecked=False)

    def cast(self, typed: Typed, target: SqlType) -> Typed:
        """The expression converted to a type, as H2 converts an operand.

        Raises:
            H2Error: A constant can't be converted.
        """
        source = typed.value_type
        if typed.items is not None:
            return typed
        if source is target or source is SqlType.NULL or target in {SqlType.UNKNOWN, SqlType.NULL}:
            if source is SqlType.NULL and typed.parameter is None:
                return typed
            return self.checked(typed) if typed.unchecked else typed
        if typed.constant:
            value = convert(source, target, typed.value)
            return literal(target, value, sql_text(target, value))
        if typed.parameter is not None:
            sql = self.slot(typed.parameter, f"to {target.name}", converter(source, target))
            return attrs.evolve(typed, sql=sql, value_type=target)
        typed = self.checked(typed)
        return attrs.evolve(typed, sql=self.cast_sql(typed.sql, source, target), type=target, value_type=target)

    def cast_late(self, typed: Typed, target: SqlType) -> Typed:
        """`cast` of an operand that may never be looked at: a constant that can't be converted fails when it is."""
        try:
            return self.cast(typed, target)
        except H2Error as error:
            return attrs.evolve(typed, sql=self.failing(error), type=target, value_type=target)

    def cast_sql(self, sql: str, source: SqlType, target: SqlType) -> str:
        """The SQLite text that converts a value which is not known yet."""
        if source in STRINGS and target in STRINGS and target is not SqlType.CHAR:
            return sql
        if source in INTEGERS or source is SqlType.BOOLEAN:
            if target in INTEGERS and (target > source or source is SqlType.BOOLEAN):
                return sql
            if target is SqlType.DECIMAL or (target in STRINGS and source is not SqlType.BOOLEAN):
                return f"CAST({sql} AS TEXT)"
            if target is SqlType.DOUBLE:
                return f"CAST({sql} AS REAL)"
        if source is SqlType.FLOAT and target is SqlType.DOUBLE:
            return sql
        if source is SqlType.DATE and target is SqlType.TIMESTAMP:
            return f"({sql} || ' 00:00:00.000000000')"
        name = self.environment.function(f"cv_{source.name}_{target.name}", 1, converter(source, target))
        return f"{name}({sql})"

    def condition(self, typed: Typed) -> Typed:
        """The expression as a condition."""
        if typed.value_type in {SqlType.BOOLEAN, SqlType.NULL} and typed.parameter is None:
            return typed
        if typed.constant:
            value = to_boolean(typed.value_type, typed.value)
            return literal(SqlType.BOOLEAN, value, typed.text)
        return self.cast(typed, SqlType.BOOLEAN)

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(
        self,
        name: str,
        run: Callable[..., Any],
        *arguments: str,
        deterministic: bool = True,
    ) -> str:
        """The SQLite text of a call of a Python function, which is registered under the name if it is not yet."""
        self.environment.function(name, len(arguments), run, deterministic=deterministic)
        return f"{name}({', '.join(arguments)})"

    def failing(self, error: H2Error) -> str:
        """The SQLite text that raises an error when it is evaluated."""

        def fail(code: int, message: str) -> None:
            raise H2Error(code, message)

        self.environment.function("fail", 2, fail, deterministic=False)
        return f"fail({error.code}, {literal_sql(error.message)})"
