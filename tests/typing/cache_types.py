"""What type checkers infer for caches and models. Lines that end in the word error after a hash must be rejected."""

from typing import Any, assert_type

import ignitemap as ig


@ig.model
class City:
    id: int = ig.key()
    name: str = ""
    population: ig.Int = 0


async def opening(client: ig.Client) -> None:
    assert_type(await client.cache("ages", str, int), ig.Cache[str, int])
    assert_type(await client.cache("ages", str, int | None), ig.Cache[str, int | None])
    assert_type(await client.cache("ages", ig.STRING, ig.list_of(ig.INT)), ig.Cache[str, list[int]])
    assert_type(await client.cache("narrow", ig.Int, ig.Float), ig.Cache[int, float])
    assert_type(await client.cache(City), ig.Cache[Any, City])
    assert_type(await client.cache(City, key=int), ig.Cache[int, City])
    assert_type(await client.cache("towns", City), ig.Cache[Any, City])
    assert_type(await client.cache("anything"), ig.Cache[Any, Any])


async def using(ages: ig.Cache[str, int]) -> None:
    assert_type(await ages["ann"], int)
    assert_type(await ages.get("ann"), int | None)
    assert_type(await ages.get("ann", "unknown"), int | str)
    assert_type(await ages.get_many(["ann"]), dict[str, int])
    assert_type(await ages.add("ann", 1), bool)
    assert_type(await ages.pop("ann"), int)
    assert_type(await ages.modify("ann", lambda age: age + 1), int)
    async for key, value in ages.items():
        assert_type(key, str)
        assert_type(value, int)
    async for key in ages:
        assert_type(key, str)
    async with ages.values() as values:
        assert_type(await values.to_list(), list[int])
    assert_type(await ages.items(on_error="raise").to_dict(), dict[str, int])
    assert_type(await ages.keys(on_error="yield").to_list(), list[str | ig.Undecodable])
    async for item in ages.items(on_error="yield"):
        if isinstance(item, ig.Undecodable):
            assert_type(item.raw, bytes)
        else:
            assert_type(item, tuple[str, int])
    ages.values(on_error="ignore")  # error
    await ages.set("ann", "41")  # error
    await ages.set(1, 41)  # error
    "ann" in ages  # error
    len(ages)  # error
    ages["ann"] = 41  # error
    del ages["ann"]  # error


async def models(cities: ig.Cache[int, City]) -> None:
    city = City(id=1, name="Graz")
    assert_type(ig.evolve(city, name="Linz"), City)
    await cities.save(city)
    assert_type((await cities[1]).name, str)
    cities[1].name  # error
    City(id="one")  # error
    City(identity=1)  # error
