"""The front door: ``connect`` reads a URL and options, and answers with a Client."""

import datetime
import math
import os
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Literal, TypeVar, cast, overload
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
from typing_extensions import Self, TypeForm

from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.client.cursors import AioSqlFieldsCursor
from ignitemap.exceptions import CacheNotFound, ConfigurationError
from ignitemap.mapping.cache import Cache
from ignitemap.mapping.rows import Query
from ignitemap.models.registry import Model, Registry, default_registry
from ignitemap.models.schema import query_entity, simple_name
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    KeyConfiguration,
    PartitionLossPolicy,
    WriteSynchronizationMode,
)
from ignitemap.protocol.codecs import ANY, Spec
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef, ExpiryPolicy
from ignitemap.protocol.operations import (
    CacheDestroy,
    CacheGetConfiguration,
    CacheGetNames,
    CacheGetOrCreateWithConfiguration,
    QuerySqlFields,
)

__all__ = ["Client", "connect"]

K = TypeVar("K")
V = TypeVar("V")

DEFAULT_PORT: Final = 10800
FORMS: Final = (
    "ignite://host:10800[,host:port..port][/SCHEMA], a list of 'host:port', local://?nodes=1 for real nodes on this"
    " machine, or the environment variable IGNITEMAP_URL"
)
_TRUE: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

DURABILITY: Final[Mapping[str, CacheConfig]] = {
    "safe": CacheConfig(
        backups=1,
        write_sync=WriteSynchronizationMode.FULL_SYNC,
        read_from_backup=False,
        partition_loss_policy=PartitionLossPolicy.READ_WRITE_SAFE,
    ),
    "fast": CacheConfig(),
}
MODES: Final[Mapping[str, CacheMode]] = {mode.name.lower(): mode for mode in CacheMode}
ATOMICITIES: Final[Mapping[str, CacheAtomicityMode]] = {mode.name.lower(): mode for mode in CacheAtomicityMode}


@attrs.frozen
class Target:
    """Where a URL leads: addresses of a cluster, or real nodes to be started; and its options."""

    kind: Literal["ignite", "local"]
    addresses: tuple[Address, ...] = ()
    schema: str | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)


