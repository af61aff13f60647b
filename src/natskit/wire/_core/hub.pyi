from collections.abc import Callable

from natskit.wire._core.connection import Connection
from natskit.wire._core.output import Outbox

class Hub(Outbox):
    """All plain connections of one server behind one pollable descriptor.

    Watch ``fileno()`` for reading and call ``run()`` when it is readable: every ready connection is read once
    and what they caused is flushed. ``on_crash(connection, error)`` is told of errors raised by a session; the
    connection is cut. ``later(seconds, call)`` is a timer; without one, publishers are never held back.
    """

    on_crash: Callable[[Connection, Exception], object] | None
    def __init__(
        self,
        wake: Callable[[], object] | None = None,
        on_crash: Callable[[Connection, Exception], object] | None = None,
        later: Callable[[float, Callable[[], object]], object] | None = None,
    ) -> None: ...
    def fileno(self) -> int: ...
    def attach(self, connection: Connection, fd: int) -> None:
        """Read and write ``fd`` (non-blocking socket) for this connection; it is closed with the connection."""
    def adopt(self, connection: Connection) -> None:
        """Somebody else carries its bytes, with ``feed`` and ``take``: tell the session when to read and when not."""
    def run(self) -> int:
        """Serve what is ready now; return how many events there were."""
    def go_on(self) -> None:
        """Read the publishers again that were held back for receivers which are behind."""
    def close(self) -> None: ...
