"""The one assembly of a stream: networks, what a preset remembers, the choices of a plan."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from rushes.drivers.variants import DriverOptions
from rushes.models.adapters.adapted_layers import AdaptedLayers
from rushes.presets.preset import ChunkSpec
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import (
    FixedNoiseScale,
    NoiseController,
    ScopeNoiseController,
    SmoothedNoiseController,
)
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.plan.render_plan import RenderPlan


def open_stream(
    models: Models,
    chunk: ChunkSpec,
    plan: RenderPlan,
    embed: Callable[[str], Tensor],
    *,
    clock: StageClock | None = None,
    adapted_layers: AdaptedLayers | None = None,
) -> Stream:
    """Open a stream that renders the chunks of a plan.

    ``chunk`` is the preset's, ``embed`` returns the embedding of each of the plan's prompts.
    ``clock`` adds up how long each stage takes; ``adapted_layers`` hold the LoRAs of the plan.

    Shapes:
        embed returns: [1, P, E_text]
    """
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
        ),
        prompts=plan.prompts,
        conditioning=Conditioning(embed, plan.spatial_method),
        noise_controller=_choose_controller(plan, chunk),
        clock=clock or StageClock(models.device),
        adapted_layers=adapted_layers,
        noise_device=plan.noise_device,
        normalise_input=plan.normalise_latents,
    )


def _choose_controller(plan: RenderPlan, chunk: ChunkSpec) -> NoiseController:
    if not plan.noise_controller:
        return FixedNoiseScale()
    if plan.variant in ("ring", "ring-exact"):
        return SmoothedNoiseController()
    return ScopeNoiseController(chunk.latent_frames)
