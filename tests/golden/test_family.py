"""The model family against recorded runs: each kind of memory, schedules, clips, LoRA as a part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor

from references.cases import Case, cases_of
from references.frame_routing import routed
from references.networks import build_vae, timesteps_of
from rushes.drivers.variants import DriverOptions
from rushes.models.adapters.part_of_model import merge_part
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.frame_bank import FrameBankCache, salience
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.dit import CausalDit, DitConfig
from rushes.models.rope import RotaryEmbedding
from rushes.stream.ahead import ChunkInputs
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import FixedNoiseScale
from rushes.stream.schedule import FlowSchedule, flow_to_clean
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ClipSpan, Models, Stream
from rushes.timeline.document import Prompt
from rushes.timeline.plan.render_plan import Chunk
from rushes.timeline.steps import first_timestep

CPU = torch.device("cpu")


def cases_with(op: str) -> list[Any]:
    """The cases whose first call is this operation; a skipped one where there is none."""
    chosen = [
        case
        for case in cases_of("family")
        if case.values[0] is None or case.values[0].calls[0]["op"] == op
    ]
    reason = f"no case of the family with operation {op} below GOLDEN_DIR"
    return chosen or [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]


def test_every_case_is_of_a_known_kind() -> None:
    known = {"chunk", "clip", "forward", "select", "route", "schedule"}
    ops = {
        case.values[0].calls[0]["op"] for case in cases_of("family") if case.values[0] is not None
    }
    assert ops <= known


# --- the network and its stream ------------------------------------------------------------------


def build_network(case: Case) -> CausalDit:
    model = case.config["model"]
    names = {field.name for field in fields(DitConfig)} & set(model)
    dit = CausalDit(DitConfig(**{name: model[name] for name in names}))
    dit.load_state_dict(case.weights("model."), strict=True, assign=True)
    return dit.eval()


@dataclass
class RecordedVae:
    """Gives what the recorded autoencoder gave, and keeps what it was shown."""

    encoded: Tensor | None = None
    decoded: Tensor | None = None
    shown: Tensor | None = None

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        self.shown = pixels
        assert self.encoded is not None
        return self.encoded

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        frames = 4 * latents.shape[1] - 3 * cache.is_first_call
        cache.end_call()
        if self.decoded is None:
            height, width = 8 * latents.shape[3], 8 * latents.shape[4]
            return latents.new_zeros(1, frames, 3, height, width)
        made, self.decoded = self.decoded[:, :frames], self.decoded[:, frames:]
        return made


@dataclass
class RecordedNoise:
    """The recorded draws of a chunk, shaped as its latents."""

    draws: list[Tensor]

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        drawn = self.draws.pop(0)
        return drawn.unsqueeze(0) if drawn.dim() == 4 else drawn


@dataclass
class Pass:
    """One call of the network, and the state of the cache after it."""

    latents: Tensor
    timesteps: Tensor
    clean: Tensor
    state: dict[str, Tensor]


@dataclass
class Replay:
    """Our stream over the chunks of a case."""

    case: Case
    driver: DriverOptions
    clips: dict[int, ClipSpan] | None = None
    vae: Any = field(default_factory=RecordedVae)
    passes: list[Pass] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.case.config
        self.dit = build_network(self.case)
        self.schedule = FlowSchedule(shift=config["timestep_shift"])
        models = Models(
            dit=self.dit,
            vae=self.vae,
            schedule=self.schedule,
            normalise_encoded=True,
            device=CPU,
            dtype=torch.float32,
            warps_steps=config["warp_timesteps"],
        )
        self.stream = Stream(
            models,
            height=config["height"],
            width=config["width"],
            driver=self.driver,
            prompts={},
            conditioning=Conditioning(lambda text: self.case.tensors[f"inputs.{text}"]),
            noise_controller=FixedNoiseScale(),
            clock=StageClock(),
            clips=self.clips,
        )
        self.dit.register_forward_hook(self._note_pass)

    def _note_pass(self, _: Any, inputs: tuple[Any, ...], flow: Tensor) -> None:
        latents, timesteps = inputs[0], timesteps_of(inputs[1], inputs[0])
        if not len(flow):  # a clean pass, which ends early; the references' do not
            flow = self.dit.forward(*inputs[:6])
        clean = flow_to_clean(latents, flow, self.schedule.sigma(timesteps))
        state = dict(self._state())
        self.passes.append(Pass(latents, timesteps, clean, state))

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        cache = self.stream.driver.kv_cache
        if isinstance(cache, RollingKVCache):
            frames, filled = cache.frames, len(cache.positions)
            end, tokens = cache.positions[-1] + 1, cache.frame_tokens
        else:
            window = cache.window
            frames, filled, end = window.frames, window.filled, window.end
            tokens = window.sizes.frame_tokens
        for layer in range(len(frames)):
            for name, slots in zip("kv", frames[layer, :, :, :filled], strict=True):
                yield f"{layer}.{name}", slots.flatten(1, 2).clone()
            yield f"{layer}.local_end", torch.tensor([filled * tokens])
            yield f"{layer}.global_end", torch.tensor([end * tokens])
            if isinstance(cache, FrameBankCache):
                for name, slots in zip("kv", cache.bank[layer], strict=True):
                    yield f"bank.{layer}.{name}", slots.flatten(1, 2).clone()
                for name, slots in zip("kv", cache.staged[layer], strict=True):
                    yield f"bank.{layer}.{name}_new", slots.flatten(1, 2).clone()
                for name in ("local_end", "global_end"):
                    yield f"bank.{layer}.{name}", torch.tensor([cache.num_recorded * tokens])

    def render(self, chunks: list[tuple[Chunk, ChunkInputs, str]]) -> Tensor:
        """Render chunks, each with the name of its prompt; return the bytes of all frames."""
        self.stream.prompts = {chunk.prompt_block: (Prompt(text),) for chunk, _, text in chunks}
        return torch.cat(list(self.stream.render((chunk, inputs) for chunk, inputs, _ in chunks)))

    def assert_state(self, index: int, stage: str, state: dict[str, Tensor]) -> None:
        for start, prefix in (("cache", ""), ("bank", "bank.")):
            outputs = self.case.outputs_of(f"{index}.{start}_after_{stage}")
            for name, expected in outputs.items():
                what = f"call {index} {start} after {stage} {name}"
                self.case.assert_close(state[prefix + name], expected, what)


def a_chunk(index: int, position: int, frames: int, **changes: Any) -> Chunk:
    values: dict[str, Any] = {
        "index": index,
        "first_frame": 0,
        "num_frames": 0,
        "num_latent_frames": frames,
        "position": position,
        "prompt_block": index,
        "transition": None,
        "transition_method": "linear",
        "reset": position == 0,
        "seed": 0,
        "noise_scale": None,
        "denoising_steps": (),
    }
    return Chunk(**values | changes)


# --- streams, chunk by chunk ---------------------------------------------------------------------


def stream_options(config: dict[str, Any]) -> DriverOptions:
    """Choose the memory by what the case's configuration has."""
    variant, more = "recache", {}
    if "bank_size" in config:
        variant = "bank"
        more = {"bank_frames": config["bank_size"], "record_every": config["record_interval"]}
    elif "sink_ema_alpha" in config:
        variant, more = "ema-sink", {"sink_kept": config["sink_ema_alpha"]}
    elif "kv_cache_num_frames" in config:
        variant = "rebuilt"
        more = {
            "context_frames": config["kv_cache_num_frames"],
            "context_bias": config["kv_cache_attention_bias"],
        }
    return DriverOptions(
        config["local_attn_size"],
        config["sink_size"],
        variant=variant,  # type: ignore[arg-type]
        chunk_frames=config["num_frame_per_block"],
        keeps_sinks=config.get("global_sink", True),
        **more,
    )


