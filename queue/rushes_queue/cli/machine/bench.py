"""``rushes bench``: how fast a preset renders on this machine, with random networks."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rushes_queue.cli.flags.choices import complete_presets
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import print_table

if TYPE_CHECKING:
    from rushes.bench.measure import BenchOptions
    from rushes.presets.preset import Preset

SCHEMA_VERSION = 1
_VAE_TYPES = {"wan": "wan", "light": "lightvae", "tae": "tae", "tiny-light": "lighttae"}
_COUNTED = ("launches", "bytes", "uploads", "blocking_uploads", "downloads", "blocking_downloads")


def bench(
    preset: Annotated[
        str,
        typer.Option(metavar="PRESET", help="Preset to measure.", autocompletion=complete_presets),
    ] = "pocket",
    size: Annotated[
        str | None, typer.Option(metavar="WIDTHxHEIGHT", help="By default the preset's.")
    ] = None,
    steps: Annotated[str | None, typer.Option(help="Denoising steps, such as 700,500.")] = None,
    vae: Annotated[
        Literal["wan", "light", "tae", "tiny-light"] | None, typer.Option(help="Autoencoder.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    takes: Annotated[int, typer.Option(min=1, help="Takes that share each pass, as rows.")] = 1,
    gpus: Annotated[int, typer.Option(min=1, help="Processes at once, each on its GPU.")] = 1,
    blocks: Annotated[
        int | None, typer.Option(min=1, help="Fewer blocks than the network has, for a CPU.")
    ] = None,
    chunks: Annotated[int, typer.Option(min=1, help="Chunks that are counted.")] = 8,
    warmup: Annotated[int, typer.Option(min=1, help="Chunks before them.")] = 7,
    count: Annotated[
        bool, typer.Option("--count", help="Count launches, copies and bytes; measure nothing.")
    ] = False,
    against: Annotated[
        Literal["streamdiffusionv2"] | None,
        typer.Option(help="Compare with this package, in turns, with the same weights."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast a preset renders here, with random networks of its sizes.

    Nothing is downloaded: speed does not depend on what the weights are.
    """
    from rushes.bench.measure import BenchOptions, measure
    from rushes.presets.preset import load_preset
    from rushes.timeline.plan.options import parse_size, parse_steps
    from rushes.weights.device import choose_device, choose_dtype

    found = load_preset(preset)
    if size is None:
        side = found.largest_side or max(found.play.width, found.play.height)
        width, height = min(side, found.play.width), min(side, found.play.height)
    else:
        width, height = parse_size(size)
    chosen = choose_device(device if gpus == 1 else device.partition(":")[0])
    options = BenchOptions(
        chosen,
        choose_dtype(dtype, chosen),
        size=(width, height),
        steps=None if steps is None else parse_steps(steps),
        vae_type=None if vae is None else _VAE_TYPES[vae],  # type: ignore[arg-type]
        takes=takes,
        chunks=chunks,
        warmup=warmup,
        num_blocks=blocks,
    )
    if count:
        _show_count(found, options, as_json)
    elif against is not None:
        _show_comparison(found, options, as_json)
    elif gpus > 1:
        _show_several(_run_several(gpus, chosen.type), as_json)
    else:
        _show(measure(found, options), as_json)


def _show(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **figures})
        return
    say(_of_what(figures))
    least = figures["floor_ms"]
    rows = [
        (stage, f"{ms:.1f}", f"{least[stage]:.1f}" if stage in least else "")
        for stage, ms in figures["ms_per_chunk"].items()
    ]
    total = f"{sum(least.values()):.1f}" if least else ""
    print_table(
        ("stage", "ms a chunk", "floor"),
        [*rows, ("together", f"{figures['ms_together']:.1f}", total)],
    )
    share = figures["share_of_floor"]
    typer.echo(
        f"{figures['frames_per_second']:.2f} frames/s ({figures['slowest']:.2f} to "
        f"{figures['fastest']:.2f})" + (f", {share:.0%} of the floor's" if share else "")
    )
    for place, amount in figures["peak_memory"].items():
        typer.echo(f"most memory, {place}: {amount / 1e9:.2f} GB")


def _of_what(figures: dict[str, Any]) -> str:
    steps = ",".join(f"{step:g}" for step in figures["steps"])
    takes = "" if figures["takes"] == 1 else f", {figures['takes']} takes"
    return (
        f"{figures['preset']}, {figures['size']}, steps {steps}, {figures['vae']}, "
        f"{figures['blocks']} blocks{takes}, {figures['device']}, {figures['dtype']}"
    )


def _run_several(gpus: int, kind: str) -> list[dict[str, Any]]:
    """Run this command once for each GPU, all at the same time, and return their figures.

    Raises: typer.Exit when one of them failed; its words are on stderr.
    """
    given = _without_option(sys.argv[1:], ("--gpus", "--device"))
    base = [sys.executable, "-c", "from rushes_queue.cli import main; main()", *given, "--json"]
    devices = [f"{kind}:{index}" if kind == "cuda" else kind for index in range(gpus)]
    processes = [
        subprocess.Popen([*base, "--device", each], stdout=subprocess.PIPE, text=True)
        for each in devices
    ]
    outputs = [process.communicate()[0] for process in processes]
    failed = [process.returncode for process in processes if process.returncode]
    if failed:
        raise typer.Exit(failed[0])
    return [json.loads(output) for output in outputs]


def _without_option(arguments: list[str], names: tuple[str, ...]) -> list[str]:
    """Leave out options with their values."""
    kept: list[str] = []
    skips = False
    for argument in arguments:
        if skips:
            skips = False
        elif argument in names:
            skips = True
        elif argument != "--json" and argument.partition("=")[0] not in names:
            kept.append(argument)
    return kept


def _show_several(several: list[dict[str, Any]], as_json: bool) -> None:
    total = sum(figures["frames_per_second"] for figures in several)
    if as_json:
        print_json(
            {"schema_version": SCHEMA_VERSION, "frames_per_second": total, "processes": several}
        )
        return
    say(_of_what(several[0]))
    rows = [(each["device"], f"{each['frames_per_second']:.2f}") for each in several]
    print_table(("device", "frames/s"), [*rows, ("together", f"{total:.2f}")])


def _show_count(preset: Preset, options: BenchOptions, as_json: bool) -> None:
    from rushes.bench.count import count_chunk

    found = count_chunk(
        preset, size=options.size, steps=options.steps, vae_type=options.vae_type
    ).to_dict()
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "preset": preset.name, **found})
        return
    say(f"{preset.name}, {options.size[0]}x{options.size[1]}, a chunk on a GPU in bfloat16")
    rows = [
        (stage, *(str(counts[name]) for name in _COUNTED))
        for stage, counts in (*found["stages"].items(), ("together", found["total"]))
    ]
    print_table(("stage", *(name.replace("_", " ") for name in _COUNTED)), rows)
    passes = ", ".join(map(str, found["passes"]))
    typer.echo(f"launches of the passes: {passes}; of a block: {found['block']}")


def _show_comparison(preset: Preset, options: BenchOptions, as_json: bool) -> None:
    from rushes.bench.against import compare_with_public_package

    found = compare_with_public_package(preset, options)
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **found})
        return
    say(f"streamdiffusionv2 {found['version']} and Rushes in turns; {found['unit']}")
    rows = [
        (part, f"{each['theirs_ms']:.1f}", f"{each['ours_ms']:.1f}", f"{each['ratio']:.2f}")
        for part, each in found["parts"].items()
    ]
    print_table(("part", "theirs, ms", "ours, ms", "theirs / ours"), rows)
