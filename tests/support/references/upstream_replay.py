"""Drives our stream from recorded runs of the research system: what its scripts decide per call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from references.cases import Case
from references.networks import Recorder, build_dit, build_vae
from references.ranked_batch import as_ranked
from references.ring_replay import RecordedNoise
from rushes.drivers.step_batch import StepBatch
from rushes.drivers.variants import DriverOptions
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.noise.chunk_noise import ChunkNoise
from rushes.stream.ahead import ChunkInputs
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import SmoothedNoiseController
from rushes.stream.row import Row
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.document import Prompt
from rushes.timeline.plan.render_plan import Chunk

EMBED = "inputs.embed."
CPU = torch.device("cpu")


class RecordedStream(Stream):
    """Our stream, with recorded noise in place of its own."""

    recorded: RecordedNoise

    def _noise_of(self, chunk: Chunk, ready: ChunkNoise | None) -> RecordedNoise:
        return self.recorded


class UpstreamReplay:
    """What all modes of the research system share: networks, prompt, chunks and their rows."""

    def __init__(self, case: Case, *, stream_batch: bool) -> None:
        config = case.config
        self.case, self.config = case, config
        self.dit = build_dit(config["dit"], case.weights("dit."))
        vae = build_vae(config["vae"], case.weights("vae.")) if "vae" in config else None
        self.recorder = Recorder(vae)  # type: ignore[arg-type]
        steps = config.get("denoising_step_list") or [700, 500, 400, 200][: config["step"]]
        self.is_text = config.get("t2v", False)
        self.steps = tuple(int(step) for step in steps if step or self.is_text)
        self.block_frames = config.get("num_frame_per_block", 1)
        threshold = config["adapt_sink_threshold"]
        (name,) = [name for name in case.tensors if name.startswith(EMBED)]
        self.stream = RecordedStream(
            Models(
                dit=self.dit,
                vae=self.recorder,
                schedule=FlowSchedule(shift=config.get("timestep_shift", 8.0)),
                normalise_encoded=config.get("encode_normalisation", False),
                device=CPU,
                dtype=torch.float32,
            ),
            height=config["height"],
            width=config["width"],
            driver=DriverOptions(
                window=config["num_kv_cache"],
                sinks=config["num_sink_tokens"],
                variant="ring-exact",
                stream_batch=stream_batch,
                sink_refresh=threshold if threshold > -1 else None,
                chunk_frames=self.block_frames,
                rows=len(self.steps) if stream_batch else 1,
            ),
            prompts={0: (Prompt(name.removeprefix(EMBED)),)},
            conditioning=Conditioning(lambda _text: case.tensors[name].unsqueeze(0)),
            noise_controller=SmoothedNoiseController(),
            clock=StageClock(),
        )
        self.noise = self.stream.recorded = RecordedNoise()
        self.driver = self.stream.driver
        assert isinstance(self.driver.kv_cache, QueueKVCache)
        self.kv_cache = self.driver.kv_cache
        if isinstance(self.driver, StepBatch):
            as_ranked(self.driver, blank_noise=self.noise)
        self.tokens = (config["height"] // 16) * (config["width"] // 16)
        self.last: Row | None = None

    def row(self, index: int, position: int, frames: list[int] | None) -> Row:
        """The row of a chunk with new input frames, or of pure noise in text mode."""
        video = None
        num_latents = self.block_frames
        if frames is not None:
            video = self.case.tensors["inputs.clip_u8"][slice(*frames)]
            num_latents += index == 0
        chunk = Chunk(
            index=index,
            first_frame=0,
            num_frames=4 * num_latents - 3 * (index == 0),
            num_latent_frames=num_latents,
            position=position,
            prompt_block=0,
            transition=None,
            transition_method="linear",
            reset=index == 0,
            seed=0,
            noise_scale=self.config.get("noise_scale") if frames is not None else None,
            denoising_steps=self.steps,
            keeps_first_step=index == 0,
        )
        self.last = self.stream._row_of(chunk, ChunkInputs(video=video))
        return self.last

    def row_without_input(self, position: int, latents: Tensor | None) -> Row:
        """What runs once the input is used up: the last latents again, or noise."""
        assert self.last is not None
        latents = self.last.latents if latents is None else latents
        self.last = replace(self.last, latents=latents, position=position)
        return self.last

    def in_frames(self, tokens: Any) -> Any:
        """Turn counts of tokens into counts of latent frames, in lists of any depth."""
        if isinstance(tokens, list):
            return [self.in_frames(entry) for entry in tokens]
        return tokens // self.tokens


def assert_final_cache(case: Case, start: str, cache: QueueKVCache, tokens: int) -> None:
    """Compare the blocks that the case records."""
    for name, expected in case.tensors.items():
        if name.startswith(f"{start}."):
            block, kind = name.removeprefix(f"{start}.").split(".")
            states = cache.states[int(block)]
            actual = {
                "k": cache.slots.frames[int(block), 0].flatten(1, 2),
                "v": cache.slots.frames[int(block), 1].flatten(1, 2),
                "local_end_index": torch.tensor([tokens * state.filled for state in states]),
                "global_end_index": torch.tensor([tokens * state.end for state in states]),
            }
            case.assert_close(actual[kind], expected, name)
