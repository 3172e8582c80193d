"""The way from an encoded key to the node that owns it."""

import math
import struct
from uuid import UUID

import attrs
import pytest
from hypothesis import example, given, strategies as st

from ignitemap.client.affinity import AffinityMapping, owner, owners_of
from ignitemap.protocol.hashing import (
    bytes_hash,
    decimal_hash,
    field_id,
    long_hash,
    schema_id,
    sequence_hash,
    string_hash,
    type_id,
    uuid_hash,
)
from ignitemap.protocol.key_hash import MAX_DEPTH, hash_of, partition_of

NODES = [UUID(int=number) for number in range(1, 4)]


def string(text: str) -> bytes:
    """An encoded string."""
    data = text.encode()
    return b"\x09" + struct.pack("<i", len(data)) + data


def whole(value: int) -> bytes:
    """An encoded int."""
    return b"\x03" + struct.pack("<i", value)


def counted(code: int, *items: bytes) -> bytes:
    """An encoded array: its type code, the number of its items, the items."""
    return bytes([code]) + struct.pack("<i", len(items)) + b"".join(items)


def collection(kind: int, *items: bytes) -> bytes:
    """An encoded collection."""
    return b"\x18" + struct.pack("<ib", len(items), kind) + b"".join(items)


def mapping(*pairs: tuple[bytes, bytes]) -> bytes:
    """An encoded map that keeps its order."""
    return b"\x19" + struct.pack("<ib", len(pairs), 2) + b"".join(key + value for key, value in pairs)


def wrapped(data: bytes, offset: int = 0) -> bytes:
    """An object as the server sends it: inside a byte array, with its offset there."""
    return b"\x1b" + struct.pack("<i", len(data)) + data + struct.pack("<i", offset)


def complex_object(
    name: str, fields: dict[str, bytes], *, width: int = 1, compact: bool = True, raw: bytes = b"", fake_hash: int = 77
) -> bytes:
    """An encoded complex object with a made-up hash, so that it is clear where a hash came from."""
    ids = [field_id(field) for field in fields]
    body, footer = b"", b""
    for number, value in zip(ids, fields.values(), strict=True):
        if not compact:
            footer += struct.pack("<i", number)
        footer += (24 + len(body)).to_bytes(width, "little")
        body += value
    body += raw
    if fields and raw:
        footer += struct.pack("<i", 24 + len(body) - len(raw))
    flags = 1 | (2 if fields else 0) | (4 if raw else 0) | {1: 8, 2: 16, 4: 0}[width] | (32 if compact else 0)
    return (
        struct.pack(
            "<BBHiiiii",
            103,
            1,
            flags,
            type_id(name),
            fake_hash,
            24 + len(body) + len(footer),
            schema_id(ids),
            24 + len(body),
        )
        + body
        + footer
    )


# Each of these was put into a cache of a real 2.17.0 node and found again by a scan of just that partition of 1024.
VECTORS = [
    ("byte", "01 fb", -5, 4),
    ("short", "02 48f4", -3000, 951),
    ("int", "03 2a000000", 42, 42),
    ("int -1", "03 ffffffff", -1, 0),
    ("int 1000000", "03 40420f00", 1000000, 591),
    ("int negative", "03 eb32a4f8", -123456789, 591),
    ("long", "04 2a00000000000000", 42, 42),
    ("long -1", "04 ffffffffffffffff", 0, 0),
    ("long big", "04 cb04fb711f010000", 1912276436, 47),
    ("float", "05 0000c03f", 1069547520, 960),
    ("float -0.0", "05 00000080", -2147483648, 0),
    ("double", "06 000000000000f83f", 1073217536, 1016),
    ("char", "07 5a00", 90, 90),
    ("true", "08 01", 1231, 207),
    ("false", "08 00", 1237, 213),
    ("string", string("hello").hex(), 99162322, 315),
    ("string with colon", string("user:1001").hex(), 303304367, 187),
    ("string beyond the BMP", string("😀key").hex(), 1276932636, 512),
    ("empty string", string("").hex(), 0, 0),
    ("uuid", "0a d345380116ea35a1 9bb734a93679b2b7", -1098161816, 995),
    ("date", "0b 7b68e5cf8b010000", -807048720, 533),
    ("timestamp", "21 7b68e5cf8b010000 c8010000", -807048720, 533),
    ("time", "24 fbee360000000000", 3600123, 717),
    ("decimal", "1e 02000000 02000000 3039", 382697, 748),
    ("negative decimal", "1e 02000000 02000000 b039", -382693, 737),
    ("byte[]", "0c 03000000 01 02 ff", 30813, 93),
    ("int[]", "0e 02000000 01000000 feffffff", 990, 990),
    ("String[]", counted(20, string("a"), string("b")).hex(), 4066, 994),
    ("list", collection(1, whole(1), whole(2)).hex(), 994, 994),
    ("map", mapping((whole(1), string("x"))).hex(), 121, 121),
    ("enum", "1c 39300000 02000000", 382697, 748),
    ("binary enum", "26 39300000 02000000", 382697, 748),
    (
        "complex object",
        "67 01 2b00 19362c3c 467dfe79 26000000 e6051522 24000000 | 03 01000000 | 09 02000000 6b6b | 18 1d",
        2046721350,
        184,
    ),
]


