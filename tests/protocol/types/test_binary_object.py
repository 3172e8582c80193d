"""Complex objects: layouts, inert objects, and what is asked of the cluster before they can be read."""

import copy
import struct
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import DecodeError, EncodeValueError
from ignitemap.protocol.binary_type import BinaryType, Field, KnownTypes, binary_type
from ignitemap.protocol.codecs import (
    ANY,
    MALFORMED,
    MAX_DECODE_DEPTH,
    Codecs,
    SchemaMissing,
    decode_object,
    encode_object,
)
from ignitemap.protocol.hashing import field_id, schema_id, type_id
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.binary_object import BinaryObject, field_offsets, object_bytes, parse_header
from tests import strategies

PERSON = binary_type("zzproto.Person", [("id", 3), ("name", 9)])
(PERSON_SCHEMA,) = PERSON.schemas
# seen from a 2.17.0 node
BOB = bytes.fromhex("67012b005b317265eaade02827000000f3f1dc392500000003070000000903000000426f62181d")
BOB_FULL = bytes.fromhex(
    "67010b005b317265eaade0282f000000f3f1dc392500000003070000000903000000426f621b0d0000188b7a33001d"
)
ID_AND_RAW = bytes.fromhex(
    "67012f005b317265b65c4ae231000000dd0334632c0000000307000000050000000906000000726177737472181d000000"
)
RAW = bytes.fromhex("670125005b317265b015b56027000000c59d1c8118000000050000000906000000726177737472")
EMPTY = bytes.fromhex("670121005b3172650100000018000000c59d1c8118000000")


def knowing(*types: BinaryType) -> Codecs:
    known = KnownTypes()
    for each in types:
        known.learn(each)
    return mapping_codecs(known=known)


def read(codecs: Codecs, data: bytes) -> Any:
    value, end = decode_object(codecs, data, 0)
    assert end == len(data)
    return value


def write(value: Any, codecs: Codecs | None = None) -> bytes:
    out = bytearray()
    encode_object(codecs or mapping_codecs(), out, value)
    return bytes(out)


def make(name: str, fields: dict[str, bytes], *, full: bool = False) -> tuple[BinaryType, bytes]:
    """A type and one object of it, from its fields' bytes."""
    known = binary_type(name, [(field, 103) for field in fields])
    offsets, at = [], 24
    for data in fields.values():
        offsets.append(at)
        at += len(data)
    ids = list(known.fields)
    return known, object_bytes(known.id, schema_id(ids), b"".join(fields.values()), offsets, ids if full else None)


def wrap(data: bytes, before: bytes = b"") -> bytes:
    both = before + data
    return b"\x1b" + struct.pack("<I", len(both)) + both + struct.pack("<I", len(before))


def test_canonical_bytes() -> None:
    """The canonical form has the bytes that Java writes, with compact and with full footers."""
    fields = BOB[24:37]
    ids = [field_id("id"), field_id("name")]
    assert object_bytes(PERSON.id, PERSON_SCHEMA, fields, [24, 29]) == BOB
    assert object_bytes(PERSON.id, PERSON_SCHEMA, bytearray(fields), [24, 29], ids) == BOB_FULL
    assert object_bytes(PERSON.id, 0, b"", []) == EMPTY
    assert object_bytes(PERSON.id, 0, b"", [], [])[2:4] == b"\x01\x00"


@pytest.mark.parametrize(("size", "width"), [(200, 1), (300, 2), (70_000, 4)])
@pytest.mark.parametrize("full", [False, True])
def test_offset_width(size: int, width: int, full: bool) -> None:
    """The offset of the last field decides how wide offsets are."""
    known, data = make("W", {"a": write(bytes(size)), "b": write(1)}, full=full)
    header = parse_header(data, 0)
    assert header.footer_end - header.footer == 2 * (width + 4 * full)
    assert read(knowing(known), data).to_dict() == {"a": bytes(size), "b": 1}
    _, long_tail = make("W", {"a": write(1), "b": write(bytes(size))})
    assert parse_header(long_tail, 0).footer_end - parse_header(long_tail, 0).footer == 2


