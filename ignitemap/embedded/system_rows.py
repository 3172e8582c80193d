"""What the SYS views show of a node: its caches, nodes, connections and transactions, and the statement that asks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import attrs

from ignitemap.embedded.caches import Cache
from ignitemap.embedded.transactions import Isolation
from ignitemap.protocol.binary_type import BinaryType
from ignitemap.protocol.hashing import string_hash

if TYPE_CHECKING:
    from ignitemap.embedded.cluster import Cluster
    from ignitemap.embedded.session import Session
    from ignitemap.embedded.sql.catalog import Catalog
    from ignitemap.embedded.transactions import Transaction

__all__ = ["Running", "view_rows"]

Row = Mapping[str, object]

ALWAYS_EMPTY: Final = frozenset(
    [
        "DATASTREAM_THREADPOOL_QUEUE",
        "DS_ATOMICREFERENCES",
        "DS_ATOMICSEQUENCES",
        "DS_ATOMICSTAMPED",
        "DS_COUNTDOWNLATCHES",
        "DS_QUEUES",
        "DS_REENTRANTLOCKS",
        "DS_SEMAPHORES",
        "JOBS",
        "SERVICES",
        "SNAPSHOT",
        "STATISTICS_CONFIGURATION",
        "STATISTICS_GLOBAL_DATA",
        "STATISTICS_LOCAL_DATA",
        "STATISTICS_PARTITION_DATA",
        "STRIPED_THREADPOOL_QUEUE",
        "TASKS",
    ]
)
"""Views of what an embedded node does not have: compute, services, snapshots, statistics, the structures of Java."""


@attrs.frozen
class Running:
    """The statement that runs."""

    session: "Session"
    transaction: "Transaction | None"
    text: str
    number: int
    schema: str


def view_rows(view: str, cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row] | None:
    """The rows of a view of the node's own, None where the node does not know them."""
    make = VIEWS.get(view)
    if make is None:
        return () if view in ALWAYS_EMPTY else None
    return make(cluster, catalog, running)


