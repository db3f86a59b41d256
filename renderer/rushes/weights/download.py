"""Downloads of public weights: resumed where they stopped, and kept only if their hash is right.

The partial file is ours, since ``huggingface_hub`` throws its own away when the process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.file_download import http_get
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not exported
    WeakFileLock,
    build_hf_headers,
)

from rushes.errors import CheckpointError, DownloadError, MissingFileError, UnreachableError
from rushes.files.atomic import give_name
from rushes.files.disk import free_bytes, is_full_disk
from rushes.files.hashes import sha256_of
from rushes.files.readable import readable_bytes
from rushes.presets.catalogue import CatalogueEntry, CatalogueFile, imported, is_here
from rushes.weights.publishers import Asked, Published, explaining, find_others, find_published
from rushes.weights.records import Record, Records

_SPARE_BYTES = 1 << 28  # left free on the disk

Say = Callable[[str], None]


@dataclass(frozen=True)
class PlannedFile:
    """A file that is to be fetched: who publishes it, and where it goes."""

    entry: CatalogueEntry
    asked: Asked
    found: Published
    path: Path

    @property
    def left(self) -> int:
        """Bytes that are still to come; what an interrupted download left counts."""
        partial = _partial(self.path, self.found)
        return max(0, self.found.size - (partial.stat().st_size if partial.exists() else 0))


def download(
    entry: CatalogueEntry,
    models_dir: Path,
    *,
    offline: bool = False,
    force: bool = False,
    latest: bool = False,
    endpoint: str | None = None,
    say: Say = lambda line: None,
) -> list[Path]:
    """Fetch what is missing of an entry; return the paths of all its files.

    Options and errors are those of ``plan_downloads`` and ``fetch``.
    """
    planned = plan_downloads(
        [entry], models_dir, offline=offline, force=force, latest=latest, endpoint=endpoint
    )
    fetch(planned, models_dir, force=force, endpoint=endpoint, say=say)
    return paths_of(entry, models_dir)


def plan_downloads(
    entries: Sequence[CatalogueEntry],
    models_dir: Path,
    *,
    offline: bool = False,
    force: bool = False,
    latest: bool = False,
    endpoint: str | None = None,
) -> list[PlannedFile]:
    """Ask the publishers for all that is missing; nothing is fetched yet.

    A file that is here already stays, unless ``force``. One that was fetched before is asked for at
    the revision and with the hash of then, unless ``latest``. ``endpoint`` replaces the hub's
    address.
    Raises: MissingFileError when nobody publishes a file, or when it is missing and ``offline``;
        UnreachableError without a network; DownloadError when the disk is too small or a file is
        another one now; CheckpointError for a file of the wrong size that is in the way.
    """
    records = Records(models_dir)
    planned: list[PlannedFile] = []
    for entry in entries:
        wanted = [file for file in entry.files if force or _is_wanted(entry, file, models_dir)]
        if wanted and offline:
            _refuse_offline([entry.path(file, models_dir) for file in wanted])
        paths = [entry.path(file, models_dir) for file in wanted]
        asked = [
            Asked(file, None if latest else records.get(path))
            for file, path in zip(wanted, paths, strict=True)
        ]
        if wanted:
            published = find_published(entry, asked, endpoint)
            found = zip(asked, published, paths, strict=True)
            planned += [PlannedFile(entry, *each) for each in found]
    _refuse_full_disk(planned, models_dir)
    return planned


def fetch(
    planned: Sequence[PlannedFile],
    models_dir: Path,
    *,
    force: bool = False,
    endpoint: str | None = None,
    say: Say = lambda line: None,
) -> None:
    """Fetch files, each from the next repository that has it where one fails.

    Raises: UnreachableError, DownloadError.
    """
    if not planned:
        return
    models_dir.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(models_dir / ".downloads.lock"):
        for each in planned:
            if force or _is_wanted(each.entry, each.asked.file, models_dir):  # else it came by now
                _fetch_from_any(each, Records(models_dir), endpoint, say)


def paths_of(entry: CatalogueEntry, models_dir: Path) -> list[Path]:
    """Return where the files of an entry are, as published or imported."""
    return [_present(entry.path(file, models_dir)) for file in entry.files]


def total_of(planned: Sequence[PlannedFile], models_dir: Path) -> Mapping[str, int]:
    """Return the bytes of all files, those that are still to come, and those free on the disk."""
    return {
        "size": sum(each.found.size for each in planned),
        "left": sum(each.left for each in planned),
        "free": free_bytes(models_dir),
    }


def _present(path: Path) -> Path:
    return path if path.exists() or not is_here(path) else imported(path)


def _is_wanted(entry: CatalogueEntry, file: CatalogueFile, models_dir: Path) -> bool:
    path = entry.path(file, models_dir)
    if not path.exists():
        return not is_here(path)
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise CheckpointError(
            f"{path}: has {size} bytes instead of {file.size}; give --force to fetch it again"
        )
    return False


def _refuse_offline(paths: Sequence[Path]) -> None:
    raise MissingFileError(
        f"{', '.join(map(str, paths))}: not here, and offline; download without --offline (and "
        "without HF_HUB_OFFLINE), or copy it there from another machine"
    )


def _refuse_full_disk(planned: Sequence[PlannedFile], models_dir: Path) -> None:
    needed, free = sum(each.left for each in planned), free_bytes(models_dir)
    if planned and needed + _SPARE_BYTES > free:
        what = " and ".join(dict.fromkeys(each.entry.description for each in planned))
        raise DownloadError(
            f"{models_dir}: {what} needs {readable_bytes(needed)}, but only "
            f"{readable_bytes(free)} are free there; make room or choose another --models-dir"
        )


def _fetch_from_any(planned: PlannedFile, records: Records, endpoint: str | None, say: Say) -> None:
    """Fetch a file; where its repository fails, from the others that have the same."""
    name, size = planned.asked.file.name, readable_bytes(planned.found.size)
    say(f"{name} from {planned.found.repository}, {size}")
    try:
        return _fetch(planned.asked, planned.found, planned.path, records)
    except (UnreachableError, DownloadError) as error:
        if error.__cause__ is not None and is_full_disk(error.__cause__):
            raise
        for other in find_others(planned.entry, planned.asked, planned.found, endpoint):
            say(f"warning: {error}")
            say(f"{name} from {other.repository}, {size}")
            return _fetch(planned.asked, other, planned.path, records)
        raise


def _fetch(asked: Asked, found: Published, path: Path, records: Records) -> None:
    """Append to the partial file until it is whole, then check it and give it its name."""
    partial = _partial(path, found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with explaining(found.repository, asked.file.name), partial.open("ab") as content:
        http_get(
            found.url,
            content,
            resume_size=content.tell(),
            headers=build_hf_headers(),
            expected_size=found.size,
            displayed_filename=path.name,
        )
    sha256 = sha256_of(partial)
    if found.sha256 is not None and sha256 != found.sha256:
        partial.unlink()
        raise DownloadError(
            f"{path}: what {found.repository} sent has the SHA-256 {sha256} instead of "
            f"{found.sha256} and was thrown away; try again"
        )
    give_name(partial, path)
    origin = f"{found.repository}@{found.commit}/{asked.file.name}"
    records.put(path, Record(found.size, sha256, origin))


def _partial(path: Path, found: Published) -> Path:
    """Return where the beginning of this version of a file is kept."""
    return path.with_name(f".{path.name}.{(found.sha256 or found.commit)[:12]}.part")
