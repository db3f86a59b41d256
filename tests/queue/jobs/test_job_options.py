"""What is said of a job beside its picture."""

from __future__ import annotations

from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes_queue.jobs.job_options import JobOptions, make_job_options


def test_what_is_allowed_is_kept() -> None:
    values: dict[str, Any] = {
        "priority": "high",
        "tags": ("night", "täg"),
        "after": ("0123456789abcdef",),
        "notify": ("https://example.org/x",),
    }
    assert make_job_options(**values) == JobOptions(**values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"tags": ("x" * 65,)}, "--tag 'x"),
        ({"tags": ("a\nb",)}, "--tag 'a"),
        ({"notify": ("ftp://x/",)}, "--notify 'ftp://x/': is not allowed; write a web address"),
        ({"notify": ("http://",)}, "--notify 'http://': is not allowed; write a web address"),
        ({"notify": ("https://user:pw@",)}, "--notify 'https://user:pw@': is not allowed"),
        ({"notify": ("http://a b/",)}, "--notify 'http://a b/': is not allowed"),
        ({"notify": ("http://[::1",)}, "--notify 'http://[::1': is not allowed"),
        ({"notify": ("http://x:99999/",)}, "--notify 'http://x:99999/': is not allowed"),
        ({"after": ("0123",)}, "--after '0123': is not allowed; write the id of a job"),
        ({"tags": ("t",) * 33}, "--tag: is given 33 times, at most 32 are allowed"),
        ({"tags": ("",), "notify": ("x",)}, "; --notify 'x'"),
    ],
    ids=str,
)
def test_what_is_not_allowed_is_named_with_its_cure(values: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_job_options(**values)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
