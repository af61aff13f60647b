"""A client behind frames.

Source: spec/server-protocol.md section 20, "Framing".
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
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

TURN_BYTES = 1 << 20
"""After so many bytes were inflated for one client it is the others' turn."""

EVENT_BYTES = 2048
"""A frame counts as so many, small as it may be."""

STRANGER_BYTES = 64 * 1024
"""A compressed message of a client that has not logged in may have so many bytes when it is inflated."""


class WebSocketStream(Stream):
    """Takes frames apart for the engine of a client, and puts what it says into frames."""

    def __init__(self, door: WebSocketDoor, client: Client, agreed: Upgrade) -> None:
        super().__init__(client, door.buffer, door.server.streams)
        self._door = door
        self._decoder = FrameDecoder(masked=agreed.masked, deflate=agreed.deflate)
        self._framer = Framer(agreed, door.deflater)
        self._pong: bytes | None = None
        self._farewell: bytes | None = None
        self._wanted = True
        self._later: deque[tuple[int, bytes | memoryview]] = deque()
        self._turn: asyncio.Handle | None = None

    def take_over(self, transport: asyncio.Transport) -> None:
        """Go on with a transport whose handshake is done."""
        super().take_over(transport)
        transport.set_protocol(self)

    # from the transport

    def receive(self, data: memoryview) -> None:
        self._decoder.max_deflated = min(DEFLATED_PER_PAYLOAD * self._max_payload, MAX_DEFLATED)
        events = deque(self._decoder.feed(data))
        if not self._later:
            self._deal_with(events)
        self._later.extend((kind, bytes(payload)) for kind, payload in events)
        self._wait()

    def _deal_with(self, events: deque[tuple[int, bytes | memoryview]]) -> None:
        """Deal with what came, as long as the engine wants more of it and it is the client's turn."""
        spent = 0
        while events and self._wanted and spent <= TURN_BYTES:
            kind, payload = events.popleft()
            spent += EVENT_BYTES
            if kind == DATA:
                self._engine.feed(payload)
            elif kind == PING:
                self._answer(bytes(payload))
            else:
                spent += self._on_message(kind, bytes(payload))
            if self._ended or self._farewell is not None:
                events.clear()

    def _wait(self) -> None:
        """What was not dealt with waits as it came, since a little may inflate to a lot."""
        if not self._later:
            return
        super().read(False)
        if self._wanted and self._turn is None:
            self._turn = self._door.server.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Deal with what waits."""
        self._turn = None
        if self._ended:
            self._later.clear()
            return
        try:
            self._deal_with(self._later)
        except Exception as error:  # noqa: BLE001 - a fault of ours costs this connection only
            self._client.crashed(error)
        self.read(self._wanted)

    def read(self, wanted: bool) -> None:
        self._wanted = wanted
        if self._later:
            self._wait()
        else:
            super().read(wanted)

    @property
    def _max_payload(self) -> int:
        limit = self._engine.max_payload
        limit = limit if limit >= 0 else MAX_DEFLATED
        return min(limit, STRANGER_BYTES) if self._client.admission is None else limit

    def _on_message(self, kind: int, payload: bytes) -> int:
        """A compressed message, a close frame, or a fault. Returns how many bytes were inflated."""
        try:
            if kind == DEFLATED:
                plain = inflate(payload, self._max_payload)
                self._engine.feed(plain)
                return len(plain)
            if kind == CLOSE:
                self._farewell = reply_to_close(payload)
                self._engine.close("Client Closed")
            else:
                raise ProtocolError(payload.decode())
        except ProtocolError as error:
            log.error("%s - read error: %s", self._client.peer, error.message)
            self._engine.cut("Read Error", error.message)
        return 0

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
