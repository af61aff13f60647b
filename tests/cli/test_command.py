"""The command line grammar of pflag."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.cli.command import Flag, integer, parse, place, size, strings, switch, text
from natskit.errors import UsageError

FLAGS = (
    text("name", "n"),
    text("output-file", "o"),
    switch("private", "p"),
    switch("service", "r"),
    strings("tag", "t"),
    integer("allow-pub-response", bare="1"),
    size("data"),
    size("conns", deprecated="use --connections"),
)


def values(*words: str, arguments: tuple[str, ...] = ()) -> dict[str, object]:
    parsed = parse(words, FLAGS)
    place(parsed, arguments)
    return {name.replace("-", "_"): parsed.values[name.replace("-", "_")] for name in parsed.given}


@pytest.mark.parametrize("words", [("--name", "x"), ("--name=x",), ("-n", "x"), ("-nx",), ("-n=x",)])
def test_every_way_to_give_a_value(words):
    assert values(*words) == {"name": "x"}


def test_value_may_begin_with_a_dash_or_be_empty():
    assert values("--data", "-1", "--name", "") == {"data": -1, "name": ""}


def test_letters_bundle():
    assert values("-rpn", "x") == {"service": True, "private": True, "name": "x"}
    assert values("-rp") == {"service": True, "private": True}


def test_switch_takes_a_value_only_behind_an_equals_sign():
    assert values("--private=false") == {"private": False}
    assert values("-p=false") == {"private": False}
    assert values("--private", "false", arguments=("word",)) == {"private": True, "word": "false"}


def test_optional_value_must_be_attached():
    assert values("--allow-pub-response") == {"allow_pub_response": 1}
    assert values("--allow-pub-response=5") == {"allow_pub_response": 5}


def test_list_flags_add_up():
    assert values("--tag", "a,b", "-t", '"c,d"') == {"tag": ("a", "b", "c,d")}


def test_flags_and_arguments_mix_and_two_dashes_end_flags():
    assert values("x", "-p", arguments=("word",)) == {"word": "x", "private": True}
    assert values("--", "-p", arguments=("word",)) == {"word": "-p"}
    assert values("-", arguments=("word",)) == {"word": "-"}


def test_underscores_are_dashes():
    assert values("--output_file", "f") == {"output_file": "f"}


def test_flag_wins_over_the_argument_of_the_same_name():
    assert values("other", "--name", "x", arguments=("[name]",)) == {"name": "x"}
    assert values("other", arguments=("[name]",)) == {"name": "other"}


def test_endless_argument_takes_the_rest():
    parsed = parse(["a", "b", "c"], FLAGS)
    place(parsed, ("first", "[more...]"))
    assert parsed.values["first"] == "a"
    assert parsed.values["more"] == ("b", "c")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["--name"], "flag needs an argument: --name"),
        (["-n"], "flag needs an argument: 'n' in -n"),
        (["--private=perhaps"], 'invalid argument "perhaps" for "-p, --private" flag: must be true or false'),
        (["--data", "1e3"], 'invalid argument "1e3" for "--data" flag: unhandled size name: e3'),
        (["--allow-pub-response=x"], 'invalid argument "x" for "--allow-pub-response" flag: must be a whole number'),
        (["--nam", "x"], "unknown flag: --nam"),
    ],
)
def test_mistakes_are_told_as_pflag_does(words, message):
    with pytest.raises(UsageError) as refusal:
        parse(words, FLAGS)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("arguments", "words", "message"),
    [
        ((), ["x"], "accepts at most 0 arg(s), received 1"),
        (("[name]",), ["x", "y"], "accepts at most 1 arg(s), received 2"),
        (("from", "to"), ["x"], "accepts 2 arg(s), received 1"),
        (("url...",), [], "requires at least 1 arg(s), only received 0"),
    ],
)
def test_number_of_arguments(arguments, words, message):
    with pytest.raises(UsageError) as refusal:
        values(*words, arguments=arguments)
    assert str(refusal.value) == message


def test_deprecated_flags_warn():
    assert parse(["--conns", "3"], FLAGS).warnings == ["Flag --conns has been deprecated, use --connections"]


def test_flag_without_value_has_its_default():
    parsed = parse([], (*FLAGS, Flag("weight", "", "", default=100)))
    assert parsed.values["name"] == ""
    assert parsed.values["tag"] == ()
    assert parsed.values["data"] is None
    assert parsed.values["private"] is False
    assert parsed.values["weight"] == 100


@given(st.lists(st.text(max_size=12), max_size=6))
def test_parser_raises_usage_errors_only(words):
    with contextlib.suppress(UsageError):
        place(parse(words, FLAGS), ("[name]", "[more...]"))
