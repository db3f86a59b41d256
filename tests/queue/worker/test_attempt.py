"""One attempt at a job: what becomes of the job, whatever the render does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from farm.commands import Farm
from farm.documents import TIMELINE
from rushes.errors import InputError, MemoryShortError
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.request import RenderRequest
from rushes.rendering.work import Work
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.settings.model import Settings
from rushes_queue.storage.blobs import put_blob
from rushes_queue.worker.attempt import AttemptRun
from rushes_queue.worker.shared_status import SharedStatus

Act = Callable[[int], None]


class Renderer:
    """Writes small files in place of pictures; ``act`` is called before each chunk."""

    preset = "tiny"

    def __init__(self, act: Act = lambda chunk: None, on_load: Callable[[], None] | None = None):
        self.act, self.on_load = act, on_load
        self.folder: Path | None = None

    def load(self, document: JobDocument, say: Callable[[str], None]) -> None:
        if self.on_load is not None:
            self.on_load()

    def render(
        self,
        document: JobDocument,
        request: RenderRequest,
        work: Work,
        report: Callable[[Progress], None],
    ) -> dict[str, Any]:
        self.folder = request.output.parent.parent
        assert request.timeline.read_text() == TIMELINE
        for chunk in range(1, document.num_chunks + 1):
            self.act(chunk)
            frame = 4 * chunk + 1
            report(
                Progress(
                    *(chunk, document.num_chunks, frame, document.num_frames),
                    *(8.0, 1.0, "a cat", np.zeros((4, 4, 3), np.uint8)),
                )
            )
        request.output.write_bytes(b"video")
        request.sheet_path.write_bytes(b"sheet")
        return {
            "frames_sha256": "f" * 64,
            "num_frames": document.num_frames,
            "timings": {"total": 1.0},
            "request": request.model_dump(mode="json"),
        }


class Bench:
    """A farm with one claimed job, and a worker's hands to render it."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        (farm.folder / "cat.json").write_text(TIMELINE)
        put_blob(farm.storage, farm.folder / "cat.json")
        self.settings = Settings.model_validate(
            {
                "broker_url": SecretStr(farm.environment["RUSHES_BROKER_URL"]),
                "storage_url": farm.environment["RUSHES_STORAGE_URL"],
                "work_dir": farm.folder / "work",
                "cache_dir": farm.folder / "cache",
                "lease_seconds": 30,
            }
        )
        self.links = FarmLinks(self.settings, farm.store, farm.storage)
        self.shared = SharedStatus()
        self.job = farm.submit()
        self.record = farm.claim()

    def run(self, renderer: Renderer) -> JobRecord:
        AttemptRun(self.links, self.record, renderer, self.shared, device="cpu").run()
        return self.farm.store.get(self.job)

    def log(self) -> str:
        events = self.farm.store.events.read(self.job)
        return "\n".join(event.fields["message"] for event in events if event.kind == "log")

    def left(self) -> list[str]:
        """What is left of the attempt's files on this machine."""
        work = self.settings.work_dir
        return [str(path.relative_to(work)) for path in work.rglob("*") if path.is_file()]


@pytest.fixture
def bench(farm: Farm) -> Bench:
    return Bench(farm)


def test_a_render_becomes_a_published_result(bench: Bench) -> None:
    renderer = Renderer()
    record = bench.run(renderer)
    assert record.state is State.DONE, bench.log()
    assert record.result is not None
    assert bench.farm.storage.get_bytes(record.result["output"]) == b"video"
    manifest = json.loads(bench.farm.storage.get_bytes(record.result["manifest"]))
    assert manifest["job"]["id"] == bench.job
    assert record.chunk == record.num_chunks
    assert bench.left() == []
    assert bench.shared.read().status == "idle"
    state = json.loads(bench.farm.storage.get_bytes(f"jobs/{bench.job}/state.json"))
    assert state["state"] == "done"


def test_while_it_renders_the_parent_sees_what_and_how_far(bench: Bench) -> None:
    seen = []
    bench.run(Renderer(lambda chunk: seen.append(bench.shared.read())))
    assert {(each.status, each.job, each.fence) for each in seen} == {
        ("busy", bench.job, bench.record.fence)
    }
    assert [each.chunk for each in seen] == list(range(bench.record.num_chunks))


