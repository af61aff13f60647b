"""``nsc generate profile``: what a program needs to know, by an ``nsc://`` URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command
from natskit.cli.console import format_json

from .generate import OUTPUT_FILE, umask

if TYPE_CHECKING:
    from .run import Run

__all__ = ["generate_profile"]


@command(
    OUTPUT_FILE,
    arguments=("url...",),
    examples=[
        ("nsc generate profile nsc://O/A/U", "service URLs of operator O and the creds of user U of account A"),
        ("nsc generate profile 'nsc://O/A?accountSeed&accountKey'", "seed and public key of account A"),
    ],
)
def generate_profile(run: Run, *, url: tuple[str, ...], output_file: str) -> None:
    """Print what an nsc:// URL asks for, as JSON.

    The URL names an operator, an account of it, a user of that. Options after ``?`` ask for more: ``keys``,
    ``seeds``, ``names``, or one of them such as ``accountSeed``; ``store=DIR`` and ``keystore=DIR`` look elsewhere.
    """
    from natskit.store.resource import Resource, profile_of

    content = format_json(profile_of(run.workspace, Resource.parse(url[0])))
    if output_file == "--":
        return run.answer(content)
    full = run.write_file(output_file, f"{content}\n", mode=0o666 & ~umask(), overwrite=False)
    run.success(f"wrote tool configuration to `{run.path(full)}`")
    return None
