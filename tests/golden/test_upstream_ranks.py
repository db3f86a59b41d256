"""The network spread over ranks, against recorded runs of the research system on several GPUs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from references.block_split import default_split, resplit
from references.cases import Case, assert_output, upstream_cases
from references.ranked_batch import RankedBatch
from references.ring_replay import RecordedNoise
from references.stages import Stage, move_block
from references.upstream_replay import UpstreamReplay, assert_final_cache
from renders.tiny_models import tiny_dit
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryFactors
from rushes.stream.denoise import Denoiser
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


@dataclass
class Rank:
    """One process of the research system: blocks, a cache of its own, and what it sent on."""

    number: int
    stage: Stage
    kv_cache: QueueKVCache
    num_calls: int
    passes: int = 0
    sent: Tensor | None = None

    @property
    def is_done(self) -> bool:
        return self.passes == self.num_calls


@dataclass
class Ranks:
    """All ranks, round by round, in one process; stands for the network and for its cache."""

    ranks: list[Rank]
    resplit_at: list[int | None]  # before which pass of each rank
    split: list[range] = field(default_factory=list)  # from then on
    owners: dict[int, Rank] = field(default_factory=dict)  # of each block, until then
    is_preparing: bool = True

    def __post_init__(self) -> None:
        self.owners = {block: rank for rank in self.ranks for block in rank.stage.blocks}

    def begin_stream(self, num_steps: int) -> None:
        for rank in self.ranks:
            rank.kv_cache.begin_stream(num_steps)

    def begin_chunk(self, starts: list[int], num_frames: int) -> None:
        for rank in self.ranks:
            rank.kv_cache.begin_chunk(starts, num_frames)

    def share_first_row(self) -> None:
        for rank in self.ranks:
            rank.kv_cache.share_first_row()
        self.is_preparing = False

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor,
        rotary: RotaryFactors,
        _cache: Any,
        prompt: PromptKeys,
        control: None,
    ) -> Tensor:
        size = (latents.shape[-2], latents.shape[-1])
        if self.is_preparing:  # every rank runs all blocks, from the same latents and noise
            every = range(self.ranks[0].stage.dit.config.num_layers)
            whole = Stage(self.ranks[0].stage.dit, every)
            for rank in self.ranks:
                flow = whole(latents, timesteps, rotary, rank.kv_cache, prompt, size)
            return flow
        x = latents
        for rank in self.ranks:
            if rank.is_done:
                return torch.zeros_like(latents)
            if rank.passes == self.resplit_at[rank.number]:
                self._take_over(rank)
            x = rank.sent = rank.stage(x, timesteps, rotary, rank.kv_cache, prompt, size)
            rank.passes += 1
        return x

    def _take_over(self, rank: Rank) -> None:
        """Change the range of a rank; blocks that come to it bring all but their queue.

        All ranks change at once in the research system, between two passes of each. Here the
        last one is first, so whoever had a block may have let go of it by now; nothing has
        written to it since.
        """
        blocks = self.split[rank.number]
        for block in blocks:
            owner = self.owners[block]
            if owner is not rank:
                move_block(owner.kv_cache, block, rank.kv_cache, with_queue=False)
        rank.stage = Stage(rank.stage.dit, blocks)


class PipeReplay(UpstreamReplay):
    """Rounds as the ranks make them."""

    def __init__(self, case: Case) -> None:
        super().__init__(case, stream_batch=True)
        config, num_layers = self.config, self.dit.config.num_layers
        own = self.kv_cache
        split = default_split(num_layers, config["world_size"])
        calls = [call["rank"] for call in case.calls]
        self.ranks = Ranks(
            [
                Rank(
                    number,
                    Stage(self.dit, blocks),
                    QueueKVCache(own.slots.sizes, sinks=own.sinks, refresh_below=own.refresh_below),
                    calls.count(number),
                )
                for number, blocks in enumerate(split)
            ],
            config["rebalanced_at"],
        )
        if config["schedule_block"]:
            self.ranks.split = resplit(split, config["times_total"], config["times_dit"])
            assert [[b.start, b.stop] for b in self.ranks.split] == config["blocks_after"]
        self.renoise = RecordedNoise()  # of the last rank; that of the first covers the input
        self.renoise.draws.extend(case.numbered(f"inputs.rank{len(split) - 1}.noise"))
        self.noise.draws.extend(case.numbered("inputs.rank0.noise"))
        self.batch = RankedBatch(
            Denoiser(self.ranks, self.stream.models.schedule, self.ranks),  # type: ignore[arg-type]
            self.ranks,
            self.stream._rotary,
            StageClock(),
            prompt_keys=lambda embedding: self.dit.prompt_keys(embedding),
            chunk_frames=self.block_frames,
            num_ranks=len(split),
            shifts_undone=True,
            blank_noise=self.renoise,
        )
        self.num_chunks = (len(case.tensors["inputs.clip_u8"]) - 1) // (4 * self.block_frames)

    def prepare(self) -> Tensor:
        """The first chunk, with rank 0's noise; what the other ranks draw for it is lost."""
        clean = self.batch.begin(self.row(0, 0, [0, 4 * self.block_frames + 1]))
        for _ in self.steps[1:]:
            self.renoise.draws.popleft()
        return clean

    def round(self, index: int, position: int) -> tuple[Row, Tensor | None]:
        """One pass through all ranks; with no input left, the last latents run again."""
        if index < self.num_chunks:
            first = 4 * self.block_frames * index + 1
            row = self.row(index, position, [first, first + 4 * self.block_frames])
        else:
            row = self.row_without_input(position, None)
        if self.ranks.ranks[-1].is_done:  # rank 0 runs on alone for a while
            self.renoise.draws.extend([torch.zeros_like(row.latents)] * len(self.steps[1:]))
        return row, self.batch.advance(replace(row, noise=self.renoise))

    def check_rank(self, rank: Rank, call: dict[str, Any], what: str) -> None:
        """Compare what a rank did in its last pass with what it recorded."""
        rows = self.batch.rows
        assert [rank.stage.blocks.start, rank.stage.blocks.stop] == call["blocks"], what
        assert [row.position for row in rows] == self.in_frames(call["row_starts"]), what
        timesteps = [float(row.timesteps[step]) for step, row in enumerate(rows)]
        assert timesteps == call["timestep"], what
        for block, queues in call["evict_order"].items():
            states = rank.kv_cache.states[int(block)]
            assert [state.queue for state in states] == self.in_frames(queues), what


