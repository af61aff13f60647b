"""Help texts, made from the command tree and the flags of each command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from natskit.cli.command import Command, Flag

from . import tree

__all__ = ["command_help", "group_help", "guide"]

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
        "many at once",
        "nsc add accounts --from accounts.csv",
        "nsc add users -a Orders --from users.csv --creds-dir creds",
        "nsc batch commands.txt",
        "nsc batch commands.txt --resume",
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
        "nsc explain denied pub -a Orders -u shop orders.eu.1 --peer Billing",
        "nsc explain denied sub --creds billing.creds 'orders.>'",
    ),
    (
        "try it",
        "nsc tool sub -a Billing 'orders.>'",
        "nsc tool pub -a Orders orders.eu.1 hello",
        "nsc tool reply -a Orders orders.price 42",
        "nsc tool req -a Billing orders.price",
        "nsc tool rtt -a Billing",
    ),
    (
        "see what there is, and whether servers take it",
        "nsc list operators",
        "nsc list accounts",
        "nsc list users -a Orders",
        "nsc list exports -a Orders",
        "nsc list imports -a Billing",
        "nsc describe operator",
        "nsc describe account Orders",
        "nsc describe user -a Orders shop",
        "nsc describe export -a Orders 'orders.>'",
        "nsc describe import -a Billing 'orders.>'",
        "nsc describe jwt token.jwt",
        "nsc validate --all-accounts",
        "nsc expirations --within 30d",
        "nsc generate diagram component -o sharing.puml",
        "nsc generate diagram object -o signed.puml",
    ),
    (
        "give it to servers that run, and see whether they have it",
        "nsc edit operator --account-jwt-server-url nats://localhost:4222",
        "nsc push --all",
        "nsc push --diff",
        "nsc pull --all",
    ),
    (
        "change it",
        "nsc edit account Orders --conns 100 --payload 64Ki",
        "nsc edit user -a Orders shop --allow-pub 'invoices.>'",
        "nsc edit export -a Orders 'orders.>' --description 'all orders'",
        "nsc rename account Orders Sales --OK",
    ),
    (
        "publish under one subject, receive under another",
        "nsc add mapping -a Orders --from api --to api.v2 --weight 20",
        "nsc delete mapping -a Orders --from api",
    ),
    (
        "take something back",
        "nsc revocations add-user -a Orders -n shop",
        "nsc revocations list-users -a Orders",
        "nsc revocations delete-user -a Orders -n shop",
        "nsc revocations add-activation -a Orders -s 'orders.>' -t Billing",
        "nsc revocations list-activations -a Orders -s 'orders.>'",
        "nsc revocations delete-activation -a Orders -s 'orders.>' -t Billing",
        "nsc delete import -a Billing --subject 'orders.>'",
        "nsc delete export -a Orders --subject 'orders.>'",
        "nsc delete user -a Orders shop --revoke",
        "nsc delete account Orders",
        "nsc delete operator Old --force",
    ),
    (
        "give users of one kind the same rights, with a key that a service may hold",
        "nsc edit signing-key -a Orders --sk generate --role reader --allow-sub 'orders.>'",
        "nsc add user -a Orders ann -K reader",
    ),
    ("let a service decide who logs in", "nsc edit authcallout Orders --auth-user UA... --allowed-account '*'"),
    (
        "sign again what a lost or replaced key has signed",
        "nsc reissue account Orders",
        "nsc reissue user -a Orders shop",
    ),
    (
        "put the keys away that you do not need every day",
        "nsc edit operator --sk generate",
        "nsc list keys --all",
        "nsc export keys --operator --remove --dir /media/safe",
        "nsc import keys --dir /media/safe",
        "nsc reissue operator",
        "nsc reissue account Orders",
        "nsc reissue user -a Orders shop",
        "nsc generate nkey --account",
    ),
    (
        "keep a copy, and make the store again from it",
        "nsc export keys --all --include-jwts --dir backup",
        "nsc fix --in backup --out restored",
        "nsc import account --file Orders.jwt",
        "nsc import user --file shop.creds",
    ),
    (
        "work on several operators",
        "nsc add operator Second --sys",
        "nsc env",
        "nsc select operator Demo",
        "nsc select account Orders",
        "nsc list accounts --operator Second",
    ),
    (
        "have an account at somebody else's operator",
        "nsc load --profile 'nsc://synadia?secret=SA...'",
        "nsc add operator -u https://example.com/jwt/v1/operator",
        "nsc migrate --url ~/old/stores/Old/accounts/Orders/Orders.jwt",
    ),
    (
        "go on with a store of 2019",
        "nsc keys migrate",
        "nsc upgrade-jwt",
    ),
    (
        "use it in other tools",
        "nsc generate context -a Orders -u shop --context shop",
        "nsc generate profile nsc://Demo/Orders/shop",
        "nsc completion bash",
        "nsc completion zsh",
        "nsc completion fish",
    ),
    (
        "find out why nothing arrives, what ends soon and what lies around, and mend it",
        "nsc doctor",
    ),
)
"""What people want to do, and the commands for it: every command stands somewhere here."""


def guide() -> str:
    """What ``nsc help`` prints: the commands, then each of them in a task."""
    return "\n".join([group_help(""), "", "By task:", *_tasks()])


def group_help(group: str) -> str:
    """What ``nsc``, ``nsc add`` ... print: the commands below."""
    name = f"nsc {group}".strip()
    lines = [f"{tree.GROUPS[group]}.", "", "Usage:", f"  {name} COMMAND [flags]", "", "Commands:"]
    words = tree.children(group)
    column = max(map(len, words), default=0) + 3
    lines += [f"  {word:<{column}}{_summary(f'{group} {word}'.strip())}" for word in words]
    lines += ["", f'"{name} COMMAND --help" says more about a command, with examples.']
    if not group:
        lines += ['"nsc help" shows them by task, "nsc COMMAND -i" asks for what is missing.']
    return "\n".join(lines)


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
