"""The limit: requests encoded beforehand, answers counted but not decoded."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from struct import Struct

from peer import PAGE, Peer
from peer_pyignite import written_models
from raw_connection import RawConnection
from workloads import ROWS, text

import ignitemap as ig
from ignitemap.client.affinity import owner

GET, PUT, GET_ALL, PUT_ALL = 1000, 1001, 1003, 1004
GET_OR_CREATE, DESTROY = 1052, 1056
SCAN, SCAN_PAGE = 2000, 2001
SQL, SQL_PAGE = 2004, 2005

_INT = Struct("<i")
_LONG = Struct("<q")
_SCAN = Struct("<Biib")  # no filter, page size, every partition, not local
_CURSOR = Struct("<qi")  # cursor, rows in the page
_ROWS = Struct("<qii")  # cursor, columns, rows in the page
_SELECT = Struct("<iBBii")  # no cache, no flags, schema null, page size, no limit
_SELECT_END = Struct("<iB6BqB")  # no arguments, a SELECT, flags, timeout, no names of columns
_CHUNK = 1024


class RawPeer(Peer):
    concurrent = 8_000
    bulk_repeats = 4

    async def open(self, addresses: list[tuple[str, int]]) -> None:
        self._connection = await RawConnection.open(*addresses[0])
        self._texts = await self._create(self.texts)
        self._objects = await self._create(self.objects)

        self._owner = await self._owners(addresses)
        pairs = [(_key(key), _string(text(key))) for key in range(self.entries)]
        self.get, self.put = self._get, self._put
        self.get_arguments = [(self._owner(key), self._texts + data) for key, (data, _) in enumerate(pairs)]
        self.put_arguments = [(self._owner(key), self._texts + data + value) for key, (data, value) in enumerate(pairs)]
        self._puts = list(_chunks(self._texts, [key + value for key, value in pairs]))
        self._gets = list(_chunks(self._texts, [key for key, _ in pairs]))
        await self.update()
        assert await self._get(self._owner(7), self._texts + _key(7)) == _string(text(7))
        assert await self.get_many() == await self.items() == self.entries

        async with written_models(addresses, f"{self.objects}-captured", self.models) as name:
            objects = dict([pair async for page in self._pages(cache_info(name)) for pair in _objects_of(page)])
        assert len(objects) == self.models
        self.model_get, self.model_put = self._get, self._put
        owners = [self._owner(int.from_bytes(key[1:], "little")) for key in objects]
        self.model_get_arguments = [(own, self._objects + key) for own, key in zip(owners, objects, strict=True)]
        self.model_put_arguments = [
            (own, self._objects + key + value) for own, (key, value) in zip(owners, objects.items(), strict=True)
        ]
        self._model_puts = list(_chunks(self._objects, [key + value for key, value in objects.items()]))
        self._model_gets = list(_chunks(self._objects, list(objects)))
        await self.save_many()
        (answer,) = await self._connection.pipeline(GET_ALL, _chunks(self._objects, [_key(7)]))
        assert objects[_key(7)] in answer
        assert await self.models_get_many() == await self.models_items() == self.models
        assert await self.sql() == ROWS

    async def close(self) -> None:
        for cache in (self._texts, self._objects):
            await self._connection.request(DESTROY, cache[:4])
        self._connection.close()

    async def update(self) -> int:
        await self._connection.pipeline(PUT_ALL, self._puts)
        return self.entries

    async def get_many(self) -> int:
        return _count(await self._connection.pipeline(GET_ALL, self._gets))

    async def items(self) -> int:
        return sum([_CURSOR.unpack_from(page)[1] async for page in self._pages(self._texts)])

    async def save_many(self) -> int:
        await self._connection.pipeline(PUT_ALL, self._model_puts)
        return self.models

    async def models_get_many(self) -> int:
        return _count(await self._connection.pipeline(GET_ALL, self._model_gets))

    async def models_items(self) -> int:
        return sum([_CURSOR.unpack_from(page)[1] async for page in self._pages(self._objects)])

    async def sql(self) -> int:
        statement = _string(f"SELECT id, a, b, c FROM {self.table}")
        body = _SELECT.pack(0, 0, 101, PAGE, -1) + statement + _SELECT_END.pack(0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
        page = await self._connection.request(SQL, body)
        cursor, _, count = _ROWS.unpack_from(page)
        while page[-1]:
            page = await self._connection.request(SQL_PAGE, _LONG.pack(cursor))
            count += _INT.unpack_from(page)[0]
        return int(count)

    async def _owners(self, addresses: Sequence[tuple[str, int]]) -> "Callable[[int], RawConnection]":
        """Which connection a key's requests take: here the only one."""
        return lambda _: self._connection

    def _get(self, connection: RawConnection, body: bytes) -> asyncio.Future[bytes]:
        return connection.request(GET, body)

    def _put(self, connection: RawConnection, body: bytes) -> asyncio.Future[bytes]:
        return connection.request(PUT, body)

    async def _create(self, name: str) -> bytes:
        """A cache, as requests name it: its id and no flags."""
        await self._connection.request(GET_OR_CREATE, _string(name))
        return cache_info(name)

    async def _pages(self, cache: bytes) -> AsyncIterator[bytes]:
        """Every page of a scan, in the form of the first: the cursor in front."""
        page = await self._connection.request(SCAN, cache + _SCAN.pack(101, PAGE, -1, 0))
        cursor = page[:8]
        while page[-1]:
            # The server reads the next page while this one is looked at.
            following = self._connection.request(SCAN_PAGE, cursor)
            yield page
            page = cursor + await following
        yield page