def caches(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    return [
        cache_row(cache, by_sql=any(table.ddl for table in catalog.by_cache.get(cache.number, ())))
        for cache in cluster.caches.values()
    ]


def cache_groups(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    groups: dict[str, list[Cache]] = {}
    for cache in cluster.caches.values():
        groups.setdefault(cache.config.group or cache.name, []).append(cache)
    return [group_row(name, members) for name, members in groups.items()]


def nodes(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    return [
        {
            "NODE_ID": node.id,
            "CONSISTENT_ID": str(node.id),
            "VERSION": "2.17.0",
            "IS_CLIENT": False,
            "IS_LOCAL": node is running.session.node,
            "NODE_ORDER": order,
            "ADDRESSES": node.host,
            "HOSTNAMES": "localhost",
        }
        for order, node in enumerate(cluster.nodes, 1)
    ]


def baseline_nodes(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    return [{"CONSISTENT_ID": str(node.id), "ONLINE": True} for node in cluster.nodes]


def sql_queries(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    node = running.session.node
    return [
        {
            "QUERY_ID": f"{node.id}_{running.number}",
            "SQL": running.text,
            "ORIGIN_NODE_ID": node.id,
            "START_TIME": datetime.now(UTC),
            "DURATION": 0,
            "LOCAL": False,
            "SCHEMA_NAME": running.schema,
        }
    ]


def transactions(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    return [
        transaction_row(node.id, transaction)
        for node in cluster.nodes
        for connection in node.connections
        for transaction in connection.session.transactions.values()
    ]


def client_connections(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    return [
        {
            "CONNECTION_ID": id(connection),
            "LOCAL_ADDRESS": f"{node.host}:{node.port}",
            "REMOTE_ADDRESS": connection.address,
            "TYPE": "THIN",
            "VERSION": ".".join(map(str, connection.session.context.version)),
        }
        for node in cluster.nodes
        for connection in node.connections
    ]


def continuous_queries(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    return [
        {"CACHE_NAME": cache.name, "IS_EVENTS": False, "IS_MESSAGING": False, "IS_QUERY": True}
        for cache in cluster.caches.values()
        for _ in cache.listeners
    ]


def binary_metadata(cluster: "Cluster", catalog: "Catalog", running: Running) -> Iterable[Row]:
    return [type_row(each) for each in cluster.types.known.types.values()]


VIEWS: Final[Mapping[str, Callable[["Cluster", "Catalog", Running], Iterable[Row]]]] = {
    "BASELINE_NODES": baseline_nodes,
    "BINARY_METADATA": binary_metadata,
    "CACHES": caches,
    "CACHE_GROUPS": cache_groups,
    "CLIENT_CONNECTIONS": client_connections,
    "CONTINUOUS_QUERIES": continuous_queries,
    "NODES": nodes,
    "SQL_QUERIES": sql_queries,
    "TRANSACTIONS": transactions,
}


def cache_row(cache: Cache, *, by_sql: bool) -> Row:
    config = cache.config
    assert config.mode is not None
    assert config.atomicity is not None
    assert config.write_sync is not None
    schema = config.sql_schema
    return {
        "CACHE_NAME": cache.name,
        "CACHE_ID": cache.id,
        "CACHE_TYPE": "DATA_STRUCTURES" if cache.hidden else "USER",
        "CACHE_MODE": config.mode.name,
        "ATOMICITY_MODE": config.atomicity.name,
        "CACHE_GROUP_NAME": config.group or cache.name,
        "CACHE_GROUP_ID": string_hash(config.group or cache.name),
        "BACKUPS": config.backups,
        "DATA_REGION_NAME": config.data_region,
        "SQL_SCHEMA": f'"{schema}"' if by_sql and schema is not None else schema,
        "WRITE_SYNCHRONIZATION_MODE": config.write_sync.name,
        "IS_READ_FROM_BACKUP": config.read_from_backup,
        "IS_COPY_ON_READ": config.copy_on_read,
        "IS_EAGER_TTL": config.eager_ttl,
        "QUERY_PARALLELISM": config.query_parallelism,
    }


def group_row(name: str, caches: Sequence[Cache]) -> Row:
    config = caches[0].config
    assert config.mode is not None
    assert config.atomicity is not None
    return {
        "CACHE_GROUP_NAME": name,
        "CACHE_GROUP_ID": string_hash(name),
        "CACHE_COUNT": len(caches),
        "CACHE_MODE": config.mode.name,
        "ATOMICITY_MODE": config.atomicity.name,
        "BACKUPS": config.backups,
        "DATA_REGION_NAME": config.data_region,
        "IS_SHARED": config.group is not None,
    }


def transaction_row(node: UUID, transaction: "Transaction") -> Row:
    return {
        "ORIGINATING_NODE_ID": node,
        "LOCAL_NODE_ID": node,
        "XID": str(transaction.id),
        "STATE": "ACTIVE" if transaction.over is None else "ROLLED_BACK",
        "LABEL": transaction.label,
        "CONCURRENCY": "PESSIMISTIC" if transaction.pessimistic else "OPTIMISTIC",
        "ISOLATION": Isolation(transaction.isolation).name,
        "TIMEOUT": transaction.timeout,
        "KEYS_COUNT": len(transaction.enlisted),
        "IMPLICIT": False,
        "SYSTEM": False,
    }


def type_row(each: BinaryType) -> Row:
    names = ", ".join(field.name for field in each.fields.values())
    return {
        "TYPE_ID": each.id,
        "TYPE_NAME": each.name,
        "AFF_KEY_FIELD_NAME": each.affinity_field,
        "FIELDS_COUNT": len(each.fields),
        "FIELDS": f"[{names}]",
        "SCHEMAS_IDS": f"[{', '.join(map(str, each.schemas))}]",
        "IS_ENUM": False,
    }
