"""The strengths of LoRAs, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from rushes.timeline.document import Extensions, Lora, PromptBlock
from rushes.timeline.keyframes import ScheduledValue
from rushes.timeline.loras import has_name


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
        """Return the strengths; empty if none of them ever changes.

        A block's strengths override keyframes, and these override the list of LoRAs.
        """
        if not any(self._is_moving):
            return ()
        strengths = []
        for lora, schedule in zip(self.loras, self._schedules, strict=True):
            own = [scale for name, scale in block.lora_scales if has_name(lora, name)]
            default = schedule.at(frame) if schedule else lora.scale
            strengths.append(own[0] if own else default)
        return tuple(strengths)
