"""``rushes eval``: how a result relates to its input, in figures and curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rushes.errors import ConfigError
from rushes_queue.cli.show.console import print_json, print_table, say


def evaluate(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Video to measure.")],
    reference: Annotated[Path, typer.Option(help="Input video that it was made from.")],
    fit: Annotated[
        Literal["stretch", "crop", "pad"], typer.Option(help="How the input met the size.")
    ] = "stretch",
    plot: Annotated[Path | None, typer.Option(help="Picture of the curves to make (.png).")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print means and the value of every frame as JSON.")
    ] = False,
) -> None:
    """Measure a result: likeness to its input, warp error, flicker, drift."""
    if plot is not None and plot.suffix.lower() not in (".png", ".jpg", ".webp"):
        raise ConfigError(f"--plot {plot}: ends in {plot.suffix!r}; use .png, .jpg or .webp")
    from rushes.files.publish import require_folder
    from rushes.metrics.compare import compare_files
    from rushes.metrics.plot import save_plot

    if plot is not None:
        require_folder(plot)
    curves = compare_files(output, reference, fit)
    if plot is not None:
        save_plot(plot, curves)
        say(f"plot  {plot}")
    if as_json:
        print_json(curves.to_dict())
    else:
        rows = [(name, f"{mean:.5g}") for name, mean in curves.means().items()]
        print_table(("measure", "mean"), rows)
