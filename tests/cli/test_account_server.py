"""``nats-account-server`` as installed."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from conftest import command, free_port, wait_for
from support.realm import Realm

GOLDEN = Path(__file__).parents[1] / "golden"
STORE = GOLDEN / "store-current" / "stores" / "Main"
PROGRAM = "nats-account-server"


@pytest.fixture
def run(start: Callable[..., Any], home: Any) -> Callable[..., Any]:
    """Starts the program; ready when it says so."""

    def run(*argv: str) -> Any:
        program = start(command(PROGRAM), *argv, env=home.env, cwd=home.work)
        program.wait_for("nats-account-server is running")
        return program

    return run


def fetch(url: str, data: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_serves_what_nsc_keeps_and_says_how_to_use_it(run: Callable[..., Any]) -> None:
    port = free_port()
    program = run("-nsc", str(STORE), "-hp", f"localhost:{port}")
    base = f"http://localhost:{port}/jwt/v1/accounts/"
    program.wait_for(f"resolver: URL({base})")
    assert fetch(base) == (200, "")
    status, packed = fetch(f"http://localhost:{port}/jwt/v1/pack")
    assert status == 200
    for line in packed.splitlines():
        key, token = line.split("|")
        assert fetch(base + key) == (200, token)
    assert fetch(base + "A" * 55)[0] == 404
    status, text = fetch(base + key, token.encode())
    assert (status, text.partition(":")[0]) == (405, "Method Not Allowed")
    for line in ("starting NATS Account server", f"http listening on port {port}", "configure the nats-server with:"):
        assert line in program.output
    assert all(line.startswith("[") and "] 20" in line and " [INF] " in line for line in program.errors)


def test_localhost_is_both_its_addresses(run: Callable[..., Any]) -> None:
    port = free_port()
    run("-hp", f"localhost:{port}")
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if any(found[4][0] == host for found in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)):
            with socket.socket(family) as sock:
                sock.connect((host, port))


def test_a_directory_takes_what_the_operator_signed(run: Callable[..., Any], home: Any) -> None:
    realm, port = Realm(), free_port()
    (home.work / "op.jwt").write_text(realm.token)
    run("-dir", "jwts", "-operator", "op.jwt", "-hp", f":{port}")
    account = realm.account()
    url = f"http://localhost:{port}/jwt/v1/accounts/{account.id}"
    assert fetch(url, realm.preload[account.id].encode()) == (200, "")
    assert (home.work / "jwts" / f"{account.id}.jwt").read_text() == realm.preload[account.id]
    status, text = fetch(url, Realm().account().token().encode())
    assert (status, text[:21]) == (400, "pub keys don't match:")


def test_read_only_directories_take_nothing(run: Callable[..., Any], home: Any) -> None:
    realm, port = Realm(), free_port()
    account = realm.account()
    (home.work / f"{account.id}.jwt").write_text(realm.preload[account.id])
    run("-dir", ".", "-ro", "-hp", f"localhost:{port}")
    url = f"http://localhost:{port}/jwt/v1/accounts/{account.id}"
    assert fetch(url) == (200, realm.preload[account.id])
    assert fetch(url, b"x")[0] == 405


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_status_0(run: Callable[..., Any], number: signal.Signals) -> None:
    port = free_port()
    program = run("-nsc", str(STORE), "-hp", f"localhost:{port}")
    with socket.create_connection(("localhost", port)):  # an idle client does not hold it up
        program.process.send_signal(number)
        assert program.wait(5) == 0
    assert "Traceback" not in program.output


def test_sighup_reads_the_configuration_again(run: Callable[..., Any], home: Any) -> None:
    realm, ports = Realm(), (free_port(), free_port())
    account = realm.account()
    for name in ("one", "two"):
        (home.work / name).mkdir()
    (home.work / "two" / f"{account.id}.jwt").write_text(realm.preload[account.id])
    config = home.work / "as.conf"
    config.write_text(f"store {{ dir: one }}\nhttp {{ port: {ports[0]} }}")
    program = run("-c", "as.conf")
    assert fetch(f"http://localhost:{ports[0]}/jwt/v1/accounts/{account.id}")[0] == 404
    config.write_text(f"store {{ dir: two }}\nhttp {{ port: {ports[1]} }}")
    program.process.send_signal(signal.SIGHUP)
    program.wait_for(f"http listening on port {ports[1]}")
    assert fetch(f"http://localhost:{ports[1]}/jwt/v1/accounts/{account.id}")[0] == 200
    config.write_text("nonsense {")
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("the configuration is not read again")
    wait_for(lambda: program.output.count("nats-account-server is running") == 3, "the server to go on")
    assert fetch(f"http://localhost:{ports[1]}/jwt/v1/accounts/{account.id}")[0] == 200


def test_a_signal_while_sighup_is_heeded_is_not_lost(run: Callable[..., Any], home: Any) -> None:
    realm, port = Realm(), free_port()
    (home.work / "op.jwt").write_text(realm.token)
    program = run("-dir", "jwts", "-operator", "op.jwt", "-hp", f"127.0.0.1:{port}", "-V")
    account = realm.account()
    with socket.create_connection(("127.0.0.1", port)) as client:  # whom the server gives time to finish
        head = f"POST /jwt/v1/accounts/{account.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\neyJ"
        client.sendall(head.encode())
        program.wait_for(f"POST /jwt/v1/accounts/{account.id}")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for("received SIGHUP, stopping")
        program.process.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
    assert "received SIGTERM, stopping" in program.output


def test_an_unfinished_request_does_not_hold_up_the_end(run: Callable[..., Any], home: Any) -> None:
    realm, port = Realm(), free_port()
    (home.work / "op.jwt").write_text(realm.token)
    (home.work / "as.conf").write_text("http { readtimeout: 300 }")
    program = run("-c", "as.conf", "-dir", "jwts", "-operator", "op.jwt", "-hp", f"127.0.0.1:{port}", "-V")
    account = realm.account()
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"POST /jwt/v1/accounts/{account.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\neyJ"
        client.sendall(head.encode())
        program.wait_for(f"POST /jwt/v1/accounts/{account.id}")
        program.process.send_signal(signal.SIGTERM)
        assert program.wait(5) == 0
    assert not list((home.work / "jwts").iterdir())


def test_https(run: Callable[..., Any], home: Any) -> None:
    import ssl

    authority, port = trustme.CA(), free_port()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(home.work / "s.pem"))
    (home.work / "as.conf").write_text(f'http {{ port: {port}, tls {{ cert: "s.pem", key: "s.pem" }} }}')
    program = run("-c", "as.conf")
    program.wait_for(f"resolver: URL(https://localhost:{port}/jwt/v1/accounts/)")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with urllib.request.urlopen(f"https://localhost:{port}/healthz", timeout=10, context=context) as answer:
        assert answer.status == 200


def test_flags_win_over_the_file_and_dump_shows_the_outcome(home: Any) -> None:
    (home.work / "as.conf").write_text("http { port: 1, host: h }\nstore { dir: d, shard: true }\nnats { servers: a }")
    dumped = json.loads(home.run(PROGRAM, "-c", "as.conf", "-hp", ":7", "-nsc", "x", "-nats", "b,c", "-DV", "-dump"))
    assert (dumped["host"], dumped["port"]) == ("", 7)
    assert dumped["store"] == {"kind": "nsc", "path": "x"}
    assert dumped["nats"]["servers"] == ["b", "c"]
    assert (dumped["log"]["debug"], dumped["log"]["trace"]) == (True, True)
    assert json.loads(home.run(PROGRAM, "-dump"))["port"] == 9090


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["-nsc", "nowhere"], 1, ['"nowhere" is not a valid configuration directory']),
        (["-dir", "nowhere", "-ro"], 1, ["nowhere", "is not a folder"]),
        (["-operator", "nowhere.jwt"], 1, ["there is no file", "nowhere.jwt"]),
        (["-c", "nowhere.conf"], 1, ["nowhere.conf"]),
        (["-c", "bad.conf"], 1, ["bad.conf:2:", "prot"]),
        (["-hp", "localhost"], 2, ["error parsing hostport", "localhost:9090"]),
        (["-hp", "host.invalid:1"], 1, ["host.invalid:1"]),
        (["-hp", "192.0.2.1:1"], 1, ["192.0.2.1:1", "no such address"]),
        (["-nsc", "a", "-dir", "b"], 2, ["-nsc and -dir"]),
        (["-ro"], 2, ["-dir"]),
        (["-creds", "x"], 2, ["-nats"]),
        (["-nats", "nats://x", "-creds", "nowhere.creds", "-hp", ":0"], 1, ["nowhere.creds"]),
        (["-primary", "http://x"], 2, ["replicas"]),
        (["-nope"], 2, ["-nope", "--help"]),
        (["stray"], 2, ["stray"]),
    ],
)  # fmt: skip
def test_mistakes_end_it_with_one_error(home: Any, argv: list[str], status: int, words: list[str]) -> None:
    (home.work / "bad.conf").write_text("http {\n  prot: 1\n}")
    done = home.try_run(PROGRAM, *argv)
    assert (done.returncode, done.stdout) == (status, "")
    told = [line for line in done.stderr.splitlines() if " [INF] " not in line and " [ERR] " not in line]
    assert told[0].startswith(f"{PROGRAM}: ")
    assert all(word in "\n".join(told) for word in words), told
    assert len(told) <= 2
    assert "Traceback" not in done.stderr


def test_an_address_in_use_is_told_with_what_to_do(home: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = home.try_run(PROGRAM, "-hp", address)
    assert done.returncode == 1
    assert f"cannot listen on {address}" in done.stderr
    assert "-hp HOST:PORT" in done.stderr


def test_help_and_version(home: Any) -> None:
    text = home.run(PROGRAM, "--help")
    for word in ("-nsc", "-dir", "-ro", "-operator", "-hp", "-nats", "-creds", "-DV", "nsc push"):
        assert word in text
    assert home.run(PROGRAM, "-version").startswith(f"{PROGRAM} (natskit) ")


def test_garbage_leaves_no_traceback_in_the_log(run: Callable[..., Any]) -> None:
    port = free_port()
    program = run("-nsc", str(STORE), "-hp", f"127.0.0.1:{port}", "-D")

    def send(garbage: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass

    senders = [
        threading.Thread(target=send, args=(data,))
        for data in (
            b"\x16\x03\x01\x02\x00\x01",
            b"GET / HTTP/9.9\r\n\r\n",
            b"BREW /pot HTTP/1.1\r\n\r\n",
            os.urandom(500) + b"\r\n\r\n",
        )
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(20)
    assert fetch(f"http://127.0.0.1:{port}/healthz")[0] == 200
    assert "Traceback" not in program.output
    assert "[ERR]" not in program.output
