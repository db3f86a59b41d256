"""Asking the repositories of a file in turn: who has it, how large it is, and is it the one meant.

``huggingface_hub`` speaks to the servers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

from rushes.errors import DownloadError, MissingFileError, RushesError, UnreachableError
from rushes.files.disk import is_full_disk
from rushes.presets.catalogue import CatalogueEntry, CatalogueFile
from rushes.weights.records import Record

_NETWORK_ERRORS = (OSError, errors.HTTPError)  # type: ignore[attr-defined]  # of its HTTP library
_ABSENT = (errors.RepositoryNotFoundError, errors.EntryNotFoundError)
_NEWEST = "main"


@dataclass(frozen=True)
class Published:
    """What the server says of a file; small files have no SHA-256 there.

    ``is_pinned`` says that the hash was known before: from the catalogue, or an earlier download.
    """

    repository: str
    url: str
    size: int
    sha256: str | None
    commit: str
    is_pinned: bool


@dataclass(frozen=True)
class Asked:
    """A file that is to be fetched, and what is known of it from an earlier download."""

    file: CatalogueFile
    record: Record | None = None

    @property
    def sha256(self) -> str | None:
        """The hash that it must have."""
        return self.file.sha256 or (self.record.sha256 if self.record else None)


def find_published(
    entry: CatalogueEntry, wanted: Sequence[Asked], endpoint: str | None
) -> list[Published]:
    """Return all of the files, from the first repository that has them as they should be.

    Raises: DownloadError when they are other files now; UnreachableError when a repository could
        not be asked; MissingFileError when nobody has them.
    """
    faults: list[RushesError] = []
    for repository in entry.repositories:
        try:
            return [ask(repository, asked, endpoint) for asked in wanted]
        except _ABSENT:
            continue
        except (DownloadError, UnreachableError) as error:
            faults.append(error)
    raise _worst(faults) or MissingFileError(
        f"{', '.join(asked.file.name for asked in wanted)}: not published (any more) in "
        f"{' or '.join(entry.repositories)}; fetch it elsewhere and put it below {entry.folder}/, "
        "or set HF_TOKEN if the repository is not public"
    )


def find_others(
    entry: CatalogueEntry, asked: Asked, first: Published, endpoint: str | None
) -> Iterator[Published]:
    """Yield the same file from the other repositories; those that cannot be asked are left out."""
    for repository in entry.repositories:
        if repository == first.repository:
            continue
        try:
            found = ask(repository, asked, endpoint)
        except (*_ABSENT, DownloadError, UnreachableError):
            continue
        if first.sha256 in (None, found.sha256):
            yield found


def ask(repository: str, asked: Asked, endpoint: str | None) -> Published:
    """Ask one repository for a file, at the revision that an earlier download took it from.

    Raises: DownloadError when it is another file now; UnreachableError; what the library raises
        for a repository or file that is not there.
    """
    name = asked.file.name
    revision = asked.record.revision_of(repository) if asked.record else None
    with explaining(repository, name):
        try:
            url = hf_hub_url(repository, name, revision=revision or _NEWEST, endpoint=endpoint)
            found = get_hf_file_metadata(url, endpoint=endpoint)
        except errors.RevisionNotFoundError:
            url = hf_hub_url(repository, name, revision=_NEWEST, endpoint=endpoint)
            found = get_hf_file_metadata(url, endpoint=endpoint)
    etag = found.etag or ""
    sha256 = etag if len(etag) == 64 else None  # a git hash where the file is small
    if asked.sha256 and sha256 and asked.sha256 != sha256:
        known = "known is" if asked.file.sha256 else "the one fetched before had"
        cure = "update Rushes" if asked.file.sha256 else "--latest takes it"
        raise DownloadError(
            f"{repository}: {name} is another file now (SHA-256 {sha256}, {known} "
            f"{asked.sha256}); {cure}, or fetch it yourself if you trust it"
        )
    size = found.size if found.size is not None else asked.file.size
    if size is None or found.commit_hash is None:
        raise UnreachableError(f"{url}: the answer lacks size or commit; is it the hub's address?")
    return Published(
        *(repository, url, size, asked.sha256 or sha256, found.commit_hash),
        is_pinned=asked.sha256 is not None,
    )


@contextmanager
def explaining(repository: str, name: str) -> Iterator[None]:
    """Turn the library's errors into ours; a partial file stays for the next try."""
    try:
        yield
    except (*_ABSENT, errors.RevisionNotFoundError):
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


def _worst(faults: Sequence[RushesError]) -> RushesError | None:
    """Return one error for what several repositories said: another file weighs most."""
    if not faults:
        return None
    kind = DownloadError if any(isinstance(each, DownloadError) for each in faults) else None
    return (kind or UnreachableError)("; ".join(map(str, faults)))
