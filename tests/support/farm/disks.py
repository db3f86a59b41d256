"""Small disks for tests, to be filled and made read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave no room."""
        # Unbuffered: what a buffer still held would fail once more when the file is closed.
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / "ballast").unlink()

    def grow(self, mebibytes: int) -> None:
        """Make the disk larger."""
        _mount("-o", f"remount,size={mebibytes}m", str(self.folder))

    def refuse_writes(self) -> None:
        # While a file is open to be written, it may not be done.
        for _ in range(2000):
            if not _mount("-o", "remount,ro", str(self.folder)):
                return
        raise AssertionError(f"{self.folder} is written to all the time")

    def accept_writes(self) -> None:
        _mount("-o", "remount,rw", str(self.folder))


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[SmallDisk]:
    """Mount a disk of this size; skips the test where that may not be done."""
    folder.mkdir(parents=True, exist_ok=True)
    if _mount("-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)):
        pytest.skip("may not mount a file system here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode
