"""Hostile bytes: whatever arrives, it is a value or an error of the protocol, and never takes long.

Valid messages of every operation are made from the layouts in the table and then damaged. Everything is drawn from
a seed, and a failure names the seed, the case and the bytes.
"""

import contextlib
import datetime as dt
import os
import random
import struct
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest

from ignitemap.exceptions import ProtocolError
from ignitemap.protocol.cache_config import (
    CacheConfig,
    KeyConfiguration,
    QueryEntity,
    QueryField,
    QueryIndex,
    read_config,
    read_dump,
)
from ignitemap.protocol.codecs import MALFORMED, UNTYPED, Codecs, SchemaMissing
from ignitemap.protocol.codegen import ListOf, Nothing, Record, TupleOf, compile_operation, compile_server_side
from ignitemap.protocol.connection import (
    Connection,
    ConnectionState,
    Failure,
    IncomingRequest,
    Notification,
    Role,
    Topology,
)
from ignitemap.protocol.handshake import (
    Accepted,
    Credentials,
    Handshake,
    Refused,
    read_answer,
    read_handshake,
    write_accepted,
    write_handshake,
    write_refused,
)
from ignitemap.protocol.message import OPERATIONS, CacheRef, ExpiryPolicy, read_cache_ref
from ignitemap.protocol.operations import (
    IndexIn,
    IndexRange,
    read_criteria,
    read_filter,
    read_node_filter,
    read_partitions,
)
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.wire import (
    Asked,
    Custom,
    EntryKey,
    EntryValue,
    Fixed,
    Leaf,
    OffWire,
    ProtocolContext,
    Since,
    When,
)

ALLOWED = (ProtocolError, SchemaMissing, *MALFORMED)
SLOW = 0.05
# One in ten of the values that types/test_damaged_values.py is told to damage.
CASES = max(200_000, int(os.environ.get("IGNITEMAP_DAMAGED_VALUES", "0")) // 10)
SHARD = 25_000
CONTEXTS = (
    ProtocolContext(),
    ProtocolContext(features=frozenset()),
    ProtocolContext((1, 3, 0), frozenset()),
    ProtocolContext((1, 0, 0), frozenset()),
)

# --- valid messages -----------------------------------------------------------------------------------------------------


class Raw(bytes):
    """An object as it stands on the wire."""


PERSON = "67012b005b317265eaade02827000000f3f1dc39250000000307000000" + "0903000000426f62" + "181d"
OBJECTS: list[Any] = [
    None,
    True,
    -5,
    2**62,
    1.5,
    "text",
    "",
    "😀" * 3,
    b"bytes",
    Decimal("-123.45"),
    Decimal(10) ** 40,
    UUID(int=2**127 + 5),
    dt.date(2024, 2, 29),
    dt.time(12, 30, 15),
    dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC),
    [1, "two", [3.0, None]],
    (1, 2),
    {"a": 1, "b": {"c": [1, 2]}},
    {1, 2, 3},
    frozenset({"x"}),
    array("i", [1, 2, 3]),
    array("d", [1.5, 2.5]),
    [[[[[[]]]]]],
    *map(
        Raw.fromhex,
        [
            PERSON,
            "1b27000000" + PERSON + "00000000",
            "1c3930000002000000",  # an enum
            "263930000001000000",  # a binary enum
            "1d39300000020000001c393000000000000065",  # an array of enums
            "17ffffffff02000000030100000065",  # an array of objects
            "1402000000090100000061" + "65",  # an array of strings
            "1502000000" + "0a" + "11" * 16 + "65",  # an array of UUIDs
            "1601000000" + "0b7b68e5cf8b010000",  # an array of dates
            "2201000000" + "217b68e5cf8b010000c8010000",  # an array of timestamps
            "2501000000" + "24fbee360000000000",  # an array of times
            "1f01000000" + "1e02000000020000003039",  # an array of decimals
            "1801000000010301000000",  # a list
            "1801000000020301000000",  # a set
            "19010000000103010000000301000000",  # a map
            "1302000000" + "0100",  # an array of booleans
            "1202000000" + "41005a00",  # an array of chars
            "0d02000000" + "01000200",  # an array of shorts
            "1001000000" + "0000c03f",  # an array of floats
            "01fb",
            "0248f4",
            "032a000000",
            "050000c03f",
            "075a00",
            "217b68e5cf8b010000c8010000",
            "0b7b68e5cf8b010000",
            "24fbee360000000000",
            "1802000000010302000000" + "66" + "05000000",  # a handle
            "fe04000000" + "65" + "48d681",  # an object of Java's optimized marshaller
        ],
    ),
]
TEXTS = ("", "name", "Ünïcode", "x" * 50, "PUBLIC")


