"""The progress of a render: a bar on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from rushes.text import printable, shortened
from rushes_queue.cli.show.console import is_line_due, say
from rushes_queue.cli.show.job_view import shown_speed

if TYPE_CHECKING:
    from rushes.rendering.loop import Progress as RenderProgress

_PROMPT_WIDTH = 48
_BAR_WIDTH = 20


class _PromptColumn(ProgressColumn):
    """The prompt, shortened to the room there is."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["prompt"], no_wrap=True, overflow="ellipsis")


class ProgressDisplay:
    """Shows the progress of one render on stderr; call it with each report."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._last_line = (time.monotonic(), 0.0)  # when, and at which share

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.fields[where]}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=_BAR_WIDTH),
                TextColumn("{task.fields[speed]}", table_column=Column(no_wrap=True)),
                _PromptColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, where="loading", speed="", prompt="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: RenderProgress) -> None:
        speed = shown_speed(progress.frames_per_second, progress.seconds_left)
        prompt = shortened(printable(progress.prompt), _PROMPT_WIDTH)
        if self._bar is not None:
            self._bar.update(
                self._task,
                total=progress.num_frames,
                completed=progress.frame,
                where=where(progress),
                speed=speed,
                prompt=prompt,
            )
        elif self._is_line_due(progress.frame / progress.num_frames):
            say(f"{where(progress)}, {speed}: {prompt}")

    def _is_line_due(self, share: float) -> bool:
        now = time.monotonic()
        when, at = self._last_line
        if is_due := is_line_due(now - when, share - at):
            self._last_line = (now, share)
        return is_due


def where(progress: RenderProgress) -> str:
    """Return the place in chunks and frames."""
    return (
        f"chunk {progress.chunk}/{progress.num_chunks}, "
        f"frame {progress.frame}/{progress.num_frames}"
    )
