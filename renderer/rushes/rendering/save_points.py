"""Save points: all that a render needs to continue after its process died, in a folder.

A save point is two files, tensors and JSON, in a folder of its own that appears complete. The last
two are kept; one that is damaged, or whose segments are, falls back to the one before.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rushes.files.hashes import sha256_of
from rushes.files.publish import PendingOutput, make_folder
from rushes.models.caches.snapshot import Snapshot
from rushes.rendering.machine_kind import MachineKind

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2
# Upgrades of what older processes saved: a new part of the stream's state gets the value of a
# render without it.
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda values: {**values, "kinds": []},  # nobody knows
}
KEPT = 2
_TENSORS, _VALUES = "state.safetensors", "state.json"
_PENDING = "pending_frames"  # among the tensors


@dataclass(frozen=True)
class SavePoint:
    """Where a render stands between two chunks.

    Shapes:
        pending: [T, H, W, 3], frames behind the last complete segment
    """

    next_chunk: int
    stream: Snapshot
    segments: tuple[Path, ...]
    pending: NDArray[np.uint8]
    frame_hash: str


@dataclass(frozen=True)
class SavePolicy:
    """How often to save: every so many chunks or seconds, within a share of the time.

    Units: ``max_share`` is the cost of saving over all time, 0 to 1.
    """

    every_chunks: int | None = None
    every_seconds: float = 30.0
    max_share: float = 0.05

    def is_due(self, chunks: int, seconds: float, last_cost_seconds: float) -> bool:
        """Say whether to save, so many chunks and seconds after the last time."""
        if self.every_chunks is not None:
            return chunks >= self.every_chunks
        return seconds >= max(self.every_seconds, last_cost_seconds / self.max_share)


class SavePoints:
    """The save points of one render.

    ``identity`` names everything that decides its frames but the kind of machine; a save point of
    another one is not used. ``kinds`` are the kinds that made the frames up to now, oldest first:
    this process's ``kind``, and before it those of the save point that ``latest`` returned.
    ``on_saved`` is called, in the thread that writes, with each new save point's folder.
    """

    def __init__(
        self,
        folder: Path,
        segments_folder: Path,
        identity: str,
        kind: MachineKind,
        on_saved: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        self._folder, self._segments_folder = make_folder(folder), segments_folder
        self._identity, self._on_saved = identity, on_saved
        self._kind = kind
        self.kinds: tuple[MachineKind, ...] = (kind,)
        self._pool = ThreadPoolExecutor(1, "save")
        self._writing: Future[None] | None = None
        self._segment_hashes: dict[str, str] = {}
        self.cost_seconds = 0.0  # of the last one, copying and writing

    def save(self, point: SavePoint) -> None:
        """Copy the state now, write it in the background; waits for the one before.

        Raises: what writing the one before raised.
        """
        self.wait()
        begin = time.monotonic()
        tensors = {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in point.stream.tensors.items()
        }
        tensors[_PENDING] = torch.from_numpy(point.pending)
        self._writing = self._pool.submit(self._write, point, tensors, begin)

    def wait(self) -> None:
        """Wait until the last save point is on the disk.

        Raises: what writing it raised.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Stop; a save point that is being written is completed."""
        self._pool.shutdown()

    def latest(self) -> SavePoint | None:
        """Return the newest save point that is whole, or None."""
        for folder in sorted(self._folders(), reverse=True):
            try:
                return self._read(folder)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                logger.warning("save point %s cannot be used: %s", folder.name, error)
        return None

    def _write(self, point: SavePoint, tensors: dict[str, torch.Tensor], begin: float) -> None:
        with PendingOutput(self._folder / f"{point.next_chunk:09}", is_folder=True) as pending:
            _save_tensors(tensors, pending.temporary / _TENSORS)
            values = {
                "schema_version": SCHEMA_VERSION,
                "identity": self._identity,
                "next_chunk": point.next_chunk,
                "stream": point.stream.values,
                "frame_hash": point.frame_hash,
                "tensors_sha256": sha256_of(pending.temporary / _TENSORS),
                "segments": {path.name: self._segment_sha256(path) for path in point.segments},
                "kinds": [kind.to_dict() for kind in self.kinds],
            }
            (pending.temporary / _VALUES).write_text(json.dumps(values), encoding="utf-8")
            pending.publish()
        self._on_saved(pending.path)
        for folder in sorted(self._folders())[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
        self.cost_seconds = time.monotonic() - begin

    def _segment_sha256(self, path: Path) -> str:
        if path.name not in self._segment_hashes:  # a segment never changes
            self._segment_hashes[path.name] = sha256_of(path)
        return self._segment_hashes[path.name]

    def _read(self, folder: Path) -> SavePoint:
        values: dict[str, Any] = json.loads((folder / _VALUES).read_text(encoding="utf-8"))
        values = _upgraded(values)
        _require(values["identity"] == self._identity, "of another render")
        tensors_file = folder / _TENSORS
        _require(sha256_of(tensors_file) == values["tensors_sha256"], "its tensors are damaged")
        segments = tuple(self._segments_folder / name for name in values["segments"])
        for path in segments:
            is_whole = path.is_file() and sha256_of(path) == values["segments"][path.name]
            _require(is_whole, f"segment {path.name} is damaged or gone")
        self._segment_hashes |= values["segments"]
        tensors = load_file(tensors_file)
        pending = tensors.pop(_PENDING).numpy()
        before = tuple(MachineKind(**kind) for kind in values["kinds"])
        self.kinds = before if before[-1:] == (self._kind,) else (*before, self._kind)
        return SavePoint(
            next_chunk=values["next_chunk"],
            stream=Snapshot(tensors, values["stream"]),
            segments=segments,
            pending=pending,
            frame_hash=values["frame_hash"],
        )

    def _folders(self) -> Sequence[Path]:
        return [self._folder / f"{chunk:09}" for chunk in saved_chunks(self._folder)]


def saved_chunks(folder: Path) -> list[int]:
    """Return the chunks before which save points in a folder stand, in order."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    version = values["schema_version"]
    _require(version in range(1, SCHEMA_VERSION + 1), f"of version {version}, unknown here")
    for before in range(version, SCHEMA_VERSION):
        values = {**UPGRADES[before](values), "schema_version": before + 1}
    return values


def _save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Save tensors; safetensors has an error of its own around what the system says."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
