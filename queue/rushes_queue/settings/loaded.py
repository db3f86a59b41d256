"""Settings with their values, where each value comes from, and how they are shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from rushes.files.config_files import ConfigFile
from rushes_queue.broker.connection import hide_password
from rushes_queue.settings.model import ENVIRONMENT_PREFIX, NESTED_BY, Settings

Place = tuple[str, ...]  # of a value: the names that lead to it
OriginKind = Literal["flag", "environment", "project file", "user file", "local farm", "default"]


@dataclass(frozen=True)
class Origin:
    """Where a value comes from."""

    kind: OriginKind
    name: str = ""  # of the flag, the variable or the file

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


DEFAULT = Origin("default")


@dataclass(frozen=True)
class LoadedSettings:
    """Settings, where each value comes from, and the files that were read."""

    settings: Settings
    origins: Mapping[str, Origin]  # by dotted name; those that are missing have defaults
    files: tuple[ConfigFile, ...]
    unknown_variables: tuple[str, ...]  # RUSHES_* of the environment that are not settings

    def origin(self, name: str) -> Origin:
        return self.origins.get(name, DEFAULT)

    def shown(self) -> dict[str, Any]:
        """Return all values by dotted name as JSON-safe data, with secrets masked."""
        return {".".join(place): _shown(value) for place, value in leaves(self.settings)}


def to_variables(settings: Settings) -> dict[str, str]:
    """Return the variables that make another process read exactly these settings."""
    return {
        variable_of(place): _as_text(place, value)
        for place, value in leaves(settings)
        if value is not None
    }


def leaves(model: BaseModel, above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every single value of a model with its place."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def variable_of(place: Place) -> str:
    """Return the environment variable of a setting."""
    return ENVIRONMENT_PREFIX + NESTED_BY.join(place).upper()


def _as_text(place: Place, value: Any) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            separator = os.pathsep if place == ("lora_dir",) else " "
            return separator.join(_as_text(place, each) for each in value)
        case _:
            return str(value)


def _shown(value: Any) -> Any:
    match value:
        case SecretStr():
            return _masked(value.get_secret_value())
        case Path():
            return str(value)
        case tuple():
            return [_shown(each) for each in value]
        case _:
            return value


def _masked(url: str) -> str:
    """Return the part of a secret address that may be shown: the host of a web address."""
    scheme, _, rest = hide_password(url).partition("://")
    if scheme.startswith("http"):
        return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}/***"
    place, has_options, _ = rest.partition("?")  # which may hold a password too
    return f"{scheme}://{place}{'?***' if has_options else ''}"
