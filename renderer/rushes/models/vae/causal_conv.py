"""Convolutions in time and space that see the past only, with what they remember in a cache.

Clips are ``[B, T, H, W, C]``: with channels last a norm reads what lies side by side, and the
convolutions of GPUs and CPUs take them as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.caches.feature_cache import FeatureCache

# Where PyTorch's convolution in three dimensions is slow (CPU), or new and partial (Metal).
_WITHOUT_CONV3D = ("cpu", "mps")


class CausalConv3d(nn.Conv3d):
    """A convolution that sees frames of the past and present only.

    ``history`` is how many past frames it puts in front of a chunk; a convolution with a history
    owns the ``slot`` of the feature cache that ``number_slots`` gave it.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: int = 0,
        history: int | None = None,
    ) -> None:
        super().__init__(in_dim, out_dim, kernel, stride, (0, padding, padding))
        self.history = self.kernel_size[0] - 1 if history is None else history
        self.slot = -1

    def forward(  # type: ignore[override]  # takes the cache besides
        self, x: Tensor, cache: FeatureCache, write: Callable[[Tensor], object] | None = None
    ) -> Tensor:
        """Convolve a chunk with its history.

        With ``write`` it is not ``x`` itself that is convolved but what this writes into a tensor
        shaped as ``x``; only for convolutions with a history.

        Shapes:
            x: [B, T, H, W, C]
            returns: [B, T', H', W', C_out]
        """
        if not self.history:
            return self._convolve(x)
        joined = cache.extend(self.slot, x, self.history, write)
        y = self._convolve(joined)
        cache.keep(self.slot, joined, self.history)
        return y

    def remember(self, x: Tensor, cache: FeatureCache) -> None:
        """Keep the last frames of a chunk for the next one, and compute nothing."""
        cache.keep(self.slot, cache.extend(self.slot, x, self.history), self.history)

    def arrange(self) -> None:
        """Lay the weight out in memory in the order in which this device reads it.

        That saves copying it at each call and changes neither its values nor its shape.
        """
        order = (0, 3, 4, 2, 1) if self._goes_by_taps(self.weight) else (0, 2, 3, 4, 1)
        back = [order.index(axis) for axis in range(5)]
        self.weight.data = self.weight.data.permute(order).contiguous().permute(back)

    def _convolve(self, x: Tensor) -> Tensor:
        if self.kernel_size == (1, 1, 1):
            return functional.linear(x, self.weight.flatten(1), self.bias)
        if self._goes_by_taps(x):
            return convolve_taps(x, self.weight, self.bias, self.stride[0], self.padding[1])
        y = functional.conv3d(
            x.permute(0, 4, 1, 2, 3), self.weight, self.bias, self.stride, self.padding
        )
        return y.permute(0, 2, 3, 4, 1)

    def _goes_by_taps(self, x: Tensor) -> bool:
        return x.device.type in _WITHOUT_CONV3D and self.kernel_size[0] > 1


def convolve_taps(
    x: Tensor, weight: Tensor, bias: Tensor | None, time_stride: int, padding: int | str
) -> Tensor:
    """Convolve in three dimensions by way of two, the frames under the kernel as more channels.

    On CPUs this is three to five times as fast as PyTorch's own convolution in three dimensions
    below 32 channels, and no slower with more; Metal lacks the latter for some dtypes.

    Shapes:
        x: [B, T, H, W, C]
        weight: [C_out, C, K, K_h, K_w]
        returns: [B, (T - K) // time_stride + 1, H, W, C_out] for stride 1 in space
    """
    taps = weight.shape[2]
    num_frames = (x.shape[1] - taps) // time_stride + 1
    span = time_stride * (num_frames - 1) + 1
    folded = torch.cat([x[:, tap : tap + span : time_stride] for tap in range(taps)], dim=-1)
    flat_weight = weight.transpose(1, 2).flatten(1, 2)  # [C_out, K*C, K_h, K_w]
    if flat_weight.shape[2:] == (1, 1):
        return functional.linear(folded, flat_weight.flatten(1), bias)
    return by_frame(folded, lambda frames: functional.conv2d(frames, flat_weight, bias, 1, padding))


def by_frame(x: Tensor, convolve: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a function of single frames to a clip.

    Shapes:
        x: [B, T, H, W, C]; ``convolve`` takes [B*T, C, H, W] and returns [B*T, C', H', W']
        returns: [B, T, H', W', C']
    """
    frames = convolve(x.flatten(0, 1).permute(0, 3, 1, 2))
    return frames.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])


def number_slots(tree: nn.Module) -> int:
    """Give every temporal convolution below ``tree`` its slot, in execution order; count them."""
    owners = [
        module for module in tree.modules() if isinstance(module, CausalConv3d) and module.history
    ]
    for slot, owner in enumerate(owners):
        owner.slot = slot
    return len(owners)
