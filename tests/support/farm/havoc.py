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
from rushes_queue.doorbell.app import BELLS
from rushes_queue.jobs.states import FINISHED, State
from rushes_queue.worker.sweep import SECONDS_BETWEEN_SWEEPS

FAULTS = ("kill child", "kill worker", "terminate", "freeze")
ALL_FAULTS = (
    *FAULTS,
    *("kill parent", "kill broker", "double bells", "drop bells", "malformed bells"),
    "spoil record",
)
CHUNKS = 60  # some seconds of rendering on a fast machine
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
    done_after_more: int  # jobs that were done at a later attempt than the first
    quarantined: int  # the one included that crashes its workers, if there is one
    is_poison_quarantined: bool  # or there was none
    seconds: float

    @property
    def is_good(self) -> bool:
        wrong = (self.lost, self.published_twice, self.different_frames, self.different_videos)
        is_only_poison = self.is_poison_quarantined and self.quarantined <= 1
        return self.done == self.jobs and not any(wrong) and is_only_poison


def wreak_havoc(
    *,
    num_jobs: int,
    num_faults: int,
    kinds: Sequence[str] = FAULTS,
    num_workers: int = 2,
    chunks: int = CHUNKS,
    with_enemies: bool = False,
    seed: int = 0,
    settings: Mapping[str, str] | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Render jobs while workers are mistreated; the last fault comes before the last job ends.

    ``with_enemies``: one more job crashes each worker that renders it, and one more worker crashes
    with each job. ``settings`` are variables of the farm, such as those of a bucket.
    """
    chance = random.Random(seed)
    environment = {
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
        poison = []
        if with_enemies:
            bad = write_shot(farm.folder / "poison.json", chunks=chunks, seed=num_jobs)
            poison = farm.submit(bad)
            farm.start_crashing_worker(is_sick=True)
        jobs = farm.submit(*shots)
        workers = [farm.start_crashing_worker() for _ in range(num_workers)]
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
        farm.wait([*jobs, *poison], timeout=_LONGEST_SECONDS)
        return _judge(farm, jobs, poison, expected, counts, time.monotonic() - begin)


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
        case "kill parent":
            worker.process.kill()
            worker.process.wait()
            time.sleep(chance.uniform(0, 2))
            worker.signal_all(signal.SIGKILL)  # the child, if it has not noticed
        case "kill broker":
            farm.server.kill()
            time.sleep(chance.uniform(0, 2))
            farm.server.start()
            return worker
        case "double bells" | "drop bells" | "malformed bells":
            _tamper_with_bells(farm, kind)
            return worker
        case "spoil record":
            _spoil_a_record(farm, chance)
            return worker
        case "terminate":
            worker.terminate()
            worker.wait()
        case "freeze":
            worker.signal_all(signal.SIGSTOP)
            time.sleep(_LEASE_SECONDS + chance.uniform(1, 3))
            worker.signal_all(signal.SIGCONT)
            return worker
    return farm.start_crashing_worker()


def _tamper_with_bells(farm: RunningFarm, kind: str) -> None:
    client = farm.store.client
    key = f"{farm.store.prefix}{BELLS}tiny.any.normal"  # of all jobs here
    bells: list[str] = client.lrange(key, 0, -1)  # type: ignore[assignment]
    if kind == "drop bells":
        client.delete(key)
    elif kind == "malformed bells" or not bells:
        client.lpush(key, "[]", "{", "5")
    else:
        client.lpush(key, *bells)


def _spoil_a_record(farm: RunningFarm, chance: random.Random) -> None:
    """Write nonsense over a record; whoever looks after the farm then runs reconcile."""
    left = [record.id for record in farm.store.list() if record.state not in FINISHED]
    if left:
        job = chance.choice(left)
        farm.store.client.set(f"{farm.store.prefix}job:{job}", "nonsense")
        time.sleep(2 * SECONDS_BETWEEN_SWEEPS)
        farm.store.client.delete(f"{farm.store.prefix}job:{job}")  # if no script has met it
        assert farm.run("reconcile").exit_code == 0


def _judge(
    farm: RunningFarm,
    jobs: Sequence[str],
    poison: Sequence[str],
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
        done_after_more=sum(record.attempts > 1 for record in done),
        quarantined=len(farm.store.list(state=State.QUARANTINED)),
        is_poison_quarantined=all(farm.store.get(job).state is State.QUARANTINED for job in poison),
    )
