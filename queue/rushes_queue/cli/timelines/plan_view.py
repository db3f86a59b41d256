"""A plan as people read it: its table of chunks, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from rushes_queue.cli.show.table import Steps, print_paragraph, print_table

if TYPE_CHECKING:
    from rushes.history.estimates import Estimate
    from rushes.memory.estimate import MemoryEstimate
    from rushes.shots.inputs import InputUse
    from rushes.timeline.plan.render_plan import Chunk, RenderPlan

HEADER = (
    "chunk",
    "frames",
    "seconds",
    "block",
    "transition",
    "reset",
    "seed",
    "noise",
    "steps",
    "prompt",
)
PROMPT_WIDTH = 40
_FITS = {"stretch": "stretched", "crop": "cropped", "pad": "padded"}
_ENDS = {"loop": "from its start again", "hold": "its last one held", "stop": "the end"}
GIVES_WAY: Steps = (
    *(("prompt", 16), ("transition", 5), ("steps", 7), ("prompt", 8)),
    *(("noise", 0), ("steps", 0), ("seed", 0)),
)


def print_plan(plan: RenderPlan, *, every_chunk: bool) -> None:
    """Print the table of chunks, and a line about the whole."""
    runs = list(_runs(plan, every_chunk=every_chunk))
    print_table(HEADER, [_row(plan, first, last) for first, last in runs], GIVES_WAY)
    print_paragraph(_totals(plan))


def _runs(plan: RenderPlan, *, every_chunk: bool) -> Iterator[tuple[Chunk, Chunk]]:
    """Yield the first and last chunk of each run of equal chunks."""
    first = last = plan.chunks[0]
    for chunk in plan.chunks[1:]:
        if every_chunk or chunk.reset or _kind(chunk) != _kind(last) or last.transition is not None:
            yield first, last
            first = chunk
        last = chunk
    yield first, last


def _kind(chunk: Chunk) -> tuple[object, ...]:
    return chunk.prompt_block, chunk.transition, chunk.noise_scale, chunk.denoising_steps


def _row(plan: RenderPlan, first: Chunk, last: Chunk) -> tuple[str, ...]:
    from rushes.text import printable, shortened

    end = last.first_frame + last.num_frames
    text = plan.prompts[first.prompt_block][0].text
    return (
        _span(first.index, last.index),
        _span(first.first_frame, end - 1),
        f"{float(first.first_frame / plan.fps):.3f}",
        str(first.prompt_block),
        "" if first.transition is None else f"{first.transition:.3f} {first.transition_method}",
        "reset" if first.reset else "",
        _span(first.seed, last.seed),
        "" if first.noise_scale is None else f"{first.noise_scale:.3g}",
        ",".join(map(str, first.denoising_steps)),
        shortened(printable(text), PROMPT_WIDTH),
    )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _totals(plan: RenderPlan) -> str:
    dropped = plan.num_frames_made - plan.num_frames
    parts = (
        f"{len(plan.chunks):,} chunks",
        f"{plan.num_frames:,} frames" + (f" ({dropped} more made and dropped)" if dropped else ""),
        f"{float(plan.duration):.3f} s at {float(plan.fps):.6g} fps",
        f"{plan.width} x {plan.height}",
        f"{plan.mode} mode",
        f"profile {plan.profile}" + (f", stream batch of {plan.num_rows}" * plan.stream_batch),
        *_starts_and_rewinds(plan),
    )
    return ", ".join(parts)


def _starts_and_rewinds(plan: RenderPlan) -> Iterator[str]:
    """Return how often the caches are reset, how often because positions end, and the rewinds."""
    resets = sum(chunk.reset for chunk in plan.chunks) - 1
    yield f"{resets} reset{'' if resets == 1 else 's'} after the start"
    ended = [after for before, after in pairwise(plan.chunks) if _starts_over(before, after)]
    if ended:
        can_rewind = plan.variant in ("rolling", "ring", "ring-exact")
        cure = "; --positions rewind goes on without" if can_rewind else ""
        yield f"{len(ended):,} of them because positions end ({_first_at(plan, ended)}{cure})"
    rewound = [after for before, after in pairwise(plan.chunks) if _goes_back(before, after)]
    if rewound:
        times = "once" if len(rewound) == 1 else f"{len(rewound):,} times"
        yield f"positions go back {times} ({_first_at(plan, rewound)})"


def _starts_over(before: Chunk, after: Chunk) -> bool:
    """Whether the caches are reset inside a block, which happens only for positions."""
    same_block = after.prompt_block == before.prompt_block
    return after.reset and same_block and not after.is_carried_over


def _goes_back(before: Chunk, after: Chunk) -> bool:
    return after.position < before.position and not after.reset


def _first_at(plan: RenderPlan, chunks: list[Chunk]) -> str:
    frame = chunks[0].first_frame
    return f"first at frame {frame:,}, {float(frame / plan.fps):.1f} s"


def input_lines(used: InputUse | None) -> Iterator[str]:
    """Yield a line that says what is done to the input."""
    if used is None:
        return
    width, height = used.size
    rate, words = float(Fraction(used.fps)), _FITS[used.fit] if used.fit else "its size kept"
    size = "" if used.resized is None else f" to {used.resized[0]} x {used.resized[1]}"
    end = "" if used.at_end is None else f", then {_ENDS[used.at_end]}"
    parts = (
        f"{width} x {height}, {used.seconds:.3f} s at {rate:.6g} fps",
        f"{words}{size}",
        f"{used.num_frames:,} frames{end}",
        *used.changes,
    )
    yield f"input {used.file}: {'; '.join(parts)}"


def time_lines(estimates: Sequence[Estimate]) -> Iterator[str]:
    """Yield what a render takes on every device that is known from earlier ones."""
    from rushes.files.readable import readable_bytes

    if not estimates:
        yield "time: not known, since nothing has been rendered with this preset yet"
    for each in estimates:
        size = "" if each.num_bytes is None else f" and {readable_bytes(each.num_bytes)} of disk"
        renders = "1 render" if each.renders == 1 else f"{each.renders} renders"
        width, height = each.measured_at or (0, 0)
        scaled = f", scaled from {width}x{height}" if each.measured_at else ""
        yield (
            f"time: about {_length(each.seconds)}{size} on {each.device} in {each.dtype} "
            f"({renders} measured{scaled})"
        )


def _length(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def memory_line(memory: MemoryEstimate) -> str:
    """Return what a render needs of a GPU."""
    from rushes.files.readable import readable_bytes

    parts = {
        "weights": memory.dit + memory.vace + memory.vae,
        "KV cache": memory.kv_cache + memory.prompt_keys,
        "autoencoder's caches": memory.vae_caches,
        "workspace": memory.workspace,
    }
    listed = ", ".join(f"{name} {readable_bytes(count)}" for name, count in parts.items())
    return (
        f"memory of a GPU, in bfloat16: about {readable_bytes(memory.rendering)} ({listed}), "
        f"faster with {readable_bytes(memory.at_ease)}; "
        f"{readable_bytes(memory.encoding_prompts)} while new prompts are encoded there"
    )
