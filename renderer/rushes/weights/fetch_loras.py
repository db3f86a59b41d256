"""LoRAs fetched from where a workflow says that they came from: Hugging Face and civitai.

Tokens come from the caller and go to the host that they are for only.
Source: huggingface.co/docs/hub/api; developer.civitai.com (REST API, model-versions, models)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from rushes.errors import DownloadError, MissingFileError, UnreachableError
from rushes.files.atomic import give_name
from rushes.files.publish import make_folder
from rushes.timeline.loras import SUFFIXES, LoraSource

HUGGING_FACE, CIVITAI = "https://huggingface.co", "https://civitai.com"
LARGEST_BYTES = 32 * 2**30
_SECONDS = 60
_PIECE = 2**20
_PART, _ALREADY_WHOLE = 206, 416  # of HTTP (RFC 9110, sections 15.3.7 and 15.5.17)


@dataclass(frozen=True)
class Hosts:
    """Where to ask, and with which tokens."""

    hugging_face: str = HUGGING_FACE
    civitai: str = CIVITAI
    hugging_face_token: str | None = None
    civitai_token: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A LoRA that is here now; ``licence`` is None where its source gives none."""

    path: Path
    sha256: str
    licence: str | None
    origin: str


@dataclass(frozen=True)
class _Place:
    url: str
    token: str | None
    licence: str | None
    sha256: str | None
    origin: str


def fetch_lora(source: LoraSource, folder: Path, hosts: Hosts) -> Fetched:
    """Download a LoRA into a folder under the name that the document gives it.

    The file appears once its hash is right: that of the document, and the publisher's. What came
    of a broken download is kept hidden beside it, and the next call goes on from there.
    Raises: MissingFileError when the document does not say where it is, or nobody publishes it;
        DownloadError for another content; UnreachableError without a network.
    """
    if Path(source.name).suffix.lower() not in SUFFIXES:
        raise MissingFileError(f"{source.name}: is not the name of a LoRA file")
    with _client() as client:
        place = _place(source, hosts, client)
        path = make_folder(folder) / source.name
        wanted = {"the document": source.sha256, place.origin: place.sha256}
        known = {whose: text.lower() for whose, text in wanted.items() if text is not None}
        partial = _partial(path, place.url)
        digest = _download(client, place, source.name, partial, may_resume=bool(known))
    for whose, expected in known.items():
        if expected != digest:
            partial.unlink()
            raise DownloadError(
                f"{source.name}: {place.url} is another file than {whose} tells of: its SHA-256 is "
                f"{digest}, not {expected}"
            )
    give_name(partial, path)
    return Fetched(path, digest, place.licence, place.origin)


def _place(source: LoraSource, hosts: Hosts, client: httpx2.Client) -> _Place:
    told = source.provenance
    kind = told.get("source", "")
    if kind == "huggingface" and "repo_id" in told:
        return _on_hugging_face(
            told["repo_id"], told.get("hf_filename", source.name), hosts, client
        )
    if kind == "civitai" and "version_id" in told:
        return _on_civitai(told["version_id"], source, hosts, client)
    url = told.get("url", "")
    if kind != "local" and urlsplit(url).scheme == "https":
        return _Place(url, _token_for(url, hosts), None, None, url)
    raise MissingFileError(
        f"{source.name}: the file does not say where it can be fetched "
        f"({kind or 'no provenance'}); ask its author for it"
    )


def _on_hugging_face(repository: str, name: str, hosts: Hosts, client: httpx2.Client) -> _Place:
    base, token = hosts.hugging_face, hosts.hugging_face_token
    card = _json(client, f"{base}/api/models/{quote(repository)}?blobs=true", token, repository)
    data = card.get("cardData")
    licence = data.get("license") if isinstance(data, dict) else None
    url = f"{base}/{quote(repository)}/resolve/main/{quote(name)}"
    return _Place(url, token, _text(licence), _blob_hash(card, name), f"{base}/{repository}")


def _blob_hash(card: dict[str, Any], name: str) -> str | None:
    """Return the SHA-256 that Hugging Face gives for a large file of a repository."""
    files = card.get("siblings")
    for file in files if isinstance(files, list) else ():
        if isinstance(file, dict) and file.get("rfilename") == name:
            blob = file.get("lfs")
            return _text(blob.get("sha256")) if isinstance(blob, dict) else None
    return None


