"""What to type when something stands in the way: for each reason against a message, the commands that mend it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from natskit import subjects
from natskit.graph import Rule, governing_export
from natskit.graph.account import SERVICE
from natskit.store.commands import add_import, delete_import, element, left_of, overlapping_exports, typed

if TYPE_CHECKING:
    from natskit.graph import Export, Reason, Stop
    from natskit.graph.link import ImportAnswer
    from natskit.jwt import Import, UserScope

    from .question import Question

__all__ = ["NOTHING", "Remedy", "remedy_of"]

Commands = list[str]


class Remedy(NamedTuple):
    """The commands that mend something, in order, and what they allow beyond what was asked; both may be empty."""

    commands: list[str]
    caution: str = ""

    def at(self, places: Sequence[str]) -> Remedy:
        """The same, with the flags of `Run.places`."""
        return Remedy([" ".join((command, *map(shlex.quote, places))) for command in self.commands], self.caution)


NOTHING = Remedy([])


def remedy_of(question: Question, reason: Reason, stop: Stop | None = None, peer: str = "") -> Remedy:
    """What mends what ``reason`` says; `NOTHING` where no command can.

    ``stop`` is where on the route it stands in the way, ``peer`` the id of the account at the other end.
    """
    remedy = _Remedy(question, reason, stop, peer)
    make = _OF_LOGIN.get(reason.rule) or _OF_MESSAGE.get(reason.rule)
    if stop is not None and stop.link is not None and reason.rule in _OF_IMPORT:
        make = _OF_IMPORT[reason.rule]
    commands = make(remedy) if make is not None else []
    return Remedy(commands, "; ".join(remedy.cautions)) if commands else NOTHING


class _Remedy:
    """What the commands are made of."""

    def __init__(self, question: Question, reason: Reason, stop: Stop | None, peer: str) -> None:
        self.question = question
        self.reason = reason
        self.stop = stop
        self.peer = peer
        self.account = question.account
        self.user = question.asker.user
        self.cautions: list[str] = []

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
            self.cautions.append(f'for every user of the role "{self.question.asker.role}"')
            return [typed("edit", "signing-key", *account, self.question.asker.role, *flags)]
        if self.question.asker.by_default and flags[0].startswith(_PERMISSION_FLAGS):
            self.cautions.append(f"for every user of {self.account} without permissions of its own")
            return [typed("edit", "account", self.account, *flags)]
        return self.edit_token(*flags)

    def edit_token(self, *flags: str) -> Commands:
        """Change the user's own token; its creds are written again in the store, and have to reach the user."""
        return [typed("edit", "user", "--account", self.account, *self.name, *flags), *self.creds()]

    @property
    def name(self) -> tuple[str, ...]:
        """The user as an argument; a name that looks like a flag must be the value of one."""
        return ("--name", self.user) if self.user.startswith("-") else (self.user,)

    def creds(self) -> Commands:
        file = f"{self.user}.creds"
        return [typed("generate", "creds", "--account", self.account, "--name", self.user, "--output-file", file)]

    def damaged_creds(self) -> Commands:
        """Made anew, if the store has the user whose token is in them."""
        store, names = self.question.run.workspace.operator(), self.question.neighbours.names.values()
        return self.creds() if self.account in names and self.user in store.users(self.account) else []

    def pull(self) -> Commands:
        """Servers may know an account that the store does not."""
        return [typed("pull", "--all")] if self.question.neighbours.operator.nats.account_server_url else []

    def edit_account(self, *flags: str, account: str = "") -> Commands:
        return [typed("edit", "account", account or self.account, *flags)]

    # ---- permissions

    def permission(self) -> Commands:
        rule = self.reason.permission
        if rule.startswith("deny"):
            return self.undeny(rule.removeprefix('deny "').removesuffix('"'))
        subject = self.stop.flow.subject if self.stop is not None else self.question.subject
        queue = f" {self.question.queue}" if self.question.queue else ""
        return self.edit_user(f"--allow-{self.question.verb}", element(subject + queue))

    def undeny(self, entry: str) -> Commands:
        """Take a deny entry away, and put back what ``--rm`` takes out of the other lists with it.

        An entry that a template makes for the user stands in no list.
        """
        kept = self.lists()
        if entry not in kept.pop(f"--deny-{self.question.verb}"):
            return []
        if entry != self.question.subject:
            self.cautions.append(f'all of "{entry}" is allowed then, as far as allow entries go')
        commands = self.edit_user("--rm", element(entry))
        again = [flag for flag, entries in kept.items() if entry in entries]
        if again:
            flags = [word for flag in again for word in (flag, element(entry))]
            commands[1:1] = self.edit_user(*flags)[:1]
        self.cautions = list(dict.fromkeys(self.cautions))
        return commands

    def lists(self) -> dict[str, tuple[str, ...]]:
        """The lists of permissions that `edit_user` changes, by their flags."""
        asker, claims = self.question.asker, self.question.read(self.question.account_id)
        scope = self.scope()
        if scope is not None:
            held = scope.template.permissions
        elif asker.by_default and claims is not None:
            held = claims.nats.default_permissions
        else:
            assert asker.claims is not None
            held = asker.claims.nats.permissions
        lists = {"allow-pub": held.pub.allow, "deny-pub": held.pub.deny}
        lists |= {"allow-sub": held.sub.allow, "deny-sub": held.sub.deny}
        return {f"--{name}": entries for name, entries in lists.items()}

    # ---- who signed what

    def scope(self) -> UserScope | None:
        """The scoped key that signed the user."""
        claims, user = self.question.read(self.question.account_id), self.question.asker.claims
        return claims.nats.scope_of(user.issuer) if claims is not None and user is not None else None

    def scoped(self) -> Commands:
        """A role takes no user that has rights of its own. What its template wants of the user, only people know."""
        from natskit.errors import ClaimsError
        from natskit.jwt import check_scoped_user

        scope, user = self.scope(), self.question.asker.claims
        assert scope is not None
        assert user is not None
        try:
            check_scoped_user(user, scope.key)
        except ClaimsError:
            return self.reissue("--as-role", "--private-key", scope.role or scope.key)
        return []

    def signer(self) -> Commands:
        """Have the user signed by a key that may."""
        claims = self.question.read(self.question.account_id)
        strict = self.question.neighbours.operator.nats.strict_signing_key_usage
        if strict and claims is not None and all(map(claims.nats.scope_of, claims.nats.signing_key_names)):
            return self.edit_account("--sk", "generate")
        return self.reissue()

    def reissue(self, *flags: str) -> Commands:
        return [typed("reissue", "user", "--account", self.account, *self.name, *flags), *self.creds()]

    def resign_account(self) -> Commands:
        """Have the account signed by a key of the operator that may."""
        operator = self.question.neighbours.operator.nats
        if operator.strict_signing_key_usage and not operator.signing_keys:
            return [typed("edit", "operator", "--sk", "generate")]
        return [typed("reissue", "account", self.account)]

    def lapsed(self) -> Commands:
        """The account of the question, or one at an end of the import, is not in force."""
        neighbours = self.question.neighbours
        ends = (self.link.importer, self.link.exporter) if self.stop is not None and self.stop.link else ()
        for account_id in ends or (self.question.account_id,):
            model = neighbours.graph.accounts.get(account_id)
            name = neighbours.names.get(account_id, self.account)
            claims = neighbours.claims.get(account_id) or self.question.read(account_id)
            if model is not None and model.fault:
                return [typed("validate", "--account", name)]
            if claims is not None and claims.expires and self.question.at >= claims.expires:
                return self.edit_account("--expiry", "1y", account=name)
            if claims is not None and self.question.at < claims.not_before:
                return self.edit_account("--start", "0", account=name)
        return []

    def revoked(self) -> Commands:
        """A new token is not revoked, the old ones stay so; one that is made before the revocation ends is."""
        claims, user = self.question.read(self.question.account_id), self.question.asker.claims
        assert claims is not None
        assert user is not None
        revocations = claims.nats.revocations
        standing = [key for key in (user.subject, "*") if revocations.get(key, -1) >= self.now]
        if not standing:
            return self.reissue()
        who = "the user" if standing == [user.subject] else "users"
        self.cautions.append(f"every token of {who} that was revoked is good again")
        account = ("--account", self.account)
        return [typed("revocations", "delete-user", *account, "--user-public-key", key) for key in standing]

    @property
    def now(self) -> int:
        """When the commands are typed, whatever the time that is asked about."""
        return self.question.run.workspace.now()

    def hour(self) -> str:
        """Half an hour before and after the time that is asked about, in the zone of the user's times of day."""
        import datetime
        import zoneinfo

        rights = self.question.asker.rights
        place = rights.times_location if rights is not None else ""
        zone = zoneinfo.ZoneInfo(place) if place not in ("", "Local") else None
        ends = (datetime.datetime.fromtimestamp(self.question.at + seconds, zone) for seconds in (-1800, 1800))
        return "-".join(end.strftime("%H:%M:00") for end in ends)

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
            typed("generate", "activation", *target, *service, "--output-file", "activation.jwt"),
            *self.unimport(),
            typed("add", "import", "--account", self.importer, "--token", "activation.jwt", *local),
        ]

    def unimport(self) -> Commands:
        claims = self.question.neighbours.claims[self.link.importer]
        return [shlex.join(delete_import(self.question, self.importer, claims, self.wanted))]

    @property
    def importer(self) -> str:
        return self.question.name(self.link.importer)

    def allow_again(self) -> Commands:
        """A new activation is not revoked, unless it is made before the revocation ends."""
        link = self.link
        service = ("--service",) if link.kind == SERVICE else ()
        export = self.export_of(link.exporter, link.remote, link.kind == SERVICE)
        revocations = export.revocations if export is not None else {}
        standing = [key for key in (link.importer, "*") if revocations.get(key, -1) >= self.now]
        if not standing:
            return self.reimport()
        if "*" in standing:
            self.cautions.append("the activations of all accounts that were revoked are good again")
        where = ("--account", self.question.name(link.exporter), "--subject", self.reason.export)
        again = [*where, *service, "--target-account"]
        return [typed("revocations", "delete-activation", *again, self.question.name(key)) for key in standing]

    def export(self) -> Commands:
        """Export what is imported, or import what is left of the export: exports of a kind may not overlap."""
        link, wanted = self.link, self.wanted
        exporter = self.question.neighbours.claims[link.exporter]
        others = overlapping_exports(exporter, wanted.type, link.remote)
        if not others:
            return [self.new_export(link.exporter, link.remote, service=link.kind == SERVICE)]
        left = left_of(others, wanted)
        if left is None:
            return []
        anew = add_import(self.question, self.importer, wanted, left.subject, private=left.token_req)
        return [*self.unimport(), shlex.join(anew)]

    def new_export(self, exporter: str, subject: str, *, service: bool = False) -> str:
        self.cautions.append("every account may import it then; with --private only those that get an activation")
        kind = ("--service",) if service else ()
        return typed("add", "export", "--account", self.question.name(exporter), "--subject", subject, *kind)

    def own_position(self) -> Commands:
        """Import the subject that has the importer's key where the export wants it."""
        link = self.link
        export = self.export_of(link.exporter, link.remote, link.kind == SERVICE)
        if export is None or not export.account_token_position:
            return self.unimport()
        remote = _with_token(link.remote, export.account_token_position, link.importer)
        anew = add_import(self.question, self.importer, self.wanted, remote, private=False)
        return [*self.unimport(), shlex.join(anew)]

    def connect(self) -> Commands:
        """Share between the account of the question and its peer, where nothing is shared."""
        here, there = self.question.account_id, self.peer
        exporter, importer = (there, here) if self.question.verb == "sub" else (here, there)
        subject = self.question.subject
        if self.question.verb == "pub" and self.export_of(there, subject, service=True) is not None:
            exporter, importer = there, here  # a request
        service = ("--service",) if exporter == there and self.question.verb == "pub" else ()
        export = self.export_of(exporter, subject, service=bool(service))
        if export is None and self.overlaps_an_export(exporter, subject):
            return []
        commands = [] if export else [self.new_export(exporter, subject)]
        if export is not None and export.account_token_position:
            subject = _with_token(subject, export.account_token_position, importer)
        private = ("--private",) if export is not None and export.token_required else ()
        wanted = ("--src-account", self.question.name(exporter), "--remote-subject", subject)
        return [
            *commands,
            typed("add", "import", "--account", self.question.name(importer), *wanted, *private, *service),
        ]

    def overlaps_an_export(self, exporter: str, subject: str) -> bool:
        claims = self.question.neighbours.claims.get(exporter)
        return claims is not None and bool(overlapping_exports(claims, "stream", subject))

    def export_of(self, exporter: str, subject: str, service: bool) -> Export | None:
        model = self.question.neighbours.graph.accounts.get(exporter)
        return governing_export(model, SERVICE if service else "stream", subject) if model is not None else None

    def unmap(self) -> Commands:
        assert self.stop is not None
        return [
            typed(
                "delete", "mapping", "--account", self.question.name(self.stop.account), "--from", self.reason.mapping
            )
        ]


