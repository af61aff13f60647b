"""Help texts, made from the command tree and the flags of each command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from natskit.cli.command import Command, Flag

from . import tree

__all__ = ["command_help", "group_help"]

_WIDTH = 100


_TASKS = (
    (
        "start from nothing",
        "nsc init --name demo",
        "nsc generate config --mem-resolver --config-file server.conf",
        "nats-server -c server.conf",
    ),
    (
        "a team with its own subjects, and a service that may publish some of them",
        "nsc add account Orders",
        "nsc add user shop --allow-pub 'orders.>' --allow-sub '_INBOX.>'",
        "nsc generate creds -n shop -o shop.creds",
    ),
    (
        "let another account receive them",
        "nsc add export -a Orders --subject 'orders.>' --private",
        "nsc add import -a Billing --src-account Orders --remote-subject 'orders.>' --private",
    ),
    (
        "or an account of somebody else's operator",
        "nsc generate activation -a Orders -t AC... --subject 'orders.eu.>' -o token.jwt",
        "nsc add import --token token.jwt",
    ),
    (
        "who receives what, whose messages arrive, and why not",
        "nsc explain pub -a Orders -u shop orders.eu.1",
        "nsc explain sub -a Billing 'orders.>'",
        "nsc explain denied sub --creds billing.creds 'orders.>'",
    ),
    ("try it", "nsc tool sub -a Billing 'orders.>'", "nsc tool pub -a Orders orders.eu.1 hello"),
    (
        "see what there is, and whether servers take it",
        "nsc describe account Orders",
        "nsc validate --all-accounts",
    ),
)


def group_help(group: str) -> str:
    """What ``nsc``, ``nsc add`` ... print: the commands below."""
    name = f"nsc {group}".strip()
    lines = [f"{tree.GROUPS[group]}.", "", "Usage:", f"  {name} COMMAND [flags]", "", "Commands:"]
    words = tree.children(group)
    column = max(map(len, words), default=0) + 3
    lines += [f"  {word:<{column}}{_summary(f'{group} {word}'.strip())}" for word in words]
    if not group:
        lines += ["", "By task:", *_tasks()]
    return "\n".join([*lines, "", f'"{name} COMMAND --help" says more about a command, with examples.'])


def _tasks() -> Iterator[str]:
    for task, *commands in _TASKS:
        yield f"  # {task}"
        yield from (f"  {line}" for line in commands)


def _summary(path: str) -> str:
    leaf = tree.leaf_of(path)
    return leaf.summary if leaf else tree.GROUPS[path]


def command_help(path: str, command: Command, global_flags: Sequence[Flag]) -> str:
    """What ``nsc add account --help`` ... prints."""
    leaf = tree.LEAVES[path]
    arguments = "".join(f" {each.upper()}" for each in command.arguments)
    lines = [*_description(command.description or leaf.summary), "", "Usage:", f"  nsc {path}{arguments} [flags]"]
    if leaf.aliases:
        *parents, _ = path.split(" ")
        lines += ["", "Also called:", *(f"  nsc {' '.join((*parents, alias))}" for alias in leaf.aliases)]
    if command.examples:
        lines += ["", "Examples:"]
        for line, effect in command.examples:
            lines += [f"  # {effect}", f"  {line}"]
    for title, flags in (("Flags", command.flags), ("Flags of every command", global_flags)):
        shown = [flag for flag in flags if not flag.hidden]
        lines += ["", f"{title}:", *_flag_lines(shown)] if shown else []
    return "\n".join(lines)


def _description(docstring: str) -> list[str]:
    import textwrap  # inspect.cleandoc does the same, and importing that would take a sixth of the time

    first, _, rest = docstring.partition("\n")
    return [line.replace("``", '"') for line in f"{first}\n{textwrap.dedent(rest)}".rstrip().splitlines()]


def _flag_lines(flags: Sequence[Flag]) -> Iterator[str]:
    import textwrap

    column = max(len(_names(flag)) for flag in flags) + 3
    for flag in flags:
        first, *more = textwrap.wrap(flag.summary, max(_WIDTH - column, 30)) or [""]
        yield f"  {_names(flag):<{column}}{first}".rstrip()
        yield from (f"  {'':{column}}{line}" for line in more)


def _names(flag: Flag) -> str:
    letter = f"-{flag.letter}, " if flag.letter else "    "
    if flag.bare is None:
        return f"{letter}--{flag.name} {flag.metavar}"
    return f"{letter}--{flag.name}" + (f"[={flag.metavar}]" if flag.metavar else "")
