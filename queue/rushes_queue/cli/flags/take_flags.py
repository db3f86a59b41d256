"""Options about the takes of a timeline, each with a seed of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True)
class TakeFlags:
    """The seeds to render a timeline with: one, so many, or a list."""

    panel: ClassVar = "Takes"

    seed: Annotated[int | None, typer.Option(help="Replaces every seed of the file.")] = None
    takes: Annotated[
        int | None, typer.Option(min=1, help="Make this many, each with its own seed.")
    ] = None
    seeds: Annotated[str | None, typer.Option(help="Make one for each seed: 1,2,3.")] = None

    def listed(self) -> list[int] | None:
        """Return the seeds of the list, if there is one.

        Raises: typer.BadParameter when it is not a list, or not the only option.
        """
        if self.seeds is None:
            return None
        if self.seed is not None or self.takes is not None:
            raise typer.BadParameter("--seeds stands alone, without --seed and --takes")
        parts = [part.strip() for part in self.seeds.split(",")]
        if not all(part.isdecimal() and len(part) < 20 for part in parts):
            raise typer.BadParameter(f"--seeds {self.seeds!r} is not a list of seeds; write 1,2,3")
        return list(map(int, parts))
