"""The engine and its node: what the store asks of it, what it writes, and what survives."""

import math
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ignitemap.embedded.sql.engine import Engine
from ignitemap.embedded.sql.entries import make_object, object_fields
from ignitemap.embedded.sql.seam import Action, SqlFailure, StatementType
from ignitemap.embedded.sql.types import SqlType
from ignitemap.protocol.cache_config import CacheConfig, KeyConfiguration, QueryEntity, QueryField, QueryIndex
from ignitemap.protocol.hashing import string_hash, type_id
from ignitemap.protocol.operations import IndexIn, IndexRange
from ignitemap.protocol.types.binary_object import object_bytes
from tests.embedded.sql.small_node import SmallNode
from tests.embedded.sql.typed import encode_argument

PERSON = QueryEntity(
    key_type="java.lang.Integer",
    value_type="demo.Person",
    fields=(
        QueryField(name="name", type_name="java.lang.String", not_null=True, precision=10),
        QueryField(name="age", type_name="java.lang.Integer"),
        QueryField(name="address.city", type_name="java.lang.String"),
    ),
    aliases=(("address.city", "CITY"),),
    indexes=(QueryIndex(name="by_age", type=0, inline_size=-1, fields=(("age", True),)),),
)


@pytest.fixture
def node() -> Iterator[SmallNode]:
    """A node of its own for each test."""
    made = SmallNode()
    yield made
    made.close()


def rows(node: SmallNode, sql: str, *arguments: list[Any], **more: Any) -> list[list[Any]]:
    """The values of a query, without their types."""
    answer = node.ask(sql, arguments, **more)
    assert "rows" in answer, answer
    return [[cell[1] for cell in row] for row in answer["rows"]]


def marshalled(kind: str, value: Any) -> bytes:
    """A value as it is stored."""
    return encode_argument(kind, value)


def person(node: SmallNode, name: str, age: int | None, city: str | None = None) -> bytes:
    """A value of demo.Person, written as a client writes it."""
    fields: dict[str, Any] = {"name": (SqlType.STRING, name), "age": (SqlType.INT, age)}
    if city is not None:
        address = make_object(node, "demo.Address", {"city": (SqlType.STRING, city)})
        fields["address"] = (SqlType.OBJECT, address)
    return make_object(node, "demo.Person", fields)


def add_people(node: SmallNode, **more: Any) -> int:
    """A cache with the query entity of people."""
    cache = node.make_table("people")
    node.engine.add_cache(cache, "people", CacheConfig(name="people", query_entities=(PERSON,), **more))
    return cache


def test_a_cache_with_a_query_entity_is_a_table_of_its_own_schema(node: SmallNode) -> None:
    """Entries put as objects are rows: the schema is the cache's name, nested fields and aliases are columns."""
    cache = add_people(node)
    node.put(cache, marshalled("INT", 1), person(node, "Ada", 36, "Oslo"))
    node.put(cache, marshalled("INT", 2), person(node, "Bob", None))
    assert rows(node, 'SELECT _KEY, name, age, city FROM "people".Person ORDER BY 1') == [
        [1, "Ada", 36, "Oslo"],
        [2, "Bob", None, None],
    ]
    assert rows(node, "SELECT name FROM Person WHERE age > 30", cache=cache) == [["Ada"]]
    assert node.ask("SELECT name FROM Person")["error"].startswith("42000")


def test_dml_on_a_query_entity_keeps_the_fields_it_does_not_name(node: SmallNode) -> None:
    """An UPDATE rewrites the object: fields that are no columns stay, as do those that are not assigned."""
    cache = add_people(node)
    node.put(cache, marshalled("INT", 1), person(node, "Ada", 36, "Oslo"))
    assert rows(node, 'UPDATE "people".Person SET age = age + 1') == [[1]]
    assert rows(node, 'SELECT name, age, city FROM "people".Person') == [["Ada", 37, "Oslo"]]
    assert rows(node, 'INSERT INTO "people".Person (_KEY, name) VALUES (5, ?)', ["STRING", "Eve"]) == [[1]]
    assert node.ask('INSERT INTO "people".Person (_KEY, name) VALUES (6, NULL)')["error"].startswith("22004")
    assert node.ask("INSERT INTO \"people\".Person (_KEY, name) VALUES (6, 'much too long')")["error"].startswith(
        "23000"
    )
    assert rows(node, 'DELETE FROM "people".Person WHERE _KEY = 5') == [[1]]


def test_entries_of_other_types_are_not_derived(node: SmallNode) -> None:
    """What does not match the table's key or value type is no row, whatever it is."""
    cache = add_people(node)
    shape = node.engine.shape(cache)
    assert shape is not None
    value = person(node, "Ada", 36)
    assert shape.derive(marshalled("INT", 1), value) is not None
    assert shape.derive(marshalled("LONG", 1), value) is None
    assert shape.derive(marshalled("INT", 1), marshalled("STRING", "x")) is None


