"""An operator with its accounts and users, made up in memory; servers that trust it follow every change at once.

::

    operator = Operator()
    orders, reports = operator.account("orders"), operator.account("reports")
    orders.export("prices.>", private=True)
    reports.import_from(orders, "prices.eur")
    alice = reports.user("alice", sub="prices.eur")
    with operator.serve() as server:
        nats.connect(server.client_url, user_credentials=alice.creds_file)

What is made here is what nsc makes: tokens are checked before they are signed, and any NATS server takes them.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from natskit import jwt, subjects
from natskit.errors import AlreadyExists, ClaimsError, NotFound, UsageError
from natskit.jwt.files import write_creds
from natskit.nkeys import KeyPair, Role
from natskit.store.server_config import Preload, memory_config
from natskit.store.sharing import activation_for, check_new_issues, with_export, with_import

if TYPE_CHECKING:
    from natskit.server import ThreadedServer

__all__ = ["Account", "Follower", "Operator", "User"]

Subjects = str | Sequence[str]
"""One subject, or several."""


class Follower(Protocol):
    """What is told of changes: a `Server` or `ThreadedServer`, or whoever hands them on to another one."""

    @property
    def running(self) -> bool:
        """Whether it can be told."""

    def update_account(self, token: str) -> None:
        """The account has this token now."""

    def now(self) -> float:
        """Its time, in Unix seconds."""


class Operator:
    """An operator and its system account ``SYS``.

    ``body``: members of its claims (`natskit.jwt.Operator`), such as ``strict_signing_key_usage=True``. Creds files are
    written below ``folder``.
    """

    def __init__(self, name: str = "tests", folder: Path | None = None, **body: Any) -> None:
        self.key = KeyPair.create(Role.OPERATOR)
        self.signing_key = KeyPair.create(Role.OPERATOR)
        self.folder = folder
        self.accounts: dict[str, Account] = {}
        self._followers: list[Follower] = []
        self._servers: list[ThreadedServer] = []
        self._server: ThreadedServer | None = None
        system = KeyPair.create(Role.ACCOUNT)
        nats = jwt.Operator(**{"signing_keys": (self.signing_key.public,), "system_account": system.public} | body)
        self.claims = replace(jwt.new_operator(self.key.public, name), nats=nats)
        self.token = jwt.encode(self.claims, self.key, issued_at=self.now())
        self.system = self._add(Account(self, "SYS", system))

    def __repr__(self) -> str:
        return f"<operator {self.claims.name} with {', '.join(self.accounts)}>"

    @property
    def id(self) -> str:
        """Its public key."""
        return self.key.public

    def account(self, name: str, **body: Any) -> Account:
        """A new account, known at once to the servers; ``body`` as for `Account.edit`. Raises AlreadyExists."""
        if name in self.accounts:
            raise AlreadyExists(f'there is an account "{name}" already', hint=f'operator.accounts["{name}"]')
        return self._add(Account(self, name, KeyPair.create(Role.ACCOUNT)), **body)

    def _add(self, account: Account, **body: Any) -> Account:
        account.edit(**body)
        self.accounts[account.name] = account
        return account

    def now(self) -> int:
        """The time at which tokens are issued, in Unix seconds: that of the servers, if they are ahead."""
        clocks = (server.now() for server in self._followers if server.running)
        return int(max(clocks, default=time.time()))

    # servers

    @property
    def server(self) -> ThreadedServer:
        """The server that trusts it; started when it is first asked for."""
        if self._server is None:
            self._server = self.serve()
        return self._server

    def serve(self, *config: str) -> ThreadedServer:
        """Start a server that trusts it, with more lines of configuration; it listens on a free port of 127.0.0.1."""
        from natskit.server import Server

        server = Server.in_thread(self.config("listen: 127.0.0.1:-1", *config))
        server.start()
        self._servers.append(server)
        self.follow(server)
        return server

    def follow(self, server: Follower) -> None:
        """Tell a server of every change from now on."""
        self._followers.append(server)

    def tell(self, account: Account) -> None:
        """The servers are to know what the account is now."""
        for server in self._followers:
            if server.running:
                server.update_account(account.token)

    def stop(self) -> None:
        """Stop every server that was started here."""
        while self._servers:
            self._servers.pop().stop()

    def config(self, *more: str) -> str:
        """The configuration text of a server that trusts it, ours or the real one, all accounts in it."""
        known = [(Preload(each.id, each.name, each.token), each.token) for each in self.accounts.values()]
        system = next((preload for preload, _ in known if preload.key == self.claims.nats.system_account), None)
        return "\n".join([*more, memory_config(self.claims.name, self.token, system, known)])

    def write_config(self, folder: Path, *more: str) -> Path:
        """``server.conf`` in a folder: the configuration of a server with a ``full`` resolver that keeps its tokens
        in ``jwt`` beside it, so that ``nsc push`` can change them."""
        tokens = folder / "jwt"
        tokens.mkdir(parents=True, exist_ok=True)
        for account in self.accounts.values():
            (tokens / f"{account.id}.jwt").write_text(account.token)
        lines = [
            *more,
            f"operator: {self.token}",
            f"system_account: {self.system.id}",
            f'resolver: {{ type: full, dir: "{tokens}", allow_delete: true }}',
        ]
        path = folder / "server.conf"
        path.write_text("\n".join([*lines, ""]))
        return path


class Account:
    """An account: what it shares, its limits, its users. Every change is signed and told to the servers at once."""

    def __init__(self, operator: Operator, name: str, key: KeyPair) -> None:
        self.operator = operator
        self.name = name
        self.key = key
        self.claims = jwt.new_account(key.public, name)
        self.token = ""
        self._roles: dict[str, KeyPair] = {}

    def __repr__(self) -> str:
        return f"<account {self.name}>"

    @property
    def id(self) -> str:
        """Its public key."""
        return self.key.public

    # changes

    def edit(self, *, expires_in: float | None = None, **body: Any) -> None:
        """Replace members of its claims (`natskit.jwt.Account`); ``expires_in``: seconds from now, 0: never.

        Raises ClaimsError if a server would not accept what comes of it.
        """
        claims = replace(self.claims, nats=_replaced(self.claims.nats, body))
        if expires_in is not None:
            claims = replace(claims, expires=_until(self.operator.now(), expires_in))
        self._commit(claims)

    def limit(self, **limits: Any) -> None:
        """Set limits by their names in claims: ``conn``, ``subs``, ``payload``, ``imports`` ...; -1: none."""
        self.edit(limits=_replaced(self.claims.nats.limits, limits))

    def export(self, subject: str, *, service: bool = False, private: bool = False, **more: Any) -> None:
        """Offer a stream, or a service, to all accounts; ``private``: to those with an activation.

        ``more``: other members of `natskit.jwt.Export`. Raises ClaimsError.
        """
        export = jwt.Export(
            name=subject, subject=subject, type="service" if service else "stream", token_req=private, **more
        )
        self._commit(with_export(self.claims, export, self.operator.now()))

    def import_from(
        self, exporter: Account, subject: str, *, local: str = "", expires_in: float = 0, share: bool = False
    ) -> None:
        """Take what ``exporter`` offers on ``subject``, under the ``local`` subject if given.

        A private export gives its activation by itself, good for ``expires_in`` seconds (0: for ever). Raises NotFound
        if no export covers the subject; ClaimsError.
        """
        offered = exporter.claims.nats.exports
        export = next((each for each in offered if subjects.covers(each.subject, subject)), None)
        if export is None:
            have = ", ".join(each.subject for each in offered) or "nothing"
            raise NotFound(f'no export of account {exporter.name} covers "{subject}"; it exports {have}')
        wanted = jwt.Import(
            name=subject,
            subject=subject,
            account=exporter.id,
            token=exporter.activation(self, subject, expires_in=expires_in) if export.token_req else "",
            local_subject=local,
            type=export.type,
            share=share,
        )
        self._commit(with_import(self.claims, wanted, self.operator.now()))

    def activation(self, importer: Account, subject: str, *, expires_in: float = 0) -> str:
        """The token that lets ``importer`` import from a private export of this account. Raises NotFound."""
        claims, export = activation_for(self.claims, importer.id, subject)
        now = _after(self.operator.now(), export.revocations, importer.id)
        return jwt.encode(replace(claims, expires=_until(now, expires_in)), self.key, issued_at=now)

    def revoke(self, user: User | str) -> None:
        """Take back all tokens that a user (or a public key, or ``*``: everybody) was given so far."""
        key = user if isinstance(user, str) else user.id
        self.edit(revocations=jwt.revoke(self.claims.nats.revocations, key, self.operator.now()))

    def revoke_activation(self, importer: Account, subject: str) -> None:
        """Take back the activations that ``importer`` has of the export that covers ``subject``. Raises NotFound."""
        _, export = activation_for(self.claims, importer.id, subject)
        revoked = replace(export, revocations=jwt.revoke(export.revocations, importer.id, self.operator.now()))
        self.edit(exports=tuple(revoked if each is export else each for each in self.claims.nats.exports))

    def role(self, name: str, **rights: Any) -> KeyPair:
        """A signing key whose users (``user(..., role=name)``) have these rights: those of `user`."""
        key = self._roles[name] = KeyPair.create(Role.ACCOUNT)
        scope = jwt.UserScope(key=key.public, role=name, template=jwt.ScopeTemplate(**_rights(rights)))
        self.edit(signing_keys=(*self.claims.nats.signing_keys, scope))
        return key

    def _commit(self, claims: jwt.AccountClaims) -> None:
        """Sign and tell. Raises ClaimsError, and is as it was."""
        operator = self.operator
        now = max(operator.now(), self.claims.issued_at)
        check_new_issues(self.claims, claims, now)
        signer = operator.signing_key if operator.claims.nats.strict_signing_key_usage else operator.key
        self.token = jwt.encode(claims, signer, issued_at=now)
        self.claims = jwt.decode(self.token, jwt.AccountClaims)
        operator.tell(self)

    # users

    def user(self, name: str, *, role: str = "", expires_in: float = 0, **rights: Any) -> User:
        """A new user, who may do everything in the account if nothing else is said.

        ``pub``, ``sub``, ``deny_pub``, ``deny_sub``: a subject or several; other ``rights`` are members of
        `natskit.jwt.User` such as ``bearer_token=True``, ``subs=5``, ``src=("10.0.0.0/8",)``. ``role``: the rights of
        that `role` instead. ``expires_in``: seconds from now, 0: never. Raises NotFound, UsageError, ClaimsError.
        """
        key = KeyPair.create(Role.USER)
        now = _after(self.operator.now(), self.claims.nats.revocations, key.public)
        if not role:
            claims = jwt.new_user(key.public, name)
            claims = replace(claims, nats=_replaced(claims.nats, _rights(rights)))
        elif rights:
            raise UsageError(f'the rights of user "{name}" are those of the role "{role}"', hint="give one of the two")
        else:
            claims = jwt.new_scoped_user(key.public, name, self.id)
        claims = replace(claims, expires=_until(now, expires_in))
        if found := [each for each in jwt.issues(claims, now) if each.blocking]:
            raise ClaimsError(found[0].text, issues=found)
        return User(self, name, key, jwt.encode(claims, self._signer(role), issued_at=now))

    def _signer(self, role: str) -> KeyPair:
        if not role:
            return self.key
        if role not in self._roles:
            known = ", ".join(self._roles) or "none"
            raise NotFound(f'account {self.name} has no role "{role}" (it has {known})', hint="account.role(name, ...)")
        return self._roles[role]


class User:
    """A user of an account: its keys and its token."""

    def __init__(self, account: Account, name: str, key: KeyPair, token: str) -> None:
        self.account = account
        self.name = name
        self.key = key
        self.token = token

    def __repr__(self) -> str:
        return f"<user {self.name} of {self.account.name}>"

    @property
    def id(self) -> str:
        """The public key."""
        return self.key.public

    @property
    def creds(self) -> str:
        """The text of a creds file."""
        return write_creds(self.token, self.key.seed)

    @property
    def creds_file(self) -> Path:
        """A creds file in the operator's folder, written now. Raises UsageError if the operator has none."""
        folder = self.account.operator.folder
        if folder is None:
            raise UsageError("the operator has no folder for creds files", hint="Operator(folder=...), or user.creds")
        path = folder / "creds" / self.account.name / f"{self.name}-{self.id[-8:]}.creds"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as stream:
            stream.write(self.creds)
        return path

    def credentials(self, nonce: str) -> dict[str, object]:
        """What it says in CONNECT: its token, and its signature of the server's nonce."""
        sig = base64.urlsafe_b64encode(self.key.sign(nonce.encode())).rstrip(b"=").decode()
        return {"jwt": self.token, "sig": sig}


