"""What ``check``, ``plan``, ``render`` and ``submit`` answer to one file, to be compared."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import Result

from farm.commands import Farm, open_farm
from farm.servers import RunningServer
from rushes_queue.broker.job_records import JobRecords

COMMANDS = ("check", "plan", "render", "submit")
# Warnings that are not about the file: each is one command's own.
_OWN = ("the weights of preset", "job ", "the file has no length")


@dataclass(frozen=True)
class Answer:
    """The exit code of a command, what it said against a file, and all that it printed."""

    code: int
    errors: tuple[str, ...]
    warnings: frozenset[str]
    output: str


@dataclass(frozen=True)
class Asker:
    """Asks the commands of a farm; a render goes to ``video``, and leaves its manifest there."""

    farm: Farm
    video: Path

    def one(self, command: str, file: Path, *options: object, preset: str = "tiny") -> Answer:
        """Ask one command."""
        more: list[object] = ["--preset", preset] * bool(preset)
        if command == "render":
            more += ["-o", self.video, "--force"]
        result = self.farm.run(command, file, *options, *more)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return _answer(command, file, result)

    def all(
        self,
        file: Path,
        *options: object,
        preset: str = "tiny",
        cut: tuple[object, ...] = ("--duration", "0.3"),
        commands: tuple[str, ...] = COMMANDS,
    ) -> dict[str, Answer]:
        """Ask the four commands: ``check`` without the options of a plan, a render cut short."""
        own: dict[str, tuple[object, ...]] = {
            "check": (),
            "plan": options,
            "render": (*options, *cut),
            "submit": (*options, "--new"),
        }
        return {name: self.one(name, file, *own[name], preset=preset) for name in commands}

    def agreed(self, file: Path, *options: object, **how: Any) -> Answer:
        """Return the answer that all commands give; they must not differ."""
        answers = self.all(file, *options, **how)
        first = answers["check"]
        for command, answer in answers.items():
            assert (answer.code, answer.errors) == (first.code, first.errors), (command, answers)
        return first

    def manifest(self) -> dict[str, Any]:
        """Return the manifest of the latest render."""
        found: dict[str, Any] = json.loads(Path(f"{self.video}.json").read_text())
        return found


@contextmanager
def asker(folder: Path) -> Iterator[Asker]:
    """Yield an asker with an empty farm of its own, below a folder."""
    with tempfile.TemporaryDirectory(prefix="rushes-") as place:
        server = RunningServer(Path(place)).start()
        try:
            with server.client() as client:
                yield Asker(open_farm(JobRecords(client), server.url, folder), folder / "out.mp4")
        finally:
            server.kill()


def _answer(command: str, file: Path, result: Result) -> Answer:
    errors: list[str] = []
    warnings: list[str] = []
    for line in result.output.splitlines():
        if command == "check":
            for label, found in (("  error   ", errors), ("  warning ", warnings)):
                if line.startswith(label):
                    found.append(line.removeprefix(label))
        elif line.startswith("error: "):
            errors.append(line.removeprefix("error: ").removeprefix(f"{file}: "))
        elif line.startswith(f"{file}: "):  # a further line of the same error
            errors.append(line.removeprefix(f"{file}: "))
        elif line.startswith("warning: "):
            warnings.append(line.removeprefix("warning: "))
    shown = frozenset(each for each in warnings if not each.startswith(_OWN))
    return Answer(result.exit_code, tuple(errors), shown, result.output)
