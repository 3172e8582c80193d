"""The raw client: a session with its codecs, and pyignite's names for what one does with a cluster."""

import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final, Literal

import attrs
from typing_extensions import Self

from ignitemap.client.cache import AioCache
from ignitemap.client.connection import Address, Limits, NodeConnection
from ignitemap.client.cursors import AioSqlFieldsCursor
from ignitemap.client.nodes import Nodes
from ignitemap.client.session import Retry, Session
from ignitemap.exceptions import ClientClosed, ConfigurationError, InsecureCredentialsError
from ignitemap.protocol.cache_config import PROPERTIES, CacheConfig
from ignitemap.protocol.codecs import Codecs, EntryTypes, NaiveDatetime, Spec, TypeResolver
from ignitemap.protocol.handshake import Credentials, Handshake
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import (
    CacheCreateWithConfiguration,
    CacheCreateWithName,
    CacheGetNames,
    CacheGetOrCreateWithConfiguration,
    CacheGetOrCreateWithName,
    QuerySqlFields,
)
from ignitemap.protocol.types import mapping_codecs

__all__ = ["AioClient", "Options", "create_cache", "get_cache", "get_or_create_cache"]

Settings = str | CacheConfig | Mapping[int, Any]

RETRIES: Final[Mapping[str, Retry]] = {
    "reads": frozenset({"read"}),
    "all": frozenset({"read", "write"}),
    "none": frozenset(),
}


@attrs.frozen(kw_only=True)
class Options:
    """How a client behaves. Times in seconds; ``timeout=None`` waits for ever and must be written out.

    ``retry`` says what may be sent again after a byte of it has left: reads, reads and blind writes, nothing.
    """

    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    tls: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    allow_plaintext_auth: bool = False
    timeout: float | None = 30.0
    connect_timeout: float = 10.0
    retry: Literal["reads", "all", "none"] = "reads"
    partition_awareness: bool = True
    max_in_flight: int = 1024
    naive_datetime: NaiveDatetime = "error"
    user_attributes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    resolver: TypeResolver | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.retry not in RETRIES:
            raise ConfigurationError(f"retry is one of {', '.join(RETRIES)}, not {self.retry!r}", option="retry")
        if self.naive_datetime not in {"error", "utc", "local"}:
            raise ConfigurationError(
                f"naive_datetime is error, utc or local, not {self.naive_datetime!r}", option="naive_datetime"
            )
        if (self.username is None) != (self.password is None):
            raise ConfigurationError("username and password go together", option="username")
        for name in ("timeout", "connect_timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} must be above 0 s, not {value!r}", option=name)
        if self.max_in_flight < 1:
            raise ConfigurationError("max_in_flight must be at least 1", option="max_in_flight")


