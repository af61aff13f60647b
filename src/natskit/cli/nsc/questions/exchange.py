"""Questions about servers and files: push, pull, load, and what is generated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from natskit.cli import prompts

from .questions import Questions, required

if TYPE_CHECKING:
    from .questions import Option

__all__ = ["ASKED"]


def _push(questions: Questions) -> None:
    if questions.is_open("all") and questions.is_open("prune") and not questions.workspace.account_given:
        questions.yes("all", "push all accounts?", default=True)
    if not questions.values["all"] and not questions.values["prune"]:
        questions.account()
    now = questions.workspace.operator().operator().nats.account_server_url
    if questions.is_open("account-jwt-server-url"):
        url = prompts.text("account server, or nats:// of a server", now, required("a URL is required"))
        if url != now:
            questions.answer("account-jwt-server-url", url)
        now = url
    if not now.lower().startswith("http"):
        _system_user(questions)


def _system_user(questions: Questions) -> None:
    store = questions.workspace.operator()
    accounts: list[Option] = [(name, name) for name in store.accounts()]
    if questions.is_open("system-account") and accounts:
        key = store.operator().nats.system_account
        known = store.find_account(key) if key else None
        chosen = prompts.choose("system account", accounts, known)
        if chosen != known:
            questions.answer("system-account", chosen)
    account = questions.values["system_account"] or store.find_account(store.operator().nats.system_account)
    if account and questions.is_open("system-user"):
        users: list[Option] = [(name, name) for name in store.users(account)]
        chosen = prompts.choose("system user", [("one that is made for the occasion", ""), *users])
        if chosen:
            questions.answer("system-user", chosen)


def _pull(questions: Questions) -> None:
    if not questions.workspace.account_given and not questions.yes("all", "pull everything?", default=True):
        questions.account()
    questions.yes("overwrite-newer", "also over tokens that are newer?")


def _load(questions: Questions) -> None:
    if questions.is_open("profile") and questions.is_open("url"):
        questions.text("profile", "nsc://<well-known operator>?secret=<account seed>", check=required("it is required"))
    questions.text("user", "name of the user to create", "default")


def _generate_config(questions: Questions) -> None:
    kinds = ("mem-resolver", "nats-resolver", "nats-resolver-cache")
    if all(map(questions.is_open, kinds)):
        chosen = prompts.choose(
            "the server",
            [
                ("holds all accounts in memory", kinds[0]),
                ("keeps accounts in a folder and takes pushes", kinds[1]),
                ("keeps accounts for a while and asks other servers", kinds[2]),
            ],
        )
        questions.answer(chosen, True)
    if questions.is_open("dir"):
        questions.text("config-file", "file to write (-- for the screen)", "server.conf")


def _generate_creds(questions: Questions) -> None:
    user = questions.user(questions.account())
    questions.output_file("file to write", f"{user}.creds")


def _generate_context(questions: Questions) -> None:
    user = questions.user(questions.account(), "user")
    questions.text("context", "name of the context", user, required("context name is required"))


ASKED: dict[str, Callable[[Questions], None]] = {
    "generate config": _generate_config,
    "generate context": _generate_context,
    "generate creds": _generate_creds,
    "load": _load,
    "pull": _pull,
    "push": _push,
}
