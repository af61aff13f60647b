"""The commands that mend something, as words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from natskit import subjects
from natskit.errors import InvalidSubject
from natskit.subjects import Transform

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Export, Import

    from .doctor.survey import Survey

__all__ = [
    "Command",
    "add_import",
    "delete_import",
    "edit_account",
    "edit_operator",
    "edit_user",
    "element",
    "left_of",
    "overlapping_exports",
    "remade_import",
    "revocations",
    "typed",
]


Command = tuple[str, ...]
"""A command line, word by word."""


def typed(*words: str) -> str:
    """``nsc`` and these words as one types them in a shell."""
    import shlex

    return shlex.join(("nsc", *words))


def element(text: str) -> str:
    """``text`` as the one element of a flag that takes a list."""
    if "," not in text and '"' not in text:
        return text
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


class Names(Protocol):
    """Who knows what accounts are called."""

    def display(self, key: str) -> str:
        """The name of the account with this key; the key if there is none."""


def edit_operator(*flags: str) -> Command:
    """``nsc edit operator``."""
    return ("nsc", "edit", "operator", *flags)


def edit_account(account: str, *flags: str) -> Command:
    """``nsc edit account``."""
    return ("nsc", "edit", "account", "-n", account, *flags)


def edit_user(account: str, user: str, *flags: str) -> Command:
    """``nsc edit user``."""
    return ("nsc", "edit", "user", "-a", account, "-n", user, *flags)


def revocations(verb: str, account: str, *flags: str) -> Command:
    """``nsc revocations add-user`` and its like."""
    return ("nsc", "revocations", verb, "-a", account, *flags)


def delete_import(names: Names, account: str, claims: AccountClaims, each: Import) -> Command:
    """``nsc delete import`` for one import of an account with ``claims``."""
    source = ("--src-account", names.display(each.account))
    alike = {
        one.is_service for one in claims.nats.imports if (one.account, one.subject) == (each.account, each.subject)
    }
    kind = () if len(alike) < 2 else ("--service",) if each.is_service else ("--service=false",)
    return ("nsc", "delete", "import", "-a", account, "--subject", each.subject, *source, *kind)


def add_import(names: Names, account: str, each: Import, remote: str, *, private: bool) -> Command:
    """``nsc add import`` that makes ``each`` anew with the exporter's subject ``remote``, under the same local name."""
    flags: list[str] = []
    if each.is_service and each.to:
        flags += ["--local-subject", each.subject]
    elif each.to:
        flags += ["--prefix", each.to.removesuffix(".>").removesuffix(".")]
    elif each.local_subject and each.local_subject != remote:
        flags += ["--local-subject", each.local_subject]
    if each.name and each.name != remote:
        flags += ["--name", each.name]
    wanted = {"service": each.is_service, "private": private, "share": each.share, "allow-trace": each.allow_trace}
    flags += [f"--{name}" for name, on in wanted.items() if on]
    source = names.display(each.account)
    return ("nsc", "add", "import", "-a", account, "--src-account", source, "--remote-subject", remote, *flags)


def remade_import(
    survey: Survey, account: str, each: Import, remote: str = "", *, private: bool = False
) -> tuple[Command, ...]:
    """Delete an import and add it again; empty if a key that is needed is not here."""
    claims, exporter = survey.accounts[account].claims, survey.names.get(each.account, "")
    if claims is None or not survey.can_edit(account) or (private and not (exporter and survey.can_issue(exporter))):
        return ()
    anew = add_import(survey, account, each, remote or each.remote_subject, private=private)
    return delete_import(survey, account, claims, each), anew


# ---- exports that no longer cover an import


def overlapping_exports(exporter: AccountClaims, kind: str, subject: str) -> list[Export]:
    """The exports beside which none of ``subject`` can be made: those of a kind may not overlap."""
    return [
        export for export in exporter.nats.exports if export.type == kind and subjects.overlaps(export.subject, subject)
    ]


def left_of(exports: Sequence[Export], each: Import) -> Export | None:
    """The one of ``exports`` that an import could be made of, which none covers any more; None if it is not one."""
    parts = [export for export in exports if subjects.covers(each.remote_subject, export.subject)]
    if len(parts) != 1 or parts[0].account_token_position or not _can_be_called(each, parts[0].subject):
        return None
    return parts[0]


def _can_be_called(each: Import, remote: str) -> bool:
    """Whether the local name of an import goes with another subject of the exporter."""
    if not each.local_subject:
        return True
    try:
        Transform.compile(remote, each.local_subject, strict=True)
    except InvalidSubject:
        return False
    return True
