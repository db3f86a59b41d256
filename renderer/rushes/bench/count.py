"""What one chunk of a stream costs a GPU, counted without one.

The whole stream of a preset runs on the meta device in bfloat16, from the bytes of the input to
those of the result, through the same code as a render. Nothing is computed, so it takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from rushes.bench.counter import Counts, OpCounter
from rushes.drivers.open_stream import open_stream
from rushes.errors import ConfigError
from rushes.models.dit import CausalDit
from rushes.presets.kinds import Mode, VaeType
from rushes.presets.preset import Preset
from rushes.rendering.frames import wanted_frames
from rushes.stream.ahead import ChunkInputs
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.profiles import ProfileName
from rushes.timeline.plan.render_plan import Chunk, RenderPlan
from rushes.timeline.read.load import parse_timeline
from rushes.transfer import fetch
from rushes.weights.autoencoders import empty_autoencoder
from rushes.weights.networks import dit_config

P = ParamSpec("P")
R = TypeVar("R")

META, DTYPE = torch.device("meta"), torch.bfloat16
FPS = 16
_FEW = 2  # blocks
_PROMPT_TOKENS = 20  # of the prompts here; the rest of an embedding is padding


@dataclass(frozen=True)
class ChunkCount:
    """The cost of a chunk of a stream whose window is full.

    ``passes`` has the launches of each pass of the DiT in order, ``block`` those of one of its
    blocks, the largest there is; ``ops`` the launches by operation.
    """

    stages: dict[str, Counts]
    passes: tuple[int, ...]
    block: int
    ops: dict[str, int]

    @property
    def total(self) -> Counts:
        return sum(self.stages.values(), Counts())

    def extrapolated(self, more: ChunkCount, times: int) -> ChunkCount:
        """Add the difference to another count, with one block more, so many times."""
        stages = {
            name: counts + (more.stages[name] - counts) * times
            for name, counts in self.stages.items()
        }
        passes = (
            few + (many - few) * times for few, many in zip(self.passes, more.passes, strict=True)
        )
        ops = {name: few + (more.ops[name] - few) * times for name, few in self.ops.items()}
        return ChunkCount(stages, tuple(passes), more.block, ops)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-safe data."""
        return {
            "total": asdict(self.total),
            "stages": {name: asdict(counts) for name, counts in self.stages.items()},
            "passes": list(self.passes),
            "block": self.block,
            "ops": dict(sorted(self.ops.items(), key=lambda item: -item[1])),
        }


def count_chunk(
    preset: Preset,
    *,
    size: tuple[int, int] = (832, 480),
    mode: Mode = "video",
    steps: tuple[int, ...] | None = None,
    vae_type: VaeType | None = None,
    profile: ProfileName = "scope",
    in_transition: bool = False,
) -> ChunkCount:
    """Count the last chunk of a stream that is long enough to fill its window.

    ``size`` is width and height in pixels. ``steps`` and ``vae_type`` are the preset's, unless
    given. With ``in_transition`` the prompt is on its way to another one.
    Raises: ConfigError when the preset cannot render that, or cannot be counted: a profile whose
        cache reads numbers from the device has none to read here.
    """
    plan = _plan(preset, size, mode, steps, vae_type, profile, in_transition)
    if plan.variant == "ring-exact":
        raise ConfigError(f"profile {profile} cannot be counted; take another")
    # All blocks are alike, so two networks tell what any number of blocks costs.
    few, more = (_count(preset, plan, num_blocks) for num_blocks in (_FEW, _FEW + 1))
    return few.extrapolated(more, preset.dit.num_layers - _FEW)


