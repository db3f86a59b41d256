"""What the queue costs: many jobs whose render is replaced by a short sleep.

    python benchmarks/farm_costs.py [--jobs 10000] [--drained 1000] [--output FILE.json]

Measures how fast jobs are submitted and carried out, what memory broker and worker need for it,
how long ``rushes jobs`` takes, how long a job waits before a warm worker begins with it, and
what a second worker brings. A broker, a storage folder and the workers are started for it and go
with it. Everything is real but the render.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.presets.preset import load_preset
from rushes.rendering.request import RenderRequest
from rushes.shots.shot import Shot
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.read.load import parse_timeline
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.farm.submit import hand_in
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.job_options import JobOptions
from rushes_queue.jobs.states import State
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.local.server import find_server
from rushes_queue.settings.model import Settings
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.worker import Worker

if TYPE_CHECKING:
    from rushes.rendering.loop import Report
    from rushes.rendering.work import Work

SLEEP_SECONDS = 0.001
LONGER_SLEEP_SECONDS = 0.1  # for what a second worker brings
MOST_OVERHEAD_MS = 150
MOST_SHARE_OF_TWO = 0.6
_TIMELINE = {
    "prompts": [{"startTime": 0, "endTime": 0.3, "prompts": [{"text": "a cat", "weight": 100}]}],
    "settings": {
        "pipelineId": "streamdiffusionv2",
        "inputMode": "text",
        "resolution": {"height": 64, "width": 64},
        "denoisingSteps": [700, 500],
    },
    "version": "2.1",
}


class Sleeper:
    """A renderer that only sleeps, and notes when it was asked to."""

    preset = "tiny"

    def __init__(self, seconds: float, notes: Path) -> None:
        self._seconds, self._notes = seconds, notes

    def load(self, document: JobDocument, say: Callable[[str], None]) -> None:
        """Do nothing: a warm worker has all loaded."""

    def render(
        self, document: JobDocument, request: RenderRequest, work: Work, report: Report
    ) -> dict[str, Any]:
        with self._notes.open("a") as notes:
            notes.write(f"{document.id} {time.time() * 1000}\n")
        time.sleep(self._seconds)
        for path in (request.output, request.sheet_path, request.manifest_path):
            path.write_bytes(b"slept")
        return {
            "frames_sha256": "0" * 64,
            "num_frames": document.num_frames,
            "timings": {"total": self._seconds},
            "request": request.model_dump(mode="json"),
        }


class Bench:
    """A farm in a folder, and what is measured with it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.links = FarmLinks.open(settings)
        timeline = folder / "shot.json"
        timeline.write_text(json.dumps(_TIMELINE))
        loaded = parse_timeline(timeline.read_bytes()).require()
        plan = plan_render(loaded, PlanOptions(), load_preset("tiny"))
        request = RenderRequest(timeline=timeline, output=Path("shot.mp4"), preset="tiny")
        self.shot = Shot(request, plan)
        self._takes = 0
        self.notes = folder / "notes"

    def submit(self, count: int) -> list[str]:
        shots = [replace(self.shot, take=self._takes + number) for number in range(count)]
        self._takes += count
        return [document.id for _, document, _ in hand_in(self.links, shots, JobOptions())]

    def wait(self, jobs: Sequence[str]) -> None:
        waiting = set(jobs)
        while waiting:
            records = self.links.store.get_many(waiting)
            ended = {job for job, record in records.items() if record.state is not State.QUEUED}
            ended = {job for job in ended if records[job].state is not State.RUNNING}
            bad = [records[job] for job in ended if records[job].state is not State.DONE]
            if bad:
                raise SystemExit(f"{bad[0].id}: {bad[0].state} {bad[0].error}")
            waiting -= ended
            time.sleep(0.05)

    @contextmanager
    def workers(self, count: int, seconds: float, jobs: Sequence[str] = ()) -> Iterator[list[int]]:
        """Run workers until the end of the block; they are ready and warm at its start.

        They get warm with these jobs, which are the first in the queue, or with some of their own.
        """
        command = [sys.executable, __file__, "--worker", str(seconds), "--notes", str(self.notes)]
        processes = [
            subprocess.Popen([*command, "--name", f"w{number}"]) for number in range(count)
        ]
        try:
            while len(self.links.store.workers.live()) < count:
                time.sleep(0.1)
            self.wait(jobs or self.submit(4 * count))
            yield [process.pid for process in processes]
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait()


