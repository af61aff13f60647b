"""Questions of the edit commands: first what is to be changed, then its parts, each with what it is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli import prompts

from .questions import Option, Questions, required

if TYPE_CHECKING:
    from natskit.jwt import Account, Operator, Permissions

__all__ = ["ASKED"]

_SECTIONS = "what to change (space marks)"


# ---- operators


def _edit_operator(questions: Questions) -> None:
    claims = questions.workspace.operator().operator()
    body = claims.nats
    questions.sections(
        _SECTIONS,
        [
            ("servers", lambda: _servers(questions, body)),
            ("system account", lambda: _system_account(questions, body.system_account)),
            ("signing keys", lambda: _operator_keys(questions, body)),
            ("dates", lambda: questions.change_validity(claims.not_before, claims.expires)),
            ("tags", lambda: _tags(questions, body.tags)),
        ],
    )
    questions.signer(operator=True, before=claims.issuer)


def _servers(questions: Questions, body: Operator) -> None:
    now = body.account_server_url
    if questions.is_open("account-jwt-server-url") and questions.is_open("rm-account-jwt-server-url"):
        url = prompts.text("account server, or nats:// of servers that take pushes (empty: none)", now)
        if url and url != now:
            questions.answer("account-jwt-server-url", url)
        elif now and not url:
            questions.answer("rm-account-jwt-server-url", True)
    questions.lists("service-url", "rm-service-url", "service URLs", _plain(body.operator_service_urls))


def _system_account(questions: Questions, now: str) -> None:
    store = questions.workspace.operator()
    accounts = [(name, name) for name in store.accounts()]
    if accounts and questions.is_open("system-account"):
        chosen = prompts.choose("system account", accounts, store.find_account(now) if now else None)
        if store.account(chosen).subject != now:
            questions.answer("system-account", chosen)


def _operator_keys(questions: Questions, body: Operator) -> None:
    questions.lists("sk", "rm-sk", "signing keys", _plain(body.signing_keys), " (generate makes one)")
    questions.switch("require-signing-keys", "only signing keys may sign?", now=body.strict_signing_key_usage)


# ---- accounts


def _edit_account(questions: Questions) -> None:
    name = questions.account_argument()
    claims = questions.workspace.operator().account(name)
    body = claims.nats
    questions.sections(
        _SECTIONS,
        [
            ("limits", lambda: _limits(questions, body)),
            ("signing keys", lambda: _account_keys(questions, body)),
            ("JetStream", lambda: _jetstream(questions, body)),
            ("default permissions", lambda: _permissions(questions, body.default_permissions)),
            ("description", lambda: _description(questions, body)),
            ("tracing", lambda: _tracing(questions, body)),
            ("dates", lambda: questions.change_validity(claims.not_before, claims.expires)),
            ("tags", lambda: _tags(questions, body.tags)),
        ],
    )
    questions.signer(operator=True, before=claims.issuer)


def _limits(questions: Questions, body: Account) -> None:
    limits = body.limits
    for flag, message, now in (
        ("conns", "most connections", limits.conn),
        ("leaf-conns", "most leaf node connections", limits.leaf),
        ("data", "most data, in bytes", limits.data),
        ("payload", "largest message, in bytes", limits.payload),
        ("subscriptions", "most subscriptions of a connection", limits.subs),
        ("exports", "most exports", limits.exports),
        ("imports", "most imports", limits.imports),
    ):
        questions.change(flag, f"{message} (-1: no limit)", now)
    questions.switch("wildcard-exports", "exports may have wildcards?", now=limits.wildcards)
    questions.switch("disallow-bearer", "forbid bearer users?", now=limits.disallow_bearer)


def _account_keys(questions: Questions, body: Account) -> None:
    shown = [
        (key, key) if isinstance(key, str) else (f"{key.key} (role {key.role or 'without a name'})", key.key)
        for key in body.signing_keys
    ]
    questions.lists("sk", "rm-sk", "signing keys", shown, " (generate makes one)")


def _jetstream(questions: Questions, body: Account) -> None:
    """The limits of one tier; all of them can go."""
    tiers = body.limits.tiered_limits
    on = bool(tiers) or body.limits.jetstream.enabled
    if on and questions.is_open("js-disable") and not prompts.confirm("allow JetStream?", default=True):
        questions.answer("js-disable", True)
        return
    if not on and not prompts.confirm("allow JetStream?", default=True):
        return
    first = next(iter(tiers), "R1").removeprefix("R") if tiers else "0"
    tier = prompts.text("tier: n for Rn, 0 for the account as a whole", first, _tier_number)
    questions.answer("js-tier", int(tier))
    now = tiers.get(f"R{tier}") if tier != "0" else body.limits.jetstream
    if not on and prompts.confirm("without limits?", default=True):
        questions.answer("js-enable", int(tier))
        questions.run.given.discard("js-tier")
        questions.values["js_tier"] = None
        return
    for flag, message, member, without in (
        ("js-mem-storage", "memory, in bytes (0: none, -1: no limit)", "mem_storage", 0),
        ("js-disk-storage", "disk, in bytes (0: none, -1: no limit)", "disk_storage", 0),
        ("js-streams", "most streams (-1: no limit)", "streams", -1),
        ("js-consumer", "most consumers (-1: no limit)", "consumer", -1),
    ):
        questions.change(flag, message, getattr(now, member) if now else without)


def _tier_number(text: str) -> None:
    from natskit.cli.flags import parse_integer
    from natskit.errors import UsageError

    if not 0 <= parse_integer(text) <= 5:
        raise UsageError("a number of replicas, 1 to 5, or 0")


def _description(questions: Questions, body: Any) -> None:
    questions.change("description", "description", body.description)
    if hasattr(body, "info_url"):
        questions.change("info-url", "where to read more (URL)", body.info_url)


def _tracing(questions: Questions, body: Account) -> None:
    questions.change("trace-context-subject", "where traces go (empty: nowhere)", body.trace.dest if body.trace else "")
    if body.trace or questions.values["trace_context_subject"]:
        now = body.trace.sampling if body.trace else 100
        questions.change("trace-context-sampling", "percentage of the messages to trace", now or 100)


# ---- users and roles


def _edit_user(questions: Questions) -> None:
    account = questions.account()
    claims = questions.workspace.operator().user(account, questions.user(account))
    body = claims.nats
    scoped = questions.workspace.operator().account(account).nats.scope_of(claims.issuer) is not None
    sections: list[tuple[str, Callable[[], None]]] = [
        ("permissions", lambda: _permissions(questions, body.permissions)),
        ("limits", lambda: _user_limits(questions, body)),
    ]
    questions.sections(
        _SECTIONS,
        [
            *([] if scoped else sections),  # the role of the signing key decides them
            ("dates", lambda: questions.change_validity(claims.not_before, claims.expires)),
            ("tags", lambda: _tags(questions, body.tags)),
        ],
    )
    questions.signer(operator=False, before=claims.issuer)


def _user_limits(questions: Questions, body: Any) -> None:
    """Of a user, or of the template of a role."""
    from natskit.jwt import CONNECTION_TYPES

    questions.switch("bearer", "does the token alone log in, without its seed?", now=body.bearer_token)
    for flag, message, now in (
        ("payload", "largest message, in bytes", body.payload),
        ("data", "most data, in bytes", body.data),
        ("subs", "most subscriptions", body.subs),
    ):
        questions.change(flag, f"{message} (-1: no limit)", now)
    questions.lists("source-network", "rm-source-network", "networks", _plain(body.src), ", such as 10.0.0.0/8")
    if questions.is_open("conn-type") and questions.is_open("rm-conn-type"):
        now_allowed = list(body.allowed_connection_types)
        wanted = prompts.choose_several(
            "connection types to allow (none: all)", _plain(CONNECTION_TYPES), marked=now_allowed
        )
        for flag, changed in (
            ("conn-type", [each for each in wanted if each not in now_allowed]),
            ("rm-conn-type", [each for each in now_allowed if each not in wanted]),
        ):
            if changed:
                questions.answer(flag, tuple(changed))
    spans = [(f"{each.start}-{each.end}", each.start) for each in body.times]
    questions.lists("time", "rm-time", "times of day", spans, ", such as 08:00:00-17:30:00")


def _permissions(questions: Questions, now: Permissions) -> None:
    """Lists of subjects, and answering requests."""
    lists = (("pub", now.pub), ("sub", now.sub))
    present: dict[str, list[str]] = {}
    for kind, each in lists:
        for subject in each.allow:
            present.setdefault(subject, []).append(f"{kind} allow")
        for subject in each.deny:
            present.setdefault(subject, []).append(f"{kind} deny")
    if present and questions.is_open("rm"):
        shown = [(f"{subject} ({', '.join(rules)})", subject) for subject, rules in present.items()]
        gone = prompts.choose_several("subjects to take out", shown)
        if gone:
            questions.answer("rm", tuple(gone))
    for flag, message in (
        ("allow-pub", "may publish on"),
        ("allow-sub", "may subscribe to"),
        ("deny-pub", "may not publish on"),
        ("deny-sub", "may not subscribe to"),
    ):
        questions.read(flag, f"{message} (subjects to add, with commas between)")
    if now.resp and questions.is_open("rm-response-perms"):
        questions.switch("rm-response-perms", "take the permission to answer requests away?", now=False)
    elif not now.resp and questions.is_open("allow-pub-response") and prompts.confirm("may it answer requests?"):
        questions.answer("allow-pub-response", 1)


def _edit_signing_key(questions: Questions) -> None:
    account = questions.account()
    keys = questions.workspace.operator().account(account).nats.signing_keys
    if not questions.values["sk"] and not questions.values["key"] and questions.is_open("role"):
        options: list[Option] = [
            (key, key) if isinstance(key, str) else (f"{key.role or key.key} (role)", key.key) for key in keys
        ]
        chosen = prompts.choose("signing key", [*options, ("a new one", "generate")])
        questions.answer("sk", (chosen,))
    scope = _scope_of(questions, account)
    if scope is None:
        questions.text("role", "name of the role", check=required("a role has a name"))
        questions.text("description", "what the role is for")
    else:
        questions.change("role", "name of the role", scope.role)
        _description(questions, scope)
    template = scope.template if scope else _unlimited()
    _permissions(questions, template.permissions)
    if prompts.confirm("limits too?"):
        _user_limits(questions, template)
    questions.signer(operator=True)


def _scope_of(questions: Questions, account: str) -> Any:
    body = questions.workspace.operator().account(account).nats
    given = questions.values["sk"][0] if questions.values["sk"] else questions.values["key"] or questions.values["role"]
    scopes = [each for each in body.signing_keys if not isinstance(each, str)]
    return next((each for each in scopes if given in (each.key, each.role)), None)


def _unlimited() -> Any:
    from natskit.jwt import ScopeTemplate

    return ScopeTemplate(subs=-1, data=-1, payload=-1)


def _edit_authcallout(questions: Questions) -> None:
    name = questions.account_argument()
    store = questions.workspace.operator()
    callout = store.account(name).nats.authorization
    if callout.auth_users and questions.is_open("disable") and prompts.confirm("let users log in by themselves again?"):
        questions.answer("disable", True)
        questions.signer(operator=True)
        return
    known = {store.user(name, user).subject: user for user in store.users(name)}
    for add, remove, what, now, more in (
        ("auth-user", "rm-auth-user", "users that log in by themselves", callout.auth_users, known),
        (
            *("allowed-account", "rm-allowed-account", "accounts that users may be put into"),
            callout.allowed_accounts,
            {"*": "all", **{store.account(each).subject: each for each in store.accounts()}},
        ),
    ):
        _marked(questions, add, remove, what, now, more)
    if questions.is_open("curve") and questions.is_open("rm-curve"):
        now_key = callout.xkey
        curve = prompts.text("curve key to encrypt requests for (generate makes one, empty: none)", now_key)
        if curve and curve != now_key:
            questions.answer("curve", curve)
        elif now_key and not curve:
            questions.answer("rm-curve", True)
    questions.signer(operator=True, before=store.account(name).issuer)


def _marked(questions: Questions, add: str, remove: str, what: str, now: Sequence[str], known: dict[str, str]) -> None:
    """Ask which of the known keys are to be in a list; those in it are marked."""
    if not (questions.is_open(add) and questions.is_open(remove)):
        return
    options = [(f"{known.get(key, '')} {key}".strip(), key) for key in dict.fromkeys((*known, *now))]
    if not options:
        questions.read(add, f"{what} (public keys, with commas between)")
        return
    wanted = prompts.choose_several(what, options, marked=list(now))
    for flag, changed in (
        (add, [each for each in wanted if each not in now]),
        (remove, [each for each in now if each not in wanted]),
    ):
        if changed:
            questions.answer(flag, tuple(changed))


def _tags(questions: Questions, now: Sequence[str]) -> None:
    questions.lists("tag", "rm-tag", "tags", _plain(now))


def _plain(names: Sequence[str]) -> list[Option]:
    return [(name, name) for name in names]


ASKED: dict[str, Callable[[Questions], None]] = {
    "edit account": _edit_account,
    "edit authcallout": _edit_authcallout,
    "edit operator": _edit_operator,
    "edit signing-key": _edit_signing_key,
    "edit user": _edit_user,
}
