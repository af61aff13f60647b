"""The hash of ids, beside OpenSSL's."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.jwt import sha512_256


def of_openssl(data):
    return hashlib.new("sha512_256", data, usedforsecurity=False).digest()


@given(st.binary(max_size=600))
def test_it_is_that_of_openssl(data):
    assert sha512_256._digest(data) == of_openssl(data)


@pytest.mark.parametrize("size", [0, 110, 111, 112, 127, 128, 129, 255, 256])
def test_blocks_are_filled_as_they_should_be(size):
    assert sha512_256._digest(bytes(size)) == of_openssl(bytes(size))


def test_whoever_hashes_much_gets_the_fast_one():
    assert [sha512_256.digest(bytes([number])) for number in range(20)] == [
        of_openssl(bytes([number])) for number in range(20)
    ]
