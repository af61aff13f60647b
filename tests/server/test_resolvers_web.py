"""Fetching tokens from a web address. Source: spec/account-server.md section 7."""

from __future__ import annotations

import asyncio

import pytest

from natskit.errors import NotFound, ServerError
from natskit.server.resolvers.web import MAX_TOKEN_BYTES, Web
from support.web import always, response, web


async def test_account_is_fetched_from_the_base_address() -> None:
    async with web(always(response("200 OK", b"eyJ.x.y\n"))) as (url, requests):
        assert await Web(url).fetch("ABC") == "eyJ.x.y"
    assert requests[0].startswith("GET /jwt/v1/accounts/ABC HTTP/1.1\r\n")


async def test_base_address_must_answer_at_start() -> None:
    async with web(always(response("200 OK"))) as (url, requests):
        await Web(url.removesuffix("/")).start()
        assert requests[0].startswith("GET /jwt/v1/accounts/ ")
    async with web(always(response("404 Not Found"))) as (url, _):
        with pytest.raises(ServerError) as caught:
            await Web(url).start()
        assert str(caught.value) == f'could not fetch <"{url}">: 404 Not Found'


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "404 Not Found", "500 Internal Server Error"])
async def test_only_200_counts(status: str) -> None:
    async with web(always(response(status, b"eyJ"))) as (url, _):
        with pytest.raises(NotFound, match=status):
            await Web(url).fetch("A")


async def test_redirects_are_followed() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        moved = response("302 Found", b"", "Location: /elsewhere")
        writer.write(response("200 OK", b"token") if path == "/elsewhere" else moved)

    async with web(answer) as (url, _):
        assert await Web(url).fetch("A") == "token"


async def test_redirect_loop_ends() -> None:
    async with web(always(response("302 Found", b"", "Location: /again"))) as (url, _):
        with pytest.raises(NotFound, match="redirects"):
            await Web(url).fetch("A")


async def test_silent_server_is_given_up_in_time() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Task[object] | None] = []

    async def remembered(path: str, writer: asyncio.StreamWriter) -> None:
        waiting.append(asyncio.current_task())
        await answer(path, writer)

    async with web(remembered) as (url, _):
        started = loop.time()
        with pytest.raises(NotFound):
            await Web(url, timeout_s=0.3).fetch("A")
        assert loop.time() - started < 1.5
        for task in waiting:
            assert task is not None
            task.cancel()


async def test_endless_answer_is_cut() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(2 * MAX_TOKEN_BYTES // 65_536):
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with web(answer) as (url, _):
        with pytest.raises(NotFound, match="more than"):
            await Web(url).fetch("A")


async def test_nobody_listening_is_said_with_the_address() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(NotFound, match=f"could not fetch <.*{port}.*refused"):
        await Web(f"http://127.0.0.1:{port}/").fetch("A")


async def test_password_of_the_address_is_sent_but_not_shown() -> None:
    async with web(always(response("401 Unauthorized"))) as (url, requests):
        with pytest.raises(NotFound) as caught:
            await Web(url.replace("http://", "http://bob:hush@")).fetch("A")
    assert "Authorization: Basic Ym9iOmh1c2g=" in requests[0]
    assert "bob:xxxxx@" in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_other_schemes_are_refused() -> None:
    with pytest.raises(ServerError, match='unsupported protocol scheme "nats"'):
        await Web("nats://127.0.0.1:1/").start()
    with pytest.raises(ServerError, match="could not fetch"):
        await Web("/accounts/").start()
