"""The front door: URLs, options and where they come from, and how a client is opened."""

import math
import ssl
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.connection import Address
from ignitemap.ignite import Target, _check, _options, _statement, _target
from ignitemap.protocol.handshake import Credentials, Secret
from ignitemap.protocol.operations import QuerySqlFields, RowCursor
from tests.client.fake_server import FakeNode, fake_nodes, until

CANARY = "hunter2-CANARY"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IGNITEMAP_URL", "IGNITEMAP_USERNAME", "IGNITEMAP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A fake node."""
    async with fake_nodes(1) as nodes:
        yield nodes[0]


def addresses(*pairs: tuple[str, int]) -> tuple[Address, ...]:
    return tuple(Address(host, port) for host, port in pairs)


# --- URLs -----------------------------------------------------------------------------------------------------------

HOSTS: dict[str, tuple[Address, ...]] = {
    "ignite://h": addresses(("h", 10800)),
    "ignite://h:1": addresses(("h", 1)),
    "ignite://h:65535/": addresses(("h", 65535)),
    "IGNITE://h": addresses(("h", 10800)),
    "  ignite://h  ": addresses(("h", 10800)),
    "ignite://h:10800..10802": addresses(("h", 10800), ("h", 10801), ("h", 10802)),
    "ignite://h:5..5": addresses(("h", 5)),
    "ignite://a,b:7,c": addresses(("a", 10800), ("b", 7), ("c", 10800)),
    "ignite://a, b:7": addresses(("a", 10800), ("b", 7)),
    "ignite://a,a:10800": addresses(("a", 10800)),
    "ignite://[::1]": addresses(("::1", 10800)),
    "ignite://[::1]:7": addresses(("::1", 7)),
    "ignite://[fe80::1%eth0]:7..8": addresses(("fe80::1%eth0", 7), ("fe80::1%eth0", 8)),
    "ignite://h1:10800,h2:10800..10801,[::1]:10800": addresses(
        ("h1", 10800), ("h2", 10800), ("h2", 10801), ("::1", 10800)
    ),
    "ignite://u:p@[::1]:7,[::2]:8": addresses(("::1", 7), ("::2", 8)),
    "ignite://müller.example:7": addresses(("müller.example", 7)),
}


@pytest.mark.parametrize(("url", "found"), HOSTS.items(), ids=HOSTS.keys())
def test_hosts(url: str, found: tuple[Address, ...]) -> None:
    """Hosts, ports, ranges, IPv6 addresses and lists of them are read."""
    target = _target(url)
    assert (target.kind, target.addresses) == ("ignite", found)


def test_lists() -> None:
    """A list of addresses is as good as a URL; all forms of an address may stand in it."""
    assert _target(["127.0.0.1:10800", "[::1]:5", "h:1..2"]).addresses == addresses(
        ("127.0.0.1", 10800), ("::1", 5), ("h", 1), ("h", 2)
    )
    assert _target(("h",)).addresses == addresses(("h", 10800))


def test_str_of_addresses() -> None:
    """An address is shown as it is written."""
    assert [str(each) for each in addresses(("h", 1), ("::1", 2))] == ["h:1", "[::1]:2"]


BROKEN_HOSTS = [
    "",
    "h:",
    "h:x",
    "h:0",
    "h:65536",
    "h:-1",
    "h:+1",
    "h:1_0",
    "h: 1",
    "h:5..4",
    "h:5..",
    "h:..5",
    "h:1..2..3",
    "h:1..102",
    "h:99999999999",
    ":10800",
    "::1",
    "::1:10800",
    "[::1",
    "[::1]x",
    "[::1]:",
    "[h]:1",
    "[]:1",
    "h[::1]",
    "h,,g",
    "a b",
]


@pytest.mark.parametrize("host", BROKEN_HOSTS)
def test_broken_hosts(host: str) -> None:
    """What is no address is a ConfigurationError that shows it, in a URL as in a list."""
    for url in (f"ignite://{host}", [host]):
        if host == "h,,g" and isinstance(url, list):
            url = host.split(",")
        with pytest.raises(ig.ConfigurationError) as caught:
            ig.connect(url)
        assert caught.value.option == "url"
        assert host.split(",")[0] in caught.value.message


def test_broken_lists() -> None:
    """An empty list, and one of other things than str, is a ConfigurationError."""
    for url in ([], [("h", 1)], [None]):
        with pytest.raises(ig.ConfigurationError):
            ig.connect(url)  # type: ignore[arg-type]


BROKEN_URLS = {
    "h:10800": "none of these",
    "http://h": "none of these",
    "://h": "none of these",
    "ignite:h": "none of these",
    "embedded://name/a.db": "a name and a path",
    "embedded://a name": "can't name",
    "embedded://h?tls=true": "tls",
    "ignite://h/A/B": "schema",
    "ignite://h#part": "#",
    "ignite://@h": "user name",
    "ignite://:pw@h": "user name",
    "ignite://h?colour=red": "'colour'",
    "ignite://h?registry=x": "'registry'",
    "ignite://h?user_attributes=x": "'user_attributes'",
    "ignite://h?timeout=1&timeout=2": "twice",
    "ignite://h?timeout=soon": "timeout='soon'",
    "ignite://h?tls=maybe": "tls='maybe'",
    "ignite://h?tls": "tls",
    "ignite://h?max_in_flight=1.5": "max_in_flight",
    "ignite://h?nodes=2": "nodes",
    "local://h": "local://",
    "local:///x": "local://",
    "local://?nodes=x": "nodes",
    "local://?colour=red": "'colour'",
}


@pytest.mark.parametrize(("url", "what"), BROKEN_URLS.items(), ids=BROKEN_URLS.keys())
def test_broken_urls(url: str, what: str) -> None:
    """A URL part that means nothing is a ConfigurationError that names it, when connect() is called."""
    with pytest.raises(ig.ConfigurationError) as caught:
        ig.connect(url)
    assert what in caught.value.message
    assert caught.value.option


@pytest.mark.parametrize(
    "url",
    [
        f"ignite://ann:{CANARY}/x@h:1",
        f"ignite://ann:{CANARY}?x@h:1",
        f"ignite://ann:{CANARY}#x@h:1",
        f"ignite://ann:x/{CANARY}@h:1",
        f"ignite://ann:x?{CANARY}@h:1",
        f"ignite://ann:x?{CANARY}=1@h:1",
        f"ignite://ann:{CANARY}@[h:1",
        f"ignite://ann:{CANARY}@h:x",
        f"ignite://ann:{CANARY}@h?timeout=x",
        f"ignit://ann:{CANARY}@h",
        f"ann:{CANARY}@h",
        f"ignite://ann:{CANARY}@h\u2100.example:x",
    ],
)
def test_errors_show_no_password(url: str) -> None:
    """No error about a URL shows its password, or half of it, whatever is wrong."""
    with pytest.raises(ig.ConfigurationError) as caught:
        ig.connect(url)
    assert "hunter2" not in caught.value.message + repr(caught.value) + repr(caught.value.__cause__)


def test_credentials_in_the_url() -> None:
    """User and password may be percent-encoded; neither shows in a repr."""
    target = _target("ignite://a%40b:p%3A%2F%3F%23%40%25w@h/S%20x?timeout=5")
    assert target.options == {"timeout": 5.0, "username": "a@b", "password": Secret("p:/?#@%w")}
    assert target.schema == "S x"
    assert "p:/" not in repr(target)
    assert _target("ignite://ann@h").options == {"username": "ann"}
    assert _target("ignite://ann:a:b@h").options["password"] == Secret("a:b")
    assert _target("ignite://ann:a@b@h").options["password"] == Secret("a@b")
    assert _target("ignite://ann:@h").options["password"] == Secret("")


def test_options_in_the_url() -> None:
    """Options of the URL are read into their types."""
    query = (
        "tls=true&tls_ca_file=/a/b&allow_unverified_tls=no&allow_plaintext_auth=1&timeout=none&connect_timeout=2.5"
        "&retry=all&partition_awareness=False&max_in_flight=7&naive_datetime=utc&username=ann&password=p%26w"
        "&heartbeat=none&discovery=no"
    )
    assert _target(f"ignite://h/?{query}").options == {
        "tls": True,
        "tls_ca_file": "/a/b",
        "allow_unverified_tls": False,
        "allow_plaintext_auth": True,
        "timeout": None,
        "connect_timeout": 2.5,
        "retry": "all",
        "partition_awareness": False,
        "max_in_flight": 7,
        "naive_datetime": "utc",
        "username": "ann",
        "password": Secret("p&w"),
        "heartbeat": None,
        "discovery": False,
    }
    assert _target("local://?nodes=2&persistence=true") == Target("local", options={"nodes": 2, "persistence": True})


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL IGNITEMAP_URL is taken; without that the error names the forms."""
    for unset in (None, ""):
        if unset is not None:
            monkeypatch.setenv("IGNITEMAP_URL", unset)
        with pytest.raises(ig.ConfigurationError) as caught:
            ig.connect()
        for form in ("ignite://", "local://", "IGNITEMAP_URL", "list"):
            assert form in caught.value.message
    monkeypatch.setenv("IGNITEMAP_URL", "ignite://env:7")
    assert _target(None).addresses == addresses(("env", 7))


