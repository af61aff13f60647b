"""``nk``: make keys, sign and verify files (spec/nkeys-and-jwt.md section 1.4)."""

from __future__ import annotations

import binascii
import sys

import click

from natskit.cli.program import program
from natskit.errors import InvalidKey, NotFound, UsageError
from natskit.nkeys import KeyPair, Role

_FIRST_LETTERS = "ABCD"  # the second character of every public key


@program(
    "nk",
    version=("-v", "--version"),
    examples=[
        ("nk -gen user", "print the seed of a new user key"),
        ("nk -gen user -pubout > user.nk", "its public key too"),
        ("nk -inkey user.nk -pubout", "print the public key of a seed"),
        ("nk -sign notes.txt -inkey user.nk > notes.sig", "sign a file"),
        ("nk -verify notes.txt -pubin user.pub -sigfile notes.sig", "verify it"),
    ],
)
@click.option("--gen", "kind", metavar="KIND", help="Make a key: user, account, operator, server, cluster or curve.")
@click.option("--pubout", is_flag=True, help="Print the public key.")
@click.option("--inkey", metavar="FILE", help="File with a seed.")
@click.option("--pubin", metavar="FILE", help="File with a public key.")
@click.option("--sign", "to_sign", metavar="FILE", help="Sign FILE with -inkey.")
@click.option("--verify", "to_verify", metavar="FILE", help="Verify FILE with -inkey or -pubin, and -sigfile.")
@click.option("--sigfile", metavar="FILE", help="File with a signature.")
@click.option("-e", "entropy", metavar="FILE", help="Take the randomness for -gen from FILE.")
@click.option("--pre", "prefix", metavar="TEXT", help="With -gen: the public key, from its 2nd character, begins so.")
@click.option("--maxpre", metavar="N", type=click.IntRange(min=1), default=10_000_000, help="Give up after N keys.")
def command(
    kind: str | None,
    pubout: bool,
    inkey: str | None,
    pubin: str | None,
    to_sign: str | None,
    to_verify: str | None,
    sigfile: str | None,
    entropy: str | None,
    prefix: str | None,
    maxpre: int,
) -> int | None:
    """Make nkeys, show public keys, sign and verify files."""
    if entropy and not kind:
        raise UsageError("Entropy file only used when creating keys with -gen")
    if kind:
        _generate(_role(kind), pubout, entropy, prefix, maxpre)
    elif to_sign:
        click.echo(_sign(to_sign, inkey))
    elif to_verify:
        _verify(to_verify, inkey, pubin, sigfile)
    elif inkey and pubout:
        click.echo(_seed(inkey).public)
    else:
        raise UsageError("say what to do: -gen KIND, -inkey FILE -pubout, -sign FILE or -verify FILE. See 'nk --help'.")
    return None


command.misused = 1  # as the original
main = command.run


def _role(kind: str) -> Role:
    try:
        return Role.parse(kind)
    except InvalidKey as error:
        raise UsageError(
            "Usage: nk -gen [user|account|server|cluster|operator|curve|x25519]", hint=error.message
        ) from None


def _generate(role: Role, pubout: bool, entropy: str | None, prefix: str | None, most: int) -> None:
    pair = _with_prefix(role, prefix.upper(), most) if prefix else _new(role, entropy)
    click.echo(pair.seed)
    if pubout or prefix:
        click.echo(pair.public)


def _new(role: Role, entropy: str | None) -> KeyPair:
    if entropy is None:
        return KeyPair.create(role)
    with open(entropy, "rb") as stream:
        raw = stream.read(32)
    if len(raw) < 32:
        raise InvalidKey(f"{entropy} holds {len(raw)} bytes, a key needs 32")
    return KeyPair.from_raw_seed(role, raw)


def _with_prefix(role: Role, prefix: str, most: int) -> KeyPair:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    if not set(prefix) <= set(alphabet) or prefix[0] not in _FIRST_LETTERS:
        raise UsageError(
            f"Can not generate base32 encoded strings to match '{prefix}'",
            hint="the 2nd character of a public key is A, B, C or D; the others are A-Z and 2-7",
        )
    shows = sys.stderr.isatty()
    for tried in range(most):
        pair = KeyPair.create(role)
        if pair.public.startswith(prefix, 1):
            return pair
        if shows and tried % 10_000 == 0:
            click.echo(f"\r{tried} keys tried", nl=False, err=True)
    raise NotFound(f"Failed to generate prefix after {most} attempts")


def _key_in(path: str) -> KeyPair:
    """The first line of a file that is a key."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream.read(1 << 16).splitlines():
            text = line.strip()
            try:
                return KeyPair.from_seed(text) if text.startswith("S") else KeyPair.from_public(text)
            except InvalidKey:
                continue
    raise InvalidKey(f"Could not find a valid key in {path}")


def _seed(path: str) -> KeyPair:
    pair = _key_in(path)
    if not pair.can_sign:
        raise InvalidKey(f"{path} holds a public key, not a seed")
    return pair


def _sign(path: str, inkey: str | None) -> str:
    if inkey is None:
        raise UsageError("Sign requires a seed/private key via -inkey <file>")
    with open(path, "rb") as stream:
        signature = _seed(inkey).sign(stream.read())
    return binascii.b2a_base64(signature, newline=False).translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=").decode()


def _verify(path: str, inkey: str | None, pubin: str | None, sigfile: str | None) -> None:
    if not (inkey or pubin):
        raise UsageError("Verify requires a seed key via -inkey or a public key via -pubin")
    if sigfile is None:
        raise UsageError("Verify requires a signature via -sigfile")
    pair = _seed(inkey) if inkey else _key_in(pubin or "")
    with open(sigfile, "rb") as stream:
        text = stream.read(4096).strip().translate(bytes.maketrans(b"-_", b"+/"))
    try:
        signature = binascii.a2b_base64(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4))
    except binascii.Error:
        raise InvalidKey(f"{sigfile} does not hold a signature in base64") from None
    with open(path, "rb") as stream:
        pair.verify(stream.read(), signature)
    click.echo("Verified OK")
