"""The one process for checks that call drivers and codecs, which may hang or crash."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rushes_queue.doctor.finding import Check, Finding, check_name, fault, late

if TYPE_CHECKING:
    from rushes_queue.settings.loaded import LoadedSettings

Run = Callable[[Check, "LoadedSettings"], list[Finding]]


class Child:
    """A process that runs checks one after another; if it ends, a new one takes over."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._started: tuple[multiprocessing.process.BaseProcess, Connection] | None = None
        self._output = tempfile.NamedTemporaryFile()  # what libraries print

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._output.close()

    def call(self, check: Check, loaded: LoadedSettings, seconds: float) -> list[Finding]:
        """Run a check there and return its findings, after ``seconds`` at the latest."""
        process, connection = self._started = self._started or self._start()
        try:
            connection.send((check, loaded))
            if connection.poll(seconds):
                found: list[Finding] = connection.recv()
                return found
            finding = late(check, seconds)
        except (EOFError, OSError):
            process.join()
            message = f"ended with status {process.exitcode}: {self._last_words()}"
            finding = fault(check_name(check), message, "")
        self._end()
        return [finding]

    def _start(self) -> tuple[multiprocessing.process.BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        connection, theirs = context.Pipe()
        arguments = (self._run, theirs, self._output.name)
        process = context.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return process, connection

    def _end(self) -> None:
        if self._started is not None:
            process, connection = self._started
            process.kill()
            process.join()
            process.close()
            connection.close()
            self._started = None

    def _last_words(self) -> str:
        text = Path(self._output.name).read_text(errors="replace").strip()
        return text.rpartition("\n")[2]


def _serve(run: Run, connection: Connection, output: str) -> None:
    """Run each check that arrives, until the connection is closed."""
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    while True:
        try:
            check, loaded = connection.recv()
        except EOFError:
            return
        connection.send(run(check, loaded))
