"""The whole stream against recorded runs of Scope's pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from references.cases import Case, assert_output, cases_of
from references.networks import Recorder, build_dit, build_vae, timesteps_of
from references.scope_caller import (
    PaddedChunk,
    ScopeArguments,
    ScopePrompts,
    SharedStreamEncoder,
    stretched,
)
from rushes.drivers.clean_pass import CleanPass
from rushes.drivers.variants import DriverOptions
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.dit import CausalDit
from rushes.models.vace import VaceBranch
from rushes.stream.ahead import ChunkInputs
from rushes.stream.conditioning import Conditioning
from rushes.stream.denoise import CLEAN_TIMESTEP
from rushes.stream.noise_controller import (
    FixedNoiseScale,
    NoiseController,
    ScopeNoiseController,
)
from rushes.stream.schedule import FlowSchedule, flow_to_clean
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.plan.render_plan import Chunk

DEFAULT_SCALE = 1.0  # of VACE hints
CPU = torch.device("cpu")


def scope_cases() -> list[Any]:
    cases = cases_of("pipeline")
    return [
        c for c in cases if c.values[0] is None or c.values[0].header["source"].startswith("scope:")
    ]


def vace_cases() -> list[Any]:
    return [c for c in scope_cases() if c.values[0] is None or "vace_layers" in c.values[0].config]


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
        self.schedule = FlowSchedule(shift=config.get("timestep_shift", 8.0))
        self.recorder = Recorder(build_vae(config["vae"], case.weights("vae.")))
        self.latent_frames = config.get("num_frame_per_block", 1)
        embed = lambda text: case.tensors[f"inputs.embed.{text}"].unsqueeze(0)  # noqa: E731
        self.prompts = ScopePrompts(Conditioning(embed))
        self.arguments = ScopeArguments(self.prompts, config["base_seed"])
        self.controller: NoiseController = ScopeNoiseController(self.latent_frames)
        models = Models(
            dit=self.dit,
            vae=self.recorder,
            schedule=self.schedule,
            normalise_encoded=config.get("encode_normalisation", False),
            device=CPU,
            dtype=torch.float32,
            vace=build_vace(self.dit, case.weights("vace."), config),
        )
        self.stream = Stream(
            models,
            height=config["height"],
            width=config["width"],
            driver=DriverOptions(config.get("local_attn_size", 6), config.get("sink_size", 3)),
            prompts={},
            conditioning=Decided(self.prompts),  # type: ignore[arg-type]
            noise_controller=self.controller,
            clock=StageClock(),
        )
        self.control = SharedStreamEncoder(
            self.stream._encode_stream, config["height"], config["width"]
        )
        self.stream.control_encoder = self.control  # type: ignore[assignment]  # never saved
        self.scale = DEFAULT_SCALE
        self.passes: list[tuple[Tensor, Tensor, Tensor]] = []  # latents, timesteps, flow
        self.dit.register_forward_hook(self._note_pass)

    def _note_pass(self, _: Any, inputs: tuple[Any, ...], flow: Tensor) -> None:
        """Keep what denoising steps do; rows that only leave the chunk before's keys are not it."""
        num_clean = inputs[6] if len(inputs) > 6 else 0
        if len(flow):
            timesteps = timesteps_of(inputs[1], inputs[0])[num_clean:]
            self.passes.append((inputs[0][num_clean:], timesteps, flow))

    def call(self, index: int) -> tuple[Chunk, dict[str, Tensor]]:
        recorded = self.case.calls[index]
        kwargs = recorded.get("kwargs") or {"prompts": recorded["prompts"]}
        video = self.case.get(f"inputs.{index}.video_u8")
        control = self.case.get(f"inputs.{index}.control_u8")
        decision = self.arguments.decide(kwargs, video is not None, control is not None)
        is_first = decision.start_frame == 0
        latent_frames = max(self.latent_frames, 2) if is_first else self.latent_frames
        if is_first and video is not None:
            latent_frames = self.latent_frames + 1
        num_frames = 4 * latent_frames - 3 * is_first
        if decision.forgets_motion:
            self.controller = ScopeNoiseController(self.latent_frames)
        self.stream.preparation.controller = (
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
        images = [self.case.tensors[f"inputs.image.{name}"] for name in recorded.get("refs") or []]
        inputs = ChunkInputs(
            video=None if video is None else stretched(video, num_frames),
            control=None if control is None else stretched(control, num_frames),
            masks=column_masks(recorded.get("mask_columns"), control, num_frames),
            references=tuple(images),
            control_scale=self._scale_in_force(recorded.get("scale", DEFAULT_SCALE)),
        )
        rendered = next(iter(self.stream.render([(chunk, inputs)])))
        return chunk, dict(self.outputs(rendered))

    def _scale_in_force(self, recorded: float) -> float:
        """A recorded default was not passed to the pipeline, where the last scale then stays."""
        if recorded != DEFAULT_SCALE:
            self.scale = recorded
        return self.scale

    def outputs(self, rendered: Tensor) -> Iterator[tuple[str, Tensor]]:
        for step, (latents, timesteps, flow) in enumerate(self.passes):
            sigma = self.schedule.sigma(timesteps)
            yield f"x0.{step}", flow_to_clean(latents, flow, sigma)
        yield "latents_noisy", self.passes[0][0]
        assert self.driver._pending is not None
        yield "latents", self.driver._pending.clean
        assert self.prompts.embedding is not None
        missing = self.dit.config.text_len - self.prompts.embedding.shape[1]
        yield "conditioning", functional.pad(self.prompts.embedding, (0, 0, 0, missing))
        yield "frames_u8", rendered
        if self.recorder.encoded is not None:
            yield "encoded", self.recorder.encoded
        if self.control.made is not None:
            yield "vace_context", self.control.made[0].transpose(0, 1)
        assert self.recorder.frames is not None
        yield "frames", self.recorder.frames

    def timesteps(self) -> list[float]:
        denoising = [timesteps.flatten()[0].item() for _, timesteps, _ in self.passes]
        return [*denoising, CLEAN_TIMESTEP]

    @property
    def driver(self) -> CleanPass:
        assert isinstance(self.stream.driver, CleanPass)
        return self.stream.driver


def column_masks(
    columns: list[int] | None, control: Tensor | None, num_frames: int
) -> Tensor | None:
    """Masks that are 1 between two columns."""
    if columns is None or control is None:
        return None
    masks = torch.zeros(num_frames, *control.shape[1:3])
    masks[:, :, columns[0] : columns[1]] = 1
    return masks


def build_vace(
    dit: CausalDit, weights: dict[str, Tensor], config: dict[str, Any]
) -> VaceBranch | None:
    if not weights:
        return None
    branch = VaceBranch(dit.config)
    branch.load_state_dict(weights, strict=True)
    assert list(branch.hinted_blocks) == config["vace_layers"]
    return branch.eval()


@pytest.mark.parametrize("case", scope_cases())
@torch.inference_mode()
def test_stream_equals_the_recorded_pipeline(case: Case) -> None:
    replay = Replay(case)
    if replay.stream.models.vace is not None:
        replay.stream.models.vace.attended = PaddedChunk(case.config["hint_key_padding"])
    for index, call in enumerate(case.calls):
        chunk, actual = replay.call(index)
        assert_decisions(replay, chunk, call)
        for name, expected in case.outputs(index).items():
            if name != "latents_nopad":
                assert_output(case, actual[name], expected, name, f"call {index} {name}")
    assert_final_cache(case, replay)


@pytest.mark.parametrize("case", vace_cases())
@torch.inference_mode()
def test_hints_without_padding_equal_the_recorded_ones(case: Case) -> None:
    replay = Replay(case)
    for index in range(len(case.calls)):
        _, actual = replay.call(index)
        case.assert_close(actual["latents"], case.outputs(index)["latents_nopad"], f"call {index}")


def assert_decisions(replay: Replay, chunk: Chunk, call: dict[str, Any]) -> None:
    """Compare what was decided for a call, as far as the case records it."""
    decided = {
        "start_frame": chunk.position,
        "latent_frames": chunk.num_latent_frames,
        "block_seed": chunk.seed,
        "output_frames": chunk.num_frames,
        "conditioning_updated": replay.prompts.updated,
        "transition_active": replay.prompts.transition_active,
        "timesteps": replay.timesteps(),
    }
    if chunk.index > 0:
        decided["reset"] = chunk.reset
    for name, value in decided.items():
        assert name not in call or call[name] == value, name


def assert_final_cache(case: Case, replay: Replay) -> None:
    replay.driver.settle()
    cache = replay.driver.kv_cache
    assert isinstance(cache, RollingKVCache)
    tokens = cache.frame_tokens
    if not any(name.startswith("outputs.final.") for name in case.tensors):
        return
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
