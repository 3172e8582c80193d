"""An embedded node and a real cluster, driven side by side through the public API: they must do the same.

The steps are drawn from a seed. A divergence names the seed and the last steps; a run of that seed meets it again.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import random
import uuid
from array import array
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

import ignitemap as ig
from ignitemap import raw
from ignitemap.protocol.message import ExpiryPolicy
from tests.contract.models import Address, Person, Purchase, Status, shop
from tests.embedded.judges.sides import Actor, Divergence, Outcome, Pair, Work, outcome_of, pairs

NOW = dt.datetime(2024, 2, 29, 12, 30, 15, 123000, tzinfo=dt.UTC)
TOKEN = uuid.UUID("35ea1601-3845-d30a-b7b2-7936a934b79b")

# No two of them are equal in Python: they are keys of dicts in the answers.
KEYS: Sequence[tuple[Any, Any]] = (
    (1, None),
    (-(2**40), None),
    (77, raw.IntObject),
    (78, raw.ShortObject),
    (79, raw.ByteObject),
    (2.5, None),
    (0.75, raw.FloatObject),
    (False, None),
    ("", None),
    ("a", None),
    ("ß😀", None),
    ("c", raw.CharObject),
    (Decimal("1.10"), None),
    (TOKEN, None),
    (NOW, raw.DateObject),
    (dt.timedelta(milliseconds=5), raw.TimeObject),
    (b"\x00key", None),
)
# What the mapping face writes by itself.
PLAIN_KEYS = (
    *(2**40, "", "b", 0.5, True, TOKEN, Decimal("1.10"), b"k", NOW, dt.date(2024, 2, 29), dt.time(1, 2, 3, 4000)),
    *((3, "a", None), frozenset({"x", 4})),
)
PLAIN_VALUES = (
    *(*PLAIN_KEYS, 1, 2, "x", [1, "y"], {"a": 1}, (1,), None, b"z", {"b": 1, "a": {}, 3: None}, [1, None, 2.5, []]),
    *({"a", "b"}, array("i", [1, -2]), array("d", [0.1]), 2**63 - 1, -0.0, float("inf"), "long " * 500, b"\xff" * 300),
    *(dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC), Decimal(0)),
)
VALUES: Sequence[tuple[Any, Any]] = (
    *KEYS,
    (None, None),
    (2**63 - 1, None),
    (float("inf"), None),
    (-0.0, None),
    (True, None),
    (b"", None),
    (b"\xff" * 300, None),
    ("long " * 500, None),
    ({"b": 1, "a": {}, 3: None}, None),
    ((1, [1, None, ["x"], []]), raw.CollectionObject),
    (array("i", [1, -2]), None),
    (array("q", [2**40]), None),
    (array("d", [0.1]), None),
    ((raw.CollectionObject.LINKED_LIST, [1, "a"]), raw.CollectionObject),
    (dt.datetime(1, 1, 1, tzinfo=dt.UTC), None),
)
POLICY_TIMES = (ExpiryPolicy.UNCHANGED, ExpiryPolicy.UNCHANGED, ExpiryPolicy.ETERNAL, 0, 1_000_000_000)
COMBINATIONS = [
    (concurrency, isolation)
    for concurrency in ("pessimistic", "optimistic")
    for isolation in ("read_committed", "repeatable_read", "serializable")
]


class Driver:
    """Draws steps, and remembers the last ones."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.steps = 0
        self.log: deque[str] = deque(maxlen=60)

    async def do(self, who: int, pair: Pair, text: str, work: Work, *, may_wait: bool = False) -> Outcome | None:
        """One step. Raises Divergence with the steps before it."""
        self.steps += 1
        text = f"{who}: {text[:400]}"
        try:
            outcome = await pair.do(text, work, may_wait=may_wait)
        except Divergence as error:
            raise self.told(error) from None
        self.log.append(f"{text} -> {str(outcome)[:120]}")
        return outcome

    def told(self, error: Divergence) -> Divergence:
        """The same, with where it was."""
        return Divergence(f"seed {self.seed}, step {self.steps}\n  " + "\n  ".join(self.log) + f"\n{error}")


