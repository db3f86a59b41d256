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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from rushes.files.atomic import give_name
from rushes.timeline.fields import Fields
from rushes.timeline.loras import SUFFIXES
from rushes.timeline.nearby import Nearby, base_name, is_file_name

KEY = "embedded_assets"
MOST_ASSETS = 1000
_PIECE = 2**20  # characters of base64 at a time
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def with_embedded(document: Fields, nearby: Nearby) -> Nearby:
    """Write the files of a document into the folder of assets, so that they can be found.

    Damaged ones, and two of one name, are reported.
    """
    entries = document.objects(KEY, most=MOST_ASSETS)
    found: dict[str, Path] = {}
    for entry in entries:
        if entry is None:
            continue
        name = entry.text("filename")
        for known in ("mime_type", "original_path", "id", "kind", "type"):
            entry.take(known)
        size, digest = entry.integer("size_bytes", 0), entry.text("sha256")
        data = entry.text("data")
        entry.note_unread()
        name = None if name is None else base_name(name)
        if name is None or not is_file_name(name):
            entry.problems.error(entry.path_of("filename"), "must be the name of a file", name)
        elif name in found:
            entry.problems.error(entry.path_of("filename"), "is the name of two files", name)
        elif digest is not None and not _SHA256.fullmatch(digest):
            entry.wrong("sha256", "64 hexadecimal digits")
        elif data is None:
            entry.problems.error(entry.path_of("data"), "is missing; export the workflow again")
        else:
            path = _keep(entry, data, name, size, digest and digest.lower(), nearby)
            if path is not None:
                found[name] = path
    loras = [path.parent for name, path in found.items() if Path(name).suffix.lower() in SUFFIXES]
    return replace(nearby, embedded=found, lora_folders=(*nearby.lora_folders, *loras))


def _keep(
    entry: Fields, data: str, name: str, size: int | None, digest: str | None, nearby: Nearby
) -> Path | None:
    """Decode a file, check it, and give it a name by its hash."""
    path = entry.path_of("data")
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
