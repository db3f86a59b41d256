"""The frames of a plan in order, made by several processes at the same time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import get_context
from queue import Empty
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from rushes.errors import RenderProcessError
from rushes.rendering.processes.words import Ended, Made, ProcessJob, Shared, frames_file
from rushes.stream.ahead import ChunkInputs
from rushes.stream.stage_clock import StageClock
from rushes.timeline.plan.render_plan import Chunk

_LOOK_SECONDS = 1.0  # between two looks at the processes
_END_SECONDS = 5.0  # that a process gets to end


class ProcessFrames:
    """Renders like a stream, by processes of one machine; they are ended with the context.

    Frames that are made early wait in files until it is their turn. A process that fails or dies
    ends the render. ``clock`` gets the seconds of all processes.
    """

    def __init__(self, body: Callable[..., None], jobs: Sequence[ProcessJob], *more: Any) -> None:
        """``body`` is called in a process for each job with the job, ``more`` and the queue.

        What goes through the queue is ``Made`` for every chunk of the plan, in any order, and
        ``Ended`` once from each process.
        """
        context = get_context("spawn")
        self._folder = jobs[0].folder
        self._said: Any = context.Queue()
        self._more = more  # kept here, or locks of queues would go before all have started
        self._processes = [
            context.Process(target=body, args=(job, *more, self._said), daemon=True) for job in jobs
        ]
        self._made: set[int] = set()
        self._num_ended = 0
        self.blocks: tuple[int, ...] | None = None  # of each rank, where they share a network
        self.clock = StageClock()

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    def prepare(self, chunk: Chunk, inputs: ChunkInputs) -> None:
        """Do nothing: each process prepares its own chunks."""

    def render(self, chunks: Iterable[tuple[Chunk, ChunkInputs]]) -> Iterator[Tensor]:
        """Yield the frames of each chunk, as ``Stream.render``, on the CPU.

        Raises: what a process raised; RenderProcessError when one died.
        """
        for chunk, _ in chunks:
            while chunk.index not in self._made:
                self._listen()
                self._refuse_dead()
            path = frames_file(self._folder, chunk.index)
            yield torch.from_numpy(np.load(path))
            path.unlink()
        while self._num_ended < len(self._processes):
            self._listen()
            self._refuse_dead()

    def _listen(self) -> None:
        try:
            word = self._said.get(timeout=_LOOK_SECONDS)
        except Empty:
            return
        match word:
            case Made(chunk):
                self._made.add(chunk)
            case Shared(blocks):
                self.blocks = blocks
            case Ended(seconds, None):
                self._num_ended += 1
                self.clock.add(seconds)
            case Ended(_, Exception() as error):
                time.sleep(_LOOK_SECONDS)  # where one has died, others fail for want of it
                self._refuse_dead()
                raise error

    def _refuse_dead(self) -> None:
        for number, process in enumerate(self._processes):
            if process.exitcode not in (None, 0):
                raise RenderProcessError(
                    f"process {number + 1} of {len(self._processes)} {_how(process.exitcode)}; "
                    "render again, with fewer processes if memory ran out"
                )


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed ({signal.Signals(-exit_code).name})"
    return f"ended with exit code {exit_code}"