# --- keys and values --------------------------------------------------------------------------------------------------


def raw_step(draw: random.Random) -> tuple[str, Work]:
    """An operation of AioCache, with keys and values of any type, and now and then an expiry policy."""
    expiring = draw.random() < 0.4
    short = ("expiring " if expiring else "") + draw.choice(("atomic", "transactional"))
    (key, key_hint), (value, value_hint), (other, other_hint) = draw.choice(KEYS), *draw.sample(VALUES, 2)
    many = draw.sample(KEYS, draw.randint(0, 6))
    keys = [each if hint is None else each_with(each, hint) for each, hint in many]
    entries = dict(zip(keys, (each_with(*draw.choice(VALUES)) for _ in keys), strict=True))
    policy = tuple(draw.choice(POLICY_TIMES) for _ in range(3)) if expiring and draw.random() < 0.7 else None
    page = draw.choice((1, 3, 1024))

    # No scan nor size where entries expire: a real node shows them there until a thread of its own has been by.
    async def everything(cache: raw.AioCache) -> dict[Any, Any]:
        if expiring:
            return await cache.get_all([each if hint is None else each_with(each, hint) for each, hint in KEYS])
        async with cache.scan(page_size=page) as cursor:
            found = {each: item async for each, item in cursor}
        assert await cache.get_size() == len(found)
        return found

    both = {"key_hint": key_hint, "value_hint": value_hint}
    operations: dict[str, Any] = {
        "get": lambda c: c.get(key, key_hint),
        "put": lambda c: c.put(key, value, **both),
        "put_if_absent": lambda c: c.put_if_absent(key, value, **both),
        "get_and_put": lambda c: c.get_and_put(key, value, **both),
        "get_and_put_if_absent": lambda c: c.get_and_put_if_absent(key, value, **both),
        "get_and_replace": lambda c: c.get_and_replace(key, value, **both),
        "get_and_remove": lambda c: c.get_and_remove(key, key_hint),
        "replace": lambda c: c.replace(key, value, **both),
        "replace_if_equals": lambda c: c.replace_if_equals(key, other, value, sample_hint=other_hint, **both),
        "remove_key": lambda c: c.remove_key(key, key_hint),
        "remove_if_equals": lambda c: c.remove_if_equals(key, other, key_hint, other_hint),
        "contains_key": lambda c: c.contains_key(key, key_hint),
        "contains_keys": lambda c: c.contains_keys(keys),
        "get_all": lambda c: c.get_all(keys),
        "put_all": lambda c: c.put_all(entries),
        "remove_keys": lambda c: c.remove_keys(keys),
        "clear_key": lambda c: c.clear_key(key, key_hint),
        "clear_keys": lambda c: c.clear_keys(keys),
        "clear": lambda c: c.clear(),
        "remove_all": lambda c: c.remove_all(),
        "everything": everything,
    }
    rare = {"clear", "remove_all"}
    name = draw.choices([*operations], [0.1 if each in rare else 1 for each in operations])[0]

    async def work(actor: Actor) -> Any:
        cache = actor.caches[short].raw
        if policy is None:
            return await operations[name](cache)
        answer = await operations[name](cache.with_expire_policy(None, *policy))
        if policy[2] == 0:
            await asyncio.sleep(0.003)  # what expires on access lives for one more ms on a real node
        return answer

    arguments = f"key={key!r} value={value!r} other={other!r} many={keys!r} policy={policy}"
    return f"raw {short}.{name} {arguments}", work


def each_with(value: Any, hint: Any) -> Any:
    """A value, with its hint where it has one."""
    return value if hint is None else (value, hint)