@pytest.mark.parametrize("case", cases_with("chunk"))
@torch.inference_mode()
def test_stream_equals_the_recorded_one(case: Case) -> None:
    replay = Replay(case, stream_options(case.config))
    for index, call in enumerate(case.calls):
        replay.passes.clear()
        chunk = prepared_chunk(replay, index, call)
        replay.render([(chunk, ChunkInputs(), call["prompt"])])
        assert_chunk(replay, index, call, num_steps=len(chunk.denoising_steps))


def prepared_chunk(replay: Replay, index: int, call: dict[str, Any]) -> Chunk:
    """Lay out what the recorded parts gave, and return the chunk that the call describes."""
    case, config = replay.case, replay.case.config
    noisy = case.get(f"inputs.{index}.noisy_latents")
    noise = case.numbered(f"inputs.{index}.noise")
    start = noise.pop(0) if noisy is None else noisy
    frames = start.shape[1]
    steps = list(config["denoising_steps"])
    if config.get("noise_scale") is not None:
        steps[0] = first_timestep(config["noise_scale"])
    chunk = a_chunk(
        index,
        call["start_frame"],
        frames,
        seed=config["base_seed"] + call["start_frame"],
        denoising_steps=tuple(steps),
    )
    if noisy is None:  # then all of it follows from the seed
        drawn = replay.stream._noise_of(chunk, None)
        for expected in [start, *noise]:
            assert torch.equal(drawn.draw(CPU, torch.float32).flatten(), expected.flatten())
    else:
        replay.stream._noise_of = lambda *_: RecordedNoise([start, *noise])  # type: ignore
    replay.vae.encoded = case.get(f"inputs.{index}.reencoded_anchor")
    replay.vae.decoded = case.get(f"inputs.{index}.decoded_frames")
    return chunk


