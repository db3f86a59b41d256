"""The save points of a job in storage, from which any worker can continue.

``work/<job>/files/<SHA-256>`` are files by content, stored once for all save points and attempts;
``work/<job>/points/<chunk>-<fence>.json`` names the files of one save point and is written last.
The last two points are kept; if the last is damaged, the one before is used.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rushes.errors import InputError, MissingFileError, RushesError
from rushes.files.hashes import sha256_of
from rushes_queue.archive.prune import WORK
from rushes_queue.jobs.document import canonical_json
from rushes_queue.storage.errors import StorageError
from rushes_queue.storage.storage import Storage

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
KEPT = 2
SAVES, SEGMENTS, TILES = "saves", "segments", "tiles"  # folders of a render's work

_LARGEST_POINT = 16 * 2**20  # bytes of JSON: ten hours have 9,000 segments
_NAME = re.compile(
    r"saves/[0-9]{9}/state\.(json|safetensors)|segments/[0-9]{6}\.(mov|mp4)"
    r"|tiles/[0-9]{1,9}-(after|before)\.png"
)
_HASH = re.compile(r"[0-9a-f]{64}")
_POINT = re.compile(r"([0-9]{9})-([0-9]{1,16})\.json")


def work_key(job: str) -> str:
    """Return where in the storage the save points of a job lie."""
    return f"{WORK}/{job}"


class SavedWork:
    """Stores the save points of one attempt, and fetches earlier ones."""

    def __init__(self, storage: Storage, job: str, fence: int, folder: Path) -> None:
        """``folder`` is where the render keeps its work on this machine."""
        self._storage, self._fence, self._folder = storage, fence, folder
        self._files, self._points = f"{work_key(job)}/files", f"{work_key(job)}/points"
        self._hashes: dict[str, str] = {}  # of files that never change, by name

    def store(self, save: Path) -> None:
        """Store a complete save point, and remove all but the last two.

        Raises: what the storage raises; earlier points stay valid then.
        """
        names = {path.relative_to(self._folder).as_posix() for path in self._files_of(save)}
        files = {name: self._sha256(name) for name in sorted(names)}
        for name, sha256 in files.items():
            key = f"{self._files}/{sha256}"
            if not self._storage.exists(key):
                self._storage.put_file(key, self._folder / name)
        point = {"schema_version": SCHEMA_VERSION, "files": files}
        key = f"{self._points}/{save.name}-{self._fence}.json"
        self._storage.put_bytes(key, canonical_json(point))
        self._forget_old_points()

    def restore(self, oldest_fence: int = 0) -> int | None:
        """Fetch the newest save point that is whole; return its chunk, or None where there is none.

        Those of attempts before ``oldest_fence`` are ignored.
        Raises: TransientError when the storage does not answer.
        """
        for fence, chunk, key in reversed(self._list()):
            if fence >= oldest_fence:
                try:
                    self._fetch(self._read(key))
                    return chunk
                except (StorageError, InputError, MissingFileError, ValueError) as error:
                    logger.warning("save point %s cannot be used: %s", key, error)
        return None

    def _files_of(self, save: Path) -> Iterator[Path]:
        yield from (path for path in save.iterdir() if path.is_file())
        values = json.loads((save / "state.json").read_text(encoding="utf-8"))
        yield from (self._folder / SEGMENTS / name for name in values["segments"])
        tiles = self._folder / TILES
        if tiles.is_dir():
            yield from (path for path in tiles.iterdir() if not path.name.startswith("."))

    def _sha256(self, name: str) -> str:
        if name not in self._hashes:
            self._hashes[name] = sha256_of(self._folder / name)
        return self._hashes[name]

    def _list(self) -> Sequence[tuple[int, int, str]]:
        """Return fence, chunk and key of every point, the oldest first.

        A later attempt continued from the best point before it, or had a reason not to.
        """
        entries = [entry.key for entry in self._storage.list(self._points)]
        names = [(_POINT.fullmatch(key.removeprefix(f"{self._points}/")), key) for key in entries]
        return sorted((int(match[2]), int(match[1]), key) for match, key in names if match)

    def _read(self, key: str) -> Mapping[str, str]:
        """Read the files of a point as untrusted input.

        Raises: StorageError, ValueError.
        """
        point: Any = json.loads(self._storage.get_bytes(key, _LARGEST_POINT))
        if not isinstance(point, dict) or point.get("schema_version") != SCHEMA_VERSION:
            raise ValueError("written by another version")
        files = point.get("files")
        if not isinstance(files, dict) or not all(
            _NAME.fullmatch(name) and isinstance(sha256, str) and _HASH.fullmatch(sha256)
            for name, sha256 in files.items()
        ):
            raise ValueError("names files that a save point cannot have")
        return files

    def _fetch(self, files: Mapping[str, str]) -> None:
        for name, sha256 in files.items():
            path = self._folder / name
            if path.is_file() and sha256_of(path) == sha256:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            self._storage.get_file(f"{self._files}/{sha256}", path)
            if sha256_of(path) != sha256:
                path.unlink()
                # So that the same file is stored again when it is made again.
                self._storage.delete(f"{self._files}/{sha256}")
                raise ValueError(f"{name} is damaged")
            self._hashes[name] = sha256

    def _forget_old_points(self) -> None:
        points = self._list()
        kept: set[str] = set()
        for _, _, key in points[-KEPT:]:
            hashes = self._hashes_in(key)
            if hashes is None:
                return  # perhaps a newer worker's: it may need files of the older points
            kept |= hashes
        for _, _, key in points[:-KEPT]:
            for sha256 in (self._hashes_in(key) or set()) - kept:
                self._storage.delete(f"{self._files}/{sha256}")
            self._storage.delete(key)

    def _hashes_in(self, key: str) -> set[str] | None:
        """Return the hashes of a point's files; None where the point cannot be read."""
        try:
            return set(self._read(key).values())
        except (RushesError, ValueError):
            return None