def test_inert_object() -> None:
    """An object of an unregistered type has its fields by item and attribute, and is equal by bytes."""
    codecs = knowing(PERSON)
    bob = read(codecs, BOB)
    assert isinstance(bob, BinaryObject)
    assert (bob.type_name, bob.type_id, bob.schema_id) == ("zzproto.Person", PERSON.id, PERSON_SCHEMA)
    assert (bob.id, bob["name"]) == (7, "Bob")
    assert bob.field_names == ("id", "name")
    assert bob.to_dict() == {"id": 7, "name": "Bob"}
    assert "id" in bob
    assert "age" not in bob
    with pytest.raises(KeyError):
        bob["age"]
    with pytest.raises(AttributeError, match="age"):
        getattr(bob, "age")  # noqa: B009
    assert not hasattr(bob, "__deepcopy__")
    assert repr(bob) == "<BinaryObject zzproto.Person (id, name)>"
    assert bob == read(codecs, BOB)
    assert bob == read(codecs, wrap(BOB))
    assert hash(bob) == hash(read(codecs, BOB))
    assert bob != read(codecs, BOB_FULL)
    assert bob != BOB
    with pytest.raises(AttributeError):
        bob.id = 8
    assert copy.copy(bob) == bob


@pytest.mark.parametrize("data", [BOB, BOB_FULL, ID_AND_RAW, RAW, EMPTY], ids=["bob", "full", "raw+", "raw", "empty"])
@pytest.mark.parametrize("before", [b"", b"\x01\x02"], ids=["plain", "offset"])
def test_writes_back_identical(data: bytes, before: bytes) -> None:
    """Every layout, wrapped at any offset, writes back byte-identical, and its named fields are read."""
    known = attrs_with_schema(PERSON, (field_id("id"),))
    codecs = knowing(known)
    value = read(codecs, wrap(data, before))
    assert write(value) == data
    assert (
        value.to_dict()
        == {
            BOB: {"id": 7, "name": "Bob"},
            BOB_FULL: {"id": 7, "name": "Bob"},
            ID_AND_RAW: {"id": 7},
            RAW: {},
            EMPTY: {},
        }[data]
    )


def attrs_with_schema(known: BinaryType, order: tuple[int, ...]) -> BinaryType:
    return BinaryType(known.id, known.name, known.fields, {**known.schemas, schema_id(order): order})


def test_schema_is_asked_for() -> None:
    """An object whose names are not known yet asks for its schema; if the cluster has none it is read without names."""
    codecs = mapping_codecs()
    with pytest.raises(SchemaMissing):
        field_offsets(codecs, BOB, 0)
    for data in (BOB, BOB_FULL, EMPTY):
        with pytest.raises(SchemaMissing) as caught:
            read(codecs, data)
        assert caught.value.type_id == PERSON.id
    codecs.known.absent.update({(PERSON.id, PERSON_SCHEMA), (PERSON.id, -2128831035)})
    for data in (BOB, BOB_FULL):
        nameless = read(codecs, data)
        assert nameless.type_name is None
        assert write(nameless) == data
        for ask in (nameless.to_dict, lambda value=nameless: value["id"], lambda value=nameless: value.field_names):
            with pytest.raises(DecodeError, match="no metadata"):
                ask()
        assert repr(nameless) == f"<BinaryObject of the type with the id {PERSON.id}>"


def test_other_schema_is_asked_for() -> None:
    """A known type with another schema is asked for again; without an answer the object is read without names."""
    other = BinaryType(PERSON.id, PERSON.name, PERSON.fields, {1: (field_id("id"),)})
    codecs = knowing(other)
    with pytest.raises(SchemaMissing):
        read(codecs, BOB)
    assert read(codecs, BOB_FULL).id == 7
    codecs.known.absent.add((PERSON.id, PERSON_SCHEMA))
    with pytest.raises(DecodeError, match="no schema"):
        read(codecs, BOB).to_dict()
    with pytest.raises(DecodeError, match="no schema"):
        field_offsets(codecs, BOB, 0)