def _until(now: int, seconds: float) -> int:
    return now + int(seconds) if seconds else 0


def _after(now: int, revocations: dict[str, int], key: str) -> int:
    """A time of issue that no revocation reaches: those of this very second do."""
    return max(now, *(revocations.get(name, 0) + 1 for name in (key, "*")))


def _replaced(struct: Any, members: dict[str, Any]) -> Any:
    """A struct with other members. Raises UsageError for one that it does not have."""
    unknown = members.keys() - set(struct.__struct_fields__)
    if unknown:
        have = ", ".join(struct.__struct_fields__)
        raise UsageError(
            f"{type(struct).__name__} claims have no {', '.join(sorted(unknown))}", hint=f"they have {have}"
        )
    return replace(struct, **members)


def _rights(given: dict[str, Any]) -> dict[str, Any]:
    """Members of claims, where ``pub``, ``sub``, ``deny_pub`` and ``deny_sub`` may be plain subjects."""
    rights = dict(given)
    for kind in ("pub", "sub"):
        allow, deny = rights.pop(kind, ()), rights.pop(f"deny_{kind}", ())
        if not isinstance(allow, jwt.Permission):
            allow = jwt.Permission(allow=_listed(allow), deny=_listed(deny))
        if allow:
            rights[kind] = allow
    return rights


def _listed(given: Subjects) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
