"""``nats-server``: the embedded server as a program.

Source: spec/server-config.md sections 4, 6 and 7.
"""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from natskit.cli.program import program, version_line
from natskit.cli.startup import import_msgspec
from natskit.errors import UsageError

if TYPE_CHECKING:
    from natskit.server import Options, Server
    from natskit.server.files import PortsFile

LARGE_PAYLOAD = 8 << 20

_TLS_FLAGS = ("tls", "tlscert", "tlskey", "tlsverify", "tlscacert")

_ELSEWHERE = [
    *("js", "jetstream", "sd", "store_dir", "profile", "routes", "no_advertise", "connect_retries"),
    *("cluster", "cluster_name", "cluster_advertise", "cluster_listen"),
]
_SWITCHES = ("js", "jetstream", "no_advertise")


def _refused(name: str) -> Any:
    """An option of clustering or JetStream, which says where to go."""

    def refuse(context: click.Context, parameter: click.Parameter, value: object) -> None:
        if value is not None:
            raise UsageError(
                f"-{name} is not supported by the embedded server",
                hint="run the real nats-server: the same operator, accounts and creds work there unchanged",
            )

    switch = name in _SWITCHES
    return click.option(f"--{name}", hidden=True, expose_value=False, is_flag=switch, default=None, callback=refuse)


def _refusals(function: Any) -> Any:
    for name in _ELSEWHERE:
        function = _refused(name)(function)
    return function


