"""A few inputs of the fuzz target with every test run; ``make fuzz`` goes on longer."""

from random import Random

import pytest
from fuzz import config


@pytest.mark.parametrize("block", range(4))
def test_almost_right_configurations_are_read_or_refused(block):
    for seed in range(block * 300, block * 300 + 300):
        config.one(Random(seed))
