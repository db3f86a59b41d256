"""Where the values of settings come from, and which source takes precedence.

From the first to the last: flags, variables ``RUSHES_*``, the project's file, the user's file, and
the defaults. Where no broker is named at all, a farm that runs on this machine (``rushes up``)
provides the addresses of its broker and its storage. Variables are read by pydantic-settings' own
source.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from rushes.errors import ConfigError
from rushes.files.config_files import ConfigFile, find_config_files, read_config_file, seen_from
from rushes_queue.broker.connection import hide_password
from rushes_queue.settings.faults import explain
from rushes_queue.settings.loaded import (
    LoadedSettings,
    Origin,
    Place,
    leaves,
    variable_of,
)
from rushes_queue.settings.model import ENVIRONMENT_PREFIX, LOCAL_FARM, SECRETS, Settings

LocalFarmVariables = Callable[[Path], Mapping[str, str]]  # of the farm that lives in a folder

_FALLBACKS = {"RUSHES_BROKER_URL": "REDIS_URL"}
_FLAGS = {"broker_url": "--broker", "storage_url": "--storage"}  # those with other spellings
_FOLDERS = ("models_dir", "cache_dir", "work_dir", "state_dir", "lora_dir", "storage_url")


@dataclass(frozen=True)
class _Layer:
    """The values of one source, and where each was found."""

    values: Mapping[str, Any]
    origin: Callable[[Place], Origin]


def read_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    local_farm: LocalFarmVariables | None = None,
) -> LoadedSettings:
    """Collect the settings and where each comes from.

    ``flags`` are by name, ``None`` where one was not given. The environment is this process's, and
    the project's folder the current one, unless given. ``local_farm`` returns the variables of the
    farm in a folder; none unless it runs.

    Raises: ConfigError.
    """
    environment = os.environ if environment is None else environment
    files = find_config_files(environment, folder or Path.cwd())
    variables = _with_stand_ins(environment)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers = [  # in order of precedence
        _Layer(given, lambda place: Origin("flag", _flag(place))),
        _variables_layer(variables),
        *(_file_layer(file) for file in files if file.is_used),
    ]
    merged = _merged(layers)
    if "broker_url" not in merged and local_farm is not None:
        layers.append(_local_farm_layer(merged.get("state_dir"), local_farm))
        merged = _merged(layers)
    origins: dict[Place, Origin] = {}
    for layer in reversed(layers):
        origins |= {place: layer.origin(place) for place in _places(layer.values)}
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise explain(error, merged, origins) from None
    return LoadedSettings(
        settings=settings,
        origins={".".join(place): origin for place, origin in origins.items()},
        files=files,
        unknown_variables=tuple(sorted(variables.keys() - _known_variables())),
    )


def _with_stand_ins(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the value and the actual name of each variable ``RUSHES_*``; empty ones are left out.

    Of variables such as ``RUSHES_BROKER_URL_FILE`` the content of the file is the value;
    ``REDIS_URL`` is another name for the broker's.
    """
    found = {
        name: (value, name)
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX) and value
    }
    for name in (variable_of((secret,)) for secret in SECRETS):
        path, file_variable = found.get(f"{name}_FILE", ("", ""))
        if not path:
            continue
        if name in found:
            raise ConfigError(f"{name} and {file_variable} are both set; unset one")
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip(), file_variable
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{file_variable}: {path} cannot be read: {error}", path=path
            ) from error
    for name, fallback in _FALLBACKS.items():
        if name not in found and environment.get(fallback):
            found[name] = environment[fallback], fallback
    return found


def _variables_layer(variables: Mapping[str, tuple[str, str]]) -> _Layer:
    source = EnvSettingsSource(Settings, case_sensitive=False)
    source.env_vars = {name.lower(): value for name, (value, _) in variables.items()}
    try:
        values = source()
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = variable_of((field[1],)) if field else str(error)
        raise ConfigError(f"environment {name}: is not a JSON object") from error

    def origin(place: Place) -> Origin:
        """Return the variable that sets a value, alone or as part of a JSON object."""
        name = variable_of(place)
        name = name if name in variables else variable_of(place[:1])
        return Origin("environment", variables.get(name, ("", name))[1])

    return _Layer(values, origin)


def _known_variables() -> set[str]:
    places = [place for place, _ in leaves(Settings())]
    return {
        *(variable_of(place[:length]) for place in places for length in (1, 2)),
        *(f"{variable_of((secret,))}_FILE" for secret in SECRETS),
    }


def _local_farm_layer(state_dir: Any, local_farm: LocalFarmVariables) -> _Layer:
    """Return the settings that lead to the farm on this machine."""
    root = state_dir if isinstance(state_dir, str | Path) and state_dir else Settings().state_dir
    folder = Path(root).expanduser() / LOCAL_FARM
    variables = local_farm(folder) if folder.is_dir() else {}
    layer = _variables_layer(_with_stand_ins(variables))
    return _Layer(layer.values, lambda place: Origin("local farm", str(folder)))


def _file_layer(file: ConfigFile) -> _Layer:
    """Return a file's settings; relative folders are relative to the file.

    Raises: ConfigError.
    """
    values = read_config_file(file)
    _refuse_secrets(values, file)
    if file.kind == "project file" and values.get("notify_command"):
        raise ConfigError(
            f"{file.path}: notify_command is not taken from a project's file, which may be a "
            "stranger's; set RUSHES_NOTIFY_COMMAND or write it into your own config.toml",
            path=str(file.path),
            field="notify_command",
        )
    for name in values.keys() & _FOLDERS:
        values[name] = seen_from(file.path.parent, values[name])
    return _Layer(values, lambda place: Origin(file.kind, str(file.path)))


def _refuse_secrets(values: Mapping[str, Any], file: ConfigFile) -> None:
    for name in SECRETS:
        value = values.get(name)
        if value is not None and (name != "broker_url" or hide_password(str(value)) != value):
            variable = variable_of((name,))
            raise ConfigError(
                f"{file.path}: {name} is a secret, and files are easily passed on; set {variable}, "
                f"or {variable}_FILE to the file that holds it",
                path=str(file.path),
                field=name,
            )


def _merged(layers: list[_Layer]) -> dict[str, Any]:
    """Merge layers; of several values the first counts."""
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        _update(merged, layer.values)
    return merged


def _update(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            table = into[name] = dict(into[name]) if isinstance(into.get(name), dict) else {}
            _update(table, value)
        else:
            into[name] = value


def _places(values: Mapping[str, Any], above: Place = ()) -> Iterator[Place]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _places(value, (*above, name))
        else:
            yield (*above, name)


def _flag(place: Place) -> str:
    name = "-".join(place)
    return _FLAGS.get(name, "--" + name.replace("_", "-"))
