"""``nats-sub``: print the messages on a subject."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click

from natskit.cli.connecting import Seconds, Target, connection_flags, run
from natskit.cli.payload import shown, text_or_base64
from natskit.cli.program import program

if TYPE_CHECKING:
    import asyncio

    from natskit.client import Message


@program(
    "nats-sub",
    examples=[
        ("nats-sub '>'", "everything, from a server on this machine"),
        ("nats-sub -creds ~/me.creds 'orders.*.new'", "what a user may see of it"),
        ("nats-sub -count 1 -timeout 5s orders.eu.new", "wait for one message; exit 1 if none comes in time"),
        ("nats-sub -queue workers orders.eu.new", "share the messages with the others of the group"),
        ("nats-sub -json '>' | jq .payload", "one JSON object a line"),
    ],
)
@click.option("--queue", metavar="NAME", default="", help="Queue group to join.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="End after N messages.")
@click.option(
    "--timeout", metavar="DURATION", type=Seconds(), help="End after this time, with status 1 if short of -count."
)
@click.option("-t", "timestamps", is_flag=True, help="Show when each message came.")
@click.option("--headers", "with_headers", is_flag=True, help="Show headers and reply subjects.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each message.")
@click.argument("subject")
@connection_flags
def command(
    target: Target,
    queue: str,
    count: int | None,
    timeout: float | None,
    timestamps: bool,
    with_headers: bool,
    as_json: bool,
    subject: str,
) -> int | None:
    """Print the messages on SUBJECT as they come, until Ctrl-C."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    printer = JsonLines() if as_json else Lines(timestamps=timestamps, with_headers=with_headers)
    return run(_listen(target, subject, queue, count, timeout, printer))


class Lines:
    """Messages for people."""

    def __init__(self, *, timestamps: bool, with_headers: bool) -> None:
        self._timestamps = timestamps
        self._with_headers = with_headers

    def listening(self, subject: str, queue: str) -> None:
        """Say that messages would be seen from now on."""
        print(f"Listening on [{shown(subject)}]{f' in group [{shown(queue)}]' if queue else ''}", flush=True)

    def message(self, number: int, message: Message) -> None:
        """Print one message."""
        clock = time.strftime("%Y/%m/%d %H:%M:%S ") if self._timestamps else ""
        print(f"{clock}[#{number}] Received on [{shown(message.subject)}]: '{shown(message.payload)}'")
        if self._with_headers:
            if message.reply:
                print(f"    reply: {shown(message.reply)}")
            for name, value in (message.headers or {}).items():
                print(f"    {shown(name)}: {shown(value)}")


class JsonLines:
    """Messages for programs."""

    def listening(self, subject: str, queue: str) -> None:
        """Say that messages would be seen from now on."""
        self._write({"listening": subject, **({"queue": queue} if queue else {})})
        sys.stdout.flush()

    def message(self, number: int, message: Message) -> None:
        """Print one message."""
        document: dict[str, object] = {"number": number, "time": time.time(), "subject": message.subject}
        document |= text_or_base64(message.payload)
        if message.reply:
            document["reply"] = message.reply
        if message.headers:
            document["headers"] = dict(message.headers)
        self._write(document)

    @staticmethod
    def _write(document: dict[str, object]) -> None:
        print(json.dumps(document, ensure_ascii=False))


class Listener:
    """Counts and prints messages, and knows when it has seen enough."""

    def __init__(self, printer: Lines | JsonLines, subject: str, queue: str, count: int | None) -> None:
        import asyncio

        self.received = 0
        self._printer = printer
        self._subject = subject
        self._queue = queue
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._announced = self._flushing = False
        self.enough: asyncio.Future[None] = self._loop.create_future()

    def announce(self) -> None:
        """Say that the subscription stands; a message may have come before the server's confirmation was read."""
        if not self._announced:
            self._announced = True
            self._printer.listening(self._subject, self._queue)

    def receive(self, message: Message) -> None:
        """Print a message. Output is flushed once for all that have come together."""
        self.announce()
        self.received += 1
        self._printer.message(self.received, message)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self.received == self._count and not self.enough.done():
            self.enough.set_result(None)

    def _flush(self) -> None:
        self._flushing = False
        try:
            sys.stdout.flush()
        except OSError as error:
            if not self.enough.done():
                self.enough.set_exception(error)


async def _listen(
    target: Target, subject: str, queue: str, count: int | None, timeout_s: float | None, printer: Lines | JsonLines
) -> int:
    import asyncio

    from natskit.errors import Unreachable

    listener = Listener(printer, subject, queue, count)
    async with await target.connect("nats-sub", timeout_s, reconnect=True) as connection:
        await connection.subscribe(subject, listener.receive, queue=queue, limit=count or 0)
        listener.announce()
        ends = {listener.enough, connection.closed}
        done, _ = await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for end in done:
            end.result()
    if count and listener.received < count:
        raise Unreachable(f"{listener.received} of {count} messages came within {timeout_s:g} s")
    return 0


main = command.run
