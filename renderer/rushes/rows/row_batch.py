"""The passes that several streams ask for at the same time, run as rows of one batch.

Each stream renders in a thread of its own and knows nothing of the others: ``RowNetwork`` stands in
for its network. A pass waits until every row has asked for one; a row that ends, or joins between
two chunks, changes nothing for the others but the number of rows.

In float32 on a CPU a row has the bits that it has alone: timesteps are embedded once for all rows,
as for a single one, passes of unlike timesteps are not joined, and a clean pass is merged with the
next chunk's first step as it is alone. Elsewhere sums over more rows are rounded differently.
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
from rushes.models.dit import CausalDit, Control
from rushes.models.layers.modulation import StepModulation
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryFactors
from rushes.rows.joined import (
    JoinedCaches,
    JoinedControls,
    RowOrder,
    join_keys,
    join_modulation,
    join_rotary,
)
from rushes.rows.shared_prompts import SharedPrompts
from rushes.rows.shared_steps import SharedSteps


@dataclass(eq=False)
class _Pass:
    """What a row asks for, and what it gets: flow or an error."""

    latents: Tensor
    timesteps: Tensor | StepModulation
    rotary: RotaryFactors
    kv_cache: KVCache
    prompt: PromptKeys
    control: Control | None
    num_clean: int = 0
    begins_chunk: bool = False
    num_rows: int = 0  # of the batch that it was part of
    flow: Tensor | None = None
    error: BaseException | None = None
    kind: tuple[object, ...] = field(init=False)  # passes of one kind can be rows of a batch

    def __post_init__(self) -> None:
        steered = self.control is not None
        self.kind = (self.latents.shape, self.kv_cache.rotates_keys, steered, self.num_clean)
        if isinstance(self.timesteps, StepModulation):
            common = self.timesteps.timesteps
            shared = id(self.timesteps) if common.numel() == 1 else None
            self.kind = (*self.kind, common.shape, shared)

    @property
    def is_done(self) -> bool:
        return self.flow is not None or self.error is not None


class RowBatch:
    """Runs the passes of its rows together, as soon as all of them wait for one."""

    def __init__(self, dit: CausalDit) -> None:
        self.dit = dit
        self.prompts = SharedPrompts(dit)
        self.keeps_bits = _weighs_exactly(dit)
        self.steps = SharedSteps(dit)
        self.num_rows = 0
        self._changed = Condition()
        self._waiting: list[_Pass] = []
        self._joining: list[_Pass] = []

    @contextmanager
    def row(self) -> Iterator[RowNetwork]:
        """Take part until the end of the block; from its begin on, the others wait for this row."""
        with self.late_row() as network:
            network.join()
            yield network

    @contextmanager
    def late_row(self) -> Iterator[RowNetwork]:
        """Take part from the first pass on, which waits until the others begin a chunk.

        The row leaves at the end of the block, or earlier when it says so.
        """
        network = RowNetwork(self)
        try:
            yield network
        finally:
            network.leave()

    def enter(self) -> None:
        """Count one more row, for which the others wait."""
        with self._changed:
            self.num_rows += 1

    def leave(self) -> None:
        """Count one row less."""
        with self._changed:
            self.num_rows -= 1
            self._changed.notify_all()

    def run(self, wanted: _Pass, *, is_new: bool = False) -> Tensor:
        """Run a pass in company; called in the thread of its row. A new row joins by it.

        Shapes:
            returns: [1, T, C, H, W]
        """
        with self._changed:
            (self._joining if is_new else self._waiting).append(wanted)
            while not wanted.is_done:
                if len(self._waiting) >= self.num_rows:
                    self._admit()
                    self._run_next()
                    self._changed.notify_all()
                else:
                    self._changed.wait()
        if wanted.error is not None:
            raise wanted.error
        assert wanted.flow is not None
        return wanted.flow

    def _admit(self) -> None:
        """Let new rows join if all the others begin a chunk."""
        if all(each.begins_chunk for each in self._waiting):
            self.num_rows += len(self._joining)
            self._waiting += self._joining
            self._joining = []

    def _run_next(self) -> None:
        """Run the passes whose turn it is; rows that begin a chunk wait until all do."""
        chosen = _choose(self._waiting)
        self._waiting = [each for each in self._waiting if each not in chosen]
        by_kind: dict[tuple[object, ...], list[_Pass]] = {}
        for each in chosen:
            by_kind.setdefault(each.kind, []).append(each)
        for passes in by_kind.values():
            self._run_alike(passes)

    def _run_alike(self, passes: list[_Pass]) -> None:
        try:
            for each, flow in zip(passes, self._flows(passes), strict=True):
                each.flow, each.num_rows = flow, len(passes)
        except BaseException as error:
            if len(passes) == 1:
                passes[0].error = error
                return
            # Whoever caused it fails alone; a pass overwrites what it has written before.
            for each in passes:
                self._run_alike([each])

    @torch.inference_mode()
    def _flows(self, passes: list[_Pass]) -> tuple[Tensor, ...]:
        first = passes[0]
        if len(passes) == 1:
            return (
                self.dit(
                    first.latents,
                    first.timesteps,
                    first.rotary,
                    first.kv_cache,
                    first.prompt,
                    first.control,
                    first.num_clean,
                ),
            )
        order = RowOrder(len(passes), len(first.latents), first.num_clean)
        controls = [each.control for each in passes if each.control is not None]
        flow: Tensor = self.dit(
            order.join([each.latents for each in passes]),
            _join_timesteps(passes, order),
            join_rotary([each.rotary for each in passes], order),
            JoinedCaches([each.kv_cache for each in passes], order),
            join_keys([each.prompt for each in passes], order),
            JoinedControls(controls) if controls else None,
            sum(each.num_clean for each in passes),
        )
        return flow.chunk(len(passes)) if len(flow) else (flow,) * len(passes)


def _choose(waiting: list[_Pass]) -> list[_Pass]:
    """Return the passes that keep rows in step: those of earlier chunks come first."""
    clean = [each for each in waiting if each.num_clean == len(each.latents)]
    return clean or [each for each in waiting if not each.begins_chunk] or waiting


def _join_timesteps(passes: list[_Pass], order: RowOrder) -> Tensor | StepModulation:
    made = [each.timesteps for each in passes if isinstance(each.timesteps, StepModulation)]
    if made:
        return join_modulation(made, order)
    return order.join([each.timesteps for each in passes if isinstance(each.timesteps, Tensor)])


def keeps_bits(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether rows of one batch have the bits that each has alone."""
    return device.type == "cpu" and dtype is torch.float32


