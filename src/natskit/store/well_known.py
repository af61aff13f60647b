"""Operators that are known by a name: ``NSC_<NAME>_OPERATOR`` in the environment, and one that is built in."""

from __future__ import annotations

import os
from collections.abc import Mapping

from natskit.errors import NotFound

from .tokens import fetch_operator, is_url, load_token

__all__ = ["load_operator", "operator_url", "well_known_operators"]

_BUILT_IN = {"synadia": "https://api.synadia.io/jwt/v1/operator"}


def well_known_operators(environ: Mapping[str, str]) -> dict[str, str]:
    """The URLs of tokens of well-known operators, by name."""
    found = dict(_BUILT_IN)
    for variable, url in environ.items():
        name = variable[4:-9]
        if variable.upper() == f"NSC_{name}_OPERATOR".upper() and name and url:
            found[name] = url
    return found


def operator_url(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """The URL of the token of the well-known operator ``name`` (any case) and how it is spelt. Raises NotFound."""
    for spelling, url in well_known_operators(environ).items():
        if spelling.lower() == name.lower():
            return url, spelling
    raise NotFound(f'operator "{name}" was not found', hint=f"set NSC_{name.upper()}_OPERATOR to the URL of its JWT")


def load_operator(environ: Mapping[str, str], source: str, path: str) -> tuple[str, str]:
    """An operator's token, and the name under which it is well known (empty: it is not).

    ``source`` is a URL, a well-known name, a file (``path``: the same made absolute) or the token itself.
    Raises NotFound, StoreError, InvalidToken.
    """
    if is_url(source):
        return fetch_operator(source), _name_for_url(environ, source)
    if not os.path.exists(path):
        try:
            url, name = operator_url(environ, source)
        except NotFound:
            return load_token(source, path), ""
        return fetch_operator(url), name
    return load_token(source, path), ""


def _name_for_url(environ: Mapping[str, str], url: str) -> str:
    """The name of the well-known operator on the host of ``url``, empty if there is none."""
    from urllib.parse import urlsplit

    host = urlsplit(url).netloc.lower()
    names = (name for name, known in well_known_operators(environ).items() if urlsplit(known).netloc.lower() == host)
    return next(names, "") if host else ""
