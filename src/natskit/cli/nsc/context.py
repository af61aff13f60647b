"""``nsc generate context``: a context of the nats command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natskit.cli.command import command, text
from natskit.errors import NotFound, UsageError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["generate_context"]


@command(
    text("user", "u", "the user, default the only one of the account", metavar="NAME", completes="user"),
    text("context", "", "name of the context", metavar="NAME"),
    examples=[("nsc generate context -a A -u U --context work", "then: nats --context work pub subject hello")],
)
def generate_context(run: Run, *, user: str, context: str) -> None:
    """Make a context with which the nats command logs in as a user."""
    from msgspec import json

    from natskit.store.credentials import find_user
    from natskit.store.files import make_dirs

    workspace = run.workspace
    account = workspace.account_name()
    found = find_user(workspace, account, user)
    if not context:
        raise UsageError("context name is required", hint="--context NAME")
    if os.sep in context or context.startswith("."):
        raise UsageError("context name cannot contain filepath separators")
    store = workspace.operator()
    creds = workspace.keystore.creds_path(store.name, account, found)
    if not os.path.isfile(creds):
        raise NotFound(f'creds file "{creds}" - doesn\'t exist - nsc generate creds first')
    urls = store.operator().nats.operator_service_urls
    content = {"nsc": f"nsc://{store.name}/{account}/{found}", **({"url": urls[0]} if urls else {}), "creds": creds}
    folder = workspace.directories.contexts
    path = os.path.join(folder, context if context.endswith(".json") else f"{context}.json")
    make_dirs(os.path.dirname(folder))
    make_dirs(folder, 0o755)  # as the nats command makes it
    run.write_file(path, json.encode(content).decode(), mode=0o644, overwrite=False)
    run.success(f"wrote nats cli context file to `{run.path(path)}`")
    run.fact(context=content)
