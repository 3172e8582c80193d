"""Iterate over a cache that may be larger than memory: entries arrive page by page, and leaving early is no leak.

python examples/scan.py      # starts a node, or uses IGNITEMAP_URL
"""

import asyncio
import os

import ignitemap as ig


async def all_entries(squares: ig.Cache[int, int]) -> None:
    """The plain form. The next page is on its way while this one is worked on."""
    total = 0
    async for number, square in squares.items():
        total += square - number
    print("sum of all squares less their roots:", total)


async def page_by_page(squares: ig.Cache[int, int]) -> None:
    """Lists of entries, where work is done in batches anyway."""
    async with squares.values(page_size=4000) as values:
        print("page sizes:", [len(page) async for page in values.pages()])


async def the_first_that_fits(squares: ig.Cache[int, int]) -> int:
    """Leave early: the end of the `async with` block closes the server's cursor."""
    async with squares.items(page_size=100) as items:
        async for number, square in items:
            if square > 1_000_000:
                return number
    return -1


async def main() -> None:
    """Fill a cache and read it in several ways."""
    async with ig.connect(os.environ.get("IGNITEMAP_URL") or "local://") as client:
        squares = await client.cache("example_squares", int, int)
        await squares.update((number, number * number) for number in range(10_000))
        await all_entries(squares)
        await page_by_page(squares)
        # A node allows 128 open cursors a connection: as many again show that none stays behind.
        found = [await the_first_that_fits(squares) for _ in range(300)]
        print("left early", len(found), "times; all were above 1000:", min(found) > 1000)
        print("keys of partition 7:", await squares.keys(partition=7).to_list())
        print("a first one:", await squares.keys().first())
        await client.drop(squares.name)


if __name__ == "__main__":
    asyncio.run(main())
