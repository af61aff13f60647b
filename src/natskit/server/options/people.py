"""Users, permissions and the ``authorization`` block.

Source: spec/server-config.md section 3.2; spec/server-accounts.md sections 1 to 3.
"""

from __future__ import annotations

from natskit import nkeys, subjects
from natskit.config import Node
from natskit.jwt import CONNECTION_TYPES
from natskit.server.options.reading import Block, Reading
from natskit.server.options.shapes import (
    GLOBAL_ACCOUNT,
    AuthCallout,
    Authorization,
    Permissions,
    ResponsePermission,
    SubjectPermission,
    User,
)

MAX_AUTH_TIMEOUT_S = 60.0


def read_permissions(reading: Reading, node: Node) -> Permissions:
    """A ``permissions`` block."""
    block = reading.block(node, "permissions")
    publish = block.read(
        lambda each: _subjects(reading, each, queues=False), SubjectPermission(), "publish", "pub", "import"
    )
    subscribe = block.read(
        lambda each: _subjects(reading, each, queues=True), SubjectPermission(), "subscribe", "sub", "export"
    )
    responses = block.read(lambda each: _responses(reading, each), None, "allow_responses", "publish_allow_responses")
    block.finish()
    return Permissions(publish=publish, subscribe=subscribe, responses=responses)


def _subjects(reading: Reading, node: Node, *, queues: bool) -> SubjectPermission:
    if not isinstance(node.value, dict):
        return SubjectPermission(allow=_entries(reading, node, queues=queues))
    block = reading.block(node)
    allow = block.read(lambda each: _entries(reading, each, queues=queues), (), "allow")
    deny = block.read(lambda each: _entries(reading, each, queues=queues), (), "deny")
    block.finish("Unknown field name \"{}\" parsing subject permissions, only 'allow' or 'deny' are permitted")
    return SubjectPermission(allow=allow, deny=deny)


def _entries(reading: Reading, node: Node, *, queues: bool) -> tuple[str, ...]:
    """Subjects; those of subscriptions may be followed by a queue."""
    entries = []
    for each in node.elements:
        each.key = each.key or node.key
        parts = reading.text(each).split()
        if not 1 <= len(parts) <= (2 if queues else 1) or not all(map(subjects.is_valid, parts)):
            reading.fault(each, f'subject "{" ".join(parts)}" is not a valid subject')
        entries.append(" ".join(parts))
    return tuple(entries)


def _responses(reading: Reading, node: Node) -> ResponsePermission | None:
    if isinstance(node.value, bool):
        return ResponsePermission() if node.value else None
    block = reading.block(node, "permissions")
    most = block.integer("max", "max_msgs", "max_messages", "max_responses")
    expires = block.seconds("expires", "expiration", "ttl", default=0.0, numbers="refused")
    block.finish()
    default = ResponsePermission()
    return ResponsePermission(max_messages=most or default.max_messages, expires_s=expires or default.expires_s)


def read_users(reading: Reading, node: Node) -> tuple[User, ...]:
    """A list of users, none of whom is known already."""
    return tuple(_user(reading, each) for each in reading.list(node))


def _user(reading: Reading, node: Node) -> User:
    block = reading.block(node)
    name, password, nkey = block.text("user", "username"), block.text("pass", "password"), block.text("nkey")
    user = User(
        name=name,
        password=password,
        nkey=nkey,
        permissions=block.read(
            lambda each: read_permissions(reading, each), None, "permissions", "permission", "authorization"
        ),
        connection_types=read_connection_types(reading, block),
        proxy_required=block.boolean("proxy_required"),
    )
    block.finish()
    if nkey and not nkeys.is_public(nkey, nkeys.Role.USER):
        reading.fault(node, "Not a valid public nkey for a user")
    if nkey and (name or password):
        reading.fault(node, "Nkey users do not take usernames or passwords")
    if not nkey and not name:
        reading.fault(node, "User entry requires a user")
    elif reading.users.setdefault(user.id, node) is not node:
        reading.fault(node, f'Duplicate user "{user.id}" detected')
    return user


def read_connection_types(reading: Reading, block: Block) -> tuple[str, ...]:
    """The connection types of a user, in upper case."""
    node = block.take("allowed_connection_types", "connection_types", "clients")
    if node is None:
        return ()
    kinds = tuple(kind.upper() for kind in reading.texts(node))
    if unknown := [kind for kind in kinds if kind not in CONNECTION_TYPES]:
        listed = " ".join(f'"{kind}"' for kind in unknown)
        reading.fault(node, f"invalid connection types [{listed}]")
    return kinds


def read_authorization(reading: Reading, node: Node) -> Authorization:
    """The ``authorization`` block."""
    block = reading.block(node)
    result = Authorization(
        user=block.text("user", "username"),
        password=block.text("pass", "password"),
        token=block.text("token"),
        timeout_s=block.read(lambda each: _timeout(reading, each), None, "timeout"),
        users=block.read(lambda each: read_users(reading, each), (), "users"),
        default_permissions=block.read(
            lambda each: read_permissions(reading, each),
            None,
            "default_permissions",
            "default_permission",
            "permissions",
        ),
        callout=block.read(lambda each: _callout(reading, each), None, "auth_callout", "auth_hook"),
        proxy_required=block.boolean("proxy_required"),
    )
    block.finish()
    return result


def _timeout(reading: Reading, node: Node) -> float | None:
    seconds = reading.span(node, None, numbers="seconds")
    if seconds is not None and seconds > MAX_AUTH_TIMEOUT_S:
        reading.warnings.append(
            node.error(f"timeout of {seconds:g} s is long: clients may stay unauthenticated for all that time")
        )
    return seconds


def _callout(reading: Reading, node: Node) -> AuthCallout:
    block = reading.block(node, "authorization callout")
    callout = AuthCallout(
        issuer=block.text("issuer"),
        auth_users=block.texts("auth_users", "users", alone=False),
        account=block.text("account", "acc", default=GLOBAL_ACCOUNT),
        xkey=block.text("xkey", "key"),
        allowed_accounts=block.texts("allowed_accounts", alone=False),
    )
    block.finish()
    if not nkeys.is_public(callout.issuer, nkeys.Role.ACCOUNT):
        fault = "Authorization callouts require an issuer that is an account public nkey (A...)"
        reading.fault(block.place("issuer"), fault)
    if not callout.auth_users:
        reading.fault(block.place("auth_users"), "Authorization callouts require authorized users to be specified")
    if callout.xkey and not nkeys.is_public(callout.xkey, nkeys.Role.CURVE):
        reading.fault(block.place("xkey"), "Authorization callout xkey must be a curve public nkey (X...)")
    return callout