@pytest.mark.parametrize("case", upstream_cases(is_pipe=True))
@torch.inference_mode()
def test_ranks_together_equal_the_recorded_ones(case: Case) -> None:
    replay = PipeReplay(case)
    first, last = replay.ranks.ranks[0], replay.ranks.ranks[-1]
    clean: Tensor | None = replay.prepare()
    assert clean is not None
    case.assert_close(clean, case.tensors["outputs.prepare"], "prepare")
    pieces, finished = [replay.stream._decode(clean)], [0]
    decoded = case.config["decoded_after_calls"]
    calls = {(call["rank"], call["i"]): call for call in case.calls}
    for number in range(1, first.num_calls + 1):
        index = number - 1
        running = [rank for rank in replay.ranks.ranks if not rank.is_done]
        row, clean = replay.round(number, calls[0, index]["current_start"] // replay.tokens)
        found: dict[str, Tensor | None] = {
            "rank0.latents_noisy": row.latents,
            "rank0.rows_in": torch.cat([row.latents for row in replay.batch.rows]),
        }
        for rank in running:
            what = f"rank{rank.number}.{index}"
            replay.check_rank(rank, calls[rank.number, index], what)
            found[f"rank{rank.number}.out"] = rank.sent
        if last in running:
            returned = torch.cat([row.latents for row in replay.batch.returned[-1]])
            found[f"rank{last.number}.out"] = returned
            if clean is not None:
                finished.append(number)
            if number in decoded:
                assert clean is not None
                pieces.append(replay.stream._decode(clean))
        for rank in running:
            for name, expected in case.outputs_of(f"rank{rank.number}.{index}").items():
                actual = found[f"rank{rank.number}.{name}"]
                assert actual is not None
                case.assert_close(actual, expected, f"rank {rank.number} call {index} {name}")
    assert_lost_chunks(case, finished)
    assert_video(case, replay, pieces)
    for rank in replay.ranks.ranks:
        start = f"outputs.rank{rank.number}.final.kv"
        assert_final_cache(case, start, rank.kv_cache, replay.tokens)


def assert_lost_chunks(case: Case, finished: list[int]) -> None:
    """Our batch finishes every chunk; with more than two ranks the reference loses the first ones.

    It looks at results from its round steps x ranks - 1 on, one for each rank but two too late.
    """
    decoded = case.config["decoded_after_calls"]
    num_lost = max(0, case.config["world_size"] - 2)
    assert decoded == [finished[0], *finished[1 + num_lost :]][: len(decoded)]


def assert_video(case: Case, replay: PipeReplay, pieces: list[Tensor]) -> None:
    video = torch.cat(pieces)
    assert len(video) == case.config["video_frames"]
    beginning = case.tensors["outputs.video_u8_first12"]
    assert_output(case, video[: len(beginning)], beginning, "frames_u8", "video")
    ending = case.tensors["outputs.video_last4"]
    assert replay.recorder.frames is not None
    assert_output(case, replay.recorder.frames[-len(ending) :], ending, "frames", "video")


@pytest.mark.parametrize("receiver", [0, 1], ids=["to a lower rank", "to a higher rank"])
def test_a_block_can_move_to_either_side(receiver: int) -> None:
    dit = tiny_dit()
    config = dit.config
    sizes = SlotSizes(config.num_layers, config.num_heads, config.head_dim, 4, window=3, rows=1)
    caches = [QueueKVCache(sizes, sinks=1) for _ in range(2)]
    for number, cache in enumerate(caches):
        cache.slots.frames.fill_(number + 1)
    starts = [range(1), range(1, 2)]
    after = [range(2), range(2, 2)] if receiver == 0 else [range(0), range(2)]
    stages = [Stage(dit, blocks) for blocks in starts]
    ranks = Ranks([Rank(n, stages[n], caches[n], 9) for n in (0, 1)], [0, 0], split=after)
    for rank in reversed(ranks.ranks):
        ranks._take_over(rank)
    assert [rank.stage.blocks for rank in ranks.ranks] == after
    moved = 1 - receiver
    assert torch.all(caches[receiver].slots.frames[moved] == moved + 1)
    assert torch.all(caches[receiver].slots.frames[receiver] == receiver + 1)
