"""Programs whose options follow Go's ``flag`` package, on top of click.

``nk``, ``nats-server``, ``nats-account-server``, ``nats-pub`` and ``nats-sub`` take every option with one dash or
with two, with the value behind ``=`` or as the next argument: ``-creds FILE``, ``--creds FILE``, ``-creds=FILE``,
``-DV``, ``-ro=false``. A value may begin with a dash. Letters are not bundled: ``-DV`` is an option of its own.

::

    @program("nats-sub", examples=[("nats-sub '>'", "print everything")])
    @click.option("--creds", metavar="FILE", help="Credentials file.")
    @click.argument("subject")
    def command(creds: str | None, subject: str) -> None:
        \"\"\"Print the messages on SUBJECT.\"\"\"

    main = command.run

What a program prints when it fails is decided here: one line on stderr (a JSON document with ``--json``) and the
hint below it; the exit statuses are those of `natskit.cli.exits`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import click

from natskit import __version__, errors
from natskit.cli.console import Console, guard
from natskit.cli.exits import MISUSED

Example = tuple[str, str]


class Program(click.Command):
    """A click command that reads its options as Go's ``flag`` package does. Made by `program`."""

    examples: Sequence[Example] = ()
    misused = MISUSED
    """Exit status for arguments that make no sense."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_arrange(self._options(ctx), args)))

    def _options(self, ctx: click.Context) -> dict[str, tuple[str, click.Option]]:
        """Map each option name without dashes to how it was declared."""
        return {
            declared.lstrip("-"): (declared, parameter)
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option)
            for declared in (*parameter.opts, *parameter.secondary_opts)
        }

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("\nEvery option takes one dash or two, and its value behind a blank or an equals sign.\n")
        if not self.examples:
            return
        with formatter.section("Examples"):
            for line, effect in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}# {effect}\n")
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def run(self, argv: Sequence[str] | None = None) -> NoReturn:
        """Run as a console script: execute, then leave the process with the exit status."""
        sys.exit(self.execute(sys.argv[1:] if argv is None else argv))

    def execute(self, argv: Sequence[str]) -> int:
        """Run with these arguments and return the exit status. A failure is told on stderr, never raised."""
        console = Console(json=self._speaks_json(argv), lead=f"{self.name}:")
        return guard(console, lambda: self._invoke(argv), misused=self.misused)

    def _invoke(self, argv: Sequence[str]) -> int:
        try:
            with self.make_context(self.name, list(argv)) as ctx:
                status = self.invoke(ctx)
        except click.exceptions.Exit as leave:
            return leave.exit_code
        except click.UsageError as error:
            raise errors.UsageError(f"{error.format_message()} See '{self.name} --help'.") from None
        except click.Abort:
            raise KeyboardInterrupt from None
        return status if isinstance(status, int) else 0

    def _speaks_json(self, argv: Sequence[str]) -> bool:
        """Whether failures of reading the arguments are to be told in JSON too."""
        if not any("--json" in parameter.opts for parameter in self.params):
            return False
        found = False
        for argument in argv:
            name, equals, value = _split(argument)
            if name == "json":
                found = not equals or value in _TRUE
            elif argument == "--":
                break
        return found


def program(
    name: str, *, examples: Sequence[Example] = (), version: Sequence[str] = ("--version",)
) -> Callable[[Callable[..., Any]], Program]:
    """Make a `Program` of a function. ``examples`` are (command line, what it does); ``version`` are option names."""

    def decorate(function: Callable[..., Any]) -> Program:
        function = click.option(
            *version, is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
        )(function)
        settings = {"help_option_names": ["-h", "--help"]}
        command = click.command(name, cls=Program, context_settings=settings)(function)
        command.examples = examples
        return command

    return decorate


def _arrange(options: dict[str, tuple[str, click.Option]], args: Sequence[str]) -> Iterator[str]:
    """Yield the arguments in the one form click reads alike everywhere: options first, ``--``, the rest.

    Behind the first positional argument only what is an option of the program counts as one, so that
    ``nats-pub temp -5`` sends ``-5`` and ``nats-sub foo -count 1`` still takes the option.
    """
    rest: list[str] = []
    queue = list(reversed(args))
    while queue:
        argument = queue.pop()
        if argument == "--":
            rest.extend(reversed(queue))
            break
        name, equals, value = _split(argument)
        if name not in options:
            if name and not rest:
                raise click.NoSuchOption(f"-{name}", possibilities=[f"-{known}" for known in options])
            rest.append(argument)
            continue
        yield from _spell(*options[name], value if equals else None, queue)
    yield "--"
    yield from rest


def _split(argument: str) -> tuple[str, str, str]:
    """``-name=value`` in parts; the name is empty for what is no option (``-`` alone is none)."""
    if len(argument) < 2 or argument[0] != "-":
        return "", "", ""
    return argument.removeprefix("-").removeprefix("-").partition("=")


def _spell(declared: str, option: click.Option, value: str | None, queue: list[str]) -> Iterator[str]:
    """Yield one option as it was declared, with its value, which may be the next argument in ``queue``."""
    if option.is_flag or option.count:
        if value is None or _truth(declared, value):
            yield declared
        elif option.secondary_opts:
            yield option.secondary_opts[0]  # an explicit no, which is more than not asking
        return
    if value is None:
        if not queue:
            raise click.BadOptionUsage(declared, f"Option {declared} needs a value.")
        value = queue.pop()
    yield declared
    yield value


_TRUE = ("1", "t", "T", "TRUE", "true", "True")


def _truth(declared: str, value: str) -> bool:
    """Go's ``strconv.ParseBool``."""
    if value in _TRUE:
        return True
    if value in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise click.BadOptionUsage(declared, f"Option {declared} takes true or false, not {value!r}.")


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        print(version_line(ctx))
        ctx.exit()


def version_line(ctx: click.Context) -> str:
    """The name of the program and its version."""
    return f"{ctx.command.name} (natskit) {__version__}"
