"""The flags by which the small clients say where to connect and as whom."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from natskit.cli.flags import parse_duration
from natskit.cli.startup import import_nats
from natskit.errors import UsageError

if TYPE_CHECKING:
    from natskit.client import Connection

DEFAULT_SERVER = "nats://localhost:4222"


class Target(NamedTuple):
    """Where to connect and how: the values of the shared flags."""

    server: str
    login: dict[str, Any]

    async def connect(self, name: str, timeout_s: float | None, *, reconnect: bool) -> Connection:
        """Open the connection. Raises Unreachable, AuthenticationError, and what is wrong with the files."""
        import_nats(self.server)
        from natskit.client import Login, connect

        return await connect(
            self.server,
            Login(**self.login),
            name=name,
            timeout_s=min(timeout_s or 5.0, 5.0),
            max_reconnects=-1 if reconnect else 0,
            notice=lambda text: print(f"{name}: {text}", file=sys.stderr, flush=True),
        )


_FLAGS = (
    click.option(
        "-s", "--server", metavar="URL", envvar="NATS_URL", default=DEFAULT_SERVER, show_default=True,
        help="Server to connect to; several with commas between them. Also $NATS_URL.",
    ),
    click.option("--creds", metavar="FILE", help="Credentials file. Also $NATS_CREDS."),
    click.option("--nkey", metavar="FILE", help="File with the seed of a user's nkey."),
    click.option("--user", metavar="NAME", help="User name."),
    click.option("--password", metavar="TEXT", help="Password."),
    click.option("--token", metavar="TEXT", help="Authorization token."),
    click.option("--tlsca", "--tlscacert", metavar="FILE", help="Certificates to trust in place of the system's."),
    click.option("--tlscert", metavar="FILE", help="Certificate of the client."),
    click.option("--tlskey", metavar="FILE", help="Key of the client's certificate."),
    click.option("--tlsfirst", is_flag=True, help="TLS handshake before the server's first line."),
)  # fmt: skip


def connection_flags(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the shared flags; it gets them as ``target``, a `Target`. The decorator next to the function."""

    @functools.wraps(function)
    def command(
        server: str, tlsca: str | None, tlscert: str | None, tlskey: str | None, tlsfirst: bool, **values: Any
    ) -> int | None:
        login = {name: values.pop(name) for name in ("creds", "nkey", "user", "password", "token")}
        if not any(login.values()):
            login["creds"] = os.environ.get("NATS_CREDS")
        tls = {"tls_ca": tlsca, "tls_cert": tlscert, "tls_key": tlskey, "tls_first": tlsfirst}
        return function(target=Target(server, login | tls), **values)

    for option in reversed(_FLAGS):
        command = option(command)
    return command


class Seconds(click.ParamType[float]):
    """A duration: ``5s``, ``1m30s``, ``300ms``; a bare number counts seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The duration in seconds. Fails for what is no duration, or none that lies ahead."""
        text = f"{value}s" if str(value).replace(".", "", 1).isdecimal() else str(value)
        try:
            seconds = parse_duration(text) / 1e9
        except UsageError as error:
            self.fail(error.message, param, ctx)
        if seconds <= 0:
            self.fail(f'"{value}" is not a time to wait', param, ctx)
        return seconds


def run(work: Coroutine[Any, Any, int | None]) -> int | None:
    """Run a client to its end on an event loop of its own."""
    import asyncio
    import logging

    # What the client library has to say beyond errors is not for the terminal.
    logging.getLogger("nats").addHandler(logging.NullHandler())
    return asyncio.run(work)