class AwareRawPeer(RawPeer):
    """The same with a connection to each node; single operations go to the node that has the key.

    Both caches spread alike, having the same number of partitions and nodes.
    """

    async def _owners(self, addresses: Sequence[tuple[str, int]]) -> Callable[[int], RawConnection]:
        connections = [self._connection, *[await RawConnection.open(*address) for address in addresses[1:]]]
        self._others = connections[1:]
        nodes: dict[int, RawConnection] = {}
        async with ig.connect([f"{host}:{port}" for host, port in addresses]) as client:
            cache = await client.cache(self.texts, int, str, create=False)
            session = client.raw.session
            await session.know_affinity(cache.raw.cache_id)
            while len(session.nodes.open) < len(addresses):  # noqa: ASYNC110 - it dials the others in the background
                await asyncio.sleep(0.01)
            by_port = {address[1]: connection for address, connection in zip(addresses, connections, strict=True)}
            mapping = session._affinity[cache.raw.cache_id]
            for key in range(self.entries):
                node = session.nodes.owner(owner(mapping, _key(key)))
                nodes[key] = by_port[node.address.port]
        return nodes.__getitem__

    async def close(self) -> None:
        await super().close()
        for connection in self._others:
            connection.close()


def cache_info(name: str) -> bytes:
    """How requests name a cache: Java's hash of its name, and no flags."""
    value = 0
    for unit in name.encode():
        value = (31 * value + unit) & 0xFFFFFFFF
    return value.to_bytes(4, "little") + b"\0"


def _key(value: int) -> bytes:
    return b"\4" + _LONG.pack(value)


def _string(value: str) -> bytes:
    data = value.encode()
    return b"\x09" + _INT.pack(len(data)) + data


def _chunks(cache: bytes, parts: list[bytes]) -> Iterator[bytes]:
    """Bodies of bulk requests."""
    for start in range(0, len(parts), _CHUNK):
        chunk = parts[start : start + _CHUNK]
        yield cache + _INT.pack(len(chunk)) + b"".join(chunk)


def _count(answers: Iterable[bytes]) -> int:
    return sum(_INT.unpack_from(answer)[0] for answer in answers)


def _objects_of(page: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a page whose keys are longs and whose values are objects, the wrapping of the latter taken off."""
    position = _CURSOR.size
    for _ in range(_CURSOR.unpack_from(page)[1]):
        key = page[position : position + 9]
        assert page[position + 9] == 27
        start = position + 14
        end = start + _INT.unpack_from(page, position + 10)[0]
        offset = _INT.unpack_from(page, end)[0]
        yield key, page[start + offset : end]
        position = end + 4