def test_an_object_of_an_unregistered_schema_is_missed(node: SmallNode) -> None:
    """A compact object whose schema nobody registered is refused: the failure names it."""
    cache = add_people(node)
    shape = node.engine.shape(cache)
    assert shape is not None
    stranger = object_bytes(type_id("demo.Person"), 12345, marshalled("STRING", "x"), [24])
    with pytest.raises(SqlFailure, match="missingSchemaId=12345"):
        shape.derive(marshalled("INT", 1), stranger)


def test_two_entities_of_one_cache_are_two_tables(node: SmallNode) -> None:
    """Each table sees the entries of its own value type only."""
    cat = QueryEntity(
        key_type="java.lang.Integer",
        value_type="demo.Cat",
        fields=(QueryField(name="name", type_name="java.lang.String"),),
    )
    cache = node.make_table("zoo")
    node.engine.add_cache(cache, "zoo", CacheConfig(name="zoo", query_entities=(PERSON, cat)))
    node.put(cache, marshalled("INT", 1), person(node, "Ada", 36))
    rows(node, "INSERT INTO \"zoo\".Cat (_KEY, name) VALUES (2, 'Tom')")
    assert rows(node, 'SELECT name FROM "zoo".Person') == [["Ada"]]
    assert rows(node, 'SELECT _KEY, name FROM "zoo".Cat') == [[2, "Tom"]]
    assert rows(node, 'SELECT p.name, c.name FROM "zoo".Person p LEFT JOIN "zoo".Cat c ON c._KEY = 7') == [
        ["Ada", None]
    ]
    found = node.engine.query_index(cache, "demo.Cat", None, ())
    assert [key for key, _ in found] == [marshalled("INT", 2)]


def test_simple_keys_and_values_are_columns(node: SmallNode) -> None:
    """A cache of plain values is a table of _KEY and _VAL, or of the fields that its entity names."""
    cache = node.make_table("plain")
    entity = QueryEntity(key_type="java.lang.String", value_type="java.lang.Long", table="Counts")
    node.engine.add_cache(cache, "plain", CacheConfig(name="plain", query_entities=(entity,), sql_schema="PUBLIC"))
    node.put(cache, marshalled("STRING", "a"), marshalled("LONG", 5))
    rows(node, "INSERT INTO counts (_KEY, _VAL) VALUES ('b', 7)")
    assert rows(node, "SELECT _KEY, _VAL FROM Counts WHERE _VAL > 5") == [["b", 7]]
    assert rows(node, "UPDATE counts SET _VAL = _VAL * 2 WHERE _KEY = 'a'") == [[1]]
    assert rows(node, "SELECT SUM(_VAL) FROM counts") == [["17"]]


def test_a_query_entity_with_named_key_and_value(node: SmallNode) -> None:
    """The fields keyFieldName and valueFieldName give the whole key and value a column."""
    cache = node.make_table("named")
    entity = QueryEntity(
        key_type="java.util.UUID", value_type="java.lang.Double", table="m", key_field="id", value_field="v"
    )
    node.engine.add_cache(cache, "named", CacheConfig(name="named", query_entities=(entity,), sql_schema="public"))
    given = "6e4a5b9c-0000-4000-8000-000000000001"
    rows(node, "INSERT INTO m (id, v) VALUES (?, 2.5)", ["UUID", given])
    assert rows(node, "SELECT id, v, _KEY FROM m") == [[given, "2.5", given]]
    assert node.events[0][1].value == marshalled("DOUBLE", 2.5)


def test_stored_nan_equals_itself_and_sorts_highest(node: SmallNode) -> None:
    """NaN is kept: it comes back, is greater than any number, and equals itself."""
    cache = node.make_table("doubles")
    entity = QueryEntity(
        key_type="java.lang.Integer", value_type="java.lang.Double", table="d", key_field="id", value_field="v"
    )
    node.engine.add_cache(cache, "doubles", CacheConfig(name="doubles", query_entities=(entity,), sql_schema="PUBLIC"))
    for key, value in ((1, math.nan), (2, math.inf), (3, -1.0)):
        node.put(cache, marshalled("INT", key), b"\x06" + struct.pack("<d", value))
    assert rows(node, "SELECT id FROM d ORDER BY v DESC") == [[1], [2], [3]]
    assert rows(node, "SELECT v FROM d WHERE v = v AND id = 1") == [["nan"]]
    assert rows(node, "SELECT v + 1, -v FROM d WHERE id = 1") == [["nan", "nan"]]


