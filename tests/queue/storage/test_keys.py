"""Which names an object may have, and what is said of the others."""

from __future__ import annotations

import pytest

from rushes_queue.storage.errors import InvalidKeyError
from rushes_queue.storage.keys import LONGEST_KEY, check_key, is_key

LONGEST = "/".join(["a" * 99] * 7)  # 699 bytes


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "jobs/ab/job.json",
        "a#1",
        "a b",
        "a%2Fb",
        "~",
        "é/日本.mp4",
        "a..b/c.",
        "a" * 255,
        LONGEST,
    ],
)
def test_a_key_is_handed_back_as_it_is(key: str) -> None:
    assert check_key(key) == key
    assert is_key(key)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "is empty"),
        ("a\nb", "cannot be printed"),
        ("a\u202eb", "cannot be printed"),
        ("a\udcffb", "cannot be printed"),
        ("a\\b", "has a backslash"),
        ("/a", "starts or ends with a slash"),
        ("a/", "starts or ends with a slash"),
        ("a//b", "two in a row"),
        ("..", "starts with a dot"),
        ("a/../b", "starts with a dot"),
        ("a/.b", "starts with a dot"),
        ("a" * 256, "a part of more than 255 bytes"),
        ("é" * 128, "a part of more than 255 bytes"),
        (f"{LONGEST}aa", f"longer than {LONGEST_KEY} bytes"),
    ],
    ids=ascii,
)
def test_what_is_wrong_with_a_name_is_said(key: str, fault: str) -> None:
    assert not is_key(key)
    with pytest.raises(InvalidKeyError, match=fault) as caught:
        check_key(key)
    assert str(caught.value).isprintable()


def test_a_long_name_is_shown_in_part() -> None:
    with pytest.raises(InvalidKeyError) as caught:
        check_key("a" * 5000)
    assert len(str(caught.value)) < 250
