"""The table of operations: every row, both ways, in every dialect; and the bytes that a real node was seen with."""

import struct
import typing
from collections.abc import Callable
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import DecodeError, NotSupportedByServer
from ignitemap.protocol.binary_type import binary_type
from ignitemap.protocol.cache_config import (
    PROPERTIES,
    CacheConfig,
    KeyConfiguration,
    QueryEntity,
    read_config,
    read_dump,
)
from ignitemap.protocol.codecs import MALFORMED, UNTYPED, Codecs, EntryTypes, Spec, decode_object, optional
from ignitemap.protocol.codegen import (
    FieldLayout,
    ListOf,
    Nothing,
    Record,
    TupleOf,
    compile_operation,
    compile_server_side,
)
from ignitemap.protocol.connection import Connection, Failure, IncomingRequest, Role
from ignitemap.protocol.handshake import Accepted, Handshake
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import (
    OPERATIONS,
    CacheRef,
    ExpiryPolicy,
    Request,
    changed,
    operation,
    read_cache_ref,
)
from ignitemap.protocol.operations import (
    SERVER_NODES,
    WITH_ATTRIBUTE,
    AffinityAnswer,
    AffinityGroup,
    CacheCreateWithName,
    CacheDestroy,
    CacheGet,
    CacheGetSize,
    CacheKeyFields,
    CachePartitions,
    CachePut,
    ClusterGroupGetNodeEndpoints,
    Endpoints,
    EntryCursor,
    FoundType,
    GetBinaryConfiguration,
    GetBinaryType,
    GetIdleTimeout,
    Heartbeat,
    IndexIn,
    IndexRange,
    PutBinaryType,
    QueryScan,
    QueryScanCursorGetPage,
    QuerySqlFields,
    QuerySqlFieldsCursorGetPage,
    RegisterBinaryTypeName,
    RowCursor,
    RowPage,
    TypeBlock,
    read_criteria,
    read_filter,
    read_node_filter,
    read_partitions,
)
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.wire import (
    REQUIRED,
    Asked,
    Custom,
    EntryKey,
    EntryValue,
    Feature,
    Fixed,
    Leaf,
    OffWire,
    ProtocolContext,
    Since,
    When,
    boolean,
)

NODE = UUID("a135ea16-0138-45d3-b7b2-7936a934b79b")

# --- dialects: what two ends can have agreed on -----------------------------------------------------------------------

CONTEXTS = {
    "all features": ProtocolContext(),
    "no features": ProtocolContext(features=frozenset()),
    "half the features": ProtocolContext(features=frozenset(f for f in Feature if f % 2)),
    "1.6.0": ProtocolContext((1, 6, 0), frozenset()),
    "1.5.0": ProtocolContext((1, 5, 0), frozenset()),
    "1.4.0": ProtocolContext((1, 4, 0), frozenset()),
    "1.3.0": ProtocolContext((1, 3, 0), frozenset()),
    "1.2.0": ProtocolContext((1, 2, 0), frozenset()),
    "1.1.0": ProtocolContext((1, 1, 0), frozenset()),
    "1.0.0": ProtocolContext((1, 0, 0), frozenset()),
}

# --- specs of our own: how a key type, a value type and a model look to the generated code ------------------------------


def encode_int(codecs: Codecs, out: bytearray, value: int) -> None:
    """Java's Integer."""
    out += struct.pack("<bi", 3, value)


def decode_int(codecs: Codecs, buf: bytes, pos: int) -> tuple[int, int]:
    """Java's Integer and nothing else."""
    code, value = struct.unpack_from("<bi", buf, pos)
    if code != 3:
        raise DecodeError(f"expected an int, found type code {code}")
    return value, pos + 5


def encode_member(codecs: Codecs, out: bytearray, value: tuple[int, int], key: int) -> None:
    """A value of which one part lives in the key: only the other part is written."""
    joined, own = value
    assert joined == key
    encode_int(codecs, out, own)


def decode_member(codecs: Codecs, buf: bytes, pos: int, key: int) -> tuple[tuple[int, int], int]:
    """The value with the part that lives in the key."""
    own, pos = decode_int(codecs, buf, pos)
    return (key, own), pos


INT: Spec[int] = Spec("int", encode_int, decode_int, code=3)
MEMBER: Spec[Any] = optional(Spec("member", encode_member, decode_member, joins_key=True))
TYPED = EntryTypes(INT, MEMBER)

# --- strategies from layouts --------------------------------------------------------------------------------------------

INTEGERS = {
    code: st.integers(-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1)
    for code, size in (("b", 1), ("h", 2), ("i", 4), ("q", 8))
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
OBJECT = st.none() | st.booleans() | INTEGERS["q"] | TEXT | st.binary(max_size=8) | st.uuids()
FIXED: dict[str, st.SearchStrategy[Any]] = {**INTEGERS, "?": st.booleans()}
LEAF: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "nullable_text": st.none() | TEXT,
    "blob": st.binary(max_size=8),
    "uuid_obj": st.none() | st.uuids(),
    "uuid16": st.uuids(),
    "obj": OBJECT,
}
EXPIRY = st.builds(ExpiryPolicy, *[st.integers(-2, 2**63 - 1)] * 3)
CACHE_REF = st.builds(CacheRef, INTEGERS["i"], st.integers(0, 1), st.none() | EXPIRY, st.none() | INTEGERS["i"])


