"""Where nsc keeps things: configuration, stores, keys, contexts of the nats command.

Source: spec/nsc.md 1.1 (today's rules, with their fall-backs to the places of before 2022) and 8.1 (2019).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from .files import absolute
from .profile import Profile

__all__ = ["Directories", "Flags", "home_of", "resolve"]


class Flags(msgspec.Struct, frozen=True):
    """The directory flags that every command takes, and the operator and account it is told to work on."""

    config_dir: str = ""
    data_dir: str = ""
    keystore_dir: str = ""
    all_dirs: str = ""
    operator: str = ""
    account: str = ""

    def expanded(self, home: str, cwd: str) -> Flags:
        """The same with absolute directories; ``all_dirs`` wins over the others."""

        def full(path: str) -> str:
            return absolute(path, home, cwd) if path else ""

        each = {name: full(self.all_dirs or getattr(self, name)) for name in ("config_dir", "data_dir", "keystore_dir")}
        return msgspec.structs.replace(self, all_dirs=full(self.all_dirs), **each)


class Directories(msgspec.Struct, frozen=True):
    """Absolute paths. ``stores`` is only the default for a first run: afterwards the configuration says."""

    home: str
    config: str
    stores: str
    standard_stores: str
    keystore: str
    contexts: str

    @property
    def config_file(self) -> str:
        """``nsc.json``."""
        return os.path.join(self.config, "nsc.json")

    def shorten(self, path: str) -> str:
        """``path`` with the home folder shown as ``~``."""
        inside = path == self.home or path.startswith(self.home.rstrip("/") + "/")
        return "~" + path[len(self.home) :] if inside else path


def home_of(environ: Mapping[str, str]) -> str:
    """The home folder: ``$HOME``, else what the system knows."""
    return environ.get("HOME") or os.path.expanduser("~")


def resolve(environ: Mapping[str, str], flags: Flags, cwd: str, profile: Profile) -> Directories:
    """The directories for one run; ``flags`` as given. Nothing is made."""
    home = home_of(environ)
    flags = flags.expanded(home, cwd)
    if profile is Profile.Y2019:
        return _resolve_2019(environ, flags, home, cwd)
    config_base = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    data = f"{environ.get('XDG_DATA_HOME') or f'{home}/.local/share'}/nats/nsc"
    config = f"{config_base}/nats/nsc"
    if not os.path.exists(f"{config}/nsc.json") and os.path.exists(f"{home}/.nsc/nsc.json"):
        config = f"{home}/.nsc"
    stores = _first_that_is(f"{data}/stores", f"{home}/.nsc/nats")
    keystore = _first_that_is(f"{data}/keys", f"{home}/.nkeys")
    return Directories(
        home=home,
        config=flags.config_dir or _variable(environ, "NSC_HOME", home, cwd) or config,
        stores=flags.data_dir or stores,
        standard_stores=stores,
        keystore=flags.keystore_dir or _variable(environ, "NKEYS_PATH", home, cwd) or keystore,
        contexts=f"{config_base}/nats/context",
    )


def _resolve_2019(environ: Mapping[str, str], flags: Flags, home: str, cwd: str) -> Directories:
    return Directories(
        home=home,
        config=flags.config_dir or _variable(environ, "NSC_HOME", home, cwd) or f"{home}/.nsc",
        stores=flags.data_dir or f"{home}/.nsc/nats",
        standard_stores=f"{home}/.nsc/nats",
        keystore=flags.keystore_dir or _variable(environ, "NKEYS_PATH", home, cwd) or f"{home}/.nkeys",
        contexts=f"{environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/nats/context",
    )


def _variable(environ: Mapping[str, str], name: str, home: str, cwd: str) -> str:
    value = environ.get(name)
    return absolute(value, home, cwd) if value else ""


def _first_that_is(today: str, before: str) -> str:
    return before if not os.path.isdir(today) and os.path.exists(before) else today
