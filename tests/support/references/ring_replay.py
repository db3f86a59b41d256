"""Feeds recorded calls of the research system to our network, queue cache and step batch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from references.cases import Case
from references.networks import build_dit, record_activations
from references.ranked_batch import RankedBatch
from references.stages import Stage
from rushes.drivers.one_by_one import OneByOne
from rushes.models.caches.kv_cache import KVCache
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.layers.patches import PATCH
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding, RotaryFactors
from rushes.stream.denoise import Denoiser
from rushes.stream.row import Row
from rushes.stream.schedule import FlowSchedule, flow_to_clean
from rushes.stream.stage_clock import StageClock


class RecordedNoise:
    """Hands out recorded draws in their order, whoever asks."""

    def __init__(self) -> None:
        self.draws: deque[Tensor] = deque()

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        draw = self.draws.popleft()
        return draw.view(1, -1, *draw.shape[-3:])


def open_queue_cache(
    model: Any, tokens: int, cache: dict[str, Any], rows: int, dtype: str = "float32"
) -> QueueKVCache:
    threshold = cache["adapt_sink_threshold"]
    return QueueKVCache(
        SlotSizes(
            num_blocks=model.num_layers,
            num_heads=model.num_heads,
            head_dim=model.head_dim,
            frame_tokens=tokens,
            window=cache["frames"],
            rows=rows,
            dtype=getattr(torch, dtype),
        ),
        sinks=cache["sink_frames"],
        refresh_below=threshold if threshold > -1 else None,
    )


@dataclass
class Ranks:
    """Block ranges with one cache; what passes between them is kept."""

    stages: list[Stage]
    hidden: list[Tensor] = field(default_factory=list)

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: None = None,
    ) -> Tensor:
        self.hidden.clear()
        x = latents
        for stage in self.stages:
            x = stage(x, timesteps, rotary, kv_cache, prompt, latents.shape[-2:])  # type: ignore[arg-type]
            self.hidden.append(x)
        return self.hidden.pop()


class RingReplay:
    """One recorded file; state is read back in the units of the files."""

    def __init__(self, case: Case) -> None:
        config = case.config
        self.case = case
        self.dit = build_dit(config["model"], case.weights())
        self.schedule = FlowSchedule(shift=config["scheduler"]["shift"])
        self.rotary = RotaryEmbedding(self.dit.config.head_dim)
        num_steps = config["cache"]["total_steps"]
        pipeline = config.get("pipeline")
        is_batch = pipeline in ("stream_batch", "ring_of_ranks")
        rows = num_steps if is_batch else config["cache"]["rows"]
        tokens, dtype = config["tokens_per_frame"], config.get("dtype", "float32")
        self.cache = open_queue_cache(self.dit.config, tokens, config["cache"], rows, dtype)
        self.cache.begin_stream(num_steps)
        layers, slots = self.dit.config.num_layers, config["cache"]["frames"]
        self.rows = config["cache"]["rows"]  # in use
        self.slot_pos = torch.full((layers, rows, slots), -1)
        self.slot_forward = torch.full((layers, rows, slots), -1)
        self.passes = 0
        self.similarity: list[Tensor] = []
        whole = [[0, layers]]
        ranges = config.get("ranges", whole)
        self.ranks = Ranks([Stage(self.dit, range(*blocks)) for blocks in ranges])
        network = self.ranks if "ranges" in config else self.dit
        self.noise = RecordedNoise()
        denoiser = Denoiser(self._noted(network), self.schedule, self.cache)
        self.one_by_one = OneByOne(denoiser, self.cache, self.rotary, StageClock())
        self.batch = RankedBatch(
            denoiser,
            self.cache,
            self.rotary,
            StageClock(),
            prompt_keys=lambda embedding: self._prompt_in_force(),
            chunk_frames=config["block_frames"],
            num_ranks=len(ranges) if pipeline == "ring_of_ranks" else 1,
            shifts_undone=True,
            blank_noise=self.noise,
        )
        self.network = self._noted(network)
        self.activations = record_activations(self.dit)
        self.prompt: PromptKeys | None = None
        self.steps = tuple(config["denoising_steps"])

    def _noted(self, network: Any) -> Any:
        """The network, after each pass of which we note what went into which slot."""

        def run(latents: Tensor, *rest: Any) -> Tensor:
            flow = network(latents, *rest)
            self._note_pass(self.cache._starts, latents.shape[1])
            return flow

        return run

    def _note_pass(self, starts: list[int], num_frames: int) -> None:
        for layer, targets in enumerate(self.cache.targets):
            for row, (start, target) in enumerate(zip(starts, targets, strict=True)):
                slots = slice(target - num_frames, target)
                self.slot_pos[layer, row, slots] = torch.arange(start, start + num_frames)
                self.slot_forward[layer, row, slots] = self.passes
        self.passes += 1
        if self.cache.similarity:
            self.similarity.append(torch.stack(list(self.cache.similarity.values())))
            self.cache.similarity.clear()

    def call(self, index: int) -> dict[str, Tensor]:
        call = self.case.calls[index]
        self.similarity.clear()
        self.noise.draws.extend(self.case.numbered(f"inputs.{index}.noise"))
        match call["op"]:
            case "reset_crossattn":
                self.prompt = None
                return {}
            case "forward" | "staged_forward":
                return self._forward(call, index)
            case "prepare":
                return self._prepare(call, index)
            case "sequential_step":
                return {"x0": self.one_by_one.advance(self._row(call, index))}
            case "stream_step" | "pipe_round":
                return self._batch_step(call, index)
            case unknown:
                raise AssertionError(f"unknown operation {unknown}")

    def _prompt_in_force(self) -> PromptKeys:
        assert self.prompt is not None
        return self.prompt

    def _prompt_keys(self, index: int) -> PromptKeys:
        if self.prompt is None:
            embedding = self.case.tensors[f"inputs.{index}.prompt_embeds"]
            self.prompt = self.dit.prompt_keys(self.dit.embed_prompt(embedding))
        return self.prompt

    def _forward(self, call: dict[str, Any], index: int) -> dict[str, Tensor]:
        latents = self.case.tensors[f"inputs.{index}.latents"]
        timesteps = self.case.tensors[f"inputs.{index}.timestep"]
        starts, frames = call["start_frame"], call["num_frames"]
        prompt = self._prompt_keys(index)
        self.cache.begin_chunk(starts, frames)
        grid = (latents.shape[-2] // PATCH, latents.shape[-1] // PATCH)
        rotary = self.rotary.factors(starts, frames, *grid)
        flow = self.network(latents, timesteps, rotary, self.cache, prompt, None)
        clean = flow_to_clean(latents, flow, self.schedule.sigma(timesteps))
        stages = {f"stage{n}.hidden": x for n, x in enumerate(self.ranks.hidden)}
        dim = self.dit.config.dim
        return {
            "x0": clean,
            "flow_pred": flow,
            "patched_x_shape": torch.tensor([1, dim, frames, *grid]),
            **stages,
            **self._activations(frames),
        }

    def _activations(self, num_frames: int) -> dict[str, Tensor]:
        """What the hooks saw, in the shapes of the files."""
        seen = {f"act.{name}": value for name, value in self.activations.items()}
        for name in ("act.time_embed", "act.time_proj"):
            seen[name] = seen[name].flatten(0, 1)
        seen["act.head_out"] = seen["act.head_out"].unflatten(1, (num_frames, -1))
        return seen

    def _row(self, call: dict[str, Any], index: int) -> Row:
        if call.get("current_step") is not None:
            self.steps = (call["current_step"], *self.steps[1:])
        return Row(
            latents=self.case.tensors[f"inputs.{index}.latents"],
            position=call["start_frame"],
            timesteps=self.steps,
            noise=self.noise,
            embedding=torch.empty(0),
            prompt=self._prompt_keys(index),
        )

    def _prepare(self, call: dict[str, Any], index: int) -> dict[str, Tensor]:
        driver = self.batch if call["batch_denoise"] else self.one_by_one
        clean = driver.begin(self._row(call, index))
        if call["batch_denoise"]:
            self.rows = len(self.steps)
            self.slot_pos[:, 1:] = self.slot_pos[:, :1]
            self.slot_forward[:, 1:] = self.slot_forward[:, :1]
        # Every rank prepares for itself; of the numbers of these passes the last rank's stay.
        others = len(self.steps) * (len(self.ranks.stages) - 1)
        self.slot_forward[self.slot_forward >= 0] += others
        return {"x0": clean}

    def _batch_step(self, call: dict[str, Any], index: int) -> dict[str, Tensor]:
        self.batch.advance(self._row(call, index))
        entered, left = self.batch.rows, self.batch.returned[-1]
        rows = torch.cat([row.latents for row in left])
        starts = torch.tensor([row.position for row in entered])
        steps = torch.tensor([row.timesteps[step] for step, row in enumerate(entered)])
        return {
            "rows": rows,
            "rank_last.rows_out": rows,
            "x0": rows[-1:],
            "row_start_frame": starts,
            "rank0.row_start_frame": starts,
            "rank0.rows_in": torch.cat([row.latents for row in entered]),
            "timesteps": steps,
            **{f"rank{n}.hidden": x for n, x in enumerate(self.ranks.hidden)},
        }

    def state(self, names: list[str]) -> dict[str, Tensor]:
        """The bookkeeping and, if recorded, the buffers."""
        rows = self.rows
        states = [block[:rows] for block in self.cache.states]
        state = {
            "slot_pos": self.slot_pos[:, :rows],
            "slot_forward": self.slot_forward[:, :rows],
            "local_end": torch.tensor([[row.filled for row in block] for block in states]),
            "global_end": torch.tensor([[row.end for row in block] for block in states]),
        }
        if self.similarity:
            state["sink_similarity"] = torch.stack(self.similarity)
        for name in names:
            if name.startswith(("k_cache.", "v_cache.")):
                kind, layer = name.split("_cache.")
                frames = self.cache.slots.frames[int(layer), "kv".index(kind), :rows]
                state[name] = frames.flatten(1, 2)
        return state

    def expectations(self) -> dict[str, Any]:
        """What the calls name under ``expect``."""
        return {
            "evict_queue": [
                [row.queue for row in block[: self.rows]] for block in self.cache.states
            ],
            "steps_left": self.cache.steps_left,
        }