def mapping_step(draw: random.Random) -> tuple[str, Work]:
    """An operation of the mapping face, on a cache of int, or any key, to any value."""
    short = draw.choice(("numbered", "anything"))
    known = range(9) if short == "numbered" else PLAIN_KEYS
    key, keys = draw.choice(known), draw.sample(known, draw.randint(0, 5))
    value, other = draw.choice(PLAIN_VALUES), draw.choice(PLAIN_VALUES)
    ttl = draw.choice([None, None, 1000.0, float("inf")])
    ttl_on = draw.choice(["create", "update", "access"])
    page = draw.choice([1, 2, 1000])
    operations: dict[str, Any] = {
        "getitem": lambda c: c[key],
        "get": lambda c: c.get(key, "absent"),
        "get_many": lambda c: c.get_many(keys),
        "contains": lambda c: c.contains(key),
        "contains_all": lambda c: c.contains_all(keys),
        "size": lambda c: c.size(),
        "set": lambda c: c.set(key, value, ttl=ttl),
        "update": lambda c: c.update(dict.fromkeys(keys, value)),
        "add": lambda c: c.add(key, value),
        "setdefault": lambda c: c.setdefault(key, value),
        "replace": lambda c: c.replace(key, value),
        "replace expected": lambda c: c.replace(key, value, expected=other),
        "swap": lambda c: c.swap(key, value),
        "modify": lambda c: c.modify(key, lambda old: [old, value] if len(repr(old)) < 500 else value),
        "pop": lambda c: c.pop(key),
        "pop default": lambda c: c.pop(key, "absent"),
        "delete": lambda c: c.delete(key),
        "delete expected": lambda c: c.delete(key, expected=other),
        "delete_many": lambda c: c.delete_many(keys),
        "items": lambda c: c.items(page_size=page).to_dict(),
        "count": lambda c: c.keys(page_size=page).count(),
        "clear": lambda c: c.clear(),
        "delete_all": lambda c: c.delete_all(),
    }
    rare = {"clear", "delete_all"}
    name = draw.choices([*operations], [0.1 if each in rare else 1 for each in operations])[0]

    def work(actor: Actor) -> Any:
        cache = actor.caches[short]
        return operations[name](cache if ttl is None else cache.with_options(ttl=ttl, ttl_on=ttl_on))

    return f"{short}.{name} {key=} {keys=} {value=} {other=} {ttl=} {ttl_on=}", work


def model_step(draw: random.Random) -> tuple[str, Work]:
    """An operation on models: by key, by query, as keys of several fields."""
    number = draw.randint(1, 12)
    person = Person(
        number,
        draw.choice(["Ann", "Bob", "Çid", ""]),
        draw.randint(18, 22),
        draw.randint(1, 3),
        draw.choice([None, "nick"]),
        draw.choice([None, Address("Main Street", 5)]),
        set(draw.sample(["x", "y", "z"], draw.randint(0, 3))),
        Decimal(draw.randint(-999, 999)).scaleb(-2),
    )
    purchase = Purchase(draw.randint(1, 3), draw.randint(1, 3), draw.choice([*Status]), Decimal(number))
    age, city = draw.randint(17, 22), draw.randint(1, 4)
    operations: dict[str, Any] = {
        "save": lambda p, o: p.save(person),
        "save_many": lambda p, o: p.save_many([person, ig.evolve(person, id=number + 1)]),
        "get": lambda p, o: p.get(number),
        "remove": lambda p, o: p.remove(person),
        "replace": lambda p, o: p.replace(number, person),
        "replace expected": lambda p, o: p.replace(number, person, expected=ig.evolve(person, age=age)),
        "modify": lambda p, o: p.modify(number, lambda old: ig.evolve(old, age=age)),
        "items": lambda p, o: p.items().to_dict(),
        "older": lambda p, o: p.where(lambda each: each.age > age).order_by(lambda each: each.id).all(),
        "count": lambda p, o: p.where(lambda each: (each.city_id == city) & (each.age <= age)).count(),
        "nick": lambda p, o: (
            p.where(lambda each: ig.is_null(each.nick)).order_by(lambda each: each.id, desc=True).all()
        ),
        "grouped": lambda p, o: p.where(lambda each: each.age > 0).limit(5).order_by(lambda each: each.id).all(),
        "update where": lambda p, o: p.where(lambda each: each.city_id == city).update(age=age),
        "delete where": lambda p, o: p.where(lambda each: (each.age == age) & (each.city_id == city)).delete(),
        "exists": lambda p, o: p.where(lambda each: each.name == person.name).exists(),
        "buy": lambda p, o: o.save(purchase),
        "bought": lambda p, o: o.get((purchase.customer, purchase.number)),
        "purchases": lambda p, o: o.items().to_dict(),
        "add purchase": lambda p, o: o.add((purchase.customer, purchase.number), purchase),
        "take back": lambda p, o: o.remove(purchase),
    }
    name = draw.choice([*operations])
    return (
        f"models.{name} {person!r} {purchase!r} {age=} {city=}",
        lambda actor: operations[name](actor.caches["people"], actor.caches["purchases"]),
    )


