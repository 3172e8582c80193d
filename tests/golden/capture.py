"""Captures what a real Apache Ignite 2.17.0 node returns for a value that was put: `python tests/golden/capture.py`.

Nothing of the package's codec is used here: the bytes are put together with struct, frames go over a plain socket, so
that the goldens judge the codec from outside. Writes types_2_17_0.json beside this file.
"""

import argparse
import asyncio
import json
import socket
from pathlib import Path
from struct import pack, unpack_from
from typing import Any

CACHE = "golden"
COLOR, COLOR_NAME = -511000419, "zzproto.Color"
PERSON, PERSON_NAME = 1701982555, "zzproto.Person"


def java_hash(text: str) -> int:
    """String.hashCode of ASCII text."""
    value = 0
    for character in text.encode():
        value = (31 * value + character) & 0xFFFFFFFF
    return value - (value >> 31 << 32)


def text(value: str) -> bytes:
    data = value.encode()
    return pack("<BI", 9, len(data)) + data


def long(value: int) -> bytes:
    return pack("<Bq", 4, value)


def integer(value: int) -> bytes:
    return pack("<Bi", 3, value)


def decimal(scale: int, magnitude: str) -> bytes:
    data = bytes.fromhex(magnitude)
    return pack("<BiI", 30, scale, len(data)) + data


def objects(head: bytes, *items: bytes) -> bytes:
    return head + b"".join(items)


def collection(kind: int, *items: bytes) -> bytes:
    return objects(pack("<BIb", 24, len(items), kind), *items)


def object_array(*items: bytes) -> bytes:
    return objects(pack("<BiI", 23, -1, len(items)), *items)


