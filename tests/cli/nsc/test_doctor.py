"""nsc doctor: everything that it can find is found, and the commands that it gives mend it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.cli.nsc import execute
from natskit.errors import StoreError
from natskit.graph import Rule
from natskit.nkeys import KeyPair, Role
from natskit.store import Workspace
from natskit.store.doctor import CODES, Finding, examine, imports, mend

DAY = 86_400
STRANGER = KeyPair.create(Role.ACCOUNT)


class Shop:
    """A healthy store to break: operator O, its system account, accounts A and B with a user each."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now = int(time.time())

    @property
    def workspace(self) -> Workspace:
        return Workspace.open({"HOME": str(self.home)}, cwd=str(self.home))

    @property
    def store(self):
        return self.workspace.operator("O")

    @property
    def keys(self) -> Path:
        return Path(self.workspace.keystore.root)

    def nsc(self, *words: str) -> None:
        assert execute(words) == 0, words

    def pair(self, public: str) -> KeyPair:
        return self.workspace.keystore.require(public)

    def key(self, account: str) -> str:
        return self.store.account(account).subject

    def creds(self, account: str, user: str) -> Path:
        return Path(self.workspace.keystore.creds_path("O", account, user))

    # tokens as no command would write them

    def operator(self, *, signer: KeyPair | None = None, head: dict[str, Any] | None = None, **body: Any) -> None:
        claims = self.store.operator()
        changed = replace(claims, nats=replace(claims.nats, **body), **(head or {}))
        token = jwt.encode(changed, signer or self.pair(claims.subject), issued_at=self.now)
        Path(self.store.operator_path).write_text(token)

    def account(
        self, name: str, *, signer: KeyPair | None = None, head: dict[str, Any] | None = None, **body: Any
    ) -> None:
        claims = self.store.account(name)
        changed = replace(claims, nats=replace(claims.nats, **body), **(head or {}))
        token = jwt.encode(changed, signer or self.pair(self.store.operator().subject), issued_at=self.now - 100)
        Path(self.store.account_path(name)).write_text(token)

    def user(
        self,
        account: str,
        name: str,
        *,
        signer: KeyPair | None = None,
        head: dict[str, Any] | None = None,
        issued_at: int = 0,
        **body: Any,
    ) -> None:
        claims = self.store.user(account, name)
        changed = replace(claims, nats=replace(claims.nats, **body), **(head or {}))
        token = jwt.encode(changed, signer or self.pair(self.key(account)), issued_at=issued_at or self.now - 50)
        Path(self.store.user_path(account, name)).write_text(token)
        self.creds(account, name).write_text(jwt_creds(token, self.pair(claims.subject).seed))

    def export(self, account: str, *exports: jwt.Export) -> None:
        self.account(account, exports=exports)

    def imports(self, account: str, *imports: jwt.Import) -> None:
        self.account(account, imports=imports)

    def activation(
        self,
        *,
        exporter: str = "A",
        signer: KeyPair | None = None,
        target: str = "",
        subject: str = "orders.>",
        kind: str = "stream",
        issued_at: int = 0,
        **head: Any,
    ) -> str:
        claims = jwt.new_activation(target or self.key("B"), subject)
        claims = replace(claims, nats=jwt.Activation(subject=subject, kind=kind), **head)
        return jwt.encode(claims, signer or self.pair(self.key(exporter)), issued_at=issued_at or self.now - 50)