@attrs.define
class Scene:
    """Where a value is made: the dialect, the entry types, and what surrounds it."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    context: ProtocolContext
    types: EntryTypes
    request: Any = None
    key: Any = None
    counts: frozenset[str] = frozenset()


def is_there(field: FieldLayout, scene: Scene, made: dict[str, Any]) -> bool:
    """Whether a field is on the wire: an independent reading of the marks."""
    for mark in field.marks:
        match mark:
            case When(feature) if feature not in scene.context.features:
                return False
            case Since(version) if scene.context.version < version:
                return False
            case Asked(name, equal):
                if bool(made[name] if name in made else getattr(scene.request, name)) is not equal:
                    return False
            case OffWire():
                return False
            case _:
                pass
    return True


def counts_in(layout: Any) -> frozenset[str]:
    """The names of fields that say how long some list in a layout is."""
    match layout:
        case ListOf(item, times):
            return counts_in(item) | ({times} if times else frozenset())
        case TupleOf(items):
            return frozenset().union(*map(counts_in, items))
        case Record(_, fields):
            return frozenset().union(*(counts_in(field.layout) for field in fields))
        case _:
            return frozenset()


def make(layout: Any, scene: Scene, siblings: dict[str, Any]) -> Any:
    """A value of a layout."""
    draw = scene.draw
    match layout:
        case Nothing():
            return None
        case Fixed(code):
            return draw(FIXED[code])
        case Leaf(name):
            return draw(LEAF[name])
        case EntryKey():
            scene.key = draw(INTEGERS["i"] if scene.types is TYPED else OBJECT)
            return scene.key
        case EntryValue() if scene.types is TYPED:
            own = draw(st.none() | INTEGERS["i"])
            return None if own is None else (scene.key, own)
        case EntryValue():
            return draw(OBJECT)
        case ListOf(item, times):
            if times is None:
                size = draw(st.integers(0, 3))
            else:
                size = siblings[times] if times in siblings else getattr(scene.request, times)
            items = [make(item, scene, siblings) for _ in range(size)]
            return tuple(items) if item == Leaf("obj") and times is not None else items  # a row
        case TupleOf(items):
            return tuple(make(item, scene, siblings) for item in items)
        case Record(cls, fields):
            return make_record(cls, fields, scene)
        case Custom():
            return CUSTOM[layout.decode](scene)
    raise AssertionError(f"no strategy for {layout}")


def make_record(cls: type, fields: tuple[FieldLayout, ...], scene: Scene) -> Any:
    """A record: fields that this dialect doesn't have keep their defaults."""
    made: dict[str, Any] = {}
    for field in fields:
        if field.name in scene.counts:
            made[field.name] = scene.draw(st.integers(1, 3))
        elif not is_there(field, scene, made):
            made[field.name] = field.default
        else:
            made[field.name] = make(field.layout, scene, made)
    return cls(**made)


def make_config(scene: Scene, *, full: bool) -> CacheConfig:
    """A cache configuration; ``full`` as a server answers it."""
    strategies: dict[str, Any] = {
        "i": INTEGERS["i"],
        "q": INTEGERS["q"],
        "?": st.booleans(),
        "str": st.none() | TEXT if full else TEXT,
    }
    values: dict[str, Any] = {}
    for each in PROPERTIES:
        if scene.context.version < each.since or (not full and scene.draw(st.booleans())):
            continue
        hint = str(attrs.fields_dict(CacheConfig)[each.field].type)
        if each.kind is not None:
            values[each.field] = scene.draw(st.sampled_from(each.kind))
        elif each.field == "query_entities":
            values[each.field] = (make(QueryEntity.request_layout, scene, {}),)
        elif each.field == "key_configuration":
            values[each.field] = (make(KeyConfiguration.request_layout, scene, {}),)
        elif each.field == "expiry":
            values[each.field] = scene.draw(st.none() | EXPIRY if full else EXPIRY)
        else:
            kind = "str" if "str" in hint else "?" if "bool" in hint else "i"
            values[each.field] = scene.draw(strategies[kind])
    return CacheConfig(**values)


def for_version(ref: CacheRef, context: ProtocolContext) -> CacheRef:
    """The prefix without what a version of the protocol doesn't know: an encoder refuses that."""
    expiry = ref.expiry if context.version >= (1, 6, 0) else None
    return attrs.evolve(ref, expiry=expiry, transaction=ref.transaction if context.version >= (1, 5, 0) else None)


FLAG = st.booleans()
CRITERION = st.builds(IndexRange, TEXT, OBJECT, OBJECT, FLAG, FLAG, FLAG, FLAG) | st.builds(
    IndexIn, TEXT, st.lists(OBJECT, max_size=3).map(tuple)
)

