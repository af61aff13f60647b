"""WebSocket frames as a reader of RFC 6455 would take them apart: one at a time, whole ones only."""

from __future__ import annotations

from natskit.wire.frames import CLOSE, DATA, DEFLATED, FAULT, PING

TEXT, BINARY = 1, 2
CONTROL = {8: CLOSE, 9: PING, 10: None}


class Model:
    """The same answers as `FrameDecoder`, from all that was fed so far; payloads of plain messages put together."""

    def __init__(self, *, masked: bool, deflate: bool, max_deflated: int) -> None:
        self.masked, self.deflate, self.max_deflated = masked, deflate, max_deflated

    def events(self, data: bytes) -> list[tuple[int, bytes | None]]:
        """Faults are told without their text."""
        told: list[tuple[int, bytes | None]] = []
        message: bytearray | None = None
        compressed = False
        at = 0
        while at + 2 <= len(data):
            first, second = data[at], data[at + 1]
            fin, rsv1, opcode = bool(first & 0x80), bool(first & 0x40), first & 0xF
            extra = {126: 2, 127: 8}.get(second & 0x7F, 0)
            start = at + 2 + extra + (4 if second & 0x80 else 0)
            if start > len(data):
                break
            size = int.from_bytes(data[at + 2 : at + 2 + extra], "big") if extra else second & 0x7F
            is_control = opcode in CONTROL
            within = message is not None
            if (
                bool(second & 0x80) is not self.masked
                or first & 0x30
                or size >> 63
                or (is_control and (not fin or size > 125 or rsv1))
                or (opcode == 0 and (not within or rsv1))
                or (opcode in (TEXT, BINARY) and (within or (rsv1 and not self.deflate)))
                or not (is_control or opcode <= BINARY)
            ):
                return [*told, (FAULT, None)]
            if opcode in (TEXT, BINARY):
                message, compressed = bytearray(), rsv1
            if not is_control and compressed and len(message or b"") + size > self.max_deflated:
                return [*told, (FAULT, None)]
            key = data[start - 4 : start] if self.masked else bytes(4)
            payload = bytes(byte ^ key[index % 4] for index, byte in enumerate(data[start : start + size]))
            whole = len(data) - start >= size
            at = start + size
            if is_control:
                if whole and CONTROL[opcode] is not None:
                    told.append((CONTROL[opcode], payload))
                    if opcode == 8:
                        return told
                if not whole:
                    break
                continue
            assert message is not None
            message += payload
            if not compressed and payload:
                told.append((DATA, payload))
            if not whole:
                break
            if fin:
                if compressed:
                    told.append((DEFLATED, bytes(message)))
                message = None
        return told


def joined(events) -> list[tuple[int, bytes | None]]:
    """Neighbouring pieces of data as one, faults without their text."""
    out: list[tuple[int, bytes | None]] = []
    for kind, payload in events:
        if kind == DATA and out and out[-1][0] == DATA:
            out[-1] = (DATA, out[-1][1] + bytes(payload))
        else:
            out.append((kind, None if kind == FAULT else bytes(payload)))
    return out
