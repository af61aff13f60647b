"""Tokens from where people keep them: a file, a URL, or typed as they are."""

from __future__ import annotations

from natskit.errors import InvalidToken, NotFound, StoreError

from .files import read_text

__all__ = ["fetch", "fetch_operator", "is_url", "load_token", "post", "request"]


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
            pass  # an older server, without version 2: what it has is asked for below, and names the fault
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
    from . import web

    return web.request(url, body)
