"""Random statements of known types, to ask a real node and the embedded one the same things.

``python -m tests.embedded.sql.generated HOST:PORT SEED COUNT [answers.json]`` runs statements on both, prints what
differs, and writes the real node's answers.
"""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.embedded.sql.real_node import RealNode
from tests.embedded.sql.small_node import SmallNode

SETUP = [
    (
        "CREATE TABLE {t} (id INT PRIMARY KEY, i INT, l BIGINT, s SMALLINT, b TINYINT, d DECIMAL(20,4), f DOUBLE, r REAL,"
        " v VARCHAR, w VARCHAR, o BOOLEAN, dt DATE, ts TIMESTAMP, tm TIME, u UUID)"
        ' WITH "template=replicated,cache_name={t},value_type={t}_V"'
    ),
    (
        "CREATE TABLE {t}_x (id INT PRIMARY KEY, tid INT, n VARCHAR, q DECIMAL(10,2))"
        ' WITH "template=replicated,cache_name={t}_X,value_type={t}_XV"'
    ),
    (
        "INSERT INTO {t} VALUES"
        " (1, 1, 10, 3, 1, 1.5, 0.5, 0.25, 'alpha', 'x', TRUE, '2024-01-31', '2024-01-31 10:20:30.5', '10:20:30',"
        " '6e4a5b9c-0000-4000-8000-000000000001'),"
        " (2, -7, -3000000000, -5, -128, -2.25, -1.5, 1.5, 'Beta', 'alpha', FALSE, '1999-12-31', '1999-12-31 23:59:59',"
        " '23:59:59', 'f0000000-0000-4000-8000-000000000002'),"
        " (3, 0, 0, 0, 0, 0, 0, 0, '', ' ', NULL, '2024-02-29', '2024-02-29 00:00:00', '00:00:00', NULL),"
        " (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
        " (5, 2147483647, 9223372036854775807, 32767, 127, 99999.9999, 1e10, 3.5, '12', '12.0', TRUE, '2000-06-15',"
        " '2000-06-15 12:00:00.123', '12:00:00', '00000000-0000-4000-8000-00000000000a'),"
        " (6, 36, 36, 36, 36, 36.00, 36, 36, '36', 'a%b_c', TRUE, '1970-01-01', '1970-01-01 00:00:00', '06:30:00',"
        " '7fffffff-0000-4000-8000-000000000001'),"
        " (7, 1, 10, 3, 1, 1.50, 2.5, 0.1, 'alpha', 'Ünï', FALSE, '2024-01-31', '2024-03-01 07:08:09', '01:02:03',"
        " '6e4a5b9c-0000-4000-8000-000000000001')"
    ),
    (
        "INSERT INTO {t}_x VALUES (1, 1, 'one', 1.10), (2, 1, 'two', 2.20), (3, 2, 'three', NULL), (4, NULL, 'four', 4.4),"
        " (5, 7, 'one', 5.5)"
    ),
]
TEARDOWN = ["DROP TABLE {t}_x", "DROP TABLE {t}"]


