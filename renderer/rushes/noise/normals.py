"""Whose random numbers: those of PyTorch's generator on a CPU, or those that a GPU draws."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from rushes.noise.philox import CudaGenerator
from rushes.presets.device_classes import GPUS, DeviceClass


class Normals(Protocol):
    """A generator of normal numbers; how many are drawn at once matters."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Return the next numbers, on the CPU."""
        ...

    def skip(self, shape: tuple[int, ...]) -> None:
        """Move on as if these were drawn."""
        ...

    def state(self) -> Tensor:
        """Return where the generator stands."""
        ...

    def set_state(self, state: Tensor) -> None:
        """Go on from there; the seed is the same."""
        ...


class CpuNormals:
    """PyTorch's generator on a CPU, in float32."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator)

    def skip(self, shape: tuple[int, ...]) -> None:
        self.draw(shape)

    def state(self) -> Tensor:
        return self._generator.get_state()

    def set_state(self, state: Tensor) -> None:
        self._generator.set_state(state)


class GpuNormals:
    """What a GPU of some class draws in bfloat16, as the references do."""

    def __init__(self, seed: int, device_class: DeviceClass) -> None:
        self._generator = CudaGenerator(seed, GPUS[device_class].threads)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        numbers = self._generator.normal(math.prod(shape))
        return torch.from_numpy(numbers).bfloat16().reshape(shape)

    def skip(self, shape: tuple[int, ...]) -> None:
        self._generator.skip(math.prod(shape))

    def state(self) -> Tensor:
        return torch.tensor([self._generator.offset])

    def set_state(self, state: Tensor) -> None:
        self._generator.offset = int(state)


def seeded_normals(seed: int, device_class: DeviceClass | None) -> Normals:
    """Return a CPU's numbers, or with a class those of such a GPU."""
    return CpuNormals(seed) if device_class is None else GpuNormals(seed, device_class)
