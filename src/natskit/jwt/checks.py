"""Checks that several kinds of claims share: subjects, renaming, permissions, descriptions.

The messages are those of the reference library, since tools and people look for them.

Source: spec/nkeys-and-jwt.md section 5.
"""

from __future__ import annotations

from natskit.jwt.activation import ActivationClaims
from natskit.jwt.body import Permissions
from natskit.jwt.issue import Issues, quoted
from natskit.jwt.sharing import SERVICE, STREAM
from natskit.jwt.url import parse as parse_url
from natskit.nkeys import Role, is_public

MAX_INFO_BYTES = 8 * 1024


def check_subject(subject: str, issues: Issues, path: str) -> bool:
    """The subject rules of claims, which are laxer than a server's. Returns whether it passed."""
    before = len(issues.found)
    if not subject:
        issues.error("subject cannot be empty", path)
        return False
    if " " in subject:
        issues.error(f"subject {quoted(subject)} cannot have spaces", path)
    if subject[0] == "." or subject[-1] == ".":
        issues.error(f"subject {quoted(subject)} cannot start or end with a `.`", path)
    if ".." in subject:
        issues.error(f"subject {quoted(subject)} cannot contain consecutive `.`", path)
    return len(issues.found) == before


def contained(inner: str, outer: str) -> bool:
    """Whether the reference library takes ``inner`` for a part of ``outer``.

    Unlike ``natskit.subjects.covers`` it says yes to ``a.>`` inside ``a.*`` (jwt 2.8.1): tokens must only be needed in
    the same number, and ``*`` takes every token.
    """
    mine, theirs = inner.split("."), outer.split(".")
    if len(mine) < len(theirs) or (len(mine) > len(theirs) and theirs[-1] != ">"):
        return False
    for position, token in enumerate(theirs):
        if position == len(theirs) - 1 and token == ">":
            return True
        if token not in ("*", mine[position]):
            return False
    return True


def wildcards(subject: str) -> bool:
    """Whether the reference library sees a wildcard in ``subject``."""
    return subject in ("*", ">") or subject.startswith("*.") or subject.endswith((".*", ".>")) or ".*." in subject


def as_subject(renaming: str) -> str:
    """A renaming subject with ``*`` for every ``$n``."""
    return ".".join("*" if _reference(token) is not None else token for token in renaming.split("."))


def whole_number(text: str) -> int | None:
    """The number that Go's ``strconv.Atoi`` reads: a sign may stand in front, nothing else; None if it is none."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return None
    return int(text)


def _reference(token: str) -> int | None:
    """The number of a ``$n`` token."""
    return whole_number(token[1:]) if token[:1] == "$" else None


def check_renaming(local: str, subject: str, issues: Issues, path: str) -> None:
    """Whether ``local`` can rename ``subject``."""
    check_subject(local, issues, path)
    if not subject:
        issues.error("subject cannot be empty", path)
    if " " in local:
        issues.error(f"subject {quoted(local)} cannot have spaces", path)
    tokens, wanted = local.split("."), subject.split(".")
    if (tokens[-1] == ">") != (wanted[-1] == ">"):
        issues.error("both, renaming subject and subject, need to end or not end in >", path)
    stars, count = wanted.count("*"), tokens.count("*")
    for number in map(_reference, tokens):
        if number is None:
            continue
        if number > stars:
            issues.error(
                f"Reference ${number} in {quoted(local)} reference * in {quoted(subject)} that do not exist", path
            )
        else:
            count += 1
    if count != stars:
        issues.error("subject does not contain enough * or reference wildcards $[0-9]", path)


def check_permissions(permissions: Permissions, issues: Issues, path: str) -> None:
    """Every subject of the four lists; only subscribe entries may name a queue."""
    for name, permission in (("sub", permissions.sub), ("pub", permissions.pub)):
        for rule, entries in (("allow", permission.allow), ("deny", permission.deny)):
            for index, entry in enumerate(entries):
                _check_entry(entry, issues, f"{path}{name}.{rule}[{index}]", may_have_queue=name == "sub")


def _check_entry(entry: str, issues: Issues, path: str, *, may_have_queue: bool) -> None:
    parts = entry.split(" ")
    if len(parts) > 2:
        issues.error(f'Permission Subject "{entry}" contains too many spaces', path)
        return
    for part in parts:
        check_subject(part, issues, path)
    if len(parts) == 2 and not may_have_queue:
        issues.error(f'Permission Subject "{entry}" is not allowed to contain queue', path)


def check_info(description: str, info_url: str, issues: Issues, path: str = "") -> None:
    """Length of both; the URL has a scheme and a host."""
    if len(description.encode()) > MAX_INFO_BYTES:
        issues.error("Description is too long", f"{path}description")
    if not info_url:
        return
    if len(info_url.encode()) > MAX_INFO_BYTES:
        issues.error("Info URL is too long", f"{path}info_url")
    url, fault = parse_url(info_url)
    if url is None:
        issues.error(f"error parsing info url: {fault}", f"{path}info_url")
    elif not url.scheme or not url.host:
        issues.error("error parsing info url: no hostname or scheme", f"{path}info_url")


def check_activation(claims: ActivationClaims, found: Issues, path: str = "") -> None:
    """The body of an activation, dates aside. ``path`` goes before the names of its members."""
    if claims.nats.kind not in (STREAM, SERVICE):
        found.error('invalid import type: "unknown"', f"{path}kind")
    check_subject(claims.nats.subject, found, f"{path}subject")
    if claims.nats.issuer_account and not is_public(claims.nats.issuer_account, Role.ACCOUNT):
        found.error("account_id is not an account public key", f"{path}issuer_account")