# --- options --------------------------------------------------------------------------------------------------------

WRONG_TYPES: dict[str, list[Any]] = {
    "username": [5, b"ann"],
    "password": [5, True],
    "tls": ["yes", 1],
    "tls_ca_file": [5],
    "timeout": ["5", True],
    "connect_timeout": ["5", True],
    "heartbeat": ["5", True],
    "retry": [5, None],
    "discovery": ["yes", None],
    "address_map": ["a", 5],
    "partition_awareness": ["yes", None],
    "max_in_flight": [1.5, True, None],
    "naive_datetime": [None],
    "user_attributes": ["x", None],
    "allow_plaintext_auth": ["yes"],
    "nodes": ["1"],
}


@pytest.mark.parametrize("option", WRONG_TYPES)
def test_options_of_the_wrong_type(option: str) -> None:
    """An option of the wrong type is a ConfigurationError that names it and not its value."""
    for value in WRONG_TYPES[option]:
        with pytest.raises(ig.ConfigurationError, match=option) as caught:
            ig.connect("ignite://h", **{option: value})
        assert caught.value.option == option


def test_unknown_options() -> None:
    """An unknown option is a ConfigurationError that names it."""
    with pytest.raises(ig.ConfigurationError, match="'colour'") as caught:
        ig.connect("ignite://h", colour="red")
    assert caught.value.option == "colour"
    with pytest.raises(ig.ConfigurationError, match="Registry"):
        ig.connect("ignite://h", registry={})
    with pytest.raises(ig.ConfigurationError, match="str to str"):
        ig.connect("ignite://h", user_attributes={"a": 1})
    for options in ({"retry": "x"}, {"timeout": 0}, {"timeout": math.nan}, {"max_in_flight": 0}, {"username": "ann"}):
        with pytest.raises(ig.ConfigurationError):
            ig.connect("ignite://h", **options)
    with pytest.raises(ig.ConfigurationError, match="local"):
        ig.connect("ignite://h", persistence=True)


