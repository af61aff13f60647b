"""Connections whose bytes go through an asyncio transport: TLS, WebSocket.

The transport is filled from the engine while it takes more, and told to rest when the engine is not to be fed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from natskit.errors import Error

if TYPE_CHECKING:
    from natskit.server.connection import Client

__all__ = ["Stream", "Streams"]

HIGH_WATER = 512 * 1024
"""Bytes in the transport from which on the rest waits in the engine, where it counts as pending."""

CLOSE_S = 5.0
"""How long a closing transport has to get rid of what it holds."""

LEAVE_S = 1.0
"""The same when the server ends."""

log = logging.getLogger(__name__)


class Streams:
    """The streams of a server whose transports are open, closing ones among them."""

    def __init__(self) -> None:
        self._open: set[Stream] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, stream: Stream) -> None:
        self._open.add(stream)
        self._empty.clear()

    def discard(self, stream: Stream) -> None:
        self._open.discard(stream)
        if not self._open:
            self._empty.set()

    async def close(self) -> None:
        """Wait until clients have taken what they were told last; give up on those that do not."""
        if not await self._are_closed():
            log.debug("%d clients did not take what they were told last", len(self._open))
            for stream in tuple(self._open):
                stream.abort()
            await self._are_closed()

    async def _are_closed(self) -> bool:
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True


class Stream(asyncio.BufferedProtocol):
    """Carries bytes between a transport and the engine of a client, from when ``admit(transport)`` does not raise."""

    def __init__(
        self,
        client: Client,
        buffer: memoryview,
        streams: Streams,
        admit: Callable[[asyncio.BaseTransport], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._engine = client.engine
        self._buffer = buffer
        self._streams = streams
        self._admit = admit
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._ended = False
        self._deadline: asyncio.TimerHandle | None = None
        client.stream = self

    # from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.take_over(cast(asyncio.Transport, transport))
        try:
            self._admit(transport)
        except Error as error:
            self._engine.cut("TLS Handshake Failure", error.message)
            return
        self._client.begin()  # here, not later: what comes next may be its first bytes

    def take_over(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._streams.add(self)
        transport.set_write_buffer_limits(HIGH_WATER)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._ended:
            return
        try:
            self.receive(self._buffer[:nbytes])
        except Exception as error:  # noqa: BLE001 - a fault of ours costs this connection only
            self._client.crashed(error)

    def receive(self, data: memoryview) -> None:
        """What the peer sent, until the next read."""
        self._engine.feed(data)

    def eof_received(self) -> bool:
        self._engine.feed_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._streams.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()  # it would hold the transport, tens of KB, until then
        self._transport = None
        self._engine.cut("Read Error" if exc else "Client Closed", str(exc or ""))

    def pause_writing(self) -> None:
        self._full = True
        self._client.on_blocked(self.held + self._engine.pending)

    def resume_writing(self) -> None:
        self._full = False
        self._client.on_blocked(0)
        self.flush()
        self._engine.drained()

    # from the engine

    def flush(self) -> None:
        """Give the transport what is queued, unless it is full."""
        if self._transport is not None and not self._full and self._engine.pending:
            self._transport.write(self.wrap(self._engine.take()))

    def wrap(self, data: bytes) -> bytes:
        """What the protocol says as the transport is to carry it."""
        return data

    def read(self, wanted: bool) -> None:
        """Go on or stop reading."""
        if self._transport is None or self._transport.is_closing():
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def end(self, reason: str) -> None:
        """The connection is closed for a reason as in connz."""
        self._ended = True
        transport = self._transport
        if transport is None:
            return
        if self.is_lost(reason):
            transport.abort()
        else:
            transport.close()
            self._deadline = asyncio.get_running_loop().call_later(CLOSE_S, transport.abort)

    def abort(self) -> None:
        """Let go of the transport, whatever it holds."""
        if self._transport is not None:
            self._transport.abort()

    @staticmethod
    def is_lost(reason: str) -> bool:
        """Whether the peer takes nothing any more, and what waits for it is not to be waited for."""
        return reason.startswith(("Slow Consumer", "Write Error", "Read Error"))

    @property
    def held(self) -> int:
        """Bytes that wait in the transport."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0
