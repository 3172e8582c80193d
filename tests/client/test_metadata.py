"""What client and cluster tell each other about types: once, whoever asks, and with contradictions named."""

import asyncio
import gc
import struct
import tracemalloc
from collections.abc import AsyncIterator, Callable

import attrs
import pytest

import ignitemap as ig
from ignitemap.client.metadata import MAX_ABSENT
from ignitemap.client.session import Session
from ignitemap.exceptions import SecurityViolation
from ignitemap.protocol.binary_type import MAX_KNOWN_BYTES, BinaryType, Field, KnownTypes, binary_type, enum_type
from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.codegen import compile_operation
from ignitemap.protocol.hashing import field_id, type_id
from ignitemap.protocol.message import CacheRef, changed
from ignitemap.protocol.operations import (
    CacheGet,
    CacheGetAndPut,
    CacheGetNames,
    CachePut,
    GetBinaryType,
    PutBinaryType,
    RegisterBinaryTypeName,
    TypeBlock,
)
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.wire import ProtocolContext
from tests.client.fake_server import Call, FakeNode, connected, fake_nodes, session_of, until

CACHE = CacheRef(7)
INT, LONG, STRING, OBJECT = 3, 4, 9, 103
REGISTRY = ig.Registry()


@REGISTRY.model(type_name="test.Point")
@attrs.define
class Point:
    x: int
    y: int


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A fake node."""
    async with fake_nodes(1) as nodes:
        yield nodes[0]


@pytest.fixture
async def session(node: FakeNode) -> AsyncIterator[Session]:
    """A session on it."""
    async with session_of(node) as made:
        yield made


def block(name: str, *fields: tuple[str, int], affinity: str | None = None) -> TypeBlock:
    """A class as the cluster tells it."""
    made = binary_type(name, fields, affinity_field=affinity)
    return TypeBlock(
        made.id,
        made.name,
        made.affinity_field,
        [(field.name, field.code, field.id) for field in made.fields.values()],
        False,
        [],
        [(schema, list(order)) for schema, order in made.schemas.items()],
    )


def enum_block(name: str, **constants: int) -> TypeBlock:
    """An enum as the cluster tells it."""
    return TypeBlock(type_id(name), name, None, [], True, list(constants.items()), [])


# --- announcing -----------------------------------------------------------------------------------------------------


async def test_announced_once(node: FakeNode, session: Session) -> None:
    """Many writers that use a new type announce it once, and wait for that."""
    wanted = binary_type("a.B", [("x", LONG)])
    await asyncio.gather(*(session.metadata.announce(wanted) for _ in range(50)))
    assert [node.count(each) for each in (GetBinaryType, RegisterBinaryTypeName, PutBinaryType)] == [1, 1, 1]
    put = node.types[wanted.id]
    assert put.name == "a.B"
    assert list(put.fields) == [("x", LONG, field_id("x"))]
    assert not session.metadata._locks


async def test_announced_before_the_first_object(node: FakeNode) -> None:
    """The first object of a model leaves after its type was announced, later ones at once."""
    async with connected(node, resolver=REGISTRY) as client:
        order = [PutBinaryType, CachePut, CachePut]
        await asyncio.gather(*(client.session.call(CachePut(CACHE, number, Point(1, 2))) for number in range(10)))
        await client.session.call(CachePut(CACHE, 1, Point(3, 4)))
        seen = [call.operation for call in node.calls if call.operation in order]
        assert seen == [PutBinaryType] + [CachePut] * 11


async def test_united_with_what_the_cluster_has(node: FakeNode, session: Session) -> None:
    """Fields and schemas that the cluster has are kept, and an Object stays an Object."""
    node.types[type_id("a.B")] = block("a.B", ("old", STRING), ("list", OBJECT), affinity="old")
    await session.metadata.announce(binary_type("a.B", [("x", LONG), ("list", 24)]))
    put = node.types[type_id("a.B")]
    assert {name: code for name, code, _ in put.fields} == {"old": STRING, "list": OBJECT, "x": LONG}
    assert len(put.schemas) == 2
    assert put.affinity_field == "old"


async def test_enums_are_united(node: FakeNode, session: Session) -> None:
    """The constants of both sides are kept."""
    node.types[type_id("a.E")] = enum_block("a.E", ONE=0)
    await session.metadata.announce(enum_type("a.E", {"TWO": 1}))
    assert dict(node.types[type_id("a.E")].constants) == {"ONE": 0, "TWO": 1}


CONFLICTS = {
    "field": (block("a.B", ("x", INT)), binary_type("a.B", [("x", LONG)]), r"a\.B\.x is int .* and long"),
    "strange field": (block("a.B", ("x", 99)), binary_type("a.B", [("x", LONG)]), "type 99"),
    "enum": (block("a.B", ("x", INT)), enum_type("a.B", {"A": 0}), "a class in the cluster and an enum"),
    "class": (enum_block("a.B", A=0), binary_type("a.B", [("x", INT)]), "an enum in the cluster and a class"),
    "name": (block("a.B"), BinaryType(type_id("a.B"), "c.D", {1: Field("x", INT, 1)}, {5: (1,)}), "belongs to a.B"),
    "ordinal": (enum_block("a.B", ONE=0), enum_type("a.B", {"UNO": 0}), "ordinal 0 is ONE"),
}


@pytest.mark.parametrize(("there", "wanted", "what"), CONFLICTS.values(), ids=CONFLICTS.keys())
async def test_conflicts(node: FakeNode, session: Session, there: TypeBlock, wanted: BinaryType, what: str) -> None:
    """A type that contradicts the cluster's is a SchemaConflictError that names both; nothing is put."""
    node.types[wanted.id] = there
    with pytest.raises(ig.SchemaConflictError, match=what) as caught:
        await session.metadata.announce(wanted)
    assert caught.value.path
    assert node.count(PutBinaryType) == 0