@attrs.define
class Maker:
    """Makes values of layouts by chance: the fields of a record with the marks that a context gives them."""

    chance: random.Random
    context: ProtocolContext
    request: Any = None

    def number(self, code: str) -> int:
        bits = 8 * struct.calcsize("<" + code)
        return self.chance.choice((0, 1, -1, 7, 2 ** (bits - 1) - 1, self.chance.getrandbits(bits - 1)))

    def text(self) -> str:
        return self.chance.choice(TEXTS)

    def object(self) -> Any:
        return self.chance.choice(OBJECTS)

    def make(self, layout: Any, siblings: dict[str, Any]) -> Any:
        match layout:
            case Nothing():
                return None
            case Fixed("?"):
                return self.chance.random() < 0.5
            case Fixed(code):
                return self.number(code)
            case Leaf("obj") | EntryKey() | EntryValue():
                return self.object()
            case Leaf("text"):
                return self.text()
            case Leaf("nullable_text"):
                return self.chance.choice((None, self.text()))
            case Leaf("uuid_obj" | "uuid16"):
                return UUID(int=self.chance.getrandbits(128))
            case ListOf(item, times):
                size = self.chance.randint(0, 3)
                if times is not None:
                    size = siblings[times] if times in siblings else getattr(self.request, times)
                return [self.make(item, siblings) for _ in range(size)]
            case TupleOf(items):
                return tuple(self.make(item, siblings) for item in items)
            case Record():
                return self.record(layout)
            case Custom():
                return self.custom(layout)
        raise AssertionError(f"no way to make {layout}")

    def record(self, record: Record) -> Any:
        made: dict[str, Any] = {}
        for field in record.fields:
            if field.name == "column_count":
                made[field.name] = self.chance.randint(1, 3)
            elif all(self.is_there(mark, made) for mark in field.marks):
                made[field.name] = self.make(field.layout, made)
            else:
                made[field.name] = field.default
        return record.cls(**made)

    def is_there(self, mark: Any, made: dict[str, Any]) -> bool:
        match mark:
            case Since(version):
                return self.context.version >= version
            case When(feature):
                return feature in self.context.features
            case Asked(name, equal):
                return bool(made[name] if name in made else getattr(self.request, name)) is equal
            case _:
                return not isinstance(mark, OffWire)

    def custom(self, layout: Custom) -> Any:
        chance = self.chance
        if layout.decode is read_cache_ref:
            version = self.context.version
            expiry = ExpiryPolicy(-2, 1000, -1) if chance.random() < 0.3 and version >= (1, 6, 0) else None
            return CacheRef(self.number("i"), 0, expiry, chance.choice((None, 5)) if version >= (1, 5, 0) else None)
        if layout.decode is read_partitions:
            return chance.choice((None, (), (1, 2, 3)))
        if layout.decode is read_filter:
            return self.object()
        if layout.decode is read_criteria:
            return (IndexRange(self.text(), self.object(), None), IndexIn(self.text(), [self.object()]))[
                : self.number("b") % 3
            ]
        if layout.decode is read_dump:
            return self.config()
        if layout.decode is read_node_filter:
            return (2, chance.random() < 0.5) if chance.random() < 0.5 else (1, self.text(), self.text())
        assert layout.decode is read_config
        config = self.config()
        left_out = {f.name: None for f in attrs.fields(CacheConfig) if chance.random() < 0.6}
        if self.context.version < (1, 6, 0):
            left_out["expiry"] = None
        return attrs.evolve(config, **left_out)

    def config(self) -> CacheConfig:
        numbers = {f.name: 1 for f in attrs.fields(CacheConfig) if f.name not in {"name", "group", "expiry"}}
        given: dict[str, Any] = {
            **numbers,
            "name": self.text(),
            "data_region": None,
            "sql_schema": self.text(),
            "expiry": self.chance.choice((None, ExpiryPolicy(1, 2, 3))),
            "key_configuration": (KeyConfiguration("Key", "field"),),
            "query_entities": (
                QueryEntity(
                    "k",
                    "v",
                    "T",
                    fields=[QueryField("id", "java.lang.Long", default=self.object())],
                    aliases=[("id", "ID")],
                    indexes=[QueryIndex(None, 0, -1, [("id", True)])],
                ),
            ),
        }
        return CacheConfig(**given)


def codecs_for_raw() -> Codecs:
    """Codecs that also write objects as they stand."""
    codecs = mapping_codecs()
    codecs.encoders[Raw] = lambda codecs, out, value: out.extend(value)
    return codecs


@attrs.frozen
class Sample:
    """A valid body, and the function that reads it."""

    name: str
    body: bytes
    read: Callable[[bytes], Any]
    counts: Sequence[int]
    """Where in the body something stands that may be a count or a length."""


