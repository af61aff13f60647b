"""What ``nsc explain`` says, against what arrives: accounts made up at random, in a store and on both servers."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from natskit import jwt, subjects
from natskit.cli.nsc import execute
from natskit.graph import Account, Graph, Rule
from support.engines import Engine
from support.realm import Realm, User
from support.scenario import Player

NAMES = ("A", "B", "C")
LITERALS = ("x.a", "x.a.b", "y.a", "y.b", "z.a", "m.a", "w", "q.a", "q.b.c", "l.a", "p.x.a", "r.a.b")
PATTERNS = (">", "x.>", "*.a", "l.*", "p.>", "q.a", "n.*", "w.*", "y.*")
STREAMS = {"x.>": ("x.>", "x.a", "x.*.b", "x.*"), "y.*": ("y.*", "y.a"), "z.a": ("z.a",), "n.*": ("n.*",)}
SERVICES = {"q.*": ("q.*", "q.a"), "q.*.*": ("q.*.*",), "r.*.*": ("r.*.*",)}
MAPPINGS = {
    "m.*": (("n.$1", 100),),
    "w": (("w.one", 40), ("w.two", 30)),
    "y.b": (("x.b", 50), ("y.b", 50)),
    "z.a": (("q.a", 100),),
    "r.*.*": (("r.$2.$1", 100),),
}
ENTRIES = (">", "x.>", "y.*", "*.a", "m.a", "n.a", "w.>", "q.>", "l.*")
ROUNDS = 60
"""So many messages make it certain that every branch of a weighted mapping is taken: 0.7 ** 60 is 5e-10."""


class Town:
    """Accounts, each with three users: ``l`` may everything, ``p`` publishes and ``r`` subscribes by permissions."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.realm = Realm()
        self.owners = {name: self.realm.account(name) for name in NAMES}
        self.users: dict[str, User] = {}
        self.patterns = {name: self.chance.choice(PATTERNS) for name in NAMES}
        self._share()
        for name, owner in self.owners.items():
            pub, sub = self._entries(), self._entries()
            self.users[f"{name}l"] = owner.user("l")
            self.users[f"{name}p"] = owner.user("p", pub=pub)
            self.users[f"{name}r"] = owner.user("r", sub=sub)
        self.folder = folder
        self.realm.write_store(folder, self.users.values())

    def _entries(self) -> jwt.Permission:
        some = self.chance.sample(ENTRIES, self.chance.randint(0, 3))
        return jwt.Permission(allow=tuple(some), deny=tuple(self.chance.sample(ENTRIES[2:], self.chance.randint(0, 1))))

    def _share(self) -> None:
        bodies = {name: self._exports() for name in NAMES}
        for name in NAMES:
            imports = [each for each in self._imports(name, bodies) if self.chance.random() < 0.5]
            bodies[name]["imports"] = tuple(imports)
            bodies[name]["mappings"] = {
                source: tuple(jwt.WeightedMapping(subject=to, weight=weight) for to, weight in targets)
                for source, targets in MAPPINGS.items()
                if self.chance.random() < 0.4
            }
        self._publish(bodies)
        # Which account of a cycle the real server refuses depends on who logs in first.
        models = self.models()
        graph = Graph(map(Account.from_claims, models), time.time())
        for name, model in zip(NAMES, models, strict=True):
            answers = zip(model.nats.imports, graph.imports_of(model.subject), strict=True)
            kept = [wanted for wanted, answer in answers if answer.because.rule not in (Rule.CYCLE, Rule.DUPLICATE)]
            bodies[name]["imports"] = tuple(kept)
        self._publish(bodies)

    def _publish(self, bodies: dict[str, dict[str, Any]]) -> None:
        for name, body in bodies.items():
            self.owners[name].publish(**body)

    def _exports(self) -> dict[str, Any]:
        found = []
        for kind, offered in (("stream", STREAMS), ("service", SERVICES)):
            for subject in offered:
                if self.chance.random() < 0.7:
                    private = self.chance.random() < 0.5
                    importer = self.owners[self.chance.choice(NAMES)].id
                    revoked = {importer: int(time.time())} if private and self.chance.random() < 0.3 else {}
                    export = jwt.Export(subject=subject, type=kind, token_req=private, revocations=revoked)
                    found.append(export)
        return {"exports": tuple(found)}

    def _imports(self, importer: str, bodies: dict[str, dict[str, Any]]) -> Iterator[jwt.Import]:
        for exporter in NAMES:
            if exporter == importer:
                continue
            for export in bodies[exporter]["exports"]:
                # The real server also sees cycles where services that go round are called differently.
                if export.type == "service" and exporter > importer:
                    continue
                subject = self.chance.choice((STREAMS if export.type == "stream" else SERVICES)[export.subject])
                token = self._activation(exporter, importer, subject, export.type) if export.token_req else ""
                yield jwt.Import(
                    subject=subject,
                    type=export.type,
                    account=self.owners[exporter].id,
                    token=token,
                    local_subject=self._local(subject, export.type),
                )

    def _local(self, subject: str, kind: str) -> str:
        form = self.chance.randint(0, 2)
        if form == 0:
            return ""
        if form == 1 and not subject.endswith(">"):
            stars = [f"${number + 1}" for number in reversed(range(subject.count("*")))]
            return ".".join(["l", *stars]) if stars else "l.a"
        return f"p.{subject}" if kind == "stream" else ""

    def _activation(self, exporter: str, importer: str, subject: str, kind: str) -> str:
        form = self.chance.choice(("good", "good", "good", "none", "expired", "not yet"))
        if form == "none":
            return ""
        head = {"expired": {"expires": 1_600_000_000}, "not yet": {"not_before": int(time.time()) + 9999}}.get(form, {})
        body = jwt.Activation(subject=subject, kind=kind)
        claims = jwt.ActivationClaims(subject=self.owners[importer].id, nats=body, **head)
        return jwt.encode(claims, self.owners[exporter].key, issued_at=int(time.time()) - 100)

    def models(self) -> list[jwt.AccountClaims]:
        return [jwt.decode(self.realm.preload[owner.id], jwt.AccountClaims) for owner in self.owners.values()]

    def explain(self, verb: str, account: str, user: str, subject: str) -> dict[str, Any]:
        """What the command prints as JSON."""
        words = (
            "explain",
            verb,
            "--all-dirs",
            str(self.folder),
            "--account",
            account,
            "--user",
            user,
            "--json",
            subject,
        )
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
            status = execute(words)
        assert status == 0, err.getvalue()
        answer: dict[str, Any] = json.loads(out.getvalue())
        return answer


