"""SQL answers as JSON: every cell as [wire type, value], so that types, scales and nanoseconds can be compared exactly."""

import struct
import uuid as uuid_module
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ignitemap.protocol.types.extent import object_end

EPOCH = date(1970, 1, 1)
DAY_MS = 86_400_000
SQL_DATE = bytes.fromhex("663aded5409766")


def timestamp_text(ms: int, nanos: int) -> str:
    """An instant as YYYY-MM-DD HH:MM:SS with nine digits of a second."""
    seconds, millis = divmod(ms, 1000)
    day, rest = divmod(seconds, 86_400)
    return f"{EPOCH + timedelta(day)} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{millis * 10**6 + nanos:09}"


def decimal_of(scale: int, magnitude: bytes) -> Decimal:
    """The Decimal of a wire scale and sign-and-magnitude number."""
    negative = magnitude[0] & 0x80
    number = int.from_bytes(bytes((magnitude[0] & 0x7F,)) + magnitude[1:], "big")
    return Decimal((1 if negative else 0, tuple(map(int, str(number))), -scale))


def read_cell(buf: bytes, pos: int) -> tuple[list[Any], int]:
    """Read the object at ``pos``: ([type, value], end)."""
    code = buf[pos]
    pos += 1
    fixed = {1: ("BYTE", "<b"), 2: ("SHORT", "<h"), 3: ("INT", "<i"), 4: ("LONG", "<q"), 36: ("TIME", "<q")}
    if code in fixed:
        name, layout = fixed[code]
        return [name, struct.unpack_from(layout, buf, pos)[0]], pos + struct.calcsize(layout)
    if code == 5:
        return ["FLOAT", repr(struct.unpack_from("<f", buf, pos)[0])], pos + 4
    if code == 6:
        return ["DOUBLE", repr(struct.unpack_from("<d", buf, pos)[0])], pos + 8
    if code == 8:
        return ["BOOL", bool(buf[pos])], pos + 1
    if code == 101:
        return ["NULL", None], pos
    if code == 10:
        high, low = struct.unpack_from("<QQ", buf, pos)
        return ["UUID", str(uuid_module.UUID(int=high << 64 | low))], pos + 16
    if code == 33:
        ms, nanos = struct.unpack_from("<qi", buf, pos)
        return ["TS", timestamp_text(ms, nanos)], pos + 12
    if code == 11:
        return ["UTILDATE", struct.unpack_from("<q", buf, pos)[0]], pos + 8
    if code == 30:
        scale, length = struct.unpack_from("<ii", buf, pos)
        pos += 8
        return ["DEC", str(decimal_of(scale, buf[pos : pos + length]))], pos + length
    if code in {9, 12, 254}:
        (length,) = struct.unpack_from("<i", buf, pos)
        data = buf[pos + 4 : pos + 4 + length]
        end = pos + 4 + length
        if code == 9:
            return ["STR", data.decode()], end
        if code == 12:
            return ["BYTES", data.hex()], end
        if data.startswith(SQL_DATE):
            ms = struct.unpack_from("<q", data, len(SQL_DATE))[0]
            return ["DATE", str(EPOCH + timedelta((ms + DAY_MS // 2) // DAY_MS))], end
        return ["OPTIMIZED", data.hex()], end
    if code == 27:
        (length,) = struct.unpack_from("<i", buf, pos)
        return ["OBJECT", length], pos + 8 + length
    if code == 103:
        (length,) = struct.unpack_from("<i", buf, pos + 11)
        return ["OBJECT", length], pos - 1 + length
    end = object_end(buf, pos - 1)
    return ["OTHER", buf[pos - 1 : end].hex()], end


def encode_argument(kind: str, value: Any) -> bytes:
    """One argument, [kind, value], as it goes on the wire."""
    if value is None:
        return b"\x65"
    numbers = {"BYTE": (1, "<b"), "SHORT": (2, "<h"), "INT": (3, "<i"), "LONG": (4, "<q"), "TIME": (36, "<q")}
    if kind in numbers:
        code, layout = numbers[kind]
        return bytes((code,)) + struct.pack(layout, value)
    if kind == "FLOAT":
        return b"\x05" + struct.pack("<f", float(value))
    if kind == "DOUBLE":
        return b"\x06" + struct.pack("<d", float(value))
    if kind in {"BOOLEAN", "BOOL"}:
        return bytes((8, bool(value)))
    if kind in {"STRING", "STR"}:
        data = value.encode()
        return b"\x09" + struct.pack("<i", len(data)) + data
    if kind in {"BINARY", "BYTES"}:
        data = bytes.fromhex(value)
        return b"\x0c" + struct.pack("<i", len(data)) + data
    if kind == "UUID":
        number = uuid_module.UUID(value).int
        return b"\x0a" + struct.pack("<QQ", number >> 64, number & (1 << 64) - 1)
    if kind in {"DECIMAL", "DEC"}:
        sign, digits, exponent = Decimal(value).as_tuple()
        number = int("".join(map(str, digits)))
        data = number.to_bytes(number.bit_length() // 8 + 1, "big")
        if sign:
            data = bytes((data[0] | 0x80,)) + data[1:]
        return b"\x1e" + struct.pack("<ii", -int(exponent), len(data)) + data
    if kind == "DATE":
        return b"\x0b" + struct.pack("<q", (date.fromisoformat(value) - EPOCH).days * DAY_MS)
    if kind in {"TIMESTAMP", "TS"}:
        day, _, clock = value.partition(" ")
        hms, _, fraction = clock.partition(".")
        hours, minutes, seconds = map(int, hms.split(":"))
        nanos = int((fraction + "000000000")[:9])
        ms = (date.fromisoformat(day) - EPOCH).days * DAY_MS + (hours * 3600 + minutes * 60 + seconds) * 1000
        return b"\x21" + struct.pack("<qi", ms + nanos // 10**6, nanos % 10**6)
    raise ValueError(f"an argument of the kind {kind}")
