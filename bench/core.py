"""What the compiled core takes for a message, without sockets: each kind of line, per message, CPU time.

    python -m bench.core [--count N]

One connection publishes blocks of lines, another one subscribes and its bytes go nowhere.
"""

from __future__ import annotations

import argparse
import statistics
import time

from natskit.wire import Connection, Outbox, Space

BLOCK_BYTES = 32 * 1024
TRACE = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
HEADERS = b"NATS/1.0\r\nNats-Msg-Id: 0123456789abcdef\r\n"


def line(subject: bytes, headers: bytes, payload: bytes, reply: bytes = b"") -> bytes:
    """PUB, or with headers HPUB."""
    if not headers:
        return b"PUB %b %b%d\r\n%b\r\n" % (subject, reply, len(payload), payload)
    block = headers + b"\r\n"
    total = len(block) + len(payload)
    return b"HPUB %b %b%d %d\r\n%b%b\r\n" % (subject, reply, len(block), total, block, payload)


def cases() -> dict[str, tuple[bytes, bool]]:
    """Lines by name, and whether the receiver takes headers. Those with the same size in bytes cost the same copy."""
    body = b"x" * 128
    as_large = body + b"x" * (len(HEADERS) + 2)
    return {
        "PUB 128": (line(b"bench.a", b"", body), True),
        "PUB of the size of the next": (line(b"bench.a", b"", as_large), True),
        "HPUB 128": (line(b"bench.a", HEADERS, body), True),
        "HPUB with traceparent": (line(b"bench.a", HEADERS + TRACE, body), True),
        "HPUB with a reply": (line(b"bench.a", HEADERS, body, b"_INBOX.abcdef "), True),
        "HPUB to one without headers": (line(b"bench.a", HEADERS, body), False),
        "HPUB on two subjects": (line(b"bench.a", HEADERS, body) + line(b"bench.b", HEADERS, body), True),
    }


class Silent:
    """A session that is told only that output waits."""

    def on_output(self) -> None:
        """The output is taken in the end anyway."""


class Pair:
    """A publisher and a subscriber of everything."""

    def __init__(self, block: bytes, count: int, headers: bool) -> None:
        outbox, space = Outbox(), Space()
        self.publisher, self.subscriber = (Connection(outbox, Silent()) for _ in range(2))
        for each in (self.publisher, self.subscriber):
            each.welcome(space)
            each.verbose = each.pedantic = False
        self.publisher.headers = True
        self.subscriber.headers = headers
        self.subscriber.feed(b"SUB bench.* 1\r\n")
        self.block, self.messages = block, count

    def run(self, count: int) -> float:
        """CPU time of about ``count`` messages, in ns each."""
        rounds = max(1, count // self.messages)
        before = self.subscriber.out_messages
        start = time.process_time_ns()
        for _ in range(rounds):
            self.publisher.feed(self.block)
            self.subscriber.take()
        took = time.process_time_ns() - start
        assert self.subscriber.out_messages - before == rounds * self.messages
        return took / (rounds * self.messages)


def main(argv: list[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="messages of each run")
    parser.add_argument("--runs", type=int, default=7, help="of each kind, in turns")
    options = parser.parse_args(argv)
    pairs = {}
    for name, (lines, headers) in cases().items():
        repeat = BLOCK_BYTES // len(lines)
        pairs[name] = Pair(lines * repeat, repeat * (1 + name.endswith("two subjects")), headers)
    times: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(options.runs):
        for name, pair in pairs.items():
            times[name].append(pair.run(options.count))
    for name, each in times.items():
        print(f"{name:30}{statistics.median(each):8.1f} ns ({min(each):.1f} to {max(each):.1f})")


if __name__ == "__main__":
    main()