def measure(bench: Bench, num_jobs: int, num_drained: int) -> dict[str, Any]:
    """Measure all, in the order in which the queue fills and empties."""
    figures: dict[str, Any] = {"jobs": num_jobs}
    broker = bench.links.store.client
    with bench.workers(1, SLEEP_SECONDS):
        figures["overhead_ms"] = _overheads(bench, 50)
    before = broker.info("memory")["used_memory"]
    begin, cpu = time.perf_counter(), time.process_time()
    jobs = bench.submit(num_jobs)
    figures["submitted_per_second"] = num_jobs / (time.perf_counter() - begin)
    figures["submitted_per_cpu_second"] = num_jobs / (time.process_time() - cpu)
    figures["broker_bytes_per_job"] = (broker.info("memory")["used_memory"] - before) / num_jobs
    begin, cpu = time.perf_counter(), _seconds_of_children()
    subprocess.run(
        [sys.executable, "-c", "from rushes_queue.cli import main; main()", "jobs"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    figures["rushes_jobs_seconds"] = time.perf_counter() - begin
    figures["rushes_jobs_cpu_seconds"] = _seconds_of_children() - cpu
    with bench.workers(1, SLEEP_SECONDS, jobs[:4]) as (pid,):
        begin, cpu = time.perf_counter(), _cpu_seconds(pid)
        bench.wait(jobs[4 : num_drained + 4])
        figures["carried_out_per_second"] = num_drained / (time.perf_counter() - begin)
        figures["cpu_ms_per_job"] = 1000 * (_cpu_seconds(pid) - cpu) / num_drained
        figures["worker_mib"] = _resident_mib(pid)
    broker.flushall()
    seconds = [_batch_seconds(bench, count) for count in (1, 2)]
    figures["share_of_two_workers"] = seconds[1] / seconds[0]
    return figures


def _overheads(bench: Bench, count: int) -> dict[str, float]:
    """Return how long a job waits from its record to its render, on a warm worker that is idle."""
    found = []
    for _ in range(count):
        (job,) = bench.submit(1)
        bench.wait([job])
        noted = dict(line.split() for line in bench.notes.read_text().splitlines())
        found.append(float(noted[job]) - bench.links.store.get(job).created_ms)
    return {"median": statistics.median(found), "most": max(found)}


def _batch_seconds(bench: Bench, num_workers: int) -> float:
    with bench.workers(num_workers, LONGER_SLEEP_SECONDS):
        begin = time.perf_counter()
        bench.wait(bench.submit(60))
        return time.perf_counter() - begin


def _seconds_of_children() -> float:
    """Return the processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_seconds(pid: int) -> float:
    """Return the processor time of a worker: parent, child, and children that have ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for each in (str(pid), *children):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # user, system, and those of dead children
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    """Return the memory of a process and its children, what they share counted once each."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in (str(pid), *children)]
    lines = [line for text in sizes for line in text.splitlines() if line.startswith("Pss:")]
    return sum(int(line.split()[1]) for line in lines) / 1024


@contextmanager
def _farm() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="rushes-") as name:
        folder = Path(name)
        variables = {
            "RUSHES_BROKER_URL": f"unix://{folder}/s?db=0",
            "RUSHES_STORAGE_URL": str(folder / "storage"),
            "RUSHES_WORK_DIR": str(folder / "work"),
            "RUSHES_CACHE_DIR": str(folder / "cache"),
        }
        os.environ |= variables
        options = ["--port", "0", "--unixsocket", f"{folder}/s", "--dir", name, "--save", ""]
        options += ["--appendonly", "yes"]
        server = subprocess.Popen([find_server(), *options], stdout=subprocess.DEVNULL)
        try:
            while not (folder / "s").exists():
                time.sleep(0.05)
            yield Bench(folder, load_settings())
        finally:
            server.terminate()
            server.wait()


def main() -> int:
    """Measure, print, and maybe write the figures down; or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--drained", type=int, default=1000)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--worker", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--notes", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        options = WorkerOptions(name=arguments.name, presets=("tiny",), device="cpu")
        return Worker(load_settings(), options, Sleeper(arguments.worker, arguments.notes)).run()
    with _farm() as bench:
        figures = measure(bench, arguments.jobs, arguments.drained)
    figures |= {"cores": os.cpu_count(), "machine": platform.machine()}
    print(json.dumps(figures, indent=1))
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