@pytest.mark.parametrize("place", ["field", "list", "map", "wrapped", "behind everything"])
def test_nested_schema_is_asked_for(place: str) -> None:
    """The schemas of nested objects are asked for at once: when a field is read, nobody can ask any more."""
    nested = {
        "field": BOB,
        "list": bytes.fromhex("180100000001") + BOB,
        "map": bytes.fromhex("190100000001") + write("k") + BOB,
        "wrapped": wrap(BOB, b"\x00"),
        "behind everything": bytes.fromhex("180c00000001")
        + b"".join(map(write, (1, "a", b"b", [1.5], {2: ()}, None, True)))
        + bytes.fromhex("1e020000000100000001")
        + bytes.fromhex("1c00000000")
        + write("a.B")
        + bytes(4)
        + bytes.fromhex("0f010000000000000000000000")
        + wrap(EMPTY)
        + BOB,
    }[place]
    known, data = make("Outer", {"a": write(1), "nested": nested, "z": write(2)})
    empty_known = mapping_codecs()
    empty_known.known.learn(known)
    empty_known.known.absent.add((PERSON.id, -2128831035))
    with pytest.raises(SchemaMissing) as caught:
        read(empty_known, data)
    assert (caught.value.type_id, caught.value.schema_id) == (PERSON.id, PERSON_SCHEMA)
    codecs = knowing(known, PERSON)
    outer = read(codecs, data)
    assert outer.z == 2
    found = outer.nested
    while not isinstance(found, BinaryObject):
        found = list(found.values())[0] if isinstance(found, dict) else found[-1]
    assert found.name == "Bob"
    codecs.known.types.clear()
    with pytest.raises(DecodeError, match="must be read again"):
        outer.to_dict()


def test_what_cannot_be_scanned_stays_inert() -> None:
    """A field that nobody can read does not keep the object from being read; it is an error when it is asked for."""
    broken = [
        b"\x20" + bytes(30),
        b"\xc8" + bytes(30),
        b"\x09\xff\xff\xff\x7f",
        b"\x1b\x05\x00\x00\x00\x67",
        wrap(BOB)[:-4] + struct.pack("<I", 1000),
        BOB[:12] + struct.pack("<I", 10_000) + BOB[16:],
        BOB[:1] + b"\x02" + BOB[2:],
        BOB[:12] + struct.pack("<I", 50) + BOB[16:],
    ]
    for field in broken:
        known, data = make("Outer", {"bad": field, "good": write(1)})
        value = read(knowing(known, PERSON), data)
        assert value.good == 1
        assert write(value) == data
        with pytest.raises(DecodeError):
            value["bad"]


def test_field_must_fill_its_place() -> None:
    """A field that does not end where the next one starts is a decode error."""
    known, data = make("Outer", {"a": write(1) + b"\x65", "b": write(1)})
    with pytest.raises(DecodeError, match="field a of Outer does not end"):
        read(knowing(known), data)["a"]


def test_read_within_a_decode() -> None:
    """Reading a field leaves the counters of a decode that goes on around it as they were."""
    codecs = knowing(PERSON)
    bob = read(codecs, BOB)
    codecs.depth, codecs.repeated = 5, 6
    assert bob.id == 7
    assert (codecs.depth, codecs.repeated) == (5, 6)


