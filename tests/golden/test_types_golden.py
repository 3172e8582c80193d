"""What a real 2.17.0 node returned is read to the right values, and written again to the same bytes."""

import datetime as dt
import decimal
import enum
import json
import uuid
from array import array
from pathlib import Path
from typing import Any

import pytest

from ignitemap.protocol.binary_type import KnownTypes, binary_type
from ignitemap.protocol.codecs import Codecs, Spec, decode_object, encode_object, optional
from ignitemap.protocol.types import arrays, enums, mapping_codecs, numeric, temporal, text
from ignitemap.protocol.types.binary_object import BinaryObject
from ignitemap.protocol.types.enums import EnumValue, make_enum_codec
from ignitemap.protocol.types.opaque import OpaqueObject
from ignitemap.protocol.types.temporal import Timestamp
from ignitemap.protocol.types.uuid import UUID

GOLDEN = json.loads(Path(__file__).with_name("types_2_17_0.json").read_text())


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


COLOR = make_enum_codec(Color, "zzproto.Color")


class Resolver:
    def encoder_for(self, cls: type) -> Any:
        return COLOR.encode if cls is Color else None

    def decoder_for(self, type_id: int) -> Any:
        return None

    def enum_for(self, type_id: int) -> Any:
        return COLOR.member if type_id == COLOR.known.id else None


NAMES = {
    **vars(numeric),
    **vars(text),
    **vars(temporal),
    **vars(arrays),
    "dt": dt,
    "decimal": decimal,
    "uuid": uuid,
    "array": array,
    "Color": Color,
    "EnumValue": EnumValue,
    "OpaqueObject": OpaqueObject,
    "Timestamp": Timestamp,
    "UUID": UUID,
    "optional": optional,
}


@pytest.fixture
def codecs() -> Codecs:
    known = KnownTypes()
    known.learn(binary_type("zzproto.Person", [("id", 3), ("name", 9)]))
    return mapping_codecs(known=known, resolver=Resolver())


KEPT = [golden for golden in GOLDEN["values"] if golden["name"] != "enum[]"]


@pytest.mark.parametrize("golden", KEPT, ids=lambda golden: golden["name"])
def test_value(codecs: Codecs, golden: dict[str, Any]) -> None:
    """A value that a node returned is read exactly, and written as it was put."""
    expected = eval(golden["value"], dict(NAMES))
    sent, returned = bytes.fromhex(golden["sent"]), bytes.fromhex(golden["returned"])
    spec: Spec[Any] | None = None
    if golden["spec"] not in {None, "java only"}:
        spec = eval(golden["spec"], dict(NAMES))
    read = spec.decode if spec else decode_object
    for data in (sent, returned):
        value, end = read(codecs, data, 0)
        assert (value, type(value), end) == (expected, type(expected), len(data))
    assert repr(value) == repr(expected) or isinstance(expected, (set, frozenset, tuple))
    if golden["spec"] != "java only":
        out = bytearray()
        spec.encode(codecs, out, expected) if spec else encode_object(codecs, out, expected)
        assert out.hex() == golden["sent"]
        out = bytearray()
        spec.encode(codecs, out, value) if spec else encode_object(codecs, out, value)
        assert out.hex() == golden["sent"]


def test_enum_array_comes_back_as_object_array(codecs: Codecs) -> None:
    """A node turns an enum[] into an Object[]; both are read, and as a list of the enum too."""
    golden = next(golden for golden in GOLDEN["values"] if golden["name"] == "enum[]")
    sent, returned = bytes.fromhex(golden["sent"]), bytes.fromhex(golden["returned"])
    assert decode_object(codecs, sent, 0)[0] == [Color.RED, None]
    assert decode_object(codecs, returned, 0)[0] == (Color.RED, None)
    spec = arrays.array_of(optional(enums.enum_of(Color, "zzproto.Color")))
    assert spec.decode(codecs, sent, 0) == ([Color.RED, None], len(sent))
    assert spec.decode(codecs, returned, 0) == ([Color.RED, None], len(returned))


def test_server_changes_nothing_but_what_is_known() -> None:
    """Only enums, enum arrays and the kinds that Java has no class for come back with other bytes."""
    changed = {golden["name"] for golden in GOLDEN["values"] if golden["sent"] != golden["returned"]}
    assert changed == {"enum", "enum unregistered", "enum[]", "list of enums", "user collection", "user set"}


@pytest.mark.parametrize("golden", GOLDEN["objects"], ids=lambda golden: golden["name"])
def test_object(codecs: Codecs, golden: dict[str, Any]) -> None:
    """An object that a node wrapped is read as an inert object and written back byte-identical."""
    returned = bytes.fromhex(golden["returned"])
    value, end = decode_object(codecs, returned, 0)
    assert isinstance(value, BinaryObject)
    assert end == len(returned)
    assert value.type_name == "zzproto.Person"
    assert value.to_dict() == eval(golden["fields"])
    out = bytearray()
    encode_object(codecs, out, value)
    assert out.hex() == golden["sent"]


def test_nested_objects(codecs: Codecs) -> None:
    """Objects in a list come back wrapped, and the list is written back as it was."""
    golden = GOLDEN["nested"]
    returned = bytes.fromhex(golden["returned"])
    value, end = decode_object(codecs, returned, 0)
    assert end == len(returned)
    assert value[0].name == "Bob"
    out = bytearray()
    encode_object(codecs, out, value)
    assert out.hex() == golden["sent"]
