"""The command line as a process of its own, with folders of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkout import ROOT
from renders.shots import timeline, write_timeline
from rushes_queue.cli import app

RUSHES = [sys.executable, "-c", "from rushes_queue.cli import main; main()"]

Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Rushes:
    """The command, with folders of its own for weights and cache."""

    environment: dict[str, str]

    def start(self, *arguments: object, **how: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            [*RUSHES, *map(str, arguments)], env=self.environment, **(pipes | how)
        )

    def run(self, *arguments: object, **how: Any) -> Finished:
        process = self.start(*arguments, **how)
        stdout, stderr = process.communicate(timeout=120)
        return Finished(process.args, process.returncode, stdout, stderr)

    def with_variables(self, **variables: str) -> Rushes:
        """Return the same command with more variables."""
        return Rushes(self.environment | variables)


def command_in(home: Path) -> Rushes:
    """Return a command whose random weights and prompt embeddings have been made already."""
    folders = {"RUSHES_CACHE_DIR": str(home / "cache"), "RUSHES_MODELS_DIR": str(home / "models")}
    sources = os.pathsep.join(str(ROOT / name) for name in ("renderer", "queue"))
    command = Rushes(os.environ | folders | {"PYTHONPATH": sources, "OMP_NUM_THREADS": "1"})
    shot = write_timeline(home / "shot.json", timeline())
    result = command.run("render", shot, "--output", home / "first.mp4")
    assert result.returncode == 0, result.stderr
    return command


def default_signals() -> None:
    """In the child: take Ctrl-C even where the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def rendering(rushes: Rushes, folder: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A long render of ``shot.json``, some chunks of which are done."""
    process = rushes.start(
        "render", "shot.json", *arguments, cwd=folder, preexec_fn=default_signals
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("chunk"):
                break
        yield process
    finally:
        process.kill()
        process.communicate()


class Desk:
    """A folder in which commands are typed; they run in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, rushes: Rushes) -> None:
        self.folder, self._environment = folder, rushes.environment
        monkeypatch.chdir(folder)

    def types(self, line: str) -> Result:
        """Run ``rushes render`` with these arguments."""
        return CliRunner().invoke(app, ["render", *line.split()], env=self._environment)

    def must(self, line: str) -> Result:
        """The same, of what has to succeed."""
        result = self.types(line)
        assert result.exit_code == 0, result.output
        return result


def manifest_in(folder: Path, name: str = "shot.mp4") -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return manifest
