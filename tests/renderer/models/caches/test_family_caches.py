"""Each memory of the model family against the same rule written slowly, with lists of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from references.frame_routing import routed
from renders.tiny_models import normal
from rushes.errors import ShapeError
from rushes.models.caches.ema_sink import EmaSinkCache
from rushes.models.caches.frame_bank import FrameBankCache
from rushes.models.caches.rebuilt_cache import PAD_MULTIPLE, RebuiltCache
from rushes.models.caches.sink_window import SinkWindowCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.step_window import StepWindowCache
from rushes.models.caches.window import Window

TOKENS, HEADS, WIDTH = 2, 2, 4
TEXT = normal(1, 3, HEADS, WIDTH, seed=5)
Frame = tuple[Tensor, Tensor]  # keys and values, [1, TOKENS, HEADS, WIDTH] each


def sizes(window: int) -> SlotSizes:
    return SlotSizes(1, HEADS, WIDTH, TOKENS, window)


def turned(keys: Tensor, start: int) -> Tensor:
    """Stand for a rotation: each frame is moved by its position."""
    places = torch.arange(keys.shape[1] // TOKENS).repeat_interleave(TOKENS) + start
    return keys + places.view(1, -1, 1, 1)


@dataclass
class Frames:
    """Makes frames that were never there before, and takes them apart and together."""

    made: int = 0

    def make(self, count: int) -> list[Frame]:
        self.made += 1
        shape = (1, TOKENS, HEADS, WIDTH)
        seeds = [1000 * self.made + index for index in range(2 * count)]
        return [(normal(*shape, seed=a), normal(*shape, seed=b)) for a, b in pairs(seeds)]


def pairs(items: list[int]) -> Iterator[tuple[int, int]]:
    yield from zip(items[::2], items[1::2], strict=True)


def joined(frames: list[Frame]) -> tuple[Tensor, Tensor]:
    return torch.cat([k for k, _ in frames], dim=1), torch.cat([v for _, v in frames], dim=1)


def assert_seen(seen: Any, expected: list[Frame]) -> None:
    keys, values = joined(expected)
    torch.testing.assert_close(seen[0], keys)
    torch.testing.assert_close(seen[1], values)


# What happens to a stream: a chunk of so many frames, another prompt, a new beginning, a save.
EVENTS = st.lists(
    st.one_of(st.integers(1, 3), st.sampled_from(["prompt", "reset", "save"])),
    min_size=1,
    max_size=25,
)
WINDOWS = st.sampled_from([(6, 0), (6, 3), (7, 2), (9, 3), (5, 1)])


# --- rolling window with protected sinks, with and without a bank --------------------------------


@dataclass
class SlowBank:
    """The window as a list, and the bank as another; ``record_every`` of 0 records nothing."""

    window: int
    sinks: int
    record_every: int = 0
    room: int = 2
    frames: list[Frame] = field(default_factory=list)
    bank: list[Frame] = field(default_factory=list)
    staged: Frame | None = None
    recorded: int = 0
    chunks: int = 0

    def make_room(self, count: int) -> None:
        over = max(0, len(self.frames) + count - self.window)
        del self.frames[self.sinks : self.sinks + over]

    def choose(self) -> None:
        if self.staged is None:
            return
        if self.recorded <= self.room:
            self.bank[self.recorded - 1 :] = [self.staged]
            return
        scale = WIDTH**-0.5
        scores = []
        for keys, _ in self.bank:
            products = torch.einsum("bpnd,bsnd->bnps", TEXT, keys) * scale
            scores.append(products.mean().item())
        order = sorted(range(len(self.bank)), key=lambda place: -scores[place])
        self.bank = [*(self.bank[place] for place in order[: self.room - 1]), self.staged]

    def chunk(self, passes: list[list[Frame]]) -> list[list[Frame]]:
        """Return what each pass sees; the last one is the clean pass."""
        self.choose()
        self.make_room(len(passes[0]))
        before = list(self.frames)
        seen = []
        held = list(self.bank)
        for frames in passes:
            all_frames = before + frames
            seen.append(all_frames[: self.sinks] + held + all_frames[self.sinks :])
        self.frames = before + passes[-1]
        if self.record_every and self.chunks % self.record_every == 0:
            self.staged = passes[-1][0]
            self.recorded += 1
        self.chunks += 1
        return seen

    def recache(self, frames: list[Frame], start: int) -> list[Frame]:
        self.choose()
        first = len(self.frames) - len(frames)
        for place, frame in enumerate(frames):
            if start == 0 or first + place >= self.sinks:
                self.frames[first + place] = frame
        return self.frames[: self.sinks] + self.bank + self.frames[self.sinks :]


@pytest.mark.parametrize("record_every", [0, 1, 2], ids=["no bank", "every chunk", "every other"])
@given(events=EVENTS, window=WINDOWS)
@settings(deadline=None, max_examples=60)
def test_window_and_bank_hold_what_the_slow_rule_says(
    record_every: int, events: list[Any], window: tuple[int, int]
) -> None:
    make = Frames().make

    def new() -> SinkWindowCache | FrameBankCache:
        if not record_every:
            return SinkWindowCache(sizes(window[0]), sinks=window[1])
        return FrameBankCache(
            sizes(window[0]), sinks=window[1], bank_frames=2, record_every=record_every
        )

    cache, slow, position = new(), SlowBank(*window, record_every), 0
    for event in events:
        if event == "save":
            cache, before = new(), cache
            cache.restore(before.snapshot())
        elif event == "reset":
            cache.reset()
            slow, position = SlowBank(*window, record_every), 0
        elif event == "prompt":
            if position:
                count = min(position, window[0])
                frames = make(count)
                cache.begin_recache(position - count, count, [TEXT])
                assert_seen(cache.write(0, *joined(frames)), slow.recache(frames, position - count))
        else:
            if event > window[0] - window[1]:
                continue
            passes = [make(event) for _ in range(3)]
            expected = slow.chunk(passes)
            cache.begin_chunk(position, event, [TEXT])
            for number, frames in enumerate(passes):
                if number == len(passes) - 1:
                    cache.begin_clean_pass()
                assert_seen(cache.write(0, *joined(frames)), expected[number])
            position += event


def test_sinks_are_filled_again_too_where_they_shall_not_be_spared() -> None:
    make = Frames().make
    cache = SinkWindowCache(sizes(6), sinks=3, keeps_sinks=False)
    for position in (0, 3, 6):
        cache.begin_chunk(position, 3, [TEXT])
        cache.write(0, *joined(make(3)))
    frames = make(6)
    cache.begin_recache(3, 6, [TEXT])
    assert_seen(cache.write(0, *joined(frames)), frames)


def test_routing_keeps_the_frames_that_are_most_like_the_queries_of_each_head() -> None:
    frames = Frames().make(5)
    q = normal(1, 6, HEADS, WIDTH, seed=77)
    keys, values = routed(q, *joined(frames), TOKENS, 2)
    for head in range(HEADS):
        likeness = [float(k[0, :, head].mean(0) @ q[0, :, head].mean(0)) for k, _ in frames]
        kept = sorted(sorted(range(5), key=lambda place: -likeness[place])[:2])
        expected = joined([frames[place] for place in kept])
        torch.testing.assert_close(keys[:, :, head], expected[0][:, :, head])
        torch.testing.assert_close(values[:, :, head], expected[1][:, :, head])


# --- averaged sinks ------------------------------------------------------------------------------


@dataclass
class SlowEma:
    window: int
    sinks: int
    kept: float
    frames: list[Frame] = field(default_factory=list)

    def chunk(self, passes: list[list[Frame]]) -> list[list[Frame]]:
        count = len(passes[0])
        over = max(0, len(self.frames) + count - self.window)
        leaving = self.frames[self.sinks : self.sinks + over]
        del self.frames[self.sinks : self.sinks + over]
        for place, (k, v) in enumerate(leaving[: self.sinks]):
            old = self.frames[place]
            if over == self.sinks:
                share = 1 - self.kept
                k, v = self.kept * old[0] + share * k, self.kept * old[1] + share * v
            self.frames[place] = (k, v)
        before = list(self.frames)
        self.frames = before + passes[-1]
        return [
            [(turned(k, place), v) for place, (k, v) in enumerate(before + frames)]
            for frames in passes
        ]


@given(events=EVENTS, window=WINDOWS)
@settings(deadline=None, max_examples=80)
def test_averaged_sinks_are_what_the_slow_rule_says(
    events: list[Any], window: tuple[int, int]
) -> None:
    make = Frames().make

    def new() -> EmaSinkCache:
        return EmaSinkCache(sizes(window[0]), sinks=window[1], rotate_keys=turned, kept=0.75)

    cache, slow, position = new(), SlowEma(*window, 0.75), 0
    for event in events:
        if event == "save":
            cache, before = new(), cache
            cache.restore(before.snapshot())
        elif event == "reset":
            cache.reset()
            slow, position = SlowEma(*window, 0.75), 0
        elif event != "prompt" and event <= window[0] - window[1]:
            passes = [make(event) for _ in range(3)]
            expected = slow.chunk(passes)
            place = cache.begin_chunk(position, event)
            assert place == len(slow.frames) - event
            for frames, wanted in zip(passes, expected, strict=True):
                assert_seen(cache.write(0, *joined(frames)), wanted)
            position += event


def test_a_thousandth_of_what_leaves_goes_into_a_sink() -> None:
    """rf: wan/modules/causal_model.py, where it is a constant."""
    make = Frames().make
    cache = EmaSinkCache(sizes(2), sinks=1, rotate_keys=lambda keys, _: keys)
    frames = [make(1)[0] for _ in range(3)]
    for position, frame in enumerate(frames):
        cache.begin_chunk(position, 1)
        seen = cache.write(0, *frame)
    (sink_k, sink_v), (k, v), last = frames
    drifted = (0.999 * sink_k + 0.001 * k, 0.999 * sink_v + 0.001 * v)
    assert_seen(seen, [drifted, last])


def test_a_position_that_steps_back_takes_the_place_of_the_end() -> None:
    make = Frames().make
    cache = EmaSinkCache(sizes(9), sinks=3, rotate_keys=turned)
    first, second = make(4), make(3)
    cache.begin_chunk(0, 4)
    cache.write(0, *joined(first))
    assert cache.begin_chunk(3, 3) == 3
    kept = [(turned(k, place), v) for place, (k, v) in enumerate([*first[:3], *second])]
    assert_seen(cache.write(0, *joined(second)), kept)


def test_places_in_the_window_never_grow_beyond_it() -> None:
    cache = EmaSinkCache(sizes(9), sinks=3, rotate_keys=turned)
    places = [cache.begin_chunk(position, 3) for position in range(0, 3000, 3)]
    assert places[:3] == [0, 3, 6]
    assert set(places[3:]) == {6}


# --- context built anew --------------------------------------------------------------------------


@given(context=st.integers(1, 3), chunk=st.integers(1, 3), bias=st.sampled_from([1.0, 0.3]))
@settings(deadline=None, max_examples=30)
def test_a_rebuilt_cache_holds_context_and_chunk(context: int, chunk: int, bias: float) -> None:
    make = Frames().make
    cache = RebuiltCache(sizes(6), chunk_frames=chunk, bias=bias)
    for _ in range(3):
        known, new = make(context), make(chunk)
        assert cache.begin_context(context) == 0
        assert_seen(cache.write(0, *joined(known)), known)
        assert cache.begin_chunk(chunk) == context
        seen = cache.write(0, *joined(new))
        keys, values = joined(known + new)
        if bias == 1:
            assert_seen(seen, known + new)
            continue
        assert len(seen) == 4
        assert seen[0].shape[1] == PAD_MULTIPLE
        torch.testing.assert_close(seen[0][:, : keys.shape[1]], keys)
        torch.testing.assert_close(seen[1][:, : keys.shape[1]], values)
        assert not seen[0][:, keys.shape[1] :].any()
        weights = seen[3].exp()
        biased = range(TOKENS, context * TOKENS)
        expected = [bias if token in biased else 1.0 for token in range(PAD_MULTIPLE)]
        torch.testing.assert_close(weights, torch.tensor(expected))


def test_without_a_bias_all_frames_weigh_alike_and_none_is_filled_in() -> None:
    make = Frames().make
    cache = RebuiltCache(sizes(6), chunk_frames=1)
    known, new = make(2), make(1)
    cache.begin_context(2)
    cache.write(0, *joined(known))
    cache.begin_chunk(1)
    seen = cache.write(0, *joined(new))
    assert len(seen) == 2
    assert_seen(seen, known + new)


# --- a window of several noise levels ------------------------------------------------------------


@given(chunks=st.integers(1, 14), calls=st.integers(1, 4), saved=st.integers(0, 20))
@settings(deadline=None, max_examples=60)
def test_a_window_of_steps_sees_what_the_slow_rule_says(
    chunks: int, calls: int, saved: int
) -> None:
    """Three frames a chunk, room for eight chunks, 21 frames attended, up to ``calls`` at once."""
    make, size, room, attended = Frames().make, 3, 24, 21

    def new() -> StepWindowCache:
        return StepWindowCache(
            sizes(room), sinks=3, chunk_frames=size, attended=attended, rotate_keys=turned
        )

    cache = new()
    kept: list[Frame] = []  # un-turned sinks, then turned frames
    for window in range(chunks + calls - 1):
        oldest, newest = max(0, window - calls + 1), min(chunks - 1, window)
        start, count = size * oldest, size * (newest - oldest + 1)
        if window == saved:
            cache, before = new(), cache
            cache.restore(before.snapshot())
        if oldest and window >= calls:  # the oldest of the call before has left
            if len(kept) == room:
                del kept[3 : 3 + size]
            before_chunk = len(kept)
        else:
            before_chunk = 0
        for is_clean in (False, True):
            frames = make(size if is_clean else count)
            own = [(turned(k, start + place), v) for place, (k, v) in enumerate(frames)]
            stored = frames[:size] if oldest == 0 else own[:size]
            kept[before_chunk:] = stored
            cache.begin_call(start, len(frames), is_clean=is_clean)
            seen = cache.write(0, *joined(frames))
            if oldest == 0:
                assert_seen(seen, own)
                continue
            sinks = kept[:3]
            if is_clean:
                first = max(0, len(kept) - attended)
                at_start = [(turned(k, place), v) for place, (k, v) in enumerate(sinks)]
                assert_seen(seen, (at_start if first == 0 else []) + kept[max(first, 3) :])
            else:
                near = min(before_chunk - 3, attended - 3 - count)
                begin = start - near - 3
                ahead = [(turned(k, begin + place), v) for place, (k, v) in enumerate(sinks)]
                between = kept[before_chunk - near : before_chunk] if near else []
                assert_seen(seen, ahead + between + own)


def test_a_chunk_that_does_not_fit_is_refused() -> None:
    window = Window(sizes(4), sinks=2)
    window.aim(0, 4)
    with pytest.raises(ShapeError, match="does not fit"):
        window.aim(4, 3)
    with pytest.raises(ShapeError, match="no room"):
        Window(sizes(3), sinks=3)
