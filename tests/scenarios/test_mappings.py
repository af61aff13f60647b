"""Subject mappings on both servers, and what is refused in which words. Source: spec/server-accounts.md section 6."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from natskit import jwt
from natskit.errors import ConfigError
from natskit.server.options import Options
from support.engines import ENGINES, Engine
from support.realm import AccountOwner, Realm
from support.scenario import Client, Player

both = pytest.mark.parametrize("engine", ENGINES, indirect=True)

RESULTS = [  # the wildcards of the source, the destination, what they stand for, what comes out
    ("*.*", "$2.$1", "a.b", "b.a"),
    ("*.*", "{{wildcard(2)}}.{{ Wildcard( 1 ) }}", "a.b", "b.a"),
    ("*.*", "y", "a.b", "y"),
    ("*", "$01", "a", "a"),
    ("*", "$1x.y$1", "a", "$1x.y$1"),
    (">", ">", "a.b", "a.b"),
    ("*.>", "$1.y.>", "a.b.c", "a.y.b.c"),
    ("*.*", "{{partition(10,1,2)}}", "a.b", "6"),
    ("*.*", "{{partition(10,2,1)}}", "a.b", "8"),
    ("*.*", "{{partition(10,1,1)}}", "a.b", "7"),
    ("*", "{{partition(9,1)}}", "éàü", "4"),
    ("*", "{{partition(0,1)}}", "a", "0"),
    ("*", "{{random(0)}}", "a", "0"),
    ("*", "{{random(1)}}", "a", "0"),
    ("*", "{{split(1,-)}}", "-a--b-", "a.b"),
    ("*", "{{split(1,--)}}", "a--b-c", "a.b-c"),
    ("*", "{{split(1,.)}}", "a-b", "{{split(1,.)}}"),
    ("*", "{{splitfromleft(1,3)}}", "1234567", "123.4567"),
    ("*", "{{splitfromright(1,3)}}", "1234567", "1234.567"),
    ("*", "{{ SplitFromLeft ( 1 , 2 ) }}", "abcd", "ab.cd"),
    ("*", "{{splitFromright(1,2)}}", "abcd", "ab.cd"),
    ("*", "{{splitfromleft(1,0)}}", "1234567", "1234567"),
    ("*", "{{splitfromleft(1,7)}}", "1234567", "1234567"),
    ("*", "{{splitfromright(1,8)}}", "1234567", "1234567"),
    ("*", "{{slicefromleft(1,3)}}", "1234567890", "123.456.789.0"),
    ("*", "{{slicefromright(1,3)}}", "1234567890", "1.234.567.890"),
    ("*", "{{slicefromright(1,3)}}", "123456", "123.456"),
    ("*", "{{slicefromleft(1,0)}}", "1234567", "1234567"),
    ("*", "{{slicefromright(1,9)}}", "1234567", "1234567"),
    ("*", "{{left(1,2)}}", "abcd", "ab"),
    ("*", "{{right(1,2)}}", "abcd", "cd"),
    ("*", "{{left(1,0)}}", "abcd", "abcd"),
    ("*", "{{right(1,4)}}", "abcd", "abcd"),
    ("*", "{{right(1,9)}}", "abcd", "abcd"),
    ("*", "{{left(1,2)}}", "éà", "é"),  # sizes are in bytes
    ("*", "{{slicefromright(1,2)}}", "xéà", "x.é.à"),
    ("*", "{{partition(5", "a", "{{partition(5"),
]


async def shares(player: Player, subject: str, rounds: int = 200) -> dict[str, float]:
    """What part of the messages on a subject arrives under which name."""
    client = player.clients["a"]
    client.send(f"PUB {subject} 1\r\nx\r\n".encode() * rounds)
    await client.sync()
    names = [message.split()[1] for message in client.inbox]
    client.inbox.clear()
    return {name: names.count(name) / rounds for name in set(names)}


@both
async def test_functions_of_destinations(engine: Engine) -> None:
    lines = [f'"m{n}.{source}": "x.{to}"' for n, (source, to, _, _) in enumerate(RESULTS)]
    whole = '"q.*": "x.{{partition(7)}}", lit: "x.{{partition(7)}}", "gone.*": "x.{{split(1,-)}}"'
    await engine.start("mappings {\n" + "\n".join([*lines, whole]) + "\n}")
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.line("a> SUB > 1")
        for n, (_, to, given, result) in enumerate(RESULTS):
            await player.play(f"a> PUB m{n}.{given} 1 | x\na< MSG x.{result} 1 1 | x")
            assert to
        for subject, result in (("q.a", "x.6"), ("lit", "x.4")):
            found = await shares(player, subject)
            # nats-server was seen to take another part, once in many runs
            assert max(found, key=lambda name: found[name]) == result
            assert engine.name == "nats-server" or found == {result: 1.0}
        await player.play("""
            a> PUB gone.--- 1 | x
            a< (nothing)
        """)
    finally:
        await player.close()


def like(found: dict[str, float], wanted: dict[str, float]) -> bool:
    """Whether shares of 200 are what they should be, but for six standard deviations."""
    return found.keys() == wanted.keys() and all(abs(found[name] - wanted[name]) < 0.22 for name in wanted)


@both
async def test_weights(engine: Engine) -> None:
    await engine.start("""mappings {
        half: {dest: other, weight: 50}
        words: [{destination: w1, weight: "50%"}, {dest: w2, weight: "50"}]
        listed: [{dest: l1, weight: 25}, {dest: listed, weight: 25}]
        never: {dest: n1, weight: 0}
        same: []
        loss: [{dest: loss, weight: 0}]
        "dice.*": "d.{{random(2)}}"
    }""")
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.line("a> SUB > 1")
        for subject, wanted in {
            "half": {"half": 0.5, "other": 0.5},
            "words": {"w1": 0.5, "w2": 0.5},
            "listed": {"l1": 0.25, "listed": 0.25},
            "never": {"never": 1.0},
            "same": {"same": 1.0},
            "loss": {},
            "dice.x": {"d.0": 0.5, "d.1": 0.5},
        }.items():
            found = await shares(player, subject)
            assert like(found, wanted), (subject, found)
        # A request that is lost finds nobody, under no name.
        await player.line("a> UNSUB 1 | SUB in 2 | PUB loss in 1 | q")
        assert player.clients["a"].inbox == ["HMSG in 2 32 32 | NATS/1.0 503 | Nats-Subject: "]
    finally:
        await player.close()


@both
async def test_messages_behind_the_login_are_mapped(engine: Engine) -> None:
    """The real server looks for mappings once a read, before the login. docs/differences.md."""
    await engine.start("accounts { A { users: [{user: a, password: a}], mappings { m: n } } }")
    player = Player(engine.host, engine.port, engine.name, raw=["a"])
    try:
        client = player.clients["a"] = await Client.open("a", engine.host, engine.port)
        client.send(b'CONNECT {"user":"a","pass":"a","verbose":false}\r\nSUB > 1\r\nPUB m 0\r\n\r\n')
        assert await client.receive() == ("MSG n 1 0" if engine.name == "natskit" else "MSG m 1 0")
        client.send(b"PUB m 0\r\n\r\n")
        assert await client.receive() == "MSG n 1 0"
    finally:
        await player.close()


@both
async def test_of_several_that_match_the_narrowest_counts(engine: Engine) -> None:
    await engine.start('mappings { ">": "wide.>", "a.*": "star.$1", "a.b": "exact" }')
    player = Player(engine.host, engine.port, engine.name)
    try:
        await player.line("a> SUB > 1")
        for subject, names in {"a.b": ["exact", "star.b", "wide.a.b"], "a.c": ["star.c", "wide.a.c"]}.items():
            found = await shares(player, subject, 1)
            assert list(found) == names[:1] if engine.name == "natskit" else set(found) <= set(names)
    finally:
        await player.close()


REFUSED = [  # as the server says it
    ("a.*", "b.{{foo(1)}}", "unknown function in {{foo(1)}}"),
    ("a.*", "b.{{PARTITION(5,1)}}", "unknown function in {{PARTITION(5,1)}}"),
    ("a.*", "b.{{wildcard(2)}}", "wildcard index out of range in {{wildcard(2)}}: [2]"),
    ("a", "b.{{wildcard(1)}}", "wildcard index out of range in {{wildcard(1)}}"),
    ("a.*", "b.$2", "wildcard index out of range in $2: [2]"),
    ("a", "b.$1", "wildcard index out of range in $1"),
    ("a.*", "b.{{slicefromleft(2,3)}}", "wildcard index out of range in {{slicefromleft(2,3)}}: [2]"),
    ("a.*", "b.{{partition(5,2)}}", "wildcard index out of range in {{partition(5,2)}}: [2]"),
    ("a.*", "b.{{wildcard()}}", "not enough arguments passed to the function in {{wildcard()}}"),
    ("a.*", "b.{{split(1)}}", "not enough arguments passed to the function in {{split(1)}}"),
    ("a.*", "b.{{left(1)}}", "not enough arguments passed to the function in {{left(1)}}"),
    ("a.*", "b.{{random(1,2)}}", "not enough arguments passed to the function in {{random(1,2)}}"),
    ("a.*", "b.{{wildcard(1,2)}}", "too many arguments passed to the function in {{wildcard(1,2)}}"),
    ("a.*", "b.{{split(1,-,-)}}", "too many arguments passed to the function in {{split(1,-,-)}}"),
    ("a.*", "b.{{wildcard(x)}}", "function argument is invalid or in the wrong format in {{wildcard(x)}}"),
    ("a.*", "b.{{partition()}}", "function argument is invalid or in the wrong format in {{partition()}}"),
    ("a.*", "b.{{partition(x,1)}}", "function argument is invalid or in the wrong format in {{partition(x,1)}}"),
    ("a.*", "b.{{random()}}", "function argument is invalid or in the wrong format in {{random()}}"),
    ("a.*", "b.{{right(1,x)}}", "function argument is invalid or in the wrong format in {{right(1,x)}}"),
]
REFUSED_OTHERWISE = ['"a.*": "b.*"', '"a.*": "b.>"', '"a.>": "b"', '"a.>": "b.$1"', "a: {dest: b}"]
WEIGHED = [
    ("a: [{dest: b, weight: 50}, {dest: b, weight: 50}]", 'duplicate entry for "b"'),
    ("a: [{dest: b, weight: 50}, {dest: c, weight: 60}]", "total weight needs to be <= 100"),
]
# What the real server makes of it, nobody meant: the first token of the source, other numbers than those wanted.
STRICTER = [
    '"a.*": "b.{{wildcard(0)}}"', '"a.*": "b.$0"', '"a.*": "b.$-1"', '"a.*": "b.{{split(1, )}}"',
    'a: "b.{{partition(5,1)}}"', 'a: "b.{{partition(-5)}}"', 'a: "b.{{random(-5)}}"', '"a.*": "b.{{left(1,-2)}}"',
]  # fmt: skip


def judged(program: str, file: Path, mapping: str, *, whole: bool = False) -> tuple[str, str]:
    """What the real server and what ours say of a mapping, or a whole file; nothing if they accept it."""
    text = mapping if whole else f"mappings {{ {mapping} }}"
    file.write_text(text)
    done = subprocess.run([program, "-t", "-c", str(file)], capture_output=True, text=True, timeout=20)
    try:
        Options.load(text=text)
    except ConfigError as error:
        return (done.stderr if done.returncode else ""), str(error)
    return (done.stderr if done.returncode else ""), ""


def test_what_cannot_work_is_refused_in_the_same_words(real_server: str, tmp_path: Path) -> None:
    file = tmp_path / "server.conf"
    rows = [(f'"{source}": "{to}"', f"invalid mapping destination: {fault}\n") for source, to, fault in REFUSED]
    for mapping, fault in [*rows, *((mapping, f"{fault}\n") for mapping, fault in WEIGHED)]:
        for said in judged(real_server, file, mapping):
            assert fault in said + "\n", mapping
    for mapping in REFUSED_OTHERWISE:
        assert all(judged(real_server, file, mapping)), mapping
    for mapping in STRICTER:
        theirs, mine = judged(real_server, file, mapping)
        assert (theirs, bool(mine)) == ("", True), mapping


NAMES = [  # of an import of "a.*.*", and what both say
    ("b.$2.$1", ""),
    ("b.{{wildcard(1)}}.{{wildcard(2)}}", ""),
    ("b.*.*", ""),
    ("b.$2.$2.$1", ""),
    ("b.$1", "not using all of the token wildcard(s) in b.$1"),
    ("b", "not using all of the token wildcard(s) in b"),
    ("b.$3.$1.$2", "wildcard index out of range in $3: [3]"),
    ("b.{{partition(5,1)}}", "the only mapping function allowed for import transforms is {{Wildcard()}} in {{partition(5,1)}}"),
    ("b.{{left(1,2)}}.$2", "the only mapping function allowed for import transforms is {{Wildcard()}} in {{left(1,2)}}"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["stream", "service"])
def test_imports_are_renamed_by_wildcards_only(kind: str, real_server: str, tmp_path: Path) -> None:
    file = tmp_path / "server.conf"
    text = 'accounts {{ A {{ exports: [{{{0}: "a.*.*"}}] }}, B {{ imports: [{{{0}: {{account: A, subject: "a.*.*"}}, to: "{1}"}}] }} }}'
    for name, fault in NAMES:
        for said in judged(real_server, file, text.format(kind, name), whole=True):
            assert fault in said if fault else not said, name
    theirs, mine = judged(real_server, file, text.format(kind, "b.$1.$1"), whole=True)
    assert (theirs, bool(mine)) == ("", True)  # the other wildcard is lost


# ---- tokens ----------------------------------------------------------------------------------------


def weighted(*targets: tuple[Any, ...]) -> dict[str, Any]:
    made = tuple(
        jwt.WeightedMapping(**dict(zip(("subject", "weight", "cluster"), each, strict=False))) for each in targets
    )
    return {"mappings": {"m": made}}


@both
async def test_mappings_of_tokens_change_at_once(engine: Engine) -> None:
    realm = Realm()
    system, account = realm.account("SYS"), realm.account("A")
    realm.claims = replace(realm.claims, nats=replace(realm.claims.nats, system_account=system.id))
    account.publish(**weighted(("one",)))
    await engine.start(realm.config())
    users = {"s": system.user(), "a": account.user()}
    player = Player(
        engine.host, engine.port, engine.name, login=lambda name, info: users[name].credentials(str(info["nonce"]))
    )
    try:
        await player.play("s> SUB in 1\na> SUB > 1\na> PUB m 1 | x\na< MSG one 1 1 | x")
        for body, wanted in [
            (weighted(("two", 0)), {"two": 1.0}),
            (weighted(("two", 50)), {"two": 0.5, "m": 0.5}),
            (weighted(("two", 100, "c1")), {"m": 1.0}),  # for another cluster than this one
            (weighted(("two", 50, "c1"), ("three", 50, "c1"), ("four", 100)), {"four": 1.0}),
            ({}, {"m": 1.0}),
        ]:
            assert (await push(player, account, body))["data"]["message"] == "jwt updated"
            found = await shares(player, "m")
            assert like(found, wanted), (body, found)
        twice = await push(player, account, weighted(("two", 60), ("three", 60)))
        assert twice["error"]["description"].startswith("jwt update resulted in error - account validation failed")
        broken = await push(player, account, weighted(("{{two}}",)))
        if engine.name == "natskit":
            fault = "invalid mapping destination: unknown function in {{two}}"
            assert broken["error"]["description"].endswith(fault)
        else:
            assert broken["data"]["message"] == "jwt updated"
        assert await shares(player, "m", 1) == {"m": 1.0}
    finally:
        await player.close()


@both
async def test_account_with_a_mapping_that_cannot_work(engine: Engine) -> None:
    realm = Realm()
    account = realm.account("A", **weighted(("{{two}}",)))
    await engine.start(realm.config())
    user = account.user()
    player = Player(
        engine.host, engine.port, engine.name, login=lambda name, info: user.credentials(str(info["nonce"]))
    )
    try:
        await player.play("""
            [natskit] a< -ERR 'Authorization Violation' | <EOF>
            [nats-server] a> SUB > 1 | PUB m 0
            [nats-server] a< MSG m 1 0
        """)
    finally:
        await player.close()


async def push(player: Player, account: AccountOwner, body: dict[str, Any]) -> dict[str, Any]:
    token = account.token(issued_at=int(time.time()), **body)
    client = player.clients["s"]
    client.send(f"PUB $SYS.REQ.ACCOUNT.{account.id}.CLAIMS.UPDATE in {len(token)}\r\n{token}\r\n".encode())
    answer: dict[str, Any] = json.loads((await client.receive()).partition(" | ")[2])
    return answer
