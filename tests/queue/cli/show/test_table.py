"""Tables fit the terminal; what matters most stays readable."""

from __future__ import annotations

import pytest

from rushes_queue.cli.show import table
from rushes_queue.cli.show.table import (
    fit_columns,
    print_paragraph,
    print_table,
    table_lines,
    table_width,
)

Capture = pytest.CaptureFixture[str]
HEADER = ("job", "tags", "prompt")
ROWS = [("abcdefgh", "", "a cat walks over the grass"), ("ijklmnop", "", "a lion")]


def test_columns_are_as_wide_as_their_longest_cell(capsys: Capture) -> None:
    print_table(("job", "state"), [("a", "done"), ("abcdef", ""), ("b", "running")])
    assert capsys.readouterr().out.splitlines() == [
        "job     state",
        "a       done",
        "abcdef",
        "b       running",
    ]


def test_a_table_without_rows_is_its_header(capsys: Capture) -> None:
    print_table(("job", "state"), [])
    assert capsys.readouterr().out == "job  state\n"


def test_a_row_of_another_length_is_a_fault() -> None:
    with pytest.raises(ValueError, match="zip"):
        print_table(("job", "state"), [("a",)])


def test_elsewhere_than_on_a_terminal_nothing_is_cut(capsys: Capture) -> None:
    print_table(HEADER, ROWS, [("prompt", 5)])
    print_paragraph("word " * 100)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "abcdefgh        a cat walks over the grass"
    assert len(lines) == 4


def test_columns_give_way_in_their_order_and_empty_ones_first() -> None:
    assert table_lines(HEADER, ROWS, 25, [("prompt", 5), ("job", 4)]) == [
        "job       prompt",
        "abcdefgh  a cat walks ov…",
        "ijklmnop  a lion",
    ]
    assert table_lines(HEADER, ROWS, 12, [("prompt", 5), ("job", 4)])[1] == "abcd…  a ca…"
    assert table_lines(HEADER, ROWS, 10, [("prompt", 0)])[1] == "abcdefgh"


def test_wide_characters_count_twice() -> None:
    lines = table_lines(("a", "b"), [("猫猫猫", "x"), ("cat", "y")], None)
    assert lines[2] == "cat     y"
    assert table_lines(("a", "b"), [("猫猫猫", "x")], 8, [("a", 4)])[1] == "猫猫…  x"


def test_what_cannot_give_way_stays_as_it_is() -> None:
    assert fit_columns({"job": 8, "prompt": 40}, 20, []) == {"job": 8, "prompt": 40}
    assert table_width({"job": 8, "tags": 0, "prompt": 10}) == 20


def test_a_paragraph_is_broken_between_words_on_a_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "terminal_width", lambda: 20)
    print_paragraph("some words " * 10)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 20
    assert " ".join(lines).split() == ["some", "words"] * 10


def test_a_column_that_may_be_left_out_is_never_shown_too_narrow_to_read() -> None:
    assert fit_columns({"job": 8, "noise": 5}, 12, [("noise", 0)])["noise"] == 0
    assert fit_columns({"job": 8, "prompt": 9}, 15, [("prompt", 0)])["prompt"] == 5
