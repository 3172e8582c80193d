"""Expressions of queries: what a lambda records when it is called once with a stand-in for the model.

A `Recorded` is what the lambda sees; its operators make nodes, plain data that dialect.py writes as SQL and
evaluation.py computes in Python. Constants are fitted to the type of what they are compared with while the tree is made,
so that both read the same tree and neither has to convert.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, Literal, NoReturn, TypeAlias, TypeVar, cast, overload
from uuid import UUID

import attrs

from ignitemap.exceptions import QueryError
from ignitemap.models.schema import ModelField, Schema
from ignitemap.protocol.codecs import ANY, Spec
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.numeric import BOOL, DOUBLE, INT, LONG
from ignitemap.protocol.types.text import STRING

__all__ = [
    "WHOLE_FLOATS",
    "Aggregate",
    "Arithmetic",
    "Between",
    "Call",
    "Column",
    "Columns",
    "Comparison",
    "Constant",
    "In",
    "IsNull",
    "JoinedColumns",
    "Kind",
    "Like",
    "Logic",
    "Negation",
    "Node",
    "Not",
    "Recorded",
    "Scope",
    "Unresolved",
    "Whole",
    "aggregates_in",
    "avg",
    "between",
    "coalesce",
    "col",
    "column_of",
    "condition",
    "contains",
    "count",
    "eq",
    "fitted",
    "ge",
    "gt",
    "is_in",
    "is_null",
    "le",
    "length",
    "like",
    "lower",
    "lt",
    "max_",
    "maybe",
    "min_",
    "ne",
    "not_",
    "recorded",
    "resolved",
    "some",
    "startswith",
    "sum_",
    "upper",
    "value_columns",
    "whole_or_expression",
]

N = TypeVar("N", Decimal, float)
T = TypeVar("T")

Kind = Literal[
    "bool", "int", "float", "decimal", "str", "bytes", "date", "datetime", "time", "timedelta", "uuid", "enum", "other",
    "any",
]  # fmt: skip
"""What a value is to SQL. "other" is what SQL can only carry (lists, models), "any" what is not known before it is read."""
Operator = Literal["=", "<>", "<", "<=", ">", ">="]

NUMBERS: Final = frozenset({"int", "float", "decimal"})
ORDERED: Final = NUMBERS | {"str", "date", "datetime", "time", "timedelta", "uuid", "any"}
MIRRORED: Final[Mapping[Operator, Operator]] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
# By type code; a timedelta is a long to Ignite and known by its name.
KINDS: Final[Mapping[int, Kind]] = {
    1: "int", 2: "int", 3: "int", 4: "int", 5: "float", 6: "float", 7: "str", 8: "bool", 9: "str", 10: "uuid", 11: "date",
    12: "bytes", 28: "enum", 30: "decimal", 33: "datetime", 36: "time",
}  # fmt: skip
INT_BITS: Final[Mapping[int, int]] = {1: 7, 2: 15, 3: 31, 4: 63}
FLOAT_CODE: Final = 5
LARGEST_FLOAT: Final = (2 - 2**-23) * 2.0**127
"""The largest number of 32 bits."""
PARTS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("year", "month", "day"), frozenset({"date", "datetime", "any"})),
    **dict.fromkeys(("hour", "minute", "second"), frozenset({"time", "datetime", "any"})),
}
"""The parts of dates and times by Python's names, and the kinds that have them."""
WHOLE_FLOATS: Final = 2.0**53
"""From here on floats have no fraction."""
MAX_DIGITS: Final = 15
"""How many digits a float can be rounded to."""
CLASSES: Final[Sequence[tuple[type, Kind]]] = (
    (Enum, "enum"), (bool, "bool"), (int, "int"), (float, "float"), (Decimal, "decimal"), (str, "str"),
    (bytes, "bytes"), (datetime, "datetime"), (date, "date"), (time, "time"), (timedelta, "timedelta"),
    (UUID, "uuid"),
)  # fmt: skip

INSTEAD: Final = (
    "a condition can't be asked for its truth while it is recorded. Write (a) & (b) for `and`, (a) | (b) for `or`,"
    " ig.not_(a) for `not`, ig.between(x, low, high) for `low <= x <= high`, ig.is_in(x, values) for `in`,"
    " ig.is_null(x) for `is None`"
)
PLAIN: Final = (
    "it gives a plain {value!r}, which was decided in Python and not by an entry. `is None` is written ig.is_null(x),"
    " `not x` ig.not_(x), `and` and `or` with & and |, `in` ig.is_in(x, values)"
)


# --- nodes ------------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Column:
    """A field of the entry: its name in Python, its column in SQL, and where Python finds it."""

    name: str
    text: str
    kind: Kind
    spec: Spec[Any]
    read: Callable[[Any, Any], Any] = attrs.field(repr=False)
    """From an entry's key and value."""
    field: ModelField | None = attrs.field(default=None, repr=False)
    alias: str = ""
    """What its table is called in a join."""
    index_name: str = ""
    """What it is called in an index query."""


@attrs.frozen(eq=False)
class Whole:
    """An entry as a whole: the value, joined with its key."""

    position: int = 0
    """Of its cache among those that are joined."""
    alias: str = ""
    kind: Kind = "other"
    spec: Spec[Any] | None = None


@attrs.frozen(eq=False)
class Unresolved:
    """A column that was named by `ig.col`, before it is known which cache it is of."""

    name: str
    kind: Kind = "any"
    spec: Spec[Any] | None = None


