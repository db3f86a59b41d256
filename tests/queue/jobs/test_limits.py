"""What a farm refuses because it is too much; all of it is named at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from farm.documents import blob, document
from rushes_queue.errors import DocumentError
from rushes_queue.jobs.limits import Limits, check_limits

JOB = document()
PIXELS = JOB.plan["width"] * JOB.plan["height"]
SECONDS = JOB.num_frames / JOB.plan["fps"]
SIZE = JOB.timeline.size
EXACT = {
    "max_pixels": PIXELS,
    "max_output_seconds": SECONDS,
    "max_prompts": 1,
    "max_input_bytes": SIZE,
}


def test_a_job_may_reach_every_limit() -> None:
    check_limits(JOB, Limits.model_validate(EXACT))
    check_limits(JOB, Limits())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"max_pixels": PIXELS - 1}, f"pixels a frame is {PIXELS:,}, at most {PIXELS - 1:,} are"),
        ({"max_output_seconds": SECONDS - 0.6}, "length in seconds is 2, at most 1"),
        ({"max_input_bytes": SIZE - 1}, f"size of a file in bytes is {SIZE}, at most {SIZE - 1}"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_over_a_limit_is_named_with_the_setting(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_limits(JOB, Limits.model_validate(EXACT | change))
    assert fault in str(caught.value)
    assert f"(limits.{next(iter(change))})" in str(caught.value)
    assert caught.value.job == JOB.id


def test_the_largest_file_counts_whatever_it_is_for() -> None:
    plan = JOB.plan | {"loras": []}
    large = blob("x" * 5000, "cat.json")
    limits = Limits.model_validate(EXACT | {"max_input_bytes": 4999})
    with pytest.raises(DocumentError, match="size of a file in bytes is 5,000"):
        check_limits(JOB.model_copy(update={"audio": large, "plan": plan}), limits)
    with pytest.raises(DocumentError, match="size of a file in bytes is 5,000"):
        check_limits(JOB.model_copy(update={"files": (large,)}), limits)


def test_all_limits_are_named_at_once() -> None:
    prompts = {"0": [{"text": "a", "weight": 1}] * 2, "1": [{"text": "b", "weight": 1}]}
    job = JOB.model_copy(update={"plan": JOB.plan | {"prompts": prompts}})
    limits = Limits.model_validate(
        {"max_pixels": 1, "max_output_seconds": 0.1, "max_prompts": 2, "max_input_bytes": 1}
    )
    with pytest.raises(DocumentError) as caught:
        check_limits(job, limits)
    for name in EXACT:
        assert f"limits.{name}" in str(caught.value)
    assert "number of prompts is 3, at most 2 are allowed" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("value", [0, -1, "much", float("nan")])
def test_a_limit_is_a_positive_number(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({name: value})


def test_sizes_may_have_units() -> None:
    assert Limits.model_validate({"max_input_bytes": "2GiB"}).max_input_bytes == 2 * 2**30
