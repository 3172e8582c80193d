"""The front door: ``connect`` reads a URL and options, and answers with a Client."""

import datetime
import ipaddress
import math
import os
import re
import ssl
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Literal, Self, TypeVar, overload
from urllib.parse import parse_qsl, unquote

import attrs
from typing_extensions import TypeForm

from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.client.cursors import AioSqlFieldsCursor
from ignitemap.exceptions import CacheNotFound, ConfigurationError, ModelError, QueryError
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
MAX_RANGE: Final = 101  # a node takes the first free of 101 ports
SELECT: Final = 1  # the statement type that lets nothing else pass, so that it may be asked again
ANY_STATEMENT: Final = 0
_SELECT: Final = re.compile(r"\s*select\b", re.IGNORECASE)
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:\.\.([0-9]{1,5}))?")
_HOST_NAME: Final = re.compile(r"[^\s:/?#@\[\]]+")
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

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
        self,
        name: type[V],
        /,
        *,
        key: TypeForm[K],
        config: CacheConfig | None = None,
        create: bool = True,
        **options: Any,
    ) -> Cache[K, V]: ...
    @overload
    async def cache(
        self, name: type[V], /, *, config: CacheConfig | None = None, create: bool = True, **options: Any
    ) -> Cache[Any, V]: ...
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
        /,
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
            name: The cache's name, or a model that has one.
            *types: The types of keys and values, or a model.
            key: The key's type, beside a model.
            config: The configuration of a cache that must be created.
            create: False to open only what exists.
            options: Fields of CacheConfig by name, with ``mode`` and ``atomicity`` as words, ``ttl`` in seconds, and
                ``durability``: ``"safe"`` (default: one backup, FULL_SYNC, reads from the primary, no silent loss)
                or ``"fast"`` (the server's own defaults).

        Raises ConfigurationError for an unknown option, ModelError for a type that Ignite can't hold, CacheNotFound
        for an absent cache with ``create=False``, SchemaConflictError where a model and the cluster disagree.
        """
        model, key_model, name, key_spec, value_spec = self._declared(name, types, key)
        if key_model is not None:
            key_spec = await self._as_known(key_model, model)
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
        typed = AioCache(
            self.raw, name, codecs=self.raw.mapping_codecs, types=self.raw.entry_types(key_spec, value_spec)
        )
        keyed: Any = model if model is not None and model.schema.key_fields else None
        # In quotes, since a model may be named Order or Group.
        table = None if model is None else f'"{name}"."{simple_name(model.type_name).upper()}"'
        schema = None if model is None else model.schema
        return Cache[Any, Any](AioCache(self.raw, name), typed, keyed, table=table, schema=schema)

    async def cache_names(self) -> list[str]:
        """The names of all user caches."""
        names = await self.raw.session.call(CacheGetNames())
        return list(names)

    async def drop(self, name: str) -> None:
        """Destroy a cache with its data. Raises CacheNotFound when it is absent."""
        await self.raw.session.call(CacheDestroy(string_hash(name)))

    async def _as_known(self, key_model: Model, model: Model | None) -> Spec[Any]:
        """The spec of a key class in the field order that the cluster knows: keys are compared by their bytes."""
        session, number = self.raw.session, key_model.schema.whole.id
        (own,) = key_model.schema.whole.schemas
        await session.metadata.learn(number, own)
        known = self.raw.mapping_codecs.known.types.get(number)
        own_key = None if model is None or model.key_model is not key_model else model.key_spec(known)
        return key_model.as_key(known) if own_key is None else own_key

    def _declared(
        self, name: Any, types: tuple[Any, ...], key: Any
    ) -> tuple[Model | None, Model | None, str, Spec[Any], Spec[Any]]:
        """The model, if V is one, the model of keys, if K is one, the cache's name, the specs of keys and values."""
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
            else:
                model = None  # under keys of another type the key fields are part of the value
        return model, key_model, name, key_spec, value_spec

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
    ) -> Query:
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
        """
        if page_size < 1:
            raise ConfigurationError(f"page_size must be at least 1, not {page_size}", option="page_size")
        if timeout is not None and not timeout > 0:
            raise ConfigurationError(f"timeout must be above 0 s, not {timeout!r}", option="timeout")
        text, arguments = _statement(query, params)
        request = QuerySqlFields(
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

        def make_cursor() -> AioSqlFieldsCursor:
            return AioSqlFieldsCursor(raw.session, raw.mapping_codecs, request, timeout)

        return Query(text, make_cursor)


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
        if part.conversion or part.format_spec:
            raise QueryError(f"{{{part.expression}}} is bound as it is: write no conversion and no format")
    return "?".join(strings), tuple(part.value for part in interpolations)


class Connecting:
    """What `connect` returns: ``await`` it for a Client, or use it with ``async with``."""

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
            ``"host:port"``, or ``local://?nodes=1`` for real nodes that live as long as the client; without it the
            environment variable ``IGNITEMAP_URL``.
        options: ``username``, ``password``, ``tls`` (True or an ssl.SSLContext; certificates and host names are
            verified unless ``allow_unverified_tls=True``), ``tls_ca_file``, ``allow_plaintext_auth``, ``timeout``
            (seconds an operation, 30; None waits for ever),
            ``connect_timeout`` (seconds, 10), ``retry`` (``"reads"``, ``"all"``, ``"none"``),
            ``partition_awareness``, ``max_in_flight``, ``registry``, ``naive_datetime``, ``user_attributes``.
            A keyword beats the URL, the URL beats ``IGNITEMAP_USERNAME`` and ``IGNITEMAP_PASSWORD``.

    Raises ConfigurationError for an unknown option or URL part, at once; ClusterUnavailable, AuthenticationError,
    TlsError, InsecureCredentialsError when it connects.
    """
    target = _target(url)
    registry = options.pop("registry", None)
    if registry is None:
        registry = default_registry
    if not isinstance(registry, Registry):
        raise ConfigurationError("registry must be an ignitemap.Registry", option="registry")
    merged: dict[str, Any] = {**_environment(), **target.options, **options}
    _check(merged)
    node_options = {name: merged.pop(name) for name in _NODE_OPTIONS if name in merged}
    if node_options and target.kind != "local":
        raise ConfigurationError(f"{', '.join(node_options)} goes with local:// only", option=next(iter(node_options)))
    made = _options(merged, registry)

    async def open_client() -> Client:
        async with AsyncExitStack() as stack:
            addresses = target.addresses
            if target.kind == "local":
                from ignitemap import local  # noqa: PLC0415 - needs an extra, and few programs start nodes

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
                options["username"] = unquote(username)
            if colon:
                options["password"] = unquote(password)
            schema = path.removesuffix("/")
            if "/" in schema:
                raise ConfigurationError(f"the URL's path {path!r} is not one schema", option="url")
            return Target("ignite", _addresses(hosts.split(",")), unquote(schema) or None, options)
        case "embedded":
            raise ConfigurationError("embedded nodes are not part of this version yet: use local://", option="url")
        case _:
            raise ConfigurationError(f"the URL begins with none of these: {FORMS}", option="url")


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
    try:
        return isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address)
    except ValueError:
        return False


