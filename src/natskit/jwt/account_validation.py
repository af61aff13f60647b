"""The checks of account claims, in the order and with the words of the reference library.

Source: spec/nkeys-and-jwt.md sections 5 and 7.
"""

from __future__ import annotations

from natskit.errors import DecodeError, VerifyError
from natskit.jwt.account import Account, AccountClaims, AccountLimits, UserScope
from natskit.jwt.activation import ActivationClaims
from natskit.jwt.checks import (
    as_subject,
    check_activation,
    check_info,
    check_permissions,
    check_renaming,
    check_subject,
    contained,
    wildcards,
)
from natskit.jwt.issue import Issues, quoted
from natskit.jwt.sharing import Export, Import
from natskit.nkeys import Role, is_public

_RESPONSE_TYPES = ("Singleton", "Stream", "Chunked")


def check_account(claims: AccountClaims, found: Issues) -> None:
    """All of an account but its dates."""
    account = claims.nats
    _check_imports(claims, found)
    _check_exports(account.exports, found)
    _check_jetstream(account.limits, found)
    check_permissions(account.default_permissions, found, "default_permissions.")
    _check_mappings(account, found)
    _check_authorization(account, found)
    _check_trace(account, found)
    _check_counts(account, found)
    _check_signing_keys(account, found)
    check_info(account.description, account.info_url, found)
    if account.cluster_traffic not in ("", "system", "owner"):
        found.error(f"unknown cluster traffic option: {quoted(account.cluster_traffic)}", "cluster_traffic")
    if is_public(claims.issuer, Role.ACCOUNT) and account.limits != AccountLimits():
        found.warning("self-signed account JWTs shouldn't contain operator limits", "limits")


# ---- imports -------------------------------------------------------------------------------------


def _effective(service: Import) -> str:
    """The subject on which importers call a service."""
    return service.to or (as_subject(service.local_subject) if service.local_subject else service.subject)


def _check_imports(claims: AccountClaims, found: Issues) -> None:
    services: list[Import] = []
    for index, each in enumerate(claims.nats.imports):
        path = f"imports[{index}]"
        if each.is_service:
            _check_overlap(each, services, found, path)
            services.append(each)
        _check_import(each, claims.subject, found, path)


def _check_overlap(service: Import, others: list[Import], found: Issues, path: str) -> None:
    mine = _effective(service)
    for other in others:
        theirs = _effective(other)
        if other.account != service.account:
            continue
        if contained(mine, theirs) or contained(theirs, mine):
            found.error(
                f"overlapping subject namespace for {quoted(mine)} and {quoted(theirs)}"
                f" in same account {quoted(service.account)}",
                path,
            )
        if mine == theirs:
            found.error(f"overlapping subject namespace for {quoted(mine)} in account {quoted(service.account)}", path)


def _check_import(each: Import, importer: str, found: Issues, path: str) -> None:
    if not each.type:
        found.error('invalid import type: "unknown"', f"{path}.type")
    if each.is_service and each.allow_trace:
        found.error("AllowTrace only valid for stream import", f"{path}.allow_trace")
    if not each.account:
        found.error("account to import from is not specified", f"{path}.account")
    if each.to:
        found.warning("the field to has been deprecated (use LocalSubject instead)", f"{path}.to")
    check_subject(each.subject, found, f"{path}.subject")
    if each.local_subject:
        check_renaming(each.local_subject, each.subject, found, f"{path}.local_subject")
        if each.to:
            found.error("Local Subject replaces To", f"{path}.to")
    if each.share and not each.is_service:
        found.error(
            f"sharing information (for latency tracking) is only valid for services: {quoted(each.subject)}",
            f"{path}.share",
        )
    if each.token:
        _check_token(each, importer, found, f"{path}.token")