def _count(preset: Preset, plan: RenderPlan, num_blocks: int) -> ChunkCount:
    """Count the last chunk of a plan with so many blocks."""
    with torch.device("meta"):
        dit = CausalDit(replace(dit_config(preset), num_layers=num_blocks)).to(DTYPE).eval()
    models = Models(
        dit=dit,
        vae=empty_autoencoder(preset, plan.vae_type).to(META, DTYPE).eval(),
        schedule=FlowSchedule(shift=preset.schedule.shift),
        normalise_encoded=preset.vae.normalise_encoded,
        device=META,
        dtype=DTYPE,
        warps_steps=preset.schedule.warps,
    )
    counter = OpCounter()
    passes = _watch(counter, [dit])
    blocks = _watch(counter, list(dit.blocks)[1:])  # the first also prepares the rotation
    chunks = _rendered(models, preset, plan, _CountingClock(counter))
    for _ in plan.chunks[:-1]:
        next(chunks)
    with counter:
        wanted_frames(plan, plan.chunks[-1], fetch(next(chunks)).wait())
    return ChunkCount(dict(counter.by_stage), tuple(passes), max(blocks), dict(counter.ops))


def _rendered(
    models: Models, preset: Preset, plan: RenderPlan, clock: StageClock
) -> Iterator[Tensor]:
    embedding = torch.zeros(1, preset.dit.text_len, preset.dit.text_dim)
    embedding[:, :_PROMPT_TOKENS] = 1

    def embed(text: str) -> Tensor:
        return embedding.clone()

    stream = open_stream(models, preset, plan, embed, clock=clock)

    def inputs() -> Iterator[tuple[Chunk, ChunkInputs]]:
        for chunk in plan.chunks:
            made_of = _inputs(chunk, plan)
            stream.prepare(chunk, made_of)  # in a render another thread does that
            yield chunk, made_of

    return stream.render(inputs())


def _inputs(chunk: Chunk, plan: RenderPlan) -> ChunkInputs:
    if plan.mode == "text":
        return ChunkInputs()
    shape = (chunk.num_frames, plan.height, plan.width, 3)
    return ChunkInputs(video=torch.zeros(shape, dtype=torch.uint8))


def _watch(counter: OpCounter, modules: list[nn.Module]) -> list[int]:
    """Return a list to which every call of a module adds how many launches it was."""
    calls: list[int] = []
    begins: list[int] = []

    def before(module: nn.Module, args: Any) -> None:
        begins.append(counter.total.launches)

    def after(module: nn.Module, args: Any, result: Any) -> None:
        launches = counter.total.launches - begins.pop()
        if launches:
            calls.append(launches)

    for module in modules:
        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)
    return calls


class _CountingClock(StageClock):
    """Tells the counter which stage of the loop it is."""

    def __init__(self, counter: OpCounter) -> None:
        super().__init__()
        self._counter = counter

    def timed(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._counter.stage(stage):
                return function(*args, **kwargs)

        return counted


def _plan(
    preset: Preset,
    size: tuple[int, int],
    mode: Mode,
    steps: tuple[int, ...] | None,
    vae_type: VaeType | None,
    profile: ProfileName,
    in_transition: bool,
) -> RenderPlan:
    chunk = preset.chunk
    count = 1 + -(-chunk.window // chunk.latent_frames)  # the first one may be longer
    lengths = [chunk.num_frames(mode, is_first=index == 0) for index in range(count)]
    last = lengths[-1]
    ends = [sum(lengths) - 2 * last, sum(lengths)] if in_transition else [sum(lengths)]
    blocks = [
        {
            "startTime": start / FPS,
            "endTime": end / FPS,
            "prompts": [{"text": f"prompt {start}", "weight": 100}],
            **({"transitionSteps": 4} if start else {}),
        }
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    document = {"prompts": blocks, "settings": {"pipelineId": preset.pipeline_id}}
    options = PlanOptions(
        profile=profile,
        mode=mode,
        fps=Fraction(FPS),
        duration=Fraction(sum(lengths), FPS),
        width=size[0],
        height=size[1],
        denoising_steps=steps,
        vae_type=vae_type,
        noise="torch-cpu",
    )
    return plan_render(parse_timeline(json.dumps(document)).require(), options, preset)
