"""``nsc tool``: try out what a user of the store may do."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from natskit.cli.command import command, flag, integer, switch, text
from natskit.cli.flags import format_duration, parse_duration
from natskit.cli.startup import import_nats
from natskit.cli.tables import printable
from natskit.errors import StoreError, UsageError

from .tls import TLS, login

if TYPE_CHECKING:
    from natskit.client import Connection, Message
    from natskit.jwt.files import Creds

    from .run import Run

__all__ = ["pub", "reply", "req", "rtt", "sub"]

_CONNECT_TIMEOUT_S = 5.0
_RECONNECTS, _RECONNECT_WAIT_S = 300, 2.0

SERVER = (
    text("nats", "", "server to connect to, default the operator's service URLs", metavar="URL"),
    *TLS,
)
USER = text("user", "u", "user to connect as, default the only one of the account", metavar="NAME", completes="user")
QUEUE = text("queue", "q", "queue group to join", metavar="NAME")
MAX_MESSAGES = integer("max-messages", "", "end after that many", default=-1)
ENCRYPT = switch("encrypt", "E", "an experiment that the Go tool has ended", hidden=True)


class _Target:
    """Where to connect and as whom: values of the flags above."""

    def __init__(self, run: Run, user: str, values: dict[str, Any]) -> None:
        from natskit.store.credentials import find_user

        self.run = run
        self._values = values
        workspace = run.workspace
        account = workspace.account_name()
        store = workspace.operator()
        self.creds = _creds(run, store.name, account, find_user(workspace, account, user))
        self.urls = [values["nats"]] if values["nats"] else list(store.operator().nats.operator_service_urls)
        if not self.urls:
            raise StoreError(
                f'operator "{store.name}" doesn\'t have operator_service_urls set',
                hint="nsc edit operator --service-url nats://localhost:4222, or --nats URL",
            )

    async def connect(self, name: str) -> Connection:
        """Open the connection. Raises Unreachable, AuthenticationError, KeyUseError."""
        import_nats(" ".join(self.urls))
        from natskit.client import connect

        return await connect(
            self.urls,
            login(self.run, self.creds, self._values),
            name=name,
            timeout_s=_CONNECT_TIMEOUT_S,
            max_reconnects=_RECONNECTS,
            reconnect_wait_s=_RECONNECT_WAIT_S,
            notice=self.run.console.notice,
        )


def _creds(run: Run, operator: str, account: str, user: str) -> str | Creds:
    """The user's creds file; if there is none, what it would hold."""
    from natskit.jwt.files import parse_creds
    from natskit.store.credentials import creds_of

    path = run.workspace.keystore.creds_path(operator, account, user)
    return path if os.path.isfile(path) else parse_creds(creds_of(run.workspace, account, user))


def _play(
    run: Run, user: str, name: str, values: dict[str, Any], work: Callable[[Connection], Awaitable[None]]
) -> None:
    """Connect as the user, do ``work``, close."""
    import asyncio
    import logging

    logging.getLogger("nats").addHandler(logging.NullHandler())
    target = _Target(run, user, values)

    async def main() -> None:
        async with await target.connect(name) as connection:
            await work(connection)

    asyncio.run(main())


@command(
    *SERVER,
    USER,
    arguments=("subject", "[payload]"),
    examples=[("nsc tool pub -a A -u U orders.new hello", "publish as user U of account A")],
)
def pub(run: Run, *, user: str, subject: str, payload: str, **server: Any) -> None:
    """Publish a message as a user of the store."""

    async def work(connection: Connection) -> None:
        await connection.publish(subject, payload.encode(errors="surrogateescape"))
        await connection.confirm()

    _play(run, user, "nsc_pub", server, work)
    run.result(f"Published [{subject}] : '{payload}'", subject=subject, payload=payload)


@command(
    *SERVER,
    USER,
    QUEUE,
    MAX_MESSAGES,
    ENCRYPT,
    arguments=("subject",),
    examples=[("nsc tool sub -a A -u U 'orders.>'", "print what user U of account A receives, until Ctrl-C")],
)
def sub(run: Run, *, user: str, queue: str, max_messages: int, encrypt: bool, subject: str, **server: Any) -> None:
    """Print the messages on a subject as a user of the store receives them; with --json, one object a line."""
    _refuse_encryption(encrypt)
    limit = _limit(max_messages)

    def receive(number: int, message: Message) -> None:
        _tell(run, number, message)

    async def work(connection: Connection) -> None:
        await _listen(run, connection, subject, queue, limit, receive)

    _play(run, user, "nsc_sub", server, work)
    run.answered()


