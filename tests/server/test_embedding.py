"""The server inside a program."""

from __future__ import annotations

import asyncio
import gc
import socket
import tempfile

import nats
import pytest

from natskit.errors import ConfigError, ServerError
from natskit.server import Options, Server
from natskit.server.clock import Clock
from natskit.wire import Connection, Hub, Space
from support.realm import Realm


async def test_open_server_on_a_free_port():
    async with Server() as server:
        assert server.running
        assert server.port > 0
        assert server.client_url == f"nats://127.0.0.1:{server.port}"
        client = await nats.connect(server.client_url)
        subscription = await client.subscribe("hello.*")
        await client.publish("hello.world", b"hi", headers={"Key": "value"})
        message = await subscription.next_msg(timeout=5)
        assert (message.subject, message.data, message.headers) == ("hello.world", b"hi", {"Key": "value"})
        await client.close()
    assert not server.running


async def test_several_servers_in_one_process_do_not_share_messages():
    async with Server() as one, Server() as other:
        assert one.port != other.port
        here, there = await nats.connect(one.client_url), await nats.connect(other.client_url)
        received = []
        for client in (here, there):
            await client.subscribe(">", cb=_collect(received))
            await client.flush()
        await here.publish("x", b"1")
        await here.flush()
        await there.flush()
        assert received == [b"1"]
        await here.close()
        await there.close()


def _collect(received):
    async def on_message(message):
        received.append(message.data)

    return on_message


async def test_start_and_stop_are_idempotent_and_a_server_can_start_again():
    server = Server()
    await server.stop()
    await server.start()
    port = server.port
    await server.start()
    assert server.port == port
    await server.stop()
    await server.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    await server.start()
    client = await nats.connect(server.client_url)
    await client.close()
    await server.stop()


async def test_stop_closes_clients_after_what_is_queued():
    async with Server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n')
        await reader.readuntil(b"PONG\r\n")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await writer.wait_closed()


async def test_nothing_is_left_after_stop():
    before = set(asyncio.all_tasks())
    async with Server() as server:
        client = await nats.connect(server.client_url)
        await client.subscribe("a")
        await client.flush()
        await client.close()
        hub = server.hub
    assert asyncio.all_tasks() == before
    assert not server.clients
    assert not asyncio.get_running_loop().remove_reader(hub.fileno())
    gc.collect()


async def test_server_that_does_not_run_is_not_reloaded():
    server = Server()
    for _ in range(2):
        with pytest.raises(ServerError, match="not running"):
            await server.reload("listen: 127.0.0.1:-1")
        async with server:
            await server.reload("listen: 127.0.0.1:-1, max_payload: 100")
            assert server.options.limits.max_payload == 100


async def test_taken_port_is_refused_with_a_hint():
    async with Server() as server:
        with pytest.raises(ServerError, match=f"cannot listen on 127.0.0.1:{server.port}") as caught:
            await Server(Options(host="127.0.0.1", port=server.port)).start()
        assert "port" in (caught.value.hint or "")


