"""The raw client: a session with its codecs, and pyignite's names for what one does with a cluster."""

import ssl
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, Final, Self, overload
from uuid import UUID

import attrs

from ignitemap import client as parts
from ignitemap.client.ambient import TransactionConcurrency, TransactionIsolation
from ignitemap.client.cache import AioCache, with_hints
from ignitemap.client.connection import Address, Dial, Limits, NodeConnection, open_connection
from ignitemap.client.discovery import AddressMap, is_loopback, map_function, reachable
from ignitemap.client.nodes import Nodes
from ignitemap.client.retry import Retry, policy_of
from ignitemap.client.session import Find, Session
from ignitemap.client.settings import Settings, config_of, name_of
from ignitemap.exceptions import ClientClosed, ConfigurationError, InsecureCredentialsError
from ignitemap.protocol import operations
from ignitemap.protocol.cache_config import CacheConfig
from ignitemap.protocol.codecs import Codecs, Decoder, EntryTypes, NaiveDatetime, Spec, TypeResolver
from ignitemap.protocol.handshake import SUPPORTED_VERSIONS, Credentials, Handshake, Secret
from ignitemap.protocol.hashing import field_id, schema_id, string_hash
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations.caches import (
    CacheCreateWithConfiguration,
    CacheCreateWithName,
    CacheGetNames,
    CacheGetOrCreateWithConfiguration,
    CacheGetOrCreateWithName,
)
from ignitemap.protocol.types import mapping_codecs, raw_codecs

__all__ = ["AioClient", "Connecting", "Options", "create_cache", "get_cache", "get_or_create_cache"]

STATEMENT_TYPES: Final = range(3)  # any, SELECT, UPDATE
DEFAULT_ADDRESS: Final = Address("127.0.0.1", 10800)


@attrs.frozen(kw_only=True)
class Options:
    """How a client behaves. Times in seconds; None waits for ever and must be written out.

    ``retry`` says what may be sent again after a byte of it has left: reads, reads and blind writes, nothing; or a
    RetryPolicy. ``heartbeat``: after twice as long without a word from a node its connection is given up; None never
    asks. ``discovery``: use nodes that the cluster tells of, too, under the addresses that ``address_map`` (a mapping of
    ``"host:port"`` or ``"host"`` to such, or a function of host and port) makes of theirs. ``min_protocol``: a node that
    speaks only older versions of the protocol is refused.

    >>> AioClient(timeout=5, retry="none", max_in_flight=64).options
    Options(...timeout=5, ...retry='none', ...max_in_flight=64, ...)
    """

    username: str | None = None
    password: Secret | None = attrs.field(default=None, converter=attrs.converters.optional(Secret), repr=False)
    tls: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    allow_plaintext_auth: bool = False
    timeout: float | None = 30.0
    connect_timeout: float | None = 10.0
    heartbeat: float | None = 30.0
    retry: Retry = "reads"
    partition_awareness: bool = True
    discovery: bool = True
    address_map: AddressMap | None = attrs.field(default=None, repr=False)
    min_protocol: str = "1.0.0"
    max_in_flight: int = 1024
    naive_datetime: NaiveDatetime = "error"
    user_attributes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    resolver: TypeResolver | None = attrs.field(default=None, repr=False)
    event_listeners: Sequence[Any] = ()
    dial: Dial | None = attrs.field(default=None, repr=False)
    """How to reach a node in this process: addresses are then but names."""

    def __attrs_post_init__(self) -> None:
        _version(self.min_protocol)
        policy_of(self.retry)
        map_function(self.address_map)
        if self.naive_datetime not in {"error", "utc", "local"}:
            raise ConfigurationError(
                f"naive_datetime is error, utc or local, not {self.naive_datetime!r}", option="naive_datetime"
            )
        if (self.username is None) != (self.password is None):
            raise ConfigurationError("username and password go together", option="username")
        if self.password is not None and not self.password.is_text:
            raise ConfigurationError("the password is not a str that UTF-8 can hold", option="password")
        for name in ("timeout", "connect_timeout", "heartbeat"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} must be above 0 s, not {value!r}", option=name)
        if self.max_in_flight < 1:
            raise ConfigurationError("max_in_flight must be at least 1", option="max_in_flight")


