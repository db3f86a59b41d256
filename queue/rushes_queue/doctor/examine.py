"""Run all checks, each subject in a process of its own, and collect what they found."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from rushes_queue.doctor.finding import Finding, fault

SUBJECTS = {  # and the module of each
    subject: f"rushes_queue.doctor.{subject}"
    for subject in ("machine", "codecs", "weights", "disk", "config", "broker", "storage", "farm")
}
SECONDS = 120.0  # for all together; importing torch from a cold disk takes a while


@dataclass(frozen=True)
class Examined:
    """All findings about one subject."""

    subject: str
    findings: tuple[Finding, ...]


def examine(
    subjects: Mapping[str, str] = SUBJECTS,
    environment: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Iterator[Examined]:
    """Yield what was found, subject by subject in their order; all are looked at side by side.

    ``environment`` replaces this process's, from which the settings are read. A subject that does
    not answer in time, or whose process dies, is a fault; what it found before is kept.
    """
    deadline = time.monotonic() + seconds
    environment = os.environ if environment is None else environment
    running = [_Examination(name, module, environment) for name, module in subjects.items()]
    try:
        for each in running:
            yield each.result(deadline)
    finally:
        for each in running:
            each.close()


class _Examination:
    """The process that looks at one subject."""

    def __init__(self, subject: str, module: str, environment: Mapping[str, str]) -> None:
        self._subject = subject
        self._answers: IO[bytes] = tempfile.TemporaryFile()
        self._noise: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rushes_queue.doctor", module],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._answers,
            stderr=self._noise,
        )

    def result(self, deadline: float) -> Examined:
        try:
            status = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            end = fault(
                self._subject, "did not answer in time", "see what else is wrong, try again"
            )
        else:
            end = fault(self._subject, f"ended with status {status}: {self._last_words()}", "")
            if status == 0:
                return Examined(self._subject, self._findings())
        return Examined(self._subject, (*self._findings(), end))

    def close(self) -> None:
        """End the process if it still runs."""
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._noise.close()

    def _findings(self) -> tuple[Finding, ...]:
        self._answers.seek(0)
        lines = self._answers.read().decode().split("\n")
        return tuple(Finding.from_json(line) for line in lines[:-1])  # the last is empty or cut

    def _last_words(self) -> str:
        self._noise.seek(0)
        lines = self._noise.read().decode(errors="replace").strip().split("\n")
        return lines[-1]
