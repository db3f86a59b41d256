"""Mistreats workers at random instants while they render, and counts what was lost.

Every job must end with the frames of an undisturbed render, published once, whatever happened to
the workers. The instants come from a seed, so a run can be repeated as far as the machine allows.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.running import RunningFarm, WorkerProcess, running_farm
from farm.timelines import write_shot
from rushes_queue.broker.totals import read_totals
from rushes_queue.jobs.states import FINISHED, State

FAULTS = ("kill child", "kill worker", "terminate", "freeze")
CHUNKS = 60  # some seconds of rendering on a fast machine
# Killed from outside so often, a job is not to blame: in a real farm three losses are enough.
_MAX_LOSSES = 1000
_LEASE_SECONDS = 5.0
_LONGEST_SECONDS = 7200.0
_LONGEST_START_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What a run of chaos left behind."""

    jobs: int
    faults: dict[str, int]
    done: int
    lost: int
    published_twice: int
    different_frames: int
    different_videos: int
    attempts: int
    ended: dict[str, int]  # attempts by what ended them
    seconds: float

    @property
    def is_good(self) -> bool:
        wrong = (self.lost, self.published_twice, self.different_frames, self.different_videos)
        return self.done == self.jobs and not any(wrong)


def wreak_havoc(
    *,
    num_jobs: int,
    num_faults: int,
    kinds: Sequence[str] = FAULTS,
    num_workers: int = 2,
    chunks: int = CHUNKS,
    seed: int = 0,
    settings: Mapping[str, str] | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Render jobs while workers are mistreated; the last fault comes before the last job ends.

    ``settings`` are variables of the farm, such as those of a bucket.
    """
    chance = random.Random(seed)
    environment = {
        "RUSHES_RETRIES__MAX_LOSSES": str(_MAX_LOSSES),
        "RUSHES_LEASE_SECONDS": str(_LEASE_SECONDS),
        **(settings or {}),
    }
    begin = time.monotonic()
    counts = dict.fromkeys(kinds, 0)
    with running_farm(environment, cache=cache) as farm:
        shots = [
            write_shot(farm.folder / f"shot{number:03}.json", chunks=chunks, seed=number)
            for number in range(num_jobs)
        ]
        expected = [farm.render_here(shot) for shot in shots]
        say(f"{num_jobs} jobs rendered undisturbed in {time.monotonic() - begin:.0f} s")
        jobs = farm.submit(*shots)
        workers = [farm.start_worker() for _ in range(num_workers)]
        for number in range(num_faults):
            slot = _busy_slot(farm, workers, chance)
            time.sleep(chance.uniform(0.0, 1.0))
            kind = chance.choice(list(kinds))
            workers[slot] = _mistreat(farm, workers[slot], kind, chance)
            counts[kind] += 1
            done = sum(record.state in FINISHED for record in farm.store.get_many(jobs).values())
            if number % 10 == 9:
                say(f"{number + 1} faults, {done} of {num_jobs} jobs have ended")
            if done == num_jobs:
                say(f"all jobs have ended after {number + 1} faults; more jobs are needed")
                break
        farm.wait(jobs, timeout=_LONGEST_SECONDS)
        return _judge(farm, jobs, expected, counts, time.monotonic() - begin)


def _busy_slot(farm: RunningFarm, workers: Sequence[WorkerProcess], chance: random.Random) -> int:
    """Wait until a worker has a job, or a while, and return it: also one that starts is struck."""
    deadline = time.monotonic() + _LONGEST_START_SECONDS
    while time.monotonic() < deadline:
        owners = {record.owner for record in farm.store.list(state=State.RUNNING)}
        busy = [slot for slot, worker in enumerate(workers) if worker.name in owners]
        if busy:
            return chance.choice(busy)
        time.sleep(0.05)
    return chance.randrange(len(workers))


def _mistreat(
    farm: RunningFarm, worker: WorkerProcess, kind: str, chance: random.Random
) -> WorkerProcess:
    """Do something bad to a worker; return it, or the one that takes its place."""
    match kind:
        case "kill child":
            worker.kill_child()
            return worker
        case "kill worker":
            worker.kill()
        case "terminate":
            worker.terminate()
            worker.wait()
        case "freeze":
            worker.signal_all(signal.SIGSTOP)
            time.sleep(_LEASE_SECONDS + chance.uniform(1, 3))
            worker.signal_all(signal.SIGCONT)
            return worker
    return farm.start_worker()


def _judge(
    farm: RunningFarm,
    jobs: Sequence[str],
    expected: Sequence[tuple[str, bytes]],
    counts: dict[str, int],
    seconds: float,
) -> Outcome:
    records = [farm.store.get(job) for job in jobs]
    done = [record for record in records if record.state is State.DONE]
    by_id = dict(zip(jobs, expected, strict=True))
    results = farm.results()
    return Outcome(
        jobs=len(jobs),
        faults=counts,
        done=len(done),
        lost=len(jobs) - len(records),
        published_twice=sum(
            sum(record.id in key and key.endswith(".mp4") for key in results) != 1
            for record in done
        ),
        different_frames=sum(
            farm.manifest(record)["frames_sha256"] != by_id[record.id][0] for record in done
        ),
        different_videos=sum(farm.video(record) != by_id[record.id][1] for record in done),
        attempts=sum(record.attempts for record in records),
        ended=dict(read_totals(farm.store.client, farm.store.prefix).attempts),
        seconds=seconds,
    )
