"""Templates of scoped signing keys, filled in for one user when it connects.

``{{name()}}``, ``{{subject()}}``, ``{{account-name()}}``, ``{{account-subject()}}``, ``{{tag(k)}}`` and
``{{account-tag(k)}}`` stand in the subjects of a template. Several tags of a name give one subject for
each combination.

Source: spec/nkeys-and-jwt.md section 8.
"""

from __future__ import annotations

import itertools
import math

from msgspec.structs import replace

from natskit import subjects
from natskit.errors import ClaimsError
from natskit.jwt.account import AccountClaims, UserScope
from natskit.jwt.body import Permission, ScopeTemplate
from natskit.jwt.issue import quoted
from natskit.jwt.user import UserClaims

MAX_SUBJECTS = 4096
MAX_SUBJECT_CHARS = 1 << 16


def expand_template(scope: UserScope, user: UserClaims, account: AccountClaims) -> ScopeTemplate:
    """The rights that ``scope`` gives ``user``. Raises ClaimsError if a deny rule cannot be filled in.

    The user is refused then. An allow rule that cannot be filled in is dropped; if none is left, everything is denied.
    """
    values, template = _Values(user, account), scope.template
    return replace(template, pub=_expand(template.pub, values), sub=_expand(template.sub, values))


def _expand(permission: Permission, values: _Values) -> Permission:
    allow = _expand_all(permission.allow, values, strict=False)
    deny = _expand_all(permission.deny, values, strict=True)
    if permission.allow and not allow:
        deny = (*deny, ">")
    return Permission(allow=allow, deny=deny)


def _expand_all(entries: tuple[str, ...], values: _Values, *, strict: bool) -> tuple[str, ...]:
    if not any(_operations(entry) for entry in entries):
        return entries
    found: list[str] = []
    for entry in entries:
        made = _fill(entry, values, strict=strict)
        good = [subject for subject in made if subjects.is_valid(subject)]
        if strict and len(good) < len(made):
            raise ClaimsError(f"template {quoted(entry)}: generated invalid subject")
        found.extend(good)
        _check_count(len(found))
    return tuple(found)


def _fill(entry: str, values: _Values, *, strict: bool) -> list[str]:
    """One subject for each combination of values, the last placeholder turning fastest.

    Values are put in one after the other, each wherever its placeholder stands by then, as nats-server does (2.15): a
    placeholder that stands there twice has one value, and one inside a value is filled in if its turn is yet to come.
    """
    operations = _operations(entry)
    choices = [values.of(operation, entry) for operation in operations]
    for operation, found in zip(operations, choices, strict=True):
        if not found and strict:
            raise ClaimsError(f"generated invalid subject {quoted(entry)}: {quoted(operation)} is not defined")
    _check_count(math.prod(map(len, choices)))
    return [_replaced(entry, operations, combination) for combination in itertools.product(*choices)]


def _replaced(entry: str, operations: list[str], combination: tuple[str, ...]) -> str:
    for operation, value in zip(operations, combination, strict=True):
        placeholder = "{{" + operation + "}}"
        if len(entry) + entry.count(placeholder) * len(value) > MAX_SUBJECT_CHARS:
            raise ClaimsError(f"template expansion exceeds limit: a subject of {MAX_SUBJECT_CHARS} characters")
        entry = entry.replace(placeholder, value)
    return entry


def _check_count(count: int) -> None:
    if count > MAX_SUBJECTS:
        raise ClaimsError(f"template expansion exceeds limit: {MAX_SUBJECTS}")


def _operations(entry: str) -> list[str]:
    """What stands between the braces of every placeholder: anything but a closing brace."""
    found: list[str] = []
    start = entry.find("{{")
    while start >= 0 and (end := entry.find("}", start + 2)) >= 0:
        if end > start + 2 and entry.startswith("}}", end):
            found.append(entry[start + 2 : end])
        start = entry.find("{{", end)
    return found


class _Values:
    """What placeholders stand for."""

    def __init__(self, user: UserClaims, account: AccountClaims) -> None:
        self._texts = {
            "name": user.name,
            "subject": user.subject,
            "account-name": account.name,
            "account-subject": user.nats.issuer_account,
        }
        self._tags = {"tag": user.nats.tags, "account-tag": account.nats.tags}

    def of(self, operation: str, entry: str) -> list[str]:
        """The values of the text between the braces; none for a tag that nobody has."""
        name, bracket, argument = operation.strip().partition("(")
        folded = name.lower()
        if folded in self._texts and bracket + argument == "()":
            return [self._texts[folded]]
        if folded in self._tags and bracket and argument.endswith(")"):
            # nats-server looks for the tags of TAG(k) under "tag(k:" (2.15)
            key = argument[:-1] if name == folded else f"{name}({argument[:-1]}"
            return _tagged(self._tags[folded], key)
        raise ClaimsError(f"template operation in {quoted(entry)}: {quoted(operation)} is not defined")


def _tagged(tags: tuple[str, ...], key: str) -> list[str]:
    prefix = key.lower() + ":"
    return [tag[len(prefix) :] for tag in tags if tag.startswith(prefix)]
