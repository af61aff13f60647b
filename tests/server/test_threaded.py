"""A server in a thread, for programs that are not asynchronous."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from natskit.errors import InvalidSubject, ServerError
from natskit.server import Server
from support.talking import talk

CONFIG = """
listen: 127.0.0.1:-1
accounts {
  A { users: [{user: a, password: a}] }
  B { users: [{user: b, password: b}] }
}
"""


def test_it_serves_while_the_block_lasts_and_is_gone_afterwards():
    with Server.in_thread() as server:
        answer = talk(server.client_url, b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n', b"PONG")
        assert b"MSG a 1 2\r\nhi\r\n" in answer
        assert server.call(lambda it: it.total_connections) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "natskit-server"]
    with pytest.raises(OSError, match="refused"):
        talk(server.client_url, b"", b"PONG")
    server.stop()


def test_what_keeps_it_from_starting_is_raised_where_it_was_asked_for():
    with Server.in_thread() as server:
        port = server.client_url.rpartition(":")[2]
        second = Server.in_thread(f"listen: 127.0.0.1:{port}")
        with pytest.raises(ServerError, match="cannot listen"):
            second.start()


def test_errors_of_a_call_are_raised_in_the_caller():
    with Server.in_thread() as server, pytest.raises(ZeroDivisionError):
        server.call(lambda it: 1 / 0)


def login(server, user, *subjects):
    """A connection that has logged in and subscribed."""
    sock = socket.create_connection((server.host, server.port), timeout=10)
    subs = "".join(f"SUB {subject} {number}\r\n" for number, subject in enumerate(subjects, 1))
    connect = f'CONNECT {{"verbose":false,"user":"{user}","pass":"{user}","name":"{user}-client","lang":"test"}}\r\n'
    sock.sendall(f"{connect}{subs}PING\r\n".encode())
    received = b""
    while b"PONG" not in received:
        received += sock.recv(4096)
        assert b"-ERR" not in received
    return sock


def test_connections_and_subscriptions_are_found_by_who_and_what_they_are():
    with Server.in_thread(CONFIG) as server, login(server, "a", "x.*", "y q"), login(server, "b", "x.>", "z"):
        one, other = server.connections()
        assert (one.name, one.user, one.account, one.lang, one.tls) == ("a-client", "a", "A", "test", False)
        assert [(each.subject, each.queue) for each in one.subscriptions] == [("x.*", None), ("y", "q")]
        for wanted in ({"user": "b"}, {"account": "B"}, {"name": "b-client"}):
            assert [each.cid for each in server.connections(**wanted)] == [other.cid]
        assert [each.cid for each in server.connections(subject="z")] == [other.cid]
        assert not server.connections(account="A", subject="z")
        found = server.subscriptions(subject="x.1")
        assert [(each.subject, each.account, each.cid) for each in found] == [
            ("x.*", "A", one.cid),
            ("x.>", "B", other.cid),
        ]
        assert [each.subject for each in server.subscriptions(subject="x.*")] == ["x.*"]
        assert [each.subject for each in server.subscriptions(account="B")] == ["x.>", "z"]
        assert [each.sid for each in server.subscriptions(name="a-client")] == ["1", "2"]
        with pytest.raises(InvalidSubject, match=r"a\.\.b"):
            server.subscriptions(subject="a..b")


def test_what_was_delivered_is_counted_and_waited_for():
    with Server.in_thread() as server, login(server, "a", "x") as sock:
        sock.sendall(b"PUB x 2\r\nhi\r\n" * 3)
        found = server.wait_for(lambda it: [each for each in it.subscriptions(subject="x") if each.delivered == 3])
        assert found[0].name == "a-client"
        with pytest.raises(ServerError, match=r"waited 0\.05 s"):
            server.wait_for(lambda it: it.connections(name="nobody"), timeout_s=0.05)


def test_a_refused_login_is_explained():
    with Server.in_thread(CONFIG) as server:
        assert server.last_auth_error is None
        answer = talk(server.client_url, b'CONNECT {"verbose":false,"user":"a","pass":"no"}\r\n', b"-ERR")
        assert b"Authorization Violation" in answer
        assert 'User "a": wrong password' in str(server.last_auth_error)


def test_its_time_can_be_moved_from_another_thread():
    with Server.in_thread() as server:
        before = server.now()
        happened = threading.Event()
        server.call(lambda it: it.clock.call_at(it.clock.now() + 86_400, happened.set))
        server.advance(hours=23)
        assert not happened.is_set()
        server.advance(hours=2)
        assert happened.is_set()
        assert 25 * 3600 <= server.now() - before < 26 * 3600


def test_reload_and_restart():
    with Server.in_thread(CONFIG) as server:
        with login(server, "a") as sock:
            server.reload(CONFIG.replace("password: a", "password: other"))
            assert b"Authorization Violation" in sock.recv(4096) + sock.recv(4096)
        port = server.port
        server.restart()
        assert server.port == port
        with login(server, "b"):
            assert len(server.connections()) == 1


def test_restart_keeps_the_port_of_websocket_clients_too():
    with Server.in_thread('listen: 127.0.0.1:-1\nwebsocket { listen: "127.0.0.1:-1", no_tls: true }') as server:
        before = server.client_url, server.websocket_url
        server.restart()
        assert (server.client_url, server.websocket_url) == before


def test_who_asks_while_it_is_stopped_does_not_wait():
    for _ in range(5):
        server = Server.in_thread()
        server.start()
        ended = []

        def ask(server=server, ended=ended):
            try:
                while True:
                    server.connections()
            except ServerError as error:
                ended.append(str(error))

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
        threads += [threading.Thread(target=server.stop, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert ended == ["the server is not running"] * 3
        assert not any(thread.is_alive() for thread in threads)


def test_who_asked_too_late_for_an_answer_is_told_when_the_thread_ends(monkeypatch):
    server = Server.in_thread()
    server.start()
    loop = server._loop
    monkeypatch.setattr(server, "_loop", SimpleNamespace(call_soon_threadsafe=lambda action: None))  # taken, not done
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(server.connections)
        loop.call_soon_threadsafe(server._ended.set)
        with pytest.raises(ServerError, match="not running"):
            asked.result(5)
    server.stop()


def test_a_server_that_does_not_run_says_so():
    server = Server.in_thread()
    for ask in (server.connections, lambda: server.advance(1), server.reload):
        with pytest.raises(ServerError, match="not running"):
            ask()
    assert not server.running
    with server:
        assert server.running
        server.start()
    with pytest.raises(ServerError, match="not running"):
        server.subscriptions()


def test_calls_from_its_own_thread_do_not_wait_for_themselves():
    with Server.in_thread() as server:
        assert server.call(lambda it: server.connections()) == ()
        with pytest.raises(ServerError, match="own thread"):
            server.call(lambda it: server.reload())
        with pytest.raises(ServerError, match="own thread"):
            server.call(lambda it: server.stop())


def test_many_threads_may_ask_at_once():
    with Server.in_thread() as server, login(server, "a", "x"):
        seen = []
        threads = [threading.Thread(target=lambda: seen.append(len(server.connections()))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert seen == [1] * 20
