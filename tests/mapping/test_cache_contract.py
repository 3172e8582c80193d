"""A cache of a real cluster is a mutable mapping like any other."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.abc.mapping_contract import MappingContract, MappingFactory


class TestCacheContract(MappingContract):
    """The contract of mappings holds for caches."""

    @pytest.fixture
    def mapping_factory(self, make_cache: Callable[..., Awaitable[Any]]) -> MappingFactory:
        """Makes caches of the shared cluster."""

        async def make() -> Any:
            return await make_cache(str, int)

        return make