def test_entities_follow_ddl(node: SmallNode) -> None:
    """What operation 1055 answers has the columns and indexes that DDL made."""
    cache = add_people(node, key_configuration=(KeyConfiguration(type_name="x", affinity_field="y"),))
    rows(node, 'ALTER TABLE "people".Person ADD COLUMN (phone VARCHAR(20))')
    rows(node, 'CREATE INDEX by_phone ON "people".Person (phone, age DESC)')
    (entity,) = node.engine.entities(cache)
    assert [field.name for field in entity.fields][-1] == "PHONE"
    assert entity.indexes[-1].fields == (("PHONE", False), ("age", True))
    rows(node, 'DROP INDEX "people".by_phone')
    assert len(node.engine.entities(cache)[0].indexes) == 1


def test_a_new_column_shows_what_the_objects_hold(node: SmallNode) -> None:
    """ALTER TABLE ADD COLUMN reads the field out of the entries that have it, and entries that don't match go aside."""
    cache = add_people(node)
    node.put(cache, marshalled("INT", 1), person(node, "Ada", 36, "Oslo"))
    rows(node, 'ALTER TABLE "people".Person DROP COLUMN city')
    assert node.ask('SELECT city FROM "people".Person')["error"].startswith("42000")
    table = f'"c{cache}"'
    node.connection.execute(
        f'INSERT INTO {table} ("$k", "$v") VALUES (?, ?)', (marshalled("LONG", 9), marshalled("INT", 1))
    )
    rows(node, 'ALTER TABLE "people".Person ADD COLUMN (nick VARCHAR, address OTHER)')
    assert rows(node, 'SELECT name, nick, address IS NOT NULL FROM "people".Person') == [["Ada", None, True]]
    aside = node.connection.execute(f'SELECT "$k" FROM "c{cache}_odd"').fetchall()
    assert aside == [(marshalled("LONG", 9),)]


def test_index_queries_are_sorted_and_bounded(node: SmallNode) -> None:
    """An index query finds entries in the index's order, by name or by its fields."""
    cache = add_people(node)
    for key, age in ((1, 30), (2, None), (3, 41), (4, 30)):
        node.put(cache, marshalled("INT", key), person(node, f"p{key}", age))

    def found(index: str | None, *criteria: IndexRange | IndexIn, limit: int = 0) -> list[int]:
        entries = node.engine.query_index(cache, "demo.Person", index, criteria, limit=limit)
        return [struct.unpack("<i", key[1:])[0] for key, _ in entries]

    thirty, forty = marshalled("INT", 30), marshalled("DOUBLE", 40.5)
    null = b"\x65"
    assert found("BY_AGE") == [3, 1, 4, 2]
    assert found("by_age", IndexRange("age", thirty, thirty)) == [1, 4]
    assert found(None, IndexRange("AGE", forty, null)) == [3]
    assert found(None, IndexRange("age", null, thirty, upper_included=False)) == [2]
    assert found(None, IndexRange("age", null, null, lower_null=True, upper_null=True)) == [2]
    assert found(None, IndexRange("age", null, null, lower_included=False, lower_null=True), limit=2) == [3, 1]
    assert found(None, IndexIn("age", (null, marshalled("INT", 41)))) == [3, 2]
    assert found(None, IndexIn("_KEY", (marshalled("INT", 3), marshalled("INT", 1)))) == [1, 3]
    assert found(None) == [1, 2, 3, 4]
    for index, criteria, message in (
        ("nope", (), "No index found for name: NOPE"),
        (None, (IndexIn("name", ()),), "No index found for criteria."),
        ("by_age", (IndexIn("name", ()),), "Index doesn't match criteria. Index BY_AGE"),
    ):
        with pytest.raises(SqlFailure, match=message.replace(".", r"\.")):
            node.engine.query_index(cache, "demo.Person", index, criteria)
    with pytest.raises(SqlFailure, match="No table found for type"):
        node.engine.query_index(cache, "demo.Nobody", None, ())


def test_an_exception_of_the_writer_passes_through(node: SmallNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the node raises while it writes comes out of execute as it is."""

    class Locked(Exception):
        pass

    def locked(cache: int, changes: Any) -> Any:
        raise Locked

    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH "cache_name=t"')
    monkeypatch.setattr(node, "apply", locked)
    with pytest.raises(Locked):
        node.engine.execute("INSERT INTO t VALUES (1, 1)")


def test_dml_hands_all_its_changes_over_at_once(node: SmallNode) -> None:
    """A statement's changes carry the action, so that the node decides what happens to an entry."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH "cache_name=t"')
    rows(node, "INSERT INTO t VALUES (1, 1), (2, 2)")
    rows(node, "MERGE INTO t (id, v) VALUES (2, 3)")
    rows(node, "UPDATE t SET v = 0 WHERE id = 1")
    rows(node, "DELETE FROM t")
    actions = [change.action for _, change in node.events]
    assert actions == [Action.INSERT, Action.INSERT, Action.PUT, Action.UPDATE, Action.REMOVE, Action.REMOVE]


