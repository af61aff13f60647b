"""Box tables: the box, the title in it, columns that stay aligned on a terminal."""

from __future__ import annotations

import pytest

from natskit.cli.tables import Table, printable, width


def test_table_with_headers():
    table = Table("Exports", ("Name", "Subject"))
    table.row("abc", "a.b.c.>")
    assert table.render() == (
        "╭────────────────╮\n"
        "│    Exports     │\n"
        "├──────┬─────────┤\n"
        "│ Name │ Subject │\n"
        "├──────┼─────────┤\n"
        "│ abc  │ a.b.c.> │\n"
        "╰──────┴─────────╯"
    )


def test_title_wider_than_the_table_widens_the_last_column():
    table = Table("A very long title")
    table.row("a", "b")
    assert table.render().splitlines() == [
        "╭───────────────────╮",
        "│ A very long title │",
        "├───┬───────────────┤",
        "│ a │ b             │",
        "╰───┴───────────────╯",
    ]


def test_label_stands_at_the_first_of_several_values_only():
    table = Table("T")
    table.rows("Tags", ["x", "y"])
    assert table.render().splitlines()[3:5] == ["│ Tags │ x │", "│      │ y │"]


def test_separators_never_double_and_do_not_end_a_table():
    table = Table("T")
    table.separator()
    table.row("a", 1)
    table.separator()
    table.separator()
    table.row("b", 2)
    table.separator()
    assert sum(line.startswith("├") for line in table.render().splitlines()) == 2


@pytest.mark.parametrize(
    "name", ["日本語", "🎉 party", "café", "cafe\u0301", "👩\u200d💻", "❤\ufe0f", "👍🏽", "한국", "ｆｕｌｌ"]
)
def test_wide_and_combining_text_keeps_columns_aligned(name):
    table = Table("T", ("Name", "Key"))
    table.row(name, "AAA")
    table.row("plain", "BBB")
    lines = table.render().splitlines()
    assert len({width(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("🎉", 2), ("👩\u200d💻", 2), ("❤\ufe0f", 2), ("👍🏽", 2), ("", 0)],
)
def test_width_is_what_a_terminal_shows(text, columns):
    assert width(text) == columns


def test_control_characters_are_shown_not_obeyed():
    assert printable("a\x1b[31mred\n\u202e") == "a\\x1b[31mred\\n\\u202e"
    table = Table("T")
    table.row("name", "\x1b[2J\r\n")
    assert "\x1b" not in table.render()
    assert "\r" not in table.render()


def test_bold_rows_show_on_terminals_only():
    table = Table("T", ("Name",))
    table.row("current", bold=True)
    assert "\x1b" not in table.render()
    assert "\x1b[1mcurrent\x1b[0m" in table.render(colour=True)
