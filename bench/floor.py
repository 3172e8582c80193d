"""The least that Python has to do for an entry: `python bench/floor.py`.

Loops written by hand for the one layout that they meet: every offset and length is known beforehand, nothing is looked
up, checked or counted, and there is no network. They make and read the very bytes and objects of the workloads, so that
no client in pure Python takes less CPU for them. Prints µs of CPU an entry, the least of ROUNDS.
"""

import struct
import time
from collections.abc import Callable

from peer_ours import House
from workloads import fields, text

from ignitemap.protocol.hashing import SEEDS, SIGNED_HIGH, SIGNED_LOW

ROUNDS = 15
MODELS = 5_000
ENTRIES = 20_000

# The fields of a House behind its key, its texts as long as those of the key 1,000,000, and an owner that is null.
_LENGTHS = tuple(len(value.encode()) for value in fields(1_000_000)[:4])
_TEXTS = "".join(f"BI{length}s" for length in _LENGTHS)
_BODY = struct.Struct(f"<{_TEXTS}BiBqBdBdBBB")
_VALUES = struct.Struct("<" + "".join(f"5x{length}s" for length in _LENGTHS) + "xixqxdxdxBx")
_HEADER = struct.Struct("<BBHiiiii")
_FOOTER = bytes(11)
_SIZE = _HEADER.size + _BODY.size + len(_FOOTER)
_KEY = struct.Struct("<Bq")
_PAIR = struct.Struct("<BqBI")


def write_models(models: list[House]) -> bytes:
    """What `save_many` sends: keys and objects, each with Java's hash of its bytes."""
    body, header, key, seed, items = _BODY.pack, _HEADER.pack, _KEY.pack, SEEDS[_BODY.size], []
    n0, n1, n2, n3 = _LENGTHS
    for model in models:
        data = body(
            9, n0, model.name.encode(), 9, n1, model.street.encode(), 9, n2, model.city.encode(), 9, n3,
            model.mail.encode(), 3, model.floor, 4, model.residents, 6, model.latitude, 6, model.longitude,
            8, model.heated, 101,
        )  # fmt: skip
        code = int(data.translate(SIGNED_LOW), 31) + 31 * int(data.translate(SIGNED_HIGH), 31) + seed & 0x7FFF_FFFF
        items.append(key(4, model.id) + header(103, 1, 43, 1, code, _SIZE, 2, 3) + data + _FOOTER)
    return b"".join(items)


def read_models(data: bytes) -> list[tuple[int, House]]:
    """What `items` and `get_many` make of a page: keys and objects."""
    unpack, key, new, found = _VALUES.unpack_from, _KEY.unpack_from, object.__new__, []
    for start in range(0, len(data), _KEY.size + _SIZE):
        _, number = key(data, start)
        name, street, city, mail, floor, residents, latitude, longitude, heated = unpack(data, start + 33)
        model = new(House)
        model.id = number
        model.name = name.decode()
        model.street = street.decode()
        model.city = city.decode()
        model.mail = mail.decode()
        model.floor = floor
        model.residents = residents
        model.latitude = latitude
        model.longitude = longitude
        model.heated = heated == 1
        model.owner = None
        found.append((number, model))
    return found


def write_entries(entries: dict[int, str]) -> bytes:
    """What `update` sends."""
    pack, items = _PAIR.pack, []
    for key, value in entries.items():
        data = value.encode()
        items.append(pack(4, key, 9, len(data)) + data)
    return b"".join(items)


def read_entries(data: bytes) -> dict[int, str]:
    """What `get_many` and `items` make of an answer."""
    unpack, pos, found = _PAIR.unpack_from, 0, {}
    while pos < len(data):
        _, key, _, length = unpack(data, pos)
        start = pos + 14
        pos = start + length
        found[key] = data[start:pos].decode()
    return found


def least(work: Callable[[], object], entries: int) -> float:
    """µs of CPU an entry."""
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times) / entries * 1e6


def main() -> None:
    """Print the table."""
    models = [House(key, *fields(1_000_000)) for key in range(MODELS)]
    entries = {key: text(key) for key in range(ENTRIES)}
    sent, packed = write_models(models), write_entries(entries)
    if [model for _, model in read_models(sent)] != models or read_entries(packed) != entries:
        raise SystemExit("what was written is not what was read")
    for name, work, count in (
        ("save_many", lambda: write_models(models), MODELS),
        ("items and get_many of models", lambda: read_models(sent), MODELS),
        ("update", lambda: write_entries(entries), ENTRIES),
        ("items and get_many", lambda: read_entries(packed), ENTRIES),
    ):
        print(f"{name:30} {least(work, count):.2f} µs")


if __name__ == "__main__":
    main()