async def test_configuration_as_text_dict_path_and_options(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("listen: 127.0.0.1:-1\nserver_name: filed\n")
    for config, name in (
        ("listen: 127.0.0.1:-1\nserver_name: written", "written"),
        ({"host": "127.0.0.1", "port": -1, "server_name": "dict"}, "dict"),
        (path, "filed"),
        (Options(host="127.0.0.1", port=-1, server_name="made"), "made"),
    ):
        async with Server(config) as server:
            client = await nats.connect(server.client_url)
            assert client._server_info["server_name"] == name
            await client.close()


def test_bad_configuration_is_refused_before_anything_starts():
    with pytest.raises(ConfigError):
        Server("port: nonsense")


async def test_request_reply_and_no_responders():
    async with Server() as server:
        client = await nats.connect(server.client_url)

        async def answer(message):
            await message.respond(message.data.upper())

        await client.subscribe("svc", queue="workers", cb=answer)
        assert (await client.request("svc", b"hi", timeout=5)).data == b"HI"
        with pytest.raises(nats.errors.NoRespondersError):
            await client.request("nobody", b"", timeout=5)
        await client.close()


async def test_client_reconnects_after_a_restart():
    server = Server()
    await server.start()
    server.options = Options(host="127.0.0.1", port=server.port)
    reconnected = asyncio.Event()

    async def on_reconnect():
        reconnected.set()

    async def on_error(error):
        del error

    client = await nats.connect(
        server.client_url, reconnected_cb=on_reconnect, error_cb=on_error, reconnect_time_wait=0.05
    )
    subscription = await client.subscribe("a")
    await server.stop()
    await server.start()
    await asyncio.wait_for(reconnected.wait(), 10)
    await client.flush()
    await client.publish("a", b"again")
    assert (await subscription.next_msg(timeout=5)).data == b"again"
    await client.close()
    await server.stop()


async def test_drain_and_large_payloads():
    async with Server() as server:
        client = await nats.connect(server.client_url)
        received = []
        await client.subscribe("big", cb=_collect(received))
        payload = bytes(range(256)) * 4096
        for _ in range(5):
            await client.publish("big", payload)
        await client.drain()
        assert received == [payload] * 5


async def test_works_on_uvloop_as_on_asyncio():
    uvloop = pytest.importorskip("uvloop")

    async def talk():
        async with Server() as server:
            client = await nats.connect(server.client_url)
            subscription = await client.subscribe("a")
            await client.publish("a", b"x")
            got = (await subscription.next_msg(timeout=5)).data
            await client.close()
            return got

    def run():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(talk())

    assert await asyncio.get_running_loop().run_in_executor(None, run) == b"x"


async def test_stopped_servers_are_freed():
    def alive():
        gc.collect()
        return sum(type(found) in (Space, Connection, Hub, Server) for found in gc.get_objects())

    async def run():
        async with Server() as server:
            client = await nats.connect(server.client_url)
            subscription = await client.subscribe("a.*")
            await client.publish("a.b", b"x")
            await subscription.next_msg(timeout=5)
            await client.close()

    await run()
    before = alive()
    for _ in range(3):
        await run()
    assert alive() == before


@pytest.mark.parametrize("fault", ["port", "monitor", "system account"])
async def test_start_that_fails_leaves_nothing(fault, tmp_path):
    """No timer, no listener, no task: the loop has nothing to do."""
    realm = Realm()
    realm.account()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        more = {
            "port": f"port: {number}",
            "monitor": f"port: -1, http: '127.0.0.1:{number}'",
            "system account": f"port: -1, system_account: {realm.preload.popitem()[0]}",
        }[fault]
        resolver = f'resolver: {{ type: full, dir: "{tmp_path}" }}' if fault != "system account" else "resolver: MEMORY"
        config = f'host: 127.0.0.1, operator: "{realm.token}", {resolver}, {more}'
        if fault != "system account":
            config += f", system_account: {realm.account('SYS').id}"
        clock = Clock()
        server = Server(config, clock=clock)
        tasks = asyncio.all_tasks()
        with pytest.raises(ServerError):
            await server.start()
        assert not server.running
        assert asyncio.all_tasks() == tasks
        assert clock.planned == 0
        await server.stop()


async def test_socket_that_cannot_be_watched_costs_its_connection_only():
    async with Server() as server:
        with tempfile.TemporaryFile() as unwatchable:  # epoll takes no files
            accepted = Unwatchable(unwatchable)
            server.entrances.enter(accepted, ("127.0.0.1", 1))
            assert accepted.closed
        assert not server.clients
        client = await nats.connect(server.client_url)
        await client.close()


class Unwatchable:
    def __init__(self, file):
        self.fileno = file.fileno
        self.closed = False

    def setsockopt(self, *ignored): ...

    def close(self):
        self.closed = True