class Client:
    """A client of one cluster: caches as mappings, SQL, and the raw layer underneath.

    Made by `connect`; an async context manager, or closed by ``aclose()``.
    """

    def __init__(self, raw: AioClient, registry: Registry, schema: str | None, resources: AsyncExitStack) -> None:
        self.raw = raw
        """The raw client underneath (`ignitemap.raw`)."""
        self._registry = registry
        self._schema = schema
        self._resources = resources

    def __repr__(self) -> str:
        return f"<ignitemap Client, {self.raw.session.nodes!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections within 2 s, and end the nodes that the client started."""
        await self._resources.aclose()

    # --- caches -----------------------------------------------------------------------------------------------------

    @overload
    async def cache(
        self, name: type[V], /, *, config: CacheConfig | None = None, create: bool = True, **options: Any
    ) -> Cache[Any, V]: ...
    @overload
    async def cache(
        self, name: type[V], /, *, key: TypeForm[K], config: CacheConfig | None = None, create: bool = True, **options: Any
    ) -> Cache[K, V]: ...
    @overload
    async def cache(
        self, name: str, /, *, config: CacheConfig | None = None, create: bool = True, **options: Any
    ) -> Cache[Any, Any]: ...
    @overload
    async def cache(
        self, name: str, model: type[V], /, *, config: CacheConfig | None = None, create: bool = True, **options: Any
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
        **options: Any,
    ) -> Cache[K, V]: ...
    async def cache(
        self,
        name: Any,
        *types: Any,
        key: Any = None,
        config: CacheConfig | None = None,
        create: bool = True,
        **options: Any,
    ) -> Cache[Any, Any]:
        """A cache as an awaitable mapping, created when it is absent.

        ``cache(name, K, V)`` with type forms or specs, ``cache(Model)``, ``cache(Model, key=int)``,
        ``cache(name, Model)``, or ``cache(name)`` for any keys and values.

        Args:
            config: The configuration of a cache that must be created.
            create: False to open only what exists.
            options: Fields of CacheConfig by name, with ``mode`` and ``atomicity`` as words, ``ttl`` in seconds, and
                ``durability``: ``"safe"`` (default: one backup, FULL_SYNC, reads from the primary, no silent loss)
                or ``"fast"`` (the server's own defaults).

        Raises ConfigurationError for an unknown option, ModelError for a type that Ignite can't hold, CacheNotFound
        for an absent cache with ``create=False``, SchemaConflictError where a model and the cluster disagree.
        """
        model, name, key_spec, value_spec = self._declared(name, types, key)
        wanted = _configured(name, config, options, model, key_spec)
        session = self.raw.session
        ref = CacheRef(string_hash(name))
        if create:
            if model is not None:
                await session.metadata.announce(model.schema.value)
            await session.call(CacheGetOrCreateWithConfiguration(wanted))
        else:
            try:
                await session.call(CacheGetConfiguration(ref))
            except CacheNotFound as error:
                raise CacheNotFound(
                    f"there is no cache {name!r}", status=error.status, node=error.node, operation=error.operation
                ) from None
        await session.know_affinity(ref.cache_id)
        typed = AioCache(self.raw, name, types=self.raw.entry_types(key_spec, value_spec))
        keyed = model if model is not None and model.schema.key_fields else None
        table = None if model is None else f'"{name}".{simple_name(model.type_name).upper()}'
        return Cache(AioCache(self.raw, name), typed, keyed, table=table)

    async def cache_names(self) -> list[str]:
        """The names of all user caches."""
        return list(await self.raw.session.call(CacheGetNames()))

    async def drop(self, name: str) -> None:
        """Destroy a cache with its data. Raises CacheNotFound when it is absent."""
        await self.raw.session.call(CacheDestroy(string_hash(name)))

    def _declared(self, name: Any, types: tuple[Any, ...], key: Any) -> tuple[Model | None, str, Spec[Any], Spec[Any]]:
        """The model, if V is one, the cache's name, and the specs of keys and values."""
        if not isinstance(name, str):
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
            raise ConfigurationError(f"{key_spec.name} can't be a key: its values are not hashable", option="key")
        if model is not None and own_key is not None:
            if key_spec.name == own_key.name:
                key_spec, value_spec = own_key, model.codec.value
            else:
                model = None  # under keys of another type the key fields are part of the value
        return model, name, key_spec, value_spec

    # --- SQL --------------------------------------------------------------------------------------------------------

    def sql(
        self,
        query: str,
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
    ) -> Query:
        """One SQL statement with ``?`` for its parameters: ``await`` it for all rows, or stream it in ``async with``.

        Args:
            schema: The SQL schema, as it is written inside quotes; the URL's or PUBLIC by default.
            page_size: Rows a round trip.
            timeout: Seconds that the server may take; the client's timeout by default.

        Raises ConfigurationError for a page size below 1 or a timeout that isn't above 0; SqlError when it runs.
        """
        if page_size < 1:
            raise ConfigurationError(f"page_size must be at least 1, not {page_size}", option="page_size")
        if timeout is not None and not timeout > 0:
            raise ConfigurationError(f"timeout must be above 0 s, not {timeout!r}", option="timeout")
        request = QuerySqlFields(
            CacheRef(0),
            schema or self._schema or "PUBLIC",
            page_size,
            -1,
            query,
            params,
            distributed_joins=distributed_joins,
            local=local,
            enforce_join_order=enforce_join_order,
            collocated=collocated,
            lazy=lazy,
            timeout=-1 if timeout is None else math.ceil(timeout * 1000),
            partitions=partitions,
        )
        raw = self.raw

        def make_cursor() -> AioSqlFieldsCursor:
            return AioSqlFieldsCursor(raw.session, raw.codecs, request, timeout)

        return Query(make_cursor)