def test_hostile_footers() -> None:
    """Offsets that point outside of the fields, or back, and footers of the wrong size are decode errors."""
    codecs = knowing(PERSON)
    for footer in (b"\x18\x18", b"\x1d\x18", b"\x17\x1d", b"\x18\x25", b"\x18\xff"):
        with pytest.raises(DecodeError, match="outside"):
            field_offsets(codecs, BOB[:37] + footer, 0)
    short = bytearray(BOB[:-1])
    short[12] -= 1
    with pytest.raises(DecodeError, match="does not fit"):
        field_offsets(codecs, bytes(short), 0)
    short = bytearray(BOB_FULL[:-1])
    short[12] -= 1
    with pytest.raises(DecodeError, match="does not fit"):
        field_offsets(codecs, bytes(short), 0)
    twice = BOB_FULL[:37] + BOB_FULL[37:41] + b"\x18" + BOB_FULL[37:41] + b"\x1d"
    with pytest.raises(DecodeError, match="does not fit"):
        field_offsets(codecs, twice, 0)
    both = bytearray(BOB)
    both[2] |= 0x10
    assert field_offsets(codecs, bytes(both), 0) == field_offsets(codecs, BOB, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x66" + BOB[1:],
        b"\x65" + BOB[1:],
        BOB[:1] + b"\x02" + BOB[2:],
        BOB[:20] + struct.pack("<I", 23) + BOB[24:],
        BOB[:20] + struct.pack("<I", 40) + BOB[24:],
        ID_AND_RAW[:-4] + struct.pack("<I", 45),
        ID_AND_RAW[:-4] + struct.pack("<I", 23),
        EMPTY[:2] + b"\x27" + EMPTY[3:],
    ],
    ids=bytes.hex,
)
def test_bad_header(data: bytes) -> None:
    """A header whose parts do not fit together is a decode error."""
    with pytest.raises(DecodeError):
        parse_header(data, 0)


def test_field_offsets_within_a_buffer() -> None:
    """Offsets are absolute in the buffer that the object stands in."""
    codecs = knowing(PERSON)
    expected = {field_id("id"): 34, field_id("name"): 39}
    assert field_offsets(codecs, bytes(10) + BOB, 10) == expected
    assert field_offsets(codecs, bytes(10) + BOB_FULL + bytes(10), 10) == expected
    assert field_offsets(codecs, EMPTY, 0) == {}


def test_unregistered_class_name() -> None:
    """The name of a class that Java has not registered stands behind the header and gives the type's id."""
    name = write("zzproto.Person")
    shift = len(name)
    data = bytearray(BOB[:24] + name + BOB[24:37] + bytes((24 + shift, 29 + shift)))
    data[4:8] = bytes(4)
    data[12] += shift
    data[20] += shift
    codecs = knowing(PERSON)
    value = read(codecs, bytes(data))
    assert value.type_id == PERSON.id
    assert value.name == "Bob"
    assert write(value) == bytes(data)


def test_unnamed_field() -> None:
    """A full footer with a field that the metadata does not name is a decode error when names are asked for."""
    known = BinaryType(PERSON.id, PERSON.name, {field_id("id"): Field("id", 3, field_id("id"))})
    with pytest.raises(DecodeError, match="no name"):
        read(knowing(known), BOB_FULL).to_dict()


def test_announced_to_another_cluster() -> None:
    """An inert object that is written to a cluster which does not know its type has the type announced."""
    bob = read(knowing(PERSON), BOB)
    other = mapping_codecs()
    assert write(bob, other) == BOB
    assert other.unannounced == [PERSON]
    same = knowing(PERSON)
    write(bob, same)
    assert same.unannounced == []


class Models:
    """A resolver with one model whose decoder counts how often it was looked up."""

    asked = 0

    def encoder_for(self, cls: type) -> Any:
        return None

    def decoder_for(self, type_id: int) -> Any:
        self.asked += 1
        return decode_model if type_id == PERSON.id else None

    def enum_for(self, type_id: int) -> Any:
        return None


