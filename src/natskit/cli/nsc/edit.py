"""One account, read under the lock, changed, signed again and written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from natskit.store.accounts import plan_account
from natskit.store.plan import Plan

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims

    from .run import Run

__all__ = ["AccountEdit", "editing_account"]


class AccountEdit:
    """An account as it is now, and the way to write it again: for that, made by `editing_account`."""

    __slots__ = ("_run", "claims", "name", "now", "plan", "store")

    def __init__(self, run: Run) -> None:
        workspace = run.workspace
        self._run = run
        self.name = workspace.account_name()
        self.store = workspace.operator()
        self.claims = self.store.account(self.name)
        self.now = workspace.now()
        self.plan = Plan(workspace)

    @property
    def is_system(self) -> bool:
        """Whether it is the operator's system account."""
        return self.store.operator().nats.system_account == self.claims.subject

    def save(self, claims: AccountClaims, *, same_signer: bool = False) -> bool:
        """Sign and write the changed claims. Raises ClaimsError, NotFound (no key to sign with), StoreError.

        Claims that are as before are left alone, unless ``-K`` says who is to sign them: False then.
        """
        if claims == self.claims and not self._run.private_key:
            return False
        self.sign(claims, same_signer=same_signer)
        return True

    def sign(self, claims: AccountClaims, *, same_signer: bool = False) -> None:
        """Like `save`, also for claims that are as before."""
        plan_account(self.plan, self.store, claims, signer=self._run.private_key, same_signer=same_signer)
        self._run.files(self.plan.commit())


@contextmanager
def editing_account(run: Run) -> Iterator[AccountEdit]:
    """``with editing_account(run) as edit: edit.save(changed(edit.claims))``.

    Holds the store's lock from reading to writing, so that of many edits at once none is lost.
    """
    with run.workspace.locked():
        yield AccountEdit(run)