class AioClient:
    """A client of one cluster, on the raw layer. ``connect`` it, then ask it for caches and rows."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = Options() if options is None else options
        self.codecs: Codecs = mapping_codecs(
            resolver=self.options.resolver, naive_datetime=self.options.naive_datetime
        )
        # The same pair of types gets the same object, so that operations are compiled once for it.
        self.entry_types: Callable[[Spec[Any], Spec[Any]], EntryTypes] = lru_cache(maxsize=1024)(EntryTypes)
        self._session: Session | None = None

    def __repr__(self) -> str:
        return f"<AioClient {self._session.nodes!r}>" if self._session is not None else "<AioClient, not connected>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a client can't be pickled: connect anew where it is needed")

    @property
    def session(self) -> Session:
        """The session that carries out operations. Raises ClientClosed before ``connect``."""
        if self._session is None:
            raise ClientClosed("the client is not connected: await its connect() first")
        return self._session

    async def connect(self, addresses: Sequence[Address]) -> Self:
        """Reach the cluster over any of its addresses.

        Raises ClusterUnavailable, AuthenticationError, TlsError, InsecureCredentialsError, ConfigurationError.
        """
        if self._session is not None:
            raise ConfigurationError("the client is connected already")
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

        nodes = Nodes(
            addresses,
            Handshake(credentials=credentials, user_attributes=dict(options.user_attributes)),
            limits,
            options.tls,
            single=not options.partition_awareness,
            on_topology=on_topology,
        )
        session = Session(
            nodes,
            self.codecs,
            retry=RETRIES[options.retry],
            partition_awareness=options.partition_awareness and len(addresses) > 1,
        )
        try:
            await session.start()
        except BaseException:
            await session.aclose()
            raise
        self._session = session
        return self

    async def close(self) -> None:
        """Close all connections; operations in flight end as ClientClosed. At most 2 s."""
        if self._session is not None:
            await self._session.aclose()

    # --- caches ---------------------------------------------------------------------------------------------------

    async def create_cache(self, settings: Settings) -> AioCache:
        """Create a cache by name, CacheConfig, or dict of PROP_* codes. Raises CacheExists when it exists."""
        return await create_cache(self, settings)

    async def get_or_create_cache(self, settings: Settings) -> AioCache:
        """A cache by name, CacheConfig, or dict of PROP_* codes, created when it is absent."""
        return await get_or_create_cache(self, settings)

    async def get_cache(self, settings: Settings) -> AioCache:
        """A cache by name. Nothing is sent: an absent cache shows with the first operation."""
        return await get_cache(self, settings)

    async def get_cache_names(self) -> list[str]:
        """The names of all user caches."""
        return list(await self.session.call(CacheGetNames()))

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
    ) -> AioSqlFieldsCursor:
        """One SQL statement, run when the cursor is opened or first read.

        ``timeout`` in ms is the server's limit for the query, 0 for its default. With ``cache`` the cache's schema is
        used. Raises ConfigurationError for a page size below 1.
        """
        if page_size < 1:
            raise ConfigurationError(f"page_size must be at least 1, not {page_size}", option="page_size")
        if isinstance(cache, AioCache):
            ref = CacheRef(cache.cache_id)
        elif isinstance(cache, str):
            ref = CacheRef(string_hash(cache))
        else:
            ref = CacheRef(cache or 0)
        request = QuerySqlFields(
            ref,
            None if ref.cache_id else schema,
            page_size,
            max_rows,
            query_str,
            tuple(query_args or ()),
            statement_type,
            distributed_joins,
            local,
            replicated_only,
            enforce_join_order,
            collocated,
            lazy,
            int(timeout) or -1,
            include_field_names,
        )
        return AioSqlFieldsCursor(self.session, self.codecs, request, None)


async def create_cache(client: AioClient, settings: Settings) -> AioCache:
    """Create a cache by name, CacheConfig, or dict of PROP_* codes. Raises CacheExists when it exists."""
    config = _config(settings)
    if isinstance(settings, str):
        await client.session.call(CacheCreateWithName(settings))
    else:
        await client.session.call(CacheCreateWithConfiguration(config))
    return AioCache(client, _name(config))


async def get_or_create_cache(client: AioClient, settings: Settings) -> AioCache:
    """A cache by name, CacheConfig, or dict of PROP_* codes, created when it is absent."""
    config = _config(settings)
    if isinstance(settings, str):
        await client.session.call(CacheGetOrCreateWithName(settings))
    else:
        await client.session.call(CacheGetOrCreateWithConfiguration(config))
    return AioCache(client, _name(config))


async def get_cache(client: AioClient, settings: Settings) -> AioCache:
    """A cache by name. Nothing is sent: an absent cache shows with the first operation."""
    return AioCache(client, _name(_config(settings)))


@asynccontextmanager
async def connected(options: Options, addresses: Sequence[Address]) -> AsyncIterator[AioClient]:
    """A raw client for the length of a block."""
    client = AioClient(options)
    await client.connect(addresses)
    try:
        yield client
    finally:
        await client.close()


def _config(settings: Settings) -> CacheConfig:
    match settings:
        case str():
            return CacheConfig(name=settings)
        case CacheConfig():
            return settings
        case _:
            fields = {each.code: each for each in PROPERTIES}
            values: dict[str, Any] = {}
            for code, value in settings.items():
                each = fields.get(code)
                if each is None:
                    raise ConfigurationError(f"cache property {code} is not one of the protocol's", option=str(code))
                values[each.field] = value
            return CacheConfig(**values)


def _name(config: CacheConfig) -> str:
    if not config.name:
        raise ConfigurationError("a cache needs a name", option="name")
    return config.name


def _check_secure(addresses: Sequence[Address], options: Options) -> None:
    """Refuse to send a password over a plain connection to another machine."""
    if options.tls is not None or options.allow_plaintext_auth:
        return
    for address in addresses:
        if not _is_loopback(address.host):
            raise InsecureCredentialsError(
                f"credentials would cross the network to {address} in plain text:"
                " use tls=True, or say allow_plaintext_auth=True",
                node=str(address),
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name that may be anywhere