def sample(name: str, body: bytes, read: Callable[[bytes], Any]) -> Sample:
    """A body with the places that look like counts."""
    places = [at for at in range(len(body) - 3) if -2 <= struct.unpack_from("<i", body, at)[0] <= 255]
    return Sample(name, body, read, places)


def message_samples(chance: random.Random, contexts: Sequence[ProtocolContext] = CONTEXTS) -> list[Sample]:
    """A request and an answer of every operation, in every dialect."""
    codecs = codecs_for_raw()
    samples: list[Sample] = []
    for row in OPERATIONS.values():
        client, server = compile_operation(row, UNTYPED), compile_server_side(row, UNTYPED)
        for context in contexts:
            maker = Maker(chance, context)
            request = maker.record(row.request_layout)
            maker.request = request
            answer = maker.make(row.answer_layout, {})
            out = bytearray()
            client.encode(codecs, context, out, request)

            def read_request(body: bytes, server: Any = server, context: ProtocolContext = context) -> Any:
                codecs.depth = codecs.repeated = 0
                return server.decode(codecs, context, body)

            samples.append(sample(f"{row.__name__} {context.version}", bytes(out), read_request))
            out = bytearray()
            server.encode(codecs, context, out, request, answer)

            def read_reply(
                body: bytes, client: Any = client, context: ProtocolContext = context, request: Any = request
            ) -> Any:
                codecs.depth = codecs.repeated = 0
                return client.decode(codecs, context, body, request)

            samples.append(sample(f"{row.__name__} answer {context.version}", bytes(out), read_reply))
    for each in samples:
        with contextlib.suppress(SchemaMissing):
            each.read(each.body)
    return samples


def handshake_samples() -> list[Sample]:
    """Handshakes and their answers."""
    samples: list[Sample] = []
    for asked in (
        Handshake(),
        Handshake(credentials=Credentials("user", "password"), user_attributes={"a": "b", "key": "value"}),
        Handshake((1, 6, 0), frozenset()),
        Handshake((1, 0, 0), frozenset()),
    ):

        def read(body: bytes, asked: Handshake = asked) -> Any:
            return read_answer(body, asked)

        accepted = Accepted(ProtocolContext(asked.version, asked.features), UUID(int=7))
        samples += [
            sample("handshake", write_handshake(asked), read_handshake),
            sample("handshake yes", write_accepted(accepted), read),
            sample("handshake no", write_refused(Refused((1, 7, 0), "no", 1), asked.version), read),
        ]
    return samples


def opened(role: Role, context: ProtocolContext) -> Connection[Any]:
    """A connection that has shaken hands, by fiat."""
    connection: Connection[Any] = Connection(role, max_frame=1 << 20)
    connection.state = ConnectionState.OPEN
    connection.context = context
    connection.data_to_send()
    return connection