def _check_token(each: Import, importer: str, found: Issues, path: str) -> None:
    from natskit.jwt.codec import decode

    try:
        activation = decode(each.token, ActivationClaims)
    except (DecodeError, VerifyError):
        found.error(f"import {quoted(each.subject)} contains an invalid activation token", path)
        return
    for fault in activation_faults(activation, each, importer):
        found.error(fault, path)
    check_activation(activation, found, f"{path}.")
    wanted = each.remote_subject
    if not contained(wanted, activation.nats.subject):
        found.error(
            f"activation token import subject {quoted(activation.nats.subject)} doesn't match import {quoted(wanted)}",
            path,
        )


def activation_faults(activation: ActivationClaims, each: Import, importer: str) -> list[str]:
    """How an activation differs from the import that holds it: exporter, importer, kind. Dates are not looked at."""
    faults = []
    if each.account not in (activation.issuer, activation.nats.issuer_account):
        faults.append(f"activation token doesn't match account for import {quoted(each.subject)}")
    if activation.subject != importer:
        faults.append(f"activation token doesn't match account it is being included in, {quoted(each.subject)}")
    if activation.nats.kind != each.type:
        faults.append(
            f"mismatch between token import type {activation.nats.kind or 'unknown'}"
            f" and type of import {each.type or 'unknown'}"
        )
    return faults


# ---- exports -------------------------------------------------------------------------------------


def _check_exports(exports: tuple[Export, ...], found: Issues) -> None:
    for index, each in enumerate(exports):
        _check_export(each, found, f"exports[{index}]")
    for kind in ("service", "stream"):
        same = [(index, each.subject) for index, each in enumerate(exports) if each.type == kind]
        for index, subject in same:
            for other, wider in same:
                if index != other and contained(subject, wider):
                    found.error(
                        f"{kind} export subject {quoted(wider)} already exports {quoted(subject)}", f"exports[{index}]"
                    )


def _check_export(each: Export, found: Issues, path: str) -> None:
    if not each.type:
        found.error('invalid export type: "unknown"', f"{path}.type")
    if each.is_service and each.response_type and each.response_type not in _RESPONSE_TYPES:
        found.error(f"invalid response type for service: {quoted(each.response_type)}", f"{path}.response_type")
    if each.is_stream and each.response_type:
        found.error(f"invalid response type for stream: {quoted(each.response_type)}", f"{path}.response_type")
    if each.is_stream and each.allow_trace:
        found.error("AllowTrace only valid for service export", f"{path}.allow_trace")
    _check_latency(each, found, f"{path}.service_latency")
    if each.response_threshold < 0:
        found.error("negative response threshold is invalid", f"{path}.response_threshold")
    if each.response_threshold > 0 and not each.is_service:
        found.error("response threshold only valid for services", f"{path}.response_threshold")
    check_subject(each.subject, found, f"{path}.subject")
    if each.account_token_position:
        _check_position(each, found, f"{path}.account_token_position")
    check_info(each.description, each.info_url, found, f"{path}.")


def _check_latency(each: Export, found: Issues, path: str) -> None:
    latency = each.service_latency
    if latency is None:
        return
    if not each.is_service:
        found.error("latency tracking only permitted for services", path)
    if isinstance(latency.sampling, int) and not 1 <= latency.sampling <= 100:
        found.error("sampling percentage needs to be between 1-100", f"{path}.sampling")
    check_subject(latency.results, found, f"{path}.results")
    if wildcards(latency.results):
        found.error("results subject can not contain wildcards", f"{path}.results")


def _check_position(each: Export, found: Issues, path: str) -> None:
    position, tokens = each.account_token_position, each.subject.split(".")
    if not wildcards(each.subject):
        found.error(f"Account Token Position can only be used with wildcard subjects: {each.subject}", path)
    elif position > len(tokens):
        found.error(f"Account Token Position {position} exceeds length of subject '{each.subject}'", path)
    elif tokens[position - 1] != "*":
        found.error(
            f"Account Token Position {position} matches '{tokens[position - 1]}' but must match a * in: {each.subject}",
            path,
        )


# ---- limits, mappings, authorization, trace, keys --------------------------------------------------


