"""Tokens from servers."""

from __future__ import annotations

import asyncio
import ssl
import time

import pytest
import trustme

from natskit.errors import InvalidToken, StoreError
from natskit.store import tokens
from support.web import always, response, web


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natskit.store.web._TIMEOUT_S", 0.3)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
    ],
)
async def test_a_server_that_answers_drop_by_drop_is_given_up(head: str) -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode())
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


async def test_a_push_that_is_redirected_is_sent_again_or_not_taken_for_done() -> None:
    async with web(always(response("200 OK", b"what is there"))) as (there, got):
        async with web(always(response("308 Permanent Redirect", b"", f"Location: {there}"))) as (url, _):
            assert await asyncio.to_thread(tokens.request, url, b"eyJ") == (200, "what is there")
        assert got[0].startswith("POST ")
        assert "Content-Length: 3" in got[0]
        for status in ("301 Moved Permanently", "302 Found", "303 See Other"):
            async with web(always(response(status, b"", f"Location: {there}"))) as (url, _):
                with pytest.raises(StoreError, match=f"it has moved to {there}: push there"):
                    await asyncio.to_thread(tokens.request, url, b"eyJ")
        assert len(got) == 1


async def test_a_redirect_does_not_lead_from_https_to_http(monkeypatch, tmp_path) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with web(always(response("200 OK", b"secure")), context) as (there, _):
        assert await asyncio.to_thread(tokens.fetch, there) == "secure"
    async with web(always(response("200 OK", b"elsewhere"))) as (there, got):
        async with web(always(response("302 Found", b"", f"Location: {there}")), context) as (url, _):
            with pytest.raises(StoreError, match="it redirects from https to http:"):
                await asyncio.to_thread(tokens.fetch, url)
        assert not got


async def test_redirects_come_to_an_end() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(response("302 Found", b"", f"Location: {path}x"))

    async with web(answer) as (url, got):
        with pytest.raises(StoreError, match="timed out"):
            await asyncio.to_thread(tokens.fetch, url)
        assert len(got) < 10
