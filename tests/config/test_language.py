"""The configuration language, compared with the Go server on texts that it accepts and texts that it refuses."""

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.config import digest, duration_s, parse, parse_file, plain
from natskit.errors import ConfigError


def value(text, **environment):
    return plain(parse(f"v: {text}", environment=environment.items()))["v"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("word", "word"),
        ("a:b=c#d/e{f", "a:b=c#d/e{f"),
        ('"a\\tb\\x41\\"\\\\"', 'a\tbA"\\'),
        ("'a\\tb'", "a\\tb"),
        ("'two\nlines'", "two\nlines"),
        ("(\nraw \\n (x)\n)\n", "\nraw \\n (x)\n"),
        ("TRUE", True),
        ("off", False),
        ('"true"', "true"),
        ("12", 12),
        ("-12", -12),
        ("1k", 1000),
        ("1Kb", 1024),
        ("2MiB", 2 << 20),
        ("1g", 10**9),
        ("1m", 1_000_000),
        ("1.5", 1.5),
        ("5s", "5s"),
        ("1m30s", "1m30s"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("2021x", "2021x"),
        ("127.0.0.1:4222", "127.0.0.1:4222"),
        ("2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z"),
        ("[a, b\nc 1]".replace("c 1", "c"), ["a", "b", "c"]),
        ("[1, 2 ]", [1, 2]),
        ("[{a: 1}, [b]]", [{"a": 1}, ["b"]]),
        ("{a: 1, b {c = d}\n}", {"a": 1, "b": {"c": "d"}}),
        ("$2a$11$abcdefghijklmnopqrstuv", "$2a$11$abcdefghijklmnopqrstuv"),
        ("a$X", "a$X"),
        ('"$X"', "$X"),
    ],
)
def test_values(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


# What the Go server says to each, with keys that it knows; True: accepted.
CORPUS = {
    "": True,
    "# only a comment": True,
    "server_name: a": True,
    "server_name a": True,
    "server_name = a": True,
    "server_name\na": True,
    "server_name:\na": False,
    "server_name := a": False,
    "server_name: 'a'; port: 4222": True,
    "server_name: a port: 4222": False,
    "server_name: a,, port: 4222": False,
    "server_name: a,\n": True,
    "server_name": False,
    "port: 4222 # comment": True,
    "port: 4222# comment": False,
    "port: 4222 // comment": True,
    "{server_name: a}": True,
    '{"server_name": "a", "port": 4222}': True,
    "{server_name: a": False,
    "server_name: 'a": False,
    'server_name: "a\\q"': False,
    "server_name: a}": False,
    "server_tags: [a, b]": True,
    "server_tags: [a b]": False,
    "server_tags: [a, b,]": True,
    "server_tags: [a, , b]": False,
    "server_tags: [a\nb]": True,
    "server_tags: [a": False,
    "max_payload: 1MB": True,
    "max_payload: 1kbi": False,
    "max_payload: 1.5MB": False,
    "max_payload: 1.": False,
    "max_payload: .5": False,
    "max_payload: 99999999999999999999": False,
    "ping_interval: 1.5s": False,
    'ping_interval: "1.5s"': True,
    "server_name: 2021-01-01": False,
    "server_name: 12-3": False,
    "N: x\nserver_name: $N": True,
    "server_name: $NOWHERE_TO_BE_FOUND": False,
    "server_metadata: {a: b, c: 'd'}": True,
    "server_metadata: {a: b\nc: d}": True,
    "server_metadata: {\na:\nb}": True,
    "server_metadata {a: <&>}": True,
    "tls{}": False,
    "authorization {\n users: [ {user: a, password: b}\n {user: c, password: $2a$11$aaaaaaaaaaaaaaaaaaaaaa} ]\n}": True,
    "http: 127.0.0.1:8222": True,
}
# The Go server drops such a key, and passes over such a brace, silently; we refuse both (docs/differences.md).
STRICTER = {"max_payload: 1kbi", "server_name: a}"}


@pytest.mark.parametrize("text", CORPUS)
def test_the_go_server_accepts_the_same_texts_and_computes_the_same_digest(text, real_server, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(text)
    done = subprocess.run([real_server, "-t", "-c", str(path)], capture_output=True, text=True, timeout=20)
    theirs = re.search(r"is valid \((sha256:\w+)\)", done.stderr + done.stdout)
    parses = "has no values" in done.stderr or (theirs is not None)
    try:
        mine = digest(parse_file(path))
    except ConfigError as error:
        mine = None
        assert error.line >= 1
        assert error.file == str(path)
    assert (mine is not None) is CORPUS[text]
    assert parses is CORPUS[text] or text in STRICTER, done.stderr
    if theirs and mine:
        assert mine == theirs[1]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: b\n c ~: [1]\n", (2, 4), "expected"),
        ("a: b\nc: {d: e\n", (2, 4), "no closing"),
        ('a: "x\\y"', (1, 5), "Invalid escape character 'y'"),
        ("a: 'b\nc'\nd: 12-3", (3, 4), "neither a number nor a word"),
        ("x: (\n(\n)\ny: }", (4, 4), "expected a value and found '}'"),
    ],
)
def test_errors_say_where(text, place, message):
    with pytest.raises(ConfigError, match=re.escape(message) if "(" in message else message) as caught:
        parse(text, "f.conf")
    assert (caught.value.line, caught.value.file) == (place[0], "f.conf")


def test_positions_are_those_of_the_keys():
    tree = parse("a: 1\nb {\n  c: 2\n}", "f.conf")
    inner = tree.members["b"].members["c"]
    assert [(node.line, node.column) for node in (tree.members["a"], tree.members["b"], inner)] == [
        (1, 0),
        (2, 1),
        (3, 3),
    ]
    assert str(inner.error("no")) == "f.conf:3:3: no"


def test_variables_come_from_the_maps_around_and_the_environment():
    assert plain(parse("X: 1\nm { X: 2\n a: $X }\nb: $X")) == {"X": 1, "m": {"X": 2, "a": 2}, "b": 1}
    assert value("$E", E="[1, {a: $F} ]", F="4KB") == [1, {"a": 4096}]
    assert value("$E", E='"quoted blank"') == "quoted blank"
    assert parse("X: 1\na: $X").members["X"].used
    for text, environment, message in [
        ("$E", {"E": "$E"}, "cycle for 'E'"),
        ("$E", {"E": "$F", "F": "$E"}, "cycle"),
        ("$E", {"E": "two words"}, "could not be parsed"),
        ("$E", {}, "can not be found"),
        ("$e", {"E": "1"}, "can not be found"),
    ]:
        with pytest.raises(ConfigError, match=message):
            value(text, **environment)


def test_included_files_merge_where_they_are_named(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.conf").write_text(
        "include 'sub/a.conf'\nm { include sub/b.conf\n y: 2 }\nz: $FROM_A\ninclude: key\n"
    )
    (tmp_path / "sub/a.conf").write_text("FROM_A: 7\n")
    (tmp_path / "sub/b.conf").write_text("include c.conf\n")
    (tmp_path / "sub/c.conf").write_text("x: 1")
    assert plain(parse_file(tmp_path / "main.conf")) == {
        "FROM_A": 7, "m": {"x": 1, "y": 2}, "z": 7, "include": "key",
    }  # fmt: skip
    (tmp_path / "sub/c.conf").write_text("x: $FROM_A")
    with pytest.raises(ConfigError, match=r"error parsing include file 'sub/b.conf', .*c.conf.*can not be found"):
        parse_file(tmp_path / "main.conf")
    (tmp_path / "sub/c.conf").write_text("include c.conf")
    with pytest.raises(ConfigError, match="includes itself"):
        parse_file(tmp_path / "main.conf")
    with pytest.raises(ConfigError, match="cannot read"):
        parse_file(tmp_path / "missing.conf")


@pytest.mark.parametrize("text", ["a: " + "[" * 5000, "a: " + "{b: " * 5000, "a: " + "[" * 5000 + "]" * 5000])
def test_deep_nesting_is_an_error_not_a_crash(text):
    with pytest.raises(ConfigError, match="nested more than"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), ("2s", 2), ("0", 0), ("-1s", -1)]
)
def test_durations(text, seconds):
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "1d", "s", "1 s", "1m30", "nan"])
def test_texts_that_are_no_durations(text):
    with pytest.raises(ValueError, match="is not a duration"):
        duration_s(text)


@given(st.text(alphabet="ab01.:={}[]()'\"\\$#,;/- \n\tx", max_size=60))
def test_any_text_parses_or_is_refused_with_a_position(text):
    try:
        parse(text, "f", environment=[("a", "$b"), ("b", "1")])
    except ConfigError as error:
        assert error.line >= 1


KEYS = st.text("abcXY_", min_size=1, max_size=5)
TREES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXY_", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


def render(tree):
    if isinstance(tree, bool):
        return str(tree).lower()
    if isinstance(tree, dict):
        return "{" + "\n".join(f'"{key}": {render(item)}' for key, item in tree.items()) + "\n}"
    if isinstance(tree, list):
        return "[" + "".join(render(item) + " ,\n" for item in tree) + "]"
    if isinstance(tree, int):
        return str(tree)
    return '"' + tree.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_what_is_written_is_read_back(tree):
    text = "\n".join(f"'{key}' {render(item)}" for key, item in tree.items())
    assert plain(parse(text)) == tree
    assert plain(parse("{" + text + "}")) == tree
