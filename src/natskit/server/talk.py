"""The protocol in the log (``trace``): lines and payloads of clients, secrets left out, and what the server publishes.

Source: spec/server-config.md section 8.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from natskit.server.logs import TRACE
from natskit.wire import quote

if TYPE_CHECKING:
    from natskit.server.auth import Peer
    from natskit.server.options import Logging

__all__ = ["is_logged", "log_line", "log_own", "log_payload"]

log = logging.getLogger(__name__)

_SECRET = re.compile(rb'("(?:pass|auth_token|jwt|sig|proxy_sig)"\s*:\s*)"(?:[^"\\]|\\.)*"', re.IGNORECASE)
_TOLD = re.compile(rb"(?:\+(OK)|(PING)|(PONG)|(-ERR) '(.*)')\r\n", re.DOTALL)


def is_logged(options: Logging) -> bool:
    """Whether what clients say is logged."""
    return options.trace and log.isEnabledFor(TRACE)


def log_line(peer: Peer, direction: str, text: bytes) -> None:
    """A line of the protocol. INFO, and what comes with a payload without being a message, is not worth it."""
    if text.startswith(b"CONNECT "):
        text = _SECRET.sub(rb'\1"[REDACTED]"', text)
    elif text.endswith(b"\r\n"):
        told = _TOLD.fullmatch(text)
        if told is None:
            return
        text = b" ".join(filter(None, told.groups()))
    log.log(TRACE, "%s - %s [%s]", peer, direction, text.decode("utf-8", "backslashreplace"))


def log_payload(peer: Peer | str, direction: str, payload: bytes, header_size: int, options: Logging) -> None:
    """What a message carries, cut to the length that is wanted; only its headers, if that is what is wanted."""
    shown = payload[:header_size].removesuffix(b"\r\n\r\n") if options.trace_headers else payload
    most = options.max_traced_msg_len
    if not shown:
        return
    text = quote(shown[:most] if most else shown).decode("utf-8", "backslashreplace")
    if most and len(shown) > most:
        text = text[:-1] + '..."'
    log.log(TRACE, "%s - %s MSG_PAYLOAD: [%s]", peer, direction, text)


def log_own(subject: str, payload: bytes, options: Logging) -> None:
    """What the server itself publishes (``trace_verbose``)."""
    log.log(TRACE, "SYSTEM - <<- [PUB %s  %d]", subject, len(payload))
    log_payload("SYSTEM", "<<-", payload, 0, options)
