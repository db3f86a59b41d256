"""The farm's commands as a user types them, on an empty broker and storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from farm.documents import document
from rushes_queue.archive.job_files import document_key, read_document, save_state, write_document
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.cli import app
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.record import JobProgress, JobRecord
from rushes_queue.storage.open import open_storage
from rushes_queue.storage.storage import Storage


@dataclass(frozen=True)
class Farm:
    """Broker and storage, with a hand that does what submitters and workers do."""

    store: JobRecords
    storage: Storage
    environment: dict[str, str]
    folder: Path  # for the test's own files

    def run(self, *arguments: object, **how: Any) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(app, list(map(str, arguments)), env=self.environment, **how)

    def json(self, *arguments: object) -> Any:
        """Run a command and return the one JSON object that it prints."""
        result = self.run(*arguments, "--json")
        assert len(result.stdout.splitlines()) == 1, result.output
        return json.loads(result.stdout)

    def submit(self, take: int = 0, **more: Any) -> str:
        """Hand a job in, and return its id."""
        written = write_document(self.storage, document(take, **more))
        self.store.submit(written, document_key(written.id))
        save_state(self.store, self.storage, written.id)
        return written.id

    def claim(self, worker: str = "w@host") -> JobRecord:
        """Take the next job as a worker does."""
        queues = [f"tiny.any.{priority}" for priority in ("high", "normal", "low")]
        record = self.store.leases.claim(queues, worker, ttl_ms=60_000, host="host", gpu="cpu")
        assert record is not None
        return record

    def progress(self, record: JobRecord, chunk: int, prompt: str = "a cat") -> None:
        """Report progress as a worker does."""
        reported = JobProgress(chunk=chunk, frame=4 * chunk + 1, fps=8.0, prompt=prompt)
        self.store.leases.renew(record.id, record.fence, 60_000, reported)

    def publish(
        self, record: JobRecord, output: str = "", contents: dict[str, bytes] | None = None
    ) -> dict[str, Any]:
        """End a job as a worker does, with a video, a manifest and a contact sheet."""
        output = output or f"results/2026-01-02/cat-42-{record.id}.mp4"
        contents = contents or {
            output: b"video of " + record.id.encode(),
            f"{output}.json": json.dumps({"frames_sha256": "f" * 64}).encode(),
            f"{output}.png": b"sheet",
        }
        for key, data in contents.items():
            self.storage.put_bytes(key, data)
        result = {
            "output": output,
            "manifest": f"{output}.json",
            "contact_sheet": f"{output}.png",
            "files": {
                key: {"size": len(data), "sha256": sha256(data).hexdigest()}
                for key, data in contents.items()
            },
            "frames_sha256": "f" * 64,
            "seconds": 1.5,
            "num_frames": record.num_frames,
        }
        self.store.ends.finish(record.id, record.fence, result)
        save_state(self.store, self.storage, record.id)
        return result

    def done(self, take: int = 0, **more: Any) -> str:
        """Hand a job in and bring it to its end."""
        job = self.submit(take, priority="high", **more)
        self.publish(self.claim())
        return job

    def document(self, job: str) -> JobDocument:
        return read_document(self.storage, job)


def open_farm(
    store: JobRecords, url: str, folder: Path, settings: Mapping[str, str] | None = None
) -> Farm:
    """Return a farm below a folder, with the broker of a store; ``settings`` are variables."""
    environment = {
        "RUSHES_BROKER_URL": url,
        "RUSHES_STORAGE_URL": str(folder / "storage"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "COLUMNS": "200",
        **(settings or {}),
    }
    files = folder / "files"
    files.mkdir()
    return Farm(store, open_farm_storage(environment), environment, files)


def open_farm_storage(settings: Mapping[str, str]) -> Storage:
    """Open the storage that variables name."""
    return open_storage(
        settings["RUSHES_STORAGE_URL"], s3_endpoint=settings.get("RUSHES_S3_ENDPOINT")
    )
