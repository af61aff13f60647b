"""``nats-pub``: publish a message, or the same one many times."""

from __future__ import annotations

import json
import sys

import click

from natskit.cli.connecting import Seconds, Target, connection_flags, run
from natskit.cli.payload import shown, text_or_base64
from natskit.cli.program import program
from natskit.errors import UsageError

_CONFIRM_EVERY = 10_000


@program(
    "nats-pub",
    examples=[
        ("nats-pub orders.eu.17 'hello'", "publish on a server on this machine"),
        ("nats-pub -s nats://demo.example.com -creds ~/me.creds orders.eu.17 'hello'", "somewhere else, as a user"),
        ("date | nats-pub time.now", "publish what comes in on stdin"),
        (
            "nats-pub -H 'Content-Type: text/plain' -reply answers.1 questions hello",
            "with header and reply subject",
        ),
    ],
)
@click.option("--reply", metavar="SUBJECT", default="", help="Subject for answers.")
@click.option("-H", "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Header; may be repeated.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), default=1, help="Publish it N times.")
@click.option("--timeout", metavar="DURATION", type=Seconds(), default="10s", show_default=True, help="Give up after.")
@click.option("--json", "as_json", is_flag=True, help="Tell what was done as JSON.")
@click.argument("subject")
@click.argument("message", required=False)
@connection_flags
def command(
    target: Target,
    reply: str,
    headers: tuple[str, ...],
    count: int,
    timeout: float,
    as_json: bool,
    subject: str,
    message: str | None,
) -> int | None:
    """Publish MESSAGE on SUBJECT, or what stdin holds. Exits 0 only if the server took it."""
    payload = _stdin() if message is None else message.encode(errors="surrogateescape")
    fields = dict(map(_header, headers))
    run(_publish(target, subject, payload, reply, fields, count, timeout))
    if as_json:
        report = {"subject": subject, **text_or_base64(payload), "reply": reply, "headers": fields, "count": count}
        print(json.dumps({name: value for name, value in report.items() if value or name == "payload"}))
    else:
        times = f" ({count} times)" if count > 1 else ""
        print(f"Published [{shown(subject)}] : '{shown(payload)}'{times}")
    return 0


async def _publish(
    target: Target, subject: str, payload: bytes, reply: str, headers: dict[str, str], count: int, timeout_s: float
) -> None:
    import asyncio

    from natskit.errors import Unreachable

    try:
        async with asyncio.timeout(timeout_s):
            async with await target.connect("nats-pub", timeout_s, reconnect=False) as connection:
                for number in range(1, count + 1):
                    await connection.publish(subject, payload, reply=reply, headers=headers)
                    if number % _CONFIRM_EVERY == 0:
                        await connection.confirm()
                await connection.confirm()
    except TimeoutError:
        raise Unreachable(f"not done within {timeout_s:g} s") from None


def _stdin() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("no message: give one, or pipe it in", hint="nats-pub SUBJECT MESSAGE")
    return sys.stdin.buffer.read()


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"{text!r} is not a header", hint="nats-pub -H 'Name: value' ...")
    return name.strip(), value.strip()


main = command.run
