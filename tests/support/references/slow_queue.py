"""The research system's ring buffer once more, as its rule reads: numbered slots and a queue.

Rows of a batch are taken one after another, each with its own copy of the memory.

Source: sdv2: models/wan/causal_model.py, models/wan/causal_stream_inference.py
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from references.slow_family import Frame, Scene
from rushes.drivers.variants import DriverOptions
from rushes.models.prompt_keys import PromptKeys
from rushes.timeline.plan.render_plan import Chunk


class NothingMayGo(Exception):
    """The window is full and its queue is empty, or a chunk is longer than the slots before it."""


@dataclass
class Memory:
    """What one row of one block keeps: slot number -> frame, and the slots that are next to go."""

    slots: dict[int, Frame] = field(default_factory=dict)
    queue: list[int] = field(default_factory=list)  # slots behind which a chunk ends
    num_valid: int = 0
    end: int = 0  # position behind the last chunk
    same_target: int = 0  # further passes that take the queue's front without removing it


@dataclass
class Row:
    """The memories of all blocks, and how many passes one chunk makes over them."""

    memories: list[Memory]
    options: DriverOptions
    passes: int

    def see(self, start: int, block: int, own: list[Frame]) -> list[Frame]:
        """Write the frames of a pass; return all valid slots."""
        memory = self.memories[block]
        self._condemn_a_sink(memory, own)
        last = self._target(memory, start, len(own))
        first = last - len(own)
        if first < 0 or last > self.options.window:
            raise NothingMayGo
        for place, frame in enumerate(own):
            memory.slots[first + place] = frame
        memory.end = start + len(own)
        blank = (torch.zeros_like(own[0][0]), torch.zeros_like(own[0][1]))
        return [memory.slots.get(slot, blank) for slot in range(memory.num_valid)]

    def _target(self, memory: Memory, start: int, count: int) -> int:
        end, window, queue = start + count, self.options.window, memory.queue
        if end <= window and memory.num_valid < window:
            memory.num_valid += end - memory.end
            following = end + count
            if self.options.sinks < following <= window and following not in queue[-1:]:
                queue.append(following)
            return memory.num_valid
        memory.num_valid = window
        if not queue:
            raise NothingMayGo
        target = queue[0]
        if memory.same_target:
            memory.same_target -= 1
            return target
        memory.same_target = self.passes - 1
        queue.remove(target)  # the first of its kind, which is the front
        if target > self.options.sinks:
            queue.append(target)
        return target

    def _condemn_a_sink(self, memory: Memory, own: list[Frame]) -> None:
        limit, sinks = self.options.sink_refresh, range(self.options.sinks)
        if limit is None or not sinks or len(own) > 1:
            return
        likeness = [likeness_of(memory.slots.get(slot), own[0]) for slot in sinks]
        least = min(sinks, key=lambda slot: likeness[slot])
        if likeness[least] < limit:
            memory.queue.insert(0, least + 1)


def likeness_of(kept: Frame | None, new: Frame) -> float:
    """The cosine of the mean keys and that of the mean values, averaged; 0 for an empty slot."""
    if kept is None:
        return 0.0
    cosines = [
        torch.cosine_similarity(a.mean(1).flatten(), b.mean(1).flatten(), dim=0)
        for a, b in zip(kept, new, strict=True)
    ]
    return float(sum(cosines)) / 2


@dataclass
class Work:
    """A chunk between two steps, or a placeholder without noise."""

    latents: Tensor
    position: int
    prompt: PromptKeys
    noise: Iterator[Tensor] | None

    def next_noise(self) -> Tensor:
        return torch.zeros_like(self.latents) if self.noise is None else next(self.noise)


def ring_exact(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """The research system; a reset begins with empty memories."""
    starts = [index for index, chunk in enumerate(chunks) if chunk.reset]
    for start, end in zip(starts, [*starts[1:], len(chunks)], strict=True):
        section = Section(scene, options, chunks[start].denoising_steps)
        scene.begin(chunks[start])
        for latents in section.render(chunks[start:end]):
            yield scene.show(latents)


class Section:
    """The chunks from a reset to the next."""

    def __init__(self, scene: Scene, options: DriverOptions, steps: tuple[float, ...]) -> None:
        self.scene, self.options, self.steps = scene, options, steps
        memories = [Memory(same_target=len(steps) - 1) for _ in scene.blocks]
        self.row = Row(memories, options, passes=len(steps))

    def render(self, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
        if not self.options.stream_batch:
            for chunk in chunks:
                yield self._alone(self._work(chunk))
            return
        first = self._work(chunks[0])
        yield self._alone(first)
        yield from self._batch(first, chunks[1:])

    def _work(self, chunk: Chunk) -> Work:
        noise = self.scene.noise_of(chunk)
        return Work(next(noise), chunk.position, self.scene.prompt(chunk), noise)

    def _alone(self, work: Work) -> Tensor:
        """All steps of one chunk on the only row."""
        for number in range(len(self.steps)):
            clean, work = self._step(self.row, work, number)
        return clean

    def _batch(self, first: Work, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
        """Each call takes a chunk in, and every row does its own step of the one it has."""
        count = len(self.steps)
        rows = [copy.deepcopy(self.row) for _ in range(count)]
        for row in rows:
            row.passes = 1
            for memory in row.memories:
                memory.same_target = 0
        end = first.position + first.latents.shape[1]
        zeros = torch.zeros_like(first.latents[:, : self.options.chunk_frames])
        blank = Work(zeros, end, first.prompt, None)
        under_way: list[Work | None] = [blank] * count
        flush = [None] * (count - 1)
        for entering in [*(self._work(chunk) for chunk in chunks), *flush]:
            under_way = [entering, *under_way[:-1]]
            is_real = under_way[-1] is not None and under_way[-1].noise is not None
            for number, work in enumerate(under_way):
                if work is not None:
                    clean, under_way[number] = self._step(rows[number], work, number)
            if is_real:
                yield clean

    def _step(self, row: Row, work: Work, number: int) -> tuple[Tensor, Work]:
        """One pass; the clean latents, and the chunk ready for its next step."""
        timesteps = [self.steps[number]] * work.latents.shape[1]
        clean, _ = self.scene.network(
            work.latents,
            timesteps,
            work.position,
            work.prompt,
            lambda block, own: row.see(work.position, block, own),
        )
        if number + 1 == len(self.steps):
            return clean, replace(work, latents=clean)
        noisy = self.scene.renoised(clean, self.steps[number + 1], work.next_noise())
        return clean, replace(work, latents=noisy)
