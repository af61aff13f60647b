"""A few inputs of the fuzz targets with every test run; ``make fuzz`` goes on longer, under sanitizers."""

from __future__ import annotations

from random import Random

import pytest
from fuzz import frames, protocol


@pytest.mark.parametrize("block", range(4))
def test_almost_right_scripts_come_to_the_same_however_they_are_cut(block):
    for seed in range(block * 100, block * 100 + 100):
        protocol.one(Random(seed))


def test_almost_right_frames_come_to_the_same_however_they_are_cut():
    for seed in range(200):
        frames.one(Random(seed))
