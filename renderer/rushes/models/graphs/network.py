"""The passes of the DiT over a full window, on fixed buffers."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from rushes.models.caches.kv_cache import KVCache
from rushes.models.dit import CausalDit, Control
from rushes.models.graphs.runner import Runners
from rushes.models.layers.modulation import StepModulation
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryFactors


@runtime_checkable
class Steady(Protocol):
    """A cache whose passes are alike, at the same addresses, once it is full."""

    @property
    def layout(self) -> tuple[object, ...] | None:
        """What tells apart the passes that the cache may be asked for; nothing while it fills."""
        ...


class GraphedNetwork:
    """Stands in for the network of one stream; what is not steady runs plainly.

    Timesteps, positions and latents are data of a pass; so neither other denoising steps nor
    another prompt needs another graph. The keys of the prompt, by far the largest input, are
    copied when they have changed.
    """

    def __init__(self, dit: CausalDit, runners: Runners) -> None:
        self._dit, self._runners = dit, runners
        self._prompt = _PromptBuffer()

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor | StepModulation,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: Control | None = None,
        num_clean: int = 0,
    ) -> Tensor:
        """Predict the flow as ``CausalDit``; that of a steady pass is valid until the next one."""
        layout = kv_cache.layout if isinstance(kv_cache, Steady) else None
        is_steady = layout is not None and control is None
        if not is_steady or prompt.memory is None or not isinstance(timesteps, StepModulation):
            return self._dit(latents, timesteps, rotary, kv_cache, prompt, control, num_clean)
        keys = self._prompt.filled(prompt.memory)
        common = timesteps.common

        def step(latents: Tensor, t: Tensor, b: Tensor, h: Tensor, c: Tensor, s: Tensor) -> Tensor:
            modulation = StepModulation(t, common, b, h)
            factors = RotaryFactors(c, s)
            flow: Tensor = self._dit(latents, modulation, factors, kv_cache, keys, None, num_clean)
            return flow

        inputs = (
            *(latents, timesteps.timesteps, timesteps.blocks, timesteps.head),
            *(rotary.cos, rotary.sin),
        )
        kind = (layout, num_clean, self._prompt.kind)
        return self._runners.run(kind, step, inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dit, name)


class _PromptBuffer:
    """The keys of the prompts of up to two rows, that before and the new one, at one address."""

    def __init__(self) -> None:
        self._rows: Tensor | None = None  # [blocks, keys and values, 2, P, N, D]
        self._source: Tensor | None = None  # what the last row is a copy of
        self.kind: tuple[object, ...] = ()

    def filled(self, memory: Tensor) -> PromptKeys:
        """Return the keys of a prompt, or of one for each row, in the buffer.

        Shapes:
            memory: [blocks, keys and values, B, P, N, D]; B is 1 or 2
        """
        count = memory.shape[2]
        is_one = count == 1 or memory.stride(2) == 0
        if self._rows is None or self._rows.shape[3] != memory.shape[3]:
            shape = (*memory.shape[:2], 2, *memory.shape[3:])
            self._rows, self._source = memory.new_empty(shape), None
        self.kind = (is_one, count, self._rows.shape, self._rows.data_ptr())
        if not is_one:
            self._rows.copy_(memory)
            self._source = None
            return PromptKeys.of_memory(self._rows)
        source, row = memory[:, :, :1], self._rows[:, :, 1:]
        if self._source is None or self._source.data_ptr() != source.data_ptr():
            row.copy_(source)
            self._source = source  # held, so that its address stays its own
        return PromptKeys.of_memory(row.expand(-1, -1, count, -1, -1, -1))
