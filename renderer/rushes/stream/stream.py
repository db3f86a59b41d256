"""The streaming loop: plan and input frames in, rendered frames out, one chunk after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rushes.errors import CheckpointError
from rushes.lanes import Lanes
from rushes.models.adapters.adapted_layers import AdaptedLayers
from rushes.models.autoencoder import Autoencoder
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.dit import CausalDit
from rushes.models.graphs.autoencoder import GraphedAutoencoder
from rushes.models.graphs.capture import capture_on
from rushes.models.graphs.runner import Runners
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding
from rushes.models.vace import Control, VaceBranch
from rushes.noise.chunk_noise import ChunkNoise
from rushes.presets.device_classes import DeviceClass
from rushes.stream.ahead import ChunkInputs, Preparation, Prepared, here, with_next
from rushes.stream.clip_noise import ClipNoise
from rushes.stream.conditioning import Conditioning
from rushes.stream.control import ControlEncoder, VaceEncoder
from rushes.stream.driver import DriverParts, OpensDriver
from rushes.stream.input_encoder import InputEncoder
from rushes.stream.noise_controller import NoiseController
from rushes.stream.pixels import to_bytes, to_pixels
from rushes.stream.row import Noise, Row
from rushes.stream.schedule import FlowSchedule, cover
from rushes.stream.stage_clock import StageClock
from rushes.stream.step_table import StepTable
from rushes.timeline.document import Prompt
from rushes.timeline.plan.render_plan import Chunk
from rushes.timeline.steps import first_timestep
from rushes.transfer import to_device

VAE_SCALE = 8  # pixels a side of one latent


@dataclass(frozen=True)
class Models:
    """The networks of one pipeline, on one device, shared by all streams rendered with it.

    ``warps_steps``: denoising steps go through the table of the schedule first.
    """

    dit: CausalDit
    vae: Autoencoder
    schedule: FlowSchedule
    normalise_encoded: bool
    device: torch.device
    dtype: torch.dtype
    vace: VaceBranch | None = None
    warps_steps: bool = False


@dataclass(frozen=True)
class ClipSpan:
    """The latent frames of a clip whose noise is drawn at once, by position."""

    first: int
    num_frames: int


class Restorable(Protocol):
    """A part of the stream with state of its own."""

    def snapshot(self) -> Snapshot: ...

    @torch.inference_mode()
    def restore(self, snapshot: Snapshot) -> None: ...


class Stream:
    """One video in the making: borrowed models, and all state that lasts from chunk to chunk."""

    def __init__(
        self,
        models: Models,
        *,
        height: int,
        width: int,
        driver: OpensDriver,
        prompts: Mapping[int, tuple[Prompt, ...]],
        conditioning: Conditioning,
        noise_controller: NoiseController,
        clock: StageClock,
        adapted_layers: AdaptedLayers | None = None,
        clips: Mapping[int, ClipSpan] | None = None,
        noise_device: DeviceClass | None = None,
        normalise_input: bool | None = None,
        graphs: bool = False,
        lanes: Lanes | None = None,
    ) -> None:
        """``prompts`` are those of every prompt block, by its index; sizes are in pixels.

        ``adapted_layers`` hold the LoRAs in the models' layers, if there are any. With ``clips``,
        by the index of their first chunk, noise is drawn clip by clip, else chunk by chunk; as a
        GPU of the class ``noise_device`` draws it, or without one as a CPU.
        ``normalise_input`` says whether the encoded input is brought to unit variance, else the
        models do; what steers through VACE stays as they say. With ``graphs`` steps that are alike
        are replayed, unless several streams share the network. On ``lanes`` the next chunk is
        encoded, and the last one decoded, beside the passes over this one.
        """
        config = models.dit.config
        self.models = models
        self.prompts = prompts
        self.conditioning = conditioning
        self.preparation = Preparation(
            noise_controller, models.device, self._chunk_noise if clips is None else None
        )
        self.adapted_layers = adapted_layers
        self.control_encoder: ControlEncoder = VaceEncoder(self._encode_stream, height, width)
        self.encoder_cache = FeatureCache()
        self.decoder_cache = FeatureCache()
        self.latent_size = (height // VAE_SCALE, width // VAE_SCALE)
        self.token_grid = (self.latent_size[0] // 2, self.latent_size[1] // 2)
        self._rotary = RotaryEmbedding(config.head_dim, models.device)
        self._clips, self._noise_device = clips, noise_device
        self._normalise_input = (
            models.normalise_encoded if normalise_input is None else normalise_input
        )
        self._vae: Autoencoder = models.vae
        self.runners: Runners | None = None
        if graphs and isinstance(models.dit, CausalDit):
            self._vae = GraphedAutoencoder(models.vae, models.device)
            self.runners = Runners(capture_on(models.device))
        self._steps = StepTable(models.dit, models.schedule)
        self.clip_noise = ClipNoise((config.in_dim, *self.latent_size), noise_device)
        self.driver = driver.open(
            DriverParts(
                models.dit,
                models.schedule,
                self._steps,
                self._rotary,
                self.token_grid,
                self._encode_alone,
                self._draw_frames,
                noise_device,
                clock,
                models.device,
                models.dtype,
                self.runners,
            )
        )
        self._next_chunk = 0
        self._resumes_at = 0
        self._embedding: Tensor | None = None
        self._prompt_keys: PromptKeys | None = None
        self._vace_prompt_keys: PromptKeys | None = None
        self._lanes = lanes
        encode = clock.timed("encode", self._encode_pixels)
        lane = None if lanes is None else lanes.encode
        self._input = InputEncoder(encode, self.encoder_cache, lane)
        self._decode = clock.timed("decode", self._decode_frames)

    @torch.inference_mode()
    def render(self, chunks: Iterable[tuple[Chunk, ChunkInputs]]) -> Iterator[Tensor]:
        """Render chunk after chunk.

        A restored stream takes the chunks from where it was saved; those that were under way then
        may come again, and are passed over.

        On lanes, the stream of a GPU on which frames are made is its current one when they are
        yielded.

        Shapes:
            yields: [T, H, W, 3], uint8, on the models' device
        """
        resumes_at, self._resumes_at = self._resumes_at, 0
        wanted = (each for each in chunks if each[0].index >= resumes_at)
        for (chunk, inputs), following in with_next(wanted, looks=self._lanes is not None):
            if chunk.reset:
                yield from self._decoded(self.driver.flush())
                self._reset_caches(chunk)
            row = self._row_of(chunk, inputs)
            self._next_chunk = chunk.index + 1
            if following is not None:
                self._input.encode_ahead(following[0], self.preparation.look(*following))
            clean = self.driver.begin(row) if chunk.reset else self.driver.advance(row)
            if clean is not None:
                yield from self._decoded((clean,))
        yield from self._decoded(self.driver.flush())

    def _decoded(self, made: Iterable[Tensor]) -> Iterator[Tensor]:
        for clean in made:
            if self._lanes is None:
                yield self._decode(clean)
                continue
            with self._lanes.decode.beside(clean):
                yield self._decode(clean)

    @torch.inference_mode()
    def follow(self, chunk: Chunk, video: Tensor | None = None) -> None:
        """Take note of a chunk that is rendered elsewhere, in a section before this stream's.

        What lasts through a reset is then as if it had been rendered here: the prompts in force,
        and what the noise controller remembers of the input.

        Shapes:
            video: [T, H, W, 3], uint8
        """
        self.conditioning.advance(
            self.prompts[chunk.prompt_block], chunk.transition, chunk.transition_method
        )
        self.preparation.follow(chunk, video)

    def prepare(self, chunk: Chunk, inputs: ChunkInputs) -> None:
        """Prepare a chunk before it is rendered: noise, noise scale, copies to the device.

        Another thread may do that, for the chunks of ``render`` in their order.
        """
        self.preparation.prepare(chunk, inputs)

    def _row_of(self, chunk: Chunk, inputs: ChunkInputs) -> Row:
        """Cover the encoded input, if there is one, with noise, and choose the first timestep."""
        ready = self.preparation.take(chunk, inputs)
        prompt, prompt_changed = self._prompt_in_force(chunk)
        noise = self._noise_of(chunk, ready.noise)
        timesteps = self._timesteps_of(chunk)
        latents = noise.draw(self.models.device, self.models.dtype)
        encoded = self._input.latents(chunk, ready)
        if encoded is not None and ready.noise_scale is not None:
            latents = cover(encoded, latents, ready.noise_scale)
            if not chunk.keeps_first_step:
                timesteps = (first_timestep(ready.noise_scale), *timesteps[1:])
        control = self._control_of(chunk, ready, inputs.control_scale)
        given = None if ready.given is None else to_pixels(ready.given.here())
        assert self._embedding is not None
        return Row(
            latents,
            chunk.position,
            timesteps,
            noise,
            self._embedding,
            prompt,
            control,
            prompt_changed=prompt_changed,
            given=None if given is None else self._encode_alone(given),
            is_carried_over=chunk.is_carried_over,
        )

    def _timesteps_of(self, chunk: Chunk) -> tuple[float, ...]:
        if not self.models.warps_steps:
            return chunk.denoising_steps
        return tuple(self.models.schedule.warp(torch.tensor(chunk.denoising_steps)).tolist())

    def snapshot(self) -> Snapshot:
        """Return all state that lasts from chunk to chunk, on whatever device it is.

        The cross-attention cache follows from the embedding in force and is made anew.
        """
        if self._lanes is not None:
            self._lanes.join()
        layers = self.adapted_layers
        strengths = None if layers is None else list(layers.strengths)
        snapshot = Snapshot(values={"next_chunk": self._next_chunk, "lora_strengths": strengths})
        for name, part in (self._parts_on_device() | self._parts_on_host()).items():
            snapshot.add(name, part.snapshot())
        snapshot.add("noise_controller", self.preparation.snapshot())
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of a stream of the same models, sizes and prompts."""
        strengths = snapshot.values["lora_strengths"]
        if self.adapted_layers is not None and strengths is not None:
            self.adapted_layers.set_strengths(tuple(strengths))  # what is pending is made with them
        for name, part in self._parts_on_device().items():
            part.restore(snapshot.part(name).to(self.models.device))
        for name, part in self._parts_on_host().items():
            part.restore(snapshot.part(name))
        self._next_chunk = self._resumes_at = snapshot.values["next_chunk"]
        self.preparation.restore(snapshot.part("noise_controller"), self._next_chunk)
        self._prompt_keys = None

    def _parts_on_device(self) -> dict[str, Restorable]:
        return {
            "driver": self.driver,
            "encoder": self._input,
            "decoder": self.decoder_cache,
            "control": self.control_encoder,
            "conditioning": self.conditioning,
        }

    def _parts_on_host(self) -> dict[str, Restorable]:
        return {} if self._clips is None else {"clip_noise": self.clip_noise}

    def _noise_of(self, chunk: Chunk, ready: ChunkNoise | None) -> Noise:
        """Return what was drawn for a chunk; that of whole clips is drawn now, in their order."""
        if self._clips is None:
            return ready or self._chunk_noise(chunk)
        clip = self._clips.get(chunk.index)
        if clip is not None:
            self.clip_noise.begin_clip(clip.first, clip.num_frames, chunk.seed)
        return self.clip_noise.of_chunk(chunk.position, chunk.num_latent_frames)

    def _chunk_noise(self, chunk: Chunk) -> ChunkNoise:
        channels = self.models.dit.config.in_dim
        shape = (1, chunk.num_latent_frames, channels, *self.latent_size)
        return ChunkNoise(chunk.seed, shape, device_class=self._noise_device)

    def _encode_pixels(self, pixels: Tensor) -> Tensor:
        return self._encoded(pixels, self.encoder_cache, self._normalise_input)

    def _encode_stream(self, pixels: Tensor, cache: FeatureCache) -> Tensor:
        return self._encoded(pixels, cache, self.models.normalise_encoded)

    def _encode_alone(self, pixels: Tensor) -> Tensor:
        return self._encoded(pixels, FeatureCache(), self._normalise_input)

    def _encoded(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        on_device = to_device(pixels, self.models.device).to(self.models.dtype)
        return self._vae.encode(on_device, cache, normalise)

    def _draw_frames(self, num_frames: int) -> Tensor:
        noise = self.clip_noise.draw_frames(num_frames)
        return noise.to(device=self.models.device, dtype=self.models.dtype)

    def _decode_frames(self, latents: Tensor) -> Tensor:
        pixels = self._vae.decode(latents, self.decoder_cache)
        self.driver.remember(pixels.clamp(-1, 1))
        return to_bytes(pixels)

    def _prompt_in_force(self, chunk: Chunk) -> tuple[PromptKeys, bool]:
        """Return the prompt's keys, and whether the prompt is another than a chunk before.

        Each chunk of a transition counts as a change, as in scope.
        """
        embedding, changed = self.conditioning.advance(
            self.prompts[chunk.prompt_block], chunk.transition, chunk.transition_method
        )
        if self._set_lora_strengths(chunk) or changed or self._prompt_keys is None:
            self._embedding = embedding.to(self.models.device, self.models.dtype)
            context = self.models.dit.embed_prompt(self._embedding)
            self._prompt_keys = self.models.dit.prompt_keys(context)
            if self.models.vace is not None:
                self._vace_prompt_keys = self.models.vace.prompt_keys(context)
        return self._prompt_keys, changed or chunk.transition is not None

    def _set_lora_strengths(self, chunk: Chunk) -> bool:
        """Set them, and say whether one changed: then the prompt's keys are no longer right."""
        if self.adapted_layers is None or not chunk.lora_scales:
            return False
        if self.adapted_layers.strengths != chunk.lora_scales:
            self.driver.settle()
        changed = self.adapted_layers.set_strengths(chunk.lora_scales)
        if changed:
            self._steps.forget()
            if self.runners is not None:
                self.runners.forget()
        return changed

    def _control_of(self, chunk: Chunk, ready: Prepared, scale: float) -> Control | None:
        references = [image.here() for image in ready.references]
        context = self.control_encoder.context(here(ready.control), here(ready.masks), references)
        if context is None:
            return None
        if self.models.vace is None or self._vace_prompt_keys is None:
            raise CheckpointError("the input steers the render through VACE; load its weights too")
        rotary = self._rotary.factors([0], chunk.num_latent_frames, *self.token_grid)
        return Control(self.models.vace, context, scale, self._vace_prompt_keys, rotary)

    def _reset_caches(self, chunk: Chunk) -> None:
        """Begin as on an empty cache; the prompts in force stay. The driver clears its own."""
        self._input.begin(chunk)
        self.decoder_cache.reset()
        self.control_encoder.reset()