@attrs.frozen(eq=False)
class Constant:
    """A value of the program: always a parameter. Without ``spec`` it is written by its class."""

    value: Any
    kind: Kind
    spec: Spec[Any] | None = None


@attrs.frozen(eq=False)
class Comparison:
    """Two sides and how they compare; null where one of them is."""

    operator: Operator
    left: "Node"
    right: "Node"
    kind: Kind = "bool"
    spec: Spec[Any] | None = BOOL


@attrs.frozen(eq=False)
class Logic:
    """AND or OR of SQL's three-valued logic."""

    operator: Literal["AND", "OR"]
    left: "Node"
    right: "Node"
    kind: Kind = "bool"
    spec: Spec[Any] | None = BOOL


@attrs.frozen(eq=False)
class Not:
    """NOT of SQL's three-valued logic: of null it is null."""

    operand: "Node"
    kind: Kind = "bool"
    spec: Spec[Any] | None = BOOL


@attrs.frozen(eq=False)
class In:
    """Whether a value equals one of several."""

    operand: "Node"
    values: tuple[Constant, ...]
    kind: Kind = "bool"
    spec: Spec[Any] | None = BOOL


@attrs.frozen(eq=False)
class Between:
    """Whether a value lies within bounds, both included."""

    operand: "Node"
    low: "Node"
    high: "Node"
    kind: Kind = "bool"
    spec: Spec[Any] | None = BOOL


@attrs.frozen(eq=False)
class IsNull:
    """Whether a value is null; never null itself."""

    operand: "Node"
    kind: Kind = "bool"
    spec: Spec[Any] | None = BOOL


@attrs.frozen(eq=False)
class Like:
    """Whether a text matches a pattern with % and _, escaped by a backslash."""

    operand: "Node"
    pattern: Constant
    kind: Kind = "bool"
    spec: Spec[Any] | None = BOOL


@attrs.frozen(eq=False)
class Arithmetic:
    """Two numbers and what is done with them, with Python's meaning; ``+`` also joins texts."""

    operator: Literal["+", "-", "*", "/", "//", "%"]
    left: "Node"
    right: "Node"
    kind: Kind
    spec: Spec[Any] | None = None


@attrs.frozen(eq=False)
class Negation:
    """A number with the other sign."""

    operand: "Node"
    kind: Kind
    spec: Spec[Any] | None = None


@attrs.frozen(eq=False)
class Call:
    """A function: of SQL, but for ROUND, and for the parts of dates, which have Python's names."""

    function: Literal[
        "LOWER", "UPPER", "CHAR_LENGTH", "ABS", "COALESCE", "ROUND", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"
    ]
    arguments: tuple["Node", ...]
    kind: Kind
    spec: Spec[Any] | None = None


@attrs.frozen(eq=False)
class Aggregate:
    """One value of a group of entries; ``operand`` is None for COUNT(*)."""

    function: Literal["COUNT", "SUM", "AVG", "MIN", "MAX"]
    operand: "Node | None"
    distinct: bool
    kind: Kind
    spec: Spec[Any] | None = None


Node: TypeAlias = (
    Column
    | Whole
    | Unresolved
    | Constant
    | Comparison
    | Logic
    | Not
    | In
    | Between
    | IsNull
    | Like
    | Arithmetic
    | Negation
    | Call
    | Aggregate
)


# --- what a lambda sees -----------------------------------------------------------------------------------------------


