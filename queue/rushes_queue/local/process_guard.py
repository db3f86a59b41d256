"""A slot for one process: a file that stays locked while the process runs.

The process inherits the lock, and the kernel frees it when the process and its children are gone.
Unlike a process number in a file, a slot cannot outlive a crash or a reboot, or point to another
process that got the same number. POSIX only.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import ConfigError, TransientError

_SECONDS_TO_LOCK = 2.0  # others look at a slot for some microseconds
_SECONDS_BETWEEN_LOOKS = 0.05
_LARGEST_LOG = 10 * 2**20  # bytes; then a new one starts and the old one is kept
# The process writes its own number, since its parent may be killed before it could.
_RUN = 'echo "$$" > "$0" && exec "$@"'


class SlotTakenError(TransientError):
    """Another process has the slot."""


@dataclass(frozen=True)
class ProcessGuard:
    """A slot by its folder and name; its process leads a session and a group of its own."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        """What the process prints."""
        return self.folder / f"{self.name}.log"

    def start(
        self,
        command: Sequence[str],
        *,
        about: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process that does not end with this one; ``about`` can be read by others.

        Raises: SlotTakenError when one runs already; OSError.
        """
        with self.locked() as file:
            self._pid_file.unlink(missing_ok=True)
            os.ftruncate(file, 0)
            os.write(file, about.encode())
            if self.log.is_file() and self.log.stat().st_size > _LARGEST_LOG:
                self.log.replace(self.log.with_suffix(".log.old"))
            with self.log.open("ab") as log:
                return subprocess.Popen(
                    ["/bin/sh", "-c", _RUN, str(self._pid_file), *command],
                    cwd=self.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(file,),
                )

    def is_taken(self) -> bool:
        """Say whether the process, or one that it started, runs."""
        try:
            file = os.open(self._lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _lock(file, fcntl.LOCK_SH)
        finally:
            os.close(file)

    def about(self) -> str | None:
        """Return what ``start`` was given about the latest process, None when there was none."""
        try:
            return self._lock_file.read_text() or None
        except FileNotFoundError:
            return None

    def pid(self) -> int | None:
        """Return the number of the process, None when there is none."""
        deadline = time.monotonic() + _SECONDS_TO_LOCK
        while self.is_taken():
            with suppress(FileNotFoundError, ValueError):
                return int(self._pid_file.read_text())
            if time.monotonic() > deadline:
                break
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return None

    def started(self) -> float | None:
        """Return when the process was started, in seconds since 1970."""
        with suppress(FileNotFoundError):
            return self._pid_file.stat().st_mtime if self.is_taken() else None
        return None

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, if there is one."""
        pid = self.pid()
        with suppress(ProcessLookupError):
            if pid is not None:
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill the process and its group.

        The group reserves the number, so no other process can be hit.
        """
        pid = self.pid()
        with suppress(ProcessLookupError):
            if pid is not None:
                os.killpg(pid, signal.SIGKILL)

    def is_orphaned(self) -> bool:
        """Say whether the process has ended while processes that it started still run."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return self.is_taken()
        return False

    def last_lines(self, count: int = 3) -> str:
        """Return the end of the log, on one line."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                lines = file.read().decode(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return " / ".join([line.strip() for line in lines if line.strip()][-count:])

    @contextmanager
    def locked(self, seconds: float = _SECONDS_TO_LOCK) -> Iterator[int]:
        """Lock the slot for this process; yields the file, which a child may inherit with the lock.

        Raises: SlotTakenError when it is not free in time.
        """
        file = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + seconds
            while not _lock(file, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise SlotTakenError(f"{self._lock_file}: another process has it; try again")
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            yield file
        finally:
            os.close(file)

    @property
    def _lock_file(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"


def wait_until_free(slots: Iterable[ProcessGuard], seconds: float) -> bool:
    """Wait until all these processes have ended; return False on a time-out."""
    deadline = time.monotonic() + seconds
    while any(slot.is_taken() for slot in slots):
        if time.monotonic() > deadline:
            return False
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return True


def stop_all(slots: Sequence[ProcessGuard], patience: Sequence[float]) -> list[ProcessGuard]:
    """Send SIGTERM, again after each of these waits, then SIGKILL.

    Returns those that had to be killed.
    """
    for seconds in patience:
        for slot in slots:
            slot.send(signal.SIGTERM)
        if wait_until_free(slots, seconds):
            return []
    killed = [slot for slot in slots if slot.is_taken()]
    for slot in killed:
        slot.kill()
    wait_until_free(killed, _SECONDS_TO_LOCK)
    return killed


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise ConfigError(
            f"the file system of the state folder has no locks ({error.strerror}); set "
            "RUSHES_STATE_DIR to a folder on a local disk"
        ) from error
    return True
