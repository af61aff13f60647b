"""Monitoring: the same questions to both servers after the same traffic, and what only ours is asked."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import namedtuple

import nats
import pytest
import trustme
from tests.conftest import Program, command, free_port, wait_for

from natskit.errors import ServerError
from natskit.server import Options, Server
from support.certificates import save, trusting
from support.waiting import until

CONFIG = """
server_name: one
accounts {
  A {
    users: [{user: a, password: a}]
    exports: [{stream: "x.>"}, {service: "q", accounts: [B]}]
    mappings: {"m1": "m2"}
  }
  B {
    users: [{user: b, password: b, permissions: {publish: "z"}}]
    imports: [{stream: {account: A, subject: "x.>"}, prefix: "p"}, {service: {account: A, subject: "q"}, to: "qq"}]
  }
}
"""
Answer = namedtuple("Answer", "status kind text")
Running = namedtuple("Running", "url monitor")


def fetch(url, context=None):
    try:
        with urllib.request.urlopen(url, timeout=10, context=context) as response:
            return Answer(response.status, response.headers["Content-Type"], response.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers["Content-Type"], error.read().decode())


def run(program, folder, name, config):
    port, monitor = free_port(), free_port()
    path = folder / f"{name}.conf"
    path.write_text(f"listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n{config}")
    process = Program([program, "-c", str(path)])
    process.wait_for("Server is ready")
    return process, Running(f"nats://127.0.0.1:{port}", f"http://127.0.0.1:{monitor}")


@pytest.fixture(scope="module")
def pair(real_server, tmp_path_factory):
    """Ours and the real one, with the same clients; a connection has come and gone."""
    folder = tmp_path_factory.mktemp("monitor")
    programs, running = [], []
    loop = asyncio.new_event_loop()
    clients = []
    try:
        for name, program in (("ours", command("nats-server")), ("real", real_server)):
            process, server = run(program, folder, name, CONFIG)
            programs.append(process)
            running.append(server)
            clients += loop.run_until_complete(traffic(server.url))
            wait_for(lambda at=server: "reason" in fetch(f"{at.monitor}/connz?state=closed").text, "the closed one")
        yield running
    finally:
        for client in clients:
            loop.run_until_complete(client.close())
        loop.close()
        for process in programs:
            process.stop()


async def traffic(url):
    first = await nats.connect(url, user="a", password="a", name="first")
    second = await nats.connect(url, user="b", password="b")
    third = await nats.connect(url, user="a", password="a", name="third")
    await first.subscribe("foo.*", queue="workers")
    await first.subscribe("bar")
    await first.publish("bar", b"hello")
    await first.flush()
    await third.subscribe("gone")
    await third.flush()
    await third.close()
    return [first, second]


def shape(value):
    """Names and kinds of the members; of a list, those of all its elements."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        found = {}
        for each in value:
            found[json.dumps(shape(each), sort_keys=True)] = True
        return sorted(found)
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


SAME = [
    "/connz",
    "/connz?subs=1",
    "/connz?subs=detail&auth=1",
    "/connz?state=closed",
    "/connz?state=closed&auth=1&subs=detail",
    "/connz?state=any&sort=msgs_to",
    "/connz?acc=A",
    "/connz?acc=NO",
    "/connz?cid=99",
    "/connz?user=a&auth=1",
    "/connz?mqtt_client=x",
    "/connz?offset=-1&limit=-1",
    "/subsz",
    "/subsz?test=bar&subs=1",
    "/accountz",
    "/accstatz",
    "/accstatz?unused=1",
    "/healthz",
    "/healthz?stream=x",
    "/healthz?stream=x&details=true",
    "/routez",
    "/routez?subs=detail",
    "/gatewayz",
    "/gatewayz?accs=1&gw_name=x&acc_name=A",
    "/leafz?subs=1&acc=A",
    "/healthz?js-enabled-only=true&js-server-only=1&js-meta-only=1",
    "/healthz?account=NO",
    "/connz?state=ALL&auth=1",
    "/connz?state=&sort=",
    "/connz?filter_subject=bar&callback=x",
    "/connz?acc=A&state=closed&sort=stop&limit=1",
    "/connz?acc=$SYS",
    "/subscriptionsz?subs=1&acc=A",
    "/subsz?offset=-1&limit=-1",
    "/accountz?acc=",
    "/jsz?accounts=1&acc=NO&config=1&raft=1&stream-leader-only=1",
    "/leafz",
    "/jsz",
]


