"""Details of the engine that the recordings do not reach, and statements that are no statements."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ignitemap.embedded.sql.entries import make_object
from ignitemap.embedded.sql.functions import NAMES
from ignitemap.embedded.sql.like import like, like_without_case
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.types import SqlType
from ignitemap.protocol.cache_config import CacheConfig, IndexType, QueryEntity, QueryField, QueryIndex
from ignitemap.protocol.types import codes
from tests.embedded.sql.small_node import SmallNode
from tests.embedded.sql.typed import encode_argument


@pytest.fixture
def node() -> Iterator[SmallNode]:
    """A node with a table."""
    node = SmallNode()
    node.ask("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR, n INT)")
    node.ask("CREATE INDEX by_name ON t (name, n DESC)")
    node.ask("INSERT INTO t VALUES (1, '😀', 1), (2, 'ab', 2), (3, '\uffff', 3)")
    yield node
    node.close()


def values(node: SmallNode, sql: str, *arguments: tuple[str, Any]) -> list[list[Any]]:
    """The values of the rows that a statement answers."""
    answer = node.ask(sql, arguments)
    assert "rows" in answer, answer
    return [[value for _, value in row] for row in answer["rows"]]


@pytest.mark.parametrize(
    ("text", "pattern", "found"),
    [
        ("😀", "_", 0),
        ("😀", "__", 1),
        ("a\nb", "a_b", 1),
        ("a%b", "a\\%b", 1),
        ("axb", "a\\%b", 0),
        ("a[b", "a[_", 1),
        ("Ab", "ab", 0),
        ("ab", "a\\b", None),
        (None, "a", None),
        ("a", None, None),
    ],
)
def test_like(text: str | None, pattern: str | None, found: int | None) -> None:
    """An underscore is one UTF-16 unit, a backslash takes the meaning from the next wildcard."""
    assert like(text, pattern) == found


def test_like_without_case() -> None:
    """ILIKE."""
    assert like_without_case("Ab", "aB") == 1
    assert like_without_case("Ab", "a_c") == 0


def test_like_in_statements(node: SmallNode) -> None:
    """Constant patterns and those of parameters find the same."""
    for pattern, found in (("__", [1, 2]), ("_", [3]), ("a%", [2]), ("\ufffd%", []), ("\uffff%", [3])):
        expected = [[each] for each in found]
        assert values(node, f"SELECT id FROM t WHERE name LIKE '{pattern}' ORDER BY id") == expected
        assert values(node, "SELECT id FROM t WHERE name LIKE ? ORDER BY id", ("STR", pattern)) == expected


def test_parameters_of_what_is_folded_away(node: SmallNode) -> None:
    """A parameter whose expression is a constant in the end may be missing from SQLite's statement."""
    assert values(node, "SELECT id FROM t WHERE FALSE AND n > ?", ("INT", 1)) == []
    assert values(node, "SELECT id FROM t WHERE n = ? AND (TRUE OR n > ?)", ("INT", 2), ("INT", 7)) == [[2]]


def test_hyperbolic_functions_have_limits(node: SmallNode) -> None:
    """COSH and SINH are infinite where a double ends, not before, and NaN of NaN."""
    [[cosine, sine, *infinite]] = values(node, "SELECT COSH(-710.4), SINH(-710.4), COSH(710.48), SINH(-710.48)")
    assert (float(cosine), float(sine)) == pytest.approx((math.cosh(710.4), -math.cosh(710.4)), rel=1e-15)
    assert infinite == ["inf", "-inf"]
    assert values(node, "SELECT COSH(n), SINH(n) FROM (SELECT ACOS(2) AS n)") == [["nan", "nan"]]


