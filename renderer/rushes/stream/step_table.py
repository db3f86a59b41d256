"""What the passes of a stream need to know of their timesteps, made once for each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rushes.models.layers.modulation import StepModulation
from rushes.stream.schedule import FlowSchedule
from rushes.transfer import to_device

# Timesteps by row and frame; a single row, or frame, stands for all.
Timesteps = tuple[tuple[float, ...], ...]

MakeModulation = Callable[[Tensor, torch.dtype], StepModulation]

_KEPT = 32  # a noise scale that follows the motion makes a new first step for nearly every chunk


@dataclass(frozen=True)
class Step:
    """The timesteps of a pass on the device: what the network makes of them, and their sigma.

    ``modulation`` is the timesteps themselves, [B, T], for a network that makes none of its own.
    ``sigma`` is a number where there is one timestep, else [R, T], float32.
    """

    modulation: StepModulation | Tensor
    sigma: float | Tensor


class StepTable:
    """The steps of a network, by their timesteps; the last ones that were used are kept."""

    def __init__(self, network: Any, schedule: FlowSchedule) -> None:
        self._schedule = schedule
        self._modulation: MakeModulation | None = getattr(network, "modulation", None)
        self._sigmas: dict[float, float] = {}  # of no more timesteps than the scale has
        self._steps: OrderedDict[tuple[object, ...], Step] = OrderedDict()

    def forget(self) -> None:
        """Make all steps anew, for the network's weights are others."""
        self._steps.clear()

    def sigma(self, timestep: float) -> float:
        """Return the sigma of a timestep."""
        if timestep not in self._sigmas:
            self._sigmas[timestep] = float(self._schedule.sigma(torch.tensor(float(timestep))))
        return self._sigmas[timestep]

    def of(self, timesteps: Timesteps, like: Tensor) -> Step:
        """Return the step of a pass over latents ``like``."""
        timesteps = alike(timesteps)
        key: tuple[object, ...] = (timesteps, like.dtype, like.device)
        if self._modulation is None:
            key = (*key, like.shape[:2])
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = self._make(timesteps, like)
            if len(self._steps) > _KEPT:
                self._steps.popitem(last=False)
        self._steps.move_to_end(key)
        return step

    def _make(self, timesteps: Timesteps, like: Tensor) -> Step:
        if len(timesteps) == len(timesteps[0]) == 1:
            on_device = torch.full((1, 1), timesteps[0][0], device=like.device)
            sigma: float | Tensor = self.sigma(timesteps[0][0])
        else:
            on_host = torch.tensor(timesteps, dtype=torch.float32)
            on_device = to_device(on_host, like.device)
            sigma = to_device(self._schedule.sigma(on_host), like.device)
        if self._modulation is None:
            return Step(on_device.expand(like.shape[:2]), sigma)
        return Step(self._modulation(on_device, like.dtype), sigma)


def alike(timesteps: Timesteps) -> Timesteps:
    """Leave out rows, and frames, that are all alike."""
    if all(len(set(row)) == 1 for row in timesteps):
        timesteps = tuple(row[:1] for row in timesteps)
    return timesteps[:1] if len(set(timesteps)) == 1 else timesteps