class Generator:
    """Random expressions by type. ``prefix`` is the alias of the table."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.prefix = ""

    def pick(self, *choices: Any) -> Any:
        """One of the choices; what can be called is called."""
        chosen = self.random.choice(choices)
        return chosen() if callable(chosen) else chosen

    def column(self, *names: str) -> str:
        """A column."""
        return self.prefix + self.random.choice(names)

    def integer(self, depth: int) -> str:
        """An expression of an integer type."""
        if depth <= 0:
            return self.pick(
                lambda: self.column("i", "s", "b", "l", "id"),
                lambda: self.column("i", "s", "id"),
                lambda: str(self.random.choice((0, 1, 2, 3, -1, 7, 100))),
            )
        down = depth - 1
        return self.pick(
            lambda: f"({self.integer(down)} {self.pick('+', '-', '*')} {self.integer(down)})",
            lambda: f"({self.integer(down)} / {self.pick('2', '3', '-4')})",
            lambda: f"({self.integer(down)} % {self.pick('2', '5')})",
            lambda: f"LENGTH({self.text(down)})",
            lambda: f"ABS({self.integer(down)})",
            lambda: f"SIGN({self.number(down)})",
            lambda: f"MOD({self.integer(down)}, 3)",
            lambda: f"COALESCE({self.integer(down)}, {self.integer(down)})",
            lambda: f"CASE WHEN {self.condition(down)} THEN {self.integer(down)} ELSE {self.integer(down)} END",
            lambda: (
                f"CAST({self.pick('i', 's', 'id')} AS {self.pick('BIGINT', 'INT')})"
                if not self.prefix
                else self.integer(down)
            ),
            lambda: (
                f"{self.pick('YEAR', 'MONTH', 'DAY_OF_MONTH', 'DAY_OF_WEEK', 'QUARTER', 'WEEK')}({self.moment(down)})"
            ),
            lambda: (
                f"DATEDIFF('{self.pick('DAY', 'MONTH', 'YEAR', 'HOUR', 'WEEK')}', {self.moment(down)}, {self.moment(down)})"
            ),
            lambda: f"LOCATE({self.pick(repr('a'), repr('1'))}, {self.text(down)})",
            lambda: f"NULLIF({self.integer(down)}, {self.integer(down)})",
            lambda: f"GREATEST({self.integer(down)}, {self.integer(down)})",
            lambda: f"(- {self.integer(down)})",
        )

    def number(self, depth: int) -> str:
        """An expression of any number type."""
        if depth <= 0:
            return self.pick(
                lambda: self.column("d", "f", "r", "i", "l"),
                lambda: self.column("d"),
                lambda: self.pick("1.5", "0.25", "10.00", "2e0", "3"),
            )
        down = depth - 1
        return self.pick(
            lambda: self.integer(depth),
            lambda: f"({self.number(down)} {self.pick('+', '-', '*')} {self.number(down)})",
            lambda: f"({self.number(down)} / {self.pick('2', '4.0', '3')})",
            lambda: f"ROUND({self.number(down)}, {self.pick('0', '1', '2')})",
            lambda: f"{self.pick('FLOOR', 'CEIL')}({self.number(down)})",
            lambda: f"CAST({self.number(down)} AS {self.pick('DOUBLE', 'DECIMAL', 'REAL')})",
            lambda: f"COALESCE({self.number(down)}, {self.number(down)})",
            lambda: f"CASE WHEN {self.condition(down)} THEN {self.number(down)} ELSE {self.number(down)} END",
            lambda: f"LEAST({self.number(down)}, {self.number(down)})",
            lambda: f"SQRT(ABS({self.number(down)}))",
        )

    def text(self, depth: int) -> str:
        """An expression of text."""
        if depth <= 0:
            return self.pick(
                lambda: self.column("v", "w"), lambda: self.pick("'alpha'", "'A'", "''", "'12'", "'a''b'", "'é'")
            )
        down = depth - 1
        return self.pick(
            lambda: f"({self.text(down)} || {self.pick(lambda: self.text(down), lambda: self.integer(down))})",
            lambda: f"{self.pick('UPPER', 'LOWER', 'TRIM')}({self.text(down)})",
            lambda: f"SUBSTRING({self.text(down)}, {self.pick('1', '2', '-2')}, {self.pick('1', '3')})",
            lambda: f"REPLACE({self.text(down)}, 'a', '-')",
            lambda: f"{self.pick('LEFT', 'RIGHT')}({self.text(down)}, 2)",
            lambda: f"LPAD({self.text(down)}, 4, '*')",
            lambda: f"COALESCE({self.text(down)}, {self.text(down)})",
            lambda: f"CASE WHEN {self.condition(down)} THEN {self.text(down)} ELSE {self.text(down)} END",
            lambda: (
                f"CAST({self.pick(lambda: self.number(down), lambda: self.moment(down), lambda: self.column('o'), lambda: self.column('u'))} AS VARCHAR)"
            ),
            lambda: f"CONCAT({self.text(down)}, {self.integer(down)}, {self.text(down)})",
            lambda: f"FORMATDATETIME({self.moment(down)}, 'yyyy-MM-dd HH:mm')",
            lambda: f"{self.pick('DAYNAME', 'MONTHNAME')}({self.moment(down)})",
        )

    def moment(self, depth: int) -> str:
        """An expression of DATE or TIMESTAMP."""
        if depth <= 0:
            return self.pick(
                lambda: self.column("dt", "ts"),
                lambda: self.column("ts"),
                "DATE '2024-02-28'",
                "TIMESTAMP '2023-12-31 23:59:59.999'",
            )
        down = depth - 1
        return self.pick(
            lambda: (
                f"DATEADD('{self.pick('DAY', 'MONTH', 'YEAR', 'HOUR', 'MINUTE')}', {self.pick('1', '-1', '30')}, {self.moment(down)})"
            ),
            lambda: f"CAST({self.moment(down)} AS {self.pick('DATE', 'TIMESTAMP')})",
            lambda: f"COALESCE({self.moment(down)}, {self.moment(down)})",
            lambda: f"CASE WHEN {self.condition(down)} THEN {self.moment(down)} ELSE {self.moment(down)} END",
            lambda: f"({self.moment(down)} + {self.pick('1', '-1')})",
            lambda: f"DATE_TRUNC('{self.pick('MONTH', 'DAY', 'YEAR')}', {self.moment(down)})",
        )

    def condition(self, depth: int) -> str:
        """A condition."""
        if depth <= 0:
            return self.pick(
                lambda: self.column("o"), lambda: f"{self.column('i')} > 0", lambda: f"{self.column('v')} IS NULL"
            )
        down = depth - 1
        compare = self.pick("=", "<>", "<", "<=", ">", ">=")
        return self.pick(
            lambda: f"({self.number(down)} {compare} {self.number(down)})",
            lambda: f"({self.integer(down)} {compare} {self.integer(down)})",
            lambda: f"({self.text(down)} {compare} {self.text(down)})",
            lambda: f"({self.moment(down)} {compare} {self.moment(down)})",
            lambda: f"({self.condition(down)} {self.pick('AND', 'OR')} {self.condition(down)})",
            lambda: f"(NOT {self.condition(down)})",
            lambda: (
                f"({self.pick(lambda: self.number(down), lambda: self.text(down), lambda: self.moment(down))} IS {self.pick('', 'NOT ')}NULL)"
            ),
            lambda: f"({self.integer(down)} {self.pick('', 'NOT ')}IN ({self.integer(0)}, {self.integer(0)}, 1))",
            lambda: f"({self.number(down)} BETWEEN {self.number(0)} AND {self.number(0)})",
            lambda: (
                f"({self.text(down)} {self.pick('', 'NOT ')}LIKE {self.pick(repr('a%'), repr('%a'), repr('_l%'), repr('%'), repr('12'))})"
            ),
            lambda: f"({self.number(down)} IS {self.pick('', 'NOT ')}DISTINCT FROM {self.number(down)})",
            lambda: f"({self.column('u')} {compare} {self.column('u')})",
        )

    def expression(self, depth: int) -> str:
        """An expression of any type."""
        return self.pick(
            lambda: self.integer(depth),
            lambda: self.number(depth),
            lambda: self.text(depth),
            lambda: self.moment(depth),
            lambda: self.condition(depth),
            lambda: self.column("tm", "u", "o"),
        )

    def aggregate(self, depth: int) -> str:
        """An aggregate."""
        distinct = self.pick("", "", "DISTINCT ")
        return self.pick(
            "COUNT(*)",
            lambda: f"COUNT({distinct}{self.expression(depth)})",
            lambda: (
                f"{self.pick('SUM', 'AVG')}({distinct}{self.pick(lambda: self.integer(depth), lambda: self.number(depth))})"
            ),
            lambda: f"{self.pick('MIN', 'MAX')}({self.expression(depth)})",
            lambda: f"GROUP_CONCAT({self.text(depth)} ORDER BY id SEPARATOR '|')" if not self.prefix else "COUNT(*)",
        )

    def statement(self) -> str:
        """A query of {t}."""
        self.prefix = ""
        depth = self.pick(1, 2, 2, 3)
        return self.pick(
            self._plain(depth), self._plain(depth), self._grouped(depth), self._joined(depth), self._nested(depth)
        )

    def _plain(self, depth: int) -> Callable[[], str]:
        def make() -> str:
            items = ", ".join(self.expression(depth) for _ in range(self.pick(1, 2, 3)))
            where = f" WHERE {self.condition(depth)}" if self.pick(True, False) else ""
            tail = self.pick("", "", " LIMIT 3", " LIMIT 2 OFFSET 1")
            order = self.pick("id", "id DESC", lambda: f"{self.column('d', 'v', 'ts', 'u', 'f')} NULLS LAST, id")
            return f"SELECT id, {items} FROM {{t}}{where} ORDER BY {order}{tail}"

        return make

    def _grouped(self, depth: int) -> Callable[[], str]:
        def make() -> str:
            where = f" WHERE {self.condition(1)}" if self.pick(True, False, False) else ""
            items = ", ".join(self.aggregate(depth - 1) for _ in range(self.pick(1, 2, 3)))
            if self.pick(True, False):
                return f"SELECT {items} FROM {{t}}{where}"
            key = self.pick(lambda: self.column("o", "v", "i", "dt"), lambda: self.expression(1))
            having = self.pick("", "", " HAVING COUNT(*) > 1")
            return f"SELECT {key} AS k, {items} FROM {{t}}{where} GROUP BY {key}{having}"

        return make

    def _joined(self, depth: int) -> Callable[[], str]:
        def make() -> str:
            self.prefix = "a."
            items = ", ".join(self.expression(depth - 1) for _ in range(2))
            kind = self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN")
            where = f" WHERE {self.condition(depth - 1)}" if self.pick(True, False) else ""
            return (
                f"SELECT a.id, x.id, x.n, x.q, {items} FROM {{t}} a {kind} {{t}}_x x ON x.tid = a.id{where}"
                " ORDER BY a.id, x.id"
            )

        return make

    def _nested(self, depth: int) -> Callable[[], str]:
        def make() -> str:
            return self.pick(
                lambda: (
                    f"SELECT id FROM {{t}} WHERE id {self.pick('', 'NOT ')}IN (SELECT tid FROM {{t}}_x WHERE {self.pick('tid IS NOT NULL', 'q > 2', 'n = ' + repr('one'))}) ORDER BY id"
                ),
                lambda: (
                    f"SELECT id, (SELECT {self.pick('MAX(q)', 'COUNT(*)', 'SUM(q)', 'MIN(n)')} FROM {{t}}_x x WHERE x.tid = {{t}}.id) AS s FROM {{t}} ORDER BY id"
                ),
                lambda: (
                    f"SELECT q.k, q.e FROM (SELECT id AS k, {self.expression(depth)} AS e FROM {{t}}) q WHERE q.k > 1 ORDER BY q.k"
                ),
                lambda: (
                    f"SELECT {self.integer(depth)} AS e FROM {{t}} {self.pick('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT')} SELECT {self.number(depth)} FROM {{t}}"
                ),
                lambda: f"SELECT DISTINCT {self.expression(depth)} AS e FROM {{t}}",
                lambda: (
                    f"SELECT id FROM {{t}} a WHERE {self.pick('', 'NOT ')}EXISTS (SELECT 1 FROM {{t}}_x x WHERE x.tid = a.id AND x.q > {self.pick('1', '3')}) ORDER BY id"
                ),
            )

        return make


def statements(seed: int, count: int) -> list[str]:
    """Statements of a seed, for tables named {t}."""
    generator = Generator(seed)
    return [generator.statement() for _ in range(count)]


def same(wanted: dict[str, Any], got: dict[str, Any], sql: str) -> str:
    """How two answers compare: "identical", "names" (of unnamed columns), "state" (an error in other words), "differs"."""
    if "error" in wanted or "error" in got:
        one, two = wanted.get("error", ""), got.get("error", "")
        if one.split(";")[0] == two.split(";")[0]:
            return "identical"
        return "state" if one and one[:5] == two[:5] else "differs"
    rows = [wanted["rows"], got["rows"]]
    if "ORDER BY" not in sql.rpartition(")")[2]:
        rows = [sorted(each, key=repr) for each in rows]
    if rows[0] != rows[1]:
        return "differs"
    return "identical" if wanted["columns"] == got["columns"] else "names"


def main() -> None:
    """Run a seed on both."""
    address, seed, count, *target = sys.argv[1:]
    host, _, port = address.rpartition(":")
    real, own = RealNode(host, int(port)), SmallNode()
    table = f"G{seed}"
    for each in SETUP:
        wanted, got = real.ask(each.format(t=table)), own.ask(each.format(t=table))
        assert "error" not in wanted, wanted
        assert "error" not in got, got
    kept: list[dict[str, Any]] = []
    totals: dict[str, int] = {}
    for sql in statements(int(seed), int(count)):
        text = sql.format(t=table)
        wanted = real.ask(text)
        try:
            got = own.ask(text)
        except Exception as error:  # what differs is printed, whatever it is
            got = {"error": f"{type(error).__name__}: {error}"[:300]}
        verdict = same(wanted, got, text)
        totals[verdict] = totals.get(verdict, 0) + 1
        if verdict == "differs":
            print(f"{verdict}: {text}\n   real {str(wanted)[:400]}\n   own  {str(got)[:400]}")
        elif verdict != "identical" and "-v" in sys.argv:
            print(f"{verdict}: {text}\n   real {str(wanted)[:200]}\n   own  {str(got)[:200]}")
        kept.append({"sql": text, **wanted})
    for each in TEARDOWN:
        real.ask(each.format(t=table))
    print(totals)
    if target and target[0] != "-v":
        lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in kept)
        Path(target[0]).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
