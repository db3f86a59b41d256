"""Drives our stream from recorded calls the way Scope's pipeline decides from its arguments.

Our stream follows a plan, in which everything is decided. Scope decides call by call, from
arguments that stay, fall back or are one-shot; these rules (and their quirks) live here, since only
the recordings need them. Source: scope: streamdiffusionv2/pipeline.py, wan2_1/blocks/*.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.vace import control_context, reference_context
from rushes.stream.conditioning import Conditioning, of_one_length
from rushes.stream.control import Encode, split_by_mask
from rushes.stream.pixels import cover_image
from rushes.timeline.document import Prompt

DEFAULT_STEPS = (750, 250)
DEFAULT_NOISE_SCALE = 0.7
LAST_POSITION = 1023
_CLOSE = 0.01  # a target nearer than this (Frobenius norm) starts no transition

Prompts = tuple[Prompt, ...]


def prompts_of(items: list[dict[str, Any]]) -> Prompts:
    return tuple(Prompt(text=item["text"], weight=item["weight"]) for item in items)


@dataclass
class ScopePrompts:
    """Which prompts a call encodes, and which step of which transition it takes."""

    conditioning: Conditioning
    last_incoming: Prompts | None = None
    last_encoded: Prompts | None = None
    current: Prompts | None = None
    steps_left: list[float] = field(default_factory=list)
    method: str = "linear"
    embedding: Tensor | None = None
    encoded: list[str] = field(default_factory=list)
    updated: bool = False

    @property
    def transition_active(self) -> bool:
        return bool(self.steps_left)

    def forget(self) -> None:
        """What an explicit cut does before the prompts are looked at."""
        self.last_incoming = self.last_encoded = self.current = None
        self.steps_left.clear()
        self.conditioning.forget()

    def call(self, incoming: Prompts, transition: dict[str, Any] | None) -> Tensor:
        """Return the embedding of this call; the flags of the call are left on this object."""
        if transition is not None:
            chosen = prompts_of(transition["target_prompts"])
        elif self.current is not None and incoming == self.last_incoming:
            chosen = self.current
        else:
            chosen = incoming
        self.last_incoming = incoming
        self.encoded, self.updated = [], False
        if chosen != self.last_encoded:
            self.encoded = [prompt.text for prompt in chosen]
            self.last_encoded = chosen
            self._aim_at(chosen, transition)
        elif self.steps_left:
            self._advance(chosen, self.steps_left.pop(0))
        if not self.steps_left:
            self.current = chosen
        assert self.embedding is not None
        return self.embedding

    def _aim_at(self, chosen: Prompts, transition: dict[str, Any] | None) -> None:
        self.steps_left.clear()
        num_steps = transition["num_steps"] if transition else 0
        in_force = self.conditioning.in_force
        if num_steps <= 0 or in_force is None:
            self._advance(chosen, None)
            return
        wanted, now = of_one_length((self.conditioning.blended(chosen), in_force))
        if (wanted - now).norm() < _CLOSE:
            return
        assert transition is not None
        self.method = transition.get("temporal_interpolation_method", "linear")
        self.steps_left = torch.linspace(0, 1, num_steps).tolist()
        self._advance(chosen, self.steps_left.pop(0))

    def _advance(self, chosen: Prompts, weight: float | None) -> None:
        self.embedding, _ = self.conditioning.advance(chosen, weight, self.method)  # type: ignore[arg-type]
        self.updated = True


@dataclass(frozen=True)
class Decision:
    """What Scope decides for one call before the networks run."""

    reset: bool
    start_frame: int
    steps: tuple[int, ...]
    noise_scale: float | None
    forgets_motion: bool
    uses_controller: bool
    seed: int


@dataclass
class ScopeArguments:
    """The persistent arguments of the pipeline, and the resets that follow from them."""

    prompts: ScopePrompts
    base_seed: int
    manage_cache: bool = True
    incoming: Prompts = ()
    steps_in_force: tuple[int, ...] | None = None
    mode: str | None = None
    next_frame: int = 0

    def decide(self, kwargs: dict[str, Any], has_video: bool, has_control: bool) -> Decision:
        mode = "video" if has_video else "text"
        cut = mode != self.mode
        self.mode = mode
        self.manage_cache = kwargs.get("manage_cache", self.manage_cache)
        if kwargs.get("lora_scales") is not None and self.manage_cache:
            cut = True
        cut = kwargs.get("init_cache", cut)
        self.base_seed = kwargs.get("base_seed", self.base_seed)
        if "prompts" in kwargs:
            self.incoming = prompts_of(kwargs["prompts"])

        if cut:
            self.prompts.forget()
        was_in_transition = self.prompts.transition_active
        self.prompts.call(self.incoming, kwargs.get("transition"))

        steps = tuple(kwargs.get("denoising_step_list", DEFAULT_STEPS))
        if steps != self.steps_in_force:
            cut = cut or self.manage_cache
            self.steps_in_force = steps
        in_transition = was_in_transition or self.prompts.transition_active
        prompt_cut = (
            self.prompts.updated
            and self.manage_cache
            and (has_video or has_control)
            and not in_transition
        )
        reset = cut or prompt_cut or self.next_frame >= LAST_POSITION
        if reset:
            self.next_frame = 0
        return Decision(
            reset=reset,
            start_frame=self.next_frame,
            steps=steps,
            noise_scale=kwargs.get("noise_scale", DEFAULT_NOISE_SCALE) if has_video else None,
            forgets_motion=cut,
            uses_controller=kwargs.get("noise_controller", True),
            seed=self.base_seed + self.next_frame,
        )


def stretched(frames: Tensor, wanted: int) -> Tensor:
    """Bring a list of frames to the wanted number as Scope does, by repeating or dropping some."""
    if len(frames) == wanted:
        return frames
    index = torch.linspace(0, len(frames) - 1, wanted, dtype=torch.float64).round().long()
    return frames[index]


@dataclass
class SharedStreamEncoder:
    """Scope's way to encode control: every clip through one stream, of references the first only.

    With a mixed mask the part to be made anew is encoded without history, and after the first chunk
    from the chunk's first frame alone.
    """

    encode: Encode
    height: int
    width: int
    cache: FeatureCache = field(default_factory=FeatureCache)
    made: Tensor | None = None

    def reset(self) -> None:
        self.cache.reset()

    def context(
        self, frames: Tensor | None, masks: Tensor | None, references: Sequence[Tensor]
    ) -> Tensor | None:
        parts: list[Tensor] = []
        if references:
            image = cover_image(references[0], self.height, self.width)
            parts.append(reference_context(self.encode(image, FeatureCache())))
        if frames is not None:
            parts.append(self._control(*split_by_mask(frames, masks)))
        self.made = torch.cat(parts, dim=1) if parts else None
        return self.made

    def _control(self, kept: Tensor, renewed: Tensor, masks: Tensor) -> Tensor:
        is_first = self.cache.is_first_call
        encoded_kept = self.encode(kept, self.cache)
        if bool(masks.all()):
            if is_first:  # one flag for all clips: it is still up
                self.cache.reset()
            encoded_renewed = self.encode(renewed, self.cache)
        else:
            one_shot = renewed if is_first else renewed[:, :1]
            encoded_renewed = self.encode(one_shot, FeatureCache())
        return control_context(encoded_kept, encoded_renewed, masks)


class PaddedChunk:
    """What Scope's hint blocks attend to: the chunk and unmasked zeros up to a multiple of 128."""

    rotates_keys = False

    def __init__(self, multiple: int) -> None:
        self.multiple = multiple

    def write(self, block: int, k: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        assert v is not None
        missing = -k.shape[1] % self.multiple
        padding = (0, 0, 0, 0, 0, missing)
        return functional.pad(k, padding), functional.pad(v, padding)