def _refuse_encryption(wanted: bool) -> None:
    if wanted:
        raise UsageError("the experimental --encrypt option is no longer supported")


def _limit(max_messages: int) -> int:
    if max_messages == 0 or max_messages < -1:
        raise UsageError("max-messages must be greater than zero")
    return max(max_messages, 0)


async def _listen(
    run: Run, connection: Connection, subject: str, queue: str, limit: int, receive: Callable[[int, Message], None]
) -> None:
    """Subscribe, and wait until ``limit`` messages have come (0: for ever) or the connection is over."""
    import asyncio

    enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    count = 0

    def on_message(message: Message) -> None:
        nonlocal count
        count += 1
        receive(count, message)
        if count == limit and not enough.done():
            enough.set_result(None)

    await connection.subscribe(subject, on_message, queue=queue, limit=limit)
    run.console.notice(f"Listening on [{subject}]" + (f" for {limit} messages" if limit else ""))
    done, _ = await asyncio.wait({enough, connection.closed}, return_when=asyncio.FIRST_COMPLETED)
    for end in done:
        end.result()


def _tell(run: Run, number: int, message: Message) -> None:
    from natskit.cli.payload import shown, text_or_base64

    if run.json:
        document = {"number": number, "subject": message.subject, **text_or_base64(message.payload)}
        run.console.line(document | ({"reply": message.reply} if message.reply else {}))
    else:
        run.console.write(f"[#{number}] Received on [{shown(message.subject)}]: '{shown(message.payload)}'")
    run.console.flush()


@command(
    *SERVER,
    USER,
    flag("timeout", "", "how long to wait for the answer", parse_duration, default=5_000_000_000, metavar="DURATION"),
    ENCRYPT,
    arguments=("subject", "[payload]"),
    examples=[("nsc tool req -a A -u U time.now", "ask, and print the answer")],
)
def req(run: Run, *, user: str, timeout: int, encrypt: bool, subject: str, payload: str, **server: Any) -> None:
    """Send a request as a user of the store and print the answer."""
    from natskit.cli.payload import shown, text_or_base64

    _refuse_encryption(encrypt)
    answers: list[Message] = []

    async def work(connection: Connection) -> None:
        data = payload.encode(errors="surrogateescape")
        answers.append(await connection.request(subject, data, timeout_s=timeout / 1e9))

    _play(run, user, "nsc_req", server, work)
    answer = answers[0]
    run.note(f"published request: [{subject}] : '{payload}'")
    run.result(
        f"received reply: [{shown(answer.subject)}] : '{shown(answer.payload)}'", **text_or_base64(answer.payload)
    )


@command(
    *SERVER,
    USER,
    QUEUE,
    MAX_MESSAGES,
    arguments=("subject", "[answer]"),
    examples=[("nsc tool reply -a A -u U time.now noon", "answer every request, until Ctrl-C")],
)
def reply(run: Run, *, user: str, queue: str, max_messages: int, subject: str, answer: str, **server: Any) -> None:
    """Answer requests as a user of the store: with a text, or with what they carry."""
    limit = _limit(max_messages)

    async def work(connection: Connection) -> None:
        import asyncio

        pending: list[asyncio.Task[None]] = []

        def receive(number: int, message: Message) -> None:
            _tell(run, number, message)
            if not message.reply:
                run.console.notice(f"[#{number}] ignoring request on [{printable(message.subject)}]: no reply subject")
                return
            data = answer.encode(errors="surrogateescape") if answer else message.payload
            pending.append(asyncio.ensure_future(connection.publish(message.reply, data)))

        await _listen(run, connection, subject, queue, limit, receive)
        await asyncio.gather(*pending)
        await connection.confirm()

    _play(run, user, "nsc_reply", server, work)
    run.answered()


@command(
    *SERVER,
    USER,
    arguments=("[ignored...]",),
    examples=[("nsc tool rtt -a A -u U", "how long the server takes to answer a PING")],
)
def rtt(run: Run, *, user: str, ignored: tuple[str, ...], **server: Any) -> None:
    """Measure the round trip time to the server as a user of the store."""
    import time

    found: list[tuple[str, int]] = []

    async def work(connection: Connection) -> None:
        start = time.perf_counter_ns()
        await connection.confirm()
        found.append((connection.url, time.perf_counter_ns() - start))

    _play(run, user, "nsc_rtt", server, work)
    url, elapsed = found[0]
    run.result(f"round trip time to [{url}] = {format_duration(elapsed)}", server=url, nanoseconds=elapsed)
