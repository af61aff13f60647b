"""The words of a batch: what shells write is read, whatever else is read or refused."""

import contextlib
import json
import shlex

from hypothesis import given
from hypothesis import strategies as st

from natskit.cli.nsc.batch.source import read_commands
from natskit.errors import InvalidFile

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
names = words.filter(lambda word: not word.startswith(("-", "–", "—")))


def read(text):
    return [command.parsed.values for command in read_commands(text, "file")]


@given(st.lists(st.tuples(names, st.lists(words, max_size=3)), min_size=1, max_size=4))
def test_what_a_shell_quotes_is_what_was_meant(commands):
    lines = [["add", "user", *(f"--start={each}" for each in more), "--", name] for name, more in commands]
    as_shell = read("\n".join(shlex.join(line) for line in lines))
    as_json = read("\n".join(json.dumps(line) for line in lines))
    assert [each["name"] for each in as_shell] == [name for name, _ in commands]
    assert as_shell == as_json


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InvalidFile):
        read(text)


@given(
    st.lists(st.sampled_from(["add user a", "'", '"', "\\", "#", "\n", " ", "[", "nsc", '["add"', "]"]), max_size=12)
)
def test_any_pieces_are_read_or_refused(pieces):
    with contextlib.suppress(InvalidFile):
        read("".join(pieces))