CUSTOM: dict[Any, Callable[[Scene], Any]] = {
    read_cache_ref: lambda scene: for_version(scene.draw(CACHE_REF), scene.context),
    read_partitions: lambda scene: scene.draw(st.none() | st.lists(INTEGERS["i"], max_size=3).map(tuple)),
    read_criteria: lambda scene: scene.draw(st.lists(CRITERION, max_size=3).map(tuple)),
    read_filter: lambda scene: scene.draw(OBJECT),
    read_node_filter: lambda scene: scene.draw(
        st.tuples(st.just(SERVER_NODES), st.booleans())
        | st.tuples(st.just(WITH_ATTRIBUTE), st.none() | TEXT, st.none() | TEXT)
    ),
    read_config: lambda scene: make_config(scene, full=False),
    read_dump: lambda scene: make_config(scene, full=True),
}


def make_exchange(draw: Any, row: Any, context: ProtocolContext, types: EntryTypes) -> tuple[Any, Any]:
    """A request of a row of the table and an answer that fits it."""
    scene = Scene(draw, context, types, counts=counts_in(row.answer_layout))
    request = make(row.request_layout, scene, {})
    scene.request = request
    answer = make(row.answer_layout, scene, {})
    return request, answer


def as_received(request: Any) -> Any:
    """A request as the server can know it: what is never sent has its default."""
    fields = type(request).request_layout.fields
    return changed(request, **{f.name: f.default for f in fields if any(isinstance(m, OffWire) for m in f.marks)})


def encode_request(request: Any, context: ProtocolContext, types: EntryTypes, codecs: Codecs) -> bytes:
    """What a client sends."""
    out = bytearray()
    compile_operation(type(request), types).encode(codecs, context, out, request)
    return bytes(out)


ROWS = pytest.mark.parametrize("row", OPERATIONS.values(), ids=[row.__name__ for row in OPERATIONS.values()])
WHOLE_TABLE = settings(max_examples=20, derandomize=True, deadline=None, database=None)
FEW = settings(max_examples=5, derandomize=True, deadline=None, database=None)

# --- every row ----------------------------------------------------------------------------------------------------------


@ROWS
@WHOLE_TABLE
@given(data=st.data())
def test_a_row_means_the_same_to_both_ends(row: Any, data: st.DataObject) -> None:
    """What one end writes the other reads as an equal value, to the last byte, in every dialect."""
    codecs = mapping_codecs()
    context = data.draw(st.sampled_from(list(CONTEXTS.values())))
    types = data.draw(st.sampled_from([UNTYPED, TYPED]))
    request, answer = make_exchange(data.draw, row, context, types)
    client, server = compile_operation(row, types), compile_server_side(row, types)

    body = encode_request(request, context, types, codecs)
    assert server.decode(codecs, context, body) == as_received(request)
    out = bytearray()
    server.encode(codecs, context, out, request, answer)
    assert client.decode(codecs, context, bytes(out), request) == answer

    with pytest.raises(DecodeError, match="behind the end"):
        server.decode(codecs, context, body + b"\x00")
    with pytest.raises(DecodeError, match="behind the end"):
        client.decode(codecs, context, bytes(out) + b"\x00", request)


@ROWS
@FEW
@given(data=st.data())
def test_every_prefix_of_a_body_is_refused(row: Any, data: st.DataObject) -> None:
    """A body that is cut at any byte is malformed to either end, and never a value."""
    codecs, context = mapping_codecs(), ProtocolContext()
    request, answer = make_exchange(data.draw, row, context, UNTYPED)
    body = encode_request(request, context, UNTYPED, codecs)
    client, server = compile_operation(row, UNTYPED), compile_server_side(row, UNTYPED)
    out = bytearray()
    server.encode(codecs, context, out, request, answer)
    for end in range(len(body)):
        with pytest.raises((DecodeError, *MALFORMED)):
            server.decode(codecs, context, body[:end])
    for end in range(len(out)):
        with pytest.raises((DecodeError, *MALFORMED)):
            client.decode(codecs, context, bytes(out[:end]), request)


def pair(context: ProtocolContext) -> tuple[Connection[Any], Connection[Any]]:
    """A client and a server that have shaken hands."""
    client: Connection[Any] = Connection(Role.CLIENT, Handshake(context.version, context.features))
    server: Connection[Any] = Connection(Role.SERVER)
    server.receive_data(b"".join(client.data_to_send()))
    server.accept(Accepted(context, NODE))
    client.receive_data(b"".join(server.data_to_send()))
    assert client.context == context
    return client, server


def feed(receiver: Connection[Any], data: bytes, cuts: list[int]) -> list[Any]:
    """Hand over bytes cut at the given places; all events."""
    events: list[Any] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        events += receiver.receive_data(data[start:end])
    return events


