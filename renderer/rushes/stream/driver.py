"""What the stream needs of a driver: chunks in, clean latents out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from rushes.models.caches.snapshot import Snapshot
from rushes.models.dit import CausalDit
from rushes.models.graphs.runner import Runners
from rushes.models.layers.patches import PATCH
from rushes.models.rope import RotaryEmbedding, RotaryFactors
from rushes.presets.device_classes import DeviceClass
from rushes.stream.row import Row
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.step_table import StepTable


class Driver(Protocol):
    """Turns chunks into clean latents, in order, some calls later if it works on several."""

    kv_cache: Any

    def begin(self, row: Row) -> Tensor | None:
        """Take in the first chunk of a stream, on an empty cache; return it if it is finished.

        Shapes:
            returns: [1, T, C, H, W]
        """
        ...

    def advance(self, row: Row) -> Tensor | None:
        """Take in another chunk; return the one that is finished, if one is."""
        ...

    def flush(self) -> Iterator[Tensor]:
        """Finish the chunks that are under way; a new stream or nothing follows."""
        ...

    def settle(self) -> None:
        """Finish what the last chunk still asks of the network, which is about to change."""
        ...

    def remember(self, pixels: Tensor) -> None:
        """Look at the frames that were decoded of the chunk that was finished last.

        Shapes:
            pixels: [1, T, 3, H, W] in [-1, 1]
        """
        ...

    def snapshot(self) -> Snapshot:
        """Return the cache and all that is under way."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same kind of driver."""
        ...


@dataclass(frozen=True)
class DriverParts:
    """What a driver is made of, whichever its cache.

    ``steps`` are made anew when a LoRA comes to have another strength.
    ``encode_alone`` encodes frames as a stream of their own: pixels [1, T, 3, H, W] in [-1, 1] to
    latents [1, T_lat, C, H/8, W/8]. ``draw_frames`` draws noise of so many latent frames from the
    generator of the clip. ``noise_device`` is the class of GPU whose noise chunks have, if it is a
    GPU's. ``token_grid`` is the height and width of a frame in tokens. ``runners`` replay the
    passes of the network where they are alike.
    """

    dit: CausalDit
    schedule: FlowSchedule
    steps: StepTable
    rotary: RotaryEmbedding
    token_grid: tuple[int, int]
    encode_alone: Callable[[Tensor], Tensor]
    draw_frames: Callable[[int], Tensor]
    noise_device: DeviceClass | None
    clock: StageClock
    device: torch.device
    dtype: torch.dtype
    runners: Runners | None = None

    @property
    def frame_tokens(self) -> int:
        height, width = self.token_grid
        return height * width


class OpensDriver(Protocol):
    """The choice of a driver, which is made before its parts are there."""

    def open(self, parts: DriverParts) -> Driver:
        """Make the driver of a stream, and its cache."""
        ...


def rotary_of(rows: list[Row], rotary: RotaryEmbedding) -> RotaryFactors:
    """Return the rotary factors of chunks of one shape, each at its position."""
    num_frames, _, height, width = rows[0].latents.shape[1:]
    positions = [row.position for row in rows]
    return rotary.factors(positions, num_frames, height // PATCH, width // PATCH)
