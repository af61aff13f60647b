"""What the servers of a soak are configured with, and who may log in: every kind of login, two accounts that share."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import trustme

from natskit.nkeys import KeyPair, Role
from natskit.testing import Account, Operator, User

Fields = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""What is said in CONNECT, given the server's INFO."""

LIMITS = """
max_closed_clients: 20
max_pending: 2MB
write_deadline: "2s"
ping_interval: "5s"
"""

CONFIGURED = """
accounts {{
  A {{
    users: [
      {{user: plain, password: p}}, {{user: hashed, password: "{hashed}"}}, {{nkey: {nkey}}}
      {{user: extra, password: "{password}"}}
    ]
    exports: [{{stream: "ev.>"}}, {{service: "sum.*"}}]
    mappings: {{ "m.*": [{{destination: "n.$1", weight: {weight}%}}] }}
  }}
  B {{
    users: [{{user: b, password: p}}]
    imports: [{{stream: {{account: A, subject: "ev.>"}}, prefix: in}}, {{service: {{account: A, subject: "sum.one"}}}}]
  }}
}}
"""


class Pushes:
    """Follows the operator: new tokens of accounts wait here to be pushed through the system account."""

    running = True

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[str] = asyncio.Queue()

    def update_account(self, token: str) -> None:
        self.waiting.put_nowait(token)

    def now(self) -> float:
        return time.time()


class Stage:
    """Configurations in a folder, and logins for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pushes = Pushes()
        self.operator = Operator()
        self.orders: Account = self.operator.account("orders")
        self.orders.export("ev.>", private=True)
        self.orders.export("sum.*", service=True)
        self.orders.role("limited", pub=["ev.>", "_INBOX.>"], subs=20)
        self.reports: Account = self.operator.account("reports")
        self.reports.import_from(self.orders, "sum.one")
        self.reports.import_from(self.orders, "ev.one.>", local="in.>")
        self.nkey = KeyPair.create(Role.USER)
        self._hash = bcrypt.hashpw(b"p", bcrypt.gensalt(4)).decode()
        self._make_certificates()
        self.configs = [self._operator_config(), self.configured(0), self._token_config(), self._certificate_config()]
        self.operator.follow(self.pushes)
        trusted = str(folder / "ca.pem")
        self.tls = ssl.create_default_context(cafile=trusted)
        self.tls_with_certificate = ssl.create_default_context(cafile=trusted)
        self.tls_with_certificate.load_cert_chain(str(folder / "client.pem"))
        member = self.orders.user("member")
        self.logins: list[tuple[int, Fields, ssl.SSLContext | None]] = [
            (0, creds(member), None),
            (0, creds(member), self.tls),
            (0, creds(self.orders.user("scoped", role="limited")), None),
            (0, bearer(self.orders.user("bearer", bearer_token=True)), None),
            (0, creds(self.reports.user("reader")), self.tls),
            (1, password("plain"), None),
            (1, password("hashed"), None),
            (1, self._signed, None),
            (1, password("b"), self.tls),
            (2, lambda info: {"auth_token": "t"}, None),
            (3, lambda info: {}, self.tls_with_certificate),
        ]
        expired = self.orders.user("expired", expires_in=-5)
        self.refused: list[tuple[int, Fields]] = [
            (0, creds(expired)),
            (0, lambda info: {**creds(member)(info), "sig": "AAAA"}),
            (0, creds(Operator().account("elsewhere").user("stranger"))),
            (1, lambda info: {"user": "hashed", "pass": "wrong"}),
            (2, lambda info: {"auth_token": "wrong"}),
        ]

    def _make_certificates(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        for name, identity in (("server", "127.0.0.1"), ("client", "client.example.com")):
            pem = authority.issue_cert(identity).private_key_and_cert_chain_pem
            pem.write_to_path(str(self.folder / f"{name}.pem"))

    def _base(self, tls: str = "") -> list[str]:
        pem = self.folder / "server.pem"
        block = f'tls {{ cert_file: "{pem}", key_file: "{pem}", ca_file: "{self.folder}/ca.pem", timeout: 1, {tls} }}'
        return ["listen: 127.0.0.1:-1", "http: 127.0.0.1:-1", LIMITS, block, "allow_non_tls: true"]

    def _operator_config(self) -> Path:
        folder = self.folder / "operator"
        folder.mkdir()
        return self.operator.write_config(folder, *self._base())

    def configured(self, version: int) -> Path:
        """The configuration of accounts, in one of its versions."""
        accounts = CONFIGURED.format(
            hashed=self._hash, nkey=self.nkey.public, password=f"p{version}", weight=50 + version % 50
        )
        path = self.folder / "accounts.conf"
        path.write_text("\n".join([*self._base(), accounts]))
        return path

    def _token_config(self) -> Path:
        path = self.folder / "token.conf"
        path.write_text("\n".join([*self._base(), "authorization { token: t, timeout: 1 }"]))
        return path

    def _certificate_config(self) -> Path:
        path = self.folder / "certificates.conf"
        users = "authorization { users: [{user: client.example.com}], timeout: 1 }"
        path.write_text("\n".join([*self._base("verify_and_map: true"), users]))
        return path

    def _signed(self, info: Mapping[str, Any]) -> Mapping[str, Any]:
        sig = base64.urlsafe_b64encode(self.nkey.sign(info["nonce"].encode())).rstrip(b"=").decode()
        return {"nkey": self.nkey.public, "sig": sig}


def creds(user: User) -> Fields:
    return lambda info: user.credentials(info["nonce"])


def bearer(user: User) -> Fields:
    return lambda info: {"jwt": user.token}


def password(user: str) -> Fields:
    return lambda info: {"user": user, "pass": "p"}
