"""Options beside the Go server's: which configurations are accepted, which are refused."""

import subprocess
from pathlib import Path

import pytest
import trustme

from natskit import jwt
from natskit.errors import ConfigError
from natskit.nkeys import KeyPair, Role
from natskit.server.options import Options

ROLES = {"@O": Role.OPERATOR, "@A": Role.ACCOUNT, "@U": Role.USER, "@X": Role.CURVE, "@N": Role.SERVER}
KEYS = {mark: KeyPair.from_raw_seed(role, bytes([number]) * 32) for number, (mark, role) in enumerate(ROLES.items())}
OPERATOR = jwt.encode(jwt.new_operator(KEYS["@O"].public, "O"), KEYS["@O"], issued_at=1)
ACCOUNT = jwt.encode(jwt.new_account(KEYS["@A"].public, "A"), KEYS["@O"], issued_at=1)
WORDS = {
    "@OPERATOR": OPERATOR,
    "@TOKEN": ACCOUNT,
    "@P": "cert_file: cert.pem, key_file: key.pem",
    **{mark: key.public for mark, key in KEYS.items()},
}

ROWS = [
    row.split(" ", 1)
    for row in (Path(__file__).parent / "configurations.txt").read_text().splitlines()
    if not row.startswith("#")
]
PIECES = 6


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with certificates and an operator's token."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    (tmp_path / "op.jwt").write_text(OPERATOR)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ours(path):
    try:
        return not Options.load(path).warnings
    except ConfigError as error:
        for problem in error.problems:
            assert problem.file == str(path), problem
            assert problem.line == 1, problem
        return False


@pytest.mark.parametrize("piece", range(PIECES))
def test_the_same_configurations_are_accepted(piece, real_server, folder):
    path = folder / "server.conf"
    wrong = []
    for verdict, row in ROWS[piece::PIECES]:
        text = row
        for mark, word in WORDS.items():
            text = text.replace(mark, word)
        path.write_text(text)
        done = subprocess.run([real_server, "-t", "-c", str(path)], capture_output=True, text=True, timeout=20)
        accepted = {"+": (True, True), "-": (False, False), "<": (True, False)}[verdict]
        if accepted != (done.returncode == 0, ours(path)):
            wrong.append((verdict, row, done.stderr))
    assert not wrong


RESOLVERS = [  # which both refuse, in the same words
    ("resolver: {type: cache, dir: jwt, allow_delete: true}", "CACHE does not accept allow_delete"),
    ("resolver: {type: cache, dir: jwt, hard_delete: true}", "CACHE does not accept hard_delete"),
    ("resolver: {type: full, dir: jwt, ttl: '1m'}", "FULL does not accept ttl"),
    ("resolver: {type: full, dir: jwt, hard_delete: true}", "hard_delete has no effect without delete"),
    ("resolver: {type: full}", "dir has no value and needs to point to a directory"),
    ("resolver: {type: nope, dir: jwt}", "error parsing account resolver"),
    ("resolver: nope", "error parsing account resolver"),
    ("resolver_preload: {@A: abc}", "invalid account JWT"),
    ("resolver_preload: 5", "preload should be a map of account_public_key:account_jwt"),
    ("resolver_preload: [a]", "preload should be a map of account_public_key:account_jwt"),
]


def test_resolvers_are_refused_in_the_same_words(real_server, folder):
    path = folder / "server.conf"
    for row, fault in RESOLVERS:
        path.write_text(f"operator: op.jwt; system_account: {WORDS['@A']}; {row.replace('@A', WORDS['@A'])}")
        done = subprocess.run([real_server, "-t", "-c", str(path)], capture_output=True, text=True, timeout=20)
        assert fault in done.stderr, row
        with pytest.raises(ConfigError) as refused:
            Options.load(path)
        assert fault in str(refused.value), row
