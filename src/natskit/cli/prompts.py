"""Questions on the terminal: answers are checked while they are typed. Imported only where something is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from natskit.errors import Error, UsageError

__all__ = ["choose", "choose_several", "confirm", "text"]

Check = Callable[[str], object]
_Value = TypeVar("_Value")


def text(message: str, default: str = "", check: Check | None = None) -> str:
    """A line of text for which ``check`` raises no Error. Raises UsageError without a terminal."""
    import questionary

    def validate(answer: str) -> bool | str:
        try:
            if check is not None:
                check(answer.strip())
        except Error as error:
            return str(error)
        return True

    answer: str = _ask(questionary.text, message, default=default, validate=validate)
    return answer.strip()


def confirm(message: str, *, default: bool = False) -> bool:
    """Yes or no."""
    import questionary

    return bool(_ask(questionary.confirm, message, default=default))


def choose(message: str, options: Sequence[tuple[str, _Value]], default: _Value | None = None) -> _Value:
    """One of ``options`` (label, value), moved through with the arrow keys."""
    import questionary

    choices = [questionary.Choice(label, value=number) for number, (label, _) in enumerate(options)]
    first = next((number for number, (_, value) in enumerate(options) if value == default), 0)
    number: int = _ask(questionary.select, message, choices=choices, default=choices[first])
    return options[number][1]


def choose_several(message: str, options: Sequence[tuple[str, _Value]], marked: Sequence[_Value] = ()) -> list[_Value]:
    """Any number of ``options``, marked with the space bar; some may be from the start."""
    import questionary

    choices = [
        questionary.Choice(label, value=number, checked=value in marked)
        for number, (label, value) in enumerate(options)
    ]
    numbers: list[int] = _ask(questionary.checkbox, message, choices=choices)
    return [options[number][1] for number in numbers]


def _ask(kind: Callable[..., Any], message: str, **more: Any) -> Any:
    """Ask on stderr, so that stdout has results only. Ctrl-C ends the command."""
    from prompt_toolkit.output import create_output

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("questions can only be asked on a terminal", hint="leave --interactive away and use flags")
    answer = kind(message, output=create_output(stdout=sys.stderr), **more).unsafe_ask()
    if answer is None:
        raise KeyboardInterrupt
    return answer