@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (InputError("clip.mp4: is truncated"), State.FAILED, "input"),
        (ZeroDivisionError("by zero"), State.FAILED, "bug"),
        (MemoryShortError("too little memory"), State.QUEUED, "resource"),
        (ConnectionResetError("away"), State.QUEUED, "infrastructure"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_decides_whether_it_is_tried_again(
    bench: Bench, error: Exception, state: State, kind: str
) -> None:
    def fail(chunk: int) -> None:
        raise error

    record = bench.run(Renderer(fail))
    assert record.state is state, bench.log()
    assert record.error is not None
    assert record.error.kind == kind
    assert str(error) in record.error.message
    assert (record.not_before_ms is not None) == (state is State.QUEUED)
    assert bench.left() == []
    assert ("Traceback" in bench.log()) == (kind == "bug")


@pytest.mark.parametrize(("ask", "state"), [("cancel", State.CANCELLED), ("pause", State.PAUSED)])
def test_what_a_user_asks_for_ends_the_render(bench: Bench, ask: str, state: State) -> None:
    bench.farm.storage.put_bytes(f"work/{bench.job}/old", b"")
    begun: list[int] = []

    def render_slowly(chunk: int) -> None:
        if chunk == 1:
            getattr(bench.farm.store.changes, ask)(bench.job)
        begun.append(chunk)
        time.sleep(0.7)  # it is heard when the lease is renewed, up to once a second

    record = bench.run(Renderer(render_slowly))
    assert record.state is state, bench.log()
    assert len(begun) < record.num_chunks
    assert list(bench.farm.storage.list("results")) == []
    is_kept = bool(list(bench.farm.storage.list(f"work/{bench.job}")))
    assert is_kept is (state is State.PAUSED)


def test_a_worker_that_drains_hands_its_job_back_with_a_save(bench: Bench) -> None:
    stops: list[StopRender] = []

    class Watching(Renderer):
        def render(self, *arguments: Any) -> dict[str, Any]:
            try:
                return super().render(*arguments)
            except StopRender as stop:
                stops.append(stop)
                raise

    def drain(chunk: int) -> None:
        if chunk == 2:
            bench.shared.drain()

    record = bench.run(Watching(drain))
    assert record.state is State.QUEUED, bench.log()
    assert record.losses == 0
    assert [(str(stop), stop.save) for stop in stops] == [("drain", True)]


def test_an_attempt_that_lost_its_lease_publishes_nothing(bench: Bench) -> None:
    def lose(chunk: int) -> None:
        if chunk == 1:
            bench.farm.store.ends.release(bench.job, bench.record.fence, "test")

    record = bench.run(Renderer(lose))
    assert record.state is State.QUEUED
    assert list(bench.farm.storage.list("results")) == []
    assert "lost its lease" in bench.log()


def test_a_result_of_an_earlier_attempt_is_not_rendered_again(bench: Bench) -> None:
    first = bench.run(Renderer())
    bench.farm.store.client.flushall()
    assert bench.farm.submit() == bench.job
    bench.record = bench.farm.claim()
    begun: list[int] = []
    assert bench.run(Renderer(begun.append)).result == first.result
    assert begun == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: b"{", "is not usable JSON"),
        (lambda text: text.replace(b'"preset":"tiny"', b'"preset":"../x"'), "is wrong: preset"),
        (lambda text: text.replace(b'"crf":null', b'"crf":7'), "changed after it was submitted"),
    ],
    ids=["broken", "wrong", "another"],
)
def test_a_document_that_is_damaged_is_quarantined(
    bench: Bench, change: Callable[[bytes], bytes], words: str
) -> None:
    key = f"jobs/{bench.job}/job.json"
    bench.farm.storage.put_bytes(key, change(bench.farm.storage.get_bytes(key)))
    record = bench.run(Renderer())
    assert record.state is State.QUARANTINED, bench.log()
    assert record.error is not None
    assert words in record.error.message


def test_a_document_of_a_newer_version_is_left_to_others(bench: Bench) -> None:
    key = f"jobs/{bench.job}/job.json"
    fields = json.loads(bench.farm.storage.get_bytes(key)) | {"schema_version": 99}
    bench.farm.storage.put_bytes(key, json.dumps(fields).encode())
    record = bench.run(Renderer())
    assert record.state is State.QUEUED
    assert "refused_by" in record.notes
    assert record.error is None
    assert "left to other workers" in bench.log()


def test_an_input_that_is_gone_fails_the_job_for_good(bench: Bench) -> None:
    bench.farm.storage.delete("blobs")
    record = bench.run(Renderer())
    assert record.state is State.FAILED, bench.log()
    assert record.error is not None
    assert "cat.json: its content" in record.error.message
