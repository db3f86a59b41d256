"""A whole farm on this machine: what should run, and what runs.

A supervisor keeps one broker and some workers running, as the farm's file says; ``supervisor`` is
its program, and ``control`` starts and stops everything.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rushes.errors import ConfigError
from rushes_queue.local.process_guard import ProcessGuard

# Settings that must be equal for submitting and rendering jobs.
SHARED_VARIABLES = (
    "RUSHES_BROKER_URL_FILE",
    "RUSHES_KEY_PREFIX",
    "RUSHES_STORAGE_URL",
    "RUSHES_S3_ENDPOINT",
    "RUSHES_S3_REGION",
)


class FarmSpec(BaseModel):
    """What should run; ``workers`` has the GPU of each, or ``cpu``.

    ``elsewhere`` is the hash of another machine's broker that the workers belong to; where it is
    empty the farm has a broker of its own.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    server: str = ""
    port: int = 0
    elsewhere: str = ""
    workers: tuple[str, ...]
    worker_command: tuple[str, ...]
    environment: dict[str, str]

    @property
    def has_broker(self) -> bool:
        """Whether the farm has a broker of its own."""
        return not self.elsewhere

    def worker_key(self, index: int) -> str:
        """Return a key that differs between workers of different specifications."""
        broker = self.elsewhere or self.port
        parts = [self.version, broker, *self.command_of(index), sorted(self.environment.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def command_of(self, index: int) -> list[str]:
        """Return the command line of a worker."""
        gpu = self.workers[index]
        return [*self.worker_command, "--gpu", gpu, "--slot", f"worker-{index}"]


class About(BaseModel):
    """What is kept beside a slot: its process's specification, and how often it crashed lately."""

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
        """Say whether the broker or a supervisor that would start it again runs."""
        return self.supervisor.is_taken() or self.server.is_taken()

    def spec(self) -> FarmSpec | None:
        """Read what should run; None where there has been no farm.

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
        """Return the broker's URL with its password. Raises: ConfigError when there is none."""
        try:
            return self.url_file.read_text().strip()
        except OSError as error:
            raise ConfigError(f"{self.url_file}: cannot be read: {error}; rushes up") from error

    def shared_variables(self) -> dict[str, str]:
        """Return the variables that lead to this farm; none unless it runs."""
        spec = self.spec() if self.is_running() else None
        if spec is None or not self.url_file.is_file():
            return {}
        return {
            name: spec.environment[name] for name in SHARED_VARIABLES if name in spec.environment
        }


def about_in(slot: ProcessGuard) -> About | None:
    """Return what is kept about a slot's running process, None when there is none."""
    return last_about(slot) if slot.is_taken() else None


def last_about(slot: ProcessGuard) -> About | None:
    """Return what is kept about a slot's latest process, None when there was none."""
    text = slot.about()
    try:
        return About.model_validate_json(text) if text else None
    except ValidationError:
        return About(key="")  # of another version: equal to no specification of ours