def decode_model(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    offsets = field_offsets(codecs, buf, pos)
    fields = [ANY.decode(codecs, buf, at)[0] for at in offsets.values()]
    return ("model", *fields), parse_header(buf, pos).end


def test_registered_type() -> None:
    """A type that the program registered is read by its decoder, looked up once; others are looked up each time."""
    models = Models()
    codecs = mapping_codecs(resolver=models)
    codecs.known.learn(PERSON)
    for _ in range(3):
        assert read(codecs, wrap(BOB)) == ("model", 7, "Bob")
    assert models.asked == 1
    assert list(codecs.object_decoders) == [PERSON.id]
    codecs.known.absent.add((5, -2128831035))
    other = object_bytes(5, 0, b"", [])
    read(codecs, other)
    assert list(codecs.object_decoders) == [PERSON.id]
    assert codecs.depth == 0


def family() -> tuple[BinaryType, bytes]:
    """A parent with two children, both of whom refer to it; the second one refers to the first."""
    node = binary_type("Node", [(name, 103) for name in ("parent", "sibling", "name")])
    (schema,) = node.schemas

    def child(at: int, sibling: int | None, name: str) -> bytes:
        parts = [b"\x66" + struct.pack("<I", at + 24), b"\x65", write(name)]
        if sibling is not None:
            parts[1] = b"\x66" + struct.pack("<I", at + 29 - sibling)
        return object_bytes(node.id, schema, b"".join(parts), [24, 29, 29 + len(parts[1])])

    first = child(24, None, "Ann")
    second = child(24 + len(first), 24, "Bob")
    both = first + second
    return node, object_bytes(node.id, schema, both + write("parent"), [24, 24 + len(first), 24 + len(both)])


def test_objects_that_refer_to_their_parent() -> None:
    """A nested object that refers to the one around it, or to another one in that, is read on and on."""
    known, data = family()
    codecs = knowing(known)
    parent = read(codecs, wrap(data))
    assert parent.name == "parent"
    ann, bob = parent.parent, parent.sibling
    assert (ann.name, bob.name) == ("Ann", "Bob")
    assert ann.parent == bob.parent == parent
    assert bob.sibling == ann
    assert bob.sibling.parent.sibling.sibling.parent.name == "parent"
    assert ann.sibling is None
    assert bob.to_dict() == {"parent": parent, "sibling": ann, "name": "Bob"}
    assert codecs.shared is None


def test_objects_that_refer_to_what_is_outside() -> None:
    """Such an object is written as part of the one around it; alone it is an error, as its reference would dangle."""
    known, data = family()
    codecs = knowing(known)
    parent = read(codecs, data)
    assert write(parent, codecs) == data
    assert write(parent.parent.parent, codecs) == data
    for child in (parent.parent, parent.sibling):
        with pytest.raises(EncodeValueError, match="this Node refers to an object outside of it"):
            write(child, codecs)
    alone = make("Outer", {"inner": BOB})
    inner = read(knowing(PERSON, alone[0]), alone[1]).inner
    assert write(inner, knowing(PERSON)) == bytes(inner) == BOB


def test_depth_of_models() -> None:
    """Objects within objects count towards the limit of nesting, and never overflow the interpreter's stack."""
    known, data = PERSON, write(1)
    for _ in range(MAX_DECODE_DEPTH + 1):
        known, data = make("zzproto.Person", {"id": data})
    codecs = mapping_codecs(resolver=Models())
    codecs.known.learn(known)
    with pytest.raises((DecodeError, RecursionError)):
        read(codecs, data)
    codecs.depth = MAX_DECODE_DEPTH
    with pytest.raises(DecodeError, match="deeper"):
        read(codecs, data)


def test_wrapped_attacks() -> None:
    """A wrapped object that is none, or is longer than its wrapping, is a decode error."""
    codecs = knowing(PERSON)
    for data in (
        wrap(write(1)),
        wrap(b""),
        wrap(BOB)[:-4] + struct.pack("<I", 39),
        wrap(BOB)[:-4] + b"\xff\xff\xff\xff",
        b"\x1b" + struct.pack("<I", 30) + BOB[:30] + bytes(4) + BOB[30:],
        wrap(BOB)[:-1],
    ):
        with pytest.raises(DecodeError):
            decode_object(codecs, data, 0)


@settings(strategies.RELAXED, max_examples=40)
@given(st.dictionaries(strategies.texts.filter(bool), strategies.values, max_size=6), st.booleans())
def test_any_fields(fields: dict[str, Any], full: bool) -> None:
    """Fields of any type and name are read back; every truncation of the object is a decode error."""
    if len({field_id(name) for name in fields}) < len(fields):
        return
    known, data = make("T", {name: write(value) for name, value in fields.items()}, full=full)
    assert known.id == type_id("T")
    codecs = knowing(known)
    value = read(codecs, data)
    assert value.to_dict() == fields
    assert write(value) == data
    for end in range(0, len(data), max(1, len(data) // 50)):
        with pytest.raises((DecodeError, *MALFORMED)):
            decode_object(codecs, data[:end], 0)
