"""What processes that share a render are told, and what they say to their parent."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from rushes.errors import RenderProcessError, RushesError
from rushes.files.atomic import write_whole
from rushes.files.folders import Folders
from rushes.presets.preset import Preset
from rushes.rendering.request import RenderRequest
from rushes.stream.stage_clock import StageClock
from rushes.timeline.plan.render_plan import RenderPlan


@dataclass(frozen=True)
class ProcessJob:
    """What every process is told: one render, its own device, and where its frames go.

    ``rank`` is which of ``count`` processes it is.
    """

    preset: Preset
    folders: Folders
    plan: RenderPlan
    request: RenderRequest
    device: str
    folder: Path
    rank: int
    count: int


@dataclass(frozen=True)
class Made:
    """A chunk whose frames are in their file."""

    chunk: int


@dataclass(frozen=True)
class Shared:
    """How many blocks of the network each rank has."""

    blocks: tuple[int, ...]


@dataclass(frozen=True)
class Ended:
    """A process has nothing more to do: how long its stages took, or why it failed."""

    seconds: dict[str, float]
    error: Exception | None = None


def frames_file(folder: Path, chunk: int) -> Path:
    """Return where the frames of a chunk lie, [T, H, W, 3] in uint8."""
    return folder / f"{chunk:06}.npy"


@contextmanager
def telling_the_end(said: Queue[Any]) -> Iterator[StageClock]:
    """Tell the parent when and how the body of a process ends; yields the clock of its stages.

    Ctrl-C is left to the parent, which ends its processes itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clock = StageClock()
    try:
        yield clock
    except RushesError as error:
        said.put(Ended({}, error))
    except Exception as error:  # of a type that may not survive the way
        said.put(Ended({}, RenderProcessError(f"{type(error).__name__}: {error}")))
    else:
        said.put(Ended(clock.seconds()))


def hand_over(frames: Tensor, chunk: int, folder: Path, said: Queue[Any]) -> None:
    """Leave the frames of a chunk for the parent; end this process if there is none any more.

    Shapes:
        frames: [T, H, W, 3], uint8, on any device
    """
    pixels = frames.cpu().numpy()
    write_whole(frames_file(folder, chunk), lambda file: np.save(file, pixels), is_durable=False)
    said.put(Made(chunk))
    parent = parent_process()
    if parent is not None and not parent.is_alive():
        raise SystemExit(1)
