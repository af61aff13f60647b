"""A listening socket: accepts on the event loop, hands sockets on."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from natskit.errors import ServerError

log = logging.getLogger(__name__)

BACKLOG = 4096
ACCEPTS_PER_TURN = 64
RETRY_S = 0.5
"""How long accepting rests when the process has no descriptor left."""

ANY = ("0.0.0.0", "::")  # noqa: S104 - looked for
MAPPED = "::ffff:"
"""Before the IPv4 address of who came to a socket for both."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """Listens on one address; ``accepted(socket, (host, port))`` gets non-blocking sockets.

    ``port`` 0 or -1 takes any free one; :attr:`port` is the real one after :meth:`start`.
    """

    def __init__(self, host: str, port: int, accepted: Callable[[socket.socket, tuple[str, int]], None]) -> None:
        self.host = host
        self.port = port
        self._accepted = accepted
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind and listen. Raises: ServerError if the address cannot be had."""
        self._socket = bind(self.host, self.port)
        self._socket.listen(BACKLOG)
        self.port = self._socket.getsockname()[1]
        self._loop = loop
        loop.add_reader(self._socket.fileno(), self._accept)

    def stop(self) -> None:
        """Refuse new connections from now on. Idempotent."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _accept(self) -> None:
        listening = self._socket
        for _ in range(ACCEPTS_PER_TURN):
            if listening is None:
                return
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            accepted.setblocking(False)
            self._accepted(accepted, (address[0].removeprefix(MAPPED), address[1]))

    def _rest(self, error: OSError) -> None:
        """Out of descriptors: wait for some to be closed instead of spinning."""
        log.error("accepting a connection failed: %s", error.strerror)
        if error.errno in _EXHAUSTED and self._loop is not None and self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.call_later(RETRY_S, self._resume)

    def _resume(self) -> None:
        if self._socket is not None and self._loop is not None:
            self._loop.add_reader(self._socket.fileno(), self._accept)


def _name(host: str) -> str | bytes:
    """The host as the system is asked for it. Plain names need not go through (and load) the tables of IDNA."""
    return host.encode("ascii") if host.isascii() else host


def bracketed(host: str) -> str:
    """The host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def bind(host: str, port: int, what: str = "") -> socket.socket:
    """A non-blocking socket with that address; 0 or -1: any free port. One for any address takes IPv4 and IPv6.

    Raises ServerError if it cannot be had; ``what`` says what it was for.
    """
    port = max(port, 0)
    both = host in ANY and socket.has_dualstack_ipv6()
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            "::" if both else _name(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServerError(f"cannot listen on {what}{host}:{port}: {error.strerror}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if both:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ServerError(
            f"cannot listen on {what}{host}:{port}: {error.strerror}",
            hint="choose another port, or -1 for any free one",
        ) from error
    bound.setblocking(False)
    return bound
