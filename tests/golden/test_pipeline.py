"""The whole stream against recorded runs of Scope's pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from golden.cases import Case, cases_of
from golden.scope_caller import ScopeArguments, ScopePrompts, stretched
from golden.test_causal_dit import build_dit
from rushes.models.feature_cache import FeatureCache
from rushes.models.stream_vae import StreamVAE, VaeConfig
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import (
    FixedNoiseScale,
    NoiseController,
    ScopeNoiseController,
)
from rushes.stream.schedule import FlowSchedule, flow_to_clean
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.render_plan import Chunk

CPU = torch.device("cpu")


def scope_cases() -> list[Any]:
    cases = cases_of("pipeline")
    return [c for c in cases if c.values[0] is None or c.values[0].calls[0]["call"] == "pipeline"]


class Recorder:
    """Stands before the autoencoder and keeps what passes through it."""

    def __init__(self, vae: StreamVAE) -> None:
        self.vae = vae
        self.encoded: Tensor | None = None
        self.frames: Tensor | None = None

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        self.encoded = self.vae.encode(pixels, cache, normalise)
        return self.encoded

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        pixels = self.vae.decode(latents, cache)
        self.frames = (pixels[0].clamp(-1, 1) / 2 + 0.5).permute(0, 2, 3, 1)
        return pixels


@dataclass
class Decided:
    """Hands the stream the embedding that Scope's rules have chosen from ours for this call."""

    prompts: ScopePrompts

    def advance(self, *_: Any) -> tuple[Tensor, bool]:
        assert self.prompts.embedding is not None
        return self.prompts.embedding, self.prompts.updated


class Replay:
    """Our stream, told what to do call by call by Scope's rules."""

    def __init__(self, case: Case) -> None:
        config = case.config
        self.case = case
        self.dit = build_dit(config["dit"], case.weights("dit."))
        self.schedule = FlowSchedule(shift=config["timestep_shift"])
        self.recorder = Recorder(build_vae(config["vae"], case.weights("vae.")))
        self.latent_frames = config["num_frame_per_block"]
        embed = lambda text: case.tensors[f"inputs.embed.{text}"].unsqueeze(0)  # noqa: E731
        self.prompts = ScopePrompts(Conditioning(embed))
        self.arguments = ScopeArguments(self.prompts, config["base_seed"])
        self.controller: NoiseController = ScopeNoiseController(self.latent_frames)
        models = Models(
            dit=self.dit,
            vae=self.recorder,  # type: ignore[arg-type]
            schedule=self.schedule,
            normalise_encoded=config["encode_normalisation"],
            device=CPU,
            dtype=torch.float32,
        )
        self.stream = Stream(
            models,
            height=config["height"],
            width=config["width"],
            window=config["local_attn_size"],
            sinks=config["sink_size"],
            prompts={},
            conditioning=Decided(self.prompts),  # type: ignore[arg-type]
            noise_controller=self.controller,
            clock=StageClock(),
        )
        self.passes: list[tuple[Tensor, Tensor, Tensor]] = []  # latents, timesteps, flow
        self.dit.register_forward_hook(
            lambda _module, inputs, flow: self.passes.append((inputs[0], inputs[1], flow))
        )

    def call(self, index: int) -> tuple[Chunk, dict[str, Tensor]]:
        kwargs = self.case.calls[index]["kwargs"]
        video = self.case.get(f"inputs.{index}.video_u8")
        decision = self.arguments.decide(kwargs, video is not None, has_control=False)
        is_first = decision.start_frame == 0
        latent_frames = max(self.latent_frames, 2) if is_first else self.latent_frames
        if is_first and video is not None:
            latent_frames = self.latent_frames + 1
        num_frames = 4 * latent_frames - 3 * is_first
        if decision.forgets_motion:
            self.controller = ScopeNoiseController(self.latent_frames)
        self.stream.noise_controller = (
            self.controller if decision.uses_controller else FixedNoiseScale()
        )
        chunk = Chunk(
            index=index,
            first_frame=0,
            num_frames=num_frames,
            num_latent_frames=latent_frames,
            position=decision.start_frame,
            prompt_block=index,
            transition=None,
            transition_method="linear",
            reset=decision.reset,
            seed=decision.seed,
            noise_scale=decision.noise_scale,
            denoising_steps=decision.steps,
        )
        self.arguments.next_frame += latent_frames
        self.stream.prompts = {index: ()}
        self.passes.clear()
        self.recorder.encoded = None
        frames = None if video is None else stretched(video, num_frames)
        rendered = next(iter(self.stream.render([(chunk, frames)])))
        return chunk, dict(self.outputs(rendered))

    def outputs(self, rendered: Tensor) -> Iterator[tuple[str, Tensor]]:
        for step, (latents, timesteps, flow) in enumerate(self.passes[:-1]):
            sigma = self.schedule.sigma(timesteps)
            yield f"x0.{step}", flow_to_clean(latents, flow, sigma)
        yield "latents_noisy", self.passes[0][0]
        yield "latents", self.passes[-1][0]
        assert self.prompts.embedding is not None
        yield "conditioning", self.prompts.embedding
        yield "frames_u8", rendered
        if self.recorder.encoded is not None:
            yield "encoded", self.recorder.encoded
        assert self.recorder.frames is not None
        yield "frames", self.recorder.frames

    def timesteps(self) -> list[float]:
        return [timesteps.flatten()[0].item() for _, timesteps, _ in self.passes]


