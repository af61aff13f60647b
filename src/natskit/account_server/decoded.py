"""A token for people to read: what ``?decode=true`` answers.

Header, claims and signature, indented by four, members in alphabetical order; moments with their dates; the activation
tokens of imports decoded in place. Source: spec/account-server.md section 1.7.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from natskit.errors import Error, InvalidToken
from natskit.jwt import ActivationClaims, decode
from natskit.jwt.chunks import Chunks, b64_decode, read_json

__all__ = ["decoded"]

_MOMENT = re.compile(r'^( *"(?:iat|exp|nbf)": (\d{1,11}))(,?)$', re.MULTILINE)


def decoded(token: bytes) -> str:
    """The text for a token that was verified before. Raises InvalidToken."""
    header, _, signature = token.decode("ascii", "replace").split(".")
    claims = read_json(Chunks(token).payload)
    body = claims.get("nats")
    imports = body.get("imports") if isinstance(body, dict) else None
    for each in imports if isinstance(imports, list) else ():
        if isinstance(each, dict) and isinstance(each.get("token"), str) and each["token"]:
            each["token"] = _activation(each["token"])
    try:
        parts = [_indented(read_json(b64_decode(header.encode()))), _dated(_indented(claims)), signature]
    except RecursionError:
        raise InvalidToken("the claims are nested too deeply to be shown") from None
    return "\n\r\n".join(parts)


def _activation(token: str) -> Any:
    try:
        decode(token, ActivationClaims)
        return read_json(Chunks(token).payload)
    except Error as error:
        return f"<bad token - {error}>"


def _indented(value: object) -> str:
    return json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False)


def _dated(text: str) -> str:
    return _MOMENT.sub(lambda match: f"{match[1]} ({_date(int(match[2]))}){match[3]}", text)


def _date(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
