"""Tokens from servers."""

from __future__ import annotations

import asyncio
import time

import pytest

from natskit.errors import InvalidToken, StoreError
from natskit.store import tokens
from support.web import always, response, web


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_TIMEOUT_S", 0.3)


@pytest.mark.parametrize("head", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_server_that_answers_drop_by_drop_is_given_up(head: str) -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        for _ in range(60):
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with web(answer) as (url, _):
        start = time.monotonic()
        with pytest.raises(StoreError, match=r"error loading .*: timed out"):
            await asyncio.to_thread(tokens.fetch, url)
        assert time.monotonic() - start < 2


async def test_the_answer_is_read_whole_up_to_its_bound() -> None:
    largest = b"x" * (1 << 20)
    async with web(always(response("200 OK", largest))) as (url, _):
        assert await asyncio.to_thread(tokens.fetch, url) == largest.decode()
    async with web(always(response("200 OK", largest + b"x"))) as (url, _):
        with pytest.raises(InvalidToken, match="more than 1048576 bytes"):
            await asyncio.to_thread(tokens.fetch, url)


async def test_a_refusal_comes_with_its_text() -> None:
    async with web(always(response("400 Bad Request", b"bad JWT\n"))) as (url, requests):
        with pytest.raises(StoreError, match=r"does not take the token: 400 bad JWT$"):
            await asyncio.to_thread(tokens.post, url, "eyJ")
    assert requests[0].startswith("POST ")


async def test_a_redirect_is_followed_to_http_only() -> None:
    async with web(always(response("200 OK", b"elsewhere"))) as (there, _):
        async with web(always(response("302 Found", b"", f"Location: {there}"))) as (url, _):
            assert await asyncio.to_thread(tokens.fetch, url) == "elsewhere"
        foreign = there.replace("http:", "ftp:")
        async with web(always(response("302 Found", b"", f"Location: {foreign}"))) as (url, _):
            with pytest.raises(StoreError, match="unknown url type: ftp"):
                await asyncio.to_thread(tokens.fetch, url)