@ROWS
@FEW
@given(data=st.data())
def test_a_row_travels_through_two_connections_in_any_slices(row: Any, data: st.DataObject) -> None:
    """Requests and answers in frames arrive whole, byte by byte and in random slices, in every dialect."""
    codecs = mapping_codecs()
    context = data.draw(st.sampled_from(list(CONTEXTS.values())))
    exchanges = [make_exchange(data.draw, row, context, UNTYPED) for _ in range(2)]
    client, server = pair(context)
    codec = compile_server_side(row, UNTYPED)
    for slicing in ("whole", "bytes", "random"):

        def cuts(stream: bytes, slicing: str = slicing) -> list[int]:
            if slicing == "bytes":
                return list(range(1, len(stream)))
            return [] if slicing == "whole" else sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))

        for request, answer in exchanges:
            client.send_request(row.code, encode_request(request, context, UNTYPED, codecs), (request, answer))
        stream = b"".join(client.data_to_send())
        arrived = [payload for _, payload in feed(server, stream, cuts(stream))]
        assert [(each.operation, codec.decode(codecs, context, each.body)) for each in arrived] == [
            (row.code, as_received(request)) for request, _ in exchanges
        ]
        for each, (request, answer) in zip(reversed(arrived), reversed(exchanges), strict=True):
            out = bytearray()
            codec.encode(codecs, context, out, request, answer)
            server.send_answer(each.id, out)
        stream = b"".join(server.data_to_send())
        events = feed(client, stream, cuts(stream))
        assert len(events) == 2
        for (request, answer), body in events:
            assert compile_operation(row, UNTYPED).decode(codecs, context, body, request) == answer
        assert not client.in_flight


@ROWS
def test_a_row_is_well_formed(row: Any) -> None:
    """Every row has an effect, a code in the protocol's range, a docstring, and its cache first where it is routed."""
    assert row.effect in {"read", "write", "update", "bound"}
    assert OPERATIONS[row.code] is row
    assert 0 <= row.code <= 10_000
    assert row.__doc__
    if row.routed:
        assert isinstance(row.request_layout.fields[0].layout, Custom)
        assert isinstance(row.request_layout.fields[1].layout, EntryKey)


@ROWS
def test_fields_that_a_server_may_lack_have_defaults(row: Any) -> None:
    """A field with a mark has a default, so that a request or answer without it is complete."""

    def look(record: Record) -> None:
        for field in record.fields:
            if field.marks:
                assert field.default is not REQUIRED, f"{record.cls.__name__}.{field.name}"
            layout = field.layout
            while isinstance(layout, ListOf):
                layout = layout.item
            if isinstance(layout, Record):
                look(layout)

    look(row.request_layout)
    if isinstance(row.answer_layout, Record):
        look(row.answer_layout)


def test_the_same_code_twice_is_refused() -> None:
    """An operation whose code stands in the table already is an error at import, and the table is unchanged."""
    before = dict(OPERATIONS)
    with pytest.raises(TypeError, match="1000"):

        @operation(1000, effect="read")
        class _Again(Request[boolean]):
            pass

    assert before == OPERATIONS


def test_a_hint_that_is_no_layout_is_refused() -> None:
    """A plain Python type in an operation is an error at import: it says nothing of the wire."""
    with pytest.raises(TypeError, match="not a layout"):

        @operation(9999, effect="read")
        class _Wrong(Request[boolean]):
            field: int

    assert 9999 not in OPERATIONS


# --- routing, entry types -----------------------------------------------------------------------------------------------


@given(ref=CACHE_REF, before=st.binary(max_size=5))
@settings(max_examples=50, derandomize=True, database=None)
def test_the_encoder_says_where_the_routing_key_is(ref: CacheRef, before: bytes) -> None:
    """A routed request's encoder returns the position of its key, whatever stands before; others return -1."""
    codecs, context = mapping_codecs(), ProtocolContext()
    out = bytearray(before)
    at = compile_operation(CacheGet, UNTYPED).encode(codecs, context, out, CacheGet(ref, "the key"))
    assert decode_object(codecs, bytes(out), at) == ("the key", len(out))
    assert compile_operation(CacheGetSize, UNTYPED).encode(codecs, context, out, CacheGetSize(ref)) == -1


def test_codecs_are_compiled_once_per_entry_types() -> None:
    """The same entry types give the same functions; others give functions of their own."""
    assert compile_operation(CacheGet, TYPED) is compile_operation(CacheGet, TYPED)
    assert compile_server_side(CacheGet, TYPED) is compile_server_side(CacheGet, TYPED)
    assert compile_operation(CacheGet, TYPED) is not compile_operation(CacheGet, UNTYPED)
    assert compile_operation(CacheGet, TYPED) is not compile_server_side(CacheGet, TYPED)


def test_a_value_of_another_type_than_the_declared_one_is_refused() -> None:
    """A cache that is declared with int keys reads no other keys."""
    body = encode_request(CacheGet(CacheRef(1), "text"), ProtocolContext(), UNTYPED, mapping_codecs())
    with pytest.raises(DecodeError, match="expected an int"):
        compile_server_side(CacheGet, TYPED).decode(mapping_codecs(), ProtocolContext(), body)