async def drive_entries(url: str, embedded_url: str, seed: int, steps: int) -> int:
    """Draw steps on entries, by two actors in turn; how many there were."""
    driver = Driver(seed)
    caches = [
        ("atomic", (Any, Any), {}),
        ("transactional", (Any, Any), {"atomicity": "transactional"}),
        ("expiring atomic", (Any, Any), {}),
        ("expiring transactional", (Any, Any), {"atomicity": "transactional"}),
        ("numbered", (int, Any), {"atomicity": driver.random.choice(["atomic", "transactional"])}),
        ("anything", (Any, Any), {"atomicity": driver.random.choice(["atomic", "transactional"])}),
        ("people", (Person,), {}),
        ("purchases", (Purchase,), {}),
    ]
    async with pairs(url, embedded_url, 2, caches, registry=shop) as actors:
        while driver.steps < steps:
            draw = driver.random
            who = draw.randrange(2)
            text, work = draw.choices((raw_step, mapping_step, model_step), (5, 3, 2))[0](draw)
            await driver.do(who, actors[who], text, work)
    return driver.steps


# --- transactions -----------------------------------------------------------------------------------------------------


class Mind:
    """What the driver knows of one actor: whether it is in a transaction, and which keys that may hold."""

    def __init__(self) -> None:
        self.is_open = False
        self.pessimistic = False
        self.touched: set[int] = set()


def transactional_step(draw: random.Random, keys: Sequence[int]) -> tuple[str, set[int], Work]:
    """An operation on some of the keys, in the actor's transaction where it has one."""
    key, some = draw.choice(keys), draw.sample(keys, draw.randint(1, len(keys)))
    value, other = draw.randint(0, 3), draw.randint(0, 3)
    one: dict[str, Any] = {
        "get": lambda c: c.get(key),
        "getitem": lambda c: c[key],
        "contains": lambda c: c.contains(key),
        "set": lambda c: c.set(key, value),
        "add": lambda c: c.add(key, value),
        "setdefault": lambda c: c.setdefault(key, value),
        "replace": lambda c: c.replace(key, value),
        "replace expected": lambda c: c.replace(key, value, expected=other),
        "swap": lambda c: c.swap(key, value),
        "modify": lambda c: c.modify(key, lambda old: old + 1),
        "pop": lambda c: c.pop(key),
        "delete": lambda c: c.delete(key),
        "delete expected": lambda c: c.delete(key, expected=other),
        "set ttl": lambda c: c.set(key, value, ttl=1000),
    }
    several: dict[str, Any] = {
        "get_many": lambda c: c.get_many(some),
        "update": lambda c: c.update(dict.fromkeys(some, value)),
        "delete_many": lambda c: c.delete_many(some),
        "contains_all": lambda c: c.contains_all(some),
    }
    name = draw.choice([*one, *several])
    needed = {key} if name in one else set(some)
    operation = (one | several)[name]
    return f"{name} {key=} {some=} {value=} {other=}", needed, lambda actor: operation(actor.caches["transactional"])


