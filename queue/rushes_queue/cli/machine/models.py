"""``rushes models``: public weights, from their publishers to files that load fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.errors import MissingFileError
from rushes.presets.default import REAL_PRESET
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.choices import complete_models
from rushes_queue.cli.flags.folder_flags import FolderFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.machine.fetch_loras import fetch_loras
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import print_table, table_lines

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.catalogue import CatalogueEntry, CatalogueFile
    from rushes.weights.download import PlannedFile

SCHEMA_VERSION = 1

_COLUMNS = ("name", "state", "size", "licence", "commercial use", "repository", "what it is")
_GIVES_WAY = (
    *(("what it is", 20), ("repository", 20), ("what it is", 0), ("repository", 0)),
    *(("licence", 10), ("size", 0), ("licence", 0), ("commercial use", 7), ("name", 16)),
)
_YES_NO = {True: "yes", False: "no", None: "unknown"}

models = typer.Typer(
    add_completion=False,
    help="List, fetch, check and convert public weights.",
    no_args_is_help=True,
)

models.command("fetch-loras")(fetch_loras)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Presets, or entries of 'rushes models list'.",
        show_default=False,
        autocompletion=complete_models,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@models.command("list")
@takes_flags
def list_models(places: FolderFlags, as_json: AsJson = False) -> None:
    """Show the catalogue, and which entries are here."""
    from rushes.files.readable import readable_bytes
    from rushes.presets.catalogue import load_catalogue

    folders = places.folders()
    catalogue = load_catalogue()
    if as_json:
        entries = {
            name: entry.model_dump(mode="json") | {"state": entry.state(folders.models)}
            for name, entry in catalogue.items()
        }
        print_json(_document(folders, entries=entries))
        return
    rows = [
        (
            name,
            entry.state(folders.models),
            "" if entry.size is None else readable_bytes(entry.size),
            entry.licence.weights,
            _YES_NO[entry.licence.commercial_use],
            entry.repositories[0],
            entry.description,
        )
        for name, entry in catalogue.items()
    ]
    print_table(_COLUMNS, rows, _GIVES_WAY)
    say(f"models folder: {folders.models}")


@models.command()
@takes_flags
def download(
    places: FolderFlags,
    names: Names = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not touch the network; also HF_HUB_OFFLINE=1.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch files even if they are here.")
    ] = False,
    prefer: Annotated[
        str | None, typer.Option(help="Ask this publisher first, such as daydreamlive.")
    ] = None,
    latest: Annotated[
        bool,
        typer.Option("--latest", help="Fetch the newest revision, not the one fetched before."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be fetched: sizes and hashes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the missing files of presets, or single entries; interrupted downloads continue.

    Sizes, hashes and the total are printed first. If one repository fails, the next one is asked.
    By default those of streamdiffusionv2-1.3b. HF_TOKEN and HF_ENDPOINT are used.
    """
    from huggingface_hub.constants import is_offline_mode
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    from rushes.files.hashes import HashCache
    from rushes.presets.catalogue import choose_entries, load_catalogue
    from rushes.weights.download import fetch, paths_of, plan_downloads
    from rushes.weights.records import Records

    if not sys.stderr.isatty():
        disable_progress_bars()
    folders = places.folders()
    chosen = choose_entries(load_catalogue(), names or [REAL_PRESET], folders.models)
    entries = {name: entry.preferring(prefer) for name, entry in chosen.items()}
    planned = plan_downloads(
        *(list(entries.values()), folders.models),
        offline=offline or is_offline_mode(),
        force=force,
        latest=latest,
    )
    if planned:
        _announce(planned, folders.models)
    if dry_run:
        if as_json:
            print_json(_document(folders, planned=list(map(_planned_json, planned))))
        return
    fetch(planned, folders.models, force=force, say=say)
    records, hashes = Records(folders.models), HashCache(folders.cache / "hashes.json")
    paths: dict[str, list[str]] = {}
    for name, entry in entries.items():
        found = paths_of(entry, folders.models)
        for path in found:
            if (record := records.get(path)) is not None:
                hashes.remember(path, record.sha256)
        paths[name] = [str(path) for path in found]
    if as_json:
        print_json(_document(folders, files=paths))
        return
    for name, files in paths.items():
        for file in files:
            typer.echo(f"{name}  {file}")
    if not planned:
        say("nothing is missing")


def _planned_json(planned: PlannedFile) -> dict[str, Any]:
    found = planned.found
    return {
        "path": str(planned.path),
        "size": found.size,
        "left": planned.left,
        "sha256": found.sha256,
        "is_pinned": found.is_pinned,
        "origin": f"{found.repository}@{found.commit}/{planned.asked.file.name}",
    }


def _announce(planned: Sequence[PlannedFile], models_dir: Path) -> None:
    """Say what is about to be fetched: sizes, hashes, from where, and how much it is in all."""
    from rushes.files.readable import readable_bytes
    from rushes.weights.download import total_of

    rows = []
    for each in planned:
        sha256 = each.found.sha256
        known = "pinned" if each.found.is_pinned else "as published"
        hashed = "recorded once it is here" if sha256 is None else f"{sha256[:16]} {known}"
        source = f"{each.found.repository}@{each.found.commit[:8]}"
        rows.append((each.asked.file.name, readable_bytes(each.found.size), hashed, source))
    for line in table_lines(("file", "size", "SHA-256", "repository@revision"), rows, None):
        say(line)
    total = {name: readable_bytes(count) for name, count in total_of(planned, models_dir).items()}
    files = "1 file" if len(planned) == 1 else f"{len(planned)} files"
    here = "" if total["left"] == total["size"] else f", {total['left']} of it still to come"
    say(f"{files}, {total['size']} in all{here}; {total['free']} free in {models_dir}")