def assert_chunk(replay: Replay, index: int, call: dict[str, Any], num_steps: int) -> None:
    case, passes = replay.case, list(replay.passes)
    outputs = case.outputs(index)
    if call.get("recache"):
        replay.assert_state(index, "recache", passes.pop(0).state)
    if call.get("context", "none") != "none":
        context = passes.pop(0)
        replay.assert_state(index, "recompute", context.state)
        case.assert_close(context.latents, outputs["context_frames"], f"call {index} context")
    if "anchor_frame" in outputs:
        shown = replay.vae.shown.transpose(1, 2)  # [1, 3, 1, H, W]
        case.assert_close(shown, outputs["anchor_frame"], f"call {index} anchor")
    case.assert_close(passes[num_steps - 1].clean, outputs["latents"], f"call {index} latents")
    replay.assert_state(index, "denoise", passes[num_steps - 1].state)
    has_clean_pass = "kv_cache_num_frames" not in case.config
    assert len(passes) == num_steps + has_clean_pass
    if has_clean_pass:
        assert not passes[-1].timesteps.any()
        replay.assert_state(index, "clean", passes[-1].state)


# --- clips ---------------------------------------------------------------------------------------


def clip_options(config: dict[str, Any]) -> DriverOptions:
    if "window_chunks" in config:
        return DriverOptions(
            config["cache_frames"],
            config["sink_size"],
            variant="step-window",
            chunk_frames=config["num_frame_per_block"],
            attended=config["attend_frames"],
        )
    return DriverOptions(
        config["cache_frames"],
        sinks=0,
        variant="clip",
        chunk_frames=config["num_frame_per_block"],
        context_frames=config.get("overlap_latents", 3),
    )


@pytest.mark.parametrize("case", cases_with("clip"))
@torch.inference_mode()
def test_clips_equal_the_recorded_ones(case: Case) -> None:
    config = case.config
    vae = build_vae(config["vae"], case.weights("vae.")) if "vae" in config else RecordedVae()
    replay = Replay(case, clip_options(config), clips={}, vae=vae)
    assert_drawn_from_the_seed(case)
    numbers = count()
    for index, call in enumerate(case.calls):
        replay.passes.clear()
        chunks = list(clip_chunks(replay, index, call, numbers))
        frames = replay.render(chunks)
        assert_clip(replay, index, call, frames)


def assert_drawn_from_the_seed(case: Case) -> None:
    """The order of the draws is the product's; that it is the recorded one, the latents show."""
    generator = torch.Generator().manual_seed(case.config["seed"])
    for index in range(len(case.calls)):
        for noise in case.numbered(f"inputs.{index}.noise"):
            assert torch.equal(torch.randn(noise.shape, generator=generator), noise)


