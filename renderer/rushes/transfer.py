"""Copies between host and device that the host does not wait for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the host to a device, in the order of the device's work.

    On CUDA the copy starts from pinned memory, so the host goes on at once.
    """
    if device.type == "cpu" or tensor.device.type == device.type:
        return tensor.to(device)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@dataclass(frozen=True)
class Sent:
    """A tensor on its way to a device."""

    tensor: Tensor
    event: torch.cuda.Event | None = None

    def here(self) -> Tensor:
        """Return it for the work that is asked for next, which waits for it; the host does not."""
        if self.event is not None:
            stream = torch.cuda.current_stream(self.tensor.device)
            stream.wait_event(self.event)
            self.tensor.record_stream(stream)  # its memory is not given to others before
        return self.tensor


def send(tensor: Tensor, device: torch.device) -> Sent:
    """Begin to copy a tensor to a device, beside what it does now; any thread may do that."""
    if device.type != "cuda" or tensor.device.type == device.type:
        return Sent(to_device(tensor, device))
    uploads = _stream("uploads", device)
    with torch.cuda.stream(uploads):
        there = tensor.pin_memory().to(device, non_blocking=True)
        event = torch.cuda.Event()
        event.record(uploads)
    return Sent(there, event)


@dataclass(frozen=True)
class Arriving:
    """A tensor on its way to the host."""

    tensor: Tensor
    event: torch.cuda.Event | None = None

    def wait(self) -> Tensor:
        """Return it when it is there; any thread may wait."""
        if self.event is not None:
            self.event.synchronize()
        return self.tensor


def fetch(tensor: Tensor) -> Arriving:
    """Begin to copy a tensor to the host, beside what its device does next."""
    if tensor.is_cpu:
        return Arriving(tensor)
    if not tensor.is_cuda:
        return Arriving(tensor.to("cpu", non_blocking=tensor.is_meta))
    made = torch.cuda.current_stream(tensor.device)
    downloads = _stream("downloads", tensor.device)
    downloads.wait_stream(made)
    with torch.cuda.stream(downloads):
        there = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        there.copy_(tensor, non_blocking=True)
        event = torch.cuda.Event()
        event.record(downloads)
    tensor.record_stream(downloads)  # its memory is not given to others before
    return Arriving(there, event)


_STREAMS: dict[tuple[str, torch.device], torch.cuda.Stream] = {}


def _stream(name: str, device: torch.device) -> torch.cuda.Stream:
    """Return the stream of this name of a device, one for the life of the process."""
    if (name, device) not in _STREAMS:
        _STREAMS[name, device] = torch.cuda.Stream(device)
    return _STREAMS[name, device]
