"""Text from outside is one line, and a file name is no path."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from rushes_queue.text_fields import FileName, Line, check_file_name, check_line


@pytest.mark.parametrize("text", ["", "a cat", "日本", "é\u0301", "a\u00a0b", "🐈", "../../etc"])
def test_a_line_may_be_any_text(text: str) -> None:
    assert check_line(text) == text


@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\tb", "\x1b[2J", "\0", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"],
    ids=ascii,
)
def test_what_ends_a_line_or_moves_a_terminal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one line of text without control characters"):
        check_line(f"cat {text}")


@pytest.mark.parametrize("name", ["a.mp4", ".hidden", "..a", "a b", "con", "é" * 127, "a" * 255])
def test_a_file_name_may_be_any_name(name: str) -> None:
    assert check_file_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/b", "../a", "a\\b", "C:\\a"])
def test_a_path_is_not_a_file_name(name: str) -> None:
    with pytest.raises(ValueError, match="a file name without a folder"):
        check_file_name(name)


@pytest.mark.parametrize("name", ["a" * 256, "é" * 128])
def test_the_length_of_a_file_name_counts_in_bytes(name: str) -> None:
    with pytest.raises(ValueError, match="at most 255 bytes"):
        check_file_name(name)


def test_the_rules_hold_where_the_types_are_used() -> None:
    assert TypeAdapter(FileName).validate_python("cat.json") == "cat.json"
    for kind, text in ((Line, "a\nb"), (FileName, "a\nb"), (FileName, "a/b")):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)
