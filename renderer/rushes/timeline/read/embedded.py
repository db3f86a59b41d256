"""Files embedded in a workflow 1.1: checked by their hashes, and stored under them.

Source: scope-workflow 1.1, ``embedded_assets``: filename, mime_type, size_bytes, sha256 and data
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from rushes.files.atomic import give_name
from rushes.timeline.fields import Fields
from rushes.timeline.loras import SUFFIXES
from rushes.timeline.nearby import Nearby, base_name, is_file_name

KEY = "embedded_assets"
MOST_ASSETS = 1000
_PATHS = ("original_path", "path")  # where a file lay on its author's machine
_PIECE = 2**20  # characters of base64 at a time
_LONGEST_TYPE = 100  # characters before the data of an address
_DATA_URL = re.compile(r"data:\w+/([A-Za-z0-9]{2,5})[^,]*;base64,")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def with_embedded(document: Fields, nearby: Nearby) -> Nearby:
    """Write the files of a document into the folder of assets, so that they can be found.

    Damaged ones are reported, and two of one name that no path tells apart.
    """
    found: dict[str, Path] = {}
    for entry in document.objects(KEY, most=MOST_ASSETS):
        if entry is None:
            continue
        path = _read_entry(entry, nearby)
        if path is None:
            continue
        others = (entry.data.get(key) for key in (*_PATHS, "id", "sha256"))
        names = [name for name in others if isinstance(name, str) and name]
        known = found.get(path.name)
        if known not in (None, path) and not any(entry.data.get(key) for key in _PATHS):
            entry.problems.error(entry.path_of("filename"), "is the name of two files", path.name)
        found |= {name: path for name in (path.name, *names) if name not in found}
    loras = [path.parent for path in found.values() if path.suffix.lower() in SUFFIXES]
    return replace(
        nearby, embedded=found, lora_folders=(*nearby.lora_folders, *dict.fromkeys(loras))
    )


def _read_entry(entry: Fields, nearby: Nearby) -> Path | None:
    """Keep the file of an entry, unless something is wrong with it."""
    name = entry.text("filename")
    for known in ("mime_type", *_PATHS, "id", "kind", "type"):
        entry.take(known)
    size, digest = entry.integer("size_bytes", 0), entry.text("sha256")
    data = entry.text("data")
    entry.note_unread()
    name = None if name is None else base_name(name)
    digest = digest and digest.lower().removeprefix("sha256:")
    if name is None or not is_file_name(name):
        entry.problems.error(entry.path_of("filename"), "must be the name of a file", name)
    elif digest is not None and not _SHA256.fullmatch(digest):
        entry.wrong("sha256", "64 hexadecimal digits")
    elif data is None:
        entry.problems.error(entry.path_of("data"), "is missing; export the workflow again")
    else:
        return _keep(entry, data, name, size, digest, nearby)
    return None


def warn_of_unused(document: Fields, nearby: Nearby, used: Collection[str]) -> None:
    """Warn of embedded files that nothing in a document uses; ``used`` are files by their paths."""
    places = {Path(name).absolute() for name in used}
    for path in dict.fromkeys(nearby.embedded.values()):
        if path.absolute() not in places:
            message = f"{path.name} is embedded, and nothing that is rendered here uses it"
            document.problems.warn(document.path_of(KEY), message, path.name)


def keep_data_url(fields: Fields, key: str, written: str, nearby: Nearby) -> Path | None:
    """Return the file that a ``data:`` address holds, kept as embedded ones are.

    Problems are reported; other addresses are not for here: ``is_data_url``.
    """
    match = _DATA_URL.match(_beginning(written, nearby))
    if match is None:
        message = "is a data: address that holds no base64; save its picture as a file beside this"
        fields.problems.error(fields.path_of(key), message)
        return None
    return _keep(fields, written, f"embedded.{match[1]}", None, None, nearby, key=key)


def is_data_url(written: str, nearby: Nearby) -> bool:
    """Say whether a text is a file, instead of the name of one."""
    return _beginning(written, nearby).startswith("data:")


def _beginning(written: str, nearby: Nearby) -> str:
    with _open_text(written, nearby) as text:
        return text.read(_LONGEST_TYPE)


def _keep(
    entry: Fields,
    data: str,
    name: str,
    size: int | None,
    digest: str | None,
    nearby: Nearby,
    *,
    key: str = "data",
) -> Path | None:
    """Decode a file, check it, and give it a name by its hash."""
    path = entry.path_of(key)
    if nearby.assets is None:
        entry.problems.error(path, "a document in memory cannot carry files; save it first")
        return None
    temporary = nearby.assets / f".{secrets.token_hex(8)}.part"
    try:
        nearby.assets.mkdir(parents=True, exist_ok=True)
        hashed, num_bytes = hashlib.sha256(), 0
        with temporary.open("xb") as file, _open_text(data, nearby) as text:
            for part in _decode(text):
                file.write(part)
                hashed.update(part)
                num_bytes += len(part)
        if (size not in (None, num_bytes)) or digest not in (None, hashed.hexdigest()):
            message = f"{name} is damaged: it does not match its size and hash"
            entry.problems.error(path, f"{message}; export the workflow again")
            return None
        kept = nearby.assets / hashed.hexdigest() / name
        kept.parent.mkdir(exist_ok=True)
        give_name(temporary, kept)
        return kept
    except (binascii.Error, ValueError):
        entry.problems.error(path, f"{name} is not base64; export the workflow again")
    except OSError as error:
        message = f"{name} cannot be kept in {nearby.assets}: {error.strerror}"
        entry.problems.error(path, message)
    finally:
        temporary.unlink(missing_ok=True)
    return None


def _open_text(data: str, nearby: Nearby) -> IO[str]:
    lifted = nearby.lifted.get(data)
    if lifted is None:
        return io.StringIO(data)
    return lifted.open(encoding="ascii", errors="strict")


def _decode(text: IO[str]) -> Iterator[bytes]:
    """Decode base64 in pieces; line ends and JSON's escaped slashes may stand in it."""
    rest, escape = "", ""
    is_first = True
    while piece := text.read(_PIECE):
        if is_first and piece.startswith("data:"):
            piece = piece.partition(",")[2]
        is_first = False
        piece = escape + piece
        escape = "\\" if piece.endswith("\\") else ""
        piece = piece.removesuffix("\\").replace("\\/", "/")
        rest += re.sub(r"\\[nr]|\s", "", piece)
        whole = len(rest) // 4 * 4
        yield base64.b64decode(rest[:whole], validate=True)
        rest = rest[whole:]
    yield base64.b64decode(rest + escape, validate=True)
