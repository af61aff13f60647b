"""An operator made up for a test: what it hands out works on servers, ours and the real one, and follows changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nats
import pytest

from natskit import jwt
from natskit.client import Connection, Login, connect
from natskit.errors import (
    AlreadyExists,
    AuthenticationError,
    ClaimsError,
    DeniedError,
    Error,
    NotFound,
    Unreachable,
    UsageError,
)
from natskit.jwt.files import parse_creds
from natskit.server import Server
from natskit.testing import Operator, User


@pytest.fixture
def operator(tmp_path):
    operator = Operator(folder=tmp_path)
    yield operator
    operator.stop()


async def enter(server, user, name="test") -> Connection:
    return await connect(server.client_url, Login(creds=parse_creds(user.creds)), name=name, max_reconnects=0)


async def refusal(server, user):
    """Why the server does not let a user in."""
    with pytest.raises((AuthenticationError, Unreachable)):
        await enter(server, user)
    return str(server.last_auth_error)


async def cut_off(connection):
    """Wait until the server has closed a connection."""
    with pytest.raises(Error):
        await asyncio.wait_for(connection.closed, 10)
    await connection.close()


async def test_accounts_that_are_made_or_changed_later_are_known_to_the_server_at_once(operator):
    server = operator.server
    late = operator.account("late")
    async with await enter(server, late.user("alice"), "first"):
        assert [each.account for each in server.connections(name="first")] == ["late"]
        for who in ("late", late.id):
            assert [each.name for each in server.connections(account=who)] == ["first"]
        late.limit(conn=1)
        assert "may have 1" in await refusal(server, late.user("bob"))


async def test_a_revoked_user_is_cut_off_and_a_new_one_is_not(operator):
    server = operator.server
    account = operator.account("A")
    alice, bob = account.user("alice"), account.user("bob")
    one, other = await enter(server, alice), await enter(server, bob)
    account.revoke(alice)
    await cut_off(one)
    assert "revoked" in await refusal(server, alice)
    await other.confirm()
    account.revoke("*")
    await cut_off(other)
    await (await enter(server, account.user("bob"))).close()


async def test_a_private_stream_crosses_accounts_until_its_activation_is_taken_back(operator):
    orders, reports = operator.account("orders"), operator.account("reports")
    orders.export("prices.>", private=True)
    reports.import_from(orders, "prices.eur", local="market.eur")
    server = operator.server
    async with await enter(server, orders.user("o")) as here, await enter(server, reports.user("r")) as there:
        heard: asyncio.Queue = asyncio.Queue()
        await there.subscribe("market.>", heard.put_nowait)
        await here.publish("prices.eur", b"7")
        message = await asyncio.wait_for(heard.get(), 5)
        assert (message.subject, message.payload) == ("market.eur", b"7")
        orders.revoke_activation(reports, "prices.eur")
        await here.publish("prices.eur", b"8")
        await here.confirm()
        await there.confirm()
        assert heard.empty()
        reports.edit(imports=())
        reports.import_from(orders, "prices.eur")
        await there.subscribe("prices.*", heard.put_nowait)
        await here.publish("prices.eur", b"9")
        assert (await asyncio.wait_for(heard.get(), 5)).payload == b"9"


async def test_services_and_roles(operator):
    maths, shop = operator.account("maths"), operator.account("shop")
    maths.export("add.*", service=True)
    shop.import_from(maths, "add.one", local="sum")
    shop.role("caller", pub=["sum"], sub="_INBOX.>")
    server = operator.server
    worker = await nats.connect(server.client_url, user_credentials=maths.user("m").creds_file)

    async def answer(message):
        await message.respond(b"%d" % (int(message.data) + 1))

    await worker.subscribe("add.one", cb=answer)
    await worker.flush()
    async with await enter(server, shop.user("s", role="caller")) as caller:
        assert (await caller.request("sum", b"41")).payload == b"42"
        await caller.publish("other")
        with pytest.raises(DeniedError, match="other"):
            await caller.confirm()
    await worker.close()


async def test_users_expire_when_the_time_of_the_server_passes_and_new_ones_are_issued_in_its_time(operator):
    server = operator.server
    account = operator.account("A")
    user = account.user("u", expires_in=3600)
    connection = await enter(server, user)
    server.advance(hours=2)
    await cut_off(connection)
    assert "expired" in await refusal(server, user)
    await (await enter(server, account.user("u", expires_in=3600))).close()


async def test_a_restarted_server_knows_the_accounts_as_they_are(operator):
    server = operator.server
    account = operator.account("late")
    port = server.port
    server.restart()
    assert server.port == port
    await (await enter(server, account.user("u"))).close()


def test_servers_that_have_stopped_are_not_told(operator):
    operator.serve().stop()
    operator.account("late").limit(conn=5)


async def test_a_server_on_the_loop_of_the_test_can_follow_too(operator):
    async with Server(operator.config("listen: 127.0.0.1:-1")) as server:
        operator.follow(server)
        account = operator.account("late")
        user = account.user("u")
        connection = await enter(server, user)
        account.revoke(user)
        await cut_off(connection)


@pytest.mark.parametrize("resolver", ["memory", "full"])
async def test_the_real_server_trusts_it(operator, resolver, real_server, start, free_port, tmp_path):
    from conftest import RunningServer

    port = free_port()
    account = operator.account("A")
    listen = f"listen: 127.0.0.1:{port}"
    path = tmp_path / "server.conf"
    if resolver == "full":
        path = operator.write_config(tmp_path / "real", listen)
    else:
        path.write_text(operator.config(listen))
    server = RunningServer(start(real_server, "-c", str(path)), port, path)
    server.wait_until_ready()
    for user in (account.user("u", pub="a.>"), operator.system.user("admin")):
        client = await nats.connect(server.url, user_credentials=user.creds_file)
        await client.flush()
        await client.close()


def test_creds_files_are_for_their_owner_only_and_no_repr_shows_a_seed(operator):
    user = operator.account("A").user("u")
    path = user.creds_file
    assert isinstance(path, Path)
    assert path.read_text() == user.creds
    assert path.stat().st_mode & 0o777 == 0o600
    for shown in (user, user.account, operator):
        assert user.key.seed not in repr(shown)
    with pytest.raises(UsageError, match="no folder"):
        _ = Operator().account("A").user("u").creds_file


def test_mistakes_are_refused_by_name_and_change_nothing(operator):
    account, other = operator.account("A"), operator.account("B")
    account.export("a.>", private=True)
    before = account.token
    with pytest.raises(AlreadyExists, match='account "A"'):
        operator.account("A")
    with pytest.raises(ClaimsError):
        account.export("a..b")
    with pytest.raises(UsageError, match="colour"):
        account.edit(colour="red")
    with pytest.raises(UsageError, match="speed"):
        account.user("u", speed=5)
    with pytest.raises(ClaimsError):
        account.user("u", pub="a..b")
    with pytest.raises(NotFound, match=r'no export of account A covers "b"; it exports a\.>'):
        other.import_from(account, "b")
    with pytest.raises(NotFound, match='no role "writer"'):
        account.user("u", role="writer")
    account.role("writer", pub="x")
    with pytest.raises(UsageError, match='rights of user "u"'):
        account.user("u", role="writer", pub="y")
    assert jwt.decode(account.token).nats.exports == jwt.decode(before).nats.exports


def test_strict_operators_sign_with_their_signing_key(tmp_path):
    operator = Operator(strict_signing_key_usage=True)
    account = operator.account("A")
    assert jwt.decode(account.token).issuer == operator.signing_key.public
    role = account.role("any")
    user = account.user("u", role="any")
    assert isinstance(user, User)
    assert jwt.decode(user.token).issuer == role.public
