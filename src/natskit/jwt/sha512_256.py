"""SHA-512/256, by which ids of tokens are made, for commands that make one and end.

Only OpenSSL has this hash, and loading that takes as long as hashing some thousand bytes here. Who hashes more than a
few heads of tokens, or has OpenSSL loaded anyway, gets its.

Source: FIPS 180-4, sections 4.1.3, 4.2.3, 5.3.6.2 and 6.4.
"""

from __future__ import annotations

import sys

__all__ = ["digest"]

_WORD = (1 << 64) - 1
_TWICE = (1 << 64) + 1
"""Times a word: the word twice. Its bits from n on are the word turned right by n."""

_BLOCK_BYTES = 128
_FEW = 8

_START = (
    *(0x22312194FC2BF72C, 0x9F555FA3C84C64C2, 0x2393B86B6F53B151, 0x963877195940EABD),
    *(0x96283EE2A88EFFE3, 0xBE5E1E2553863992, 0x2B0199FC2C85B8AA, 0x0EB72DDC81C52CA2),
)
_ROUNDS = (
    *(0x428A2F98D728AE22, 0x7137449123EF65CD, 0xB5C0FBCFEC4D3B2F, 0xE9B5DBA58189DBBC),
    *(0x3956C25BF348B538, 0x59F111F1B605D019, 0x923F82A4AF194F9B, 0xAB1C5ED5DA6D8118),
    *(0xD807AA98A3030242, 0x12835B0145706FBE, 0x243185BE4EE4B28C, 0x550C7DC3D5FFB4E2),
    *(0x72BE5D74F27B896F, 0x80DEB1FE3B1696B1, 0x9BDC06A725C71235, 0xC19BF174CF692694),
    *(0xE49B69C19EF14AD2, 0xEFBE4786384F25E3, 0x0FC19DC68B8CD5B5, 0x240CA1CC77AC9C65),
    *(0x2DE92C6F592B0275, 0x4A7484AA6EA6E483, 0x5CB0A9DCBD41FBD4, 0x76F988DA831153B5),
    *(0x983E5152EE66DFAB, 0xA831C66D2DB43210, 0xB00327C898FB213F, 0xBF597FC7BEEF0EE4),
    *(0xC6E00BF33DA88FC2, 0xD5A79147930AA725, 0x06CA6351E003826F, 0x142929670A0E6E70),
    *(0x27B70A8546D22FFC, 0x2E1B21385C26C926, 0x4D2C6DFC5AC42AED, 0x53380D139D95B3DF),
    *(0x650A73548BAF63DE, 0x766A0ABB3C77B2A8, 0x81C2C92E47EDAEE6, 0x92722C851482353B),
    *(0xA2BFE8A14CF10364, 0xA81A664BBC423001, 0xC24B8B70D0F89791, 0xC76C51A30654BE30),
    *(0xD192E819D6EF5218, 0xD69906245565A910, 0xF40E35855771202A, 0x106AA07032BBD1B8),
    *(0x19A4C116B8D2D0C8, 0x1E376C085141AB53, 0x2748774CDF8EEB99, 0x34B0BCB5E19B48A8),
    *(0x391C0CB3C5C95A63, 0x4ED8AA4AE3418ACB, 0x5B9CCA4F7763E373, 0x682E6FF3D6B2B8A3),
    *(0x748F82EE5DEFB2FC, 0x78A5636F43172F60, 0x84C87814A1F0AB72, 0x8CC702081A6439EC),
    *(0x90BEFFFA23631E28, 0xA4506CEBDE82BDE9, 0xBEF9A3F7B2C67915, 0xC67178F2E372532B),
    *(0xCA273ECEEA26619C, 0xD186B8C721C0C207, 0xEADA7DD6CDE0EB1E, 0xF57D4F7FEE6ED178),
    *(0x06F067AA72176FBA, 0x0A637DC5A2C898A6, 0x113F9804BEF90DAE, 0x1B710B35131C471B),
    *(0x28DB77F523047D84, 0x32CAAB7B40C72493, 0x3C9EBE0A15C9BEBC, 0x431D67C49C100D4C),
    *(0x4CC5D4BECB3E42B6, 0x597F299CFC657E2A, 0x5FCB6FAB3AD6FAEC, 0x6C44198C4A475817),
)

_made = 0


def digest(data: bytes) -> bytes:
    """The 32 bytes of the hash of ``data``."""
    global _made
    _made += 1
    if _made > _FEW or "_hashlib" in sys.modules:
        import hashlib

        return hashlib.new("sha512_256", data, usedforsecurity=False).digest()
    return _digest(data)


def _digest(data: bytes) -> bytes:
    filled = data + b"\x80" + bytes(-(len(data) + 17) % _BLOCK_BYTES) + (8 * len(data)).to_bytes(16, "big")
    state: tuple[int, ...] = _START
    for offset in range(0, len(filled), _BLOCK_BYTES):
        state = _compressed(state, filled[offset : offset + _BLOCK_BYTES])
    return b"".join(word.to_bytes(8, "big") for word in state[:4])


def _compressed(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    words = [int.from_bytes(block[offset : offset + 8], "big") for offset in range(0, _BLOCK_BYTES, 8)]
    for index in range(16, 80):
        early, late = words[index - 15], words[index - 2]
        twice, again = early * _TWICE, late * _TWICE
        early = (twice >> 1 ^ twice >> 8) & _WORD ^ early >> 7
        late = (again >> 19 ^ again >> 61) & _WORD ^ late >> 6
        words.append(words[index - 16] + early + words[index - 7] + late & _WORD)
    a, b, c, d, e, f, g, h = state
    for constant, word in zip(_ROUNDS, words, strict=True):
        twice, again = e * _TWICE, a * _TWICE
        one = h + ((twice >> 14 ^ twice >> 18 ^ twice >> 41) & _WORD) + (e & f ^ ~e & g) + constant + word
        two = ((again >> 28 ^ again >> 34 ^ again >> 39) & _WORD) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = one + two & _WORD, a, b, c, d + one & _WORD, e, f, g
    return tuple(before + after & _WORD for before, after in zip(state, (a, b, c, d, e, f, g, h), strict=True))
