"""Reads JSON into the claim structs as Go does where it is looser than msgspec.

Member names match in any case, ``null`` keeps the default, the last of equal members wins, ``src`` may be one string
of CIDRs, and entries of ``signing_keys`` that are neither text nor objects are passed over. Stricter than Go: a member
that is there in two spellings, and an import or export that is ``null``, are refused. Tokens that our own writer could
have written never come here (see ``codec``); a rule spelled ``Deny`` must not be lost all the same.

Source: spec/nkeys-and-jwt.md section 2.2.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Annotated, Any, TypeGuard, TypeVar

import msgspec

from natskit.errors import InvalidToken
from natskit.jwt.issue import quoted
from natskit.jwt.sharing import Export, Import
from natskit.jwt.v1 import OldExport, OldImport, split_networks

_S = TypeVar("_S", bound=msgspec.Struct)


def convert(value: dict[str, Any], kind: type[_S]) -> _S:
    """``value`` (a JSON object) as a struct of type ``kind``. Raises InvalidToken."""
    try:
        return msgspec.convert(_members_of(value, kind), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidToken(f"invalid claims in token: {error}") from None


def _tidy(value: object, kind: Any) -> object:
    """``value`` with what msgspec would refuse made plain, as far as ``kind`` has structs in it."""
    for option in _options(kind):
        if isinstance(value, dict) and _is_struct(option):
            return _members_of(value, option)
        if isinstance(value, dict) and typing.get_origin(option) is dict:
            element = typing.get_args(option)[1]
            return {key: _tidy(_or_zero(item, element), element) for key, item in value.items()}
        if isinstance(value, list) and typing.get_origin(option) is tuple:
            element = typing.get_args(option)[0]
            return [_tidy(_or_zero(item, element), element) for item in value]
    return value


def _options(kind: Any) -> tuple[Any, ...]:
    """The branches of a union; of anything else itself."""
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def _is_struct(kind: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _or_zero(item: object, kind: Any) -> object:
    """``item``, or for a ``null`` in a list or map what Go has there: the zero value, for pointers nothing."""
    if item is not None or kind is Any or type(None) in _options(kind):
        return item
    if kind in (Import, OldImport, Export, OldExport):
        raise InvalidToken(f"null {'export' if kind in (Export, OldExport) else 'import'} is not allowed")
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    return {} if _is_struct(kind) else (typing.get_origin(kind) or kind)()


def _members_of(value: dict[Any, Any], struct: type[msgspec.Struct]) -> dict[str, object]:
    members = _members(struct)
    tidy: dict[str, object] = {}
    for name, item in value.items():
        field = members.get(_folded(name))
        if field is None or item is None:
            continue
        if field.encode_name in tidy:
            # Which one counts depends on the reader; no honest writer leaves the choice.
            raise InvalidToken(f"invalid claims in token: {quoted(field.encode_name)} is there in two spellings")
        if field.encode_name == "src" and isinstance(item, str):
            item = split_networks(item)
        elif field.encode_name == "signing_keys" and isinstance(item, list):
            item = [_with_kind(entry) for entry in item if isinstance(entry, str | dict)]
        tidy[field.encode_name] = _tidy(item, field.type)
    return tidy


def _with_kind(entry: str | dict[str, Any]) -> str | dict[str, Any]:
    """A scope must say that it is one."""
    if isinstance(entry, dict) and not any(_folded(name) == "kind" for name in entry):
        return {"kind": "", **entry}
    return entry


def _folded(name: str) -> str:
    """The name as Go compares it: without case, and with the two letters beyond ASCII that have such a case."""
    return name.lower().replace("ſ", "s")


@cache
def _members(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}
