"""The configuration files of this machine, and the settings in them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path

from rushes.errors import ConfigError

_TABLE = ("tool", "rushes")  # of pyproject.toml


@dataclass(frozen=True)
class ConfigFile:
    """A file that may hold settings, and whether it has any."""

    kind: Literal["project file", "user file"]
    path: Path
    is_used: bool


def find_config_files(environment: Mapping[str, str], folder: Path) -> tuple[ConfigFile, ...]:
    """Return the files that may hold settings for a project's folder, in order of precedence."""
    own, shared = folder / "rushes.toml", folder / "pyproject.toml"
    home = environment.get("XDG_CONFIG_HOME")
    user = (Path(home) / "rushes" if home else user_config_path("rushes")) / "config.toml"
    return (
        ConfigFile("project file", own, own.is_file()),
        ConfigFile("project file", shared, not own.is_file() and _has_table(shared)),
        ConfigFile("user file", user, user.is_file()),
    )


def read_config_file(file: ConfigFile) -> dict[str, Any]:
    """Return the settings that a file holds, as they are written there.

    Raises: ConfigError when it cannot be read.
    """
    try:
        values: Any = tomllib.loads(file.path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file.path}: cannot be read: {error}", path=str(file.path)) from error
    if file.path.name == "pyproject.toml":
        for name in _TABLE:
            values = values.get(name, {}) if isinstance(values, dict) else values
        if not isinstance(values, dict):
            raise ConfigError(f"{file.path}: tool.rushes must be a table", path=str(file.path))
    return dict(values)


def seen_from(folder: Path, value: Any) -> Any:
    """Resolve a path, or each of several, relative to a folder; addresses are kept."""
    if isinstance(value, list):
        return [seen_from(folder, each) for each in value]
    if not isinstance(value, str) or not value or "://" in value or value.startswith("~"):
        return value
    return str(folder / value)


def _has_table(pyproject: Path) -> bool:
    """Say whether a file mentions rushes; a broken file that does not is ignored."""
    try:
        return ".".join(_TABLE).encode() in pyproject.read_bytes()
    except OSError:
        return False