class AioClient:
    """A client of one cluster, on the raw layer. ``connect`` it, then ask it for caches and rows.

    pyignite's keywords: ``username``, ``password``, ``partition_aware``, ``event_listeners`` (of ConnectionEventListener
    and QueryEventListener), ``handshake_timeout``, ``use_ssl`` with
    ``ssl_ca_certfile``, ``ssl_certfile``, ``ssl_keyfile``, ``ssl_keyfile_password``, ``ssl_ciphers``,
    ``ssl_cert_reqs``, ``ssl_version``. Besides them all fields of `Options`, ``timeout`` (seconds an operation) for one.
    Other than pyignite's, TLS checks certificate and host name unless ``ssl_cert_reqs`` says ``ssl.CERT_NONE``, and a
    password crosses the network in plain text only with ``allow_plaintext_auth=True``.

    Raises ConfigurationError for an unknown or impossible option.

    >>> client = AioClient(timeout=5)
    >>> async with client.connect(host, port):
    ...     cache = await client.get_or_create_cache("numbers")
    ...     await cache.put("answer", 42)
    """

    @overload
    def __init__(self, options: Options, /) -> None: ...
    @overload
    def __init__(
        self,
        compact_footer: bool | None = None,
        partition_aware: bool = True,
        event_listeners: Sequence[Any] | None = None,
        **options: Any,
    ) -> None: ...
    def __init__(
        self,
        compact_footer: Options | bool | None = None,
        partition_aware: bool = True,
        event_listeners: Sequence[Any] | None = None,
        **options: Any,
    ) -> None:
        if isinstance(options.get("password"), str):  # a traceback may show locals
            options["password"] = Secret(options["password"])
        if isinstance(compact_footer, Options):
            self.options = compact_footer
        else:
            self.options = _options(compact_footer, partition_aware, event_listeners, options)
        self._observer = (
            parts.monitoring.Observer(self.options.event_listeners) if self.options.event_listeners else None
        )
        self._make_codecs()
        # The same pair of types gets the same object, so that operations are compiled once for it.
        self.entry_types: Callable[[Spec[Any], Spec[Any]], EntryTypes] = lru_cache(maxsize=1024)(EntryTypes)
        self._session: Session | None = None

    def __repr__(self) -> str:
        return f"<AioClient {self._session.nodes!r}>" if self._session is not None else "<AioClient, not connected>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a client can't be pickled: connect anew where it is needed")

    @property
    def session(self) -> Session:
        """Not for users: the session that carries out operations. Raises ClientClosed before ``connect``."""
        if self._session is None:
            raise ClientClosed("the client is not connected: await its connect() first")
        return self._session

    @overload
    def connect(self) -> "Connecting": ...
    @overload
    def connect(self, host: str, port: int, /) -> "Connecting": ...
    @overload
    def connect(self, addresses: Iterable[Address | tuple[str, int]], /) -> "Connecting": ...
    def connect(self, *where: Any) -> "Connecting":
        """Reach the cluster over any of its addresses: ``async with client.connect(...)``, or await it and `close` later.

        ``connect()`` is 127.0.0.1:10800, ``connect(host, port)`` one address, ``connect([(host, port), ...])`` several.

        Raises ConfigurationError for other arguments, at once; ClusterUnavailable, AuthenticationError, TlsError,
        InsecureCredentialsError, NotSupportedByServer when it connects.

        >>> client = AioClient()
        >>> await client.connect([(host, port)])
        <AioClient...>
        >>> await client.close()
        """
        return Connecting(self, _addresses(where))

    async def open(self, addresses: Sequence[Address]) -> Self:
        """Not for users: what awaiting ``connect`` does."""
        if self._session is not None:
            if not self._session.closed:
                raise ConfigurationError("the client is connected already")
            self._make_codecs()  # another cluster may know other types
        options = self.options
        credentials = None
        if options.username is not None and options.password is not None:
            _check_secure(addresses, options)
            credentials = Credentials(options.username, options.password)
        limits = Limits(
            in_flight=options.max_in_flight, timeout=options.timeout, connect_timeout=options.connect_timeout
        )

        def on_topology(connection: NodeConnection) -> None:
            session.topology_changed(connection)

        def on_open(connection: NodeConnection) -> None:
            session.opened(connection)

        nodes = Nodes(
            addresses,
            Handshake(
                credentials=credentials,
                user_attributes=dict(options.user_attributes),
                least=_version(options.min_protocol),
            ),
            limits,
            options.tls,
            single=not options.partition_awareness,
            on_topology=on_topology,
            on_open=on_open,
            open_connection=partial(
                open_connection if self._observer is None else self._observer.open, dial=options.dial
            ),
        )
        session = Session(
            nodes,
            self.mapping_codecs,
            retry=policy_of(options.retry),
            partition_awareness=options.partition_awareness,
            heartbeat=options.heartbeat,
            find=_finder(options) if options.discovery else None,
            on_nodes=(lambda new, gone: None) if self._observer is None else self._observer.nodes_changed,
        )
        try:
            await session.start()
        except BaseException:
            await session.aclose()
            raise
        self._session = session
        return self

    def _make_codecs(self) -> None:
        self.mapping_codecs: Codecs = mapping_codecs(
            resolver=self.options.resolver, naive_datetime=self.options.naive_datetime
        )
        """What gives the mapping face's results."""
        self._binary_codecs: Codecs | None = None
        self._raw_codecs: Codecs | None = None

    @cached_property
    def _classes(self) -> "parts.generic_object.ObjectClasses":
        return parts.generic_object.ObjectClasses(self.options.resolver)

    @property
    def binary_codecs(self) -> Codecs:
        """Not for users: as `mapping_codecs`, but that the program's objects come as BinaryObject."""
        if self._binary_codecs is None:
            self._binary_codecs = mapping_codecs(
                known=self.mapping_codecs.known,
                resolver=None if self.options.resolver is None else _WrittenOnly(self.options.resolver),
                naive_datetime=self.options.naive_datetime,
            )
        return self._binary_codecs

    @property
    def raw_codecs(self) -> Codecs:
        """Not for users: what gives pyignite's results; made when something asks for them."""
        if self._raw_codecs is None:
            self._raw_codecs = raw_codecs(known=self.mapping_codecs.known, resolver=self._classes)
        return self._raw_codecs

    @property
    def codecs(self) -> Codecs:
        """Not for users: pyignite's: the codecs of caches and queries that are made without others."""
        return self.raw_codecs

    async def close(self) -> None:
        """Close all connections; operations in flight end as ClientClosed. At most 2 s.

        >>> await client.close()
        >>> await cache.get(1)
        Traceback (most recent call last):
        ClientClosedNotSent: ...
        """
        if self._session is not None:
            await self._session.aclose()

    # --- caches ---------------------------------------------------------------------------------------------------

    async def create_cache(self, settings: Settings) -> AioCache:
        """Create a cache by name, CacheConfig, or dict of PROP_* codes. Raises CacheExists when it exists.

        >>> cache = await client.create_cache({PROP_NAME: "rates", PROP_BACKUPS_NUMBER: 1})
        >>> await client.create_cache("rates")
        Traceback (most recent call last):
        CacheExists: ...
        """
        return await create_cache(self, settings)

    async def get_or_create_cache(self, settings: Settings) -> AioCache:
        """A cache by name, CacheConfig, or dict of PROP_* codes, created when it is absent.

        >>> await client.get_or_create_cache("rates")
        <AioCache 'rates'>
        """
        return await get_or_create_cache(self, settings)

    async def get_cache(self, settings: Settings) -> AioCache:
        """A cache by name. Nothing is sent: an absent cache shows with the first operation.

        >>> cache = await client.get_cache("absent")
        >>> await cache.get(1)
        Traceback (most recent call last):
        CacheNotFound: ...
        """
        return await get_cache(self, settings)

    async def get_cache_names(self) -> list[str]:
        """The names of all user caches.

        >>> cache = await client.get_or_create_cache("rates")
        >>> await client.get_cache_names()
        ['rates']
        """
        names = await self.session.call(CacheGetNames())
        return list(names)

    # --- SQL ------------------------------------------------------------------------------------------------------

    def sql(
        self,
        query_str: str,
        page_size: int = 1024,
        query_args: Sequence[Any] | None = None,
        schema: str | None = "PUBLIC",
        statement_type: int = 0,
        distributed_joins: bool = False,
        local: bool = False,
        replicated_only: bool = False,
        enforce_join_order: bool = False,
        collocated: bool = False,
        lazy: bool = False,
        include_field_names: bool = False,
        max_rows: int = -1,
        timeout: float = 0,
        cache: int | str | AioCache | None = None,
    ) -> "parts.cursors.AioSqlFieldsCursor":
        """One SQL statement, run when the cursor is opened or first read.

        Args:
            query_str: The statement, with ``?`` for its arguments.
            page_size: Rows a round trip.
            query_args: The arguments; one may be ``(value, hint)``.
            schema: The SQL schema, as it is written inside quotes.
            statement_type: A StatementType: let only SELECT pass, or only what changes something.
            distributed_joins: Join entries that lie on different nodes.
            local: Only the data of the node that is asked.
            replicated_only: All tables are of replicated caches.
            enforce_join_order: Join tables in the order in which they are written.
            collocated: Group by keys that lie on one node each.
            lazy: Let the server produce rows as they are read.
            include_field_names: Fill the cursor's ``columns``.
            max_rows: Sent, and ignored by the servers of today.
            timeout: In ms: the server's limit for the query, 0 for its default. The client waits as long too.
            cache: A cache, its name or its id, whose schema is used.

        Returns:
            The cursor: a context manager, an async iterator of rows, or awaited where rows don't matter.

        Raises ConfigurationError for a page size below 1, a negative timeout, or a statement type that there isn't;
        SqlError when it runs.

        >>> for statement in ("CREATE TABLE town (id INT PRIMARY KEY, name VARCHAR)", "INSERT INTO town VALUES (1, 'Bern')"):
        ...     async with client.sql(statement):
        ...         pass
        >>> async with client.sql("SELECT name FROM town WHERE id = ?", query_args=[1], include_field_names=True) as rows:
        ...     print(rows.columns, [row async for row in rows])
        ('NAME',) [['Bern']]
        """
        if page_size < 1:
            raise ConfigurationError(f"page_size must be at least 1, not {page_size}", option="page_size")
        if not 0 <= timeout < 2**31:  # the server takes an int, and hangs up on others
            raise ConfigurationError(f"timeout must be 0 to 2**31 - 1 ms, not {timeout!r}", option="timeout")
        if statement_type not in STATEMENT_TYPES:
            raise ConfigurationError(f"{statement_type!r} is no StatementType", option="statement_type")
        if isinstance(cache, AioCache):
            ref = CacheRef(cache.cache_id)
        elif isinstance(cache, str):
            ref = CacheRef(string_hash(cache))
        else:
            ref = CacheRef(cache or 0)
        request = operations.queries.QuerySqlFields(
            ref,
            None if ref.cache_id else schema,
            page_size,
            max_rows,
            query_str,
            with_hints(query_args or ()),
            int(statement_type),
            distributed_joins,
            local,
            replicated_only,
            enforce_join_order,
            collocated,
            lazy,
            int(timeout) or -1,
            include_field_names,
        )
        allowed, own = self.options.timeout, None
        if allowed is not None and timeout / 1000 >= allowed:
            own = allowed + timeout / 1000  # for the query, and for all that is around it
        return parts.cursors.AioSqlFieldsCursor(self.session, self.codecs, request, own)

    # --- transactions and the cluster -------------------------------------------------------------------------------

    def tx_start(
        self,
        concurrency: int = TransactionConcurrency.PESSIMISTIC,
        isolation: int = TransactionIsolation.REPEATABLE_READ,
        timeout: int = 0,
        label: str | None = None,
    ) -> "parts.transactions.AioTransaction":
        """A transaction, started by ``async with`` or ``await``: TransactionConcurrency, TransactionIsolation, ms, a name.

        A timeout of 0 is none. See `AioTransaction`. Raises EncodeValueError, which is a ValueError, at once.

        >>> how = TransactionConcurrency.OPTIMISTIC, TransactionIsolation.SERIALIZABLE
        >>> async with client.tx_start(*how, timeout=5000) as tx:
        ...     await accounts.put("ann", 90)
        ...     await tx.commit()
        """
        return parts.transactions.AioTransaction(self, concurrency, isolation, timeout, label)

    def get_cluster(self) -> "parts.cluster.AioCluster":
        """The cluster: its state, its write-ahead logs.

        >>> await client.get_cluster().get_state() is ClusterState.ACTIVE
        True
        """
        return parts.cluster.AioCluster(self)

    # --- complex types ----------------------------------------------------------------------------------------------

    async def get_binary_type(self, binary_type: str | int) -> dict[str, Any]:
        """What the cluster knows of a complex type or enum, by name or id.

        A dict: ``type_exists``, and where that is true ``type_id``, ``type_name``, ``affinity_key_field``, ``is_enum``,
        ``enums`` (of an enum: ``literal`` and its ordinal as ``type_id``), ``schemas`` (each an OrderedDict of hints).

        >>> ids = await client.put_binary_type("Town", schema={"name": String})
        >>> found = await client.get_binary_type("Town")
        >>> found["type_exists"], [list(schema) for schema in found["schemas"]]
        (True, [['name']])
        """
        return await parts.binary_types.describe(self.session, parts.binary_types.entity_id(binary_type))

    async def put_binary_type(
        self,
        type_name: str,
        affinity_key_field: str | None = None,
        is_enum: bool = False,
        schema: Mapping[str, Any] | None = None,
    ) -> dict[str, int | None]:
        """Register a complex type, or add a schema to it; ``schema`` has hints, or the ordinals of an enum.

        The ids ``type_id`` and ``schema_id`` (None for an enum). `register_binary_type` does it for a class. Raises
        BinaryTypeError (a ServerError) where the cluster knows it otherwise.

        >>> await client.put_binary_type("Town", schema={"name": String, "people": IntObject})
        {'type_id': ..., 'schema_id': ...}
        """
        return await parts.binary_types.put(self.session, type_name, affinity_key_field, is_enum, schema or {})

    async def register_binary_type(
        self, data_class: "parts.generic_object.GenericObjectMeta", affinity_key_field: str | None = None
    ) -> None:
        """Make a class of GenericObjectMeta known to the cluster, and read its objects as instances from now on.

        A put of an object does the same; this also names the field by which keys are spread over the nodes. Raises
        SchemaConflictError where the cluster knows the type otherwise.

        >>> class Town(metaclass=GenericObjectMeta, schema={"name": String}): ...
        >>> await client.register_binary_type(Town)
        >>> await cache.put(1, Town("Bern"))
        >>> (await cache.get(1)).name
        'Bern'
        """
        known = attrs.evolve(data_class.binary_type, affinity_field=affinity_key_field)
        await self.session.metadata.announce(known)
        self._classes.add(data_class)

    async def query_binary_type(
        self, binary_type: int | str, schema: int | Mapping[str, Any] | None = None
    ) -> "parts.generic_object.GenericObjectMeta | dict[int, parts.generic_object.GenericObjectMeta] | None":
        """The class that the program registered for a type and a schema, by dict or id; None where there is none.

        Without ``schema`` all classes of the type, by the ids of their schemas. Other than pyignite's, no class is made
        from what the cluster says: use `get_binary_type` to look at that.

        >>> class Town(metaclass=GenericObjectMeta, schema={"name": String}): ...
        >>> await client.register_binary_type(Town)
        >>> await client.query_binary_type("Town", Town.schema) is Town
        True
        """
        classes = self._classes.of(parts.binary_types.entity_id(binary_type))
        if not schema:
            return classes
        return classes.get(schema if isinstance(schema, int) else schema_id([field_id(name) for name in schema]))

    async def unwrap_binary(self, value: Any) -> Any:
        """The object in ``(bytes, offset)``, in collections and maps too; any other value as it is.

        Values come unwrapped already: this is for programs that call it. Raises DecodeError.

        >>> await client.unwrap_binary([1, "Ann"])
        [1, 'Ann']
        """
        return await parts.binary_types.unwrap(self.session, self.codecs, value)


