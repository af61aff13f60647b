"""Names of operators, accounts and users: what they may be, and which file they are in (spec/nsc.md 2.5)."""

from __future__ import annotations

import os

from natskit.errors import UsageError

__all__ = ["check", "file_name", "random_name"]

_LONGEST = 200  # bytes; with the suffix it must fit into a file name


def check(name: str, kind: str) -> str:
    """Return ``name`` if a new ``kind`` (operator, account, user) may have it. Raises UsageError.

    Stricter than the Go tool where it loses data: no names that begin or end with a blank (it never lists such an
    account), no ``.`` and ``..``, no control characters.
    """
    if not name:
        raise UsageError(f"{kind} name is required")
    if "/" in name or "\\" in name:
        raise UsageError("name cannot contain '/' or '\\'")
    if name != name.strip():
        raise UsageError(f'{kind} name "{name}" cannot begin or end with a blank')
    if name in (".", "..") or not name.isprintable():
        raise UsageError(f"{kind} name {name!r} cannot be used as a file name")
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise UsageError(f"{kind} name is too long: at most {_LONGEST} bytes")
    return name


def file_name(name: str) -> str:
    """The name of the file that holds the token of ``name``."""
    return f"{name.strip()}.jwt"


def random_name() -> str:
    """A made-up name, ``adjective_surname``."""
    number = int.from_bytes(os.urandom(4), "big")
    number, left = divmod(number, len(_ADJECTIVES))
    return f"{_ADJECTIVES[left]}_{_SURNAMES[number % len(_SURNAMES)]}"


_ADJECTIVES = (
    *("able", "agile", "amber", "brave", "bright", "brisk", "calm", "candid", "clear", "clever", "crisp", "daring"),
    *("deft", "eager", "early", "even", "exact", "fair", "fast", "fine", "firm", "fond", "frank", "free", "fresh"),
    *("gentle", "glad", "grand", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal"),
    *("lucid", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "plain", "polite", "proud", "quick"),
    *("quiet", "ready", "sharp", "sincere", "smart", "solid", "sound", "steady", "sunny", "swift", "tidy", "true"),
    *("vivid", "warm", "wise", "witty"),
)
_SURNAMES = (
    *("abel", "ampere", "babbage", "banach", "bell", "bernoulli", "bohr", "boole", "cantor", "cauchy", "church"),
    *("curie", "darwin", "dijkstra", "dirac", "einstein", "erdos", "euclid", "euler", "faraday", "fermat", "fermi"),
    *("feynman", "fourier", "galileo", "galois", "gauss", "germain", "godel", "hamilton", "hardy", "hawking", "hertz"),
    *("hilbert", "hopper", "hypatia", "jacobi", "kepler", "kelvin", "knuth", "lagrange", "laplace", "leibniz"),
    *("liskov", "lovelace", "maxwell", "meitner", "mendel", "minsky", "neumann", "newton", "noether", "ohm", "pascal"),
    *("pasteur", "planck", "poincare", "ramanujan", "riemann", "shannon", "tesla", "turing", "volta", "watt", "yalow"),
)
