"""A whole farm on this machine: what is to run, and what runs.

A supervisor keeps one broker and some workers alive, as the farm's file says; ``supervisor`` is
its program, ``control`` starts and stops them all.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rushes.errors import ConfigError
from rushes_queue.local.process_guard import ProcessGuard

# What those who submit jobs and those who render them must agree on.
SHARED_VARIABLES = (
    "RUSHES_BROKER_URL_FILE",
    "RUSHES_KEY_PREFIX",
    "RUSHES_STORAGE_URL",
    "RUSHES_S3_ENDPOINT",
    "RUSHES_S3_REGION",
)


class FarmSpec(BaseModel):
    """What is to run; ``workers`` has the GPU of each, or ``cpu``."""

    model_config = ConfigDict(frozen=True)

    version: str
    server: str
    port: int
    workers: tuple[str, ...]
    worker_command: tuple[str, ...]
    environment: dict[str, str]

    def worker_key(self, index: int) -> str:
        """Return what tells a worker of this specification from one of another."""
        parts = [self.version, self.port, *self.command_of(index), sorted(self.environment.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def command_of(self, index: int) -> list[str]:
        """Return the command line of a worker."""
        gpu = self.workers[index]
        return [*self.worker_command, "--gpu", gpu, "--slot", f"worker-{index}"]


class About(BaseModel):
    """What a slot tells of its process: its specification, and how often its like died lately."""

    key: str
    deaths: int = 0


class LocalFarm:
    """The farm that lives in a folder: its file, and a slot for each of its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ProcessGuard(folder, "broker")
        self.supervisor = ProcessGuard(folder, "supervisor")

    @property
    def file(self) -> Path:
        return self.folder / "farm.json"

    @property
    def url_file(self) -> Path:
        return self.folder / "broker.url"

    def worker(self, index: int) -> ProcessGuard:
        return ProcessGuard(self.folder, f"worker-{index}")

    def workers(self) -> list[ProcessGuard]:
        """Return the slots of all workers that ever were."""
        names = {path.stem for path in self.folder.glob("worker-*.lock")}
        return [
            ProcessGuard(self.folder, name)
            for name in sorted(names, key=lambda name: (len(name), name))
        ]

    def is_running(self) -> bool:
        """Say whether the broker runs, or somebody is there to start it again."""
        return self.supervisor.is_taken() or self.server.is_taken()

    def spec(self) -> FarmSpec | None:
        """Read what is to run, None where there has been no farm.

        Raises: ConfigError when the file is damaged.
        """
        try:
            return FarmSpec.model_validate_json(self.file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise ConfigError(
                f"{self.file}: cannot be read ({type(error).__name__}); remove it, then rushes up"
            ) from error

    def broker_url(self) -> str:
        """Return the broker's URL with its password.

        Raises: ConfigError when it is not there.
        """
        try:
            return self.url_file.read_text().strip()
        except OSError as error:
            raise ConfigError(f"{self.url_file}: cannot be read: {error}; rushes up") from error

    def shared_variables(self) -> dict[str, str]:
        """Return the variables that lead to this farm; none while it does not run."""
        spec = self.spec() if self.is_running() else None
        if spec is None or not self.url_file.is_file():
            return {}
        return {
            name: spec.environment[name] for name in SHARED_VARIABLES if name in spec.environment
        }


def about_in(slot: ProcessGuard) -> About | None:
    """Return what a slot tells of its process, None when there is none."""
    return last_about(slot) if slot.is_taken() else None


def last_about(slot: ProcessGuard) -> About | None:
    """Return what a slot tells of its latest process, None when there was none."""
    text = slot.about()
    try:
        return About.model_validate_json(text) if text else None
    except ValidationError:
        return About(key="")  # of another version: like no specification of ours
