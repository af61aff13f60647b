"""Asking for the values of flags: typed, checked while typing, with what is now as the default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from natskit.cli import prompts
from natskit.cli.flags import format_date, parse_moment
from natskit.errors import NotFound, UsageError

if TYPE_CHECKING:
    from natskit.cli.command import Command, Flag

    from ..run import Run

__all__ = ["Option", "Questions", "named", "required", "valid_subject"]

Option = tuple[str, Any]


class Questions:
    """Asks, and keeps the answers where flags have their values."""

    def __init__(self, run: Run, command: Command, values: dict[str, Any]) -> None:
        self.run = run
        self.values = values
        self.workspace = run.workspace
        self._flags: dict[str, Flag] = {flag.name: flag for flag in command.flags}

    # ---- one flag each

    def is_open(self, flag: str) -> bool:
        """Whether the flag was not given."""
        return flag not in self.run.given

    def value(self, flag: str) -> Any:
        """What the flag is now."""
        return self.values[flag.replace("-", "_")]

    def answer(self, flag: str, value: Any) -> None:
        """Set a flag, as if it had been given."""
        self.values[flag.replace("-", "_")] = value
        self.run.given.add(flag)

    def text(self, flag: str, message: str, default: str = "", check: prompts.Check | None = None) -> str:
        """Ask for a text; an empty answer to an empty default is none."""
        if self.is_open(flag):
            answer = prompts.text(message, default, check)
            if answer:
                self.answer(flag, answer)
        return str(self.value(flag))

    def yes(self, flag: str, message: str, *, default: bool = False) -> bool:
        """Ask yes or no."""
        if self.is_open(flag):
            self.answer(flag, prompts.confirm(message, default=default))
        return bool(self.value(flag))

    def choose(self, flag: str, message: str, options: Sequence[Option], default: Any = None) -> Any:
        """Ask for one of several."""
        if self.is_open(flag):
            self.answer(flag, prompts.choose(message, options, default))
        return self.value(flag)

    def read(self, flag: str, message: str, default: str = "") -> None:
        """Ask for what the flag reads: a number, a size, a list ...; an empty answer is none."""
        reads = self._flags[flag].read
        if self.is_open(flag):
            answer = prompts.text(message, default, lambda text: text and reads(text))
            if answer:
                self.answer(flag, reads(answer))

    # ---- what is there and may be changed: the flag is given only if the answer is another one

    def change(self, flag: str, message: str, now: object, check: prompts.Check | None = None) -> None:
        """Ask for the value of a flag, which is ``now``."""
        reads = self._flags[flag].read
        if not self.is_open(flag):
            return

        def checked(text: str) -> None:
            if text != str(now):
                reads(text)
                (check or str)(text)

        answer = prompts.text(message, str(now), checked)
        if answer != str(now):
            self.answer(flag, reads(answer))

    def switch(self, flag: str, message: str, *, now: bool) -> None:
        """Ask whether something that is ``now`` so is to be so."""
        if self.is_open(flag) and prompts.confirm(message, default=now) != now:
            self.answer(flag, not now)

    def lists(self, add: str, remove: str, what: str, now: Sequence[Option], hint: str = "") -> None:
        """Ask which of ``now`` go, and what comes."""
        if now and self.is_open(remove):
            gone = prompts.choose_several(f"{what} to take away", now)
            if gone:
                self.answer(remove, tuple(gone))
        self.read(add, f"{what} to add{hint or ', with commas between'}")

    def marks(self, add: str, remove: str, message: str, options: Sequence[Option], now: Sequence[str]) -> None:
        """Ask which of ``options`` are to be in a list; those that are ``now`` are marked."""
        if not (self.is_open(add) and self.is_open(remove)):
            return
        wanted = prompts.choose_several(message, options, marked=now)
        for flag, changed in (
            (add, [each for each in wanted if each not in now]),
            (remove, [each for each in now if each not in wanted]),
        ):
            if changed:
                self.answer(flag, tuple(changed))

    def sections(self, message: str, options: Sequence[tuple[str, Callable[[], None]]]) -> None:
        """Ask what is to be changed, then what belongs to that."""
        for section in prompts.choose_several(message, options):
            section()

    # ---- what several commands ask

    def validity(self) -> None:
        """From when to when."""
        self.text("start", "valid from (empty: now)", check=self.moment_check("start"))
        self.text("expiry", "valid until (empty: never)", check=self.moment_check("expiry"))

    def change_validity(self, not_before: int, expires: int) -> None:
        """From when to when, where there are dates already."""
        for flag, message, moment in (
            ("start", "valid from (0: always)", not_before),
            ("expiry", "valid until (0: for ever)", expires),
        ):
            self.change(flag, message, format_date(moment) or "0", self.moment_check(flag))

    def moment_check(self, name: str) -> prompts.Check:
        """Refuses what is no date."""
        return lambda text: parse_moment(text, self.workspace.now(), name)

    def operator(self, flag: str = "") -> str:
        """Which operator, by name, as the value of ``flag``; not asked if there is one only."""
        names = self.workspace.operators()
        if not names:
            raise NotFound("there is no operator", hint="nsc add operator NAME")
        current = self.workspace.config.operator
        chosen = _only(names) or str(prompts.choose("operator", [(name, name) for name in names], current))
        if flag and not self.value(flag):
            self.answer(flag, chosen)
        return chosen

    def account(self) -> str:
        """Which account to work on; not asked if there is one only."""
        workspace = self.workspace
        if not workspace.account_given:
            names = workspace.operator().accounts()
            if not names:
                raise NotFound(f'operator "{workspace.operator().name}" has no accounts', hint="nsc add account NAME")
            workspace.account_given = _only(names) or prompts.choose(
                "account", [(name, name) for name in names], workspace.config.account
            )
        return workspace.account_name()

    def account_argument(self) -> str:
        """Which account, where the name of it is an argument."""
        if not self.values["name"]:
            self.answer("name", self.account())
        return self.workspace.account_name(self.values["name"])

    def user(self, account: str, flag: str = "name") -> str:
        """Which user of the account; not asked if there is one only."""
        if not self.value(flag):
            users = self.workspace.operator().users(account)
            if not users:
                from natskit.store.commands import typed

                raise NotFound(
                    f'account "{account}" has no users', hint=typed("add", "user", "--account", account, "NAME")
                )
            self.answer(flag, _only(users) or prompts.choose("user", [(name, name) for name in users]))
        return str(self.value(flag))

    def output_file(self, message: str, default: str = "--") -> None:
        """Where it is written."""
        self.text("output-file", f"{message} (-- for the screen)", default)

    def new_key(self, kind: str) -> None:
        """Make a key, or use one that is there."""
        if self.is_open("public-key") and not prompts.confirm(f"generate an {kind} nkey?", default=True):
            from natskit.store.signing import read_key

            self.text("public-key", f"public key, seed or key file of the {kind}", check=self._key_check(read_key))

    def _key_check(self, read: Callable[..., object]) -> prompts.Check:
        def check(text: str) -> None:
            if not text:
                raise UsageError("a key is required")
            read(self.workspace, text)

        return check

    def signer(self, *, operator: bool, before: str = "") -> None:
        """Which key signs: asked if there is a choice, or if a key that may is not stored here.

        ``before``: the one that signed it before. In a store whose operator is somebody else's the account signs.
        """
        if self.run.private_key:
            return
        allowed = self._allowed_signers(operator=operator)
        present = [key for key in allowed if self.workspace.keystore.has(key)]
        if len(present) == 1 == len(allowed) or (operator and not present and self.workspace.operator().managed):
            return
        options: list[Option] = [(key, key) for key in present]
        if len(present) < len(allowed):
            options.append(("Other...", ""))
        chosen = prompts.choose("sign with", options, before or None)
        self.run.values["private_key"] = chosen or self._other_signer(allowed)

    def _other_signer(self, allowed: Sequence[str]) -> str:
        from natskit.store.signing import read_key

        def check(text: str) -> None:
            pair = read_key(self.workspace, text)
            if pair.public not in allowed:
                raise UsageError(f'"{pair.public}" is not an expected signing key [{", ".join(allowed)}]')

        return prompts.text("seed or key file", check=check)

    def _allowed_signers(self, *, operator: bool) -> tuple[str, ...]:
        """The keys that may sign what the operator's or the account's key signs."""
        from natskit.store.signing import account_keys, operator_keys

        store = self.workspace.operator()
        claims = store.operator()
        return operator_keys(claims) if operator else account_keys(store.account(self.workspace.account_name()), claims)


def _only(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ""


# ---- checks while typing


def valid_subject(text: str) -> None:
    """Refuses what is no subject."""
    from natskit.subjects import validate

    validate(text)


def named(kind: str) -> prompts.Check:
    """Refuses what cannot be the name of a ``kind``."""
    from natskit.store.names import check

    return lambda text: text == "*" or check(text, kind)


def required(message: str) -> prompts.Check:
    """Refuses an empty answer."""

    def check(text: str) -> None:
        if not text:
            raise UsageError(message)

    return check
