"""Softmax attention, one function whatever the kernel.

Which kernel runs is chosen once for a device and dtype: FlashAttention 3 on Hopper, else
FlashAttention 2 from Ampere on, each where it is installed and answers a trial call; PyTorch's own
function everywhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rushes.models.caches.kv_cache import Seen, SeenByRow

logger = logging.getLogger(__name__)

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]

SDPA = "sdpa"
_FLASH_MODULES = {"flash-attn 3": "flash_attn_interface", "flash-attn 2": "flash_attn"}
_HOPPER, _AMPERE = (9, 0), (8, 0)  # compute capabilities
_NARROW = (torch.bfloat16, torch.float16)


def attend_seen(q: Tensor, seen: Seen | SeenByRow) -> Tensor:
    """Attend to what a cache shows; shapes as in ``attend``."""
    if isinstance(seen, SeenByRow):
        by_row = zip(q.chunk(len(seen.rows)), seen.rows, strict=True)
        return torch.cat([attend_seen(row, keys) for row, keys in by_row])
    return attend(q, *seen)


def without_rows(seen: Seen | SeenByRow, num_rows: int) -> Seen | SeenByRow:
    """Leave out what the first rows of a batch see."""
    if isinstance(seen, SeenByRow):
        return SeenByRow(seen.rows[num_rows:])
    k, v, *weights = seen
    if weights and weights[0] is not None:
        return k[num_rows:], v[num_rows:], weights[0][num_rows:], *weights[1:]
    return k[num_rows:], v[num_rows:], *weights


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lengths: Sequence[int] | None = None,
    key_bias: Tensor | None = None,
) -> Tensor:
    """Attend from every query to every key of its row, without a mask.

    With ``lengths``, row r sees its first ``lengths[r]`` keys only; rows then run one by one,
    which happens while the windows of rows fill up and never after. ``key_bias`` is added to the
    score of each key; the flash kernels do not take one.

    Shapes:
        q: [B, S, N, D]
        k, v: [B, S_kv, N, D]
        key_bias: [S_kv]
        returns: [B, S, N, D]
    """
    if key_bias is not None:
        return attend_plainly(q, k, v, key_bias.to(q.dtype))
    if lengths is not None:
        rows = zip(q.split(1), k.split(1), v.split(1), lengths, strict=True)
        return torch.cat([attend(q, k[:, :length], v[:, :length]) for q, k, v, length in rows])
    return chosen_kernel(q.device, q.dtype)[1](q, k, v)


def attend_plainly(q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor | None = None) -> Tensor:
    """Attend with PyTorch's own function; shapes as in ``attend``."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # [B, N, S, D]
    mask = None if key_bias is None else key_bias.view(1, 1, 1, -1).expand(*q.shape[:3], -1)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


@cache
def chosen_kernel(device: torch.device, dtype: torch.dtype) -> tuple[str, Kernel]:
    """Return the name and the function of the best kernel that works here."""
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    for name in preferred_kernels(capability, dtype):
        kernel = load_kernel(name)
        if kernel is not None and _answers(name, kernel, device, dtype):
            return name, kernel
    return SDPA, attend_plainly


def preferred_kernels(capability: tuple[int, int] | None, dtype: torch.dtype) -> tuple[str, ...]:
    """Return the kernels that a GPU of this compute capability can run, the best first."""
    if capability is None or dtype not in _NARROW or capability < _AMPERE:
        return (SDPA,)
    # FlashAttention 3 is written for Hopper alone.
    return (*(["flash-attn 3"] if capability == _HOPPER else []), "flash-attn 2", SDPA)


def load_kernel(name: str) -> Kernel | None:
    """Return a kernel by its name, or nothing where its package is missing or does not fit."""
    if name == SDPA:
        return attend_plainly
    try:
        flash = import_module(_FLASH_MODULES[name]).flash_attn_func
    except (ImportError, AttributeError, OSError) as error:
        logger.debug("no %s: %s", name, error)
        return None

    def attend_flash(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = flash(q, k, v)
        return out[0] if isinstance(out, tuple) else out  # some versions return more

    return attend_flash


def _answers(name: str, kernel: Kernel, device: torch.device, dtype: torch.dtype) -> bool:
    if name == SDPA:
        return True
    trial = torch.ones(1, 8, 1, 64, device=device, dtype=dtype)
    try:
        return bool(torch.allclose(kernel(trial, trial, trial), trial))
    except (RuntimeError, TypeError, ValueError) as error:
        logger.warning("%s is installed but does not work here (%s)", name, error)
        return False