class _WrittenOnly:
    """The program's classes where objects are written, and none where they are read."""

    def __init__(self, resolver: TypeResolver) -> None:
        self.encoder_for = resolver.encoder_for
        self.enum_for = resolver.enum_for

    def decoder_for(self, type_id: int) -> Decoder | None:
        """No complex type is known."""
        return None


class Connecting:
    """What `AioClient.connect` returns: await it for the client, or use it with ``async with``, which closes the client.

    >>> async with AioClient().connect(host, port) as client:
    ...     names = await client.get_cache_names()
    """

    def __init__(self, client: AioClient, addresses: Sequence[Address]) -> None:
        self._client = client
        self._addresses = addresses

    def __await__(self) -> Generator[Any, None, AioClient]:
        return self._client.open(self._addresses).__await__()

    async def __aenter__(self) -> AioClient:
        return await self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.close()


async def create_cache(client: AioClient, settings: Settings) -> AioCache:
    """Create a cache by name, CacheConfig, or dict of PROP_* codes. Raises CacheExists when it exists.

    >>> cache = await create_cache(client, {PROP_NAME: "rates", PROP_CACHE_MODE: CacheMode.REPLICATED})
    >>> (await cache.settings())[PROP_CACHE_MODE]
    <CacheMode.REPLICATED: 1>
    """
    config = config_of(settings)
    if isinstance(settings, str):
        await client.session.call(CacheCreateWithName(settings))
    else:
        await client.session.call(CacheCreateWithConfiguration(config), client.codecs)
    return AioCache(client, name_of(config))


