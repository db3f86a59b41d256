"""Copies between host and device that the host does not wait for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the host to a device, in the order of the device's work.

    On CUDA the copy starts from pinned memory, so the host goes on at once.
    """
    if device.type == "cpu":
        return tensor
    if device.type == "cuda" and not tensor.is_cuda:
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
