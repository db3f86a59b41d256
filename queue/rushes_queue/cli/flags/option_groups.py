"""Options that commands share, as dataclasses that a command takes as one parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    pass


def takes_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Replace every dataclass parameter of a command by its fields, as options of their own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _parameters_of(groups[parameter.name])
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))

    @wraps(command)
    def with_groups(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    parameters.sort(key=lambda parameter: parameter.kind)
    with_groups.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_groups


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    """Return the fields of a group as parameters, each with its ``panel``, or that of the group."""
    hints = get_type_hints(group, include_extras=True)
    panels = getattr(group, "panels", {})
    for field in fields(group):
        for info in hints[field.name].__metadata__:
            info.rich_help_panel = panels.get(field.name) or info.rich_help_panel or group.panel
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