async def get_or_create_cache(client: AioClient, settings: Settings) -> AioCache:
    """A cache by name, CacheConfig, or dict of PROP_* codes, created when it is absent.

    >>> await get_or_create_cache(client, "rates")
    <AioCache 'rates'>
    """
    config = config_of(settings)
    if isinstance(settings, str):
        await client.session.call(CacheGetOrCreateWithName(settings))
    else:
        await client.session.call(CacheGetOrCreateWithConfiguration(config), client.codecs)
    return AioCache(client, name_of(config))


async def get_cache(client: AioClient, settings: Settings) -> AioCache:
    """A cache by name. Nothing is sent: an absent cache shows with the first operation.

    Raises ConfigurationError for settings beyond the name: they belong to a cache that is created.

    >>> await get_cache(client, "rates")
    <AioCache 'rates'>
    """
    config = config_of(settings)
    if config != CacheConfig(name=config.name):
        raise ConfigurationError("get_cache() takes a name and no other property", option="settings")
    return AioCache(client, name_of(config))


# --- pyignite's arguments -------------------------------------------------------------------------------------------


def _options(
    compact_footer: bool | None, partition_aware: bool, event_listeners: Sequence[Any] | None, given: dict[str, Any]
) -> Options:
    """The options that pyignite's keywords ask for."""
    if compact_footer is False:
        raise ConfigurationError("objects are written with compact footers only", option="compact_footer")
    named: dict[str, Any] = {
        "partition_awareness": partition_aware,
        "discovery": False,  # pyignite talks to the nodes that it was given, and to no others
        "naive_datetime": "utc",
        "event_listeners": tuple(event_listeners or ()),
    }
    named.update((_OURS.get(name, name), value) for name, value in given.items())
    if named.get("tls") is None:
        named["tls"] = _tls(named)
    unknown = named.keys() - {each.name for each in attrs.fields(Options)}
    if unknown:
        name = min(unknown)
        raise ConfigurationError(f"AioClient has no option {name!r}", option=name)
    return Options(**named)


