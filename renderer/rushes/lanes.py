"""Work beside the main work of a GPU, on streams of its own; on a CPU all is done in one order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor


class Streams(Protocol):
    """What lanes need of a device."""

    def make(self, name: str) -> Any:
        """Return a new stream."""
        ...

    def current(self) -> Any:
        """Return the stream of what is asked for now."""
        ...

    def wait(self, waiting: Any, other: Any) -> None:
        """Let what a stream is asked for next wait for what another was asked for so far."""
        ...

    def use(self, stream: Any) -> AbstractContextManager[Any]:
        """Ask a stream for what follows."""
        ...

    def keep(self, tensor: Tensor, stream: Any) -> None:
        """Give the memory of a tensor to nobody before a stream has used it."""
        ...


class CudaStreams:
    """The streams of a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def make(self, name: str) -> torch.cuda.Stream:
        return torch.cuda.Stream(self._device)

    def current(self) -> torch.cuda.Stream:
        return torch.cuda.current_stream(self._device)

    def wait(self, waiting: torch.cuda.Stream, other: torch.cuda.Stream) -> None:
        waiting.wait_stream(other)

    def use(self, stream: torch.cuda.Stream) -> AbstractContextManager[Any]:
        return torch.cuda.stream(stream)

    def keep(self, tensor: Tensor, stream: torch.cuda.Stream) -> None:
        tensor.record_stream(stream)


class Lane:
    """A stream beside that of its caller."""

    def __init__(self, streams: Streams, name: str) -> None:
        self._streams, self._stream = streams, streams.make(name)

    @contextmanager
    def beside(self, *inputs: Tensor) -> Iterator[None]:
        """Work beside the caller's stream, behind what that was asked for so far.

        ``inputs`` are tensors of the caller that the work reads.
        """
        self._streams.wait(self._stream, self._streams.current())
        for tensor in inputs:
            self._streams.keep(tensor, self._stream)
        with self._streams.use(self._stream):
            yield

    def join(self, *results: Tensor) -> None:
        """Let what is asked for next wait for the lane, of which it uses ``results``."""
        current = self._streams.current()
        self._streams.wait(current, self._stream)
        for tensor in results:
            self._streams.keep(tensor, current)


class Lanes:
    """The lanes of one video: beside the passes the next chunk is encoded, the last one decoded."""

    def __init__(self, streams: Streams) -> None:
        self.encode, self.decode = Lane(streams, "encode"), Lane(streams, "decode")

    def join(self) -> None:
        """Let what is asked for next wait for all lanes."""
        self.encode.join()
        self.decode.join()


def lanes_on(device: torch.device) -> Lanes | None:
    """Return lanes where the device can work on several things at once."""
    return Lanes(CudaStreams(device)) if device.type == "cuda" else None
