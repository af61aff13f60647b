"""What to type when something stands in the way: for each reason against a message, the commands that mend it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from natskit import subjects
from natskit.graph import Rule, governing_export
from natskit.graph.account import SERVICE
from natskit.store.commands import add_import, delete_import, element

if TYPE_CHECKING:
    from natskit.graph import Export, Reason, Stop
    from natskit.graph.link import ImportAnswer
    from natskit.jwt import Import

    from .question import Question

__all__ = ["remedy_of"]

Commands = list[str]


def remedy_of(question: Question, reason: Reason, stop: Stop | None = None, peer: str = "") -> Commands:
    """The commands that mend what ``reason`` says, in order; none where no command can.

    ``stop`` is where on the route it stands in the way, ``peer`` the id of the account at the other end.
    """
    remedy = _Remedy(question, reason, stop, peer)
    make = _OF_LOGIN.get(reason.rule) or _OF_MESSAGE.get(reason.rule)
    if stop is not None and stop.link is not None and reason.rule in _OF_IMPORT:
        make = _OF_IMPORT[reason.rule]
    return make(remedy) if make is not None else []


def line(*words: str) -> str:
    """A command as it is typed."""
    return " ".join(("nsc", *map(shlex.quote, words)))


class _Remedy:
    """What the commands are made of."""

    def __init__(self, question: Question, reason: Reason, stop: Stop | None, peer: str) -> None:
        self.question = question
        self.reason = reason
        self.stop = stop
        self.peer = peer
        self.account = question.account
        self.user = question.asker.user

    @property
    def link(self) -> ImportAnswer:
        assert self.stop is not None
        assert self.stop.link is not None
        return self.stop.link

    # ---- users and accounts

    def edit_user(self, *flags: str) -> Commands:
        """Change the user, or the role that gives it its rights, or the permissions that it has by default."""
        account = ("--account", self.account)
        if self.question.asker.role is not None:
            return [line("edit", "signing-key", *account, self.question.asker.role, *flags)]
        if self.question.asker.by_default and flags[0].startswith(("--allow", "--rm")):
            return [line("edit", "account", self.account, *flags)]
        return self.edit_token(*flags)

    def edit_token(self, *flags: str) -> Commands:
        """Change the user's own token; its creds are written again in the store, and have to reach the user."""
        return [line("edit", "user", "--account", self.account, self.user, *flags), *self.creds()]

    def creds(self) -> Commands:
        file = f"{self.user}.creds"
        return [line("generate", "creds", "--account", self.account, "--name", self.user, "--output-file", file)]

    def edit_account(self, *flags: str, account: str = "") -> Commands:
        return [line("edit", "account", account or self.account, *flags)]

    # ---- permissions

    def permission(self) -> Commands:
        rule = self.reason.permission
        entry = rule.split('"')[1] if rule.startswith("deny") else ""
        if entry:
            return self.edit_user("--rm", element(entry))
        return self.edit_user(f"--allow-{self.question.verb}", element(self.question.subject))

    def signer(self) -> Commands:
        """Have the user signed by a key that may."""
        claims = self.question.read(self.question.account_id)
        strict = self.question.neighbours.operator.nats.strict_signing_key_usage
        if strict and claims is not None and all(map(claims.nats.scope_of, claims.nats.signing_key_names)):
            return self.edit_account("--sk", "generate")
        return self.reissue()

    def reissue(self, *flags: str) -> Commands:
        return [line("reissue", "user", "--account", self.account, self.user, *flags), *self.creds()]

    def resign_account(self) -> Commands:
        """Have the account signed by a key of the operator that may."""
        operator = self.question.neighbours.operator.nats
        if operator.strict_signing_key_usage and not operator.signing_keys:
            return [line("edit", "operator", "--sk", "generate")]
        return [line("reissue", "account", self.account)]

    def lapsed(self) -> Commands:
        """The account of the question, or one at an end of the import, is not in force."""
        neighbours = self.question.neighbours
        ends = (self.link.importer, self.link.exporter) if self.stop is not None and self.stop.link else ()
        for account_id in ends or (self.question.account_id,):
            model = neighbours.graph.accounts.get(account_id)
            name = neighbours.names.get(account_id, self.account)
            claims = neighbours.claims.get(account_id) or self.question.read(account_id)
            if model is not None and model.fault:
                return [line("validate", "--account", name)]
            if claims is not None and claims.expires and self.question.at >= claims.expires:
                return self.edit_account("--expiry", "1y", account=name)
            if claims is not None and self.question.at < claims.not_before:
                return self.edit_account("--start", "0", account=name)
        return []

    def revoked(self) -> Commands:
        claims = self.question.read(self.question.account_id)
        user = self.question.asker.claims
        own = claims is not None and user is not None and user.subject in claims.nats.revocations
        if own or claims is None:
            return [line("revocations", "delete-user", "--account", self.account, "--name", self.user)]
        return [line("revocations", "delete-user", "--account", self.account, "--user-public-key", "*")]

    def seed(self) -> Commands:
        return self.creds()

    # ---- imports and exports

    @property
    def wanted(self) -> Import:
        """The import that does not work."""
        return self.question.neighbours.claims[self.link.importer].nats.imports[self.link.number]

    def reimport(self) -> Commands:
        """Import anew, with an activation that fits."""
        link, wanted = self.link, self.wanted
        anew = add_import(self.question, self.importer, wanted, link.remote, private=True)
        if link.exporter in self.question.neighbours.names:
            return [*self.unimport(), shlex.join(anew)]
        local = ("--local-subject", wanted.local_subject) if wanted.local_subject else ()
        service = ("--service",) if link.kind == SERVICE else ()
        target = ("--target-account", link.importer, "--subject", link.remote)
        return [
            line("generate", "activation", *target, *service, "--output-file", "activation.jwt"),
            *self.unimport(),
            line("add", "import", "--account", self.importer, "--token", "activation.jwt", *local),
        ]

    def unimport(self) -> Commands:
        return [shlex.join(delete_import(self.question, self.importer, self.wanted))]

    @property
    def importer(self) -> str:
        return self.question.name(self.link.importer)

    def allow_again(self) -> Commands:
        """Take the revocation of an activation back."""
        link = self.link
        service = ("--service",) if link.kind == SERVICE else ()
        export = self.export_of(link.exporter, link.remote, link.kind == SERVICE)
        who = self.importer if export is not None and link.importer in export.revocations else "*"
        where = ("--account", self.question.name(link.exporter), "--subject", self.reason.export)
        return [line("revocations", "delete-activation", *where, *service, "--target-account", who)]

    def export(self) -> Commands:
        link = self.link
        service = ("--service",) if link.kind == SERVICE else ()
        return [
            line("add", "export", "--account", self.question.name(link.exporter), "--subject", link.remote, *service)
        ]

    def own_position(self) -> Commands:
        """Import the subject that has the importer's key where the export wants it."""
        link = self.link
        export = self.export_of(link.exporter, link.remote, link.kind == SERVICE)
        if export is None or not export.account_token_position:
            return self.unimport()
        tokens = subjects.tokens(link.remote)
        tokens[export.account_token_position - 1 : export.account_token_position] = [link.importer]
        anew = add_import(self.question, self.importer, self.wanted, ".".join(tokens), private=False)
        return [*self.unimport(), shlex.join(anew)]

    def connect(self) -> Commands:
        """Share between the account of the question and its peer, where nothing is shared."""
        here, there = self.question.account_id, self.peer
        exporter, importer = (there, here) if self.question.verb == "sub" else (here, there)
        subject = self.question.subject
        export = self.export_of(exporter, subject, service=False)
        names = self.question.name(exporter), self.question.name(importer)
        commands = [] if export else [line("add", "export", "--account", names[0], "--subject", subject)]
        private = ("--private",) if export is not None and export.token_required else ()
        wanted = ("--src-account", names[0], "--remote-subject", subject)
        return [*commands, line("add", "import", "--account", names[1], *wanted, *private)]

    def export_of(self, exporter: str, subject: str, service: bool) -> Export | None:
        model = self.question.neighbours.graph.accounts.get(exporter)
        return governing_export(model, SERVICE if service else "stream", subject) if model is not None else None

    def unmap(self) -> Commands:
        assert self.stop is not None
        return [
            line("delete", "mapping", "--account", self.question.name(self.stop.account), "--from", self.reason.mapping)
        ]


