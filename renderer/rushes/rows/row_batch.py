"""The passes that several streams ask for at the same time, run as rows of one batch.

Each stream renders in a thread of its own and knows nothing of the others: ``RowNetwork`` stands in
for its network. A pass waits until every row has asked for one; a row that ends, or joins between
two chunks, changes nothing for the others but the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import KVCache
from rushes.models.dit import CausalDit, Control, PromptKeys, join_prompts
from rushes.models.rope import RotaryFactors
from rushes.rows.joined import JoinedCaches, JoinedControls, join_rotary
from rushes.rows.shared_prompts import SharedPrompts


@dataclass(eq=False)
class _Pass:
    """What a row asks for, and what it gets: flow or an error."""

    latents: Tensor
    timesteps: Tensor
    rotary: RotaryFactors
    kv_cache: KVCache
    prompt: PromptKeys
    control: Control | None
    num_clean: int = 0
    flow: Tensor | None = None
    error: BaseException | None = None
    kind: tuple[object, ...] = field(init=False)  # passes of one kind can be rows of a batch

    def __post_init__(self) -> None:
        steered = self.control is not None
        self.kind = (self.latents.shape, self.kv_cache.rotates_keys, steered, self.num_clean)

    @property
    def is_done(self) -> bool:
        return self.flow is not None or self.error is not None


class RowBatch:
    """Runs the passes of its rows together, as soon as all of them wait for one."""

    def __init__(self, dit: CausalDit) -> None:
        self.dit = dit
        self.prompts = SharedPrompts(dit)
        self.num_rows = 0
        self._changed = Condition()
        self._waiting: list[_Pass] = []

    @contextmanager
    def row(self) -> Iterator[RowNetwork]:
        """Take part until the end of the block; from its begin on, the others wait for this row."""
        with self._changed:
            self.num_rows += 1
        try:
            yield RowNetwork(self)
        finally:
            with self._changed:
                self.num_rows -= 1
                self._changed.notify_all()

    def run(self, wanted: _Pass) -> Tensor:
        """Run a pass in company; called in the thread of its row.

        Shapes:
            returns: [1, T, C, H, W]
        """
        with self._changed:
            self._waiting.append(wanted)
            while not wanted.is_done:
                if len(self._waiting) >= self.num_rows:
                    self._run_all()
                    self._changed.notify_all()
                else:
                    self._changed.wait()
        if wanted.error is not None:
            raise wanted.error
        assert wanted.flow is not None
        return wanted.flow

    def _run_all(self) -> None:
        by_kind: dict[tuple[object, ...], list[_Pass]] = {}
        for each in self._waiting:
            by_kind.setdefault(each.kind, []).append(each)
        self._waiting.clear()
        for passes in by_kind.values():
            try:
                for each, flow in zip(passes, self._flows(passes), strict=True):
                    each.flow = flow
            except BaseException as error:
                for each in passes:
                    each.error = error

    @torch.inference_mode()
    def _flows(self, passes: list[_Pass]) -> tuple[Tensor, ...]:
        if len(passes) == 1:
            (alone,) = passes
            return (
                self.dit(
                    alone.latents,
                    alone.timesteps,
                    alone.rotary,
                    alone.kv_cache,
                    alone.prompt,
                    alone.control,
                    alone.num_clean,
                ),
            )
        controls = [each.control for each in passes if each.control is not None]
        flow: Tensor = self.dit(
            torch.cat([each.latents for each in passes]),
            torch.cat([each.timesteps for each in passes]),
            join_rotary([each.rotary for each in passes]),
            JoinedCaches([each.kv_cache for each in passes]),
            join_prompts([each.prompt for each in passes]),
            JoinedControls(controls) if controls else None,
            sum(each.num_clean for each in passes),
        )
        return flow.chunk(len(passes)) if len(flow) else (flow,) * len(passes)


class RowNetwork:
    """Stands in for the network of one stream; all but the passes is the network's own."""

    modulation = None  # rows bring their timesteps, which are joined

    def __init__(self, batch: RowBatch) -> None:
        self._batch = batch

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: Control | None = None,
        num_clean: int = 0,
    ) -> Tensor:
        wanted = _Pass(latents, timesteps, rotary, kv_cache, prompt, control, num_clean)
        return self._batch.run(wanted)

    def embed_prompt(self, prompt_embedding: Tensor) -> Tensor:
        """Bring a prompt embedding to the width of the network, as ``CausalDit.embed_prompt``."""
        return self._batch.prompts.context_of(prompt_embedding)

    def prompt_keys(self, prompt_context: Tensor) -> PromptKeys:
        """Fill a cross-attention cache, as ``CausalDit.prompt_keys``."""
        return self._batch.prompts.keys_of(prompt_context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch.dit, name)
