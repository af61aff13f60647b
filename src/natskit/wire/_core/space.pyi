from collections.abc import Callable, Sequence

from natskit.wire._core.index import Entry, Subscription

class Link(Entry):
    """An import: what is published in the exporter's space under ``subject`` also reaches ``target``."""

    @property
    def target(self) -> Space: ...

class Internal(Entry):
    """A subscription of the server itself."""

    @property
    def callback(self) -> object: ...

class Space:
    """The subjects of one account: who listens to what, and the routes computed from it."""

    name: str
    traces: bool
    """Whether W3C trace headers (``traceparent``) are worth telling sessions of."""
    system: bool
    """Whether this is the system account, which may publish on ``$NRG.>``."""
    def __init__(self, name: str = "") -> None: ...
    def link(self, pattern: bytes, target: Space, transform: Callable[[bytes], bytes | None]) -> Link:
        """Deliver what is published here and matches ``pattern`` to the subscribers of ``target`` under
        ``transform(subject)`` (None: not delivered) too. Links do not chain. Queue groups of one name are one
        group across both spaces."""
    def unlink(self, link: Link) -> None: ...
    def subscribe_internal(
        self,
        pattern: bytes,
        callback: Callable[[bytes, bytes, bytes, bytes, object], object],
        *,
        imports: bool = True,
    ) -> Internal:
        """Call ``callback(subject, reply, headers, payload, publisher)`` for every message; ``publisher`` is a
        Connection, or None for the server itself. Returning False means: not accepted (no responder).
        ``imports``: also for what links bring from other spaces."""
    def unsubscribe_internal(self, handle: Internal) -> None: ...
    def publish_internal(
        self,
        subject: bytes,
        reply: bytes = b"",
        headers: bytes = b"",
        payload: bytes = b"",
        *,
        links: bool = True,
        event: bool = False,
        trace: object = None,
    ) -> int:
        """Publish as the server; return the number of deliveries. ``headers`` is a whole header block or empty.
        Without ``links`` the message stays in this space. ``event``: the server speaks for itself; mappings do not
        count then, and with an empty reply there are two blanks before the size, as nats-server writes it. ``trace``:
        is told who receives it (`natskit.wire.session.Trace`)."""
    def map_subjects(self, mapper: Callable[[bytes], Sequence[tuple[int, bytes]] | None] | None) -> None:
        """Set the mapping of published subjects: ``mapper(subject)`` returns None (as it is), or choices
        ``(weight, subject)`` of which one is taken at random per message; an empty subject drops the message."""
    def invalidate(self) -> None:
        """Forget all routes (permissions or mappings changed)."""
    def matches(self, subject: bytes) -> list[Entry]: ...
    def has_interest(self, subject: bytes) -> bool:
        """Would a publish reach anybody, here or through a link?"""
    def subscriptions(self) -> list[Subscription]: ...
    @property
    def subscription_count(self) -> int: ...
    @property
    def cached_routes(self) -> int: ...
    @property
    def lookups(self) -> tuple[int, int, int]:
        """Entries inserted and removed so far, and searches for routes that were not known."""
    def fanouts(self) -> list[int]:
        """How many deliveries each cached route makes."""
    @property
    def in_messages(self) -> int: ...
    @property
    def in_bytes(self) -> int: ...
    @property
    def out_messages(self) -> int: ...
    @property
    def out_bytes(self) -> int: ...
