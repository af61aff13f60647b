"""Activation tokens signed with keys of the keystore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from .accounts import check_issues
from .signing import account_signer

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, ActivationClaims

    from .workspace import Workspace

__all__ = ["exporters_of", "issue_activation"]


def issue_activation(
    workspace: Workspace, exporter: AccountClaims, claims: ActivationClaims, signer: str = ""
) -> tuple[ActivationClaims, str]:
    """The claims as issued and the token, signed by a key of ``exporter``, ``signer`` if given.

    Raises ClaimsError, NotFound (no key to sign with), UsageError.
    """
    from natskit.jwt import ActivationClaims, decode

    pair = account_signer(workspace, workspace.operator(), exporter, signer)
    if pair.public != exporter.subject:
        claims = replace(claims, nats=replace(claims.nats, issuer_account=exporter.subject))
    check_issues(claims, workspace.now())
    token = workspace.sign(claims, pair)
    return decode(token, ActivationClaims), token


def exporters_of(workspace: Workspace, subject: str, kind: str = "") -> list[str]:
    """Names of the accounts that have a private export for ``subject`` (empty: any)."""
    from natskit.subjects import covers

    store = workspace.operator()
    return [
        name
        for name in store.iter_accounts()
        if any(
            each.token_req and kind in ("", each.type) and (not subject or covers(each.subject, subject))
            for each in store.account(name).nats.exports
        )
    ]
