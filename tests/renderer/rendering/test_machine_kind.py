"""Threads and kinds of machines: fixed by the request, recorded, and told apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from renders.shots import timeline
from renders.studio import Studio
from rushes.rendering.frames import render_frames
from rushes.rendering.loop import Progress
from rushes.rendering.machine_kind import (
    THREADS_ON_CPU,
    MachineKind,
    computed_in_threads,
    computing_threads,
    machine_kind,
    mixture_warnings,
)
from rushes.rendering.render import render
from rushes.video.frame_hash import FrameHash

CPU = torch.device("cpu")
SHOT = timeline()


@pytest.fixture(params=[1, 2], ids=["in-one", "in-two"])
def ambient(request: pytest.FixtureRequest) -> Iterator[int]:
    """A process that computes with so many threads by itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [None, 1, 2], ids=["default", "one", "two"])
def test_a_render_computes_with_the_threads_of_its_request(
    studio: Studio, ambient: int, threads: int | None
) -> None:
    wanted = threads or THREADS_ON_CPU
    plan, request = studio.prepare(SHOT)
    seen: list[int] = []

    def report(progress: Progress) -> None:
        seen.append(torch.get_num_threads())

    request = request.model_copy(update={"threads": threads})
    manifest = render(studio.pipeline, plan, request, report=report)
    assert set(seen) == {wanted}
    assert torch.get_num_threads() == ambient
    assert (manifest["threads"], manifest["request"]["threads"]) == (wanted, threads)
    assert manifest["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    hashed = FrameHash()
    for _, frames in render_frames(studio.pipeline, plan, request):
        assert torch.get_num_threads() == ambient
        hashed.update(frames)
    assert hashed.hexdigest() == manifest["frames_sha256"]


def test_frames_do_not_depend_on_the_threads_that_a_process_has(studio: Studio) -> None:
    plan, request = studio.prepare(SHOT)
    hashes = []
    for number in (1, 2):
        with computing_threads(number, CPU):
            hashes.append(render(studio.pipeline, plan, request, force=True)["frames_sha256"])
    assert len(set(hashes)) == 1


def test_items_are_made_with_so_many_threads_and_taken_with_the_former_number() -> None:
    def numbers() -> Iterator[int]:
        for _ in range(2):
            yield torch.get_num_threads()

    with computing_threads(1, CPU):
        for number in computed_in_threads(numbers(), 2, CPU):
            assert (number, torch.get_num_threads()) == (2, 1)


def test_a_gpu_leaves_the_number_of_threads_alone() -> None:
    with computing_threads(2, CPU), computing_threads(None, torch.device("cuda")):
        assert torch.get_num_threads() == 2


def test_what_a_cpu_computes_is_part_of_the_kind_of_machine() -> None:
    with computing_threads(2, CPU):
        kind = machine_kind(CPU)
    capability = torch.backends.cpu.get_cpu_capability()
    assert kind == MachineKind("cpu", torch.__version__, 2, capability)
    assert MachineKind(**kind.to_dict()) == kind


def test_a_mixture_is_a_warning_that_names_the_kinds() -> None:
    kind = MachineKind("cpu", "2.9", 1, "AVX2")
    other = MachineKind("cpu", "2.9", 2, "AVX2")
    assert mixture_warnings((kind,)) == ()
    (warning,) = mixture_warnings((kind, other))
    assert "(cpu, AVX2, 1 thread, torch 2.9), then (cpu, AVX2, 2 threads, torch 2.9)" in warning
