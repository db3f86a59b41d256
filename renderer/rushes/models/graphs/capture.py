"""CUDA graphs: what a function asks of the GPU, recorded once and asked for again at once.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


class Capture(Protocol):
    """A way to make a function of fixed buffers repeatable."""

    def __call__(self, run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return a function that does what ``run`` does; its result is always at one address."""
        ...


class Replay:
    """Calls the function again: for devices without graphs, and to see what a graph would do."""

    def __call__(self, run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        results: list[Tensor] = []

        def replay() -> Tensor:
            result = run()
            if not results:
                results.append(torch.empty_like(result))
            results[0].copy_(result)
            return results[0]

        return replay


class CudaGraphs:
    """Captures CUDA graphs that run one after another, so that they may share their memory.

    A function must have run before, since kernels are chosen and compiled by a first run. Other
    threads may copy and allocate meanwhile.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device):
            torch.cuda.synchronize()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                result = run()

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


class WhereItCan:
    """Captures what can be captured; all else runs as it is, which is slower."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __call__(self, run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        try:
            return self._capture(run)
        except torch.OutOfMemoryError:
            raise  # the render is tried again with less
        except RuntimeError as error:
            logger.warning("a step cannot be captured and runs without a graph: %s", error)
            return run


def capture_on(device: torch.device) -> Capture:
    """Return how functions are made repeatable on a device."""
    return WhereItCan(CudaGraphs(device)) if device.type == "cuda" else Replay()
