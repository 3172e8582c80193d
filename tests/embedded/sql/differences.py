"""What the embedded node answers otherwise than a real one, statement by statement, each with its reason.

The reasons are the headings of docs/embedded-sql.md, "Where answers differ".
"""

ARRAYS = "arrays and table functions are refused"
EXPLAIN = "EXPLAIN shows SQLite's plan"
RANDOM = "a random value"
REFUSED = "statements of a cluster are refused by name"
WHOLE = "a failed UPDATE changes nothing"
ORDER = "rows that are not returned may not be computed"
CONCAT = "CONCAT of one value"
CATALOG = "the catalog view was read while the node was rebuilding it"
STATEMENT = "ALTER TABLE is all or nothing"
SUMS = "sums of DOUBLE depend on the order of the rows"
DOLLARS = "$$text$$ is read as text"
NAMES = "names of unnamed subqueries"
WRONG = "what a cluster answers wrongly is refused"
COLOCATION = "a join that works here may need colocation on a cluster"

DIFFERENCES: dict[str, dict[str, str]] = {
    "dialect": {
        "SELECT * FROM emb_person ORDER BY id": RANDOM,
        "SELECT * FROM TABLE(id INT = (1, 2), name VARCHAR = ('a', 'b'))": ARRAYS,
        "SELECT ARRAY_LENGTH((1,2,3))": ARRAYS,
        "SELECT order_id, line, qty, price FROM emb_order WHERE order_id = 1 ORDER BY line": WHOLE,
        "EXPLAIN SELECT id FROM emb_city WHERE id = 1": EXPLAIN,
        "COPY FROM 'none.csv' INTO emb_city (id, name) FORMAT CSV": REFUSED,
        "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'EMB_CITY'": CATALOG,
        "SELECT COLUMN_NAME, TYPE, PK, NULLABLE FROM SYS.TABLE_COLUMNS WHERE TABLE_NAME = 'EMB_CITY' ORDER BY 1": CATALOG,
    },
    "corners": {
        "SELECT INSERT('hello', 2, NULL, 'x')": WRONG,
        "SELECT INSERT(g, id, n, 'zz') FROM rr3 ORDER BY id": WRONG,
        "SELECT INSERT(g, 2, CAST(NULL AS INT), 'x') FROM rr3 ORDER BY id": WRONG,
        "SELECT INSERT(g, id, n, 'zz') FROM pp3 ORDER BY id": WRONG,
        "SELECT INSERT(g, 2, CAST(NULL AS INT), 'x') FROM pp3 ORDER BY id": WRONG,
        "SELECT MAX(MAX(v)) FROM wo": WRONG,
        "SELECT SUM(COUNT(*)) FROM wo": WRONG,
        "SELECT k FROM wo GROUP BY k HAVING MAX(MAX(k)) > 1": WRONG,
        "SELECT MAX(X), MAX(MAX(X)) FROM SYSTEM_RANGE(1,3)": WRONG,
        "SELECT MAX(MIN(X)) FROM SYSTEM_RANGE(1,3)": WRONG,
        "SELECT SUM(k) FILTER (WHERE v = 'a') FROM wo": WRONG,
        "SELECT v, SUM(k) FILTER (WHERE v = 'a') FROM wo GROUP BY v": WRONG,
        "SELECT k FROM wo GROUP BY k HAVING SUM(k) FILTER (WHERE v = 'a') > 0": WRONG,
        "SELECT COUNT(*) FILTER (WHERE X > 1) FROM SYSTEM_RANGE(1,3), wo": WRONG,
        "SELECT (SELECT COUNT(*) FILTER (WHERE X > 1) FROM SYSTEM_RANGE(1,3)) FROM wo": WRONG,
        "SELECT k FROM wo WHERE k IN (SELECT SUM(k) FILTER (WHERE k > 1) FROM wo)": WRONG,
        "SELECT (SELECT SUM(n) FILTER (WHERE b) FROM rr3) FROM rr3 WHERE id = 1": NAMES,
        "SELECT SUM(n) FILTER (WHERE b) FROM pp3": WRONG,
        "SELECT (SELECT x.v FROM g6 x WHERE x.id = q.id) FROM (SELECT id, SUM(v) AS s FROM g6 GROUP BY id) q WHERE EXISTS"
        " (SELECT 1 FROM g6 x WHERE q.id = x.id)": NAMES,
        "SELECT (SELECT v FROM g6 x WHERE _KEY = q.id) FROM (SELECT id, SUM(v) AS s FROM g6 GROUP BY id) q WHERE q.s > 0"
        " AND q.id IN (SELECT id FROM g6)": NAMES,
        "SELECT (SELECT x.nm FROM g6 x WHERE x.id = h6.a) FROM h6 ORDER BY a, b": NAMES,
        "SELECT g, COUNT(*) FILTER (WHERE n > 5) FROM pp3 GROUP BY g ORDER BY g": WRONG,
    },
    "shop": {},
    "company": {},
    "airline": {
        "SELECT XMLTEXT('<a>'), XMLNODE('a', NULL, 'b'), XMLCOMMENT('x'), XMLCDATA('y')": REFUSED,
        "SELECT SUM(lat), AVG(lat), SUM(lon), AVG(lon) FROM airport": SUMS,
        "SELECT f.id, b.passenger FROM flight f NATURAL JOIN booking b": ORDER,
        "SELECT $$dollar$$": DOLLARS,
    },
    "analytics": {
        "SELECT X, (SELECT COUNT(*) FROM reading WHERE sensor_id = X) FROM SYSTEM_RANGE(1, 4) ORDER BY X": NAMES,
    },
    "admin": {
        "EXPLAIN SELECT COUNT(*) FROM pz1": EXPLAIN,
        "ALTER TABLE pq1 ADD COLUMN w INT NOT NULL": STATEMENT,
        "ALTER TABLE pq1 DROP COLUMN (w, w3)": STATEMENT,
        "ALTER TABLE pq1 ALTER COLUMN w2 BIGINT": REFUSED,
        "ALTER TABLE pq1 NOLOGGING": REFUSED,
        "CREATE SPATIAL INDEX a ON pq1 (v)": REFUSED,
        "SELECT X FROM SYSTEM_RANGE(1,3) ORDER BY ?": REFUSED,
        "SELECT (1,2) = (1,2), (1,2) < (1,3), (1,2)": ARRAYS,
        "SELECT (SELECT X, X FROM SYSTEM_RANGE(1,1))": ARRAYS,
        "SELECT USER(), DATABASE(), SCHEMA(), CURRENT_USER, H2VERSION()": REFUSED,
    },
    "edges": {},
    "forms": {},
    "grammar": {},
    "insights": {},
    "insights_partitioned": {
        "SELECT SUM(amount) FILTER (WHERE channel = 'web') AS web, SUM(amount) FILTER (WHERE channel = 'tel') AS tel"
        " FROM sale": WRONG,
    },
    "operations": {
        "SELECT COUNT(*) FROM SYS.SQL_QUERIES_HISTORY WHERE SQL = 'nothing like this'": REFUSED,
        "SELECT COUNT(*) FROM SYS.SCAN_QUERIES": REFUSED,
        "SELECT COUNT(*) > 0 FROM SYS.METRICS": REFUSED,
        "SELECT NAME, VALUE FROM SYS.METRICS WHERE NAME = 'cluster.TotalServerNodes'": REFUSED,
        "SELECT COUNT(*) > 0 FROM SYS.CONFIGURATION": REFUSED,
        "SELECT NAME FROM SYS.DATA_REGION_PAGE_LISTS LIMIT 1": REFUSED,
        "SELECT COUNT(*) > 0 FROM SYS.NODE_ATTRIBUTES": REFUSED,
        "SELECT COUNT(*) FROM SYS.NODE_METRICS": REFUSED,
        "SELECT COUNT(*) FROM SYS.PARTITION_STATES WHERE CACHE_GROUP_ID = 0": REFUSED,
        "SELECT NAME, \"VALUE\" FROM INFORMATION_SCHEMA.SETTINGS WHERE NAME = 'MODE'": REFUSED,
        "EXPLAIN SELECT * FROM host WHERE host_id = 1": EXPLAIN,
        "EXPLAIN PLAN FOR SELECT name FROM host WHERE name = 'alpha'": EXPLAIN,
        "ANALYZE host": REFUSED,
        "DROP STATISTICS host": REFUSED,
    },
    "baskets": {},
    "retail": {},
    "two_steps": {},
    "webshop": {
        "SELECT u.user_id, a.city, a.country FROM users u LEFT OUTER JOIN addresses a ON a.user_id = u.user_id"
        " AND a.kind = 'home' ORDER BY u.user_id": COLOCATION,
    },
    "webshop_partitioned": {},
}

OF_THE_NODE = frozenset(("operations", "retail"))
"""Recordings whose statements ask for the node's own views: only a whole node can answer them."""
