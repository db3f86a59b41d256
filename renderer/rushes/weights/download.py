"""Downloads of public weights: resumed where they stopped, and kept only if their hash is right.

``huggingface_hub`` speaks to the server; the partial file is ours, since the library throws its own
away when the process ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not exported
    WeakFileLock,
    build_hf_headers,
)

from rushes.errors import CheckpointError, DownloadError, MissingFileError, UnreachableError
from rushes.files.atomic import give_name
from rushes.files.disk import free_bytes, is_full_disk
from rushes.files.hashes import sha256_of
from rushes.files.publish import write_atomically
from rushes.files.readable import readable_bytes
from rushes.presets.catalogue import CatalogueEntry, CatalogueFile, imported, is_here

_NETWORK_ERRORS = (OSError, errors.HTTPError)  # type: ignore[attr-defined]  # of its HTTP library
_SPARE_BYTES = 1 << 28  # left free on the disk

Say = Callable[[str], None]


@dataclass(frozen=True)
class Published:
    """What the server says of a file; small files have no SHA-256 there."""

    repository: str
    url: str
    size: int
    sha256: str | None
    commit: str


@dataclass(frozen=True)
class Record:
    """What is known of a file that was downloaded or imported."""

    size: int
    sha256: str
    origin: str


class Records:
    """The hashes of the files in a models folder, by their paths below it."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._path = models_dir / "rushes-hashes.json"

    def get(self, path: Path) -> Record | None:
        entry = self._read().get(self._key(path))
        try:
            return None if entry is None else Record(**entry)
        except TypeError:
            return None

    def put(self, path: Path, record: Record) -> None:
        entries = self._read() | {self._key(path): asdict(record)}
        write_atomically(self._path, json.dumps(entries, indent=1, sort_keys=True).encode())

    def _key(self, path: Path) -> str:
        return os.path.relpath(path, self._models_dir)

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}


def download(
    entry: CatalogueEntry,
    models_dir: Path,
    *,
    offline: bool = False,
    force: bool = False,
    endpoint: str | None = None,
    say: Say = lambda line: None,
) -> list[Path]:
    """Fetch what is missing of an entry; return the paths of all its files.

    A file that is here already stays, unless ``force``. ``endpoint`` replaces the hub's address.

    Raises: UnreachableError without a network; MissingFileError when nobody publishes the file, or
        when it is missing and ``offline``; DownloadError when the disk is too small or the content
        is not what was published; CheckpointError for a file of the wrong size that is in the way.
    """
    wanted = [file for file in entry.files if force or _is_wanted(entry, file, models_dir)]
    if wanted and offline:
        names = ", ".join(str(entry.path(file, models_dir)) for file in wanted)
        raise MissingFileError(
            f"{names}: not here, and offline; download without --offline (and without "
            "HF_HUB_OFFLINE), or copy it there from another machine"
        )
    if wanted:
        published = _look_up(entry, wanted, endpoint)
        _refuse_full_disk(entry, wanted, published, models_dir)
        models_dir.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(models_dir / ".downloads.lock"):
            for file, found in zip(wanted, published, strict=True):
                if force or _is_wanted(entry, file, models_dir):  # else another process was faster
                    say(f"{file.name} from {found.repository}, {readable_bytes(found.size)}")
                    _fetch(file, found, entry.path(file, models_dir), Records(models_dir))
    return [_present(entry.path(file, models_dir)) for file in entry.files]


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


def _look_up(
    entry: CatalogueEntry, files: list[CatalogueFile], endpoint: str | None
) -> list[Published]:
    """Ask the repositories in turn for all of the files."""
    for repository in entry.repositories:
        try:
            return [_ask(repository, file, endpoint) for file in files]
        except (errors.RepositoryNotFoundError, errors.EntryNotFoundError):
            continue
    raise MissingFileError(
        f"{', '.join(file.name for file in files)}: not published (any more) in "
        f"{' or '.join(entry.repositories)}; fetch it elsewhere and put it below {entry.folder}/, "
        "or set HF_TOKEN if the repository is not public"
    )


def _ask(repository: str, file: CatalogueFile, endpoint: str | None) -> Published:
    url = hf_hub_url(repository, file.name, endpoint=endpoint)
    with _explaining(repository, file.name):
        found = get_hf_file_metadata(url, endpoint=endpoint)
    etag = found.etag or ""
    sha256 = etag if len(etag) == 64 else None  # a git hash where the file is small
    if file.sha256 and sha256 and file.sha256 != sha256:
        raise DownloadError(
            f"{repository}: {file.name} is another file now (SHA-256 {sha256}, known is "
            f"{file.sha256}); update Rushes, or fetch it yourself if you trust it"
        )
    size = found.size if found.size is not None else file.size
    if size is None or found.commit_hash is None:
        raise UnreachableError(f"{url}: the answer lacks size or commit; is it the hub's address?")
    return Published(repository, url, size, file.sha256 or sha256, found.commit_hash)


def _refuse_full_disk(
    entry: CatalogueEntry,
    wanted: list[CatalogueFile],
    published: list[Published],
    models_dir: Path,
) -> None:
    needed = sum(
        found.size - _size_of(_partial(entry.path(file, models_dir), found))
        for file, found in zip(wanted, published, strict=True)
    )
    free = free_bytes(models_dir)
    if needed + _SPARE_BYTES > free:
        raise DownloadError(
            f"{models_dir}: {entry.description} needs {readable_bytes(needed)}, but only "
            f"{readable_bytes(free)} are free there; make room or choose another --models-dir"
        )


def _fetch(file: CatalogueFile, found: Published, path: Path, records: Records) -> None:
    """Append to the partial file until it is whole, then check it and give it its name."""
    partial = _partial(path, found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _explaining(found.repository, file.name), partial.open("ab") as content:
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
    origin = f"{found.repository}@{found.commit}/{file.name}"
    records.put(path, Record(found.size, sha256, origin))


def _partial(path: Path, found: Published) -> Path:
    """Return where the beginning of this version of a file is kept."""
    return path.with_name(f".{path.name}.{(found.sha256 or found.commit)[:12]}.part")


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _explaining(repository: str, name: str) -> Iterator[None]:
    """Turn the library's errors into ours; a partial file stays for the next try."""
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError):
        raise
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no"
        raise UnreachableError(
            f"{repository}: {name}: the server answered with status {status}; try again later, "
            "what has arrived is kept"
        ) from error
    except _NETWORK_ERRORS as error:
        if is_full_disk(error):
            raise DownloadError(
                f"{repository}: {name}: the disk is full; make room or choose another "
                "--models-dir, and try again: what has arrived is kept"
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreachableError(
            f"{repository}: {name}: cannot be fetched ({reason}); look at the network and try "
            "again, what has arrived is kept; or copy the file from another machine"
        ) from error