def test_a_failed_statement_writes_nothing(node: SmallNode) -> None:
    """An error in any row is found before the first one is written."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v DECIMAL(4,2)) WITH "cache_name=t"')
    rows(node, "INSERT INTO t VALUES (1, 1.5), (2, 33.33)")
    assert node.ask("UPDATE t SET v = v * 30")["error"].startswith("23000")
    assert node.ask("INSERT INTO t VALUES (3, 1), (4, 'x')")["error"].startswith("0700B")
    assert rows(node, "SELECT id, v FROM t ORDER BY id") == [[1, "1.5"], [2, "33.33"]]


BOOKING = QueryEntity(
    key_type="demo.BookingKey",
    value_type="demo.Booking",
    fields=(
        QueryField(name="hotel", type_name="java.lang.Integer", is_key=True),
        QueryField(name="code", type_name="java.lang.String", is_key=True),
        QueryField(name="guest", type_name="java.lang.String"),
    ),
)


def field_names(node: SmallNode, data: bytes) -> list[str]:
    """The names of an object's fields in their order."""
    fields = node.known.types[struct.unpack_from("<i", data, 4)[0]].fields
    return [fields[each].name for each in object_fields(node.known, data)]


def test_a_null_column_is_a_field_of_the_key(node: SmallNode) -> None:
    """A key without a column is the key where it is NULL, which is the key that a client writes with all its fields."""
    cache = node.make_table("bookings")
    node.engine.add_cache(cache, "bookings", CacheConfig(name="bookings", query_entities=(BOOKING,)))
    table = '"bookings".Booking'
    rows(node, f"INSERT INTO {table} (hotel, guest) VALUES (1, 'a')")
    for columns, values in (("hotel, code, guest", "1, NULL, 'b'"), ("code, hotel, guest", "NULL, 1, 'b'")):
        assert node.ask(f"INSERT INTO {table} ({columns}) VALUES ({values})")["error"].startswith("23000")
    rows(node, f"MERGE INTO {table} (hotel, guest) VALUES (1, 'c')")
    rows(node, f"INSERT INTO {table} (guest) VALUES ('nobody')")
    assert node.ask(f"INSERT INTO {table} (hotel, code, guest) VALUES (NULL, NULL, 'x')")["error"].startswith("23000")
    assert rows(node, f"UPDATE {table} SET guest = 'd' WHERE hotel = 1 AND code IS NULL") == [[1]]
    key = make_object(node, "demo.BookingKey", {"hotel": (SqlType.INT, 1), "code": (SqlType.STRING, None)})
    assert {change.key for _, change in node.events if change.action is not Action.INSERT} == {key}
    assert rows(node, f"SELECT hotel, code, guest FROM {table} ORDER BY hotel") == [
        [None, None, "nobody"],
        [1, None, "d"],
    ]
    assert rows(node, f"DELETE FROM {table} WHERE hotel = 1") == [[1]]


def test_fields_with_a_default_come_first(node: SmallNode) -> None:
    """Keys and values have their fields in the order of the table, behind those that have a default."""
    rows(
        node,
        "CREATE TABLE t (a INT, z INT DEFAULT 2, v INT, w INT DEFAULT 1, PRIMARY KEY (z, a))"
        ' WITH "cache_name=t,key_type=TKey,value_type=T"',
    )
    rows(node, "INSERT INTO t (v, a) VALUES (5, 6)")
    change = node.events[0][1]
    assert change.value is not None
    assert field_names(node, change.key) == ["Z", "A"]
    assert field_names(node, change.value) == ["W", "V"]


