"""``nats-account-server``: serve account JWTs over HTTP.

Source: spec/account-server.md sections 2 and 6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from natskit.cli.program import program
from natskit.errors import Error, UsageError

if TYPE_CHECKING:
    import asyncio
    import signal

    from natskit.account_server import Options


@program(
    "nats-account-server",
    examples=[
        ("nats-account-server -nsc ~/.local/share/nats/nsc/stores/MyOperator", "serve what nsc makes, as it changes"),
        ("nats-account-server -dir ./jwts -operator operator.jwt", "a directory to push to: nsc push -A"),
        (
            "nats-account-server -dir ./jwts -nats nats://localhost:4222 -creds sys.creds",
            "announce changes",
        ),
        ("nats-account-server -c account-server.conf", "run a configuration file"),
        ("curl http://localhost:9090/jwt/v1/help", "what it answers"),
    ],
)
@click.option("-c", "--config", metavar="FILE", help="Configuration file, in the language of nats-server.")
@click.option("--nsc", metavar="DIR", help="Serve the accounts of an operator's folder in nsc's store, read only.")
@click.option("--dir", "directory", metavar="DIR", help="Keep the accounts in a directory.")
@click.option("--ro", "read_only", is_flag=True, help="Only read the directory of -dir.")
@click.option("--operator", metavar="FILE", help="JWT of the operator whose accounts may be pushed.")
@click.option("--hp", "address", metavar="HOST:PORT", help="Address to listen on.  [default: localhost:9090]")
@click.option("--nats", metavar="URL", help="nats-server to tell of changes; several with commas between them.")
@click.option("--creds", metavar="FILE", help="Credentials of a user of the system account, for -nats.")
@click.option("-D", "debug", is_flag=True, help="Log more.")
@click.option("-V", "trace", is_flag=True, help="Log every request.")
@click.option("-DV", "debug_trace", is_flag=True, help="Both.")
@click.option("--primary", hidden=True)
@click.option("--dump", is_flag=True, help="Print the effective configuration as JSON and exit.")
def command(config: str | None, primary: str | None, dump: bool, **flags: Any) -> int | None:
    """Serve account JWTs to nats-servers: resolver: URL(http://localhost:9090/jwt/v1/accounts/)."""
    if primary is not None:
        raise UsageError("-primary: replicas are not supported", hint="let each account server read the same store")
    options = _options(config, flags)
    if dump:
        return _dump(options)
    return _run(config, flags, options)


main = command.run


def _options(config: str | None, flags: dict[str, Any]) -> Options:
    """Defaults, then the file, then the flags. Raises ConfigError, UsageError, OSError."""
    import os

    from natskit.account_server.options import Options, check, parse_address

    options = Options.load(os.path.expanduser(config)) if config else Options()
    if flags["address"]:
        host, port = parse_address(flags["address"])
        options = replace(options, host=host, port=port)
    if flags["operator"]:
        options = replace(options, operator=flags["operator"])
    options = replace(options, store=_store(flags, options.store), nats=_nats(flags, options.nats))
    debug, trace = flags["debug"] or flags["debug_trace"], flags["trace"] or flags["debug_trace"]
    log = replace(options.log, debug=debug or options.log.debug, trace=trace or options.log.trace)
    options = replace(options, log=log)
    check(options)
    return options


def _store(flags: dict[str, Any], configured: Any) -> Any:
    """A store named by flags takes the place of the whole block in the file."""
    from natskit.account_server.options import Directory, Nsc

    if flags["nsc"] and flags["directory"]:
        raise UsageError("-nsc and -dir are different stores: give one")
    if flags["read_only"] and not flags["directory"]:
        raise UsageError("-ro says how to open the directory of -dir: give that too")
    if flags["nsc"]:
        return Nsc(flags["nsc"])
    if flags["directory"]:
        return Directory(flags["directory"], read_only=flags["read_only"])
    return configured


def _nats(flags: dict[str, Any], configured: Any) -> Any:
    import os

    nats = configured
    if flags["nats"]:
        nats = replace(nats, servers=tuple(url.strip() for url in flags["nats"].split(",")))
    if flags["creds"]:
        nats = replace(nats, credentials=os.path.expanduser(flags["creds"]))
    return nats


def _dump(options: Options) -> int:
    import json
    from dataclasses import asdict

    document = asdict(options)
    document["store"] = {"kind": type(options.store).__name__.lower(), **document["store"]}
    click.echo(json.dumps(document, indent=2))
    return 0


def _run(config: str | None, flags: dict[str, Any], options: Options) -> int:
    """Serve until SIGINT or SIGTERM; SIGHUP starts again with the configuration as it is then."""
    import asyncio
    import signal

    from natskit.server.logs import close_log, open_log
    from natskit.server.options import Logging

    def open_log_of(options: Options) -> None:
        open_log(Logging(time=options.log.time, debug=options.log.debug, trace=options.log.trace))

    async def serve() -> None:
        # One queue for all servers, so that a signal that comes between two of them is not lost.
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
        current = options
        while await _serve_until_signal(current, signals) is signal.SIGHUP:
            try:
                current = _options(config, flags)
                open_log_of(current)
            except (Error, OSError) as error:
                _log_error("the configuration is not read again: %s", error)

    open_log_of(options)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve())
    finally:
        close_log()
    return 0


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _log_error(text: str, error: Exception) -> None:
    import logging

    logging.getLogger("natskit.account_server").error(text, error)


async def _serve_until_signal(options: Options, signals: asyncio.Queue[signal.Signals]) -> signal.Signals:
    """Run one server until the next signal, and return that."""
    import logging

    from natskit.account_server import AccountServer

    async with AccountServer(options):
        number = await signals.get()
        logging.getLogger("natskit.account_server").info("received %s, stopping", number.name)
    return number
