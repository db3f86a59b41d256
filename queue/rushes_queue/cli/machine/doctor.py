"""``rushes doctor``: what is wrong here, and how to fix it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.show.console import print_json, say

if TYPE_CHECKING:
    from rushes_queue.doctor.examine import Examined

SCHEMA_VERSION = 1


@takes_flags
def doctor(
    farm: FarmFlags,
    subjects: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SUBJECT]...", help="Only these, as 'broker storage'."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check this machine and the farm; exit code 9 when something is at fault."""
    from rushes_queue.doctor.examine import SUBJECTS, examine
    from rushes_queue.doctor.finding import Level
    from rushes_queue.local.machine_settings import read_settings

    loaded = read_settings({"broker_url": farm.broker, "storage_url": farm.storage})
    unknown = set(subjects or ()) - set(SUBJECTS)
    if unknown:
        known = ", ".join(SUBJECTS)
        raise typer.BadParameter(f"no such subject: {', '.join(sorted(unknown))}; write {known}")
    chosen = {name: checks for name, checks in SUBJECTS.items() if name in (subjects or SUBJECTS)}
    all_examined = []
    for examined in examine(loaded, chosen):
        all_examined.append(examined)
        if not as_json:
            _print(examined)
    levels = [finding.level for examined in all_examined for finding in examined.findings]
    if as_json:
        print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "faults": levels.count(Level.FAULT),
                "warnings": levels.count(Level.WARNING),
                "findings": [
                    {"subject": examined.subject, **asdict(finding)}
                    for examined in all_examined
                    for finding in examined.findings
                ],
            }
        )
    faults, warnings = levels.count(Level.FAULT), levels.count(Level.WARNING)
    say(f"{_counted(faults, 'fault')}, {_counted(warnings, 'warning')}")
    if Level.FAULT in levels:
        raise typer.Exit(exit_codes.DOCTOR_FAULTS)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _print(examined: Examined) -> None:
    typer.echo(examined.subject)
    for finding in examined.findings:
        typer.echo(f"  {finding.level:8}{finding.name}: {finding.message}")
        if finding.cure:
            typer.echo(f"{'':10}cure: {finding.cure}")