def test_a_value_set_to_null_by_its_key_is_removed(node: SmallNode) -> None:
    """Where the column is the whole value and the statement names the key; otherwise NULL is refused."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR) WITH "cache_name=t,wrap_value=false"')
    rows(node, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    assert rows(node, "UPDATE t SET v = NULL WHERE id = 9") == [[0]]
    assert rows(node, "UPDATE t SET v = NULL WHERE ? = id", ["INT", 1]) == [[1]]
    assert rows(node, "UPDATE t SET v = LOWER(NULL) WHERE id = 3 - 2") == [[0]]
    assert rows(node, "UPDATE t SET v = ? WHERE v = 'x' AND _KEY = 2", ["STRING", None]) == [[0]]
    assert rows(node, "UPDATE t SET _VAL = NULL WHERE v = 'b' AND id = 2") == [[1]]
    assert [change.action for _, change in node.events[3:]] == [Action.REMOVE, Action.REMOVE]
    for condition in ("id > 2", "id = 3 OR id = 4", "id IN (3)"):
        assert node.ask(f"UPDATE t SET v = NULL WHERE {condition}")["error"].startswith("22004")
    assert rows(node, "SELECT id, v FROM t") == [[3, "c"]]


def test_an_update_by_key_takes_key_and_value_as_they_are(node: SmallNode) -> None:
    """A key of another type fails as on a cluster; a value of another type, which SQL would lose, is refused by name."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR) WITH "cache_name=t,wrap_value=false"')
    rows(node, "INSERT INTO t VALUES (1, 'a')")
    assert node.ask("UPDATE t SET v = 'b' WHERE id = ?", [["LONG", 1]])["error"] == (
        "50000: Failed to execute DML statement: the key is of the type LONG, not INT"
    )
    for value in ("5", "?"):
        error = node.ask(f"UPDATE t SET v = {value} WHERE id = 1", [["INT", 5]][: value.count("?")])["error"]
        assert error.startswith("0A000: The embedded node does not support UPDATE by key with a value of the type INT")
    assert rows(node, "UPDATE t SET v = CAST(5 AS VARCHAR) WHERE id = 1") == [[1]]
    assert rows(node, "SELECT v FROM t") == [["5"]]


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("SELECT COUNT(*) FILTER (WHERE v > 1) FROM t", "FILTER over a partitioned table"),
        ("SELECT MAX(SUM(v)) FROM t GROUP BY id", "aggregates of aggregates"),
        ("SELECT INSERT('text', 2, NULL, 'x')", "INSERT without a length"),
        ("CREATE VIEW t AS SELECT 1", "a view with the name of the table T"),
        ("CREATE TABLE IF NOT EXISTS w (id INT PRIMARY KEY, v INT)", "a table with the name of the view W"),
    ],
)
def test_what_a_cluster_answers_wrongly_is_refused_by_name(node: SmallNode, statement: str, refused: str) -> None:
    """The message names it, and nothing else is answered."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH "cache_name=t"')
    rows(node, "CREATE VIEW w AS SELECT v FROM t")
    error = node.ask(statement)["error"]
    assert "0A000: The embedded node does not support " + refused in error


def test_a_cluster_gathers_rows_where_no_table_is(node: SmallNode) -> None:
    """What is computed of a query's aggregates may not read tables; what the nodes compute before may."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH "cache_name=t"')
    rows(node, "INSERT INTO t VALUES (1, 5), (2, 7)")
    totals = "(SELECT id, SUM(v) AS s FROM t GROUP BY id) q"
    for condition in ("q.s > (SELECT MIN(v) FROM t)", "q.id > 0 AND EXISTS (SELECT 1 FROM t x WHERE x.v = q.s)"):
        error = node.ask(f"SELECT q.id FROM {totals} WHERE {condition}")["error"]
        assert error == "50000: Failed to generate REDUCE query. Data table found: T"
    for joined in (
        f"SELECT (SELECT x.v FROM t x WHERE x.id = q.id) FROM {totals} WHERE EXISTS (SELECT 1 FROM t x WHERE q.id = x.id)",
        f"SELECT (SELECT v FROM t x WHERE _KEY = q.id) FROM {totals} WHERE q.s > 0 AND q.id IN (SELECT id FROM t)",
    ):
        assert rows(node, joined) == [[5], [7]]
    for run in (
        f"SELECT (SELECT 1 FROM t x WHERE x.id = q.id) FROM {totals}",
        f"SELECT (SELECT x.v + 1 FROM t x WHERE x.id = q.id) FROM {totals}",
        f"SELECT q.id FROM {totals} WHERE NOT EXISTS (SELECT 1 FROM t x WHERE x.id = q.id)",
        f"SELECT q.id FROM {totals} WHERE EXISTS (SELECT 1 FROM t x WHERE x.id = x.v)",
        f"SELECT q.id FROM {totals} WHERE EXISTS (SELECT 1 FROM t x WHERE x.id = q.id ORDER BY 1)",
        f"SELECT q.id FROM {totals} WHERE EXISTS (SELECT 1 FROM t x, t y WHERE x.id = q.id)",
        f"SELECT q.id FROM {totals} WHERE EXISTS (SELECT 1 FROM (SELECT id FROM t) x WHERE x.id = q.id)",
        f"SELECT q.id FROM {totals} WHERE q.s IN (SELECT v FROM t)",
        f"SELECT q.id FROM {totals} WHERE q.s = (SELECT x.v FROM t x WHERE x.id = q.id)",
        f"SELECT q.id FROM {totals} WHERE q.id IN (SELECT id FROM t UNION SELECT v FROM t)",
    ):
        assert node.ask(run)["error"].startswith("50000: Failed to generate REDUCE query."), run
    before = f"SELECT q.id FROM {totals} JOIN t x ON x.id = q.id WHERE x.v > (SELECT MIN(v) FROM t)"
    assert rows(node, before) == [[2]]
    assert rows(node, f"WITH w AS (SELECT 6 AS n) SELECT q.id FROM {totals} WHERE q.s > (SELECT n FROM w)") == [[2]]
    nested = "WITH w AS (SELECT v FROM t), u AS (SELECT MIN(v) AS n FROM w)"
    assert node.ask(f"{nested} SELECT q.id FROM {totals} WHERE q.s > (SELECT n FROM u)")["error"].startswith("50000")