class Recorded:
    """A stand-in for a value of an entry: what is done with it is recorded.

    Comparisons, ``&``, ``|``, arithmetic, ``abs()``, ``round()``, of texts ``lower()``, ``upper()``, ``startswith()`` and
    ``endswith()``, of dates and times ``year`` to ``second``. What Python can't record (`and`, `or`, `not`, `in`, `is`,
    chained comparisons) is a QueryError.
    """

    __slots__ = ("_node",)
    __hash__ = None  # type: ignore[assignment]  # == makes a condition, so there is no equality to be hashed by

    def __init__(self, node: Node) -> None:
        self._node = node

    def __repr__(self) -> str:
        return f"<expression of a query: {self._node.kind}>"

    def __eq__(self, other: object) -> Any:
        return Recorded(compared("=", self._node, node_of(other)))

    def __ne__(self, other: object) -> Any:
        return Recorded(compared("<>", self._node, node_of(other)))

    def __lt__(self, other: object) -> Any:
        return Recorded(compared("<", self._node, node_of(other)))

    def __le__(self, other: object) -> Any:
        return Recorded(compared("<=", self._node, node_of(other)))

    def __gt__(self, other: object) -> Any:
        return Recorded(compared(">", self._node, node_of(other)))

    def __ge__(self, other: object) -> Any:
        return Recorded(compared(">=", self._node, node_of(other)))

    def __and__(self, other: object) -> Any:
        return Recorded(both("AND", self._node, node_of(other)))

    def __rand__(self, other: object) -> Any:
        return Recorded(both("AND", node_of(other), self._node))

    def __or__(self, other: object) -> Any:
        return Recorded(both("OR", self._node, node_of(other)))

    def __ror__(self, other: object) -> Any:
        return Recorded(both("OR", node_of(other), self._node))

    def __invert__(self) -> Any:
        return Recorded(Not(truth(self._node, "~")))

    def __add__(self, other: object) -> Any:
        return Recorded(calculated("+", self._node, node_of(other)))

    def __radd__(self, other: object) -> Any:
        return Recorded(calculated("+", node_of(other), self._node))

    def __sub__(self, other: object) -> Any:
        return Recorded(calculated("-", self._node, node_of(other)))

    def __rsub__(self, other: object) -> Any:
        return Recorded(calculated("-", node_of(other), self._node))

    def __mul__(self, other: object) -> Any:
        return Recorded(calculated("*", self._node, node_of(other)))

    def __rmul__(self, other: object) -> Any:
        return Recorded(calculated("*", node_of(other), self._node))

    def __truediv__(self, other: object) -> Any:
        return Recorded(calculated("/", self._node, node_of(other)))

    def __rtruediv__(self, other: object) -> Any:
        return Recorded(calculated("/", node_of(other), self._node))

    def __floordiv__(self, other: object) -> Any:
        return Recorded(calculated("//", self._node, node_of(other)))

    def __mod__(self, other: object) -> Any:
        return Recorded(calculated("%", self._node, node_of(other)))

    def __neg__(self) -> Any:
        return Recorded(Negation(number(self._node, "-"), self._node.kind))

    def __abs__(self) -> Any:
        return Recorded(Call("ABS", (number(self._node, "abs()"),), self._node.kind))

    def __round__(self, digits: int | None = None) -> Any:
        return Recorded(called("ROUND", (self._node, *(() if digits is None else (node_of(digits),)))))

    def lower(self) -> Any:
        """The text in lower case."""
        return lower(self)

    def upper(self) -> Any:
        """The text in upper case."""
        return upper(self)

    def startswith(self, part: str) -> Any:
        """Whether the text begins with another, taken literally."""
        return startswith(cast("str", self), part)

    def endswith(self, part: str) -> Any:
        """Whether the text ends with another, taken literally."""
        return Recorded(matched(self._node, "%" + _literally(part)))

    def __bool__(self) -> NoReturn:
        raise QueryError(INSTEAD)

    def __contains__(self, item: object) -> NoReturn:
        raise QueryError("`in` can't be recorded: write ig.contains(text, part) or ig.is_in(x, values)")

    def __iter__(self) -> NoReturn:
        raise QueryError("a field of an entry can't be iterated over in a query")

    def __len__(self) -> NoReturn:
        raise QueryError("len() can't be recorded: write ig.length(text)")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's own question, such as that of copy or of an IDE
            raise AttributeError(name)
        if self._node.kind in PARTS.get(name, ()):
            return Recorded(called(name.upper(), (self._node,)))
        what = f"the field {self._node.name}" if isinstance(self._node, Column | Unresolved) else "an expression"
        raise QueryError(
            f"{name!r} of {what} can't be recorded: SQL sees the fields of the model itself, not what is inside of them"
        )


class Recorder:
    """A stand-in for a model: its attributes are the model's fields."""

    __slots__ = ("_columns", "_name")

    def __init__(self, columns: "Columns") -> None:
        self._columns = columns
        self._name = columns.owner

    def __getattr__(self, name: str) -> Recorded:
        if name.startswith("__"):
            raise AttributeError(name)
        return Recorded(self._columns.find(name))

    def __bool__(self) -> NoReturn:
        raise QueryError(f"a {self._name} can't be asked for its truth in a query")


@attrs.frozen(eq=False)
class Columns:
    """The columns of a cache: by the attributes of its model, else one for the value as a whole."""

    owner: str
    by_name: Mapping[str, Column]
    whole: Column | None
    """The value, where it is no model."""
    open: bool = False
    """Whether the value may have any attributes: nothing is known of it."""
    entry: Whole = Whole()
    """The value with its key, where it is a model."""

    def find(self, name: str) -> Column:
        """The column of a field. Raises QueryError for an unknown one."""
        found = self.by_name.get(name)
        if found is not None:
            return found
        if self.open:
            return _attribute(name)
        near = get_close_matches(name, self.by_name, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(self.by_name)}"
        raise QueryError(f"{self.owner} has no field {name!r}{hint}")

    def find_loosely(self, name: str) -> Column:
        """The column that `ig.col` names: by the attribute, else by Ignite's name, in any case."""
        if name.lower() in {"_key", "_val"}:
            name = name.lower()
        if name in self.by_name:
            return self.by_name[name]
        by_column = {column.text: column for column in self.by_name.values()}
        return by_column.get(quoted(name.upper())) or self.find(name)

    @property
    def stand_ins(self) -> tuple[Any, ...]:
        """What a lambda is called with."""
        return (Recorder(self) if self.whole is None else Recorded(self.whole),)

    def joined(self, position: int) -> "Columns":
        """The same columns in a statement with several tables."""
        alias = f"T{position}"
        by_name = {name: attrs.evolve(column, alias=alias) for name, column in self.by_name.items()}
        return attrs.evolve(self, by_name=by_name, entry=Whole(position, alias))


@attrs.frozen(eq=False)
class JoinedColumns:
    """The columns of several caches: a lambda has an argument for each."""

    caches: tuple[Columns, ...]

    def find_loosely(self, name: str) -> Column:
        """The column that `ig.col` names, if one cache alone has it. Raises QueryError."""
        found: list[Column] = []
        errors: list[QueryError] = []
        for columns in self.caches:
            try:
                found.append(columns.find_loosely(name))
            except QueryError as error:
                errors.append(error)
        if len(found) > 1:
            raise QueryError(f"ig.col({name!r}) may be of several caches: take the field from the lambda's argument")
        if not found:
            raise QueryError("; ".join(map(str, errors)))
        return found[0]

    @property
    def stand_ins(self) -> tuple[Any, ...]:
        """What a lambda is called with."""
        return tuple(each for columns in self.caches for each in columns.stand_ins)


