"""Which key signs: chosen by role or key by the user, else the first stored one that may (spec/nsc.md 2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.errors import DeniedError, InvalidKey, KeyUseError, NotFound, UsageError
from natskit.nkeys import KeyPair, Role, is_public

from .files import absolute, read_text

if TYPE_CHECKING:
    from natskit.jwt import AccountClaims, OperatorClaims

    from .operator_store import OperatorStore
    from .workspace import Workspace

__all__ = [
    "account_keys",
    "account_signer",
    "edit_signer",
    "new_key",
    "operator_identity",
    "operator_keys",
    "operator_signer",
    "read_key",
    "seed_in",
]


def read_key(workspace: Workspace, text: str, *roles: Role) -> KeyPair:
    """The key that ``text`` gives: a public key, a seed, or a file with one of them. Raises InvalidKey, NotFound.

    Messages name the text only where it is a path or a public key.
    """
    literal = _literal(text)
    if literal is None and _looks_like_a_seed(text):
        raise InvalidKey("the seed that was given is damaged: a letter is wrong, missing or too many")
    if literal is None:
        path = absolute(text, workspace.directories.home, workspace.cwd)
        content = read_text(path)
        if content is None:
            raise NotFound(f'"{text}" is neither a key nor a file with one')
        literal = _literal(seed_in(content))
        if literal is None:
            raise InvalidKey(f"`{path}` does not hold a key")
    if roles and literal.role not in roles:
        wanted = " or ".join(role.value for role in roles)
        raise InvalidKey(f"specified key is not a valid {wanted} nkey, it is of kind {literal.role.value}")
    return literal


def new_key(workspace: Workspace, given: str, role: Role) -> tuple[KeyPair, bool]:
    """The key of something new: made here, or the one that ``given`` names. The second tells whether it was made here.

    Raises as `read_key`.
    """
    if not given:
        return KeyPair.create(role), True
    return read_key(workspace, given, role), False


def _literal(text: str) -> KeyPair | None:
    try:
        return KeyPair.from_seed(text) if text.startswith("S") else KeyPair.from_public(text)
    except InvalidKey:
        return None


def _looks_like_a_seed(text: str) -> bool:
    """Whether ``text`` may be a seed with an error in it, which must not be shown."""
    return len(text) > 40 and text[:1] in "sS" and text.isalnum()


def seed_in(content: str) -> str:
    """The key in the text of a file: creds, a decorated seed, or the bare text."""
    if "---" not in content:
        return content.strip()
    from natskit.jwt.files import parse_seed

    return parse_seed(content)


def operator_signer(workspace: Workspace, store: OperatorStore, given: str = "") -> KeyPair:
    """The operator's key that signs accounts. Raises NotFound, KeyUseError, UsageError."""
    claims = store.operator()
    if given:
        return _given(workspace, given, _roles(store), None)
    return _first_stored(workspace, operator_keys(claims))


def operator_identity(workspace: Workspace, claims: OperatorClaims, given: str = "") -> KeyPair:
    """The key that signs the operator itself: its identity key unless it is strict, else a signing key.

    ``claims`` are those before the edit. Raises NotFound.
    """
    if given:
        return _given(workspace, given, (Role.OPERATOR,), None)
    return _first_stored(workspace, operator_keys(claims))


def edit_signer(
    workspace: Workspace, store: OperatorStore, account: AccountClaims, given: str = "", *, prefer: str = ""
) -> KeyPair:
    """The key that signs an existing account: the operator's; in a managed store the account's own as well."""
    operator = store.operator()
    if given:
        return _given(workspace, given, _roles(store), None)
    own = account_keys(account, operator) if store.managed else ()
    return _first_stored(workspace, (*operator_keys(operator), *own), prefer)


def account_signer(
    workspace: Workspace, store: OperatorStore, account: AccountClaims, given: str = "", *, prefer: str = ""
) -> KeyPair:
    """The account's key that signs users and activations. Raises NotFound, KeyUseError, UsageError."""
    if given:
        return _given(workspace, given, (Role.ACCOUNT,), account)
    operator = store.operator()
    if operator.nats.strict_signing_key_usage and not account.nats.signing_keys:
        from .commands import typed

        raise DeniedError(
            "unable to issue users when operator requires signing keys and the account has none",
            hint=typed("edit", "account", account.name, "--sk", "generate"),
        )
    return _first_stored(workspace, account_keys(account, operator), prefer)


def _roles(store: OperatorStore) -> tuple[Role, ...]:
    """The kinds of keys that may sign an account."""
    return (Role.OPERATOR, Role.ACCOUNT) if store.managed else (Role.OPERATOR,)


def operator_keys(operator: OperatorClaims) -> tuple[str, ...]:
    """The operator's keys that may sign, in the order in which they are tried."""
    signing_keys = operator.nats.signing_keys
    return signing_keys if operator.nats.strict_signing_key_usage else (operator.subject, *signing_keys)


def account_keys(account: AccountClaims, operator: OperatorClaims | None) -> tuple[str, ...]:
    """The account's keys that may sign under ``operator`` (None: not known), in the order in which they are tried."""
    signing_keys = account.nats.signing_key_names
    strict = operator is not None and operator.nats.strict_signing_key_usage
    return signing_keys if strict else (account.subject, *signing_keys)


def _first_stored(workspace: Workspace, candidates: tuple[str, ...], prefer: str = "") -> KeyPair:
    """The first of ``candidates`` that is stored, ``prefer`` before the others if it is one. Raises NotFound."""
    if prefer in candidates:
        candidates = (prefer, *candidates)
    for public in candidates:
        pair = workspace.keystore.pair(public)
        if pair is not None:
            return pair
    listed = ", ".join(dict.fromkeys(candidates))
    raise NotFound(
        f"unable to resolve any of the following signing keys in the keystore: {listed}",
        hint="name one with -K: its seed, or a file that holds it",
    )


def _given(workspace: Workspace, given: str, roles: tuple[Role, ...], account: AccountClaims | None) -> KeyPair:
    """The key of ``-K``: the role of a scoped key of the account, a stored public key, a seed, a file."""
    for entry in account.nats.signing_keys if account else ():
        if not isinstance(entry, str) and entry.role == given and (pair := workspace.keystore.pair(entry.key)):
            return pair
    if is_public(given, *roles) and (pair := workspace.keystore.pair(given)):
        return pair
    try:
        pair = read_key(workspace, given)
    except NotFound:
        what = "a role of the account, " if account else ""
        raise NotFound(f'"{given}" is neither {what}a stored key, a seed nor a key file') from None
    if pair.role not in roles:
        raise UsageError(f"unexpected resolved keytype {pair.role.value}: {pair.public} cannot sign this")
    if not pair.can_sign:
        raise KeyUseError("nkeys: can not sign, no private key available")
    return pair