@pytest.mark.parametrize("path", SAME)
def test_answer_has_the_shape_of_the_real_one(pair, path):
    ours, real = (fetch(server.monitor + path) for server in pair)
    assert (ours.status, ours.kind) == (real.status, real.kind)
    assert shape(json.loads(ours.text)) == shape(json.loads(real.text))


WORDS = [
    "/raftz",
    "/nope",
    "/varz/",
    "/connz?sort=stop",
    "/connz?sort=foo",
    "/connz?state=foo",
    "/connz?cid=x",
    "/connz?cid=-1",
    "/connz?limit=x",
    "/connz?limit=99999999999999999999999",
    "/connz?offset=%22",
    "/connz?subs=x",
    "/connz?auth=yes",
    "/subsz?test=foo.*",
    "/subsz?subs=detail",
    "/accountz?acc=NO",
    "/accstatz?unused=x",
    "/healthz?js-enabled-only=x",
    "/routez?subs=x",
    "/gatewayz?accs=x",
    "/leafz?subs=x",
    "/healthz",
    "/healthz?account=A&stream=S&details=1",
    "/healthz?consumer=C",
    "/healthz?account=A&consumer=C",
    "/healthz?details=x",
    "/connz?limit=1.5",
    "/connz?cid=%2B1",
    "/connz?sort=reason",
    "/connz?state=any&sort=stop",
    "/connz?sort=CID",
    "/subsz?offset=x",
    "/subsz?test=foo..x",
    "/gatewayz?subs=x",
    "/jsz?leader-only=true",
    "/jsz?direct-consumers=x",
    "/jsz?limit=x",
    "/raftz?acc=A",
    "/connz/",
]


@pytest.mark.parametrize("path", WORDS)
def test_answer_is_the_real_one_word_by_word(pair, path):
    ours, real = (fetch(server.monitor + path) for server in pair)
    assert ours == real


NOT_HERE = {"git_commit", "feature_flags"}
"""What only the Go server has: the commit it was built from, switches of JetStream."""


def test_varz_has_the_shape_of_the_real_one(pair):
    ours, real = (json.loads(fetch(f"{server.monitor}/varz").text) for server in pair)
    ours_shape, real_shape = ({k: shape(v) for k, v in each.items() if k != "http_req_stats"} for each in (ours, real))
    assert ours_shape == {name: kind for name, kind in real_shape.items() if name not in NOT_HERE}
    same = ("connections", "total_connections", "in_msgs", "in_bytes", "out_msgs", "out_bytes", "system_account")
    assert [ours[name] for name in same] == [real[name] for name in same]
    assert ours["http_req_stats"]["/varz"] >= 1


def test_what_is_about_the_program(pair):
    ours, real = (json.loads(fetch(f"{server.monitor}/varz").text) for server in pair)
    assert real.keys() >= NOT_HERE
    assert real["version"] == "2.15.1"
    assert re.fullmatch(r"2\.15\.1\+natskit\.\d+\.\d+\.\d+", ours["version"])
    assert (ours["go"].startswith("python3."), real["go"].startswith("go1.")) == (True, True)
    assert ours["gomaxprocs"] == 1 <= real["gomaxprocs"]


def test_subscriptions_are_those_of_clients(pair):
    """The real server counts its own too."""
    found = []
    for server in pair:
        varz, subsz = (json.loads(fetch(f"{server.monitor}/{page}").text) for page in ("varz", "subsz?subs=1"))
        account = json.loads(fetch(f"{server.monitor}/accountz?acc=A").text)["account_detail"]
        listed = {each["subject"] for each in subsz["subscriptions_list"]}
        found.append((varz["subscriptions"], subsz["num_subscriptions"], account["subscriptions"]))
        assert {"foo.*", "bar"} <= listed
    assert found[0] == (2, 2, 2)
    assert all(count > own for count, own in zip(found[1], (50, 50, 2), strict=True))


