"""Further workloads, for `python bench/run.py --more`: large values, arrays of numbers, objects of all kinds of fields."""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any

Bulk = Callable[[], Awaitable[int]]
Call = Callable[..., Awaitable[Any]]

KILOBYTE = bytes(range(256)) * 4
MEGABYTE = KILOBYTE * 1024
DOUBLES = [number / 64 for number in range(1536)]
UTC = dt.UTC

NAMES = (
    "put-64-1k",
    "get-64-1k",
    "put-1m",
    "get-1m",
    "put-64-doubles",
    "get-64-doubles",
    "orders-save_many",
    "orders-get_many",
    "models-save_many-200k",
)


def of_values(
    concurrent: Callable[[int, Call, Any], Awaitable[None]],
    put: Call,
    get: Call,
    doubles: Callable[[Sequence[float]], tuple[Any, ...]],
    count: int,
) -> dict[str, Bulk]:
    """Writing and reading of values under a few keys of their own; ``doubles`` makes what is behind the key in a put."""
    keys: Iterator[int] = cycle(range(-64, 0))

    def made(at_once: int, count: int, call: Call, *rest: Any) -> Bulk:
        async def work() -> int:
            await concurrent(at_once, call, ((key, *rest) for key in islice(keys, count)))
            return count

        return work

    def checked(value: Any, at_once: int, count: int, *rest: Any) -> tuple[Bulk, Bulk]:
        write, fill = made(at_once, count, put, *rest), made(64, 64, put, *rest)
        read = made(at_once, count, get)

        async def filled() -> int:
            if list((await get(-1)) or ()) != list(value):
                await fill()
                assert list(await get(-1)) == list(value)
            return await read()

        return write, filled

    few = max(8, count // 100)
    small, large = checked(KILOBYTE, 64, count, KILOBYTE), checked(MEGABYTE, 4, few, MEGABYTE)
    arrays = checked(DOUBLES, 64, count // 2, *doubles(DOUBLES))
    return dict(zip(NAMES[:6], (*small, *large, *arrays), strict=True))


def order_fields(key: int) -> tuple[Any, ...]:
    """The field values of an order but for its customer and its state; exact in all clients."""
    moment = dt.datetime(2024, 1, 1, tzinfo=UTC) + dt.timedelta(seconds=key * 977)
    return moment, moment.date(), [f"line {key % 7}-{line}" for line in range(3)], [key, key + 1]