def clip_chunks(
    replay: Replay, index: int, call: dict[str, Any], numbers: Iterator[int]
) -> Iterator[tuple[Chunk, ChunkInputs, str]]:
    """Yield the chunks of one clip, those that are given first."""
    case, config = replay.case, replay.case.config
    given, size = call["given_frames"], config["num_frame_per_block"]
    is_inside = config["given_frames"] == "inside_clip"
    first_number = next(numbers)
    first = 0 if is_inside else given
    assert replay.stream._clips is not None
    clip = ClipSpan(first, call["num_frames"] - first)
    replay.stream._clips[first_number] = clip  # type: ignore[index]
    assert clip.num_frames == case.tensors[f"inputs.{index}.noise.0"].shape[1]
    is_carried_over = f"outputs.{index}.start_latents" in case.tensors
    lay_out(replay, index)
    positions = [0] if given else []
    positions += range(given, call["num_frames"], size)
    for place, position in enumerate(positions):
        is_given = bool(given) and place == 0
        steps = config["denoising_steps"]
        if position == given and config["denoising_steps_first_chunk"]:
            steps = config["denoising_steps_first_chunk"]
        chunk = a_chunk(
            next(numbers) if place else first_number,
            position,
            given if is_given else size,
            seed=config["seed"],
            denoising_steps=tuple(steps),
            is_carried_over=is_given and is_carried_over,
        )
        image = case.get(f"inputs.{index}.image")
        shown = torch.zeros(1, 8, 8, 3) if image is None else image.unsqueeze(0)
        is_shown = is_given and not is_carried_over
        yield chunk, ChunkInputs(given=shown if is_shown else None), call["prompt"]


def lay_out(replay: Replay, index: int) -> None:
    """Let the recorded autoencoder give what it gave at this call."""
    if not isinstance(replay.vae, RecordedVae):
        return
    get = replay.case.get
    given = get(f"inputs.{index}.given_latents")
    # The end of a clip is encoded when the next one begins.
    anchors = [get(f"inputs.{number}.reencoded_anchor") for number in (index - 1, index)]
    replay.vae.encoded = next((t for t in (given, *anchors) if t is not None), None)
    replay.vae.decoded = get(f"inputs.{index}.decoded_frames")


def assert_clip(replay: Replay, index: int, call: dict[str, Any], frames: Tensor) -> None:
    case, outputs = replay.case, replay.case.outputs(index)
    seen = [(p.timesteps[0].tolist(), p.latents.shape[1]) for p in replay.passes]
    expected = []
    for made in call["network_calls"]:
        timestep, count_ = made["timestep"], made["frames"]
        steps = timestep if isinstance(timestep, list) else [timestep] * count_
        expected.append(([float(step) for step in steps], count_))
    assert seen == expected
    case.assert_close(clip_latents(replay, call), outputs["latents"], f"clip {index}")
    for name, value in outputs.items():
        what = f"clip {index} {name}"
        if name.startswith("x0."):
            case.assert_close(replay.passes[int(name.removeprefix("x0."))].clean, value, what)
        elif name.startswith("cache."):
            state = replay.passes[-1].state
            case.assert_close(state[name.removeprefix("cache.")], value, what)
        elif name == "frames":
            assert_bytes(case, frames, value)
        elif name in ("start_latents", "given_latents"):
            given = clip_latents(replay, call)[:, : call["given_frames"]]
            case.assert_close(given, value, what)
    anchor = case.get(f"outputs.{index - 1}.anchor_frame")
    if anchor is not None:
        case.assert_close(replay.vae.shown.transpose(1, 2), anchor, f"anchor {index}")


def clip_latents(replay: Replay, call: dict[str, Any]) -> Tensor:
    """Put the clip together from what the clean passes saw last of each position."""
    by_start: dict[int, Tensor] = {}
    for made, seen in zip(call["network_calls"], replay.passes, strict=True):
        if made["timestep"] == 0:
            by_start[made["start"]] = seen.latents
    return torch.cat([by_start[start] for start in sorted(by_start)], dim=1)


def assert_bytes(case: Case, actual: Tensor, expected: Tensor) -> None:
    difference = (actual.int() - expected.int()).abs()
    assert difference.max() <= case.tolerance["levels"]
    assert (difference > 0).float().mean() <= case.tolerance["levels_share"]