def test_optional_keeps_that_a_spec_joins_the_key() -> None:
    """``optional`` of a spec that needs the entry's key still takes the key, and null needs none."""
    assert MEMBER.joins_key
    out = bytearray()
    MEMBER.encode(Codecs(), out, (5, 7), 5)
    MEMBER.encode(Codecs(), out, None, 5)
    assert out.hex() == "0307000000" + "65"
    assert MEMBER.decode(Codecs(), bytes(out), 0, 5) == ((5, 7), 5)
    assert MEMBER.decode(Codecs(), bytes(out), 5, 5) == (None, 6)


# --- versions and features ----------------------------------------------------------------------------------------------


def test_features_decide_what_is_on_the_wire() -> None:
    """Without its feature a field takes no byte, and is its default to the other end."""
    codecs, ref = mapping_codecs(), CacheRef(1)
    full, none = CONTEXTS["all features"], CONTEXTS["no features"]
    sql = QuerySqlFields(ref, None, 1, -1, "x", [], partitions=(1, 2), update_batch_size=7)
    assert len(encode_request(sql, full, UNTYPED, codecs)) - len(encode_request(sql, none, UNTYPED, codecs)) == 16
    at_server = compile_server_side(QuerySqlFields, UNTYPED).decode(
        codecs, none, encode_request(sql, none, UNTYPED, codecs)
    )
    assert (at_server.partitions, at_server.update_batch_size) == (None, 1)
    asked = CachePartitions(with_custom_mappings=True, cache_ids=[7])
    assert encode_request(asked, full, UNTYPED, codecs).hex() == "010100000007000000"
    assert encode_request(asked, none, UNTYPED, codecs).hex() == "0100000007000000"
    found = compile_server_side(CachePartitions, UNTYPED).decode(codecs, none, bytes.fromhex("0100000007000000"))
    assert found == CachePartitions(with_custom_mappings=False, cache_ids=[7])


def test_column_names_arrive_where_they_were_asked_for() -> None:
    """The request says whether the answer has column names, and the answer itself how many."""
    codecs, context = mapping_codecs(), ProtocolContext()
    answer = RowCursor(1, 2, ["A", "B"], [(1, "x"), (2, "y")], more=True)
    lengths = []
    for names in (True, False):
        request = QuerySqlFields(CacheRef(0), "PUBLIC", 10, -1, "select 1", [], include_field_names=names)
        out = bytearray()
        compile_server_side(QuerySqlFields, UNTYPED).encode(codecs, context, out, request, answer)
        got = compile_operation(QuerySqlFields, UNTYPED).decode(codecs, context, bytes(out), request)
        assert got == changed(answer, columns=["A", "B"] if names else ())
        lengths.append(len(out))
    assert lengths[0] - lengths[1] == 12


def test_a_later_page_needs_the_column_count_of_the_first() -> None:
    """The next page is cut into rows by the request's column count, which is never sent."""
    codecs, context = mapping_codecs(), ProtocolContext()
    request = QuerySqlFieldsCursorGetPage(5, column_count=2)
    assert encode_request(request, context, UNTYPED, codecs) == struct.pack("<q", 5)
    out = bytearray()
    page = RowPage([(1, 2), (3, 4)], more=False)
    compile_server_side(QuerySqlFieldsCursorGetPage, UNTYPED).encode(codecs, context, out, request, page)
    assert compile_operation(QuerySqlFieldsCursorGetPage, UNTYPED).decode(codecs, context, bytes(out), request) == page


def test_a_scan_filter_goes_with_its_platform() -> None:
    """A null filter stands alone; behind any other, even a falsy one, stands the platform Java."""
    codecs, context = mapping_codecs(), ProtocolContext()
    plain = encode_request(QueryScan(CacheRef(1)), context, UNTYPED, codecs)
    assert plain[5:6] == b"\x65"
    for filter in (0, "", "filter"):
        body = encode_request(QueryScan(CacheRef(1), filter), context, UNTYPED, codecs)
        _, end = decode_object(codecs, body, 5)
        assert body[end:] == b"\x01" + plain[6:]
        assert compile_server_side(QueryScan, UNTYPED).decode(codecs, context, body).filter == filter


def test_an_affinity_answer_has_both_kinds_of_groups() -> None:
    """Groups with a mapping and groups without one read back, with the flag that only new servers send."""
    codecs, out = mapping_codecs(), bytearray()
    groups = [
        AffinityGroup(True, [CacheKeyFields(1, [(2, 3)])], [(NODE, [0, 2]), (None, [1])], default_mapping=False),
        AffinityGroup(False, cache_ids=[4, 5]),
    ]
    request = CachePartitions(with_custom_mappings=True, cache_ids=[1, 4])
    answer = AffinityAnswer(9, 1, groups)
    server, client = compile_server_side(CachePartitions, UNTYPED), compile_operation(CachePartitions, UNTYPED)
    server.encode(codecs, ProtocolContext(), out, request, answer)
    assert client.decode(codecs, ProtocolContext(), bytes(out), request) == answer
    old = bytearray()
    server.encode(codecs, CONTEXTS["no features"], old, request, answer)
    assert len(out) - len(old) == 1
    assert client.decode(codecs, CONTEXTS["no features"], bytes(old), request).groups[0].default_mapping is True


# --- the prefix of cache operations -------------------------------------------------------------------------------------


