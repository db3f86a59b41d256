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
    aside = _copy_stream(tensor.device)
    aside.wait_stream(made)
    with torch.cuda.stream(aside):
        there = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        there.copy_(tensor, non_blocking=True)
        event = torch.cuda.Event()
        event.record(aside)
    tensor.record_stream(aside)  # its memory is not given to others before
    return Arriving(there, event)


_STREAMS: dict[torch.device, torch.cuda.Stream] = {}


def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream for results of a device, one for the life of the process."""
    if device not in _STREAMS:
        _STREAMS[device] = torch.cuda.Stream(device)
    return _STREAMS[device]
