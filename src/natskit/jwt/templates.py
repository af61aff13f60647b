"""Templates of scoped signing keys, filled in for one user when it connects.

``{{name()}}``, ``{{subject()}}``, ``{{account-name()}}``, ``{{account-subject()}}``, ``{{tag(k)}}`` and
``{{account-tag(k)}}`` stand in the subjects of a template. Several tags of a name give one subject for
each combination.

Source: spec/nkeys-and-jwt.md section 8.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from natskit import subjects
from natskit.errors import ClaimsError
from natskit.jwt.account import AccountClaims, UserScope
from natskit.jwt.body import Permission, ScopeTemplate
from natskit.jwt.user import UserClaims

MAX_SUBJECTS = 4096


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
    if not any(_placeholder(entry) for entry in entries):
        return entries
    found: list[str] = []
    for entry in entries:
        made = _fill(entry, values, strict=strict)
        good = [subject for subject in made if subjects.is_valid(subject)]
        if strict and len(good) < len(made):
            raise ClaimsError(f'template "{entry}": generated invalid subject')
        found.extend(good)
        if len(found) > MAX_SUBJECTS:
            raise ClaimsError(f"template expansion exceeds limit: {MAX_SUBJECTS}")
    return tuple(found)


def _fill(entry: str, values: _Values, *, strict: bool) -> list[str]:
    """One subject for each combination of values, the last placeholder turning fastest."""
    results = [entry]
    while operation := _placeholder(results[0]):
        choices = values.of(operation)
        if not choices:
            if strict:
                raise ClaimsError(f'generated invalid subject "{entry}": "{operation}" is not defined')
            return []
        # A placeholder that occurs again gets the same value: all occurrences are replaced together.
        results = [result.replace("{{" + operation + "}}", choice) for result in results for choice in choices]
        if len(results) > MAX_SUBJECTS:
            raise ClaimsError(f"template expansion exceeds limit: {MAX_SUBJECTS}")
    return results


def _placeholder(entry: str) -> str | None:
    """The text between the first ``{{`` and its ``}}``, if there is any and it holds no brace."""
    start = entry.find("{{")
    while start >= 0:
        end = entry.find("}", start + 2)
        if end > start + 2 and entry.startswith("}}", end):
            return entry[start + 2 : end]
        start = entry.find("{{", start + 1)
    return None


class _Values:
    """What placeholders stand for."""

    def __init__(self, user: UserClaims, account: AccountClaims) -> None:
        self.user = user
        self.account = account

    def of(self, operation: str) -> list[str]:
        """The values of the text between the braces; none for a tag that nobody has."""
        name, bracket, rest = operation.strip().partition("(")
        argument = rest[:-1] if rest.endswith(")") else None
        if not bracket or argument is None:
            raise _unknown(operation)
        read = self._readers().get(name.lower())
        if read is None or bool(argument) != name.lower().endswith("tag"):
            raise _unknown(operation)
        return [value for value in read(argument) if "{{" not in value]

    def _readers(self) -> dict[str, Callable[[str], list[str]]]:
        return {
            "name": lambda _: [self.user.name],
            "subject": lambda _: [self.user.subject],
            "account-name": lambda _: [self.account.name],
            "account-subject": lambda _: [self.user.nats.issuer_account],
            "tag": lambda key: _tagged(self.user.nats.tags, key),
            "account-tag": lambda key: _tagged(self.account.nats.tags, key),
        }


def _tagged(tags: tuple[str, ...], key: str) -> list[str]:
    prefix = key.lower() + ":"
    return [tag[len(prefix) :] for tag in tags if tag.startswith(prefix)]


def _unknown(operation: str) -> ClaimsError:
    return ClaimsError(f'template operation in "{{{{{operation}}}}}": "{operation}" is not defined')
