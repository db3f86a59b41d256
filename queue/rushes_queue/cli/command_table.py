"""Which commands there are, and in which module; a module is imported when its command is needed.

Importing all of them takes a quarter of a second, for which every command would wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import typer

_SHORT_CHOICE = 12
# Panel of the help: command: module.
_PANELS = {
    "Timelines": {
        "render": "timelines.render",
        "check": "timelines.check",
        "plan": "timelines.plan",
        "convert": "timelines.convert",
        "beats": "timelines.beats",
        "eval": "timelines.evaluate",
        "compare": "timelines.compare",
        "examples": "timelines.examples",
        "reproduce": "timelines.reproduce",
    },
    "Jobs": {
        "submit": "jobs.submit",
        "jobs": "jobs.jobs",
        "status": "jobs.jobs",
        "watch": "jobs.watch",
        "logs": "jobs.logs",
        "preview": "jobs.fetch",
        "fetch": "jobs.fetch",
        "cancel": "jobs.change",
        "pause": "jobs.change",
        "resume": "jobs.change",
        "retry": "jobs.change",
        "priority": "jobs.change",
    },
    "Farm": {
        "up": "farm.local",
        "down": "farm.local",
        "ps": "farm.local",
        "web": "farm.web",
        "worker": "farm.worker",
        "workers": "farm.farm",
        "stats": "farm.farm",
        "metrics": "farm.farm",
        "flower": "farm.farm",
        "prune": "farm.prune",
        "reconcile": "farm.reconcile",
    },
    "This machine": {
        "doctor": "machine.doctor",
        "bench": "machine.bench",
        "config": "machine.config",
        "models": "machine.models",
    },
}
_PLACES = {
    command: (panel, module)
    for panel, commands in _PANELS.items()
    for command, module in commands.items()
}
_FUNCTIONS = {"eval": "evaluate"}  # the others are called like their command
# Commands that pass on options that they do not know themselves.
_PASS_ON = {"flower": {"allow_extra_args": True, "ignore_unknown_options": True}}


class CommandTable(Mapping[str, Any]):
    """All commands by name, in the order of the help."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _load(name, *_PLACES[name])
        return self._loaded[name]


def _load(name: str, panel: str, module: str) -> Any:
    found = getattr(import_module(f"rushes_queue.cli.{module}"), _FUNCTIONS.get(name, name))
    if isinstance(found, typer.Typer):  # commands below this one
        command: Any = typer.main.get_command(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(context_settings=_PASS_ON.get(name))(found)
        command = typer.main.get_command(alone)
        command.help = _unwrapped(command.help)
    command.name = name
    command.rich_help_panel = panel
    for each in (command, *getattr(command, "commands", {}).values()):
        show_plain_types(each)
    return command


def _unwrapped(text: str | None) -> str | None:
    """Join the lines of each paragraph, so that the terminal breaks them where it needs to."""
    if text is None:
        return None
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def show_plain_types(command: Any) -> None:
    """Write what an option takes as a user knows it, not as Python does.

    Switches have no <bool> behind them, since it looks as if they took a value, and what may be
    repeated has no <list[...]>.
    """
    make_help_option = command.get_help_option

    def get_help_option(context: Any) -> Any:
        option = make_help_option(context)
        option.metavar = ""
        return option

    command.get_help_option = get_help_option
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        parameter.display_type = _plain(parameter.display_type)


def _plain(display_type: Callable[[Any], str]) -> Callable[[Any], str]:
    def display(context: Any) -> str:
        shown = re.sub(r"list\[(.*)\]", r"\1", display_type(context)).replace("<Path>", "<path>")
        # Many choices are broken where a space is, else in the middle of a word.
        return shown.replace("|", " | ") if len(shown) > _SHORT_CHOICE else shown

    return display