def test_the_cache_prefix_has_the_expiry_before_the_transaction() -> None:
    """The flags say what follows: first the three durations, then the transaction."""
    ref = CacheRef(1, 1, ExpiryPolicy(1000), 15)
    expected = "01000000" + "07" + "e803000000000000" + "feffffffffffffff" * 2 + "0f000000"
    assert ref.wire.hex() == expected
    assert read_cache_ref(Codecs(), ProtocolContext(), ref.wire, 0) == (ref, len(ref.wire))
    out = bytearray()
    CacheRef.wire_layout.encode(Codecs(), ProtocolContext(), out, ref)
    assert out == ref.wire
    assert CacheRef(1, 6).wire.hex() == "0100000000"


@pytest.mark.parametrize(
    ("ref", "since", "what"),
    [
        (CacheRef(1, expiry=ExpiryPolicy(1000)), (1, 6, 0), "expiry policies"),
        (CacheRef(1, transaction=5), (1, 5, 0), "transactions"),
        (CacheRef(1, expiry=ExpiryPolicy(1000), transaction=5), (1, 6, 0), "expiry policies"),
    ],
)
def test_a_prefix_that_the_version_does_not_know_is_refused(
    ref: CacheRef, since: tuple[int, int, int], what: str
) -> None:
    """Before its version of the protocol a prefix is NotSupportedByServer, in every operation; from then on it is written."""
    for minor in range(8):
        context = ProtocolContext((1, minor, 0), frozenset())
        if (1, minor, 0) >= since:
            assert encode_request(CacheGet(ref, 5), context, UNTYPED, mapping_codecs()).startswith(ref.wire)
        else:
            with pytest.raises(NotSupportedByServer, match=f"{what} since"):
                encode_request(CacheGet(ref, 5), context, UNTYPED, mapping_codecs())


def test_an_expiry_that_ignite_does_not_know_is_refused() -> None:
    """A duration below -2 ms is an error at the server's end, where Ignite drops the connection."""
    wire = CacheRef(1, expiry=ExpiryPolicy(access=-2)).wire[:-8] + (-3).to_bytes(8, "little", signed=True)
    with pytest.raises(DecodeError, match="expiry"):
        read_cache_ref(Codecs(), ProtocolContext(), wire, 0)


# --- counts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [-(2**31), -2, -1, 6, 7, 2**16, 2**28, 2**31 - 1])
def test_a_count_that_the_bytes_cannot_hold_is_refused(count: int) -> None:
    """A negative count or one beyond the bytes that are left is a DecodeError before anything is allocated."""
    body = struct.pack("<ib", 1, 0) + struct.pack("<i", count) + bytes(5)
    with pytest.raises(DecodeError, match=f"{count} items in 5 bytes"):
        compile_server_side(CacheGetSize, UNTYPED).decode(mapping_codecs(), ProtocolContext(), body)


@pytest.mark.parametrize("count", [-(2**31), -2, 2, 2**28, 2**31 - 1])
def test_a_partition_count_that_the_bytes_cannot_hold_is_refused(count: int) -> None:
    """Partitions are counted like everything else, but -1 stands for all of them."""
    with pytest.raises(DecodeError, match="partitions"):
        read_partitions(Codecs(), ProtocolContext(), struct.pack("<i", count) + bytes(7), 0)
    assert read_partitions(Codecs(), ProtocolContext(), struct.pack("<i", -1), 0) == (None, 4)


# --- bytes of a real node -----------------------------------------------------------------------------------------------

REF_A = CacheRef(string_hash("zzproto_a"))
STRING = EntryTypes(INT)
PERSON = bytes.fromhex("67012b005b317265eaade02827000000f3f1dc39250000000307000000" + "0903000000426f62" + "181d")
RAW: Spec[bytes] = Spec(
    "raw", lambda codecs, out, value: out.extend(value), lambda codecs, buf, pos: (buf[pos:], len(buf))
)
PERSON_BLOCK = TypeBlock(
    binary_type("zzproto.Person", []).id,
    "zzproto.Person",
    None,
    [("id", 3, 3355), ("name", 9, 3373707)],
    False,
    schemas=[(binary_type("zzproto.Person", [("id", 3), ("name", 9)]).schemas.popitem()[0], [3355, 3373707])],
)
SQL = "select name, age from people where age > 1 ord."
assert len(SQL) == 0x2F


def text_hex(text: str) -> str:
    """A string as the protocol writes it."""
    return "09" + struct.pack("<i", len(text)).hex() + text.encode().hex()


