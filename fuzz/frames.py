"""The decoder of WebSocket frames, fed with frames that are almost right.

Holds if whole, in pieces and byte by byte come to the same, if nothing comes after a fault, and if nothing is held
beyond the limits.
"""

from __future__ import annotations

from random import Random

from natskit.wire.frames import DATA, FAULT, FrameDecoder

LIMIT = 2000
HEAD, CONTROL = 14, 125


def frame(random: Random, payload: bytes, opcode: int, *, masked: bool) -> bytes:
    """Now and then with bits that do not belong there, or a length in more bytes than it takes."""
    fin = 0x80 if random.random() < 0.8 else 0
    rsv = random.choice([0, 0, 0, 0, 0x40, 0x40, 0x20])
    size = len(payload)
    extra = random.choice([0, 2, 8]) if size < 126 else 2 if size < 1 << 16 else 8
    short = {0: size, 2: 126, 8: 127}[extra]
    head = bytes([fin | rsv | opcode, masked << 7 | short]) + (size.to_bytes(extra, "big") if extra else b"")
    if not masked:
        return head + payload
    key = random.randbytes(4)
    keys = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(payload, "big") ^ keys).to_bytes(size, "big")


def stream(random: Random, masked: bool) -> bytes:
    """Some frames, now and then with a byte changed, lost or added."""
    frames = []
    for _ in range(random.randrange(1, 12)):
        size = random.choice([0, 1, 4, 7, 8, 9, 30, 125, 126, 300, LIMIT, 66_000])
        opcode = random.choice([0, 0, 1, 2, 2, 2, 2, 8, 9, 9, 10, random.randrange(16)])
        flips = random.random() < 0.02
        frames.append(frame(random, random.randbytes(size), opcode, masked=masked is not flips))
    data = bytearray(b"".join(frames))
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        at = random.randrange(len(data))
        data[at : at + 1] = random.choice([b"", bytes([random.randrange(256)]), random.randbytes(3)])
    return bytes(data)


def fed(data: bytes, cuts: list[int], masked: bool, deflate: bool) -> list[tuple[int, bytes]]:
    """What comes of the input, fed in pieces; neighbouring pieces of data as one."""
    decoder = FrameDecoder(masked=masked, deflate=deflate, max_deflated=LIMIT)
    events: list[tuple[int, bytes]] = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        for kind, payload in decoder.feed(bytearray(data[begin:end])):
            if kind == DATA and events and events[-1][0] == DATA:
                events[-1] = (DATA, events[-1][1] + bytes(payload))
            else:
                events.append((kind, bytes(payload)))
        assert decoder.held_bytes <= LIMIT + CONTROL + HEAD, decoder.held_bytes
        assert FAULT not in [kind for kind, _ in events[:-1]], events
    return events


def one(random: Random) -> None:
    """One stream, taken in every way."""
    masked, deflate = random.random() < 0.8, random.random() < 0.5
    data = stream(random, masked)
    whole = fed(data, [], masked, deflate)
    cuts = sorted(random.sample(range(len(data)), min(len(data), random.randrange(6))))
    assert fed(data, cuts, masked, deflate) == whole, (data, cuts)
    short = data[:3000]
    assert fed(short, list(range(1, len(short))), masked, deflate) == fed(short, [], masked, deflate), short