class Connecting:
    """What `connect` returns: ``await`` it for a Client, or use it with ``async with``."""

    def __init__(self, open_client: Callable[[], "AsyncIterator[Client] | Any"]) -> None:
        self._open = open_client
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return cast(Generator[Any, None, Client], self._open().__await__())

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
            ``"host:port"``, or ``local://?nodes=1`` for real nodes that live as long as the client; without it the
            environment variable ``IGNITEMAP_URL``.
        options: ``username``, ``password``, ``tls`` (True or an ssl.SSLContext; certificates and host names are
            verified), ``tls_ca_file``, ``allow_plaintext_auth``, ``timeout`` (seconds an operation, 30),
            ``connect_timeout`` (seconds, 10), ``retry`` (``"reads"``, ``"all"``, ``"none"``),
            ``partition_awareness``, ``max_in_flight``, ``registry``, ``naive_datetime``, ``user_attributes``.
            A keyword beats the URL, the URL beats ``IGNITEMAP_USERNAME`` and ``IGNITEMAP_PASSWORD``.

    Raises ConfigurationError for an unknown option or URL part, at once; ClusterUnavailable, AuthenticationError,
    TlsError, InsecureCredentialsError when it connects.
    """
    target = _target(url)
    registry = options.pop("registry", None) or default_registry
    if not isinstance(registry, Registry):
        raise ConfigurationError("registry must be an ignitemap.Registry", option="registry")
    merged = {**_environment(), **target.options, **options}
    node_options = {name: merged.pop(name) for name in ("nodes", "persistence") if name in merged}
    if node_options and target.kind != "local":
        raise ConfigurationError(
            f"{', '.join(node_options)} goes with local:// only", option=next(iter(node_options))
        )
    made = _options(merged, registry)

    async def open_client() -> Client:
        async with AsyncExitStack() as stack:
            addresses = target.addresses
            if target.kind == "local":
                from ignitemap import local  # needs an extra, and few programs start nodes

                cluster = await stack.enter_async_context(local.cluster(**node_options))
                addresses = _target(cluster.url).addresses
            raw = AioClient(made)
            stack.push_async_callback(raw.close)
            await raw.connect(addresses)
            return Client(raw, registry, target.schema, stack.pop_all())
        raise AssertionError("unreachable")

    return Connecting(open_client)


# --- URLs and options -----------------------------------------------------------------------------------------------


def _target(url: str | Sequence[str] | None) -> Target:
    if url is None:
        url = os.environ.get("IGNITEMAP_URL")
        if not url:
            raise ConfigurationError(f"connect() needs a URL: {FORMS}", option="url")
    if not isinstance(url, str):
        return Target("ignite", _addresses(",".join(url)))
    try:
        parts = urlsplit(url.strip())
    except ValueError as error:
        raise ConfigurationError(f"the URL can't be read: {error}", option="url") from None
    query = _query(parts.query)
    match parts.scheme:
        case "local":
            if parts.netloc or parts.path.strip("/"):
                raise ConfigurationError("local:// takes options only: local://?nodes=2", option="url")
            return Target("local", options=query)
        case "ignite":
            credentials, _, hosts = parts.netloc.rpartition("@")
            options: dict[str, Any] = dict(query)
            if credentials:
                username, colon, password = credentials.partition(":")
                options["username"] = unquote(username)
                if colon:
                    options["password"] = unquote(password)
            return Target("ignite", _addresses(hosts), unquote(parts.path.strip("/")) or None, options)
        case "embedded":
            raise ConfigurationError("embedded nodes are not part of this version yet: use local://", option="url")
        case _:
            raise ConfigurationError(
                f"the URL scheme {parts.scheme or '(none)'!r} is none of these: {FORMS}", option="url"
            )


def _addresses(hosts: str) -> tuple[Address, ...]:
    found: list[Address] = []
    for part in hosts.split(","):
        host, first, last = _host_and_ports(part.strip())
        found.extend(Address(host, port) for port in range(first, last + 1))
    return tuple(dict.fromkeys(found))


def _host_and_ports(text: str) -> tuple[str, int, int]:
    """``host``, ``host:port``, ``host:first..last``, ``[v6]:port``."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        ports = rest.removeprefix(":")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfigurationError(f"the address {text!r} is not [host]:port", option="url")
    else:
        host, _, ports = text.partition(":")
    first, _, last = ports.partition("..")
    try:
        low = int(first) if first else DEFAULT_PORT
        high = int(last) if last else low
    except ValueError:
        raise ConfigurationError(f"the address {text!r} is not host:port or host:first..last", option="url") from None
    if not host or not 0 < low <= high < 65536 or high - low > 100:
        raise ConfigurationError(f"the address {text!r} is not host:port or host:first..last", option="url")
    return host, low, high


