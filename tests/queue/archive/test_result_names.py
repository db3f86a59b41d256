"""Names of results: from a template, safe on every storage, and different for every job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes_queue.archive.result_names import DEFAULT_TEMPLATE, check_template, result_key

JOB = "0123456789abcdef"


def name(template: str, **more: Any) -> str:
    values: dict[str, Any] = {
        "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "timeline": "cat",
        "seed": 42,
        "job": JOB,
        "preset": "tiny",
        "tag": "night",
    }
    return result_key(template, **values | more)


@pytest.mark.parametrize(
    ("template", "key"),
    [
        (DEFAULT_TEMPLATE, f"results/2026-01-02/cat-42-{JOB}"),
        ("{preset}/{tag}/{time}-{job}", f"results/tiny/night/030405-{JOB}"),
        ("{job}/out", f"results/{JOB}/out"),
        ("{timeline}", f"results/cat-{JOB}"),
        ("all", f"results/all-{JOB}"),
        ("{{{job}}}", f"results/{{{JOB}}}"),
    ],
)
def test_a_template_is_filled_and_names_the_job(template: str, key: str) -> None:
    assert check_template(template) == template
    assert name(template) == key


def test_times_are_those_of_utc() -> None:
    late = datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    assert name("{date} {time}-{job}", created_at=late) == f"results/2026-01-01 230000-{JOB}"


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("two words", "two-words"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("a  --  b", "a-b"),
        ("日本 é", "日本-é"),
        ("e\u0301", "é"),
        ("...", "unnamed"),
        ("", "unnamed"),
        ("x" * 100, "x" * 64),
        ("é" * 100, "é" * 32),
        ("x" * 63 + "-y", "x" * 63),
    ],
    ids=ascii,
)
def test_of_a_users_text_only_what_is_safe_remains(value: str, made: str) -> None:
    assert name("{timeline}/{job}", timeline=value) == f"results/{made}/{JOB}"


def test_what_is_not_given_has_a_name_too() -> None:
    assert name("{tag}/{job}", tag="") == f"results/untagged/{JOB}"


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{user}", "no field 'user'; known: date, time, timeline"),
        ("{}", "no field ''"),
        ("{date", "expected '}'"),
        ("{seed:04}", "{seed} takes no format"),
        ("{job!r}", "{job} takes no format"),
        ("/{job}", "starts or ends with a slash"),
        ("../{job}", "starts with a dot"),
        ("{job}/", "starts or ends with a slash"),
        ("a\n{job}", "cannot be printed"),
        ("x" * 205 + "{job}", "the names would be too long"),
        ("{timeline}-{preset}-{tag}-{timeline}-{job}-{date}", "the names would be too long"),
    ],
    ids=ascii,
)
def test_a_template_that_makes_no_names_is_refused(template: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_template(template)
    assert str(caught.value).startswith("result template ")
    assert fault in str(caught.value)
    with pytest.raises(ConfigError):
        name(template)


def test_a_name_may_be_as_long_as_extensions_leave_it() -> None:
    assert check_template("x" * 204 + "{job}")
