"""Strengths of LoRAs that change over time: keyframes, and values of single prompt blocks."""

from __future__ import annotations

from collections.abc import Iterable

from rushes.timeline.document import Extensions, Lora, Schedule
from rushes.timeline.fields import Fields
from rushes.timeline.loras import LEAST_SCALE, MOST_SCALE, has_name
from rushes.timeline.problems import Problems
from rushes.timeline.read.schedules import read_schedule

LORA_SCALE = "lora_scale"


def read_lora_schedules(schedules: Fields) -> tuple[tuple[str, Schedule], ...]:
    """Read the keys ``lora_scale.NAME`` of ``ext.schedules``."""
    found: list[tuple[str, Schedule]] = []
    for key in schedules.data:
        start, _, name = key.partition(".")
        if start == LORA_SCALE and name:
            schedule = read_schedule(schedules, key, LEAST_SCALE, MOST_SCALE)
            if schedule is not None:
                found.append((name, schedule))
    return tuple(found)


def read_lora_scales(params: Fields) -> tuple[tuple[str, float], ...]:
    """Read ``lora_scale`` in the ``params`` of a block: strengths by name."""
    scales = params.object(LORA_SCALE)
    if scales is None:
        return ()
    values = {name: scales.number(name, LEAST_SCALE, MOST_SCALE) for name in scales.data}
    return tuple((name, float(value)) for name, value in values.items() if value is not None)


def check_lora_names(
    ext: Extensions,
    block_scales: Iterable[tuple[str, tuple[tuple[str, float], ...]]],
    loras: tuple[Lora, ...],
    problems: Problems,
) -> None:
    """Report strengths of LoRAs that the document does not use; ``block_scales`` are with paths."""
    named = [(f"ext.schedules.{LORA_SCALE}.{name}", name) for name, _ in ext.lora_schedules]
    for path, scales in block_scales:
        named += [(f"{path}.ext.params.{LORA_SCALE}.{name}", name) for name, _ in scales]
    known = ", ".join(lora.name for lora in loras) or "none; list it there"
    for path, name in named:
        if not any(has_name(lora, name) for lora in loras):
            problems.error(path, f"is not a LoRA of this file; settings.loras has {known}", name)
