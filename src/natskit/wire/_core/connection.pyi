from natskit.wire._core.index import Subscription
from natskit.wire._core.output import Outbox, Output
from natskit.wire._core.space import Space
from natskit.wire._core.verdict import Verdicts

class Connection(Output):
    """One peer: parses what it sends, routes it, and queues what it is to receive. Opens no socket.

    ``session`` is a :class:`natskit.wire.session.Session`. A new connection is AWAITING: only CONNECT is
    understood. A negative ``max_payload`` means unlimited, as does 0 or less for the other limits.
    """

    session: object
    max_control_line: int
    max_payload: int
    max_subscriptions: int
    max_subscription_tokens: int
    verbose: bool
    pedantic: bool
    no_responders: bool
    echo: bool
    talks: bool
    """Whether the session is told of all lines and payloads; that makes everything slow."""
    headers: bool
    def __init__(
        self,
        outbox: Outbox,
        session: object,
        *,
        max_control_line: int = 4096,
        max_payload: int = 1 << 20,
        max_pending: int = 64 << 20,
        max_subscriptions: int = 0,
        max_subscription_tokens: int = 0,
        stalls: bool = True,
    ) -> None: ...
    @property
    def state(self) -> int: ...
    @property
    def closing(self) -> bool:
        """Whether it is to end, or has."""
    @property
    def space(self) -> Space | None: ...
    def welcome(self, space: Space | None = None, *, anonymous: bool = False) -> None:
        """Let the peer in before CONNECT: at once into ``space`` (no authentication), or, ``anonymous``,
        after ``session.on_connect(None)`` when its first verb is not CONNECT."""
    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Parse input. What it causes waits in the outputs of the receivers, flushed before this returns."""
    def feed_eof(self) -> None:
        """The peer will send no more: queued answers are flushed, then the connection is closed."""
    def admit(
        self,
        space: Space,
        *,
        publish: Verdicts | None = None,
        subscribe: Verdicts | None = None,
        checks_deliver: bool = False,
        tracks_replies: bool = False,
    ) -> None:
        """The peer is who it says: from now on it lives in ``space``. Ends the hold of ``on_connect``; goes on with
        input that was held. Also used again later to replace permissions (same space): subscriptions stay."""
    def close(self, reason: str, error: str = "", cause: str = "") -> None:
        """Send ``-ERR 'error'`` (if any) and everything queued, then close. Idempotent."""
    def cut(self, reason: str, cause: str = "") -> None:
        """Close now; what is queued is lost. Idempotent."""
    def error(self, text: str) -> None:
        """Queue ``-ERR 'text'``; the connection stays."""
    def pause(self) -> None:
        """Stop reading and parsing until :meth:`resume`."""
    def resume(self) -> None: ...
    def subscriptions(self) -> list[Subscription]:
        """What it listens to; once it is closing, and up to the end of ``on_close``, what it listened to until then."""
    def revoke(self, sid: bytes) -> bool:
        """Remove a subscription, telling the peer and the log that it is a permissions violation now; False if there is
        none."""
    @property
    def subscription_count(self) -> int: ...
    @property
    def in_messages(self) -> int: ...
    @property
    def in_bytes(self) -> int: ...
    @property
    def pings_outstanding(self) -> int: ...
    def ping(self) -> int:
        """Queue PING; return how many are outstanding now."""
    @property
    def held_bytes(self) -> int:
        """Input that waits for its rest, or for the verdict on CONNECT."""
    def drained(self) -> None:
        """What :meth:`take` returned has been passed on; ends a connection that is closing."""
    @property
    def spoken(self) -> int:
        """How many messages, subscriptions, ends of such and PINGs came from it."""
    @property
    def last_activity(self) -> int:
        """When the peer last sent anything, in ns of the monotonic clock; 0: never."""
    @property
    def last_delivery(self) -> int:
        """When messages last went to the peer; likewise."""
