"""The wire layer in plain Python: slow, obvious, and what the compiled core must agree with.

One `Model` is a set of spaces and connections. Input is parsed whole, matching looks at every subscription, nothing
is remembered between messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

VERBS = (b"PUB", b"HPUB", b"SUB", b"UNSUB", b"PING", b"PONG", b"CONNECT", b"INFO", b"+OK", b"-ERR")
FREE = (b"PING", b"PONG", b"+OK")


def valid(subject: bytes) -> bool:
    tokens = subject.split(b".")
    return all(tokens) and b">" not in tokens[:-1]


def literal(subject: bytes) -> bool:
    return valid(subject) and not {b"*", b">"} & set(subject.split(b"."))


def matches(pattern: bytes, subject: bytes) -> bool:
    want, have = pattern.split(b"."), subject.split(b".")
    if not all(have):
        return False
    for position, token in enumerate(want):
        if token == b">":
            return len(have) > position
        if position >= len(have) or token not in (b"*", have[position]):
            return False
    return len(want) == len(have)


def number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= 9 else -1


@dataclass(eq=False)
class Sub:
    owner: Connection
    subject: bytes
    queue: bytes | None
    sid: bytes
    delivered: int = 0
    max: int = 0


@dataclass(eq=False)
class Link:
    pattern: bytes
    target: Space
    transform: Callable[[bytes], bytes | None]


@dataclass(eq=False)
class Space:
    subs: list[Sub] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def receivers(self, subject: bytes) -> list[tuple[Sub, bytes, bool]]:
        """Subscriptions, the subject each sees, and whether it comes from another space."""
        found = [(sub, subject, False) for sub in self.subs if matches(sub.subject, subject)]
        for link in self.links:
            local = link.transform(subject) if matches(link.pattern, subject) else None
            if local is not None:
                found += [(sub, local, True) for sub in link.target.subs if matches(sub.subject, local)]
        return found


@dataclass(eq=False)
class Connection:
    space: Space
    max_control_line: int = 64
    max_payload: int = 64
    max_subscriptions: int = 0
    may_publish: Callable[[bytes], bool] = lambda subject: True
    may_subscribe: Callable[[bytes, bytes | None], bool] = lambda subject, queue: True
    may_deliver: Callable[[bytes, bytes | None], bool] = lambda subject, queue: True
    verbose: bool = True
    pedantic: bool = True
    headers: bool = False
    echo: bool = True
    no_responders: bool = False
    out: bytes = b""
    closed: str = ""
    subs: dict[bytes, Sub] = field(default_factory=dict)
    buffer: bytes = b""
    in_messages: int = 0
    in_bytes: int = 0
    out_messages: int = 0
    out_bytes: int = 0

    # input

    def feed(self, data: bytes) -> None:
        if self.closed:
            return
        self.buffer += data
        while self.buffer and not self.closed and self.step():
            pass

    def step(self) -> bool:
        """Do one verb; False if it is not complete."""
        upper = self.buffer[:7].upper()
        verb = next((verb for verb in VERBS if upper.startswith(verb)), None)
        if verb is None:
            if not any(verb.startswith(upper) for verb in VERBS):
                self.close("Protocol Violation", b"Unknown Protocol Operation")
            return False
        line, newline, _ = self.buffer[len(verb) :].partition(b"\n")
        if verb in FREE:
            return bool(newline) and self.free(verb, line)
        if verb not in (b"CONNECT", b"INFO") and (line or newline) and line[:1] not in (b" ", b"\t"):
            self.close("Protocol Violation", b"Unknown Protocol Operation")
            return False
        args = line.lstrip(b" \t").removesuffix(b"\r")
        if len(args) > self.max_control_line:
            self.close("Maximum Control Line Exceeded", b"maximum control line exceeded")
        if self.closed or not newline:
            return False
        return self.line(verb, args, len(verb) + len(line) + 1)

    def consume(self, size: int) -> bool:
        self.buffer = self.buffer[size:]
        return True

    def free(self, verb: bytes, line: bytes) -> bool:
        self.consume(len(verb) + len(line) + 1)
        if verb == b"PING":
            self.out += b"PONG\r\n"
        return True

    def line(self, verb: bytes, args: bytes, size: int) -> bool:
        blanks = b" \t" if verb in (b"PUB", b"HPUB") else b" \t\r"
        words = args.translate(bytes.maketrans(blanks, b" " * len(blanks))).split(b" ")
        words = [word for word in words if word]
        if verb in (b"PUB", b"HPUB"):
            return self.publish(words, 2 if verb == b"HPUB" else 1, size)
        self.consume(size)
        if verb == b"SUB":
            self.subscribe(words)
        elif verb == b"UNSUB":
            self.unsubscribe(words)
        elif verb == b"-ERR":
            self.close("Parse Error")
        return True

    def close(self, reason: str, error: bytes = b"") -> None:
        if error:
            self.error(error)
        self.closed = reason
        for sub in self.subs.values():
            self.space.subs.remove(sub)
        self.subs.clear()

    # output

    def error(self, text: bytes) -> None:
        self.out += b"-ERR '%b'\r\n" % text

    def ok(self) -> None:
        if self.verbose:
            self.out += b"+OK\r\n"

    # verbs

    def subscribe(self, words: list[bytes]) -> None:
        if len(words) not in (2, 3):
            self.close("Protocol Violation")
            return
        subject, queue, sid = words[0], words[1] if len(words) == 3 else None, words[-1]
        if queue == b"_sys_" or not self.may_subscribe(subject, queue):
            using = b' using queue "%b"' % queue if queue is not None else b""
            self.error(b'Permissions Violation for Subscription to "%b"%b' % (subject, using))
        elif 0 < self.max_subscriptions <= len(self.subs):
            self.error(b"maximum subscriptions exceeded")
        elif sid not in self.subs and not valid(subject):
            self.error(b"Invalid Subject")
        else:
            if sid not in self.subs:
                self.subs[sid] = Sub(self, subject, queue, sid)
                self.space.subs.append(self.subs[sid])
            self.ok()

    def unsubscribe(self, words: list[bytes]) -> None:
        if len(words) not in (1, 2):
            self.close("Protocol Violation")
            return
        limit = number(words[1]) if len(words) == 2 else 0
        sub = self.subs.get(words[0])
        if sub is not None:
            if limit > sub.delivered:
                sub.max = limit
            else:
                self.drop(sub)
        self.ok()

    def drop(self, sub: Sub) -> None:
        del self.subs[sub.sid]
        self.space.subs.remove(sub)

    def publish(self, words: list[bytes], sizes: int, line: int) -> bool:
        numbers = [number(word) for word in words[-sizes:]]
        if not 1 + sizes <= len(words) <= 2 + sizes or (sizes == 2 and not self.headers):
            self.close("Protocol Violation")
            return False
        header, total = (numbers[0] if sizes == 2 else 0), numbers[-1]
        if min(numbers) < 0 or header > total:
            self.close("Protocol Violation")
            return False
        if total > self.max_payload:
            self.close("Maximum Message Payload Exceeded", b"Maximum Payload Violation")
            return False
        end = self.buffer[line + total : line + total + 2]
        if not b"\r\n".startswith(end):
            self.close("Protocol Violation", b"Unknown Protocol Operation")
            return False
        if len(end) < 2:
            return False
        body = self.buffer[line : line + total]
        self.consume(line + total + 2)
        reply = words[1] if len(words) == 2 + sizes else b""
        self.message(words[0], reply, body, header, words[-sizes:])
        return True

    def message(self, subject: bytes, reply: bytes, body: bytes, header: int, digits: list[bytes]) -> None:
        self.in_messages += 1
        self.in_bytes += len(body)
        if self.pedantic and not literal(subject):
            self.error(b"Invalid Publish Subject")
        if subject.startswith((b"_GR_.", b"$GR.", b"$NRG.")) or not self.may_publish(subject):
            self.error(b'Permissions Violation for Publish to "%b"' % subject)
            return
        if reply.startswith((b"_R_.", b"$JS.ACK.", b"_GR_.")):
            self.error(b'Permissions Violation for Publish with Reply of "%b"' % reply)
            return
        self.ok()
        taken = self.fan_out(subject, reply, body, header, digits)
        if not taken and reply and self.no_responders:
            self.tell_no_responders(subject, reply)

    def fan_out(self, subject: bytes, reply: bytes, body: bytes, header: int, digits: list[bytes]) -> int:
        """Deliver to everybody; of a queue group to the first member that takes it (tests use groups of one)."""
        taken = 0
        served = set()
        for sub, local, imported in self.space.receivers(subject):
            if sub.queue is not None and sub.queue in served:
                continue
            if not sub.owner.may_deliver(local, sub.queue) or (sub.owner is self and not self.echo):
                continue
            served.add(sub.queue)
            taken += 1
            sub.owner.deliver(sub, local, reply, body, header, digits)
            if not imported:
                sub.delivered += 1
                if sub.max and sub.delivered >= sub.max:
                    sub.owner.drop(sub)
        return taken

    def deliver(self, sub: Sub, subject: bytes, reply: bytes, body: bytes, header: int, digits: list[bytes]) -> None:
        if header and not self.headers:
            body, digits = body[header:], [b"%d" % (len(body) - header)]
        elif not header:
            digits = digits[-1:]
        verb = b"HMSG" if header and self.headers else b"MSG"
        parts = [verb, subject, sub.sid, *([reply] if reply else []), *digits]
        self.out += b" ".join(parts) + b"\r\n" + body + b"\r\n"
        self.out_messages += 1
        self.out_bytes += len(body)

    def tell_no_responders(self, subject: bytes, reply: bytes) -> None:
        for sub in self.subs.values():
            if sub.queue is None and matches(sub.subject, reply):
                status = b"NATS/1.0 503\r\nNats-Subject: %b\r\n\r\n" % subject
                size = len(status)
                self.out += b"HMSG %b %b %d %d\r\n%b\r\n" % (reply, sub.sid, size, size, status)
                return
