"""Tokens from where people keep them: a file, a URL, or typed as they are."""

from __future__ import annotations

from natskit.errors import InvalidToken, NotFound, StoreError

from .files import read_text

__all__ = ["fetch", "is_url", "load_token", "post"]

_TIMEOUT_S = 5
_LARGEST = 1 << 20


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
    data = _open(url, None)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidToken(f'error reading response from "{url}": it is not text') from None


def post(url: str, token: str) -> None:
    """Send a token to a server. Raises StoreError if it does not take it."""
    _open(url, token.encode())


def _open(url: str, body: bytes | None) -> bytes:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "natskit", "Accept": "application/jwt, text/plain"}
    if body is not None:
        headers["Content-Type"] = "application/jwt"
    request = Request(url, body, headers)  # noqa: S310 - callers allow http and https only
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            if response.status != 200:
                raise StoreError(f'error reading response from "{url}": {response.status}')
            data: bytes = response.read(_LARGEST + 1)
    except HTTPError as error:
        raise StoreError(f'error reading response from "{url}": {error.code} {error.reason}') from None
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(f'error loading "{url}": {getattr(error, "reason", None) or error}') from None
    if len(data) > _LARGEST:
        raise InvalidToken(f'error reading response from "{url}": more than {_LARGEST} bytes is no token')
    return data
