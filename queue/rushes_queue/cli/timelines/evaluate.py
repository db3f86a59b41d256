"""``rushes eval``: measure a result against its input, in numbers and curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rushes.errors import ConfigError
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import print_table

Fit = Literal["stretch", "crop", "pad"]


def evaluate(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Video to measure.")],
    reference: Annotated[Path, typer.Option(help="Input video that it was made from.")],
    fit: Annotated[Fit, typer.Option(help="How the input was fitted to the size.")] = "stretch",
    plot: Annotated[Path | None, typer.Option(help="Picture of the curves to make (.png).")] = None,
    clip: Annotated[
        Path | None, typer.Option(help="Folder with a CLIP model: consistency and prompt score.")
    ] = None,
    raft: Annotated[
        Path | None, typer.Option(help="Weights of RAFT: warp error, correct and as published.")
    ] = None,
    lpips: Annotated[
        Path | None, typer.Option(help="Weights of LPIPS with AlexNet: distance to the input.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest with the prompts; by default the one beside OUT.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Of CLIP, RAFT and LPIPS: auto, cpu, cuda or mps.")
    ] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print means and the value of every frame as JSON.")
    ] = False,
) -> None:
    """Measure a result: likeness to its input, warp error, flicker, drift.

    With weights of CLIP, RAFT and LPIPS also their measures; docs/reproduce.md has what they are.
    """
    if plot is not None and plot.suffix.lower() not in (".png", ".jpg", ".webp"):
        raise ConfigError(f"--plot {plot}: ends in {plot.suffix!r}; use .png, .jpg or .webp")
    from rushes.files.publish import require_folder
    from rushes.metrics.compare import compare_files
    from rushes.metrics.plot import save_plot, series_of
    from rushes.metrics.prompts import changes_of_prompt
    from rushes.video.names import name_beside
    from rushes.video.read.probe import probe_video

    if plot is not None:
        require_folder(plot)
    beside = name_beside(output, ".json")
    if manifest is None and beside.exists():
        manifest = beside
    changes = changes_of_prompt(manifest) if plot is not None and manifest is not None else []
    curves = compare_files(output, reference, fit)
    files = {"clip": clip, "raft": raft, "lpips": lpips}
    by_paper = _measure_as_paper(output, reference, fit, files, manifest, device)
    if plot is not None:
        fps = float(probe_video(output).fps)
        save_plot(plot, series_of(curves, by_paper), fps, changes)
        say(f"plot  {plot}")
    answer = curves.to_dict()
    answer["frames"] |= by_paper
    answer["means"] |= {name: sum(each) / len(each) for name, each in by_paper.items() if each}
    if as_json:
        print_json(answer)
    else:
        rows = [(name, f"{mean:.5g}") for name, mean in answer["means"].items()]
        print_table(("measure", "mean"), rows)


def _measure_as_paper(
    output: Path,
    reference: Path,
    fit: Fit,
    files: dict[str, Path | None],
    manifest: Path | None,
    device: str,
) -> dict[str, list[float]]:
    """Return the measures whose weights were given."""
    clip, raft, lpips = (files[name] for name in ("clip", "raft", "lpips"))
    if not any(files.values()):
        return {}
    from rushes.metrics.clip_score import ClipScorer
    from rushes.metrics.lpips import Lpips
    from rushes.metrics.paper import measure_as_paper
    from rushes.metrics.prompts import prompts_of_frames
    from rushes.metrics.raft import RaftFlow
    from rushes.video.names import name_beside
    from rushes.weights.device import choose_device

    place = choose_device(device)
    if clip is not None and manifest is None:
        beside = name_beside(output, ".json")
        say(f"note: there is no manifest {beside}, so no prompt score; name one with --manifest")
    return measure_as_paper(
        output,
        reference,
        clip=None if clip is None else ClipScorer(clip, place),
        flow=None if raft is None else RaftFlow(raft, place),
        lpips=None if lpips is None else Lpips(lpips, place),
        prompts=None if clip is None or manifest is None else prompts_of_frames(manifest),
        fit=fit,
    )