# (request, entry types, id, the frame)
REQUESTS: list[tuple[Any, EntryTypes, int, str]] = [
    (CacheCreateWithName("zzproto_a"), UNTYPED, 1, "18000000 1b04 0100000000000000 09 09000000 7a7a70726f746f5f61"),
    (
        CachePut(REF_A, 42, "hello"),
        STRING,
        4,
        "1e000000 e903 0400000000000000 8a448117 00 03 2a000000 09 05000000 68656c6c6f",
    ),
    (CacheGet(REF_A, 42), STRING, 5, "14000000 e803 0500000000000000 8a448117 00 03 2a000000"),
    (
        CachePut(CacheRef(0x1781448C), 1, PERSON),
        EntryTypes(INT, RAW),
        5,
        "3b000000 e903 0500000000000000 8c448117 00 03 01000000" + PERSON.hex(),
    ),
    (
        PutBinaryType(PERSON_BLOCK),
        UNTYPED,
        8,
        "5b000000 bb0b 0800000000000000 5b317265"
        + text_hex("zzproto.Person")
        + "65 02000000 09 02000000 6964 03000000 1b0d0000 09 04000000 6e616d65 09000000 8b7a3300 00"
        + "01000000 f3f1dc39 02000000 1b0d0000 8b7a3300",
    ),
    (
        RegisterBinaryTypeName(1, PERSON_BLOCK.type_id, "zzproto.Person"),
        UNTYPED,
        10,
        "22000000 b90b 0a00000000000000 01 5b317265" + text_hex("zzproto.Person"),
    ),
    (
        QueryScan(CacheRef(0x1781449D), page_size=10, partition=995),
        UNTYPED,
        4,
        "19000000 d007 0400000000000000 9d448117 00 65 0a000000 e3030000 00",
    ),
    (
        QueryScan(CacheRef(0x1781449D), page_size=10, partition=187),
        UNTYPED,
        6,
        "19000000 d007 0600000000000000 9d448117 00 65 0a000000 bb000000 00",
    ),
    (
        QueryScan(CacheRef(0x17814492), page_size=4),
        UNTYPED,
        0x119,
        "19000000 d007 1901000000000000 92448117 00 65 04000000 ffffffff 00",
    ),
    (QueryScanCursorGetPage(0x94), UNTYPED, 0x11A, "12000000 d107 1a01000000000000 9400000000000000"),
    (
        QuerySqlFields(CacheRef(0x17814490), None, 1000, -1, SQL, [], timeout=0),
        UNTYPED,
        14,
        "68000000 d407 0e00000000000000 90448117 00 65 e8030000 ffffffff"
        + text_hex(SQL)
        + "00000000 00 000000000000 0000000000000000 01 ffffffff 01000000",
    ),
    (
        CachePut(CacheRef(0x00362E2F, transaction=1), 1, 10),
        EntryTypes(INT, INT),
        3,
        "1d000000 e903 0300000000000000 2f2e3600 02 01000000 03 01000000 03 0a000000",
    ),
    (
        CachePut(CacheRef(0x00362E2F, expiry=ExpiryPolicy(1000), transaction=15), 300, 1),
        EntryTypes(INT, INT),
        0x3E,
        (
            "35000000 e903 3e00000000000000 2f2e3600 06 e803000000000000 feffffffffffffff feffffffffffffff 0f000000"
            "03 2c010000 03 01000000"
        ),
    ),
    (
        ClusterGroupGetNodeEndpoints(-1, -1),
        UNTYPED,
        0x49,
        "1a000000 ee13 4900000000000000 ffffffffffffffff ffffffffffffffff",
    ),
    (CacheDestroy(REF_A.cache_id), UNTYPED, 0x22D, "0e000000 2004 2d02000000000000 8a448117"),
    (Heartbeat(), UNTYPED, 2, "0a000000 0100 0200000000000000"),
    (GetIdleTimeout(), UNTYPED, 2, "0a000000 0200 0200000000000000"),
    (GetBinaryConfiguration(), UNTYPED, 1, "0a000000 bc0b 0100000000000000"),
]


@pytest.mark.parametrize(
    ("request_", "types", "number", "frame"), REQUESTS, ids=[f"{type(r).__name__}-{n}" for r, _, n, _ in REQUESTS]
)
def test_a_request_is_the_frame_that_a_real_node_took(
    request_: Any, types: EntryTypes, number: int, frame: str
) -> None:
    """Our frames are, byte for byte, those that a 2.17.0 node was seen to accept; our server reads them."""
    codecs = mapping_codecs()
    client, server = pair(ProtocolContext())
    client.last_id = number - 1
    client.send_request(type(request_).code, encode_request(request_, client.context, types, codecs), "token")
    sent = b"".join(client.data_to_send())
    assert sent.hex() == frame.replace(" ", "")
    ((_, received),) = server.receive_data(sent)
    assert isinstance(received, IncomingRequest)
    assert (received.operation, received.id) == (type(request_).code, number)
    read = compile_server_side(type(request_), types).decode(codecs, server.context, received.body)
    assert read == request_


def test_the_sql_request_of_the_java_client_is_read() -> None:
    """The payload that the Java thin client sends for SQL means to us what it means to Ignite."""
    sql = "select name, age from people where age > ? order!"
    assert len(sql) == 0x31
    body = bytes.fromhex(
        "199a0100 00 65 00040000 ffffffff".replace(" ", "")
        + text_hex(sql)
        + "01000000 03 02000000 00 00 00 00 00 00 01 ffffffffffffffff 01 ffffffff 01000000".replace(" ", "")
    )
    read = compile_server_side(QuerySqlFields, UNTYPED).decode(mapping_codecs(), ProtocolContext(), body)
    assert read == QuerySqlFields(CacheRef(0x00019A19), None, 1024, -1, sql, [2], lazy=True)


