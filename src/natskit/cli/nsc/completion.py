"""Shell completion: scripts for bash, zsh and fish, which ask ``nsc __complete`` for candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from natskit.cli.command import Command, Flag, command, switch
from natskit.errors import Error, UsageError

from . import tree

if TYPE_CHECKING:
    from natskit.store import Workspace

    from .run import Run

__all__ = ["bash", "complete", "fish", "zsh"]

Candidate = tuple[str, str]
"""A word and what it means."""

_BASH = """\
# bash completion for nsc; load it with: source <(nsc completion bash)
_nsc() {
    local IFS=$'\\n'
    COMPREPLY=($(nsc __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
    local i
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$(printf '%q' "${COMPREPLY[i]}"); done
    [[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default
}
complete -F _nsc nsc
"""

_ZSH = """\
#compdef nsc
# zsh completion for nsc; load it with: source <(nsc completion zsh)
_nsc() {
    local -a found
    local line
    while IFS= read -r line; do
        found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}")
    done < <(nsc __complete "${words[@]:1:$((CURRENT-1))}" 2>/dev/null)
    if (( ${#found} )); then _describe nsc found; else _files; fi
}
(( $+functions[compdef] )) && compdef _nsc nsc
"""

_FISH = """\
# fish completion for nsc; load it with: nsc completion fish | source
function __nsc_complete
    set -l words (commandline -opc) (commandline -ct)
    nsc __complete $words[2..-1] 2>/dev/null
end
complete -c nsc -f -a '(__nsc_complete)'
"""

_PLAIN = switch("no-descriptions", "", "words only", hidden=True)


def _print(run: Run, script: str) -> None:
    run.result(script.rstrip("\n"), script=script)


@command(
    _PLAIN,
    examples=[("source <(nsc completion bash)", "complete in this shell; put it into ~/.bashrc to keep it")],
    stores=False,
)
def bash(run: Run, *, no_descriptions: bool) -> None:
    """Print a script that makes bash complete nsc's commands, flags, and names from your stores."""
    _print(run, _BASH)


@command(
    _PLAIN,
    examples=[("source <(nsc completion zsh)", "complete in this shell; put it into ~/.zshrc to keep it")],
    stores=False,
)
def zsh(run: Run, *, no_descriptions: bool) -> None:
    """Print a script that makes zsh complete nsc's commands, flags, and names from your stores."""
    _print(run, _ZSH)


@command(
    _PLAIN,
    examples=[
        ("nsc completion fish | source", "complete in this shell"),
        ("nsc completion fish > ~/.config/fish/completions/nsc.fish", "and in every other"),
    ],
    stores=False,
)
def fish(run: Run, *, no_descriptions: bool) -> None:
    """Print a script that makes fish complete nsc's commands, flags, and names from your stores."""
    _print(run, _FISH)


# ---- candidates


def complete(words: Sequence[str]) -> Iterator[Candidate]:
    """What may stand in place of the last of ``words``, which may be empty or begun."""
    from . import find, first_word

    *before, begun = _without_breaks(words) or [""]
    name, equals, value = begun.partition("=")
    if equals and name.startswith("--"):  # one word in zsh and fish
        yield from ((f"{name}={word}", meaning) for word, meaning in complete([*before, name, value]))
        return
    try:
        path, rest = find(before[1:] if before[:1] == ["help"] else before)
    except UsageError:  # nothing to offer below what is no command
        return
    leaf = tree.leaf_of(path)
    if leaf is None:
        found: Iterator[Candidate] = _words_below(path) if first_word(rest) is None else iter(())
    else:
        found = _candidates(path, leaf.load(), rest, begun, before)
    yield from (each for each in found if each[0].startswith(begun))


def _without_breaks(words: Sequence[str]) -> list[str]:
    """The words with ``--flag = value`` as bash splits it put together again: as flag and value."""
    found: list[str] = []
    for number, word in enumerate(words):
        if word == "=" and number and words[number - 1].startswith("--"):
            if number == len(words) - 1:
                found.append("")
        else:
            found.append(word)
    return found


_ARGUMENTS = {
    "delete user": "user",
    "edit authcallout": "account",
    "rename account": "account",
    "select account": "account",
    "select operator": "operator",
}
"""What the arguments of commands name that have no flag for it."""


def _words_below(group: str) -> Iterator[Candidate]:
    for word in tree.children(group):
        path = f"{group} {word}".strip()
        leaf = tree.leaf_of(path)
        yield word, leaf.summary if leaf else tree.GROUPS[path]


def _candidates(
    path: str, command: Command, rest: Sequence[str], begun: str, words: Sequence[str]
) -> Iterator[Candidate]:
    from .run import merged

    flags = [flag for flag in merged(command.flags) if not flag.hidden]
    waiting = _waiting(flags, rest)
    if waiting is not None:
        yield from _values(waiting, words)
    elif begun.startswith("-"):
        yield from ((f"--{flag.name}", flag.summary) for flag in flags)
    else:
        names = {each.strip("[].") for each in command.arguments}
        for flag in flags:
            if flag.name in names:
                yield from _values(flag, words)
        if path in _ARGUMENTS:
            yield from _named(_ARGUMENTS[path], words)


def _waiting(flags: Sequence[Flag], rest: Sequence[str]) -> Flag | None:
    """The flag whose value comes next."""
    last = rest[-1] if rest else ""
    for flag in flags:
        if flag.bare is None and last in (f"--{flag.name}", f"-{flag.letter}" if flag.letter else "--"):
            return flag
    return None


def _values(flag: Flag, words: Sequence[str]) -> Iterator[Candidate]:
    if not isinstance(flag.completes, str):
        yield from ((value, "") for value in flag.completes)
        return
    kind = flag.completes or (flag.name if flag.name in ("operator", "account") else "")
    if kind:
        yield from _named(kind, words)


def _named(kind: str, words: Sequence[str]) -> Iterator[Candidate]:
    try:
        names = _names(kind, words)
    except Error:  # nothing to offer where nothing can be read
        return
    yield from ((name, kind) for name in names)


def _names(kind: str, words: Sequence[str]) -> list[str]:
    workspace = _workspace(words)
    if kind == "operator":
        return workspace.operators()
    store = workspace.operator()
    if kind == "account":
        return store.accounts()
    account = workspace.account_name()
    if kind == "user":
        return store.users(account)
    body = store.account(account).nats
    return [each.subject for each in (body.exports if kind == "export" else body.imports)]


def _workspace(words: Sequence[str]) -> Workspace:
    """The workspace that the flags before the cursor name."""
    import os

    from natskit.cli.command import parse
    from natskit.store import Flags, Workspace

    from .run import GLOBAL_FLAGS

    given: dict[str, str] = {}
    for flag in GLOBAL_FLAGS:
        if flag.bare is None and flag.key != "private_key":
            values = _given(flag, words)
            given |= {flag.key: parse(values, [flag]).values[flag.key]} if values else {}
    return Workspace.open(os.environ, Flags(**given), writes=False)


def _given(flag: Flag, words: Sequence[str]) -> list[str]:
    """The words that give ``flag`` its value."""
    for number, word in enumerate(words):
        if word.startswith(f"--{flag.name}="):
            return [word]
        if word == f"--{flag.name}" or (flag.letter and word == f"-{flag.letter}"):
            return list(words[number : number + 2]) if number + 1 < len(words) else []
    return []