def test_account_detail_has_the_members_of_the_real_one(pair):
    for name in ("A", "B"):
        ours, real = (
            json.loads(fetch(f"{server.monitor}/accountz?acc={name}").text)["account_detail"] for server in pair
        )
        assert shape({k: v for k, v in ours.items() if k != "imports"}) == shape(
            {k: v for k, v in real.items() if k != "imports"}
        )
        configured = [each for each in real.get("imports", []) if each["account"] != "$SYS"]
        assert sorted(ours.get("imports", []), key=str) == sorted(configured, key=str)


def test_connections_say_the_same_of_the_same_clients(pair):
    varying = ("cid", "port", "start", "last_activity", "stop", "rtt", "uptime", "idle", "pending_bytes")
    for path in ("/connz?subs=detail&auth=1", "/connz?state=closed&subs=detail&auth=1"):
        ours, real = (json.loads(fetch(server.monitor + path).text)["connections"] for server in pair)
        for each in (*ours, *real):
            for name in varying:
                each.pop(name, None)
            listed = sorted(each.pop("subscriptions_list_detail", []), key=lambda one: one["sid"])
            each["listed"] = [{k: v for k, v in one.items() if k != "cid"} for one in listed]
        assert ours == real


@pytest.mark.parametrize("page", ["stacksz", "ipqueuesz", "debug/vars"])
def test_what_is_about_the_go_program_is_not_there(pair, page):
    assert [fetch(f"{server.monitor}/{page}").status for server in pair] == [404, 200]


@pytest.fixture(params=["ours", "real"])
def begin(request, tmp_path):
    """Starts one of the two servers."""
    program = command("nats-server") if request.param == "ours" else request.getfixturevalue("real_server")
    running = []

    def start(config):
        process, server = run(program, tmp_path, request.param, config)
        running.append(process)
        return server

    yield start
    for process in running:
        process.stop()


def test_orders_of_time_and_of_what_was_moved(begin):
    """Deliveries count as activity of who gets them; a closed connection is as old as it became."""

    def listed(query):
        return [each["name"] for each in json.loads(fetch(f"{server.monitor}/connz?{query}").text)["connections"]]

    server = begin("")
    names = ("early", "late", "last")
    early, late, last = (Raw(server.url, name) for name in names)
    early.ask(b"SUB x 1\r\n")
    late.ask(b"SUB y 1\r\nSUB z 2\r\n")
    wait_for(lambda: listed("sort=last")[0] == "late", "the order of activity")
    last.ask(b"PUB x 1\r\n1\r\nPUB x 1\r\n2\r\n")
    assert early.reader.readline().startswith(b"MSG x 1 1")
    assert listed("sort=idle")[0] == listed("sort=last")[-1] == "late"
    assert listed("sort=subs") == ["late", "early", "last"]
    assert listed("sort=uptime") == ["last", "late", "early"]
    assert listed("sort=start") == listed("sort=cid") == list(names)
    assert [listed(f"sort={what}")[0] for what in ("msgs_to", "bytes_to", "msgs_from", "bytes_from")] == [
        *("early", "early", "last", "last"),
    ]
    for client in (early, last, late):
        client.close()
        wait_for(lambda gone=client: gone.name in listed("state=closed"), f"{client.name} to be gone")
    assert listed("state=closed&sort=stop") == ["late", "last", "early"]
    assert listed("state=closed&sort=start") == ["early", "late", "last"]


def test_closed_connections_are_as_old_as_they_became(begin):
    def gone(client):
        client.close()
        wait_for(lambda: client.name in fetch(f"{server.monitor}/connz?state=closed").text, "it to be gone")

    server, began = begin(""), time.monotonic()
    gone(Raw(server.url, "short"))
    age = time.monotonic() - began
    client, again = Raw(server.url, "long"), time.monotonic()
    wait_for(lambda: time.monotonic() - again > age, "it to be older than the other became")
    gone(client)
    listed = json.loads(fetch(f"{server.monitor}/connz?state=closed&sort=uptime").text)["connections"]
    assert [each["name"] for each in listed] == ["short", "long"]


