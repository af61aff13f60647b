"""The command tree as data: every command by its words, and where it is. Importing it imports no command."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natskit.cli.command import Command

__all__ = ["GROUPS", "LEAVES", "Leaf", "canonical", "children", "leaf_of", "names_in"]


class Leaf:
    """A command: ``module:name`` in this package, a line for the list of commands, other names for its last word."""

    __slots__ = ("aliases", "hidden", "summary", "target")

    def __init__(self, target: str, summary: str, *aliases: str, hidden: bool = False) -> None:
        self.target = target
        self.summary = summary
        self.aliases = aliases
        self.hidden = hidden

    def load(self) -> Command:
        """Import the command."""
        module, name = self.target.split(":")
        loaded: Command = getattr(import_module(f"{__package__}.{module}"), name)
        return loaded


GROUPS: dict[str, str] = {
    "": "Manage the operators, accounts and users of a NATS security setup",
    "select": "Choose the operator and account to work on",
    "add": "Add operators, accounts, users, exports and imports",
    "delete": "Delete operators, accounts, users, exports and imports",
    "completion": "Make a shell complete commands, flags and names",
    "describe": "Describe operators, accounts, users, exports, imports and tokens",
    "reissue": "Give an operator a new identity, accounts and users a new signature",
    "rename": "Give accounts another name",
    "revocations": "Revoke users and activations",
    "edit": "Change what is there",
    "explain": "Say who receives what, whose messages arrive, and what stands in the way",
    "explain denied": "Say which link fails between a user and a message",
    "export": "Take keys out of the keystore",
    "generate": "Generate activation tokens, creds and server configurations",
    "generate diagram": "Draw the store, for PlantUML",
    "tool": "Try out what users of the store may do",
    "import": "Take in keys, and tokens that were made elsewhere",
    "keys": "Look after the keystore",
    "list": "List operators, accounts, users, exports and imports",
}
"""Every group by its words, with a line about it. A group without commands does not exist."""

GROUP_ALIASES = {"create": "add"}

LEAVES: dict[str, Leaf] = {
    "batch": Leaf("batch.command:batch", "Carry out many commands, from a file"),
    "add export": Leaf("export:add_export", "Share a stream or a service of an account"),
    "add import": Leaf("import_:add_import", "Take a stream or a service that another account shares"),
    "add mapping": Leaf("mapping:add_mapping", "Map a subject of an account to another one"),
    "delete mapping": Leaf("mapping:delete_mapping", "Map a subject no longer"),
    "edit export": Leaf("export:edit_export", "Change an export"),
    "delete export": Leaf("export:delete_export", "Share a stream or a service no longer"),
    "delete import": Leaf("import_:delete_import", "Take a stream or a service no longer"),
    "init": Leaf("init:init", "Create an operator, an account and a user in one step"),
    "env": Leaf("env:env", "Show the environment, or change what is current"),
    "select operator": Leaf("operator:select_operator", "Make an operator the current one"),
    "select account": Leaf("account:select_account", "Make an account the current one"),
    "add operator": Leaf("operator:add_operator", "Create an operator, or import one"),
    "add account": Leaf("account:add_account", "Create an account"),
    "add accounts": Leaf("bulk:add_accounts", "Create many accounts, from a file"),
    "add user": Leaf("user:add_user", "Create a user"),
    "add users": Leaf("bulk:add_users", "Create many users with their creds, from a file"),
    "delete operator": Leaf("operator:delete_operator", "Delete an operator with its accounts"),
    "delete account": Leaf("account:delete_account", "Delete an account with its users"),
    "delete user": Leaf("user:delete_user", "Delete users"),
    "edit account": Leaf("edit_account:edit_account", "Change an account"),
    "edit user": Leaf("edit_user:edit_user", "Change a user"),
    "revocations add-activation": Leaf("revocation:add_activation", "Revoke activations of an export"),
    "revocations add-user": Leaf("revocation:add_user", "Revoke users"),
    "revocations delete-activation": Leaf("revocation:delete_activation", "Take the revocation of an activation back"),
    "revocations delete-user": Leaf("revocation:delete_user", "Take the revocation of a user back"),
    "revocations list-activations": Leaf("revocation:list_activations", "List revoked activations of an export"),
    "revocations list-users": Leaf("revocation:list_users", "List revoked users"),
    "edit operator": Leaf("edit_operator:edit_operator", "Change the operator"),
    "edit signing-key": Leaf("signing_key:edit_signing_key", "Give a signing key a role"),
    "edit authcallout": Leaf("authcallout:edit_authcallout", "Let a service decide who logs in"),
    "describe account": Leaf("describe.account:describe_account", "Show an account"),
    "describe export": Leaf("describe.export:describe_export", "Show an export of an account"),
    "describe import": Leaf("describe.export:describe_import", "Show an import of an account"),
    "describe jwt": Leaf("describe.token:describe_jwt", "Show a token in a file or at a URL"),
    "describe operator": Leaf("describe.operator:describe_operator", "Show an operator"),
    "describe user": Leaf("describe.user:describe_user", "Show a user"),
    "generate activation": Leaf("activation:generate_activation", "Let another account import a private export"),
    "generate config": Leaf("generate:generate_config", "Make the configuration of a server that trusts the operator"),
    "generate context": Leaf("context:generate_context", "Make a context of the nats command for a user"),
    "generate diagram component": Leaf("diagram:generate_component_diagram", "Draw what accounts share"),
    "generate diagram object": Leaf("diagram:generate_object_diagram", "Draw who signed whom"),
    "generate nkey": Leaf("nkey:generate_nkey", "Make keys"),
    "generate profile": Leaf("tool_profile:generate_profile", "Print what an nsc:// URL asks for"),
    "generate creds": Leaf("generate:generate_creds", "Make a creds file for a user"),
    "list accounts": Leaf("listing:list_accounts", "List the accounts of an operator", "account"),
    "list exports": Leaf("listing:list_exports", "List what an account exports", "export"),
    "list imports": Leaf("listing:list_imports", "List what an account imports", "import"),
    "list keys": Leaf("keys:list_keys", "List keys, and which of them are stored", "key"),
    "list operators": Leaf("listing:list_operators", "List the operators in the stores folder", "operator"),
    "completion bash": Leaf("completion:bash", "Completion for bash"),
    "completion fish": Leaf("completion:fish", "Completion for fish"),
    "completion zsh": Leaf("completion:zsh", "Completion for zsh"),
    "reissue account": Leaf("reissue:reissue_account", "Sign an account again"),
    "reissue user": Leaf("reissue:reissue_user", "Sign a user again"),
    "reissue operator": Leaf("reissue:reissue_operator", "Give the operator a new identity key"),
    "rename account": Leaf("renaming:rename_account", "Call an account something else"),
    "import account": Leaf("token_import:import_account", "Store an account that was made elsewhere"),
    "import user": Leaf("token_import:import_user", "Store a user that was made elsewhere"),
    "explain pub": Leaf("explain.routes:explain_pub", "Say who receives a message, and by what"),
    "explain sub": Leaf("explain.routes:explain_sub", "Say whose messages arrive at a subscription, and by what"),
    "explain denied pub": Leaf("explain.denied:denied_pub", "Say what keeps a user from publishing"),
    "explain denied sub": Leaf("explain.denied:denied_sub", "Say what keeps messages from a user's subscription"),
    "expirations": Leaf("expirations:expirations", "Show when tokens and creds expire"),
    "push": Leaf("push:push", "Send accounts to an account server or to servers"),
    "pull": Leaf("pull:pull", "Take tokens from an account server or from servers"),
    "load": Leaf("load:load", "Set up an account of a service on this machine"),
    "fix": Leaf("fix:fix", "Make stores and keys anew from a heap of tokens and seeds"),
    "upgrade-jwt": Leaf("upgrading:upgrade_jwt", "Make an operator of 2019 one of today"),
    "export keys": Leaf("key_files:export_keys", "Write keys into a folder", "key"),
    "import keys": Leaf("key_files:import_keys", "Store the keys of a folder", "key"),
    "keys migrate": Leaf("key_files:migrate_keys", "Bring a keystore of 2019 into today's layout"),
    "migrate": Leaf("migrate:migrate", "Take accounts over from another operator"),
    "tool pub": Leaf("tool:pub", "Publish a message as a user of the store"),
    "tool reply": Leaf("tool:reply", "Answer requests as a user of the store"),
    "tool req": Leaf("tool:req", "Send a request as a user of the store"),
    "tool rtt": Leaf("tool:rtt", "Measure the round trip time to the server"),
    "tool sub": Leaf("tool:sub", "Print the messages that a user of the store receives"),
    "pub": Leaf("tool:pub", "nsc tool pub", hidden=True),
    "reply": Leaf("tool:reply", "nsc tool reply", hidden=True),
    "req": Leaf("tool:req", "nsc tool req", hidden=True),
    "rtt": Leaf("tool:rtt", "nsc tool rtt", hidden=True),
    "sub": Leaf("tool:sub", "nsc tool sub", hidden=True),
    "doctor": Leaf("doctor:doctor", "Find what is wrong with the store, and how to mend it"),
    "validate": Leaf("validate:validate", "Check the tokens of the store, or of a file"),
    "list users": Leaf("listing:list_users", "List the users of an account", "user"),
}
"""Every command by its words, in the order in which help lists them."""


def canonical(word: str) -> str:
    """The spelling of a command word here: dashes for underscores."""
    return word.replace("_", "-")


def children(group: str) -> list[str]:
    """The next words below ``group``, in order, without hidden ones."""
    prefix = f"{group} " if group else ""
    words = {path[len(prefix) :].split(" ")[0] for path, leaf in LEAVES.items() if path.startswith(prefix)}
    return sorted(word for word in words if not _hidden(f"{prefix}{word}"))


def _hidden(path: str) -> bool:
    if path in LEAVES:
        return LEAVES[path].hidden
    return all(leaf.hidden for name, leaf in LEAVES.items() if name.startswith(f"{path} "))


@functools.cache
def names_in(group: str) -> dict[str, str]:
    """Every word that may follow ``group`` (aliases too), with the path it leads to."""
    prefix = f"{group} " if group else ""
    found: dict[str, str] = {} if group else {alias: name for alias, name in GROUP_ALIASES.items() if name in GROUPS}
    for path, leaf in LEAVES.items():
        if path.startswith(prefix):
            word, more, _ = path[len(prefix) :].partition(" ")
            found[word] = f"{prefix}{word}"
            if not more:
                found |= dict.fromkeys(leaf.aliases, path)
    return found


def leaf_of(path: str) -> Leaf | None:
    """The command at ``path``, None if that is a group."""
    return LEAVES.get(path)