@models.command()
@takes_flags
def verify(places: FolderFlags, names: Names = None, as_json: AsJson = False) -> None:
    """Compare the hashes of files with those published or recorded.

    Shows which revision of which repository a file was downloaded from. By default every file of
    the catalogue that is here. Exit code 1 when one is wrong.
    """
    from rushes.presets.catalogue import PICKLED, imported, load_catalogue

    folders = places.folders()
    catalogue = load_catalogue()
    entries = _entries(names) if names else catalogue
    reports: list[dict[str, Any]] = []
    for name, entry in entries.items():
        for file in entry.files:
            path = entry.path(file, folders.models)
            for place in (path, imported(path)) if path.suffix in PICKLED else (path,):
                if place.is_file():
                    reports.append(_verify(name, file if place == path else None, place, folders))
    if names and not reports:
        raise MissingFileError(
            f"{', '.join(names)}: nothing of it is below {folders.models}; fetch it with "
            f"'rushes models download {' '.join(names)}'"
        )
    if as_json:
        print_json(_document(folders, files=reports))
    else:
        rows = [
            (each["name"], each["verdict"], each["path"], each["origin"] or "") for each in reports
        ]
        print_table(("name", "verdict", "file", "repository@revision"), rows)
    if any(each["verdict"] == "wrong" for each in reports):
        say("error: files marked wrong differ from the published ones; fetch them with --force")
        raise typer.Exit(exit_codes.FAILED)


@models.command("import")
@takes_flags
def import_model(
    places: FolderFlags,
    file: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint; without one, all pickled ones of the preset."),
    ] = None,
    preset: Annotated[str, typer.Option(help="Preset whose network it must fit.")] = REAL_PRESET,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Store float32 weights as bfloat16: half the size.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Convert checkpoints once to safetensors, which load fast and contain no code."""
    import torch

    from rushes.files.hashes import HashCache
    from rushes.presets.catalogue import PICKLED
    from rushes.presets.preset import load_preset
    from rushes.weights.convert import import_weights
    from rushes.weights.records import Records

    folders = places.folders()
    chosen = load_preset(preset)
    if file is not None:
        sources = [file]
    else:
        parts = (*chosen.weights, *chosen.extras)
        paths = [folders.models / name for _, names in parts for name in names]
        sources = [path for path in paths if path.suffix in PICKLED and path.is_file()]
        if not sources:
            raise MissingFileError(
                f"preset {preset}: no .pt or .pth file of it below {folders.models}; name a FILE"
            )
    made: list[dict[str, Any]] = []
    for source in sources:
        say(f"importing {source}")
        dtype = torch.bfloat16 if bfloat16 else None
        path, record = import_weights(source, chosen, folders.models, dtype=dtype, force=force)
        Records(folders.models).put(path, record)
        HashCache(folders.cache / "hashes.json").remember(path, record.sha256)
        made.append({"source": str(source), "path": str(path), "sha256": record.sha256})
    if as_json:
        print_json(_document(folders, files=made))
    else:
        for each in made:
            typer.echo(each["path"])


@models.command()
@takes_flags
def link(
    places: FolderFlags,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Models folder of Scope (the default), or StreamDiffusionV2's folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Use the weights that Daydream Scope or StreamDiffusionV2 has on this machine.

    Each known file is linked into the models folder; nothing is copied or moved.
    """
    from rushes.presets.catalogue import load_catalogue
    from rushes.weights.link import link_weights, scope_folder

    folders = places.folders()
    found = link_weights(folder or scope_folder(os.environ), load_catalogue(), folders.models)
    if as_json:
        files = [
            {"name": each.name, "source": str(each.source), "path": str(each.path)}
            | {"new": each.is_new}
            for each in found
        ]
        print_json(_document(folders, files=files))
        return
    rows = [
        (each.name, "linked" if each.is_new else "here already", str(each.source)) for each in found
    ]
    print_table(("name", "state", "file"), rows)


@models.command()
@takes_flags
def where(places: FolderFlags, names: Names = None, as_json: AsJson = False) -> None:
    """Print the paths of files, whether they are here or not; by default only the models folder."""
    folders = places.folders()
    if not names:
        if as_json:
            print_json(_document(folders))
        else:
            typer.echo(str(folders.models))
        return
    paths = {
        name: [entry.path(file, folders.models) for file in entry.files]
        for name, entry in _entries(names).items()
    }
    if as_json:
        files = {
            name: [{"path": str(path), "exists": path.exists()} for path in listed]
            for name, listed in paths.items()
        }
        print_json(_document(folders, files=files))
        return
    for listed in paths.values():
        for path in listed:
            typer.echo(str(path))


def _document(folders: Folders, **content: Any) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "models_dir": str(folders.models), **content}


def _entries(names: list[str]) -> dict[str, CatalogueEntry]:
    """Return entries by their names, and those that provide files of a preset."""
    from rushes.presets.catalogue import choose_entries, load_catalogue

    nowhere = Path("/nonexistent")  # so that a preset means all of its entries
    return choose_entries(load_catalogue(), names, nowhere)


def _verify(name: str, file: CatalogueFile | None, path: Path, folders: Folders) -> dict[str, Any]:
    """Hash one file; ``file`` is its entry in the catalogue, unless it was imported."""
    from rushes.files.hashes import sha256_of
    from rushes.weights.records import Records

    record = Records(folders.models).get(path)
    expected = (file and file.sha256) or (record and record.sha256)
    sha256 = sha256_of(path)
    verdict = "unknown" if expected is None else "right" if expected == sha256 else "wrong"
    return {
        "name": name,
        "path": str(path),
        "sha256": sha256,
        "expected": expected,
        "origin": record and record.origin,
        "verdict": verdict,
    }