def _on_civitai(version: str, source: LoraSource, hosts: Hosts, client: httpx2.Client) -> _Place:
    base, token = hosts.civitai, hosts.civitai_token
    found = _json(client, f"{base}/api/v1/model-versions/{quote(version)}", token, source.name)
    files = [each for each in found.get("files") or () if isinstance(each, dict)]
    named = [each for each in files if each.get("name") == source.name]
    hashes = (named or files or [{}])[0].get("hashes")
    sha256 = hashes.get("SHA256") if isinstance(hashes, dict) else None
    if source.sha256 is not None:
        sha256 = None  # of several files the document's own hash decides
    licence = None
    if (model := found.get("modelId")) is not None:
        terms = _json(client, f"{base}/api/v1/models/{quote(str(model))}", token, source.name)
        allowed = terms.get("allowCommercialUse")
        if allowed is not None:
            words = ", ".join(map(str, allowed)) if isinstance(allowed, list) else str(allowed)
            licence = f"civitai; commercial use: {words or 'None'}"
    url = f"{base}/api/download/models/{quote(version)}"
    return _Place(url, token, licence, _text(sha256), f"{base}/models?modelVersionId={version}")


def _token_for(url: str, hosts: Hosts) -> str | None:
    host = urlsplit(url).netloc
    for base, token in (
        (hosts.hugging_face, hosts.hugging_face_token),
        (hosts.civitai, hosts.civitai_token),
    ):
        if urlsplit(base).netloc == host:
            return token
    return None


@contextmanager
def _client() -> Iterator[httpx2.Client]:
    # Redirects to another host go without the token: the library drops it there.
    with httpx2.Client(timeout=_SECONDS, follow_redirects=True) as client:
        yield client


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _json(client: httpx2.Client, url: str, token: str | None, what: str) -> dict[str, Any]:
    with _explained(url):
        response = client.get(url, headers=_headers(token))
    _refuse_status(response.status_code, url, what)
    try:
        answer = response.json()
    except ValueError as error:
        raise DownloadError(f"{url}: its answer about {what} is not JSON") from error
    return answer if isinstance(answer, dict) else {}


def _partial(path: Path, url: str) -> Path:
    """Return where what came so far of a file is kept: hidden, beside it, by its address."""
    return path.with_name(f".{path.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")


def _download(
    client: httpx2.Client, place: _Place, name: str, partial: Path, *, may_resume: bool
) -> str:
    """Append to what came before, where a hash will tell whether it fits; return the SHA-256."""
    if not may_resume:
        partial.unlink(missing_ok=True)
    digest, num_bytes = _hash_so_far(partial)
    headers = _headers(place.token) | ({"Range": f"bytes={num_bytes}-"} if num_bytes else {})
    with (
        _explained(place.url),
        client.stream("GET", place.url, headers=headers) as response,
        partial.open("ab") as file,
    ):
        if num_bytes and response.status_code == _ALREADY_WHOLE:
            return digest.hexdigest()
        _refuse_status(response.status_code, place.url, name)
        if response.status_code != _PART:  # the host sends all of it
            file.truncate(0)
            digest, num_bytes = hashlib.sha256(), 0
        for piece in response.iter_bytes():
            num_bytes += len(piece)
            if num_bytes > LARGEST_BYTES:
                raise DownloadError(f"{name}: {place.url} is too large for a LoRA")
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _hash_so_far(partial: Path) -> tuple[hashlib._Hash, int]:
    digest, num_bytes = hashlib.sha256(), 0
    if partial.exists():
        with partial.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                num_bytes += len(piece)
    return digest, num_bytes


def _refuse_status(status: int, url: str, what: str) -> None:
    if status in (401, 403):
        raise DownloadError(
            f"{what}: {url} wants a token; set HF_TOKEN or CIVITAI_TOKEN, and accept its terms"
        )
    if status == 404:
        raise MissingFileError(f"{what}: {url} does not have it (any more)")
    if status >= 400:
        raise UnreachableError(f"{what}: {url} answers {status}; try again later")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UnreachableError(f"{url}: cannot be reached ({error}); check the network") from error


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
