"""``nsc add import`` and ``nsc delete import``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from natskit.cli.command import command, switch, text
from natskit.errors import NotFound, UsageError
from natskit.store.tokens import is_url, load_token

from .edit import AccountEdit, editing_account

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, Import

    from .run import Run

__all__ = ["add_import", "delete_import"]

_SOURCE = text(
    "src-account", "", "the exporter: an account's name or public key", metavar="ACCOUNT", completes="account"
)


@command(
    text("token", "u", "activation token: a file, an http(s) URL or the token itself", metavar="TOKEN"),
    _SOURCE,
    text("remote-subject", "", "the subject that the exporter shares, or one within it", metavar="SUBJECT"),
    text("local-subject", "s", "what it is called here; $1 stands for the first wildcard", metavar="SUBJECT"),
    text("prefix", "", "or: put this before the remote subject", metavar="PREFIX"),
    text("name", "n", "what to call the import, default the remote subject", metavar="NAME"),
    switch("service", "", "a service instead of a stream"),
    switch("private", "", "make the activation here: --src-account is in this store with its key"),
    switch("share", "", "share latency information with a service"),
    switch("allow-trace", "", "let the exporter trace messages of a stream"),
    examples=[
        ("nsc add import --src-account A --remote-subject 'a.b.c.>'", "a public stream, under the same subject"),
        ("nsc add import --src-account A --remote-subject 'a.b.c.>' --local-subject 'abc.>'", "under another one"),
        ("nsc add import --token activation.jwt --prefix abc", "a private stream, as abc.<its subject>"),
        ("nsc add import --src-account A --remote-subject a.b.c.d --private", "one of an account in the same store"),
    ],
)
def add_import(
    run: Run,
    *,
    token: str,
    src_account: str,
    remote_subject: str,
    local_subject: str,
    prefix: str,
    name: str,
    service: bool,
    private: bool,
    share: bool,
    allow_trace: bool,
) -> None:
    """Import a stream or service that another account exports.

    Either with the activation token of its owner, or (public exports) by account and subject.
    """
    if token and (src_account or remote_subject or service or private):
        raise UsageError("private imports require src-account, remote-subject and service to be unset")
    if not token and not (src_account and remote_subject):
        raise UsageError(
            "public imports require src-account, remote-subject", hint="or give the activation: --token FILE"
        )
    if local_subject and prefix:
        raise UsageError("specify one of --local-subject or --prefix")
    activation = load_token(token, run.full_path(token)) if token else ""
    with editing_account(run) as edit:
        if activation:
            new = _from_token(run, edit, activation, token)
        else:
            new = _by_subject(run, edit, src_account, remote_subject, service=service, private=private)
        if share and new.type != "service":
            raise UsageError("only services can set the share property")
        new = replace(new, share=share, allow_trace=allow_trace and new.type == "stream")
        new = _finished(run, new, name, local_subject, prefix, from_token=bool(token))
        claims = _with(edit, new)
        edit.save(claims)
    run.success(f'added {new.type} import "{new.remote_subject}"')
    _warn_if_nothing_arrives(run, claims, new)
    run.fact(account=edit.name, **{"import": new})


def _with(edit: AccountEdit, new: Import) -> AccountClaims:
    from natskit.store.sharing import with_import

    return with_import(edit.claims, new, edit.now)


def _from_token(run: Run, edit: AccountEdit, token: str, source: str) -> Import:
    """In 2019 a token at a URL was fetched whenever it was needed, so only the URL was kept."""
    from natskit.store.sharing import check_importer, import_of

    check_importer(token, edit.claims)
    new = import_of(token)
    return replace(new, token=source) if run.is_2019 and is_url(source) else new


def _by_subject(run: Run, edit: AccountEdit, src_account: str, subject: str, *, service: bool, private: bool) -> Import:
    from natskit.jwt import Import

    key = account_key(run, src_account)
    kind = "service" if service else "stream"
    token = _own_activation(run, edit, src_account, subject, kind) if private else ""
    return Import(name=subject, subject=subject, account=key, type=kind, token=token)


def account_key(run: Run, given: str) -> str:
    """The public key of an account of the current operator, or any account key as it is. Raises NotFound."""
    from natskit.nkeys import Role, is_public

    store = run.workspace.operator()
    if store.has_account(given):
        return store.account(given).subject
    if is_public(given, Role.ACCOUNT):
        return given
    raise NotFound(f"account {given} does not exist in the current operator", hint="nsc list accounts")


def _own_activation(run: Run, edit: AccountEdit, src_account: str, subject: str, kind: str) -> str:
    """An activation made on the spot, by the exporter's key that is stored here."""
    from natskit.store.activations import issue_activation
    from natskit.store.sharing import activation_for

    workspace = run.workspace
    store = workspace.operator()
    exporter = store.account(workspace.find_account(store, src_account))
    claims, _ = activation_for(exporter, edit.claims.subject, subject, kind)
    return issue_activation(workspace, exporter, claims)[1]


def _finished(run: Run, new: Import, name: str, local: str, prefix: str, *, from_token: bool) -> Import:
    """The import with its name and with what it is called here."""
    from natskit.store.sharing import as_in_2019, prefixed

    if run.is_2019:
        return as_in_2019(new, name, prefix or local, from_token=from_token)
    if prefix:
        local = prefixed(prefix, new.subject)
    return replace(new, name=name or new.name, local_subject=local or new.local_subject)


def _warn_if_nothing_arrives(run: Run, importer: AccountClaims, new: Import) -> None:
    """Say why a server will not deliver, where the store knows the exporter."""
    from natskit.store.sharing import why_not_delivered

    store = run.workspace.operator()
    exporter = store.find_account(new.account)
    if exporter is not None:
        why = why_not_delivered(importer, store.account(exporter), new, run.workspace.now())
        if why:
            run.warn(f"nothing will arrive yet: {why}")


@command(
    text("subject", "s", "its remote subject, default the only import", metavar="SUBJECT", completes="import"),
    text("src-account", "", "the exporter, where several export the subject", metavar="ACCOUNT", completes="account"),
    switch(
        "service", "", "the service, where there is a stream of that subject too; else --service=false", default=None
    ),
    arguments=("[subject]",),
    examples=[("nsc delete import --subject 'a.b.c.>'", "import it no longer")],
)
def delete_import(run: Run, *, subject: str, src_account: str, service: bool | None) -> None:
    """Remove an import of an account."""
    from natskit.store.sharing import without_import

    with editing_account(run) as edit:
        source = account_key(run, src_account) if src_account else ""
        claims, removed = without_import(edit.claims, subject, source, service=service)
        edit.save(claims)
    run.success(f'deleted {removed.type} import "{removed.remote_subject}"')
    if source and removed.account != source:
        run.warn(f"it was from account {removed.account}, the only one with that subject")
    run.fact(account=edit.name, **{"import": removed})
