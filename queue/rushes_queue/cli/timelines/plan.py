"""``rushes plan``: the chunk table of a timeline, before any GPU time is spent."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.presets.default import preset_of
from rushes_queue.cli.flags.choices import complete_presets
from rushes_queue.cli.flags.farm_flags import farm_rates
from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.flags.plan_flags import PlanFlags
from rushes_queue.cli.flags.result_flags import InputFlags
from rushes_queue.cli.flags.shots import say_proposal
from rushes_queue.cli.flags.timeline_files import FILE_HELP, find_timeline
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import print_paragraph
from rushes_queue.cli.timelines.plan_view import input_lines, memory_line, print_plan, time_lines

if TYPE_CHECKING:
    from rushes.timeline.document import Timeline
    from rushes.timeline.plan.options import PlanOptions


@takes_flags
def plan(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    planned: PlanFlags,
    taken: InputFlags,
    loading: LoadFlags,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Pipeline preset, or a .yaml file of your own; its weights are not needed.",
            metavar="PRESET",
            autocompletion=complete_presets,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces every seed of the file.")] = None,
    every_chunk: Annotated[
        bool, typer.Option("--every-chunk", help="One row a chunk, alike or not.")
    ] = False,
    draft: Annotated[
        Path | None,
        typer.Option(
            metavar="SHEET.png",
            help="Draw the first chunk of every block on one sheet, rendered by a small model.",
        ),
    ] = None,
    draft_preset: Annotated[
        str,
        typer.Option(
            metavar="PRESET",
            help="Preset that draws the draft; one with public weights decodes with TAE.",
            autocompletion=complete_presets,
        ),
    ] = "pocket",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
) -> None:
    """Show which frames, prompts, seeds and resets every chunk of a render will have.

    Also memory, time and disk, as far as this machine has made similar renders.
    """
    from rushes.files.machine_folders import machine_folders
    from rushes.history.estimates import estimate
    from rushes.history.rates import joined_rates, parse_rates, read_rates
    from rushes.memory.memory_plan import estimate_plan
    from rushes.presets.preset import load_preset
    from rushes.shots.checking import propose
    from rushes.shots.inputs import describe_input
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
    rates = read_rates(machine_folders().cache)
    rates = joined_rates([*rates, *(rate for each in farm_rates() for rate in parse_rates(each))])
    estimates = estimate(render_plan, chosen.name, rates)
    used = None
    if video is not None:
        used = describe_input(video, render_plan, taken.fit, taken.deinterlace)
    for warning in render_plan.warnings:
        say(f"warning: {warning}")
    if render_plan.takes_input and video is None and planned.fps is None:
        say("note: there is no input, so its frame rate and length are not known")
    if as_json:
        found = {"memory": memory.to_dict(), "estimates": [asdict(each) for each in estimates]}
        print_json(render_plan.to_dict() | found | {"input": used and used.to_dict()})
    else:
        print_plan(render_plan, every_chunk=every_chunk)
        for line in (*input_lines(used), memory_line(memory), *time_lines(estimates)):
            print_paragraph(line)
    if draft is not None:
        _draw_draft(draft, draft_preset, timeline, source.path, options, video)


def _draw_draft(
    output: Path,
    preset: str,
    timeline: Timeline,
    file: Path,
    options: PlanOptions,
    video: Path | None,
) -> None:
    """Draw the sheet of a draft, and name it."""
    from rushes.files.machine_folders import machine_folders
    from rushes.presets.preset import load_preset
    from rushes.shots.draft import draft_options, draft_sheet

    chosen = load_preset(preset)
    number = draft_sheet(
        *(output, timeline, file, chosen, draft_options(options, chosen)),
        folders=machine_folders(),
        video=video,
    )
    blocks = "1 block" if number == 1 else f"{number} blocks"
    say(f"draft  {output}: {blocks}, by {chosen.name}")
