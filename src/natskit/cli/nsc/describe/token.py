"""``nsc describe jwt``: a token in a file, at a URL or given as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from natskit.cli.command import command, text
from natskit.cli.tables import Table
from natskit.errors import InvalidToken, UsageError

from .output import FORM, OUTPUT_FILE, Subject, show

if TYPE_CHECKING:
    from natskit.jwt import Claims

    from ..run import Run

__all__ = ["describe_jwt"]


@command(
    text("file", "f", "file with the token or creds, its URL, or the token itself", metavar="FILE"),
    *FORM,
    OUTPUT_FILE,
    arguments=("[file]",),
    examples=[
        ("nsc describe jwt -f activation.jwt", "an activation token as a table"),
        ("nsc describe jwt -f user.creds --json", "the token in a creds file as JSON"),
    ],
    stores=False,
)
def describe_jwt(run: Run, *, file: str, raw: bool, field: str, output_file: str) -> None:
    """Show what a token says, of whatever kind it is. The signature is checked."""
    from natskit.jwt import decode
    from natskit.store.tokens import load_token

    if not file:
        raise UsageError("file is required", hint="nsc describe jwt --file FILE")
    token = load_token(file, run.full_path(file))
    claims: Claims = decode(token)
    subject = Subject(claims.kind, lambda: _tables(run, claims), token=token)
    show(run, subject, raw=raw, field=field, output_file=output_file)


def _tables(run: Run, claims: Claims) -> Sequence[Table]:
    from natskit.jwt import AccountClaims, ActivationClaims, OperatorClaims, UserClaims

    if isinstance(claims, OperatorClaims):
        from .operator import operator_tables

        return operator_tables(run, claims)
    if isinstance(claims, AccountClaims):
        from .account import account_tables

        return account_tables(run, claims)
    if isinstance(claims, UserClaims):
        from .user import user_tables

        return user_tables(run, claims, None)
    if isinstance(claims, ActivationClaims):
        from .activation import activation_table

        return [activation_table(run, claims)]
    raise InvalidToken(f'describer for "{claims.kind}" is not implemented', hint="try it with --json")
