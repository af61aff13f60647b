"""The configuration language beside the Go server's: what it accepts, the digests, where it says keys stand."""

import json
import random
import re
import subprocess

import pytest

from natskit.config import digest, parse, parse_file
from natskit.errors import ConfigError

# Whole files, with keys that both know.
FILES = [
    "",
    "# only a comment",
    "server_name: a",
    "server_name a",
    "server_name = a",
    "server_name\na",
    "server_name:\na",
    "server_name := a",
    "server_name: 'a'; port: 4222",
    "server_name: a port: 4222",
    "server_name: a,\n",
    "server_name",
    "Port: 4222 # comment",
    "port: 4222# comment",
    "port: 4222 // comment",
    "{server_name: a}",
    '{"server_name": "a", "port": 4222}',
    '{\n  "server_name": "a",\n  "server_tags": ["x", "y"]\n}\n',
    "{server_name: a",
    "server_tags: [a, b]",
    "server_tags: [a b]",
    "server_tags: [a\nb]",
    "max_payload: 1MB",
    "max_payload: 1.5MB",
    "N: x\nserver_name: $N",
    "server_name: $NOWHERE_TO_BE_FOUND",
    "server_metadata: {a: b, c: 'd'}",
    "server_metadata {a: <&>}",
    "tls{}",
    "authorization {\n users: [ {user: a, password: b}\n {user: c, password: $2a$11$aaaaaaaaaaaaaaaaaaaaaa} ]\n}",
    "http: 127.0.0.1:8222",
    "include other.conf\nserver_name: $FROM_OTHER",
    "server_metadata { include 'other.conf' }",
    "include 'nowhere.conf'",
    "server_name: $FROM_ENV, port: $NUMBER",
    "server_name: $BLANKS",
    "server_name: $LOOP",
]
OTHER = "FROM_OTHER: x\n"
ENVIRONMENT = {"FROM_ENV": "$NESTED", "NESTED": "'a'", "NUMBER": "4k", "BLANKS": "a b", "LOOP": "$LOOP"}

# Values of one key, of whatever type.
VALUES = (
    r"""
1b | 1e5 | 1k5 | 1.0 | 1.5 | 100000000000000000000000.5 | 0.0000001 | 1234567.125 | -1.5 | -1k | -1kx | -5x | 1.2.3
1.2.3:4-5 | 1.2.3x | 1..2 | 1. | .5 | 12-3 | 1m | 1m30s | 1.5s | 5s | 2021x | 1_000 | 0x10 | 0001 | +5 | -0
9223372036854775807 | 9223372036854775808 | -9223372036854775808 | 1K | 1kB | 1kiB | 1ki | 2gb | 3T | 1p | 1eb | 1bi
2021-01-02T03:04:05Z | 2021-99-02T03:04:05Z | 2021-01-01 | 20210-01 | yes | YES | No | oFF | "yes" | 'on' | tru
"a\x00\x01\x08\x0c\x7f" | "\xc3\xa9" | "é\u" | "\u2028" | "<a>&b" | a\tb | a\qb | tru\x65 | 1\n | \x41
'' | "" | foo' | foo'bar | 'a'b | "a"b | a#b | a //b | a=b | a:b | ==a | = | $ | $x | $2a$10$abc | $2b$10$abc
[$2a$10$abc] | [ ] | [1] | [1 ] | [1.5] | [-1] | [1k] | [true] | [a,] | [,a] | [a;b] | [a b] | [[a],[b]] | [[a] [b]]
[{a:1} {b:2}] | [{a:1}, {b:2}] | [/a] | [a/b] | {a} | {a: } | {a:1} | {a:1.5} | {a:-1} | {a:1;b:2} | {a b; c d}
{ "a b": 1 } | { 'a"': 1 } | {a {b {c 1}}} | {a: b, } | {b=c} | {b==c} | {b:=c} | {A: 1, a: 2} | {include: x}
{include = x} | {include  'nofile'} | {INCLUDE nofile} | {tls{}} | {host"a" 1} | ( x ) | {a: 1 # }
""".strip()
    .replace("\n", " | ")
    .split(" | ")
)
LINES = [
    "(\nabc\n)", "(\nabc )\n)", "( abc\n)\n", "[a\n, b]", "[a,\nb]", "{b\n=\nc}", "{b=\nc}", "[#c\na]", "[a #c\nb]",
    "{#c\na: 1}", "{a: 1 #c}\n}", "{a: {\nb: 1\n}\n}", "'multi\nline'", '"multi\nline"', "[{a:1}\n{b:2}]",
]  # fmt: skip


class Theirs:
    """What the Go server says to a file."""

    def __init__(self, program, path):
        self.path = path
        self.program = program

    def check(self, text, **environment):
        self.path.write_text(text, newline="")
        done = subprocess.run(
            [self.program, "-t", "-c", str(self.path)], capture_output=True, text=True, timeout=20, env=environment
        )
        self.said = done.stderr + done.stdout
        valid = re.search(r"is valid \((sha256:\w+)\)", self.said)
        return valid[1] if valid else None

    def check_value(self, text):
        """The digest of a file that holds the value: a key that is used as a variable may hold anything."""
        return self.check(f"v: {text}\nserver_name: $v\nserver_name: x\n")


@pytest.fixture
def theirs(real_server, tmp_path):
    return Theirs(real_server, tmp_path / "server.conf")


def ours(path, environment=None):
    try:
        return digest(parse_file(path, environment=environment))
    except ConfigError:
        return None


@pytest.mark.parametrize("text", FILES)
def test_files(text, theirs, tmp_path):
    (tmp_path / "other.conf").write_text(OTHER)
    expected = theirs.check(text, **ENVIRONMENT)
    mine = ours(theirs.path, ENVIRONMENT.items())
    if "has no values" in theirs.said or "unknown field" in theirs.said:
        assert mine is not None
    else:
        assert mine == expected, theirs.said


def test_values(theirs):
    for text in [*VALUES, *LINES]:
        expected = theirs.check_value(text)
        assert ours(theirs.path) == expected, (text, theirs.said)


# Accepted by the Go server, which then does something else than it seems: see docs/differences.md.
STRICTER = [
    "{a:1,,b:2}", "{ /x: 1 }", "{;a: 1}", "{[a: 1}", "{{a: 1}", "1}", "{a:1}}", ";", ",", "{a: ;}",
    "10e", '"\\xff"', "{a 1.2.3/ 4}",
]  # fmt: skip


@pytest.mark.parametrize("text", STRICTER)
def test_what_can_only_be_a_mistake_is_refused(text, theirs):
    expected = theirs.check_value(text)
    assert ours(theirs.path) is None
    assert expected is not None or "{a 1.2.3/" in text, theirs.said


def test_block_in_a_file_with_crlf_line_ends(theirs):
    """The real server looks for a line that is a bracket and nothing else. docs/differences.md."""
    text = "server_name: (\nabc\n)\n"
    assert ours_of(theirs, text) == theirs.check(text) is not None
    text = text.replace("\n", "\r\n")
    assert theirs.check(text) is None
    assert ours(theirs.path) is not None


def ours_of(theirs, text):
    theirs.path.write_text(text, newline="")
    return ours(theirs.path)


def test_a_block_ends_before_its_bracket_at_the_end_of_the_file_too(theirs):
    for text, value in (("(\na\n)", "\na\n"), ("(\n)", "\n")):
        expected = theirs.check(f"server_name: {text}")  # to the Go server the bracket belongs to the text
        assert ours(theirs.path) == digest(parse(f"server_name: {json.dumps(value)}"))
        assert expected == digest(parse(f"server_name: {json.dumps(value + ')')}"))


def test_a_list_of_the_environment_is_as_good_as_one_of_the_file(theirs):
    assert theirs.check("server_tags: $LIST", LIST="[a, b]") is None
    assert ours(theirs.path, {"LIST": "[a, b]"}.items()) == theirs.check("server_tags: [a, b]")


ATOMS = [
    *("a", "b", "x", "1", "12", "-", ".", "k", "kb", "KiB", "e", "m", ":", "=", ",", ";", "{", "}", "[", "]", "(", ")"),
    *(
        "\n",
        "\n",
        " ",
        " ",
        "\t",
        "\r\n",
        "#",
        "//",
        "/",
        '"',
        "'",
        "\\",
        "\\n",
        "\\x41",
        "$",
        "$v",
        "true",
        "off",
        "_",
    ),
    *("2021-01-02T03:04:05Z", "127.0.0.1", "1.5", "-3", "é", "$2a$1", "include ", "\n)\n", "+", "<"),
]


def test_random_values(theirs):
    """What both accept has the same digest, and what the Go server refuses we refuse."""
    for seed in range(300):
        dice = random.Random(seed)
        body = "".join(dice.choice(ATOMS) for _ in range(dice.randrange(1, 10)))
        text = dice.choice(["%s", "{%s}", "{%s}", "[%s]", "{a %s\n b: 1}"]) % body
        expected, mine = theirs.check_value(text), ours(theirs.path)
        if mine is not None and "unknown field" not in theirs.said:
            assert mine == expected, (seed, text, theirs.said)


KEYS = ["a", "b1", "é", '"q"', "'s s'", "Zed", "k-k", "x.y"]
SIMPLE = [
    "1",
    "x",
    '"two\nlines"',
    "'é'",
    "(\nblk\n)\n",
    "{a: 1}",
    "{\n a: 1\n}",
    "[1 , 2 ]",
    "[\na\nb\n]",
    "127.0.0.1:4",
]
ENDS = ["\n", "\n\n", ", ", "; ", " # c\n", "\r\n", "\n\t "]


def test_keys_stand_where_the_go_server_says(theirs):
    for seed in range(60):
        dice = random.Random(seed)
        text = "".join(
            dice.choice(["", "\n", "# c\n", " "]) + dice.choice(KEYS) + dice.choice([" ", ": ", "=", "\n"]) + value
            + ("" if value.endswith("\n") else dice.choice(ENDS))
            for value in dice.choices(SIMPLE, k=dice.randrange(1, 6))
        )  # fmt: skip
        theirs.check(text)
        expected = {tuple(found) for found in re.findall(r'conf:(\d+):(\d+): unknown field "(.*?)"', theirs.said)}
        members = parse_file(theirs.path).members
        assert {(str(node.line), str(node.column), key) for key, node in members.items()} == expected, text
