"""Jobs from a document in memory: it gets a file for as long as it is being handed in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rushes.shots.asked import AskedFor
from rushes.shots.shot import Shot


@contextmanager
def with_files(asked: AskedFor) -> Iterator[list[Shot]]:
    """Yield shots whose timelines are in files."""
    content = asked.document.content
    if content is None:
        yield asked.shots
        return
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        file = Path(folder) / asked.document.file.name
        file.write_bytes(content)
        yield [replace(shot, kept_at=file) for shot in asked.shots]
