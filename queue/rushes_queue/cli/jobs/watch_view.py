"""What a watcher sees: a live table on a terminal, else a line now and then, or JSON Lines."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rushes.text import printable, shortened
from rushes_queue.cli.show.console import is_line_due, print_json, say
from rushes_queue.cli.show.job_view import (
    SHORT_ID,
    clock,
    share_done,
    shown_name,
    shown_progress,
    shown_reason,
    shown_state,
    state_style,
)
from rushes_queue.cli.show.table import Steps, fit_columns
from rushes_queue.client.watch import ChangedRecords
from rushes_queue.jobs.public_json import SCHEMA_VERSION, seconds_left, to_json
from rushes_queue.jobs.states import FINISHED, State

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table

    from rushes_queue.jobs.record import JobRecord

_LONGEST_PROMPT, _LONGEST_WORKER, _LONGEST_NAME = 40, 24, 24
_BAR_WIDTH = 20
_HEADER = ("job", "name", "state", "", "chunk", "fps", "left", "worker", "prompt")
_GIVES_WAY: Steps = (
    *(("prompt", 16), ("worker", 8), ("name", 12), ("", 8), ("prompt", 0), ("worker", 0)),
    *(("", 4), ("name", 6), ("", 0), ("state", 8), ("name", 0)),
)
_LINES_AROUND_TABLE = 4
# Which jobs get a line on a small screen: first those that run, then those that need attention.
_ORDER = (State.RUNNING, State.FAILED, State.QUARANTINED, State.PAUSED, State.QUEUED)


class View(ABC):
    """Shows jobs again and again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @abstractmethod
    def show(self, records: Sequence[JobRecord], is_there: bool) -> None:
        """Show all jobs as they are now; unless ``is_there``, the broker is away."""

    def end(self, code: int) -> None:
        """Say how it ended."""
        return None


class JsonLines(View):
    """One JSON object on stdout for each change of a job, and one at the end."""

    def __init__(self) -> None:
        self._changed = ChangedRecords()

    def show(self, records: Sequence[JobRecord], is_there: bool) -> None:
        for record in self._changed.of(records):
            print_json({"schema_version": SCHEMA_VERSION, "kind": "job"} | to_json(record))

    def end(self, code: int) -> None:
        print_json({"schema_version": SCHEMA_VERSION, "kind": "end", "exit_code": code})


class PlainLines(View):
    """A line on stderr for each change of state, and for each tenth of a job or half minute."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, float, float]] = {}  # state, share, when
        self._is_there = True

    def show(self, records: Sequence[JobRecord], is_there: bool) -> None:
        if is_there != self._is_there:
            self._is_there = is_there
            say("the broker is back" if is_there else "the broker is away; waiting for it")
        for record in records:
            if self._is_due(record):
                say(describe(record))

    def _is_due(self, record: JobRecord) -> bool:
        now, state, share = time.monotonic(), shown_state(record), share_done(record)
        before = self._shown.get(record.id)
        if before is not None and state == before[0]:
            is_due = is_line_due(now - before[2], share - before[1])
            if record.state is not State.RUNNING or not is_due:
                return False
        self._shown[record.id] = (state, share, now)
        return True


def describe(record: JobRecord) -> str:
    """Return one line about a job."""
    parts = [f"{record.id[:SHORT_ID]}  {shown_name(record)}: {shown_state(record)}"]
    if record.state is State.RUNNING:
        parts.append(f"chunk {shown_progress(record)}")
        parts.append(f"on {printable(record.owner or '?')}")
    if reason := shown_reason(record):
        parts.append(reason)
    return ", ".join(parts)


class LiveTable(View):
    """A table on the terminal with a bar for each job; it stays at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, records: Sequence[JobRecord], is_there: bool) -> None:
        if self._live is not None:
            most = max(self._console.height - _LINES_AROUND_TABLE, 1)
            table = make_table(records, is_there, most, self._console.width)
            self._live.update(table, refresh=True)


def make_table(records: Sequence[JobRecord], is_there: bool, most: int, width: int) -> Table:
    """Return a table of at most so many jobs, running ones first, and a line about the rest.

    Prompt, worker, name and bar shrink where the width in characters is not enough.
    """
    from rich.cells import cell_len
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    caption = summary(records) + ("" if is_there else "; the broker is away, waiting for it")
    shown = sorted(records, key=_rank)[:most]
    rows = [_cells(record) for record in shown]
    columns = zip(_HEADER, *rows, strict=True)
    wanted = {name: max(map(cell_len, (name, *cells))) for name, *cells in columns}
    widths = fit_columns(wanted | {"": _BAR_WIDTH}, width, _GIVES_WAY)
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        caption=Text(caption),
        caption_justify="left",
    )
    for name in filter(widths.get, _HEADER):
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=widths[name])
    for record, row in zip(shown, rows, strict=True):
        cells: dict[str, RenderableType] = {
            name: Text(text, state_style(record) if name == "state" else "")
            for name, text in zip(_HEADER, row, strict=True)
        }
        cells[""] = ProgressBar(total=1.0, completed=share_done(record))
        table.add_row(*(cells[name] for name in _HEADER if widths[name]))
    return table


def _cells(record: JobRecord) -> tuple[str, ...]:
    """Return the texts of a job's row, without the bar."""
    is_running = record.state is State.RUNNING
    last = record.prompt if is_running else shown_reason(record)
    return (
        record.id[:SHORT_ID],
        shown_name(record, _LONGEST_NAME),
        shown_state(record),
        "",
        f"{record.chunk}/{record.num_chunks}",
        f"{record.fps:.1f}" if is_running else "",
        clock(seconds_left(record)) if is_running else "",
        shortened(printable(record.owner or ""), _LONGEST_WORKER),
        shortened(printable(last), _LONGEST_PROMPT),
    )


def summary(records: Iterable[JobRecord]) -> str:
    """Return how many jobs are in which state, and on how many workers."""
    records = list(records)
    counts = Counter(record.state for record in records)
    text = ", ".join(f"{counts[state]:,} {state}" for state in State if counts[state])
    workers = {record.owner for record in records if record.owner}
    return f"{text}; {len(workers)} worker{'s' if len(workers) > 1 else ''}" if workers else text


def _rank(record: JobRecord) -> int:
    if record.state in _ORDER:
        return _ORDER.index(record.state)
    return len(_ORDER) + (record.state in FINISHED)
