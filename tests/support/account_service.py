"""A running account server with a client."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from natskit.account_server import AccountServer

NOW = 1_900_000_000


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Service:
    """A running account server and a client of it. Paths are sent as they are written; redirects are not followed."""

    def __init__(self, server: AccountServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http

    async def get(self, path: str, **headers: str) -> Answer:
        """GET; the body is read."""
        return await self.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    async def account(self, key: str, query: str = "", **headers: str) -> Answer:
        """GET an account."""
        return await self.get(f"/jwt/v1/accounts/{key}{query}", **headers)

    async def post(self, key: str, token: str | bytes, **more: Any) -> Answer:
        """POST an account."""
        data = io.BytesIO(token) if isinstance(token, bytes) else token
        return await self.request("POST", f"/jwt/v1/accounts/{key}", data=data, **more)

    async def request(self, method: str, path: str, **more: Any) -> Answer:
        """Any request."""
        url = URL(self.server.url + path, encoded=True)
        async with self.http.request(method, url, allow_redirects=False, **more) as response:
            return Answer(response.status, response.headers, await response.read())