Scope: TypeAlias = Columns | JoinedColumns
"""What a lambda is about."""


def value_columns(schema: Schema | None, key: Spec[Any], value: Spec[Any]) -> Columns:
    """The columns of a cache whose keys and values have these types, and whose values are objects of that model."""
    both: dict[str, Column] = {
        "_key": Column("_key", "_KEY", kind_of(key), key, lambda key, value: key, index_name="_KEY")
    }
    if schema is not None:
        both = {field.attribute: column_of(field) for field in schema.fields} | both
        if len(schema.key_fields) == 1:  # it is the key to indexes (seen from a 2.17.0 node)
            name = schema.key_fields[0].attribute
            both[name] = attrs.evolve(both[name], index_name="_KEY")
        return Columns(schema.cls.__name__, both, None)
    whole = Column("the value", "_VAL", kind_of(value), value, lambda key, value: value, index_name="_VAL")
    both["_val"] = whole
    if whole.kind == "any":
        return Columns("a value", both, None, open=True)
    return Columns(f"a {value.name}", both, whole)


def column_of(field: ModelField) -> Column:
    """The column of a model's field: Ignite has the names of fields in upper case."""
    attribute = field.attribute
    return Column(
        attribute,
        quoted(field.name.upper()),
        kind_of(field.spec),
        field.spec,
        lambda key, value: getattr(value, attribute),
        field,
        index_name=field.name,
    )


def _attribute(name: str) -> Column:
    def read(key: Any, value: Any) -> Any:
        try:
            return getattr(value, name)
        except AttributeError as error:
            raise QueryError(f"a {type(value).__qualname__} has no field {name!r}") from error

    return Column(name, quoted(name.upper()), "any", ANY, read, index_name=name)


def quoted(name: str) -> str:
    """A name as SQL takes it whatever it is."""
    return '"' + name.replace('"', '""') + '"'


def kind_of(spec: Spec[Any]) -> Kind:
    """What values of a type are to SQL."""
    if spec.name.removesuffix(" or None") == "timedelta":
        return "timedelta"
    if spec is ANY:
        return "any"
    return KINDS.get(spec.code, "other") if spec.java is not None else "other"


def recorded(function: Any, columns: Scope) -> Any:
    """What a lambda gives for the stand-ins; an expression of `ig.col` is one by itself."""
    if isinstance(function, Recorded):
        return function
    if not callable(function):
        raise QueryError(f"a query takes lambdas and expressions of ig.col, not a Python {type(function).__qualname__}")
    return function(*columns.stand_ins)


def condition(function: Any, columns: Scope) -> Node:
    """The condition that a lambda gives. Raises QueryError for what is none."""
    return truth(expression(recorded(function, columns), columns), "a condition")


def whole_or_expression(result: object, columns: Scope) -> Node:
    """The node of what a lambda gave for a row: the entry itself, too."""
    if isinstance(result, Recorder):
        return result._columns.entry  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - as of Recorded
    return expression(result, columns)


def expression(result: object, columns: Scope) -> Node:
    """The node of what a lambda gave, with all columns known."""
    if isinstance(result, Recorder):
        raise QueryError("the lambda gives the model itself, where one of its fields was expected")
    return resolved(node_of(result), columns)


# --- making nodes -----------------------------------------------------------------------------------------------------


def node_of(thing: object) -> Node:
    """The node of what stands in an expression: recorded, or a value of the program."""
    if isinstance(thing, Recorded):
        return thing._node  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - an attribute of any other name would hide a field
    if isinstance(thing, Recorder):
        raise QueryError("a model can't be compared as a whole in a query: compare its fields")
    for cls, kind in CLASSES:
        if isinstance(thing, cls):
            return Constant(thing, kind)
    return Constant(thing, "other")


def resolved(node: Node, columns: Scope) -> Node:
    """The same expression with what `ig.col` named replaced by the columns of a cache."""

    def again(inner: Node) -> Node:
        return resolved(inner, columns)

    match node:
        case Unresolved(name):
            return columns.find_loosely(name)
        case Column() | Whole() | Constant():
            return node
        case Comparison(operator, left, right):
            return compared(operator, again(left), again(right))
        case Logic(operator, left, right):
            return both(operator, again(left), again(right))
        case Not(operand):
            return Not(truth(again(operand), "NOT"))
        case In(operand, values):
            return included(again(operand), [value.value for value in values])
        case Between(operand, low, high):
            return bounded(again(operand), again(low), again(high))
        case IsNull(operand):
            return IsNull(again(operand))
        case Like(operand, pattern):
            return matched(again(operand), pattern.value)
        case Arithmetic(operator, left, right):
            return calculated(operator, again(left), again(right))
        case Negation(operand):
            inner = number(again(operand), "-")
            return Negation(inner, inner.kind)
        case Call(function, arguments):
            return called(function, tuple(map(again, arguments)))
        case Aggregate(function, operand, distinct):
            return aggregated(function, None if operand is None else again(operand), distinct=distinct)


def truth(node: Node, what: str) -> Node:
    """A node that is true, false or null. Raises QueryError for any other."""
    if isinstance(node, Constant):
        if isinstance(node.value, bool):
            raise QueryError(f"{what}: {PLAIN.format(value=node.value)}")
        raise QueryError(f"{what} is a comparison of fields, not a Python {type(node.value).__qualname__}")
    if node.kind not in {"bool", "any"}:
        raise QueryError(f"{what} is true or false, but {_named(node)} is {_a(node.kind)}: compare it with something")
    return node


