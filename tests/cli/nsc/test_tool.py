"""tool pub, sub, req, reply, rtt: as users of the store, on both servers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from natskit.graph.served import IN_EVERY_ACCOUNT

NSC = str(Path(sys.executable).parent / "nsc")


@pytest.fixture
def realm(nsc, engine):
    """A store whose users can log in to a running server; return nsc and the flags that name the server."""
    nsc("add", "operator", "O", "--sys")
    nsc("add", "account", "A")
    nsc("add", "user", "U")
    nsc("add", "user", "limited", "--allow-pub", "open.>", "--allow-sub", "open.>", "--allow-sub", "_INBOX.>")
    server = engine.start(nsc("generate", "config", "--mem-resolver").out)
    return nsc, ("--nats", server.url)


@pytest.fixture
def background(start, home):
    """Starts nsc in the background."""

    def run(*words: str):
        return start(NSC, *words, env={"HOME": str(home), "PATH": os.environ["PATH"]})

    return run


def test_what_one_user_publishes_another_receives(realm, background):
    nsc, server = realm
    listener = background("tool", "sub", "-u", "limited", "open.>", "--max-messages", "2", *server)
    listener.wait_for("Listening on [open.>] for 2 messages")
    assert nsc("tool", "pub", "-u", "U", "open.x", "hello", *server).out == "Published [open.x] : 'hello'\n"
    nsc("tool", "pub", "-u", "U", "open.y", *server)
    assert listener.wait() == 0
    assert listener.lines == ["[#1] Received on [open.x]: 'hello'", "[#2] Received on [open.y]: ''"]


def test_messages_in_json_are_one_a_line(realm, background):
    nsc, server = realm
    listener = background("tool", "sub", "-u", "U", "open.>", "--max-messages", "1", "--json", *server)
    listener.wait_for("Listening")
    assert nsc("tool", "pub", "-u", "U", "open.x", "hello", "--json", *server).json == {
        "subject": "open.x",
        "payload": "hello",
    }
    assert listener.wait() == 0
    assert json.loads(listener.lines[0]) == {"number": 1, "subject": "open.x", "payload": "hello"}


def test_notices_of_a_command_stand_in_its_line_of_a_batch(realm, background, wait_for):
    nsc, server = realm
    flags = f"--nats={server[1]} -u U"
    Path("commands").write_text(f"tool reply {flags} open.ask noon --max-messages 1\nlist users\n")
    batch = background("batch", "commands", "--json")
    wait_for(lambda: "noon" in nsc("tool", "req", "-u", "U", "open.ask", *server, exit=None).out, "an answer")
    assert batch.wait() == 0
    reply, users, summary = map(json.loads, batch.lines)
    assert reply["notices"] == ["Listening on [open.ask] for 1 messages"]
    assert reply["result"]["subject"] == "open.ask"
    assert "notices" not in users
    assert summary["batch"]["done"] == 2
    assert not batch.errors


@pytest.mark.parametrize("subject", IN_EVERY_ACCOUNT)
def test_what_servers_answer_in_every_account_is_what_explain_says(realm, subject):
    nsc, server = realm
    assert "-> by servers" in nsc("explain", "pub", "-u", "U", subject).out
    assert "server" in json.loads(nsc("tool", "req", "-u", "U", subject, *server, "--json").json["payload"])
    assert "by servers" not in nsc("explain", "pub", "-u", "limited", subject).out
    nsc("tool", "req", "-u", "limited", subject, "--timeout", "200ms", *server, exit=1)


def test_permissions_of_the_user_hold(realm):
    nsc, server = realm
    error = nsc("tool", "pub", "-u", "limited", "closed.x", "hello", *server, exit=1).err
    assert 'Permissions Violation for publish to "closed.x"' in error
    error = nsc("tool", "sub", "-u", "limited", "closed.x", *server, exit=1).err
    assert 'Permissions Violation for subscription to "closed.x"' in error


def test_request_and_reply(realm, background):
    nsc, server = realm
    service = background("tool", "reply", "-u", "U", "open.ask", "noon", *server)
    service.wait_for("Listening")
    result = nsc("tool", "req", "-u", "U", "open.ask", "when?", *server)
    assert "'noon'" in result.out
    assert "published request: [open.ask] : 'when?'" in result.err
    echo = background("tool", "reply", "-u", "U", "open.echo", "--max-messages", "1", *server)
    echo.wait_for("Listening")
    assert nsc("tool", "req", "-u", "U", "open.echo", "said", "--json", *server).json["payload"] == "said"
    assert echo.wait() == 0


def test_a_subject_from_elsewhere_does_not_control_the_terminal(realm, background):
    nsc, server = realm
    service = background("tool", "reply", "-u", "U", "open.*", *server)
    service.wait_for("Listening on [open.*]")
    nsc("tool", "pub", "-u", "U", "open.\x1b[31m", "hi", *server)
    service.wait_for("no reply subject")
    assert r"ignoring request on [open.\x1b[31m]" in service.output
    assert "\x1b" not in "\n".join(service.errors)


def test_request_that_nobody_answers(realm):
    nsc, server = realm
    assert "open.ask" in nsc("tool", "req", "-u", "U", "open.ask", *server, exit=1).err


def test_round_trip_time(realm):
    nsc, server = realm
    assert f"round trip time to [{server[1]}] = " in nsc("tool", "rtt", "-u", "U", *server).out
    assert nsc("tool", "rtt", "-u", "U", "--json", *server).json["nanoseconds"] > 0


def test_creds_file_is_not_needed_where_the_seed_is_stored(realm, home):
    nsc, server = realm
    for path in home.rglob("*.creds"):
        path.unlink()
    nsc("tool", "pub", "-u", "U", "open.x", "hello", *server)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-u", "U", "x", "--max-messages", "0"], "max-messages must be greater than zero"),
        (["x"], "user is required"),
        (["-u", "Nobody", "x"], '"Nobody"'),
        (["-u", "U", "x"], "operator_service_urls"),
        (["-u", "U", "x", "--nats", "nats://127.0.0.1:1"], "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_tried_is_told(words, told, nsc):
    nsc("add", "operator", "O")
    nsc("add", "account", "A")
    nsc("add", "user", "U")
    nsc("add", "user", "V")
    assert told in nsc("tool", "sub", *words, exit=(1, 2)).err
