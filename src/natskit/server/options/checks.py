"""What only the options as a whole can tell: conflicts, and names that must exist.

Source: spec/server-config.md sections 2 and 3; spec/server-accounts.md section 2.2.
"""

from __future__ import annotations

from natskit.config import Node
from natskit.server.options.reading import Block, Reading
from natskit.server.options.shapes import GLOBAL_ACCOUNT, SYSTEM_ACCOUNT, Options

MIN_LAME_DUCK_S = 30.0


def check_options(reading: Reading, block: Block, options: Options) -> None:
    """Note everything that does not fit together; ``block`` says where it stands."""
    _check_logins(reading, block, options)
    _check_names(reading, block, options)
    _check_websocket(reading, block, options)
    limits, monitoring = options.limits, options.monitoring
    if limits.max_payload > limits.max_pending:
        message = f"max_payload ({limits.max_payload}) cannot be higher than max_pending ({limits.max_pending})"
        reading.fault(block.place("max_payload"), message)
    _check_lame_duck(reading, block, options)
    if monitoring.http_port and monitoring.https_port:
        place = block.taken.get("https_port") or block.place("https")
        ports = f"HTTP ({monitoring.http_port}) and HTTPs ({monitoring.https_port})"
        reading.fault(place, f"can't specify both {ports} ports")
    if monitoring.https_port and (options.tls is None or not options.tls.certificates):
        place = block.taken.get("https_port") or block.place("https")
        reading.fault(place, "TLS cert and key required for HTTPS: add a tls block")


def _check_logins(reading: Reading, block: Block, options: Options) -> None:
    authorization = options.authorization
    if authorization is None:
        return
    place = block.place("authorization")
    if authorization.user and authorization.token:
        reading.fault(place, "Cannot have a user/pass and token")
    for given, what in ((authorization.user, "single user/pass"), (authorization.token, "token")):
        if given and authorization.users:
            reading.fault(place, f"Can not have a {what} and a users array")
        if given and any(account.users for account in options.accounts):
            reading.fault(place, f"Can not have a {what} and accounts")


def _check_names(reading: Reading, block: Block, options: Options) -> None:
    """What is named exists."""
    accounts = {account.name for account in options.accounts} | {GLOBAL_ACCOUNT, SYSTEM_ACCOUNT}
    callout = options.authorization.callout if options.authorization is not None else None
    for name in callout.allowed_accounts if callout is not None else ():
        if name not in accounts:
            fault = f'auth_callout allowed account "{name}" not found in configured accounts'
            reading.fault(block.place("authorization"), fault)
    if options.default_sentinel and not options.operators:
        reading.fault(block.place("default_sentinel"), "default sentinel requires operators and accounts")
    if options.operator_mode:
        return
    if options.system_account and options.system_account not in accounts - {GLOBAL_ACCOUNT}:
        fault = f'error resolving system account: account missing: define "{options.system_account}" in accounts'
        reading.fault(block.place("system_account"), fault)
    for node, subject in reading.latencies if options.no_system_account else ():
        reading.fault(node, f'Error adding service latency sampling for "{subject}": system account not setup')
    _check_guest(reading, block.place("no_auth_user"), options.no_auth_user, options)


def _check_guest(reading: Reading, place: Node, name: str, options: Options) -> None:
    """The user whom clients are that do not log in."""
    users = {user.id for _, user in options.users()}
    if name and name not in users:
        reason = "not present as user or nkey in authorization block or account configuration"
        if not users:
            reason = "present, but users/nkeys are not defined"
        reading.fault(place, f'no_auth_user: "{name}" {reason}')


def _check_websocket(reading: Reading, block: Block, options: Options) -> None:
    websocket, place = options.websocket, block.place("websocket")
    if websocket is None:
        return
    login = websocket.authorization
    if login is not None and login.user and login.token:
        reading.fault(place, "Cannot have a user/pass and token")
    if login is not None and (login.user or login.token) and options.users():
        reading.fault(place, "websocket authentication username not compatible with presence of users/nkeys")
    if websocket.jwt_cookie and not options.operator_mode:
        reading.fault(
            place, "trusted operators or trusted keys configuration is required for JWT authentication via cookie"
        )
    if not options.operator_mode:
        _check_guest(reading, place, websocket.no_auth_user, options)


def _check_lame_duck(reading: Reading, block: Block, options: Options) -> None:
    duration, grace = options.lame_duck_duration_s, options.lame_duck_grace_period_s
    if duration < MIN_LAME_DUCK_S:
        fault = f"invalid lame_duck_duration of {duration:g}s, minimum is {MIN_LAME_DUCK_S:g} seconds"
        reading.fault(block.place("lame_duck_duration"), fault)
    elif not 0 <= grace < duration:
        fault = f"lame_duck_grace_period of {grace:g}s must be less than the duration of {duration:g}s"
        reading.fault(block.place("lame_duck_grace_period"), fault)
