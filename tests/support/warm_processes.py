"""Processes that are forked from one that has imported torch, Celery and the commands already.

A new process takes two seconds of a processor for these imports, and the tests start hundreds. Each
has its own environment, folder, outputs and, if asked for, session. Tests of how a process starts
must not use it.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any

COMMAND = "from rushes_queue.cli import main; main()"
# What workers and renders import while they run.
_IMPORTED = (
    *("av", "torch", "typer.rich_utils", "rich.progress", "kombu.transport.redis"),
    *("celery.apps.worker", "celery.concurrency.prefork", "celery.worker.consumer"),
    *("rushes.rendering.fitted", "rushes.rendering.render", "rushes.rendering.takes"),
    *("rushes.shots.asked", "rushes.shots.at_hand", "rushes.shots.reproduction"),
    *("rushes.video.read.reader", "rushes.video.write.writer", "rushes.video.contact_sheet"),
    *("rushes.weights.networks", "rushes.weights.random_weights"),
    *("rushes_queue.cli.timelines.render", "rushes_queue.cli.show.progress"),
    *("rushes_queue.cli.farm.worker", "rushes_queue.cli.jobs.submit"),
    *("rushes_queue.local.machine_settings", "rushes_queue.worker.worker"),
    *("rushes_queue.doorbell.serve", "rushes_queue.archive.publish", "rushes_queue.archive.prune"),
)
_LONGEST_START = 120.0  # seconds; the machine may be busy
_NUMBER = struct.Struct("i")


class WarmProcess:
    """As much of ``subprocess.Popen`` as the tests use."""

    def __init__(self, args: Sequence[str], status: int) -> None:
        """``status`` is a pipe that brings the pid, and later the exit code."""
        self.args, self._status = args, status
        self.returncode: int | None = None
        pid = self._read(_LONGEST_START)
        assert pid is not None, f"{args} did not start"
        self.pid = pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, if it has ended."""
        if self.returncode is None:
            self.returncode = self._read(0.0)
            if self.returncode is not None:
                os.close(self._status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises: subprocess.TimeoutExpired.
        """
        if self.returncode is None:
            select.select([self._status], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self, seconds: float | None) -> int | None:
        if not select.select([self._status], [], [], seconds)[0]:
            return None
        data = os.read(self._status, _NUMBER.size)
        assert data, f"{self.args}: what has forked it is gone"
        number: int = _NUMBER.unpack(data)[0]
        return number


def start_warm(
    arguments: Sequence[object],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    stdout: IO[Any],
    stderr: IO[Any],
    script: Path | None = None,
    is_session: bool = False,
) -> WarmProcess:
    """Start ``rushes`` with these arguments, or a script, as ``subprocess.Popen`` would."""
    words = list(map(str, arguments))
    request = {
        "arguments": words,
        "script": None if script is None else str(script),
        "environment": dict(environment),
        "cwd": str(cwd),
        "is_session": is_session,
    }
    reads, writes = os.pipe()
    data = json.dumps(request).encode() + b"\n"
    socket.send_fds(_server(), [data], [stdout.fileno(), stderr.fileno(), writes])
    os.close(writes)
    return WarmProcess(words, reads)


@cache
def _server() -> socket.socket:
    """Start the process that all others are forked from; it ends with this one."""
    ours, theirs = socket.socketpair()
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(theirs.fileno())]
    process = subprocess.Popen(
        command, env=variables, pass_fds=[theirs.fileno()], start_new_session=True
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.terminate()  # a fork of ours may hold the other end open
        process.wait()

    atexit.register(end)
    return ours


def serve(connection: socket.socket) -> Callable[[], None]:
    """Fork a process for each request; return, in each of them, what it is to do."""
    for module in _IMPORTED:
        import_module(module)
    gc.freeze()  # children that share these pages do not have to copy them
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    statuses: dict[int, int] = {}  # by pid
    while True:
        ready, _, _ = select.select([connection.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _report_ends(statuses)
        if connection.fileno() not in ready:
            continue
        request, files = _receive(connection)
        if request is None:
            return lambda: None
        stdout, stderr, status = files
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (connection.detach(), ended, wake, *statuses.values()):
                os.close(each)
            return _begin(request, stdout, stderr, status)
        statuses[pid] = status
        os.close(stdout)
        os.close(stderr)


def _receive(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    data, files, _, _ = socket.recv_fds(connection, 65536, 3)
    while data and not data.endswith(b"\n"):
        data += connection.recv(65536)
    return (json.loads(data), files) if data else (None, [])


def _report_ends(statuses: dict[int, int]) -> None:
    while statuses:
        pid, code = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        status = statuses.pop(pid)
        with suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(status, _NUMBER.pack(os.waitstatus_to_exitcode(code)))
        os.close(status)


def _begin(request: dict[str, Any], stdout: int, stderr: int, status: int) -> Callable[[], None]:
    """Become the process that was asked for; return what it runs."""
    if request["is_session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, number in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(given, number)
        os.close(given)
    os.write(status, _NUMBER.pack(os.getpid()))
    os.close(status)
    script, arguments = request["script"], request["arguments"]
    sys.argv = [script or "-c", *arguments]
    sys.orig_argv = [sys.executable, *([script] if script else ["-c", COMMAND]), *arguments]
    if script:
        return partial(_run_script, script)
    from rushes_queue.cli import main

    return main


def _run_script(script: str) -> None:
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    run = serve(socket.socket(fileno=int(sys.argv[1])))
    run()
