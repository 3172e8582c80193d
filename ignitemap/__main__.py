"""``python -m ignitemap serve``: an embedded node on a port of its own, for any thin client."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from ignitemap.embedded.errors import StoreError
from ignitemap.embedded.node import Node
from ignitemap.exceptions import ConfigurationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ignitemap", description="Apache Ignite for Python")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    serve = commands.add_parser(
        "serve",
        help="run an embedded node for any thin client",
        description="Run an embedded node on loopback. Its first line of output is its URL; Ctrl-C or SIGTERM ends it.",
    )
    serve.add_argument("--path", metavar="FILE", help="keep the data in this SQLite file (default: in memory)")
    serve.add_argument("--port", type=int, default=10800, help="the port (default: 10800; 0: any that is free)")
    given = parser.parse_args(arguments)
    if not 0 <= given.port < 65536:
        parser.error(f"argument --port: {given.port} is no port")
    try:
        asyncio.run(_serve(given.path, given.port))
    except (StoreError, ConfigurationError, OSError) as error:
        sys.stderr.write(f"{parser.prog} serve: {error}\n")
        return 1
    return 0


async def _serve(path: str | None, port: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def end(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(ended.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows has no such thing
            signal.signal(number, end)
    async with Node(path, port=port) as node:
        sys.stdout.write(f"{node.url}\n")
        sys.stdout.flush()
        await ended.wait()


if __name__ == "__main__":
    sys.exit(main())
