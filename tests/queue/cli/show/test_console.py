"""Data goes to stdout, everything else to stderr, and nothing that a terminal could obey."""

from __future__ import annotations

import json

import pytest

from rushes_queue.cli.show.console import is_line_due, print_json, say, say_error

Capture = pytest.CaptureFixture[str]


def test_json_is_one_line_of_ascii_on_stdout(capsys: Capture) -> None:
    print_json({"name": "é\n\x1b[2J"})
    found = capsys.readouterr()
    assert found.err == ""
    assert found.out.isascii()
    assert len(found.out.splitlines()) == 1
    assert json.loads(found.out) == {"name": "é\n\x1b[2J"}


def test_messages_go_to_stderr(capsys: Capture) -> None:
    say("waiting")
    say_error(ValueError("bad\x1b[2J\nname"))
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err == "waiting\nerror: bad\\x1b[2J\nname\n"


@pytest.mark.parametrize(
    ("seconds", "share", "is_due"),
    [(0, 0, False), (29.9, 0.099, False), (30, 0, True), (0, 0.1, True)],
)
def test_a_line_is_due_after_half_a_minute_or_a_tenth(
    seconds: float, share: float, is_due: bool
) -> None:
    assert is_line_due(seconds, share) is is_due
