"""One peer in a process of its own, for a whole run: `python bench/worker.py PEER TABLE HOST:PORT [HOST:PORT ...]`.

Prints `ready` when its caches are filled and checked. Then for each line `<workload>` on stdin it does one sample and
prints `<operations> <seconds> <seconds of CPU>`, or `none` when the peer has no such workload. Ends at `quit`, or with
its stdin, and destroys its caches.
"""

import asyncio
import gc
import importlib
import sys
import time

from more import NAMES as MORE
from peer import Peer
from workloads import ALL, Workloads

PEERS = {
    "raw": ("peer_raw", "RawPeer"),
    "raw-aware": ("peer_raw", "AwareRawPeer"),
    "pyignite": ("peer_pyignite", "PyignitePeer"),
    "pyignite-aware": ("peer_pyignite", "AwarePyignitePeer"),
    "ours": ("peer_ours", "OursPeer"),
    "ours-raw": ("peer_ours", "OursRawPeer"),
    "ours-aware": ("peer_ours", "AwarePeer"),
}


def make_peer(name: str) -> Peer:
    """The peer of that name; only its own client is imported."""
    module, cls = PEERS[name]
    peer = getattr(importlib.import_module(module), cls)()
    assert isinstance(peer, Peer)
    return peer


async def serve(name: str, table: str, addresses: list[tuple[str, int]]) -> None:
    """Answer the runner's lines until it says quit."""
    peer = make_peer(name)
    peer.table = table
    await peer.open(addresses)
    try:
        workloads = Workloads(peer)
        print("ready", flush=True)
        while (line := (await asyncio.to_thread(sys.stdin.readline)).strip()) not in ("", "quit"):
            assert line in {*ALL, *MORE}, line
            print(await sample(workloads, line) if workloads.has(line) else "none", flush=True)
    finally:
        await peer.close()


async def sample(workloads: Workloads, name: str) -> str:
    """Do a workload once, on a clean heap, and say what it took."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    count = await workloads.run(name)
    return f"{count} {time.perf_counter() - wall:.6f} {time.process_time() - cpu:.6f}"


def main() -> None:
    name, table, *addresses = sys.argv[1:]
    client, _, loop = name.partition("@")
    factory = None
    if loop:
        assert loop == "uvloop", loop
        import uvloop

        factory = uvloop.new_event_loop
    pairs = [(host, int(port)) for host, port in (address.rsplit(":", 1) for address in addresses)]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(client, table, pairs))


if __name__ == "__main__":
    main()
