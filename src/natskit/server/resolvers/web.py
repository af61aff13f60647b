"""Accounts behind a web address (``resolver: URL(...)``). Source: spec/account-server.md section 7."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from natskit.errors import NotFound, ServerError
from natskit.server.resolvers.resolver import Resolver

if TYPE_CHECKING:
    import ssl
    from concurrent.futures import ThreadPoolExecutor
    from http.client import HTTPConnection, HTTPResponse
    from urllib.parse import SplitResult

__all__ = ["Web"]

FETCH_TIMEOUT_S = 1.9
MAX_TOKEN_BYTES = 1 << 20
MAX_REDIRECTS = 10
MAX_FETCHES = 16


class Web(Resolver):
    """Tokens behind a base address: GET base + account key."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None, timeout_s: float = FETCH_TIMEOUT_S) -> None:
        self.url = url if url.endswith("/") else f"{url}/"
        self._context = context
        self._timeout_s = timeout_s
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """The base address must answer. Raises ServerError."""
        try:
            await self._get(self.url)
        except NotFound as error:
            raise ServerError(error.message) from None

    async def fetch(self, account_id: str) -> str:
        body = await self._get(self.url + account_id)
        return body.decode("ascii", "replace").rstrip("\r\n")

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _pool(self) -> ThreadPoolExecutor:
        """Threads of its own: whoever names accounts that nobody has must not hold up passwords that are checked."""
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(MAX_FETCHES, thread_name_prefix="natskit-accounts")
        return self._threads

    async def _get(self, url: str) -> bytes:
        """The body of a 200 answer. Raises NotFound with what came instead."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        asked = loop.run_in_executor(self._pool(), _get, url, self._context, self._timeout_s)
        try:
            async with asyncio.timeout_at(deadline + 0.1):
                return await asked
        except TimeoutError:
            raise _could_not(url, f"no answer within {self._timeout_s:g}s") from None


def _could_not(url: str, why: str) -> NotFound:
    return NotFound(f'could not fetch <"{_shown(url)}">: {why}')


def _shown(url: str) -> str:
    """The address without its password."""
    scheme, mark, rest = url.partition("://")
    userinfo, at, host = rest.partition("@")
    if not at or "/" in userinfo:
        return url
    return f"{scheme}{mark}{userinfo.partition(':')[0]}:xxxxx@{host}"


# ---- one GET, in a thread ------------------------------------------------------------------------


def _get(url: str, context: ssl.SSLContext | None, timeout_s: float) -> bytes:
    """GET with a deadline for all of it; follows redirects, asks no proxy."""
    import time
    from http.client import HTTPException
    from urllib.parse import urljoin

    deadline = time.monotonic() + timeout_s
    here = url
    for _ in range(MAX_REDIRECTS):
        try:
            status, target, body = _ask(here, context, deadline)
        except (OSError, HTTPException, ValueError) as error:
            raise _could_not(url, str(error) or type(error).__name__) from None
        if not target:
            if not status.startswith("200 "):
                raise _could_not(url, status)
            return body
        here = urljoin(here, target)
    raise _could_not(url, f"stopped after {MAX_REDIRECTS} redirects")


def _ask(url: str, context: ssl.SSLContext | None, deadline: float) -> tuple[str, str, bytes]:
    """Status line, address of a redirect, and body of one answer."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _open(parts, context, _left(deadline))
    try:
        connection.request("GET", target, headers=_headers(parts))
        with connection.getresponse() as response:
            status = f"{response.status} {response.reason}"
            if response.status in (301, 302, 303, 307, 308):
                return status, response.headers.get("Location", ""), b""
            return status, "", _read(response, connection, deadline)
    finally:
        connection.close()


def _read(response: HTTPResponse, connection: HTTPConnection, deadline: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > MAX_TOKEN_BYTES:
            raise ValueError(f"the answer has more than {MAX_TOKEN_BYTES} bytes")
        if connection.sock is not None:
            connection.sock.settimeout(_left(deadline))
    return bytes(body)


def _open(parts: SplitResult, context: ssl.SSLContext | None, timeout_s: float) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f'unsupported protocol scheme "{parts.scheme}"')
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=timeout_s)
    return HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)


def _headers(parts: SplitResult) -> dict[str, str]:
    headers = {"User-Agent": "natskit", "Accept-Encoding": "identity"}
    if parts.username is not None:
        import base64
        from urllib.parse import unquote

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return headers


def _left(deadline: float) -> float:
    import time

    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
