DATA: int
DEFLATED: int
PING: int
CLOSE: int
FAULT: int

class FrameDecoder:
    """Reads the frames of a WebSocket client.

    ``masked``: its frames must be masked, else they must not; ``deflate``: messages may be compressed, each up to
    ``max_deflated`` bytes before it is inflated. Plain messages have no limit: their payload is passed on as it comes.
    Source: RFC 6455 section 5, RFC 7692 section 6.
    """

    max_deflated: int
    def __init__(self, *, masked: bool = True, deflate: bool = False, max_deflated: int = 64 << 20) -> None: ...
    @property
    def held_bytes(self) -> int:
        """What is kept of frames and messages that are not complete."""
    def feed(self, data: bytearray | memoryview) -> list[tuple[int, bytes | memoryview]]:
        """What came, in order; ``data`` is written over.

        DATA: payload, a piece of ``data``; DEFLATED: a whole compressed message; PING: the payload to answer with;
        CLOSE: the payload of a close frame; FAULT: what is wrong, as ASCII text. After the last two nothing is read any
        more. PONG is passed over.
        """
