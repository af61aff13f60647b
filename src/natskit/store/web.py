"""One request to an account server: bounded in time and size, and led astray by no redirect."""

from __future__ import annotations

import base64
import io
import time
import urllib.request
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from natskit.errors import InvalidToken, StoreError

__all__ = ["request"]

_TIMEOUT_S = 5.0
_LARGEST = 1 << 20


def request(url: str, body: bytes | None = None) -> tuple[int, str]:
    """GET ``url``, or POST a token to it: status and text of the answer, at most 1 MiB.

    5 seconds are for connecting, 5 for the answer, and 5 more for all redirects. Raises StoreError if there is no
    answer, InvalidToken if it is no text or too long.
    """
    headers = {"User-Agent": "natskit", "Accept": "application/jwt, text/plain"}
    if body is not None:
        headers["Content-Type"] = "application/jwt"
    try:
        asked = _asked(url, body, headers)
        try:
            response = _opener().open(asked, timeout=_TIMEOUT_S)
        except HTTPError as error:
            response = error
        with response:
            status, data = int(response.status), response.read(_LARGEST + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(f'error loading "{url}": {getattr(error, "reason", None) or error}') from None
    if len(data) > _LARGEST:
        raise InvalidToken(f'error reading response from "{url}": more than {_LARGEST} bytes is no token')
    try:
        return status, data.decode()
    except UnicodeDecodeError:
        raise InvalidToken(f'error reading response from "{url}": it is not text') from None


def _asked(url: str, body: bytes | None, headers: dict[str, str]) -> urllib.request.Request:
    """The request; user and password of the URL go along as a header, but nowhere that it redirects to."""
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    asked = urllib.request.Request(parts._replace(netloc=host).geturl(), body, headers)  # noqa: S310 - see _opener
    if login:
        encoded = base64.b64encode(unquote(login).encode()).decode()
        asked.add_unredirected_header("Authorization", f"Basic {encoded}")
    return asked


class _Until(io.RawIOBase):
    """What comes from a socket until a time is over: its own timeout is for each wait, this one for all of them."""

    def __init__(self, socket: Any, timeout_s: float) -> None:
        self._socket = socket
        self._raw = socket.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        received: int | None = self._raw.readinto(buffer)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Until(sock, sock.gettimeout() or _TIMEOUT_S))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_SecureConnection, req)


class _Redirect(urllib.request.HTTPRedirectHandler):
    def __init__(self) -> None:
        self._deadline = time.monotonic() + 2 * _TIMEOUT_S

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Where to go on. A token is sent again only where that is meant (307, 308): else it would be fetched there,
        and the answer be taken for that to the push. Nothing goes on unencrypted that began encrypted.
        """
        req.timeout = self._deadline - time.monotonic()
        if req.timeout <= 0:
            raise URLError("timed out")
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise URLError(f"it redirects from https to {newurl}")
        if req.data is None:
            return super().redirect_request(req, fp, code, msg, headers, newurl)
        if code not in (307, 308):
            raise URLError(f"it has moved to {newurl}: push there")
        return urllib.request.Request(newurl, req.data, dict(req.headers), method=req.get_method())  # noqa: S310


def _opener() -> urllib.request.OpenerDirector:
    """What opens http and https only, also where a redirect leads elsewhere."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        _Http,
        _Https,
        urllib.request.HTTPDefaultErrorHandler,
        _Redirect,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener
