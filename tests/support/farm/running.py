"""A whole farm for tests: a real server, a storage folder, and real workers to be mistreated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from typer.testing import CliRunner, Result

from checkout import ROOT
from farm.long_form import lasting
from farm.servers import RunningServer
from rushes_queue.archive.saved_work import work_key
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.cli import app
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import FINISHED, State
from rushes_queue.storage.open import open_storage
from rushes_queue.storage.storage import Storage
from rushes_queue.worker.health import read_health
from warm_processes import COMMAND, WarmProcess, start_warm

RUSHES = [sys.executable, "-c", COMMAND]
_SUPPORT = ROOT / "tests/support/farm"
PATIENCE_SECONDS = lasting(240.0, 800.0)  # the machine may be busy

_rendered: dict[str, tuple[str, bytes]] = {}  # by the text of the timeline


@dataclass
class WorkerProcess:
    """One worker: its parent process, in a session of its own."""

    process: subprocess.Popen[bytes] | WarmProcess
    name: str
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[int]:
        """Return the pids of its children; once it has ended, its pid may be another's."""
        return children_of(self.pid) if self.is_alive else []

    def kill_child(self) -> None:
        """Kill the process that renders."""
        self.signal_child(signal.SIGKILL)

    def signal_child(self, number: int) -> None:
        for pid in self.children():
            os.kill(pid, number)

    def kill(self) -> None:
        """Kill the parent and what it has started, as a power cut would."""
        self.signal_all(signal.SIGKILL)
        self.process.wait()

    def signal_all(self, number: int) -> None:
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def terminate(self) -> None:
        """Ask it to drain."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        return self.process.wait(timeout)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None


def children_of(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@dataclass
class ReachableFarm:
    """Broker and storage of a farm, and the commands that talk to them."""

    folder: Path
    environment: dict[str, str]
    storage: Storage
    store: JobRecords
    workers: list[WorkerProcess] = field(default_factory=list)

    def run(self, *arguments: object) -> Result:
        """Run a command to its end, in this process: importing all of it again takes seconds."""
        return CliRunner().invoke(app, list(map(str, arguments)), env=self.environment)

    def submit(self, *arguments: object) -> list[str]:
        """Hand jobs in; return their ids."""
        result = self.run("submit", *arguments, "--preset", "tiny")
        assert result.exit_code == 0, result.stderr
        return result.stdout.split()

    def wait(
        self, jobs: Sequence[str], states: frozenset[State] = FINISHED, timeout: float = 0.0
    ) -> dict[str, JobRecord]:
        """Wait until all jobs are in one of these states; return their records."""
        found: dict[str, JobRecord] = {}

        def are_there() -> bool:
            nonlocal found
            found = self.store.get_many(jobs)
            return all(found[job].state in states for job in jobs)

        wait_until(are_there, lambda: self.describe(jobs), timeout or PATIENCE_SECONDS)
        return found

    def wait_for_chunk(self, job: str, chunk: int) -> JobRecord:
        """Wait until a job runs and has a save point that far, which is seen at once.

        Its record is renewed each second only; on a fast machine that is half of a test's job.
        """
        record = self.store.get(job)
        points = f"{work_key(job)}/points"

        def is_there() -> bool:
            nonlocal record
            record = self.store.get(job)
            assert record.state not in FINISHED, f"{job} is {record.state} too early"
            names = [entry.key.rpartition("/")[2] for entry in self.storage.list(points)]
            saved = [int(name[:9]) for name in names if name.endswith(f"-{record.fence}.json")]
            return record.state is State.RUNNING and max(saved, default=-1) >= chunk

        wait_until(is_there, lambda: self.describe([job]))
        return record

    def wait_for_losses(self, job: str, number: int) -> None:
        """Wait until so many attempts at a job were lost."""
        wait_until(lambda: self.store.get(job).losses >= number, lambda: self.describe([job]))

    def describe(self, jobs: Sequence[str]) -> str:
        """Return what is known of jobs, for a test that fails."""
        lines = [
            f"{record.id} {record.state} {record.chunk}/{record.num_chunks} {record.error}"
            for record in self.store.get_many(jobs).values()
        ]
        logs = [worker.log.read_text()[-3000:] for worker in self.workers]
        return "\n".join(lines + logs)

    def render_here(self, shot: Path) -> tuple[str, bytes]:
        """Render a timeline without the farm; return the hash of its frames, and the video."""
        text = shot.read_text()
        if text not in _rendered:
            output = self.folder / "here.mp4"
            result = self.run("render", shot, "-o", output, "--preset", "tiny", "--force")
            assert result.exit_code == 0, result.stderr
            manifest = json.loads(output.with_name("here.mp4.json").read_text())
            _rendered[text] = manifest["frames_sha256"], output.read_bytes()
        return _rendered[text]

    def manifest(self, record: JobRecord) -> dict[str, Any]:
        """Return the manifest of a job that is done."""
        assert record.result is not None
        manifest: dict[str, Any] = json.loads(self.storage.get_bytes(record.result["manifest"]))
        return manifest

    def video(self, record: JobRecord) -> bytes:
        """Return the video of a job that is done."""
        assert record.result is not None
        return self.storage.get_bytes(record.result["output"])

    def results(self) -> list[str]:
        """Return the keys of all that was ever published and not removed."""
        return [entry.key for entry in self.storage.list("results")]

    def storage_now(self) -> datetime:
        """Return a time that is after everything in the storage."""
        return datetime.now(UTC) + timedelta(seconds=1)


@dataclass
class RunningFarm(ReachableFarm):
    """A farm whose broker and workers belong to a test."""

    server: RunningServer = field(kw_only=True)

    def submit_until(self, number: int, act: Callable[[], None], *arguments: object) -> list[str]:
        """Hand jobs in, in a process of its own, and do something once it named so many.

        Returns those that it named before it failed to reach the broker.
        """
        # Less urgent than this process, which must not notice too late.
        command = ["nice", "-n", "19", *RUSHES, "submit", *map(str, arguments), "--preset", "tiny"]
        with subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            named = [process.stdout.readline().strip() for _ in range(number)]
            act()
            named += process.stdout.read().split()
            said = process.stderr.read()
        assert process.returncode == 5, said
        assert f"{len(named)} of " in said
        return named

    def work_once(self, *arguments: object) -> None:
        """Let a worker take one job, to its end."""
        worker = self.start_worker("--once", *arguments)
        assert worker.wait() == 0, worker.log.read_text()

    def start_worker(self, *arguments: object, **more: str) -> WorkerProcess:
        """Start a worker; it needs a second or two until it listens."""
        served = () if "--models" in arguments else ("--models", "tiny")
        options = ("--gpu", "cpu", *served, "--name", self.next_name)
        return self._start_warm(["worker", *options, *arguments], more)

    def start_poisoned_worker(
        self,
        of: Literal["poison", "every job"] = "poison",
        variables: Mapping[str, str] | None = None,
    ) -> WorkerProcess:
        """Start a worker that dies of every job called "poison", or of every one."""
        sick = ["sick"] if of == "every job" else []
        script = _SUPPORT / "poison_worker.py"
        return self._start_warm([self.next_name, *sick], variables or {}, script)

    def start_crashing_worker(self, *, is_sick: bool = False) -> WorkerProcess:
        """Start a worker that renders, and dies where a job's name says so; see its script."""
        sick = ["--sick"] if is_sick else []
        script = _SUPPORT / "crash_worker.py"
        return self._start_warm([self.next_name, self.folder, *sick], {}, script)

    @property
    def next_name(self) -> str:
        """The name of the worker that is started next."""
        return f"w{len(self.workers)}"

    def _start_warm(
        self, arguments: Sequence[object], variables: Mapping[str, str], script: Path | None = None
    ) -> WorkerProcess:
        """Start a worker that need not import its libraries."""
        log = self.folder / f"{self.next_name}.log"
        with log.open("ab") as file:
            process = start_warm(
                arguments,
                script=script,
                environment=self.environment | dict(variables),
                cwd=self.folder,
                stdout=file,
                stderr=file,
                is_session=True,
            )
        return self._add(process, log)

    def start_cold(self, *command: str) -> WorkerProcess:
        """Start a worker as a new process, with a command of its own."""
        log = self.folder / f"{self.next_name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return self._add(process, log)

    def _add(self, process: subprocess.Popen[bytes] | WarmProcess, log: Path) -> WorkerProcess:
        worker = WorkerProcess(process, self.next_name, log)
        self.workers.append(worker)
        return worker

    def wait_for_worker(self, worker: WorkerProcess) -> None:
        """Wait until a worker has said that it lives."""

        def is_there() -> bool:
            assert worker.is_alive, worker.log.read_text()
            return any(each.name == worker.name for each in read_health(self.folder / "work"))

        wait_until(is_there, f"worker {worker.name} to live")

    def stop(self) -> None:
        for worker in self.workers:
            if worker.is_alive:
                worker.signal_all(signal.SIGCONT)
                worker.kill()
        self.server.thaw()
        self.server.kill()


