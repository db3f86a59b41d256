"""The causal DiT with its rolling cache against recorded streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from references.cases import Case, network_cases
from references.networks import build_dit, record_activations
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding, RotaryFactors
from rushes.stream.denoise import CLEAN_TIMESTEP, Denoiser
from rushes.stream.schedule import FlowSchedule, flow_to_clean
from rushes.timeline.steps import first_timestep


@dataclass
class RollingReplay:
    """Feeds recorded calls to our network the way the reference's pipeline drives its own."""

    case: Case
    prompt: PromptKeys | None = None
    end: int = 0
    passes: int = 0
    last_pass: dict[int, int] = field(default_factory=dict)  # by frame position

    def __post_init__(self) -> None:
        config = self.case.config
        self.dit = build_dit(config["model"], self.case.weights())
        self.grid = (config["latent_hw"][0] // 2, config["latent_hw"][1] // 2)
        sizes = self.dit.config
        self.rotary = RotaryEmbedding(sizes.head_dim)
        self.schedule = FlowSchedule(shift=config["scheduler"]["shift"])
        self.cache = RollingKVCache(
            SlotSizes(
                num_blocks=sizes.num_layers,
                num_heads=sizes.num_heads,
                head_dim=sizes.head_dim,
                frame_tokens=config["tokens_per_frame"],
                window=config["cache"]["frames"],
                dtype=getattr(torch, config.get("dtype", "float32")),
            ),
            sinks=config["cache"]["sink_frames"],
        )
        self.dit.register_forward_hook(self._note_pass)
        self.activations = record_activations(self.dit)

    def _note_pass(self, *_: Any) -> None:
        for position in self.cache.positions[-self.cache.chunk_frames :]:
            self.last_pass[position] = self.passes
        self.passes += 1

    def begin(self, call: dict[str, Any], index: int) -> RotaryFactors:
        """Open a new chunk unless this call is another pass over the one before."""
        start, frames = call["start_frame"], call["num_frames"]
        if start + frames > self.end:
            self.cache.begin_chunk(start, frames)
            self.end = start + frames
        if self.prompt is None:
            embedding = self.case.tensors[f"inputs.{index}.prompt_embeds"]
            self.prompt = self.dit.prompt_keys(self.dit.embed_prompt(embedding))
        return self.rotary.factors([start], frames, *self.grid)

    def call(self, index: int) -> dict[str, Tensor]:
        call = self.case.calls[index]
        match call["op"]:
            case "reset_crossattn":
                self.prompt = None
                return {}
            case "reset_caches":
                self.prompt, self.end = None, 0
                self.cache.reset()
                self.last_pass.clear()
                return {}
            case "forward":
                return self._forward(call, index)
            case "denoise_block":
                return self._denoise_block(call, index)
            case unknown:
                raise AssertionError(f"unknown operation {unknown}")

    def _forward(self, call: dict[str, Any], index: int) -> dict[str, Tensor]:
        rotary = self.begin(call, index)
        latents = self.case.tensors[f"inputs.{index}.latents"]
        timesteps = self.case.tensors[f"inputs.{index}.timestep"]
        assert self.prompt is not None
        flow = self.dit(latents, timesteps, rotary, self.cache, self.prompt)
        clean = flow_to_clean(latents, flow, self.schedule.sigma(timesteps))
        return {"x0": clean, "flow_pred": flow, **self._activations(call["num_frames"])}

    def _denoise_block(self, call: dict[str, Any], index: int) -> dict[str, Tensor]:
        rotary = self.begin(call, index)
        latents = self.case.tensors[f"inputs.{index}.latents"]
        draws = iter(self.case.numbered(f"inputs.{index}.noise"))
        steps = list(call["denoising_steps"])
        if call["noise_scale"] is not None:
            steps[0] = first_timestep(call["noise_scale"])
        flows: list[Tensor] = []
        hook = self.dit.register_forward_hook(lambda *seen: flows.append(seen[2]))
        denoiser = Denoiser(self.dit, self.schedule, self.cache)
        assert self.prompt is not None
        clean = denoiser.denoise(
            latents, steps, lambda: next(draws).view(latents.shape), rotary, self.prompt
        )
        denoiser.predict_clean(clean, [CLEAN_TIMESTEP], rotary, self.prompt)
        hook.remove()
        numbered = {f"flow_pred.{step}": flow for step, flow in enumerate(flows[:-1])}
        return {"x0": clean, "clean_flow_pred": flows[-1], **numbered}

    def _activations(self, num_frames: int) -> dict[str, Tensor]:
        """What the hooks saw, in the shapes of the files."""
        seen = {f"act.{name}": value for name, value in self.activations.items()}
        for name in ("act.time_embed", "act.time_proj"):
            seen[name] = seen[name].flatten(0, 1)
        seen["act.head_out"] = seen["act.head_out"].unflatten(1, (num_frames, -1))
        return seen

    def state(self, names: list[str]) -> dict[str, Tensor]:
        """The bookkeeping and, if recorded, the buffers, in the units of the files."""
        layers, slots = self.dit.config.num_layers, self.cache.window
        filled = self.cache.positions
        empty = [-1] * (slots - len(filled))
        by_slot = {
            "slot_pos": [*filled, *empty],
            "slot_forward": [*(self.last_pass[position] for position in filled), *empty],
            "local_end": [len(filled)],
            "global_end": [self.end],
        }
        state = {
            name: torch.tensor(values).expand(layers, 1, -1).reshape(layers, 1, -1)
            for name, values in by_slot.items()
        }
        for name in ("local_end", "global_end"):
            state[name] = state[name].squeeze(-1)
        for name in names:
            if name.startswith(("k_cache.", "v_cache.")):
                kind, layer = name.split("_cache.")
                frames = self.cache.frames[int(layer), "kv".index(kind)]
                state[name] = frames.flatten(1, 2)
        return state


@pytest.mark.parametrize("case", network_cases("rolling"))
@torch.inference_mode()
def test_rolling_stream_equals_the_recorded_one(case: Case) -> None:
    replay = RollingReplay(case)
    for index in range(len(case.calls)):
        actual = replay.call(index)
        outputs = case.outputs(index)
        if outputs:
            actual |= replay.state(list(outputs))
        for name, expected in outputs.items():
            case.assert_close(actual[name], expected, f"call {index} {name}")