def jwt_creds(token: str, seed: str) -> str:
    from natskit.jwt.files import write_creds

    return write_creds(token, seed)


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that every test copies."""
    home = tmp_path_factory.mktemp("healthy")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "NSC_HOME", "NKEYS_PATH", "NSC_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        patch.chdir(home)
        shop = Shop(home)
        shop.nsc("add", "operator", "O", "--sys", "--generate-signing-key")
        for name in ("A", "B"):
            shop.nsc("add", "account", name)
            shop.nsc("add", "user", "u")
    return home


@pytest.fixture
def shop(home: Path, healthy: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shutil.copytree(healthy, home, dirs_exist_ok=True)
    config = home / ".config/nats/nsc/nsc.json"
    config.write_text(config.read_text().replace(str(healthy), str(home)))
    monkeypatch.chdir(home)
    return Shop(home)


def orders(shop: Shop, **more: Any) -> jwt.Import:
    """B's import of A's orders."""
    return jwt.Import(**{"name": "orders", "subject": "orders.>", "account": shop.key("A"), "type": "stream"} | more)


def private(shop: Shop, *, revocations: dict[str, int] | None = None, **activation: Any) -> None:
    """A private export of A that B imports with an activation."""
    shop.export("A", jwt.Export(subject="orders.>", type="stream", token_req=True, revocations=revocations or {}))
    shop.imports("B", orders(shop, token=shop.activation(**activation)))


# ---- one way to break the store for each code


def operator_damaged(shop: Shop) -> None:
    Path(shop.store.operator_path).write_text("eyJ0eXAi.not.atoken")


def operator_invalid(shop: Shop) -> None:
    shop.operator(operator_service_urls=("http://example.com",))


def operator_expired(shop: Shop) -> None:
    shop.operator(head={"expires": shop.now - 10})


def operator_expiring(shop: Shop) -> None:
    shop.operator(head={"expires": shop.now + DAY})


def operator_keys_missing(shop: Shop) -> None:
    shutil.rmtree(shop.keys / "keys/O")


def operator_no_signing_key(shop: Shop) -> None:
    shop.operator(signing_keys=())


def system_account_unset(shop: Shop) -> None:
    shop.operator(system_account="")


def system_account_missing(shop: Shop) -> None:
    shop.operator(system_account=STRANGER.public)


def system_account_jetstream(shop: Shop) -> None:
    shop.account("SYS", limits=replace(jwt.UNLIMITED, disk_storage=-1))


def account_damaged(shop: Shop) -> None:
    path = Path(shop.store.account_path("A"))
    head, _, signature = path.read_text().split(".")
    other = Path(shop.store.account_path("B")).read_text().split(".")[1]
    path.write_text(f"{head}.{other}.{signature}")


def account_without_token(shop: Shop) -> None:
    Path(shop.store.account_path("A")).unlink()


def account_duplicate(shop: Shop) -> None:
    folder = Path(shop.store.account_folder("C"))
    folder.mkdir(mode=0o700)
    shutil.copy(shop.store.account_path("A"), folder / "C.jwt")


def account_renamed(shop: Shop) -> None:
    shop.account("A", head={"name": "Other"})


def account_expired(shop: Shop) -> None:
    shop.account("A", head={"expires": shop.now - 10})


def account_expiring(shop: Shop) -> None:
    shop.account("A", head={"expires": shop.now + DAY})


def account_early(shop: Shop) -> None:
    shop.account("A", head={"not_before": shop.now + DAY})


def account_untrusted(shop: Shop) -> None:
    shop.account("A", signer=KeyPair.create(Role.OPERATOR))


def account_untrusted_by_a_strict_operator(shop: Shop) -> None:
    shop.account("A", signer=shop.pair(shop.store.operator().subject))
    shop.operator(strict_signing_key_usage=True)


def account_self_signed(shop: Shop) -> None:
    info = Path(shop.store.path) / ".nsc"
    info.write_text(info.read_text().replace('"managed":false', '"managed":true'))
    shop.account("A", signer=shop.pair(shop.key("A")), limits=jwt.AccountLimits())


def account_over_limits(shop: Shop) -> None:
    exports = (jwt.Export(subject="a", type="stream"), jwt.Export(subject="b", type="stream"))
    shop.account("A", limits=replace(jwt.UNLIMITED, exports=1), exports=exports)


def account_invalid(shop: Shop) -> None:
    shop.account("A", default_permissions=jwt.Permissions(pub=jwt.Permission(allow=("a..b",))))


def account_with_an_import_of_two_forms(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))
    shop.imports("B", orders(shop, to="x", local_subject="y.>"))


def account_doubtful(shop: Shop) -> None:
    account_self_signed(shop)
    shop.account("A", signer=shop.pair(shop.key("A")), limits=jwt.UNLIMITED)


def account_keys_missing(shop: Shop) -> None:
    Path(shop.workspace.keystore.path_of(shop.key("A"))).unlink()


def mapping(shop: Shop, *targets: tuple[str, int]) -> None:
    mapped = tuple(jwt.WeightedMapping(subject=subject, weight=weight) for subject, weight in targets)
    shop.account("A", mappings={"api": mapped})


def mapping_invalid(shop: Shop) -> None:
    mapping(shop, ("v1", 70), ("v2", 70))


def mapping_to_a_wildcard_that_is_not_there(shop: Shop) -> None:
    mapping(shop, ("v1.$1", 100))


def mapping_drops(shop: Shop) -> None:
    mapping(shop, ("api", 50), ("v2", 20))


def mapping_ambiguous(shop: Shop) -> None:
    targets = (jwt.WeightedMapping(subject="z", weight=100),)
    shop.account("A", mappings={"a.*": targets, "*.b": targets})


def callout_user_unknown(shop: Shop) -> None:
    shop.account("A", authorization=jwt.ExternalAuthorization(auth_users=(KeyPair.create(Role.USER).public,)))


def import_exporter_unknown(shop: Shop) -> None:
    shop.imports("B", orders(shop, account=STRANGER.public))


def import_exporter_refused(shop: Shop) -> None:
    shop.imports("B", orders(shop))
    account_untrusted(shop)


def import_exporter_expired(shop: Shop) -> None:
    shop.imports("B", orders(shop))
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))
    account_expired(shop)


def import_no_export(shop: Shop) -> None:
    shop.imports("B", orders(shop))


def import_of_a_service_that_nobody_offers(shop: Shop) -> None:
    shop.imports("B", orders(shop, subject="help", type="service", local_subject="assist"))


def import_token_position(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.*.>", type="stream", account_token_position=2))
    shop.imports("B", orders(shop, subject="orders.X.new"))


def import_local_subject(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))
    shop.imports("B", orders(shop, to="in.*"))


def import_duplicate(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))
    shop.imports("B", orders(shop), orders(shop, local_subject="other.>"))


def activation_missing_of_a_stream_and_a_service_of_one_name(shop: Shop) -> None:
    for kind in ("stream", "service"):
        shop.export("A", jwt.Export(subject="q.*", type=kind, token_req=True))
    wanted = jwt.Import(subject="q.*", account=shop.key("A"), type="service", local_subject="ask.*")
    shop.imports("B", wanted, replace(wanted, type="stream", local_subject="told.*"))


def import_cycle(shop: Shop) -> None:
    export = jwt.Export(subject="orders.>", type="stream")
    for name, other in (("A", "B"), ("B", "A")):
        shop.account(name, exports=(export,), imports=(orders(shop, account=shop.key(other)),))


def import_old_prefix(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))
    shop.imports("B", orders(shop, to="in.>"))


def import_old_form(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="help", type="service"))
    shop.imports("B", orders(shop, subject="assist", to="help", type="service"))


def import_clash(shop: Shop) -> None:
    shop.nsc("add", "account", "C")
    for name in ("A", "C"):
        shop.export(name, jwt.Export(subject="help", type="service"))
    help = {"subject": "help", "type": "service"}
    shop.imports("B", orders(shop, **help), orders(shop, account=shop.key("C"), **help))


def import_mixed(shop: Shop) -> None:
    shop.nsc("add", "account", "C")
    for name in ("A", "C"):
        shop.export(name, jwt.Export(subject="orders.>", type="stream"))
    shop.imports("B", orders(shop), orders(shop, account=shop.key("C"), subject="orders.eu"))


def import_of_what_was_narrowed(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.eu.>", type="stream", token_req=True))
    shop.imports("B", orders(shop, local_subject="in.>", token=shop.activation()))


def import_of_more_than_one_export(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.eu", type="stream"), jwt.Export(subject="orders.us", type="stream"))
    shop.imports("B", orders(shop))


def activation_missing(shop: Shop) -> None:
    private(shop)
    shop.imports("B", orders(shop))


def activation_invalid(shop: Shop) -> None:
    private(shop)
    head, _, signature = shop.activation().split(".")
    body = shop.activation(subject=">").split(".")[1]
    shop.imports("B", orders(shop, token=f"{head}.{body}.{signature}"))


def activation_foreign(shop: Shop) -> None:
    """Signed by a signing key of A that is none any more."""
    gone = KeyPair.create(Role.ACCOUNT)
    private(shop)
    claims = replace(
        jwt.new_activation(shop.key("B"), "orders.>"),
        nats=jwt.Activation(subject="orders.>", kind="stream", issuer_account=shop.key("A")),
    )
    shop.imports("B", orders(shop, token=jwt.encode(claims, gone, issued_at=shop.now)))


def activation_misfit(shop: Shop) -> None:
    private(shop, target=shop.key("SYS"))


def activation_for_another_subject(shop: Shop) -> None:
    private(shop, subject="orders.eu")


def activation_that_nobody_asks_for(shop: Shop) -> None:
    private(shop, target=shop.key("SYS"))
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))


def activation_early(shop: Shop) -> None:
    private(shop, not_before=shop.now + DAY)


def activation_expired(shop: Shop) -> None:
    private(shop, expires=shop.now - 10)


def activation_expiring(shop: Shop) -> None:
    private(shop, expires=shop.now + DAY)


def activation_revoked(shop: Shop) -> None:
    private(shop, revocations={shop.key("B"): shop.now - 10})


def activation_unneeded(shop: Shop) -> None:
    private(shop)
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))


def export_unreachable(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))
    shop.user("A", "u", pub=jwt.Permission(allow=("other.>",)))


def export_of_a_service_that_nobody_may_answer(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="help", type="service"))
    shop.user("A", "u", sub=jwt.Permission(deny=("help",)))


def export_of_a_user_that_only_answers(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))
    shop.user("A", "u", resp=jwt.ResponsePermission(max=1))


def export_unimported(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream"))


def revocation_activation_undone(shop: Shop) -> None:
    private(shop, revocations={shop.key("B"): shop.now - 1000})


def revocation_useless(shop: Shop) -> None:
    shop.export("A", jwt.Export(subject="orders.>", type="stream", revocations={"*": shop.now - 10}))


def user_damaged(shop: Shop) -> None:
    Path(shop.store.user_path("A", "u")).write_bytes(b"\xff\xfe")


def user_expired(shop: Shop) -> None:
    shop.user("A", "u", head={"expires": shop.now - 10})


def user_expiring(shop: Shop) -> None:
    shop.user("A", "u", head={"expires": shop.now + DAY})


def user_early(shop: Shop) -> None:
    shop.user("A", "u", head={"not_before": shop.now + DAY})


def user_invalid(shop: Shop) -> None:
    shop.user("A", "u", src=("nonsense",))


def user_untrusted(shop: Shop) -> None:
    shop.user("A", "u", signer=STRANGER, issuer_account=shop.key("A"))


def role(shop: Shop, **template: Any) -> KeyPair:
    """A role of account A."""
    pair = KeyPair.create(Role.ACCOUNT)
    path = Path(shop.workspace.keystore.path_of(pair.public))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(pair.seed)
    path.chmod(0o600)
    scope = jwt.UserScope(key=pair.public, role="reader", template=jwt.ScopeTemplate(**template))
    shop.account("A", signing_keys=(scope,))
    return pair


def user_untrusted_where_the_first_key_is_a_role(shop: Shop) -> None:
    shop.nsc("edit", "account", "A", "--sk", "generate")
    plain = shop.store.account("A").nats.signing_keys
    role(shop)
    shop.account("A", signing_keys=(*shop.store.account("A").nats.signing_keys, *plain))
    for name in ("A", "B", "SYS"):
        shop.account(name, signer=shop.pair(shop.store.operator().nats.signing_keys[0]))
    shop.operator(strict_signing_key_usage=True)
    shop.user("A", "u", signer=STRANGER, issuer_account=shop.key("A"), pub=jwt.Permission(allow=("x",)))


def user_strict(shop: Shop) -> None:
    for name in ("A", "B", "SYS"):
        shop.nsc("edit", "account", name, "--sk", "generate")
        shop.account(name, signer=shop.pair(shop.store.operator().nats.signing_keys[0]))
    shop.operator(strict_signing_key_usage=True)


def user_scoped_rights(shop: Shop) -> None:
    pair = role(shop)
    shop.user("A", "u", signer=pair, issuer_account=shop.key("A"), pub=jwt.Permission(allow=("x",)))


def user_template(shop: Shop) -> None:
    pair = role(shop, sub=jwt.Permission(deny=("d.{{tag(dept)}}",)))
    plain = {"subs": 0, "data": 0, "payload": 0}
    shop.user("A", "u", signer=pair, issuer_account=shop.key("A"), **plain)


def user_bearer(shop: Shop) -> None:
    shop.user("A", "u", bearer_token=True)
    shop.account("A", limits=replace(jwt.UNLIMITED, disallow_bearer=True))


def user_bearer_by_its_role(shop: Shop) -> None:
    pair = role(shop, bearer_token=True)
    shop.account("A", limits=replace(jwt.UNLIMITED, disallow_bearer=True))
    plain = {"subs": 0, "data": 0, "payload": 0}
    shop.user("A", "u", signer=pair, issuer_account=shop.key("A"), **plain)


def user_revoked(shop: Shop) -> None:
    shop.account("A", revocations={shop.store.user("A", "u").subject: shop.now - 1})
    shop.user("A", "u", issued_at=shop.now - 10)


def user_revoked_with_all(shop: Shop) -> None:
    shop.account("A", revocations={"*": shop.now - 1})
    shop.user("A", "u", issued_at=shop.now - 10)


def user_duplicate(shop: Shop) -> None:
    shutil.copy(shop.store.user_path("A", "u"), shop.store.user_path("A", "v"))
    shutil.copy(shop.creds("A", "u"), shop.creds("A", "v"))


def permission_dead(shop: Shop) -> None:
    shop.user("A", "u", pub=jwt.Permission(allow=("a.b", "c"), deny=("a.>",)))


def permission_dead_with_a_comma(shop: Shop) -> None:
    shop.user("A", "u", pub=jwt.Permission(allow=('a.b,"c', "c"), deny=("a.>",)))


def permission_dead_by_default(shop: Shop) -> None:
    rights = jwt.Permissions(sub=jwt.Permission(allow=("a.b q", "c"), deny=("a.*",)))
    shop.account("A", default_permissions=rights)


def permission_dead_in_a_role(shop: Shop) -> None:
    role(shop, pub=jwt.Permission(allow=("a.b", "c"), deny=("a.>",)))


def revocation_undone(shop: Shop) -> None:
    shop.account("A", revocations={shop.store.user("A", "u").subject: shop.now - 1000})


def revocation_future(shop: Shop) -> None:
    shop.account("A", revocations={KeyPair.create(Role.USER).public: shop.now + DAY})


def revocation_of_activations_in_the_future(shop: Shop) -> None:
    private(shop, revocations={"*": shop.now + DAY})


def revocation_redundant(shop: Shop) -> None:
    shop.account("A", revocations={KeyPair.create(Role.USER).public: shop.now - 1000, "*": shop.now - 999})


def keystore_outdated(shop: Shop) -> None:
    (shop.keys / "O").mkdir(mode=0o700)
    path = shop.keys / "O/O.nk"
    path.write_text(KeyPair.create(Role.OPERATOR).seed)
    path.chmod(0o600)


def key_damaged(shop: Shop) -> None:
    Path(shop.workspace.keystore.path_of(shop.key("A"))).write_text(STRANGER.seed)


def key_missing(shop: Shop) -> None:
    Path(shop.workspace.keystore.path_of(shop.store.user("A", "u").subject)).unlink()


def key_orphan(shop: Shop) -> None:
    shop.nsc("generate", "nkey", "--user", "--store")


def role_without_users(shop: Shop) -> None:
    shop.nsc("edit", "signing-key", "-a", "A", "--sk", "generate", "--role", "reader")


def signing_key_that_was_replaced(shop: Shop) -> None:
    old, new = (KeyPair.create(Role.ACCOUNT) for _ in range(2))
    shop.account("A", signing_keys=(old.public, new.public))
    shop.user("A", "u", signer=new)


def signing_key_that_was_replaced_for_activations(shop: Shop) -> None:
    old, new = (KeyPair.create(Role.ACCOUNT) for _ in range(2))
    private(shop, signer=new)
    shop.account("A", signing_keys=(old.public, new.public))


def signing_key_of_an_operator_that_was_replaced(shop: Shop) -> None:
    (new,) = shop.store.operator().nats.signing_keys
    shop.account("A", signer=shop.pair(new))
    shop.operator(signing_keys=(KeyPair.create(Role.OPERATOR).public, new))


def creds_missing(shop: Shop) -> None:
    shop.creds("A", "u").unlink()


def creds_folder_missing(shop: Shop) -> None:
    shutil.rmtree(shop.keys / "creds/O")


def creds_damaged(shop: Shop) -> None:
    shop.creds("A", "u").write_text("creds")


def creds_with_the_seed_of_another(shop: Shop) -> None:
    shop.creds("A", "u").write_text(jwt_creds(shop.store.user_token("A", "u"), KeyPair.create(Role.USER).seed))


def creds_outdated(shop: Shop) -> None:
    before = shop.creds("A", "u").read_text()
    shop.user("A", "u", tags=("new",))
    shop.creds("A", "u").write_text(before)


def creds_orphan(shop: Shop) -> None:
    shop.nsc("delete", "user", "-a", "A", "-n", "u", "--rm-nkey")


def secret_readable(shop: Shop) -> None:
    shop.creds("A", "u").chmod(0o644)


def secret_readable_by_others_than_its_group(shop: Shop) -> None:
    shop.creds("A", "u").chmod(0o664)


def secret_shared(shop: Shop) -> None:
    shop.creds("A", "u").chmod(0o640)


def file_writable(shop: Shop) -> None:
    os.chmod(shop.store.account_folder("A"), 0o777)


def file_leftover(shop: Shop) -> None:
    path = Path(shop.store.path) / ".natskit-0123456789ab-0.tmp"
    path.write_text("x")
    os.utime(path, (shop.now - 1000, shop.now - 1000))


CASES: dict[str, list[Callable[[Shop], None]]] = {
    "operator-damaged": [operator_damaged],
    "operator-invalid": [operator_invalid],
    "operator-expired": [operator_expired],
    "operator-expiring": [operator_expiring],
    "operator-keys-missing": [operator_keys_missing],
    "operator-no-signing-key": [operator_no_signing_key],
    "system-account-unset": [system_account_unset],
    "system-account-missing": [system_account_missing],
    "system-account-jetstream": [system_account_jetstream],
    "account-damaged": [account_damaged],
    "account-without-token": [account_without_token],
    "account-duplicate": [account_duplicate],
    "account-renamed": [account_renamed],
    "account-expired": [account_expired],
    "account-expiring": [account_expiring],
    "account-early": [account_early],
    "account-untrusted": [account_untrusted, account_untrusted_by_a_strict_operator],
    "account-self-signed": [account_self_signed],
    "account-over-limits": [account_over_limits],
    "account-invalid": [account_invalid, account_with_an_import_of_two_forms],
    "account-doubtful": [account_doubtful],
    "account-keys-missing": [account_keys_missing],
    "mapping-invalid": [mapping_invalid, mapping_to_a_wildcard_that_is_not_there],
    "mapping-drops": [mapping_drops],
    "mapping-ambiguous": [mapping_ambiguous],
    "callout-user-unknown": [callout_user_unknown],
    "import-exporter-unknown": [import_exporter_unknown],
    "import-exporter-refused": [import_exporter_refused, import_exporter_expired],
    "import-no-export": [
        *(import_no_export, import_of_a_service_that_nobody_offers),
        *(import_of_what_was_narrowed, import_of_more_than_one_export),
    ],
    "import-token-position": [import_token_position],
    "import-local-subject": [import_local_subject],
    "import-duplicate": [import_duplicate],
    "import-cycle": [import_cycle],
    "import-old-prefix": [import_old_prefix],
    "import-old-form": [import_old_form],
    "import-clash": [import_clash],
    "import-mixed": [import_mixed],
    "activation-missing": [activation_missing, activation_missing_of_a_stream_and_a_service_of_one_name],
    "activation-invalid": [activation_invalid],
    "activation-foreign": [activation_foreign],
    "activation-misfit": [activation_misfit, activation_for_another_subject, activation_that_nobody_asks_for],
    "activation-early": [activation_early],
    "activation-expired": [activation_expired],
    "activation-expiring": [activation_expiring],
    "activation-revoked": [activation_revoked],
    "activation-unneeded": [activation_unneeded],
    "export-unreachable": [
        export_unreachable,
        export_of_a_service_that_nobody_may_answer,
        export_of_a_user_that_only_answers,
    ],
    "export-unimported": [export_unimported],
    "revocation-activation-undone": [revocation_activation_undone],
    "revocation-useless": [revocation_useless],
    "user-damaged": [user_damaged],
    "user-expired": [user_expired],
    "user-expiring": [user_expiring],
    "user-early": [user_early],
    "user-invalid": [user_invalid],
    "user-untrusted": [user_untrusted, user_untrusted_where_the_first_key_is_a_role],
    "user-strict": [user_strict],
    "user-scoped-rights": [user_scoped_rights],
    "user-template": [user_template],
    "user-bearer": [user_bearer, user_bearer_by_its_role],
    "user-revoked": [user_revoked, user_revoked_with_all],
    "user-duplicate": [user_duplicate],
    "permission-dead": [
        permission_dead,
        permission_dead_with_a_comma,
        permission_dead_by_default,
        permission_dead_in_a_role,
    ],
    "revocation-undone": [revocation_undone],
    "revocation-future": [revocation_future, revocation_of_activations_in_the_future],
    "revocation-redundant": [revocation_redundant],
    "keystore-outdated": [keystore_outdated],
    "key-damaged": [key_damaged],
    "key-missing": [key_missing],
    "signing-key-unused": [
        *(role_without_users, signing_key_that_was_replaced, signing_key_that_was_replaced_for_activations),
        signing_key_of_an_operator_that_was_replaced,
    ],
    "key-orphan": [key_orphan],
    "creds-missing": [creds_missing, creds_folder_missing],
    "creds-damaged": [creds_damaged, creds_with_the_seed_of_another],
    "creds-outdated": [creds_outdated],
    "creds-orphan": [creds_orphan],
    "secret-readable": [secret_readable, secret_readable_by_others_than_its_group],
    "secret-shared": [secret_shared],
    "file-writable": [file_writable],
    "file-leftover": [file_leftover],
}

ELSEWHERE = {
    *("operator-old", "journal-pending"),
    *("server-silent", "server-missing", "server-older", "server-newer", "server-unknown"),
}
"""Codes with a test of their own: below, and with servers in tests/acceptance."""

WITHOUT_FIX = {
    *("operator-damaged", "operator-invalid", "operator-keys-missing", "account-damaged", "account-without-token"),
    *("account-duplicate", "account-renamed", "account-self-signed", "account-invalid", "account-doubtful"),
    *("mapping-ambiguous", "callout-user-unknown", "import-exporter-unknown", "import-exporter-refused"),
    *(
        "import-clash",
        "import-mixed",
        "export-unreachable",
        "export-unimported",
        "revocation-activation-undone",
        "user-damaged",
    ),
    *("user-invalid", "user-template", "user-duplicate", "key-damaged", "key-missing"),
}
"""Where there is nothing to type, or not in a store like this one."""

WITH_TWO_WAYS_OUT = {
    *(import_no_export, import_of_a_service_that_nobody_offers, import_of_what_was_narrowed, import_token_position),
    *(activation_missing, activation_missing_of_a_stream_and_a_service_of_one_name, activation_invalid),
    *(activation_foreign, activation_misfit, activation_for_another_subject, activation_that_nobody_asks_for),
    *(activation_early, activation_expired, activation_revoked, user_revoked, user_revoked_with_all),
}
"""Where there is something else to type instead."""

EVERY = [pytest.param(code, breaking, id=breaking.__name__) for code, all_ in CASES.items() for breaking in all_]
TWO_WAYS_OUT = [each for each in EVERY if each.values[1] in WITH_TWO_WAYS_OUT]


def findings(nsc, code: str, *words: str, exit: int | None = 3) -> list[dict[str, Any]]:
    document = nsc("doctor", "--json", "--severity", "note", *words, exit=exit).json
    return [each for each in document["findings"] if each["code"] == code]


def type_in(lines: list[str]) -> None:
    """What a user does with a fix."""
    for line in lines:
        words = shlex.split(line)
        if words[0] == "nsc":
            assert execute(words[1:]) == 0, line
        else:
            subprocess.run(words, check=True)


def again(nsc, code: str) -> list[dict[str, Any]]:
    capture = nsc("doctor", "--json", "--severity", "note", exit=None)
    return [each for each in capture.json["findings"] if each["code"] == code]


def test_every_code_has_a_case():
    assert set(CASES) | ELSEWHERE == set(CODES)


def test_every_reason_against_an_import_has_a_code():
    others = {"OWN_ACCOUNT", "PUBLIC_EXPORT", "LISTED_ACCOUNT", "ACCOUNT_TOKEN", "ACTIVATION", "SERVED"}  # for it
    others |= {"PERMISSION", "SUBJECT", "MAPPING", "RESERVED", "NO_IMPORT"}  # against a message
    others |= {"CREDS", "USER_TOKEN", "USER_EXPIRED", "USER_NOT_YET_VALID", "USER_SIGNER", "USER_REVOKED"}  # of logins
    others |= {"ACCOUNT_SIGNER", "ACCOUNT_INVALID", "SCOPE", "BEARER", "CONNECTION_TYPE", "SEED", "PROXY"}
    others |= {"SOURCE_ADDRESS", "TIME_OF_DAY", "CONNECTION_LIMIT", "SUBSCRIPTION_LIMIT", "PAYLOAD_LIMIT"}
    others |= {"NOT_LISTED"}  # of configurations
    assert {rule.name for rule in imports._CODES} | others == {rule.name for rule in Rule}
    assert set(imports._CODES.values()) <= set(CODES)


def test_a_healthy_store_has_nothing_to_tell(shop, nsc):
    result = nsc("doctor", "--severity", "note")
    assert result.out == 'Operator "O": nothing is wrong (3 accounts, 3 users)\n'
    document = nsc("doctor", "--json").json
    assert document["healthy"]
    assert document["findings"] == []
    assert document["checked"] == {"accounts": 3, "users": 3}


@pytest.mark.parametrize(("code", "breaking"), EVERY)
def test_it_is_found_and_its_fix_mends_it(code, breaking, shop, nsc):
    breaking(shop)
    found = findings(nsc, code)
    assert found, nsc("doctor", "--severity", "note", exit=3).out
    for each in found:
        assert each["severity"] == CODES[code].severity
        assert each["text"]
        assert each["why"]
    commands = [each["fix"] or each["instead"] for each in found]
    assert all(commands) == (code not in WITHOUT_FIX), commands
    assert any(each["fix"] and each["instead"] for each in found) == (breaking in WITH_TWO_WAYS_OUT), found
    if code not in WITHOUT_FIX:
        type_in(commands[0])
        assert len(again(nsc, code)) < len(found)


@pytest.mark.parametrize(("code", "breaking"), TWO_WAYS_OUT)
def test_the_other_way_out_mends_it_too(code, breaking, shop, nsc):
    breaking(shop)
    found = findings(nsc, code)
    type_in(next(each["instead"] for each in found if each["fix"] and each["instead"]))
    assert len(again(nsc, code)) < len(found)


# ---- the command


def test_text_groups_by_account_and_gives_why_and_fix(shop, nsc):
    import_no_export(shop)
    secret_readable(shop)
    result = nsc("doctor", exit=3)
    assert result.err == ""
    path = shop.creds("A", "u")
    assert result.out == (
        'Operator "O" and its keystore\n'
        f"  error: `{path}` has mode 0644: others can read the secret in it [secret-readable]\n"
        "    Whoever can read a seed or creds can log in, or sign, in its name.\n"
        f"    fix: chmod 600 {path}\n"
        "\n"
        'Account "B"\n'
        '  error: stream import "orders.>" from A: no stream export covers it (there is none) [import-no-export]\n'
        "    Servers drop such an import without a word: nothing arrives through it."
        " An export that is not private is open to every account.\n"
        "    fix: nsc add export -a A --subject 'orders.>'\n"
        "     or: nsc delete import -a B --subject 'orders.>' --src-account A\n"
        "\n"
        'Operator "O": 2 errors (3 accounts, 3 users)\n'
    )


def test_fix_mends_modes_and_leftovers_only(shop, nsc):
    secret_readable(shop)
    file_writable(shop)
    file_leftover(shop)
    import_no_export(shop)
    result = nsc("doctor", "--fix", "--severity", "note", exit=3)
    assert result.out.count("done: ") == 3
    assert f"done: chmod 600 {shop.creds('A', 'u')}\n" in result.out
    assert shop.creds("A", "u").stat().st_mode & 0o777 == 0o600
    assert os.stat(shop.store.account_folder("A")).st_mode & 0o777 == 0o775
    document = nsc("doctor", "--json", "--severity", "note", exit=3).json
    assert [each["code"] for each in document["findings"]] == ["import-no-export"]


def test_a_file_that_may_be_in_the_making_is_left_alone(shop, nsc):
    Path(shop.store.path, ".natskit-0123456789ab-0.tmp").write_text("x")
    assert nsc("doctor", "--severity", "note").out.startswith('Operator "O": nothing is wrong')


def test_mending_follows_no_link(shop, tmp_path):
    """What was a file when it was looked at may be a link to one of somebody else by now."""
    target = tmp_path / "target"
    target.write_text("x")
    target.chmod(0o666)
    link = tmp_path / "link.creds"
    link.symlink_to(target)
    with pytest.raises(StoreError, match=r"link\.creds"):
        mend(Finding(code="secret-readable", text="", path=str(link)))
    assert target.stat().st_mode & 0o777 == 0o666


def test_fix_of_everything_leaves_a_healthy_store(shop, nsc):
    secret_readable(shop)
    document = nsc("doctor", "--fix", "--json").json
    assert document["healthy"]
    assert [each["code"] for each in document["fixed"]] == ["secret-readable"]
    assert nsc("doctor").out.startswith('Operator "O": nothing is wrong')


@pytest.mark.parametrize(
    ("pub", "sub", "fixed"),
    [
        (jwt.Permission(allow=("a", "b"), deny=("a",)), jwt.Permission(), False),  # it would not be denied any more
        (jwt.Permission(allow=("a.b",), deny=("a.>",)), jwt.Permission(), False),  # everything else would be allowed
        (jwt.Permission(allow=("a.b", "a.c"), deny=("a.>",)), jwt.Permission(), False),
        (jwt.Permission(allow=("a.b", "c"), deny=("a.>",)), jwt.Permission(deny=("a.b",)), False),
        (jwt.Permission(allow=("a.b", "c"), deny=("a.>",)), jwt.Permission(deny=("a.c",)), True),
    ],
)
def test_a_dead_entry_is_taken_out_only_where_that_changes_nothing(pub, sub, fixed, shop, nsc):
    shop.user("A", "u", pub=pub, sub=sub)
    found = [each for each in nsc("doctor", "--json", exit=3).json["findings"] if each["code"] == "permission-dead"]
    assert found
    assert all(bool(each["fix"]) is fixed for each in found)


def test_a_tag_that_is_a_wildcard_fills_no_template(shop, nsc):
    pair = role(shop, pub=jwt.Permission(allow=("d.{{tag(dept)}}",)))
    plain = {"subs": 0, "data": 0, "payload": 0}
    shop.user("A", "u", signer=pair, issuer_account=shop.key("A"), tags=("dept:*",), **plain)
    found = [each for each in nsc("doctor", "--json", exit=3).json["findings"] if each["code"] == "user-template"]
    assert [each["text"] for each in found] == [
        'the role "reader" of user "u" cannot be filled in:'
        ' "*" in its name or tags is a wildcard, which its template does not give'
    ]


def found(nsc: Any, code: str, *flags: str) -> dict[str, Any]:
    """The only finding of a code."""
    (one,) = [each for each in nsc("doctor", "--json", *flags, exit=3).json["findings"] if each["code"] == code]
    return one


def test_signing_again_is_no_way_out_while_a_revocation_goes_on(shop, nsc):
    user_revoked(shop)
    assert found(nsc, "user-revoked")["instead"]
    shop.account("A", revocations={"*": shop.now + DAY})
    assert not found(nsc, "user-revoked")["instead"]


def test_an_expired_user_gets_as_long_as_it_had(shop, nsc):
    shop.user("A", "u", issued_at=shop.now - 36 * 3600, head={"expires": shop.now - 1})
    assert found(nsc, "user-expired", "--within", "1h")["fix"] == ["nsc edit user -a A -n u --expiry 2d"]


def test_the_identity_key_is_no_key_to_sign_with_for_a_strict_operator(shop, nsc):
    assert "account-keys-missing" not in nsc("doctor", "--severity", "note").out
    shop.operator(strict_signing_key_usage=True)
    assert found(nsc, "account-keys-missing", "-a", "A", "--severity", "note")


def test_json_has_the_same_members_whatever_is_found(shop, nsc):
    import_no_export(shop)
    document = nsc("doctor", "--json", exit=3).json
    assert set(document) == {"operator", "healthy", "checked", "counts", "findings", "fixed"}
    assert document["counts"] == {"error": 1, "warning": 0, "note": 0}
    (found,) = document["findings"]
    assert found == {
        "code": "import-no-export",
        "severity": "error",
        "text": 'stream import "orders.>" from A: no stream export covers it (there is none)',
        "why": CODES["import-no-export"].why,
        "account": "B",
        "user": "",
        "about": "orders.>",
        "path": "",
        "fix": ["nsc add export -a A --subject 'orders.>'"],
        "instead": ["nsc delete import -a B --subject 'orders.>' --src-account A"],
        "safe": False,
    }


def test_one_account_alone(shop, nsc):
    import_no_export(shop)
    user_expired(shop)
    assert findings(nsc, "import-no-export", "-a", "B")
    assert not findings(nsc, "user-expired", "-a", "B")
    assert nsc("doctor", "--account", shop.key("A"), "--json", exit=3).json["checked"] == {"accounts": 1, "users": 1}
    nsc("doctor", "-a", "nobody", exit=1)


@pytest.mark.parametrize("breaking", [account_damaged, user_damaged, operator_damaged])
def test_what_is_damaged_does_not_hide_the_rest(breaking, shop, nsc):
    shop.user("B", "u", head={"expires": shop.now - 10})
    breaking(shop)
    assert findings(nsc, "user-expired")
    assert not findings(nsc, "key-orphan"), "keys of what does not read are no orphans"


def test_keys_of_other_operators_are_no_orphans(shop, nsc):
    shop.nsc("add", "operator", "P")
    shop.nsc("add", "account", "X")
    assert not findings(nsc, "key-orphan", "--operator", "O", exit=0)


def test_importers_of_a_system_account_with_jetstream_are_not_told_of(shop, nsc):
    system_account_jetstream(shop)
    exported = jwt.Import(subject="$SYS.ACCOUNT.X.>", account=shop.key("SYS"), type="stream")
    shop.imports("B", exported)
    assert not findings(nsc, "import-exporter-refused")


def test_ends_within_a_time(shop, nsc):
    shop.user("A", "u", head={"expires": shop.now + 40 * DAY})
    nsc("doctor")
    nsc("doctor", "--within", "50d", exit=3)


def test_severity_is_one_of_three(shop, nsc):
    export_unimported(shop)
    nsc("doctor")
    nsc("doctor", "--severity", "note", exit=3)
    user_expired(shop)
    nsc("doctor", "--severity", "error")
    assert "is no severity" in nsc("doctor", "--severity", "fatal", exit=None).err


def test_fixes_work_where_the_doctor_looked(shop, nsc, tmp_path, monkeypatch):
    """Folders and operator that were given by flags stand in the commands too."""
    elsewhere = tmp_path / "elsewhere"
    shop.nsc("-H", str(elsewhere), "add", "operator", "P")
    shop.nsc("-H", str(elsewhere), "add", "operator", "Q")
    where = ("-H", str(elsewhere), "--operator", "P")
    shop.nsc("generate", "nkey", "--user", "--store", *where[:2])
    (orphan,) = findings(nsc, "key-orphan", *where)
    type_in(orphan["fix"])
    assert not findings(nsc, "key-orphan", *where)
    (found,) = findings(nsc, "operator-no-signing-key", *where)
    type_in(found["fix"])
    assert not findings(nsc, "operator-no-signing-key", *where)


def test_an_operator_of_2019_is_a_finding(home, nsc, monkeypatch):
    monkeypatch.setenv("NSC_PROFILE", "2019")
    for words in (("add", "operator", "Old"), ("add", "account", "A")):
        nsc(*words)
    monkeypatch.setenv("NSC_PROFILE", "current")
    where = (f"--config-dir={home / '.nsc'}", f"--data-dir={home / '.nsc/nats'}")
    (found,) = findings(nsc, "operator-old", *where)
    assert found["fix"] == [shlex.join(["nsc", "upgrade-jwt", *where])]


def test_a_store_of_2019_is_looked_at_as_such(home, nsc, monkeypatch):
    monkeypatch.setenv("NSC_PROFILE", "2019")
    for words in (("add", "operator", "-n", "Old"), ("add", "account", "-n", "A"), ("add", "user", "-n", "u")):
        nsc(*words)
    document = nsc("doctor", "--json", "--severity", "note", exit=3).json
    assert {each["code"] for each in document["findings"]} == {"operator-no-signing-key", "system-account-unset"}


def test_a_signing_key_is_spare_while_the_identity_key_signs(shop, nsc):
    shop.nsc("edit", "account", "-n", "A", "--sk", "generate")
    assert not findings(nsc, "signing-key-unused", exit=0)


def test_where_a_token_does_not_read_nobody_can_tell_what_signed_it(shop, nsc):
    role_without_users(shop)
    assert findings(nsc, "signing-key-unused")
    Path(shop.store.user_path("A", "u")).write_text("x.y.z")
    assert not findings(nsc, "signing-key-unused")


def test_the_lock_of_a_command_that_was_killed_is_nobodys(shop, nsc):
    for folder in (Path(shop.store.path), Path(shop.workspace.journal_root)):
        (folder / ".natskit.lock").touch()
    assert nsc("doctor", "--severity", "note")
    assert nsc("edit", "account", "-n", "A", "--tag", "x")
    assert not (Path(shop.workspace.journal_root) / ".natskit.lock").exists()


def test_a_journal_that_this_user_may_not_settle(shop):
    workspace = shop.workspace  # opening one settles what may be settled
    (Path(workspace.journal_root) / ".natskit.journal").write_text("[]")
    found = examine(workspace, workspace.operator("O"), soon=shop.now).findings
    assert [each.code for each in found] == ["journal-pending"]


def test_many_findings_of_one_kind_are_counted(shop, nsc):
    shop.account("B", exports=tuple(jwt.Export(subject=f"s{number}", type="stream") for number in range(30)))
    out = nsc("doctor", "--severity", "note", exit=3).out
    assert out.count("[export-unimported]") == 20
    assert "export-unimported: 10 more" in out


def test_findings_show_no_secret(shop, nsc):
    seed = shop.pair(shop.key("A")).seed
    for breaking in (activation_invalid, key_damaged, creds_damaged):
        breaking(shop)
    shop.creds("A", "u").write_text(seed)
    out = nsc("doctor", "--json", "--severity", "note", exit=3).out
    assert seed not in out
    assert "eyJ0" not in out


def test_a_server_that_does_not_answer_does_not_hide_the_rest(shop, nsc, free_port):
    user_expired(shop)
    (found,) = findings(nsc, "server-silent", "--servers")
    assert "names no account server" in found["text"]
    for scheme in ("http", "nats"):
        shop.operator(account_server_url=f"{scheme}://127.0.0.1:{free_port()}")
        (found,) = findings(nsc, "server-silent", "--servers")
        assert findings(nsc, "user-expired", "--servers")
        assert not findings(nsc, "server-missing", "--servers")


# ---- commands that a damaged account must not stop


def test_validate_goes_on_past_what_is_damaged(shop, nsc):
    account_damaged(shop)
    user_damaged(shop)
    shop.user("B", "u", head={"expires": shop.now - 10})
    checked = nsc("validate", "--all-accounts", "--json", exit=1).json["checked"]
    issues = {each["name"]: [issue["text"] for issue in each["issues"]] for each in checked}
    assert "signature" in issues["A"][0]
    assert issues["B"] == ['user "u": claim is expired']
    operator_damaged(shop)
    checked = nsc("validate", "--all-accounts", "--json", exit=1).json["checked"]
    assert [each["name"] for each in checked] == ["O", "A", "B", "SYS"]


def test_validate_reads_creds_and_decorated_files(shop, nsc, tmp_path):
    creds = shop.creds("A", "u")
    (checked,) = nsc("validate", "-f", str(creds), "--json").json["checked"]
    assert checked == {"kind": "user", "name": shop.store.user("A", "u").subject, "issues": []}
    private(shop)
    shop.nsc("generate", "activation", "-a", "A", "-t", "B", "-o", str(tmp_path / "a.jwt"))
    (checked,) = nsc("validate", "-f", str(tmp_path / "a.jwt"), "--json").json["checked"]
    assert checked["kind"] == "activation"


def test_keys_are_listed_past_what_is_damaged(shop, nsc):
    account_damaged(shop)
    result = nsc("list", "keys", "--all", exit=1)
    assert shop.key("B") in result.out
    assert "A.jwt" in result.err
    result = nsc("list", "keys", "--all", "--json", exit=1)
    assert shop.key("B") in {each["pub"] for each in result.json}
    assert "A.jwt" in result.err


def test_keys_of_a_damaged_account_are_not_taken_for_unreferenced(shop, nsc, tmp_path):
    account_damaged(shop)
    nsc("export", "keys", "--not-referenced", "--remove", "--dir", str(tmp_path / "out"), exit=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["--mem-resolver", "--nats-resolver"])
def test_configurations_are_made_without_what_is_damaged(kind, shop, nsc):
    gone = shop.key("A")
    account_damaged(shop)
    result = nsc("generate", "config", kind, exit=1 if kind == "--mem-resolver" else 0)
    assert gone not in result.out
    if kind == "--mem-resolver":
        assert shop.key("B") in result.out
        assert "left out of the configuration" in result.err


# ---- signing again


def test_an_account_is_signed_again_as_it_is(shop, nsc):
    account_untrusted(shop)
    before = shop.store.account("A")
    nsc("reissue", "account", "A")
    after = shop.store.account("A")
    assert after.nats == before.nats
    assert jwt.did_sign(shop.store.operator(), after)


def test_a_user_is_signed_again_with_its_creds(shop, nsc):
    user_untrusted(shop)
    nsc("reissue", "user", "-a", "A", "u")
    assert jwt.did_sign(shop.store.account("A"), shop.store.user("A", "u"))
    assert shop.store.user_token("A", "u") in shop.creds("A", "u").read_text()


def test_a_user_becomes_what_its_role_says(shop, nsc):
    user_scoped_rights(shop)
    nsc("reissue", "user", "-a", "A", "u", "-K", "reader", exit=1)
    nsc("reissue", "user", "-a", "A", "u", "-K", "reader", "--as-role")
    user = shop.store.user("A", "u")
    jwt.check_scoped_user(user, shop.store.account("A").nats.signing_key_names[0])


def test_faults_of_an_account_are_mended_one_by_one(shop, nsc):
    """An edit is refused for what it brings in, not for what was there."""
    shop.imports("B", orders(shop, to="x", local_subject="y.>"), orders(shop, subject="z", to="x", local_subject="y"))
    nsc("delete", "import", "-a", "B", "--subject", "z")
    nsc("delete", "import", "-a", "B", "--subject", "orders.>")
    nsc("doctor")
