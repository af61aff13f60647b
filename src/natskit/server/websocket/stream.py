"""A client behind frames.

Source: spec/server-protocol.md section 20, "Framing".
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from natskit.errors import ProtocolError
from natskit.server.stream import Stream
from natskit.server.websocket.frames import Framer, close_frame, close_of, inflate, pong_frame, reply_to_close
from natskit.wire.frames import CLOSE, DATA, DEFLATED, PING, FrameDecoder

if TYPE_CHECKING:
    from natskit.server.connection import Client
    from natskit.server.websocket.door import WebSocketDoor
    from natskit.server.websocket.handshake import Upgrade

__all__ = ["WebSocketStream"]

log = logging.getLogger(__name__)

MAX_DEFLATED = 64 << 20
DEFLATED_PER_PAYLOAD = 8
"""A compressed message may have so many times the bytes of the largest payload, up to `MAX_DEFLATED`."""


class WebSocketStream(Stream):
    """Takes frames apart for the engine of a client, and puts what it says into frames."""

    def __init__(self, door: WebSocketDoor, client: Client, agreed: Upgrade) -> None:
        super().__init__(client, door.buffer)
        self._door = door
        self._decoder = FrameDecoder(masked=agreed.masked, deflate=agreed.deflate)
        self._framer = Framer(agreed, door.deflater)
        self._pong: bytes | None = None
        self._farewell: bytes | None = None

    def take_over(self, transport: asyncio.Transport) -> None:
        """Go on with a transport whose handshake is done."""
        super().take_over(transport)
        self._door.entered(self)
        transport.set_protocol(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.left(self)
        super().connection_lost(exc)

    # from the transport

    def receive(self, data: memoryview) -> None:
        self._decoder.max_deflated = min(DEFLATED_PER_PAYLOAD * self._max_payload, MAX_DEFLATED)
        for kind, payload in self._decoder.feed(data):
            if kind == DATA:
                self._engine.feed(payload)
            elif kind == PING:
                self._answer(bytes(payload))
            else:
                self._on_message(kind, bytes(payload))
            if self._ended or self._farewell is not None:
                return

    @property
    def _max_payload(self) -> int:
        limit = self._engine.max_payload
        return limit if limit >= 0 else MAX_DEFLATED

    def _on_message(self, kind: int, payload: bytes) -> None:
        """A compressed message, a close frame, or a fault."""
        try:
            if kind == DEFLATED:
                self._engine.feed(inflate(payload, self._max_payload))
            elif kind == CLOSE:
                self._farewell = reply_to_close(payload)
                self._engine.close("Client Closed")
            else:
                raise ProtocolError(payload.decode())
        except ProtocolError as error:
            log.error("%s - read error: %s", self._client.peer, error.message)
            self._engine.cut("Read Error", error.message)

    def _answer(self, payload: bytes) -> None:
        """PING came. A client that does not read gets one answer when it does, to its last one."""
        if self._full:
            self._pong = payload
        elif self._transport is not None:
            self._transport.write(pong_frame(payload))

    def resume_writing(self) -> None:
        if self._pong is not None and self._transport is not None:
            payload, self._pong = self._pong, None
            self._transport.write(pong_frame(payload))
        super().resume_writing()

    # from the engine

    def wrap(self, data: bytes) -> bytes:
        return self._framer.frames(data)

    def end(self, reason: str) -> None:
        """Say why, unless the client takes nothing any more."""
        if not (self._ended or self.is_lost(reason)) and self._transport is not None:
            self._transport.write(close_frame(close_of(reason) if self._farewell is None else self._farewell))
        super().end(reason)
