"""How a render is made to fit a GPU: refused before anything is loaded, or made smaller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rushes.errors import MemoryShortError
from rushes.files.readable import readable_bytes
from rushes.memory.estimate import DeviceMemory, MemoryEstimate, Quantise, estimate_memory
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.steps import TOKEN_PIXELS

_NARROW: Quantise = "fp8"
_SHARES = (1.0, 0.75, 0.5)  # of width and height, that are proposed


@dataclass(frozen=True)
class MemoryPlan:
    """What is done to save memory: quantised linear layers, the text encoder on the CPU.

    Without ``keeps_vae_rooms`` the autoencoder is slower; the picture is the same. Without
    ``pairs_chunks`` each clean pass is a pass of its own, which is slower too; the picture is the
    same within rounding. Neither is part of the text of a plan.
    """

    quantise: Quantise | None = None
    text_encoder_on_cpu: bool = False
    keeps_vae_rooms: bool = True
    pairs_chunks: bool = True

    def smaller(self) -> MemoryPlan | None:
        """Return what to try when memory did not suffice after all; None when nothing is left."""
        smallest = MemoryPlan(
            "fp8", text_encoder_on_cpu=True, keeps_vae_rooms=False, pairs_chunks=False
        )
        return None if self == smallest else smallest

    def loads_as(self, other: MemoryPlan) -> bool:
        """Say whether networks that were loaded for one plan serve another."""
        kept = (self.quantise, self.text_encoder_on_cpu)
        return kept == (other.quantise, other.text_encoder_on_cpu)

    def __str__(self) -> str:
        parts = [f"linear layers in {self.quantise}"] if self.quantise else []
        parts += ["the text encoder on the CPU"] if self.text_encoder_on_cpu else []
        return " and ".join(parts) or "everything as it is"


AS_IT_IS = MemoryPlan()


@dataclass(frozen=True)
class _Change:
    """What a user could change of a plan so that it fits."""

    vae_type: VaeType
    quantise: Quantise | None
    width: int
    height: int
    rows: int

    def options(self, plan: RenderPlan) -> str:
        """Return the change as options of the command line."""
        size = (self.width, self.height)
        options = (
            "--sequential" if self.rows < plan.num_rows else "",
            "--quantise fp8" if self.quantise and not plan.quantization else "",
            f"--vae {self.vae_type}" if self.vae_type != plan.vae_type else "",
            f"--size {self.width}x{self.height}" if size != (plan.width, plan.height) else "",
        )
        return " ".join(filter(None, options))


def estimate_plan(
    preset: Preset,
    plan: RenderPlan,
    *,
    value_bytes: int = 2,
    text_encoder_bytes: int | None = None,
    change: _Change | None = None,
    takes: int = 1,
) -> MemoryEstimate:
    """Estimate the memory of a plan as it is, or with a change; ``takes`` share the passes."""
    made = change or _Change(plan.vae_type, _quantise(plan), plan.width, plan.height, plan.num_rows)
    return estimate_memory(
        preset.model_copy(update={"cache": plan.variant}),
        made.width,
        made.height,
        value_bytes=value_bytes,
        vae_type=made.vae_type,
        quantise=made.quantise,
        with_vace=plan.is_steered,
        text_encoder_bytes=text_encoder_bytes,
        rows=made.rows,
        takes=takes,
    )


def plan_memory(
    preset: Preset,
    plan: RenderPlan,
    *,
    device: str,
    memory: DeviceMemory | None,
    value_bytes: int = 2,
    text_encoder_bytes: int | None = None,
    takes: int = 1,
) -> MemoryPlan:
    """Say how a plan fits into the memory of a device; where nobody knows that, everything fits.

    The text encoder goes to the CPU where the whole device has no room for it beside the other
    networks; that does not depend on what is free, for the picture must not either. What only
    makes a render faster is given up first: the autoencoder's rooms, then the pairs of chunks.
    ``takes`` are those that share the passes of the network.

    Raises: MemoryShortError that proposes what would fit.
    """

    def estimate(change: _Change | None = None) -> MemoryEstimate:
        return estimate_plan(
            preset,
            plan,
            value_bytes=value_bytes,
            text_encoder_bytes=text_encoder_bytes,
            change=change,
            takes=takes,
        )

    if memory is None:
        return MemoryPlan(_quantise(plan))
    wanted = estimate()
    if wanted.rendering <= memory.free:
        return MemoryPlan(
            _quantise(plan),
            text_encoder_on_cpu=wanted.encoding_prompts > memory.total,
            keeps_vae_rooms=wanted.at_ease <= memory.free,
            pairs_chunks=wanted.paired <= memory.free,
        )
    fitting = (
        change.options(plan)
        for change in _changes(plan)
        if estimate(change).rendering <= memory.free
    )
    proposal = next((f"{options} would fit" for options in fitting), "use another device")
    raise MemoryShortError(
        f"preset {preset.name} at {plan.width}x{plan.height} needs about "
        f"{readable_bytes(wanted.rendering)} on {device}, where {readable_bytes(memory.free)} are "
        f"free; {proposal}"
    )


def _quantise(plan: RenderPlan) -> Quantise | None:
    return "fp8" if plan.quantization else None


def _changes(plan: RenderPlan) -> Iterator[_Change]:
    """Yield what could be changed, that which changes the picture least first."""
    small: VaeType = "lighttae" if plan.vae_type == "lighttae" else "tae"
    for share in _SHARES:
        width, height = (
            max(TOKEN_PIXELS, int(side * share) // TOKEN_PIXELS * TOKEN_PIXELS)
            for side in (plan.width, plan.height)
        )
        for vae_type in dict.fromkeys((plan.vae_type, small)):
            for quantise in dict.fromkeys((_quantise(plan), _NARROW)):
                for rows in dict.fromkeys((plan.num_rows, 1)):
                    yield _Change(vae_type, quantise, width, height, rows)
