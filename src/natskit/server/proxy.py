"""The PROXY protocol: a load balancer in front of the server says where a connection really comes from.

Its header stands before everything else, as a line of text (version 1) or in binary (version 2). Nothing here reads a
socket. Source: haproxy's proxy-protocol.txt, spec/server-protocol.md section 22.
"""

from __future__ import annotations

import ipaddress

from msgspec import Struct

from natskit.errors import ProtocolError

__all__ = ["MAX_HEADER", "Origin", "read_header"]

WORD = b"PROXY "
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_LINE = 107
FIXED = len(SIGNATURE) + 4
"""Signature, version with command, family with transport, length of what follows."""

MAX_HEADER = FIXED + 0xFFFF

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WIDTHS = {0x11: 4, 0x21: 16}
"""Bytes of an address, by family and transport."""


class Origin(Struct, frozen=True):
    """Where a connection comes from, and how many bytes said so. ``host`` empty: where the socket says."""

    size: int
    host: str = ""
    port: int = 0


def read_header(data: bytes) -> Origin | None:
    """The header that ``data`` begins with; size 0: there is none; None: more bytes are needed to tell.

    Raises ProtocolError if it begins like a header and is none.
    """
    if _begins(data, WORD):
        return _read_line(data)
    if _begins(data, SIGNATURE[: len(WORD)]):
        return _read_binary(data)
    return Origin(0)


def _begins(data: bytes, start: bytes) -> bool:
    """Whether what is there of ``data`` may begin like that."""
    return data[: len(start)] == start[: len(data)]


# ---- version 1 -----------------------------------------------------------------------------------


def _read_line(data: bytes) -> Origin | None:
    end = data.find(b"\n", 0, MAX_LINE)
    if end < 0:
        if len(data) >= MAX_LINE:
            raise ProtocolError("the line of a PROXY header is too long")
        return None
    line, size = data[: end + 1], end + 1
    if not line.endswith(b"\r\n"):
        raise ProtocolError("the line of a PROXY header does not end in CR LF")
    words = line[:-2].decode("ascii", "replace").split()
    if words[1:2] == ["UNKNOWN"]:
        return Origin(size)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ProtocolError(f"a PROXY header is not like this: {' '.join(words)!r}")
    host, port = _address(words[2], words[1]), _port(words[4])
    _address(words[3], words[1])
    _port(words[5])
    return Origin(size, host, port)


def _address(text: str, family: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ProtocolError(f"{text!r} in a PROXY header is no address") from None
    if address.version != int(family[-1]) or "%" in text:
        raise ProtocolError(f"{text!r} in a PROXY header is no address of {family}")
    return _shown(address)


def _shown(address: Address) -> str:
    """An IPv4 address in the clothes of IPv6 is one all the same, to whoever compares it."""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 0xFFFF):
        raise ProtocolError(f"{text!r} in a PROXY header is no port")
    return int(text)


# ---- version 2 -----------------------------------------------------------------------------------


def _read_binary(data: bytes) -> Origin | None:
    if not _begins(data, SIGNATURE):
        # Blank lines are no header; the client's parser judges them.
        if data[4:6] == SIGNATURE[4:6]:
            raise ProtocolError("a PROXY header has another signature")
        return Origin(0)
    if len(data) < FIXED:
        return None
    version, command = divmod(data[12], 16)
    if version != 2 or command > 1:
        raise ProtocolError(f"a PROXY header has version {version} and command {command}: known are 2, 0 and 1")
    size = FIXED + int.from_bytes(data[14:16], "big")
    if len(data) < size:
        return None
    if command == 0:  # LOCAL: a health check of the proxy itself
        return Origin(size)
    if data[13] not in _WIDTHS:
        raise ProtocolError(f"a PROXY header has family and transport {data[13]:#04x}: only TCP is served")
    width = _WIDTHS[data[13]]
    if size - FIXED < 2 * width + 4:
        raise ProtocolError(f"the addresses of a PROXY header have {size - FIXED} bytes, too few")
    port = int.from_bytes(data[FIXED + 2 * width : FIXED + 2 * width + 2], "big")
    return Origin(size, _shown(ipaddress.ip_address(data[FIXED : FIXED + width])), port)
