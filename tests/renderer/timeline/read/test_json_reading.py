"""JSON in: exact numbers, whole characters, bounded size, and one clear answer to anything else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rushes.timeline.problems import Problem, Problems
from rushes.timeline.read.json_reading import MALFORMED, MAX_BYTES, read_json


def read(data: str | bytes) -> tuple[Any, list[Problem]]:
    problems = Problems()
    return read_json(data, problems), list(problems)


def test_fractions_are_exact_decimals() -> None:
    assert read('{"a": 4.9427999999523164}') == ({"a": Decimal("4.9427999999523164")}, [])


@pytest.mark.parametrize("data", ["\ufeff[1]", b"\xef\xbb\xbf[1]"], ids=["text", "bytes"])
def test_a_byte_order_mark_is_accepted(data: str | bytes) -> None:
    assert read(data) == ([1], [])


def test_of_a_repeated_key_the_last_one_counts() -> None:
    assert read('{"a": 1, "a": 2}') == ({"a": 2}, [])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ('{"a": "x', "line 1, column 7"),
        ("", "line 1, column 1"),
        ('{"a": 1} x', "line 1, column 10"),
    ],
    ids=["no value", "open string", "empty", "extra"],
)
def test_malformed_json_is_answered_with_line_and_column(text: str, place: str) -> None:
    document, problems = read(text)
    assert document is MALFORMED
    assert [place in problem.message for problem in problems] == [True]


def test_bytes_that_are_not_utf8_are_answered_with_their_place() -> None:
    document, problems = read(b'{"a":\n "\xff"}')
    assert document is MALFORMED
    assert "line 2, byte 3" in problems[0].message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400", "9" * 5000])
def test_a_number_that_is_not_finite_is_refused_with_its_path(number: str) -> None:
    _, problems = read(f'{{"a": [0, {{"b": {number}}}]}}')
    assert [problem.path for problem in problems] == ["a[1].b"]
    assert "finite" in problems[0].message


def test_every_number_that_is_not_finite_is_listed() -> None:
    _, problems = read('{"a": NaN, "b": [1e999], "c": {"d": Infinity}, "e": 1}')
    assert [problem.path for problem in problems] == ["a", "b[0]", "c.d"]


@pytest.mark.parametrize("number", ["1e-999", "0." + "1" * 5000, "-0.0"])
def test_numbers_beyond_a_double_are_read_as_a_browser_reads_them(number: str) -> None:
    document, problems = read(f"[{number}]")
    assert not problems
    assert float(document[0]) == float(number)


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\uDFFF": 1}'], ids=["value", "key"])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    _, problems = read(text)
    assert ["surrogate" in problem.message for problem in problems] == [True]


def test_an_escaped_surrogate_pair_is_one_character() -> None:
    assert read('["\\ud83d\\ude00"]') == (["\U0001f600"], [])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_deep_nesting_is_refused_without_a_crash(text: str) -> None:
    document, problems = read(text)
    assert document is MALFORMED
    assert "deeply" in problems[0].message


def test_odd_values_in_deep_nesting_are_found_without_recursion() -> None:
    _, problems = read("[" * 500 + "NaN" + "]" * 500)
    assert problems[0].path == "[0]" * 500


def test_a_document_over_the_limit_is_refused_before_parsing() -> None:
    document, problems = read(b"[" * (MAX_BYTES + 1))
    assert document is MALFORMED
    assert "16 MiB" in problems[0].message


def test_problems_are_bounded_in_number() -> None:
    _, problems = read("[" + "NaN," * 5000 + "0]")
    assert len(problems) == 1001
    assert problems[-1].message == "and 4,000 more of this kind"
