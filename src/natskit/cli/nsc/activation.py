"""``nsc generate activation``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit.cli.command import command, switch, text
from natskit.cli.flags import format_date, relative
from natskit.errors import StoreError, UsageError

from .generate import OUTPUT_FILE, umask
from .import_ import account_key
from .permissions import TIME_FLAGS, dates

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, ActivationClaims

    from .run import Run

__all__ = ["generate_activation"]


@command(
    text(
        "subject",
        "s",
        "what to share, within a private export; default the only one",
        metavar="SUBJECT",
        completes="export",
    ),
    text(
        "target-account", "t", "the importer: an account's name or public key", metavar="ACCOUNT", completes="account"
    ),
    switch("service", "", "look among service exports only"),
    OUTPUT_FILE,
    switch("push", "", "send it to the account server too"),
    *TIME_FLAGS,
    examples=[
        ("nsc generate activation -a A -t AB... -s a.b.c.d -o activation.jwt", "let account AB... import a.b.c.d of A"),
        ("nsc generate activation -a A -t B --expiry 30d", "for 30 days, for account B of this store, on stdout"),
    ],
)
def generate_activation(
    run: Run,
    *,
    subject: str,
    target_account: str,
    service: bool,
    output_file: str,
    push: bool,
    start: str,
    expiry: str,
) -> None:
    """Make the token by which another account may import a private export."""
    from natskit.jwt.files import decorate
    from natskit.store.activations import issue_activation
    from natskit.store.sharing import activation_for, private_exports

    kind = "service" if service else ""
    exporter = _exporter(run, subject, kind)
    private_exports(exporter, kind)
    if not target_account:
        raise UsageError("target-account cannot be empty", hint="name the importer: --target-account ACCOUNT")
    target = account_key(run, target_account)
    claims, export = activation_for(exporter, target, subject, kind)
    claims = replace(claims, **dates(run, start, expiry))
    url = _account_server(run) if push else ""
    issued, token = issue_activation(run.workspace, exporter, claims, run.private_key)
    content = decorate(token, "activation")
    run.fact(exporter=exporter.subject, export=export.name, activation=issued, jwt=token)
    if output_file == "--":
        run.result(content.rstrip("\n") + "\n")
    else:
        # A token is no secret to its importer; in 2019 its file was readable, and never written over.
        mode = 0o666 & ~umask() if run.is_2019 else 0o600
        run.write_file(output_file, content, mode=mode, overwrite=not run.is_2019)
    _report(run, issued, export.name)
    if url:
        _push(run, url, issued, token)


def _exporter(run: Run, subject: str, kind: str) -> AccountClaims:
    """The account that exports. If none is named and the current one cannot, the only one that can."""
    from natskit.store.activations import exporters_of

    workspace = run.workspace
    store = workspace.operator()
    found = workspace.account_name()
    if not workspace.account_given:
        able = exporters_of(workspace, subject, kind)
        if found not in able and len(able) == 1:
            found = able[0]
    return store.account(found)


def _report(run: Run, claims: ActivationClaims, export: str) -> None:
    run.note(f'generated "{export}" activation for account "{claims.subject}".')
    run.note(f'JTI is "{claims.id}"')
    now = run.workspace.now()
    for when, words in ((claims.not_before, "Token valid on"), (claims.expires, "Token expires on")):
        if when:
            run.note(f"{words} {format_date(when)} - {relative(when, now)}")


def _account_server(run: Run) -> str:
    operator = run.workspace.operator().operator()
    url = operator.nats.account_server_url
    if not url:
        raise StoreError(f"operator {operator.name} doesn't have an account server url configured")
    if not url.lower().startswith(("http://", "https://")):
        raise StoreError(f"an activation can be pushed to an http account server only, not to {url}")
    return url.rstrip("/")


def _push(run: Run, url: str, claims: ActivationClaims, token: str) -> None:
    from natskit.jwt import activation_hash
    from natskit.store.tokens import post

    post(f"{url}/activations", token)
    run.note(f'activation accessible at "{url}/activations/{activation_hash(claims)}"')
