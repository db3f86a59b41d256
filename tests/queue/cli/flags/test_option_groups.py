"""Dataclasses of options become options of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from rushes_queue.cli.flags.option_groups import takes_flags


@dataclass(frozen=True)
class Paint:
    """Options of a made-up command."""

    panel: ClassVar = "Paint"

    colour: Annotated[str, typer.Option(help="Which colour.")] = "red"
    coats: Annotated[int, typer.Option(min=1)] = 1


def command(seen: list[Any]) -> typer.Typer:
    @takes_flags
    def paint(
        wall: Annotated[str, typer.Argument()],
        how: Paint,
        twice: Annotated[bool, typer.Option("--twice")] = False,
    ) -> None:
        """Paint a wall."""
        seen.append((wall, how, twice))

    app = typer.Typer()
    app.command()(paint)
    return app


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["north"], ("north", Paint(), False)),
        (["north", "--coats", "3", "--twice"], ("north", Paint(coats=3), True)),
        (["--colour", "blue", "north"], ("north", Paint("blue"), False)),
    ],
    ids=str,
)
def test_fields_of_a_group_are_options_of_the_command(arguments: list[str], expected: Any) -> None:
    seen: list[Any] = []
    assert CliRunner().invoke(command(seen), arguments).exit_code == 0
    assert seen == [expected]


def test_the_rules_and_the_help_of_a_field_hold() -> None:
    assert CliRunner().invoke(command([]), ["north", "--coats", "0"]).exit_code == 2
    shown = CliRunner().invoke(command([]), ["--help"]).stdout
    assert "Which colour." in shown
    assert "Paint a wall." in shown
