"""A process that is one of the ranks of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
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
from rushes.rendering.processes.balance import RankTimes, better_shares, even_shares, ranges_of
from rushes.rendering.processes.ranks import RankAutoencoder, RankNetwork, Ranks
from rushes.rendering.processes.warm_up import measure_rank, passes_of
from rushes.rendering.processes.words import ProcessJob, Shared, hand_over, telling_the_end
from rushes.stream.stage_clock import StageClock
from rushes.weights.device import choose_dtype, release_memory

LoadBlocks = Callable[[ProcessJob, range], Pipeline]

_SILENCE = timedelta(minutes=5)  # that a rank waits for another; the parent sees deaths sooner


def render_as_rank(job: ProcessJob, said: Queue[Any], load: LoadBlocks | None = None) -> None:
    """Render a plan together with the other ranks; the body of a process.

    ``load`` is what loads the pipeline of a rank, if it is something else than ``load_blocks``.
    """
    with telling_the_end(said) as told:
        device = torch.device(job.device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        clock = StageClock(device)
        with (
            computing_threads(job.request.threads, device),
            closing(ChunkReader(job.plan, job.request)) as reader,
            _in_group(job, device) as ranks,
        ):
            pipeline, shares = _load_balanced(job, ranks, load or load_blocks)
            if ranks.is_first:
                said.put(Shared(shares))
            shared = _shared(pipeline, ranks)
            stream = shared.open_stream(job.plan, clock)
            chunks = job.plan.chunks
            inputs = ((chunk, reader.read(chunk).inputs) for chunk in chunks)
            for chunk, frames in zip(chunks, stream.render(inputs), strict=True):
                if ranks.is_last:
                    hand_over(frames, chunk.index, job.folder, said)
        told.add(clock.seconds())


def load_blocks(job: ProcessJob, blocks: range) -> Pipeline:
    """Load the pipeline of a rank, with these blocks of the network alone."""
    device = torch.device(job.device)
    pipeline = load_pipeline(
        *(job.preset, job.folders, device, choose_dtype(job.request.dtype, device)),
        vae_type=job.plan.vae_type,
        blocks=blocks,
    )
    return pipeline.for_plan(job.plan, job.request.timeline.parent)


def _load_balanced(
    job: ProcessJob, ranks: Ranks, load: LoadBlocks
) -> tuple[Pipeline, tuple[int, ...]]:
    """Load an equal share, measure it, and load another one if that pays for itself.

    Returns also how many blocks each rank has.
    """
    shares = even_shares(job.count, job.preset.dit.num_layers)
    begin = time.monotonic()
    pipeline = load(job, ranges_of(shares)[job.rank])
    load_seconds = time.monotonic() - begin
    own = measure_rank(pipeline, job.plan, ranks)
    found = _tell_all((own.block, own.more, own.most, load_seconds), pipeline.models.device)
    better = better_shares(
        [RankTimes(block, more, int(most)) for block, more, most, _ in found],
        shares,
        num_passes=passes_of(job.plan),
        num_chunks=len(job.plan.chunks),
        load_seconds=max(seconds for *_, seconds in found),
    )
    if better is None:
        return pipeline, tuple(shares)
    device = pipeline.models.device
    del pipeline
    release_memory(device)
    return load(job, ranges_of(better)[job.rank]), tuple(better)


def _tell_all(values: Sequence[float], device: torch.device) -> list[list[float]]:
    """Return what each rank says, the same in all of them."""
    own = torch.tensor(values, dtype=torch.float64, device=device)
    every = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(every, own)
    return [each.tolist() for each in every]


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
