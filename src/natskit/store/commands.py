"""The commands that mend something, as words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from natskit.jwt import Import

    from .doctor.survey import Survey

__all__ = [
    "Command",
    "add_import",
    "delete_import",
    "edit_account",
    "edit_operator",
    "edit_user",
    "element",
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


def delete_import(names: Names, account: str, each: Import) -> Command:
    """``nsc delete import`` for one import."""
    source = ("--src-account", names.display(each.account))
    return ("nsc", "delete", "import", "-a", account, "--subject", each.subject, *source)


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
    exporter = survey.names.get(each.account, "")
    if not survey.can_edit(account) or (private and not (exporter and survey.can_issue(exporter))):
        return ()
    anew = add_import(survey, account, each, remote or each.remote_subject, private=private)
    return delete_import(survey, account, each), anew
