"""The memories of all models once more, as their rules read: lists of frames, built anew each pass.

Nothing of the product's caches, drivers and noise is used: only the network with its tables, the
schedule, and the autoencoder. A rule is a generator: chunks in, clean latents out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rushes.drivers.variants import DriverOptions
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.layers.patches import PATCH
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding, rotate
from rushes.stream.schedule import add_noise, flow_to_clean
from rushes.stream.stream import ClipSpan, Models
from rushes.timeline.plan.render_plan import Chunk

Frame = tuple[Tensor, Tensor]  # keys and values of one latent frame, [1, tokens, N, D] each
See = Callable[[int, list[Frame]], Any]  # block and the frames of the pass -> all that is attended

PAD_MULTIPLE = 128  # Krea's reference fills keys up to so many, and sees the filling


@dataclass
class Pass:
    """Stands for a cache during one pass: shows what ``see`` chooses, and notes what was made."""

    see: See
    tokens: int
    rotates_keys: bool
    made: list[list[Frame]] = field(default_factory=list)

    def write(self, block: int, k: Tensor, v: Tensor) -> Any:
        own = list(zip(k.split(self.tokens, dim=1), v.split(self.tokens, dim=1), strict=True))
        self.made.append(own)
        seen = self.see(block, own)
        return joined(seen) if isinstance(seen, list) else seen


def joined(frames: Sequence[Frame]) -> Frame:
    return torch.cat([k for k, _ in frames], dim=1), torch.cat([v for _, v in frames], dim=1)


@dataclass
class Scene:
    """The parts that every rule works with, and the frames that come out."""

    models: Models
    height: int
    width: int
    embedding_of: Callable[[int], Tensor]  # by prompt block
    clips: dict[int, ClipSpan] | None = None
    shown: list[Tensor] = field(default_factory=list)  # [1, T, 3, H, W] each
    noise: dict[int, Iterator[Tensor]] = field(default_factory=dict)  # of the chunks under way

    def __post_init__(self) -> None:
        self.config = self.models.dit.config
        self.grid = (self.height // 8 // PATCH, self.width // 8 // PATCH)
        self.rotary = RotaryEmbedding(self.config.head_dim)
        self.decoded = FeatureCache()
        self.clip_generator = torch.Generator()
        self.clip_seed: int | None = None

    @property
    def blocks(self) -> range:
        return range(self.config.num_layers)

    def empty(self) -> list[list[Frame]]:
        return [[] for _ in self.blocks]

    def turned(self, frame: Frame, position: int) -> Frame:
        keys, values = frame
        return rotate(keys, self.rotary.factors([position], 1, *self.grid)), values

    def prompt(self, chunk: Chunk) -> PromptKeys:
        embedding = self.embedding_of(chunk.prompt_block)
        return self.models.dit.prompt_keys(self.models.dit.embed_prompt(embedding))

    def draw(self, frames: int, generator: torch.Generator) -> Tensor:
        shape = (1, frames, self.config.in_dim, self.height // 8, self.width // 8)
        return torch.randn(shape, generator=generator)

    def noise_of(self, chunk: Chunk) -> Iterator[Tensor]:
        """The start of a chunk, then the noise of its steps."""
        if self.clips is None:
            generator = torch.Generator().manual_seed(chunk.seed)
            while True:
                yield self.draw(chunk.num_latent_frames, generator)
        begin = chunk.position - self.clip_first
        yield self.clip_noise[:, begin : begin + chunk.num_latent_frames]
        while True:
            yield self.draw(chunk.num_latent_frames, self.clip_generator)

    def begin(self, chunk: Chunk) -> None:
        """A new stream, or a new clip: all noise of a clip is drawn before anything else."""
        self.decoded = FeatureCache()
        if self.clips is not None:
            if chunk.seed != self.clip_seed:
                self.clip_generator.manual_seed(chunk.seed)
                self.clip_seed = chunk.seed
            span = self.clips[chunk.index]
            self.clip_first = span.first
            self.clip_noise = self.draw(span.num_frames, self.clip_generator)

    def network(
        self,
        latents: Tensor,
        timesteps: Sequence[float],
        place: int,
        prompt: PromptKeys,
        see: See,
        rotates_keys: bool = False,
    ) -> tuple[Tensor, list[list[Frame]]]:
        """One pass; ``timesteps`` by frame. Returns clean latents, and what each block made."""
        noted = Pass(see, self.grid[0] * self.grid[1], rotates_keys)
        by_frame = torch.tensor([list(timesteps)], dtype=torch.float32)
        factors = self.rotary.factors([place], latents.shape[1], *self.grid)
        flow = self.models.dit(latents, by_frame, factors, noted, prompt)
        clean = flow_to_clean(latents, flow, self.models.schedule.sigma(by_frame))
        return clean, noted.made

    def renoised(self, clean: Tensor, timestep: float, noise: Tensor) -> Tensor:
        sigma = self.models.schedule.sigma(torch.full(clean.shape[:2], float(timestep)))
        return add_noise(clean, noise, sigma)

    def denoised(
        self, chunk: Chunk, place: int, see: See, rotates_keys: bool = False
    ) -> tuple[Tensor, list[list[Frame]]]:
        """All steps of a chunk; returns what the last one made."""
        noise, prompt = self.noise_of(chunk), self.prompt(chunk)
        latents, made = next(noise), self.empty()
        for number, step in enumerate(chunk.denoising_steps):
            if number:
                latents = self.renoised(latents, step, next(noise))
            steps = [step] * latents.shape[1]
            latents, made = self.network(latents, steps, place, prompt, see, rotates_keys)
        return latents, made

    def clean(
        self, latents: Tensor, place: int, chunk: Chunk, see: See, rotates_keys: bool = False
    ) -> list[list[Frame]]:
        """The pass over clean latents; returns what it made."""
        steps = [0.0] * latents.shape[1]
        return self.network(latents, steps, place, self.prompt(chunk), see, rotates_keys)[1]

    def show(self, latents: Tensor) -> Tensor:
        self.shown.append(self.models.vae.decode(latents, self.decoded).clamp(-1, 1))
        return latents

    def encoded_alone(self, frames_from_end: int) -> Tensor:
        """Encode one of the last frames alone."""
        pixels = torch.cat(self.shown, dim=1)
        first = pixels.shape[1] - frames_from_end
        return self.models.vae.encode(
            pixels[:, first : first + 1], FeatureCache(), self.models.normalise_encoded
        )


def pushed_out(memory: list[Frame], new: int, window: int, sinks: int) -> list[Frame]:
    """The oldest frames behind the sinks that must go for new ones."""
    return memory[sinks : sinks + max(0, len(memory) + new - window)]


def rolling(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """StreamDiffusionV2 in scope: the oldest frames go, but for the sinks; a clean pass stays."""
    memory = scene.empty()
    for chunk in chunks:
        if chunk.reset:
            scene.begin(chunk)
            memory = scene.empty()
        memory = rolled(memory, chunk.num_latent_frames, options)
        latents, _ = scene.denoised(chunk, chunk.position, behind(memory))
        made = scene.clean(latents, chunk.position, chunk, behind(memory))
        memory = [old + new for old, new in zip(memory, made, strict=True)]
        yield scene.show(latents)


def behind(memory: list[list[Frame]]) -> See:
    """All that is remembered, and the frames of the pass."""
    return lambda block, own: memory[block] + own


def rolled(memory: list[list[Frame]], new: int, options: DriverOptions) -> list[list[Frame]]:
    """The memory with room for new frames."""
    gone = [len(pushed_out(frames, new, options.window, options.sinks)) for frames in memory]
    sinks = options.sinks
    return [
        frames[:sinks] + frames[sinks + over :] for frames, over in zip(memory, gone, strict=True)
    ]


def ring(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """The research system: no clean pass; each step of a batch remembers its own past.

    A sink may give way to a new frame that is unlike it, decided at a chunk's first pass.
    """
    num_steps = len(chunks[0].denoising_steps)
    memories = [scene.empty() for _ in range(num_steps)]
    for chunk in chunks:
        if chunk.reset:
            scene.begin(chunk)
            memories = [scene.empty() for _ in range(num_steps)]
        noise, prompt = scene.noise_of(chunk), scene.prompt(chunk)
        latents = next(noise)
        is_shared = chunk.reset or not options.stream_batch
        slots = [Slots(memory, chunk.num_latent_frames, options) for memory in memories]
        for number, step in enumerate(chunk.denoising_steps):
            if number:
                latents = scene.renoised(latents, step, next(noise))
            used = slots[0 if is_shared else number]
            steps = [step] * latents.shape[1]
            latents, _ = scene.network(latents, steps, chunk.position, prompt, used.see)
        memories = [(slots[0] if is_shared else each).after() for each in slots]
        yield scene.show(latents)


class Slots:
    """What the passes over one chunk see and leave where a sink may be renewed."""

    def __init__(self, memory: list[list[Frame]], new: int, options: DriverOptions) -> None:
        self.memory, self.new, self.options = memory, new, options
        self.renewed: dict[int, int | None] = {}  # by block: which sink
        self.latest: dict[int, list[Frame]] = {}

    def see(self, block: int, own: list[Frame]) -> list[Frame]:
        frames = list(self.memory[block])
        if block not in self.renewed:
            self.renewed[block] = self.least_like(frames, own)
        sink = self.renewed[block]
        if sink is None:
            out = pushed_out(frames, self.new, self.options.window, self.options.sinks)
            sinks = self.options.sinks
            frames = frames[:sinks] + frames[sinks + len(out) :] + own
        else:
            frames[sink] = own[0]
        self.latest[block] = frames
        return frames

    def least_like(self, frames: list[Frame], own: list[Frame]) -> int | None:
        limit, sinks = self.options.sink_refresh, self.options.sinks
        if limit is None or not sinks or len(own) > 1 or len(frames) < self.options.window:
            return None
        likeness = [
            sum(
                torch.cosine_similarity(a.mean(1).flatten(), b.mean(1).flatten(), dim=0).item()
                for a, b in zip(frame, own[0], strict=True)
            )
            / 2
            for frame in frames[:sinks]
        ]
        least = min(range(sinks), key=lambda place: likeness[place])
        return least if likeness[least] < limit else None

    def after(self) -> list[list[Frame]]:
        return [self.latest[block] for block in range(len(self.memory))]


def recache(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """LongLive, and with a bank MemFlow: a new prompt fills the window again, sinks spared."""
    memory, bank, before = scene.empty(), Bank(scene, options), chunks[0]
    recent: list[Tensor] = []
    for chunk in chunks:
        if chunk.reset:
            scene.begin(chunk)
            memory, bank, recent = scene.empty(), Bank(scene, options), []
        elif chunk.prompt_block != before.prompt_block:
            bank.choose(chunk)
            memory = filled_again(scene, options, memory, bank, recent, chunk)
        bank.choose(chunk)
        memory = rolled(memory, chunk.num_latent_frames, options)
        see = bank.between(behind(memory))
        latents, _ = scene.denoised(chunk, chunk.position, see)
        made = scene.clean(latents, chunk.position, chunk, see)
        bank.record(made)
        memory = [old + new for old, new in zip(memory, made, strict=True)]
        recent += latents.split(1, dim=1)
        before = chunk
        yield scene.show(latents)


def filled_again(
    scene: Scene,
    options: DriverOptions,
    memory: list[list[Frame]],
    bank: Bank,
    recent: list[Tensor],
    chunk: Chunk,
) -> list[list[Frame]]:
    """The memory after a pass over the last clean latents under the prompt of a chunk."""
    count = min(chunk.position, options.window)
    first = chunk.position - count
    spared = options.sinks if first > 0 and options.keeps_sinks else 0

    def see(block: int, own: list[Frame]) -> list[Frame]:
        return memory[block][:spared] + own[spared:]

    latents = torch.cat(recent[-count:], dim=1)
    made = scene.clean(latents, first, chunk, bank.between(see))
    return [old[:spared] + new[spared:] for old, new in zip(memory, made, strict=True)]


class Bank:
    """MemFlow's bank of every block; empty where the model has none."""

    def __init__(self, scene: Scene, options: DriverOptions) -> None:
        self.scene, self.options = scene, options
        self.held, self.staged = scene.empty(), scene.empty()
        self.chunks = self.recorded = 0

    def choose(self, chunk: Chunk) -> None:
        room = self.options.bank_frames
        for block, held in enumerate(self.held):
            if not self.recorded:
                continue
            if self.recorded <= room:
                held[self.recorded - 1 :] = self.staged[block]
                continue
            text = self.scene.prompt(chunk).blocks[block][0]
            scores = [torch.einsum("bpnd,bsnd->bnps", text, k).mean().item() for k, _ in held]
            best = sorted(range(len(held)), key=lambda place: -scores[place])[: room - 1]
            held[:] = [*(held[place] for place in best), *self.staged[block]]

    def between(self, see: See) -> See:
        """The frames of the bank behind the sinks of all else that is seen."""
        sinks, held = self.options.sinks, [list(frames) for frames in self.held]

        def with_bank(block: int, own: list[Frame]) -> list[Frame]:
            frames = see(block, own)
            return frames[:sinks] + held[block] + frames[sinks:]

        return with_bank

    def record(self, made: list[list[Frame]]) -> None:
        every = self.options.record_every if self.options.variant == "bank" else None
        if every is not None and self.chunks % every == 0:
            self.staged = [frames[:1] for frames in made]
            self.recorded += 1
        self.chunks += 1


