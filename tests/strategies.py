"""Hypothesis strategies for every value that the mapping profile puts and gets back unchanged."""

import datetime as dt
from array import array
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings, strategies as st

__all__ = [
    "RELAXED",
    "aware_datetimes",
    "bytes_",
    "dates",
    "decimals",
    "floats",
    "hashables",
    "longs",
    "packed_arrays",
    "scalars",
    "texts",
    "times",
    "values",
]

# Drawing nested values takes long on a busy machine, which says nothing about what is tested.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

longs = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
bytes_ = st.binary(max_size=20)
decimals = st.one_of(
    # copy_abs of zero: the wire has no negative zero
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda value: value or value.copy_abs()),
    st.builds(
        lambda digits, exponent: Decimal(digits).scaleb(exponent) if digits else Decimal(0),
        st.integers(-(10**27), 10**27),
        st.integers(-1000, 1000),
    ),
)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
aware_datetimes = st.datetimes(
    # a day from the edges, which a zone could cross
    min_value=dt.datetime.fromisoformat("0001-01-02"),
    max_value=dt.datetime.fromisoformat("9999-12-30"),
    timezones=zones,
)
dates = st.dates()
times = st.times().map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000, fold=0))

scalars = st.one_of(
    st.none(), st.booleans(), longs, floats, texts, bytes_, decimals, aware_datetimes, dates, times, st.uuids()
)
packed_arrays = st.one_of(
    st.lists(st.integers(-(2**15), 2**15 - 1), max_size=6).map(lambda items: array("h", items)),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6).map(lambda items: array("i", items)),
    st.lists(longs, max_size=6).map(lambda items: array("q", items)),
    st.lists(st.floats(allow_nan=False, width=32), max_size=6).map(lambda items: array("f", items)),
    st.lists(floats, max_size=6).map(lambda items: array("d", items)),
)
hashables: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(tuple), st.frozensets(inner, max_size=4)),
    max_leaves=4,
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(scalars, packed_arrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=4),
        st.dictionaries(hashables, inner, max_size=4),
    ),
    max_leaves=12,
)
