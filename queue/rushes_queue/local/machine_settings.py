"""The settings of this machine; a farm that runs on it (``rushes up``) is one of the sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rushes_queue.settings.loaded import LoadedSettings
from rushes_queue.settings.model import Settings
from rushes_queue.settings.sources import read_settings as read_sources


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Return the settings; arguments as for ``settings.sources.read_settings``.

    Raises: ConfigError, one line that names every wrong value and where it comes from.
    """
    return read_settings(flags, environment, folder).settings


def read_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> LoadedSettings:
    """Return the settings and where each value comes from; arguments likewise.

    Raises: ConfigError.
    """
    return read_sources(flags, environment, folder, _variables_of_farm)


def _variables_of_farm(folder: Path) -> Mapping[str, str]:
    from rushes_queue.local.farm_file import LocalFarm  # POSIX only, and rarely needed

    return LocalFarm(folder).shared_variables()
