"""Strengths of LoRAs that change over time: keyframes, and values of single prompt blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from rushes.timeline.document import Extensions, Lora, PromptBlock, Schedule
from rushes.timeline.fields import Fields
from rushes.timeline.keyframes import ScheduledValue
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
            problems.error(path, f"is no LoRA of this file; settings.loras has {known}", name)


class LoraStrengths:
    """The strength of every LoRA at a frame, in their order."""

    def __init__(
        self, loras: tuple[Lora, ...], ext: Extensions, blocks: Iterable[PromptBlock], fps: Fraction
    ) -> None:
        names = {name for block in blocks for name, _ in block.lora_scales}
        self._schedules = [
            next(
                (ScheduledValue(s, fps) for name, s in ext.lora_schedules if has_name(lora, name)),
                None,
            )
            for lora in loras
        ]
        self._is_moving = [
            schedule is not None or any(has_name(lora, name) for name in names)
            for lora, schedule in zip(loras, self._schedules, strict=True)
        ]
        # A merged LoRA cannot change its strength.
        self.loras = tuple(
            replace(lora, merge_mode="runtime_peft") if is_moving else lora
            for lora, is_moving in zip(loras, self._is_moving, strict=True)
        )

    def at(self, block: PromptBlock, frame: int) -> tuple[float, ...]:
        """Return the strengths; none where none of them ever changes.

        What the block says of a LoRA wins over keyframes, these over the list of LoRAs.
        """
        if not any(self._is_moving):
            return ()
        strengths = []
        for lora, schedule in zip(self.loras, self._schedules, strict=True):
            own = [scale for name, scale in block.lora_scales if has_name(lora, name)]
            default = schedule.at(frame) if schedule else lora.scale
            strengths.append(own[0] if own else default)
        return tuple(strengths)
