from collections.abc import Callable

class Outbox:
    """What connections of one server share for output: the list of those to flush and a pool of buffers.

    ``wake`` is called (once) when something is queued outside of a round, so that the owner can call
    :meth:`flush` soon.
    """

    wake: Callable[[], object] | None
    def __init__(self, wake: Callable[[], object] | None = None) -> None: ...
    def flush(self) -> None:
        """Send what is queued, one system call per receiver."""

class Output:
    """Bytes on their way to one peer, in order, at most ``max_pending`` of them."""

    max_pending: int
    def write(self, data: bytes) -> None:
        """Queue protocol bytes."""
    def take(self) -> bytes:
        """Remove and return everything queued; for connections without a descriptor."""
    @property
    def pending(self) -> int: ...
    @property
    def out_messages(self) -> int: ...
    @property
    def out_bytes(self) -> int: ...
    @property
    def stalled(self) -> int:
        """How often publishers had to wait for it."""
    @property
    def sent_bytes(self) -> int:
        """All that the descriptor took."""
    @property
    def fd(self) -> int: ...
