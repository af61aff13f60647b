"""What accounts share: exports, imports, and the activations between them, as edits of account claims.

Everything here is pure: claims in, claims out. Whoever calls holds the lock, signs and commits.

Source: spec/nsc-commands.md 3.5 and 3.7, spec/nsc.md 8.3 for the prefixes of 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit import subjects
from natskit.errors import AlreadyExists, ClaimsError, InvalidToken, NotFound, UsageError

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, ActivationClaims, Export, Import

__all__ = [
    "activation_for",
    "as_in_2019",
    "check_new_issues",
    "find_export",
    "import_of",
    "prefixed",
    "private_exports",
    "why_not_delivered",
    "with_changed_export",
    "with_export",
    "with_import",
    "without_export",
    "without_import",
]


# ---- exports


def with_export(claims: AccountClaims, export: Export, now: int) -> AccountClaims:
    """The claims with one more export. Raises ClaimsError with the first thing that is wrong with it."""
    account = claims.nats
    after = replace(claims, nats=replace(account, exports=(*account.exports, export)))
    check_new_issues(claims, after, now)
    return after


def with_changed_export(claims: AccountClaims, before: Export, after: Export, now: int) -> AccountClaims:
    """The claims with ``after`` in place of the export ``before``. Raises ClaimsError, UsageError."""
    if after.token_req and after.account_token_position:
        raise UsageError(
            "account token position is only valid for public exports",
            hint=f'the importer\'s key stands at position {after.account_token_position} of "{after.subject}" already',
        )
    exports = tuple(after if each is before else each for each in claims.nats.exports)
    changed = replace(claims, nats=replace(claims.nats, exports=exports))
    check_new_issues(claims, changed, now)
    return changed


def without_export(claims: AccountClaims, subject: str) -> tuple[AccountClaims, Export]:
    """The claims without the export of ``subject`` (default: the only one), and that export. Raises NotFound."""
    export = find_export(claims, subject)
    rest = tuple(each for each in claims.nats.exports if each is not export)
    return replace(claims, nats=replace(claims.nats, exports=rest)), export


def find_export(claims: AccountClaims, subject: str) -> Export:
    """The export of exactly ``subject``, default the only one. Raises NotFound, UsageError."""
    exports = claims.nats.exports
    if not exports:
        raise NotFound(f'account "{claims.name}" doesn\'t have exports')
    if not subject and len(exports) == 1:
        return exports[0]
    have = _quoted_list([each.subject for each in exports])
    if not subject:
        raise UsageError("subject is required", hint=f"the account exports {have}")
    for each in exports:
        if each.subject == subject:
            return each
    raise NotFound(f'no export matching "{subject}" found', hint=f"the account exports {have}")


# ---- imports


def with_import(claims: AccountClaims, new: Import, now: int) -> AccountClaims:
    """The claims with one more import. Raises UsageError, AlreadyExists, ClaimsError."""
    account = claims.nats
    if new.account == claims.subject:
        raise UsageError(
            "export issuer is this account", hint=f'"{new.subject}" is what account "{claims.name}" exports itself'
        )
    for each in account.imports:
        if (each.type, each.remote_subject, each.account) == (new.type, new.remote_subject, new.account):
            from .commands import typed

            raise AlreadyExists(
                f'account already imports {each.type} "{each.remote_subject}" from {each.account}',
                hint="to change it: "
                + typed("delete", "import", "--account", claims.name, "--subject", each.remote_subject),
            )
    after = replace(claims, nats=replace(account, imports=(*account.imports, new)))
    check_new_issues(claims, after, now)
    return after


def without_import(
    claims: AccountClaims, subject: str, source: str, *, service: bool | None = None
) -> tuple[AccountClaims, Import]:
    """The claims without the import of ``subject`` (default: the only one), and that import.

    ``source``, an account key, decides where several accounts export the subject, ``service`` where one exports a
    stream and a service of that name. Raises NotFound, UsageError.
    """
    found = _find_import(claims, subject, source, service)
    rest = tuple(each for each in claims.nats.imports if each is not found)
    return replace(claims, nats=replace(claims.nats, imports=rest)), found


def _find_import(claims: AccountClaims, subject: str, source: str, service: bool | None) -> Import:
    imports = claims.nats.imports
    if not imports:
        raise NotFound(f'account "{claims.name}" doesn\'t have imports')
    if not subject and len(imports) > 1:
        have = _quoted_list([each.remote_subject for each in imports])
        raise UsageError("subject is required", hint=f"the account imports {have}")
    wanted = [each for each in imports if service is None or each.is_service is service]
    found = [each for each in wanted if not subject or each.remote_subject == subject]
    # The service imports of 2019 are found by what they are called here as well, which is their ``subject``.
    found = found or [each for each in wanted if each.subject == subject]
    if len(found) > 1 and source:
        found = [each for each in found if each.account == source]
    if not found:
        from_source = f" from account {source}" if source else ""
        raise NotFound(f'no import matching "{subject}" found{from_source}')
    sources = dict.fromkeys(each.account for each in found)
    if len(sources) > 1:
        listed = ", ".join(sources)
        raise UsageError(f'more than one import "{subject}" found - specify --src-account with one of {listed}')
    if len({each.type for each in found}) > 1:
        raise UsageError(
            f'more than one import "{subject}" found, a stream and a service', hint="add --service, or --service=false"
        )
    return found[-1]


def import_of(token: str) -> Import:
    """The import that an activation token grants, as today's tool makes it. Raises InvalidToken, VerifyError."""
    from natskit.jwt import ActivationClaims, Import, decode

    claims = decode(token, ActivationClaims)
    body = claims.nats
    return Import(
        name=claims.name or body.subject,
        subject=body.subject,
        account=claims.exporter,
        token=token,
        type=body.kind,
        local_subject=body.subject if body.kind == "service" else "",
    )