def options_of(**given: Any) -> Any:
    _check(given)
    return _options(given, ig.Registry())


def test_tls(tmp_path: Path) -> None:
    """TLS checks certificate and host name unless its own loud option says no, and is at least 1.2."""
    assert options_of().tls is None
    assert options_of(tls=False).tls is None
    context = options_of(tls=True).tls
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    loud = options_of(tls=True, allow_unverified_tls=True).tls
    assert (loud.verify_mode, loud.check_hostname) == (ssl.CERT_NONE, False)
    assert options_of(tls=context).tls is context
    for tls in (False, context):
        for more in ({"tls_ca_file": "x"}, {"allow_unverified_tls": True}):
            with pytest.raises(ig.ConfigurationError, match="goes with tls=True"):
                options_of(tls=tls, **more)
    with pytest.raises(ig.ConfigurationError, match="No such file"):
        options_of(tls=True, tls_ca_file="/no/such/file")
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ig.ConfigurationError, match="tls_ca_file"):
        options_of(tls=True, tls_ca_file=tmp_path / "ca.pem")


def test_timeouts() -> None:
    """No timeout must be written out: None, or infinity."""
    assert options_of().timeout == 30
    assert options_of(timeout=None).timeout is None
    assert options_of(timeout=math.inf).timeout is None
    assert options_of(timeout=5).timeout == 5


# --- connecting -----------------------------------------------------------------------------------------------------


async def test_async_with_and_await(node: FakeNode) -> None:
    """`async with connect()` closes the client; `await connect()` leaves that to its caller."""
    async with ig.connect(f"ignite://{node.address}") as client:
        assert await client.cache_names() == ["one"]
        assert repr(client) == "<ignitemap Client, <1 of 1 nodes connected>>"
    await until(lambda: not node.connections)
    client = await ig.connect([str(node.address)])
    assert await client.cache_names() == ["one"]
    async with client:
        pass
    await client.aclose()
    with pytest.raises(ig.ClientClosed):
        await client.cache_names()
    await until(lambda: not node.connections)


async def test_nothing_happens_before_it_is_awaited(node: FakeNode) -> None:
    """Connect() alone opens nothing, and may be awaited more than once."""
    connecting = ig.connect(f"ignite://{node.address}")
    assert node.accepted == 0
    first, second = await connecting, await connecting
    assert first is not second
    await first.aclose()
    await second.aclose()


