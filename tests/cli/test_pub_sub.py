"""``nats-pub`` and ``nats-sub`` as installed, against both servers."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from conftest import Engine, RunningServer, command, free_port, wait_for
from natskit.nkeys import KeyPair, Role
from natskit.testing import Operator


@pytest.fixture
def server(engine: Any) -> Any:
    """A server that asks nobody who they are."""
    return engine.start()


def test_a_subscriber_sees_what_a_publisher_sends(server: Any, start: Callable[..., Any], home: Any) -> None:
    sub = start(command("nats-sub"), "-s", server.url, "-count", "2", "a.>")
    sub.wait_for("Listening on [a.>]")
    assert home.run("nats-pub", "-s", server.url, "a.b.c.d", "hello") == "Published [a.b.c.d] : 'hello'\n"
    home.run("nats-pub", "--server", server.url, "b.c", "not for us")
    home.run("nats-pub", f"-s={server.url}", "a.x", "grüße")
    assert sub.wait() == 0
    assert sub.lines == [
        "Listening on [a.>]",
        "[#1] Received on [a.b.c.d]: 'hello'",
        "[#2] Received on [a.x]: 'grüße'",
    ]
    assert sub.errors == []


def test_lines_come_as_messages_come(server: Any, start: Callable[..., Any], home: Any) -> None:
    sub = start(command("nats-sub"), "-s", server.url, ">")
    sub.wait_for("Listening on [>]")
    home.run("nats-pub", "-s", server.url, "one", "1")
    sub.wait_for("[#1] Received on [one]: '1'")  # while it is still running, into a pipe
    sub.process.send_signal(signal.SIGINT)
    assert sub.wait() == 130
    assert sub.errors == []


def test_json_has_one_object_a_line_with_headers_and_binary(server: Any, start: Callable[..., Any], home: Any) -> None:
    sub = start(command("nats-sub"), "-s", server.url, "-json", "-count", "2", ">")
    sub.wait_for("listening")
    told = home.run("nats-pub", "-s", server.url, "-json", "-H", "Kind: greeting", "-reply", "back", "a", "hi")
    assert json.loads(told) == {
        "subject": "a", "payload": "hi", "reply": "back", "headers": {"Kind": "greeting"}, "count": 1
    }  # fmt: skip
    publish = [command("nats-pub"), "-s", server.url, "b"]
    subprocess.run(publish, input=b"\xff\x00", check=True, capture_output=True, timeout=30)
    assert sub.wait() == 0
    first, text, binary = map(json.loads, sub.lines)
    assert first == {"listening": ">"}
    del text["time"], binary["time"]
    assert text == {"number": 1, "subject": "a", "payload": "hi", "reply": "back", "headers": {"Kind": "greeting"}}
    assert binary == {"number": 2, "subject": "b", "payload_base64": "/wA="}


def test_many_messages_arrive_counted(server: Any, start: Callable[..., Any], home: Any) -> None:
    sub = start(command("nats-sub"), "-s", server.url, "-count", "25000", "many")
    sub.wait_for("Listening")
    told = home.run("nats-pub", "-s", server.url, "-count", "25000", "many", "x")
    assert told == "Published [many] : 'x' (25000 times)\n"
    assert sub.wait(60) == 0
    assert len(sub.lines) == 25001
    assert sub.lines[-1] == "[#25000] Received on [many]: 'x'"


def test_a_queue_group_shares(server: Any, start: Callable[..., Any], home: Any) -> None:
    subs = [start(command("nats-sub"), "-s", server.url, "-queue", "g", "work") for _ in range(2)]
    for sub in subs:
        sub.wait_for("Listening on [work] in group [g]")
    home.run("nats-pub", "-s", server.url, "-count", "200", "work", "job")
    wait_for(lambda: sum(len(sub.lines) - 1 for sub in subs) == 200, "all jobs")
    assert all(len(sub.lines) > 1 for sub in subs)


def test_waiting_in_vain_ends_with_status_1(server: Any, home: Any) -> None:
    done = home.try_run("nats-sub", "-s", server.url, "-count", "1", "-timeout", "50ms", "quiet")
    assert (done.returncode, done.stderr) == (1, "nats-sub: 0 of 1 messages came within 0.05 s\n")
    assert home.try_run("nats-sub", "-s", server.url, "-timeout", "50ms", "quiet").returncode == 0


def test_timestamps_and_headers_show_when_asked_for(server: Any, start: Callable[..., Any], home: Any) -> None:
    sub = start(command("nats-sub"), "-s", server.url, "-t", "-headers", "-count", "1", "a")
    sub.wait_for("Listening")
    home.run("nats-pub", "-s", server.url, "-H", "A: b", "-reply", "r.1", "a", "x")
    assert sub.wait() == 0
    assert sub.lines[1][19:] == " [#1] Received on [a]: 'x'"
    assert sub.lines[1][4] == sub.lines[1][7] == "/"
    assert sub.lines[2:] == ["    reply: r.1", "    A: b"]


# ---- logging in ------------------------------------------------------------------------------------


def test_creds_log_in_and_permissions_are_told(
    engine: Any, start: Callable[..., Any], home: Any, nats_operator: Operator
) -> None:
    account = nats_operator.account("A")
    free = str(account.user("free").creds_file)
    bound = str(account.user("bound", pub="Ok.>", sub="Ok.>").creds_file)
    server = engine.start(nats_operator.config())

    sub = start(command("nats-sub"), "-s", server.url, "-creds", free, "-count", "1", ">")
    sub.wait_for("Listening on [>]")
    refused = home.try_run("nats-pub", "-s", server.url, "-creds", bound, "Not.ok", "x")
    assert refused.returncode == 1
    assert refused.stderr == 'nats-pub: Permissions Violation for publish to "Not.ok"\n'
    assert refused.stdout == ""
    home.run("nats-pub", "-s", server.url, "-creds", bound, "Ok.a", "x")
    assert sub.wait() == 0
    assert sub.lines[-1] == "[#1] Received on [Ok.a]: 'x'"

    refused = home.try_run("nats-sub", "-s", server.url, "-creds", bound, "Not.ok")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == 'nats-sub: Permissions Violation for subscription to "Not.ok"\n'


def test_a_login_that_ends_ends_the_subscriber_with_the_reason(
    engine: Any, start: Callable[..., Any], nats_operator: Operator
) -> None:
    account = nats_operator.account("A")
    server = engine.start(nats_operator.config())
    user = account.user("u", expires_in=3)
    sub = start(command("nats-sub"), "-s", server.url, "-creds", str(user.creds_file), "a")
    sub.wait_for("Listening on [a]")
    assert sub.wait(15) == 1
    assert sub.errors == ["nats-sub: the server closed the connection: user authentication expired"]


def test_creds_come_from_the_environment_too(engine: Any, home: Any, nats_operator: Operator) -> None:
    user = nats_operator.account("A").user("u")
    server = engine.start(nats_operator.config())
    assert "Published" in home.run("nats-pub", "a", "x", NATS_URL=server.url, NATS_CREDS=str(user.creds_file))


def test_a_stranger_is_refused_in_one_line(engine: Any, home: Any, nats_operator: Operator) -> None:
    path = str(Operator(folder=home.work).account("elsewhere").user("stranger").creds_file)
    server = engine.start(nats_operator.config())
    for program, words in (("nats-pub", ["a", "x"]), ("nats-sub", ["a"])):
        done = home.try_run(program, "-s", server.url, "-creds", path, *words)
        assert done.returncode == 1
        assert done.stderr == f"{program}: {server.url} refused the login: Authorization Violation\n"


def test_user_and_password_and_nkey_log_in(engine: Any, home: Any) -> None:
    key = KeyPair.create(Role.USER)
    (home.work / "u.nk").write_text(key.seed)
    server = engine.start(f'authorization {{ users: [{{user: "a", password: "b"}}, {{nkey: {key.public}}}] }}')
    home.run("nats-pub", "-s", server.url, "-user", "a", "-password", "b", "x", "y")
    home.run("nats-pub", "-s", server.url.replace("//", "//a:b@"), "x", "y")
    home.run("nats-pub", "-s", server.url, "-nkey", "u.nk", "x", "y")
    wrong = home.try_run("nats-pub", "-s", server.url.replace("//", "//a:secret@"), "x", "y")
    assert wrong.returncode == 1
    assert "Authorization Violation" in wrong.stderr
    assert "secret" not in wrong.stderr


def test_token_logs_in(engine: Any, home: Any) -> None:
    server = engine.start("authorization { token: s3cr3t }")
    home.run("nats-pub", "-s", server.url, "-token", "s3cr3t", "x", "y")
    assert home.try_run("nats-pub", "-s", server.url, "-token", "wrong", "x", "y").returncode == 1


def test_tls_with_a_client_certificate(start: Callable[..., Any], real_server: str, home: Any) -> None:
    authority = trustme.CA()
    paths = {}
    for name, pem in (
        ("ca", authority.cert_pem),
        ("server", authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem),
        ("client", authority.issue_cert("client@example.com").private_key_and_cert_chain_pem),
    ):
        paths[name] = home.work / f"{name}.pem"
        pem.write_to_path(str(paths[name]))
    engine = Engine("real", real_server, start, home.work)
    server = engine.start(
        f"tls {{ cert_file: {paths['server']}, key_file: {paths['server']}, ca_file: {paths['ca']}, verify: true }}"
    )
    ca, client = ["-tlsca", str(paths["ca"])], ["-tlscert", str(paths["client"]), "-tlskey", str(paths["client"])]
    home.run("nats-pub", "-s", server.url, *ca, *client, "x", "y")
    untrusted = home.try_run("nats-pub", "-s", server.url, "x", "y")
    assert untrusted.returncode == 1
    assert "the certificate is not trusted" in untrusted.stderr
    assert untrusted.stderr.count("\n") == 1
    assert home.try_run("nats-pub", "-s", server.url, *ca, "x", "y").returncode == 1


def test_tls_before_the_first_line(start: Callable[..., Any], real_server: str, home: Any) -> None:
    authority, pair, ca = trustme.CA(), str(home.work / "server.pem"), str(home.work / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pair)
    authority.cert_pem.write_to_path(ca)
    engine = Engine("real", real_server, start, home.work)
    server = engine.start(f"tls {{ cert_file: {pair}, key_file: {pair}, handshake_first: true }}")
    home.run("nats-pub", "-s", server.url, "-tlsca", ca, "-tlsfirst", "x", "y")


# ---- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["nats-pub", "a", "x"], ["nats-sub", "a"]])
def test_no_server_is_told_in_one_line(home: Any, words: list[str]) -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    done = home.try_run(words[0], "-s", url, *words[1:])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{words[0]}: no connection to {url}: connection refused\n"


def test_the_next_server_of_a_list_is_tried(server: Any, home: Any) -> None:
    home.run("nats-pub", "-s", f"nats://127.0.0.1:{free_port()},{server.url}", "a", "x")


def test_an_unknown_host_is_told(home: Any) -> None:
    done = home.try_run("nats-pub", "-s", "nats://host.invalid:4222", "a", "x")
    assert done.returncode == 1
    assert done.stderr.startswith("nats-pub: no connection to nats://host.invalid:4222: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["nats-pub", "-creds", "none.creds", "a", "x"], 1, ["none.creds", "No such file"]),
        (["nats-pub", "-creds", "bad.creds", "a", "x"], 1, ["bad.creds", "is not a creds file"]),
        (["nats-pub", "-creds", "a", "-nkey", "b", "a", "x"], 2, ["creds and nkey", "give one"]),
        (["nats-pub", "-user", "a", "a", "x"], 2, ["no password"]),
        (["nats-pub", "-tlsca", "bad.creds", "a", "x"], 1, ["bad.creds"]),
        (["nats-pub", "-count", "0", "a", "x"], 2, ["0"]),
        (["nats-pub", "-H", "nocolon", "a", "x"], 2, ["nocolon"]),
        (["nats-pub", "-s", "nats://:x", "a", "x"], 2, ["NATS server"]),
        (["nats-pub"], 2, ["SUBJECT", "nats-pub --help"]),
        (["nats-sub"], 2, ["SUBJECT"]),
        (["nats-sub", "-timeout", "soon", "a"], 2, ["soon"]),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(home: Any, argv: list[str], status: int, words: list[str]) -> None:
    (home.work / "bad.creds").write_text("SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY\n")
    done = home.try_run(*argv)
    assert (done.returncode, done.stdout) == (status, "")
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert "SUAMK2" not in done.stderr


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nats-pub", "a..b", "x"], ["a..b"]),
        (["nats-pub", "a.*", "x"], ["a.*", "wildcards"]),
        (["nats-pub", "a b", "x"], ["a b"]),
        (["nats-pub", "-reply", "b.>", "a", "x"], ["b.>"]),
        (["nats-sub", "a.>.b"], ["a.>.b"]),
        (["nats-sub", "-queue", "q q", "a"], ["q q"]),
    ],
)
def test_bad_subjects_never_reach_the_server(server: Any, home: Any, argv: list[str], words: list[str]) -> None:
    done = home.try_run(argv[0], "-s", server.url, *argv[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in words)


def test_a_message_too_large_is_told_with_both_sizes(engine: Any) -> None:
    server = engine.start("max_payload: 1000")
    publish = [command("nats-pub"), "-s", server.url, "a"]
    done = subprocess.run(publish, input=b"x" * 1001, check=False, capture_output=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr == b"nats-pub: the message has 1001 bytes, the server takes 1000 at most\n"


def test_a_server_that_goes_away_is_told_and_found_again(engine: Any, start: Callable[..., Any], home: Any) -> None:
    server = engine.start()
    sub = start(command("nats-sub"), "-s", server.url, "-count", "1", "a")
    sub.wait_for("Listening")
    server.stop()
    sub.wait_for("the connection is lost")
    again = RunningServer(start(*server.program.argv, cwd=engine.folder), server.port, server.config)
    sub.wait_for("connected again to")
    home.run("nats-pub", "-s", again.url, "a", "x")
    assert sub.wait(30) == 0
    assert sub.lines[-1] == "[#1] Received on [a]: 'x'"


def test_a_closed_pipe_ends_a_subscriber_quietly(server: Any, home: Any) -> None:
    script = f"nats-sub -s {server.url} a | head -2 >/dev/null; echo ${{PIPESTATUS[0]}}"
    shell = subprocess.Popen(
        ["bash", "-c", script], env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def publish_until_it_ends() -> bool:
        home.run("nats-pub", "-s", server.url, "-count", "10", "a", "x")
        return shell.poll() is not None

    wait_for(publish_until_it_ends, "nats-sub to notice")
    assert shell.communicate() == ("141\n", "")
