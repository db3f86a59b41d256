"""``rushes models fetch-loras``: download the LoRAs that a workflow names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from rushes.errors import RushesError
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.timeline_files import FILE_HELP, find_timeline
from rushes_queue.cli.show.console import faults_json, print_json, say


def fetch_loras(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    to: Annotated[
        Path | None, typer.Option(help="Folder for them; by default 'loras' beside the file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Fetch the LoRAs that a file names, from Hugging Face or civitai, and check their hashes.

    HF_TOKEN and CIVITAI_TOKEN are the tokens; HF_ENDPOINT and CIVITAI_ENDPOINT replace the hosts.
    Files that exist are kept. The licence is printed if its source gives one.
    """
    from rushes.files.hashes import sha256_of
    from rushes.timeline.loras import BESIDE
    from rushes.timeline.read.lora_sources import read_lora_sources
    from rushes.weights.fetch_loras import CIVITAI, HUGGING_FACE, Hosts, fetch_lora

    hosts = Hosts(
        os.environ.get("HF_ENDPOINT") or HUGGING_FACE,
        os.environ.get("CIVITAI_ENDPOINT") or CIVITAI,
        os.environ.get("HF_TOKEN"),
        os.environ.get("CIVITAI_TOKEN") or os.environ.get("CIVITAI_API_TOKEN"),
    )
    workflow = find_timeline(file)
    folder = to or workflow.path.parent / BESIDE
    fetched: list[dict[str, Any]] = []
    faults: list[RushesError] = []
    for source in read_lora_sources(workflow.content, workflow.shown):
        here = folder / source.name
        if here.is_file() and source.sha256 in (None, sha256_of(here)):
            say(f"{here}: is already here")
            continue
        try:
            found = fetch_lora(source, folder, hosts)
        except RushesError as error:
            faults.append(error)
            say(f"error: {error}")
            continue
        licence = found.licence or "not given by its source"
        fetched.append(
            {
                "path": str(found.path),
                "sha256": found.sha256,
                "licence": found.licence,
                "origin": found.origin,
            }
        )
        if not as_json:
            typer.echo(str(found.path))
            say(f"  from {found.origin}; licence: {licence}")
    if as_json:
        print_json({"schema_version": 1, "files": fetched, "errors": faults_json(faults)})
    if faults:
        code = max(fault.exit_code for fault in faults)
        raise typer.Exit(exit_codes.PARTIAL if fetched else code)