def both(operator: Literal["AND", "OR"], left: Node, right: Node) -> Node:
    """Two conditions together."""
    sign = "&" if operator == "AND" else "|"
    return Logic(operator, truth(left, f"a side of {sign}"), truth(right, f"a side of {sign}"))


def number(node: Node, what: str) -> Node:
    """A node that is a number. Raises QueryError for any other."""
    if node.kind not in NUMBERS and node.kind != "any":
        raise QueryError(f"{what} takes numbers, but {_named(node)} is {_a(node.kind)}")
    return node


def compared(operator: Operator, left: Node, right: Node) -> Node:
    """A comparison whose constant fits the other side. Raises QueryError for sides that can't be compared."""
    if isinstance(left, Constant):
        if isinstance(right, Constant):
            raise QueryError("two values of the program are compared, and no field of an entry")
        operator, left, right = MIRRORED[operator], right, left
    if isinstance(right, Constant) and right.value is None:
        raise QueryError(
            f"nothing equals NULL in SQL, not even NULL: write ig.{'not_(ig.' if operator == '<>' else ''}is_null"
            f"({_named(left)}){')' if operator == '<>' else ''} in place of a comparison with None"
        )
    _check_comparable(left, right)
    if operator not in {"=", "<>"}:
        for side in (left, right):
            if side.kind not in ORDERED:
                raise QueryError(f"{_named(side)} is {_a(side.kind)}: it can be compared by == and != only")
    if isinstance(right, Constant):
        return fitted(operator, left, right)
    return Comparison(operator, left, right)


def included(operand: Node, values: Sequence[Any]) -> Node:
    """Whether a node equals one of some constants."""
    kept: list[Constant] = []
    never: Node | None = None
    for value in values:
        if isinstance(value, Recorded):
            raise QueryError("ig.is_in() takes values of the program: compare fields with each other by ==")
        one = compared("=", operand, node_of(value))
        match one:
            case Comparison("=", _, Constant() as constant):
                kept.append(constant)
            case _:
                never = one  # no value of the column's type: false, or null for null
    return never if never is not None and not kept else In(operand, tuple(kept))


def bounded(operand: Node, low: Node, high: Node) -> Node:
    """Whether a node lies within bounds."""
    above, below = compared(">=", operand, low), compared("<=", operand, high)
    match above, below:
        case Comparison(">=", _, first), Comparison("<=", _, last):
            return Between(operand, first, last)
        case _:
            return Logic("AND", above, below)


def matched(operand: Node, pattern: str) -> Node:
    """Whether a text matches a pattern, whose escapes have been checked."""
    if operand.kind not in {"str", "any"}:
        raise QueryError(f"only texts are compared with a pattern, but {_named(operand)} is {_a(operand.kind)}")
    # Ignite makes of LIKE '%' an IS NOT NULL, which is false and not null where the text is null.
    return Like(operand, Constant("%%" if pattern == "%" else pattern, "str", STRING))


def calculated(operator: Literal["+", "-", "*", "/", "//", "%"], left: Node, right: Node) -> Node:
    """Arithmetic of two nodes, typed as Python types it. Raises QueryError for what SQL would compute otherwise."""
    for side in (left, right):
        if isinstance(side, Constant) and side.value is None:
            raise QueryError("arithmetic with None: what is null stays null, so leave it out")
    kinds = {left.kind, right.kind}
    if operator == "+" and "str" in kinds and kinds <= {"str", "any"}:
        return Arithmetic("+", _typed(left), _typed(right), "str", STRING)
    number(left, operator)
    number(right, operator)
    if {"decimal", "float"} <= kinds:
        raise QueryError(
            f"{_named(left)} {operator} {_named(right)} mixes Decimal and float, which Python refuses, too"
        )
    if operator in {"//", "%"}:
        exact = isinstance(right, Constant) and type(right.value) is int and right.value > 0
        if not exact or left.kind not in {"int", "any"}:
            raise QueryError(f"{operator} is recorded for an int and a constant int above 0 only")
    if operator == "/" and "decimal" in kinds:
        raise QueryError("/ of Decimals rounds otherwise in SQL than in Python: multiply, or select and divide here")
    kind: Kind
    if "any" in kinds:
        kind = "any"
    elif operator == "/" or "float" in kinds:
        kind = "float"
    else:
        kind = "decimal" if "decimal" in kinds else "int"
    return Arithmetic(operator, _typed(left), _typed(right), kind)


def called(function: Any, arguments: tuple[Node, ...]) -> Node:
    """A function of SQL. Raises QueryError for arguments of the wrong kind."""
    first = arguments[0]
    match function:
        case "ABS":
            return Call("ABS", (number(first, "abs()"),), first.kind)
        case "COALESCE":
            if first.kind == "any" or first.spec is None:
                return Call("COALESCE", (first, _typed(arguments[1])), first.kind)
            one = compared("=", first, arguments[1])
            if not isinstance(one, Comparison) or one.operator != "=" or one.left is not first:
                raise QueryError(f"the default of {_named(first)} is out of its range")
            return Call("COALESCE", (first, one.right), first.kind, first.spec)
        case "ROUND":
            return _rounded(first, *arguments[1:])
        case "YEAR" | "MONTH" | "DAY" | "HOUR" | "MINUTE" | "SECOND":
            if first.kind not in PARTS[function.lower()]:
                raise QueryError(f"{_named(first)} is {_a(first.kind)}, which has no {function.lower()}")
            return Call(function, (first,), "int", INT)
        case _:
            if first.kind not in {"str", "any"}:
                raise QueryError(f"{function} takes texts, but {_named(first)} is {_a(first.kind)}")
            return Call(function, (first,), "int") if function == "CHAR_LENGTH" else Call(function, (first,), "str")