def build_vae(config: dict[str, Any], weights: dict[str, Tensor]) -> StreamVAE:
    vae = StreamVAE(
        VaeConfig(
            dim=config["dim"],
            latent_channels=config["z_dim"],
            multipliers=tuple(config["dim_mult"]),
            num_res_blocks=config["num_res_blocks"],
            temporal_downsample=tuple(config["temperal_downsample"]),
        )
    )
    vae.load_state_dict(weights, strict=True)
    return vae.eval()


@pytest.mark.parametrize("case", scope_cases())
@torch.inference_mode()
def test_stream_equals_the_recorded_pipeline(case: Case) -> None:
    if case.weights("vace."):
        pytest.skip("the VACE branch is not part of the stream yet")
    replay = Replay(case)
    pixel_limits = {"atol": case.tolerance["frames_atol"], "rtol": 0}
    for index, call in enumerate(case.calls):
        chunk, actual = replay.call(index)
        assert chunk.position == call["start_frame"]
        assert chunk.num_latent_frames == call["latent_frames"]
        assert chunk.seed == call["block_seed"]
        assert len(actual["frames_u8"]) == call["output_frames"]
        assert index == 0 or chunk.reset == call["reset"]
        assert replay.prompts.updated == call["conditioning_updated"]
        assert replay.prompts.transition_active == call["transition_active"]
        assert replay.timesteps() == call["timesteps"]
        for name, expected in case.outputs(index).items():
            what = f"call {index} {name}"
            if name == "frames_u8":
                difference = (actual[name].int() - expected.int()).abs().max().item()
                assert difference <= case.tolerance["u8_max_diff"], what
            elif name == "frames":
                case.assert_close(actual[name], expected, what, pixel_limits)
            else:
                case.assert_close(actual[name], expected, what)
    assert_final_cache(case, replay)


def assert_final_cache(case: Case, replay: Replay) -> None:
    cache = replay.stream.kv_cache
    tokens = cache.frame_tokens
    for layer in range(replay.dit.config.num_layers):
        for kind, name in enumerate("kv"):
            frames = cache.frames[layer, kind].flatten(1, 2)
            case.assert_close(frames, case.tensors[f"outputs.final.kv.{layer}.{name}"], name)
        ends = {
            "local_end_index": len(cache.positions) * tokens,
            "global_end_index": (cache.positions[-1] + 1) * tokens,
        }
        for name, value in ends.items():
            assert case.tensors[f"outputs.final.kv.{layer}.{name}"].item() == value