class Raw:
    """A client that is asked step by step."""

    def __init__(self, url, name):
        self.name = name
        self.socket = dial(url)
        self.reader = self.socket.makefile("rb")
        self.ask(b'CONNECT {"verbose":false,"name":"%s"}\r\n' % name.encode())

    def ask(self, text):
        self.socket.sendall(text + b"PING\r\n")
        while self.reader.readline() != b"PONG\r\n":
            pass

    def close(self):
        self.reader.close()
        self.socket.close()


def dial(url):
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10)


def test_failed_login_has_a_round_trip_time(begin):
    server = begin("authorization { token: t }")
    with dial(server.url) as client:
        client.sendall(b"CONNECT {}\r\n")
        while client.recv(65536):
            pass
    page = f"{server.monitor}/connz?state=closed"
    wait_for(lambda: json.loads(fetch(page).text)["connections"], "it to be listed")
    (seen,) = json.loads(fetch(page).text)["connections"]
    assert seen["reason"] == "Authentication Failure"
    assert re.fullmatch(r"[1-9][\d.]*(µs|ms|s)", seen["rtt"])


# ---- ours alone ------------------------------------------------------------------------------------


async def ask(server, path):
    return await asyncio.to_thread(fetch, f"http://127.0.0.1:{server.monitor_port}{path}")


