"""The files by which others find a running server: its process id and its ports.

Source: spec/server-config.md section 7.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from natskit.errors import ServerError

if TYPE_CHECKING:
    from natskit.server.options import Options
    from natskit.server.server import Server

__all__ = ["PortsFile", "write_pid"]


def write_pid(options: Options) -> None:
    """Write the pid file if one is wanted; it stays when the server ends. Raises ServerError."""
    if not options.pid_file:
        return
    try:
        with open(os.open(options.pid_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(str(os.getpid()))
    except OSError as error:
        raise ServerError(f"Could not write pidfile: {options.pid_file}: {error.strerror}") from None


class PortsFile:
    """``nats-server_<pid>.ports`` in ``ports_file_dir``, if one is wanted."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._path = ""

    def write(self) -> None:
        """Write it where the options want it now, and nowhere else any more. Raises ServerError."""
        folder = self._server.options.ports_file_dir
        path = os.path.join(folder, f"nats-server_{os.getpid()}.ports") if folder else ""
        if path != self._path:
            self.remove()
        if not path:
            return
        try:
            with open(path, "w", encoding="ascii") as stream:
                json.dump(_ports(self._server), stream, separators=(",", ":"))
        except OSError as error:
            raise ServerError(f"Could not write ports file {path}: {error.strerror}") from None
        self._path = path

    def remove(self) -> None:
        """Take it away. Harmless if there is none."""
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._path = ""


def _ports(server: Server) -> dict[str, list[str]]:
    """Where the server listens, by what for."""
    url = server.client_url
    found = {"nats": [url.replace("nats:", "tls:", 1) if server.options.tls is not None else url]}
    others = {"monitoring": server.monitor_url, "websocket": server.websocket_url}
    return found | {name: [url] for name, url in others.items() if url}