def _weighs_exactly(dit: CausalDit) -> bool:
    weight = next(iter(dit.parameters()), None) if isinstance(dit, CausalDit) else None
    return weight is not None and keeps_bits(weight.device, weight.dtype)


class RowNetwork:
    """Stands in for the network of one stream; all but the passes is the network's own.

    ``most_rows`` is how many streams at most shared a pass of it.
    """

    def __init__(self, batch: RowBatch) -> None:
        self._batch = batch
        self._is_in = False
        self._begins_chunk = True
        self.most_rows = 1

    @property
    def pairs_rows(self) -> bool:
        """Whether passes over two chunks at once can be joined."""
        return self._batch.keeps_bits

    @property
    def modulation(self) -> Any:
        """What makes modulations that rows share; nothing where timesteps are joined."""
        return self._batch.steps.of if self._batch.keeps_bits else None

    def join(self) -> None:
        """Take part from now on."""
        self._batch.enter()
        self._is_in = True

    def leave(self) -> None:
        """Take part no more, until the next pass."""
        if self._is_in:
            self._is_in = False
            self._batch.leave()

    def begin_chunk(self) -> None:
        """Say that the next pass is the first one of a chunk."""
        self._begins_chunk = True

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
        parts = (latents, timesteps, rotary, kv_cache, prompt, control, num_clean)
        wanted = _Pass(*parts, begins_chunk=self._begins_chunk)
        # A pass over clean frames alone is of the chunk before.
        self._begins_chunk = self._begins_chunk and num_clean == len(latents)
        is_new, self._is_in = not self._is_in, True
        flow = self._batch.run(wanted, is_new=is_new)
        self.most_rows = max(self.most_rows, wanted.num_rows)
        return flow

    def embed_prompt(self, prompt_embedding: Tensor) -> Tensor:
        """Bring a prompt embedding to the width of the network, as ``CausalDit.embed_prompt``."""
        return self._batch.prompts.context_of(prompt_embedding)

    def prompt_keys(self, prompt_context: Tensor) -> PromptKeys:
        """Fill a cross-attention cache, as ``CausalDit.prompt_keys``."""
        return self._batch.prompts.keys_of(prompt_context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch.dit, name)
