"""Mistreats workers at random instants while they render, and counts what was lost.

Every job must end with the frames of an undisturbed render, published once, whatever happened to
the workers. The instants come from a seed, so a run can be repeated as far as the machine allows.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.supervised import SupervisedFarm, SupervisedWorker, supervised_farm
from farm.timelines import write_shot
from rushes_queue.broker.totals import read_totals
from rushes_queue.doorbell.bells import BELLS
from rushes_queue.jobs.states import FINISHED, State
from rushes_queue.worker.sweep import SECONDS_BETWEEN_SWEEPS

FAULTS = ("kill child", "kill worker", "terminate", "freeze")
ALL_FAULTS = (
    *FAULTS,
    *("kill parent", "kill supervisor", "kill broker"),
    *("double bells", "drop bells", "malformed bells", "spoil record"),
)
CHUNKS = 60  # some seconds of rendering on a fast machine
_LEASE_SECONDS = 5.0
_LONGEST_SECONDS = 7200.0
_DIFFERENT_JOBS = 25  # rendered undisturbed; the others are the same ones once more
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
    equal_after_more: int  # of those, the ones with the frames of an undisturbed render
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

    Broker and workers are looked after by the supervisor of ``rushes up``. ``with_enemies``: one
    more job crashes each worker that renders it, and one more worker crashes with each job.
    ``settings`` are variables of the farm, such as those of a bucket.
    """
    chance = random.Random(seed)
    environment = {"RUSHES_LEASE_SECONDS": str(_LEASE_SECONDS), **(settings or {})}
    begin = time.monotonic()
    counts = dict.fromkeys(kinds, 0)
    with supervised_farm(environment, num_workers, cache=cache) as farm:
        expected = _render_undisturbed(farm, min(num_jobs, _DIFFERENT_JOBS), chunks)
        say(f"{len(expected)} jobs rendered undisturbed in {time.monotonic() - begin:.0f} s")
        poison = []
        sick = None
        if with_enemies:
            poison = farm.submit(write_shot(farm.folder / "poison.json", chunks=chunks, seed=1))
            sick = farm.start_sick_worker()
        jobs = _submit(farm, list(expected), num_jobs)
        try:
            for number, kind in enumerate(_in_any_order(kinds, num_faults, chance)):
                _strike(farm, kind, chance, counts)
                done = _num_ended(farm, jobs)
                if number % 10 == 9:
                    say(f"{number + 1} faults, {done} of {num_jobs} jobs have ended")
                if done == num_jobs:
                    say(f"all jobs have ended after {number + 1} faults; more jobs are needed")
                    break
            farm.wait([*jobs, *poison], timeout=_LONGEST_SECONDS)
        finally:
            if sick is not None:
                os.killpg(sick.pid, signal.SIGKILL)
                sick.wait()
        wanted = {job: expected[shot] for job, shot in jobs.items()}
        return _judge(farm, wanted, poison, counts, time.monotonic() - begin)


def _render_undisturbed(
    farm: SupervisedFarm, number: int, chunks: int
) -> dict[Path, tuple[str, bytes]]:
    shots = [
        write_shot(farm.folder / f"shot{each:03}.json", chunks=chunks, seed=each + 2)
        for each in range(number)
    ]
    return {shot: farm.render_here(shot) for shot in shots}


def _submit(farm: SupervisedFarm, shots: Sequence[Path], number: int) -> dict[str, Path]:
    """Hand in so many jobs, the same timelines over and over; return the timeline of each."""
    jobs: dict[str, Path] = {}
    while len(jobs) < number:
        some = shots[: number - len(jobs)]
        jobs |= dict(zip(farm.submit(*some, "--new"), some, strict=True))
    return jobs


def _in_any_order(kinds: Sequence[str], number: int, chance: random.Random) -> list[str]:
    """Return so many kinds, all of them equally often but for one."""
    rounds = [chance.sample(kinds, len(kinds)) for _ in range(number // len(kinds) + 1)]
    return [kind for each in rounds for kind in each][:number]


def _num_ended(farm: SupervisedFarm, jobs: Iterable[str]) -> int:
    return sum(record.state in FINISHED for record in farm.store.get_many(jobs).values())


def _strike(farm: SupervisedFarm, kind: str, chance: random.Random, counts: dict[str, int]) -> None:
    """Do something bad to a worker that has a job, or to what it depends on."""
    worker = _busy_worker(farm, chance)
    time.sleep(chance.uniform(0.0, 1.0))
    _mistreat(farm, worker, kind, chance)
    counts[kind] += 1


def _busy_worker(farm: SupervisedFarm, chance: random.Random) -> SupervisedWorker:
    """Wait until a worker has a job, or a while, and return it: also one that starts is struck."""
    deadline = time.monotonic() + _LONGEST_START_SECONDS
    while time.monotonic() < deadline:
        owners = {record.owner for record in farm.store.list(state=State.RUNNING)}
        busy = [worker for worker in farm.slots if worker.name in owners]
        if busy:
            return chance.choice(busy)
        time.sleep(0.05)
    return chance.choice(farm.slots)


def _mistreat(
    farm: SupervisedFarm, worker: SupervisedWorker, kind: str, chance: random.Random
) -> None:
    match kind:
        case "kill child":
            worker.kill_child()
        case "kill worker":
            worker.kill()
        case "kill parent":
            worker.kill_parent()
        case "kill supervisor":
            farm.kill_supervisor(worker, chance.uniform(0, 2))
        case "kill broker":
            farm.kill_broker()
        case "double bells" | "drop bells" | "malformed bells":
            _tamper_with_bells(farm, kind)
        case "spoil record":
            _spoil_a_record(farm, chance)
        case "terminate":
            worker.drain()
        case "freeze":
            worker.signal_all(signal.SIGSTOP)
            time.sleep(_LEASE_SECONDS + chance.uniform(1, 3))
            worker.signal_all(signal.SIGCONT)


def _tamper_with_bells(farm: SupervisedFarm, kind: str) -> None:
    client = farm.store.client
    key = f"{farm.store.prefix}{BELLS}tiny.any.normal"  # of all jobs here
    bells: list[str] = client.lrange(key, 0, -1)  # type: ignore[assignment]
    if kind == "drop bells":
        client.delete(key)
    elif kind == "malformed bells" or not bells:
        client.lpush(key, "[]", "{", "5")
    else:
        client.lpush(key, *bells)


def _spoil_a_record(farm: SupervisedFarm, chance: random.Random) -> None:
    """Write nonsense over a record; whoever looks after the farm then runs reconcile."""
    left = [record.id for record in farm.store.list() if record.state not in FINISHED]
    if left:
        job = chance.choice(left)
        farm.store.client.set(f"{farm.store.prefix}job:{job}", "nonsense")
        time.sleep(2 * SECONDS_BETWEEN_SWEEPS)
        farm.store.client.delete(f"{farm.store.prefix}job:{job}")  # if no script has met it
        assert farm.run("reconcile").exit_code == 0


def _judge(
    farm: SupervisedFarm,
    expected: Mapping[str, tuple[str, bytes]],
    poison: Sequence[str],
    counts: dict[str, int],
    seconds: float,
) -> Outcome:
    """Compare what became of jobs with the frames and the videos that are expected of each."""
    records = list(farm.store.get_many(expected).values())
    done = [record for record in records if record.state is State.DONE]
    results = [key for key in farm.results() if key.endswith(".mp4")]
    hashes = {record.id: farm.manifest(record)["frames_sha256"] for record in done}
    more = [record for record in done if record.attempts > 1]
    return Outcome(
        jobs=len(expected),
        faults=counts,
        done=len(done),
        lost=len(expected) - len(records),
        published_twice=sum(sum(each.id in key for key in results) != 1 for each in done),
        different_frames=sum(hashes[each.id] != expected[each.id][0] for each in done),
        different_videos=sum(farm.video(each) != expected[each.id][1] for each in done),
        attempts=sum(record.attempts for record in records),
        ended=dict(read_totals(farm.store.client, farm.store.prefix).attempts),
        seconds=seconds,
        done_after_more=len(more),
        equal_after_more=sum(hashes[each.id] == expected[each.id][0] for each in more),
        quarantined=len(farm.store.list(state=State.QUARANTINED)),
        is_poison_quarantined=all(farm.store.get(job).state is State.QUARANTINED for job in poison),
    )
