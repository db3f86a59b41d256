"""The command line as a process of its own, with folders of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pytest
from typer.testing import CliRunner, Result

from checkout import ROOT
from farm.running import wait_until
from renders.shots import timeline, write_timeline
from rushes_queue.cli import app
from warm_processes import WarmProcess, start_warm

RUSHES = [sys.executable, "-c", "from rushes_queue.cli import main; main()"]

Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Rushes:
    """The command, with folders of its own for weights and cache."""

    environment: dict[str, str]

    def start(self, *arguments: object, **how: Any) -> subprocess.Popen[str]:
        """Start it as a new process, which imports everything anew."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            [*RUSHES, *map(str, arguments)], env=self.environment, **(pipes | how)
        )

    def run_anew(self, *arguments: object, **how: Any) -> Finished:
        """Run it as a new process."""
        process = self.start(*arguments, **how)
        stdout, stderr = process.communicate(timeout=120)
        return Finished(process.args, process.returncode, stdout, stderr)

    def run(self, *arguments: object, cwd: Path) -> Finished:
        """Run it; what is about a new process must not use this."""
        with self.running(*arguments, cwd=cwd) as command:
            return command.finish(120)

    @contextmanager
    def running(self, *arguments: object, cwd: Path) -> Iterator[RunningCommand]:
        """Start it, and kill it if it has not ended by the end of the block."""
        with TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
            process = start_warm(
                arguments, environment=self.environment, cwd=cwd, stdout=stdout, stderr=stderr
            )
            try:
                yield RunningCommand(process, stdout, stderr)
            finally:
                process.kill()
                process.wait()

    def with_variables(self, **variables: str) -> Rushes:
        """Return the same command with more variables."""
        return Rushes(self.environment | variables)


@dataclass(frozen=True)
class RunningCommand:
    """A command that runs, and the files with what it says."""

    process: WarmProcess
    stdout: IO[str]
    stderr: IO[str]

    def finish(self, seconds: float) -> Finished:
        """Wait for its end."""
        code = self.process.wait(seconds)
        return Finished(self.process.args, code, _all_of(self.stdout), _all_of(self.stderr))


def _all_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def command_in(home: Path) -> Rushes:
    """Return a command whose random weights and prompt embeddings have been made already."""
    folders = {"RUSHES_CACHE_DIR": str(home / "cache"), "RUSHES_MODELS_DIR": str(home / "models")}
    sources = os.pathsep.join(str(ROOT / name) for name in ("renderer", "queue"))
    command = Rushes(os.environ | folders | {"PYTHONPATH": sources, "OMP_NUM_THREADS": "1"})
    shot = write_timeline(home / "shot.json", timeline())
    result = command.run("render", shot, "--output", home / "first.mp4", cwd=home)
    assert result.returncode == 0, result.stderr
    return command


@contextmanager
def rendering(rushes: Rushes, folder: Path, *arguments: object) -> Iterator[RunningCommand]:
    """A long render of ``shot.json``, some chunks of which are done."""
    with rushes.running("render", "shot.json", *arguments, cwd=folder) as command:

        def is_at_work() -> bool:
            said = Path(f"/proc/self/fd/{command.stderr.fileno()}").read_text()
            assert command.process.poll() is None, said
            return "\nchunk" in f"\n{said}"

        wait_until(is_at_work, "the first chunks")
        yield command


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