def _query(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        reader = _FROM_TEXT.get(name)
        if reader is None:
            raise ConfigurationError(f"{name!r} is not an option of the URL", option=name)
        try:
            options[name] = reader(text)
        except (KeyError, ValueError):
            raise ConfigurationError(f"{name}={text!r} in the URL is not a {reader.__name__.strip('_')}", option=name) from None
    return options


def _bool(text: str) -> bool:
    return _TRUE[text.lower()]


def _seconds(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


_FROM_TEXT: Final[Mapping[str, Callable[[str], Any]]] = {
    "tls": _bool,
    "tls_ca_file": str,
    "allow_plaintext_auth": _bool,
    "timeout": _seconds,
    "connect_timeout": float,
    "retry": str,
    "partition_awareness": _bool,
    "max_in_flight": int,
    "naive_datetime": str,
    "username": str,
    "password": str,
    "nodes": int,
    "persistence": _bool,
}


def _environment() -> dict[str, str]:
    names = {"username": "IGNITEMAP_USERNAME", "password": "IGNITEMAP_PASSWORD"}
    return {option: os.environ[name] for option, name in names.items() if os.environ.get(name)}


def _options(given: dict[str, Any], registry: Registry) -> Options:
    known = {each.name for each in attrs.fields(Options)} - {"resolver"}
    ca_file = given.pop("tls_ca_file", None)
    unknown = given.keys() - known
    if unknown:
        name = min(unknown)
        raise ConfigurationError(f"connect() has no option {name!r}", option=name)
    tls = given.pop("tls", False)
    match tls:
        case ssl.SSLContext():
            context = tls
        case True:
            try:
                context = ssl.create_default_context(cafile=ca_file)
            except OSError as error:
                raise ConfigurationError(f"tls_ca_file: {error.strerror}", option="tls_ca_file") from error
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        case False | None:
            context = None
        case _:
            raise ConfigurationError("tls is True, False or an ssl.SSLContext", option="tls")
    if ca_file is not None and context is None:
        raise ConfigurationError("tls_ca_file goes with tls=True", option="tls_ca_file")
    return Options(**given, tls=context, resolver=registry)


def _configured(
    name: str, config: CacheConfig | None, options: dict[str, Any], model: Model | None, key: Spec[Any]
) -> CacheConfig:
    """The configuration that a cache gets if it must be created."""
    durability = options.pop("durability", "safe")
    if durability not in DURABILITY:
        raise ConfigurationError(f"durability is safe or fast, not {durability!r}", option="durability")
    base = attrs.asdict(DURABILITY[durability], recurse=False)
    if config is not None:
        base.update({field: value for field, value in attrs.asdict(config, recurse=False).items() if value is not None})
    known = {each.name for each in attrs.fields(CacheConfig)} - {"name"}
    if "ttl" in options:
        milliseconds = ttl_milliseconds(options.pop("ttl"))
        base["expiry"] = ExpiryPolicy(milliseconds, milliseconds)
    for option, value in options.items():
        if option not in known:
            raise ConfigurationError(f"a cache has no option {option!r}", option=option)
        base[option] = _word(option, value)
    base["name"] = name
    if model is not None and base["query_entities"] is None:
        key_model = model.key_model
        base["query_entities"] = (
            query_entity(model.schema, key, None if key_model is None else key_model.type_name),
        )
        if key_model is not None and base["key_configuration"] is None:
            affinity = next((each.name for each in key_model.schema.fields if each.options.affinity), None)
            if affinity is not None:
                base["key_configuration"] = (KeyConfiguration(key_model.type_name, affinity),)
    return CacheConfig(**base)


def _word(option: str, value: Any) -> Any:
    words: Mapping[str, Any] | None = {"mode": MODES, "atomicity": ATOMICITIES}.get(option)
    if words is None or not isinstance(value, str):
        return value
    if value.lower() not in words:
        raise ConfigurationError(f"{option} is {' or '.join(words)}, not {value!r}", option=option)
    return words[value.lower()]


def ttl_milliseconds(ttl: float | datetime.timedelta) -> int:
    """A time to live as the wire has it: ms, rounded up; -1 for ever. Raises ValueError unless it is above 0."""
    seconds = ttl.total_seconds() if isinstance(ttl, datetime.timedelta) else ttl
    if not seconds > 0:
        raise ValueError(f"ttl must be above 0 s, not {ttl!r}")
    return -1 if seconds == math.inf else math.ceil(seconds * 1000)