def test_other_names_for_columns_of_partitioned_tables_are_not_found(node: SmallNode) -> None:
    """A cluster loses them; the error says what to write instead. The same names, and replicated tables, are fine."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH "cache_name=t"')
    rows(node, 'CREATE TABLE r (id INT PRIMARY KEY, v INT) WITH "cache_name=r,template=replicated"')
    rows(node, "INSERT INTO t VALUES (1, 2)")
    rows(node, "INSERT INTO r VALUES (1, 2)")
    for query in ("WITH q (id, n) AS (SELECT id, v FROM t) SELECT n FROM q", "SELECT n FROM t AS q (k, w, id, n)"):
        assert node.ask(query)["error"].startswith('42000: Failed to parse query. Column "Q.')
        assert rows(node, query.replace("FROM t", "FROM r")) == [[2]]
    assert rows(node, "WITH q (id, v) AS (SELECT id, v FROM t) SELECT v FROM q") == [[2]]


def test_deleting_by_a_key_of_another_type_finds_nothing_and_says_so(
    node: SmallNode, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a cluster a BIGINT is no INT key; the log tells why."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH "cache_name=t"')
    rows(node, "INSERT INTO t VALUES (1, 1)")
    assert rows(node, "DELETE FROM t WHERE id = ?", ["LONG", 1]) == [[0]]
    assert "finds nothing" in caplog.text
    assert rows(node, "DELETE FROM t WHERE id = ?", ["INT", 1]) == [[1]]


def test_definitions_and_plans_survive_a_restart(tmp_path: Path) -> None:
    """Tables, indexes, defaults and views are read again from the file; rows are where they were."""
    path = str(tmp_path / "node.db")
    first = SmallNode(path)
    rows(
        first,
        "CREATE TABLE t (id INT, k VARCHAR, v DECIMAL(8,2) DEFAULT 1.25, b BINARY DEFAULT X'0A', PRIMARY KEY (id, k))"
        ' WITH "cache_name=t,key_type=TKey,value_type=T"',
    )
    rows(first, "CREATE INDEX t_v ON t (v DESC)")
    rows(first, "CREATE VIEW w AS SELECT id, v FROM t WHERE v > 1")
    rows(first, "INSERT INTO t (id, k) VALUES (1, 'a')")
    known, names = first.known, first.names
    first.close()
    second = SmallNode(path)
    second.known, second.names = known, names
    second.engine = Engine(second.connection, types=second, writer=second, caches=second)
    assert rows(second, "SELECT id, v FROM w") == [[1, "1.25"]]
    rows(second, "ALTER TABLE t ADD COLUMN more INT")
    rows(second, "INSERT INTO t (id, k, more) VALUES (2, 'b', 5)")
    assert rows(second, "SELECT id, v, b, more FROM t ORDER BY id") == [[1, "1.25", "0a", None], [2, "1.25", "0a", 5]]
    assert rows(second, "SELECT INDEX_NAME FROM SYS.INDEXES WHERE INDEX_NAME = 'T_V'") == [["T_V"]]
    second.close()


def test_a_failed_definition_leaves_nothing(node: SmallNode) -> None:
    """When one of a cache's entities can't be a table, none is, and the file has no trace."""
    cache = node.make_table("people")
    twin = QueryEntity(key_type="java.lang.Integer", value_type="demo.Person")
    with pytest.raises(SqlFailure, match="Table already exists"):
        node.engine.add_cache(cache, "people", CacheConfig(name="people", query_entities=(PERSON, twin)))
    assert node.engine.shape(cache) is None
    assert node.connection.execute("SELECT COUNT(*) FROM ig_entity").fetchone() == (0,)
    node.engine.add_cache(cache, "people", CacheConfig(name="people", query_entities=(PERSON,)))
    assert rows(node, 'SELECT COUNT(*) FROM "people".Person') == [[0]]


def test_dropping_a_cache_forgets_its_tables(node: SmallNode) -> None:
    """Neither table nor schema is left."""
    cache = add_people(node)
    before = node.engine.version
    node.engine.drop_cache(cache)
    assert node.engine.version > before
    assert node.ask('SELECT 1 FROM "people".Person')["error"].startswith("42000")
    assert node.engine.shape(cache) is None
    node.engine.drop_cache(cache)


def test_columns_that_differ_by_case_only_are_refused(node: SmallNode) -> None:
    """Their fields would have one id: a real node returns one value for both."""
    answer = node.ask('CREATE TABLE t (id INT PRIMARY KEY, "Name" VARCHAR, name VARCHAR)')
    assert answer["error"] == '42000: Columns "Name" and "NAME" differ only by case'


def test_statement_types_are_checked(node: SmallNode) -> None:
    """A request for a query does not run DML, nor the other way round."""
    with pytest.raises(SqlFailure) as failure:
        node.engine.execute("SELECT 1", statement_type=StatementType.UPDATE)
    assert failure.value.sqlstate == "42000"
    with pytest.raises(SqlFailure):
        node.engine.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT)", statement_type=StatementType.SELECT)
    assert node.engine.execute("SELECT 1", statement_type=StatementType.SELECT).affected is None


def test_a_statement_ends_at_its_timeout(node: SmallNode) -> None:
    """A query that would take minutes fails soon after its time is up."""
    answer = node.ask("SELECT COUNT(*) FROM SYSTEM_RANGE(1, 1000000000)", timeout=0.05)
    assert answer["error"].startswith("57014")
    assert rows(node, "SELECT 1") == [[1]]


def test_parameters_of_every_type(node: SmallNode) -> None:
    """A parameter that is only selected comes back as it was given."""
    given = [
        ["BYTE", -1], ["SHORT", 300], ["INT", 7], ["LONG", 2**40], ["FLOAT", 0.5], ["DOUBLE", 2.25], ["STRING", "é"],
        ["BOOL", True], ["DECIMAL", "1.50"], ["UUID", "f0000000-0000-4000-8000-000000000002"], ["BYTES", "00ff"],
        ["TS", "2024-01-31 10:20:30.123456789"], ["TIME", 3_600_000], ["STRING", None],
    ]  # fmt: skip
    marks = ", ".join("?" * len(given))
    (row,) = rows(node, f"SELECT {marks}", *given)
    assert row == [
        -1, 300, 7, 2**40, "0.5", "2.25", "é", True, "1.50", "f0000000-0000-4000-8000-000000000002", "00ff",
        "2024-01-31 10:20:30.123456789", 3_600_000, None,
    ]  # fmt: skip


def test_too_few_parameters(node: SmallNode) -> None:
    """The number is checked once the statement is known to be good."""
    assert node.ask("SELECT ?, ?", [["INT", 1]])["error"] == (
        "50000: Invalid number of query parameters [expected=2, actual=1]"
    )
    assert node.ask("SELECT ? FROM nothing")["error"].startswith("42000")


def test_what_is_refused_is_refused_by_name(node: SmallNode) -> None:
    """Every refusal of the embedded node alone says what it is and has the SQLSTATE of an unsupported feature."""
    for sql in (
        "SELECT x FROM TABLE(x INT = (1, 2))", "SELECT ARRAY_GET((1, 2), 1)", "COPY FROM 'f' INTO t (a) FORMAT CSV",
        "SELECT DATABASE()", "SELECT CAST(1 AS GEOMETRY)", "SELECT * FROM INFORMATION_SCHEMA.SETTINGS",
        "SELECT * FROM SYS.METRICS", "SELECT FORMATDATETIME(NOW(), 'G')", "SELECT TO_CHAR(1, 'RN')", "SELECT ENCRYPT('a', X'00', X'00')",
        "SELECT TIMESTAMP WITH TIME ZONE '2024-01-01 00:00:00+01'", "MERGE INTO t USING u ON (1 = 1) WHEN MATCHED THEN UPDATE SET a = 1",
        "CREATE SPATIAL INDEX i ON t (a)", "SELECT 1 FROM DUAL ORDER BY ?", "SELECT (1, 2) < (1, 3)",
        "SELECT 1 = ANY(?)", "SELECT a[1] FROM t", "SELECT 1 && 2", "SELECT INTERSECTS(1, 2)", "SELECT 1 WHERE INTERSECTS (1, 2)",
        "SELECT TO_CHAR(DATE '2024-01-01', 'WW')", "SELECT TO_CHAR(DATE '2024-01-01')", "SELECT TO_CHAR(1, '9', 'x')",
        "SELECT TO_DATE('01 2024', 'DDD YYYY')", "SELECT TO_DATE('2024-02-30', 'YYYY-MM-DD')",
        "SELECT FORMATDATETIME(NOW(), 'yyyy', 'en')", "SELECT PARSEDATETIME('2024', 'yyyy', 'en')",
        "SELECT 1 LIMIT 1 SAMPLE_SIZE 5", "WITH x AS (SELECT 1) DELETE FROM t", "UPDATE t SET (a, b) = (1, 2)", "EXPLAIN ANALYZE SELECT 1",
        "KILL CLIENT ALL", "SELECT CAST((1, 2) AS VARCHAR)", "SELECT MAX((1, 2))", "SELECT (1, 2) = (1, 2, 3)",
        "CREATE TABLE n (id INT PRIMARY KEY, a INT) WITH \"encrypted=true\"",
        "SELECT (1, 2)", "SELECT 1 FROM DUAL WHERE (1, 2) IN (SELECT 1)",
    ):  # fmt: skip
        arguments = [["INT", 1]] * sql.count("?")
        assert node.ask(sql, arguments).get("error", "").startswith("0A000: The embedded node does not support"), sql


def test_kill_finds_what_is_there(node: SmallNode) -> None:
    """KILL of another node's query, or of what does not exist, is answered; what a client has is left to that client."""
    own = node.rows("NODES")[0]["NODE_ID"]
    stranger = "6fa749ee-7cf8-4635-be10-36a1c75267a7"
    for statement, error in (
        (f"KILL QUERY '{own}_7'", "50000: Query with provided ID doesn't exist"),
        (f"KILL QUERY '{stranger}_7'", "50000: Failed to cancel query, node is not alive"),
        (f"KILL CONTINUOUS '{own}' '{stranger}'", "0A000: The embedded node does not support KILL CONTINUOUS"),
        (f"KILL SCAN '{own}' 'c' 1", "0A000: The embedded node does not support KILL SCAN"),
        ("KILL TRANSACTION '5'", "0A000: The embedded node does not support KILL TRANSACTION"),
        ("KILL CLIENT 7", "0A000: The embedded node does not support KILL CLIENT"),
    ):
        assert node.ask(statement)["error"].startswith(error), statement
    for statement in ("KILL TRANSACTION '6'", "KILL CLIENT 8", f"KILL SCAN '{stranger}' 'c' 1"):
        assert rows(node, statement) == [[0]]


