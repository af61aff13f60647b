"""Tokens and seeds in files: creds, decorated JWTs, key files.

Source: spec/nkeys-and-jwt.md section 9. The reader takes every generation: labels do not matter, three dashes are
enough, LF or CRLF, text before the first block is passed over, and a bare token works where a decorated one does.
"""

from __future__ import annotations

from typing import NamedTuple

from natskit.errors import InvalidToken
from natskit.nkeys import KeyPair, Role

_BODY = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.=")
_SEED_ROLES = {"SU": "USER", "SA": "ACCOUNT", "SO": "OPERATOR"}


class Creds(NamedTuple):
    """A user's token and its seed. Its text form hides both."""

    token: str
    seed: str

    def __repr__(self) -> str:
        return "Creds(...)"


def decorate(token: str, kind: str) -> str:
    """The token of a claim of ``kind`` (``user``, ``activation`` ...) between its markers; ends with an empty line."""
    label = kind.upper()
    return f"-----BEGIN NATS {label} JWT-----\n{token}\n------END NATS {label} JWT------\n\n"


def decorate_seed(seed: str) -> str:
    """The warning and the seed between its markers. Raises InvalidToken for other roles."""
    if len(seed) < 2:
        raise InvalidToken("seed is too short")
    role = _SEED_ROLES.get(seed[:2])
    if role is None:
        raise InvalidToken("seed is not an operator, account or user seed")
    return (
        "************************* IMPORTANT *************************\n"
        "NKEY Seed printed below can be used to sign and prove identity.\n"
        "NKEYs are sensitive and should be treated as secrets.\n"
        "\n"
        f"-----BEGIN {role} NKEY SEED-----\n"
        f"{seed}\n"
        f"------END {role} NKEY SEED------\n"
        "\n"
        "*************************************************************\n"
    )


def format_creds(token: str, seed: str) -> str:
    """A creds file. Raises InvalidToken if the token is not a user's or the seed not that user's."""
    from natskit.jwt.codec import decode
    from natskit.jwt.user import UserClaims

    claims = decode(token)
    if not isinstance(claims, UserClaims):
        raise InvalidToken(f'"{claims.kind}" cannot be serialized as a user config')
    pair = KeyPair.from_seed(seed)
    if pair.role is not Role.USER:
        raise InvalidToken("nkey seed is not an user seed")
    if pair.public != claims.subject:
        raise InvalidToken(f"nkey seed does not match the jwt subject {claims.subject}")
    return write_creds(token, seed)


def write_creds(token: str, seed: str) -> str:
    """A creds file of a token and seed that are known to belong together."""
    return decorate(token, "user") + decorate_seed(seed)


def parse_jwt(text: str) -> str:
    """The first token between markers; the whole text, as it is, if there are none."""
    blocks = _blocks(text)
    return blocks[0] if blocks else text


def parse_seed(text: str) -> str:
    """The seed of a creds or key file. Raises InvalidToken; the message never shows the text."""
    blocks = _blocks(text)
    if len(blocks) > 1:
        seed = blocks[1]
    else:
        seed = next((line for line in text.splitlines() if line.strip()[:2] in _SEED_ROLES), "")
        if not seed:
            raise InvalidToken("no nkey seed found")
    if seed[:2] not in _SEED_ROLES:
        raise InvalidToken("doesn't contain a seed nkey")
    return seed.rstrip()


def parse_creds(text: str) -> Creds:
    """Token and seed of a creds file. Raises InvalidToken if one is missing or the seed is not a user's."""
    blocks = _blocks(text)
    if not blocks or not blocks[0].startswith("eyJ"):  # with the token's markers damaged, the seed would be first
        raise InvalidToken("no user JWT found: a creds file starts with a line like -----BEGIN NATS USER JWT-----")
    seed = parse_seed(text)
    if not seed.startswith("SU"):
        raise InvalidToken("doesn't contain an user seed nkey")
    return Creds(blocks[0], seed)


def _blocks(text: str) -> list[str]:
    """The single lines that stand between two marker lines, in order; each marker belongs to one block only."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    found: list[str] = []
    position = 0
    while position + 2 < len(lines):
        begin, body, end = lines[position : position + 3]
        body = body.rstrip(" \t")  # tools of 2019 took blanks there
        if _ends_marker(begin) and body and _BODY.issuperset(body) and _ends_marker(end) and end.startswith("---"):
            found.append(body)
            position += 3
        else:
            position += 1
    return found


def _ends_marker(line: str) -> bool:
    """Whether a line ends with ``---...---``; what stands before does not matter."""
    return line.endswith("---") and len(line) - line.find("---") >= 6
