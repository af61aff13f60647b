"""Claims that are almost right, signed by keys that may sign them.

Holds if every payload is read or refused with an error of natskit, if what was read can be judged, written and read
again as the same claims, and if no text of a creds file does anything but read or be refused.
"""

from __future__ import annotations

import binascii
import copy
import json
from random import Random
from typing import Any

from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ClaimsError, DecodeError, InvalidToken, VerifyError
from natskit.jwt import files
from natskit.jwt.chunks import HEADER_V1, HEADER_V2
from natskit.nkeys import KeyPair, Role

KEYS = {role: KeyPair.from_raw_seed(role, bytes([number]) * 32) for number, role in enumerate(Role)}
OPERATOR, A, U = (KEYS[role].public for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER))
SIGNERS = {
    "operator": Role.OPERATOR,
    "account": Role.OPERATOR,
    "user": Role.ACCOUNT,
    "activation": Role.ACCOUNT,
    "authorization_request": Role.SERVER,
    "authorization_response": Role.ACCOUNT,
}
BODIES: dict[str, dict[str, Any]] = {
    "operator": {
        "signing_keys": [OPERATOR],
        "account_server_url": "http://h:1/x",
        "operator_service_urls": ["nats://h"],
        "assert_server_version": "2.9.0",
    },
    "account": {
        "imports": [{"subject": "a.*", "account": A, "local_subject": "b.$1", "type": "service", "token": "eyJ"}],
        "exports": [
            {"subject": "a.*", "type": "service", "service_latency": {"sampling": 5, "results": "r"}},
            {"subject": "s.>", "type": "stream", "revocations": {A: 5}, "account_token_position": 2},
        ],
        "limits": {"subs": -1, "wildcards": True, "tiered_limits": {"R1": {"mem_storage": 5}}},
        "signing_keys": [A, {"kind": "user_scope", "key": A, "role": "r", "template": {"pub": {"allow": ["x"]}}}],
        "default_permissions": {"pub": {"deny": ["a b"]}, "sub": {"allow": ["a q"]}, "resp": {"max": 1, "ttl": 5}},
        "mappings": {"a": [{"subject": "b", "weight": 50}], "c": None},
        "authorization": {"auth_users": [U], "allowed_accounts": ["*"]},
        "trace": {"dest": "t", "sampling": 50},
    },
    "user": {
        "pub": {"allow": ["a.>"]},
        "src": "10.0.0.0/8, ::1/128",
        "times": [{"start": "08:00:00", "end": "17:00:00"}],
        "times_location": "UTC",
        "tags": ["a:b"],
        "issuer_account": A,
    },
    "activation": {"subject": "a.*", "kind": "stream", "type": "activation"},
    "authorization_request": {"server_id": {"name": "n"}, "user_nkey": U, "client_tls": {"verified_chains": [["x"]]}},
    "authorization_response": {"jwt": "x", "error": "y"},
    "other": {"a": {"b": [1, None, "c"]}},
}
ODD = [None, True, 0, -1, 1.5, 1 << 63, "", ">", "\u2028<&>", "stream", [], [None], {}, {"a": 1}, {"Allow": None}, A, U]


def one(random: Random) -> None:
    """A token, then a file."""
    kind = random.choice(list(BODIES))
    version = random.choice((2, 2, 2, 1, 0, 3))
    signer = KEYS[SIGNERS.get(kind, Role.ACCOUNT)]
    payload = {"iss": signer.public, "sub": _subject(kind), "iat": 5, "exp": 7, "nats": BODIES[kind]}
    payload = json.loads(json.dumps(payload))
    payload["nats"] |= {"type": kind, "version": version}
    if version == 1 and random.random() < 0.5:
        payload |= {"type": kind, "tags": ["t"]}
    for _ in range(random.randrange(4)):
        inner = payload.get("nats")
        _spoil(inner if isinstance(inner, dict) and random.random() < 0.9 else payload, random)
    token = _signed(json.dumps(payload).encode(), signer, version)
    try:
        claims = jwt.decode(token)
    except (DecodeError, VerifyError):
        return
    jwt.issues(claims, 6)
    _written_and_read(claims, signer, random)
    _file(token, random)


def _subject(kind: str) -> str:
    return {"operator": OPERATOR, "account": A, "activation": A}.get(kind, U)


def _spoil(value: Any, random: Random) -> None:
    """Change something somewhere in ``value``."""
    places = list(value.items() if isinstance(value, dict) else enumerate(value))
    if not places:
        return
    place, inner = random.choice(places)
    if isinstance(inner, dict | list) and random.random() < 0.8:
        _spoil(inner, random)
    elif isinstance(value, dict) and random.random() < 0.3:
        value[random.choice((place.upper(), place.title(), place + "x"))] = value.pop(place)
    elif isinstance(value, dict) and random.random() < 0.2:
        value[place.upper()] = copy.deepcopy(random.choice(ODD))
    else:
        value[place] = copy.deepcopy(random.choice(ODD))


def _signed(payload: bytes, signer: KeyPair, version: int) -> str:
    header = HEADER_V1 if version < 2 else HEADER_V2
    chunk = _b64(payload)
    signature = signer.sign(chunk if version < 2 else header + b"." + chunk)
    return b".".join((header, chunk, _b64(signature))).decode()


def _b64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=")


def _written_and_read(claims: jwt.Claims, signer: KeyPair, random: Random) -> None:
    if isinstance(claims, jwt.GenericClaims) and any(name.lower() == "version" for name in claims.nats):
        return  # its own version in another spelling beside ours is refused
    version = random.choice((1, 2))
    try:
        again = jwt.decode(jwt.encode(claims, signer, issued_at=5, version=version))
    except ClaimsError:
        return
    twice = jwt.encode(replace(again, id=claims.id), signer, issued_at=5, version=version)
    assert jwt.decode(twice) == again
    assert replace(again, id=claims.id, nats=None) == replace(claims, issued_at=5, nats=None)


def _file(token: str, random: Random) -> None:
    seed = KEYS[Role.USER].seed
    text = files.write_creds(token, seed)
    start, end = sorted(random.randrange(len(text)) for _ in range(2))
    damaged = text[:start] + random.choice(("", "\n", "-", " ", "\r\n", text[start:end] * 2)) + text[end:]
    files.parse_jwt(damaged)
    try:
        creds = files.parse_creds(damaged)
    except InvalidToken as error:
        assert seed not in str(error)
        return
    assert creds.token.startswith("eyJ")
    assert creds.seed.startswith("SU")
