"""What programs ask for, made into shots and options of jobs, and given files."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from rushes_queue.jobs.queue_names import GpuClass, Priority


class SubmitValues(RenderValues, total=False):
    """The options of ``rushes submit``; of ``output`` only the extension counts."""

    input: Path | str | None
    output: Path | str | None
    preset: str | None
    takes: int | None
    seeds: Sequence[int] | None
    priority: Priority
    tags: Sequence[str]
    after: Sequence[str]
    gpu_class: GpuClass
    notify: Sequence[str]
    new: bool
    folders: Folders | None


_OF_RENDERS = frozenset(RenderValues.__annotations__)
_OF_JOBS = frozenset(SubmitValues.__annotations__) - _OF_RENDERS


def ask_for_shots(
    source: Source,
    asked: SubmitValues,
    folders: Folders,
    choose: Callable[[str | None], str] | None = None,
) -> AskedFor:
    """Read and plan a timeline for a job of each take or seed, as ``shots.asked.make_shots``.

    ``folders`` are those of this machine, for what is asked without any.
    Raises: ConfigError for what only a render here can be asked, and for no takes; what
        ``make_shots`` raises.
    """
    takes, seeds = asked.get("takes"), asked.get("seeds")
    if asked.get("device", "auto") != "auto":
        raise ConfigError("device: a worker computes where it runs; leave it out")
    if seeds is not None and (takes is not None or asked.get("seed") is not None):
        raise ConfigError("seeds: stands alone, without seed and takes")
    if (takes is not None and takes < 1) or (seeds is not None and not seeds):
        raise ConfigError("takes, seeds: nothing is asked for; ask for one or more")
    options: Any = {name: value for name, value in asked.items() if name not in _OF_JOBS}
    return make_shots(
        *(source, asked.get("preset"), asked.get("folders") or folders, options),
        video=asked.get("input"),
        output=asked.get("output"),
        takes=takes,
        seeds=seeds,
        choose=choose,
    )


def job_options(asked: SubmitValues, after: Iterable[str]) -> JobOptions:
    """Check the options of a job beside its picture; ``after`` are whole ids.

    Raises: ConfigError.
    """
    return make_job_options(
        priority=asked.get("priority", "normal"),
        tags=tuple(asked.get("tags", ())),
        after=tuple(after),
        gpu_class=asked.get("gpu_class", "any"),
        notify=tuple(asked.get("notify", ())),
        nonce=secrets.token_hex(16) if asked.get("new") else None,  # makes it another job
    )


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
