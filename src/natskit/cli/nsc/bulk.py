"""``nsc add users``, ``nsc add accounts``: many at once, from a file; all of them or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from natskit.cli.command import Flag, command, strings, switch, text
from natskit.cli.rows import Problems, Row, read_rows
from natskit.errors import AlreadyExists, Error, UsageError

from .account import account_claims
from .permissions import LIMIT_FLAGS, PERMISSION_FLAGS, TIME_FLAGS, limited
from .run import Run
from .user import user_claims

if TYPE_CHECKING:
    from natskit.cli.report import Report
    from natskit.jwt import UserClaims
    from natskit.nkeys import KeyPair
    from natskit.store import OperatorStore, Plan
    from natskit.store.users import AddedUser, Issuer

__all__ = ["add_accounts", "add_users"]

_Made = TypeVar("_Made")

_FROM = (
    text("from", "", "CSV with a header, or JSON lines; - for stdin", metavar="FILE"),
    switch("dry-run", "n", "check everything, write nothing"),
)

_USER_COLUMNS = (
    text("name"),
    text("account"),
    text("private-key"),
    text("public-key"),
    strings("tag"),
    *TIME_FLAGS,
    *PERMISSION_FLAGS,
    *(each for each in LIMIT_FLAGS if not each.name.startswith("rm-")),
)
_ACCOUNT_COLUMNS = (
    text("name"),
    text("private-key"),
    text("public-key"),
    *TIME_FLAGS,
    *PERMISSION_FLAGS,
)
_ALIASES = {
    **dict.fromkeys(("role", "signer", "signing-key"), "private-key"),
    **dict.fromkeys(("user", "username"), "name"),
    "tags": "tag",
    "expires": "expiry",
}


@command(
    *_FROM,
    text("creds-dir", "", "write creds to DIR/ACCOUNT/USER.creds instead of the keystore", metavar="DIR"),
    examples=[
        ("nsc add users --from users.csv", "users of a table with the columns name, account, allow-pub ..."),
        ("nsc add users --from users.csv --creds-dir out", "with their creds in a folder, to hand out"),
        ("nsc add users -a A -K service --from -", "from stdin: users of account A with the role service"),
    ],
)
def add_users(run: Run, *, creds_dir: str, dry_run: bool, **more: str) -> None:
    """Create many users at once, each with its creds file: all of them or, if one cannot be made, none.

    The first line names the columns: name and, as needed, account, role (the key that signs, as with -K), expiry,
    allow-pub and every other flag of "nsc add user" and the limits of "nsc edit user". Elements of a list stand between
    commas, in a cell with quotes around it. --account and -K hold for rows that name none.
    """
    file = more["from"]
    rows = _rows(run, file, _USER_COLUMNS)
    folder = run.full_path(creds_dir) if creds_dir else ""
    with run.workspace.locked():
        from natskit.store import Committed, Plan

        plan, store = Plan(run.workspace), run.workspace.operator()
        users = _Users(run, plan, store, folder)
        made = list(_each(rows, file, users.add))
        if not dry_run:
            run.files(Committed(exchanges=plan.commit().exchanges))
    _tell(run, "user", len(made), dry_run=dry_run, to=list(dict.fromkeys(each.account for each in made)))
    run.fact(
        users=[
            {"account": each.account, "name": each.claims.name, "id": each.claims.subject, "creds": each.creds_path}
            for each in made
        ]
    )


@command(
    *_FROM,
    examples=[("nsc add accounts --from accounts.csv", "accounts of a table with the columns name, expiry ...")],
)
def add_accounts(run: Run, *, dry_run: bool, **more: str) -> None:
    """Create many accounts at once: all of them or, if one cannot be made, none. The current account stays.

    The first line names the columns: name and, as needed, every other flag of "nsc add account".
    """
    file = more["from"]
    rows = _rows(run, file, _ACCOUNT_COLUMNS)
    with run.workspace.locked():
        from natskit.store import Committed, Plan

        plan = Plan(run.workspace)
        accounts = _Accounts(run, plan, run.workspace.operator())
        made = list(_each(rows, file, accounts.add))
        if not dry_run:
            run.files(Committed(exchanges=plan.commit().exchanges))
    _tell(run, "account", len(made), dry_run=dry_run, to=[])
    run.fact(accounts=[{"name": name, "id": public, "key": path} for name, public, path in made])


def _rows(run: Run, file: str, columns: Sequence[Flag]) -> list[Row]:
    if not file:
        raise UsageError("name a file with --from", hint='the first line names the columns: "name,expiry"')
    return read_rows(run.read_file(file), file, columns, _ALIASES)


def _each(rows: Sequence[Row], file: str, make: Callable[[Row], _Made]) -> Iterator[_Made]:
    """What ``make`` makes of each row. Raises InvalidFile with every row that it refuses."""
    problems = Problems(file)
    for row in rows:
        try:
            made = make(row)
        except Error as error:
            problems.add(row.number, str(error))
        else:
            yield made
    problems.check()


class _Names:
    """Names in the file: each once, in what differs by more than upper and lower case where ``folded``."""

    def __init__(self, kind: str, *, folded: bool) -> None:
        self._kind = kind
        self._folded = folded
        self._lines: dict[tuple[str, str], int] = {}

    def check(self, account: str, name: str, number: int) -> None:
        """Raise AlreadyExists for a name that another line has."""
        first = self._lines.setdefault((account, name.lower() if self._folded else name), number)
        if first != number:
            raise AlreadyExists(f'the {self._kind} "{name}" is in line {first} already')


class _Users:
    def __init__(self, run: Run, plan: Plan, store: OperatorStore, folder: str) -> None:
        self._run = run
        self._plan = plan
        self._store = store
        self._folder = folder
        self._names = _Names("user", folded=False)
        self._accounts: dict[str, str] = {}
        self._issuers: dict[tuple[str, str], Issuer] = {}

    def add(self, row: Row) -> AddedUser:
        """Plan the user of a row."""
        from natskit import jwt
        from natskit.nkeys import Role
        from natskit.store import users
        from natskit.store.signing import new_key

        values = row.values
        account = self._account(values["account"])
        name: str = values["name"]
        users.check_new_name(self._store, account, name)
        self._names.check(account, name, row.number)
        issuer = self._issuer(account, values["private_key"] or self._run.private_key)
        key, own = new_key(self._run.workspace, values["public_key"], Role.USER)
        claims = _user_claims(_silent(self._run, row), jwt.new_user(key.public, name), values)
        creds = os.path.join(self._folder, account, f"{name}.creds") if self._folder else ""
        return users.plan_user(self._plan, self._store, issuer, claims, key, own=own, creds_path=creds)

    def _account(self, given: str) -> str:
        if given not in self._accounts:
            self._accounts[given] = self._run.workspace.account_name(given)
        return self._accounts[given]

    def _issuer(self, account: str, signer: str) -> Issuer:
        from natskit.store import users

        if (account, signer) not in self._issuers:
            self._issuers[account, signer] = users.issuer(self._run.workspace, self._store, account, signer)
        return self._issuers[account, signer]


class _Accounts:
    def __init__(self, run: Run, plan: Plan, store: OperatorStore) -> None:
        self._run = run
        self._plan = plan
        self._store = store
        self._names = _Names("account", folded=True)
        self._taken = {name.lower(): name for name in store.iter_accounts()}
        self._signers: dict[str, KeyPair] = {}

    def add(self, row: Row) -> tuple[str, str, str]:
        """Plan the account of a row; its name, key, and where that is stored."""
        from natskit import jwt
        from natskit.nkeys import Role
        from natskit.store import accounts, names
        from natskit.store.signing import new_key

        name: str = row.values["name"]
        names.check(name, "account")
        if name.lower() in self._taken:
            raise AlreadyExists(f'the account "{self._taken[name.lower()]}" already exists')
        self._names.check("", name, row.number)
        key, own = new_key(self._run.workspace, row.values["public_key"], Role.ACCOUNT)
        claims = account_claims(_silent(self._run, row), jwt.new_account(key.public, name), row.values)
        signer = self._signer(key, row.values["private_key"] or self._run.private_key)
        return name, key.public, accounts.plan_new_account(self._plan, self._store, claims, key, signer, own=own)

    def _signer(self, key: KeyPair, given: str) -> KeyPair:
        from natskit.store import accounts

        if self._store.managed:  # each may sign itself
            return accounts.signer_of_new(self._run.workspace, self._store, key, given)
        if given not in self._signers:
            self._signers[given] = accounts.signer_of_new(self._run.workspace, self._store, key, given)
        return self._signers[given]


_REMOVALS = {each.key: each.default for each in LIMIT_FLAGS if each.name.startswith("rm-")}


def _user_claims(run: Run, claims: UserClaims, values: dict[str, Any]) -> UserClaims:
    from msgspec.structs import replace

    claims = user_claims(run, claims, values)
    return replace(claims, nats=limited(run, claims.nats, values | _REMOVALS))


class _Silent(Run):
    """A run with the flags of a row, which reports nothing."""

    def note(self, text: str) -> Report:
        return self.report


def _silent(run: Run, row: Row) -> Run:
    return _Silent(run.workspace, run.console, run.values, row.given)


def _tell(run: Run, kind: str, count: int, *, dry_run: bool, to: Sequence[str]) -> None:
    what = f"{count} {kind}{'s' if count != 1 else ''}"
    where = f' to account "{to[0]}"' if len(to) == 1 else f" to {len(to)} accounts" if to else ""
    run.success(f"{what} could be added{where}" if dry_run else f"added {what}{where}")
