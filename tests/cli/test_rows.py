"""Tables of entities: CSV and JSON lines, cells read as flags are."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.cli.command import integer, strings, switch, text
from natskit.cli.rows import read_rows
from natskit.errors import InvalidFile

FLAGS = (text("name"), strings("allow-pub"), integer("subs"), switch("bearer"))
EVERYTHING = {"name": "u", "allow_pub": ("a.>", "b"), "subs": 5, "bearer": True}


def rows(content, **aliases):
    return [each.values for each in read_rows(content, "t", FLAGS, aliases)]


@pytest.mark.parametrize(
    "content",
    [
        'name,allow-pub,subs,bearer\nu,"a.>,b",5,true\n',
        'Name,Allow Pub,SUBS,bearer\r\nu,"a.>,b",5,true\r\n',
        "name;allow_pub;subs;bearer\nu;a.>,b;5;true",
        "name\tallow-pub\tsubs\tbearer\n\nu\ta.>,b\t5\ttrue\n\t\t\t\n",
        'user,allow-pub,subs,bearer\n u ,"a.>,b", 5,1\n',
        '{"name": "u", "allow-pub": ["a.>", "b"], "subs": 5, "bearer": true}\n\n',
        '{"name": "u", "allow_pub": "a.>,b", "subs": "5", "bearer": "true"}',
    ],
)
def test_every_spelling_of_a_table_is_understood(content):
    assert rows(content, user="name") == [EVERYTHING]


def test_an_empty_cell_is_a_flag_that_was_not_given():
    (row,) = read_rows('name,allow-pub,subs\nu,"",\n', "t", FLAGS, {})
    assert row.values == {"name": "u", "allow_pub": (), "subs": None, "bearer": False}
    assert row.given == {"name"}
    (row,) = read_rows('{"name": "u", "subs": null}', "t", FLAGS, {})
    assert row.given == {"name"}


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("name,tags\nu,x\nv,y\n", [(1, 'unknown column "tags": known are name, allow-pub, subs, bearer')]),
        ("name,subs\na,1\nb,x\nc,2\nd,y\n", [(3, "subs"), (5, "subs")]),
        ("name,name\na,b\n", [(1, "a column is there twice")]),
        ("name,Name\na,b\n", [(1, "a column is there twice")]),
        ("allow-pub,allow_pub\na,\n", [(1, "a column is there twice")]),
        ("name\na\u2028b\x0cc\nd,e\n", [(3, "2 cells, the header has 1")]),
        ("name\n" + "a" * 200_000, [(2, "field larger than")]),
        ("name,subs\na\n", [(2, "1 cells, the header has 2")]),
        ('name\n"a\n', [(2, "unexpected end of data")]),
        ("name\n", [(1, "there are no rows")]),
        ("", [(1, "there are no rows")]),
        ('{"name": "a"}\n{"name": \n', [(2, "no JSON object")]),
        ('{"name": ["a"]}\n', [(1, '"name" cannot be')]),
        ('{"subs": 1.5}\n', [(1, '"subs" cannot be')]),
        ('{"allow-pub": ["a"], "allow_pub": ["b"]}\n', [(1, "is there twice")]),
    ],
)
def test_every_line_that_is_wrong_is_named(content, problems):
    with pytest.raises(InvalidFile) as caught:
        rows(content)
    found = caught.value.problems
    assert [line for line, _ in found] == [line for line, _ in problems]
    for (_, text_), (_, words) in zip(found, problems, strict=True):
        assert words in text_


def test_many_problems_are_counted():
    with pytest.raises(InvalidFile, match="and 15 more"):
        rows("name,subs\n" + "a,x\n" * 25)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=5))
def test_elements_of_a_json_list_arrive_as_they_are(elements):
    import msgspec

    line = msgspec.json.encode({"name": "u", "allow-pub": elements}).decode()
    (row,) = rows(line)
    assert row["allow_pub"] == tuple(elements)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(content):
    with contextlib.suppress(InvalidFile):
        rows(content)
