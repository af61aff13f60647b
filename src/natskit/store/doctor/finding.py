"""What the doctor can find: the codes, how bad each is, and why it matters; `docs/doctor.md` lists them with fixes."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from ..commands import Command

__all__ = ["CODES", "MAX_PAIRS", "Complaint", "Finding", "Severity", "when"]

Severity = Literal["error", "warning", "note"]
"""From the worst: something does not work; it soon will not, or is unsafe; good to know."""


MAX_PAIRS = 1_000
"""So many pairs of one account that do not go together are told; a token has room for millions."""


class Complaint(msgspec.Struct, frozen=True):
    """What a code stands for."""

    severity: Severity
    why: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: the code, a sentence with the values, where it is, and commands against it.

    ``about`` is the subject of an import, export or mapping, or a key; ``path`` a file. ``fix`` are commands to run in
    this order; ``instead`` are those of another way out, such as giving up what does not work. ``safe`` says that the
    fix changes no token, key or permission to do anything, so that it may be done unasked.
    """

    code: str
    text: str
    account: str = ""
    user: str = ""
    about: str = ""
    path: str = ""
    fix: tuple[Command, ...] = ()
    instead: tuple[Command, ...] = ()
    safe: bool = False

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code].severity

    @property
    def why(self) -> str:
        """Why it matters."""
        return CODES[self.code].why