def _query(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
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
    "password": _Option("a str", (str, _NONE), str),
    "tls": _Option("True, False or an ssl.SSLContext", (bool, ssl.SSLContext, _NONE), _boolean),
    "tls_ca_file": _Option("a path", (str, os.PathLike, _NONE), str),
    "allow_unverified_tls": _SWITCH,
    "allow_plaintext_auth": _SWITCH,
    "timeout": _Option("a number of seconds or None", (int, float, _NONE), _seconds),
    "connect_timeout": _Option("a number of seconds", (int, float), float),
    "retry": _TEXT,
    "partition_awareness": _SWITCH,
    "max_in_flight": _Option("a whole number", (int,), int),
    "naive_datetime": _TEXT,
    "user_attributes": _Option("a mapping of str to str", (Mapping,)),
    "nodes": _Option("a whole number", (int,), int),
    "persistence": _SWITCH,
}
_NODE_OPTIONS: Final = ("nodes", "persistence")


def _environment() -> dict[str, str]:
    names = {"username": "IGNITEMAP_USERNAME", "password": "IGNITEMAP_PASSWORD"}
    return {option: os.environ[name] for option, name in names.items() if os.environ.get(name)}


def _check(given: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for an option that does not exist or has the wrong type; it names no value."""
    for name, value in given.items():
        option = _OPTIONS.get(name)
        if option is None:
            raise ConfigurationError(f"connect() has no option {name!r}", option=name)
        is_number = isinstance(value, bool) and bool not in option.types
        if is_number or not isinstance(value, option.types):
            raise ConfigurationError(
                f"{name} must be {option.kind}, not a Python {type(value).__qualname__}", option=name
            )


def _options(given: dict[str, Any], registry: Registry) -> Options:
    """The options of a client. ``given`` was checked."""
    tls = _tls_context(
        given.pop("tls", False), given.pop("tls_ca_file", None), unverified=given.pop("allow_unverified_tls", False)
    )
    if given.get("timeout") == math.inf:
        given["timeout"] = None
    attributes = given.get("user_attributes", {})
    if not all(isinstance(text, str) for pair in attributes.items() for text in pair):
        raise ConfigurationError("user_attributes must be a mapping of str to str", option="user_attributes")
    return Options(**given, tls=tls, resolver=registry)


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
        base["query_entities"] = (query_entity(model.schema, key, None if key_model is None else key_model.type_name),)
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
