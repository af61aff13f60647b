"""Stores that the Go tool made, edited by ours, read by both servers: the same users, rights and shared subjects."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.conftest import Engine, RunningServer

from natskit import jwt
from natskit.cli.nsc import tree
from natskit.client import Connection, Login, connect
from natskit.client.connection import Message
from natskit.errors import AuthenticationError, DeniedError, Unreachable

Nsc = Callable[..., "object"]

GOLDEN = Path(__file__).parents[2] / "golden"


def script(name: str) -> list[str]:
    """The command lines of a file beside this one."""
    lines = (Path(__file__).parent / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


SCRIPT = script("alternation.txt")


class Keys:
    """The keys of a store by name, also of what is not there any more; signing keys without a role by number."""

    def __init__(self, stores: Path) -> None:
        self.stores = stores
        self.known: dict[str, str] = {}
        self.look()

    def look(self) -> None:
        for path in self.stores.glob("*/accounts/*/*.jwt"):
            claims = jwt.decode(path.read_text(), jwt.AccountClaims)
            self.known[f"pk:{claims.name}"] = claims.subject
            for key in claims.nats.signing_keys:
                if isinstance(key, str) and key not in self.known.values():
                    count = sum(name.startswith(f"sk:{claims.name}.") for name in self.known)
                    self.known[f"sk:{claims.name}.{count + 1}"] = key
        for path in self.stores.glob("*/accounts/*/users/*.jwt"):
            self.known[f"pk:{path.parts[-3]}/{path.stem}"] = jwt.decode(path.read_text()).subject

    def fill(self, line: str) -> list[str]:
        def key(found: re.Match[str]) -> str:
            return self.known[found[1]]

        line = line.replace("{data}", str(self.stores.parent))
        return [re.sub(r"\{([ps]k:[^}]+)\}", key, word) for word in shlex.split(line)]


def test_the_script_has_every_command_that_edits():
    editing = re.compile("add|edit|delete|import|rename|reissue|migrate|revocations (add|delete)")
    commands = {words for words in tree.LEAVES if editing.match(words)}
    assert len(SCRIPT) >= 200
    assert [words for words in sorted(commands) if not any(line.startswith(words) for line in SCRIPT)] == []


def run_script(nsc: Nsc, keys: Keys, lines: list[str]) -> None:
    for line in lines:
        nsc(*keys.fill(line))
        keys.look()


# ---- what the servers must make of it --------------------------------------------------------------

REFUSED = {
    "Main": {"Orders/gone", "Alpha/member", "Gamma/sentinel"},
    "Strict": set[str](),
    "Test": {"Orders/gone"},
}
"""Who cannot log in: revoked or deleted, by WebSocket only, by a service that does not run."""

RIGHTS = {
    "Main": (
        # user, may publish, may not, may subscribe, may not
        ("Orders/plain", "orders.new", "orders.secret", "_INBOX.x", "answers.x"),
        ("Orders/ann", "orders.ann.1", "orders.bob.1", "_INBOX.x", "orders.ann.1"),
        ("Orders/visitor", "", "orders.new", "news.today", "orders.new"),
        ("Orders/carrier", "parcels.1", "orders.new", "parcels.1", "orders.new"),
        ("Alpha/limited", "a.open", "a.secret", "c", "d"),
        ("Alpha/fresh", "public.x", "private.x", "_INBOX.x", "public.x"),
        ("Beta/signed", "b.x", "c.x", ">", ""),
        ("Few/t1", "t.1", "other", ">", ""),
        ("Shop/window", "any.thing", "", "shop.x", "orders.x"),
    ),
    "Strict": (("Epsilon/e4", "strict.x", "other.x", ">", ""),),
    "Test": (("Orders/plain", "orders.new", "orders.secret", "_INBOX.x", "answers.x"),),
}

SHARED = {
    "Main": (
        # publisher, subject, who receives it, under which subject (none: not at all)
        ("Orders/boss", "orders.placed.eu.1", "Shop/till", "shop.placed.eu.1"),
        ("Orders/boss", "orders.placed.eu.1", "Beta/one", "orders.placed.eu.1"),
        ("Orders/boss", "orders.placed.us.1", "Beta/one", ""),
        ("Orders/boss", "in.5", "Shop/till", "shop.placed.5"),
        ("Orders/boss", "orders.paid.eu.7", "Shop/till", "shop.paid.7"),
        ("Orders/boss", "orders.paid.us.7", "Shop/till", ""),
        ("Orders/boss", "orders.own.{pk:Shop}.x", "Shop/till", "mine.x"),
        ("Orders/boss", "orders.own.{pk:Beta}.x", "Shop/till", ""),
        ("Alpha/sender", "public.news", "Beta/one", "public.news"),
        ("Alpha/sender", "public.tennis.scores", "Beta/one", "scores.tennis"),
        ("Alpha/sender", "private.beta.a", "Beta/one", "from.alpha.a"),
        ("Delta/dee", "delta.one", "Orders/boss", "from.delta"),
        ("Delta/dee", "delta.two", "Orders/boss", ""),
    ),
    "Strict": (("Epsilon/e3", "strict.a", "Zeta/z", "strict.a"),),
    "Test": (
        ("Orders/boss", "orders.placed.1", "Store/till", "shop.orders.placed.1"),
        ("Orders/signed", "orders.paid.eu.1", "Store/last", "paid.orders.paid.eu.1"),
        ("Orders/boss", "orders.paid.us.1", "Store/till", ""),
        ("TestAccount/TestUser", "a.b.c.d", "AccountB/userb", "a.b.c.d.a.b.c.d"),
        ("TestAccount/second", "a.b.c.a", "AccountB/more", ""),
    ),
}


class People:
    """The users of an operator at a server."""

    def __init__(self, operator: str, creds: Mapping[str, Path], keys: Keys, url: str) -> None:
        self.operator = operator
        self.creds = creds
        self.keys = keys
        self.url = url

    async def connect(self, user: str) -> Connection:
        return await connect(self.url, Login(creds=str(self.creds[user])), max_reconnects=0, timeout_s=5)

    async def check(self) -> None:
        assert {user for user in self.creds if await self.is_refused(user)} == REFUSED[self.operator]
        for row in RIGHTS[self.operator]:
            await self.check_rights(*row)
        await self.check_shared()

    async def is_refused(self, user: str) -> bool:
        try:
            async with await self.connect(user):
                return False
        except (AuthenticationError, Unreachable):  # nats-server may hang up without a word
            return True

    async def check_rights(self, user: str, pub: str, no_pub: str, sub: str, no_sub: str) -> None:
        async with await self.connect(user) as connection:
            if pub:
                await connection.publish(pub)
                await connection.confirm()
            if no_pub:
                await connection.publish(no_pub)
                with pytest.raises(DeniedError, match=re.escape(no_pub)):
                    await connection.confirm()
            await connection.subscribe(sub, lambda message: None)
            if no_sub:
                with pytest.raises(DeniedError, match=re.escape(no_sub)):
                    await connection.subscribe(no_sub, lambda message: None)

    async def check_shared(self) -> None:
        rows = SHARED[self.operator]
        async with contextlib.AsyncExitStack() as stack:
            names = {name for sender, _, receiver, _ in rows for name in (sender, receiver)}
            lines = {name: await stack.enter_async_context(await self.connect(name)) for name in names}
            receivers = {name for _, _, name, _ in rows}
            got: dict[str, list[tuple[str, str]]] = {name: [] for name in receivers}
            over = {name: asyncio.Event() for name in receivers}

            def listen(name: str) -> Callable[[Message], None]:
                def on_message(message: Message) -> None:
                    if message.subject == "over":
                        over[name].set()
                    elif message.payload.isdigit():
                        got[name].append((message.payload.decode(), message.subject))

                return on_message

            for name in receivers:
                await lines[name].subscribe(">", listen(name))
            for number, (sender, subject, _, _) in enumerate(rows):
                await lines[sender].publish(self.keys.fill(subject)[0], str(number).encode())
            for line in lines.values():
                await line.confirm()
            for name in receivers:
                await lines[name].publish("over")
                await asyncio.wait_for(over[name].wait(), 5)
            for number, (_, _, receiver, expected) in enumerate(rows):
                found = [subject for text, subject in got[receiver] if text == str(number)]
                assert found == ([expected] if expected else []), rows[number]


def serve(engine: Engine, nsc: Nsc, operator: str, kind: str, folder: Path) -> RunningServer:
    """A server with the configuration that ours generates, checked by its own ``-t`` first."""
    name = f"{operator}-{kind}.conf"
    nsc("generate", "config", f"--{kind}", "--config-file", name, "--operator", operator)
    text = Path(name).read_text().replace("./jwt", str(folder / f"{operator}-jwt"))
    text = text.replace("allow_delete: false", "allow_delete: true")
    Path(name).write_text(text)
    checked = subprocess.run([engine.path, "-t", "-c", name], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    return engine.start(text)


def users_of(data: Path, operator: str) -> dict[str, Path]:
    """The creds of the users that are in the store, and not only their keys elsewhere."""
    users = (data / "stores" / operator).glob("accounts/*/users/*.jwt")
    names = [f"{path.parts[-3]}/{path.stem}" for path in users]
    found = {name: data / f"keys/creds/{operator}/{name}.creds" for name in names}
    return {name: path for name, path in found.items() if path.exists()}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jwt")}


def check_round_trip(nsc: Nsc, stores: Path, operator: str, server: RunningServer) -> None:
    """Everything is pushed, proved, lost, and pulled back."""
    nsc("edit", "operator", "--account-jwt-server-url", server.url, "--operator", operator)
    receipt = nsc("push", "--all", "--verify", "--json", "--operator", operator).json
    assert receipt["verified"]["identical"]
    before = files(stores / operator)
    for path in (stores / operator).glob("accounts/*/*.jwt"):
        if path.stem != "SYS":
            path.unlink()
    nsc("pull", "--all", "--operator", operator)
    assert files(stores / operator) == before


def test_two_hundred_edits_of_a_store_of_the_go_tool(nsc, current_store, engine, tmp_path):
    stores = current_store / "stores"
    keys = Keys(stores)
    (current_store / "users.csv").write_text("name,allow-pub\nt1,t.>\nt2,\n")
    (current_store / "accounts.csv").write_text("name\nTable1\nTable2\n")
    run_script(nsc, keys, SCRIPT)
    for operator in ("Main", "Strict"):
        creds = users_of(current_store, operator)
        server = serve(engine, nsc, operator, "mem-resolver", tmp_path)
        asyncio.run(People(operator, creds, keys, server.url).check())
        server.stop()
        server = serve(engine, nsc, operator, "nats-resolver", tmp_path)
        check_round_trip(nsc, stores, operator, server)
        asyncio.run(People(operator, creds, keys, server.url).check())
        server.stop()


@pytest.fixture
def store_of_2019(home, monkeypatch):
    """The private store of April 2019, in its places in the home."""
    source, config = GOLDEN / "store-2019/private", home / ".nsc/nsc.json"
    shutil.copytree(source / "nsc", home / ".nsc")
    shutil.copytree(source / "nkeys", home / ".nkeys")
    (home / ".nkeys/gitignore").rename(home / ".nkeys/.gitignore")
    config.write_text(config.read_text().replace("@STORES@", str(home / ".nsc/nats")))
    monkeypatch.setenv("NSC_PROFILE", "2019")
    return home / ".nsc/nats"


def test_edits_of_a_store_of_2019(nsc, home, store_of_2019, engine, tmp_path):
    keys = Keys(store_of_2019)
    run_script(nsc, keys, script("alternation-2019.txt"))
    assert {jwt.decode(path.read_text()).nats.version for path in store_of_2019.rglob("*.jwt")} == {1}
    server = serve(engine, nsc, "Test", "mem-resolver", tmp_path)
    creds = {f"{path.parts[-3]}/{path.stem}": path for path in (home / ".nkeys/Test/accounts").glob("*/users/*.creds")}
    asyncio.run(People("Test", creds, keys, server.url).check())
