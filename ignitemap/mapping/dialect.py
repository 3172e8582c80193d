"""Expressions as SQL of Ignite (H2 1.4.197), every value of the program a parameter."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ignitemap.mapping.expressions import (
    WHOLE_FLOATS,
    Aggregate,
    Arithmetic,
    Between,
    Call,
    Column,
    Comparison,
    Constant,
    In,
    IsNull,
    Kind,
    Like,
    Logic,
    Negation,
    Node,
    Not,
    Unresolved,
    Whole,
)
from ignitemap.protocol.types.numeric import DOUBLE

__all__ = ["Statement"]

# A parameter beside an operand takes the operand's type, so that 2.5 added to an INT is 2; and INT + INT may overflow.
# Both sides are cast to the widest type of their kind.
WIDE: Final[Mapping[Kind, str]] = {"int": "BIGINT", "float": "DOUBLE", "decimal": "DECIMAL"}
WIDEST_DECIMAL: Final = 65535


@attrs.define
class Statement:
    """A statement that is being written: its parts, and the constants of the ``?`` in them, in their order."""

    parts: list[str] = attrs.field(factory=list[str])
    constants: list[Constant] = attrs.field(factory=list[Constant])

    def __str__(self) -> str:
        return "".join(self.parts)

    def add(self, *pieces: "str | Node") -> None:
        """Append text and expressions."""
        for piece in pieces:
            if isinstance(piece, str):
                self.parts.append(piece)
            else:
                self._write(piece)

    def add_list(self, nodes: Sequence[Node]) -> None:
        """Append expressions with commas in between."""
        for position, node in enumerate(nodes):
            self.add(", " if position else "", node)

    def _write(self, node: Node) -> None:
        match node:
            case Column(text=text, alias=alias):
                self.add(f"{alias}.{text}" if alias else text)
            case Whole(alias=alias):
                self.add(f"{alias}._KEY, {alias}._VAL" if alias else "_KEY, _VAL")
            case Constant():
                self.add("?")
                self.constants.append(node)
            case Comparison(operator, left, right):
                self.add(left, f" {operator} ", right)
            case Logic(operator, left, right):
                self.add("(", left, f" {operator} ", right, ")")
            case Not(operand):
                self.add("NOT (", operand, ")")
            case In(_, ()):
                self.add("FALSE")
            case In(operand, values):
                self.add(operand, " IN (")
                self.add_list(values)
                self.add(")")
            case Between(operand, low, high):
                self.add(operand, " BETWEEN ", low, " AND ", high)
            case IsNull(operand):
                self.add(operand, " IS NULL")
            case Like(operand, pattern):
                self.add(operand, " LIKE ", pattern)
            case Arithmetic("+", left, right, "str"):
                self.add("(", left, " || ", right, ")")
            case Arithmetic():
                self._write_arithmetic(node)
            case Negation(operand, kind):
                self.add("(- ")
                self._write_wide(operand, kind)
                self.add(")")
            case Call("ABS", (operand,), kind):
                self.add("ABS(")
                self._write_wide(operand, kind)
                self.add(")")
            case Call("ROUND", (operand, Constant() as digits), kind):
                self._write_rounded(operand, digits, kind)
            case Call("DAY", (operand,)):
                self.add("DAY_OF_MONTH(", operand, ")")
            case Call(function, arguments):
                self.add(function, "(")
                self.add_list(arguments)
                self.add(")")
            case Aggregate():
                self._write_aggregate(node)
            case Unresolved(name):  # pragma: no cover - resolved before anything is written
                raise AssertionError(name)

    def _write_arithmetic(self, node: Arithmetic) -> None:
        operator, left, right, kind = node.operator, node.left, node.right, node.kind
        if operator in {"//", "%"}:
            # SQL truncates towards zero, Python rounds down: the remainder is lifted above zero first.
            rest = Statement()
            rest.add("MOD(MOD(")
            rest._write_wide(left, "int")
            rest.add(", ")
            rest._write_wide(right, "int")
            rest.add(") + ")
            rest._write_wide(right, "int")
            rest.add(", ")
            rest._write_wide(right, "int")
            rest.add(")")
            if operator == "//":
                self.add("((")
                self._write_wide(left, "int")
                self.add(" - ")
            self.add(str(rest))
            self.constants += rest.constants
            if operator == "//":
                self.add(") / ")
                self._write_wide(right, "int")
                self.add(")")
            return
        self.add("(")
        self._write_wide(left, kind)
        self.add(f" {operator} ")
        self._write_wide(right, kind)
        self.add(")")

    def _write_rounded(self, node: Node, digits: Constant, kind: Kind) -> None:
        """Half away from zero. ROUND of a DECIMAL is a DOUBLE, and that of what has no fraction 64 bits at most."""
        if kind == "decimal":
            self.add("CAST(")
            self._write_wide(node, kind)
            self.add(f" AS DECIMAL({WIDEST_DECIMAL}, {int(digits.value)}))")
            return
        self.add("CASE WHEN ABS(")
        self._write_wide(node, "float")
        self.add(") < ", Constant(WHOLE_FLOATS / 10.0**digits.value, "float", DOUBLE), " THEN ROUND(")
        self._write_wide(node, "float")
        self.add(", ", digits, ") ELSE ")
        self._write_wide(node, "float")
        self.add(" END")

    def _write_wide(self, node: Node, kind: Kind) -> None:
        if kind not in WIDE:  # not known: as it comes
            self.add(node)
        else:
            self.add("CAST(", node, f" AS {WIDE[kind]})")

    def _write_aggregate(self, node: Aggregate) -> None:
        if node.operand is None:
            self.add("COUNT(*)")
            return
        if node.function == "AVG" and node.kind == "decimal":
            # A node puts the means of several nodes together by floats (seen from a 2.17.0 node).
            self.add("(SUM(")
            self._write_wide(node.operand, node.kind)
            self.add(") / COUNT(", node.operand, "))")
            return
        self.add(node.function, "(DISTINCT " if node.distinct else "(")
        if node.function == "AVG":
            self._write_wide(node.operand, node.kind)  # of INT it would be cut off
        else:
            self.add(node.operand)
        self.add(")")
