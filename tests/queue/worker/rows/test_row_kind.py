"""Which jobs can be rows of one batch."""

from __future__ import annotations

from typing import Any

import pytest

from farm.documents import document
from rushes_queue.worker.rows.row_kind import row_kind

JOB = document(0)


def changed(**plan: Any) -> str | None:
    return row_kind(JOB.model_copy(update={"plan": JOB.plan | plan}))


def chunks(**values: Any) -> list[dict[str, Any]]:
    return [chunk | values for chunk in JOB.plan["chunks"]]


def test_seed_prompts_and_length_may_differ() -> None:
    prompts = {number: [{"text": "a boat", "weight": 1.0}] for number in JOB.plan["prompts"]}
    kind = row_kind(JOB)
    assert kind is not None
    assert kind == row_kind(document(1)) == changed(seed=9, prompts=prompts)
    assert kind == changed(chunks=JOB.plan["chunks"][:2], num_frames=9)


@pytest.mark.parametrize(
    "plan",
    [
        {"width": 128},
        {"variant": "ring"},
        {"vae_type": "tae"},
        {"quantization": "fp8_e4m3fn"},
        {"chunks": chunks(denoising_steps=[900])},
        {"chunks": chunks(lora_scales=[0.5])},
    ],
    ids=lambda plan: next(iter(plan)),
)
def test_what_the_network_computes_must_not_differ(plan: dict[str, Any]) -> None:
    assert changed(**plan) not in (None, row_kind(JOB))


def test_model_precision_and_threads_must_not_differ() -> None:
    other = JOB.model_copy(update={"preset": "pocket"})
    precise = JOB.request.model_copy(update={"dtype": "float32"})
    busy = JOB.request.model_copy(update={"threads": 2})
    jobs = [JOB, other, *(JOB.model_copy(update={"request": each}) for each in (precise, busy))]
    assert len({row_kind(job) for job in jobs}) == 4


def test_what_is_steered_or_changes_a_lora_on_the_way_is_rendered_alone() -> None:
    fading = chunks(lora_scales=[0.5])
    fading[0] = fading[0] | {"lora_scales": [0.1]}
    assert changed(chunks=fading) is None
    assert changed(chunks=chunks(steering={"references": []})) is None