_OF_LOGIN: dict[Rule, Callable[[_Remedy], Commands]] = {
    Rule.USER_EXPIRED: lambda it: it.edit_token("--expiry", "1y"),
    Rule.USER_NOT_YET_VALID: lambda it: it.edit_token("--start", "0"),
    Rule.USER_TOKEN: lambda it: [line("validate", "--account", it.account)],
    Rule.UNKNOWN_ACCOUNT: lambda it: [line("list", "accounts"), line("pull", "--all")],
    Rule.ACCOUNT_SIGNER: _Remedy.resign_account,
    Rule.ACCOUNT_NOT_IN_FORCE: _Remedy.lapsed,
    Rule.ACCOUNT_INVALID: lambda it: [line("validate", "--account", it.account)],
    Rule.USER_SIGNER: _Remedy.signer,
    Rule.SCOPE: lambda it: it.reissue("--as-role", "--private-key", it.question.asker.role or "ROLE"),
    Rule.BEARER: lambda it: it.edit_user("--bearer=false"),
    Rule.CONNECTION_TYPE: lambda it: it.edit_user("--conn-type", it.question.connection_type),
    Rule.SEED: _Remedy.seed,
    Rule.USER_REVOKED: _Remedy.revoked,
    Rule.SOURCE_ADDRESS: lambda it: it.edit_user("--source-network", _network(it.question.address)),
    Rule.TIME_OF_DAY: lambda it: it.edit_user("--time", "00:00:00-23:59:59"),
    Rule.CONNECTION_LIMIT: lambda it: it.edit_account("--conns", "-1"),
    Rule.SUBSCRIPTION_LIMIT: lambda it: (
        it.edit_user("--subs", "-1") if "the user" in it.reason.text else it.edit_account("--subscriptions", "-1")
    ),
    Rule.PAYLOAD_LIMIT: lambda it: (
        it.edit_user("--payload", "-1") if "the user" in it.reason.text else it.edit_account("--payload", "-1")
    ),
}

