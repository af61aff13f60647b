"""The log on its way to a syslog server, here or elsewhere, in lines as nats-server writes them.

Source: spec/server-config.md section 8.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import logging.handlers
import os
import queue
import socket
import threading
import time
from urllib.parse import urlsplit

from natskit.errors import ServerError
from natskit.server.logs import text_of

__all__ = ["Aside", "local_syslog", "remote_syslog"]

TIMEOUT_S = 1.0
REST_S = 5.0
"""How long a server that failed is left alone."""

MOST_WAITING = 10_000
"""Lines that wait for a server to take them; more are lost."""

_PRIORITIES = {"CRITICAL": "crit", "ERROR": "err", "WARNING": "warning", "DEBUG": "debug"}

# The handler has an attribute of the module's name.
Connection = socket.socket
Kind = socket.SocketKind


def local_syslog() -> logging.Handler:
    """The syslog of this machine. Raises OSError."""
    return Syslog("/dev/log")


def remote_syslog(url: str) -> logging.Handler:
    """The one behind ``udp://host:port``, ``tcp://host:port`` or ``unix:///path``. Raises OSError, ServerError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 514
    except ValueError:
        raise _unknown(url) from None
    if parts.scheme == "unix":
        return Syslog(parts.path)
    kind = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}.get(parts.scheme)
    if kind is None or not host:
        raise _unknown(url)
    if kind == socket.SOCK_DGRAM:  # else the name would be looked up for every line
        host = str(socket.getaddrinfo(host, port, type=kind)[0][4][0])
    return Syslog((host, port), kind)


def _unknown(url: str) -> ServerError:
    return ServerError(f'remote syslog "{url}" must be udp://host:port, tcp://host:port or unix:///path')


class SyslogLines(logging.Formatter):
    """What follows the priority: ``TIME [HOST] nats-server[PID]: TEXT``; a ``host`` is said to other machines only."""

    def __init__(self, host: str = "") -> None:
        super().__init__()
        self.host = host

    def format(self, record: logging.LogRecord) -> str:
        if self.host:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)) + f" {self.host}"
        else:
            stamp = time.strftime("%b %e %H:%M:%S", time.localtime(record.created))
        return f"{stamp} nats-server[{os.getpid()}]: {text_of(self, record)}\n"


class Syslog(logging.handlers.SysLogHandler):
    """Sends lines to a syslog server. One that does not take them costs the line, and little time."""

    append_nul = False
    socket: Connection | None  # None: to be made again

    def __init__(self, address: str | tuple[str, int], kind: Kind | None = None) -> None:
        remote = isinstance(address, tuple)
        self._connected_to = address if isinstance(address, tuple) and kind == socket.SOCK_STREAM else None
        self._rests_until = 0.0
        super().__init__(address, self.LOG_KERN if remote else self.LOG_DAEMON, kind)
        self.setFormatter(SyslogLines(socket.gethostname() if remote else ""))

    def createSocket(self) -> None:
        if self._connected_to is None:
            super().createSocket()
            if isinstance(self.address, str) and not _is_connected(self.socket):
                raise OSError(errno.ENOTCONN, f"nobody listens on {self.address}")
        elif time.monotonic() < self._rests_until:
            raise ConnectionError("it failed a moment ago")
        else:
            self.unixsocket = False
            self.socket = socket.create_connection(self._connected_to, TIMEOUT_S)

    def mapPriority(self, levelName: str) -> str:
        return _PRIORITIES.get(levelName, "notice")

    def handleError(self, record: logging.LogRecord) -> None:
        """There is nowhere to complain; a connection is made again after a while."""
        if self._connected_to is not None:
            if self.socket is not None:
                self.socket.close()
                self._rests_until = time.monotonic() + REST_S
            self.socket = None


class Aside(logging.Handler):
    """Passes lines on in a thread of its own, so that who logs never waits for who takes them."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self.setFormatter(handler.formatter)
        self._handler = handler
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._pass_on, name="syslog", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        told = logging.makeLogRecord(record.__dict__ | {"msg": record.getMessage(), "args": None})
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(told)

    def _pass_on(self) -> None:
        while (record := self._waiting.get()) is not None:
            self._handler.handle(record)

    def close(self) -> None:
        """Wait for what is under way, for a moment."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=TIMEOUT_S)
        self._thread.join(2 * TIMEOUT_S)
        self._handler.close()
        super().close()


def _is_connected(sock: Connection | None) -> bool:
    try:
        return sock is not None and sock.getpeername() is not None
    except OSError:
        return False
