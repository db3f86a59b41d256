"""The folders of this machine as its settings name them: variables, then files, then defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_cache_path, user_data_path
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from rushes.errors import ConfigError
from rushes.files.config_files import find_config_files, read_config_file, seen_from
from rushes.files.folders import Folders


def default_models_dir() -> Path:
    """Return where weights are kept if no setting names a folder."""
    return user_data_path("rushes") / "models"


def default_cache_dir() -> Path:
    """Return the cache folder if no setting names one."""
    return user_cache_path("rushes")


def split_paths(value: Any) -> Any:
    """Return the folders in a variable, separated as in PATH."""
    return value.split(os.pathsep) if isinstance(value, str) else value


def _absolute(folder: Path) -> Path:
    try:
        return folder.expanduser().absolute()
    except RuntimeError as error:  # a ~ without a home
        raise ValueError(str(error)) from error


def _not_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("is empty")
    return value


Folder = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_absolute)]


class _FolderSettings(BaseModel):
    models_dir: Folder = Field(default_factory=default_models_dir)
    cache_dir: Folder = Field(default_factory=default_cache_dir)
    lora_dir: Annotated[tuple[Folder, ...], BeforeValidator(split_paths)] = ()


def machine_folders(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Folders:
    """Return the folders that the command line uses by default.

    The environment is this process's, and the project's folder the current one, unless given.
    Raises: ConfigError that names a wrong value and where it comes from.
    """
    environment = os.environ if environment is None else environment
    found: dict[str, tuple[Any, str]] = {}  # value and origin, by setting
    for file in find_config_files(environment, folder or Path.cwd()):
        for name, value in (read_config_file(file) if file.is_used else {}).items():
            found.setdefault(name, (seen_from(file.path.parent, value), str(file.path)))
    for name in _FolderSettings.model_fields:
        variable = f"RUSHES_{name.upper()}"
        if environment.get(variable):
            found[name] = environment[variable], f"environment {variable}"
    chosen = {name: found[name][0] for name in _FolderSettings.model_fields if name in found}
    try:
        settings = _FolderSettings.model_validate(chosen)
    except ValidationError as error:
        fault = error.errors()[0]
        name, reason = str(fault["loc"][0]), fault["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{found[name][1]}: {name}: {reason}", field=name) from error
    return Folders(settings.models_dir, settings.cache_dir, settings.lora_dir)