def _check_jetstream(limits: AccountLimits, found: Issues) -> None:
    flat = limits.jetstream
    if limits.tiered_limits and flat != type(flat)():
        found.error("JetStream Limits and tiered JetStream Limits are mutually exclusive", "limits")
    if "" in limits.tiered_limits:
        found.error('Tiered JetStream Limits can not contain a blank "" tier name', "limits.tiered_limits")


def _check_mappings(account: Account, found: Issues) -> None:
    for source, targets in account.mappings.items():
        path = f"mappings[{source}]"
        check_subject(source, found, path)
        sums: dict[str, int] = {}
        for index, target in enumerate(targets or ()):
            check_subject(target.subject, found, f"{path}[{index}]")
            if target.weight > 100:
                found.error(
                    f"Mapping {quoted(target.subject)} has a weight {target.weight} that exceeds 100",
                    f"{path}[{index}]",
                )
            sums[target.cluster] = sums.get(target.cluster, 0) + (target.weight or 100)
        for cluster, total in sums.items():
            if total > 100:
                where = f" in cluster {quoted(cluster)}" if cluster else ""
                found.error(
                    f"Mapping {quoted(source)}{where} exceeds 100% among all of it's weighted to mappings", path
                )


def _check_authorization(account: Account, found: Issues) -> None:
    callout = account.authorization
    if callout.allowed_accounts and not callout.auth_users:
        found.error("External authorization cannot have accounts without users specified", "authorization")
    for key in callout.auth_users:
        if not is_public(key, Role.USER):
            found.error(f"AuthUser {quoted(key)} is not a valid user public key", "authorization.auth_users")
    for key in callout.allowed_accounts:
        if key == "*":
            if len(callout.allowed_accounts) > 1:
                found.error('AllowedAccounts can only be a list of accounts or "*"', "authorization.allowed_accounts")
        elif not is_public(key, Role.ACCOUNT):
            found.error(f"Account {quoted(key)} is not a valid account public key", "authorization.allowed_accounts")
    if callout.xkey and not is_public(callout.xkey, Role.CURVE):
        found.error(f"XKey {quoted(callout.xkey)} is not a valid public xkey", "authorization.xkey")


def _check_trace(account: Account, found: Issues) -> None:
    trace = account.trace
    if trace is None:
        return
    own = Issues()
    if not check_subject(trace.dest, own, "trace.dest"):
        found.error(f"the account Trace.Destination {own.found[0].text}", "trace.dest")
    elif wildcards(trace.dest):
        found.error(
            f"the account Trace.Destination subject {quoted(trace.dest)} is not a valid publish subject", "trace.dest"
        )
    if not 0 <= trace.sampling <= 100:
        found.error(
            f"the account Trace.Sampling value '{trace.sampling}' is not valid, should be in the range [1..100]",
            "trace.sampling",
        )


def _check_counts(account: Account, found: Issues) -> None:
    limits = account.limits
    imports = "the account contains more imports than allowed by the operator"
    if limits != AccountLimits() and 0 <= limits.imports < len(account.imports):
        found.error(imports, "imports")
    if limits.imports != -1 and len(account.imports) > limits.imports:
        found.error(imports, "imports")
    if limits.exports == -1:
        return
    if len(account.exports) > limits.exports:
        found.error("the account contains more exports than allowed by the operator", "exports")
    if not limits.wildcards:
        for index, each in enumerate(account.exports):
            if wildcards(each.subject):
                found.error(
                    "the account contains wildcard exports that are not allowed by the operator", f"exports[{index}]"
                )


def _check_signing_keys(account: Account, found: Issues) -> None:
    for index, entry in enumerate(account.signing_keys):
        key = entry.key if isinstance(entry, UserScope) else entry
        if is_public(key, Role.ACCOUNT):
            continue
        if isinstance(entry, UserScope):
            found.error(f"{key} is not an account public key", f"signing_keys[{index}]")
        else:
            found.error(f"{quoted(key)} is not a valid account signing key", f"signing_keys[{index}]")