def ema_sink(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """RewardForcing: sinks drift towards what leaves; keys are turned by their place."""
    memory = scene.empty()
    for chunk in chunks:
        if chunk.reset:
            scene.begin(chunk)
            memory = scene.empty()
        new, sinks = chunk.num_latent_frames, options.sinks
        before = []
        for frames in memory:
            out = pushed_out(frames, new, options.window, sinks)
            left = frames[:sinks] + frames[sinks + len(out) :]
            share = 1 - options.sink_kept if len(out) == sinks else 1.0
            for place, (k, v) in enumerate(out[:sinks]):
                old_k, old_v = left[place]
                kept = options.sink_kept if len(out) == sinks else 0.0
                left[place] = (kept * old_k + share * k, kept * old_v + share * v)
            before.append(left)

        def see(block: int, own: list[Frame], before: list[list[Frame]] = before) -> list[Frame]:
            frames = before[block] + own
            return [scene.turned(frame, place) for place, frame in enumerate(frames)]

        place = len(before[0])
        latents, _ = scene.denoised(chunk, place, see, rotates_keys=True)
        made = scene.clean(latents, place, chunk, see, rotates_keys=True)
        memory = [old + new_frames for old, new_frames in zip(before, made, strict=True)]
        yield scene.show(latents)


def rebuilt(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """Krea: before each chunk a pass over a few clean frames, of which the first is an anchor."""
    recent: list[Tensor] = []
    size, count = options.chunk_frames, options.context_frames
    for chunk in chunks:
        if chunk.reset:
            scene.begin(chunk)
            recent = []
        context = scene.empty()
        if recent:
            is_near = chunk.position - size < count
            anchor = recent[0] if is_near else scene.encoded_alone(4 * (count - 1) + 1)
            last = recent[len(recent) - (count - 1) :]
            latents = torch.cat([anchor, *last], dim=1)
            context = scene.clean(latents, 0, chunk, lambda block, own: own)

        def see(block: int, own: list[Frame], context: list[list[Frame]] = context) -> Any:
            return weighed(context[block] + own, len(own), options.context_bias)

        latents, _ = scene.denoised(chunk, len(context[0]), see)
        recent += latents.split(1, dim=1)
        yield scene.show(latents)


def weighed(frames: list[Frame], own: int, weight: float) -> Any:
    """Cached frames but the first weigh less; zeros fill the last tile and are seen."""
    if weight == 1:
        return frames
    keys, values = joined(frames)
    tokens = frames[0][0].shape[1]
    weights = [1.0] * tokens + [weight] * (tokens * (len(frames) - own - 1)) + [1.0] * tokens * own
    bias = [math.log(each) for each in weights[-keys.shape[1] :]]
    if len(frames) == own:
        bias = [0.0] * keys.shape[1]
    while len(bias) % PAD_MULTIPLE:
        bias.append(0.0)
    filling = torch.zeros(1, len(bias) - keys.shape[1], *keys.shape[2:])
    padded = (torch.cat((part, filling), dim=1) for part in (keys, values))
    return (*padded, None, torch.tensor(bias))


def clip(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """Self-Forcing, CausVid: nothing is forgotten in a clip; the next one begins with its end."""
    memory = scene.empty()
    recent: list[Tensor] = []
    size, overlap = options.chunk_frames, options.context_frames
    for chunk in chunks:
        given: Tensor | None = None
        if chunk.is_carried_over:
            last = recent[len(recent) - (overlap - 1) :]
            given = torch.cat([scene.encoded_alone(4 * (overlap - 1) + 1), *last], dim=1)
        if chunk.reset:
            scene.begin(chunk)
            memory, recent = scene.empty(), []

        if given is None:
            latents, _ = scene.denoised(chunk, chunk.position, behind(memory))
        else:
            latents = given
        for number, piece in enumerate(latents.split(size, dim=1)):
            made = scene.clean(piece, chunk.position + number * size, chunk, behind(memory))
            memory = [old + new for old, new in zip(memory, made, strict=True)]
        recent += latents.split(1, dim=1)
        yield scene.show(latents)


def step_window(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """Causal-Forcing's long member: several chunks a pass, each one step cleaner than the next."""
    starts = [index for index, chunk in enumerate(chunks) if chunk.reset]
    for start, end in zip(starts, [*starts[1:], len(chunks)], strict=True):
        scene.begin(chunks[start])
        yield from _windows(scene, options, chunks[start:end])


def _windows(scene: Scene, options: DriverOptions, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    size, steps = options.chunk_frames, list(chunks[0].denoising_steps)
    noisy = [next(scene.noise_of(chunk)) for chunk in chunks]
    kept = scene.empty()  # sinks as they were made, then turned frames
    before = 0  # of them, how many lie before the oldest chunk of the window
    for window in range(len(chunks) + len(steps) - 1):
        oldest = max(0, window - len(steps) + 1)
        newest = min(len(chunks) - 1, window)
        inside = range(oldest, newest + 1)
        start = size * oldest
        if oldest and window >= len(steps):
            if len(kept[0]) == options.window:
                kept = [frames[: options.sinks] + frames[options.sinks + size :] for frames in kept]
            before = len(kept[0])
        latents = torch.cat([noisy[index] for index in inside], dim=1)
        by_frame = [steps[window - index] for index in inside for _ in range(size)]
        see = _Near(scene, options, kept, before, start)
        prompt = scene.prompt(chunks[newest])
        clean, made = scene.network(latents, by_frame, start, prompt, see.window, True)
        by_chunk = dict(zip(inside, clean.split(size, dim=1), strict=True))
        for place, index in enumerate(inside):
            done = window - index
            if done + 1 < len(steps):
                drawn = scene.draw(clean.shape[1], scene.clip_generator)
                part = drawn[:, size * place : size * (place + 1)]
                noisy[index] = scene.renoised(by_chunk[index], steps[done + 1], part)
        first = by_chunk[oldest]
        zero = [0.0] * size
        _, made = scene.network(first, zero, start, prompt, see.clean, True)
        stored = [see.stored(own) for own in made]
        kept = [frames[:before] + own for frames, own in zip(kept, stored, strict=True)]
        if window - oldest == len(steps) - 1:
            yield scene.show(first)


@dataclass
class _Near:
    """What the passes of one window of steps attend to."""

    scene: Scene
    options: DriverOptions
    kept: list[list[Frame]]
    before: int
    start: int

    def own(self, frames: list[Frame]) -> list[Frame]:
        return [self.scene.turned(frame, self.start + n) for n, frame in enumerate(frames)]

    def stored(self, frames: list[Frame]) -> list[Frame]:
        return frames if self.start == 0 else self.own(frames)

    def window(self, block: int, frames: list[Frame]) -> list[Frame]:
        if self.start == 0:
            return self.own(frames)
        kept, sinks = self.kept[block], self.options.sinks
        room = self.options.attended - sinks - len(frames)
        near = kept[sinks : self.before][-max(0, room) :] if room > 0 else []
        first = self.start - len(near) - sinks
        ahead = [self.scene.turned(frame, first + n) for n, frame in enumerate(kept[:sinks])]
        return ahead + near + self.own(frames)

    def clean(self, block: int, frames: list[Frame]) -> list[Frame]:
        if self.start == 0:
            return self.own(frames)
        all_kept, sinks = self.kept[block][: self.before] + self.own(frames), self.options.sinks
        first = max(0, len(all_kept) - self.options.attended)
        if first:
            return all_kept[max(first, sinks) :]
        ahead = [self.scene.turned(frame, n) for n, frame in enumerate(all_kept[:sinks])]
        return ahead + all_kept[sinks:]


RULES: dict[str, Callable[[Scene, DriverOptions, Sequence[Chunk]], Iterator[Tensor]]] = {
    "rolling": rolling,
    "ring": ring,
    "recache": recache,
    "bank": recache,
    "ema-sink": ema_sink,
    "rebuilt": rebuilt,
    "clip": clip,
    "step-window": step_window,
}
