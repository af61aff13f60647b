"""Operators, trusted keys and account resolvers.

Source: spec/server-accounts.md sections 1.5 and 7; spec/account-server.md section 7.1.
"""

from __future__ import annotations

import os

from natskit import jwt, nkeys
from natskit.config import Node
from natskit.errors import DecodeError, VerifyError
from natskit.jwt import files
from natskit.server.options.reading import Block, Reading
from natskit.server.options.shapes import (
    CacheResolver,
    FullResolver,
    MemoryResolver,
    Resolver,
    TrustedOperator,
    UrlResolver,
)

_FORMS = 'use MEMORY, URL("https://host/jwt/v1/accounts/") or a map with type full or cache and dir'


def read_operators(reading: Reading, node: Node) -> tuple[TrustedOperator, ...]:
    """One operator or a list: the path of a JWT file, or the token itself."""
    found = (_operator(reading, node, text) for text in reading.texts(node))
    return tuple(each for each in found if each is not None)


def _operator(reading: Reading, node: Node, text: str) -> TrustedOperator | None:
    token = text.strip()
    if not token.startswith("eyJ"):
        path = os.path.join(os.path.dirname(node.file), os.path.expanduser(token))
        path = path if os.path.exists(path) else os.path.expanduser(token)
        try:
            with open(path, encoding="ascii", errors="replace") as stream:
                token = files.parse_jwt(stream.read(jwt.MAX_TOKEN_BYTES)).strip()
        except OSError as error:
            reading.fault(node, f'cannot read the operator JWT "{text}": {error.strerror}')
            return None
    try:
        return TrustedOperator(token=token, claims=jwt.decode(token, jwt.OperatorClaims))
    except (DecodeError, VerifyError) as error:
        reading.fault(node, f'error parsing the operator JWT "{_shortened(text)}": {error}')
        return None


def _shortened(text: str) -> str:
    return text if len(text) < 80 else text[:20] + "..."


def read_trusted_keys(reading: Reading, node: Node) -> tuple[str, ...]:
    """Operator keys that sign accounts."""
    return _keys(reading, node, nkeys.Role.OPERATOR, 'trusted key "{}" is not an operator public nkey')


def _keys(reading: Reading, node: Node, role: nkeys.Role, fault: str) -> tuple[str, ...]:
    keys = reading.texts(node)
    for each, key in zip(node.elements, keys, strict=False):
        if not nkeys.is_public(key, role):
            reading.fault(each, fault.format(key))
    return keys


def read_resolver(reading: Reading, node: Node) -> Resolver | None:
    """``MEMORY``, ``URL(...)``, or a map that describes a directory."""
    if isinstance(node.value, dict):
        return _directory_resolver(reading, node)
    text = reading.text(node).strip()
    if text.upper() in ("MEM", "MEMORY"):
        return MemoryResolver()
    if text[:4].upper() == "URL(" and text.endswith(")"):
        return UrlResolver(url=_slashed(text[4:-1].strip().strip("'\"")))
    reading.fault(node, f'error parsing account resolver "{text}": {_FORMS}')
    return None


def _slashed(url: str) -> str:
    return url if url.endswith("/") else url + "/"


def _directory_resolver(reading: Reading, node: Node) -> Resolver | None:
    block = reading.block(node)
    kind = block.text("type").lower()
    directory = block.text("dir")
    if kind in ("mem", "memory"):
        block.finish()
        return MemoryResolver()
    if kind not in ("full", "cache"):
        reading.fault(node, f'error parsing account resolver of type "{kind}": {_FORMS}')
        return None
    if not directory:
        reading.fault(node, "dir has no value and needs to point to a directory")
    resolver = _full(reading, block, directory) if kind == "full" else _cache(reading, block, directory)
    block.finish()
    return resolver


def _full(reading: Reading, block: Block, directory: str) -> FullResolver:
    if block.take("ttl") is not None:
        reading.fault(block.node, "FULL does not accept ttl")
    resolver = FullResolver(
        directory=directory,
        allow_delete=block.boolean("allow_delete"),
        hard_delete=block.boolean("hard_delete"),
        interval_s=block.span("interval", default=60.0),
        limit=block.integer("limit", least=0),
        timeout_s=block.span("timeout", default=1.9),
    )
    if resolver.hard_delete and not resolver.allow_delete:
        reading.fault(block.node, "hard_delete has no effect without delete")
    return resolver


def _cache(reading: Reading, block: Block, directory: str) -> CacheResolver:
    for name in ("interval", "sync", "allow_delete", "hard_delete"):
        if (node := block.take(name)) is not None:
            reading.fault(node, f"CACHE does not accept {name}")
    return CacheResolver(
        directory=directory,
        limit=block.integer("limit", default=1000, least=0),
        ttl_s=block.seconds("ttl", default=0.0),
        timeout_s=block.span("timeout", default=1.9),
    )


def read_preload(reading: Reading, node: Node) -> dict[str, str]:
    """Accounts by key, each a JWT or the path of one."""
    if not isinstance(node.value, dict):
        reading.fault(node, "preload should be a map of account_public_key:account_jwt")
        return {}
    preload = {}
    for key, member in node.value.items():
        try:
            token = _account_token(member, reading.text(member))
            claims = jwt.decode(token, jwt.AccountClaims)
        except OSError as error:
            reading.fault(member, f"cannot read the account JWT of {key}: {error.strerror}")
            continue
        except (DecodeError, VerifyError) as error:
            reading.fault(member, f"invalid account JWT for {key}: {error}")
            continue
        if claims.subject != key:
            reading.fault(member, f"invalid account JWT for {key}: it is for {claims.subject}")
            continue
        preload[key] = token
    return preload


def _account_token(node: Node, text: str) -> str:
    path = os.path.join(os.path.dirname(node.file), text)
    if text.startswith("eyJ") or len(text) > 4096 or not os.path.isfile(path):
        return text
    with open(path, encoding="ascii", errors="replace") as stream:
        return files.parse_jwt(stream.read(jwt.MAX_TOKEN_BYTES)).strip()


def read_pinned(reading: Reading, node: Node) -> frozenset[str]:
    """The only accounts whose users may log in."""
    fault = 'pinned account key "{}" is not a valid public account nkey'
    return frozenset(_keys(reading, node, nkeys.Role.ACCOUNT, fault))