def test_a_table_of_a_query_entity_is_not_dropped_by_drop_table(node: SmallNode) -> None:
    """Its cache was not made by CREATE TABLE."""
    add_people(node)
    assert node.ask('DROP TABLE "people".Person')["error"].startswith("50000: Only cache created with CREATE TABLE")


def test_simple_keys_and_values_are_given_as_a_whole(node: SmallNode) -> None:
    """_KEY and _VAL take simple values; objects are refused as on a cluster, whose columns they are; NULL is no key."""
    entity = QueryEntity(key_type="java.lang.String", value_type="java.lang.Long", table="Counts")
    cache = node.make_table("plain")
    node.engine.add_cache(cache, "plain", CacheConfig(name="plain", query_entities=(entity,), sql_schema="PUBLIC"))
    assert node.ask("INSERT INTO counts (_KEY, _VAL) VALUES (NULL, 3)")["error"].startswith("22004: Key for INSERT")
    rows(
        node, 'CREATE TABLE t (a INT, b INT, c INT, PRIMARY KEY (a, b)) WITH "cache_name=t,key_type=TKey,value_type=T"'
    )
    for columns, error in (
        ("_KEY, c", "0A000: Update of composite key column is not supported"),
        ("_KEY, _VAL, c", "0A000: Update of composite key column is not supported"),
        ("a, b, _VAL", "0A000: Update of composite value column is not supported"),
        ("a, _KEY, c", "42000: Column _KEY refers to entire key cache object."),
        ("a, c, _VAL", "42000: Column _VAL refers to entire value cache object."),
    ):
        marks = ", ".join("?" * len(columns.split(",")))
        assert node.ask(f"INSERT INTO t ({columns}) VALUES ({marks})")["error"].startswith(error)
    assert node.ask("UPDATE t SET _VAL = NULL")["error"] == "0A000: Update of composite value column is not supported"


def test_dates_of_clients(node: SmallNode) -> None:
    """A java.util.Date is a TIMESTAMP; one that no calendar has is refused."""
    assert rows(node, "SELECT ?", ["DATE", "2024-01-31"]) == [["2024-01-31 00:00:00.000000000"]]
    with pytest.raises(SqlFailure, match="50000: .*out of range"):
        node.engine.execute("SELECT ?", [b"\x0b" + (2**62).to_bytes(8, "little")])


def test_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python whose SQLite is too old gets an error that names the version."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 24, 0))
    with pytest.raises(RuntimeError, match=r"3\.30 or newer"):
        SmallNode()


def test_cache_ids_are_the_tables_of_sqlite(node: SmallNode) -> None:
    """A table's rows are in the table of its cache, whose id is the hash of its name."""
    rows(node, 'CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH "cache_name=Some_Cache"')
    rows(node, "INSERT INTO t VALUES (1, 2)")
    cache = string_hash("Some_Cache")
    assert node.connection.execute(f'SELECT f1, f2 FROM "c{cache}"').fetchall() == [(1, 2)]
    rows(node, "DROP TABLE t")
    assert cache not in node.names
