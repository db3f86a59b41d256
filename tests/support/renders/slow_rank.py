"""A rank that is slow while it is measured; the body of a process."""

from __future__ import annotations

import time
from multiprocessing.queues import Queue
from typing import Any

from rushes.rendering.pipeline import Pipeline
from rushes.rendering.processes.rank_process import load_blocks, render_as_rank
from rushes.rendering.processes.words import ProcessJob

SECONDS_A_BLOCK = 0.5

_loaded: list[range] = []  # in this process


def render_as_slow_rank(job: ProcessJob, said: Queue[Any]) -> None:
    """Render as a rank; the blocks that rank 0 loads first take their time."""
    render_as_rank(job, said, load=_load)


def _load(job: ProcessJob, blocks: range) -> Pipeline:
    pipeline = load_blocks(job, blocks)
    _loaded.append(blocks)
    if job.rank == 0 and len(_loaded) == 1:
        for block in pipeline.models.dit.blocks:
            block.register_forward_hook(lambda *_: time.sleep(SECONDS_A_BLOCK))
    return pipeline
