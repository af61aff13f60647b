"""Questions about what accounts share: exports, imports, activations, mappings, revocations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from natskit.cli import prompts
from natskit.cli.flags import format_duration, parse_duration
from natskit.errors import Cancelled, NotFound

from .questions import Option, Questions, required, valid_subject

if TYPE_CHECKING:
    from natskit.jwt import Export, Import

__all__ = ["ASKED"]


def _add_export(questions: Questions) -> None:
    questions.account()
    kinds = [("stream", False), ("service", True)]
    service = questions.choose("service", "export type", kinds)
    questions.text("name", "name", questions.text("subject", "subject", check=valid_subject))
    questions.yes("private", "private: importers need an activation?")
    if service:
        _service_details(questions)
    questions.signer(operator=True)


def _service_details(questions: Questions) -> None:
    from ..export import RESPONSE_TYPES, parse_sampling

    if questions.is_open("latency") and prompts.confirm("track latency?"):
        sampling = prompts.text('percentage of requests, or "header"', "header", parse_sampling)
        questions.answer("sampling", parse_sampling(sampling))
        questions.text("latency", "subject for the reports", check=valid_subject)
    questions.choose("response-type", "response type", [(each, each) for each in RESPONSE_TYPES])
    if questions.is_open("response-threshold"):
        threshold = prompts.text("longest time to the first answer (0: any)", "0", parse_duration)
        questions.answer("response-threshold", parse_duration(threshold))
    questions.yes("allow-trace", "allow tracing?")


def _edit_export(questions: Questions) -> None:
    account = questions.account()
    exports = questions.workspace.operator().account(account).nats.exports
    if questions.is_open("subject") and exports:
        questions.answer("subject", prompts.choose("export", [(_words(each), each.subject) for each in exports]))
    export = next((each for each in exports if each.subject == questions.values["subject"]), None)
    if export is None:
        return
    kinds = [("stream", False), ("service", True)]
    service = questions.choose("service", "export type", kinds, export.is_service)
    questions.change("new-subject", "subject", export.subject, valid_subject)
    questions.change("name", "name", export.name)
    questions.switch("private", "private: importers need an activation?", now=export.token_req)
    if service:
        _change_service(questions, export)
    questions.change("description", "description", export.description)
    questions.change("info-url", "where to read more (URL)", export.info_url)
    questions.signer(operator=True)


def _change_service(questions: Questions, export: Export) -> None:
    from ..export import RESPONSE_TYPES

    latency = export.service_latency
    tracked = latency is not None
    if questions.is_open("latency") and questions.is_open("rm-latency-sampling"):
        tracked = prompts.confirm("track latency?", default=tracked)
        if latency is not None and not tracked:
            questions.answer("rm-latency-sampling", True)
    if tracked:
        now = "header" if latency is None or not isinstance(latency.sampling, int) else latency.sampling
        questions.change("sampling", 'percentage of requests, or "header"', now)
        questions.change("latency", "subject for the reports", latency.results if latency else "", valid_subject)
    types = [(each, each) for each in RESPONSE_TYPES]
    questions.choose("response-type", "response type", types, export.response_type)
    threshold = format_duration(export.response_threshold)
    questions.change("response-threshold", "longest time to the first answer (0s: any)", threshold)
    questions.switch("allow-trace", "allow tracing?", now=export.allow_trace)


def _words(export: Export) -> str:
    return f"{export.name} ({'private' if export.token_req else 'public'} {export.type} {export.subject})"


def _add_import(questions: Questions) -> None:
    account = questions.account()
    if questions.is_open("token") and questions.is_open("src-account"):
        _ask_source(questions, account)
    elif questions.is_open("token"):
        questions.text("remote-subject", "remote subject", check=valid_subject)
    questions.text("name", "name (empty: that of the subject)")
    questions.text("local-subject", "local subject (empty: same as the remote one)")
    if not questions.values["service"] and not questions.values["token"]:
        questions.yes("allow-trace", "allow tracing?")
    questions.signer(operator=True)


def _ask_source(questions: Questions, account: str) -> None:
    picks = _local_exports(questions, account)
    if picks and prompts.confirm("pick from locally available exports?", default=True):
        exporter, export = prompts.choose("export", picks)
        questions.answer("src-account", exporter)
        questions.answer("service", export.is_service)
        questions.answer("private", export.token_req)
        questions.text("remote-subject", "remote subject", export.subject, valid_subject)
        if export.is_service:
            questions.yes("share", "share latency information?")
    elif prompts.confirm("is the export public?", default=True):
        questions.text("src-account", "public key or name of the exporter", check=required("an account is required"))
        questions.text("remote-subject", "remote subject", check=valid_subject)
        questions.yes("service", "is it a service?")
    else:
        questions.text("token", "activation token: file or URL", check=required("a file or URL is required"))


def _local_exports(questions: Questions, importer: str) -> list[Option]:
    """Every export of other accounts of the operator: ``<-`` is a service, ``[!]`` needs an activation."""
    store = questions.workspace.operator()
    return [
        (f"{name} {'<-' if each.is_service else '->'} {'[!] ' if each.token_req else ''}[{each.name}] {each.subject}",
         (name, each))
        for name in store.iter_accounts()
        if name != importer
        for each in store.account(name).nats.exports
    ]  # fmt: skip


def _generate_activation(questions: Questions) -> None:
    account = questions.account()
    claims = questions.workspace.operator().account(account)
    private = [each for each in claims.nats.exports if each.token_req]
    if questions.is_open("subject") and private:
        export = prompts.choose("export", [(_words(each), each) for each in private])
        questions.text("subject", "subject", export.subject, valid_subject)
    questions.text("target-account", "importer: public key or name", check=required("an account is required"))
    questions.validity()
    questions.signer(operator=False)


def _delete_export(questions: Questions) -> None:
    account = questions.account()
    exports = questions.workspace.operator().account(account).nats.exports
    if not questions.values["subject"] and exports:
        questions.answer("subject", prompts.choose("export", [(_words(each), each.subject) for each in exports]))
    if not prompts.confirm("whoever imports it gets nothing any more: delete?"):
        raise Cancelled("delete cancelled")
    questions.signer(operator=True)


def _delete_import(questions: Questions) -> None:
    account = questions.account()
    imports = questions.workspace.operator().account(account).nats.imports
    if not questions.values["subject"] and imports:
        chosen = prompts.choose("import", [(_import_words(each), each) for each in imports])
        questions.answer("subject", chosen.subject)
        questions.answer("src-account", chosen.account)
    if not prompts.confirm("delete?", default=True):
        raise Cancelled("delete cancelled")
    questions.signer(operator=True)


def _import_words(each: Import) -> str:
    return f"{each.name} ({each.type} {each.subject} from {each.account})"


# ---- mappings


def _add_mapping(questions: Questions) -> None:
    questions.account()
    questions.text("from", "subject that is published", check=valid_subject)
    questions.text("to", "subject that it becomes", check=required("a subject is required"))
    questions.read("weight", "percentage of the messages", "100")
    questions.text("cluster", "only in this cluster (empty: everywhere)")
    questions.signer(operator=True)


def _delete_mapping(questions: Questions) -> None:
    account = questions.account()
    mappings = questions.workspace.operator().account(account).nats.mappings
    if not mappings:
        raise NotFound(f'account "{account}" has no mappings', hint="nsc add mapping")
    if not questions.values["from"]:
        questions.answer("from", prompts.choose("mapping of", [(source, source) for source in mappings]))
    entries = mappings.get(questions.values["from"]) or ()
    if questions.is_open("to") and len(entries) > 1:
        options: list[Option] = [(f"{each.subject} {each.cluster}".strip(), each) for each in entries]
        chosen = prompts.choose("which", [("all of them", None), *options])
        if chosen is not None:
            questions.answer("to", chosen.subject)
            questions.answer("cluster", chosen.cluster)
    questions.signer(operator=True)


# ---- revocations


def _revoke_user(questions: Questions) -> None:
    account = questions.account()
    _pick_user(questions, account, [("all users", "*")])
    questions.read("at", "what was issued until then (empty: now)")
    questions.signer(operator=True)


def _pick_user(questions: Questions, account: str, more: list[Option]) -> None:
    if questions.is_open("name") and questions.is_open("user-public-key"):
        store = questions.workspace.operator()
        users: list[Option] = [(name, store.user(account, name).subject) for name in store.users(account)]
        chosen = prompts.choose("user", [*users, *more, ("another one", "")])
        chosen = chosen or prompts.text("public key of the user", check=required("a key is required"))
        questions.answer("user-public-key", chosen)


def _restore_user(questions: Questions) -> None:
    account = questions.account()
    store = questions.workspace.operator()
    revoked = store.account(account).nats.revocations
    if not revoked:
        raise NotFound(f"no user revocations set in account {account}")
    if questions.is_open("name") and questions.is_open("user-public-key"):
        names = {store.user(account, name).subject: name for name in store.users(account)} | {"*": "all users"}
        options: list[Option] = [(f"{names.get(key, '')} {key}".strip(), key) for key in revoked]
        questions.answer("user-public-key", prompts.choose("whose revocation", options))
    questions.signer(operator=True)


def _revoke_activation(questions: Questions) -> None:
    _pick_private(questions)
    if questions.is_open("target-account"):
        questions.text("target-account", "importer: name or public key, * for all", check=required("it is required"))
    questions.read("at", "what was issued until then (empty: now)")
    questions.signer(operator=True)


def _restore_activation(questions: Questions) -> None:
    export = _pick_private(questions)
    if export is not None and export.revocations and questions.is_open("target-account"):
        options: list[Option] = [(key, key) for key in export.revocations]
        questions.answer("target-account", prompts.choose("whose revocation", options))
    questions.signer(operator=True)


def _pick_private(questions: Questions) -> Export | None:
    """The export whose activations are meant, as flags say it."""
    account = questions.account()
    exports = [each for each in questions.workspace.operator().account(account).nats.exports if each.token_req]
    if not exports or not questions.is_open("subject"):
        return None
    export: Export = prompts.choose("export", [(_words(each), each) for each in exports])
    questions.answer("subject", export.subject)
    questions.answer("service", export.is_service)
    return export


ASKED: dict[str, Callable[[Questions], None]] = {
    "add export": _add_export,
    "add import": _add_import,
    "add mapping": _add_mapping,
    "delete export": _delete_export,
    "delete import": _delete_import,
    "delete mapping": _delete_mapping,
    "edit export": _edit_export,
    "generate activation": _generate_activation,
    "revocations add-activation": _revoke_activation,
    "revocations add-user": _revoke_user,
    "revocations delete-activation": _restore_activation,
    "revocations delete-user": _restore_user,
}
