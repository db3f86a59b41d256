"""A process that is one of the ranks of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing.queues import Queue
from typing import Any, cast

import torch
from torch import distributed

from rushes.models.dit import CausalDit
from rushes.rendering.chunk_reader import ChunkReader
from rushes.rendering.machine_kind import computing_threads
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes.rendering.processes.ranks import RankAutoencoder, RankNetwork, Ranks, blocks_of
from rushes.rendering.processes.words import ProcessJob, hand_over, telling_the_end
from rushes.stream.stage_clock import StageClock
from rushes.weights.device import choose_dtype

_SILENCE = timedelta(minutes=5)  # that a rank waits for another; the parent sees deaths sooner


def render_as_rank(job: ProcessJob, said: Queue[Any]) -> None:
    """Render a plan together with the other ranks; the body of a process."""
    with telling_the_end(said) as told:
        device = torch.device(job.device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        pipeline = _load(job, device)
        clock = StageClock(device)
        with (
            computing_threads(job.request.threads, device),
            closing(ChunkReader(job.plan, job.request)) as reader,
            _in_group(job, device) as ranks,
        ):
            shared = _shared(pipeline, ranks)
            stream = shared.open_stream(job.plan, clock)
            chunks = job.plan.chunks
            inputs = ((chunk, reader.read(chunk).inputs) for chunk in chunks)
            for chunk, frames in zip(chunks, stream.render(inputs), strict=True):
                if ranks.is_last:
                    hand_over(frames, chunk.index, job.folder, said)
        told.add(clock.seconds())


def _load(job: ProcessJob, device: torch.device) -> Pipeline:
    pipeline = load_pipeline(
        *(job.preset, job.folders, device, choose_dtype(job.request.dtype, device)),
        vae_type=job.plan.vae_type,
        blocks=blocks_of(job.rank, job.count, job.preset.dit.num_layers),
    )
    return pipeline.for_plan(job.plan, job.request.timeline.parent)


def _shared(pipeline: Pipeline, ranks: Ranks) -> Pipeline:
    models = pipeline.models
    network = cast("CausalDit", RankNetwork(models.dit, ranks))
    vae = RankAutoencoder(models.vae, ranks)
    return replace(pipeline, models=replace(models, dit=network, vae=vae))


@contextmanager
def _in_group(job: ProcessJob, device: torch.device) -> Iterator[Ranks]:
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{(job.folder / 'ranks').absolute()}",
        rank=job.rank,
        world_size=job.count,
        timeout=_SILENCE,
    )
    try:
        yield Ranks(job.rank, job.count)
    finally:
        distributed.destroy_process_group()