async def test_refused_by_the_cluster(node: FakeNode, session: Session) -> None:
    """A type that the cluster refuses is a SchemaConflictError; a lack of permission stays what it is."""
    wanted = binary_type("a.B", [("x", LONG)])
    node.on(PutBinaryType, lambda call: call.fail(1, "Binary type has different field types"))
    with pytest.raises(ig.SchemaConflictError, match="different field types"):
        await session.metadata.announce(wanted)
    node.on(PutBinaryType, lambda call: call.fail(1012, "no"))
    with pytest.raises(SecurityViolation):
        await session.metadata.announce(wanted)
    node.on(PutBinaryType, lambda call: call.answer())
    await session.metadata.announce(wanted)


@pytest.mark.parametrize("later", [0.0, 0.03])
async def test_someone_is_faster(node: FakeNode, session: Session, later: float) -> None:
    """A type that the cluster refuses since another client has put it meanwhile is a conflict that names both types.

    Also where the node that is asked for it hears of it a moment later.
    """

    def refuse(call: Call) -> None:
        there = block("a.B", ("x", STRING))
        asyncio.get_running_loop().call_later(later, node.types.__setitem__, type_id("a.B"), there)
        call.fail(1, "Binary type has different field types")

    node.on(PutBinaryType, refuse)
    with pytest.raises(ig.SchemaConflictError, match=r"a\.B\.x is String in the cluster and long in this program"):
        await session.metadata.announce(binary_type("a.B", [("x", LONG)]))


async def test_failed_announcements_send_nothing(node: FakeNode) -> None:
    """When a type can't be announced the request was not sent, whatever became of the announcement."""
    async with connected(node, resolver=REGISTRY) as client:
        session = client.session
        node.hold(PutBinaryType)
        with pytest.raises(ig.NotSentTimeout, match="announced"):
            await session.call(CachePut(CACHE, 1, Point(1, 2)), timeout=0.02)
        node.on(PutBinaryType, Call.close)
        with pytest.raises(ig.NotSentError, match="announced"):
            await session.call(CachePut(CACHE, 1, Point(1, 2)))
        held = node.hold(PutBinaryType)
        task = asyncio.create_task(session.call(CachePut(CACHE, 1, Point(1, 2))))
        await held.next()
        await client.close()
        with pytest.raises(ig.ClientClosed) as caught:
            await task
        assert isinstance(caught.value, ig.NotSentError)
        assert node.count(CachePut) == 0


async def test_cancelled_announcement(node: FakeNode) -> None:
    """When the caller that announces is cancelled, the next one announces."""
    async with connected(node, resolver=REGISTRY) as client:
        held = node.hold(PutBinaryType)
        first = asyncio.create_task(client.session.call(CachePut(CACHE, 1, Point(1, 2))))
        second = asyncio.create_task(client.session.call(CachePut(CACHE, 2, Point(1, 2))))
        await held.next()
        first.cancel()
        (await held.next()).answer()
        await second
        assert first.cancelled()


# --- learning -------------------------------------------------------------------------------------------------------


def point_bytes() -> bytes:
    """A Point as another client has written it."""
    out = bytearray()
    codecs = mapping_codecs(resolver=REGISTRY)
    key_at = compile_operation(CachePut, UNTYPED).encode(
        codecs, ProtocolContext(), out, CachePut(CACHE, 1, Point(1, 2))
    )
    return bytes(out[key_at + 9 :])


