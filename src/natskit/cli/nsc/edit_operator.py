"""``nsc edit operator``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, strings, switch, text
from natskit.errors import DeniedError, UsageError

from .permissions import TIME_FLAGS, dated

if TYPE_CHECKING:
    from natskit.jwt import Operator
    from natskit.store import OperatorStore, Plan

    from .run import Run

__all__ = ["edit_operator"]

_OWN = (
    text("account-jwt-server-url", "u", "account server, or nats:// of servers that take pushes", metavar="URL"),
    switch("rm-account-jwt-server-url", "", "no account server"),
    strings("service-url", "n", "add servers for tools, such as nats://localhost:4222", metavar="URLS"),
    strings("rm-service-url", "", "take servers away", metavar="URLS"),
    text("system-account", "", "name or key of the system account", metavar="ACCOUNT", completes="account"),
    switch("require-signing-keys", "", "only signing keys may sign accounts and users", default=None),
    strings("sk", "", "add signing keys: generate, public keys, seeds or files", metavar="KEYS"),
    strings("rm-sk", "", "take signing keys away", metavar="KEYS"),
    strings("tag", "", "add tags", metavar="TAGS"),
    strings("rm-tag", "", "take tags away", metavar="TAGS"),
)
_EDITS = {each.name for each in (*_OWN, *TIME_FLAGS)}


@command(
    *_OWN,
    *TIME_FLAGS,
    examples=[
        ("nsc edit operator --sk generate", "add a signing key, so that the identity key can be put away"),
        (
            "nsc edit operator --service-url nats://localhost:4222 --account-jwt-server-url nats://localhost:4222",
            "servers",
        ),
        ("nsc edit operator --system-account SYS", "name the system account"),
    ],
)
def edit_operator(run: Run, **flags: Any) -> int | None:
    """Change keys, servers, system account, tags and dates of the operator. What is not named stays as it is."""
    from msgspec.structs import replace

    from natskit.store import Plan
    from natskit.store.accounts import check_issues
    from natskit.store.edits import edited_tags
    from natskit.store.signing import operator_identity

    if not run.given & _EDITS:
        raise UsageError("specify an edit option", hint="nsc edit operator --help")
    with run.workspace.locked():
        store = run.workspace.operator()
        plan = Plan(run.workspace)
        before = store.operator()
        claims = dated(run, before, flags["start"], flags["expiry"])
        tags, done = edited_tags(claims.nats.tags, flags["tag"], flags["rm_tag"])
        for line in done:
            run.note(line)
        body = _with_keys(run, plan, replace(claims.nats, tags=tags), flags)
        body = _with_servers(run, _with_system_account(run, store, body, flags["system_account"]), flags)
        if body.strict_signing_key_usage:
            _check_strict(store, body, claims.subject)
        claims = replace(claims, nats=body)
        run.fact(operator={"name": claims.name, "id": claims.subject})
        if claims == before and not run.private_key:
            return run.unchanged(f'operator "{claims.name}"')
        check_issues(claims, run.workspace.now())
        pair = operator_identity(run.workspace, before, run.private_key)
        plan.token(store.operator_path, run.workspace.sign(claims, pair))
        run.files(plan.commit())
    run.success(f'edited operator "{claims.name}"')
    return None


def _with_keys(run: Run, plan: Plan, body: Operator, flags: dict[str, Any]) -> Operator:
    from msgspec.structs import replace

    from natskit.nkeys import Role
    from natskit.store.edits import signing_key_of

    keys = list(body.signing_keys)
    for given in flags["sk"]:
        public, pair = signing_key_of(run.workspace, given, Role.OPERATOR)
        if pair:
            plan.key(pair)
        if public not in keys:
            keys.append(public)
        run.note(f'added signing key "{run.key(public)}"')
    for given in flags["rm_sk"]:
        public, _ = signing_key_of(run.workspace, given, Role.OPERATOR)
        keys = [key for key in keys if key != public]
        run.note(f'removed signing key "{run.key(public)}"')
    strict = flags["require_signing_keys"]
    if strict is not None:
        run.note(f"strict signing key usage set to: {str(strict).lower()}")
        body = replace(body, strict_signing_key_usage=strict)
    if body.strict_signing_key_usage and not keys:
        raise DeniedError("operator requires at least one signing key", hint="add one with --sk generate")
    return replace(body, signing_keys=tuple(keys))


def _with_servers(run: Run, body: Operator, flags: dict[str, Any]) -> Operator:
    from msgspec.structs import replace

    if url := flags["account_jwt_server_url"]:
        run.note(f'set account jwt server url to "{url}"')
        body = replace(body, account_server_url=url)
    if flags["rm_account_jwt_server_url"]:
        run.note("removed account server url")
        body = replace(body, account_server_url="")
    urls = list(body.operator_service_urls)
    for given in flags["service_url"]:
        service = given.strip().lower()
        if service not in urls:
            urls.append(service)
        run.note(f'added service url "{service}"')
    for given in flags["rm_service_url"]:
        urls = [each for each in urls if each != given.strip().lower()]
        run.note(f'removed service url "{given.strip().lower()}"')
    return replace(body, operator_service_urls=tuple(urls))


def _with_system_account(run: Run, store: OperatorStore, body: Operator, given: str) -> Operator:
    from msgspec.structs import replace

    from natskit.nkeys import Role, is_public

    if not given:
        return body
    key = given
    if not is_public(given, Role.ACCOUNT):
        account = store.account(run.workspace.find_account(store, given))
        limits = account.nats.limits
        from natskit.store.commands import typed

        hint = typed("edit", "account", given, "--js-disable")
        if limits.tiered_limits:
            raise DeniedError("system accounts cannot have tiered JetStream limits", hint=hint)
        if limits.jetstream.enabled:
            raise DeniedError("system accounts cannot have JetStream limits", hint=hint)
        key = account.subject
    run.note(f'set system account "{run.key(key)}"')
    return replace(body, system_account=key)


def _check_strict(store: OperatorStore, body: Operator, identity: str) -> None:
    """Under strict signing keys nothing may be signed by an identity key."""
    for name in store.accounts():
        account = store.account(name)
        if account.issuer == identity:
            from natskit.store.commands import typed

            raise DeniedError(
                f'account "{name}" needs to be issued with a signing key first',
                hint=typed("edit", "account", name, "--tag", "issued", "-K", body.signing_keys[0]),
            )
        for user in store.users(name):
            if store.user(name, user).issuer == account.subject:
                raise DeniedError(f'user "{user}" in account "{name}" needs to be issued with a signing key first')
