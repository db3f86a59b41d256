"""A file that shows the health of a worker without asking it, by its age and its content."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rushes.files.atomic import remove_old_temporaries, write_whole
from rushes_queue.broker.live_workers import WorkerStatus
from rushes_queue.worker.shared_status import Activity

HEALTH = "health"  # folder below the work folder
STALE_SECONDS = 20.0


@dataclass(frozen=True)
class Health:
    """What a worker wrote last, and how long ago."""

    name: str
    age_seconds: float
    status: WorkerStatus
    activity: Activity
    pid: int  # of the worker's parent

    @property
    def is_alive(self) -> bool:
        return self.age_seconds < STALE_SECONDS

    def __str__(self) -> str:
        at = f" job {self.activity.job} chunk {self.activity.chunk}" if self.activity.job else ""
        return f"{self.name}: {self.status}{at}, {self.age_seconds:.0f} s ago"


def write_health(work_dir: Path, name: str, status: WorkerStatus, activity: Activity) -> None:
    """Write the file of a worker.

    Raises: OSError.
    """
    folder = work_dir / HEALTH
    folder.mkdir(parents=True, exist_ok=True)
    content = {"status": status, "activity": asdict(activity), "pid": os.getpid()}
    text = json.dumps(content).encode()
    # Written each second, and used only while the worker is alive.
    write_whole(folder / f"{name}.json", lambda file: file.write(text), is_durable=False)


def remove_health(work_dir: Path, name: str) -> None:
    """Remove the file of a worker that ends."""
    (work_dir / HEALTH / f"{name}.json").unlink(missing_ok=True)


def remove_dead(work_dir: Path) -> None:
    """Remove the files of workers that were killed: their processes are gone."""
    remove_old_temporaries(work_dir / HEALTH)
    for health in read_health(work_dir):
        try:
            os.kill(health.pid, 0)
        except ProcessLookupError:
            remove_health(work_dir, health.name)
        except PermissionError:  # another user's, and alive
            pass


def read_health(work_dir: Path) -> tuple[Health, ...]:
    """Return what the workers with this work folder wrote, by name."""
    found = []
    for path in sorted((work_dir / HEALTH).glob("*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            age = max(0.0, time.time() - path.stat().st_mtime)
            activity, pid = Activity(**data["activity"]), int(data["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found.append(Health(path.stem, age, data["status"], activity, pid))
    return tuple(found)
