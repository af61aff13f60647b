"""Questions about operators, accounts, users and their keys: making, choosing, deleting them."""

from __future__ import annotations

from collections.abc import Callable

from natskit.cli import prompts
from natskit.errors import Cancelled, UsageError

from .questions import Questions, named, required

__all__ = ["ASKED", "confirm_deletion"]


def _init(questions: Questions) -> None:
    workspace = questions.workspace
    questions.text("dir", "folder for the stores", workspace.directories.shorten(workspace.directories.standard_stores))
    if questions.is_open("url") and questions.is_open("remote-operator"):
        from natskit.store.well_known import well_known_operators

        known = [(name, name) for name in well_known_operators(workspace.environ)]
        kind = prompts.choose("operator", [("Create Operator", ""), *known, ("Other", "other")])
        if kind == "other":
            questions.text("url", "URL of the operator's JWT", check=_web_address)
        elif kind:
            questions.answer("remote-operator", kind)
    questions.text("name", "name for operator, account and user", check=named("operator"))


def _web_address(text: str) -> None:
    from natskit.store.tokens import is_url

    if not is_url(text):
        raise UsageError("an http or https URL")


def _add_operator(questions: Questions) -> None:
    if questions.is_open("url") and questions.is_open("name") and prompts.confirm("import operator from a JWT?"):
        questions.text("url", "path or URL of the JWT", check=required("a path or URL is required"))
        return
    if "url" in questions.run.given:
        return
    questions.text("name", "operator name", check=named("operator"))
    questions.validity()
    questions.yes("sys", "generate a system account?", default=True)
    if not questions.run.private_key:
        questions.yes("generate-signing-key", "generate a signing key?", default=True)


def _add_account(questions: Questions) -> None:
    questions.text("name", "account name", check=named("account"))
    questions.new_key("account")
    questions.validity()
    questions.signer(operator=True)


def _add_user(questions: Questions) -> None:
    questions.account()
    questions.text("name", "user name", check=named("user"))
    questions.new_key("user")
    questions.validity()
    questions.signer(operator=False)


def _add_accounts(questions: Questions) -> None:
    questions.text("from", "file with a row for each account", check=required("a file is required"))
    questions.signer(operator=True)


def _add_users(questions: Questions) -> None:
    questions.account()
    questions.text("from", "file with a row for each user", check=required("a file is required"))
    questions.text("creds-dir", "folder for their creds (empty: the keystore)")
    questions.signer(operator=False)


# ---- choosing and renaming


def _select_operator(questions: Questions) -> None:
    if not questions.values["name"]:
        questions.values["name"] = questions.operator()


def _select_account(questions: Questions) -> None:
    if not questions.values["name"]:
        questions.values["name"] = questions.account()


def _rename_account(questions: Questions) -> None:
    if not questions.values["old"]:
        questions.values["old"] = questions.account()
    if not questions.values["new"]:
        questions.values["new"] = prompts.text("new name", check=named("account"))
    old, new = questions.values["old"], questions.values["new"]
    if questions.is_open("OK") and not prompts.confirm(f'call account "{old}" "{new}" from now on?', default=True):
        raise Cancelled("renaming cancelled")
    questions.answer("OK", True)
    questions.signer(operator=True)


def _reissue_operator(questions: Questions) -> None:
    questions.operator("name")
    questions.yes("convert-to-signing-key", "keep the old identity as a signing key?", default=True)
    if not prompts.confirm("servers must be given the new token afterwards: give it a new identity?"):
        raise Cancelled("reissue cancelled")


def _reissue_account(questions: Questions) -> None:
    questions.account_argument()
    questions.signer(operator=True)


def _reissue_user(questions: Questions) -> None:
    account = questions.account()
    questions.user(account)
    questions.yes("as-role", "leave its own rights away and let the role of the signing key decide?")
    questions.signer(operator=False)


# ---- deleting


def _delete_operator(questions: Questions) -> None:
    questions.operator("name")
    questions.yes("rm-nkey", "delete the keys of the operator, its accounts and users?")
    questions.yes("rm-creds", "delete creds files of its users?")
    if questions.is_open("force"):
        confirm_deletion()
        questions.answer("force", True)


def _delete_account(questions: Questions) -> None:
    questions.account_argument()
    if questions.workspace.operator().managed:
        questions.yes("revoke", "revoke its users?", default=True)
    questions.yes("rm-nkey", "delete its nkeys?")
    questions.yes("rm-creds", "delete its users' creds files?")
    confirm_deletion()
    if questions.workspace.operator().managed:
        questions.answer("force", True)
    questions.signer(operator=True)


