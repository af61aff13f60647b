"""Reads JSON into the claim structs as Go does where it is looser than msgspec.

Member names match in any case, ``null`` keeps the default, the last of equal members wins, ``src`` may be one string of
CIDRs, and entries of ``signing_keys`` that are neither text nor objects are passed over. Tokens that our own writer
could have written never come here (see ``codec``); a rule spelled ``Deny`` must not be lost all the same.

Source: spec/nkeys-and-jwt.md section 2.2.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any

import msgspec


def convert(value: object, kind: type[msgspec.Struct]) -> Any:
    """``value`` (from JSON) as a struct of type ``kind``. Raises msgspec.ValidationError."""
    return msgspec.convert(_tidy(value, kind), kind)


def _tidy(value: object, kind: Any) -> object:
    if isinstance(value, dict) and (struct := _struct_in(kind)):
        return _tidy_members(value, struct)
    if isinstance(value, dict) and typing.get_origin(kind) is dict:
        element = typing.get_args(kind)[1]
        return {key: _tidy(item, element) for key, item in value.items()}
    if isinstance(value, list) and typing.get_origin(kind) is tuple:
        element = typing.get_args(kind)[0]
        return [_tidy(item, element) for item in value if item is not None]
    return value


def _tidy_members(value: dict[Any, Any], struct: type[msgspec.Struct]) -> dict[str, object]:
    members = _members(struct)
    tidy: dict[str, object] = {}
    for name, item in value.items():
        field = members.get(name.casefold())
        if field is None or item is None:
            continue
        if field.encode_name == "src" and isinstance(item, str):
            item = list(dict.fromkeys(part for part in (each.strip().lower() for each in item.split(",")) if part))
        elif field.encode_name == "signing_keys" and isinstance(item, list):
            item = [entry for entry in item if isinstance(entry, (str, dict))]
        tidy[field.encode_name] = _tidy(item, field.type)
    return tidy


@cache
def _members(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name.casefold(): field for field in msgspec.structs.fields(struct)}


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that ``kind`` is, or that one branch of the union ``kind`` is."""
    options = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    return next((each for each in options if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)