_OF_LOGIN: dict[Rule, Callable[[_Remedy], Commands]] = {
    Rule.CREDS: _Remedy.damaged_creds,
    Rule.USER_EXPIRED: lambda it: it.edit_token("--expiry", "1y"),
    Rule.USER_NOT_YET_VALID: lambda it: it.edit_token("--start", "0"),
    Rule.USER_TOKEN: lambda it: [typed("validate", "--account", it.account)],
    Rule.UNKNOWN_ACCOUNT: lambda it: [typed("list", "accounts"), *it.pull()],
    Rule.ACCOUNT_SIGNER: _Remedy.resign_account,
    Rule.ACCOUNT_NOT_IN_FORCE: _Remedy.lapsed,
    Rule.ACCOUNT_INVALID: lambda it: [typed("validate", "--account", it.account)],
    Rule.USER_SIGNER: _Remedy.signer,
    Rule.SCOPE: _Remedy.scoped,
    Rule.BEARER: lambda it: it.edit_user("--bearer=false"),
    Rule.CONNECTION_TYPE: lambda it: it.edit_user("--conn-type", it.question.connection_type),
    Rule.SEED: _Remedy.creds,
    Rule.USER_REVOKED: _Remedy.revoked,
    Rule.SOURCE_ADDRESS: lambda it: it.edit_user("--source-network", _network(it.question.address)),
    Rule.TIME_OF_DAY: lambda it: it.edit_user("--time", it.hour()),
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
    Rule.UNKNOWN_ACCOUNT: lambda it: it.pull(),
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


_PERMISSION_FLAGS = ("--allow", "--deny", "--rm")


def _with_token(subject: str, position: int, token: str) -> str:
    """``subject`` with ``token`` at its ``position`` (from 1)."""
    tokens = subjects.tokens(subject)
    tokens[position - 1 : position] = [token]
    return ".".join(tokens)


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