@pytest.mark.parametrize("garbage", [b"CONNECT ", b"PUT /", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: \x00"])
async def test_what_is_no_http_costs_its_own_connection_and_no_traceback(garbage, caplog):
    async with Server("listen: 127.0.0.1:-1, http_port: -1") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.monitor_port)
        writer.write(garbage + b"\r\n\r\n")
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        assert re.match(rb"HTTP/(0\.9|1\.[01]) [45]\d\d |$", answer)
        assert (await ask(server, "/healthz")).status == 200
    gc.collect()  # tasks that failed are told of when they go
    assert not [record for record in caplog.records if record.exc_info]


async def test_base_path():
    async with Server("listen: 127.0.0.1:-1, http_port: -1, http_base_path: /nats") as server:
        assert (await ask(server, "/varz")).status == 404
        assert (await ask(server, "/natsvarz")).status == 404
        assert (await ask(server, "/nats")).status == 200
        varz = json.loads((await ask(server, "/nats/varz")).text)
        assert (varz["http_base_path"], varz["http_port"]) == ("/nats", server.monitor_port)
        assert varz["http_req_stats"] == {"/": 1, "/varz": 1}


async def test_pages_and_orders():
    async with Server("listen: 127.0.0.1:-1, http_port: -1") as server:
        clients = [await nats.connect(server.client_url, name=f"c{n}") for n in range(4)]
        for number, client in enumerate(clients):
            for _ in range(number):
                await client.publish("a", b"12345")
            await client.flush()
        for sort, expected in (
            ("cid", ["c0", "c1", "c2", "c3"]),
            ("msgs_from", ["c3", "c2", "c1", "c0"]),
            ("bytes_from", ["c3", "c2", "c1", "c0"]),
            ("uptime", ["c3", "c2", "c1", "c0"]),
        ):
            page = json.loads((await ask(server, f"/connz?sort={sort}")).text)
            assert [each["name"] for each in page["connections"]] == expected, sort
        page = json.loads((await ask(server, "/connz?offset=1&limit=2")).text)
        assert [each["name"] for each in page["connections"]] == ["c1", "c2"]
        assert (page["num_connections"], page["total"], page["offset"], page["limit"]) == (2, 4, 1, 2)
        for client in clients:
            await client.close()


async def test_closed_connections_are_remembered_up_to_the_limit():
    async with Server("listen: 127.0.0.1:-1, http_port: -1, max_closed_clients: 3") as server:
        for number in range(5):
            client = await nats.connect(server.client_url, name=f"c{number}")
            await client.close()
        await until(lambda: not server.clients, "all to be gone")
        page = json.loads((await ask(server, "/connz?state=closed&sort=stop")).text)
        assert [each["name"] for each in page["connections"]] == ["c4", "c3", "c2"]
        assert {each["reason"] for each in page["connections"]} == {"Client Closed"}


async def test_tokens_and_passwords_are_not_shown():
    config = 'listen: 127.0.0.1:-1, http_port: -1, authorization { token: "hush-hush" }'
    async with Server(config) as server:
        client = await nats.connect(server.client_url, token="hush-hush")
        said = await ask(server, "/connz?auth=1&subs=detail")
        assert json.loads(said.text)["connections"][0]["authorized_user"] == "[REDACTED]"
        for path in ("/connz?auth=1", "/varz", "/accountz?acc=$G"):
            assert "hush" not in (await ask(server, path)).text
        await client.close()


async def test_subjects_are_safe_in_a_page():
    async with Server("listen: 127.0.0.1:-1, http_port: -1") as server:
        client = await nats.connect(server.client_url, name="<script>&")
        await client.subscribe("a.>")
        await client.flush()
        said = (await ask(server, "/connz?subs=1")).text
        assert not set(said) & set("<>&")
        shown = json.loads(said)["connections"][0]
        assert (shown["name"], shown["subscriptions_list"]) == ("<script>&", ["a.>"])
        await client.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in ("server", "client"):
        issued = ca.issue_cert("127.0.0.1" if name == "server" else "client.example.com", common_name=name)
        save(folder, name, issued)
    return folder


async def test_https_and_what_is_told_of_encrypted_connections(authority):
    config = f"""
    listen: 127.0.0.1:-1
    https_port: -1
    tls {{
      cert_file: "{authority}/server.pem", key_file: "{authority}/server.key", ca_file: "{authority}/ca.pem"
      verify: true
    }}"""
    stranger, known = trusting(authority), trusting(authority, "client")
    async with Server(config) as server:
        url = f"https://127.0.0.1:{server.secure_monitor_port}"
        client = await nats.connect(f"tls://127.0.0.1:{server.port}", tls=known)
        said = await asyncio.to_thread(fetch, f"{url}/connz?auth=1", stranger)  # without a certificate of its own
        shown = json.loads(said.text)["connections"][0]
        assert (shown["tls_version"], shown["tls_cipher_suite"][:4]) == ("1.3", "TLS_")
        assert "CN=client" in shown["tls_peer_certs"][0]["subject"]
        varz = json.loads((await asyncio.to_thread(fetch, f"{url}/varz", stranger)).text)
        assert varz["tls_cert_not_after"] > varz["now"]
        await client.close()


async def test_reload_takes_other_certificates_as_they_were_when_it_began(authority, tmp_path):
    def config(name):
        lines = f'cert_file: "{tmp_path}/{name}.pem", key_file: "{tmp_path}/{name}.key"'
        return f"listen: 127.0.0.1:-1, https_port: -1, tls {{ {lines} }}"

    def copy(name, source):
        for kind in ("pem", "key"):
            (tmp_path / f"{name}.{kind}").write_bytes((authority / f"{source}.{kind}").read_bytes())

    def shown(port):
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=10))

    first, second = (ssl.PEM_cert_to_DER_cert((authority / f"{each}.pem").read_text()) for each in ("server", "client"))
    copy("one", "server")
    copy("two", "client")
    async with Server(config("one")) as server:
        port = server.secure_monitor_port
        assert await asyncio.to_thread(shown, port) == first
        use = server._monitor.prepare(Options.load(text=config("two")).tls)
        (tmp_path / "two.pem").write_text("gone")
        assert await asyncio.to_thread(shown, port) == first
        use()
        assert await asyncio.to_thread(shown, port) == second


async def test_taken_port_is_named_and_nothing_stays_open():
    async with Server("listen: 127.0.0.1:-1, http_port: -1") as first:
        port = free_port()
        with pytest.raises(ServerError, match=str(first.monitor_port)):
            await Server(f"listen: 127.0.0.1:{port}, http_port: {first.monitor_port}").start()
        async with Server(f"listen: 127.0.0.1:{port}"):
            pass


