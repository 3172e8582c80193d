"""The contracts are not named test_*, so pytest has to be told to explain their assertions."""

import pytest

pytest.register_assert_rewrite("tests.abc.mapping_contract", "tests.abc.set_contract")
