"""The doctor takes whatever tokens say: it finds something about it or not, but it never breaks."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ClaimsError
from natskit.nkeys import KeyPair, Role
from natskit.store import Flags, Workspace
from natskit.store.doctor import CODES, Finding, examine

OPERATOR = KeyPair.create(Role.OPERATOR)
ACCOUNTS = [KeyPair.create(Role.ACCOUNT) for _ in range(3)]
USERS = [KeyPair.create(Role.USER) for _ in range(2)]
NOW = int(time.time())

words = st.sampled_from(["a", "b", "*", ">", "$1", "", "a b", "{{tag(x)}}", "\x1b[31m", "é", "A" * 200])
subjects = st.one_of(st.lists(words, max_size=4).map(".".join), st.sampled_from(["a.>", "a.b", ">", "a.*"]))
moments = st.sampled_from([0, NOW - 100, NOW + 100, NOW + 10**6, 1 << 62, -5])
kinds = st.sampled_from(["stream", "service", ""])
keys = st.sampled_from([*(pair.public for pair in (*ACCOUNTS, *USERS, OPERATOR)), "", "nonsense", "*"])
permission = st.builds(
    jwt.Permission, allow=st.lists(subjects, max_size=2).map(tuple), deny=st.lists(subjects, max_size=2).map(tuple)
)
permissions = st.builds(jwt.Permissions, pub=permission, sub=permission)


@st.composite
def tokens(draw):
    """An activation, or something else in its place."""
    if draw(st.booleans()):
        return draw(st.sampled_from(["", "eyJ0.e30.x", "https://example.com/token"]))
    body = jwt.Activation(subject=draw(subjects), kind=draw(kinds), issuer_account=draw(keys))
    claims = jwt.ActivationClaims(subject=draw(st.sampled_from(ACCOUNTS)).public, nats=body, expires=draw(moments))
    return jwt.encode(claims, draw(st.sampled_from(ACCOUNTS)), issued_at=NOW - 50)


exports = st.builds(
    jwt.Export,
    subject=subjects,
    type=kinds,
    token_req=st.booleans(),
    account_token_position=st.integers(0, 5),
    revocations=st.dictionaries(keys, moments, max_size=2),
)
imports = st.builds(
    jwt.Import,
    subject=subjects,
    account=keys,
    type=kinds,
    to=st.one_of(st.just(""), subjects),
    local_subject=st.one_of(st.just(""), subjects),
    token=tokens(),
    name=subjects,
)
mappings = st.dictionaries(
    subjects,
    st.lists(st.builds(jwt.WeightedMapping, subject=subjects, weight=st.integers(0, 200)), max_size=3).map(tuple),
    max_size=2,
)
scopes = st.builds(
    jwt.UserScope,
    key=st.sampled_from([pair.public for pair in ACCOUNTS]),
    role=words,
    template=st.builds(jwt.ScopeTemplate, pub=permission, sub=permission),
)
accounts = st.builds(
    jwt.Account,
    limits=st.sampled_from([jwt.UNLIMITED, jwt.AccountLimits(), replace(jwt.UNLIMITED, exports=0)]),
    exports=st.lists(exports, max_size=3).map(tuple),
    imports=st.lists(imports, max_size=3).map(tuple),
    mappings=mappings,
    default_permissions=permissions,
    revocations=st.dictionaries(keys, moments, max_size=3),
    signing_keys=st.lists(scopes, max_size=2).map(tuple),
    authorization=st.builds(jwt.ExternalAuthorization, auth_users=st.lists(keys, max_size=1).map(tuple)),
)


def store_of(root: Path, bodies: list[jwt.Account], users: list[jwt.User], data: st.DataObject) -> Workspace:
    folder = root / "stores/O"
    (folder / "accounts").mkdir(parents=True)
    (folder / ".nsc").write_text(json.dumps({"managed": data.draw(st.booleans()), "name": "O", "kind": "operator"}))
    strict = jwt.Operator(strict_signing_key_usage=data.draw(st.booleans()), system_account=data.draw(keys))
    claims = replace(jwt.new_operator(OPERATOR.public, "O"), nats=strict, expires=data.draw(moments))
    (folder / "O.jwt").write_text(jwt.encode(claims, OPERATOR, issued_at=NOW))
    for number, (pair, body) in enumerate(zip(ACCOUNTS, bodies, strict=True)):
        place = folder / f"accounts/A{number}"
        (place / "users").mkdir(parents=True)
        account = jwt.AccountClaims(subject=pair.public, name=data.draw(words), nats=body, expires=data.draw(moments))
        (place / f"A{number}.jwt").write_text(jwt.encode(account, OPERATOR, issued_at=NOW))
        for user_number, (user, rights) in enumerate(zip(USERS, users, strict=True)):
            signer = data.draw(st.sampled_from(ACCOUNTS))
            user_claims = jwt.UserClaims(subject=user.public, name=data.draw(words), nats=rights)
            (place / f"users/u{user_number}.jwt").write_text(jwt.encode(user_claims, signer, issued_at=NOW))
    return Workspace.open({"HOME": str(root)}, Flags(data_dir=str(root / "stores")), str(root))


users = st.builds(
    jwt.User,
    pub=permission,
    sub=permission,
    issuer_account=keys,
    src=st.lists(words, max_size=1).map(tuple),
    tags=st.lists(words, max_size=1).map(tuple),
    bearer_token=st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(accounts, min_size=3, max_size=3), st.lists(users, min_size=2, max_size=2), st.data())
def test_nothing_that_tokens_say_breaks_it(bodies, rights, data):
    with tempfile.TemporaryDirectory() as folder:
        try:
            workspace = store_of(Path(folder), bodies, rights, data)
        except ClaimsError:  # what cannot be written cannot be read
            return
        for managed in ("", "A1"):
            done = examine(workspace, workspace.operator("O"), soon=NOW + 1000, account=managed)
            for each in done.findings:
                check(each)


def check(finding: Finding) -> None:
    assert finding.code in CODES
    assert finding.text
    for command in (*finding.fix, *finding.instead):
        assert command[0] in ("nsc", "chmod", "mkdir", "rm")
        assert all(isinstance(word, str) for word in command)
