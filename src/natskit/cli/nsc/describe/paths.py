"""Paths into JSON: ``nats.limits``, ``nats.exports[0].name`` (spec/nsc.md 4.1)."""

from __future__ import annotations

from typing import Any

from natskit.errors import NotFound, UsageError

__all__ = ["pick"]


def pick(document: Any, path: str) -> Any:
    """The value at ``path``; None where a name is missing. Raises UsageError for a path that does not fit."""
    value = document
    for part in path.split("."):
        name, bracket, rest = part.partition("[")
        if name or not bracket:
            value = _member(value, name, path)
        while bracket:
            index, closing, rest = rest.partition("]")
            if not closing:
                raise UsageError(f'bad path - unterminated index expression: "{part}" in "{path}"')
            value = _element(value, index, path)
            bracket, rest = rest[:1], rest[1:]
            if bracket not in ("", "["):
                raise UsageError(f'bad path - text after an index: "{part}" in "{path}"')
    return value


def _member(value: Any, name: str, path: str) -> Any:
    if isinstance(value, list):
        return _element(value, name, path)
    if isinstance(value, dict):
        return value.get(name)
    if value is None:
        return None
    raise NotFound(f'unable to extract "{name}" in "{path}": what stands before it is no object')


def _element(value: Any, index: str, path: str) -> Any:
    if not (index.isascii() and index.isdecimal()):
        raise UsageError(f'error parsing index: "{index}" in "{path}"', hint="an index counts from 0: exports[0]")
    if value is None:
        return None
    if not isinstance(value, list):
        raise NotFound(f'unable to extract "[{index}]" in "{path}": what stands before it is no list')
    if len(index) > 9 or int(index) >= len(value):
        raise NotFound(f'index is out of bounds: {index} in "{path}"', hint=f"there are {len(value)} elements")
    return value[int(index)]