def stops(stop: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield stop
    for each in stop["onward"]:
        yield from stops(each)


def ends(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [stop for stop in stops(answer["route"]) if stop["ends"]]


def by_chance(answer: dict[str, Any]) -> bool:
    return any(stop["chance"] < 1 for stop in stops(answer["route"]))


def has(stop: dict[str, Any], literal: str) -> bool:
    return subjects.matches(stop["subject"], literal) and not any(
        subjects.matches(pattern, literal) for pattern in stop["without"]
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "NSC_HOME", "NKEYS_PATH", "NSC_PROFILE", "NSC_OPERATOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


CASES = [*(("natskit", seed) for seed in range(8)), *(("nats-server", seed) for seed in range(3))]


@pytest.mark.parametrize(("engine", "seed"), CASES, indirect=["engine"])
async def test_what_arrives_is_what_explain_says(engine: Engine, seed: int, home: Path, tmp_path: Path) -> None:
    town = Town(seed, tmp_path / "store")
    await engine.start(town.realm.config())
    player = Player(
        engine.host, engine.port, engine.name, login=lambda name, info: town.users[name].credentials(str(info["nonce"]))
    )
    try:
        receivers = await subscribe(town, player, engine.name)
        for name in NAMES:
            for literal in LITERALS:
                await check_publish(town, player, name, literal)
                await check_subscriptions(town, player, name, literal, receivers)
    finally:
        await player.close()


async def subscribe(town: Town, player: Player, engine: str) -> dict[str, dict[str, Any]]:
    """Subscribe everybody; what explain says about the subscriptions of the restricted ones that are let through."""
    receivers = {}
    for name in NAMES:
        await player.line(f"{name}l> SUB > 1")
        await player.line(f"{name}p> UNSUB 1")
        pattern = town.patterns[name]
        said = town.explain("sub", name, "r", pattern)
        await player.line(f"{name}r> SUB {pattern} 1")
        (client,) = [each for key, each in player.clients.items() if key == f"{name}r"]
        await client.sync()
        errors = [message for message in client.inbox if message.startswith("-ERR")]
        client.inbox.clear()
        if engine == "nats-server" and "differs" in said["route"]:
            await player.line(f"{name}r> UNSUB 1")
            continue
        assert bool(errors) == (not said["permitted"]), (pattern, errors, said["route"]["text"])
        if not errors:
            receivers[name] = said
    return receivers


async def check_publish(town: Town, player: Player, name: str, literal: str) -> None:
    said = town.explain("pub", name, "p", literal)
    rounds = ROUNDS if by_chance(said) else 1
    got = await published(player, f"{name}p", literal, rounds, "l")
    wanted = [(stop["account"], stop["subject"]) for stop in ends(said)]
    if rounds == 1:
        assert sorted(got) == sorted(wanted), f"{literal} in {name}"
    else:
        assert set(got) == set(wanted), f"{literal} in {name}"


async def check_subscriptions(
    town: Town, player: Player, name: str, literal: str, receivers: dict[str, dict[str, Any]]
) -> None:
    rounds = ROUNDS if by_chance(town.explain("pub", name, "l", literal)) else 1
    got = await published(player, f"{name}l", literal, rounds, "r")
    arrived = {account for account, _ in got}
    wanted = {
        receiver
        for receiver, said in receivers.items()
        if any(stop["account"] == name and has(stop, literal) for stop in ends(said))
    }
    assert arrived == wanted, f"{literal} in {name}: {got}"


async def published(player: Player, publisher: str, literal: str, rounds: int, listeners: str) -> list[tuple[str, str]]:
    """Account and subject of what reached the clients whose names end with ``listeners``."""
    await player.line(f"{publisher}> " + " | ".join(f"PUB {literal} 1 | x" for _ in range(rounds)))
    await asyncio.gather(*(client.sync() for client in player.clients.values()))
    found = []
    for name, client in player.clients.items():
        messages = [message for message in client.inbox if message.startswith(("MSG", "HMSG"))]
        client.inbox.clear()
        if name.endswith(listeners):
            found += [(name[0], message.split()[1]) for message in messages]
    return found
