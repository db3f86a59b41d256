"""The command ``rushes``, run many times from one process that has imported its libraries already.

Each run is a child of its own, forked before anything is computed. It saves the seconds that a new
process takes to import torch; what is about a new process must not use it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

Finished = subprocess.CompletedProcess[str]

# What a render imports while it runs.
IMPORTED = (
    *("av", "torch", "typer.rich_utils", "rich.progress"),
    *("rushes.rendering.fitted", "rushes.rendering.render", "rushes.rendering.takes"),
    *("rushes.shots.asked", "rushes.shots.at_hand", "rushes.shots.reproduction"),
    *("rushes.video.read.reader", "rushes.video.write.writer", "rushes.video.contact_sheet"),
    *("rushes.weights.networks", "rushes.weights.random_weights"),
    *("rushes_queue.cli.timelines.render", "rushes_queue.cli.show.progress"),
    "rushes_queue.local.machine_settings",
)


class WarmRushes:
    """A context manager; ``environment`` is that of every run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object, cwd: Path) -> Finished:
        """Run the command in a folder and wait for its end."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        words = list(map(str, arguments))
        with tempfile.TemporaryDirectory() as folder:
            request = {"arguments": words, "cwd": str(cwd), "outputs": folder}
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            code = int(self._server.stdout.readline())
            texts = [(Path(folder) / name).read_text(encoding="utf-8") for name in ("1", "2")]
        return Finished(words, code, *texts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.communicate(timeout=30)


def serve() -> None:
    """Fork a child for each request on stdin; answer with its exit code."""
    for module in IMPORTED:
        import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: Mapping[str, object]) -> None:
    from rushes_queue.cli import main

    code: object = 1
    try:
        os.chdir(str(request["cwd"]))
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        for number in (1, 2):
            with (Path(str(request["outputs"])) / str(number)).open("w") as file:
                os.dup2(file.fileno(), number)
        arguments = request["arguments"]
        assert isinstance(arguments, list)
        sys.argv[1:] = arguments
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve()
