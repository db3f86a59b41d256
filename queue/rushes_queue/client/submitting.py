"""What programs ask for, made into shots and options of jobs, and given files."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.shots.asked import AskedFor, make_shots
from rushes.shots.shot import Shot
from rushes.shots.sources import Source
from rushes.shots.values import RenderValues
from rushes_queue.jobs.job_options import JobOptions, make_job_options


def ask_for_shots(
    source: Source,
    preset: str | None,
    folders: Folders,
    options: RenderValues,
    *,
    video: Path | str | None,
    output: Path | str | None,
    takes: int | None,
    seeds: Sequence[int] | None,
    choose: Callable[[str | None], str] | None = None,
) -> AskedFor:
    """Read and plan a timeline for a job of each take or seed, as ``shots.asked.make_shots``.

    Raises: ConfigError for what only a render here can be asked, and for no takes; what
        ``make_shots`` raises.
    """
    if options.get("device", "auto") != "auto":
        raise ConfigError("device: a worker computes where it runs; leave it out")
    if seeds is not None and (takes is not None or options.get("seed") is not None):
        raise ConfigError("seeds: stands alone, without seed and takes")
    if (takes is not None and takes < 1) or (seeds is not None and not seeds):
        raise ConfigError("takes, seeds: nothing is asked for; ask for one or more")
    return make_shots(
        *(source, preset, folders, options),
        video=video,
        output=output,
        takes=takes,
        seeds=seeds,
        choose=choose,
    )


def job_options(new: bool, **values: Any) -> JobOptions:
    """Check the options of a job beside its picture; ``new`` makes an equal job another one.

    Raises: ConfigError.
    """
    return make_job_options(**values, nonce=secrets.token_hex(16) if new else None)


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
