"""Bulk operations: chunks, their order, their errors and their memory, on a real cluster."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.mapping import bulk
from ignitemap.mapping.bulk import CHUNK_ENTRIES, DEPTH, run_all
from ignitemap.protocol.operations import CachePutAll, CacheRemoveKeys

MakeCache = Callable[..., Awaitable[Any]]
IntStr = ig.Cache[int, str]


class Recorder:
    """Stands between a cache and its session: counts bulk requests, holds them back, lets some fail."""

    def __init__(self, cache: "ig.Cache[Any, Any]") -> None:
        self.session = cache._typed.client.session
        self.requests: list[tuple[str, int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.fail: dict[int, Exception] = {}
        """By the number of the request: what it fails with instead of being sent."""
        self.gate: asyncio.Event | None = None
        self.call = self.session.call
        self.nodes = len(self.session.nodes.open)

    async def record(self, request: Any, *arguments: Any, **options: Any) -> Any:
        """What takes the place of Session.call."""
        if not isinstance(request, CachePutAll | CacheRemoveKeys):
            return await self.call(request, *arguments, **options)
        items: Any = request.entries if isinstance(request, CachePutAll) else request.keys
        number = len(self.requests)
        self.requests.append((type(request).__name__, len(items)))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if number in self.fail:
                raise self.fail[number]
            return await self.call(request, *arguments, **options)
        finally:
            self.under_way -= 1


@pytest.fixture
def recorder(cache: IntStr, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Records the bulk requests of the fixture `cache`."""
    recording = Recorder(cache)
    monkeypatch.setattr(recording.session, "call", recording.record)
    return recording


def entries(count: int) -> Iterator[tuple[int, str]]:
    """Pairs whose values tell their keys."""
    return ((number, f"value {number}") for number in range(count))


def chunk_tasks() -> list[asyncio.Task[Any]]:
    """The tasks that bulk operations have now."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "ignitemap chunk"]


async def test_update_of_many(cache: IntStr, recorder: Recorder) -> None:
    """Many entries go in chunks, several but not too many at a time, and all arrive."""
    await cache.update(entries(20_000))
    sizes = [count for _, count in recorder.requests]
    assert sum(sizes) == 20_000
    # All but the last of each node are full.
    assert sizes[: -recorder.nodes] == [CHUNK_ENTRIES] * (len(sizes) - recorder.nodes)
    assert 1 < recorder.most_under_way <= DEPTH
    assert await cache.size() == 20_000
    assert await cache.get_many(range(-5, 20_005)) == dict(entries(20_000))


async def test_large_values_make_small_chunks(cache: IntStr, recorder: Recorder) -> None:
    """A chunk ends with the entry that brings it to 128 KB, and large values are read in small chunks."""
    large = "x" * 50_000
    await cache.update((number, large) for number in range(100))
    assert max(count for _, count in recorder.requests) == 3
    found = await cache.get_many(range(100))
    assert found == dict.fromkeys(range(100), large)


async def test_nothing_to_do(cache: IntStr, recorder: Recorder) -> None:
    """Empty bulk operations send nothing."""
    await cache.update({})
    await cache.update([])
    await cache.delete_many([])
    assert await cache.get_many([]) == {}
    assert await cache.contains_all([])
    assert recorder.requests == []


async def test_one_chunk_makes_no_task(cache: IntStr, recorder: Recorder) -> None:
    """What fits into one chunk is sent by the caller's own task."""
    seen: list[asyncio.Task[Any]] = []
    call = recorder.call

    async def look(*arguments: Any, **options: Any) -> Any:
        seen.extend(chunk_tasks())
        return await call(*arguments, **options)

    recorder.call = look
    await cache.update(entries(100))
    assert seen == []
    assert await cache.size() == 100


async def test_repeated_keys_in_one_update(cache: IntStr, recorder: Recorder) -> None:
    """Of a key that comes again and again, the last value stays, however chunks fall."""
    await cache.update((number % 7, str(number)) for number in range(10_000))
    assert await cache.items().to_dict() == {number % 7: str(number) for number in range(9_993, 10_000)}


async def test_repeated_key_waits_for_its_earlier_chunk(cache: IntStr, recorder: Recorder) -> None:
    """A chunk with a key that is under way is not sent before the chunk that holds it has been answered."""
    recorder.gate = asyncio.Event()
    many = [*entries(CHUNK_ENTRIES), *((number, "again") for number in range(CHUNK_ENTRIES)), (5000, "x")]
    updating = asyncio.create_task(cache.update(many))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(recorder.requests) == 1
    recorder.gate.set()
    await updating
    assert sum(count for _, count in recorder.requests) == 2 * CHUNK_ENTRIES + 1
    assert set(await cache.values().to_list()) == {"again", "x"}


async def test_equal_keys_of_different_types(make_cache: MakeCache) -> None:
    """Keys that are equal in Python and different in Ignite are different entries of one update."""
    cache = await make_cache(Any, str)
    await cache.update([(1, "int"), (True, "bool"), (1.0, "float")])
    assert await cache.size() == 3
    assert [await cache[key] for key in (1, True, 1.0)] == ["int", "bool", "float"]


async def test_async_source_is_read_as_fast_as_it_is_sent(cache: IntStr, recorder: Recorder) -> None:
    """An async iterable is not read further ahead than what may be under way: memory stays bounded."""
    recorder.gate = asyncio.Event()
    read = 0

    async def source() -> AsyncIterator[tuple[int, str]]:
        nonlocal read
        for pair in entries(30_000):
            read += 1
            yield pair

    updating = asyncio.create_task(cache.update(source()))
    for _ in range(50):
        await asyncio.sleep(0)
    assert recorder.under_way == DEPTH
    assert read <= (DEPTH + 1 + recorder.nodes) * CHUNK_ENTRIES
    recorder.gate.set()
    await updating
    assert await cache.size() == 30_000


async def test_update_from_another_cache(cache: IntStr, make_cache: MakeCache) -> None:
    """A cache is filled from another one, or from a view of it, page by page."""
    await cache.update(entries(3000))
    other = await make_cache(int, str)
    await other.update(cache)
    assert await other.size() == 3000
    third = await make_cache(int, str)
    await third.update(cache.items(page_size=100))
    assert await third.items().to_dict() == dict(entries(3000))


async def test_delete_many(cache: IntStr, recorder: Recorder) -> None:
    """Many keys are removed in chunks."""
    await cache.update(entries(5000))
    await cache.delete_many(range(10, 10_000))
    assert sorted(await cache.keys().to_list()) == list(range(10))
    assert recorder.requests[-1][0] == "CacheRemoveKeys"


async def test_contains_all_of_many(cache: IntStr) -> None:
    """Contains_all looks at every chunk."""
    await cache.update(entries(5000))
    assert await cache.contains_all(range(5000)) is True
    assert await cache.contains_all(range(5001)) is False


# --- errors -----------------------------------------------------------------------------------------------------------


async def test_error_before_anything_is_sent(cache: IntStr, recorder: Recorder) -> None:
    """An entry of the first chunk that can't be written is an EncodeError, and nothing is sent."""
    with pytest.raises(ig.EncodeError):
        await cache.update([(1, "a"), (2, 2)])  # type: ignore[list-item]
    none: Any = None
    with pytest.raises(ValueError, match="None"):
        await cache.update([(1, "a"), (2, none)])
    assert recorder.requests == []


@pytest.mark.parametrize("bad", [2, None])
async def test_error_after_a_chunk_has_left(cache: IntStr, recorder: Recorder, bad: Any) -> None:
    """An entry that can't be written, after chunks have left, is a PartialWriteError with exact counts."""
    many: list[tuple[int, Any]] = [*entries(3 * CHUNK_ENTRIES + 10), (-1, bad), (-2, "never looked at")]
    with pytest.raises(ig.PartialWriteError) as caught:
        await cache.update(many)
    error = caught.value
    sent = sum(count for _, count in recorder.requests)
    assert CHUNK_ENTRIES <= sent <= 3 * CHUNK_ENTRIES
    assert (error.done, error.not_sent, error.unknown) == (sent, len(many) - sent, 0)
    assert isinstance(error.__cause__, ig.EncodeError | ValueError)
    assert await cache.size() == error.done
    assert recorder.under_way == 0


async def test_source_that_fails(cache: IntStr) -> None:
    """What the caller's own iterable raises passes through while nothing is sent, and is the cause after that."""

    def source(count: int) -> Iterator[tuple[int, str]]:
        yield from entries(count)
        raise LookupError

    with pytest.raises(LookupError):
        await cache.update(source(10))
    assert await cache.size() == 0
    with pytest.raises(ig.PartialWriteError) as caught:
        await cache.update(source(CHUNK_ENTRIES + 10))
    assert isinstance(caught.value.__cause__, LookupError)
    assert (caught.value.done, caught.value.not_sent) == (CHUNK_ENTRIES, 10)