def stream_samples(chance: random.Random, messages: Sequence[Sample]) -> list[Sample]:
    """Streams of frames with every flag, as either end receives them."""
    samples: list[Sample] = []
    for context in CONTEXTS:
        for _ in range(6):
            server = opened(Role.SERVER, context)
            client = opened(Role.CLIENT, context)
            for _ in range(4):
                client.send_request(chance.choice(list(OPERATIONS)), chance.choice(messages).body, "token")
            server.send_answer(2, chance.choice(messages).body, topology=Topology(5, 1))
            server.send_failure(1, Failure(1000, "no such cache"), topology=chance.choice((None, Topology(6, 0))))
            server.send_failure(4, Failure(1, None))
            if context.version >= (1, 4, 0):
                server.send_notification(Notification(3, 2007, b"event"))
            server.send_answer(3, b"")
            requests, answers = b"".join(client.data_to_send()), b"".join(server.data_to_send())

            def read(data: bytes, role: Role, context: ProtocolContext = context) -> Any:
                connection = opened(role, context)
                if role is Role.CLIENT:
                    for token in range(4):
                        connection.send_request(1, b"", token)
                events = connection.receive_data(data[: len(data) // 2])
                events += connection.receive_data(data[len(data) // 2 :])
                seen = [token for token, _ in events if token is not None]
                assert len(set(seen)) == len(seen), "one request was answered twice"
                assert sorted([*seen, *connection.close()]) == ([0, 1, 2, 3] if role is Role.CLIENT else [])
                return events

            samples += [
                sample("requests", requests, lambda data, read=read: read(data, Role.SERVER)),
                sample("answers", answers, lambda data, read=read: read(data, Role.CLIENT)),
            ]
    assert all(isinstance(event[1], IncomingRequest) for event in samples[0].read(samples[0].body))
    assert len(samples[1].read(samples[1].body)) == 5
    return samples


# --- damage -------------------------------------------------------------------------------------------------------------


def hostile_counts(left: int) -> tuple[int, ...]:
    """What a count or a length may be rewritten to, with ``left`` bytes behind it."""
    return (-(2**31), -1, 0, left, left + 1, 2**16, 2**28, 2**31 - 1)


def flip_bits(chance: random.Random, data: bytearray, each: Sample, other: Sample) -> None:
    for _ in range(chance.randint(1, 3)):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def set_byte(chance: random.Random, data: bytearray, each: Sample, other: Sample) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((chance.randrange(39), 0x65, 0x66, 0x67, 253, 254, 255))


def truncate(chance: random.Random, data: bytearray, each: Sample, other: Sample) -> None:
    del data[chance.randint(0, len(data)) :]


def extend(chance: random.Random, data: bytearray, each: Sample, other: Sample) -> None:
    data += chance.choice((bytes(40), b"\xff" * 40, bytes(data), chance.randbytes(20)))


def rewrite_count(chance: random.Random, data: bytearray, each: Sample, other: Sample) -> None:
    if len(data) >= 4:
        likely = each.counts and chance.random() < 0.7
        at = min(chance.choice(each.counts) if likely else chance.randrange(len(data)), len(data) - 4)
        struct.pack_into("<i", data, at, chance.choice(hostile_counts(len(data) - at - 4)))


def splice(chance: random.Random, data: bytearray, each: Sample, other: Sample) -> None:
    data[chance.randint(0, len(data)) :] = other.body[chance.randint(0, len(other.body)) :]


def cut_out(chance: random.Random, data: bytearray, each: Sample, other: Sample) -> None:
    start = chance.randint(0, len(data))
    del data[start : start + chance.randint(1, 8)]


DAMAGES = (flip_bits, set_byte, truncate, extend, rewrite_count, rewrite_count, splice, cut_out)


def outcome(read: Callable[[bytes], Any], data: bytes) -> str:
    """Read damaged bytes: the name of what came of it. Anything that is not allowed goes through."""
    try:
        read(data)
    except ALLOWED as error:
        return type(error).__name__
    return "value"


def judge(name: str, read: Callable[[bytes], Any], data: bytes) -> str:
    """Read damaged bytes in time, or fail with the bytes."""
    result = ""
    for _ in range(3):  # the machine may be busy: slow is what is slow three times in a row
        started = time.perf_counter()
        try:
            result = outcome(read, data)
        except BaseException as error:
            raise AssertionError(f"{name}: {type(error).__name__} from {data.hex()}") from error
        if time.perf_counter() - started <= SLOW:
            return result
    raise AssertionError(f"{name}: slower than {SLOW} s three times: {data.hex()}")


def hammer(seed: int, cases: int) -> Counter[str]:
    """Damage and read; how often came what."""
    chance = random.Random(seed)
    messages = message_samples(chance)
    groups = (messages, messages, messages, stream_samples(chance, messages), handshake_samples())
    outcomes: Counter[str] = Counter()
    for case in range(cases):
        group = chance.choice(groups)
        each, other = chance.choice(group), chance.choice(group)
        data = bytearray(each.body)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            chance.choice(DAMAGES)(chance, data, each, other)
        outcomes[judge(f"seed {seed}, case {case}, {each.name}", each.read, bytes(data))] += 1
    return outcomes


# --- tests --------------------------------------------------------------------------------------------------------------


def test_damaged_bytes_are_a_value_or_an_error_of_the_protocol() -> None:
    """5,000 damaged messages, streams and handshakes: values and errors both occur, and nothing else does."""
    outcomes = hammer(seed=0, cases=5000)
    assert outcomes["value"] > 200
    assert outcomes["DecodeError"] > 500
    assert outcomes.total() == 5000


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(1, CASES // SHARD + 1))
def test_many_damaged_bytes_are_a_value_or_an_error_of_the_protocol(seed: int) -> None:
    """200,000 cases in shards of 25,000; a million where ten million damaged values are asked for."""
    assert hammer(seed, SHARD).total() == SHARD


def test_every_count_can_be_a_lie() -> None:
    """Each i32 of every message and handshake, rewritten to each hostile count: refused or read, always at once."""
    chance = random.Random(5)
    for each in [*message_samples(chance, CONTEXTS[:1]), *handshake_samples()]:
        for at in each.counts:
            for count in hostile_counts(len(each.body) - at - 4):
                data = bytearray(each.body)
                struct.pack_into("<i", data, at, count)
                judge(f"{each.name} at {at}", each.read, bytes(data))


def test_the_judge_sees_a_wrong_error_and_a_slow_case() -> None:
    """The test itself fails for an error that isn't the protocol's and for what takes long."""

    def wrong(data: bytes) -> None:
        raise KeyError(data)

    def slow(data: bytes) -> None:
        time.sleep(SLOW * 1.1)

    with pytest.raises(AssertionError, match="KeyError from 6162"):
        judge("x", wrong, b"ab")
    with pytest.raises(AssertionError, match="slower"):
        judge("x", slow, b"ab")