async def test_precedence(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyword beats the URL, the URL beats the environment."""

    async def sent(url: str, **options: Any) -> Credentials | None:
        node.handshakes.clear()
        async with ig.connect(url, **options):
            return node.handshakes[0].credentials

    plain, full = f"ignite://{node.address}", f"ignite://url:url@{node.address}"
    assert await sent(plain) is None
    assert await sent(full) == Credentials("url", "url")
    monkeypatch.setenv("IGNITEMAP_USERNAME", "env")
    monkeypatch.setenv("IGNITEMAP_PASSWORD", "env")
    assert await sent(plain) == Credentials("env", "env")
    assert await sent(full) == Credentials("url", "url")
    assert await sent(f"{plain}?username=query") == Credentials("query", "env")
    assert await sent(f"ignite://url@{node.address}") == Credentials("url", "env")
    assert await sent(full, username="word", password="word") == Credentials("word", "word")
    assert await sent(plain, username=None, password=None) is None
    async with ig.connect(f"{plain}?timeout=7&max_in_flight=3", timeout=9) as client:
        assert client.raw.options.timeout == 9
        assert client.raw.options.max_in_flight == 3


async def test_insecure_credentials() -> None:
    """Credentials for another machine over plain TCP are refused when it connects, before it dials."""
    for url in (f"ignite://ann:{CANARY}@10.255.255.1", f"ignite://ann:{CANARY}@127.0.0.1,db.example"):
        with pytest.raises(ig.InsecureCredentialsError) as caught:
            await ig.connect(url)
        assert CANARY not in str(caught.value)


async def test_a_failed_connect(node: FakeNode) -> None:
    """A connect that fails leaves nothing open."""
    await node.stop()
    with pytest.raises(ig.ClusterUnavailable):
        async with ig.connect(f"ignite://{node.address}"):
            raise AssertionError("not reached")


async def test_local_nodes(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """local:// starts nodes with the options of URL and keywords, and ends them with the client."""
    seen: list[Any] = []

    @asynccontextmanager
    async def cluster(**options: Any) -> AsyncIterator[Any]:
        seen.append(options)
        try:
            yield types.SimpleNamespace(url=f"ignite://{node.address}")
        finally:
            seen.append("ended")

    monkeypatch.setattr("ignitemap.local.cluster", cluster)
    async with ig.connect("local://?nodes=2", persistence=True) as client:
        assert await client.cache_names() == ["one"]
        assert seen == [{"nodes": 2, "persistence": True}]
    assert seen[1:] == ["ended"]
    node.on_handshake = lambda connection, _: connection.abort()
    with pytest.raises(ig.ClusterUnavailable):
        await ig.connect("local://")
    assert seen[2:] == [{}, "ended"]


@pytest.mark.stress  # starts nodes of its own
async def test_a_real_local_node() -> None:
    """local:// is a real node for the life of the client."""
    async with ig.connect("local://?nodes=1") as client:
        cache = await client.cache("numbers", int, str)
        await cache.set(1, "one")
        assert await cache[1] == "one"


# --- statements -----------------------------------------------------------------------------------------------------


def template(strings: tuple[str, ...], *parts: dict[str, Any]) -> Any:
    """A template string as Python 3.14 makes it."""
    defaults = {"expression": "x", "conversion": None, "format_spec": ""}
    made = tuple(types.SimpleNamespace(**{**defaults, **part}) for part in parts)
    return types.SimpleNamespace(strings=strings, interpolations=made)


def test_template_strings() -> None:
    """The values of a template string become parameters; formats, conversions and more parameters are refused."""
    assert _statement("select ?", (1,)) == ("select ?", (1,))
    found = _statement(template(("select ", " where a > ", ""), {"value": 1}, {"value": "x"}), ())
    assert found == ("select ? where a > ?", (1, "x"))
    broken: list[tuple[Any, tuple[Any, ...]]] = [
        (template(("a ", ""), {"value": 1}), (2,)),
        (template(("a ", ""), {"value": 1, "conversion": "r"}), ()),
        (template(("a ", ""), {"value": 1, "format_spec": ">5"}), ()),
        (5, ()),
        (None, ()),
        (b"select 1", ()),
    ]
    for query, params in broken:
        with pytest.raises(ig.QueryError):
            _statement(query, params)


async def test_what_a_statement_sends(node: FakeNode) -> None:
    """Schema, timeout, options and the kind of statement reach the node; impossible ones never leave."""
    seen: list[QuerySqlFields] = []

    def answer(call: Any) -> None:
        seen.append(call.request)
        call.answer(RowCursor(1, 1, ["A"], [(1,)], False))

    node.on(QuerySqlFields, answer)
    async with ig.connect(f"ignite://{node.address}/OWN") as client:
        await client.sql(" SELECT ?", 1)
        await client.sql("delete from t", schema="S", timeout=1.0005, page_size=5, lazy=True, partitions=[1])
        await client.sql("selected", timeout=math.inf)
        for options in ({"page_size": 0}, {"timeout": 0}, {"timeout": -1}):
            with pytest.raises(ig.ConfigurationError):
                client.sql("select 1", **options)  # type: ignore[arg-type]
    assert [(each.schema, each.timeout, each.statement_type) for each in seen] == [
        ("OWN", -1, 1),
        ("S", 1001, 0),
        ("OWN", -1, 0),
    ]
    assert (seen[1].page_size, seen[1].lazy, tuple(seen[1].partitions or ())) == (5, True, (1,))
