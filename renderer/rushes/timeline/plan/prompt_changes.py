"""Which prompts apply: hard changes, and transitions over several chunks."""

from __future__ import annotations

from enum import Enum
from fractions import Fraction

from rushes.presets.kinds import Method
from rushes.timeline.document import Prompt, PromptBlock, Ramp
from rushes.timeline.easing import LINEAR, Ease, eased


class Change(Enum):
    """The effect of entering a prompt block on the current prompts."""

    NONE = "the same prompts are in force already"
    HARD = "the new prompts are in force at once"
    CUT_SHORT = "the same, while a transition was still running"
    TRANSITION = "the prompts move to the new ones over several chunks"


class PromptChanges:
    """The current target and the transition towards it.

    A target is compared with the current one only, so prompts that return always take effect; a
    transition of one step reaches its target at once. Both differ from scope.
    Source: scope: frontend/src/utils/timelinePromptSubmission.ts,
    src/scope/core/pipelines/blending.py
    """

    def __init__(
        self,
        *,
        default_steps: int,
        default_method: Method,
        ramp: Ramp | None,
        fps: Fraction,
        chunk_frames: int,
    ) -> None:
        self.method = default_method
        self._steps = default_steps
        self._method = default_method
        self._wanted_ramp = ramp
        self._fps = fps
        self._chunk_frames = chunk_frames
        self._target: tuple[Prompt, ...] | None = None
        self._num_steps = 0
        self._steps_done = 0
        self._ramp: Ramp = "scope"
        self._ease: Ease = LINEAR

    def enter(self, block: PromptBlock) -> Change:
        """Switch to the prompts of a block; its own steps and method hold for later blocks too."""
        if block.transition_steps is not None:
            self._steps = block.transition_steps
        if block.transition_method is not None:
            self._method = block.transition_method
        if block.prompts == self._target:
            return Change.NONE
        is_first = self._target is None
        was_running = self._steps_done < self._num_steps
        self._target = block.prompts
        self._steps_done = 0
        self._num_steps = 0 if is_first else self._length(block)
        self.method = self._method
        transition = block.transition
        self._ease = transition.ease if transition else LINEAR
        self._ramp = self._wanted_ramp or (transition and transition.ramp) or "scope"
        if self._num_steps:
            return Change.TRANSITION
        return Change.CUT_SHORT if was_running else Change.HARD

    def advance(self) -> float | None:
        """Return the weight of the target in the next chunk, ``None`` when no transition runs."""
        if self._steps_done == self._num_steps:
            return None
        step, num_steps = self._steps_done, self._num_steps
        self._steps_done += 1
        if num_steps == 1:
            return 1.0
        if self._ramp == "eager":
            return eased(self._ease, (step + 1) / num_steps)
        return eased(self._ease, step / (num_steps - 1))

    def _length(self, block: PromptBlock) -> int:
        """Return the chunks of the transition to a block; a length in ``ext`` is for it alone."""
        transition = block.transition
        if transition is None or transition.length is None:
            return self._steps
        length = transition.length
        if transition.unit == "seconds":
            length = length * self._fps
        if transition.unit != "chunks":
            length = length / self._chunk_frames
        return -(-length.numerator // length.denominator)
