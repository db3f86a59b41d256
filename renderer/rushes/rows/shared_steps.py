"""Modulations of timesteps for rows that have the same ones: each is made once."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import torch
from torch import Tensor

from rushes.models.dit import CausalDit
from rushes.models.layers.modulation import StepModulation

_KEPT = 64  # timesteps that were asked for last


class SharedSteps:
    """Remembers the last modulations; rows at the same timesteps get the same one.

    It is for networks on a CPU: timesteps are read to be compared.
    """

    def __init__(self, dit: CausalDit) -> None:
        self._dit = dit
        self._lock = Lock()
        self._known: OrderedDict[tuple[object, ...], StepModulation] = OrderedDict()

    def of(self, timesteps: Tensor, dtype: torch.dtype) -> StepModulation:
        """Return what timesteps do to all blocks, as ``CausalDit.modulation``.

        Shapes:
            timesteps: [R, T]
        """
        key = (tuple(map(tuple, timesteps.tolist())), dtype)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._dit.modulation(timesteps, dtype)
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]