@pytest.mark.parametrize(("data", "key_hash", "partition"), [pytest.param(*row[1:], id=row[0]) for row in VECTORS])
def test_vectors(data: str, key_hash: int, partition: int) -> None:
    """A key of every type has the hash and the partition that a real node gives it."""
    encoded = bytes.fromhex(data.replace("|", ""))
    assert hash_of(encoded) == key_hash
    assert partition_of(key_hash, 1024) == partition
    assert hash_of(bytearray(b"\xff" * 3 + encoded + b"\xff"), 3) == key_hash


def test_long_decimal_vector() -> None:
    """A decimal of several words has the hash and the partition that a real node gives it."""
    digits = 123456789012345678901234567890
    size = digits.bit_length() // 8 + 1
    encoded = b"\x1e" + struct.pack("<ii", 3, size) + digits.to_bytes(size, "big")
    assert hash_of(encoded) == -748148566
    assert partition_of(-748148566, 1024) == 962


@given(st.integers(), st.integers(-(2**31), 2**31 - 1))
@example(-128, 0)
@example(-255, 1)
@example(0, 0)
def test_decimal_sign_and_magnitude(unscaled: int, scale: int) -> None:
    """The top bit of a decimal's magnitude is its sign."""
    data = bytearray(abs(unscaled).to_bytes(abs(unscaled).bit_length() // 8 + 1, "big"))
    if unscaled < 0:
        data[0] |= 0x80
    assert hash_of(b"\x1e" + struct.pack("<ii", scale, len(data)) + data) == decimal_hash(unscaled, scale)


@given(st.text(max_size=20))
def test_string(text: str) -> None:
    """A string key has the hash of its characters, not of its UTF-8."""
    assert hash_of(string(text)) == string_hash(text)


def test_broken_utf8() -> None:
    """A string key that is not UTF-8 still has some hash."""
    assert hash_of(b"\x09\x02\x00\x00\x00\xffa") == string_hash("\ufffda")


@given(st.uuids())
def test_uuid(value: UUID) -> None:
    """A UUID is written as two numbers, each lowest byte first."""
    assert hash_of(b"\x0a" + value.bytes[7::-1] + value.bytes[:7:-1]) == uuid_hash(value.int)


def test_nan() -> None:
    """Every NaN has the hash of Java's one NaN, alone and in an array; infinity is not a NaN."""
    for bits in ("0000c07f", "0100807f", "ffffffff"):
        assert hash_of(bytes.fromhex("05" + bits)) == 0x7FC00000
        assert hash_of(bytes.fromhex("10 01000000" + bits)) == 31 + 0x7FC00000
    for bits in ("000000000000f87f", "010000000000f07f", "ffffffffffffffff"):
        assert hash_of(bytes.fromhex("06" + bits)) == 0x7FF80000
        assert hash_of(bytes.fromhex("11 01000000" + bits)) == 31 + 0x7FF80000
    assert hash_of(b"\x05" + struct.pack("<f", math.inf)) == 0x7F800000
    assert hash_of(b"\x06" + struct.pack("<d", -math.inf)) == struct.unpack("<i", b"\0\0\xf0\xff")[0]


@pytest.mark.parametrize(
    ("data", "hashes"),
    [
        (counted(13, struct.pack("<h", -2), struct.pack("<h", 3)), [-2, 3]),
        (counted(15, struct.pack("<q", -1), struct.pack("<q", 2**40)), [long_hash(-1), long_hash(2**40)]),
        (counted(16, struct.pack("<f", 1.5)), [1069547520]),
        (counted(17, struct.pack("<d", 1.5), struct.pack("<d", -0.0)), [1073217536, -(2**31)]),
        (counted(18, struct.pack("<H", 0xD800)), [0xD800]),
        (counted(19, b"\1", b"\0"), [1231, 1237]),
        (counted(21, b"\x0a" + bytes(16), b"\x65"), [0, 0]),
        (counted(22, b"\x0b" + struct.pack("<q", 7)), [7]),
        (counted(31, bytes.fromhex("1e 02000000 02000000 3039")), [382697]),
        (counted(34, bytes.fromhex("21 7b68e5cf8b010000 c8010000"), whole(1)), [-807048720, 1]),
        (counted(37, bytes.fromhex("24 fbee360000000000")), [3600123]),
        (counted(14), []),
    ],
)
def test_arrays(data: bytes, hashes: list[int]) -> None:
    """An array of any type has the hash of the sequence of its elements."""
    assert hash_of(data) == sequence_hash(hashes)


def test_object_arrays() -> None:
    """An array of objects may name its class by id or by text, and arrays inside it are hashed by content."""
    items = whole(1) + string("x") + b"\x65" + b"\x0c\x01\0\0\0\x05"
    wanted = sequence_hash([1, string_hash("x"), 0, bytes_hash(b"\x05")])
    assert hash_of(b"\x17" + struct.pack("<ii", -1, 4) + items) == wanted
    assert hash_of(b"\x17" + struct.pack("<i", 0) + string("com.acme.Thing") + struct.pack("<i", 4) + items) == wanted
    enums = bytes.fromhex("1c 39300000 02000000 26 39300000 00000000 65")
    assert hash_of(b"\x1d" + struct.pack("<ii", 12345, 3) + enums) == sequence_hash([382697, 382695, 0])


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_lists(kind: int) -> None:
    """A list's hash depends on the order."""
    assert hash_of(collection(kind, string("a"), whole(2), b"\x65")) == sequence_hash([97, 2, 0])


@pytest.mark.parametrize("kind", [-1, 3, 4])
def test_sets(kind: int) -> None:
    """A set's hash is the sum of its members' hashes, in any order."""
    forward = collection(kind, string("zz"), whole(2**31 - 1), whole(5))
    backward = collection(kind, whole(5), whole(2**31 - 1), string("zz"))
    assert hash_of(forward) == hash_of(backward) == string_hash("zz") + 5 - 2**31 - 1


def test_maps() -> None:
    """A map's hash is the sum of key hash xor value hash, in any order."""
    one, two = (whole(1), string("x")), (string("k"), b"\x65")
    assert hash_of(mapping(one, two)) == hash_of(mapping(two, one)) == (1 ^ 120) + 107


def test_nesting() -> None:
    """Every type can stand inside a collection, and the next member is found behind it."""
    members = [bytes.fromhex(row[1].replace("|", "")) for row in VECTORS]
    hashes = [row[2] for row in VECTORS]
    flat = [(data, value) for data, value in zip(members, hashes, strict=True) if not 12 <= data[0] <= 23]
    assert hash_of(collection(1, *(data for data, _ in flat))) == sequence_hash(value for _, value in flat)
    everything = b"\x17" + struct.pack("<ii", -1, len(members)) + b"".join(members)
    assert hash_of(everything) == sequence_hash(hashes)
    inner = collection(1, whole(1), collection(3, whole(2), whole(3)), mapping((whole(4), collection(1))))
    assert hash_of(inner) == sequence_hash([1, 5, 4 ^ 1])


def test_wrapped() -> None:
    """A wrapped object has the hash of the object inside, wherever in the wrapper it begins."""
    thing = complex_object("T", {"a": whole(1)})
    assert hash_of(wrapped(thing)) == 77
    assert hash_of(wrapped(b"\xaa\xbb" + thing, 2)) == 77
    assert hash_of(collection(1, wrapped(thing), whole(6))) == sequence_hash([77, 6])


@pytest.mark.parametrize(
    "data",
    [
        b"\x65",
        b"\x66\x05\0\0\0",
        b"\xfe\x01\0\0\0\x65",
        b"\x20\x01\0\0\0",
        b"\x00",
        b"\xff",
        b"\x1c\0\0\0\0" + string("com.acme.Color") + b"\0\0\0\0",
        collection(1, b"\x0c\x01\0\0\0\x05"),
        collection(3, b"\x17\xff\xff\xff\xff\0\0\0\0"),
        mapping((whole(1), b"\x0e\0\0\0\0")),
        collection(1, b"\xfe\x01\0\0\0\x65"),
        counted(20, b"\x66\x05\0\0\0"),
    ],
)
def test_no_hash(data: bytes) -> None:
    """What a client cannot hash as Java does has no hash, and then no owner."""
    assert hash_of(data) is None
    assert owner(AffinityMapping((1, 0), (NODES[0],) * 4), data) is None


def test_deep_nesting() -> None:
    """A key nested as deep as the encoder allows has a hash; a deeper one has none, and nothing overflows."""
    data, value = whole(1), 1
    for _ in range(MAX_DEPTH):
        data, value = collection(1, data), 31 + value
    assert hash_of(data) == value
    assert hash_of(collection(1, data)) is None
    for _ in range(50_000):
        data = b"\x18\x01\0\0\0\x01" + data
    assert hash_of(data) is None


def test_partition_of_other_counts() -> None:
    """A number of partitions that is no power of two takes the absolute value of Java's remainder."""
    assert partition_of(7, 3) == partition_of(-7, 3) == 1
    assert partition_of(-(2**31), 1000) == 648
    assert partition_of(-(2**31), 7) == 2
    assert partition_of(123, 1) == 0


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 65000))
def test_partition_is_in_range(key_hash: int, partitions: int) -> None:
    """A partition is a number below the number of partitions, by Java's arithmetic on 32 bits."""
    bits = key_hash & 0xFFFFFFFF
    if partitions & (partitions - 1):
        expected = abs(math.fmod(key_hash, partitions))
    else:
        expected = (bits ^ bits >> 16) & (partitions - 1)
    assert partition_of(key_hash, partitions) == expected
    assert 0 <= partition_of(key_hash, partitions) < partitions


