"""Linear layers of the DiT in fp8: half the memory of bfloat16, from the same checkpoint.

torchao multiplies in fp8 where the GPU can (Ada, Hopper and later) and the package is there; else
weights are stored in fp8 and widened as they are used, which saves the memory but no time.

Source: scope: src/scope/core/pipelines/streamdiffusionv2/pipeline.py (fp8_e4m3fn, one scale a
tensor; here one a row)
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import torch
from torch import nn

from rushes.models.cast_linear import CastLinear, to_fp8
from rushes.models.dit import CausalDit

_HAS_FP8_PRODUCTS = (8, 9)  # compute capability


def quantise_blocks(dit: CausalDit, device: torch.device, dtype: torch.dtype) -> CausalDit:
    """Move the network to a device, the linear layers of its blocks in fp8, the rest in a dtype."""
    if _torchao_works(device):
        dit.to(dtype)
        quantization = import_module("torchao.quantization")
        config = quantization.Float8DynamicActivationFloat8WeightConfig(
            granularity=quantization.PerRow()
        )
        quantization.quantize_(dit.blocks, config, device=device)
        return dit.to(device)
    for parent in list(dit.blocks.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, narrow(child, device, dtype))
    for module in dit.modules():
        if not isinstance(module, CastLinear):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(device, dtype)
    return dit


def narrow(linear: nn.Linear, device: torch.device, dtype: torch.dtype) -> CastLinear:
    """Return a layer whose weight is fp8; only one weight at a time is wide on the device."""
    stored, scale = to_fp8(linear.weight.to(device))
    bias = None if linear.bias is None else linear.bias.to(device, dtype)
    return CastLinear(stored, scale, bias)


def _torchao_works(device: torch.device) -> bool:
    return (
        device.type == "cuda"
        and torch.cuda.get_device_capability(device) >= _HAS_FP8_PRODUCTS
        and find_spec("torchao") is not None
    )