def _rounded(node: Node, digits: Node | None = None) -> Node:
    if node.kind not in {"float", "decimal", "any"}:
        raise QueryError(f"round() takes a float or a Decimal, but {_named(node)} is {_a(node.kind)}")
    if digits is None:
        raise QueryError("round() is recorded with a number of digits: round(x, 0)")
    if not isinstance(digits, Constant) or type(digits.value) is not int or not 0 <= digits.value <= MAX_DIGITS:
        raise QueryError(f"round() is recorded for 0 to {MAX_DIGITS} digits")
    return Call("ROUND", (node, attrs.evolve(digits, spec=INT)), node.kind)


def aggregated(function: Any, operand: Node | None, *, distinct: bool) -> Aggregate:
    """An aggregate. Raises QueryError for an operand of the wrong kind."""
    if operand is not None and aggregates_in(operand):
        raise QueryError("an aggregate of an aggregate can't be computed")
    if function == "COUNT" or operand is None:
        return Aggregate("COUNT", operand, distinct, "int")
    if function in {"SUM", "AVG"}:
        _ = number(operand, function)
        kind = operand.kind
        if function == "AVG" and kind == "int":
            kind = "float"
        return Aggregate(function, operand, distinct, kind)
    if operand.kind not in ORDERED:
        raise QueryError(f"{_named(operand)} is {_a(operand.kind)}: it has no {function}")
    return Aggregate(function, operand, distinct, operand.kind, operand.spec)


def aggregates_in(node: Node) -> bool:
    """Whether a node is about groups of entries."""
    match node:
        case Aggregate():
            return True
        case Comparison(_, left, right) | Logic(_, left, right) | Arithmetic(_, left, right):
            return aggregates_in(left) or aggregates_in(right)
        case Not(operand) | In(operand, _) | IsNull(operand) | Like(operand, _) | Negation(operand):
            return aggregates_in(operand)
        case Between(operand, low, high):
            return any(map(aggregates_in, (operand, low, high)))
        case Call(_, arguments):
            return any(map(aggregates_in, arguments))
        case _:
            return False


def _typed(node: Node) -> Node:
    """A constant that stands beside what tells nothing of its type: as wide as its class."""
    if not isinstance(node, Constant):
        return node
    match node.kind:
        case "int":
            if not -(1 << 63) <= node.value < 1 << 63:
                raise QueryError("an int of more than 64 bits can't stand in an expression")
            return attrs.evolve(node, spec=LONG)
        case "float":
            return attrs.evolve(node, spec=DOUBLE)
        case "decimal":
            return attrs.evolve(node, spec=DECIMAL)
        case "str":
            return attrs.evolve(node, spec=STRING)
        case _:
            return node


def _check_comparable(left: Node, right: Node) -> None:
    one, other = left.kind, right.kind
    if "any" in {one, other}:
        return
    for side in (left, right):
        if side.kind == "other":
            what = f"a Python {type(side.value).__qualname__}" if isinstance(side, Constant) else _named(side)
            raise QueryError(f"{what} can't be compared in a query: Ignite has no SQL type for it")
    if one != other and not (one in NUMBERS and other in NUMBERS):
        raise QueryError(f"{_named(left)} is {_a(one)} and can't be compared with {_a(other)}")


def _named(node: Node) -> str:
    return node.name if isinstance(node, Column | Unresolved) else "the expression"


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


# --- constants --------------------------------------------------------------------------------------------------------


def fitted(operator: Operator, left: Node, right: Constant) -> Node:
    """The comparison with a constant, given the type of the other side.

    A node looks a constant up in an index as the column's type, and fails on what that type can't hold (seen from a
    2.17.0 node: "Numeric value out of range"); a DELETE finds a key by the bytes of its own type only. So a constant
    beyond the type is replaced by the type's bound, with an operator that means the same of everything the column holds.
    """
    value = right.value
    match left.kind:
        case "int":
            return _fitted_int(operator, left, value)
        case "float":
            return _fitted_float(operator, left, value)
        case "decimal":
            return Comparison(operator, left, Constant(_exact_decimal(value), "decimal", DECIMAL))
        case "any":
            return Comparison(operator, left, right)
        case _:
            return Comparison(operator, left, Constant(value, right.kind, left.spec))


def _fitted_int(operator: Operator, left: Node, value: Any) -> Node:
    spec = LONG if left.spec is None else left.spec
    largest = (1 << INT_BITS.get(spec.code, 63)) - 1
    whole, beyond = _floor(value)
    if beyond == 0 and whole != value:  # 2.5: what is above it is above 2, nothing equals it
        if operator in {"=", "<>"}:
            beyond = 1
        else:
            operator = "<=" if operator in {"<", "<="} else ">"
    if beyond == 0:
        beyond = 1 if whole > largest else -1 if whole < -largest - 1 else 0
    if beyond > 0:
        always = operator in {"<", "<=", "<>"}
        return Comparison("<=" if always else ">", left, Constant(largest, "int", spec))
    if beyond < 0:
        always = operator in {">", ">=", "<>"}
        return Comparison(">=" if always else "<", left, Constant(-largest - 1, "int", spec))
    return Comparison(operator, left, Constant(whole, "int", spec))