_OF_MESSAGE: dict[Rule, Callable[[_Remedy], Commands]] = {
    Rule.PERMISSION: _Remedy.permission,
    Rule.MAPPING: _Remedy.unmap,
    Rule.NO_IMPORT: _Remedy.connect,
}

_OF_IMPORT: dict[Rule, Callable[[_Remedy], Commands]] = {
    Rule.UNKNOWN_ACCOUNT: lambda it: [line("pull", "--all")],
    Rule.ACCOUNT_NOT_IN_FORCE: _Remedy.lapsed,
    Rule.NO_EXPORT: _Remedy.export,
    Rule.OTHER_ACCOUNT_TOKEN: _Remedy.own_position,
    Rule.ACTIVATION_REVOKED: _Remedy.allow_again,
    Rule.LOCAL_SUBJECT: _Remedy.unimport,
    Rule.DUPLICATE: _Remedy.unimport,
    Rule.CYCLE: _Remedy.unimport,
} | dict.fromkeys(
    (
        Rule.NO_ACTIVATION,
        Rule.ACTIVATION_INVALID,
        Rule.ACTIVATION_FOREIGN,
        Rule.ACTIVATION_OTHER_ACCOUNT,
        Rule.ACTIVATION_OTHER_KIND,
        Rule.ACTIVATION_OTHER_SUBJECT,
        Rule.ACTIVATION_NOT_YET_VALID,
        Rule.ACTIVATION_EXPIRED,
    ),
    _Remedy.reimport,
)


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