async def drive_transactions(url: str, embedded_url: str, seed: int, steps: int) -> int:
    """Draw steps of two actors whose transactions are in each other's way; how many there were."""
    driver = Driver(seed)
    draw = driver.random
    caches = [("transactional", (int, int), {"atomicity": "transactional"}), ("atomic", (int, int), {})]
    async with pairs(url, embedded_url, 2, caches) as actors:
        minds = [Mind(), Mind()]

        async def begin(who: int) -> None:
            concurrency, isolation = draw.choice(COMBINATIONS)

            async def work(actor: Actor) -> None:
                actor.transaction = actor.client.transaction(concurrency, isolation, timeout=60)
                await actor.transaction.__aenter__()

            await driver.do(who, actors[who], f"begin {concurrency} {isolation}", work)
            minds[who].is_open = True
            minds[who].pessimistic = concurrency == "pessimistic"

        async def end(who: int) -> None:
            commit = draw.random() < 0.7

            async def work(actor: Actor) -> None:
                failure = None if commit else ValueError("roll back")
                await actor.transaction.__aexit__(failure and ValueError, failure, None)

            other = minds[1 - who]
            may_wait = commit and not minds[who].pessimistic and bool(minds[who].touched & other.touched)
            text = "commit" if commit else "roll back"
            outcome = await driver.do(who, actors[who], text, work, may_wait=may_wait)
            minds[who].is_open = False
            if outcome is not None:
                minds[who].touched.clear()
                await release(1 - who)

        async def release(who: int) -> None:
            """Let the other one go on, now that a transaction has ended."""
            if actors[who].waiting is not None:
                try:
                    outcome = await actors[who].finish()
                except Divergence as error:
                    raise driver.told(error) from None
                driver.log.append(f"{who}: (having waited) -> {str(outcome)[:120]}")
                if not minds[who].is_open:
                    minds[who].touched.clear()

        while driver.steps < steps:
            who = draw.randrange(2)
            if actors[who].waiting is not None:
                who = 1 - who
            other, mind = minds[1 - who], minds[who]
            held_up = actors[1 - who].waiting is not None
            if not mind.touched and held_up:
                raise driver.told(Divergence("an operation waits, and there is no transaction to wait for"))
            if mind.is_open and draw.random() < (0.4 if held_up else 0.2):
                await end(who)
            elif not mind.is_open and draw.random() < 0.4:
                await begin(who)
            elif draw.random() < 0.05:
                key = draw.randint(0, 3)
                await driver.do(
                    who, actors[who], f"atomic {key=}", lambda actor, key=key: actor.caches["atomic"].set(key, 1)
                )
            else:
                # While the other one waits, nothing that it may hold: the two would wait for each other.
                keys = [key for key in range(5) if not held_up or key not in other.touched]
                if not keys:
                    await end(who)
                    continue
                text, needed, work = transactional_step(draw, keys)
                mind.touched |= needed
                may_wait = bool(needed & other.touched)
                outcome = await driver.do(who, actors[who], text, work, may_wait=may_wait)
                if outcome is not None and not mind.is_open:
                    mind.touched.clear()
        for who in (0, 1):
            if minds[who].is_open and actors[who].waiting is None:
                await end(who)
        for who in (0, 1):
            if minds[who].is_open:
                await end(who)
        await driver.do(0, actors[0], "all", lambda actor: actor.caches["transactional"].items().to_dict())
    return driver.steps


@pytest.mark.parametrize("seed", [1])
async def test_entries(real_url: str, embedded_url: str, seed: int) -> None:
    """Operations on keys, values, models and expiry policies end the same on both sides."""
    assert await drive_entries(real_url, embedded_url, seed, 300) >= 300


@pytest.mark.parametrize("seed", [1])
async def test_transactions(real_url: str, embedded_url: str, seed: int) -> None:
    """Two clients in transactions see, wait for and fail with the same on both sides."""
    assert await drive_transactions(real_url, embedded_url, seed, 150) >= 150


