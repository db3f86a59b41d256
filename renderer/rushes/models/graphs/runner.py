"""Steps of the stream on fixed buffers: inputs are copied in, results are always in one place."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from rushes.models.graphs.capture import Capture

Step = Callable[..., Tensor]


class Runner:
    """A function of tensors that runs on buffers of its own.

    Every call has inputs of the same shapes. The result is overwritten by the next call.
    """

    def __init__(self, step: Step, inputs: Sequence[Tensor], capture: Capture) -> None:
        """``step`` takes the inputs, and has run before with such ones."""
        self.inputs = [
            torch.empty_like(each, memory_format=torch.contiguous_format) for each in inputs
        ]
        self._replay = capture(lambda: step(*self.inputs))

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        """Run the step; the result is valid until the next call."""
        for buffer, new in zip(self.inputs, inputs, strict=True):
            buffer.copy_(new)
        return self._replay()


class Runners:
    """Runners by what they do; a kind of step runs plainly once before it gets one.

    ``forget`` is for changes that a runner would not see: other weights, or numbers that a
    graph has taken in, such as the strength of a LoRA.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._seen: set[Hashable] = set()
        self._runners: dict[Hashable, Runner] = {}

    def __len__(self) -> int:
        return len(self._runners)

    def forget(self) -> None:
        """Give up all runners; steps run plainly once again."""
        self._seen.clear()
        self._runners.clear()

    def run(self, kind: Hashable, step: Step, inputs: Sequence[Tensor]) -> Tensor:
        """Run a step of a kind, in its runner where it has run before.

        The kind tells apart all that the step reads beside its inputs; their shapes and types are
        looked at here.
        """
        key = (kind, *((each.shape, each.dtype) for each in inputs))
        if key not in self._seen:
            self._seen.add(key)
            return step(*inputs)
        if key not in self._runners:
            self._runners[key] = Runner(step, inputs, self._capture)
        return self._runners[key](inputs)