_OURS: Final[Mapping[str, str]] = {"handshake_timeout": "connect_timeout"}
_SSL: Final = frozenset(
    {
        "ssl_ca_certfile",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_ciphers",
        "ssl_keyfile",
        "ssl_keyfile_password",
        "ssl_version",
    }
)


def _tls(given: dict[str, Any]) -> ssl.SSLContext | None:
    """The context of pyignite's ``ssl_*`` keywords, which are taken out of ``given``; None without ``use_ssl``."""
    parts = {name: given.pop(name) for name in _SSL & given.keys()}
    use_ssl = given.pop("use_ssl", None)
    if not use_ssl:
        if use_ssl is None and parts:
            raise ConfigurationError(f"{min(parts)} goes with use_ssl=True", option=min(parts))
        return None
    if parts.get("ssl_version") in {getattr(ssl, "PROTOCOL_TLSv1", None), getattr(ssl, "PROTOCOL_TLSv1_1", None)} - {
        None
    }:
        raise ConfigurationError("TLS below 1.2 is not spoken", option="ssl_version")
    if parts.get("ssl_keyfile") and not parts.get("ssl_certfile"):
        raise ConfigurationError("ssl_keyfile goes with ssl_certfile", option="ssl_keyfile")
    try:
        context = ssl.create_default_context(cafile=parts.get("ssl_ca_certfile"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if parts.get("ssl_cert_reqs", ssl.CERT_REQUIRED) != ssl.CERT_REQUIRED:
            context.check_hostname = False
            context.verify_mode = parts["ssl_cert_reqs"]
        if parts.get("ssl_ciphers"):
            context.set_ciphers(parts["ssl_ciphers"])
        if parts.get("ssl_certfile"):
            context.load_cert_chain(parts["ssl_certfile"], parts.get("ssl_keyfile"), parts.get("ssl_keyfile_password"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the TLS options can't be used: {error}", option="use_ssl") from error
    return context


def _addresses(where: tuple[Any, ...]) -> tuple[Address, ...]:
    """The addresses of ``connect``'s arguments. Raises ConfigurationError."""
    if not where:
        return (DEFAULT_ADDRESS,)
    try:
        found = [_address(each) for each in (where[0] if len(where) == 1 else [where])]
    except TypeError:
        found = []
    addresses = tuple(address for address in found if address is not None)
    if not found or len(addresses) < len(found):
        raise ConfigurationError(
            "connect() takes nothing, a host and a port, or a list of (host, port)", option="addresses"
        )
    return addresses


def _address(given: Any) -> Address | None:
    match given:
        case Address():
            return given
        case (str() as host, int() as port):
            return Address(host, port)
        case _:
            return None


def _check_secure(addresses: Sequence[Address], options: Options) -> None:
    """Refuse to send a password over a plain connection to another machine."""
    for address in addresses:
        if not _may_be_dialled(options, address):
            raise InsecureCredentialsError(
                f"credentials would cross the network to {address} in plain text:"
                " use tls=True, or say allow_plaintext_auth=True",
                node=str(address),
            )


def _version(text: str) -> tuple[int, int, int]:
    """The protocol version that a text names. Raises ConfigurationError for one that is not spoken."""
    for version in SUPPORTED_VERSIONS:
        if text == ".".join(map(str, version)):
            return version
    raise ConfigurationError(f"min_protocol is one of 1.0.0 to 1.7.0, not {text!r}", option="min_protocol")


def _may_be_dialled(options: Options, address: Address) -> bool:
    """Whether no password crosses the network in plain text on the way to an address."""
    secure = options.password is None or options.tls is not None or options.allow_plaintext_auth or options.dial
    return bool(secure) or is_loopback(address.host)


def _finder(options: Options) -> Find:
    """Which of the cluster's addresses a client with these options dials."""
    translate = map_function(options.address_map)

    def allowed(address: Address) -> bool:
        return _may_be_dialled(options, address)

    def find(
        teller: NodeConnection, endpoints: Sequence[tuple[UUID, int, Sequence[str]]]
    ) -> Mapping[UUID, Sequence[Address]]:
        if teller.peer is None:
            return {}  # not reached over a network
        return reachable(endpoints, teller.address, teller.peer, translate, allowed)

    return find
