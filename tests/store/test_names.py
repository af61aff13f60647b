"""Names that may become file names."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.errors import UsageError
from natskit.store import names


@pytest.mark.parametrize("name", ["A", "two words", "ünïcödé", "日本", "a.b", "-x", "..a", "*"])
def test_people_may_choose_freely(name):
    assert names.check(name, "account") == name


@pytest.mark.parametrize("name", ["", " ", " a", "a ", ".", "..", "a/b", "a\\b", "a\0b", "a\nb", "x" * 300])
def test_what_cannot_be_a_file_is_refused(name):
    with pytest.raises(UsageError):
        names.check(name, "account")


@given(st.text())
def test_an_accepted_name_is_one_file_in_its_folder(name):
    try:
        names.check(name, "user")
    except UsageError:
        return
    path = os.path.join("/folder", names.file_name(name))
    assert os.path.normpath(path) == path
    assert os.path.dirname(path) == "/folder"
    assert len(os.path.basename(path).encode()) < 255


def test_made_up_names_are_names():
    made = {names.random_name() for _ in range(50)}
    assert len(made) > 20
    assert all(names.check(name, "operator").count("_") == 1 for name in made)
