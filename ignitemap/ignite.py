"""The front door: ``connect`` reads a URL and options, and answers with a Client."""

import asyncio
import math
import os
import re
import ssl
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, overload

import attrs

from ignitemap import client, mapping, models
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.client.discovery import packed_address
from ignitemap.client.retry import RetryPolicy
from ignitemap.exceptions import CacheNotFound, ConfigurationError, ModelError, QueryError
from ignitemap.mapping.cache import Cache
from ignitemap.mapping.opening import (
    WantedCache,
    check_options,
    matching_entity,
    table_name,
    unmade_table,
    wanted_cache,
)
from ignitemap.models.lookup import Lookup
from ignitemap.protocol import operations
from ignitemap.protocol.cache_config import CacheConfig
from ignitemap.protocol.codecs import ANY, Spec
from ignitemap.protocol.handshake import Secret
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations.caches import (
    CacheDestroy,
    CacheGetConfiguration,
    CacheGetNames,
    CacheGetOrCreateWithConfiguration,
)

if TYPE_CHECKING:
    from typing_extensions import TypeForm
else:
    TypeForm = type  # who looks at these hints at run time learns no less

__all__ = ["Client", "connect"]

K = TypeVar("K")
V = TypeVar("V")

DEFAULT_PORT: Final = 10800
FORMS: Final = (
    "ignite://host:10800[,host:port..port][/SCHEMA], a list of 'host:port', embedded:// (or embedded://name,"
    " embedded:///file.db) for a node in this process, local://?nodes=1 for real nodes on this machine, or the"
    " environment variable IGNITEMAP_URL"
)
MAX_RANGE: Final = 101  # a node takes the first free of 101 ports
SELECT: Final = 1  # the statement type that lets nothing else pass, so that it may be asked again
ANY_STATEMENT: Final = 0
_SELECT: Final = re.compile(r"\s*select\b", re.IGNORECASE)
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:\.\.([0-9]{1,5}))?")
_HOST_NAME: Final = re.compile(r"[^\s:/?#@\[\]]+")
_NODE_NAME: Final = re.compile(r"[\w.-]+")
IN_PROCESS: Final = Address("embedded", 0)  # where an embedded node is: a name, for messages
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
OPENING_ATTEMPTS: Final = 5


@attrs.frozen
class Target:
    """Where a URL leads: addresses of a cluster, a node in this process, or real nodes to be started; and its options."""

    kind: Literal["ignite", "embedded", "local"]
    addresses: tuple[Address, ...] = ()
    schema: str | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)
    name: str | None = None
    """Of an embedded node in memory that the process shares."""
    path: str | None = None
    """The file of an embedded node."""


class Cluster:
    """The cluster that a client is connected to; `Client.cluster`.

    >>> await client.cluster.state()
    <ClusterState.ACTIVE: 1>
    """

    def __init__(self, raw: "client.cluster.AioCluster") -> None:
        self._raw = raw

    def __repr__(self) -> str:
        return f"<ignitemap Cluster of {self._raw!r}>"

    async def state(self) -> "client.cluster.ClusterState":
        """Whether the cluster is INACTIVE, ACTIVE or ACTIVE_READ_ONLY.

        >>> await client.cluster.state()
        <ClusterState.ACTIVE: 1>
        """
        return await self._raw.get_state()

    async def nodes(self) -> "tuple[client.cluster.ClusterNode, ...]":
        """The server nodes, the oldest first: ``.id .addresses .attributes .version`` and more.

        >>> for node in await client.cluster.nodes():
        ...     print(node.version, node.addresses)
        2.17.0 ('127.0.0.1',)
        """
        return await self._raw.nodes()


