"""Out of memory: one more try in a smaller setting, and an answer when that fails too."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest
import torch

from rushes.errors import MemoryShortError
from rushes.memory.memory_plan import AS_IT_IS, MemoryPlan
from rushes.memory.out_of_memory import retry_smaller

OOM = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"
SMALLEST = MemoryPlan("fp8", text_encoder_on_cpu=True)


@dataclass
class Attempts:
    """Runs out of memory in all settings but those that are enough."""

    enough: tuple[MemoryPlan, ...] = ()
    error: RuntimeError = field(default_factory=lambda: torch.OutOfMemoryError(OOM))
    seen: list[object] = field(default_factory=list)

    def __call__(self, memory_plan: MemoryPlan, warnings: tuple[str, ...]) -> tuple[str, ...]:
        self.seen.append(memory_plan)
        if memory_plan not in self.enough:
            raise self.error
        return warnings

    def release(self) -> None:
        self.seen.append("released")


def test_a_first_attempt_that_succeeds_is_the_only_one() -> None:
    attempts = Attempts(enough=(AS_IT_IS,))
    assert retry_smaller(attempts, AS_IT_IS, SMALLEST, attempts.release) == ()
    assert attempts.seen == [AS_IT_IS]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(OOM), RuntimeError("MPS backend out of memory (used 9 GB)")]
)
def test_the_second_attempt_is_smaller_and_both_log_and_manifest_say_so(
    error: RuntimeError, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = Attempts(enough=(SMALLEST,), error=error)
    with caplog.at_level(logging.WARNING):
        (warning,) = retry_smaller(attempts, AS_IT_IS, SMALLEST, attempts.release)
    assert attempts.seen == [AS_IT_IS, "released", SMALLEST]
    assert "out of memory" in warning
    assert "linear layers in fp8" in warning
    assert "linear layers in fp8" in caplog.text


def test_there_is_no_third_attempt() -> None:
    attempts = Attempts()
    with pytest.raises(MemoryShortError, match=r"twice, .*out of memory\); close other .* --size"):
        retry_smaller(attempts, AS_IT_IS, SMALLEST, attempts.release)
    assert attempts.seen == [AS_IT_IS, "released", SMALLEST]


def test_the_smallest_setting_is_not_tried_again() -> None:
    attempts = Attempts()
    with pytest.raises(MemoryShortError, match="out of memory with linear layers in fp8"):
        retry_smaller(attempts, SMALLEST, None, attempts.release)
    assert attempts.seen == [SMALLEST]


def test_another_error_is_left_alone() -> None:
    attempts = Attempts(error=RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        retry_smaller(attempts, AS_IT_IS, SMALLEST, attempts.release)
    assert attempts.seen == [AS_IT_IS]


def test_nothing_of_the_first_attempt_is_referred_to_when_memory_is_released() -> None:
    alive: list[bool] = []

    class Large:
        def __del__(self) -> None:
            alive.remove(True)

    def attempt(memory_plan: MemoryPlan, warnings: tuple[str, ...]) -> None:
        large = Large()
        alive.append(True)
        if memory_plan == AS_IT_IS:
            raise torch.OutOfMemoryError(f"{OOM} {id(large)}")

    retry_smaller(attempt, AS_IT_IS, SMALLEST, lambda: alive.append(bool(alive)))
    assert alive == [False]
