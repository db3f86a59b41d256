"""Room and limits of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rushes.files.disk import free_bytes
from rushes_queue.doctor.finding import Check, Finding, fault, ok, warning
from rushes_queue.settings.loaded import LoadedSettings

_GB = 1e9
_TIGHT, _TOO_TIGHT = 20 * _GB, 2 * _GB  # save points of the large preset are gigabytes
_MEMORY_TIGHT = 8 * 2**30
_FILES = 1024


def check_room(loaded: LoadedSettings) -> Iterator[Finding]:
    """Check that the folders are writable and have room."""
    settings = loaded.settings
    for name in ("work_dir", "cache_dir", "state_dir"):
        folder: Path = getattr(settings, name)
        variable = f"RUSHES_{name.upper()}"
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        free = free_bytes(folder)
        detail = f"{folder}: {free / _GB:,.0f} GB free"
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            yield fault(name, f"{folder} cannot be written to", f"chown it, or set {variable}")
        elif free < _TOO_TIGHT:
            yield fault(name, detail, f"make room, or set {variable} to another disk")
        elif free < _TIGHT:
            yield warning(name, detail, f"make room, or set {variable} to another disk")
        else:
            yield ok(name, detail)


def check_memory(_: LoadedSettings) -> Iterator[Finding]:
    """Compare the memory of the machine, or of its container, with what loading weights needs."""
    if sys.platform != "linux":
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    place = "the machine has"
    if text.isdecimal() and int(text) < total:
        total, place = int(text), "the container may use"
    detail = f"{place} {total / 2**30:.1f} GiB"
    if total < _MEMORY_TIGHT:
        yield warning("memory", detail, "weights of 1.3 billion parameters need 16 GiB")
    else:
        yield ok("memory", detail)


def check_open_files(_: LoadedSettings) -> Iterator[Finding]:
    if os.name != "posix":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _FILES and soft != resource.RLIM_INFINITY:
        yield warning("open files", f"at most {soft}", f"ulimit -n {min(_FILES, hard)}")
    else:
        yield ok("open files", f"at most {soft}")


CHECKS: tuple[Check, ...] = (check_room, check_memory, check_open_files)
