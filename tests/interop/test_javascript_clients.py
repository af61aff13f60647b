"""The official JavaScript clients' own features, over TCP (transport-node) and over WebSocket (nats-core), on both servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from natskit.nkeys import KeyPair, Role

TOOLS = """
import { connect, wsconnect, headers, credsAuthenticator, nkeyAuthenticator,
         tokenAuthenticator, usernamePasswordAuthenticator } from "@nats-io/transport-node";
import { WebSocket } from "ws";
import { readFileSync, writeFileSync } from "node:fs";

const bytes = (text) => new TextEncoder().encode(text);
function open(url, { ca, ...options } = {}) {
    const common = { servers: url, timeout: 5000, maxReconnectAttempts: 0, ...options };
    if (!url.startsWith("ws")) {
        return connect(ca ? { ...common, tls: { caFile: ca } } : common);
    }
    const wsFactory = async (address) => ({
        socket: new WebSocket(address, ca ? { ca: readFileSync(ca) } : {}),
        encrypted: address.startsWith("wss:"),
    });
    return wsconnect({ ...common, wsFactory });
}
const nameOf = (error) => (error.cause ?? error).name;
async function until(condition) {
    const end = Date.now() + 5000;
    while (!condition() && Date.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}
function watch(nc) {
    const seen = [];
    (async () => { for await (const event of nc.status()) { seen.push(event); } })();
    return seen;
}
"""
TRANSPORTS = ("tcp", "websocket")


@pytest.fixture(params=TRANSPORTS)
def serve(request, engine, free_port):
    """Starts the server with a configuration; its URL for the transport under test."""

    def start(config, *, tls=""):
        port = free_port()
        listener = f"tls {{ {tls} }}" if tls else "no_tls: true"
        web = f'websocket {{ listen: "127.0.0.1:{port}", {listener} }}\n' if request.param == "websocket" else ""
        plain = f"tls {{ {tls} }}\n" if tls and not web else ""
        start.server = engine.start(f"{config}\n{web}{plain}")
        host = "localhost" if tls else "127.0.0.1"
        scheme, number = ("wss" if tls else "ws", port) if web else ("nats", start.server.port)
        return f"{scheme}://{host}:{number}"

    return start


LOGINS = """
const [url, logins] = args;
const kinds = {
    none: () => undefined,
    token: (it) => tokenAuthenticator(it.token),
    password: (it) => usernamePasswordAuthenticator(it.user, it.password),
    nkey: (it) => nkeyAuthenticator(bytes(it.seed)),
    creds: (it) => credsAuthenticator(bytes(it.creds)),
};
const outcomes = [];
for (const login of logins) {
    try {
        const nc = await open(url, { authenticator: kinds[login.kind](login), reconnect: false });
        const rtt = await nc.rtt();
        outcomes.push(rtt >= 0 ? "in" : "no answer");
        await nc.close();
    } catch (error) {
        outcomes.push(nameOf(error));
    }
}
console.log(JSON.stringify(outcomes));
"""


def test_token(javascript, serve):
    url = serve("authorization { token: secret }")
    logins = [{"kind": "token", "token": "secret"}, {"kind": "token", "token": "wrong"}, {"kind": "none"}]
    assert javascript(TOOLS + LOGINS, url, logins) == ["in", "AuthorizationError", "AuthorizationError"]


def test_users_and_nkeys(javascript, serve):
    user, other = KeyPair.create(Role.USER), KeyPair.create(Role.USER)
    url = serve(f"authorization {{ users: [{{user: a, password: b}}, {{nkey: {user.public}}}] }}")
    logins = [
        {"kind": "password", "user": "a", "password": "b"},
        {"kind": "password", "user": "a", "password": "c"},
        {"kind": "nkey", "seed": user.seed},
        {"kind": "nkey", "seed": other.seed},
    ]
    expected = ["in", "AuthorizationError", "in", "AuthorizationError"]
    assert javascript(TOOLS + LOGINS, url, logins) == expected


def test_creds_and_connection_types(javascript, serve, home):
    home.run("nsc", "init", "--name", "demo")
    for name, kind in (("web", "WEBSOCKET"), ("plain", "STANDARD")):
        home.run("nsc", "add", "user", name)
        home.run("nsc", "edit", "user", name, "--conn-type", kind)
    url = serve(home.run("nsc", "generate", "config", "--mem-resolver"))
    logins = [
        {"kind": "creds", "creds": home.run("nsc", "generate", "creds", "--name", name)}
        for name in ("demo", "web", "plain")
    ]
    refused = "AuthorizationError"
    expected = ["in", "in", refused] if url.startswith("ws") else ["in", refused, "in"]
    assert javascript(TOOLS + LOGINS, url, logins) == expected


FEATURES = """
const [url] = args;
const nc = await open(url, { user: "service", pass: "s" });
const client = await open(url, { user: "client", pass: "c" });
const events = watch(client);
const answer = {};

nc.subscribe("echo", { callback: (error, m) => {
    const h = headers();
    h.append("Key", m.headers?.get("Key") ?? "none");
    h.append("Key", "two");
    m.respond(m.data, { headers: h });
} });
nc.subscribe("many", { callback: (error, m) => { for (let i = 0; i < 5; i++) { m.respond(`${i}`); } } });
await nc.flush();

const h = headers();
h.set("Key", "one");
const large = "x".repeat(300_000);
const reply = await client.request("echo", large, { headers: h, timeout: 5000 });
answer.echo = [reply.string() === large, reply.headers.values("Key")];

const many = [];
for await (const m of await client.requestMany("many", "", { strategy: "count", maxMessages: 3, maxWait: 5000 })) {
    many.push(m.string());
}
answer.many = many;
try { await client.request("nobody", ""); } catch (error) { answer.nobody = nameOf(error); }

const denied = await new Promise((resolve) => client.subscribe("secret", { callback: (error) => resolve(error) }));
answer.subscribe = [denied.name, denied.operation, denied.subject];
client.publish("secret", "x");
await client.flush();
await until(() => events.some((e) => e.type === "error" && e.error.operation === "publish"));
const published = events.find((e) => e.type === "error" && e.error.operation === "publish").error;
answer.publish = [published.name, published.subject];

const slow = nc.subscribe("news", { slow: 2 });
const warned = watch(nc);
for (let i = 0; i < 10; i++) { nc.publish("news", `${i}`); }
await nc.flush();
(async () => { for await (const m of slow) { await nc.flush(); } })();
await until(() => warned.some((e) => e.type === "slowConsumer"));
answer.slow = warned.some((e) => e.type === "slowConsumer");

const drained = await open(url, { user: "service", pass: "s" });
let handled = 0;
drained.subscribe("work", { callback: () => { handled += 1; } });
await drained.flush();
for (let i = 0; i < 500; i++) { nc.publish("work", "x".repeat(200)); }
await nc.flush();
await drained.drain();
answer.drained = [handled, drained.isClosed()];
await nc.close();
await client.close();
console.log(JSON.stringify(answer));
"""
USERS = """authorization { users: [
  {user: service, password: s}
  {user: client, password: c, permissions: {publish: {deny: secret}, subscribe: {deny: secret}}} ] }"""


def test_headers_requests_permissions_slow_consumers_and_drain(javascript, serve):
    assert javascript(TOOLS + FEATURES, serve(USERS)) == {
        "echo": [True, ["one", "two"]],
        "many": ["0", "1", "2"],
        "nobody": "NoResponders",
        "subscribe": ["PermissionViolationError", "subscription", "secret"],
        "publish": ["PermissionViolationError", "secret"],
        "slow": True,
        "drained": [500, True],
    }


RECONNECT = """
const [url, ready] = args;
const nc = await open(url, { maxReconnectAttempts: -1, reconnectTimeWait: 20, reconnectJitter: 0, reconnectJitterTLS: 0 });
const events = watch(nc);
const got = [];
nc.subscribe("a", { callback: (error, m) => got.push(m.string()) });
await nc.flush();
writeFileSync(ready, "");
const end = Date.now() + 15000;
while (!events.some((e) => e.type === "reconnect") && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5));
}
nc.publish("a", "after");
await nc.flush();
await until(() => got.length > 0);
await nc.close();
console.log(JSON.stringify({ got, disconnected: events.some((e) => e.type === "disconnect") }));
"""


def test_clients_come_back_after_a_restart(javascript, serve, engine, tmp_path, wait_for):
    url = serve("")
    ready = tmp_path / "ready"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(javascript, TOOLS + RECONNECT, url, str(ready))
        wait_for(lambda: ready.exists() or answer.done(), "the client to be connected")
        serve.server.stop()
        engine.start_again(serve.server)
        assert answer.result(30) == {"got": ["after"], "disconnected": True}


TLS = """
const [url, ca] = args;
const nc = await open(url, { ca });
nc.subscribe("echo", { callback: (error, m) => m.respond(m.data) });
const large = "x".repeat(500_000);
const reply = await nc.request("echo", large, { timeout: 5000 });
const tls = nc.info.tls_required;
await nc.close();
let refused = "";
try { await open(url, { reconnect: false }); } catch (error) { refused = "refused"; }
console.log(JSON.stringify([reply.string() === large, tls, refused]));
"""


def test_tls(javascript, serve, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    cert = authority.issue_cert("localhost", "127.0.0.1")
    cert.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    cert.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    url = serve("", tls=f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"')
    assert javascript(TOOLS + TLS, url, str(tmp_path / "ca.pem")) == [True, True, "refused"]
