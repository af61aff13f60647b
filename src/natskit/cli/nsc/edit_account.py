"""``nsc edit account``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import Flag, command, integer, size, strings, switch, text
from natskit.errors import DeniedError, UsageError

from .edit import AccountEdit, editing_account
from .permissions import PERMISSION_FLAGS, REMOVAL_FLAGS, TIME_FLAGS, allowed, dated, take

if TYPE_CHECKING:
    from natskit.jwt import Account, AccountClaims
    from natskit.store.plan import Plan

    from .run import Run

__all__ = ["edit_account"]

_LIMITS: dict[str, tuple[str, Flag]] = {
    "conn": ("conns", size("conns", "", "most connections of clients; -1 for no limit")),
    "leaf": ("leaf-conns", size("leaf-conns", "", "most leaf node connections; 0: none, -1: no limit")),
    "data": ("data", size("data", "", "most data, in bytes; -1 for no limit")),
    "exports": ("exports", size("exports", "", "most exports; -1 for no limit")),
    "wildcards": ("wildcard-exports", switch("wildcard-exports", "", "exports may have wildcards", default=None)),
    "disallow_bearer": ("disallow-bearer", switch("disallow-bearer", "", "forbid bearer users", default=None)),
    "imports": ("imports", size("imports", "", "most imports; -1 for no limit")),
    "payload": ("payload", size("payload", "", "largest message, in bytes; -1 for no limit")),
    "subs": ("subscriptions", size("subscriptions", "", "most subscriptions of a connection; -1 for no limit")),
}
_JETSTREAM: dict[str, Flag] = {
    "mem_storage": size("js-mem-storage", "", "JetStream: memory, in bytes; 0: none, -1: no limit"),
    "disk_storage": size("js-disk-storage", "", "JetStream: disk, in bytes; 0: none, -1: no limit"),
    "streams": size("js-streams", "", "JetStream: most streams"),
    "consumer": size("js-consumer", "", "JetStream: most consumers"),
    "mem_max_stream_bytes": size("js-max-mem-stream", "", "JetStream: largest memory stream, in bytes"),
    "disk_max_stream_bytes": size("js-max-disk-stream", "", "JetStream: largest disk stream, in bytes"),
    "max_ack_pending": size("js-max-ack-pending", "", "JetStream: most messages waiting for an answer"),
    "max_bytes_required": switch("js-max-bytes-required", "", "JetStream: streams must set a limit", default=None),
}
_OLD_NAMES = {
    "mem-storage": "mem_storage",
    "disk-storage": "disk_storage",
    "streams": "streams",
    "consumer": "consumer",
}


@command(
    text("name", "n", "the account, default the current one", metavar="NAME", completes="account"),
    *(flag for _, flag in _LIMITS.values()),
    text("description", "", "what the account is for", metavar="TEXT"),
    text("info-url", "", "where to read more about it", metavar="URL"),
    strings("sk", "", "add signing keys: generate, public keys, seeds or files", metavar="KEYS"),
    strings("rm-sk", "", "take signing keys away", metavar="KEYS"),
    strings("tag", "", "add tags", metavar="TAGS"),
    strings("rm-tag", "", "take tags away", metavar="TAGS"),
    *TIME_FLAGS,
    *PERMISSION_FLAGS,
    *REMOVAL_FLAGS,
    integer("js-tier", "", "the tier that js flags are about: n for Rn, 0 for the account as a whole"),
    *_JETSTREAM.values(),
    integer("js-enable", "", "allow JetStream without limits in this tier"),
    switch("js-disable", "", "forbid JetStream"),
    integer("rm-js-tier", "", "take the limits of this tier away"),
    text("trace-context-subject", "", 'where traces go; "" for nowhere', metavar="SUBJECT"),
    integer("trace-context-sampling", "", "percentage of the messages to trace", metavar="PERCENT"),
    switch("host-cluster-traffic", "", "route JetStream's cluster traffic here", default=None, hidden=True),
    *(size(old, "", "", hidden=True, deprecated=f"it got renamed to --js-{old}") for old in _OLD_NAMES),
    arguments=("[name]",),
    examples=[
        ("nsc edit account A --conns 100 --payload 64Ki", "limit account A"),
        ("nsc edit account A --sk generate", "give it a signing key, so that the identity key can be put away"),
        ("nsc edit account A --js-disk-storage 1Gi --js-streams 10", "allow it JetStream"),
        ("nsc edit account A --deny-pub 'secret.>'", "for users that have no permissions of their own"),
    ],
)
def edit_account(run: Run, *, name: str, **flags: Any) -> int | None:
    """Change limits, keys, tags, default permissions and dates of an account. What is not named stays as it is."""
    if not run.given.intersection(each.name for each in edit_account.flags) - {"name"}:
        raise UsageError("specify an edit option", hint="nsc edit account --help")
    run.workspace.account_given = name or run.workspace.account_given
    with editing_account(run) as edit:
        changed = _edited(run, edit, edit.claims, flags)
        saved = edit.save(changed, same_signer=True)
    run.fact(account={"name": edit.name, "id": edit.claims.subject})
    if not saved:
        return run.unchanged(f'account "{edit.name}"')
    run.success(f'edited account "{edit.name}"')
    return None


def _edited(run: Run, edit: AccountEdit, claims: AccountClaims, flags: dict[str, Any]) -> AccountClaims:
    from msgspec.structs import replace

    from natskit.store.edits import edited_tags
    from natskit.store.limits import as_go_writes, edit_jetstream, edit_limits

    account = _with_signing_keys(run, edit.plan, claims.nats, flags["sk"], flags["rm_sk"])
    claims = dated(run, claims, flags["start"], flags["expiry"])
    tags, done = edited_tags(account.tags, flags["tag"], flags["rm_tag"])
    given = {member: flags[flag.key] for member, (_, flag) in _LIMITS.items()}
    limits, limit_lines = edit_limits(account.limits, given)
    jetstream = _jetstream(flags)
    if jetstream.wanted and edit.is_system and not (jetstream.disable or jetstream.remove is not None):
        raise DeniedError("system account cannot have JetStream limits - please rerun with --js-disable")
    limits, jetstream_lines = edit_jetstream(limits, jetstream)
    if not (edit.is_system or jetstream.disable or jetstream.remove is not None or run.is_2019):
        limits = as_go_writes(limits)
    for line in (*done, *limit_lines, *jetstream_lines):
        run.note(line)
    account = replace(account, tags=tags, limits=limits)
    account = _with_info(run, account, flags)
    if limits.disallow_bearer:
        _refuse_bearers(edit)
    permissions = allowed(run, account.default_permissions, take(flags))
    account = _with_trace(run, replace(account, default_permissions=permissions), flags)
    return replace(claims, nats=account)


def _with_signing_keys(run: Run, plan: Plan, account: Account, more: tuple[str, ...], gone: tuple[str, ...]) -> Account:
    from msgspec.structs import replace

    from natskit.nkeys import Role
    from natskit.store.edits import signing_key_of

    keys = list(account.signing_keys)
    for given in more:
        public, pair = signing_key_of(run.workspace, given, Role.ACCOUNT)
        if pair:
            plan.key(pair)
        if public not in account.signing_key_names:
            keys.append(public)
        run.note(f'added signing key "{run.key(public)}"')
    for given in gone:
        public, _ = signing_key_of(run.workspace, given, Role.ACCOUNT)
        keys = [key for key in keys if public != (key if isinstance(key, str) else key.key)]
        run.note(f'removed signing key "{run.key(public)}"')
    return replace(account, signing_keys=tuple(keys))


def _jetstream(flags: dict[str, Any]) -> Any:
    from natskit.store.limits import JetStreamEdit

    changes = {member: flags[flag.key] for member, flag in _JETSTREAM.items()}
    for old, member in _OLD_NAMES.items():
        value = flags[old.replace("-", "_")]
        changes[member] = changes[member] if value is None else value
    return JetStreamEdit(
        tier=flags["js_tier"] or 0,
        changes=changes,
        enable=flags["js_enable"],
        remove=flags["rm_js_tier"],
        disable=flags["js_disable"],
    )


def _refuse_bearers(edit: AccountEdit) -> None:
    for user in edit.store.users(edit.name):
        if edit.store.user(edit.name, user).nats.bearer_token:
            from natskit.store.commands import typed

            raise DeniedError(
                f'user "{user}" in account "{edit.name}" uses bearer token (needs to be deleted/changed first)',
                hint=typed("edit", "user", "--account", edit.name, user, "--bearer=false"),
            )


def _with_info(run: Run, account: Account, flags: dict[str, Any]) -> Account:
    from msgspec.structs import replace

    changes = {}
    for flag, member, words in (("description", "description", "description"), ("info-url", "info_url", "info url")):
        if flag in run.given:
            changes[member] = flags[member]
            run.note(f'changed {words} to "{flags[member]}"')
    return replace(account, **changes)


def _with_trace(run: Run, account: Account, flags: dict[str, Any]) -> Account:
    from msgspec.structs import replace

    from natskit import subjects
    from natskit.jwt import MessageTrace

    if flags["host_cluster_traffic"] is not None:
        account = replace(account, cluster_traffic="owner" if flags["host_cluster_traffic"] else "")
        verb = "enabled" if flags["host_cluster_traffic"] else "disabled"
        run.note(f"{verb} routing of JetStream cluster traffic through this account")
    trace, sampling = account.trace, flags["trace_context_sampling"]
    if "trace-context-subject" in run.given:
        subject = flags["trace_context_subject"]
        if not subject:
            if sampling is not None:
                raise UsageError("cannot set context sampling rate when disabling the trace context")
            run.note("disabled trace context")
            return replace(account, trace=None)
        if subjects.has_wildcard(subject):
            raise UsageError(f'tracing subjects cannot contain wildcards: "{subject}"')
        trace = replace(trace or MessageTrace(), dest=subject)
        run.note(f'changed trace context subject to "{subject}"')
    if sampling is not None:
        if trace is None:
            raise UsageError("trace-context-sampling requires a subject")
        if not 0 <= sampling <= 100:
            raise UsageError("tracing sampling rate must be between 1-100")
        trace = replace(trace, sampling=sampling)
        run.note(f"changed trace context sampling to {sampling or 100}%")
    return replace(account, trace=trace)