def when(moment: int) -> str:
    """Unix seconds as people read them."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (ValueError, OverflowError, OSError):
        return f"{moment} (Unix seconds)"


def _error(why: str) -> Complaint:
    return Complaint("error", why)


def _warning(why: str) -> Complaint:
    return Complaint("warning", why)


def _note(why: str) -> Complaint:
    return Complaint("note", why)


_DROPPED = "Servers drop such an import without a word: nothing arrives through it."
_REFUSED = "Servers refuse the account as a whole: its users cannot log in, and who imports from it gets nothing."
_LOGIN = "Servers refuse the user's login."
_LEAVES = "When it ends, servers refuse the token and close the connections that rest on it."

CODES: dict[str, Complaint] = {
    # the operator
    "operator-damaged": _error("Nothing below can be trusted without it, and servers do not start with it."),
    "operator-invalid": _error("Servers may refuse to start with it."),
    "operator-old": _error("Commands of today refuse it: only NSC_PROFILE=2019 works on version 1 tokens."),
    "operator-expired": _error("Tools and account servers refuse an operator that is over."),
    "operator-expiring": _warning("When it ends, tools and account servers refuse it."),
    "operator-keys-missing": _note("No account can be added or changed here, unless you give the key with -K."),
    "operator-no-signing-key": _note(
        "The identity key signs every account. If it leaks, the operator is lost; a signing key can be replaced."
    ),
    "system-account-unset": _note("Servers that take accounts from nsc push cannot be set up without one."),
    "system-account-missing": _error("Servers do not start, or nobody can push to them, without the system account."),
    "system-account-jetstream": _error("Servers refuse JetStream in the system account."),
    # accounts
    "account-damaged": _error(_REFUSED),
    "account-without-token": _warning("Its users are invisible to every command and to every server."),
    "account-duplicate": _error("Servers know one account for a key: pushing one takes the other away."),
    "account-renamed": _note("Commands go by the file's name, servers and tools show the one in the token."),
    "account-expired": _error(_REFUSED),
    "account-expiring": _warning(_LEAVES),
    "account-early": _error(_REFUSED),
    "account-untrusted": _error(_REFUSED),
    "account-self-signed": _warning("Servers take the account only after its operator has signed it."),
    "account-over-limits": _error(_REFUSED),
    "account-invalid": _error(_REFUSED),
    "account-doubtful": _note("Servers take it, but it says something that it should not."),
    "account-keys-missing": _note("No user or activation can be issued here, unless you give the key with -K."),
    "mapping-invalid": _error(_REFUSED),
    "mapping-drops": _warning("The share of the messages that no destination takes is lost."),
    "mapping-ambiguous": _warning("nats-server decides by chance which of the two mappings applies."),
    "callout-user-unknown": _warning("If nobody holds that user, nobody can answer logins: every login is refused."),
    # imports
    "import-exporter-unknown": _warning("If the servers do not have that account either, nothing arrives."),
    "import-exporter-refused": _error(_DROPPED),
    "import-no-export": _error(f"{_DROPPED} An export that is not private is open to every account."),
    "import-token-position": _error(_DROPPED),
    "import-local-subject": _error(_DROPPED),
    "import-duplicate": _error("Servers drop the second of two such imports without a word."),
    "import-cycle": _error("Servers drop an import of a cycle, or all of them; which, may depend on who is first."),
    "import-old-prefix": _error("nats-server drops an import whose prefix has a wildcard, natskit does not."),
    "import-old-form": _note("It works, but newer tools may not show or keep this form of 2019."),
    "import-clash": _warning("A request on that name reaches all of the exporters; the first answer counts."),
    "import-mixed": _note("What different exporters send arrives under one name: fine if that is meant."),
    "activation-missing": _error(_DROPPED),
    "activation-invalid": _error("The token is not an activation, or forged: servers refuse the account as a whole."),
    "activation-foreign": _error(_DROPPED),
    "activation-misfit": _error("It was issued for something else: servers refuse the account as a whole."),
    "activation-early": _error(_DROPPED),
    "activation-expired": _error(_DROPPED),
    "activation-expiring": _warning("When it ends, the import is dropped without a word."),
    "activation-revoked": _error(_DROPPED),
    "activation-unneeded": _note(
        "The export is public, its token is not looked at. If it should be private, it is not."
    ),
    # exports
    "export-unreachable": _warning("Importers wait for messages that nobody can send, or ask what nobody can answer."),
    "export-unimported": _note("No account of this store imports it."),
    "revocation-activation-undone": _note("A newer activation is in use: the revocation does not touch it."),
    "revocation-useless": _note("A revocation of activations does nothing for an export that needs none."),
    # users
    "user-damaged": _error("Every command on the user fails, and nobody can log in with such a token."),
    "user-expired": _warning(_LOGIN),
    "user-expiring": _warning(_LEAVES),
    "user-early": _warning(_LOGIN),
    "user-invalid": _error(_LOGIN),
    "user-untrusted": _error(_LOGIN),
    "user-strict": _error("The operator is strict: servers refuse users that the account's identity key signed."),
    "user-scoped-rights": _error("A role decides what its users may do: servers refuse one with rights of its own."),
    "user-template": _error("The role's template cannot be filled in for this user: servers refuse the login."),
    "user-bearer": _error("The account forbids bearer tokens: servers refuse the login."),
    "user-revoked": _warning(_LOGIN),
    "user-duplicate": _warning("A revocation of one is a revocation of both, and creds do not tell them apart."),
    "permission-dead": _warning("A deny entry wins over an allow entry: what is allowed here never happens."),
    "revocation-undone": _note("The user was issued again since: its new token is not revoked."),
    "revocation-future": _warning("What is issued until that time is refused too, new users and creds included."),
    "revocation-redundant": _note("The revocation of all users says the same; tokens grow with each entry."),
    # keys and creds
    "keystore-outdated": _error("Every command but keys migrate refuses to work with keys in their place of 2019."),
    "key-damaged": _error("Whatever should be signed with it cannot be."),
    "key-missing": _note("Good if it is kept elsewhere on purpose; else what it signs cannot be issued again."),
    "signing-key-unused": _note(
        "A key that signs nothing is a risk; once it is removed, what it signed elsewhere is refused."
    ),
    "key-orphan": _note("It belongs to nobody in these stores. A secret that nobody needs is a risk."),
    "creds-missing": _note("Tools that log in as the user look for this file."),
    "creds-damaged": _error("Nobody can log in with them."),
    "creds-outdated": _warning("They hold another token than the store: other rights, another end, perhaps revoked."),
    "creds-orphan": _warning("The user is gone here, but its creds log in as long as their token holds."),
    # files
    "secret-readable": _error("Whoever can read a seed or creds can log in, or sign, in its name."),
    "secret-shared": _note("Whoever is in the group can log in, or sign, in its name: fine if that is meant."),
    "file-writable": _warning("Whoever can write there can replace keys and tokens, or make commands write elsewhere."),
    "file-leftover": _note("A command that was killed left it; nothing reads it."),
    "journal-pending": _warning("A command was killed while it wrote, and this user may not settle it."),
    # servers, with --servers
    "server-silent": _error("Nothing can be pushed to it, and what it holds is not known."),
    "server-missing": _warning("Its users cannot log in there, and who imports from it gets nothing."),
    "server-older": _warning("What was changed here is not in force there, revocations included."),
    "server-newer": _warning("It was changed elsewhere: an edit and a push from here would undo that."),
    "server-unknown": _note("It was deleted here, or made elsewhere: its users can still log in."),
}