async def test_chunk_that_fails(cache: IntStr, recorder: Recorder) -> None:
    """When one chunk is not sent, the others are waited for, and the counts say what became of all."""
    recorder.fail[2] = ig.NotSentTimeout("too slow")
    with pytest.raises(ig.PartialWriteError) as caught:
        await cache.update(dict(entries(20_000)))
    error = caught.value
    assert error.unknown == 0
    assert error.done + error.not_sent == 20_000
    assert await cache.size() == error.done > 0
    assert recorder.under_way == 0


async def test_chunk_whose_outcome_is_unknown(cache: IntStr, recorder: Recorder) -> None:
    """Entries of a chunk that was sent and not answered count as unknown."""
    recorder.fail[1] = ig.OutcomeUnknownError("lost")
    with pytest.raises(ig.PartialWriteError) as caught:
        await cache.update(dict(entries(3 * CHUNK_ENTRIES)))
    error = caught.value
    assert error.unknown == CHUNK_ENTRIES
    assert error.done + error.not_sent == 2 * CHUNK_ENTRIES
    assert await cache.size() == error.done >= CHUNK_ENTRIES
    assert isinstance(error, ig.OutcomeUnknownError)


async def test_only_chunk_is_not_sent(cache: IntStr, recorder: Recorder) -> None:
    """When the only chunk is not sent, its error is raised as it is: nothing was written."""
    recorder.fail[0] = ig.NotSentError("no")
    with pytest.raises(ig.NotSentError) as caught:
        await cache.update(entries(10))
    assert caught.value is recorder.fail[0]


async def test_only_chunk_has_no_answer(cache: IntStr, recorder: Recorder) -> None:
    """When the only chunk left and no answer came, PartialWriteError says that any of its entries may be written."""
    recorder.fail[0] = ig.OutcomeUnknownError("perhaps")
    with pytest.raises(ig.PartialWriteError) as caught:
        await cache.update(entries(10))
    error = caught.value
    assert (error.done, error.unknown, error.not_sent) == (0, 10, 0)
    assert error.__cause__ is recorder.fail[0]


async def test_no_chunk_is_sent(cache: IntStr, recorder: Recorder) -> None:
    """When no chunk leaves, the first one's error is raised as it is: nothing was written."""
    recorder.fail = {number: ig.NotSentError(f"chunk {number}") for number in range(100)}
    with pytest.raises(ig.NotSentError, match="chunk 0"):
        await cache.update(entries(10_000))


# --- cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["update", "delete_many", "get_many"])
async def test_cancelled_bulk_leaves_no_task(cache: IntStr, operation: str) -> None:
    """Cancelling a bulk operation ends its chunks before the cancellation arrives at the caller."""
    await cache.update(entries(10_000))
    call = getattr(cache, operation)
    cancelled = 0
    for turns in range(1, 30, 4):
        task = asyncio.create_task(call(dict(entries(10_000)) if operation == "update" else range(10_000)))
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled += task.cancel()  # on a busy machine it may be done by now
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert chunk_tasks() == []
    assert cancelled
    # The client is as good as before. What the node had of a cancelled delete may still land, after a later write.
    await cache.set(20_000, "later")
    assert await cache[20_000] == "later"


async def test_run_all_ends_the_others_at_an_error() -> None:
    """The first error of coroutines that run together ends the others and is raised; the rest is never begun."""
    forever = asyncio.Event()
    begun = 0

    async def work(number: int, _: object) -> int:
        nonlocal begun
        begun += 1
        if number == 3:
            raise LookupError
        await forever.wait()
        return number

    with pytest.raises(LookupError):
        await run_all(range(100), work)
    assert begun == bulk.DEPTH
    assert chunk_tasks() == []


async def test_run_all_goes_on_at_an_answer() -> None:
    """The next call begins when one has its answer, before that is read; and all the same when none is told of."""
    begun: list[int] = []
    reading, read = asyncio.Event(), asyncio.Event()

    async def work(number: int, on_answer: Callable[[bytes], None]) -> int:
        begun.append(number)
        if number % 2:
            on_answer(b"")
            reading.set()
            await read.wait()
        return number

    running = asyncio.create_task(run_all(range(30), work))
    await reading.wait()
    for _ in range(60):
        await asyncio.sleep(0)
    assert begun == list(range(30))
    read.set()
    assert await running == list(range(30))