def _floor(value: Any) -> tuple[int, int]:
    """The largest int that is not above a number, and the side on which the number is beyond all ints, or 0."""
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        # NaN is above all numbers in Java's order.
        return 0, -1 if value < 0 else 1
    return math.floor(value), 0


def _fitted_float(operator: Operator, left: Node, value: Any) -> Node:
    try:
        wide = float(value)
    except OverflowError:
        wide = math.inf if value > 0 else -math.inf
    spec = left.spec
    if spec is None or spec.code != FLOAT_CODE:
        return Comparison(operator, left, Constant(wide, "float", DOUBLE))
    try:
        (narrow,) = struct.unpack("<f", struct.pack("<f", wide))
    except OverflowError:
        if operator in {"=", "<>"}:  # nothing is below minus infinity
            return Comparison("<" if operator == "=" else ">=", left, Constant(-math.inf, "float", spec))
        below = operator in {"<", "<="}
        if wide > 0:
            return Comparison("<=" if below else ">", left, Constant(LARGEST_FLOAT, "float", spec))
        return Comparison("<" if below else ">=", left, Constant(-LARGEST_FLOAT, "float", spec))
    return Comparison(operator, left, Constant(narrow, "float", spec))


def _exact_decimal(value: Any) -> Decimal:
    exact = Decimal(value)
    if not exact.is_finite():
        raise QueryError("Ignite's decimals have no NaN and no infinity to compare with")
    return exact


# --- functions for lambdas --------------------------------------------------------------------------------------------
# To a type checker they take and give the values that the stand-ins stand for.


def col(name: str) -> Any:
    """A field by its name, untyped: `cache.where(ig.col("age") > 30)`, also inside of a lambda; `~` negates there.

    Args:
        name: The attribute of the model or Ignite's name of the field, or ``_key`` for the cache key.

    >>> await people.where(ig.col("age") > 30).count(), await people.where(~ig.is_null(ig.col("nick"))).count()
    (1, 1)
    """
    return Recorded(Unresolved(name))


def some(value: T | None, /) -> T:
    """An Optional field without its None, for type checkers: `ig.some(p.nick) > "a"`. Null compares as in SQL.

    >>> await people.where(lambda p: ig.some(p.nick) >= "a").select(lambda p: p.name).all()
    ['Ann']
    """
    return cast("T", value)


def maybe(value: T, /) -> T | None:
    """A field that may be None, for type checkers: `select(lambda p, c: ig.maybe(c.name))` of a left join.

    >>> found = people.left_join(cities, on=lambda p, c: p.city_id == c.id).where(lambda p, c: p.name == "Dan")
    >>> await found.select(lambda p, c: ig.maybe(c.name)).all()
    [None]
    """
    return value


def not_(condition: bool, /) -> bool:
    """Negates a condition, as SQL does: of null it is null, and no entry matches that.

    >>> await people.where(lambda p: ig.not_(p.age == 30)).count()
    2
    """
    return _bool(Not(truth(node_of(condition), "ig.not_()")))


def is_null(value: object, /) -> bool:
    """Whether a field is null.

    >>> await people.where(lambda p: ig.is_null(p.nick)).count()
    3
    """
    node = node_of(value)
    if isinstance(node, Constant):
        raise QueryError("ig.is_null() takes a field of the entry")
    return _bool(IsNull(node))


def is_in(value: T, values: Iterable[T], /) -> bool:
    """Whether a field equals one of some values, of which none may be None.

    >>> await people.where(lambda p: ig.is_in(p.age, [17, 41])).count()
    2
    """
    return _bool(included(_field(value, "ig.is_in()"), tuple(values)))


def between(value: T, low: T, high: T, /) -> bool:
    """Whether a field lies between two bounds, both included.

    >>> await people.where(lambda p: ig.between(p.age, 17, 30)).count()
    3
    """
    return _bool(bounded(_field(value, "ig.between()"), node_of(low), node_of(high)))


def like(text: str | None, pattern: str, /) -> bool:
    r"""Whether a text matches a pattern, in which % is any text and _ any character: ``\%``, ``\_`` and ``\\`` are literal.

    Upper and lower case differ. ``_`` is one UTF-16 unit: characters beyond U+FFFF take two.

    >>> await people.where(lambda p: ig.like(p.name, "_e%")).select(lambda p: p.name).all()
    ['Ben']
    """
    escaped = False
    for character in pattern:
        if escaped and character not in "%_\\":
            break
        escaped = not escaped and character == "\\"
    if escaped:
        raise QueryError(r"in a pattern of like, \ stands before %, _ or \ only")
    return _bool(matched(_field(text, "ig.like()"), pattern))


def contains(text: str | None, part: str, /) -> bool:
    """Whether a text contains another, taken literally. Upper and lower case differ.

    >>> await people.where(lambda p: ig.contains(p.name, "le")).select(lambda p: p.name).all()
    ['Cleo']
    """
    return _bool(matched(_field(text, "ig.contains()"), f"%{_literally(part)}%"))


def startswith(text: str | None, part: str, /) -> bool:
    """Whether a text begins with another, taken literally. Upper and lower case differ.

    >>> await people.where(lambda p: ig.startswith(p.name, "Da")).select(lambda p: p.name).all()
    ['Dan']
    """
    return _bool(matched(_field(text, "ig.startswith()"), _literally(part) + "%"))