@contextmanager
def running_farm(
    environment: Mapping[str, str] | None = None, *, cache: Path | None = None
) -> Iterator[RunningFarm]:
    """Start a broker that saves what it is told, in a folder of its own; no worker yet.

    ``cache`` is a folder to share with other farms: weights and prompt embeddings.
    """
    with farm_folder() as folder:
        (folder / "redis").mkdir()
        server = RunningServer(folder / "redis", is_saving=True).start()
        settings = settings_in(folder, environment or {}, cache)
        settings["RUSHES_BROKER_URL"] = server.url
        storage, store = open_storage_of(settings), JobRecords.open(server.url)
        farm = RunningFarm(folder, settings, storage, store, server=server)
        try:
            yield farm
        finally:
            farm.stop()


@contextmanager
def farm_folder() -> Iterator[Path]:
    """Make a folder for a farm. Not pytest's: the path of a unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="rushes-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def settings_in(
    folder: Path, environment: Mapping[str, str], cache: Path | None = None
) -> dict[str, str]:
    """Return the variables of a farm that keeps all in a folder; they lack the broker's URL."""
    variables = {
        "RUSHES_STORAGE_URL": str(folder / "storage"),
        "RUSHES_WORK_DIR": str(folder / "work"),
        "RUSHES_CACHE_DIR": str(cache or folder / "cache"),
        "RUSHES_MODELS_DIR": str(folder / "models"),
        "RUSHES_LEASE_SECONDS": "5",
        "RUSHES_SAVE_POINT_CHUNKS": "2",
        "RUSHES_RETRIES__FIRST_DELAY_SECONDS": "0.5",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "renderer"), str(ROOT / "queue"))),
        "OMP_NUM_THREADS": "1",
    }
    return dict(os.environ) | variables | dict(environment)


def open_storage_of(settings: Mapping[str, str]) -> Storage:
    """Open the storage that variables name."""
    return open_storage(
        settings["RUSHES_STORAGE_URL"], s3_endpoint=settings.get("RUSHES_S3_ENDPOINT")
    )


def wait_until(
    condition: Callable[[], bool],
    what: str | Callable[[], str],
    timeout: float = PATIENCE_SECONDS,
) -> None:
    """Wait for something; fail with what was waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waited {timeout:g} s for {what if isinstance(what, str) else what()}"
            )
        time.sleep(0.05)
