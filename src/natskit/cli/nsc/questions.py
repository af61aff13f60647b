"""Interactive mode: what each command asks for before it runs (spec/nsc.md 2.7).

Answers become the values of flags, so that a command does not know whether it was asked or told. What was given on the
command line is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli import prompts
from natskit.cli.flags import parse_duration, parse_moment
from natskit.errors import Cancelled, NotFound, UsageError

if TYPE_CHECKING:
    from natskit.jwt import Export

    from .run import Run

__all__ = ["ASKED", "ask"]

Option = tuple[str, Any]


class Questions:
    """Asks, and keeps the answers where flags have their values."""

    def __init__(self, run: Run, values: dict[str, Any]) -> None:
        self.run = run
        self.values = values
        self.workspace = run.workspace

    # ---- one flag each

    def is_open(self, flag: str) -> bool:
        """Whether the flag was not given."""
        return flag not in self.run.given

    def answer(self, flag: str, value: Any) -> None:
        """Set a flag, as if it had been given."""
        self.values[flag.replace("-", "_")] = value
        self.run.given.add(flag)

    def text(self, flag: str, message: str, default: str = "", check: prompts.Check | None = None) -> str:
        """Ask for a text; an empty answer to an empty default is none."""
        if self.is_open(flag):
            answer = prompts.text(message, default, check)
            if answer:
                self.answer(flag, answer)
        return str(self.values[flag.replace("-", "_")])

    def yes(self, flag: str, message: str, *, default: bool = False) -> bool:
        """Ask yes or no."""
        if self.is_open(flag):
            self.answer(flag, prompts.confirm(message, default=default))
        return bool(self.values[flag.replace("-", "_")])

    def choose(self, flag: str, message: str, options: Sequence[Option], default: Any = None) -> Any:
        """Ask for one of several."""
        if self.is_open(flag):
            self.answer(flag, prompts.choose(message, options, default))
        return self.values[flag.replace("-", "_")]

    # ---- what several commands ask

    def validity(self) -> None:
        """From when to when."""
        self.text("start", "valid from (empty: now)", check=self._moment_check("start"))
        self.text("expiry", "valid until (empty: never)", check=self._moment_check("expiry"))

    def _moment_check(self, name: str) -> prompts.Check:
        return lambda text: parse_moment(text, self.workspace.now(), name)

    def account(self) -> str:
        """Which account to work on; not asked if there is one only."""
        workspace = self.workspace
        if not workspace.account_given:
            names = workspace.operator().accounts()
            if not names:
                raise NotFound(f'operator "{workspace.operator().name}" has no accounts', hint="nsc add account NAME")
            current = workspace.config.account
            many = len(names) > 1
            workspace.account_given = (
                prompts.choose("account", [(name, name) for name in names], current) if many else names[0]
            )
        return workspace.account_name()

    def new_key(self, kind: str) -> None:
        """Make a key, or use one that is there."""
        if self.is_open("public-key") and not prompts.confirm(f"generate an {kind} nkey?", default=True):
            from natskit.store.signing import read_key

            self.text("public-key", f"public key, seed or key file of the {kind}", check=self._key_check(read_key))

    def _key_check(self, read: Callable[..., object]) -> prompts.Check:
        def check(text: str) -> None:
            if not text:
                raise UsageError("a key is required")
            read(self.workspace, text)

        return check

    def signer(self, *, operator: bool) -> None:
        """Which key signs: asked if there is a choice, or if a key that may is not stored here."""
        if self.run.private_key:
            return
        from natskit.store.signing import read_key

        allowed = self._operator_keys() if operator else self._account_keys()
        present = [key for key in allowed if self.workspace.keystore.has(key)]
        if len(present) == 1 == len(allowed):
            return
        options: list[Option] = [(key, key) for key in present]
        if len(present) < len(allowed):
            options.append(("Other...", ""))
        chosen = prompts.choose("sign with", options)
        if not chosen:

            def check(text: str) -> None:
                pair = read_key(self.workspace, text)
                if pair.public not in allowed:
                    raise UsageError(f'"{pair.public}" is not an expected signing key [{", ".join(allowed)}]')

            chosen = prompts.text("seed or key file", check=check)
        self.run.values["private_key"] = chosen

    def _operator_keys(self) -> list[str]:
        claims = self.workspace.operator().operator()
        identity = [] if claims.nats.strict_signing_key_usage else [claims.subject]
        return [*identity, *claims.nats.signing_keys]

    def _account_keys(self) -> list[str]:
        store = self.workspace.operator()
        claims = store.account(self.workspace.account_name())
        identity = [] if store.operator().nats.strict_signing_key_usage else [claims.subject]
        return [*identity, *claims.nats.signing_key_names]


def _subject(text: str) -> None:
    from natskit.subjects import validate

    validate(text)


def _name(kind: str) -> prompts.Check:
    from natskit.store.names import check

    return lambda text: text == "*" or check(text, kind)


# ---- operators, accounts, users


def _init(questions: Questions) -> None:
    workspace = questions.workspace
    questions.text("dir", "folder for the stores", workspace.directories.shorten(workspace.directories.standard_stores))
    if questions.is_open("url") and questions.is_open("remote-operator"):
        kind = prompts.choose("operator", [("Create Operator", ""), ("Synadia", "synadia"), ("Other", "other")])
        if kind == "other":
            questions.text("url", "URL of the operator's JWT", check=_web_address)
        elif kind:
            questions.answer("remote-operator", kind)
    questions.text("name", "name for operator, account and user", check=_name("operator"))


def _web_address(text: str) -> None:
    from natskit.store.tokens import is_url

    if not is_url(text):
        raise UsageError("an http or https URL")


def _add_operator(questions: Questions) -> None:
    if questions.is_open("url") and questions.is_open("name") and prompts.confirm("import operator from a JWT?"):
        questions.text("url", "path or URL of the JWT", check=_required("a path or URL is required"))
        return
    if "url" in questions.run.given:
        return
    questions.text("name", "operator name", check=_name("operator"))
    questions.validity()
    questions.yes("sys", "generate a system account?", default=True)
    if not questions.run.private_key:
        questions.yes("generate-signing-key", "generate a signing key?", default=True)


def _required(message: str) -> prompts.Check:
    def check(text: str) -> None:
        if not text:
            raise UsageError(message)

    return check


def _add_account(questions: Questions) -> None:
    questions.text("name", "account name", check=_name("account"))
    questions.new_key("account")
    questions.validity()
    questions.signer(operator=True)


def _add_user(questions: Questions) -> None:
    questions.account()
    questions.text("name", "user name", check=_name("user"))
    questions.new_key("user")
    questions.validity()
    questions.signer(operator=False)


def _delete_user(questions: Questions) -> None:
    account = questions.account()
    if questions.is_open("name") and not questions.values["user"]:
        users = questions.workspace.operator().users(account)
        questions.answer("name", tuple(prompts.choose_several("users to delete", [(name, name) for name in users])))
    if questions.yes("revoke", "revoke them?", default=True):
        questions.signer(operator=True)
    questions.yes("rm-nkey", "delete their nkeys?")
    questions.yes("rm-creds", "delete their creds files?")
    _confirm_deletion()


def _delete_account(questions: Questions) -> None:
    if questions.is_open("name"):
        questions.answer("name", questions.account())
    questions.yes("rm-nkey", "delete its nkeys?")
    questions.yes("rm-creds", "delete its users' creds files?")
    _confirm_deletion()
    questions.signer(operator=True)


def _confirm_deletion() -> None:
    if not prompts.confirm("this cannot be undone: delete?"):
        raise Cancelled("delete cancelled")


# ---- exports, imports, activations


def _add_export(questions: Questions) -> None:
    questions.account()
    kinds = [("stream", False), ("service", True)]
    service = questions.choose("service", "export type", kinds)
    subject = questions.text("subject", "subject", check=_subject)
    questions.text("name", "name", subject)
    questions.yes("private", "private: importers need an activation?")
    if service:
        _service_details(questions)
    questions.signer(operator=True)


def _service_details(questions: Questions) -> None:
    from .export import RESPONSE_TYPES, parse_sampling

    if questions.is_open("latency") and prompts.confirm("track latency?"):
        sampling = prompts.text('percentage of requests, or "header"', "header", parse_sampling)
        questions.answer("sampling", parse_sampling(sampling))
        questions.text("latency", "subject for the reports", check=_subject)
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
    questions.text("new-subject", "subject", export.subject, _subject)
    questions.text("name", "name", export.name)
    questions.yes("private", "private: importers need an activation?", default=export.token_req)
    if service:
        _service_details(questions)
    questions.text("description", "description", export.description)
    questions.text("info-url", "where to read more (URL)", export.info_url)
    questions.signer(operator=True)


def _words(export: Export) -> str:
    return f"{export.name} ({'private' if export.token_req else 'public'} {export.type} {export.subject})"


def _add_import(questions: Questions) -> None:
    account = questions.account()
    if questions.is_open("token") and questions.is_open("src-account"):
        _ask_source(questions, account)
    elif questions.is_open("token"):
        questions.text("remote-subject", "remote subject", check=_subject)
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
        questions.text("remote-subject", "remote subject", export.subject, _subject)
        if export.is_service:
            questions.yes("share", "share latency information?")
    elif prompts.confirm("is the export public?", default=True):
        questions.text("src-account", "public key or name of the exporter", check=_required("an account is required"))
        questions.text("remote-subject", "remote subject", check=_subject)
        questions.yes("service", "is it a service?")
    else:
        questions.text("token", "activation token: file or URL", check=_required("a file or URL is required"))


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
        questions.text("subject", "subject", export.subject, _subject)
    questions.text("target-account", "importer: public key or name", check=_required("an account is required"))
    questions.validity()
    questions.signer(operator=False)


ASKED: dict[str, Callable[[Questions], None]] = {
    "add account": _add_account,
    "add export": _add_export,
    "add import": _add_import,
    "add operator": _add_operator,
    "add user": _add_user,
    "delete account": _delete_account,
    "delete user": _delete_user,
    "edit export": _edit_export,
    "generate activation": _generate_activation,
    "init": _init,
}
"""Commands that have questions."""


def ask(path: str, run: Run, values: dict[str, Any]) -> None:
    """Ask what the command at ``path`` asks, if it asks anything. Raises UsageError without a terminal."""
    questions = ASKED.get(path)
    if questions is not None:
        questions(Questions(run, values))