class Client:
    """A client of one cluster: caches as mappings, SQL, and the raw layer underneath.

    Made by `connect`; an async context manager, or closed by ``aclose()``.

    >>> client = await ig.connect(node.url)
    >>> ages = await client.cache("ages", str, int)
    >>> await ages.set("ann", 41)
    >>> await client.aclose()
    """

    def __init__(self, raw: AioClient, registry: Lookup, schema: str | None, resources: AsyncExitStack) -> None:
        self.raw = raw
        """The raw client underneath (`ignitemap.raw`)."""
        self._registry = registry
        # Many DDL statements at once can stop a node for good (seen from 2.17.0): one of a client at a time.
        self._migrating = asyncio.Lock()
        self._schema = schema
        self._resources = resources

    def __repr__(self) -> str:
        return f"<ignitemap Client, {self.raw.session.nodes!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections within 2 s, and end the nodes that the client started.

        >>> client = await ig.connect("embedded://")
        >>> await client.aclose()
        """
        await self._resources.aclose()

    @property
    def cluster(self) -> Cluster:
        """The cluster as a whole: its state and its nodes.

        >>> len(await client.cluster.nodes())
        1
        """
        return Cluster(self.raw.get_cluster())

    # --- caches -----------------------------------------------------------------------------------------------------

    @overload
    async def cache(
        self,
        name: type[V],
        /,
        *,
        key: TypeForm[K],
        config: CacheConfig | None = None,
        create: bool = True,
        migrate: bool = False,
        **options: Any,
    ) -> Cache[K, V]: ...
    @overload
    async def cache(
        self,
        name: type[V],
        /,
        *,
        config: CacheConfig | None = None,
        create: bool = True,
        migrate: bool = False,
        **options: Any,
    ) -> Cache[Any, V]: ...
    @overload
    async def cache(
        self,
        name: str,
        /,
        *,
        config: CacheConfig | None = None,
        create: bool = True,
        migrate: bool = False,
        **options: Any,
    ) -> Cache[Any, Any]: ...
    @overload
    async def cache(
        self,
        name: str,
        model: type[V],
        /,
        *,
        config: CacheConfig | None = None,
        create: bool = True,
        migrate: bool = False,
        **options: Any,
    ) -> Cache[Any, V]: ...
    @overload
    async def cache(
        self,
        name: str,
        key: TypeForm[K],
        value: TypeForm[V],
        /,
        *,
        config: CacheConfig | None = None,
        create: bool = True,
        migrate: bool = False,
        **options: Any,
    ) -> Cache[K, V]: ...
    @overload
    async def cache(
        self,
        name: str,
        key: Spec[K],
        value: Spec[V],
        /,
        *,
        config: CacheConfig | None = None,
        create: bool = True,
        migrate: bool = False,
        **options: Any,
    ) -> Cache[K, V]: ...
    async def cache(
        self,
        name: Any,
        /,
        *types: Any,
        key: Any = None,
        config: CacheConfig | None = None,
        create: bool = True,
        migrate: bool = False,
        **options: Any,
    ) -> Cache[Any, Any]:
        """A cache as an awaitable mapping, created when it is absent.

        ``cache(name, K, V)`` with type forms or specs, ``cache(Model)``, ``cache(Model, key=int)``,
        ``cache(name, Model)``, or ``cache(name)`` for any keys and values.

        Args:
            name: The cache's name, or a model that has one.
            *types: The types of keys and values, or a model.
            key: The key's type, beside a model.
            config: The configuration of a cache that must be created.
            create: False to open only what exists.
            migrate: Give the table of a cache that exists the columns and indexes that it lacks for the model, by ALTER
                TABLE ADD COLUMN and CREATE INDEX. It may be done again, and by several programs at once.
            options: Fields of CacheConfig by name, with ``mode`` and ``atomicity`` as words, ``ttl`` in seconds,
                ``table`` as the name of a model's SQL table, and
                ``durability``: ``"safe"`` (default: one backup, FULL_SYNC, reads from the primary, no silent loss)
                or ``"fast"`` (the server's own defaults).

        A cache that exists is taken as it is, if it is what was asked for: options that are named here are compared with
        its own, and the types of keys and values with those of its table, where it has one.

        Raises ConfigurationError for an unknown option and for one that differs from the cluster's, ModelError for a type
        that Ignite can't hold, CacheNotFound for an absent cache with ``create=False``, SchemaConflictError where the
        types of a model and the cluster disagree, and where ``migrate`` can't add what is missing.

        >>> ages = await client.cache("ages", str, int, backups=1)
        >>> people = await client.cache(Person, key=int)
        >>> scores = await client.cache("scores", ig.INT, ig.list_of(ig.INT), ttl=3600)
        >>> await scores.set(1, [3, 5])
        """
        model, key_model, name, key_spec, value_spec = self._declared(name, types, key)
        if key_model is not None:
            key_spec = await self._as_known(key_model, model)
        if migrate and model is None:
            raise ConfigurationError("migrate=True goes with a model: other values have no columns", option="migrate")
        wanted = wanted_cache(name, config, options, model, key_spec)
        self.raw.session.cache_names[string_hash(name)] = name
        found = await self._open(wanted, model, create=create)
        check_options(wanted, found)
        entity = matching_entity(
            name,
            found,
            key_spec.java if key_model is None else key_model.type_name,
            value_spec.java if model is None else model.type_name,
        )
        if model is not None:
            own = model.schema.value
            if create or migrate:
                await self.raw.session.announce(own, CacheRef(string_hash(name)))
            else:  # what the cluster knows of it decides how it is written
                await self.raw.session.metadata.learn(own.id, next(iter(own.schemas)))
        if migrate and model is not None:
            async with self._migrating:
                await mapping.migration.migrate(self.sql, found, entity, model.schema)
        await self.raw.session.know_affinity(string_hash(name))
        typed = AioCache(
            self.raw, name, codecs=self.raw.mapping_codecs, types=self.raw.entry_types(key_spec, value_spec)
        )
        keyed: Any = model if model is not None and model.schema.key_fields else None
        # Without one, a query says which table it misses.
        table = unmade_table(wanted) if entity is None else table_name(found, entity)
        schema = None if model is None else model.schema
        return Cache[Any, Any](AioCache(self.raw, name), typed, keyed, table=table, schema=schema)

    async def _open(self, wanted: WantedCache, model: "models.registry.Model | None", *, create: bool) -> CacheConfig:
        """The configuration that a cache has in the cluster, after creating it where it is absent."""
        session, name = self.raw.session, wanted.config.name
        request = CacheGetConfiguration(CacheRef(string_hash(name or "")))
        for _ in range(OPENING_ATTEMPTS):
            try:
                return await session.call(request)
            except CacheNotFound as error:
                if not create:
                    raise CacheNotFound(
                        f"there is no cache {name!r}", status=error.status, node=error.node, operation=error.operation
                    ) from None
            if model is not None:
                await session.announce(model.schema.value, request.cache)
            # Someone else may be faster, with another configuration, and someone may drop the cache again.
            codecs = self.raw.codecs if wanted.config.query_entities else None  # whose fields have default values
            await session.call(CacheGetOrCreateWithConfiguration(wanted.config), codecs)
        return await session.call(request)

    async def cache_names(self) -> list[str]:
        """The names of all user caches.

        >>> ages = await client.cache("ages", str, int)
        >>> await client.cache_names()
        ['ages']
        """
        names = await self.raw.session.call(CacheGetNames())
        return list(names)

    async def drop(self, name: str) -> None:
        """Destroy a cache with its data. Raises CacheNotFound when it is absent.

        >>> ages = await client.cache("ages", str, int)
        >>> await client.drop("ages")
        >>> await client.cache_names()
        []
        """
        await self.raw.session.call(CacheDestroy(string_hash(name)))

    async def _as_known(self, key_model: "models.registry.Model", model: "models.registry.Model | None") -> Spec[Any]:
        """The spec of a key class in the field order that the cluster knows: keys are compared by their bytes."""
        session, number = self.raw.session, key_model.schema.whole.id
        (own,) = key_model.schema.whole.schemas
        await session.metadata.learn(number, own)
        known = self.raw.mapping_codecs.known.types.get(number)
        own_key = None if model is None or model.key_model is not key_model else model.key_spec(known)
        return key_model.as_key(known) if own_key is None else own_key

    def _declared(
        self, name: Any, types: tuple[Any, ...], key: Any
    ) -> "tuple[models.registry.Model | None, models.registry.Model | None, str, Spec[Any], Spec[Any]]":
        """The model, if V is one, the model of keys, if K is one, the cache's name, the specs of keys and values."""
        by_model = not isinstance(name, str)
        if by_model:
            model = self._registry.find(name)
            if model is None:
                raise ConfigurationError(f"cache() takes a name or a model, not {name!r}", option="name")
            types = (name,)
            name = model.options.cache or model.cls.__name__.lower()
        if len(types) > 2:
            raise ConfigurationError("cache() takes a name, a key type and a value type", option="name")
        if len(types) == 2:
            key, value = types
        else:
            value = types[0] if types else Any
        model = self._registry.find(value)
        value_spec = self._registry.spec(value, path="the value type")
        own_key = None if model is None else model.key_spec()
        if key is None:
            key_spec = ANY if own_key is None else own_key
        else:
            key_spec = self._registry.spec(key, path="the key type")
        if not key_spec.hashable:
            if self._registry.find(key) is not None:
                raise ModelError(
                    f"{key_spec.name} can't be a key: it must be frozen, and hold no list, set or dict",
                    path=key_spec.name,
                )
            raise ConfigurationError(f"{key_spec.name} can't be a key: its values are not hashable", option="key")
        key_model = self._registry.find(key)
        if model is not None and own_key is not None:
            if key_spec.name == own_key.name:
                key_model, key_spec, value_spec = model.key_model, own_key, model.codec.value
            elif by_model:
                raise ConfigurationError(
                    f"the key() of {model.cls.__name__} is {own_key.name}, not {key_spec.name}: client.cache(name, K, V)"
                    " opens a cache with keys of another type",
                    option="key",
                )
            else:
                model = None  # under keys of another type the key fields are part of the value
        return model, key_model, name, key_spec, value_spec

    # --- transactions -----------------------------------------------------------------------------------------------

    def transaction(
        self,
        concurrency: "mapping.transactions.Concurrency" = "pessimistic",
        isolation: "mapping.transactions.Isolation" = "repeatable_read",
        timeout: "mapping.transactions.Timeout" = None,
        label: str | None = None,
    ) -> "mapping.transactions.Transaction":
        """A transaction over caches that were made with ``atomicity="transactional"``: ``async with`` it.

        >>> async with client.transaction():
        ...     await accounts.set("ann", 90)
        ...     await accounts.set("ben", 60)

        It is committed where the block ends well and rolled back where an exception leaves it. The operations of the
        task that calls this method are part of it; see `Transaction` for what others meet, and what it raises.

        Args:
            concurrency: When locks are taken: "pessimistic" at the first access to a key, "optimistic" at commit.
            isolation: "read_committed", "repeatable_read" or "serializable". An optimistic serializable transaction
                raises TransactionConflict where what it read has changed.
            timeout: Seconds from the start after which the cluster rolls it back; None is the client's timeout for
                operations, `math.inf` no limit.
            label: A name for the transaction in the cluster's lists and in error messages.

        Raises ConfigurationError for an option that is none of these, at once.
        """
        return mapping.transactions.Transaction(
            self.raw, self._transaction_options(concurrency, isolation, timeout, label)
        )

    def transactions(
        self,
        attempts: int = 3,
        concurrency: "mapping.transactions.Concurrency" = "pessimistic",
        isolation: "mapping.transactions.Isolation" = "repeatable_read",
        timeout: "mapping.transactions.Timeout" = None,
        label: str | None = None,
    ) -> "mapping.transactions.Attempts":
        """Attempts at a transaction, until one ends well: for what may conflict with others.

        >>> async for attempt in client.transactions():
        ...     async with attempt:
        ...         await accounts.set("ann", await accounts["ann"] - 10)

        Tried again, after a short random time, is what ended in TransactionConflict, TransactionDeadlock, or
        TransactionTimeout, which is how a node reports a deadlock unless it sends stack traces; but not if the block
        used up the timeout between its operations. After the last attempt its error is raised; any other error is
        raised at once. To leave the loop from inside of the block by break or return, ``await tx.commit()`` first: it
        raises where an attempt has to follow.

        Args:
            attempts: How often to try.
            concurrency: As of `transaction`, like the rest.
            isolation: As of `transaction`.
            timeout: Of each attempt.
            label: Of each attempt.

        Raises ConfigurationError for an option that can't be, at once.
        """
        if type(attempts) is not int or attempts < 1:
            raise ConfigurationError(f"attempts must be a whole number from 1 up, not {attempts!r}", option="attempts")
        return mapping.transactions.Attempts(
            self.raw, self._transaction_options(concurrency, isolation, timeout, label), attempts
        )

    def _transaction_options(
        self, concurrency: object, isolation: object, timeout: object, label: object
    ) -> "mapping.transactions.TransactionOptions":
        default = self.raw.options.timeout
        return mapping.transactions.TransactionOptions.checked(concurrency, isolation, timeout, label, default=default)

    # --- SQL --------------------------------------------------------------------------------------------------------

    def sql(
        self,
        query: Any,
        /,
        *params: Any,
        schema: str | None = None,
        page_size: int = 1024,
        timeout: float | None = None,
        distributed_joins: bool = False,
        enforce_join_order: bool = False,
        collocated: bool = False,
        lazy: bool = False,
        local: bool = False,
        partitions: Sequence[int] | None = None,
    ) -> "mapping.rows.Query":
        """One SQL statement with ``?`` for its parameters: ``await`` it for all rows, or stream it in ``async with``.

        Args:
            query: A str, or a template string (``t"... where age > {age}"``), whose values are bound as parameters.
            params: The values for the ``?`` of a str.
            schema: The SQL schema, as it is written inside quotes; the URL's or PUBLIC by default.
            page_size: Rows a round trip.
            timeout: Seconds that the server may take for the query, and each page to come. By default the server's
                limit for the one, the client's timeout for the other.
            distributed_joins: Join entries that lie on different nodes.
            enforce_join_order: Join tables in the order in which they are written.
            collocated: Group by keys that lie on one node each.
            lazy: Let the server produce rows as they are read.
            local: Only the data of the node that is asked.
            partitions: Only these partitions.

        Raises ConfigurationError for a page size below 1 or a timeout that isn't above 0, QueryError for what is no
        statement; SqlError when it runs.

        >>> rows = await client.sql("SELECT name, age FROM Person WHERE age > ?", 40, schema=people.name)
        >>> [(row.name, row.age) for row in rows]
        [('Ann', 41)]
        """
        if page_size < 1:
            raise ConfigurationError(f"page_size must be at least 1, not {page_size}", option="page_size")
        if timeout is not None and not timeout > 0:
            raise ConfigurationError(f"timeout must be above 0 s, not {timeout!r}", option="timeout")
        text, arguments = _statement(query, params)
        request = operations.queries.QueryPlacedRows(
            CacheRef(0),
            schema or self._schema or "PUBLIC",
            page_size,
            -1,
            text,
            arguments,
            statement_type=SELECT if _SELECT.match(text) else ANY_STATEMENT,
            distributed_joins=distributed_joins,
            local=local,
            enforce_join_order=enforce_join_order,
            collocated=collocated,
            lazy=lazy,
            timeout=-1 if timeout is None or timeout == math.inf else math.ceil(timeout * 1000),
            partitions=partitions,
        )
        raw = self.raw

        def make_cursor() -> "client.cursors.AioSqlFieldsCursor":
            return client.cursors.AioSqlFieldsCursor(raw.session, raw.mapping_codecs, request, timeout, tuples=True)

        reader = mapping.into.ModelReader(self._registry.registry, raw.mapping_codecs)
        return mapping.rows.Query(text, make_cursor, reader)


def _statement(query: Any, params: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The statement and its parameters. A template string is known by its shape, since Python has it from 3.14 on."""
    if isinstance(query, str):
        return query, params
    strings, interpolations = getattr(query, "strings", None), getattr(query, "interpolations", None)
    if strings is None or interpolations is None:
        raise QueryError(f"a statement is a str or a template string, not a Python {type(query).__qualname__}")
    if params:
        raise QueryError("a template string brings its parameters with it: pass no others")
    for part in interpolations:
        if getattr(part, "conversion", None) or getattr(part, "format_spec", ""):
            raise QueryError(f"{{{part.expression}}} is bound as it is: write no conversion and no format")
    return "?".join(strings), tuple(part.value for part in interpolations)


class Connecting:
    """What `connect` returns: ``await`` it for a Client, or use it with ``async with``.

    >>> async with ig.connect("embedded://") as client:
    ...     await client.cache_names()
    []
    """

    def __init__(self, open_client: Callable[[], Coroutine[Any, Any, Client]]) -> None:
        self._open = open_client
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return self._open().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self
        return self._client

    async def __aexit__(self, *exc: object) -> None:
        assert self._client is not None
        await self._client.aclose()


def connect(url: str | Sequence[str] | None = None, /, **options: Any) -> Connecting:
    """Connect to a cluster: ``async with ig.connect(url) as client``, or ``client = await ig.connect(url)``.

    Args:
        url: ``ignite://[user:password@]host[:port][,host:port..port][/SCHEMA][?option=value]``, a list of
            ``"host:port"``; ``embedded://`` for a node of its own in this process, in memory, ``embedded://name`` for
            one that the process shares, ``embedded:///file.db`` (``embedded:////path/file.db``) for one that keeps its
            data in a file; ``local://?nodes=1`` for real nodes that live as long as the client; without it the
            environment variable ``IGNITEMAP_URL``.
        options: ``username``, ``password``, ``tls`` (True or an ssl.SSLContext; certificates and host names are
            verified unless ``allow_unverified_tls=True``), ``tls_ca_file``, ``allow_plaintext_auth``, ``timeout``
            (seconds an operation, 30; None waits for ever),
            ``connect_timeout`` (seconds, 10), ``retry`` (``"reads"``, ``"all"``, ``"none"`` or a RetryPolicy),
            ``heartbeat`` (seconds, 30; a node that is silent for twice as long is given up, with None never),
            ``partition_awareness``, ``discovery`` (use nodes that the cluster tells of), ``address_map`` (from a node's
            ``"host:port"`` or ``"host"`` to the one under which it is seen from here, or a function of host and port
            that returns both, or None),
            ``min_protocol`` (``"1.0.0"``: nodes that speak only older versions of the protocol are refused),
            ``max_in_flight``, ``registry``, ``naive_datetime``, ``user_attributes``.
            A keyword beats the URL, the URL beats ``IGNITEMAP_USERNAME`` and ``IGNITEMAP_PASSWORD``.

    Raises ConfigurationError for an unknown option or URL part, at once; ClusterUnavailable, AuthenticationError,
    TlsError, InsecureCredentialsError when it connects.

    >>> async with ig.connect("embedded://", timeout=5) as client:
    ...     ages = await client.cache("ages", str, int)
    ...     await ages.set("ann", 41)
    """
    if options.get("password") is not None:
        options["password"] = Secret(options["password"])  # of whatever type: what is wrong with it must not show it
    try:
        target = _target(url)
    except ConfigurationError as error:
        # The frames below hold the URL, and a password may be in it: a traceback may be logged with its locals.
        url, error.__context__ = None, None
        raise error.with_traceback(None) from None
    url = None
    registry = options.pop("registry", None)
    if registry is not None and not isinstance(registry, models.registry.Registry):
        raise ConfigurationError("registry must be an ignitemap.Registry", option="registry")
    merged: dict[str, Any] = {**_environment(), **target.options, **options}
    _check(merged)
    if target.kind == "embedded" and merged.get("tls"):
        raise ConfigurationError("tls goes with sockets: an embedded:// node has none", option="tls")
    node_options = {name: merged.pop(name) for name in _NODE_OPTIONS if name in merged}
    if node_options and target.kind != "local":
        raise ConfigurationError(f"{', '.join(node_options)} goes with local:// only", option=next(iter(node_options)))
    lookup = Lookup(registry)
    made = _options(merged, lookup)

    async def open_client() -> Client:
        async with AsyncExitStack() as stack:
            addresses = target.addresses
            if target.kind == "local":
                from ignitemap import local  # noqa: PLC0415 - needs an extra, and few programs start nodes

                cluster = await stack.enter_async_context(local.cluster(**node_options))
                addresses = _target(cluster.url).addresses
            options = made
            if target.kind == "embedded":
                from ignitemap.embedded.node import shared_node  # noqa: PLC0415 - most programs need no node of their own

                node = await stack.enter_async_context(shared_node(name=target.name, path=target.path))
                options, addresses = attrs.evolve(made, dial=node.dial), (IN_PROCESS,)
            raw = AioClient(options)
            stack.push_async_callback(raw.close)
            await raw.connect(addresses)
            return Client(raw, lookup, target.schema, stack.pop_all())
        raise AssertionError("unreachable")

    return Connecting(open_client)


# --- URLs and options -----------------------------------------------------------------------------------------------


def _target(url: str | Sequence[str] | None) -> Target:
    if url is None:
        url = os.environ.get("IGNITEMAP_URL")
        if not url:
            raise ConfigurationError(f"connect() needs a URL: {FORMS}", option="url")
    if not isinstance(url, str):
        given: Sequence[Any] = url
        if not all(isinstance(each, str) for each in given):
            raise ConfigurationError("a list of addresses holds 'host:port' strings", option="url")
        return Target("ignite", _addresses(url))
    # Not urlsplit: it refuses lists of hosts with an IPv6 address, and its errors repeat passwords.
    scheme, _, rest = url.strip().partition("://")
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    if "#" in rest:
        raise ConfigurationError("the URL has a #: in user names and passwords write %23", option="url")
    try:
        return _read_target(scheme.lower(), authority, path, query)
    except ConfigurationError:
        if "@" in rest and "@" not in authority:  # the message may quote half of a password
            raise ConfigurationError(
                "the URL can't be read: in user names and passwords write / as %2F, ? as %3F, # as %23", option="url"
            ) from None
        raise


def _read_target(scheme: str, authority: str, path: str, query: str) -> Target:
    match scheme:
        case "local":
            if authority or path:
                raise ConfigurationError("local:// takes options only: local://?nodes=2", option="url")
            return Target("local", options=_query(query))
        case "ignite":
            options = _query(query)
            credentials, at, hosts = authority.rpartition("@")
            username, colon, password = credentials.partition(":")
            if at and not username:
                raise ConfigurationError("the URL has an @ and no user name before it", option="url")
            if at:
                options["username"] = _unquoted(username)
            if colon:
                options["password"] = Secret(_unquoted(password))
            schema = path.removesuffix("/")
            if "/" in schema:
                raise ConfigurationError(f"the URL's path {path!r} is not one schema", option="url")
            return Target("ignite", _addresses(hosts.split(",")), _unquoted(schema) or None, options)
        case "embedded":
            return _read_embedded(_unquoted(authority), _unquoted(path), _query(query))
        case _:
            raise ConfigurationError(f"the URL begins with none of these: {FORMS}", option="url")


def _read_embedded(name: str, path: str, options: dict[str, Any]) -> Target:
    if name and path:
        raise ConfigurationError(
            f"embedded://{name}/{path} has a name and a path: write embedded:///{path} for a file, with one more / for"
            " an absolute path",
            option="url",
        )
    if name and not _NODE_NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} can't name an embedded node: use letters, digits, - _ .", option="url")
    if not path:
        return Target("embedded", name=name or None, options=options)
    from pathlib import Path  # noqa: PLC0415 - which only a node in this process needs

    return Target("embedded", path=str(Path(path).absolute()), options=options)


def _addresses(hosts: Sequence[str]) -> tuple[Address, ...]:
    found: list[Address] = []
    for part in hosts:
        host, first, last = _host_and_ports(part.strip())
        found.extend(Address(host, port) for port in range(first, last + 1))
    if not found:
        raise ConfigurationError(f"connect() needs at least one address: {FORMS}", option="url")
    return tuple(dict.fromkeys(found))


def _host_and_ports(text: str) -> tuple[str, int, int]:
    """``host``, ``host:port``, ``host:first..last``, ``[v6]:port``. Raises ConfigurationError."""
    host, separator, ports = text.partition(":")
    if text.startswith("["):
        host, bracket, after = text[1:].partition("]")
        _, separator, ports = after.partition(":")
        right = bool(bracket) and (not after or after.startswith(":")) and _is_ipv6(host)
    else:
        right = _HOST_NAME.fullmatch(host) is not None
    found = _PORTS.fullmatch(ports) if separator else None
    if separator and found is None:
        right = False
    low = int(found[1]) if found else DEFAULT_PORT
    high = int(found[2]) if found and found[2] else low
    if not right or not 0 < low <= high < 65536:
        raise ConfigurationError(
            f"the address {text!r} is not host, host:port, host:first..last or [IPv6]:port", option="url"
        )
    if high - low >= MAX_RANGE:
        raise ConfigurationError(f"the address {text!r} has more than {MAX_RANGE} ports", option="url")
    return host, low, high


def _is_ipv6(host: str) -> bool:
    packed = packed_address(host)
    return packed is not None and len(packed) == 16


def _query(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if not query:
        return options
    from urllib.parse import parse_qsl  # noqa: PLC0415 - few URLs need it, and it is a large module

    for name, text in parse_qsl(query, keep_blank_values=True):
        option = _OPTIONS.get(name)
        if option is None or option.read is None:
            raise ConfigurationError(f"{name!r} is not an option of the URL", option=name)
        if name in options:
            raise ConfigurationError(f"{name!r} stands in the URL twice", option=name)
        try:
            options[name] = option.read(text)
        except (KeyError, ValueError):
            raise ConfigurationError(f"{name}={text!r} in the URL is not {option.kind}", option=name) from None
    return options


def _unquoted(text: str) -> str:
    """A part of the URL with what its %XX stand for."""
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415 - as in `_query`

    return unquote(text)


def _seconds(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.lower()]


@attrs.frozen
class _Option:
    """What an option of connect() takes: in words, as Python types, and how it is read from a URL, if it can be."""

    kind: str
    types: tuple[type, ...]
    read: Callable[[str], Any] | None = None


_NONE: Final = type(None)
_TEXT: Final = _Option("a str", (str,), str)
_SWITCH: Final = _Option("True or False", (bool,), _boolean)
_OPTIONS: Final[Mapping[str, _Option]] = {
    "username": _Option("a str", (str, _NONE), str),
    "password": _Option("a str", (Secret, _NONE), Secret),
    "tls": _Option("True, False or an ssl.SSLContext", (bool, ssl.SSLContext, _NONE), _boolean),
    "tls_ca_file": _Option("a path", (str, os.PathLike, _NONE), str),
    "allow_unverified_tls": _SWITCH,
    "allow_plaintext_auth": _SWITCH,
    "timeout": _Option("a number of seconds or None", (int, float, _NONE), _seconds),
    "connect_timeout": _Option("a number of seconds or None", (int, float, _NONE), _seconds),
    "heartbeat": _Option("a number of seconds or None", (int, float, _NONE), _seconds),
    "retry": _Option("a str or a RetryPolicy", (str, RetryPolicy), str),
    "partition_awareness": _SWITCH,
    "discovery": _SWITCH,
    "address_map": _Option("a mapping of str to str or a callable", (Mapping, Callable, _NONE)),  # type: ignore[arg-type]  # isinstance takes it
    "max_in_flight": _Option("a whole number", (int,), int),
    "min_protocol": _TEXT,
    "naive_datetime": _TEXT,
    "user_attributes": _Option("a mapping of str to str", (Mapping,)),
    "nodes": _Option("a whole number", (int,), int),
    "persistence": _SWITCH,
}
_NODE_OPTIONS: Final = ("nodes", "persistence")


def _environment() -> dict[str, Any]:
    username, password = os.environ.get("IGNITEMAP_USERNAME"), os.environ.get("IGNITEMAP_PASSWORD")
    found: dict[str, Any] = {} if not username else {"username": username}
    return found if not password else {**found, "password": Secret(password)}


def _check(given: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for an option that does not exist or has the wrong type; it names no value."""
    for name, value in given.items():
        option = _OPTIONS.get(name)
        if option is None:
            raise ConfigurationError(f"connect() has no option {name!r}", option=name)
        if isinstance(value, Secret) and not value.is_text:
            raise ConfigurationError(f"{name} must be {option.kind}", option=name)
        is_number = isinstance(value, bool) and bool not in option.types
        if is_number or not isinstance(value, option.types):
            raise ConfigurationError(
                f"{name} must be {option.kind}, not a Python {type(value).__qualname__}", option=name
            )


def _options(given: dict[str, Any], lookup: Lookup) -> Options:
    """The options of a client. ``given`` was checked."""
    tls = _tls_context(
        given.pop("tls", False), given.pop("tls_ca_file", None), unverified=given.pop("allow_unverified_tls", False)
    )
    for name in ("timeout", "connect_timeout", "heartbeat"):
        if given.get(name) == math.inf:
            given[name] = None
    attributes = given.get("user_attributes", {})
    if not all(isinstance(text, str) for pair in attributes.items() for text in pair):
        raise ConfigurationError("user_attributes must be a mapping of str to str", option="user_attributes")
    return Options(**given, tls=tls, resolver=lookup)


def _tls_context(
    tls: bool | ssl.SSLContext | None, ca_file: str | os.PathLike[str] | None, *, unverified: bool
) -> ssl.SSLContext | None:
    """The context that an option ``tls`` asks for, None for no TLS. Raises ConfigurationError."""
    if tls is not True:
        for option, value in (("tls_ca_file", ca_file), ("allow_unverified_tls", unverified or None)):
            if value is not None:
                raise ConfigurationError(f"{option} goes with tls=True", option=option)
        return tls or None
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"tls_ca_file: {error.strerror or error}", option="tls_ca_file") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