# --- single rules --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases_with("forward"))
@torch.inference_mode()
def test_network_with_its_lora_equals_the_recorded_one(case: Case) -> None:
    dit = build_network(case)
    lora = {k.removeprefix("lora."): t for k, t in case.tensors.items() if k.startswith("lora.")}
    merge_part(dit, lora, case.path.name, torch.float32)
    schedule = FlowSchedule(shift=case.config["timestep_shift"])
    latents, timesteps = case.tensors["inputs.latents"], case.tensors["inputs.timestep"]
    height, width = latents.shape[3] // 2, latents.shape[4] // 2
    call, sizes = case.calls[0], dit.config
    cache = RollingKVCache(
        SlotSizes(
            num_blocks=sizes.num_layers,
            num_heads=sizes.num_heads,
            head_dim=sizes.head_dim,
            frame_tokens=height * width,
            window=case.config["local_attn_size"],
        ),
        sinks=case.config["sink_size"],
    )
    start = cache.begin_chunk(call["start_frame"], call["frames"])
    rotary = RotaryEmbedding(sizes.head_dim).factors([start], call["frames"], height, width)
    prompt = dit.prompt_keys(dit.embed_prompt(case.tensors["inputs.prompt_a"]))
    flow = dit(latents, timesteps.float(), rotary, cache, prompt)
    clean = flow_to_clean(latents, flow, schedule.sigma(timesteps))
    case.assert_close(flow, case.tensors["outputs.flow"], "flow")
    case.assert_close(clean, case.tensors["outputs.x0"], "x0")


@pytest.mark.parametrize("case", cases_with("select"))
@torch.inference_mode()
def test_choice_for_the_bank_equals_the_recorded_one(case: Case) -> None:
    config = case.config
    tokens, room = config["tokens_per_frame"], config["budget_frames"]
    for index in range(len(case.calls)):
        given = {
            name: case.tensors[f"inputs.{index}.{name}"]
            for name in ("bank_k", "bank_v", "new_k", "new_v", "text_keys")
        }
        sizes = SlotSizes(1, config["num_heads"], config["head_dim"], tokens, window=6)
        cache = FrameBankCache(sizes, sinks=3, bank_frames=room, record_every=1)
        for kind, name in enumerate("kv"):
            cache.bank[0, kind] = given[f"bank_{name}"].unflatten(1, (-1, tokens))
            cache.staged[0, kind] = given[f"new_{name}"].unflatten(1, (-1, tokens))
        scores = salience(cache.bank[0, 0], given["text_keys"])
        cache.num_recorded = room + 1
        cache.begin_chunk(0, 3, [given["text_keys"]])
        outputs = case.outputs(index)
        case.assert_close(scores, outputs["scores"], f"call {index} scores")
        for kind, name in enumerate("kv"):
            actual = cache.bank[0, kind].flatten(1, 2)
            case.assert_close(actual, outputs[f"bank_{name}"], f"call {index} bank_{name}")


@pytest.mark.parametrize("case", cases_with("route"))
def test_routing_equals_the_recorded_one(case: Case) -> None:
    for index, call in enumerate(case.calls):
        q, k, v = (case.tensors[f"inputs.{index}.{name}"] for name in ("query", "key", "value"))
        keys, values = routed(q, k, v, case.config["tokens_per_frame"], call["top_k"])
        outputs = case.outputs(index)
        case.assert_close(keys, outputs["key"], f"call {index} keys")
        case.assert_close(values, outputs["value"], f"call {index} values")


@pytest.mark.parametrize("case", cases_with("schedule"))
def test_warped_schedule_equals_the_recorded_one(case: Case) -> None:
    for index, call in enumerate(case.calls):
        schedule = FlowSchedule(shift=call["shift"])
        steps = torch.tensor(call["steps"])
        warped = schedule.warp(steps)
        actual = {
            "table_sigmas": schedule.sigmas,
            "table_timesteps": schedule.timesteps,
            "warped": warped,
            "sigma_raw": schedule.sigma(steps),
            "sigma_warped": schedule.sigma(warped),
        }
        for name, expected in case.outputs(index).items():
            case.assert_close(actual[name], expected, f"call {index} {name}")