def test_a_time_is_multiplied_within_a_day(node: SmallNode) -> None:
    """As Java's doubles have it: NaN is nothing, infinity too much."""
    hours = 3_600_000
    times = "SELECT TIME '02:00:00' * 3, 1.5 * TIME '02:00:00', TIME '02:00:00' / 4, TIME '00:00:00' / 0"
    assert values(node, times) == [[6 * hours, 3 * hours, hours // 2, 0]]
    assert values(node, "SELECT TIME '02:00:00' * x, TIME '02:00:00' / NULL FROM (SELECT ACOS(2) AS x)") == [[0, None]]
    for factor in ("* 12", "* -1", "/ 0", "* 1e300", "/ TIME '01:00:00'"):
        assert node.ask(f"SELECT TIME '02:00:00' {factor}")["error"].startswith("50000")


def test_the_alias_of_joined_tables_is_that_of_the_first(node: SmallNode) -> None:
    """It replaces the name that the conditions inside have; names without a table stay as they are."""
    joined = "SELECT j.id, u.n FROM (t JOIN t u ON t.id = u.id AND t.n < 3) j ORDER BY 1"
    assert values(node, joined) == [[1, 1], [2, 2]]
    unnamed = "SELECT j.x, n FROM (SYSTEM_RANGE(1, 2) JOIN t ON n = X) j ORDER BY 1"
    assert values(node, unnamed) == [[1, 1], [2, 2]]


def test_long_statements(node: SmallNode) -> None:
    """Hundreds of conditions, texts and rows are joined; what goes beyond SQLite or Python is refused by name."""
    for operator, expected in (("OR", [1, 2]), ("AND", [])):
        conditions = f" {operator} ".join(f"n = {number}" for number in (1, 2, *range(10, 500)))
        assert values(node, f"SELECT id FROM t WHERE {conditions} ORDER BY id") == [[each] for each in expected]
    assert values(node, f"SELECT LENGTH('a'{'||name' * 90}) FROM t WHERE id = 2") == [[181]]
    assert values(node, f"SELECT SUM(c1) FROM (VALUES {', '.join(f'({number})' for number in range(1000))})") == [
        [499500]
    ]
    for statement in (
        f"SELECT id FROM t WHERE {' OR '.join(['n = 1'] * 3000)}",
        f"SELECT {'n+' * 300}n FROM t",
        f"SELECT {'n+' * 80}n FROM t",
        f"SELECT {'(' * 3000}1{')' * 3000}",
    ):
        assert node.ask(statement)["error"].startswith("0A000: The embedded node does not support a statement this")


def test_a_view_that_reads_itself(node: SmallNode) -> None:
    """It can be made, as a view is not looked into before it is used; then it is invalid, also by way of another."""
    values(node, "CREATE VIEW v AS SELECT 1 AS x FROM w")
    values(node, "CREATE VIEW w AS SELECT x FROM v")
    assert node.ask("SELECT x FROM v")["error"].startswith('42000: Failed to parse query. View "PUBLIC.V" is invalid')
    assert node.ask("SELECT x FROM t, w")["error"].startswith('42000: Failed to parse query. View "PUBLIC.W" is inv')


def test_aggregates_where_none_can_be(node: SmallNode) -> None:
    """There are no groups where tables are joined, nor in what a query is grouped by."""
    for sql in ("SELECT a.id FROM t a JOIN t b ON MAX(a.n) = 1", "SELECT MAX(a.n) AS m FROM t a GROUP BY m"):
        assert 'Invalid use of aggregate function "MAX(A.N)"' in node.ask(sql)["error"]


def test_explain_has_the_names_of_the_catalog(node: SmallNode) -> None:
    """Tables, indexes and columns appear as they were made."""
    [[plan]] = values(node, "EXPLAIN SELECT n FROM t WHERE name = 'ab'")
    assert '"PUBLIC"."T"' in plan
    assert '"PUBLIC"."BY_NAME" (NAME=?)' in plan
    [[plan]] = values(node, "EXPLAIN SELECT n FROM t WHERE id = 1")
    assert '"PUBLIC"."_key_PK" (ID=?)' in plan


def test_a_field_keeps_its_type(node: SmallNode) -> None:
    """A dropped column may come back with the type that its values have, with no other."""
    node.ask("CREATE TABLE u (id INT PRIMARY KEY, a INT)")
    node.ask("ALTER TABLE u ADD COLUMN v BIGINT")
    node.ask("INSERT INTO u VALUES (1, 2, 3)")
    node.ask("ALTER TABLE u DROP COLUMN v")
    assert node.ask("ALTER TABLE u ADD COLUMN v VARCHAR")["error"] == (
        "42000: Column already exists: with a different type."
    )
    node.ask("ALTER TABLE u ADD COLUMN v BIGINT")
    assert values(node, "SELECT v FROM u") == [[3]]


def entity(**more: Any) -> QueryEntity:
    """A table of words under INT keys."""
    fields = (
        QueryField(name="text", type_name="java.lang.String", not_null=True, precision=3),
        QueryField(name="n", type_name="java.lang.Integer"),
        QueryField(name="kind", type_name="java.lang.Object"),
    )
    return QueryEntity(key_type="java.lang.Integer", value_type="demo.Word", fields=fields, **more)


def test_what_a_put_may_not_store(node: SmallNode) -> None:
    """NOT NULL, sizes and types of columns bind those who write without SQL too."""
    cache = node.make_table("words")
    node.engine.add_cache(cache, "words", CacheConfig(name="words", query_entities=(entity(),)))
    shape = node.engine.shape(cache)
    assert shape is not None
    key = encode_argument("INT", 1)
    for fields, message in (
        ({"n": (SqlType.INT, 1)}, "Null value is not allowed for column 'TEXT'"),
        ({"text": (SqlType.STRING, "a😀b")}, "'TEXT' is too long. Maximum length: 3, actual length: 4"),
        (
            {"text": (SqlType.STRING, "a"), "n": (SqlType.STRING, "x")},
            "Type for a column 'N' is not compatible .* Expected 'Integer', actual type 'String'",
        ),
    ):
        with pytest.raises(SqlFailure, match=message):
            shape.derive(key, make_object(node, "demo.Word", fields))


def test_a_column_of_any_type(node: SmallNode) -> None:
    """A column of objects holds texts and enums; an enum is the same under both codes that clients write."""
    cache = node.make_table("words")
    node.engine.add_cache(cache, "words", CacheConfig(name="words", query_entities=(entity(),)))
    constant = (5).to_bytes(4, "little") + bytes(4)
    enum, binary_enum = bytes((codes.ENUM,)) + constant, bytes((codes.BINARY_ENUM,)) + constant
    for key, kind in ((1, (SqlType.STRING, "x")), (2, (SqlType.OBJECT, enum)), (3, (SqlType.OBJECT, binary_enum))):
        word = make_object(node, "demo.Word", {"text": (SqlType.STRING, "ab"), "kind": kind})
        node.put(cache, encode_argument("INT", key), word)
    for code in (enum, binary_enum):
        found = node.engine.execute('SELECT _KEY FROM "words".Word WHERE kind = ? ORDER BY _KEY', [code])
        assert [row[0] for row in found.rows] == [encode_argument("INT", 2), encode_argument("INT", 3)]
    assert values(node, 'SELECT kind FROM "words".Word WHERE _KEY = 1') == [["x"]]


def test_full_text_indexes_are_kept_and_not_shown(node: SmallNode) -> None:
    """Clients read them back from the configuration; no request of theirs uses them."""
    words = QueryIndex(name="words", type=IndexType.FULLTEXT, inline_size=-1, fields=(("text", False),))
    cache = node.make_table("words")
    node.engine.add_cache(cache, "words", CacheConfig(name="words", query_entities=(entity(indexes=(words,)),)))
    [found] = node.engine.entities(cache)
    assert [(each.name, each.type) for each in found.indexes] == [("WORDS", IndexType.FULLTEXT)]
    assert values(node, "SELECT COUNT(*) FROM SYS.INDEXES WHERE INDEX_NAME = 'WORDS'") == [[0]]


WORDS = """
SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET JOIN LEFT ON AS AND OR NOT IN IS NULL CASE WHEN THEN ELSE END
INSERT INTO VALUES UPDATE SET DELETE MERGE CREATE TABLE INDEX DROP ALTER ADD COLUMN WITH UNION ALL EXISTS CAST
t id name n x ? * , ( ) . = < >= <> + - / || ; 1 2.5 1e3 'a' '' "T" X'00' DATE '2024-01-01' LIKE BETWEEN
COUNT SUM GROUP_CONCAT SYSTEM_RANGE SYS . TABLES PRIMARY KEY INT VARCHAR DISTINCT ROWNUM INTERVAL @ $ # ' "
"""


@pytest.mark.parametrize("seed", range(20))
def test_what_is_no_statement(node: SmallNode, seed: int) -> None:
    """Random words are answered or refused; nothing else comes out of the engine."""
    chance = random.Random(seed)
    names, all_words = sorted(NAMES), WORDS.split()
    for _ in range(100):
        words = chance.choices(all_words, k=chance.randrange(1, 14))
        if chance.random() < 0.3:
            words += [chance.choice(names), "(", *chance.choices(["id", "name", ",", "1", "'a'", "NULL"], k=3), ")"]
        if chance.random() < 0.6:
            words = ["SELECT", *words, "FROM", "t"]
        sql = " ".join(words)
        answer = node.ask(sql, [("INT", 1)] * sql.count("?"))
        assert "rows" in answer or answer["error"][5] == ":", (sql, answer)