def table(key_fields: dict[int, int] | None = None) -> AffinityMapping:
    """A table of 8 partitions, of which the last has no owner."""
    return AffinityMapping((3, 1), (*(NODES * 3)[:7], None), key_fields or {})


def test_owner() -> None:
    """The owner of a key is the node of its partition, if that has one."""
    for number in range(7):
        assert owner(table(), whole(number)) == NODES[number % 3]
        assert owner(table(), b"??" + whole(number), 2) == NODES[number % 3]
    assert owner(table(), whole(7)) is None
    assert owner(AffinityMapping((1, 0), ()), whole(7)) is None


def test_mapping_is_frozen() -> None:
    """A mapping does not change; a newer version replaces it, and versions compare."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        table().version = (4, 0)  # type: ignore[misc]  # what the test is about
    assert AffinityMapping((3, 2), ()).version > table().version
    assert AffinityMapping((1, 0), ()).key_fields == {}


FIELDS = {"id": whole(5), "city": whole(2)}
SCHEMAS = {(type_id("Key"), schema_id([field_id("id"), field_id("city")])): (field_id("id"), field_id("city"))}


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("raw", [b"", b"\x05\0\0\0"])
def test_affinity_field(width: int, compact: bool, raw: bytes) -> None:
    """A complex key with an affinity field goes where that field goes, whatever the form of its footer."""
    key = complex_object("Key", FIELDS, width=width, compact=compact, raw=raw)
    for name, node in (("id", NODES[5 % 3]), ("city", NODES[2])):
        where = table({type_id("Key"): field_id(name)})
        assert owner(where, key, 0, SCHEMAS) == node
        assert owner(where, b"pad" + key, 3, SCHEMAS) == node
        assert owner(where, wrapped(b"x" + key, 1), 0, SCHEMAS) == node


@pytest.mark.parametrize(
    ("key", "field"),
    [
        (complex_object("Other", FIELDS, fake_hash=4), "id"),
        (complex_object("Key", FIELDS, fake_hash=4), "street"),
        (complex_object("Key", FIELDS, compact=False, fake_hash=4), "street"),
        (complex_object("Key", {"id": b"\x65", "city": whole(2)}, fake_hash=4), "id"),
        (complex_object("Key", {}, raw=b"\x05\0\0\0", fake_hash=4), "id"),
        (complex_object("Key", {}, fake_hash=4), "id"),
        (whole(4), "id"),
        (wrapped(whole(4)), "id"),
    ],
)
def test_without_affinity_field(key: bytes, field: str) -> None:
    """A key of another type, or without the field, or with null in it, goes where the whole key goes."""
    assert owner(table({type_id("Key"): field_id(field)}), key, 0, SCHEMAS) == NODES[4 % 3]


def test_affinity_field_of_unknown_schema() -> None:
    """A compact footer cannot be read without its schema, so any node must do."""
    key = complex_object("Key", FIELDS)
    assert owner(table({type_id("Key"): field_id("city")}), key) is None
    assert owner(table(), key) == NODES[77 % 8 % 3]


@pytest.mark.parametrize("value", [b"\x0c\x01\0\0\0\x05", b"\xfe\x01\0\0\0\x65", collection(1, b"\x0e\0\0\0\0")])
def test_affinity_field_without_hash(value: bytes) -> None:
    """A field that has no stable hash gives no owner."""
    key = complex_object("Key", {"id": value}, compact=False)
    assert owner(table({type_id("Key"): field_id("id")}), key) is None


longs = st.integers(-(2**63), 2**63 - 1).map(lambda value: struct.pack("<Bq", 4, value))
others = st.integers(-(2**31), 2**31 - 1).map(lambda value: struct.pack("<Bi", 3, value))


@given(st.lists(longs) | st.lists(longs | others), st.sampled_from([0, 1, 7, 8, 1000, 1024, 32768]))
def test_owners_of_many(keys: list[bytes], partitions: int) -> None:
    """The owners of many keys are those of each, whatever their types and the number of partitions."""
    mapping = AffinityMapping((1, 0), tuple(UUID(int=number) if number % 5 else None for number in range(partitions)))
    assert list(owners_of(mapping, keys)) == [owner(mapping, key) for key in keys]