async def test_learned_once(node: FakeNode, session: Session) -> None:
    """An unknown type is learned once, by however many readers at the same time."""
    node.types[type_id("test.Point")] = block("test.Point", ("x", LONG), ("y", LONG))
    node.on(CacheGet, lambda call: call.raw(point_bytes()))
    found = await asyncio.gather(*(session.call(CacheGet(CACHE, number)) for number in range(30)))
    assert all((each.x, each.y) == (1, 2) for each in found)
    assert node.count(GetBinaryType) == 1


async def test_absent_types_are_remembered(node: FakeNode, session: Session) -> None:
    """What the cluster does not know is asked for once; the memory of it is bounded."""
    for _ in range(3):
        await session.metadata.learn(1, 2)
    assert node.count(GetBinaryType) == 1
    session.metadata.known.absent.update((0, number) for number in range(MAX_ABSENT))
    await session.metadata.learn(5, 6)
    assert session.metadata.known.absent == {(5, 6)}


async def test_absent_types_are_decode_errors(node: FakeNode, session: Session) -> None:
    """An object whose type nobody knows is an answer that can't be read, or that has no fields; the next one works."""
    node.on(CacheGet, lambda call: call.raw(point_bytes()))
    for _ in range(2):
        try:
            found = await session.call(CacheGet(CACHE, 1))
            with pytest.raises((ig.DecodeError, AttributeError)):
                _ = found.x
        except ig.DecodeError:
            pass
    assert node.count(GetBinaryType) == 1
    assert await session.call(CacheGetNames()) == ["one"]


async def test_failed_learning_is_not_unsent(node: FakeNode, session: Session) -> None:
    """When a write was answered and its answer's types can't be learned, it does not count as not sent."""
    node.on(CacheGetAndPut, lambda call: call.raw(point_bytes()))
    node.hold(GetBinaryType)
    with pytest.raises(ig.OperationTimeout, match="learned"):
        await session.call(CacheGetAndPut(CACHE, 1, 1), timeout=0.02)
    asked: list[Call] = []

    def vanish(call: Call) -> None:
        asked.append(call)
        call.connection.node._server.close()  # type: ignore[union-attr]
        call.close()

    node.on(GetBinaryType, vanish)
    with pytest.raises(ig.OutcomeUnknownError) as caught:
        await session.call(CacheGetAndPut(CACHE, 1, 1))
    assert not isinstance(caught.value, ig.NotSentError)
    assert asked


async def test_closed_while_learning(node: FakeNode) -> None:
    """A client that is closed while it learns a type ends the read as ClientClosed."""
    node.on(CacheGet, lambda call: call.raw(point_bytes()))
    held = node.hold(GetBinaryType)
    async with connected(node) as client:
        task = asyncio.create_task(client.session.call(CacheGet(CACHE, 1)))
        await held.next()
        await client.close()
        with pytest.raises(ig.ClientClosed) as caught:
            await task
        assert isinstance(caught.value, ig.OutcomeUnknownError)
    await until(lambda: not node.connections)


