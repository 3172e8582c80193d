"""Named regression tests: what pyignite 0.6.1 stores or reads wrongly is right here, or refused."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Any

import pytest

from ignitemap.exceptions import EncodeError, EncodeOverflowError, EncodeValueError
from ignitemap.protocol.codecs import Codecs, Hinted, decode_object, encode_object
from ignitemap.protocol.hashing import decimal_hash, string_hash
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.enums import make_enum_codec
from ignitemap.protocol.types.numeric import BYTE


def write(value: Any, codecs: Codecs | None = None) -> bytes:
    out = bytearray()
    encode_object(codecs or mapping_codecs(), out, value)
    return bytes(out)


def round_trip(value: Any) -> Any:
    data = write(value)
    back, end = decode_object(mapping_codecs(), data, 0)
    assert end == len(data)
    return back


def test_d1_dict_is_a_map() -> None:
    """D1: a dict is stored as a map, not as the array of its keys."""
    value = {"a": 1, "b": 2}
    assert write(value)[0] == 25
    assert round_trip(value) == value


def test_d1_list_is_never_kind_and_items() -> None:
    """D1: a list that looks like (kind, items) is stored as the list that it is."""
    assert write([1, "ab"]).hex() == "18020000000104010000000000000009020000006162"
    assert round_trip([1, "ab"]) == [1, "ab"]


@pytest.mark.parametrize("value", [2**70, 2**63, -(2**63) - 1, Hinted(300, BYTE), [2**70], {2**70: 1}])
def test_d2_numbers_never_wrap(value: Any) -> None:
    """D2: a number that does not fit is an OverflowError, raised before anything is sent."""
    with pytest.raises(EncodeOverflowError) as caught:
        write(value)
    assert isinstance(caught.value, OverflowError)
    assert isinstance(caught.value, EncodeError)


class Color(enum.Enum):
    RED = 1


class WithColor:
    codec = make_enum_codec(Color, "Color")

    def encoder_for(self, cls: type) -> Any:
        return self.codec.encode if cls is Color else None

    def decoder_for(self, type_id: int) -> Any:
        return None

    def enum_for(self, type_id: int) -> Any:
        return self.codec.member if type_id == self.codec.known.id else None


@pytest.mark.parametrize(
    "value",
    [[], {}, set(), (), frozenset(), [1, None], [1, 2.5], [[1], [[]]], dt.time(1, 2, 3), {1, 2}, (1, 2), {"a": {1}}],
    ids=repr,
)
def test_d3_round_trips(value: Any) -> None:
    """D3: empty, mixed and nested collections and times come back, a set as a set and a tuple as a tuple."""
    back = round_trip(value)
    assert back == value
    assert type(back) is type(value)


def test_d3_enum() -> None:
    """D3: a member of a registered enum comes back as itself."""
    codecs = mapping_codecs(resolver=WithColor())
    assert decode_object(codecs, write(Color.RED, codecs), 0)[0] is Color.RED


def test_d4_datetimes() -> None:
    """D4: an aware datetime is the same instant to the microsecond, a date is a date, a naive one is refused."""
    value = dt.datetime(2024, 2, 29, 12, 0, 0, 123456, dt.timezone(dt.timedelta(hours=5, minutes=30)))
    back = round_trip(value)
    assert back == value
    assert back.utcoffset() == dt.timedelta(0)
    assert type(round_trip(value.date())) is dt.date
    with pytest.raises(EncodeValueError):
        write(value.replace(tzinfo=None))


def test_d5_nul() -> None:
    """D5: text is not cut at a NUL, and keys that differ behind one stay two."""
    assert round_trip("a\0b") == "a\0b"
    assert round_trip({"a\0b": 1, "a\0c": 2}) == {"a\0b": 1, "a\0c": 2}


def test_d6_decimals() -> None:
    """D6: a decimal keeps all its digits and its scale, and its hash is Java's."""
    for text in ("1.10", "3." + "1" * 60, str(2**200), "-0.001"):
        assert str(round_trip(Decimal(text))) == text
    assert decimal_hash(2**64 + 1, 0) == 31 * (31 * 31 + 1)


def test_d7_hash_of_emoji() -> None:
    """D7: the hash of text beyond the BMP counts UTF-16 units, as Java's does."""
    assert string_hash("😀") == 0xD83D * 31 + 0xDE00