def _help_tls(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """The options whose names begin with ``--tls``."""
    if not wanted:
        return
    rows = [option.get_help_record(context) for option in context.command.params if option.name in _TLS_FLAGS]
    formatter = context.make_formatter()
    formatter.write_dl([row for row in rows if row])
    click.echo(formatter.getvalue(), nl=False)
    context.exit()


@program(
    "nats-server",
    version=("-v", "--version"),
    examples=[
        ("nats-server", "listen on 0.0.0.0:4222, open to everybody"),
        ("nats-server -a 127.0.0.1 -p -1 -DV", "any free port of this machine, log everything"),
        ("nats-server -c server.conf", "run a configuration, such as one of `nsc generate config`"),
        ("nats-server -t -c server.conf", "only check it"),
        ("nats-server --signal reload=/run/nats.pid", "tell a running server to read its configuration again"),
    ],
)
@click.option("-a", "--addr", "--net", "host", metavar="HOST", help="Address to listen on.")
@click.option("-p", "--port", metavar="PORT", type=int, help="Port for clients (4222; -1: any free one).")
@click.option("-n", "--name", "--server_name", "server_name", metavar="NAME", help="Name of the server.")
@click.option("--client_advertise", metavar="HOST:PORT", help="Address that clients are told.")
@click.option("-c", "--config", metavar="FILE", help="Configuration file.")
@click.option("-t", "test", is_flag=True, help="Check the configuration file and exit.")
@click.option("-P", "--pid", "pid_file", metavar="FILE", help="Write the process id to FILE.")
@click.option("--ports_file_dir", metavar="DIR", help="Write the ports in use to a file in DIR.")
@click.option("-m", "--http_port", "http_port", metavar="PORT", type=int, help="Port for monitoring.")
@click.option("-ms", "--https_port", "https_port", metavar="PORT", type=int, help="Port for monitoring over TLS.")
@click.option(
    "-sl", "--signal", "order", metavar="SIGNAL[=PID]", help="stop, quit, term, reopen, reload or ldm a server."
)
@click.option("-D/-no_D", "--debug/--no_debug", "debug", default=None, help="Log more.")
@click.option("-V/-no_V", "--trace/--no_trace", "trace", default=None, help="Log the protocol.")
@click.option("-VV", "trace_verbose", is_flag=True, help="Log the protocol, the system account's too.")
@click.option("-DV", "debug_trace", is_flag=True, help="-D and -V.")
@click.option("-DVV", "debug_trace_verbose", is_flag=True, help="-D and -VV.")
@click.option("-T/-no_T", "--logtime/--no_logtime", "logtime", default=None, help="Time in log lines.")
@click.option("--logtime_utc/--no_logtime_utc", default=None, help="In UTC.")
@click.option("-l", "--log", "log_file", metavar="FILE", help="Log to FILE.")
@click.option("--log_size_limit", metavar="BYTES", type=int, help="Set the log file aside at this size.")
@click.option("-s/-no_s", "--syslog/--no_syslog", "syslog", default=None, help="Log to syslog.")
@click.option("-r", "--remote_syslog", metavar="URL", help="Log to a syslog server.")
@click.option("--max_traced_msg_len", metavar="BYTES", type=int, help="Show at most so much of a message.")
@click.option("--user", metavar="NAME", help="User that clients must be.")
@click.option("--pass", "password", metavar="PASSWORD", help="Its password.")
@click.option("--auth", "token", metavar="TOKEN", help="Token that clients must have.")
@click.option("--tls/--no_tls", default=None, help="Require TLS.")
@click.option("--tlscert", metavar="FILE", help="Certificate.")
@click.option("--tlskey", metavar="FILE", help="Its key.")
@click.option("--tlsverify/--no_tlsverify", default=None, help="Require certificates of clients.")
@click.option("--tlscacert", metavar="FILE", help="Authority that signed them.")
@click.option(
    "--help_tls",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_help_tls,
    help="Show the options about TLS.",
)
@_refusals
@click.argument("words", nargs=-1, metavar="")
def command(config: str | None, test: bool, order: str | None, words: tuple[str, ...], **flags: Any) -> int | None:
    """Run a NATS server in this process."""
    if words:
        _word(words[0])
        return None
    if order is not None:
        from natskit.server.signals import send

        send(order)
        return None
    import_msgspec()
    from natskit.server import Options

    if test and config is None:
        raise UsageError("must specify [-c, --config] option to check configuration file syntax")
    overrides = _overrides(flags)
    options = Options.load(config, overrides=overrides)
    if test:
        return _tested(options)
    return _run(options)


command.misused = 1
main = command.run


def _word(word: str) -> None:
    """``help`` and ``version`` are words too."""
    context = click.get_current_context()
    if word not in ("help", "version"):
        raise UsageError(f'unrecognized command: "{word}": options begin with a dash')
    click.echo(context.get_help() if word == "help" else version_line(context))


def _overrides(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags as keys of the configuration language; None takes away what a file says."""
    verbose, debug_trace, both = (flags.pop(name) for name in ("trace_verbose", "debug_trace", "debug_trace_verbose"))
    login = {key: flags.pop(name) for key, name in (("user", "user"), ("password", "password"), ("token", "token"))}
    flags["logfile_size_limit"] = flags.pop("log_size_limit")
    tls = _tls({name: flags.pop(name) for name in _TLS_FLAGS})
    given = {name: value for name, value in flags.items() if value is not None}
    if verbose or both:
        given["trace_verbose"] = True
    if debug_trace or both:
        given |= {"debug": True, "trace": True}
    if login := {key: value for key, value in login.items() if value is not None}:
        given["authorization"] = login
    return given | tls


def _tls(flags: dict[str, Any]) -> dict[str, Any]:
    """Any flag about TLS replaces the block of the file; ``--tls=false`` removes it."""
    if flags["tls"] is False:
        return {"tls": None}
    if all(value is None for value in flags.values()):
        return {}
    for name, what in (("tlscert", "certificate"), ("tlskey", "private key")):
        if not flags[name]:
            raise UsageError(f"TLS Server {what} must be present and valid", hint=f"give -{name} FILE")
    block = {
        "cert_file": flags["tlscert"],
        "key_file": flags["tlskey"],
        "verify": flags["tlsverify"],
        "ca_file": flags["tlscacert"],
    }
    return {"tls": {key: value for key, value in block.items() if value is not None}}


def _tested(options: Options) -> int:
    """Say whether the configuration can be used; more than the Go server's check, which only reads it."""
    from natskit.server.info import COMPATIBLE
    from natskit.server.operator_mode import check

    for warning in options.warnings:
        click.echo(f"nats-server: {warning}", err=True)
    if options.operator_mode:
        check(options, COMPATIBLE)
    if options.warnings:
        return 1
    click.echo(f"nats-server: configuration file {options.file} is valid ({options.digest})", err=True)
    return 0


# ---- running ---------------------------------------------------------------------------------------


def _run(options: Options) -> int:
    import asyncio
    import logging

    from natskit.errors import Error
    from natskit.server.logs import close_log, open_log

    open_log(options.logging)
    try:
        import uvloop
    except ImportError:
        runner = asyncio.Runner()
    else:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        with runner:
            runner.run(_serve(options))
    except Error as error:
        logging.getLogger("natskit.server").critical("%s%s", error, f" ({error.hint})" if error.hint else "")
        return 1
    finally:
        close_log()
    return 0


async def _serve(options: Options) -> None:
    import asyncio
    import logging

    from natskit.server import Server
    from natskit.server.files import PortsFile, write_pid

    log = logging.getLogger("natskit.server")
    server = Server(options)
    _announce(log, server)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        loop.add_signal_handler(number, _on_signal, number, log, server, ended)
    write_pid(options)
    ports = PortsFile(server)
    server.on_reload = lambda before: _follow(log, server, before, ports)
    try:
        async with server:
            ports.write()
            log.info("Server is ready")
            await ended.wait()
            log.info("Initiating Shutdown...")
    finally:
        ports.remove()
    log.info("Server Exiting..")


def _announce(log: Any, server: Server) -> None:
    from natskit import __version__

    log.info("Starting nats-server")
    log.info("  Version:  %s (natskit)", __version__)
    log.info("  Name:     %s", server.name)
    log.info("  ID:       %s", server.id)
    options = server.options
    for warning in options.warnings:
        log.warning("%s", warning)
    passwords = [user.password for _, user in options.users()]
    if options.authorization is not None:
        passwords.append(options.authorization.password)
    if any(each and not each.startswith("$2") for each in passwords):
        log.warning("Plaintext passwords detected, use nkeys or bcrypt")
    if options.file:
        log.info("Using configuration file: %s (%s)", options.file, options.digest)
    if options.limits.max_payload > LARGE_PAYLOAD:
        log.warning("Maximum payloads over 8 MB are discouraged: they hold up everybody else on the connection")
    for operator in options.operators:
        log.info("Trusted Operators")
        log.info("  Operator: %s", operator.claims.name or operator.claims.subject)
    open_host = options.host in ("0.0.0.0", "::")  # noqa: S104 - looked for, not used
    if open_host and options.authorization is None and not options.accounts and not options.operator_mode:
        log.warning("Anybody who can reach this host can connect: use -a 127.0.0.1, or configure users or an operator")


def _on_signal(number: int, log: Any, server: Server, ended: Any) -> None:
    from natskit.server.logs import reopen_log

    log.info('Trapped "%s" signal', (signal.strsignal(number) or str(number)).lower())
    if number == signal.SIGINT or (number == signal.SIGTERM and (server.accepting or not server.running)):
        ended.set()
    elif number == signal.SIGUSR1:
        reopened = reopen_log()
        log.info("File log re-opened" if reopened else "File log re-open ignored, not a file logger")
    elif number == signal.SIGUSR2:
        _begin(_leave(server, ended))
    elif number == signal.SIGHUP:
        _begin(_reload(log, server))


_BEGUN: set[Any] = set()
"""What signals have begun: a task that nobody holds may vanish."""


def _begin(work: Coroutine[Any, Any, None]) -> None:
    import asyncio

    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_BEGUN.discard)
    _BEGUN.add(task)


async def _leave(server: Server, ended: Any) -> None:
    """Lame duck mode; SIGTERM does not shorten it."""
    await server.lame_duck()
    ended.set()


async def _reload(log: Any, server: Server) -> None:
    """Read the configuration file again; flags go on to win over it."""
    from natskit.errors import Error

    try:
        await server.reload()
    except Error as error:
        log.error("Failed to reload server configuration: %s", error)


def _follow(log: Any, server: Server, before: Options, ports: PortsFile) -> None:
    """After a reload: the log and the files are this program's."""
    from natskit.errors import Error
    from natskit.server.files import write_pid
    from natskit.server.logs import open_log

    try:
        if server.options.logging != before.logging:
            open_log(server.options.logging)
        if server.options.pid_file != before.pid_file:
            write_pid(server.options)
        ports.write()
    except Error as error:
        log.error("%s", error)
