"""What runs beside what on a GPU, seen by a recorder in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from renders.streams import clip, inputs_of, open_stream, plan
from rushes.lanes import Lane, Lanes, lanes_on
from rushes.stream.noise_controller import ScopeNoiseController
from rushes.stream.row import Row
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import Chunk

VIDEO = clip()


class Recorder:
    """Streams by their names, and all that is said to them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.at = "main"

    def make(self, name: str) -> str:
        return name

    def current(self) -> str:
        return self.at

    def wait(self, waiting: str, other: str) -> None:
        self.log.append(f"{waiting} waits for {other}")

    @contextmanager
    def use(self, stream: str) -> Iterator[None]:
        before, self.at = self.at, stream
        try:
            yield
        finally:
            self.at = before

    def keep(self, tensor: Tensor, stream: str) -> None:
        self.log.append(f"kept for {stream}")


def test_a_lane_begins_behind_its_caller_and_is_waited_for_when_its_results_are_used() -> None:
    streams = Recorder()
    lane = Lane(streams, "encode")
    with lane.beside(torch.zeros(1)):
        streams.log.append(f"work on {streams.at}")
    streams.log.append(f"work on {streams.at}")
    lane.join(torch.zeros(1))
    assert streams.log == [
        "encode waits for main",
        "kept for encode",
        "work on encode",
        "work on main",
        "main waits for encode",
        "kept for main",
    ]


def noted(stream: Stream, streams: Recorder) -> None:
    """Have the recorder see where each stage runs."""
    driver, vae = stream.driver, stream._vae

    class Vae:
        def encode(self, *args: object) -> Tensor:
            streams.log.append(f"encode on {streams.at}")
            return vae.encode(*args)  # type: ignore[arg-type]

        def decode(self, *args: object) -> Tensor:
            streams.log.append(f"decode on {streams.at}")
            return vae.decode(*args)  # type: ignore[arg-type]

    stream._vae = Vae()
    advance = driver.advance

    def seen(row: Row) -> Tensor | None:
        streams.log.append(f"passes on {streams.at}")
        return advance(row)

    driver.advance = seen  # type: ignore[method-assign]


def frames_of(stream: Stream, chunks: list[Chunk]) -> Iterator[Tensor]:
    return stream.render((chunk, inputs_of(chunk, VIDEO)) for chunk in chunks)


def test_the_next_chunk_is_encoded_and_the_last_decoded_beside_the_passes() -> None:
    streams = Recorder()
    stream = open_stream(lanes=Lanes(streams))
    noted(stream, streams)
    list(frames_of(stream, plan(3, noise_scale=0.7)))
    work = [each for each in streams.log if not each.startswith("kept")]
    assert work == [
        "encode on main",  # of the first chunk: there is nothing to do it beside
        *("encode waits for main", "encode on encode"),
        "passes on main",
        *("decode waits for main", "decode on decode"),
        "main waits for encode",  # for the second chunk, not for frames of the first
        *("encode waits for main", "encode on encode"),
        "passes on main",
        *("decode waits for main", "decode on decode"),
        "main waits for encode",
        "passes on main",
        *("decode waits for main", "decode on decode"),
    ]


@pytest.mark.parametrize("noise_scale", [None, 0.7], ids=["text", "video"])
def test_chunks_on_lanes_are_what_they_are_in_one_order(noise_scale: float | None) -> None:
    chunks = plan(6, resets=(0, 3), noise_scale=noise_scale)
    expected = list(frames_of(open_stream(ScopeNoiseController()), chunks))
    streams = Recorder()
    made = list(frames_of(open_stream(ScopeNoiseController(), lanes=Lanes(streams)), chunks))
    for frames, wanted in zip(made, expected, strict=True):
        assert torch.equal(frames, wanted)


@pytest.mark.parametrize("done", [2, 3], ids=["in mid stream", "before a reset"])
@pytest.mark.parametrize("with_lanes", [True, False], ids=["lanes", "no lanes"])
def test_a_chunk_that_was_encoded_ahead_is_in_the_save_point(done: int, with_lanes: bool) -> None:
    chunks = plan(6, resets=(0, 3), noise_scale=0.7)
    expected = list(frames_of(open_stream(ScopeNoiseController()), chunks))
    streams = Recorder()
    early = open_stream(ScopeNoiseController(), lanes=Lanes(streams))
    rendering = frames_of(early, chunks)
    made = [next(rendering) for _ in range(done)]
    snapshot = deepcopy(early.snapshot())
    assert streams.log[-2:] == ["decode waits for encode", "decode waits for decode"]
    late = open_stream(ScopeNoiseController(), lanes=Lanes(Recorder()) if with_lanes else None)
    late.restore(snapshot)
    made += frames_of(late, chunks[done:])
    for frames, wanted in zip(made, expected, strict=True):
        assert torch.equal(frames, wanted)


def test_a_cpu_has_no_lanes() -> None:
    assert lanes_on(torch.device("cpu")) is None
