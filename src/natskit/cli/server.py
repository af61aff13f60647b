"""``nats-server``: the embedded server as a program.

Source: spec/server-config.md sections 4, 6 and 7.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import click

from natskit.cli.program import program
from natskit.errors import UsageError

if TYPE_CHECKING:
    from natskit.server import Options, Server

_ELSEWHERE = [
    *("js", "jetstream", "sd", "store_dir", "profile", "routes", "no_advertise", "connect_retries"),
    *("cluster", "cluster_name", "cluster_advertise", "cluster_listen"),
]

_SIGNALS = {
    "stop": signal.SIGKILL,
    "quit": signal.SIGINT,
    "term": signal.SIGTERM,
    "reopen": signal.SIGUSR1,
    "ldm": signal.SIGUSR2,
    "reload": signal.SIGHUP,
}


def _refused(name: str) -> Any:
    """An option of clustering or JetStream, which says where to go."""

    def refuse(context: click.Context, parameter: click.Parameter, value: object) -> None:
        if value is not None:
            raise UsageError(
                f"-{name} is not supported by the embedded server",
                hint="run the real nats-server: the same operator, accounts and creds work there unchanged",
            )

    return click.option(f"--{name}", hidden=True, expose_value=False, callback=refuse)


def _refusals(function: Any) -> Any:
    for name in _ELSEWHERE:
        function = _refused(name)(function)
    return function


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
@click.option("-D", "--debug", "debug", is_flag=True, default=None, help="Log more.")
@click.option("-V", "--trace", "trace", is_flag=True, default=None, help="Log the protocol.")
@click.option("-VV", "trace_verbose", is_flag=True, help="Log the protocol, the system account's too.")
@click.option("-DV", "debug_trace", is_flag=True, help="-D and -V.")
@click.option("-DVV", "debug_trace_verbose", is_flag=True, help="-D and -VV.")
@click.option("-T/-no_T", "--logtime/--no_logtime", "logtime", default=None, help="Time in log lines.")
@click.option("--logtime_utc", is_flag=True, default=None, help="In UTC.")
@click.option("-l", "--log", "log_file", metavar="FILE", help="Log to FILE.")
@click.option("--log_size_limit", metavar="BYTES", type=int, help="Set the log file aside at this size.")
@click.option("-s", "--syslog", "syslog", is_flag=True, default=None, help="Log to syslog.")
@click.option("-r", "--remote_syslog", metavar="URL", help="Log to a syslog server.")
@click.option("--max_traced_msg_len", metavar="BYTES", type=int, help="Show at most so much of a message.")
@click.option("--user", metavar="NAME", help="User that clients must be.")
@click.option("--pass", "password", metavar="PASSWORD", help="Its password.")
@click.option("--auth", "token", metavar="TOKEN", help="Token that clients must have.")
@click.option("--tls", is_flag=True, default=None, help="Require TLS.")
@click.option("--tlscert", metavar="FILE", help="Certificate.")
@click.option("--tlskey", metavar="FILE", help="Its key.")
@click.option("--tlsverify", is_flag=True, default=None, help="Require certificates of clients.")
@click.option("--tlscacert", metavar="FILE", help="Authority that signed them.")
@_refusals
def command(config: str | None, test: bool, order: str | None, **flags: Any) -> int | None:
    """Run a NATS server in this process."""
    if order is not None:
        return _send_signal(order)
    from natskit.server import Options

    if test and config is None:
        raise UsageError("must specify [-c, --config] option to check configuration file syntax")
    overrides = _overrides(flags)
    options = Options.load(config, overrides=overrides)
    if test:
        return _tested(options)
    return _run(options, overrides)


main = command.run


def _overrides(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags as keys of the configuration language."""
    verbose = flags.pop("trace_verbose") or flags["debug_trace_verbose"]
    both = flags.pop("debug_trace") or flags.pop("debug_trace_verbose")
    flags.pop("debug_trace_verbose", None)
    login = {
        "user": flags.pop("user"),
        "password": flags.pop("password"),
        "token": flags.pop("token"),
    }
    tls = {
        "cert_file": flags.pop("tlscert"),
        "key_file": flags.pop("tlskey"),
        "verify": flags.pop("tlsverify"),
        "ca_file": flags.pop("tlscacert"),
    }
    wants_tls = flags.pop("tls")
    flags["logfile_size_limit"] = flags.pop("log_size_limit")
    given = {name: value for name, value in flags.items() if value is not None}
    if verbose:
        given["trace_verbose"] = True
    if both:
        given |= {"debug": True, "trace": True}
    for name, block in (("authorization", login), ("tls", tls)):
        if block := {key: value for key, value in block.items() if value is not None}:
            given[name] = block
    if wants_tls and not (tls["cert_file"] and tls["key_file"]):
        missing = "certificate" if not tls["cert_file"] else "private key"
        raise UsageError(f"TLS Server {missing} must be present and valid: give -tlscert and -tlskey")
    return given


def _tested(options: Options) -> int:
    for warning in options.warnings:
        click.echo(f"nats-server: {warning}", err=True)
    if options.warnings:
        return 1
    click.echo(f"nats-server: configuration file {options.file} is valid ({options.digest})", err=True)
    return 0