def check_importer(token: str, importer: AccountClaims) -> None:
    """Raises InvalidToken unless the activation is for ``importer``."""
    from natskit.jwt import ActivationClaims, decode

    target = decode(token, ActivationClaims).subject
    if target != importer.subject:
        raise InvalidToken(
            f'activation is not intended for this account - it is for "{target}"',
            hint=f'this account is "{importer.name}" ({importer.subject}): choose another with --account',
        )


def prefixed(prefix: str, subject: str) -> str:
    """The renaming that puts ``prefix`` before a subject, ``abc`` and ``a.*.>`` giving ``abc.a.$1.>``.

    Raises UsageError if the prefix has wildcards, InvalidSubject.
    """
    prefix = prefix.removesuffix(".>").removesuffix(".")
    subjects.validate(prefix)
    if subjects.has_wildcard(prefix):
        raise UsageError(f'the prefix "{prefix}" cannot have wildcards', hint="to rearrange subjects: --local-subject")
    count = 0
    parts = []
    for token in subject.split("."):
        count += token == "*"
        parts.append(f"${count}" if token == "*" else token)
    return ".".join([prefix, *parts])


def as_in_2019(new: Import, name: str, local: str, *, from_token: bool) -> Import:
    """An import as the tool of 2019 stored it: ``to`` is a stream's prefix, but the remote subject of a service.

    Both default to the remote subject, and the name of an import without a token to the local one. Raises UsageError
    for a service with wildcards.
    """
    remote, local = new.subject, local or new.subject
    name = name or (new.name if from_token else local)
    if new.is_stream:
        return replace(new, name=name, to=local, local_subject="")
    if subjects.has_wildcard(remote):
        raise UsageError("imported services cannot have wildcards", hint=f'import one subject of "{remote}"')
    return replace(new, name=name, subject=local, to=remote, local_subject="")


def why_not_delivered(importer: AccountClaims, exporter: AccountClaims, wanted: Import, now: int) -> str:
    """Why nothing will arrive through an import, in a sentence; empty if all is well."""
    from natskit.graph import Account, Graph

    graph = Graph([Account.from_claims(exporter), Account.from_claims(importer)], now)
    for each, answer in zip(importer.nats.imports, graph.imports_of(importer.subject), strict=True):
        if each == wanted:
            return "" if answer.because else answer.because.text
    return ""


# ---- activations


def private_exports(claims: AccountClaims, kind: str = "") -> list[Export]:
    """The exports that need an activation, of ``kind`` if that is not empty. Raises NotFound if there is none."""
    exports = claims.nats.exports
    if not exports:
        raise NotFound(f'account "{claims.name}" doesn\'t have exports')
    found = [each for each in exports if each.token_req and (not kind or each.type == kind)]
    if not found:
        kinds = f"{kind} exports" if kind else "exports"
        raise NotFound(
            f'account "{claims.name}" doesn\'t have {kinds} that require an activation token',
            hint="a public export is imported without one",
        )
    return found


def activation_for(
    exporter: AccountClaims, target: str, subject: str, kind: str = ""
) -> tuple[ActivationClaims, Export]:
    """Claims by which ``exporter`` lets the account ``target`` (a key) import ``subject``, and the export they open.

    The subject must lie in a private export; it defaults to that of the only one. Raises NotFound, UsageError.
    """
    from natskit.jwt import Activation, new_activation

    exports = private_exports(exporter, kind)
    have = _quoted_list([each.subject for each in exports])
    if not subject and len(exports) > 1:
        raise UsageError("a subject is required", hint=f"the account's private exports are {have}")
    subject = subject or exports[0].subject
    subjects.validate(subject)
    export = next((each for each in exports if subjects.covers(each.subject, subject)), None)
    if export is None:
        raise NotFound(
            f'a private export for "{subject}" was not found in account "{exporter.name}"',
            hint=f"its private exports are {have}",
        )
    if target == exporter.subject:
        raise UsageError("an account needs no activation for its own exports", hint="name the importer")
    claims = new_activation(target, subject)
    return replace(claims, nats=Activation(subject=subject, kind=export.type)), export


# ---- validation


def check_new_issues(before: AccountClaims, after: AccountClaims, now: int) -> None:
    """Raises ClaimsError with the first finding that blocks and that an edit has brought in."""
    from natskit.jwt import issues

    known = [each.text for each in issues(before, now) if each.blocking]
    found = []
    for each in issues(after, now):
        if each.blocking and each.text in known:
            known.remove(each.text)
        elif each.blocking:
            found.append(each)
    if found:
        raise ClaimsError(found[0].text, issues=found)


def _quoted_list(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown
