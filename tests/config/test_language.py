"""The configuration language: every fact of its grammar, every fault with its place, bounds, round trips."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.config import digest, duration_s, parse, parse_file, plain
from natskit.config import parser as limits
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
        ("2006-01-02T15:04:05Z", datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC)),
        ("[a, b\nc 1]".replace("c 1", "c"), ["a", "b", "c"]),
        ("[1, 2 ]", [1, 2]),
        ("[{a: 1}, [b]]", [{"a": 1}, ["b"]]),
        ("{a: 1, b {c = d}\n}", {"a": 1, "b": {"c": "d"}}),
        ("$2a$11$abcdefghijklmnopqrstuv", "$2a$11$abcdefghijklmnopqrstuv"),
        ("a$X", "a$X"),
        ("'$X'", "$X"),
        ("foo'", "foo"),
        ("a\\tb", "a\tb"),
        ("tru\\x65", "true"),
        ('"\\xc3\\xa9"', "é"),
        ("1\\n", "1\\n"),
        ("1b", "1b"),
        ("[1k]", ["1k"]),
        ("[1.5]", [1.5]),
        ("[-1]", [-1]),
        ("-1kx", "-1kx"),
        ("1.2.3.4:5-6", "1.2.3.4:5-6"),
        ("[a # one\n# two\nb // three\n]", ["a", "b"]),
        ("{a: 1 # }\n}", {"a": 1}),
        ("(\r\nx\r\n)\r\n", "\r\nx\r\n"),
        ("{'a b' = 1; \"c\": 2}", {"a b": 1, "c": 2}),
        ("{a\n:\n1}", {"a": 1}),
        ("==a", "==a"),
        ('"$X"', "$X"),
    ],
)
def test_values(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


FAULTS = [
    ("a: b\n c : [1]\n", "2:8", "must stand between the number '1' and ']'"),
    ("a: b\nc: {d: e\n", "2:4", "the map that begins here has no closing '}'"),
    ("a: [b\n", "1:3", "the list that begins here has no closing ']'"),
    ('a: "x\\y"', "1:5", "Invalid escape character 'y'"),
    ('a: "\\xff"', "1:3", "not UTF-8"),
    ("a: 'b\nc'\nd: 12-3", "3:4", "a time must be complete"),
    ("a: 2021-99-01T00:00:00Z", "1:3", "a time must be complete"),
    ("x: (\n(\n)\ny: }", "4:1", "the key 'y' has no value"),
    ("a", "1:0", "the key 'a' has no value"),
    ("a: 1, b", "1:6", "the key 'b' has no value"),
    ("m {a}", "1:3", "the key 'a}' has no value"),
    ("m {a: }", "1:3", "the key 'a' has no value"),
    ("a:\nb", "1:2", "expected a value for 'a' and found a new line"),
    ("a: 1 b: 2", "1:5", "expected a new line or ',' after the value and found 'b'"),
    ("m {a: 1 b: 2}", "1:8", "expected a new line or ','"),
    ("a: [b c]", "1:6", "expected a new line or ','"),
    ("a: [b; c]", "1:5", "expected a new line or ','"),
    ("a: [,b]", "1:4", "expected a value and found ','"),
    ("a: [/b]", "1:4", "expected a value and found '/'"),
    ("a: 1,, b: 2", "1:5", "expected a key and found ','"),
    ("é: 1;; b: 2", "1:6", "expected a key and found ';'"),
    (": 1", "1:0", "expected a key and found ':'"),
    ("a: 1 }", "1:5", "'}' closes nothing"),
    ("a: 1\n}", "2:1", "'}' closes nothing"),
    ("{a: 1}\nb: 2", "2:1", "nothing may follow the closing '}'"),
    ("/* c */", "1:0", "expected a key and found '/'"),
    ("a: 1# c", "1:6", "expected a new line or ',' after the value and found 'c'"),
    ("a: .5", "1:3", "a number must begin with a digit"),
    ("a: 1.", "1:5", "expected a digit after '.'"),
    ("a: -x", "1:4", "expected a digit after '-'"),
    ("a: 1.5MB", "1:6", "expected a new line"),
    ("a: 1kbi", "1:3", "unknown size suffix 'kbi'"),
    ("a: 9223372036854775808", "1:3", "integer '9223372036854775808' is out of the range"),
    ("a: 10e", "1:3", "integer '10e' is out of the range"),
    ("a: " + "9" * 5000, "1:3", "is out of the range"),
    ("a: 'b", "1:3", "has no closing '"),
    ('"a: b', "1:0", 'the key that begins here has no closing "'),
    ("a: (\nx )\n", "1:3", "has no ')' on a line of its own"),
    ("a: ( x )", "1:3", "has no ')' on a line of its own"),
    ("include", "1:0", "the key 'include' has no value"),
    ("include\nx", "1:7", "expected the path of a file to include"),
    ("include 1.conf", "1:8", "must be in quotes"),
    ("include = x", "1:8", "expected the path of a file to include and found '='"),
    ("m { include nowhere.conf }", "1:11", "error parsing include file 'nowhere.conf', cannot read"),
    ("a: $NOWHERE", "1:3", "variable reference for 'NOWHERE' can not be found"),
    ("\ufeffa: 1", "1:0", "byte order mark"),
    ("a: 1\nb: \udcff", "2:4", "not UTF-8"),
]


@pytest.mark.parametrize(("text", "place", "message"), FAULTS)
def test_faults_say_what_and_where(text, place, message):
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.conf", environment=())
    assert str(caught.value).startswith(f"f.conf:{place}: ")
    assert message in caught.value.message


def test_positions_are_those_of_the_keys():
    tree = parse("a: 1\nb {\n  c: 2\n}", "f.conf")
    inner = tree.members["b"].members["c"]
    assert [(node.line, node.column) for node in (tree.members["a"], tree.members["b"], inner)] == [
        (1, 0),
        (2, 1),
        (3, 3),
    ]
    assert str(inner.error("no")) == "f.conf:3:3: no"


def test_a_quoted_key_stands_behind_its_quote():
    assert parse("'a': 1").members["a"].column == 1


def test_a_value_by_variable_stands_at_its_own_key():
    tree = parse("x: {y: 1}\nz: $x", "f.conf")
    assert (tree.members["z"].line, tree.members["z"].value["y"].line) == (2, 1)


def test_the_last_of_equal_keys_wins():
    assert plain(parse("a: 1\na: 2\nA: 3")) == {"a": 2, "A": 3}


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


def test_what_a_hostile_configuration_costs_is_bounded(tmp_path, monkeypatch):
    doubling = "a0: [x, x]\n" + "\n".join(f"a{n + 1}: [$a{n}, $a{n}]" for n in range(60))
    with pytest.raises(ConfigError, match="values"):
        parse(doubling)
    environment = {f"E{n}": f"[$E{n + 1}, $E{n + 1}]" for n in range(60)} | {"E60": "x"}
    with pytest.raises(ConfigError, match="values"):
        parse("a: $E0", environment=environment.items())
    (tmp_path / "0.conf").write_text("a: 1")
    for number in range(1, 20):
        (tmp_path / f"{number}.conf").write_text(f"include '{number - 1}.conf'\n" * 2)
    with pytest.raises(ConfigError, match="includes more than 1000 files"):
        parse_file(tmp_path / "19.conf")
    monkeypatch.setattr(limits, "MAX_BYTES", 30)
    (tmp_path / "large.conf").write_text("a: 1\ninclude '0.conf'\n#" + "." * 20)
    with pytest.raises(ConfigError, match="larger than 30 bytes"):
        parse_file(tmp_path / "large.conf")


@pytest.mark.parametrize("text", ["a: " + "[" * 5000, "a: " + "{b: " * 5000, "a: " + "[" * 5000 + "]" * 5000])
def test_deep_nesting_is_an_error_not_a_crash(text):
    with pytest.raises(ConfigError, match="nested more than"):
        parse(text)


def test_places_in_a_long_line_are_found_fast():
    count, value = 3000, "é" * 3000
    line = "{" + ", ".join(f"k{number}: '{value}'" for number in range(count)) + "}"
    started = time.process_time()
    nodes = parse("\n" + line).members.values()
    assert time.process_time() - started < 5
    size = len(f", k0: '{value}'".encode())
    assert [node.column for node in nodes][:10] == [2 + number * size for number in range(10)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), ("2s", 2), ("0", 0), ("-1s", -1), ("." + "5" * 99 + "m", 100 / 3)],
)
def test_durations(text, seconds):
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "1d", "s", ".s", "1 s", "1m30", "nan", "٣s"])
def test_texts_that_are_no_durations(text):
    with pytest.raises(ValueError, match="is not a duration"):
        duration_s(text)


@pytest.mark.parametrize("text", ["9999999999h", "9" * 19 + "h"])
def test_durations_that_no_server_could_wait_for_are_refused(text):
    with pytest.raises(ValueError, match="is too long"):
        duration_s(text)


@given(st.text(alphabet="ab01.:={}[]()'\"\\$#,;/- \n\tx", max_size=60) | st.text(max_size=20))
def test_any_text_parses_or_is_refused_with_a_position(text):
    try:
        digest(parse(text, "f", environment=[("a", "$b"), ("b", "1")]))
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
