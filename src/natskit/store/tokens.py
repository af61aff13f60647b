"""Tokens from where people keep them: a file, a URL, or typed as they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from natskit.errors import InvalidToken, NotFound, StoreError

from .files import read_text

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

__all__ = ["fetch", "fetch_operator", "is_url", "load_token", "post", "request"]

_TIMEOUT_S = 5
_LARGEST = 1 << 20
_PART = 1 << 16


def is_url(text: str) -> bool:
    """Whether ``text`` is an http or https URL."""
    return text.lower().startswith(("http://", "https://"))


def load_token(source: str, path: str) -> str:
    """The bare token that ``source`` gives: a URL, the file ``path`` (``source`` made absolute), or a token itself.

    Files and answers may be decorated. Raises NotFound, StoreError, InvalidToken; the message shows no token.
    """
    from natskit.jwt.files import parse_jwt

    if is_url(source):
        return parse_jwt(fetch(source)).strip()
    if _is_token(source):
        return parse_jwt(source).strip()
    text = read_text(path)
    if text is None:
        raise NotFound(f"error loading `{path}`: stat {path}: no such file or directory")
    return parse_jwt(text).strip()


def _is_token(text: str) -> bool:
    """Whether this is a token and not the name of a file: every header begins with ``{"``, ``eyJ`` in base64."""
    text = text.lstrip()
    return text.startswith("-----BEGIN ") or (text.startswith("eyJ") and text.count(".") == 2 and "/" not in text)


def fetch(url: str) -> str:
    """The text that ``url`` answers with, at most 1 MiB within 5 seconds. Raises StoreError."""
    status, text = request(url)
    if status != 200:
        raise StoreError(f'error reading response from "{url}": {status}')
    return text


def fetch_operator(url: str) -> str:
    """The operator's token at ``url``; where that is the one for old tools, the one for today's is tried first.

    Raises StoreError, InvalidToken.
    """
    from natskit.jwt.files import parse_jwt

    if url.endswith("/jwt/v1/operator"):
        try:
            return parse_jwt(fetch(url.removesuffix("v1/operator") + "v2/operator")).strip()
        except (StoreError, InvalidToken):
            pass
    return parse_jwt(fetch(url)).strip()


def post(url: str, token: str) -> None:
    """Send a token to a server. Raises StoreError if it does not take it."""
    status, text = request(url, token.encode())
    if status != 200:
        raise StoreError(f'"{url}" does not take the token: {status} {text.strip()}'.strip())


def request(url: str, body: bytes | None = None) -> tuple[int, str]:
    """GET ``url``, or POST a token to it: status and text of the answer, at most 1 MiB within 5 seconds.

    Raises StoreError if there is no answer, InvalidToken if it is no text or too long.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    headers = {"User-Agent": "natskit", "Accept": "application/jwt, text/plain"}
    if body is not None:
        headers["Content-Type"] = "application/jwt"
    deadline = time.monotonic() + _TIMEOUT_S
    asked = Request(url, body, headers)  # noqa: S310 - callers allow http and https only
    try:
        try:
            response = _opener().open(asked, timeout=_TIMEOUT_S)
        except HTTPError as error:
            response = error
        with response:
            status, data = int(response.status), _read(response, deadline)
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(f'error loading "{url}": {getattr(error, "reason", None) or error}') from None
    if len(data) > _LARGEST:
        raise InvalidToken(f'error reading response from "{url}": more than {_LARGEST} bytes is no token')
    try:
        return status, data.decode()
    except UnicodeDecodeError:
        raise InvalidToken(f'error reading response from "{url}": it is not text') from None


def _opener() -> OpenerDirector:
    """What opens http and https only, also where a redirect leads elsewhere."""
    from urllib import request as urllib

    opener = urllib.OpenerDirector()
    for handler in (
        urllib.ProxyHandler,
        urllib.UnknownHandler,
        urllib.HTTPHandler,
        urllib.HTTPSHandler,
        urllib.HTTPDefaultErrorHandler,
        urllib.HTTPRedirectHandler,
        urllib.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _read(response: HTTPResponse, deadline: float) -> bytes:
    """The body, up to a little more than may be of it. The socket's timeout is for each wait: this one for all."""
    data = bytearray()
    while len(data) <= _LARGEST and (part := response.read1(_PART)):
        data += part
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
    return bytes(data)
