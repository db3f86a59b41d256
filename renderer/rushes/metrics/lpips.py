"""LPIPS: how unlike two pictures look, by the features of AlexNet and learned weights.

The file is what ``torch.save(lpips.LPIPS(net="alex").state_dict(), FILE)`` writes.
Source: Zhang and others 2018, arXiv:1801.03924; richzhang/PerceptualSimilarity, version 0.1
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from rushes.errors import CheckpointError

# Name in the file, stride, padding, and whether the layer before it is pooled.
_LAYERS = (
    ("net.slice1.0", 4, 2, False),
    ("net.slice2.3", 1, 2, True),
    ("net.slice3.6", 1, 1, True),
    ("net.slice4.8", 1, 1, False),
    ("net.slice5.10", 1, 1, False),
)
_MEAN, _STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pixels in [-1, 1]
_EPSILON = 1e-10
_LEAST_SIDE = 31  # pixels; below, a layer has none left
_HOW = 'make it with torch.save(lpips.LPIPS(net="alex").state_dict(), FILE)'


class Lpips:
    """The measure with the weights of a file."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        """Raises: CheckpointError when the file does not hold LPIPS with AlexNet."""
        try:
            state = torch.load(weights, map_location=device, weights_only=True)
            self._layers = [
                (state[f"{name}.weight"].float(), state[f"{name}.bias"].float(), *how)
                for name, *how in _LAYERS
            ]
            self._shares = [
                state[f"lin{index}.model.1.weight"].float() for index in range(len(_LAYERS))
            ]
            self._device = device
            nothing = torch.zeros(1, _LEAST_SIDE, _LEAST_SIDE, 3, dtype=torch.uint8)
            self.between(nothing, nothing)
        except Exception as error:  # torch.load raises whatever is in the file
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise CheckpointError(
                f"{weights}: does not hold LPIPS with AlexNet: {reason}; {_HOW}"
            ) from error

    @torch.inference_mode()
    def between(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of each pair of frames; 0 for equal ones.

        Shapes:
            first, second: [T, H, W, 3], uint8
            returns: [T], on the CPU
        """
        features = self._features(torch.cat((first, second)).to(self._device))
        distance = torch.zeros(len(first), device=self._device)
        for layer, share in zip(features, self._shares, strict=True):
            one, other = (layer / (layer.norm(dim=1, keepdim=True) + _EPSILON)).chunk(2)
            distance += functional.conv2d((one - other) ** 2, share).mean((1, 2, 3))
        return distance.cpu()

    def _features(self, frames: Tensor) -> list[Tensor]:
        """Return what each convolution of AlexNet finds.

        Shapes:
            frames: [B, H, W, 3], uint8
            returns: [B, C, h, w] each
        """
        mean, std = (torch.tensor(each, device=self._device) for each in (_MEAN, _STD))
        x = ((frames.float() / 127.5 - 1 - mean) / std).permute(0, 3, 1, 2)  # [B, 3, H, W]
        if min(x.shape[-2:]) < _LEAST_SIDE:
            size = [max(_LEAST_SIDE, side) for side in x.shape[-2:]]
            x = functional.interpolate(x, size, mode="bilinear")
        found: list[Tensor] = []
        for weight, bias, stride, padding, is_pooled in self._layers:
            if is_pooled:
                x = functional.max_pool2d(x, 3, 2)
            x = functional.conv2d(x, weight, bias, stride, padding).relu()
            found.append(x)
        return found