async def test_a_peer_that_makes_up_types(node: FakeNode, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that needs ever more types is given up."""
    monkeypatch.setattr("ignitemap.client.session.MAX_LEARNED", 3)
    learned: list[int] = []

    async def learn(type_id: int, schema_id: int) -> None:
        learned.append(type_id)

    monkeypatch.setattr(session.metadata, "learn", learn)
    node.on(CacheGet, lambda call: call.raw(point_bytes()))
    with pytest.raises(ig.DecodeError, match="more than 3 unknown types"):
        await session.call(CacheGet(CACHE, 1))
    assert len(learned) == 3


# --- a peer that describes types without end ---------------------------------------------------------------------------

MIB = 1 << 20


def peak_memory(act: Callable[[], object]) -> int:
    """Bytes that objects took at the worst moment, with the result."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        del kept


def many(count: int, fields: int, name: str = "") -> KnownTypes:
    """What stays known of so many types with so many fields."""
    known = KnownTypes()
    for number in range(count):
        made = [Field(f"{name}{number}_{each}", INT, each * 7 + 10_000) for each in range(fields)]
        order = tuple(field.id for field in made)
        known.learn(BinaryType(number, f"type {number}", {field.id: field for field in made}, {number: order}, "x"))
    return known


@pytest.mark.parametrize(
    ("count", "fields", "name"),
    [(20_000, 0, ""), (15_000, 3, ""), (1_000, 200, ""), (3, 65_535, ""), (50, 1, "x" * MIB), (50, 20, "😀" * 5000)],
    ids=["no fields", "few fields", "200 fields", "65,535 fields", "long name", "long names"],
)
@pytest.mark.stress
def test_known_types_are_bounded(count: int, fields: int, name: str) -> None:
    """Whatever types a cluster has, many or large ones, 10,000 at most are remembered, in 32 MiB."""

    def learn() -> KnownTypes:
        known = many(count, fields, name)
        assert len(known.types) <= 10_000
        assert len(known.orders) == len(known.affinity_fields) == len(known.types) > 0
        assert count - 1 in known.types
        return known

    assert peak_memory(learn) <= 32 * MIB


@pytest.mark.stress
def test_a_million_types() -> None:
    """Of a million types of a cluster the last 10,000 are remembered, and nothing of the others."""
    known = many(1_000_000, 1)
    assert known.types.keys() == known._sizes.keys() == {number for number, _ in known.orders}
    assert [*known.types] == [*range(990_000, 1_000_000)]
    assert known.affinity_fields.keys() == known.types.keys()
    assert known._total <= MAX_KNOWN_BYTES


def test_own_types_are_never_forgotten() -> None:
    """A type that the program has announced stays, though it is the oldest; it is no part of what others may take."""
    known = KnownTypes()
    own = [binary_type(f"own.T{number}", [("x", INT)]) for number in range(3)]
    known.learn(own[0])
    known.keep(own[0].id)
    known.keep(own[1].id)
    known.learn(own[1])
    known.learn(own[2])
    for number in range(15_000):
        known.learn(BinaryType(number, ""))
    assert own[0].id in known.types
    assert own[1].id in known.types
    assert own[2].id not in known.types
    assert len(known.types) == 10_002
    known.learn(own[0])
    assert known._total == sum(known._sizes.values())


async def test_announced_types_stay(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 10,000 types were learned, an announced one and a registered one that was only read are still known."""
    monkeypatch.setattr("ignitemap.protocol.binary_type.MAX_KNOWN_TYPES", 5)
    async with connected(node, resolver=REGISTRY) as client:
        metadata = client.session.metadata
        announced = binary_type("a.B", [("x", LONG)])
        await metadata.announce(announced)
        node.types[type_id("test.Point")] = point = block("test.Point", ("x", LONG), ("y", LONG))
        await metadata.learn(point.type_id, point.schemas[0][0])
        for number in range(10):
            node.types[number] = changed(block(f"t{number}", ("x", INT)), type_id=number)
            await metadata.learn(number, node.types[number].schemas[0][0])
        assert metadata.known.types.keys() == {announced.id, point.type_id, *range(5, 10)}
        asked = node.count(GetBinaryType)
        await metadata.announce(announced)
        assert node.count(GetBinaryType) == asked


@pytest.mark.stress
async def test_a_type_of_too_many_fields(node: FakeNode, session: Session) -> None:
    """A type of 65,535 fields is learned; of one more, or of a million, it is a DecodeError that takes 32 MiB at most."""
    most = TypeBlock(5, "T", None, [(str(number), INT, number) for number in range(65_536)], False, [], [(1, [1])])
    node.types[5] = most
    with pytest.raises(ig.DecodeError, match="more than 65535 fields"):
        await session.metadata.learn(5, 1)
    node.types[5] = changed(most, fields=most.fields[:-1])
    await session.metadata.learn(5, 1)
    assert len(session.metadata.known.types[5].fields) == 65_535
    body = bytes.fromhex("01" + "05000000" + "65" + "65") + struct.pack("<I", 1_000_000)
    body += struct.pack("<BIii", 9, 0, 3, 7) * 1_000_000 + b"\0" + bytes(4)
    decode = session.metadata._types.compiled[GetBinaryType].decode
    for data in (body, body[: 2 * MIB]):

        def read(data: bytes = data) -> None:
            with pytest.raises((ig.DecodeError, struct.error)):
                decode(session.codecs, ProtocolContext(), data, GetBinaryType(5))

        assert peak_memory(read) <= 32 * MIB
    node.on(GetBinaryType, lambda call: call.raw(body))
    node.on(CacheGet, lambda call: call.raw(point_bytes()))
    with pytest.raises(ig.DecodeError, match="at most 2097152"):
        await session.call(CacheGet(CACHE, 1))
    assert await session.call(CacheGetNames()) == ["one"]


async def test_a_node_that_describes_another_type(node: FakeNode, session: Session) -> None:
    """The description of another type than was asked for is a DecodeError, and nothing is learned from it."""
    node.types[6] = block("a.B", ("x", INT))
    with pytest.raises(ig.DecodeError, match="asked for the type 6"):
        await session.metadata.learn(6, 1)
    assert not session.metadata.known.types
