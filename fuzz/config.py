"""Configurations that are almost right: the language, then the options that they make.

Holds if every text is read or refused with a ConfigError that has a place, if what was read has a digest, and if the
options of it can be made or are refused the same way.
"""

from __future__ import annotations

from random import Random

from natskit.config import digest, parse
from natskit.errors import ConfigError
from natskit.server.options import Options

ENVIRONMENT = [("LOOP", "$LOOP"), ("LIST", "[a, {b: $X}]"), ("X", "1k"), ("BAD", "a b")]
KEYS = (
    "listen host port server_name server_tags server_metadata debug logtime log_file http https_port "
    "max_payload ping_interval max_connections lame_duck_duration proxies tls cert_file verify handshake_first "
    "cipher_suites pinned_certs authorization user pass password token timeout users nkey permissions publish "
    "subscribe allow deny allow_responses max expires allowed_connection_types auth_callout issuer accounts A "
    "B $G $SYS exports imports stream service account subject to prefix latency sampling mappings destination "
    "weight limits msg_trace write_deadline response_threshold no_auth_user system_account operator resolver type dir "
    "resolver_preload websocket no_tls headers cluster jetstream include"
)
SCALARS = [
    "a", "a.*", ">", "b.$1", "'x y'", '"q\\n"', "1", "-1", "64KB", "1.5", "2s", "1m30s", "true", "off", "$LOOP",
    "$LIST", "$X", "$BAD", "$NO", "127.0.0.1:-1", "$2a$11$aaaaaaaa", "2021-01-01T00:00:00Z", "(\nblock\n)\n",
    "MEMORY", "'50%'", "URL(http://h/)", "eyJ0eXAi.e30.AA", "9" * 25, "é", "STANDARD", "singleton",
    "headers", '"1.3"', "auto", "full", "'²%'", "'" + "9" * 5000 + "'", "1e400",
]  # fmt: skip


def value(random: Random, depth: int) -> str:
    kind = random.random()
    if depth > 5 or kind < 0.45:
        return random.choice(SCALARS)
    inner = [pair(random, depth + 1) for _ in range(random.randrange(4))]
    if kind < 0.8:
        return "{" + random.choice([", ", "\n", "; "]).join(inner) + "}"
    return (
        "[" + random.choice([", ", "\n"]).join(value(random, depth + 1) + " " for _ in range(random.randrange(4))) + "]"
    )


def pair(random: Random, depth: int = 0) -> str:
    return random.choice(KEYS.split()) + random.choice([" ", ": ", "=", "\n"]) + value(random, depth)


def spoil(text: str, random: Random) -> str:
    """The text with some characters lost, doubled or changed."""
    for _ in range(random.choice([0, 0, 1, 3])):
        at = random.randrange(len(text) + 1)
        piece = random.choice(
            ["", text[at : at + 5] * 2, *"{}[]()'\"\\#,;:=$\n\r\t\0", "\ufeff", "\udc80", "include x"]
        )
        text = text[:at] + piece + text[at + random.randrange(3) :]
    return text


def one(random: Random) -> None:
    """One configuration."""
    text = spoil("\n".join(pair(random) for _ in range(random.randrange(6))), random)
    try:
        assert digest(parse(text, "fuzz.conf", environment=ENVIRONMENT)).startswith("sha256:")
    except ConfigError as error:
        assert error.line >= 1, text
    try:
        Options.load(text=text)
    except ConfigError as error:
        assert str(error), text
