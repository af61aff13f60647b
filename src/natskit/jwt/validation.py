"""What is wrong with claims: every check of the reference library, in its order and with its words.

Neither decoding nor encoding validates; tools do before they sign, servers before they trust.

Source: spec/nkeys-and-jwt.md section 5.
"""

from __future__ import annotations

from natskit.jwt import url
from natskit.jwt.account import AccountClaims
from natskit.jwt.account_validation import check_account
from natskit.jwt.activation import ActivationClaims
from natskit.jwt.body import Claims
from natskit.jwt.checks import check_activation, check_permissions, whole_number
from natskit.jwt.issue import Issue, Issues, quoted
from natskit.jwt.operator import OperatorClaims
from natskit.jwt.user import User, UserClaims
from natskit.nkeys import Role, is_public


def issues(claims: Claims, now: int) -> tuple[Issue, ...]:
    """All findings about ``claims`` at ``now`` (Unix seconds)."""
    found = Issues()
    last = claims.kind.startswith("authorization_")
    if not last:
        check_dates(claims, now, found)
    if isinstance(claims, OperatorClaims):
        _check_operator(claims, found)
    elif isinstance(claims, AccountClaims):
        check_account(claims, found)
    elif isinstance(claims, UserClaims):
        _check_user(claims, found)
    elif isinstance(claims, ActivationClaims):
        check_activation(claims, found)
    if last:
        from natskit.jwt.authorization_validation import check_authorization

        check_authorization(claims, found)
        check_dates(claims, now, found)
    return tuple(found.found)


def check_dates(claims: Claims, now: int, found: Issues) -> None:
    """Whether the claims hold at ``now``."""
    if 0 < claims.expires < now:
        found.time("claim is expired", "exp")
    if claims.not_before > now:
        found.time("claim is not yet valid", "nbf")


# ---- operator ------------------------------------------------------------------------------------


def _check_operator(claims: OperatorClaims, found: Issues) -> None:
    operator = claims.nats
    if fault := url.account_server_fault(operator.account_server_url):
        found.error(fault, "account_server_url")
    for index, service in enumerate(operator.operator_service_urls):
        if fault := url.service_fault(service):
            found.error(fault, f"operator_service_urls[{index}]")
    for index, key in enumerate(operator.signing_keys):
        if not is_public(key, Role.OPERATOR):
            found.error(f"{key} is not an operator public key", f"signing_keys[{index}]")
    if operator.system_account and not is_public(operator.system_account, Role.ACCOUNT):
        found.error(f"{operator.system_account} is not an account public key", "system_account")
    if fault := _version_fault(operator.assert_server_version):
        found.error(f"assert server version error: {fault}", "assert_server_version")


def _version_fault(text: str) -> str:
    if not text:
        return ""
    parts = text.split(".")
    if len(parts) != 3:
        return "asserted server version must be of the form <major>.<minor>.<update>"
    for part in parts:
        number = whole_number(part)
        if number is None:
            return f"asserted server version cant parse {part} to int"
        if number < 0:
            return f"asserted server version can'b contain negative values: {part}"
    return ""


# ---- user ----------------------------------------------------------------------------------------


def _check_user(claims: UserClaims, found: Issues) -> None:
    user = claims.nats
    check_permissions(user, found, "")
    _check_origin(user, found)
    if user.issuer_account and not is_public(user.issuer_account, Role.ACCOUNT):
        found.error("account_id is not an account public key", "issuer_account")


def _check_origin(user: User, found: Issues) -> None:
    for index, network in enumerate(user.src):
        if not _is_network(network):
            found.error(f"invalid cidr {quoted(network)} in user src limits", f"src[{index}]")
    for index, span in enumerate(user.times):
        for name, text in (("start", span.start), ("end", span.end)):
            if not text:
                found.error(
                    f"time ranges {name} must contain {'a' if name == 'start' else 'an'} {name}", f"times[{index}]"
                )
            elif seconds_of_day(text) is None:
                found.error(f"{name} in time range is invalid {quoted(text)}", f"times[{index}]")
    if user.times_location and (fault := _zone_fault(user.times_location)):
        found.error(f"could not parse iana time zone by name: {fault}", "times_location")


def _is_network(text: str) -> bool:
    import ipaddress

    address, _, bits = text.partition("/")
    if not (bits.isascii() and bits.isdigit()) or "%" in address:
        return False
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def seconds_of_day(text: str) -> float | None:
    """``HH:MM:SS`` (one digit will do for the hour, a fraction may follow) in seconds; None if it is no time of day."""
    parts = text.split(":")
    if len(parts) != 3:
        return None
    hour, minute, (second, _, fraction) = parts[0], parts[1], parts[2].partition(".")
    digits = (hour, minute, second, *([fraction] if "." in parts[2] else []))
    if not all(each.isascii() and each.isdigit() for each in digits):
        return None
    if len(hour) > 2 or len(minute) != 2 or len(second) != 2 or int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        return None
    return int(hour) * 3600 + int(minute) * 60 + float(f"{second}.{fraction or 0}")


def _zone_fault(name: str) -> str:
    import zoneinfo

    if name == "Local":
        return ""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {name}"
    return ""


def check_scoped_user(claims: Claims, signing_key: str) -> None:
    """Raise ClaimsError unless ``claims`` are a user's, signed by the scoped ``signing_key`` and without own rights."""
    from natskit.errors import ClaimsError

    if not isinstance(claims, UserClaims):
        raise ClaimsError("not an user claim - scoped signing key requires user claim")
    if claims.issuer != signing_key:
        raise ClaimsError("issuer not the scoped signer")
    if claims.nats.rights != User().rights:
        raise ClaimsError("scoped users require no permissions or limits set")
