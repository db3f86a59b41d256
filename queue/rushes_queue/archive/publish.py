"""Publishes a result in the storage: once and whole, whichever worker rendered it.

The files of an attempt have names that no other attempt uses. Then one object, ``result.json``, is
created; only the first attempt to create it succeeds, and the files that it names are the result.
So a worker that was taken for dead and comes back can neither publish a second time nor damage the
result.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import RushesError
from rushes.files.hashes import sha256_of
from rushes.rendering.request import RenderRequest
from rushes_queue.archive.prune import JOBS
from rushes_queue.archive.result_names import result_key
from rushes_queue.jobs.document import JobDocument, canonical_json
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.storage.storage import Storage

logger = logging.getLogger(__name__)

RESULT, NAME = "result.json", "name.json"
_LARGEST_RESULT = 64 * 2**20  # bytes: a PNG sequence has one line for each picture


@dataclass(frozen=True)
class Attempted:
    """The attempt that made the files."""

    number: int
    fence: int
    worker: str


def published(storage: Storage, job: str) -> dict[str, Any] | None:
    """Return the published result of a job, if any, even if its record does not say so yet.

    What is not a result, as somebody may have damaged it, counts as none.
    """
    try:
        result = json.loads(storage.get_bytes(f"{JOBS}/{job}/{RESULT}", _LARGEST_RESULT))
    except (MissingKeyError, ValueError, RecursionError):
        return None
    is_result = (
        isinstance(result, dict)
        and isinstance(result.get("output"), str)
        and isinstance(result.get("files", {}), dict)
    )
    return result if is_result else None


def publish(
    storage: Storage,
    document: JobDocument,
    attempt: Attempted,
    request: RenderRequest,
    manifest: dict[str, Any],
    template: str,
) -> dict[str, Any]:
    """Store the files of a render and publish them; return the job's result.

    If an earlier attempt has published one, that is returned, and these files are removed.
    Raises: what the storage raises; nothing is published then.
    """
    plain = _plain_name(document, template)
    base = _own_name(storage, document, attempt, plain)
    files = _store(storage, dict(_files(request, base)))
    extension = request.output.suffix
    result = {
        "output": base if extension == ".png" else f"{base}{extension}",
        "manifest": f"{base}{extension}.json",
        "contact_sheet": f"{base}{extension}.png",
        "files": files,
        "frames_sha256": manifest["frames_sha256"],
        "num_frames": manifest["num_frames"],
        "seconds": round(manifest["timings"]["total"], 3),
        "attempt": attempt.number,
        "worker": attempt.worker,
    }
    key = f"{JOBS}/{document.id}/{RESULT}"
    if storage.put_bytes(key, canonical_json(result), if_absent=True):
        if base != plain:
            _remove_others(storage, plain, files)
        return result
    before = published(storage, document.id)
    if before is None:  # somebody damaged it
        storage.put_bytes(key, canonical_json(result))
        return result
    if before != result:
        logger.info("job %s: is published already; removing this copy", document.id)
        for unneeded in files.keys() - before.get("files", {}).keys():
            storage.delete(unneeded)
    return before


def _store(storage: Storage, files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Store files by their keys, all or none; return the size and hash of each."""
    described = {}
    try:
        for key, path in files.items():
            described[key] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
            storage.put_file(key, path)
    except (RushesError, OSError):
        for key in described:
            with suppress(RushesError):
                storage.delete(key)
        raise
    return described


def _remove_others(storage: Storage, plain: str, files: Collection[str]) -> None:
    """Remove the files of earlier attempts whose workers died before they could publish."""
    try:
        for entry in list(storage.list(plain.rpartition("/")[0])):
            if entry.key.startswith(plain) and entry.key not in files:
                storage.delete(entry.key)
    except RushesError as error:
        logger.warning("%s: files of earlier attempts could not be removed: %s", plain, error)


def describe(manifest: dict[str, Any], document: JobDocument, attempt: Attempted) -> dict[str, Any]:
    """Return a manifest with the user's file names, and with the job."""
    names = {
        "timeline": document.timeline.name,
        "input": document.input and document.input.name,
        "audio": document.audio.name if document.audio else manifest["request"]["audio"],
        "output": Path(manifest["request"]["output"]).name,
    }
    job = {
        "id": document.id,
        "attempt": attempt.number,
        "worker": attempt.worker,
        "submitted_with": document.submitter.version,
        "tags": list(document.tags),
    }
    return manifest | {"request": manifest["request"] | names, "job": job}


def _plain_name(document: JobDocument, template: str) -> str:
    """Return the name of a job's result, without extension; no other job's name starts with it."""
    return result_key(
        template,
        created_at=document.created_at,
        timeline=document.name,
        seed=document.seed,
        job=document.id,
        preset=document.preset,
        tag=document.tags[0] if document.tags else "",
    )


def _own_name(storage: Storage, document: JobDocument, attempt: Attempted, plain: str) -> str:
    """Return a name that no other attempt of any job has: the plain one for the first."""
    key = f"{JOBS}/{document.id}/{NAME}"
    own = canonical_json({"fence": attempt.fence})
    if storage.put_bytes(key, own, if_absent=True) or storage.get_bytes(key) == own:
        return plain
    return f"{plain}-{attempt.fence}"


def _files(request: RenderRequest, base: str) -> Iterator[tuple[str, Path]]:
    extension = request.output.suffix
    if extension == ".png":
        folder = request.output.with_suffix("")
        yield from ((f"{base}/{path.name}", path) for path in sorted(folder.iterdir()))
    else:
        yield f"{base}{extension}", request.output
    yield f"{base}{extension}.png", request.sheet_path
    yield f"{base}{extension}.json", request.manifest_path