def mapping(kind: int, *items: bytes) -> bytes:
    return objects(pack("<BIb", 25, len(items) // 2, kind), *items)


NULL = b"\x65"
# {id: 7, name: "Bob"}
BOB = bytes.fromhex("67012b005b317265eaade02827000000f3f1dc392500000003070000000903000000426f62181d")
# the same with a full footer
BOB_FULL = bytes.fromhex(
    "67010b005b317265eaade0282f000000f3f1dc392500000003070000000903000000426f621b0d0000188b7a33001d"
)
EMPTY = bytes.fromhex("670121005b3172650100000018000000c59d1c8118000000")

# name, Python expression of the value, spec that writes it (None: written by its class), bytes that are put
VALUES: list[tuple[str, str, str | None, bytes]] = [
    ("byte", "-7", "BYTE", pack("<Bb", 1, -7)),
    ("short", "-300", "SHORT", pack("<Bh", 2, -300)),
    ("int", "-70000", "INT", integer(-70000)),
    ("long", "-5_000_000_000", None, long(-5_000_000_000)),
    ("long min", "-2**63", None, long(-(2**63))),
    ("long max", "2**63 - 1", None, long(2**63 - 1)),
    ("float", "1.5", "FLOAT", pack("<Bf", 5, 1.5)),
    ("double", "0.1", None, pack("<Bd", 6, 0.1)),
    ("double infinity", "float('-inf')", None, pack("<Bd", 6, float("-inf"))),
    ("double minus zero", "-0.0", None, pack("<Bd", 6, -0.0)),
    ("boolean true", "True", None, b"\x08\x01"),
    ("boolean false", "False", None, b"\x08\x00"),
    ("char", "'ß'", "CHAR", pack("<BH", 7, 0xDF)),
    ("char surrogate", "'\\ud83d'", "CHAR", pack("<BH", 7, 0xD83D)),
    ("String", "'a\\0bß😀'", None, text("a\0bß😀")),
    ("String empty", "''", None, text("")),
    (
        "UUID",
        "uuid.UUID('35ea1601-3845-d30a-b7b2-7936a934b79b')",
        None,
        b"\x0a" + bytes.fromhex("0ad345380116ea359bb734a93679b2b7"),
    ),
    ("Date midnight", "dt.date(2023, 11, 14)", None, pack("<Bq", 11, 1_699_920_000_000)),
    ("Date before 1970", "dt.date(1, 1, 1)", None, pack("<Bq", 11, -62_135_596_800_000)),
    (
        "Date with time",
        "dt.datetime(2023, 11, 14, 22, 13, 20, 1000, dt.UTC)",
        "UTIL_DATE",
        pack("<Bq", 11, 1_700_000_000_001),
    ),
    (
        "Timestamp",
        "dt.datetime(2023, 11, 14, 22, 13, 20, 123456, dt.UTC)",
        None,
        pack("<Bqi", 33, 1_700_000_000_123, 456_000),
    ),
    (
        "Timestamp before 1970",
        "dt.datetime(1969, 12, 31, 23, 59, 59, 999999, dt.UTC)",
        None,
        pack("<Bqi", 33, -1, 999_000),
    ),
    (
        "Timestamp nanoseconds",
        "Timestamp.of(dt.datetime(2023, 11, 14, 22, 13, 20, 123456, dt.UTC), 789)",
        None,
        pack("<Bqi", 33, 1_700_000_000_123, 456_789),
    ),
    ("Time", "dt.time(1, 2, 3, 4000)", None, pack("<Bq", 36, 3_723_004)),
    ("java.sql.Date", "dt.date(2023, 11, 14)", "SQL_DATE", bytes.fromhex("fe0f000000663aded540976600b420cb8b010000")),
    (
        "Arrays.asList",
        "OpaqueObject(bytes.fromhex('664dedb30ad206116a7567850200000003010000000302000000'))",
        None,
        bytes.fromhex("fe1a000000664dedb30ad206116a7567850200000003010000000302000000"),
    ),
    ("BigDecimal", "decimal.Decimal('1.10')", None, decimal(2, "6e")),
    ("BigDecimal negative", "decimal.Decimal('-25.5')", None, decimal(1, "80ff")),
    ("BigDecimal zero", "decimal.Decimal('0')", None, decimal(0, "00")),
    ("BigDecimal zero with scale", "decimal.Decimal('0.00')", None, decimal(2, "00")),
    ("BigDecimal negative scale", "decimal.Decimal('12E+5')", None, decimal(-5, "0c")),
    ("BigDecimal 255", "decimal.Decimal('255')", None, decimal(0, "00ff")),
    (
        "BigDecimal 60 digits",
        f"decimal.Decimal({10**60 + 7})",
        None,
        decimal(0, "009f4f2726179a224501d762422c946590d91000000000000007"),
    ),
    ("byte[]", "b'\\x00\\xff'", None, pack("<BI", 12, 2) + b"\x00\xff"),
    ("byte[] empty", "b''", None, pack("<BI", 12, 0)),
    ("short[]", "[1, -2]", "SHORT_ARRAY", pack("<BIhh", 13, 2, 1, -2)),
    ("int[]", "array('i', [1, -2])", None, pack("<BIii", 14, 2, 1, -2)),
    ("long[]", "array('q', [1, -2])", None, pack("<BIqq", 15, 2, 1, -2)),
    ("float[]", "array('f', [1.5])", None, pack("<BIf", 16, 1, 1.5)),
    ("double[]", "array('d', [0.1])", None, pack("<BId", 17, 1, 0.1)),
    ("char[]", "['a', '\\ud83d', '\\ude00']", "CHAR_ARRAY", pack("<BIHHH", 18, 3, 97, 0xD83D, 0xDE00)),
    ("boolean[]", "[True, False]", "BOOL_ARRAY", pack("<BI", 19, 2) + b"\x01\x00"),
    ("String[]", "['a', None]", "array_of(optional(STRING))", objects(pack("<BI", 20, 2), text("a"), NULL)),
    ("UUID[]", "[None]", "array_of(optional(UUID))", objects(pack("<BI", 21, 1), NULL)),
    ("Date[]", "[dt.date(1970, 1, 2)]", "DATE_ARRAY", objects(pack("<BI", 22, 1), pack("<Bq", 11, 86_400_000))),
    ("BigDecimal[]", "[decimal.Decimal('1.10')]", "DECIMAL_ARRAY", objects(pack("<BI", 31, 1), decimal(2, "6e"))),
    (
        "Timestamp[]",
        "[dt.datetime(1970, 1, 1, tzinfo=dt.UTC)]",
        "TIMESTAMP_ARRAY",
        objects(pack("<BI", 34, 1), pack("<Bqi", 33, 0, 0)),
    ),
    ("Time[]", "[dt.time(0, 0, 1)]", "TIME_ARRAY", objects(pack("<BI", 37, 1), pack("<Bq", 36, 1000))),
    ("Object[]", "(1, 'a', None, (True,))", None, object_array(long(1), text("a"), NULL, object_array(b"\x08\x01"))),
    ("Object[] empty", "()", None, object_array()),
    (
        "ArrayList",
        "[1, None, 2.5, ['x'], []]",
        None,
        collection(1, long(1), NULL, pack("<Bd", 6, 2.5), collection(1, text("x")), collection(1)),
    ),
    ("LinkedList", "[1, 2]", "java only", collection(2, long(1), long(2))),
    ("HashSet", "{'a'}", None, collection(3, text("a"))),
    ("LinkedHashSet", "frozenset({1, 2, 'z'})", None, collection(4, long(1), long(2), text("z"))),
    ("user collection", "[1]", "java only", collection(0, long(1))),
    ("user set", "{1}", "java only", collection(-1, long(1))),
    (
        "LinkedHashMap",
        "{'b': 1, 'a': {}, 3: None}",
        None,
        mapping(2, text("b"), long(1), text("a"), mapping(2), long(3), NULL),
    ),
    ("HashMap", "{'a': 1}", "java only", mapping(1, text("a"), long(1))),
    ("enum", "Color.GREEN", None, pack("<Bii", 28, COLOR, 1)),
    ("enum unregistered", f"EnumValue({PERSON + 1}, 3)", None, pack("<Bii", 28, PERSON + 1, 3)),
    ("enum[]", "[Color.RED, None]", "java only", objects(pack("<BiI", 29, COLOR, 2), pack("<Bii", 28, COLOR, 0), NULL)),
    ("list of enums", "[Color.RED]", None, collection(1, pack("<Bii", 28, COLOR, 0))),
]
# name, Python expression of the fields, bytes that are put
OBJECTS: list[tuple[str, str, bytes]] = [
    ("compact footer", "{'id': 7, 'name': 'Bob'}", BOB),
    ("full footer", "{'id': 7, 'name': 'Bob'}", BOB_FULL),
    ("no fields", "{}", EMPTY),
]


class Node:
    """One thin connection, one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=30)
        # code 1, version 1.7.0, thin client, no features
        self.send(pack("<BhhhB", 1, 1, 7, 0, 2) + pack("<BI", 12, 0))
        if self.receive()[0] != 1:
            raise RuntimeError("the node refused the handshake")

    def send(self, body: bytes) -> None:
        self.socket.sendall(pack("<i", len(body)) + body)

    def receive(self) -> bytes:
        return self.read(unpack_from("<i", self.read(4))[0])

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise RuntimeError("the node closed the connection")
            data += part
        return data

    def call(self, operation: int, payload: bytes) -> bytes:
        self.send(pack("<hq", operation, 1) + payload)
        answer = self.receive()
        flags = unpack_from("<h", answer, 8)[0]
        start = 10 + (12 if flags & 2 else 0)
        if flags & 1:
            raise RuntimeError(f"operation {operation}: {answer[start:]!r}")
        return answer[start:]


def capture(host: str, port: int) -> dict[str, Any]:
    """Put and get every value."""
    node = Node(host, port)
    node.call(1052, text(CACHE))
    node.call(
        3003,
        pack("<i", COLOR)
        + text(COLOR_NAME)
        + NULL
        + pack("<I", 0)
        + b"\x01"
        + pack("<I", 2)
        + text("RED")
        + pack("<i", 0)
        + text("GREEN")
        + pack("<i", 1)
        + pack("<I", 0),
    )
    node.call(
        3003,
        pack("<i", PERSON)
        + text(PERSON_NAME)
        + NULL
        + pack("<I", 2)
        + text("id")
        + pack("<ii", 3, 3355)
        + text("name")
        + pack("<ii", 9, 3373707)
        + b"\x00"
        + pack("<I", 1)
        + pack("<iIii", 970781171, 2, 3355, 3373707),
    )
    cache = pack("<ib", java_hash(CACHE), 0)

    def round_trip(data: bytes) -> str:
        key = integer(1)
        node.call(1001, cache + key + data)
        return node.call(1000, cache + key).hex()

    return {
        "version": "2.17.0",
        "values": [
            {"name": name, "value": value, "spec": spec, "sent": data.hex(), "returned": round_trip(data)}
            for name, value, spec, data in VALUES
        ],
        "objects": [
            {"name": name, "fields": fields, "sent": data.hex(), "returned": round_trip(data)}
            for name, fields, data in OBJECTS
        ],
        "nested": {
            "name": "objects in a list",
            "sent": (both := collection(1, BOB, EMPTY)).hex(),
            "returned": round_trip(both),
        },
    }


async def main() -> None:
    """Capture from the node at --address, or from one of our own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", help="host:port of a 2.17.0 node")
    address = parser.parse_args().address
    if address:
        host, _, port = address.rpartition(":")
        found = capture(host, int(port))
    else:
        from ignitemap.local import cluster

        async with cluster(nodes=1) as running:
            host, _, port = running.addresses[0].rpartition(":")
            found = await asyncio.to_thread(capture, host, int(port))
    path = Path(__file__).with_name("types_2_17_0.json")
    path.write_text(json.dumps(found, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
