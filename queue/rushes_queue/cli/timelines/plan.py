"""``rushes plan``: the chunk table of a timeline, before any GPU time is spent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.presets.default import preset_of
from rushes_queue.cli.flags.choices import complete_presets
from rushes_queue.cli.flags.flags import InputFlags, LoadFlags, PlanFlags, takes_flags
from rushes_queue.cli.flags.shots import say_proposal
from rushes_queue.cli.flags.timeline_files import FILE_HELP, find_timeline
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import Steps, print_paragraph, print_table

if TYPE_CHECKING:
    from rushes.memory.estimate import MemoryEstimate
    from rushes.presets.preset import Preset
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
GIVES_WAY: Steps = (
    *(("prompt", 16), ("transition", 5), ("steps", 7), ("prompt", 8), ("seed", 5), ("steps", 0)),
    *(("noise", 0), ("seed", 0)),
)


@takes_flags
def plan(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    planned: PlanFlags,
    taken: InputFlags,
    loading: LoadFlags,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Pipeline preset, or a .yaml file of one's own; unlike render it needs no weights "
            "to be here.",
            metavar="PRESET",
            autocompletion=complete_presets,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces every seed of the file.")] = None,
    every_chunk: Annotated[
        bool, typer.Option("--every-chunk", help="One row a chunk, alike or not.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
) -> None:
    """Show which frames, prompts, seeds and resets every chunk of a render will have."""
    from rushes.memory.memory_plan import estimate_plan
    from rushes.presets.preset import load_preset
    from rushes.shots.checking import propose
    from rushes.shots.preview import preview_plan

    given = load_preset(preset) if preset else None
    source = find_timeline(file)
    timeline = loading.load(source, given).require()
    chosen = given or load_preset(preset_of(loading.pipeline or timeline.settings.pipeline_id))
    say_proposal(propose(timeline, planned.profile))
    options = planned.options(seed, loading.pipeline)
    render_plan, video = preview_plan(
        *(timeline, source.path, chosen, options),
        video=planned.input_video,
        lora_folders=loading.lora_folders if timeline.settings.loras else (),
        deinterlace=taken.deinterlace,
        audio=taken.audio,
    )
    memory = estimate_plan(chosen, render_plan)
    for warning in render_plan.warnings:
        say(f"warning: {warning}")
    if render_plan.takes_input and video is None and planned.fps is None:
        say("note: there is no input, so its frame rate and length are not known")
    if as_json:
        print_json(render_plan.to_dict() | {"memory": memory.to_dict()})
    else:
        runs = list(_runs(render_plan, every_chunk=every_chunk))
        print_table(HEADER, [_row(render_plan, first, last) for first, last in runs], GIVES_WAY)
        print_paragraph(_totals(render_plan))
        print_paragraph(_memory_line(chosen, memory))


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


def _memory_line(preset: Preset, memory: MemoryEstimate) -> str:
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