def _delete_user(questions: Questions) -> None:
    account = questions.account()
    if questions.is_open("name") and not questions.values["user"]:
        users = questions.workspace.operator().users(account)
        questions.answer("name", tuple(prompts.choose_several("users to delete", [(name, name) for name in users])))
    if questions.yes("revoke", "revoke them?", default=True):
        questions.signer(operator=True)
    questions.yes("rm-nkey", "delete their nkeys?")
    questions.yes("rm-creds", "delete their creds files?")
    confirm_deletion()


def confirm_deletion() -> None:
    """The last question before something is deleted. Raises Cancelled."""
    if not prompts.confirm("this cannot be undone: delete?"):
        raise Cancelled("delete cancelled")


# ---- keys and tokens from elsewhere


def _generate_nkey(questions: Questions) -> None:
    kinds = ("operator", "account", "user", "curve")
    if all(map(questions.is_open, kinds)):
        for kind in prompts.choose_several("keys to make", [(kind, kind) for kind in kinds]):
            questions.answer(kind, True)
    questions.yes("store", "keep the seeds in the keystore instead of showing them?")


def _export_keys(questions: Questions) -> None:
    questions.text("dir", "folder to write to", check=required("a folder is required"))
    kinds = [("operator", "operator"), ("accounts", "accounts"), ("users", "users"), ("all of all accounts", "all")]
    if all(questions.is_open(flag) for _, flag in kinds):
        for flag in prompts.choose_several("keys to export (none: those of the current account)", kinds):
            questions.answer(flag, True)
    questions.yes("include-jwts", "also write the tokens?")
    questions.yes("force", "overwrite files that are there?")
    if questions.yes("remove", "delete the keys from the keystore afterwards?"):
        confirm_deletion()


def _import_keys(questions: Questions) -> None:
    questions.text("dir", "folder with the .nk files", check=required("a folder is required"))
    questions.yes("recurse", "also look into the folders below it?", default=True)


def _import_account(questions: Questions) -> None:
    questions.text("file", "JWT file of the account", check=required("a file is required"))
    questions.yes("overwrite", "overwrite an account that is the same one?")
    questions.yes("force", "also if another operator signed it?")
    questions.signer(operator=True)


def _import_user(questions: Questions) -> None:
    questions.text("file", "JWT or creds file of the user", check=required("a file is required"))
    questions.yes("overwrite", "overwrite a user that is the same one?")


def _migrate(questions: Questions) -> None:
    if questions.is_open("url") and questions.is_open("operator-dir"):
        one = prompts.choose("take over", [("one account", "url"), ("all accounts of an operator", "operator-dir")])
        message = "JWT of the account: file or URL" if one == "url" else "folder of the operator"
        questions.text(one, message, check=required("it is required"))
    questions.yes("force", "overwrite accounts of the same name and key?")


def _fix(questions: Questions) -> None:
    questions.read("in", "folders to look through, with commas between")
    questions.text("out", "folder to write to (empty: a new one)")
    questions.yes("creds", "also read creds files?")


def _upgrade_jwt(questions: Questions) -> None:
    questions.text("backup", "zip file for the store as it was (empty: a name is made)")
    if not prompts.confirm("write the operator's token again, as version 2?", default=True):
        raise Cancelled("upgrade cancelled")


def _migrate_keys(questions: Questions) -> None:
    if not prompts.confirm("bring the keystore into today's layout?", default=True):
        raise Cancelled("migration cancelled")


ASKED: dict[str, Callable[[Questions], None]] = {
    "add account": _add_account,
    "add accounts": _add_accounts,
    "add operator": _add_operator,
    "add user": _add_user,
    "add users": _add_users,
    "delete account": _delete_account,
    "delete operator": _delete_operator,
    "delete user": _delete_user,
    "export keys": _export_keys,
    "fix": _fix,
    "generate nkey": _generate_nkey,
    "import account": _import_account,
    "import keys": _import_keys,
    "import user": _import_user,
    "init": _init,
    "keys migrate": _migrate_keys,
    "migrate": _migrate,
    "reissue account": _reissue_account,
    "reissue operator": _reissue_operator,
    "reissue user": _reissue_user,
    "rename account": _rename_account,
    "select account": _select_account,
    "select operator": _select_operator,
    "upgrade-jwt": _upgrade_jwt,
}