# ---- running ---------------------------------------------------------------------------------------


def _run(options: Options, overrides: dict[str, Any]) -> int:
    import asyncio

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
            runner.run(_serve(options, overrides))
    finally:
        close_log()
    return 0


async def _serve(options: Options, overrides: dict[str, Any]) -> None:
    import asyncio
    import logging

    from natskit.server import Server

    log = logging.getLogger("natskit.server")
    server = Server(options)
    _announce(log, server)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        loop.add_signal_handler(number, _on_signal, number, log, server, overrides, ended)
    async with server:
        files = _write_files(options, server)
        log.info("Server is ready")
        await ended.wait()
        log.info("Initiating Shutdown...")
    for path in files:
        os.unlink(path)
    log.info("Server Exiting..")


def _announce(log: Any, server: Server) -> None:
    from natskit import __version__

    log.info("Starting nats-server")
    log.info("  Version:  %s (natskit)", __version__)
    log.info("  Name:     %s", server.name)
    log.info("  ID:       %s", server.id)
    options = server.options
    if options.file:
        log.info("Using configuration file: %s (%s)", options.file, options.digest)
    for warning in options.warnings:
        log.warning("%s", warning)
    passwords = [user.password for _, user in options.users()]
    if options.authorization is not None:
        passwords.append(options.authorization.password)
    if any(each and not each.startswith("$2") for each in passwords):
        log.warning("Plaintext passwords detected, use nkeys or bcrypt")
    for operator in options.operators:
        log.info("Trusted Operators")
        log.info("  Operator: %s", operator.claims.name or operator.claims.subject)
    open_host = options.host in ("0.0.0.0", "::")  # noqa: S104 - looked for, not used
    if open_host and options.authorization is None and not options.accounts and not options.operator_mode:
        log.warning("Anybody who can reach this host can connect: use -a 127.0.0.1, or configure users or an operator")


def _on_signal(number: int, log: Any, server: Server, overrides: dict[str, Any], ended: Any) -> None:
    from natskit.server.logs import reopen_log

    log.info('Trapped "%s" signal', signal.strsignal(number))
    if number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        ended.set()
    elif number == signal.SIGUSR1:
        reopened = reopen_log()
        log.info("File log re-opened" if reopened else "File log re-open ignored, not a file logger")
    else:
        import asyncio

        reloading = asyncio.get_running_loop().create_task(_reload(log, server, overrides))
        reloading.add_done_callback(_RELOADING.discard)
        _RELOADING.add(reloading)


_RELOADING: set[Any] = set()
"""Reloads under way: a task that nobody holds may vanish."""


async def _reload(log: Any, server: Server, overrides: dict[str, Any]) -> None:
    """Read the configuration file again; flags go on to win over it."""
    from natskit.errors import Error
    from natskit.server import Options

    try:
        if not server.options.file:
            raise UsageError("can only reload config when a file is provided using -c or --config")
        await server.reload(Options.load(server.options.file, overrides=overrides))
    except Error as error:
        log.error("Failed to reload server configuration: %s", error)


def _write_files(options: Options, server: Server) -> list[str]:
    """Write the pid file, which stays, and the ports file; the files to remove at the end."""
    from natskit.errors import ServerError

    try:
        if options.pid_file:
            with open(os.open(options.pid_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
                stream.write(str(os.getpid()))
        if not options.ports_file_dir:
            return []
        import json

        path = os.path.join(options.ports_file_dir, f"nats-server_{os.getpid()}.ports")
        with open(path, "w", encoding="ascii") as stream:
            json.dump({"nats": [server.client_url]}, stream, separators=(",", ":"))
    except OSError as error:
        raise ServerError(f"Could not write {error.filename}: {error.strerror}") from None
    return [path]


# ---- signals ---------------------------------------------------------------------------------------


def _send_signal(order: str) -> int:
    """``NAME`` or ``NAME=PID``, where PID may be a file that holds it."""
    name, _, target = order.partition("=")
    if name not in _SIGNALS:
        raise UsageError(f'unknown signal "{name}": use {", ".join(_SIGNALS)}')
    for pid in [_pid(target)] if target else _servers():
        try:
            os.kill(pid, _SIGNALS[name])
        except OSError as error:
            raise UsageError(f'signal "{name}" {pid}: {(error.strerror or "").lower()}') from None
    return 0


def _pid(target: str) -> int:
    text = target
    if os.path.isfile(target):
        with open(target, encoding="ascii", errors="replace") as stream:
            text = stream.read(32).strip()
    if not text.isdigit():
        raise UsageError(f"invalid pid: {text}")
    return int(text)


def _servers() -> list[int]:
    """The one other nats-server that runs here."""
    import subprocess

    found = subprocess.run(["pgrep", "-x", "nats-server"], capture_output=True, text=True, check=False)  # noqa: S607
    pids = [int(pid) for pid in found.stdout.split() if int(pid) != os.getpid()]
    if not pids:
        raise UsageError("no nats-server processes running")
    if len(pids) > 1:
        raise UsageError(
            f"multiple nats-server processes running: {' '.join(map(str, pids))}; name one: -signal reload=PID"
        )
    return pids