ENTRY = EntryTypes(
    Spec("uuid", encode_int, lambda codecs, buf, pos: (buf[pos : pos + 17], pos + 17)),
)

# (request, entry types, the reply without its length, what it says)
REPLIES: list[tuple[Any, EntryTypes, str, Any]] = [
    (CachePut(REF_A, 42, "hello"), STRING, "0400000000000000 0000", None),
    (CacheGet(REF_A, 42), STRING, "0500000000000000 0000 09 05000000 68656c6c6f", "hello"),
    (CacheGet(REF_A, 42), STRING, "0600000000000000 0000 65", None),
    (
        CacheGet(REF_A, 1),
        EntryTypes(INT, RAW),
        "0600000000000000 0000 1b 27000000" + PERSON.hex() + "00000000",
        b"\x1b\x27\0\0\0" + PERSON + bytes(4),
    ),
    (
        QueryScan(REF_A),
        ENTRY,
        "0400000000000000 0000 0100000000000000 01000000 0ad345380116ea35a19bb734a93679b2b7 09 04000000 75756964 00",
        EntryCursor(1, [(bytes.fromhex("0ad345380116ea35a19bb734a93679b2b7"), "uuid")], more=False),
    ),
    (
        GetBinaryType(1),
        UNTYPED,
        "0700000000000000 0000 01 9dc08ae1"
        + text_hex("zzproto.Color")
        + "65 00000000 01 02000000"
        + "09 03000000 524544 00000000 09 05000000 475245454e 01000000 00000000",
        FoundType(
            exists=True,
            type=TypeBlock(
                binary_type("zzproto.Color", []).id,
                "zzproto.Color",
                None,
                [],
                True,
                [("RED", 0), ("GREEN", 1)],
                [],
            ),
        ),
    ),
    (GetBinaryType(1), UNTYPED, "0700000000000000 0000 00", FoundType(exists=False)),
    (RegisterBinaryTypeName(1, 1, "x"), UNTYPED, "0700000000000000 0000 01", True),
    (
        ClusterGroupGetNodeEndpoints(-1, -1),
        UNTYPED,
        "4900000000000000 0000 0100000000000000 01000000 d345380116ea35a1 9bb734a93679b2b7 bed20000 01000000"
        + text_hex("127.0.0.1")
        + "00000000",
        Endpoints(1, [(NODE, 0xD2BE, ["127.0.0.1"])], []),
    ),
    (Heartbeat(), UNTYPED, "0200000000000000 0000", None),
    (GetIdleTimeout(), UNTYPED, "0200000000000000 0000 0000000000000000", 0),
    (GetBinaryConfiguration(), UNTYPED, "0100000000000000 0000 01 00", (True, 0)),
]


@pytest.mark.parametrize(
    ("request_", "types", "reply", "meaning"),
    REPLIES,
    ids=[f"{i}-{type(r[0]).__name__}" for i, r in enumerate(REPLIES)],
)
def test_the_reply_of_a_real_node_is_read(request_: Any, types: EntryTypes, reply: str, meaning: Any) -> None:
    """Replies that a 2.17.0 node was seen to send mean what they meant there."""
    payload = bytes.fromhex(reply.replace(" ", ""))
    client, _ = pair(ProtocolContext())
    client.last_id = int.from_bytes(payload[:8], "little") - 1
    client.send_request(type(request_).code, b"", request_)
    ((token, body),) = client.receive_data(struct.pack("<i", len(payload)) + payload)
    assert token is request_
    codec = compile_operation(type(request_), types)
    assert codec.decode(mapping_codecs(), client.context, typing.cast("bytes", body), request_) == meaning


def test_an_error_of_a_real_node_is_read() -> None:
    """The reply about a missing cache is a failure, and its topology is remembered."""
    client, server = pair(ProtocolContext())
    client.last_id = 6
    client.send_request(1000, b"", "get")
    message = "Cache does not exist [cacheId= 1]"
    payload = bytes.fromhex(
        "070000000000000003000200000000000000" + "1d000000" + "e8030000" + "09" + "21000000" + message.encode().hex()
    )
    assert client.receive_data(struct.pack("<i", len(payload)) + payload) == [("get", Failure(1000, message))]
    assert (client.topology.major, client.topology.minor) == (2, 29)
    server.send_failure(7, Failure(1000, message), topology=client.topology)
    assert server.data_to_send() == [struct.pack("<i", len(payload)) + payload]


# --- index criteria -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x02", "2 is no head"),
        (b"\x01\x01\x00\x00\x00\x07\x09\x01\x00\x00\x00a", "7 is no kind"),
        (b"\x01\xff\xff\xff\x7f", "items in 0 bytes"),
    ],
)
def test_criteria_that_are_none(data: bytes, message: str) -> None:
    """Criteria of an index query with an unknown head, kind or count are a DecodeError."""
    with pytest.raises(DecodeError, match=message):
        read_criteria(mapping_codecs(), ProtocolContext(), data, 0)
