"""The official Python client's own features, over TCP and over WebSocket, with our server."""

from __future__ import annotations

import asyncio
import ssl

import nats
import pytest
import trustme
from nats.errors import NoRespondersError

from natskit.nkeys import KeyPair, Role
from natskit.server import Server
from support.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type:DeprecationWarning")
"""nats-py calls aiohttp so; as an error it would try to connect for ever."""

DEADLINE_S = 5.0


class Errors(list):
    """What a client is told besides; ``await errors.have(text)``: one of that type, or with that text."""

    async def keep(self, error):
        self.append(error)

    async def have(self, wanted):
        await until(lambda: any(wanted in f"{type(each).__name__} {each}" for each in self), wanted)


@pytest.fixture(params=["tcp", "websocket"])
def serve(request):
    """``async with serve(config) as (server, connect)``."""
    return lambda config="", **more: Served(config, request.param == "websocket", **more)


class Served:
    def __init__(self, config, web, *, tls="", port=-1):
        self.web = web
        self.context = None
        listener = f"tls {{ {tls} }}" if tls else "no_tls: true"
        addresses = (-1, port) if web else (port, -1)
        config += (
            f'\nlisten: "127.0.0.1:{addresses[0]}"\nwebsocket {{ listen: "127.0.0.1:{addresses[1]}", {listener} }}\n'
        )
        self.server = Server(config + (f"tls {{ {tls} }}\n" if tls else ""))

    async def __aenter__(self):
        await self.server.start()
        return self.server, self.connect

    async def __aexit__(self, *raised):
        await self.server.stop()

    @property
    def port(self):
        return self.server.websocket_port if self.web else self.server.port

    async def connect(self, **options):
        url = self.server.websocket_url if self.web else self.server.client_url
        if "tls" in options and not self.web:
            url = url.replace("nats:", "tls:")
        return await nats.connect(url, **{"allow_reconnect": False, "connect_timeout": 5} | options)


async def gets_in(connect, **login):
    client = await connect(**login)
    await client.flush(timeout=5)
    await client.close()


async def test_token(serve):
    async with serve("authorization { token: secret }") as (_, connect):
        await gets_in(connect, token="secret")


async def test_user_and_password(serve):
    async with serve("authorization { users: [{user: a, password: b}] }") as (_, connect):
        await gets_in(connect, user="a", password="b")


async def test_nkey(serve):
    user = KeyPair.create(Role.USER)
    async with serve(f"authorization {{ users: [{{nkey: {user.public}}}] }}") as (_, connect):
        await gets_in(connect, nkeys_seed_str=user.seed)


async def test_creds(serve, home):
    home.run("nsc", "init", "--name", "demo")
    config = home.run("nsc", "generate", "config", "--mem-resolver")
    creds = home.path / ".local/share/nats/nsc/keys/creds/demo/demo/demo.creds"
    async with serve(config) as (_, connect):
        await gets_in(connect, user_credentials=str(creds))


async def test_headers_requests_and_no_responders(serve):
    async with serve() as (_, connect):
        service, client = await connect(), await connect()

        async def answer(message):
            for number in range(3):
                await service.publish(message.reply, b"%d" % number, headers=message.headers)

        await service.subscribe("many", cb=answer)
        await service.flush()
        inbox = client.new_inbox()
        replies = await client.subscribe(inbox)
        await client.publish("many", b"", reply=inbox, headers={"Key": "value"})
        got = [await replies.next_msg(timeout=5) for _ in range(3)]
        assert [(each.data, each.headers) for each in got] == [
            (b"%d" % number, {"Key": "value"}) for number in range(3)
        ]
        assert (await client.request("many", b"x" * 400_000, timeout=5, headers={"a": "b"})).headers == {"a": "b"}
        with pytest.raises(NoRespondersError):
            await client.request("nobody", b"", timeout=5)
        await client.close()
        await service.close()


async def test_permission_errors(serve):
    users = "authorization { users: [{user: a, password: b, permissions: {publish: {deny: secret}, subscribe: {deny: secret}}}] }"
    async with serve(users) as (_, connect):
        errors = Errors()
        client = await connect(user="a", password="b", error_cb=errors.keep)
        await client.publish("secret", b"x")
        await errors.have("permissions violation for publish to")
        await client.subscribe("secret")
        await errors.have("permissions violation for subscription to")
        await client.flush(timeout=5)
        await client.close()


async def test_drain_deals_with_everything_that_came(serve):
    async with serve() as (_, connect):
        publisher, worker = await connect(), await connect()
        handled = 0

        async def work(message):
            nonlocal handled
            handled += 1

        await worker.subscribe("work", cb=work)
        await worker.flush()
        for _ in range(500):
            await publisher.publish("work", b"x" * 200)
        await publisher.flush()
        await worker.drain()
        assert (handled, worker.is_closed) == (500, True)
        await publisher.close()


async def test_slow_consumer_of_the_client(serve):
    async with serve() as (_, connect):
        errors = Errors()
        client = await connect(error_cb=errors.keep)
        rest = asyncio.Event()

        async def stuck(message):
            await rest.wait()

        await client.subscribe("a", pending_msgs_limit=2, cb=stuck)
        for _ in range(10):
            await client.publish("a", b"x")
        await errors.have("SlowConsumerError")
        rest.set()
        await client.close()


async def test_reconnects_after_a_restart(serve):
    before = serve()
    await before.server.start()
    back = asyncio.Event()

    async def reconnected():
        back.set()

    client = await before.connect(
        allow_reconnect=True, reconnect_time_wait=0.02, max_reconnect_attempts=-1, reconnected_cb=reconnected,
        error_cb=Errors().keep,
    )  # fmt: skip
    subscription = await client.subscribe("a")
    await client.flush()
    port = before.port
    await before.server.stop()
    async with serve(port=port):
        await asyncio.wait_for(back.wait(), DEADLINE_S)
        await client.publish("a", b"after")
        assert (await subscription.next_msg(timeout=5)).data == b"after"
        await client.close()


async def test_tls(serve, tmp_path):
    authority = trustme.CA()
    cert = authority.issue_cert("localhost", "127.0.0.1")
    cert.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    cert.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with serve(tls=f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"') as (server, connect):
        client = await connect(tls=context)
        subscription = await client.subscribe("a")
        await client.publish("a", b"x" * 300_000)
        assert (await subscription.next_msg(timeout=5)).data == b"x" * 300_000
        (seen,) = server.clients.values()
        assert seen.secured is not None
        await client.close()
