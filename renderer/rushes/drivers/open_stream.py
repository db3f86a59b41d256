"""The one assembly of a stream: networks, what a preset remembers, the choices of a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from rushes.drivers.variants import DriverOptions
from rushes.lanes import lanes_on
from rushes.models.adapters.adapted_layers import AdaptedLayers
from rushes.models.dit import CausalDit
from rushes.presets.preset import ChunkSpec, ClipSpec, Preset
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import (
    FixedNoiseScale,
    NoiseController,
    ScopeNoiseController,
    SmoothedNoiseController,
)
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ClipSpan, Models, Stream
from rushes.timeline.plan.render_plan import Chunk, RenderPlan


def open_stream(
    models: Models,
    preset: Preset,
    plan: RenderPlan,
    embed: Callable[[str], Tensor],
    *,
    clock: StageClock | None = None,
    adapted_layers: AdaptedLayers | None = None,
    pairs_chunks: bool = True,
    graphs: bool = False,
    overlaps: bool = False,
) -> Stream:
    """Open a stream that renders the chunks of a plan.

    ``models`` are of this preset, ``embed`` returns the embedding of each of the plan's prompts.
    ``clock`` adds up how long each stage takes; ``adapted_layers`` hold the LoRAs of the plan.
    Without ``pairs_chunks`` each clean pass is a pass of its own, which takes less memory.
    With ``graphs`` steps that are alike for chunk after chunk are replayed, on CUDA as graphs.
    With ``overlaps`` a GPU encodes the next chunk and decodes the last one beside the passes.

    Shapes:
        embed returns: [1, P, E_text]
    """
    chunk, memory = preset.chunk, preset.memory
    return Stream(
        models,
        height=plan.height,
        width=plan.width,
        driver=DriverOptions(
            window=chunk.window,
            sinks=chunk.sinks,
            variant=plan.variant,
            stream_batch=plan.stream_batch,
            sink_refresh=chunk.sink_refresh,
            chunk_frames=chunk.latent_frames,
            rows=plan.num_rows,
            pairs_chunks=pairs_chunks,
            keeps_sinks=memory.keeps_sinks,
            bank_frames=memory.bank_frames,
            record_every=memory.record_every,
            sink_kept=memory.sink_kept,
            context_frames=preset.clip.overlap if preset.clip else memory.context_frames,
            context_bias=plan.context_bias or memory.context_bias or 1.0,
            attended=memory.attended,
        ),
        prompts=plan.prompts,
        conditioning=Conditioning(embed, plan.spatial_method, models.device),
        noise_controller=_choose_controller(plan, chunk),
        clock=clock or StageClock(models.device),
        adapted_layers=adapted_layers,
        noise_device=plan.noise_device,
        normalise_input=plan.normalise_latents,
        graphs=graphs,
        lanes=lanes_on(models.device) if overlaps and can_overlap(models, plan) else None,
        clips=clip_spans(plan.chunks, preset.clip) if preset.draws_whole_clips else None,
    )


def can_overlap(models: Models, plan: RenderPlan) -> bool:
    """Say whether chunks can be encoded and decoded beside the passes.

    Not where a chunk goes on from the decoded frames of the one before, nor where several streams
    or processes share the network.
    """
    return plan.variant not in ("rebuilt", "clip") and isinstance(models.dit, CausalDit)


def clip_spans(chunks: Sequence[Chunk], clip: ClipSpec | None) -> dict[int, ClipSpan]:
    """Return whose noise is drawn at once, by the first chunk of each clip.

    A clip of a fixed length gets noise for all of it, however much is shown; without ``clip`` it is
    as long as its chunks are.
    """
    starts = [place for place, chunk in enumerate(chunks) if chunk.reset]
    spans: dict[int, ClipSpan] = {}
    for start, end in pairwise([*starts, len(chunks)]):
        first = chunks[start]
        is_given = first.is_carried_over or first.given_file is not None
        given = first.num_latent_frames if is_given else 0
        if clip is None:
            num_frames = sum(chunk.num_latent_frames for chunk in chunks[start:end])
            spans[first.index] = ClipSpan(0, num_frames)
        else:
            begin = 0 if clip.draws_given else given
            spans[first.index] = ClipSpan(begin, clip.frames - begin)
    return spans


def _choose_controller(plan: RenderPlan, chunk: ChunkSpec) -> NoiseController:
    if not plan.noise_controller:
        return FixedNoiseScale()
    if plan.variant in ("ring", "ring-exact"):
        return SmoothedNoiseController()
    return ScopeNoiseController(chunk.latent_frames)