async def test_system_account_is_told_the_same():
    config = "listen: 127.0.0.1:-1, accounts { $SYS { users: [{user: s, password: s}] } }"
    async with Server(config) as server:
        client = await nats.connect(server.client_url, user="s", password="s")
        for name, member in (("VARZ", "connections"), ("CONNZ", "connections"), ("SUBSZ", "num_subscriptions")):
            said = await client.request(f"$SYS.REQ.SERVER.{server.id}.{name}", b'{"auth": true, "limit": null}')
            assert member in json.loads(said.data)["data"]
        said = await client.request(f"$SYS.REQ.SERVER.{server.id}.CONNZ", b'{"limit": "many"}')
        assert "error" in json.loads(said.data)
        await client.close()


@pytest.mark.parametrize(
    ("name", "options", "path"),
    [
        ("CONNZ", {}, "/connz"),
        ("CONNZ", {"auth": True, "subscriptions": True}, "/connz?auth=1&subs=1"),
        ("CONNZ", {"subscriptions_detail": True, "acc": "A"}, "/connz?subs=detail&acc=A"),
        ("CONNZ", {"state": 1, "sort": "stop"}, "/connz?state=closed&sort=stop"),
        ("CONNZ", {"state": 2, "limit": 1, "offset": 1}, "/connz?state=all&limit=1&offset=1"),
        ("CONNZ", {"user": "a"}, "/connz?user=a"),
        ("CONNZ", {"cid": 5}, "/connz?cid=5"),
        ("SUBSZ", {"subscriptions": True, "account": "A"}, "/subsz?subs=1&acc=A"),
        ("SUBSZ", {"subscriptions": True, "test": "x.y", "limit": 1}, "/subsz?subs=1&test=x.y&limit=1"),
        ("ROUTEZ", {}, "/routez"),
        ("GATEWAYZ", {}, "/gatewayz"),
        ("LEAFZ", {}, "/leafz"),
        ("JSZ", {}, "/jsz"),
    ],
)
async def test_options_of_requests_do_what_parameters_do(name, options, path):
    config = """
    listen: 127.0.0.1:-1, http_port: -1
    accounts { $SYS { users: [{user: s, password: s}] }, A { users: [{user: a, password: a}] } }"""

    def steady(report):
        for each in (report, *(report["connections"] if name == "CONNZ" else ())):
            for moving in (
                "now",
                "last_activity",
                "uptime",
                "idle",
                "rtt",
                "in_msgs",
                "in_bytes",
                "out_msgs",
                "out_bytes",
            ):
                each.pop(moving, None)
        statistics = ("num_matches", "num_cache", "cache_hit_rate", "max_fanout", "avg_fanout")
        return {key: value for key, value in report.items() if key not in statistics}

    async with Server(config) as server:
        asking = await nats.connect(server.client_url, user="s", password="s")
        other = await nats.connect(server.client_url, user="a", password="a")
        await other.subscribe("x.*", queue="q")
        await other.flush()
        await (await nats.connect(server.client_url, user="a", password="a")).close()
        await until(lambda: len(server.clients) <= 2, "the last one to be gone")
        await asking.request(f"$SYS.REQ.SERVER.{server.id}.IDZ")  # now it has its inbox
        said = await asking.request(f"$SYS.REQ.SERVER.{server.id}.{name}", json.dumps(options).encode())
        parameters = json.loads((await ask(server, path)).text)
        assert steady(json.loads(said.data)["data"]) == steady(parameters)
        await asking.close()
        await other.close()


async def test_state_of_a_request_is_one_of_three():
    config = "listen: 127.0.0.1:-1, accounts { $SYS { users: [{user: s, password: s}] } }"
    async with Server(config) as server:
        client = await nats.connect(server.client_url, user="s", password="s")
        for state in (-1, 3):
            said = await client.request(f"$SYS.REQ.SERVER.{server.id}.CONNZ", b'{"state": %d}' % state)
            description = json.loads(said.data)["error"]["description"]
            assert description == f"state is 0 (open), 1 (closed) or 2 (all), not {state}"
        await client.close()


def test_http_is_loaded_only_where_it_is_wanted():
    program = "import sys, natskit.server; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
