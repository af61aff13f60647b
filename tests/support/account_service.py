"""A running account server with a client."""

from __future__ import annotations

from typing import Any

import aiohttp
from yarl import URL

from natskit.account_server import AccountServer

NOW = 1_900_000_000


class Service:
    """A running account server and a client of it. Paths are sent as they are written; redirects are not followed."""

    def __init__(self, server: AccountServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        """GET; the body is read."""
        return await self.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    async def account(self, key: str, query: str = "", **headers: str) -> aiohttp.ClientResponse:
        """GET an account."""
        return await self.get(f"/jwt/v1/accounts/{key}{query}", **headers)

    async def post(self, key: str, token: str | bytes, **more: Any) -> aiohttp.ClientResponse:
        """POST an account."""
        return await self.request("POST", f"/jwt/v1/accounts/{key}", data=token, **more)

    async def request(self, method: str, path: str, **more: Any) -> aiohttp.ClientResponse:
        """Any request."""
        url = URL(self.server.url + path, encoded=True)
        async with self.http.request(method, url, allow_redirects=False, **more) as response:
            await response.read()
        return response