def lower(text: T, /) -> T:
    """A text in lower case.

    >>> await people.where(lambda p: ig.lower(p.name) == "ann").count()
    1
    """
    return cast("T", Recorded(called("LOWER", (_field(text, "ig.lower()"),))))


def upper(text: T, /) -> T:
    """A text in upper case.

    >>> await people.where(lambda p: p.id == 1).select(lambda p: ig.upper(p.name)).all()
    ['ANN']
    """
    return cast("T", Recorded(called("UPPER", (_field(text, "ig.upper()"),))))


def length(text: str | None, /) -> int:
    """The length of a text in UTF-16 units: characters beyond U+FFFF count twice.

    >>> await people.where(lambda p: ig.length(p.name) > 3).select(lambda p: p.name).all()
    ['Cleo']
    """
    return cast("int", Recorded(called("CHAR_LENGTH", (_field(text, "ig.length()"),))))


def coalesce(value: T | None, default: T, /) -> T:
    """A field, or a default where it is null.

    >>> await people.where(lambda p: p.id < 3).order_by(lambda p: p.id).select(lambda p: ig.coalesce(p.nick, "-")).all()
    ['a', '-']
    """
    return cast("T", Recorded(called("COALESCE", (_field(value, "ig.coalesce()"), node_of(default)))))


def eq(value: T, other: T, /) -> bool:
    """``value == other``, as a function: a criterion of `Cache.index_query`.

    >>> await people.index_query(None, ig.eq(ig.col("age"), 30)).count()
    2
    """
    return _bool(compared("=", _field(value, "ig.eq()"), node_of(other)))


def ne(value: T, other: T, /) -> bool:
    """``value != other``, as a function.

    >>> await people.where(lambda p: ig.ne(p.age, 30)).count()
    2
    """
    return _bool(compared("<>", _field(value, "ig.ne()"), node_of(other)))


def gt(value: T, other: T, /) -> bool:
    """``value > other``, as a function: a criterion of `Cache.index_query`.

    >>> await people.index_query(None, ig.gt(ig.col("age"), 30)).count()
    1
    """
    return _bool(compared(">", _field(value, "ig.gt()"), node_of(other)))


def ge(value: T, other: T, /) -> bool:
    """``value >= other``, as a function: a criterion of `Cache.index_query`.

    >>> await people.index_query(None, ig.ge(ig.col("age"), 30)).count()
    3
    """
    return _bool(compared(">=", _field(value, "ig.ge()"), node_of(other)))


def lt(value: T, other: T, /) -> bool:
    """``value < other``, as a function: a criterion of `Cache.index_query`.

    >>> await people.index_query(None, ig.lt(ig.col("age"), 30)).count()
    1
    """
    return _bool(compared("<", _field(value, "ig.lt()"), node_of(other)))


def le(value: T, other: T, /) -> bool:
    """``value <= other``, as a function: a criterion of `Cache.index_query`.

    >>> await people.index_query(None, ig.le(ig.col("age"), 30)).count()
    3
    """
    return _bool(compared("<=", _field(value, "ig.le()"), node_of(other)))


ALL: Final = object()


def count(value: object = ALL, /, *, distinct: bool = False) -> int:
    """How many entries a group has; with a field, those where it is not null; with `distinct`, its different values.

    >>> ages = people.where().group_by(lambda p: p.age)
    >>> sorted(await ages.select(lambda p: (p.age, ig.count(), ig.count(p.nick))).all())
    [(17, 1, 0), (30, 2, 0), (41, 1, 1)]
    """
    operand = None if value is ALL else _field(value, "ig.count()")
    if operand is None and distinct:
        raise QueryError("ig.count(distinct=True) takes a field")
    return cast("int", Recorded(aggregated("COUNT", operand, distinct=distinct)))


def sum_(value: T, /) -> T:
    """The sum of a number over a group, None where it is null everywhere.

    >>> await people.where().select(lambda p: ig.sum_(p.age)).all()
    [118]
    """
    return cast("T", Recorded(aggregated("SUM", _field(value, "ig.sum_()"), distinct=False)))


@overload
def avg(value: N, /) -> N: ...
@overload
def avg(value: int | None, /) -> float: ...
def avg(value: Any, /) -> Any:
    """The mean of a number over a group, not rounded for ints; None where it is null everywhere.

    >>> await people.where().select(lambda p: ig.avg(p.age)).all()
    [29.5]
    """
    return Recorded(aggregated("AVG", _field(value, "ig.avg()"), distinct=False))


def min_(value: T, /) -> T:
    """The smallest value of a field in a group, None where it is null everywhere.

    >>> await people.where().select(lambda p: ig.min_(p.name)).all()
    ['Ann']
    """
    return cast("T", Recorded(aggregated("MIN", _field(value, "ig.min_()"), distinct=False)))


def max_(value: T, /) -> T:
    """The largest value of a field in a group, None where it is null everywhere.

    >>> await people.where().select(lambda p: (ig.max_(p.age), ig.max_(p.name))).all()
    [(41, 'Dan')]
    """
    return cast("T", Recorded(aggregated("MAX", _field(value, "ig.max_()"), distinct=False)))


def _bool(node: Node) -> bool:
    return cast("bool", Recorded(node))


def _field(value: object, what: str) -> Node:
    node = node_of(value)
    if isinstance(node, Constant):
        raise QueryError(f"{what} takes a field of the entry first, not a Python {type(value).__qualname__}")
    return node


def _literally(part: object) -> str:
    if not isinstance(part, str):
        raise QueryError(f"a part of a text is a str, not a Python {type(part).__qualname__}")
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