@pytest.mark.stress
@pytest.mark.timeout(900)
async def test_many_steps(real_url: str, embedded_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """At least 5,000 steps from ten seeds end the same on both sides."""
    entries = sum([await drive_entries(real_url, embedded_url, seed, 700) for seed in range(10, 15)])
    transactional = sum([await drive_transactions(real_url, embedded_url, seed, 400) for seed in range(10, 15)])
    with capfd.disabled():
        print(f"\n{entries} steps on entries, {transactional} of transactions, no divergence")
    assert entries + transactional >= 5000


# --- every short transaction ------------------------------------------------------------------------------------------

ON_ONE_KEY: dict[str, Any] = {
    "get": lambda c, k: c.get(k),
    "contains": lambda c, k: c.contains(k),
    "set": lambda c, k: c.set(k, 1),
    "add": lambda c, k: c.add(k, 2),
    "setdefault": lambda c, k: c.setdefault(k, 3),
    "replace": lambda c, k: c.replace(k, 4),
    "replace 0": lambda c, k: c.replace(k, 5, expected=0),
    "replace 1": lambda c, k: c.replace(k, 5, expected=1),
    "replace 99": lambda c, k: c.replace(k, 6, expected=99),
    "swap": lambda c, k: c.swap(k, 7),
    "get and replace": lambda c, k: c.raw.get_and_replace(k, 9),
    "pop": lambda c, k: c.pop(k, None),
    "delete": lambda c, k: c.delete(k),
    "delete 0": lambda c, k: c.delete(k, expected=0),
    "delete 1": lambda c, k: c.delete(k, expected=1),
    "delete 99": lambda c, k: c.delete(k, expected=99),
    "get many": lambda c, k: c.get_many([k, -1]),
    "update": lambda c, k: c.update({k: 8}),
    "delete many": lambda c, k: c.delete_many([k]),
}
# The operations that differ in what a transaction remembers of them.
KINDS = [
    *("get", "set", "add", "replace", "replace 0", "replace 99", "swap", "pop", "delete", "delete 0", "delete 99"),
    "delete many",
]


async def short_transactions(
    actor: Actor, concurrency: Any, isolation: Any, cases: Sequence[tuple[int | None, tuple[str, ...]]]
) -> list[Any]:
    """One transaction in which each case has a key of its own; what its operations say, and what is left of it."""
    cache = actor.caches["transactional"]
    await cache.clear()
    await cache.update({key: first for key, (first, _) in enumerate(cases) if first is not None})
    async with actor.client.transaction(concurrency, isolation, timeout=600):
        said = [[await outcome_of(ON_ONE_KEY[each](cache, key)) for each in ops] for key, (_, ops) in enumerate(cases)]
    left = await cache.items().to_dict()
    return [(*case, each, left.get(key)) for key, (case, each) in enumerate(zip(cases, said, strict=True))]


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("concurrency", "isolation"), COMBINATIONS)
async def test_every_short_transaction(real_url: str, embedded_url: str, concurrency: str, isolation: str) -> None:
    """All sequences of two operations on a key, and of three of each kind, present or absent, end the same."""
    sequences = [*itertools.product(ON_ONE_KEY, repeat=2), *itertools.product(KINDS, repeat=3)]
    cases = list(itertools.product((None, 0), sequences))
    caches = [("transactional", (int, int), {"atomicity": "transactional"})]
    async with pairs(real_url, embedded_url, 1, caches) as (pair,):
        both = [
            pair_of.ask(lambda actor: short_transactions(actor, concurrency, isolation, cases))
            for pair_of in (pair.real, pair.embedded)
        ]
        real, embedded = await asyncio.gather(*both)
    assert real[0] == "result", real
    different = [each for each in zip(real[1][1], embedded[1][1], strict=True) if each[0] != each[1]]
    assert different == []
