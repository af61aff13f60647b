"""``nsc generate``: what others need, made from the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natskit.cli.command import command, switch, text
from natskit.errors import Error, UsageError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["OUTPUT_FILE", "generate_config", "generate_creds", "umask"]

OUTPUT_FILE = text("output-file", "o", 'write to this file instead of stdout ("--")', default="--", metavar="FILE")


@command(
    text("name", "n", "the user, default the only one", metavar="NAME", completes="user"),
    text("user", "u", "how --name was called in 2019", hidden=True),
    OUTPUT_FILE,
    arguments=("[name]",),
    examples=[
        ("nsc generate creds -a A -n U", "print the creds of user U of account A"),
        ("nsc generate creds -a A -n U -o u.creds", "write them to a file, readable by you alone"),
    ],
)
def generate_creds(run: Run, *, name: str, user: str, output_file: str) -> None:
    """Print or write the creds of a user: its token and its seed, all that a client needs to log in."""
    from natskit.store.credentials import creds_of, find_user

    account = run.workspace.account_name()
    found = find_user(run.workspace, account, name or user)
    creds = creds_of(run.workspace, account, found)
    run.fact(account=account, user=found)
    if output_file == "--":
        return run.result(creds, creds=creds)
    full = run.write_file(output_file, creds)
    run.success(f"generated `{run.path(full)}`")
    return None


@command(
    switch("mem-resolver", "", "the server holds every account in memory"),
    switch("nats-resolver", "", "the server keeps accounts in a folder and takes them from nsc push"),
    switch("nats-resolver-cache", "", "the server keeps accounts in a folder for a while and asks other servers"),
    switch("nkey", "", "accounts and users as configuration, without tokens", hidden=True),
    text("config-file", "", 'write to this file instead of stdout ("--")', default="--", metavar="FILE"),
    switch("force", "F", "overwrite the file"),
    text("dir", "", "with --mem-resolver: write it and the tokens as files of this folder", metavar="DIR"),
    text("sys-account", "", "name or key of the system account, default the operator's", metavar="ACCOUNT"),
    examples=[
        ("nsc generate config --mem-resolver --config-file server.conf", "for a server that holds all accounts"),
        ("nsc generate config --nats-resolver > server.conf", "for servers that take accounts from nsc push"),
    ],
)
def generate_config(
    run: Run,
    *,
    mem_resolver: bool,
    nats_resolver: bool,
    nats_resolver_cache: bool,
    nkey: bool,
    config_file: str,
    force: bool,
    dir: str,
    sys_account: str,
) -> None:
    """Print or write the configuration of a nats-server that trusts the current operator."""
    from natskit.store import server_config

    chosen = mem_resolver + nats_resolver + nats_resolver_cache + nkey
    if not chosen:
        raise UsageError(
            "specify a config type option", hint="--mem-resolver, --nats-resolver or --nats-resolver-cache"
        )
    if chosen > 1:
        raise UsageError("can only generate one config at a time")
    if dir and config_file != "--":
        raise UsageError("--dir is exclusive of --config-file")
    if dir and not mem_resolver:
        raise UsageError(f"--dir is not valid with {'nkey' if nkey else 'nats-resolver'} configuration")
    store = run.workspace.operator()
    system = None if nkey else server_config.system_account(store, sys_account)

    def left_out(error: Error) -> None:
        run.fail(f"left out of the configuration: {error}")

    if dir:
        return _write_folder(run, dir, server_config.memory_resolver_files(store, system, left_out))
    if nkey:
        config = server_config.nkey_config(store, left_out)
    elif mem_resolver:
        config = server_config.memory_resolver(store, system, left_out)
    else:
        config = server_config.nats_resolver(store, system, cache=nats_resolver_cache)
    return _give(run, config, config_file, force=force)


def _give(run: Run, config: str, config_file: str, *, force: bool) -> None:
    if config_file == "--":
        return run.result(config.rstrip("\n"), config=config)
    full = run.write_file(config_file, config, overwrite=force)
    run.success(f"generated `{run.path(full)}`")
    return None


def _write_folder(run: Run, folder: str, files: dict[str, str]) -> None:
    """The files go to a server, so they are as readable as the umask lets them be."""
    from natskit.store.files import make_dirs

    full = run.full_path(folder)
    make_dirs(full)
    mode = 0o666 & ~umask()
    for name, content in files.items():
        run.write_file(os.path.join(full, name), content, mode=mode)
    run.success(f"generated `{run.path(os.path.join(full, 'resolver.conf'))}`")


def umask() -> int:
    """The umask of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
