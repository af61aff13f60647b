"""``nsc env``: where nsc looks, and what is current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, text
from natskit.cli.tables import Table
from natskit.errors import DeniedError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["env"]


@command(
    text("store", "s", "keep the stores in this folder from now on", metavar="DIR"),
    text("operator", "o", "make this operator the current one", metavar="NAME", completes="operator"),
    text("account", "a", "make this account the current one", metavar="NAME", completes="account"),
    text("profile", "", "be the nsc of 2019 from now on, or today's: 2019 or current", metavar="PROFILE"),
    stores=False,
    examples=[
        ("nsc env", "show folders, variables and the current operator and account"),
        ("nsc env -o Acme -a A", "work on account A of operator Acme from now on"),
        ("nsc env --profile 2019", "follow the documentation of 2019: version 1 tokens, its folders and tables"),
    ],
)
def env(run: Run, *, store: str, operator: str, account: str, profile: str) -> None:
    """Show the environment, or change what is current."""
    workspace = run.workspace
    if (store or operator or account) and workspace.cwd_only:
        raise DeniedError("$NSC_CWD_ONLY is set - change your cwd to change context")
    if profile:
        return _remember(run, profile)
    if store:
        workspace.save_context(store_root=run.full_path(store))
    if operator:
        workspace.check_operator(operator)
        workspace.save_context(operator=operator)
    if account:
        workspace.save_context(account=workspace.find_account(workspace.operator(), account))
    facts = _facts(run)
    run.table(_page_table(run) if run.is_2019 else _table(run), **facts)
    return None


def _remember(run: Run, text_: str) -> None:
    """Write the choice into the stores root of that profile, where every later run finds it."""
    from msgspec import json

    from natskit.store import Profile
    from natskit.store.directories import Flags, resolve
    from natskit.store.files import make_dirs
    from natskit.store.output import write_output
    from natskit.store.profile import Marker, marker_path

    profile = Profile.parse(text_)
    workspace = run.workspace
    there = resolve(workspace.environ, Flags(), workspace.cwd, profile)
    roots = {workspace.stores_root or workspace.directories.stores, there.stores}
    for root in sorted(roots):
        make_dirs(root)
        write_output(marker_path(root), json.encode(Marker(profile=profile.value)))
    run.success(f'nsc is the one of "{profile.value}" from now on')
    run.fact(profile=profile.value, stores=there.stores, keystore=there.keystore)


def _facts(run: Run) -> dict[str, object]:
    workspace = run.workspace
    return {
        "config": workspace.directories.config_file,
        "stores": workspace.stores_root,
        "keystore": workspace.keystore.root,
        "operator": workspace.config.operator,
        "account": workspace.config.account,
        "profile": workspace.profile.value,
        "from_cwd": workspace.from_cwd,
    }


def _table(run: Run) -> Table:
    workspace, environ = run.workspace, run.workspace.environ
    table = Table("NSC Environment", ("Setting", "Set", "Effective Value"))

    def variable(name: str, value: str = "", note: str = "") -> None:
        table.row(f"${name}{note}", "Yes" if name in environ else "No", run.path(value) if value else "")

    variable("XDG_CONFIG_HOME", environ.get("XDG_CONFIG_HOME", ""))
    variable("XDG_DATA_HOME", environ.get("XDG_DATA_HOME", ""))
    variable("NSC_CWD_ONLY", note="")
    table.row("", "", "If set, default operator/account from cwd only")
    variable("NSC_NO_GIT_IGNORE")
    table.row("", "", "If set, no .gitignore files written")
    variable("NKEYS_PATH", workspace.keystore.root, " (deprecated)")
    variable("NSC_HOME", workspace.directories.config, " (deprecated)")
    variable("NSC_OPERATOR", environ.get("NSC_OPERATOR", ""))
    variable("NSC_ACCOUNT", environ.get("NSC_ACCOUNT", ""))
    variable("NSC_PROFILE", environ.get("NSC_PROFILE", ""))
    variable("NATS_CA", environ.get("NATS_CA", ""))
    variable("NATS_KEY", environ.get("NATS_KEY", ""))
    variable("NATS_CERT", environ.get("NATS_CERT", ""))
    table.separator()
    table.row("From CWD", "", "Yes" if workspace.from_cwd else "No")
    table.row("Config", "", run.path(workspace.directories.config_file))
    table.row("Default Stores Dir", "", run.path(workspace.directories.stores))
    table.row("Current Store Dir", "", run.path(workspace.stores_root) or "Not Set")
    table.row("Current Operator", "", workspace.config.operator or "Not Set")
    table.row("Current Account", "", workspace.config.account or "Not Set")
    authority = environ.get("NATS_CA")
    table.row("Root CAs to trust", "", f"File: {authority}" if authority else "Default: System Trust Store")
    return table


def _page_table(run: Run) -> Table:
    """The table of 2019."""
    workspace, environ = run.workspace, run.workspace.environ
    table = Table("NSC Environment", ("Setting", "Set", "Effective Value"))
    table.row("$NKEYS_PATH", "Yes" if "NKEYS_PATH" in environ else "No", run.path(workspace.keystore.root))
    table.row("$NSC_HOME", "Yes" if "NSC_HOME" in environ else "No", run.path(workspace.directories.config))
    table.row("Config", "", run.path(workspace.directories.config_file))
    table.separator()
    table.row("Stores Dir", "", run.path(workspace.stores_root))
    table.row("Default Operator", "", workspace.config.operator)
    table.row("Default Account", "", workspace.config.account)
    table.row("Default Cluster", "", "")
    return table
